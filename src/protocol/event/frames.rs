//! The frames that tell of events, and what can be read from their texts.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::dispatch::OfferStatus;
use crate::domain::ids::{MessageId, OfferId, OrderId, PartnerId, UserId};
use crate::domain::order::{OrderStatus, Standing};
use crate::protocol::admin::{ActivityView, ClaimView};
use crate::protocol::money::{EarningsBalance, EntryView, PaymentView, WalletBalance};
use crate::protocol::server::to_json;
use crate::protocol::views::{
    MessageView, NotificationView, OfferView, OrderUpdate, OrderView, TrailPointView,
};

use super::QueueAction;

/// The frames of events, without their envelopes.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::protocol) enum EventFrame<'a> {
    /// An order was placed.
    OrderCreated {
        /// As admins see it.
        order: &'a OrderView,
    },
    /// An order took a step.
    OrderUpdate {
        /// What changed.
        update: &'a OrderUpdate,
    },
    /// A partner's queue changed.
    QueueUpdate {
        /// By which order.
        order_id: OrderId,
        /// How.
        action: QueueAction,
        /// As the partner sees it; `null` when it was removed.
        order: Option<&'a OrderView>,
    },
    /// An order is offered: accept or decline it before `expires_at`.
    Assignment {
        /// What.
        offer: &'a OfferView,
    },
    /// An offer can be accepted no longer.
    AssignmentClosed {
        /// Which.
        offer_id: OfferId,
        /// Why: `accepted`, `declined`, `expired`, `withdrawn` or `taken`.
        reason: OfferStatus,
        /// The client's mark on the `accept` or `decline` that this answers: in its session only, where the frame comes
        /// without a number.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
    /// Where the partner of an order was: samples that came late, after an offline spell say. They fill the trail, and
    /// never move the partner back.
    Trail {
        /// Newest first, at most 200; of more, several frames, the newest first.
        points: &'a [TrailPointView],
    },
    /// Somebody wrote about the order. It answers `chat`; a session that writes without listening to the order, or that
    /// sends again what it has sent before, gets it by itself and without a number.
    ChatMessage {
        /// What was written. `id` is the event's, too.
        message: &'a MessageView,
    },
    /// The order can be written about no longer.
    ChatClosed {
        /// Which order.
        order_id: OrderId,
    },
    /// Somebody has read what was written about the order.
    ChatRead {
        /// Who.
        user_id: UserId,
        /// Up to which message.
        up_to: MessageId,
    },
    /// A notification came into the inbox.
    Notification {
        /// What it says.
        notification: &'a NotificationView,
    },
    /// How many notifications are unread. A state: only the latest counts.
    UnreadCount {
        /// How many.
        count: i64,
    },
    /// Money moved in or out of the wallet.
    WalletUpdate {
        /// What it holds now.
        wallet: WalletBalance,
        /// What moved.
        entry: EntryView,
    },
    /// Money moved in or out of the partner's earnings.
    EarningsUpdate {
        /// What they are now.
        earnings: EarningsBalance,
        /// What moved.
        entry: EntryView,
    },
    /// The payment of an order was made, or took a step.
    Payment {
        /// As it is now.
        payment: PaymentView,
    },
    /// Somebody did something.
    Activity {
        /// Who did what.
        activity: &'a ActivityView,
    },
    /// An admin began or ceased to look after an order.
    Claim {
        /// Which order.
        order_id: OrderId,
        /// Who looks after it now; `null` when nobody does.
        claim: Option<&'a ClaimView>,
        /// Who has changed that.
        by: UserId,
    },
}

/// A frame that another back end published.
#[derive(Serialize, ToSchema)]
pub(in crate::protocol) struct PublishedFrame<'a> {
    /// As the back end named it.
    #[serde(rename = "type")]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    pub kind: &'a str,
    /// Any JSON, byte for byte as it was published.
    #[schema(value_type = serde_json::Value)]
    pub data: &'a RawValue,
}

/// The text of a frame that another back end published, without its envelope.
#[must_use]
pub fn published_frame(kind: &str, data: &RawValue) -> String {
    to_json(&PublishedFrame { kind, data })
}

/// The text of the end of an offer as the session alone gets it that asked for it, without its envelope.
#[must_use]
pub fn offer_frame(offer_id: OfferId, reason: OfferStatus, reference: Option<&str>) -> String {
    to_json(&EventFrame::AssignmentClosed { offer_id, reason, reference })
}

/// The text of a message as its session alone gets it, without its envelope.
#[must_use]
pub fn chat_frame(message: &MessageView) -> String {
    to_json(&EventFrame::ChatMessage { message })
}

/// The partner in whose time the message of a frame was written; none for frames of other types.
#[must_use]
pub fn partner_of_chat(frame: &str) -> Option<PartnerId> {
    #[derive(Deserialize)]
    struct Frame {
        message: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        partner_id: PartnerId,
    }
    // Most are of other types, and read as far as this.
    let is_chat = frame.starts_with(r#"{"type":"chat_message","#);
    is_chat.then(|| serde_json::from_str::<Frame>(frame).ok()).flatten().map(|frame| frame.message.partner_id)
}

/// Whether a frame brings a notification.
#[must_use]
pub fn is_notification(frame: &str) -> bool {
    frame.starts_with(r#"{"type":"notification","#)
}

/// How an order stands by a frame that tells of a step; none for frames of other types.
#[must_use]
pub fn standing_by(frame: &str) -> Option<Standing> {
    #[derive(Deserialize)]
    struct Frame {
        update: Update,
    }
    #[derive(Deserialize)]
    struct Update {
        status: OrderStatus,
        version: i64,
    }
    let is_update = frame.starts_with(r#"{"type":"order_update","#);
    let Frame { update } = is_update.then(|| serde_json::from_str(frame).ok()).flatten()?;
    Some(Standing { version: update.version, status: update.status })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EventId;
    use crate::domain::order::Party;
    use crate::domain::time::Timestamp;
    use crate::protocol::dispatch::Dispatch;
    use crate::protocol::event::Event;
    use crate::protocol::server::{Numbering, envelop};
    use crate::protocol::views::SenderView;

    #[test]
    fn a_message_tells_in_whose_time_it_was_written_and_other_frames_do_not() {
        let message = MessageView {
            id: MessageId::new(),
            order_id: OrderId::new(),
            partner_id: PartnerId::new(),
            sender: SenderView { id: UserId::new(), name: "\"type\"".into(), party: Party::Customer },
            text: "}".into(),
            masked: false,
            client_id: None,
            created_at: Timestamp::from_millis(0),
        };
        let around = |body: &str| {
            let numbering = Some(Numbering { seq: 1, epoch: "e" });
            envelop(body, "g", EventId::new(), Timestamp::from_millis(0), numbering)
        };
        assert_eq!(partner_of_chat(&around(&chat_frame(&message))), Some(message.partner_id));
        let event = Event::ChatMessage { message: Box::new(message.clone()) };
        let Dispatch::Publish { frame, .. } = event.dispatch() else { panic!("{event:?}") };
        assert_eq!(partner_of_chat(&around(frame.get())), Some(message.partner_id));
        let (user_id, up_to) = (UserId::new(), MessageId::new());
        let read = to_json(&EventFrame::ChatRead { user_id, up_to });
        assert_eq!(partner_of_chat(&around(&read)), None);
    }

    #[test]
    fn an_update_tells_where_its_order_stands_and_other_frames_do_not() {
        let update = OrderUpdate {
            order_id: OrderId::new(),
            status: OrderStatus::Delivered,
            previous_status: OrderStatus::InTransit,
            version: 7,
            updated_at: Timestamp::from_millis(0),
            partner: None,
            reason: Some(r#""status":"pending""#.into()),
        };
        let event = Event::OrderUpdated { update, customer_id: UserId::new(), partner_id: None };
        let Dispatch::Publish { frame, .. } = event.dispatch() else { panic!("{event:?}") };
        let standing = Standing { version: 7, status: OrderStatus::Delivered };
        assert_eq!(standing_by(frame.get()), Some(standing));
        assert_eq!(standing_by(r#"{"type":"eta","update":{"status":"delivered","version":7}}"#), None);
    }
}
