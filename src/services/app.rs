//! What every use case works with: the database, the groups, the tokens and the settings.
//!
//! A use case that changes something runs one [`App::write`]: the change and the events that it causes are one
//! transaction, and the relay is woken once that is committed. So no event can be forgotten, and none goes out
//! that was not committed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use rand::Rng;
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use crate::domain::dispatch::DispatchRules;
use crate::domain::group_pattern::GroupPattern;
use crate::domain::ids::EventId;
use crate::domain::tariff::Tariffs;
use crate::domain::time::Timestamp;
use crate::protocol::channel::Say;
use crate::protocol::event::Event;
use crate::realtime::Groups;
use crate::store::outbox::{self, NewOutboxRow};
use crate::store::{Conn, Store};
use crate::telemetry::Metrics;

use super::accounts::{Guard, PrincipalCache};
use super::console::Console;
use super::deadlines::Alarm;
use super::error::ServiceError;
use super::idempotency::{self, Idempotency};
use super::leadership::Leadership;
use super::limits::KeyHasher;
use super::money::MoneySettings;
use super::notifications::Recorder;
use super::pulse::Pulse;
use super::push::{Push, PushSettings};
use super::service_keys::Uses;
use super::tokens::Tokens;
use super::tracking::{LastSeen, Tracking};

/// Looks of sessions that are taken at once.
const LOOKS: usize = 64;
/// How often a look is taken that fails for a reason that may pass.
const LOOKS_EACH: u32 = 6;

/// What the use cases can be told.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// How long a refresh token is good for.
    pub refresh_lifetime: Duration,
    /// Whether an order is confirmed as soon as it is placed.
    pub auto_confirm: bool,
    /// How long after its delivery an order is completed when its customer does not do it.
    pub complete_after: Duration,
    /// For how long after its end an order can be written about.
    pub chat_after_end: Duration,
    /// How partners are found.
    pub dispatch: DispatchRules,
    /// Which currencies are taken, and what is charged in each.
    pub tariffs: Tariffs,
    /// How often the trails of orders are written down.
    pub trail_flush: Duration,
    /// For how long they are kept, from the order's being placed on.
    pub trail_keep: Duration,
    /// A routing back end with OSRM's HTTP interface.
    pub routing: Option<url::Url>,
    /// Whether rate limits apply.
    pub rate_limits: bool,
    /// WebSocket handshakes that this instance takes in a second.
    pub handshakes_per_second: u32,
    /// What people call this instance: host, address and process.
    pub instance_name: String,
    /// Keys of back ends that may publish, beside those in the database.
    pub service_keys: Vec<ServiceKey>,
    /// What is set about money.
    pub money: MoneySettings,
    /// What is set about pushes.
    pub push: PushSettings,
}

/// The key of another back end.
#[derive(Clone)]
pub struct ServiceKey {
    /// As it is named in the log.
    pub name: String,
    /// The secret itself.
    pub key: String,
    /// Where it may publish.
    pub groups: Vec<GroupPattern>,
}

/// Without the secret.
impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ServiceKey");
        shown.field("name", &self.name).field("groups", &self.groups).finish_non_exhaustive()
    }
}

/// The use cases' common ground. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    groups: Groups,
    tokens: Tokens,
    settings: ServiceSettings,
    metrics: Arc<Metrics>,
    last_seen: LastSeen,
    service_key_uses: Uses,
    tracking: Tracking,
    console: Console,
    outbox_bell: Notify,
    alarm: Alarm,
    recorder: Recorder,
    push: Push,
    draining: AtomicBool,
    relay_pulse: Pulse,
    relay_failing: Mutex<Option<Instant>>,
    leadership: Leadership,
    looks: Semaphore,
    principals: PrincipalCache,
    guard: Guard,
}

/// A transaction: the connection, and the events that go out once it is committed.
pub struct Tx<'conn> {
    conn: &'conn mut Conn,
    now: Timestamp,
    settings: &'conn ServiceSettings,
    metrics: &'conn Metrics,
    /// What is to be counted once this is committed.
    counted: Vec<IntCounter>,
    /// What goes out, in this order; written at the end, all at once.
    events: Vec<NewOutboxRow>,
    /// When the first of the deadlines is due that were set.
    pub(super) first_due: Option<Timestamp>,
    /// When there is first something to be done about pushes.
    pub(super) first_push_due: Option<Timestamp>,
}

impl<'conn> Tx<'conn> {
    /// For queries.
    pub fn conn(&mut self) -> &mut Conn {
        self.conn
    }

    /// What was set.
    #[must_use]
    pub fn settings(&self) -> &'conn ServiceSettings {
        self.settings
    }

    /// The time of the change.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets a figure count one more once this is committed.
    pub(super) fn count(&mut self, figure: impl FnOnce(&Metrics) -> IntCounter) {
        self.counted.push(figure(self.metrics));
    }

    /// Lets an event go out once this is committed.
    pub fn emit(&mut self, event: &Event) {
        self.emit_as(EventId::new(), event);
    }

    /// Lets an event go out under an id of the caller's.
    pub fn emit_as(&mut self, event_id: EventId, event: &Event) {
        self.events.push(NewOutboxRow { event_id, dispatch: event.dispatch() });
    }
}

/// An answer that is kept under its `Idempotency-Key`.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
    /// Whether this is the answer to an earlier call with the same key.
    pub replayed: bool,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        store: Store,
        groups: Groups,
        tokens: Tokens,
        settings: ServiceSettings,
        metrics: Arc<Metrics>,
    ) -> Self {
        let others = groups.clone();
        let tell = move |limit: &'static str, key| others.tell(Say::Counted { limit: limit.into(), key });
        let (hasher, tell) = (KeyHasher::new(tokens.seed()), Box::new(tell));
        let guard = Guard::new(settings.rate_limits, settings.handshakes_per_second, &hasher, tell);
        let tracking = Tracking::new(settings.routing.as_ref());
        let inner = Inner {
            store,
            groups,
            tokens,
            settings,
            metrics,
            last_seen: LastSeen::default(),
            service_key_uses: Uses::default(),
            tracking,
            console: Console::default(),
            outbox_bell: Notify::new(),
            alarm: Alarm::default(),
            recorder: Recorder::default(),
            push: Push::default(),
            draining: AtomicBool::new(false),
            relay_pulse: Pulse::default(),
            relay_failing: Mutex::new(None),
            leadership: Leadership::default(),
            looks: Semaphore::new(LOOKS),
            principals: PrincipalCache::default(),
            guard,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The groups.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.inner.groups
    }

    /// Makes and verifies tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    /// What was set.
    #[must_use]
    pub fn settings(&self) -> &ServiceSettings {
        &self.inner.settings
    }

    /// The operator's figures.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// Where partners were last seen.
    #[must_use]
    pub fn last_seen(&self) -> &LastSeen {
        &self.inner.last_seen
    }

    pub(super) fn service_key_uses(&self) -> &Uses {
        &self.inner.service_key_uses
    }

    /// What following partners needs to remember.
    #[must_use]
    pub fn tracking(&self) -> &Tracking {
        &self.inner.tracking
    }

    /// What is remembered for admins.
    pub(super) fn console(&self) -> &Console {
        &self.inner.console
    }

    /// Whether this server is going away: it takes no new sessions.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire)
    }

    /// Takes no new sessions from here on, and turns readiness red.
    pub fn begin_draining(&self) {
        self.inner.draining.store(true, Ordering::Release);
    }

    /// Takes note of what reached whom.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.inner.recorder
    }

    /// What is remembered about pushes.
    pub(super) fn push(&self) -> &Push {
        &self.inner.push
    }

    /// The outbox relay's sign of life.
    #[must_use]
    pub fn relay_pulse(&self) -> &Pulse {
        &self.inner.relay_pulse
    }

    /// Which instance takes events out of the outbox.
    #[must_use]
    pub fn leadership(&self) -> &Leadership {
        &self.inner.leadership
    }

    /// For how long Redis has refused the events of the outbox.
    pub(super) fn relay_failing(&self) -> Option<Duration> {
        let since = *self.inner.relay_failing.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed())
    }

    pub(super) fn set_relay_failing(&self, is_failing: bool) {
        let mut since = self.inner.relay_failing.lock().unwrap_or_else(PoisonError::into_inner);
        *since = is_failing.then(|| since.unwrap_or_else(Instant::now));
    }

    /// Users whose tokens were looked up a moment ago.
    pub(super) fn principals(&self) -> &PrincipalCache {
        &self.inner.principals
    }

    /// Limits on log-ins and registrations.
    pub(super) fn guard(&self) -> &Guard {
        &self.inner.guard
    }

    /// Rings when the outbox has something new.
    pub(super) fn outbox_bell(&self) -> &Notify {
        &self.inner.outbox_bell
    }

    /// Rings when a deadline is set that is due sooner than the others.
    pub(super) fn alarm(&self) -> &Alarm {
        &self.inner.alarm
    }

    /// Takes a look at the database that all sessions may have to take at the same moment, after a fault: a few at a
    /// time, and once more where it failed for a reason that may pass.
    ///
    /// # Errors
    /// Those of the last look.
    pub async fn in_turn<T, F>(&self, look: impl Fn() -> F) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        let mut looks = 1;
        loop {
            let outcome = {
                let _turn = self.inner.looks.acquire().await;
                look().await
            };
            match outcome {
                Err(error) if error.is_passing() && looks < LOOKS_EACH => {
                    looks += 1;
                    let pause = Duration::from_millis(rand::rng().random_range(200..800));
                    tokio::time::sleep(pause).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs a job that only reads.
    ///
    /// # Errors
    /// The job's, or the database's.
    pub async fn read<T, F>(&self, job: F) -> Result<T, ServiceError>
    where
        F: FnOnce(&mut Conn) -> Result<T, ServiceError> + Send + 'static,
        T: Send + 'static,
    {
        self.inner.store.read(job).await
    }

    /// Runs a change and the events that it causes in one transaction.
    ///
    /// # Errors
    /// The job's, after which nothing has changed; or the database's.
    pub async fn write<T, F>(&self, job: F) -> Result<T, ServiceError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, ServiceError> + Send + 'static,
        T: Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let (value, events, first_due, first_push_due, counted) = self
            .inner
            .store
            .write(move |conn| {
                let mut tx = Tx {
                    conn,
                    now: Timestamp::now(),
                    settings: &inner.settings,
                    metrics: &inner.metrics,
                    counted: Vec::new(),
                    events: Vec::new(),
                    first_due: None,
                    first_push_due: None,
                };
                let value = job(&mut tx)?;
                outbox::append(tx.conn, tx.now, &tx.events)?;
                Ok::<_, ServiceError>((value, tx.events.len(), tx.first_due, tx.first_push_due, tx.counted))
            })
            .await?;
        counted.iter().for_each(IntCounter::inc);
        if let Some(due_at) = first_due {
            self.inner.alarm.set(due_at);
        }
        if let Some(due_at) = first_push_due {
            self.inner.push.set(due_at);
        }
        if events > 0 {
            self.inner.outbox_bell.notify_one();
        }
        Ok(value)
    }

    /// Like [`App::write`], for a call that may come with an `Idempotency-Key`: the answer is kept in the same
    /// transaction, and a second call with the key is answered from there.
    ///
    /// # Errors
    /// As [`App::write`]; `Conflict` with `idempotency_key_reused` when the key came with another request.
    pub async fn write_once<T, F>(
        &self,
        key: Option<Idempotency>,
        status: u16,
        job: F,
    ) -> Result<Reply, ServiceError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, ServiceError> + Send + 'static,
        T: Serialize,
    {
        self.write(move |tx| {
            if let Some(key) = &key
                && let Some(reply) = idempotency::find(tx, key)?
            {
                return Ok(reply);
            }
            let body = crate::protocol::server::to_json(&job(tx)?);
            let reply = Reply { status, body, replayed: false };
            if let Some(key) = &key {
                idempotency::keep(tx, key, &reply)?;
            }
            Ok(reply)
        })
        .await
    }

    /// The kept answer to an earlier call with this key, for what is not done in one transaction with its answer, and may
    /// be done twice without harm.
    ///
    /// # Errors
    /// As [`App::write_once`].
    pub async fn find_reply(&self, key: Option<Idempotency>) -> Result<Option<Reply>, ServiceError> {
        match key {
            Some(key) => self.write(move |tx| idempotency::find(tx, &key)).await,
            None => Ok(None),
        }
    }

    /// Keeps the answer to such a call.
    ///
    /// # Errors
    /// As [`App::write_once`].
    pub async fn keep_reply<T: Serialize>(
        &self,
        key: Option<Idempotency>,
        status: u16,
        answer: &T,
    ) -> Result<Reply, ServiceError> {
        let body = crate::protocol::server::to_json(answer);
        let reply = Reply { status, body, replayed: false };
        match key {
            Some(key) => {
                self.write(move |tx| {
                    if let Some(reply) = idempotency::find(tx, &key)? {
                        return Ok(reply);
                    }
                    idempotency::keep(tx, &key, &reply)?;
                    Ok(reply)
                })
                .await
            }
            None => Ok(reply),
        }
    }
}
