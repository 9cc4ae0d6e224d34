//! Rows of the browsers that get pushes.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::domain::ids::{FamilyId, SubscriptionId, UserId};
use crate::domain::time::Timestamp;
use crate::store::Conn;
use crate::store::error::StoreError;
use crate::store::read::id;
use crate::store::statement::Statement;

/// A browser that gets pushes.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Its address at the push service: whoever has it can send there, so it is told to nobody.
    pub endpoint: String,
    /// Whose.
    pub user_id: UserId,
    /// The log-in that it goes with.
    pub family_id: Option<FamilyId>,
    /// The browser's public key, in base64url.
    pub p256dh: String,
    /// The browser's secret, in base64url.
    pub auth: String,
    /// When it was registered last.
    pub registered_at: Timestamp,
    /// From when on nothing is sent there.
    pub expires_at: Option<Timestamp>,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// The subscription's id: a new one when it was another user's.
    pub id: SubscriptionId,
    /// When this user first registered it.
    pub created_at: Timestamp,
}

/// How a log-in stands: `None` where it is not one of this server's, else whether it has ended. It cannot end before this
/// transaction does.
///
/// # Errors
/// When the database fails.
pub fn hold_family(conn: &mut Conn, family_id: FamilyId) -> Result<Option<bool>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Nullable<BigInt>)]
        revoked_at: Option<i64>,
    }
    let query = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => "SELECT revoked_at FROM refresh_families WHERE id = ?",
        Conn::Postgres(_) => "SELECT revoked_at FROM refresh_families WHERE id = ? FOR SHARE",
    };
    let row: Option<Row> = Statement::new(query).text(family_id.to_string()).get_result(conn).optional()?;
    Ok(row.map(|row| row.revoked_at.is_some()))
}

/// Keeps a browser; one with the same address is replaced. Another user's becomes one with a new id, so that nothing that
/// waits for the old one reaches the new owner.
///
/// # Errors
/// When the database fails.
pub fn register(conn: &mut Conn, new: &Subscription) -> Result<Registered, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = BigInt)]
        created_at: i64,
    }
    let text = "INSERT INTO push_subscriptions \
        (id, endpoint, user_id, family_id, p256dh, auth, created_at, registered_at, expires_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (endpoint) DO UPDATE SET \
        id = CASE WHEN push_subscriptions.user_id = excluded.user_id THEN push_subscriptions.id ELSE excluded.id END, \
        created_at = CASE WHEN push_subscriptions.user_id = excluded.user_id \
        THEN push_subscriptions.created_at ELSE excluded.created_at END, \
        user_id = excluded.user_id, family_id = excluded.family_id, p256dh = excluded.p256dh, \
        auth = excluded.auth, registered_at = excluded.registered_at, expires_at = excluded.expires_at \
        RETURNING id, created_at";
    let row: Row = Statement::new(text)
        .text(new.id.to_string())
        .text(new.endpoint.as_str())
        .text(new.user_id.to_string())
        .optional_text(new.family_id.map(|family_id| family_id.to_string()))
        .text(new.p256dh.as_str())
        .text(new.auth.as_str())
        .bigint(new.registered_at.as_millis())
        .bigint(new.registered_at.as_millis())
        .optional_bigint(new.expires_at.map(Timestamp::as_millis))
        .get_result(conn)?;
    Ok(Registered {
        id: id("push_subscriptions.id", &row.id)?,
        created_at: Timestamp::from_millis(row.created_at),
    })
}

/// Leaves a user the `most` browsers that were registered last.
///
/// # Errors
/// When the database fails.
pub fn keep_latest(conn: &mut Conn, user_id: UserId, most: i64) -> Result<(), StoreError> {
    Statement::new(
        "DELETE FROM push_subscriptions WHERE user_id = ? AND id NOT IN \
         (SELECT id FROM push_subscriptions WHERE user_id = ? ORDER BY registered_at DESC, id DESC LIMIT ?)",
    )
    .text(user_id.to_string())
    .text(user_id.to_string())
    .bigint(most)
    .execute(conn)?;
    Ok(())
}

/// Removes a user's browser, if it is there.
///
/// # Errors
/// When the database fails.
pub fn remove(conn: &mut Conn, user_id: UserId, endpoint: &str) -> Result<(), StoreError> {
    Statement::new("DELETE FROM push_subscriptions WHERE endpoint = ? AND user_id = ?")
        .text(endpoint)
        .text(user_id.to_string())
        .execute(conn)?;
    Ok(())
}

/// Removes the browsers of a log-in.
///
/// # Errors
/// When the database fails.
pub fn remove_of_family(conn: &mut Conn, family_id: FamilyId) -> Result<(), StoreError> {
    Statement::new("DELETE FROM push_subscriptions WHERE family_id = ?")
        .text(family_id.to_string())
        .execute(conn)?;
    Ok(())
}

/// Removes a browser of which its push service knows nothing any more.
///
/// # Errors
/// When the database fails.
pub fn prune(conn: &mut Conn, subscription_id: SubscriptionId) -> Result<(), StoreError> {
    Statement::new("DELETE FROM push_subscriptions WHERE id = ?")
        .text(subscription_id.to_string())
        .execute(conn)?;
    Ok(())
}

/// A browser as far as the queue has to know it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id.
    pub id: SubscriptionId,
    /// Its address.
    pub endpoint: String,
}

/// The browsers of a user who still exists, and of log-ins that have not ended.
///
/// # Errors
/// When the database fails.
pub fn targets(conn: &mut Conn, user_id: UserId, now: Timestamp) -> Result<Vec<Target>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        endpoint: String,
    }
    let rows: Vec<Row> = Statement::new(
        "SELECT s.id, s.endpoint FROM push_subscriptions s JOIN users u ON u.id = s.user_id \
         WHERE s.user_id = ? AND u.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > ?) ORDER BY s.id",
    )
    .text(user_id.to_string())
    .bigint(now.as_millis())
    .load(conn)?;
    let target = |row: Row| Ok(Target { id: id("push_subscriptions.id", &row.id)?, endpoint: row.endpoint });
    rows.into_iter().map(target).collect()
}
