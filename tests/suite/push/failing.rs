//! Push services that fail, refuse or hang, and browsers that are gone.

use std::time::Duration;

use serde_json::json;
use waybill::domain::ids::OrderId;
use waybill::domain::notification::NotificationContent;

use super::service::{PushService, Reply};
use super::{settings, start};
use crate::support::TestApp;
use crate::support::steps::text;

#[actix_web::test]
async fn a_browser_that_its_push_service_does_not_know_any_more_is_forgotten() {
    for status in [404, 410] {
        let (app, service) = (start().await, PushService::start());
        let (customer, admin) = (app.customer().await, app.admin().await);
        let gone = app.subscribe(&customer, &service).await;
        service.answer_next(Reply::status(status));
        app.tell(&customer).await;
        assert_eq!(service.next().await.browser, gone.name);
        app.until_pushed("gone", 1).await;
        let id = app.inbox(&customer).await.remove(0);
        let delivery = app.push_delivery(&admin, &id).await.expect("it was tried");
        assert_eq!(
            (&delivery["state"], &delivery["error"]),
            (&json!("failed"), &json!("the browser's subscription has ended"))
        );
        let other = app.subscribe(&customer, &service).await;
        app.tell(&customer).await;
        assert_eq!(service.next().await.browser, other.name);
    }
}

#[actix_web::test]
async fn a_push_service_that_asks_for_a_pause_is_given_it() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    let other = app.with_browser(app.customer().await, &service).await;
    service.answer_next(Reply { status: 429, headers: vec![("Retry-After", "2".into())] });
    app.tell(&customer).await;
    let first = service.next().await;
    app.until_pushed("again", 1).await;
    // Whatever else is for it waits as well.
    app.tell(&other).await;
    for message in service.take(2).await {
        let pause = message.at.duration_since(first.at);
        assert!(pause >= Duration::from_secs(2), "{pause:?}");
    }
    app.until_pushed("sent", 2).await;
    assert_eq!(app.pushed("again").await, 1);
}

#[actix_web::test]
async fn a_push_service_that_fails_is_tried_again_with_one_message_and_then_with_all() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    service.answer_next(Reply::status(503));
    service.answer_next(Reply::status(500));
    app.tell(&customer).await;
    let attempts = service.take(3).await;
    assert!(attempts.iter().all(|attempt| attempt.id() == attempts[0].id()));
    let sent = app.until_pushes(&admin, "sent", 1).await;
    assert_eq!((&sent[0]["attempts"], &sent[0]["error"]), (&json!(3), &json!(null)));
}

#[actix_web::test]
async fn a_push_service_that_hangs_keeps_no_other_waiting() {
    let (app, stuck, sound) = (start().await, PushService::start(), PushService::start());
    let users = app.partners_online(12).await;
    for service in [&stuck, &sound] {
        app.acquaint(service).await;
    }
    stuck.hold();
    for user in &users {
        app.subscribe(user, &stuck).await;
        app.tell(user).await;
    }
    // As many as one gets at once are on their way there, and the others wait.
    stuck.take(4).await;
    let customer = app.with_browser(app.customer().await, &sound).await;
    for _ in 0..5 {
        app.tell(&customer).await;
    }
    sound.take(5).await;
    app.until_pushed("sent", 2 + 5).await;
    assert_eq!(app.pushed("again").await, 0, "nothing was given up to get there");
    assert!(stuck.so_far().await.is_empty(), "and no more than four were on their way");
}

#[actix_web::test]
async fn a_user_with_a_browser_at_a_push_service_that_hangs_gets_it_on_the_other() {
    let (app, stuck, sound) = (start().await, PushService::start(), PushService::start());
    let customer = app.with_browser(app.customer().await, &stuck).await;
    let browser = app.subscribe(&customer, &sound).await;
    stuck.hold();
    for _ in 0..3 {
        app.tell(&customer).await;
    }
    assert!(sound.take(3).await.iter().all(|message| message.browser == browser.name));
    assert_eq!(app.pushed("again").await, 0);
    // There one after the other.
    assert_eq!(stuck.so_far().await.len(), 1);
}

#[actix_web::test]
async fn what_is_refused_is_kept_for_an_admin_who_can_put_it_back() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    service.answer_next(Reply::status(400));
    app.tell(&customer).await;
    let refused = service.next().await;
    let dead = app.until_pushes(&admin, "dead", 1).await;
    assert_eq!(dead[0]["error"], "the push service answers 400");
    let delivery = app.push_delivery(&admin, refused.id()).await.expect("it was tried");
    assert_eq!((&delivery["state"], &delivery["error"]), (&json!("failed"), &dead[0]["error"]));

    let requeue = format!("/admin/pushes/{}/requeue", text(&dead[0], "id"));
    app.as_user(&customer).post(&requeue, json!({})).await.refused(403, "role_not_allowed");
    let queued = app.as_user(&admin).post(&requeue, json!({})).await.expect(200);
    assert_eq!((&queued["state"], &queued["attempts"]), (&json!("queued"), &json!(0)));
    assert_eq!(service.next().await.id(), refused.id());
    app.until_pushes(&admin, "sent", 1).await;
    let delivery = app.push_delivery(&admin, refused.id()).await.expect("it was sent");
    assert_eq!((&delivery["state"], &delivery["error"]), (&json!("written"), &json!(null)));
    app.as_user(&admin).post(&requeue, json!({})).await.refused(409, "push_not_dead");
    let unknown = format!("/admin/pushes/{}/requeue", OrderId::new());
    app.as_user(&admin).post(&unknown, json!({})).await.refused(404, "not_found");
}

#[actix_web::test]
async fn a_message_that_always_fails_keeps_the_others_waiting_for_no_longer_than_a_try() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let (unlucky, other) = (app.customer().await, app.customer().await);
    let broken = app.subscribe(&unlucky, &service).await;
    app.subscribe(&other, &service).await;
    service.answer_browser(&broken, Reply::status(500));
    app.tell(&unlucky).await;
    assert_eq!(service.next().await.browser, broken.name);
    app.until_pushed("again", 1).await;
    app.tell(&other).await;
    app.until_pushes(&admin, "queued", 2).await;
    // It has waited for less long, and is tried with all the same.
    assert_ne!(service.next().await.browser, broken.name);
    app.until_pushed("sent", 1).await;
}

#[actix_web::test]
async fn an_admin_is_told_what_is_wrong_with_what_was_refused() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    let of_the_key = "it does not accept the key or the contact (WAYBILL_PUSH_CONTACT) of this server";
    let cases = [(401, of_the_key), (403, of_the_key), (413, "the message is too long for it")];
    for (count, (status, words)) in cases.into_iter().enumerate() {
        service.answer_next(Reply::status(status));
        app.tell(&customer).await;
        service.next().await;
        let dead = app.until_pushes(&admin, "dead", count + 1).await;
        assert_eq!(dead[0]["error"], format!("the push service answers {status}: {words}"));
        assert_eq!(dead[0]["attempts"], 1, "it would be refused again");
    }
}

#[actix_web::test]
async fn an_answer_that_does_not_end_is_an_answer() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    // More is promised than comes.
    service.answer_next(Reply { status: 201, headers: vec![("Content-Length", "9".into())] });
    app.tell(&customer).await;
    let first = service.next().await;
    app.until_pushed("sent", 1).await;
    app.tell(&customer).await;
    assert_ne!(service.next().await.id(), first.id(), "it is not sent again");
}

#[actix_web::test]
async fn what_fails_over_and_over_is_given_up_after_the_last_attempt() {
    let settings = [settings("0"), vec![("WAYBILL_PUSH_ATTEMPTS", "2")]].concat();
    let (app, service) = (TestApp::start_with(&settings).await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    service.answer_always(Reply::status(500));
    app.tell(&customer).await;
    let dead = app.until_pushes(&admin, "dead", 1).await;
    assert_eq!(
        (&dead[0]["attempts"], &dead[0]["error"]),
        (&json!(2), &json!("the push service answers 500"))
    );
    assert_eq!(service.so_far().await.len(), 2);
    assert_eq!((app.pushed("again").await, app.pushed("dead").await), (1, 1));
    // It may have been shown all the same.
    service.answer_always(Reply::status(201));
    let id = app.inbox(&customer).await.remove(0);
    app.read(&customer, &id).await;
    assert_eq!(service.next().await.payload, json!({"type": "read", "ids": [id], "unread": 0}));
    app.until_pushes(&admin, "dead", 0).await;
}

#[actix_web::test]
async fn what_is_read_while_it_is_tried_is_closed_and_the_ledger_says_that_nobody_knows() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    service.answer_next(Reply { status: 503, headers: vec![("Retry-After", "1".into())] });
    app.tell(&customer).await;
    service.next().await;
    app.until_pushed("again", 1).await;
    let id = app.inbox(&customer).await.remove(0);
    app.read(&customer, &id).await;
    assert_eq!(service.next().await.payload["type"], "read");
    let delivery = app.push_delivery(&admin, &id).await.expect("it has taken this channel");
    assert_eq!(delivery["error"], "it was read before it was known to have been sent");
    assert_eq!(delivery["written_at"], json!(null));
}

#[actix_web::test]
async fn what_cannot_be_read_is_removed_in_the_end_and_keeps_nothing_waiting() {
    let settings = [settings("1500"), vec![("WAYBILL_PUSH_ATTEMPTS", "2")]].concat();
    let (app, service) = (TestApp::start_with(&settings).await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    // As an instance of another version may leave it, for a time at which nobody looks yet.
    app.tell(&customer).await;
    let row = format!(
        "INSERT INTO push_messages (id, subscription_id, user_id, host, kind, rank, tag, state, created_at, expires_at, due_at, attempts) \
         SELECT '0190b6e4-0000-7000-8000-000000000000', id, user_id, '{}', 'other', 0, 'tag', 'queued', 0, 9000000000000, 0, 0 FROM push_subscriptions",
        service.host()
    );
    app.change(row).await;
    assert_eq!(service.next().await.payload["type"], "order_confirmed");
    let row = "UPDATE push_messages SET rank = 0 WHERE kind = 'other'";
    app.until("it is removed", || async { app.change(row).await == 0 }).await;
    let admin = app.admin().await;
    assert_eq!(app.until_pushes(&admin, "sent", 1).await.len(), 1);
    assert!(app.pushes(&admin, "queued").await.is_empty());
}

#[actix_web::test]
async fn an_older_push_does_not_overtake_a_newer_one_about_the_same() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    let order_id = OrderId::new();
    service.answer_next(Reply::status(400));
    app.notify(customer.id, NotificationContent::OrderConfirmed { order_id }).await;
    service.next().await;
    let dead = app.until_pushes(&admin, "dead", 1).await;
    app.notify(customer.id, NotificationContent::OrderDelivered { order_id }).await;
    assert_eq!(service.next().await.payload["type"], "order_delivered");
    app.until_pushed("sent", 1).await;
    let requeue = format!("/admin/pushes/{}/requeue", text(&dead[0], "id"));
    app.as_user(&admin).post(&requeue, json!({})).await.expect(200);
    app.until_pushed("overtaken", 1).await;
    assert!(service.so_far().await.is_empty());
}

#[actix_web::test]
async fn redirects_are_not_followed() {
    let (app, service, elsewhere) = (start().await, PushService::start(), PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    let location = elsewhere.browser().endpoint;
    service.answer_next(Reply { status: 307, headers: vec![("Location", location)] });
    app.tell(&customer).await;
    let dead = app.until_pushes(&admin, "dead", 1).await;
    assert_eq!(
        dead[0]["error"],
        "the push service answers 307: it names another address, and such are not followed"
    );
    assert_eq!(elsewhere.connections(), 0);
}

#[actix_web::test]
async fn a_push_service_whose_certificate_is_not_good_is_sent_nothing() {
    let settings: Vec<_> = settings("0")
        .into_iter()
        .filter(|(name, _)| *name != "WAYBILL_PUSH_CA")
        .chain([("WAYBILL_PUSH_ATTEMPTS", "1")])
        .collect();
    let (app, service) = (TestApp::start_with(&settings).await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    app.tell(&customer).await;
    let dead = app.until_pushes(&admin, "dead", 1).await;
    assert_eq!(dead[0]["error"], "the push service's certificate is not good");
    assert_eq!(service.connections(), 0);
}
