//! Rows of messages about orders, and of how far each user has read them.
//!
//! Whoever adds a message holds the lock of its order's row, so that the numbers of an order's messages are the order in
//! which they were committed.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::domain::ids::{MessageId, OrderId, PartnerId, UserId};
use crate::domain::order::Party;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{id, parsed};
use super::schema::{message_marks, messages, users};
use super::statement::Statement;

/// A message about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// About which order.
    pub order_id: OrderId,
    /// Counts the messages of the order, from 1.
    pub number: i64,
    /// Who had the order then.
    pub partner_id: PartnerId,
    /// Who wrote it.
    pub sender_id: UserId,
    /// As what.
    pub party: Party,
    /// The sender's own mark.
    pub client_id: Option<String>,
    /// Without contact details.
    pub text: String,
    /// Whether there were any.
    pub is_masked: bool,
    /// When it was written.
    pub created_at: Timestamp,
}

#[derive(Queryable)]
struct Row {
    id: String,
    order_id: String,
    number: i64,
    partner_id: String,
    sender_id: String,
    party: String,
    client_id: Option<String>,
    text: String,
    is_masked: bool,
    created_at: i64,
}

impl TryFrom<Row> for Message {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: id("messages.id", &row.id)?,
            order_id: id("messages.order_id", &row.order_id)?,
            number: row.number,
            partner_id: id("messages.partner_id", &row.partner_id)?,
            sender_id: id("messages.sender_id", &row.sender_id)?,
            party: parsed("messages.party", &row.party)?,
            client_id: row.client_id,
            text: row.text,
            is_masked: row.is_masked,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

/// The messages of an order that somebody may see.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    /// About this order.
    pub order_id: OrderId,
    /// Only those of the time when this partner had it.
    pub partner_id: Option<PartnerId>,
}

/// `messages` as [`Sight`] lets them be seen.
macro_rules! seen {
    ($sight:expr) => {{
        let all = messages::table.filter(messages::order_id.eq($sight.order_id.to_string())).into_boxed();
        match $sight.partner_id {
            Some(partner_id) => all.filter(messages::partner_id.eq(partner_id.to_string())),
            None => all,
        }
    }};
}

/// Number and time of an order's last message.
///
/// # Errors
/// When the database fails.
pub fn last(conn: &mut Conn, order_id: OrderId) -> Result<Option<(i64, Timestamp)>, StoreError> {
    let row: Option<(i64, i64)> = messages::table
        .filter(messages::order_id.eq(order_id.to_string()))
        .order(messages::number.desc())
        .select((messages::number, messages::created_at))
        .first(conn)
        .optional()?;
    Ok(row.map(|(number, at)| (number, Timestamp::from_millis(at))))
}

/// Adds a message.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, message: &Message) -> Result<(), StoreError> {
    diesel::insert_into(messages::table)
        .values((
            messages::id.eq(message.id.to_string()),
            messages::order_id.eq(message.order_id.to_string()),
            messages::number.eq(message.number),
            messages::partner_id.eq(message.partner_id.to_string()),
            messages::sender_id.eq(message.sender_id.to_string()),
            messages::party.eq(message.party.as_str()),
            messages::client_id.eq(message.client_id.as_deref()),
            messages::text.eq(&message.text),
            messages::masked.eq(message.is_masked),
            messages::created_at.eq(message.created_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The message that a sender has marked like this.
///
/// # Errors
/// When the database fails.
pub fn find_marked(
    conn: &mut Conn,
    order_id: OrderId,
    sender_id: UserId,
    client_id: &str,
) -> Result<Option<Message>, StoreError> {
    messages::table
        .filter(messages::order_id.eq(order_id.to_string()))
        .filter(messages::sender_id.eq(sender_id.to_string()))
        .filter(messages::client_id.eq(client_id))
        .first::<Row>(conn)
        .optional()?
        .map(Message::try_from)
        .transpose()
}

/// Messages with the names of those who wrote them, newest first, at most `limit`; only those with a lower number than
/// `before`.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Conn,
    sight: Sight,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<(Message, String)>, StoreError> {
    let rows: Vec<(Row, String)> = seen!(sight)
        .inner_join(users::table)
        .filter(messages::number.lt(before.unwrap_or(i64::MAX)))
        .order(messages::number.desc())
        .limit(limit)
        .select((messages::all_columns, users::name))
        .load(conn)?;
    rows.into_iter().map(|(row, name)| Ok((row.try_into()?, name))).collect()
}

/// The number of a message, if it may be seen.
///
/// # Errors
/// When the database fails.
pub fn number_of(conn: &mut Conn, sight: Sight, message_id: MessageId) -> Result<Option<i64>, StoreError> {
    let found = seen!(sight).filter(messages::id.eq(message_id.to_string()));
    Ok(found.select(messages::number).first(conn).optional()?)
}

/// The last message that may be seen.
///
/// # Errors
/// When the database fails.
pub fn last_seen(conn: &mut Conn, sight: Sight) -> Result<Option<MessageId>, StoreError> {
    let last = seen!(sight).order(messages::number.desc()).select(messages::id);
    let message_id: Option<String> = last.first(conn).optional()?;
    message_id.map(|text| id("messages.id", &text)).transpose()
}

/// `messages` of others that a user has not read.
macro_rules! unread {
    ($conn:expr, $sight:expr, $user_id:expr) => {{
        let mark: Option<i64> = message_marks::table
            .filter(message_marks::order_id.eq($sight.order_id.to_string()))
            .filter(message_marks::user_id.eq($user_id.to_string()))
            .select(message_marks::number)
            .first($conn)
            .optional()?;
        seen!($sight)
            .filter(messages::number.gt(mark.unwrap_or(0)))
            .filter(messages::sender_id.ne($user_id.to_string()))
    }};
}

/// How many messages of others a user has not read.
///
/// # Errors
/// When the database fails.
pub fn count_unread(conn: &mut Conn, sight: Sight, user_id: UserId) -> Result<i64, StoreError> {
    Ok(unread!(conn, sight, user_id).count().get_result(conn)?)
}

/// The last message of others that a user has not read, with the name of who wrote it.
///
/// # Errors
/// When the database fails.
pub fn last_unread(
    conn: &mut Conn,
    sight: Sight,
    user_id: UserId,
) -> Result<Option<(Message, String)>, StoreError> {
    let last: Option<(Row, String)> = unread!(conn, sight, user_id)
        .inner_join(users::table)
        .order(messages::number.desc())
        .select((messages::all_columns, users::name))
        .first(conn)
        .optional()?;
    last.map(|(row, name)| Ok((row.try_into()?, name))).transpose()
}

/// Notes that a user has read up to the message with this number; `false` when that was so before.
///
/// # Errors
/// When the database fails.
pub fn move_mark(
    conn: &mut Conn,
    order_id: OrderId,
    user_id: UserId,
    number: i64,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let moved = Statement::new(
        "INSERT INTO message_marks (order_id, user_id, number, read_at) VALUES (?, ?, ?, ?) \
         ON CONFLICT (order_id, user_id) DO UPDATE SET number = excluded.number, read_at = excluded.read_at \
         WHERE message_marks.number < excluded.number",
    )
    .text(order_id.to_string())
    .text(user_id.to_string())
    .bigint(number)
    .bigint(at.as_millis())
    .execute(conn)?;
    Ok(moved > 0)
}

/// How far a user has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Who.
    pub user_id: UserId,
    /// The last message that was read.
    pub up_to: MessageId,
    /// When.
    pub read_at: Timestamp,
}

#[derive(QueryableByName)]
struct MarkRow {
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Text)]
    up_to: String,
    #[diesel(sql_type = BigInt)]
    read_at: i64,
}

/// How far each user has read what may be seen: up to the last such message that the user's mark is at, or beyond.
///
/// # Errors
/// When the database fails.
pub fn marks(conn: &mut Conn, sight: Sight) -> Result<Vec<Mark>, StoreError> {
    // A mark may be at a message of another partner's time.
    let marks = Statement::new(
        "SELECT message_marks.user_id, messages.id AS up_to, message_marks.read_at FROM message_marks \
         JOIN messages ON messages.order_id = message_marks.order_id AND messages.number = \
         (SELECT MAX(seen.number) FROM messages AS seen WHERE seen.order_id = message_marks.order_id \
         AND seen.number <= message_marks.number AND seen.partner_id = COALESCE(?, seen.partner_id)) \
         WHERE message_marks.order_id = ? ORDER BY message_marks.user_id",
    )
    .optional_text(sight.partner_id.map(|partner_id| partner_id.to_string()))
    .text(sight.order_id.to_string());
    let rows: Vec<MarkRow> = marks.load(conn)?;
    let mark = |row: MarkRow| {
        Ok(Mark {
            user_id: id("message_marks.user_id", &row.user_id)?,
            up_to: id("messages.id", &row.up_to)?,
            read_at: Timestamp::from_millis(row.read_at),
        })
    };
    rows.into_iter().map(mark).collect()
}
