//! What an operator sees of money.

use std::time::Duration;

use serde_json::json;
use waybill::domain::time::Timestamp;
use waybill::services::money::{look, resume};

use super::{SECRET, complete, event, on_the_wallet, rich, signature, start, tell, top_up, wallet_order};
use crate::support::TestApp;

const HOUR: Duration = Duration::from_secs(3600);

/// Proves that figures are what they should be, each with its labels in the order of their names.
async fn assert_figures(app: &TestApp, expected: &[(&str, i64)]) {
    for (name, value) in expected {
        assert_eq!(app.figure(name).await, *value, "{name}");
    }
}

#[actix_web::test]
async fn transfers_are_counted_by_what_became_of_them() {
    let app = start().await;
    let customer = app.customer().await;
    for amount in [1001, 1002, 1003, 1004] {
        top_up(&app, &customer, amount).await;
    }
    assert_figures(
        &app,
        &[
            (r#"waybill_provider_answers_total{answer="succeeded",kind="top_up"}"#, 1),
            (r#"waybill_provider_answers_total{answer="failed",kind="top_up"}"#, 1),
            (r#"waybill_provider_answers_total{answer="pending",kind="top_up"}"#, 1),
            (r#"waybill_provider_answers_total{answer="none",kind="top_up"}"#, 1),
            (r#"waybill_transfers_total{kind="top_up",outcome="succeeded"}"#, 1),
            (r#"waybill_transfers_total{kind="top_up",outcome="failed"}"#, 1),
            (r#"waybill_movements_total{kind="top_up"}"#, 1),
        ],
    )
    .await;
    // Nobody has answered the last one, which is asked for again.
    resume(app.inner(), Timestamp::now().after(Duration::from_secs(61))).await.expect("asked");
    assert_figures(
        &app,
        &[
            (r#"waybill_provider_answers_total{answer="succeeded",kind="top_up"}"#, 2),
            (r#"waybill_transfers_total{kind="top_up",outcome="succeeded"}"#, 2),
        ],
    )
    .await;
}

#[actix_web::test]
async fn what_is_pending_is_shown_with_the_age_of_the_oldest() {
    let app = start().await;
    let customer = app.customer().await;
    let (count, age) = (
        r#"waybill_transfers_pending{kind="top_up"}"#,
        r#"waybill_transfers_oldest_pending_seconds{kind="top_up"}"#,
    );
    top_up(&app, &customer, 1001).await;
    look(app.inner(), Timestamp::now()).await.expect("looked");
    assert_figures(&app, &[(count, 0), (age, 0)]).await;
    let pending = top_up(&app, &customer, 1003).await;
    top_up(&app, &customer, 2003).await;
    look(app.inner(), Timestamp::now().after(HOUR)).await.expect("looked");
    let oldest = app.figure(age).await;
    assert!((3600..3700).contains(&oldest), "{oldest}");
    assert_figures(&app, &[(count, 2), (r#"waybill_transfers_pending{kind="pay_out"}"#, 0)]).await;
    tell(&app, &event("evt_1", "transfer.succeeded", &pending)).await.expect(200);
    look(app.inner(), Timestamp::now()).await.expect("looked");
    assert_figures(&app, &[(count, 1)]).await;
}

#[actix_web::test]
async fn what_the_provider_tells_is_counted_by_what_became_of_it() {
    let app = start().await;
    let customer = app.customer().await;
    let pending = top_up(&app, &customer, 1003).await;
    let told = event("evt_1", "transfer.succeeded", &pending);
    for _ in 0..2 {
        tell(&app, &told).await.expect(200);
    }
    let unknown = json!({"id": "0190163d-8694-739b-aea5-966c26f8ad90", "amount": 1, "currency": "USD"});
    tell(&app, &event("evt_2", "transfer.succeeded", &unknown)).await.expect(200);
    tell(&app, &json!({"type": "balance.available"})).await.expect(200);
    let mut wrong = event("evt_3", "transfer.failed", &pending);
    wrong["amount"] = json!(1);
    tell(&app, &wrong).await.refused(409, "amount_differs");
    let path = "/payments/webhooks/test";
    app.as_nobody().post(path, told.clone()).await.refused(401, "signature_invalid");
    let late = signature(SECRET, Timestamp::now().as_secs() - 400, told.to_string());
    let late = [("Webhook-Signature", late.as_str())];
    app.as_nobody().post_with(path, &late, told.clone()).await.refused(401, "signature_expired");
    app.as_nobody().post("/payments/webhooks/other", told).await.refused(404, "not_found");
    let outcomes = [
        ("taken", 1),
        ("repeated", 1),
        ("passed_over", 2),
        ("amount_differs", 1),
        ("signature_invalid", 1),
        ("signature_expired", 1),
        ("not_found", 1),
    ];
    for (outcome, times) in outcomes {
        let name = format!(r#"waybill_webhooks_total{{outcome="{outcome}"}}"#);
        assert_figures(&app, &[(&name, times)]).await;
    }
}

#[actix_web::test]
async fn only_what_was_entered_counts_as_a_movement() {
    let app = start().await;
    let (customer, partner) = (rich(&app, 2000).await, app.partner().await);
    let order = wallet_order(&app, &customer, &partner).await;
    // There is not enough for a second one.
    app.as_user(&customer).post("/orders", on_the_wallet()).await.refused(409, "insufficient_funds");
    complete(&app, &customer, &partner, &order).await;
    for kind in ["top_up", "authorisation", "capture"] {
        let name = format!(r#"waybill_movements_total{{kind="{kind}"}}"#);
        assert_figures(&app, &[(&name, 1)]).await;
    }
    assert_figures(&app, &[(r#"waybill_movements_total{kind="release"}"#, 0)]).await;
}
