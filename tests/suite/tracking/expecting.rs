//! When a partner is expected, by the built-in estimate.

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::{DROPOFF, PICKUP, Ride, ago, frame, north, promise};
use crate::support::TestApp;
use crate::support::steps::text;

#[actix_web::test]
async fn the_first_eta_is_the_promise_and_stays_it_through_a_restart() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    assert_eq!(ride.seen(&app).await["eta"], Value::Null);
    ride.is_at(north(PICKUP, 2_000.0)).await;
    let eta = ride.map.expect("eta").await["eta"].clone();
    assert_eq!(
        (&eta["source"], &eta["to"], &eta["late_risk"]),
        (&json!("estimate"), &json!("pickup"), &json!("none"))
    );
    assert_eq!(eta["promised_at"], eta["arrives_at"]);
    // 2 km, by the road 2.6, at 25 km/h.
    assert_eq!(eta["distance"], 2_600);
    assert!((370..=375).contains(&eta["seconds"].as_u64().expect("seconds")), "{eta}");
    let shown = ride.seen(&app).await["eta"].clone();
    assert_eq!((&shown["promised_at"], &shown["arrives_at"]), (&eta["promised_at"], &eta["arrives_at"]));
    let late = app.connect(&ride.customer, &format!("/ws/orders/{}/", ride.order)).await.next().await;
    assert_eq!(late["order"]["eta"]["arrives_at"], eta["arrives_at"]);
    // What changes little is not told.
    ride.is_at(north(PICKUP, 2_010.0)).await;
    ride.map.until_match("the position", |frame| frame["latitude"] == json!(north(PICKUP, 2_010.0).0)).await;
    assert!(ride.map.so_far().await.iter().all(|frame| frame["type"] != "eta"));

    let (database, stopped) = app.stop().await;
    stopped.expect("it stops in order");
    let app = TestApp::start_on(database, &[]).await;
    let mut again = Ride::watch(&app, ride.customer, ride.partner, ride.order).await;
    // Where the partner was is known again, so this is a jump until three positions in a row say so.
    for _ in 0..3 {
        again.is_at(north(PICKUP, 4_000.0)).await;
    }
    let is_late = |frame: &Value| frame["eta"]["late_risk"] == "likely";
    let later = again.map.until_match("an ETA of now", is_late).await.pop().expect("it")["eta"].clone();
    assert_eq!(later["promised_at"], eta["promised_at"]);
}

#[actix_web::test]
async fn a_position_that_is_hardly_known_promises_nothing() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let mut rough = frame(north(PICKUP, 40_000.0), ago(1));
    rough["accuracy"] = json!(50_000);
    ride.phone.send(rough).await;
    ride.map.expect("location").await;
    ride.is_at(north(PICKUP, 2_000.0)).await;
    let eta = ride.map.expect("eta").await["eta"].clone();
    assert_eq!(eta["promised_at"], eta["arrives_at"]);
    assert_eq!((&eta["distance"], &eta["late_risk"]), (&json!(2_600), &json!("none")));
}

#[actix_web::test]
async fn each_leg_has_its_promise_and_at_the_pick_up_nothing_is_promised() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    ride.is_at(north(PICKUP, 1_000.0)).await;
    let first = ride.map.expect("eta").await["eta"].clone();
    app.step(&ride.partner, &ride.order, "arrived").await;
    assert_eq!(ride.seen(&app).await["eta"], Value::Null);
    app.step(&ride.partner, &ride.order, "picked_up").await;
    ride.is_at(north(PICKUP, 1_005.0)).await;
    let second = ride.map.expect("eta").await["eta"].clone();
    assert_eq!((&first["to"], &second["to"]), (&json!("pickup"), &json!("dropoff")));
    assert_eq!(second["promised_at"], second["arrives_at"]);
    assert_eq!(ride.seen(&app).await["eta"]["to"], "dropoff");
}

#[actix_web::test]
async fn a_customer_is_notified_of_an_arrival_that_slips_by_five_minutes_once() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    for status in ["arrived", "picked_up", "in_transit"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    let mut bell = app.connect(&ride.customer, "/ws/notifications/").await;
    ride.phone.send(frame(north(DROPOFF, 700.0), ago(100))).await;
    let first = ride.map.expect("eta").await["eta"].clone();
    // The other way, at 180 km/h.
    ride.is_at(north(DROPOFF, 5_700.0)).await;
    let slipped = |frame: &Value| frame["notification"]["type"] == "eta_changed";
    let told = bell.until_match("eta_changed", slipped).await.pop().expect("it");
    assert!(told["notification"]["data"]["delay"].as_u64() >= Some(300), "{told}");
    let eta = ride.map.expect("eta").await["eta"].clone();
    assert_eq!((&eta["late_risk"], &eta["promised_at"]), (&json!("likely"), &first["promised_at"]));
    assert!(text(&eta, "arrives_at") > text(&first, "arrives_at"));
    for metres in [5_705.0, 5_710.0] {
        ride.is_at(north(DROPOFF, metres)).await;
        let here = json!(north(DROPOFF, metres).0);
        ride.map.until_match("the position", |frame| frame["latitude"] == here).await;
    }
    assert!(!bell.so_far().await.iter().any(slipped));
}

#[actix_web::test]
async fn a_partner_who_says_nothing_any_more_is_late_as_well() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    // 150 m, by the road 195, at 25 km/h: 28 s.
    ride.phone.send(frame(north(PICKUP, 150.0), ago(19))).await;
    let first = ride.map.expect("eta").await["eta"].clone();
    assert_eq!(first["late_risk"], "none");
    let is_late = |frame: &Value| frame["eta"]["late_risk"] == "likely";
    let late = ride.map.until_match("it is late", is_late).await.pop().expect("it")["eta"].clone();
    assert_eq!(late["promised_at"], first["promised_at"]);
    assert!(text(&late, "arrives_at") > text(&first, "arrives_at"));
    assert_eq!(ride.seen(&app).await["eta"]["late_risk"], "likely");
}

#[actix_web::test]
async fn silence_puts_a_promise_at_risk_long_before_it_breaks() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let measured = ago(19);
    promise(&app, &ride.order, 1_000.0, measured, 8.0).await;
    ride.phone.send(frame(north(PICKUP, 1_000.0), measured)).await;
    assert_eq!(ride.map.expect("eta").await["eta"]["late_risk"], "none");
    // It is 15 s late once nothing was heard for 27.
    let told = ride.map.until_match("an ETA", |frame| frame["type"] == "eta").await.pop().expect("it");
    let eta = &told["eta"];
    assert_eq!((&eta["late_risk"], &eta["freshness"]), (&json!("possible"), &json!("stale")), "{eta}");
    assert!(eta["age"].as_u64() >= Some(27), "{eta}");
    assert!(eta["seconds"].as_u64() > Some(120), "the promise is not broken yet: {eta}");
}

#[actix_web::test]
async fn an_eta_is_as_old_as_the_position_that_it_is_worked_out_from() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    ride.phone.send(frame(north(PICKUP, 2_000.0), ago(119))).await;
    let eta = ride.map.expect("eta").await["eta"].clone();
    assert!(eta["age"].as_u64() >= Some(119), "{eta}");
    ride.map.until_match("a lost dot", |frame| frame["freshness"] == "lost").await;
    let seen = ride.seen(&app).await;
    assert_eq!((&seen["location"]["freshness"], &seen["eta"]["freshness"]), (&json!("lost"), &json!("lost")));
    assert_eq!(seen["eta"]["age"], seen["location"]["age"], "{seen}");
    // And of one of whom nothing was heard for half an hour, nobody knows.
    let order = ride.order.parse().expect("an id");
    let status = waybill::domain::order::OrderStatus::EnRoute;
    let after = |minutes: u64| Timestamp::now().after(std::time::Duration::from_secs(minutes * 60));
    let is_expected = |minutes| app.inner().last_seen().eta(order, status, after(minutes)).is_some();
    assert_eq!((is_expected(27), is_expected(29)), (true, false));
}

#[actix_web::test]
async fn after_a_restart_a_partner_who_says_nothing_is_shown_as_last_seen() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let measured = ago(30);
    ride.phone.send(frame(north(PICKUP, 2_000.0), measured)).await;
    let eta = ride.map.expect("eta").await["eta"].clone();
    let (database, stopped) = app.stop().await;
    stopped.expect("it stops in order");

    let app = TestApp::start_on(database, &[]).await;
    let seen = ride.seen(&app).await;
    assert_eq!(
        (&seen["location"]["timestamp"], &seen["location"]["freshness"]),
        (&json!(measured), &json!("stale"))
    );
    app.until("the partner is expected", || async {
        ride.seen(&app).await["eta"]["promised_at"] == eta["promised_at"]
    })
    .await;
    assert!(ride.seen(&app).await["eta"]["age"].as_u64() >= Some(30));
    // What jumps from there is not believed.
    let mut again = Ride::watch(&app, ride.customer, ride.partner, ride.order).await;
    again.phone.send(frame(north(PICKUP, 90_000.0), ago(1))).await;
    again.is_at(north(PICKUP, 1_990.0)).await;
    let shown = again.map.until_match("a dot", |frame| frame["freshness"] == "live").await.pop().expect("it");
    assert_eq!(shown["latitude"], json!(north(PICKUP, 1_990.0).0));
}
