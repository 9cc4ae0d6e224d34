//! Where Redis is.

use std::fmt;
use std::str::FromStr;

use redis::{Client, IntoConnectionInfo, ProtocolVersion};
use url::Url;

/// Where Redis is. Shows itself without its password.
#[derive(Clone)]
pub struct RedisUrl {
    url: Url,
    client: Client,
}

/// Text that was meant as the address of Redis and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected redis://[user:password@]host[:port][/database]{}", detail(.problem))]
pub struct InvalidRedisUrl {
    problem: Option<String>,
}

fn detail(problem: &Option<String>) -> String {
    problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default()
}

impl RedisUrl {
    /// What connects: by RESP3 (Redis 6 or later), in which answers and what is pushed share a connection.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        let url = Url::parse(text).map_err(|_| InvalidRedisUrl { problem: None })?;
        if url.scheme() != "redis" || url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidRedisUrl { problem: None });
        }
        // The library's words, without the URL that they are about: it may hold a password.
        let failed = |error: redis::RedisError| InvalidRedisUrl {
            problem: Some(error.detail().unwrap_or("it cannot be read").to_owned()),
        };
        let info = text.into_connection_info().map_err(failed)?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings)).map_err(failed)?;
        Ok(Self { url, client })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        if shown.password().is_some() {
            // A URL with a host takes a password.
            let _ = shown.set_password(Some("(hidden)"));
        }
        write!(f, "{}", shown.as_str().replace("%28hidden%29", "(hidden)"))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host() {
        for text in
            ["redis://localhost", "redis://127.0.0.1:6380/3", "redis://shop:secret@redis.internal:6379"]
        {
            assert!(text.parse::<RedisUrl>().is_ok(), "{text}");
        }
        for text in ["", "localhost:6379", "http://localhost", "redis://", "redis://h/notanumber"] {
            assert!(text.parse::<RedisUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_shows_without_its_password() {
        let url: RedisUrl = "redis://shop:hunter2@h:6379/1".parse().expect("a URL");
        assert_eq!(format!("{url} {url:?}"), "redis://shop:(hidden)@h:6379/1 redis://shop:(hidden)@h:6379/1");
        let error = "redis://:hunter2@h/x".parse::<RedisUrl>().expect_err("no database").to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
