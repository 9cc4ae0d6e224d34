//! The unread badge: what the socket says of unread notifications is what the inbox holds.
//!
//! Both change all the time, and a person who looks at one and then at the other may be told of two moments. What cannot
//! be is that they differ for good: that nothing moves any more, and the badge is not the count. So they are compared
//! while it is quiet, and what differs is looked at again and again until it agrees, moves, or has stood for too long. An
//! outage may hold the badge up, and gives it more time.

use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::{Break, Steady};

/// Nothing has come for so long: it is quiet.
const QUIET: Duration = Duration::from_secs(2);
/// From one look to the next.
const EVERY: Duration = Duration::from_secs(30);
/// The same while they differ.
const AGAIN: Duration = Duration::from_secs(5);
/// The clocks of two instances differ by less.
const LEEWAY: Duration = Duration::from_secs(2);

/// A person's badge.
#[derive(Debug)]
pub struct Badge {
    /// What it shows.
    told: Option<i64>,
    /// When the last change that was told of happened, milliseconds.
    last: Option<u64>,
    moved: Instant,
    looked: Option<Instant>,
    doubt: Option<Doubt>,
}

/// The inbox holds another number than the badge shows.
#[derive(Debug)]
struct Doubt {
    count: i64,
    since: Instant,
}

impl Badge {
    /// Nothing known yet.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self { told: None, last: None, moved: at, looked: None, doubt: None }
    }

    /// Another connection: what it shows is right until it is told of something else, as it is by a snapshot.
    pub fn disconnect(&mut self, at: Instant) {
        *self = Self { told: self.told, looked: self.looked, ..Self::new(at) };
    }

    /// Takes in an `unread_count`. No older state follows a newer one.
    pub fn hear(&mut self, frame: &Value, at: Instant) -> Option<Break> {
        let count = frame.get("count").and_then(Value::as_i64)?;
        self.told = Some(count);
        self.moved = at;
        self.doubt = None;
        if frame.get("position").is_some() {
            // A snapshot is read first and told of later: what follows may have happened between the two.
            self.last = None;
            return None;
        }
        let id = frame.get("id").and_then(Value::as_str).and_then(|id| Uuid::try_parse(id).ok())?;
        let (seconds, nanos) = id.get_timestamp()?.to_unix();
        let happened = seconds.saturating_mul(1000).saturating_add(u64::from(nanos / 1_000_000));
        let before = self.last.replace(happened)?;
        let leeway = u64::try_from(LEEWAY.as_millis()).unwrap_or_default();
        (happened.saturating_add(leeway) < before).then(|| {
            let back = before - happened;
            Break::new(
                "the unread badge",
                "no older one after a newer",
                format!("one {back} ms older: {frame}"),
            )
        })
    }

    /// Whether it shows anything.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.told.is_some()
    }

    /// Whether the inbox should be looked at now.
    #[must_use]
    pub fn wants_look(&self, at: Instant) -> bool {
        let wait = if self.doubt.is_some() { AGAIN } else { EVERY };
        self.told.is_some()
            && at.duration_since(self.moved) >= QUIET
            && self.looked.is_none_or(|looked| at.duration_since(looked) >= wait)
    }

    /// The inbox holds `count`; all has been well since `steady`.
    pub fn look(&mut self, count: i64, steady: Steady, at: Instant) -> Look {
        self.looked = Some(at);
        if self.told == Some(count) {
            self.doubt = None;
            return Look::Agrees;
        }
        let since = match &self.doubt {
            Some(doubt) if doubt.count == count => doubt.since,
            Some(_) | None => at,
        };
        if !steady.is_overdue(since, at) {
            self.doubt = Some(Doubt { count, since });
            return Look::Differs;
        }
        let expected = format!("{count} unread, as the inbox has it");
        let came = format!("{:?}, for {} s", self.told, at.duration_since(since).as_secs());
        // Said once: from here on the badge is what it should be.
        (self.told, self.doubt) = (Some(count), None);
        Look::Broken(Break::new("the unread badge", expected, came))
    }
}

/// What a look at the inbox says of the badge.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// It is right.
    Agrees,
    /// Not yet.
    Differs,
    /// Not for too long.
    Broken(Break),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Wall {
        badge: Badge,
        begin: Instant,
    }

    impl Wall {
        fn showing(count: i64) -> Self {
            let begin = Instant::now();
            let mut wall = Self { badge: Badge::new(begin), begin };
            assert_eq!(wall.hear(0, 1, count), None);
            wall
        }

        fn after(&self, seconds: u64) -> Instant {
            self.begin + Duration::from_secs(seconds)
        }

        /// A change that happened at a second of its own.
        fn hear(&mut self, seconds: u64, happened: u64, count: i64) -> Option<Break> {
            let moment = uuid::Timestamp::from_unix(uuid::NoContext, 1_767_323_000 + happened, 0);
            let frame = json!({"type": "unread_count", "count": count, "id": Uuid::new_v7(moment)});
            let at = self.after(seconds);
            self.badge.hear(&frame, at)
        }

        fn look(&mut self, seconds: u64, count: i64, steady: u64) -> Look {
            let steady = Steady { line: self.after(steady), town: self.begin };
            let at = self.after(seconds);
            self.badge.look(count, steady, at)
        }
    }

    #[test]
    fn a_badge_that_stays_wrong_is_noticed_once() {
        let mut wall = Wall::showing(3);
        assert_eq!(wall.look(10, 4, 0), Look::Differs);
        assert_eq!(wall.look(49, 4, 0), Look::Differs);
        assert!(matches!(wall.look(51, 4, 0), Look::Broken(_)));
        assert_eq!(wall.look(90, 4, 0), Look::Agrees);
    }

    #[test]
    fn what_moves_or_is_held_up_gets_its_time_anew() {
        let mut wall = Wall::showing(3);
        assert_eq!(wall.look(10, 4, 0), Look::Differs);
        assert_eq!(wall.look(49, 5, 0), Look::Differs, "the inbox moved");
        assert_eq!(wall.hear(60, 2, 4), None);
        assert_eq!(wall.look(89, 5, 0), Look::Differs, "the badge did");
        assert_eq!(wall.look(130, 5, 100), Look::Differs, "the connection was dead");
        assert_eq!(wall.look(140, 4, 100), Look::Agrees);
        assert_eq!(wall.look(200, 5, 100), Look::Differs);
        let at = wall.after(210);
        wall.badge.disconnect(at);
        assert_eq!(wall.look(245, 5, 210), Look::Differs, "there is another connection");
    }

    #[test]
    fn it_is_looked_at_when_it_is_quiet() {
        let mut wall = Wall::showing(3);
        assert!(!wall.badge.wants_look(wall.after(1)) && wall.badge.wants_look(wall.after(2)));
        assert_eq!(wall.look(2, 3, 0), Look::Agrees);
        assert!(!wall.badge.wants_look(wall.after(31)) && wall.badge.wants_look(wall.after(32)));
        assert_eq!(wall.hear(31, 2, 4), None);
        assert!(!wall.badge.wants_look(wall.after(32)));
        assert_eq!(wall.look(33, 5, 0), Look::Differs);
        assert!(wall.badge.wants_look(wall.after(38)));
    }

    #[test]
    fn an_older_state_never_follows_a_newer_one() {
        let mut wall = Wall::showing(3);
        assert_eq!(wall.hear(1, 60, 4), None);
        assert_eq!(wall.hear(2, 59, 5), None, "clocks are not all alike");
        assert!(wall.hear(3, 50, 3).is_some());
        let snapshot = json!({"type": "unread_count", "count": 9, "position": {}});
        let at = wall.after(4);
        assert_eq!(wall.badge.hear(&snapshot, at), None);
        assert_eq!(wall.hear(5, 1, 5), None, "a snapshot may be told of late");
    }
}
