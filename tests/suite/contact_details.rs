//! Contact details that one side of an order types reach the other side nowhere, whichever field they are typed into.

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use crate::chat;
use crate::support::steps::text;
use crate::support::users::an_order;
use crate::support::{TestApp, TestUser};

/// A user who has registered under this name.
async fn register(app: &TestApp, role: &str, name: &str) -> TestUser {
    let email = format!("{role}@mail.example");
    let body = json!({"email": email, "password": "long enough", "name": name, "role": role});
    let made = app.as_nobody().post("/auth/register", body).await.expect(201);
    assert_eq!(made["user"]["name"], name, "who registers sees the name as it is");
    let id = |member: &str| made["user"][member].as_str().map(|id| id.parse().expect("an id"));
    let partner_id = made["user"]["partner_id"].as_str().map(|id| id.parse().expect("an id"));
    TestUser { email, id: id("id").expect("an id"), partner_id, token: text(&made, "access") }
}

/// What a user is told of an order by REST: the order itself, its list, timeline, messages, and the inbox.
async fn told(app: &TestApp, user: &TestUser, order: &str) -> String {
    let mut told = String::new();
    for path in [
        format!("/orders/{order}"),
        "/orders".into(),
        format!("/orders/{order}/timeline"),
        format!("/orders/{order}/messages"),
        "/notifications".into(),
    ] {
        told += &app.as_user(user).get(&path).await.expect(200).to_string();
    }
    told
}

#[track_caller]
fn assert_hides(told: &str, words: &[&str]) {
    for word in words {
        assert!(!told.contains(word), "{word} is in {told}");
    }
}

#[track_caller]
fn assert_shows(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "{word} is not in {told}");
    }
}

const CUSTOMERS: [&str; 6] =
    ["0170 1111111", "0170 2222222", "soup@kitchen.example", "0170 3333333", "0170 4444444", "0170 5555555"];
const PARTNERS: [&str; 3] = ["pat@wheels.example", "0171 1111111", "0171 2222222"];

#[actix_web::test]
async fn contact_details_reach_the_other_side_in_no_field() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let customer = register(&app, "customer", "Ada 0170 1111111").await;
    let partner = register(&app, "partner", "pat@wheels.example").await;
    let mut body = an_order();
    body["notes"] = json!("Ring at Smith, code 1234, or call 0170 2222222");
    body["items"][0]["name"] = json!("Soup, see soup@kitchen.example");
    body["dropoff"]["address"] = json!("Hauptstr. 12, 10117 Berlin (0170 3333333)");
    let order = app.as_user(&customer).post("/orders", body).await.expect(201);
    assert_shows(&order.to_string(), &CUSTOMERS[..4]);
    let order = text(&order, "id");
    app.published().await;

    let (mut queue, mut screen) = (
        app.connect(&partner, "/ws/partner/").await,
        app.connect(&customer, &format!("/ws/orders/{order}/")).await,
    );
    app.assign(&admin, &order, &partner).await;
    let reason = json!({"to": "confirmed", "reason": "A flat tyre, 0171 1111111."});
    app.try_step(&partner, &order, reason).await.expect(200);
    app.assign(&admin, &order, &partner).await;
    chat::write(&app, &partner, &order, "On my way.").await;
    chat::write(&app, &customer, &order, "Good.").await;
    app.carry_to(&partner, &order, "in_transit").await;
    let proof = json!({"to": "delivered", "note": "Left with Smith, 0171 2222222."});
    app.try_step(&partner, &order, proof).await.expect(200);
    let rating = json!({"stars": 5, "comment": "Thanks, 0170 4444444"});
    app.as_user(&customer).post(&format!("/orders/{order}/rating"), rating).await.expect(201);
    app.published().await;

    let seen = told(&app, &partner, &order).await;
    assert_hides(&seen, &CUSTOMERS);
    assert_shows(&seen, &PARTNERS);
    assert_shows(
        &seen,
        &["Ring at Smith, code 1234", "Hauptstr. 12, 10117 Berlin (•••)", "Ada •••", "Thanks, •••"],
    );
    let frames = Value::from(queue.so_far().await).to_string();
    assert_shows(&frames, &["Ring at Smith, code 1234", "queue_update"]);
    assert_hides(&frames, &CUSTOMERS);

    let seen = told(&app, &customer, &order).await;
    assert_hides(&seen, &PARTNERS);
    assert_shows(&seen, &CUSTOMERS[..4]);
    assert_shows(&seen, &["A flat tyre, •••.", "Left with Smith, •••."]);
    let frames = Value::from(screen.so_far().await).to_string();
    assert_shows(&frames, &["A flat tyre, •••.", "order_update"]);
    assert_hides(&frames, &PARTNERS);

    let seen = told(&app, &admin, &order).await;
    assert_shows(&seen, &[&CUSTOMERS[..4], &PARTNERS[1..]].concat());
}

#[actix_web::test]
async fn a_reason_for_cancelling_comes_without_contact_details() {
    let app = TestApp::start().await;
    let customer = register(&app, "customer", "Ada").await;
    let (partner, admin) = (app.partner().await, app.admin().await);
    let order = app.order(&customer).await;
    app.assign(&admin, &order, &partner).await;
    app.published().await;
    let mut queue = app.connect(&partner, "/ws/partner/").await;
    let body = json!({"to": "cancelled", "reason": "Sorry, call 0170 5555555."});
    app.try_step(&customer, &order, body).await.expect(200);
    app.published().await;
    let frames = Value::from(queue.so_far().await).to_string() + &told(&app, &partner, &order).await;
    assert_hides(&frames, &CUSTOMERS);
    assert_shows(&frames, &["Sorry, call •••."]);
    assert_shows(&told(&app, &customer, &order).await, &["Sorry, call 0170 5555555."]);
}

#[actix_web::test]
async fn a_mark_on_a_message_carries_no_contact_details() {
    let app = TestApp::start().await;
    let (customer, partner, order) = chat::order(&app).await;
    let mut screen = app.connect(&partner, &format!("/ws/orders/{order}/")).await;
    let marks = [
        "0170 1111111",
        "5551234567",
        "4915112345678",
        "01771234567",
        "1771234567",
        "soup@kitchen.example",
        "c-1 @soup@kitchen.example",
    ];
    for mark in marks {
        let body = json!({"text": "Hello", "client_id": mark});
        let refused = chat::try_write(&app, &customer, &order, body).await.refused(422, "invalid_fields");
        assert_eq!(
            (&refused["errors"][0]["field"], &refused["errors"][0]["code"]),
            (&json!("client_id"), &json!("invalid"))
        );
        screen
            .send(json!({"type": "chat", "order_id": order, "text": "Hello", "client_id": mark, "ref": "m"}))
            .await;
        let error = screen.until("error").await.pop().expect("an error");
        assert_eq!((&error["code"], &error["ref"]), (&json!("invalid_fields"), &json!("m")));
    }
    // As `Date.now()` in a browser has it, and others.
    let millis = Timestamp::now().as_millis();
    let times = [millis, millis * 1_000].map(|time| time.to_string());
    let uuids = ["0190163d-8694-739b-aea5-966c26f8ad90", "01701234-5670-4345-8345-966026080901"];
    for mark in ["c-1", "42"].into_iter().chain(uuids).chain(times.iter().map(String::as_str)) {
        let body = json!({"text": "Hello", "client_id": mark});
        let message = chat::try_write(&app, &customer, &order, body).await.expect(201);
        assert_eq!(message["client_id"], json!(mark));
    }
    assert_eq!(chat::texts(&app, &partner, &order).await, ["Hello"; 6]);
}
