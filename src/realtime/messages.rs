//! What the actors of this room say to each other and to sessions.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use actix::Message;
use actix_http::ws::{OpCode, Parser};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use tokio::sync::oneshot;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, FamilyId, OrderId, PartnerId, SessionId, UserId};
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::client::Since;
use crate::protocol::close::CloseReason;

use super::lane::{DoorId, Lane};

/// One frame, made once and shared by all who get it.
#[derive(Debug)]
pub struct Frame {
    /// The group that it went through.
    pub group: GroupKey,
    /// The event's id.
    pub id: EventId,
    /// Its number there; ephemeral frames have none.
    pub seq: Option<u64>,
    /// For states: grows with every change of the state.
    pub revision: Option<i64>,
    /// When it was given to the groups.
    pub accepted_at: Instant,
    text: ByteString,
    wire: Bytes,
}

impl Frame {
    /// A frame whose text is `text`.
    pub(super) fn new(
        group: GroupKey,
        id: EventId,
        seq: Option<u64>,
        revision: Option<i64>,
        text: &str,
        accepted_at: Instant,
    ) -> Self {
        let mut wire = BytesMut::new();
        Parser::write_message(&mut wire, text, OpCode::Text, true, false);
        let wire = wire.freeze();
        let payload = wire.slice(wire.len().saturating_sub(text.len())..);
        // It was text a moment ago, so the fallback is never taken.
        let text = ByteString::try_from(payload).unwrap_or_else(|_| ByteString::from(text));
        Self { group, id, seq, revision, accepted_at, text, wire }
    }

    /// The JSON.
    #[must_use]
    pub fn text(&self) -> &ByteString {
        &self.text
    }

    /// The bytes on the socket: one WebSocket message as a server sends it, unmasked and thus the same for everybody
    /// (RFC 6455, section 5.2).
    #[must_use]
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// Bytes on the socket.
    #[must_use]
    pub fn size(&self) -> usize {
        self.wire.len()
    }
}

/// Group or directory → session. No reply. Frames do not come this way: they wait in the session's [`Lane`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Deliver {
    /// Answers a join.
    Joined(Box<Joined>),
    /// The session was put out of a group: the right to listen was lost.
    Expelled {
        /// Which group.
        group: GroupKey,
    },
    /// Somebody lost the right to listen to a group: the session has to make sure that it was not this one.
    Recheck {
        /// Which group.
        group: GroupKey,
    },
    /// Sessions were ended while this one was being opened: it has to make sure that it may still be.
    Confirm,
    /// The session has to end.
    End(CloseReason),
}

/// Where a membership begins.
#[derive(Debug)]
pub struct Joined {
    /// Of which group.
    pub group: GroupKey,
    /// The door that the session has opened for it: of several memberships, one after the other, it tells which.
    pub door: DoorId,
    /// Which of the snapshots behind that door this is about.
    pub round: u32,
    /// The group's numbering.
    pub epoch: Arc<str>,
    /// The last number given out; with [`Recovery::Events`], that of the last of those.
    pub seq: u64,
    /// What came before.
    pub recovery: Recovery,
    /// Who else is there, as the body of a `presence` frame, for kinds that tell.
    pub presence: Option<ByteString>,
    /// Whether the session was a member before: the numbers that it has mean nothing any more.
    pub is_again: bool,
}

/// What a joining session has missed.
#[derive(Debug)]
pub enum Recovery {
    /// Exactly these events, and what the group's states are by now.
    Events {
        /// Whether nothing was published since the right to listen was looked at; otherwise it may be gone.
        is_current: bool,
        /// Every event since, with its number.
        events: Vec<Arc<Frame>>,
        /// The latest frame of each state, missed or not.
        states: Vec<Arc<Frame>>,
    },
    /// Unknown: a snapshot must tell. One that was read at the watermark is still current.
    SnapshotCurrent,
    /// Unknown: a snapshot must be read now.
    SnapshotNeeded,
}

/// A session as a group sees it.
#[derive(Debug)]
pub struct Member {
    /// Which session.
    pub session: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// As which partner, where it is one's.
    pub partner_id: Option<PartnerId>,
    /// Where frames for it wait, and by which it is told what is no frame.
    pub lane: Arc<Lane>,
    /// Through which door of the lane this group's frames come.
    pub door: DoorId,
}

/// Session → registry → group. Answered by [`Deliver::Joined`]. Idempotent per session.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Join {
    pub key: GroupKey,
    pub member: Member,
    pub since: Option<Since>,
    pub watermark: Option<u64>,
}

/// Registry → group: a [`Join`] with the registry's word on the watermark.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Admit {
    pub member: Member,
    pub since: Option<Since>,
    pub snapshot_current: bool,
}

/// Session → registry → group. No reply. Idempotent: leaving twice is leaving once.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Leave {
    pub key: GroupKey,
    pub session: SessionId,
}

/// Handle → registry → group. No reply beyond being taken.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(super) struct Publish {
    pub key: GroupKey,
    pub id: EventId,
    pub at: Timestamp,
    pub accepted_at: Instant,
    pub lane: PublishLane,
    /// The frame without its envelope.
    pub body: Arc<str>,
}

/// Which promise a published frame comes with.
#[derive(Debug, Clone)]
pub(super) enum PublishLane {
    /// Numbered and kept for those who come back.
    Durable,
    /// Latest wins per slot, and an older revision never follows a newer one.
    State { slot: Arc<str>, revision: i64 },
    /// Latest wins per slot where a session does not keep up.
    /// Of those that say since when what they tell is so, an older one never follows a newer one.
    Ephemeral { slot: Arc<str>, since: Option<Timestamp> },
}

/// Handle → registry → group. No reply. The sessions are told by [`Deliver::Expelled`].
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Expel {
    pub key: GroupKey,
    pub user_id: UserId,
}

/// Handle → registry → group. The reply is who listens to the group, on all instances, and whether those are all there are; none
/// comes when nobody can say.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct WhoListens {
    pub key: GroupKey,
    pub reply: oneshot::Sender<(Vec<UserId>, bool)>,
}

/// Handle → registries → groups: whether Redis numbers events. Those that wait for it need not while it is away.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Share {
    pub by_redis: bool,
}

/// Handle → registry of orders. Replies with those of these orders, or of all, that somebody watches here.
#[derive(Debug, Message)]
#[rtype(result = "HashSet<OrderId>")]
pub(super) struct ListWatched {
    pub orders: Option<Vec<OrderId>>,
}

/// Handle → registry or directory, for readiness. The reply is that it lives.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Probe;

/// Handle → registry or directory, at the end. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// Session → directory. No reply. The user's oldest session ends when there are too many.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Register {
    pub session: SessionId,
    pub user_id: UserId,
    pub family_id: Option<FamilyId>,
    pub lane: Arc<Lane>,
    /// How often sessions had been ended before this one's token was looked at.
    pub ends: u64,
}

/// Session → directory. No reply. Idempotent.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Unregister {
    pub session: SessionId,
    pub user_id: UserId,
}

/// Handle → directory. No reply; the sessions are told by [`Deliver::End`].
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct EndSessions {
    pub user_id: UserId,
    pub family_id: Option<FamilyId>,
    pub reason: CloseReason,
}

/// Handle → directory, when draining. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct EndAll {
    /// The longest time after which a client should come back, milliseconds.
    pub spread: u64,
}

/// Handle → directory. How many sessions and users there are.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "super::Counts")]
pub(super) struct Count;

/// Handle → directory. Whether a user has any session.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<UserId>")]
pub(super) struct ListOnline {
    pub limit: usize,
}
