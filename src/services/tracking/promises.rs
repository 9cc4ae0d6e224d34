//! The first ETA of a leg is a promise, which is kept; and the customer is notified when the arrival slips.

use crate::domain::eta::{Leg, slip};
use crate::domain::ids::OrderId;
use crate::domain::notification::NotificationContent;
use crate::domain::order::OrderStatus;
use crate::domain::time::Timestamp;
use crate::services::app::{App, Tx};
use crate::services::error::ServiceError;
use crate::services::notifications;
use crate::store::marks::{self, Mark};
use crate::store::orders as rows;

use super::live::Slip;
use super::pass;

/// How many are kept in one transaction.
const BATCH: usize = 200;

/// Keeps first ETAs, unless the database has some already, from another instance or before a restart; then tells of them.
pub(super) fn keep(app: &App, mut promises: Vec<(OrderId, Leg, Option<Timestamp>)>) {
    // Always in the same order, so that two instances do not wait for each other.
    promises.sort_unstable();
    for batch in promises.chunks(BATCH) {
        let (app, batch) = (app.clone(), batch.to_vec());
        actix_web::rt::spawn(async move {
            let promises = batch.clone();
            let kept = app.write(move |tx| promises.iter().map(|promise| keep_in(tx, *promise)).collect());
            let kept: Result<Vec<_>, ServiceError> = kept.await;
            let last_seen = app.last_seen();
            match kept {
                Ok(kept) => {
                    let mut promised = Vec::new();
                    for ((order_id, leg, _), known) in batch.iter().zip(kept) {
                        last_seen.set_promise(*order_id, *leg, known);
                        promised.extend(known.map(|_| *order_id));
                    }
                    // Where nothing was promised yet it is the next sample that asks for the way, and promises by that.
                    pass::expect(&app, promised).await;
                }
                Err(error) => {
                    log::warn!("{} first ETAs wait for the next samples: {error}", batch.len());
                    batch.iter().for_each(|(order_id, leg, _)| last_seen.set_promise(*order_id, *leg, None));
                }
            }
        });
    }
}

/// What was promised, and what the customer was told last; nothing where nothing was, and nothing is to be.
fn keep_in(
    tx: &mut Tx<'_>,
    (order_id, leg, arrives_at): (OrderId, Leg, Option<Timestamp>),
) -> Result<Option<(Timestamp, Timestamp)>, ServiceError> {
    let promised_at = match arrives_at {
        Some(arrives_at) => marks::set(tx.conn(), order_id, Mark::Promised(leg), arrives_at)?.0,
        None => match marks::get(tx.conn(), order_id, Mark::Promised(leg))? {
            Some(promised_at) => promised_at,
            None => return Ok(None),
        },
    };
    let (announced_at, _) = marks::set(tx.conn(), order_id, Mark::Announced(leg), promised_at)?;
    Ok(Some((promised_at, announced_at)))
}

/// Notifies customers of arrivals that have slipped, once for each slip.
pub(super) fn notify(app: &App, slips: Vec<Slip>) {
    for slip in slips {
        let app = app.clone();
        actix_web::rt::spawn(async move {
            let told = app.write(move |tx| notify_in(tx, slip)).await;
            if !matches!(told, Ok(true)) {
                // Somebody else has told the customer something, or nobody could be told: the database says what.
                app.last_seen().set_promise(slip.order_id, slip.leg, None);
            }
            if let Err(error) = told {
                log::warn!("order {}: its customer is not told of a delay yet: {error}", slip.order_id);
            }
        });
    }
}

fn notify_in(tx: &mut Tx<'_>, slip_of: Slip) -> Result<bool, ServiceError> {
    let Slip { order_id, leg, announced_at, arrives_at } = slip_of;
    let Some(order) = rows::find_locked(tx.conn(), order_id)? else { return Ok(true) };
    let is_under_way = |status: OrderStatus| Leg::of(status) == Some(leg);
    let Some(delay) = slip(announced_at, arrives_at).filter(|_| is_under_way(order.status)) else {
        return Ok(true);
    };
    if !marks::advance(tx.conn(), order_id, Mark::Announced(leg), announced_at, arrives_at)? {
        return Ok(false);
    }
    notifications::add(
        tx,
        order.customer_id,
        &NotificationContent::EtaChanged { order_id, arrives_at, delay },
    )?;
    Ok(true)
}
