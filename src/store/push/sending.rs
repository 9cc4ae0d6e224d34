//! Rows of messages that are in somebody's hands: what is sent, and what becomes of it.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::domain::ids::{NotificationId, SubscriptionId, UserId};
use crate::domain::notification::Channel;
use crate::domain::push::{PushKind, PushState, Urgency};
use crate::domain::time::Timestamp;
use crate::store::Conn;
use crate::store::error::StoreError;
use crate::store::read::{id, optional_id, parsed};
use crate::store::statement::Statement;

use super::WAS_SENT;
use super::messages::Taken;
use super::pending::IS_VOID;

/// How often it is noted at least that a push service is well; one without a message for long counts as unknown (see
/// [`purge`](super::purge)).
const WELL_FOR: Duration = Duration::from_secs(24 * 3600);

/// A message in hand, and all that it takes to send it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// What for.
    pub kind: PushKind,
    /// Whose.
    pub user_id: UserId,
    /// To which browser; none when that is gone.
    pub to: Option<Address>,
    /// What it closes.
    pub closes: Option<String>,
    /// What it shows.
    pub shows: Option<Shown>,
    /// How urgent it is.
    pub urgency: Urgency,
    /// What it replaces.
    pub tag: String,
    /// Until when it is news.
    pub expires_at: Timestamp,
    /// When it was set down.
    pub created_at: Timestamp,
    /// How many notifications are unread.
    pub unread: i64,
    /// Whether a newer notification with the same tag has gone to the same browser: what this one shows is old news, what it
    /// closes is shown no more.
    pub is_overtaken: bool,
    /// Whether a notification with the same tag, which it does not close, may wait at the push service for the same browser.
    pub has_rival: bool,
    /// Whether it was tried before an admin put it back.
    pub was_tried: bool,
    /// How often its push service has failed in a row.
    pub host_failures: i64,
    /// When that was last noted to have taken a message.
    pub host_well_at: Option<Timestamp>,
}

/// Where a message goes.
#[derive(Debug, Clone)]
pub struct Address {
    /// The browser.
    pub id: SubscriptionId,
    /// Its address at the push service.
    pub endpoint: String,
    /// Its public key, in base64url.
    pub p256dh: String,
    /// Its secret, in base64url.
    pub auth: String,
}

/// The notification that a message shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Which.
    pub id: NotificationId,
    /// What it is about.
    pub kind: String,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub message: String,
    /// For deep links: a JSON object.
    pub data: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether nobody has to be told any more: it was read, or what it offers is over.
    pub is_stale: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    closes: Option<String>,
    #[diesel(sql_type = BigInt)]
    rank: i64,
    #[diesel(sql_type = Text)]
    tag: String,
    #[diesel(sql_type = BigInt)]
    expires_at: i64,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    subscription_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    endpoint: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    p256dh: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    auth: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    notification_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    notification_kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    title: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    message: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    data: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    made_at: Option<i64>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_stale: Option<bool>,
    #[diesel(sql_type = Nullable<BigInt>)]
    unread: Option<i64>,
    #[diesel(sql_type = Bool)]
    is_overtaken: bool,
    #[diesel(sql_type = Bool)]
    has_rival: bool,
    #[diesel(sql_type = Bool)]
    was_tried: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    failures: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    well_at: Option<i64>,
}

/// Whether a newer notification than that of the row `m` has gone to the same browser with the same tag. Which is newer, the
/// notifications tell and not the messages: of several that are decided about together, the urgent ones go first.
const IS_OLDER: &str = "EXISTS (SELECT 1 FROM push_messages o WHERE o.subscription_id = m.subscription_id AND o.tag = m.tag \
    AND o.kind = 'notification' AND o.notification_id > m.notification_id AND o.state IN ('sent', 'closed'))";
/// Whether a newer notification than any that was closed there has: it has taken the place of what `m` would close, and would be
/// replaced by it at the push service in turn.
const IS_MOOT: &str = "EXISTS (SELECT 1 FROM push_messages o WHERE o.subscription_id = m.subscription_id AND o.tag = m.tag \
    AND o.kind = 'notification' AND o.state = 'sent' AND o.notification_id > (SELECT MAX(c.notification_id) \
    FROM push_messages c WHERE c.subscription_id = m.subscription_id AND c.tag = m.tag \
    AND c.kind = 'notification' AND c.state = 'closed'))";

/// Whether a notification that is not closed waits there, or may do so: a closing in its place would take it away. One of which it
/// is known that a newer one has taken its place waits no more.
fn has_rival() -> String {
    format!(
        "EXISTS (SELECT 1 FROM push_messages r WHERE r.subscription_id = m.subscription_id AND r.tag = m.tag \
         AND r.kind = 'notification' AND r.id <> m.id AND ((r.state IN ('queued', 'dead') AND r.attempts > 0) \
         OR (r.state = 'sent' AND NOT EXISTS (SELECT 1 FROM push_messages o WHERE o.subscription_id = r.subscription_id \
         AND o.tag = r.tag AND o.kind = 'notification' AND o.notification_id > r.notification_id AND {WAS_SENT}))))"
    )
}

/// A message as it stands now; `None` when it is not in the hands of who asks any more.
///
/// # Errors
/// When the database fails.
pub fn outgoing(conn: &mut Conn, taken: &Taken, now: Timestamp) -> Result<Option<Outgoing>, StoreError> {
    let row: Option<Row> = Statement::new(format!(
        "SELECT m.kind, m.user_id, m.closes, m.rank, m.tag, m.expires_at, m.created_at, \
         s.id AS subscription_id, s.endpoint, s.p256dh, s.auth, \
         n.id AS notification_id, n.kind AS notification_kind, n.title, n.message, n.data, n.created_at AS made_at, \
         (n.read_at IS NOT NULL OR {IS_VOID}) AS is_stale, i.unread, \
         CASE WHEN m.kind = 'notification' THEN {IS_OLDER} ELSE {IS_MOOT} END AS is_overtaken, \
         {} AS has_rival, m.was_tried, h.failures, h.well_at \
         FROM push_messages m \
         LEFT JOIN push_subscriptions s ON s.id = m.subscription_id AND (s.expires_at IS NULL OR s.expires_at > ?) \
         LEFT JOIN notifications n ON n.id = m.notification_id \
         LEFT JOIN inboxes i ON i.user_id = m.user_id LEFT JOIN push_hosts h ON h.host = m.host \
         WHERE m.id = ? AND m.attempts = ? AND m.state = 'queued'",
        has_rival()
    ))
    .bigint(now.as_millis())
    .bigint(now.as_millis())
    .text(taken.id.to_string())
    .bigint(taken.attempts)
    .get_result(conn)
    .optional()?;
    row.map(read).transpose()
}

fn read(row: Row) -> Result<Outgoing, StoreError> {
    let subscription_id: Option<SubscriptionId> =
        optional_id("push_messages.subscription_id", row.subscription_id.as_deref())?;
    let to = match (subscription_id, row.endpoint, row.p256dh, row.auth) {
        (Some(id), Some(endpoint), Some(p256dh), Some(auth)) => Some(Address { id, endpoint, p256dh, auth }),
        (None, ..) | (_, None, ..) | (_, _, None, _) | (.., None) => None,
    };
    let notification_id = optional_id("push_messages.notification_id", row.notification_id.as_deref())?;
    let shows = notification_id.map(|id| Shown {
        id,
        kind: row.notification_kind.unwrap_or_default(),
        title: row.title.unwrap_or_default(),
        message: row.message.unwrap_or_default(),
        data: row.data.unwrap_or_default(),
        created_at: Timestamp::from_millis(row.made_at.unwrap_or_default()),
        is_stale: row.is_stale.unwrap_or_default(),
    });
    Ok(Outgoing {
        kind: parsed("push_messages.kind", &row.kind)?,
        user_id: id("push_messages.user_id", &row.user_id)?,
        to,
        closes: row.closes,
        shows,
        urgency: Urgency::of_rank(row.rank),
        tag: row.tag,
        expires_at: Timestamp::from_millis(row.expires_at),
        created_at: Timestamp::from_millis(row.created_at),
        unread: row.unread.unwrap_or_default(),
        is_overtaken: row.is_overtaken,
        has_rival: row.has_rival,
        was_tried: row.was_tried,
        host_failures: row.failures.unwrap_or_default(),
        host_well_at: row.well_at.map(Timestamp::from_millis),
    })
}

/// What becomes of a message that was in hand; `false` when it was not any more.
///
/// # Errors
/// When the database fails.
fn settle(
    conn: &mut Conn,
    taken: &Taken,
    state: PushState,
    at: Timestamp,
    error: Option<&str>,
) -> Result<bool, StoreError> {
    let settled = Statement::new(
        "UPDATE push_messages SET state = ?, done_at = ?, error = ?, taken_until = NULL \
         WHERE id = ? AND attempts = ? AND state = 'queued'",
    )
    .text(state.as_str())
    .bigint(at.as_millis())
    .optional_text(error.map(Into::into))
    .text(taken.id.to_string())
    .bigint(taken.attempts)
    .execute(conn)?;
    Ok(settled > 0)
}

/// The push service has taken it.
///
/// # Errors
/// When the database fails.
pub fn sent(conn: &mut Conn, taken: &Taken, out: &Outgoing, at: Timestamp) -> Result<(), StoreError> {
    let is_settled = settle(conn, taken, PushState::Sent, at, None)?;
    if let Some(shown) = &out.shows
        && is_settled
    {
        Statement::new(
            "UPDATE deliveries SET written_at = COALESCE(written_at, ?), failed_at = NULL, error = NULL \
             WHERE notification_id = ? AND channel = ?",
        )
        .bigint(at.as_millis())
        .text(shown.id.to_string())
        .text(Channel::Push.as_str())
        .execute(conn)?;
    }
    let is_old = out.host_well_at.is_none_or(|noted| at.since(noted) >= WELL_FOR);
    if taken.is_try || out.host_failures > 0 || is_old {
        Statement::new(
            "INSERT INTO push_hosts (host, failures, until, well_at) VALUES (?, 0, 0, ?) \
             ON CONFLICT (host) DO UPDATE SET failures = 0, until = 0, well_at = EXCLUDED.well_at",
        )
        .text(taken.host.as_str())
        .bigint(at.as_millis())
        .execute(conn)?;
    }
    Ok(())
}

/// It is given up, for a reason in fixed words; a copy is kept for an admin.
///
/// # Errors
/// When the database fails.
pub fn dead(
    conn: &mut Conn,
    taken: &Taken,
    out: &Outgoing,
    at: Timestamp,
    error: &str,
) -> Result<(), StoreError> {
    let is_settled = settle(conn, taken, PushState::Dead, at, Some(error))?;
    match &out.shows {
        Some(shown) if is_settled => fail_delivery(conn, shown.id, at, error),
        Some(_) | None => Ok(()),
    }
}

/// Removes one that nobody could read, as of a version that is not there any more: it would come up without end. Whatever it was
/// to show is in the inbox, and the ledger says that it was not sent.
///
/// # Errors
/// When the database fails.
pub fn remove(conn: &mut Conn, taken: &Taken, at: Timestamp, error: &str) -> Result<(), StoreError> {
    #[derive(QueryableByName)]
    struct Removed {
        #[diesel(sql_type = Nullable<Text>)]
        notification_id: Option<String>,
    }
    let removed: Option<Removed> = Statement::new(
        "DELETE FROM push_messages WHERE id = ? AND attempts = ? AND state = 'queued' RETURNING notification_id",
    )
    .text(taken.id.to_string())
    .bigint(taken.attempts)
    .get_result(conn)
    .optional()?;
    let shows = removed.and_then(|removed| removed.notification_id);
    match optional_id("push_messages.notification_id", shows.as_deref()) {
        Ok(Some(notification_id)) => fail_delivery(conn, notification_id, at, error),
        // It may be the id that cannot be read.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// It need not be sent any more, or cannot: nobody has to look at it.
///
/// # Errors
/// When the database fails.
pub fn dropped(
    conn: &mut Conn,
    taken: &Taken,
    out: &Outgoing,
    at: Timestamp,
    error: Option<&str>,
) -> Result<(), StoreError> {
    if !settle(conn, taken, PushState::Dropped, at, error)? {
        return Ok(());
    }
    match (error, &out.shows) {
        (Some(error), Some(shown)) => fail_delivery(conn, shown.id, at, error),
        (None, Some(shown)) => forget_delivery(conn, shown.id),
        (_, None) => Ok(()),
    }
}

/// Notes in the ledger that a notification was sent to no device, and why, unless it was.
///
/// # Errors
/// When the database fails.
pub fn fail_delivery(
    conn: &mut Conn,
    notification_id: NotificationId,
    at: Timestamp,
    error: &str,
) -> Result<(), StoreError> {
    Statement::new(
        "UPDATE deliveries SET failed_at = ?, error = ? \
         WHERE notification_id = ? AND channel = ? AND written_at IS NULL",
    )
    .bigint(at.as_millis())
    .text(error)
    .text(notification_id.to_string())
    .text(Channel::Push.as_str())
    .execute(conn)?;
    Ok(())
}

/// A notification that no device was sent, since it needed none, has not taken this channel.
///
/// # Errors
/// When the database fails.
pub fn forget_delivery(conn: &mut Conn, notification_id: NotificationId) -> Result<(), StoreError> {
    Statement::new(
        "DELETE FROM deliveries WHERE notification_id = ? AND channel = ? AND written_at IS NULL AND failed_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM push_messages WHERE notification_id = ? AND state IN ('queued', 'sent', 'dead'))",
    )
    .text(notification_id.to_string())
    .text(Channel::Push.as_str())
    .text(notification_id.to_string())
    .execute(conn)?;
    Ok(())
}

/// It is tried again at `due_at`.
///
/// # Errors
/// When the database fails.
pub fn again(conn: &mut Conn, taken: &Taken, due_at: Timestamp, error: &str) -> Result<(), StoreError> {
    Statement::new(
        "UPDATE push_messages SET due_at = ?, taken_until = NULL, error = ? \
         WHERE id = ? AND attempts = ? AND state = 'queued'",
    )
    .bigint(due_at.as_millis())
    .text(error)
    .text(taken.id.to_string())
    .bigint(taken.attempts)
    .execute(conn)?;
    Ok(())
}

/// Leaves a push service alone: for so long, or, where it is known to have failed before, ever longer. Whoever says for
/// longest, is believed. Gives until when.
///
/// # Errors
/// When the database fails.
pub fn leave_alone(
    conn: &mut Conn,
    host: &str,
    now: Timestamp,
    pause: impl FnOnce(i64) -> Duration,
) -> Result<Timestamp, StoreError> {
    #[derive(QueryableByName)]
    struct Failures {
        #[diesel(sql_type = BigInt)]
        failures: i64,
        #[diesel(sql_type = BigInt)]
        until: i64,
    }
    // Those that were on their way when it began to fail, fail with it: that counts once.
    let row: Failures = Statement::new(
        "INSERT INTO push_hosts (host, failures, until) VALUES (?, 1, 0) ON CONFLICT (host) DO UPDATE SET \
         failures = CASE WHEN push_hosts.until > ? THEN push_hosts.failures ELSE push_hosts.failures + 1 END \
         RETURNING failures, until",
    )
    .text(host)
    .bigint(now.as_millis())
    .get_result(conn)?;
    let until = now.after(pause(row.failures)).max(Timestamp::from_millis(row.until));
    Statement::new("UPDATE push_hosts SET until = ? WHERE host = ?")
        .bigint(until.as_millis())
        .text(host)
        .execute(conn)?;
    Ok(until)
}
