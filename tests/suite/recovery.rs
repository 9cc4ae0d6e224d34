//! Coming back: exactly what was missed, or a fresh snapshot; and no seam between snapshot and stream.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestUser};

/// A session that has subscribed, and the answer.
async fn subscribed(app: &TestApp, user: &TestUser, group: &str, since: Value) -> (Socket, Value) {
    let mut socket = app.connect(user, "/ws/").await;
    socket.expect("welcome").await;
    socket.send(json!({"type": "subscribe", "group": group, "since": since})).await;
    let answer = socket.next().await;
    assert_eq!(
        (answer["type"].as_str(), answer["group"].as_str()),
        (Some("subscribed"), Some(group)),
        "{answer}"
    );
    (socket, answer)
}

/// Where an event stands.
fn position(event: &Value) -> Value {
    json!({"epoch": event["epoch"], "seq": event["seq"]})
}

/// An order in the middle of its life, where its group's stream stood then, and what came after that.
async fn missed(app: &TestApp) -> (TestUser, TestUser, String, Value, Vec<Value>) {
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let mut away = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    let mut witness = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    witness.expect("presence").await;
    app.step(&partner, &order, "en_route").await;
    let last_seen = position(&away.expect("order_update").await);
    away.close().await;
    witness.expect("order_update").await;
    let mut missed = Vec::new();
    for to in ["arrived", "picked_up", "in_transit"] {
        app.step(&partner, &order, to).await;
        missed.push(witness.expect("order_update").await);
    }
    (customer, partner, order, last_seen, missed)
}

#[actix_web::test]
async fn guarantee_3_who_comes_back_gets_exactly_what_was_missed() {
    let app = TestApp::start().await;
    let (customer, partner, order, last_seen, missed) = missed(&app).await;
    let group = format!("order_{order}");
    let (mut socket, answer) = subscribed(&app, &customer, &group, last_seen.clone()).await;
    assert_eq!(
        (&answer["recovered"], &answer["seq"], &answer["epoch"]),
        (&json!(true), &last_seen["seq"], &last_seen["epoch"])
    );
    for event in &missed {
        // The same event under the same id and number: no snapshot comes before it, and nothing in between.
        assert_eq!(socket.next().await, *event);
    }
    // And then what is new.
    app.step(&partner, &order, "delivered").await;
    let next = socket.expect("order_update").await;
    assert_eq!(next["seq"].as_u64(), missed[2]["seq"].as_u64().map(|seq| seq + 1));

    // Who missed nothing gets nothing.
    let (mut socket, answer) = subscribed(&app, &customer, &group, position(&next)).await;
    assert_eq!(answer["recovered"], true);
    let frames = socket.so_far().await;
    assert!(frames.iter().all(|frame| frame["type"] == "presence"), "{frames:?}");
}

#[actix_web::test]
async fn guarantee_3_the_position_of_a_snapshot_is_one_to_come_back_to() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let mut socket = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    let since = socket.next().await["position"].clone();
    let mut witness = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    witness.expect("presence").await;
    socket.close().await;
    app.step(&partner, &order, "en_route").await;
    let missed = witness.expect("order_update").await;
    let (mut socket, answer) = subscribed(&app, &customer, &format!("order_{order}"), since).await;
    assert_eq!(answer["recovered"], true);
    assert_eq!(socket.expect("order_update").await, missed);
}

#[actix_web::test]
async fn guarantee_3_in_another_epoch_there_is_a_fresh_snapshot() {
    let app = TestApp::start().await;
    let (customer, partner, order, last_seen, missed) = missed(&app).await;
    let group = format!("order_{order}");
    for since in [
        json!({"epoch": "another", "seq": last_seen["seq"]}),
        json!({"epoch": "", "seq": 0}),
        // Numbers that were never given out.
        json!({"epoch": last_seen["epoch"], "seq": 1000}),
        json!({"epoch": last_seen["epoch"], "seq": u64::MAX}),
    ] {
        let (mut socket, answer) = subscribed(&app, &customer, &group, since.clone()).await;
        assert_eq!(answer["recovered"], false, "{since}");
        let snapshot = socket.next().await;
        assert_eq!(
            (&snapshot["type"], &snapshot["order"]["status"]),
            (&json!("order_status"), &json!("in_transit"))
        );
        assert_eq!(snapshot["position"]["seq"], missed[2]["seq"]);
    }
    // A server that was started anew numbers anew, unless Redis has gone on counting.
    let is_shared = app.database().redis().is_some();
    let app = TestApp::start_on(app.crash(), &[]).await;
    let (mut socket, answer) = subscribed(&app, &customer, &group, position(&missed[2])).await;
    assert_eq!(answer["recovered"], is_shared);
    assert_eq!(answer["epoch"] == last_seen["epoch"], is_shared);
    if !is_shared {
        assert_eq!(socket.next().await["order"]["status"], "in_transit");
    }
    app.step(&partner, &order, "delivered").await;
    assert_eq!(socket.expect("order_update").await["update"]["status"], "delivered");
}

#[actix_web::test]
async fn guarantee_3_past_the_replay_window_there_is_a_fresh_snapshot() {
    let app = TestApp::start_with(&[("WAYBILL_REPLAY_EVENTS", "2")]).await;
    let (customer, partner, order, last_seen, missed) = missed(&app).await;
    let group = format!("order_{order}");
    let (mut socket, answer) = subscribed(&app, &customer, &group, last_seen).await;
    assert_eq!((&answer["recovered"], &answer["seq"]), (&json!(false), &missed[2]["seq"]));
    assert_eq!(socket.next().await["order"]["status"], "in_transit");
    app.step(&partner, &order, "delivered").await;
    assert_eq!(socket.expect("order_update").await["update"]["version"], 8);
    // The last two are still there.
    let (mut socket, answer) = subscribed(&app, &customer, &group, position(&missed[1])).await;
    assert_eq!(answer["recovered"], true);
    assert_eq!(socket.next().await, missed[2]);
}

#[actix_web::test]
async fn guarantee_7_nothing_is_missing_between_a_snapshot_and_the_events_after_it() {
    let app = TestApp::start().await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let order = app.order(&customer).await;
    app.assign(&admin, &order, &partner).await;
    let path = format!("/ws/orders/{order}/");
    // Watchers who come while the order moves on, each after another call.
    let watch = async |calls: usize| {
        for _ in 0..calls {
            app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200);
        }
        let mut socket = app.connect(&customer, &path).await;
        let first = socket.next().await;
        let mut version = first["order"]["version"].as_i64().expect("a number");
        let mut seq = first["position"]["seq"].as_u64().expect("a number");
        while version < 8 {
            let event = socket.expect("order_update").await;
            assert_eq!(event["seq"].as_u64(), Some(seq + 1), "{event}");
            seq += 1;
            let update = event["update"]["version"].as_i64().expect("a number");
            // What the snapshot had already may follow once more; nothing is left out.
            assert!(update <= version + 1, "{update} after {version}");
            version = version.max(update);
        }
        (version, seq)
    };
    let watching = join_all((0..16).map(watch));
    let (ends, ()) = join(watching, app.carry_to(&partner, &order, "delivered")).await;
    assert!(ends.iter().all(|end| end.0 == 8), "{ends:?}");
}

#[actix_web::test]
async fn guarantee_7_the_unread_count_ends_right_whenever_one_joins() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let placing = async {
        for _ in 0..6 {
            app.order(&customer).await;
        }
    };
    let watch = async |calls: usize| {
        for _ in 0..calls {
            app.as_user(&customer).get("/notifications/unread_count").await.expect(200);
        }
        let mut socket = app.connect(&customer, "/ws/notifications/").await;
        let mut count = 0;
        while count < 12 {
            let next = socket.expect("unread_count").await["count"].as_i64().expect("a number");
            // A state: the latest counts, and an older one never follows it.
            assert!(next >= count, "{next} after {count}");
            count = next;
        }
    };
    join(join_all((0..12).map(watch)), placing).await;
}
