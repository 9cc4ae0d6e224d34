//! Taking an order from one status to the next.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::domain::contact::masked;
use crate::domain::deadline::DeadlineKind;
use crate::domain::geo::Position;
use crate::domain::group::GroupKey;
use crate::domain::ids::{OrderId, PartnerId, UserId};
use crate::domain::money::Money;
use crate::domain::order::{Assignee, Demand, Order, OrderStatus, Party, StepRefused, find_step};
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;
use crate::protocol::event::{Event, QueueAction};
use crate::protocol::server::to_json;
use crate::protocol::views::{Freshness, OrderUpdate, OrderView, PartnerView};
use crate::services::app::{App, Reply, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::services::notifications::Letters;
use crate::services::{console, dispatch, money, notifications};
use crate::store::{orders as rows, users};

use super::notices::{self, Circumstances};
use super::repeated::{self, Again};
use super::{Words, party_of, save_step, view, with_party};

/// A step as a client asks for it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// The status that the order is to have.
    pub to: OrderStatus,
    /// The version that the caller has seen; another one is a conflict.
    pub version: Option<i64>,
    /// Why; asked for when an order is given back. At most 500 characters.
    pub reason: Option<String>,
    /// Proof of the hand-over: the customer's four digits.
    pub code: Option<String>,
    /// Proof of the hand-over without the code. At most 500 characters.
    pub note: Option<String>,
}

/// Which partner an admin gives an order to.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The partner profile.
    pub partner_id: PartnerId,
    /// The version of the order that the caller has seen; refused with `version_conflict` when it has changed since. Without one,
    /// the order is taken from whoever was given it meanwhile.
    #[schema(minimum = 1)]
    pub version: Option<i64>,
}

/// A step that is known to be asked for by somebody who may see the order.
#[derive(Debug, Clone)]
pub(in crate::services) struct Taken {
    pub to: OrderStatus,
    pub party: Party,
    pub by: Option<UserId>,
    /// For the step to `assigned`.
    pub partner: Option<Assignee>,
}

fn check(asked: &Transition) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    if let Some(version) = asked.version {
        checks.number("version", version, 1..=i64::MAX);
    }
    for (field, text) in [("reason", &asked.reason), ("note", &asked.note)] {
        if let Some(text) = text {
            checks.text(field, text, 1..=500);
        }
    }
    if let Some(code) = &asked.code
        && (code.len() != 4 || !code.bytes().all(|byte| byte.is_ascii_digit()))
    {
        checks.fail("code", "invalid", "expected four digits");
    }
    checks.done()
}

/// Takes an order one step on.
///
/// The same step again by the same user is answered like the first time, also when others have followed: with the order as
/// it stands by then.
///
/// # Errors
/// `NotFound`; `Invalid`; `Conflict` with `illegal_transition` (and `allowed`) or `version_conflict` (and
/// `version`); the database's.
pub async fn transition(
    app: &App,
    who: Principal,
    order_id: OrderId,
    asked: Transition,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    check(&asked)?;
    let position = position_of(app, order_id);
    let answered = Answered::default();
    let answers = answered.clone();
    let reply = app
        .write_once(key, 200, move |tx| {
            let found = rows::find_locked(tx.conn(), order_id)?;
            let order = found.ok_or(ServiceError::NotFound { what: "order" })?;
            let (order, party) = match permitted(&who, &order, &asked) {
                Ok(party) => {
                    let words = Words { reason: asked.reason, note: asked.note };
                    let taken = Taken { to: asked.to, party, by: Some(who.user_id), partner: None };
                    (take(tx, order, taken, words, position)?, party)
                }
                Err(refused) => match repeated::find(tx, &who, &order, &asked)? {
                    None => return Err(refused),
                    Some(Again::Step(party)) => (order, party),
                    Some(Again::GivingBack(before)) => {
                        return Ok(OrderView::of(&before, Party::Partner, tx.settings().money.commission));
                    }
                },
            };
            Ok(answers.kept(tx, order, party))
        })
        .await?;
    if answered.0.get().is_some_and(|(order, _)| !order.status.shows_location()) {
        // Nobody's business any more.
        app.last_seen().forget(order_id);
    }
    Ok(answered.as_of_now(app, reply))
}

/// As what the caller may take this step.
fn permitted(who: &Principal, order: &Order, asked: &Transition) -> Result<Party, ServiceError> {
    let party = party_of(who, order).ok_or(ServiceError::NotFound { what: "order" })?;
    check_version(order, asked.version)?;
    let step = legal(order, asked.to, party)?;
    check_demand(step, order, asked)?;
    Ok(party)
}

/// Gives an order to a partner, in the place of another one where it has one that is not yet on the way.
///
/// # Errors
/// As [`transition`]; `Invalid` when there is no such partner; `Conflict` with `too_many_orders`.
pub async fn assign(
    app: &App,
    who: Principal,
    order_id: OrderId,
    asked: Assignment,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let mut checks = Checks::default();
    if let Some(version) = asked.version {
        checks.number("version", version, 1..=i64::MAX);
    }
    checks.done()?;
    let answered = Answered::default();
    let answers = answered.clone();
    let job = move |tx: &mut Tx<'_>| {
        let (mut order, party) = with_party(&who, rows::find_locked(tx.conn(), order_id)?)?;
        let assigned = order.partner.as_ref().map(|partner| partner.partner_id);
        let is_theirs = assigned == Some(asked.partner_id) && order.status.is_in_hand();
        if is_theirs && (order.status == OrderStatus::Assigned || repeated::has_assigned(tx, &who, &order)?) {
            return Ok(answers.kept(tx, order, party));
        }
        check_version(&order, asked.version)?;
        let partner = find_partner(tx, asked.partner_id)?;
        if order.status != OrderStatus::Assigned {
            legal(&order, OrderStatus::Assigned, party)?;
        }
        // Before anything is written to inboxes, whose locks come later.
        dispatch::must_have_room(tx, asked.partner_id, "The partner has")?;
        let mut letters = Vec::new();
        if order.status == OrderStatus::Assigned {
            let back = Taken { to: OrderStatus::Confirmed, party, by: Some(who.user_id), partner: None };
            let words = Words { reason: Some("reassigned".into()), note: None };
            (order, letters) = take_unnotified(tx, order, back, words, None)?;
        }
        legal(&order, OrderStatus::Assigned, party)?;
        let to = Taken { to: OrderStatus::Assigned, party, by: Some(who.user_id), partner: Some(partner) };
        let (order, more) = take_unnotified(tx, order, to, Words::default(), None)?;
        letters.extend(more);
        // Of both at once, since inboxes are locked in one order.
        notifications::add_all(tx, letters)?;
        Ok(answers.kept(tx, order, party))
    };
    let reply = app.write_once(key, 200, job).await?;
    Ok(answered.as_of_now(app, reply))
}

/// The order that a call is answered with. Where its partner is belongs to the moment, while what is kept under a key may be
/// asked for a day later.
#[derive(Debug, Clone, Default)]
struct Answered(Arc<OnceLock<(Order, Party)>>);

impl Answered {
    /// What is kept.
    fn kept(&self, tx: &Tx<'_>, order: Order, party: Party) -> OrderView {
        let kept = OrderView::of(&order, party, tx.settings().money.commission);
        // It is empty: a job runs once.
        let _ = self.0.set((order, party));
        kept
    }

    /// What is answered now.
    fn as_of_now(&self, app: &App, reply: Reply) -> Reply {
        match self.0.get() {
            Some((order, party)) => Reply { body: to_json(&view(app, order, *party)), ..reply },
            None => reply,
        }
    }
}

/// Completes an order that was delivered so long ago that its customer will not do it any more.
///
/// # Errors
/// The database's.
pub fn complete(tx: &mut Tx<'_>, order: Order) -> Result<(), ServiceError> {
    if order.status != OrderStatus::Delivered {
        return Ok(());
    }
    let due_at = order.updated_at.after(tx.settings().complete_after);
    if due_at > tx.now() {
        return tx.set_deadline(DeadlineKind::Complete, order.id, Some(order.id), due_at);
    }
    legal(&order, OrderStatus::Completed, Party::System)?;
    let to = Taken { to: OrderStatus::Completed, party: Party::System, by: None, partner: None };
    take(tx, order, to, Words::default(), None)?;
    Ok(())
}

/// Takes an order to `arrived`, since its partner was seen at the pick-up. Nothing happens when it has moved on, or has
/// another partner by now.
///
/// # Errors
/// The database's.
pub fn arrive(
    tx: &mut Tx<'_>,
    order_id: OrderId,
    partner_id: PartnerId,
    position: Option<Position>,
) -> Result<(), ServiceError> {
    let is_on_the_way = |order: &Order| {
        let assigned = order.partner.as_ref().map(|partner| partner.partner_id);
        order.status == OrderStatus::EnRoute && assigned == Some(partner_id)
    };
    if let Some(order) = rows::find_locked(tx.conn(), order_id)?.filter(is_on_the_way) {
        legal(&order, OrderStatus::Arrived, Party::System)?;
        let to = Taken { to: OrderStatus::Arrived, party: Party::System, by: None, partner: None };
        take(tx, order, to, Words::default(), position)?;
    }
    Ok(())
}

pub(in crate::services) fn find_partner(
    tx: &mut Tx<'_>,
    partner_id: PartnerId,
) -> Result<Assignee, ServiceError> {
    let user = users::find_by_partner(tx.conn(), partner_id)?.filter(|user| user.deleted_at.is_none());
    let user =
        user.ok_or_else(|| ServiceError::invalid("partner_id", "unknown", "there is no such partner"))?;
    Ok(Assignee { partner_id, user_id: user.id, name: user.name })
}

/// Where the partner is, for the timeline, as far as that is known.
#[must_use]
pub fn position_of(app: &App, order_id: OrderId) -> Option<Position> {
    let seen = app.last_seen().get(order_id, Timestamp::now());
    let seen = seen.filter(|seen| seen.freshness != Freshness::Lost)?;
    Some(Position { latitude: seen.latitude, longitude: seen.longitude })
}

fn check_version(order: &Order, seen: Option<i64>) -> Result<(), ServiceError> {
    match seen {
        Some(version) if version != order.version => {
            let detail = format!("The order is at version {} by now, not {version}.", order.version);
            let facts = [("version", json!(order.version)), ("current_status", json!(order.status))];
            Err(ServiceError::conflict_with("version_conflict", detail, facts))
        }
        Some(_) | None => Ok(()),
    }
}

pub(in crate::services) fn legal(
    order: &Order,
    to: OrderStatus,
    party: Party,
) -> Result<&'static crate::domain::order::Step, ServiceError> {
    find_step(order.status, to, party).map_err(|refused| {
        let detail = refused.to_string();
        let StepRefused::Illegal { allowed, .. } = refused;
        let facts = [("allowed", json!(allowed)), ("current_status", json!(order.status))];
        ServiceError::conflict_with("illegal_transition", format!("{detail}."), facts)
    })
}

fn check_demand(
    step: &crate::domain::order::Step,
    order: &Order,
    asked: &Transition,
) -> Result<(), ServiceError> {
    match step.demand {
        Demand::Nothing => Ok(()),
        Demand::Reason if asked.reason.is_some() => Ok(()),
        Demand::Reason => Err(ServiceError::invalid("reason", "missing", "say why the order is given back")),
        Demand::Proof => match (&asked.code, &asked.note) {
            (Some(code), _) if *code == order.code => Ok(()),
            (Some(_), _) => Err(ServiceError::invalid("code", "wrong", "this is not the customer's code")),
            (None, Some(_)) => Ok(()),
            (None, None) => Err(ServiceError::invalid(
                "code",
                "missing",
                "send the customer's code, or a note of the hand-over",
            )),
        },
        Demand::Assignee => {
            Err(ServiceError::invalid("to", "invalid", "an order is assigned by POST …/assign"))
        }
    }
}

/// Takes a legal step: changes the order, writes the timeline, and lets everybody know.
pub(in crate::services) fn take(
    tx: &mut Tx<'_>,
    order: Order,
    taken: Taken,
    words: Words,
    position: Option<Position>,
) -> Result<Order, ServiceError> {
    let (order, letters) = take_unnotified(tx, order, taken, words, position)?;
    notifications::add_all(tx, letters)?;
    Ok(order)
}

/// As [`take`], but for the inboxes: gives what is to be put there.
fn take_unnotified(
    tx: &mut Tx<'_>,
    mut order: Order,
    taken: Taken,
    words: Words,
    position: Option<Position>,
) -> Result<(Order, Letters), ServiceError> {
    let from = order.status;
    let before = order.partner.clone();
    order.status = taken.to;
    order.version += 1;
    order.updated_at = tx.now().max(order.updated_at);
    match taken.to {
        OrderStatus::Assigned => order.partner = taken.partner,
        OrderStatus::Confirmed => order.partner = None,
        OrderStatus::Pending
        | OrderStatus::EnRoute
        | OrderStatus::Arrived
        | OrderStatus::PickedUp
        | OrderStatus::InTransit
        | OrderStatus::Delivered
        | OrderStatus::Completed
        | OrderStatus::Cancelled
        | OrderStatus::Failed => {}
    }
    rows::update(tx.conn(), &order)?;
    let withdrawn = set_deadlines(tx, &order, from, before.as_ref(), taken.party)?;
    let reason = words.reason.as_deref().map(masked);
    save_step(tx.conn(), &order, Some(from), taken.party, taken.by, words, position)?;
    if let (Party::Admin, Some(by)) = (taken.party, taken.by) {
        console::note(tx, (by, Role::Admin), notices::activity(&order, from), Some(order.id))?;
    }
    let settled = money::settle(tx, &order, from, taken.party)?;
    announce(tx, &order, from, before.as_ref(), reason.clone())?;
    let commission = tx.settings().money.commission;
    let mut letters = notices::contents(
        &order,
        Circumstances {
            from,
            before: before.as_ref(),
            party: taken.party,
            reason: reason.as_deref(),
            fee: settled.fee,
            earnings: Money { amount: commission.split(order.price.amount).0, ..order.price },
        },
    );
    letters.extend(settled.letters);
    letters.extend(withdrawn);
    Ok((order, letters))
}

/// Sets and lifts what is to be done about the order in time, from this step on. Gives what is to be put into the inboxes of
/// those whom it was offered to.
fn set_deadlines(
    tx: &mut Tx<'_>,
    order: &Order,
    from: OrderStatus,
    before: Option<&Assignee>,
    by: Party,
) -> Result<Letters, ServiceError> {
    let letters = if from == OrderStatus::Confirmed { dispatch::end(tx, order, by)? } else { Vec::new() };
    if order.status == OrderStatus::Confirmed {
        dispatch::begin(tx, order, before)?;
    }
    if from == OrderStatus::Delivered {
        tx.lift_deadline(DeadlineKind::Complete, order.id)?;
    }
    if order.status == OrderStatus::Delivered {
        let due_at = order.updated_at.after(tx.settings().complete_after);
        tx.set_deadline(DeadlineKind::Complete, order.id, Some(order.id), due_at)?;
    }
    if order.status.is_end() && order.partner.is_some() {
        let closes_at = order.updated_at.after(tx.settings().chat_after_end);
        tx.set_deadline(DeadlineKind::ChatClosing, order.id, Some(order.id), closes_at)?;
    }
    Ok(letters)
}

/// Lets the groups know of a step, and puts a partner out who has the order no longer.
fn announce(
    tx: &mut Tx<'_>,
    order: &Order,
    from: OrderStatus,
    before: Option<&Assignee>,
    reason: Option<String>,
) -> Result<(), ServiceError> {
    let partner = order.partner.as_ref();
    let update = OrderUpdate {
        order_id: order.id,
        status: order.status,
        previous_status: from,
        version: order.version,
        updated_at: order.updated_at,
        partner: partner.map(|partner| PartnerView { id: partner.partner_id, name: partner.shown_name() }),
        reason,
    };
    let concerned = partner.or(before);
    tx.emit(&Event::OrderUpdated {
        update,
        customer_id: order.customer_id,
        partner_id: concerned.map(|partner| partner.partner_id),
    });
    let Some(concerned) = concerned else { return Ok(()) };
    let action = match (from.is_in_hand(), order.status.is_in_hand()) {
        (true, true) => Some(QueueAction::Changed),
        (false, true) => Some(QueueAction::Added),
        (true, false) => Some(QueueAction::Removed),
        // It has left the queue before.
        (false, false) => None,
    };
    if let Some(action) = action {
        let commission = tx.settings().money.commission;
        let seen = (action != QueueAction::Removed).then(|| OrderView::of(order, Party::Partner, commission));
        tx.emit(&Event::QueueUpdated {
            partner_id: concerned.partner_id,
            order_id: order.id,
            action,
            order: seen.map(Box::new),
        });
    }
    if partner.is_none() {
        tx.emit(&Event::AccessLost { group: GroupKey::Order(order.id), user_id: concerned.user_id });
    }
    Ok(())
}
