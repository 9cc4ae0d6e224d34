//! SQLite's one writer: a thread that takes whatever waits and commits it at once, so that many writes share
//! one `fsync`. Each job runs in a savepoint of its own: one that fails leaves nothing and harms no other.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::TransactionManager;
use tokio::sync::{mpsc, oneshot};

use crate::telemetry::Metrics;

use super::connection::{Conn, DatabaseUrl, begin, commit, open, roll_back};
use super::error::StoreError;

/// Jobs that may wait; more are refused after the usual wait.
const QUEUE: usize = 1024;
/// The most jobs in one commit.
const BATCH: usize = 128;

/// A handle on the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
}

/// A write, seen by the thread.
trait Job: Send {
    /// Runs it within a savepoint. Fails when the transaction around it is gone: SQLite ends the whole of
    /// it at some errors, a full disk among them.
    fn run(&mut self, conn: &mut Conn) -> Result<(), StoreError>;
    /// When it began to wait.
    fn since(&self) -> Instant;
    /// Answers that it has waited for too long.
    fn refuse(self: Box<Self>);
    /// Gives the caller its answer. `failure` says why the commit that it was part of failed.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

struct Task<T, E, F> {
    job: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
    since: Instant,
}

impl<T, E, F> Job for Task<T, E, F>
where
    F: FnOnce(&mut Conn) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        let Some(job) = self.job.take() else { return Ok(()) };
        // Within the batch's transaction this makes a savepoint: Diesel counts the depth.
        <Conn as Connection>::TransactionManager::begin_transaction(conn).map_err(StoreError::from)?;
        let outcome = job(conn);
        let ended = if outcome.is_ok() { commit(conn) } else { roll_back(conn) };
        self.outcome = Some(outcome);
        ended
    }

    fn since(&self) -> Instant {
        self.since
    }

    fn refuse(self: Box<Self>) {
        // The caller may have gone away.
        let _ = self.reply.send(Err(StoreError::Busy.into()));
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let outcome = match (self.outcome, failure) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), None) => Ok(value),
            (_, Some(failure)) => Err(StoreError::Unavailable(failure.into()).into()),
            (None, None) => Err(StoreError::Unavailable("the write was not run".into()).into()),
        };
        // The caller may have gone away; its change stands all the same.
        let _ = self.reply.send(outcome);
    }
}

impl Writer {
    pub(super) fn start(url: DatabaseUrl, wait: Duration, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        let conn = open(&url, wait)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || write_all(&url, wait, conn, queue, &metrics))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)) })
    }

    pub(super) async fn run<T, E, F>(&self, job: F, wait: Duration) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gone = || E::from(StoreError::Unavailable("the writer has ended".into()));
        let jobs = jobs.ok_or_else(gone)?;
        let (reply, answer) = oneshot::channel();
        let task = Box::new(Task { job: Some(job), outcome: None, reply, since: Instant::now() });
        match tokio::time::timeout(wait, jobs.send(task)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(gone()),
            Err(_) => return Err(StoreError::Busy.into()),
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Lets the thread end once it has done what waits.
    pub(super) fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn write_all(
    url: &DatabaseUrl,
    wait: Duration,
    conn: Conn,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    metrics: &Metrics,
) {
    let mut conn = Some(conn);
    while let Some(first) = queue.blocking_recv() {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            // After a while in which nothing could be written there may be many of these.
            if job.since().elapsed() > wait {
                job.refuse()
            } else {
                batch.push(job)
            }
            next = if batch.len() < BATCH { queue.try_recv().ok() } else { None };
        }
        if batch.is_empty() {
            continue;
        }
        metrics.commit_batch.observe(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
        let failure = match connection(url, wait, &mut conn) {
            Ok(open) => write_batch(open, &mut batch).err(),
            Err(error) => Some(error),
        };
        if let Some(error) = &failure {
            // Whoever waits for one of them says so where that is handled.
            log::debug!("{} writes were not made: {error}", batch.len());
            // What state the connection is in is not worth finding out.
            conn = None;
        }
        let failure = failure.map(|error| match error {
            StoreError::Unavailable(text) => text,
            error @ (StoreError::Busy
            | StoreError::Migration(_)
            | StoreError::Corrupt { .. }
            | StoreError::Query(_)) => error.to_string(),
        });
        for job in batch {
            job.answer(failure.as_deref());
        }
    }
}

fn connection<'conn>(
    url: &DatabaseUrl,
    wait: Duration,
    conn: &'conn mut Option<Conn>,
) -> Result<&'conn mut Conn, StoreError> {
    match conn {
        Some(conn) => Ok(conn),
        None => Ok(conn.insert(open(url, wait)?)),
    }
}

fn write_batch(conn: &mut Conn, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    begin(conn)?;
    for job in batch {
        job.run(conn)?;
    }
    commit(conn)
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;

    use super::*;
    use crate::store::testing::TestDatabase;

    #[actix_web::test]
    async fn a_write_waits_for_another_process_no_longer_than_it_is_told() {
        let database = TestDatabase::sqlite();
        let metrics = Metrics::new().expect("no figure twice");
        let store = database.open_with(Duration::from_millis(300), &metrics);
        let mut other = database.connect();
        other.batch_execute("BEGIN IMMEDIATE").expect("nobody else writes");
        let begin = Instant::now();
        let outcome = store.write(|_| Ok::<_, StoreError>(())).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        let took = begin.elapsed();
        assert!((Duration::from_millis(300)..Duration::from_secs(3)).contains(&took), "{took:?}");
        other.batch_execute("ROLLBACK").expect("it ends");
        store.write(|_| Ok::<_, StoreError>(())).await.expect("and then it goes on");
    }
}
