//! What admins see of the queue, and put back into it.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::domain::ids::{NotificationId, PushId, UserId};
use crate::domain::notification::Channel;
use crate::domain::push::{PushKind, PushState};
use crate::domain::time::Timestamp;
use crate::store::Conn;
use crate::store::error::StoreError;
use crate::store::read::{id, optional_id, parsed};
use crate::store::statement::Statement;

/// A message as an admin sees it.
#[derive(Debug, Clone)]
pub struct Push {
    /// Which.
    pub id: PushId,
    /// Whose.
    pub user_id: UserId,
    /// What for.
    pub kind: PushKind,
    /// The notification that it shows.
    pub notification_id: Option<NotificationId>,
    /// The push service's host.
    pub host: String,
    /// How it stands.
    pub state: PushState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was set down.
    pub created_at: Timestamp,
    /// When it may be tried next.
    pub due_at: Timestamp,
    /// Until when it is news.
    pub expires_at: Timestamp,
    /// When it was sent, closed or given up.
    pub done_at: Option<Timestamp>,
    /// Why it failed the last time, in fixed words.
    pub error: Option<String>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    notification_id: Option<String>,
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    due_at: i64,
    #[diesel(sql_type = BigInt)]
    expires_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    done_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

impl TryFrom<Row> for Push {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: id("push_messages.id", &row.id)?,
            user_id: id("push_messages.user_id", &row.user_id)?,
            kind: parsed("push_messages.kind", &row.kind)?,
            notification_id: optional_id("push_messages.notification_id", row.notification_id.as_deref())?,
            host: row.host,
            state: parsed("push_messages.state", &row.state)?,
            attempts: row.attempts,
            created_at: Timestamp::from_millis(row.created_at),
            due_at: Timestamp::from_millis(row.due_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            done_at: row.done_at.map(Timestamp::from_millis),
            error: row.error,
        })
    }
}

const COLUMNS: &str = "id, user_id, kind, notification_id, host, state, attempts, created_at, due_at, expires_at, \
    done_at, error";
/// Above every id.
const LAST: &str = "g";

/// Messages in one state, or in any, newest first, at most `limit`, made before `before`.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Conn,
    state: Option<PushState>,
    before: Option<PushId>,
    limit: i64,
) -> Result<Vec<Push>, StoreError> {
    let before = before.map_or_else(|| LAST.to_owned(), |before| before.to_string());
    let rows: Vec<Row> = match state {
        Some(state) => Statement::new(format!(
            "SELECT {COLUMNS} FROM push_messages WHERE state = ? AND id < ? ORDER BY id DESC LIMIT ?"
        ))
        .text(state.as_str())
        .text(before)
        .bigint(limit)
        .load(conn)?,
        None => Statement::new(format!(
            "SELECT {COLUMNS} FROM push_messages WHERE id < ? ORDER BY id DESC LIMIT ?"
        ))
        .text(before)
        .bigint(limit)
        .load(conn)?,
    };
    rows.into_iter().map(Push::try_from).collect()
}

/// A message by id.
///
/// # Errors
/// When the database fails.
pub fn find(conn: &mut Conn, push_id: PushId) -> Result<Option<Push>, StoreError> {
    let text = format!("SELECT {COLUMNS} FROM push_messages WHERE id = ?");
    let row: Option<Row> = Statement::new(text).text(push_id.to_string()).get_result(conn).optional()?;
    row.map(Push::try_from).transpose()
}

/// Puts one that was given up back into the queue, as fresh as it was, but for whether it may have arrived; `false` when it was not given up.
///
/// # Errors
/// When the database fails.
pub fn requeue(conn: &mut Conn, push: &Push, now: Timestamp) -> Result<bool, StoreError> {
    let lasts: Duration = push.expires_at.since(push.created_at);
    let requeued = Statement::new(
        "UPDATE push_messages SET state = 'queued', was_tried = (was_tried OR attempts > 1), attempts = 0, due_at = ?, \
         created_at = ?, expires_at = ?, done_at = NULL, taken_until = NULL, error = NULL WHERE id = ? AND state = 'dead'",
    )
    .bigint(now.as_millis())
    .bigint(now.as_millis())
    .bigint(now.after(lasts).as_millis())
    .text(push.id.to_string())
    .execute(conn)?;
    if let Some(notification_id) = push.notification_id
        && requeued > 0
    {
        Statement::new(
            "UPDATE deliveries SET failed_at = NULL, error = NULL WHERE notification_id = ? AND channel = ?",
        )
        .text(notification_id.to_string())
        .text(Channel::Push.as_str())
        .execute(conn)?;
    }
    Ok(requeued > 0)
}
