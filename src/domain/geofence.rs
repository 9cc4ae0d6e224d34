//! Circles around pick-ups and drop-offs, and when a partner has come into one or left it.
//!
//! A position is only known to within some metres, so one sample decides nothing: it takes two in a row to enter, and to
//! be out again several that are well outside.

/// How near the pick-up a partner has arrived, metres.
pub const PICKUP_RADIUS: f64 = 100.0;
/// How near the drop-off a partner is about to arrive, metres.
pub const DROPOFF_RADIUS: f64 = 500.0;

/// So many samples in a row inside make an entry.
const ENTER_AFTER: u8 = 2;
/// So many samples in a row outside the wider circle make an exit.
const LEAVE_AFTER: u8 = 4;
/// The wider circle, as a multiple of the radius.
const WIDER: f64 = 1.5;

/// One circle, and what was seen of one partner in it.
#[derive(Debug, Clone)]
pub struct Fence {
    radius: f64,
    is_inside: bool,
    /// Samples in a row that speak against what is taken for true.
    streak: u8,
}

impl Fence {
    /// A circle of this radius, metres, with nobody in it.
    #[must_use]
    pub const fn new(radius: f64) -> Self {
        Self { radius, is_inside: false, streak: 0 }
    }

    /// Takes the next sample: so far from the centre, and known to within `accuracy`, both metres. Answers whether it
    /// completes an entry. One that is less precise than the circle is wide tells nothing.
    pub fn take(&mut self, distance: f64, accuracy: Option<f64>) -> bool {
        if accuracy.is_some_and(|accuracy| accuracy > self.radius) {
            return false;
        }
        let speaks_against =
            if self.is_inside { distance > self.radius * WIDER } else { distance <= self.radius };
        self.streak = if speaks_against { self.streak + 1 } else { 0 };
        let needed = if self.is_inside { LEAVE_AFTER } else { ENTER_AFTER };
        if self.streak < needed {
            return false;
        }
        self.is_inside = !self.is_inside;
        self.streak = 0;
        self.is_inside
    }

    /// Takes an entry back, so that the next samples make it again: what it was to bring about has failed.
    pub fn retry(&mut self) {
        self.is_inside = false;
        self.streak = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// How often a partner who is parked so far away enters within an hour, with a sample every 3 s.
    fn entries_when_parked_at(metres: f64, seed: u64) -> usize {
        let (mut fence, mut rng) = (Fence::new(PICKUP_RADIUS), StdRng::seed_from_u64(seed));
        (0..1200).filter(|_| fence.take(metres + rng.random_range(-30.0..=30.0), Some(30.0))).count()
    }

    proptest! {
        #[test]
        fn a_partner_who_is_parked_inside_enters_once_however_noisy_the_receiver(seed: u64) {
            prop_assert_eq!(entries_when_parked_at(95.0, seed), 1);
            prop_assert_eq!(entries_when_parked_at(20.0, seed), 1);
        }

        #[test]
        fn a_partner_who_is_parked_at_the_edge_does_not_flap(seed: u64) {
            prop_assert!(entries_when_parked_at(110.0, seed) <= 1);
            prop_assert_eq!(entries_when_parked_at(131.0, seed), 0);
        }
    }

    #[test]
    fn one_sample_is_no_entry_and_one_is_no_exit() {
        let mut fence = Fence::new(100.0);
        let mut enters = |distances: &[f64]| distances.iter().filter(|at| fence.take(**at, None)).count();
        assert_eq!(enters(&[50.0, 120.0, 50.0, 120.0]), 0);
        assert_eq!(enters(&[50.0, 50.0]), 1);
        assert_eq!(enters(&[200.0, 200.0, 200.0, 50.0, 50.0]), 0, "it was not out for long enough");
        assert_eq!(enters(&[140.0; 10]), 0, "and this is not far enough");
        assert_eq!(enters(&[50.0; 10]), 0);
        assert_eq!(enters(&[200.0, 200.0, 200.0, 200.0, 50.0, 50.0]), 1);
    }

    #[test]
    fn a_sample_less_precise_than_the_circle_tells_nothing() {
        let mut fence = Fence::new(100.0);
        assert!(!fence.take(10.0, Some(101.0)) && !fence.take(10.0, Some(101.0)));
        assert!(!fence.take(10.0, Some(100.0)) && fence.take(10.0, None));
    }

    #[test]
    fn an_entry_that_was_taken_back_is_made_again() {
        let mut fence = Fence::new(100.0);
        assert!(!fence.take(10.0, None) && fence.take(10.0, None));
        fence.retry();
        assert!(!fence.take(10.0, None) && fence.take(10.0, None));
    }
}
