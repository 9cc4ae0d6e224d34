//! Every kind of Redis that a URL may name: with TLS, with rights as narrow as they may be, watched over by Sentinels, and
//! a cluster.

use super::papers::Papers;
use super::redis_cluster::RedisCluster;
use super::redis_server::{RedisServer, free_port, let_in, refused_nothing, shown, wait_until};
use super::scene::{LoggedIn, Scene};
use super::tells;
use crate::support::{TestApp, TestDatabase};

#[actix_web::test]
async fn with_tls_both_sides_show_who_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let papers = Papers::write(folder.path());
    let port = free_port().to_string();
    let [certificate, key] = &papers.server;
    let _redis = RedisServer::start_with(
        &[
            ["--tls-port", &port],
            ["--tls-cert-file", shown(certificate)],
            ["--tls-key-file", shown(key)],
            ["--tls-ca-cert-file", shown(&papers.authority)],
            ["--tls-auth-clients", "yes"],
        ]
        .concat(),
    );
    let url = format!("rediss://localhost:{port}");
    let [certificate, key] = &papers.client;
    let trusting = [("REDIS_URL", url.as_str()), ("WAYBILL_REDIS_CA", shown(&papers.authority))];
    let known = [("WAYBILL_REDIS_CERTIFICATE", shown(certificate)), ("WAYBILL_REDIS_KEY", shown(key))];

    let database = TestDatabase::new();
    let refusal = async |settings: &[(&str, &str)]| {
        let refused = TestApp::start_beside(&database, settings).await.err().expect("it refuses");
        assert_eq!(refused.exit_code(), 2);
        refused.to_string()
    };
    let message = refusal(&trusting[..1]).await;
    assert!(
        message.starts_with("REDIS_URL: Redis refuses: ") && message.contains("UnknownIssuer"),
        "{message}"
    );
    let message = refusal(&trusting).await;
    assert!(message.contains("CertificateRequired"), "{message}");
    let swapped = [("WAYBILL_REDIS_CERTIFICATE", shown(key)), ("WAYBILL_REDIS_KEY", shown(certificate))];
    let message = refusal(&[trusting, swapped].concat()).await;
    assert!(
        message.starts_with("WAYBILL_REDIS_CA, WAYBILL_REDIS_CERTIFICATE, WAYBILL_REDIS_KEY: "),
        "{message}"
    );

    let mut scene = Scene::set(&[trusting, known].concat()).await;
    scene.is_followed(["en_route", "arrived"]).await;
}

#[actix_web::test]
async fn a_user_of_redis_needs_no_more_rights_than_the_page_on_operations_says() {
    let redis = RedisServer::start();
    let_in(&redis);
    let url = format!("redis://shop:PASSWORD@127.0.0.1:{}", redis.port());
    let mut scene = Scene::set(&[("REDIS_URL", &url), ("WAYBILL_REDIS_PREFIX", "waybill")]).await;
    scene.is_followed(["en_route", "arrived"]).await;
    refused_nothing(&redis);
}

#[actix_web::test]
async fn when_sentinels_make_a_replica_the_master_the_servers_follow() {
    let folder = tempfile::tempdir().expect("a folder");
    let papers = Papers::write(folder.path());
    let start = |port: u16, more: &[&str]| {
        let options = papers.options(port);
        let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let redis = RedisServer::start_with(&options);
        let_in(&redis);
        redis
    };
    let (port, other) = (free_port(), free_port());
    let mut master = start(port, &["--tls-replication", "yes"]);
    let replica = start(other, &["--tls-replication", "yes", "--replicaof", "127.0.0.1", &port.to_string()]);
    let watch = free_port();
    let [certificate, key] = &papers.server;
    let more = format!(
        "tls-port {watch}\ntls-replication yes\ntls-auth-clients no\ntls-cert-file {}\ntls-key-file {}\n\
         tls-ca-cert-file {}\n",
        certificate.display(),
        key.display(),
        papers.authority.display()
    );
    let sentinel = RedisServer::start_sentinel("shop", port, "dog", &more);
    wait_until("the replica follows, and the Sentinel knows of it", || {
        let known: String = master.ask(&["INFO", "replication"]).expect("figures");
        let watched: String = sentinel.ask(&["INFO", "sentinel"]).expect("figures");
        known.contains("state=online") && watched.contains("slaves=1")
    });
    // The first one is not there.
    let nobody = free_port();
    let hosts = format!("127.0.0.1:{nobody},127.0.0.1:{watch}");
    let url = format!("rediss+sentinel://shop:PASSWORD@{hosts}/shop/0?sentinel_password=dog");
    let settings = [
        ("REDIS_URL", url.as_str()),
        ("WAYBILL_REDIS_CA", shown(&papers.authority)),
        ("WAYBILL_REDIS_PREFIX", "waybill"),
    ];
    let mut scene = Scene::set(&settings).await;
    scene.is_followed(["en_route", "arrived"]).await;
    refused_nothing(&master);
    master.kill();
    scene.step(0, "picked_up").await;
    scene.hear("picked_up").await;
    scene.everybody_uses_redis().await;
    scene.step(1, "in_transit").await;
    scene.hear("in_transit").await;
    let role: Vec<redis::Value> = replica.ask(&["ROLE"]).expect("a role");
    assert_eq!(role.first(), Some(&redis::Value::BulkString(b"master".to_vec())));
    refused_nothing(&replica);
}

impl Scene {
    /// The slot of the order that is under way.
    fn slot(&self, cluster: &RedisCluster) -> u16 {
        let channel = format!("waybill:{{order_{}}}", self.order);
        cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", &channel]).expect("a slot")
    }
}

#[actix_web::test]
async fn guarantee_2_a_slot_of_a_cluster_moves_to_a_new_server_and_nobody_notices() {
    let mut cluster = RedisCluster::start(None);
    let mut scene = Scene::set(&[("REDIS_URL", &cluster.url()), ("WAYBILL_REDIS_PREFIX", "waybill")]).await;
    scene.is_followed(["en_route", "arrived"]).await;
    let slot = scene.slot(&cluster);
    let from = cluster.owner(slot);
    let to = cluster.join(None);
    let (source, target) = (&cluster.servers[from], &cluster.servers[to]);
    let (slot, source_id, target_id) = (slot.to_string(), cluster.id(from), cluster.id(to));
    target.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).expect("it is set");
    source.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).expect("it is set");
    let keys: Vec<String> = source.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).expect("keys");
    assert!(!keys.is_empty());
    let port = target.port().to_string();
    for key in &keys {
        source.ask::<()>(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).expect("it is there");
    }
    // Both servers have a part of it now: the new one the numbers, and the old one those who listen.
    scene.step(0, "picked_up").await;
    for server in [target, source].into_iter().chain(&cluster.servers[..3]) {
        server.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).expect("it is set");
    }
    scene.step(1, "in_transit").await;
    for frames in scene.hear("in_transit").await {
        // Each under its number, and nothing else: no `resync`, no snapshot.
        assert!(frames.len() == 2 && tells(&frames[0], "picked_up"), "{frames:?}");
        assert_eq!(frames[1]["seq"].as_u64(), frames[0]["seq"].as_u64().map(|seq| seq + 1), "{frames:?}");
    }
    assert_eq!(cluster.owner(slot.parse().expect("a number")), to);
    let (here, there) = scene.fleet.two();
    LoggedIn::on(here, there).await.logs_out(here).await;
}

#[actix_web::test]
async fn when_a_server_of_a_cluster_dies_its_replica_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = RedisCluster::start(Some(Papers::write(folder.path())));
    let authority = cluster.papers.as_ref().expect("some").authority.clone();
    let settings = [
        ("REDIS_URL", cluster.url()),
        ("WAYBILL_REDIS_CA", shown(&authority).to_owned()),
        ("WAYBILL_REDIS_PREFIX", "waybill".into()),
    ];
    let mut scene = Scene::set(&settings.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    scene.is_followed(["en_route", "arrived"]).await;
    cluster.servers.iter().for_each(refused_nothing);
    let owner = cluster.owner(scene.slot(&cluster));
    let replica = cluster.join(Some(&cluster.id(owner)));
    wait_until("the replica has everything", || {
        let text: String = cluster.servers[replica].ask(&["INFO", "replication"]).expect("figures");
        text.contains("master_link_status:up")
    });
    cluster.servers[owner].kill();
    scene.step(0, "picked_up").await;
    scene.hear("picked_up").await;
    scene.everybody_uses_redis().await;
    scene.step(1, "in_transit").await;
    scene.hear("in_transit").await;
}

#[actix_web::test]
async fn a_cluster_of_which_one_server_is_full_is_gone_round_and_tried_on_quietly() {
    let cluster = RedisCluster::start(None);
    let mut scene = Scene::set(&[("REDIS_URL", &cluster.url()), ("WAYBILL_REDIS_PREFIX", "waybill")]).await;
    scene.is_followed(["en_route", "arrived"]).await;
    let full = &cluster.servers[cluster.owner(scene.slot(&cluster))];
    full.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).expect("it is full");
    let mut resyncs = 0;
    for (at, status) in [(0, "picked_up"), (1, "in_transit")] {
        scene.step(at, status).await;
        let heard = scene.hear(status).await;
        resyncs += heard[0].iter().filter(|frame| frame["type"] == "resync").count();
        let app = &scene.fleet.apps[at];
        app.until("it is said", || async { app.ready().await["status"] == "degraded" }).await;
    }
    assert_eq!(resyncs, 1);
    full.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).expect("it has room");
    scene.everybody_uses_redis().await;
    scene.step(0, "delivered").await;
    scene.hear("delivered").await;
}
