//! What the contract guarantees of events, for those that a partner hears of offers and orders.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{closed, offered};
use crate::instances::{position, subscribe};
use crate::support::raw::{CLOSE, Raw, TEXT};
use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestUser};

fn group_of(partner: &TestUser) -> String {
    format!("partner_{}", partner.partner_id.expect("a partner"))
}

/// All numbered events up to now.
async fn events(socket: &mut Socket) -> Vec<Value> {
    let mut frames = socket.so_far().await;
    frames.retain(|frame| frame["seq"].is_u64());
    frames
}

#[actix_web::test]
async fn guarantee_3_a_partner_who_comes_back_gets_exactly_the_offers_and_ends_that_were_missed() {
    let app = TestApp::start().await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let group = group_of(&partner);
    let (mut away, _) = subscribe(&app, &partner, &group, None).await;
    let (mut witness, _) = subscribe(&app, &partner, &group, None).await;
    for socket in [&mut away, &mut witness] {
        socket.expect("queue").await;
    }
    let first = app.order(&customer).await;
    let last = away.expect("assignment").await;
    assert_eq!(last["offer"]["order"]["id"], json!(first));
    assert_eq!(witness.expect("assignment").await, last);
    away.close().await;

    // Withdrawn, declined, and accepted.
    app.step(&customer, &first, "cancelled").await;
    assert_eq!(closed(&mut witness, &text(&last["offer"], "id")).await, "withdrawn");
    let mut missed = 1;
    let mut ids = HashSet::from([last["offer"]["id"].clone()]);
    for answer in ["decline", "accept"] {
        let order = app.order(&customer).await;
        let offer = offered(&mut witness, &order).await;
        assert!(ids.insert(json!(offer)));
        app.answer(&partner, &offer, answer).await.expect(200);
        let end = witness.expect("assignment_closed").await;
        // The end of an offer bears the offer's id, whoever tells of it.
        assert_eq!((&end["offer_id"], &end["id"]), (&json!(offer), &json!(offer)));
        missed += 2;
    }
    witness.expect("queue_update").await;
    app.published().await;
    let (mut back, subscribed) = subscribe(&app, &partner, &group, Some(&position(&last))).await;
    assert_eq!((&subscribed["recovered"], &subscribed["seq"]), (&json!(true), &last["seq"]));
    let seen = events(&mut back).await;
    let seq = |event: &Value| event["seq"].as_u64().expect("a number");
    let numbers: Vec<u64> = seen.iter().map(seq).collect();
    let expected: Vec<u64> = (seq(&last) + 1..).take(seen.len()).collect();
    assert_eq!(numbers, expected, "without a hole, and none twice");
    let about_offers: Vec<_> =
        seen.iter().filter(|event| text(event, "type").starts_with("assignment")).collect();
    assert_eq!(about_offers.len(), missed, "{seen:?}");
    let kinds: Vec<_> = seen.iter().map(|event| text(event, "type")).collect();
    assert!(kinds.ends_with(&["queue_update".into()]), "{kinds:?}");

    // Guarantee 4: whoever hears of it anew hears of the same event.
    let (mut again, _) = subscribe(&app, &partner, &group, Some(&position(&last))).await;
    assert_eq!(events(&mut again).await, seen);
    let distinct: HashSet<_> = seen.iter().map(|event| text(event, "id")).collect();
    assert_eq!(distinct.len(), seen.len(), "and no two events have one id: {seen:?}");
}

#[actix_web::test]
async fn guarantee_1_an_accept_that_was_answered_is_told_although_the_server_dies_at_once() {
    let app = TestApp::start().await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let group = group_of(&partner);
    let (mut work, _) = subscribe(&app, &partner, &group, None).await;
    let order = app.order(&customer).await;
    let offer = work.expect("assignment").await;
    app.answer(&partner, &text(&offer["offer"], "id"), "accept").await.expect(200);
    let app = TestApp::start_on(app.crash(), &[]).await;
    app.published().await;
    let (mut work, subscribed) = subscribe(&app, &partner, &group, Some(&position(&offer))).await;
    if subscribed["recovered"] == true {
        assert_eq!(closed(&mut work, &text(&offer["offer"], "id")).await, "accepted");
        let added = work.expect("queue_update").await;
        assert_eq!((&added["action"], &added["order"]["id"]), (&json!("added"), &json!(order)));
    } else {
        let queue = work.expect("queue").await;
        assert_eq!((&queue["offers"], &queue["orders"][0]["id"]), (&json!([]), &json!(order)));
    }
}

#[actix_web::test]
async fn guarantee_3_the_queue_is_the_same_whether_told_of_in_events_or_in_a_snapshot() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let (mut follows, _) = subscribe(&app, &partner, &group_of(&partner), None).await;
    let mut orders: HashSet<String> = HashSet::new();
    for known in follows.expect("queue").await["orders"].as_array().expect("orders") {
        orders.insert(text(known, "id"));
    }
    for status in ["en_route", "arrived", "picked_up", "in_transit", "delivered", "completed"] {
        app.step(if status == "completed" { &customer } else { &partner }, &order, status).await;
        app.published().await;
        let told = |frame: &Value| frame["update"]["status"] == status;
        let mut frames = follows.until_match(status, told).await;
        frames.extend(follows.so_far().await);
        for frame in frames.iter().filter(|frame| frame["type"] == "queue_update") {
            if frame["action"] == "removed" {
                assert!(orders.remove(&text(frame, "order_id")), "it was there: {frame}");
            } else {
                orders.insert(text(frame, "order_id"));
            }
        }
        let mut comes_anew = app.connect(&partner, "/ws/partner/").await;
        let queue = comes_anew.expect("queue").await;
        let snapshot: HashSet<_> =
            queue["orders"].as_array().expect("orders").iter().map(|one| text(one, "id")).collect();
        assert_eq!(orders, snapshot, "at {status}");
    }
}

#[actix_web::test]
async fn guarantee_8_how_far_the_news_of_an_offer_came_is_on_record() {
    let app = TestApp::start().await;
    let (partner, customer, admin) = (app.partner_at(100.0).await, app.customer().await, app.admin().await);
    let mut bell = app.connect(&partner, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    let order = app.order(&customer).await;
    let event = bell.expect("notification").await;
    assert_eq!(event["notification"]["type"], "assignment_offered");
    bell.send(json!({"type": "ack", "ids": [event["id"]]})).await;
    let id = text(&event["notification"], "id");
    app.until("it is on record", || async {
        let found =
            app.as_user(&admin).get(&format!("/admin/deliveries?notification_id={id}")).await.expect(200);
        found["items"][0]["deliveries"][0]["state"] == "acked"
    })
    .await;
    let about = app.as_user(&admin).get(&format!("/admin/deliveries?order_id={order}")).await.expect(200);
    let is_there = about["items"]
        .as_array()
        .is_some_and(|items| items.iter().any(|item| item["notification_id"] == json!(id)));
    assert!(is_there, "{about}");
}

/// Up to the end: the numbered events that somebody reads at last, and the code of the close, where it could still be told.
async fn read_on(slow: &mut Raw) -> (Vec<Value>, Option<u16>) {
    let mut seen = Vec::new();
    while let Some(frame) = slow.receive().await {
        match frame.opcode {
            CLOSE => return (seen, Some(u16::from_be_bytes([frame.payload[0], frame.payload[1]]))),
            TEXT => {
                let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
                if frame["seq"].is_u64() {
                    seen.push(frame);
                }
            }
            _ => {}
        }
    }
    (seen, None)
}

#[actix_web::test]
async fn guarantee_5_a_partners_phone_that_does_not_read_keeps_no_offer_from_the_others_and_misses_none() {
    const ORDERS: usize = 60;
    let app = TestApp::start_with(&[
        ("WAYBILL_SEND_BUFFER_BYTES", "4096"),
        ("WAYBILL_SESSION_QUEUE", "16"),
        ("WAYBILL_TCP_USER_TIMEOUT_MS", "600000"),
    ])
    .await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let group = group_of(&partner);
    let mut slow = Raw::connect_with_small_buffer(app.address()).await;
    let bearer = format!("Authorization: Bearer {}", partner.token);
    slow.upgrade(app.address(), "/ws/partner/", &bearer).await;
    slow.expect("queue").await;
    // Who reads hears of every offer and of its end, while the other one does not.
    let mut quick = app.at_work(&partner).await;
    let mut told = Vec::new();
    for _ in 0..ORDERS {
        let order = app.order(&customer).await;
        let frame = quick.expect("assignment").await;
        assert_eq!(frame["offer"]["order"]["id"], json!(order));
        app.answer(&partner, &text(&frame["offer"], "id"), "decline").await.expect(200);
        told.push(frame);
        told.push(quick.expect("assignment_closed").await);
    }
    let (mut seen, code) = read_on(&mut slow).await;
    assert!(code.is_none_or(|code| code == 4408), "{code:?}");
    let last = seen.last().map(position).expect("it has read something");
    assert!(seen.len() < told.len(), "{} of {}", seen.len(), told.len());
    let (mut back, subscribed) = subscribe(&app, &partner, &group, Some(&last)).await;
    assert_eq!(subscribed["recovered"], true);
    seen.extend(events(&mut back).await);
    assert_eq!(seen, told);
}
