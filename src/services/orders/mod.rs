//! Orders: placing them, looking at them, and who may.

mod notices;
mod place;
mod quote;
mod rating;
mod repeated;
mod transition;

pub use place::{NewOrder, place};
pub use quote::{Enquiry, QuoteView, quote};
pub use rating::{NewRating, RatingView, rate, rating};
pub use transition::{Assignment, Transition, arrive, assign, complete, position_of, transition};
pub(super) use transition::{Taken, find_partner, legal, take};

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::contact::masked;
use crate::domain::geo::Position;
use crate::domain::ids::{OrderId, UserId};
use crate::domain::order::{Order, OrderStatus, Party};
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;
use crate::protocol::views::OrderView;
use crate::store::orders::{self as rows, Filter, TimelineStep};
use crate::store::{Conn, StoreError};

use super::app::App;
use super::error::ServiceError;

/// What `who` is to `order`; nothing to somebody who may not know of it.
#[must_use]
pub fn party_of(who: &Principal, order: &Order) -> Option<Party> {
    match who.role {
        Role::Admin => Some(Party::Admin),
        Role::Customer => (order.customer_id == who.user_id).then_some(Party::Customer),
        Role::Partner => {
            let assigned = order.partner.as_ref().map(|partner| partner.partner_id);
            (assigned.is_some() && assigned == who.partner_id).then_some(Party::Partner)
        }
    }
}

/// The order, and what `who` is to it.
///
/// # Errors
/// `NotFound`, also for an order that `who` may not know of.
pub fn visible(conn: &mut Conn, who: &Principal, order_id: OrderId) -> Result<(Order, Party), ServiceError> {
    let order = rows::find(conn, order_id)?;
    with_party(who, order)
}

/// As [`visible`], for an order that was looked up.
pub(in crate::services) fn with_party(
    who: &Principal,
    order: Option<Order>,
) -> Result<(Order, Party), ServiceError> {
    let found = order.and_then(|order| party_of(who, &order).map(|party| (order, party)));
    found.ok_or(ServiceError::NotFound { what: "order" })
}

/// One order.
///
/// # Errors
/// `NotFound`; the database's.
pub async fn get(app: &App, who: Principal, order_id: OrderId) -> Result<OrderView, ServiceError> {
    let (order, party) = app.read(move |conn| visible(conn, &who, order_id)).await?;
    Ok(view(app, &order, party))
}

/// The order as `viewer` may see it now.
#[must_use]
pub fn view(app: &App, order: &Order, viewer: Party) -> OrderView {
    let now = Timestamp::now();
    let location = app.last_seen().get(order.id, now).filter(|_| order.status.shows_location());
    let eta = app.last_seen().eta(order.id, order.status, now);
    OrderView { eta, location, ..OrderView::of(order, viewer, app.settings().money.commission) }
}

/// Orders that `who` may see, newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    app: &App,
    who: Principal,
    mut filter: Filter,
    limit: i64,
) -> Result<Vec<OrderView>, ServiceError> {
    // Who asks for somebody else's gets none, rather than their own.
    match who.role {
        Role::Admin => {}
        Role::Customer if filter.customer_id.is_none_or(|asked| asked == who.user_id) => {
            filter.customer_id = Some(who.user_id);
        }
        Role::Partner
            if who.partner_id.is_some()
                && filter.partner_id.is_none_or(|asked| who.partner_id == Some(asked)) =>
        {
            filter.partner_id = who.partner_id;
        }
        Role::Customer | Role::Partner => return Ok(Vec::new()),
    }
    let orders = app.read(move |conn| Ok(rows::list(conn, &filter, limit)?)).await?;
    Ok(orders.iter().filter_map(|order| party_of(&who, order).map(|party| view(app, order, party))).collect())
}

/// One step of an order's timeline, on the wire.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineView {
    /// The order's version after it.
    pub version: i64,
    /// Before; `null` for the first.
    pub from: Option<OrderStatus>,
    /// After.
    pub to: OrderStatus,
    /// As what it was taken.
    pub by: Party,
    /// By whom, where it was a user.
    pub user_id: Option<UserId>,
    /// Why. Phone numbers and e-mail addresses in words of others are masked, here and in the note.
    pub reason: Option<String>,
    /// What was said at the hand-over.
    pub note: Option<String>,
    /// Where the partner was.
    pub position: Option<Position>,
    /// When.
    pub at: Timestamp,
}

impl TimelineView {
    /// A step as a user may see it: words of others go to customers and partners without contact details.
    fn of(step: TimelineStep, user_id: UserId, viewer: Party) -> Self {
        let is_seen = viewer == Party::Admin || step.user_id == Some(user_id);
        let seen = |text: String| if is_seen { text } else { masked(&text) };
        Self {
            version: step.version,
            from: step.from,
            to: step.to,
            by: step.party,
            user_id: step.user_id,
            reason: step.reason.map(seen),
            note: step.note.map(seen),
            position: step.position,
            at: step.at,
        }
    }
}

/// An order's timeline, oldest step first.
///
/// # Errors
/// `NotFound`; the database's.
pub async fn timeline(
    app: &App,
    who: Principal,
    order_id: OrderId,
) -> Result<Vec<TimelineView>, ServiceError> {
    app.read(move |conn| {
        let (_, viewer) = visible(conn, &who, order_id)?;
        let steps = rows::timeline(conn, order_id)?;
        Ok(steps.into_iter().map(|step| TimelineView::of(step, who.user_id, viewer)).collect())
    })
    .await
}

/// Writes an order's change and the step that made it.
fn save_step(
    conn: &mut Conn,
    order: &Order,
    from: Option<OrderStatus>,
    party: Party,
    who: Option<UserId>,
    words: Words,
    position: Option<Position>,
) -> Result<(), StoreError> {
    let is_assigning = order.status == OrderStatus::Assigned;
    let step = TimelineStep {
        version: order.version,
        from,
        to: order.status,
        party,
        user_id: who,
        reason: words.reason,
        note: words.note,
        position,
        at: order.updated_at,
        partner_id: order.partner.as_ref().filter(|_| is_assigning).map(|partner| partner.partner_id),
    };
    rows::insert_step(conn, order.id, &step)
}

/// What was said about a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub reason: Option<String>,
    pub note: Option<String>,
}
