//! What goes to Redis beside questions: events out of the outbox, frames that nobody keeps, and notes.

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context, Handler, ResponseActFuture};
use redis::{Cmd, RedisError, RedisResult, Value};
use uuid::Uuid;

use crate::domain::group::GroupKey;
use crate::domain::ids::{InstanceId, SessionId, UserId};
use crate::protocol::channel::{Call, GroupMessage, Present, Say};
use crate::protocol::server::to_json;

use super::actor::Bridge;
use super::batch;
use super::messages::{Attending, Depart, Ephemeral, Forget, Note, Relay, RelayError, Tell, Try};
use super::scripts;

/// The most commands that wait; what comes then is dropped, since none of it is promised.
const MAX_WAITING: usize = 16_384;
/// The most commands in one lot.
const AT_ONCE: usize = 1_024;
/// How many lots may be under way.
const LOTS: usize = 4;
/// The most positions that are remembered.
const MAX_POSITIONS: usize = 100_000;

/// Commands whose answers nobody waits for.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    waiting: Vec<Cmd>,
    /// Sessions that ended while there was no link: their notes are taken away with the next one.
    ended: Vec<(UserId, SessionId)>,
    under_way: usize,
}

impl Outbound {
    /// Gives those that ended meanwhile.
    pub(super) fn begin(&mut self) -> Vec<(UserId, SessionId)> {
        std::mem::take(self).ended
    }

    /// As [`Outbound::begin`], with what waits.
    pub(super) fn go_on(&mut self) {
        self.under_way = 0;
    }

    pub(super) fn end(&mut self) {
        self.waiting = Vec::new();
    }
}

impl Bridge {
    /// Sends a command when its turn comes.
    fn post(&mut self, cmd: Cmd, ctx: &mut Context<Self>) {
        if self.link().is_none() {
            return;
        }
        if self.outbound.waiting.len() >= MAX_WAITING {
            self.metrics.redis_failures.inc();
            return;
        }
        self.outbound.waiting.push(cmd);
        self.send_lots(ctx);
    }

    fn send_lots(&mut self, ctx: &mut Context<Self>) {
        while self.outbound.under_way < LOTS && !self.outbound.waiting.is_empty() {
            let Some(link) = self.link().cloned() else { return };
            let count = self.outbound.waiting.len().min(AT_ONCE);
            let lot = self.outbound.waiting.drain(..count).collect();
            self.outbound.under_way += 1;
            let generation = self.generation();
            let sent = async move { link.send(lot).await };
            ctx.spawn(wrap_future::<_, Self>(sent).map(move |outcome, bridge: &mut Self, ctx| {
                if generation == bridge.generation() {
                    bridge.outbound.under_way -= 1;
                    bridge.note_failures(outcome, generation, ctx);
                    bridge.send_lots(ctx);
                }
            }));
        }
    }

    fn note_failures(
        &mut self,
        outcome: RedisResult<Vec<RedisResult<Value>>>,
        generation: u64,
        ctx: &mut Context<Self>,
    ) {
        let failed = match outcome {
            Ok(answers) => answers.into_iter().filter_map(Result::err).collect(),
            Err(error) => vec![error],
        };
        for error in failed {
            self.metrics.redis_failures.inc();
            log::debug!("Redis: {error}");
            self.judge(&error, generation, ctx);
        }
    }

    /// Takes the note of an instance that is gone away.
    pub(super) fn forget(&mut self, key: GroupKey, instance: InstanceId, ctx: &mut Context<Self>) {
        let mut cmd = redis::cmd("HDEL");
        cmd.arg(self.names.present(key)).arg(instance.to_string());
        self.post(cmd, ctx);
    }

    /// A session of a user has ended.
    pub(super) fn take_off_the_list(&mut self, user_id: UserId, session: SessionId, ctx: &mut Context<Self>) {
        let mut cmd = redis::cmd("ZREM");
        cmd.arg(self.names.sessions(&user_id.to_string())).arg(format!("{}/{session}", self.instance));
        self.post(cmd, ctx);
    }

    /// Says something to every instance.
    pub(super) fn tell(&mut self, say: Say, ctx: &mut Context<Self>) {
        let text = to_json(&Call { from: self.instance, say });
        let mut cmd = redis::cmd("PUBLISH");
        cmd.arg(self.names.all()).arg(text);
        self.post(cmd, ctx);
    }

    /// Whatever Redis was given before the link was lost may be gone with it, although it had said that it has it: by the
    /// next event of a group that would show, which may be long in coming.
    pub(super) fn verify_positions(&mut self, ctx: &mut Context<Self>) {
        if let Some(earlier) = self.verifying.take() {
            ctx.cancel_future(earlier);
        }
        let Some(link) = self.link().cloned() else { return };
        let (names, script) = (self.names.clone(), link.scripts.verify.clone());
        let positions: Vec<_> = self.positions.iter().map(|(key, known)| (*key, known.clone())).collect();
        let verified = async move {
            let (mut gone, mut failed) = (0, None);
            for lot in positions.chunks(AT_ONCE) {
                let command = |(key, (epoch, seq)): &(GroupKey, (String, u64))| {
                    scripts::verify(&names, &script, *key, epoch, *seq)
                };
                for answer in link.send(lot.iter().map(command).collect()).await? {
                    // One that cannot be looked at, such as where memory is short, keeps no other from that.
                    match answer.and_then(|answer| Ok(redis::from_redis_value::<u64>(answer)?)) {
                        Ok(is_gone) => gone += is_gone,
                        Err(error) => failed = Some(error),
                    }
                }
            }
            if gone > 0 {
                log::warn!("Redis has lost events of {gone} groups that it had taken: they begin anew");
            }
            failed.map_or(Ok(()), Err)
        };
        let generation = self.generation();
        let verifying = wrap_future::<_, Self>(verified).map(move |verified, bridge: &mut Self, ctx| {
            bridge.verifying = None;
            if let Err(error) = verified {
                bridge.metrics.redis_failures.inc();
                bridge.judge(&error, generation, ctx);
            }
        });
        self.verifying = Some(ctx.spawn(verifying));
    }

    fn took(&mut self, keys: Vec<GroupKey>, answers: Vec<RedisResult<Value>>) -> Result<(), RedisError> {
        if self.positions.len() > MAX_POSITIONS {
            self.positions.clear();
        }
        // More answers than groups: the rest is what was said to all.
        let mut keys = keys.into_iter();
        for answer in answers {
            let answer = answer?;
            let Some(key) = keys.next() else { continue };
            let position: Option<String> = redis::from_redis_value(answer)?;
            match position.as_deref().and_then(|text| text.split_once(' ')) {
                Some((epoch, seq)) => {
                    self.positions.insert(key, (epoch.into(), seq.parse().unwrap_or(0)));
                }
                None => {
                    self.positions.remove(&key);
                }
            }
        }
        Ok(())
    }
}

impl Handler<Relay> for Bridge {
    type Result = ResponseActFuture<Self, Result<(), RelayError>>;

    fn handle(&mut self, Relay { batch, fence, repeated }: Relay, _: &mut Self::Context) -> Self::Result {
        let link = self.link().cloned();
        let away = || {
            let why = self.status.away().map_or_else(|| "not connected".into(), |(_, why)| why);
            RelayError::Away(why)
        };
        let Some(link) = link else {
            let refused = Err(away());
            return Box::pin(wrap_future(async { refused }));
        };
        let (parcels, says) = batch::sort(&batch);
        let mut commands = Vec::with_capacity(parcels.len() + says.len());
        let script = link.scripts.relay.clone();
        for parcel in &parcels {
            let epoch = Uuid::now_v7().simple().to_string();
            let known = self.positions.get(&parcel.key);
            commands.push(parcel.command(&self.names, &script, fence, &epoch, known, repeated));
        }
        for say in says {
            let text = to_json(&Call { from: self.instance, say });
            if self.servers.url().is_cluster() {
                let mut cmd = redis::cmd(self.names.publish);
                cmd.arg(self.names.all_in_slot()).arg(&text);
                commands.push(cmd);
            }
            let mut cmd = redis::cmd("PUBLISH");
            cmd.arg(self.names.all()).arg(text);
            commands.push(cmd);
        }
        let keys: Vec<GroupKey> = parcels.iter().map(|parcel| parcel.key).collect();
        let generation = self.generation();
        let sent =
            async move { if commands.is_empty() { Ok(Vec::new()) } else { link.send(commands).await } };
        Box::pin(wrap_future::<_, Self>(sent).map(move |outcome, bridge: &mut Self, ctx| {
            let taken = outcome.and_then(|answers| bridge.took(keys, answers));
            taken.map_err(|error| {
                bridge.metrics.redis_failures.inc();
                bridge.judge(&error, generation, ctx);
                if error.code() == Some("FENCED") {
                    RelayError::Fenced(
                        error.detail().and_then(|fence| fence.trim().parse().ok()).unwrap_or(0),
                    )
                } else {
                    RelayError::Away(error.to_string())
                }
            })
        }))
    }
}

impl Handler<Depart> for Bridge {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Depart, _: &mut Self::Context) -> Self::Result {
        self.has_left = true;
        let link = self.link().cloned();
        let mut cmd = redis::cmd("PUBLISH");
        cmd.arg(self.names.all()).arg(to_json(&Call { from: self.instance, say: Say::Leaving }));
        let told = async move {
            if let Some(link) = link
                && let Err(error) = link.ask(cmd).await
            {
                log::debug!("the other instances are not told that this one goes: {error}");
            }
        };
        Box::pin(wrap_future(told))
    }
}

impl Handler<Try> for Bridge {
    type Result = ResponseActFuture<Self, Result<(), String>>;

    /// By a write, which a full Redis refuses, and a replica.
    fn handle(&mut self, _: Try, _: &mut Self::Context) -> Self::Result {
        let (link, name, generation) = (self.link().cloned(), self.names.trial(), self.generation());
        let tried = async move {
            match link {
                Some(link) => link.try_to_write(&name).await.map_err(Some),
                None => Err(None),
            }
        };
        Box::pin(wrap_future::<_, Self>(tried).map(move |outcome, bridge: &mut Self, ctx| {
            outcome.map_err(|error| {
                let Some(error) = error else { return "not connected".into() };
                bridge.metrics.redis_failures.inc();
                bridge.judge(&error, generation, ctx);
                error.to_string()
            })
        }))
    }
}

impl Handler<Ephemeral> for Bridge {
    type Result = ();

    fn handle(&mut self, Ephemeral { key, text }: Ephemeral, ctx: &mut Self::Context) {
        let mut cmd = redis::cmd(self.names.publish);
        cmd.arg(self.names.group(key)).arg(text);
        self.post(cmd, ctx);
    }
}

impl Handler<Attending> for Bridge {
    type Result = ();

    fn handle(&mut self, Attending { key, present }: Attending, ctx: &mut Self::Context) {
        // One that has said good-bye only takes its notes away.
        let present = if self.has_left { Present { sessions: 0, users: Vec::new() } } else { present };
        let (name, field) = (self.names.present(key), self.instance.to_string());
        let mut note = redis::cmd(if present.sessions > 0 { "HSET" } else { "HDEL" });
        note.arg(&name).arg(field);
        if present.sessions > 0 {
            note.arg(to_json(&present));
        }
        self.post(note, ctx);
        if present.sessions > 0 {
            let mut expiry = redis::cmd("PEXPIRE");
            expiry.arg(name).arg(self.names.keep_ms);
            self.post(expiry, ctx);
        }
        if self.has_left {
            return;
        }
        let mut publish = redis::cmd(self.names.publish);
        let message = GroupMessage::Present { instance: self.instance, present };
        publish.arg(self.names.group(key)).arg(message.to_text());
        self.post(publish, ctx);
    }
}

impl Handler<Forget> for Bridge {
    type Result = ();

    fn handle(&mut self, Forget { key, instance }: Forget, ctx: &mut Self::Context) {
        self.forget(key, instance, ctx);
    }
}

impl Handler<Note> for Bridge {
    type Result = ();

    fn handle(&mut self, Note { user_id, session, is_here }: Note, ctx: &mut Self::Context) {
        let Some(link) = self.link() else {
            if !is_here && self.outbound.ended.len() < MAX_WAITING {
                self.outbound.ended.push((user_id, session));
            }
            return;
        };
        if !is_here {
            self.take_off_the_list(user_id, session, ctx);
            return;
        }
        let name = self.names.sessions(&user_id.to_string());
        let entry = format!("{}/{session}", self.instance);
        // The session's id is put in by the script, which knows which one has to go.
        let say = Say::Replace { session, user_id };
        let text = to_json(&Call { from: self.instance, say });
        let Some((before, after)) = text.split_once(&session.to_string()) else { return };
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&link.scripts.enter).arg(1).arg(name).arg(self.names.all()).arg(self.sessions_per_user);
        cmd.arg(super::scripts::SESSION_KEEP_MS).arg(before).arg(after).arg(entry);
        cmd.arg(self.instance.to_string());
        for other in self.status.living() {
            cmd.arg(other.to_string());
        }
        self.post(cmd, ctx);
    }
}

impl Handler<Tell> for Bridge {
    type Result = ();

    fn handle(&mut self, Tell(say): Tell, ctx: &mut Self::Context) {
        self.tell(say, ctx);
    }
}
