//! Rows of the delivery ledger: what became of each notification on each channel.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::domain::ids::{EventId, NotificationId, OrderId, UserId};
use crate::domain::notification::Channel;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::push;
use super::read::{id, optional_id, parsed};
use super::schema::{deliveries, notifications};
use super::statement::Statement;

/// Names the lock that lets one instance at a time note what was seen: "deliver" in ASCII.
const LOCK: i64 = 0x64_65_6c_69_76_65_72;

/// Opens the ledger for a notification on a channel: it is on its way.
///
/// # Errors
/// When the database fails.
pub fn queue(
    conn: &mut Conn,
    notification_id: NotificationId,
    channel: Channel,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(deliveries::table)
        .values((
            deliveries::notification_id.eq(notification_id.to_string()),
            deliveries::channel.eq(channel.as_str()),
            deliveries::queued_at.eq(at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// What was seen of an event by the sockets of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub user_id: UserId,
    /// The event: the notification's own id, if it is one.
    pub event_id: EventId,
    /// When it was first written.
    pub written_at: Option<Timestamp>,
    /// When a client that never acks was first seen to have got it.
    pub received_at: Option<Timestamp>,
    /// When it was first acked.
    pub acked_at: Option<Timestamp>,
}

/// Notes what was seen of notifications by their own users, on the channel `in_app`. What was noted before
/// stays; events that are no notifications of that user are passed over. What was received matters only to what may still
/// be pushed.
///
/// # Errors
/// When the database fails.
pub fn record(conn: &mut Conn, seen: &[Seen]) -> Result<(), StoreError> {
    if let Conn::Postgres(conn) = conn {
        // Two instances that note many rows at once, in orders of their own, would wait for each other.
        diesel::sql_query(format!("SELECT pg_advisory_xact_lock({LOCK})")).execute(conn)?;
    }
    for row in seen {
        if let Some(at) = row.written_at {
            note(conn, row, WRITTEN, at)?;
        }
        if let Some(at) = row.received_at {
            push::pending::received(conn, row.event_id, row.user_id, at)?;
        }
        if let Some(at) = row.acked_at {
            note(conn, row, ACKED, at)?;
        }
    }
    Ok(())
}

// Each by the row's key. All rows in one statement, joined with the ledger, would be less work where the planner knows
// the tables; of young ones PostgreSQL knows nothing, takes them for almost empty, and compares every row of the ledger
// with every row that was seen: seconds for a few hundred.
const WRITTEN: &str = "UPDATE deliveries SET written_at = ? \
    WHERE notification_id = ? AND channel = 'in_app' AND written_at IS NULL \
    AND EXISTS (SELECT 1 FROM notifications WHERE id = ? AND user_id = ?)";
const ACKED: &str = "UPDATE deliveries SET acked_at = ? \
    WHERE notification_id = ? AND channel = 'in_app' AND acked_at IS NULL \
    AND EXISTS (SELECT 1 FROM notifications WHERE id = ? AND user_id = ?)";

fn note(conn: &mut Conn, seen: &Seen, text: &'static str, at: Timestamp) -> Result<(), StoreError> {
    let id = seen.event_id.to_string();
    Statement::new(text)
        .bigint(at.as_millis())
        .text(id.clone())
        .text(id)
        .text(seen.user_id.to_string())
        .execute(conn)?;
    Ok(())
}

/// What to look up in the ledger.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// One notification.
    Notification(NotificationId),
    /// All notifications about an order.
    Order(OrderId),
}

/// A notification and what became of it.
#[derive(Debug, Clone)]
pub struct LedgerEntry {
    /// Which.
    pub notification_id: NotificationId,
    /// Whose.
    pub user_id: UserId,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// What it is about.
    pub kind: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// One for each channel that it took.
    pub deliveries: Vec<Delivery>,
}

/// What became of a notification on one channel.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Which channel.
    pub channel: Channel,
    /// When it set off.
    pub queued_at: Timestamp,
    /// When it was first handed over.
    pub written_at: Option<Timestamp>,
    /// When the first device said that it has it.
    pub acked_at: Option<Timestamp>,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
    /// Why.
    pub error: Option<String>,
}

#[derive(Queryable)]
struct EntryRow {
    id: String,
    user_id: String,
    order_id: Option<String>,
    kind: String,
    created_at: i64,
    read_at: Option<i64>,
}

#[derive(Queryable)]
struct DeliveryRow {
    notification_id: String,
    channel: String,
    queued_at: i64,
    written_at: Option<i64>,
    acked_at: Option<i64>,
    failed_at: Option<i64>,
    error: Option<String>,
}

/// What became of the notifications about a subject, newest first, at most `limit`, made before `before`.
///
/// # Errors
/// When the database fails.
pub fn ledger(
    conn: &mut Conn,
    subject: Subject,
    before: Option<NotificationId>,
    limit: i64,
) -> Result<Vec<LedgerEntry>, StoreError> {
    let entries = entries(conn, subject, before, limit)?;
    let (Some(newest), Some(oldest)) = (entries.first(), entries.last()) else { return Ok(Vec::new()) };
    let mut found = deliveries_between(conn, subject, &oldest.id, &newest.id)?;
    entries
        .into_iter()
        .map(|row| {
            let deliveries = found.remove(&row.id).unwrap_or_default();
            entry(row, deliveries)
        })
        .collect()
}

fn entries(
    conn: &mut Conn,
    subject: Subject,
    before: Option<NotificationId>,
    limit: i64,
) -> Result<Vec<EntryRow>, StoreError> {
    let mut query = notifications::table
        .order(notifications::id.desc())
        .limit(limit)
        .select((
            notifications::id,
            notifications::user_id,
            notifications::order_id,
            notifications::kind,
            notifications::created_at,
            notifications::read_at,
        ))
        .into_boxed();
    query = match subject {
        Subject::Notification(id) => query.filter(notifications::id.eq(id.to_string())),
        Subject::Order(order_id) => query.filter(notifications::order_id.eq(order_id.to_string())),
    };
    if let Some(before) = before {
        query = query.filter(notifications::id.lt(before.to_string()));
    }
    Ok(query.load(conn)?)
}

fn deliveries_between(
    conn: &mut Conn,
    subject: Subject,
    oldest: &str,
    newest: &str,
) -> Result<HashMap<String, Vec<Delivery>>, StoreError> {
    let mut query = deliveries::table
        .inner_join(notifications::table)
        .filter(notifications::id.between(oldest, newest))
        .order(deliveries::channel)
        .select((
            deliveries::notification_id,
            deliveries::channel,
            deliveries::queued_at,
            deliveries::written_at,
            deliveries::acked_at,
            deliveries::failed_at,
            deliveries::error,
        ))
        .into_boxed();
    query = match subject {
        Subject::Notification(_) => query,
        Subject::Order(order_id) => query.filter(notifications::order_id.eq(order_id.to_string())),
    };
    let mut found: HashMap<String, Vec<Delivery>> = HashMap::new();
    for row in query.load::<DeliveryRow>(conn)? {
        let delivery = Delivery {
            channel: parsed("deliveries.channel", &row.channel)?,
            queued_at: Timestamp::from_millis(row.queued_at),
            written_at: row.written_at.map(Timestamp::from_millis),
            acked_at: row.acked_at.map(Timestamp::from_millis),
            failed_at: row.failed_at.map(Timestamp::from_millis),
            error: row.error,
        };
        found.entry(row.notification_id).or_default().push(delivery);
    }
    Ok(found)
}

fn entry(row: EntryRow, deliveries: Vec<Delivery>) -> Result<LedgerEntry, StoreError> {
    Ok(LedgerEntry {
        notification_id: id("notifications.id", &row.id)?,
        user_id: id("notifications.user_id", &row.user_id)?,
        order_id: optional_id("notifications.order_id", row.order_id.as_deref())?,
        kind: row.kind,
        created_at: Timestamp::from_millis(row.created_at),
        read_at: row.read_at.map(Timestamp::from_millis),
        deliveries,
    })
}
