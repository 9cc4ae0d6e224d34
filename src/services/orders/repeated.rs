//! Steps that are asked for again: their answers may have been lost, and are given once more.

use crate::domain::order::{Order, OrderStatus, Party, find_step};
use crate::domain::principal::{Principal, Role};
use crate::services::app::Tx;
use crate::services::error::ServiceError;
use crate::services::idempotency::KEPT;
use crate::store::orders::{self as rows, TimelineStep};

use super::party_of;
use super::transition::Transition;

/// What was asked for before.
#[derive(Debug)]
pub(super) enum Again {
    /// A step, as this party: the answer is the order as it stands, since others may have followed.
    Step(Party),
    /// That a partner gives the order back. The answer is the order as that left it: what became of it is not for that
    /// partner.
    GivingBack(Box<Order>),
}

/// Whether the caller has taken a step before that is refused now.
///
/// # Errors
/// The database's.
pub(super) fn find(
    tx: &mut Tx<'_>,
    who: &Principal,
    order: &Order,
    asked: &Transition,
) -> Result<Option<Again>, ServiceError> {
    let party = party_of(who, order);
    if party.is_none() && who.role != Role::Partner {
        return Ok(None);
    }
    if asked.version.is_none() && party.is_some_and(|party| find_step(order.status, asked.to, party).is_ok())
    {
        // It could be taken, and something is missing: that is what the caller is to hear.
        return Ok(None);
    }
    let steps = rows::timeline(tx.conn(), order.id)?;
    let assigned_at = last_assigning(&steps).map(|step| step.version);
    let is_same = |step: &TimelineStep| {
        let is_own = step.user_id == Some(who.user_id) && step.party == party.unwrap_or(Party::Partner);
        // The geofence may have been faster than the partner's finger.
        let is_seen =
            step.party == Party::System && step.to == OrderStatus::Arrived && party == Some(Party::Partner);
        let is_meant = match asked.version {
            Some(seen) => seen == step.version || seen == step.version - 1,
            // Of what was before somebody else had the order, or the same partner for the first time, only a version tells.
            None => party.is_none() || Some(step.version) > assigned_at,
        };
        // Neither placing nor assigning is a step that is asked for like this.
        let is_step = step.from.is_some() && step.to != OrderStatus::Assigned;
        let is_worded_so = is_seen || step.reason == asked.reason && step.note == asked.note;
        is_step && step.to == asked.to && (is_own || is_seen) && is_meant && is_worded_so
    };
    let Some(step) = steps.iter().rfind(|step| is_same(step)) else { return Ok(None) };
    if asked.code.as_ref().is_some_and(|code| *code != order.code) {
        return Ok(None);
    }
    Ok(match party {
        Some(party) => Some(Again::Step(party)),
        // For as long as an Idempotency-Key would be good.
        None if step.at >= tx.now().before(KEPT) => {
            let (order, partner) = (order.clone(), None);
            let (status, version, updated_at) = (step.to, step.version, step.at);
            Some(Again::GivingBack(Box::new(Order { status, version, updated_at, partner, ..order })))
        }
        None => None,
    })
}

/// Whether it was the caller who gave an order to the partner who has it.
///
/// # Errors
/// The database's.
pub(super) fn has_assigned(tx: &mut Tx<'_>, who: &Principal, order: &Order) -> Result<bool, ServiceError> {
    let steps = rows::timeline(tx.conn(), order.id)?;
    Ok(last_assigning(&steps).is_some_and(|step| step.user_id == Some(who.user_id)))
}

fn last_assigning(steps: &[TimelineStep]) -> Option<&TimelineStep> {
    steps.iter().rfind(|step| step.to == OrderStatus::Assigned)
}
