//! The queue: in which order what waits is sent, and what a crash leaves behind.

use serde_json::json;
use waybill::domain::ids::OrderId;
use waybill::domain::money::{Currency, Money};
use waybill::domain::notification::NotificationContent;

use super::service::PushService;
use super::{settings, start};
use crate::support::TestApp;

#[actix_web::test]
async fn the_most_urgent_goes_first_whatever_waits_the_longest() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let users = app.partners_online(7).await;
    for user in &users {
        app.subscribe(user, &service).await;
    }
    // The push service is busy with four.
    app.acquaint(&service).await;
    service.hold();
    for user in &users[..4] {
        app.tell(user).await;
    }
    service.take(4).await;
    // To all seven, and the one whom the push service is known by.
    let words = json!({"title": "Closed tomorrow", "text": "We are back the day after."});
    app.as_user(&admin).post("/admin/announcements", words).await.expect(201);
    app.until_pushes(&admin, "queued", 4 + 8).await;
    app.tell(&users[4]).await;
    app.until_pushes(&admin, "queued", 4 + 8 + 1).await;
    let order_id = OrderId::new();
    let amount = Money { amount: 500, currency: Currency::DEFAULT };
    app.notify(users[5].id, NotificationContent::AssignmentGiven { order_id, earnings: amount }).await;
    app.until_pushes(&admin, "queued", 4 + 8 + 2).await;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        service.release(1);
        kinds.push(service.next().await.payload["type"].clone());
    }
    assert_eq!(kinds, ["assignment_given", "order_confirmed", "announcement"]);
    service.open();
    service.take(7).await;
    app.until_pushed("sent", 1 + 4 + 8 + 2).await;
}

#[actix_web::test]
async fn guarantee_1_a_push_that_was_committed_goes_out_although_the_server_dies_at_once() {
    let service = PushService::start();
    let app = TestApp::start_with(&settings("1500")).await;
    let customer = app.with_browser(app.customer().await, &service).await;
    app.tell(&customer).await;
    let id = app.inbox(&customer).await.remove(0);
    let database = app.crash();
    assert!(service.so_far().await.is_empty(), "it was not due");
    let _app = TestApp::start_on(database, &settings("0")).await;
    assert_eq!(service.next().await.id(), id);
}

#[actix_web::test]
async fn what_a_server_had_in_its_hands_when_it_died_is_sent_by_the_next() {
    let service = PushService::start();
    let app = start().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    service.hold();
    app.tell(&customer).await;
    let first = service.next().await;
    let database = app.crash();
    service.open();
    let app = TestApp::start_on(database, &settings("0")).await;
    // Not before the lease of the dead one has run out. Whether it had arrived nobody can tell: it has the same id.
    let again = service.next().await;
    assert_eq!(again.payload, first.payload);
    let admin = app.admin().await;
    let sent = app.until_pushes(&admin, "sent", 1).await;
    assert_eq!(sent[0]["attempts"], 2, "the attempt that nobody has written down counts");
}

#[actix_web::test]
async fn a_server_that_stops_waits_for_what_is_on_its_way() {
    let service = PushService::start();
    let mut app = start().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    service.hold();
    app.tell(&customer).await;
    let sent = service.next().await;
    let stopped = app.tell_to_stop();
    service.open();
    stopped.await.expect("it stops").expect("in time");
    let app = TestApp::start_on(app.crash(), &settings("0")).await;
    let admin = app.admin().await;
    let found = app.pushes(&admin, "sent").await;
    assert_eq!(found[0]["notification_id"], sent.payload["id"]);
    assert!(service.so_far().await.is_empty(), "it is not sent a second time");
}
