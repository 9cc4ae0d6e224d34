//! Browser push through the front door: a real server, and a push service that opens what it gets.

mod decrypt;
mod failing;
mod queue;
mod seen;
mod sending;
pub mod service;
mod subscribing;

use awc::http::Method;
use serde_json::{Value, json};
use waybill::domain::ids::{OrderId, UserId};
use waybill::domain::notification::NotificationContent;
use waybill::services::notifications;

use crate::support::{TestApp, TestUser};
use service::{Browser, PushService};

/// Settings of a server that may send to the test's push services. A notification is due after so many milliseconds.
pub fn settings(delay_ms: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("WAYBILL_PUSH_TO_PRIVATE", "on"),
        ("WAYBILL_PUSH_CA", Box::leak(service::authority().display().to_string().into_boxed_str())),
        ("WAYBILL_PUSH_DELAY_MS", delay_ms),
        ("WAYBILL_PUSH_CONTACT", "mailto:ops@example.org"),
    ]
}

/// A subscription that is registered anywhere, of a browser that nobody has.
pub fn a_subscription(endpoint: &str) -> Value {
    let secret = decrypt::BrowserSecret::new();
    json!({
        "endpoint": endpoint, "expirationTime": null,
        "keys": {"p256dh": secret.p256dh(), "auth": secret.auth()},
    })
}

/// A push that was given up, since it would have gone to this machine; gives its id.
pub async fn given_up(app: &TestApp, admin: &TestUser) -> String {
    let customer = app.customer().await;
    let body = a_subscription("https://localhost/of-somebody");
    app.as_user(&customer).post("/push/subscriptions", body).await.expect(201);
    app.tell(&customer).await;
    let dead = app.until_pushes(admin, "dead", 1).await;
    dead[0]["id"].as_str().expect("an id").to_owned()
}

/// A server whose pushes are due at once.
pub async fn start() -> TestApp {
    TestApp::start_with(&settings("0")).await
}

impl TestApp {
    /// Registers a browser of the push service's.
    pub async fn subscribe(&self, user: &TestUser, service: &PushService) -> Browser {
        let browser = service.browser();
        self.as_user(user).post("/push/subscriptions", browser.subscription.clone()).await.expect(201);
        browser
    }

    /// A user with a browser.
    pub async fn with_browser(&self, user: TestUser, service: &PushService) -> TestUser {
        self.subscribe(&user, service).await;
        user
    }

    /// Lets a push service take one message: one that has never taken any is tried with one at a time.
    pub async fn acquaint(&self, service: &PushService) {
        let (user, before) = (self.customer().await, self.pushed("sent").await);
        let user = self.with_browser(user, service).await;
        self.tell(&user).await;
        service.next().await;
        self.until_pushed("sent", before + 1).await;
    }

    /// Puts something into an inbox.
    pub async fn notify(&self, user_id: UserId, content: NotificationContent) {
        let told = self.inner().write(move |tx| notifications::add(tx, user_id, &content));
        told.await.expect("it is stored");
    }

    /// Tells a user that an order is confirmed, which is pushed; gives the order.
    pub async fn tell(&self, user: &TestUser) -> OrderId {
        let order_id = OrderId::new();
        self.notify(user.id, NotificationContent::OrderConfirmed { order_id }).await;
        order_id
    }

    /// The pushes in a state.
    pub async fn pushes(&self, admin: &TestUser, state: &str) -> Vec<Value> {
        let page = self.as_user(admin).get(&format!("/admin/pushes?state={state}")).await.expect(200);
        page["items"].as_array().expect("a list").clone()
    }

    /// Waits until so many pushes are in a state.
    pub async fn until_pushes(&self, admin: &TestUser, state: &str, count: usize) -> Vec<Value> {
        self.until(state, || async { self.pushes(admin, state).await.len() == count }).await;
        self.pushes(admin, state).await
    }

    /// How many pushes have come to such an end.
    pub async fn pushed(&self, outcome: &str) -> i64 {
        self.figure(&format!("waybill_pushes_total{{outcome=\"{outcome}\"}}")).await
    }

    /// Waits for that.
    pub async fn until_pushed(&self, outcome: &str, count: i64) {
        self.until(outcome, || async { self.pushed(outcome).await == count }).await;
    }

    /// The ids of a user's notifications, newest first.
    pub async fn inbox(&self, user: &TestUser) -> Vec<String> {
        let page = self.as_user(user).get("/notifications").await.expect(200);
        let items = page["items"].as_array().expect("a list");
        items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Reads one.
    pub async fn read(&self, user: &TestUser, id: &str) {
        self.as_user(user).post(&format!("/notifications/{id}/read"), json!({})).await.expect(200);
    }

    /// What became of a notification by push, if it took that channel.
    pub async fn push_delivery(&self, admin: &TestUser, id: &str) -> Option<Value> {
        let page =
            self.as_user(admin).get(&format!("/admin/deliveries?notification_id={id}")).await.expect(200);
        let deliveries = page["items"][0]["deliveries"].as_array().expect("a list").clone();
        deliveries.into_iter().find(|delivery| delivery["channel"] == "push")
    }

    /// Takes pushes from a browser.
    pub async fn unsubscribe(&self, user: &TestUser, endpoint: &str) -> u16 {
        let body = json!({"endpoint": endpoint});
        let client = self.as_user(user);
        client.call(Method::DELETE, "/api/v1/push/subscriptions", &[], Some(body)).await.status
    }
}
