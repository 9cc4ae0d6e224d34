//! One group: who is in it, the numbers of its events, and handing them over.
//!
//! Where there is one instance, the group numbers its events itself. Where there are several, Redis does it for all of
//! them (see [`shared`]), and this group numbers its events itself only while Redis is away.
//!
//! Invariant: no timer in here. A group ends when its registry drops the last address; a timer would keep
//! it alive.

mod presence;
mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler};
use indexmap::IndexMap;
use uuid::Uuid;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, InstanceId, SessionId, UserId};
use crate::domain::order::Standing;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::channel::{Present, Stamped};
use crate::protocol::client::Since;
use crate::protocol::close::CloseReason;
use crate::protocol::event::{partner_of_chat, standing_by};
use crate::protocol::server::{Numbering, envelop};
use crate::telemetry::Metrics;

use super::bridge::BridgeAddress;
use super::lane::Put;
use super::messages::{Admit, Deliver, Expel, Frame, Joined, Leave, Member, Publish, PublishLane, Recovery};
use super::ring::{Ring, Window};
use shared::Shared;

type Members = IndexMap<SessionId, Member>;

/// Who is in a group, as far as its registry has to know; kept by the group.
#[derive(Debug, Default)]
pub(super) struct Size {
    /// Members, and those who are about to be.
    pub members: AtomicUsize,
    /// Whether one of the members is no partner: a partner who listens to the order at hand does not watch it.
    pub is_watched: AtomicBool,
}

/// Who gives the group's events their numbers.
#[derive(Debug)]
enum Numbers {
    /// The group itself.
    Own,
    /// Redis, for all instances.
    Shared(Box<Shared>),
}

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
    /// Slots whose frames go forward only, and since when what they told last is so.
    told: Vec<(Arc<str>, Timestamp)>,
    /// Of an order: how it stands as far as the events tell, for the doors of those who join.
    standing: Option<Standing>,
    numbers: Numbers,
    bridge: Option<BridgeAddress>,
    /// Who is there on other instances.
    remote: IndexMap<InstanceId, Present>,
    /// Shared with the registry, which ends groups that stay empty.
    size: Arc<Size>,
    metrics: Arc<Metrics>,
}

/// Whether an order's partner may be seen.
fn shows(standing: &Standing) -> bool {
    standing.status.shows_location()
}

/// A numbering of its own.
fn new_epoch() -> Arc<str> {
    Uuid::now_v7().simple().to_string().into()
}

impl Group {
    /// A group without members. With a `bridge` it is one of several instances' and begins with asking where it stands,
    /// unless Redis is away (`is_alone`).
    pub(super) fn new(
        key: GroupKey,
        window: Window,
        size: Arc<Size>,
        bridge: Option<BridgeAddress>,
        is_alone: bool,
        metrics: Arc<Metrics>,
    ) -> Self {
        let numbers = match &bridge {
            Some(_) if !is_alone => Numbers::Shared(Box::default()),
            Some(_) | None => Numbers::Own,
        };
        Self {
            key,
            name: key.to_string().into(),
            epoch: new_epoch(),
            window,
            ring: Ring::default(),
            members: Members::default(),
            states: Vec::new(),
            told: Vec::new(),
            standing: None,
            numbers,
            bridge,
            remote: IndexMap::new(),
            size,
            metrics,
        }
    }

    fn frame(
        &self,
        stamped: Stamped<'_>,
        seq: Option<u64>,
        revision: Option<i64>,
        accepted_at: Instant,
    ) -> Arc<Frame> {
        let numbering = seq.map(|seq| Numbering { seq, epoch: &self.epoch });
        let text = envelop(stamped.body, &self.name, stamped.id, stamped.at, numbering);
        Arc::new(Frame::new(self.key, stamped.id, seq, revision, &text, accepted_at))
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

    /// An event that has its number: the one after the last.
    fn take_event(&mut self, stamped: Stamped<'_>, seq: u64, accepted_at: Instant) {
        let frame = self.frame(stamped, Some(seq), None, accepted_at);
        self.ring.keep(seq, Arc::clone(&frame), self.window);
        let step = self.step_to(stamped.body);
        // Before a step by which the partner is not to be seen any more, and after one by which the partner is.
        let (hiding, showing) = (step.filter(|to| !shows(to)), step.filter(shows));
        self.tell_standing(hiding);
        match partner_of_chat(stamped.body) {
            None => self.fan_out(&frame, None, |_| true),
            Some(partner_id) => {
                let is_others = |member: &Member| member.partner_id.is_some_and(|own| own != partner_id);
                self.fan_out(&frame, None, |member| !is_others(member));
                // It has a number, so whoever must not see it goes on behind it with a snapshot.
                self.rejoin(is_others);
            }
        }
        self.tell_standing(showing);
    }

    /// How the group's order stands by an event, where that is news.
    fn step_to(&mut self, body: &str) -> Option<Standing> {
        match self.key {
            GroupKey::Order(_) => {}
            // They hear of many orders.
            GroupKey::User(_) | GroupKey::Partner(_) | GroupKey::Admin => return None,
        }
        let standing = standing_by(body)?;
        let is_news = self.standing.is_none_or(|latest| latest.version < standing.version);
        is_news.then(|| *self.standing.insert(standing))
    }

    /// Lets the doors of all members know. What they know from snapshots may be later still.
    fn tell_standing(&self, standing: Option<Standing>) {
        if let Some(standing) = standing {
            self.members.values().for_each(|member| member.lane.note_standing(self.key, standing));
        }
    }

    fn take_state(&mut self, slot: &Arc<str>, revision: i64, stamped: Stamped<'_>, accepted_at: Instant) {
        let frame = self.frame(stamped, None, Some(revision), accepted_at);
        if self.is_news(slot, &frame) {
            self.fan_out(&frame, Some(slot), |_| true);
        }
    }

    /// Of frames that say since when what they tell is so, `since`, an older one never follows a newer one: several instances
    /// may tell, and the way of one may take longer.
    fn take_ephemeral(
        &mut self,
        slot: &Arc<str>,
        since: Option<Timestamp>,
        stamped: Stamped<'_>,
        accepted_at: Instant,
    ) {
        if since.is_some_and(|since| !self.is_latest(slot, since)) {
            return;
        }
        let frame = self.frame(stamped, None, None, accepted_at);
        self.fan_out(&frame, Some(slot), |_| true);
    }

    /// Notes that this slot tells what is so since `at`; `false` when it told something later before.
    fn is_latest(&mut self, slot: &Arc<str>, at: Timestamp) -> bool {
        match self.told.iter_mut().find(|(name, _)| name == slot) {
            Some((_, latest)) if *latest > at => false,
            Some((_, latest)) => {
                *latest = at;
                true
            }
            None => {
                self.told.push((Arc::clone(slot), at));
                true
            }
        }
    }

    /// Offers `frame` once to every member who may see it, and puts out those who are gone or do not keep up.
    fn fan_out(&mut self, frame: &Arc<Frame>, slot: Option<&Arc<str>>, may_see: impl Fn(&Member) -> bool) {
        let mut lost = Vec::new();
        let mut sent = 0;
        for (id, member) in self.members.iter().filter(|(_, member)| may_see(member)) {
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
        self.forget_joiner(session);
        let Some(member) = self.members.swap_remove(&session) else { return };
        self.note_size();
        self.tell_gone(&member);
    }

    fn expel(&mut self, user_id: UserId) {
        let theirs = |member: &&Member| member.user_id == user_id;
        let sessions: Vec<SessionId> =
            self.members.values().filter(theirs).map(|member| member.session).collect();
        for session in sessions {
            if let Some(member) = self.members.get(&session) {
                member.lane.tell(Deliver::Expelled { group: self.key }); // bounded: one for each membership, which ends here
            }
            self.remove(session);
        }
        // Who is about to join has its right looked at again, after this.
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

    fn admit(&mut self, Admit { member, since, snapshot_current }: Admit) {
        // Before it joins: it hears of itself by the full list.
        self.tell_coming(&member);
        let recovery = self.recovery(since, snapshot_current);
        if let Some(standing) = self.standing {
            member.lane.note_standing(self.key, standing);
        }
        let joined = self.joined(&member, recovery);
        let session = member.session;
        self.members.insert(session, member);
        self.note_size();
        self.report_presence();
        let presence = self.presence_now();
        if let Some(member) = self.members.get(&session) {
            let joined = Joined { presence, ..joined };
            member.lane.tell(Deliver::Joined(Box::new(joined))); // bounded: one for each subscription of the session
        }
    }

    /// Lets the registry know how many are here, or are about to be.
    fn note_size(&self) {
        self.size.members.store(self.members.len() + self.joiners(), Ordering::Release);
        let is_watched = self.members.values().any(|member| member.role != Role::Partner);
        self.size.is_watched.store(is_watched, Ordering::Release);
    }

    fn joined(&self, member: &Member, recovery: Recovery) -> Joined {
        Joined {
            group: self.key,
            door: member.door,
            round: 0,
            epoch: Arc::clone(&self.epoch),
            seq: self.ring.last(),
            recovery,
            presence: None,
            is_again: false,
        }
    }

    /// Lets every member begin anew, since the numbers that it has mean nothing any more.
    fn rejoin_all(&mut self) {
        self.rejoin(|_| true);
    }

    /// Lets these members begin anew.
    fn rejoin(&mut self, are_meant: impl Fn(&Member) -> bool) {
        let presence = self.presence_now();
        for member in self.members.values().filter(|member| are_meant(member)) {
            let round = member.lane.hold(member.door);
            let joined = self.joined(member, Recovery::SnapshotNeeded);
            let joined = Joined { presence: presence.clone(), round, is_again: true, ..joined };
            member.lane.tell(Deliver::Joined(Box::new(joined))); // bounded: one for each change of the numbering, and for what a partner must not see
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
        self.ask();
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.metrics.groups.with_label_values(&[self.key.kind().as_str()]).dec();
    }
}

impl Handler<Admit> for Group {
    type Result = ();

    fn handle(&mut self, admit: Admit, _: &mut Self::Context) {
        if let Some(admit) = self.wait_for_place(admit) {
            self.admit(admit);
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
        let stamped = Stamped { id: publish.id, at: publish.at, body: &publish.body };
        match &publish.lane {
            PublishLane::Durable => {
                self.go_alone();
                self.take_event(stamped, self.ring.last() + 1, publish.accepted_at);
            }
            PublishLane::State { slot, revision } => {
                self.go_alone();
                self.take_state(slot, *revision, stamped, publish.accepted_at);
            }
            PublishLane::Ephemeral { slot, since } => {
                self.take_ephemeral(slot, *since, stamped, publish.accepted_at);
            }
        }
    }
}

impl Handler<Expel> for Group {
    type Result = ();

    fn handle(&mut self, expel: Expel, _: &mut Self::Context) {
        self.expel(expel.user_id);
    }
}

/// How old an event is that happened `at`, as a point in time of this process.
fn moment(at: Timestamp) -> Instant {
    let age: Duration = Timestamp::now().since(at);
    Instant::now().checked_sub(age).unwrap_or_else(Instant::now)
}

/// An event's id, if the ring still has the last one.
fn last_id(ring: &Ring) -> Option<EventId> {
    ring.newest().map(|frame| frame.id)
}
