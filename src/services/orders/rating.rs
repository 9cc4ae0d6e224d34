//! What the customer thought of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::contact::masked;
use crate::domain::ids::OrderId;
use crate::domain::notification::NotificationContent;
use crate::domain::order::{OrderStatus, Party};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::services::app::{App, Reply};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::services::notifications;
use crate::store::orders as rows;

use super::{visible, with_party};

/// A rating as a customer sends it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRating {
    /// 1 to 5.
    pub stars: u8,
    /// At most 1,000 characters.
    pub comment: Option<String>,
}

/// A rating as it is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingView {
    /// Of which order.
    pub order_id: OrderId,
    /// 1 to 5.
    pub stars: u8,
    /// In the customer's words.
    pub comment: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// The rating of an order. The partner reads the comment without contact details.
///
/// # Errors
/// `NotFound` when there is no such order, or no rating of it yet; the database's.
pub async fn rating(app: &App, who: Principal, order_id: OrderId) -> Result<RatingView, ServiceError> {
    app.read(move |conn| {
        let (_, party) = visible(conn, &who, order_id)?;
        let (stars, comment, created_at) =
            rows::find_rating(conn, order_id)?.ok_or(ServiceError::NotFound { what: "rating" })?;
        let seen = |text: String| if party == Party::Partner { masked(&text) } else { text };
        Ok(RatingView { order_id, stars, comment: comment.map(seen), created_at })
    })
    .await
}

/// Rates an order, once, after it was delivered.
///
/// # Errors
/// `NotFound`; `Forbidden` unless the caller placed it; `Conflict` with `not_delivered` or `already_rated`; the
/// database's.
pub async fn rate(
    app: &App,
    who: Principal,
    order_id: OrderId,
    new: NewRating,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let mut checks = Checks::default();
    checks.number("stars", new.stars, 1..=5);
    if let Some(comment) = &new.comment {
        checks.text("comment", comment, 1..=1000);
    }
    checks.done()?;
    app.write_once(key, 201, move |tx| {
        let (order, party) = with_party(&who, rows::find_locked(tx.conn(), order_id)?)?;
        if party != Party::Customer {
            return Err(ServiceError::forbidden("role_not_allowed", "Only the customer rates an order."));
        }
        if !matches!(order.status, OrderStatus::Delivered | OrderStatus::Completed) {
            return Err(ServiceError::conflict("not_delivered", "An order is rated once it was delivered."));
        }
        let now = tx.now();
        if !rows::insert_rating(tx.conn(), order_id, i16::from(new.stars), new.comment.as_deref(), now)? {
            return Err(ServiceError::conflict("already_rated", "This order has its rating."));
        }
        if let Some(partner) = &order.partner {
            let comment = new.comment.as_deref().map(|comment| masked(comment).as_str().into());
            let content = NotificationContent::RatingReceived { order_id, stars: new.stars, comment };
            notifications::add(tx, partner.user_id, &content)?;
        }
        Ok(RatingView { order_id, stars: new.stars, comment: new.comment, created_at: now })
    })
    .await
}
