//! Pages of messages, who sees which, read marks, and who is typing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{give_back, order, page, screen, texts, write};
use crate::support::steps::text;
use crate::support::{Answer, TestApp, TestUser};

async fn mark(app: &TestApp, user: &TestUser, order: &str, up_to: &Value) -> Answer {
    app.as_user(user).post(&format!("/orders/{order}/messages/read"), json!({"up_to": up_to})).await
}

#[actix_web::test]
async fn pages_follow_each_other_from_the_newest_message_on() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    for number in 1..=7 {
        let by = if number % 2 == 0 { &customer } else { &partner };
        write(&app, by, &order, &number.to_string()).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/orders/{order}/messages?limit=3{cursor}");
        let page = app.as_user(&customer).get(&path).await.expect(200);
        let items = page["items"].as_array().expect("items").clone();
        assert!(items.len() <= 3, "{page}");
        seen.extend(items.iter().map(|item| text(item, "text")));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["7", "6", "5", "4", "3", "2", "1"]);
    // A cursor of another list names no message here.
    let other = app.order(&customer).await;
    let orders = app.as_user(&customer).get("/orders?limit=1").await.expect(200);
    let path = format!("/orders/{other}/messages?cursor={}", text(&orders, "next_cursor"));
    app.as_user(&customer).get(&path).await.refused(422, "invalid_fields");
}

#[actix_web::test]
async fn a_later_partner_does_not_see_what_was_written_before() {
    let app = TestApp::start().await;
    let (customer, first, order) = order(&app).await;
    let (second, admin) = (app.partner().await, app.admin().await);
    let early = write(&app, &customer, &order, "For the first one").await;
    give_back(&app, &first, &order).await;
    let path = format!("/orders/{order}/messages");
    app.as_user(&first).get(&path).await.refused(404, "not_found");
    app.assign(&admin, &order, &second).await;
    let opened = page(&app, &second, &order).await;
    assert_eq!((&opened["items"], &opened["unread"]), (&json!([]), &json!(0)));
    mark(&app, &customer, &order, &early["id"]).await.expect(204);
    assert_eq!(page(&app, &second, &order).await["read"], json!([]));
    mark(&app, &second, &order, &early["id"]).await.refused(422, "invalid_fields");
    write(&app, &second, &order, "I am the second").await;
    assert_eq!(texts(&app, &second, &order).await, ["I am the second"]);
    for user in [&customer, &admin] {
        assert_eq!(texts(&app, user, &order).await, ["For the first one", "I am the second"]);
    }
    // Who gets it once more sees what was written with him.
    give_back(&app, &second, &order).await;
    app.assign(&admin, &order, &first).await;
    assert_eq!(texts(&app, &first, &order).await, ["For the first one"]);
}

#[actix_web::test]
async fn who_has_read_on_has_read_what_a_partner_sees_who_gets_the_order_back() {
    let app = TestApp::start().await;
    let (customer, first, order) = order(&app).await;
    let (second, admin) = (app.partner().await, app.admin().await);
    write(&app, &first, &order, "one").await;
    let last = write(&app, &first, &order, "two").await;
    give_back(&app, &first, &order).await;
    app.assign(&admin, &order, &second).await;
    let later = write(&app, &second, &order, "three").await;
    mark(&app, &customer, &order, &later["id"]).await.expect(204);
    give_back(&app, &second, &order).await;
    app.assign(&admin, &order, &first).await;
    let read_by = |page: &Value| (page["read"][0]["user_id"].clone(), page["read"][0]["up_to"].clone());
    let seen = page(&app, &first, &order).await;
    assert_eq!(read_by(&seen), (json!(customer.id), last["id"].clone()), "{seen}");
    let newest = write(&app, &first, &order, "four").await;
    let seen = page(&app, &first, &order).await;
    assert_eq!(read_by(&seen), (json!(customer.id), last["id"].clone()), "{seen}");
    let seen = page(&app, &customer, &order).await;
    assert_eq!((read_by(&seen), &seen["unread"]), ((json!(customer.id), later["id"].clone()), &json!(1)));
    mark(&app, &customer, &order, &newest["id"]).await.expect(204);
    let seen = page(&app, &first, &order).await;
    assert_eq!(read_by(&seen), (json!(customer.id), newest["id"].clone()), "{seen}");
}

#[actix_web::test]
async fn coming_back_brings_a_later_partner_nothing_from_before_either() {
    let app = TestApp::start().await;
    let (customer, first, order) = order(&app).await;
    let (second, admin) = (app.partner().await, app.admin().await);
    let mut owner = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    let begin = owner.expect("order_status").await["position"].clone();
    write(&app, &customer, &order, "For the first one").await;
    owner.expect("chat_message").await;
    give_back(&app, &first, &order).await;
    app.assign(&admin, &order, &second).await;
    app.published().await;

    let mut socket = app.connect(&second, "/ws/").await;
    socket.expect("welcome").await;
    let group = format!("order_{order}");
    socket.send(json!({"type": "subscribe", "group": group, "since": begin})).await;
    let subscribed = socket.expect("subscribed").await;
    assert_eq!(subscribed["recovered"], false);
    assert_eq!(socket.next().await["order"]["status"], "assigned");
    let position = json!({"epoch": subscribed["epoch"], "seq": subscribed["seq"]});
    write(&app, &customer, &order, "For the second one").await;
    let told = socket.expect("chat_message").await;
    assert_eq!(told["message"]["text"], "For the second one");
    // From where this partner has begun, nothing is missing.
    socket.send(json!({"type": "subscribe", "group": group, "since": position})).await;
    assert_eq!(socket.expect("subscribed").await["recovered"], true);
    assert_eq!(socket.expect("chat_message").await, told);
    // And the customer, whose conversation it is, gets all of it.
    let mut again = app.connect(&customer, "/ws/").await;
    again.send(json!({"type": "subscribe", "group": group, "since": begin})).await;
    assert_eq!(again.expect("subscribed").await["recovered"], true);
    assert_eq!(again.expect("chat_message").await["message"]["text"], "For the first one");
}

#[actix_web::test]
async fn read_marks_go_on_and_never_back_and_are_told_when_they_move() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut messages = Vec::new();
    for words in ["one", "two", "three"] {
        messages.push(write(&app, &partner, &order, words).await);
    }
    write(&app, &customer, &order, "mine").await;
    let opened = page(&app, &customer, &order).await;
    assert_eq!((&opened["unread"], &opened["read"]), (&json!(3), &json!([])));
    assert_eq!(page(&app, &partner, &order).await["unread"], 1);

    let mut screen = screen(&app, &partner, &order).await;
    for (index, unread) in [(1, 1), (0, 1), (1, 1), (2, 0)] {
        mark(&app, &customer, &order, &messages[index]["id"]).await.expect(204);
        assert_eq!(page(&app, &customer, &order).await["unread"], unread);
    }
    for index in [1, 2] {
        let told = screen.expect("chat_read").await;
        assert_eq!((&told["user_id"], &told["up_to"]), (&json!(customer.id), &messages[index]["id"]));
        assert!(told["seq"].is_u64(), "{told}");
    }
    let read = page(&app, &partner, &order).await["read"].clone();
    assert_eq!((&read[0]["user_id"], &read[0]["up_to"]), (&json!(customer.id), &messages[2]["id"]));
    assert!(read[0]["read_at"].is_string() && read[1].is_null(), "{read}");

    // By a frame, up to the last one; the second time nothing has moved.
    for _ in 0..2 {
        screen.send(json!({"type": "chat_read", "order_id": order})).await;
    }
    let told = screen.expect("chat_read").await;
    assert_eq!(told["user_id"], json!(partner.id));
    assert_eq!(page(&app, &partner, &order).await["unread"], 0);
    screen.send(json!({"type": "chat_read", "order_id": order, "up_to": messages[0]["id"]})).await;
    screen.send(json!({"type": "chat_read", "order_id": order, "up_to": customer.id, "ref": "none"})).await;
    let error = screen.until("error").await;
    assert_eq!((error.len(), &error[0]["code"]), (1, &json!("invalid_fields")), "{error:?}");
    mark(&app, &customer, &order, &json!(customer.id)).await.refused(422, "invalid_fields");
    app.published().await;
    assert!(screen.so_far().await.is_empty());
}

#[actix_web::test]
async fn how_far_an_admin_has_read_is_told_to_nobody() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let admin = app.admin().await;
    let message = write(&app, &customer, &order, "Hello").await;
    let mut screens = [screen(&app, &customer, &order).await, screen(&app, &partner, &order).await];
    mark(&app, &admin, &order, &message["id"]).await.expect(204);
    assert_eq!(page(&app, &admin, &order).await["read"][0]["user_id"], json!(admin.id));
    // What comes after it shows that it does not come.
    mark(&app, &partner, &order, &message["id"]).await.expect(204);
    for screen in &mut screens {
        assert_eq!(screen.expect("chat_read").await["user_id"], json!(partner.id));
    }
    for user in [&customer, &partner] {
        assert_eq!(page(&app, user, &order).await["read"][1], Value::Null);
    }
}

#[actix_web::test]
async fn both_who_type_are_shown_and_each_only_now_and_then() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut screens = [screen(&app, &customer, &order).await, screen(&app, &partner, &order).await];
    for screen in &mut screens {
        for _ in 0..3 {
            screen.send(json!({"type": "typing", "order_id": order})).await;
        }
    }
    for screen in &mut screens {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let typing = screen.expect("typing").await;
            assert!(typing.get("seq").is_none() && typing["group"] == format!("order_{order}"), "{typing}");
            seen.push(typing["user_id"].clone());
        }
        assert!(seen.contains(&json!(customer.id)) && seen.contains(&json!(partner.id)), "{seen:?}");
    }
    // Whatever was to be shown has been by now: both sessions have handled their frames.
    for screen in &mut screens {
        assert!(screen.so_far().await.is_empty());
    }
}

#[actix_web::test]
async fn typing_on_two_devices_is_shown_no_more_often_than_on_one() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut devices = [screen(&app, &customer, &order).await, screen(&app, &customer, &order).await];
    let mut watching = screen(&app, &partner, &order).await;
    let begin = Instant::now();
    for device in &mut devices {
        device.send(json!({"type": "typing", "order_id": order})).await;
        device.send(json!({"type": "chat", "order_id": order, "text": "Hello"})).await;
    }
    let mut shown = 0;
    for _ in 0..2 {
        let frames = watching.until("chat_message").await;
        shown += frames.iter().filter(|frame| frame["type"] == "typing").count();
    }
    // What is typed is handled beside what is written, and may be shown after it.
    for device in &mut devices {
        device.so_far().await;
    }
    shown += watching.so_far().await.iter().filter(|frame| frame["type"] == "typing").count();
    assert!(shown == 1 || begin.elapsed() >= Duration::from_secs(2), "shown {shown} times");
}
