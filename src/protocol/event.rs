//! What happened, who hears of it, and the frame that tells.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::dispatch::OfferStatus;
use crate::domain::group::GroupKey;
use crate::domain::ids::{FamilyId, MessageId, OfferId, OrderId, PartnerId, UserId};
use crate::domain::order::{OrderStatus, Standing};
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;

use super::close::CloseReason;
use super::dispatch::Dispatch;
use super::money::{EarningsBalance, EntryView, PaymentView, WalletBalance};
use super::server::{to_json, to_raw};
use super::views::{MessageView, NotificationView, OfferView, OrderUpdate, OrderView, TrailPointView};

/// What became of an order in a partner's queue, which holds what is assigned to the partner and not delivered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueAction {
    /// It is the partner's now.
    Added,
    /// It moved on.
    Changed,
    /// It is delivered, has ended, or is the partner's no longer.
    Removed,
}

/// Something that happened. Each is made inside the transaction that made it true.
#[derive(Debug, Clone)]
pub enum Event {
    /// An order was placed.
    OrderCreated {
        /// As admins see it.
        order: Box<OrderView>,
    },
    /// An order took a step.
    OrderUpdated {
        /// What changed.
        update: OrderUpdate,
        /// Who placed it.
        customer_id: UserId,
        /// Who carries it out, or did until this step.
        partner_id: Option<PartnerId>,
    },
    /// A partner's queue changed.
    QueueUpdated {
        /// Whose.
        partner_id: PartnerId,
        /// By which order.
        order_id: OrderId,
        /// How.
        action: QueueAction,
        /// As the partner sees it; none when it was removed.
        order: Option<Box<OrderView>>,
    },
    /// An order was offered to a partner.
    OfferMade {
        /// To whom.
        partner_id: PartnerId,
        /// What.
        offer: Box<OfferView>,
    },
    /// An offer can be accepted no longer.
    OfferClosed {
        /// To whom it was made.
        partner_id: PartnerId,
        /// Which.
        offer_id: OfferId,
        /// Why.
        reason: OfferStatus,
    },
    /// Samples of where an order's partner was came late.
    TrailFilled {
        /// Of which order.
        order_id: OrderId,
        /// Newest first.
        points: Vec<TrailPointView>,
    },
    /// Somebody wrote about an order. Its id is the message's.
    ChatMessage {
        /// What.
        message: Box<MessageView>,
    },
    /// An order can be written about no longer.
    ChatClosed {
        /// Which order.
        order_id: OrderId,
    },
    /// Somebody has read what was written about an order.
    ChatRead {
        /// Which order.
        order_id: OrderId,
        /// Who.
        user_id: UserId,
        /// Up to which message.
        up_to: MessageId,
    },
    /// A notification came into an inbox.
    NotificationAdded {
        /// Whose.
        user_id: UserId,
        /// What it says.
        notification: Box<NotificationView>,
    },
    /// The number of unread notifications changed.
    UnreadCountChanged {
        /// Whose.
        user_id: UserId,
        /// How many are unread.
        count: i64,
        /// Grows with every change of the count.
        revision: i64,
    },
    /// Money moved in or out of a wallet.
    WalletChanged {
        /// Whose.
        user_id: UserId,
        /// What it holds now.
        wallet: WalletBalance,
        /// What moved.
        entry: EntryView,
    },
    /// Money moved in or out of a partner's earnings.
    EarningsChanged {
        /// Whose.
        partner_id: PartnerId,
        /// What they are now.
        earnings: EarningsBalance,
        /// What moved.
        entry: EntryView,
    },
    /// The payment of an order was made, or took a step.
    PaymentChanged {
        /// As it is now.
        payment: PaymentView,
    },
    /// Somebody did something that admins watch.
    Activity {
        /// Who.
        user_id: Option<UserId>,
        /// As what.
        role: Option<Role>,
        /// What, snake_case: `logged_in`, `placed_order`.
        action: &'static str,
        /// To which order.
        order_id: Option<OrderId>,
        /// When.
        at: Timestamp,
    },
    /// Another back end published through this server.
    Published {
        /// Where it goes.
        group: GroupKey,
        /// The frame's type.
        kind: String,
        /// As it was sent.
        data: Box<RawValue>,
    },
    /// A user may no longer listen to a group.
    AccessLost {
        /// Which group.
        group: GroupKey,
        /// Who.
        user_id: UserId,
    },
    /// A log-in ended, or all of a user's.
    SessionsEnded {
        /// Whose.
        user_id: UserId,
        /// Which; all without one.
        family_id: Option<FamilyId>,
        /// Why.
        reason: CloseReason,
    },
}

/// The frames of events, without their envelopes.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum EventFrame<'a> {
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
        activity: ActivityView<'a>,
    },
}

/// What somebody did, for admins.
#[derive(Serialize, ToSchema)]
pub(super) struct ActivityView<'a> {
    /// Who.
    user_id: Option<UserId>,
    /// As what.
    role: Option<Role>,
    /// What, snake_case: `logged_in`, `placed_order`.
    action: &'a str,
    /// To which order.
    order_id: Option<OrderId>,
    /// When.
    at: Timestamp,
}

impl Event {
    /// The groups that hear of it.
    #[must_use]
    pub fn audience(&self) -> Vec<GroupKey> {
        match self {
            Self::OrderCreated { .. } | Self::PaymentChanged { .. } | Self::Activity { .. } => {
                vec![GroupKey::Admin]
            }
            Self::OrderUpdated { update, customer_id, partner_id } => {
                let mut groups = vec![GroupKey::Order(update.order_id), GroupKey::User(*customer_id)];
                groups.extend(partner_id.map(GroupKey::Partner));
                groups.push(GroupKey::Admin);
                groups
            }
            Self::QueueUpdated { partner_id, .. }
            | Self::OfferMade { partner_id, .. }
            | Self::OfferClosed { partner_id, .. }
            | Self::EarningsChanged { partner_id, .. } => vec![GroupKey::Partner(*partner_id)],
            Self::NotificationAdded { user_id, .. }
            | Self::UnreadCountChanged { user_id, .. }
            | Self::WalletChanged { user_id, .. } => vec![GroupKey::User(*user_id)],
            Self::TrailFilled { order_id, .. } => vec![GroupKey::Order(*order_id)],
            Self::ChatMessage { message } => vec![GroupKey::Order(message.order_id)],
            Self::ChatRead { order_id, .. } | Self::ChatClosed { order_id } => {
                vec![GroupKey::Order(*order_id)]
            }
            Self::Published { group, .. } | Self::AccessLost { group, .. } => vec![*group],
            Self::SessionsEnded { .. } => Vec::new(),
        }
    }

    /// What the realtime side is to do about it.
    #[must_use]
    pub fn dispatch(&self) -> Dispatch {
        let publish = |frame| Dispatch::Publish { groups: self.audience(), frame: to_raw(&frame) };
        match self {
            Self::OrderCreated { order } => publish(EventFrame::OrderCreated { order }),
            Self::OrderUpdated { update, .. } => publish(EventFrame::OrderUpdate { update }),
            Self::QueueUpdated { order_id, action, order, .. } => publish(EventFrame::QueueUpdate {
                order_id: *order_id,
                action: *action,
                order: order.as_deref(),
            }),
            Self::OfferMade { offer, .. } => publish(EventFrame::Assignment { offer }),
            Self::OfferClosed { offer_id, reason, .. } => publish(EventFrame::AssignmentClosed {
                offer_id: *offer_id,
                reason: *reason,
                reference: None,
            }),
            Self::TrailFilled { points, .. } => publish(EventFrame::Trail { points }),
            Self::ChatMessage { message } => publish(EventFrame::ChatMessage { message }),
            Self::ChatClosed { order_id } => publish(EventFrame::ChatClosed { order_id: *order_id }),
            Self::ChatRead { user_id, up_to, .. } => {
                publish(EventFrame::ChatRead { user_id: *user_id, up_to: *up_to })
            }
            Self::NotificationAdded { notification, .. } => {
                publish(EventFrame::Notification { notification })
            }
            Self::UnreadCountChanged { user_id, count, revision } => Dispatch::State {
                group: GroupKey::User(*user_id),
                revision: *revision,
                frame: to_raw(&EventFrame::UnreadCount { count: *count }),
            },
            Self::WalletChanged { wallet, entry, .. } => {
                publish(EventFrame::WalletUpdate { wallet: *wallet, entry: *entry })
            }
            Self::EarningsChanged { earnings, entry, .. } => {
                publish(EventFrame::EarningsUpdate { earnings: *earnings, entry: *entry })
            }
            Self::PaymentChanged { payment } => publish(EventFrame::Payment { payment: *payment }),
            Self::Activity { user_id, role, action, order_id, at } => publish(EventFrame::Activity {
                activity: ActivityView {
                    user_id: *user_id,
                    role: *role,
                    action,
                    order_id: *order_id,
                    at: *at,
                },
            }),
            Self::Published { group, kind, data } => {
                Dispatch::Publish { groups: vec![*group], frame: to_raw(&PublishedFrame { kind, data }) }
            }
            Self::AccessLost { group, user_id } => Dispatch::Expel { group: *group, user_id: *user_id },
            Self::SessionsEnded { user_id, family_id, reason } => {
                Dispatch::EndSessions { user_id: *user_id, family_id: *family_id, reason: *reason }
            }
        }
    }
}

/// A frame that another back end published.
#[derive(Serialize, ToSchema)]
pub(super) struct PublishedFrame<'a> {
    /// As the back end named it.
    #[serde(rename = "type")]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    kind: &'a str,
    /// Any JSON, byte for byte as it was published.
    #[schema(value_type = serde_json::Value)]
    data: &'a RawValue,
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
