//! Rows of deadlines.
//!
//! Whoever takes one in hand puts it off a little first, and counts that. When it is done, the row is removed only if it
//! still stands as it was put off. So one that was taken by an instance that died comes up again, and of two that took the
//! same one, the second finds nothing to remove.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::domain::deadline::DeadlineKind;
use crate::domain::ids::OrderId;
use crate::domain::order::OrderStatus;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{optional_id, parsed};
use super::statement::Statement;

/// How long one that is in hand is left alone by others, the first time; twice as long each time after that.
const IN_HAND: Duration = Duration::from_secs(5);
/// It grows up to so many times as long.
const MOST_DOUBLINGS: u32 = 6;

/// Something that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// What.
    pub kind: DeadlineKind,
    /// Of what: an id, as the kind has it.
    pub subject: String,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// When it comes up again unless it is done by then.
    pub due_at: Timestamp,
    /// How often it was taken in hand since it was set.
    pub attempts: i64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Nullable<Text>)]
    order_id: Option<String>,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
}

/// Sets a deadline; one for the same thing is moved.
///
/// # Errors
/// When the database fails.
pub fn set(
    conn: &mut Conn,
    kind: DeadlineKind,
    subject: &str,
    order_id: Option<OrderId>,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    Statement::new(
        "INSERT INTO deadlines (kind, subject, order_id, due_at, attempts) VALUES (?, ?, ?, ?, 0) \
         ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, attempts = 0",
    )
    .text(kind.as_str())
    .text(subject)
    .optional_text(order_id.map(|id| id.to_string()))
    .bigint(due_at.as_millis())
    .execute(conn)?;
    Ok(())
}

/// Lifts a deadline, if it stands.
///
/// # Errors
/// When the database fails.
pub fn lift(conn: &mut Conn, kind: DeadlineKind, subject: &str) -> Result<(), StoreError> {
    Statement::new("DELETE FROM deadlines WHERE kind = ? AND subject = ?")
        .text(kind.as_str())
        .text(subject)
        .execute(conn)?;
    Ok(())
}

/// Lifts all deadlines of a kind that are about an order.
///
/// # Errors
/// When the database fails.
pub fn lift_all(conn: &mut Conn, kind: DeadlineKind, order_id: OrderId) -> Result<(), StoreError> {
    Statement::new("DELETE FROM deadlines WHERE order_id = ? AND kind = ?")
        .text(order_id.to_string())
        .text(kind.as_str())
        .execute(conn)?;
    Ok(())
}

/// Whether this version knows the kind of a row, as a condition. What a later version has left behind is left to it.
fn is_known() -> String {
    let names = DeadlineKind::ALL.map(|kind| format!("'{}'", kind.as_str()));
    // Not the bare column: SQLite would take its index for this, and sort all rows by time instead of reading the first.
    format!("kind || '' IN ({})", names.join(", "))
}

/// Bounds how long the rest of this transaction waits for locks: what is due comes up again, and one order that somebody
/// holds is no reason to keep all others waiting.
///
/// # Errors
/// When the database fails.
pub fn bound_waiting(conn: &mut Conn) -> Result<(), StoreError> {
    match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => {}
        Conn::Postgres(_) => {
            Statement::new("SET LOCAL lock_timeout = '2s'").execute(conn)?;
        }
    }
    Ok(())
}

/// Sets the deadlines that orders of these statuses are without: those of an earlier version, or of a time when others
/// applied.
///
/// # Errors
/// When the database fails.
pub fn set_missing(
    conn: &mut Conn,
    kind: DeadlineKind,
    status: OrderStatus,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    Statement::new(
        "INSERT INTO deadlines (kind, subject, order_id, due_at, attempts) \
         SELECT CAST(? AS TEXT), id, id, CAST(? AS BIGINT), 0 FROM orders WHERE status = ? ON CONFLICT DO NOTHING",
    )
    .text(kind.as_str())
    .bigint(due_at.as_millis())
    .text(status.as_str())
    .execute(conn)?;
    Ok(())
}

/// Takes what is due at `now` in hand, the longest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn take_due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Deadline>, StoreError> {
    let query = format!(
        "SELECT kind, subject, order_id, attempts FROM deadlines WHERE due_at <= ? AND {} \
         ORDER BY due_at LIMIT ?",
        is_known()
    );
    let rows: Vec<Row> = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => Statement::new(query).bigint(now.as_millis()).bigint(limit).load(conn)?,
        Conn::Postgres(_) => Statement::new(format!("{query} FOR UPDATE SKIP LOCKED"))
            .bigint(now.as_millis())
            .bigint(limit)
            .load(conn)?,
    };
    rows.into_iter().map(|row| put_off(conn, row, now)).collect()
}

fn put_off(conn: &mut Conn, row: Row, now: Timestamp) -> Result<Deadline, StoreError> {
    let doublings = u32::try_from(row.attempts).unwrap_or(MOST_DOUBLINGS).min(MOST_DOUBLINGS);
    let deadline = Deadline {
        kind: parsed("deadlines.kind", &row.kind)?,
        order_id: optional_id("deadlines.order_id", row.order_id.as_deref())?,
        subject: row.subject,
        due_at: now.after(IN_HAND * 2_u32.pow(doublings)),
        attempts: row.attempts + 1,
    };
    Statement::new("UPDATE deadlines SET due_at = ?, attempts = ? WHERE kind = ? AND subject = ?")
        .bigint(deadline.due_at.as_millis())
        .bigint(deadline.attempts)
        .text(deadline.kind.as_str())
        .text(deadline.subject.as_str())
        .execute(conn)?;
    Ok(deadline)
}

/// Removes one that was taken in hand; `false` when it does not stand any more as it did then.
///
/// # Errors
/// When the database fails.
pub fn settle(conn: &mut Conn, deadline: &Deadline) -> Result<bool, StoreError> {
    let removed = Statement::new(
        "DELETE FROM deadlines WHERE kind = ? AND subject = ? AND due_at = ? AND attempts = ?",
    )
    .text(deadline.kind.as_str())
    .text(deadline.subject.as_str())
    .bigint(deadline.due_at.as_millis())
    .bigint(deadline.attempts)
    .execute(conn)?;
    Ok(removed > 0)
}

fn next_due_query() -> String {
    format!("SELECT due_at FROM deadlines WHERE {} ORDER BY due_at LIMIT 1", is_known())
}

/// When the next one is due.
///
/// # Errors
/// When the database fails.
pub fn next_due(conn: &mut Conn) -> Result<Option<Timestamp>, StoreError> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = BigInt)]
        due_at: i64,
    }
    let next: Option<Due> = Statement::new(next_due_query()).get_result(conn).optional()?;
    Ok(next.map(|next| Timestamp::from_millis(next.due_at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestDatabase;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    /// What is due; the database comes with one deadline of its own.
    fn due(conn: &mut Conn, now: Timestamp) -> Vec<Deadline> {
        let mut due = take_due(conn, now, 10).expect("the deadlines are read");
        due.retain(|deadline| deadline.kind != DeadlineKind::Purge);
        due
    }

    #[test]
    fn one_that_is_in_hand_is_left_alone_for_longer_each_time() {
        for database in TestDatabase::each() {
            let conn = &mut database.connect_made();
            set(conn, DeadlineKind::Complete, "a", None, at(10)).expect("set");
            assert_eq!(due(conn, at(9)), []);
            let first = due(conn, at(10));
            assert_eq!(first.iter().map(|deadline| deadline.due_at).collect::<Vec<_>>(), [at(15)]);
            assert_eq!(due(conn, at(14)), []);
            let second = due(conn, at(15));
            assert_eq!(second.iter().map(|deadline| deadline.due_at).collect::<Vec<_>>(), [at(25)]);
            // Whoever had it first is too late.
            assert!(!settle(conn, &first[0]).expect("looked up"));
            assert!(settle(conn, &second[0]).expect("removed"));
            assert!(!settle(conn, &second[0]).expect("gone"));
        }
    }

    #[test]
    fn one_that_was_set_anew_is_not_removed_by_whoever_had_the_old_one() {
        for database in TestDatabase::each() {
            let conn = &mut database.connect_made();
            set(conn, DeadlineKind::Complete, "a", None, at(10)).expect("set");
            let old = due(conn, at(10));
            set(conn, DeadlineKind::Complete, "a", None, at(12)).expect("moved");
            assert!(!settle(conn, &old[0]).expect("looked up"));
            assert_eq!(due(conn, at(12)).len(), 1);
            lift(conn, DeadlineKind::Complete, "a").expect("lifted");
            assert_eq!(due(conn, at(100)), []);
        }
    }

    #[test]
    fn what_a_later_version_has_left_behind_keeps_nothing_else_from_being_done() {
        for database in TestDatabase::each() {
            let conn = &mut database.connect_made();
            let row = "INSERT INTO deadlines (kind, subject, due_at, attempts) VALUES ('later', '', 1, 0)";
            Statement::new(row).execute(conn).expect("set");
            set(conn, DeadlineKind::Complete, "a", None, at(10)).expect("set");
            lift(conn, DeadlineKind::Purge, "").expect("lifted");
            assert_eq!(next_due(conn).expect("read"), Some(at(10)));
            assert_eq!(due(conn, at(10)).len(), 1);
        }
    }

    #[test]
    fn the_next_one_is_found_without_reading_the_others() {
        #[derive(QueryableByName)]
        struct Plan {
            #[diesel(sql_type = Text)]
            detail: String,
        }
        let database = TestDatabase::sqlite();
        let conn = &mut database.connect_made();
        let query = format!("EXPLAIN QUERY PLAN {}", next_due_query());
        let plan: Vec<Plan> = Statement::new(query).load(conn).expect("a plan");
        let steps: Vec<&str> = plan.iter().map(|step| step.detail.as_str()).collect();
        assert_eq!(steps, ["SCAN deadlines USING INDEX deadlines_due"]);
    }

    #[test]
    fn names_read_back() {
        for kind in DeadlineKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
