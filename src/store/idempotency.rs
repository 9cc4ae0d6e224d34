//! Rows of answers that are kept under their `Idempotency-Key`.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::domain::time::Timestamp;

use super::Conn;
use super::connection::lock_name;
use super::error::StoreError;
use super::schema::idempotency_keys;
use super::statement::Statement;

/// The most rows that one [`purge`] removes, so that it holds up no other writer for long.
const PURGE_BATCH: i64 = 1000;

/// A kept answer.
#[derive(Debug, Queryable)]
pub struct KeptAnswer {
    /// Tells whether a second call is the same.
    pub fingerprint: String,
    /// HTTP status.
    pub status: i16,
    /// JSON.
    pub body: String,
}

/// Makes a second call with the same key wait until the first is committed.
///
/// # Errors
/// When the database fails.
pub fn lock(conn: &mut Conn, scope: &str, key: &str) -> Result<(), StoreError> {
    lock_name(conn, format!("{scope} {key}"))
}

/// The answer kept under a key since `since`.
///
/// # Errors
/// When the database fails.
pub fn find(
    conn: &mut Conn,
    scope: &str,
    key: &str,
    since: Timestamp,
) -> Result<Option<KeptAnswer>, StoreError> {
    Ok(idempotency_keys::table
        .filter(idempotency_keys::scope.eq(scope))
        .filter(idempotency_keys::key.eq(key))
        .filter(idempotency_keys::created_at.ge(since.as_millis()))
        .select((idempotency_keys::fingerprint, idempotency_keys::status, idempotency_keys::body))
        .first(conn)
        .optional()?)
}

/// Keeps an answer, in the place of one that has aged out.
///
/// # Errors
/// When the database fails.
pub fn put(
    conn: &mut Conn,
    scope: &str,
    key: &str,
    fingerprint: &str,
    status: i16,
    body: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO idempotency_keys (scope, key, fingerprint, status, body, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, \
         status = excluded.status, body = excluded.body, created_at = excluded.created_at",
    )
    .bind::<Text, _>(scope)
    .bind::<Text, _>(key)
    .bind::<Text, _>(fingerprint)
    .bind::<SmallInt, _>(status)
    .bind::<Text, _>(body)
    .bind::<BigInt, _>(now.as_millis())
    .execute(conn)?;
    Ok(())
}

/// Forgets answers from before `before`.
///
/// # Errors
/// When the database fails.
pub fn purge(conn: &mut Conn, before: Timestamp) -> Result<usize, StoreError> {
    let text = "DELETE FROM idempotency_keys WHERE (scope, key) IN \
                (SELECT scope, key FROM idempotency_keys WHERE created_at < ? LIMIT ?)";
    Ok(Statement::new(text).bigint(before.as_millis()).bigint(PURGE_BATCH).execute(conn)?)
}
