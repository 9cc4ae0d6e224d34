//! Rows of what is sent to browsers: adding them, and taking those in hand that may go now.
//!
//! Whoever takes one counts the attempt and puts a time on it, until which others leave it alone. What it does afterwards
//! holds only while the row still stands as it was taken. So one that was taken by an instance that died comes up again, each
//! time with one attempt fewer left.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::domain::ids::{NotificationId, PushId, SubscriptionId, UserId};
use crate::domain::push::{Plan, PushKind, PushState};
use crate::domain::time::Timestamp;
use crate::store::Conn;
use crate::store::connection::lock_name;
use crate::store::error::StoreError;
use crate::store::read::id;
use crate::store::statement::Statement;

/// Push services that are looked at in one pass; the next pass goes on behind them.
const HOSTS: usize = 256;

/// What is about to be sent to one browser.
#[derive(Debug)]
pub struct NewMessage<'a> {
    /// To which.
    pub subscription_id: SubscriptionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The host and port of its push service.
    pub host: &'a str,
    /// What for.
    pub kind: PushKind,
    /// The notification that it shows.
    pub notification_id: Option<NotificationId>,
    /// What it closes.
    pub closes: Option<String>,
    /// How.
    pub plan: &'a Plan,
    /// From when on.
    pub at: Timestamp,
}

/// Adds a message to the queue.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, message: NewMessage<'_>) -> Result<(), StoreError> {
    Statement::new(
        "INSERT INTO push_messages (id, subscription_id, user_id, host, kind, notification_id, closes, rank, tag, state, \
         created_at, expires_at, due_at, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
    )
    .text(PushId::new().to_string())
    .text(message.subscription_id.to_string())
    .text(message.user_id.to_string())
    .text(message.host)
    .text(message.kind.as_str())
    .optional_text(message.notification_id.map(|id| id.to_string()))
    .optional_text(message.closes)
    .bigint(message.plan.urgency.rank())
    .text(message.plan.tag.as_str())
    .text(PushState::Queued.as_str())
    .bigint(message.at.as_millis())
    .bigint(message.plan.expires_at.as_millis())
    .bigint(message.at.as_millis())
    .execute(conn)?;
    Ok(())
}

/// How much may be taken.
#[derive(Debug, Clone)]
pub struct Room {
    /// In all.
    pub in_all: usize,
    /// At one push service.
    pub per_host: usize,
    /// How many are in hand at each.
    pub in_hand: HashMap<String, usize>,
    /// For how long what is taken is left alone by others.
    pub lease: Duration,
    /// Behind which push service to begin.
    pub behind: String,
}

/// A message that was taken in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which.
    pub id: PushId,
    /// Its push service.
    pub host: String,
    /// How often it was taken, this time included.
    pub attempts: i64,
}

/// What a pass has found.
#[derive(Debug, Default)]
pub struct Pass {
    /// What is to be sent.
    pub taken: Vec<Taken>,
    /// The last push service that was looked at, when there are more behind it.
    pub behind: Option<String>,
    /// When the first of those that are left alone for now may be tried again.
    pub next: Option<Timestamp>,
}

/// Takes in hand what may go now, the most urgent first: at each push service that is not left alone as many as there is
/// room for, one that has failed is tried with one; to one browser one at a time.
///
/// # Errors
/// When the database fails.
pub fn take(conn: &mut Conn, now: Timestamp, room: &Room) -> Result<Pass, StoreError> {
    // Two instances at once would each send one to the same browser.
    lock_name(conn, "pushes".into())?;
    let mut pass = Pass::default();
    let hosts = hosts(conn, &room.behind)?;
    if hosts.len() == HOSTS {
        pass.behind = hosts.last().map(|host| host.host.clone());
    }
    let mut found = Vec::new();
    for Host { host, failures, until } in hosts {
        let until = Timestamp::from_millis(until);
        if until > now {
            pass.next = Some(pass.next.map_or(until, |next| next.min(until)));
            continue;
        }
        let most = if failures > 0 { 1 } else { room.per_host };
        let free = most.saturating_sub(room.in_hand.get(&host).copied().unwrap_or(0));
        if free > 0 {
            found.extend(waiting(conn, &host, now, free)?);
            if let Some(due_at) = later(conn, &host, now)? {
                pass.next = Some(pass.next.map_or(due_at, |next| next.min(due_at)));
            }
        }
    }
    found.sort_by(|one, other| (one.rank, &one.id).cmp(&(other.rank, &other.id)));
    let mut browsers = HashSet::new();
    let taken_until = now.after(room.lease);
    for row in found {
        if pass.taken.len() == room.in_all {
            break;
        }
        if !browsers.insert(row.subscription_id) {
            continue;
        }
        let is_taken = Statement::new(
            "UPDATE push_messages SET taken_until = ?, attempts = attempts + 1 \
             WHERE id = ? AND attempts = ? AND state = 'queued'",
        )
        .bigint(taken_until.as_millis())
        .text(row.id.as_str())
        .bigint(row.attempts)
        .execute(conn)?;
        if is_taken == 0 {
            continue;
        }
        pass.taken.push(Taken {
            id: id("push_messages.id", &row.id)?,
            host: row.host,
            attempts: row.attempts + 1,
        });
    }
    Ok(pass)
}

#[derive(QueryableByName)]
struct Host {
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = BigInt)]
    failures: i64,
    #[diesel(sql_type = BigInt)]
    until: i64,
}

/// The push services with something in the queue, from one on. Each is found by one look at the index, however much waits
/// for it.
fn hosts(conn: &mut Conn, behind: &str) -> Result<Vec<Host>, StoreError> {
    let most = i64::try_from(HOSTS).unwrap_or(i64::MAX);
    Ok(Statement::new(
        "WITH RECURSIVE each_host (host) AS (\
         SELECT MIN(host) FROM push_messages WHERE state = 'queued' AND host > ? \
         UNION ALL \
         SELECT (SELECT MIN(m.host) FROM push_messages m WHERE m.state = 'queued' AND m.host > e.host) \
         FROM each_host e WHERE e.host IS NOT NULL) \
         SELECT e.host, COALESCE(h.failures, 0) AS failures, COALESCE(h.until, 0) AS until \
         FROM each_host e LEFT JOIN push_hosts h ON h.host = e.host WHERE e.host IS NOT NULL LIMIT ?",
    )
    .text(behind)
    .bigint(most)
    .load(conn)?)
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    subscription_id: String,
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = BigInt)]
    rank: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
}

/// What may go to a push service now, the first of each browser.
fn waiting(conn: &mut Conn, host: &str, now: Timestamp, limit: usize) -> Result<Vec<Waiting>, StoreError> {
    let now = now.as_millis();
    Ok(Statement::new(
        "SELECT m.id, m.subscription_id, m.host, m.rank, m.attempts FROM push_messages m \
         WHERE m.state = 'queued' AND m.host = ? AND m.due_at <= ? AND (m.taken_until IS NULL OR m.taken_until <= ?) \
         AND NOT EXISTS (SELECT 1 FROM push_messages o WHERE o.subscription_id = m.subscription_id \
         AND o.state = 'queued' AND (o.taken_until > ? OR (o.due_at <= ? AND (o.rank < m.rank OR (o.rank = m.rank AND o.id < m.id))))) \
         ORDER BY m.rank, m.id LIMIT ?",
    )
    .text(host)
    .bigint(now)
    .bigint(now)
    .bigint(now)
    .bigint(now)
    .bigint(i64::try_from(limit).unwrap_or(i64::MAX))
    .load(conn)?)
}

/// When the first of those that wait for a later time may go.
fn later(conn: &mut Conn, host: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = diesel::sql_types::Nullable<BigInt>)]
        due_at: Option<i64>,
    }
    let due: Due = Statement::new(
        "SELECT MIN(due_at) AS due_at FROM push_messages WHERE state = 'queued' AND host = ? AND due_at > ?",
    )
    .text(host)
    .bigint(now.as_millis())
    .get_result(conn)?;
    Ok(due.due_at.map(Timestamp::from_millis))
}
