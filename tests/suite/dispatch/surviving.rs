//! A server dies with deadlines in hand: it has put them off and done nothing. Whoever comes after it does them, once.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use waybill::domain::time::Timestamp;
use waybill::store::deadlines::take_due;
use waybill::store::marks::{self, Mark};
use waybill::store::{dispatch, positions, tracks};

use super::offered;
use crate::faults::stage::direct;
use crate::support::steps::text;
use crate::support::{TestApp, TestUser};

/// Takes what is due within so many seconds in hand, as the server itself would, and dies. Gives a server in its place.
async fn dies_with_in_hand(
    app: TestApp,
    kind: &'static str,
    secs: u64,
    settings: &[(&str, &str)],
) -> TestApp {
    let taken = app.inner().write(move |tx| {
        let soon = tx.now().after(Duration::from_secs(secs));
        Ok(take_due(tx.conn(), soon, 100)?)
    });
    let taken = taken.await.expect("they are taken");
    assert!(taken.iter().any(|deadline| deadline.kind.as_str() == kind), "{taken:?}");
    let database = app.crash();
    TestApp::start_on(database, settings).await
}

#[actix_web::test]
async fn an_order_fails_in_time_although_the_server_died_that_was_about_to_do_it() {
    let settings = [("WAYBILL_NO_PARTNER_SECS", "4"), ("WAYBILL_DISPATCH_AGAIN_MS", "60000")];
    let app = TestApp::start_with(&settings).await;
    let customer = app.customer().await;
    let order = app.order(&customer).await;
    let app = dies_with_in_hand(app, "no_partner", 4, &settings).await;
    assert_eq!(app.status(&customer, &order).await, "confirmed");
    app.until_status(&customer, &order, "failed").await;
    let letters = app.as_user(&customer).get("/notifications?type=order_failed").await.expect(200);
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn partners_are_looked_for_although_the_server_died_that_was_about_to_do_it() {
    let settings = [("WAYBILL_DISPATCH_AGAIN_MS", "4000")];
    let app = TestApp::start_with(&settings).await;
    let (customer, partner) = (app.customer().await, app.partner().await);
    let order = app.order(&customer).await;
    app.until("nobody is there", || async { !app.audit(&order).await.is_empty() }).await;
    let app = dies_with_in_hand(app, "dispatch", 4, &settings).await;
    app.as_user(&partner).put("/partner/availability", json!({"online": true})).await.expect(200);
    app.stand(&partner, 100.0).await;
    let mut work = app.at_work(&partner).await;
    let offer = offered(&mut work, &order).await;
    app.answer(&partner, &offer, "accept").await.expect(200);
}

#[actix_web::test]
async fn a_server_that_starts_knows_who_is_near_though_nobody_has_said_so_since() {
    let settings = [("WAYBILL_TRAIL_FLUSH_SECS", "1")];
    let app = TestApp::start_with(&settings).await;
    // Not so far that who comes nearer a second later would have flown.
    let (customer, far, near) =
        (app.customer().await, app.partner_at(120.0).await, app.partner_at(100.0).await);
    app.until("it is written", || async { written(&app).await == 2 }).await;
    let app = TestApp::start_on(app.crash(), &settings).await;
    let mut work = app.at_work(&near).await;
    let order = app.order(&customer).await;
    offered(&mut work, &order).await;
    app.step(&customer, &order, "cancelled").await;
    // And what was not written yet is, when it stops.
    app.stand(&far, 50.0).await;
    let (database, stopped) = app.stop().await;
    stopped.expect("it stops in order");
    let app = TestApp::start_on(database, &settings).await;
    let mut work = app.at_work(&far).await;
    let order = app.order(&customer).await;
    offered(&mut work, &order).await;
}

#[actix_web::test]
async fn after_a_long_absence_it_is_looked_no_farther_before_anybody_can_have_said_where_they_are() {
    let settings = [("WAYBILL_DISPATCH_AGAIN_MS", "100"), ("WAYBILL_DISPATCH_RADIUS_METRES", "1000")];
    let app = TestApp::start_with(&settings).await;
    let (customer, partner) = (app.customer().await, app.partner().await);
    app.as_user(&partner).put("/partner/availability", json!({"online": true})).await.expect(200);
    let app = TestApp::start_on(app.crash(), &settings).await;
    let order = app.order(&customer).await;
    let looked = app.inner().metrics().deadlines.with_label_values(&["dispatch", "done"]);
    app.until("it was looked some times", || async { looked.get() > 5 }).await;
    let looks = app.audit(&order).await;
    assert_eq!((looks.len(), &looks[0]["radius"]), (1, &json!(1_000)));
    app.stand(&partner, 900.0).await;
    let mut work = app.at_work(&partner).await;
    offered(&mut work, &order).await;
}

/// How many partners without an order the database knows the place of.
async fn written(app: &TestApp) -> usize {
    let seen = app.inner().read(|conn| Ok(positions::seen_since(conn, Timestamp::from_millis(0))?));
    seen.await.expect("it is read").len()
}

#[actix_web::test]
async fn where_somebody_is_who_has_just_gone_offline_is_forgotten_though_it_was_written_at_that_moment() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "1")]).await;
    let (one, other) = (app.partner().await, app.partner().await);
    for partner in [&one, &other] {
        app.as_user(partner).put("/partner/availability", json!({"online": true})).await.expect(200);
        app.stand(partner, 100.0).await;
    }
    app.until("both are written down", || async { written(&app).await == 2 }).await;
    // As if the position had been written after the one that going offline removes.
    app.as_user(&one).put("/partner/availability", json!({"online": false})).await.expect(200);
    assert_eq!(written(&app).await, 1);
    let again = "INSERT INTO partner_positions (partner_id, at, latitude, longitude) \
                 SELECT id, (SELECT MAX(at) FROM partner_positions), 1, 1 FROM partners WHERE NOT online; \
                 UPDATE deadlines SET due_at = 0 WHERE kind = 'purge'";
    direct(app.database()).batch_execute(again).expect("it is changed");
    app.until("it is forgotten", || async { written(&app).await == 1 }).await;
}

#[actix_web::test]
async fn an_order_is_completed_and_its_chat_closed_although_each_time_the_server_died_that_was_about_to_do_it()
 {
    let settings = [("WAYBILL_COMPLETE_AFTER_SECS", "4"), ("WAYBILL_CHAT_AFTER_END_SECS", "4")];
    let app = TestApp::start_with(&settings).await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.carry_to(&partner, &order, "delivered").await;
    let app = dies_with_in_hand(app, "complete", 4, &settings).await;
    assert_eq!(app.status(&customer, &order).await, "delivered");
    app.until_status(&customer, &order, "completed").await;
    let timeline = app.as_user(&customer).get(&format!("/orders/{order}/timeline")).await.expect(200);
    let last = timeline["items"].as_array().and_then(|steps| steps.last()).expect("a step");
    assert_eq!((&last["to"], &last["by"]), (&json!("completed"), &json!("system")));

    let app = dies_with_in_hand(app, "chat_closing", 4, &settings).await;
    let mut screen = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    screen.expect("order_status").await;
    let before = Timestamp::now();
    let closed = screen.expect("chat_closed").await;
    assert_eq!(closed["order_id"], json!(order));
    let at: Timestamp = serde_json::from_value(closed["at"].clone()).expect("a time");
    assert!(at.since(before) < Duration::from_secs(25), "as soon as it comes up again");
    assert!(!screen.so_far().await.iter().any(|frame| frame["type"] == "chat_closed"));
}

#[actix_web::test]
async fn what_is_removed_with_time_is_of_orders_that_have_ended() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "1")]).await;
    let customer = app.customer().await;
    let mut orders = Vec::new();
    // One that will have ended, one under way, and one that is offered.
    for is_to_end in [true, false] {
        let partner = app.partner_at(100.0).await;
        let mut work = app.at_work(&partner).await;
        let order = app.order(&customer).await;
        let offer = offered(&mut work, &order).await;
        app.answer(&partner, &offer, "accept").await.expect(200);
        app.step(&partner, &order, "en_route").await;
        app.stand(&partner, 3_000.0).await;
        app.until("the trail is written", || async { measured(&app, &partner, &order).await == 1 }).await;
        set_mark(&app, &order).await;
        if is_to_end {
            for status in ["arrived", "picked_up", "in_transit", "delivered"] {
                app.step(&partner, &order, status).await;
            }
            app.step(&customer, &order, "completed").await;
            app.as_user(&partner).put("/partner/availability", json!({"online": false})).await.expect(200);
        }
        orders.push((partner, order));
    }
    // Nearer than the one under way, who may have more than one order.
    let other = app.partner_at(50.0).await;
    let mut idle = app.at_work(&other).await;
    let open = app.order(&customer).await;
    let offer = offered(&mut idle, &open).await;
    // As if all had been placed long ago.
    let purged = app.inner().write(|tx| {
        let later = tx.now().after(Duration::from_secs(3600));
        Ok((tracks::purge(tx.conn(), later, 1_000)?, dispatch::purge(tx.conn(), later, 1_000)?))
    });
    let (trails, rows) = purged.await.expect("they are removed");
    assert!(trails == 1 && rows >= 2, "one trail, a look at least, and its offer: {trails}, {rows}");
    for ((partner, order), is_left) in orders.iter().zip([false, true]) {
        assert_eq!(measured(&app, partner, order).await == 1, is_left);
        assert_eq!(!app.audit(order).await.is_empty(), is_left);
        assert_eq!(set_mark(&app, order).await, !is_left, "a mark that is there is not set again");
    }
    app.answer(&other, &offer, "accept").await.expect(200);
    assert!(!app.audit(&open).await.is_empty());
}

/// How many positions the trail of an order has.
async fn measured(app: &TestApp, partner: &TestUser, order: &str) -> Value {
    let track = app.as_user(partner).get(&format!("/orders/{order}/track")).await.expect(200);
    track["properties"]["measured"].clone()
}

/// Notes that the customer of an order knows that its partner is near; whether that is news.
async fn set_mark(app: &TestApp, order: &str) -> bool {
    let order_id = order.parse().expect("an id");
    let marked = app.inner().write(move |tx| {
        let now = tx.now();
        Ok(marks::set(tx.conn(), order_id, Mark::Arriving, now)?)
    });
    marked.await.expect("it is marked").1
}
