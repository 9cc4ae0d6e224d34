//! Notifications: into the inbox and out to the sockets, and reading them.
//!
//! The unread count is exact: it changes in the transaction that adds or reads notifications, under the lock
//! of the inbox, and its event goes into the outbox before that lock is let go. So the last event that a
//! client gets carries the count that the database has.

mod ledger;
mod preferences;
mod recorder;
#[cfg(test)]
mod tests;

pub use ledger::{DeliveryState, DeliveryView, LedgerView, ledger};
pub use preferences::{preferences, set_preferences};
pub use recorder::{Recorder, ack, flush, received, run_recorder};

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::{EventId, NotificationId, OrderId, UserId};
use crate::domain::locale::Locale;
use crate::domain::notification::{Channel, Choice, NotificationContent, NotificationKind, Preferences};
use crate::domain::principal::Principal;
use crate::protocol::event::Event;
use crate::protocol::server::to_json;
use crate::protocol::views::NotificationView;
use crate::store::notifications::{self as rows, Filter, Inbox, LockedInbox, NewNotification};
use crate::store::{Conn, deliveries};

use super::app::{App, Reply, Tx};
use super::error::ServiceError;
use super::idempotency::Idempotency;
use super::push;

/// Notifies a user: into the inbox and, once this is committed, to the open sockets, in the user's own language.
/// Nothing happens when the user has turned this kind off, or is gone.
///
/// It holds the lock of that user's inbox until the transaction ends. A transaction that notifies several
/// users uses [`add_all`].
///
/// # Errors
/// When the database fails.
pub fn add(tx: &mut Tx<'_>, user_id: UserId, content: &NotificationContent) -> Result<(), ServiceError> {
    let kind = content.kind();
    let Some(addressee) = rows::addressee(tx.conn(), user_id, kind)? else {
        return Ok(());
    };
    if !is_wanted(kind, Channel::InApp, addressee.in_app) {
        return Ok(());
    }
    let rendered = content.render(Locale::from_tag(&addressee.locale).unwrap_or_default());
    let inbox = rows::change_unread(tx.conn(), user_id, 1)?;
    // Made under the lock, so that the ids of an inbox sort as its events do.
    let view = NotificationView {
        id: NotificationId::new(),
        kind: kind.as_str().into(),
        title: rendered.title,
        message: rendered.message,
        data: content.data(),
        created_at: tx.now(),
        read_at: None,
    };
    let notification = NewNotification {
        id: view.id,
        user_id,
        order_id: content.order_id(),
        kind,
        title: &view.title,
        message: &view.message,
        data: &to_json(&view.data),
        created_at: view.created_at,
    };
    rows::insert(tx.conn(), &notification)?;
    let now = tx.now();
    deliveries::queue(tx.conn(), view.id, Channel::InApp, now)?;
    if addressee.has_browser && is_wanted(kind, Channel::Push, addressee.push) {
        push::plan(tx, view.id, user_id, content)?;
    }
    let event_id = EventId::from(view.id);
    tx.emit_as(event_id, &Event::NotificationAdded { user_id, notification: Box::new(view) });
    tell_count(tx, user_id, inbox);
    Ok(())
}

/// What is to be put into inboxes, and whose.
pub type Letters = Vec<(UserId, NotificationContent)>;

/// Notifies several users, always in the same order, so that two transactions that do so cannot wait for each
/// other's inboxes.
///
/// # Errors
/// When the database fails.
pub fn add_all(tx: &mut Tx<'_>, mut letters: Letters) -> Result<(), ServiceError> {
    // Stable: what one user gets stays in the order in which it was given.
    letters.sort_by_key(|(user_id, _)| *user_id);
    letters.iter().try_for_each(|(user_id, content)| add(tx, *user_id, content))
}

fn is_wanted(kind: NotificationKind, channel: Channel, choice: Option<bool>) -> bool {
    let choice = choice.map(|enabled| Choice { kind, channel, enabled });
    Preferences::from_stored(choice).allows(kind, channel)
}

fn tell_count(tx: &mut Tx<'_>, user_id: UserId, inbox: Inbox) {
    tx.emit(&Event::UnreadCountChanged { user_id, count: inbox.unread, revision: inbox.revision });
}

/// Marks one of the caller's own notifications as read, and gives the number of those that are left. Reading
/// twice is reading once: the second time nothing changes and nobody is told.
///
/// # Errors
/// `NotFound` when it is not there or somebody else's.
pub async fn mark_read(app: &App, who: Principal, id: NotificationId) -> Result<i64, ServiceError> {
    let user_id = who.user_id;
    app.write(move |tx| mark_read_in(tx, user_id, id)).await
}

fn mark_read_in(tx: &mut Tx<'_>, user_id: UserId, id: NotificationId) -> Result<i64, ServiceError> {
    let now = tx.now();
    let inbox = rows::lock_inbox(tx.conn(), user_id)?;
    if rows::mark_read(tx.conn(), user_id, id, now)? {
        close_pushes(tx, user_id, &inbox, false)?;
        return count_down(tx, user_id, 1);
    }
    if rows::belongs_to(tx.conn(), user_id, id)? {
        return Ok(inbox.unread);
    }
    Err(ServiceError::NotFound { what: "notification" })
}

/// Marks all of the caller's notifications as read, and gives the number of those that are left: none.
///
/// # Errors
/// When the database fails.
pub async fn mark_all_read(app: &App, who: Principal) -> Result<i64, ServiceError> {
    let user_id = who.user_id;
    app.write(move |tx| mark_all_read_in(tx, user_id)).await
}

fn mark_all_read_in(tx: &mut Tx<'_>, user_id: UserId) -> Result<i64, ServiceError> {
    let now = tx.now();
    let inbox = rows::lock_inbox(tx.conn(), user_id)?;
    match rows::mark_all_read(tx.conn(), user_id, now)? {
        0 => Ok(inbox.unread),
        read => {
            close_pushes(tx, user_id, &inbox, true)?;
            count_down(tx, user_id, i64::try_from(read).unwrap_or(i64::MAX))
        }
    }
}

/// What was read is closed where it was pushed to.
fn close_pushes(
    tx: &mut Tx<'_>,
    user_id: UserId,
    inbox: &LockedInbox,
    is_all: bool,
) -> Result<(), ServiceError> {
    if inbox.has_browser { push::close_read(tx, user_id, is_all) } else { Ok(()) }
}

/// Marks a user's notifications of one kind about one order as read: what they are about was seen elsewhere.
///
/// # Errors
/// When the database fails.
pub(super) fn mark_read_about(
    tx: &mut Tx<'_>,
    user_id: UserId,
    order_id: OrderId,
    kind: NotificationKind,
) -> Result<(), ServiceError> {
    let now = tx.now();
    let inbox = rows::lock_inbox(tx.conn(), user_id)?;
    let read = rows::mark_read_about(tx.conn(), user_id, order_id, kind, now)?;
    if read > 0 {
        close_pushes(tx, user_id, &inbox, false)?;
        count_down(tx, user_id, i64::try_from(read).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

/// How many notifications are unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnreadView {
    /// So many.
    pub count: i64,
}

/// [`mark_read`] for a call that may come with an `Idempotency-Key`.
///
/// # Errors
/// As [`mark_read`]; `Conflict` when the key came with another request.
pub async fn mark_read_once(
    app: &App,
    who: Principal,
    id: NotificationId,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    app.write_once(key, 200, move |tx| Ok(UnreadView { count: mark_read_in(tx, who.user_id, id)? })).await
}

/// [`mark_all_read`] for a call that may come with an `Idempotency-Key`.
///
/// # Errors
/// When the database fails; `Conflict` when the key came with another request.
pub async fn mark_all_read_once(
    app: &App,
    who: Principal,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    app.write_once(key, 200, move |tx| Ok(UnreadView { count: mark_all_read_in(tx, who.user_id)? })).await
}

fn count_down(tx: &mut Tx<'_>, user_id: UserId, read: i64) -> Result<i64, ServiceError> {
    let inbox = rows::change_unread(tx.conn(), user_id, -read)?;
    tell_count(tx, user_id, inbox);
    Ok(inbox.unread)
}

/// How many of a user's notifications are unread, and the revision of that count: an event with a lower one is
/// older.
///
/// # Errors
/// When the database fails.
pub fn unread_count(conn: &mut Conn, user_id: UserId) -> Result<(i64, i64), ServiceError> {
    let inbox = rows::inbox(conn, user_id)?;
    Ok((inbox.unread, inbox.revision))
}

/// Notifications of the caller, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn list(
    app: &App,
    who: Principal,
    filter: Filter,
    limit: i64,
) -> Result<Vec<NotificationView>, ServiceError> {
    let user_id = who.user_id;
    let found = app.read(move |conn| Ok(rows::list(conn, user_id, &filter, limit)?)).await?;
    Ok(found.into_iter().map(view).collect())
}

fn view(row: rows::Notification) -> NotificationView {
    NotificationView {
        id: row.id,
        kind: row.kind,
        title: row.title,
        message: row.message,
        data: row.data,
        created_at: row.created_at,
        read_at: row.read_at,
    }
}
