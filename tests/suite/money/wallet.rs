//! Filling a wallet, and looking at it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::currencies::start_with_more;
use super::{SETTINGS, assert_whole, event, rich, start, tell, told, top_up, wallet};
use crate::support::steps::text;
use crate::support::{Answer, TestApp, TestUser};

async fn top_up_with(app: &TestApp, customer: &TestUser, key: &str, amount: i64) -> Answer {
    let body = json!({"amount": amount, "currency": "USD"});
    app.as_user(customer).post_with("/wallet/topups", &[("Idempotency-Key", key)], body).await
}

#[actix_web::test]
async fn a_top_up_reaches_the_wallet_and_every_screen_of_its_owner() {
    let app = start().await;
    let customer = app.customer().await;
    assert_eq!(wallet(&app, &customer).await, (0, 0));
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    let done = top_up(&app, &customer, 5000).await;
    assert_eq!(
        (&done["status"], &done["amount"], &done["failure"]),
        (&json!("succeeded"), &json!(5000), &Value::Null)
    );

    let update = bell.expect("wallet_update").await;
    assert_eq!(update["wallet"], json!({"balance": 5000, "currency": "USD"}));
    let entry = &update["entry"];
    assert_eq!(
        (&entry["kind"], &entry["amount"], &entry["balance_after"], &entry["order_id"]),
        (&json!("top_up"), &json!(5000), &json!(5000), &Value::Null)
    );
    assert!(update["seq"].is_u64(), "it is an event like any other: {update}");
    let notification = bell.expect("notification").await;
    assert_eq!(notification["notification"]["type"], "wallet_credited");
    assert_eq!(notification["notification"]["data"]["balance"], json!({"amount": 5000, "currency": "USD"}));

    assert_eq!(wallet(&app, &customer).await, (5000, 0));
    let entries = app.as_user(&customer).get("/wallet/entries").await.expect(200);
    assert_eq!(entries, json!({"items": [entry], "next_cursor": null}));
    let seen = app.as_user(&customer).get(&format!("/wallet/topups/{}", text(&done, "id"))).await.expect(200);
    assert_eq!(seen, done);
    assert_whole(&app).await;
}

#[actix_web::test]
async fn who_asks_for_one_top_up_after_the_other_is_told_to_wait_and_what_was_begun_is_answered_all_the_same()
{
    let app = TestApp::start_with(&[SETTINGS.as_slice(), &[("WAYBILL_RATE_LIMITS", "on")]].concat()).await;
    let (customer, other) = (app.customer().await, app.customer().await);
    let first = top_up_with(&app, &customer, "k", 100).await.expect(201);
    let mut done = 1;
    let answer = loop {
        // Declined ones count as well: the provider was asked.
        let answer = top_up_with(&app, &customer, &format!("k{done}"), 102).await;
        if answer.status != 201 {
            break answer;
        }
        done += 1;
        assert!(done < 1_000, "no limit");
    };
    assert!((30..40).contains(&done), "{done}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    answer.refused(429, "rate_limited");
    assert_eq!(top_up_with(&app, &customer, "k", 100).await.expect(201)["id"], first["id"]);
    top_up_with(&app, &other, "k", 100).await.expect(201);
    assert_eq!(wallet(&app, &customer).await, (100, 0));
}

#[actix_web::test]
async fn a_top_up_that_is_declined_changes_nothing_but_says_so() {
    let app = start().await;
    let customer = app.customer().await;
    let declined = top_up(&app, &customer, 1002).await;
    assert_eq!((&declined["status"], &declined["failure"]), (&json!("failed"), &json!("declined")));
    assert_eq!(wallet(&app, &customer).await, (0, 0));
    assert_eq!(told(&app, &customer).await, ["payment_failed"]);
    assert_whole(&app).await;
}

#[actix_web::test]
async fn a_top_up_that_is_pending_is_settled_by_the_providers_event() {
    let app = start().await;
    let customer = app.customer().await;
    let pending = top_up(&app, &customer, 1003).await;
    assert_eq!((&pending["status"], wallet(&app, &customer).await), (&json!("pending"), (0, 0)));
    tell(&app, &event("evt_1", "transfer.succeeded", &pending)).await.expect(200);
    assert_eq!(wallet(&app, &customer).await, (1003, 0));
    let path = format!("/wallet/topups/{}", text(&pending, "id"));
    assert_eq!(app.as_user(&customer).get(&path).await.expect(200)["status"], "succeeded");

    let failing = top_up(&app, &customer, 1103).await;
    let mut failed = event("evt_2", "transfer.failed", &failing);
    failed["reason"] = json!("card expired");
    tell(&app, &failed).await.expect(200);
    let path = format!("/wallet/topups/{}", text(&failing, "id"));
    let seen = app.as_user(&customer).get(&path).await.expect(200);
    assert_eq!((&seen["status"], &seen["failure"]), (&json!("failed"), &json!("card expired")));
    assert_eq!(wallet(&app, &customer).await, (1003, 0));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn the_same_key_tops_up_once_and_is_answered_alike() {
    let app = start().await;
    let customer = app.customer().await;
    let answers = join_all((0..8).map(|_| top_up_with(&app, &customer, "k", 700))).await;
    let bodies: Vec<Value> = answers.into_iter().map(|answer| answer.expect(201)).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    let again = top_up_with(&app, &customer, "k", 700).await;
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!((again.expect(201), wallet(&app, &customer).await), (bodies[0].clone(), (700, 0)));
    top_up_with(&app, &customer, "k", 701).await.refused(409, "idempotency_key_reused");
    // A repeated call tells how it stands by now.
    let pending = top_up_with(&app, &customer, "p", 1003).await.expect(201);
    assert_eq!(top_up_with(&app, &customer, "p", 1003).await.expect(201), pending);
    tell(&app, &event("evt_1", "transfer.succeeded", &pending)).await.expect(200);
    let settled = top_up_with(&app, &customer, "p", 1003).await.expect(201);
    assert_eq!((&settled["status"], &settled["id"]), (&json!("succeeded"), &pending["id"]));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn an_answer_of_the_providers_that_was_lost_is_asked_for_again_with_the_key() {
    let app = start().await;
    let customer = app.customer().await;
    let lost = top_up_with(&app, &customer, "k", 1004).await.expect(201);
    assert_eq!((&lost["status"], wallet(&app, &customer).await), (&json!("pending"), (0, 0)));
    let found = top_up_with(&app, &customer, "k", 1004).await.expect(201);
    assert_eq!((&found["status"], &found["id"]), (&json!("succeeded"), &lost["id"]));
    assert_eq!(top_up_with(&app, &customer, "k", 1004).await.expect(201), found);
    assert_eq!(wallet(&app, &customer).await, (1004, 0));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn entries_come_in_pages_and_each_currency_has_a_wallet_of_its_own() {
    let app = start_with_more().await;
    let customer = rich(&app, 100).await;
    for amount in [200, 300] {
        top_up(&app, &customer, amount).await;
    }
    let client = app.as_user(&customer);
    let euros = json!({"amount": 999, "currency": "EUR"});
    client.post("/wallet/topups", euros).await.expect(201);
    let amounts = |page: &Value| -> Vec<i64> {
        let items = page["items"].as_array().expect("items");
        items.iter().map(|entry| entry["amount"].as_i64().expect("a number")).collect()
    };
    let first = client.get("/wallet/entries?limit=2").await.expect(200);
    assert_eq!(amounts(&first), [300, 200]);
    let cursor = text(&first, "next_cursor");
    let second = client.get(&format!("/wallet/entries?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((amounts(&second), &second["next_cursor"]), (vec![100], &Value::Null));
    assert_eq!(amounts(&client.get("/wallet/entries?currency=EUR").await.expect(200)), [999]);
    let wallet = client.get("/wallet?currency=EUR").await.expect(200);
    assert_eq!(wallet, json!({"balance": 999, "held": 0, "currency": "EUR"}));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn what_is_no_top_up_is_refused_and_who_has_no_wallet_told_so() {
    let app = start().await;
    let (customer, other, partner) = (app.customer().await, app.customer().await, app.partner().await);
    for amount in [0, -1, 100_000_001, i64::MIN] {
        let body = json!({"amount": amount, "currency": "USD"});
        let refused =
            app.as_user(&customer).post("/wallet/topups", body).await.refused(422, "invalid_fields");
        assert_eq!(refused["errors"][0]["field"], "amount");
    }
    let body = json!({"amount": 100, "currency": "USD"});
    app.as_user(&partner).post("/wallet/topups", body.clone()).await.refused(403, "role_not_allowed");
    app.as_user(&partner).get("/wallet").await.refused(403, "role_not_allowed");
    let done = top_up(&app, &customer, 100).await;
    let path = format!("/wallet/topups/{}", text(&done, "id"));
    app.as_user(&other).get(&path).await.refused(404, "not_found");

    let without = TestApp::start().await;
    let customer = without.customer().await;
    without.as_user(&customer).post("/wallet/topups", body).await.refused(409, "no_payment_provider");
}
