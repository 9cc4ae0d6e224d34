//! Money: wallets, payments of orders, earnings, and transfers from and to the provider, all of it by the ledger.
//!
//! Whoever moves money is inside a transaction that locks, in this order: the order or the transfer, the accounts that it
//! will touch (by one [`ledger::lock`]), and only then inboxes. So [`settle`] gives its notifications back instead of
//! sending them.

mod earnings;
mod order_payment;
mod payments;
pub mod provider;
#[cfg(test)]
mod tests;
mod transfers;
mod wallet;
mod webhooks;

pub use earnings::{EarningsView, NewPayout, earnings, earnings_entries, get_pay_out, pay_out};
pub use order_payment::{MovementEntryView, MovementView, OrderPaymentView, payment};
pub use payments::{NewRefund, Settled, authorise, note_refused, refund, settle, tariff};
pub use transfers::{TransferView, look, resume};
pub use wallet::{NewTopUp, WalletView, entries, get_top_up, top_up, wallet};
pub use webhooks::{
    EventType, Outcome, ProviderEvent, WebhookSecret, known_provider, purge, take_event, verify_signature,
};

use std::sync::Arc;

use serde_json::json;

use crate::domain::ids::PartnerId;
use crate::domain::ledger::{self as rules, Account, BadMovement, Commission, Movement};
use crate::domain::money::{Currency, Money};
use crate::protocol::event::Event;
use crate::protocol::money::{EntryView, WalletBalance};
use crate::store::ledger::{self, Decision, Entry, Posted, Posting};

use super::app::{App, Tx};
use super::error::ServiceError;

use provider::Provider;

/// What is set about money.
#[derive(Debug, Clone)]
pub struct MoneySettings {
    /// The house's part.
    pub commission: Commission,
    /// Where money comes from and goes to; without one, there are no top-ups and no pay-outs.
    pub provider: Option<Arc<dyn Provider>>,
    /// With what the provider signs its events.
    pub webhook_secrets: Vec<WebhookSecret>,
}

/// Entries that do not sum to zero: a fault in the program.
impl From<BadMovement> for ServiceError {
    fn from(error: BadMovement) -> Self {
        Self::Internal(format!("a movement of money: {error}"))
    }
}

fn view(entry: Entry) -> EntryView {
    EntryView {
        id: entry.id,
        kind: entry.kind,
        amount: entry.amount,
        balance_after: entry.balance_after,
        order_id: entry.order_id,
        transfer_id: entry.transfer_id,
        created_at: entry.created_at,
    }
}

/// Entries of an account, newest first, at most `limit`, each with its number; only those before the one with the number
/// `before`.
async fn entries_of(
    app: &App,
    account: Account,
    currency: Currency,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<(i64, EntryView)>, ServiceError> {
    let found = app.read(move |conn| Ok(ledger::entries(conn, currency, account, before, limit)?)).await?;
    Ok(found.into_iter().map(|entry| (entry.number, view(entry))).collect())
}

/// Makes a movement, once under its key, and lets those hear of it whose money it is.
fn post(tx: &mut Tx<'_>, movement: &Movement, decision: Option<Decision<'_>>) -> Result<(), ServiceError> {
    let now = tx.now();
    match ledger::post(tx.conn(), movement, decision, now)? {
        Posting::Posted(posted) => {
            tx.count(|metrics| metrics.movements.with_label_values(&[movement.kind().as_str()]));
            posted.into_iter().try_for_each(|posted| tell(tx, movement.currency(), posted))
        }
        Posting::AlreadyPosted => Ok(()),
        Posting::KeyReused => {
            Err(ServiceError::Internal(format!("{} stands for another movement", movement.key())))
        }
        Posting::Refused(account @ (Account::Wallet(_) | Account::Earnings(_))) => {
            let balance = ledger::balance(tx.conn(), movement.currency(), account)?;
            Err(insufficient(Money { amount: balance, currency: movement.currency() }))
        }
        Posting::Refused(account) => {
            Err(ServiceError::Internal(format!("{} is not possible for {account:?}", movement.key())))
        }
    }
}

fn insufficient(balance: Money) -> ServiceError {
    let detail = format!("There are only {balance}.");
    ServiceError::conflict_with("insufficient_funds", detail, [("balance", json!(balance))])
}

fn tell(tx: &mut Tx<'_>, currency: Currency, posted: Posted) -> Result<(), ServiceError> {
    let Posted { account, entry } = posted;
    let balance = entry.balance_after;
    match account {
        Account::Wallet(user_id) => {
            let wallet = WalletBalance { balance, currency };
            tx.emit(&Event::WalletChanged { user_id, wallet, entry: view(entry) });
        }
        Account::Earnings(partner_id) => {
            let earnings = earnings::balance_of(tx, currency, partner_id, balance)?;
            tx.emit(&Event::EarningsChanged { partner_id, earnings, entry: view(entry) });
        }
        Account::Held(_)
        | Account::Cash(_)
        | Account::Revenue
        | Account::Provider
        | Account::Payouts
        | Account::Refunds => {}
    }
    Ok(())
}

/// Makes a movement that brings a partner earnings, and pays from them what the partner owes. The accounts of both must
/// be locked.
fn post_earning(tx: &mut Tx<'_>, movement: &Movement, partner_id: PartnerId) -> Result<(), ServiceError> {
    post(tx, movement, None)?;
    let currency = movement.currency();
    let mut balance = |account| ledger::balance(tx.conn(), currency, account);
    let (earnings, cash) = (balance(Account::Earnings(partner_id))?, balance(Account::Cash(partner_id))?);
    match rules::debt(movement, partner_id, earnings, cash)? {
        Some(debt) => post(tx, &debt, None),
        None => Ok(()),
    }
}
