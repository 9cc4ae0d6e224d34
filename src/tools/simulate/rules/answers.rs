//! What answers a frame that bears a mark.

use serde_json::Value;

use super::Break;

/// Refusals that say nothing of what was asked: the server cannot do it now.
pub const PASSING: [&str; 5] = ["unavailable", "overloaded", "draining", "cut_off", "internal"];

/// Why an offer cannot be accepted, or no more.
const ACCEPT_REFUSALS: [&str; 3] = ["offer_closed", "too_many_orders", "rate_limited"];
/// Why it cannot be declined: whoever declines may have as many orders as one may have.
const DECLINE_REFUSALS: [&str; 2] = ["offer_closed", "rate_limited"];

/// Why an answer to an offer is refused, where that is for a reason that there is.
#[must_use]
pub fn refusals(accepts: bool) -> &'static [&'static str] {
    if accepts { &ACCEPT_REFUSALS } else { &DECLINE_REFUSALS }
}

/// A call is refused for one of the reasons that it `may` be refused for, or for one that passes: that it came too often, or
/// that the server cannot do it now. A fault of the server's is noted elsewhere.
#[must_use]
pub fn unexplained(call: &str, status: u16, code: &str, body: &str, may: &[&str]) -> Option<Break> {
    let is_explained = status == 429 || status >= 500 || may.contains(&code);
    (!is_explained).then(|| {
        let expected =
            if may.is_empty() { "it to be done".to_owned() } else { format!("it done, or one of {may:?}") };
        Break::new(call, expected, format!("the refusal {status} {body}"))
    })
}

/// A frame to which there is no answer was refused for a reason that there is: the inbox is its owner's, an order may be
/// another's by now, and a position too old or none of an order's.
#[must_use]
pub fn refused(kind: &str, code: &str, frame: &Value) -> Option<Break> {
    let may: &[&str] = match kind {
        "chat_read" | "typing" => &["not_found", "chat_closed"],
        "location" => &["no_active_order", "points_refused", "invalid_fields"],
        // Of any other: none.
        _ => &[],
    };
    let is_explained = code == "rate_limited" || PASSING.contains(&code) || may.contains(&code);
    (!is_explained).then(|| {
        let expected =
            if may.is_empty() { "it to be taken".to_owned() } else { format!("it taken, or one of {may:?}") };
        Break::new(format!("a frame {kind}"), expected, frame.to_string())
    })
}

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
            (_, "error") if PASSING.contains(&member("code")) => true,
            ("accept", "error") => ACCEPT_REFUSALS.contains(&member("code")),
            ("decline", "error") => DECLINE_REFUSALS.contains(&member("code")),
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
        let other = json!({"type": "pong"});
        for wrong in [closed("a", "declined"), closed("b", "accepted"), other, json!({"type": "error"})] {
            assert!(accept.fits(&wrong).is_some(), "{wrong}");
        }
        let decline = Asked::by(&json!({"type": "decline", "offer_id": "a"}));
        assert!(decline.fits(&closed("a", "accepted")).is_some());
        assert_eq!(decline.fits(&closed("a", "declined")), None);
    }

    #[test]
    fn an_offer_is_refused_for_a_reason() {
        let fits = |kind: &str, code: &str| {
            let asked = Asked::by(&json!({"type": kind, "offer_id": "a", "ref": "1"}));
            asked.fits(&json!({"type": "error", "code": code, "ref": "1"})).is_none()
        };
        for code in PASSING.iter().chain(&DECLINE_REFUSALS) {
            assert!(fits("accept", code) && fits("decline", code), "{code}");
        }
        let by_call = |accepts| refusals(accepts).contains(&"too_many_orders");
        assert!(by_call(true) && !by_call(false));
        assert!(fits("accept", "too_many_orders") && !fits("decline", "too_many_orders"));
        for code in
            ["", "not_found", "illegal_transition", "version_conflict", "role_not_allowed", "unknown_type"]
        {
            assert!(!fits("accept", code) && !fits("decline", code), "{code}");
            assert!(!refusals(true).contains(&code), "{code}");
        }
    }

    #[test]
    fn a_call_is_refused_for_a_reason() {
        let refused = |status, code| unexplained("POST /x", status, code, "", &["taken"]).is_some();
        for (status, code) in [(409, "taken"), (429, "rate_limited"), (503, "unavailable"), (500, "internal")]
        {
            assert!(!refused(status, code), "{code}");
        }
        let others = [(409, "illegal_transition"), (404, "not_found"), (403, ""), (422, "invalid_fields")];
        for (status, code) in others.into_iter().chain([(401, "token_invalid"), (302, "")]) {
            assert!(refused(status, code), "{code}");
        }
    }

    #[test]
    fn a_subscription_is_answered_for_its_group() {
        let subscribe = Asked::by(&json!({"type": "subscribe", "group": "user_1", "ref": "user_1"}));
        assert_eq!(subscribe.fits(&json!({"type": "subscribed", "group": "user_1"})), None);
        assert!(subscribe.fits(&json!({"type": "subscribed", "group": "user_2"})).is_some());
        assert!(subscribe.unanswered().to_string().starts_with("subscribe user_1: expected an answer"));
    }
}
