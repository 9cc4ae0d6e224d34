//! Rows of the ledger: accounts, movements, and the entries that these have made.
//!
//! Whoever moves money locks all accounts that the transaction will touch first, by [`lock`], which takes them in one
//! order. So movements of one account come one after the other, and no two transactions wait for each other in a circle.

mod movements;
mod verify;

pub use movements::{Made, MadeEntry, of_order};
pub use verify::{Report, verify};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::domain::ids::{AccountId, OrderId, PartnerId, TransactionId, TransferId, UserId};
use crate::domain::ledger::{Account, Movement, MovementKind};
use crate::domain::money::Currency;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{id, optional_id, parsed};
use super::schema::{ledger_accounts, ledger_entries, ledger_transactions};
use super::statement::Statement;

/// An account that is locked until the transaction ends.
#[derive(Debug, Clone, QueryableByName)]
struct Locked {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    balance: i64,
    #[diesel(sql_type = BigInt)]
    revision: i64,
}

/// What a movement has made of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Which account.
    pub account: Account,
    /// The entry.
    pub entry: Entry,
}

/// One entry of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The movement.
    pub id: TransactionId,
    /// Counts the account's entries, from 1.
    pub number: i64,
    /// Why.
    pub kind: MovementKind,
    /// Minor units, below zero where money left.
    pub amount: i64,
    /// The account's balance after it.
    pub balance_after: i64,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// The transfer that it is about.
    pub transfer_id: Option<TransferId>,
    /// When.
    pub created_at: Timestamp,
}

/// Who has decided that money moves, and why.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Who.
    pub by: UserId,
    /// Why.
    pub note: &'a str,
}

/// What became of a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posting {
    /// It was made.
    Posted(Vec<Posted>),
    /// It was made before, under the same key; nothing has happened now.
    AlreadyPosted,
    /// Its key belongs to another movement; nothing has happened.
    KeyReused,
    /// This account has not enough, or would have more than can be counted; nothing has happened.
    Refused(Account),
}

/// Makes other movements of these accounts wait until this transaction ends, and gives their balances. Accounts that are
/// not there yet are opened.
///
/// # Errors
/// When the database fails.
pub fn lock(conn: &mut Conn, currency: Currency, accounts: &[Account]) -> Result<Vec<i64>, StoreError> {
    let mut sorted = accounts.to_vec();
    sorted.sort_unstable();
    for account in sorted {
        lock_one(conn, currency, account)?;
    }
    accounts.iter().map(|account| balance(conn, currency, *account)).collect()
}

fn lock_one(conn: &mut Conn, currency: Currency, account: Account) -> Result<Locked, StoreError> {
    if let Some(locked) = find_locked(conn, currency, account)? {
        return Ok(locked);
    }
    Statement::new(
        "INSERT INTO ledger_accounts (id, kind, owner, currency, balance, revision) VALUES (?, ?, ?, ?, 0, 0) \
         ON CONFLICT (kind, owner, currency) DO NOTHING",
    )
    .text(AccountId::new().to_string())
    .text(account.kind().as_str())
    .text(account.owner())
    .text(currency.to_string())
    .execute(conn)?;
    find_locked(conn, currency, account)?.ok_or_else(|| StoreError::Corrupt {
        what: "ledger account",
        value: format!("no {} of {:?}", account.kind(), account.owner()),
    })
}

fn find_locked(conn: &mut Conn, currency: Currency, account: Account) -> Result<Option<Locked>, StoreError> {
    let query = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => {
            "SELECT id, balance, revision FROM ledger_accounts WHERE kind = ? AND owner = ? AND currency = ?"
        }
        Conn::Postgres(_) => {
            "SELECT id, balance, revision FROM ledger_accounts WHERE kind = ? AND owner = ? AND currency = ? \
             FOR UPDATE"
        }
    };
    let query = Statement::new(query).text(account.kind().as_str()).text(account.owner());
    Ok(query.text(currency.to_string()).get_result(conn).optional()?)
}

/// Makes a movement, once for all times under its key.
///
/// # Errors
/// When the database fails.
pub fn post(
    conn: &mut Conn,
    movement: &Movement,
    decision: Option<Decision<'_>>,
    at: Timestamp,
) -> Result<Posting, StoreError> {
    let mut changes = Vec::new();
    for (account, amount) in movement.entries() {
        changes.push((*account, *amount, lock_one(conn, movement.currency(), *account)?));
    }
    // Under the locks: of two with the same key, one comes second.
    if let Some(is_same) = find_same(conn, movement)? {
        return Ok(if is_same { Posting::AlreadyPosted } else { Posting::KeyReused });
    }
    let mut after = Vec::new();
    for (account, amount, locked) in &changes {
        match locked.balance.checked_add(*amount).filter(|balance| account.kind().allows(*balance)) {
            Some(balance) => after.push(balance),
            None => return Ok(Posting::Refused(*account)),
        }
    }
    let transaction_id = TransactionId::new();
    insert_transaction(conn, transaction_id, movement, decision, at)?;
    let mut posted = Vec::new();
    for ((account, amount, locked), balance_after) in changes.into_iter().zip(after) {
        let entry = Entry {
            id: transaction_id,
            number: locked.revision + 1,
            kind: movement.kind(),
            amount,
            balance_after,
            order_id: movement.order_id(),
            transfer_id: movement.transfer_id(),
            created_at: at,
        };
        insert_entry(conn, &locked.id, &entry)?;
        posted.push(Posted { account, entry });
    }
    Ok(Posting::Posted(posted))
}

/// Whether a movement with this key is this one; nothing when there is none.
fn find_same(conn: &mut Conn, movement: &Movement) -> Result<Option<bool>, StoreError> {
    let found: Option<(String, String)> = ledger_transactions::table
        .filter(ledger_transactions::key.eq(movement.key()))
        .select((ledger_transactions::id, ledger_transactions::kind))
        .first(conn)
        .optional()?;
    let Some((transaction_id, kind)) = found else { return Ok(None) };
    let mut entries: Vec<(String, String, String, i64)> = ledger_entries::table
        .inner_join(ledger_accounts::table)
        .filter(ledger_entries::transaction_id.eq(transaction_id))
        .select((
            ledger_accounts::kind,
            ledger_accounts::owner,
            ledger_accounts::currency,
            ledger_entries::amount,
        ))
        .load(conn)?;
    let currency = movement.currency().to_string();
    let mut expected: Vec<_> = movement
        .entries()
        .iter()
        .map(|(account, amount)| (account.kind().to_string(), account.owner(), currency.clone(), *amount))
        .collect();
    entries.sort_unstable();
    expected.sort_unstable();
    Ok(Some(kind == movement.kind().as_str() && entries == expected))
}

fn insert_transaction(
    conn: &mut Conn,
    transaction_id: TransactionId,
    movement: &Movement,
    decision: Option<Decision<'_>>,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(ledger_transactions::table)
        .values((
            ledger_transactions::id.eq(transaction_id.to_string()),
            ledger_transactions::kind.eq(movement.kind().as_str()),
            ledger_transactions::key.eq(movement.key()),
            ledger_transactions::order_id.eq(movement.order_id().map(|order_id| order_id.to_string())),
            ledger_transactions::transfer_id.eq(movement.transfer_id().map(|id| id.to_string())),
            ledger_transactions::by_user.eq(decision.map(|decision| decision.by.to_string())),
            ledger_transactions::note.eq(decision.map(|decision| decision.note)),
            ledger_transactions::created_at.eq(at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

fn insert_entry(conn: &mut Conn, account_id: &str, entry: &Entry) -> Result<(), StoreError> {
    Statement::new("UPDATE ledger_accounts SET balance = ?, revision = ? WHERE id = ?")
        .bigint(entry.balance_after)
        .bigint(entry.number)
        .text(account_id)
        .execute(conn)?;
    diesel::insert_into(ledger_entries::table)
        .values((
            ledger_entries::account_id.eq(account_id),
            ledger_entries::number.eq(entry.number),
            ledger_entries::transaction_id.eq(entry.id.to_string()),
            ledger_entries::amount.eq(entry.amount),
            ledger_entries::balance_after.eq(entry.balance_after),
            ledger_entries::created_at.eq(entry.created_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// What an account holds, minor units; zero where there is none.
///
/// # Errors
/// When the database fails.
pub fn balance(conn: &mut Conn, currency: Currency, account: Account) -> Result<i64, StoreError> {
    let balance = ledger_accounts::table
        .filter(ledger_accounts::kind.eq(account.kind().as_str()))
        .filter(ledger_accounts::owner.eq(account.owner()))
        .filter(ledger_accounts::currency.eq(currency.to_string()))
        .select(ledger_accounts::balance)
        .first(conn)
        .optional()?;
    Ok(balance.unwrap_or_default())
}

/// An entry's movement, number, kind, amount and balance after it; its order and transfer; its time.
type EntryRow = (String, i64, String, i64, i64, (Option<String>, Option<String>), i64);

/// Entries of an account, newest first, at most `limit`; only those before the one with that number, where there is one.
///
/// # Errors
/// When the database fails.
pub fn entries(
    conn: &mut Conn,
    currency: Currency,
    account: Account,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<EntryRow> = ledger_entries::table
        .inner_join(ledger_accounts::table)
        .inner_join(ledger_transactions::table)
        .filter(ledger_accounts::kind.eq(account.kind().as_str()))
        .filter(ledger_accounts::owner.eq(account.owner()))
        .filter(ledger_accounts::currency.eq(currency.to_string()))
        .filter(ledger_entries::number.lt(before.unwrap_or(i64::MAX)))
        .order(ledger_entries::number.desc())
        .limit(limit)
        .select((
            ledger_transactions::id,
            ledger_entries::number,
            ledger_transactions::kind,
            ledger_entries::amount,
            ledger_entries::balance_after,
            (ledger_transactions::order_id, ledger_transactions::transfer_id),
            ledger_entries::created_at,
        ))
        .load(conn)?;
    rows.into_iter()
        .map(|(transaction_id, number, kind, amount, balance_after, (order_id, transfer_id), created_at)| {
            Ok(Entry {
                id: id("ledger_transactions.id", &transaction_id)?,
                number,
                kind: parsed("ledger_transactions.kind", &kind)?,
                amount,
                balance_after,
                order_id: optional_id("ledger_transactions.order_id", order_id.as_deref())?,
                transfer_id: optional_id("ledger_transactions.transfer_id", transfer_id.as_deref())?,
                created_at: Timestamp::from_millis(created_at),
            })
        })
        .collect()
}

/// What a partner has earned since a time: what movements brought that [`MovementKind::is_earned`].
///
/// # Errors
/// When the database fails.
pub fn earned_since(
    conn: &mut Conn,
    currency: Currency,
    partner_id: PartnerId,
    since: Timestamp,
) -> Result<i64, StoreError> {
    let account = Account::Earnings(partner_id);
    let earned = MovementKind::ALL.iter().filter(|kind| kind.is_earned()).map(|kind| kind.as_str());
    let sum: Option<i64> = ledger_entries::table
        .inner_join(ledger_accounts::table)
        .inner_join(ledger_transactions::table)
        .filter(ledger_accounts::kind.eq(account.kind().as_str()))
        .filter(ledger_accounts::owner.eq(account.owner()))
        .filter(ledger_accounts::currency.eq(currency.to_string()))
        .filter(ledger_entries::created_at.ge(since.as_millis()))
        .filter(ledger_transactions::kind.eq_any(earned.collect::<Vec<_>>()))
        // PostgreSQL's sum of integers is no integer.
        .select(sql::<Nullable<BigInt>>("CAST(SUM(ledger_entries.amount) AS BIGINT)"))
        .first(conn)?;
    Ok(sum.unwrap_or_default())
}

/// How many movements of each kind were made.
#[cfg(test)]
pub(crate) fn count_by_kind(conn: &mut Conn) -> Result<Vec<(MovementKind, i64)>, StoreError> {
    let rows: Vec<(String, i64)> = ledger_transactions::table
        .group_by(ledger_transactions::kind)
        .select((ledger_transactions::kind, diesel::dsl::count_star()))
        .load(conn)?;
    rows.into_iter().map(|(kind, count)| Ok((parsed("ledger_transactions.kind", &kind)?, count))).collect()
}

#[cfg(test)]
mod tests;
