//! What is sent: the payload, its headers, and who signs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use serde_json::{Value, json};
use waybill::domain::ids::OrderId;
use waybill::domain::money::{Currency, Money};
use waybill::domain::notification::NotificationContent;
use waybill::domain::time::Timestamp;

use super::service::{PushService, Received};
use super::{settings, start};
use crate::support::TestApp;
use crate::support::steps::text;

/// The claims of the token of RFC 8292, its signature checked by the key that browsers subscribe with.
async fn claims(app: &TestApp, message: &Received) -> Value {
    let customer = app.customer().await;
    let public = text(&app.as_user(&customer).get("/push/key").await.expect(200), "key");
    let header = message.header("authorization");
    let (token, key) =
        header.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).expect("a token");
    assert_eq!(key, public);
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let point = decode(key);
    assert_eq!((point.len(), point[0]), (65, 4), "an uncompressed point");
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let verifying_key = VerifyingKey::from_sec1_bytes(&point).expect("a point of P-256");
    let signature = Signature::from_slice(&decode(signature)).expect("r and s");
    verifying_key.verify(signed.as_bytes(), &signature).expect("the key has signed it");
    let (head, claims) = signed.split_once('.').expect("two parts");
    let json = |text: &str| serde_json::from_slice::<Value>(&decode(text)).expect("JSON");
    assert_eq!(json(head), json!({"typ": "JWT", "alg": "ES256"}));
    json(claims)
}

#[actix_web::test]
async fn a_push_holds_what_the_inbox_holds_and_only_the_browser_can_open_it() {
    let (app, service) = (start().await, PushService::start());
    let (customer, admin) = (app.customer().await, app.admin().await);
    let browser = app.subscribe(&customer, &service).await;
    let order = app.order(&customer).await;

    let message = service.next().await;
    assert_eq!(message.browser, browser.name);
    let stored = app.as_user(&customer).get("/notifications?type=order_confirmed").await.expect(200);
    let stored = &stored["items"][0];
    assert_eq!(
        message.payload,
        json!({
            "id": stored["id"], "type": "order_confirmed", "title": stored["title"], "message": stored["message"],
            "icon": stored["data"]["icon"], "url": format!("/orders/{order}"), "tag": format!("order-{order}"),
            "created_at": stored["created_at"], "unread": 2,
        })
    );
    let ttl: u64 = message.header("ttl").parse().expect("seconds");
    assert!((3500..=3600).contains(&ttl), "{ttl}");
    assert_eq!(message.header("urgency"), "normal");
    assert_eq!(message.header("content-encoding"), "aes128gcm");
    let topic = message.header("topic");
    assert!(
        topic.len() <= 32 && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
    assert!(!topic.contains(&order[..8]), "it tells nothing of the order");

    let claims = claims(&app, &message).await;
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!(service.origin()), &json!("mailto:ops@example.org"))
    );
    let lasts = claims["exp"].as_i64().expect("a time") - Timestamp::now().as_secs();
    assert!((6 * 3600..=24 * 3600).contains(&lasts), "{lasts}");

    // "Did they get it?" has an answer.
    let sent = app.until_pushes(&admin, "sent", 1).await;
    assert_eq!((&sent[0]["host"], &sent[0]["attempts"]), (&json!(service.host()), &json!(1)));
    assert_eq!(sent[0]["notification_id"], stored["id"]);
    let delivery =
        app.push_delivery(&admin, stored["id"].as_str().expect("an id")).await.expect("it went out");
    assert_eq!(delivery["state"], "written", "{delivery}");
    assert!(delivery["written_at"].is_string() && delivery["error"].is_null(), "{delivery}");
}

#[actix_web::test]
async fn every_browser_of_a_user_is_sent_it_over_connections_that_are_used_again() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.customer().await;
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.push(app.subscribe(&customer, &service).await.name);
    }
    browsers.sort();
    for round in 1..=4 {
        app.tell(&customer).await;
        let mut reached: Vec<String> =
            service.take(3).await.into_iter().map(|message| message.browser).collect();
        reached.sort();
        assert_eq!(reached, browsers);
        app.until_pushed("sent", round * 3).await;
    }
    assert!(service.connections() <= 4, "{} connections for 12 messages", service.connections());
}

#[actix_web::test]
async fn what_the_user_does_not_want_is_not_pushed() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    let off = json!({"preferences": [{"type": "order_confirmed", "channel": "push", "enabled": false}]});
    app.as_user(&customer).put("/notifications/preferences", off).await.expect(200);
    app.tell(&customer).await;
    let order_id = OrderId::new();
    app.notify(customer.id, NotificationContent::OrderDelivered { order_id }).await;
    assert_eq!(service.next().await.payload["type"], "order_delivered");
    assert_eq!(app.inbox(&customer).await.len(), 2, "the inbox has both");
    // What nobody has chosen stays as it comes: receipts are not pushed, unless they are wanted.
    let amount = Money { amount: 500, currency: Currency::DEFAULT };
    let on = json!({"preferences": [{"type": "order_completed", "channel": "push", "enabled": true}]});
    app.as_user(&customer).put("/notifications/preferences", on).await.expect(200);
    app.order(&customer).await;
    app.tell(&customer).await;
    app.notify(customer.id, NotificationContent::OrderCompleted { order_id, price: amount }).await;
    assert_eq!(service.next().await.payload["type"], "order_completed", "and nothing before it");
}

#[actix_web::test]
async fn the_key_is_the_same_after_a_restart() {
    let app = TestApp::start_with(&settings("0")).await;
    let customer = app.customer().await;
    let key = app.as_user(&customer).get("/push/key").await.expect(200);
    let (database, stopped) = app.stop().await;
    stopped.expect("it stops");
    let app = TestApp::start_on(database, &settings("0")).await;
    assert_eq!(app.as_user(&customer).get("/push/key").await.expect(200), key);
}
