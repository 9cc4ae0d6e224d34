//! Whether a partner wants offers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::dispatch::OfferStatus;
use crate::domain::ids::PartnerId;
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::console;
use crate::services::error::ServiceError;
use crate::store::dispatch as rows;
use crate::store::positions;

use super::offers;

/// The most open offers that somebody who goes offline gives away.
const MAX_OFFERS: i64 = 200;

/// Going online or offline.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAvailability {
    /// Whether offers are wanted.
    pub online: bool,
}

/// Whether a partner wants offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct AvailabilityView {
    /// Whether offers are wanted. They come only to a partner who was also seen within the last minute.
    pub online: bool,
    /// Since when that is so; 1970 for who never said.
    pub since: Timestamp,
}

fn partner_of(who: &Principal) -> Result<PartnerId, ServiceError> {
    who.partner_id.ok_or(ServiceError::NotFound { what: "partner" })
}

/// Whether the caller wants offers.
///
/// # Errors
/// `NotFound` for who is no partner; the database's.
pub async fn availability(app: &App, who: Principal) -> Result<AvailabilityView, ServiceError> {
    let partner_id = partner_of(&who)?;
    let found = app.read(move |conn| Ok(rows::availability(conn, partner_id)?)).await?;
    let (online, since) = found.ok_or(ServiceError::NotFound { what: "partner" })?;
    Ok(AvailabilityView { online, since })
}

/// Notes that the caller wants offers, or none. Who goes offline gives open offers away, and keeps the orders in hand.
///
/// # Errors
/// As [`availability`].
pub async fn set_availability(
    app: &App,
    who: Principal,
    asked: NewAvailability,
) -> Result<AvailabilityView, ServiceError> {
    let partner_id = partner_of(&who)?;
    let NewAvailability { online } = asked;
    app.write(move |tx| {
        let at = tx.now();
        if rows::set_availability(tx.conn(), partner_id, online, at)? {
            let action = if online { "went_online" } else { "went_offline" };
            console::note(tx, (who.user_id, who.role), action, None)?;
        }
        if !online {
            positions::forget(tx.conn(), partner_id)?;
        }
        Ok(())
    })
    .await?;
    if !online {
        let open = app.read(move |conn| Ok(rows::open_offers_to(conn, partner_id, MAX_OFFERS)?)).await?;
        for offer in open {
            // One at a time, since each needs its order's lock.
            let given_away = app.write(move |tx| {
                let (_, offer, order) = offers::find(tx, &who, offer.id)?;
                if offer.status == OfferStatus::Open {
                    // Not declined: the order may be offered again to who comes back.
                    offers::give_away(tx, &offer, &order, OfferStatus::Withdrawn, Some("went offline"))?;
                }
                Ok(())
            });
            match given_away.await {
                // It was closed meanwhile.
                Ok(()) | Err(ServiceError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    availability(app, who).await
}
