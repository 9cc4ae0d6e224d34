//! WebSocket connections to the server, and why they end.

use std::net::SocketAddr;

use actix_web::rt::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::credentials::Secret;

/// Bytes read at once. Every session has such a buffer, so it must be small; a longer frame makes it grow.
const READ_BUFFER: usize = 4 << 10;
/// Largest frame accepted, bytes: a long snapshot.
const LARGEST_FRAME: usize = 1 << 20;
/// Most of a server's words that are kept as a reason, characters.
const WORDS: usize = 200;

/// An open connection.
pub type Socket = WebSocketStream<TcpStream>;

/// Opens `url` at `address` with `token`.
///
/// # Errors
/// The server refused, is not there, or speaks no WebSocket.
pub async fn open(address: SocketAddr, url: &str, token: &Secret) -> Result<Socket, Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut request = url.into_client_request()?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.0))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(LARGEST_FRAME))
        .max_frame_size(Some(LARGEST_FRAME));
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}

/// Why a connection was closed by the server.
#[must_use]
pub fn closed(frame: Option<&CloseFrame>) -> String {
    match frame {
        Some(frame) => {
            // A restart tells each session to come back at another time; that would make each a case of its own.
            let reason = if frame.reason.starts_with('{') { "" } else { frame.reason.as_str() };
            format!("closed {} {}", u16::from(frame.code), short(reason)).trim_end().to_owned()
        }
        None => "closed without a code".to_owned(),
    }
}

/// Why a connection could not be opened, or broke.
#[must_use]
pub fn in_words(error: &Error) -> String {
    let Error::Http(answer) = error else { return error.to_string() };
    // The `code` of a problem body says more than the status, and unlike the detail holds no ids.
    let code = answer
        .body()
        .as_deref()
        .and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok())
        .and_then(|problem| problem.get("code")?.as_str().map(short));
    format!("refused {} {}", answer.status(), code.unwrap_or_default()).trim_end().to_owned()
}

/// The beginning of a server's words.
#[must_use]
pub fn short(text: &str) -> String {
    text.chars().take(WORDS).collect()
}
