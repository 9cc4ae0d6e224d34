//! Offers over two servers: races, partners who leave while they are looked for, orders that somebody holds, and Redis away.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde_json::{Value, json};
use waybill::domain::deadline::DeadlineKind;
use waybill::domain::geo::Position;
use waybill::domain::ids::OrderId;
use waybill::domain::time::Timestamp;
use waybill::protocol::channel::Route;
use waybill::services::deadlines::fire_due;
use waybill::store::{StoreError, dispatch, notifications, orders};

use super::Fleet;
use super::redis_server::RedisServer;
use crate::dispatch::{DEGREES_PER_METRE, closed, offered, races};
use crate::support::TestApp;
use crate::support::steps::text;

#[actix_web::test]
async fn over_two_servers_an_offer_is_accepted_or_the_order_cancelled_and_never_both() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    races::accepting_and_cancelling(here, there).await;
}

#[actix_web::test]
async fn over_two_servers_an_offer_is_accepted_or_runs_out_and_never_both() {
    let fleet = Fleet::start_with(2, &[("WAYBILL_OFFER_SECS", "1")]).await;
    let (here, there) = fleet.two();
    races::accepting_and_running_out(here, there).await;
}

#[actix_web::test]
async fn over_two_servers_whom_an_admin_chooses_has_the_order_also_when_somebody_accepts_it() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    races::accepting_and_assigning(here, there).await;
}

#[actix_web::test]
async fn over_two_servers_an_offer_is_accepted_or_the_order_fails_and_never_both() {
    let fleet = Fleet::start_with(2, &[("WAYBILL_NO_PARTNER_SECS", "2")]).await;
    let (here, there) = fleet.two();
    races::accepting_and_giving_up(here, there).await;
}

#[actix_web::test]
async fn over_two_servers_an_offer_is_accepted_or_given_away_by_going_offline_and_never_both() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    races::accepting_and_going_offline(here, there).await;
}

#[actix_web::test]
async fn over_two_servers_nobody_gets_more_orders_than_one_may_have() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    races::accepting_more_than_one_may_have(here, there).await;
}

/// A transaction that somebody leaves open until this is dropped.
struct Held {
    _release: mpsc::Sender<()>,
}

/// How many wait for a lock.
async fn waiting(app: &TestApp) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let query = "SELECT COUNT(*) AS count FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let count = app.inner().read(move |conn| {
        Ok(diesel::sql_query(query).get_result::<Count>(conn).map_err(StoreError::from)?.count)
    });
    count.await.expect("a count")
}

/// Does something in a transaction, which is committed when what this gives is dropped.
async fn held(app: &TestApp, job: impl FnOnce(&mut waybill::services::app::Tx<'_>) + Send + 'static) -> Held {
    let (release, released) = mpsc::channel();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let own = app.inner().clone();
    actix_web::rt::spawn(async move {
        let transaction = own.write(move |tx| {
            job(tx);
            // The test may have failed meanwhile.
            let _ = done.send(());
            // An error is what is waited for: the other end is dropped.
            let _ = released.recv();
            Ok(())
        });
        transaction.await.expect("it is committed");
    });
    is_done.await.expect("it is done");
    Held { _release: release }
}

#[actix_web::test]
async fn when_the_only_one_near_goes_offline_during_a_look_the_next_look_is_no_farther() {
    let settings = [("WAYBILL_DISPATCH_AGAIN_MS", "600000")];
    let fleet = Fleet::start_with(1, &settings).await;
    let app = &fleet.apps[0];
    let (leaves, stays, customer) =
        (app.partner_at(100.0).await, app.partner_at(1_500.0).await, app.customer().await);
    let mut work = app.at_work(&stays).await;
    let partner_id = leaves.partner_id.expect("a partner");
    let leaving = held(app, move |tx| {
        let now = tx.now();
        dispatch::set_availability(tx.conn(), partner_id, false, now).expect("it is noted");
    })
    .await;
    let order = app.order(&customer).await;
    app.until("the look waits for who leaves", || async { waiting(app).await > 0 }).await;
    drop(leaving);
    let offer = offered(&mut work, &order).await;
    app.answer(&stays, &offer, "accept").await.expect(200);
    let looks = app.audit(&order).await;
    assert_eq!((looks.len(), &looks[0]["radius"]), (1, &json!(2000)), "{looks:?}");
    assert_eq!(looks[0]["candidates"][0]["verdict"], "offline");
}

#[actix_web::test]
async fn of_two_looks_at_once_one_alone_offers_something_to_who_may_have_no_more() {
    let fleet = Fleet::start_with(2, &[("WAYBILL_ORDERS_IN_HAND", "1")]).await;
    let (here, there) = fleet.two();
    let (near, other, customer) =
        (here.partner_at(100.0).await, there.partner_at(200.0).await, here.customer().await);
    for (app, partner, metres) in [(here, &other, 200.0), (there, &near, 100.0)] {
        app.stand(partner, metres).await;
    }
    let (mut work, mut more) = (here.at_work(&near).await, here.at_work(&other).await);
    let partner_id = near.partner_id.expect("a partner");
    let holding = held(here, move |tx| {
        dispatch::lock_partner(tx.conn(), partner_id).expect("it is locked");
    })
    .await;
    // At once: a look waits for two seconds.
    let (first, second) = tokio::join!(here.order(&customer), there.order(&customer));
    let mut orders = [first, second];
    orders.sort_unstable();
    here.until("both looks wait for the one who is near", || async { waiting(here).await == 2 }).await;
    drop(holding);
    let (one, two) = (work.expect("assignment").await, more.expect("assignment").await);
    let mut offered = [&one, &two].map(|frame| text(&frame["offer"]["order"], "id"));
    offered.sort_unstable();
    assert_eq!(offered, orders, "each order is offered, and to one who is free");
}

#[actix_web::test]
async fn over_two_servers_admins_who_swap_two_partners_orders_wait_for_each_other_and_are_both_answered() {
    let fleet = Fleet::start_with(2, &[("WAYBILL_DISPATCH", "off")]).await;
    let (here, there) = fleet.two();
    let (admin, one, other) = (here.admin().await, here.partner().await, here.partner().await);
    // Of two customers: with the same one, whoever is first to write to that inbox would be first altogether.
    let orders = [here.order(&here.customer().await).await, here.order(&here.customer().await).await];
    // Each time both write to the inboxes of both partners.
    for round in 0..30 {
        let (first, second) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        tokio::join!(here.assign(&admin, &orders[0], first), there.assign(&admin, &orders[1], second));
    }
}

#[actix_web::test]
async fn who_waits_too_long_for_what_somebody_holds_is_told_so_and_what_was_not_written_does_not_count() {
    let mut fleet = Fleet::start_with(1, &[("WAYBILL_RATE_LIMITS", "on")]).await;
    fleet.add(&[("WAYBILL_DATABASE_WAIT_MS", "500"), ("WAYBILL_RATE_LIMITS", "on")]).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let order = text(&order, "id");
    let partner_user = partner.id;
    let holding = held(here, move |tx| {
        notifications::lock_inbox(tx.conn(), partner_user).expect("it is locked");
    })
    .await;
    // Each tells the partner, whose inbox that is; and more often than messages can be written in a minute.
    let write = async |text: &str| {
        let message = json!({"text": text});
        there.as_user(&customer).post(&format!("/orders/{order}/messages"), message).await
    };
    let begin = Instant::now();
    for _ in 0..21 {
        write("Where are you?").await.refused(503, "unavailable");
    }
    // A host that is gone without a word holds it for half a minute.
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    drop(holding);
    there.until("it is let go", || async { write("Hello?").await.status == 201 }).await;

    // What fails before it is counted gives nothing back either: twenty in a minute are twenty.
    let mut written = 1;
    while write("Hello?").await.status == 201 {
        written += 1;
    }
    assert_eq!(written, 20);
    let id: OrderId = order.parse().expect("an id");
    let _holding = held(here, move |tx| {
        orders::find_locked(tx.conn(), id).expect("it is locked");
    })
    .await;
    write("Hello?").await.refused(429, "rate_limited");
    let again = json!({"text": "Hello?", "client_id": "c-1"});
    let path = format!("/orders/{order}/messages");
    there.as_user(&customer).post(&path, again).await.refused(503, "unavailable");
    write("Hello?").await.refused(429, "rate_limited");
}

#[actix_web::test]
async fn what_is_due_and_held_by_somebody_is_not_asked_for_over_and_over() {
    let fleet = Fleet::start_with(1, &[]).await;
    let app = &fleet.apps[0];
    let soon = app.inner().write(|tx| {
        let due_at = tx.now().after(Duration::from_secs(4));
        tx.set_deadline(DeadlineKind::Purge, "", None, due_at)?;
        Ok(due_at)
    });
    let due_at = soon.await.expect("it is set");
    let _holding = held(app, |tx| {
        let lock = diesel::sql_query("SELECT 1 FROM deadlines WHERE kind = 'purge' FOR UPDATE");
        lock.execute(tx.conn()).expect("it is locked");
    })
    .await;
    assert!(Timestamp::now() < due_at, "it was held before it was due");
    app.until("it is due", || async { Timestamp::now() > due_at }).await;
    let before = Timestamp::now();
    let next = fire_due(app.inner()).await.expect("it is asked").expect("there is one");
    assert!(next > before.after(Duration::from_millis(200)), "{before} {next}");
}

#[actix_web::test]
async fn an_offer_is_accepted_although_the_server_has_died_that_made_it() {
    let mut fleet = Fleet::start(1).await;
    let (partner, customer) = (fleet.apps[0].partner_at(100.0).await, fleet.apps[0].customer().await);
    let mut work = fleet.apps[0].at_work(&partner).await;
    let order = fleet.apps[0].order(&customer).await;
    let offer = offered(&mut work, &order).await;
    fleet.add(&[]).await;
    fleet.apps.remove(0).vanish();
    let app = &fleet.apps[0];
    let mut work = app.connect(&partner, "/ws/partner/").await;
    assert_eq!(work.expect("queue").await["offers"][0]["id"], json!(offer));
    app.answer(&partner, &offer, "accept").await.expect(200);
    assert_eq!(closed(&mut work, &offer).await, "accepted");
    app.until_status(&customer, &order, "assigned").await;
}

#[actix_web::test]
async fn orders_that_somebody_holds_keep_no_other_waiting() {
    let settings = [("WAYBILL_OFFER_SECS", "2"), ("WAYBILL_OFFERS_AT_ONCE", "40")];
    let fleet = Fleet::start_with(1, &settings).await;
    let app = &fleet.apps[0];
    let customer = app.customer().await;
    let mut crowd = Vec::new();
    for at in 0..40 {
        crowd.push(app.partner_at(100.0 + f64::from(at)).await);
    }
    let mut work = app.at_work(&crowd[0]).await;
    // Forty deadlines of one order, which is held when they are due.
    let busy = app.order(&customer).await;
    let of_busy = offered(&mut work, &busy).await;
    let busy_id: OrderId = busy.parse().expect("an id");
    let holding = held(app, move |tx| {
        orders::find_locked(tx.conn(), busy_id).expect("it is locked");
    })
    .await;
    let free = app.order(&customer).await;
    let of_free = offered(&mut work, &free).await;
    let begin = Instant::now();
    assert_eq!(closed(&mut work, &of_free).await, "expired");
    // Each of the forty used to wait for two seconds, four at a time.
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(holding);
    assert_eq!(closed(&mut work, &of_busy).await, "expired", "and these come up again");
}

#[actix_web::test]
async fn a_server_that_starts_waits_for_no_order_that_somebody_holds_and_looks_for_the_others() {
    let mut fleet = Fleet::start_with(1, &[("WAYBILL_DISPATCH", "off")]).await;
    let app = &fleet.apps[0];
    let (customer, partner) = (app.customer().await, app.partner_at(100.0).await);
    let mut work = app.at_work(&partner).await;
    let (busy, free) = (app.order(&customer).await, app.order(&customer).await);
    let busy_id: OrderId = busy.parse().expect("an id");
    let holding = held(app, move |tx| {
        orders::find_locked(tx.conn(), busy_id).expect("it is locked");
    })
    .await;
    fleet.add(&[]).await;
    fleet.apps[1].stand(&partner, 100.0).await;
    let offer = offered(&mut work, &free).await;
    fleet.apps[1].answer(&partner, &offer, "decline").await.expect(200);
    drop(holding);
    offered(&mut work, &busy).await;
}

/// Waits until a server knows that Redis is away, or uses it again.
async fn until_away(app: &TestApp, is_away: bool) {
    app.until("that is noticed", || async {
        let away = app.inner().groups().away().is_some();
        away == is_away && (is_away || app.inner().leadership().route() == Route::Redis)
    })
    .await;
}

#[actix_web::test]
async fn while_redis_is_away_offers_come_and_afterwards_one_of_many_has_the_order() {
    let mut redis = RedisServer::start();
    let settings = [("REDIS_URL", redis.url()), ("WAYBILL_OFFERS_AT_ONCE", "2".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let fleet = Fleet::start_with(2, &settings).await;
    let (here, there) = fleet.two();
    let customer = here.customer().await;
    let mut partners = Vec::new();
    for metres in [100.0, 200.0] {
        partners.push(here.partner_at(metres).await);
    }
    let mut ears = [here.at_work(&partners[0]).await, there.at_work(&partners[1]).await];
    redis.kill();
    for app in [here, there] {
        until_away(app, true).await;
        // Nobody passes on to the other server where partners are: each hears of it by itself.
        for (partner, metres) in partners.iter().zip([100.0, 200.0]) {
            app.stand(partner, metres).await;
        }
    }
    let order = here.order(&customer).await;
    let mut offers = Vec::new();
    for socket in &mut ears {
        offers.push(offered(socket, &order).await);
    }
    redis.resume();
    for app in [here, there] {
        until_away(app, false).await;
    }
    let (one, other) = tokio::join!(
        there.answer(&partners[0], &offers[0], "accept"),
        here.answer(&partners[1], &offers[1], "accept")
    );
    let accepted = [one.status == 200, other.status == 200];
    for answer in [one, other] {
        if answer.status != 200 {
            assert_eq!(answer.refused(409, "offer_closed")["reason"], "taken");
        }
    }
    assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
    for ((socket, offer), accepted) in ears.iter_mut().zip(&offers).zip(accepted) {
        // What comes again after a fault bears the same id.
        let reason = closed(socket, offer).await;
        assert_eq!(reason, if accepted { "accepted" } else { "taken" });
    }
    let seen = there.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200);
    assert_eq!((&seen["status"], &seen["version"]), (&json!("assigned"), &json!(3)));
}

#[actix_web::test]
async fn while_redis_is_away_partners_are_found_who_report_to_another_server() {
    let mut redis = RedisServer::start();
    let settings = [("REDIS_URL", redis.url()), ("WAYBILL_TRAIL_FLUSH_SECS", "1".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut fleet = Fleet::start_with(2, &settings).await;
    let (here, there) = fleet.two();
    let (customer, idle, busy) = (here.customer().await, here.partner().await, here.partner().await);
    // One has something to do already: where that partner is, is in a trail.
    let under_way = here.order(&customer).await;
    here.assign(&here.admin().await, &under_way, &busy).await;
    here.step(&busy, &under_way, "en_route").await;
    redis.kill();
    for app in [here, there] {
        until_away(app, true).await;
    }
    for (partner, metres) in [(&idle, 3_000.0), (&busy, 4_000.0)] {
        there.as_user(partner).put("/partner/availability", json!({"online": true})).await.expect(200);
        there.stand(partner, metres).await;
    }
    let pickup = Position { latitude: 52.52, longitude: 13.405 };
    here.until("both are known of", || async {
        let now = Timestamp::now();
        let since = now.before(Duration::from_secs(60));
        here.inner().tracking().positions().nearest(pickup, 5_000.0, 9, since, now).len() == 2
    })
    .await;
    // Whichever of the two would have looked.
    let mut ear = here.at_work(&idle).await;
    fleet.apps.remove(1).vanish();
    let app = &fleet.apps[0];
    let order = app.order(&customer).await;
    offered(&mut ear, &order).await;
}

#[actix_web::test]
async fn while_redis_is_away_one_of_many_who_accept_has_the_order_and_everybody_is_told() {
    let mut redis = RedisServer::start();
    let settings = [("REDIS_URL", redis.url()), ("WAYBILL_OFFERS_AT_ONCE", "4".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let fleet = Fleet::start_with(2, &settings).await;
    let (here, there) = fleet.two();
    let customer = here.customer().await;
    let mut partners = Vec::new();
    for at in 0..4 {
        let partner = here.partner_at(100.0 + f64::from(at)).await;
        let app = &fleet.apps[at as usize % 2];
        let ear = app.at_work(&partner).await;
        partners.push((partner, ear));
    }
    let order = here.order(&customer).await;
    let mut offers = Vec::new();
    for (_, ear) in &mut partners {
        offers.push(offered(ear, &order).await);
    }
    let path = format!("/ws/orders/{order}/");
    let mut screens = [here.connect(&customer, &path).await, there.connect(&customer, &path).await];
    for screen in &mut screens {
        screen.expect("order_status").await;
    }
    redis.kill();
    // All at once, by frames: nobody has noticed yet that Redis is gone.
    for ((_, ear), offer) in partners.iter_mut().zip(&offers) {
        ear.send(json!({"type": "accept", "offer_id": offer, "ref": "mine"})).await;
    }
    let mut winners = Vec::new();
    for (at, (partner, ear)) in partners.iter_mut().enumerate() {
        let is_answer = |frame: &Value| frame["ref"] == "mine";
        let mut frames = ear.until_match("the answer", is_answer).await;
        let answer = frames.pop().expect("it is there");
        let reason = match answer["type"].as_str() {
            Some("assignment_closed") => {
                winners.push((at, partner.partner_id));
                "accepted"
            }
            Some("error") => {
                assert_eq!(answer["code"], "offer_closed");
                "taken"
            }
            _ => panic!("{answer}"),
        };
        // The event itself, before the answer or after it.
        let tells = |frame: &Value| frame["type"] == "assignment_closed" && frame["seq"].is_u64();
        let event = match frames.into_iter().find(tells) {
            Some(event) => event,
            None => ear.until_match("the end of the offer", tells).await.pop().expect("it is there"),
        };
        assert_eq!((&event["offer_id"], &event["reason"]), (&json!(offers[at]), &json!(reason)));
    }
    assert_eq!(winners.len(), 1);
    for screen in &mut screens {
        let mut frames = screen.until_match("assigned", |frame| super::tells(frame, "assigned")).await;
        let told = frames.pop().expect("it is there");
        assert_eq!(told["update"]["partner"]["id"], json!(winners[0].1));
    }
    assert!(here.inner().groups().away().is_some() && there.inner().groups().away().is_some());
}

#[actix_web::test]
async fn while_redis_is_away_positions_are_shown_where_they_come_in_and_afterwards_everywhere() {
    let mut redis = RedisServer::start();
    let fleet = Fleet::start_with(2, &[("REDIS_URL", &redis.url())]).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let order = text(&order, "id");
    here.step(&partner, &order, "en_route").await;
    let path = format!("/ws/orders/{order}/");
    let mut maps = [here.connect(&customer, &path).await, there.connect(&customer, &path).await];
    for map in &mut maps {
        map.expect("order_status").await;
    }
    let is_at = |metres: f64| {
        let latitude = json!(52.5200 + metres * DEGREES_PER_METRE);
        move |frame: &Value| frame["type"] == "location" && frame["latitude"] == latitude
    };
    redis.kill();
    for app in [here, there] {
        until_away(app, true).await;
    }
    here.stand(&partner, 3_000.0).await;
    maps[0].until_match("the first", is_at(3_000.0)).await;
    redis.resume();
    for app in [here, there] {
        until_away(app, false).await;
    }
    here.stand(&partner, 3_010.0).await;
    for map in &mut maps {
        map.until_match("the second", is_at(3_010.0)).await;
    }
    here.step(&partner, &order, "arrived").await;
    for map in &mut maps {
        map.until_match("arrived", |frame| super::tells(frame, "arrived")).await;
    }
}
