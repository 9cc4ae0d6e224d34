//! Where partners are, for those who may watch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, OrderId};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::channel::Say;
use crate::protocol::client::LocationSample;
use crate::protocol::ephemeral::EphemeralFrame;
use crate::protocol::views::{Freshness, LocationView};
use crate::store::orders::{self as rows, Filter};

use super::app::App;
use super::error::{Checks, ServiceError};

/// Older samples say nothing of where the partner is.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// By how much a device's clock may be ahead.
const MAX_AHEAD: Duration = Duration::from_secs(5);
/// Positions older than this are forgotten, should nobody have said so before.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// From so many positions on.
const PURGE_FROM: usize = 1024;
/// The most orders that one partner is under way with.
const MAX_ORDERS: i64 = 50;

/// The last sample of each order that is under way. Kept in memory: a restart shows no position until the
/// partner's next sample, rather than an old one.
#[derive(Debug, Default)]
pub struct LastSeen {
    orders: Mutex<HashMap<OrderId, LocationSample>>,
}

impl LastSeen {
    /// Takes a sample; `false` when a later one is there already.
    pub fn put(&self, order_id: OrderId, sample: &LocationSample) -> bool {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        match orders.get(&order_id) {
            Some(last) if last.timestamp >= sample.timestamp => false,
            Some(_) | None => {
                if orders.len() >= PURGE_FROM && orders.len().is_power_of_two() {
                    let oldest = sample.timestamp.before(KEPT);
                    orders.retain(|_, last| last.timestamp >= oldest);
                }
                orders.insert(order_id, sample.clone());
                true
            }
        }
    }

    /// Forgets an order: its partner's position is nobody's business any more.
    pub fn forget(&self, order_id: OrderId) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).remove(&order_id);
    }

    /// Where the partner of an order was last seen, as of `now`.
    #[must_use]
    pub fn get(&self, order_id: OrderId, now: Timestamp) -> Option<LocationView> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.get(&order_id).map(|sample| view(sample, now))
    }
}

/// A sample as watchers see it at `now`.
#[must_use]
pub fn view(sample: &LocationSample, now: Timestamp) -> LocationView {
    let age = now.since(sample.timestamp).as_secs();
    LocationView {
        latitude: sample.latitude,
        longitude: sample.longitude,
        timestamp: sample.timestamp,
        heading: sample.heading,
        speed: sample.speed,
        accuracy: sample.accuracy,
        age,
        freshness: Freshness::of(age),
    }
}

/// Takes a partner's sample and shows it to those who watch the orders that the partner is under way with.
///
/// # Errors
/// `Invalid` when it is out of range, too old or from the future; `Conflict` with `no_active_order` when the
/// partner is under way with none, or not with the one that it names; the database's.
pub async fn ingest(app: &App, who: Principal, sample: LocationSample) -> Result<(), ServiceError> {
    let now = Timestamp::now();
    check(&sample, now)?;
    let filter = Filter { open: true, partner_id: who.partner_id, ..Filter::default() };
    let orders = app.read(move |conn| Ok(rows::list(conn, &filter, MAX_ORDERS)?)).await?;
    let mut shown = Vec::new();
    let mut is_meant_for_any = false;
    for order in orders {
        let is_meant = sample.order_id.is_none_or(|order_id| order_id == order.id);
        if who.partner_id.is_none() || !is_meant || !order.status.shows_location() {
            continue;
        }
        is_meant_for_any = true;
        // One that came late says nothing new about where the partner is.
        if app.last_seen().put(order.id, &sample) {
            shown.push(order.id);
            let body = EphemeralFrame::Location { location: &view(&sample, now) }.to_text();
            let group = GroupKey::Order(order.id);
            app.groups().publish_ephemeral(group, EventId::new(), "location", body.into())?;
        }
    }
    if !shown.is_empty() {
        // They show it to whoever asks them for the order.
        app.groups().tell(Say::Located { orders: shown, sample });
    }
    if is_meant_for_any {
        return Ok(());
    }
    Err(ServiceError::conflict("no_active_order", "The partner is not under way with such an order."))
}

fn check(sample: &LocationSample, now: Timestamp) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    checks.position("", sample.latitude, sample.longitude);
    if sample.timestamp < now.before(MAX_AGE) {
        checks.fail("timestamp", "too_old", "expected a sample of the last 5 minutes");
    }
    if sample.timestamp > now.after(MAX_AHEAD) {
        checks.fail("timestamp", "in_future", "the sample is from the future");
    }
    let optional = [
        ("heading", sample.heading, 0.0..=360.0),
        ("speed", sample.speed, 0.0..=500.0),
        ("accuracy", sample.accuracy, 0.0..=100_000.0),
        ("battery", sample.battery, 0.0..=1.0),
    ];
    for (field, value, range) in optional {
        if let Some(value) = value {
            checks.number(field, value, range);
        }
    }
    checks.done()
}
