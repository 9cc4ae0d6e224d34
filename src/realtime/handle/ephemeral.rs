//! Publishing what comes with no promise.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::domain::group::GroupKey;
use crate::domain::ids::EventId;
use crate::domain::time::Timestamp;
use crate::protocol::channel::{GroupMessage, Slot, Stamped};

use super::super::bridge::Ephemeral;
use super::super::messages::{Publish, PublishLane};
use super::{Groups, Overloaded};

impl Groups {
    /// Publishes a frame that comes with no promise; where a session does not keep up, only the latest of
    /// its `slot` reaches it. Waits for nothing.
    ///
    /// # Errors
    /// `Overloaded` when the registry has too much to do: the frame goes to nobody.
    pub fn publish_ephemeral(
        &self,
        key: GroupKey,
        id: EventId,
        slot: Slot<'_>,
        body: Arc<str>,
    ) -> Result<(), Overloaded> {
        if self.inner.stopped.load(Ordering::Acquire) {
            // As for those that wait in `settle`: nobody is left to hear it.
            return Ok(());
        }
        if let Some(across) = self.across() {
            let stamped = Stamped { id, at: Timestamp::now(), body: &body };
            let text = GroupMessage::Ephemeral { slot, stamped }.to_text();
            return across.at.address.try_send(Ephemeral { key, text }).map_err(|_| Overloaded);
        }
        self.publish_here(key, id, slot, body)
    }

    /// As [`Groups::publish_ephemeral`], to the members on this instance alone.
    ///
    /// # Errors
    /// `Overloaded`.
    pub fn publish_here(
        &self,
        key: GroupKey,
        id: EventId,
        slot: Slot<'_>,
        body: Arc<str>,
    ) -> Result<(), Overloaded> {
        let lane = PublishLane::Ephemeral { slot: slot.name.into(), since: slot.since };
        let publish = Publish { key, id, at: Timestamp::now(), accepted_at: Instant::now(), lane, body };
        self.registry(key).try_send(publish).map_err(|_| Overloaded)
    }
}
