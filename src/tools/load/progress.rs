//! A line a second, on standard error, for whoever waits.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use actix_web::rt::time::interval;

use super::floor::Floor;
use super::meters::total;

/// The line; ends when dropped.
pub struct Progress(rt::task::JoinHandle<()>);

impl Progress {
    /// Starts it.
    #[must_use]
    pub fn start(floor: &Rc<Floor>, sessions: usize) -> Self {
        let floor = Rc::clone(floor);
        Self(rt::spawn(async move {
            let began = Instant::now();
            let mut ticks = interval(Duration::from_secs(1));
            // The first tick is at once.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                eprintln!("{:>5} s  {}", began.elapsed().as_secs(), line(&floor, sessions));
            }
        }))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn line(floor: &Floor, sessions: usize) -> String {
    let ledger = floor.ledger.borrow();
    let mut meters = floor.meters.borrow_mut();
    let line = format!(
        "sessions {}/{sessions} (lost {})  sent {}  accepted {}  received {}/{}  \
         last second: {} p50 {:.2} ms p99 {:.2} ms",
        meters.open,
        total(&meters.lost),
        meters.sent,
        meters.accepted,
        ledger.delivered(),
        ledger.expected(),
        meters.second.count(),
        meters.second.quantile_ms(0.5),
        meters.second.quantile_ms(0.99),
    );
    meters.second.clear();
    line
}
