//! Rows of log-ins (families of refresh tokens) and of WebSocket tickets that were used.
//!
//! A refresh token is stored as its hash only; a stolen copy of the database opens nothing.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::domain::ids::{FamilyId, UserId};
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::id;
use super::schema::{refresh_families, refresh_tokens};

/// The most rows of a table that one [`purge`] removes, so that it holds up no other writer for long.
const PURGE_BATCH: i64 = 1000;

/// A refresh token and the log-in that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// The log-in.
    pub family_id: FamilyId,
    /// Whose it is.
    pub user_id: UserId,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// When it was exchanged for its successor.
    pub used_at: Option<Timestamp>,
    /// When the log-in ended.
    pub revoked_at: Option<Timestamp>,
}

/// Adds a log-in.
///
/// # Errors
/// When the database fails.
pub fn insert_family(
    conn: &mut Conn,
    family_id: FamilyId,
    user_id: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(refresh_families::table)
        .values((
            refresh_families::id.eq(family_id.to_string()),
            refresh_families::user_id.eq(user_id.to_string()),
            refresh_families::created_at.eq(now.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Adds a refresh token to a log-in.
///
/// # Errors
/// When the database fails.
pub fn insert_token(
    conn: &mut Conn,
    hash: &str,
    family_id: FamilyId,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::hash.eq(hash),
            refresh_tokens::family_id.eq(family_id.to_string()),
            refresh_tokens::created_at.eq(now.as_millis()),
            refresh_tokens::expires_at.eq(expires_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// A refresh token by its hash, used and expired ones included.
///
/// # Errors
/// When the database fails.
pub fn find_token(conn: &mut Conn, hash: &str) -> Result<Option<StoredToken>, StoreError> {
    let row: Option<(String, String, i64, Option<i64>, Option<i64>)> = refresh_tokens::table
        .inner_join(refresh_families::table)
        .filter(refresh_tokens::hash.eq(hash))
        .select((
            refresh_families::id,
            refresh_families::user_id,
            refresh_tokens::expires_at,
            refresh_tokens::used_at,
            refresh_families::revoked_at,
        ))
        .first(conn)
        .optional()?;
    let Some((family_id, user_id, expires_at, used_at, revoked_at)) = row else { return Ok(None) };
    Ok(Some(StoredToken {
        family_id: id("refresh_families.id", &family_id)?,
        user_id: id("refresh_families.user_id", &user_id)?,
        expires_at: Timestamp::from_millis(expires_at),
        used_at: used_at.map(Timestamp::from_millis),
        revoked_at: revoked_at.map(Timestamp::from_millis),
    }))
}

/// Marks a refresh token as used; `false` when it was already. Of several that try at once, one succeeds.
///
/// # Errors
/// When the database fails.
pub fn use_token(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
    let unused = refresh_tokens::table
        .filter(refresh_tokens::hash.eq(hash))
        .filter(refresh_tokens::used_at.is_null());
    let marked = diesel::update(unused).set(refresh_tokens::used_at.eq(now.as_millis())).execute(conn)?;
    Ok(marked == 1)
}

/// Ends a log-in; `false` when it had ended already.
///
/// # Errors
/// When the database fails.
pub fn revoke_family(conn: &mut Conn, family_id: FamilyId, now: Timestamp) -> Result<bool, StoreError> {
    let open = refresh_families::table
        .filter(refresh_families::id.eq(family_id.to_string()))
        .filter(refresh_families::revoked_at.is_null());
    let revoked = diesel::update(open).set(refresh_families::revoked_at.eq(now.as_millis())).execute(conn)?;
    Ok(revoked == 1)
}

/// Whether a log-in has ended. One that is not known has not: tokens minted elsewhere name log-ins of theirs.
///
/// # Errors
/// When the database fails.
pub fn is_revoked(conn: &mut Conn, family_id: FamilyId) -> Result<bool, StoreError> {
    let revoked = refresh_families::table
        .filter(refresh_families::id.eq(family_id.to_string()))
        .filter(refresh_families::revoked_at.is_not_null());
    Ok(diesel::select(diesel::dsl::exists(revoked)).get_result(conn)?)
}

/// Takes note that a ticket was used; `false` when it was already. Of several that try at once, one succeeds.
///
/// # Errors
/// When the database fails.
pub fn use_ticket(conn: &mut Conn, jti: &str, expires_at: Timestamp) -> Result<bool, StoreError> {
    let added = diesel::sql_query(
        "INSERT INTO used_tickets (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING",
    )
    .bind::<Text, _>(jti)
    .bind::<BigInt, _>(expires_at.as_millis())
    .execute(conn)?;
    Ok(added == 1)
}

/// Removes what expired before `before`: refresh tokens, log-ins without any, and used tickets. Answers how
/// many rows went; call it again while there are some.
///
/// # Errors
/// When the database fails.
pub fn purge(conn: &mut Conn, before: Timestamp) -> Result<usize, StoreError> {
    let mut removed = 0;
    for statement in [
        "DELETE FROM used_tickets WHERE jti IN \
         (SELECT jti FROM used_tickets WHERE expires_at < $1 LIMIT $2)",
        "DELETE FROM refresh_tokens WHERE hash IN \
         (SELECT hash FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)",
        // A log-in is made together with its first token, so one without any is one whose last is gone.
        "DELETE FROM refresh_families WHERE id IN \
         (SELECT id FROM refresh_families WHERE created_at < $1 AND NOT EXISTS \
         (SELECT 1 FROM refresh_tokens WHERE refresh_tokens.family_id = refresh_families.id) LIMIT $2)",
    ] {
        removed += diesel::sql_query(statement)
            .bind::<BigInt, _>(before.as_millis())
            .bind::<BigInt, _>(PURGE_BATCH)
            .execute(conn)?;
    }
    Ok(removed)
}

