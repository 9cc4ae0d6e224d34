//! The bridge actor: keeps the link, and asks Redis on behalf of the groups.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler};
use actix_web::rt::time::timeout;
use rand::Rng;
use redis::{PushInfo, PushKind, RedisError, Value};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::domain::group::{GroupKey, GroupKind};
use crate::domain::ids::InstanceId;
use crate::protocol::channel::{Call, Here, Say, group_of};
use crate::telemetry::Metrics;

use super::BridgeSettings;
use super::link::{self, Link};
use super::messages::{Attach, Called, Departed, Detach, Ended, Heard, Reattach, Reenter, Replace, Synced};
use super::outbound::Outbound;
use super::scripts::{Names, Position, Standing};
use super::status::BridgeStatus;
use crate::realtime::RealtimeSettings;
use crate::realtime::directory::Directory;
use crate::realtime::messages::{Count, ListOnline, Probe, Stop};
use crate::realtime::registry::GroupRegistry;

/// Between two signs of life, and two looks whether Redis answers.
const BEAT: Duration = Duration::from_secs(1);
/// How long Redis may take to answer a look.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to reach Redis, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
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
    fn registry(&self, key: GroupKey) -> &Addr<GroupRegistry> {
        match key.kind() {
            GroupKind::User => &self.user,
            GroupKind::Partner => &self.partner,
            GroupKind::Order => &self.order,
            GroupKind::Admin => &self.admin,
        }
    }

    fn registries(&self) -> [&Addr<GroupRegistry>; 4] {
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
    client: redis::Client,
    url: super::RedisUrl,
    pub(super) names: Arc<Names>,
    pub(super) sessions_per_user: usize,
    neighbours: Neighbours,
    pub(super) status: Arc<BridgeStatus>,
    pub(super) metrics: Arc<Metrics>,
    /// What the rooms above are to hear.
    says: mpsc::Sender<Say>,
    pub(super) link: Option<Link>,
    /// Counts links, so that what an old one says is known as such.
    generation: u64,
    retry: Duration,
    /// By group, so that of several wishes the last one counts.
    wishes: HashMap<GroupKey, Interest>,
    is_asking: bool,
    /// Whether this instance has said good-bye.
    pub(super) has_left: bool,
    /// Where groups stood when something was last published from here.
    pub(super) positions: HashMap<GroupKey, (String, u64)>,
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
            publish: "PUBLISH",
            events,
            keep_ms: u64::try_from(keep.as_millis()).unwrap_or(u64::MAX),
        };
        Self {
            instance,
            client: settings.url.client(),
            url: settings.url,
            names: Arc::new(names),
            sessions_per_user: realtime.sessions_per_user,
            neighbours,
            status,
            metrics,
            says,
            link: None,
            generation: 0,
            retry: RETRY.0,
            wishes: HashMap::new(),
            is_asking: false,
            has_left: false,
            positions: HashMap::new(),
            outbound: Outbound::default(),
        }
    }

    fn connect(&mut self, ctx: &mut Context<Self>) {
        self.generation += 1;
        let generation = self.generation;
        let (client, all) = (self.client.clone(), self.names.all());
        let (neighbours, bridge) = (self.neighbours.clone(), ctx.address());
        let pushed = {
            let all = all.clone();
            move |info| route(info, &all, &neighbours, &bridge, generation)
        };
        let opened = async move {
            let mut link = Link::open(&client, pushed).await?;
            link.subscribe(std::slice::from_ref(&all)).await?;
            Ok::<_, RedisError>(link)
        };
        let connected = wrap_future::<_, Self>(opened).map(|outcome, bridge: &mut Self, ctx| match outcome {
            Ok(link) => bridge.come_up(link, ctx),
            Err(error) => bridge.try_later(&error, ctx),
        });
        ctx.spawn(connected);
    }

    fn try_later(&mut self, error: &RedisError, ctx: &mut Context<Self>) {
        let is_new = self.status.away().is_none_or(|(_, problem)| problem != error.to_string());
        self.status.set_away(error.to_string());
        if is_new {
            log::warn!("Redis at {} cannot be used: {error}; trying on", self.url);
        }
        let pause = self.retry.mul_f64(rand::rng().random_range(0.5..1.0));
        self.retry = (self.retry * 2).min(RETRY.1);
        ctx.run_later(pause, Self::connect);
    }

    fn come_up(&mut self, link: Link, ctx: &mut Context<Self>) {
        log::info!("connected to Redis at {}", self.url);
        self.link = Some(link);
        self.retry = RETRY.0;
        self.wishes.clear();
        self.is_asking = false;
        self.outbound.begin();
        self.status.set_up();
        self.metrics.redis_up.set(1);
        for registry in self.neighbours.registries() {
            registry.do_send(Reattach); // bounded: once for each link
        }
        self.neighbours.directory.do_send(Reenter); // bounded: once for each link
        // Who can reach Redis may take the lease.
        self.heed(Say::Vacant, ctx);
        self.beat(ctx);
    }

    /// The link is of no use any more.
    pub(super) fn lose(&mut self, error: &str, ctx: &mut Context<Self>) {
        if self.link.take().is_none() {
            return;
        }
        self.metrics.redis_up.set(0);
        self.metrics.redis_losses.inc();
        self.status.set_away(error.to_owned());
        log::warn!("Redis at {} is lost: {error}; sessions stay, events wait in the database", self.url);
        self.wishes.clear();
        self.outbound.end();
        self.connect(ctx);
    }

    /// As [`Bridge::lose`], if that is what an error means for the link of this `generation`.
    pub(super) fn judge(&mut self, error: &RedisError, generation: u64, ctx: &mut Context<Self>) {
        if generation == self.generation && link::is_lost(error) {
            self.lose(&error.to_string(), ctx);
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Says that this instance lives, looks whether Redis does, and which others do not.
    fn beat(&mut self, ctx: &mut Context<Self>) {
        let directory = self.neighbours.directory.clone();
        let counted = async move {
            let counts = directory.send(Count).await.ok()?;
            let online = directory.send(ListOnline { limit: NAMED }).await.ok()?;
            Some(Here { sessions: counts.sessions, users: counts.users, online })
        };
        ctx.spawn(wrap_future::<_, Self>(counted).map(|here, bridge: &mut Self, ctx| {
            if let Some(here) = here.filter(|_| !bridge.has_left) {
                bridge.tell(Say::Here(here), ctx);
            }
        }));
        if let Some(mut link) = self.link.clone() {
            let generation = self.generation;
            let asked = async move { timeout(PATIENCE, link.ask(&redis::cmd("PING"))).await };
            ctx.spawn(wrap_future::<_, Self>(asked).map(
                move |answer, bridge: &mut Self, ctx| match answer {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => bridge.judge(&error, generation, ctx),
                    Err(_) if generation == bridge.generation => {
                        bridge.lose(&format!("it does not answer within {PATIENCE:?}"), ctx);
                    }
                    Err(_) => {}
                },
            ));
        }
        for instance in self.status.take_silent() {
            log::warn!(
                "instance {instance} has not been heard of for {:?} and counts as gone",
                super::status::SILENCE
            );
            self.depart(instance);
        }
    }

    /// Lets the rooms above hear something.
    fn heed(&mut self, say: Say, ctx: &mut Context<Self>) {
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

    /// Asks for what groups want, a few hundred at once, one lot after the other.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        let Some(mut link) = self.link.clone() else { return };
        if self.is_asking || self.wishes.is_empty() {
            return;
        }
        self.is_asking = true;
        let keys: Vec<GroupKey> = self.wishes.keys().take(ASKED_AT_ONCE).copied().collect();
        let (mut wanted, mut unwanted, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        let mut pipeline = redis::pipe();
        for key in keys {
            match self.wishes.remove(&key) {
                Some(Interest::Heard { ticket, known }) => {
                    wanted.push(self.names.group(key));
                    let epoch = Uuid::now_v7().simple().to_string();
                    let script = &link.scripts.attach;
                    pipeline.add_command(super::scripts::attach(
                        &self.names,
                        script,
                        key,
                        &epoch,
                        known.as_ref(),
                    ));
                    asked.push((key, ticket));
                }
                Some(Interest::Lost) => unwanted.push(self.names.group(key)),
                None => {}
            }
        }
        let generation = self.generation;
        let answered = async move {
            if !unwanted.is_empty() {
                link.unsubscribe(&unwanted).await?;
            }
            if wanted.is_empty() {
                return Ok(Vec::new());
            }
            // First, so that nothing can fall between what is answered and what is heard.
            link.subscribe(&wanted).await?;
            link.send(pipeline).await
        };
        let answered = wrap_future::<_, Self>(answered);
        ctx.spawn(answered.map(move |outcome: Result<Vec<_>, RedisError>, bridge: &mut Self, ctx| {
            if generation != bridge.generation {
                return;
            }
            bridge.is_asking = false;
            match outcome {
                Ok(answers) => {
                    for ((key, ticket), answer) in asked.into_iter().zip(answers) {
                        bridge.answer(key, ticket, answer, ctx);
                    }
                }
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
                let (registry, generation) = (self.neighbours.registry(key).clone(), self.generation);
                ctx.run_later(BEAT, move |bridge, _| {
                    if generation == bridge.generation {
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

/// Takes what a connection pushes to where it belongs. Runs in the connection's own task.
fn route(info: PushInfo, all: &str, neighbours: &Neighbours, bridge: &Addr<Bridge>, generation: u64) {
    match info.kind {
        PushKind::Message | PushKind::SMessage => {
            let mut data = info.data.into_iter();
            let (Some(Value::BulkString(channel)), Some(Value::BulkString(text))) =
                (data.next(), data.next())
            else {
                return;
            };
            let (Ok(channel), Ok(text)) = (String::from_utf8(channel), String::from_utf8(text)) else {
                log::warn!("something that is no text was published to a channel of ours");
                return;
            };
            if channel == all {
                bridge.do_send(Called(text)); // bounded: by how much instances have to say, and this thread does nothing else
            } else if let Some(key) = group_of(&channel) {
                neighbours.registry(key).do_send(Heard { key, text }); // bounded: Redis ends a connection that falls behind
            }
        }
        PushKind::Disconnection => bridge.do_send(Ended { generation }), // bounded: once for each connection
        // Confirmations, and kinds that the library may add.
        _ => {}
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
        if self.link.is_some() {
            self.wishes.insert(key, Interest::Heard { ticket, known });
            self.pump(ctx);
        }
    }
}

impl Handler<Detach> for Bridge {
    type Result = ();

    fn handle(&mut self, Detach { key }: Detach, ctx: &mut Self::Context) {
        if self.link.is_some() {
            self.wishes.insert(key, Interest::Lost);
            self.pump(ctx);
        }
    }
}

impl Handler<Ended> for Bridge {
    type Result = ();

    fn handle(&mut self, ended: Ended, ctx: &mut Self::Context) {
        if ended.generation == self.generation {
            self.lose("the connection ended", ctx);
        }
    }
}

impl Handler<Called> for Bridge {
    type Result = ();

    fn handle(&mut self, Called(text): Called, ctx: &mut Self::Context) {
        // What a later version says is none of our business.
        let Ok(Call { from, say }) = serde_json::from_str::<Call>(&text) else { return };
        let is_own = from == self.instance;
        if !is_own && say != Say::Leaving {
            let here = if let Say::Here(here) = &say { Some(here.clone()) } else { None };
            self.status.heard(from, here);
        }
        match &say {
            Say::Here(_) => return,
            Say::Leaving => {
                if !is_own && self.status.forget(from) {
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
            Say::Bell | Say::Vacant | Say::Located { .. } | Say::Counted { .. } if is_own => return,
            Say::Bell | Say::Vacant | Say::Located { .. } | Say::Counted { .. } => {}
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
