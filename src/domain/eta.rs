//! When a partner is expected: an estimate from the distance and the pace so far, the promise that the first one is, and
//! how likely that is to be broken.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::geo::Position;
use super::order::OrderStatus;
use super::time::Timestamp;

/// Streets are so much longer than the line through the air.
const ROAD_FACTOR: f64 = 1.3;
/// What a partner is taken to make while nothing better is known: 25 km/h, in metres per second.
const USUAL_PACE: f64 = 25.0 / 3.6;
/// Nobody is taken to stand for ever, or to fly: 10 to 80 km/h.
const PACES: std::ops::RangeInclusive<f64> = 10.0 / 3.6..=80.0 / 3.6;
/// The pace is taken over spans of this length, seconds: what a receiver is wrong by is little beside what is covered in it
/// by one who moves. Longer ones tell nothing.
const SPANS: std::ops::RangeInclusive<f64> = 20.0..=60.0;
/// What was longer ago than this has lost two thirds of its weight, seconds.
const MEMORY: f64 = 90.0;
/// A change by less is told to nobody.
const WORTH_TELLING: Duration = Duration::from_secs(30);
/// What was told of a risk is taken back only once the delay is so much less than what made it.
const EASE: Duration = Duration::from_secs(5);
/// A partner of whom nothing was heard for longer is not taken to have come nearer meanwhile.
const SILENCE: Duration = Duration::from_secs(20);
/// A delay by so much is worth a notification.
const SLIP: Duration = Duration::from_secs(5 * 60);

/// What the partner is on the way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// The goods.
    Pickup,
    /// The customer.
    Dropoff,
}

impl Leg {
    /// What the partner of an order in this status is on the way to.
    #[must_use]
    pub const fn of(status: OrderStatus) -> Option<Self> {
        match status {
            OrderStatus::EnRoute => Some(Self::Pickup),
            OrderStatus::PickedUp | OrderStatus::InTransit => Some(Self::Dropoff),
            // Nobody knows how long the goods take.
            OrderStatus::Arrived
            | OrderStatus::Pending
            | OrderStatus::Confirmed
            | OrderStatus::Assigned
            | OrderStatus::Delivered
            | OrderStatus::Completed
            | OrderStatus::Cancelled
            | OrderStatus::Failed => None,
        }
    }
}

/// Where an ETA comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EtaSource {
    /// The distance and the partner's pace.
    Estimate,
    /// The routing back end.
    Routing,
}

/// How likely it is that a promise will be broken.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LateRisk {
    /// All is well.
    #[default]
    None,
    /// It is becoming tight.
    Possible,
    /// It will be, unless something changes.
    Likely,
}

impl LateRisk {
    /// Of an arrival that is now expected at `arrives_at`. A small delay counts for less while the way is long: there is
    /// time to make up for it.
    #[must_use]
    pub fn of(promised_at: Timestamp, arrives_at: Timestamp, now: Timestamp) -> Self {
        let late = arrives_at.since(promised_at);
        let margin = (arrives_at.since(now) / 10).max(WORTH_TELLING);
        if late >= margin || now > promised_at && !late.is_zero() {
            Self::Likely
        } else if late >= margin / 2 {
            Self::Possible
        } else {
            Self::None
        }
    }
}

/// When a partner is expected where.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Eta {
    /// Where.
    pub to: Leg,
    /// When, if nothing has come in between since `at`; see [`Eta::arrives_by`].
    pub arrives_at: Timestamp,
    /// The way there, metres.
    pub distance: f64,
    /// Who says so.
    pub source: EtaSource,
    /// When the position was measured that it is worked out from.
    pub at: Timestamp,
    /// What was said first.
    pub promised_at: Timestamp,
    /// The risk that watchers were told last.
    #[serde(default)]
    pub told_risk: LateRisk,
}

impl Eta {
    /// When, as it looks at `now`: silence of more than 20 s puts it off, and a partner who is not there yet does not
    /// arrive in the past.
    #[must_use]
    pub fn arrives_by(&self, now: Timestamp) -> Timestamp {
        self.arrives_at.after(now.since(self.at).saturating_sub(SILENCE)).max(now)
    }

    /// Whether the promise is at risk. A risk that was told eases only some seconds below what made it, so that it does not
    /// come and go with every position.
    #[must_use]
    pub fn late_risk(&self, now: Timestamp) -> LateRisk {
        let arrives_by = self.arrives_by(now);
        let risk = LateRisk::of(self.promised_at, arrives_by, now);
        let eased = LateRisk::of(self.promised_at, arrives_by.after(EASE), now);
        risk.max(eased.min(self.told_risk))
    }

    /// Whether those who were told `last`, at `told_at`, are to be told this.
    #[must_use]
    pub fn is_worth_telling_after(&self, last: &Self, told_at: Timestamp, now: Timestamp) -> bool {
        let (here, there) = (self.arrives_by(now), last.arrives_by(told_at));
        self.to != last.to
            || self.source != last.source
            || here.since(there).max(there.since(here)) >= WORTH_TELLING
            || self.late_risk(now) != last.late_risk(told_at)
    }
}

/// By how much an arrival has slipped against what was announced, where that is worth a notification.
#[must_use]
pub fn slip(announced: Timestamp, arrives_at: Timestamp) -> Option<Duration> {
    Some(arrives_at.since(announced)).filter(|delay| *delay >= SLIP)
}

/// How fast a partner has been lately.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    metres_per_second: f64,
    /// Where the present span began.
    from: Option<(Position, Timestamp)>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { metres_per_second: USUAL_PACE, from: None }
    }
}

impl Pace {
    /// Takes where the partner is at a time, later than the one before.
    pub fn observe(&mut self, position: Position, at: Timestamp) {
        let (from, since) = *self.from.get_or_insert((position, at));
        let seconds = at.since(since).as_secs_f64();
        if seconds < *SPANS.start() {
            return;
        }
        self.from = Some((position, at));
        if SPANS.contains(&seconds) {
            let weight = 1.0 - (-seconds / MEMORY).exp();
            let speed = (from.distance(position) / seconds).min(*PACES.end());
            self.metres_per_second += weight * (speed - self.metres_per_second);
        }
    }

    /// The way to a place at this distance through the air: its length in metres, and how long it takes.
    #[must_use]
    pub fn way(self, metres: f64) -> (f64, Duration) {
        let length = metres * ROAD_FACTOR;
        let pace = self.metres_per_second.clamp(*PACES.start(), *PACES.end());
        // At most the earth's girth: a few months.
        (length, Duration::from_secs_f64(length / pace))
    }
}

/// What a routing back end said of a way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route {
    /// Its length, metres.
    pub distance: f64,
    /// How long it takes, seconds.
    pub seconds: f64,
}

impl Route {
    /// The answer of a back end for two places that are `metres` apart through the air, if it can be true: no way is
    /// shorter, and none that a partner takes is so much longer or so slow.
    #[must_use]
    pub fn plausible(distance: f64, seconds: f64, metres: f64) -> Option<Self> {
        // Both ends may be moved to the nearest street.
        let lengths = metres - 500.0..=metres * 10.0 + 20_000.0;
        let slowest = distance / 0.5 + 600.0;
        let times = distance / 60.0..=slowest;
        (distance.is_finite() && lengths.contains(&distance) && times.contains(&seconds) && distance >= 0.0)
            .then_some(Self { distance, seconds })
    }

    /// What is left of it when of `before` metres through the air `metres` are left.
    #[must_use]
    pub fn left(self, before: f64, metres: f64) -> (f64, Duration) {
        let part = if before > 1.0 { (metres / before).min(2.0) } else { 1.0 };
        (self.distance * part, Duration::from_secs_f64(self.seconds * part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn eta(arrives: i64, source: EtaSource) -> Eta {
        Eta {
            to: Leg::Dropoff,
            arrives_at: at(arrives),
            distance: 1000.0,
            source,
            at: at(0),
            promised_at: at(1000),
            told_risk: LateRisk::None,
        }
    }

    #[test]
    fn a_partner_of_whom_nothing_is_known_makes_25_km_an_hour() {
        let (length, time) = Pace::default().way(10_000.0);
        assert_eq!(length, 13_000.0);
        assert_eq!(time.as_secs(), 1872);
    }

    /// So many metres north and east of a place.
    fn place(north: f64, east: f64) -> Position {
        Position { latitude: north / 111_195.0, longitude: east / 111_195.0 }
    }

    /// What a partner is taken to make, km/h.
    fn km_per_hour(pace: Pace) -> f64 {
        1300.0 / pace.way(1000.0).1.as_secs_f64() * 3.6
    }

    #[test]
    fn the_pace_follows_what_was_covered_within_bounds() {
        let after = |speed: f64, every: i64| {
            let mut pace = Pace::default();
            (0..600 / every)
                .for_each(|step| pace.observe(place(speed * (step * every) as f64, 0.0), at(step * every)));
            km_per_hour(pace)
        };
        for every in [1, 3, 15, 30] {
            assert!((after(10.0, every) - 36.0).abs() < 0.5, "{}", after(10.0, every));
            assert!((after(0.0, every) - 10.0).abs() < 1e-6, "one who stands is not expected never");
            assert!((after(1e4, every) - 80.0).abs() < 0.5, "{}", after(1e4, every));
        }
        let mut pace = Pace::default();
        [0, 3600, 7200].into_iter().for_each(|seconds| pace.observe(place(0.0, 0.0), at(seconds)));
        assert_eq!(pace.way(10_000.0), Pace::default().way(10_000.0), "nobody knows what was in between");
    }

    #[test]
    fn what_a_receiver_is_wrong_by_is_no_pace() {
        // Within 30 m, in no order.
        let noise = |step: i64| ((step * 7_919 % 61) - 30) as f64;
        let (mut standing, mut riding) = (Pace::default(), Pace::default());
        for step in 0..200 {
            let (north, east) = (noise(step), noise(step * step + 17));
            standing.observe(place(north, east), at(3 * step));
            riding.observe(place(18.0 * step as f64 + north, east), at(3 * step));
        }
        assert!(km_per_hour(standing) < 10.5, "{}", km_per_hour(standing));
        assert!((km_per_hour(riding) - 21.6).abs() < 3.0, "{}", km_per_hour(riding));
    }

    #[test]
    fn a_red_light_changes_little() {
        let mut pace = Pace::default();
        let before = pace.way(5_000.0).1;
        // For 10 s out of 20.
        [(0.0, 0), (0.0, 10), (10.0 * USUAL_PACE, 20)]
            .into_iter()
            .for_each(|(metres, seconds)| pace.observe(place(metres, 0.0), at(seconds)));
        assert!(pace.way(5_000.0).1 - before < Duration::from_secs(120));
    }

    #[test]
    fn the_first_eta_is_no_risk_and_risk_shows_before_the_promise_breaks() {
        let risk = |arrives: i64, now: i64| LateRisk::of(at(1000), at(arrives), at(now));
        assert_eq!(risk(1000, 0), LateRisk::None);
        assert_eq!(risk(900, 0), LateRisk::None);
        assert_eq!(risk(1040, 0), LateRisk::None, "there is time to make up for it");
        assert_eq!(risk(1070, 0), LateRisk::Possible);
        assert_eq!(risk(1200, 0), LateRisk::Likely);
        assert_eq!(risk(1040, 900), LateRisk::Likely, "and now there is not");
        assert_eq!(risk(1020, 900), LateRisk::Possible);
        assert_eq!(risk(1001, 1001), LateRisk::Likely, "it is broken");
    }

    #[test]
    fn what_moved_by_less_than_30_s_is_not_worth_telling() {
        let is_told =
            |eta: Eta| eta.is_worth_telling_after(&self::eta(900, EtaSource::Estimate), at(0), at(0));
        assert!(!is_told(eta(929, EtaSource::Estimate)));
        assert!(!is_told(eta(871, EtaSource::Estimate)));
        assert!(is_told(eta(930, EtaSource::Estimate)));
        assert!(is_told(eta(870, EtaSource::Estimate)));
        assert!(is_told(eta(900, EtaSource::Routing)));
        let tight = Eta { at: at(990), ..eta(1010, EtaSource::Estimate) };
        assert!(!tight.is_worth_telling_after(&tight, at(990), at(990)));
        assert!(tight.is_worth_telling_after(&tight, at(990), at(1005)), "the risk is another one by now");
    }

    #[test]
    fn silence_puts_an_arrival_off_so_that_risk_shows_before_the_promise_breaks() {
        let eta = eta(1000, EtaSource::Estimate);
        assert_eq!(eta.arrives_by(at(20)), at(1000));
        assert_eq!(eta.arrives_by(at(50)), at(1030));
        assert_eq!(eta.arrives_by(at(400)), at(1380));
        let risks = [0, 20, 80, 160].map(|now| eta.late_risk(at(now)));
        assert_eq!(risks, [LateRisk::None, LateRisk::None, LateRisk::Possible, LateRisk::Likely]);
        assert!(!eta.is_worth_telling_after(&eta, at(0), at(49)), "nothing new was worked out, and yet");
        assert!(eta.is_worth_telling_after(&eta, at(0), at(50)));
        assert!(!eta.is_worth_telling_after(&eta, at(50), at(51)));
    }

    #[test]
    fn a_risk_that_was_told_eases_only_some_seconds_below_what_made_it() {
        let risk = |arrives: i64, told_risk: LateRisk| {
            Eta { told_risk, at: at(900), ..eta(arrives, EtaSource::Estimate) }.late_risk(at(900))
        };
        let mut told = LateRisk::None;
        let mut tell = |arrives: i64| {
            told = risk(arrives, told);
            told
        };
        assert_eq!([1014, 1015, 1014, 1015, 1011].map(&mut tell)[1..], [LateRisk::Possible; 4]);
        assert_eq!(tell(1009), LateRisk::None);
        assert_eq!([1030, 1029, 1026].map(&mut tell), [LateRisk::Likely; 3]);
        assert_eq!([1024, 1029].map(&mut tell), [LateRisk::Possible; 2]);
        assert_eq!(tell(1000), LateRisk::None);
        assert_eq!(risk(1011, LateRisk::Likely), LateRisk::Possible, "that is all that is left of it");
    }

    #[test]
    fn a_slip_is_five_minutes_later_and_never_earlier() {
        assert_eq!(slip(at(1000), at(1299)), None);
        assert_eq!(slip(at(1000), at(1300)), Some(Duration::from_secs(300)));
        assert_eq!(slip(at(1000), at(0)), None);
    }

    #[test]
    fn an_absurd_route_is_none() {
        assert!(Route::plausible(1300.0, 180.0, 1000.0).is_some());
        for (distance, seconds) in [
            (f64::NAN, 180.0),
            (1300.0, f64::NAN),
            (f64::INFINITY, 180.0),
            (1300.0, f64::INFINITY),
            (-1.0, 180.0),
            (1300.0, -1.0),
            (1300.0, 0.0),
            (100.0, 20.0),
            (5_000_000.0, 100_000.0),
            (1300.0, 1e7),
        ] {
            assert_eq!(Route::plausible(distance, seconds, 1000.0), None, "{distance} m in {seconds} s");
        }
    }

    #[test]
    fn of_a_route_that_much_is_left_as_of_the_way_through_the_air() {
        let route = Route { distance: 2000.0, seconds: 300.0 };
        assert_eq!(route.left(1000.0, 500.0), (1000.0, Duration::from_secs(150)));
        assert_eq!(route.left(1000.0, 0.0), (0.0, Duration::ZERO));
        assert_eq!(route.left(0.0, 10.0), (2000.0, Duration::from_secs(300)));
    }
}
