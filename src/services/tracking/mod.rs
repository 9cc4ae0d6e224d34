//! Where partners are: taking their samples, showing them to those who may watch, and what follows from them.
//!
//! Samples are taken in batches ([`intake`]): whatever comes within some milliseconds is looked up in one query, so that
//! each is judged by what the database says, and none costs a query of its own.

mod arrivals;
mod cadence;
mod clocks;
mod intake;
mod live;
mod pass;
pub mod positions;
mod promises;
mod routing;
mod trail;

pub use cadence::now_asked;
pub use intake::Refused;
pub use live::LastSeen;
pub use pass::{recall, recall_partners, run};
pub use trail::{TrackView, flush, purge, run_positions, run_trails, track};

use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use utoipa::ToSchema;

use crate::domain::ids::OrderId;
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::client::LocationSample;
use crate::protocol::views::Freshness;

use super::app::{App, Reply};
use super::error::{Checks, FieldError, ServiceError};
use super::idempotency::Idempotency;

use cadence::Cadences;
use clocks::Clocks;
use intake::Intake;
use positions::Positions;
use routing::Routing;
use trail::Trails;

/// Older samples say nothing of where the partner is now; they fill the trail.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// Older ones are of no use at all.
const MAX_LATE: Duration = Duration::from_secs(24 * 3600);
/// How far a device's clock is off at most, as far as nothing is said of it: a sample that is older than the end of an order by
/// more was measured before that.
const MAX_SKEW: Duration = Duration::from_secs(10 * 60);
/// By how much a device's clock may be ahead.
const MAX_AHEAD: Duration = Duration::from_secs(5);
/// Within this time every partner's app says where it is, even one that spares its battery.
const SETTLING: Duration = Duration::from_secs(30);
/// The most samples in one call.
const MAX_UPLOAD: usize = 1_000;

/// What following partners needs to remember.
#[derive(Debug)]
pub struct Tracking {
    intake: Intake,
    trails: Trails,
    positions: Positions,
    cadences: Cadences,
    clocks: Clocks,
    routing: Option<Routing>,
    /// When this instance began, if some wanted offers then.
    began_at: OnceLock<Instant>,
}

impl Tracking {
    /// Nothing known yet. `routing` is a back end with OSRM's interface.
    #[must_use]
    pub fn new(routing: Option<&Url>) -> Self {
        Self {
            intake: Intake::default(),
            trails: Trails::default(),
            positions: Positions::default(),
            cadences: Cadences::default(),
            clocks: Clocks::default(),
            routing: routing.map(Routing::new),
            began_at: OnceLock::new(),
        }
    }

    fn settle(&self, at: Instant) {
        self.began_at.get_or_init(|| at);
    }

    /// Whether partners may be near of whom nothing can be known yet: those who want offers have not had the time to say
    /// where they are since this instance began.
    #[must_use]
    pub fn is_settling(&self, at: Instant) -> bool {
        self.began_at.get().is_some_and(|since| at.saturating_duration_since(*since) < SETTLING)
    }

    /// Notes that somebody watches these orders from another instance.
    pub(super) fn note_watched(&self, orders: Vec<OrderId>, at: Instant) {
        self.cadences.note_watched(orders, at);
    }

    /// Where partners are, for finding the nearest.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.positions
    }
}

/// Takes one sample of a partner's.
///
/// # Errors
/// `Invalid` when it is out of range, too old or from the future; `Conflict` with `no_active_order` when it names an
/// order that the partner is not under way with; `Limited`; `Overloaded`; the database's.
pub async fn locate(
    app: &App,
    who: Principal,
    samples: Vec<LocationSample>,
    sent_at: Option<Timestamp>,
) -> Result<(), ServiceError> {
    match ingest(app, who, samples, sent_at).await?.into_iter().next() {
        None => Ok(()),
        Some(Refused { reason, .. }) => Err(reason),
    }
}

/// Takes several samples of a partner's, in any order.
///
/// # Errors
/// `Conflict` with `points_refused` when some of them are, after the others were taken; `Limited`; `Overloaded`; the
/// database's.
pub async fn locate_all(
    app: &App,
    who: Principal,
    samples: Vec<LocationSample>,
    sent_at: Option<Timestamp>,
) -> Result<(), ServiceError> {
    let refused = ingest(app, who, samples, sent_at).await?;
    if refused.is_empty() {
        return Ok(());
    }
    let refused: Vec<RefusedPoint> = refused.iter().map(RefusedPoint::of).collect();
    let named: Vec<String> =
        refused.iter().map(|refused| format!("{} ({})", refused.index, refused.code)).collect();
    let detail = format!("Refused: {}.", named.join(", ")).into();
    let extra = [("refused".to_owned(), json!(refused))].into_iter().collect();
    Err(ServiceError::Conflict { code: "points_refused", detail, extra })
}

/// Samples as a partner's app uploads them.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// 1 to 1,000, in any order.
    #[schema(min_items = 1, max_items = 1000)]
    pub points: Vec<LocationSample>,
    /// The time by the device's clock when it sends this, set anew with each attempt: lets the server put right the times of
    /// a clock that is wrong.
    pub sent_at: Option<Timestamp>,
}

/// What became of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct Uploaded {
    /// How many were taken.
    pub accepted: usize,
    /// The others.
    pub refused: Vec<RefusedPoint>,
}

/// A sample that was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedPoint {
    /// Its place in `points`, from 0.
    pub index: usize,
    /// Why: `out_of_range`, `too_old`, `in_future` or `no_active_order`.
    pub code: String,
}

impl RefusedPoint {
    fn of(refused: &Refused) -> Self {
        Self { index: refused.index, code: refused.code() }
    }
}

/// Takes samples that a partner uploads; those that are refused do not keep the others.
///
/// # Errors
/// `Invalid` when there are none or too many; `Conflict` when the key came with other points; `Limited`;
/// `Overloaded`; the database's.
pub async fn upload(
    app: &App,
    who: Principal,
    upload: Upload,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let mut checks = Checks::default();
    checks.number("points", upload.points.len(), 1..=MAX_UPLOAD);
    checks.done()?;
    if let Some(reply) = app.find_reply(key.clone()).await? {
        return Ok(reply);
    }
    let count = upload.points.len();
    let refused = ingest(app, who, upload.points, upload.sent_at).await?;
    let refused: Vec<RefusedPoint> = refused.iter().map(RefusedPoint::of).collect();
    let uploaded = Uploaded { accepted: count - refused.len(), refused };
    app.keep_reply(key, 202, &uploaded).await
}

/// Takes samples, and gives those that are refused; counts all of them.
async fn ingest(
    app: &App,
    who: Principal,
    samples: Vec<LocationSample>,
    sent_at: Option<Timestamp>,
) -> Result<Vec<Refused>, ServiceError> {
    let now = Timestamp::now();
    let partner_id = who.partner_id.ok_or_else(|| {
        ServiceError::forbidden("role_not_allowed", "Only a user with the role partner may do this.")
    })?;
    let admitted = app.guard().admit_samples(partner_id, samples.len(), Instant::now());
    admitted.inspect_err(|error| count(app, error.code(), samples.len()))?;
    let skew = sent_at.map_or(0, |sent_at| app.tracking().clocks.skew(partner_id, sent_at, now));
    // It was not measured after it was sent, and nothing came before that.
    let newer_by =
        sent_at.map(|sent_at| now.as_millis().saturating_sub(sent_at.as_millis()).saturating_sub(skew));
    let (mut good, mut refused) = (Vec::with_capacity(samples.len()), Vec::new());
    let mut late = HashSet::new();
    for (index, sample) in samples.into_iter().enumerate() {
        let mut sample = sample.of_what_is_known();
        sample.timestamp = Timestamp::from_millis(sample.timestamp.as_millis().saturating_add(skew));
        match check(&sample, now) {
            Ok(()) => {
                if Freshness::of(now.since(sample.timestamp).as_secs()) != Freshness::Live {
                    late.insert(index);
                }
                good.push((index, sample));
            }
            Err(reason) => refused.push(Refused { index, reason }),
        }
    }
    refused.iter().for_each(|refused| count(app, &refused.code(), 1));
    if !good.is_empty() {
        let sent = good.len();
        let looked_at = app.tracking().intake.take(&app.tracking().trails, partner_id, good, newer_by).await;
        let unwanted = looked_at.inspect_err(|error| count(app, error.code(), sent))?;
        for refused in &unwanted {
            late.remove(&refused.index);
            count(app, &refused.code(), 1);
        }
        count(app, "late", late.len());
        count(app, "taken", sent.saturating_sub(unwanted.len() + late.len()));
        refused.extend(unwanted);
        refused.sort_by_key(|refused| refused.index);
    }
    Ok(refused)
}

fn count(app: &App, outcome: &str, samples: usize) {
    if samples > 0 {
        let samples = u64::try_from(samples).unwrap_or(u64::MAX);
        app.metrics().location_samples.with_label_values(&[outcome]).inc_by(samples);
    }
}

fn check(sample: &LocationSample, now: Timestamp) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    checks.position("", sample.latitude, sample.longitude);
    if sample.timestamp < now.before(MAX_LATE) {
        return Err(too_old());
    }
    if sample.timestamp > now.after(MAX_AHEAD) {
        checks.fail("timestamp", "in_future", "the sample is from the future");
    }
    let optional = [
        ("heading", sample.heading, 0.0..=360.0),
        ("speed", sample.speed, 0.0..=500.0),
        ("accuracy", sample.accuracy, 0.0..=100_000.0),
        ("battery", sample.battery, 0.0..=1.0),
    ];
    for (field, value, range) in optional {
        if let Some(value) = value {
            checks.number(field, value, range);
        }
    }
    checks.done()
}

fn too_old() -> ServiceError {
    let message = "expected a sample of the last 5 minutes, or of a time when an order was under way; of one that has \
                   ended since, with sent_at";
    ServiceError::Invalid(vec![FieldError::new("timestamp", "too_old", message)])
}

fn no_active_order() -> ServiceError {
    ServiceError::conflict("no_active_order", "The partner is not under way with such an order.")
}
