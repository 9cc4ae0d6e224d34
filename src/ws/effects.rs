//! What a client's frame asks the session to do. Frames become effects without any I/O, so that what a frame
//! means can be told, and tested, apart from how it is done.

use crate::domain::group::GroupKey;
use crate::domain::ids::EventId;
use crate::protocol::client::Since;
use crate::protocol::close::CloseReason;

use super::acts::Act;

/// The client's mark on a frame, which its answer repeats.
pub(super) type Reference = Option<Box<str>>;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// Send this text.
    Send(String),
    /// Say good-bye.
    Close(CloseReason),
    /// Check the right, read the snapshot, join; or refuse with an `error`.
    Open { group: GroupKey, since: Option<Since>, reference: Reference },
    /// Leave a group.
    Leave(GroupKey),
    /// Note that events have reached the device.
    Ack(Vec<EventId>),
    /// Do something that events answer, or an `error` when it fails.
    Act { act: Act, reference: Reference },
    /// Take a fresh token.
    Renew { token: String, reference: Reference },
}
