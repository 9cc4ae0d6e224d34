//! When the partner of an order is expected, and what follows from that.

use std::time::{Duration, Instant};

use crate::domain::eta::{self, Eta, EtaSource, Leg, Route};
use crate::domain::geo::Position;
use crate::domain::ids::OrderId;
use crate::domain::time::Timestamp;

use super::{Tracker, position};

/// How often the routing back end is asked about one order.
const ASKED_EVERY: Duration = Duration::from_secs(15);
/// For how long its answer is good.
const ROUTE_GOOD_FOR: Duration = Duration::from_secs(60);

/// What was promised for a leg, once the database has said so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    pub leg: Leg,
    /// What was promised, and what the customer was told last.
    pub known: Option<(Timestamp, Timestamp)>,
}

/// What the routing back end has said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub leg: Leg,
    pub route: Route,
    /// How far it was through the air, metres.
    pub metres: f64,
    pub at: Instant,
}

/// What follows from samples beside being shown.
#[derive(Debug, Default)]
pub(in crate::services::tracking) struct Consequences {
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
pub(in crate::services::tracking) struct Slip {
    pub order_id: OrderId,
    pub leg: Leg,
    pub announced_at: Timestamp,
    pub arrives_at: Timestamp,
}

/// What the routing back end is asked.
#[derive(Debug, Clone, Copy)]
pub(in crate::services::tracking) struct Question {
    pub order_id: OrderId,
    pub leg: Leg,
    pub from: Position,
    pub to: Position,
}

impl Tracker {
    /// Works out when the partner is expected. With `ask`, the routing back end is asked now and then; its answer is
    /// waited for where there is none yet.
    pub(super) fn expect(&mut self, now: Timestamp, at: Instant, ask: bool, found: &mut Consequences) {
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
