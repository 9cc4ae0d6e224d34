//! When the partner of an order is expected, and what follows from that.

use std::time::{Duration, Instant};

use crate::domain::eta::{self, Eta, EtaSource, LateRisk, Leg, Route};
use crate::domain::geo::Position;
use crate::domain::ids::OrderId;
use crate::domain::time::Timestamp;
use crate::protocol::views::Freshness;

use super::{LastSeen, Reach, Tracker, fix, freshness, position};

/// How often the routing back end is asked about one order.
const ASKED_EVERY: Duration = Duration::from_secs(15);
/// For how long its answer is good.
const ROUTE_GOOD_FOR: Duration = Duration::from_secs(60);
/// So much later than the instance that follows an order should have, the others tell of its ETA: that one looks every 5 s.
const GRACE: Duration = Duration::from_secs(10);
/// So long a better position is waited for before one that is hardly known is promised by.
const PATIENCE: Duration = Duration::from_secs(60);
/// A partner of whom nothing was heard for so long is late in a way that no ETA tells any more.
pub(super) const SILENT: Duration = Duration::from_secs(30 * 60);

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
    pub etas: Vec<(OrderId, Eta, Reach)>,
    /// First ETAs, which are to be kept as promises; without one, what was promised before is asked for.
    pub promises: Vec<(OrderId, Leg, Option<Timestamp>)>,
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
        let leg = Leg::of(order.status).filter(|_| now.since(self.sample.timestamp) <= SILENT);
        let Some(leg) = leg else {
            self.eta = None;
            return;
        };
        // Whoever follows the order knows better than what its last position alone tells.
        let theirs = self.eta.filter(|eta| !self.is_own && eta.to == leg);
        let is_promised = self.promise.is_some_and(|promise| promise.leg == leg);
        // Before anything is worked out: a way that is asked for from there would be gone by for a minute.
        if theirs.is_none() && !is_promised && self.is_in_doubt(leg, at, found) {
            return;
        }
        let Some(eta) = theirs.or_else(|| self.work_out(leg, at, ask, found)) else { return };
        let arrives_by = eta.arrives_by(now);
        let Some(Promise { known, .. }) = self.promise.filter(|promise| promise.leg == leg) else {
            self.promise = Some(Promise { leg, known: None });
            found.promises.push((order.order_id, leg, Some(arrives_by)));
            return;
        };
        let Some((promised_at, announced_at)) = known else { return };
        let told_risk = self.told_eta.filter(|(told, _)| told.to == leg);
        let told_risk = told_risk.map(|(told, told_at)| told.late_risk(told_at)).unwrap_or_default();
        let eta = Eta { promised_at, told_risk, ..eta };
        self.eta = Some(eta);
        let by_then = self.as_of(now);
        if self.told_eta.is_none_or(|(told, told_at)| eta.is_worth_telling_after(&told, told_at, by_then)) {
            self.told_eta = Some((eta, by_then));
            found.etas.push((order.order_id, eta, self.reach()));
        }
        if eta::slip(announced_at, arrives_by).is_some() {
            self.promise = Some(Promise { leg, known: Some((promised_at, arrives_by)) });
            found.slips.push(Slip { order_id: order.order_id, leg, announced_at, arrives_at: arrives_by });
        }
    }

    /// Whether it is hardly known where the partner is, and may be better known in a moment: what is promised by that is
    /// held against the partner for the whole way. What was promised before is asked for meanwhile.
    fn is_in_doubt(&mut self, leg: Leg, at: Instant, found: &mut Consequences) -> bool {
        let Some(order) = self.order.filter(|_| fix(&self.sample).is_poor()) else { return false };
        let since = match self.doubted {
            Some((since, about)) if about == leg => since,
            Some(_) | None => {
                self.doubted = Some((at, leg));
                found.promises.push((order.order_id, leg, None));
                at
            }
        };
        at.saturating_duration_since(since) < PATIENCE
    }

    /// What the last position tells; nothing while the routing back end is asked for the first time. What was promised is
    /// not known here.
    fn work_out(&mut self, leg: Leg, at: Instant, ask: bool, found: &mut Consequences) -> Option<Eta> {
        let order = self.order?;
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
            // Until it is answered there is something to say only where there was an answer before.
            route.as_ref()?;
        }
        let (source, (distance, span)) = match route {
            Some(answered) => (EtaSource::Routing, answered.route.left(answered.metres, metres)),
            None => (EtaSource::Estimate, self.pace.way(metres)),
        };
        let arrives_at = self.sample.timestamp.after(span);
        Some(Eta {
            to: leg,
            arrives_at,
            distance,
            source,
            at: self.sample.timestamp,
            promised_at: arrives_at,
            told_risk: LateRisk::None,
        })
    }

    /// The time of which the instance that follows the order must have told by `now`.
    fn as_of(&self, now: Timestamp) -> Timestamp {
        if self.is_own { now } else { now.before(GRACE) }
    }

    /// Takes what the instance that follows the order expects; it tells watchers whenever that is worth it.
    pub(super) fn take_eta_from_elsewhere(&mut self, eta: Option<Eta>, now: Timestamp) {
        let Some(eta) = eta else { return };
        self.eta = Some(eta);
        if self.told_eta.is_none_or(|(told, told_at)| eta.is_worth_telling_after(&told, told_at, now)) {
            self.told_eta = Some((eta, now));
        }
    }
}

impl LastSeen {
    /// Orders whose partners say nothing, or are expected by now and have not come: risk has to be told also then. Those
    /// that another instance follows are among them once it should have.
    pub(in crate::services::tracking) fn silent(&self, now: Timestamp) -> Vec<OrderId> {
        let is_silent = |tracker: &Tracker| {
            let by_then = tracker.as_of(now);
            let is_overdue = tracker.eta.is_some_and(|eta| eta.arrives_at < by_then);
            let is_quiet = freshness(&tracker.sample, by_then) != Freshness::Live;
            (is_quiet || is_overdue) && now.since(tracker.sample.timestamp) <= SILENT
        };
        let live = self.live();
        live.orders.iter().filter(|(_, tracker)| is_silent(tracker)).map(|(order_id, _)| *order_id).collect()
    }
}
