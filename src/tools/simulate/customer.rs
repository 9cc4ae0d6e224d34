//! A customer: orders something now and then, waits for it, says the code at the door, confirms; sometimes changes
//! their mind. Reads some of the notifications.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::city::{SHOPS, some_address};
use super::line::{Line, Part, kind};
use super::person::Person;
use super::trouble::Trouble;
use super::world::{Order, Orders, Talk, Update, is_due, soon};
use crate::domain::order::OrderStatus;

/// Orders at a time.
const AT_ONCE: usize = 2;
/// Seconds from one order to the next.
const PAUSE: std::ops::Range<f64> = 15.0..55.0;
/// Seconds of thinking before the very first.
const HURRY: std::ops::Range<f64> = 0.1..1.5;
/// Seconds from the door to the confirmation.
const UNPACKING: std::ops::Range<f64> = 3.0..8.0;
/// How many orders are thought better of.
const REGRET: f64 = 0.07;
/// Seconds of having a partner until then.
const REGRETTING: std::ops::Range<f64> = 2.0..15.0;
/// How many notifications are opened.
const OPENED: f64 = 0.4;
/// Seconds until then.
const OPENING: std::ops::Range<f64> = 1.5..10.0;
/// With this many unread, all are marked as read.
const TOO_MANY: u64 = 25;
/// Metres of street from a shop to the door.
const DELIVERY: (f64, f64) = (300.0, 600.0);

/// A customer.
pub struct Customer {
    talk: Rc<Talk>,
    rng: StdRng,
    pace: f64,
    orders: Vec<Mine>,
    next_order: Instant,
    /// Notifications that will be opened, and when.
    to_open: Vec<(Instant, String)>,
    tidy_at: Option<Instant>,
}

/// An order of this customer that is not over.
struct Mine {
    order: Order,
    /// Will be called off once a partner has it.
    regrets: bool,
    /// When to confirm or to call off.
    act_at: Option<Instant>,
}

impl Customer {
    /// A customer who has just come home.
    #[must_use]
    pub fn new(talk: Rc<Talk>, mut rng: StdRng, pace: f64) -> Self {
        let next_order = soon(HURRY, pace, &mut rng);
        Self { talk, rng, pace, orders: Vec::new(), next_order, to_open: Vec::new(), tidy_at: None }
    }

    /// Decides what to do about an order as it stands.
    fn plan(&mut self, at: usize) {
        let Some(mine) = self.orders.get_mut(at) else { return };
        mine.act_at = match mine.order.status {
            OrderStatus::Delivered => Some(soon(UNPACKING, self.pace, &mut self.rng)),
            OrderStatus::Assigned if mine.regrets => Some(soon(REGRETTING, self.pace, &mut self.rng)),
            // Still the same thought: the partner is on the way, not there yet.
            OrderStatus::EnRoute => mine.act_at,
            OrderStatus::Pending
            | OrderStatus::Confirmed
            | OrderStatus::Assigned
            | OrderStatus::Arrived
            | OrderStatus::PickedUp
            | OrderStatus::InTransit => None,
            OrderStatus::Completed | OrderStatus::Cancelled | OrderStatus::Failed => {
                self.talk.forget_code(mine.order.id);
                self.orders.remove(at);
                return;
            }
        };
    }

    fn know(&mut self, order: Order, regrets: bool) {
        self.talk.tell_code(&order);
        match self.orders.iter_mut().find(|mine| mine.order.id == order.id) {
            Some(mine) => mine.order = order,
            None => self.orders.push(Mine { order, regrets, act_at: None }),
        }
    }

    async fn place(&mut self, person: &Person) -> Result<(), Trouble> {
        self.next_order = soon(PAUSE, self.pace, &mut self.rng);
        let order = an_order(&mut self.rng);
        let regrets = self.rng.random_bool(REGRET);
        if let Some(order) = person.post::<Order>("/api/v1/orders", &order).await? {
            log::debug!("{}: ordered {}", person.name(), order.id);
            self.know(order, regrets);
        }
        Ok(())
    }

    async fn act(&mut self, person: &Person) -> Result<(), Trouble> {
        let Some(mine) = self.orders.iter_mut().find(|mine| is_due(mine.act_at)) else { return Ok(()) };
        mine.act_at = None;
        let step = if mine.order.status == OrderStatus::Delivered {
            json!({"to": "completed"})
        } else {
            json!({"to": "cancelled", "reason": "I have changed my mind."})
        };
        let path = format!("/api/v1/orders/{}/transitions", mine.order.id);
        let id = mine.order.id;
        if let Some(order) = person.post::<Order>(&path, &step).await? {
            log::debug!("{}: {id} is {}", person.name(), order.status);
            self.know(order, false);
            if let Some(at) = self.orders.iter().position(|mine| mine.order.id == id) {
                self.plan(at);
            }
        }
        Ok(())
    }
}

impl Part for Customer {
    async fn begin(&mut self, person: &Person) -> Result<(), Trouble> {
        let page: Orders = person.get("/api/v1/orders?limit=50").await?;
        let known = std::mem::take(&mut self.orders);
        for order in page.items.into_iter().filter(|order| !order.status.is_end()) {
            let regrets = known.iter().any(|mine| mine.order.id == order.id && mine.regrets);
            self.know(order, regrets);
        }
        for at in (0..self.orders.len()).rev() {
            self.plan(at);
        }
        Ok(())
    }

    async fn hear(&mut self, _: &Person, line: &mut Line, frame: &Value) -> Result<(), Trouble> {
        match kind(frame) {
            "order_update" => {
                let Some(update) = Update::read(frame) else { return Ok(()) };
                let at = self.orders.iter().position(|mine| mine.order.id == update.order_id);
                if let Some(at) = at
                    && self.orders.get_mut(at).is_some_and(|mine| mine.order.take(&update))
                {
                    self.plan(at);
                }
            }
            "notification" => {
                if let Some(event) = frame.get("id") {
                    line.say(&json!({"type": "ack", "ids": [event]})).await?;
                }
                let id = frame.pointer("/notification/id").and_then(Value::as_str);
                if let Some(id) = id.filter(|_| self.rng.random_bool(OPENED)) {
                    self.to_open.push((soon(OPENING, self.pace, &mut self.rng), id.to_owned()));
                }
            }
            "unread_count" => {
                let many = frame.get("count").and_then(Value::as_u64).is_some_and(|count| count > TOO_MANY);
                self.tidy_at = many.then(|| soon(OPENING, self.pace, &mut self.rng));
            }
            // Any other frame says nothing that a customer acts on.
            _ => {}
        }
        Ok(())
    }

    async fn tick(&mut self, person: &Person, line: &mut Line) -> Result<(), Trouble> {
        if self.next_order <= Instant::now() && self.orders.len() < AT_ONCE {
            self.place(person).await?;
        }
        self.act(person).await?;
        if let Some(at) = self.to_open.iter().position(|(due, _)| is_due(Some(*due))) {
            let (_, id) = self.to_open.swap_remove(at);
            line.say(&json!({"type": "mark_read", "id": id})).await?;
        }
        if is_due(self.tidy_at) {
            self.tidy_at = None;
            self.to_open.clear();
            line.say(&json!({"type": "mark_all_read"})).await?;
        }
        Ok(())
    }
}

fn an_order(rng: &mut StdRng) -> Value {
    let Some(shop) = SHOPS.get(rng.random_range(0..SHOPS.len())) else { return Value::Null };
    let first = rng.random_range(0..shop.menu.len());
    let lines = rng.random_range(1..=2);
    let items: Vec<Value> = shop
        .menu
        .iter()
        .cycle()
        .skip(first)
        .take(lines)
        .map(|(name, price)| json!({"name": name, "quantity": rng.random_range(1..=3), "unit_price": price}))
        .collect();
    let notes = ["Second floor, the bell is broken.", "Please leave it with the concierge.", ""];
    let mut order = json!({
        "pickup": shop.place(),
        "dropoff": some_address(rng, shop.spot(), DELIVERY.0, DELIVERY.1),
        "items": items,
        "currency": "EUR",
        "payment_method": "cash",
    });
    if let Some(note) = notes.get(rng.random_range(0..notes.len())).filter(|note| !note.is_empty())
        && let Some(order) = order.as_object_mut()
    {
        order.insert("notes".to_owned(), json!(note));
    }
    order
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_same_seed_orders_the_same() {
        let order = |seed| an_order(&mut StdRng::seed_from_u64(seed));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert!(order(3)["items"][0]["unit_price"].is_i64());
    }
}
