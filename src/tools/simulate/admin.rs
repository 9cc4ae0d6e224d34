//! An admin: watches all orders, and confirms what waits for it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::line::{Line, Part, kind};
use super::person::Person;
use super::trouble::Trouble;
use super::world::{Orders, Town, Update, is_due, soon};
use crate::domain::ids::OrderId;
use crate::domain::order::OrderStatus;

/// Seconds of looking at an order before acting.
const LOOK: std::ops::Range<f64> = 0.3..2.0;

/// An admin.
pub struct Admin {
    rng: StdRng,
    pace: f64,
    /// Those that wait, and when they are looked at; ids sort by age.
    pending: BTreeMap<OrderId, Instant>,
}

/// As much of an order as an `order_created` frame is sure to have.
#[derive(Deserialize)]
struct Created {
    id: OrderId,
    status: OrderStatus,
}

impl Admin {
    /// An admin at the desk.
    #[must_use]
    pub fn new(_: Rc<Town>, rng: StdRng, pace: f64) -> Self {
        Self { rng, pace, pending: BTreeMap::new() }
    }

    fn know(&mut self, id: OrderId, status: OrderStatus) {
        if status == OrderStatus::Pending {
            let look_at = soon(LOOK, self.pace, &mut self.rng);
            self.pending.entry(id).or_insert(look_at);
        } else {
            self.pending.remove(&id);
        }
    }
}

impl Part for Admin {
    async fn begin(&mut self, person: &Person, _: &mut Line<'_>) -> Result<(), Trouble> {
        let page: Orders = person.get("/api/v1/orders?status=pending&limit=200").await?;
        self.pending.clear();
        page.items.iter().for_each(|order| self.know(order.id, order.status));
        Ok(())
    }

    async fn hear(&mut self, _: &Person, _: &mut Line<'_>, frame: &Value) -> Result<(), Trouble> {
        match kind(frame) {
            "order_created" => {
                if let Some(order) = frame.get("order").and_then(|order| Created::deserialize(order).ok()) {
                    self.know(order.id, order.status);
                }
            }
            "order_update" => {
                if let Some(update) = Update::read(frame) {
                    self.know(update.order_id, update.status);
                }
            }
            // Any other frame says nothing that this admin acts on.
            _ => {}
        }
        Ok(())
    }

    async fn tick(&mut self, person: &Person, _: &mut Line<'_>) -> Result<(), Trouble> {
        let due = self.pending.iter().find(|(_, look_at)| is_due(Some(**look_at)));
        let Some(id) = due.map(|(id, _)| *id) else { return Ok(()) };
        // Where that is refused, somebody else was faster.
        self.pending.remove(&id);
        let path = format!("/api/v1/orders/{id}/transitions");
        person.post::<Value>(&path, &json!({"to": "confirmed"}), &["illegal_transition"]).await?;
        log::debug!("{}: {id} is confirmed", person.name());
        Ok(())
    }
}
