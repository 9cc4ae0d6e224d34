//! Payments of orders: set aside when an order is placed, taken or given back when it ends, refunded later.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::domain::ids::{OrderId, PartnerId, UserId};
use crate::domain::ledger::{Account, Deal};
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{NotificationContent, RefusedPayment};
use crate::domain::order::{Order, OrderStatus, Party, PaymentMethod};
use crate::domain::payment::PaymentStatus;
use crate::domain::principal::Principal;
use crate::domain::tariff::Tariff;
use crate::protocol::event::Event;
use crate::protocol::money::PaymentView;
use crate::services::app::{App, Reply, ServiceSettings, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::services::notifications::Letters;
use crate::services::{console, notifications, orders};
use crate::store::ledger::Decision;
use crate::store::payments::{self as rows, Payment};
use crate::store::{StoreError, ledger, orders as order_rows};

use super::{post, post_earning};

/// What the end of an order did to its payment.
#[derive(Debug, Default)]
pub struct Settled {
    /// What the customer pays for cancelling.
    pub fee: Option<Money>,
    /// Who is to be told what.
    pub letters: Letters,
}

/// What somebody gets back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    /// Minor units of the order's currency; all that was paid and is not refunded yet when left out.
    #[schema(minimum = 1)]
    pub amount: Option<i64>,
    /// How much had been refunded when the caller looked, minor units; refused with `refund_conflict` when it is another amount
    /// by now, so that two do not make good for the same.
    #[schema(minimum = 0)]
    pub refunded: Option<i64>,
    /// Why, 1 to 500 characters; it is kept in the ledger, with who has decided it.
    pub reason: String,
}

pub(super) fn view(payment: &Payment) -> PaymentView {
    let money = |amount| Money { amount, currency: payment.amount.currency };
    PaymentView {
        order_id: payment.order_id,
        customer_id: payment.customer_id,
        method: payment.method,
        status: payment.status,
        amount: payment.amount,
        captured: money(payment.captured),
        refunded: money(payment.refunded),
        created_at: payment.created_at,
        updated_at: payment.updated_at,
    }
}

fn deal(order: &Order) -> Deal {
    Deal { order_id: order.id, customer_id: order.customer_id, price: order.price }
}

/// What is charged in a currency that orders and top-ups may be in.
///
/// # Errors
/// `Invalid` with `not_accepted` for another one.
pub fn tariff(settings: &ServiceSettings, currency: Currency) -> Result<&Tariff, ServiceError> {
    settings.tariffs.get(currency).ok_or_else(|| {
        let accepted: Vec<String> = settings.tariffs.currencies().map(|code| code.to_string()).collect();
        let message = format!("{currency} is not accepted here; expected {}", accepted.join(" or "));
        ServiceError::invalid("currency", "not_accepted", message)
    })
}

/// Sets the price of an order aside that was just placed, where it is paid from the wallet.
///
/// # Errors
/// `Conflict` with `insufficient_funds`; the database's.
pub fn authorise(tx: &mut Tx<'_>, order: &Order) -> Result<Settled, ServiceError> {
    match order.payment_method {
        PaymentMethod::Cash => Ok(Settled::default()),
        PaymentMethod::Wallet => {
            post(tx, &deal(order).authorisation()?, None)?;
            open(tx, order, order.price.amount, PaymentStatus::Authorised)?;
            let content = NotificationContent::PaymentAuthorised { order_id: order.id, amount: order.price };
            Ok(Settled { fee: None, letters: vec![(order.customer_id, content)] })
        }
    }
}

/// Lets a customer know, once for each key, that an order did not come to be for want of money. What was refused has left
/// nothing behind, so this is a change of its own; where it fails, the refusal stands all the same.
pub async fn note_refused(app: &App, user_id: UserId, amount: Money, key: Option<&Idempotency>) {
    let content = NotificationContent::PaymentFailed { payment: RefusedPayment::NewOrder, amount };
    let key = key.map(Idempotency::of_refusal);
    let noted = app.write_once(key, 200, move |tx| notifications::add(tx, user_id, &content)).await;
    if let Err(error) = noted {
        log::warn!("user {user_id} is not notified of a payment that was refused: {error}");
    }
}

/// Does what a step of an order means for its payment. To be called in the step's transaction, before anybody is notified.
///
/// # Errors
/// The database's; `Internal` when the ledger and the order do not fit together.
pub fn settle(tx: &mut Tx<'_>, order: &Order, from: OrderStatus, by: Party) -> Result<Settled, ServiceError> {
    match order.status {
        OrderStatus::Completed => complete(tx, order),
        OrderStatus::Cancelled if from == OrderStatus::Arrived && by == Party::Customer => {
            cancel_late(tx, order)
        }
        OrderStatus::Cancelled | OrderStatus::Failed => release(tx, order),
        OrderStatus::Pending
        | OrderStatus::Confirmed
        | OrderStatus::Assigned
        | OrderStatus::EnRoute
        | OrderStatus::Arrived
        | OrderStatus::PickedUp
        | OrderStatus::InTransit
        | OrderStatus::Delivered => Ok(Settled::default()),
    }
}

fn complete(tx: &mut Tx<'_>, order: &Order) -> Result<Settled, ServiceError> {
    let (partner_id, partner_user) = partner_of(order)?;
    let (deal, commission) = (deal(order), tx.settings().money.commission);
    lock(tx, order, partner_id)?;
    let mut letters = Vec::new();
    let movement = match order.payment_method {
        PaymentMethod::Cash => {
            open(tx, order, order.price.amount, PaymentStatus::Captured)?;
            deal.cash_order(partner_id, commission)?
        }
        PaymentMethod::Wallet => {
            close(tx, order, order.price.amount)?;
            let content = NotificationContent::PaymentCaptured { order_id: order.id, amount: order.price };
            letters.push((order.customer_id, content));
            deal.capture(partner_id, commission)?
        }
    };
    post_earning(tx, &movement, partner_id)?;
    letters.extend(earned(order, partner_user, commission.split(order.price.amount).0));
    Ok(Settled { fee: None, letters })
}

/// Takes the fee for cancelling: from what was set aside, or else from the wallet as far as that goes.
fn cancel_late(tx: &mut Tx<'_>, order: &Order) -> Result<Settled, ServiceError> {
    let (partner_id, partner_user) = partner_of(order)?;
    let wallet = lock(tx, order, partner_id)?;
    let (deal, commission) = (deal(order), tx.settings().money.commission);
    let fee = tx.settings().tariffs.cancellation_fee(order.price);
    let fee = match order.payment_method {
        PaymentMethod::Cash => fee.min(wallet),
        PaymentMethod::Wallet => fee,
    };
    if fee == 0 {
        return release(tx, order);
    }
    let amount = Money { amount: fee, currency: order.price.currency };
    let mut letters = Vec::new();
    let movement = match order.payment_method {
        PaymentMethod::Cash => {
            open(tx, order, fee, PaymentStatus::Captured)?;
            let balance = Money { amount: wallet - fee, ..amount };
            letters.push((order.customer_id, NotificationContent::WalletDebited { amount, balance }));
            deal.cancellation_fee(fee, partner_id, commission)?
        }
        // That the fee is taken stands in the notification of the cancelling.
        PaymentMethod::Wallet => {
            close(tx, order, fee)?;
            deal.late_release(fee, partner_id, commission)?
        }
    };
    post_earning(tx, &movement, partner_id)?;
    letters.extend(earned(order, partner_user, commission.split(fee).0));
    Ok(Settled { fee: Some(amount), letters })
}

/// Gives back what was set aside. Nobody was charged, so nobody is told more than that the order has ended.
fn release(tx: &mut Tx<'_>, order: &Order) -> Result<Settled, ServiceError> {
    match order.payment_method {
        PaymentMethod::Cash => {}
        PaymentMethod::Wallet => {
            close(tx, order, 0)?;
            post(tx, &deal(order).release()?, None)?;
        }
    }
    Ok(Settled::default())
}

/// Locks all accounts that the end of an order may touch, and gives what the customer's wallet holds.
fn lock(tx: &mut Tx<'_>, order: &Order, partner_id: PartnerId) -> Result<i64, ServiceError> {
    let accounts = [
        Account::Wallet(order.customer_id),
        Account::Held(order.customer_id),
        Account::Earnings(partner_id),
        Account::Cash(partner_id),
    ];
    let balances = ledger::lock(tx.conn(), order.price.currency, &accounts)?;
    Ok(balances.first().copied().unwrap_or_default())
}

fn partner_of(order: &Order) -> Result<(PartnerId, UserId), ServiceError> {
    let partner = order.partner.as_ref().map(|partner| (partner.partner_id, partner.user_id));
    partner.ok_or_else(|| ServiceError::Internal(format!("order {} has earned nobody anything", order.id)))
}

fn earned(order: &Order, partner: UserId, share: i64) -> Option<(UserId, NotificationContent)> {
    let amount = Money { amount: share, currency: order.price.currency };
    let content = NotificationContent::EarningsCredited { order_id: order.id, amount };
    (share > 0).then_some((partner, content))
}

/// Adds the payment of an order.
fn open(tx: &mut Tx<'_>, order: &Order, amount: i64, status: PaymentStatus) -> Result<(), ServiceError> {
    let payment = Payment {
        order_id: order.id,
        customer_id: order.customer_id,
        method: order.payment_method,
        status,
        amount: Money { amount, currency: order.price.currency },
        captured: if status == PaymentStatus::Captured { amount } else { 0 },
        refunded: 0,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    rows::insert(tx.conn(), &payment)?;
    tx.emit(&Event::PaymentChanged { payment: view(&payment) });
    Ok(())
}

/// Ends the authorisation of an order's price, of which `captured` is taken.
fn close(tx: &mut Tx<'_>, order: &Order, captured: i64) -> Result<(), ServiceError> {
    let found = rows::find(tx.conn(), order.id)?;
    let mut payment =
        found.filter(|payment| payment.status == PaymentStatus::Authorised).ok_or_else(|| {
            StoreError::Corrupt {
                what: "payment",
                value: format!("none is authorised for order {}", order.id),
            }
        })?;
    let is_taken = captured > 0 || order.status == OrderStatus::Completed;
    payment.status = if is_taken { PaymentStatus::Captured } else { PaymentStatus::Released };
    payment.captured = captured;
    save(tx, payment).map(|_| ())
}

fn save(tx: &mut Tx<'_>, payment: Payment) -> Result<PaymentView, ServiceError> {
    let payment = Payment { updated_at: tx.now(), ..payment };
    rows::update(tx.conn(), &payment)?;
    let payment = view(&payment);
    tx.emit(&Event::PaymentChanged { payment });
    Ok(payment)
}

/// Gives a customer money back that was paid for an order, from the house to the wallet.
///
/// # Errors
/// `NotFound`; `Invalid`; `Conflict` with `nothing_to_refund` when nothing was paid that was not given back, with
/// `refund_too_large` (and `refundable`), or with `refund_conflict` (and `refunded`) when more was given back than the caller knew
/// of; the database's.
pub async fn refund(
    app: &App,
    who: Principal,
    order_id: OrderId,
    new: NewRefund,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let mut checks = Checks::default();
    if let Some(amount) = new.amount {
        checks.number("amount", amount, 1..=i64::MAX);
    }
    if let Some(refunded) = new.refunded {
        checks.number("refunded", refunded, 0..=i64::MAX);
    }
    checks.text("reason", &new.reason, 1..=500);
    checks.done()?;
    app.write_once(key, 200, move |tx| {
        let order = order_rows::find_locked(tx.conn(), order_id)?.filter(|order| {
            // Also what the caller may not know of is not there.
            orders::party_of(&who, order).is_some()
        });
        let order = order.ok_or(ServiceError::NotFound { what: "order" })?;
        let payment = rows::find(tx.conn(), order_id)?;
        // Before it is looked whether anything is left: who knew of less is told how much it is.
        if let Some(payment) = &payment
            && new.refunded.is_some_and(|seen| seen != payment.refunded)
        {
            return Err(refunded_meanwhile(Money {
                amount: payment.refunded,
                currency: payment.amount.currency,
            }));
        }
        let payment = payment.filter(|payment| payment.refunded < payment.captured);
        let mut payment = payment.ok_or_else(|| {
            ServiceError::conflict("nothing_to_refund", "Nothing was paid that was not given back.")
        })?;
        let left = payment.captured - payment.refunded;
        let amount = new.amount.unwrap_or(left);
        if amount > left {
            return Err(too_large(Money { amount: left, currency: payment.amount.currency }));
        }
        let decision = Decision { by: who.user_id, note: &new.reason };
        post(tx, &deal(&order).refund(amount, payment.refunded)?, Some(decision))?;
        payment.refunded += amount;
        if payment.refunded == payment.captured {
            payment.status = PaymentStatus::Refunded;
        }
        let amount = Money { amount, currency: payment.amount.currency };
        let payment = save(tx, payment)?;
        let content = NotificationContent::RefundIssued { order_id, amount };
        notifications::add(tx, order.customer_id, &content)?;
        console::note(tx, (who.user_id, who.role), "refunded", Some(order_id))?;
        Ok(payment)
    })
    .await
}

fn refunded_meanwhile(refunded: Money) -> ServiceError {
    let detail = format!("By now {refunded} has been given back.");
    ServiceError::conflict_with("refund_conflict", detail, [("refunded", json!(refunded))])
}

fn too_large(left: Money) -> ServiceError {
    let detail = format!("At most {left} can be given back.");
    ServiceError::conflict_with("refund_too_large", detail, [("refundable", json!(left))])
}
