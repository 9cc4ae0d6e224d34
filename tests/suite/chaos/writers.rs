//! Those who change things, through nginx, until each change is answered.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use waybill::domain::time::Timestamp;

use super::site::Site;
use crate::faults::caller::{Call, Caller};
use crate::faults::stage::{Cast, SERVICE_KEY};
use crate::support::{TestUser, an_order};

/// An event of another back end that was taken.
#[derive(Debug, Clone)]
pub struct Published {
    pub group: String,
    pub id: String,
    /// When it was first asked for: it happened no sooner.
    pub asked_at: Timestamp,
}

/// What was answered with success.
#[derive(Default)]
pub struct Committed {
    pub published: RefCell<Vec<Published>>,
    /// The orders of each customer, by the customer's place in the cast.
    pub orders: RefCell<Vec<(usize, String)>>,
    pub calls: Cell<usize>,
    pub retries: Cell<usize>,
}

impl Committed {
    pub fn summary(&self) -> String {
        format!(
            "{} calls answered after {} tries more, {} orders, {} events published",
            self.calls.get(),
            self.retries.get(),
            self.orders.borrow().len(),
            self.published.borrow().len()
        )
    }
}

/// The writers at work.
pub struct Writers {
    done: Rc<Cell<bool>>,
    at_work: Vec<JoinHandle<()>>,
}

struct Writer {
    caller: Caller,
    address: std::net::SocketAddr,
    committed: Rc<Committed>,
    done: Rc<Cell<bool>>,
}

impl Writers {
    pub fn start(site: &Site, cast: &Cast, committed: &Rc<Committed>) -> Self {
        let done = Rc::new(Cell::new(false));
        let writer = || Writer {
            caller: Caller::with_patience(Duration::from_secs(12)),
            address: site.nginx.address,
            committed: Rc::clone(committed),
            done: Rc::clone(&done),
        };
        let mut at_work = Vec::new();
        for (place, customer) in cast.customers.iter().enumerate() {
            let (partner, admin) = (cast.partner.clone(), cast.admin.clone());
            at_work.push(actix_web::rt::spawn(writer().carry_out(place, customer.clone(), partner, admin)));
        }
        let groups: Vec<String> = cast.customers.iter().map(|user| format!("user_{}", user.id)).collect();
        at_work.push(actix_web::rt::spawn(writer().publish(groups)));
        Self { done, at_work }
    }

    /// Lets them come to an end.
    pub async fn finish(self) {
        self.done.set(true);
        for writer in self.at_work {
            writer.await.expect("no panic");
        }
    }
}

impl Writer {
    async fn carry_out(self, place: usize, customer: TestUser, partner: TestUser, admin: TestUser) {
        while !self.done.get() {
            let order = self.insist(&Call::post(&customer.token, "/orders", an_order())).await;
            let id = order["id"].as_str().expect("an id").to_owned();
            self.committed.orders.borrow_mut().push((place, id.clone()));
            let body = json!({"partner_id": partner.partner_id});
            self.insist(&Call::post(&admin.token, format!("/orders/{id}/assign"), body)).await;
            for to in ["en_route", "arrived", "picked_up", "in_transit", "delivered"] {
                let note = (to == "delivered").then_some("left at the door");
                let body = json!({"to": to, "note": note});
                self.insist(&Call::post(&partner.token, format!("/orders/{id}/transitions"), body)).await;
                sleep(Duration::from_millis(40)).await;
            }
            let body = json!({"to": "completed"});
            self.insist(&Call::post(&customer.token, format!("/orders/{id}/transitions"), body)).await;
            if self.committed.orders.borrow().len().is_multiple_of(3) {
                self.insist(&Call::post(&customer.token, "/notifications/read_all", json!({}))).await;
            }
        }
    }

    async fn publish(self, groups: Vec<String>) {
        let mut number = 0_u64;
        while !self.done.get() {
            for group in groups.iter().map(String::as_str).chain(["admin_dashboard"]) {
                number += 1;
                let (id, asked_at) = (Uuid::now_v7().to_string(), Timestamp::now());
                let body = json!({"group": group, "type": "counted", "data": {"number": number}, "id": id});
                self.insist(&Call::post(SERVICE_KEY, "/events", body)).await;
                self.committed.published.borrow_mut().push(Published { group: group.into(), id, asked_at });
            }
            sleep(Duration::from_millis(60)).await;
        }
    }

    /// Makes a call, again and again under the same key, until it is answered.
    async fn insist(&self, call: &Call) -> Value {
        loop {
            match timeout(Duration::from_secs(12), self.caller.once(self.address, call)).await {
                Ok(Ok((200..=202, body))) => {
                    self.committed.calls.set(self.committed.calls.get() + 1);
                    return body;
                }
                // nginx says 502 and 504 of servers that are gone or stand still.
                Ok(Ok((502..=504, _)) | Err(_)) | Err(_) => {
                    self.committed.retries.set(self.committed.retries.get() + 1);
                    sleep(Duration::from_millis(100)).await;
                }
                Ok(Ok((status, body))) => panic!("{status} {body}"),
            }
        }
    }
}
