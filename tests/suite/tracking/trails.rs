//! The trail of an order: what came late, who sees it, and how it is read.

use std::time::Duration;

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::{PICKUP, Ride, ago, backdate, frame, north, point, refused};
use crate::support::TestApp;
use crate::support::steps::text;

fn often() -> [(&'static str, &'static str); 1] {
    [("WAYBILL_TRAIL_FLUSH_SECS", "1")]
}

fn measured(track: &Value) -> usize {
    track["properties"]["measured"].as_u64().map_or(0, |count| count as usize)
}

#[actix_web::test]
async fn what_a_partner_uploads_after_twenty_minutes_offline_fills_the_trail_newest_first() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    backdate(&app, 1_200);
    let now = north(PICKUP, 5_000.0);
    ride.is_at(now).await;
    assert_eq!(ride.map.expect("location").await["latitude"], json!(now.0));
    // One every 5 s for 18 minutes, shuffled, and one from before the order was under way.
    let mut points: Vec<Value> = (0..216)
        .map(|step| {
            point(north(PICKUP, 20_000.0 - 60.0 * f64::from(step)), ago(1_150 - 5 * u64::from(step as u32)))
        })
        .collect();
    points.rotate_left(77);
    points.push(point(PICKUP, ago(1_500)));
    let answer = ride.upload(&app, points.clone()).await;
    assert_eq!(answer, json!({"accepted": 216, "refused": [{"index": 216, "code": "too_old"}]}));

    let mut told: Vec<String> = Vec::new();
    while told.len() < 216 {
        let trail = ride.map.expect("trail").await;
        assert!(trail["seq"].is_u64(), "it is kept for those who come back: {trail}");
        told.extend(trail["points"].as_array().expect("points").iter().map(|point| text(point, "timestamp")));
    }
    assert!(told.is_sorted_by(|one, next| one > next), "newest first");
    assert_eq!(ride.seen(&app).await["location"]["latitude"], json!(now.0), "and the dot stays");

    // Again, since the answer was lost on the way: nobody hears of it twice.
    ride.upload(&app, points).await;
    ride.is_at(north(PICKUP, 5_010.0)).await;
    ride.is_written(&app, 218).await;
    assert!(ride.map.so_far().await.iter().all(|frame| frame["type"] != "trail"));

    let track = ride.track(&app, &ride.customer).await;
    assert_eq!((&track["type"], &track["geometry"]["type"]), (&json!("Feature"), &json!("LineString")));
    let times = track["properties"]["times"].as_array().expect("times");
    let line = track["geometry"]["coordinates"].as_array().expect("a line");
    assert_eq!(times.len(), line.len());
    assert!(times.is_sorted_by_key(|time| time.as_str()), "oldest first");
    assert_eq!(line.last(), Some(&json!([PICKUP.1, north(PICKUP, 5_010.0).0])), "longitude comes first");
    // A straight way needs few of them.
    let path = format!("/orders/{}/track", ride.order);
    let simple = app.as_user(&ride.customer).get(&path).await;
    assert_eq!(simple.header("content-type"), Some("application/geo+json"));
    let simple = simple.expect(200);
    assert_eq!(measured(&simple), 218);
    assert!(simple["geometry"]["coordinates"].as_array().is_some_and(|line| line.len() < 10), "{simple}");
}

#[actix_web::test]
async fn a_trail_is_written_in_batches_and_a_stop_loses_nothing_of_it() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "60")]).await;
    let mut ride = Ride::begin(&app).await;
    ride.is_at(north(PICKUP, 3_000.0)).await;
    // By then what was promised is written.
    ride.map.expect("eta").await;
    let writes = r#"waybill_database_seconds_count{kind="write"}"#;
    let before = app.figure(writes).await;
    for _ in 0..50 {
        ride.is_at(north(PICKUP, 3_000.0)).await;
    }
    let taken = r#"waybill_location_samples_total{outcome="taken"}"#;
    app.until("all are taken", || async { app.figure(taken).await == 51 }).await;
    let meanwhile = app.figure(writes).await - before;
    assert!(meanwhile < 10, "{meanwhile} writes for 50 samples");
    assert_eq!(measured(&ride.track(&app, &ride.partner).await), 0);

    let (database, stopped) = app.stop().await;
    stopped.expect("it stops in order");
    let app = TestApp::start_on(database, &[]).await;
    assert_eq!(measured(&ride.track(&app, &ride.partner).await), 51);
}

#[actix_web::test]
async fn samples_of_a_delivered_order_fill_its_trail_without_being_told() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    backdate(&app, 900);
    for status in ["arrived", "picked_up", "in_transit", "delivered"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    let answer = ride.upload_in_time(&app, vec![point(PICKUP, ago(600)), point(PICKUP, ago(1_100))]).await;
    assert_eq!(answer, json!({"accepted": 1, "refused": [{"index": 1, "code": "too_old"}]}));
    ride.is_written(&app, 1).await;
    let mut named = point(PICKUP, Timestamp::now());
    named["order_id"] = json!(ride.order);
    let answer = ride.upload(&app, vec![named]).await;
    assert_eq!(answer["refused"], json!([{"index": 0, "code": "no_active_order"}]));
    assert!(ride.map.so_far().await.iter().all(|frame| frame["type"] != "trail"));
}

#[actix_web::test]
async fn a_customer_sees_the_trail_of_the_time_under_way_and_a_stranger_none() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    for metres in [3_000.0, 2_990.0] {
        ride.is_at(north(PICKUP, metres)).await;
    }
    ride.is_written(&app, 2).await;
    let admin = app.admin().await;
    assert_eq!(measured(&ride.track(&app, &admin).await), 2);
    assert_eq!(measured(&ride.track(&app, &ride.customer).await), 2);
    let stranger = app.customer().await;
    let path = format!("/orders/{}/track", ride.order);
    app.as_user(&stranger).get(&path).await.refused(404, "not_found");
    for tolerance in ["-1", "1001", "NaN", "much"] {
        let refused = app.as_user(&admin).get(&format!("{path}?tolerance={tolerance}")).await;
        assert_eq!(refused.refused(422, "invalid_fields")["errors"][0]["field"], "tolerance");
    }
    let fresh = app.order(&ride.customer).await;
    let none = app.as_user(&ride.customer).get(&format!("/orders/{fresh}/track")).await.expect(200);
    assert_eq!((&none["geometry"], measured(&none)), (&Value::Null, 0));
}

#[actix_web::test]
async fn where_the_partner_was_before_setting_off_is_told_to_nobody() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    let home = north(PICKUP, 4_000.0);
    let mut named = point(home, ago(180));
    named["order_id"] = json!(ride.order);
    let answer = ride.upload(&app, vec![point(home, ago(200)), point(home, ago(170)), named]).await;
    assert_eq!(answer, json!({"accepted": 3, "refused": []}), "who is near is known in any case");
    assert_eq!(ride.seen(&app).await["location"], Value::Null);
    let here = north(PICKUP, 3_000.0);
    ride.upload(&app, vec![point(here, ago(100))]).await;
    ride.is_at(here).await;
    ride.map.until_match("the dot of now", |frame| frame["freshness"] == "live").await.iter().for_each(
        |frame| {
            assert!(!frame.to_string().contains(&home.0.to_string()), "{frame}");
        },
    );
    ride.is_written(&app, 2).await;
}

#[actix_web::test]
async fn the_last_minutes_of_a_delivered_order_are_kept_when_they_come_late() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "60")]).await;
    let mut ride = Ride::begin(&app).await;
    for status in ["arrived", "picked_up", "in_transit", "delivered"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    let answer = ride.upload_in_time(&app, vec![point(PICKUP, ago(60)), point(PICKUP, ago(30))]).await;
    assert_eq!(answer["accepted"], 2);
    assert_eq!(
        measured(&ride.track(&app, &ride.customer).await),
        2,
        "they are written once that is answered"
    );
    assert!(ride.map.so_far().await.iter().all(|frame| frame["type"] != "trail"));
}

#[actix_web::test]
async fn where_a_partner_is_after_delivery_is_in_no_trail_whatever_its_clock_says() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    backdate(&app, 700);
    let home = north(PICKUP, 4_000.0);
    let saying = |sent_at: Timestamp| {
        let mut said = frame(home, sent_at);
        said["sent_at"] = json!(sent_at);
        said
    };
    // By a clock that is ten minutes ahead.
    ride.phone.send(saying(Timestamp::now().after(Duration::from_secs(600)))).await;
    ride.map.expect("location").await;
    ride.is_written(&app, 1).await;
    for status in ["arrived", "picked_up", "in_transit", "delivered"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    // It is set, and what it says seems to be of ten minutes ago, when the order was under way.
    for seconds in 1..4 {
        assert_eq!(refused(&mut ride.phone, saying(ago(seconds))).await, "invalid_fields");
    }
    // Of a clock that is slow nothing is known without `sent_at`.
    for seconds in [30, 60, 590] {
        ride.upload(&app, vec![point(home, ago(seconds))]).await;
        let mut named = point(home, ago(seconds + 1));
        named["order_id"] = json!(ride.order);
        let refused = json!([{"index": 0, "code": "no_active_order"}]);
        assert_eq!(ride.upload(&app, vec![named]).await["refused"], refused);
    }
    assert_eq!(measured(&ride.track(&app, &ride.customer).await), 1);
}

#[actix_web::test]
async fn without_the_time_of_sending_a_backlog_fills_the_trail_of_a_delivered_order_but_for_the_last_ten_minutes()
 {
    let app = TestApp::start_with(&often()).await;
    let ride = Ride::begin(&app).await;
    backdate(&app, 1_500);
    for status in ["arrived", "picked_up", "in_transit", "delivered"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    // Offline for twenty minutes, and delivered before this was sent.
    let backlog = [1_200, 900, 650, 500, 120];
    let answer = ride.upload(&app, backlog.map(|seconds| point(PICKUP, ago(seconds))).to_vec()).await;
    assert_eq!(answer, json!({"accepted": 4, "refused": [{"index": 3, "code": "too_old"}]}));
    ride.is_written(&app, 3).await;
}

#[actix_web::test]
async fn what_was_measured_just_before_delivery_and_comes_just_after_is_in_the_trail() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    for status in ["arrived", "picked_up"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    ride.is_at(north(PICKUP, 1_000.0)).await;
    ride.is_written(&app, 1).await;
    let mut last = frame(north(PICKUP, 1_010.0), Timestamp::now());
    for status in ["in_transit", "delivered"] {
        app.step(&ride.partner, &ride.order, status).await;
    }
    last["sent_at"] = json!(Timestamp::now());
    ride.phone.send(last).await;
    ride.is_written(&app, 2).await;
    assert_eq!(measured(&ride.track(&app, &ride.customer).await), 2);
}

#[actix_web::test]
async fn what_jumps_among_late_samples_is_marked_also_when_it_comes_first() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    let (here, far) = (north(PICKUP, 3_000.0), north(PICKUP, 90_000.0));
    let places = [far, here, here, far, here];
    let points: Vec<Value> =
        (0..5).rev().zip(places.iter().rev()).map(|(step, place)| point(*place, ago(100 - step))).collect();
    ride.upload(&app, points).await;
    let told = ride.map.expect("trail").await["points"].clone();
    let latitudes = |points: &Value| -> Vec<Value> {
        points.as_array().into_iter().flatten().map(|point| point["latitude"].clone()).collect()
    };
    assert_eq!(latitudes(&told), vec![json!(here.0); 3]);
    assert_eq!(measured(&ride.track(&app, &ride.partner).await), 3);
    // Alone, and older than the dot.
    ride.is_at(here).await;
    ride.map.expect("location").await;
    ride.upload(&app, vec![point(far, ago(90))]).await;
    ride.upload(&app, vec![point(here, ago(89))]).await;
    assert_eq!(latitudes(&ride.map.expect("trail").await["points"]), [json!(here.0)]);
}

#[actix_web::test]
async fn a_late_sample_that_comes_alone_is_judged_by_those_around_it() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    backdate(&app, 1_200);
    let (here, far) = (north(PICKUP, 3_000.0), north(PICKUP, 500_000.0));
    let line = |from: u64| (0..4).map(|step| point(here, ago(from - step))).collect();
    ride.upload(&app, line(700)).await;
    ride.map.expect("trail").await;
    let mut alone = frame(far, ago(690));
    ride.phone.send(alone.clone()).await;
    ride.upload(&app, line(600)).await;
    ride.map.expect("trail").await;
    // Between those, and two at once.
    alone["timestamp"] = json!(ago(650));
    ride.phone.send(alone).await;
    ride.upload(&app, vec![point(far, ago(640)), point(far, ago(630))]).await;
    ride.upload(&app, vec![point(here, ago(620))]).await;
    let told = ride.map.expect("trail").await;
    assert_eq!(told["points"][0]["latitude"], json!(here.0), "{told}");
    let track = ride.track(&app, &ride.customer).await;
    assert!(measured(&track) == 9 && !track.to_string().contains(&far.0.to_string()), "{track}");
}

#[actix_web::test]
async fn what_waits_to_be_written_is_written_when_the_server_stops() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "60")]).await;
    let mut ride = Ride::begin(&app).await;
    ride.is_at(north(PICKUP, 3_000.0)).await;
    ride.map.expect("location").await;
    let (database, stopped) = app.stop().await;
    stopped.expect("it stops in order");
    let app = TestApp::start_on(database, &[]).await;
    assert_eq!(measured(&ride.track(&app, &ride.partner).await), 1);
}

#[actix_web::test]
async fn trails_are_removed_when_their_time_is_over() {
    use diesel::connection::SimpleConnection;
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    ride.is_at(north(PICKUP, 3_000.0)).await;
    ride.is_written(&app, 1).await;
    // As if it were from 2024: ids tell when orders were placed.
    let old = "018d0000-0000-7000-8000-000000000000";
    crate::faults::stage::direct(app.database())
        .batch_execute(&format!(
            "INSERT INTO track_points (order_id, at, latitude, longitude, flagged) VALUES ('{old}', 1, 0, 0, FALSE);
             UPDATE deadlines SET due_at = 0 WHERE kind = 'purge'"
        ))
        .expect("it is changed");
    app.until("the old trail is gone", || async {
        let points = app.inner().read(|conn| {
            let (from, until) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
            let order_id = "018d0000-0000-7000-8000-000000000000".parse().expect("an id");
            Ok(waybill::store::tracks::trail(conn, order_id, from, until, 10)?)
        });
        points.await.expect("it is read").is_empty()
    })
    .await;
    assert_eq!(measured(&ride.track(&app, &ride.partner).await), 1);
}

#[actix_web::test]
async fn a_row_that_the_database_refuses_keeps_no_other_from_being_written() {
    use diesel::connection::SimpleConnection;
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    let refuse = if app.database().is_shared() {
        "ALTER TABLE track_points ADD CONSTRAINT near CHECK (latitude < 52.6)"
    } else {
        "CREATE TRIGGER near BEFORE INSERT ON track_points WHEN NEW.latitude >= 52.6
         BEGIN SELECT RAISE(ABORT, 'too far'); END"
    };
    crate::faults::stage::direct(app.database()).batch_execute(refuse).expect("it is changed");
    let metres = [3_000.0, 3_001.0, 12_000.0, 3_002.0, 3_003.0];
    let points = metres.iter().zip(0..).map(|(metres, step)| point(north(PICKUP, *metres), ago(9 - step)));
    ride.upload(&app, points.collect()).await;
    ride.is_written(&app, 4).await;
    ride.is_at(north(PICKUP, 3_004.0)).await;
    ride.is_written(&app, 5).await;
}

#[actix_web::test]
async fn what_is_hardly_known_is_in_a_late_trail_where_nothing_better_is() {
    let app = TestApp::start_with(&often()).await;
    let ride = Ride::begin(&app).await;
    let rough = |metres: f64, seconds: u64| {
        let mut point = point(north(PICKUP, metres), ago(seconds));
        point["accuracy"] = json!(600);
        point
    };
    backdate(&app, 1_200);
    let offline = vec![rough(4_000.0, 900), rough(3_800.0, 840), rough(3_600.0, 780), rough(3_400.0, 720)];
    ride.upload(&app, offline).await;
    assert_eq!(measured(&ride.track(&app, &ride.partner).await), 4);
    let (better, rough) = (point(north(PICKUP, 3_300.0), ago(600)), rough(4_200.0, 590));
    ride.upload(&app, vec![better]).await;
    ride.upload(&app, vec![rough]).await;
    assert_eq!(measured(&ride.track(&app, &ride.partner).await), 5, "a better one is there");
}

#[actix_web::test]
async fn what_is_hardly_known_and_came_minutes_late_stays_in_the_trail_beside_a_good_dot_of_now() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    ride.is_at(north(PICKUP, 3_000.0)).await;
    ride.map.expect("location").await;
    let rough = |metres: f64, seconds: u64| {
        let mut point = point(north(PICKUP, metres), ago(seconds));
        point["accuracy"] = json!(500);
        point
    };
    // The last of them was measured when it was known better.
    ride.upload(&app, vec![rough(3_400.0, 120), rough(3_200.0, 90), rough(3_100.0, 30)]).await;
    ride.is_written(&app, 3).await;
    assert_eq!(measured(&ride.track(&app, &ride.partner).await), 3);
}

#[actix_web::test]
async fn a_phone_whose_clock_is_slow_writes_no_event_for_each_of_its_samples() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    // Of the first it cannot be said yet what is late, the phone or its clock.
    ride.phone.send(frame(north(PICKUP, 3_000.0), ago(40))).await;
    ride.map.expect("trail").await;
    for metres in [2_990.0, 2_980.0] {
        ride.phone.send(frame(north(PICKUP, metres), ago(40))).await;
        let is_there = |frame: &Value| frame["latitude"] == json!(north(PICKUP, metres).0);
        let told = ride.map.until_match("the dot", is_there).await;
        assert!(told.iter().all(|frame| frame["type"] != "trail"), "{told:?}");
    }
    ride.is_written(&app, 3).await;
    app.published().await;
    let told = ride.map.so_far().await;
    assert!(told.iter().all(|frame| frame["type"] != "trail"), "{told:?}");
}

#[actix_web::test]
async fn of_a_backlog_that_comes_one_by_one_over_a_slow_link_watchers_hear_each() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    ride.phone.send(frame(north(PICKUP, 3_000.0), ago(100))).await;
    // Slowly, and yet twice as fast as they were measured.
    tokio::time::sleep(Duration::from_millis(2_600)).await;
    ride.phone.send(frame(north(PICKUP, 2_950.0), ago(98))).await;
    let mut told = 0;
    while told < 2 {
        told += ride.map.expect("trail").await["points"].as_array().map_or(0, Vec::len);
    }
    ride.is_written(&app, 2).await;
}

#[actix_web::test]
async fn of_a_backlog_that_comes_one_by_one_watchers_hear_each() {
    let app = TestApp::start_with(&often()).await;
    let mut ride = Ride::begin(&app).await;
    for seconds in [100, 90, 80, 70, 60] {
        ride.phone.send(frame(north(PICKUP, 3_000.0), ago(seconds))).await;
    }
    let mut told = 0;
    while told < 5 {
        told += ride.map.expect("trail").await["points"].as_array().map_or(0, Vec::len);
    }
    ride.is_written(&app, 5).await;
}
