//! A partner: comes online, weighs offers, carries the orders out one after the other, and tells where.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat::Chat;
use super::city::Spot;
use super::inbox::Inbox;
use super::line::{Line, Part, kind};
use super::offers::Offers;
use super::person::{Answer, Person};
use super::phone::Phone;
use super::rules::Break;
use super::rules::transfers::Transfer;
use super::rules::words::Words;
use super::trouble::Trouble;
use super::world::{Order, Orders, Town, Update, is_due, soon};
use crate::domain::ids::{PartnerId, UserId};
use crate::domain::order::{OrderStatus, Party};
use crate::domain::time::Timestamp;

/// Seconds until the helmet is on.
const HELMET: std::ops::Range<f64> = 0.5..2.5;
/// Seconds at the shop.
const SHOP: std::ops::Range<f64> = 3.0..7.0;
/// Seconds for stowing the goods.
const STOWING: std::ops::Range<f64> = 1.0..3.0;
/// Seconds at the door.
const DOOR: std::ops::Range<f64> = 1.0..4.0;
/// How many orders are given back.
const GIVEN_BACK: f64 = 0.02;
/// How many messages are answered.
const ANSWERED: f64 = 0.5;
/// How many earnings make somebody ask for a pay-out.
const PAID_OUT: f64 = 0.1;
/// How many orders lead through a tunnel.
const TUNNEL: f64 = 1.0 / 30.0;
/// Seconds in it.
const IN_TUNNEL: std::ops::Range<f64> = 20.0..60.0;
/// Why a step cannot be taken any more.
const STEP_REFUSALS: [&str; 3] = ["version_conflict", "illegal_transition", "not_found"];
/// What is written to customers.
pub(super) static WORDS: [Words; 4] = [
    Words::plain("On my way!"),
    Words::plain("All right."),
    Words::plain("I will be there in a few minutes."),
    Words { said: "I cannot find it, call me: 612 345 678", told: "I cannot find it, call me: •••" },
];

/// A partner.
pub struct Partner {
    town: Rc<Town>,
    rng: StdRng,
    pace: f64,
    me: Option<Me>,
    phone: Phone,
    offers: Offers,
    chat: Chat,
    inbox: Inbox,
    /// Oldest first.
    orders: Vec<Order>,
    /// When what takes time at the present status is done, and for which version of the order.
    done_at: Option<(i64, Instant)>,
    /// Orders that are not carried out any more, but still listened to.
    lost: Vec<Order>,
    wants_money: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Me {
    id: UserId,
    partner_id: Option<PartnerId>,
}

impl Partner {
    /// A partner at some crossing.
    #[must_use]
    pub fn new(town: Rc<Town>, mut rng: StdRng, pace: f64) -> Self {
        Self {
            phone: Phone::new(Rc::clone(&town), Spot::crossing(&mut rng), pace, &mut rng),
            offers: Offers::new(Rc::clone(&town), &mut rng),
            chat: Chat::new(Rc::clone(&town), Party::Partner),
            inbox: Inbox::new(Rc::clone(&town), pace, &mut rng),
            town,
            rng,
            pace,
            me: None,
            orders: Vec::new(),
            done_at: None,
            lost: Vec::new(),
            wants_money: false,
        }
    }

    /// Puts the rider where the first order of the day was last seen: a simulation that comes back goes on from there.
    fn resume(&mut self) {
        let Some(order) = self.orders.first() else { return };
        match (order.location, order.status) {
            (Some(seen), _) => self.phone.rider.put(Spot::of(seen.position())),
            (None, OrderStatus::Arrived | OrderStatus::PickedUp | OrderStatus::InTransit) => {
                self.phone.rider.put(Spot::of(order.pickup.position()));
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
    fn work(&mut self, order: &Order) -> Option<Value> {
        let to = |status: OrderStatus| Some(json!({"to": status, "version": order.version}));
        let goal = match order.status {
            OrderStatus::Assigned => {
                if !self.took(order.version, HELMET) {
                    return None;
                }
                if self.rng.random_bool(GIVEN_BACK) {
                    self.town.saw.did("order given back");
                    let reason = "A flat tyre.";
                    return Some(json!({"to": "confirmed", "version": order.version, "reason": reason}));
                }
                return to(OrderStatus::EnRoute);
            }
            OrderStatus::Arrived => {
                self.phone.rider.stop();
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
        self.phone.rider.head_for(Spot::of(goal.position()));
        if !self.phone.rider.is_there() {
            return None;
        }
        if order.status == OrderStatus::EnRoute {
            return to(OrderStatus::Arrived);
        }
        if !self.took(order.version, DOOR) {
            return None;
        }
        let mut step = json!({"to": OrderStatus::Delivered, "version": order.version});
        let (name, proof) = match self.town.ask_code(order.id) {
            Some(code) => ("code", code),
            None => ("note", "Handed over at the door.".to_owned()),
        };
        if let Some(step) = step.as_object_mut() {
            step.insert(name.to_owned(), Value::String(proof));
        }
        Some(step)
    }

    /// Takes in how an order stands, whichever way that came.
    fn know(&mut self, order: Order) {
        let known = self.orders.iter().find(|known| known.id == order.id);
        if known.is_some_and(|known| known.version > order.version) {
            return;
        }
        self.orders.retain(|known| known.id != order.id);
        let is_mine =
            order.partner.as_ref().map(|partner| partner.id) == self.me.and_then(|me| me.partner_id);
        if is_mine && is_in_hand(order.status) {
            self.orders.push(order);
            self.orders.sort_by_key(|order| order.id);
        } else {
            self.lost.push(order);
        }
    }

    /// Asks what is so now.
    async fn look(&mut self, person: &Person) -> Result<(), Trouble> {
        let page: Orders = person.get("/api/v1/orders?limit=50").await?;
        let known = std::mem::take(&mut self.orders);
        let is_listed = |order: &Order| page.items.iter().any(|listed| listed.id == order.id);
        self.lost.extend(known.into_iter().filter(|order| !is_listed(order)));
        page.items.into_iter().filter(|order| is_in_hand(order.status)).for_each(|order| self.know(order));
        Ok(())
    }

    async fn step(&mut self, person: &Person, order: &Order, step: &Value) -> Result<(), Trouble> {
        self.town.saw.calls_step(order.id, order.version);
        let path = format!("/api/v1/orders/{}/transitions", order.id);
        match person.post::<Order>(&path, step, &STEP_REFUSALS).await? {
            Answer::Done(order) => {
                log::debug!("{}: {} is {}", person.name(), order.id, order.status);
                self.know(order);
                Ok(())
            }
            // Somebody else was faster, the geofence say: what is so now is asked for.
            Answer::Refused(refusal) => {
                self.look(person).await?;
                let now = self.orders.iter().find(|now| now.id == order.id);
                if now.is_some_and(|now| now.version == order.version) {
                    let expected = format!("a step from {} to be taken: {step}", order.status);
                    self.town.saw.broke(person.name(), Break::new(order.id, expected, refusal.body));
                }
                Ok(())
            }
        }
    }

    /// Listens to the orders in hand, and no longer to the others.
    async fn listen(&mut self, line: &mut Line<'_>) -> Result<(), Trouble> {
        for order in &self.orders {
            line.listen(&format!("order_{}", order.id)).await?;
        }
        for order in self.lost.drain(..) {
            line.hang_up(&format!("order_{}", order.id)).await?;
        }
        Ok(())
    }

    async fn ask_for_money(&mut self, person: &Person) -> Result<(), Trouble> {
        if std::mem::take(&mut self.wants_money) {
            // What was earned may have been sent already, by a call whose answer was lost.
            let may = ["insufficient_funds", "no_payment_provider"];
            let at = Timestamp::now();
            let moves = |amount, id| self.town.moves(person.name(), Transfer { amount, at, id });
            let answer = person.post::<Payout>("/api/v1/partner/payouts", &json!({}), &may).await;
            match answer.inspect_err(|_| moves(None, None))? {
                Answer::Done(Payout { id, amount, status }) => {
                    self.town.saw.did(format!("pay-out {status}"));
                    moves(Some(amount), Some(id));
                }
                Answer::Refused(refusal) => {
                    let problem: Value = serde_json::from_str(&refusal.body).unwrap_or_default();
                    let balance = problem.pointer("/balance/amount").and_then(Value::as_i64);
                    if refusal.code == "insufficient_funds" && balance != Some(0) {
                        let broken =
                            Break::new("a pay-out of all", "it done, where there is anything", refusal.body);
                        self.town.saw.broke(person.name(), broken);
                    }
                }
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Payout {
    id: String,
    amount: i64,
    status: String,
}

/// The orders of a `queue`.
#[derive(Deserialize)]
struct InHand {
    orders: Vec<Order>,
}

/// Whether a partner has something to do about it.
fn is_in_hand(status: OrderStatus) -> bool {
    status == OrderStatus::Assigned || status.shows_location()
}

impl Part for Partner {
    async fn begin(&mut self, person: &Person, line: &mut Line<'_>) -> Result<(), Trouble> {
        let is_first = self.orders.is_empty();
        let me = match self.me {
            Some(me) => me,
            None => *self.me.insert(person.get("/api/v1/me").await?),
        };
        line.listen(&format!("user_{}", me.id)).await?;
        self.chat.resume();
        self.inbox.resume();
        self.offers.resume(self.pace, &mut self.rng);
        person.put("/api/v1/partner/availability", &json!({"online": true})).await?;
        self.look(person).await?;
        if is_first {
            self.resume();
        }
        self.phone.catch_up(person, line, &mut self.rng).await?;
        self.town.report_for_duty();
        Ok(())
    }

    async fn hear(&mut self, person: &Person, line: &mut Line<'_>, frame: &Value) -> Result<(), Trouble> {
        match kind(frame) {
            "assignment" | "assignment_closed" => {
                self.offers.hear(person.name(), frame, self.pace, &mut self.rng);
            }
            "queue" => {
                self.offers.hear(person.name(), frame, self.pace, &mut self.rng);
                if let Ok(InHand { orders }) = InHand::deserialize(frame) {
                    orders.into_iter().for_each(|order| self.know(order));
                }
            }
            "queue_update" => {
                if let Some(order) = Order::read(frame) {
                    self.know(order);
                }
            }
            "order_update" => {
                let Some(update) = Update::read(frame) else { return Ok(()) };
                let known = self.orders.iter_mut().find(|order| order.id == update.order_id);
                let changed = known.and_then(|order| order.take(&update).then(|| order.clone()));
                if let Some(order) = changed {
                    self.know(order);
                }
            }
            "chat_message" => {
                if let Some(order_id) = self.chat.hear(person, line, frame, &mut self.rng).await?
                    && self.rng.random_bool(ANSWERED)
                    && let Some(words) = WORDS.get(self.rng.random_range(0..WORDS.len()))
                {
                    self.chat.think(order_id, words, self.pace, &mut self.rng);
                }
            }
            "error" => {
                self.chat.refused(person, frame);
                self.offers.refused(frame, self.pace, &mut self.rng);
            }
            "earnings_update" => self.wants_money |= self.rng.random_bool(PAID_OUT),
            "notification" => self.inbox.notified(line, frame, &mut self.rng).await?,
            "unread_count" => self.inbox.counted(person.name(), frame, &mut self.rng),
            // Any other frame says nothing that a partner acts on.
            _ => {}
        }
        Ok(())
    }

    async fn tick(&mut self, person: &Person, line: &mut Line<'_>) -> Result<(), Trouble> {
        if let Some(order) = self.offers.answer(person, line, &mut self.rng).await? {
            self.know(order);
        }
        self.listen(line).await?;
        self.chat.tick(person, line, &mut self.rng).await?;
        self.inbox.tick(person, line).await?;
        self.ask_for_money(person).await?;
        let order = self.orders.first().cloned();
        let step = order.as_ref().and_then(|order| self.work(order));
        let under_way = order.as_ref().filter(|order| order.status.shows_location());
        self.phone.tick(person, line, under_way.map(|order| order.id), &mut self.rng).await?;
        let is_free = self.orders.is_empty() && self.offers.is_idle();
        self.town.waits_for_offers(person.name(), is_free.then(|| line.steady(&self.town).line));
        let (Some(order), Some(step)) = (order, step) else { return Ok(()) };
        self.step(person, &order, &step).await?;
        let sets_off = [OrderStatus::Assigned, OrderStatus::PickedUp].contains(&order.status);
        if sets_off && self.rng.random_bool(TUNNEL / 2.0) {
            let spell = Duration::from_secs_f64(self.rng.random_range(IN_TUNNEL) / self.pace);
            self.phone.lose_network();
            return Err(Trouble::Away(spell));
        }
        Ok(())
    }

    /// What is measured while the server cannot be reached is uploaded afterwards.
    fn lose(&mut self, person: &Person) {
        self.town.waits_for_offers(person.name(), None);
        if self.orders.first().is_some_and(|order| order.status.shows_location()) {
            self.phone.lose_network();
        }
    }
}
