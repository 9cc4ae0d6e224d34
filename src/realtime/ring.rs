//! The latest events of one group, for those who come back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::messages::Frame;

/// How far back a client can come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// At most so many events.
    pub events: usize,
    /// None older than this.
    pub age: Duration,
}

/// Keeps the latest events, which are numbered from 1 without holes.
#[derive(Debug, Default)]
pub(super) struct Ring {
    last: u64,
    events: VecDeque<Arc<Frame>>,
}

impl Ring {
    /// The last number given out; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// A ring that begins after the number `last`, with nothing kept.
    pub(super) fn at(last: u64) -> Self {
        Self { last, events: VecDeque::new() }
    }

    /// The newest event that is kept.
    pub(super) fn newest(&self) -> Option<&Arc<Frame>> {
        self.events.back()
    }

    /// Keeps the event with the next number, which is `seq`.
    pub(super) fn keep(&mut self, seq: u64, frame: Arc<Frame>, window: Window) {
        self.last = seq;
        self.restore(frame, window);
    }

    /// Keeps an event whose number was given out before: that after the newest one that is kept.
    pub(super) fn restore(&mut self, frame: Arc<Frame>, window: Window) {
        self.events.push_back(frame);
        let now = self.events.back().map(|frame| frame.accepted_at);
        while self.events.len() > window.events || self.is_front_too_old(now, window.age) {
            self.events.pop_front();
        }
    }

    fn is_front_too_old(&self, now: Option<Instant>, age: Duration) -> bool {
        match (self.events.front(), now) {
            (Some(front), Some(now)) => now.saturating_duration_since(front.accepted_at) > age,
            (None, _) | (_, None) => false,
        }
    }

    /// All events after `seq`, or `None` when some of them are gone or `seq` was never given out.
    pub(super) fn since(&self, seq: u64) -> Option<Vec<Arc<Frame>>> {
        let missed = usize::try_from(self.last.checked_sub(seq)?).ok()?;
        let skipped = self.events.len().checked_sub(missed)?;
        Some(self.events.iter().skip(skipped).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::group::GroupKey;
    use crate::domain::ids::EventId;

    fn push(ring: &mut Ring, window: Window, accepted_at: Instant) {
        let seq = ring.last() + 1;
        let frame = Frame::new(GroupKey::Admin, EventId::new(), Some(seq), None, "{}", accepted_at);
        ring.keep(seq, Arc::new(frame), window);
    }

    proptest! {
        #[test]
        fn what_comes_back_is_exactly_what_was_missed_or_nothing(count in 0_u64..50, kept in 0_usize..20, seq in 0_u64..60) {
            let window = Window { events: kept, age: Duration::from_secs(3600) };
            let mut ring = Ring::default();
            for _ in 0..count {
                push(&mut ring, window, Instant::now());
            }
            let expected = (seq <= count && count - seq <= kept as u64).then(|| (seq + 1..=count).collect::<Vec<_>>());
            let got = ring.since(seq).map(|frames| frames.iter().filter_map(|frame| frame.seq).collect::<Vec<_>>());
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn old_events_go() {
        let window = Window { events: 100, age: Duration::from_secs(600) };
        let start = Instant::now();
        let mut ring = Ring::default();
        push(&mut ring, window, start);
        push(&mut ring, window, start + Duration::from_secs(500));
        push(&mut ring, window, start + Duration::from_secs(700));
        assert!(ring.since(0).is_none());
        assert_eq!(ring.since(1).map(|frames| frames.len()), Some(2));
    }
}
