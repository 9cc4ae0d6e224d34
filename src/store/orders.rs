//! Rows of orders, their timelines and their ratings.

use diesel::prelude::*;

use crate::domain::geo::{Place, Position};
use crate::domain::ids::{OrderId, PartnerId, UserId};
use crate::domain::money::Money;
use crate::domain::order::{Assignee, Order, OrderStatus, Party};
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{id, optional_id, parsed};
use super::schema::{order_steps, orders, partner_users, partners, ratings, users};
use super::statement::Statement;

#[derive(Queryable)]
struct Row {
    id: String,
    status: String,
    version: i64,
    customer_id: String,
    customer_name: String,
    partner_id: Option<String>,
    partner_user_id: Option<String>,
    partner_name: Option<String>,
    pickup: (f64, f64, String),
    dropoff: (f64, f64, String),
    items: String,
    price: (i64, String),
    payment_method: String,
    notes: Option<String>,
    code: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Order {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let partner_id: Option<PartnerId> = optional_id("orders.partner_id", row.partner_id.as_deref())?;
        let partner = match (partner_id, row.partner_user_id, row.partner_name) {
            (Some(partner_id), Some(user_id), Some(name)) => {
                Some(Assignee { partner_id, user_id: id("partners.user_id", &user_id)?, name })
            }
            (None, _, _) | (_, None, _) | (_, _, None) => None,
        };
        let place = |(latitude, longitude, address)| Place { latitude, longitude, address };
        let items = serde_json::from_str(&row.items)
            .map_err(|_| StoreError::Corrupt { what: "orders.items", value: row.items.clone() })?;
        Ok(Self {
            id: id("orders.id", &row.id)?,
            status: parsed("orders.status", &row.status)?,
            version: row.version,
            customer_id: id("orders.customer_id", &row.customer_id)?,
            customer_name: row.customer_name,
            partner,
            pickup: place(row.pickup),
            dropoff: place(row.dropoff),
            items,
            price: Money { amount: row.price.0, currency: parsed("orders.price_currency", &row.price.1)? },
            payment_method: parsed("orders.payment_method", &row.payment_method)?,
            notes: row.notes,
            code: row.code,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        })
    }
}

/// Columns of [`Row`], from `orders` joined with its customer, its partner and that partner's user.
macro_rules! columns {
    () => {
        (
            orders::id,
            orders::status,
            orders::version,
            orders::customer_id,
            users::name,
            orders::partner_id,
            partners::user_id.nullable(),
            partner_users.field(users::name).nullable(),
            (orders::pickup_latitude, orders::pickup_longitude, orders::pickup_address),
            (orders::dropoff_latitude, orders::dropoff_longitude, orders::dropoff_address),
            orders::items,
            (orders::price_amount, orders::price_currency),
            orders::payment_method,
            orders::notes,
            orders::code,
            orders::created_at,
            orders::updated_at,
        )
    };
}

/// `orders` joined with what [`columns`] needs.
macro_rules! joined {
    () => {
        orders::table
            .inner_join(users::table)
            .left_join(partners::table.on(orders::partner_id.eq(partners::id.nullable())))
            .left_join(partner_users.on(partners::user_id.eq(partner_users.field(users::id))))
    };
}

/// Adds an order.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Conn, order: &Order) -> Result<(), StoreError> {
    diesel::insert_into(orders::table)
        .values((
            orders::id.eq(order.id.to_string()),
            orders::status.eq(order.status.as_str()),
            orders::version.eq(order.version),
            orders::customer_id.eq(order.customer_id.to_string()),
            orders::partner_id.eq(order.partner.as_ref().map(|partner| partner.partner_id.to_string())),
            orders::pickup_latitude.eq(order.pickup.latitude),
            orders::pickup_longitude.eq(order.pickup.longitude),
            orders::pickup_address.eq(&order.pickup.address),
            orders::dropoff_latitude.eq(order.dropoff.latitude),
            orders::dropoff_longitude.eq(order.dropoff.longitude),
            orders::dropoff_address.eq(&order.dropoff.address),
            orders::items.eq(crate::protocol::server::to_json(&order.items)),
            orders::price_amount.eq(order.price.amount),
            orders::price_currency.eq(order.price.currency.to_string()),
            orders::payment_method.eq(order.payment_method.as_str()),
            orders::notes.eq(order.notes.as_deref()),
            orders::code.eq(&order.code),
            orders::created_at.eq(order.created_at.as_millis()),
            orders::updated_at.eq(order.updated_at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}

/// An order by id.
///
/// # Errors
/// When the database fails.
pub fn find(conn: &mut Conn, order_id: OrderId) -> Result<Option<Order>, StoreError> {
    joined!()
        .filter(orders::id.eq(order_id.to_string()))
        .select(columns!())
        .first::<Row>(conn)
        .optional()?
        .map(Order::try_from)
        .transpose()
}

/// Those of these orders that exist, in no order.
///
/// # Errors
/// When the database fails.
pub fn find_all(conn: &mut Conn, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
    let names = ids.iter().map(ToString::to_string);
    let rows = joined!().filter(orders::id.eq_any(names)).select(columns!()).load::<Row>(conn)?;
    rows.into_iter().map(Order::try_from).collect()
}

/// An order by id, which nobody else can change until the transaction ends.
///
/// # Errors
/// When the database fails.
pub fn find_locked(conn: &mut Conn, order_id: OrderId) -> Result<Option<Order>, StoreError> {
    match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => {}
        Conn::Postgres(conn) => {
            let lock = Statement::new("SELECT 1 FROM orders WHERE id = ? FOR UPDATE");
            lock.text(order_id.to_string()).execute(conn)?;
        }
    }
    find(conn, order_id)
}

/// What came of an attempt to lock an order without waiting.
#[derive(Debug)]
pub enum Attempt {
    /// It is locked until the transaction ends, if it exists.
    Locked(Option<Box<Order>>),
    /// Another transaction holds it.
    Held,
}

/// Like [`find_locked`], but comes back at once when another transaction holds the order.
///
/// # Errors
/// When the database fails.
pub fn try_find_locked(conn: &mut Conn, order_id: OrderId) -> Result<Attempt, StoreError> {
    match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => Ok(Attempt::Locked(find(conn, order_id)?.map(Box::new))),
        Conn::Postgres(_) => {
            let lock = Statement::new("SELECT 1 FROM orders WHERE id = ? FOR UPDATE SKIP LOCKED");
            let is_locked = lock.text(order_id.to_string()).execute(conn)? > 0;
            Ok(match find(conn, order_id)? {
                Some(_) if !is_locked => Attempt::Held,
                found => Attempt::Locked(found.map(Box::new)),
            })
        }
    }
}

/// The names of the statuses that nothing can follow.
pub(super) fn ends() -> Vec<&'static str> {
    OrderStatus::ALL.into_iter().filter(|status| status.is_end()).map(OrderStatus::as_str).collect()
}

/// Whether the order that a row of this table is about goes on no more, as a condition.
pub(super) fn is_over(table: &str) -> String {
    let names = ends().join("', '");
    format!(
        "NOT EXISTS (SELECT 1 FROM orders WHERE orders.id = {table}.order_id AND orders.status NOT IN ('{names}'))"
    )
}

/// Which orders a list is to hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in one of these; in any without one.
    pub statuses: Vec<OrderStatus>,
    /// Only of this customer.
    pub customer_id: Option<UserId>,
    /// Only of this partner.
    pub partner_id: Option<PartnerId>,
    /// Only those that a partner has in hand.
    pub in_hand: bool,
    /// Only those placed before this one.
    pub before: Option<OrderId>,
}

/// Orders, newest first.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &mut Conn, filter: &Filter, limit: i64) -> Result<Vec<Order>, StoreError> {
    let mut query = joined!().select(columns!()).order(orders::id.desc()).limit(limit).into_boxed();
    if !filter.statuses.is_empty() {
        let statuses = filter.statuses.iter().map(|status| status.as_str());
        query = query.filter(orders::status.eq_any(statuses));
    }
    if let Some(customer_id) = filter.customer_id {
        query = query.filter(orders::customer_id.eq(customer_id.to_string()));
    }
    if let Some(partner_id) = filter.partner_id {
        query = query.filter(orders::partner_id.eq(partner_id.to_string()));
    }
    if filter.in_hand {
        // In the words of the index on these.
        let in_hand = "orders.status IN ('assigned', 'en_route', 'arrived', 'picked_up', 'in_transit')";
        query = query.filter(diesel::dsl::sql::<diesel::sql_types::Bool>(in_hand));
    }
    if let Some(before) = filter.before {
        query = query.filter(orders::id.lt(before.to_string()));
    }
    query.load::<Row>(conn)?.into_iter().map(Order::try_from).collect()
}

/// How many orders stand in each status.
///
/// # Errors
/// When the database fails.
pub fn count_by_status(conn: &mut Conn) -> Result<Vec<(OrderStatus, i64)>, StoreError> {
    let rows: Vec<(String, i64)> = orders::table
        .group_by(orders::status)
        .select((orders::status, diesel::dsl::count_star()))
        .load(conn)?;
    rows.into_iter().map(|(status, count)| Ok((parsed("orders.status", &status)?, count))).collect()
}

/// Writes what a step has changed.
///
/// # Errors
/// When the database fails.
pub fn update(conn: &mut Conn, order: &Order) -> Result<(), StoreError> {
    Statement::new("UPDATE orders SET status = ?, version = ?, partner_id = ?, updated_at = ? WHERE id = ?")
        .text(order.status.as_str())
        .bigint(order.version)
        .optional_text(order.partner.as_ref().map(|partner| partner.partner_id.to_string()))
        .bigint(order.updated_at.as_millis())
        .text(order.id.to_string())
        .execute(conn)?;
    Ok(())
}

/// One step in an order's timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineStep {
    /// The order's version after it.
    pub version: i64,
    /// Before; none for the first.
    pub from: Option<OrderStatus>,
    /// After.
    pub to: OrderStatus,
    /// As what it was taken.
    pub party: Party,
    /// By whom, where it was a user.
    pub user_id: Option<UserId>,
    /// Why.
    pub reason: Option<String>,
    /// What was said at the hand-over.
    pub note: Option<String>,
    /// Where the partner was.
    pub position: Option<Position>,
    /// When.
    pub at: Timestamp,
    /// Of a step to `assigned`: who got the order. Not known of those that were taken before this was noted.
    pub partner_id: Option<PartnerId>,
}

/// Adds a step to an order's timeline.
///
/// # Errors
/// When the database fails.
pub fn insert_step(conn: &mut Conn, order_id: OrderId, step: &TimelineStep) -> Result<(), StoreError> {
    diesel::insert_into(order_steps::table)
        .values((
            order_steps::order_id.eq(order_id.to_string()),
            order_steps::version.eq(step.version),
            order_steps::from_status.eq(step.from.map(OrderStatus::as_str)),
            order_steps::to_status.eq(step.to.as_str()),
            order_steps::party.eq(step.party.as_str()),
            order_steps::user_id.eq(step.user_id.map(|user_id| user_id.to_string())),
            order_steps::reason.eq(step.reason.as_deref()),
            order_steps::note.eq(step.note.as_deref()),
            order_steps::latitude.eq(step.position.map(|position| position.latitude)),
            order_steps::longitude.eq(step.position.map(|position| position.longitude)),
            order_steps::at.eq(step.at.as_millis()),
            order_steps::partner_id.eq(step.partner_id.map(|partner_id| partner_id.to_string())),
        ))
        .execute(conn)?;
    Ok(())
}

#[derive(Queryable)]
struct StepRow {
    _order_id: String,
    version: i64,
    from_status: Option<String>,
    to_status: String,
    party: String,
    user_id: Option<String>,
    reason: Option<String>,
    note: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    at: i64,
    partner_id: Option<String>,
}

impl TryFrom<StepRow> for TimelineStep {
    type Error = StoreError;

    fn try_from(row: StepRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: row.version,
            from: optional_id("order_steps.from_status", row.from_status.as_deref())?,
            to: parsed("order_steps.to_status", &row.to_status)?,
            party: parsed("order_steps.party", &row.party)?,
            user_id: optional_id("order_steps.user_id", row.user_id.as_deref())?,
            reason: row.reason,
            note: row.note,
            position: row
                .latitude
                .zip(row.longitude)
                .map(|(latitude, longitude)| Position { latitude, longitude }),
            at: Timestamp::from_millis(row.at),
            partner_id: optional_id("order_steps.partner_id", row.partner_id.as_deref())?,
        })
    }
}

/// An order's timeline, oldest step first.
///
/// # Errors
/// When the database fails.
pub fn timeline(conn: &mut Conn, order_id: OrderId) -> Result<Vec<TimelineStep>, StoreError> {
    order_steps::table
        .filter(order_steps::order_id.eq(order_id.to_string()))
        .order(order_steps::version)
        .load::<StepRow>(conn)?
        .into_iter()
        .map(TimelineStep::try_from)
        .collect()
}

/// An order's rating: its stars, the comment, and when it was given.
///
/// # Errors
/// When the database fails.
pub fn find_rating(
    conn: &mut Conn,
    order_id: OrderId,
) -> Result<Option<(u8, Option<String>, Timestamp)>, StoreError> {
    let row: Option<(i16, Option<String>, i64)> = ratings::table
        .filter(ratings::order_id.eq(order_id.to_string()))
        .select((ratings::stars, ratings::comment, ratings::created_at))
        .first(conn)
        .optional()?;
    // The table takes 1 to 5.
    Ok(row.map(|(stars, comment, at)| {
        (u8::try_from(stars).unwrap_or_default(), comment, Timestamp::from_millis(at))
    }))
}

/// Adds an order's rating; `false` when it has one.
///
/// # Errors
/// When the database fails.
pub fn insert_rating(
    conn: &mut Conn,
    order_id: OrderId,
    stars: i16,
    comment: Option<&str>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    // The order's row is locked: nobody adds one in between.
    let rated: i64 =
        ratings::table.filter(ratings::order_id.eq(order_id.to_string())).count().get_result(conn)?;
    if rated > 0 {
        return Ok(false);
    }
    diesel::insert_into(ratings::table)
        .values((
            ratings::order_id.eq(order_id.to_string()),
            ratings::stars.eq(stars),
            ratings::comment.eq(comment),
            ratings::created_at.eq(at.as_millis()),
        ))
        .execute(conn)?;
    Ok(true)
}
