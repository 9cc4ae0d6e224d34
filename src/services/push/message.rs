//! What goes over the wire: the payload, encrypted for one browser (RFC 8291), and the headers around it (RFC 8030, RFC 8292).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use p256::PublicKey;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::push::PushKind;
use crate::domain::time::Timestamp;
use crate::protocol::server::to_json;
use crate::store::push::sending::{Address, Outgoing, Shown};

use super::keys::Keys;

/// The most bytes of a payload: a push service takes at least 4,096 with what encryption adds (RFC 8030, section 7.2), which
/// is 103 (RFC 8188), and some are strict.
const MAX_PAYLOAD: usize = 3800;
/// Bytes of the hash of a tag that make its topic: at most 32 characters of base64url (RFC 8030, section 5.4).
const TOPIC: usize = 24;
/// The tag of a push that closes what has several tags.
pub(super) const SEVERAL: &str = "several";

/// What the service worker gets for a notification. Flat, with all that it needs to show it.
#[derive(Debug, Serialize)]
struct Payload<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    message: &'a str,
    icon: &'a str,
    url: &'a str,
    tag: &'a str,
    created_at: Timestamp,
    unread: i64,
}

/// What it gets to close some.
#[derive(Debug, Serialize)]
struct Closing<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    ids: Value,
    unread: i64,
}

/// The payload of a message.
pub(super) fn payload(out: &Outgoing) -> String {
    let closes = out.closes.as_deref().unwrap_or_default();
    match (out.kind, &out.shows) {
        (PushKind::Notification, Some(shown)) => shown_payload(out, shown),
        (PushKind::Notification | PushKind::Read, _) => {
            let ids = serde_json::from_str(closes).unwrap_or_else(|_| Value::Array(Vec::new()));
            to_json(&Closing { kind: PushKind::Read.as_str(), ids, unread: out.unread })
        }
    }
}

fn shown_payload(out: &Outgoing, shown: &Shown) -> String {
    let data: Value = serde_json::from_str(&shown.data).unwrap_or_default();
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (url, icon) = (text("url"), text("icon"));
    let mut message = shown.message.as_str();
    loop {
        let payload = to_json(&Payload {
            id: shown.id.to_string(),
            kind: &shown.kind,
            title: &shown.title,
            message,
            icon: &icon,
            url: &url,
            tag: &out.tag,
            created_at: shown.created_at,
            unread: out.unread,
        });
        if payload.len() <= MAX_PAYLOAD || message.is_empty() {
            return payload;
        }
        // The rest of it is in the inbox.
        message = clipped(message, message.len() / 4 * 3);
    }
}

/// The longest beginning of at most `most` bytes that ends between two characters.
fn clipped(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// By this a push service knows what a message replaces. It tells it nothing else. None for a closing push that would take
/// away what it does not close: an older closing of several, or a notification that may have come there meanwhile.
fn topic(out: &Outgoing) -> Option<String> {
    let replaces = match out.kind {
        PushKind::Notification => true,
        PushKind::Read => out.tag != SEVERAL && !out.has_rival,
    };
    replaces.then(|| {
        let hash = Sha256::digest(out.tag.as_bytes());
        URL_SAFE_NO_PAD.encode(hash.get(..TOPIC).unwrap_or_default())
    })
}

/// Why a message cannot be put into a request: in fixed words.
pub(super) const UNUSABLE: &str = "the subscription cannot be used";

/// The request that carries a message.
///
/// # Errors
/// [`UNUSABLE`] when the browser's keys or address are none; whatever the signing fails with.
pub(super) fn request(
    out: &Outgoing,
    to: &Address,
    keys: &Keys,
    contact: Option<&str>,
    now: Timestamp,
) -> Result<Request<Full<Bytes>>, &'static str> {
    let url = url::Url::parse(&to.endpoint).map_err(|_| UNUSABLE)?;
    let origin = url.origin().ascii_serialization();
    let authorization = keys.authorization(&origin, contact, now).map_err(|error| {
        log::error!("a push cannot be signed: {error}");
        "the message cannot be signed"
    })?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| UNUSABLE);
    let public = PublicKey::from_sec1_bytes(&decode(&to.p256dh)?).map_err(|_| UNUSABLE)?;
    let auth: [u8; 16] = decode(&to.auth)?.try_into().map_err(|_| UNUSABLE)?;
    let body = web_push_native::encrypt(payload(out).into_bytes(), &public, &auth.into());
    let body = body.map_err(|_| "the message cannot be encrypted")?;
    let mut request = Request::post(url.as_str());
    if let Some(topic) = topic(out) {
        request = request.header("Topic", topic);
    }
    request
        .header("TTL", out.expires_at.since(now).as_secs().to_string())
        .header("Urgency", out.urgency.as_str())
        .header("Content-Encoding", "aes128gcm")
        .header("Content-Type", "application/octet-stream")
        .header("Authorization", authorization)
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| UNUSABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{NotificationId, UserId};
    use crate::domain::push::Urgency;

    fn outgoing(message: &str) -> Outgoing {
        let at = Timestamp::from_millis(0);
        Outgoing {
            kind: PushKind::Notification,
            user_id: UserId::new(),
            to: None,
            closes: None,
            shows: Some(Shown {
                id: NotificationId::new(),
                kind: "announcement".into(),
                title: "Title".into(),
                message: message.into(),
                data: r#"{"url": "/notifications", "icon": "megaphone"}"#.into(),
                created_at: at,
                is_stale: false,
            }),
            urgency: Urgency::Low,
            tag: "tag".into(),
            expires_at: at,
            created_at: at,
            unread: 3,
            is_overtaken: false,
            has_rival: false,
            was_tried: false,
            host_failures: 0,
            host_well_at: None,
        }
    }

    #[test]
    fn a_long_message_is_clipped_between_two_characters_and_a_short_one_is_not() {
        let read = |message: &str| -> Value {
            let text = payload(&outgoing(message));
            assert!(text.len() <= MAX_PAYLOAD, "{}", text.len());
            serde_json::from_str(&text).expect("JSON")
        };
        assert_eq!(read("Short")["message"], "Short");
        let long = "🛵".repeat(2000);
        let clipped = read(&long);
        let clipped = clipped["message"].as_str().expect("a text");
        assert!(clipped.len() > 1000 && long.starts_with(clipped), "{}", clipped.len());
    }

    #[test]
    fn a_topic_is_as_long_as_it_may_be_and_tells_nothing() {
        let tag = "order-0198c0de-0000-7000-8000-000000000000".to_owned();
        let topic = topic(&Outgoing { tag, ..outgoing("") }).expect("a topic");
        assert_eq!(topic.len(), 32);
        assert!(topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    }

    #[test]
    fn a_closing_replaces_what_it_closes_and_nothing_else() {
        let shown = outgoing("");
        let closing = Outgoing { kind: PushKind::Read, shows: None, ..outgoing("") };
        assert_eq!(topic(&closing), topic(&shown));
        let of_several = Outgoing { tag: SEVERAL.into(), ..closing.clone() };
        assert_eq!(topic(&of_several), None);
        assert_eq!(topic(&Outgoing { has_rival: true, ..closing }), None);
    }
}
