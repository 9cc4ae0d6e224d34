//! The database: the only room that speaks SQL.
//!
//! [`Store::read`] and [`Store::write`] run a job on a connection, off the threads that serve sockets; one
//! `write` is one transaction. Queries are free functions that take the connection.
//!
//! Invariant: nothing in here knows of sockets, requests or rights.

mod connection;
mod error;
mod migrate;
mod read;
mod schema;
mod statement;
#[cfg(test)]
pub(crate) mod testing;
mod threads;
mod writer;

pub mod accounts;
pub mod activities;
pub mod announcements;
pub mod claims;
pub mod console;
pub mod deadlines;
pub mod deliveries;
pub mod demo;
pub mod dispatch;
pub mod idempotency;
pub mod leases;
pub mod ledger;
pub mod marks;
pub mod messages;
pub mod notifications;
pub mod orders;
pub mod outbox;
pub mod payments;
pub mod positions;
pub mod push;
pub mod service_keys;
pub mod tracks;
pub mod transfers;
pub mod users;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use connection::at_one_moment;
pub use connection::{Conn, DatabaseUrl, InvalidDatabaseUrl};
pub use error::{JobError, StoreError};

use prometheus::IntGauge;

use crate::telemetry::Metrics;
use connection::{Manager, Pooled};
use threads::Threads;
use writer::Writer;

/// What the store can be told.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Which database.
    pub url: DatabaseUrl,
    /// Connections: for reading with SQLite (which has one more for writing), for all with PostgreSQL.
    pub connections: u32,
    /// How long a job waits for a connection before it is refused.
    pub wait: Duration,
}

/// A handle on the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: diesel::r2d2::Pool<Manager>,
    /// As many as the pool has connections.
    threads: Threads,
    /// SQLite's one writer; PostgreSQL writes through the pool.
    writer: Option<Writer>,
    wait: Duration,
    metrics: Arc<Metrics>,
}

impl Store {
    /// Opens the database, makes it when it is SQLite and missing, and brings its tables up to date.
    /// Blocks: call it before the server takes requests.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached, `Migration` when its tables cannot be brought up to date;
    /// they are then as they were before.
    pub fn open(settings: &StoreSettings, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        migrate::run(&settings.url)?;
        let manager = Manager::readers(settings.url.clone(), settings.wait);
        let pool = diesel::r2d2::Pool::builder()
            .max_size(settings.connections)
            .min_idle(Some(1))
            .connection_timeout(settings.wait)
            // Idle connections are tested by the manager, busy ones need no test.
            .test_on_check_out(false)
            .error_handler(Box::new(connection::LogErrors))
            .build(manager)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let writer = match &settings.url {
            DatabaseUrl::Sqlite(_) => {
                Some(Writer::start(settings.url.clone(), settings.wait, Arc::clone(&metrics))?)
            }
            DatabaseUrl::Postgres(_) => None,
        };
        let threads = Threads::start(settings.connections)?;
        Ok(Self { inner: Arc::new(Inner { pool, threads, writer, wait: settings.wait, metrics }) })
    }

    /// Runs a job that only reads.
    ///
    /// # Errors
    /// `Busy` when no connection frees up in time, `Unavailable` when the database cannot be reached, and
    /// whatever the job fails with.
    pub async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: JobError,
    {
        self.timed("read", self.on_pool(job)).await
    }

    /// Runs a job in one transaction: it is committed when the job succeeds and leaves nothing when it fails.
    ///
    /// # Errors
    /// As [`Store::read`]; after `Unavailable` from a commit that was under way it is not known whether the
    /// change was made.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: JobError,
    {
        match &self.inner.writer {
            Some(writer) => self.timed("write", writer.run(job, self.inner.wait)).await,
            None => self.timed("write", self.on_pool(|conn| connection::transaction(conn, job))).await,
        }
    }

    async fn on_pool<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: JobError,
    {
        let pool = self.inner.pool.clone();
        let job = move || {
            let mut conn = check_out(&pool)?;
            job(conn.get())
        };
        self.inner.threads.run(self.inner.wait, job).await?
    }

    async fn timed<T, E: JobError>(
        &self,
        kind: &str,
        job: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begin = Instant::now();
        let waiting = Waiting::new(&self.inner.metrics.database_queue);
        let outcome = job.await;
        drop(waiting);
        self.inner.metrics.database.with_label_values(&[kind]).observe(begin.elapsed().as_secs_f64());
        if let Some(error) = outcome.as_ref().err().and_then(JobError::of_database) {
            self.inner.metrics.database_failures.with_label_values(&[error.as_str()]).inc();
        }
        outcome
    }

    /// Makes sure that the database can be read and written.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.read(connection::probe).await?;
        self.write(connection::probe_writing).await
    }

    /// Whether the database is in this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.inner.writer.is_some()
    }

    /// Ends the writer once it has done what waits.
    pub fn close(&self) {
        if let Some(writer) = &self.inner.writer {
            writer.close();
        }
    }
}

/// Counts as one who waits for the database until it is dropped: whoever goes away in between waits no more.
struct Waiting<'metrics>(&'metrics IntGauge);

impl<'metrics> Waiting<'metrics> {
    fn new(queue: &'metrics IntGauge) -> Self {
        queue.inc();
        Self(queue)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Takes a connection that works: one that the server has dropped meanwhile is replaced.
fn check_out(pool: &diesel::r2d2::Pool<Manager>) -> Result<Pooled<'_>, StoreError> {
    for _ in 0..=pool.max_size() {
        let mut conn = pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        if conn.is_fit() {
            return Ok(Pooled::new(conn));
        }
    }
    Err(StoreError::Unavailable("no connection works".into()))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::testing::TestDatabase;
    use super::*;

    #[actix_web::test]
    async fn who_goes_away_before_the_answer_waits_no_more() {
        for database in TestDatabase::each() {
            let metrics = Metrics::new().expect("no figure twice");
            let store = database.open(&metrics);
            let (go, gone) = std::sync::mpsc::channel::<()>();
            let write = store.write(move |_| {
                // Until the other end is dropped.
                let _ = gone.recv();
                Ok::<_, StoreError>(())
            });
            assert!(write.now_or_never().is_none(), "it is not done before it may be");
            assert_eq!(metrics.database_queue.get(), 0);
            drop(go);
            store.read(|_| Ok::<_, StoreError>(())).await.expect("and others go on");
            assert_eq!(metrics.database_queue.get(), 0);
            store.close();
        }
    }
}
