//! What an order would cost, before it is placed.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::geo::Position;
use crate::domain::money::{Currency, Money};
use crate::services::app::App;
use crate::services::error::{Checks, ServiceError};
use crate::services::money;

use super::place::{MAX_ITEMS, MAX_QUANTITY, MAX_UNIT_PRICE};

/// The most that the goods of one order may cost, minor units.
const MAX_GOODS: i64 = MAX_ITEMS as i64 * MAX_QUANTITY as i64 * MAX_UNIT_PRICE;

/// What is asked: the goods and the way, without what else an order needs.
#[derive(Debug, Clone, Copy)]
pub struct Enquiry {
    /// Where the goods are.
    pub pickup: Position,
    /// Where they go.
    pub dropoff: Position,
    /// What all items cost together, minor units.
    pub goods: i64,
    /// One that the server takes; its default when left out.
    pub currency: Option<Currency>,
}

/// What an order would cost. Nothing is set aside or kept: an order that is placed is priced anew, by the same rules.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct QuoteView {
    /// The goods.
    pub goods: Money,
    /// Carrying them.
    pub delivery: Money,
    /// Both: the price of the order.
    pub price: Money,
    /// What is taken of the price from who cancels when the partner has come already.
    pub cancellation_fee: Money,
    /// As the crow flies, metres.
    pub distance: f64,
}

/// Prices an order that has not been placed.
///
/// # Errors
/// `Invalid` naming the fields.
pub fn quote(app: &App, asked: &Enquiry) -> Result<QuoteView, ServiceError> {
    let mut checks = Checks::default();
    for (field, place) in [("pickup", asked.pickup), ("dropoff", asked.dropoff)] {
        checks.number(&format!("{field}_latitude"), place.latitude, -90.0..=90.0);
        checks.number(&format!("{field}_longitude"), place.longitude, -180.0..=180.0);
    }
    checks.number("goods", asked.goods, 0..=MAX_GOODS);
    checks.done()?;
    let tariffs = &app.settings().tariffs;
    let currency = asked.currency.unwrap_or(tariffs.default_currency());
    let delivery = money::tariff(app.settings(), currency)?.delivery(asked.pickup, asked.dropoff);
    let sum = delivery.and_then(|delivery| Some((delivery, delivery.checked_add(asked.goods)?)));
    let too_high = || ServiceError::invalid("goods", "out_of_range", "the price is too high");
    let (delivery, price) = sum.ok_or_else(too_high)?;
    let of = |amount| Money { amount, currency };
    Ok(QuoteView {
        goods: of(asked.goods),
        delivery: of(delivery),
        price: of(price),
        cancellation_fee: of(tariffs.cancellation_fee(of(price))),
        distance: asked.pickup.distance(asked.dropoff),
    })
}
