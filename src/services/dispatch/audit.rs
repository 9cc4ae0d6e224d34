//! Why an order went to whom.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::dispatch::{OfferStatus, Verdict};
use crate::domain::ids::{OfferId, OrderId, PartnerId, UserId};
use crate::domain::order::{OrderStatus, Party};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::views::PartnerView;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::orders::visible;
use crate::store::dispatch as rows;
use crate::store::orders;

/// How partners were looked for, for one order.
#[derive(Debug, Serialize, ToSchema)]
pub struct DispatchView {
    /// The order.
    pub order_id: OrderId,
    /// Each look, oldest first; looks in a row that found nobody are one.
    pub looks: Vec<LookView>,
    /// Each time that somebody got it, oldest first.
    pub assignments: Vec<AssignmentView>,
}

/// That a partner got the order.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssignmentView {
    /// When.
    pub at: Timestamp,
    /// Who; `null` where that was before it was noted down.
    pub partner: Option<PartnerView>,
    /// As what somebody saw to that: `partner`, by accepting an offer, or `admin`.
    pub by: Party,
    /// Who did: the partner's or the admin's account.
    pub user_id: Option<UserId>,
}

/// One look for partners.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookView {
    /// When; of several that found nobody, the last.
    pub at: Timestamp,
    /// How far from the pick-up, metres.
    pub radius: u32,
    /// Who was near and had been seen within a minute, the nearest first, at most 50 or as many as were asked.
    pub candidates: Vec<CandidateView>,
    /// What was offered, and what became of it.
    pub offers: Vec<OfferOutcome>,
}

/// A partner who was near.
#[derive(Debug, Serialize, ToSchema)]
pub struct CandidateView {
    /// Who.
    pub partner: PartnerView,
    /// How far from the pick-up, metres.
    pub distance: u32,
    /// How old that position was, seconds.
    pub age: u64,
    /// Why the order was offered, or not.
    pub verdict: Verdict,
}

/// What became of an offer.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferOutcome {
    /// Its id.
    pub id: OfferId,
    /// To whom.
    pub partner: PartnerView,
    /// Where it stands.
    pub status: OfferStatus,
    /// Why it was declined, or that it counts as accepted since an admin has assigned the order.
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

/// How partners were looked for. Whether the caller may ask is the caller's to check.
///
/// # Errors
/// `NotFound`; the database's.
pub async fn audit(app: &App, who: Principal, order_id: OrderId) -> Result<DispatchView, ServiceError> {
    let (looks, offers, names, steps) = app
        .read(move |conn| {
            visible(conn, &who, order_id)?;
            let looks = rows::looks(conn, order_id)?;
            let offers = rows::offers_of_order(conn, order_id)?;
            let judged = looks.iter().flat_map(|look| &look.candidates).map(|judged| judged.partner_id);
            let steps = orders::timeline(conn, order_id)?;
            let offered = offers.iter().map(|offer| offer.partner_id);
            let assigned = steps.iter().filter_map(|step| step.partner_id);
            let mut ids: Vec<PartnerId> = judged.chain(offered).chain(assigned).collect();
            ids.sort_unstable();
            ids.dedup();
            let names = rows::names_of(conn, &ids)?;
            Ok((looks, offers, names, steps))
        })
        .await?;
    let partner = |id: PartnerId| PartnerView { id, name: names.get(&id).cloned().unwrap_or_default() };
    let outcome = |offer: &rows::Offer| OfferOutcome {
        id: offer.id,
        partner: partner(offer.partner_id),
        status: offer.status,
        reason: offer.reason.clone(),
        pickup_distance: offer.pickup_distance,
        created_at: offer.created_at,
        expires_at: offer.expires_at,
        closed_at: offer.closed_at,
    };
    let looks = looks.iter().map(|look| LookView {
        at: look.at,
        radius: look.radius,
        candidates: look
            .candidates
            .iter()
            .map(|judged| CandidateView {
                partner: partner(judged.partner_id),
                distance: judged.distance,
                age: judged.age,
                verdict: judged.verdict,
            })
            .collect(),
        offers: offers.iter().filter(|offer| offer.look == look.look).map(outcome).collect(),
    });
    let assignments = steps.into_iter().filter(|step| step.to == OrderStatus::Assigned);
    let assignments = assignments.map(|step| AssignmentView {
        at: step.at,
        partner: step.partner_id.map(partner),
        by: step.party,
        user_id: step.user_id,
    });
    Ok(DispatchView { order_id, looks: looks.collect(), assignments: assignments.collect() })
}
