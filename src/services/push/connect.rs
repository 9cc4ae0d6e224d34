//! The way to push services. Where one is anybody may say, so each address is looked at before it is connected to, and the
//! connection goes to the very address that was looked at: a name that means another address the next moment gains nothing.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::Full;
use hyper::Uri;
use hyper::body::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::domain::push::is_public;

use super::PushSettings;

/// How long a connection that nobody uses is kept. Push services end theirs after minutes.
const IDLE: Duration = Duration::from_secs(20);
/// Connections that are kept to one push service.
const KEPT: usize = 4;
/// How long one address is tried before the next.
const TRY: Duration = Duration::from_secs(3);

/// Certificates of those who sign others.
#[derive(Clone)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads them from PEM; `None` where there are none that can be used.
    #[must_use]
    pub fn parse(pem: &[u8]) -> Option<Self> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
        let mut roots = RootCertStore::empty();
        let is_good = !found.is_empty() && found.iter().all(|found| roots.add(found.clone()).is_ok());
        is_good.then_some(Self(found))
    }
}

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

/// Why there is no connection. The words are kept with the message, and tell nothing about where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the endpoint is no https URL")]
    NoUrl,
    #[error("the push service's name is not known")]
    Unknown,
    #[error("the push service is not on the internet")]
    Private,
    #[error("the push service cannot be reached")]
    Unreachable,
    #[error("the push service's certificate is not good")]
    Certificate,
    #[error("the push service speaks no TLS that this server knows")]
    Tls,
}

/// Sends to push services, over connections that are kept for a while.
pub(super) type PushClient = Client<Connector, Full<Bytes>>;

/// A client that connects only where it may.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn client(settings: &PushSettings) -> Result<PushClient, rustls::Error> {
    let mut roots = RootCertStore::empty();
    match &settings.authorities {
        Some(authorities) => {
            roots.add_parsable_certificates(authorities.0.iter().cloned());
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                log::warn!("some of the system's certificates cannot be read: {error}");
            }
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                log::warn!("the system trusts no certificates: pushes cannot be sent");
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = Connector { tls: TlsConnector::from(Arc::new(config)), to_private: settings.to_private };
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(KEPT)
        .build(connector))
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    to_private: bool,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<Line, ConnectError> {
        let host = uri.host().ok_or(ConnectError::NoUrl)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if uri.scheme_str() != Some("https") {
            return Err(ConnectError::NoUrl);
        }
        let port = uri.port_u16().unwrap_or(443);
        if !self.to_private && port != 443 {
            return Err(ConnectError::Private);
        }
        let addresses = self.addresses(host, port).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::NoUrl)?;
        let mut last = ConnectError::Unreachable;
        for address in addresses {
            let Ok(Ok(stream)) = tokio::time::timeout(TRY, TcpStream::connect(address)).await else {
                continue;
            };
            // What is written is written whole: there is nothing to wait for.
            if let Err(error) = stream.set_nodelay(true) {
                log::debug!("a connection to a push service keeps Nagle's algorithm: {error}");
            }
            match self.tls.connect(name.clone(), stream).await {
                Ok(stream) => return Ok(Line(TokioIo::new(stream))),
                Err(error) => match error.get_ref().and_then(|error| error.downcast_ref()) {
                    Some(rustls::Error::InvalidCertificate(_)) => last = ConnectError::Certificate,
                    Some(_) => last = ConnectError::Tls,
                    None => {}
                },
            }
        }
        Err(last)
    }

    /// What the host's name means now; all of it must be where pushes may go.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let found = tokio::net::lookup_host((host, port)).await;
                found.map_err(|_| ConnectError::Unknown)?.collect()
            }
        };
        if addresses.is_empty() {
            return Err(ConnectError::Unknown);
        }
        if !self.to_private && addresses.iter().any(|address| !is_public(address.ip())) {
            return Err(ConnectError::Private);
        }
        Ok(addresses)
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Line;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// One connection.
pub(super) struct Line(TokioIo<TlsStream<TcpStream>>);

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(to_private: bool) -> Connector {
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions");
        let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        Connector { tls: TlsConnector::from(Arc::new(config)), to_private }
    }

    async fn refusal(to_private: bool, url: &str) -> ConnectError {
        match connector(to_private).connect(url.parse().expect("a URL")).await {
            Ok(_) => panic!("{url} was connected to"),
            Err(error) => error,
        }
    }

    #[actix_web::test]
    async fn nothing_is_connected_to_that_is_not_on_the_internet() {
        for url in [
            "https://127.0.0.1/",
            "https://0.0.0.0/",
            "https://169.254.169.254/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            // A name that means this machine.
            "https://localhost/",
            "https://1.1.1.1:8443/",
        ] {
            assert_eq!(refusal(false, url).await, ConnectError::Private, "{url}");
        }
        assert_eq!(refusal(false, "https://push.invalid/").await, ConnectError::Unknown);
        assert_eq!(refusal(false, "http://1.1.1.1/").await, ConnectError::NoUrl);
    }

    #[actix_web::test]
    async fn where_that_is_allowed_a_private_address_is_tried() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        assert_eq!(refusal(true, &format!("https://127.0.0.1:{port}/")).await, ConnectError::Unreachable);
    }
}
