//! What answers a frame that bears a mark.

use serde_json::Value;

use super::Break;

/// Refusals that say nothing of what was asked: the server cannot do it now.
pub const PASSING: [&str; 5] = ["unavailable", "overloaded", "draining", "cut_off", "internal"];

/// A frame that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its type.
    kind: String,
    /// The offer or the group that it is about.
    about: Option<Value>,
    /// Whether a subscription is to go on from a position.
    pub goes_on: bool,
}

impl Asked {
    /// By this frame.
    #[must_use]
    pub fn by(frame: &Value) -> Self {
        let kind = frame.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let about = ["offer_id", "group"].iter().find_map(|name| frame.get(name)).cloned();
        Self { kind, about, goes_on: frame.get("since").is_some() }
    }

    /// The answer is the one that belongs to it, about the same, or a refusal.
    #[must_use]
    pub fn fits(&self, answer: &Value) -> Option<Break> {
        let member = |name| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = if self.kind == "subscribe" || self.kind == "unsubscribe" { "group" } else { "offer_id" };
        let is_about = self.about.as_ref() == answer.get(name);
        let is_right = match (self.kind.as_str(), member("type")) {
            (_, "error") => !member("code").is_empty(),
            ("accept", "assignment_closed") => is_about && member("reason") == "accepted",
            ("decline", "assignment_closed") => is_about && member("reason") == "declined",
            ("subscribe", "subscribed") | ("unsubscribe", "unsubscribed") => is_about,
            ("ping", "pong") => true,
            (_, _) => false,
        };
        (!is_right).then(|| Break::new(self, "an answer that fits", answer.to_string()))
    }

    /// It has had none, for too long.
    #[must_use]
    pub fn unanswered(&self) -> Break {
        Break::new(self, "an answer", "none")
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let about = self.about.as_ref().and_then(Value::as_str).unwrap_or_default();
        write!(f, "{} {about}", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_fits_what_was_asked() {
        let closed = |offer: &str, reason: &str| json!({"type": "assignment_closed", "offer_id": offer, "reason": reason});
        let accept = Asked::by(&json!({"type": "accept", "offer_id": "a", "ref": "1"}));
        assert_eq!(accept.fits(&closed("a", "accepted")), None);
        assert_eq!(accept.fits(&json!({"type": "error", "code": "offer_closed"})), None);
        let other = json!({"type": "pong"});
        for wrong in [closed("a", "declined"), closed("b", "accepted"), other, json!({"type": "error"})] {
            assert!(accept.fits(&wrong).is_some(), "{wrong}");
        }
        let decline = Asked::by(&json!({"type": "decline", "offer_id": "a"}));
        assert!(decline.fits(&closed("a", "accepted")).is_some());
        assert_eq!(decline.fits(&closed("a", "declined")), None);
    }

    #[test]
    fn a_subscription_is_answered_for_its_group() {
        let subscribe = Asked::by(&json!({"type": "subscribe", "group": "user_1", "ref": "user_1"}));
        assert_eq!(subscribe.fits(&json!({"type": "subscribed", "group": "user_1"})), None);
        assert!(subscribe.fits(&json!({"type": "subscribed", "group": "user_2"})).is_some());
        assert!(subscribe.unanswered().to_string().starts_with("subscribe user_1: expected an answer"));
    }
}
