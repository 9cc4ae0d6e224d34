//! The provider's events: forged, late, twice, in any order, and faster than the answer of the call that caused them.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use waybill::domain::time::Timestamp;
use waybill::services::money::resume;
use waybill::store::transfers;

use super::{SECRET, assert_whole, event, rich, signature, start, tell, told, top_up, wallet};
use crate::support::{Answer, TestApp};

/// How long nobody asks for what may still be answered.
const MINUTE: Duration = Duration::from_secs(60);

async fn tell_signed(app: &TestApp, signature: &str, body: &str) -> Answer {
    let headers = [("Webhook-Signature", signature), ("Content-Type", "application/json")];
    let path = "/api/v1/payments/webhooks/test";
    app.as_nobody().call_raw(awc::http::Method::POST, path, &headers, body.into()).await
}

#[actix_web::test]
async fn what_the_provider_has_not_signed_is_not_believed() {
    let app = start().await;
    let customer = app.customer().await;
    let pending = top_up(&app, &customer, 1003).await;
    let body = event("evt_1", "transfer.succeeded", &pending).to_string();
    let now = Timestamp::now().as_secs();
    app.as_nobody()
        .post("/payments/webhooks/test", event("evt_1", "transfer.succeeded", &pending))
        .await
        .refused(401, "signature_invalid");
    let forged = [
        String::new(),
        "t=1,v1=00".into(),
        signature("another key", now, &body),
        signature(SECRET, now, body.replace("1003", "9003")),
        signature(SECRET, now, &body).replace("v1=", "v0="),
        signature(SECRET, now, &body).replace(&format!("t={now}"), &format!("t={}", now + 1)),
    ];
    for signature in forged {
        tell_signed(&app, &signature, &body).await.refused(401, "signature_invalid");
    }
    for away in [-301, -86_400, 320] {
        let old = signature(SECRET, now + away, &body);
        tell_signed(&app, &old, &body).await.refused(401, "signature_expired");
    }
    // Nothing is read of what a stranger sends, and no more than a few codes.
    for body in ["", "{", "[]", r#"{"type":7}"#] {
        tell_signed(&app, &signature("another key", now, body), body).await.refused(401, "signature_invalid");
    }
    let others = format!("v1={},", "ab".repeat(32)).repeat(40);
    let many = signature(SECRET, now, &body).replace("v1=", &format!("{others}v1="));
    tell_signed(&app, &many, &body).await.refused(401, "signature_invalid");
    assert_eq!(wallet(&app, &customer).await, (0, 0));
    // A user's token is no signature, and another provider is none.
    let body = event("evt_1", "transfer.succeeded", &pending);
    app.as_user(&customer)
        .post("/payments/webhooks/test", body.clone())
        .await
        .refused(401, "signature_invalid");
    app.as_nobody().post("/payments/webhooks/other", body).await.refused(404, "not_found");
    assert_whole(&app).await;
}

#[actix_web::test]
async fn without_a_key_no_event_is_taken_and_with_two_either_signs() {
    let app = TestApp::start_with(&[("WAYBILL_PAYMENT_PROVIDER", "test")]).await;
    let customer = app.customer().await;
    let pending = top_up(&app, &customer, 1003).await;
    tell(&app, &event("evt_1", "transfer.succeeded", &pending)).await.refused(401, "signature_invalid");

    let keys = format!("a-key-that-is-on-its-way-out,{SECRET}");
    let settings = [("WAYBILL_PAYMENT_PROVIDER", "test"), ("WAYBILL_PAYMENT_WEBHOOK_SECRET", keys.as_str())];
    let app = TestApp::start_with(&settings).await;
    let customer = app.customer().await;
    let pending = top_up(&app, &customer, 1003).await;
    let body = event("evt_1", "transfer.succeeded", &pending).to_string();
    let now = Timestamp::now().as_secs();
    let old = signature("a-key-that-is-on-its-way-out", now, &body);
    assert_eq!(tell_signed(&app, &old, &body).await.expect(200), json!({"outcome": "taken"}));
    let new = signature(SECRET, now, &body);
    assert_eq!(tell_signed(&app, &new, &body).await.expect(200), json!({"outcome": "repeated"}));
}

#[actix_web::test]
async fn an_event_that_comes_twenty_times_at_once_counts_once() {
    let app = start().await;
    let customer = app.customer().await;
    let pending = top_up(&app, &customer, 1003).await;
    let event = event("evt_1", "transfer.succeeded", &pending);
    let answers = join_all((0..20).map(|_| tell(&app, &event))).await;
    let outcomes: Vec<Value> =
        answers.into_iter().map(|answer| answer.expect(200)["outcome"].clone()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "taken").count(), 1, "{outcomes:?}");
    assert_eq!(
        (wallet(&app, &customer).await, told(&app, &customer).await),
        ((1003, 0), vec!["wallet_credited".into()])
    );
    assert_whole(&app).await;
}

#[actix_web::test]
async fn events_in_whatever_order_end_alike() {
    let app = start().await;
    for kinds in [["transfer.succeeded", "transfer.failed"], ["transfer.failed", "transfer.succeeded"]] {
        let customer = app.customer().await;
        let pending = top_up(&app, &customer, 1003).await;
        for (index, kind) in kinds.into_iter().enumerate() {
            let id = format!("{}-{index}", customer.id);
            assert_eq!(tell(&app, &event(&id, kind, &pending)).await.expect(200)["outcome"], "taken");
        }
        let path = format!("/wallet/topups/{}", pending["id"].as_str().expect("an id"));
        let seen = app.as_user(&customer).get(&path).await.expect(200);
        assert_eq!((&seen["status"], &seen["failure"]), (&json!("succeeded"), &Value::Null), "{kinds:?}");
        assert_eq!(wallet(&app, &customer).await, (1003, 0));
    }
    assert_whole(&app).await;
}

#[actix_web::test]
async fn an_event_may_be_faster_than_the_answer_of_the_call_that_caused_it() {
    let app = start().await;
    let customer = app.customer().await;
    // The provider takes five seconds to answer this one.
    let call = top_up(&app, &customer, 1005);
    let meanwhile = async {
        let by = Timestamp::now().after(2 * MINUTE);
        let under_way = || app.inner().read(move |conn| Ok(transfers::due(conn, by, 1)?));
        app.until("the top-up is on record", async || !under_way().await.expect("rows").is_empty()).await;
        let id = under_way().await.expect("rows")[0];
        let transfer = json!({"id": id, "amount": 1005, "currency": "USD"});
        tell(&app, &event("evt_1", "transfer.succeeded", &transfer)).await.expect(200);
        assert_eq!(wallet(&app, &customer).await, (1005, 0), "before the call is answered");
    };
    let (done, ()) = join(call, meanwhile).await;
    assert_eq!(done["status"], "succeeded");
    assert_eq!(
        (wallet(&app, &customer).await, told(&app, &customer).await),
        ((1005, 0), vec!["wallet_credited".into()])
    );
    assert_whole(&app).await;
}

#[actix_web::test]
async fn events_about_nothing_that_is_known_are_taken_and_change_nothing() {
    let app = start().await;
    let customer = rich(&app, 500).await;
    let pending = top_up(&app, &customer, 1003).await;
    for other in [
        event("evt_1", "transfer.disputed", &pending),
        json!({"id": "evt_1", "type": "balance.available", "data": {"available": [1]}}),
        json!({"type": ""}),
    ] {
        assert_eq!(tell(&app, &other).await.expect(200)["outcome"], "passed_over", "{other}");
    }
    let unknown = json!({"id": "0190163d-8694-739b-aea5-966c26f8ad90", "amount": 1, "currency": "USD"});
    for outcome in ["passed_over", "repeated"] {
        let told = tell(&app, &event("evt_2", "transfer.succeeded", &unknown)).await.expect(200);
        assert_eq!(told["outcome"], outcome);
    }
    for (member, value) in [("amount", json!(100_003)), ("currency", json!("JPY"))] {
        let mut other = event("evt_3", "transfer.succeeded", &pending);
        other[member] = value;
        tell(&app, &other).await.refused(409, "amount_differs");
    }
    assert_eq!(wallet(&app, &customer).await, (500, 0));
    // What was refused may come again, put right; members that nobody here knows are the provider's own.
    let mut right = event("evt_3", "transfer.succeeded", &pending);
    right["livemode"] = json!(false);
    assert_eq!(tell(&app, &right).await.expect(200)["outcome"], "taken");
    assert_eq!(wallet(&app, &customer).await, (1503, 0));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn no_event_is_refused_for_how_it_describes_itself() {
    let app = start().await;
    let customer = app.customer().await;
    let long = "é".repeat(300);
    let cases = [
        (json!(""), "failed".to_owned()),
        (json!(" \n\t "), "failed".into()),
        (Value::Null, "failed".into()),
        (json!(long), long.chars().take(200).collect()),
        (json!(" The card\u{0}has\u{1b}expired.\r\n"), "The card has expired.".into()),
    ];
    for (index, (text, kept)) in cases.into_iter().enumerate() {
        let pending = top_up(&app, &customer, 1003).await;
        let mut failed = event(&format!("evt_{index}"), "transfer.failed", &pending);
        failed["reason"] = text.clone();
        failed["reference"] = text;
        assert_eq!(tell(&app, &failed).await.expect(200)["outcome"], "taken");
        let path = format!("/wallet/topups/{}", pending["id"].as_str().expect("an id"));
        let seen = app.as_user(&customer).get(&path).await.expect(200);
        assert_eq!((&seen["status"], &seen["failure"]), (&json!("failed"), &json!(kept)));
    }
    assert_whole(&app).await;
}

#[actix_web::test]
async fn what_the_provider_has_not_answered_is_asked_for_again_until_it_has() {
    let app = start().await;
    let customer = app.customer().await;
    let lost = top_up(&app, &customer, 1004).await;
    assert_eq!(lost["status"], "pending");
    // On several instances at the same time, say.
    let by = Timestamp::now().after(MINUTE);
    join_all((0..4).map(|_| resume(app.inner(), by))).await.into_iter().for_each(|outcome| {
        outcome.expect("asked");
    });
    assert_eq!(
        (wallet(&app, &customer).await, told(&app, &customer).await),
        ((1004, 0), vec!["wallet_credited".into()])
    );
    assert_whole(&app).await;
}
