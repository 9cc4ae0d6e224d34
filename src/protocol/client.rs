//! Frames that clients send: one JSON object a text message, told apart by `type`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, NotificationId, OrderId};
use crate::domain::time::Timestamp;

/// A position in a group's stream of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// Which numbering `seq` belongs to.
    pub epoch: String,
    /// The last event that the client has seen.
    pub seq: u64,
}

/// Where a partner's device was.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationSample {
    /// WGS 84 degrees.
    pub latitude: f64,
    /// WGS 84 degrees.
    pub longitude: f64,
    /// When the device measured it.
    pub timestamp: Timestamp,
    /// Degrees clockwise from north, 0 to 360.
    pub heading: Option<f64>,
    /// Metres per second.
    pub speed: Option<f64>,
    /// Radius of the 68 % confidence circle, metres.
    pub accuracy: Option<f64>,
    /// Charge of the device's battery, 0 to 1.
    pub battery: Option<f64>,
    /// The order that it belongs to; without one, every order that the partner is under way with.
    pub order_id: Option<OrderId>,
}

/// A frame from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientFrame {
    /// Mark a notification as read.
    MarkRead {
        /// Which.
        id: NotificationId,
    },
    /// Mark every notification as read.
    MarkAllRead,
    /// The device has shown or stored these events.
    Ack {
        /// Event ids, at most 100.
        ids: Vec<EventId>,
    },
    /// Listen to a group.
    Subscribe {
        /// Which.
        group: GroupKey,
        /// Where the client left off.
        since: Option<Since>,
    },
    /// Stop listening to a group.
    Unsubscribe {
        /// Which.
        group: GroupKey,
    },
    /// Where the partner is.
    Location(LocationSample),
    /// A fresh access token, to stay connected past the old one's end.
    Auth {
        /// The token.
        token: String,
    },
    /// Answered by `pong`.
    Ping,
}

/// A frame and what its answer repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The client's own mark, repeated by the answer.
    pub reference: Option<String>,
    /// What is asked.
    pub frame: ClientFrame,
}

/// A message that is no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// Stable, snake_case.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// The `ref` of the frame, where that much could be read.
    pub reference: Option<String>,
}

/// The longest `ref`, bytes.
pub const MAX_REFERENCE: usize = 128;
/// The most ids in one `ack`.
pub const MAX_ACKS: usize = 100;

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "ref", borrow)]
    reference: Option<&'a RawValue>,
}

/// Reads one text message.
///
/// # Errors
/// `BadFrame` with code `bad_json`, `unknown_type` or `invalid_fields`.
pub fn parse(text: &str) -> Result<Request, BadFrame> {
    let bad = |code, message: String, reference| BadFrame { code, message, reference };
    if !text.trim_start().starts_with('{') {
        return Err(bad("bad_json", "expected a JSON object".into(), None));
    }
    let head: Head<'_> =
        serde_json::from_str(text).map_err(|error| bad("bad_json", error.to_string(), None))?;
    let reference = match head.reference.map(|raw| serde_json::from_str::<Option<String>>(raw.get())) {
        None => None,
        Some(Ok(reference)) if reference.as_ref().is_none_or(|text| text.len() <= MAX_REFERENCE) => reference,
        Some(_) => {
            let message = format!("ref: expected a string of at most {MAX_REFERENCE} bytes");
            return Err(bad("invalid_fields", message, None));
        }
    };
    let Some(kind) = head.kind else {
        return Err(bad("unknown_type", "type: missing".into(), reference));
    };
    match read_body(&kind, text) {
        Ok(Some(frame)) => Ok(Request { reference, frame }),
        Ok(None) => {
            Err(bad("unknown_type", format!("type: no frame is called {}", shorten(&kind)), reference))
        }
        Err(message) => Err(bad("invalid_fields", message, reference)),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// `Ok(None)` when no frame has this type.
fn read_body(kind: &str, text: &str) -> Result<Option<ClientFrame>, String> {
    /// Declares the wire shape of one frame: its fields beside `type` and `ref`, and nothing else.
    macro_rules! body {
        ({ $($field:ident: $type:ty),* $(,)? } => $frame:expr) => {{
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct Body {
                #[serde(rename = "type")]
                _kind: serde::de::IgnoredAny,
                #[serde(rename = "ref", default)]
                _reference: Option<serde::de::IgnoredAny>,
                $($field: $type,)*
            }
            let Body { $($field,)* .. } = serde_json::from_str(text).map_err(|error| error.to_string())?;
            $frame
        }};
    }
    Ok(Some(match kind {
        "mark_read" => body!({ id: NotificationId } => ClientFrame::MarkRead { id }),
        "mark_all_read" => body!({} => ClientFrame::MarkAllRead),
        "ack" => body!({ ids: Vec<EventId> } => {
            if ids.len() > MAX_ACKS {
                return Err(format!("ids: at most {MAX_ACKS} in one frame"));
            }
            ClientFrame::Ack { ids }
        }),
        "subscribe" => {
            body!({ group: GroupKey, since: Option<Since> } => ClientFrame::Subscribe { group, since })
        }
        "unsubscribe" => body!({ group: GroupKey } => ClientFrame::Unsubscribe { group }),
        "location" => body!({
            latitude: f64,
            longitude: f64,
            timestamp: Timestamp,
            heading: Option<f64>,
            speed: Option<f64>,
            accuracy: Option<f64>,
            battery: Option<f64>,
            order_id: Option<OrderId>,
        } => ClientFrame::Location(LocationSample {
            latitude, longitude, timestamp, heading, speed, accuracy, battery, order_id,
        })),
        "auth" => body!({ token: String } => ClientFrame::Auth { token }),
        "ping" => body!({} => ClientFrame::Ping),
        // Any other text: this is a parser, not a match over variants.
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        parse(text).expect_err("refused").code
    }

    #[test]
    fn frames_are_read_with_their_ref() {
        let id = NotificationId::new();
        let request = parse(&format!(r#"{{"type":"mark_read","id":"{id}","ref":"7"}}"#)).expect("a frame");
        assert_eq!(request, Request { reference: Some("7".into()), frame: ClientFrame::MarkRead { id } });
        let request =
            parse(r#"{"type":"subscribe","group":"admin_dashboard","since":{"epoch":"e","seq":3}}"#);
        let since = Some(Since { epoch: "e".into(), seq: 3 });
        let frame = ClientFrame::Subscribe { group: GroupKey::Admin, since };
        assert_eq!(request, Ok(Request { reference: None, frame }));
    }

    #[test]
    fn what_is_no_frame_is_told_apart() {
        assert_eq!(code(""), "bad_json");
        assert_eq!(code("[]"), "bad_json");
        assert_eq!(code("{"), "bad_json");
        assert_eq!(code("{}"), "unknown_type");
        assert_eq!(code(r#"{"type":7}"#), "bad_json");
        assert_eq!(code(r#"{"type":"fly"}"#), "unknown_type");
        assert_eq!(code(r#"{"type":"ping","typo":1}"#), "invalid_fields");
        assert_eq!(code(r#"{"type":"mark_read"}"#), "invalid_fields");
        assert_eq!(code(r#"{"type":"mark_read","id":"7"}"#), "invalid_fields");
        assert_eq!(code(r#"{"type":"ping","ref":7}"#), "invalid_fields");
        assert_eq!(
            code(r#"{"type":"subscribe","group":"admin_dashboard","since":{"epoch":"e","seq":-1}}"#),
            "invalid_fields"
        );
    }

    #[test]
    fn a_bad_frame_keeps_its_ref() {
        let bad = parse(r#"{"type":"fly","ref":"r1"}"#).expect_err("refused");
        assert_eq!(bad.reference.as_deref(), Some("r1"));
    }
}
