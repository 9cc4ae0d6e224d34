//! What people know of orders, and what they share without the server: the code at the door, whether anybody is on duty,
//! whose turn it is to order.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::Value;

use super::rules::told::Told;
use super::rules::transfers::Transfer;
use super::saw::Saw;
use crate::domain::geo::{Place, Position};
use crate::domain::ids::{OfferId, OrderId, PartnerId};
use crate::domain::money::Money;
use crate::domain::order::{OrderStatus, PaymentMethod};
use crate::domain::time::Timestamp;

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
    /// What it costs.
    pub price: Money,
    /// How that is paid.
    pub payment_method: PaymentMethod,
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

/// An order that a partner may have.
#[derive(Debug, Clone, Deserialize)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// What is offered.
    pub order: Order,
    /// What the partner would earn.
    pub earnings: Money,
}

/// What people share without the server.
#[derive(Debug)]
pub struct Town {
    /// What everybody saw.
    pub saw: Saw,
    /// What each was told, by the name of the log.
    told: RefCell<HashMap<String, Rc<RefCell<Told>>>>,
    /// What each moved from outside or there, by the name of the log.
    transfers: RefCell<HashMap<String, Vec<Transfer>>>,
    /// When it began.
    pub begin: Timestamp,
    codes: RefCell<HashMap<OrderId, String>>,
    /// Partners who have nothing to do, by the name of the log, and since when they could be offered something.
    free: RefCell<BTreeMap<String, Instant>>,
    is_served: Cell<bool>,
    is_closing: Cell<bool>,
    /// How often somebody orders; where it is not said, each customer orders at will.
    every: Option<Duration>,
    next_order: Cell<Instant>,
}

impl Town {
    /// Where somebody orders so often, or everybody at will.
    #[must_use]
    pub fn new(every: Option<Duration>) -> Self {
        Self {
            saw: Saw::default(),
            told: RefCell::default(),
            transfers: RefCell::default(),
            begin: Timestamp::now(),
            codes: RefCell::default(),
            free: RefCell::default(),
            is_served: Cell::new(false),
            is_closing: Cell::new(false),
            every,
            next_order: Cell::new(Instant::now()),
        }
    }

    /// What this person was told.
    #[must_use]
    pub fn told_to(&self, who: &str) -> Rc<RefCell<Told>> {
        Rc::clone(self.told.borrow_mut().entry(who.to_owned()).or_default())
    }

    /// Somebody moves money from outside or there.
    pub fn moves(&self, who: &str, transfer: Transfer) {
        self.transfers.borrow_mut().entry(who.to_owned()).or_default().push(transfer);
    }

    /// What this person moved.
    #[must_use]
    pub fn moved_by(&self, who: &str) -> Vec<Transfer> {
        self.transfers.borrow().get(who).cloned().unwrap_or_default()
    }

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

    /// A partner has nothing to do and has been heard by the server since `line` at least; or has not.
    pub fn waits_for_offers(&self, who: &str, line: Option<Instant>) {
        let mut free = self.free.borrow_mut();
        let Some(line) = line else {
            free.remove(who);
            return;
        };
        let since = free.entry(who.to_owned()).or_insert_with(Instant::now);
        *since = line.max(*since);
    }

    /// The partners who have nothing to do, and since when.
    #[must_use]
    pub fn free(&self) -> Ref<'_, BTreeMap<String, Instant>> {
        self.free.borrow()
    }

    /// A partner starts work.
    pub fn report_for_duty(&self) {
        if !self.is_served.replace(true) {
            self.next_order.set(Instant::now());
        }
    }

    /// Whether there is anybody to carry orders out.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.is_served.get()
    }

    /// Nobody orders any more.
    pub fn close(&self) {
        self.is_closing.set(true);
    }

    /// Whether nobody orders any more.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Whether it is the turn of whoever asks first, where it goes by turns. It is taken by asking.
    #[must_use]
    pub fn takes_turn(&self, rng: &mut StdRng) -> Option<bool> {
        let every = self.every?;
        let next = self.next_order.get();
        let is_due = next <= Instant::now();
        if is_due {
            self.next_order.set(next + every.mul_f64(rng.random_range(0.5..1.5)));
        }
        Some(is_due)
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
