//! Every kind of Redis that a URL may name: with TLS, with rights as narrow as they may be, watched over by Sentinels, and
//! a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::Value;
use waybill::protocol::channel::Route;

use super::redis_server::{RedisServer, free_port, shown};
use super::{Fleet, subscribe, tells};
use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestDatabase, TestUser};

/// An order under way on two servers, and a screen on each that follows it.
struct Scene {
    fleet: Fleet,
    partner: TestUser,
    order: String,
    screens: Vec<Socket>,
}

impl Scene {
    async fn set(settings: &[(&str, &str)]) -> Self {
        let fleet = Fleet::start_with(2, settings).await;
        let (here, there) = fleet.two();
        let (customer, partner, order) = here.assigned_order().await;
        let order = text(&order, "id");
        let mut screens = Vec::new();
        for app in [here, there] {
            let (mut screen, _) = subscribe(app, &customer, &format!("order_{order}"), None).await;
            screen.expect("order_status").await;
            screens.push(screen);
        }
        Self { fleet, partner, order, screens }
    }

    async fn step(&self, at: usize, to: &str) {
        self.fleet.apps[at].step(&self.partner, &self.order, to).await;
    }

    /// What every screen hears up to a status.
    async fn hear(&mut self, status: &str) -> Vec<Vec<Value>> {
        let mut all = Vec::new();
        for screen in &mut self.screens {
            let shows = |frame: &Value| tells(frame, status) || frame["order"]["status"] == status;
            all.push(screen.until_match(status, shows).await);
        }
        all
    }

    /// A step on each server, of which both screens hear under the next number.
    async fn is_followed(&mut self, [one, other]: [&str; 2]) {
        self.step(0, one).await;
        self.step(1, other).await;
        for frames in self.hear(other).await {
            let numbers: Vec<u64> = frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
            assert!(numbers.len() == 2 && numbers[1] == numbers[0] + 1, "{frames:?}");
        }
    }

    async fn everybody_uses_redis(&self) {
        for app in &self.fleet.apps {
            app.until("Redis is used", || async {
                let is_there = app.inner().groups().away().is_none();
                is_there && app.inner().leadership().route() == Route::Redis
            })
            .await;
        }
    }
}

/// Waits until something outside the servers is so.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it does not come: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Certificates of an authority of our own, for Redis and for its clients.
struct Papers {
    authority: PathBuf,
    server: [PathBuf; 2],
    client: [PathBuf; 2],
}

impl Papers {
    fn write(folder: &Path) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let issuer = issuer.expect("it signs itself");
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, issuer.pem()).expect("it is written");
        let papers = |name: &str, usage| {
            let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &issuer).expect("it is signed");
            let paths = [folder.join(format!("{name}.pem")), folder.join(format!("{name}.key"))];
            std::fs::write(&paths[0], certificate.pem()).expect("it is written");
            std::fs::write(&paths[1], key.serialize_pem()).expect("it is written");
            paths
        };
        Self {
            server: papers("server", ExtendedKeyUsagePurpose::ServerAuth),
            client: papers("client", ExtendedKeyUsagePurpose::ClientAuth),
            authority,
        }
    }
}

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
    let page = include_str!("../../../docs/operations.md");
    let rights = page.lines().find_map(|line| line.strip_prefix("ACL SETUSER waybill ")).expect("a line");
    let redis = RedisServer::start();
    let command: Vec<&str> = ["ACL", "SETUSER", "shop"].into_iter().chain(rights.split(' ')).collect();
    redis.ask::<()>(&command).expect("there is such a user");
    let url = format!("redis://shop:PASSWORD@127.0.0.1:{}", redis.port());
    let mut scene = Scene::set(&[("REDIS_URL", &url), ("WAYBILL_REDIS_PREFIX", "waybill")]).await;
    scene.is_followed(["en_route", "arrived"]).await;
    let refused: Vec<redis::Value> = redis.ask(&["ACL", "LOG"]).expect("a list");
    assert!(refused.is_empty(), "{refused:?}");
}

#[actix_web::test]
async fn when_sentinels_make_a_replica_the_master_the_servers_follow() {
    let mut master = RedisServer::start();
    let port = master.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    let sentinel = RedisServer::start_sentinel("shop", master.port());
    wait_until("the replica follows, and the Sentinel knows of it", || {
        let known: String = master.ask(&["INFO", "replication"]).expect("figures");
        let watched: String = sentinel.ask(&["INFO", "sentinel"]).expect("figures");
        known.contains("state=online") && watched.contains("slaves=1")
    });
    // The first one is not there.
    let nobody = free_port();
    let url = format!("redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{}/shop/0", sentinel.port());
    let mut scene = Scene::set(&[("REDIS_URL", &url)]).await;
    scene.is_followed(["en_route", "arrived"]).await;
    master.kill();
    scene.step(0, "picked_up").await;
    scene.hear("picked_up").await;
    scene.everybody_uses_redis().await;
    scene.step(1, "in_transit").await;
    scene.hear("in_transit").await;
    let role: Vec<redis::Value> = replica.ask(&["ROLE"]).expect("a role");
    assert_eq!(role.first(), Some(&redis::Value::BulkString(b"master".to_vec())));
}

/// A cluster of servers of a test's own.
struct RedisCluster {
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    fn start() -> Self {
        let mut cluster = Self { servers: Vec::new() };
        for _ in 0..3 {
            cluster.add();
        }
        let addresses: Vec<String> =
            cluster.servers.iter().map(|server| server.address().to_string()).collect();
        let mut create = vec!["create"];
        create.extend(addresses.iter().map(String::as_str));
        create.push("--cluster-yes");
        manage(&create);
        cluster
    }

    fn add(&mut self) -> &RedisServer {
        let options =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-config-file", "nodes"];
        self.servers.push(RedisServer::start_with(&options));
        self.servers.last().expect("one")
    }

    /// One more, as a master without slots or as a replica of the master `of`.
    fn join(&mut self, of: Option<&str>) -> usize {
        let seed = self.servers[0].address().to_string();
        let address = self.add().address().to_string();
        let mut add = vec!["add-node", &address, &seed];
        if let Some(of) = of {
            add.extend(["--cluster-slave", "--cluster-master-id", of]);
        }
        manage(&add);
        let at = self.servers.len() - 1;
        let id = self.id(at);
        wait_until("everybody knows the new one", || {
            let state: String = self.servers[at].ask(&["CLUSTER", "INFO"]).expect("figures");
            let is_known = |server| nodes(server).iter().any(|line| line.starts_with(&id));
            state.contains("cluster_state:ok") && self.servers.iter().all(is_known)
        });
        at
    }

    fn id(&self, at: usize) -> String {
        self.servers[at].ask(&["CLUSTER", "MYID"]).expect("an id")
    }

    fn url(&self) -> String {
        let hosts: Vec<String> = self.servers.iter().map(|server| server.address().to_string()).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Which server has a slot.
    fn owner(&self, slot: u16) -> usize {
        let has = |server: &RedisServer| {
            let own = nodes(server).into_iter().find(|line| line.contains("myself")).expect("a line");
            own.split(' ').skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                (first.parse().expect("a slot")..=last.parse().expect("a slot")).contains(&slot)
            })
        };
        self.servers.iter().position(has).expect("one")
    }
}

fn nodes(server: &RedisServer) -> Vec<String> {
    let text: String = server.ask(&["CLUSTER", "NODES"]).expect("a list");
    text.lines().map(str::to_owned).collect()
}

/// Has `redis-cli` see to a cluster.
fn manage(arguments: &[&str]) {
    let output = Command::new("redis-cli").arg("--cluster").args(arguments).output().expect("redis-cli runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
}

impl Scene {
    /// The slot of the order that is under way.
    fn slot(&self, cluster: &RedisCluster) -> u16 {
        let (_, prefix) = self.fleet.database.redis().expect("Redis is used");
        let channel = format!("{prefix}:{{order_{}}}", self.order);
        cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", &channel]).expect("a slot")
    }
}

#[actix_web::test]
async fn guarantee_2_a_slot_of_a_cluster_moves_to_a_new_server_and_nobody_notices() {
    let mut cluster = RedisCluster::start();
    let mut scene = Scene::set(&[("REDIS_URL", &cluster.url())]).await;
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
        let told: Vec<(&Value, bool)> = frames
            .iter()
            .filter(|frame| frame["type"] == "order_update")
            .map(|frame| (&frame["seq"], true))
            .collect();
        assert!(frames.iter().all(|frame| frame["type"] != "resync"), "{frames:?}");
        assert_eq!(told.len(), 2, "{frames:?}");
        assert_eq!(frames[1]["seq"].as_u64(), frames[0]["seq"].as_u64().map(|seq| seq + 1), "{frames:?}");
    }
    assert_eq!(cluster.owner(slot.parse().expect("a number")), to);
}

#[actix_web::test]
async fn when_a_server_of_a_cluster_dies_its_replica_is_followed() {
    let mut cluster = RedisCluster::start();
    let mut scene = Scene::set(&[("REDIS_URL", &cluster.url())]).await;
    scene.is_followed(["en_route", "arrived"]).await;
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
