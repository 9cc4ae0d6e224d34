//! What HTTP can be told, and what follows from it: who calls, and under which address this server is reached.
//!
//! `X-Forwarded-For`, `-Proto` and `-Host` are believed only of proxies that are trusted by name: anybody else
//! could write into them whatever suits.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, dev, web};
use ipnet::IpNet;
use url::Url;

use crate::services::error::ServiceError;

use super::error::ApiError;

/// What HTTP can be told. `web::Data` of the application; without one the defaults hold.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// Under which `http(s)://` URL clients reach this server; without one, under what they called.
    pub public_url: Option<Url>,
    /// Proxies whose `X-Forwarded-*` headers are believed. None by default.
    pub trusted_proxies: Vec<IpNet>,
}

/// Text that was meant as networks and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an IP address nor a network such as 10.0.0.0/8")]
pub struct InvalidNetwork(pub String);

/// Reads addresses and networks (`10.0.0.0/8`, `::1`) with commas between them.
///
/// # Errors
/// `InvalidNetwork` with the first that is none.
pub fn parse_networks(text: &str) -> Result<Vec<IpNet>, InvalidNetwork> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            IpNet::from_str(part)
                .or_else(|_| IpAddr::from_str(part).map(IpNet::from))
                .map_err(|_| InvalidNetwork(part.into()))
        })
        .collect()
}

impl HttpSettings {
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// What a trusted proxy says in a header of its own: the first of several values, which is the one nearest
    /// to the client.
    fn forwarded<'a>(&self, request: &'a HttpRequest, name: &str) -> Option<&'a str> {
        if !self.trusts(peer(request)) {
            return None;
        }
        let value = request.headers().get(name)?.to_str().ok()?;
        value.split(',').next().map(str::trim).filter(|value| !value.is_empty())
    }

    /// The URL under which clients reach this server, ending in `/`.
    ///
    /// # Errors
    /// `Invalid` when no URL is configured and the request names no host.
    pub fn base_url(&self, request: &HttpRequest) -> Result<Url, ServiceError> {
        let base = match &self.public_url {
            Some(url) => Some(url.clone()),
            None => self.called_url(request),
        };
        let mut base =
            base.ok_or_else(|| ServiceError::invalid("Host", "invalid", "expected a host name"))?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(base)
    }

    fn called_url(&self, request: &HttpRequest) -> Option<Url> {
        let is_https = match self.forwarded(request, "X-Forwarded-Proto") {
            Some(scheme) => scheme.eq_ignore_ascii_case("https"),
            None => request.app_config().secure(),
        };
        let host = self
            .forwarded(request, "X-Forwarded-Host")
            .or_else(|| request.headers().get(header::HOST)?.to_str().ok())
            .or_else(|| request.uri().authority().map(|authority| authority.as_str()))?;
        // Nothing but a host and a port: otherwise the rest would become a part of the URL.
        if host.contains(['/', '?', '#', '@', '\\']) {
            return None;
        }
        Url::parse(&format!("{}://{host}/", if is_https { "https" } else { "http" })).ok()
    }

    /// The URL of a WebSocket endpoint, complete with its token.
    ///
    /// # Errors
    /// As [`HttpSettings::base_url`].
    pub fn websocket_url(
        &self,
        request: &HttpRequest,
        path: &str,
        token: &str,
    ) -> Result<String, ServiceError> {
        let fault = || ServiceError::Internal(format!("no WebSocket URL for {path}"));
        let mut url = self.base_url(request)?.join(path.trim_start_matches('/')).map_err(|_| fault())?;
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).map_err(|()| fault())?;
        url.query_pairs_mut().clear().append_pair("token", token);
        Ok(url.into())
    }
}

/// The address of the client: that of the connection or, behind trusted proxies, the last address in
/// `X-Forwarded-For` that is not one of theirs.
#[must_use]
pub fn client_addr(request: &HttpRequest, settings: &HttpSettings) -> IpAddr {
    let mut client = peer(request);
    let headers: Vec<_> = request.headers().get_all("X-Forwarded-For").collect();
    let hops = headers.into_iter().rev().flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        if !settings.trusts(client) {
            break;
        }
        // What a trusted proxy cannot have written ends the chain of trust.
        let Some(address) = parse_hop(hop.trim()) else { break };
        client = address;
    }
    client
}

/// The other end of the connection.
fn peer(request: &HttpRequest) -> IpAddr {
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    request.peer_addr().map_or(unknown, |peer| peer.ip().to_canonical())
}

/// An address with or without a port, an IPv6 one with or without brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let address = text.parse::<SocketAddr>().map(|socket| socket.ip()).ok().or_else(bare)?;
    Some(address.to_canonical())
}

/// The address of the client, for limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

impl FromRequest for ClientAddr {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        std::future::ready(Ok(Self(client_addr(request, &of(request)))))
    }
}

/// The settings of the application that a request belongs to.
#[must_use]
pub fn of(request: &HttpRequest) -> web::Data<HttpSettings> {
    request
        .app_data::<web::Data<HttpSettings>>()
        .cloned()
        .unwrap_or_else(|| web::Data::new(HttpSettings::default()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn behind(proxies: &str) -> HttpSettings {
        HttpSettings { public_url: None, trusted_proxies: parse_networks(proxies).expect("networks") }
    }

    fn from(peer: &str) -> TestRequest {
        TestRequest::default().peer_addr(format!("{peer}:4711").parse().expect("an address"))
    }

    fn client(request: TestRequest, settings: &HttpSettings) -> String {
        client_addr(&request.to_http_request(), settings).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        let request = || from("203.0.113.9").append_header(("X-Forwarded-For", "10.0.0.1, 127.0.0.1"));
        assert_eq!(client(request(), &HttpSettings::default()), "203.0.113.9");
        assert_eq!(client(request(), &behind("10.0.0.0/8")), "203.0.113.9");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_clients() {
        let settings = behind("10.0.0.0/8, 127.0.0.1,::1");
        let via = |hops: &str| from("127.0.0.1").append_header(("X-Forwarded-For", hops));
        assert_eq!(client(via("198.51.100.7"), &settings), "198.51.100.7");
        assert_eq!(client(via("1.1.1.1, 198.51.100.7, 10.1.2.3"), &settings), "198.51.100.7");
        assert_eq!(client(via("10.9.9.9, 10.1.2.3"), &settings), "10.9.9.9");
        assert_eq!(client(via("198.51.100.7:1234"), &settings), "198.51.100.7");
        assert_eq!(client(via("[2001:db8::7]:1234"), &settings), "2001:db8::7");
        assert_eq!(client(via("2001:db8::7"), &settings), "2001:db8::7");
        assert_eq!(client(via("::ffff:198.51.100.7"), &settings), "198.51.100.7");
        assert_eq!(client(via("198.51.100.7, unknown, 10.1.2.3"), &settings), "10.1.2.3");
        assert_eq!(client(from("127.0.0.1"), &settings), "127.0.0.1");
    }

    #[test]
    fn several_headers_are_one_list() {
        let request = from("127.0.0.1")
            .append_header(("X-Forwarded-For", "1.1.1.1, 198.51.100.7"))
            .append_header(("X-Forwarded-For", "10.0.0.2"));
        assert_eq!(client(request, &behind("10.0.0.0/8,127.0.0.0/8")), "198.51.100.7");
    }

    fn url(request: TestRequest, settings: &HttpSettings) -> Option<String> {
        settings.websocket_url(&request.to_http_request(), "/ws/notifications/", "a.b-c_d").ok()
    }

    #[test]
    fn the_websocket_url_follows_the_call() {
        let request = || from("203.0.113.9").insert_header(("Host", "waybill.example:8443"));
        let plain = Some("ws://waybill.example:8443/ws/notifications/?token=a.b-c_d".to_owned());
        assert_eq!(url(request(), &HttpSettings::default()), plain);
        let forged = request()
            .insert_header(("X-Forwarded-Proto", "https"))
            .insert_header(("X-Forwarded-Host", "evil.example"));
        assert_eq!(url(forged, &HttpSettings::default()), plain);
        let proxied = request()
            .insert_header(("X-Forwarded-Proto", "https"))
            .insert_header(("X-Forwarded-Host", "shop.example"));
        assert_eq!(
            url(proxied, &behind("203.0.113.9")).as_deref(),
            Some("wss://shop.example/ws/notifications/?token=a.b-c_d")
        );
    }

    #[test]
    fn a_public_url_goes_before_the_call() {
        for (public, expected) in [
            ("https://shop.example", "wss://shop.example/ws/notifications/?token=a.b-c_d"),
            ("http://shop.example:81/live", "ws://shop.example:81/live/ws/notifications/?token=a.b-c_d"),
            ("https://shop.example/live/", "wss://shop.example/live/ws/notifications/?token=a.b-c_d"),
        ] {
            let settings = HttpSettings { public_url: public.parse().ok(), trusted_proxies: Vec::new() };
            let request = from("203.0.113.9").insert_header(("Host", "inside:8000"));
            assert_eq!(url(request, &settings).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_host_that_is_more_than_a_host_is_refused() {
        for host in ["evil.example/path", "a@evil.example", "evil.example?x", "", "a b"] {
            let request = from("203.0.113.9").insert_header(("Host", host));
            assert_eq!(url(request, &HttpSettings::default()), None, "{host:?}");
        }
    }

    #[test]
    fn networks_are_read_and_mistakes_named() {
        assert_eq!(parse_networks(" 10.0.0.0/8, ,::1 ").map(|networks| networks.len()), Ok(2));
        assert_eq!(parse_networks("10.0.0.0/8,10.0.0.0/33"), Err(InvalidNetwork("10.0.0.0/33".into())));
        assert_eq!(parse_networks("proxy"), Err(InvalidNetwork("proxy".into())));
    }
}
