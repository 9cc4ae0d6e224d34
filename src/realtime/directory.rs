//! Every session by its user: for limits, for ending them, and to tell who is online.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, MessageResult};
use rand::Rng;

use crate::domain::ids::{FamilyId, SessionId, UserId};
use crate::protocol::close::CloseReason;

use super::bridge::{BridgeAddress, Note, Reenter, Replace};
use super::handle::Counts;
use super::lane::Lane;
use super::messages::{Count, Deliver, EndAll, EndSessions, ListOnline, Probe, Register, Stop, Unregister};

/// How often the notes on sessions are renewed that several instances share.
const RENEW: Duration = Duration::from_secs(60 * 60);

/// The actor that knows every session.
#[derive(Debug)]
pub(super) struct Directory {
    users: HashMap<UserId, Vec<SessionEntry>>,
    sessions: usize,
    sessions_per_user: usize,
    /// How often sessions were ended, shared with the handle.
    ends: Arc<AtomicU64>,
    bridge: Option<BridgeAddress>,
}

/// One session as the directory keeps it.
#[derive(Debug)]
struct SessionEntry {
    session: SessionId,
    family_id: Option<FamilyId>,
    lane: Arc<Lane>,
}

impl Directory {
    pub(super) fn new(sessions_per_user: usize, ends: Arc<AtomicU64>, bridge: Option<BridgeAddress>) -> Self {
        let sessions_per_user = sessions_per_user.max(1);
        Self { users: HashMap::new(), sessions: 0, sessions_per_user, ends, bridge }
    }

    /// Lets the other instances count a session, or stop counting it.
    fn note(&self, user_id: UserId, session: SessionId, is_here: bool) {
        if let Some(bridge) = &self.bridge {
            bridge.address.do_send(Note { user_id, session, is_here }); // bounded: twice for each session, and now and then again
        }
    }

    fn note_all(&self) {
        for (user_id, entries) in &self.users {
            for entry in entries {
                self.note(*user_id, entry.session, true);
            }
        }
    }
}

impl Actor for Directory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.bridge.is_some() {
            ctx.run_interval(RENEW, |directory, _| directory.note_all());
        }
    }
}

impl Handler<Register> for Directory {
    type Result = ();

    fn handle(&mut self, register: Register, _: &mut Self::Context) {
        let Register { session, user_id, family_id, lane, ends } = register;
        if ends != self.ends.load(Ordering::Acquire) {
            // An end that was dealt with before this session was known may have been meant for it.
            lane.tell(Deliver::Confirm); // bounded: once for each session
        }
        let entries = self.users.entry(user_id).or_default();
        entries.push(SessionEntry { session, family_id, lane });
        self.sessions += 1;
        // Oldest first: entries are pushed at the end and keep their order.
        if entries.len() > self.sessions_per_user {
            let oldest = entries.remove(0);
            self.sessions -= 1;
            oldest.lane.tell(Deliver::End(CloseReason::Replaced)); // bounded: once for each session
            self.note(user_id, oldest.session, false);
        }
        self.note(user_id, session, true);
    }
}

impl Handler<Unregister> for Directory {
    type Result = ();

    fn handle(&mut self, leave: Unregister, _: &mut Self::Context) {
        let Some(entries) = self.users.get_mut(&leave.user_id) else { return };
        let before = entries.len();
        entries.retain(|entry| entry.session != leave.session);
        self.sessions -= before - entries.len();
        let was_known = before > entries.len();
        if entries.is_empty() {
            self.users.remove(&leave.user_id);
        }
        if was_known {
            self.note(leave.user_id, leave.session, false);
        }
    }
}

impl Handler<EndSessions> for Directory {
    type Result = ();

    fn handle(&mut self, end: EndSessions, _: &mut Self::Context) {
        self.ends.fetch_add(1, Ordering::Release);
        let Some(entries) = self.users.get(&end.user_id) else { return };
        for entry in entries {
            if end.family_id.is_none() || entry.family_id == end.family_id {
                entry.lane.tell(Deliver::End(end.reason)); // bounded: publishers wait for this handler
            }
        }
    }
}

impl Handler<Replace> for Directory {
    type Result = ();

    fn handle(&mut self, replace: Replace, _: &mut Self::Context) {
        let Some(entries) = self.users.get(&replace.user_id) else { return };
        // It may be another instance's.
        if let Some(entry) = entries.iter().find(|entry| entry.session == replace.session) {
            entry.lane.tell(Deliver::End(CloseReason::Replaced)); // bounded: once for each session
        }
    }
}

impl Handler<Reenter> for Directory {
    type Result = ();

    fn handle(&mut self, _: Reenter, _: &mut Self::Context) {
        self.note_all();
        // Log-outs of the meantime were not heard of.
        self.ends.fetch_add(1, Ordering::Release);
        for entry in self.users.values().flatten() {
            entry.lane.tell(Deliver::Confirm); // bounded: once for each link
        }
    }
}

impl Handler<EndAll> for Directory {
    type Result = ();

    fn handle(&mut self, end: EndAll, _: &mut Self::Context) {
        let mut random = rand::rng();
        for entry in self.users.values().flatten() {
            // Spread, so that the clients do not all come back at once.
            let retry_in = random.random_range(0..=end.spread);
            entry.lane.tell(Deliver::End(CloseReason::Restart { retry_in })); // bounded: once, at the end
        }
    }
}

impl Handler<Count> for Directory {
    type Result = MessageResult<Count>;

    fn handle(&mut self, _: Count, _: &mut Self::Context) -> Self::Result {
        MessageResult(Counts { sessions: self.sessions, users: self.users.len() })
    }
}

impl Handler<ListOnline> for Directory {
    type Result = MessageResult<ListOnline>;

    fn handle(&mut self, list: ListOnline, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.users.keys().take(list.limit).copied().collect())
    }
}

impl Handler<Probe> for Directory {
    type Result = ();

    fn handle(&mut self, _: Probe, _: &mut Self::Context) {}
}

impl Handler<Stop> for Directory {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
