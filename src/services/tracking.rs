//! Where partners are, for those who may watch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::ids::OrderId;
use crate::domain::time::Timestamp;
use crate::protocol::client::LocationSample;
use crate::protocol::views::{Freshness, LocationView};

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
