//! Frames that the server sends. Events get their envelope (`group`, `id`, `at`, `seq`, `epoch`) from
//! the group that they go through; control frames have none.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, SessionId, UserId};
use crate::domain::time::Timestamp;

/// A frame that answers or informs one session; no event.
#[derive(Debug, Serialize)]
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
    use super::*;

    #[test]
    fn an_envelope_keeps_the_body_and_adds_to_it() {
        let id = EventId::new();
        let at = Timestamp::from_millis(0);
        let numbering = Some(Numbering { seq: 7, epoch: "e1" });
        let text = envelop(r#"{"type":"t","data":{"a": [1]}}"#, "admin_dashboard", id, at, numbering);
        let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            frame,
            serde_json::json!({
                "type": "t", "data": {"a": [1]}, "group": "admin_dashboard", "id": id,
                "at": "1970-01-01T00:00:00.000Z", "seq": 7, "epoch": "e1",
            })
        );
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
