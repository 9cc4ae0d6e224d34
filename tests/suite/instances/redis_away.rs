//! Redis goes away, comes back, loses its data, stands still, is full, or refuses.

use std::time::Duration;

use awc::http::Method;
use serde_json::{Value, json};
use waybill::protocol::channel::Route;

use super::redis_server::RedisServer;
use super::scene::{LoggedIn, Scene};
use super::{Fleet, position, subscribe, tells};
use crate::chaos::proxy::{Mode, Proxy, Target};
use crate::support::steps::text;
use crate::support::{Socket, TestApp};

/// A scene with a Redis of its own.
struct Stage {
    redis: RedisServer,
    scene: Scene,
}

impl Stage {
    async fn set(redis: RedisServer) -> Self {
        let scene = Scene::set(&[("REDIS_URL", &redis.url())]).await;
        Self { redis, scene }
    }
}

#[actix_web::test]
async fn while_redis_is_away_calls_are_answered_sessions_stay_and_hear_of_everything() {
    let mut stage = Stage::set(RedisServer::start()).await;
    stage.scene.step(0, "en_route").await;
    stage.scene.hear("en_route").await;
    stage.redis.kill();
    stage.scene.step(1, "arrived").await;
    let seen = stage.scene.hear("arrived").await;
    for frames in &seen {
        // The numbers of before mean nothing now, and that is said.
        let resync = frames.iter().find(|frame| frame["type"] == "resync").expect("it is said");
        assert_eq!(resync["group"], format!("order_{}", stage.scene.order));
    }
    stage.scene.step(0, "picked_up").await;
    for frames in stage.scene.hear("picked_up").await {
        assert!(frames.iter().all(|frame| frame["type"] != "resync"), "{frames:?}");
    }
    // It comes back with nothing in it.
    stage.redis.resume();
    stage.scene.everybody_uses_redis().await;
    stage.scene.step(1, "in_transit").await;
    stage.scene.hear("in_transit").await;
    stage.scene.step(0, "delivered").await;
    stage.scene.hear("delivered").await;
}

#[actix_web::test]
async fn guarantee_1_what_was_committed_while_redis_was_away_is_there_for_who_comes_back() {
    let mut stage =
        Stage::set(RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"])).await;
    let (here, there) = stage.scene.fleet.two();
    let group = format!("order_{}", stage.scene.order);
    let (mut screen, _) = subscribe(here, &stage.scene.customer, &group, None).await;
    screen.expect("order_status").await;
    stage.scene.step(0, "en_route").await;
    let last = screen.until_match("en route", |frame| tells(frame, "en_route")).await.pop().expect("one");
    screen.close().await;
    stage.redis.kill();
    stage.scene.step(0, "arrived").await;
    stage.redis.resume();
    stage.scene.everybody_uses_redis().await;
    there.published().await;
    let (mut screen, subscribed) =
        subscribe(there, &stage.scene.customer, &group, Some(&position(&last))).await;
    assert_eq!(subscribed["recovered"], true, "its data is still there");
    let arrived = screen.until_match("arrived", |frame| tells(frame, "arrived")).await;
    assert_eq!(arrived.len(), 1);
}

#[actix_web::test]
async fn a_redis_that_has_lost_its_data_is_noticed_and_everybody_begins_anew() {
    let mut stage = Stage::set(RedisServer::start()).await;
    stage.scene.step(0, "en_route").await;
    let before = stage.scene.hear("en_route").await;
    stage.redis.kill();
    stage.redis.resume();
    stage.scene.everybody_uses_redis().await;
    stage.scene.step(1, "arrived").await;
    let after = stage.scene.hear("arrived").await;
    for (before, after) in before.iter().zip(&after) {
        let old = before.iter().find_map(|frame| frame["epoch"].as_str()).expect("an epoch");
        let resync = after.iter().find(|frame| frame["type"] == "resync").expect("it is said");
        assert_ne!(resync["epoch"], old);
    }
}

#[actix_web::test]
async fn guarantee_1_what_redis_had_taken_and_lost_in_a_crash_is_missed_by_nobody_who_comes_back() {
    // It keeps what it is told to keep, and loses what came since.
    let mut redis = RedisServer::start_with(&["--appendonly", "no"]);
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str())];
    let mut fleet = Fleet::start_with(2, &settings).await;
    let leader = fleet.apps.iter().position(|app| app.inner().leadership().term().is_some());
    let there = fleet.apps.remove(1 - leader.expect("one of them publishes"));
    let here = &fleet.apps[0];
    let (customer, partner, order) = here.assigned_order().await;
    let order = text(&order, "id");
    let group = format!("order_{order}");
    let (mut screen, _) = subscribe(&there, &customer, &group, None).await;
    screen.expect("order_status").await;
    here.step(&partner, &order, "en_route").await;
    let last = screen.until_match("en route", |frame| tells(frame, "en_route")).await.pop().expect("one");
    there.vanish();
    redis.ask::<()>(&["SAVE"]).expect("it is written down");
    here.step(&partner, &order, "arrived").await;
    here.published().await;
    redis.kill();
    redis.resume();
    here.until("Redis is used", || async {
        here.inner().groups().away().is_none() && here.inner().leadership().route() == Route::Redis
    })
    .await;
    fleet.add(&settings).await;
    let (mut screen, subscribed) = subscribe(&fleet.apps[1], &customer, &group, Some(&position(&last))).await;
    assert_eq!(subscribed["recovered"], false, "what came after is gone");
    assert_eq!(screen.expect("order_status").await["order"]["status"], "arrived");
}

#[actix_web::test]
async fn a_redis_that_stands_still_is_gone_round_and_what_it_does_later_harms_nothing() {
    let mut stage = Stage::set(RedisServer::start()).await;
    stage.redis.freeze();
    stage.scene.step(0, "en_route").await;
    stage.scene.step(1, "arrived").await;
    stage.scene.hear("arrived").await;
    stage.redis.thaw();
    stage.scene.everybody_uses_redis().await;
    stage.scene.step(1, "picked_up").await;
    let seen = stage.scene.hear("picked_up").await;
    for frames in seen {
        let versions: Vec<i64> = frames
            .iter()
            .filter_map(|frame| frame["order"]["version"].as_i64().or(frame["update"]["version"].as_i64()))
            .collect();
        assert!(versions.is_sorted(), "an order's status never goes back: {versions:?}");
    }
}

#[actix_web::test]
async fn a_full_redis_is_gone_round() {
    let mut stage = Stage::set(RedisServer::start()).await;
    stage.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).expect("it is full");
    stage.scene.step(0, "en_route").await;
    stage.scene.hear("en_route").await;
    assert_eq!(readiness(&stage.scene.fleet.apps[0]).await["status"], "degraded");
    stage.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).expect("it has room");
    stage.scene.everybody_uses_redis().await;
    stage.scene.step(1, "arrived").await;
    stage.scene.hear("arrived").await;
}

#[actix_web::test]
async fn a_log_out_that_a_server_could_not_hear_of_ends_its_sessions_later() {
    let stage = Stage::set(RedisServer::start()).await;
    let (here, there) = stage.scene.fleet.two();
    let mut session = LoggedIn::on(here, there).await;
    stage.redis.freeze();
    session.logs_out(here).await;
    stage.redis.thaw();
}

/// How often somebody has connected.
fn connections(redis: &RedisServer) -> u64 {
    let text: String = redis.ask(&["INFO", "stats"]).expect("figures");
    let line =
        text.lines().find_map(|line| line.strip_prefix("total_connections_received:")).expect("a line");
    line.parse().expect("a number")
}

#[actix_web::test]
async fn a_redis_that_has_become_a_replica_is_gone_round_and_tried_with_pauses() {
    let mut stage = Stage::set(RedisServer::start()).await;
    let before = connections(&stage.redis);
    stage.redis.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]).expect("it follows nobody");
    for (at, status) in [(0, "en_route"), (1, "arrived"), (0, "picked_up")] {
        stage.scene.step(at, status).await;
        stage.scene.hear(status).await;
    }
    let why = stage.scene.fleet.apps[0].inner().groups().away().map(|(_, why)| why).unwrap_or_default();
    assert!(why.to_lowercase().contains("read"), "{why}");
    // Two servers, in some seconds.
    let tries = connections(&stage.redis) - before;
    assert!(tries < 100, "{tries}");
    stage.redis.ask::<()>(&["REPLICAOF", "NO", "ONE"]).expect("it is a master again");
    stage.scene.everybody_uses_redis().await;
    stage.scene.step(1, "in_transit").await;
    stage.scene.hear("in_transit").await;
}

#[actix_web::test]
async fn nobody_is_notified_later_of_a_message_because_redis_cannot_say_who_has_it_on_a_screen() {
    let mut stage = Stage::set(RedisServer::start()).await;
    // On one server alone the order is on a screen.
    stage.scene.screens.remove(0).close().await;
    let (here, order) = (&stage.scene.fleet.apps[0], &stage.scene.order);
    let path = format!("/orders/{order}/messages");
    here.as_user(&stage.scene.partner).post(&path, json!({"text": "You see this."})).await.expect(201);
    stage.redis.kill();
    for app in &stage.scene.fleet.apps {
        app.until("Redis is missed", || async { app.inner().groups().away().is_some() }).await;
    }
    stage.scene.looks_again("postponed").await;
    stage.redis.resume();
    stage.scene.everybody_uses_redis().await;
    stage.scene.looks_again("done").await;
    let client = stage.scene.fleet.apps[1].as_user(&stage.scene.customer);
    let told = client.get("/notifications?type=chat_message").await.expect(200);
    assert_eq!(told["items"], json!([]));
}

async fn readiness(app: &TestApp) -> Value {
    app.ready().await
}

#[actix_web::test]
async fn a_server_that_starts_without_redis_serves_and_joins_the_others_later() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    redis.kill();
    let database = crate::support::TestDatabase::new();
    let app = TestApp::start_beside(&database, &[("REDIS_URL", &url)]).await.expect("it starts all the same");
    let customer = app.customer().await;
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    app.place_order(&customer).await;
    bell.until_match("two", |frame| frame["count"] == 2).await;
    let ready = readiness(&app).await;
    assert_eq!((&ready["status"], &ready["parts"]["redis"]), (&json!("degraded"), &json!("failed")));
    redis.resume();
    app.until("it is ready", || async {
        let ready = readiness(&app).await;
        ready["status"] == "ready" && ready["parts"]["redis"] == "ok"
    })
    .await;
    app.place_order(&customer).await;
    bell.until_match("four", |frame| frame["count"] == 4).await;
}

#[actix_web::test]
async fn a_wrong_password_for_redis_refuses_the_start_and_names_the_setting() {
    let redis = RedisServer::start_with(&["--requirepass", "right"]);
    let url = redis.url().replace("redis://", "redis://:wrong@");
    let database = crate::support::TestDatabase::new();
    let refused = TestApp::start_beside(&database, &[("REDIS_URL", &url)]).await.err().expect("it refuses");
    assert_eq!(refused.exit_code(), 2);
    let message = refused.to_string();
    assert!(message.starts_with("REDIS_URL: Redis refuses: ") && !message.contains("wrong@"), "{message}");
    let right = redis.url().replace("redis://", "redis://:right@");
    let app = TestApp::start_beside(&database, &[("REDIS_URL", &right)]).await.expect("it starts");
    app.until("it is connected", || async { app.inner().groups().away().is_none() }).await;
}

#[actix_web::test]
async fn a_server_that_alone_is_cut_off_from_redis_sends_its_sessions_to_the_others() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(Target::Tcp(redis.address())).await;
    let mut fleet = Fleet::start_with(1, &[("REDIS_URL", &redis.url())]).await;
    fleet.add(&[("REDIS_URL", &format!("redis://{}", proxy.address))]).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let id = text(&order, "id");
    let group = format!("order_{id}");
    let (mut screen, _) = subscribe(there, &customer, &group, None).await;
    screen.expect("order_status").await;
    here.step(&partner, &id, "en_route").await;
    let last = screen.until_match("en route", |frame| tells(frame, "en_route")).await.pop().expect("one");
    proxy.set(Mode::Cut);
    here.step(&partner, &id, "arrived").await;
    assert_eq!(screen.closed().await.0, 1012);
    there.as_nobody().call(Method::GET, "/readyz", &[], None).await.refused(503, "cut_off");
    let bearer = format!("Bearer {}", customer.token);
    let refused = Socket::open(there.address(), "/ws/", &[("Authorization", &bearer)]).await;
    assert_eq!(refused.err().map(|refusal| refusal.body["code"].clone()), Some(json!("cut_off")));
    let (mut screen, subscribed) = subscribe(here, &customer, &group, Some(&position(&last))).await;
    assert_eq!(subscribed["recovered"], true);
    screen.until_match("arrived", |frame| tells(frame, "arrived")).await;
    proxy.set(Mode::Open);
    there
        .until("it is ready", || async {
            there.as_nobody().call(Method::GET, "/readyz", &[], None).await.status == 200
        })
        .await;
}

#[actix_web::test]
async fn a_slow_redis_is_used_all_the_same() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(Target::Tcp(redis.address())).await;
    let fleet = Fleet::start_with(2, &[("REDIS_URL", &format!("redis://{}", proxy.address))]).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let id = text(&order, "id");
    let mut screen = there.connect(&customer, &format!("/ws/orders/{id}/")).await;
    screen.expect("order_status").await;
    proxy.set(Mode::Slow(Duration::from_millis(250)));
    for status in ["en_route", "arrived", "picked_up"] {
        here.step(&partner, &id, status).await;
        let seen = screen.until_match(status, |frame| tells(frame, status)).await;
        assert!(seen.iter().all(|frame| frame["type"] != "resync"), "{seen:?}");
    }
}

#[actix_web::test]
async fn a_redis_that_takes_no_writes_is_gone_round_also_where_nothing_is_published() {
    let stage = Stage::set(RedisServer::start()).await;
    let (here, _) = stage.scene.fleet.two();
    let newcomer = here.customer().await;
    stage.redis.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]).expect("it waits for a replica");
    let mut bell = here.connect(&newcomer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    stage.redis.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]).expect("it waits no longer");
    stage.scene.everybody_uses_redis().await;
    here.place_order(&newcomer).await;
    bell.until_match("two", |frame| frame["count"] == 2).await;
}

#[actix_web::test]
async fn a_session_that_ends_while_redis_is_away_is_not_counted_afterwards() {
    let redis = RedisServer::start();
    let settings = [("REDIS_URL", redis.url()), ("WAYBILL_REDIS_PREFIX", "waybill".into())];
    let fleet = Fleet::start_with(2, &settings.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let (here, _) = fleet.two();
    let customer = here.customer().await;
    let mut bell = here.connect(&customer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    let list = format!("waybill:{{user_{}}}:sessions", customer.id);
    let counted = || async { redis.ask::<u64>(&["ZCARD", &list]).expect("a count") };
    here.until("it is counted", || async { counted().await == 1 }).await;
    redis.freeze();
    here.until("Redis is away", || async { here.inner().groups().away().is_some() }).await;
    bell.close().await;
    here.until("it has ended", || async {
        here.inner().groups().count().await.expect("a count").sessions == 0
    })
    .await;
    redis.thaw();
    here.until("it is not counted any more", || async { counted().await == 0 }).await;
}

#[actix_web::test]
async fn guarantee_7_nothing_of_a_group_comes_before_its_subscribed_where_the_endpoints_own_group_is_slow() {
    let redis = RedisServer::start();
    let fleet = Fleet::start_with(1, &[("REDIS_URL", &redis.url())]).await;
    let here = &fleet.apps[0];
    let partner = here.partner().await;
    // Where the user's group stands is known by now; where the partner's stands is what Redis is to tell.
    let mut bell = here.connect(&partner, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    redis.freeze();
    let mut work = here.connect(&partner, "/ws/partner/").await;
    let group = format!("user_{}", partner.id);
    work.send(json!({"type": "subscribe", "group": group})).await;
    let frames = work.until("unread_count").await;
    // What stands beside the queue comes with it.
    let kinds = frames.iter().map(|frame| text(frame, "type")).filter(|kind| kind != "cadence");
    assert_eq!(kinds.collect::<Vec<_>>(), ["queue", "subscribed", "unread_count"]);
    redis.thaw();
}
