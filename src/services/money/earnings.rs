//! What partners have earned, and how they get it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::{PartnerId, TransferId};
use crate::domain::ledger::{self as rules, Account};
use crate::domain::money::{Currency, Money};
use crate::domain::payment::TransferKind;
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::money::{EarningsBalance, EntryView};
use crate::services::app::{App, Reply, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::store::transfers::Transfer;
use crate::store::{Conn, StoreError, at_one_moment, ledger};

use super::transfers::{self, TransferView, carry_out, record};
use super::{insufficient, post};

/// The most entries in one answer.
const MAX_RECENT: i64 = 50;

/// What a partner has earned.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EarningsView {
    /// Since midnight UTC, minor units.
    pub today: i64,
    /// Since Monday's midnight UTC, minor units.
    pub week: i64,
    /// What can be paid out, minor units.
    pub balance: i64,
    /// What the partner owes of the cash that was taken in, minor units. What is earned next pays it first.
    pub owed: i64,
    /// ISO 4217.
    pub currency: Currency,
    /// What went in and out, newest first, at most 50; `GET /partner/earnings/entries` has those before, too.
    pub entries: Vec<EntryView>,
}

/// Earnings to be sent.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPayout {
    /// Minor units; everything that is there when left out.
    #[schema(minimum = 1)]
    pub amount: Option<i64>,
    /// ISO 4217; the server's default (`WAYBILL_CURRENCY`) when left out.
    pub currency: Option<Currency>,
}

fn earned(
    conn: &mut Conn,
    currency: Currency,
    partner_id: PartnerId,
    balance: i64,
    now: Timestamp,
) -> Result<EarningsBalance, StoreError> {
    let mut since = |begin| ledger::earned_since(conn, currency, partner_id, begin);
    Ok(EarningsBalance {
        today: since(now.start_of_day())?,
        week: since(now.start_of_week())?,
        balance,
        currency,
    })
}

/// What a partner has earned, where the balance is known.
pub(super) fn balance_of(
    tx: &mut Tx<'_>,
    currency: Currency,
    partner_id: PartnerId,
    balance: i64,
) -> Result<EarningsBalance, ServiceError> {
    let now = tx.now();
    Ok(earned(tx.conn(), currency, partner_id, balance, now)?)
}

fn partner_of(who: &Principal) -> Result<PartnerId, ServiceError> {
    who.partner_id.ok_or(ServiceError::NotFound { what: "partner" })
}

/// What the caller has earned in a currency.
///
/// # Errors
/// `NotFound` for a user without a partner profile; the database's.
pub async fn earnings(app: &App, who: Principal, currency: Currency) -> Result<EarningsView, ServiceError> {
    let partner_id = partner_of(&who)?;
    let (account, cash) = (Account::Earnings(partner_id), Account::Cash(partner_id));
    let read = move |conn: &mut Conn| {
        let balance = ledger::balance(conn, currency, account)?;
        let owed = ledger::balance(conn, currency, cash)?.saturating_neg();
        let EarningsBalance { today, week, .. } =
            earned(conn, currency, partner_id, balance, Timestamp::now())?;
        let entries = ledger::entries(conn, currency, account, None, MAX_RECENT)?;
        let entries = entries.into_iter().map(super::view).collect();
        Ok(EarningsView { today, week, balance, owed, currency, entries })
    };
    app.read(move |conn| at_one_moment(conn, read)).await
}

/// What went in and out of the caller's earnings, newest first, at most `limit`, each with its number; only those before the
/// one with the number `before`.
///
/// # Errors
/// `NotFound` for a user without a partner profile; the database's.
pub async fn earnings_entries(
    app: &App,
    who: Principal,
    currency: Currency,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<(i64, EntryView)>, ServiceError> {
    let partner_id = partner_of(&who)?;
    super::entries_of(app, Account::Earnings(partner_id), currency, before, limit).await
}

/// Sends the caller's earnings, also those in a currency that is not taken any more. They leave the ledger's account before
/// the provider is asked, so that they cannot be sent twice, and come back when the provider cannot send them.
///
/// # Errors
/// `NotFound` for a user without a partner profile; `Invalid`; `Limited`; `Conflict` with `insufficient_funds`,
/// `no_payment_provider`, or when the key was used for another request; the database's.
pub async fn pay_out(
    app: &App,
    who: Principal,
    new: NewPayout,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let partner_id = partner_of(&who)?;
    let currency = new.currency.unwrap_or(app.settings().tariffs.default_currency());
    if let Some(amount) = new.amount {
        let mut checks = Checks::default();
        checks.number("amount", amount, 1..=i64::MAX);
        checks.done()?;
    }
    carry_out(app, who.user_id, key, move |tx| {
        let balances = ledger::lock(tx.conn(), currency, &[Account::Earnings(partner_id)])?;
        let balance = balances.first().copied().unwrap_or_default();
        let amount = Money { amount: new.amount.unwrap_or(balance), currency };
        if balance == 0 || amount.amount > balance {
            return Err(insufficient(Money { amount: balance, currency }));
        }
        let transfer = record(tx, TransferKind::PayOut, who.user_id, Some(partner_id), amount)?;
        post(tx, &rules::pay_out(transfer.id, partner_id, amount)?, None)?;
        Ok(transfer)
    })
    .await
}

/// One of the caller's own pay-outs.
///
/// # Errors
/// `NotFound`, also for a user without a partner profile; the database's.
pub async fn get_pay_out(app: &App, who: Principal, id: TransferId) -> Result<TransferView, ServiceError> {
    let partner_id = partner_of(&who)?;
    let is_own =
        |pay_out: &Transfer| pay_out.kind == TransferKind::PayOut && pay_out.partner_id == Some(partner_id);
    transfers::get(app, id, "pay-out", is_own).await
}
