//! The types of the server's own frames: clients read them as the contract says, so nobody else may send any.

/// All of them by name; `health` and `signal` are the contract's and not sent yet.
pub const RESERVED: &[&str] = &[
    "activity",
    "assignment",
    "assignment_closed",
    "authenticated",
    "cadence",
    "chat_closed",
    "chat_message",
    "chat_read",
    "dashboard",
    "earnings_update",
    "error",
    "eta",
    "health",
    "location",
    "notification",
    "order_created",
    "order_status",
    "order_update",
    "payment",
    "pong",
    "presence",
    "queue",
    "queue_update",
    "resync",
    "signal",
    "subscribed",
    "token_expiring",
    "trail",
    "typing",
    "unread_count",
    "unsubscribed",
    "wallet_update",
    "welcome",
];

/// Whether frames of this type are the server's own.
#[must_use]
pub fn is_reserved(kind: &str) -> bool {
    RESERVED.contains(&kind)
}
