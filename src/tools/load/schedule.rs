//! When each message is due, and who sends it: an open loop, in which a slow answer delays nothing that is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::ledger::Order;

/// How long the pacer sleeps at most before it looks whether it is still wanted.
const NAP: Duration = Duration::from_millis(100);

/// The due times: message `n` at `n / rate` seconds after the first.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    rate: f64,
    /// How many in all.
    pub total: usize,
    /// How many of them are only for warming up: they must arrive, but their latency does not count.
    pub warmup: usize,
}

impl Schedule {
    /// `rate` messages a second (above zero), for the time of both.
    #[must_use]
    pub fn new(rate: f64, warmup: Duration, duration: Duration) -> Self {
        // A float turned into an integer saturates, so absurd settings give a large number and no wrong one.
        let count = |span: Duration| (span.as_secs_f64() * rate).ceil() as usize;
        Self { rate, total: count(warmup + duration), warmup: count(warmup) }
    }

    /// When `n` is due, after the first.
    #[must_use]
    pub fn due(&self, n: usize) -> Duration {
        Duration::from_secs_f64(n as f64 / self.rate)
    }
}

/// Messages that are sent one after another by the publishers that share the lane.
#[derive(Debug)]
pub struct Lane {
    /// One permit for each message that is due and not taken yet.
    due: Semaphore,
    /// The next to be claimed, counted in this lane.
    next: AtomicUsize,
}

/// Which lane a message goes by.
#[derive(Debug, Clone)]
pub struct Lanes {
    lanes: Arc<[Lane]>,
    publishers: usize,
    groups: usize,
    total: usize,
}

impl Lanes {
    /// Where the server numbers the messages, any publisher may take the next one, so there is one lane for all.
    /// Where the client's own number gives the order, a group's messages must leave one by one: each publisher
    /// has a lane, a group always goes by the same, and more publishers than groups would have nothing to do.
    #[must_use]
    pub fn new(order: Order, publishers: usize, groups: usize, total: usize) -> Self {
        let (lanes, publishers) = match order {
            Order::Seq => (1, publishers),
            Order::Number => (publishers.min(groups), publishers.min(groups)),
        };
        let lane = |_| Lane { due: Semaphore::new(0), next: AtomicUsize::new(0) };
        Self { lanes: (0..lanes.max(1)).map(lane).collect(), publishers, groups: groups.max(1), total }
    }

    /// How many publishers there is work for.
    #[must_use]
    pub fn publishers(&self) -> usize {
        self.publishers
    }

    fn of(&self, n: usize) -> usize {
        (n % self.groups) % self.lanes.len()
    }

    /// The next message for this publisher, as soon as it is due; `None` after its last.
    pub async fn take(&self, publisher: usize) -> Option<usize> {
        let at = publisher % self.lanes.len();
        let lane = self.lanes.get(at)?;
        let n = self.claim(at, lane)?;
        // The semaphore serves in the order of asking, so claims are honoured in turn.
        lane.due.acquire().await.ok()?.forget();
        Some(n)
    }

    fn claim(&self, at: usize, lane: &Lane) -> Option<usize> {
        let mut from = lane.next.load(Ordering::Relaxed);
        loop {
            let n = (from..self.total).find(|n| self.of(*n) == at)?;
            match lane.next.compare_exchange_weak(from, n + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(n),
                Err(now) => from = now,
            }
        }
    }

    fn release(&self, n: usize) {
        if let Some(lane) = self.lanes.get(self.of(n)) {
            lane.due.add_permits(1);
        }
    }
}

/// A thread that says when a message is due. The runtime's own timers have a resolution of a millisecond, which
/// would be charged to the server.
#[derive(Debug)]
pub struct Pacer {
    stop: Arc<AtomicBool>,
}

impl Pacer {
    /// Starts it; `start` is when message 0 is due.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(start: Instant, schedule: Schedule, lanes: Lanes) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::Builder::new().name("pacer".to_owned()).spawn(move || {
            for n in 0..schedule.total {
                let due = start + schedule.due(n);
                while let Some(left) =
                    due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
                {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    thread::sleep(left.min(NAP));
                }
                lanes.release(n);
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn due_times_are_even_and_do_not_drift() {
        let schedule = Schedule::new(30.0, Duration::from_secs(2), Duration::from_secs(10));
        assert_eq!((schedule.warmup, schedule.total), (60, 360));
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(300), Duration::from_secs(10));
        assert_eq!(Schedule::new(0.5, Duration::ZERO, Duration::from_secs(1)).total, 1);
    }

    #[test]
    fn with_one_lane_any_publisher_takes_the_next() {
        let lanes = Lanes::new(Order::Seq, 3, 2, 3);
        (0..3).for_each(|n| lanes.release(n));
        let taken: Vec<_> = (0..3).map(|publisher| lanes.take(publisher).now_or_never()).collect();
        assert_eq!(taken, [Some(Some(0)), Some(Some(1)), Some(Some(2))]);
        assert_eq!(lanes.take(0).now_or_never(), Some(None), "that was the last");
    }

    #[test]
    fn with_a_lane_each_a_group_keeps_to_one_publisher() {
        let lanes = Lanes::new(Order::Number, 2, 3, 7);
        (0..7).for_each(|n| lanes.release(n));
        // Groups 0 and 2 go by the first publisher, group 1 by the second.
        let taken = |publisher| -> Vec<usize> {
            std::iter::from_fn(|| lanes.take(publisher).now_or_never().flatten()).collect()
        };
        assert_eq!(taken(0), [0, 2, 3, 5, 6]);
        assert_eq!(taken(1), [1, 4]);
        assert_eq!(Lanes::new(Order::Number, 16, 3, 7).publishers(), 3);
        assert_eq!(Lanes::new(Order::Seq, 16, 3, 7).publishers(), 16);
    }

    #[test]
    fn nothing_is_taken_before_it_is_due() {
        let lanes = Lanes::new(Order::Seq, 1, 1, 2);
        let mut first = Box::pin(lanes.take(0));
        assert_eq!(first.as_mut().now_or_never(), None);
        lanes.release(0);
        assert_eq!(first.now_or_never(), Some(Some(0)));
    }

    #[test]
    fn the_pacer_releases_everything_in_its_time() {
        let lanes = Lanes::new(Order::Seq, 1, 1, 20);
        let schedule = Schedule::new(1000.0, Duration::ZERO, Duration::from_millis(20));
        let start = Instant::now();
        let _pacer = Pacer::start(start, schedule, lanes.clone()).expect("a thread");
        let taken = block_on(async {
            let mut taken = Vec::new();
            while let Some(n) = lanes.take(0).await {
                taken.push((n, start.elapsed() >= schedule.due(n)));
            }
            taken
        });
        assert_eq!(taken, (0..20).map(|n| (n, true)).collect::<Vec<_>>());
    }

    fn block_on<T>(task: impl Future<Output = T>) -> T {
        actix_web::rt::System::new().block_on(task)
    }
}
