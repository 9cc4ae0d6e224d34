//! What happened, who hears of it, and the frame that tells.

mod frames;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::dispatch::OfferStatus;
use crate::domain::group::GroupKey;
use crate::domain::ids::{FamilyId, MessageId, OfferId, OrderId, PartnerId, UserId};

use super::admin::{ActivityView, ClaimView};
use super::close::CloseReason;
use super::dispatch::Dispatch;
use super::money::{EarningsBalance, EntryView, PaymentView, WalletBalance};
use super::server::to_raw;
use super::views::{MessageView, NotificationView, OfferView, OrderUpdate, OrderView, TrailPointView};

pub(super) use frames::{EventFrame, PublishedFrame};
pub use frames::{chat_frame, is_notification, offer_frame, partner_of_chat, published_frame, standing_by};

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
        /// What. Its id is the event's.
        activity: ActivityView,
    },
    /// An admin began or ceased to look after an order.
    ClaimChanged {
        /// Which order.
        order_id: OrderId,
        /// Who looks after it now.
        claim: Option<ClaimView>,
        /// Who has changed that.
        by: UserId,
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

impl Event {
    /// The groups that hear of it.
    #[must_use]
    pub fn audience(&self) -> Vec<GroupKey> {
        match self {
            Self::OrderCreated { .. }
            | Self::PaymentChanged { .. }
            | Self::Activity { .. }
            | Self::ClaimChanged { .. } => {
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
            Self::Activity { activity } => publish(EventFrame::Activity { activity }),
            Self::ClaimChanged { order_id, claim, by } => {
                publish(EventFrame::Claim { order_id: *order_id, claim: claim.as_ref(), by: *by })
            }
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
