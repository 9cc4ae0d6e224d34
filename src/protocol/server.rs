//! Frames that the server sends. Events get their envelope (`group`, `id`, `at`, `seq`, `epoch`) from
//! the group that they go through; control frames have none.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, SessionId, UserId};
use crate::domain::time::Timestamp;

use super::client::Since;

/// A frame that answers or informs one session; no event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control<'a> {
    /// First frame of `/ws/`.
    Welcome {
        /// This session.
        session_id: SessionId,
        /// Who the token says it is.
        user_id: UserId,
        /// When the token ends.
        expires_at: Timestamp,
        /// Seconds between the server's pings.
        ping_interval: u64,
    },
    /// A fresh token was taken.
    Authenticated {
        /// When it ends.
        expires_at: Timestamp,
        /// The client's mark.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
    /// A subscription stands.
    Subscribed {
        /// To which group.
        group: GroupKey,
        /// The numbering that `seq` belongs to.
        epoch: &'a str,
        /// The position of the subscription: what follows has higher numbers.
        seq: u64,
        /// Whether everything since the client's `since` follows; otherwise a snapshot does.
        recovered: bool,
        /// The client's mark.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
    /// A subscription goes on under another numbering, without the client having asked: the position that it had means
    /// nothing any more. A snapshot follows.
    Resync {
        /// To which group.
        group: GroupKey,
        /// The numbering that `seq` belongs to.
        epoch: &'a str,
        /// The position of the subscription: what follows has higher numbers.
        seq: u64,
    },
    /// A subscription has ended.
    Unsubscribed {
        /// To which group.
        group: GroupKey,
        /// Why, when the client did not ask for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'a str>,
        /// The client's mark.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
    /// Answers `ping`.
    Pong {
        /// The client's mark.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
    /// A frame was refused.
    Error {
        /// Stable, snake_case.
        code: &'a str,
        /// For people.
        message: &'a str,
        /// The client's mark.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        /// Further members that `code` brings along, as in the answer to the same call by REST: `errors` names the values
        /// that cannot be, `reason` what closed an offer.
        #[serde(flatten)]
        details: &'a Map<String, Value>,
    },
    /// The token ends soon: send `auth`.
    TokenExpiring {
        /// When.
        expires_at: Timestamp,
    },
}

impl Control<'_> {
    /// The frame as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_json(self)
    }
}

/// Serialises a frame of ours. Our shapes have string keys only and write to memory, so it cannot fail.
#[must_use]
pub fn to_json<T: Serialize + ?Sized>(frame: &T) -> String {
    serde_json::to_string(frame).unwrap_or_else(|error| {
        log::error!("a frame could not be serialised: {error}");
        String::from("{\"type\":\"error\",\"code\":\"internal\",\"message\":\"internal error\"}")
    })
}

/// Serialises the body of a frame, as [`Dispatch`](super::dispatch::Dispatch) carries it.
#[must_use]
pub fn to_raw<T: Serialize + ?Sized>(frame: &T) -> Box<RawValue> {
    RawValue::from_string(to_json(frame)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// What comes with an event, beside its body: [`envelop`] writes it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventEnvelope<'a> {
    /// Through which group it came.
    pub group: GroupKey,
    /// The event's id; the same event has the same id in every group, and when it comes twice.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// Its number in the group's stream: from 1, without holes.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// Which numbering `seq` belongs to. With another epoch numbers cannot be compared.
    pub epoch: &'a str,
}

/// What comes with an ephemeral frame, beside its body: it has no number and is not repeated.
#[derive(Debug, Serialize, ToSchema)]
pub struct EphemeralEnvelope {
    /// Through which group it came.
    pub group: GroupKey,
    /// The frame's id.
    pub id: EventId,
    /// When it was sent.
    pub at: Timestamp,
}

/// What comes with a snapshot, beside its body.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotEnvelope {
    /// Of which group.
    pub group: GroupKey,
    /// The frame's id.
    pub id: EventId,
    /// When it was read.
    pub at: Timestamp,
    /// Where the group's stream stands: what to send as `since` before any event has come.
    pub position: Since,
}

/// Where an event stands in its group's stream.
#[derive(Debug, Clone, Copy)]
pub struct Numbering<'a> {
    /// From 1, without holes.
    pub seq: u64,
    /// Which numbering.
    pub epoch: &'a str,
}

/// Puts the envelope into a frame: `body` is the text of a JSON object with at least one member.
#[must_use]
pub fn envelop(
    body: &str,
    group: &str,
    id: EventId,
    at: Timestamp,
    numbering: Option<Numbering<'_>>,
) -> String {
    use std::fmt::Write;

    let open = body.trim_end().strip_suffix('}').unwrap_or(body);
    let mut text = String::with_capacity(open.len() + 192);
    text.push_str(open);
    // Writing to a String cannot fail.
    let _ = write!(text, ",\"group\":\"{group}\",\"id\":\"{id}\",\"at\":\"{at}\"");
    if let Some(Numbering { seq, epoch }) = numbering {
        let _ = write!(text, ",\"seq\":{seq},\"epoch\":\"{epoch}\"");
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_envelope_keeps_the_body_and_adds_to_it() {
        let (group, id, at) = (GroupKey::Admin, EventId::new(), Timestamp::from_millis(0));
        let numbering = Some(Numbering { seq: 7, epoch: "e1" });
        let body = r#"{"type":"t","data":{"a": [1]}}"#;
        let read = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
        let with = |envelope: Value| {
            let mut frame = serde_json::json!({"type": "t", "data": {"a": [1]}});
            let members = envelope.as_object().cloned().expect("an object");
            frame.as_object_mut().expect("an object").extend(members);
            frame
        };
        let event = serde_json::to_value(EventEnvelope { group, id, at, seq: 7, epoch: "e1" }).expect("JSON");
        assert_eq!(read(envelop(body, &group.to_string(), id, at, numbering)), with(event));
        let ephemeral = serde_json::to_value(EphemeralEnvelope { group, id, at }).expect("JSON");
        assert_eq!(read(envelop(body, &group.to_string(), id, at, None)), with(ephemeral));
    }

    #[test]
    fn an_ephemeral_frame_has_no_number() {
        let text = envelop(r#"{"type":"t"}"#, "g", EventId::new(), Timestamp::from_millis(0), None);
        assert!(!text.contains("seq"), "{text}");
    }

    #[test]
    fn an_answer_repeats_the_ref_and_leaves_out_a_missing_one() {
        assert_eq!(Control::Pong { reference: Some("a\"b") }.to_text(), r#"{"type":"pong","ref":"a\"b"}"#);
        assert_eq!(Control::Pong { reference: None }.to_text(), r#"{"type":"pong"}"#);
    }
}
