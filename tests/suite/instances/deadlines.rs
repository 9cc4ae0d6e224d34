//! A server dies with a deadline in hand, and another lives: that one does what was due, once.

use std::time::Duration;

use diesel::RunQueryDsl;
use serde_json::json;
use waybill::domain::deadline::DeadlineKind;
use waybill::domain::time::Timestamp;
use waybill::store::StoreError;
use waybill::store::deadlines::{next_due, take_due};

use super::Fleet;
use crate::dispatch::{closed, offered};
use crate::support::steps::text;
use crate::support::{TestApp, TestUser};

/// The first takes the deadlines of a kind in hand, a little before they are due so that no other can, and dies; the others
/// are left. They come up again after five seconds.
async fn first_dies_with_in_hand(fleet: &mut Fleet, kind: DeadlineKind) {
    let first = fleet.apps.remove(0);
    let taken = first.inner().write(move |tx| {
        let now = tx.now();
        diesel::sql_query(format!("UPDATE deadlines SET due_at = 0 WHERE kind = '{}'", kind.as_str()))
            .execute(tx.conn())
            .map_err(StoreError::from)?;
        Ok(take_due(tx.conn(), now, 100)?)
    });
    let taken = taken.await.expect("they are taken");
    assert!(taken.iter().any(|deadline| deadline.kind == kind), "{taken:?}");
    first.vanish();
}

/// Whom an order's timeline names as having done its last step.
async fn last_step(app: &TestApp, customer: &TestUser, order: &str) -> (String, String) {
    let timeline = app.as_user(customer).get(&format!("/orders/{order}/timeline")).await.expect(200);
    let last = timeline["items"].as_array().and_then(|steps| steps.last()).expect("a step");
    (text(last, "to"), text(last, "by"))
}

#[actix_web::test]
async fn a_living_server_gives_an_order_up_in_the_place_of_one_that_died() {
    let mut fleet = Fleet::start_with(2, &[("WAYBILL_DISPATCH_AGAIN_MS", "600000")]).await;
    let customer = fleet.apps[0].customer().await;
    let mut bell = fleet.apps[1].connect(&customer, "/ws/notifications/").await;
    let order = fleet.apps[0].order(&customer).await;
    first_dies_with_in_hand(&mut fleet, DeadlineKind::NoPartner).await;
    let app = &fleet.apps[0];
    bell.until_match("it failed", |frame| frame["notification"]["type"] == "order_failed").await;
    assert_eq!(last_step(app, &customer, &order).await, ("failed".into(), "system".into()));
    let letters = app.as_user(&customer).get("/notifications?type=order_failed").await.expect(200);
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn a_living_server_looks_for_partners_in_the_place_of_one_that_died() {
    let mut fleet = Fleet::start_with(2, &[("WAYBILL_DISPATCH_AGAIN_MS", "600000")]).await;
    let (here, there) = fleet.two();
    let (customer, partner) = (here.customer().await, here.partner().await);
    let mut work = there.at_work(&partner).await;
    let order = here.order(&customer).await;
    here.until("nobody is there", || async { !here.audit(&order).await.is_empty() }).await;
    first_dies_with_in_hand(&mut fleet, DeadlineKind::Dispatch).await;
    let app = &fleet.apps[0];
    app.as_user(&partner).put("/partner/availability", json!({"online": true})).await.expect(200);
    app.stand(&partner, 100.0).await;
    let offer = offered(&mut work, &order).await;
    app.answer(&partner, &offer, "accept").await.expect(200);
}

#[actix_web::test]
async fn a_living_server_ends_an_offer_in_the_place_of_one_that_died() {
    let mut fleet = Fleet::start_with(2, &[("WAYBILL_OFFER_SECS", "4")]).await;
    let (here, there) = fleet.two();
    let (customer, first, second) =
        (here.customer().await, here.partner_at(100.0).await, here.partner_at(200.0).await);
    // What comes in at one server is passed on once a second, and the first will not live that long.
    there.stand(&second, 200.0).await;
    let (mut silent, mut work) = (there.at_work(&first).await, there.at_work(&second).await);
    let order = here.order(&customer).await;
    let offer = offered(&mut silent, &order).await;
    first_dies_with_in_hand(&mut fleet, DeadlineKind::Offer).await;
    assert_eq!(closed(&mut silent, &offer).await, "expired");
    let offer = offered(&mut work, &order).await;
    fleet.apps[0].answer(&second, &offer, "accept").await.expect(200);
}

#[actix_web::test]
async fn living_servers_complete_an_order_and_close_its_chat_in_the_place_of_those_that_died() {
    let settings = [("WAYBILL_COMPLETE_AFTER_SECS", "4"), ("WAYBILL_CHAT_AFTER_END_SECS", "4")];
    let mut fleet = Fleet::start_with(3, &settings).await;
    let here = &fleet.apps[0];
    let (customer, partner, order) = here.assigned_order().await;
    let order = text(&order, "id");
    let mut screen = fleet.apps[2].connect(&customer, &format!("/ws/orders/{order}/")).await;
    screen.expect("order_status").await;
    here.carry_to(&partner, &order, "delivered").await;
    first_dies_with_in_hand(&mut fleet, DeadlineKind::Complete).await;
    screen.until_match("completed", |frame| super::tells(frame, "completed")).await;
    assert_eq!(last_step(&fleet.apps[0], &customer, &order).await, ("completed".into(), "system".into()));
    first_dies_with_in_hand(&mut fleet, DeadlineKind::ChatClosing).await;
    assert_eq!(screen.expect("chat_closed").await["order_id"], json!(order));
    fleet.apps[0].published().await;
    let more = screen.so_far().await;
    assert!(!more.iter().any(|frame| frame["type"] == "chat_closed"), "{more:?}");
}

#[actix_web::test]
async fn a_living_server_cleans_up_in_the_place_of_one_that_died() {
    let mut fleet = Fleet::start(2).await;
    first_dies_with_in_hand(&mut fleet, DeadlineKind::Purge).await;
    let app = &fleet.apps[0];
    app.until("the next time is set", || async {
        let next = app.inner().read(|conn| Ok(next_due(conn)?)).await.expect("it is read");
        next.is_some_and(|next| next.since(Timestamp::now()) > Duration::from_secs(60))
    })
    .await;
}
