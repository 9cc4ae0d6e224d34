//! Money through the front door: who pays, who is paid, who hears of it, and that it adds up whatever happens.

mod currencies;
mod earnings;
mod figures;
mod killed;
mod orders;
mod payment;
mod provider;
mod verifying;
mod wallet;

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;
use waybill::store::ledger;

use crate::support::sign::hmac_sha256;
use crate::support::steps::text;
use crate::support::{Answer, TestApp, TestUser, an_order};

/// With what the provider signs.
pub const SECRET: &str = "a-key-that-only-the-provider-knows";

/// Settings of a server that has the test provider.
pub const SETTINGS: [(&str, &str); 2] =
    [("WAYBILL_PAYMENT_PROVIDER", "test"), ("WAYBILL_PAYMENT_WEBHOOK_SECRET", SECRET)];

async fn start() -> TestApp {
    TestApp::start_with(&SETTINGS).await
}

/// A new customer with so much in the wallet; how it got there is told.
pub async fn rich(app: &TestApp, amount: i64) -> TestUser {
    let customer = app.customer().await;
    top_up(app, &customer, amount).await;
    app.published().await;
    customer
}

async fn top_up(app: &TestApp, customer: &TestUser, amount: i64) -> Value {
    let body = json!({"amount": amount, "currency": "USD"});
    app.as_user(customer).post("/wallet/topups", body).await.expect(201)
}

/// The body of an order that is paid from the wallet, and its price.
pub fn on_the_wallet() -> Value {
    let mut order = an_order();
    order["payment_method"] = json!("wallet");
    order
}

/// What [`an_order`] costs: two soups, and two started kilometres.
const PRICE: i64 = 1360;
/// What its partner earns.
const SHARE: i64 = 1156;

/// Places an order that is paid from the wallet, and assigns it to a partner.
async fn wallet_order(app: &TestApp, customer: &TestUser, partner: &TestUser) -> String {
    let order = app.as_user(customer).post("/orders", on_the_wallet()).await.expect(201);
    assert_eq!((&order["price"]["amount"], &order["payment_method"]), (&json!(PRICE), &json!("wallet")));
    let order = text(&order, "id");
    app.assign(&app.admin().await, &order, partner).await;
    order
}

/// Carries an assigned order to its end.
async fn complete(app: &TestApp, customer: &TestUser, partner: &TestUser, order: &str) {
    app.carry_to(partner, order, "delivered").await;
    app.step(customer, order, "completed").await;
}

/// The balance of a customer's wallet, and what is set aside.
async fn wallet(app: &TestApp, customer: &TestUser) -> (i64, i64) {
    let wallet = app.as_user(customer).get("/wallet").await.expect(200);
    assert_eq!(wallet["currency"], "USD");
    (wallet["balance"].as_i64().expect("a number"), wallet["held"].as_i64().expect("a number"))
}

/// The kinds of a user's notifications, newest first, but for those about assignments.
async fn told(app: &TestApp, user: &TestUser) -> Vec<String> {
    let inbox = app.as_user(user).get("/notifications").await.expect(200);
    let kinds = inbox["items"].as_array().expect("items").iter().map(|one| text(one, "type"));
    kinds.filter(|kind| !kind.starts_with("assignment_")).collect()
}

/// Proves that the ledger is whole.
pub async fn assert_whole(app: &TestApp) {
    assert_eq!(faults(app).await, "");
}

/// What is wrong with the ledger.
async fn faults(app: &TestApp) -> String {
    let report = app.inner().read(|conn| Ok(ledger::verify(conn)?)).await.expect("it is added up");
    report.faults.join("\n")
}

/// An event of the provider's about a transfer.
fn event(id: &str, kind: &str, transfer: &Value) -> Value {
    json!({
        "id": id, "type": kind, "transfer_id": transfer["id"], "amount": transfer["amount"],
        "currency": transfer["currency"],
    })
}

/// `Webhook-Signature` of a body.
pub fn signature(secret: &str, at: i64, body: impl AsRef<[u8]>) -> String {
    let signed = [format!("{at}.").as_bytes(), body.as_ref()].concat();
    let code = hmac_sha256(secret.as_bytes(), &signed);
    let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={code}")
}

/// Sends an event as the provider does.
async fn tell(app: &TestApp, event: &Value) -> Answer {
    let signature = signature(SECRET, Timestamp::now().as_secs(), event.to_string());
    let headers = [("Webhook-Signature", signature.as_str())];
    app.as_nobody().post_with("/payments/webhooks/test", &headers, event.clone()).await
}
