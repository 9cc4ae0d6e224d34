//! Leases: what one instance at a time does for all of them.
//!
//! Time is the database's own, so that instances whose clocks differ, or that stood still for a while, cannot both
//! believe that they hold one.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::domain::clock::ClockLook;
use crate::domain::time::Timestamp;
use crate::protocol::channel::Route;

use super::Conn;
use super::error::StoreError;
use super::statement::Statement;

/// The lease of the instance that takes events out of the outbox.
pub const RELAY: &str = "relay";
/// The lease of a server that knows of no others.
pub const ALONE: &str = "alone";

/// How a lease stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it, or held it last.
    pub holder: String,
    /// Grows with each change of the holder.
    pub term: i64,
    /// By what events reach the instances in the meantime.
    pub route: Route,
    /// How long it lasts from now on; zero once it has run out.
    pub left: Duration,
    /// Until when it lasts, milliseconds on the database's clock: grows with each renewal.
    pub expires_at: i64,
    /// How this machine's clock stands to the database's; none where that is the same clock.
    pub clock: Option<ClockLook>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    holder: String,
    #[diesel(sql_type = BigInt)]
    term: i64,
    #[diesel(sql_type = Text)]
    route: String,
    #[diesel(sql_type = BigInt)]
    expires_at: i64,
    #[diesel(sql_type = BigInt)]
    now: i64,
}

/// The database's clock, milliseconds since 1970.
fn clock(conn: &Conn) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS BIGINT)",
        Conn::Postgres(_) => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    }
}

/// Takes a lease that is free, or renews one's own, for `span` from now on. Tells how it stands then, whoever holds it.
/// The route stays as the last holder left it.
///
/// # Errors
/// When the database fails.
pub fn take(conn: &mut Conn, name: &str, holder: &str, span: Duration) -> Result<Lease, StoreError> {
    let now = clock(conn);
    let text = format!(
        "UPDATE leases SET term = term + CASE WHEN holder = ? THEN 0 ELSE 1 END, holder = ?, expires_at = {now} + ? \
         WHERE name = ? AND (holder = ? OR expires_at <= {now})"
    );
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Statement::new(text).text(holder).text(holder).bigint(millis).text(name).text(holder).execute(conn)?;
    read(conn, name)
}

/// How a lease stands.
///
/// # Errors
/// When the database fails.
pub fn read(conn: &mut Conn, name: &str) -> Result<Lease, StoreError> {
    let now = clock(conn);
    let text = format!("SELECT holder, term, route, expires_at, {now} AS now FROM leases WHERE name = ?");
    let (asked, begin) = (Timestamp::now(), Instant::now());
    let row: Row = Statement::new(text).text(name).get_result(conn)?;
    let took = begin.elapsed();
    let clock = match conn {
        // It is in this process.
        Conn::Sqlite(_) => None,
        Conn::Postgres(_) => Some(ClockLook::new(asked, took, Timestamp::from_millis(row.now))),
    };
    Ok(Lease {
        holder: row.holder,
        term: row.term,
        route: Route::parse(&row.route),
        left: Duration::from_millis(u64::try_from(row.expires_at.saturating_sub(row.now)).unwrap_or(0)),
        expires_at: row.expires_at,
        clock,
    })
}

/// Sets the route, if one still holds the lease in this term; `false` otherwise.
///
/// # Errors
/// When the database fails.
pub fn set_route(
    conn: &mut Conn,
    name: &str,
    holder: &str,
    term: i64,
    route: Route,
) -> Result<bool, StoreError> {
    let text = "UPDATE leases SET route = ? WHERE name = ? AND holder = ? AND term = ?";
    let changed =
        Statement::new(text).text(route.as_str()).text(name).text(holder).bigint(term).execute(conn)?;
    Ok(changed > 0)
}

/// Raises the term of one's own lease.
///
/// # Errors
/// When the database fails.
pub fn raise_term(conn: &mut Conn, name: &str, holder: &str, term: i64) -> Result<(), StoreError> {
    let text = "UPDATE leases SET term = ? WHERE name = ? AND holder = ? AND term < ?";
    Statement::new(text).bigint(term).text(name).text(holder).bigint(term).execute(conn)?;
    Ok(())
}

/// Gives a lease up, for others to take at once. One that is not one's own stays.
///
/// # Errors
/// When the database fails.
pub fn release(conn: &mut Conn, name: &str, holder: &str) -> Result<(), StoreError> {
    let text = "UPDATE leases SET expires_at = 0 WHERE name = ? AND holder = ?";
    Statement::new(text).text(name).text(holder).execute(conn)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestDatabase;
    use crate::telemetry::Metrics;

    const LONG: Duration = Duration::from_secs(60);

    fn on_both(test: impl Fn(&mut Conn)) {
        for database in TestDatabase::each() {
            drop(database.open(&Metrics::new().expect("no figure twice")));
            test(&mut database.connect());
        }
    }

    #[test]
    fn one_at_a_time_holds_it_and_each_new_holder_begins_a_term() {
        on_both(|conn| {
            let first = take(conn, RELAY, "a", LONG).expect("taken");
            assert_eq!((first.holder.as_str(), first.term, first.route), ("a", 1, Route::Redis));
            assert!(first.left > LONG / 2 && first.left <= LONG, "{first:?}");
            let other = take(conn, RELAY, "b", LONG).expect("looked at");
            assert_eq!((other.holder.as_str(), other.term), ("a", 1));
            let renewed = take(conn, RELAY, "a", LONG).expect("renewed");
            assert_eq!((renewed.holder.as_str(), renewed.term), ("a", 1));
            release(conn, RELAY, "b").expect("nothing");
            assert_eq!(take(conn, RELAY, "b", LONG).expect("looked at").holder, "a");
            release(conn, RELAY, "a").expect("released");
            let second = take(conn, RELAY, "b", LONG).expect("taken");
            assert_eq!((second.holder.as_str(), second.term), ("b", 2));
        });
    }

    #[test]
    fn one_that_has_run_out_is_anybodys() {
        on_both(|conn| {
            take(conn, RELAY, "a", Duration::ZERO).expect("taken");
            assert_eq!(read(conn, RELAY).expect("read").left, Duration::ZERO);
            assert_eq!(take(conn, RELAY, "b", LONG).expect("taken").holder, "b");
        });
    }

    #[test]
    fn the_clock_of_a_database_on_this_machine_is_this_machines() {
        on_both(|conn| {
            let lease = read(conn, RELAY).expect("read");
            match conn {
                Conn::Sqlite(_) => assert_eq!(lease.clock, None),
                Conn::Postgres(_) => {
                    let look = lease.clock.expect("a look");
                    // However long it took.
                    assert!(look.may_be_none(), "{look:?}");
                }
            }
        });
    }

    #[test]
    fn only_its_holder_sets_the_route_and_it_outlasts_the_term() {
        on_both(|conn| {
            let term = take(conn, RELAY, "a", LONG).expect("taken").term;
            assert!(set_route(conn, RELAY, "a", term, Route::Database).expect("set"));
            assert!(!set_route(conn, RELAY, "a", term - 1, Route::Redis).expect("not set"));
            assert!(!set_route(conn, RELAY, "b", term, Route::Redis).expect("not set"));
            release(conn, RELAY, "a").expect("released");
            assert_eq!(take(conn, RELAY, "b", LONG).expect("taken").route, Route::Database);
        });
    }
}
