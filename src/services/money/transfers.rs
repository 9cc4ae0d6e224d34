//! Transfers: money on its way from the provider or to it.
//!
//! A transfer is put on record first, then the provider is asked, and a second transaction takes in the answer; the provider
//! is never asked inside one. Whatever is lost in between, the row stays `pending`. The provider's event settles it, or a
//! repeated call with the same `Idempotency-Key`, or [`resume`], which asks the provider again under the same id.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::TransferId;
use crate::domain::ledger::{self as rules, Account};
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{NotificationContent, RefusedPayment};
use crate::domain::payment::{TransferKind, TransferStatus};
use crate::domain::time::Timestamp;
use crate::protocol::server::to_json;
use crate::services::app::{App, Reply, Tx};
use crate::services::error::ServiceError;
use crate::services::idempotency::{self, Idempotency};
use crate::services::notifications;
use crate::store::ledger;
use crate::store::transfers::{self as rows, Transfer};

use super::provider::{Answer, Instruction, Provider};
use super::{post, post_earning};

/// How long the provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many unanswered transfers are looked up at once.
const UNANSWERED: i64 = 100;
/// Kept under the key of a call whose transfer the provider has not answered: no answer yet, but which transfer it is.
const STARTED: u16 = 202;

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

/// What a first transaction left for the rest.
enum Begun {
    Answered(Reply),
    Open { transfer: Transfer, replayed: bool },
}

pub(super) fn provider(app: &App) -> Result<&dyn Provider, ServiceError> {
    app.settings().money.provider.as_deref().ok_or_else(|| {
        ServiceError::conflict(
            "no_payment_provider",
            "This server has no payment provider: no money comes or goes.",
        )
    })
}

/// Carries out the transfer that `begin` puts on record, and answers how it stands.
///
/// # Errors
/// Those of `begin`; `Conflict` when the key was used for another request; the database's.
pub(super) async fn carry_out<F>(app: &App, key: Option<Idempotency>, begin: F) -> Result<Reply, ServiceError>
where
    F: FnOnce(&mut Tx<'_>) -> Result<Transfer, ServiceError> + Send + 'static,
{
    let provider = provider(app)?;
    let key_of_begin = key.clone();
    let begun = app.write(move |tx| begin_once(tx, key_of_begin.as_ref(), begin)).await?;
    let (transfer, replayed) = match begun {
        Begun::Answered(reply) => return Ok(reply),
        Begun::Open { transfer, replayed } => (transfer, replayed),
    };
    let news = if is_answered(&transfer) { None } else { ask(provider, &transfer).await };
    app.write(move |tx| {
        let transfer = match news {
            Some(news) => apply(tx, transfer.id, news)?,
            None => rows::find(tx.conn(), transfer.id)?,
        };
        let transfer = transfer.ok_or(ServiceError::NotFound { what: "transfer" })?;
        let reply = Reply { status: 201, body: to_json(&view(&transfer)), replayed };
        // What the provider has not answered is asked again when the call is.
        if is_answered(&transfer)
            && let Some(key) = &key
        {
            idempotency::keep(tx, key, &reply)?;
        }
        Ok(reply)
    })
    .await
}

fn begin_once(
    tx: &mut Tx<'_>,
    key: Option<&Idempotency>,
    begin: impl FnOnce(&mut Tx<'_>) -> Result<Transfer, ServiceError>,
) -> Result<Begun, ServiceError> {
    #[derive(Deserialize)]
    struct Started {
        id: TransferId,
    }
    let known = key.map(|key| idempotency::find(tx, key)).transpose()?.flatten();
    if let Some(reply) = known {
        if reply.status != STARTED {
            return Ok(Begun::Answered(reply));
        }
        let started: Started = serde_json::from_str(&reply.body)
            .map_err(|error| ServiceError::Internal(format!("a kept answer: {error}")))?;
        let transfer = rows::find(tx.conn(), started.id)?;
        let transfer = transfer.ok_or(ServiceError::NotFound { what: "transfer" })?;
        return Ok(Begun::Open { transfer, replayed: true });
    }
    let transfer = begin(tx)?;
    rows::insert(tx.conn(), &transfer)?;
    if let Some(key) = key {
        let reply = Reply { status: STARTED, body: to_json(&view(&transfer)), replayed: false };
        idempotency::keep(tx, key, &reply)?;
    }
    Ok(Begun::Open { transfer, replayed: false })
}

fn is_answered(transfer: &Transfer) -> bool {
    transfer.reference.is_some() || transfer.status != TransferStatus::Pending
}

/// Asks the provider; nothing when it does not answer, and the transfer stays as it is.
async fn ask(provider: &dyn Provider, transfer: &Transfer) -> Option<News> {
    let instruction = Instruction { id: transfer.id, kind: transfer.kind, amount: transfer.amount };
    match tokio::time::timeout(PATIENCE, provider.transfer(instruction)).await {
        Ok(Ok(answer)) => Some(answer.into()),
        Ok(Err(error)) => {
            log::warn!("{} {} stays pending: {error}", transfer.kind, transfer.id);
            None
        }
        Err(_) => {
            log::warn!("{} {} stays pending: no answer within {PATIENCE:?}", transfer.kind, transfer.id);
            None
        }
    }
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
    }
    if moves {
        move_money(tx, &transfer, news.status)?;
        transfer.status = news.status;
        transfer.failure = news.failure;
    }
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
            return post_earning(tx, &rules::pay_out_return(id, partner_id, amount)?, partner_id);
        }
    };
    notifications::add(tx, user_id, &content)
}

/// Asks the provider again about transfers from before a time that it has not answered. Answers whether there may be more of
/// them that can be settled now.
///
/// # Errors
/// The database's.
pub async fn resume(app: &App, before: Timestamp) -> Result<bool, ServiceError> {
    let Some(provider) = app.settings().money.provider.as_deref() else { return Ok(false) };
    let ids = app.read(move |conn| Ok(rows::unanswered_before(conn, before, UNANSWERED)?)).await?;
    let is_full = i64::try_from(ids.len()).is_ok_and(|count| count >= UNANSWERED);
    let mut settled = 0;
    for id in ids {
        let found = app.read(move |conn| Ok(rows::find(conn, id)?)).await?;
        // Settled meanwhile, by its event say.
        let Some(transfer) = found.filter(|transfer| !is_answered(transfer)) else { continue };
        if let Some(news) = ask(provider, &transfer).await {
            app.write(move |tx| apply(tx, id, news)).await?;
            settled += 1;
        }
    }
    Ok(is_full && settled > 0)
}
