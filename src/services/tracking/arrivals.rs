//! What comes of a partner's being near: at the pick-up the order takes its step, near the drop-off its customer is told.
//! Both are done once, whichever instances see it, and however often.

use crate::domain::eta::Leg;
use crate::domain::ids::OrderId;
use crate::domain::notification::NotificationContent;
use crate::domain::order::OrderStatus;
use crate::services::app::{App, Tx};
use crate::services::error::ServiceError;
use crate::services::{notifications, orders};
use crate::store::marks::{self, Mark};
use crate::store::orders as rows;
use crate::store::tracks::UnderWay;

/// Sees to an entry, beside whatever else is going on. One that fails is made again by the next samples.
pub(super) fn begin(app: &App, order: &UnderWay, leg: Leg) {
    let (app, order) = (app.clone(), *order);
    actix_web::rt::spawn(async move {
        let position = orders::position_of(&app, order.order_id);
        let done = app.write(move |tx| match leg {
            Leg::Pickup => orders::arrive(tx, order.order_id, order.partner_id, position),
            Leg::Dropoff => announce(tx, order.order_id),
        });
        if let Err(error) = done.await {
            log::warn!("order {}: its partner's being near is not seen to yet: {error}", order.order_id);
            app.last_seen().retry_entry(order.order_id, leg);
        }
    });
}

fn announce(tx: &mut Tx<'_>, order_id: OrderId) -> Result<(), ServiceError> {
    let Some(order) = rows::find_locked(tx.conn(), order_id)? else { return Ok(()) };
    let Some(partner) = order.partner.filter(|_| order.status == OrderStatus::InTransit) else {
        return Ok(());
    };
    let now = tx.now();
    let (_, is_first) = marks::set(tx.conn(), order_id, Mark::Arriving, now)?;
    if !is_first {
        return Ok(());
    }
    let partner_name = partner.shown_name().as_str().into();
    let content = NotificationContent::OrderArriving { order_id, partner_name };
    notifications::add(tx, order.customer_id, &content)
}
