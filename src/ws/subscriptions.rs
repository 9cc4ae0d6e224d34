//! A session's subscriptions: opening them, joining snapshot and stream without a seam, handing events on, and
//! losing the right.

use std::sync::Arc;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext};

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, PartnerId};
use crate::domain::order::Standing;
use crate::domain::time::Timestamp;
use crate::protocol::client::Since;
use crate::protocol::close::CloseReason;
use crate::protocol::event::partner_of_chat;
use crate::protocol::server::{Control, envelop};
use crate::realtime::{DoorId, Joined, Member, Recovery};
use crate::services::error::ServiceError;

use super::effects::Reference;
use super::handler::Phase;
use super::outgoing;
use super::session::{Context, Session};
use super::snapshot::{self, Snapshot};

impl Session {
    pub(super) fn open(
        &mut self,
        group: GroupKey,
        since: Option<Since>,
        reference: Reference,
        ctx: &mut Context,
    ) {
        let (app, who) = (self.app.clone(), self.state.principal);
        // It may have waited, and been given up meanwhile.
        let Some(subscription) = self.state.subscription(group) else { return };
        let door = self.lane.expect(group);
        subscription.door = Some(door);
        let opened = wrap_future::<_, Self>(async move { snapshot::open(&app, who, group).await });
        let joined = opened.map(move |outcome, session: &mut Self, ctx: &mut Context| {
            // The client may have unsubscribed, and subscribed anew, or the session may be closing, by now.
            if session.closing || session.state.behind(group, door).is_none() {
                return;
            }
            match outcome {
                Ok(snapshot) => session.join(group, door, snapshot, since),
                Err(error) => {
                    session.lane.shut(group);
                    session.state.remove(group);
                    session.refuse(&error, reference.as_deref(), ctx);
                }
            }
        });
        ctx.spawn(joined);
    }

    pub(super) fn join(&mut self, group: GroupKey, door: DoorId, snapshot: Snapshot, since: Option<Since>) {
        let Some(subscription) = self.state.subscription(group) else { return };
        let watermark = Some(snapshot.watermark);
        subscription.door = Some(door);
        subscription.phase = Phase::Joining(Box::new(snapshot));
        let member = Member {
            session: self.id,
            user_id: self.state.principal.user_id,
            role: self.state.principal.role,
            partner_id: self.state.principal.partner_id,
            lane: Arc::clone(&self.lane),
            door,
        };
        self.app.groups().join(group, member, since, watermark);
    }

    /// The group has let the session in.
    pub(super) fn joined(&mut self, mut joined: Box<Joined>, ctx: &mut Context) {
        if holds_others_chat(&joined.recovery, self.state.principal.partner_id) {
            joined.recovery = Recovery::SnapshotNeeded;
        }
        // Without such a subscription the answer is to one that was given up since, and so was the membership.
        let Some(subscription) = self.state.behind(joined.group, joined.door) else { return };
        let before = std::mem::replace(&mut subscription.phase, Phase::Waiting);
        match (before, &joined.recovery) {
            (Phase::Joining(snapshot), Recovery::SnapshotCurrent) => {
                self.begin_with_snapshot(&joined, &snapshot, ctx);
            }
            (Phase::Joining(snapshot), Recovery::Events { is_current: true, .. }) => {
                self.begin_with_events(&joined, &snapshot, ctx);
            }
            (Phase::Opening | Phase::Joining(_) | Phase::Waiting | Phase::Live, _) => {
                self.look_again(joined, ctx);
            }
        }
    }

    /// Something was published between the look at right and snapshot and the join, or the numbers have changed: looks
    /// anew, now as a member.
    fn look_again(&mut self, joined: Box<Joined>, ctx: &mut Context) {
        let (app, who, group, door) = (self.app.clone(), self.state.principal, joined.group, joined.door);
        let Some(subscription) = self.state.behind(group, door) else { return };
        subscription.look = subscription.look.wrapping_add(1);
        let look = subscription.look;
        let opened =
            wrap_future::<_, Self>(async move { app.in_turn(|| snapshot::open(&app, who, group)).await });
        let begun = opened.map(move |outcome, session: &mut Self, ctx: &mut Context| {
            let is_last = session.state.behind(group, door).is_some_and(|found| found.look == look);
            if session.closing || !is_last {
                return;
            }
            match (outcome, &joined.recovery) {
                (Ok(snapshot), Recovery::Events { .. }) => session.begin_with_events(&joined, &snapshot, ctx),
                (Ok(snapshot), Recovery::SnapshotCurrent | Recovery::SnapshotNeeded) => {
                    session.begin_with_snapshot(&joined, &snapshot, ctx);
                }
                (Err(error), _) => session.not_begun(group, &error, ctx),
            }
        });
        ctx.spawn(begun);
    }

    /// Somebody lost the right to listen to a group: makes sure that it was not this one.
    pub(super) fn recheck(&mut self, group: GroupKey, ctx: &mut Context) {
        let (app, who) = (self.app.clone(), self.state.principal);
        let Some(door) = self.state.subscription(group).and_then(|subscription| subscription.door) else {
            return;
        };
        let looked =
            wrap_future::<_, Self>(async move { app.in_turn(|| snapshot::open(&app, who, group)).await });
        ctx.spawn(looked.map(move |outcome, session: &mut Self, ctx: &mut Context| {
            if let Err(error) = outcome
                && !session.closing
                && session.state.behind(group, door).is_some()
            {
                session.not_begun(group, &error, ctx);
            }
        }));
    }

    /// Of the snapshot, only what stands beside it is told.
    fn begin_with_events(&mut self, joined: &Joined, snapshot: &Snapshot, ctx: &mut Context) {
        let Recovery::Events { events, states, .. } = &joined.recovery else { return };
        let seq = joined.seq.saturating_sub(u64::try_from(events.len()).unwrap_or(0));
        self.welcome_to(joined.group, joined, seq, true, ctx);
        let mut kept = Vec::new();
        for frame in events.iter().chain(states) {
            ctx.text(frame.text().clone());
            kept.extend(outgoing::written(&self.app, self.state.principal.user_id, frame));
        }
        if let Some(payload) = self.receipts.written(&kept) {
            ctx.ping(&payload);
        }
        say_beside(joined.group, snapshot, ctx);
        self.go_live(joined, i64::MIN, snapshot.standing, ctx);
    }

    /// The snapshot cannot be read: the subscription does not stand after all.
    fn not_begun(&mut self, group: GroupKey, error: &ServiceError, ctx: &mut Context) {
        let subscription = self.state.subscription(group);
        let reference = subscription.and_then(|subscription| subscription.reference.clone());
        self.refuse(error, reference.as_deref(), ctx);
        let stands = self.state.subscription(group).is_some_and(|subscription| subscription.stands);
        if self.state.primary != Some(group) && !stands {
            // The client was not told that it stood.
            self.leave(group);
            self.state.remove(group);
        } else if error.is_passing() {
            // The right is not lost, only out of sight: the client is to come back.
            self.close(CloseReason::Overload, ctx);
        } else {
            self.lose(group, ctx);
        }
    }

    fn begin_with_snapshot(&mut self, joined: &Joined, snapshot: &Snapshot, ctx: &mut Context) {
        let group = joined.group;
        if self.state.subscription(group).is_none() {
            return;
        }
        self.welcome_to(group, joined, joined.seq, false, ctx);
        let position = format!("{{\"epoch\":\"{}\",\"seq\":{}}}", joined.epoch, joined.seq);
        let open = snapshot.body.strip_suffix('}').unwrap_or(&snapshot.body);
        let body = format!("{open},\"position\":{position}}}");
        ctx.text(envelop(&body, &group.to_string(), EventId::new(), Timestamp::now(), None));
        say_beside(group, snapshot, ctx);
        self.go_live(joined, snapshot.revision, snapshot.standing, ctx);
    }

    fn welcome_to(&mut self, group: GroupKey, joined: &Joined, seq: u64, recovered: bool, ctx: &mut Context) {
        let Some(subscription) = self.state.subscription(group) else { return };
        let stood = std::mem::replace(&mut subscription.stands, true);
        if stood {
            if joined.is_again {
                self.say(Control::Resync { group, epoch: &joined.epoch, seq }.to_text(), ctx);
            }
        } else if subscription.asked {
            let reference = subscription.reference.as_deref();
            let epoch = &*joined.epoch;
            let text = Control::Subscribed { group, epoch, seq, recovered, reference }.to_text();
            self.say(text, ctx);
        }
    }

    /// Lets the group's events in: what the client has by now is its state at the revision `floor`.
    fn go_live(&mut self, joined: &Joined, floor: i64, standing: Option<Standing>, ctx: &mut Context) {
        let group = joined.group;
        if let Some(presence) = &joined.presence {
            ctx.text(presence.clone());
        }
        if self.state.primary == Some(group) {
            self.end_early(ctx);
        }
        if let Some(subscription) = self.state.subscription(group) {
            subscription.phase = Phase::Live;
            if let Some(standing) = standing {
                self.lane.note_standing(group, standing);
            }
            // If the numbers have changed meanwhile, what waits follows the snapshot that is to come.
            self.lane.open(group, joined.round, floor);
        }
    }

    /// The right to listen to a group is gone.
    pub(super) fn lose(&mut self, group: GroupKey, ctx: &mut Context) {
        self.leave(group);
        if self.state.primary == Some(group) {
            self.close(CloseReason::AccessLost, ctx);
            return;
        }
        if self.state.remove(group) && !self.closing {
            let text = Control::Unsubscribed { group, code: Some("access_lost"), reference: None }.to_text();
            self.say(text, ctx);
        }
    }
}

/// What comes later of the same kind waits behind the door of the group, and follows.
fn say_beside(group: GroupKey, snapshot: &Snapshot, ctx: &mut Context) {
    if let Some(beside) = &snapshot.beside {
        ctx.text(envelop(beside, &group.to_string(), EventId::new(), Timestamp::now(), None));
    }
}

/// Whether what was missed holds what was written while another partner had the order: that is not for this one.
fn holds_others_chat(recovery: &Recovery, partner_id: Option<PartnerId>) -> bool {
    match (recovery, partner_id) {
        (Recovery::Events { events, .. }, Some(partner_id)) => {
            events.iter().any(|event| partner_of_chat(event.text()).is_some_and(|other| other != partner_id))
        }
        (Recovery::Events { .. } | Recovery::SnapshotCurrent | Recovery::SnapshotNeeded, _) => false,
    }
}
