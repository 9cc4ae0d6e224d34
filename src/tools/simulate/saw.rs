//! What all people of a simulation saw together: what became of orders, offers and messages, how long things took, and
//! which rules were broken.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::rules::Break;
use super::trouble::Trouble;
use super::world::Order;
use crate::domain::ids::{OfferId, OrderId};
use crate::domain::order::{OrderStatus, PaymentMethod};
use crate::tools::client::http::{CallError, Failure};
use crate::tools::load::meters::{Counts, Latencies, count};

/// Most broken rules that are kept; the others are counted.
pub const LISTED: usize = 50;
/// Most orders that are remembered; of more, the oldest are forgotten, since a demo may run for months.
const REMEMBERED: usize = 20_000;

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lapse {
    /// From an order to its partner, as its customer hears of it.
    Partner,
    /// From a step's call to the customer's `order_update`.
    Step,
    /// From a message to its arrival at the other side.
    Message,
    /// From a call to its answer.
    Call,
}

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
    /// What was written about it.
    pub written: Vec<Written>,
    /// What the offer said that it brings, minor units.
    pub share: Option<i64>,
    /// Since when a partner is waited for, until there was one.
    waits: Option<Instant>,
    step: Option<(i64, Instant)>,
    accepted: BTreeMap<i64, String>,
}

/// A message that somebody wrote.
#[derive(Debug)]
pub struct Written {
    /// The sender's mark.
    pub client_id: String,
    /// Whether the server said that it has it.
    pub is_sure: bool,
    at: Instant,
    has_arrived: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Seen {
    /// The orders.
    pub orders: BTreeMap<OrderId, Placed>,
    /// How long things took.
    pub lapses: BTreeMap<Lapse, Latencies>,
    /// Calls of the HTTP interface.
    pub calls: u64,
    /// Calls that were refused or not answered, by status and code.
    pub refused: Counts,
    /// Frames that came.
    pub frames: u64,
    /// `error` frames, by code.
    pub errors: Counts,
    /// Connections that had to be made anew, by reason.
    pub reconnects: Counts,
    /// What became of offers.
    pub offers: Counts,
    /// Other things that people did, by what it was.
    pub deeds: Counts,
    /// The first [`LISTED`] broken rules.
    pub broken: Vec<Break>,
    /// All of them.
    pub breaks: u64,
    open_offers: HashMap<OfferId, (String, OrderId)>,
    /// How many notifications of each person are unread, as last heard.
    unread: HashMap<String, i64>,
}

/// What everybody tells of what they saw.
#[derive(Debug, Default)]
pub struct Saw(RefCell<Seen>);

impl Saw {
    /// Looks at all of it.
    pub fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(&self.0.borrow())
    }

    /// Somebody met a broken rule.
    pub fn broke(&self, who: &str, broken: Break) {
        log::error!("{who}: {broken}");
        let mut seen = self.0.borrow_mut();
        seen.breaks += 1;
        if seen.broken.len() < LISTED {
            seen.broken.push(Break { about: format!("{who}: {}", broken.about), ..broken });
        }
    }

    /// A call came to its end.
    pub fn called(&self, who: &str, took: Duration, error: Option<&CallError>) {
        self.lapse(Lapse::Call, took);
        self.0.borrow_mut().calls += 1;
        let Some(CallError { call, failure }) = error else { return };
        let name = match failure {
            Failure::NoAnswer(_) => "no answer".to_owned(),
            Failure::Unreadable(reason) => {
                self.broke(who, Break::new(call, "an answer as it is described", reason));
                "not understood".to_owned()
            }
            Failure::Refused(refusal) => {
                if refusal.status.as_u16() == 500 {
                    self.broke(who, Break::new(call, "no fault of the server's", &refusal.body));
                }
                format!("{} {}", refusal.status.as_u16(), refusal.code)
            }
        };
        count(&mut self.0.borrow_mut().refused, name);
    }

    /// A frame came.
    pub fn heard(&self) {
        self.0.borrow_mut().frames += 1;
    }

    /// A frame was refused.
    pub fn refused(&self, who: &str, code: &str, frame: &str) {
        if code == "internal" {
            self.broke(who, Break::new("a frame", "no fault of the server's", frame));
        }
        count(&mut self.0.borrow_mut().errors, code);
    }

    /// A connection has to be made anew.
    pub fn lost(&self, who: &str, trouble: &Trouble) {
        if trouble.is_fault() {
            self.broke(who, Break::new("the handshake", "no fault of the server's", trouble.to_string()));
        }
        count(&mut self.0.borrow_mut().reconnects, trouble.kind());
    }

    /// Somebody did something else that is counted.
    pub fn did(&self, what: impl Into<String>) {
        count(&mut self.0.borrow_mut().deeds, what);
    }

    /// Somebody has heard how many notifications are unread.
    pub fn counted(&self, who: &str, unread: i64) {
        self.0.borrow_mut().unread.insert(who.to_owned(), unread);
    }

    /// How many are unread, as this person has heard last.
    pub fn unread(&self, who: &str) -> Option<i64> {
        self.0.borrow().unread.get(who).copied()
    }

    /// An order was answered with 201.
    pub fn placed(&self, by: &str, order: &Order) {
        let mut seen = self.0.borrow_mut();
        let placed = Placed {
            by: by.to_owned(),
            price: order.price.amount,
            from_wallet: order.payment_method == PaymentMethod::Wallet,
            status: order.status,
            written: Vec::new(),
            share: None,
            waits: Some(Instant::now()),
            step: None,
            accepted: BTreeMap::new(),
        };
        seen.orders.insert(order.id, placed);
        if seen.orders.len() > REMEMBERED {
            seen.orders.pop_first();
        }
    }

    /// A step of an order is about to be taken, from this version.
    pub fn calls_step(&self, id: OrderId, version: i64) {
        if let Some(placed) = self.0.borrow_mut().orders.get_mut(&id) {
            placed.step = Some((version + 1, Instant::now()));
        }
    }

    /// The customer has heard of a step.
    pub fn stepped(&self, id: OrderId, status: OrderStatus, version: i64) {
        let mut found = Vec::new();
        if let Some(placed) = self.0.borrow_mut().orders.get_mut(&id) {
            placed.status = status;
            if let Some((_, called)) = placed.step.take_if(|(expected, _)| *expected == version) {
                found.push((Lapse::Step, called.elapsed()));
            }
            if let Some(begin) = placed.waits.take_if(|_| status == OrderStatus::Assigned) {
                found.push((Lapse::Partner, begin.elapsed()));
            }
        }
        found.into_iter().for_each(|(lapse, took)| self.lapse(lapse, took));
    }

    /// A partner was offered an order.
    pub fn offered(&self, who: &str, offer: OfferId, order: OrderId) {
        let mut seen = self.0.borrow_mut();
        if seen.open_offers.insert(offer, (who.to_owned(), order)).is_none() {
            count(&mut seen.offers, "made");
        }
    }

    /// An offer came to its end.
    pub fn closed(&self, offer: OfferId, reason: &str) {
        let mut seen = self.0.borrow_mut();
        if seen.open_offers.remove(&offer).is_some() {
            count(&mut seen.offers, reason);
        }
    }

    /// Of a partner's offers, only these are open: what became of the others went past.
    pub fn still_open(&self, who: &str, offers: &[OfferId]) {
        self.0.borrow_mut().open_offers.retain(|offer, (whose, _)| whose != who || offers.contains(offer));
    }

    /// Offers of orders that are over, of whose end nobody was told.
    pub fn untold_offers(&self) -> Vec<(String, Break)> {
        let seen = self.0.borrow();
        let is_over = |id| seen.orders.get(id).is_some_and(|placed| placed.status.is_end());
        let untold = seen.open_offers.iter().filter(|(_, (_, order))| is_over(order));
        let broken = |(offer, (who, order)): (&OfferId, &(String, OrderId))| {
            let about = format!("offer {offer} of order {order}");
            (who.clone(), Break::new(about, "to be told how it ended", "nothing"))
        };
        untold.map(broken).collect()
    }

    /// An `accept` was answered with 200: nobody else's may be, for that version of the order.
    pub fn accepted(&self, who: &str, order: &Order, share: i64) {
        let mut others = Vec::new();
        if let Some(placed) = self.0.borrow_mut().orders.get_mut(&order.id) {
            placed.share = Some(share);
            others.extend(placed.accepted.insert(order.version, who.to_owned()).filter(|other| other != who));
        }
        for other in others {
            self.broke(
                who,
                Break::new(order.id, format!("to be {other}'s alone"), "200 for another partner"),
            );
        }
    }

    /// Somebody writes a message.
    pub fn writes(&self, id: OrderId, client_id: &str) {
        if let Some(placed) = self.0.borrow_mut().orders.get_mut(&id) {
            let (client_id, at) = (client_id.to_owned(), Instant::now());
            placed.written.push(Written { client_id, is_sure: false, at, has_arrived: false });
        }
    }

    /// A message has come back to its sender.
    pub fn is_written(&self, id: OrderId, client_id: &str) {
        self.with_message(id, client_id, |written| {
            written.is_sure = true;
            None
        });
    }

    /// A message has come to the other side.
    pub fn arrived(&self, id: OrderId, client_id: &str) {
        self.with_message(id, client_id, |written| {
            let is_first = !std::mem::replace(&mut written.has_arrived, true);
            is_first.then(|| written.at.elapsed())
        });
    }

    fn with_message(&self, id: OrderId, mark: &str, act: impl FnOnce(&mut Written) -> Option<Duration>) {
        let took = self.0.borrow_mut().orders.get_mut(&id).and_then(|placed| {
            placed.written.iter_mut().find(|written| written.client_id == mark).and_then(act)
        });
        if let Some(took) = took {
            self.lapse(Lapse::Message, took);
        }
    }

    fn lapse(&self, lapse: Lapse, took: Duration) {
        let mut seen = self.0.borrow_mut();
        if let Some(latencies) = seen.lapses.get_mut(&lapse) {
            latencies.record(took);
        } else if let Ok(mut latencies) = Latencies::new() {
            latencies.record(took);
            seen.lapses.insert(lapse, latencies);
        }
    }
}
