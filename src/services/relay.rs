//! The outbox relay: does what committed changes ask for, in the order in which they were committed.
//!
//! Woken after each commit, and by a clock for what a crash left behind: the same pass serves both. A row is
//! removed after it was published; a crash in between publishes it again, under the same id.
//!
//! With several instances, the one that holds the lease ([`leadership`](super::leadership)) publishes for all, through
//! Redis. While Redis is away, rows stay in the outbox and each instance reads them for its own sessions; once it is
//! back, they go through it as if they had waited.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::protocol::channel::{Route, Say};
use crate::protocol::dispatch::Dispatch;
use crate::realtime::{Outgoing, RelayError, slot_of};
use crate::store::outbox::{self, OutboxRow};

use super::app::App;
use super::error::ServiceError;

/// The most rows in one pass.
const BATCH: i64 = 500;
/// The most bytes in one pass to Redis, which ends connections for which too much waits.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long the relay sleeps when nothing wakes it.
const IDLE: Duration = Duration::from_millis(500);
/// The same while other instances' changes are to be found in the database.
const TAILING: Duration = Duration::from_millis(200);
/// How long a transaction may take from its first row in the outbox, which is the last that it writes, to its commit: so
/// long rows may come to light whose numbers are lower than others.
const LATEST: Duration = Duration::from_secs(10);
/// How far the term is from the attempts in a fence.
const TERM_SHIFT: u32 = 20;

/// Runs until `stop` resolves, and then once more, so that what was committed before is published.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut relay = Relay::new(app);
    let mut stop = std::pin::pin!(stop);
    loop {
        let full = relay.pass_or_log().await;
        if full {
            continue;
        }
        let pause = if relay.is_tailing() { TAILING } else { IDLE };
        tokio::select! {
            () = &mut stop => break,
            () = relay.app.outbox_bell().notified() => relay.pass_the_bell_on(),
            () = tokio::time::sleep(pause) => {}
        }
    }
    while relay.pass_or_log().await {}
}

struct Relay {
    app: App,
    /// Rows that were published here and whose removal failed or has not been seen yet.
    published: HashSet<i64>,
    /// Rows of which Redis may have something, although they are still there.
    tried: HashSet<i64>,
    /// The term in which rows were last published, and the last row that was there when it began: an earlier holder of
    /// the lease may have published those.
    term: (i64, i64),
    /// Counts the attempts that failed, so that what is left of one cannot follow a later one.
    attempts: u64,
    /// Rows that the sessions of this instance have had while Redis was away, and since when.
    tailed: BTreeMap<i64, Instant>,
    /// Rows up to this one need not be looked at for that.
    floor: i64,
    /// What the last pass failed with: it is told once.
    problem: Option<String>,
}

impl Relay {
    fn new(app: App) -> Self {
        Self {
            app,
            published: HashSet::new(),
            tried: HashSet::new(),
            term: (0, 0),
            attempts: 0,
            tailed: BTreeMap::new(),
            floor: 0,
            problem: None,
        }
    }

    fn is_tailing(&self) -> bool {
        self.app.groups().has_bridge() && self.app.leadership().route() == Route::Database
    }

    /// Lets the instance know that publishes, if it is another.
    fn pass_the_bell_on(&self) {
        if self.app.groups().has_bridge() && self.app.leadership().term().is_none() {
            self.app.groups().tell(Say::Bell);
        }
    }

    /// Whether there is more to do at once.
    async fn pass_or_log(&mut self) -> bool {
        let outcome = self.pass().await;
        self.app.relay_pulse().beat();
        match outcome {
            Ok(full) => {
                self.problem = None;
                full
            }
            Err(error) => {
                self.app.metrics().outbox_failures.inc();
                let problem = error.to_string();
                if self.problem.is_none() {
                    log::warn!("the outbox waits: {problem}");
                } else if self.problem.as_ref() != Some(&problem) {
                    log::debug!("the outbox still waits: {problem}");
                }
                self.problem = Some(problem);
                false
            }
        }
    }

    async fn pass(&mut self) -> Result<bool, ServiceError> {
        if !self.app.groups().has_bridge() {
            return self.pass_here().await;
        }
        match (self.app.leadership().route(), self.app.leadership().term()) {
            (Route::Database, _) => self.pass_tailing().await,
            (Route::Redis, None) => {
                self.note_waiting(0);
                Ok(false)
            }
            (Route::Redis, Some(term)) => self.pass_to_redis(term).await,
        }
    }

    /// The only instance: everything goes to the groups of this process.
    async fn pass_here(&mut self) -> Result<bool, ServiceError> {
        let limit = BATCH.saturating_add(i64::try_from(self.published.len()).unwrap_or(0));
        let (rows, unreadable) = self.app.read(move |conn| Ok(outbox::waiting(conn, 0, limit)?)).await?;
        let found = rows.len();
        let waiting = rows.iter().filter(|row| !self.published.contains(&row.id)).count();
        self.note_waiting(waiting);
        let mut done = unreadable;
        for row in rows {
            done.push(row.id);
            if self.published.insert(row.id) {
                publish_here(&self.app, &row);
                self.app.relay_pulse().beat();
                self.app.metrics().outbox_published.inc();
            }
        }
        if done.is_empty() {
            self.published.clear();
            return Ok(false);
        }
        // Only what the registries have taken is removed; and no more than one batch ever waits for them.
        self.settle().await?;
        let removed = done.clone();
        self.remove(done).await?;
        for id in removed {
            self.published.remove(&id);
        }
        Ok(waiting > 0 || found >= usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// The instance that publishes for all.
    async fn pass_to_redis(&mut self, term: i64) -> Result<bool, ServiceError> {
        self.tailed.clear();
        if self.term.0 != term {
            let last = self.app.read(|conn| Ok(outbox::last(conn)?)).await?;
            self.term = (term, last);
            self.attempts = 0;
        }
        let (mut rows, mut done) = self.app.read(|conn| Ok(outbox::waiting(conn, 0, BATCH)?)).await?;
        self.count_waiting(rows.len()).await?;
        let mut bytes = 0;
        let fit = rows.iter().take_while(|row| {
            bytes += row.dispatch.size();
            bytes <= BATCH_BYTES
        });
        let fit = fit.count().max(1);
        rows.truncate(fit);
        if rows.is_empty() && done.is_empty() {
            self.tried.clear();
            self.app.set_relay_failing(false);
            return Ok(false);
        }
        let count = rows.len();
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let repeated = ids.iter().any(|id| *id <= self.term.1 || self.tried.contains(id));
        // Whether Redis or the database fails from here on: they may have been published.
        self.tried.extend(&ids);
        let batch = rows
            .into_iter()
            .map(|row| Arc::new(Outgoing { id: row.event_id, at: row.at, dispatch: row.dispatch }));
        let fence = u64::try_from(term).unwrap_or(0) << TERM_SHIFT | self.attempts;
        match self.app.groups().relay(batch.collect(), fence, repeated).await {
            Ok(()) => {
                self.app.set_relay_failing(false);
                self.app.metrics().outbox_published.inc_by(u64::try_from(count).unwrap_or(0));
                done.extend(&ids);
                self.remove(done).await?;
                for id in ids {
                    self.tried.remove(&id);
                }
                Ok(true)
            }
            Err(RelayError::Fenced(fence)) => {
                // If the lease is ours all the same, its term is raised.
                self.app.leadership().outdated(fence >> TERM_SHIFT);
                log::warn!("Redis has seen a later term than {term}: the lease is looked at again");
                Ok(false)
            }
            Err(error @ RelayError::Away(_)) => {
                self.attempts += 1;
                self.app.set_relay_failing(true);
                Err(ServiceError::Internal(error.to_string()))
            }
        }
    }

    /// Redis is away: the sessions of this instance get what is in the outbox, where it stays.
    async fn pass_tailing(&mut self) -> Result<bool, ServiceError> {
        let floor = self.floor;
        let limit = BATCH.saturating_add(i64::try_from(self.tailed.len()).unwrap_or(0));
        let (rows, unreadable) = self.app.read(move |conn| Ok(outbox::waiting(conn, floor, limit)?)).await?;
        if !self.is_tailing() {
            // Redis has come back meanwhile: what is given to the groups here would take them away from it again.
            return Ok(true);
        }
        let found = rows.len();
        let now = Instant::now();
        let mut fresh = 0;
        for row in rows {
            if self.tailed.insert(row.id, now).is_none() {
                publish_here(&self.app, &row);
                self.app.relay_pulse().beat();
                fresh += 1;
            }
        }
        for id in unreadable {
            self.tailed.insert(id, now);
        }
        self.note_waiting(found);
        self.settle().await?;
        // What follows without a gap is passed over from now on; a gap, until nothing comes to light in it any more.
        while let Some(entry) = self.tailed.first_entry()
            && (*entry.key() == self.floor + 1 || now.saturating_duration_since(*entry.get()) > LATEST)
        {
            self.floor = entry.remove_entry().0;
        }
        Ok(fresh > 0 && found >= usize::try_from(limit).unwrap_or(usize::MAX))
    }

    fn note_waiting(&self, count: usize) {
        self.app.metrics().outbox_waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The same where there may be more than were read.
    async fn count_waiting(&self, found: usize) -> Result<(), ServiceError> {
        let count = if found < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            found
        } else {
            let count = self.app.read(|conn| Ok(outbox::count(conn)?)).await?;
            usize::try_from(count).unwrap_or(usize::MAX)
        };
        self.note_waiting(count);
        Ok(())
    }

    async fn settle(&self) -> Result<(), ServiceError> {
        self.app.groups().settle().await.map_err(|error| ServiceError::Internal(error.to_string()))
    }

    async fn remove(&self, mut ids: Vec<i64>) -> Result<(), ServiceError> {
        ids.sort_unstable();
        self.app.store().write(move |conn| outbox::remove(conn, &ids).map_err(ServiceError::from)).await
    }
}

/// Gives a row to the groups of this process.
fn publish_here(app: &App, row: &OutboxRow) {
    let groups = app.groups();
    match &row.dispatch {
        Dispatch::Publish { groups: keys, frame } => {
            let body: Arc<str> = frame.get().into();
            for key in keys {
                groups.publish(*key, row.event_id, row.at, Arc::clone(&body));
            }
        }
        Dispatch::State { group, revision, frame } => match slot_of(frame.get()) {
            Some(slot) => {
                groups.publish_state(*group, &slot, *revision, row.event_id, row.at, frame.get().into());
            }
            None => log::error!("outbox row {}: a state without a type", row.id),
        },
        Dispatch::Expel { group, user_id } => groups.expel(*group, *user_id),
        Dispatch::EndSessions { user_id, family_id, reason } => {
            // Whoever comes in anew is looked up anew.
            app.principals().forget(*user_id);
            groups.end_sessions(*user_id, *family_id, *reason);
        }
    }
}
