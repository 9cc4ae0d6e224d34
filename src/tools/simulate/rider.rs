//! A partner on a scooter, and the telephone that measures where.

use rand::Rng;
use rand::rngs::StdRng;

use super::city::{Spot, route};
use crate::domain::geo::Position;

/// Metres per second between crossings.
const SPEED: std::ops::Range<f64> = 9.0..12.5;
/// Metres per second around a corner.
const CORNER_SPEED: f64 = 5.0;
/// Slow this far before a corner, metres.
const CORNER: f64 = 12.0;
/// Mostly the measured position is within this of the true one, metres.
const NOISE: f64 = 4.0;
/// Charge lost in a second.
const DRAIN: f64 = 0.000_05;
/// Charged again below this.
const LOW: f64 = 0.15;

/// Somebody on the way, or standing.
#[derive(Debug)]
pub struct Rider {
    at: Spot,
    /// Corners still ahead; the last is where it ends.
    ahead: Vec<Spot>,
    heading: f64,
    speed: f64,
    battery: f64,
}

/// What the telephone measures.
#[derive(Debug)]
pub struct Fix {
    /// Where.
    pub position: Position,
    /// Degrees clockwise from north; none when standing.
    pub heading: Option<f64>,
    /// Metres per second.
    pub speed: f64,
    /// Radius of the 68 % confidence circle, metres.
    pub accuracy: f64,
    /// 0 to 1.
    pub battery: f64,
}

impl Rider {
    /// Standing at `at`.
    #[must_use]
    pub fn new(at: Spot, rng: &mut StdRng) -> Self {
        Self { at, ahead: Vec::new(), heading: 0.0, speed: 0.0, battery: rng.random_range(0.4..1.0) }
    }

    /// Stands somewhere else all at once: when nothing better is known.
    pub fn put(&mut self, at: Spot) {
        self.at = at;
        self.stop();
    }

    /// Stands still here.
    pub fn stop(&mut self) {
        self.ahead.clear();
        self.speed = 0.0;
    }

    /// Takes the way to `goal`, unless already on it or there.
    pub fn head_for(&mut self, goal: Spot) {
        if self.at == goal {
            self.stop();
        } else if self.ahead.last() != Some(&goal) {
            self.ahead = route(self.at, goal);
        }
    }

    /// Whether the way is at its end.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Rides for `seconds`, `pace` times as fast as scooters do.
    pub fn ride(&mut self, seconds: f64, pace: f64, rng: &mut StdRng) {
        self.battery = if self.battery < LOW { 1.0 } else { self.battery - DRAIN * seconds };
        let cruising = rng.random_range(SPEED);
        let before = self.at;
        let mut left = cruising * pace * seconds;
        if self.ahead.first().is_some_and(|corner| self.at.distance(*corner) < CORNER) {
            left *= CORNER_SPEED / cruising;
        }
        let mut ridden = 0.0;
        while let Some(corner) = self.ahead.first().copied() {
            let distance = self.at.distance(corner);
            if distance > 0.0 {
                self.heading = self.at.heading(corner);
            }
            if distance > left {
                let share = left / distance;
                self.at.along += (corner.along - self.at.along) * share;
                self.at.inland += (corner.inland - self.at.inland) * share;
                ridden += left;
                break;
            }
            self.at = corner;
            ridden += distance;
            left -= distance;
            self.ahead.remove(0);
        }
        self.speed = if self.at == before || seconds <= 0.0 { 0.0 } else { ridden / seconds };
    }

    /// Measures. Never exact, as telephones are not.
    #[must_use]
    pub fn measure(&self, rng: &mut StdRng) -> Fix {
        // The sum of two even spreads is peaked, which is close enough to how receivers err.
        let mut error = || rng.random_range(-NOISE..NOISE) / 2.0 + rng.random_range(-NOISE..NOISE) / 2.0;
        let spot = Spot { along: self.at.along + error(), inland: self.at.inland + error() };
        let Position { latitude, longitude } = spot.position();
        let moves = self.speed > 0.0;
        let round = |number: f64, unit: f64| (number * unit).round() / unit;
        Fix {
            position: Position { latitude: round(latitude, 1e6), longitude: round(longitude, 1e6) },
            heading: moves
                .then(|| round((self.heading + rng.random_range(-3.0..3.0)).rem_euclid(360.0), 10.0)),
            speed: round(if moves { self.speed } else { 0.0 }, 10.0),
            accuracy: round(rng.random_range(NOISE..3.0 * NOISE), 10.0),
            battery: round(self.battery.clamp(0.0, 1.0), 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::city::BLOCK;
    use super::*;

    #[test]
    fn a_ride_ends_where_it_should_and_takes_as_long_as_scooters_do() {
        let mut rng = StdRng::seed_from_u64(3);
        let (from, to) = (Spot { along: 0.0, inland: 0.0 }, Spot { along: 3.2 * BLOCK, inland: 2.0 * BLOCK });
        let mut rider = Rider::new(from, &mut rng);
        rider.head_for(to);
        let mut seconds = 0;
        while !rider.is_there() {
            let before = rider.at;
            rider.ride(1.0, 1.0, &mut rng);
            assert!(before.distance(rider.at) <= SPEED.end, "{before:?} to {:?}", rider.at);
            seconds += 1;
        }
        assert_eq!(rider.at, to);
        rider.head_for(to);
        assert!(rider.is_there());
        // 692 m.
        assert!((55..=85).contains(&seconds), "{seconds}");
    }

    #[test]
    fn what_is_measured_is_near_the_truth_and_never_it() {
        let mut rng = StdRng::seed_from_u64(5);
        let rider = Rider::new(Spot { along: 100.0, inland: BLOCK }, &mut rng);
        for _ in 0..200 {
            let fix = rider.measure(&mut rng);
            let off = Spot::of(fix.position).distance(rider.at);
            assert!(off < 2.0 * NOISE, "{off}");
            assert_eq!((fix.heading, fix.speed), (None, 0.0));
        }
    }

    #[test]
    fn the_same_seed_rides_the_same() {
        let ride = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut rider = Rider::new(Spot::crossing(&mut rng), &mut rng);
            rider.head_for(Spot { along: 500.0, inland: 2.0 * BLOCK });
            rider.ride(5.0, 1.0, &mut rng);
            rider.measure(&mut rng).position
        };
        assert_eq!(ride(1), ride(1));
        assert_ne!(ride(1), ride(2));
    }
}
