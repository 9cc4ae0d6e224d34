//! Transfers: money on its way from the provider or to it.
//!
//! A transfer is put on record first, then the provider is asked, and a second transaction takes in the answer; the provider
//! is never asked inside one. Whatever is lost in between, the row stays `pending`. The provider's event settles it, or a
//! repeated call with the same `Idempotency-Key`, or [`resume`], which asks the provider again under the same id, ever more
//! seldom, until it has said how the transfer ended: what it has taken, too, whose event may be lost.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::{PartnerId, TransferId, UserId};
use crate::domain::ledger::{self as rules, Account};
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{NotificationContent, RefusedPayment};
use crate::domain::payment::{TransferKind, TransferStatus};
use crate::domain::time::Timestamp;
use crate::protocol::server::to_json;
use crate::services::app::{App, Reply, Tx};
use crate::services::error::ServiceError;
use crate::services::idempotency::{self, Idempotency};
use crate::services::limits::Counted;
use crate::services::notifications;
use crate::store::ledger;
use crate::store::transfers::{self as rows, Transfer};

use super::provider::{Answer, Instruction, Provider};
use super::{post, post_earning};

/// How long the provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long after it was asked for a transfer is asked for again that the provider has not answered: longer than any call
/// still waits. Twice as long each time after that.
const UNANSWERED: Duration = Duration::from_secs(60);
/// The same for one that the provider has taken, and should tell of by itself.
const TAKEN: Duration = Duration::from_secs(600);
/// It is not asked for more seldom than this.
const MOST: Duration = Duration::from_secs(24 * 3600);
/// How many transfers are looked up at once.
const DUE: i64 = 100;
/// How many are asked for at the same time.
const AT_ONCE: usize = 8;

/// A top-up or a pay-out.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TransferView {
    /// Its id.
    pub id: TransferId,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: Currency,
    /// How it stands. What is pending is told of once it is settled.
    pub status: TransferStatus,
    /// Why it failed.
    pub failure: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

pub(super) fn view(transfer: &Transfer) -> TransferView {
    TransferView {
        id: transfer.id,
        amount: transfer.amount.amount,
        currency: transfer.amount.currency,
        status: transfer.status,
        failure: transfer.failure.clone(),
        created_at: transfer.created_at,
        updated_at: transfer.updated_at,
    }
}

/// What the provider says of a transfer.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub status: TransferStatus,
    pub reference: Option<String>,
    pub failure: Option<String>,
}

impl From<Answer> for News {
    fn from(answer: Answer) -> Self {
        let (status, reference, failure) = match answer {
            Answer::Succeeded { reference } => (TransferStatus::Succeeded, reference, None),
            Answer::Pending { reference } => (TransferStatus::Pending, reference, None),
            Answer::Failed { reference, reason } => (TransferStatus::Failed, reference, Some(reason)),
        };
        Self { status, reference: Some(reference), failure }
    }
}

pub(super) fn provider(app: &App) -> Result<&dyn Provider, ServiceError> {
    app.settings().money.provider.as_deref().ok_or_else(|| {
        ServiceError::conflict(
            "no_payment_provider",
            "This server has no payment provider: no money comes or goes.",
        )
    })
}

/// Puts a transfer on record.
pub(super) fn record(
    tx: &mut Tx<'_>,
    kind: TransferKind,
    user_id: UserId,
    partner_id: Option<PartnerId>,
    amount: Money,
) -> Result<Transfer, ServiceError> {
    let now = tx.now();
    let transfer = Transfer {
        id: TransferId::new(),
        kind,
        user_id,
        partner_id,
        amount,
        status: TransferStatus::Pending,
        reference: None,
        failure: None,
        asks: 0,
        ask_at: now.after(UNANSWERED),
        created_at: now,
        updated_at: now,
    };
    rows::insert(tx.conn(), &transfer)?;
    Ok(transfer)
}

/// A transfer, where it is the one that is meant.
///
/// # Errors
/// `NotFound`; the database's.
pub(super) async fn get(
    app: &App,
    id: TransferId,
    what: &'static str,
    is_meant: impl Fn(&Transfer) -> bool,
) -> Result<TransferView, ServiceError> {
    let found = app.read(move |conn| Ok(rows::find(conn, id)?)).await?;
    let found = found.filter(is_meant).ok_or(ServiceError::NotFound { what })?;
    Ok(view(&found))
}

/// Carries out the transfer that `begin` puts on record, and answers how it stands. Under a key it is kept which one that
/// was, not how it stood.
///
/// # Errors
/// Those of `begin`; `Conflict` when the key was used for another request; the database's, as long as the provider was not
/// asked.
pub(super) async fn carry_out<F>(
    app: &App,
    user_id: UserId,
    key: Option<Idempotency>,
    begin: F,
) -> Result<Reply, ServiceError>
where
    F: FnOnce(&mut Tx<'_>) -> Result<Transfer, ServiceError> + Send + 'static,
{
    let provider = provider(app)?;
    let (counting, counted) = (app.clone(), Counted::default());
    let counts = counted.clone();
    // What was begun before is answered, and counts no more.
    let begin = move |tx: &mut Tx<'_>| {
        counting.guard().admit_transfer(user_id, Instant::now())?;
        counts.note();
        begin(tx)
    };
    let begun = app.write(move |tx| begin_once(tx, key.as_ref(), begin)).await;
    let (transfer, replayed) = begun.inspect_err(|error| {
        if error.is_passing() && counted.is_so() {
            app.guard().give_back_transfer(user_id);
        }
    })?;
    let (id, news) =
        (transfer.id, if is_answered(&transfer) { None } else { ask(app, provider, &transfer).await });
    let heard = match news {
        Some(news) => app.write(move |tx| apply(tx, id, news)).await,
        None => app.read(move |conn| Ok(rows::find(conn, id)?)).await,
    };
    let transfer = match heard {
        Ok(found) => found.unwrap_or(transfer),
        // The provider may have moved money: that nothing has changed can be said no more.
        Err(error) => {
            log::warn!("{} {id} stays pending: {error}", transfer.kind);
            transfer
        }
    };
    Ok(Reply { status: 201, body: to_json(&view(&transfer)), replayed })
}

/// The transfer, and whether it was begun by an earlier call with the same key.
fn begin_once(
    tx: &mut Tx<'_>,
    key: Option<&Idempotency>,
    begin: impl FnOnce(&mut Tx<'_>) -> Result<Transfer, ServiceError>,
) -> Result<(Transfer, bool), ServiceError> {
    #[derive(Deserialize)]
    struct Started {
        id: TransferId,
    }
    let known = key.map(|key| idempotency::find(tx, key)).transpose()?.flatten();
    if let Some(reply) = known {
        let started: Started = serde_json::from_str(&reply.body)
            .map_err(|error| ServiceError::Internal(format!("a kept answer: {error}")))?;
        let transfer = rows::find(tx.conn(), started.id)?;
        let transfer = transfer.ok_or(ServiceError::NotFound { what: "transfer" })?;
        return Ok((transfer, true));
    }
    let transfer = begin(tx)?;
    if let Some(key) = key {
        let reply = Reply { status: 201, body: to_json(&view(&transfer)), replayed: false };
        idempotency::keep(tx, key, &reply)?;
    }
    Ok((transfer, false))
}

fn is_answered(transfer: &Transfer) -> bool {
    transfer.reference.is_some() || transfer.status != TransferStatus::Pending
}

/// Asks the provider; nothing when it does not answer, and the transfer stays as it is.
async fn ask(app: &App, provider: &dyn Provider, transfer: &Transfer) -> Option<News> {
    let instruction = Instruction { id: transfer.id, kind: transfer.kind, amount: transfer.amount };
    let news = match tokio::time::timeout(PATIENCE, provider.transfer(instruction)).await {
        Ok(Ok(answer)) => Some(answer.into()),
        Ok(Err(error)) => {
            log::warn!("{} {} stays pending: {error}", transfer.kind, transfer.id);
            None
        }
        Err(_) => {
            log::warn!("{} {} stays pending: no answer within {PATIENCE:?}", transfer.kind, transfer.id);
            None
        }
    };
    let answer = news.as_ref().map_or("none", |news: &News| news.status.as_str());
    app.metrics().provider_answers.with_label_values(&[transfer.kind.as_str(), answer]).inc();
    news
}

/// Takes in what the provider says, once: moves the money and tells whose it is. Gives the transfer as it is then; nothing
/// when there is none.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    transfer_id: TransferId,
    news: News,
) -> Result<Option<Transfer>, ServiceError> {
    let Some(mut transfer) = rows::find_locked(tx.conn(), transfer_id)? else { return Ok(None) };
    let moves = transfer.kind.moves(transfer.status, news.status);
    let is_named = transfer.reference.is_none() && news.reference.is_some();
    if !moves && !is_named {
        return Ok(Some(transfer));
    }
    if is_named {
        transfer.reference = news.reference;
        transfer.asks = 0;
    }
    if moves {
        move_money(tx, &transfer, news.status)?;
        let labels = [transfer.kind.as_str(), news.status.as_str()];
        tx.count(|metrics| metrics.transfers.with_label_values(&labels));
        transfer.status = news.status;
        transfer.failure = news.failure;
    }
    transfer.ask_at = tx.now().after(pause(&transfer));
    transfer.updated_at = tx.now();
    rows::update(tx.conn(), &transfer)?;
    Ok(Some(transfer))
}

fn move_money(tx: &mut Tx<'_>, transfer: &Transfer, to: TransferStatus) -> Result<(), ServiceError> {
    let Transfer { id, user_id, amount, .. } = *transfer;
    let content = match (transfer.kind, to) {
        (_, TransferStatus::Pending) => return Ok(()),
        (TransferKind::TopUp, TransferStatus::Succeeded) => {
            post(tx, &rules::top_up(id, user_id, amount)?, None)?;
            let balance = ledger::balance(tx.conn(), amount.currency, Account::Wallet(user_id))?;
            NotificationContent::WalletCredited { amount, balance: Money { amount: balance, ..amount } }
        }
        (TransferKind::TopUp, TransferStatus::Failed) => {
            NotificationContent::PaymentFailed { payment: RefusedPayment::TopUp, amount }
        }
        (TransferKind::PayOut, TransferStatus::Succeeded) => NotificationContent::PayoutSent { amount },
        (TransferKind::PayOut, TransferStatus::Failed) => {
            let partner_id = transfer.partner_id;
            let partner_id =
                partner_id.ok_or_else(|| ServiceError::Internal(format!("whose is pay-out {id}?")))?;
            let accounts = [Account::Earnings(partner_id), Account::Cash(partner_id)];
            ledger::lock(tx.conn(), amount.currency, &accounts)?;
            post_earning(tx, &rules::pay_out_return(id, partner_id, amount)?, partner_id)?;
            NotificationContent::PayoutFailed { amount }
        }
    };
    notifications::add(tx, user_id, &content)
}

/// How long the provider is left alone about a transfer.
fn pause(transfer: &Transfer) -> Duration {
    let first = if transfer.reference.is_some() { TAKEN } else { UNANSWERED };
    // Past the eleventh it is more than a day, whichever of the two it is.
    let doublings = u32::try_from(transfer.asks).unwrap_or(u32::MAX).min(11);
    first.saturating_mul(1 << doublings).min(MOST)
}

/// Tells the operator how many transfers are pending, and how old the oldest is.
///
/// # Errors
/// The database's.
pub async fn look(app: &App, now: Timestamp) -> Result<(), ServiceError> {
    let pending = app.read(|conn| Ok(rows::pending(conn)?)).await?;
    for kind in TransferKind::ALL {
        let found = pending.iter().find(|pending| pending.kind == *kind);
        let (count, age) =
            found.map_or((0, 0), |pending| (pending.count, now.since(pending.oldest).as_secs()));
        let labels = [kind.as_str()];
        app.metrics().transfers_pending.with_label_values(&labels).set(count);
        let age = i64::try_from(age).unwrap_or(i64::MAX);
        app.metrics().transfers_oldest_pending.with_label_values(&labels).set(age);
    }
    Ok(())
}

/// Asks the provider again about transfers that it should be asked about by a time. Answers whether there may be more.
///
/// # Errors
/// The database's, when it cannot be asked which. What fails about one transfer is logged, and comes up again.
pub async fn resume(app: &App, by: Timestamp) -> Result<bool, ServiceError> {
    let Some(provider) = app.settings().money.provider.as_deref() else { return Ok(false) };
    let ids = app.read(move |conn| Ok(rows::due(conn, by, DUE)?)).await?;
    let is_full = i64::try_from(ids.len()).is_ok_and(|count| count >= DUE);
    let asked = stream::iter(ids).map(|id| async move {
        let asked = ask_again(app, provider, id, by).await;
        asked.inspect_err(|error| log::warn!("transfer {id} comes up again: {error}")).is_ok()
    });
    let asked = asked.buffer_unordered(AT_ONCE).filter(|asked| std::future::ready(*asked)).count().await;
    Ok(is_full && asked > 0)
}

async fn ask_again(
    app: &App,
    provider: &dyn Provider,
    id: TransferId,
    by: Timestamp,
) -> Result<(), ServiceError> {
    let due = app.write(move |tx| {
        let found = rows::find_locked(tx.conn(), id)?;
        // Settled meanwhile, by its event say, or in the hands of another instance.
        let due = found.filter(|found| found.status == TransferStatus::Pending && found.ask_at <= by);
        let Some(mut transfer) = due else { return Ok(None) };
        // Put off before it is asked for, so that one that fails each time keeps no other waiting.
        transfer.asks = transfer.asks.saturating_add(1);
        transfer.ask_at = tx.now().after(pause(&transfer));
        rows::update(tx.conn(), &transfer)?;
        Ok(Some(transfer))
    });
    if let Some(transfer) = due.await?
        && let Some(news) = ask(app, provider, &transfer).await
    {
        app.write(move |tx| apply(tx, id, news)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_asked_ever_more_seldom() {
        let mut transfer = Transfer {
            id: TransferId::new(),
            kind: TransferKind::TopUp,
            user_id: UserId::new(),
            partner_id: None,
            amount: Money { amount: 1, currency: Currency::DEFAULT },
            status: TransferStatus::Pending,
            reference: None,
            failure: None,
            asks: 0,
            ask_at: Timestamp::from_millis(0),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        for (reference, expected) in [
            (None, [60, 120, 240, 61_440, 86_400, 86_400]),
            (Some("r"), [600, 1200, 2400, 86_400, 86_400, 86_400]),
        ] {
            transfer.reference = reference.map(str::to_owned);
            let pauses = [0, 1, 2, 10, 11, i64::MAX].map(|asks| {
                transfer.asks = asks;
                pause(&transfer).as_secs()
            });
            assert_eq!(pauses, expected);
        }
    }
}
