//! Steps of an order that are asked for again, since their answers were lost: taken once, and answered like the first time,
//! whatever has become of the order meanwhile.

use serde_json::{Value, json};

use crate::support::steps::text;
use crate::support::{TestApp, TestUser};
use crate::tracking::{PICKUP, ago, backdate, frame, north};

/// How many steps an order has taken.
async fn taken(app: &TestApp, order: &str) -> usize {
    let admin = app.admin().await;
    let timeline = app.as_user(&admin).get(&format!("/orders/{order}/timeline")).await.expect(200);
    timeline["items"].as_array().map(Vec::len).expect("steps")
}

/// What an answer says of where the order stands.
fn standing(order: &Value) -> (&str, i64) {
    (order["status"].as_str().unwrap_or_default(), order["version"].as_i64().unwrap_or_default())
}

async fn asked(app: &TestApp, who: &TestUser, order: &str, body: Value) -> Value {
    app.try_step(who, order, body).await.expect(200)
}

#[actix_web::test]
async fn a_repeated_step_is_answered_like_the_first_and_taken_once() {
    let app = TestApp::start().await;
    let (_, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    for body in [json!({"to": "en_route"}), json!({"to": "arrived", "version": 4})] {
        let first = asked(&app, &partner, &order, body.clone()).await;
        assert_eq!(asked(&app, &partner, &order, body).await, first);
    }
    assert_eq!(taken(&app, &order).await, 5);
}

#[actix_web::test]
async fn a_step_that_others_have_followed_is_answered_with_the_order_as_it_stands() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.carry_to(&partner, &order, "in_transit").await;
    let handed_over = json!({"to": "delivered", "note": "at the door"});
    let first = asked(&app, &partner, &order, handed_over.clone()).await;
    assert_eq!(standing(&first), ("delivered", 8));
    app.step(&customer, &order, "completed").await;
    assert_eq!(standing(&asked(&app, &partner, &order, handed_over).await), ("completed", 9));
    let versioned = json!({"to": "delivered", "version": 7, "note": "at the door"});
    assert_eq!(standing(&asked(&app, &partner, &order, versioned).await), ("completed", 9));
    // Each of the partner's own, and the customer's.
    for to in ["en_route", "arrived", "picked_up", "in_transit"] {
        assert_eq!(standing(&asked(&app, &partner, &order, json!({"to": to})).await), ("completed", 9));
    }
    assert_eq!(standing(&asked(&app, &customer, &order, json!({"to": "completed"})).await), ("completed", 9));
    assert_eq!(taken(&app, &order).await, 9);
}

#[actix_web::test]
async fn what_another_has_done_or_was_done_at_another_version_is_no_repetition() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let (order, admin) = (text(&order, "id"), app.admin().await);
    app.carry_to(&partner, &order, "picked_up").await;
    for who in [&customer, &admin] {
        let refused = app.try_step(who, &order, json!({"to": "arrived"})).await;
        refused.refused(409, "illegal_transition");
    }
    // It was placed, which is nothing that is asked for like this, and assigned by an admin.
    let refused = app.try_step(&customer, &order, json!({"to": "pending"})).await;
    refused.refused(409, "illegal_transition");
    for (version, code) in [(6, "illegal_transition"), (3, "version_conflict"), (7, "version_conflict")] {
        let body = json!({"to": "arrived", "version": version});
        app.try_step(&partner, &order, body).await.refused(409, code);
    }
    for version in [4, 5] {
        let again = asked(&app, &partner, &order, json!({"to": "arrived", "version": version})).await;
        assert_eq!(standing(&again), ("picked_up", 6));
    }
    assert_eq!(taken(&app, &order).await, 6);
}

#[actix_web::test]
async fn setting_off_is_repeated_although_the_geofence_was_faster() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.step(&partner, &order, "en_route").await;
    backdate(&app, 150);
    let mut phone = app.at_work(&partner).await;
    // One sample alone proves nothing.
    for seconds in [3, 2, 1] {
        phone.send(frame(north(PICKUP, 20.0), ago(seconds))).await;
    }
    app.until_status(&customer, &order, "arrived").await;
    for to in ["en_route", "arrived"] {
        assert_eq!(standing(&asked(&app, &partner, &order, json!({"to": to})).await), ("arrived", 5));
    }
    assert_eq!(taken(&app, &order).await, 5);
}

#[actix_web::test]
async fn giving_back_is_repeated_when_somebody_else_has_the_order_and_tells_nothing_of_that() {
    let app = TestApp::start().await;
    let (_, partner, order) = app.assigned_order().await;
    let (order, admin, other) = (text(&order, "id"), app.admin().await, app.partner().await);
    let give_back = json!({"to": "confirmed", "reason": "flat tyre"});
    let first = asked(&app, &partner, &order, give_back.clone()).await;
    assert_eq!(standing(&first), ("confirmed", 4));
    app.assign(&admin, &order, &other).await;
    app.carry_to(&other, &order, "delivered").await;
    assert_eq!(asked(&app, &partner, &order, give_back).await, first);
    // That is all: a step that was never taken is one of an order that is another's.
    app.try_step(&partner, &order, json!({"to": "en_route"})).await.refused(404, "not_found");
    app.try_step(&other, &order, json!({"to": "confirmed", "reason": "x"}))
        .await
        .refused(409, "illegal_transition");
}

#[actix_web::test]
async fn who_has_an_order_for_the_second_time_gives_it_back_once_more_or_repeats_as_the_version_says() {
    let app = TestApp::start().await;
    let (_, partner, order) = app.assigned_order().await;
    let (order, admin) = (text(&order, "id"), app.admin().await);
    asked(&app, &partner, &order, json!({"to": "confirmed", "version": 3, "reason": "flat tyre"})).await;
    app.assign(&admin, &order, &partner).await;
    let again = json!({"to": "confirmed", "version": 3, "reason": "flat tyre"});
    assert_eq!(standing(&asked(&app, &partner, &order, again).await), ("assigned", 5));
    let anew = json!({"to": "confirmed", "reason": "another one"});
    assert_eq!(standing(&asked(&app, &partner, &order, anew).await), ("confirmed", 6));
    app.assign(&admin, &order, &partner).await;
    app.step(&partner, &order, "en_route").await;
    // Not of this time.
    let late = json!({"to": "confirmed", "reason": "another one"});
    app.try_step(&partner, &order, late).await.refused(409, "illegal_transition");
}

#[actix_web::test]
async fn another_reason_or_note_makes_another_step() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.carry_to(&partner, &order, "in_transit").await;
    let code = text(&app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200), "code");
    let by_code = json!({"to": "delivered", "code": code});
    asked(&app, &partner, &order, by_code.clone()).await;
    assert_eq!(standing(&asked(&app, &partner, &order, by_code).await), ("delivered", 8));
    let wrong = if code == "0000" { "0001" } else { "0000" };
    for other in
        [json!({"to": "delivered", "note": "at the door"}), json!({"to": "delivered", "code": wrong})]
    {
        app.try_step(&partner, &order, other).await.refused(409, "illegal_transition");
    }
}

#[actix_web::test]
async fn an_admin_repeats_confirming_and_assigning_and_takes_nothing_back_by_that() {
    let app = TestApp::start_with(&[("WAYBILL_AUTO_CONFIRM", "off")]).await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let order = app.order(&customer).await;
    let confirm = json!({"to": "confirmed", "version": 1});
    asked(&app, &admin, &order, confirm.clone()).await;
    app.assign(&admin, &order, &partner).await;
    assert_eq!(standing(&asked(&app, &admin, &order, confirm.clone()).await), ("assigned", 3));
    // Without a version it is about what can be done now, which takes a reason.
    let taken_back = app.try_step(&admin, &order, json!({"to": "confirmed"})).await;
    assert_eq!(taken_back.refused(422, "invalid_fields")["errors"][0]["field"], "reason");
    app.step(&partner, &order, "en_route").await;
    assert_eq!(standing(&app.assign(&admin, &order, &partner).await), ("en_route", 4));
    assert_eq!(standing(&asked(&app, &admin, &order, confirm).await), ("en_route", 4));
    for body in [json!({"to": "confirmed", "reason": "the partner is ill"}), json!({"to": "confirmed"})] {
        app.try_step(&admin, &order, body).await.refused(409, "illegal_transition");
    }
    // Another admin has not done it, and after its end nobody has the order.
    let body = json!({"partner_id": partner.partner_id});
    let path = format!("/orders/{order}/assign");
    app.as_user(&app.admin().await).post(&path, body.clone()).await.refused(409, "illegal_transition");
    app.step(&customer, &order, "cancelled").await;
    app.as_user(&admin).post(&path, body).await.refused(409, "illegal_transition");
    assert_eq!(taken(&app, &order).await, 5);
}
