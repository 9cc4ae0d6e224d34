//! How often a partner's app is to send where it is: as often as somebody has something of it.

use std::time::Duration;

/// So near to where the way leads every second counts, metres.
const NEAR: f64 = 500.0;
/// A battery below this is spared.
const LOW_BATTERY: f64 = 0.15;

/// What the interval depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Situation {
    /// How far it is to the nearest pick-up or drop-off, metres; none without an order under way.
    pub metres: Option<f64>,
    /// Whether somebody watches.
    pub is_watched: bool,
    /// Charge, 0 to 1.
    pub battery: Option<f64>,
}

impl Situation {
    /// The time between two samples.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let seconds = match self.metres {
            Some(metres) if metres <= NEAR => 2,
            Some(_) if self.is_watched => 3,
            Some(_) | None => 15,
        };
        let is_low = self.battery.is_some_and(|battery| battery < LOW_BATTERY);
        Duration::from_secs(if is_low { 2 * seconds } else { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_and_the_more_watched_the_more_often_and_a_low_battery_halves_it() {
        let seconds = |metres: Option<f64>, is_watched, battery| {
            Situation { metres, is_watched, battery }.interval().as_secs()
        };
        assert_eq!(seconds(None, false, Some(0.8)), 15);
        assert_eq!(seconds(Some(5_000.0), false, Some(0.8)), 15);
        assert_eq!(seconds(Some(5_000.0), true, Some(0.8)), 3);
        assert_eq!(seconds(Some(400.0), false, None), 2);
        assert_eq!(seconds(Some(400.0), true, Some(0.14)), 4);
        assert_eq!(seconds(None, false, Some(0.1)), 30);
    }
}
