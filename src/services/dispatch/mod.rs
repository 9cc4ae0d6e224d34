//! Dispatch: finding a partner for each order that has none.
//!
//! An order that becomes `confirmed` is due to be looked at. A look asks who is near, judges them
//! (`domain/dispatch.rs`), and offers the order to the nearest who may have it. It is due to be looked at again when all of
//! them have declined or let it run out, and, farther, a little after a look that found nobody; who let it run out counts as
//! nobody until it was looked as far as can be. So it goes on until somebody accepts, the order ends in another way, or its
//! time is over. Every change of an order's offers is made under the lock of the order's row.

mod audit;
mod availability;
mod offers;
mod queue;

pub use audit::{AssignmentView, CandidateView, DispatchView, LookView, OfferOutcome, audit};
pub use availability::{AvailabilityView, NewAvailability, availability, set_availability};
pub(super) use offers::must_have_room;
pub use offers::{Answered, Decline, accept, accept_once, decline, decline_once};
pub use queue::{QueueView, offers, queue};

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::domain::deadline::DeadlineKind;
use crate::domain::dispatch::{Candidate, FRESH, OfferStatus, Standing, Verdict, judge, objection};
use crate::domain::ids::{OfferId, PartnerId};
use crate::domain::notification::{NotificationContent, WithdrawalCause};
use crate::domain::order::{Assignee, Order, OrderStatus, Party};
use crate::protocol::event::Event;
use crate::protocol::views::OfferView;
use crate::store::dispatch::{self as rows, Judged, Look, Offer};

use super::app::{App, ServiceSettings, Tx};
use super::error::ServiceError;
use super::notifications::{self, Letters};
use super::orders::{Taken, Words, take};
use super::push;

/// How many partners a look judges at first beside those that it is to ask; more where these are too few.
const SPARE: usize = 50;
/// The most that it judges.
const MOST: usize = 5_000;
/// How many rows of a table one purge removes.
const PURGED: i64 = 500;
/// How many of those that were judged are kept for whoever wants to know why.
const KEPT: usize = 50;

/// An order has become `confirmed`: partners are looked for, from now on and for a while. `before` had it until now.
pub(super) fn begin(tx: &mut Tx<'_>, order: &Order, before: Option<&Assignee>) -> Result<(), ServiceError> {
    if let Some(before) = before {
        rows::insert_former(tx.conn(), order.id, before.partner_id)?;
    }
    let (rules, now) = (tx.settings().dispatch, tx.now());
    if rules.enabled {
        tx.set_deadline(DeadlineKind::Dispatch, order.id, Some(order.id), now)?;
        let give_up_at = now.after(rules.give_up_after);
        tx.set_deadline(DeadlineKind::NoPartner, order.id, Some(order.id), give_up_at)?;
    }
    Ok(())
}

/// An order is `confirmed` no longer: what is still offered cannot be accepted any more. Gives what is to be put into the
/// inboxes of those whom it was offered to. `by` took that step.
pub(super) fn end(tx: &mut Tx<'_>, order: &Order, by: Party) -> Result<Letters, ServiceError> {
    tx.lift_deadline(DeadlineKind::Dispatch, order.id)?;
    tx.lift_deadline(DeadlineKind::NoPartner, order.id)?;
    tx.lift_deadlines(DeadlineKind::Offer, order.id)?;
    let open = rows::open_offers(tx.conn(), order.id)?;
    let winner = order.partner.as_ref().filter(|_| order.status == OrderStatus::Assigned);
    let mut withdrawn = Vec::new();
    for offer in &open {
        let status = match winner {
            Some(winner) if winner.partner_id == offer.partner_id => OfferStatus::Accepted,
            Some(_) => OfferStatus::Taken,
            None => OfferStatus::Withdrawn,
        };
        // The partner has it, and has not said so.
        let reason = (status == OfferStatus::Accepted && by == Party::Admin).then_some(BY_ADMIN);
        close(tx, offer, status, reason)?;
        if status == OfferStatus::Withdrawn {
            withdrawn.push(offer.partner_id);
        }
    }
    let cause = if order.status == OrderStatus::Failed {
        WithdrawalCause::Failed
    } else {
        WithdrawalCause::Cancelled
    };
    let users = rows::standings(tx.conn(), order.id, &withdrawn)?;
    let letter = |user_id| (user_id, NotificationContent::AssignmentWithdrawn { order_id: order.id, cause });
    Ok(users.values().map(|standing| letter(standing.user_id)).collect())
}

/// Why an offer is closed as accepted whose partner has not answered.
const BY_ADMIN: &str = "an admin has assigned the order";

/// Closes an offer, and lets its partner know. The event bears the offer's id: there is one.
fn close(
    tx: &mut Tx<'_>,
    offer: &Offer,
    status: OfferStatus,
    reason: Option<&str>,
) -> Result<(), ServiceError> {
    let now = tx.now();
    rows::close_offer(tx.conn(), offer.id, status, reason, now)?;
    let event = Event::OfferClosed { partner_id: offer.partner_id, offer_id: offer.id, reason: status };
    tx.emit_as(offer.id.into(), &event);
    push::close_offer(tx, offer.partner_id)
}

/// An offer has been closed without being accepted: when it was the last one, others are asked.
fn go_on(tx: &mut Tx<'_>, order: &Order) -> Result<(), ServiceError> {
    let now = tx.now();
    if order.status == OrderStatus::Confirmed
        && tx.settings().dispatch.enabled
        && rows::open_offers(tx.conn(), order.id)?.is_empty()
    {
        tx.set_deadline(DeadlineKind::Dispatch, order.id, Some(order.id), now)?;
    }
    Ok(())
}

/// Looks for partners for an order.
pub(super) fn look(tx: &mut Tx<'_>, app: &App, order: &Order) -> Result<(), ServiceError> {
    let (rules, now) = (tx.settings().dispatch, tx.now());
    if order.status != OrderStatus::Confirmed
        || !rules.enabled
        || !rows::open_offers(tx.conn(), order.id)?.is_empty()
    {
        return Ok(());
    }
    let last = rows::last_look(tx.conn(), order.id)?;
    let (number, radius) = match &last {
        None => (1, rules.first_radius),
        // That nobody was found says nothing of who is near.
        Some(last) if last.offered == 0 && app.tracking().is_settling(Instant::now()) => {
            (last.look, last.radius)
        }
        // Looks in a row that find nobody are one.
        Some(last) if last.offered == 0 => (last.look, rules.widen(last.radius)),
        Some(last) => (last.look + 1, last.radius),
    };
    let (mut judged, standings) = judged(tx, app, order, radius)?;
    let mut chosen: Vec<Candidate> = judged
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Offered)
        .map(|(candidate, _)| *candidate)
        .collect();
    // In one order, so that two looks cannot wait for each other.
    chosen.sort_by_key(|candidate| candidate.partner_id);
    for candidate in &chosen {
        rows::lock_partner(tx.conn(), candidate.partner_id)?;
    }
    // Another look, or the partner, may have been faster: who has gone offline gives away what is open by then, which this
    // offer would miss, and who has something else to answer now may have no room for more.
    let ids: Vec<PartnerId> = chosen.iter().map(|candidate| candidate.partner_id).collect();
    let locked = rows::standings(tx.conn(), order.id, &ids)?;
    let objection_to = |partner_id: PartnerId| objection(locked.get(&partner_id), &rules, now);
    let left: HashMap<PartnerId, Verdict> =
        ids.into_iter().filter_map(|id| objection_to(id).map(|verdict| (id, verdict))).collect();
    chosen.retain(|candidate| !left.contains_key(&candidate.partner_id));
    for (candidate, verdict) in &mut judged {
        if let Some(objection) = left.get(&candidate.partner_id) {
            *verdict = *objection;
        }
    }
    if chosen.is_empty() && !left.is_empty() {
        // Nobody is left of them. Others may be as near: this look does not count, and the next one is as far.
        return tx.set_deadline(DeadlineKind::Dispatch, order.id, Some(order.id), now);
    }
    let kept =
        judged.iter().enumerate().filter(|(at, (_, verdict))| *at < KEPT || *verdict == Verdict::Offered);
    let kept = kept.map(|(_, (candidate, verdict))| Judged {
        partner_id: candidate.partner_id,
        distance: candidate.distance,
        age: candidate.age,
        verdict: *verdict,
    });
    let offered = i64::try_from(chosen.len()).unwrap_or(i64::MAX);
    let look = Look { look: number, at: now, radius, offered, candidates: kept.collect() };
    rows::save_look(tx.conn(), order.id, &look)?;
    if chosen.is_empty() {
        let again_at = now.after(rules.look_again_after);
        return tx.set_deadline(DeadlineKind::Dispatch, order.id, Some(order.id), again_at);
    }
    let mut letters = Vec::new();
    for candidate in chosen {
        let content = offer(tx, order, candidate, number)?;
        letters.extend(standings.get(&candidate.partner_id).map(|standing| (standing.user_id, content)));
    }
    notifications::add_all(tx, letters)
}

/// Partners with what spoke for or against each, and what is known of them.
type Verdicts = (Vec<(Candidate, Verdict)>, HashMap<PartnerId, Standing>);

/// Judges who is near: more of them where the nearest may not have the order.
fn judged(tx: &mut Tx<'_>, app: &App, order: &Order, radius: u32) -> Result<Verdicts, ServiceError> {
    let (rules, now) = (tx.settings().dispatch, tx.now());
    let mut limit = rules.offers_at_once.saturating_add(SPARE);
    let (mut standings, mut asked) = (HashMap::new(), HashSet::new());
    loop {
        let positions = app.tracking().positions();
        let near =
            positions.nearest(order.pickup.position(), f64::from(radius), limit, now.before(FRESH), now);
        let is_full = near.len() >= limit;
        let is_everybody = (!is_full || limit >= MOST) && radius >= rules.max_radius;
        // Within the radius, which fits.
        let candidates = near.into_iter().map(|near| Candidate {
            partner_id: near.partner_id,
            distance: near.metres.round() as u32,
            age: near.age.as_secs(),
        });
        let candidates: Vec<Candidate> = candidates.collect();
        // Those of the rounds before are known already.
        let ids = candidates.iter().map(|candidate| candidate.partner_id).filter(|id| asked.insert(*id));
        standings.extend(rows::standings(tx.conn(), order.id, &ids.collect::<Vec<_>>())?);
        let standing_of = |partner_id| standings.get(&partner_id).copied();
        let judged = judge(&candidates, standing_of, &rules, now, is_everybody);
        let chosen = judged.iter().filter(|(_, verdict)| *verdict == Verdict::Offered).count();
        if chosen >= rules.offers_at_once || !is_full || limit >= MOST {
            return Ok((judged, standings));
        }
        limit = limit.saturating_mul(4).min(MOST);
    }
}

/// Offers an order to a partner; gives what is to be put into the inbox.
fn offer(
    tx: &mut Tx<'_>,
    order: &Order,
    to: Candidate,
    look: i64,
) -> Result<NotificationContent, ServiceError> {
    let now = tx.now();
    let offer = Offer {
        id: OfferId::new(),
        order_id: order.id,
        partner_id: to.partner_id,
        look,
        status: OfferStatus::Open,
        reason: None,
        pickup_distance: to.distance,
        created_at: now,
        expires_at: now.after(tx.settings().dispatch.offer_lasts),
        closed_at: None,
    };
    rows::insert_offer(tx.conn(), &offer)?;
    tx.set_deadline(DeadlineKind::Offer, offer.id, Some(order.id), offer.expires_at)?;
    let view = view(&offer, order, tx.settings());
    let content = NotificationContent::AssignmentOffered {
        order_id: order.id,
        earnings: view.earnings,
        pickup_distance: offer.pickup_distance,
        expires_at: offer.expires_at,
    };
    tx.emit(&Event::OfferMade { partner_id: to.partner_id, offer: Box::new(view) });
    Ok(content)
}

/// An offer as its partner sees it.
fn view(offer: &Offer, order: &Order, settings: &ServiceSettings) -> OfferView {
    OfferView::of(offer.id, order, offer.expires_at, offer.pickup_distance, settings.money.commission)
}

/// An offer has run out.
pub(super) fn expire(tx: &mut Tx<'_>, order: &Order, offer_id: OfferId) -> Result<(), ServiceError> {
    let offer = rows::find_offer(tx.conn(), offer_id)?;
    let Some(offer) = offer.filter(|offer| offer.status == OfferStatus::Open) else { return Ok(()) };
    if offer.expires_at > tx.now() {
        // The clock of the instance that took it in hand is ahead of this one's.
        return tx.set_deadline(DeadlineKind::Offer, offer.id, Some(order.id), offer.expires_at);
    }
    close(tx, &offer, OfferStatus::Expired, None)?;
    go_on(tx, order)?;
    let partner = rows::standings(tx.conn(), order.id, &[offer.partner_id])?;
    let letter = |user_id| (user_id, NotificationContent::AssignmentExpired { order_id: order.id });
    notifications::add_all(tx, partner.values().map(|standing| letter(standing.user_id)).collect())
}

/// Removes what is kept of orders that were placed too long ago, some at once; tells how many rows these were.
///
/// # Errors
/// The database's.
pub(super) fn purge(tx: &mut Tx<'_>) -> Result<usize, ServiceError> {
    // As long as their trails: both tell where partners were.
    let before = tx.now().before(tx.settings().trail_keep);
    Ok(rows::purge(tx.conn(), before, PURGED)?)
}

/// No partner was found in time.
pub(super) fn give_up(tx: &mut Tx<'_>, order: Order) -> Result<(), ServiceError> {
    if order.status != OrderStatus::Confirmed || !tx.settings().dispatch.enabled {
        return Ok(());
    }
    let to = Taken { to: OrderStatus::Failed, party: Party::System, by: None, partner: None };
    let words = Words { reason: Some("no partner was found in time".into()), note: None };
    take(tx, order, to, words, None)?;
    Ok(())
}
