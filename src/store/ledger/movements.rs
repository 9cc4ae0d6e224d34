//! All that was entered about one order.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::domain::ids::{OrderId, TransactionId, UserId};
use crate::domain::ledger::{AccountKind, MovementKind};
use crate::domain::time::Timestamp;
use crate::store::Conn;
use crate::store::connection;
use crate::store::error::StoreError;
use crate::store::payments::{self, Payment};
use crate::store::read::{id, optional_id, parsed};
use crate::store::schema::{ledger_accounts, ledger_entries, ledger_transactions};

/// A movement of money that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub id: TransactionId,
    /// Why.
    pub kind: MovementKind,
    /// What each account has gained or lost.
    pub entries: Vec<MadeEntry>,
    /// Who has decided it, where somebody has.
    pub by: Option<UserId>,
    /// Why that one has.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What a movement has made of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeEntry {
    /// What kind of account it is.
    pub account: AccountKind,
    /// Whose it is; empty for the house's own.
    pub owner: String,
    /// Minor units, below zero where money left.
    pub amount: i64,
}

/// The payment of an order, and its movements, oldest first, as both stand at one moment.
///
/// # Errors
/// When the database fails.
pub fn of_order(conn: &mut Conn, order_id: OrderId) -> Result<(Option<Payment>, Vec<Made>), StoreError> {
    connection::at_one_moment(conn, |conn| Ok((payments::find(conn, order_id)?, made(conn, order_id)?)))
}

/// A movement's id and kind, who has decided it and why, and its time.
type Row = (String, String, Option<String>, Option<String>, i64);

fn made(conn: &mut Conn, order_id: OrderId) -> Result<Vec<Made>, StoreError> {
    let rows: Vec<Row> = ledger_transactions::table
        .filter(ledger_transactions::order_id.eq(order_id.to_string()))
        .order(ledger_transactions::id)
        .select((
            ledger_transactions::id,
            ledger_transactions::kind,
            ledger_transactions::by_user,
            ledger_transactions::note,
            ledger_transactions::created_at,
        ))
        .load(conn)?;
    let found: Vec<(String, String, String, i64)> = ledger_entries::table
        .inner_join(ledger_accounts::table)
        .inner_join(ledger_transactions::table)
        .filter(ledger_transactions::order_id.eq(order_id.to_string()))
        .order(ledger_accounts::kind)
        .select((
            ledger_entries::transaction_id,
            ledger_accounts::kind,
            ledger_accounts::owner,
            ledger_entries::amount,
        ))
        .load(conn)?;
    let mut entries: HashMap<String, Vec<MadeEntry>> = HashMap::new();
    for (transaction_id, kind, owner, amount) in found {
        let account = parsed("ledger_accounts.kind", &kind)?;
        entries.entry(transaction_id).or_default().push(MadeEntry { account, owner, amount });
    }
    let made = |(transaction_id, kind, by, note, at): Row| {
        Ok(Made {
            id: id("ledger_transactions.id", &transaction_id)?,
            kind: parsed("ledger_transactions.kind", &kind)?,
            entries: entries.remove(&transaction_id).unwrap_or_default(),
            by: optional_id("ledger_transactions.by_user", by.as_deref())?,
            note,
            at: Timestamp::from_millis(at),
        })
    };
    rows.into_iter().map(made).collect()
}
