//! The trail of each order: kept in memory for some seconds, written in batches, and simplified for reading. What came
//! late is written before it is answered.
//!
//! A crash loses what was not written yet, which is no more than the line of some seconds.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::geo::Position;
use crate::domain::ids::{OrderId, PartnerId};
use crate::domain::order::Party;
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::domain::track::{Fix, MIN_LINE, simplify, stands_apart};
use crate::protocol::event::Event;
use crate::protocol::views::TrailPointView;
use crate::services::app::{App, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::services::orders;
use crate::store::StoreError;
use crate::store::positions as stored;
use crate::store::tracks::{self, TrackPoint};

use super::live::ABOUT;
use super::pass::{CLOCK_DOUBT, find_partners};
use super::positions::KEPT;

/// How many positions may wait: some 40 MB, and ten seconds' worth of what one core takes.
const CAPACITY: usize = 200_000;
/// The most rows in one transaction: others wait for it.
const BATCH: usize = 500;
/// Positions without an order are written so much less often than trails: who is without one says every 15 s where it is.
const POSITIONS_FLUSH: u32 = 3;
/// But no more seldom than this: what is not written yet is told to an instance that comes, if it is of
/// the last 30 s.
const POSITIONS_FLUSH_MOST: Duration = Duration::from_secs(20);
/// While the other instances can tell nothing, they are written and read this often: dispatch goes by them, and by nothing that
/// is older than a minute.
const POSITIONS_AWAY: Duration = Duration::from_secs(5);
/// So many that are refused are looked at while none is taken.
const REFUSED: usize = 100;
/// The most positions in one event.
const EVENT: usize = 200;
/// The most positions that are read of one trail: a day's, with one every two seconds.
const READ: i64 = 43_200;
/// A position that came late is judged by so many before it, and so many after it.
const AROUND: i64 = 3;
/// How far a trail may be from what was measured unless the caller says otherwise, metres.
const TOLERANCE: f64 = 5.0;
/// How many orders' trails are removed at once.
const PURGED: i64 = 100;
/// How many positions of partners.
const PURGED_POSITIONS: i64 = 1_000;

/// Positions that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Trails {
    waiting: Mutex<Vec<TrackPoint>>,
    size: AtomicUsize,
}

impl Trails {
    /// Keeps a position until it is written.
    pub(super) fn put(&self, point: TrackPoint) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(point);
        self.size.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there is no room: the database takes none.
    pub(super) fn is_full(&self) -> bool {
        self.size.load(Ordering::Relaxed) >= CAPACITY
    }

    fn take(&self) -> Vec<TrackPoint> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.size.store(0, Ordering::Relaxed);
        std::mem::take(&mut *waiting)
    }
}

/// Writes trails down every now and then, until `stop` resolves, and then once more.
pub async fn run_trails(app: App, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    loop {
        let is_over = tokio::select! {
            () = &mut stop => true,
            () = tokio::time::sleep(app.settings().trail_flush) => false,
        };
        if let Err(error) = flush(&app).await {
            log::warn!("trails wait: {error}");
        }
        if is_over {
            return;
        }
    }
}

/// Writes down, less often, where partners without an order are, until `stop` resolves, and then once more. Apart from
/// trails, which do not wait for it. While the other instances can tell nothing, reads what they write.
pub async fn run_positions(app: App, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let pause = POSITIONS_FLUSH_MOST.min(POSITIONS_FLUSH * app.settings().trail_flush);
    loop {
        let is_cut_off = app.groups().has_bridge() && app.groups().away().is_some();
        let pause = if is_cut_off { pause.min(POSITIONS_AWAY) } else { pause };
        let is_over = tokio::select! {
            () = &mut stop => true,
            () = tokio::time::sleep(pause) => false,
        };
        if let Err(error) = flush_positions(&app).await {
            log::warn!("positions of partners without an order wait: {error}");
        }
        if is_cut_off && let Err(error) = find_partners(&app).await {
            log::warn!("partners who report to other instances are not found: {error}");
        }
        if is_over {
            return;
        }
    }
}

/// Writes down the positions that wait.
///
/// # Errors
/// When the database fails; what was not written waits for the next time, but for what the database refuses while it takes
/// the rest.
pub async fn flush(app: &App) -> Result<(), ServiceError> {
    let mut points = app.tracking().trails.take();
    // In the order of their keys, as every instance does it, so that none waits for another that waits for it.
    points.sort_unstable_by_key(|point| (point.order_id, point.at));
    let (mut outcome, mut takes_some, mut refused) = (Ok(()), false, Vec::new());
    // The last is the next one.
    let mut batches: Vec<&[TrackPoint]> = points.rchunks(BATCH).collect();
    while let Some(batch) = batches.pop() {
        if outcome.is_ok() {
            let rows = batch.to_vec();
            outcome = app.write(move |tx| Ok(tracks::insert(tx.conn(), &rows)?)).await.map(drop);
        }
        match (&outcome, batch) {
            (Ok(()), _) => takes_some = true,
            (Err(error), [point]) if is_refusal(error) && (takes_some || refused.len() < REFUSED) => {
                refused.push((*point, error.to_string()));
                outcome = Ok(());
            }
            // Something in it is at fault, and must not keep the others: it is looked for by halves.
            (Err(error), [_, _, ..]) if is_refusal(error) => {
                let (one, other) = batch.split_at(batch.len() / 2);
                batches.extend([other, one]);
                outcome = Ok(());
            }
            (Err(_), _) => batch.iter().for_each(|point| app.tracking().trails.put(*point)),
        }
    }
    for (point, why) in refused {
        if takes_some {
            log::error!("a position of order {} is given up: {why}", point.order_id);
        } else {
            // It is not this one's fault, as far as can be told.
            app.tracking().trails.put(point);
            log::warn!("a position of order {} is refused: {why}", point.order_id);
        }
    }
    outcome
}

/// Writes down where partners are who want offers and are not under way, so that a server that starts finds them.
///
/// # Errors
/// When the database fails; what was not written waits for the next time.
async fn flush_positions(app: &App) -> Result<(), ServiceError> {
    let positions = app.tracking().positions();
    let (unwritten, mut outcome) = (positions.take_unwritten(), Ok(()));
    for batch in unwritten.chunks(BATCH) {
        if outcome.as_ref().is_err_and(|error| !is_refusal(error)) {
            // Each would wait as long for a database that is away.
            positions.put_back(batch);
            continue;
        }
        let mut rows = batch.to_vec();
        let written = app.write(move |tx| {
            // Where somebody is who wants none is nobody's business.
            let ids: Vec<PartnerId> = rows.iter().map(|seen| seen.partner_id).collect();
            let online = stored::online(tx.conn(), &ids)?;
            rows.retain(|seen| online.contains(&seen.partner_id));
            Ok(stored::put(tx.conn(), &rows)?)
        });
        if let Err(error) = written.await {
            positions.put_back(batch);
            outcome = Err(error);
        }
    }
    outcome
}

/// Whether the database can do its work, and does not take this.
fn is_refusal(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Store(StoreError::Query(_)))
}

/// Writes down positions that came late, and lets the watchers of their orders hear of them, the newest first; but for those
/// that have been `seen`, each as the dot.
///
/// # Errors
/// When the database fails; what was written by then is no harm to whoever sends all of it again.
pub(super) async fn fill(
    app: &App,
    mut late: Vec<TrackPoint>,
    seen: Vec<TrackPoint>,
) -> Result<(), ServiceError> {
    if !seen.is_empty() {
        let written = app.write(move |tx| {
            let seen = judged(tx, &seen)?;
            Ok(tracks::insert(tx.conn(), &seen)?)
        });
        written.await?;
    }
    late.sort_unstable_by_key(|point| (point.order_id, point.at));
    for batch in late.rchunks(BATCH) {
        let batch = batch.to_vec();
        app.write(move |tx| fill_in(tx, &batch)).await?;
    }
    Ok(())
}

fn fill_in(tx: &mut Tx<'_>, points: &[TrackPoint]) -> Result<(), ServiceError> {
    let mut order_ids: Vec<OrderId> = points.iter().map(|point| point.order_id).collect();
    order_ids.dedup();
    // Held, so that no step after which nobody is shown comes before what is told here.
    let shown = tracks::hold_shown(tx.conn(), &order_ids)?;
    let points = &judged(tx, points)?;
    let added: HashSet<(OrderId, Timestamp)> = tracks::insert(tx.conn(), points)?.into_iter().collect();
    let of_orders = points.chunk_by(|one, next| one.order_id == next.order_id);
    for (order_id, points) in order_ids.into_iter().zip(of_orders) {
        if !shown.contains_key(&order_id) {
            continue;
        }
        let is_news = |point: &&TrackPoint| !point.flagged && added.contains(&(order_id, point.at));
        let news: Vec<TrailPointView> = points.iter().rev().filter(is_news).map(view).collect();
        for points in news.chunks(EVENT) {
            tx.emit(&Event::TrailFilled { order_id, points: points.to_vec() });
        }
    }
    Ok(())
}

/// Marks those that are hardly known where better ones of about the same time are, and those that jump among what is there
/// already, where too few came together to tell that from themselves.
fn judged(tx: &mut Tx<'_>, points: &[TrackPoint]) -> Result<Vec<TrackPoint>, ServiceError> {
    let mut judged = Vec::with_capacity(points.len());
    for points in points.chunk_by(|one, next| one.order_id == next.order_id) {
        let sound: Vec<Fix> = points.iter().filter(|point| !point.flagged).map(fix).collect();
        for point in points {
            let (mut point, is_alone) = (*point, points.len() < MIN_LINE);
            let fix_of = fix(&point);
            if !point.flagged && fix_of.is_poor() {
                point.flagged = is_outdone(&fix_of, &sound);
            }
            if !point.flagged && (is_alone || fix_of.is_poor()) {
                let around = tracks::around(tx.conn(), point.order_id, point.at, AROUND)?;
                let around: Vec<Fix> = around.iter().map(fix).collect();
                point.flagged = is_alone && stands_apart(&fix_of, &around)
                    || fix_of.is_poor() && is_outdone(&fix_of, &around);
            }
            judged.push(point);
        }
    }
    Ok(judged)
}

fn fix(point: &TrackPoint) -> Fix {
    Fix { position: point.position, at: point.at, accuracy: point.accuracy }
}

/// Whether a better one than this poor one is among those, of about the same time.
fn is_outdone(poor: &Fix, others: &[Fix]) -> bool {
    let is_near = |other: &Fix| other.at.since(poor.at).max(poor.at.since(other.at)) <= ABOUT;
    others.iter().any(|other| !other.is_poor() && is_near(other))
}

fn view(point: &TrackPoint) -> TrailPointView {
    TrailPointView {
        latitude: point.position.latitude,
        longitude: point.position.longitude,
        timestamp: point.at,
        heading: point.heading,
        speed: point.speed,
        accuracy: point.accuracy,
    }
}

/// An order's trail: a GeoJSON Feature (RFC 7946).
#[derive(Debug, Serialize, ToSchema)]
pub struct TrackView {
    /// `Feature`.
    #[serde(rename = "type")]
    #[schema(pattern = "^Feature$")]
    kind: &'static str,
    /// The line; `null` while there are not two positions.
    geometry: Option<LineView>,
    /// What belongs to it.
    properties: TrackProperties,
}

/// A GeoJSON LineString.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineView {
    /// `LineString`.
    #[serde(rename = "type")]
    #[schema(pattern = "^LineString$")]
    kind: &'static str,
    /// Pairs of longitude and latitude, WGS 84 degrees, oldest first.
    #[schema(min_items = 2)]
    coordinates: Vec<[f64; 2]>,
}

/// What belongs to a trail.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrackProperties {
    /// Of which order.
    order_id: OrderId,
    /// When the partner was at each of the coordinates.
    times: Vec<Timestamp>,
    /// How many positions there were before those were left out that the line does not need.
    measured: usize,
    /// No position that was left out is further from the line, metres.
    tolerance: f64,
}

/// The trail of an order that `who` may see. A customer sees what lies between `en_route` and `delivered`.
///
/// # Errors
/// `Invalid` when the tolerance, metres, is not from 0 to 1,000; `NotFound`; the database's.
pub async fn track(
    app: &App,
    who: Principal,
    order_id: OrderId,
    tolerance: Option<f64>,
) -> Result<TrackView, ServiceError> {
    let tolerance = tolerance.unwrap_or(TOLERANCE);
    let mut checks = Checks::default();
    checks.number("tolerance", tolerance, 0.0..=1_000.0);
    checks.done()?;
    app.read(move |conn| {
        let (_, party) = orders::visible(conn, &who, order_id)?;
        let all = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
        let window = tracks::window(conn, order_id)?;
        let (from, until) = match (party, window) {
            // Nothing lies there.
            (Party::Customer, None) => (all.1, all.0),
            (Party::Customer, Some(window)) => {
                (window.from.before(CLOCK_DOUBT), window.until.unwrap_or(all.1))
            }
            (Party::Partner | Party::Admin | Party::System, _) => all,
        };
        let points = tracks::trail(conn, order_id, from, until, READ)?;
        // Here and not where sockets are served: a day's trail takes its time.
        Ok(TrackView::of(order_id, &points, tolerance))
    })
    .await
}

impl TrackView {
    fn of(order_id: OrderId, points: &[TrackPoint], tolerance: f64) -> Self {
        let line: Vec<Position> = points.iter().map(|point| point.position).collect();
        let kept: Vec<&TrackPoint> =
            simplify(&line, tolerance).into_iter().filter_map(|index| points.get(index)).collect();
        let coordinates: Vec<[f64; 2]> =
            kept.iter().map(|point| [point.position.longitude, point.position.latitude]).collect();
        Self {
            kind: "Feature",
            geometry: (coordinates.len() >= 2).then_some(LineView { kind: "LineString", coordinates }),
            properties: TrackProperties {
                order_id,
                times: kept.iter().map(|point| point.at).collect(),
                measured: points.len(),
                tolerance,
            },
        }
    }
}

/// Removes some trails of orders that were placed too long ago, and positions that nobody goes by any more; tells how many.
///
/// # Errors
/// When the database fails.
pub fn purge(tx: &mut Tx<'_>) -> Result<usize, ServiceError> {
    let (now, trail_keep) = (tx.now(), tx.settings().trail_keep);
    let trails = tracks::purge(tx.conn(), now.before(trail_keep), PURGED)?;
    Ok(trails + stored::purge(tx.conn(), now.before(KEPT), PURGED_POSITIONS)?)
}
