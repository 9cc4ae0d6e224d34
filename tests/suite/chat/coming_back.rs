//! Nothing is lost or doubled by a connection that breaks.

use serde_json::json;

use super::{order, screen, texts, write};
use crate::support::TestApp;

#[actix_web::test]
async fn what_was_written_and_read_while_one_was_away_follows() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut witness = screen(&app, &customer, &order).await;
    let mut away = screen(&app, &customer, &order).await;
    write(&app, &partner, &order, "before").await;
    let last = away.expect("chat_message").await;
    witness.expect("chat_message").await;
    // It breaks without a good-bye.
    drop(away);
    let missed = [write(&app, &partner, &order, "one").await, write(&app, &customer, &order, "two").await];
    let path = format!("/orders/{order}/messages/read");
    app.as_user(&partner).post(&path, json!({"up_to": missed[1]["id"]})).await.expect(204);
    let told = [
        witness.expect("chat_message").await,
        witness.expect("chat_message").await,
        witness.expect("chat_read").await,
    ];

    let mut back = app.connect(&customer, "/ws/").await;
    back.expect("welcome").await;
    let since = json!({"epoch": last["epoch"], "seq": last["seq"]});
    back.send(json!({"type": "subscribe", "group": format!("order_{order}"), "since": since})).await;
    assert_eq!(back.expect("subscribed").await["recovered"], true);
    for event in told {
        assert_eq!(back.next().await, event);
    }
}

#[actix_web::test]
async fn a_message_that_is_sent_again_after_its_answer_was_lost_is_not_a_second_one() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut other = screen(&app, &partner, &order).await;
    let frame = json!({"type": "chat", "order_id": order, "text": "Ring twice.", "client_id": "m-1"});
    let mut first = screen(&app, &customer, &order).await;
    first.send(frame.clone()).await;
    let told = other.expect("chat_message").await;
    // It has arrived, but the connection broke before its answer was seen.
    drop(first);

    // Back, and sent again: whether one listens or not, the answer is the message that there is.
    let group = format!("order_{order}");
    for path in [format!("/ws/orders/{order}/"), "/ws/".into()] {
        let mut back = app.connect(&customer, &path).await;
        back.send(frame.clone()).await;
        let answer = back.expect("chat_message").await;
        assert_eq!((&answer["id"], &answer["message"]), (&told["id"], &told["message"]));
        assert!(answer.get("seq").is_none() && answer["group"] == group, "{answer}");
        back.send(json!({"type": "chat", "order_id": order, "text": "No.", "client_id": "m-1", "ref": "x"}))
            .await;
        let error = back.expect("error").await;
        assert_eq!((&error["code"], &error["ref"]), (&json!("client_id_reused"), &json!("x")));
    }
    app.published().await;
    let heard = other.so_far().await;
    assert!(heard.iter().all(|frame| frame["type"] != "chat_message"), "{heard:?}");
    assert_eq!(texts(&app, &partner, &order).await, ["Ring twice."]);
}

#[actix_web::test]
async fn who_writes_without_listening_is_answered_too() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut other = screen(&app, &partner, &order).await;
    let mut socket = app.connect(&customer, "/ws/notifications/").await;
    socket.send(json!({"type": "chat", "order_id": order, "text": "Hello", "client_id": "m-1"})).await;
    let answer = socket.expect("chat_message").await;
    assert_eq!(answer["message"]["client_id"], "m-1");
    let told = other.expect("chat_message").await;
    assert_eq!((&answer["id"], &answer["message"]), (&told["id"], &told["message"]));
}

#[actix_web::test]
async fn what_was_committed_before_a_crash_is_there_after_it() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let message = write(&app, &customer, &order, "Committed").await;
    let app = TestApp::start_on(app.crash(), &[]).await;
    assert_eq!(texts(&app, &partner, &order).await, ["Committed"]);
    // Numbers go on where they were.
    write(&app, &partner, &order, "And on").await;
    assert_eq!(texts(&app, &customer, &order).await, ["Committed", "And on"]);
    let body = json!({"up_to": message["id"]});
    app.as_user(&partner).post(&format!("/orders/{order}/messages/read"), body).await.expect(204);
}
