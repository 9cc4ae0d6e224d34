//! What partners have earned, and pay-outs.

use futures_util::future::join_all;
use serde_json::{Value, json};

use waybill::domain::time::Timestamp;

use super::{PRICE, SHARE, assert_whole, complete, event, faults, rich, start, tell, told, wallet_order};
use crate::support::steps::text;
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
async fn a_partner_and_nobody_else_knows_what_an_order_in_hand_will_bring() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, PRICE).await, app.partner().await, app.admin().await);
    let mut work = app.connect(&partner, "/ws/partner/").await;
    work.expect("queue").await;
    let order = wallet_order(&app, &customer, &partner).await;
    let share = json!({"amount": SHARE, "currency": "USD"});
    assert_eq!(work.expect("queue_update").await["order"]["earnings"], share);
    let path = format!("/orders/{order}");
    let mut seen = Vec::new();
    for user in [&partner, &customer, &admin] {
        seen.push(app.as_user(user).get(&path).await.expect(200)["earnings"].clone());
    }
    assert_eq!(seen, [share.clone(), Value::Null, Value::Null]);
    let step = app.step(&partner, &order, "en_route").await;
    assert_eq!(step["earnings"], share);
    let mut watching = app.connect(&partner, &format!("/ws/orders/{order}/")).await;
    assert_eq!(watching.expect("order_status").await["order"]["earnings"], share);
    app.step(&admin, &order, "failed").await;
    assert_eq!(
        app.as_user(&partner).get(&path).await.expect(200)["earnings"],
        json!(null),
        "it brings nothing"
    );
}

#[actix_web::test]
async fn a_partner_sees_what_became_of_a_pay_out_and_of_none_but_their_own() {
    let app = start().await;
    let (partner, other) = (earner(&app, 1).await, app.partner().await);
    // What the provider does not say at once.
    let pending = pay_out(&app, &partner, json!({"amount": 103})).await.expect(201);
    let path = format!("/partner/payouts/{}", text(&pending, "id"));
    assert_eq!(app.as_user(&partner).get(&path).await.expect(200), pending);
    tell(&app, &event("evt_1", "transfer.failed", &pending)).await.expect(200);
    let failed = app.as_user(&partner).get(&path).await.expect(200);
    assert_eq!((&failed["status"], &failed["failure"]), (&json!("failed"), &json!("failed")));
    let earnings = app.as_user(&partner).get("/partner/earnings").await.expect(200);
    let about = ["order_id", "transfer_id"].map(|member| {
        let entries = earnings["entries"].as_array().expect("entries").iter();
        entries.map(|entry| entry[member] == pending["id"]).collect::<Vec<_>>()
    });
    assert_eq!(about, [[false, false, false], [true, true, false]]);
    app.as_user(&other).get(&path).await.refused(404, "not_found");
    app.as_user(&app.customer().await).get(&path).await.refused(403, "role_not_allowed");
}

#[actix_web::test]
async fn all_that_was_ever_earned_can_be_read_page_by_page() {
    let app = start().await;
    let partner = earner(&app, 1).await;
    // More than the newest fifty, which come with the balance.
    for _ in 0..52 {
        pay_out(&app, &partner, json!({"amount": 1})).await.expect(201);
    }
    let earnings = app.as_user(&partner).get("/partner/earnings").await.expect(200);
    let newest = earnings["entries"].as_array().expect("entries");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/partner/earnings/entries?currency=USD&limit=20{cursor}");
        let page = app.as_user(&partner).get(&path).await.expect(200);
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 20, "{page}");
        seen.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), newest.len()), (53, 50));
    assert_eq!(&seen[..50], newest);
    assert_eq!((&seen[52]["kind"], &seen[52]["balance_after"]), (&json!("capture"), &json!(SHARE)));
    let sum: i64 = seen.iter().map(|entry| entry["amount"].as_i64().expect("a number")).sum();
    assert_eq!(json!(sum), earnings["balance"]);
    let others = app.as_user(&app.partner().await).get("/partner/earnings/entries").await.expect(200);
    assert_eq!(others, json!({"items": [], "next_cursor": null}));
}

#[actix_web::test]
async fn today_and_this_week_end_where_they_begin() {
    let app = start().await;
    let partner = earner(&app, 3).await;
    let now = Timestamp::now();
    let (day, week) = (now.start_of_day(), now.start_of_week());
    for (number, since) in [(1, week), (2, day)] {
        let before = since.as_millis() - 1;
        let moved = format!(
            "UPDATE ledger_entries SET created_at = {before} WHERE number = {number} AND account_id IN \
             (SELECT id FROM ledger_accounts WHERE kind = 'earnings')"
        );
        assert_eq!(app.change(moved).await, 1);
    }
    let earnings = app.as_user(&partner).get("/partner/earnings").await.expect(200);
    // On a Monday, yesterday was last week.
    let this_week = if day == week { SHARE } else { 2 * SHARE };
    assert_eq!((&earnings["today"], &earnings["week"]), (&json!(SHARE), &json!(this_week)));
    assert_eq!(earnings["balance"], 3 * SHARE);
}

#[actix_web::test]
async fn what_differs_from_the_ledger_is_found() {
    let app = start().await;
    let partner = earner(&app, 1).await;
    pay_out(&app, &partner, json!({"amount": 300})).await.expect(201);
    assert_whole(&app).await;
    for (statement, fault) in [
        (
            "UPDATE transfers SET amount = 299 WHERE kind = 'pay_out'",
            "(pay_out of 299) is succeeded; its owner has -300",
        ),
        (
            "UPDATE ledger_transactions SET order_id = NULL WHERE kind = 'capture'",
            "is of no payment and no transfer",
        ),
    ] {
        assert_eq!(app.change(statement).await, 1);
        let found = faults(&app).await;
        assert!(found.contains(fault), "{found}");
    }
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
    assert_eq!(told(&app, &partner).await, ["payout_failed", "earnings_credited"]);
    let inbox = app.as_user(&partner).get("/notifications?type=payout_failed").await.expect(200);
    assert_eq!(inbox["items"][0]["data"]["amount"], json!({"amount": 102, "currency": "USD"}));

    // One that was sent, and bounced days later: whatever comes after that, the money is here.
    let sent = pay_out(&app, &partner, json!({"amount": 500})).await.expect(201);
    assert_eq!(balance(&app, &partner).await, SHARE - 500);
    for (id, kind) in [("b1", "transfer.failed"), ("b2", "transfer.succeeded"), ("b3", "transfer.failed")] {
        tell(&app, &event(id, kind, &sent)).await.expect(200);
        assert_eq!(balance(&app, &partner).await, SHARE);
    }
    // Who was told that it is on its way is told, once, that it is not.
    let letters = ["payout_failed", "payout_sent", "payout_failed", "earnings_credited"];
    assert_eq!(told(&app, &partner).await, letters);
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
