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
