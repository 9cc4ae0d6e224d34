//! One notification of each kind, and of each branch of its text, for tests.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::content::{
    AccountChange, CancelledBy, FailureCause, NotificationContent, RefusedPayment, WithdrawalCause,
};
use super::kind::NotificationKind;
use crate::domain::ids::OrderId;
use crate::domain::money::{Currency, Money};
use crate::domain::time::Timestamp;

/// An amount that is as long as amounts get.
pub(super) fn money() -> Money {
    Money { amount: i64::MIN, currency: "KWD".parse().unwrap_or(Currency::DEFAULT) }
}

/// All of them, every text typed by a user being `typed`.
pub(super) fn with_text(typed: &str) -> Vec<NotificationContent> {
    NotificationKind::ALL.into_iter().flat_map(|kind| of_kind(kind, typed)).collect()
}

/// All of them.
pub(crate) fn all() -> Vec<NotificationContent> {
    with_text("Zoë Müller")
}

fn of_kind(kind: NotificationKind, typed: &str) -> Vec<NotificationContent> {
    use NotificationContent as Content;
    use NotificationKind as Kind;

    let order_id = OrderId::new();
    let amount = money();
    let at = Timestamp::from_millis(1_767_323_045_678);
    match kind {
        Kind::OrderPlaced => vec![Content::OrderPlaced { order_id, price: amount }],
        Kind::OrderConfirmed => vec![Content::OrderConfirmed { order_id }],
        Kind::OrderAssigned => vec![Content::OrderAssigned { order_id, partner_name: typed.into() }],
        Kind::PartnerEnRoute => vec![Content::PartnerEnRoute { order_id, partner_name: typed.into() }],
        Kind::PartnerArrived => vec![Content::PartnerArrived { order_id, partner_name: typed.into() }],
        Kind::OrderPickedUp => vec![Content::OrderPickedUp { order_id, partner_name: typed.into() }],
        Kind::OrderInTransit => vec![Content::OrderInTransit { order_id, partner_name: typed.into() }],
        Kind::OrderArriving => vec![Content::OrderArriving { order_id, partner_name: typed.into() }],
        Kind::OrderDelivered => vec![Content::OrderDelivered { order_id }],
        Kind::OrderCompleted => vec![Content::OrderCompleted { order_id, price: amount }],
        Kind::OrderCancelled => [CancelledBy::Customer, CancelledBy::Admin]
            .into_iter()
            .flat_map(|by| [(by, None, None), (by, Some(typed.into()), Some(amount))])
            .map(|(by, reason, fee)| Content::OrderCancelled { order_id, by, reason, fee })
            .collect(),
        Kind::OrderFailed => [FailureCause::NoPartner, FailureCause::Admin]
            .into_iter()
            .flat_map(|cause| [(cause, None), (cause, Some(typed.into()))])
            .map(|(cause, reason)| Content::OrderFailed { order_id, cause, reason })
            .collect(),
        Kind::OrderReassigned => [None, Some(typed.into())]
            .map(|partner_name| Content::OrderReassigned { order_id, partner_name })
            .to_vec(),
        Kind::EtaChanged => [0, 60, 301, u64::MAX]
            .map(|secs| Content::EtaChanged { order_id, arrives_at: at, delay: Duration::from_secs(secs) })
            .to_vec(),
        Kind::PaymentAuthorised => vec![Content::PaymentAuthorised { order_id, amount }],
        Kind::PaymentCaptured => vec![Content::PaymentCaptured { order_id, amount }],
        Kind::PaymentFailed => {
            [RefusedPayment::Order { order_id }, RefusedPayment::NewOrder, RefusedPayment::TopUp]
                .map(|payment| Content::PaymentFailed { payment, amount })
                .to_vec()
        }
        Kind::RefundIssued => vec![Content::RefundIssued { order_id, amount }],
        Kind::WalletCredited => vec![Content::WalletCredited { amount, balance: amount }],
        Kind::WalletDebited => vec![Content::WalletDebited { amount, balance: amount }],
        Kind::AssignmentOffered => [0, 999, 1_250, u32::MAX]
            .map(|pickup_distance| Content::AssignmentOffered {
                order_id,
                earnings: amount,
                pickup_distance,
                expires_at: at,
            })
            .to_vec(),
        Kind::AssignmentExpired => vec![Content::AssignmentExpired { order_id }],
        Kind::AssignmentGiven => vec![Content::AssignmentGiven { order_id, earnings: amount }],
        Kind::AssignmentWithdrawn => {
            [WithdrawalCause::Cancelled, WithdrawalCause::Failed, WithdrawalCause::Reassigned]
                .map(|cause| Content::AssignmentWithdrawn { order_id, cause })
                .to_vec()
        }
        Kind::EarningsCredited => vec![Content::EarningsCredited { order_id, amount }],
        Kind::PayoutSent => vec![Content::PayoutSent { amount }],
        Kind::PayoutFailed => vec![Content::PayoutFailed { amount }],
        Kind::RatingReceived => [(1, None), (5, Some(typed.into())), (u8::MAX, None)]
            .map(|(stars, comment)| Content::RatingReceived { order_id, stars, comment })
            .to_vec(),
        Kind::ChatMessage => {
            vec![Content::ChatMessage { order_id, sender_name: typed.into(), excerpt: typed.into() }]
        }
        Kind::Announcement => vec![Content::Announcement { title: typed.into(), text: typed.into() }],
        Kind::SecurityNewLogin => {
            let ip = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x1234, 0x5678, 0x9abc, 0xdef0, 0x1234, 0x5678));
            [(None, None), (None, Some(ip)), (Some(typed.into()), None), (Some(typed.into()), Some(ip))]
                .map(|(device, ip)| Content::SecurityNewLogin { device, ip, at })
                .to_vec()
        }
        Kind::AccountUpdated => {
            [AccountChange::Profile, AccountChange::Email, AccountChange::Password, AccountChange::Role]
                .map(|change| Content::AccountUpdated { change })
                .to_vec()
        }
    }
}
