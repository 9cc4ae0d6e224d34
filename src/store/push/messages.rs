//! Rows of what is sent to browsers: adding them, and taking those in hand that may go now.
//!
//! Whoever takes one counts the attempt and puts a time on it, until which others leave it alone. What it does afterwards
//! holds only while the row still stands as it was taken. So one that was taken by an instance that died comes up again, each
//! time with one attempt fewer left.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::domain::ids::{NotificationId, PushId, SubscriptionId, UserId};
use crate::domain::push::{Plan, PushKind, PushState};
use crate::domain::time::Timestamp;
use crate::store::Conn;
use crate::store::connection::lock_name;
use crate::store::error::StoreError;
use crate::store::read::id;
use crate::store::statement::Statement;

/// Push services that are looked at in one pass; the next pass goes on behind them.
const HOSTS: usize = 256;

/// What is about to be sent to one browser.
#[derive(Debug)]
pub struct NewMessage<'a> {
    /// To which.
    pub subscription_id: SubscriptionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The host and port of its push service.
    pub host: &'a str,
    /// What for.
    pub kind: PushKind,
    /// The notification that it shows.
    pub notification_id: Option<NotificationId>,
    /// What it closes.
    pub closes: Option<String>,
    /// How.
    pub plan: &'a Plan,
    /// From when on.
    pub at: Timestamp,
}

/// Adds a message to the queue.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, message: NewMessage<'_>) -> Result<(), StoreError> {
    Statement::new(
        "INSERT INTO push_messages (id, subscription_id, user_id, host, kind, notification_id, closes, rank, tag, state, \
         created_at, expires_at, due_at, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
    )
    .text(PushId::new().to_string())
    .text(message.subscription_id.to_string())
    .text(message.user_id.to_string())
    .text(message.host)
    .text(message.kind.as_str())
    .optional_text(message.notification_id.map(|id| id.to_string()))
    .optional_text(message.closes)
    .bigint(message.plan.urgency.rank())
    .text(message.plan.tag.as_str())
    .text(PushState::Queued.as_str())
    .bigint(message.at.as_millis())
    .bigint(message.plan.expires_at.as_millis())
    .bigint(message.at.as_millis())
    .execute(conn)?;
    Ok(())
}

/// How much may be taken.
#[derive(Debug, Clone)]
pub struct Room {
    /// In all.
    pub in_all: usize,
    /// At one push service.
    pub per_host: usize,
    /// To one user.
    pub per_user: usize,
    /// How many of them may be tries of push services that have failed, or have never taken anything.
    pub tries: usize,
    /// What is in hand. It is not taken again, whatever its row says: what became of it may not be written down yet.
    pub in_hand: Vec<Taken>,
    /// For how long what is taken is left alone by others.
    pub lease: Duration,
    /// Behind which push service to begin.
    pub behind: String,
}

/// A message that was taken in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which.
    pub id: PushId,
    /// Whose it is.
    pub user_id: UserId,
    /// Its push service.
    pub host: String,
    /// How often it was taken, this time included.
    pub attempts: i64,
    /// Whether its push service has failed, or is new, and is tried with it.
    pub is_try: bool,
    /// Until when others leave it alone.
    pub until: Timestamp,
}

/// What a pass has found.
#[derive(Debug, Default)]
pub struct Pass {
    /// What is to be sent.
    pub taken: Vec<Taken>,
    /// The last push service that was looked at, when there are more behind it.
    pub behind: Option<String>,
    /// When the first of those that are left alone for now may be tried again.
    pub next: Option<Timestamp>,
}

/// Takes in hand what may go now, the most urgent first: at each push service that is not left alone as many as there is
/// room for; to one browser one at a time. One that has failed, or that nobody knows yet, is tried with one message, each time with
/// another if it can be: what fails may be the message.
///
/// # Errors
/// When the database fails.
pub fn take(conn: &mut Conn, now: Timestamp, room: &Room) -> Result<Pass, StoreError> {
    // Two instances at once would each send one to the same browser.
    lock_name(conn, "pushes".into())?;
    let mut pass = Pass::default();
    let hosts = hosts(conn, &room.behind)?;
    if hosts.len() == HOSTS {
        pass.behind = hosts.last().map(|host| host.host.clone());
    }
    let mut users: HashMap<UserId, usize> = HashMap::new();
    for taken in &room.in_hand {
        *users.entry(taken.user_id).or_default() += 1;
    }
    let full = users.iter().filter(|(_, count)| **count >= room.per_user);
    let full: Vec<String> = full.map(|(user_id, _)| user_id.to_string()).collect();
    let mut found = Vec::new();
    for Host { host, failures, until, well_at } in hosts {
        let until = Timestamp::from_millis(until.unwrap_or_default());
        if until > now {
            pass.next = Some(pass.next.map_or(until, |next| next.min(until)));
            continue;
        }
        // Whoever names new ones all the time, which hang, takes the room of nobody else.
        let is_try = failures != Some(0);
        let most = if is_try { 1 } else { room.per_host };
        let free = most.saturating_sub(room.in_hand.iter().filter(|taken| taken.host == host).count());
        if free > 0 {
            let waiting = waiting(conn, &host, now, Wanted { free, is_try, full: &full })?;
            let turn = match (is_try, well_at) {
                (true, Some(_)) => Turn::TryOfOneThatWasWell(until),
                (true, None) => Turn::TryOfAnother(until),
                (false, _) => Turn::Usual,
            };
            found.extend(waiting.into_iter().map(|row| (turn, row)));
            if let Some(due_at) = later(conn, &host, now)? {
                pass.next = Some(pass.next.map_or(due_at, |next| next.min(due_at)));
            }
        }
    }
    found.sort_by(|(turn, one), (others, other)| {
        (turn, one.rank, &one.id).cmp(&(others, other.rank, &other.id))
    });
    let mut browsers = HashSet::new();
    let mut tries = room.tries.saturating_sub(room.in_hand.iter().filter(|taken| taken.is_try).count());
    let until = now.after(room.lease);
    for (turn, row) in found {
        let is_try = turn != Turn::Usual;
        if pass.taken.len() == room.in_all {
            break;
        }
        let id = self::id("push_messages.id", &row.id)?;
        let user_id = self::id("push_messages.user_id", &row.user_id)?;
        let is_in_hand = room.in_hand.iter().any(|taken| taken.id == id);
        let has_enough = users.get(&user_id).is_some_and(|count| *count >= room.per_user);
        if is_in_hand || has_enough || (is_try && tries == 0) || !browsers.insert(row.subscription_id) {
            continue;
        }
        let is_taken = Statement::new(
            "UPDATE push_messages SET taken_until = ?, attempts = attempts + 1 \
             WHERE id = ? AND attempts = ? AND state = 'queued'",
        )
        .bigint(until.as_millis())
        .text(row.id)
        .bigint(row.attempts)
        .execute(conn)?;
        if is_taken == 0 {
            continue;
        }
        tries -= usize::from(is_try);
        *users.entry(user_id).or_default() += 1;
        pass.taken.push(Taken { id, user_id, host: row.host, attempts: row.attempts + 1, is_try, until });
    }
    Ok(pass)
}

/// In which order push services are served. There are few places for tries, so that they leave most of the room, whatever its size;
/// among them none comes again before those that wait since before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It has taken something before; left alone until then.
    TryOfOneThatWasWell(Timestamp),
    /// It never has: whoever names many that hang keeps none waiting that once did not.
    TryOfAnother(Timestamp),
    /// It is well.
    Usual,
}

#[derive(QueryableByName)]
struct Host {
    #[diesel(sql_type = Text)]
    host: String,
    /// None of one that has never answered, nor failed.
    #[diesel(sql_type = Nullable<BigInt>)]
    failures: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    until: Option<i64>,
    /// When it was last noted to have taken something.
    #[diesel(sql_type = Nullable<BigInt>)]
    well_at: Option<i64>,
}

/// The push services with something in the queue, from one on. Each is found by one look at the index, however much waits
/// for it.
fn hosts(conn: &mut Conn, behind: &str) -> Result<Vec<Host>, StoreError> {
    let most = i64::try_from(HOSTS).unwrap_or(i64::MAX);
    Ok(Statement::new(
        "WITH RECURSIVE each_host (host) AS (\
         SELECT MIN(host) FROM push_messages WHERE state = 'queued' AND host > ? \
         UNION ALL \
         SELECT (SELECT MIN(m.host) FROM push_messages m WHERE m.state = 'queued' AND m.host > e.host) \
         FROM each_host e WHERE e.host IS NOT NULL) \
         SELECT e.host, h.failures, h.until, h.well_at \
         FROM each_host e LEFT JOIN push_hosts h ON h.host = e.host WHERE e.host IS NOT NULL LIMIT ?",
    )
    .text(behind)
    .bigint(most)
    .load(conn)?)
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    subscription_id: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = BigInt)]
    rank: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
}

/// What is looked for at a push service.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    free: usize,
    is_try: bool,
    /// Users with as much in hand as one may have: what is theirs would stand in the way of what is behind it.
    full: &'a [String],
}

/// What may go to a push service now, the first of each browser.
fn waiting(
    conn: &mut Conn,
    host: &str,
    now: Timestamp,
    wanted: Wanted<'_>,
) -> Result<Vec<Waiting>, StoreError> {
    let Wanted { free, is_try, full } = wanted;
    let others = match full.len() {
        0 => String::new(),
        count => format!("AND m.user_id NOT IN ({}) ", vec!["?"; count].join(", ")),
    };
    let now = now.as_millis();
    // Otherwise one message that always fails would keep all others waiting until it is given up.
    let order = if is_try { "m.attempts, m.rank, m.id" } else { "m.rank, m.id" };
    let statement = Statement::new(format!(
        "SELECT m.id, m.subscription_id, m.user_id, m.host, m.rank, m.attempts FROM push_messages m \
         WHERE m.state = 'queued' AND m.host = ? AND m.due_at <= ? AND (m.taken_until IS NULL OR m.taken_until <= ?) {others}\
         AND NOT EXISTS (SELECT 1 FROM push_messages o WHERE o.subscription_id = m.subscription_id \
         AND o.state = 'queued' AND (o.taken_until > ? OR (o.due_at <= ? AND (o.rank < m.rank OR (o.rank = m.rank AND o.id < m.id))))) \
         ORDER BY {order} LIMIT ?"
    ))
    .text(host)
    .bigint(now)
    .bigint(now);
    let statement = full.iter().fold(statement, |statement, user_id| statement.text(user_id.as_str()));
    Ok(statement.bigint(now).bigint(now).bigint(i64::try_from(free).unwrap_or(i64::MAX)).load(conn)?)
}

/// When the first of those that wait for a later time may go.
fn later(conn: &mut Conn, host: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = Nullable<BigInt>)]
        due_at: Option<i64>,
    }
    let due: Due = Statement::new(
        "SELECT MIN(due_at) AS due_at FROM push_messages WHERE state = 'queued' AND host = ? AND due_at > ?",
    )
    .text(host)
    .bigint(now.as_millis())
    .get_result(conn)?;
    Ok(due.due_at.map(Timestamp::from_millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::push::Urgency;
    use crate::store::push::sending;
    use crate::store::testing::TestDatabase;
    use crate::telemetry::Metrics;

    const LEASE: Duration = Duration::from_secs(20);

    fn for_each_database(test: impl Fn(&mut Conn)) {
        for database in TestDatabase::each() {
            let store = database.open(&Metrics::new().expect("no figure twice"));
            test(&mut database.connect());
            store.close();
        }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    /// A push service that has taken something before.
    fn well(conn: &mut Conn, host: &str) {
        let known = "INSERT INTO push_hosts (host, failures, until, well_at) VALUES (?, 0, 0, 0)";
        Statement::new(known).text(host).execute(conn).expect("it is noted");
    }

    /// Each to a browser of its own.
    fn add(conn: &mut Conn, host: &str, urgency: Urgency) {
        add_for(conn, UserId::new(), host, urgency);
    }

    fn add_for(conn: &mut Conn, user_id: UserId, host: &str, urgency: Urgency) {
        let plan = Plan { urgency, expires_at: at(100_000), tag: "tag".into() };
        let message = NewMessage {
            subscription_id: SubscriptionId::new(),
            user_id,
            host,
            kind: PushKind::Read,
            notification_id: None,
            closes: Some("[]".into()),
            plan: &plan,
            at: at(0),
        };
        insert(conn, message).expect("it is added");
    }

    fn room(in_hand: &[Taken]) -> Room {
        let in_all = 64 - in_hand.len();
        let in_hand = in_hand.to_vec();
        Room { in_all, per_host: 4, per_user: 3, tries: 2, in_hand, lease: LEASE, behind: String::new() }
    }

    fn taken(conn: &mut Conn, now: Timestamp, in_hand: &[Taken]) -> Vec<Taken> {
        take(conn, now, &room(in_hand)).expect("they are taken").taken
    }

    #[test]
    fn what_somebody_has_in_hand_is_taken_by_another_once_its_time_is_over_and_never_by_the_same() {
        for_each_database(|conn| {
            add(conn, "push.example", Urgency::Normal);
            let first = taken(conn, at(1), &[]);
            assert_eq!((first.len(), first[0].attempts), (1, 1));
            assert!(taken(conn, at(10), &[]).is_empty());
            // What became of it could not be written down yet.
            assert!(taken(conn, at(60), &first).is_empty());
            let second = taken(conn, at(60), &[]);
            assert_eq!((second[0].id, second[0].attempts), (first[0].id, 2));
        });
    }

    #[test]
    fn push_services_that_have_failed_get_a_part_of_the_room() {
        for_each_database(|conn| {
            for number in 0..4 {
                let host = format!("fails{number}.example");
                for _ in 0..2 {
                    add(conn, &host, Urgency::High);
                }
                sending::leave_alone(conn, &host, at(0), |_| Duration::from_secs(1)).expect("it is noted");
            }
            well(conn, "well.example");
            for _ in 0..6 {
                add(conn, "well.example", Urgency::Low);
            }
            let first = taken(conn, at(5), &[]);
            let tries = first.iter().filter(|taken| taken.is_try).count();
            assert_eq!((first.len(), tries), (4 + 2, 2));
            assert!(taken(conn, at(6), &first).is_empty());
        });
    }

    #[test]
    fn push_services_that_nobody_knows_get_no_more_room_than_those_that_fail() {
        for_each_database(|conn| {
            for number in 0..80 {
                add(conn, &format!("new{number:02}.example"), Urgency::High);
            }
            well(conn, "well.example");
            for _ in 0..6 {
                add(conn, "well.example", Urgency::Low);
            }
            let first = taken(conn, at(5), &[]);
            assert_eq!(first.iter().filter(|taken| taken.is_try).count(), 2);
            assert_eq!(first.iter().filter(|taken| taken.host == "well.example").count(), 4);
        });
    }

    #[test]
    fn a_push_service_that_was_well_is_tried_before_those_that_never_were_and_each_in_its_turn() {
        for_each_database(|conn| {
            for number in 0..40 {
                let host = format!("hangs{number:02}.example");
                add(conn, &host, Urgency::High);
                let pause = Duration::from_secs(1 + number % 3);
                sending::leave_alone(conn, &host, at(0), |_| pause).expect("it is noted");
            }
            well(conn, "well.example");
            sending::leave_alone(conn, "well.example", at(0), |_| Duration::from_secs(4))
                .expect("it is noted");
            add(conn, "well.example", Urgency::Low);
            let first = taken(conn, at(5), &[]);
            let hosts: Vec<_> = first.iter().map(|taken| taken.host.as_str()).collect();
            assert_eq!(hosts, ["well.example", "hangs00.example"]);
            // Those that wait since before it are tried before it comes again.
            sending::leave_alone(conn, "hangs00.example", at(6), |_| Duration::from_secs(1))
                .expect("it is noted");
            sending::again(conn, &first[1], at(6), "it hangs").expect("it is put back");
            let second = taken(conn, at(8), &first[..1]);
            assert_eq!(second[0].host, "hangs03.example");
        });
    }

    #[test]
    fn a_user_with_many_browsers_leaves_room_for_others() {
        for_each_database(|conn| {
            let user_id = UserId::new();
            for number in 0..6 {
                let host = format!("well{number}.example");
                well(conn, &host);
                add_for(conn, user_id, &host, Urgency::High);
            }
            add(conn, "well0.example", Urgency::Low);
            let first = taken(conn, at(5), &[]);
            assert_eq!(first.iter().filter(|taken| taken.user_id == user_id).count(), 3);
            assert_eq!(first.len(), 4);
            assert!(taken(conn, at(6), &first).is_empty());
            // What has to wait for that keeps nobody's behind it waiting.
            well(conn, "shared.example");
            for _ in 0..5 {
                add_for(conn, user_id, "shared.example", Urgency::High);
            }
            add(conn, "shared.example", Urgency::Low);
            let second = taken(conn, at(7), &first);
            assert_eq!(
                second.iter().map(|taken| taken.host.as_str()).collect::<Vec<_>>(),
                ["shared.example"]
            );
        });
    }

    #[test]
    fn a_push_service_that_has_failed_is_tried_with_what_it_has_not_failed_with() {
        for_each_database(|conn| {
            add(conn, "push.example", Urgency::High);
            let first = taken(conn, at(1), &[]);
            sending::leave_alone(conn, "push.example", at(1), |_| Duration::from_secs(1)).expect("noted");
            sending::again(conn, &first[0], at(2), "it failed").expect("it is put back");
            add(conn, "push.example", Urgency::Low);
            let second = taken(conn, at(3), &[]);
            assert_eq!((second.len(), second[0].attempts), (1, 1));
            assert_ne!(second[0].id, first[0].id);
        });
    }
}
