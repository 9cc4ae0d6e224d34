//! A group of several instances: Redis numbers its events, and this side makes sure that none is missed.
//!
//! The group asks where it stands when it begins, when it sees a gap or another numbering, when the link was broken, and
//! now and then without a reason. What it hears while it waits for the answer comes after it. Where the answer goes on
//! from what the group has, its members get exactly what was missed; otherwise they begin anew with a snapshot.

use std::time::Instant;

use actix::Handler;
use indexmap::IndexMap;

use crate::domain::ids::{InstanceId, SessionId};
use crate::protocol::channel::{GroupMessage, Kept, Present, State};
use crate::realtime::bridge::{Attach, Departed, Heard, Position, Reattach, Resume, Standing, Synced};
use crate::realtime::messages::{Admit, Deliver, Member, Share, WhoListens};
use crate::realtime::ring::Ring;

use super::{Group, Numbers, last_id, moment, new_epoch};

/// The most messages that are kept while an answer is awaited; with more, the group asks again.
const MAX_EARLY: usize = 4_096;

/// How far the group and Redis are together.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The number of the last question.
    ticket: u64,
    /// What was heard since, while it is not answered.
    early: Option<Early>,
    /// Whether the group knows where it stands. Until then nobody can join.
    is_placed: bool,
    /// Who waits to join.
    joiners: Vec<Admit>,
    /// Who waits to hear who listens.
    questions: Vec<WhoListens>,
    /// How often somebody had to leave, as far as it was heard.
    expelled: u64,
}

#[derive(Debug, Default)]
struct Early {
    heard: Vec<String>,
    has_overflowed: bool,
}

impl Group {
    /// Whether the group numbers its events itself.
    pub(super) fn is_alone(&self) -> bool {
        match &self.numbers {
            Numbers::Own => true,
            Numbers::Shared(_) => false,
        }
    }

    /// Asks where the group stands.
    pub(super) fn ask(&mut self) {
        let (Numbers::Shared(shared), Some(bridge)) = (&mut self.numbers, &self.bridge) else { return };
        shared.ticket += 1;
        // What was heard so far is part of the answer, or comes again with it.
        shared.early = Some(Early::default());
        let known = shared.is_placed.then(|| Position {
            epoch: self.epoch.to_string(),
            seq: self.ring.last(),
            id: last_id(&self.ring),
        });
        bridge.address.do_send(Attach { key: self.key, ticket: shared.ticket, known }); // bounded: one at a time for each group
    }

    /// Lets somebody who joins wait until the group knows where it stands; gives back who need not.
    pub(super) fn wait_for_place(&mut self, admit: Admit) -> Option<Admit> {
        match &mut self.numbers {
            Numbers::Shared(shared) if !shared.is_placed => {
                shared.joiners.push(admit);
                self.note_size();
                None
            }
            Numbers::Shared(_) | Numbers::Own => Some(admit),
        }
    }

    /// Lets a question wait until the group knows who is on other instances; gives it back when it need not.
    pub(super) fn wait_to_answer(&mut self, question: WhoListens) -> Option<WhoListens> {
        match &mut self.numbers {
            // Or is about to: who was there before may be forgotten.
            Numbers::Shared(shared) if !shared.is_placed || shared.early.is_some() => {
                shared.questions.retain(|question| !question.reply.is_closed());
                shared.questions.push(question);
                None
            }
            Numbers::Shared(_) | Numbers::Own => Some(question),
        }
    }

    pub(super) fn forget_joiner(&mut self, session: SessionId) {
        if let Numbers::Shared(shared) = &mut self.numbers {
            shared.joiners.retain(|admit| admit.member.session != session);
            self.note_size();
        }
    }

    /// How many wait to join.
    pub(super) fn joiners(&self) -> usize {
        match &self.numbers {
            Numbers::Own => 0,
            Numbers::Shared(shared) => shared.joiners.len(),
        }
    }

    /// Numbers events here from now on, if that was not so: Redis is away.
    pub(super) fn go_alone(&mut self) {
        let Numbers::Shared(shared) = std::mem::replace(&mut self.numbers, Numbers::Own) else { return };
        self.epoch = new_epoch();
        self.ring = Ring::default();
        // Nobody tells of them meanwhile.
        self.remote.clear();
        self.answer_all(shared.questions);
        self.rejoin_all();
        self.admit_all(shared.joiners);
    }

    /// Lets in who has waited. What their snapshots are worth is not known: things may have happened that nobody here
    /// heard of.
    fn admit_all(&mut self, joiners: Vec<Admit>) {
        for joiner in joiners {
            self.admit(Admit { snapshot_current: false, ..joiner });
        }
        self.note_size();
    }

    fn hear(&mut self, text: String) {
        let Numbers::Shared(shared) = &mut self.numbers else { return };
        if let Some(early) = &mut shared.early {
            if early.heard.len() < MAX_EARLY {
                early.heard.push(text);
            } else {
                early.has_overflowed = true;
            }
            return;
        }
        let now = Instant::now();
        let Some(message) = GroupMessage::parse(&text) else {
            log::debug!("{}: not understood: {text}", self.key);
            return;
        };
        match message {
            GroupMessage::Event { epoch, seq, stamped } => {
                if *epoch != *self.epoch || seq > self.ring.last() + 1 {
                    // The answer brings it along with what was missed.
                    self.ask();
                } else if seq == self.ring.last() + 1 {
                    self.take_event(stamped, seq, now);
                }
            }
            GroupMessage::State(State { revision, slot, stamped }) => {
                self.take_state(&slot.into(), revision, stamped, now);
            }
            GroupMessage::Ephemeral { slot, stamped } => {
                self.take_ephemeral(&slot.name.into(), slot.since, stamped, now);
            }
            GroupMessage::Expelled { count, user_id } => {
                shared.expelled = shared.expelled.max(count);
                if count > 0 {
                    self.expel(user_id);
                } else {
                    self.recheck(|member| member.user_id == user_id);
                }
            }
            GroupMessage::Present { instance, present } => self.hear_present(instance, present),
            GroupMessage::Unnumbered => self.ask(),
        }
    }

    fn hear_present(&mut self, instance: InstanceId, present: Present) {
        // Its own, too, come this way.
        let is_own = self.bridge.as_ref().is_some_and(|bridge| bridge.instance == instance);
        if !is_own {
            self.take_remote(instance, present);
        }
    }

    fn place(&mut self, ticket: u64, standing: Standing) {
        let Numbers::Shared(shared) = &mut self.numbers else { return };
        if shared.ticket != ticket {
            // A later question is under way.
            return;
        }
        let early = shared.early.take().unwrap_or_default();
        let was_placed = std::mem::replace(&mut shared.is_placed, true);
        let joiners = std::mem::take(&mut shared.joiners);
        let questions = std::mem::take(&mut shared.questions);
        let missed_expulsions = was_placed && standing.expelled > shared.expelled;
        shared.expelled = standing.expelled;
        let continues = was_placed && standing.continues && *standing.epoch == *self.epoch;
        if continues {
            for kept in standing.events.iter().filter_map(|event| Kept::parse(event)) {
                if kept.seq == self.ring.last() + 1 {
                    self.take_event(kept.stamped, kept.seq, Instant::now());
                }
            }
        } else {
            self.epoch = standing.epoch.as_str().into();
            self.ring = Ring::at(standing.seq);
            for kept in standing.events.iter().filter_map(|event| Kept::parse(event)) {
                self.step_to(kept.stamped.body);
                let frame = self.frame(kept.stamped, Some(kept.seq), None, moment(kept.stamped.at));
                self.ring.restore(frame, self.window);
            }
        }
        for state in standing.states.iter().filter_map(|state| State::parse(state)) {
            self.take_state(&state.slot.into(), state.revision, state.stamped, Instant::now());
        }
        self.place_remote(&standing);
        if was_placed && !continues {
            self.rejoin_all();
        } else if missed_expulsions {
            self.recheck(|_| true);
        }
        self.report_presence_if_any();
        self.hear_early(early.heard);
        self.answer_all(questions);
        if early.has_overflowed {
            self.ask();
        }
        self.admit_all(joiners);
    }

    /// What was heard before the answer. Of who is present only each instance's last word counts: what it said before is
    /// older than the answer, or than that word.
    fn hear_early(&mut self, heard: Vec<String>) {
        let mut present: IndexMap<InstanceId, Present> = IndexMap::new();
        for text in heard {
            if let Some(GroupMessage::Present { instance, present: latest }) = GroupMessage::parse(&text) {
                present.insert(instance, latest);
            } else {
                self.hear(text);
            }
        }
        for (instance, present) in present {
            self.hear_present(instance, present);
        }
    }

    fn place_remote(&mut self, standing: &Standing) {
        let mut gone: Vec<InstanceId> = self.remote.keys().copied().collect();
        for (instance, present) in &standing.present {
            let (Ok(instance), Ok(present)) = (instance.parse(), serde_json::from_str(present)) else {
                continue;
            };
            gone.retain(|other| *other != instance);
            let is_own = self.bridge.as_ref().is_some_and(|bridge| bridge.instance == instance);
            if is_own && self.members.is_empty() {
                // A note of which it was never heard that it is out of date.
                self.report_presence();
            }
            self.hear_present(instance, present);
        }
        for instance in gone {
            self.take_remote(instance, Present { sessions: 0, users: Vec::new() });
        }
    }

    fn report_presence_if_any(&self) {
        if !self.members.is_empty() {
            self.report_presence();
        }
    }

    /// Somebody may have lost the right to listen.
    fn recheck(&self, is_meant: impl Fn(&Member) -> bool) {
        for member in self.members.values().filter(|member| is_meant(member)) {
            member.lane.tell(Deliver::Recheck { group: self.key }); // bounded: one for each expulsion that was missed
        }
    }
}

impl Handler<Heard> for Group {
    type Result = ();

    fn handle(&mut self, heard: Heard, _: &mut Self::Context) {
        self.hear(heard.text);
    }
}

impl Handler<Synced> for Group {
    type Result = ();

    fn handle(&mut self, Synced { ticket, standing, .. }: Synced, _: &mut Self::Context) {
        self.place(ticket, standing);
    }
}

impl Handler<Reattach> for Group {
    type Result = ();

    fn handle(&mut self, _: Reattach, _: &mut Self::Context) {
        self.ask();
    }
}

impl Handler<Resume> for Group {
    type Result = ();

    fn handle(&mut self, _: Resume, _: &mut Self::Context) {
        if let Numbers::Shared(shared) = &self.numbers
            && shared.early.is_some()
        {
            self.ask();
        }
    }
}

impl Handler<Share> for Group {
    type Result = ();

    fn handle(&mut self, Share { by_redis }: Share, _: &mut Self::Context) {
        match &self.numbers {
            Numbers::Own if by_redis && self.bridge.is_some() => {
                // The members' numbers mean nothing there, so they begin anew with the answer.
                self.numbers = Numbers::Shared(Box::new(Shared { is_placed: true, ..Shared::default() }));
                self.ask();
            }
            // Something may have been published that was not heard here, and has left the outbox.
            Numbers::Shared(_) if !by_redis => self.go_alone(),
            Numbers::Own | Numbers::Shared(_) => {}
        }
    }
}

impl Handler<Departed> for Group {
    type Result = ();

    fn handle(&mut self, departed: Departed, _: &mut Self::Context) {
        self.take_departure(departed.instance);
    }
}
