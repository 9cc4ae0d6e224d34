//! Placing an order.

use std::time::Instant;

use rand::Rng;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::geo::Place;
use crate::domain::ids::OrderId;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::NotificationContent;
use crate::domain::order::{Item, Order, OrderStatus, Party, PaymentMethod};
use crate::domain::principal::Principal;
use crate::protocol::event::Event;
use crate::protocol::views::OrderView;
use crate::services::app::{App, Reply, ServiceSettings, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::services::limits::Counted;
use crate::services::{money, notifications};
use crate::store::{orders as rows, users};

use super::transition::{self, Taken};
use super::{Words, save_step};

/// The most items of one order.
pub(super) const MAX_ITEMS: usize = 100;
/// The most of one item.
pub(super) const MAX_QUANTITY: u32 = 1000;
/// The highest price of one item, minor units.
pub(super) const MAX_UNIT_PRICE: i64 = 100_000_000;

/// An order as a customer sends it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Where the goods are.
    pub pickup: Place,
    /// Where they go.
    pub dropoff: Place,
    /// What they are: 1 to 100.
    pub items: Vec<Item>,
    /// ISO 4217, one that the server takes; its default (`WAYBILL_CURRENCY`) when left out.
    pub currency: Option<Currency>,
    /// `wallet` or `cash`, which is also what counts when left out.
    pub payment_method: Option<PaymentMethod>,
    /// For the partner, at most 1,000 characters.
    pub notes: Option<String>,
}

fn check(new: &NewOrder) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    for (field, place) in [("pickup", &new.pickup), ("dropoff", &new.dropoff)] {
        checks.position(field, place.latitude, place.longitude);
        checks.text(&format!("{field}.address"), &place.address, 1..=500);
    }
    if new.items.is_empty() || new.items.len() > MAX_ITEMS {
        checks.fail("items", "out_of_range", format!("expected 1 to {MAX_ITEMS} items"));
    }
    for (index, item) in new.items.iter().enumerate().take(MAX_ITEMS) {
        checks.text(&format!("items[{index}].name"), &item.name, 1..=200);
        checks.number(&format!("items[{index}].quantity"), item.quantity, 1..=MAX_QUANTITY);
        checks.number(&format!("items[{index}].unit_price"), item.unit_price, 0..=MAX_UNIT_PRICE);
    }
    if let Some(notes) = &new.notes {
        checks.text("notes", notes, 0..=1000);
    }
    checks.done()
}

/// Places an order. It is priced here, from its items and the distance, and the price is set aside where it is paid from the
/// wallet.
///
/// # Errors
/// `Invalid` naming the fields; `Limited`; `Conflict` with `insufficient_funds`, or when the key was used for another
/// request; the database's.
pub async fn place(
    app: &App,
    who: Principal,
    new: NewOrder,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    check(&new)?;
    // One that may have been placed by an earlier call is looked up beyond the limit, too, and counted once it proves new.
    let now = Instant::now();
    if let Err(limited) = app.guard().check_order(who.user_id, now) {
        if key.is_none() {
            return Err(limited);
        }
        app.guard().admit_repeat(who.user_id, now)?;
    }
    let settings = app.settings();
    let price = price(settings, &new);
    let asked = price.as_ref().ok().copied();
    let auto_confirm = settings.auto_confirm;
    let (counting, counted) = (app.clone(), Counted::default());
    let counts = counted.clone();
    let placed = app
        .write_once(key.clone(), 201, move |tx| {
            counting.guard().admit_order(who.user_id, Instant::now())?;
            counts.note();
            // Here, where no answer is kept for the key: an order that was placed is answered, whatever is taken by now.
            let order = insert(tx, &who, new, price?)?;
            let order = if auto_confirm { confirm(tx, order)? } else { order };
            Ok(OrderView::of(&order, Party::Customer, tx.settings().money.commission))
        })
        .await;
    if placed.as_ref().is_err_and(ServiceError::is_passing) && counted.is_so() {
        // It is sent again, and counts once.
        app.guard().give_back_order(who.user_id);
    }
    if let (Err(error), Some(price)) = (&placed, asked)
        && error.code() == "insufficient_funds"
    {
        money::note_refused(app, who.user_id, price, key.as_ref()).await;
    }
    placed
}

fn price(settings: &ServiceSettings, new: &NewOrder) -> Result<Money, ServiceError> {
    let currency = new.currency.unwrap_or(settings.tariffs.default_currency());
    let amount = money::tariff(settings, currency)?.price(&new.items, &new.pickup, &new.dropoff);
    let too_high = || ServiceError::invalid("items", "out_of_range", "the price is too high");
    Ok(Money { amount: amount.ok_or_else(too_high)?, currency })
}

fn insert(tx: &mut Tx<'_>, who: &Principal, new: NewOrder, price: Money) -> Result<Order, ServiceError> {
    let now = tx.now();
    let customer = users::find(tx.conn(), who.user_id)?.ok_or(ServiceError::NotFound { what: "user" })?;
    let order = Order {
        id: OrderId::new(),
        status: OrderStatus::Pending,
        version: 1,
        customer_id: customer.id,
        customer_name: customer.name,
        partner: None,
        pickup: new.pickup,
        dropoff: new.dropoff,
        items: new.items,
        price,
        payment_method: new.payment_method.unwrap_or(PaymentMethod::Cash),
        notes: new.notes.filter(|notes| !notes.trim().is_empty()),
        code: format!("{:04}", rand::rng().random_range(0..10_000)),
        created_at: now,
        updated_at: now,
    };
    rows::insert(tx.conn(), &order)?;
    save_step(tx.conn(), &order, None, Party::Customer, Some(who.user_id), Words::default(), None)?;
    let authorised = money::authorise(tx, &order)?;
    let created = OrderView::of(&order, Party::Admin, tx.settings().money.commission);
    tx.emit(&Event::OrderCreated { order: Box::new(created) });
    let content = NotificationContent::OrderPlaced { order_id: order.id, price };
    let mut letters = vec![(order.customer_id, content)];
    letters.extend(authorised.letters);
    notifications::add_all(tx, letters)?;
    Ok(order)
}

fn confirm(tx: &mut Tx<'_>, order: Order) -> Result<Order, ServiceError> {
    let taken = Taken { to: OrderStatus::Confirmed, party: Party::System, by: None, partner: None };
    transition::take(tx, order, taken, Words::default(), None)
}
