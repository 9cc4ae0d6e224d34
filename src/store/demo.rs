//! The demo's people come and go: their rows stay, so that the orders that they left behind keep their names.

use diesel::prelude::*;

use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::schema::users;

/// Lets a user who was retired log in again; `false` when there is no such user, retired or not.
///
/// # Errors
/// When the database fails.
pub fn revive(conn: &mut Conn, email: &str) -> Result<bool, StoreError> {
    let user = users::table.filter(users::email.eq(email));
    let found = diesel::update(user).set(users::deleted_at.eq(None::<i64>)).execute(conn)?;
    Ok(found > 0)
}

/// Makes a user's password and tokens worthless; `false` when there was nothing to do.
///
/// # Errors
/// When the database fails.
pub fn retire(conn: &mut Conn, email: &str, now: Timestamp) -> Result<bool, StoreError> {
    let active = users::table.filter(users::email.eq(email)).filter(users::deleted_at.is_null());
    let found = diesel::update(active).set(users::deleted_at.eq(Some(now.as_millis()))).execute(conn)?;
    Ok(found > 0)
}
