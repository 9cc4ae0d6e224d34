//! Who watches what: an order's life as its parties see it on their screens.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::steps::text;

#[actix_web::test]
async fn a_customer_sees_the_partner_set_out() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let id = order["id"].as_str().expect("an id");
    let mut screen = app.connect(&customer, &format!("/ws/orders/{id}/")).await;
    let first = screen.next().await;
    assert_eq!((&first["type"], &first["order"]["status"]), (&json!("order_status"), &json!("assigned")));

    let path = format!("/orders/{id}/transitions");
    app.as_user(&partner).post(&path, json!({"to": "en_route"})).await.expect(200);

    // What the snapshot holds already may follow it once more.
    let seen = screen.until_match("en_route", |frame| frame["update"]["status"] == "en_route").await;
    let update = seen.last().expect("it was seen");
    assert_eq!((&update["type"], &update["group"]), (&json!("order_update"), &json!(format!("order_{id}"))));
}

#[actix_web::test]
async fn another_customers_order_is_none_of_ones_business() {
    let app = TestApp::start().await;
    let (owner, stranger) = (app.customer().await, app.customer().await);
    let order = app.place_order(&owner).await;
    let mut inbox = app.connect(&stranger, "/ws/notifications/").await;
    assert_eq!(inbox.expect("unread_count").await["group"], format!("user_{}", stranger.id));
    let group = format!("order_{}", order["id"].as_str().expect("an id"));
    inbox.send(json!({"type": "subscribe", "group": group, "ref": "peek"})).await;
    assert_eq!(inbox.expect("error").await["ref"], "peek");

    // What is told of the owner's next order has gone out before what is told of the stranger's own.
    let next = app.place_order(&owner).await;
    let own = app.place_order(&stranger).await;
    let is_about = |frame: &Value, order: &Value| {
        let id = order["id"].as_str().expect("an id");
        frame.to_string().contains(id)
    };
    let mut seen = inbox.until_match("the own order", |frame| is_about(frame, &own)).await;
    seen.extend(inbox.so_far().await);
    for other in [order, next] {
        assert!(!seen.iter().any(|frame| is_about(frame, &other)), "{seen:?}");
    }
}

#[actix_web::test]
async fn what_a_user_has_turned_off_is_not_in_the_inbox() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let off = json!({"preferences": [{"type": "order_placed", "channel": "in_app", "enabled": false}]});
    app.as_user(&customer).put("/notifications/preferences", off).await.expect(200);
    app.place_order(&customer).await;
    let inbox = app.as_user(&customer).get("/notifications").await.expect(200);
    let items = inbox["items"].as_array().expect("a list");
    assert!(items.iter().any(|item| item["type"] == "order_confirmed"), "{inbox}");
    assert!(!items.iter().any(|item| item["type"] == "order_placed"), "{inbox}");
}

#[actix_web::test]
async fn an_order_that_its_customer_does_not_complete_completes_by_itself() {
    let app = TestApp::start_with(&[("WAYBILL_COMPLETE_AFTER_SECS", "1")]).await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let mut screen = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    app.carry_to(&partner, &order, "delivered").await;
    let completed = |frame: &Value| frame["update"]["status"] == "completed";
    screen.until_match("completed", completed).await;
    let timeline = app.as_user(&customer).get(&format!("/orders/{order}/timeline")).await.expect(200);
    let last = timeline["items"].as_array().and_then(|items| items.last()).expect("a step");
    assert_eq!(
        (&last["to"], &last["by"], &last["user_id"]),
        (&json!("completed"), &json!("system"), &Value::Null)
    );
    app.try_step(&customer, &order, json!({"to": "completed"})).await.refused(409, "illegal_transition");
}
