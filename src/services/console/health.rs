//! How the instances are: each looks at itself, and tells the others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::ids::InstanceId;
use crate::domain::time::Timestamp;
use crate::protocol::admin::{
    DatabaseHealth, DatabaseKind, HealthView, InstanceHealth, LatencyView, RedisHealth,
};
use crate::protocol::channel::Route;
use crate::services::app::App;
use crate::telemetry::{Buckets, Metrics};

use super::process::{self, CpuTime};

/// An instance that has said nothing of itself for so long is left out.
const SILENCE: Duration = Duration::from_secs(6);

/// So many looks are remembered.
const REMEMBERED: usize = 60;

type Heard = HashMap<InstanceId, (InstanceHealth, Instant)>;

/// Notes how an instance is.
pub(super) fn note(heard: &Mutex<Heard>, health: InstanceHealth, at: Instant) {
    let mut heard = lock(heard);
    heard.retain(|_, (_, said_at)| at.saturating_duration_since(*said_at) < SILENCE);
    heard.insert(health.id, (health, at));
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the instances are.
#[must_use]
pub(super) fn view(app: &App) -> HealthView {
    let now = Instant::now();
    let heard = lock(&app.console().health);
    let living = heard.values().filter(|(_, at)| now.saturating_duration_since(*at) < SILENCE);
    let instances = living.map(|(health, _)| health.clone()).collect();
    drop(heard);
    HealthView::of(instances, Timestamp::now())
}

/// Remembers how the instances are.
pub(super) fn remember(app: &App) {
    let health = view(app);
    let mut history = remembered(app);
    history.push_back(health);
    while history.len() > REMEMBERED {
        history.pop_front();
    }
}

/// How the instances were in the last ten minutes, every 10 s, as far as this one knows: the latest last.
#[must_use]
pub fn history(app: &App) -> Vec<HealthView> {
    remembered(app).iter().cloned().collect()
}

fn remembered(app: &App) -> MutexGuard<'_, VecDeque<HealthView>> {
    app.console().history.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at this instance again and again, and tells what happened since the last look.
#[derive(Debug)]
pub(super) struct Sampler {
    id: InstanceId,
    began: Instant,
    last: Look,
}

/// What was counted up to a moment.
#[derive(Debug)]
struct Look {
    at: Instant,
    deliveries: u64,
    latency: Buckets,
    database: Buckets,
    failures: u64,
    cpu: Option<CpuTime>,
}

impl Look {
    fn take(metrics: &Metrics) -> Self {
        let jobs = ["read", "write"].map(|kind| metrics.database.with_label_values(&[kind]));
        Self {
            at: Instant::now(),
            deliveries: metrics.deliveries.get(),
            latency: Buckets::of([&metrics.publish_to_write]),
            database: Buckets::of(&jobs),
            failures: metrics.database_failures_in_all(),
            cpu: process::cpu_time(),
        }
    }
}

impl Sampler {
    pub(super) fn new(app: &App) -> Self {
        let id = app.groups().instance().unwrap_or_default();
        Self { id, began: Instant::now(), last: Look::take(app.metrics()) }
    }

    /// How this instance is, and was since the last look.
    pub(super) async fn look(&mut self, app: &App) -> InstanceHealth {
        let metrics = app.metrics();
        let now = Look::take(metrics);
        let last = std::mem::replace(&mut self.last, now);
        let now = &self.last;
        let seconds = now.at.saturating_duration_since(last.at).as_secs_f64().max(0.001);
        let per_second = |count: u64| count as f64 / seconds;
        let cpu = now.cpu.zip(last.cpu).map(|(now, last)| now.since(last).as_secs_f64() / seconds);
        // A directory that does not answer has been reported by readiness.
        let users = app.groups().count().await.map_or(0, |counts| counts.users);
        InstanceHealth {
            id: self.id,
            name: app.settings().instance_name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            uptime: self.began.elapsed().as_secs(),
            connections: metrics.sessions_in_all(),
            users: i64::try_from(users).unwrap_or(i64::MAX),
            groups: metrics.groups_in_all(),
            deliveries_per_second: rounded(per_second(now.deliveries.saturating_sub(last.deliveries)), 10.0),
            latency: latency(&now.latency.since(&last.latency)),
            outbox_waiting: metrics.outbox_waiting.get(),
            database: DatabaseHealth {
                kind: if app.store().is_embedded() { DatabaseKind::Sqlite } else { DatabaseKind::Postgres },
                queue: metrics.database_queue.get(),
                latency: latency(&now.database.since(&last.database)),
                ok: now.failures == last.failures,
            },
            redis: redis(app),
            cpu: cpu.map(|cores| rounded(cores, 1_000.0)),
            memory: process::resident_memory(),
            publishes: !app.groups().has_bridge() || app.leadership().term().is_some(),
        }
    }
}

fn redis(app: &App) -> RedisHealth {
    if !app.groups().has_bridge() {
        return RedisHealth::None;
    }
    match (app.groups().away(), app.leadership().route()) {
        (None, Route::Redis) => RedisHealth::Up,
        (Some(_), _) | (None, Route::Database) => RedisHealth::Down,
    }
}

fn latency(buckets: &Buckets) -> Option<LatencyView> {
    let millis = |share| buckets.quantile(share).map(|seconds| rounded(seconds * 1_000.0, 1_000.0));
    Some(LatencyView { p50: millis(0.5)?, p99: millis(0.99)? })
}

/// To a part of one; more would only make frames longer.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}
