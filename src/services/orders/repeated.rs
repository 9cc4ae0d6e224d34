//! Steps that are asked for again: their answers may have been lost, and are given once more.

use crate::domain::order::{Order, OrderStatus, Party};
use crate::domain::principal::{Principal, Role};
use crate::protocol::views::OrderView;
use crate::services::app::{App, Tx};
use crate::services::error::ServiceError;
use crate::store::orders::{self as rows, TimelineStep};

use super::transition::Transition;
use super::{party_of, view};

/// The answer to a step that the caller has taken before: the order as it stands, since others may have followed; but to a
/// partner who has given it back as it was then, since what became of it is not for that partner.
///
/// # Errors
/// The database's.
pub(super) fn find(
    tx: &mut Tx<'_>,
    app: &App,
    who: &Principal,
    order: Order,
    asked: &Transition,
) -> Result<Option<OrderView>, ServiceError> {
    let party = party_of(who, &order);
    if party.is_none() && who.role != Role::Partner {
        return Ok(None);
    }
    let steps = rows::timeline(tx.conn(), order.id)?;
    let had_since = last_assigning(&steps).map(|step| step.version);
    let is_same = |step: &TimelineStep| {
        let is_own = step.user_id == Some(who.user_id);
        // The geofence may have been faster than the partner's finger.
        let is_seen =
            step.party == Party::System && step.to == OrderStatus::Arrived && party == Some(Party::Partner);
        // Without a version it is not of an earlier time, when the caller had the order before.
        let is_meant = match asked.version {
            Some(seen) => seen == step.version || seen == step.version - 1,
            None => party != Some(Party::Partner) || Some(step.version) > had_since,
        };
        // Neither placing nor assigning is a step that is asked for like this.
        let is_step = step.from.is_some() && step.to != OrderStatus::Assigned;
        is_step && step.to == asked.to && (is_own || is_seen) && is_meant
    };
    let same = steps.iter().rfind(|step| is_same(step));
    Ok(same.map(|step| match party {
        Some(party) => view(app, &order, party),
        None => OrderView::of(&given_back(order, step), Party::Partner, None),
    }))
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

/// The order as this step left it, with nobody to carry it out.
fn given_back(order: Order, step: &TimelineStep) -> Order {
    Order { status: step.to, version: step.version, updated_at: step.at, partner: None, ..order }
}
