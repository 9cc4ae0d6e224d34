//! The threads on which jobs use pooled connections: one for each connection, with one queue before them.
//!
//! Not the runtime's own blocking threads: of those each job wakes another, however busy the last one still is. Here
//! a thread that has done a job takes the next without going to sleep, which under load saves two switches of thread
//! a query.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

use super::error::StoreError;

/// Jobs that may wait; more are refused at once.
const QUEUE: usize = 4096;

type Job = Box<dyn FnOnce() + Send>;

/// A handle on the threads. They end when it is dropped and nothing waits any more.
#[derive(Debug)]
pub(super) struct Threads {
    jobs: Sender<Job>,
}

/// Whoever is first, the thread that begins with a job or the caller who has waited too long for that, has it.
#[derive(Debug, Clone, Default)]
struct Claim(Arc<AtomicBool>);

impl Claim {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Threads {
    /// # Errors
    /// `Unavailable` when the system has no thread left.
    pub(super) fn start(count: u32) -> Result<Self, StoreError> {
        let (jobs, queue) = bounded::<Job>(QUEUE);
        for number in 0..count {
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("database-{number}"))
                .spawn(move || do_all(&queue))
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        }
        Ok(Self { jobs })
    }

    /// Runs a job on one of the threads.
    ///
    /// # Errors
    /// `Busy` when none begins with it within `wait`, or too many wait already; `Unavailable` when it ended early.
    pub(super) async fn run<T, F>(&self, wait: Duration, job: F) -> Result<T, StoreError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (reply, mut answer) = oneshot::channel();
        let claim = Claim::default();
        let theirs = claim.clone();
        let job = Box::new(move || {
            // Nobody waits for it any more: it is not begun.
            if !reply.is_closed() && theirs.take() {
                // The caller may have gone away; what the job did stands all the same.
                let _ = reply.send(job());
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(gone()),
        }
        let answer = match tokio::time::timeout(wait, &mut answer).await {
            Ok(answer) => answer,
            Err(_) if claim.take() => return Err(StoreError::Busy),
            // It has begun: how long it takes is its own affair.
            Err(_) => answer.await,
        };
        answer.map_err(|_| gone())
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the job ended early".into())
}

fn do_all(queue: &Receiver<Job>) {
    for job in queue {
        // Where a panic does not end the process, it ends one job: its caller is told, and its connection discarded.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            log::error!("a job on the database panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(30);

    #[actix_web::test]
    async fn a_job_that_nobody_begins_with_in_time_is_refused_and_never_done() {
        let threads = Arc::new(Threads::start(1).expect("a thread"));
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let long = Arc::clone(&threads);
        let long = actix_web::rt::spawn(async move {
            // Longer than it may wait: that is no limit on a job that has begun.
            long.run(SOON, move || {
                begun.send(()).expect("the test waits");
                may_end.recv().expect("the test lets it end");
                7
            })
            .await
        });
        actix_web::rt::task::spawn_blocking(move || has_begun.recv())
            .await
            .expect("no panic")
            .expect("begun");
        let (done, was_done) = mpsc::channel();
        let refused = threads.run(SOON, move || done.send(())).await;
        assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
        end.send(()).expect("it waits");
        assert_eq!(long.await.expect("no panic").expect("an answer"), 7);
        assert_eq!(threads.run(LONG, || 8).await.expect("an answer"), 8);
        assert!(was_done.try_recv().is_err(), "the refused job was done");
    }

    #[actix_web::test]
    async fn a_job_whose_caller_has_gone_is_not_begun() {
        let threads = Threads::start(1).expect("a thread");
        let (end, may_end) = mpsc::channel::<()>();
        let (done, was_done) = mpsc::channel();
        {
            let mut first = Box::pin(threads.run(LONG, move || may_end.recv()));
            let mut second = Box::pin(threads.run(LONG, move || done.send(())));
            // Both are in the queue after this, and the one thread has the first.
            let waker = std::task::Waker::noop();
            let mut cx = std::task::Context::from_waker(waker);
            assert!(first.as_mut().poll(&mut cx).is_pending());
            assert!(second.as_mut().poll(&mut cx).is_pending());
            drop(second);
            end.send(()).expect("it waits");
            first.await.expect("an answer").expect("it was let end");
        }
        assert_eq!(threads.run(LONG, || 8).await.expect("an answer"), 8);
        assert!(was_done.try_recv().is_err(), "nobody was there for it");
    }

    #[actix_web::test]
    async fn a_panic_ends_one_job_and_no_thread() {
        let threads = Threads::start(1).expect("a thread");
        let failed = threads.run(LONG, || panic!("on purpose")).await;
        assert!(matches!(failed, Err::<(), _>(StoreError::Unavailable(_))));
        assert_eq!(threads.run(LONG, || 8).await.expect("an answer"), 8);
    }
}
