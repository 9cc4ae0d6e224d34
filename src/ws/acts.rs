//! What a client does by a frame and could do by a call as well: the same use cases.

use crate::domain::dispatch::OfferStatus;
use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, MessageId, NotificationId, OfferId, OrderId};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::client::LocationSample;
use crate::protocol::event::{chat_frame, offer_frame};
use crate::protocol::server::envelop;
use crate::services::app::App;
use crate::services::chat::{self, NewMessage, Posted};
use crate::services::dispatch::{self, Answered, Decline};
use crate::services::error::ServiceError;
use crate::services::{console, notifications, tracking};

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
    /// Write about an order.
    Write { order_id: OrderId, message: NewMessage },
    /// Show that the user is writing about an order.
    Type { order_id: OrderId },
    /// Show the admins which order this one looks at.
    View { order_id: Option<OrderId> },
    /// Note how far the user has read what was written about an order.
    MarkChatRead { order_id: OrderId, up_to: Option<MessageId> },
}

/// An answer for a session that its event does not reach.
#[derive(Debug)]
pub(super) struct Echo {
    /// The group that the event goes through.
    pub group: GroupKey,
    /// The event's frame, without a number.
    pub frame: String,
    /// Whether there is an event; otherwise it has been before.
    pub is_new: bool,
}

/// Does it for `who`. `reference` is the client's mark on the frame.
///
/// # Errors
/// Those of the use case.
pub(super) async fn perform(
    app: &App,
    who: Principal,
    act: Act,
    reference: Option<&str>,
) -> Result<Option<Echo>, ServiceError> {
    match act {
        Act::MarkRead { id } => notifications::mark_read(app, who, id).await.map(|_| None),
        Act::MarkAllRead => notifications::mark_all_read(app, who).await.map(|_| None),
        Act::Accept { offer_id } => {
            let answered = dispatch::accept(app, who, offer_id).await?;
            Ok(Some(offer_echo(&answered, offer_id, OfferStatus::Accepted, reference)))
        }
        Act::Decline { offer_id, reason } => {
            let answered = dispatch::decline(app, who, offer_id, Decline { reason }).await?;
            Ok(Some(offer_echo(&answered, offer_id, OfferStatus::Declined, reference)))
        }
        Act::Locate { samples, is_batch: false, sent_at } => {
            tracking::locate(app, who, samples, sent_at).await.map(|()| None)
        }
        Act::Locate { samples, is_batch: true, sent_at } => {
            tracking::locate_all(app, who, samples, sent_at).await.map(|()| None)
        }
        Act::Write { order_id, message } => chat::post(app, who, order_id, message).await.map(echo),
        Act::Type { order_id } => chat::typing(app, who, order_id).await.map(|()| None),
        Act::View { order_id } => console::view(app, who, order_id).await.map(|()| None),
        Act::MarkChatRead { order_id, up_to } => {
            chat::mark_read(app, who, order_id, up_to).await.map(|()| None)
        }
    }
}

fn echo(Posted { message, is_new }: Posted) -> Option<Echo> {
    let group = GroupKey::Order(message.order_id);
    let (id, at) = (EventId::from(message.id), message.created_at);
    let frame = envelop(&chat_frame(&message), &group.to_string(), id, at, None);
    Some(Echo { group, frame, is_new })
}

/// What the session hears of its answer: by itself where it gave a mark, which no event carries, or hears no such events.
fn offer_echo(answered: &Answered, offer_id: OfferId, reason: OfferStatus, reference: Option<&str>) -> Echo {
    let group = GroupKey::Partner(answered.partner_id);
    let body = offer_frame(offer_id, reason, reference);
    // Under the event's id, so that who gets both drops one.
    let frame = envelop(&body, &group.to_string(), offer_id.into(), answered.at, None);
    Echo { group, frame, is_new: answered.is_new && reference.is_none() }
}
