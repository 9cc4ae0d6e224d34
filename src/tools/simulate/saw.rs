//! What all people of a simulation saw together: what became of orders, offers and messages, how long things took, and
//! which rules were broken.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::fates::{Fates, Won};
use super::placed::{Placed, Written};
use super::rules::Break;
use super::rules::answers::PASSING;
use super::rules::hearing::{Begins, Sighting};
use super::rules::recent::Recent;
use super::rules::served::{OFFERED, SEEN, Spell};
use super::rules::told::Held;
use super::rules::vigils::{Vigils, Wait};
use super::rules::words::Words;
use super::trouble::Trouble;
use super::world::{Offer, Order};
use crate::domain::ids::{OfferId, OrderId};
use crate::domain::order::OrderStatus;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::tools::client::http::{CallError, Failure};
use crate::tools::load::meters::{Counts, Latencies, count};

/// Most broken rules that are kept; the others are counted.
pub const LISTED: usize = 50;
/// Most orders that are remembered; of more, the oldest are forgotten, since a demo may run for months.
const REMEMBERED: usize = 20_000;
/// How long it is remembered that a notification was read, and of how many.
const READ_KEPT: (Duration, usize) = (Duration::from_secs(2 * 3600), 50_000);
/// Refusals of what people do more often than they may.
const STRAINED: [&str; 2] = ["rate_limited", "points_refused"];

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lapse {
    /// From an order to its partner, as its customer hears of it.
    Partner,
    /// From an offer, by the server's clock, to its partner.
    Offer,
    /// From a step's call to the customer's `order_update`.
    Step,
    /// From a partner's position to the customer's dot.
    Dot,
    /// From a message to its arrival at the other side.
    Message,
    /// From any numbered event, by the server's clock, to each who hears of it.
    Event,
    /// From a call to its answer.
    Call,
    /// From a `ping` to its `pong`.
    Ping,
    /// From a connection that broke to one that stands.
    Back,
}

/// All of it.
#[derive(Debug)]
pub struct Seen {
    /// The orders.
    pub orders: BTreeMap<OrderId, Placed>,
    /// How long things took.
    pub lapses: BTreeMap<Lapse, Latencies>,
    /// Calls of the HTTP interface.
    pub calls: u64,
    /// Calls that were refused because the world had moved on, by status and code.
    pub refused: Counts,
    /// Calls that failed: not answered, or the server could not do it.
    pub failed: Counts,
    /// Frames that came.
    pub frames: u64,
    /// `error` frames, by code.
    pub errors: Counts,
    /// Connections that had to be made anew, by reason.
    pub reconnects: Counts,
    /// How subscriptions went on afterwards, and which began anew in between.
    pub resumed: Counts,
    /// Events that came again, and were dropped.
    pub duplicates: u64,
    /// Looks at inboxes, by what they said of the badge.
    pub badges: Counts,
    /// What became of offers.
    pub offers: Fates,
    /// How long the rules that wait were in force.
    pub vigils: Vigils,
    /// What people had to be told, as the accounts say in the end.
    pub held: BTreeMap<&'static str, Held>,
    /// Other things that people did, by what it was.
    pub deeds: Counts,
    /// The first [`LISTED`] broken rules.
    pub broken: Vec<Break>,
    /// All of them.
    pub breaks: u64,
    /// How many notifications of each person are unread, as last heard.
    unread: HashMap<String, i64>,
    /// Notifications of which the server said that they are read.
    read: Recent<Uuid, ()>,
    /// Since when anybody looks.
    begin: Instant,
    /// When there last was a sign of an outage.
    shaken: Option<Instant>,
    /// When there last was a sign that things may take longer, an outage's included.
    strained: Option<Instant>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            orders: BTreeMap::new(),
            lapses: BTreeMap::new(),
            calls: 0,
            refused: Counts::new(),
            failed: Counts::new(),
            frames: 0,
            errors: Counts::new(),
            reconnects: Counts::new(),
            resumed: Counts::new(),
            duplicates: 0,
            badges: Counts::new(),
            offers: Fates::default(),
            vigils: Vigils::default(),
            held: BTreeMap::new(),
            deeds: Counts::new(),
            broken: Vec::new(),
            breaks: 0,
            unread: HashMap::new(),
            read: Recent::new(READ_KEPT.0, READ_KEPT.1),
            begin: Instant::now(),
            shaken: None,
            strained: None,
        }
    }
}

impl Seen {
    /// For how long nothing took longer than it should, and nothing broke.
    fn calm_for(&self) -> Duration {
        [self.shaken, self.strained].into_iter().flatten().fold(self.begin, Instant::max).elapsed()
    }
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
        let (name, is_outage) = match failure {
            Failure::NoAnswer(_) => ("no answer".to_owned(), true),
            Failure::Unreadable(reason) => {
                self.broke(who, Break::new(call, "an answer as it is described", reason));
                ("not understood".to_owned(), false)
            }
            Failure::Refused(refusal) => {
                if refusal.status.as_u16() == 500 {
                    self.broke(who, Break::new(call, "no fault of the server's", &refusal.body));
                }
                let name = format!("{} {}", refusal.status.as_u16(), refusal.code);
                (name.trim_end().to_owned(), refusal.status.is_server_error())
            }
        };
        let mut seen = self.0.borrow_mut();
        if is_outage {
            seen.shaken = Some(Instant::now());
            count(&mut seen.failed, name);
        } else {
            count(&mut seen.refused, name);
        }
    }

    /// Since when there was no sign of an outage; none where there never was one.
    pub fn steady_since(&self) -> Option<Instant> {
        self.0.borrow().shaken
    }

    /// Something takes longer than it should.
    pub fn strain(&self) {
        self.0.borrow_mut().strained = Some(Instant::now());
    }

    /// Since when nothing did, and nothing broke; none where nothing ever did.
    pub fn calm_since(&self) -> Option<Instant> {
        let seen = self.0.borrow();
        seen.shaken.max(seen.strained)
    }

    /// Somebody looks whether that has come, and would notice where it has not.
    pub fn would_notice(&self, wait: Wait, at: Instant) {
        self.0.borrow_mut().vigils.look(wait, at);
    }

    /// What had to come came, while it would have been noticed where it had not.
    pub fn came(&self, wait: Wait) {
        self.0.borrow_mut().vigils.keep(wait);
    }

    /// So much of what happened had to be told.
    pub fn held(&self, what: &'static str, held: Held) {
        self.0.borrow_mut().held.entry(what).or_default().add(held);
    }

    /// A frame came.
    pub fn heard(&self) {
        self.0.borrow_mut().frames += 1;
    }

    /// An event came again.
    pub fn heard_again(&self) {
        self.0.borrow_mut().duplicates += 1;
    }

    /// A subscription begins, or goes on, after a connection that broke; or begins anew.
    pub fn begins(&self, begins: Begins) {
        let name = match begins {
            Begins::Resumed => "resumed",
            Begins::Snapshot => "with a snapshot",
            Begins::Resync => "resync",
        };
        let mut seen = self.0.borrow_mut();
        if begins == Begins::Resync {
            seen.shaken = Some(Instant::now());
        }
        count(&mut seen.resumed, name);
    }

    /// A frame was refused.
    pub fn refused(&self, who: &str, code: &str, frame: &str) {
        if code == "internal" {
            self.broke(who, Break::new("a frame", "no fault of the server's", frame));
        }
        let mut seen = self.0.borrow_mut();
        if PASSING.contains(&code) {
            seen.shaken = Some(Instant::now());
        }
        if STRAINED.contains(&code) {
            seen.strained = Some(Instant::now());
        }
        count(&mut seen.errors, code);
    }

    /// A connection has to be made anew.
    pub fn lost(&self, who: &str, trouble: &Trouble) {
        if trouble.is_fault() {
            self.broke(who, Break::new("the handshake", "no fault of the server's", trouble.to_string()));
        }
        let mut seen = self.0.borrow_mut();
        if !trouble.is_own() {
            seen.shaken = Some(Instant::now());
        }
        count(&mut seen.reconnects, trouble.kind());
    }

    /// Somebody has compared the badge with the inbox.
    pub fn looked(&self, what: &str) {
        count(&mut self.0.borrow_mut().badges, what);
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

    /// The server said that a notification is read.
    pub fn read(&self, id: Uuid) {
        self.0.borrow_mut().read.meet(id, Instant::now(), || ());
    }

    /// Whether the server said so.
    pub fn is_read(&self, id: Uuid) -> bool {
        self.0.borrow().read.get(&id).is_some()
    }

    /// An order was answered with 201.
    pub fn placed(&self, by: &str, order: &Order) {
        self.add(order.id, Placed::new(by, order, Some(Instant::now())));
    }

    /// An order is there whose 201 was lost, or was no part of this.
    pub fn found(&self, by: &str, order: &Order) {
        if !self.look(|seen| seen.orders.contains_key(&order.id)) {
            self.add(order.id, Placed::new(by, order, None));
        }
    }

    fn add(&self, id: OrderId, placed: Placed) {
        let mut seen = self.0.borrow_mut();
        seen.orders.insert(id, placed);
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

    /// The customer does not want it any more.
    pub fn calls_off(&self, id: OrderId, status: OrderStatus) {
        self.with(id, |placed| *placed.called_off.get_or_insert(status));
    }

    /// The customer has heard of a step.
    pub fn stepped(&self, id: OrderId, status: OrderStatus, version: i64) {
        let mut found = Vec::new();
        if let Some(placed) = self.0.borrow_mut().orders.get_mut(&id) {
            placed.stands(status);
            placed.served.stands(status, Instant::now());
            if let Some((_, called)) = placed.step.take_if(|(expected, _)| *expected == version) {
                found.push((Lapse::Step, called.elapsed()));
            }
            if let Some(begin) = placed.waits.take_if(|_| status == OrderStatus::Assigned) {
                found.push((Lapse::Partner, begin.elapsed()));
            }
        }
        found.into_iter().for_each(|(lapse, took)| self.lapse(lapse, took));
    }

    /// A partner was offered an order. Whether that may still be answered, as far as is known.
    pub fn offered(&self, who: &str, offer: &Offer) -> bool {
        let mut seen = self.0.borrow_mut();
        let is_in_force = seen.calm_for() > OFFERED;
        if let Some(placed) = seen.orders.get_mut(&offer.order.id)
            && placed.served.offered(who)
            && is_in_force
        {
            seen.vigils.keep(Wait::Offer);
        }
        seen.offers.made(who, offer)
    }

    /// An offer came to its end.
    pub fn closed(&self, who: &str, offer: OfferId, reason: &str) {
        let mut seen = self.0.borrow_mut();
        match seen.offers.closed(offer, reason) {
            Ok(Some(Won { order, share })) => {
                if let Some(placed) = seen.orders.get_mut(&order) {
                    placed.share = Some(share);
                    placed.won.push(offer);
                }
            }
            Ok(None) => {}
            Err(broken) => {
                drop(seen);
                self.broke(who, broken);
            }
        }
    }

    /// Of a partner's offers, only these are open: what became of the others went past.
    pub fn still_open(&self, who: &str, offers: &[OfferId]) {
        self.0.borrow_mut().offers.still_open(who, offers);
    }

    /// Offers of orders that are over, of whose end nobody was told.
    pub fn untold_offers(&self) -> Vec<(String, Break)> {
        let seen = self.0.borrow();
        seen.offers.untold(|order| seen.orders.get(&order).is_some_and(|placed| placed.status.is_end()))
    }

    /// An `accept` was answered with 200: nobody else's may be, for that version of the order.
    pub fn accepted(&self, who: &str, order: &Order) {
        let mut others = Vec::new();
        if let Some(placed) = self.0.borrow_mut().orders.get_mut(&order.id) {
            others.extend(placed.accepted.insert(order.version, who.to_owned()).filter(|other| other != who));
        }
        for other in others {
            self.broke(
                who,
                Break::new(order.id, format!("to be {other}'s alone"), "200 for another partner"),
            );
        }
    }

    /// A partner tells where that is.
    pub fn tells(&self, id: OrderId, measured: Timestamp) {
        self.with(id, |placed| placed.tells(measured, Instant::now()));
    }

    /// The customer sees a dot.
    pub fn sees(&self, id: OrderId, measured: Timestamp) {
        let is_in_force = self.look(Seen::calm_for) > SEEN;
        if is_in_force && self.with(id, |placed| placed.served.is_first_dot()) == Some(true) {
            self.came(Wait::Dot);
        }
        if let Some(told) = self.with(id, |placed| placed.sees(measured)).flatten() {
            self.lapse(Lapse::Dot, told.elapsed());
        }
    }

    /// The customer listens to the order from now on.
    pub fn watches(&self, id: OrderId) {
        self.with(id, |placed| placed.served.watches(Instant::now()));
    }

    /// What an order should have had by now and has not, told once.
    pub fn unserved(&self, id: OrderId, spell: &Spell<'_>) -> Option<Break> {
        self.with(id, |placed| placed.served.lacks(id, spell)).flatten()
    }

    /// A partner was seen before what was heard of the order explains it.
    pub fn sighted(&self, sighting: Sighting) {
        self.with(sighting.order_id, |placed| placed.sighted(sighting));
    }

    /// Somebody writes a message.
    pub fn writes(&self, id: OrderId, client_id: &str, words: &'static Words) {
        self.with(id, |placed| placed.written.push(Written::new(client_id, words, Instant::now())));
    }

    /// A message has come back to its sender.
    pub fn is_written(&self, id: OrderId, client_id: &str) {
        self.with_message(id, client_id, Written::is_there);
    }

    /// The sender of a message waits for no answer any more.
    pub fn is_settled(&self, id: OrderId, client_id: &str) {
        self.with_message(id, client_id, |written| written.is_settled = true);
    }

    /// A message of somebody in this role was refused.
    pub fn is_refused(&self, id: OrderId, client_id: &str, code: &str, by: Role) {
        self.with_message(id, client_id, |written| written.is_refused(code, by));
    }

    /// A message has come to the other side.
    pub fn arrived(&self, id: OrderId, client_id: &str) {
        if let Some(took) = self.with_message(id, client_id, Written::arrives).flatten() {
            self.lapse(Lapse::Message, took);
        }
    }

    /// What a message has to say, if anybody here has written it.
    pub fn words(&self, id: OrderId, client_id: &str) -> Option<&'static Words> {
        self.with_message(id, client_id, |written| written.words)
    }

    fn with<T>(&self, id: OrderId, act: impl FnOnce(&mut Placed) -> T) -> Option<T> {
        self.0.borrow_mut().orders.get_mut(&id).map(act)
    }

    fn with_message<T>(&self, id: OrderId, mark: &str, act: impl FnOnce(&mut Written) -> T) -> Option<T> {
        let find = |placed: &mut Placed| {
            placed.written.iter_mut().find(|written| written.client_id == mark).map(act)
        };
        self.with(id, find).flatten()
    }

    /// Something took so long.
    pub fn lapse(&self, lapse: Lapse, took: Duration) {
        let mut seen = self.0.borrow_mut();
        if let Some(latencies) = seen.lapses.get_mut(&lapse) {
            latencies.record(took);
        } else if let Ok(mut latencies) = Latencies::new() {
            latencies.record(took);
            seen.lapses.insert(lapse, latencies);
        }
    }
}
