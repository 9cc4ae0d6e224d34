//! Chat about an order: who may write and read, what is told of it, and what comes of repeating and coming back.

mod coming_back;
mod notifying;
mod reading;
mod writing;

use serde_json::{Value, json};
use waybill::domain::group::GroupKey;
use waybill::domain::ids::UserId;
use waybill::services::error::ServiceError;
use waybill::store::orders;

use crate::support::steps::text;
use crate::support::{Answer, Socket, TestApp, TestUser};

/// Customer, partner and id of an order that can be talked about.
pub async fn order(app: &TestApp) -> (TestUser, TestUser, String) {
    let (customer, partner, order) = app.assigned_order().await;
    (customer, partner, text(&order, "id"))
}

/// Asks to write.
pub async fn try_write(app: &TestApp, user: &TestUser, order: &str, body: Value) -> Answer {
    app.as_user(user).post(&format!("/orders/{order}/messages"), body).await
}

/// Writes; gives the message.
pub async fn write(app: &TestApp, user: &TestUser, order: &str, words: &str) -> Value {
    try_write(app, user, order, json!({"text": words})).await.expect(201)
}

/// The page of messages.
pub async fn page(app: &TestApp, user: &TestUser, order: &str) -> Value {
    app.as_user(user).get(&format!("/orders/{order}/messages")).await.expect(200)
}

/// The texts of a user's page, oldest first.
pub async fn texts(app: &TestApp, user: &TestUser, order: &str) -> Vec<String> {
    let page = page(app, user, order).await;
    page["items"].as_array().expect("items").iter().rev().map(|item| text(item, "text")).collect()
}

/// A screen that follows an order; its first frame was seen.
async fn screen(app: &TestApp, user: &TestUser, order: &str) -> Socket {
    let mut screen = app.connect(user, &format!("/ws/orders/{order}/")).await;
    screen.expect("presence").await;
    screen
}

/// Waits until a user listens to an order, or no longer.
pub async fn until_listening(app: &TestApp, user: UserId, order: &str, is_so: bool) {
    let key = GroupKey::Order(order.parse().expect("an id"));
    app.until("who listens is known", || async {
        app.inner().groups().listeners(key).await.users.contains(&user) == is_so
    })
    .await;
}

/// Lets an order's last step have been taken so many seconds earlier.
async fn set_back(app: &TestApp, order: &str, secs: u64) {
    let id = order.parse().expect("an id");
    let changed = app.inner().write(move |tx| {
        let mut order = orders::find(tx.conn(), id)?.expect("it is there");
        order.updated_at = order.updated_at.before(std::time::Duration::from_secs(secs));
        Ok::<_, ServiceError>(orders::update(tx.conn(), &order)?)
    });
    changed.await.expect("it is changed");
}

/// Gives an order back as its partner.
async fn give_back(app: &TestApp, partner: &TestUser, order: &str) {
    let body = json!({"to": "confirmed", "reason": "A flat tyre."});
    app.try_step(partner, order, body).await.expect(200);
}
