//! Finds the servers that a URL leads to, as they are now.

use std::ops::RangeInclusive;
use std::time::Duration;

use actix_web::rt::time::timeout;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, ProtocolVersion, RedisError,
    RedisResult, TlsCertificates, TlsMode, Value,
};

use super::slots::SlotMap;
use super::url::{RedisUrl, Way};

/// How long a search may take.
const FIND_WITHIN: Duration = Duration::from_secs(4);

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
                    let mut asked = self.sentinel(sentinels, service, server)?;
                    Ok(Found { clients: vec![asked.async_get_client().await?], slots: None })
                }
                Way::Cluster(seeds) => self.cluster(seeds).await,
            }
        };
        timeout(FIND_WITHIN, found).await.unwrap_or_else(|_| {
            Err(RedisError::from((ErrorKind::Io, "it does not tell in time where its servers are")))
        })
    }

    fn sentinel(
        &self,
        sentinels: &[ConnectionInfo],
        service: &str,
        server: &ConnectionInfo,
    ) -> RedisResult<SentinelClient> {
        let addresses = sentinels.iter().map(|info| info.addr().clone());
        let mut builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(server.redis_settings().db());
        if let Some(name) = server.redis_settings().username() {
            builder = builder.set_client_to_redis_username(name);
        }
        if let Some(password) = server.redis_settings().password() {
            builder = builder.set_client_to_redis_password(password);
        }
        let asked = sentinels.first().map(ConnectionInfo::redis_settings);
        if let Some(name) = asked.and_then(|settings| settings.username()) {
            builder = builder.set_client_to_sentinel_username(name);
        }
        if let Some(password) = asked.and_then(|settings| settings.password()) {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        builder.build()
    }

    /// Asks one server of a cluster after the other, until one knows the rest.
    async fn cluster(&self, seeds: &[ConnectionInfo]) -> RedisResult<Found> {
        let mut failed = RedisError::from((ErrorKind::Io, "no server of the cluster is named"));
        for seed in seeds {
            match self.ask_for_shards(seed).await {
                Ok(shards) => return self.masters(seed, &shards),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn ask_for_shards(&self, seed: &ConnectionInfo) -> RedisResult<Value> {
        let mut connection = self.client(seed.clone())?.get_multiplexed_async_connection().await?;
        redis::cmd("CLUSTER").arg("SHARDS").query_async(&mut connection).await
    }

    /// Reads the answer to `CLUSTER SHARDS`: for each shard its slots, and its servers, of which one is the master.
    fn masters(&self, seed: &ConnectionInfo, shards: &Value) -> RedisResult<Found> {
        let (host, _) = host_and_port(seed.addr());
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
            let port = if self.certificates.is_some() { "tls-port" } else { "port" };
            let Some(port) = field(master, port).and_then(number) else { continue };
            let host = endpoint.unwrap_or_else(|| host.clone());
            let bounds: Vec<u16> = slots.iter().filter_map(number).collect();
            for pair in bounds.chunks_exact(2) {
                if let [first, last] = pair {
                    ranges.push((RangeInclusive::new(*first, *last), clients.len()));
                }
            }
            let address = match seed.addr() {
                ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                    host: host.clone(),
                    port,
                    insecure: *insecure,
                    tls_params: tls_params.clone(),
                },
                // The rest is without TLS; a URL gives no socket of a file system.
                _ => ConnectionAddr::Tcp(host.clone(), port),
            };
            clients.push(self.client(seed.clone().set_addr(address))?);
            names.push(format!("{host}:{port}"));
        }
        Ok(Found { clients, slots: Some(SlotMap::new(names, &ranges)) })
    }
}

fn host_and_port(address: &ConnectionAddr) -> (String, u16) {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port),
        // A URL gives no other.
        _ => (String::new(), 0),
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
