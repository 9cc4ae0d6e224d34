//! Of an order's group: positions and ETAs, which tell how far the partner is, come through its door only while the session
//! knows that the order is under way.
//!
//! They and steps go different ways. One that comes after the step by which the partner is not to be seen any more is
//! dropped, and so is what waits of them. One that comes a little before the step by which the partner may be seen waits
//! for that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::group::GroupKey;
use crate::domain::order::{OrderStatus, Standing};
use crate::protocol::ephemeral::{ETA, LOCATION};

use super::{Door, DoorState, Frame, Lane, Waiting};

/// How long a position may wait for the step that lets it be seen: the next one comes soon. An ETA is told anew only when it
/// changes, and waits for as long as it takes: until the step to `en_route`, after which it is of another way.
const EARLY: Duration = Duration::from_secs(5);

/// What a door knows of its order.
#[derive(Debug, Default)]
pub(super) struct Sight {
    standing: Option<Standing>,
    /// The latest of each slot that came while the partner was not to be seen.
    early: Vec<(Instant, Arc<str>, Arc<Frame>)>,
}

/// Whether what is in a slot tells where the partner is.
fn is_place(slot: &str) -> bool {
    slot == LOCATION || slot == ETA
}

impl Sight {
    /// Whether nothing of this slot may come through now; what may yet be seen is kept for a moment.
    pub(super) fn hides(&mut self, slot: &Arc<str>, frame: &Arc<Frame>) -> bool {
        let hides = is_place(slot) && self.standing.is_some_and(|known| !known.status.shows_location());
        if hides {
            self.early.retain(|(_, name, _)| name != slot);
            self.early.push((Instant::now(), Arc::clone(slot), Arc::clone(frame)));
        }
        hides
    }

    /// Takes in how the order stands; `false` where that is known, or was so before.
    fn note(&mut self, standing: Standing) -> bool {
        let is_news = self.standing.is_none_or(|known| known.version < standing.version);
        if is_news {
            self.standing = Some(standing);
        }
        is_news
    }
}

impl Lane {
    /// Notes how an order stands, by what its group's members are told. Of an earlier version it means nothing.
    pub fn note_standing(&self, group: GroupKey, standing: Standing) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let Some(door) = inner.doors.iter_mut().find(|door| door.group == group) else { return };
        if !door.sight.note(standing) {
            return;
        }
        // Of the time before this step.
        let early = std::mem::take(&mut door.sight.early);
        if standing.status.shows_location() {
            let mut is_called = false;
            let is_good = |(came, slot, _): &(Instant, Arc<str>, Arc<Frame>)| match &**slot {
                ETA => standing.status == OrderStatus::EnRoute,
                _ => came.elapsed() < EARLY,
            };
            for (_, slot, frame) in early.into_iter().filter(is_good) {
                inner.bytes += frame.size();
                match &mut door.state {
                    DoorState::Ajar(frames) => {
                        inner.held += 1;
                        frames.push((Some(slot), frame));
                    }
                    DoorState::Open { .. } => {
                        inner.queue.push_back(Waiting { door: door.id, frame });
                        is_called = true;
                    }
                }
            }
            if is_called {
                inner.call();
            }
            return;
        }
        let Door { id, state, .. } = door;
        if let DoorState::Ajar(frames) = state {
            for (_, frame) in frames.extract_if(.., |(name, _)| name.as_deref().is_some_and(is_place)) {
                inner.held -= 1;
                inner.bytes -= frame.size();
            }
        }
        inner.slots.retain(|slot| slot.waiting.door != *id || !is_place(&slot.name));
        inner.slot_bytes = inner.slots.iter().map(|slot| slot.waiting.frame.size()).sum();
    }
}
