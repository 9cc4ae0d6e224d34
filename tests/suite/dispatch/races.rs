//! An offer is accepted at the very moment at which something else ends it: one of the two comes first, and everybody is
//! told of what became of it, once. Each of these runs on one server, and over two ([`crate::instances`]).

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::offered;
use crate::support::steps::text;
use crate::support::{Answer, Socket, TestApp, TestUser};

/// How often each race is run.
const ROUNDS: u32 = 6;

/// An order that is offered to a partner, who listens.
struct Scene<'a> {
    /// Where the offer is accepted.
    here: &'a TestApp,
    /// Where its rival is called, and where the partner listens.
    there: &'a TestApp,
    partner: TestUser,
    customer: TestUser,
    order: Value,
    offer: Value,
    work: Socket,
}

/// What became of a scene: the answer's status, the reason that the partner heard, and the order by then.
struct Outcome {
    accepted: bool,
    reason: String,
    order: Value,
    /// All that the partner heard.
    heard: Vec<Value>,
}

impl<'a> Scene<'a> {
    async fn set(here: &'a TestApp, there: &'a TestApp, round: u32) -> Self {
        // Nearer than those of the rounds before.
        let metres = 500.0 - 10.0 * f64::from(round);
        let partner = here.partner_at(metres).await;
        there.stand(&partner, metres).await;
        let mut work = there.at_work(&partner).await;
        let customer = here.customer().await;
        let order = here.place_order(&customer).await;
        let offer = work.expect("assignment").await["offer"].clone();
        assert_eq!(offer["order"]["id"], order["id"]);
        Self { here, there, partner, customer, order, offer, work }
    }

    fn id(&self) -> String {
        text(&self.order, "id")
    }

    async fn accept(&self) -> Answer {
        self.here.answer(&self.partner, &text(&self.offer, "id"), "accept").await
    }

    /// Accepts some milliseconds before or after a time. It is aimed at; nothing depends on whether it is met.
    async fn accept_at(&self, time: Timestamp, round: u32) -> Answer {
        let at = time.before(Duration::from_millis(6)).after(Duration::from_millis(4) * round);
        tokio::time::sleep(at.since(Timestamp::now())).await;
        self.accept().await
    }

    /// What the partner is told, which has to fit the answer: it was accepted, or it ended in that way.
    async fn outcome(mut self, answer: Answer, otherwise: &str) -> Outcome {
        let accepted = answer.status == 200;
        let reason = if accepted {
            "accepted".to_owned()
        } else {
            text(&answer.refused(409, "offer_closed"), "reason")
        };
        assert!(accepted || reason == otherwise, "{reason}");
        let offer = self.offer["id"].clone();
        let is_end = |frame: &Value| frame["type"] == "assignment_closed" && frame["offer_id"] == offer;
        let mut heard = self.work.until_match("the end of the offer", is_end).await;
        self.here.published().await;
        // Whatever else there is to be heard has come by now where there is one server, and soon where there are two.
        let admin = self.here.admin().await;
        let order = self.here.as_user(&admin).get(&format!("/orders/{}", self.id())).await.expect(200);
        heard.extend(self.work.so_far().await);
        let ends: Vec<_> =
            heard.iter().filter(|frame| is_end(frame)).map(|frame| text(frame, "reason")).collect();
        assert_eq!(ends, [reason.as_str()], "told once, and what the answer says");
        let open = self.there.as_user(&self.partner).get("/partner/offers").await.expect(200);
        let is_open = open["items"].as_array().expect("items").iter().any(|open| open["id"] == offer);
        assert!(!is_open, "{open}");
        let timeline =
            self.there.as_user(&admin).get(&format!("/orders/{}/timeline", self.id())).await.expect(200);
        let last = timeline["items"].as_array().and_then(|steps| steps.last()).expect("a step").clone();
        assert_eq!(last["to"], order["status"], "{timeline}");
        Outcome { accepted, reason, order, heard }
    }
}

/// The customer cancels.
pub async fn accepting_and_cancelling(here: &TestApp, there: &TestApp) {
    for round in 0..ROUNDS {
        let scene = Scene::set(here, there, round).await;
        let mut screen = here.connect(&scene.customer, &format!("/ws/orders/{}/", scene.id())).await;
        screen.expect("order_status").await;
        let body = json!({"to": "cancelled", "version": scene.order["version"]});
        let id = scene.id();
        let cancel = there.try_step(&scene.customer, &id, body);
        let (answer, cancelled) = if round % 2 == 0 {
            tokio::join!(scene.accept(), cancel)
        } else {
            let (cancelled, answer) = tokio::join!(cancel, scene.accept());
            (answer, cancelled)
        };
        let outcome = scene.outcome(answer, "withdrawn").await;
        let status = if outcome.accepted {
            cancelled.refused(409, "version_conflict");
            "assigned"
        } else {
            assert_eq!(cancelled.expect(200)["status"], "cancelled");
            "cancelled"
        };
        assert_eq!((&outcome.order["status"], &outcome.order["version"]), (&json!(status), &json!(3)));
        let update = screen.expect("order_update").await;
        assert_eq!(update["update"]["status"], status);
        let in_queue = outcome.heard.iter().any(|frame| frame["type"] == "queue_update");
        assert_eq!(in_queue, outcome.accepted);
    }
}

/// The offer runs out.
pub async fn accepting_and_running_out(here: &TestApp, there: &TestApp) {
    for round in 0..ROUNDS {
        let scene = Scene::set(here, there, round).await;
        let expires_at = serde_json::from_value(scene.offer["expires_at"].clone()).expect("a time");
        let answer = scene.accept_at(expires_at, round).await;
        let (customer, partner, id) = (scene.customer.clone(), scene.partner.clone(), scene.id());
        let outcome = scene.outcome(answer, "expired").await;
        let letters = there.as_user(&partner).get("/notifications?type=assignment_expired").await.expect(200);
        let letters = letters["items"].as_array().map(Vec::len);
        if outcome.accepted {
            assert_eq!((&outcome.order["status"], letters), (&json!("assigned"), Some(0)));
        } else {
            assert_eq!((&outcome.order["status"], letters), (&json!("confirmed"), Some(1)));
        }
        here.try_step(&customer, &id, json!({"to": "cancelled"})).await.expect(200);
    }
}

/// An admin gives the order to somebody else.
pub async fn accepting_and_assigning(here: &TestApp, there: &TestApp) {
    let (admin, other) = (here.admin().await, here.partner().await);
    for round in 0..3 {
        let mut scene = Scene::set(here, there, round).await;
        let id = scene.id();
        let (answer, _) = tokio::join!(scene.accept(), there.assign(&admin, &id, &other));
        if answer.status == 200 {
            // It was the partner's for a moment.
            let added = scene.work.until_match("added", |frame| frame["action"] == "added").await;
            let ends = added.iter().filter(|frame| frame["type"] == "assignment_closed");
            assert_eq!(ends.map(|frame| text(frame, "reason")).collect::<Vec<_>>(), ["accepted"]);
            assert_eq!(scene.work.expect("queue_update").await["action"], "removed");
        } else {
            assert_eq!(scene.outcome(answer, "taken").await.reason, "taken");
        }
        let order = there.as_user(&admin).get(&format!("/orders/{id}")).await.expect(200);
        assert_eq!(
            (&order["status"], &order["partner"]["id"]),
            (&json!("assigned"), &json!(other.partner_id))
        );
    }
}

/// The time is over in which partners are looked for.
pub async fn accepting_and_giving_up(here: &TestApp, there: &TestApp) {
    for round in 0..ROUNDS {
        let scene = Scene::set(here, there, round).await;
        let placed_at: Timestamp = serde_json::from_value(scene.order["created_at"].clone()).expect("a time");
        let answer = scene.accept_at(placed_at.after(Duration::from_secs(2)), round).await;
        let outcome = scene.outcome(answer, "withdrawn").await;
        let status = if outcome.accepted { "assigned" } else { "failed" };
        assert_eq!((&outcome.order["status"], &outcome.order["version"]), (&json!(status), &json!(3)));
    }
}

/// The partner goes offline on another device.
pub async fn accepting_and_going_offline(here: &TestApp, there: &TestApp) {
    for round in 0..ROUNDS {
        let scene = Scene::set(here, there, round).await;
        let leaving = there.as_user(&scene.partner);
        let leaving = leaving.put("/partner/availability", json!({"online": false}));
        let (answer, left) = tokio::join!(scene.accept(), leaving);
        assert_eq!(left.expect(200)["online"], false);
        let (partner, id) = (scene.partner.clone(), scene.id());
        let outcome = scene.outcome(answer, "withdrawn").await;
        let queue = there.as_user(&partner).get("/partner/queue").await.expect(200);
        assert_eq!(queue["offers"], json!([]));
        let has_it =
            queue["orders"].as_array().is_some_and(|orders| orders.iter().any(|order| order["id"] == id));
        assert_eq!((has_it, outcome.order["status"] == "assigned"), (outcome.accepted, outcome.accepted));
    }
}

/// A partner accepts all offers at once while an admin gives the same partner more.
pub async fn accepting_more_than_one_may_have(here: &TestApp, there: &TestApp) {
    const MAY_HAVE: usize = 3;
    let (customer, admin) = (here.customer().await, here.admin().await);
    for round in 0..3 {
        let metres = 500.0 - 10.0 * f64::from(round);
        let partner = here.partner_at(metres).await;
        there.stand(&partner, metres).await;
        let mut work = here.at_work(&partner).await;
        let (mut orders, mut offers) = (Vec::new(), Vec::new());
        for _ in 0..MAY_HAVE {
            let order = here.order(&customer).await;
            offers.push(offered(&mut work, &order).await);
            orders.push(order);
        }
        // Nobody is left to be offered these.
        let more = [here.order(&customer).await, here.order(&customer).await];
        let accepting = offers.iter().enumerate().map(|(at, offer)| {
            let app = if at % 2 == 0 { here } else { there };
            app.answer(&partner, offer, "accept")
        });
        let assigning = more.iter().enumerate().map(|(at, order)| {
            let app = if at % 2 == 0 { there } else { here };
            let (admin, partner_id) = (&admin, partner.partner_id);
            async move {
                let path = format!("/orders/{order}/assign");
                app.as_user(admin).post(&path, json!({"partner_id": partner_id})).await
            }
        });
        let (accepted, assigned) = tokio::join!(join_all(accepting), join_all(assigning));
        let mut given = 0;
        for answer in accepted.into_iter().chain(assigned) {
            match answer.status {
                200 => given += 1,
                _ => drop(answer.refused(409, "too_many_orders")),
            }
        }
        assert_eq!(given, MAY_HAVE);
        let queue = there.as_user(&partner).get("/partner/queue").await.expect(200);
        assert_eq!(queue["orders"].as_array().map(Vec::len), Some(MAY_HAVE), "{queue}");
        for order in orders.iter().chain(&more) {
            here.try_step(&customer, order, json!({"to": "cancelled"})).await.expect(200);
        }
    }
}

#[actix_web::test]
async fn an_offer_is_accepted_or_the_order_cancelled_and_never_both() {
    let app = TestApp::start().await;
    accepting_and_cancelling(&app, &app).await;
}

#[actix_web::test]
async fn an_offer_is_accepted_or_runs_out_and_never_both() {
    let app = TestApp::start_with(&[("WAYBILL_OFFER_SECS", "1")]).await;
    accepting_and_running_out(&app, &app).await;
}

#[actix_web::test]
async fn whom_an_admin_chooses_has_the_order_also_when_somebody_accepts_it() {
    let app = TestApp::start().await;
    accepting_and_assigning(&app, &app).await;
}

#[actix_web::test]
async fn an_offer_is_accepted_or_the_order_fails_and_never_both() {
    let app = TestApp::start_with(&[("WAYBILL_NO_PARTNER_SECS", "2")]).await;
    accepting_and_giving_up(&app, &app).await;
}

#[actix_web::test]
async fn an_offer_is_accepted_or_given_away_by_going_offline_and_never_both() {
    let app = TestApp::start().await;
    accepting_and_going_offline(&app, &app).await;
}

#[actix_web::test]
async fn who_accepts_several_offers_at_once_gets_no_more_than_one_may_have() {
    let app = TestApp::start().await;
    accepting_more_than_one_may_have(&app, &app).await;
}
