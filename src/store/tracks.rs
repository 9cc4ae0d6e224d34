//! Rows of trails: where partners were while under way with orders.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Nullable, Text};

use crate::domain::geo::Position;
use crate::domain::ids::{OrderId, PartnerId};
use crate::domain::order::OrderStatus;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::marks;
use super::read::{id, parsed};
use super::schema::{order_steps, orders, track_points};
use super::statement::Statement;

/// How many ids one query names.
const IDS: usize = 500;
/// Statements with so many rows each: few texts, and few round trips.
const ROWS: [usize; 3] = [128, 16, 1];

/// An order that its partner is under way with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnderWay {
    /// Which.
    pub order_id: OrderId,
    /// With whom.
    pub partner_id: PartnerId,
    /// Where it stands: one that shows where its partner is.
    pub status: OrderStatus,
    /// Since its step to `en_route`: where its partner was before is nobody's business.
    pub since: Timestamp,
    /// Where the goods are.
    pub pickup: Position,
    /// Where they go.
    pub dropoff: Position,
}

/// The statuses in which the watchers of an order may see where its partner is.
fn shown() -> Vec<&'static str> {
    OrderStatus::ALL.into_iter().filter(|status| status.shows_location()).map(OrderStatus::as_str).collect()
}

/// The orders that these partners are under way with.
///
/// # Errors
/// When the database fails.
pub fn under_way(conn: &mut Conn, partners: &[PartnerId]) -> Result<Vec<UnderWay>, StoreError> {
    load_under_way(conn, Of::Partners(partners))
}

/// Those of these orders that are under way.
///
/// # Errors
/// When the database fails.
pub fn still_under_way(conn: &mut Conn, order_ids: &[OrderId]) -> Result<Vec<UnderWay>, StoreError> {
    load_under_way(conn, Of::Orders(order_ids))
}

/// Which orders are asked for.
#[derive(Clone, Copy)]
enum Of<'a> {
    Partners(&'a [PartnerId]),
    Orders(&'a [OrderId]),
}

fn load_under_way(conn: &mut Conn, of: Of<'_>) -> Result<Vec<UnderWay>, StoreError> {
    type Row = (String, Option<String>, String, i64, (f64, f64), (f64, f64));
    let ids: Vec<String> = match of {
        Of::Partners(partners) => partners.iter().map(PartnerId::to_string).collect(),
        Of::Orders(order_ids) => order_ids.iter().map(OrderId::to_string).collect(),
    };
    let mut found = Vec::new();
    for ids in ids.chunks(IDS) {
        let query = orders::table
            .inner_join(order_steps::table.on(order_steps::order_id.eq(orders::id)))
            .filter(orders::status.eq_any(shown()))
            .filter(order_steps::to_status.eq(OrderStatus::EnRoute.as_str()))
            .select((
                orders::id,
                orders::partner_id,
                orders::status,
                order_steps::at,
                (orders::pickup_latitude, orders::pickup_longitude),
                (orders::dropoff_latitude, orders::dropoff_longitude),
            ))
            .into_boxed();
        let query = match of {
            Of::Partners(_) => query.filter(orders::partner_id.eq_any(ids)),
            Of::Orders(_) => query.filter(orders::id.eq_any(ids)),
        };
        let rows: Vec<Row> = query.load(conn)?;
        for (order_id, partner_id, status, since, pickup, dropoff) in rows {
            let position = |(latitude, longitude)| Position { latitude, longitude };
            found.push(UnderWay {
                order_id: id("orders.id", &order_id)?,
                partner_id: id("orders.partner_id", &partner_id.unwrap_or_default())?,
                status: parsed("orders.status", &status)?,
                since: Timestamp::from_millis(since),
                pickup: position(pickup),
                dropoff: position(dropoff),
            });
        }
    }
    Ok(found)
}

/// Those of these orders that partners have in hand, and who.
///
/// # Errors
/// When the database fails.
pub fn in_hand(conn: &mut Conn, order_ids: &[OrderId]) -> Result<HashSet<(PartnerId, OrderId)>, StoreError> {
    let in_hand = OrderStatus::ALL.into_iter().filter(|status| status.is_in_hand());
    let in_hand: Vec<&str> = in_hand.map(OrderStatus::as_str).collect();
    let mut found = HashSet::new();
    for order_ids in order_ids.chunks(IDS) {
        let rows: Vec<(Option<String>, String)> = orders::table
            .filter(orders::id.eq_any(order_ids.iter().map(OrderId::to_string)))
            .filter(orders::status.eq_any(&in_hand))
            .select((orders::partner_id, orders::id))
            .load(conn)?;
        for (partner_id, order_id) in rows {
            let partner_id = id("orders.partner_id", &partner_id.unwrap_or_default())?;
            found.insert((partner_id, id("orders.id", &order_id)?));
        }
    }
    Ok(found)
}

/// Every order that is under way, with the last position of its trail that does not jump, if that is not older than
/// `since`.
///
/// # Errors
/// When the database fails.
pub fn last_points(conn: &mut Conn, since: Timestamp) -> Result<Vec<(UnderWay, TrackPoint)>, StoreError> {
    #[derive(QueryableByName)]
    struct Last {
        #[diesel(sql_type = Text)]
        order_id: String,
        #[diesel(sql_type = BigInt)]
        at: i64,
        #[diesel(sql_type = Double)]
        latitude: f64,
        #[diesel(sql_type = Double)]
        longitude: f64,
        #[diesel(sql_type = Nullable<Double>)]
        accuracy: Option<f64>,
        #[diesel(sql_type = Nullable<Double>)]
        speed: Option<f64>,
        #[diesel(sql_type = Nullable<Double>)]
        heading: Option<f64>,
    }
    // The primary key leads to the last one of each order; a maximum would have the whole trail read.
    let text = format!(
        "SELECT points.order_id, points.at, latitude, longitude, accuracy, speed, heading FROM orders \
         JOIN track_points points ON points.order_id = orders.id AND points.at = (SELECT last.at FROM track_points last \
         WHERE last.order_id = orders.id AND NOT last.flagged ORDER BY last.at DESC LIMIT 1) \
         WHERE points.at >= ? AND orders.status IN ('{}')",
        shown().join("', '")
    );
    let mut points = HashMap::new();
    for last in Statement::new(text).bigint(since.as_millis()).load::<Last>(conn)? {
        let order_id = id("track_points.order_id", &last.order_id)?;
        let point = TrackPoint {
            order_id,
            at: Timestamp::from_millis(last.at),
            position: Position { latitude: last.latitude, longitude: last.longitude },
            accuracy: last.accuracy,
            speed: last.speed,
            heading: last.heading,
            flagged: false,
        };
        points.insert(order_id, point);
    }
    let order_ids: Vec<OrderId> = points.keys().copied().collect();
    let orders = still_under_way(conn, &order_ids)?;
    Ok(orders.into_iter().filter_map(|order| Some((order, points.remove(&order.order_id)?))).collect())
}

/// Which of these orders show where their partners are, and in which status they do.
///
/// # Errors
/// When the database fails.
pub fn still_shown(
    conn: &mut Conn,
    order_ids: &[OrderId],
) -> Result<HashMap<OrderId, OrderStatus>, StoreError> {
    let mut found = HashMap::new();
    for order_ids in order_ids.chunks(IDS) {
        let rows: Vec<(String, String)> = orders::table
            .filter(orders::id.eq_any(order_ids.iter().map(OrderId::to_string)))
            .filter(orders::status.eq_any(shown()))
            .select((orders::id, orders::status))
            .load(conn)?;
        for (order_id, status) in rows {
            found.insert(id("orders.id", &order_id)?, parsed("orders.status", &status)?);
        }
    }
    Ok(found)
}

/// As [`still_shown`], and none of these orders takes a step until the transaction ends. To be given in the order of their
/// ids, so that no two transactions wait for each other.
///
/// # Errors
/// When the database fails.
pub fn hold_shown(
    conn: &mut Conn,
    order_ids: &[OrderId],
) -> Result<HashMap<OrderId, OrderStatus>, StoreError> {
    match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => {}
        Conn::Postgres(_) => {
            for order_id in order_ids {
                let hold = Statement::new("SELECT 1 FROM orders WHERE id = ? FOR SHARE");
                hold.text(order_id.to_string()).execute(conn)?;
            }
        }
    }
    still_shown(conn, order_ids)
}

/// When a partner was under way with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// With which.
    pub order_id: OrderId,
    /// Who.
    pub partner_id: PartnerId,
    /// From then on.
    pub from: Timestamp,
    /// Until then; none while it goes on.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether it holds a time.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at <= until)
    }
}

/// When these partners were under way with which orders, those left out that ended before `since`.
///
/// # Errors
/// When the database fails.
pub fn windows(conn: &mut Conn, partners: &[PartnerId], since: Timestamp) -> Result<Vec<Window>, StoreError> {
    let mut found = Vec::new();
    for partners in partners.chunks(IDS) {
        let of_partners = orders::table
            .inner_join(order_steps::table.on(order_steps::order_id.eq(orders::id)))
            .filter(orders::partner_id.eq_any(partners.iter().map(PartnerId::to_string)))
            .filter(orders::status.eq_any(shown()).or(orders::updated_at.ge(since.as_millis())));
        found.extend(gather(
            of_partners
                .select((orders::id, orders::partner_id, order_steps::to_status, order_steps::at))
                .load(conn)?,
        )?);
    }
    Ok(found)
}

/// When the partner of an order was under way with it, if that was ever so.
///
/// # Errors
/// When the database fails.
pub fn window(conn: &mut Conn, order_id: OrderId) -> Result<Option<Window>, StoreError> {
    let steps = orders::table
        .inner_join(order_steps::table.on(order_steps::order_id.eq(orders::id)))
        .filter(orders::id.eq(order_id.to_string()))
        .select((orders::id, orders::partner_id, order_steps::to_status, order_steps::at))
        .load(conn)?;
    Ok(gather(steps)?.pop())
}

/// An order is under way from its step to `en_route`, before which it may be given back, to the first step after which
/// it is not.
fn gather(steps: Vec<(String, Option<String>, String, i64)>) -> Result<Vec<Window>, StoreError> {
    let mut windows = HashMap::<String, (Option<String>, Option<i64>, Option<i64>)>::new();
    for (order_id, partner_id, to, at) in steps {
        let status: OrderStatus = parsed("order_steps.to_status", &to)?;
        let (partner, from, until) = windows.entry(order_id).or_insert((partner_id, None, None));
        if status == OrderStatus::EnRoute {
            *from = Some(at);
        } else if (status.is_end() || status == OrderStatus::Delivered) && partner.is_some() {
            *until = Some(until.map_or(at, |until: i64| until.min(at)));
        }
    }
    let mut found = Vec::new();
    for (order_id, window) in windows {
        // One that was called off before it was under way has an end alone.
        if let (Some(partner_id), Some(from), until) = window {
            found.push(Window {
                order_id: id("orders.id", &order_id)?,
                partner_id: id("orders.partner_id", &partner_id)?,
                from: Timestamp::from_millis(from),
                until: until.map(Timestamp::from_millis),
            });
        }
    }
    Ok(found)
}

/// A position in an order's trail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackPoint {
    /// Of which order.
    pub order_id: OrderId,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub position: Position,
    /// Radius of the 68 % confidence circle, metres.
    pub accuracy: Option<f64>,
    /// Metres per second.
    pub speed: Option<f64>,
    /// Degrees clockwise from north.
    pub heading: Option<f64>,
    /// It jumps faster than anybody can.
    pub flagged: bool,
}

/// Adds positions to their orders' trails. Those that are there already stay as they are; gives the others, in no order,
/// as pairs of order and time.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, points: &[TrackPoint]) -> Result<Vec<(OrderId, Timestamp)>, StoreError> {
    #[derive(QueryableByName)]
    struct Added {
        #[diesel(sql_type = Text)]
        order_id: String,
        #[diesel(sql_type = BigInt)]
        at: i64,
    }
    let (mut added, mut rest) = (Vec::new(), points);
    for size in ROWS {
        while let Some((rows, after)) = rest.split_at_checked(size) {
            rest = after;
            let statement = rows.iter().fold(Statement::new(inserting(size)), |statement, point| {
                statement
                    .text(point.order_id.to_string())
                    .bigint(point.at.as_millis())
                    .double(point.position.latitude)
                    .double(point.position.longitude)
                    .double(point.accuracy)
                    .double(point.speed)
                    .double(point.heading)
                    .boolean(point.flagged)
            });
            for Added { order_id, at } in statement.load::<Added>(conn)? {
                added.push((id("track_points.order_id", &order_id)?, Timestamp::from_millis(at)));
            }
            if rest.is_empty() {
                break;
            }
        }
    }
    Ok(added)
}

fn inserting(rows: usize) -> Cow<'static, str> {
    let row = ["(?, ?, ?, ?, ?, ?, ?, ?)"];
    let rows = row.repeat(rows).join(", ");
    format!(
        "INSERT INTO track_points (order_id, at, latitude, longitude, accuracy, speed, heading, flagged) \
         VALUES {rows} ON CONFLICT (order_id, at) DO NOTHING RETURNING order_id, at"
    )
    .into()
}

/// An order's trail without what jumps, oldest position first, of these times: at most `limit`, the latest.
///
/// # Errors
/// When the database fails.
pub fn trail(
    conn: &mut Conn,
    order_id: OrderId,
    from: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<TrackPoint>, StoreError> {
    let rows: Vec<PointRow> = track_points::table
        .filter(track_points::order_id.eq(order_id.to_string()))
        .filter(track_points::at.between(from.as_millis(), until.as_millis()))
        .filter(track_points::flagged.eq(false))
        .order(track_points::at.desc())
        .limit(limit)
        .select(POINT)
        .load(conn)?;
    Ok(rows.into_iter().rev().map(|row| point(order_id, row)).collect())
}

/// What does not jump of an order's trail just before and just after a time: at most `limit` positions each.
///
/// # Errors
/// When the database fails.
pub fn around(
    conn: &mut Conn,
    order_id: OrderId,
    at: Timestamp,
    limit: i64,
) -> Result<Vec<TrackPoint>, StoreError> {
    let sound = || {
        track_points::table
            .filter(track_points::order_id.eq(order_id.to_string()))
            .filter(track_points::flagged.eq(false))
            .limit(limit)
            .select(POINT)
    };
    let before = sound().filter(track_points::at.lt(at.as_millis())).order(track_points::at.desc());
    let mut rows: Vec<PointRow> = before.load(conn)?;
    let after = sound().filter(track_points::at.gt(at.as_millis())).order(track_points::at.asc());
    rows.extend(after.load::<PointRow>(conn)?);
    Ok(rows.into_iter().map(|row| point(order_id, row)).collect())
}

type PointRow = (i64, f64, f64, Option<f64>, Option<f64>, Option<f64>);

const POINT: (
    track_points::at,
    track_points::latitude,
    track_points::longitude,
    track_points::accuracy,
    track_points::speed,
    track_points::heading,
) = (
    track_points::at,
    track_points::latitude,
    track_points::longitude,
    track_points::accuracy,
    track_points::speed,
    track_points::heading,
);

fn point(order_id: OrderId, row: PointRow) -> TrackPoint {
    let (at, latitude, longitude, accuracy, speed, heading) = row;
    TrackPoint {
        order_id,
        at: Timestamp::from_millis(at),
        position: Position { latitude, longitude },
        accuracy,
        speed,
        heading,
        flagged: false,
    }
}

/// Removes the trails and marks of some orders that were placed before `before` and have ended, oldest first; tells how many
/// orders these were.
///
/// # Errors
/// When the database fails.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    #[derive(QueryableByName)]
    struct Old {
        #[diesel(sql_type = Text)]
        order_id: String,
    }
    // Ids of orders sort by the time they were made.
    let first = OrderId::first_of(before).to_string();
    // Each order is asked about once, however many positions it has.
    let text = format!(
        "SELECT order_id FROM (SELECT DISTINCT order_id FROM track_points WHERE order_id < ? ORDER BY order_id) AS old \
         WHERE {} LIMIT ?",
        super::orders::is_over("old")
    );
    let old: Vec<Old> = Statement::new(text).text(first).bigint(limit).load(conn)?;
    let old: Vec<String> = old.into_iter().map(|old| old.order_id).collect();
    diesel::delete(track_points::table.filter(track_points::order_id.eq_any(&old))).execute(conn)?;
    marks::purge(conn, before)?;
    Ok(old.len())
}
