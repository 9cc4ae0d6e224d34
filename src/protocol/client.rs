//! Frames that clients send: one JSON object a text message, told apart by `type`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::{RefOr, Schema as OpenApiSchema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, MessageId, NotificationId, OrderId};
use crate::domain::time::Timestamp;

type Schema = RefOr<OpenApiSchema>;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
            Self::Location(_) => ClientKind::Location,
            Self::Chat { .. } => ClientKind::Chat,
            Self::Typing { .. } => ClientKind::Typing,
            Self::ChatRead { .. } => ClientKind::ChatRead,
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

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "ref", borrow)]
    reference: Option<&'a RawValue>,
}

/// Declares the frames of clients as they are on the wire: a name, and the fields beside `type` and `ref`. What
/// is read and what is documented are the same structs.
macro_rules! frames {
    ($(
        $(#[$doc:meta])*
        $name:literal $kind:ident {$(
            $(#[$field_doc:meta])*
            $field:ident: $type:ty,
        )*}
    )*) => {
        /// The kinds of frames that clients send.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ClientKind {$(
            $(#[$doc])*
            $kind,
        )*}

        impl ClientKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The frame's `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {$(
                    Self::$kind => $name,
                )*}
            }

            /// The schema of its fields, without `type`.
            #[must_use]
            pub fn schema(self) -> Schema {
                match self {$(
                    Self::$kind => wire::$kind::schema(),
                )*}
            }

            /// The schemas that those of its fields refer to, by name.
            pub fn referenced(self, schemas: &mut Vec<(String, Schema)>) {
                match self {$(
                    Self::$kind => wire::$kind::schemas(schemas),
                )*}
            }
        }

        mod wire {
            use super::*;

            $(
                $(#[$doc])*
                #[derive(Deserialize, ToSchema)]
                #[serde(deny_unknown_fields)]
                pub(super) struct $kind {
                    #[serde(rename = "type")]
                    #[schema(ignore)]
                    _kind: serde::de::IgnoredAny,
                    /// Repeated by the answer. At most 128 bytes.
                    #[serde(rename = "ref", default)]
                    #[schema(value_type = Option<String>, max_length = 128)]
                    _reference: Option<serde::de::IgnoredAny>,
                    $(
                        $(#[$field_doc])*
                        pub(super) $field: $type,
                    )*
                }
            )*
        }
    };
}

frames! {
    /// Mark a notification as read. `unread_count` goes to every session of the user.
    "mark_read" MarkRead {
        /// Which notification.
        id: NotificationId,
    }
    /// Mark every notification as read. `unread_count` goes to every session of the user.
    "mark_all_read" MarkAllRead {}
    /// The device has shown or stored these events; that is recorded for each notification among them.
    "ack" Ack {
        /// Event ids.
        #[schema(max_items = 100)]
        ids: Vec<EventId>,
    }
    /// Listen to a group. `subscribed` answers; what was missed, or else the group's snapshot, follows. Subscribing
    /// to a group again leaves it first.
    "subscribe" Subscribe {
        /// Which group.
        group: GroupKey,
        /// Where the client left off: the `epoch` and `seq` of the last event, or the `position` of the snapshot.
        since: Option<Since>,
    }
    /// Stop listening to a group. `unsubscribed` answers.
    "unsubscribe" Unsubscribe {
        /// Which group.
        group: GroupKey,
    }
    /// Where the partner is; for partners only, at most 5 minutes old. Not answered when all is well.
    "location" Location {
        /// WGS 84 degrees.
        #[schema(minimum = -90, maximum = 90)]
        latitude: f64,
        /// WGS 84 degrees.
        #[schema(minimum = -180, maximum = 180)]
        longitude: f64,
        /// When the device measured it.
        timestamp: Timestamp,
        /// Degrees clockwise from north.
        #[schema(minimum = 0, maximum = 360)]
        heading: Option<f64>,
        /// Metres per second.
        #[schema(minimum = 0, maximum = 500)]
        speed: Option<f64>,
        /// Radius of the 68 % confidence circle, metres.
        #[schema(minimum = 0, maximum = 100_000)]
        accuracy: Option<f64>,
        /// Charge of the device's battery.
        #[schema(minimum = 0, maximum = 1)]
        battery: Option<f64>,
        /// The order that it belongs to; without one, every order that the partner is under way with.
        order_id: Option<OrderId>,
    }
    /// Write about an order; 20 messages a minute. `chat_message` answers. Sent again with the same `client_id`, it is the
    /// same message.
    "chat" Chat {
        /// About which order.
        order_id: OrderId,
        /// What. Phone numbers and e-mail addresses in it are masked.
        #[schema(min_length = 1, max_length = 2000)]
        text: String,
        /// The client's own mark: the message bears it, and is known by it when it comes again.
        #[schema(min_length = 1, max_length = 128)]
        client_id: Option<String>,
    }
    /// The user is writing about an order. Passed on at most every 2 s; not answered when all is well.
    "typing" Typing {
        /// About which order.
        order_id: OrderId,
    }
    /// The user has read what was written about an order. `chat_read` goes to all who listen to the order if that is new.
    "chat_read" ChatRead {
        /// About which order.
        order_id: OrderId,
        /// Up to which message; without it, all.
        up_to: Option<MessageId>,
    }
    /// A fresh access token, to stay connected past the old one's end. `authenticated` answers.
    "auth" Auth {
        /// An access token of the same user and role.
        token: String,
    }
    /// `pong` answers.
    "ping" Ping {}
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

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Reads the body of a frame of this kind.
fn read_body(kind: ClientKind, text: &str) -> Result<ClientFrame, String> {
    Ok(match kind {
        ClientKind::MarkRead => {
            let wire::MarkRead { id, .. } = read(text)?;
            ClientFrame::MarkRead { id }
        }
        ClientKind::MarkAllRead => {
            let wire::MarkAllRead { .. } = read(text)?;
            ClientFrame::MarkAllRead
        }
        ClientKind::Ack => {
            let wire::Ack { ids, .. } = read(text)?;
            if ids.len() > MAX_ACKS {
                return Err(format!("ids: at most {MAX_ACKS} in one frame"));
            }
            ClientFrame::Ack { ids }
        }
        ClientKind::Subscribe => {
            let wire::Subscribe { group, since, .. } = read(text)?;
            ClientFrame::Subscribe { group, since }
        }
        ClientKind::Unsubscribe => {
            let wire::Unsubscribe { group, .. } = read(text)?;
            ClientFrame::Unsubscribe { group }
        }
        ClientKind::Location => {
            let wire::Location {
                latitude,
                longitude,
                timestamp,
                heading,
                speed,
                accuracy,
                battery,
                order_id,
                ..
            } = read(text)?;
            ClientFrame::Location(LocationSample {
                latitude,
                longitude,
                timestamp,
                heading,
                speed,
                accuracy,
                battery,
                order_id,
            })
        }
        ClientKind::Chat => {
            let wire::Chat { order_id, text, client_id, .. } = read(text)?;
            ClientFrame::Chat { order_id, text, client_id }
        }
        ClientKind::Typing => {
            let wire::Typing { order_id, .. } = read(text)?;
            ClientFrame::Typing { order_id }
        }
        ClientKind::ChatRead => {
            let wire::ChatRead { order_id, up_to, .. } = read(text)?;
            ClientFrame::ChatRead { order_id, up_to }
        }
        ClientKind::Auth => {
            let wire::Auth { token, .. } = read(text)?;
            ClientFrame::Auth { token }
        }
        ClientKind::Ping => {
            let wire::Ping { .. } = read(text)?;
            ClientFrame::Ping
        }
    })
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
