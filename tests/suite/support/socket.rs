//! WebSockets, as a client sees them. Whatever is awaited here comes within [`PATIENCE`], or the test fails and
//! says what came instead.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long to wait for what must come. Long, for a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Tells one round trip from another.
    round_trips: u64,
}

/// A handshake that was answered with something else than 101.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The problem.
    pub body: Value,
}

impl Socket {
    /// Opens a socket with headers of one's own.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, Refusal> {
        let mut request = format!("ws://{address}{path}").into_client_request().expect("a URL");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        let tcp = TcpStream::connect(address).await.expect("the server accepts");
        let opening = timeout(PATIENCE, tokio_tungstenite::client_async(request, tcp));
        match opening.await.expect("the handshake is answered") {
            Ok((stream, _)) => Ok(Self { stream, round_trips: 0 }),
            Err(Error::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                let body = serde_json::from_slice(body).unwrap_or(Value::Null);
                Err(Refusal { status: answer.status().as_u16(), body })
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Value) {
        self.send_message(Message::text(frame.to_string())).await;
    }

    /// Sends anything that a WebSocket can carry.
    pub async fn send_message(&mut self, message: Message) {
        self.stream.send(message).await.expect("the socket is open");
    }

    /// The next message that is no ping and no pong; `None` when the connection has ended.
    async fn next_message(&mut self, awaited: &str) -> Option<Message> {
        loop {
            let next = timeout(PATIENCE, self.stream.next()).await;
            match next.unwrap_or_else(|_| panic!("nothing came within {PATIENCE:?}; awaited: {awaited}")) {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next frame, whatever its type.
    pub async fn next(&mut self) -> Value {
        self.next_frame("any frame").await
    }

    async fn next_frame(&mut self, awaited: &str) -> Value {
        match self.next_message(awaited).await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("a frame is JSON"),
            Some(other) => panic!("{other:?} came; awaited: {awaited}"),
            None => panic!("the connection ended; awaited: {awaited}"),
        }
    }

    /// The next frame of a type; others before it are passed over.
    pub async fn expect(&mut self, kind: &str) -> Value {
        self.until(kind).await.pop().expect("the last one is there")
    }

    /// All frames up to the next one of a type, that one included.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        self.until_match(kind, |frame| frame["type"] == kind).await
    }

    /// All frames up to the first that fits, that one included.
    pub async fn until_match(&mut self, awaited: &str, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames: Vec<Value> = Vec::new();
        loop {
            let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].clone()).collect();
            let frame = self.next_frame(&format!("{awaited}, after {}", Value::Array(kinds))).await;
            frames.push(frame);
            if frames.last().is_some_and(&fits) {
                return frames;
            }
        }
    }

    /// Makes a round trip through the session and gives what came before its answer: whatever the session was
    /// to write by now is among it. The way to see that something does *not* come.
    pub async fn so_far(&mut self) -> Vec<Value> {
        self.round_trips += 1;
        let mark = format!("round-trip-{}", self.round_trips);
        self.send(json!({"type": "ping", "ref": mark})).await;
        let mut frames = self
            .until_match("the pong", |frame| frame["type"] == "pong" && frame["ref"] == mark.as_str())
            .await;
        frames.pop();
        frames
    }

    /// Waits until the server closes; gives the code and the reason. Frames before that are passed over.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next_message("the close").await {
                Some(Message::Close(Some(close))) => return (close.code.into(), close.reason.to_string()),
                // RFC 6455, section 7.1.5: no code was sent.
                Some(Message::Close(None)) => return (1005, String::new()),
                Some(_) => {}
                // The connection ended without a good-bye.
                None => return (1006, String::new()),
            }
        }
    }

    /// Says good-bye and waits for the answer.
    pub async fn close(mut self) {
        // The server may have been faster.
        let _ = self.stream.close(None).await;
        while self.next_message("the answer to the close").await.is_some() {}
    }
}
