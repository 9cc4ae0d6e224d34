//! An admin: confirms what waits for it, and gives every confirmed order to a partner who is free.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::line::{Line, Part, kind};
use super::person::Person;
use super::trouble::Trouble;
use super::world::{Order, Orders, Talk, Update, is_due, soon};
use crate::domain::ids::{OrderId, PartnerId};
use crate::domain::order::OrderStatus;

/// Seconds of looking at an order before acting.
const LOOK: std::ops::Range<f64> = 0.3..2.0;

/// An admin.
pub struct Admin {
    talk: Rc<Talk>,
    rng: StdRng,
    pace: f64,
    /// Those that are not over; ids sort by age.
    orders: BTreeMap<OrderId, Known>,
}

struct Known {
    status: OrderStatus,
    version: i64,
    partner: Option<PartnerId>,
    look_at: Instant,
}

/// As much of an order as an `order_created` frame is sure to have.
#[derive(Deserialize)]
struct Created {
    id: OrderId,
    status: OrderStatus,
    version: i64,
}

impl Admin {
    /// An admin at the desk.
    #[must_use]
    pub fn new(talk: Rc<Talk>, rng: StdRng, pace: f64) -> Self {
        Self { talk, rng, pace, orders: BTreeMap::new() }
    }

    fn know(&mut self, id: OrderId, status: OrderStatus, version: i64, partner: Option<PartnerId>) {
        if self.orders.get(&id).is_some_and(|known| known.version > version) {
            return;
        }
        if status.is_end() {
            self.orders.remove(&id);
            return;
        }
        let look_at = soon(LOOK, self.pace, &mut self.rng);
        self.orders.insert(id, Known { status, version, partner, look_at });
    }

    fn enter(&mut self, order: &Order) {
        self.know(order.id, order.status, order.version, order.partner.as_ref().map(|partner| partner.id));
    }

    /// One of the partners who have nothing in hand.
    fn free_partner(&mut self) -> Option<PartnerId> {
        let busy = |id: &PartnerId| {
            self.orders
                .values()
                .any(|order| order.partner.as_ref() == Some(id) && order.status != OrderStatus::Delivered)
        };
        let free: Vec<PartnerId> = self.talk.on_duty().into_iter().filter(|id| !busy(id)).collect();
        if free.is_empty() {
            return None;
        }
        free.get(self.rng.random_range(0..free.len())).copied()
    }

    /// The oldest order that waits in `status`.
    fn waiting(&self, status: OrderStatus) -> Option<OrderId> {
        let mut waiting =
            self.orders.iter().filter(|(_, order)| order.status == status && is_due(Some(order.look_at)));
        waiting.next().map(|(id, _)| *id)
    }

    async fn act(&mut self, person: &Person, id: OrderId, path: &str, body: &Value) -> Result<(), Trouble> {
        let answer = match person.post::<Order>(path, body).await? {
            Some(order) => order,
            // Somebody else was faster.
            None => person.get(&format!("/api/v1/orders/{id}")).await?,
        };
        log::debug!("{}: {id} is {}", person.name(), answer.status);
        self.enter(&answer);
        Ok(())
    }
}

impl Part for Admin {
    async fn begin(&mut self, person: &Person) -> Result<(), Trouble> {
        let page: Orders = person.get("/api/v1/orders?limit=200").await?;
        self.orders.clear();
        page.items.iter().for_each(|order| self.enter(order));
        Ok(())
    }

    async fn hear(&mut self, _: &Person, _: &mut Line, frame: &Value) -> Result<(), Trouble> {
        match kind(frame) {
            "order_created" => {
                if let Some(order) = frame.get("order").and_then(|order| Created::deserialize(order).ok()) {
                    self.know(order.id, order.status, order.version, None);
                }
            }
            "order_update" => {
                if let Some(update) = Update::read(frame) {
                    let partner = update.partner.map(|partner| partner.id);
                    self.know(update.order_id, update.status, update.version, partner);
                }
            }
            // Any other frame says nothing that this admin acts on.
            _ => {}
        }
        Ok(())
    }

    async fn tick(&mut self, person: &Person, _: &mut Line) -> Result<(), Trouble> {
        if let Some(id) = self.waiting(OrderStatus::Pending) {
            let path = format!("/api/v1/orders/{id}/transitions");
            return self.act(person, id, &path, &json!({"to": "confirmed"})).await;
        }
        let Some(id) = self.waiting(OrderStatus::Confirmed) else { return Ok(()) };
        let Some(partner) = self.free_partner() else { return Ok(()) };
        let path = format!("/api/v1/orders/{id}/assign");
        self.act(person, id, &path, &json!({"partner_id": partner})).await
    }
}
