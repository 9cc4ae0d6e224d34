//! The outbox: what committed changes ask the realtime side to do, in the order in which they were made.
//!
//! Changes of one order, or of one inbox, are in order because each holds that row's lock until it commits.

use diesel::prelude::*;

use crate::domain::ids::EventId;
use crate::domain::time::Timestamp;
use crate::protocol::dispatch::Dispatch;

use super::Conn;
use super::error::StoreError;
use super::schema::outbox;
use super::statement::Statement;

/// One waiting row.
#[derive(Debug)]
pub struct OutboxRow {
    /// Its place in the order.
    pub id: i64,
    /// The event's id on the wire.
    pub event_id: EventId,
    /// When the change was made.
    pub at: Timestamp,
    /// What to do.
    pub dispatch: Dispatch,
}

/// A dispatch that is about to be stored.
#[derive(Debug)]
pub struct NewOutboxRow {
    /// The event's id on the wire.
    pub event_id: EventId,
    /// What to do.
    pub dispatch: Dispatch,
}

/// The most rows in one statement, each number of rows being a statement of its own.
const CHUNK: usize = 8;

/// Appends dispatches, in this order.
///
/// # Errors
/// When they cannot be written.
pub fn append(conn: &mut Conn, at: Timestamp, rows: &[NewOutboxRow]) -> Result<(), StoreError> {
    for chunk in rows.chunks(CHUNK) {
        let places = vec!["(?, ?, ?)"; chunk.len()].join(", ");
        // Both databases number the rows of a list in its order.
        let text = format!("INSERT INTO outbox (event_id, at, dispatch) VALUES {places}");
        let statement = chunk.iter().fold(Statement::new(text), |statement, row| {
            let dispatch = crate::protocol::server::to_json(&row.dispatch);
            statement.text(row.event_id.to_string()).bigint(at.as_millis()).text(dispatch)
        });
        statement.execute(conn)?;
    }
    Ok(())
}

/// What waits behind the row `after`, oldest first, at most `limit` rows. Rows that cannot be read are left out, logged, and
/// given back as the second part, so that one of them does not stop all that follow.
///
/// # Errors
/// When the table cannot be read.
pub fn waiting(conn: &mut Conn, after: i64, limit: i64) -> Result<(Vec<OutboxRow>, Vec<i64>), StoreError> {
    let rows: Vec<(i64, String, i64, String)> = outbox::table
        .filter(outbox::id.gt(after))
        .order(outbox::id)
        .limit(limit)
        .select((outbox::id, outbox::event_id, outbox::at, outbox::dispatch))
        .load(conn)?;
    let mut read = Vec::with_capacity(rows.len());
    let mut unreadable = Vec::new();
    for (id, event_id, at, dispatch) in rows {
        match (event_id.parse(), serde_json::from_str(&dispatch)) {
            (Ok(event_id), Ok(dispatch)) => {
                read.push(OutboxRow { id, event_id, at: Timestamp::from_millis(at), dispatch });
            }
            (Err(_), _) | (_, Err(_)) => {
                log::error!("outbox row {id} cannot be read and is passed over: {dispatch}");
                unreadable.push(id);
            }
        }
    }
    Ok((read, unreadable))
}

/// The last row that waits; 0 when none does.
///
/// # Errors
/// When the table cannot be read.
pub fn last(conn: &mut Conn) -> Result<i64, StoreError> {
    let last: Option<i64> = outbox::table.select(diesel::dsl::max(outbox::id)).first(conn)?;
    Ok(last.unwrap_or(0))
}

/// How many rows wait.
///
/// # Errors
/// When the table cannot be read.
pub fn count(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(outbox::table.count().get_result(conn)?)
}

/// Removes rows that were published.
///
/// # Errors
/// When they cannot be removed; they will be published again, with the same ids.
pub fn remove(conn: &mut Conn, ids: &[i64]) -> Result<(), StoreError> {
    // One statement a run of neighbours: a list of hundreds of binds would be parsed anew each time.
    for (first, last) in runs(ids) {
        let statement = Statement::new("DELETE FROM outbox WHERE id BETWEEN ? AND ?");
        statement.bigint(first).bigint(last).execute(conn)?;
    }
    Ok(())
}

/// The runs of consecutive numbers in an ascending list.
fn runs(ids: &[i64]) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for &id in ids {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == id => *last = id,
            Some(_) | None => runs.push((id, id)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_exactly_what_was_named() {
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[3]), [(3, 3)]);
        assert_eq!(runs(&[1, 2, 3, 5, 6, 9]), [(1, 3), (5, 6), (9, 9)]);
    }
}
