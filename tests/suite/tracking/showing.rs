//! What watchers see of a partner's position, and until when.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::{PICKUP, Ride, ago, frame, north, point};
use crate::support::TestApp;
use crate::support::steps::text;

fn latitudes(frames: &[Value]) -> Vec<Value> {
    frames.iter().filter(|frame| frame["type"] == "location").map(|frame| frame["latitude"].clone()).collect()
}

#[actix_web::test]
async fn watchers_see_one_position_a_second_and_the_latest_wins() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let place = |step: u32| north(PICKUP, 3_000.0 + f64::from(step));
    for step in 0..50 {
        ride.is_at(place(step)).await;
    }
    let last = json!(place(49).0);
    let frames = ride.map.until_match("the last one", |frame| frame["latitude"] == last).await;
    assert!(latitudes(&frames).len() <= 3, "{frames:?}");
}

#[actix_web::test]
async fn a_position_that_waits_to_be_shown_goes_nowhere_once_the_order_is_delivered() {
    let app = TestApp::start().await;
    // It waits for a second at most: a machine that is slower than that has shown it before, as it should.
    for _ in 0..20 {
        if is_delivered_while_a_position_waits(&app).await {
            return;
        }
    }
    panic!("twenty times this machine was too slow to tell");
}

/// `false` when the position had not to wait for so long.
async fn is_delivered_while_a_position_waits(app: &TestApp) -> bool {
    let mut ride = Ride::begin(app).await;
    // Another order of the same partner's, which goes on: what is shown there would have been shown here before.
    let other = app.order(&ride.customer).await;
    app.assign(&app.admin().await, &other, &ride.partner).await;
    app.step(&ride.partner, &other, "en_route").await;
    let mut beside = Ride::watch(app, ride.customer.clone(), ride.partner.clone(), other).await;
    for status in ["arrived", "picked_up", "in_transit"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    let (first, second) = (north(PICKUP, 3_000.0), north(PICKUP, 3_010.0));
    let begin = Instant::now();
    ride.is_at(first).await;
    for map in [&mut ride.map, &mut beside.map] {
        assert_eq!(map.expect("location").await["latitude"], json!(first.0));
    }
    ride.is_at(second).await;
    app.step(&ride.partner, &ride.order, "delivered").await;
    let is_in_time = begin.elapsed() < Duration::from_millis(900);
    assert_eq!(beside.map.expect("location").await["latitude"], json!(second.0));
    let before = ride.map.until_match("delivered", |frame| frame["update"]["status"] == "delivered").await;
    assert!(!is_in_time || latitudes(&before).is_empty(), "it was told too early: {before:?}");
    assert_eq!(latitudes(&ride.map.so_far().await), Vec::<Value>::new());
    assert_eq!(ride.seen(app).await["location"], Value::Null);
    assert_eq!(ride.seen(app).await["eta"], Value::Null);
    is_in_time
}

#[actix_web::test]
async fn a_dot_that_grows_old_says_so_once_for_each_stage() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    ride.phone.send(frame(north(PICKUP, 3_000.0), ago(19))).await;
    assert_eq!(ride.map.expect("location").await["freshness"], "live");
    let stale = ride.map.expect("location").await;
    assert_eq!((&stale["freshness"], stale["age"].as_u64() >= Some(21)), (&json!("stale"), true), "{stale}");
    let mut old = Ride::begin(&app).await;
    old.phone.send(frame(north(PICKUP, 3_000.0), ago(119))).await;
    assert_eq!(old.map.expect("location").await["freshness"], "stale");
    assert_eq!(old.map.expect("location").await["freshness"], "lost");
    assert_eq!(old.seen(&app).await["location"]["freshness"], "lost");
    app.step(&old.partner, &old.order, "arrived").await;
    let timeline =
        app.as_user(&old.customer).get(&format!("/orders/{}/timeline", old.order)).await.expect(200);
    let step = timeline["items"].as_array().and_then(|items| items.last()).expect("a step");
    assert_eq!((&step["to"], &step["position"]), (&json!("arrived"), &Value::Null), "nobody knows where");
    // By now the first has had every occasion to say it again.
    assert_eq!(latitudes(&ride.map.so_far().await), Vec::<Value>::new());
}

#[actix_web::test]
async fn a_jump_is_marked_and_not_shown() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "1")]).await;
    let mut ride = Ride::begin(&app).await;
    let start = north(PICKUP, 3_000.0);
    let points =
        vec![point(start, ago(4)), point(north(start, 20_000.0), ago(3)), point(north(start, 10.0), ago(2))];
    ride.upload(&app, points).await;
    assert_eq!(ride.map.expect("location").await["latitude"], json!(north(start, 10.0).0));
    ride.phone.send(frame(north(start, 20_000.0), ago(1))).await;
    ride.is_at(north(start, 20.0)).await;
    assert_eq!(ride.map.expect("location").await["latitude"], json!(north(start, 20.0).0));
    ride.is_written(&app, 3).await;
    let track = ride.track(&app, &ride.partner).await;
    let line = track["geometry"]["coordinates"].as_array().expect("a line");
    assert!(line.iter().all(|at| at[1].as_f64() < Some(52.6)), "{track}");
}

#[actix_web::test]
async fn a_position_that_is_hardly_known_does_not_replace_one_that_is() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let rough = |metres: f64| {
        let mut frame = frame(north(PICKUP, metres), Timestamp::now());
        frame["accuracy"] = json!(500);
        frame
    };
    // Better than none.
    ride.phone.send(rough(3_000.0)).await;
    assert_eq!(ride.map.expect("location").await["accuracy"], 500.0);
    ride.is_at(north(PICKUP, 3_010.0)).await;
    assert_eq!(ride.map.expect("location").await["accuracy"], Value::Null);
    ride.phone.send(rough(3_200.0)).await;
    ride.is_at(north(PICKUP, 3_020.0)).await;
    assert_eq!(ride.map.expect("location").await["latitude"], json!(north(PICKUP, 3_020.0).0));
}

#[actix_web::test]
async fn a_position_from_a_cell_tower_is_neither_in_the_trail_nor_in_the_way_of_what_comes_next() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "1")]).await;
    let mut ride = Ride::begin(&app).await;
    let here = north(PICKUP, 3_000.0);
    ride.phone.send(frame(here, ago(4))).await;
    ride.map.expect("location").await;
    for seconds in [3, 2] {
        let mut rough = frame(north(PICKUP, 40_000.0), ago(seconds));
        rough["accuracy"] = json!(50_000);
        ride.phone.send(rough).await;
    }
    // One that jumps is no less a jump.
    ride.phone.send(frame(north(PICKUP, 40_000.0), ago(1))).await;
    ride.is_at(north(PICKUP, 3_010.0)).await;
    assert_eq!(ride.map.expect("location").await["latitude"], json!(north(PICKUP, 3_010.0).0));
    ride.is_written(&app, 2).await;
    let centre = waybill::domain::geo::Position { latitude: PICKUP.0, longitude: PICKUP.1 };
    let near = app.inner().tracking().positions().nearest(centre, 5_000.0, 1, ago(60), Timestamp::now());
    assert_eq!(near.first().map(|near| near.metres.round()), Some(3_010.0));
}

#[actix_web::test]
async fn the_partners_app_is_told_how_often_to_send() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    assert_eq!(ride.phone.expect("cadence").await["interval"], 15, "nobody knows yet where it is");
    ride.is_at(north(PICKUP, 3_000.0)).await;
    assert_eq!(ride.phone.expect("cadence").await["interval"], 3, "somebody watches");
    ride.phone.send(frame(north(PICKUP, 3_001.0), Timestamp::now())).await;
    let mut low = frame(north(PICKUP, 3_002.0), Timestamp::now());
    low["battery"] = json!(0.1);
    ride.phone.send(low).await;
    assert_eq!(ride.phone.expect("cadence").await["interval"], 6, "and it was not told the same again");

    let idle = app.partner().await;
    let mut phone = app.connect(&idle, "/ws/partner/").await;
    assert_eq!(phone.expect("cadence").await["interval"], 15);
    phone.send(frame(PICKUP, Timestamp::now())).await;
    assert_eq!(phone.expect("cadence").await["interval"], 15);
}

#[actix_web::test]
async fn an_app_that_comes_back_is_told_at_once_how_often_to_send() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    ride.is_at(north(PICKUP, 3_000.0)).await;
    ride.phone.until_match("somebody watches", |frame| frame["interval"] == 3).await;
    let opened = async |path: &str| app.connect(&ride.partner, path).await;
    // Without a sample of its own: what is told is what holds now.
    let mut again = opened("/ws/partner/").await;
    let queue = again.next().await;
    assert_eq!(queue["type"], "queue");
    let cadence = again.next().await;
    assert_eq!((&cadence["type"], &cadence["interval"]), (&json!("cadence"), &json!(3)), "{cadence}");
    assert_eq!((&cadence["group"], cadence["seq"].is_null()), (&queue["group"], true), "{cadence}");

    let mut low = frame(north(PICKUP, 3_001.0), Timestamp::now());
    low["battery"] = json!(0.1);
    ride.phone.send(low).await;
    ride.phone.until_match("nearly empty", |frame| frame["interval"] == 6).await;
    let group = text(&queue, "group");
    // One that goes on from where it was gets no queue, and one that is new to the group does.
    let mut back = opened("/ws/").await;
    back.send(json!({"type": "subscribe", "group": group, "since": queue["position"]})).await;
    assert_eq!(back.expect("subscribed").await["recovered"], true);
    let frames = back.until("cadence").await;
    assert_eq!(frames.last().expect("one")["interval"], 6);
    assert!(frames.iter().all(|frame| frame["type"] != "queue"), "{frames:?}");
    let mut new = opened("/ws/").await;
    new.send(json!({"type": "subscribe", "group": group})).await;
    let frames = new.until("cadence").await;
    let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].clone()).collect();
    assert_eq!(kinds, ["welcome", "subscribed", "queue", "cadence"]);
    assert_eq!(frames.last().expect("one")["interval"], 6);

    // Whose order has ended, and whose battery is still low.
    for status in ["arrived", "picked_up", "in_transit", "delivered"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    let mut idle = opened("/ws/partner/").await;
    assert_eq!(idle.expect("cadence").await["interval"], 30);
}

#[actix_web::test]
async fn near_the_goal_every_second_counts_and_with_nobody_watching_none_does() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.step(&partner, &order, "en_route").await;
    let mut phone = app.connect(&partner, "/ws/partner/").await;
    phone.expect("queue").await;
    assert_eq!(phone.expect("cadence").await["interval"], 15);
    // The partner's own map is no watcher.
    let mut own = app.connect(&partner, &format!("/ws/orders/{order}/")).await;
    own.expect("presence").await;
    phone.send(frame(north(PICKUP, 3_000.0), Timestamp::now())).await;
    assert_eq!(phone.expect("cadence").await["interval"], 15);
    let mut map = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    map.expect("presence").await;
    phone.send(frame(north(PICKUP, 2_999.0), Timestamp::now())).await;
    assert_eq!(phone.expect("cadence").await["interval"], 3);
    let mut near = Ride::begin(&app).await;
    assert_eq!(near.phone.expect("cadence").await["interval"], 15, "nobody knows yet where it is");
    near.is_at(north(PICKUP, 499.0)).await;
    assert_eq!(near.phone.expect("cadence").await["interval"], 2);
}

#[actix_web::test]
async fn who_comes_back_once_the_order_is_delivered_gets_no_position() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let group = format!("order_{}", ride.order);
    app.step(&ride.partner, &ride.order, "arrived").await;
    let update = ride.map.until("order_update").await.pop().expect("it");
    let since = json!({"epoch": update["epoch"], "seq": update["seq"]});
    let (place, late) = (north(PICKUP, 3_000.0), north(PICKUP, 2_900.0));
    ride.is_at(place).await;
    ride.map.expect("location").await;
    ride.upload(&app, vec![point(late, ago(60))]).await;
    ride.map.expect("trail").await;
    for status in ["picked_up", "in_transit", "delivered"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    // On the way when the order was, and come when it was not any more.
    ride.upload_in_time(&app, vec![point(north(PICKUP, 2_800.0), ago(50))]).await;
    ride.map.until_match("delivered", |frame| frame["update"]["status"] == "delivered").await;

    let mut back = app.connect(&ride.customer, "/ws/").await;
    back.send(json!({"type": "subscribe", "group": group, "since": since})).await;
    assert_eq!(back.expect("subscribed").await["recovered"], true);
    let mut frames = back.until_match("delivered", |frame| frame["update"]["status"] == "delivered").await;
    frames.extend(back.so_far().await);
    assert_eq!(latitudes(&frames), Vec::<Value>::new());
    // What the trail was told before is an event like others, and is in the order's track for its customer.
    let trails: Vec<&Value> = frames.iter().filter(|frame| frame["type"] == "trail").collect();
    assert!(trails.len() == 1 && trails[0]["points"][0]["latitude"] == json!(late.0), "{trails:?}");

    // Without a place to go on from, the order comes as it is now.
    let mut fresh = app.connect(&ride.customer, &format!("/ws/orders/{}/", ride.order)).await;
    let snapshot = fresh.expect("order_status").await;
    assert_eq!((&snapshot["order"]["location"], &snapshot["order"]["eta"]), (&Value::Null, &Value::Null));
    let after = fresh.so_far().await;
    assert!(after.iter().all(|frame| frame["type"] != "trail" && frame["type"] != "location"), "{after:?}");
}

#[actix_web::test]
async fn who_takes_a_step_sees_in_the_answer_where_the_partner_is_and_when_the_order_arrives() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.carry_to(&partner, &order, "picked_up").await;
    super::backdate(&app, 150);
    let mut ride = Ride::watch(&app, customer, partner, order).await;
    ride.is_at(north(PICKUP, 100.0)).await;
    ride.map.expect("eta").await;
    let step = async || {
        let (path, key) = (format!("/orders/{}/transitions", ride.order), [("Idempotency-Key", "go")]);
        app.as_user(&ride.partner).post_with(&path, &key, json!({"to": "in_transit"})).await.expect(200)
    };
    let answer = step().await;
    let seen = app.as_user(&ride.partner).get(&format!("/orders/{}", ride.order)).await.expect(200);
    assert_eq!(answer["location"]["latitude"], json!(north(PICKUP, 100.0).0));
    assert_eq!(
        (&answer["eta"]["to"], &answer["eta"]["promised_at"]),
        (&json!("dropoff"), &seen["eta"]["promised_at"])
    );
    // What is kept is asked for later, when that would be an old dot.
    let again = step().await;
    assert_eq!((&again["version"], &again["location"]), (&answer["version"], &Value::Null));
    assert_eq!(again["eta"], Value::Null);
    let over = app.step(&ride.partner, &ride.order, "delivered").await;
    assert_eq!((&over["location"], &over["eta"]), (&Value::Null, &Value::Null));
}

#[actix_web::test]
async fn a_give_back_that_is_sent_again_takes_no_dot_from_who_has_the_order_now() {
    let app = TestApp::start().await;
    let (customer, before, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let path = format!("/orders/{order}/transitions");
    let give_back = json!({"to": "confirmed", "reason": "A flat tyre."});
    let key = [("Idempotency-Key", "give-back")];
    app.as_user(&before).post_with(&path, &key, give_back.clone()).await.expect(200);
    let (admin, partner) = (app.admin().await, app.partner().await);
    let assign = json!({"partner_id": partner.partner_id});
    app.as_user(&admin).post(&format!("/orders/{order}/assign"), assign).await.expect(200);
    app.step(&partner, &order, "en_route").await;
    let mut ride = Ride::watch(&app, customer, partner, order).await;
    ride.is_at(north(PICKUP, 3_000.0)).await;
    ride.map.expect("location").await;
    let again = app.as_user(&before).post_with(&path, &key, give_back).await;
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(ride.seen(&app).await["location"]["latitude"], json!(north(PICKUP, 3_000.0).0));
}
