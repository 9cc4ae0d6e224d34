//! What partners answer to offers.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::domain::deadline::DeadlineKind;
use crate::domain::dispatch::OfferStatus;
use crate::domain::ids::{OfferId, PartnerId};
use crate::domain::order::{Order, OrderStatus, Party};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::views::OrderView;
use crate::services::app::{App, Reply, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::services::orders::{Taken, Words, find_partner, legal, take};
use crate::store::dispatch::{self as rows, Offer};
use crate::store::orders;

use super::{close, go_on, view};

/// Declining an offer.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// Why, at most 500 characters.
    pub reason: Option<String>,
}

/// What became of an answer.
#[derive(Debug)]
pub struct Answered {
    /// The order: the partner's own, or as it was offered.
    pub order: OrderView,
    /// Whose offer it was.
    pub partner_id: PartnerId,
    /// When the offer was closed.
    pub at: Timestamp,
    /// Whether there is an event that says so; otherwise it has been before.
    pub is_new: bool,
}

/// Accepts an offer: the order is the caller's from then on. Of several who do so at the same time, one gets it.
///
/// Accepting again what the caller has accepted is answered like the first time.
///
/// # Errors
/// `NotFound` when it is nobody's or another's; `Conflict` with `offer_closed` (and the `reason`), or with
/// `too_many_orders`; the database's.
pub async fn accept(app: &App, who: Principal, offer_id: OfferId) -> Result<Answered, ServiceError> {
    app.write(move |tx| accept_in(tx, &who, offer_id)).await
}

/// [`accept`] for a call that may come with an `Idempotency-Key`.
///
/// # Errors
/// As [`accept`]; `Conflict` when the key came with another request.
pub async fn accept_once(
    app: &App,
    who: Principal,
    offer_id: OfferId,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    app.write_once(key, 200, move |tx| Ok(accept_in(tx, &who, offer_id)?.order)).await
}

fn accept_in(tx: &mut Tx<'_>, who: &Principal, offer_id: OfferId) -> Result<Answered, ServiceError> {
    let (partner_id, offer, order) = find(tx, who, offer_id)?;
    let at = offer.closed_at.unwrap_or(tx.now());
    let is_theirs = order.partner.as_ref().is_some_and(|partner| partner.partner_id == partner_id);
    if offer.status == OfferStatus::Accepted && is_theirs {
        let order = OrderView::of(&order, Party::Partner, tx.settings().money.commission);
        return Ok(Answered { order, partner_id, at, is_new: false });
    }
    must_be_open(tx, &offer)?;
    legal(&order, OrderStatus::Assigned, Party::Partner)?;
    must_have_room(tx, partner_id, "You have")?;
    let partner = find_partner(tx, partner_id)?;
    let party = Party::Partner;
    let to = Taken { to: OrderStatus::Assigned, party, by: Some(who.user_id), partner: Some(partner) };
    // It closes this offer and the others.
    let order = take(tx, order, to, Words::default(), None)?;
    let order = OrderView::of(&order, party, tx.settings().money.commission);
    Ok(Answered { order, partner_id, at, is_new: true })
}

/// Makes sure that a partner may have one more order in hand. Until the transaction ends nobody else can give that partner
/// one.
///
/// # Errors
/// `Conflict` with `too_many_orders`, the sentence beginning with who has them; the database's.
pub(in crate::services) fn must_have_room(
    tx: &mut Tx<'_>,
    partner_id: PartnerId,
    who_has: &str,
) -> Result<(), ServiceError> {
    if rows::lock_in_hand(tx.conn(), partner_id)? >= tx.settings().dispatch.orders_in_hand {
        let many = "as many orders in hand as one may have: one has to be delivered first.";
        return Err(ServiceError::conflict("too_many_orders", format!("{who_has} {many}")));
    }
    Ok(())
}

/// Declines an offer: the order is offered to others, and to the caller no more. Gives the order as it was offered.
///
/// # Errors
/// `NotFound`; `Invalid` when the reason is too long; `Conflict` with `offer_closed` (and the `reason`); the database's.
pub async fn decline(
    app: &App,
    who: Principal,
    offer_id: OfferId,
    asked: Decline,
) -> Result<Answered, ServiceError> {
    check(&asked)?;
    app.write(move |tx| decline_in(tx, &who, offer_id, asked.reason.as_deref())).await
}

/// [`decline`] for a call that may come with an `Idempotency-Key`.
///
/// # Errors
/// As [`decline`]; `Conflict` when the key came with another request.
pub async fn decline_once(
    app: &App,
    who: Principal,
    offer_id: OfferId,
    asked: Decline,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    check(&asked)?;
    app.write_once(key, 200, move |tx| Ok(decline_in(tx, &who, offer_id, asked.reason.as_deref())?.order))
        .await
}

fn check(asked: &Decline) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    if let Some(reason) = &asked.reason {
        checks.text("reason", reason, 1..=500);
    }
    checks.done()
}

fn decline_in(
    tx: &mut Tx<'_>,
    who: &Principal,
    offer_id: OfferId,
    reason: Option<&str>,
) -> Result<Answered, ServiceError> {
    let (partner_id, offer, order) = find(tx, who, offer_id)?;
    let at = offer.closed_at.unwrap_or(tx.now());
    // A retry is answered while the order still is what was offered; what becomes of it is not for who declined it.
    let is_repeated = offer.status == OfferStatus::Declined && order.status == OrderStatus::Confirmed;
    if !is_repeated {
        must_be_open(tx, &offer)?;
        give_away(tx, &offer, &order, OfferStatus::Declined, reason)?;
    }
    let order = view(&offer, &order, tx.settings()).order;
    Ok(Answered { order, partner_id, at, is_new: !is_repeated })
}

/// Closes an open offer that its partner does not want.
pub(super) fn give_away(
    tx: &mut Tx<'_>,
    offer: &Offer,
    order: &Order,
    status: OfferStatus,
    reason: Option<&str>,
) -> Result<(), ServiceError> {
    tx.lift_deadline(DeadlineKind::Offer, offer.id)?;
    close(tx, offer, status, reason)?;
    go_on(tx, order)
}

/// An offer to the caller, and its order, which nobody else can change until the transaction ends.
pub(super) fn find(
    tx: &mut Tx<'_>,
    who: &Principal,
    offer_id: OfferId,
) -> Result<(PartnerId, Offer, Order), ServiceError> {
    let missing = || ServiceError::NotFound { what: "offer" };
    let partner_id = who.partner_id.ok_or_else(missing)?;
    let offer = rows::find_offer(tx.conn(), offer_id)?.filter(|offer| offer.partner_id == partner_id);
    let offer = offer.ok_or_else(missing)?;
    match offer.status {
        // For good: of many who were asked, all but one need not wait for the order.
        OfferStatus::Expired | OfferStatus::Withdrawn | OfferStatus::Taken => must_be_open(tx, &offer)?,
        OfferStatus::Open | OfferStatus::Accepted | OfferStatus::Declined => {}
    }
    let order = orders::find_locked(tx.conn(), offer.order_id)?.ok_or_else(missing)?;
    // Once more: it may have been closed while the lock was waited for.
    let offer = rows::find_offer(tx.conn(), offer_id)?.ok_or_else(missing)?;
    Ok((partner_id, offer, order))
}

fn must_be_open(tx: &Tx<'_>, offer: &Offer) -> Result<(), ServiceError> {
    let reason = match offer.status {
        OfferStatus::Open if offer.expires_at > tx.now() => return Ok(()),
        // It is about to be closed.
        OfferStatus::Open => OfferStatus::Expired,
        status @ (OfferStatus::Accepted
        | OfferStatus::Declined
        | OfferStatus::Expired
        | OfferStatus::Withdrawn
        | OfferStatus::Taken) => status,
    };
    let detail = format!("The offer is closed: {}.", reason.as_str());
    Err(ServiceError::conflict_with("offer_closed", detail, [("reason", json!(reason))]))
}
