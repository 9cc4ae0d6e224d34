//! Who is notified of a message: the other side, unless it is looking.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use serde_json::json;

use super::{order, screen, until_listening, write};
use crate::faults::stage::direct;
use crate::support::{TestApp, TestUser};

/// How many notifications of messages a user has, and how many of all that are unread.
async fn notified(app: &TestApp, user: &TestUser) -> (usize, i64) {
    let client = app.as_user(user);
    let all = client.get("/notifications?type=chat_message").await.expect(200);
    let unread = client.get("/notifications/unread_count").await.expect(200);
    (all["items"].as_array().expect("items").len(), unread["count"].as_i64().expect("a number"))
}

#[actix_web::test]
async fn the_other_side_is_notified_unless_it_is_looking_at_the_order() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    let before = bell.expect("unread_count").await["count"].as_i64().expect("a number");
    let window = screen(&app, &customer, &order).await;
    write(&app, &partner, &order, "You see this.").await;
    assert_eq!(notified(&app, &customer).await, (0, before));
    assert_eq!(notified(&app, &partner).await.0, 0, "who writes is not notified");

    window.close().await;
    until_listening(&app, customer.id, &order, false).await;
    write(&app, &partner, &order, "You do not see this.").await;
    let told = bell.expect("notification").await["notification"].clone();
    assert_eq!((&told["type"], &told["data"]["order_id"]), (&json!("chat_message"), &json!(order)));
    assert!(told["message"].as_str().is_some_and(|text| text.contains("You do not see this.")), "{told}");
    assert!(told["title"].as_str().is_some_and(|text| text.contains("A partner")), "{told}");
    assert_eq!(bell.expect("unread_count").await["count"], before + 1);
}

#[actix_web::test]
async fn many_messages_in_a_row_ring_once_until_that_was_read() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let (_, before) = notified(&app, &customer).await;
    for words in ["Are you there?", "Hello?", "Please open."] {
        write(&app, &partner, &order, words).await;
    }
    assert_eq!(notified(&app, &customer).await, (1, before + 1));
    let all = app.as_user(&customer).get("/notifications?type=chat_message").await.expect(200);
    let id = all["items"][0]["id"].as_str().expect("an id");
    app.as_user(&customer).post(&format!("/notifications/{id}/read"), json!({})).await.expect(200);
    write(&app, &partner, &order, "Now?").await;
    assert_eq!(notified(&app, &customer).await, (2, before + 1));
}

#[actix_web::test]
async fn who_has_read_the_last_message_has_read_its_notification() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let (_, before) = notified(&app, &customer).await;
    let first = write(&app, &partner, &order, "One").await;
    let last = write(&app, &partner, &order, "Two").await;
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    assert_eq!(bell.expect("unread_count").await["count"], before + 1);
    let path = format!("/orders/{order}/messages/read");
    app.as_user(&customer).post(&path, json!({"up_to": first["id"]})).await.expect(204);
    assert_eq!(notified(&app, &customer).await.1, before + 1, "there is something left to read");
    app.as_user(&customer).post(&path, json!({"up_to": last["id"]})).await.expect(204);
    bell.until_match("the count", |frame| frame["count"] == before).await;
    assert_eq!(notified(&app, &customer).await, (1, before));
}

#[actix_web::test]
async fn an_admins_message_notifies_both_sides_and_no_admin() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let (admin, other) = (app.admin().await, app.admin().await);
    write(&app, &admin, &order, "We are looking into it.").await;
    for (user, count) in [(&customer, 1), (&partner, 1), (&admin, 0), (&other, 0)] {
        assert_eq!(notified(&app, user).await.0, count);
    }
}

#[actix_web::test]
async fn who_has_turned_messages_off_is_not_notified() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let off = json!({"preferences": [{"type": "chat_message", "channel": "in_app", "enabled": false}]});
    app.as_user(&customer).put("/notifications/preferences", off).await.expect(200);
    write(&app, &partner, &order, "Hello").await;
    assert_eq!(notified(&app, &customer).await.0, 0);
}

/// Lets the time be over after which it is looked again whether messages were read, and waits until that is done.
async fn look_again(app: &TestApp, times: u64) {
    let now = "UPDATE deadlines SET due_at = 0 WHERE kind = 'unread_message'";
    direct(app.database()).batch_execute(now).expect("it is changed");
    let done = app.inner().metrics().deadlines.with_label_values(&["unread_message", "done"]);
    app.until("it is looked again", || async { done.get() == times }).await;
}

#[actix_web::test]
async fn who_left_without_having_read_what_came_on_the_screen_is_notified_later_and_once() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let (_, before) = notified(&app, &customer).await;
    let window = screen(&app, &customer, &order).await;
    write(&app, &partner, &order, "Nobody can tell whether this was seen.").await;
    look_again(&app, 1).await;
    assert_eq!(notified(&app, &customer).await, (0, before), "the order is on the screen still");

    write(&app, &partner, &order, "Nor this.").await;
    window.close().await;
    until_listening(&app, customer.id, &order, false).await;
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    look_again(&app, 2).await;
    let told = bell.expect("notification").await["notification"].clone();
    assert!(told["message"].as_str().is_some_and(|text| text.contains("Nor this.")), "{told}");
    assert_eq!(notified(&app, &customer).await, (1, before + 1));
    assert_eq!(notified(&app, &partner).await.0, 0, "who wrote is not notified");

    // Whoever knows of it from the bell is not told of it anew.
    let window = screen(&app, &customer, &order).await;
    write(&app, &partner, &order, "On the screen again.").await;
    window.close().await;
    until_listening(&app, customer.id, &order, false).await;
    app.as_user(&customer).post("/notifications/read_all", json!({})).await.expect(200);
    write(&app, &partner, &order, "And not.").await;
    app.as_user(&customer).post("/notifications/read_all", json!({})).await.expect(200);
    assert_eq!(notified(&app, &customer).await, (2, 0));
    let looks = diesel::sql_query("DELETE FROM deadlines WHERE kind = 'unread_message'");
    assert_eq!(
        looks.execute(&mut direct(app.database())),
        Ok(0),
        "it is looked again though nothing is unknown"
    );
}

#[actix_web::test]
async fn who_was_notified_of_one_message_and_left_before_the_next_was_read_is_notified_of_that() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let first = write(&app, &partner, &order, "Of this one the bell tells.").await;
    let window = screen(&app, &customer, &order).await;
    let path = format!("/orders/{order}/messages/read");
    app.as_user(&customer).post(&path, json!({"up_to": first["id"]})).await.expect(204);
    write(&app, &partner, &order, "Of this one nobody knows.").await;
    assert_eq!(notified(&app, &customer).await.0, 1);
    window.close().await;
    until_listening(&app, customer.id, &order, false).await;
    look_again(&app, 1).await;
    let all = app.as_user(&customer).get("/notifications?type=chat_message").await.expect(200);
    let told = all["items"][0]["message"].as_str().expect("a text");
    assert!(told.contains("Of this one nobody knows."), "{all}");
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
}

#[actix_web::test]
async fn who_has_read_it_on_the_screen_is_not_notified_after_leaving() {
    let app = TestApp::start().await;
    let (customer, partner, order) = order(&app).await;
    let (_, before) = notified(&app, &customer).await;
    let window = screen(&app, &customer, &order).await;
    let message = write(&app, &partner, &order, "You have read this.").await;
    let path = format!("/orders/{order}/messages/read");
    app.as_user(&customer).post(&path, json!({"up_to": message["id"]})).await.expect(204);
    window.close().await;
    until_listening(&app, customer.id, &order, false).await;
    look_again(&app, 1).await;
    assert_eq!(notified(&app, &customer).await, (0, before));
}
