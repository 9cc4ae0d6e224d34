//! Rows of announcements, and how far each has come through the users.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::domain::ids::{AnnouncementId, UserId};
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{id, optional_id};
use super::schema::{announcements, users};

/// Something that an admin has to say to everybody.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Its id.
    pub id: AnnouncementId,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub text: String,
    /// When it was made. Users who came later do not get it.
    pub created_at: Timestamp,
    /// The last user who got it: they are told in the order of their ids.
    pub reached: Option<UserId>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    text: String,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    reached_user_id: Option<String>,
}

/// Stores a new announcement that has reached nobody yet.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, announcement: &Announcement, author_id: UserId) -> Result<(), StoreError> {
    diesel::insert_into(announcements::table)
        .values((
            announcements::id.eq(announcement.id.to_string()),
            announcements::title.eq(&announcement.title),
            announcements::text.eq(&announcement.text),
            announcements::author_id.eq(author_id.to_string()),
            announcements::created_at.eq(announcement.created_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whether there is an announcement that has not reached everybody.
///
/// # Errors
/// When the database fails.
pub fn is_any_unfinished(conn: &mut Conn) -> Result<bool, StoreError> {
    let first: Option<String> = announcements::table
        .filter(announcements::done_at.is_null())
        .select(announcements::id)
        .first(conn)
        .optional()?;
    Ok(first.is_some())
}

/// The oldest announcement that has not reached everybody, for this transaction alone: one that another has
/// in hand is passed over.
///
/// # Errors
/// When the database fails.
pub fn take_unfinished(conn: &mut Conn) -> Result<Option<Announcement>, StoreError> {
    let query = "SELECT id, title, text, created_at, reached_user_id FROM announcements \
                 WHERE done_at IS NULL ORDER BY id LIMIT 1";
    let row: Option<Row> = match conn {
        // One writer at a time.
        Conn::Sqlite(conn) => diesel::sql_query(query).get_result(conn).optional()?,
        Conn::Postgres(conn) => {
            diesel::sql_query(format!("{query} FOR UPDATE SKIP LOCKED")).get_result(conn).optional()?
        }
    };
    row.map(|row| {
        Ok(Announcement {
            id: id("announcements.id", &row.id)?,
            title: row.title,
            text: row.text,
            created_at: Timestamp::from_millis(row.created_at),
            reached: optional_id("announcements.reached_user_id", row.reached_user_id.as_deref())?,
        })
    })
    .transpose()
}

/// The next users whom an announcement has not reached, at most `limit`, in the order of their ids.
///
/// # Errors
/// When the database fails.
pub fn next_users(
    conn: &mut Conn,
    announcement: &Announcement,
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = users::table
        .filter(users::deleted_at.is_null())
        .filter(users::created_at.le(announcement.created_at.as_millis()))
        .order(users::id)
        .limit(limit)
        .select(users::id)
        .into_boxed();
    if let Some(reached) = announcement.reached {
        query = query.filter(users::id.gt(reached.to_string()));
    }
    query.load::<String>(conn)?.iter().map(|text| id("users.id", text)).collect()
}

/// Notes how far an announcement has come.
///
/// # Errors
/// When the database fails.
pub fn set_reached(
    conn: &mut Conn,
    announcement_id: AnnouncementId,
    reached: UserId,
) -> Result<(), StoreError> {
    diesel::update(announcements::table.filter(announcements::id.eq(announcement_id.to_string())))
        .set(announcements::reached_user_id.eq(reached.to_string()))
        .execute(conn)?;
    Ok(())
}

/// Notes that an announcement has reached everybody.
///
/// # Errors
/// When the database fails.
pub fn finish(conn: &mut Conn, announcement_id: AnnouncementId, at: Timestamp) -> Result<(), StoreError> {
    diesel::update(announcements::table.filter(announcements::id.eq(announcement_id.to_string())))
        .set(announcements::done_at.eq(at.as_millis()))
        .execute(conn)?;
    Ok(())
}
