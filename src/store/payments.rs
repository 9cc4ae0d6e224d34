//! Rows of payments: what became of each order's price. Whoever changes one holds the lock of its order.

use diesel::prelude::*;

use crate::domain::ids::{OrderId, UserId};
use crate::domain::money::Money;
use crate::domain::order::PaymentMethod;
use crate::domain::payment::PaymentStatus;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{id, parsed};
use super::schema::payments;
use super::statement::Statement;

/// What became of the price of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
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
    /// What was paid, minor units: less when a fee was all that was taken.
    pub captured: i64,
    /// What was given back of that, minor units.
    pub refunded: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Customer, method, status, currency; amount, captured, refunded; times.
type Row = ((String, String, String, String), (i64, i64, i64), (i64, i64));

/// Adds an order's payment.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, payment: &Payment) -> Result<(), StoreError> {
    diesel::insert_into(payments::table)
        .values((
            payments::order_id.eq(payment.order_id.to_string()),
            payments::customer_id.eq(payment.customer_id.to_string()),
            payments::method.eq(payment.method.as_str()),
            payments::status.eq(payment.status.as_str()),
            payments::currency.eq(payment.amount.currency.to_string()),
            payments::amount.eq(payment.amount.amount),
            payments::captured.eq(payment.captured),
            payments::refunded.eq(payment.refunded),
            payments::created_at.eq(payment.created_at.as_millis()),
            payments::updated_at.eq(payment.updated_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// An order's payment.
///
/// # Errors
/// When the database fails.
pub fn find(conn: &mut Conn, order_id: OrderId) -> Result<Option<Payment>, StoreError> {
    let row: Option<Row> = payments::table
        .filter(payments::order_id.eq(order_id.to_string()))
        .select((
            (payments::customer_id, payments::method, payments::status, payments::currency),
            (payments::amount, payments::captured, payments::refunded),
            (payments::created_at, payments::updated_at),
        ))
        .first(conn)
        .optional()?;
    let Some(((customer_id, method, status, currency), (amount, captured, refunded), times)) = row else {
        return Ok(None);
    };
    Ok(Some(Payment {
        order_id,
        customer_id: id("payments.customer_id", &customer_id)?,
        method: parsed("payments.method", &method)?,
        status: parsed("payments.status", &status)?,
        amount: Money { amount, currency: parsed("payments.currency", &currency)? },
        captured,
        refunded,
        created_at: Timestamp::from_millis(times.0),
        updated_at: Timestamp::from_millis(times.1),
    }))
}

/// Writes what has changed about a payment.
///
/// # Errors
/// When the database fails.
pub fn update(conn: &mut Conn, payment: &Payment) -> Result<(), StoreError> {
    Statement::new(
        "UPDATE payments SET status = ?, captured = ?, refunded = ?, updated_at = ? WHERE order_id = ?",
    )
    .text(payment.status.as_str())
    .bigint(payment.captured)
    .bigint(payment.refunded)
    .bigint(payment.updated_at.as_millis())
    .text(payment.order_id.to_string())
    .execute(conn)?;
    Ok(())
}
