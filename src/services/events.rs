//! Events of other back ends, published through this server.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::group::GroupKey;
use crate::domain::ids::EventId;
use crate::protocol::event::{Event, published_frame};

use super::app::{App, Reply};
use super::error::{Checks, ServiceError};
use super::idempotency::Idempotency;
use super::service_keys::Service;

/// The longest type of a frame, bytes.
const MAX_TYPE: usize = 64;
/// The largest `data`, bytes.
const MAX_DATA: usize = 64 * 1024;
/// How deep `data` may be nested: common readers stop at 128 levels, and would stumble over the whole frame.
const MAX_DEPTH: usize = 100;

/// An event as another back end sends it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// Where it goes: `order_{id}`, `user_{id}`, `partner_{id}` or `admin_dashboard`.
    pub group: GroupKey,
    /// The frame's `type`: lower-case letters, digits and underscores, at most 64.
    #[serde(rename = "type")]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    pub kind: String,
    /// Any JSON, at most 64 KiB and 100 levels deep; it arrives as it was sent.
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    /// The event's id, for de-duplication; made here when left out.
    pub id: Option<EventId>,
    /// Without any promise: no row, no `seq`, and only the latest reaches a session that does not keep up.
    #[serde(default)]
    pub ephemeral: bool,
}

/// Frames that clients take for the server's word on their session.
const RESERVED: [&str; 8] =
    ["authenticated", "error", "pong", "resync", "subscribed", "token_expiring", "unsubscribed", "welcome"];

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedView {
    /// The event's id.
    pub id: EventId,
}

fn check(new: &NewEvent) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    let kind = new.kind.as_bytes();
    let is_name = kind.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_');
    if kind.is_empty() || kind.len() > MAX_TYPE || !is_name {
        checks.fail("type", "invalid", "expected 1 to 64 lower-case letters, digits and underscores");
    }
    if RESERVED.contains(&new.kind.as_str()) {
        checks.fail("type", "invalid", "this is a frame by which the server speaks of the session itself");
    }
    if new.data.get().len() > MAX_DATA {
        checks.fail("data", "too_long", format!("expected at most {MAX_DATA} bytes"));
    }
    if depth(new.data.get()) > MAX_DEPTH {
        checks.fail("data", "too_deep", format!("expected at most {MAX_DEPTH} levels"));
    }
    checks.done()
}

/// How many lists and objects lie within each other at most, in a text that is JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            // Any other byte: this is a scanner.
            _ => {}
        }
    }
    deepest
}

/// Publishes an event: with the guarantees of our own, or with none.
///
/// # Errors
/// `Invalid`; `Forbidden` with `group_not_allowed`; the database's.
pub async fn publish(
    app: &App,
    service: &Service,
    new: NewEvent,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    check(&new)?;
    service.may_publish(new.group)?;
    let id = new.id.unwrap_or_default();
    if new.ephemeral {
        let body = published_frame(&new.kind, &new.data);
        // Apart from the server's own: a `location` of a back end is not the partner's.
        let slot = format!("published:{}", new.kind);
        app.groups().publish_ephemeral(new.group, id, slot.as_str().into(), body.into())?;
        let body = crate::protocol::server::to_json(&PublishedView { id });
        return Ok(Reply { status: 202, body, replayed: false });
    }
    app.write_once(key, 202, move |tx| {
        tx.emit_as(id, &Event::Published { group: new.group, kind: new.kind, data: new.data });
        Ok(PublishedView { id })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_what_lies_within_each_other_and_no_text() {
        for (json, expected) in [
            ("7", 0),
            ("[]", 1),
            (r#"{"a":[{}],"b":[[]]}"#, 3),
            (r#"["[[[", "\"[[", "\\", []]"#, 2),
            (r#""{{{\"{{""#, 0),
        ] {
            assert_eq!(depth(json), expected, "{json}");
        }
    }
}
