//! Where the server is.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use actix_web::rt::time::timeout;
use url::{Host, Url};

/// A server's address, looked up.
#[derive(Debug, Clone)]
pub struct Target {
    /// Scheme, host, port and path, without a slash at the end.
    pub base: String,
    /// The addresses that the host has, at least one.
    pub addresses: Vec<SocketAddr>,
}

/// Text that names no server to talk to.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is no URL.
    #[error(transparent)]
    Url(#[from] url::ParseError),
    /// It is a URL of something else.
    #[error("only http:// is spoken here, without TLS")]
    Scheme,
    /// Its host has no address.
    #[error("no such host")]
    NoAddress,
    /// The look-up of its host failed.
    #[error(transparent)]
    LookUp(#[from] std::io::Error),
}

impl Target {
    /// Reads `http://host:port/path`, and looks the host up.
    ///
    /// # Errors
    /// Why that is no server to talk to.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let url = Url::parse(text)?;
        if url.scheme() != "http" {
            return Err(TargetError::Scheme);
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(ip)) => vec![(ip, port).into()],
            Some(Host::Ipv6(ip)) => vec![(ip, port).into()],
            Some(Host::Domain(name)) => (name, port).to_socket_addrs()?.collect(),
            None => Vec::new(),
        };
        if addresses.is_empty() {
            return Err(TargetError::NoAddress);
        }
        Ok(Self { base: url.as_str().trim_end_matches('/').to_owned(), addresses })
    }

    /// The server at an address.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        Self { base: format!("http://{address}"), addresses: vec![address] }
    }

    /// Whether it is on this machine, whichever address is taken.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.addresses.iter().map(SocketAddr::ip).all(is_loopback)
    }

    /// The first address that takes a connection within `patience`.
    ///
    /// # Errors
    /// Why the last one did not.
    pub async fn reach(&self, patience: Duration) -> std::io::Result<SocketAddr> {
        let mut failure = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in &self.addresses {
            match timeout(patience, TcpStream::connect(address)).await {
                Ok(Ok(_)) => return Ok(*address),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = std::io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failure)
    }

    /// The URL of a WebSocket endpoint; `path` starts with a slash.
    #[must_use]
    pub fn socket_url(&self, path: &str) -> String {
        format!("ws{}{path}", self.base.strip_prefix("http").unwrap_or_default())
    }
}

/// Whether an address is this machine's own, IPv4 inside IPv6 included.
#[must_use]
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_lie_below_the_base() {
        let target = Target::parse("http://127.0.0.1:81/below/").expect("a target");
        assert_eq!(target.socket_url("/ws/"), "ws://127.0.0.1:81/below/ws/");
        assert!(target.is_local());
    }
}
