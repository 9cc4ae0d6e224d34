//! The dot of each order that is under way: where its partner was last seen, what watchers have been told of that, and
//! when the partner is expected.
//!
//! Kept in memory: a restart shows no position until the partner's next sample, rather than an old one. Each instance
//! knows all dots; the one that took a partner's last sample tells of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::eta::{self, Eta, EtaSource, Leg, Pace, Route};
use crate::domain::geo::Position;
use crate::domain::geofence::{DROPOFF_RADIUS, Fence, PICKUP_RADIUS};
use crate::domain::ids::OrderId;
use crate::domain::order::OrderStatus;
use crate::domain::time::Timestamp;
use crate::domain::track::{Fix, Judge};
use crate::protocol::channel::Dot;
use crate::protocol::client::LocationSample;
use crate::protocol::views::{EtaView, Freshness, LocationView};
use crate::store::tracks::UnderWay;

/// Watchers are told of an order's dot no more often.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// A position that is known less precisely does not replace a live one that is better, metres.
const POOR: f64 = 200.0;
/// Dots older than this are forgotten, should nobody have said so before.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// From so many dots on.
const PURGE_FROM: usize = 1024;
/// How often the routing back end is asked about one order.
const ASKED_EVERY: Duration = Duration::from_secs(15);
/// For how long its answer is good.
const ROUTE_GOOD_FOR: Duration = Duration::from_secs(60);
/// A partner of whom nothing was heard for so long is late in a way that no ETA tells any more.
const SILENT: Duration = Duration::from_secs(30 * 60);

/// Where the partners of orders were last seen.
#[derive(Debug, Default)]
pub struct LastSeen {
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    orders: HashMap<OrderId, Tracker>,
    /// Orders whose watchers are to be told, and from when on they may be.
    due: BTreeSet<(Instant, OrderId)>,
}

#[derive(Debug)]
struct Tracker {
    sample: LocationSample,
    /// The order as it was last looked up; none while another instance follows it.
    order: Option<UnderWay>,
    judge: Judge,
    pace: Pace,
    pickup: Fence,
    dropoff: Fence,
    told_at: Option<Instant>,
    told: Option<Freshness>,
    due_at: Option<Instant>,
    eta: Option<Eta>,
    told_eta: Option<Eta>,
    promise: Option<Promise>,
    asked_at: Option<(Instant, Leg)>,
    route: Option<Answered>,
}

/// What was promised for a leg, once the database has said so.
#[derive(Debug, Clone, Copy)]
struct Promise {
    leg: Leg,
    /// What was promised, and what the customer was told last.
    known: Option<(Timestamp, Timestamp)>,
}

/// What the routing back end has said.
#[derive(Debug, Clone, Copy)]
struct Answered {
    leg: Leg,
    route: Route,
    /// How far it was through the air, metres.
    metres: f64,
    at: Instant,
}

/// What follows from samples beside being shown.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// ETAs that watchers are to be told.
    pub etas: Vec<(OrderId, Eta)>,
    /// First ETAs, which are to be kept as promises.
    pub promises: Vec<(OrderId, Leg, Timestamp)>,
    /// ETAs of which the customer is to be notified.
    pub slips: Vec<Slip>,
    /// Ways that the routing back end is to be asked for.
    pub questions: Vec<Question>,
}

/// An arrival that is expected much later than the customer was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slip {
    pub order_id: OrderId,
    pub leg: Leg,
    pub announced_at: Timestamp,
    pub arrives_at: Timestamp,
}

/// What the routing back end is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub order_id: OrderId,
    pub leg: Leg,
    pub from: Position,
    pub to: Position,
}

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is the dot now, or says nothing new.
    Good,
    /// It is, and the partner has come near to where the leg ends.
    Entered(Leg),
    /// It jumps, and is not shown.
    Jump,
}

fn position(sample: &LocationSample) -> Position {
    Position { latitude: sample.latitude, longitude: sample.longitude }
}

/// A sample as watchers see it at `now`.
#[must_use]
fn view(sample: &LocationSample, now: Timestamp) -> LocationView {
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

impl Tracker {
    fn new(sample: LocationSample) -> Self {
        Self {
            sample,
            order: None,
            judge: Judge::default(),
            pace: Pace::default(),
            pickup: Fence::new(PICKUP_RADIUS),
            dropoff: Fence::new(DROPOFF_RADIUS),
            told_at: None,
            told: None,
            due_at: None,
            eta: None,
            told_eta: None,
            promise: None,
            asked_at: None,
            route: None,
        }
    }

    /// Whether a sample is so much less precise than a dot that is still live that it is better not shown.
    fn is_better_than(&self, sample: &LocationSample, now: Timestamp) -> bool {
        let is_poor = |sample: &LocationSample| sample.accuracy.is_some_and(|accuracy| accuracy > POOR);
        let is_live = Freshness::of(now.since(self.sample.timestamp).as_secs()) == Freshness::Live;
        is_poor(sample) && is_live && !is_poor(&self.sample)
    }

    fn believes(&mut self, sample: &LocationSample) -> bool {
        let fix = Fix { position: position(sample), at: sample.timestamp, accuracy: sample.accuracy };
        if sample.timestamp < self.sample.timestamp {
            self.judge.allows(&fix)
        } else {
            self.judge.believes(fix)
        }
    }

    /// Whether the partner has come near to where its way leads.
    fn enters(&mut self, order: &UnderWay) -> Option<Leg> {
        let (at, accuracy) = (position(&self.sample), self.sample.accuracy);
        let (leg, entered) = match order.status {
            OrderStatus::EnRoute => (Leg::Pickup, self.pickup.take(at.distance(order.pickup), accuracy)),
            OrderStatus::InTransit => (Leg::Dropoff, self.dropoff.take(at.distance(order.dropoff), accuracy)),
            OrderStatus::Pending
            | OrderStatus::Confirmed
            | OrderStatus::Assigned
            | OrderStatus::Arrived
            | OrderStatus::PickedUp
            | OrderStatus::Delivered
            | OrderStatus::Completed
            | OrderStatus::Cancelled
            | OrderStatus::Failed => return None,
        };
        entered.then_some(leg)
    }

    /// Works out when the partner is expected. With `ask`, the routing back end is asked now and then; its answer is
    /// waited for where there is none yet.
    fn expect(&mut self, now: Timestamp, at: Instant, ask: bool, found: &mut Consequences) {
        let Some(order) = self.order else { return };
        let Some(leg) = Leg::of(order.status) else {
            self.eta = None;
            return;
        };
        let to = match leg {
            Leg::Pickup => order.pickup,
            Leg::Dropoff => order.dropoff,
        };
        let from = position(&self.sample);
        let metres = from.distance(to);
        let is_good = |answered: &Answered| answered.leg == leg && at - answered.at <= ROUTE_GOOD_FOR;
        let route = self.route.filter(is_good);
        let was_asked = self.asked_at.is_some_and(|(asked, about)| about == leg && at - asked < ASKED_EVERY);
        if ask && !was_asked {
            self.asked_at = Some((at, leg));
            found.questions.push(Question { order_id: order.order_id, leg, from, to });
            if route.is_none() {
                return;
            }
        }
        let (source, (distance, span)) = match route {
            Some(answered) => (EtaSource::Routing, answered.route.left(answered.metres, metres)),
            None => (EtaSource::Estimate, self.pace.way(metres)),
        };
        // A partner who is not there yet does not arrive in the past.
        let arrives_at = self.sample.timestamp.after(span).max(now);
        let Some(Promise { known, .. }) = self.promise.filter(|promise| promise.leg == leg) else {
            self.promise = Some(Promise { leg, known: None });
            found.promises.push((order.order_id, leg, arrives_at));
            return;
        };
        let Some((promised_at, announced_at)) = known else { return };
        let eta = Eta { to: leg, arrives_at, distance, source, at: now, promised_at };
        self.eta = Some(eta);
        if self.told_eta.is_none_or(|told| eta.is_worth_telling_after(&told, now)) {
            self.told_eta = Some(eta);
            found.etas.push((order.order_id, eta));
        }
        if eta::slip(announced_at, arrives_at).is_some() {
            self.promise = Some(Promise { leg, known: Some((promised_at, arrives_at)) });
            found.slips.push(Slip { order_id: order.order_id, leg, announced_at, arrives_at });
        }
    }
}

impl Live {
    /// Has the watchers of an order told as soon as they may be.
    fn call(&mut self, order_id: OrderId, at: Instant) {
        if let Some(tracker) = self.orders.get_mut(&order_id)
            && tracker.due_at.is_none()
        {
            let due_at = tracker.told_at.map_or(at, |told| (told + TOLD_EVERY).max(at));
            tracker.due_at = Some(due_at);
            self.due.insert((due_at, order_id));
        }
    }

    fn forget(&mut self, order_id: OrderId) {
        if let Some(due_at) = self.orders.remove(&order_id).and_then(|tracker| tracker.due_at) {
            self.due.remove(&(due_at, order_id));
        }
    }

    /// Drops what nobody asks for any more, now and then.
    fn purge(&mut self, now: Timestamp) {
        if self.orders.len() >= PURGE_FROM && self.orders.len().is_power_of_two() {
            let oldest = now.before(KEPT);
            self.orders.retain(|_, tracker| tracker.due_at.is_some() || tracker.sample.timestamp >= oldest);
        }
    }
}

impl LastSeen {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the partner of an order was last seen, as of `now`.
    #[must_use]
    pub fn get(&self, order_id: OrderId, now: Timestamp) -> Option<LocationView> {
        self.live().orders.get(&order_id).map(|tracker| view(&tracker.sample, now))
    }

    /// When the partner of an order in this status is expected, as of `now`.
    #[must_use]
    pub fn eta(&self, order_id: OrderId, status: OrderStatus, now: Timestamp) -> Option<EtaView> {
        let eta = self.live().orders.get(&order_id)?.eta?;
        (Leg::of(status) == Some(eta.to)).then(|| EtaView::of(&eta, now))
    }

    /// Forgets an order: its partner's position is nobody's business any more.
    pub fn forget(&self, order_id: OrderId) {
        self.live().forget(order_id);
    }

    /// Takes what another instance says, which follows these orders.
    pub fn take_from_elsewhere(&self, dots: Vec<Dot>, at: Instant) {
        let mut live = self.live();
        for Dot { order_id, sample, eta } in dots {
            live.purge(sample.timestamp);
            let tracker = live.orders.entry(order_id).or_insert_with(|| Tracker::new(sample.clone()));
            if tracker.sample.timestamp <= sample.timestamp {
                tracker.sample = sample;
                tracker.eta = eta.or(tracker.eta);
                tracker.order = None;
                // It has told watchers, too, so that they are not told twice within a second.
                tracker.told_at = Some(at);
            }
        }
    }

    /// Takes a sample of the partner of an order that is under way.
    pub(super) fn take(
        &self,
        order: &UnderWay,
        sample: &LocationSample,
        now: Timestamp,
        at: Instant,
    ) -> Taken {
        let mut live = self.live();
        live.purge(now);
        let mut is_first = false;
        let tracker = live.orders.entry(order.order_id).or_insert_with(|| {
            is_first = true;
            Tracker::new(sample.clone())
        });
        tracker.order = Some(*order);
        if !tracker.believes(sample) {
            return Taken::Jump;
        }
        let is_older = tracker.sample.timestamp >= sample.timestamp;
        if !is_first && (is_older || tracker.is_better_than(sample, now)) {
            return Taken::Good;
        }
        if !is_first {
            let metres = position(&tracker.sample).distance(position(sample));
            tracker.pace.observe(metres, sample.timestamp.since(tracker.sample.timestamp));
        }
        tracker.sample = sample.clone();
        let entered = tracker.enters(order);
        live.call(order.order_id, at);
        entered.map_or(Taken::Good, Taken::Entered)
    }

    /// What an entry was to bring about has failed: it is made again.
    pub(super) fn retry_entry(&self, order_id: OrderId, leg: Leg) {
        if let Some(tracker) = self.live().orders.get_mut(&order_id) {
            match leg {
                Leg::Pickup => tracker.pickup.retry(),
                Leg::Dropoff => tracker.dropoff.retry(),
            }
        }
    }

    /// Orders whose watchers may be told now.
    pub(super) fn take_due(&self, at: Instant) -> Vec<OrderId> {
        let mut live = self.live();
        let mut due = Vec::new();
        while let Some((due_at, order_id)) = live.due.first().copied().filter(|(due_at, _)| *due_at <= at) {
            live.due.remove(&(due_at, order_id));
            if let Some(tracker) = live.orders.get_mut(&order_id) {
                tracker.due_at = None;
                due.push(order_id);
            }
        }
        due
    }

    /// When the next is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.live().due.first().map(|(due_at, _)| *due_at)
    }

    /// Those that are to be told once more, in a second.
    pub(super) fn put_off(&self, order_ids: impl IntoIterator<Item = OrderId>, at: Instant) {
        let mut live = self.live();
        order_ids.into_iter().for_each(|order_id| live.call(order_id, at + TOLD_EVERY));
    }

    /// What the watchers of an order in this status are to be told now, and have been from here on.
    pub(super) fn tell(
        &self,
        order_id: OrderId,
        status: OrderStatus,
        now: Timestamp,
        at: Instant,
    ) -> Option<LocationView> {
        let mut live = self.live();
        let tracker = live.orders.get_mut(&order_id)?;
        let order = tracker.order.as_mut()?;
        order.status = status;
        let view = view(&tracker.sample, now);
        (tracker.told_at, tracker.told) = (Some(at), Some(view.freshness));
        Some(view)
    }

    /// Calls for orders followed here whose dots have become stale, or lost, since watchers were told.
    pub(super) fn call_ageing(&self, now: Timestamp, at: Instant) {
        let mut live = self.live();
        let ages = |tracker: &Tracker| {
            let freshness = Freshness::of(now.since(tracker.sample.timestamp).as_secs());
            tracker.order.is_some() && tracker.told.is_some_and(|told| told != freshness)
        };
        let ageing: Vec<OrderId> =
            live.orders.iter().filter(|(_, tracker)| ages(tracker)).map(|(order_id, _)| *order_id).collect();
        ageing.into_iter().for_each(|order_id| live.call(order_id, at));
    }

    /// Orders followed here whose partners are expected by now, have not come, and say nothing.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<OrderId> {
        let is_overdue = |tracker: &Tracker| {
            let is_silent = now.since(tracker.sample.timestamp) > SILENT;
            tracker.order.is_some() && !is_silent && tracker.eta.is_some_and(|eta| eta.arrives_at < now)
        };
        let live = self.live();
        live.orders.iter().filter(|(_, tracker)| is_overdue(tracker)).map(|(order_id, _)| *order_id).collect()
    }

    /// Notes where an order stands that is followed here.
    pub(super) fn set_status(&self, order_id: OrderId, status: OrderStatus) {
        if let Some(order) = self.live().orders.get_mut(&order_id).and_then(|found| found.order.as_mut()) {
            order.status = status;
        }
    }

    /// Works out when the partners of these orders are expected.
    pub(super) fn expect(
        &self,
        order_ids: impl IntoIterator<Item = OrderId>,
        now: Timestamp,
        at: Instant,
        ask: bool,
    ) -> Consequences {
        let (mut live, mut found) = (self.live(), Consequences::default());
        for order_id in order_ids {
            if let Some(tracker) = live.orders.get_mut(&order_id) {
                tracker.expect(now, at, ask, &mut found);
            }
        }
        found
    }

    /// Notes what was promised for a leg, and what the customer was told last; without either, it is asked again.
    pub(super) fn set_promise(&self, order_id: OrderId, leg: Leg, known: Option<(Timestamp, Timestamp)>) {
        if let Some(tracker) = self.live().orders.get_mut(&order_id)
            && tracker.promise.is_none_or(|promise| promise.leg == leg)
        {
            tracker.promise = known.map(|known| Promise { leg, known: Some(known) });
        }
    }

    /// Notes what the routing back end has said.
    pub(super) fn set_route(&self, question: &Question, route: Route, at: Instant) {
        if let Some(tracker) = self.live().orders.get_mut(&question.order_id) {
            let metres = question.from.distance(question.to);
            tracker.route = Some(Answered { leg: question.leg, route, metres, at });
        }
    }

    /// What other instances are to know of these orders.
    pub(super) fn dots(&self, order_ids: impl IntoIterator<Item = OrderId>) -> Vec<Dot> {
        let live = self.live();
        let dot = |order_id| {
            let tracker = live.orders.get(&order_id)?;
            Some(Dot { order_id, sample: tracker.sample.clone(), eta: tracker.eta })
        };
        order_ids.into_iter().filter_map(dot).collect()
    }

    /// How far a partner is from where an order leads it, metres.
    pub(super) fn metres_to_go(&self, order: &UnderWay) -> Option<f64> {
        let goal = match order.status {
            OrderStatus::EnRoute | OrderStatus::Arrived => order.pickup,
            OrderStatus::PickedUp | OrderStatus::InTransit => order.dropoff,
            OrderStatus::Pending
            | OrderStatus::Confirmed
            | OrderStatus::Assigned
            | OrderStatus::Delivered
            | OrderStatus::Completed
            | OrderStatus::Cancelled
            | OrderStatus::Failed => return None,
        };
        let live = self.live();
        live.orders.get(&order.order_id).map(|tracker| position(&tracker.sample).distance(goal))
    }
}
