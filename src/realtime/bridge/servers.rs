//! Finds the servers that a URL leads to, as they are now.

use std::ops::RangeInclusive;
use std::time::Duration;

use actix_web::rt::time::timeout;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates, Value,
};

use super::link;
use super::slots::SlotMap;
use super::url::{RedisUrl, Way};

/// How long a search may take: two connections after one another, with an answer on each.
const FIND_WITHIN: Duration = Duration::from_secs(10);

/// Whom to trust and who to be, with TLS. Texts in PEM.
#[derive(Clone, Default)]
pub struct RedisTls {
    /// The authorities that sign Redis's certificate; those of the system without it.
    pub authorities: Option<Vec<u8>>,
    /// This server's own certificate, and the key to it.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Says nothing of the key.
impl std::fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisTls").finish_non_exhaustive()
    }
}

/// Those to connect to.
pub(super) struct Found {
    pub(super) clients: Vec<Client>,
    /// Which of them has what, in a cluster.
    pub(super) slots: Option<SlotMap>,
}

/// How to find the servers.
#[derive(Debug, Clone)]
pub struct RedisServers {
    url: RedisUrl,
    certificates: Option<TlsCertificates>,
}

/// A certificate or key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRedisTls(String);

impl RedisServers {
    /// Those of a URL. Without TLS in it, `tls` is of no meaning.
    ///
    /// # Errors
    /// `tls` is not what it should be.
    pub fn new(url: RedisUrl, tls: RedisTls) -> Result<Self, InvalidRedisTls> {
        let RedisTls { authorities, identity } = tls;
        let client_tls =
            identity.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        let certificates = url.has_tls().then_some(TlsCertificates { client_tls, root_cert: authorities });
        let servers = Self { url, certificates };
        let info = match &servers.url.way {
            Way::Server(info) | Way::Sentinel { server: info, .. } => Some(info),
            Way::Cluster(seeds) => seeds.first(),
        };
        let tried = info.map(|info| servers.client(info.clone())).transpose();
        tried.map_err(|error| InvalidRedisTls(error.to_string()))?;
        Ok(servers)
    }

    /// Where they are, as it may be shown.
    #[must_use]
    pub fn url(&self) -> &RedisUrl {
        &self.url
    }

    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }

    /// # Errors
    /// That nobody who was asked knows.
    pub(super) async fn find(&self) -> RedisResult<Found> {
        let found = async {
            match &self.url.way {
                Way::Server(info) => Ok(Found { clients: vec![self.client(info.clone())?], slots: None }),
                Way::Sentinel { sentinels, service, server } => {
                    Ok(Found { clients: vec![self.master(sentinels, service, server).await?], slots: None })
                }
                Way::Cluster(seeds) => self.cluster(seeds).await,
            }
        };
        timeout(FIND_WITHIN, found).await.unwrap_or_else(|_| {
            Err(RedisError::from((ErrorKind::Io, "it does not tell in time where its servers are")))
        })
    }

    /// Asks all Sentinels for the master, of which the first answer that holds counts.
    async fn master(
        &self,
        sentinels: &[ConnectionInfo],
        service: &str,
        server: &ConnectionInfo,
    ) -> RedisResult<Client> {
        let asked = sentinels.iter().map(|sentinel| {
            async move {
                let mut connection = link::connect(&self.client(sentinel.clone())?, |_| {}).await?;
                let mut question = redis::cmd("SENTINEL");
                question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
                let found: Option<(String, u16)> = question.query_async(&mut connection).await?;
                let unknown = || RedisError::from((ErrorKind::Io, "the Sentinel knows no such service"));
                let (host, port) = found.ok_or_else(unknown)?;
                let client = self.client(server.clone().set_addr(address(server.addr(), host, port)))?;
                // What a Sentinel says may be outdated, and a server that was the master may not know it yet.
                let mut connection = link::connect(&client, |_| {}).await?;
                let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
                match role.first() {
                    Some(Value::BulkString(role)) if role == b"master" => Ok(client),
                    _ => Err(RedisError::from((ErrorKind::Io, "whom the Sentinel names is no master"))),
                }
            }
        });
        first(asked).await
    }

    /// Asks all servers of a cluster that are named for the rest.
    async fn cluster(&self, seeds: &[ConnectionInfo]) -> RedisResult<Found> {
        let asked = seeds.iter().map(|seed| async move {
            let mut connection = link::connect(&self.client(seed.clone())?, |_| {}).await?;
            let shards = redis::cmd("CLUSTER").arg("SHARDS").query_async(&mut connection).await?;
            self.masters(seed, &shards)
        });
        first(asked).await
    }

    /// Reads the answer to `CLUSTER SHARDS`: for each shard its slots, and its servers, of which one is the master.
    fn masters(&self, seed: &ConnectionInfo, shards: &Value) -> RedisResult<Found> {
        let host = host_of(seed.addr());
        let (mut clients, mut names, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        for shard in shards.as_sequence().unwrap_or_default() {
            let servers = field(shard, "nodes").and_then(Value::as_sequence).unwrap_or_default();
            let slots = field(shard, "slots").and_then(Value::as_sequence).unwrap_or_default();
            // One that has died is a master all the same, beside the one that has followed it.
            let is = |server: &Value, name, value| text(server, name).as_deref() == Some(value);
            let mut masters = servers.iter().filter(|server| is(server, "role", "master"));
            let Some(master) = masters.find(|server| is(server, "health", "online")) else {
                if slots.is_empty() {
                    continue;
                }
                return Err(RedisError::from((
                    ErrorKind::Io,
                    "some of its slots have no server that is online",
                )));
            };
            let endpoint = text(master, "endpoint").filter(|name| !name.is_empty() && name != "?");
            let (name, problem) = if self.certificates.is_some() {
                ("tls-port", "its servers name no port with TLS: they need tls-cluster yes")
            } else {
                ("port", "its servers name no port without TLS")
            };
            let port = field(master, name).and_then(number);
            let port = port.ok_or_else(|| RedisError::from((ErrorKind::Io, problem)))?;
            let host = endpoint.unwrap_or_else(|| host.clone());
            let bounds: Vec<u16> = slots.iter().filter_map(number).collect();
            for pair in bounds.chunks_exact(2) {
                if let [first, last] = pair {
                    ranges.push((RangeInclusive::new(*first, *last), clients.len()));
                }
            }
            let address = address(seed.addr(), host.clone(), port);
            clients.push(self.client(seed.clone().set_addr(address))?);
            names.push(format!("{host}:{port}"));
        }
        let slots = SlotMap::new(names, &ranges);
        if !slots.is_complete() {
            // Of one that was put back to its beginnings, for example, and knows nobody.
            return Err(RedisError::from((ErrorKind::Io, "some of its slots have no server")));
        }
        Ok(Found { clients, slots: Some(slots) })
    }
}

/// The first good answer. Without any, an error that tells of the settings rather than of one server.
async fn first<T>(asked: impl Iterator<Item = impl Future<Output = RedisResult<T>>>) -> RedisResult<T> {
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut failed = RedisError::from((ErrorKind::Io, "no server is named"));
    while let Some(answer) = asked.next().await {
        match answer {
            Ok(found) => return Ok(found),
            Err(error) if link::is_refusal(&failed) => log::debug!("{error}"),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn host_of(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
        // A URL gives no other.
        _ => String::new(),
    }
}

/// Another host and port, with TLS where `like` has it.
fn address(like: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match like {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        // A URL gives no other.
        _ => ConnectionAddr::Tcp(host, port),
    }
}

/// A field of an answer that maps names to values.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let is_named = |key: &Value| match key {
        Value::BulkString(bytes) => bytes == name.as_bytes(),
        Value::SimpleString(text) => text == name,
        // Names are texts.
        _ => false,
    };
    value.as_map_iter()?.find(|(key, _)| is_named(key)).map(|(_, value)| value)
}

fn text(value: &Value, name: &str) -> Option<String> {
    field(value, name).and_then(|value| redis::from_redis_value_ref(value).ok())
}

fn number(value: &Value) -> Option<u16> {
    redis::from_redis_value_ref(value).ok()
}
