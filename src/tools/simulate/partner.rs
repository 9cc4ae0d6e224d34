//! A partner: takes the orders that come into the queue one after the other, rides, and tells where.

use std::rc::Rc;
use std::time::Instant;

use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::city::Spot;
use super::line::{Line, Part, kind};
use super::person::Person;
use super::rider::Rider;
use super::trouble::Trouble;
use super::world::{Order, Orders, Talk, Update, is_due, soon};
use crate::domain::ids::PartnerId;
use crate::domain::order::OrderStatus;
use crate::domain::time::Timestamp;

/// Seconds until the helmet is on.
const HELMET: std::ops::Range<f64> = 0.5..2.5;
/// Seconds at the shop.
const SHOP: std::ops::Range<f64> = 3.0..7.0;
/// Seconds for stowing the goods.
const STOWING: std::ops::Range<f64> = 1.0..3.0;
/// Seconds at the door.
const DOOR: std::ops::Range<f64> = 1.0..4.0;

/// A partner.
pub struct Partner {
    talk: Rc<Talk>,
    rng: StdRng,
    pace: f64,
    id: Option<PartnerId>,
    rider: Rider,
    measured: Instant,
    /// Oldest first.
    orders: Vec<Order>,
    /// When what takes time at the present status is done, and for which version of the order.
    done_at: Option<(i64, Instant)>,
}

#[derive(Deserialize)]
struct Me {
    partner_id: Option<PartnerId>,
}

impl Partner {
    /// A partner at some crossing.
    #[must_use]
    pub fn new(talk: Rc<Talk>, mut rng: StdRng, pace: f64) -> Self {
        let rider = Rider::new(Spot::crossing(&mut rng), &mut rng);
        Self { talk, rng, pace, id: None, rider, measured: Instant::now(), orders: Vec::new(), done_at: None }
    }

    /// Puts the rider where the first order of the day was last seen: a simulation that comes back goes on from there.
    fn resume(&mut self) {
        let Some(order) = self.orders.first() else { return };
        match (order.location, order.status) {
            (Some(seen), _) => self.rider.put(Spot::of(seen.position())),
            (None, OrderStatus::Arrived | OrderStatus::PickedUp | OrderStatus::InTransit) => {
                self.rider.put(Spot::of(order.pickup.position()));
            }
            (None, _) => {}
        }
    }

    /// Whether `seconds` have passed since the order came to this status.
    fn took(&mut self, version: i64, seconds: std::ops::Range<f64>) -> bool {
        match self.done_at {
            Some((of, done)) if of == version => is_due(Some(done)),
            Some(_) | None => {
                self.done_at = Some((version, soon(seconds, self.pace, &mut self.rng)));
                false
            }
        }
    }

    /// The step that is due for the order in hand, if one is.
    fn work(&mut self, order: &Order, seconds: f64) -> Option<Value> {
        let to = |status: OrderStatus| Some(json!({"to": status, "version": order.version}));
        let goal = match order.status {
            OrderStatus::Assigned => {
                return if self.took(order.version, HELMET) { to(OrderStatus::EnRoute) } else { None };
            }
            OrderStatus::Arrived => {
                self.rider.stop();
                return if self.took(order.version, SHOP) { to(OrderStatus::PickedUp) } else { None };
            }
            OrderStatus::PickedUp => {
                return if self.took(order.version, STOWING) { to(OrderStatus::InTransit) } else { None };
            }
            OrderStatus::EnRoute => &order.pickup,
            OrderStatus::InTransit => &order.dropoff,
            OrderStatus::Pending
            | OrderStatus::Confirmed
            | OrderStatus::Delivered
            | OrderStatus::Completed
            | OrderStatus::Cancelled
            | OrderStatus::Failed => return None,
        };
        self.rider.head_for(Spot::of(goal.position()));
        self.rider.ride(seconds, self.pace, &mut self.rng);
        if !self.rider.is_there() {
            return None;
        }
        if order.status == OrderStatus::EnRoute {
            return to(OrderStatus::Arrived);
        }
        if !self.took(order.version, DOOR) {
            return None;
        }
        let mut step = json!({"to": OrderStatus::Delivered, "version": order.version});
        let (name, proof) = match self.talk.ask_code(order.id) {
            Some(code) => ("code", code),
            None => ("note", "Handed over at the door.".to_owned()),
        };
        if let Some(step) = step.as_object_mut() {
            step.insert(name.to_owned(), Value::String(proof));
        }
        Some(step)
    }

    async fn tell_where(&mut self, line: &mut Line, order: &Order) -> Result<(), Trouble> {
        let fix = self.rider.measure(&mut self.rng);
        line.say(&json!({
            "type": "location",
            "order_id": order.id,
            "latitude": fix.position.latitude,
            "longitude": fix.position.longitude,
            "timestamp": Timestamp::now(),
            "heading": fix.heading,
            "speed": fix.speed,
            "accuracy": fix.accuracy,
            "battery": fix.battery,
        }))
        .await
    }

    /// Takes in how an order stands, whichever way that came.
    fn know(&mut self, order: Order) {
        self.orders.retain(|known| known.id != order.id);
        if is_in_hand(order.status) {
            self.orders.push(order);
            self.orders.sort_by_key(|order| order.id);
        }
    }
}

/// Whether a partner has something to do about it.
fn is_in_hand(status: OrderStatus) -> bool {
    status == OrderStatus::Assigned || status.shows_location()
}

impl Part for Partner {
    async fn begin(&mut self, person: &Person) -> Result<(), Trouble> {
        if self.id.is_none() {
            self.id = person.get::<Me>("/api/v1/me").await?.partner_id;
        }
        let first = self.orders.is_empty();
        let page: Orders = person.get("/api/v1/orders?limit=50").await?;
        self.orders = page.items;
        self.orders.retain(|order| is_in_hand(order.status));
        self.orders.sort_by_key(|order| order.id);
        if first {
            self.resume();
        }
        if let Some(id) = self.id {
            self.talk.report_for_duty(id);
        }
        Ok(())
    }

    async fn hear(&mut self, _: &Person, _: &mut Line, frame: &Value) -> Result<(), Trouble> {
        match kind(frame) {
            "queue_update" => {
                let Some(order) = Order::read(frame) else { return Ok(()) };
                let known = self.orders.iter().find(|known| known.id == order.id);
                if known.is_none_or(|known| known.version < order.version) {
                    self.know(order);
                }
            }
            "order_update" => {
                let Some(update) = Update::read(frame) else { return Ok(()) };
                if let Some(order) = self.orders.iter_mut().find(|order| order.id == update.order_id) {
                    order.take(&update);
                }
                let me = self.id;
                self.orders.retain(|order| {
                    is_in_hand(order.status) && order.partner.as_ref().map(|partner| partner.id) == me
                });
            }
            // Any other frame says nothing that a partner acts on.
            _ => {}
        }
        Ok(())
    }

    async fn tick(&mut self, person: &Person, line: &mut Line) -> Result<(), Trouble> {
        let seconds = self.measured.elapsed().as_secs_f64().min(5.0);
        self.measured = Instant::now();
        let Some(order) = self.orders.first().cloned() else {
            self.rider.stop();
            return Ok(());
        };
        let step = self.work(&order, seconds);
        if order.status.shows_location() {
            self.tell_where(line, &order).await?;
        }
        let Some(step) = step else { return Ok(()) };
        let path = format!("/api/v1/orders/{}/transitions", order.id);
        match person.post::<Order>(&path, &step).await? {
            Some(order) => {
                log::debug!("{}: {} is {}", person.name(), order.id, order.status);
                self.know(order);
            }
            // Somebody else was faster: what is so now is asked for.
            None => self.begin(person).await?,
        }
        Ok(())
    }
}
