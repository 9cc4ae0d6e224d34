//! What partners have earned, and pay-outs.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{PRICE, SHARE, assert_whole, complete, event, rich, start, tell, told, wallet_order};
use crate::support::{Answer, TestApp, TestUser};

/// A partner who has carried so many orders.
async fn earner(app: &TestApp, orders: i64) -> TestUser {
    let (customer, partner) = (rich(app, orders * PRICE).await, app.partner().await);
    for _ in 0..orders {
        let order = wallet_order(app, &customer, &partner).await;
        complete(app, &customer, &partner, &order).await;
    }
    app.published().await;
    partner
}

async fn balance(app: &TestApp, partner: &TestUser) -> i64 {
    let earnings = app.as_user(partner).get("/partner/earnings").await.expect(200);
    earnings["balance"].as_i64().expect("a number")
}

async fn pay_out(app: &TestApp, partner: &TestUser, body: Value) -> Answer {
    app.as_user(partner).post("/partner/payouts", body).await
}

#[actix_web::test]
async fn all_that_was_earned_or_a_part_of_it_is_paid_out() {
    let app = start().await;
    let partner = earner(&app, 2).await;
    let mut work = app.connect(&partner, "/ws/partner/").await;
    work.expect("queue").await;
    let sent = pay_out(&app, &partner, json!({"amount": 300, "currency": "USD"})).await.expect(201);
    assert_eq!((&sent["status"], &sent["amount"]), (&json!("succeeded"), &json!(300)));
    let update = work.expect("earnings_update").await;
    assert_eq!((&update["entry"]["kind"], &update["entry"]["amount"]), (&json!("pay_out"), &json!(-300)));
    assert_eq!(
        update["earnings"],
        json!({"today": 2 * SHARE, "week": 2 * SHARE, "balance": 2 * SHARE - 300, "currency": "USD"})
    );
    let rest = pay_out(&app, &partner, json!({})).await.expect(201);
    assert_eq!((&rest["amount"], balance(&app, &partner).await), (&json!(2 * SHARE - 300), 0));
    assert_eq!(told(&app, &partner).await[..2], ["payout_sent", "payout_sent"]);
    assert_whole(&app).await;
}

#[actix_web::test]
async fn more_than_was_earned_is_not_paid_out() {
    let app = start().await;
    let partner = earner(&app, 1).await;
    let refused =
        pay_out(&app, &partner, json!({"amount": SHARE + 1})).await.refused(409, "insufficient_funds");
    assert_eq!(refused["balance"]["amount"], SHARE);
    pay_out(&app, &partner, json!({"currency": "EUR"})).await.refused(409, "insufficient_funds");
    let customer = app.customer().await;
    pay_out(&app, &customer, json!({})).await.refused(403, "role_not_allowed");
    // All at once, and each wants all of it.
    let answers = join_all((0..6).map(|_| pay_out(&app, &partner, json!({})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(balance(&app, &partner).await, 0);
    assert_whole(&app).await;
}

#[actix_web::test]
async fn what_cannot_be_sent_comes_back() {
    let app = start().await;
    let partner = earner(&app, 1).await;
    let declined = pay_out(&app, &partner, json!({"amount": 102})).await.expect(201);
    assert_eq!((&declined["status"], &declined["failure"]), (&json!("failed"), &json!("declined")));
    assert_eq!(balance(&app, &partner).await, SHARE);
    let earnings = app.as_user(&partner).get("/partner/earnings").await.expect(200);
    assert_eq!(
        (&earnings["entries"][0]["kind"], &earnings["today"]),
        (&json!("pay_out_return"), &json!(SHARE))
    );
    assert!(!told(&app, &partner).await.contains(&"payout_sent".to_owned()));

    // One that was sent, and bounced days later: whatever comes after that, the money is here.
    let sent = pay_out(&app, &partner, json!({"amount": 500})).await.expect(201);
    assert_eq!(balance(&app, &partner).await, SHARE - 500);
    for (id, kind) in [("b1", "transfer.failed"), ("b2", "transfer.succeeded"), ("b3", "transfer.failed")] {
        tell(&app, &event(id, kind, &sent)).await.expect(200);
        assert_eq!(balance(&app, &partner).await, SHARE);
    }
    assert_whole(&app).await;
}

#[actix_web::test]
async fn the_same_key_is_paid_out_once() {
    let app = start().await;
    let partner = earner(&app, 1).await;
    let client = app.as_user(&partner);
    let body = json!({"amount": 104});
    let call = || client.post_with("/partner/payouts", &[("Idempotency-Key", "k")], body.clone());
    // The provider's first answer is lost.
    let first = call().await.expect(201);
    assert_eq!(first["status"], "pending");
    let again = call().await.expect(201);
    assert_eq!((&again["status"], &again["id"]), (&json!("succeeded"), &first["id"]));
    assert_eq!((call().await.expect(201), balance(&app, &partner).await), (again, SHARE - 104));
    assert_whole(&app).await;
}
