//! What comes of a partner's being near.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::{DROPOFF, PICKUP, Ride, ago, backdate, frame, north, point};
use crate::support::TestApp;
use crate::support::steps::text;

async fn steps(app: &TestApp, ride: &Ride) -> Vec<(String, String)> {
    let path = format!("/orders/{}/timeline", ride.order);
    let timeline = app.as_user(&ride.customer).get(&path).await.expect(200);
    let items = timeline["items"].as_array().expect("items").clone();
    items.iter().map(|step| (text(step, "to"), text(step, "by"))).collect()
}

async fn notified(app: &TestApp, ride: &Ride, kind: &str) -> Vec<Value> {
    let path = format!("/notifications?type={kind}");
    let list = app.as_user(&ride.customer).get(&path).await.expect(200);
    list["items"].as_array().expect("items").clone()
}

#[actix_web::test]
async fn a_partner_at_the_pick_up_has_arrived_once_however_many_samples_say_so() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    // One alone proves nothing.
    ride.is_at(north(PICKUP, 90.0)).await;
    ride.map.expect("location").await;
    assert_eq!(ride.seen(&app).await["status"], "en_route");
    // Two phones at once, say.
    let mut second = app.connect(&ride.partner, "/ws/partner/").await;
    for step in 0..20 {
        let here = frame(north(PICKUP, 80.0 + f64::from(step % 3)), Timestamp::now());
        ride.phone.send(here.clone()).await;
        second.send(here).await;
    }
    let told = |frame: &Value| frame["update"]["status"] == "arrived";
    let update = ride.map.until_match("arrived", told).await.pop().expect("it");
    assert_eq!(update["update"]["previous_status"], "en_route");
    let arrived = ("arrived".to_owned(), "system".to_owned());
    assert_eq!(steps(&app, &ride).await.last(), Some(&arrived));
    assert_eq!(notified(&app, &ride, "partner_arrived").await.len(), 1);
    // The next step is the partner's, and staying near changes nothing.
    app.step(&ride.partner, &ride.order, "picked_up").await;
    ride.is_at(north(PICKUP, 10.0)).await;
    assert_eq!(ride.seen(&app).await["status"], "picked_up");
}

#[actix_web::test]
async fn the_partners_own_step_and_the_geofence_race_and_one_of_them_takes_it() {
    let app = TestApp::start().await;
    for _ in 0..4 {
        let mut ride = Ride::begin(&app).await;
        ride.is_at(PICKUP).await;
        ride.map.expect("location").await;
        let own = app.try_step(&ride.partner, &ride.order, json!({"to": "arrived"}));
        let ((), own) =
            futures_util::future::join(ride.phone.send(frame(PICKUP, Timestamp::now())), own).await;
        // Whoever was first, the partner has arrived.
        assert_eq!(own.expect(200)["status"], "arrived");
        ride.map.until_match("arrived", |frame| frame["update"]["status"] == "arrived").await;
        let arrivals = steps(&app, &ride).await.into_iter().filter(|(to, _)| to == "arrived").count();
        assert_eq!(arrivals, 1);
    }
}

#[actix_web::test]
async fn a_customer_is_told_once_that_the_partner_is_near() {
    let app = TestApp::start().await;
    let ride = Ride::begin(&app).await;
    for status in ["arrived", "picked_up"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    let mut bell = app.connect(&ride.customer, "/ws/notifications/").await;
    // Near, but the goods are not on their way yet.
    ride.upload(&app, vec![point(north(DROPOFF, 300.0), ago(9)), point(north(DROPOFF, 300.0), ago(8))]).await;
    app.step(&ride.partner, &ride.order, "in_transit").await;
    assert_eq!(notified(&app, &ride, "order_arriving").await.len(), 0);
    ride.upload(&app, vec![point(north(DROPOFF, 310.0), ago(7)), point(north(DROPOFF, 320.0), ago(6))]).await;
    let told = |frame: &Value| frame["notification"]["type"] == "order_arriving";
    bell.until_match("order_arriving", told).await;

    // After a restart nobody remembers the circle, but the database what was said.
    let (database, stopped) = app.stop().await;
    stopped.expect("it stops in order");
    let app = TestApp::start_on(database, &[]).await;
    let mut again = Ride::watch(&app, ride.customer, ride.partner, ride.order).await;
    again
        .upload(&app, vec![point(north(DROPOFF, 300.0), ago(3)), point(north(DROPOFF, 290.0), ago(2))])
        .await;
    again.is_at(north(DROPOFF, 280.0)).await;
    let here = json!(north(DROPOFF, 280.0).0);
    again.map.until_match("the position", |frame| frame["latitude"] == here).await;
    app.step(&again.partner, &again.order, "delivered").await;
    assert_eq!(notified(&app, &again, "order_arriving").await.len(), 1);
    assert_eq!(again.seen(&app).await["status"], "delivered");
}

#[actix_web::test]
async fn an_hour_of_a_noisy_receiver_at_the_edge_makes_one_step_and_one_notification() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    backdate(&app, 150);
    let mut rng = StdRng::seed_from_u64(7);
    // As many samples as come in an hour with one every 3 s: of an hour they cannot be, since older ones than of the last five
    // minutes say nothing of where the partner is now.
    let mut parked = |place, metres: f64, from: u64, count: u32| -> Vec<Value> {
        let start = ago(from);
        let noisy = |step| {
            let at = start.after(Duration::from_millis(100 * u64::from(step)));
            let mut point = point(north(place, metres + rng.random_range(-30.0..=30.0)), at);
            point["accuracy"] = json!(30);
            point
        };
        (0..count).map(noisy).collect()
    };
    let (first, rest) = (parked(PICKUP, 95.0, 250, 50), parked(PICKUP, 95.0, 244, 550));
    ride.upload(&app, first).await;
    ride.map.until_match("arrived", |frame| frame["update"]["status"] == "arrived").await;
    ride.upload(&app, rest).await;
    for status in ["picked_up", "in_transit"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    let mut bell = app.connect(&ride.customer, "/ws/notifications/").await;
    let (first, rest) = (parked(DROPOFF, 495.0, 120, 50), parked(DROPOFF, 495.0, 114, 550));
    ride.upload(&app, first).await;
    let told = |frame: &Value| frame["notification"]["type"] == "order_arriving";
    bell.until_match("order_arriving", told).await;
    ride.upload(&app, rest).await;
    ride.is_at(north(DROPOFF, 495.0)).await;
    ride.map.until_match("the dot of now", |frame| frame["freshness"] == "live").await;
    app.step(&ride.partner, &ride.order, "delivered").await;
    let arrivals = steps(&app, &ride).await.into_iter().filter(|(to, _)| to == "arrived").count();
    assert_eq!(arrivals, 1);
    assert_eq!(notified(&app, &ride, "partner_arrived").await.len(), 1);
    assert_eq!(notified(&app, &ride, "order_arriving").await.len(), 1);
    assert_eq!(ride.seen(&app).await["status"], "delivered");
}
