//! How far the clock of this machine is from one that others go by, too.
//!
//! A look asks the other clock and waits for the answer. What it showed lies somewhere between the two, so the middle is right
//! to within half of the time that the answer took.

use std::collections::VecDeque;
use std::time::Duration;

use super::time::Timestamp;

/// Farther apart, milliseconds, and what is told in seconds is wrong: how fresh a position is, how long an offer still stands.
/// Clocks that are kept together at all (NTP) are within some milliseconds of each other.
const BOUND: i64 = 1_000;
/// Less than this again, and they are together: in between, nothing is said twice.
const TOGETHER: i64 = BOUND / 2;
/// Of so many looks, the one that was answered fastest is believed.
const LOOKS: usize = 8;

/// One look at the other clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockLook {
    /// By how much this clock is ahead, milliseconds; less than zero where it is behind.
    ahead: i64,
    /// By how much that may be wrong.
    within: i64,
}

impl ClockLook {
    /// The other clock showed `there` after it was asked, at `asked` by this one, and before the answer came, `took` later.
    #[must_use]
    pub fn new(asked: Timestamp, took: Duration, there: Timestamp) -> Self {
        let half = took / 2;
        let middle = asked.after(half).as_millis();
        // Both clocks tell whole milliseconds: one leaves out the rest, the other may round it up.
        let within = i64::try_from(half.as_micros().div_ceil(1000)).unwrap_or(i64::MAX).saturating_add(2);
        Self { ahead: middle.saturating_sub(there.as_millis()), within }
    }

    /// Whether the two clocks may show the same.
    #[must_use]
    pub fn may_be_none(&self) -> bool {
        self.ahead.saturating_abs() <= self.within
    }

    /// By how much this clock is ahead, seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        // Exact for thousands of years.
        self.ahead as f64 / 1000.0
    }
}

/// What has changed between the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// They are farther apart than is good for anybody.
    Apart,
    /// They were, and are not any more.
    Together,
}

/// The latest looks, and what came of them.
#[derive(Debug, Default)]
pub struct ClockWatch {
    looks: VecDeque<ClockLook>,
    is_apart: bool,
}

impl ClockWatch {
    /// Takes a look. Gives the one that tells best how the clocks stand, and what has changed.
    pub fn take(&mut self, look: ClockLook) -> (ClockLook, Option<ClockChange>) {
        if self.looks.len() >= LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(look);
        // Of several that are as good, the latest.
        let best = self.looks.iter().rev().min_by_key(|look| look.within).copied().unwrap_or(look);
        let apart = best.ahead.saturating_abs();
        let change = if !self.is_apart && apart.saturating_sub(best.within) > BOUND {
            Some(ClockChange::Apart)
        } else if self.is_apart && apart < TOGETHER {
            Some(ClockChange::Together)
        } else {
            None
        };
        match change {
            Some(ClockChange::Apart) => self.is_apart = true,
            Some(ClockChange::Together) => self.is_apart = false,
            None => {}
        }
        (best, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look at a clock that differs by `ahead`, milliseconds, with an answer that was on its way for `took` of them, all of
    /// it behind the other clock's word.
    fn look(ahead: i64, took: u64) -> ClockLook {
        let asked = Timestamp::from_millis(1_000_000);
        ClockLook::new(asked, Duration::from_millis(took), Timestamp::from_millis(1_000_000 - ahead))
    }

    #[test]
    fn the_middle_of_the_way_is_right_to_within_half_of_it() {
        assert_eq!(look(0, 0), ClockLook { ahead: 0, within: 2 });
        assert_eq!(look(40, 10), ClockLook { ahead: 45, within: 7 });
        assert_eq!(look(-3_600_000, 0).seconds(), -3_600.0);
    }

    #[test]
    fn a_slow_answer_is_not_believed_while_there_is_a_faster_one() {
        let mut watch = ClockWatch::default();
        watch.take(look(20, 2));
        for _ in 1..LOOKS {
            assert_eq!(watch.take(look(20, 4_000)), (look(20, 2), None));
        }
        let (best, change) = watch.take(look(20, 4_000));
        assert_eq!((best, change), (look(20, 4_000), None), "which may as well be no difference at all");
    }

    #[test]
    fn what_has_changed_is_told_once() {
        let mut watch = ClockWatch::default();
        let changes: Vec<_> = [900, 1_100, 1_500, 900, 1_100, 400, 900, -1_100]
            .into_iter()
            .filter_map(|ahead| watch.take(look(ahead, 0)).1.map(|change| (ahead, change)))
            .collect();
        use ClockChange::{Apart, Together};
        assert_eq!(changes, [(1_100, Apart), (400, Together), (-1_100, Apart)]);
    }
}
