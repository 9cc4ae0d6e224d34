//! Deadlines: what has to be done at a certain time unless something else comes first.

use std::str::FromStr;

use super::order::InvalidName;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadlineKind {
    /// Partners are looked for. Its subject is the order.
    Dispatch,
    /// An offer runs out. Its subject is the offer.
    Offer,
    /// No partner was found in time. Its subject is the order.
    NoPartner,
    /// A delivered order is completed. Its subject is the order.
    Complete,
    /// An order can be written about no longer. Its subject is the order.
    ChatClosing,
    /// Who had an order on a screen when something was written about it may not have read it. Its subject is the order,
    /// a slash, and the user.
    UnreadMessage,
    /// Tickets, refresh tokens, kept answers and the like past their time are removed, again and again. It has no subject.
    Purge,
}

impl DeadlineKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Dispatch,
        Self::Offer,
        Self::NoPartner,
        Self::Complete,
        Self::ChatClosing,
        Self::UnreadMessage,
        Self::Purge,
    ];

    /// As the database has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Offer => "offer",
            Self::NoPartner => "no_partner",
            Self::Complete => "complete",
            Self::ChatClosing => "chat_closing",
            Self::UnreadMessage => "unread_message",
            Self::Purge => "purge",
        }
    }
}

impl FromStr for DeadlineKind {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidName)
    }
}
