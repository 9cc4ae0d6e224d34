//! Rows of the keys of other back ends.

use diesel::prelude::*;

use crate::domain::group_pattern::GroupPattern;
use crate::domain::time::Timestamp;

use super::Conn;
use super::connection::lock_name;
use super::error::StoreError;
use super::read::parsed;
use super::schema::service_keys;
use super::statement::Statement;

/// A key of another back end, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// SHA-256 of the key, in hexadecimal digits.
    pub hash: String,
    /// Whose it is.
    pub name: String,
    /// Where it may publish.
    pub groups: Vec<GroupPattern>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
}

#[derive(Queryable)]
struct Row {
    hash: String,
    name: String,
    groups: String,
    created_at: i64,
    expires_at: Option<i64>,
    _replaced_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl TryFrom<Row> for ServiceKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let groups = row.groups.split(',').map(|pattern| parsed("service_keys.groups", pattern));
        Ok(Self {
            hash: row.hash,
            name: row.name,
            groups: groups.collect::<Result<_, _>>()?,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
        })
    }
}

/// Makes others who are about to change the keys of this name wait until this is committed: a key that is being made is no
/// row yet that could be locked.
///
/// # Errors
/// When the database fails.
pub fn lock(conn: &mut Conn, name: &str) -> Result<(), StoreError> {
    lock_name(conn, format!("service key {name}"))
}

/// Adds a key; `false` when there is one of this name.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, key: &ServiceKey) -> Result<bool, StoreError> {
    if find_present(conn, &key.name)?.is_some() {
        return Ok(false);
    }
    let groups: Vec<String> = key.groups.iter().map(ToString::to_string).collect();
    // Of two at the same moment, an index lets one through.
    diesel::insert_into(service_keys::table)
        .values((
            service_keys::hash.eq(&key.hash),
            service_keys::name.eq(&key.name),
            service_keys::groups.eq(groups.join(",")),
            service_keys::created_at.eq(key.created_at.as_millis()),
            service_keys::expires_at.eq(key.expires_at.map(Timestamp::as_millis)),
        ))
        .execute(conn)?;
    Ok(true)
}

/// The key with this hash, whether it is still good or not.
///
/// # Errors
/// When the database fails.
pub fn find(conn: &mut Conn, hash: &str) -> Result<Option<ServiceKey>, StoreError> {
    let row: Option<Row> = service_keys::table.find(hash).first(conn).optional()?;
    row.map(ServiceKey::try_from).transpose()
}

/// The present key of this name.
///
/// # Errors
/// When the database fails.
pub fn find_present(conn: &mut Conn, name: &str) -> Result<Option<ServiceKey>, StoreError> {
    let present =
        service_keys::table.filter(service_keys::name.eq(name)).filter(service_keys::replaced_at.is_null());
    present.first::<Row>(conn).optional()?.map(ServiceKey::try_from).transpose()
}

/// All keys, by name and age.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &mut Conn) -> Result<Vec<ServiceKey>, StoreError> {
    let rows: Vec<Row> =
        service_keys::table.order((service_keys::name, service_keys::created_at)).load(conn)?;
    rows.into_iter().map(ServiceKey::try_from).collect()
}

/// Makes room for another key of the same name; `false` when that was done before. This one is good until `expires_at`.
///
/// # Errors
/// When the database fails.
pub fn replace(
    conn: &mut Conn,
    hash: &str,
    at: Timestamp,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let present = service_keys::table.find(hash).filter(service_keys::replaced_at.is_null());
    let replaced = diesel::update(present)
        .set((
            service_keys::replaced_at.eq(at.as_millis()),
            service_keys::expires_at.eq(expires_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(replaced > 0)
}

/// Removes the keys of this name that have expired by `at`; all of them without it. Says how many there were.
///
/// # Errors
/// When the database fails.
pub fn remove(conn: &mut Conn, name: &str, expired_by: Option<Timestamp>) -> Result<usize, StoreError> {
    let named = service_keys::table.filter(service_keys::name.eq(name));
    let removed = match expired_by {
        Some(at) => {
            diesel::delete(named.filter(service_keys::expires_at.le(at.as_millis()))).execute(conn)?
        }
        None => diesel::delete(named).execute(conn)?,
    };
    Ok(removed)
}

/// Notes that a key was used, unless a use after `before` was noted.
///
/// # Errors
/// When the database fails.
pub fn note_use(conn: &mut Conn, hash: &str, at: Timestamp, before: Timestamp) -> Result<(), StoreError> {
    Statement::new(
        "UPDATE service_keys SET last_used_at = ? \
         WHERE hash = ? AND (last_used_at IS NULL OR last_used_at <= ?)",
    )
    .bigint(at.as_millis())
    .text(hash)
    .bigint(before.as_millis())
    .execute(conn)?;
    Ok(())
}
