//! Customers who buy and get refunds, and partners who are paid, from two servers that may not be there.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::timeout;
use waybill::domain::time::Timestamp;

use super::books::{Books, Purse};
use crate::faults::caller::{Call, Caller};
use crate::money::{SECRET, signature};
use crate::support::steps::text;
use crate::support::{TestUser, an_order};

/// What an order costs beside its soups.
const DELIVERY: i64 = 460;
/// The longest that somebody waits whose line breaks.
const HANGS_UP: Duration = Duration::from_millis(40);
/// The most orders that a customer leaves under way.
const OPEN: usize = 2;

/// Where it all happens.
pub struct House {
    pub caller: Caller,
    /// Where the two listen, as long as they do.
    pub addresses: RefCell<[Option<SocketAddr>; 2]>,
    pub partners: Vec<TestUser>,
    pub admin: TestUser,
    pub books: RefCell<Books>,
    /// Rings with each answer.
    pub answered: Notify,
    /// Whether customers are to come to an end.
    pub done: Cell<bool>,
    /// How often a call was made again for want of an answer.
    pub repeated: Cell<usize>,
    /// How often the answer was one of before.
    pub replayed: Cell<usize>,
}

type Answer = (u16, Value);

impl House {
    pub fn set(&self, at: usize, address: Option<SocketAddr>) {
        self.addresses.borrow_mut()[at] = address;
    }

    /// The server in this place, or the other one where that is gone.
    fn address(&self, at: usize) -> SocketAddr {
        let addresses = self.addresses.borrow();
        addresses[at].or(addresses[1 - at]).expect("one is never gone")
    }

    /// Makes a call at one server, and then, under the same key, at the other and so on until it is answered.
    async fn insist(&self, mut at: usize, call: &Call) -> Answer {
        loop {
            let outcome = self.caller.once(self.address(at), call).await;
            match outcome {
                Ok((status, body)) if status < 500 => {
                    self.answered.notify_one();
                    return (status, body);
                }
                // A server that has lost the other's signs of life, say.
                Ok((503, _)) | Err(_) => {
                    self.repeated.set(self.repeated.get() + 1);
                    at = 1 - at;
                }
                Ok((status, body)) => panic!("{status} {body}"),
            }
        }
    }

    /// Proves that a server tells everybody what the answers have told.
    pub async fn is_as_answered(&self, address: SocketAddr, customers: &[TestUser]) {
        for (place, customer) in customers.iter().enumerate() {
            let purse = self.books.borrow().purses[place];
            assert_eq!(self.purse(address, customer).await, purse, "customer {place}");
            let mut cursor = String::new();
            loop {
                let path = format!("/wallet/entries?limit=200{cursor}");
                let page = self.get(address, customer, &path).await;
                for entry in page["items"].as_array().expect("a list") {
                    assert!(entry["balance_after"].as_i64().is_some_and(|balance| balance >= 0), "{entry}");
                }
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
        }
        for (place, partner) in self.partners.iter().enumerate() {
            let earnings = self.get(address, partner, "/partner/earnings").await;
            let (balance, owed) = self.books.borrow().of_partner(place);
            let seen = (&earnings["balance"], &earnings["owed"]);
            assert_eq!(seen, (&json!(balance), &json!(owed)), "partner {place}");
        }
    }

    async fn get(&self, address: SocketAddr, user: &TestUser, path: &str) -> Value {
        let (status, body) =
            self.caller.once(address, &Call::get(&user.token, path)).await.expect("an answer");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn purse(&self, address: SocketAddr, customer: &TestUser) -> Purse {
        let wallet = self.get(address, customer, "/wallet").await;
        let number = |member: &str| wallet[member].as_i64().expect("a number");
        Purse { balance: number("balance"), held: number("held") }
    }
}

/// An order that was placed.
struct Order {
    id: String,
    price: i64,
    is_cash: bool,
}

/// A customer at work, and whoever has to do with the customer's orders.
pub struct Worker {
    house: Rc<House>,
    place: usize,
    customer: TestUser,
    rng: StdRng,
    open: Vec<Order>,
}

impl Worker {
    pub fn new(house: Rc<House>, place: usize, customer: TestUser, rng: StdRng) -> Self {
        Self { house, place, customer, rng, open: Vec::new() }
    }

    pub async fn work(mut self) {
        while !self.house.done.get() {
            let purse = self.house.books.borrow().purses[self.place];
            match self.rng.random_range(0..10) {
                0..2 => self.top_up().await,
                2..4 => self.pay_out().await,
                4 if self.open.len() < OPEN => {
                    let order = self.place_order(purse).await;
                    self.open.extend(order);
                }
                _ => self.buy(purse).await,
            }
        }
    }

    /// Mostly one call at one server. Sometimes one at each, of somebody who cannot wait; and where it is certain how it ends,
    /// sometimes one whose answer is not heard: a refusal is not kept, and the call might come to be when nobody waits for it.
    async fn call(&mut self, call: &Call, is_certain: bool) -> Answer {
        let at = self.rng.random_range(0..2);
        match self.rng.random_range(0..10) {
            0..2 => self.call_both(call).await,
            2..4 if is_certain => {
                let heard = self.house.caller.once(self.house.address(at), call);
                // Whatever it is: the line breaks before or after it.
                let _ = timeout(HANGS_UP.mul_f64(self.rng.random_range(0.0..1.0)), heard).await;
                self.house.insist(1 - at, call).await
            }
            _ => self.house.insist(at, call).await,
        }
    }

    async fn call_both(&mut self, call: &Call) -> Answer {
        let (one, other) = join(self.house.insist(0, call), self.house.insist(1, call)).await;
        // Refusals are not kept: what was refused may have been possible a moment later.
        if one.0 >= 400 {
            return other;
        }
        if other.0 < 400 {
            let told = |answer: &Answer| (answer.0, answer.1["id"].clone(), answer.1["amount"].clone());
            assert_eq!(told(&one), told(&other), "one key, two answers");
            self.house.replayed.set(self.house.replayed.get() + 1);
        }
        one
    }

    async fn must(&mut self, call: Call) -> Value {
        let (status, body) = self.call(&call, true).await;
        assert!(matches!(status, 200 | 201), "{status} {body}");
        body
    }

    /// An amount with which the provider has its way: see the test provider.
    fn amount(&mut self, hundreds: i64) -> i64 {
        let rests = [0, 0, 50, 2, 3, 4];
        self.rng.random_range(1..hundreds) * 100 + rests[self.rng.random_range(0..rests.len())]
    }

    /// Asks for a transfer until it is settled, by the provider's event where that is what it takes.
    async fn transfer(&mut self, call: Call, is_certain: bool) -> Option<(i64, String)> {
        loop {
            let (status, transfer) = self.call(&call, is_certain).await;
            if (status, transfer["code"].as_str()) == (409, Some("insufficient_funds")) {
                return None;
            }
            assert_eq!(status, 201, "{transfer}");
            let amount = transfer["amount"].as_i64().expect("a number");
            match text(&transfer, "status").as_str() {
                // What was lost is found when it is asked for again.
                "pending" if amount % 100 == 3 => self.settle(&transfer).await,
                "pending" => {}
                status => return Some((amount, status.to_owned())),
            }
        }
    }

    async fn settle(&mut self, transfer: &Value) {
        let (id, is_good) = (text(transfer, "id"), self.rng.random_bool(0.5));
        let kind = if is_good { "transfer.succeeded" } else { "transfer.failed" };
        let event = json!({
            "id": format!("evt_{id}"), "type": kind, "transfer_id": id, "amount": transfer["amount"],
            "currency": "USD",
        });
        // Told at both: the second time it is no news.
        for _ in 0..2 {
            let mut at = self.rng.random_range(0..2);
            loop {
                let address = self.house.address(at);
                let signature = signature(SECRET, Timestamp::now().as_secs(), event.to_string());
                let told = self.house.caller.tell(address, &signature, &event).await;
                match told {
                    Ok(200) => break,
                    Ok(503) | Err(_) => {
                        self.house.repeated.set(self.house.repeated.get() + 1);
                        at = 1 - at;
                    }
                    Ok(status) => panic!("{status} to {event}"),
                }
            }
        }
    }

    async fn top_up(&mut self) {
        let body = json!({"amount": self.amount(60), "currency": "USD"});
        let call = Call::post(&self.customer.token, "/wallet/topups", body);
        let (amount, status) = self.transfer(call, true).await.expect("a top-up needs nothing");
        self.house.books.borrow_mut().topped_up(self.place, amount, &status);
        self.look().await;
    }

    async fn pay_out(&mut self) {
        let place = self.rng.random_range(0..self.house.partners.len());
        let token = self.house.partners[place].token.clone();
        let body = if self.rng.random_bool(0.3) { json!({}) } else { json!({"amount": self.amount(12)}) };
        // Whether a partner has enough changes with what others do.
        let sent = self.transfer(Call::post(&token, "/partner/payouts", body), false).await;
        let mut books = self.house.books.borrow_mut();
        match sent {
            Some((amount, status)) => books.paid_out(place, amount, &status),
            None => books.pay_out_refused(),
        }
    }

    /// Nothing where the purse does not reach.
    async fn place_order(&mut self, purse: Purse) -> Option<Order> {
        let (unit, is_cash) = (self.rng.random_range(0..600), self.rng.random_bool(0.4));
        let price = DELIVERY + 2 * unit;
        let mut body = an_order();
        body["items"][0]["unit_price"] = json!(unit);
        body["payment_method"] = json!(if is_cash { "cash" } else { "wallet" });
        let is_possible = is_cash || purse.balance >= price;
        let call = Call::post(&self.customer.token, "/orders", body);
        let (status, order) = self.call(&call, is_possible).await;
        if !is_possible {
            assert_eq!((status, order["code"].as_str()), (409, Some("insufficient_funds")), "{order}");
            assert_eq!(order["balance"]["amount"], purse.balance);
            self.house.books.borrow_mut().short_of_money();
            return None;
        }
        assert_eq!((status, &order["price"]["amount"]), (201, &json!(price)), "{order}");
        self.house.books.borrow_mut().placed(self.place, price, is_cash);
        self.look().await;
        Some(Order { id: text(&order, "id"), price, is_cash })
    }

    async fn assign(&mut self, order: &Order) -> usize {
        let place = self.rng.random_range(0..self.house.partners.len());
        let body = json!({"partner_id": self.house.partners[place].partner_id});
        let path = format!("/orders/{}/assign", order.id);
        self.must(Call::post(&self.house.admin.token.clone(), path, body)).await;
        place
    }

    async fn step(&mut self, order: &Order, token: &str, to: &str) {
        let words = Some("left at the door");
        let (reason, note) = match to {
            "delivered" => (None, words),
            "confirmed" => (words, None),
            _ => (None, None),
        };
        let body = json!({"to": to, "reason": reason, "note": note});
        let order = self.must(Call::post(token, format!("/orders/{}/transitions", order.id), body)).await;
        assert_eq!(order["status"], to);
    }

    /// An order from its first step to one of its ends.
    async fn buy(&mut self, purse: Purse) {
        let Some(order) = self.place_order(purse).await else { return };
        let (customer, admin) = (self.customer.token.clone(), self.house.admin.token.clone());
        let mut partner = self.assign(&order).await;
        if self.rng.random_bool(0.2) {
            let token = self.house.partners[partner].token.clone();
            self.step(&order, &token, "confirmed").await;
            partner = self.assign(&order).await;
        }
        let token = self.house.partners[partner].token.clone();
        let Order { price, is_cash, .. } = order;
        let house = Rc::clone(&self.house);
        let end = self.rng.random_range(0..10);
        let paid = match end {
            0 => {
                self.step(&order, &customer, "cancelled").await;
                house.books.borrow_mut().released(self.place, price, is_cash);
                0
            }
            1..4 => {
                self.step(&order, &token, "en_route").await;
                self.step(&order, &token, "arrived").await;
                if end == 1 {
                    self.step(&order, &admin, "failed").await;
                    house.books.borrow_mut().released(self.place, price, is_cash);
                    0
                } else {
                    self.step(&order, &customer, "cancelled").await;
                    house.books.borrow_mut().cancelled_late(self.place, partner, price, is_cash)
                }
            }
            _ => {
                for to in ["en_route", "arrived", "picked_up", "in_transit", "delivered"] {
                    self.step(&order, &token, to).await;
                }
                self.step(&order, &customer, "completed").await;
                house.books.borrow_mut().completed(self.place, partner, price, is_cash);
                price
            }
        };
        self.look().await;
        if self.rng.random_bool(0.4) {
            self.refund(&order, paid).await;
        }
    }

    /// In parts, of which the last may be too much.
    async fn refund(&mut self, order: &Order, paid: i64) {
        let (admin, mut left) = (self.house.admin.token.clone(), paid);
        for _ in 0..2 {
            let part = self.rng.random_bool(0.7).then(|| self.rng.random_range(1..800));
            let body = json!({"amount": part, "reason": "cold"});
            let amount = part.unwrap_or(left);
            let is_possible = left > 0 && amount <= left;
            let call = Call::post(&admin, format!("/orders/{}/refund", order.id), body);
            let (status, body) = self.call(&call, is_possible).await;
            if !is_possible {
                let code = if left == 0 { "nothing_to_refund" } else { "refund_too_large" };
                assert_eq!((status, body["code"].as_str()), (409, Some(code)), "{body}");
                continue;
            }
            left -= amount;
            assert_eq!((status, &body["refunded"]["amount"]), (200, &json!(paid - left)), "{body}");
            self.house.books.borrow_mut().refunded(self.place, amount);
        }
        self.look().await;
    }

    /// Whichever server is asked, the wallet is what the answers have told so far.
    async fn look(&mut self) {
        let at = self.rng.random_range(0..2);
        let (status, wallet) = self.house.insist(at, &Call::get(&self.customer.token, "/wallet")).await;
        let Purse { balance, held } = self.house.books.borrow().purses[self.place];
        let seen = (status, &wallet["balance"], &wallet["held"]);
        assert_eq!(seen, (200, &json!(balance), &json!(held)), "customer {}", self.place);
    }
}
