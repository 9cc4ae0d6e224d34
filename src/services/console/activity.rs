//! What people did that admins watch.

use std::time::Duration;

use crate::domain::ids::{EventId, OrderId, UserId};
use crate::domain::principal::Role;
use crate::protocol::admin::ActivityView;
use crate::protocol::event::Event;
use crate::services::app::{App, Tx};
use crate::services::error::ServiceError;
use crate::store::activities::{self as rows, Filter};
use crate::store::claims;

/// For how long activities are kept.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// How many rows of a table one purge removes.
const PURGED: i64 = 1_000;

/// Notes that somebody did something, and tells admins once that is committed.
///
/// # Errors
/// The database's.
pub fn note(
    tx: &mut Tx<'_>,
    (user_id, role): (UserId, Role),
    action: &'static str,
    order_id: Option<OrderId>,
) -> Result<(), ServiceError> {
    let name = rows::name_of(tx.conn(), user_id)?;
    let (user_id, role, action, at) = (Some(user_id), Some(role), action.to_owned(), tx.now());
    let activity = ActivityView { id: EventId::new(), user_id, name, role, action, order_id, at };
    rows::insert(tx.conn(), &activity)?;
    tx.emit_as(activity.id, &Event::Activity { activity });
    Ok(())
}

/// What people did, newest first.
///
/// # Errors
/// The database's.
pub async fn activities(app: &App, filter: Filter, limit: i64) -> Result<Vec<ActivityView>, ServiceError> {
    app.read(move |conn| Ok(rows::list(conn, filter, limit)?)).await
}

/// Removes some activities and claims past their time; tells how many.
///
/// # Errors
/// The database's.
pub fn purge(tx: &mut Tx<'_>) -> Result<usize, ServiceError> {
    let (now, first) = (tx.now(), EventId::first_of(tx.now().before(KEPT)));
    Ok(rows::purge(tx.conn(), first, PURGED)? + claims::purge(tx.conn(), now, PURGED)?)
}
