//! Rows of notifications that may have to be pushed once they are due.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::domain::ids::{EventId, NotificationId, UserId};
use crate::domain::push::{Plan, Urgency};
use crate::domain::time::Timestamp;
use crate::store::Conn;
use crate::store::error::StoreError;
use crate::store::read::id;
use crate::store::statement::Statement;

/// Whether an offer that a notification is about can be accepted no more; a piece of SQL about the row `n` of `notifications`,
/// with one value: the time.
pub(super) const IS_VOID: &str = "(n.kind = 'assignment_offered' AND NOT EXISTS \
    (SELECT 1 FROM offers o JOIN partners p ON p.id = o.partner_id WHERE o.order_id = n.order_id \
    AND p.user_id = n.user_id AND o.status = 'open' AND o.expires_at > ?))";

/// Sets a notification down for being pushed.
///
/// # Errors
/// When the database fails.
pub fn insert(
    conn: &mut Conn,
    notification_id: NotificationId,
    user_id: UserId,
    plan: &Plan,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    Statement::new(
        "INSERT INTO pushes (notification_id, user_id, rank, tag, expires_at, due_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .text(notification_id.to_string())
    .text(user_id.to_string())
    .bigint(plan.urgency.rank())
    .text(plan.tag.as_str())
    .bigint(plan.expires_at.as_millis())
    .bigint(due_at.as_millis())
    .execute(conn)?;
    Ok(())
}

/// Notes that a device has got a notification whose client never acks, if that may still be pushed to this user.
///
/// # Errors
/// When the database fails.
pub fn received(
    conn: &mut Conn,
    event_id: EventId,
    user_id: UserId,
    at: Timestamp,
) -> Result<(), StoreError> {
    Statement::new(
        "UPDATE pushes SET received_at = ? WHERE notification_id = ? AND user_id = ? AND received_at IS NULL",
    )
    .bigint(at.as_millis())
    .text(event_id.to_string())
    .text(user_id.to_string())
    .execute(conn)?;
    Ok(())
}

/// A notification whose time has come.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Which.
    pub notification_id: NotificationId,
    /// Whose.
    pub user_id: UserId,
    /// How it is pushed.
    pub plan: Plan,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether a device with an open socket has shown it.
    pub is_acked: bool,
    /// Whether one has got it that never says what it shows.
    pub is_received: bool,
    /// Whether what it offers is over.
    pub is_void: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    notification_id: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = BigInt)]
    rank: i64,
    #[diesel(sql_type = Text)]
    tag: String,
    #[diesel(sql_type = BigInt)]
    expires_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    received_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    read_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    acked_at: Option<i64>,
    #[diesel(sql_type = Bool)]
    is_void: bool,
}

/// Takes out what is due, the most urgent first, at most `limit`. What another instance is about to take out is left to it.
///
/// # Errors
/// When the database fails.
pub fn take_out(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Pending>, StoreError> {
    let unlocked = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => "FOR UPDATE OF q SKIP LOCKED",
    };
    let rows: Vec<Row> = Statement::new(format!(
        "SELECT q.notification_id, q.user_id, q.rank, q.tag, q.expires_at, q.received_at, n.read_at, d.acked_at, \
         {IS_VOID} AS is_void \
         FROM pushes q JOIN notifications n ON n.id = q.notification_id \
         LEFT JOIN deliveries d ON d.notification_id = q.notification_id AND d.channel = 'in_app' \
         WHERE q.due_at <= ? ORDER BY q.rank, q.due_at, q.notification_id LIMIT ? {unlocked}"
    ))
    .bigint(now.as_millis())
    .bigint(now.as_millis())
    .bigint(limit)
    .load(conn)?;
    for row in &rows {
        let remove = Statement::new("DELETE FROM pushes WHERE notification_id = ?");
        remove.text(row.notification_id.as_str()).execute(conn)?;
    }
    rows.into_iter().map(pending).collect()
}

fn pending(row: Row) -> Result<Pending, StoreError> {
    Ok(Pending {
        notification_id: id("pushes.notification_id", &row.notification_id)?,
        user_id: id("pushes.user_id", &row.user_id)?,
        plan: Plan {
            urgency: Urgency::of_rank(row.rank),
            expires_at: Timestamp::from_millis(row.expires_at),
            tag: row.tag,
        },
        is_read: row.read_at.is_some(),
        is_acked: row.acked_at.is_some(),
        is_received: row.received_at.is_some(),
        is_void: row.is_void,
    })
}

/// When something is to be done next: a notification, a closing or a message is due.
///
/// # Errors
/// When the database fails.
pub fn next_due(conn: &mut Conn) -> Result<NextDue, StoreError> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = Nullable<BigInt>)]
        pending: Option<i64>,
        #[diesel(sql_type = Nullable<BigInt>)]
        closing: Option<i64>,
        #[diesel(sql_type = Bool)]
        has_messages: bool,
    }
    let due: Due = Statement::new(
        "SELECT (SELECT MIN(due_at) FROM pushes) AS pending, (SELECT MIN(due_at) FROM push_closings) AS closing, \
         EXISTS (SELECT 1 FROM push_messages WHERE state = 'queued') AS has_messages",
    )
    .get_result(conn)?;
    let at = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    Ok(NextDue { pending: at(due.pending), closing: at(due.closing), has_messages: due.has_messages })
}

/// What there is to do, and when.
#[derive(Debug, Clone, Copy)]
pub struct NextDue {
    /// When the next notification is due.
    pub pending: Option<Timestamp>,
    /// When the next look for what is to be closed is due.
    pub closing: Option<Timestamp>,
    /// Whether messages wait.
    pub has_messages: bool,
}
