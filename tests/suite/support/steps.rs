//! What users do with orders and log-ins, as verbs.

use awc::http::Method;
use diesel::RunQueryDsl;
use serde_json::{Value, json};
use waybill::store::StoreError;

use super::users::PASSWORD;
use super::{Answer, TestApp, TestUser};

/// The steps of an order's life after `assigned` that its partner takes.
const CARRYING: [&str; 5] = ["en_route", "arrived", "picked_up", "in_transit", "delivered"];

/// The tokens of a log-in.
#[derive(Debug, Clone)]
pub struct LogIn {
    /// For the next pair.
    pub refresh: String,
}

impl LogIn {
    /// Out of an answer.
    pub fn of(answer: &Value) -> Self {
        let token = |name: &str| answer[name].as_str().expect("a token").to_owned();
        Self { refresh: token("refresh") }
    }
}

/// A text member of an answer or a frame.
#[track_caller]
pub fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no text {member} in {value}")).to_owned()
}

impl TestApp {
    /// Changes rows behind the server's back, and tells how many.
    pub async fn change(&self, statement: impl Into<String>) -> usize {
        let statement = statement.into();
        let changed = self.inner().write(move |tx| {
            Ok(RunQueryDsl::execute(diesel::sql_query(statement), tx.conn()).map_err(StoreError::from)?)
        });
        changed.await.expect("it is changed")
    }

    /// What `/metrics` says of a figure, by its name with its labels in the order of their names; 0 where it says nothing.
    pub async fn figure(&self, name: &str) -> i64 {
        let answer = self.as_nobody().call(Method::GET, "/metrics", &[], None).await.expect(200);
        let lines = answer.as_str().expect("text").lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        values.next().map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// Logs in with the password that every test's user has.
    pub async fn log_in(&self, user: &TestUser) -> LogIn {
        let body = json!({"email": user.email, "password": PASSWORD});
        LogIn::of(&self.as_nobody().post("/auth/login", body).await.expect(200))
    }

    /// Places an order as this customer; gives its id.
    pub async fn order(&self, customer: &TestUser) -> String {
        text(&self.place_order(customer).await, "id")
    }

    /// Assigns an order as this admin.
    pub async fn assign(&self, admin: &TestUser, order: &str, partner: &TestUser) -> Value {
        let body = json!({"partner_id": partner.partner_id});
        self.as_user(admin).post(&format!("/orders/{order}/assign"), body).await.expect(200)
    }

    /// Asks for a step.
    pub async fn try_step(&self, user: &TestUser, order: &str, body: Value) -> Answer {
        self.as_user(user).post(&format!("/orders/{order}/transitions"), body).await
    }

    /// Takes an order one step on.
    pub async fn step(&self, user: &TestUser, order: &str, to: &str) -> Value {
        let proof = (to == "delivered").then_some("left with the neighbour");
        self.try_step(user, order, json!({"to": to, "note": proof})).await.expect(200)
    }

    /// Carries an order that is assigned to this partner up to a status.
    pub async fn carry_to(&self, partner: &TestUser, order: &str, status: &str) {
        for to in CARRYING {
            self.step(partner, order, to).await;
            if to == status {
                return;
            }
        }
        panic!("{status} is no step of a partner");
    }
}
