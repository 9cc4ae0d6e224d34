//! The bridge actor: keeps the link, and asks Redis on behalf of the groups.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, SpawnHandle};
use actix_web::rt::time::timeout;
use redis::{RedisError, Value};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::domain::group::{GroupKey, GroupKind};
use crate::domain::ids::InstanceId;
use crate::protocol::channel::{Call, Here, Say};
use crate::telemetry::Metrics;

use super::BridgeSettings;
use super::keep::Keeping;
use super::link;
use super::messages::{Attach, Called, Departed, Detach, Replace, Synced};
use super::outbound::Outbound;
use super::scripts::{Names, Position, Standing};
use super::servers::RedisServers;
use super::status::BridgeStatus;
use crate::realtime::RealtimeSettings;
use crate::realtime::directory::Directory;
use crate::realtime::messages::{Count, ListOnline, Probe, Stop};
use crate::realtime::registry::GroupRegistry;

/// Between two signs of life, and two looks whether Redis answers.
const BEAT: Duration = Duration::from_secs(1);
/// How long Redis may take to answer a look.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many groups are asked for at once: with the longest answers half of what Redis lets wait for a connection.
const ASKED_AT_ONCE: usize = 32;
/// The most users online that an instance names to the others.
const NAMED: usize = 200;

/// Whom the bridge speaks to.
#[derive(Debug, Clone)]
pub(in crate::realtime) struct Neighbours {
    pub user: Addr<GroupRegistry>,
    pub partner: Addr<GroupRegistry>,
    pub order: Addr<GroupRegistry>,
    pub admin: Addr<GroupRegistry>,
    pub directory: Addr<Directory>,
}

impl Neighbours {
    pub(super) fn registry(&self, key: GroupKey) -> &Addr<GroupRegistry> {
        match key.kind() {
            GroupKind::User => &self.user,
            GroupKind::Partner => &self.partner,
            GroupKind::Order => &self.order,
            GroupKind::Admin => &self.admin,
        }
    }

    pub(super) fn registries(&self) -> [&Addr<GroupRegistry>; 4] {
        [&self.user, &self.partner, &self.order, &self.admin]
    }
}

/// What a group wants of its channel.
#[derive(Debug)]
enum Interest {
    Heard { ticket: u64, known: Option<Position> },
    Lost,
}

/// The actor between the groups of this instance and Redis.
#[derive(Debug)]
pub(in crate::realtime) struct Bridge {
    pub(super) instance: InstanceId,
    name: String,
    pub(super) servers: RedisServers,
    pub(super) names: Arc<Names>,
    pub(super) sessions_per_user: usize,
    pub(super) neighbours: Neighbours,
    pub(super) status: Arc<BridgeStatus>,
    pub(super) metrics: Arc<Metrics>,
    /// What the rooms above are to hear.
    says: mpsc::Sender<Say>,
    pub(super) keeping: Keeping,
    /// By group, so that of several wishes the last one counts.
    wishes: HashMap<GroupKey, Interest>,
    is_asking: bool,
    /// Whether this instance has said good-bye.
    pub(super) has_left: bool,
    /// Where groups stood when something was last published from here.
    pub(super) positions: HashMap<GroupKey, (String, u64)>,
    /// It is being made sure that Redis has them still.
    pub(super) verifying: Option<SpawnHandle>,
    pub(super) outbound: Outbound,
}

impl Bridge {
    pub(in crate::realtime) fn new(
        settings: BridgeSettings,
        realtime: RealtimeSettings,
        neighbours: Neighbours,
        status: Arc<BridgeStatus>,
        metrics: Arc<Metrics>,
        says: mpsc::Sender<Say>,
        instance: InstanceId,
    ) -> Self {
        let (events, age) = (realtime.replay_events, realtime.replay_age);
        // Kept alive by a look of each instance with members, every quarter of the age.
        let keep = age + age / 2;
        let names = Names {
            prefix: settings.prefix,
            publish: if settings.servers.url().is_cluster() { "SPUBLISH" } else { "PUBLISH" },
            events,
            keep_ms: u64::try_from(keep.as_millis()).unwrap_or(u64::MAX),
        };
        Self {
            instance,
            name: settings.name,
            servers: settings.servers,
            names: Arc::new(names),
            sessions_per_user: realtime.sessions_per_user,
            neighbours,
            status,
            metrics,
            says,
            keeping: Keeping::new(),
            wishes: HashMap::new(),
            is_asking: false,
            has_left: false,
            positions: HashMap::new(),
            verifying: None,
            outbound: Outbound::default(),
        }
    }

    /// Says that this instance lives, looks whether Redis does, and which others do not.
    pub(super) fn beat(&mut self, ctx: &mut Context<Self>) {
        self.say_here(ctx);
        self.look_after_redis(ctx);
        for (instance, name) in self.status.take_silent() {
            log::warn!(
                "instance {name} ({instance}) has not been heard of for {:?} and counts as gone",
                super::status::SILENCE
            );
            self.depart(instance);
        }
    }

    fn say_here(&mut self, ctx: &mut Context<Self>) {
        let (directory, name) = (self.neighbours.directory.clone(), self.name.clone());
        let counted = async move {
            let counts = directory.send(Count).await.ok()?;
            let online = directory.send(ListOnline { limit: NAMED }).await.ok()?;
            Some(Here { name, sessions: counts.sessions, users: counts.users, online })
        };
        ctx.spawn(wrap_future::<_, Self>(counted).map(|here, bridge: &mut Self, ctx| {
            if let Some(here) = here.filter(|_| !bridge.has_left) {
                bridge.tell(Say::Here(here), ctx);
            }
        }));
    }

    fn look_after_redis(&mut self, ctx: &mut Context<Self>) {
        if let Some(link) = self.link().cloned() {
            let generation = self.generation();
            let asked = async move { timeout(PATIENCE, link.ping()).await };
            ctx.spawn(wrap_future::<_, Self>(asked).map(
                move |answer, bridge: &mut Self, ctx| match answer {
                    Ok(Ok(())) if generation == bridge.generation() => bridge.is_good(),
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => bridge.judge(&error, generation, ctx),
                    Err(_) if generation == bridge.generation() => {
                        bridge.lose(&format!("it does not answer within {PATIENCE:?}"), ctx);
                    }
                    Err(_) => {}
                },
            ));
        }
    }

    /// Lets the rooms above hear something.
    pub(super) fn heed(&mut self, say: Say, ctx: &mut Context<Self>) {
        let is_promised = matches!(say, Say::EndSessions { .. });
        if self.says.try_send(say).is_err() && is_promised {
            // With the next link, everything is looked at anew.
            self.lose("what other instances say is not heeded fast enough", ctx);
        }
    }

    fn depart(&self, instance: InstanceId) {
        for registry in self.neighbours.registries() {
            registry.do_send(Departed { instance }); // bounded: once for each instance that goes
        }
    }

    /// What was asked of an older link is of no interest.
    pub(super) fn forget_questions(&mut self) {
        self.wishes.clear();
        self.is_asking = false;
    }

    /// Asks for what groups want, a few hundred at once, one lot after the other.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        let Some(link) = self.link().cloned() else { return };
        if self.is_asking || self.wishes.is_empty() {
            return;
        }
        self.is_asking = true;
        let keys: Vec<GroupKey> = self.wishes.keys().take(ASKED_AT_ONCE).copied().collect();
        let (mut wanted, mut unwanted, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        let mut questions = Vec::new();
        for key in keys {
            match self.wishes.remove(&key) {
                Some(Interest::Heard { ticket, known }) => {
                    wanted.push(self.names.group(key));
                    let epoch = Uuid::now_v7().simple().to_string();
                    let script = &link.scripts.attach;
                    questions.push(super::scripts::attach(&self.names, script, key, &epoch, known.as_ref()));
                    asked.push((key, ticket));
                }
                Some(Interest::Lost) => unwanted.push(self.names.group(key)),
                None => {}
            }
        }
        let generation = self.generation();
        let answered = async move {
            if !unwanted.is_empty() {
                link.unsubscribe(&unwanted).await?;
            }
            if wanted.is_empty() {
                return Ok(Vec::new());
            }
            // First, so that nothing can fall between what is answered and what is heard.
            link.subscribe(&wanted).await?;
            link.send(questions).await
        };
        let answered = wrap_future::<_, Self>(answered);
        ctx.spawn(answered.map(move |outcome: Result<Vec<_>, RedisError>, bridge: &mut Self, ctx| {
            if generation != bridge.generation() {
                return;
            }
            bridge.is_asking = false;
            match outcome {
                Ok(answers) => {
                    for ((key, ticket), answer) in asked.into_iter().zip(answers) {
                        bridge.answer(key, ticket, answer, ctx);
                    }
                }
                // With the next link, everything is asked anew.
                Err(error) if link::is_moving(&error) => {}
                Err(error) => bridge.lose(&error.to_string(), ctx),
            }
            bridge.pump(ctx);
        }));
    }

    fn answer(
        &mut self,
        key: GroupKey,
        ticket: u64,
        answer: Result<Value, RedisError>,
        ctx: &mut Context<Self>,
    ) {
        let standing = answer.and_then(super::scripts::standing);
        match standing {
            Ok(mut standing) => {
                self.sort_out_the_dead(key, &mut standing, ctx);
                self.neighbours.registry(key).do_send(Synced { key, ticket, standing }); // bounded: answers Attach
            }
            Err(error) if link::is_lost(&error) => self.lose(&error.to_string(), ctx),
            Err(error) => {
                // Such as no memory left. The group waits, or goes on with what it has.
                self.metrics.redis_failures.inc();
                log::warn!("Redis does not tell where {key} stands: {error}; asking again");
                let (registry, generation) = (self.neighbours.registry(key).clone(), self.generation());
                ctx.run_later(BEAT, move |bridge, _| {
                    if generation == bridge.generation() {
                        registry.do_send(super::messages::Resume { key }); // bounded: once for each failed answer
                    }
                });
            }
        }
    }
}

impl Bridge {
    /// Takes out what instances have left that are gone, once there was time to hear of those that are not.
    fn sort_out_the_dead(&mut self, key: GroupKey, standing: &mut Standing, ctx: &mut Context<Self>) {
        if !self.status.knows_the_others() {
            return;
        }
        let mut living: Vec<String> = self.status.living().iter().map(ToString::to_string).collect();
        living.push(self.instance.to_string());
        let gone: Vec<String> = standing
            .present
            .iter()
            .map(|(instance, _)| instance.clone())
            .filter(|name| !living.contains(name))
            .collect();
        standing.present.retain(|(instance, _)| living.contains(instance));
        for instance in gone.iter().filter_map(|instance| instance.parse().ok()) {
            self.forget(key, instance, ctx);
        }
    }
}

impl Actor for Bridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // For ephemeral frames; the rest comes by do_send.
        ctx.set_mailbox_capacity(16_384);
        self.connect(ctx);
        ctx.run_interval(BEAT, Self::beat);
    }
}

impl Handler<Attach> for Bridge {
    type Result = ();

    fn handle(&mut self, Attach { key, ticket, known }: Attach, ctx: &mut Self::Context) {
        // Without a link nothing is lost: with the next one, every group asks.
        if self.link().is_some() {
            self.wishes.insert(key, Interest::Heard { ticket, known });
            self.pump(ctx);
        }
    }
}

impl Handler<Detach> for Bridge {
    type Result = ();

    fn handle(&mut self, Detach { key }: Detach, ctx: &mut Self::Context) {
        if self.link().is_some() {
            self.wishes.insert(key, Interest::Lost);
            self.pump(ctx);
        }
    }
}

impl Handler<Called> for Bridge {
    type Result = ();

    fn handle(&mut self, Called { text, generation }: Called, ctx: &mut Self::Context) {
        // What a later version says is none of our business.
        let Ok(Call { from, say }) = serde_json::from_str::<Call>(&text) else { return };
        // While one link takes another's place, both hear, and neither is to be relied on for what must not be missed.
        if generation != self.generation() && !matches!(say, Say::EndSessions { .. }) {
            return;
        }
        let is_own = from == self.instance;
        if !is_own && say != Say::Leaving {
            let here = if let Say::Here(here) = &say { Some(here.clone()) } else { None };
            let name = here.as_ref().map(|here| here.name.clone());
            if self.status.heard(from, here) {
                log::info!("instance {} ({from}) is here", name.unwrap_or_default());
                // So that it knows of this one at once.
                self.say_here(ctx);
                // The rooms above may have something for it, too.
                return self.heed(say, ctx);
            }
        }
        match &say {
            Say::Here(_) => return,
            Say::Leaving => {
                if !is_own && let Some(name) = self.status.forget(from) {
                    log::info!("instance {name} ({from}) has said good-bye");
                    self.depart(from);
                }
                return;
            }
            Say::Replace { session, user_id } => {
                let replace = Replace { session: *session, user_id: *user_id };
                self.neighbours.directory.do_send(replace); // bounded: by how many sessions come
                return;
            }
            Say::EndSessions { .. } => {}
            // An instance heeds its own at once.
            Say::Bell
            | Say::Vacant
            | Say::Located { .. }
            | Say::Dots { .. }
            | Say::Positions { .. }
            | Say::Watched { .. }
            | Say::Counted { .. }
            | Say::Health(_)
            | Say::Viewing(_)
                if is_own =>
            {
                return;
            }
            Say::Bell
            | Say::Vacant
            | Say::Located { .. }
            | Say::Dots { .. }
            | Say::Positions { .. }
            | Say::Watched { .. }
            | Say::Counted { .. }
            | Say::Health(_)
            | Say::Viewing(_) => {}
        }
        self.heed(say, ctx);
    }
}

impl Handler<Probe> for Bridge {
    type Result = ();

    fn handle(&mut self, _: Probe, _: &mut Self::Context) {}
}

impl Handler<Stop> for Bridge {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
