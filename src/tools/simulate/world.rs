//! What people know of orders, and what they tell each other without the server: the code at the door, who is on duty.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::geo::{Place, Position};
use crate::domain::ids::{OrderId, PartnerId};
use crate::domain::order::OrderStatus;

/// As much of an order as the simulation needs.
#[derive(Debug, Clone, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Counts its changes.
    pub version: i64,
    /// Where the goods are.
    pub pickup: Place,
    /// Where they go.
    pub dropoff: Place,
    /// Who carries it out.
    pub partner: Option<Carrier>,
    /// Where the carrier was last seen.
    pub location: Option<Seen>,
    /// The hand-over code; customers get it.
    pub code: Option<String>,
}

/// Who carries an order out.
#[derive(Debug, Clone, Deserialize)]
pub struct Carrier {
    /// The partner profile.
    pub id: PartnerId,
}

/// Where a carrier was last seen.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Seen {
    latitude: f64,
    longitude: f64,
}

impl Seen {
    /// Where that is.
    #[must_use]
    pub fn position(self) -> Position {
        Position { latitude: self.latitude, longitude: self.longitude }
    }
}

/// A page of orders, newest first.
#[derive(Debug, Deserialize)]
pub struct Orders {
    /// The orders.
    pub items: Vec<Order>,
}

/// What an `order_update` frame says.
#[derive(Debug, Clone, Deserialize)]
pub struct Update {
    /// Which order.
    pub order_id: OrderId,
    /// Where it stands now.
    pub status: OrderStatus,
    /// Its version now.
    pub version: i64,
    /// Who carries it out now.
    pub partner: Option<Carrier>,
}

impl Update {
    /// From a frame, if it is one.
    #[must_use]
    pub fn read(frame: &Value) -> Option<Self> {
        Self::deserialize(frame.get("update")?).ok()
    }
}

impl Order {
    /// From the `order` of a frame, if it has one.
    #[must_use]
    pub fn read(frame: &Value) -> Option<Self> {
        Self::deserialize(frame.get("order")?).ok()
    }

    /// Takes a change in, unless it is old news. Whether it was news.
    pub fn take(&mut self, update: &Update) -> bool {
        if update.version <= self.version {
            return false;
        }
        self.status = update.status;
        self.version = update.version;
        self.partner = update.partner.clone();
        true
    }
}

/// What people tell each other face to face or by telephone.
#[derive(Debug, Default)]
pub struct Talk {
    codes: RefCell<HashMap<OrderId, String>>,
    on_duty: RefCell<BTreeSet<PartnerId>>,
}

impl Talk {
    /// A customer has the code ready.
    pub fn tell_code(&self, order: &Order) {
        if let Some(code) = &order.code {
            self.codes.borrow_mut().insert(order.id, code.clone());
        }
    }

    /// What the customer says at the door.
    #[must_use]
    pub fn ask_code(&self, order: OrderId) -> Option<String> {
        self.codes.borrow().get(&order).cloned()
    }

    /// The order is over.
    pub fn forget_code(&self, order: OrderId) {
        self.codes.borrow_mut().remove(&order);
    }

    /// A partner starts work.
    pub fn report_for_duty(&self, partner: PartnerId) {
        self.on_duty.borrow_mut().insert(partner);
    }

    /// Who works.
    #[must_use]
    pub fn on_duty(&self) -> Vec<PartnerId> {
        self.on_duty.borrow().iter().copied().collect()
    }
}

/// A time from `seconds` on, `pace` times as soon.
#[must_use]
pub fn soon(seconds: std::ops::Range<f64>, pace: f64, rng: &mut StdRng) -> Instant {
    Instant::now() + Duration::from_secs_f64(rng.random_range(seconds) / pace)
}

/// Whether a time has come.
#[must_use]
pub fn is_due(time: Option<Instant>) -> bool {
    time.is_some_and(|time| time <= Instant::now())
}
