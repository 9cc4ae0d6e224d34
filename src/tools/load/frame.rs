//! The frames that this client reads and writes, no more of each than it needs.
//!
//! Read without copying: with thousands of sessions this is most of what the client does.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::ledger::Stamp;

/// The `type` of the events that this client publishes.
pub const LOAD_TEST: &str = "load_test";

/// What is in `data` of a `load_test` event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Picked at random for each run, so that two clients on one server do not count each other's messages.
    pub run: u32,
    /// The message's number, from 0 over all groups.
    pub n: usize,
    /// When it was to be sent, nanoseconds since the client's first message was.
    pub due_ns: u64,
}

/// A frame from the server. Absent text is empty.
#[derive(Debug, Deserialize)]
pub struct Incoming<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(borrow, default)]
    epoch: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

/// What a frame means to this client.
#[derive(Debug)]
pub enum Meaning<'a> {
    /// A message of this client, or of another run of it.
    Load {
        /// What it says of itself.
        load: Load,
        /// The group that it was published to.
        group: Cow<'a, str>,
        /// Its position, if durable.
        stamp: Option<Stamp<'a>>,
    },
    /// Any other durable event.
    Event {
        /// The group that it was published to.
        group: Cow<'a, str>,
        /// Its position.
        stamp: Stamp<'a>,
    },
    /// The session is ready to subscribe.
    Welcome,
    /// The subscription stands, from this position on (epoch, seq).
    Subscribed(Option<(&'a str, u64)>),
    /// The server refused something; code and message as JSON text.
    Error(String),
    /// The server gave up on the session's position.
    Resync,
    /// Nothing to count: states, snapshots, ephemeral frames of others, control.
    Nothing,
}

impl<'a> Incoming<'a> {
    /// Reads a text frame.
    ///
    /// # Errors
    /// Not JSON, or not a frame.
    pub fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> Meaning<'a> {
        let position = self.epoch.map(RawValue::get).zip(self.seq);
        match &*self.kind {
            LOAD_TEST => match self.data.map(|data| serde_json::from_str(data.get())) {
                Some(Ok(load)) => Meaning::Load { load, stamp: self.stamp(), group: self.group },
                // Someone else's event that has the same name.
                Some(Err(_)) | None => self.event(),
            },
            "welcome" => Meaning::Welcome,
            "subscribed" => Meaning::Subscribed(position),
            "error" => {
                let part = |value: Option<&RawValue>| value.map_or("", RawValue::get).to_owned();
                Meaning::Error(format!("{} {}", part(self.code), part(self.message)))
            }
            "resync" => Meaning::Resync,
            // Snapshots are states: should one carry the position that it was taken at, it is no event.
            "order_status" | "unread_count" | "queue" | "dashboard" => Meaning::Nothing,
            // Any other text: all events of the server count for the numbering of their group.
            _ => self.event(),
        }
    }

    fn stamp(&self) -> Option<Stamp<'a>> {
        let (epoch, seq) = self.epoch.map(RawValue::get).zip(self.seq)?;
        let id = self.id.and_then(|id| Uuid::try_parse(id.get().trim_matches('"')).ok());
        Some(Stamp { epoch, seq, id })
    }

    fn event(self) -> Meaning<'a> {
        match self.stamp() {
            Some(stamp) => Meaning::Event { stamp, group: self.group },
            None => Meaning::Nothing,
        }
    }
}

/// Asks for a group.
#[derive(Debug, Serialize)]
pub struct Subscribe<'a> {
    /// `subscribe`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which.
    pub group: &'a str,
    /// Comes back in the answer.
    #[serde(rename = "ref")]
    pub reference: &'static str,
}

/// The body of `POST /api/v1/events`.
#[derive(Debug, Serialize)]
pub struct Publish<'a> {
    /// Which group.
    pub group: &'a str,
    /// `load_test`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What arrives in the event's `data`.
    pub data: Load,
    /// Without row, `seq` and guarantee.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(text: &str) -> Meaning<'_> {
        Incoming::read(text).expect("a frame").meaning()
    }

    #[test]
    fn a_durable_message_is_read_with_its_position() {
        let text = r#"{"type":"load_test","group":"order_1","id":"0190163d-8694-739b-aea5-966c26f8ad90",
            "at":"2026-01-02T03:04:05.678Z","seq":7,"epoch":"e1","data":{"run":5,"n":3,"due_ns":99}}"#;
        let Meaning::Load { load, group, stamp: Some(stamp) } = meaning(text) else { panic!("{text}") };
        assert_eq!((load, &*group), (Load { run: 5, n: 3, due_ns: 99 }, "order_1"));
        assert_eq!((stamp.epoch, stamp.seq), ("\"e1\"", 7));
        assert_eq!(stamp.id.map(|id| id.get_version_num()), Some(7));
    }

    #[test]
    fn an_epoch_may_be_a_number_too() {
        let Meaning::Subscribed(Some(("12", 0))) =
            meaning(r#"{"type":"subscribed","group":"g","epoch":12,"seq":0,"recovered":false}"#)
        else {
            panic!("position not read")
        };
    }

    #[test]
    fn an_ephemeral_message_has_no_position() {
        let text = r#"{"type":"load_test","group":"order_1","data":{"run":5,"n":3,"due_ns":99}}"#;
        assert!(matches!(meaning(text), Meaning::Load { stamp: None, .. }));
    }

    #[test]
    fn other_durable_events_count_and_states_do_not() {
        let update = r#"{"type":"order_update","group":"g","id":"x","seq":1,"epoch":"e","update":{}}"#;
        assert!(matches!(meaning(update), Meaning::Event { stamp: Stamp { seq: 1, id: None, .. }, .. }));
        let snapshot = r#"{"type":"order_status","group":"g","seq":1,"epoch":"e","order":{"data":[]}}"#;
        assert!(matches!(meaning(snapshot), Meaning::Nothing));
        assert!(matches!(meaning(r#"{"type":"presence","group":"g","data":[1]}"#), Meaning::Nothing));
        let other = r#"{"type":"load_test","group":"g","seq":1,"epoch":"e","data":"something else"}"#;
        assert!(matches!(meaning(other), Meaning::Event { .. }));
    }

    #[test]
    fn escapes_are_understood() {
        let text = r#"{"type":"load\u005ftest","group":"\u0067","data":{"run":1,"n":0,"due_ns":0}}"#;
        assert!(matches!(meaning(text), Meaning::Load { group, .. } if group == "g"));
    }

    #[test]
    fn a_refusal_keeps_its_reason() {
        let text = r#"{"type":"error","code":"forbidden","message":"not yours","ref":"load"}"#;
        assert!(matches!(meaning(text), Meaning::Error(why) if why.contains("forbidden")));
        assert!(Incoming::read("[]").is_err());
        assert!(Incoming::read("{}").is_err());
    }
}
