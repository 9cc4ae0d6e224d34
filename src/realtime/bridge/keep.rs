//! Keeps the link: opens it, notices that it is of no use any more, and goes after servers that have moved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::wrap_future;
use actix::{ActorFutureExt, Addr, AsyncContext, Context, Handler};
use rand::Rng;
use redis::{PushInfo, PushKind, RedisError, Value};

use super::actor::{Bridge, Neighbours};
use super::link::{self, Link, Signal};
use super::messages::{Called, Ended, Heard, Moved, Reattach, Reenter};
use crate::protocol::channel::{Say, group_of};

/// Between two tries to reach Redis, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a link has to be good until the next loss is the first one again.
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// How long servers that have moved may be looked for while the old link serves what has not.
const MOVE_WITHIN: Duration = Duration::from_secs(5);

/// Which link there is, and which is tried for.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) link: Option<Link>,
    /// Counts links, so that what an old one says is known as such.
    generation: u64,
    /// The last one that was tried for.
    attempt: u64,
    began: Instant,
    retry: Duration,
    /// Since when the servers of the link are known to have moved.
    moving: Option<Instant>,
}

impl Keeping {
    pub(super) fn new() -> Self {
        Self { link: None, generation: 0, attempt: 0, began: Instant::now(), retry: RETRY.0, moving: None }
    }
}

impl Bridge {
    pub(super) fn link(&self) -> Option<&Link> {
        self.keeping.link.as_ref()
    }

    pub(super) fn generation(&self) -> u64 {
        self.keeping.generation
    }

    pub(super) fn connect(&mut self, ctx: &mut Context<Self>) {
        self.keeping.attempt += 1;
        self.keeping.began = Instant::now();
        let attempt = self.keeping.attempt;
        let (servers, names) = (self.servers.clone(), Arc::clone(&self.names));
        let (neighbours, bridge) = (self.neighbours.clone(), ctx.address());
        let tell = {
            let to_all = [names.all(), names.all_in_slot()];
            move |signal| match signal {
                Signal::Pushed(info) => route(info, &to_all, &neighbours, &bridge, attempt),
                Signal::Moved => bridge.do_send(Moved { generation: attempt }), // bounded: once for each link
            }
        };
        let opened = async move {
            let link = Link::open(&servers, tell).await?;
            link.hear_all(&names.all(), &names.all_in_slot()).await?;
            // A replica takes connections and subscriptions as a master does. One that is full comes up all the same:
            // positions and questions get through.
            match link.try_to_write(&names.trial()).await {
                Err(error) if link::is_lost(&error) => Err(error),
                Ok(()) | Err(_) => Ok(link),
            }
        };
        let connected = wrap_future::<_, Self>(opened).map(move |outcome, bridge: &mut Self, ctx| {
            if attempt != bridge.keeping.attempt {
                return;
            }
            match outcome {
                Ok(link) => bridge.come_up(link, ctx),
                Err(error) => bridge.try_later(&error, ctx),
            }
        });
        ctx.spawn(connected);
    }

    fn try_later(&mut self, error: &RedisError, ctx: &mut Context<Self>) {
        if self.keeping.link.is_some() {
            if self.keeping.moving.is_some_and(|since| since.elapsed() > MOVE_WITHIN) {
                self.lose(&format!("its servers have moved and are not found: {error}"), ctx);
            } else {
                self.connect_after(RETRY.1, ctx);
            }
            return;
        }
        let is_new = self.status.away().is_none_or(|(_, problem)| problem != error.to_string());
        self.status.set_away(error.to_string());
        if is_new {
            log::warn!("Redis at {} cannot be used: {error}; trying on", self.servers.url());
        }
        self.connect_again(ctx);
    }

    /// After a pause, which is longer each time until a link has been good for a while.
    fn connect_again(&mut self, ctx: &mut Context<Self>) {
        let pause = self.keeping.retry.mul_f64(rand::rng().random_range(0.5..1.0));
        self.keeping.retry = (self.keeping.retry * 2).min(RETRY.1);
        self.connect_after(pause, ctx);
    }

    /// The link has answered.
    pub(super) fn is_good(&mut self) {
        if self.keeping.began.elapsed() > GOOD_AFTER {
            self.keeping.retry = RETRY.0;
        }
    }

    fn connect_after(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        let attempt = self.keeping.attempt;
        ctx.run_later(pause, move |bridge, ctx| {
            if attempt == bridge.keeping.attempt {
                bridge.connect(ctx);
            }
        });
    }

    fn come_up(&mut self, link: Link, ctx: &mut Context<Self>) {
        self.keeping.generation = self.keeping.attempt;
        self.keeping.moving = None;
        // What it has told meanwhile was not about the link that there was.
        let has_moved = link.has_moved();
        let is_moving = self.keeping.link.replace(link).is_some();
        self.forget_questions();
        if is_moving {
            log::info!("Redis at {} has shared out anew what its servers have", self.servers.url());
            self.outbound.go_on();
        } else {
            log::info!("connected to Redis at {}", self.servers.url());
            for (user_id, session) in self.outbound.begin() {
                self.take_off_the_list(user_id, session, ctx);
            }
            self.status.set_up();
            self.metrics.redis_up.set(1);
        }
        for registry in self.neighbours.registries() {
            registry.do_send(Reattach); // bounded: once for each link
        }
        if !is_moving {
            self.neighbours.directory.do_send(Reenter); // bounded: once for each link
            self.verify_positions(ctx);
            // Who can reach Redis may take the lease.
            self.heed(Say::Vacant, ctx);
        }
        self.beat(ctx);
        if has_moved {
            self.follow(ctx);
        }
    }

    /// Goes after servers that have moved with a new link, while the old one serves what has not. At most once a second,
    /// since slots move one by one.
    fn follow(&mut self, ctx: &mut Context<Self>) {
        self.keeping.moving = Some(Instant::now());
        self.connect_after(RETRY.1.saturating_sub(self.keeping.began.elapsed()), ctx);
    }

    /// The link is of no use any more.
    pub(super) fn lose(&mut self, error: &str, ctx: &mut Context<Self>) {
        if self.keeping.link.take().is_none() {
            return;
        }
        self.metrics.redis_up.set(0);
        self.metrics.redis_losses.inc();
        self.status.set_away(error.to_owned());
        log::warn!(
            "Redis at {} is lost: {error}; sessions stay, events wait in the database",
            self.servers.url()
        );
        self.forget_questions();
        self.outbound.end();
        self.keeping.moving = None;
        self.connect_again(ctx);
    }

    /// As [`Bridge::lose`], if that is what an error means for the link of this `generation`.
    pub(super) fn judge(&mut self, error: &RedisError, generation: u64, ctx: &mut Context<Self>) {
        if generation == self.generation() && link::is_lost(error) {
            self.lose(&error.to_string(), ctx);
        }
    }
}

/// Takes what a connection pushes to where it belongs. Runs in the connection's own task.
fn route(
    info: PushInfo,
    to_all: &[String; 2],
    neighbours: &Neighbours,
    bridge: &Addr<Bridge>,
    generation: u64,
) {
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
            if to_all.contains(&channel) {
                bridge.do_send(Called { text, generation }); // bounded: by how much instances have to say, and this thread does nothing else
            } else if let Some(key) = group_of(&channel) {
                neighbours.registry(key).do_send(Heard { key, text }); // bounded: Redis ends a connection that falls behind
            }
        }
        PushKind::Disconnection => bridge.do_send(Ended { generation }), // bounded: once for each connection
        // Confirmations, and kinds that the library may add.
        _ => {}
    }
}

impl Handler<Ended> for Bridge {
    type Result = ();

    fn handle(&mut self, ended: Ended, ctx: &mut Self::Context) {
        if ended.generation == self.generation() {
            self.lose("the connection ended", ctx);
        }
    }
}

impl Handler<Moved> for Bridge {
    type Result = ();

    fn handle(&mut self, moved: Moved, ctx: &mut Self::Context) {
        let is_current = moved.generation == self.generation() && moved.generation == self.keeping.attempt;
        if is_current && self.keeping.link.is_some() {
            self.follow(ctx);
        }
    }
}
