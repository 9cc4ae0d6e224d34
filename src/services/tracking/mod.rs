//! Where partners are: taking their samples, showing them to those who may watch, and what follows from them.
//!
//! Samples are taken in batches ([`intake`]): whatever comes within some milliseconds is looked up in one query, so that
//! each is judged by what the database says, and none costs a query of its own.

mod arrivals;
mod cadence;
mod intake;
mod live;
mod pass;
pub mod positions;
mod promises;
mod routing;
mod trail;

pub use intake::Refused;
pub use live::LastSeen;
pub use pass::run;
pub use trail::{TrackView, flush, purge, run_trails, track};

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::client::LocationSample;

use super::app::{App, Reply};
use super::error::{Checks, FieldError, ServiceError};
use super::idempotency::Idempotency;

use cadence::Cadences;
use intake::Intake;
use positions::Positions;
use routing::Routing;
use trail::Trails;

/// Older samples say nothing of where the partner is now; they fill the trail.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// Older ones are of no use at all.
const MAX_LATE: Duration = Duration::from_secs(24 * 3600);
/// By how much a device's clock may be ahead.
const MAX_AHEAD: Duration = Duration::from_secs(5);
/// What is less may as well be the way from the device to here.
const MIN_SKEW: u64 = 2;
/// The most samples in one call.
const MAX_UPLOAD: usize = 1_000;

/// What following partners needs to remember.
#[derive(Debug)]
pub struct Tracking {
    intake: Intake,
    trails: Trails,
    positions: Positions,
    cadences: Cadences,
    routing: Option<Routing>,
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
            routing: routing.map(Routing::new),
        }
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
/// order that the partner is not under way with; `Overloaded`; the database's.
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
/// `Conflict` with `points_refused` when some of them are, after the others were taken; `Overloaded`; the database's.
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
    let named: Vec<String> =
        refused.iter().map(|refused| format!("{} ({})", refused.index, refused.code())).collect();
    Err(ServiceError::conflict("points_refused", format!("Refused: {}.", named.join(", "))))
}

/// Samples as a partner's app uploads them.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// 1 to 1,000, in any order.
    #[schema(min_items = 1, max_items = 1000)]
    pub points: Vec<LocationSample>,
    /// The time by the device's clock when it sends this: lets the server put right the times of a clock that is wrong.
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

/// Takes samples that a partner uploads; those that are refused do not keep the others.
///
/// # Errors
/// `Invalid` when there are none or too many; `Conflict` when the key came with another request; `Overloaded`; the
/// database's.
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
    let refused: Vec<RefusedPoint> = refused
        .into_iter()
        .map(|refused| RefusedPoint { index: refused.index, code: refused.code() })
        .collect();
    let uploaded = Uploaded { accepted: count - refused.len(), refused };
    app.keep_reply(key, 202, &uploaded).await
}

/// Takes samples, and gives those that are refused.
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
    let (mut good, mut refused) = (Vec::with_capacity(samples.len()), Vec::new());
    for (index, mut sample) in samples.into_iter().enumerate() {
        sample.timestamp = put_right(sample.timestamp, sent_at, now);
        match check(&sample, now) {
            Ok(()) => good.push((index, sample)),
            Err(reason) => refused.push(Refused { index, reason }),
        }
    }
    if !good.is_empty() {
        refused.extend(app.tracking().intake.take(&app.tracking().trails, partner_id, good).await?);
        refused.sort_by_key(|refused| refused.index);
    }
    Ok(refused)
}

/// The time that a clock which shows `sent_at` when it is `now` should have shown. By whole seconds, so that what is sent
/// again is put right in the same way.
fn put_right(at: Timestamp, sent_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let Some(sent_at) = sent_at else { return at };
    let whole = |span: Duration| Duration::from_secs((span + Duration::from_millis(500)).as_secs());
    let (behind, ahead) = (whole(now.since(sent_at)), whole(sent_at.since(now)));
    if behind.max(ahead).as_secs() <= MIN_SKEW { at } else { at.after(behind).before(ahead) }
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
    let message = "expected a sample of the last 5 minutes, or of a time when the order was under way";
    ServiceError::Invalid(vec![FieldError::new("timestamp", "too_old", message)])
}

fn no_active_order() -> ServiceError {
    ServiceError::conflict("no_active_order", "The partner is not under way with such an order.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_clock_that_is_wrong_is_put_right_and_one_that_is_nearly_right_is_left_alone() {
        let now = at(10_000);
        assert_eq!(put_right(at(9_990), None, now), at(9_990));
        assert_eq!(put_right(at(9_990), Some(at(9_998)), now), at(9_990), "that may be the way");
        assert_eq!(put_right(at(9_390), Some(at(9_400)), now), at(9_990), "ten minutes behind");
        assert_eq!(put_right(at(10_590), Some(at(10_600)), now), at(9_990), "ten minutes ahead");
        assert_eq!(put_right(at(-10), Some(at(0)), now), at(9_990), "it never was set");
    }

    #[test]
    fn what_is_sent_again_is_put_right_in_the_same_way() {
        let sent = |now: i64| put_right(at(9_390), Some(at(9_400)), Timestamp::from_millis(now));
        assert_eq!(sent(10_000_100), sent(10_000_300));
    }
}
