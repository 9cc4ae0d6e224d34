//! English.

use std::net::IpAddr;

use super::{Rendered, distance, minutes};
use crate::domain::money::Money;
use crate::domain::notification::content::{
    AccountChange, CancelledBy, FailureCause, NotificationContent as Content, RefusedPayment, WithdrawalCause,
};
use crate::domain::notification::text::{Excerpt, Line};

/// What stands for the name of a partner who has none that can be shown.
const PARTNER: &str = "Your partner";

pub(super) fn render(content: &Content) -> Rendered {
    match content {
        Content::OrderPlaced { price, .. } => Rendered::new(
            "Order placed",
            format!("Thank you! We have received your order for {price} and will confirm it shortly."),
        ),
        Content::OrderConfirmed { .. } => Rendered::new(
            "Order confirmed",
            "Your order is confirmed. We are now looking for a partner to bring it to you.",
        ),
        Content::OrderAssigned { partner_name, .. } => Rendered::new(
            "We have found a partner for you",
            format!(
                "{} is taking care of your order. We will tell you when the trip begins.",
                partner_name.or(PARTNER)
            ),
        ),
        Content::PartnerEnRoute { partner_name, .. } => Rendered::new(
            "On the way to the pick-up",
            format!("{} has set off to pick up your order.", partner_name.or(PARTNER)),
        ),
        Content::PartnerArrived { partner_name, .. } => Rendered::new(
            "Arrived at the pick-up",
            format!("{} has arrived to pick up your order.", partner_name.or(PARTNER)),
        ),
        Content::OrderPickedUp { partner_name, .. } => Rendered::new(
            "Order picked up",
            format!("{} has picked up your order.", partner_name.or(PARTNER)),
        ),
        Content::OrderInTransit { partner_name, .. } => Rendered::new(
            "Your order is on its way",
            format!("{} is bringing you your order. You can follow the trip live.", partner_name.or(PARTNER)),
        ),
        Content::OrderArriving { partner_name, .. } => Rendered::new(
            "Almost there",
            format!(
                "{} will be with you in a moment. Please have your hand-over code ready.",
                partner_name.or(PARTNER)
            ),
        ),
        Content::OrderDelivered { .. } => Rendered::new(
            "Order delivered",
            "Your order has been delivered. We hope you are happy with it! You can now rate the delivery.",
        ),
        Content::OrderCompleted { price, .. } => Rendered::new(
            "Order completed",
            format!("Your order for {price} is complete. Thank you for ordering with us!"),
        ),
        Content::OrderCancelled { by, reason, fee, .. } => {
            Rendered::new("Order cancelled", cancelled(*by, reason.as_ref(), *fee))
        }
        Content::OrderFailed { cause, reason, .. } => {
            Rendered::new("We could not fulfil your order", failed(*cause, reason.as_ref()))
        }
        Content::OrderReassigned { partner_name: Some(name), .. } => Rendered::new(
            "Your order has a new partner",
            format!("{} is now taking care of your order.", name.or(PARTNER)),
        ),
        Content::OrderReassigned { partner_name: None, .. } => Rendered::new(
            "Looking for a new partner",
            "Your partner had to hand your order back. We are already looking for somebody else.",
        ),
        Content::EtaChanged { delay, .. } => Rendered::new(
            "Your order is running late",
            match minutes(*delay) {
                1 => "Sorry! Your order will arrive about a minute later than expected.".to_owned(),
                minutes => {
                    format!("Sorry! Your order will arrive about {minutes} minutes later than expected.")
                }
            },
        ),
        Content::PaymentAuthorised { amount, .. } => Rendered::new(
            "Payment authorised",
            format!("We have set aside {amount} for your order. You are charged only once it is complete."),
        ),
        Content::PaymentCaptured { amount, .. } => {
            Rendered::new("Payment received", format!("We have received {amount} for your order. Thank you!"))
        }
        Content::PaymentFailed { payment, amount } => payment_failed(*payment, *amount),
        Content::RefundIssued { amount, .. } => {
            Rendered::new("Refund issued", format!("We have refunded {amount} to your wallet."))
        }
        Content::WalletCredited { amount, balance } => {
            Rendered::new(format!("{amount} added to your wallet"), format!("Your balance is now {balance}."))
        }
        Content::WalletDebited { amount, balance } => Rendered::new(
            format!("{amount} taken from your wallet"),
            format!("Your balance is now {balance}."),
        ),
        Content::AssignmentOffered { earnings, pickup_distance, .. } => Rendered::new(
            format!("New order on offer: {earnings}"),
            format!(
                "The pick-up is {} away. Accept it before the offer expires.",
                distance(*pickup_distance)
            ),
        ),
        Content::AssignmentExpired { .. } => Rendered::new(
            "Offer expired",
            "You did not answer an offer in time. The next one is sure to come.",
        ),
        Content::AssignmentGiven { earnings, .. } => Rendered::new(
            "You have a new order",
            format!("We have given you an order. You earn {earnings} with it."),
        ),
        Content::AssignmentWithdrawn { cause, .. } => Rendered::new("Order withdrawn", withdrawn(*cause)),
        Content::EarningsCredited { amount, .. } => Rendered::new(
            format!("You earned {amount}"),
            format!("We have credited you with {amount} for a completed order. Well done!"),
        ),
        Content::PayoutSent { amount } => {
            Rendered::new("Pay-out sent", format!("Your pay-out of {amount} is on its way to you."))
        }
        Content::PayoutFailed { amount } => Rendered::new(
            "Pay-out failed",
            format!("Your pay-out of {amount} could not be sent. The money is among your earnings again."),
        ),
        Content::RatingReceived { stars, comment, .. } => rating(*stars, comment.as_ref()),
        Content::ChatMessage { sender_name, excerpt, .. } => Rendered::new(
            format!("Message from {}", sender_name.or("your contact")),
            excerpt.or("Open the chat to read it."),
        ),
        Content::Announcement { title, text } => {
            Rendered::new(title.or("Announcement"), text.or("There is news for you."))
        }
        Content::SecurityNewLogin { device, ip, .. } => Rendered::new(
            "New sign-in to your account",
            format!(
                "Somebody has just signed in to your account{}. \
                 If that was not you, please secure your account at once.",
                origin(device.as_ref(), *ip)
            ),
        ),
        Content::AccountUpdated { change } => Rendered::new(
            "Your account has changed",
            format!("{} If you did not expect this, please contact us at once.", changed(*change)),
        ),
    }
}

fn cancelled(by: CancelledBy, reason: Option<&Line>, fee: Option<Money>) -> String {
    let what = match by {
        CancelledBy::Customer => "Your order has been cancelled, as you asked.",
        CancelledBy::Admin => "We are sorry that we had to cancel your order.",
    };
    let cost = match fee {
        Some(fee) => format!("A cancellation fee of {fee} applies."),
        None => "You will not be charged.".to_owned(),
    };
    with_reason(format!("{what} {cost}"), reason)
}

fn failed(cause: FailureCause, reason: Option<&Line>) -> String {
    let what = match cause {
        FailureCause::NoPartner => "We are sorry: nobody was free to take your order in time.",
        FailureCause::Admin => "We are sorry: your order could not be carried out.",
    };
    with_reason(format!("{what} You will not be charged."), reason)
}

/// The reason stands last, because whoever typed it may have ended it with a full stop or not.
fn with_reason(text: String, reason: Option<&Line>) -> String {
    match reason {
        Some(reason) if !reason.as_str().is_empty() => format!("{text} Reason: {reason}"),
        Some(_) | None => text,
    }
}

fn payment_failed(payment: RefusedPayment, amount: Money) -> Rendered {
    match payment {
        RefusedPayment::Order { .. } | RefusedPayment::NewOrder => Rendered::new(
            "Payment failed",
            format!("Your payment of {amount} for your order did not go through. Please check your wallet."),
        ),
        RefusedPayment::TopUp => Rendered::new(
            "Top-up failed",
            format!("Your top-up of {amount} did not go through. Please try again."),
        ),
    }
}

fn withdrawn(cause: WithdrawalCause) -> &'static str {
    match cause {
        WithdrawalCause::Cancelled => "The order was cancelled. There is nothing more for you to do.",
        WithdrawalCause::Failed => "The order cannot be carried out. There is nothing more for you to do.",
        WithdrawalCause::Reassigned => {
            "The order goes to somebody else. There is nothing more for you to do."
        }
    }
}

fn rating(stars: u8, comment: Option<&Excerpt>) -> Rendered {
    let title = match stars {
        1 => "You received 1 star".to_owned(),
        stars => format!("You received {stars} stars"),
    };
    match comment {
        Some(comment) if !comment.as_str().is_empty() => {
            Rendered::new(title, format!("Your customer wrote: “{comment}”"))
        }
        Some(_) | None => Rendered::new(title, "A customer has rated your work. Thank you for your effort!"),
    }
}

fn origin(device: Option<&Line>, ip: Option<IpAddr>) -> String {
    match (device.filter(|device| !device.as_str().is_empty()), ip) {
        (Some(device), Some(ip)) => format!(" with {device} (IP address {ip})"),
        (Some(device), None) => format!(" with {device}"),
        (None, Some(ip)) => format!(" from the IP address {ip}"),
        (None, None) => String::new(),
    }
}

fn changed(change: AccountChange) -> &'static str {
    match change {
        AccountChange::Profile => "Your profile was changed.",
        AccountChange::Email => "The e-mail address of your account was changed.",
        AccountChange::Password => "Your password was changed.",
        AccountChange::Role => "The rights of your account were changed.",
    }
}
