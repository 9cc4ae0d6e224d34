//! How much waits for one session, and the slots in which ephemeral frames wait when too much does.
//!
//! The session's mailbox alone cannot tell: a session whose socket is full is not polled (actix-web#2441),
//! and a mailbox has a free slot for each sender. So groups count what they hand over, and the session
//! counts what it took.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::messages::Frame;

/// From so many waiting frames on, ephemeral ones are conflated.
pub(super) const CONFLATE_FROM: usize = 64;
/// The most slots that ephemeral frames of one session wait in.
const MAX_SLOTS: usize = 64;

/// Shared by a session and the groups that it is in.
#[derive(Debug)]
pub struct Lane {
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    has_slots: AtomicBool,
    closed: AtomicBool,
    max_waiting: usize,
    max_bytes: usize,
    slots: Mutex<Vec<(Arc<str>, Arc<Frame>)>>,
}

/// What a group is to do with a frame for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// Send it.
    Send,
    /// Nothing: it waits in a slot, and the session will find it there.
    Slotted {
        /// Whether it took the place of an older one.
        replaced: bool,
    },
    /// Send [`Deliver::Flush`](super::Deliver::Flush): it waits in a slot, and the session may be idle by now.
    Flush,
    /// The session does not keep up: put it out.
    TooSlow,
}

impl Lane {
    /// A lane that holds at most `max_waiting` frames of `max_bytes` in all.
    #[must_use]
    pub fn new(max_waiting: usize, max_bytes: usize) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            has_slots: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            max_waiting,
            max_bytes,
            slots: Mutex::new(Vec::new()),
        }
    }

    /// Asks for room for a must-deliver frame.
    pub(super) fn offer(&self, bytes: usize) -> Offer {
        if self.closed.load(Ordering::Relaxed) {
            return Offer::TooSlow;
        }
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst);
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        // One frame always fits, however large.
        if waiting >= self.max_waiting || (before > 0 && before + bytes > self.max_bytes) {
            self.closed.store(true, Ordering::Relaxed);
            return Offer::TooSlow;
        }
        Offer::Send
    }

    /// Asks for room for a frame of which only the latest in its slot counts.
    pub(super) fn offer_latest(&self, slot: &Arc<str>, frame: &Arc<Frame>) -> Offer {
        let falls_behind = self.waiting.load(Ordering::SeqCst) >= CONFLATE_FROM;
        if !falls_behind && !self.has_slots.load(Ordering::SeqCst) {
            return self.offer(frame.text.len());
        }
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let place = slots.iter().position(|(name, held)| name == slot && held.group == frame.group);
        let replaced = place.is_some() || slots.len() >= MAX_SLOTS;
        if replaced {
            // Out of its old place and to the end, so that slots keep the order of their latest frames.
            slots.remove(place.unwrap_or(0));
        }
        slots.push((Arc::clone(slot), Arc::clone(frame)));
        self.has_slots.store(true, Ordering::SeqCst);
        drop(slots);
        // The session looks for slots after it took its last frame. Either it sees this one, or it
        // had taken its last frame before and this load sees that.
        if self.waiting.load(Ordering::SeqCst) == 0 {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            return Offer::Flush;
        }
        Offer::Slotted { replaced }
    }

    /// The session took a frame of `bytes`. `true` when slots wait and nothing comes before them.
    #[must_use]
    pub fn took(&self, bytes: usize) -> bool {
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        let before = self.waiting.fetch_sub(1, Ordering::SeqCst);
        before == 1 && self.has_slots.load(Ordering::SeqCst)
    }

    /// What waits in the slots, oldest first.
    #[must_use]
    pub fn take_slots(&self) -> Vec<Arc<Frame>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_slots.store(false, Ordering::SeqCst);
        slots.drain(..).map(|(_, frame)| frame).collect()
    }

    /// Lets no further frame in.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// How many frames wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytestring::ByteString;

    use super::*;
    use crate::domain::group::GroupKey;
    use crate::domain::ids::EventId;

    fn frame(text: &'static str) -> Arc<Frame> {
        let text = ByteString::from_static(text);
        Arc::new(Frame {
            group: GroupKey::Admin,
            id: EventId::new(),
            seq: None,
            revision: None,
            text,
            accepted_at: Instant::now(),
        })
    }

    fn texts(lane: &Lane) -> Vec<String> {
        lane.take_slots().iter().map(|frame| frame.text.to_string()).collect()
    }

    #[test]
    fn a_full_lane_refuses_and_stays_shut() {
        let lane = Lane::new(2, 1000);
        assert_eq!(lane.offer(1), Offer::Send);
        assert_eq!(lane.offer(1), Offer::Send);
        assert_eq!(lane.offer(1), Offer::TooSlow);
        let _ = lane.took(1);
        assert_eq!(lane.offer(1), Offer::TooSlow);
    }

    #[test]
    fn bytes_are_bounded_too_but_one_frame_always_fits() {
        let lane = Lane::new(100, 1000);
        assert_eq!(lane.offer(5000), Offer::Send);
        assert_eq!(lane.offer(1), Offer::TooSlow);
    }

    #[test]
    fn ephemeral_frames_are_conflated_per_slot_once_the_session_falls_behind() {
        let lane = Lane::new(1000, 1_000_000);
        let (dot, eta): (Arc<str>, Arc<str>) = ("location".into(), "eta".into());
        assert_eq!(lane.offer_latest(&dot, &frame("dot 0")), Offer::Send);
        for _ in 1..CONFLATE_FROM {
            assert_eq!(lane.offer(1), Offer::Send);
        }
        assert_eq!(lane.offer_latest(&dot, &frame("dot 1")), Offer::Slotted { replaced: false });
        assert_eq!(lane.offer_latest(&eta, &frame("eta 1")), Offer::Slotted { replaced: false });
        assert_eq!(lane.offer_latest(&dot, &frame("dot 2")), Offer::Slotted { replaced: true });
        // While one slot is taken a frame may not overtake it.
        for waiting in (0..CONFLATE_FROM).rev() {
            assert_eq!(lane.took(if waiting == CONFLATE_FROM - 1 { 5 } else { 1 }), waiting == 0);
        }
        assert_eq!(texts(&lane), ["eta 1", "dot 2"]);
        assert_eq!(lane.offer_latest(&dot, &frame("dot 3")), Offer::Send);
    }

    #[test]
    fn slots_are_bounded() {
        let lane = Lane::new(1000, 1_000_000);
        for _ in 0..CONFLATE_FROM {
            lane.offer(1);
        }
        for index in 0..200 {
            lane.offer_latest(&format!("slot {index}").into(), &frame("x"));
        }
        assert_eq!(lane.take_slots().len(), MAX_SLOTS);
    }
}
