//! By how much the clocks of partners' devices are wrong.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::ids::PartnerId;
use crate::domain::time::Timestamp;

/// What is less may as well be the way from the device to here, seconds.
const MIN_SKEW: i64 = 2;
/// What was seen is remembered for so long, and at most twice as long: clocks are set now and then.
const KEPT: Duration = Duration::from_secs(2 * 3600);
/// A clock that is behind by less is believed to be when two frames agree: one alone may have been held up for so long.
/// Whatever is held up for longer is too old to be shown for much longer.
const DOUBTED: i64 = 120;
/// Frames that were sent so long after each other, milliseconds, were not held up together.
const APART: i64 = 5_000;
/// So many frames in a row that agree are believed against what was known before: the clock was set meanwhile, by more than
/// a way is slow each time.
const SET_AFTER: u8 = 3;

/// What is known of the clocks. What lies between `sent_at` and its coming is a clock that is behind, and the way, and how
/// long the app has tried: never less than the first of these. So the least that was seen is nearest to it, and a sample
/// never looks newer than it is by more than the quickest way took. Of a device that was heard of once the quickest way is
/// not known. A clock that was ahead and is set seems to be held up from then on, until several frames agree.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    partners: Mutex<HashMap<PartnerId, Least>>,
}

/// The least that a clock was behind, milliseconds; less than zero where it is ahead.
#[derive(Debug, Clone, Copy)]
struct Least {
    /// Since then.
    since: Timestamp,
    here: i64,
    /// In the time before.
    before: i64,
    /// By the device's clock, when the first of those frames was sent that agree with the least of all.
    sent_at: Timestamp,
    /// Whether another one agrees that was sent at another time.
    is_sure: bool,
    /// What the last frames say instead.
    rival: Option<Rival>,
}

/// What some frames in a row agree on, and is more than the least.
#[derive(Debug, Clone, Copy)]
struct Rival {
    behind: i64,
    /// By the device's clock, when the last of them was sent that counts.
    sent_at: Timestamp,
    /// How many do that were not held up together.
    frames: u8,
}

impl Clocks {
    /// By how much to move the times that a partner's device tells, milliseconds. By whole seconds, so that what is sent
    /// again is moved in the same way.
    pub(super) fn skew(&self, partner_id: PartnerId, sent_at: Timestamp, now: Timestamp) -> i64 {
        let behind = now.as_millis().saturating_sub(sent_at.as_millis());
        let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Least { since: now, here: behind, before: behind, sent_at, is_sure: false, rival: None };
        let least = partners.entry(partner_id).or_insert(fresh);
        let age = now.since(least.since);
        if age >= 2 * KEPT {
            *least = fresh;
        } else if age >= KEPT {
            *least = Least { since: now, here: behind, before: least.here, ..*least };
        }
        least.heed(behind, sent_at, now);
        let seconds = least.here.min(least.before).saturating_add(500).div_euclid(1000);
        let is_doubted = !least.is_sure && (0..DOUBTED).contains(&seconds);
        if is_doubted || seconds.saturating_abs() <= MIN_SKEW { 0 } else { seconds.saturating_mul(1000) }
    }

    /// Forgets the devices of which nothing was heard.
    pub(super) fn purge(&self, now: Timestamp) {
        let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        partners.retain(|_, least| now.since(least.since) < 2 * KEPT);
    }
}

impl Least {
    fn heed(&mut self, behind: i64, sent_at: Timestamp, now: Timestamp) {
        let (known, near) = (self.here.min(self.before), MIN_SKEW * 1000);
        if behind > known.saturating_add(near) {
            return self.doubt(behind, sent_at, now);
        }
        self.here = self.here.min(behind);
        self.rival = None;
        if behind < known.saturating_sub(near) {
            (self.sent_at, self.is_sure) = (sent_at, false);
        } else {
            self.is_sure |= apart(sent_at, self.sent_at) >= APART;
        }
    }

    /// A frame that was held up, or the first ones after the clock was set.
    fn doubt(&mut self, behind: i64, sent_at: Timestamp, now: Timestamp) {
        let fresh = Rival { behind, sent_at, frames: 1 };
        let rival = self.rival.get_or_insert(fresh);
        if rival.behind.abs_diff(behind) > MIN_SKEW.unsigned_abs() * 1000 {
            *rival = fresh;
        } else if apart(sent_at, rival.sent_at) >= APART {
            *rival =
                Rival { behind: rival.behind.min(behind), sent_at, frames: rival.frames.saturating_add(1) };
        }
        let (behind, known) = (rival.behind, self.here.min(self.before));
        // A way that is as slow each time looks the same, but nothing is under way for so long and comes in the end.
        if rival.frames >= SET_AFTER && behind.saturating_sub(known) > DOUBTED * 1000 {
            *self = Self { since: now, here: behind, before: behind, sent_at, is_sure: true, rival: None };
        }
    }
}

/// Between two times, milliseconds.
fn apart(one: Timestamp, other: Timestamp) -> i64 {
    one.as_millis().saturating_sub(other.as_millis()).saturating_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000_000;

    /// By how many seconds the times of one device are moved, whose frames say and come, seconds from the start on.
    fn skews(frames: &[(i64, i64)]) -> Vec<i64> {
        let (clocks, partner_id) = (Clocks::default(), PartnerId::new());
        let at = |seconds: i64| Timestamp::from_millis((START + seconds) * 1000);
        frames.iter().map(|(sent, came)| clocks.skew(partner_id, at(*sent), at(*came)) / 1000).collect()
    }

    #[test]
    fn a_clock_that_is_wrong_is_put_right_and_one_that_is_nearly_right_is_left_alone() {
        assert_eq!(skews(&[(-2, 0)]), [0], "that may be the way");
        assert_eq!(skews(&[(-600, 0)]), [600], "ten minutes behind");
        assert_eq!(skews(&[(600, 0)]), [-600], "ten minutes ahead");
        assert_eq!(skews(&[(-START, 0)]), [START], "it never was set");
    }

    #[test]
    fn neither_a_slow_way_nor_what_is_sent_again_makes_old_positions_new() {
        assert_eq!(skews(&[(0, 1), (10, 40), (20, 620)]), [0, 0, 0]);
        assert_eq!(skews(&[(-600, 1), (-590, 50), (-580, 700)]), [601, 601, 601]);
        assert_eq!(skews(&[(0, 30), (60, 61)]), [0, 0], "nothing better was known at first");
    }

    #[test]
    fn a_clock_that_is_a_little_behind_is_put_right_once_two_frames_agree() {
        assert_eq!(skews(&[(-60, 0), (-55, 5), (-40, 21)]), [0, 60, 60]);
        assert_eq!(skews(&[(-60, 0), (-59, 1), (-58, 2)]), [0, 0, 0], "they may have been held up together");
        assert_eq!(skews(&[(-60, 0), (-60, 1)]), [0, 0], "it is the same");
        assert_eq!(skews(&[(-60, 0), (-50, 0), (-40, 0), (-30, 0)]), [0; 4], "they were, for a minute");
        assert_eq!(skews(&[(-60, 0), (-50, 10), (19, 20)]), [0, 60, 0], "and this one was not");
        assert_eq!(skews(&[(60, 0)]), [-60], "nothing comes before it was sent");
    }

    #[test]
    fn a_clock_that_is_set_is_believed_once_three_frames_agree() {
        let set = [(600, 0), (3, 3), (6, 6), (9, 9), (12, 12), (15, 15), (18, 18)];
        assert_eq!(skews(&set), [-600, -600, -600, -600, -600, 0, 0]);
        let back = [(0, 0), (5, 5), (-590, 10), (-580, 20), (-570, 30), (-560, 41)];
        assert_eq!(skews(&back), [0, 0, 0, 0, 600, 600]);
        assert_eq!(skews(&[(600, 0), (10, 10), (620, 20), (30, 30), (40, 40)]), [-600; 5], "not in a row");
        assert_eq!(skews(&[(600, 0), (1, 1), (2, 2), (3, 3), (4, 4)]), [-600; 5], "held up together");
        assert_eq!(skews(&[(0, 0), (10, 20), (20, 33), (30, 46), (40, 50)]), [0; 5], "each waited longer");
        assert_eq!(
            skews(&[(0, 0), (10, 35), (20, 45), (30, 55), (40, 65)]),
            [0; 5],
            "the way is as slow each time"
        );
    }

    #[test]
    fn one_of_whom_nothing_is_heard_is_forgotten() {
        let (clocks, now) = (Clocks::default(), Timestamp::from_millis(START * 1000));
        clocks.skew(PartnerId::new(), now, now);
        clocks.purge(now.after(KEPT));
        assert_eq!(clocks.partners.lock().expect("whole").len(), 1);
        clocks.purge(now.after(2 * KEPT));
        assert_eq!(clocks.partners.lock().expect("whole").len(), 0);
    }

    #[test]
    fn a_clock_that_was_set_is_believed_after_some_hours() {
        let hour = 3600;
        let sent = [(0, 0), (hour - 600, hour), (3 * hour - 600, 3 * hour), (6 * hour - 600, 6 * hour)];
        assert_eq!(skews(&sent), [0, 0, 0, 600]);
    }
}
