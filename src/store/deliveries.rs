//! Rows of the delivery ledger: what became of each notification on each channel.

use diesel::prelude::*;

use crate::domain::ids::NotificationId;
use crate::domain::notification::Channel;
use crate::domain::time::Timestamp;

use super::Conn;
use super::error::StoreError;
use super::schema::deliveries;

/// Opens the ledger for a notification on a channel: it is on its way.
///
/// # Errors
/// When the database fails.
pub fn queue(
    conn: &mut Conn,
    notification_id: NotificationId,
    channel: Channel,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(deliveries::table)
        .values((
            deliveries::notification_id.eq(notification_id.to_string()),
            deliveries::channel.eq(channel.as_str()),
            deliveries::queued_at.eq(at.as_millis()),
        ))
        .execute(conn)?;
    Ok(())
}
