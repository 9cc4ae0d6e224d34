//! Which samples are taken, one by one and in batches.

use serde_json::json;
use waybill::domain::geo::Position;
use waybill::domain::ids::PartnerId;
use waybill::domain::time::Timestamp;

use super::{PICKUP, Ride, ago, frame, north, point, refused};
use crate::support::TestApp;
use crate::support::steps::text;

#[actix_web::test]
async fn of_a_batch_the_good_samples_are_taken_and_the_bad_ones_named() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "1")]).await;
    let mut ride = Ride::begin(&app).await;
    let there = north(PICKUP, 3_000.0);
    let mut not_mine = point(there, Timestamp::now());
    not_mine["order_id"] = json!("0190163d-8694-739b-aea5-966c26f8ad90");
    let ahead = Timestamp::now().after(std::time::Duration::from_secs(30));
    // In any order.
    let points = vec![
        point(north(there, 20.0), ago(2)),
        point((90.5, 0.0), ago(1)),
        point(there, ago(4)),
        point(there, ahead),
        point(there, ago(26 * 3600)),
        point(there, ago(3600)),
        not_mine,
        point(north(there, 40.0), ago(1)),
    ];
    let answer = ride.upload(&app, points.clone()).await;
    let codes = json!([
        {"index": 1, "code": "out_of_range"}, {"index": 3, "code": "in_future"}, {"index": 4, "code": "too_old"},
        {"index": 5, "code": "too_old"}, {"index": 6, "code": "no_active_order"},
    ]);
    assert_eq!(answer, json!({"accepted": 3, "refused": codes.clone()}));
    // The latest is shown, whatever the order.
    assert_eq!(ride.map.expect("location").await["latitude"], json!(north(there, 40.0).0));
    ride.is_written(&app, 3).await;

    // The same by frame; what is there already is there once.
    ride.phone.send(json!({"type": "location", "points": points, "ref": "b"})).await;
    let error = ride.phone.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("points_refused"), &json!("b")));
    assert_eq!(error["refused"], codes);
    let message = text(&error, "message");
    for named in ["1 (out_of_range)", "3 (in_future)", "5 (too_old)", "6 (no_active_order)"] {
        assert!(message.contains(named), "{message}");
    }
    ride.is_at(north(there, 60.0)).await;
    ride.is_written(&app, 4).await;
}

#[actix_web::test]
async fn samples_are_counted_by_what_became_of_them() {
    let app = TestApp::start().await;
    let ride = Ride::begin(&app).await;
    let mut not_mine = point(PICKUP, ago(1));
    not_mine["order_id"] = json!("0190163d-8694-739b-aea5-966c26f8ad90");
    let points = vec![
        point(PICKUP, ago(1)),
        point(PICKUP, ago(60)),
        point(PICKUP, ago(2)),
        point((90.5, 0.0), ago(1)),
        point(PICKUP, ago(26 * 3600)),
        point(PICKUP, ago(3600)),
        not_mine,
    ];
    assert_eq!(ride.upload(&app, points).await["accepted"], 3);
    for (outcome, times) in
        [("taken", 2), ("late", 1), ("out_of_range", 1), ("too_old", 2), ("no_active_order", 1)]
    {
        let name = format!(r#"waybill_location_samples_total{{outcome="{outcome}"}}"#);
        assert_eq!(app.figure(&name).await, times, "{outcome}");
    }
}

#[actix_web::test]
async fn what_a_device_says_it_does_not_know_is_left_out() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let mut unknown = point(north(PICKUP, 3_000.0), ago(1));
    for field in ["heading", "speed", "battery"] {
        unknown[field] = json!(-1.0);
    }
    let mut void = unknown.clone();
    void["accuracy"] = json!(-1.0);
    let answer = ride.upload(&app, vec![unknown, void]).await;
    assert_eq!(answer, json!({"accepted": 1, "refused": [{"index": 1, "code": "out_of_range"}]}));
    let shown = ride.map.expect("location").await;
    assert_eq!((&shown["heading"], &shown["speed"]), (&json!(null), &json!(null)));
}

#[actix_web::test]
async fn an_upload_is_answered_once_for_each_key_and_bounded() {
    let app = TestApp::start().await;
    let ride = Ride::begin(&app).await;
    let phone = app.as_user(&ride.partner);
    let key = [("Idempotency-Key", "k")];
    let body = json!({"points": [point(north(PICKUP, 900.0), ago(1))]});
    let first = phone.post_with("/partner/locations", &key, body.clone()).await.expect(202);
    let again = phone.post_with("/partner/locations", &key, body.clone()).await;
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(again.expect(202), first);
    // The device's time is another one with each attempt.
    let attempt = json!({"points": body["points"], "sent_at": ago(0)});
    let again = phone.post_with("/partner/locations", &key, attempt).await;
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    let other = json!({"points": [point(PICKUP, ago(1))]});
    phone.post_with("/partner/locations", &key, other).await.refused(409, "idempotency_key_reused");

    let many = |count: usize| json!({"points": vec![point(PICKUP, ago(1)); count]});
    for count in [0, 1_001] {
        let refused = phone.post("/partner/locations", many(count)).await.refused(422, "invalid_fields");
        assert_eq!(refused["errors"][0]["field"], "points");
    }
    phone.post("/partner/locations", many(1_000)).await.expect(202);
    // With all that a sample can say, in full.
    let mut full = point((PICKUP.0 + 1e-13, -113.123_456_789_012_34), ago(1));
    for (field, value) in [("heading", 359.123_456_789_012), ("speed", 12.123_456_789_012), ("battery", 0.5)]
    {
        full[field] = json!(value);
    }
    full["accuracy"] = json!(8.123_456_789_012);
    full["order_id"] = json!(ride.order);
    phone.post("/partner/locations", json!({"points": vec![full; 1_000]})).await.expect(202);
    let customer = app.as_user(&ride.customer);
    customer.post("/partner/locations", many(1)).await.refused(403, "role_not_allowed");
    let misspelt = json!({"points": [{"latitude": 1, "longitude": 2, "timestamp": ago(1), "lattitude": 1}]});
    phone.post("/partner/locations", misspelt).await.refused(422, "invalid_fields");
}

#[actix_web::test]
async fn a_partner_without_an_order_is_known_to_be_near_and_shown_to_nobody() {
    let app = TestApp::start().await;
    let idle = app.partner().await;
    let mut ride = Ride::begin(&app).await;
    let mut phone = app.connect(&idle, "/ws/partner/").await;
    phone.expect("queue").await;
    phone.send(frame(north(PICKUP, 700.0), Timestamp::now())).await;
    // Samples that came before this one have been looked at.
    ride.is_at(north(PICKUP, 2_000.0)).await;
    let shown = ride.map.expect("location").await;
    assert_eq!(shown["latitude"], json!(north(PICKUP, 2_000.0).0));
    assert!(phone.so_far().await.iter().all(|frame| frame["type"] != "error"));

    let centre = Position { latitude: PICKUP.0, longitude: PICKUP.1 };
    let near = |radius, limit| -> Vec<(PartnerId, i64)> {
        let found =
            app.inner().tracking().positions().nearest(centre, radius, limit, ago(60), Timestamp::now());
        found.into_iter().map(|near| (near.partner_id, near.metres.round() as i64)).collect()
    };
    let (first, second) =
        ((idle.partner_id.expect("one"), 700), (ride.partner.partner_id.expect("one"), 2_000));
    assert_eq!(near(10_000.0, 10), [first, second]);
    assert_eq!(near(10_000.0, 1), [first]);
    assert_eq!(near(1_000.0, 10), [first]);
    let none = app.inner().tracking().positions().nearest(
        centre,
        1e9,
        10,
        Timestamp::now().after(std::time::Duration::from_secs(1)),
        Timestamp::now(),
    );
    assert_eq!(none, []);
}

#[actix_web::test]
async fn a_clock_that_is_ten_minutes_wrong_is_put_right_by_sent_at() {
    let app = TestApp::start().await;
    let place = north(PICKUP, 3_000.0);
    let ahead = |seconds: u64| Timestamp::now().after(std::time::Duration::from_secs(seconds));
    for (sent_at, measured) in [(ahead(600), ahead(598)), (ago(600), ago(600))] {
        let mut ride = Ride::begin(&app).await;
        assert_eq!(refused(&mut ride.phone, frame(place, ahead(600))).await, "invalid_fields");
        let mut frame = frame(place, measured);
        frame["sent_at"] = json!(sent_at);
        ride.phone.send(frame).await;
        let shown = ride.map.expect("location").await;
        assert_eq!(shown["freshness"], "live");
        assert!(shown["age"].as_u64() <= Some(4), "{shown}");
    }
}

#[actix_web::test]
async fn a_clock_that_is_ten_minutes_wrong_is_put_right_in_an_upload_and_not_without_sent_at() {
    let app = TestApp::start().await;
    let place = north(PICKUP, 3_000.0);
    let ahead = |seconds: u64| Timestamp::now().after(std::time::Duration::from_secs(seconds));
    for (sent_at, measured, code) in [(ahead(600), ahead(598), "in_future"), (ago(600), ago(602), "too_old")]
    {
        let mut ride = Ride::begin(&app).await;
        let points = vec![point(place, measured)];
        let refused = json!({"accepted": 0, "refused": [{"index": 0, "code": code}]});
        assert_eq!(ride.upload(&app, points.clone()).await, refused);
        let body = json!({"points": points, "sent_at": sent_at});
        let answer = app.as_user(&ride.partner).post("/partner/locations", body).await.expect(202);
        assert_eq!(answer, json!({"accepted": 1, "refused": []}));
        let shown = ride.map.expect("location").await;
        assert!(shown["freshness"] == "live" && shown["age"].as_u64() <= Some(8), "{shown}");
        // What is known of the clock does not count where nothing is said of it.
        assert_eq!(ride.upload(&app, points).await, refused);
    }
}

#[actix_web::test]
async fn a_first_frame_that_was_held_up_does_not_make_its_position_new() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let mut held_up = frame(north(PICKUP, 3_000.0), ago(60));
    held_up["sent_at"] = json!(ago(60));
    ride.phone.send(held_up).await;
    let shown = ride.map.expect("location").await;
    assert!(shown["freshness"] == "stale" && shown["age"].as_u64() >= Some(60), "{shown}");
}

#[actix_web::test]
async fn a_glitch_moves_no_idle_partner_to_another_city() {
    let app = TestApp::start().await;
    let idle = app.partner().await;
    let mut ride = Ride::begin(&app).await;
    let mut phone = app.connect(&idle, "/ws/partner/").await;
    phone.expect("queue").await;
    let far = north(PICKUP, 500_000.0);
    phone.send(frame(PICKUP, ago(3))).await;
    phone.so_far().await;
    phone.send(frame(far, ago(2))).await;
    phone.so_far().await;
    // Samples that came before this one have been looked at.
    ride.is_at(north(PICKUP, 2_000.0)).await;
    ride.map.expect("location").await;
    let is_near = |place: (f64, f64)| {
        let centre = Position { latitude: place.0, longitude: place.1 };
        let positions = app.inner().tracking().positions();
        let near = positions.nearest(centre, 1_000.0, 1, ago(60), Timestamp::now());
        near.first().map(|near| near.partner_id) == idle.partner_id
    };
    assert!(is_near(PICKUP) && !is_near(far));
}

#[actix_web::test]
async fn what_was_long_under_way_stays_as_old_as_it_is() {
    let app = TestApp::start().await;
    let mut ride = Ride::begin(&app).await;
    let sent = |seconds: u64, sent_at: u64| {
        let mut frame = frame(north(PICKUP, 3_000.0 + f64::from(seconds as u32)), ago(seconds));
        frame["sent_at"] = json!(ago(sent_at));
        frame
    };
    ride.phone.send(sent(1, 0)).await;
    assert_eq!(ride.map.expect("location").await["freshness"], "live");
    // Tried for a minute and a half: it is taken, and belongs behind the dot.
    ride.phone.send(sent(100, 90)).await;
    let told = ride.map.expect("trail").await["points"][0].clone();
    assert_eq!(told["latitude"], json!(north(PICKUP, 3_100.0).0));
    assert!(
        text(&told, "timestamp")
            < serde_json::to_value(ago(95)).expect("a time").to_string().replace('"', "")
    );
}

#[actix_web::test]
async fn one_partner_cannot_keep_the_server_busy_with_samples() {
    let app = TestApp::start_with(&[("WAYBILL_RATE_LIMITS", "on")]).await;
    let (ride, other) = (Ride::begin(&app).await, Ride::begin(&app).await);
    let phone = app.as_user(&ride.partner);
    let many = json!({"points": vec![point(north(PICKUP, 3_000.0), ago(1)); 1_000]});
    for _ in 0..5 {
        phone.post("/partner/locations", many.clone()).await.expect(202);
    }
    let refused = phone.post("/partner/locations", many.clone()).await;
    assert!(refused.header("Retry-After").is_some());
    refused.refused(429, "rate_limited");
    app.as_user(&other.partner).post("/partner/locations", many).await.expect(202);
}

#[actix_web::test]
async fn a_sample_that_names_its_order_may_be_of_a_clock_that_is_a_little_slow() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.step(&partner, &order, "en_route").await;
    let phone = app.as_user(&partner);
    let timeline = app.as_user(&customer).get(&format!("/orders/{order}/timeline")).await.expect(200);
    let last = timeline["items"].as_array().and_then(|steps| steps.last()).expect("a step");
    let since: Timestamp = serde_json::from_value(last["at"].clone()).expect("a time");
    let sample = |metres: f64, seconds: u64, names: bool| {
        let at = since.before(std::time::Duration::from_secs(seconds));
        let mut sample = point(north(PICKUP, metres), at);
        if names {
            sample["order_id"] = json!(order);
        }
        json!({"points": [sample]})
    };
    // Before it set off, and, of the second one, whose it is is not said: it may have been measured at home.
    for (seconds, names) in [(20, true), (2, false)] {
        let taken = phone.post("/partner/locations", sample(3_000.0, seconds, names)).await.expect(202);
        assert_eq!(taken["refused"], json!([]));
    }
    let path = format!("/orders/{order}");
    assert_eq!(app.as_user(&customer).get(&path).await.expect(200)["location"], json!(null));
    let taken = phone.post("/partner/locations", sample(2_900.0, 2, true)).await.expect(202);
    assert_eq!(taken["refused"], json!([]));
    let shown = app.as_user(&customer).get(&path).await.expect(200);
    assert_eq!(shown["location"]["latitude"], json!(north(PICKUP, 2_900.0).0));
}
