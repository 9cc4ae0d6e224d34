//! Claims: that an admin looks after an order, so that no two do.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::domain::ids::{OrderId, UserId};
use crate::domain::principal::Principal;
use crate::protocol::admin::ClaimView;
use crate::protocol::event::Event;
use crate::services::app::{App, Reply, Tx};
use crate::services::error::ServiceError;
use crate::services::idempotency::Idempotency;
use crate::store::{activities, claims as rows, orders};

use super::activity::note;

/// How long a claim holds unless it is renewed: who has gone home keeps nobody from anything for longer.
const HOLDS: Duration = Duration::from_secs(3600);
/// The most claims in an answer.
const MOST: i64 = 200;

/// How an order is claimed.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClaim {
    /// From whom it is taken over, on purpose. Without it, an order that another admin has claimed is left alone.
    pub from: Option<UserId>,
}

/// The claims that hold, the oldest first, at most 200.
///
/// # Errors
/// The database's.
pub async fn claims(app: &App) -> Result<Vec<ClaimView>, ServiceError> {
    app.read(|conn| Ok(rows::list(conn, None, crate::domain::time::Timestamp::now(), MOST)?)).await
}

/// Claims an order for `who`, or renews that.
///
/// # Errors
/// `NotFound`; `Conflict` with `already_claimed` (and `claim`) when another admin has it than the one that is named, and with
/// `order_over` when it was completed or cancelled; the database's.
pub async fn claim(
    app: &App,
    who: Principal,
    order_id: OrderId,
    asked: NewClaim,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    app.write_once(key, 200, move |tx| {
        let order = orders::find_locked(tx.conn(), order_id)?;
        let order = order.ok_or(ServiceError::NotFound { what: "order" })?;
        if is_settled(order.status) {
            return Err(ServiceError::conflict("order_over", "Nobody need look after this order any more."));
        }
        let (now, held) = (tx.now(), held(tx, order_id)?);
        let is_mine = held.as_ref().is_some_and(|held| held.user_id == who.user_id);
        if let Some(held) = held.as_ref().filter(|held| !is_mine && asked.from != Some(held.user_id)) {
            return Err(already_claimed(held));
        }
        let at = held.filter(|_| is_mine).map_or(now, |held| held.at);
        let until = now.after(HOLDS);
        rows::put(tx.conn(), order_id, who.user_id, at, until)?;
        let name = activities::name_of(tx.conn(), who.user_id)?.unwrap_or_default();
        let claim = ClaimView { order_id, user_id: who.user_id, name, at, until };
        if !is_mine {
            note(tx, (who.user_id, who.role), "claimed", Some(order_id))?;
        }
        tx.emit(&Event::ClaimChanged { order_id, claim: Some(claim.clone()), by: who.user_id });
        Ok(claim)
    })
    .await
}

/// Gives up the claim of `who` on an order, if there is one.
///
/// # Errors
/// `NotFound`; `Conflict` with `already_claimed` (and `claim`) when it is another admin's; the database's.
pub async fn release(app: &App, who: Principal, order_id: OrderId) -> Result<(), ServiceError> {
    app.write(move |tx| {
        let order = orders::find_locked(tx.conn(), order_id)?;
        order.ok_or(ServiceError::NotFound { what: "order" })?;
        match held(tx, order_id)? {
            None => Ok(()),
            Some(held) if held.user_id != who.user_id => Err(already_claimed(&held)),
            Some(_) => {
                rows::remove(tx.conn(), order_id)?;
                note(tx, (who.user_id, who.role), "released", Some(order_id))?;
                tx.emit(&Event::ClaimChanged { order_id, claim: None, by: who.user_id });
                Ok(())
            }
        }
    })
    .await
}

fn is_settled(status: crate::domain::order::OrderStatus) -> bool {
    use crate::domain::order::OrderStatus;
    match status {
        OrderStatus::Completed | OrderStatus::Cancelled => true,
        OrderStatus::Pending
        | OrderStatus::Confirmed
        | OrderStatus::Assigned
        | OrderStatus::EnRoute
        | OrderStatus::Arrived
        | OrderStatus::PickedUp
        | OrderStatus::InTransit
        | OrderStatus::Delivered
        | OrderStatus::Failed => false,
    }
}

fn held(tx: &mut Tx<'_>, order_id: OrderId) -> Result<Option<ClaimView>, ServiceError> {
    let now = tx.now();
    Ok(rows::list(tx.conn(), Some(order_id), now, 1)?.into_iter().next())
}

fn already_claimed(held: &ClaimView) -> ServiceError {
    let extra = [("claim".to_owned(), json!(held))].into_iter().collect();
    let detail = format!("{} looks after this order.", held.name).into();
    ServiceError::Conflict { code: "already_claimed", detail, extra }
}
