//! What was seen on one device is news on none: not pushed, or closed where it was.

use serde_json::json;
use waybill::domain::ids::OrderId;
use waybill::domain::notification::{CancelledBy, Name, NotificationContent};
use waybill::services::notifications;
use waybill::store::notifications as rows;

use super::service::{PushService, Received, Reply};
use super::{settings, start};
use crate::dispatch::offered;
use crate::support::TestApp;
use crate::support::steps::text;

/// Long enough for a test to do something before a push is due.
const DELAY: &str = "1500";

#[actix_web::test]
async fn what_is_read_before_it_is_due_is_not_pushed() {
    let (app, service) = (TestApp::start_with(&settings(DELAY)).await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    app.tell(&customer).await;
    let id = app.inbox(&customer).await.remove(0);
    app.read(&customer, &id).await;
    app.until_pushed("not_needed", 1).await;
    assert!(service.so_far().await.is_empty());
    assert_eq!(app.push_delivery(&admin, &id).await, None, "it has not taken this channel");
}

#[actix_web::test]
async fn what_a_device_with_an_open_socket_has_shown_is_not_pushed_and_what_it_has_not_is() {
    let (app, service) = (TestApp::start_with(&settings(DELAY)).await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    let mut screen = app.connect(&customer, "/ws/notifications/").await;
    app.tell(&customer).await;
    let shown = screen.expect("notification").await;
    screen.send(json!({"type": "ack", "ids": [shown["id"]]})).await;
    app.tell(&customer).await;
    let missed = screen.expect("notification").await;
    let pushed = service.next().await;
    assert_eq!(pushed.payload["id"], missed["notification"]["id"]);
    assert_eq!(app.pushed("not_needed").await, 1);
}

#[actix_web::test]
async fn what_is_read_after_it_was_pushed_is_closed_on_every_device() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.customer().await;
    for _ in 0..2 {
        app.subscribe(&customer, &service).await;
    }
    app.tell(&customer).await;
    let pushed = service.take(2).await;
    app.notify(customer.id, NotificationContent::OrderDelivered { order_id: OrderId::new() }).await;
    service.take(2).await;
    app.until_pushed("sent", 4).await;
    let id = app.inbox(&customer).await.remove(1);
    app.read(&customer, &id).await;
    let closings = service.take(2).await;
    for closing in &closings {
        assert_eq!(closing.payload, json!({"type": "read", "ids": [id], "unread": 1}));
        let shown =
            pushed.iter().find(|pushed| pushed.browser == closing.browser).expect("it was shown there");
        assert_eq!(closing.header("topic"), shown.header("topic"), "it takes the place of what waits there");
        let ttl = |message: &super::service::Received| message.header("ttl").parse::<u64>().expect("seconds");
        assert!(ttl(closing) + 60 >= ttl(shown), "it is kept for as long as what it closes");
    }
    assert_ne!(closings[0].browser, closings[1].browser);
    // Reading it again says nothing new.
    app.read(&customer, &id).await;
    app.tell(&customer).await;
    assert!(service.take(2).await.iter().all(|message| message.payload["type"] == "order_confirmed"));
}

#[actix_web::test]
async fn everything_read_at_once_is_closed_by_one_push() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    for _ in 0..3 {
        app.tell(&customer).await;
    }
    service.take(3).await;
    app.until_pushed("sent", 3).await;
    app.as_user(&customer).post("/notifications/read_all", json!({})).await.expect(200);
    let closing = service.next().await;
    assert_eq!((&closing.payload["type"], &closing.payload["unread"]), (&json!("read"), &json!(0)));
    assert_eq!(closed_by(&closing), sorted(app.inbox(&customer).await));
    // It would take the place of the one before, whose device is away.
    assert!(!closing.headers.contains_key("topic"));
    assert!(service.so_far().await.is_empty());
}

/// What a closing push closes.
fn closed_by(closing: &Received) -> Vec<String> {
    let ids = closing.payload["ids"].as_array().expect("ids");
    sorted(ids.iter().map(|id| id.as_str().expect("an id").to_owned()).collect())
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[actix_web::test]
async fn what_is_made_while_everything_is_read_stays_shown() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    for _ in 0..2 {
        app.tell(&customer).await;
    }
    service.take(2).await;
    app.until_pushed("sent", 2).await;
    let read = sorted(app.inbox(&customer).await);
    app.as_user(&customer).post("/notifications/read_all", json!({})).await.expect(200);
    app.tell(&customer).await;
    let came = service.take(2).await;
    let closing = came.iter().find(|message| message.payload["type"] == "read").expect("a closing");
    // And no time up to which everything was read: that of an instance whose clock is ahead would be too late.
    assert_eq!(closed_by(closing), read);
    assert_eq!(closing.payload["at"], json!(null));
}

#[actix_web::test]
async fn a_closing_that_waits_does_not_replace_what_came_meanwhile() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    let others = app.partners_online(4).await;
    let order_id = OrderId::new();
    app.notify(customer.id, NotificationContent::OrderConfirmed { order_id }).await;
    let older = service.next().await;
    app.until_pushed("sent", 1).await;
    // The push service is busy with others.
    service.hold();
    for other in &others {
        app.subscribe(other, &service).await;
        app.tell(other).await;
    }
    service.take(4).await;
    app.notify(customer.id, NotificationContent::OrderDelivered { order_id }).await;
    app.until_pushes(&admin, "queued", 4 + 1).await;
    app.read(&customer, older.id()).await;
    // The step that waits, and the closing of the one before.
    app.until_pushes(&admin, "queued", 4 + 2).await;
    service.open();
    let newer = service.next().await;
    assert_eq!(newer.payload["type"], "order_delivered");
    app.until_pushed("overtaken", 1).await;
    app.until_pushed("sent", 1 + 4 + 1).await;
    assert!(
        service.so_far().await.is_empty(),
        "at the push service it would take the place of the newer one"
    );
}

#[actix_web::test]
async fn a_closing_does_not_count_as_news_about_what_still_waits() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    let order_id = OrderId::new();
    app.notify(customer.id, NotificationContent::OrderConfirmed { order_id }).await;
    let older = service.next().await;
    app.until_pushed("sent", 1).await;
    service.answer_next(Reply::status(400));
    app.notify(customer.id, NotificationContent::OrderDelivered { order_id }).await;
    let newer = service.next().await;
    let dead = app.until_pushes(&admin, "dead", 1).await;
    app.read(&customer, older.id()).await;
    let closing = service.next().await;
    assert_eq!(closing.payload["ids"], json!([older.id()]));
    assert!(
        !closing.headers.contains_key("topic"),
        "the newer one may have come there before it was refused"
    );
    app.until_pushed("sent", 2).await;
    let requeue = format!("/admin/pushes/{}/requeue", text(&dead[0], "id"));
    app.as_user(&admin).post(&requeue, json!({})).await.expect(200);
    assert_eq!(service.next().await.id(), newer.id());
}

#[actix_web::test]
async fn of_two_steps_that_are_due_together_the_newer_one_stays() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    let (user_id, order_id) = (customer.id, OrderId::new());
    let told = app.inner().write(move |tx| {
        let partner_name = Name::new("Ada");
        let picked_up = NotificationContent::OrderPickedUp { order_id, partner_name: partner_name.clone() };
        notifications::add(tx, user_id, &picked_up)?;
        notifications::add(tx, user_id, &NotificationContent::OrderArriving { order_id, partner_name })
    });
    told.await.expect("they are stored");
    // The newer one is more urgent, and goes first.
    assert_eq!(service.next().await.payload["type"], "order_arriving");
    app.until_pushed("overtaken", 1).await;
    assert!(service.so_far().await.is_empty());
}

#[actix_web::test]
async fn what_is_read_just_before_it_is_tried_again_is_closed_too() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    // The answer is lost, and the next attempt follows before it is looked what is to be closed.
    service.answer_next(Reply { status: 503, headers: vec![("Retry-After", "1".into())] });
    app.tell(&customer).await;
    let pushed = service.next().await;
    app.until_pushed("again", 1).await;
    let (user_id, id) = (customer.id, pushed.id().parse().expect("an id"));
    // As it is read, but for the look that follows: that is still to come.
    let read = app.inner().write(move |tx| {
        let now = tx.now();
        Ok(rows::mark_read(tx.conn(), user_id, id, now)?)
    });
    assert!(read.await.expect("it is read"));
    app.until_pushed("not_needed", 1).await;
    assert_eq!(service.next().await.payload["ids"], json!([pushed.id()]));
}

#[actix_web::test]
async fn what_a_client_has_got_that_never_acks_is_not_pushed() {
    let (app, service) = (TestApp::start_with(&settings(DELAY)).await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    let mut screen = app.connect(&customer, "/ws/notifications/").await;
    app.tell(&customer).await;
    screen.expect("notification").await;
    // It reads on, and answers pings as any client does.
    screen.so_far().await;
    app.until_pushed("not_needed", 1).await;
    assert!(service.so_far().await.is_empty());
}

#[actix_web::test]
async fn what_was_written_to_a_client_that_may_be_gone_is_pushed() {
    let (app, service) = (TestApp::start_with(&settings(DELAY)).await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    let _asleep = app.connect(&customer, "/ws/notifications/").await;
    app.tell(&customer).await;
    let id = app.inbox(&customer).await.remove(0);
    assert_eq!(service.next().await.id(), id);
}

#[actix_web::test]
async fn a_client_that_says_that_it_acks_is_waited_for() {
    let (app, service) = (TestApp::start_with(&settings(DELAY)).await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    let admin = app.admin().await;
    let mut hidden = app.connect(&customer, "/ws/notifications/").await;
    hidden.send(json!({"type": "ack", "ids": []})).await;
    hidden.so_far().await;
    let user_id = customer.id;
    let told = app.inner().write(move |tx| {
        notifications::add(tx, user_id, &NotificationContent::OrderConfirmed { order_id: OrderId::new() })?;
        notifications::add(tx, user_id, &NotificationContent::OrderDelivered { order_id: OrderId::new() })
    });
    told.await.expect("they are stored");
    for _ in 0..2 {
        hidden.expect("notification").await;
    }
    hidden.so_far().await;
    let pushed = service.take(2).await;
    for message in &pushed {
        let ledger = format!("/admin/deliveries?notification_id={}", message.id());
        let entry = app.as_user(&admin).get(&ledger).await.expect(200);
        assert_eq!(entry["items"][0]["deliveries"][0]["state"], "written", "written all the same: {entry}");
    }
    assert_eq!(
        sorted(pushed.iter().map(|message| message.id().to_owned()).collect()),
        sorted(app.inbox(&customer).await)
    );
}

#[actix_web::test]
async fn what_is_read_while_it_is_on_its_way_is_closed_once_it_has_arrived() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    service.hold();
    app.tell(&customer).await;
    let pushed = service.next().await;
    app.read(&customer, pushed.id()).await;
    service.open();
    assert_eq!(service.next().await.payload["ids"], json!([pushed.id()]));
}

#[actix_web::test]
async fn what_may_have_arrived_before_it_failed_is_closed_too() {
    let (app, service) = (start().await, PushService::start());
    let (customer, admin) = (app.with_browser(app.customer().await, &service).await, app.admin().await);
    let slowly = Reply { status: 503, headers: vec![("Retry-After", "2".into())] };
    service.answer_next(slowly);
    app.tell(&customer).await;
    let pushed = service.next().await;
    app.until_pushed("again", 1).await;
    app.read(&customer, pushed.id()).await;
    let closing = service.next().await;
    assert_eq!(closing.payload["ids"], json!([pushed.id()]));
    app.until_pushed("sent", 1).await;
    assert_eq!(app.pushes(&admin, "closed").await.len(), 1);
}

#[actix_web::test]
async fn two_that_are_read_one_after_the_other_are_both_closed() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    for _ in 0..10 {
        app.tell(&customer).await;
    }
    service.take(10).await;
    app.until_pushed("sent", 10).await;
    let mut ids = app.inbox(&customer).await;
    for id in &ids {
        app.read(&customer, id).await;
    }
    let mut closed = Vec::new();
    while closed.len() < ids.len() {
        let payload = service.next().await.payload;
        assert_eq!(payload["type"], "read", "{payload}");
        closed.extend(
            payload["ids"].as_array().expect("ids").iter().map(|id| id.as_str().expect("an id").to_owned()),
        );
    }
    closed.sort();
    ids.sort();
    assert_eq!(closed, ids);
}

#[actix_web::test]
async fn an_older_step_of_an_order_is_not_closed_once_a_newer_one_has_taken_its_place() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    let order_id = OrderId::new();
    app.notify(customer.id, NotificationContent::OrderConfirmed { order_id }).await;
    let older = service.next().await;
    app.until_pushed("sent", 1).await;
    app.notify(customer.id, NotificationContent::OrderDelivered { order_id }).await;
    let newer = service.next().await;
    assert_eq!(older.header("topic"), newer.header("topic"));
    app.until_pushed("sent", 2).await;
    // A closing of the older one would take the newer one from a device that is away.
    app.read(&customer, older.id()).await;
    app.read(&customer, newer.id()).await;
    assert_eq!(service.next().await.payload["ids"], json!([newer.id()]));
    assert!(service.so_far().await.is_empty());
}

#[actix_web::test]
async fn what_was_shown_is_closed_also_where_a_newer_one_about_the_same_was_given_up() {
    let settings = [settings("0"), vec![("WAYBILL_PUSH_ATTEMPTS", "2")]].concat();
    let (app, service) = (TestApp::start_with(&settings).await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    let order_id = OrderId::new();
    app.notify(customer.id, NotificationContent::OrderConfirmed { order_id }).await;
    let older = service.next().await;
    app.until_pushed("sent", 1).await;
    service.answer_always(Reply::status(503));
    app.notify(customer.id, NotificationContent::OrderDelivered { order_id }).await;
    let newer = service.take(2).await.remove(0);
    app.until_pushes(&admin, "dead", 1).await;
    service.answer_always(Reply::status(201));
    app.read(&customer, newer.id()).await;
    let closing = service.next().await;
    assert_eq!(closing.payload["ids"], json!([newer.id()]));
    // It would take the place of the older one, whose device may be away.
    assert!(!closing.headers.contains_key("topic"));
    app.read(&customer, older.id()).await;
    assert_eq!(service.next().await.payload["ids"], json!([older.id()]));
}

#[actix_web::test]
async fn an_older_step_is_no_news_once_a_newer_one_was_read_that_may_have_been_shown() {
    let (app, service) = (start().await, PushService::start());
    let customer = app.with_browser(app.customer().await, &service).await;
    app.acquaint(&service).await;
    let order_id = OrderId::new();
    let pause = || Reply { status: 503, headers: vec![("Retry-After", "2".into())] };
    service.answer_next(pause());
    app.notify(customer.id, NotificationContent::OrderConfirmed { order_id }).await;
    let older = service.next().await;
    app.until_pushed("again", 1).await;
    // The more urgent one goes first once the pause is over, and nobody can tell whether it arrives.
    service.answer_next(pause());
    app.notify(
        customer.id,
        NotificationContent::OrderCancelled { order_id, by: CancelledBy::Admin, reason: None, fee: None },
    )
    .await;
    let newer = service.next().await;
    assert_ne!(newer.id(), older.id());
    app.until_pushed("again", 2).await;
    app.read(&customer, newer.id()).await;
    let closing = service.next().await;
    assert_eq!(closing.payload["ids"], json!([newer.id()]));
    app.until_pushed("overtaken", 1).await;
    assert!(service.so_far().await.is_empty());
}

#[actix_web::test]
async fn what_an_admin_has_put_back_may_be_shown_and_is_closed_whatever_becomes_of_it() {
    let settings = [settings("0"), vec![("WAYBILL_PUSH_ATTEMPTS", "2")]].concat();
    let (app, service) = (TestApp::start_with(&settings).await, PushService::start());
    let admin = app.admin().await;
    let customer = app.with_browser(app.customer().await, &service).await;
    service.answer_always(Reply::status(503));
    app.tell(&customer).await;
    let shown = service.take(2).await.remove(0);
    let dead = app.until_pushes(&admin, "dead", 1).await;
    service.answer_always(Reply::status(403));
    let requeue = format!("/admin/pushes/{}/requeue", text(&dead[0], "id"));
    app.as_user(&admin).post(&requeue, json!({})).await.expect(200);
    service.next().await;
    let dead = app.until_pushes(&admin, "dead", 1).await;
    assert_eq!(dead[0]["attempts"], 1);
    service.answer_always(Reply::status(201));
    app.read(&customer, shown.id()).await;
    assert_eq!(service.next().await.payload["ids"], json!([shown.id()]));
}

#[actix_web::test]
async fn an_offer_that_was_declined_is_not_pushed_any_more() {
    let (app, service) = (TestApp::start_with(&settings(DELAY)).await, PushService::start());
    let (customer, partner) = (app.customer().await, app.partner_at(100.0).await);
    let partner = app.with_browser(partner, &service).await;
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    app.answer(&partner, &offer, "decline").await.expect(200);
    app.until_pushed("not_needed", 1).await;
    assert!(service.so_far().await.is_empty());
}

#[actix_web::test]
async fn an_offer_that_was_pushed_is_closed_when_it_is_over_although_nobody_has_read_it() {
    let (app, service) = (start().await, PushService::start());
    let (customer, partner) = (app.customer().await, app.partner_at(100.0).await);
    let partner = app.with_browser(partner, &service).await;
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    let pushed = service.next().await;
    assert_eq!((&pushed.payload["type"], pushed.header("urgency")), (&json!("assignment_offered"), "high"));
    let ttl: u64 = pushed.header("ttl").parse().expect("seconds");
    assert!(ttl <= 30, "no longer than the offer: {ttl}");
    app.until_pushed("sent", 1).await;
    app.answer(&partner, &offer, "accept").await.expect(200);
    let closing = service.next().await;
    assert_eq!(closing.payload, json!({"type": "read", "ids": [pushed.id()], "unread": 1}));
}

#[actix_web::test]
async fn an_offer_that_ends_while_its_push_waits_is_not_sent() {
    let (app, service) = (start().await, PushService::start());
    let admin = app.admin().await;
    let (customer, partner) = (app.customer().await, app.partner_at(100.0).await);
    let partner = app.with_browser(partner, &service).await;
    let others = app.partners_online(4).await;
    app.acquaint(&service).await;
    service.hold();
    for other in &others {
        app.subscribe(other, &service).await;
        app.tell(other).await;
    }
    service.take(4).await;
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    app.until_pushes(&admin, "queued", 5).await;
    app.answer(&partner, &offer, "decline").await.expect(200);
    service.open();
    app.until_pushed("not_needed", 1).await;
    app.until_pushed("sent", 1 + 4).await;
    assert!(service.so_far().await.is_empty());
    let dropped = app.pushes(&admin, "dropped").await;
    assert_eq!(text(&dropped[0], "user_id"), partner.id.to_string());
}
