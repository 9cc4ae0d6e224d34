//! A server that dies: what it leaves behind is taken up by the others.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Fleet, position, subscribe, tells};
use crate::support::TestApp;
use crate::support::steps::text;

/// What the contract of operations gives the others.
const WITHIN: Duration = Duration::from_secs(5);

#[actix_web::test]
async fn guarantee_1_what_a_dead_server_left_in_the_outbox_is_published_by_another() {
    let mut fleet = Fleet::start(2).await;
    let survivor = fleet.apps.pop().expect("two");
    let first = fleet.apps.pop().expect("one");
    // The first one has the lease.
    assert!(first.inner().leadership().term().is_some());
    let (customer, partner, order) = first.assigned_order().await;
    let id = text(&order, "id");
    let mut screen = survivor.connect(&customer, &format!("/ws/orders/{id}/")).await;
    screen.expect("order_status").await;
    first.vanish();
    let begin = Instant::now();
    survivor.step(&partner, &id, "en_route").await;
    screen.until_match("en route", |frame| tells(frame, "en_route")).await;
    assert!(begin.elapsed() < WITHIN, "{:?}", begin.elapsed());
    assert!(survivor.inner().leadership().term().is_some());
}

#[actix_web::test]
async fn guarantee_3_the_sessions_of_a_dead_server_come_back_elsewhere_and_miss_nothing() {
    let mut fleet = Fleet::start(2).await;
    let survivor = fleet.apps.pop().expect("two");
    let first = fleet.apps.pop().expect("one");
    let (customer, partner, order) = first.assigned_order().await;
    let id = text(&order, "id");
    let group = format!("order_{id}");
    let (mut screen, _) = subscribe(&first, &customer, &group, None).await;
    screen.expect("order_status").await;
    first.step(&partner, &id, "en_route").await;
    let last = screen.until_match("en route", |frame| tells(frame, "en_route")).await.pop().expect("one");
    first.vanish();
    survivor.step(&partner, &id, "arrived").await;
    let (mut screen, subscribed) = subscribe(&survivor, &customer, &group, Some(&position(&last))).await;
    assert_eq!(subscribed["recovered"], true);
    let arrived = screen.until_match("arrived", |frame| tells(frame, "arrived")).await;
    let arrived = arrived.last().expect("one");
    assert_eq!(arrived["seq"].as_u64(), last["seq"].as_u64().map(|seq| seq + 1));
}

#[actix_web::test]
async fn the_presence_of_a_dead_server_ends() {
    let mut fleet = Fleet::start(2).await;
    let survivor = fleet.apps.pop().expect("two");
    let first = fleet.apps.pop().expect("one");
    let (customer, partner, order) = first.assigned_order().await;
    let path = format!("/ws/orders/{}/", text(&order, "id"));
    let mut screen = survivor.connect(&customer, &path).await;
    screen.expect("order_status").await;
    let gone = first.connect(&partner, &path).await;
    screen.until_match("the partner has come", |frame| frame["joined"]["user_id"] == json!(partner.id)).await;
    first.vanish();
    drop(gone);
    screen.until_match("the partner has gone", |frame| frame["left"]["user_id"] == json!(partner.id)).await;
    assert_eq!(survivor.inner().groups().peers().instances, 0);
}

#[actix_web::test]
async fn a_server_that_stops_hands_over_at_once() {
    let mut fleet = Fleet::start(2).await;
    let survivor = fleet.apps.pop().expect("two");
    let mut first = fleet.apps.pop().expect("one");
    assert!(first.inner().leadership().term().is_some());
    let stopped = first.tell_to_stop();
    stopped.await.expect("it answers").expect("it stops in time");
    let begin = Instant::now();
    survivor.until("it has the lease", || async { survivor.inner().leadership().term().is_some() }).await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(survivor.inner().groups().peers().instances, 0);
}

#[actix_web::test]
async fn a_database_that_was_put_back_to_an_earlier_state_does_not_stop_the_events() {
    let fleet = Fleet::start(1).await;
    let app = &fleet.apps[0];
    let (customer, partner, order) = app.assigned_order().await;
    let id = text(&order, "id");
    let mut screen = app.connect(&customer, &format!("/ws/orders/{id}/")).await;
    screen.expect("order_status").await;
    // As if Redis had seen later terms than the database knows of.
    let set = crate::support::redis::raise_fence(&fleet.database, &format!("order_{id}"), 50 << 20);
    assert!(set, "these tests use Redis");
    app.step(&partner, &id, "en_route").await;
    screen.until_match("en route", |frame| tells(frame, "en_route")).await;
}

#[actix_web::test]
async fn a_bell_is_not_passed_on_for_ever() {
    let fleet = Fleet::start(3).await;
    let [first, second, third] = &fleet.apps[..] else { panic!("three") };
    assert!(first.inner().leadership().term().is_some());
    let customer = second.customer().await;
    let mut bell = third.connect(&customer, "/ws/notifications/").await;
    second.place_order(&customer).await;
    bell.until_match("two", |frame| frame["count"] == 2).await;
    let before = crate::support::redis::published(&fleet.database);
    for _ in 0..10 {
        second.as_user(&customer).get("/me").await.expect(200);
        crate::support::redis::published(&fleet.database);
    }
    // Signs of life go on, and what other tests publish on the same server; an echo would be thousands.
    let told = crate::support::redis::published(&fleet.database) - before;
    assert!(told < 400, "{told} messages while nothing happened");
}

#[actix_web::test]
async fn one_that_stops_gives_the_outbox_to_another_before_its_sessions_have_gone() {
    let mut fleet = Fleet::start(2).await;
    let leads = |app: &TestApp| app.inner().leadership().term().is_some();
    let at = fleet.apps.iter().position(leads).expect("one leads");
    let (mut leader, other) = (fleet.apps.remove(at), fleet.apps.remove(0));
    let customer = other.customer().await;
    // It does not read, and so it does not answer when it is told to go.
    let silent = leader.connect(&customer, "/ws/notifications/").await;
    let mut bell = other.connect(&customer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    let mut stopped = leader.tell_to_stop();
    other.until("it publishes", || async { leads(&other) }).await;
    other.place_order(&customer).await;
    bell.until_match("it is told", |frame| frame["count"] == 2).await;
    assert!(stopped.try_recv().is_err(), "the session is still there");
    assert_eq!(other.ready().await["status"], "ready");
    drop(silent);
    stopped.await.expect("it ends").expect("in good order");
}
