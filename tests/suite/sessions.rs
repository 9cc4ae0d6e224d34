//! Sessions: subscribing, who is there, how many there may be, how long a token lasts, and what is read where.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::raw::{PING, PONG, Raw};
use crate::support::sign::{claims, claims_with, hs256};
use crate::support::socket::PATIENCE;
use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestUser};

/// A session on `/ws/` that has said its welcome.
async fn session(app: &TestApp, user: &TestUser) -> Socket {
    let mut socket = app.connect(user, "/ws/").await;
    assert_eq!(socket.next().await["type"], "welcome");
    socket
}

/// Subscribes and gives the answer.
async fn subscribe(socket: &mut Socket, group: &str) -> Value {
    socket.send(json!({"type": "subscribe", "group": group, "ref": group})).await;
    let answers = |frame: &Value| frame["ref"] == group;
    socket.until_match("an answer", answers).await.pop().expect("the answer")
}

async fn is_alive(socket: &mut Socket) {
    socket.so_far().await;
}

#[actix_web::test]
async fn subscribing_leaving_and_subscribing_in_one_breath_makes_one_subscription_that_stands() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let group = format!("order_{order}");
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let mut socket = session(&app, &customer).await;
        for (kind, mark) in [("subscribe", "1"), ("unsubscribe", "2"), ("subscribe", "3")] {
            socket.send(json!({"type": kind, "group": group, "ref": mark})).await;
        }
        let answers = socket.until_match("the last answer", |frame| frame["ref"] == "3").await;
        let of_first = answers.iter().filter(|frame| frame["ref"] == "1" && frame["type"] == "subscribed");
        assert!(of_first.count() <= 1, "{answers:?}");
        assert_eq!(answers.last().expect("the last")["type"], "subscribed", "{answers:?}");
        // It stands: were it still being made, this would be refused.
        assert_eq!(socket.expect("order_status").await["order"]["id"], order.as_str());
        assert_eq!(subscribe(&mut socket, &group).await["type"], "subscribed");
        socket.expect("order_status").await;
        sockets.push(socket);
    }
    app.step(&partner, &order, "en_route").await;
    for mut socket in sockets {
        socket.expect("order_update").await;
        let more = socket.so_far().await;
        assert!(more.iter().all(|frame| frame["type"] != "order_update"), "{more:?}");
    }
}

#[actix_web::test]
async fn a_subscription_is_answered_begins_with_a_snapshot_and_ends_when_asked() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let group = format!("order_{order}");
    let mut socket = session(&app, &customer).await;
    let mut witness = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    witness.expect("presence").await;

    let subscribed = subscribe(&mut socket, &group).await;
    assert_eq!(
        (subscribed["type"].as_str(), subscribed["group"].as_str()),
        (Some("subscribed"), Some(group.as_str()))
    );
    assert_eq!(subscribed["recovered"], false);
    let snapshot = socket.next().await;
    assert_eq!(
        (snapshot["type"].as_str(), snapshot["order"]["id"].as_str()),
        (Some("order_status"), Some(order.as_str()))
    );
    assert_eq!(snapshot["position"], json!({"epoch": subscribed["epoch"], "seq": subscribed["seq"]}));

    app.step(&partner, &order, "en_route").await;
    let update = socket.expect("order_update").await;
    assert_eq!((&update["group"], &update["epoch"]), (&json!(group), &subscribed["epoch"]));
    assert_eq!(update["seq"].as_u64(), subscribed["seq"].as_u64().map(|seq| seq + 1));
    witness.expect("order_update").await;

    socket.send(json!({"type": "unsubscribe", "group": group, "ref": "enough"})).await;
    let ended = socket.expect("unsubscribed").await;
    assert_eq!((&ended["group"], &ended["ref"], ended.get("code")), (&json!(group), &json!("enough"), None));
    app.step(&partner, &order, "arrived").await;
    witness.expect("order_update").await;
    assert_eq!(socket.so_far().await, Vec::<Value>::new());
    socket.send(json!({"type": "unsubscribe", "group": group, "ref": "again"})).await;
    let refused = socket.expect("error").await;
    assert_eq!((&refused["code"], &refused["ref"]), (&json!("not_subscribed"), &json!("again")));
}

#[actix_web::test]
async fn a_group_of_others_is_refused_and_the_session_goes_on() {
    let app = TestApp::start().await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let partner_group = format!("partner_{}", partner.partner_id.expect("a partner"));
    let groups = [format!("user_{}", admin.id), partner_group.clone(), "admin_dashboard".into()];
    let mut socket = session(&app, &customer).await;
    for group in &groups {
        let refused = subscribe(&mut socket, group).await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!("group_not_allowed")),
            "{refused}"
        );
    }
    // An admin sees everything but other people's own.
    let mut socket = session(&app, &admin).await;
    for (group, expected) in [
        (format!("user_{}", customer.id), "error"),
        (partner_group, "error"),
        (format!("user_{}", admin.id), "subscribed"),
        ("admin_dashboard".into(), "subscribed"),
    ] {
        assert_eq!(subscribe(&mut socket, &group).await["type"], expected, "{group}");
    }
}

#[actix_web::test]
async fn a_session_holds_128_subscriptions_and_no_more() {
    let app = TestApp::start_with(&[("WAYBILL_FRAMES_PER_SECOND", "1000")]).await;
    let customer = app.customer().await;
    let mut groups = vec![format!("user_{}", customer.id)];
    for _ in 0..16 {
        let orders = join_all((0..8).map(|_| app.order(&customer))).await;
        groups.extend(orders.iter().map(|order| format!("order_{order}")));
    }
    let mut socket = session(&app, &customer).await;
    let (last, first) = groups.split_last().expect("129 groups");
    for group in first {
        assert_eq!(subscribe(&mut socket, group).await["type"], "subscribed", "{group}");
    }
    let refused = subscribe(&mut socket, last).await;
    assert_eq!(refused["code"], "too_many_subscriptions", "{refused}");
    // Where one goes another may come.
    socket.send(json!({"type": "unsubscribe", "group": first[5]})).await;
    socket.expect("unsubscribed").await;
    assert_eq!(subscribe(&mut socket, last).await["type"], "subscribed");
}

#[actix_web::test]
async fn one_session_too_many_takes_the_place_of_the_oldest() {
    let app = TestApp::start_with(&[("WAYBILL_SESSIONS_PER_USER", "2")]).await;
    let (customer, other) = (app.customer().await, app.customer().await);
    let mut theirs = session(&app, &other).await;
    let mut first = app.connect(&customer, "/ws/notifications/").await;
    first.expect("unread_count").await;
    let mut second = session(&app, &customer).await;
    let mut third = session(&app, &customer).await;
    assert_eq!(first.closed().await.0, 4409);
    let mut fourth = session(&app, &customer).await;
    assert_eq!(second.closed().await.0, 4409);
    for socket in [&mut third, &mut fourth, &mut theirs] {
        is_alive(socket).await;
    }
}

#[actix_web::test]
async fn who_is_there_is_told_in_the_groups_of_orders_and_admins() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let admin = app.admin().await;
    for (group, path, first, second) in [
        (format!("order_{order}"), format!("/ws/orders/{order}/"), &customer, &partner),
        ("admin_dashboard".into(), "/ws/admin/".into(), &admin, &app.admin().await),
    ] {
        let mut watching = app.connect(first, &path).await;
        let present = watching.expect("presence").await;
        assert_eq!((&present["group"], &present["count"]), (&json!(group), &json!(1)));
        let ids = |present: &Value| -> Vec<String> {
            let members = present["members"].as_array().expect("members");
            members.iter().map(|member| text(member, "user_id")).collect()
        };
        assert_eq!(ids(&present), [first.id.to_string()]);
        assert_eq!(present.get("seq"), None, "{present}");

        let mut coming = app.connect(second, &path).await;
        let present = coming.expect("presence").await;
        let mut expected = [first.id.to_string(), second.id.to_string()];
        expected.sort();
        let mut found = ids(&present);
        found.sort();
        assert_eq!(found, expected);
        let joined = watching.expect("presence").await;
        assert_eq!(
            (&joined["joined"]["user_id"], &joined["count"]),
            (&json!(second.id), &json!(2)),
            "{joined}"
        );
        // The same user once more is no news, and neither is the first of two leaving.
        let mut again = app.connect(second, &path).await;
        again.expect("presence").await;
        coming.close().await;
        again.close().await;
        let left = watching.expect("presence").await;
        assert_eq!((&left["left"]["user_id"], left.get("joined")), (&json!(second.id), None), "{left}");
        assert_eq!(left["count"], 1, "{left}");
    }
}

#[actix_web::test]
async fn a_ref_is_repeated_by_every_answer() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut socket = session(&app, &admin).await;
    let fresh = hs256(&claims(&admin));
    for (frame, answer) in [
        (json!({"type": "ping"}), "pong"),
        (json!({"type": "subscribe", "group": "admin_dashboard"}), "subscribed"),
        (json!({"type": "unsubscribe", "group": "admin_dashboard"}), "unsubscribed"),
        (json!({"type": "auth", "token": fresh}), "authenticated"),
        (json!({"type": "mark_read", "id": "0190163d-8694-739b-aea5-966c26f8ad90"}), "error"),
    ] {
        let mut with_ref = frame.clone();
        with_ref["ref"] = json!(format!("mark of {answer}"));
        socket.send(with_ref).await;
        assert_eq!(socket.expect(answer).await["ref"], format!("mark of {answer}"));
    }
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.expect("pong").await.get("ref"), None);
}

#[actix_web::test]
async fn a_session_is_pinged_and_one_that_stays_silent_is_closed() {
    let app = TestApp::start_with(&[("WAYBILL_PING_SECS", "1"), ("WAYBILL_IDLE_SECS", "2")]).await;
    let user = app.customer().await;
    let headers = format!("Authorization: Bearer {}", user.token);
    let (mut answering, _) = Raw::open(app.address(), "/ws/", &headers).await.expect("let in");
    let silent = async {
        let (mut silent, _) = Raw::open(app.address(), "/ws/", &headers).await.expect("let in");
        silent.expect_opcode(PING).await;
        silent.expect_close().await
    };
    let lively = async {
        // Longer than a silent one would last.
        for _ in 0..4 {
            let ping = answering.expect_opcode(PING).await;
            answering.send(true, PONG, &ping.payload).await;
        }
        answering.text(r#"{"type":"ping"}"#).await;
        answering.expect("pong").await
    };
    let (code, _) = futures_util::future::join(silent, lively).await;
    assert_eq!(code, 1001);
}

#[actix_web::test]
async fn a_session_is_told_that_its_token_ends_and_ends_with_it_unless_it_is_renewed() {
    let app = TestApp::start_with(&[("WAYBILL_ACCESS_LIFETIME_SECS", "4")]).await;
    let user = app.customer().await;
    let (mut renewed, mut ending) = (session(&app, &user).await, session(&app, &user).await);
    for socket in [&mut renewed, &mut ending] {
        let warning = socket.expect("token_expiring").await;
        assert!(warning["expires_at"].is_string(), "{warning}");
    }
    renewed.send(json!({"type": "auth", "token": hs256(&claims(&user)), "ref": "renew"})).await;
    let authenticated = renewed.expect("authenticated").await;
    assert_eq!(authenticated["ref"], "renew");
    assert_eq!(ending.closed().await.0, 4401);
    is_alive(&mut renewed).await;
}

#[actix_web::test]
async fn a_session_is_renewed_with_a_good_token_of_the_same_user_only() {
    let app = TestApp::start().await;
    let (user, other) = (app.customer().await, app.customer().await);
    let mut socket = session(&app, &user).await;
    let ticket = text(&app.as_user(&user).get("/realtime/token").await.expect(200), "token");
    for (token, code) in [
        ("x".to_owned(), "token_invalid"),
        (String::new(), "token_missing"),
        (hs256(&claims_with(&user, "exp", json!(1_700_000_000))), "token_expired"),
        (ticket, "token_wrong_type"),
        (other.token.clone(), "token_of_another"),
    ] {
        socket.send(json!({"type": "auth", "token": token, "ref": code})).await;
        let refused = socket.expect("error").await;
        assert_eq!((&refused["code"], &refused["ref"]), (&json!(code), &json!(code)));
    }
    // And the session goes on with the token that it has.
    is_alive(&mut socket).await;
}

/// Unread notifications, and two sessions that have been told how many.
async fn with_unread(app: &TestApp) -> (TestUser, Vec<String>, Socket, Socket) {
    let customer = app.customer().await;
    app.order(&customer).await;
    let inbox = app.as_user(&customer).get("/notifications").await.expect(200);
    let ids = inbox["items"].as_array().expect("items").iter().map(|item| text(item, "id")).collect();
    // Who joins now hears of what comes afterwards.
    app.published().await;
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    assert_eq!(bell.expect("unread_count").await["count"], 2);
    let mut any = session(app, &customer).await;
    subscribe(&mut any, &format!("user_{}", customer.id)).await;
    assert_eq!(any.expect("unread_count").await["count"], 2);
    (customer, ids, bell, any)
}

#[actix_web::test]
async fn what_is_read_on_one_device_is_read_on_all() {
    let app = TestApp::start().await;
    let (customer, ids, mut bell, mut any) = with_unread(&app).await;
    bell.send(json!({"type": "mark_read", "id": ids[0]})).await;
    for socket in [&mut bell, &mut any] {
        assert_eq!(socket.expect("unread_count").await["count"], 1);
    }
    let left = app.as_user(&customer).post(&format!("/notifications/{}/read", ids[1]), json!({})).await;
    assert_eq!(left.expect(200)["count"], 0);
    for socket in [&mut bell, &mut any] {
        assert_eq!(socket.expect("unread_count").await["count"], 0);
    }
    app.order(&customer).await;
    for socket in [&mut bell, &mut any] {
        let two = |frame: &Value| frame["type"] == "unread_count" && frame["count"] == 2;
        socket.until_match("two unread", two).await;
    }
    any.send(json!({"type": "mark_all_read"})).await;
    for socket in [&mut bell, &mut any] {
        assert_eq!(socket.expect("unread_count").await["count"], 0);
    }
    let answer = app.as_user(&customer).get("/notifications?unread=true").await.expect(200);
    assert_eq!(answer["items"], json!([]));
}

#[actix_web::test]
async fn somebody_elses_notification_cannot_be_read() {
    let app = TestApp::start().await;
    let (_, ids, mut bell, _) = with_unread(&app).await;
    let stranger = app.customer().await;
    let mut socket = session(&app, &stranger).await;
    socket.send(json!({"type": "mark_read", "id": ids[0], "ref": "theirs"})).await;
    let refused = socket.expect("error").await;
    assert_eq!((&refused["code"], &refused["ref"]), (&json!("not_found"), &json!("theirs")));
    let path = format!("/notifications/{}/read", ids[0]);
    app.as_user(&stranger).post(&path, json!({})).await.refused(404, "not_found");
    assert_eq!(bell.so_far().await, Vec::<Value>::new());
}

/// Asks until the ledger says so: it is written down a moment after it happened.
async fn until_state(app: &TestApp, admin: &TestUser, notification: &str, state: &str) -> Value {
    let begin = Instant::now();
    let path = format!("/admin/deliveries?notification_id={notification}");
    loop {
        let found = app.as_user(admin).get(&path).await.expect(200);
        let delivery = &found["items"][0]["deliveries"][0];
        if delivery["state"] == state {
            return delivery.clone();
        }
        assert!(begin.elapsed() < PATIENCE, "{state} did not come: {found}");
    }
}

#[actix_web::test]
async fn guarantee_8_the_ledger_tells_how_far_a_notification_came() {
    let app = TestApp::start().await;
    let (customer, admin) = (app.customer().await, app.admin().await);
    let order = app.order(&customer).await;
    let inbox = app.as_user(&customer).get("/notifications").await.expect(200);
    let waiting = text(&inbox["items"][0], "id");
    let queued = until_state(&app, &admin, &waiting, "queued").await;
    assert_eq!(queued["channel"], "in_app");
    assert!(queued["queued_at"].is_string() && queued["written_at"].is_null(), "{queued}");

    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    app.step(&customer, &order, "cancelled").await;
    let event = bell.expect("notification").await;
    let (event_id, id) = (text(&event, "id"), text(&event["notification"], "id"));
    let written = until_state(&app, &admin, &id, "written").await;
    assert!(written["written_at"].is_string() && written["acked_at"].is_null(), "{written}");
    // Somebody else's device cannot say so.
    let mut other = session(&app, &app.customer().await).await;
    other.send(json!({"type": "ack", "ids": [event_id]})).await;
    other.so_far().await;
    bell.send(json!({"type": "ack", "ids": [event_id, "0190163d-8694-739b-aea5-966c26f8ad90"]})).await;
    let acked = until_state(&app, &admin, &id, "acked").await;
    assert!(acked["acked_at"].is_string() && acked["read_at"].is_null(), "{acked}");
    bell.send(json!({"type": "mark_read", "id": id})).await;
    let read = until_state(&app, &admin, &id, "read").await;
    let times = ["queued_at", "written_at", "acked_at", "read_at"].map(|name| text(&read, name));
    assert!(times.is_sorted(), "{read}");
    // By order, too.
    let about = app.as_user(&admin).get(&format!("/admin/deliveries?order_id={order}")).await.expect(200);
    assert_eq!(about["items"].as_array().map(Vec::len), Some(3), "{about}");
}
