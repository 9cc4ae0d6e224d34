//! One session's way through a group's `seq`: what came in turn, what was left out, what came late.

use std::ops::RangeInclusive;

/// Where an event falls in what was received so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Right after the last one.
    Next,
    /// Further on: what lies between is a hole until it comes.
    Ahead,
    /// Into a hole: it should have come earlier.
    Late,
    /// Where one has been already.
    Repeat,
}

/// The positions received, as the furthest one and the holes before it.
#[derive(Debug)]
pub struct Track {
    /// The furthest position; `None` until one is known.
    last: Option<u64>,
    /// Disjoint, none empty.
    open: Vec<RangeInclusive<u64>>,
    /// What was still open when a numbering ended.
    closed: u64,
}

impl Track {
    /// Of a session that joined when the group stood at `seq` (0: nothing yet).
    #[must_use]
    pub fn after(seq: u64) -> Self {
        Self { last: Some(seq), open: Vec::new(), closed: 0 }
    }

    /// Of a session that was not told where the group stood: the first event places it.
    #[must_use]
    pub fn unplaced() -> Self {
        Self { last: None, open: Vec::new(), closed: 0 }
    }

    /// The group's numbering begins anew, at 1.
    pub fn restart(&mut self) {
        self.closed = self.holes();
        self.open.clear();
        self.last = Some(0);
    }

    /// Notes an event at `seq`.
    pub fn place(&mut self, seq: u64) -> Place {
        let Some(last) = self.last else {
            self.last = Some(seq);
            return Place::Next;
        };
        if seq > last {
            self.last = Some(seq);
            if seq == last + 1 {
                return Place::Next;
            }
            self.open.push(last + 1..=seq - 1);
            return Place::Ahead;
        }
        let Some(at) = self.open.iter().position(|hole| hole.contains(&seq)) else { return Place::Repeat };
        let (from, to) = self.open.swap_remove(at).into_inner();
        // Split round the position, so that no arithmetic goes below zero at the edges.
        if from < seq {
            self.open.push(from..=seq - 1);
        }
        if seq < to {
            self.open.push(seq + 1..=to);
        }
        Place::Late
    }

    /// How many positions were left out and never came.
    #[must_use]
    pub fn holes(&self) -> u64 {
        self.open.iter().fold(self.closed, |sum, hole| sum + (hole.end() - hole.start() + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(track: &mut Track, way: &[u64]) -> Vec<Place> {
        way.iter().map(|seq| track.place(*seq)).collect()
    }

    #[test]
    fn a_hole_is_counted_until_it_is_filled() {
        let mut track = Track::after(3);
        assert_eq!(walk(&mut track, &[4, 8]), [Place::Next, Place::Ahead]);
        assert_eq!(track.holes(), 3);
        assert_eq!(walk(&mut track, &[6, 6, 5]), [Place::Late, Place::Repeat, Place::Late]);
        assert_eq!(track.holes(), 1);
        assert_eq!(walk(&mut track, &[7, 9]), [Place::Late, Place::Next]);
        assert_eq!(track.holes(), 0);
    }

    #[test]
    fn what_stood_at_the_join_is_a_repeat() {
        let mut track = Track::after(3);
        assert_eq!(walk(&mut track, &[3, 1, 4]), [Place::Repeat, Place::Repeat, Place::Next]);
    }

    #[test]
    fn without_a_position_the_first_event_gives_one() {
        let mut track = Track::unplaced();
        assert_eq!(walk(&mut track, &[70, 71, 73]), [Place::Next, Place::Next, Place::Ahead]);
        assert_eq!(track.holes(), 1);
    }

    #[test]
    fn a_new_numbering_starts_at_one_and_forgets_no_hole() {
        let mut track = Track::after(0);
        walk(&mut track, &[1, 4]);
        track.restart();
        assert_eq!(walk(&mut track, &[1, 3]), [Place::Next, Place::Ahead]);
        assert_eq!(track.holes(), 3);
    }
}
