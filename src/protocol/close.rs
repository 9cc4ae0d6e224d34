//! Why a session ends, and the code that says so (RFC 6455, section 7.4; 4000 to 4999 are ours).

use serde::{Deserialize, Serialize};

/// Why a session was closed by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The client said good-bye; it is answered in kind.
    Normal,
    /// The client broke RFC 6455.
    Protocol,
    /// The client sent text that is no UTF-8.
    InvalidText,
    /// Too many bad frames, or too many frames.
    Abuse,
    /// A message over the limit.
    TooBig,
    /// This instance is going away.
    Restart {
        /// Come back after so many milliseconds.
        retry_in: u64,
    },
    /// This instance has too much to do.
    Overload,
    /// The token came to its end, or its log-in was ended.
    Token,
    /// The right to listen was lost.
    AccessLost,
    /// The client does not read as fast as it is told.
    TooSlow,
    /// The user opened more sessions than are allowed; this was the oldest.
    Replaced,
    /// Nothing was heard of the client for too long.
    Silent,
}

impl CloseReason {
    /// All of them, by code; `Restart` with a sample of when to come back.
    pub const ALL: [Self; 12] = [
        Self::Normal,
        Self::Silent,
        Self::Protocol,
        Self::InvalidText,
        Self::Abuse,
        Self::TooBig,
        Self::Restart { retry_in: 2_500 },
        Self::Overload,
        Self::Token,
        Self::AccessLost,
        Self::TooSlow,
        Self::Replaced,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Silent => 1001,
            Self::Protocol => 1002,
            Self::InvalidText => 1007,
            Self::Abuse => 1008,
            Self::TooBig => 1009,
            Self::Restart { .. } => 1012,
            Self::Overload => 1013,
            Self::Token => 4401,
            Self::AccessLost => 4403,
            Self::TooSlow => 4408,
            Self::Replaced => 4409,
        }
    }

    /// The text beside the code: at most 123 bytes; JSON where the client is to act on it.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Normal => String::new(),
            Self::Silent => "silent for too long".into(),
            Self::Protocol => "broken frame".into(),
            Self::InvalidText => "text is not UTF-8".into(),
            Self::Abuse => "too many bad frames".into(),
            Self::TooBig => "message too big".into(),
            Self::Restart { retry_in } => format!("{{\"retry_in\":{retry_in}}}"),
            Self::Overload => "overloaded, come back later".into(),
            Self::Token => "the token has ended".into(),
            Self::AccessLost => "access lost".into(),
            Self::TooSlow => "too slow, come back with since".into(),
            Self::Replaced => "replaced by a newer session".into(),
        }
    }

    /// What a client is to do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Normal => "Nothing: this answers the client's own good-bye.",
            Self::Silent => "Connect again with `since`. Answer pings, or send `ping` more often.",
            Self::Protocol | Self::InvalidText => "Mend the client: it does not keep to RFC 6455.",
            Self::Abuse => "Mend the client: 20 bad frames came within a minute. Connect again with `since`.",
            Self::TooBig => "Send less at once. Connect again with `since`.",
            Self::Restart { .. } => {
                "Connect again with `since`, `retry_in` milliseconds from now; the reason is JSON and says how many."
            }
            Self::Overload => "Connect again with `since`, after a growing and random pause.",
            Self::Token => {
                "Get a fresh access token and connect with it and `since`. Where refreshing fails, log in."
            }
            Self::AccessLost => "Stop: the right to listen here is gone.",
            Self::TooSlow => "Connect again with `since`; nothing is lost.",
            Self::Replaced => "Stop: the same user has opened more sessions than one may have.",
        }
    }

    /// As it is named in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Silent => "silent",
            Self::Protocol => "protocol",
            Self::InvalidText => "invalid_text",
            Self::Abuse => "abuse",
            Self::TooBig => "too_big",
            Self::Restart { .. } => "restart",
            Self::Overload => "overload",
            Self::Token => "token",
            Self::AccessLost => "access_lost",
            Self::TooSlow => "too_slow",
            Self::Replaced => "replaced",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_once_and_fits_into_a_close_frame() {
        assert!(CloseReason::ALL.is_sorted_by_key(|reason| reason.code()));
        for reason in CloseReason::ALL {
            // RFC 6455, section 5.5: 125 bytes, two of which are the code.
            assert!(reason.text().len() <= 123, "{reason:?}");
            let same = CloseReason::ALL.iter().filter(|other| other.as_str() == reason.as_str());
            assert_eq!(same.count(), 1, "{reason:?}");
        }
    }
}
