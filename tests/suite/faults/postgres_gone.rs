//! PostgreSQL ends without a good-bye, stays away for some seconds, and comes back; or takes no writes for a while, as
//! a standby does that is not yet promoted.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::rt::spawn;
use actix_web::rt::task::spawn_blocking;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::caller::{Call, Caller};
use super::killed::Progress;
use super::listener::{Goal, Listener};
use super::postgres::Cluster;
use super::stage::{Stage, ended};
use super::writer::{Writer, check_answers, state_of};
use crate::support::{Socket, TestApp, an_order};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(10);

#[actix_web::test]
async fn admins_are_told_that_postgres_is_away_and_that_it_is_back() {
    let mut cluster = spawn_blocking(Cluster::start).await.expect("PostgreSQL starts");
    let app = TestApp::start_on(cluster.database(), &[("WAYBILL_DATABASE_WAIT_MS", "500")]).await;
    let admin = app.admin().await;
    let mut screen = app.connect(&admin, "/ws/admin/").await;
    screen.expect("dashboard").await;
    let is = |ok: bool| move |frame: &Value| frame["health"]["instances"][0]["database"]["ok"] == ok;
    screen.until_match("a database that answers", is(true)).await;
    let cluster = spawn_blocking(move || {
        cluster.crash();
        cluster
    });
    let mut cluster = cluster.await.expect("it is gone");
    screen.until_match("a database that does not", is(false)).await;
    let cluster = spawn_blocking(move || {
        cluster.resume();
        cluster
    });
    let _cluster = cluster.await.expect("it is back");
    screen.until_match("a database that answers again", is(true)).await;
    app.as_user(&admin).get("/admin/overview").await.expect(200);
    // Its database goes with it, as long as there is a server to remove it from.
    drop(app);
}

#[actix_web::test]
async fn postgres_may_go_and_come_back_under_load_and_nothing_answered_is_lost() {
    let cluster = spawn_blocking(Cluster::start).await.expect("PostgreSQL starts");
    let settings = [("WAYBILL_DATABASE_WAIT_MS", "500")];
    let (stage, cast) = Stage::on(cluster.database(), 2, &settings).await;
    let cluster = Arc::new(Mutex::new(cluster));
    let process = stage.serve().await;
    let (address, caller) = (process.address, Caller::new());

    let (_tell, whereabouts) = watch::channel(Some(address));
    let progress = Rc::new(Progress::default());
    let (mut writers, mut listeners) = (Vec::new(), Vec::new());
    for (seed, customer) in (0..).zip(&cast.customers) {
        let (told, orders) = mpsc::unbounded_channel();
        let (set_goal, goal) = watch::channel(None);
        // They stay: no connection of theirs may end.
        let stay = Duration::from_secs(100_000);
        let listener = Listener::new(customer, seed, whereabouts.clone(), orders, goal, stay);
        listeners.push((set_goal, spawn(listener.follow())));
        let writer = Writer::new(customer, &cast, whereabouts.clone(), Rc::clone(&progress), told);
        writers.push(spawn(writer.work()));
    }
    let bearer = format!("Bearer {}", cast.customers[0].token);
    let headers = [("Authorization", bearer.as_str())];
    let mut screen = Socket::open(address, "/ws/notifications/", &headers).await.expect("it opens");
    screen.expect("unread_count").await;

    for _ in 0..2 {
        for _ in 0..20 {
            timeout(Duration::from_secs(30), progress.written.notified()).await.expect("it is at work");
        }
        with(&cluster, Cluster::crash).await;
        let gone = Instant::now();
        let refused =
            caller.once(address, &Call::post(&cast.customers[0].token, "/orders", an_order())).await;
        let (status, problem) = refused.expect("an answer");
        assert_eq!((status, problem["code"].as_str()), (503, Some("unavailable")), "{problem}");
        let answered_in = gone.elapsed();
        assert!(answered_in < Duration::from_secs(5), "{answered_in:?}");
        let reading = caller.once(address, &Call::get(&cast.customers[0].token, "/orders")).await;
        assert_eq!(reading.expect("an answer").0, 503);
        assert_eq!(caller.page(address, "/readyz").await.0, 503);
        assert_eq!(caller.page(address, "/healthz").await.0, 200);
        // The socket is open and answers.
        screen.so_far().await;
        sleep(AWAY.saturating_sub(gone.elapsed())).await;
        with(&cluster, Cluster::resume).await;
        let healed = caller.until_status(address, "/readyz", 200);
        timeout(Duration::from_secs(20), healed).await.expect("it heals by itself");
    }
    for _ in 0..20 {
        timeout(Duration::from_secs(30), progress.written.notified()).await.expect("it is at work again");
    }
    progress.done.set(true);

    for ((writer, customer), (set_goal, _)) in writers.into_iter().zip(&cast.customers).zip(&listeners) {
        let answered = writer.await.expect("the writer worked to the end");
        let state: Goal = state_of(&caller, address, customer).await;
        check_answers(&caller, address, customer, &answered, &state).await;
        set_goal.send_replace(Some(state));
    }
    for (_, listener) in listeners {
        let figures = timeout(Duration::from_secs(60), listener).await.expect("everything has arrived");
        let figures = figures.expect("nothing came out of order");
        assert_eq!(figures.connections, 1, "a session was ended: {figures:?}");
    }
    process.signal(rustix::process::Signal::TERM);
    let end = ended(process).await;
    assert_eq!(end.code, Some(0), "{}", end.log);
    // The database goes before its server.
    drop(stage);
}

#[actix_web::test]
async fn while_postgres_takes_no_writes_they_are_refused_and_nothing_is_half_written() {
    let cluster = spawn_blocking(Cluster::start).await.expect("PostgreSQL starts");
    let (stage, cast) = Stage::on(cluster.database(), 1, &[]).await;
    let process = stage.serve().await;
    let (address, caller, customer) = (process.address, Caller::new(), &cast.customers[0]);
    let bearer = format!("Bearer {}", customer.token);
    let headers = [("Authorization", bearer.as_str())];
    let mut screen = Socket::open(address, "/ws/notifications/", &headers).await.expect("it opens");
    screen.expect("unread_count").await;
    let order = || Call::post(&customer.token, "/orders", an_order());
    let (mut placed, mut refusals) = (Vec::new(), 0);

    for _ in 0..2 {
        cluster.take_writes(false);
        // Its processes hear of the setting one by one.
        let refused = order();
        loop {
            match caller.once(address, &order()).await.expect("an answer") {
                (201, order) => placed.push(order),
                (503, problem) => {
                    assert_eq!(problem["code"], "unavailable", "{problem}");
                    refusals += 1;
                    break;
                }
                (status, body) => panic!("{status} {body}"),
            }
        }
        let before = state_of(&caller, address, customer).await;
        assert_eq!(before.orders.len(), placed.len());
        for _ in 0..10 {
            assert_eq!(caller.once(address, &refused).await.expect("an answer").0, 503);
            refusals += 1;
        }
        let after = state_of(&caller, address, customer).await;
        assert_eq!((before.orders, before.unread), (after.orders, after.unread));
        screen.so_far().await;

        cluster.take_writes(true);
        // With the key of the refused call: nothing of that was kept.
        let order = loop {
            match caller.once(address, &refused).await.expect("an answer") {
                (201, order) => break order,
                (503, _) => refusals += 1,
                (status, body) => panic!("{status} {body}"),
            }
        };
        screen
            .until_match("the order", |frame| frame["notification"]["data"]["order_id"] == order["id"])
            .await;
        placed.push(order);
    }
    process.signal(rustix::process::Signal::TERM);
    let end = ended(process).await;
    assert_eq!(end.code, Some(0), "{}", end.log);
    // One line for each, where it was answered.
    let about = |words: &str| end.log.lines().filter(|line| line.contains(words)).count();
    assert_eq!((about("request failed"), about(" ERROR ")), (refusals, 0), "{}", end.log);
    // The database goes before its server.
    drop(stage);
}

/// Does something that takes a while to the server.
async fn with(cluster: &Arc<Mutex<Cluster>>, job: impl FnOnce(&mut Cluster) + Send + 'static) {
    let cluster = Arc::clone(cluster);
    let done = spawn_blocking(move || job(&mut cluster.lock().unwrap_or_else(PoisonError::into_inner)));
    done.await.expect("it is done");
}
