//! Partners whom several servers follow: what one of them knows, the others do, also when it is gone.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;
use waybill::domain::time::Timestamp;

use super::Fleet;
use crate::support::steps::text;
use crate::support::{TestApp, TestUser};
use crate::tracking::{PICKUP, ago, backdate_in, frame, north, point, promise};

/// An order that its partner is on the way with, for some minutes.
async fn under_way(app: &TestApp) -> (TestUser, TestUser, String) {
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.step(&partner, &order, "en_route").await;
    (customer, partner, order)
}

fn map(order: &str) -> String {
    format!("/ws/orders/{order}/")
}

async fn seen(app: &TestApp, who: &TestUser, order: &str) -> Value {
    app.as_user(who).get(&format!("/orders/{order}")).await.expect(200)
}

/// Waits until a server shows the partner there.
async fn until_seen(app: &TestApp, who: &TestUser, order: &str, place: (f64, f64)) {
    app.until("the position is known", || async {
        seen(app, who, order).await["location"]["latitude"] == json!(place.0)
    })
    .await;
}

#[actix_web::test]
async fn what_jumps_from_what_another_server_has_seen_is_not_shown() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = under_way(here).await;
    let mut screen = there.connect(&customer, &map(&order)).await;
    let (place, next) = (north(PICKUP, 3_000.0), north(PICKUP, 2_990.0));
    let mut phone = here.connect(&partner, "/ws/partner/").await;
    phone.send(frame(place, Timestamp::now())).await;
    until_seen(there, &customer, &order, place).await;
    let mut moved = there.connect(&partner, "/ws/partner/").await;
    moved.expect("queue").await;
    moved.send(frame(north(PICKUP, 90_000.0), Timestamp::now())).await;
    moved.so_far().await;
    moved.send(frame(next, Timestamp::now().after(Duration::from_millis(2)))).await;
    let is_next = |frame: &Value| frame["latitude"] == json!(next.0);
    let frames = screen.until_match("the position after that", is_next).await;
    let far = |frame: &&Value| frame["latitude"].as_f64() > Some(53.0);
    assert_eq!(frames.iter().filter(far).count(), 0, "{frames:?}");
    until_seen(here, &customer, &order, next).await;
}

#[actix_web::test]
async fn a_server_that_comes_later_knows_where_a_silent_partner_was() {
    let mut fleet = Fleet::start(2).await;
    let (here, _) = fleet.two();
    let (customer, partner, order) = under_way(here).await;
    backdate_in(&fleet.database, 150);
    let (place, measured) = (north(PICKUP, 3_000.0), ago(40));
    let body = json!({"points": [point(place, measured)]});
    here.as_user(&partner).post("/partner/locations", body).await.expect(202);
    here.until("it is expected", || async { !seen(here, &customer, &order).await["eta"].is_null() }).await;
    let eta = seen(here, &customer, &order).await["eta"].clone();
    fleet.add(&[]).await;
    let late = fleet.apps.last().expect("it");
    let shown = seen(late, &customer, &order).await["location"].clone();
    assert_eq!((&shown["timestamp"], &shown["freshness"]), (&json!(measured), &json!("stale")), "{shown}");
    late.until("it is expected there, too", || async {
        seen(late, &customer, &order).await["eta"]["promised_at"] == eta["promised_at"]
    })
    .await;
}

#[actix_web::test]
async fn risk_is_told_also_when_the_server_is_gone_that_followed_the_partner() {
    let mut fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = under_way(here).await;
    backdate_in(&fleet.database, 150);
    let mut screen = there.connect(&customer, &map(&order)).await;
    let measured = ago(15);
    promise(here, &order, 1_000.0, measured, 11.0).await;
    let mut phone = here.connect(&partner, "/ws/partner/").await;
    phone.send(frame(north(PICKUP, 1_000.0), measured)).await;
    let first = screen.expect("eta").await["eta"].clone();
    assert_eq!(first["late_risk"], "none");
    there
        .until("the other server has the ETA", || async {
            seen(there, &customer, &order).await["eta"]["promised_at"] == first["promised_at"]
        })
        .await;
    drop(phone);
    fleet.apps.remove(0).vanish();
    let is_at_risk = |frame: &Value| frame["eta"]["late_risk"] == "possible";
    let told = screen.until_match("a risk", is_at_risk).await.pop().expect("it")["eta"].clone();
    assert_eq!(told["promised_at"], first["promised_at"]);
    assert!(told["seconds"].as_u64() > Some(100), "it is not broken yet: {told}");
}

#[actix_web::test]
async fn an_app_sends_often_when_somebody_watches_on_any_server_and_seldom_when_nobody_does() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = under_way(here).await;
    // The partner's own map is no watcher, wherever it is.
    let mut own = there.connect(&partner, &map(&order)).await;
    own.expect("presence").await;
    let mut phone = here.connect(&partner, "/ws/partner/").await;
    phone.expect("queue").await;
    let place = north(PICKUP, 3_000.0);
    phone.send(frame(place, Timestamp::now())).await;
    assert_eq!(phone.expect("cadence").await["interval"], 15);
    let mut screen = there.connect(&customer, &map(&order)).await;
    screen.expect("presence").await;
    let phone = Mutex::new(phone);
    here.until("it is known to be watched there", || async {
        let mut phone = phone.lock().await;
        phone.send(frame(place, Timestamp::now())).await;
        phone.so_far().await.iter().any(|frame| frame["type"] == "cadence" && frame["interval"] == 3)
    })
    .await;
}

#[actix_web::test]
async fn once_an_order_is_delivered_on_one_server_no_other_shows_where_its_partner_is() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = under_way(here).await;
    // Another order of the same partner's goes on: what is shown there would be shown here as well.
    let other = here.order(&customer).await;
    here.assign(&here.admin().await, &other, &partner).await;
    here.step(&partner, &other, "en_route").await;
    let mut screens =
        [here.connect(&customer, &map(&order)).await, there.connect(&customer, &map(&order)).await];
    let mut beside =
        [here.connect(&customer, &map(&other)).await, there.connect(&customer, &map(&other)).await];
    for screen in screens.iter_mut().chain(&mut beside) {
        screen.expect("presence").await;
    }
    for status in ["arrived", "picked_up", "in_transit"] {
        there.step(&partner, &order, status).await;
    }
    let mut phone = here.connect(&partner, "/ws/partner/").await;
    let (first, second) = (north(PICKUP, 3_000.0), north(PICKUP, 2_990.0));
    phone.send(frame(first, Timestamp::now())).await;
    for screen in screens.iter_mut().chain(&mut beside) {
        screen.until_match("the first", |frame| frame["latitude"] == json!(first.0)).await;
    }
    // It waits for its turn, since no order's position is told more than once a second.
    phone.send(frame(second, Timestamp::now())).await;
    there.step(&partner, &order, "delivered").await;
    phone.send(frame(second, Timestamp::now().after(Duration::from_millis(5)))).await;
    for screen in &mut beside {
        screen.until_match("the second", |frame| frame["latitude"] == json!(second.0)).await;
    }
    for (app, screen) in [here, there].into_iter().zip(&mut screens) {
        screen.until_match("delivered", |frame| frame["update"]["status"] == "delivered").await;
        let after = screen.so_far().await;
        assert!(after.iter().all(|frame| frame["type"] != "location" && frame["type"] != "eta"), "{after:?}");
        let order = seen(app, &customer, &order).await;
        assert_eq!((&order["location"], &order["eta"]), (&Value::Null, &Value::Null));
    }
}
