//! Everything that runs: some servers, each with proxies of its own before PostgreSQL and Redis, and nginx before them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::task::spawn_blocking;
use rustix::process::Signal;
use tempfile::TempDir;

use super::nginx::Nginx;
use super::proxy::{Mode, Proxy, Target};
use crate::faults::caller::Caller;
use crate::faults::postgres::Cluster;
use crate::faults::stage::{Cast, SERVICE_KEY, Stage, direct, waiting};
use crate::instances::redis_server::{RedisServer, free_port};
use crate::support::TestDatabase;
use crate::support::process::Process;
use waybill::store::leases;

/// An address that is free for now, and that no connection takes while its server is away.
pub fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// One server: whether it runs or not, it keeps its address and its proxies.
pub struct Server {
    pub process: Option<Process>,
    pub redis: Proxy,
    pub postgres: Proxy,
    settings: Vec<(String, String)>,
    folder: Arc<TempDir>,
    /// What earlier processes logged in the end.
    logs: Vec<String>,
}

/// The whole.
pub struct Site {
    pub servers: Vec<Server>,
    pub redis: RedisServer,
    pub nginx: Nginx,
    // Dropped before the cluster that it is in.
    pub database: TestDatabase,
    _cluster: Cluster,
}

impl Site {
    /// With people who are in the database already, and these settings besides the usual ones.
    pub async fn with_cast(servers: usize, settings: &[(&str, &str)]) -> (Self, Cast) {
        let cluster = Cluster::start();
        let (stage, cast) = Stage::on(cluster.database(), 4, &[]).await;
        (Self::on(cluster, stage.into_database(), servers, settings).await, cast)
    }

    /// With an empty database, and these settings besides the usual ones.
    pub async fn empty(servers: usize, settings: &[(&str, &str)]) -> Self {
        let cluster = Cluster::start();
        let database = cluster.database();
        Self::on(cluster, database, servers, settings).await
    }

    async fn on(cluster: Cluster, database: TestDatabase, servers: usize, more: &[(&str, &str)]) -> Self {
        let TestDatabase::Postgres { name, .. } = &database else { panic!("it is PostgreSQL") };
        let redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "everysec"]);
        let addresses: Vec<SocketAddr> = (0..servers).map(|_| free_address()).collect();
        let mut servers = Vec::new();
        for address in &addresses {
            let to_redis = Proxy::start(Target::Tcp(redis.address())).await;
            let to_postgres = Proxy::start(Target::Unix(cluster.socket())).await;
            let settings = [
                ("DATABASE_URL", format!("postgres://waybill@{}/{name}", to_postgres.address)),
                ("REDIS_URL", format!("redis://{}", to_redis.address)),
                ("WAYBILL_REDIS_PREFIX", name.clone()),
                ("WAYBILL_LISTEN", address.to_string()),
                ("WAYBILL_RATE_LIMITS", "off".into()),
                ("WAYBILL_WORKERS", "1".into()),
                ("WAYBILL_DATABASE_CONNECTIONS", "4".into()),
                ("WAYBILL_SESSIONS_PER_USER", "1000".into()),
                ("WAYBILL_SERVICE_KEYS", format!("tests:{SERVICE_KEY}")),
                ("WAYBILL_DRAIN_SECS", "6".into()),
                ("WAYBILL_DRAIN_NOTICE_MS", "500".into()),
                ("WAYBILL_RETRY_SPREAD_MS", "1000".into()),
            ];
            let usual = settings.map(|(name, value)| (name.to_owned(), value));
            let more = more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
            servers.push(Server {
                process: None,
                redis: to_redis,
                postgres: to_postgres,
                settings: usual.into_iter().chain(more).collect(),
                folder: Arc::new(TempDir::new().expect("a folder")),
                logs: Vec::new(),
            });
        }
        for server in &mut servers {
            server.start().await;
        }
        let nginx = Nginx::start(&addresses);
        Self { servers, redis, nginx, database, _cluster: cluster }
    }

    /// Ends everything that goes wrong.
    pub async fn heal(&mut self) {
        self.redis.thaw_or_resume();
        for server in &mut self.servers {
            server.redis.set(Mode::Open);
            server.postgres.set(Mode::Open);
            match &server.process {
                Some(process) => process.signal(Signal::CONT),
                None => server.start().await,
            }
        }
        let caller = Caller::new();
        for server in &self.servers {
            let address = server.process.as_ref().expect("it runs").address;
            let is_ready = caller.until_status(address, "/readyz", 200);
            if tokio::time::timeout(Duration::from_secs(60), is_ready).await.is_err() {
                let (_, ready) = caller.page(address, "/readyz").await;
                panic!("{address} is not ready: {ready}");
            }
        }
    }

    /// Ends the servers and gives how things stood, and the ends of their logs.
    pub async fn end(&mut self) -> String {
        let mut conn = direct(&self.database);
        let lease = leases::read(&mut conn, leases::RELAY);
        let mut logs = format!("{} rows in the outbox; {lease:?}\n", waiting(&self.database));
        let caller = Caller::new();
        for server in &self.servers {
            let address = server.process.as_ref().expect("it runs").address;
            let (_, ready) = caller.page(address, "/readyz").await;
            let (_, figures) = caller.page(address, "/metrics").await;
            let figures: Vec<&str> = figures
                .lines()
                .filter(|line| line.starts_with("waybill_redis") || line.starts_with("waybill_outbox"))
                .collect();
            logs += &format!("{ready} {figures:?}\n");
        }
        for (index, server) in self.servers.iter_mut().enumerate() {
            server.kill().await;
            let lines: Vec<&str> = server.logs.iter().flat_map(|log| log.lines()).collect();
            let from = lines.len().saturating_sub(60);
            logs += &format!("server {index}:\n{}\n", lines[from..].join("\n"));
        }
        logs
    }
}

impl Server {
    pub async fn start(&mut self) {
        let (folder, settings) = (Arc::clone(&self.folder), self.settings.clone());
        let started = spawn_blocking(move || {
            let settings: Vec<(&str, &str)> =
                settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            Process::try_serve(&folder, &settings)
        });
        match started.await.expect("no panic") {
            Ok(process) => self.process = Some(process),
            // Its database may be out of reach at the moment: the supervisor tries again.
            Err(ended) => self.logs.push(ended),
        }
    }

    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            let ended = spawn_blocking(|| process.kill()).await.expect("it was killed");
            self.logs.push(ended.log);
        }
    }

    /// Asks it to stop, as a deployment does.
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            let ended = spawn_blocking(|| process.stop()).await.expect("it stopped");
            self.logs.push(ended.log);
        }
    }
}
