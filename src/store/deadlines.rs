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
/// How often it grows so: one that fails, or whose order was held over and over, is not left alone for minutes.
const IN_HAND_DOUBLINGS: u32 = 3;
/// After how long one whose order is held is tried again, the first time; twice as long each time after that.
const HELD: Duration = Duration::from_millis(100);
/// How often it grows so.
const HELD_DOUBLINGS: u32 = 6;

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

impl Row {
    fn in_hand(&self, due_at: Timestamp) -> Result<Deadline, StoreError> {
        Ok(Deadline {
            kind: parsed("deadlines.kind", &self.kind)?,
            subject: self.subject.clone(),
            order_id: optional_id("deadlines.order_id", self.order_id.as_deref())?,
            due_at,
            attempts: self.attempts + 1,
        })
    }
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

/// Bounds how long the rest of this transaction waits for a lock: what is due comes up again, and orders that somebody
/// holds are no reason to keep all others waiting.
///
/// # Errors
/// When the database fails.
pub fn bound_waiting(conn: &mut Conn, wait: Duration) -> Result<(), StoreError> {
    match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => {}
        Conn::Postgres(_) => {
            Statement::new(format!("SET LOCAL lock_timeout = {}", wait.as_millis())).execute(conn)?;
        }
    }
    Ok(())
}

/// Sets the deadlines that orders of this status are without: those of an earlier version, or of a time when others applied.
/// Not that partners be looked for while an order is offered to some. Gives how many orders were passed over, since somebody
/// is changing them.
///
/// # Errors
/// When the database fails.
pub fn set_missing(
    conn: &mut Conn,
    kind: DeadlineKind,
    status: OrderStatus,
    due_at: Timestamp,
) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Left {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let is_due = match kind {
        DeadlineKind::Dispatch => {
            "NOT EXISTS (SELECT 1 FROM offers WHERE offers.order_id = orders.id AND offers.status = 'open')"
        }
        DeadlineKind::Offer
        | DeadlineKind::NoPartner
        | DeadlineKind::Complete
        | DeadlineKind::ChatClosing
        | DeadlineKind::UnreadMessage
        | DeadlineKind::Purge => "TRUE",
    };
    let missing = format!(
        "FROM orders WHERE status = ? AND {is_due} AND NOT EXISTS \
         (SELECT 1 FROM deadlines WHERE deadlines.kind = ? AND deadlines.subject = orders.id)"
    );
    // The rows refer to their orders, so these would be waited for, against the order in which everybody else locks.
    let unlocked = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => "FOR KEY SHARE OF orders SKIP LOCKED",
    };
    Statement::new(format!(
        "INSERT INTO deadlines (kind, subject, order_id, due_at, attempts) \
         SELECT CAST(? AS TEXT), id, id, CAST(? AS BIGINT), 0 {missing} {unlocked} ON CONFLICT DO NOTHING",
    ))
    .text(kind.as_str())
    .bigint(due_at.as_millis())
    .text(status.as_str())
    .text(kind.as_str())
    .execute(conn)?;
    let left = Statement::new(format!("SELECT COUNT(*) AS count {missing}"));
    Ok(left.text(status.as_str()).text(kind.as_str()).get_result::<Left>(conn)?.count)
}

/// Takes what is due at `now` in hand, the longest first, at most `limit`. A row that cannot be read is put off like the
/// others, and passed over.
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
    let mut taken = Vec::new();
    for row in rows {
        let due_at = now.after(IN_HAND * doubled(row.attempts, IN_HAND_DOUBLINGS));
        put_off(conn, &row.kind, &row.subject, due_at, row.attempts + 1)?;
        match row.in_hand(due_at) {
            Ok(deadline) => taken.push(deadline),
            Err(error) => log::error!("the deadline {} {} is passed over: {error}", row.kind, row.subject),
        }
    }
    Ok(taken)
}

/// Two to the power of how often something was tried, within bounds.
fn doubled(attempts: i64, most: u32) -> u32 {
    2_u32.pow(u32::try_from(attempts).unwrap_or(most).min(most))
}

fn put_off(
    conn: &mut Conn,
    kind: &str,
    subject: &str,
    due_at: Timestamp,
    attempts: i64,
) -> Result<(), StoreError> {
    Statement::new("UPDATE deadlines SET due_at = ?, attempts = ? WHERE kind = ? AND subject = ?")
        .bigint(due_at.as_millis())
        .bigint(attempts)
        .text(kind)
        .text(subject)
        .execute(conn)?;
    Ok(())
}

/// Lets one that was taken in hand come up sooner, since its order is held: that passes. Nothing happens when it does not
/// stand any more as it did then, or when the order's holder is lifting or moving it.
///
/// # Errors
/// When the database fails.
pub fn try_again(conn: &mut Conn, deadline: &Deadline, now: Timestamp) -> Result<(), StoreError> {
    let due_at = now.after(HELD * doubled(deadline.attempts - 1, HELD_DOUBLINGS)).min(deadline.due_at);
    let unlocked = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => "FOR UPDATE SKIP LOCKED",
    };
    Statement::new(format!(
        "UPDATE deadlines SET due_at = ? WHERE (kind, subject) IN (SELECT kind, subject FROM deadlines \
         WHERE kind = ? AND subject = ? AND due_at = ? AND attempts = ? {unlocked})",
    ))
    .bigint(due_at.as_millis())
    .text(deadline.kind.as_str())
    .text(deadline.subject.as_str())
    .bigint(deadline.due_at.as_millis())
    .bigint(deadline.attempts)
    .execute(conn)?;
    Ok(())
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
    fn one_that_cannot_be_read_is_passed_over_and_put_off() {
        for database in TestDatabase::each() {
            let conn = &mut database.connect_made();
            // Rows that the program never writes, and the database takes only from who insists.
            let insist = match conn {
                Conn::Sqlite(_) => "PRAGMA foreign_keys = OFF",
                Conn::Postgres(_) => "SET session_replication_role = replica",
            };
            Statement::new(insist).execute(conn).expect("it is lenient");
            let row = "INSERT INTO deadlines (kind, subject, order_id, due_at, attempts) \
                       VALUES ('dispatch', 'x', 'no id', 1, 0)";
            Statement::new(row).execute(conn).expect("set");
            set(conn, DeadlineKind::Complete, "a", None, at(10)).expect("set");
            lift(conn, DeadlineKind::Purge, "").expect("lifted");
            let subjects: Vec<_> = due(conn, at(10)).into_iter().map(|deadline| deadline.subject).collect();
            assert_eq!(subjects, ["a"]);
            assert_eq!(next_due(conn).expect("read"), Some(at(15)), "it is not due all the time");
        }
    }

    #[test]
    fn one_whose_order_is_held_comes_up_again_soon_and_each_time_later() {
        for database in TestDatabase::each() {
            let conn = &mut database.connect_made();
            lift(conn, DeadlineKind::Purge, "").expect("lifted");
            set(conn, DeadlineKind::Complete, "a", None, at(10)).expect("set");
            for (now, next) in [(10_000, 10_100), (10_100, 10_300), (10_300, 10_700), (100_000, 100_800)] {
                let now = Timestamp::from_millis(now);
                let taken = due(conn, now);
                try_again(conn, &taken[0], now).expect("moved");
                assert_eq!(next_due(conn).expect("read"), Some(Timestamp::from_millis(next)));
            }
            let taken = due(conn, at(200));
            set(conn, DeadlineKind::Complete, "a", None, at(300)).expect("set anew");
            try_again(conn, &taken[0], at(200)).expect("looked up");
            assert_eq!(next_due(conn).expect("read"), Some(at(300)));
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
