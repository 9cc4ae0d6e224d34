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

/// A family's id and user, a token's end and use, the family's end.
type TokenRow = (String, String, i64, Option<i64>, Option<i64>);

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
    let row = refresh_tokens::table
        .inner_join(refresh_families::table)
        .filter(refresh_tokens::hash.eq(hash))
        .select((
            refresh_families::id,
            refresh_families::user_id,
            refresh_tokens::expires_at,
            refresh_tokens::used_at,
            refresh_families::revoked_at,
        ))
        .first::<TokenRow>(conn)
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
    let unused =
        refresh_tokens::table.filter(refresh_tokens::hash.eq(hash)).filter(refresh_tokens::used_at.is_null());
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::principal::Role;
    use crate::store::testing::TestDatabase;
    use crate::store::users::{self, User};
    use crate::telemetry::Metrics;

    fn a_user(now: Timestamp) -> User {
        User {
            id: UserId::new(),
            email: "ada@example.org".into(),
            name: "Ada".into(),
            role: Role::Customer,
            locale: "en".into(),
            password_hash: String::new(),
            created_at: now,
            deleted_at: None,
            partner_id: None,
        }
    }

    #[actix_web::test]
    async fn a_purge_takes_what_has_expired_and_the_log_ins_that_are_left_empty() {
        for database in TestDatabase::each() {
            let store = database.open(&Metrics::new().expect("no figure twice"));
            let outcome = store.write(|conn| {
                let now = Timestamp::from_millis(1_000_000);
                let later = now.after(Duration::from_secs(100));
                let user = a_user(now);
                users::insert(conn, &user)?;
                let (old, current) = (FamilyId::new(), FamilyId::new());
                insert_family(conn, old, user.id, now)?;
                insert_token(conn, "old", old, now, now)?;
                revoke_family(conn, old, now)?;
                insert_family(conn, current, user.id, now)?;
                insert_token(conn, "expired", current, now, now)?;
                insert_token(conn, "good", current, now, later)?;
                use_ticket(conn, "old", now)?;
                use_ticket(conn, "good", later)?;

                assert_eq!(purge(conn, now)?, 0, "nothing has expired before that");
                assert!(is_revoked(conn, old)?);
                // Two tokens, one log-in, one ticket.
                assert_eq!(purge(conn, now.after(Duration::from_secs(1)))?, 4);

                assert!(!is_revoked(conn, old)?, "its row is gone");
                assert_eq!(find_token(conn, "expired")?, None);
                assert_eq!(find_token(conn, "good")?.map(|token| token.family_id), Some(current));
                assert!(use_ticket(conn, "old", now)?);
                assert!(!use_ticket(conn, "good", later)?);
                Ok::<_, StoreError>(())
            });
            outcome.await.expect("the database works");
            store.close();
        }
    }
}
