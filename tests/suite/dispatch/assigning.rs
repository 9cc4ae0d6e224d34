//! Admins who give orders to partners, and take them away: what the partners are told, and keep in their inboxes.

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::{closed, offered};
use crate::support::steps::text;
use crate::support::{TestApp, TestUser};

/// What an inbox holds about assignments, oldest first: the type, and what each was for.
async fn told(app: &TestApp, who: &TestUser) -> Vec<(String, Value)> {
    let inbox = app.as_user(who).get("/notifications").await.expect(200);
    let items = inbox["items"].as_array().expect("notifications").iter().rev();
    let kinds = items.map(|item| (text(item, "type"), item["data"].clone()));
    kinds.filter(|(kind, _)| kind.starts_with("assignment_")).collect()
}

fn kinds(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[actix_web::test]
async fn whom_an_admin_gives_an_order_and_whom_it_is_taken_from_find_it_in_their_inboxes() {
    let app = TestApp::start_with(&[("WAYBILL_DISPATCH", "off")]).await;
    let (first, second, customer) = (app.partner().await, app.partner().await, app.customer().await);
    let (admin, order) = (app.admin().await, app.order(&customer).await);
    app.assign(&admin, &order, &first).await;
    let given = told(&app, &first).await;
    assert_eq!(kinds(&given), ["assignment_given"]);
    let (_, data) = &given[0];
    assert_eq!((&data["order_id"], &data["url"]), (&json!(order), &json!(format!("/orders/{order}"))));
    // What an offer would have said.
    assert!(data["earnings"]["amount"].as_i64() > Some(0), "{data}");
    let unread = app.as_user(&first).get("/notifications/unread_count").await.expect(200);
    assert_eq!(unread["count"], 1);

    // To another one.
    app.assign(&admin, &order, &second).await;
    let told_first = told(&app, &first).await;
    assert_eq!(kinds(&told_first), ["assignment_given", "assignment_withdrawn"]);
    assert_eq!(told_first[1].1["cause"], "reassigned");
    assert_eq!(kinds(&told(&app, &second).await), ["assignment_given"]);

    // And away.
    app.try_step(&admin, &order, json!({"to": "confirmed", "reason": "too far"})).await.expect(200);
    assert_eq!(kinds(&told(&app, &second).await), ["assignment_given", "assignment_withdrawn"]);
}

#[actix_web::test]
async fn that_an_admin_gave_the_order_to_who_was_asked_already_is_not_taken_for_an_answer() {
    let app = TestApp::start().await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    let admin = app.admin().await;
    app.assign(&admin, &order, &partner).await;
    assert_eq!(closed(&mut work, &offer).await, "accepted");
    let audit = app.as_user(&admin).get(&format!("/orders/{order}/dispatch")).await.expect(200);
    let outcome = &audit["looks"][0]["offers"][0];
    let told = (&outcome["status"], &outcome["reason"]);
    assert_eq!(told, (&json!("accepted"), &json!("an admin has assigned the order")));
    let [assignment] = audit["assignments"].as_array().expect("some").as_slice() else { panic!("{audit}") };
    assert_eq!((&assignment["by"], &assignment["user_id"]), (&json!("admin"), &json!(admin.id)));
    assert_eq!(assignment["partner"]["id"], json!(partner.partner_id));
}

#[actix_web::test]
async fn who_accepts_an_order_and_gives_it_back_knows_and_is_not_told() {
    let app = TestApp::start().await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    app.answer(&partner, &offer, "accept").await.expect(200);
    app.try_step(&partner, &order, json!({"to": "confirmed", "reason": "flat tyre"})).await.expect(200);
    assert_eq!(kinds(&told(&app, &partner).await), ["assignment_offered"]);
}

#[actix_web::test]
async fn an_admin_who_assigns_closes_what_was_offered_and_who_accepts_it_by_frame_is_told_why_in_a_word() {
    let app = TestApp::start().await;
    let (asked, chosen, customer) = (app.partner_at(100.0).await, app.partner().await, app.customer().await);
    let mut work = app.at_work(&asked).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    app.assign(&app.admin().await, &order, &chosen).await;
    assert_eq!(closed(&mut work, &offer).await, "taken");
    app.answer(&asked, &offer, "accept").await.refused(409, "offer_closed");
    work.send(json!({"type": "accept", "offer_id": offer, "ref": "mine"})).await;
    let error = work.expect("error").await;
    let told = (&error["code"], &error["reason"], &error["ref"]);
    assert_eq!(told, (&json!("offer_closed"), &json!("taken"), &json!("mine")), "{error}");
    // And which fields are wrong.
    let sample = json!({"type": "location", "latitude": 99, "longitude": 181, "timestamp": Timestamp::now()});
    work.send(sample).await;
    let error = work.expect("error").await;
    let fields: Vec<_> =
        error["errors"].as_array().expect("fields").iter().map(|one| text(one, "field")).collect();
    assert_eq!(fields, ["latitude", "longitude"], "{error}");
}

#[actix_web::test]
async fn a_sample_that_names_an_order_not_set_off_with_yet_tells_who_is_near() {
    let app = TestApp::start_with(&[("WAYBILL_TRAIL_FLUSH_SECS", "1")]).await;
    let (partner, customer) = (app.partner().await, app.customer().await);
    app.as_user(&partner).put("/partner/availability", json!({"online": true})).await.expect(200);
    let mut work = app.at_work(&partner).await;
    let first = app.order(&customer).await;
    app.assign(&app.admin().await, &first, &partner).await;
    work.expect("queue_update").await;
    // Phones name the order that they have, from when it is theirs.
    let sample = |order: &str| json!({"points": [{"latitude": 52.52, "longitude": 13.405, "timestamp": Timestamp::now(), "order_id": order}]});
    let answer = app.as_user(&partner).post("/partner/locations", sample(&first)).await.expect(202);
    assert_eq!(answer, json!({"accepted": 1, "refused": []}));
    let second = app.order(&customer).await;
    offered(&mut work, &second).await;
    // It is nobody else's to name.
    let stranger = app.partner().await;
    let answer = app.as_user(&stranger).post("/partner/locations", sample(&first)).await.expect(202);
    assert_eq!(answer["refused"], json!([{"index": 0, "code": "no_active_order"}]));
    // And it stays with dispatch: once the partner has set off, nobody is shown where that was, and the trail begins later.
    app.step(&partner, &first, "en_route").await;
    let path = format!("/orders/{first}");
    let seen = app.as_user(&customer).get(&path).await.expect(200);
    assert_eq!((&seen["status"], &seen["location"]), (&json!("en_route"), &Value::Null));
    app.as_user(&partner).post("/partner/locations", sample(&first)).await.expect(202);
    let measured = async || {
        app.as_user(&partner).get(&format!("{path}/track")).await.expect(200)["properties"]["measured"]
            .clone()
    };
    app.until("the trail is written", || async { measured().await != 0 }).await;
    assert_eq!(measured().await, 1);
}
