//! Dispatch through the front door: who is offered an order, what partners may answer, and what happens when nobody does.

mod assigning;
mod cascade;
pub mod races;
mod surviving;
mod told;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestUser, an_order};

/// Metres to degrees of latitude.
pub const DEGREES_PER_METRE: f64 = 1.0 / 111_195.0;

impl TestApp {
    /// A partner who is online, so many metres from where orders are picked up.
    pub async fn partner_at(&self, metres: f64) -> TestUser {
        let partner = self.partner().await;
        self.as_user(&partner).put("/partner/availability", json!({"online": true})).await.expect(200);
        self.stand(&partner, metres).await;
        partner
    }

    /// A partner is seen so many metres from where orders are picked up.
    pub async fn stand(&self, partner: &TestUser, metres: f64) {
        self.stood(partner, metres, Timestamp::now()).await;
    }

    /// A partner says that it was so many metres north of the pick-up then.
    async fn stood(&self, partner: &TestUser, metres: f64, at: Timestamp) {
        let latitude = 52.5200 + metres * DEGREES_PER_METRE;
        let point = json!({"latitude": latitude, "longitude": 13.4050, "timestamp": at});
        self.as_user(partner).post("/partner/locations", json!({"points": [point]})).await.expect(202);
    }

    /// The partner's socket, its queue read.
    pub async fn at_work(&self, partner: &TestUser) -> Socket {
        let mut socket = self.connect(partner, "/ws/partner/").await;
        assert_eq!(socket.next().await["type"], "queue");
        socket
    }

    /// Accepts or declines an offer.
    pub async fn answer(&self, partner: &TestUser, offer: &str, answer: &str) -> crate::support::Answer {
        self.as_user(partner).post(&format!("/partner/offers/{offer}/{answer}"), json!({})).await
    }

    /// Why an order went to whom.
    pub async fn audit(&self, order: &str) -> Vec<Value> {
        let admin = self.admin().await;
        let audit = self.as_user(&admin).get(&format!("/orders/{order}/dispatch")).await.expect(200);
        audit["looks"].as_array().expect("looks").clone()
    }

    /// Where an order stands.
    pub async fn status(&self, customer: &TestUser, order: &str) -> String {
        text(&self.as_user(customer).get(&format!("/orders/{order}")).await.expect(200), "status")
    }

    /// Waits until an order stands there.
    pub async fn until_status(&self, customer: &TestUser, order: &str, status: &str) {
        self.until(status, || async { self.status(customer, order).await == status }).await;
    }
}

/// The offer that a partner gets; gives its id.
pub async fn offered(socket: &mut Socket, order: &str) -> String {
    let frame = socket.expect("assignment").await;
    assert_eq!(frame["offer"]["order"]["id"], order, "{frame}");
    text(&frame["offer"], "id")
}

/// What a partner hears of the end of an offer.
pub async fn closed(socket: &mut Socket, offer: &str) -> String {
    let frame = socket.expect("assignment_closed").await;
    assert_eq!(frame["offer_id"], offer, "{frame}");
    text(&frame, "reason")
}

#[actix_web::test]
async fn the_nearest_partner_is_offered_the_order_and_has_it_once_it_is_accepted() {
    let app = TestApp::start().await;
    let (near, far, customer) =
        (app.partner_at(300.0).await, app.partner_at(900.0).await, app.customer().await);
    let (mut work, mut idle) = (app.at_work(&near).await, app.at_work(&far).await);
    let mut body = an_order();
    body["notes"] = json!("The key is under the mat.");
    let order = text(&app.as_user(&customer).post("/orders", body).await.expect(201), "id");

    let frame = work.expect("assignment").await;
    let offer = text(&frame["offer"], "id");
    assert_eq!(frame["offer"]["order"]["id"], json!(order), "{frame}");
    assert_eq!(frame["offer"]["pickup_distance"], 300, "{frame}");
    assert!(frame["seq"].is_u64() && frame["offer"]["expires_at"].is_string(), "{frame}");
    let told = &frame["offer"]["order"];
    assert!(
        told["notes"].is_null() && told["code"].is_null(),
        "who has not accepted knows no secrets: {frame}"
    );
    let queue = app.as_user(&near).get("/partner/queue").await.expect(200);
    assert_eq!(queue["offers"][0], frame["offer"]);
    assert_eq!(app.as_user(&near).get("/partner/offers").await.expect(200)["items"][0], frame["offer"]);
    assert_eq!(app.as_user(&far).get("/partner/offers").await.expect(200)["items"], json!([]));
    let bell = app.as_user(&near).get("/notifications?type=assignment_offered").await.expect(200);
    assert_eq!(bell["items"][0]["data"]["order_id"], json!(order));

    app.as_user(&near).get(&format!("/orders/{order}")).await.refused(404, "not_found");
    let taken = app.answer(&near, &offer, "accept").await.expect(200);
    assert_eq!(
        (&taken["status"], &taken["notes"]),
        (&json!("assigned"), &json!("The key is under the mat."))
    );
    assert_eq!(taken["partner"]["id"], json!(near.partner_id));
    assert_eq!(closed(&mut work, &offer).await, "accepted");
    let queue = work.expect("queue_update").await;
    assert_eq!((&queue["action"], &queue["order_id"]), (&json!("added"), &json!(order)));
    let again = app.answer(&near, &offer, "accept").await.expect(200);
    assert_eq!(again["version"], taken["version"], "accepting again is answered like the first time");
    let queue = app.as_user(&near).get("/partner/queue").await.expect(200);
    assert_eq!((&queue["offers"], &queue["orders"][0]["id"]), (&json!([]), &json!(order)));

    let timeline = app.as_user(&customer).get(&format!("/orders/{order}/timeline")).await.expect(200);
    let step = timeline["items"].as_array().and_then(|steps| steps.last()).expect("a step");
    assert_eq!(
        (&step["to"], &step["by"], &step["user_id"]),
        (&json!("assigned"), &json!("partner"), &json!(near.id))
    );
    let looks = app.audit(&order).await;
    let verdicts: Vec<_> =
        looks[0]["candidates"].as_array().expect("some").iter().map(|one| text(one, "verdict")).collect();
    assert_eq!((looks.len(), verdicts), (1, vec!["offered".to_owned(), "farther".to_owned()]));
    assert_eq!(looks[0]["offers"][0]["status"], "accepted");
    app.published().await;
    assert!(!idle.so_far().await.iter().any(|frame| frame["type"] == "assignment"));
}

#[actix_web::test]
async fn an_offer_that_is_declined_or_runs_out_goes_to_the_next() {
    let app = TestApp::start_with(&[("WAYBILL_OFFER_SECS", "1")]).await;
    let mut partners = Vec::new();
    for metres in [100.0, 200.0, 300.0] {
        let partner = app.partner_at(metres).await;
        let socket = app.at_work(&partner).await;
        partners.push((partner, socket));
    }
    let customer = app.customer().await;
    let order = app.order(&customer).await;

    let (first, work) = &mut partners[0];
    let offer = offered(work, &order).await;
    work.send(json!({"type": "decline", "offer_id": offer, "reason": "a flat tyre", "ref": "d"})).await;
    // The answer to this session, and the event for all of the partner's: the same, under one id.
    let mut told = [work.expect("assignment_closed").await, work.expect("assignment_closed").await];
    told.sort_by_key(|frame| frame["seq"].is_u64());
    assert_eq!((&told[0]["ref"], &told[1]["ref"]), (&json!("d"), &Value::Null), "{told:?}");
    for frame in told {
        assert_eq!((&frame["reason"], &frame["id"]), (&json!("declined"), &json!(offer)), "{frame}");
    }
    let refused = app.answer(first, &offer, "accept").await.refused(409, "offer_closed");
    assert_eq!(refused["reason"], "declined");
    let again = app.answer(first, &offer, "decline").await.expect(200);
    assert_eq!(again["status"], "confirmed", "declining again is answered like the first time");

    let (second, work) = &mut partners[1];
    let offer = offered(work, &order).await;
    assert_eq!(closed(work, &offer).await, "expired");
    let refused = app.answer(second, &offer, "accept").await.refused(409, "offer_closed");
    assert_eq!(refused["reason"], "expired");
    let bell = app.as_user(second).get("/notifications?type=assignment_expired").await.expect(200);
    assert_eq!(bell["items"].as_array().map(Vec::len), Some(1));

    let (_, work) = &mut partners[2];
    let offer = offered(work, &order).await;
    work.send(json!({"type": "accept", "offer_id": offer, "ref": "a"})).await;
    assert_eq!(closed(work, &offer).await, "accepted");
    app.until_status(&customer, &order, "assigned").await;
    let looks = app.audit(&order).await;
    let outcomes: Vec<_> = looks.iter().map(|look| text(&look["offers"][0], "status")).collect();
    assert_eq!(outcomes, ["declined", "expired", "accepted"]);
    assert_eq!(looks[0]["offers"][0]["reason"], "a flat tyre");
    let first = &partners[0].0;
    let offer = text(&looks[0]["offers"][0], "id");
    let refused = app.answer(first, &offer, "decline").await.refused(409, "offer_closed");
    assert!(refused.get("partner").is_none(), "who has it now is not for who declined it: {refused}");
    let verdicts: Vec<_> =
        looks[2]["candidates"].as_array().expect("some").iter().map(|one| text(one, "verdict")).collect();
    assert_eq!(verdicts, ["declined", "asked", "offered"]);
}

#[actix_web::test]
async fn of_those_who_accept_at_once_one_has_it_and_the_others_are_told_taken() {
    const PARTNERS: usize = 12;
    let app = TestApp::start_with(&[("WAYBILL_OFFERS_AT_ONCE", "12")]).await;
    let mut partners = Vec::new();
    for at in 0..PARTNERS {
        let partner = app.partner_at(100.0 + at as f64).await;
        let socket = app.at_work(&partner).await;
        partners.push((partner, socket));
    }
    let customer = app.customer().await;
    let order = app.order(&customer).await;
    let mut offers = Vec::new();
    for (partner, socket) in &mut partners {
        offers.push((partner.clone(), offered(socket, &order).await));
    }
    let answers = join_all(offers.iter().map(|(partner, offer)| app.answer(partner, offer, "accept"))).await;
    let mut winners = Vec::new();
    for (answer, (partner, _)) in answers.into_iter().zip(&offers) {
        match answer.status {
            200 => winners.push(partner.partner_id),
            _ => assert_eq!(answer.refused(409, "offer_closed")["reason"], "taken"),
        }
    }
    assert_eq!(winners.len(), 1);
    let order = app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200);
    assert_eq!(order["partner"]["id"], json!(winners[0]));
    for ((partner, socket), (_, offer)) in partners.iter_mut().zip(&offers) {
        let reason = if winners[0] == partner.partner_id { "accepted" } else { "taken" };
        assert_eq!(closed(socket, offer).await, reason);
    }
}

#[actix_web::test]
async fn an_order_that_is_given_back_goes_to_somebody_else() {
    let app = TestApp::start().await;
    let (near, far, customer) =
        (app.partner_at(100.0).await, app.partner_at(800.0).await, app.customer().await);
    let (mut work, mut other) = (app.at_work(&near).await, app.at_work(&far).await);
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    app.answer(&near, &offer, "accept").await.expect(200);
    app.try_step(&near, &order, json!({"to": "confirmed"})).await.refused(422, "invalid_fields");
    app.try_step(&near, &order, json!({"to": "confirmed", "reason": "a flat tyre"})).await.expect(200);
    let offer = offered(&mut other, &order).await;
    app.answer(&far, &offer, "accept").await.expect(200);
    let looks = app.audit(&order).await;
    assert_eq!(looks[1]["candidates"][0]["verdict"], "had_it");
    // An admin takes it from the second one, too: nobody is left.
    let admin = app.admin().await;
    let body = json!({"to": "confirmed", "reason": "a complaint"});
    app.try_step(&admin, &order, body).await.expect(200);
    app.until("nobody is left", || async {
        let looks = app.audit(&order).await;
        looks.get(2).is_some_and(|look| {
            look["candidates"].as_array().is_some_and(|all| all.iter().all(|one| one["verdict"] == "had_it"))
        })
    })
    .await;
}

#[actix_web::test]
async fn what_was_offered_is_withdrawn_when_the_order_is_cancelled() {
    let app = TestApp::start().await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    app.step(&customer, &order, "cancelled").await;
    assert_eq!(closed(&mut work, &offer).await, "withdrawn");
    for answer in ["accept", "decline"] {
        let refused = app.answer(&partner, &offer, answer).await.refused(409, "offer_closed");
        assert_eq!(refused["reason"], "withdrawn");
    }
    let bell = app.as_user(&partner).get("/notifications?type=assignment_withdrawn").await.expect(200);
    assert_eq!(bell["items"][0]["data"]["cause"], "cancelled");
    assert_eq!(app.as_user(&partner).get("/partner/offers").await.expect(200)["items"], json!([]));
}

#[actix_web::test]
async fn who_has_as_much_in_hand_as_one_may_have_is_not_asked_and_cannot_take_more() {
    let app =
        TestApp::start_with(&[("WAYBILL_ORDERS_IN_HAND", "1"), ("WAYBILL_DISPATCH_AGAIN_MS", "100")]).await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    // An offer that may be accepted counts like an order.
    let next = app.order(&customer).await;
    app.until("it is judged", || async { !app.audit(&next).await.is_empty() }).await;
    assert_eq!(app.audit(&next).await[0]["candidates"][0]["verdict"], "busy");
    // One comes by another way before the offer is accepted.
    let by_hand = app.order(&customer).await;
    app.assign(&app.admin().await, &by_hand, &partner).await;
    app.answer(&partner, &offer, "accept").await.refused(409, "too_many_orders");
    // An admin can give no more either, be the order free or another partner's.
    let (admin, third) = (app.admin().await, app.order(&customer).await);
    let body = json!({"partner_id": partner.partner_id});
    let path = format!("/orders/{third}/assign");
    app.as_user(&admin).post(&path, body.clone()).await.refused(409, "too_many_orders");
    app.assign(&admin, &third, &app.partner().await).await;
    app.as_user(&admin).post(&path, body).await.refused(409, "too_many_orders");
    assert_eq!(app.status(&customer, &third).await, "assigned", "and it stays where it was");
    app.assign(&admin, &by_hand, &partner).await;
    app.carry_to(&partner, &by_hand, "delivered").await;
    app.answer(&partner, &offer, "accept").await.expect(200);
    app.carry_to(&partner, &order, "delivered").await;
    let offer = offered(&mut work, &next).await;
    app.answer(&partner, &offer, "accept").await.expect(200);
}

#[actix_web::test]
async fn partners_are_looked_for_ever_farther_and_only_among_those_who_are_online_and_were_seen() {
    let app = TestApp::start_with(&[("WAYBILL_DISPATCH_AGAIN_MS", "100")]).await;
    let (offline, unseen, far) =
        (app.partner_at(50.0).await, app.partner().await, app.partner_at(7000.0).await);
    let (away, customer) = (json!({"online": false}), app.customer().await);
    let answer = app.as_user(&offline).put("/partner/availability", away).await.expect(200);
    assert_eq!(answer, app.as_user(&offline).get("/partner/availability").await.expect(200));
    assert_eq!(answer["online"], false);
    // Nearer than the one who is asked, and last seen a little more than a minute ago.
    let silent = app.partner().await;
    app.stood(&silent, 500.0, Timestamp::now().before(Duration::from_secs(61))).await;
    for online in [&unseen, &silent] {
        app.as_user(online).put("/partner/availability", json!({"online": true})).await.expect(200);
    }
    let mut work = app.at_work(&far).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    let looks = app.audit(&order).await;
    assert_eq!(
        (looks.len(), &looks[0]["radius"]),
        (1, &json!(8000)),
        "looks that find nobody are one: {looks:?}"
    );
    let verdicts: Vec<_> = looks[0]["candidates"]
        .as_array()
        .expect("some")
        .iter()
        .map(|one| (text(&one["partner"], "id"), text(one, "verdict")))
        .collect();
    let id = |user: &TestUser| user.partner_id.expect("a partner").to_string();
    assert_eq!(verdicts, [(id(&offline), "offline".into()), (id(&far), "offered".into())]);
    app.answer(&far, &offer, "accept").await.expect(200);
}

#[actix_web::test]
async fn who_goes_offline_gives_open_offers_away_and_keeps_the_orders_in_hand() {
    let app = TestApp::start().await;
    let (near, far, customer) =
        (app.partner_at(100.0).await, app.partner_at(800.0).await, app.customer().await);
    let (mut work, mut other) = (app.at_work(&near).await, app.at_work(&far).await);
    let kept = app.order(&customer).await;
    let offer = offered(&mut work, &kept).await;
    app.answer(&near, &offer, "accept").await.expect(200);
    assert_eq!(closed(&mut work, &offer).await, "accepted");
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    app.as_user(&near).put("/partner/availability", json!({"online": false})).await.expect(200);
    assert_eq!(closed(&mut work, &offer).await, "withdrawn");
    offered(&mut other, &order).await;
    app.step(&near, &kept, "en_route").await;
}

#[actix_web::test]
async fn an_order_that_nobody_takes_fails_in_time() {
    let settings = [("WAYBILL_NO_PARTNER_SECS", "1"), ("WAYBILL_DISPATCH_AGAIN_MS", "100")];
    let app = TestApp::start_with(&settings).await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    app.until_status(&customer, &order, "failed").await;
    assert_eq!(closed(&mut work, &offer).await, "withdrawn");
    app.answer(&partner, &offer, "accept").await.refused(409, "offer_closed");
    let bell = app.as_user(&customer).get("/notifications?type=order_failed").await.expect(200);
    assert_eq!(bell["items"][0]["data"]["cause"], "no_partner");
}

#[actix_web::test]
async fn where_admins_assign_nothing_is_offered_and_nothing_fails() {
    let app = TestApp::start_with(&[("WAYBILL_DISPATCH", "off"), ("WAYBILL_NO_PARTNER_SECS", "1")]).await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let order = app.order(&customer).await;
    let due =
        app.inner().read(|conn| Ok(waybill::store::deadlines::next_due(conn)?)).await.expect("looked up");
    let soon = Timestamp::now().after(std::time::Duration::from_secs(60));
    assert!(due.is_none_or(|due| due > soon), "nothing but the purge is due");
    assert_eq!(app.audit(&order).await, Vec::<Value>::new());
    app.assign(&app.admin().await, &order, &partner).await;
}

#[actix_web::test]
async fn offers_are_nobody_elses_business() {
    let app = TestApp::start().await;
    let (partner, other, customer) = (app.partner_at(100.0).await, app.partner().await, app.customer().await);
    let mut work = app.at_work(&partner).await;
    let order = app.order(&customer).await;
    let offer = offered(&mut work, &order).await;
    for answer in ["accept", "decline"] {
        app.answer(&other, &offer, answer).await.refused(404, "not_found");
        app.answer(&customer, &offer, answer).await.refused(403, "role_not_allowed");
        app.answer(&partner, &order, answer).await.refused(404, "not_found");
    }
    app.as_user(&partner).get(&format!("/orders/{order}/dispatch")).await.refused(403, "role_not_allowed");
    app.as_user(&customer)
        .put("/partner/availability", json!({"online": true}))
        .await
        .refused(403, "role_not_allowed");
    for path in ["/partner/availability", "/partner/queue", "/partner/offers"] {
        app.as_user(&customer).get(path).await.refused(403, "role_not_allowed");
    }
    let mut screen = app.connect(&customer, "/ws/notifications/").await;
    screen.next().await;
    screen.send(json!({"type": "accept", "offer_id": offer, "ref": "a"})).await;
    let error = screen.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("role_not_allowed"), &json!("a")));
    let mut wrong = app.at_work(&other).await;
    wrong.send(json!({"type": "decline", "offer_id": offer, "ref": "d"})).await;
    let error = wrong.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("not_found"), &json!("d")));
    let long = json!({"reason": "x".repeat(501)});
    let path = format!("/partner/offers/{offer}/decline");
    app.as_user(&partner).post(&path, long).await.refused(422, "invalid_fields");
    app.answer(&partner, &offer, "accept").await.expect(200);
}

#[actix_web::test]
async fn a_crash_between_offer_and_answer_loses_neither() {
    let app = TestApp::start_with(&[("WAYBILL_OFFER_SECS", "2")]).await;
    let (near, far, customer) =
        (app.partner_at(100.0).await, app.partner_at(300.0).await, app.customer().await);
    let mut work = app.at_work(&near).await;
    let order = app.order(&customer).await;
    offered(&mut work, &order).await;
    let database = app.crash();

    let app = TestApp::start_on(database, &[]).await;
    let mut other = app.at_work(&far).await;
    for (partner, metres) in [(&near, 100.0), (&far, 300.0)] {
        app.stand(partner, metres).await;
    }
    let offer = offered(&mut other, &order).await;
    app.answer(&far, &offer, "accept").await.expect(200);
    let bell = app.as_user(&near).get("/notifications?type=assignment_expired").await.expect(200);
    assert_eq!(bell["items"].as_array().map(Vec::len), Some(1), "it ran out once");
}

#[actix_web::test]
async fn a_crowd_of_those_who_may_not_have_the_order_hides_nobody_who_may() {
    let app = TestApp::start().await;
    for at in 0..60 {
        let partner = app.partner().await;
        app.stand(&partner, 100.0 + f64::from(at)).await;
    }
    let (free, customer) = (app.partner_at(800.0).await, app.customer().await);
    let mut work = app.at_work(&free).await;
    let order = app.order(&customer).await;
    offered(&mut work, &order).await;
    let looks = app.audit(&order).await;
    let candidates = looks[0]["candidates"].as_array().expect("some");
    assert_eq!(candidates.last().map(|last| text(last, "verdict")), Some("offered".into()));
}

#[actix_web::test]
async fn orders_that_wait_while_admins_assign_are_offered_once_partners_are_asked_again_and_the_other_way_round()
 {
    let app = TestApp::start_with(&[("WAYBILL_DISPATCH", "off")]).await;
    let (partner, customer) = (app.partner_at(100.0).await, app.customer().await);
    let order = app.order(&customer).await;
    let (database, _) = app.stop().await;

    let app = TestApp::start_on(database, &[("WAYBILL_DISPATCH_AGAIN_MS", "100")]).await;
    let mut work = app.connect(&partner, "/ws/partner/").await;
    app.stand(&partner, 100.0).await;
    // Who was asked before its socket was open has the offer in its queue.
    let is_there = |frame: &Value| frame["offers"][0].is_object() || frame["type"] == "assignment";
    let frame = work.until_match("an offer", is_there).await.pop().expect("it came");
    let offer = if frame["type"] == "queue" { &frame["offers"][0] } else { &frame["offer"] };
    assert_eq!(offer["order"]["id"], order, "{frame}");
    app.answer(&partner, &text(offer, "id"), "decline").await.expect(200);
    let (database, _) = app.stop().await;

    let settings = [("WAYBILL_DISPATCH", "off"), ("WAYBILL_NO_PARTNER_SECS", "1")];
    let app = TestApp::start_on(database, &settings).await;
    let next = app.partner_at(50.0).await;
    let mut work = app.at_work(&next).await;
    app.until("what was due is done", || async {
        let due = app.inner().read(|conn| Ok(waybill::store::deadlines::next_due(conn)?)).await;
        due.expect("looked up").is_none_or(|due| due > Timestamp::now())
    })
    .await;
    assert_eq!(app.status(&customer, &order).await, "confirmed");
    app.published().await;
    assert!(!work.so_far().await.iter().any(|frame| frame["type"] == "assignment"));
}
