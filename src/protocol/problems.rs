//! Every `code` that a refused call or frame may carry, in one table: the page behind `type`, the guide and the
//! AsyncAPI document are made from it. A test compares it with the codes that the source holds.

/// One kind of refusal.
#[derive(Debug, Clone, Copy)]
pub struct ProblemKind {
    /// Stable, snake_case.
    pub code: &'static str,
    /// The HTTP status; none for what only frames are refused with.
    pub status: Option<u16>,
    /// What it means, and what can be done about it.
    pub meaning: &'static str,
}

const fn http(status: u16, code: &'static str, meaning: &'static str) -> ProblemKind {
    ProblemKind { code, status: Some(status), meaning }
}

const fn frame(code: &'static str, meaning: &'static str) -> ProblemKind {
    ProblemKind { code, status: None, meaning }
}

/// All of them, by status and then by name; those of frames alone come last.
pub const PROBLEMS: &[ProblemKind] = &[
    http(400, "bad_handshake", "The request is no WebSocket handshake after RFC 6455."),
    http(400, "bad_json", "The body, or the frame, is not JSON."),
    http(400, "unreadable_body", "The body did not arrive whole. Send the request again."),
    http(401, "invalid_credentials", "The e-mail address or the password is wrong; which one is not said."),
    http(401, "service_key_invalid", "No service key came, or none that this server knows."),
    http(401, "signature_expired", "The event was signed more than 5 minutes from now. Sign it anew."),
    http(401, "signature_invalid", "No signature came, or none of the payment provider's for this body."),
    http(401, "token_expired", "The token's time is over. Refresh, or log in."),
    http(401, "token_invalid", "This is no token of this server, or one that was changed."),
    http(401, "token_missing", "No token came. Send `Authorization: Bearer <access token>`."),
    http(401, "token_outdated", "The user's role has changed since the token was made. Refresh."),
    http(401, "token_reused", "The refresh token came a second time, so its log-in has ended. Log in."),
    http(401, "token_revoked", "The log-in that the token belongs to has ended. Log in."),
    http(401, "token_used", "The ticket was used. Each is good for one handshake: fetch another one."),
    http(401, "token_wrong_type", "A good token, but of a kind that is not taken here."),
    http(401, "user_unknown", "The token's user does not exist, or no longer."),
    http(403, "group_not_allowed", "The caller may not listen to that group, or not publish to it."),
    http(
        403,
        "origin_not_allowed",
        "Web pages of this origin may not connect: see `WAYBILL_ALLOWED_ORIGINS`.",
    ),
    http(403, "role_not_allowed", "Only a user with another role may do this."),
    http(403, "token_of_another", "`auth` came with the token of another user or role. Connect anew."),
    http(404, "not_found", "There is no such thing, or the caller may not know of it."),
    http(404, "route_not_found", "There is nothing at this path."),
    http(405, "method_not_allowed", "The resource does not take this method; `Allow` names what it takes."),
    http(409, "already_claimed", "Another admin looks after the order, whom `claim` names."),
    http(409, "already_rated", "The order has its rating."),
    http(409, "amount_differs", "The event is about another amount than the transfer that it names."),
    http(
        409,
        "chat_closed",
        "The order can be written about while it has a partner, and for a while after its end.",
    ),
    http(
        409,
        "client_id_reused",
        "The sender has given this `client_id` to another message about the order.",
    ),
    http(409, "email_taken", "Somebody has an account with this e-mail address."),
    http(409, "idempotency_key_reused", "The `Idempotency-Key` came with another request within 24 hours."),
    http(
        409,
        "illegal_transition",
        "The order cannot take this step, or not by this caller; `allowed` names the steps that it can take.",
    ),
    http(409, "insufficient_funds", "There is not enough money for that; `balance` says how much there is."),
    http(409, "no_active_order", "The partner is not under way with the order that is named."),
    http(
        409,
        "no_payment_provider",
        "This server has no payment provider, so no money comes in or goes out: see `WAYBILL_PAYMENT_PROVIDER`.",
    ),
    http(409, "not_delivered", "An order is rated once it was delivered."),
    http(409, "nothing_to_refund", "Nothing was paid for the order that was not given back."),
    http(409, "offer_closed", "The offer cannot be accepted any more; `reason` says why."),
    http(409, "order_over", "The order was completed or cancelled: nobody need look after it any more."),
    http(409, "push_not_dead", "Only a push that was given up can be put back into the queue."),
    http(
        409,
        "refund_conflict",
        "More was given back for the order than the caller knew of; `refunded` says how much.",
    ),
    http(
        409,
        "refund_too_large",
        "More than was paid for the order; `refundable` says how much can be given back.",
    ),
    http(409, "too_many_orders", "The partner has as many orders in hand as one may have."),
    http(
        409,
        "version_conflict",
        "The order has changed since the caller saw it; `version` and `current_status` say to what.",
    ),
    http(413, "body_too_large", "The body is larger than 512 KiB."),
    http(
        415,
        "unsupported_media_type",
        "The body is not declared as JSON: send `Content-Type: application/json`.",
    ),
    http(422, "invalid_fields", "Fields are wrong; `errors` names each of them."),
    http(426, "upgrade_required", "This is a WebSocket endpoint: send a handshake."),
    http(429, "rate_limited", "Too often. Come back after `Retry-After` seconds."),
    http(500, "internal", "A fault of the server's. Its log has the request's id."),
    http(503, "cut_off", "This server is cut off from the others. Connect again to reach another one."),
    http(503, "draining", "This server is going away. Connect again to reach another one."),
    http(
        503,
        "not_ready",
        "A part of the server does not answer, which `parts` names, or it has not met the other servers yet.",
    ),
    http(503, "overloaded", "The server has too much to do; nothing was done. Try again."),
    http(503, "unavailable", "The database is busy or away; nothing was changed. Try again."),
    frame("already_subscribing", "The subscription to this group is being made."),
    frame("binary", "The message is binary; frames are texts."),
    frame("not_subscribed", "The session does not listen to that group."),
    frame(
        "points_refused",
        "Some of a frame's `points` were refused, which the message names with the reason; the others were taken.",
    ),
    frame("too_big", "The frame has more bytes than a frame may have."),
    frame("too_many_subscriptions", "The session listens to as many groups as it may."),
    frame("unknown_type", "There is no frame of this `type`."),
];

/// What can be wrong with one field: the `code` of an entry of `errors`.
pub const FIELD_PROBLEMS: &[(&str, &str)] = &[
    ("cannot_switch_off", "What protects the account cannot be switched off on this channel."),
    ("duplicate", "The field is there twice."),
    ("in_future", "The time lies in the future."),
    ("invalid", "Not of the right type or form."),
    ("missing", "The field is needed."),
    ("not_accepted", "A good value that this server does not take; `message` names those that it takes."),
    ("not_applicable", "This never reaches a user with this role."),
    ("out_of_range", "The number, or the count, is too small or too large."),
    ("too_deep", "The JSON holds more levels within each other than are taken."),
    ("too_long", "The text is too long."),
    ("too_old", "The time lies too far back."),
    ("too_short", "The text is too short or blank."),
    ("unknown", "There is no such field, or nothing of this name."),
    ("wrong", "Not what it is compared with."),
];

/// The entry of a code.
#[must_use]
pub fn find(code: &str) -> Option<&'static ProblemKind> {
    PROBLEMS.iter().find(|problem| problem.code == code)
}

/// The tables for the guide, as Markdown.
#[must_use]
pub fn markdown() -> String {
    use std::fmt::Write;

    let mut text = String::from("| code | status | meaning |\n| --- | --- | --- |\n");
    for ProblemKind { code, status, meaning } in PROBLEMS {
        let status = status.map_or_else(|| "frames only".into(), |status| status.to_string());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{code}` | {status} | {meaning} |");
    }
    text.push_str("\n| code of a field | meaning |\n| --- | --- |\n");
    for (code, meaning) in FIELD_PROBLEMS {
        let _ = writeln!(text, "| `{code}` | {meaning} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_each_code_once() {
        let keys: Vec<_> =
            PROBLEMS.iter().map(|problem| (problem.status.unwrap_or(u16::MAX), problem.code)).collect();
        assert!(keys.is_sorted_by(|one, next| one < next), "{keys:?}");
        for problem in PROBLEMS {
            let same = PROBLEMS.iter().filter(|other| other.code == problem.code);
            assert_eq!(same.count(), 1, "{}", problem.code);
        }
        assert!(FIELD_PROBLEMS.is_sorted_by(|one, next| one.0 < next.0));
    }
}
