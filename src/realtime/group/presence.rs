//! Who is in a group, on this instance and on others, and telling members of comings and goings.

use std::sync::Arc;
use std::time::Instant;

use actix::Handler;
use bytestring::ByteString;

use crate::domain::group::GroupKind;
use crate::domain::ids::{EventId, InstanceId};
use crate::domain::time::Timestamp;
use crate::protocol::channel::{Present, Stamped};
use crate::protocol::ephemeral::{EphemeralFrame, PresentView};
use crate::protocol::server::envelop;
use crate::realtime::bridge::{Attending, Forget};
use crate::realtime::messages::{Member, WhoListens};

use super::Group;

/// Comings and goings are told while a group has at most so many sessions; past that they would cost the
/// square of the group's size, and nobody reads them.
pub(super) const MAX_ANNOUNCED: usize = 32;

fn view(member: &Member) -> PresentView {
    PresentView { user_id: member.user_id, role: member.role }
}

impl Group {
    fn has_presence(&self) -> bool {
        match self.key.kind() {
            GroupKind::Order | GroupKind::Admin => true,
            GroupKind::User | GroupKind::Partner => false,
        }
    }

    /// Sessions in the group, on all instances.
    fn count(&self) -> usize {
        self.members.len() + self.remote.values().map(|present| present.sessions).sum::<usize>()
    }

    /// Everybody who is there, each once. To be asked in small groups only.
    fn everybody(&self) -> Vec<PresentView> {
        let mut everybody = self.here();
        for present in self.remote.values().flat_map(|present| &present.users) {
            if !everybody.contains(present) {
                everybody.push(*present);
            }
        }
        everybody
    }

    /// Everybody who is there on this instance, each once.
    fn here(&self) -> Vec<PresentView> {
        let mut here: Vec<PresentView> = Vec::new();
        for present in self.members.values().map(view) {
            if !here.contains(&present) {
                here.push(present);
            }
        }
        here
    }

    fn announce(&mut self, joined: Option<PresentView>, left: Option<PresentView>, count: usize) {
        let Some(who) = joined.or(left) else { return };
        let body = EphemeralFrame::Presence { members: None, joined, left, count }.to_text();
        let slot: Arc<str> = format!("presence {}", who.user_id).into();
        let stamped = Stamped { id: EventId::new(), at: Timestamp::now(), body: &body };
        self.take_ephemeral(&slot, None, stamped, Instant::now());
    }

    /// Tells the others that somebody is about to join.
    pub(super) fn tell_coming(&mut self, member: &Member) {
        let count = self.count();
        let tells = self.has_presence() && count < MAX_ANNOUNCED;
        if tells && !self.everybody().iter().any(|other| other.user_id == member.user_id) {
            self.announce(Some(view(member)), None, count + 1);
        }
    }

    /// Tells the others that somebody has gone.
    pub(super) fn tell_gone(&mut self, member: &Member) {
        let count = self.count();
        let tells = self.has_presence() && count <= MAX_ANNOUNCED;
        if tells && !self.everybody().iter().any(|other| other.user_id == member.user_id) {
            self.announce(None, Some(view(member)), count);
        }
        self.report_presence();
    }

    /// The frame for somebody who joins.
    pub(super) fn presence_now(&self) -> Option<ByteString> {
        if !self.has_presence() {
            return None;
        }
        let count = self.count();
        let members = (count <= MAX_ANNOUNCED).then(|| self.everybody());
        let body = EphemeralFrame::Presence { members, joined: None, left: None, count }.to_text();
        Some(envelop(&body, &self.name, EventId::new(), Timestamp::now(), None).into())
    }

    /// Tells the other instances who is here.
    pub(super) fn report_presence(&self) {
        if !self.has_presence() || self.is_alone() {
            return;
        }
        let Some(bridge) = &self.bridge else { return };
        let sessions = self.members.len();
        let users = if sessions <= MAX_ANNOUNCED { self.here() } else { Vec::new() };
        let present = Present { sessions, users };
        bridge.address.do_send(Attending { key: self.key, present }); // bounded: one for each coming and going
    }

    /// Takes note of who is there on another instance, and tells the members what that changes.
    pub(super) fn take_remote(&mut self, instance: InstanceId, present: Present) {
        if !self.has_presence() {
            return;
        }
        let before = (self.count() <= MAX_ANNOUNCED).then(|| self.everybody());
        if present.sessions > 0 {
            self.remote.insert(instance, present);
        } else {
            self.remote.swap_remove(&instance);
        }
        let count = self.count();
        let Some(before) = before.filter(|_| count <= MAX_ANNOUNCED) else { return };
        let after = self.everybody();
        let is_in =
            |list: &[PresentView], who: &PresentView| list.iter().any(|other| other.user_id == who.user_id);
        for who in after.iter().filter(|who| !is_in(&before, who)) {
            self.announce(Some(*who), None, count);
        }
        for who in before.iter().filter(|who| !is_in(&after, who)) {
            self.announce(None, Some(*who), count);
        }
    }

    /// An instance is gone, and everybody on it.
    pub(super) fn take_departure(&mut self, instance: InstanceId) {
        if self.remote.contains_key(&instance) {
            self.take_remote(instance, Present { sessions: 0, users: Vec::new() });
            if let Some(bridge) = &self.bridge {
                bridge.address.do_send(Forget { key: self.key, instance }); // bounded: once for each instance that goes
            }
        }
    }
}

impl Group {
    /// Answers those who had to wait for Redis to say who is where.
    pub(super) fn answer_all(&self, questions: Vec<WhoListens>) {
        questions.into_iter().for_each(|question| self.answer(question));
    }

    fn answer(&self, question: WhoListens) {
        let here = self.members.values().map(|member| member.user_id);
        let elsewhere =
            self.remote.values().flat_map(|present| &present.users).map(|present| present.user_id);
        // Of many sessions on one instance it is not told whose they are.
        let is_all = self.remote.values().all(|present| present.sessions == 0 || !present.users.is_empty());
        // Who has asked may have given up.
        let _ = question.reply.send((here.chain(elsewhere).collect(), is_all));
    }
}

impl Handler<WhoListens> for Group {
    type Result = ();

    fn handle(&mut self, question: WhoListens, _: &mut Self::Context) {
        if let Some(question) = self.wait_to_answer(question) {
            self.answer(question);
        }
    }
}
