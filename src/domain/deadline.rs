//! Deadlines: what has to be done at a certain time unless something else comes first.

use std::str::FromStr;

use super::order::InvalidName;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadlineKind {
    /// A delivered order is completed. Its subject is the order.
    Complete,
    /// Tickets, refresh tokens, kept answers and trails past their time are removed, again and again. It has no subject.
    Purge,
}

impl DeadlineKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Complete, Self::Purge];

    /// As the database has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
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
