//! When a partner is expected, with a routing back end that speaks OSRM's HTTP API: quick, slow, wrong and absent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::{PICKUP, Ride, ago, frame, north};
use crate::support::TestApp;

/// How a back end answers.
#[derive(Debug, Clone)]
enum Manner {
    /// After so long.
    Answers(Duration),
    /// With this text instead.
    Says(String),
    /// That it cannot, for this reason.
    Refuses(&'static str),
}

/// A back end on a port of its own, for as long as this lives.
struct BackEnd {
    url: String,
    asked: Arc<AtomicUsize>,
    server: actix_web::dev::ServerHandle,
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        // It goes with the test's runtime.
        drop(self.server.stop(false));
    }
}

fn route(distance: f64, duration: f64) -> Value {
    json!({
        "code": "Ok",
        "routes": [{"legs": [{"steps": [], "distance": distance, "duration": duration, "summary": "", "weight": duration}],
            "distance": distance, "duration": duration, "weight_name": "routability", "weight": duration}],
        "waypoints": [],
    })
}

impl BackEnd {
    fn start(manner: Manner) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let server = HttpServer::new(move || {
            let (manner, count) = (manner.clone(), Arc::clone(&count));
            let answer = move |path: web::Path<String>, query: web::Query<Value>| {
                let (manner, count) = (manner.clone(), Arc::clone(&count));
                async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    let places: Vec<f64> =
                        path.split([',', ';']).map(|number| number.parse().expect("a number")).collect();
                    assert_eq!(places.len(), 4, "{path}");
                    assert_eq!((places[2], places[3]), (PICKUP.1, PICKUP.0), "longitude comes first");
                    assert_eq!(query["overview"], "false");
                    match manner {
                        Manner::Says(text) => HttpResponse::Ok().content_type("application/json").body(text),
                        Manner::Refuses(code) => {
                            HttpResponse::BadRequest().json(json!({"code": code, "message": "It cannot."}))
                        }
                        Manner::Answers(pause) => {
                            tokio::time::sleep(pause).await;
                            HttpResponse::Ok().json(route(2_500.0, 600.0))
                        }
                    }
                }
            };
            App::new().route("/route/v1/driving/{places}", web::get().to(answer))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, asked, server: handle }
    }
}

#[actix_web::test]
async fn a_routing_back_end_says_how_long_the_way_is() {
    let back_end = BackEnd::start(Manner::Answers(Duration::ZERO));
    let app = TestApp::start_with(&[("WAYBILL_ROUTING_URL", &back_end.url)]).await;
    let mut ride = Ride::begin(&app).await;
    ride.is_at(north(PICKUP, 2_000.0)).await;
    let told = |frame: &Value| frame["eta"]["source"] == "routing";
    let eta = ride.map.until_match("a route", told).await.pop().expect("it")["eta"].clone();
    assert_eq!(eta["distance"], 2_500);
    assert!((595..=600).contains(&eta["seconds"].as_u64().expect("seconds")), "{eta}");
    // It is not asked again for every sample: what is left of the way is reckoned.
    ride.is_at(north(PICKUP, 1_950.0)).await;
    ride.map.until_match("the position", |frame| frame["latitude"] == json!(north(PICKUP, 1_950.0).0)).await;
    let left = async || ride.seen(&app).await["eta"]["distance"].as_u64().expect("metres");
    app.until("what is left", || async { (2_430..2_445).contains(&left().await) }).await;
    assert_eq!(back_end.asked.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn a_back_end_is_asked_from_where_the_partner_is_known_to_be() {
    let back_end = BackEnd::start(Manner::Answers(Duration::ZERO));
    let app = TestApp::start_with(&[("WAYBILL_ROUTING_URL", &back_end.url)]).await;
    let mut ride = Ride::begin(&app).await;
    let mut rough = frame(north(PICKUP, 40_000.0), ago(1));
    rough["accuracy"] = json!(50_000);
    ride.phone.send(rough).await;
    ride.map.expect("location").await;
    ride.is_at(north(PICKUP, 2_000.0)).await;
    let eta = ride.map.expect("eta").await["eta"].clone();
    assert_eq!((&eta["source"], &eta["distance"]), (&json!("routing"), &json!(2_500)));
    assert_eq!(eta["promised_at"], eta["arrives_at"]);
    assert_eq!(back_end.asked.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn a_slow_back_end_costs_nothing_and_its_answer_is_used_when_it_comes() {
    let back_end = BackEnd::start(Manner::Answers(Duration::from_millis(700)));
    let app = TestApp::start_with(&[("WAYBILL_ROUTING_URL", &back_end.url)]).await;
    let mut ride = Ride::begin(&app).await;
    ride.is_at(north(PICKUP, 2_000.0)).await;
    ride.map.expect("location").await;
    let begin = Instant::now();
    assert_eq!(ride.map.expect("eta").await["eta"]["source"], "estimate");
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    assert_eq!(ride.map.expect("eta").await["eta"]["source"], "routing");
}

/// Between the frames of the first position and of the first ETA, by the server's clock.
async fn first_eta_after(app: &TestApp) -> Duration {
    let mut ride = Ride::begin(app).await;
    ride.is_at(north(PICKUP, 2_000.0)).await;
    let shown = ride.map.expect("location").await;
    let told = ride.map.expect("eta").await;
    assert_eq!(told["eta"]["source"], "estimate");
    let [shown, told]: [Timestamp; 2] =
        [shown, told].map(|frame| serde_json::from_value(frame["at"].clone()).expect("a time"));
    told.since(shown)
}

/// The median of several: the machine may be busy with other tests, and so make one late. No more than the failures after
/// which a back end is left alone, so that each is asked for.
async fn usual_first_eta(settings: &[(&str, &str)]) -> Duration {
    let app = TestApp::start_with(settings).await;
    let mut all = [Duration::MAX; 3];
    for took in &mut all {
        *took = first_eta_after(&app).await;
    }
    all.sort();
    all[1]
}

#[actix_web::test]
async fn without_an_answer_the_estimate_is_told_within_50_ms() {
    let slow = BackEnd::start(Manner::Answers(Duration::from_millis(1_500)));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}", silent.local_addr().expect("its address"));
    let wrong = BackEnd::start(Manner::Says("no JSON".into()));
    let knows_no_way = BackEnd::start(Manner::Refuses("NoRoute"));
    let absent =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let absent = format!("http://{absent}");
    // Where it is not even asked: some milliseconds, unless the machine has no time for any of this.
    let usual = usual_first_eta(&[]).await;
    let bar = Duration::from_millis(50) + usual.saturating_sub(Duration::from_millis(10));
    let back_ends = [
        ("slow", &slow.url),
        ("silent", &silent),
        ("wrong", &wrong.url),
        ("without a way", &knows_no_way.url),
        ("absent", &absent),
    ];
    for (manner, url) in back_ends {
        let took = usual_first_eta(&[("WAYBILL_ROUTING_URL", url)]).await;
        assert!(took <= bar, "{manner}: {took:?}, and {usual:?} without a back end");
    }
    for back_end in [slow, wrong, knows_no_way] {
        assert_eq!(back_end.asked.load(Ordering::SeqCst), 3);
    }
}

#[actix_web::test]
async fn an_answer_that_comes_when_the_way_has_ended_is_told_to_nobody() {
    let back_end = BackEnd::start(Manner::Answers(Duration::from_millis(1_000)));
    let app = TestApp::start_with(&[("WAYBILL_ROUTING_URL", &back_end.url)]).await;
    let (mut ride, mut other) = (Ride::begin(&app).await, Ride::begin(&app).await);
    ride.is_at(north(PICKUP, 2_000.0)).await;
    assert_eq!(ride.map.expect("eta").await["eta"]["source"], "estimate");
    app.step(&ride.partner, &ride.order, "arrived").await;
    ride.map.until_match("arrived", |frame| frame["update"]["status"] == "arrived").await;
    // This one is asked for later, and answered.
    other.is_at(north(PICKUP, 2_000.0)).await;
    other.map.until_match("a route", |frame| frame["eta"]["source"] == "routing").await;
    assert_eq!(back_end.asked.load(Ordering::SeqCst), 2);
    assert!(ride.map.so_far().await.iter().all(|frame| frame["type"] != "eta"));
}

#[actix_web::test]
async fn with_a_back_end_that_is_wrong_or_absent_the_estimate_is_told() {
    let answers = [
        "no JSON".to_owned(),
        "{}".to_owned(),
        json!({"code": "NoRoute", "message": "Impossible route between points"}).to_string(),
        json!({"code": "Ok", "routes": []}).to_string(),
        route(2_500.0, 600.0).to_string().replace("600.0", "NaN"),
        route(2_500.0, 600.0).to_string().replace("600.0", "1e999"),
        route(2_500.0, -600.0).to_string(),
        route(2_500.0, 0.0).to_string(),
        route(9e9, 600.0).to_string(),
        route(1.0, 600.0).to_string(),
        "x".repeat(1 << 20),
    ];
    for answer in answers {
        let shown: String = answer.chars().take(80).collect();
        let back_end = BackEnd::start(Manner::Says(answer));
        let app = TestApp::start_with(&[("WAYBILL_ROUTING_URL", &back_end.url)]).await;
        let mut ride = Ride::begin(&app).await;
        ride.is_at(north(PICKUP, 2_000.0)).await;
        assert_eq!(ride.map.expect("eta").await["eta"]["source"], "estimate", "{shown}");
        app.until("it was asked", || async { back_end.asked.load(Ordering::SeqCst) == 1 }).await;
    }
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    // One that takes connections and says nothing, and one that is not there.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    for address in [closed, silent.local_addr().expect("its address")] {
        let app = TestApp::start_with(&[("WAYBILL_ROUTING_URL", &format!("http://{address}"))]).await;
        let mut ride = Ride::begin(&app).await;
        ride.is_at(north(PICKUP, 2_000.0)).await;
        assert_eq!(ride.map.expect("eta").await["eta"]["source"], "estimate");
    }
}

#[actix_web::test]
async fn a_back_end_that_keeps_failing_is_left_alone() {
    let back_end = BackEnd::start(Manner::Says("broken".into()));
    let app = TestApp::start_with(&[("WAYBILL_ROUTING_URL", &back_end.url)]).await;
    for _ in 0..6 {
        let mut ride = Ride::begin(&app).await;
        ride.is_at(north(PICKUP, 2_000.0)).await;
        assert_eq!(ride.map.expect("eta").await["eta"]["source"], "estimate");
    }
    // Three failures are enough; one more may have been asked before the third was known.
    let asked = back_end.asked.load(Ordering::SeqCst);
    assert!((3..=4).contains(&asked), "{asked}");
}

#[actix_web::test]
async fn a_back_end_that_knows_of_no_way_has_answered_and_is_asked_about_other_orders() {
    for code in ["NoRoute", "NoSegment"] {
        let back_end = BackEnd::start(Manner::Refuses(code));
        let app = TestApp::start_with(&[("WAYBILL_ROUTING_URL", &back_end.url)]).await;
        for asked in 1..=5 {
            let mut ride = Ride::begin(&app).await;
            ride.is_at(north(PICKUP, 2_000.0)).await;
            assert_eq!(ride.map.expect("eta").await["eta"]["source"], "estimate");
            app.until("it was asked", || async { back_end.asked.load(Ordering::SeqCst) == asked }).await;
        }
    }
}
