//! Rows of where partners were last seen, those without an order.

use std::borrow::Cow;
use std::collections::HashSet;

use diesel::prelude::*;

use crate::domain::geo::Position;
use crate::domain::ids::PartnerId;
use crate::domain::time::Timestamp;
use crate::protocol::channel::PartnerPosition;

use super::Conn;
use super::error::StoreError;
use super::read::id;
use super::schema::{partner_positions, partners};
use super::statement::Statement;

/// Statements with so many rows each: few texts, and few round trips.
const ROWS: [usize; 3] = [128, 16, 1];

/// Notes where partners are, unless something later is there. To be given in the order of their ids, so that no two
/// transactions wait for each other.
///
/// # Errors
/// When the database fails.
pub fn put(conn: &mut Conn, seen: &[PartnerPosition]) -> Result<(), StoreError> {
    let mut rest = seen;
    for size in ROWS {
        while let Some((rows, after)) = rest.split_at_checked(size) {
            rest = after;
            let statement = rows.iter().fold(Statement::new(putting(size)), |statement, seen| {
                statement
                    .text(seen.partner_id.to_string())
                    .bigint(seen.at.as_millis())
                    .double(seen.position.latitude)
                    .double(seen.position.longitude)
                    .double(seen.accuracy)
            });
            statement.execute(conn)?;
            if rest.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

fn putting(rows: usize) -> Cow<'static, str> {
    let rows = ["(?, ?, ?, ?, ?)"].repeat(rows).join(", ");
    format!(
        "INSERT INTO partner_positions (partner_id, at, latitude, longitude, accuracy) VALUES {rows} \
         ON CONFLICT (partner_id) DO UPDATE SET at = excluded.at, latitude = excluded.latitude, \
         longitude = excluded.longitude, accuracy = excluded.accuracy WHERE excluded.at > partner_positions.at"
    )
    .into()
}

/// Where partners were who were seen at `since` or later.
///
/// # Errors
/// When the database fails.
pub fn seen_since(conn: &mut Conn, since: Timestamp) -> Result<Vec<PartnerPosition>, StoreError> {
    let rows: Vec<(String, i64, f64, f64, Option<f64>)> =
        partner_positions::table.filter(partner_positions::at.ge(since.as_millis())).load(conn)?;
    let seen = |(partner_id, at, latitude, longitude, accuracy): (String, _, _, _, _)| {
        Ok(PartnerPosition {
            partner_id: id("partner_positions.partner_id", &partner_id)?,
            position: Position { latitude, longitude },
            accuracy,
            at: Timestamp::from_millis(at),
        })
    };
    rows.into_iter().map(seen).collect()
}

/// Whether any partner wants offers.
///
/// # Errors
/// When the database fails.
pub fn is_anybody_online(conn: &mut Conn) -> Result<bool, StoreError> {
    let online = partners::table.filter(partners::online.eq(true));
    Ok(diesel::select(diesel::dsl::exists(online)).get_result(conn)?)
}

/// Those of these partners who want offers.
///
/// # Errors
/// When the database fails.
pub fn online(conn: &mut Conn, ids: &[PartnerId]) -> Result<HashSet<PartnerId>, StoreError> {
    let ids = ids.iter().map(PartnerId::to_string);
    let online = partners::table.filter(partners::id.eq_any(ids)).filter(partners::online.eq(true));
    let found: Vec<String> = online.select(partners::id).load(conn)?;
    found.iter().map(|text| id("partners.id", text)).collect()
}

/// Forgets where a partner was.
///
/// # Errors
/// When the database fails.
pub fn forget(conn: &mut Conn, partner_id: PartnerId) -> Result<(), StoreError> {
    let statement = Statement::new("DELETE FROM partner_positions WHERE partner_id = ?");
    statement.text(partner_id.to_string()).execute(conn)?;
    Ok(())
}

/// Removes some who were last seen before `before`, or do not want offers any more and were noted while they said so; tells
/// how many.
///
/// # Errors
/// When the database fails.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    // One that somebody is just writing is not old any more.
    let unlocked = match conn {
        // One transaction writes at a time.
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => "FOR UPDATE OF seen SKIP LOCKED",
    };
    let text = format!(
        "DELETE FROM partner_positions WHERE partner_id IN \
         (SELECT seen.partner_id FROM partner_positions seen WHERE seen.at < ? OR NOT EXISTS \
         (SELECT 1 FROM partners WHERE partners.id = seen.partner_id AND partners.online) \
         ORDER BY seen.partner_id LIMIT ? {unlocked})"
    );
    Ok(Statement::new(text).bigint(before.as_millis()).bigint(limit).execute(conn)?)
}
