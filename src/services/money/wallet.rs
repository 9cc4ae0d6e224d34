//! Wallets: what a customer can spend, and how money gets there.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::TransferId;
use crate::domain::ledger::Account;
use crate::domain::money::{Currency, Money};
use crate::domain::payment::TransferKind;
use crate::domain::principal::Principal;
use crate::protocol::money::EntryView;
use crate::services::app::{App, Reply};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::store::transfers::Transfer;
use crate::store::{Conn, at_one_moment, ledger};

use super::payments::tariff;
use super::transfers::{self, TransferView, carry_out, record};

/// The most of one top-up, minor units.
const MAX_TOP_UP: i64 = 100_000_000;

/// A customer's wallet.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct WalletView {
    /// What can be spent, minor units.
    pub balance: i64,
    /// What is set aside for orders under way, minor units.
    pub held: i64,
    /// ISO 4217.
    pub currency: Currency,
}

/// Money for the wallet.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTopUp {
    /// Minor units, 1 to 100,000,000.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub amount: i64,
    /// ISO 4217: one that the server takes.
    pub currency: Currency,
}

/// The caller's wallet in a currency; empty where nothing was ever in it.
///
/// # Errors
/// The database's.
pub async fn wallet(app: &App, who: Principal, currency: Currency) -> Result<WalletView, ServiceError> {
    let (wallet, held) = (Account::Wallet(who.user_id), Account::Held(who.user_id));
    // What is set aside between the two looks would be in neither, or in both.
    let read = move |conn: &mut Conn| {
        Ok(WalletView {
            balance: ledger::balance(conn, currency, wallet)?,
            held: ledger::balance(conn, currency, held)?,
            currency,
        })
    };
    app.read(move |conn| at_one_moment(conn, read)).await
}

/// What went in and out of the caller's wallet, newest first, at most `limit`, each with its number; only those before the
/// one with the number `before`.
///
/// # Errors
/// The database's.
pub async fn entries(
    app: &App,
    who: Principal,
    currency: Currency,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<(i64, EntryView)>, ServiceError> {
    super::entries_of(app, Account::Wallet(who.user_id), currency, before, limit).await
}

/// Puts money into the caller's wallet.
///
/// # Errors
/// `Invalid`; `Limited`; `Conflict` with `no_payment_provider`, or when the key was used for another request; the database's.
pub async fn top_up(
    app: &App,
    who: Principal,
    new: NewTopUp,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let mut checks = Checks::default();
    checks.number("amount", new.amount, 1..=MAX_TOP_UP);
    checks.done()?;
    let amount = Money { amount: new.amount, currency: new.currency };
    carry_out(app, who.user_id, key, move |tx| {
        // Here, where no answer is kept for the key: what was begun is told of, whatever is taken by now.
        tariff(tx.settings(), amount.currency)?;
        record(tx, TransferKind::TopUp, who.user_id, None, amount)
    })
    .await
}

/// One of the caller's own top-ups.
///
/// # Errors
/// `NotFound`; the database's.
pub async fn get_top_up(app: &App, who: Principal, id: TransferId) -> Result<TransferView, ServiceError> {
    let is_own = |top_up: &Transfer| top_up.kind == TransferKind::TopUp && top_up.user_id == who.user_id;
    transfers::get(app, id, "top-up", is_own).await
}
