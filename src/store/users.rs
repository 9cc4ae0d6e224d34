//! Rows of users and their partner profiles.

use diesel::prelude::*;

use crate::domain::ids::{PartnerId, UserId};
use crate::domain::locale::Locale;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{id, optional_id, parsed};
use super::schema::{inboxes, partners, users};

/// A user as it is stored.
#[derive(Debug, Clone)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// In lower case.
    pub email: String,
    /// As others see it.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The language of notifications, as a tag.
    pub locale: String,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the account was deleted.
    pub deleted_at: Option<Timestamp>,
    /// The partner profile, for partners.
    pub partner_id: Option<PartnerId>,
}

#[derive(Queryable)]
struct Row {
    id: String,
    email: String,
    name: String,
    role: String,
    locale: String,
    password_hash: String,
    created_at: i64,
    deleted_at: Option<i64>,
    partner_id: Option<String>,
}

impl TryFrom<Row> for User {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: id("users.id", &row.id)?,
            role: parsed("users.role", &row.role)?,
            partner_id: optional_id("partners.id", row.partner_id.as_deref())?,
            email: row.email,
            name: row.name,
            locale: row.locale,
            password_hash: row.password_hash,
            created_at: Timestamp::from_millis(row.created_at),
            deleted_at: row.deleted_at.map(Timestamp::from_millis),
        })
    }
}

/// Columns of [`Row`], from `users` left-joined with `partners`.
macro_rules! columns {
    () => {
        (
            users::id,
            users::email,
            users::name,
            users::role,
            users::locale,
            users::password_hash,
            users::created_at,
            users::deleted_at,
            partners::id.nullable(),
        )
    };
}

/// A user by id, deleted ones included.
///
/// # Errors
/// When the database fails.
pub fn find(conn: &mut Conn, user_id: UserId) -> Result<Option<User>, StoreError> {
    users::table
        .left_join(partners::table)
        .filter(users::id.eq(user_id.to_string()))
        .select(columns!())
        .first::<Row>(conn)
        .optional()?
        .map(User::try_from)
        .transpose()
}

/// A user by e-mail address in lower case, deleted ones left out.
///
/// # Errors
/// When the database fails.
pub fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<User>, StoreError> {
    users::table
        .left_join(partners::table)
        .filter(users::email.eq(email))
        .filter(users::deleted_at.is_null())
        .select(columns!())
        .first::<Row>(conn)
        .optional()?
        .map(User::try_from)
        .transpose()
}

/// Sets the language of a user's notifications.
///
/// # Errors
/// When the database fails.
pub fn set_locale(conn: &mut Conn, user_id: UserId, locale: Locale) -> Result<(), StoreError> {
    diesel::update(users::table.filter(users::id.eq(user_id.to_string())))
        .set(users::locale.eq(locale.as_str()))
        .execute(conn)?;
    Ok(())
}

/// The user behind a partner profile.
///
/// # Errors
/// When the database fails.
pub fn find_by_partner(conn: &mut Conn, partner_id: PartnerId) -> Result<Option<User>, StoreError> {
    users::table
        .left_join(partners::table)
        .filter(partners::id.eq(partner_id.to_string()))
        .select(columns!())
        .first::<Row>(conn)
        .optional()?
        .map(User::try_from)
        .transpose()
}

/// Adds a user with an empty inbox; `false` when the e-mail address is taken.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, user: &User) -> Result<bool, StoreError> {
    // An existing row is left alone, so that a taken address is no failed statement, which would end
    // PostgreSQL's transaction.
    let added = diesel::sql_query(
        "INSERT INTO users (id, email, name, role, locale, password_hash, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (email) DO NOTHING",
    )
    .bind::<diesel::sql_types::Text, _>(user.id.to_string())
    .bind::<diesel::sql_types::Text, _>(&user.email)
    .bind::<diesel::sql_types::Text, _>(&user.name)
    .bind::<diesel::sql_types::Text, _>(user.role.as_str())
    .bind::<diesel::sql_types::Text, _>(&user.locale)
    .bind::<diesel::sql_types::Text, _>(&user.password_hash)
    .bind::<diesel::sql_types::BigInt, _>(user.created_at.as_millis())
    .execute(conn)?;
    if added == 0 {
        return Ok(false);
    }
    if let Some(partner_id) = user.partner_id {
        diesel::insert_into(partners::table)
            .values((partners::id.eq(partner_id.to_string()), partners::user_id.eq(user.id.to_string())))
            .execute(conn)?;
    }
    diesel::insert_into(inboxes::table)
        .values((inboxes::user_id.eq(user.id.to_string()), inboxes::unread.eq(0), inboxes::revision.eq(0)))
        .execute(conn)?;
    Ok(true)
}
