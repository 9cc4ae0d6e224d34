//! Finds or starts the group actor of a key. One registry for each kind of group; its groups live on its thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler};

use crate::domain::group::{GroupKey, GroupKind};
use crate::telemetry::Metrics;

use super::group::Group;
use super::handle::Watermarks;
use super::messages::{Admit, Expel, Join, Leave, Probe, Publish, Stop};
use super::ring::Window;

/// How many ephemeral frames may wait for a registry; more are refused.
const MAILBOX: usize = 16_384;

/// The actor that looks after all groups of one kind.
#[derive(Debug)]
pub(super) struct GroupRegistry {
    kind: GroupKind,
    window: Window,
    groups: HashMap<GroupKey, Entry>,
    watermarks: Arc<Watermarks>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Entry {
    group: Addr<Group>,
    /// How many members the group has, kept by the group.
    size: Arc<AtomicUsize>,
    /// When the registry last passed something on.
    touched: Instant,
}

impl GroupRegistry {
    pub(super) fn new(
        kind: GroupKind,
        window: Window,
        watermarks: Arc<Watermarks>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { kind, window, groups: HashMap::new(), watermarks, metrics }
    }

    fn group(&mut self, key: GroupKey) -> &Addr<Group> {
        let entry = self.groups.entry(key).or_insert_with(|| {
            let size = Arc::new(AtomicUsize::new(0));
            let group = Group::new(key, self.window, Arc::clone(&size), Arc::clone(&self.metrics));
            Entry { group: group.start(), size, touched: Instant::now() }
        });
        entry.touched = Instant::now();
        &entry.group
    }

    /// Ends groups that were empty and silent for as long as anybody could come back to them.
    fn sweep(&mut self) {
        let now = Instant::now();
        let age = self.window.age;
        self.groups.retain(|_, entry| {
            entry.size.load(Ordering::Acquire) > 0 || now.saturating_duration_since(entry.touched) <= age
        });
        self.groups.shrink_to(self.groups.len().saturating_mul(2));
    }
}

impl Actor for GroupRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        let period = (self.window.age / 4).clamp(Duration::from_millis(100), Duration::from_secs(30));
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
