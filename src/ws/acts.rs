//! What a client does by a frame and could do by a call as well: the same use cases.

use crate::domain::ids::{NotificationId, OfferId};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::client::LocationSample;
use crate::services::app::App;
use crate::services::dispatch::{self, Decline};
use crate::services::error::ServiceError;
use crate::services::{notifications, tracking};

/// One thing to do. Its events are the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Mark one notification as read.
    MarkRead { id: NotificationId },
    /// Mark all notifications as read.
    MarkAllRead,
    /// Take an order that is offered.
    Accept { offer_id: OfferId },
    /// Leave it to others.
    Decline { offer_id: OfferId, reason: Option<String> },
    /// Take the partner's positions, and show the last to those who may watch.
    Locate { samples: Vec<LocationSample>, is_batch: bool, sent_at: Option<Timestamp> },
}

/// Does it for `who`.
///
/// # Errors
/// Those of the use case.
pub(super) async fn perform(app: &App, who: Principal, act: Act) -> Result<(), ServiceError> {
    match act {
        Act::MarkRead { id } => notifications::mark_read(app, who, id).await.map(|_| ()),
        Act::MarkAllRead => notifications::mark_all_read(app, who).await.map(|_| ()),
        Act::Accept { offer_id } => dispatch::accept(app, who, offer_id, None).await.map(|_| ()),
        Act::Decline { offer_id, reason } => {
            dispatch::decline(app, who, offer_id, Decline { reason }, None).await.map(|_| ())
        }
        Act::Locate { samples, is_batch: false, sent_at } => {
            tracking::locate(app, who, samples, sent_at).await
        }
        Act::Locate { samples, is_batch: true, sent_at } => {
            tracking::locate_all(app, who, samples, sent_at).await
        }
    }
}
