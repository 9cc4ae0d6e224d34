//! Rows that say: something of this user's was read, or is over; look what has to be closed.
//!
//! What has to be closed is not in them. It follows from how the notifications stand when it is looked: so no two of these
//! rows can get in each other's way, and none is ever changed.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::domain::ids::{NotificationId, PartnerId, PushId, SubscriptionId, UserId};
use crate::domain::push::PushState;
use crate::domain::time::Timestamp;
use crate::store::Conn;
use crate::store::error::StoreError;
use crate::store::read::id;
use crate::store::statement::Statement;

use super::WAS_SENT;

/// Whether the row `m` of `push_messages` waits, or may be shown on a device: what was given up after it was tried may have arrived
/// with one of the tries.
const MAY_SHOW: &str =
    "m.state <> 'closed' AND (m.state IN ('queued', 'sent') OR m.attempts > 1 OR m.was_tried)";

/// What is said of what was read while it was still being tried.
pub const UNKNOWN: &str = "it was read before it was known to have been sent";

/// Has it looked what is to be closed on a user's devices, at `due_at`, unless nothing can be shown there: a notification is always
/// in one of two tables, and moved from one to the other in one transaction. `read_all_at`: when everything was read at once.
///
/// # Errors
/// When the database fails.
pub fn insert(
    conn: &mut Conn,
    user_id: UserId,
    now: Timestamp,
    due_at: Timestamp,
    read_all_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    Statement::new(format!(
        "INSERT INTO push_closings (id, user_id, created_at, due_at, read_all_at) \
         SELECT CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT) \
         WHERE EXISTS (SELECT 1 FROM pushes WHERE user_id = ?) \
         OR EXISTS (SELECT 1 FROM push_messages m WHERE m.user_id = ? AND {MAY_SHOW})"
    ))
    .text(PushId::new().to_string())
    .text(user_id.to_string())
    .bigint(now.as_millis())
    .bigint(due_at.as_millis())
    .optional_bigint(read_all_at.map(Timestamp::as_millis))
    .text(user_id.to_string())
    .text(user_id.to_string())
    .execute(conn)?;
    Ok(())
}

/// The same for the user behind a partner.
///
/// # Errors
/// When the database fails.
pub fn insert_for_partner(
    conn: &mut Conn,
    partner_id: PartnerId,
    now: Timestamp,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    Statement::new(format!(
        "INSERT INTO push_closings (id, user_id, created_at, due_at) \
         SELECT CAST(? AS TEXT), p.user_id, CAST(? AS BIGINT), CAST(? AS BIGINT) FROM partners p WHERE p.id = ? AND \
         (EXISTS (SELECT 1 FROM pushes q WHERE q.user_id = p.user_id) OR EXISTS \
         (SELECT 1 FROM push_messages m WHERE m.user_id = p.user_id AND {MAY_SHOW}))"
    ))
    .text(PushId::new().to_string())
    .bigint(now.as_millis())
    .bigint(due_at.as_millis())
    .text(partner_id.to_string())
    .execute(conn)?;
    Ok(())
}

/// A user of whom something may have to be closed.
#[derive(Debug, Clone)]
pub struct Closing {
    /// Who.
    pub user_id: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// When everything was read at once, the last time.
    pub read_all_at: Option<Timestamp>,
}

/// Takes out what is due, all that there is of a user at once, at most of `limit` users. What another instance is about to
/// take out is left to it.
///
/// # Errors
/// When the database fails.
pub fn take_out(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Closing>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        user_id: String,
        #[diesel(sql_type = BigInt)]
        created_at: i64,
        #[diesel(sql_type = Nullable<BigInt>)]
        read_all_at: Option<i64>,
    }
    let unlocked = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => "FOR UPDATE SKIP LOCKED",
    };
    let rows: Vec<Row> = Statement::new(format!(
        "SELECT id, user_id, created_at, read_all_at FROM push_closings WHERE due_at <= ? \
         ORDER BY due_at LIMIT ? {unlocked}"
    ))
    .bigint(now.as_millis())
    .bigint(limit)
    .load(conn)?;
    let mut closings: Vec<Closing> = Vec::new();
    for row in rows {
        Statement::new("DELETE FROM push_closings WHERE id = ?").text(row.id).execute(conn)?;
        let user_id = id("push_closings.user_id", &row.user_id)?;
        let created_at = Timestamp::from_millis(row.created_at);
        let read_all_at = row.read_all_at.map(Timestamp::from_millis);
        match closings.iter_mut().find(|closing| closing.user_id == user_id) {
            Some(closing) => {
                closing.created_at = closing.created_at.min(created_at);
                closing.read_all_at = closing.read_all_at.max(read_all_at);
            }
            None => closings.push(Closing { user_id, created_at, read_all_at }),
        }
    }
    // Two instances that lock what the same users were sent, each in an order of its own, would wait for each other.
    closings.sort_by_key(|closing| closing.user_id);
    Ok(closings)
}

/// Has it looked once more, later: something was on its way.
///
/// # Errors
/// When the database fails.
pub fn put_back(conn: &mut Conn, closing: &Closing, due_at: Timestamp) -> Result<(), StoreError> {
    let Closing { user_id, created_at, read_all_at } = closing;
    Statement::new(
        "INSERT INTO push_closings (id, user_id, created_at, due_at, read_all_at) VALUES (?, ?, ?, ?, ?)",
    )
    .text(PushId::new().to_string())
    .text(user_id.to_string())
    .bigint(created_at.as_millis())
    .bigint(due_at.as_millis())
    .optional_bigint(read_all_at.map(Timestamp::as_millis))
    .execute(conn)?;
    Ok(())
}

/// A message that showed, or is about to show, a notification that was read or is about nothing any more.
#[derive(Debug, Clone)]
pub struct Stale {
    /// Which.
    pub id: PushId,
    /// On which browser.
    pub subscription_id: SubscriptionId,
    /// Its push service.
    pub host: String,
    /// The notification.
    pub notification_id: NotificationId,
    /// What it replaced, and what replaces it.
    pub tag: String,
    /// Until when the push service keeps it.
    pub expires_at: Timestamp,
    /// Whether it may have reached the browser.
    pub may_be_shown: bool,
    /// Whether it still waits.
    pub is_queued: bool,
    /// Whether it is on its way right now.
    pub is_in_hand: bool,
    /// Whether a newer notification with the same tag went to the same browser: that has taken its place.
    pub is_replaced: bool,
}

/// What of a user's is shown and should not be any more, oldest first.
///
/// # Errors
/// When the database fails.
pub fn stale(conn: &mut Conn, user_id: UserId, now: Timestamp) -> Result<Vec<Stale>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        subscription_id: String,
        #[diesel(sql_type = Text)]
        host: String,
        #[diesel(sql_type = Text)]
        notification_id: String,
        #[diesel(sql_type = Text)]
        tag: String,
        #[diesel(sql_type = BigInt)]
        expires_at: i64,
        #[diesel(sql_type = Text)]
        state: String,
        #[diesel(sql_type = BigInt)]
        attempts: i64,
        #[diesel(sql_type = Bool)]
        was_tried: bool,
        #[diesel(sql_type = Nullable<BigInt>)]
        taken_until: Option<i64>,
        #[diesel(sql_type = Bool)]
        is_replaced: bool,
    }
    // Locked before it is judged: a message that is being taken, or settled, is seen as it is afterwards.
    let locked = match conn {
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => "FOR UPDATE OF m",
    };
    let rows: Vec<Row> = Statement::new(format!(
        "SELECT m.id, m.subscription_id, m.host, n.id AS notification_id, m.tag, m.expires_at, m.state, m.attempts, m.was_tried, m.taken_until, \
         EXISTS (SELECT 1 FROM push_messages o WHERE o.subscription_id = m.subscription_id AND o.tag = m.tag \
         AND o.kind = 'notification' AND o.notification_id > m.notification_id AND {WAS_SENT}) AS is_replaced \
         FROM push_messages m JOIN notifications n ON n.id = m.notification_id \
         WHERE m.user_id = ? AND {MAY_SHOW} AND m.kind = 'notification' \
         AND (n.read_at IS NOT NULL OR {}) ORDER BY m.id {locked}",
        super::pending::IS_VOID
    ))
    .text(user_id.to_string())
    .bigint(now.as_millis())
    .load(conn)?;
    rows.into_iter()
        .map(|row| {
            let is_queued = row.state == PushState::Queued.as_str();
            Ok(Stale {
                id: id("push_messages.id", &row.id)?,
                subscription_id: id("push_messages.subscription_id", &row.subscription_id)?,
                host: row.host,
                notification_id: id("push_messages.notification_id", &row.notification_id)?,
                tag: row.tag,
                expires_at: Timestamp::from_millis(row.expires_at),
                may_be_shown: !is_queued || row.attempts > 0 || row.was_tried,
                is_queued,
                is_in_hand: is_queued && row.taken_until.is_some_and(|until| until > now.as_millis()),
                is_replaced: row.is_replaced,
            })
        })
        .collect()
}

/// Takes a message off the list of what is shown, or, one that was never sent, out of the queue.
///
/// # Errors
/// When the database fails.
pub fn close(conn: &mut Conn, stale: &Stale, now: Timestamp) -> Result<(), StoreError> {
    let state = if stale.may_be_shown { PushState::Closed } else { PushState::Dropped };
    let error = (stale.is_queued && stale.may_be_shown).then(|| UNKNOWN.to_owned());
    Statement::new(
        "UPDATE push_messages SET state = ?, done_at = ?, taken_until = NULL, error = COALESCE(?, error) WHERE id = ?",
    )
    .text(state.as_str())
    .bigint(now.as_millis())
    .optional_text(error)
    .text(stale.id.to_string())
    .execute(conn)?;
    Ok(())
}
