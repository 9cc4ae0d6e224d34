//! Reading what was written, and noting how far somebody has read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::{MessageId, OrderId, UserId};
use crate::domain::notification::NotificationKind;
use crate::domain::order::Party;
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::event::Event;
use crate::protocol::views::MessageView;
use crate::services::app::{App, Reply, Tx};
use crate::services::error::ServiceError;
use crate::services::idempotency::Idempotency;
use crate::services::{notifications, orders};
use crate::store::messages::{self as rows, Mark};
use crate::store::{Conn, at_one_moment, orders as order_rows};

use super::{sight, view};

/// What was written about an order, as one of its parties may see it.
#[derive(Debug)]
pub struct History {
    /// The messages, newest first.
    pub messages: Vec<MessageView>,
    /// How many of the others' the caller has not read.
    pub unread: i64,
    /// How far the caller and the parties have read.
    pub read: Vec<ReadMark>,
}

/// How far somebody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadMark {
    /// Who.
    pub user_id: UserId,
    /// Up to which message.
    pub up_to: MessageId,
    /// When.
    pub read_at: Timestamp,
}

impl From<Mark> for ReadMark {
    fn from(mark: Mark) -> Self {
        Self { user_id: mark.user_id, up_to: mark.up_to, read_at: mark.read_at }
    }
}

/// How far the caller has read.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadUpTo {
    /// The last message that was read.
    pub up_to: MessageId,
}

/// What was written about an order before the message `before`, at most `limit` messages.
///
/// # Errors
/// `NotFound`; `Invalid` when there is no such message; the database's.
pub async fn history(
    app: &App,
    who: Principal,
    order_id: OrderId,
    before: Option<MessageId>,
    limit: i64,
) -> Result<History, ServiceError> {
    let read = move |conn: &mut Conn| {
        let (order, party) = orders::visible(conn, &who, order_id)?;
        let sight = sight(&order, party);
        let before = match before {
            None => None,
            Some(message_id) => {
                Some(rows::number_of(conn, sight, message_id)?.ok_or_else(|| unknown("cursor"))?)
            }
        };
        let found = rows::list(conn, sight, before, limit)?;
        // Neither admins nor partners who had the order before are the other side.
        let partner = order.partner.as_ref().map(|partner| partner.user_id);
        let is_shown = |mark: &Mark| {
            mark.user_id == who.user_id || mark.user_id == order.customer_id || Some(mark.user_id) == partner
        };
        Ok(History {
            messages: found.into_iter().map(|(message, name)| view(message, name)).collect(),
            unread: rows::count_unread(conn, sight, who.user_id)?,
            read: rows::marks(conn, sight)?.into_iter().filter(is_shown).map(ReadMark::from).collect(),
        })
    };
    app.read(move |conn| at_one_moment(conn, read)).await
}

fn unknown(field: &str) -> ServiceError {
    ServiceError::invalid(field, "unknown", "there is no such message about this order")
}

/// Notes that the caller has read what was written about an order, up to a message or all of it. A mark that is further
/// already stays. Once nothing is left to read, the notifications of it are read, too.
///
/// # Errors
/// `NotFound`; `Invalid` when there is no such message; the database's.
pub async fn mark_read(
    app: &App,
    who: Principal,
    order_id: OrderId,
    up_to: Option<MessageId>,
) -> Result<(), ServiceError> {
    app.write(move |tx| mark_read_in(tx, &who, order_id, up_to)).await
}

/// [`mark_read`] for a call that may come with an `Idempotency-Key`.
///
/// # Errors
/// As [`mark_read`]; `Conflict` when the key came with another request.
pub async fn mark_read_once(
    app: &App,
    who: Principal,
    order_id: OrderId,
    up_to: MessageId,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    app.write_once(key, 204, move |tx| mark_read_in(tx, &who, order_id, Some(up_to))).await
}

fn mark_read_in(
    tx: &mut Tx<'_>,
    who: &Principal,
    order_id: OrderId,
    up_to: Option<MessageId>,
) -> Result<(), ServiceError> {
    let now = tx.now();
    // Locked, so that no message comes between counting and what is made of the count.
    let (order, party) = orders::with_party(who, order_rows::find_locked(tx.conn(), order_id)?)?;
    let (sight, user_id) = (sight(&order, party), who.user_id);
    let Some(up_to) = up_to.map_or_else(|| rows::last_seen(tx.conn(), sight), |id| Ok(Some(id)))? else {
        // Nothing was written yet.
        return Ok(());
    };
    let number = rows::number_of(tx.conn(), sight, up_to)?.ok_or_else(|| unknown("up_to"))?;
    if rows::move_mark(tx.conn(), order_id, user_id, number, now)? {
        match party {
            Party::Customer | Party::Partner => tx.emit(&Event::ChatRead { order_id, user_id, up_to }),
            // How far an admin has read is nobody else's business.
            Party::Admin | Party::System => {}
        }
        if rows::count_unread(tx.conn(), sight, user_id)? == 0 {
            notifications::mark_read_about(tx, user_id, order_id, NotificationKind::ChatMessage)?;
        }
    }
    Ok(())
}
