//! A client whose connection broke comes back to a server that is still there.

use serde_json::{Value, json};

use crate::support::{Socket, TestApp, TestUser};

async fn subscribe(app: &TestApp, user: &TestUser, since: Option<&Value>) -> (Socket, Value) {
    let mut socket = app.connect(user, "/ws/").await;
    let mut frame = json!({"type": "subscribe", "group": format!("user_{}", user.id)});
    if let Some(since) = since {
        frame["since"] = since.clone();
    }
    socket.send(frame).await;
    let subscribed = socket.expect("subscribed").await;
    (socket, subscribed)
}

#[actix_web::test]
async fn who_comes_back_hears_the_count_of_unread_ones_that_changed_meanwhile() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let (mut first, _) = subscribe(&app, &customer, None).await;
    let position = first.expect("unread_count").await["position"].clone();
    first.close().await;
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    // This makes notifications; reading them all makes no event, only another count.
    app.place_order(&customer).await;
    app.as_user(&customer).post("/notifications/read_all", json!({})).await.expect(200);
    app.place_order(&customer).await;
    let count = app.as_user(&customer).get("/notifications/unread_count").await.expect(200)["count"].clone();
    // Until everything is out.
    bell.until_match("none", |frame| frame["type"] == "unread_count" && frame["count"] == 0).await;
    for wanted in [0, 2] {
        bell.until_match("the count", |frame| frame["type"] == "unread_count" && frame["count"] == wanted)
            .await;
    }

    let (mut second, subscribed) = subscribe(&app, &customer, Some(&position)).await;
    assert_eq!(subscribed["recovered"], true);
    let frames = second.until_match("the present count", |frame| frame["count"] == count).await;
    assert!(frames.iter().any(|frame| frame["type"] == "notification"), "{frames:?}");
    assert!(second.so_far().await.iter().all(|frame| frame["count"].is_null()), "an older count after it");
}
