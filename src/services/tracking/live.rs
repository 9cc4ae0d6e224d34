//! The dot of each order that is under way: where its partner was last seen, what watchers have been told of that, and
//! when the partner is expected.
//!
//! Kept in memory, and after a start recalled from trails, as old as they are. Each instance knows all dots; the one that
//! took a partner's last sample tells of it. Where that one is gone, or cannot be heard, the others tell their own members
//! that a dot grows old, and that its partner is late.

mod expecting;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::eta::{Eta, Leg, Pace, Route};
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

use expecting::{Answered, Promise, SILENT};
pub(super) use expecting::{Consequences, Question, Slip};

/// Watchers are told of an order's dot no more often.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// Positions of about the same time are no further apart: one that is hardly known is not needed beside a better one.
pub(super) const ABOUT: Duration = Duration::from_secs(60);
/// Dots older than this are forgotten, should nobody have said so before.
pub(super) const KEPT: Duration = Duration::from_secs(24 * 3600);
/// By how much a sample of a device that is on time may come sooner after the one before it than nine tenths of what lies
/// between the two, times ten: two tenths of a second.
const STEP_DOUBT: Duration = Duration::from_secs(2);
/// So much later than the instance that follows an order should have, the others tell that its dot has grown old.
const GRACE: Duration = Duration::from_secs(5);

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
    /// Whether this instance follows the order: it took the last sample.
    is_own: bool,
    /// The order as it was last looked up; none where another instance follows it and has not fallen silent.
    order: Option<UnderWay>,
    judge: Judge,
    pace: Pace,
    pickup: Fence,
    dropoff: Fence,
    /// When the sample came, where it came here.
    taken_at: Option<Timestamp>,
    told_at: Option<Instant>,
    told: Option<Freshness>,
    due_at: Option<Instant>,
    eta: Option<Eta>,
    /// What watchers were told last, and when.
    told_eta: Option<(Eta, Timestamp)>,
    promise: Option<Promise>,
    /// Since when a leg cannot be promised anything, for want of a position that is known well enough.
    doubted: Option<(Instant, Leg)>,
    asked_at: Option<(Instant, Leg)>,
    route: Option<Answered>,
}

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is the dot now.
    Good,
    /// It is of an earlier time than the dot.
    Older,
    /// It is, and the partner has come near to where the leg ends.
    Entered(Leg),
    /// It jumps, or is hardly known while a better one is live, and is not shown.
    Unfit,
}

/// Whose watchers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of all instances.
    Everywhere,
    /// Those of this one: another one follows the order, and has not said so.
    Here,
}

fn position(sample: &LocationSample) -> Position {
    Position { latitude: sample.latitude, longitude: sample.longitude }
}

fn fix(sample: &LocationSample) -> Fix {
    Fix { position: position(sample), at: sample.timestamp, accuracy: sample.accuracy }
}

fn freshness(sample: &LocationSample, now: Timestamp) -> Freshness {
    Freshness::of(now.since(sample.timestamp).as_secs())
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
            is_own: false,
            order: None,
            judge: Judge::default(),
            pace: Pace::default(),
            pickup: Fence::new(PICKUP_RADIUS),
            dropoff: Fence::new(DROPOFF_RADIUS),
            taken_at: None,
            told_at: None,
            told: None,
            due_at: None,
            eta: None,
            told_eta: None,
            promise: None,
            doubted: None,
            asked_at: None,
            route: None,
        }
    }

    /// Whether a sample is so much less precise than a dot of about the same time, which is still live, that it is better not
    /// shown.
    fn is_better_than(&self, sample: &LocationSample, now: Timestamp) -> bool {
        let is_live = freshness(&self.sample, now) == Freshness::Live;
        let is_of_the_time = self.sample.timestamp.since(sample.timestamp) <= ABOUT;
        fix(sample).is_poor() && is_live && is_of_the_time && !fix(&self.sample).is_poor()
    }

    fn believes(&mut self, sample: &LocationSample) -> bool {
        let fix = fix(sample);
        if sample.timestamp < self.sample.timestamp {
            self.judge.allows(&fix)
        } else {
            self.judge.believes(fix)
        }
    }

    fn reach(&self) -> Reach {
        if self.is_own { Reach::Everywhere } else { Reach::Here }
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
        let eta = self.live().orders.get(&order_id)?.eta.filter(|eta| now.since(eta.at) <= SILENT)?;
        (Leg::of(status) == Some(eta.to)).then(|| EtaView::of(&eta, now))
    }

    /// Forgets an order: its partner's position is nobody's business any more.
    pub fn forget(&self, order_id: OrderId) {
        self.live().forget(order_id);
    }

    /// Takes what another instance says, which follows these orders.
    pub fn take_from_elsewhere(&self, dots: Vec<Dot>, now: Timestamp, at: Instant) {
        let mut live = self.live();
        for Dot { order_id, sample, eta } in dots {
            let tracker = live.orders.entry(order_id).or_insert_with(|| Tracker::new(sample.clone()));
            if tracker.sample.timestamp <= sample.timestamp {
                // That instance has believed it.
                tracker.judge = Judge::after(fix(&sample));
                tracker.sample = sample;
                tracker.take_eta_from_elsewhere(eta, now);
                (tracker.is_own, tracker.order) = (false, None);
                // It has told watchers, too, so that they are not told twice within a second.
                tracker.told_at = Some(at);
                tracker.told = Some(freshness(&tracker.sample, now));
            }
        }
    }

    /// Takes what trails tell of orders of which nothing is known here yet; another instance may follow them.
    pub(super) fn recall(&self, found: Vec<(UnderWay, LocationSample)>, now: Timestamp) {
        let mut live = self.live();
        for (order, sample) in found {
            live.orders.entry(order.order_id).or_insert_with(|| Tracker {
                judge: Judge::after(fix(&sample)),
                told: Some(freshness(&sample, now)),
                order: Some(order),
                ..Tracker::new(sample)
            });
        }
    }

    /// Drops what nobody asks for any more.
    pub(super) fn purge(&self, now: Timestamp) {
        let oldest = now.before(KEPT);
        self.live()
            .orders
            .retain(|_, tracker| tracker.due_at.is_some() || tracker.sample.timestamp >= oldest);
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
        let mut is_first = false;
        let tracker = live.orders.entry(order.order_id).or_insert_with(|| {
            is_first = true;
            Tracker::new(sample.clone())
        });
        tracker.order = Some(*order);
        // Before it is judged: what comes next is judged by what was believed.
        if !is_first && tracker.is_better_than(sample, now) || !tracker.believes(sample) {
            return Taken::Unfit;
        }
        if !is_first && tracker.sample.timestamp >= sample.timestamp {
            return Taken::Older;
        }
        tracker.pace.observe(position(sample), sample.timestamp);
        tracker.sample = sample.clone();
        (tracker.is_own, tracker.taken_at) = (true, Some(now));
        let entered = tracker.enters(order);
        live.call(order.order_id, at);
        entered.map_or(Taken::Good, Taken::Entered)
    }

    /// Whether a sample comes about as long after the one before it as it was measured after that: the phone is not late, its
    /// clock is. Of a backlog they come faster, over a slow link too.
    pub(super) fn keeps_step(&self, order_id: OrderId, sample: &LocationSample, now: Timestamp) -> bool {
        let live = self.live();
        let before = live.orders.get(&order_id).and_then(|tracker| {
            Some((tracker.taken_at?, tracker.sample.timestamp)).filter(|_| tracker.is_own)
        });
        before.is_some_and(|(taken_at, measured_at)| {
            10 * now.since(taken_at) + STEP_DOUBT >= 9 * sample.timestamp.since(measured_at)
        })
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

    /// What the watchers of an order in this status are to be told now, and have been from here on; and whether all of them
    /// are, or those alone who are here.
    pub(super) fn tell(
        &self,
        order_id: OrderId,
        status: OrderStatus,
        now: Timestamp,
        at: Instant,
    ) -> Option<(LocationView, Reach)> {
        let mut live = self.live();
        let tracker = live.orders.get_mut(&order_id)?;
        let view = view(&tracker.sample, now);
        if let Some(order) = &mut tracker.order {
            order.status = status;
        }
        let reach = tracker.reach();
        if reach == Reach::Here && tracker.told == Some(view.freshness) {
            return None;
        }
        (tracker.told_at, tracker.told) = (Some(at), Some(view.freshness));
        Some((view, reach))
    }

    /// Calls for orders whose dots have become stale, or lost, since watchers were told.
    pub(super) fn call_ageing(&self, now: Timestamp, at: Instant) {
        let mut live = self.live();
        let ages = |tracker: &Tracker| {
            let now = if tracker.is_own { now } else { now.before(GRACE) };
            tracker.told.is_some_and(|told| told < freshness(&tracker.sample, now))
        };
        let ageing: Vec<OrderId> =
            live.orders.iter().filter(|(_, tracker)| ages(tracker)).map(|(order_id, _)| *order_id).collect();
        ageing.into_iter().for_each(|order_id| live.call(order_id, at));
    }

    /// Notes where an order stands.
    pub(super) fn set_order(&self, order: UnderWay) {
        if let Some(tracker) = self.live().orders.get_mut(&order.order_id) {
            tracker.order = Some(order);
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

    /// The charge of the device that the partner of an order was last seen by.
    pub(super) fn battery(&self, order_id: OrderId) -> Option<f64> {
        self.live().orders.get(&order_id).and_then(|tracker| tracker.sample.battery)
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

#[cfg(test)]
mod tests;
