//! Who may write when, what becomes of a message, and what of one that comes twice.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;
use waybill::domain::ids::OrderId;
use waybill::services::error::ServiceError;
use waybill::store::orders;

use super::{give_back, order, page, screen, set_back, texts, try_write, write};
use crate::support::TestApp;

#[actix_web::test]
async fn what_is_written_reaches_everybody_who_listens_to_the_order() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let admin = app.admin().await;
    let mut screens = Vec::new();
    for user in [&customer, &partner, &admin] {
        screens.push(screen(&app, user, &order).await);
    }
    screens[0]
        .send(json!({"type": "chat", "order_id": order, "text": "Hello 👋🏽\nhow far?", "client_id": "c-1"}))
        .await;
    let first = screens[0].expect("chat_message").await;
    let message = &first["message"];
    assert_eq!(first["id"], message["id"]);
    assert!(first["seq"].is_u64() && first["group"] == format!("order_{order}"), "{first}");
    let sender = json!({"id": customer.id, "name": "A customer", "party": "customer"});
    assert_eq!(
        (
            &message["order_id"],
            &message["sender"],
            &message["text"],
            &message["client_id"],
            &message["masked"]
        ),
        (&json!(order), &sender, &json!("Hello 👋🏽\nhow far?"), &json!("c-1"), &json!(false))
    );
    for screen in &mut screens[1..] {
        assert_eq!(screen.expect("chat_message").await, first);
    }
    let answer = write(&app, &partner, &order, "Five minutes.").await;
    assert_eq!((answer.get("client_id"), &answer["sender"]["party"]), (None, &json!("partner")));
    let third = write(&app, &admin, &order, "Good.").await;
    assert_eq!(third["sender"], json!({"id": admin.id, "name": "A admin", "party": "admin"}));
    for screen in &mut screens {
        assert_eq!(screen.expect("chat_message").await["message"], answer);
        assert_eq!(screen.expect("chat_message").await["message"], third);
    }
    for user in [&customer, &partner, &admin] {
        assert_eq!(page(&app, user, &order).await["items"], json!([third, answer, message]));
    }
    let told = format!("{first}{}", page(&app, &customer, &order).await);
    for email in [&customer.email, &partner.email, &admin.email] {
        assert!(!told.contains(email.as_str()), "contact details are part of no answer: {told}");
    }
}

#[actix_web::test]
async fn what_a_session_writes_is_stored_in_the_order_in_which_it_came() {
    let app = TestApp::start().await;
    let (customer, _, order) = order(&app).await;
    let mut phone = screen(&app, &customer, &order).await;
    let words: Vec<String> = (0..15).map(|number| format!("line {number}")).collect();
    for text in &words {
        phone.send(json!({"type": "chat", "order_id": order, "text": text})).await;
    }
    for text in &words {
        assert_eq!(phone.expect("chat_message").await["message"]["text"], json!(text));
    }
    assert_eq!(texts(&app, &customer, &order).await, words);
}

#[actix_web::test]
async fn only_so_many_messages_wait_for_one_that_is_stuck() {
    let app = TestApp::start().await;
    let (customer, _, order) = order(&app).await;
    let mut phone = screen(&app, &customer, &order).await;
    let id: OrderId = order.parse().expect("an id");
    // Somebody holds the order, and with SQLite whatever there is.
    let (release, released) = mpsc::channel::<()>();
    let (done, is_done) = oneshot::channel();
    let holder = app.inner().clone();
    let holding = actix_web::rt::spawn(async move {
        let held = holder.write(move |tx| {
            orders::find_locked(tx.conn(), id)?;
            done.send(()).expect("the test waits");
            // An error is what is waited for: the other end is dropped.
            let _ = released.recv();
            Ok::<_, ServiceError>(())
        });
        held.await.expect("it is given back");
    });
    is_done.await.expect("it is held");
    for number in 0..40 {
        let line = format!("line {number}");
        phone.send(json!({"type": "chat", "order_id": order, "text": line, "ref": number.to_string()})).await;
    }
    for number in 32..40 {
        let error = phone.expect("error").await;
        assert_eq!((&error["code"], &error["ref"]), (&json!("overloaded"), &json!(number.to_string())));
    }
    // What is wrong is said at once, too.
    let long = "x".repeat(2001);
    phone.send(json!({"type": "chat", "order_id": order, "text": long, "ref": "long"})).await;
    let error = phone.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("invalid_fields"), &json!("long")));

    drop(release);
    for number in 0..32 {
        let told = phone.expect("chat_message").await;
        assert_eq!(told["message"]["text"], json!(format!("line {number}")));
    }
    holding.await.expect("it has ended");
    assert_eq!(texts(&app, &customer, &order).await.len(), 32);
}

#[actix_web::test]
async fn chat_is_open_from_the_assignment_to_an_hour_after_the_end() {
    let app = TestApp::start().await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let order = app.order(&customer).await;
    let words = || json!({"text": "Hello"});
    for user in [&customer, &admin] {
        try_write(&app, user, &order, words()).await.refused(409, "chat_closed");
    }
    assert_eq!(texts(&app, &customer, &order).await, [] as [&str; 0]);
    app.assign(&admin, &order, &partner).await;
    write(&app, &customer, &order, "assigned").await;
    app.carry_to(&partner, &order, "delivered").await;
    write(&app, &partner, &order, "delivered").await;
    set_back(&app, &order, 3 * 3600).await;
    write(&app, &partner, &order, "delivered long ago").await;
    app.step(&customer, &order, "completed").await;
    write(&app, &customer, &order, "completed").await;
    set_back(&app, &order, 3590).await;
    write(&app, &partner, &order, "almost an hour ago").await;
    set_back(&app, &order, 20).await;
    for user in [&customer, &partner, &admin] {
        try_write(&app, user, &order, words()).await.refused(409, "chat_closed");
        let mut screen = screen(&app, user, &order).await;
        for frame in [
            json!({"type": "chat", "order_id": order, "text": "Hello", "ref": "late"}),
            json!({"type": "typing", "order_id": order, "ref": "late"}),
        ] {
            screen.send(frame).await;
            let error = screen.expect("error").await;
            assert_eq!((&error["code"], &error["ref"]), (&json!("chat_closed"), &json!("late")));
        }
        assert_eq!(texts(&app, user, &order).await.len(), 5, "what was written stays");
    }
}

#[actix_web::test]
async fn a_cancelled_order_without_a_partner_has_no_chat() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    write(&app, &customer, &order, "Hello").await;
    give_back(&app, &partner, &order).await;
    try_write(&app, &customer, &order, json!({"text": "Anybody?"})).await.refused(409, "chat_closed");
    app.step(&customer, &order, "cancelled").await;
    try_write(&app, &customer, &order, json!({"text": "Anybody?"})).await.refused(409, "chat_closed");
    assert_eq!(texts(&app, &customer, &order).await, ["Hello"]);
}

#[actix_web::test]
async fn who_has_no_part_in_an_order_neither_reads_nor_writes() {
    let app = TestApp::start().await;
    let (customer, _, order) = order(&app).await;
    let message = write(&app, &customer, &order, "Hello").await;
    let mut listener = screen(&app, &customer, &order).await;
    // What was written before may follow.
    let is_news = |frame: &Value| frame["type"] != "presence" && frame["id"] != message["id"];
    for stranger in [app.customer().await, app.partner().await] {
        let client = app.as_user(&stranger);
        let path = format!("/orders/{order}/messages");
        client.get(&path).await.refused(404, "not_found");
        client.post(&path, json!({"text": "Hello"})).await.refused(404, "not_found");
        let read = json!({"up_to": message["id"]});
        client.post(&format!("{path}/read"), read).await.refused(404, "not_found");
        let mut socket = app.connect(&stranger, "/ws/").await;
        for frame in [
            json!({"type": "chat", "text": "Hello", "client_id": "x"}),
            json!({"type": "typing"}),
            json!({"type": "chat_read", "up_to": message["id"]}),
            json!({"type": "chat_read"}),
        ] {
            let mut frame = frame;
            frame["order_id"] = json!(order);
            frame["ref"] = json!("mine");
            socket.send(frame).await;
            let error = socket.expect("error").await;
            assert_eq!((&error["code"], &error["ref"]), (&json!("not_found"), &json!("mine")));
        }
    }
    app.as_nobody().get(&format!("/orders/{order}/messages")).await.refused(401, "token_missing");
    app.published().await;
    let heard = listener.so_far().await;
    assert!(!heard.iter().any(is_news), "{heard:?}");
}

#[actix_web::test]
async fn the_same_client_id_is_the_same_message() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut screen = screen(&app, &partner, &order).await;
    let body = json!({"text": "Call 0170 1234567", "client_id": "once"});
    let calls = (0..8).map(|_| try_write(&app, &customer, &order, body.clone()));
    let answers: Vec<Value> = join_all(calls).await.into_iter().map(|answer| answer.expect(201)).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let other = json!({"text": "Something else", "client_id": "once"});
    try_write(&app, &customer, &order, other.clone()).await.refused(409, "client_id_reused");
    // Somebody else's marks, and those about another order, are others.
    try_write(&app, &partner, &order, other.clone()).await.expect(201);
    assert_eq!(texts(&app, &customer, &order).await, ["Call •••", "Something else"]);
    let frames = screen.until_match("the second", |frame| frame["message"]["text"] == "Something else").await;
    let told = frames.iter().filter(|frame| frame["type"] == "chat_message");
    assert_eq!(told.count(), 2, "{frames:?}");

    // Also after the chat was closed: it was written when it could be.
    give_back(&app, &partner, &order).await;
    assert_eq!(try_write(&app, &customer, &order, body).await.expect(201), answers[0]);
    try_write(&app, &partner, &order, other).await.refused(404, "not_found");
}

#[actix_web::test]
async fn an_idempotency_key_is_heeded_as_everywhere() {
    let app = TestApp::start().await;
    let (customer, _, order) = order(&app).await;
    let (path, key) = (format!("/orders/{order}/messages"), Uuid::new_v4().to_string());
    let headers = [("Idempotency-Key", key.as_str())];
    let client = app.as_user(&customer);
    let first = client.post_with(&path, &headers, json!({"text": "One"})).await.expect(201);
    let again = client.post_with(&path, &headers, json!({"text": "One"})).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201), first);
    client.post_with(&path, &headers, json!({"text": "Two"})).await.refused(409, "idempotency_key_reused");
    assert_eq!(texts(&app, &customer, &order).await, ["One"]);
}

#[actix_web::test]
async fn contact_details_reach_nobody() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut screen = screen(&app, &customer, &order).await;
    let words = "I am at +49 170 1234567 or ada@example.org; code 4711, 12,50 €, 18:30.";
    let masked = "I am at ••• or •••; code 4711, 12,50 €, 18:30.";
    let answer = write(&app, &customer, &order, words).await;
    assert_eq!((&answer["text"], &answer["masked"]), (&json!(masked), &json!(true)));
    assert_eq!(screen.expect("chat_message").await["message"], answer);
    assert_eq!(texts(&app, &partner, &order).await, [masked]);
    let inbox = app.as_user(&partner).get("/notifications?type=chat_message").await.expect(200);
    assert!(!inbox.to_string().contains("1234567") && inbox.to_string().contains("•••"), "{inbox}");
}

#[actix_web::test]
async fn texts_that_are_blank_too_long_or_hold_what_shows_nothing_are_refused() {
    let app = TestApp::start().await;
    let (customer, _, order) = order(&app).await;
    let mut screen = screen(&app, &customer, &order).await;
    let long = "é".repeat(2000);
    write(&app, &customer, &order, &long).await;
    screen.expect("chat_message").await;
    for words in ["", "  \n ", "a\u{0}b", &format!("{long}é")] {
        let body = json!({"text": words, "client_id": "x"});
        try_write(&app, &customer, &order, body).await.refused(422, "invalid_fields");
        screen
            .send(json!({"type": "chat", "order_id": order, "text": words, "client_id": "x", "ref": "t"}))
            .await;
        let error = screen.expect("error").await;
        assert_eq!((&error["code"], &error["ref"]), (&json!("invalid_fields"), &json!("t")));
    }
    let body = json!({"text": "fine", "client_id": "x".repeat(129)});
    try_write(&app, &customer, &order, body).await.refused(422, "invalid_fields");
    assert_eq!(texts(&app, &customer, &order).await, [long]);
}

#[actix_web::test]
async fn twenty_messages_are_taken_in_a_minute_and_none_of_them_twice() {
    let app = TestApp::start_with(&[("WAYBILL_RATE_LIMITS", "on")]).await;
    let (customer, partner, order) = order(&app).await;
    let mut screen = screen(&app, &customer, &order).await;
    let words = |number: usize| json!({"text": "Hello?", "client_id": format!("c-{number}")});
    let begin = Instant::now();
    let mut first = Vec::new();
    for number in 0..20 {
        first.push(try_write(&app, &customer, &order, words(number)).await.expect(201));
    }
    for body in [json!({"text": "Hello?"}), words(20)] {
        let answer = try_write(&app, &customer, &order, body.clone()).await;
        let mut frame = body;
        frame["type"] = json!("chat");
        frame["order_id"] = json!(order);
        frame["ref"] = json!("r");
        screen.send(frame).await;
        let refusal = screen.expect("error").await;
        assert!(begin.elapsed() < Duration::from_secs(60), "too slow for what is to be shown");
        let wait: u64 = answer.header("retry-after").expect("it says when").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
        answer.refused(429, "rate_limited");
        assert_eq!((&refusal["code"], &refusal["ref"]), (&json!("rate_limited"), &json!("r")));
    }
    // What was written is answered all the same, as often as it comes.
    for (number, message) in first.iter().enumerate() {
        assert_eq!(try_write(&app, &customer, &order, words(number)).await.expect(201), *message);
    }
    assert_eq!(texts(&app, &partner, &order).await.len(), 20);
    write(&app, &partner, &order, "The other side has a limit of its own.").await;
}

#[actix_web::test]
async fn what_comes_again_takes_nothing_from_the_limit() {
    let app = TestApp::start_with(&[("WAYBILL_RATE_LIMITS", "on")]).await;
    let (customer, _, order) = order(&app).await;
    let (path, client) = (format!("/orders/{order}/messages"), app.as_user(&customer));
    let marked = json!({"text": "One", "client_id": "one"});
    let keyed =
        async || client.post_with(&path, &[("Idempotency-Key", "a-key")], json!({"text": "Two"})).await;
    for _ in 0..30 {
        client.post(&path, marked.clone()).await.expect(201);
        keyed().await.expect(201);
    }
    for _ in 0..18 {
        write(&app, &customer, &order, "Hello?").await;
    }
    client.post(&path, json!({"text": "Hello?"})).await.refused(429, "rate_limited");
    let again = keyed().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

#[actix_web::test]
async fn who_looks_at_an_order_hears_when_it_can_be_written_about_no_longer() {
    let app = TestApp::start_with(&[("WAYBILL_CHAT_AFTER_END_SECS", "1")]).await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = order["id"].as_str().expect("an id").to_owned();
    let mut screen = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    app.step(&customer, &order, "cancelled").await;
    super::write(&app, &partner, &order, "A pity.").await;
    assert_eq!(screen.expect("chat_closed").await["order_id"], serde_json::json!(order));
    let path = format!("/orders/{order}/messages");
    let late = serde_json::json!({"text": "Too late"});
    app.as_user(&customer).post(&path, late).await.refused(409, "chat_closed");
}
