//! Notifications: the kinds there are, what each holds, its texts in every language, and who wants which how.
//!
//! A service makes a [`NotificationContent`], asks [`Preferences`] which channels it may take, and stores
//! what [`NotificationContent::render`] and [`NotificationContent::data`] give. Nothing here knows how a
//! notification is stored or how it reaches anybody.

mod channel;
mod content;
mod kind;
mod preferences;
#[cfg(test)]
pub(crate) mod samples;
mod templates;
mod text;

pub use channel::{Channel, InvalidChannel};
pub use content::{
    AccountChange, CancelledBy, FailureCause, NotificationContent, RefusedPayment, WithdrawalCause,
};
pub use kind::{InvalidNotificationKind, NotificationKind};
pub use preferences::{CannotSwitchOff, Choice, Preference, Preferences};
pub use templates::{MAX_MESSAGE_CHARS, MAX_TITLE_CHARS, Rendered};
pub use text::{Clipped, Excerpt, Line, Name, Paragraph};
