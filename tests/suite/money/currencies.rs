//! Orders and top-ups in several currencies: each has fees of its own, and what is not taken is refused.

use serde_json::{Value, json};

use super::{SETTINGS, assert_whole, on_the_wallet, rich};
use crate::support::steps::text;
use crate::support::{Answer, TestApp, TestUser, an_order};

/// Fees that differ from those of dollars, and from each other.
const MORE: (&str, &str) = ("WAYBILL_MORE_CURRENCIES", "EUR:200:50:150,JPY:450:120:400");

/// A server that takes euros and yen, too.
pub async fn start_with_more() -> TestApp {
    TestApp::start_with(&[SETTINGS.as_slice(), &[MORE]].concat()).await
}

async fn top_up(app: &TestApp, customer: &TestUser, amount: i64, currency: &str) -> Answer {
    let body = json!({"amount": amount, "currency": currency});
    app.as_user(customer).post_with("/wallet/topups", &[("Idempotency-Key", currency)], body).await
}

async fn place(app: &TestApp, customer: &TestUser, mut order: Value, currency: &str) -> Answer {
    order["currency"] = json!(currency);
    let key = format!("order in {currency}");
    app.as_user(customer).post_with("/orders", &[("Idempotency-Key", &key)], order).await
}

/// What can be spent, and what is set aside.
async fn wallet(app: &TestApp, customer: &TestUser, currency: &str) -> (i64, i64) {
    let wallet = app.as_user(customer).get(&format!("/wallet?currency={currency}")).await.expect(200);
    assert_eq!(wallet["currency"], currency);
    (wallet["balance"].as_i64().expect("a number"), wallet["held"].as_i64().expect("a number"))
}

async fn earned(app: &TestApp, partner: &TestUser, currency: &str) -> i64 {
    let path = format!("/partner/earnings?currency={currency}");
    app.as_user(partner).get(&path).await.expect(200)["balance"].as_i64().expect("a number")
}

/// Places an order that is paid from the wallet, and has a partner carry it.
async fn carried(
    app: &TestApp,
    customer: &TestUser,
    partner: &TestUser,
    currency: &str,
    status: &str,
) -> String {
    let order = text(&place(app, customer, on_the_wallet(), currency).await.expect(201), "id");
    app.assign(&app.admin().await, &order, partner).await;
    app.carry_to(partner, &order, status).await;
    order
}

#[track_caller]
fn not_accepted(answer: Answer, expected: &str) {
    let refused = answer.refused(422, "invalid_fields");
    let error = &refused["errors"][0];
    assert_eq!((&error["field"], &error["code"]), (&json!("currency"), &json!("not_accepted")), "{refused}");
    assert!(text(error, "message").ends_with(expected), "{refused}");
}

#[actix_web::test]
async fn carrying_costs_in_each_currency_what_is_set_for_it() {
    let app = start_with_more().await;
    let customer = app.customer().await;
    // Two soups for 450 each, and two started kilometres.
    for (currency, price) in [("USD", 900 + 300 + 160), ("EUR", 900 + 200 + 100), ("JPY", 900 + 450 + 240)] {
        let order = place(&app, &customer, an_order(), currency).await.expect(201);
        assert_eq!(order["price"], json!({"amount": price, "currency": currency}));
    }
    let order = app.place_order(&customer).await;
    assert_eq!(order["price"], json!({"amount": 1360, "currency": "USD"}), "dollars where nothing is said");
}

#[actix_web::test]
async fn yen_are_topped_up_set_aside_and_taken_as_a_fee_in_whole_yen() {
    let app = start_with_more().await;
    let (customer, partner) = (app.customer().await, app.partner().await);
    top_up(&app, &customer, 2000, "JPY").await.expect(201);
    let order = carried(&app, &customer, &partner, "JPY", "arrived").await;
    assert_eq!(wallet(&app, &customer, "JPY").await, (2000 - 1590, 1590));
    app.step(&customer, &order, "cancelled").await;
    assert_eq!(wallet(&app, &customer, "JPY").await, (1600, 0));
    // Of 400 yen, 15 % are the house's.
    assert_eq!(earned(&app, &partner, "JPY").await, 340);
    assert_eq!((wallet(&app, &customer, "USD").await, earned(&app, &partner, "USD").await), ((0, 0), 0));
    let inbox = app.as_user(&customer).get("/notifications?type=order_cancelled").await.expect(200);
    let told = &inbox["items"][0];
    assert_eq!(told["data"]["fee"], json!({"amount": 400, "currency": "JPY"}));
    assert!(text(told, "message").contains("400 JPY"), "no decimals: {told}");
    assert_whole(&app).await;
}

#[actix_web::test]
async fn what_the_server_does_not_take_is_refused_for_orders_and_for_top_ups() {
    let app = start_with_more().await;
    let customer = app.customer().await;
    for currency in ["IRR", "GBP", "KWD"] {
        not_accepted(top_up(&app, &customer, 100, currency).await, "expected EUR or JPY or USD");
        for order in [an_order(), on_the_wallet()] {
            not_accepted(place(&app, &customer, order, currency).await, "expected EUR or JPY or USD");
        }
        assert_eq!(wallet(&app, &customer, currency).await, (0, 0), "an empty one can be looked at");
    }
    assert_eq!(app.as_user(&customer).get("/orders").await.expect(200)["items"], json!([]));
    assert_eq!(app.as_user(&customer).get("/notifications").await.expect(200)["items"], json!([]));
}

#[actix_web::test]
async fn the_currency_that_counts_where_none_is_named_can_be_another() {
    let settings = [SETTINGS.as_slice(), &[("WAYBILL_CURRENCY", "CHF")]].concat();
    let app = TestApp::start_with(&settings).await;
    let (customer, partner) = (app.customer().await, app.partner().await);
    top_up(&app, &customer, 5000, "CHF").await.expect(201);
    assert_eq!(app.as_user(&customer).get("/wallet").await.expect(200)["balance"], 5000);
    let order = app.as_user(&customer).post("/orders", on_the_wallet()).await.expect(201);
    assert_eq!(order["price"], json!({"amount": 1360, "currency": "CHF"}));
    let entries = app.as_user(&customer).get("/wallet/entries").await.expect(200);
    assert_eq!(entries["items"].as_array().map(Vec::len), Some(2));
    let order = text(&order, "id");
    app.assign(&app.admin().await, &order, &partner).await;
    app.carry_to(&partner, &order, "delivered").await;
    app.step(&customer, &order, "completed").await;
    assert_eq!(app.as_user(&partner).get("/partner/earnings").await.expect(200)["currency"], "CHF");
    let sent = app.as_user(&partner).post("/partner/payouts", json!({})).await.expect(201);
    assert_eq!((&sent["amount"], &sent["currency"]), (&json!(1156), &json!("CHF")));
    not_accepted(top_up(&app, &customer, 100, "USD").await, "expected CHF");
    assert_whole(&app).await;
}

#[actix_web::test]
async fn what_is_there_in_a_currency_that_is_given_up_can_be_seen_settled_and_paid_out() {
    let app = start_with_more().await;
    let (customer, partner, admin) = (rich(&app, 10_000).await, app.partner().await, app.admin().await);
    let topped_up = top_up(&app, &customer, 10_000, "EUR").await.expect(201);
    let delivered = carried(&app, &customer, &partner, "EUR", "delivered").await;
    let mut order = on_the_wallet();
    order["currency"] = json!("EUR");
    let arrived = text(&app.as_user(&customer).post("/orders", order).await.expect(201), "id");
    app.assign(&admin, &arrived, &partner).await;
    app.carry_to(&partner, &arrived, "arrived").await;
    let (database, outcome) = app.stop().await;
    outcome.expect("it stops in order");

    let app = TestApp::start_on(database, &SETTINGS).await;
    not_accepted(top_up(&app, &customer, 100, "JPY").await, "expected USD");
    not_accepted(place(&app, &customer, an_order(), "JPY").await, "expected USD");
    // What was done is answered as it was, under its key.
    assert_eq!(top_up(&app, &customer, 10_000, "EUR").await.expect(201), topped_up);
    let again = place(&app, &customer, on_the_wallet(), "EUR").await.expect(201);
    assert_eq!(text(&again, "id"), delivered);

    assert_eq!(wallet(&app, &customer, "EUR").await, (10_000 - 2 * 1200, 2 * 1200));
    let entries = app.as_user(&customer).get("/wallet/entries?currency=EUR").await.expect(200);
    assert_eq!(entries["items"].as_array().map(Vec::len), Some(3));
    app.step(&customer, &delivered, "completed").await;
    assert_eq!(earned(&app, &partner, "EUR").await, 1020);
    // Nobody has said what a fee would be.
    app.step(&customer, &arrived, "cancelled").await;
    assert_eq!(wallet(&app, &customer, "EUR").await, (10_000 - 1200, 0));
    let refund = format!("/orders/{delivered}/refund");
    app.as_user(&admin).post(&refund, json!({"reason": "cold"})).await.expect(200);
    assert_eq!(wallet(&app, &customer, "EUR").await, (10_000, 0));
    let sent = app.as_user(&partner).post("/partner/payouts", json!({"currency": "EUR"})).await.expect(201);
    assert_eq!((&sent["amount"], &sent["status"]), (&json!(1020), &json!("succeeded")));
    assert_whole(&app).await;
}
