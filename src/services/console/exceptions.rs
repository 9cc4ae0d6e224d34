//! Exceptions: orders that somebody should look at. Nothing is stored of them: they are what the orders, the dots and the
//! promises say now.

use std::collections::HashMap;

use crate::domain::exception::{ExceptionKind, FAILED_FOR, LATE_BY, SILENT_AFTER, by_status};
use crate::domain::ids::OrderId;
use crate::domain::order::{Order, Party};
use crate::domain::time::Timestamp;
use crate::protocol::admin::{ClaimView, ExceptionView};
use crate::protocol::ephemeral::EphemeralFrame;
use crate::protocol::views::OrderView;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::console::{self as rows, Standing};
use crate::store::{claims, orders};

/// Orders that are looked at, the oldest first.
const LOOKED_AT: i64 = 5_000;
/// The most exceptions in an answer, the oldest trouble first.
const MOST: usize = 200;

/// What is wrong with an order, and since when.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    order_id: OrderId,
    kind: ExceptionKind,
    since: Timestamp,
    seconds: u64,
}

/// Orders that somebody should look at, the oldest trouble first, at most 200.
///
/// # Errors
/// The database's.
pub async fn exceptions(app: &App) -> Result<Vec<ExceptionView>, ServiceError> {
    let now = Timestamp::now();
    let standings =
        app.read(move |conn| Ok(rows::standings(conn, now.before(FAILED_FOR), LOOKED_AT)?)).await?;
    let mut troubles: Vec<Trouble> =
        standings.iter().flat_map(|standing| troubles(app, standing, now)).collect();
    troubles.sort_by_key(|trouble| (trouble.since, trouble.order_id));
    troubles.truncate(MOST);
    if troubles.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<OrderId> = troubles.iter().map(|trouble| trouble.order_id).collect();
    let (orders, claims) = app
        .read(move |conn| {
            let limit = i64::try_from(MOST).unwrap_or(i64::MAX);
            Ok((orders::find_all(conn, &ids)?, claims::list(conn, None, now, limit)?))
        })
        .await?;
    let orders: HashMap<OrderId, Order> = orders.into_iter().map(|order| (order.id, order)).collect();
    let claims: HashMap<OrderId, ClaimView> =
        claims.into_iter().map(|claim| (claim.order_id, claim)).collect();
    let commission = app.settings().money.commission;
    let view = |Trouble { order_id, kind, since, seconds }| {
        let order = orders.get(&order_id)?;
        let OrderView { status, customer, partner, .. } = OrderView::of(order, Party::Admin, commission);
        let claim = claims.get(&order_id).cloned();
        Some(ExceptionView { order_id, kind, since, seconds, status, customer, partner, claim })
    };
    Ok(troubles.into_iter().filter_map(view).collect())
}

fn troubles(app: &App, standing: &Standing, now: Timestamp) -> Vec<Trouble> {
    let Standing { order_id, status, since } = *standing;
    let trouble =
        |kind, since: Timestamp| Trouble { order_id, kind, since, seconds: now.since(since).as_secs() };
    let mut found: Vec<Trouble> =
        by_status(status, since, now).map(|kind| trouble(kind, since)).into_iter().collect();
    if status.shows_location() {
        let seen = app.last_seen().get(order_id, now).map_or(since, |seen| seen.timestamp.max(since));
        // While Redis is away, only the instance that a partner speaks to hears of that one.
        if now.since(seen) >= SILENT_AFTER && app.groups().away().is_none() {
            found.push(trouble(ExceptionKind::Silent, seen));
        }
        let eta = app.last_seen().eta(order_id, status, now);
        let late = eta.map(|eta| (eta.promised_at, eta.arrives_at.since(eta.promised_at)));
        if let Some((since, late)) = late.filter(|(_, late)| *late >= LATE_BY) {
            found.push(Trouble { order_id, kind: ExceptionKind::Late, since, seconds: late.as_secs() });
        }
    }
    found
}

/// What admins were told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    what: Option<Vec<(OrderId, ExceptionKind, Option<ClaimView>)>>,
}

impl Told {
    /// Tells the admins who listen here, if there is news or it is time to repeat it.
    pub(super) async fn tell(&mut self, app: &App, repeats: bool) {
        let exceptions = match exceptions(app).await {
            Ok(exceptions) => exceptions,
            // The next look is soon.
            Err(error) => return log::warn!("exceptions are not known: {error}"),
        };
        let what = exceptions.iter().map(|one| (one.order_id, one.kind, one.claim.clone())).collect();
        if repeats || self.what.as_ref() != Some(&what) {
            super::tell(app, "exceptions", &EphemeralFrame::Exceptions { exceptions: &exceptions });
            self.what = Some(what);
        }
    }
}
