//! A customer: orders something now and then, writes to the partner, says the code at the door, confirms and rates;
//! sometimes thinks better of it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat::Chat;
use super::city::{SHOPS, some_address};
use super::inbox::Inbox;
use super::line::{Line, Part, kind};
use super::person::{Answer, Person};
use super::purse::Purse;
use super::rules::Break;
use super::rules::served::Spell;
use super::rules::vigils::Wait;
use super::rules::words::Words;
use super::trouble::Trouble;
use super::world::{Order, Orders, Town, Update, is_due, soon};
use crate::domain::group::GroupKey;
use crate::domain::ids::OrderId;
use crate::domain::order::{OrderStatus, Party, PaymentMethod};
use crate::domain::time::Timestamp;

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
/// How many of the others are thought better of once the partner is there, which costs a fee.
const REGRET_LATE: f64 = 0.03;
/// Seconds of that, sooner than anybody has picked anything up.
const REGRETTING_LATE: std::ops::Range<f64> = 0.2..2.0;
/// Seconds of having a partner until then.
const REGRETTING: std::ops::Range<f64> = 2.0..15.0;
/// How long a partner is waited for when the town goes to bed, at the pace of life, and at the very least: offers last as long
/// whatever the pace.
const LAST_ORDERS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(20)];
/// How long an order is thought of after its end.
const LOOKED_AFTER: Duration = Duration::from_secs(60);
/// How many orders are written about, once there is a partner.
const WRITTEN_ABOUT: f64 = 0.3;
/// How many are rated.
const RATED: f64 = 0.5;
/// Metres of street from a shop to the door.
const DELIVERY: (f64, f64) = (300.0, 600.0);
/// What is written to partners.
pub(super) static WORDS: [Words; 5] = [
    Words::plain("Hello! The bell is broken, please knock."),
    Words::plain("Is there still some of the bread?"),
    Words::plain("Take your time."),
    Words::plain("Second door on the left, behind the plane tree."),
    Words {
        said: "The bell is broken. Call me: +34 612 345 678", told: "The bell is broken. Call me: •••"
    },
];

/// A customer.
pub struct Customer {
    town: Rc<Town>,
    rng: StdRng,
    pace: f64,
    orders: Vec<Mine>,
    /// Those that are over, and since when: what was wrong with them may show late.
    over: Vec<(OrderId, Instant)>,
    next_order: Instant,
    purse: Purse,
    chat: Chat,
    inbox: Inbox,
}

/// When an order is thought better of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Regret {
    /// Once a partner has it.
    Soon,
    /// Once the partner is there.
    Late,
}

/// An order of this customer that is not over.
struct Mine {
    order: Order,
    /// When it will be called off, if ever.
    regrets: Option<Regret>,
    /// Has been written about, or will not be.
    is_written_about: bool,
    /// When to confirm or to call off.
    act_at: Option<Instant>,
}

impl Customer {
    /// A customer who has just come home.
    #[must_use]
    pub fn new(town: Rc<Town>, mut rng: StdRng, pace: f64) -> Self {
        let next_order = soon(HURRY, pace, &mut rng);
        let purse = Purse::new(Rc::clone(&town));
        let chat = Chat::new(Rc::clone(&town), Party::Customer);
        let inbox = Inbox::new(Rc::clone(&town), pace, &mut rng);
        Self { town, rng, pace, orders: Vec::new(), over: Vec::new(), next_order, purse, chat, inbox }
    }

    /// Decides what to do about an order as it stands.
    fn plan(&mut self, at: usize) {
        let Some(mine) = self.orders.get_mut(at) else { return };
        let Order { id, status, version, .. } = mine.order;
        self.town.saw.stepped(id, status, version);
        if status == OrderStatus::Assigned && !mine.is_written_about {
            mine.is_written_about = true;
            if self.rng.random_bool(WRITTEN_ABOUT)
                && let Some(words) = WORDS.get(self.rng.random_range(0..WORDS.len()))
            {
                self.chat.think(id, words, self.pace, &mut self.rng);
            }
        }
        mine.act_at = match status {
            OrderStatus::Delivered => Some(soon(UNPACKING, self.pace, &mut self.rng)),
            OrderStatus::Assigned if mine.regrets == Some(Regret::Soon) => {
                Some(soon(REGRETTING, self.pace, &mut self.rng))
            }
            OrderStatus::Arrived if mine.regrets == Some(Regret::Late) => {
                Some(soon(REGRETTING_LATE, self.pace, &mut self.rng))
            }
            // Still the same thought: the partner is on the way, not there yet.
            OrderStatus::EnRoute => mine.act_at,
            OrderStatus::Pending | OrderStatus::Confirmed if self.town.is_closing() => {
                Some(last_orders(self.pace))
            }
            OrderStatus::Pending
            | OrderStatus::Confirmed
            | OrderStatus::Assigned
            | OrderStatus::Arrived
            | OrderStatus::PickedUp
            | OrderStatus::InTransit => None,
            OrderStatus::Completed | OrderStatus::Cancelled | OrderStatus::Failed => {
                self.town.forget_code(id);
                None
            }
        };
    }

    fn know(&mut self, order: Order, regrets: Option<Regret>) {
        self.town.tell_code(&order);
        let at = match self.orders.iter().position(|mine| mine.order.id == order.id) {
            Some(at) => at,
            None => {
                self.orders.push(Mine {
                    order: order.clone(),
                    regrets,
                    is_written_about: false,
                    act_at: None,
                });
                self.orders.len() - 1
            }
        };
        if let Some(mine) = self.orders.get_mut(at) {
            if mine.order.version > order.version {
                return;
            }
            mine.order = order;
        }
        self.plan(at);
    }

    async fn place(&mut self, person: &Person) -> Result<(), Trouble> {
        self.next_order = soon(PAUSE, self.pace, &mut self.rng);
        let regrets = match (self.rng.random_bool(REGRET), self.rng.random_bool(REGRET_LATE)) {
            (true, _) => Some(Regret::Soon),
            (false, true) => Some(Regret::Late),
            (false, false) => None,
        };
        let payment = self.purse.choose(person, &mut self.rng).await?;
        let mut order = an_order(payment, &mut self.rng);
        self.town.saw.did("order tried");
        let may: &[&str] = if payment == PaymentMethod::Wallet { &["insufficient_funds"] } else { &[] };
        match person.post::<Order>("/api/v1/orders", &order, may).await? {
            Answer::Done(order) => self.placed(person, order, regrets),
            Answer::Refused(refusal) if refusal.code == "insufficient_funds" => {
                let balance = self.purse.was_too_little(person, &refusal).await?;
                // It is had for cash, and so one learns what it costs.
                if let Some(method) = order.get_mut("payment_method") {
                    *method = json!(PaymentMethod::Cash);
                }
                if let Answer::Done(order) = person.post::<Order>("/api/v1/orders", &order, &[]).await? {
                    if let Some(balance) = balance.filter(|balance| *balance >= order.price.amount) {
                        let expected =
                            format!("{} to be taken from a wallet with {balance}", order.price.amount);
                        self.town.saw.broke(person.name(), Break::new(order.id, expected, refusal.body));
                    }
                    self.placed(person, order, regrets);
                }
                self.purse.top_up(person, &mut self.rng).await?;
            }
            // Nothing explains that, and it is noted. It was somebody else's turn, then.
            Answer::Refused(_) => {}
        }
        Ok(())
    }

    fn placed(&mut self, person: &Person, order: Order, regrets: Option<Regret>) {
        log::debug!("{}: ordered {}", person.name(), order.id);
        self.town.saw.placed(person.name(), &order);
        self.know(order, regrets);
    }

    fn wants_to_order(&mut self) -> bool {
        let open = self.orders.iter().filter(|mine| !mine.order.status.is_end()).count();
        if self.town.is_closing() || !self.town.is_served() || open >= AT_ONCE {
            return false;
        }
        self.town.takes_turn(&mut self.rng).unwrap_or(self.next_order <= Instant::now())
    }

    async fn act(&mut self, person: &Person) -> Result<(), Trouble> {
        let Some(mine) = self.orders.iter_mut().find(|mine| is_due(mine.act_at)) else { return Ok(()) };
        mine.act_at = None;
        let Order { id, status, version, .. } = mine.order;
        let step = if status == OrderStatus::Delivered {
            json!({"to": "completed"})
        } else {
            json!({"to": "cancelled", "reason": "I have changed my mind."})
        };
        self.town.saw.calls_step(id, version);
        if status != OrderStatus::Delivered {
            self.town.saw.calls_off(id, status);
        }
        let path = format!("/api/v1/orders/{id}/transitions");
        let order = match person.post::<Order>(&path, &step, &["illegal_transition"]).await? {
            Answer::Done(order) => order,
            // The partner was faster: what is so now is asked for.
            Answer::Refused(refusal) => {
                let now: Order = person.get(&format!("/api/v1/orders/{id}")).await?;
                if now.version == version {
                    let expected = format!("a step from {status} to be taken: {step}");
                    self.town.saw.broke(person.name(), Break::new(id, expected, refusal.body));
                }
                now
            }
        };
        log::debug!("{}: {id} is {}", person.name(), order.status);
        let is_completed = order.status == OrderStatus::Completed;
        if order.status == OrderStatus::Cancelled && status == OrderStatus::Arrived {
            self.town.saw.did("late cancellation");
        }
        self.know(order, None);
        if is_completed && self.rng.random_bool(RATED) {
            let stars = self.rng.random_range(3..=5);
            let path = format!("/api/v1/orders/{id}/rating");
            if person.post::<Value>(&path, &json!({"stars": stars}), &[]).await?.done().is_some() {
                self.town.saw.did("rating");
            }
        }
        Ok(())
    }

    /// Listens to each order until it is over, and the socket has told so: to know it by a call is not enough.
    async fn listen(&mut self, line: &mut Line<'_>) -> Result<(), Trouble> {
        let is_over =
            |order: &Order, line: &Line<'_>| order.status.is_end() && line.knows(order.id, order.version);
        for order in self.orders.iter().map(|mine| &mine.order) {
            let group = format!("order_{}", order.id);
            if is_over(order, line) {
                line.hang_up(&group).await?;
            } else {
                line.listen(&group).await?;
            }
        }
        let over = self.orders.extract_if(.., |mine| is_over(&mine.order, line));
        self.over.extend(over.map(|mine| (mine.order.id, Instant::now())));
        self.over.retain(|(_, since)| since.elapsed() < LOOKED_AFTER);
        Ok(())
    }

    /// Whether each order is offered while it waits, and its partner seen on the way.
    async fn look_after(&self, person: &Person, line: &Line<'_>) -> Result<(), Trouble> {
        let since = line.steady(&self.town).line;
        let since = self.town.saw.calm_since().map_or(since, |calm| since.max(calm));
        let broken: Vec<Break> = {
            let spell = Spell { since, until: line.heard_up_to(), free: &self.town.free() };
            let notices = [(Wait::Offer, spell.notices_offers()), (Wait::Dot, spell.notices_dots())];
            for (wait, _) in notices.iter().filter(|(_, notices)| *notices) {
                self.town.saw.would_notice(*wait, Instant::now());
            }
            let ids = self.orders.iter().map(|mine| mine.order.id);
            let ids = ids.chain(self.over.iter().map(|(id, _)| *id));
            ids.filter_map(|id| self.town.saw.unserved(id, &spell)).collect()
        };
        if broken.is_empty() {
            return Ok(());
        }
        // Without Redis, instances do not know of each other's partners and dots.
        let Readiness { status } = person.get("/readyz").await?;
        if status == "ready" {
            broken.into_iter().for_each(|broken| self.town.saw.broke(person.name(), broken));
        } else {
            self.town.saw.strain();
        }
        Ok(())
    }

    /// When the town goes to bed, what nobody has taken is called off.
    fn wind_up(&mut self) {
        for mine in self.orders.iter_mut().filter(|mine| mine.act_at.is_none()) {
            if matches!(mine.order.status, OrderStatus::Pending | OrderStatus::Confirmed) {
                mine.act_at = Some(last_orders(self.pace));
            }
        }
    }
}

fn last_orders(pace: f64) -> Instant {
    let [usual, least] = LAST_ORDERS;
    Instant::now() + usual.div_f64(pace).max(least)
}

#[derive(Deserialize)]
struct Readiness {
    status: String,
}

#[derive(Deserialize)]
struct Whole {
    order: Order,
}

#[derive(Deserialize)]
struct Dot {
    group: String,
    timestamp: Timestamp,
}

impl Part for Customer {
    async fn begin(&mut self, person: &Person, _: &mut Line<'_>) -> Result<(), Trouble> {
        self.purse.look(person).await?;
        self.chat.resume();
        self.inbox.resume();
        let page: Orders = person.get("/api/v1/orders?limit=50").await?;
        for order in page.items {
            let is_known = self.orders.iter().any(|mine| mine.order.id == order.id);
            if is_known || !order.status.is_end() {
                self.town.saw.found(person.name(), &order);
                self.know(order, None);
            }
        }
        Ok(())
    }

    async fn hear(&mut self, person: &Person, line: &mut Line<'_>, frame: &Value) -> Result<(), Trouble> {
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
            "order_status" => {
                let Ok(Whole { order }) = Whole::deserialize(frame) else { return Ok(()) };
                if self.orders.iter().any(|mine| mine.order.id == order.id) {
                    self.town.saw.watches(order.id);
                    self.know(order, None);
                }
            }
            "chat_message" => {
                self.chat.hear(person, line, frame, &mut self.rng).await?;
            }
            "location" => {
                if let Ok(Dot { group, timestamp }) = Dot::deserialize(frame)
                    && let Ok(GroupKey::Order(id)) = group.parse()
                {
                    self.town.saw.sees(id, timestamp);
                }
            }
            "error" => self.chat.refused(person, frame),
            "wallet_update" => self.purse.moved(frame),
            "notification" => self.inbox.notified(line, frame, &mut self.rng).await?,
            "unread_count" => self.inbox.counted(person.name(), frame, &mut self.rng),
            // Any other frame says nothing that a customer acts on.
            _ => {}
        }
        Ok(())
    }

    async fn tick(&mut self, person: &Person, line: &mut Line<'_>) -> Result<(), Trouble> {
        if self.wants_to_order() {
            self.place(person).await?;
        }
        if self.town.is_closing() {
            self.wind_up();
        }
        self.act(person).await?;
        self.listen(line).await?;
        self.look_after(person, line).await?;
        self.chat.tick(person, line, &mut self.rng).await?;
        self.inbox.tick(person, line).await
    }
}

fn an_order(payment: PaymentMethod, rng: &mut StdRng) -> Value {
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
        "payment_method": payment,
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
        let order = |seed| an_order(PaymentMethod::Cash, &mut StdRng::seed_from_u64(seed));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert!(order(3)["items"][0]["unit_price"].is_i64());
    }
}
