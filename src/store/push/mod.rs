//! Rows of pushes: the key that signs them, the browsers that get them, and the queue in which they wait.

pub mod closings;
pub mod ledger;
pub mod messages;
pub mod pending;
pub mod sending;
pub mod subscriptions;

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::statement::Statement;

/// Whether the row `o` of `push_messages` is known to have reached its push service. What was given up, or was read while it was
/// still being tried, keeps its error when it is closed.
const WAS_SENT: &str = "(o.state = 'sent' OR (o.state = 'closed' AND o.error IS NULL))";

/// The private key under a name, in base64url; `fresh` is kept when there is none. Of several that keep one at once, one
/// succeeds, and all get that one.
///
/// # Errors
/// When the database fails.
pub fn key(conn: &mut Conn, name: &str, fresh: &str, now: Timestamp) -> Result<String, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        private_key: String,
    }
    Statement::new(
        "INSERT INTO push_keys (name, private_key, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
    )
    .text(name)
    .text(fresh)
    .bigint(now.as_millis())
    .execute(conn)?;
    let row: Row =
        Statement::new("SELECT private_key FROM push_keys WHERE name = ?").text(name).get_result(conn)?;
    Ok(row.private_key)
}

/// Removes what nobody asks for any more, at most `limit` rows of each kind: subscriptions that have ended, messages that
/// were done with before `before`. Tells how many these were.
///
/// # Errors
/// When the database fails.
pub fn purge(conn: &mut Conn, now: Timestamp, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let ended = Statement::new(
        "DELETE FROM push_subscriptions WHERE id IN \
         (SELECT id FROM push_subscriptions WHERE expires_at IS NOT NULL AND expires_at < ? LIMIT ?)",
    );
    let mut removed = ended.bigint(now.as_millis()).bigint(limit).execute(conn)?;
    for state in ["sent", "closed", "dropped", "dead"] {
        let done = Statement::new(
            "DELETE FROM push_messages WHERE id IN \
             (SELECT id FROM push_messages WHERE state = ? AND done_at < ? ORDER BY id LIMIT ?)",
        );
        removed += done.text(state).bigint(before.as_millis()).bigint(limit).execute(conn)?;
    }
    // Those that are left alone no more, and have long neither failed nor taken anything.
    let idle = Statement::new("DELETE FROM push_hosts WHERE until < ? AND (well_at IS NULL OR well_at < ?)");
    removed += idle.bigint(before.as_millis()).bigint(before.as_millis()).execute(conn)?;
    Ok(removed)
}

/// How full the queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that wait or are on their way, and notifications that may become some.
    pub waiting: i64,
    /// Since when the oldest message waits.
    pub oldest: Option<Timestamp>,
    /// Messages that were given up and are kept.
    pub dead: i64,
}

/// How full the queue is.
///
/// # Errors
/// When the database fails.
pub fn backlog(conn: &mut Conn) -> Result<Backlog, StoreError> {
    use diesel::sql_types::{BigInt, Nullable};

    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        waiting: i64,
        #[diesel(sql_type = Nullable<BigInt>)]
        oldest: Option<i64>,
        #[diesel(sql_type = BigInt)]
        dead: i64,
    }
    let row: Row = Statement::new(
        "SELECT (SELECT COUNT(*) FROM push_messages WHERE state = 'queued') + (SELECT COUNT(*) FROM pushes) AS waiting, \
         (SELECT MIN(created_at) FROM push_messages WHERE state = 'queued') AS oldest, \
         (SELECT COUNT(*) FROM push_messages WHERE state = 'dead') AS dead",
    )
    .get_result(conn)?;
    Ok(Backlog { waiting: row.waiting, oldest: row.oldest.map(Timestamp::from_millis), dead: row.dead })
}
