//! A customer whose orders go from the first step to the last, whatever happens to the server in between, and
//! what is to be said about them afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::caller::{Call, Caller};
use super::killed::Progress;
use super::listener::{BREATH, Goal, Whereabouts, found};
use super::stage::Cast;
use crate::support::{TestUser, an_order};

/// The version and the status of each answer, by order.
pub type Answered = BTreeMap<String, Vec<(i64, String)>>;

/// The customer.
pub struct Writer {
    caller: Caller,
    customer: TestUser,
    partner: TestUser,
    admin: TestUser,
    whereabouts: Whereabouts,
    progress: Rc<Progress>,
    told: mpsc::UnboundedSender<String>,
    answered: Answered,
}

impl Writer {
    /// A writer that tells of each order that it has placed.
    pub fn new(
        customer: &TestUser,
        cast: &Cast,
        whereabouts: Whereabouts,
        progress: Rc<Progress>,
        told: mpsc::UnboundedSender<String>,
    ) -> Self {
        Self {
            caller: Caller::new(),
            customer: customer.clone(),
            partner: cast.partner.clone(),
            admin: cast.admin.clone(),
            whereabouts,
            progress,
            told,
            answered: Answered::new(),
        }
    }

    /// One order after the other, until it is told to finish.
    pub async fn work(mut self) -> Answered {
        while !self.progress.done.get() {
            self.carry_out_an_order().await;
            if self.answered.len().is_multiple_of(3) {
                let call = Call::post(&self.customer.token, "/notifications/read_all", json!({}));
                self.insist(&call).await;
            }
        }
        self.answered
    }

    async fn carry_out_an_order(&mut self) {
        let order = self.insist(&Call::post(&self.customer.token, "/orders", an_order())).await;
        let id = order["id"].as_str().expect("an id").to_owned();
        self.note(&id, &order);
        // The listener ends before the writer only when the test has failed.
        let _ = self.told.send(id.clone());
        let body = json!({"partner_id": self.partner.partner_id});
        let order = self.insist(&Call::post(&self.admin.token, format!("/orders/{id}/assign"), body)).await;
        self.note(&id, &order);
        for to in ["en_route", "arrived", "picked_up", "in_transit", "delivered"] {
            let mut body = json!({"to": to});
            if to == "delivered" {
                body["note"] = "left at the door".into();
            }
            self.step(&id, &self.partner.token.clone(), body).await;
        }
        self.step(&id, &self.customer.token.clone(), json!({"to": "completed"})).await;
    }

    async fn step(&mut self, id: &str, token: &str, body: Value) {
        let order = self.insist(&Call::post(token, format!("/orders/{id}/transitions"), body)).await;
        self.note(id, &order);
    }

    fn note(&mut self, id: &str, order: &Value) {
        let version = order["version"].as_i64().expect("a version");
        let status = order["status"].as_str().expect("a status").to_owned();
        self.answered.entry(id.to_owned()).or_default().push((version, status));
    }

    /// Makes a call, again and again under the same key, until it is answered.
    async fn insist(&mut self, call: &Call) -> Value {
        loop {
            let address = found(&mut self.whereabouts).await;
            match self.caller.once(address, call).await {
                Ok((200 | 201, body)) => {
                    self.progress.written.notify_one();
                    return body;
                }
                Ok((503, _)) | Err(_) => {
                    // Until the server is elsewhere, or simply for a moment.
                    let _ = timeout(BREATH, self.whereabouts.changed()).await;
                }
                Ok((status, body)) => panic!("{status} {body}"),
            }
        }
    }
}

/// Every page of a list.
async fn all(caller: &Caller, address: SocketAddr, user: &TestUser, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{path}?limit=200{cursor}");
        let (status, page) = caller.once(address, &Call::get(&user.token, path)).await.expect("an answer");
        assert_eq!(status, 200, "{page}");
        items.extend(page["items"].as_array().expect("a list").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// What the database holds for a customer.
pub async fn state_of(caller: &Caller, address: SocketAddr, user: &TestUser) -> Goal {
    let orders = all(caller, address, user, "/orders").await;
    let notifications = all(caller, address, user, "/notifications").await;
    let unread = notifications.iter().filter(|item| item["read_at"].is_null()).count();
    let id = |item: &Value| item["id"].as_str().expect("an id").to_owned();
    let goal = Goal {
        orders: orders.iter().map(|item| (id(item), item["version"].as_i64().expect("a version"))).collect(),
        notifications: notifications.iter().map(id).collect(),
        unread: i64::try_from(unread).expect("not so many"),
    };
    let count = caller.once(address, &Call::get(&user.token, "/notifications/unread_count")).await;
    assert_eq!(count.expect("an answer").1["count"], goal.unread);
    goal
}

/// Everything that was answered with success is there, once, and nothing else is.
pub async fn check_answers(
    caller: &Caller,
    address: SocketAddr,
    user: &TestUser,
    answered: &Answered,
    state: &Goal,
) {
    assert!(answered.keys().eq(state.orders.keys()), "orders that were answered, and those that there are");
    for (id, answers) in answered {
        let call = Call::get(&user.token, format!("/orders/{id}/timeline"));
        let (status, timeline) = caller.once(address, &call).await.expect("an answer");
        assert_eq!(status, 200, "{timeline}");
        let steps = timeline["items"].as_array().expect("a list");
        let steps: Vec<(i64, &str)> = steps
            .iter()
            .map(|step| {
                (step["version"].as_i64().expect("a version"), step["to"].as_str().expect("a status"))
            })
            .collect();
        assert!(steps.iter().map(|(version, _)| *version).eq(1..=state.orders[id]), "{id}: {steps:?}");
        for (version, status) in answers {
            assert!(
                steps.contains(&(*version, status.as_str())),
                "{id}: {version} {status} is not among {steps:?}"
            );
        }
    }
}
