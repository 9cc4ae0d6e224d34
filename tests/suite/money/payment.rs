//! What became of the price of an order, and who is told.

use serde_json::{Value, json};

use super::currencies::start_with_more;
use super::{PRICE, SHARE, complete, on_the_wallet, rich, start, top_up, wallet_order};
use crate::support::steps::text;
use crate::support::{TestApp, TestUser};

const FEE: i64 = 300;

async fn payment(app: &TestApp, who: &TestUser, order: &str) -> Value {
    app.as_user(who).get(&format!("/orders/{order}/payment")).await.expect(200)
}

/// How it stands, and what was authorised, captured, kept for cancelling, released and refunded.
async fn stands(app: &TestApp, who: &TestUser, order: &str) -> (Value, [i64; 5]) {
    let payment = payment(app, who, order).await;
    let amount = |member: &str| {
        assert_eq!(payment[member]["currency"], payment["price"]["currency"], "{member} of {payment}");
        payment[member]["amount"].as_i64().expect("a number")
    };
    let amounts = ["authorised", "captured", "cancellation_fee", "released", "refunded"].map(amount);
    (payment["status"].clone(), amounts)
}

async fn refund(app: &TestApp, admin: &TestUser, order: &str, body: Value) {
    app.as_user(admin).post(&format!("/orders/{order}/refund"), body).await.expect(200);
}

#[actix_web::test]
async fn a_payment_from_the_wallet_is_followed_from_setting_aside_to_giving_back() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, 10_000).await, app.partner().await, app.admin().await);
    let order = wallet_order(&app, &customer, &partner).await;
    let seen = payment(&app, &customer, &order).await;
    assert_eq!(
        (&seen["order_id"], &seen["method"], &seen["price"]),
        (&json!(order), &json!("wallet"), &json!({"amount": PRICE, "currency": "USD"}))
    );
    assert_eq!(seen["created_at"], seen["updated_at"]);
    assert_eq!(stands(&app, &customer, &order).await, (json!("authorised"), [PRICE, 0, 0, 0, 0]));
    complete(&app, &customer, &partner, &order).await;
    assert_eq!(stands(&app, &customer, &order).await, (json!("captured"), [PRICE, PRICE, 0, 0, 0]));
    refund(&app, &admin, &order, json!({"amount": 360, "reason": "cold"})).await;
    assert_eq!(stands(&app, &customer, &order).await, (json!("captured"), [PRICE, PRICE, 0, 0, 360]));
    refund(&app, &admin, &order, json!({"reason": "still cold"})).await;
    for who in [&customer, &admin] {
        assert_eq!(stands(&app, who, &order).await, (json!("refunded"), [PRICE, PRICE, 0, 0, PRICE]));
    }
}

#[actix_web::test]
async fn of_an_order_that_is_cancelled_the_payment_tells_what_was_kept() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, 10_000).await, app.partner().await, app.admin().await);
    let early = wallet_order(&app, &customer, &partner).await;
    app.step(&customer, &early, "cancelled").await;
    assert_eq!(stands(&app, &customer, &early).await, (json!("released"), [PRICE, 0, 0, PRICE, 0]));
    let failed = wallet_order(&app, &customer, &partner).await;
    app.carry_to(&partner, &failed, "delivered").await;
    app.step(&admin, &failed, "failed").await;
    assert_eq!(stands(&app, &customer, &failed).await, (json!("released"), [PRICE, 0, 0, PRICE, 0]));
    let late = wallet_order(&app, &customer, &partner).await;
    app.carry_to(&partner, &late, "arrived").await;
    app.step(&customer, &late, "cancelled").await;
    let kept = [PRICE, FEE, FEE, PRICE - FEE, 0];
    assert_eq!(stands(&app, &customer, &late).await, (json!("captured"), kept));
    refund(&app, &admin, &late, json!({"reason": "the partner was early"})).await;
    let kept = [PRICE, FEE, FEE, PRICE - FEE, FEE];
    assert_eq!(stands(&app, &customer, &late).await, (json!("refunded"), kept));
}

#[actix_web::test]
async fn in_cash_nothing_is_set_aside_and_nothing_is_told_before_the_end() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, 10_000).await, app.partner().await, app.admin().await);
    let order = app.order(&customer).await;
    app.assign(&admin, &order, &partner).await;
    let seen = payment(&app, &customer, &order).await;
    assert_eq!(
        (&seen["method"], &seen["price"]["amount"], &seen["created_at"], &seen["updated_at"]),
        (&json!("cash"), &json!(PRICE), &Value::Null, &Value::Null)
    );
    assert_eq!(stands(&app, &customer, &order).await, (Value::Null, [0; 5]));
    assert_eq!(payment(&app, &admin, &order).await["movements"], json!([]));
    complete(&app, &customer, &partner, &order).await;
    assert_eq!(stands(&app, &customer, &order).await, (json!("captured"), [0, PRICE, 0, 0, 0]));

    let late = app.order(&customer).await;
    app.assign(&admin, &late, &partner).await;
    app.carry_to(&partner, &late, "arrived").await;
    app.step(&customer, &late, "cancelled").await;
    assert_eq!(stands(&app, &customer, &late).await, (json!("captured"), [0, FEE, FEE, 0, 0]));
    let early = app.order(&customer).await;
    app.step(&customer, &early, "cancelled").await;
    assert_eq!(stands(&app, &customer, &early).await, (Value::Null, [0; 5]));
}

#[actix_web::test]
async fn each_payment_is_told_in_its_own_currency() {
    let app = start_with_more().await;
    let customer = app.customer().await;
    let euros = json!({"amount": 5000, "currency": "EUR"});
    app.as_user(&customer).post("/wallet/topups", euros).await.expect(201);
    let mut order = on_the_wallet();
    order["currency"] = json!("EUR");
    let order = text(&app.as_user(&customer).post("/orders", order).await.expect(201), "id");
    assert_eq!(payment(&app, &customer, &order).await["price"]["currency"], "EUR");
    // Euros have fees of their own.
    assert_eq!(stands(&app, &customer, &order).await, (json!("authorised"), [1200, 0, 0, 0, 0]));
}

#[actix_web::test]
async fn only_its_customer_and_admins_see_a_payment_and_admins_who_has_decided_what() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, PRICE).await, app.partner().await, app.admin().await);
    let order = wallet_order(&app, &customer, &partner).await;
    complete(&app, &customer, &partner, &order).await;
    refund(&app, &admin, &order, json!({"amount": 360, "reason": "It was cold."})).await;
    let path = format!("/orders/{order}/payment");
    let (other, stranger) = (rich(&app, PRICE).await, app.partner().await);
    top_up(&app, &other, 500).await;
    app.as_user(&other).get(&path).await.refused(404, "not_found");
    for who in [&partner, &stranger] {
        app.as_user(who).get(&path).await.refused(403, "role_not_allowed");
    }
    app.as_nobody().get(&path).await.refused(401, "token_missing");
    assert_eq!(payment(&app, &customer, &order).await.get("movements"), None, "that is for admins");

    let seen = payment(&app, &admin, &order).await;
    let movements = seen["movements"].as_array().expect("movements");
    let entry = |account: &str, owner: Option<&str>, amount: i64| json!({"account": account, "owner": owner, "amount": amount});
    let (owner, earner) = (customer.id.to_string(), partner.partner_id.expect("a profile").to_string());
    let expected = [
        ("authorisation", vec![entry("held", Some(&owner), PRICE), entry("wallet", Some(&owner), -PRICE)]),
        (
            "capture",
            vec![
                entry("earnings", Some(&earner), SHARE),
                entry("held", Some(&owner), -PRICE),
                entry("revenue", None, PRICE - SHARE),
            ],
        ),
        ("refund", vec![entry("refunds", None, -360), entry("wallet", Some(&owner), 360)]),
    ];
    assert_eq!(movements.len(), expected.len(), "{seen}");
    for (movement, (kind, entries)) in movements.iter().zip(expected) {
        assert_eq!((&movement["kind"], &movement["entries"]), (&json!(kind), &json!(entries)));
        let decided = if kind == "refund" {
            (json!(admin.id), json!("It was cold."))
        } else {
            (Value::Null, Value::Null)
        };
        assert_eq!((movement["user_id"].clone(), movement["note"].clone()), decided, "{kind}");
    }
    // Under the same id as in the customer's own list.
    let entries = app.as_user(&customer).get("/wallet/entries").await.expect(200);
    assert_eq!(entries["items"][0]["id"], movements[2]["id"]);
}
