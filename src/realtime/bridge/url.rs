//! Where Redis is.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

/// Where Redis is: one server, one that Sentinels watch over, or a cluster. Shows itself without its passwords.
#[derive(Clone)]
pub struct RedisUrl {
    /// As it may be shown.
    shown: String,
    pub(super) way: Way,
}

/// How the servers are found.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// This one.
    Server(ConnectionInfo),
    /// The one that Sentinels call the master of a service.
    Sentinel {
        /// Where the Sentinels are, and what they want to hear.
        sentinels: Vec<ConnectionInfo>,
        service: String,
        /// What the server itself wants to hear; its address is that of a Sentinel.
        server: ConnectionInfo,
    },
    /// Those that any of these name.
    Cluster(Vec<ConnectionInfo>),
}

/// Text that was meant as the address of Redis and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected redis://[user:password@]host[:port][/database], redis+sentinel://[…@]host[:port][,…]/service[/database] \
     or redis+cluster://[…@]host[:port][,…], with rediss for TLS ({0})"
)]
pub struct InvalidRedisUrl(String);

impl InvalidRedisUrl {
    fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

/// The parts of such a text, none of them decoded.
struct Parts<'a> {
    /// What the library calls a server's scheme: `redis`, or `rediss` with TLS.
    scheme: &'a str,
    /// `sentinel`, `cluster` or nothing.
    kind: &'a str,
    /// With the `@` at its end, if there is any.
    user: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, InvalidRedisUrl> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| InvalidRedisUrl::new("no scheme"))?;
        let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!((scheme, kind), ("redis" | "rediss", "" | "sentinel" | "cluster")) {
            return Err(InvalidRedisUrl::new("another scheme"));
        }
        if rest.contains('#') {
            return Err(InvalidRedisUrl::new("a # must be written %23"));
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // Of several, the last: a password may hold one, though it should be written %40.
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.iter().any(|host| host.is_empty() || host.starts_with(':')) {
            return Err(InvalidRedisUrl::new("no host"));
        }
        if query.is_some() && kind != "sentinel" {
            return Err(InvalidRedisUrl::new("nothing may come after ?"));
        }
        if path.contains('@') {
            return Err(InvalidRedisUrl::new("a / in a password must be written %2F"));
        }
        if hosts.len() > 1 && kind.is_empty() {
            return Err(InvalidRedisUrl::new("several hosts"));
        }
        Ok(Self { scheme, kind, user, hosts, path, query })
    }

    /// One host as the library reads it: by RESP3 (Redis 6 or later), in which answers and what is pushed share a
    /// connection.
    fn info(
        &self,
        user: &str,
        host: &str,
        port: u16,
        database: &str,
    ) -> Result<ConnectionInfo, InvalidRedisUrl> {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let port = if has_port { String::new() } else { format!(":{port}") };
        // The library's words, without the URL that they are about: it may hold a password.
        let failed = |error: redis::RedisError| {
            InvalidRedisUrl::new(error.detail().unwrap_or("it cannot be read").to_owned())
        };
        let text = format!("{}://{user}{host}{port}/{database}", self.scheme);
        let info = text.into_connection_info().map_err(failed)?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(info.set_redis_settings(settings))
    }

    fn way(&self) -> Result<Way, InvalidRedisUrl> {
        let first = self.hosts.first().copied().unwrap_or_default();
        match self.kind {
            "sentinel" => {
                let (service, database) = self.path.split_once('/').unwrap_or((self.path, ""));
                if service.is_empty() {
                    return Err(InvalidRedisUrl::new("no service"));
                }
                let user = self.sentinel_user()?;
                let sentinels = self.hosts.iter().map(|host| self.info(&user, host, 26379, ""));
                Ok(Way::Sentinel {
                    sentinels: sentinels.collect::<Result<_, _>>()?,
                    service: service.to_owned(),
                    server: self.info(self.user, first, 26379, database)?,
                })
            }
            "cluster" => {
                if !matches!(self.path, "" | "0") {
                    return Err(InvalidRedisUrl::new("a cluster has no databases"));
                }
                let hosts = self.hosts.iter().map(|host| self.info(self.user, host, 6379, ""));
                Ok(Way::Cluster(hosts.collect::<Result<_, _>>()?))
            }
            _ => Ok(Way::Server(self.info(self.user, first, 6379, self.path)?)),
        }
    }

    /// Who one is for the Sentinels, as the part of a URL.
    fn sentinel_user(&self) -> Result<String, InvalidRedisUrl> {
        let (mut user, mut password) = ("", "");
        for pair in self.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sentinel_user", text)) => user = text,
                Some(("sentinel_password", text)) => password = text,
                Some(_) | None => {
                    return Err(InvalidRedisUrl::new(
                        "only sentinel_user and sentinel_password may come after ?",
                    ));
                }
            }
        }
        if password.is_empty() && !user.is_empty() {
            return Err(InvalidRedisUrl::new("sentinel_user goes with sentinel_password"));
        }
        Ok(if password.is_empty() { String::new() } else { format!("{user}:{password}@") })
    }

    fn shown(&self) -> String {
        let plus = if self.kind.is_empty() { "" } else { "+" };
        let user = match self.user.split_once(':') {
            Some((user, _)) => format!("{user}:(hidden)@"),
            None => self.user.to_owned(),
        };
        let path = if self.path.is_empty() { String::new() } else { format!("/{}", self.path) };
        let query = if self.query.is_some() { "?(hidden)" } else { "" };
        format!("{}{plus}{}://{user}{}{path}{query}", self.scheme, self.kind, self.hosts.join(","))
    }
}

impl RedisUrl {
    /// Whether it is a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.way, Way::Cluster(_))
    }

    /// Whether TLS is wanted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.shown.starts_with("rediss")
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        let parts = Parts::of(text)?;
        Ok(Self { shown: parts.shown(), way: parts.way()? })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn a_url_names_a_host() {
        for text in [
            "redis://localhost",
            "redis://127.0.0.1:6380/3",
            "redis://shop:secret@redis.internal:6379",
            "rediss://[::1]",
            "redis+sentinel://a,b:1/main/2",
            "rediss+cluster://shop:p@a,b",
        ] {
            assert!(text.parse::<RedisUrl>().is_ok(), "{text}");
        }
        for (text, problem) in [
            ("", "no scheme"),
            ("localhost:6379", "no scheme"),
            ("http://localhost", "another scheme"),
            ("redis+unix://localhost", "another scheme"),
            ("redis://", "no host"),
            ("redis://a:1,b:2", "several hosts"),
            ("redis://a?protocol=2", "nothing may come after ?"),
            ("rediss://a#insecure", "a # must be written %23"),
            ("redis+sentinel://a", "no service"),
            ("redis+sentinel://a/main?x=1", "only sentinel_user and sentinel_password may come after ?"),
            ("redis+sentinel://a/main?sentinel_user=x", "sentinel_user goes with sentinel_password"),
            ("redis+sentinel://shop:123/ss@h/0", "a / in a password must be written %2F"),
            ("redis+cluster://a,/", "no host"),
            ("redis+cluster://a/1", "a cluster has no databases"),
        ] {
            let error = text.parse::<RedisUrl>().expect_err(text);
            assert_eq!(error, InvalidRedisUrl::new(problem), "{text}");
        }
        assert!("redis://h/notanumber".parse::<RedisUrl>().is_err());
    }

    #[test]
    fn sentinels_and_the_server_hear_what_is_meant_for_them() {
        let text = "rediss+sentinel://shop:p%40ss@one:5,two/main/3?sentinel_user=watch&sentinel_password=dog";
        let url: RedisUrl = text.parse().expect("a URL");
        assert!(url.has_tls() && !url.is_cluster());
        let Way::Sentinel { sentinels, service, server } = url.way else { panic!("{url}") };
        assert_eq!(
            (addresses(&sentinels), service.as_str()),
            (vec!["one:5".into(), "two:26379".into()], "main")
        );
        let (asked, server) = (sentinels[1].redis_settings(), server.redis_settings());
        assert_eq!((asked.username(), asked.password(), asked.db()), (Some("watch"), Some("dog"), 0));
        assert_eq!((server.username(), server.password(), server.db()), (Some("shop"), Some("p@ss"), 3));
    }

    #[test]
    fn a_url_shows_without_its_password() {
        for (text, shown) in [
            ("redis://shop:hunter2@h:6379/1", "redis://shop:(hidden)@h:6379/1"),
            ("redis://:hunter2@h", "redis://:(hidden)@h"),
            ("redis+cluster://shop:hun@ter2@a,b", "redis+cluster://shop:(hidden)@a,b"),
            (
                "redis+sentinel://:hunter2@h/main?sentinel_password=dog",
                "redis+sentinel://:(hidden)@h/main?(hidden)",
            ),
        ] {
            let url: RedisUrl = text.parse().expect(text);
            assert_eq!(format!("{url} {url:?}"), format!("{shown} {shown}"));
        }
        let error = "redis://:hunter2@h/x".parse::<RedisUrl>().expect_err("no database").to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
