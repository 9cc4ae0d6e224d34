//! Finds or starts the group actor of a key. One registry for each kind of group; its groups live on its thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::Rng;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, MessageResult};

use crate::domain::group::{GroupKey, GroupKind};
use crate::domain::ids::OrderId;
use crate::telemetry::Metrics;

use super::bridge::{BridgeAddress, Departed, Detach, Heard, Reattach, Resume, Synced};
use super::group::{Group, Size};
use super::messages::{Admit, Expel, Join, Leave, ListWatched, Probe, Publish, Share, Stop, WhoListens};
use super::ring::Window;
use super::watermarks::Watermarks;

/// How many ephemeral frames may wait for a registry; more are refused.
const MAILBOX: usize = 16_384;
/// How long a group of several instances stays that is empty and silent here.
const RETIRE: Duration = Duration::from_secs(10);

/// The actor that looks after all groups of one kind.
#[derive(Debug)]
pub(super) struct GroupRegistry {
    kind: GroupKind,
    window: Window,
    groups: HashMap<GroupKey, Entry>,
    watermarks: Arc<Watermarks>,
    bridge: Option<BridgeAddress>,
    /// Whether Redis is away, so that groups number their events themselves. Shared with the handle.
    is_alone: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Entry {
    group: Addr<Group>,
    /// Who is in it, kept by the group.
    size: Arc<Size>,
    /// When the registry last passed something on.
    touched: Instant,
    /// When the group is to ask Redis again where it stands.
    asks_at: Instant,
}

impl GroupRegistry {
    pub(super) fn new(
        kind: GroupKind,
        window: Window,
        watermarks: Arc<Watermarks>,
        bridge: Option<BridgeAddress>,
        is_alone: Arc<AtomicBool>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { kind, window, groups: HashMap::new(), watermarks, bridge, is_alone, metrics }
    }

    /// How long a group stays that is empty and silent.
    fn patience(&self) -> Duration {
        match &self.bridge {
            // Redis keeps what those who come back may want.
            Some(_) => RETIRE.min(self.window.age),
            None => self.window.age,
        }
    }

    fn group(&mut self, key: GroupKey) -> &Addr<Group> {
        let entry = self.groups.entry(key).or_insert_with(|| {
            let size = Arc::new(Size::default());
            let is_alone = self.is_alone.load(Ordering::Acquire);
            let (bridge, metrics) = (self.bridge.clone(), Arc::clone(&self.metrics));
            let group = Group::new(key, self.window, Arc::clone(&size), bridge, is_alone, metrics);
            let asks_at = asks_at(self.window);
            Entry { group: group.start(), size, touched: Instant::now(), asks_at }
        });
        entry.touched = Instant::now();
        &entry.group
    }

    /// Ends groups that were empty and silent for as long as they are of use.
    fn sweep(&mut self) {
        let (now, patience) = (Instant::now(), self.patience());
        let bridge = self.bridge.as_ref();
        self.groups.retain(|key, entry| {
            let stays = entry.size.members.load(Ordering::Acquire) > 0
                || now.saturating_duration_since(entry.touched) <= patience;
            if !stays && let Some(bridge) = bridge {
                bridge.address.do_send(Detach { key: *key }); // bounded: once for each group
            }
            stays
        });
        self.groups.shrink_to(self.groups.len().saturating_mul(2));
        if bridge.is_some() {
            // Makes sure that nothing was missed, and that Redis keeps what belongs to the group.
            for entry in self.groups.values_mut().filter(|entry| entry.asks_at <= now) {
                entry.asks_at = asks_at(self.window);
                entry.group.do_send(Reattach); // bounded: now and then one for each group
            }
        }
    }

    /// Tells every group that has members.
    fn tell_all<M>(&self, message: M)
    where
        M: actix::Message<Result = ()> + Copy + Send + 'static,
        Group: Handler<M>,
    {
        for entry in self.groups.values() {
            entry.group.do_send(message); // bounded: now and then one for each group
        }
    }
}

/// A random moment within the time that Redis keeps things for half as long again, so that not all ask at once.
fn asks_at(window: Window) -> Instant {
    Instant::now() + window.age.mul_f64(rand::rng().random_range(0.15..0.3))
}

impl Actor for GroupRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        let period = (self.patience() / 4).clamp(Duration::from_millis(100), Duration::from_secs(30));
        ctx.run_interval(period, |registry, _| registry.sweep());
        log::debug!("registry of {} groups started", self.kind.as_str());
    }
}

impl Handler<Join> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, Join { key, member, since, watermark }: Join, _: &mut Self::Context) {
        // Nothing was published to this group since the snapshot was read, as far as can be told: every
        // publication passes here, before this join or after it.
        let snapshot_current = watermark.is_some_and(|mark| mark == self.watermarks.get(key));
        self.group(key).do_send(Admit { member, since, snapshot_current }); // bounded: one for each subscription of a session
    }
}

impl Handler<Leave> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        if let Some(entry) = self.groups.get_mut(&leave.key) {
            entry.touched = Instant::now();
            entry.group.do_send(leave); // bounded: one for each subscription of a session
        }
    }
}

impl Handler<Publish> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Self::Context) {
        self.watermarks.raise(publish.key);
        // A group that nobody has joined within the replay window has no position that anybody could come
        // back to, so there is nothing to keep for it.
        if let Some(entry) = self.groups.get_mut(&publish.key) {
            entry.touched = Instant::now();
            entry.group.do_send(publish); // bounded: publishers wait for this handler, and the group shares its thread
        }
    }
}

impl Handler<Expel> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, expel: Expel, _: &mut Self::Context) {
        self.watermarks.raise(expel.key);
        if let Some(entry) = self.groups.get(&expel.key) {
            entry.group.do_send(expel); // bounded: publishers wait for this handler
        }
    }
}

impl Handler<WhoListens> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, question: WhoListens, _: &mut Self::Context) {
        // Of several instances another one may have members.
        if self.bridge.is_some() || self.groups.contains_key(&question.key) {
            self.group(question.key).do_send(question); // bounded: who asks waits
        }
    }
}

impl Handler<Heard> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, heard: Heard, _: &mut Self::Context) {
        if heard.is_change() {
            self.watermarks.raise(heard.key);
        }
        if let Some(entry) = self.groups.get(&heard.key) {
            entry.group.do_send(heard); // bounded: as it came, and the group shares this thread
        }
    }
}

impl Handler<Synced> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, synced: Synced, _: &mut Self::Context) {
        // It may bring what a snapshot that was read before lacks.
        self.watermarks.raise(synced.key);
        if let Some(entry) = self.groups.get(&synced.key) {
            entry.group.do_send(synced); // bounded: answers a question of the group
        }
    }
}

impl Handler<Resume> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, resume: Resume, _: &mut Self::Context) {
        if let Some(entry) = self.groups.get(&resume.key) {
            entry.group.do_send(resume); // bounded: answers a question of the group
        }
    }
}

impl Handler<Reattach> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, reattach: Reattach, _: &mut Self::Context) {
        for entry in self.groups.values_mut() {
            entry.asks_at = asks_at(self.window);
        }
        self.tell_all(reattach);
    }
}

impl Handler<Departed> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, departed: Departed, _: &mut Self::Context) {
        self.tell_all(departed);
    }
}

impl Handler<Share> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, share: Share, _: &mut Self::Context) {
        self.tell_all(share);
    }
}

impl Handler<ListWatched> for GroupRegistry {
    type Result = MessageResult<ListWatched>;

    fn handle(&mut self, ListWatched { orders }: ListWatched, _: &mut Self::Context) -> Self::Result {
        let is_watched = |entry: &Entry| entry.size.is_watched.load(Ordering::Acquire);
        let is_watched_here =
            |order_id: &OrderId| self.groups.get(&GroupKey::Order(*order_id)).is_some_and(is_watched);
        MessageResult(match orders {
            Some(orders) => orders.into_iter().filter(is_watched_here).collect(),
            None => {
                let watched = self.groups.iter().filter(|(_, entry)| is_watched(entry));
                let order_id = |(key, _): (&GroupKey, &Entry)| match key {
                    GroupKey::Order(order_id) => Some(*order_id),
                    GroupKey::User(_) | GroupKey::Partner(_) | GroupKey::Admin => None,
                };
                watched.filter_map(order_id).collect()
            }
        })
    }
}

impl Handler<Probe> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, _: Probe, _: &mut Self::Context) {}
}

impl Handler<Stop> for GroupRegistry {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
