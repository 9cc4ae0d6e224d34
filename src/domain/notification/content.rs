//! What each kind of notification holds: exactly what its text and its deep link need.
//!
//! Never an address, a telephone number, an e-mail address or a hand-over code: a notification leaves the
//! house by e-mail and push, and shows on locked screens.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::kind::NotificationKind;
use super::templates::{self, Rendered};
use super::text::{Excerpt, Line, Name, Paragraph};
use crate::domain::ids::OrderId;
use crate::domain::locale::Locale;
use crate::domain::money::Money;
use crate::domain::time::Timestamp;

/// Who called an order off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBy {
    /// The customer.
    Customer,
    /// An admin.
    Admin,
}

/// Why an order failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// Nobody accepted it in time.
    NoPartner,
    /// An admin ended it.
    Admin,
}

/// Why an offer or an order was taken from a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalCause {
    /// The order was called off.
    Cancelled,
    /// The order failed.
    Failed,
    /// An admin gives it to somebody else.
    Reassigned,
}

/// What a payment that did not go through was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "purpose", rename_all = "snake_case")]
pub enum RefusedPayment {
    /// The price of an order.
    Order {
        /// Which.
        order_id: OrderId,
    },
    /// The price of an order that did not come to be for that reason.
    NewOrder,
    /// Money for the wallet.
    TopUp,
}

/// What changed in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountChange {
    /// The name or the language.
    Profile,
    /// The e-mail address.
    Email,
    /// The password.
    Password,
    /// What the user is allowed to do.
    Role,
}

/// A notification before it is put into words. Its fields are `data` on the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the fields say what they are; where one does not, it is documented")]
pub enum NotificationContent {
    /// To the customer.
    OrderPlaced { order_id: OrderId, price: Money },
    /// To the customer.
    OrderConfirmed { order_id: OrderId },
    /// To the customer.
    OrderAssigned { order_id: OrderId, partner_name: Name },
    /// To the customer.
    PartnerEnRoute { order_id: OrderId, partner_name: Name },
    /// To the customer.
    PartnerArrived { order_id: OrderId, partner_name: Name },
    /// To the customer.
    OrderPickedUp { order_id: OrderId, partner_name: Name },
    /// To the customer.
    OrderInTransit { order_id: OrderId, partner_name: Name },
    /// To the customer.
    OrderArriving { order_id: OrderId, partner_name: Name },
    /// To the customer.
    OrderDelivered { order_id: OrderId },
    /// To the customer.
    OrderCompleted { order_id: OrderId, price: Money },
    /// To the customer. `fee` is what the customer still pays, if anything.
    OrderCancelled { order_id: OrderId, by: CancelledBy, reason: Option<Line>, fee: Option<Money> },
    /// To the customer.
    OrderFailed { order_id: OrderId, cause: FailureCause, reason: Option<Line> },
    /// To the customer. `partner_name` is `None` while a new partner is being looked for.
    OrderReassigned { order_id: OrderId, partner_name: Option<Name> },
    /// To the customer. `delay` is how much later than last announced; whole seconds on the wire.
    EtaChanged {
        order_id: OrderId,
        arrives_at: Timestamp,
        #[serde(serialize_with = "whole_seconds")]
        delay: Duration,
    },
    /// To the customer.
    PaymentAuthorised { order_id: OrderId, amount: Money },
    /// To the customer.
    PaymentCaptured { order_id: OrderId, amount: Money },
    /// To the customer.
    PaymentFailed {
        #[serde(flatten)]
        payment: RefusedPayment,
        amount: Money,
    },
    /// To the customer.
    RefundIssued { order_id: OrderId, amount: Money },
    /// To the customer. `balance` is the one after it.
    WalletCredited { amount: Money, balance: Money },
    /// To the customer. `amount` is positive; `balance` is the one after it.
    WalletDebited { amount: Money, balance: Money },
    /// To the partner. `earnings` is the partner's share of the price, `pickup_distance` in metres.
    AssignmentOffered { order_id: OrderId, earnings: Money, pickup_distance: u32, expires_at: Timestamp },
    /// To the partner.
    AssignmentExpired { order_id: OrderId },
    /// To the partner. `earnings` is the partner's share of the price.
    AssignmentGiven { order_id: OrderId, earnings: Money },
    /// To the partner.
    AssignmentWithdrawn { order_id: OrderId, cause: WithdrawalCause },
    /// To the partner.
    EarningsCredited { order_id: OrderId, amount: Money },
    /// To the partner.
    PayoutSent { amount: Money },
    /// To the partner. The money is among the earnings again.
    PayoutFailed { amount: Money },
    /// To the partner. `stars` is 1 to 5.
    RatingReceived { order_id: OrderId, stars: u8, comment: Option<Excerpt> },
    /// To the other side of the order.
    ChatMessage { order_id: OrderId, sender_name: Name, excerpt: Excerpt },
    /// To everybody, in the words of the admin who wrote it.
    Announcement { title: Line, text: Paragraph },
    /// To the owner of the account. `device` is what the client calls itself, as far as that is known.
    SecurityNewLogin { device: Option<Line>, ip: Option<IpAddr>, at: Timestamp },
    /// To the owner of the account.
    AccountUpdated { change: AccountChange },
}

impl NotificationContent {
    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> NotificationKind {
        match self {
            Self::OrderPlaced { .. } => NotificationKind::OrderPlaced,
            Self::OrderConfirmed { .. } => NotificationKind::OrderConfirmed,
            Self::OrderAssigned { .. } => NotificationKind::OrderAssigned,
            Self::PartnerEnRoute { .. } => NotificationKind::PartnerEnRoute,
            Self::PartnerArrived { .. } => NotificationKind::PartnerArrived,
            Self::OrderPickedUp { .. } => NotificationKind::OrderPickedUp,
            Self::OrderInTransit { .. } => NotificationKind::OrderInTransit,
            Self::OrderArriving { .. } => NotificationKind::OrderArriving,
            Self::OrderDelivered { .. } => NotificationKind::OrderDelivered,
            Self::OrderCompleted { .. } => NotificationKind::OrderCompleted,
            Self::OrderCancelled { .. } => NotificationKind::OrderCancelled,
            Self::OrderFailed { .. } => NotificationKind::OrderFailed,
            Self::OrderReassigned { .. } => NotificationKind::OrderReassigned,
            Self::EtaChanged { .. } => NotificationKind::EtaChanged,
            Self::PaymentAuthorised { .. } => NotificationKind::PaymentAuthorised,
            Self::PaymentCaptured { .. } => NotificationKind::PaymentCaptured,
            Self::PaymentFailed { .. } => NotificationKind::PaymentFailed,
            Self::RefundIssued { .. } => NotificationKind::RefundIssued,
            Self::WalletCredited { .. } => NotificationKind::WalletCredited,
            Self::WalletDebited { .. } => NotificationKind::WalletDebited,
            Self::AssignmentOffered { .. } => NotificationKind::AssignmentOffered,
            Self::AssignmentExpired { .. } => NotificationKind::AssignmentExpired,
            Self::AssignmentGiven { .. } => NotificationKind::AssignmentGiven,
            Self::AssignmentWithdrawn { .. } => NotificationKind::AssignmentWithdrawn,
            Self::EarningsCredited { .. } => NotificationKind::EarningsCredited,
            Self::PayoutSent { .. } => NotificationKind::PayoutSent,
            Self::PayoutFailed { .. } => NotificationKind::PayoutFailed,
            Self::RatingReceived { .. } => NotificationKind::RatingReceived,
            Self::ChatMessage { .. } => NotificationKind::ChatMessage,
            Self::Announcement { .. } => NotificationKind::Announcement,
            Self::SecurityNewLogin { .. } => NotificationKind::SecurityNewLogin,
            Self::AccountUpdated { .. } => NotificationKind::AccountUpdated,
        }
    }

    /// The order that it is about, if it is about one.
    #[must_use]
    pub const fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::OrderPlaced { order_id, .. }
            | Self::OrderConfirmed { order_id }
            | Self::OrderAssigned { order_id, .. }
            | Self::PartnerEnRoute { order_id, .. }
            | Self::PartnerArrived { order_id, .. }
            | Self::OrderPickedUp { order_id, .. }
            | Self::OrderInTransit { order_id, .. }
            | Self::OrderArriving { order_id, .. }
            | Self::OrderDelivered { order_id }
            | Self::OrderCompleted { order_id, .. }
            | Self::OrderCancelled { order_id, .. }
            | Self::OrderFailed { order_id, .. }
            | Self::OrderReassigned { order_id, .. }
            | Self::EtaChanged { order_id, .. }
            | Self::PaymentAuthorised { order_id, .. }
            | Self::PaymentCaptured { order_id, .. }
            | Self::PaymentFailed { payment: RefusedPayment::Order { order_id }, .. }
            | Self::RefundIssued { order_id, .. }
            | Self::AssignmentOffered { order_id, .. }
            | Self::AssignmentExpired { order_id }
            | Self::AssignmentGiven { order_id, .. }
            | Self::AssignmentWithdrawn { order_id, .. }
            | Self::EarningsCredited { order_id, .. }
            | Self::RatingReceived { order_id, .. }
            | Self::ChatMessage { order_id, .. } => Some(*order_id),
            Self::PaymentFailed { payment: RefusedPayment::NewOrder | RefusedPayment::TopUp, .. }
            | Self::WalletCredited { .. }
            | Self::WalletDebited { .. }
            | Self::PayoutSent { .. }
            | Self::PayoutFailed { .. }
            | Self::Announcement { .. }
            | Self::SecurityNewLogin { .. }
            | Self::AccountUpdated { .. } => None,
        }
    }

    /// Where a tap on it leads: a path of the web application, such as `/orders/{id}`.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::OrderPlaced { order_id, .. }
            | Self::OrderConfirmed { order_id }
            | Self::OrderAssigned { order_id, .. }
            | Self::PartnerEnRoute { order_id, .. }
            | Self::PartnerArrived { order_id, .. }
            | Self::OrderPickedUp { order_id, .. }
            | Self::OrderInTransit { order_id, .. }
            | Self::OrderArriving { order_id, .. }
            | Self::OrderDelivered { order_id }
            | Self::OrderCompleted { order_id, .. }
            | Self::OrderCancelled { order_id, .. }
            | Self::OrderFailed { order_id, .. }
            | Self::OrderReassigned { order_id, .. }
            | Self::EtaChanged { order_id, .. }
            | Self::PaymentAuthorised { order_id, .. }
            | Self::PaymentCaptured { order_id, .. }
            | Self::PaymentFailed { payment: RefusedPayment::Order { order_id }, .. }
            | Self::RefundIssued { order_id, .. }
            | Self::AssignmentGiven { order_id, .. }
            | Self::RatingReceived { order_id, .. } => format!("/orders/{order_id}"),
            Self::ChatMessage { order_id, .. } => format!("/orders/{order_id}#chat"),
            Self::PaymentFailed { payment: RefusedPayment::NewOrder | RefusedPayment::TopUp, .. }
            | Self::WalletCredited { .. }
            | Self::WalletDebited { .. } => "/wallet".to_owned(),
            // Not the order's own page: the partner may not see that before accepting, or any longer.
            Self::AssignmentOffered { .. }
            | Self::AssignmentExpired { .. }
            | Self::AssignmentWithdrawn { .. } => "/partner/offers".to_owned(),
            Self::EarningsCredited { .. } | Self::PayoutSent { .. } | Self::PayoutFailed { .. } => {
                "/partner/earnings".to_owned()
            }
            Self::Announcement { .. } => "/notifications".to_owned(),
            Self::SecurityNewLogin { .. } | Self::AccountUpdated { .. } => "/account".to_owned(),
        }
    }

    /// What a client gets beside the text: a JSON object of the fields, `url` (the deep link) and `icon`.
    #[must_use]
    pub fn data(&self) -> Value {
        let mut data = match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            // Every variant is a struct of plain values, so neither can be; and if it were, a notification
            // with a link and no extras would be better than none.
            Ok(_) | Err(_) => Map::new(),
        };
        data.insert("url".to_owned(), self.url().into());
        data.insert("icon".to_owned(), self.kind().icon().into());
        Value::Object(data)
    }

    /// Its title and message in `locale`, never empty, within [`super::MAX_TITLE_CHARS`] and
    /// [`super::MAX_MESSAGE_CHARS`]. Plain text: whoever puts it into HTML escapes it.
    #[must_use]
    pub fn render(&self, locale: Locale) -> Rendered {
        templates::render(self, locale)
    }
}

fn whole_seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(span.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples;
    use super::*;

    #[test]
    fn data_holds_the_deep_link_the_icon_and_every_field() {
        for content in samples::all() {
            let data = content.data();
            let url = data["url"].as_str().expect("a deep link");
            assert!(url.starts_with('/'), "{url}");
            assert_eq!(data["icon"], content.kind().icon());
            let fields = serde_json::to_value(&content).expect("serialises");
            for (name, value) in fields.as_object().expect("an object") {
                assert_eq!(&data[name], value, "{:?} {name}", content.kind());
            }
            assert_eq!(data["order_id"].as_str(), content.order_id().map(|id| id.to_string()).as_deref());
        }
    }

    #[test]
    fn fields_have_the_units_of_the_wire() {
        let order_id = OrderId::new();
        let content = NotificationContent::EtaChanged {
            order_id,
            arrives_at: Timestamp::from_millis(0),
            delay: Duration::from_millis(300_900),
        };
        assert_eq!(
            content.data(),
            json!({
                "order_id": order_id,
                "arrives_at": "1970-01-01T00:00:00.000Z",
                "delay": 300,
                "url": format!("/orders/{order_id}"),
                "icon": "clock",
            })
        );
    }

    #[test]
    fn a_refused_top_up_leads_to_the_wallet_and_a_refused_payment_to_the_order() {
        let amount = samples::money();
        let top_up = NotificationContent::PaymentFailed { payment: RefusedPayment::TopUp, amount };
        assert_eq!(
            top_up.data(),
            json!({"purpose": "top_up", "amount": amount, "url": "/wallet", "icon": "warning"})
        );
        let order_id = OrderId::new();
        let price =
            NotificationContent::PaymentFailed { payment: RefusedPayment::Order { order_id }, amount };
        assert_eq!(price.data()["url"], format!("/orders/{order_id}"));
        assert_eq!(price.data()["purpose"], "order");
    }
}
