//! Which events were heard, so that each counts once. After a fault an event may come again, under the id that it had; under
//! the same id it says the same.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::Break;
use super::recent::Recent;

/// How long after an event it may come again: what happens while Redis is away is told once more when that is over.
const KEPT: Duration = Duration::from_secs(2 * 3600);
/// Most events that are remembered.
const MOST: usize = 8_192;
/// What belongs to the way of a frame, not to the event: the group that it came through, its place there, and the mark of
/// whoever asked for it.
const ENVELOPE: [&str; 6] = ["group", "id", "at", "seq", "epoch", "ref"];
/// What nobody tells again: only the latest counts.
const FLEETING: [&str; 6] = ["location", "eta", "cadence", "presence", "typing", "health"];

/// The events that one person has heard.
#[derive(Debug)]
pub struct Memory(Recent<Uuid, Event>);

#[derive(Debug)]
struct Event {
    /// What it said, in short.
    body: u64,
    /// The groups that it came through under a number, in short.
    groups: Vec<u64>,
}

/// Whether an event was heard before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// In any group.
    pub anywhere: bool,
    /// In this one, under a number: an answer to who asked has none.
    pub here: bool,
    /// It says something else than it did.
    pub broken: Option<Break>,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Recent::new(KEPT, MOST))
    }
}

impl Memory {
    /// Takes in a frame that came through `group`, and tells whether its event is an old one.
    pub fn again(&mut self, kind: &str, id: &str, group: &str, frame: &Value, at: Instant) -> Again {
        let Ok(id) = Uuid::try_parse(id) else { return Again::default() };
        // A snapshot is none, and is read anew each time.
        if FLEETING.contains(&kind) || frame.get("position").is_some() {
            return Again::default();
        }
        let body = body(frame);
        let group = frame.get("seq").is_some_and(Value::is_u64).then(|| in_short(group));
        let first = || Event { body, groups: group.into_iter().collect() };
        let Some(event) = self.0.meet(id, at, first) else { return Again::default() };
        let here = group.is_some_and(|group| event.groups.contains(&group));
        event.groups.extend(group.filter(|_| !here));
        let broken = (event.body != body).then(|| {
            let expected = format!("the same event under the id {id}");
            Break::new(kind, expected, frame.to_string())
        });
        Again { anywhere: true, here, broken }
    }
}

fn in_short(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// What a frame says beside its envelope, whatever the order of its members.
fn body(frame: &Value) -> u64 {
    let members = frame.as_object().into_iter().flatten();
    let said: BTreeMap<&str, String> = members
        .filter(|(name, _)| !ENVELOPE.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.to_string()))
        .collect();
    in_short(said)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "01a20f31-1141-7610-842c-5a31abeb38a9";

    fn frame(seq: u64, count: u64) -> Value {
        json!({"type": "notification", "group": "user_1", "id": ID, "seq": seq, "count": count})
    }

    #[test]
    fn an_event_is_new_once_whichever_way_it_comes() {
        let mut memory = Memory::default();
        let mut hear =
            |group: &str, frame: &Value| memory.again("notification", ID, group, frame, Instant::now());
        assert_eq!(hear("user_1", &frame(1, 0)), Again::default());
        let elsewhere = || Again { anywhere: true, here: false, broken: None };
        assert_eq!(hear("order_1", &frame(7, 0)), elsewhere(), "through another group");
        assert_eq!(hear("order_1", &frame(8, 0)), Again { here: true, ..elsewhere() }, "and again");
        let answer = json!({"type": "notification", "id": ID, "count": 0, "ref": "mine"});
        assert_eq!(
            hear("user_1", &answer),
            elsewhere(),
            "an answer bears the mark of who asked, and no number"
        );
        assert!(hear("user_1", &frame(10, 1)).broken.is_some(), "it says something else");
    }

    #[test]
    fn snapshots_and_what_is_fleeting_are_no_events() {
        let mut memory = Memory::default();
        let snapshot = json!({"position": {}, "count": 1});
        for (kind, frame) in [("unread_count", snapshot), ("location", json!({}))] {
            for _ in 0..2 {
                assert_eq!(memory.again(kind, ID, "user_1", &frame, Instant::now()), Again::default());
            }
        }
    }
}
