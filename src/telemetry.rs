//! The figures that an operator watches, by their Prometheus names.
//!
//! One set a server, handed to whoever counts; there is no global.

mod window;

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily};
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

pub use window::Buckets;

/// All figures of one server.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Open WebSocket sessions, by the endpoint that they came in through.
    pub sessions: IntGaugeVec,
    /// Sessions that the server closed, by reason.
    pub sessions_closed: IntCounterVec,
    /// Handshakes, by outcome: `accepted` or the code of the refusal.
    pub handshakes: IntCounterVec,
    /// Group actors, by kind.
    pub groups: IntGaugeVec,
    /// Frames handed to sessions by groups.
    pub deliveries: IntCounter,
    /// Ephemeral frames that a newer one replaced before a slow session got to them.
    pub conflated: IntCounter,
    /// Members put out of a group because they do not keep up.
    pub slow_readers: IntCounter,
    /// From the moment that a frame was given to the groups until a session wrote it, seconds.
    pub publish_to_write: Histogram,
    /// Frames from clients, by type or by the code of the refusal.
    pub client_frames: IntCounterVec,
    /// Deadlines that were due, by kind and by what became of them: `done`, `overtaken`, `postponed` while somebody else held its
    /// order, `failed`.
    pub deadlines: IntCounterVec,
    /// Events published from the outbox.
    pub outbox_published: IntCounter,
    /// Rows in the outbox that wait to be published, at the last look.
    pub outbox_waiting: IntGauge,
    /// Passes of the outbox relay that failed.
    pub outbox_failures: IntCounter,
    /// Database jobs, seconds, by `read` or `write`, waiting included.
    pub database: HistogramVec,
    /// Database jobs that failed, by reason.
    pub database_failures: IntCounterVec,
    /// How many writes shared one commit (SQLite).
    pub commit_batch: Histogram,
    /// Jobs that wait for the database.
    pub database_queue: IntGauge,
    /// Whether Redis can be reached: 1 or 0; 0, too, where none is used.
    pub redis_up: IntGauge,
    /// By how much this machine's clock is ahead of the database's, seconds; 0 where the database is in this process.
    pub clock_offset: Gauge,
    /// 1 on the instance that publishes.
    pub outbox_lease: IntGauge,
    /// 1 while Redis does not take events.
    pub events_through_database: IntGauge,
    /// How often the link to Redis was lost.
    pub redis_losses: IntCounter,
    /// Commands that Redis refused or did not get.
    pub redis_failures: IntCounter,
    /// HTTP requests, seconds, by route, method and status.
    pub http: HistogramVec,
    /// Top-ups and pay-outs that the provider has not settled, by kind, at the last look.
    pub transfers_pending: IntGaugeVec,
    /// How old the oldest of these is, seconds, by kind, at the last look; 0 where there is none.
    pub transfers_oldest_pending: IntGaugeVec,
    /// Top-ups and pay-outs that have ended, by kind and outcome: `succeeded`, `failed`.
    pub transfers: IntCounterVec,
    /// What the provider answered when it was asked for a transfer, by kind and answer: the transfer's status, or `none`.
    pub provider_answers: IntCounterVec,
    /// What the provider told by itself, by outcome: `taken`, `repeated`, `passed_over`, or the code of the refusal.
    pub webhooks: IntCounterVec,
    /// Movements of money, by kind.
    pub movements: IntCounterVec,
    /// Pushes that were looked at, by what became of them: `sent`; `again` for those that are tried once more; `not_needed`, `overtaken`,
    /// `expired`, `gone` and `no_browser` for those that were not sent; `dead` for those that were given up.
    pub pushes: IntCounterVec,
    /// Notifications and messages that wait to be pushed, at the last look.
    pub pushes_waiting: IntGauge,
    /// How old the oldest message is that waits, seconds, at the last look.
    pub pushes_oldest: IntGauge,
    /// Messages that were given up and are kept, at the last look.
    pub pushes_dead: IntGauge,
    /// Samples of where partners are, by outcome: `taken`, `late`, or the code of the refusal.
    pub location_samples: IntCounterVec,
}

impl Metrics {
    /// A fresh set, all zero.
    ///
    /// # Errors
    /// When two figures have the same name, which a test rules out.
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new_custom(Some("waybill".into()), None)?;
        let fast = prometheus::exponential_buckets(0.000_025, 2.0, 20)?;
        let slow = prometheus::exponential_buckets(0.000_1, 2.0, 17)?;
        macro_rules! add {
            ($figure:expr) => {{
                let figure = $figure?;
                registry.register(Box::new(figure.clone()))?;
                figure
            }};
        }
        let opts = |name: &str, help: &str| Opts::new(name, help);
        let buckets = |name: &str, help: &str, buckets: &Vec<f64>| {
            HistogramOpts::new(name, help).buckets(buckets.clone())
        };
        Ok(Arc::new(Self {
            sessions: add!(IntGaugeVec::new(opts("sessions", "Open WebSocket sessions."), &["endpoint"])),
            sessions_closed: add!(IntCounterVec::new(
                opts("sessions_closed_total", "Sessions that the server closed."),
                &["reason"]
            )),
            handshakes: add!(IntCounterVec::new(
                opts("handshakes_total", "WebSocket handshakes."),
                &["outcome"]
            )),
            groups: add!(IntGaugeVec::new(opts("groups", "Group actors."), &["kind"])),
            deliveries: add!(IntCounter::new("deliveries_total", "Frames handed to sessions by groups.")),
            conflated: add!(IntCounter::new("conflated_total", "Ephemeral frames replaced by newer ones.")),
            slow_readers: add!(IntCounter::new(
                "slow_readers_total",
                "Members put out because they do not keep up."
            )),
            publish_to_write: add!(Histogram::with_opts(buckets(
                "publish_to_write_seconds",
                "From a frame being given to the groups until a session wrote it.",
                &fast
            ))),
            client_frames: add!(IntCounterVec::new(
                opts("client_frames_total", "Frames from clients."),
                &["type"]
            )),
            deadlines: add!(IntCounterVec::new(
                Opts::new("deadlines_total", "Deadlines that were due, by kind and outcome."),
                &["kind", "outcome"]
            )),
            outbox_published: add!(IntCounter::new(
                "outbox_published_total",
                "Events published from the outbox."
            )),
            outbox_waiting: add!(IntGauge::new("outbox_waiting", "Outbox rows that wait to be published.")),
            outbox_failures: add!(IntCounter::new(
                "outbox_failures_total",
                "Failed passes of the outbox relay."
            )),
            database: add!(HistogramVec::new(
                buckets("database_seconds", "Database jobs, waiting included.", &slow),
                &["kind"]
            )),
            database_failures: add!(IntCounterVec::new(
                opts("database_failures_total", "Database jobs that failed."),
                &["reason"]
            )),
            commit_batch: add!(Histogram::with_opts(buckets(
                "commit_batch_writes",
                "How many writes shared one commit.",
                &prometheus::exponential_buckets(1.0, 2.0, 9)?
            ))),
            database_queue: add!(IntGauge::new("database_queue", "Jobs that wait for the database.")),
            clock_offset: add!(Gauge::new(
                "clock_offset_seconds",
                "By how much the clock of this instance is ahead of the database's."
            )),
            outbox_lease: add!(IntGauge::new(
                "outbox_lease",
                "Whether this instance takes events out of the outbox."
            )),
            events_through_database: add!(IntGauge::new(
                "events_through_database",
                "Whether events reach sessions through the database, since Redis does not take them."
            )),
            redis_up: add!(IntGauge::new("redis_up", "Whether Redis can be reached.")),
            redis_losses: add!(IntCounter::new("redis_losses_total", "Losses of the link to Redis.")),
            redis_failures: add!(IntCounter::new(
                "redis_failures_total",
                "Commands that Redis refused or did not get."
            )),
            http: add!(HistogramVec::new(
                buckets("http_request_seconds", "HTTP requests.", &slow),
                &["route", "method", "status"]
            )),
            transfers_pending: add!(IntGaugeVec::new(
                opts("transfers_pending", "Top-ups and pay-outs that the provider has not settled."),
                &["kind"]
            )),
            transfers_oldest_pending: add!(IntGaugeVec::new(
                opts("transfers_oldest_pending_seconds", "Age of the oldest transfer that is pending."),
                &["kind"]
            )),
            transfers: add!(IntCounterVec::new(
                opts("transfers_total", "Top-ups and pay-outs that have ended, by outcome."),
                &["kind", "outcome"]
            )),
            provider_answers: add!(IntCounterVec::new(
                opts("provider_answers_total", "What the payment provider answered when it was asked."),
                &["kind", "answer"]
            )),
            webhooks: add!(IntCounterVec::new(
                opts("webhooks_total", "What the payment provider told by itself, by outcome."),
                &["outcome"]
            )),
            movements: add!(IntCounterVec::new(opts("movements_total", "Movements of money."), &["kind"])),
            pushes: add!(IntCounterVec::new(
                opts("pushes_total", "Browser pushes, by what became of them."),
                &["outcome"]
            )),
            pushes_waiting: add!(IntGauge::new("pushes_waiting", "Browser pushes that wait.")),
            pushes_oldest: add!(IntGauge::new(
                "pushes_oldest_seconds",
                "Age of the oldest browser push that waits."
            )),
            pushes_dead: add!(IntGauge::new(
                "pushes_dead",
                "Browser pushes that were given up and are kept."
            )),
            location_samples: add!(IntCounterVec::new(
                opts("location_samples_total", "Samples of where partners are, by outcome."),
                &["outcome"]
            )),
            registry,
        }))
    }

    /// Open WebSocket sessions, whatever the endpoint.
    #[must_use]
    pub fn sessions_in_all(&self) -> i64 {
        sum(&self.sessions.collect(), |metric| metric.get_gauge().get_value()) as i64
    }

    /// Group actors of all kinds.
    #[must_use]
    pub fn groups_in_all(&self) -> i64 {
        sum(&self.groups.collect(), |metric| metric.get_gauge().get_value()) as i64
    }

    /// Database jobs that failed, for whatever reason.
    #[must_use]
    pub fn database_failures_in_all(&self) -> u64 {
        sum(&self.database_failures.collect(), |metric| metric.get_counter().get_value()) as u64
    }

    /// All figures in Prometheus' text format (version 0.0.4).
    ///
    /// # Errors
    /// When a figure cannot be encoded.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// What the members of families come to together.
fn sum(families: &[MetricFamily], value: impl Fn(&Metric) -> f64) -> f64 {
    families.iter().flat_map(MetricFamily::get_metric).map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_name_of_its_own_and_shows() {
        let metrics = Metrics::new().expect("no name twice");
        metrics.deliveries.inc_by(3);
        let text = String::from_utf8(metrics.render().expect("renders")).expect("UTF-8");
        assert!(text.contains("waybill_deliveries_total 3"), "{text}");
    }
}
