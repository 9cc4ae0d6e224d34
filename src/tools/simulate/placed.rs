//! An order that somebody placed, as all people of a simulation know it together.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::rules::hearing::Sighting;
use super::rules::served::Served;
use super::rules::words::{Refusal, Words};
use super::world::Order;
use crate::domain::ids::OfferId;
use crate::domain::order::{OrderStatus, PaymentMethod};
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;

/// Positions of an order that are under way to its customer.
const DOTS: usize = 8;
/// Most early positions of an order that are looked into.
const SIGHTINGS: usize = 64;

/// An order that somebody placed.
#[derive(Debug)]
pub struct Placed {
    /// The customer, by the name of the log.
    pub by: String,
    /// What it costs, minor units.
    pub price: i64,
    /// Whether that comes from the wallet.
    pub from_wallet: bool,
    /// Where it stands, as its customer has heard.
    pub status: OrderStatus,
    /// Where it stood when its customer called it off.
    pub called_off: Option<OrderStatus>,
    /// Whether it was ever confirmed, as its customer has heard.
    pub was_confirmed: bool,
    /// What was written about it.
    pub written: Vec<Written>,
    /// What the offer said that it brings, minor units.
    pub share: Option<i64>,
    /// Since when a partner is waited for, until there was one.
    pub waits: Option<Instant>,
    /// The step that was called last: to which version, and when.
    pub step: Option<(i64, Instant)>,
    /// Who was told to have it, by its version.
    pub accepted: BTreeMap<i64, String>,
    /// The offers of it that were accepted.
    pub won: Vec<OfferId>,
    /// Positions that came before what explains them.
    pub sightings: Vec<Sighting>,
    /// Whether it is offered, and its partner shown.
    pub served: Served,
    /// What the partner told last of where that is, and when.
    dots: VecDeque<(Timestamp, Instant)>,
}

impl Placed {
    /// An order of `by`, who waits for a partner since then.
    #[must_use]
    pub fn new(by: &str, order: &Order, waits: Option<Instant>) -> Self {
        Self {
            by: by.to_owned(),
            price: order.price.amount,
            from_wallet: order.payment_method == PaymentMethod::Wallet,
            status: order.status,
            called_off: None,
            was_confirmed: order.status != OrderStatus::Pending,
            written: Vec::new(),
            share: None,
            waits,
            step: None,
            accepted: BTreeMap::new(),
            won: Vec::new(),
            sightings: Vec::new(),
            served: if waits.is_some() { Served::default() } else { Served::found() },
            dots: VecDeque::new(),
        }
    }

    /// Its customer hears how it stands.
    pub fn stands(&mut self, status: OrderStatus) {
        self.status = status;
        let is_waiting = status == OrderStatus::Pending;
        self.was_confirmed |= !is_waiting && !status.is_end() || status == OrderStatus::Completed;
    }

    /// Its partner tells where that is.
    pub fn tells(&mut self, measured: Timestamp, at: Instant) {
        self.served.tells(at);
        self.dots.push_back((measured, at));
        if self.dots.len() > DOTS {
            self.dots.pop_front();
        }
    }

    /// Its customer sees a dot. When its partner told that, if it is news.
    pub fn sees(&mut self, measured: Timestamp) -> Option<Instant> {
        self.served.sees();
        let place = self.dots.iter().position(|(told, _)| *told == measured)?;
        // Those before it will not be seen any more.
        self.dots.drain(..=place).next_back().map(|(_, told)| told)
    }

    /// Its partner was seen before what was heard of it explains that.
    pub fn sighted(&mut self, sighting: Sighting) {
        if self.sightings.len() < SIGHTINGS {
            self.sightings.push(sighting);
        }
    }
}

/// A message that somebody wrote.
#[derive(Debug)]
pub struct Written {
    /// The sender's mark.
    pub client_id: String,
    /// What it says.
    pub words: &'static Words,
    /// Whether the server said that it has it.
    pub is_sure: bool,
    /// Whether the sender waits for no answer any more.
    pub is_settled: bool,
    /// That it was refused, where that is to be explained in the end.
    pub refused: Option<Refusal>,
    since: Timestamp,
    at: Instant,
    has_arrived: bool,
}

impl Written {
    /// A message that is sent for the first time at `at`.
    #[must_use]
    pub fn new(client_id: &str, words: &'static Words, at: Instant) -> Self {
        let client_id = client_id.to_owned();
        let (is_sure, is_settled, refused, has_arrived) = (false, false, None, false);
        let since = Timestamp::now();
        Self { client_id, words, is_sure, is_settled, refused, since, at, has_arrived }
    }

    /// The server has refused it, as one of this role's.
    pub fn is_refused(&mut self, code: &str, by: Role) {
        self.is_settled = true;
        let (from, to) = (self.since, Timestamp::now());
        self.refused = Some(Refusal { code: code.to_owned(), by, from, to });
    }

    /// The server has it.
    pub fn is_there(&mut self) {
        (self.is_sure, self.is_settled) = (true, true);
    }

    /// It has come to the other side: how long that took, the first time.
    pub fn arrives(&mut self) -> Option<Duration> {
        let is_first = !std::mem::replace(&mut self.has_arrived, true);
        is_first.then(|| self.at.elapsed())
    }
}
