//! Rows of notifications, of the inboxes that count them, and of what each user wants.
//!
//! Whoever changes an inbox takes its row's lock first, by [`change_unread`] or [`lock_inbox`], and touches
//! notifications after that. So changes of one inbox come one after the other, its counter is exact, and no two
//! of them wait for each other in a circle.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::domain::ids::{NotificationId, OrderId, UserId};
use crate::domain::notification::{Channel, Choice, NotificationKind};
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::id;
use super::schema::{inboxes, notification_preferences, notifications};
use super::statement::Statement;

/// A notification that is about to be stored, unread.
#[derive(Debug, Clone)]
pub struct NewNotification<'a> {
    /// Its id.
    pub id: NotificationId,
    /// Whose.
    pub user_id: UserId,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// What it is about.
    pub kind: NotificationKind,
    /// One line.
    pub title: &'a str,
    /// A sentence or two.
    pub message: &'a str,
    /// For deep links: a JSON object.
    pub data: &'a str,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A notification as it is stored.
#[derive(Debug, Clone)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// What it is about. Text, so that a kind that only a newer version knows can be listed all the same.
    pub kind: String,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub message: String,
    /// For deep links: a JSON object.
    pub data: serde_json::Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
}

#[derive(Queryable)]
struct Row {
    id: String,
    kind: String,
    title: String,
    message: String,
    data: String,
    created_at: i64,
    read_at: Option<i64>,
}

impl TryFrom<Row> for Notification {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let data = serde_json::from_str(&row.data);
        Ok(Self {
            id: id("notifications.id", &row.id)?,
            kind: row.kind,
            title: row.title,
            message: row.message,
            data: data.map_err(|_| StoreError::Corrupt { what: "notifications.data", value: row.data })?,
            created_at: Timestamp::from_millis(row.created_at),
            read_at: row.read_at.map(Timestamp::from_millis),
        })
    }
}

/// The state of an inbox: how many notifications are unread, and how often that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Inbox {
    /// How many are unread.
    #[diesel(sql_type = BigInt)]
    pub unread: i64,
    /// Grows by one with every change.
    #[diesel(sql_type = BigInt)]
    pub revision: i64,
}

/// What sending somebody a notification has to know.
#[derive(Debug, Clone, QueryableByName)]
pub struct Addressee {
    /// The language, as a tag.
    #[diesel(sql_type = Text)]
    pub locale: String,
    /// What the user chose for that kind in the inbox, if anything.
    #[diesel(sql_type = Nullable<Bool>)]
    pub in_app: Option<bool>,
    /// What the user chose for that kind and push, if anything.
    #[diesel(sql_type = Nullable<Bool>)]
    pub push: Option<bool>,
    /// Whether a browser of the user's gets pushes.
    #[diesel(sql_type = Bool)]
    pub has_browser: bool,
}

/// Who is to get a notification of `kind`; `None` when there is no such user any more.
///
/// # Errors
/// When the database fails.
pub fn addressee(
    conn: &mut Conn,
    user_id: UserId,
    kind: NotificationKind,
) -> Result<Option<Addressee>, StoreError> {
    // One statement for all that is needed, since each notification makes it.
    let addressee = Statement::new(
        "SELECT u.locale, \
         (SELECT p.enabled FROM notification_preferences p \
         WHERE p.user_id = u.id AND p.kind = ? AND p.channel = 'in_app') AS in_app, \
         (SELECT p.enabled FROM notification_preferences p \
         WHERE p.user_id = u.id AND p.kind = ? AND p.channel = 'push') AS push, \
         EXISTS (SELECT 1 FROM push_subscriptions s WHERE s.user_id = u.id) AS has_browser \
         FROM users u WHERE u.id = ? AND u.deleted_at IS NULL",
    )
    .text(kind.as_str())
    .text(kind.as_str())
    .text(user_id.to_string())
    .get_result(conn)
    .optional()?;
    Ok(addressee)
}

/// An inbox that nobody else can change until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct LockedInbox {
    /// How many are unread.
    #[diesel(sql_type = BigInt)]
    pub unread: i64,
    /// Whether a browser of the user's gets pushes.
    #[diesel(sql_type = Bool)]
    pub has_browser: bool,
}

/// Makes other changes of an inbox wait until this transaction ends, and gives the state that it is in until
/// then. SQLite has one writer at a time and needs no lock.
///
/// # Errors
/// When the database fails.
pub fn lock_inbox(conn: &mut Conn, user_id: UserId) -> Result<LockedInbox, StoreError> {
    let lock = match conn {
        Conn::Sqlite(_) => "",
        // A statement of its own, before those that look at notifications: PostgreSQL lets a statement that
        // waited for a lock see the locked row as it is now, but every other row as it was before.
        Conn::Postgres(_) => "FOR UPDATE OF i",
    };
    let query = format!(
        "SELECT i.unread, EXISTS (SELECT 1 FROM push_subscriptions s WHERE s.user_id = i.user_id) AS has_browser \
         FROM inboxes i WHERE i.user_id = ? {lock}"
    );
    let inbox = Statement::new(query).text(user_id.to_string()).get_result(conn).optional()?;
    inbox.ok_or_else(|| no_inbox(user_id))
}

/// Adds `by`, which may be negative, to the unread count, takes the inbox's lock in doing so, and gives the
/// state after it.
///
/// # Errors
/// When the database fails.
pub fn change_unread(conn: &mut Conn, user_id: UserId, by: i64) -> Result<Inbox, StoreError> {
    Statement::new(
        "UPDATE inboxes SET unread = unread + ?, revision = revision + 1 WHERE user_id = ? \
         RETURNING unread, revision",
    )
    .bigint(by)
    .text(user_id.to_string())
    .get_result(conn)
    .optional()?
    .ok_or_else(|| no_inbox(user_id))
}

/// Every user is made with an inbox.
fn no_inbox(user_id: UserId) -> StoreError {
    StoreError::Corrupt { what: "inbox", value: format!("none of user {user_id}") }
}

/// The state of an inbox; an empty one for a user who does not exist.
///
/// # Errors
/// When the database fails.
pub fn inbox(conn: &mut Conn, user_id: UserId) -> Result<Inbox, StoreError> {
    let row: Option<(i64, i64)> = inboxes::table
        .filter(inboxes::user_id.eq(user_id.to_string()))
        .select((inboxes::unread, inboxes::revision))
        .first(conn)
        .optional()?;
    let (unread, revision) = row.unwrap_or_default();
    Ok(Inbox { unread, revision })
}

/// Stores a notification. The counter is [`change_unread`]'s, which comes first.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, notification: &NewNotification<'_>) -> Result<(), StoreError> {
    diesel::insert_into(notifications::table)
        .values((
            notifications::id.eq(notification.id.to_string()),
            notifications::user_id.eq(notification.user_id.to_string()),
            notifications::order_id.eq(notification.order_id.map(|order_id| order_id.to_string())),
            notifications::kind.eq(notification.kind.as_str()),
            notifications::title.eq(notification.title),
            notifications::message.eq(notification.message),
            notifications::data.eq(notification.data),
            notifications::created_at.eq(notification.created_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Marks one notification of a user as read; `false` when it was already, or is none of that user's. The
/// counter is the caller's, who holds the inbox's lock.
///
/// # Errors
/// When the database fails.
pub fn mark_read(
    conn: &mut Conn,
    user_id: UserId,
    notification_id: NotificationId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let unread = notifications::table
        .filter(notifications::id.eq(notification_id.to_string()))
        .filter(notifications::user_id.eq(user_id.to_string()))
        .filter(notifications::read_at.is_null());
    let marked = diesel::update(unread).set(notifications::read_at.eq(at.as_millis())).execute(conn)?;
    Ok(marked > 0)
}

/// Marks all notifications of a user as read, and says how many were not. The counter is the caller's, who
/// holds the inbox's lock.
///
/// # Errors
/// When the database fails.
pub fn mark_all_read(conn: &mut Conn, user_id: UserId, at: Timestamp) -> Result<usize, StoreError> {
    let unread = notifications::table
        .filter(notifications::user_id.eq(user_id.to_string()))
        .filter(notifications::read_at.is_null());
    Ok(diesel::update(unread).set(notifications::read_at.eq(at.as_millis())).execute(conn)?)
}

/// Marks a user's notifications of one kind about one order as read, and says how many were not. The counter is the
/// caller's, who holds the inbox's lock.
///
/// # Errors
/// When the database fails.
pub fn mark_read_about(
    conn: &mut Conn,
    user_id: UserId,
    order_id: OrderId,
    kind: NotificationKind,
    at: Timestamp,
) -> Result<usize, StoreError> {
    let unread = notifications::table
        .filter(notifications::user_id.eq(user_id.to_string()))
        .filter(notifications::order_id.eq(order_id.to_string()))
        .filter(notifications::kind.eq(kind.as_str()))
        .filter(notifications::read_at.is_null());
    Ok(diesel::update(unread).set(notifications::read_at.eq(at.as_millis())).execute(conn)?)
}

/// Whether a user has an unread notification of this kind about this order that was made after `since`.
///
/// # Errors
/// When the database fails.
pub fn has_unread_about(
    conn: &mut Conn,
    user_id: UserId,
    order_id: OrderId,
    kind: NotificationKind,
    since: Timestamp,
) -> Result<bool, StoreError> {
    let unread = notifications::table
        .filter(notifications::user_id.eq(user_id.to_string()))
        .filter(notifications::order_id.eq(order_id.to_string()))
        .filter(notifications::kind.eq(kind.as_str()))
        .filter(notifications::created_at.gt(since.as_millis()))
        .filter(notifications::read_at.is_null());
    Ok(unread.count().get_result::<i64>(conn)? > 0)
}

/// Whether a notification is there and is this user's.
///
/// # Errors
/// When the database fails.
pub fn belongs_to(
    conn: &mut Conn,
    user_id: UserId,
    notification_id: NotificationId,
) -> Result<bool, StoreError> {
    let own = notifications::table
        .filter(notifications::id.eq(notification_id.to_string()))
        .filter(notifications::user_id.eq(user_id.to_string()));
    Ok(own.count().get_result::<i64>(conn)? > 0)
}

/// Which notifications of a user to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// `true`: only unread ones; `false`: only read ones.
    pub unread: Option<bool>,
    /// Only those about this.
    pub kind: Option<NotificationKind>,
    /// Only those made before this one.
    pub before: Option<NotificationId>,
}

/// Notifications of a user, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Conn,
    user_id: UserId,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Notification>, StoreError> {
    let mut query = notifications::table
        .filter(notifications::user_id.eq(user_id.to_string()))
        .order(notifications::id.desc())
        .limit(limit)
        .select((
            notifications::id,
            notifications::kind,
            notifications::title,
            notifications::message,
            notifications::data,
            notifications::created_at,
            notifications::read_at,
        ))
        .into_boxed();
    query = match filter.unread {
        Some(true) => query.filter(notifications::read_at.is_null()),
        Some(false) => query.filter(notifications::read_at.is_not_null()),
        None => query,
    };
    if let Some(kind) = filter.kind {
        query = query.filter(notifications::kind.eq(kind.as_str()));
    }
    if let Some(before) = filter.before {
        query = query.filter(notifications::id.lt(before.to_string()));
    }
    query.load::<Row>(conn)?.into_iter().map(Notification::try_from).collect()
}

/// What a user chose, where that differs from the defaults.
///
/// # Errors
/// When the database fails.
pub fn choices(conn: &mut Conn, user_id: UserId) -> Result<Vec<Choice>, StoreError> {
    let rows: Vec<(String, String, bool)> = notification_preferences::table
        .filter(notification_preferences::user_id.eq(user_id.to_string()))
        .select((
            notification_preferences::kind,
            notification_preferences::channel,
            notification_preferences::enabled,
        ))
        .load(conn)?;
    // A kind or a channel that only a newer version knows means nothing to this one.
    let known = rows.into_iter().filter_map(|(kind, channel, enabled)| {
        Some(Choice { kind: kind.parse().ok()?, channel: channel.parse().ok()?, enabled })
    });
    Ok(known.collect())
}

/// Keeps one choice of a user.
///
/// # Errors
/// When the database fails.
pub fn put_choice(conn: &mut Conn, user_id: UserId, choice: Choice) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO notification_preferences (user_id, kind, channel, enabled) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id, kind, channel) DO UPDATE SET enabled = excluded.enabled",
    )
    .bind::<Text, _>(user_id.to_string())
    .bind::<Text, _>(choice.kind.as_str())
    .bind::<Text, _>(choice.channel.as_str())
    .bind::<Bool, _>(choice.enabled)
    .execute(conn)?;
    Ok(())
}

/// Lets the default stand again.
///
/// # Errors
/// When the database fails.
pub fn remove_choice(
    conn: &mut Conn,
    user_id: UserId,
    kind: NotificationKind,
    channel: Channel,
) -> Result<(), StoreError> {
    let choice = notification_preferences::table
        .filter(notification_preferences::user_id.eq(user_id.to_string()))
        .filter(notification_preferences::kind.eq(kind.as_str()))
        .filter(notification_preferences::channel.eq(channel.as_str()));
    diesel::delete(choice).execute(conn)?;
    Ok(())
}
