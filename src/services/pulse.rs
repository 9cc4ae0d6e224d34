//! Signs of life of the loops in the background, for readiness to look at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The last sign of life of a loop.
#[derive(Debug)]
pub struct Pulse {
    begin: Instant,
    /// Milliseconds from `begin` to the last beat.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { begin: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// The loop is alive.
    pub fn beat(&self) {
        let millis = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Release);
    }

    /// How long ago the last beat was, or the start when there was none.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.begin.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Acquire)))
    }
}
