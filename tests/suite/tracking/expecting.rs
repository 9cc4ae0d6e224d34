//! When a partner is expected, by the built-in estimate.

use serde_json::{Value, json};

use super::{DROPOFF, PICKUP, Ride, ago, frame, north};
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
    again.is_at(north(PICKUP, 4_000.0)).await;
    let later = again.map.expect("eta").await["eta"].clone();
    assert_eq!(later["promised_at"], eta["promised_at"]);
    assert_eq!(later["late_risk"], "likely", "{later}");
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
    // 500 m, by the road 650, at 25 km/h: 94 s.
    ride.phone.send(frame(north(PICKUP, 500.0), ago(93))).await;
    let first = ride.map.expect("eta").await["eta"].clone();
    assert_eq!(first["late_risk"], "none");
    let late = ride.map.expect("eta").await["eta"].clone();
    assert_eq!((&late["late_risk"], &late["promised_at"]), (&json!("likely"), &first["promised_at"]));
    assert!(text(&late, "arrives_at") > text(&first, "arrives_at"));
    assert_eq!(ride.seen(&app).await["eta"]["late_risk"], "likely");
}
