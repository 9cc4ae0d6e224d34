//! Rows of what people did that admins watch.

use diesel::prelude::*;

use crate::domain::ids::{EventId, OrderId, UserId};
use crate::domain::time::Timestamp;
use crate::protocol::admin::ActivityView;

use super::Conn;
use super::error::StoreError;
use super::read::{id, optional_id, parsed};
use super::schema::{activities, users};
use super::statement::Statement;

/// Which activities a list is to hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only of this user.
    pub user_id: Option<UserId>,
    /// Only of this order.
    pub order_id: Option<OrderId>,
    /// Only those before this one.
    pub before: Option<EventId>,
}

/// The name of a user, for an activity.
///
/// # Errors
/// When the database fails.
pub fn name_of(conn: &mut Conn, user_id: UserId) -> Result<Option<String>, StoreError> {
    let named = users::table.filter(users::id.eq(user_id.to_string())).select(users::name);
    Ok(named.first(conn).optional()?)
}

/// Adds an activity.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, activity: &ActivityView) -> Result<(), StoreError> {
    Statement::new(
        "INSERT INTO activities (id, user_id, role, action, order_id, at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .text(activity.id.to_string())
    .optional_text(activity.user_id.map(|user_id| user_id.to_string()))
    .optional_text(activity.role.map(|role| role.as_str().to_owned()))
    .text(activity.action.as_str())
    .optional_text(activity.order_id.map(|order_id| order_id.to_string()))
    .bigint(activity.at.as_millis())
    .execute(conn)?;
    Ok(())
}

#[derive(Queryable)]
struct Row {
    id: String,
    user_id: Option<String>,
    name: Option<String>,
    role: Option<String>,
    action: String,
    order_id: Option<String>,
    at: i64,
}

/// Activities, newest first.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &mut Conn, filter: Filter, limit: i64) -> Result<Vec<ActivityView>, StoreError> {
    let mut query = activities::table
        .left_join(users::table.on(activities::user_id.eq(users::id.nullable())))
        .select((
            activities::id,
            activities::user_id,
            users::name.nullable(),
            activities::role,
            activities::action,
            activities::order_id,
            activities::at,
        ))
        .order(activities::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(user_id) = filter.user_id {
        query = query.filter(activities::user_id.eq(user_id.to_string()));
    }
    if let Some(order_id) = filter.order_id {
        query = query.filter(activities::order_id.eq(order_id.to_string()));
    }
    if let Some(before) = filter.before {
        query = query.filter(activities::id.lt(before.to_string()));
    }
    let view = |row: Row| {
        Ok(ActivityView {
            id: id("activities.id", &row.id)?,
            user_id: optional_id("activities.user_id", row.user_id.as_deref())?,
            name: row.name,
            role: row.role.as_deref().map(|role| parsed("activities.role", role)).transpose()?,
            action: row.action,
            order_id: optional_id("activities.order_id", row.order_id.as_deref())?,
            at: Timestamp::from_millis(row.at),
        })
    };
    query.load::<Row>(conn)?.into_iter().map(view).collect()
}

/// Removes some that are older than `first`; tells how many.
///
/// # Errors
/// When the database fails.
pub fn purge(conn: &mut Conn, first: EventId, limit: i64) -> Result<usize, StoreError> {
    let text =
        "DELETE FROM activities WHERE id IN (SELECT id FROM activities WHERE id < ? ORDER BY id LIMIT ?)";
    Ok(Statement::new(text).text(first.to_string()).bigint(limit).execute(conn)?)
}
