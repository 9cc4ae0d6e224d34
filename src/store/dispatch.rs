//! Rows of dispatch: who is online, what was offered to whom, and what each look for partners found.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::{Deserialize, Serialize};

use crate::domain::dispatch::{OfferStatus, Standing, Verdict};
use crate::domain::ids::{OfferId, OrderId, PartnerId};
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::read::{id, parsed};
use super::schema::{dispatch_looks, offers, partners, users};
use super::statement::Statement;

/// Partners that one statement asks about.
const CHUNK: usize = 50;

/// Whether a partner wants offers, and since when that is so.
///
/// # Errors
/// When the database fails.
pub fn availability(conn: &mut Conn, partner_id: PartnerId) -> Result<Option<(bool, Timestamp)>, StoreError> {
    let row: Option<(bool, i64)> = partners::table
        .filter(partners::id.eq(partner_id.to_string()))
        .select((partners::online, partners::online_changed_at))
        .first(conn)
        .optional()?;
    Ok(row.map(|(online, at)| (online, Timestamp::from_millis(at))))
}

/// Notes that a partner wants offers, or none; `false` when that was so already.
///
/// # Errors
/// When the database fails.
pub fn set_availability(
    conn: &mut Conn,
    partner_id: PartnerId,
    online: bool,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let changed = diesel::update(partners::table)
        .filter(partners::id.eq(partner_id.to_string()))
        .filter(partners::online.ne(online))
        .set((partners::online.eq(online), partners::online_changed_at.eq(at.as_millis())))
        .execute(conn)?;
    Ok(changed > 0)
}

/// How many orders a partner has in hand. Until the transaction ends nobody else can give that partner one.
///
/// # Errors
/// When the database fails.
pub fn lock_in_hand(conn: &mut Conn, partner_id: PartnerId) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    lock_partner(conn, partner_id)?;
    let query = "SELECT COUNT(*) AS count FROM orders WHERE partner_id = ? \
                 AND status IN ('assigned', 'en_route', 'arrived', 'picked_up', 'in_transit')";
    let count: Count = Statement::new(query).text(partner_id.to_string()).get_result(conn)?;
    Ok(count.count)
}

/// Locks a partner's row: until the transaction ends nobody else offers anything to that partner, who does not go offline
/// and gets nothing into hand either.
///
/// # Errors
/// When the database fails.
pub fn lock_partner(conn: &mut Conn, partner_id: PartnerId) -> Result<(), StoreError> {
    match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => {}
        Conn::Postgres(_) => {
            // Not for its key, which orders refer to.
            let lock = Statement::new("SELECT 1 FROM partners WHERE id = ? FOR NO KEY UPDATE");
            lock.text(partner_id.to_string()).execute(conn)?;
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct StandingRow {
    #[diesel(sql_type = Text)]
    partner_id: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Bool)]
    online: bool,
    #[diesel(sql_type = BigInt)]
    in_hand: i64,
    #[diesel(sql_type = BigInt)]
    asked: i64,
    #[diesel(sql_type = Bool)]
    is_former: bool,
    #[diesel(sql_type = Nullable<Text>)]
    last_offer: Option<String>,
}

/// What is known of these partners where this order is concerned; nothing of those who are gone.
///
/// # Errors
/// When the database fails.
pub fn standings(
    conn: &mut Conn,
    order_id: OrderId,
    partners: &[PartnerId],
) -> Result<HashMap<PartnerId, Standing>, StoreError> {
    let places = vec!["?"; CHUNK].join(", ");
    // The last offer's status and the time when it was closed, in one text: one look instead of two.
    let query = format!(
        "SELECT partners.id AS partner_id, partners.user_id AS user_id, partners.online AS online, \
         (SELECT COUNT(*) FROM orders WHERE orders.partner_id = partners.id \
          AND orders.status IN ('assigned', 'en_route', 'arrived', 'picked_up', 'in_transit')) AS in_hand, \
         (SELECT COUNT(*) FROM offers WHERE offers.partner_id = partners.id AND offers.status = 'open') AS asked, \
         EXISTS (SELECT 1 FROM former_partners WHERE former_partners.order_id = ? \
          AND former_partners.partner_id = partners.id) AS is_former, \
         (SELECT offers.status || ' ' || COALESCE(CAST(offers.closed_at AS TEXT), '') FROM offers \
          WHERE offers.order_id = ? AND offers.partner_id = partners.id ORDER BY offers.id DESC LIMIT 1) AS last_offer \
         FROM partners INNER JOIN users ON users.id = partners.user_id \
         WHERE users.deleted_at IS NULL AND users.role = 'partner' AND partners.id IN ({places})"
    );
    let mut found = HashMap::new();
    for chunk in partners.chunks(CHUNK) {
        let statement = Statement::new(query.clone()).text(order_id.to_string()).text(order_id.to_string());
        // Always as many, so that there is one statement to prepare.
        let names = chunk.iter().map(ToString::to_string).chain(std::iter::repeat_with(String::new));
        let statement = names.take(CHUNK).fold(statement, Statement::text);
        for row in statement.load::<StandingRow>(conn)? {
            let last_offer = row.last_offer.as_deref().map(last_offer).transpose()?;
            let standing = Standing {
                user_id: id("partners.user_id", &row.user_id)?,
                online: row.online,
                load: row.in_hand + row.asked,
                is_former: row.is_former,
                last_offer,
            };
            found.insert(id("partners.id", &row.partner_id)?, standing);
        }
    }
    Ok(found)
}

fn last_offer(text: &str) -> Result<(OfferStatus, Option<Timestamp>), StoreError> {
    let (status, closed_at) = text.split_once(' ').unwrap_or((text, ""));
    Ok((parsed("offers.status", status)?, closed_at.parse().ok().map(Timestamp::from_millis)))
}

/// An offer of an order to a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// Of which order.
    pub order_id: OrderId,
    /// To whom.
    pub partner_id: PartnerId,
    /// Which look it came of.
    pub look: i64,
    /// Where it stands.
    pub status: OfferStatus,
    /// Why it was declined.
    pub reason: Option<String>,
    /// How far the partner was from the pick-up, metres.
    pub pickup_distance: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    /// Since when it cannot.
    pub closed_at: Option<Timestamp>,
}

#[derive(Queryable)]
struct OfferRow {
    id: String,
    order_id: String,
    partner_id: String,
    look: i64,
    status: String,
    reason: Option<String>,
    pickup_distance: i64,
    created_at: i64,
    expires_at: i64,
    closed_at: Option<i64>,
}

impl TryFrom<OfferRow> for Offer {
    type Error = StoreError;

    fn try_from(row: OfferRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: id("offers.id", &row.id)?,
            order_id: id("offers.order_id", &row.order_id)?,
            partner_id: id("offers.partner_id", &row.partner_id)?,
            look: row.look,
            status: parsed("offers.status", &row.status)?,
            reason: row.reason,
            pickup_distance: u32::try_from(row.pickup_distance).unwrap_or(u32::MAX),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            closed_at: row.closed_at.map(Timestamp::from_millis),
        })
    }
}

/// Adds an offer.
///
/// # Errors
/// When the database fails.
pub fn insert_offer(conn: &mut Conn, offer: &Offer) -> Result<(), StoreError> {
    diesel::insert_into(offers::table)
        .values((
            offers::id.eq(offer.id.to_string()),
            offers::order_id.eq(offer.order_id.to_string()),
            offers::partner_id.eq(offer.partner_id.to_string()),
            offers::look.eq(offer.look),
            offers::status.eq(offer.status.as_str()),
            offers::reason.eq(offer.reason.as_deref()),
            offers::pickup_distance.eq(i64::from(offer.pickup_distance)),
            offers::created_at.eq(offer.created_at.as_millis()),
            offers::expires_at.eq(offer.expires_at.as_millis()),
            offers::closed_at.eq(offer.closed_at.map(Timestamp::as_millis)),
        ))
        .execute(conn)?;
    Ok(())
}

/// An offer by id.
///
/// # Errors
/// When the database fails.
pub fn find_offer(conn: &mut Conn, offer_id: OfferId) -> Result<Option<Offer>, StoreError> {
    let row = offers::table.filter(offers::id.eq(offer_id.to_string())).first::<OfferRow>(conn).optional()?;
    row.map(Offer::try_from).transpose()
}

/// All offers of an order, oldest first.
///
/// # Errors
/// When the database fails.
pub fn offers_of_order(conn: &mut Conn, order_id: OrderId) -> Result<Vec<Offer>, StoreError> {
    let rows = offers::table.filter(offers::order_id.eq(order_id.to_string())).order(offers::id);
    rows.load::<OfferRow>(conn)?.into_iter().map(Offer::try_from).collect()
}

/// The open offers of an order, oldest first.
///
/// # Errors
/// When the database fails.
pub fn open_offers(conn: &mut Conn, order_id: OrderId) -> Result<Vec<Offer>, StoreError> {
    let rows = offers::table
        .filter(offers::order_id.eq(order_id.to_string()))
        .filter(offers::status.eq(OfferStatus::Open.as_str()))
        .order(offers::id);
    rows.load::<OfferRow>(conn)?.into_iter().map(Offer::try_from).collect()
}

/// A partner's open offers, oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn open_offers_to(conn: &mut Conn, partner_id: PartnerId, limit: i64) -> Result<Vec<Offer>, StoreError> {
    let rows = offers::table
        .filter(offers::partner_id.eq(partner_id.to_string()))
        .filter(offers::status.eq(OfferStatus::Open.as_str()))
        .order(offers::id)
        .limit(limit);
    rows.load::<OfferRow>(conn)?.into_iter().map(Offer::try_from).collect()
}

/// Closes an offer. Its order's row is locked.
///
/// # Errors
/// When the database fails.
pub fn close_offer(
    conn: &mut Conn,
    offer_id: OfferId,
    status: OfferStatus,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    Statement::new("UPDATE offers SET status = ?, reason = ?, closed_at = ? WHERE id = ?")
        .text(status.as_str())
        .optional_text(reason.map(Into::into))
        .bigint(at.as_millis())
        .text(offer_id.to_string())
        .execute(conn)?;
    Ok(())
}

/// Notes that a partner has an order no longer and is not to be offered it again.
///
/// # Errors
/// When the database fails.
pub fn insert_former(conn: &mut Conn, order_id: OrderId, partner_id: PartnerId) -> Result<(), StoreError> {
    let text = "INSERT INTO former_partners (order_id, partner_id) VALUES (?, ?) ON CONFLICT DO NOTHING";
    Statement::new(text).text(order_id.to_string()).text(partner_id.to_string()).execute(conn)?;
    Ok(())
}

/// One look for partners, or several in a row that found nobody.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Counts the looks of an order, from 1.
    pub look: i64,
    /// When; of several, the last.
    pub at: Timestamp,
    /// How far, metres.
    pub radius: u32,
    /// How many partners were asked.
    pub offered: i64,
    /// Who was near, the nearest first.
    pub candidates: Vec<Judged>,
}

/// A partner who was near, and what spoke for or against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Who.
    pub partner_id: PartnerId,
    /// How far from the pick-up, metres.
    pub distance: u32,
    /// How old that position was, seconds.
    pub age: u64,
    /// Why it was offered, or not.
    pub verdict: Verdict,
}

#[derive(Queryable)]
struct LookRow {
    _order_id: String,
    look: i64,
    at: i64,
    radius: i64,
    offered: i64,
    candidates: String,
}

impl TryFrom<LookRow> for Look {
    type Error = StoreError;

    fn try_from(row: LookRow) -> Result<Self, StoreError> {
        let candidates = serde_json::from_str(&row.candidates).map_err(|_| StoreError::Corrupt {
            what: "dispatch_looks.candidates",
            value: row.candidates.clone(),
        })?;
        Ok(Self {
            look: row.look,
            at: Timestamp::from_millis(row.at),
            radius: u32::try_from(row.radius).unwrap_or(u32::MAX),
            offered: row.offered,
            candidates,
        })
    }
}

/// Keeps a look; one with the same number is replaced.
///
/// # Errors
/// When the database fails.
pub fn save_look(conn: &mut Conn, order_id: OrderId, look: &Look) -> Result<(), StoreError> {
    Statement::new(
        "INSERT INTO dispatch_looks (order_id, look, at, radius, offered, candidates) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (order_id, look) DO UPDATE SET at = excluded.at, radius = excluded.radius, \
         offered = excluded.offered, candidates = excluded.candidates",
    )
    .text(order_id.to_string())
    .bigint(look.look)
    .bigint(look.at.as_millis())
    .bigint(i64::from(look.radius))
    .bigint(look.offered)
    .text(crate::protocol::server::to_json(&look.candidates))
    .execute(conn)?;
    Ok(())
}

/// The last look of an order, without whom it found.
///
/// # Errors
/// When the database fails.
pub fn last_look(conn: &mut Conn, order_id: OrderId) -> Result<Option<Look>, StoreError> {
    let row: Option<(i64, i64, i64, i64)> = dispatch_looks::table
        .filter(dispatch_looks::order_id.eq(order_id.to_string()))
        .order(dispatch_looks::look.desc())
        .select((dispatch_looks::look, dispatch_looks::at, dispatch_looks::radius, dispatch_looks::offered))
        .first(conn)
        .optional()?;
    Ok(row.map(|(look, at, radius, offered)| Look {
        look,
        at: Timestamp::from_millis(at),
        radius: u32::try_from(radius).unwrap_or(u32::MAX),
        offered,
        candidates: Vec::new(),
    }))
}

/// Removes what is kept of looks and offers of orders that were placed before `before` and have ended, some at once; tells
/// how many rows these were.
///
/// # Errors
/// When the database fails.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    // Ids of orders sort by the time they were made.
    let first = OrderId::first_of(before).to_string();
    let mut removed = 0;
    for (table, key) in
        [("dispatch_looks", "order_id, look"), ("former_partners", "order_id, partner_id"), ("offers", "id")]
    {
        let text = format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE order_id < ? AND {} LIMIT ?)",
            super::orders::is_over(table)
        );
        removed += Statement::new(text).text(first.as_str()).bigint(limit).execute(conn)?;
    }
    Ok(removed)
}

/// The looks of an order, oldest first.
///
/// # Errors
/// When the database fails.
pub fn looks(conn: &mut Conn, order_id: OrderId) -> Result<Vec<Look>, StoreError> {
    let rows = dispatch_looks::table
        .filter(dispatch_looks::order_id.eq(order_id.to_string()))
        .order(dispatch_looks::look);
    rows.load::<LookRow>(conn)?.into_iter().map(Look::try_from).collect()
}

/// The names of these partners.
///
/// # Errors
/// When the database fails.
pub fn names_of(conn: &mut Conn, ids: &[PartnerId]) -> Result<HashMap<PartnerId, String>, StoreError> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let names: Vec<String> = chunk.iter().map(ToString::to_string).collect();
        let rows: Vec<(String, String)> = partners::table
            .inner_join(users::table)
            .filter(partners::id.eq_any(names))
            .select((partners::id, users::name))
            .load(conn)?;
        for (partner_id, name) in rows {
            found.insert(id("partners.id", &partner_id)?, name);
        }
    }
    Ok(found)
}
