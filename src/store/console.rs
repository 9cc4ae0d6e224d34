//! Queries for admins: counts, how orders stand, partners and users.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::domain::ids::{OrderId, PartnerId, UserId};
use crate::domain::order::OrderStatus;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::admin::{LastDayView, PartnerCounts, RatingSummary};

use super::Conn;
use super::error::StoreError;
use super::read::{id, optional_id, parsed};
use super::schema::{orders, ratings};
use super::statement::Statement;

/// How an order stands, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Since when.
    pub since: Timestamp,
}

/// A partner with what admins ask of one.
#[derive(Debug, Clone)]
pub struct PartnerRow {
    /// The partner profile.
    pub id: PartnerId,
    /// The account.
    pub user_id: UserId,
    /// The name.
    pub name: String,
    /// In lower case.
    pub email: String,
    /// Whether the partner wants offers.
    pub online: bool,
    /// Since when that is so.
    pub online_changed_at: Timestamp,
    /// What customers say.
    pub rating: Option<RatingSummary>,
}

/// A user with what admins ask of one.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// The account.
    pub id: UserId,
    /// The name.
    pub name: String,
    /// In lower case.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// The partner profile, for partners.
    pub partner_id: Option<PartnerId>,
    /// The language of notifications.
    pub locale: String,
    /// When the account was made.
    pub created_at: Timestamp,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// What became of orders since `since`.
///
/// # Errors
/// When the database fails.
pub fn last_day(conn: &mut Conn, since: Timestamp) -> Result<LastDayView, StoreError> {
    let placed = Statement::new("SELECT COUNT(*) AS count FROM orders WHERE id >= ?")
        .text(OrderId::first_of(since).to_string())
        .get_result::<Count>(conn)?
        .count;
    let mut ended = |status: OrderStatus| {
        // In the words of the index on these.
        let text = "SELECT COUNT(*) AS count FROM orders WHERE status = ? AND updated_at >= ? \
                    AND status IN ('completed', 'cancelled', 'failed')";
        let counted = Statement::new(text).text(status.as_str()).bigint(since.as_millis());
        counted.get_result::<Count>(conn).map(|row| row.count)
    };
    Ok(LastDayView {
        placed,
        completed: ended(OrderStatus::Completed)?,
        cancelled: ended(OrderStatus::Cancelled)?,
        failed: ended(OrderStatus::Failed)?,
    })
}

/// Partners who want offers, and what they are doing.
///
/// # Errors
/// When the database fails.
pub fn partner_counts(conn: &mut Conn) -> Result<PartnerCounts, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        online: i64,
        #[diesel(sql_type = BigInt)]
        busy: i64,
    }
    let text = "SELECT COUNT(*) AS online, COUNT(CASE WHEN EXISTS (SELECT 1 FROM orders \
                WHERE orders.partner_id = partners.id \
                AND orders.status IN ('assigned', 'en_route', 'arrived', 'picked_up', 'in_transit')) THEN 1 END) AS busy \
                FROM partners WHERE partners.online";
    let Row { online, busy } = Statement::new(text).get_result(conn)?;
    Ok(PartnerCounts { online, busy, idle: online - busy })
}

/// Orders that have not been delivered, and those that failed at `failed_since` or later: the oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn standings(conn: &mut Conn, failed_since: Timestamp, limit: i64) -> Result<Vec<Standing>, StoreError> {
    let going_on = OrderStatus::ALL.into_iter().filter(|status| !status.is_end());
    let going_on = going_on.filter(|status| *status != OrderStatus::Delivered).map(OrderStatus::as_str);
    let mut found: Vec<(String, String, i64)> = orders::table
        .filter(orders::status.eq_any(going_on))
        .select((orders::id, orders::status, orders::updated_at))
        .order(orders::id)
        .limit(limit)
        .load(conn)?;
    let failed: Vec<(String, String, i64)> = orders::table
        .filter(orders::status.eq(OrderStatus::Failed.as_str()))
        // In the words of the index on these.
        .filter(diesel::dsl::sql::<Bool>("orders.status IN ('completed', 'cancelled', 'failed')"))
        .filter(orders::updated_at.ge(failed_since.as_millis()))
        .select((orders::id, orders::status, orders::updated_at))
        .order(orders::updated_at)
        .limit(limit)
        .load(conn)?;
    found.extend(failed);
    let standing = |(order_id, status, since): (String, String, i64)| {
        Ok(Standing {
            order_id: id("orders.id", &order_id)?,
            status: parsed("orders.status", &status)?,
            since: Timestamp::from_millis(since),
        })
    };
    found.into_iter().map(standing).collect()
}

/// The most users that a list is made among.
pub const AMONG: usize = 50;

/// What a list of people is to hold.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// Only those with this in the name or the e-mail address, in any case.
    pub text: Option<String>,
    /// Only with this role.
    pub role: Option<Role>,
    /// Only partners who want offers, or only those who do not.
    pub online: Option<bool>,
    /// Only these, at most [`AMONG`].
    pub among: Option<Vec<UserId>>,
    /// Only those whose account was made before this one.
    pub before: Option<UserId>,
}

/// The users of a list with `columns`, newest account first.
fn people(columns: &str, from: &str, list: &People, limit: i64) -> Statement<'static> {
    // Few texts: each condition is there or not.
    let mut text = format!("SELECT {columns} FROM {from} WHERE users.deleted_at IS NULL");
    if list.text.is_some() {
        // The database makes both small, since SQLite knows only ASCII letters.
        text.push_str(
            " AND (LOWER(users.name) LIKE LOWER(?) ESCAPE '\\' OR users.email LIKE LOWER(?) ESCAPE '\\')",
        );
    }
    if list.role.is_some() {
        text.push_str(" AND users.role = ?");
    }
    if list.online.is_some() {
        text.push_str(" AND partners.online = ?");
    }
    if list.among.is_some() {
        // Always as many, so that there is one statement to prepare.
        text.push_str(&format!(" AND users.id IN ({})", ["?"; AMONG].join(", ")));
    }
    if list.before.is_some() {
        text.push_str(" AND users.id < ?");
    }
    text.push_str(" ORDER BY users.id DESC LIMIT ?");
    let mut statement = Statement::new(text);
    if let Some(part) = &list.text {
        let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = format!("%{escaped}%");
        statement = statement.text(pattern.clone()).text(pattern);
    }
    if let Some(role) = list.role {
        statement = statement.text(role.as_str());
    }
    if let Some(online) = list.online {
        statement = statement.boolean(online);
    }
    if let Some(among) = &list.among {
        let names = among.iter().map(ToString::to_string).chain(std::iter::repeat_with(String::new));
        statement = names.take(AMONG).fold(statement, Statement::text);
    }
    if let Some(before) = list.before {
        statement = statement.text(before.to_string());
    }
    statement.bigint(limit)
}

#[derive(QueryableByName)]
struct PartnerSqlRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Bool)]
    online: bool,
    #[diesel(sql_type = BigInt)]
    online_changed_at: i64,
}

/// Partners, newest account first.
///
/// # Errors
/// When the database fails.
pub fn partners(conn: &mut Conn, list: &People, limit: i64) -> Result<Vec<PartnerRow>, StoreError> {
    let columns = "partners.id AS id, users.id AS user_id, users.name AS name, users.email AS email, \
                   partners.online AS online, partners.online_changed_at AS online_changed_at";
    let from = "users INNER JOIN partners ON partners.user_id = users.id";
    let rows: Vec<PartnerSqlRow> = people(columns, from, list, limit).load(conn)?;
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let ratings = ratings(conn, &ids)?;
    let partner = |row: PartnerSqlRow| {
        Ok(PartnerRow {
            id: id("partners.id", &row.id)?,
            user_id: id("partners.user_id", &row.user_id)?,
            name: row.name,
            email: row.email,
            online: row.online,
            online_changed_at: Timestamp::from_millis(row.online_changed_at),
            rating: ratings.get(&row.id).copied(),
        })
    };
    rows.into_iter().map(partner).collect()
}

/// What customers say of these partners.
fn ratings(conn: &mut Conn, partners: &[&str]) -> Result<HashMap<String, RatingSummary>, StoreError> {
    let rows: Vec<(Option<String>, i64, Option<i64>)> = ratings::table
        .inner_join(orders::table.on(orders::id.eq(ratings::order_id)))
        .filter(orders::partner_id.eq_any(partners))
        .group_by(orders::partner_id)
        .select((orders::partner_id, diesel::dsl::count_star(), diesel::dsl::sum(ratings::stars)))
        .load(conn)?;
    let summary = |(partner_id, count, stars): (Option<String>, i64, Option<i64>)| {
        Some((partner_id?, RatingSummary { average: stars? as f64 / count as f64, count }))
    };
    Ok(rows.into_iter().filter_map(summary).collect())
}

#[derive(QueryableByName)]
struct UserSqlRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    locale: String,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    partner_id: Option<String>,
}

/// Users, newest account first.
///
/// # Errors
/// When the database fails.
pub fn users(conn: &mut Conn, list: &People, limit: i64) -> Result<Vec<UserRow>, StoreError> {
    let columns = "users.id AS id, users.name AS name, users.email AS email, users.role AS role, users.locale AS locale, \
                   users.created_at AS created_at, partners.id AS partner_id";
    let from = "users LEFT JOIN partners ON partners.user_id = users.id";
    let rows: Vec<UserSqlRow> = people(columns, from, list, limit).load(conn)?;
    let user = |row: UserSqlRow| {
        Ok(UserRow {
            id: id("users.id", &row.id)?,
            name: row.name,
            email: row.email,
            role: parsed("users.role", &row.role)?,
            partner_id: optional_id("partners.id", row.partner_id.as_deref())?,
            locale: row.locale,
            created_at: Timestamp::from_millis(row.created_at),
        })
    };
    rows.into_iter().map(user).collect()
}

/// The orders that partners have in hand, the oldest first.
///
/// # Errors
/// When the database fails.
pub fn in_hand(
    conn: &mut Conn,
    partners: &[PartnerId],
) -> Result<HashMap<PartnerId, Vec<OrderId>>, StoreError> {
    let names = partners.iter().map(ToString::to_string);
    // In the words of the index on these.
    let in_hand = "orders.status IN ('assigned', 'en_route', 'arrived', 'picked_up', 'in_transit')";
    let rows: Vec<(Option<String>, String)> = orders::table
        .filter(orders::partner_id.eq_any(names))
        .filter(diesel::dsl::sql::<Bool>(in_hand))
        .select((orders::partner_id, orders::id))
        .order(orders::id)
        .load(conn)?;
    let mut found = HashMap::<_, Vec<_>>::new();
    for (partner_id, order_id) in rows {
        if let Some(partner_id) = optional_id("orders.partner_id", partner_id.as_deref())? {
            found.entry(partner_id).or_default().push(id("orders.id", &order_id)?);
        }
    }
    Ok(found)
}
