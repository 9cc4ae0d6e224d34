//! What became of the price of an order, for its customer and for admins.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::{OrderId, TransactionId, UserId};
use crate::domain::ledger::{AccountKind, MovementKind};
use crate::domain::money::Money;
use crate::domain::order::{Order, Party, PaymentMethod};
use crate::domain::payment::PaymentStatus;
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::orders::visible;
use crate::store::ledger::{self, Made};
use crate::store::payments::Payment;

/// What became of the price of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderPaymentView {
    /// Which order.
    pub order_id: OrderId,
    /// How it is paid.
    pub method: PaymentMethod,
    /// How that stands; `null` as long as nothing was set aside or taken.
    pub status: Option<PaymentStatus>,
    /// The order's price.
    pub price: Money,
    /// What was set aside when the order was placed: the price, where it is paid from the wallet.
    pub authorised: Money,
    /// What was taken: the price, or the fee for cancelling.
    pub captured: Money,
    /// How much of that is the fee for cancelling.
    pub cancellation_fee: Money,
    /// What was set aside and has gone back without being taken.
    pub released: Money,
    /// What was taken and has been given back.
    pub refunded: Money,
    /// When something was set aside or taken for the first time.
    pub created_at: Option<Timestamp>,
    /// When that last changed.
    pub updated_at: Option<Timestamp>,
    /// For admins: all that was entered about the order, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub movements: Option<Vec<MovementView>>,
}

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MovementView {
    /// Its id, which the entries of wallets and earnings have, too.
    pub id: TransactionId,
    /// Why money moved.
    pub kind: MovementKind,
    /// What each account has gained or lost; they sum to zero.
    pub entries: Vec<MovementEntryView>,
    /// Who has decided it, where somebody has: a refund.
    pub user_id: Option<UserId>,
    /// Why that one has.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What a movement has made of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MovementEntryView {
    /// What kind of account it is.
    pub account: AccountKind,
    /// Whose it is, a user's (`wallet`, `held`) or a partner profile's (`earnings`, `cash`); `null` for the house's own.
    pub owner: Option<String>,
    /// Minor units of the price's currency, below zero where money left.
    pub amount: i64,
}

impl From<Made> for MovementView {
    fn from(made: Made) -> Self {
        let entries = made.entries.into_iter().map(|entry| MovementEntryView {
            account: entry.account,
            owner: Some(entry.owner).filter(|owner| !owner.is_empty()),
            amount: entry.amount,
        });
        Self {
            id: made.id,
            kind: made.kind,
            entries: entries.collect(),
            user_id: made.by,
            note: made.note,
            at: made.at,
        }
    }
}

/// What became of the price of an order. That partners may not ask is the caller's to check.
///
/// # Errors
/// `NotFound`, also for an order that the caller may not know of; the database's.
pub async fn payment(app: &App, who: Principal, order_id: OrderId) -> Result<OrderPaymentView, ServiceError> {
    app.read(move |conn| {
        let (order, party) = visible(conn, &who, order_id)?;
        let (payment, made) = ledger::of_order(conn, order_id)?;
        Ok(view(&order, party, payment.as_ref(), made))
    })
    .await
}

fn view(order: &Order, viewer: Party, payment: Option<&Payment>, made: Vec<Made>) -> OrderPaymentView {
    let money = |amount| Money { amount, currency: order.price.currency };
    let captured = payment.map_or(0, |payment| payment.captured);
    let authorised = payment.map_or(0, |payment| match payment.method {
        PaymentMethod::Wallet => payment.amount.amount,
        PaymentMethod::Cash => 0,
    });
    let released = payment.map_or(0, |payment| match (payment.method, payment.status) {
        (PaymentMethod::Cash, _) | (PaymentMethod::Wallet, PaymentStatus::Authorised) => 0,
        (
            PaymentMethod::Wallet,
            PaymentStatus::Captured | PaymentStatus::Released | PaymentStatus::Refunded,
        ) => authorised - captured,
    });
    let is_fee = made.iter().any(|made| made.kind == MovementKind::CancellationFee);
    let movements = match viewer {
        Party::Admin => Some(made.into_iter().map(MovementView::from).collect()),
        Party::Customer | Party::Partner | Party::System => None,
    };
    OrderPaymentView {
        order_id: order.id,
        method: order.payment_method,
        status: payment.map(|payment| payment.status),
        price: order.price,
        authorised: money(authorised),
        captured: money(captured),
        cancellation_fee: money(if is_fee { captured } else { 0 }),
        released: money(released),
        refunded: money(payment.map_or(0, |payment| payment.refunded)),
        created_at: payment.map(|payment| payment.created_at),
        updated_at: payment.map(|payment| payment.updated_at),
        movements,
    }
}
