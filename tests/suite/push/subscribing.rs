//! Which browsers are registered, for whom, and for how long.

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::service::PushService;
use super::start;
use crate::support::steps::text;
use crate::support::users::PASSWORD;
use crate::support::{TestApp, TestUser};

/// A log-in of this server's: the user with its token, and the refresh token.
async fn logged_in(app: &TestApp, user: &TestUser) -> (TestUser, String) {
    let body = json!({"email": user.email, "password": PASSWORD});
    let answer = app.as_nobody().post("/auth/login", body).await.expect(200);
    (TestUser { token: text(&answer, "access"), ..user.clone() }, text(&answer, "refresh"))
}

/// Waits until this user's browser is sent something, and makes sure that nothing else was sent before that.
async fn only_to(app: &TestApp, user: &TestUser, browser: &str, service: &PushService) {
    app.tell(user).await;
    let next = service.next().await;
    assert_eq!(next.browser, browser, "{}", next.payload);
}

#[actix_web::test]
async fn logging_out_ends_what_was_registered_by_that_log_in_and_nothing_else() {
    let (app, service) = (start().await, PushService::start());
    let (user, other) = (app.customer().await, app.customer().await);
    let (here, refresh) = logged_in(&app, &user).await;
    let (there, _) = logged_in(&app, &user).await;
    let gone = app.subscribe(&here, &service).await;
    let stays = app.subscribe(&there, &service).await;
    app.tell(&user).await;
    let mut reached: Vec<String> = service.take(2).await.into_iter().map(|message| message.browser).collect();
    reached.sort();
    let mut both = vec![gone.name, stays.name.clone()];
    both.sort();
    assert_eq!(reached, both);

    app.as_nobody().post("/auth/logout", json!({"refresh": refresh})).await.expect(204);
    app.tell(&user).await;
    assert_eq!(service.next().await.browser, stays.name);
    let last = app.subscribe(&other, &service).await;
    only_to(&app, &other, &last.name, &service).await;
    // And it is not registered again with what is left of the log-in.
    let again = service.browser();
    app.as_user(&here).post("/push/subscriptions", again.subscription).await.refused(401, "token_revoked");
}

#[actix_web::test]
async fn a_message_that_waits_is_not_sent_to_a_browser_whose_log_in_has_ended() {
    let (app, service) = (start().await, PushService::start());
    let (user, blocker) = (app.customer().await, app.partners_online(4).await);
    let (here, refresh) = logged_in(&app, &user).await;
    app.subscribe(&here, &service).await;
    for user in &blocker {
        app.subscribe(user, &service).await;
    }
    app.acquaint(&service).await;
    service.hold();
    for user in &blocker {
        app.tell(user).await;
    }
    service.take(4).await;
    app.tell(&user).await;
    let admin = app.admin().await;
    app.until_pushes(&admin, "queued", 5).await;
    app.as_nobody().post("/auth/logout", json!({"refresh": refresh})).await.expect(204);
    service.open();
    app.until_pushed("gone", 1).await;
    app.until_pushed("sent", 1 + 4).await;
    assert!(service.so_far().await.is_empty());
}

#[actix_web::test]
async fn registering_again_is_registering_once_and_another_user_takes_the_browser_over() {
    let (app, service) = (start().await, PushService::start());
    let (first, second) = (app.customer().await, app.customer().await);
    let browser = service.browser();
    let register = async |user: &TestUser| -> Value {
        app.as_user(user).post("/push/subscriptions", browser.subscription.clone()).await.expect(201)
    };
    let (one, again) = (register(&first).await, register(&first).await);
    assert_eq!((&one["id"], &one["created_at"]), (&again["id"], &again["created_at"]));
    only_to(&app, &first, &browser.name, &service).await;
    assert_ne!(register(&second).await["id"], one["id"]);
    // Nothing of the first user's reaches it from here on.
    app.tell(&first).await;
    app.tell(&second).await;
    let second_inbox = app.inbox(&second).await;
    assert_eq!(service.next().await.id(), second_inbox[0]);

    // Taking away is for the owner, and twice is once.
    assert_eq!(app.unsubscribe(&first, &browser.endpoint).await, 204);
    only_to(&app, &second, &browser.name, &service).await;
    for _ in 0..2 {
        assert_eq!(app.unsubscribe(&second, &browser.endpoint).await, 204);
    }
    app.tell(&second).await;
    let other = app.subscribe(&first, &service).await;
    only_to(&app, &first, &other.name, &service).await;
}

#[actix_web::test]
async fn one_that_goes_with_no_log_in_of_ours_ends_after_thirty_days() {
    let (app, service) = (start().await, PushService::start());
    let user = app.customer().await;
    let answer =
        app.as_user(&user).post("/push/subscriptions", service.browser().subscription).await.expect(201);
    let ends: Timestamp = serde_json::from_value(answer["expires_at"].clone()).expect("a time");
    let days = ends.since(Timestamp::now()).as_secs().div_ceil(24 * 3600);
    assert_eq!(days, 30, "{answer}");
    let (here, _) = logged_in(&app, &user).await;
    let answer =
        app.as_user(&here).post("/push/subscriptions", service.browser().subscription).await.expect(201);
    assert!(answer["expires_at"].is_null(), "{answer}");
    // What the push service says holds as well.
    let mut soon = service.browser().subscription;
    soon["expirationTime"] = json!(Timestamp::now().as_millis() + 60_000);
    let answer = app.as_user(&here).post("/push/subscriptions", soon).await.expect(201);
    assert!(answer["expires_at"].is_string(), "{answer}");
}

#[actix_web::test]
async fn of_twenty_one_the_one_that_was_registered_the_longest_ago_gives_way() {
    let (app, service) = (start().await, PushService::start());
    let user = app.customer().await;
    let mut names = Vec::new();
    for _ in 0..21 {
        names.push(app.subscribe(&user, &service).await.name);
    }
    app.tell(&user).await;
    let mut reached: Vec<String> =
        service.take(20).await.into_iter().map(|message| message.browser).collect();
    reached.sort();
    let mut expected = names.split_off(1);
    expected.sort();
    assert_eq!(reached, expected);
}

#[actix_web::test]
async fn what_is_no_subscription_is_refused_field_by_field() {
    let (app, service) = (TestApp::start().await, PushService::start());
    let user = app.customer().await;
    let good = json!({
        "endpoint": "https://push.example/abc", "expirationTime": null,
        "keys": service.browser().subscription["keys"],
    });
    app.as_user(&user).post("/push/subscriptions", good.clone()).await.expect(201);
    let cases = [
        ("/endpoint", json!("push"), "endpoint", "invalid"),
        ("/endpoint", json!("http://push.example/abc"), "endpoint", "invalid"),
        ("/endpoint", json!("https://user@push.example/abc"), "endpoint", "invalid"),
        ("/endpoint", json!("https://push.example:8443/abc"), "endpoint", "not_accepted"),
        ("/endpoint", json!("https://127.0.0.1/abc"), "endpoint", "not_accepted"),
        ("/endpoint", json!("https://0.0.0.0/abc"), "endpoint", "not_accepted"),
        // Other ways to write the same address.
        ("/endpoint", json!("https://0x7f000001/abc"), "endpoint", "not_accepted"),
        ("/endpoint", json!("https://2130706433/abc"), "endpoint", "not_accepted"),
        ("/endpoint", json!("https://10.1/abc"), "endpoint", "not_accepted"),
        ("/endpoint", json!("https://[::1]/abc"), "endpoint", "not_accepted"),
        ("/endpoint", json!("https://[::ffff:10.0.0.1]/abc"), "endpoint", "not_accepted"),
        ("/endpoint", json!("https://169.254.169.254/latest/meta-data"), "endpoint", "not_accepted"),
        ("/endpoint", json!(format!("https://push.example/{}", "x".repeat(2000))), "endpoint", "too_long"),
        ("/expirationTime", json!(-1), "expirationTime", "out_of_range"),
        ("/keys/auth", json!("AAAA"), "keys.auth", "invalid"),
        ("/keys/auth", json!("!"), "keys.auth", "invalid"),
        ("/keys/p256dh", json!("AAAA"), "keys.p256dh", "invalid"),
        // 65 bytes that are no point of the curve.
        ("/keys/p256dh", json!(format!("BA{}", "A".repeat(85))), "keys.p256dh", "invalid"),
    ];
    for (at, value, field, code) in cases {
        let mut body = good.clone();
        *body.pointer_mut(at).expect("a field") = value.clone();
        let refusal =
            app.as_user(&user).post("/push/subscriptions", body).await.refused(422, "invalid_fields");
        let error = &refusal["errors"][0];
        assert_eq!((error["field"].as_str(), error["code"].as_str()), (Some(field), Some(code)), "{value}");
    }
}

#[actix_web::test]
async fn a_name_that_means_a_private_address_is_refused_when_it_is_sent_to() {
    let app = TestApp::start_with(&[("WAYBILL_PUSH_DELAY_MS", "0")]).await;
    let (user, admin) = (app.customer().await, app.admin().await);
    let body = json!({
        "endpoint": "https://localhost/secret-path", "keys": PushService::start().browser().subscription["keys"],
    });
    app.as_user(&user).post("/push/subscriptions", body).await.expect(201);
    app.tell(&user).await;
    let dead = app.until_pushes(&admin, "dead", 1).await;
    assert_eq!(
        (&dead[0]["error"], &dead[0]["attempts"], &dead[0]["host"]),
        (&json!("the push service is not on the internet"), &json!(1), &json!("localhost"))
    );
    assert!(!dead[0].to_string().contains("secret-path"), "the endpoint is nobody's business");
    let id = &app.inbox(&user).await[0];
    let delivery = app.push_delivery(&admin, id).await.expect("it was tried");
    assert_eq!((&delivery["state"], &delivery["error"]), (&json!("failed"), &dead[0]["error"]));
}
