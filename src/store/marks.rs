//! Rows of marks: what is said or done about an order once.

use diesel::prelude::*;

use crate::domain::eta::Leg;
use crate::domain::ids::OrderId;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::schema::order_marks;
use super::statement::Statement;

/// What is said or done about an order once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The customer knows that the partner is near. At that time.
    Arriving,
    /// The first arrival that was given for this leg.
    Promised(Leg),
    /// The last arrival that the customer was notified of for this leg, or the first that was given.
    Announced(Leg),
}

impl Mark {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Arriving => "arriving",
            Self::Promised(Leg::Pickup) => "promised_pickup",
            Self::Promised(Leg::Dropoff) => "promised_dropoff",
            Self::Announced(Leg::Pickup) => "announced_pickup",
            Self::Announced(Leg::Dropoff) => "announced_dropoff",
        }
    }
}

/// Sets a mark that is not there yet; gives the one that stands, and whether it is this one.
///
/// # Errors
/// When the database fails.
pub fn set(
    conn: &mut Conn,
    order_id: OrderId,
    mark: Mark,
    at: Timestamp,
) -> Result<(Timestamp, bool), StoreError> {
    let added = Statement::new(
        "INSERT INTO order_marks (order_id, mark, at) VALUES (?, ?, ?) ON CONFLICT (order_id, mark) DO NOTHING",
    )
    .text(order_id.to_string())
    .text(mark.as_str())
    .bigint(at.as_millis())
    .execute(conn)?;
    if added > 0 {
        return Ok((at, true));
    }
    let standing: i64 = order_marks::table
        .filter(order_marks::order_id.eq(order_id.to_string()))
        .filter(order_marks::mark.eq(mark.as_str()))
        .select(order_marks::at)
        .first(conn)?;
    Ok((Timestamp::from_millis(standing), false))
}

/// When a mark stands at, if it does.
///
/// # Errors
/// When the database fails.
pub fn get(conn: &mut Conn, order_id: OrderId, mark: Mark) -> Result<Option<Timestamp>, StoreError> {
    let standing: Option<i64> = order_marks::table
        .filter(order_marks::order_id.eq(order_id.to_string()))
        .filter(order_marks::mark.eq(mark.as_str()))
        .select(order_marks::at)
        .first(conn)
        .optional()?;
    Ok(standing.map(Timestamp::from_millis))
}

/// Moves a mark; `false` when it does not stand at `from` any more.
///
/// # Errors
/// When the database fails.
pub fn advance(
    conn: &mut Conn,
    order_id: OrderId,
    mark: Mark,
    from: Timestamp,
    to: Timestamp,
) -> Result<bool, StoreError> {
    let moved = Statement::new("UPDATE order_marks SET at = ? WHERE order_id = ? AND mark = ? AND at = ?")
        .bigint(to.as_millis())
        .text(order_id.to_string())
        .text(mark.as_str())
        .bigint(from.as_millis())
        .execute(conn)?;
    Ok(moved > 0)
}

/// Removes the marks of orders that were placed before `before` and have ended.
///
/// # Errors
/// When the database fails.
pub(super) fn purge(conn: &mut Conn, before: Timestamp) -> Result<(), StoreError> {
    // Ids of orders sort by the time they were made.
    let text =
        format!("DELETE FROM order_marks WHERE order_id < ? AND {}", super::orders::is_over("order_marks"));
    Statement::new(text).text(OrderId::first_of(before).to_string()).execute(conn)?;
    Ok(())
}
