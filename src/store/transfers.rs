//! Rows of transfers, money on its way from or to the provider, and of what the provider has told.

use diesel::dsl::{count_star, min, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::domain::ids::{PartnerId, TransferId, UserId};
use crate::domain::money::Money;
use crate::domain::payment::{TransferKind, TransferStatus};
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{id, optional_id, parsed};
use super::schema::transfers;
use super::statement::Statement;

/// Money on its way from or to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its id, by which the provider knows it, too.
    pub id: TransferId,
    /// Which way.
    pub kind: TransferKind,
    /// Who asked for it.
    pub user_id: UserId,
    /// Whose earnings, for a pay-out.
    pub partner_id: Option<PartnerId>,
    /// How much; more than nothing.
    pub amount: Money,
    /// How it stands.
    pub status: TransferStatus,
    /// The provider's own name for it, once the provider has answered.
    pub reference: Option<String>,
    /// Why it failed.
    pub failure: Option<String>,
    /// How often the provider was asked again since it last answered.
    pub asks: i64,
    /// When it is asked again, while the transfer is pending.
    pub ask_at: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Kind, user, partner; currency and amount; status, reference and failure; asks; times.
type Row = (
    (String, String, Option<String>),
    (String, i64),
    (String, Option<String>, Option<String>),
    i64,
    (i64, i64, i64),
);

/// Adds a transfer.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, transfer: &Transfer) -> Result<(), StoreError> {
    diesel::insert_into(transfers::table)
        .values((
            transfers::id.eq(transfer.id.to_string()),
            transfers::kind.eq(transfer.kind.as_str()),
            transfers::user_id.eq(transfer.user_id.to_string()),
            transfers::partner_id.eq(transfer.partner_id.map(|partner_id| partner_id.to_string())),
            transfers::currency.eq(transfer.amount.currency.to_string()),
            transfers::amount.eq(transfer.amount.amount),
            transfers::status.eq(transfer.status.as_str()),
            transfers::reference.eq(transfer.reference.as_deref()),
            transfers::failure.eq(transfer.failure.as_deref()),
            transfers::asks.eq(transfer.asks),
            transfers::ask_at.eq(transfer.ask_at.as_millis()),
            transfers::created_at.eq(transfer.created_at.as_millis()),
            transfers::updated_at.eq(transfer.updated_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// A transfer by id.
///
/// # Errors
/// When the database fails.
pub fn find(conn: &mut Conn, transfer_id: TransferId) -> Result<Option<Transfer>, StoreError> {
    let row: Option<Row> = transfers::table
        .filter(transfers::id.eq(transfer_id.to_string()))
        .select((
            (transfers::kind, transfers::user_id, transfers::partner_id),
            (transfers::currency, transfers::amount),
            (transfers::status, transfers::reference, transfers::failure),
            transfers::asks,
            (transfers::ask_at, transfers::created_at, transfers::updated_at),
        ))
        .first(conn)
        .optional()?;
    let Some((whose, (currency, amount), (status, reference, failure), asks, times)) = row else {
        return Ok(None);
    };
    let (kind, user_id, partner_id) = whose;
    Ok(Some(Transfer {
        id: transfer_id,
        kind: parsed("transfers.kind", &kind)?,
        user_id: id("transfers.user_id", &user_id)?,
        partner_id: optional_id("transfers.partner_id", partner_id.as_deref())?,
        amount: Money { amount, currency: parsed("transfers.currency", &currency)? },
        status: parsed("transfers.status", &status)?,
        reference,
        failure,
        asks,
        ask_at: Timestamp::from_millis(times.0),
        created_at: Timestamp::from_millis(times.1),
        updated_at: Timestamp::from_millis(times.2),
    }))
}

/// A transfer by id, which nobody else can change until the transaction ends.
///
/// # Errors
/// When the database fails.
pub fn find_locked(conn: &mut Conn, transfer_id: TransferId) -> Result<Option<Transfer>, StoreError> {
    match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => {}
        Conn::Postgres(conn) => {
            let lock = Statement::new("SELECT 1 FROM transfers WHERE id = ? FOR UPDATE");
            lock.text(transfer_id.to_string()).execute(conn)?;
        }
    }
    find(conn, transfer_id)
}

/// Writes what has changed about a transfer.
///
/// # Errors
/// When the database fails.
pub fn update(conn: &mut Conn, transfer: &Transfer) -> Result<(), StoreError> {
    Statement::new(
        "UPDATE transfers SET status = ?, reference = ?, failure = ?, asks = ?, ask_at = ?, updated_at = ? \
         WHERE id = ?",
    )
    .text(transfer.status.as_str())
    .optional_text(transfer.reference.clone())
    .optional_text(transfer.failure.clone())
    .bigint(transfer.asks)
    .bigint(transfer.ask_at.as_millis())
    .bigint(transfer.updated_at.as_millis())
    .text(transfer.id.to_string())
    .execute(conn)?;
    Ok(())
}

/// Transfers that the provider is to be asked about by a time; who has waited longest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn due(conn: &mut Conn, by: Timestamp, limit: i64) -> Result<Vec<TransferId>, StoreError> {
    let ids: Vec<String> = transfers::table
        // In the words of the index.
        .filter(sql::<Bool>("status = 'pending'"))
        .filter(transfers::ask_at.le(by.as_millis()))
        .order(transfers::ask_at)
        .limit(limit)
        .select(transfers::id)
        .load(conn)?;
    ids.iter().map(|text| id("transfers.id", text)).collect()
}

/// The transfers of a kind that the provider has not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Which way.
    pub kind: TransferKind,
    /// How many there are.
    pub count: i64,
    /// When the first of them was asked for.
    pub oldest: Timestamp,
}

/// What is pending, by kind; nothing of a kind of which nothing is.
///
/// # Errors
/// When the database fails.
pub fn pending(conn: &mut Conn) -> Result<Vec<Pending>, StoreError> {
    let rows: Vec<(String, i64, Option<i64>)> = transfers::table
        // In the words of the index.
        .filter(sql::<Bool>("status = 'pending'"))
        .group_by(transfers::kind)
        .select((transfers::kind, count_star(), min(transfers::created_at)))
        .load(conn)?;
    let pending = |(kind, count, oldest): (String, i64, Option<i64>)| {
        let oldest = Timestamp::from_millis(oldest.unwrap_or_default());
        Ok(Pending { kind: parsed("transfers.kind", &kind)?, count, oldest })
    };
    rows.into_iter().map(pending).collect()
}

/// Takes note of an event of the provider's; `false` when it was told before. Of several that tell at once, one succeeds.
///
/// # Errors
/// When the database fails.
pub fn take_event(
    conn: &mut Conn,
    provider: &str,
    event_id: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let added = Statement::new(
        "INSERT INTO provider_events (provider, id, received_at) VALUES (?, ?, ?) \
         ON CONFLICT (provider, id) DO NOTHING",
    )
    .text(provider)
    .text(event_id)
    .bigint(at.as_millis())
    .execute(conn)?;
    Ok(added == 1)
}

/// Forgets events from before `before`, at most `limit`, and says how many.
///
/// # Errors
/// When the database fails.
pub fn purge_events(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    Ok(Statement::new(
        "DELETE FROM provider_events WHERE (provider, id) IN \
         (SELECT provider, id FROM provider_events WHERE received_at < ? LIMIT ?)",
    )
    .bigint(before.as_millis())
    .bigint(limit)
    .execute(conn)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::testing::TestDatabase;
    use crate::telemetry::Metrics;

    #[test]
    fn an_event_is_new_once_until_it_is_forgotten() {
        for database in TestDatabase::each() {
            let store = database.open(&Metrics::new().expect("no figure twice"));
            let conn = &mut database.connect();
            let (at, later) = (Timestamp::from_millis(1000), Timestamp::from_millis(2000));
            let is_new =
                |conn: &mut Conn, provider, id, at| take_event(conn, provider, id, at).expect("taken");
            assert!(is_new(conn, "test", "1", at) && is_new(conn, "test", "2", later));
            assert!(is_new(conn, "other", "1", later), "each provider has ids of its own");
            assert!(!is_new(conn, "test", "1", later));
            let purge = |conn: &mut Conn, before| purge_events(conn, before, 10).expect("purged");
            assert_eq!((purge(conn, at), purge(conn, at.after(Duration::from_millis(1)))), (0, 1));
            assert!(is_new(conn, "test", "1", later) && !is_new(conn, "test", "2", later));
            assert_eq!(purge_events(conn, later.after(Duration::from_secs(1)), 2).expect("purged"), 2);
            store.close();
        }
    }
}
