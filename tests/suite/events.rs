//! What other back ends publish through this server, and what a reader that does not keep up gets of it.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::raw::{CLOSE, PING, Raw, TEXT};
use crate::support::{Client, Socket, TestApp, TestUser};

const KEY: &str = "own-key-of-the-shop";
const SETTINGS: (&str, &str) = ("WAYBILL_SERVICE_KEYS", "shop:own-key-of-the-shop,till:own-key-of-the-till");

/// Calls with the key of another back end.
fn shop(app: &TestApp) -> Client {
    let nobody =
        TestUser { email: String::new(), id: Default::default(), partner_id: None, token: KEY.into() };
    app.as_user(&nobody)
}

/// A customer who listens on the own group, and the name of that.
async fn listening(app: &TestApp) -> (TestUser, Socket, String) {
    let customer = app.customer().await;
    let mut socket = app.connect(&customer, "/ws/notifications/").await;
    socket.expect("unread_count").await;
    let group = format!("user_{}", customer.id);
    (customer, socket, group)
}

#[actix_web::test]
async fn an_event_of_another_back_end_has_the_guarantees_of_our_own() {
    let app = TestApp::start_with(&[SETTINGS]).await;
    let (customer, mut socket, group) = listening(&app).await;
    let id = "0190163d-8694-739b-aea5-966c26f8ad90";
    let mut seqs = Vec::new();
    for number in 0..5 {
        let body = json!({"group": group, "type": "weather", "data": {"rain": number}});
        let published = shop(&app).post("/events", body).await.expect(202);
        let event = socket.expect("weather").await;
        assert_eq!(
            (&event["data"], &event["id"], &event["group"]),
            (&json!({"rain": number}), &published["id"], &json!(group))
        );
        assert!(event["at"].is_string() && event["epoch"].is_string(), "{event}");
        seqs.push(event["seq"].as_u64().expect("a number"));
    }
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    // Under an id of the caller's.
    let body = json!({"group": group, "type": "weather", "data": null, "id": id});
    assert_eq!(shop(&app).post("/events", body).await.expect(202)["id"], id);
    let last = socket.expect("weather").await;
    assert_eq!((&last["id"], &last["data"]), (&json!(id), &Value::Null));

    let mut back = app.connect(&customer, "/ws/").await;
    back.expect("welcome").await;
    let since = json!({"epoch": last["epoch"], "seq": 4});
    back.send(json!({"type": "subscribe", "group": group, "since": since})).await;
    assert_eq!(back.next().await["recovered"], true);
    assert_eq!(back.next().await["seq"], 5);
    assert_eq!(back.next().await, last);
}

#[actix_web::test]
async fn a_repeated_call_with_the_same_key_publishes_once() {
    let app = TestApp::start_with(&[SETTINGS]).await;
    let (_, mut socket, group) = listening(&app).await;
    let key = [("Idempotency-Key", "e1")];
    let body = json!({"group": group, "type": "once", "data": 1});
    let first = shop(&app).post_with("/events", &key, body.clone()).await.expect(202);
    let again = shop(&app).post_with("/events", &key, body).await;
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(again.expect(202), first);
    let other = json!({"group": group, "type": "once", "data": 2});
    shop(&app).post_with("/events", &key, other.clone()).await.refused(409, "idempotency_key_reused");
    shop(&app).post("/events", other).await.expect(202);
    let seen: Vec<Value> = vec![socket.expect("once").await, socket.expect("once").await];
    assert_eq!((&seen[0]["data"], &seen[1]["data"]), (&json!(1), &json!(2)));
}

#[actix_web::test]
async fn data_arrives_byte_for_byte_with_a_number_or_without_one() {
    let app = TestApp::start_with(&[SETTINGS]).await;
    let customer = app.customer().await;
    let headers = format!("Authorization: Bearer {}", customer.token);
    let (mut raw, _) = Raw::open(app.address(), "/ws/notifications/", &headers).await.expect("let in");
    raw.expect("unread_count").await;
    for data in [
        r#"{ "b" :1.50,"a":[1e2, -0.0,  12345678901234567890123 ],"a":"twice" }"#,
        r#""caf\u00e9 \ud83d\udeb2 é / \/""#,
        "  [ ]",
        "null",
        "0.1000000000000000055511151231257827",
    ] {
        for ephemeral in [false, true] {
            let body = format!(
                r#"{{"group":"user_{}","type":"exact","data":{data},"ephemeral":{ephemeral}}}"#,
                customer.id
            );
            let head = format!(
                "POST /api/v1/events HTTP/1.1\nHost: {}\nContent-Type: application/json\n\
                 Authorization: Bearer {KEY}\nContent-Length: {}",
                app.address(),
                body.len()
            );
            let answer = Raw::connect(app.address()).await.call(&head, body.as_bytes()).await;
            assert_eq!(answer.status, 202, "{answer:?}");
            let frame = raw.expect_opcode(TEXT).await;
            let text = String::from_utf8(frame.payload).expect("UTF-8");
            let expected = format!(r#"{{"type":"exact","data":{},"#, data.trim());
            assert!(text.starts_with(&expected), "{text}");
            for member in ["\"seq\":", "\"epoch\":"] {
                assert_eq!(text.contains(member), !ephemeral, "{text}");
            }
            assert!(text.contains("\"id\":") && text.contains("\"at\":"), "{text}");
        }
    }
}

#[actix_web::test]
async fn the_answer_and_the_frame_name_the_same_id_which_may_be_the_callers_own() {
    let app = TestApp::start_with(&[SETTINGS]).await;
    let (_, mut socket, group) = listening(&app).await;
    for ephemeral in [false, true] {
        let own = "01a20544-bc86-7628-90e5-0b8b55b08802";
        for id in [None, Some(own)] {
            let mut body = json!({"group": group, "type": "named", "data": 1, "ephemeral": ephemeral});
            if let Some(id) = id {
                body["id"] = json!(id);
            }
            let answer = shop(&app).post("/events", body).await.expect(202);
            assert_eq!(socket.expect("named").await["id"], answer["id"]);
            assert!(id.is_none_or(|id| answer["id"] == id), "{answer}");
        }
    }
}

#[actix_web::test]
async fn only_back_ends_with_a_key_publish() {
    let app = TestApp::start_with(&[SETTINGS]).await;
    let (customer, mut socket, group) = listening(&app).await;
    let admin = app.admin().await;
    let body = json!({"group": group, "type": "forged", "data": 1});
    for token in [
        "",
        "key",
        "own-key-of-the-shop ",
        "KEY-OF-THE-SHOP",
        "shop:own-key-of-the-shop",
        &customer.token,
        &admin.token,
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.trim_end())];
        // White space around a token is none of it.
        if token.trim_end() == KEY {
            continue;
        }
        let refused = app.as_nobody().post_with("/events", &headers, body.clone()).await;
        refused.refused(401, "service_key_invalid");
    }
    app.as_nobody().post("/events", body.clone()).await.refused(401, "service_key_invalid");
    let till = [("Authorization", "Bearer own-key-of-the-till")];
    let good = json!({"group": group, "type": "good", "data": 1});
    app.as_nobody().post_with("/events", &till, good).await.expect(202);
    assert!(socket.until("good").await.iter().all(|frame| frame["type"] != "forged"));

    // Where no key is configured none is good.
    let app = TestApp::start().await;
    for key in ["Bearer ", "Bearer own-key-of-the-shop"] {
        app.as_nobody()
            .post_with("/events", &[("Authorization", key)], body.clone())
            .await
            .refused(401, "service_key_invalid");
    }
}

#[actix_web::test]
async fn an_event_reaches_its_group_and_no_other() {
    let app = TestApp::start_with(&[SETTINGS]).await;
    let (customer, partner, order) = app.assigned_order().await;
    let (admin, order) = (app.admin().await, order["id"].as_str().expect("an id").to_owned());
    let groups = [
        format!("user_{}", customer.id),
        format!("order_{order}"),
        format!("partner_{}", partner.partner_id.expect("a partner")),
        "admin_dashboard".to_owned(),
    ];
    let mut sockets = vec![
        app.connect(&customer, "/ws/notifications/").await,
        app.connect(&customer, &format!("/ws/orders/{order}/")).await,
        app.connect(&partner, "/ws/partner/").await,
        app.connect(&admin, "/ws/admin/").await,
    ];
    for socket in &mut sockets {
        socket.next().await;
    }
    for kind in ["hello", "bye"] {
        for group in &groups {
            for ephemeral in [false, true] {
                let body = json!({"group": group, "type": kind, "data": {"ephemeral": ephemeral}, "ephemeral": ephemeral});
                shop(&app).post("/events", body).await.expect(202);
            }
        }
    }
    for (socket, group) in sockets.iter_mut().zip(&groups) {
        let mut seen = Vec::new();
        while seen.iter().filter(|frame: &&Value| frame["type"] == "bye").count() < 2 {
            seen.push(socket.next().await);
        }
        assert!(seen.iter().all(|frame| frame["group"] == group.as_str()), "{seen:?}");
        assert_eq!(seen.iter().filter(|frame| frame["type"] == "hello").count(), 2, "{seen:?}");
    }
    // Where nobody listens it is taken all the same.
    let body = json!({"group": "order_0190163d-8694-739b-aea5-966c26f8ad90", "type": "hello", "data": 1});
    shop(&app).post("/events", body).await.expect(202);
}

/// Publishes `count` events of 4 KiB, and between them a dot of which only the latest counts.
async fn publish_much(app: &TestApp, group: &str, count: u64) {
    let shop = shop(app);
    let filling = "x".repeat(4096);
    for number in 1..=count {
        let event = json!({"group": group, "type": "event", "data": {"number": number, "filling": filling}});
        shop.post("/events", event).await.expect(202);
        let dot = json!({"group": group, "type": "dot", "data": number, "ephemeral": true});
        shop.post("/events", dot).await.expect(202);
    }
}

#[actix_web::test]
async fn guarantee_5_a_slow_reader_gets_every_event_and_of_what_is_ephemeral_the_latest() {
    const COUNT: u64 = 240;
    let app = TestApp::start_with(&[
        SETTINGS,
        ("WAYBILL_SEND_BUFFER_BYTES", "4096"),
        ("WAYBILL_SESSION_QUEUE_BYTES", "4194304"),
        ("WAYBILL_TCP_USER_TIMEOUT_MS", "600000"),
    ])
    .await;
    let (customer, mut quick, group) = listening(&app).await;
    let headers = format!("Authorization: Bearer {}", customer.token);
    let mut slow = Raw::connect_with_small_buffer(app.address()).await;
    slow.upgrade(app.address(), "/ws/notifications/", &headers).await;
    slow.expect("unread_count").await;

    // The slow one reads nothing meanwhile; the quick one is not kept waiting by that.
    let publishing = publish_much(&app, &group, COUNT);
    let reading = async {
        for number in 1..=COUNT {
            assert_eq!(quick.expect("event").await["data"]["number"], number);
        }
    };
    futures_util::future::join(publishing, reading).await;

    let (mut events, mut dots) = (Vec::new(), Vec::new());
    while events.last() != Some(&COUNT) || dots.last() != Some(&COUNT) {
        let frame = slow.next_text().await;
        match frame["type"].as_str() {
            Some("event") => events.push(frame["data"]["number"].as_u64().expect("a number")),
            Some("dot") => dots.push(frame["data"].as_u64().expect("a number")),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(events, (1..=COUNT).collect::<Vec<_>>());
    assert!(dots.is_sorted_by(|before, after| before < after), "{dots:?}");
    assert!(dots.len() < 200, "{} of {COUNT} came: nothing was left out for a reader that slow", dots.len());
}

#[actix_web::test]
async fn a_client_that_never_acks_is_asked_for_notifications_and_for_nothing_else() {
    let app = TestApp::start_with(&[SETTINGS]).await;
    let customer = app.customer().await;
    let headers = format!("Authorization: Bearer {}", customer.token);
    let mut client = Raw::connect(app.address()).await;
    client.upgrade(app.address(), "/ws/notifications/", &headers).await;
    client.expect("unread_count").await;
    let event = json!({"group": format!("user_{}", customer.id), "type": "news", "data": 1});
    shop(&app).post("/events", event).await.expect(202);
    client.expect("news").await;
    app.tell(&customer).await;
    let mut asked_after = Vec::new();
    loop {
        let frame = client.receive().await.expect("open");
        if frame.opcode == PING {
            break;
        }
        let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        asked_after.push(frame["type"].clone());
    }
    assert_eq!(asked_after.first(), Some(&json!("notification")), "{asked_after:?}");
}

#[actix_web::test]
async fn guarantee_5_nothing_follows_the_frame_that_tells_a_slow_reader_why_it_is_put_out() {
    let app = TestApp::start_with(&[
        ("WAYBILL_SEND_BUFFER_BYTES", "4096"),
        ("WAYBILL_SESSION_QUEUE", "128"),
        ("WAYBILL_TCP_USER_TIMEOUT_MS", "600000"),
    ])
    .await;
    let customer = app.customer().await;
    let headers = format!("Authorization: Bearer {}", customer.token);
    let mut slow = Raw::connect_with_small_buffer(app.address()).await;
    slow.upgrade(app.address(), "/ws/notifications/", &headers).await;
    slow.expect("unread_count").await;
    // Of a client that never acks it is asked by pings whether what was written has come. After a pause of the reader much is
    // written at once, more than the socket takes: it is on its way, and not asked for yet, when the session ends.
    for _ in 0..40 {
        app.tell(&customer).await;
    }
    for _ in 0..40 {
        slow.receive().await.expect("a frame");
    }
    while app.figure("waybill_sessions_closed_total{reason=\"too_slow\"}").await == 0 {
        app.tell(&customer).await;
    }
    let close = loop {
        let frame = slow.receive().await.expect("a close comes first");
        if frame.opcode == CLOSE {
            break frame;
        }
    };
    assert_eq!(close.payload[..2], 4408_u16.to_be_bytes());
    slow.send(true, CLOSE, &close.payload).await;
    // A browser would take it for a broken connection, and forget the code.
    assert!(slow.receive().await.is_none());
}

#[actix_web::test]
async fn guarantee_5_a_reader_that_is_too_slow_is_put_out_and_recovers_without_a_gap() {
    const COUNT: u64 = 300;
    let app = TestApp::start_with(&[
        SETTINGS,
        ("WAYBILL_SEND_BUFFER_BYTES", "4096"),
        // More than come at once to somebody who reads.
        ("WAYBILL_SESSION_QUEUE", "128"),
        ("WAYBILL_TCP_USER_TIMEOUT_MS", "600000"),
    ])
    .await;
    let (customer, mut quick, group) = listening(&app).await;
    let headers = format!("Authorization: Bearer {}", customer.token);
    let mut slow = Raw::connect_with_small_buffer(app.address()).await;
    slow.upgrade(app.address(), "/ws/notifications/", &headers).await;
    slow.expect("unread_count").await;
    let reading = async {
        for number in 1..=COUNT {
            assert_eq!(quick.expect("event").await["data"]["number"], number);
        }
    };
    futures_util::future::join(publish_much(&app, &group, COUNT), reading).await;

    let (mut seen, mut position) = (Vec::new(), Value::Null);
    let code = loop {
        let frame = slow.receive().await.expect("a close comes first");
        if frame.opcode == CLOSE {
            break u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        }
        if frame.opcode == TEXT {
            let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
            if frame["type"] == "event" {
                seen.push(frame["seq"].as_u64().expect("a number"));
                position = json!({"epoch": frame["epoch"], "seq": frame["seq"]});
            }
        }
    };
    assert_eq!(code, 4408);
    assert!((seen.len() as u64) < COUNT);
    let mut back = app.connect(&customer, "/ws/").await;
    back.expect("welcome").await;
    back.send(json!({"type": "subscribe", "group": group, "since": position})).await;
    assert_eq!(back.next().await["recovered"], true);
    while seen.last() != Some(&COUNT) {
        seen.push(back.expect("event").await["seq"].as_u64().expect("a number"));
    }
    assert_eq!(seen, (1..=COUNT).collect::<Vec<_>>());
    let ids: HashSet<u64> = seen.iter().copied().collect();
    assert_eq!(ids.len(), seen.len());
}

#[actix_web::test]
async fn a_back_end_cannot_speak_of_a_session_in_the_servers_place() {
    let app = TestApp::start_with(&[SETTINGS]).await;
    let shop = shop(&app);
    for kind in [
        "welcome",
        "error",
        "subscribed",
        "unsubscribed",
        "authenticated",
        "token_expiring",
        "pong",
        "resync",
    ] {
        for ephemeral in [true, false] {
            let event = json!({"group": "admin_dashboard", "type": kind, "data": {}, "ephemeral": ephemeral});
            let problem = shop.post("/events", event).await.refused(422, "invalid_fields");
            assert_eq!(problem["errors"][0]["field"], "type", "{problem}");
        }
    }
}
