//! What is measured while a run goes on, beside the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest latency told apart, microseconds: ten minutes. What is longer counts as this.
const LONGEST: u64 = 600_000_000;

/// Latencies, to the microsecond and three significant digits.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    ///
    /// # Errors
    /// Never, as the bounds are fixed ones that fit.
    pub fn new() -> std::io::Result<Self> {
        Histogram::new_with_bounds(1, LONGEST, 3).map(Self).map_err(std::io::Error::other)
    }

    /// One more.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// Milliseconds below which this share (0 to 1) of them lies.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        // The upper end of a bucket may lie above the largest value recorded, so it is capped by that.
        millis(self.0.value_at_quantile(share).min(self.0.max()))
    }

    /// The usual summary.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.count(),
            p50_ms: self.quantile_ms(0.5),
            p90_ms: self.quantile_ms(0.9),
            p99_ms: self.quantile_ms(0.99),
            p999_ms: self.quantile_ms(0.999),
            max_ms: millis(self.0.max()),
        }
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// A distribution in short; all zero when there is nothing in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many values.
    pub count: u64,
    /// Median, milliseconds.
    pub p50_ms: f64,
    /// 90th percentile, milliseconds.
    pub p90_ms: f64,
    /// 99th percentile, milliseconds.
    pub p99_ms: f64,
    /// 99.9th percentile, milliseconds.
    pub p999_ms: f64,
    /// Largest, milliseconds.
    pub max_ms: f64,
}

/// Counts by a name, such as a status or a reason.
pub type Counts = BTreeMap<String, u64>;

/// All that is measured.
#[derive(Debug)]
pub struct Meters {
    /// From connecting to the server's 101.
    pub handshake: Latencies,
    /// From connecting to the answer to the subscription.
    pub join: Latencies,
    /// From when a message was due to when its request was sent.
    pub lag: Latencies,
    /// From when a request was sent to its answer.
    pub answer: Latencies,
    /// From when a message was due to its arrival at a session; without the warm-up.
    pub delivery: Latencies,
    /// The same for the second that is running, warm-up included.
    pub second: Latencies,
    /// Sessions open now.
    pub open: usize,
    /// Sessions that could not be opened, by reason.
    pub unopened: Counts,
    /// Sessions that ended before their time, by reason.
    pub lost: Counts,
    /// Requests sent.
    pub sent: u64,
    /// Answered with success.
    pub accepted: u64,
    /// Answered otherwise, by status.
    pub refused: Counts,
    /// Not answered, by reason: whether these messages come is not known.
    pub unanswered: Counts,
    /// `error` frames after the subscription, by code and message.
    pub errors: Counts,
    /// `resync` frames.
    pub resyncs: u64,
    /// Text frames that could not be read.
    pub unreadable: u64,
    /// When the last measured message arrived, after the first message was due.
    pub last_arrival: Duration,
}

impl Meters {
    /// All at zero.
    ///
    /// # Errors
    /// As [`Latencies::new`].
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            handshake: Latencies::new()?,
            join: Latencies::new()?,
            lag: Latencies::new()?,
            answer: Latencies::new()?,
            delivery: Latencies::new()?,
            second: Latencies::new()?,
            open: 0,
            unopened: Counts::new(),
            lost: Counts::new(),
            sent: 0,
            accepted: 0,
            refused: Counts::new(),
            unanswered: Counts::new(),
            errors: Counts::new(),
            resyncs: 0,
            unreadable: 0,
            last_arrival: Duration::ZERO,
        })
    }
}

/// Most names that are counted apart, so that a server that puts an id into every reason fills no memory.
const NAMES: usize = 32;

/// Adds one to what is counted by `name`.
pub fn count(counts: &mut Counts, name: impl Into<String>) {
    let name = name.into();
    let name = if counts.len() < NAMES || counts.contains_key(&name) { name } else { "other".to_owned() };
    *counts.entry(name).or_default() += 1;
}

/// All of them together.
#[must_use]
pub fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_milliseconds() {
        let mut latencies = Latencies::new().expect("bounds fit");
        assert_eq!(latencies.quantiles(), Quantiles::default());
        for ms in 1..=1000 {
            latencies.record(Duration::from_millis(ms));
        }
        let found = latencies.quantiles();
        assert_eq!(found.count, 1000);
        for (quantile, ms) in
            [(found.p50_ms, 500.0), (found.p90_ms, 900.0), (found.p99_ms, 990.0), (found.max_ms, 1000.0)]
        {
            assert!((quantile - ms).abs() <= ms / 500.0, "{quantile} is not about {ms}");
        }
    }

    #[test]
    fn extremes_are_kept_in_bounds() {
        let mut latencies = Latencies::new().expect("bounds fit");
        latencies.record(Duration::ZERO);
        latencies.record(Duration::from_secs(100_000));
        assert_eq!(latencies.count(), 2);
        assert!(latencies.quantiles().max_ms >= 600_000.0);
        latencies.clear();
        assert_eq!(latencies.count(), 0);
    }

    #[test]
    fn reasons_without_end_are_lumped_together() {
        let mut counts = Counts::new();
        (0..100).for_each(|n| count(&mut counts, format!("reason {n}")));
        count(&mut counts, "reason 0");
        assert_eq!(counts.get("reason 0"), Some(&2));
        assert!(counts.len() <= NAMES + 1);
        assert_eq!(total(&counts), 101);
    }
}
