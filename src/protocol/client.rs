//! Frames that clients send: one JSON object a text message, told apart by `type`.

mod kinds;

pub use kinds::ClientKind;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, MessageId, NotificationId, OfferId, OrderId};
use crate::domain::time::Timestamp;

use kinds::read_body;

/// A position in a group's stream of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// Which numbering `seq` belongs to.
    pub epoch: String,
    /// The last event that the client has seen.
    pub seq: u64,
}

/// Where a partner's device was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationSample {
    /// WGS 84 degrees.
    #[schema(minimum = -90, maximum = 90)]
    pub latitude: f64,
    /// WGS 84 degrees.
    #[schema(minimum = -180, maximum = 180)]
    pub longitude: f64,
    /// When the device measured it.
    pub timestamp: Timestamp,
    /// Degrees clockwise from north. Below zero: not known.
    #[schema(maximum = 360)]
    pub heading: Option<f64>,
    /// Metres per second. Below zero: not known.
    #[schema(maximum = 500)]
    pub speed: Option<f64>,
    /// Radius of the 68 % confidence circle, metres.
    #[schema(minimum = 0, maximum = 100_000)]
    pub accuracy: Option<f64>,
    /// Charge of the device's battery. Below zero: not known.
    #[schema(maximum = 1)]
    pub battery: Option<f64>,
    /// The order that it belongs to; without one, every order that the partner is under way with.
    pub order_id: Option<OrderId>,
}

impl LocationSample {
    /// The same without what the device says it does not know: iOS has -1 there. An accuracy below zero is none of that: by
    /// it, iOS says that the position is void.
    #[must_use]
    pub fn of_what_is_known(self) -> Self {
        let known = |value: Option<f64>| value.filter(|value| *value >= 0.0);
        let (heading, speed, battery) = (known(self.heading), known(self.speed), known(self.battery));
        Self { heading, speed, battery, ..self }
    }
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
    /// Where the partner is, or was.
    Location {
        /// One sample, or up to 100 in any order.
        samples: Vec<LocationSample>,
        /// Whether they came as `points`.
        is_batch: bool,
        /// The time by the device's clock.
        sent_at: Option<Timestamp>,
    },
    /// Take an order that is offered.
    Accept {
        /// Which offer.
        offer_id: OfferId,
    },
    /// Leave an order that is offered to others.
    Decline {
        /// Which offer.
        offer_id: OfferId,
        /// Why.
        reason: Option<String>,
    },
    /// Write about an order.
    Chat {
        /// Which order.
        order_id: OrderId,
        /// What.
        text: String,
        /// The client's own mark.
        client_id: Option<String>,
    },
    /// The user is writing about an order.
    Typing {
        /// Which order.
        order_id: OrderId,
    },
    /// The user has read what was written about an order.
    ChatRead {
        /// Which order.
        order_id: OrderId,
        /// Up to which message; all without one.
        up_to: Option<MessageId>,
    },
    /// Which order the screen of an admin shows.
    View {
        /// Which; none any more without one.
        order_id: Option<OrderId>,
    },
    /// A fresh access token, to stay connected past the old one's end.
    Auth {
        /// The token.
        token: String,
    },
    /// Answered by `pong`.
    Ping,
}

impl ClientFrame {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> ClientKind {
        match self {
            Self::MarkRead { .. } => ClientKind::MarkRead,
            Self::MarkAllRead => ClientKind::MarkAllRead,
            Self::Ack { .. } => ClientKind::Ack,
            Self::Subscribe { .. } => ClientKind::Subscribe,
            Self::Unsubscribe { .. } => ClientKind::Unsubscribe,
            Self::Location { .. } => ClientKind::Location,
            Self::Accept { .. } => ClientKind::Accept,
            Self::Decline { .. } => ClientKind::Decline,
            Self::Chat { .. } => ClientKind::Chat,
            Self::Typing { .. } => ClientKind::Typing,
            Self::ChatRead { .. } => ClientKind::ChatRead,
            Self::View { .. } => ClientKind::View,
            Self::Auth { .. } => ClientKind::Auth,
            Self::Ping => ClientKind::Ping,
        }
    }
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
/// The most samples in one `location`.
pub const MAX_POINTS: usize = 100;

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
    let Some(known) = ClientKind::ALL.iter().find(|known| known.as_str() == kind) else {
        return Err(bad("unknown_type", format!("type: no frame is called {}", shorten(&kind)), reference));
    };
    match read_body(*known, text) {
        Ok(frame) => Ok(Request { reference, frame }),
        Err(message) => Err(bad("invalid_fields", message, reference)),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
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
    fn at_most_100_events_are_acked_at_once() {
        let ack = |count: usize| {
            let ids: Vec<EventId> = (0..count).map(|_| EventId::new()).collect();
            parse(&serde_json::json!({"type": "ack", "ids": ids}).to_string())
                .map(|request| request.frame.kind())
        };
        assert_eq!(ack(MAX_ACKS), Ok(ClientKind::Ack));
        assert_eq!(ack(MAX_ACKS + 1).map_err(|bad| bad.code), Err("invalid_fields"));
    }

    #[test]
    fn a_location_is_one_sample_or_up_to_100_points_and_not_both() {
        let point = r#"{"latitude":1,"longitude":2,"timestamp":"2026-01-02T03:04:05Z"}"#;
        let points = |count: usize, more: &str| {
            let points = vec![point; count].join(",");
            parse(&format!(r#"{{"type":"location","points":[{points}]{more}}}"#)).map(|request| match request
                .frame
            {
                ClientFrame::Location { samples, is_batch: true, .. } => samples.len(),
                other => panic!("{other:?}"),
            })
        };
        let sent_at = r#","sent_at":"2026-01-02T03:04:05Z""#;
        assert_eq!((points(1, ""), points(100, sent_at)), (Ok(1), Ok(100)));
        for refused in
            [points(0, ""), points(101, ""), points(1, r#","latitude":1"#), points(1, r#","speed":1"#)]
        {
            assert_eq!(refused.map_err(|bad| bad.code), Err("invalid_fields"));
        }
        assert_eq!(
            code(r#"{"type":"location","longitude":2,"timestamp":"2026-01-02T03:04:05Z"}"#),
            "invalid_fields"
        );
        assert_eq!(code(r#"{"type":"location","points":[{"latitude":1}]}"#), "invalid_fields");
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
