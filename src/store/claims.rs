//! Rows of which admin looks after which order.

use diesel::prelude::*;

use crate::domain::ids::{OrderId, UserId};
use crate::domain::time::Timestamp;
use crate::protocol::admin::ClaimView;

use super::Conn;
use super::error::StoreError;
use super::read::id;
use super::schema::{claims, orders, users};
use super::statement::Statement;

type Row = (String, String, String, i64, i64);

fn view((order_id, user_id, name, at, until): Row) -> Result<ClaimView, StoreError> {
    Ok(ClaimView {
        order_id: id("claims.order_id", &order_id)?,
        user_id: id("claims.user_id", &user_id)?,
        name,
        at: Timestamp::from_millis(at),
        until: Timestamp::from_millis(until),
    })
}

/// Those that hold at `now`, the oldest first, at most `limit`; with `order_id`, only that order's.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Conn,
    order_id: Option<OrderId>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<ClaimView>, StoreError> {
    let mut query = claims::table
        .inner_join(users::table)
        .inner_join(orders::table)
        .filter(claims::until.gt(now.as_millis()))
        .filter(orders::status.ne_all(["completed", "cancelled"]))
        .select((claims::order_id, claims::user_id, users::name, claims::at, claims::until))
        .order((claims::at, claims::order_id))
        .limit(limit)
        .into_boxed();
    if let Some(order_id) = order_id {
        query = query.filter(claims::order_id.eq(order_id.to_string()));
    }
    query.load::<Row>(conn)?.into_iter().map(view).collect()
}

/// Notes that an admin looks after an order, in the place of whoever did. To be called with the order locked.
///
/// # Errors
/// When the database fails.
pub fn put(
    conn: &mut Conn,
    order_id: OrderId,
    user_id: UserId,
    at: Timestamp,
    until: Timestamp,
) -> Result<(), StoreError> {
    let text = "INSERT INTO claims (order_id, user_id, at, until) VALUES (?, ?, ?, ?) ON CONFLICT (order_id) \
                DO UPDATE SET user_id = excluded.user_id, at = excluded.at, until = excluded.until";
    Statement::new(text)
        .text(order_id.to_string())
        .text(user_id.to_string())
        .bigint(at.as_millis())
        .bigint(until.as_millis())
        .execute(conn)?;
    Ok(())
}

/// Nobody looks after an order any more.
///
/// # Errors
/// When the database fails.
pub fn remove(conn: &mut Conn, order_id: OrderId) -> Result<(), StoreError> {
    Statement::new("DELETE FROM claims WHERE order_id = ?").text(order_id.to_string()).execute(conn)?;
    Ok(())
}

/// Removes some that hold no more; tells how many.
///
/// # Errors
/// When the database fails.
pub fn purge(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let unlocked = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => "FOR UPDATE SKIP LOCKED",
    };
    let text = format!(
        "DELETE FROM claims WHERE order_id IN \
         (SELECT order_id FROM claims WHERE until < ? ORDER BY order_id LIMIT ? {unlocked})"
    );
    Ok(Statement::new(text).bigint(now.as_millis()).bigint(limit).execute(conn)?)
}
