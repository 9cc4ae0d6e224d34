//! One group: who is in it, the numbers of its events, and handing them over.
//!
//! Invariant: no timer in here. A group ends when its registry drops the last address; a timer would keep
//! it alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Context, Handler};
use bytestring::ByteString;
use indexmap::IndexMap;
use uuid::Uuid;

use crate::domain::group::{GroupKey, GroupKind};
use crate::domain::ids::{EventId, SessionId};
use crate::domain::time::Timestamp;
use crate::protocol::client::Since;
use crate::protocol::close::CloseReason;
use crate::protocol::ephemeral::{EphemeralFrame, PresentView};
use crate::protocol::server::{Numbering, envelop};
use crate::telemetry::Metrics;

use super::lane::Put;
use super::messages::{Admit, Deliver, Expel, Frame, Joined, Leave, Member, Publish, PublishLane, Recovery};
use super::ring::{Ring, Window};

/// Comings and goings are told while a group has at most so many sessions; past that they would cost the
/// square of the group's size, and nobody reads them.
const MAX_ANNOUNCED: usize = 32;

type Members = IndexMap<SessionId, Member>;

/// The actor of one group.
#[derive(Debug)]
pub(super) struct Group {
    key: GroupKey,
    name: Box<str>,
    epoch: Arc<str>,
    window: Window,
    ring: Ring,
    members: Members,
    /// The latest frame of each state that went through.
    states: Vec<(Arc<str>, Arc<Frame>)>,
    /// Shared with the registry, which ends groups that stay empty.
    size: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

fn present(member: &Member) -> PresentView {
    PresentView { user_id: member.user_id, role: member.role }
}

impl Group {
    pub(super) fn new(key: GroupKey, window: Window, size: Arc<AtomicUsize>, metrics: Arc<Metrics>) -> Self {
        Self {
            key,
            name: key.to_string().into(),
            epoch: Uuid::now_v7().simple().to_string().into(),
            window,
            ring: Ring::default(),
            members: Members::default(),
            states: Vec::new(),
            size,
            metrics,
        }
    }

    fn tells_presence(&self) -> bool {
        match self.key.kind() {
            GroupKind::Order | GroupKind::Admin => self.members.len() <= MAX_ANNOUNCED,
            GroupKind::User | GroupKind::Partner => false,
        }
    }

    fn frame(&self, publish: &Publish, seq: Option<u64>, revision: Option<i64>) -> Arc<Frame> {
        let numbering = seq.map(|seq| Numbering { seq, epoch: &self.epoch });
        let text = envelop(&publish.body, &self.name, publish.id, publish.at, numbering);
        Arc::new(Frame::new(self.key, publish.id, seq, revision, &text, publish.accepted_at))
    }

    /// Keeps the latest frame of a state; `false` when a newer one was there.
    fn is_news(&mut self, slot: &Arc<str>, frame: &Arc<Frame>) -> bool {
        match self.states.iter_mut().find(|(name, _)| name == slot) {
            Some((_, latest)) if latest.revision >= frame.revision => false,
            Some((_, latest)) => {
                *latest = Arc::clone(frame);
                true
            }
            None => {
                self.states.push((Arc::clone(slot), Arc::clone(frame)));
                true
            }
        }
    }

    /// Offers `frame` to every member once, and puts out those who are gone or do not keep up.
    fn fan_out(&mut self, frame: &Arc<Frame>, slot: Option<&Arc<str>>) {
        let mut lost = Vec::new();
        let mut sent = 0;
        for (id, member) in &self.members {
            match hand_over(member, frame, slot, &self.metrics) {
                Ok(()) => sent += 1,
                Err(Gone) => lost.push(*id),
            }
        }
        self.metrics.deliveries.inc_by(sent);
        for id in lost {
            self.remove(id);
        }
    }

    fn remove(&mut self, session: SessionId) {
        let Some(member) = self.members.swap_remove(&session) else { return };
        self.size.store(self.members.len(), Ordering::Release);
        let present = present(&member);
        if self.tells_presence() && !self.members.values().any(|other| other.user_id == present.user_id) {
            self.announce(None, Some(present));
        }
    }

    fn announce(&mut self, joined: Option<PresentView>, left: Option<PresentView>) {
        let Some(who) = joined.or(left) else { return };
        // Who joins is not among the members yet.
        let count = self.members.len() + usize::from(joined.is_some());
        let body = EphemeralFrame::Presence { members: None, joined, left, count }.to_text();
        let slot: Arc<str> = format!("presence {}", who.user_id).into();
        let publish = Publish {
            key: self.key,
            id: EventId::new(),
            at: Timestamp::now(),
            accepted_at: std::time::Instant::now(),
            lane: PublishLane::Ephemeral { slot: Arc::clone(&slot) },
            body: body.into(),
        };
        let frame = self.frame(&publish, None, None);
        self.fan_out(&frame, Some(&slot));
    }

    fn presence_now(&self) -> Option<ByteString> {
        match self.key.kind() {
            GroupKind::Order | GroupKind::Admin => {}
            GroupKind::User | GroupKind::Partner => return None,
        }
        let count = self.members.len();
        let members = (count <= MAX_ANNOUNCED).then(|| {
            let mut members: Vec<PresentView> = Vec::new();
            for present in self.members.values().map(present) {
                if !members.contains(&present) {
                    members.push(present);
                }
            }
            members
        });
        let body = EphemeralFrame::Presence { members, joined: None, left: None, count }.to_text();
        Some(envelop(&body, &self.name, EventId::new(), Timestamp::now(), None).into())
    }

    fn recovery(&self, since: Option<Since>, snapshot_current: bool) -> Recovery {
        let missed =
            since.filter(|since| *since.epoch == *self.epoch).and_then(|since| self.ring.since(since.seq));
        match missed {
            Some(events) => Recovery::Events {
                is_current: snapshot_current,
                events,
                // They have no numbers, so whether they were missed is not known.
                states: self.states.iter().map(|(_, frame)| Arc::clone(frame)).collect(),
            },
            None if snapshot_current => Recovery::SnapshotCurrent,
            None => Recovery::SnapshotNeeded,
        }
    }
}

/// The session is gone, or is to go.
struct Gone;

fn hand_over(
    member: &Member,
    frame: &Arc<Frame>,
    slot: Option<&Arc<str>>,
    metrics: &Metrics,
) -> Result<(), Gone> {
    match member.lane.put(member.door, frame, slot) {
        Put::Taken => Ok(()),
        Put::Slotted { replaced } => {
            metrics.conflated.inc_by(u64::from(replaced));
            Ok(())
        }
        Put::Shut => Err(Gone),
        Put::TooSlow => {
            put_out(member, metrics);
            Err(Gone)
        }
    }
}

/// Ends a membership that does not keep up. The session says so if its socket drains in time.
fn put_out(member: &Member, metrics: &Metrics) {
    metrics.slow_readers.inc();
    member.lane.tell(Deliver::End(CloseReason::TooSlow)); // bounded: one for each membership, which ends here
}

impl Actor for Group {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // The registry sends with do_send, bounded by the handle; this is for probes.
        ctx.set_mailbox_capacity(1024);
        self.metrics.groups.with_label_values(&[self.key.kind().as_str()]).inc();
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.metrics.groups.with_label_values(&[self.key.kind().as_str()]).dec();
    }
}

impl Handler<Admit> for Group {
    type Result = ();

    fn handle(&mut self, Admit { member, since, snapshot_current }: Admit, _: &mut Self::Context) {
        let present = present(&member);
        let tells = self.tells_presence() && self.members.len() < MAX_ANNOUNCED;
        if tells && !self.members.values().any(|other| other.user_id == present.user_id) {
            // Before it joins: it hears of itself by the full list.
            self.announce(Some(present), None);
        }
        let (session, door) = (member.session, member.door);
        let recovery = self.recovery(since, snapshot_current);
        self.members.insert(session, member);
        self.size.store(self.members.len(), Ordering::Release);
        let joined = Joined {
            group: self.key,
            door,
            epoch: Arc::clone(&self.epoch),
            seq: self.ring.last(),
            recovery,
            presence: self.presence_now(),
        };
        if let Some(member) = self.members.get(&session) {
            member.lane.tell(Deliver::Joined(Box::new(joined))); // bounded: one for each subscription of the session
        }
    }
}

impl Handler<Leave> for Group {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        self.remove(leave.session);
    }
}

impl Handler<Publish> for Group {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Self::Context) {
        match &publish.lane {
            PublishLane::Durable => {
                let seq = self.ring.number();
                let frame = self.frame(&publish, Some(seq), None);
                self.ring.keep(Arc::clone(&frame), self.window);
                self.fan_out(&frame, None);
            }
            PublishLane::State { slot, revision } => {
                let frame = self.frame(&publish, None, Some(*revision));
                if self.is_news(slot, &frame) {
                    self.fan_out(&frame, Some(slot));
                }
            }
            PublishLane::Ephemeral { slot } => {
                let frame = self.frame(&publish, None, None);
                self.fan_out(&frame, Some(slot));
            }
        }
    }
}

impl Handler<Expel> for Group {
    type Result = ();

    fn handle(&mut self, expel: Expel, _: &mut Self::Context) {
        let theirs = |member: &&Member| member.user_id == expel.user_id;
        let sessions: Vec<SessionId> =
            self.members.values().filter(theirs).map(|member| member.session).collect();
        for session in sessions {
            if let Some(member) = self.members.get(&session) {
                member.lane.tell(Deliver::Expelled { group: self.key }); // bounded: one for each membership, which ends here
            }
            self.remove(session);
        }
    }
}
