//! What the bridge is told, and what it tells.

use std::sync::Arc;

use actix::Message;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, InstanceId, SessionId, UserId};
use crate::domain::time::Timestamp;
use crate::protocol::channel::{Present, Say};
use crate::protocol::dispatch::Dispatch;

use super::scripts::{Position, Standing};

/// What a committed change asks for, on its way to the groups.
#[derive(Debug)]
pub struct Outgoing {
    /// The event's id.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What is to be done.
    pub dispatch: Dispatch,
}

/// Why events were not taken. Some of them may have been, and are recognised when they come again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// Redis cannot be reached, or cannot take them.
    #[error("Redis does not take events: {0}")]
    Away(String),
    /// Another instance has taken over, or had a higher fence before the database was put back to an earlier state.
    #[error("Redis has seen the higher fence {0}")]
    Fenced(u64),
}

/// Group → bridge: where does the group stand? From then on its channel is heard. Answered by [`Synced`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Attach {
    pub key: GroupKey,
    /// Comes back with the answer.
    pub ticket: u64,
    /// What the group has, if anything.
    pub known: Option<Position>,
}

/// Registry → bridge: a group has ended here, and its channel is of no interest.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Detach {
    pub key: GroupKey,
}

/// Bridge → registry → group: answers [`Attach`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Synced {
    pub key: GroupKey,
    pub ticket: u64,
    pub standing: Standing,
}

/// Bridge → registry → group: something was said on the group's channel.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Heard {
    pub key: GroupKey,
    /// As [`GroupMessage`](crate::protocol::channel::GroupMessage) has it.
    pub text: String,
}

impl Heard {
    /// Whether a snapshot that was read before may lack it.
    pub(in crate::realtime) fn is_change(&self) -> bool {
        !(self.text.starts_with("frame ") || self.text.starts_with("present "))
    }
}

/// Bridge → registries → groups: the link is new, or it is time to make sure that nothing was missed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Reattach;

/// Bridge → registries → groups: an instance is gone, and everybody on it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Departed {
    pub instance: InstanceId,
}

/// Bridge → directory: the link is new, or the way of events is another. Every session is to be noted again, and asked whether it may still be: nobody
/// could say so meanwhile.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Reenter;

/// Bridge → registry → group: an answer failed; ask again if it is still of interest.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Resume {
    pub key: GroupKey,
}

/// Bridge → directory: a session gives way to a newer one of its user.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Replace {
    pub user_id: UserId,
    pub session: SessionId,
}

/// Handle → bridge: publish these, in this order. Answered once Redis has them.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), RelayError>")]
pub(in crate::realtime) struct Relay {
    pub batch: Vec<Arc<Outgoing>>,
    /// Grows with each change of whoever publishes; Redis refuses what has a lower one.
    pub fence: u64,
    /// Whether some may have been published before.
    pub repeated: bool,
}

/// Handle → bridge: this instance is going, and its sessions count no more. Answered once the others were told, as far as they can be.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Depart;

/// Handle → bridge: could Redis take events now? If not, why.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), String>")]
pub(in crate::realtime) struct Try;

/// Handle → bridge: publish this, and nobody keeps it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Ephemeral {
    pub key: GroupKey,
    pub text: String,
}

/// Group → bridge: who is in the group on this instance.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Attending {
    pub key: GroupKey,
    pub present: Present,
}

/// Group → bridge: an instance that is gone has left its note.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Forget {
    pub key: GroupKey,
    pub instance: InstanceId,
}

/// Directory → bridge: a session has come or gone.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Note {
    pub user_id: UserId,
    pub session: SessionId,
    pub is_here: bool,
}

/// Handle → bridge: say this to every instance, this one included.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::realtime) struct Tell(pub Say);

/// The connection → bridge: something was said to every instance.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Called {
    pub text: String,
    /// Which link heard it: while there are two, both do.
    pub generation: u64,
}

/// The connection → bridge: it has ended.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Ended {
    /// Which connection.
    pub generation: u64,
}

/// The link → bridge: its servers have shared out anew what they have.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Moved {
    /// Which link.
    pub generation: u64,
}
