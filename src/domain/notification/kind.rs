//! The kinds of notifications: the one table of what each is called, whom it concerns and how it goes out.
//!
//! A new kind begins here; the compiler then asks for everything else that it needs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use crate::domain::principal::Role;

// `$name` is a `tt`, since utoipa does not see a `literal` within `serde(rename)`.
macro_rules! kinds {
    ($count:literal; $($(#[$doc:meta])* $kind:ident = $name:tt,)*) => {
        /// What a notification is about.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
        )]
        pub enum NotificationKind {
            $($(#[$doc])* #[serde(rename = $name)] $kind,)*
        }

        impl NotificationKind {
            /// All of them: the customer's, the partner's, everybody's.
            pub const ALL: [Self; $count] = [$(Self::$kind,)*];

            /// As the wire and the database have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }

        impl FromStr for NotificationKind {
            type Err = InvalidNotificationKind;

            fn from_str(text: &str) -> Result<Self, InvalidNotificationKind> {
                match text {
                    $($name => Ok(Self::$kind),)*
                    // Any other text: this is a parser, not a match over variants.
                    _ => Err(InvalidNotificationKind),
                }
            }
        }
    };
}

kinds! {
    32;
    /// The order was taken in.
    OrderPlaced = "order_placed",
    /// The order was accepted by the operation.
    OrderConfirmed = "order_confirmed",
    /// A partner has taken the order.
    OrderAssigned = "order_assigned",
    /// The partner has set off to the pick-up.
    PartnerEnRoute = "partner_en_route",
    /// The partner is at the pick-up.
    PartnerArrived = "partner_arrived",
    /// The partner has the goods.
    OrderPickedUp = "order_picked_up",
    /// The partner has set off to the drop-off.
    OrderInTransit = "order_in_transit",
    /// The partner is close to the drop-off.
    OrderArriving = "order_arriving",
    /// The goods were handed over.
    OrderDelivered = "order_delivered",
    /// The order is settled.
    OrderCompleted = "order_completed",
    /// The order was called off.
    OrderCancelled = "order_cancelled",
    /// The order could not be carried out.
    OrderFailed = "order_failed",
    /// The order goes to another partner.
    OrderReassigned = "order_reassigned",
    /// The arrival slipped.
    EtaChanged = "eta_changed",
    /// The price was set aside in the wallet.
    PaymentAuthorised = "payment_authorised",
    /// The price was paid.
    PaymentCaptured = "payment_captured",
    /// A payment did not go through.
    PaymentFailed = "payment_failed",
    /// Money went back to the wallet.
    RefundIssued = "refund_issued",
    /// The wallet's balance rose.
    WalletCredited = "wallet_credited",
    /// The wallet's balance fell.
    WalletDebited = "wallet_debited",
    /// An order is on offer to the partner.
    AssignmentOffered = "assignment_offered",
    /// The partner let an offer run out.
    AssignmentExpired = "assignment_expired",
    /// An admin gave an order to the partner.
    AssignmentGiven = "assignment_given",
    /// An offer or an order was taken from the partner.
    AssignmentWithdrawn = "assignment_withdrawn",
    /// The partner's share of an order was booked.
    EarningsCredited = "earnings_credited",
    /// The partner's earnings were paid out.
    PayoutSent = "payout_sent",
    /// The partner's earnings could not be paid out, and are there again.
    PayoutFailed = "payout_failed",
    /// A customer rated the partner.
    RatingReceived = "rating_received",
    /// The other side of an order wrote.
    ChatMessage = "chat_message",
    /// An admin has something to say to everybody.
    Announcement = "announcement",
    /// Somebody logged in from somewhere new.
    SecurityNewLogin = "security_new_login",
    /// The account's own data, password or rights changed.
    AccountUpdated = "account_updated",
}

impl NotificationKind {
    /// The role that it is meant for; `None` for everybody.
    #[must_use]
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::OrderPlaced
            | Self::OrderConfirmed
            | Self::OrderAssigned
            | Self::PartnerEnRoute
            | Self::PartnerArrived
            | Self::OrderPickedUp
            | Self::OrderInTransit
            | Self::OrderArriving
            | Self::OrderDelivered
            | Self::OrderCompleted
            | Self::OrderCancelled
            | Self::OrderFailed
            | Self::OrderReassigned
            | Self::EtaChanged
            | Self::PaymentAuthorised
            | Self::PaymentCaptured
            | Self::PaymentFailed
            | Self::RefundIssued
            | Self::WalletCredited
            | Self::WalletDebited => Some(Role::Customer),
            Self::AssignmentOffered
            | Self::AssignmentExpired
            | Self::AssignmentGiven
            | Self::AssignmentWithdrawn
            | Self::EarningsCredited
            | Self::PayoutSent
            | Self::PayoutFailed
            | Self::RatingReceived => Some(Role::Partner),
            Self::ChatMessage | Self::Announcement | Self::SecurityNewLogin | Self::AccountUpdated => None,
        }
    }

    /// Whether somebody of this role can get it at all.
    #[must_use]
    pub fn concerns(self, role: Role) -> bool {
        self.role().is_none_or(|only| only == role)
    }

    /// Whether it protects the account. A thief could otherwise silence the very message that gives the theft
    /// away.
    #[must_use]
    pub const fn is_security(self) -> bool {
        match self {
            Self::SecurityNewLogin | Self::AccountUpdated => true,
            Self::OrderPlaced
            | Self::OrderConfirmed
            | Self::OrderAssigned
            | Self::PartnerEnRoute
            | Self::PartnerArrived
            | Self::OrderPickedUp
            | Self::OrderInTransit
            | Self::OrderArriving
            | Self::OrderDelivered
            | Self::OrderCompleted
            | Self::OrderCancelled
            | Self::OrderFailed
            | Self::OrderReassigned
            | Self::EtaChanged
            | Self::PaymentAuthorised
            | Self::PaymentCaptured
            | Self::PaymentFailed
            | Self::RefundIssued
            | Self::WalletCredited
            | Self::WalletDebited
            | Self::AssignmentOffered
            | Self::AssignmentExpired
            | Self::AssignmentGiven
            | Self::AssignmentWithdrawn
            | Self::EarningsCredited
            | Self::PayoutSent
            | Self::PayoutFailed
            | Self::RatingReceived
            | Self::ChatMessage
            | Self::Announcement => false,
        }
    }

    /// Whether the user may turn `channel` off for it. Security stays on in the inbox and by e-mail, the two
    /// that need no subscription of the device.
    #[must_use]
    pub const fn can_switch_off(self, channel: Channel) -> bool {
        match channel {
            Channel::InApp | Channel::Email => !self.is_security(),
            Channel::Push => true,
        }
    }

    /// Whether `channel` is on for somebody who chose nothing.
    #[must_use]
    pub const fn on_by_default(self, channel: Channel) -> bool {
        match channel {
            Channel::InApp => true,
            Channel::Email => self.e_mails_by_default(),
            Channel::Push => self.pushes_by_default(),
        }
    }

    /// E-mail is for what people keep (receipts) or must not miss.
    const fn e_mails_by_default(self) -> bool {
        match self {
            Self::OrderPlaced
            | Self::OrderDelivered
            | Self::OrderCompleted
            | Self::OrderCancelled
            | Self::OrderFailed
            | Self::PaymentFailed
            | Self::RefundIssued
            | Self::PayoutSent
            | Self::PayoutFailed
            | Self::SecurityNewLogin
            | Self::AccountUpdated => true,
            Self::OrderConfirmed
            | Self::OrderAssigned
            | Self::PartnerEnRoute
            | Self::PartnerArrived
            | Self::OrderPickedUp
            | Self::OrderInTransit
            | Self::OrderArriving
            | Self::OrderReassigned
            | Self::EtaChanged
            | Self::PaymentAuthorised
            | Self::PaymentCaptured
            | Self::WalletCredited
            | Self::WalletDebited
            | Self::AssignmentOffered
            | Self::AssignmentExpired
            | Self::AssignmentGiven
            | Self::AssignmentWithdrawn
            | Self::EarningsCredited
            | Self::RatingReceived
            | Self::ChatMessage
            | Self::Announcement => false,
        }
    }

    /// Push is for what is news right now; bookkeeping waits in the inbox.
    const fn pushes_by_default(self) -> bool {
        match self {
            Self::OrderConfirmed
            | Self::OrderAssigned
            | Self::PartnerEnRoute
            | Self::PartnerArrived
            | Self::OrderPickedUp
            | Self::OrderInTransit
            | Self::OrderArriving
            | Self::OrderDelivered
            | Self::OrderCancelled
            | Self::OrderFailed
            | Self::OrderReassigned
            | Self::EtaChanged
            | Self::PaymentFailed
            | Self::RefundIssued
            | Self::AssignmentOffered
            | Self::AssignmentGiven
            | Self::AssignmentWithdrawn
            | Self::PayoutSent
            | Self::PayoutFailed
            | Self::ChatMessage
            | Self::Announcement
            | Self::SecurityNewLogin
            | Self::AccountUpdated => true,
            Self::OrderPlaced
            | Self::OrderCompleted
            | Self::PaymentAuthorised
            | Self::PaymentCaptured
            | Self::WalletCredited
            | Self::WalletDebited
            | Self::AssignmentExpired
            | Self::EarningsCredited
            | Self::RatingReceived => false,
        }
    }

    /// The name of its icon; clients keep the pictures. Lower-case letters and hyphens.
    #[must_use]
    pub const fn icon(self) -> &'static str {
        match self {
            Self::OrderPlaced => "receipt",
            Self::OrderConfirmed | Self::OrderCompleted => "check",
            Self::OrderAssigned => "person",
            Self::AssignmentGiven => "box",
            Self::PartnerEnRoute => "bicycle",
            Self::PartnerArrived => "pin",
            Self::OrderPickedUp => "bag",
            Self::OrderInTransit => "route",
            Self::OrderArriving => "bell",
            Self::OrderDelivered => "gift",
            Self::OrderCancelled | Self::AssignmentWithdrawn => "cross",
            Self::OrderFailed | Self::PaymentFailed | Self::PayoutFailed => "warning",
            Self::OrderReassigned => "swap",
            Self::EtaChanged | Self::AssignmentExpired => "clock",
            Self::PaymentAuthorised | Self::PaymentCaptured => "card",
            Self::RefundIssued => "undo",
            Self::WalletCredited | Self::WalletDebited => "wallet",
            Self::AssignmentOffered => "offer",
            Self::EarningsCredited => "coins",
            Self::PayoutSent => "bank",
            Self::RatingReceived => "star",
            Self::ChatMessage => "chat",
            Self::Announcement => "megaphone",
            Self::SecurityNewLogin => "shield",
            Self::AccountUpdated => "account",
        }
    }
}

impl fmt::Display for NotificationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that was meant as a kind of notification and names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a type of notification")]
pub struct InvalidNotificationKind;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_read_back_and_are_all_different() {
        let names: HashSet<_> = NotificationKind::ALL.into_iter().map(NotificationKind::as_str).collect();
        assert_eq!(names.len(), 32);
        for kind in NotificationKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let json = serde_json::to_value(kind).expect("a string");
            assert_eq!(json, kind.as_str());
            assert_eq!(serde_json::from_value::<NotificationKind>(json).expect("reads back"), kind);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "Order_Placed", "order_placed ", "OrderPlaced", "order"] {
            assert_eq!(name.parse::<NotificationKind>(), Err(InvalidNotificationKind), "{name}");
        }
    }

    #[test]
    fn each_role_has_its_share() {
        let count = |role| NotificationKind::ALL.into_iter().filter(|kind| kind.role() == role).count();
        assert_eq!(count(Some(Role::Customer)), 20);
        assert_eq!(count(Some(Role::Partner)), 8);
        assert_eq!(count(None), 4);
        assert!(NotificationKind::ChatMessage.concerns(Role::Admin));
        assert!(!NotificationKind::PayoutSent.concerns(Role::Customer));
    }

    #[test]
    fn what_cannot_be_switched_off_is_on_to_begin_with() {
        for kind in NotificationKind::ALL {
            for channel in Channel::ALL {
                assert!(kind.can_switch_off(channel) || kind.on_by_default(channel), "{kind} {channel}");
            }
        }
    }

    #[test]
    fn icons_are_plain_names() {
        for kind in NotificationKind::ALL {
            let icon = kind.icon();
            assert!(!icon.is_empty() && icon.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{icon}");
        }
    }
}
