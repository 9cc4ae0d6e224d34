//! What a partner has to do and may take.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::order::Party;
use crate::domain::principal::Principal;
use crate::protocol::views::{OfferView, OrderView};
use crate::services::app::{App, ServiceSettings};
use crate::services::error::ServiceError;
use crate::services::orders as use_cases;
use crate::store::orders::{self, Filter};
use crate::store::{Conn, dispatch as rows};

use super::view;

/// The most orders, and the most offers, in one answer.
const MAX: i64 = 200;

/// A partner's queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueView {
    /// Open offers, oldest first.
    pub offers: Vec<OfferView>,
    /// The partner's orders that are not delivered yet, newest first, at most 200.
    pub orders: Vec<OrderView>,
}

/// The caller's open offers, oldest first.
///
/// # Errors
/// The database's.
pub async fn offers(app: &App, who: Principal) -> Result<Vec<OfferView>, ServiceError> {
    let own = app.clone();
    app.read(move |conn| open_offers(conn, &who, own.settings())).await
}

fn open_offers(
    conn: &mut Conn,
    who: &Principal,
    settings: &ServiceSettings,
) -> Result<Vec<OfferView>, ServiceError> {
    let Some(partner_id) = who.partner_id else { return Ok(Vec::new()) };
    let mut views = Vec::new();
    for offer in rows::open_offers_to(conn, partner_id, MAX)? {
        if let Some(order) = orders::find(conn, offer.order_id)? {
            views.push(view(&offer, &order, settings));
        }
    }
    Ok(views)
}

/// The caller's open offers and orders in hand.
///
/// # Errors
/// The database's.
pub async fn queue(app: &App, who: Principal) -> Result<QueueView, ServiceError> {
    let offers = offers(app, who).await?;
    let filter = Filter { in_hand: true, ..Filter::default() };
    let orders = use_cases::list(app, who, filter, MAX).await?;
    debug_assert!(orders.iter().all(|order| order.code.is_none()), "{:?} sees no code", Party::Partner);
    Ok(QueueView { offers, orders })
}
