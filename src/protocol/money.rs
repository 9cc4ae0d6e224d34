//! How money looks on the wire. Amounts are minor units of the currency beside them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::{OrderId, TransactionId, TransferId, UserId};
use crate::domain::ledger::MovementKind;
use crate::domain::money::{Currency, Money};
use crate::domain::order::PaymentMethod;
use crate::domain::payment::PaymentStatus;
use crate::domain::time::Timestamp;

/// What a wallet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct WalletBalance {
    /// What can be spent, minor units.
    pub balance: i64,
    /// ISO 4217.
    pub currency: Currency,
}

/// What a partner has earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct EarningsBalance {
    /// Since midnight UTC, minor units.
    pub today: i64,
    /// Since Monday's midnight UTC, minor units.
    pub week: i64,
    /// What can be paid out, minor units.
    pub balance: i64,
    /// ISO 4217.
    pub currency: Currency,
}

/// A movement of money, as one account saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct EntryView {
    /// The movement's id.
    pub id: TransactionId,
    /// Why money moved.
    pub kind: MovementKind,
    /// Minor units, below zero where money left.
    pub amount: i64,
    /// What the account held after it, minor units.
    pub balance_after: i64,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// The top-up or pay-out that it is about.
    pub transfer_id: Option<TransferId>,
    /// When.
    pub created_at: Timestamp,
}

/// What became of the price of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct PaymentView {
    /// Which order.
    pub order_id: OrderId,
    /// Who pays.
    pub customer_id: UserId,
    /// How.
    pub method: PaymentMethod,
    /// How it stands.
    pub status: PaymentStatus,
    /// What was to be paid.
    pub amount: Money,
    /// What was paid: less when a fee was all that was taken.
    pub captured: Money,
    /// What was given back of that.
    pub refunded: Money,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
