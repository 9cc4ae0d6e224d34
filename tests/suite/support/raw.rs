//! A client without manners: it sends whatever bytes a test wants, in HTTP as in WebSocket frames, and shows what
//! comes back bit by bit.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Long enough for a loaded machine; what is waited for comes at once or never.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opcodes of RFC 6455, section 5.2.
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// An HTTP answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One frame, unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub is_final: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// A connection.
pub struct Raw {
    stream: TcpStream,
    /// Read and not yet looked at.
    read: Vec<u8>,
}

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing came within {PATIENCE:?}"),
    }
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, read: Vec::new() }
    }

    /// A connection that takes little before it has to be read from.
    pub async fn connect_with_small_buffer(address: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a socket option");
        let stream = socket.connect(address).await.expect("the server listens");
        Self { stream, read: Vec::new() }
    }

    /// Sends `head` (request line and headers, each ended by a line break that is made CRLF here) and reads the answer.
    pub async fn call(&mut self, head: &str, body: &[u8]) -> Answer {
        let mut request = head.trim().lines().map(str::trim).collect::<Vec<_>>().join("\r\n").into_bytes();
        request.extend(b"\r\n\r\n");
        request.extend(body);
        self.write(&request).await;
        self.answer().await
    }

    /// Opens a WebSocket; `headers` come beside those that the handshake needs. `Err` with the answer when refused.
    pub async fn open(address: SocketAddr, path: &str, headers: &str) -> Result<(Self, Answer), Answer> {
        let mut raw = Self::connect(address).await;
        let answer = raw.upgrade(address, path, headers).await;
        if answer.status == 101 { Ok((raw, answer)) } else { Err(answer) }
    }

    /// Asks for a WebSocket on this connection.
    pub async fn upgrade(&mut self, address: SocketAddr, path: &str, headers: &str) -> Answer {
        let head = format!(
            "GET {path} HTTP/1.1\nHost: {address}\nUpgrade: websocket\nConnection: Upgrade\n\
             Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n{headers}"
        );
        self.call(&head, b"").await
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The server may have closed already; what it said is still to be read.
        let _ = patiently("writing", self.stream.write_all(bytes)).await;
    }

    /// Writes as much as the connection takes within a good while; `None` when that is nothing.
    pub async fn write_at_once(&mut self, bytes: &[u8]) -> Option<usize> {
        let written = tokio::time::timeout(Duration::from_secs(1), self.stream.write(bytes)).await;
        written.ok().map(|written| written.expect("the connection is open"))
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match patiently("reading", self.stream.read(&mut buffer)).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.read.extend(&buffer[..count]);
                true
            }
        }
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            if !self.more().await {
                return None;
            }
        }
        Some(self.read.drain(..count).collect())
    }

    async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            assert!(self.more().await, "closed without an answer: {:?}", String::from_utf8_lossy(&self.read));
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).expect("an ASCII head");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: String::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        assert_eq!(answer.header("transfer-encoding"), None, "{answer:?}");
        let body = self.take(length).await.expect("a whole body");
        answer.body = String::from_utf8(body).expect("UTF-8");
        answer
    }

    /// Sends one frame.
    pub async fn send(&mut self, is_final: bool, opcode: u8, payload: &[u8]) {
        self.write(&frame(is_final, opcode, payload)).await;
    }

    pub async fn text(&mut self, text: &str) {
        self.send(true, TEXT, text.as_bytes()).await;
    }

    /// The next frame; `None` once the server has closed the connection.
    pub async fn receive(&mut self) -> Option<Frame> {
        let head = self.take(2).await?;
        assert_eq!(head[1] & 0x80, 0, "a server masks nothing");
        let length = match head[1] & 0x7f {
            126 => self.take(2).await?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            127 => self.take(8).await?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            short => usize::from(short),
        };
        let payload = self.take(length).await?;
        Some(Frame { is_final: head[0] & 0x80 != 0, opcode: head[0] & 0x0f, payload })
    }

    /// The next text frame of this `type`; others and pings are passed over.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.receive().await.unwrap_or_else(|| panic!("closed before {kind} came"));
            match frame.opcode {
                TEXT => {
                    let value: Value = serde_json::from_slice(&frame.payload).expect("JSON");
                    if value["type"] == kind {
                        return value;
                    }
                }
                CLOSE => panic!("closed with {} before {kind} came", code_of(&frame)),
                _ => {}
            }
        }
    }

    /// The next text frame, whatever its `type`.
    pub async fn next_text(&mut self) -> Value {
        let frame = self.expect_opcode(TEXT).await;
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// The next frame with this opcode; others are passed over.
    pub async fn expect_opcode(&mut self, opcode: u8) -> Frame {
        loop {
            let frame = self.receive().await.unwrap_or_else(|| panic!("closed before {opcode} came"));
            if frame.opcode == opcode {
                return frame;
            }
        }
    }

    /// The code that the server closes with. Answers, and sees that the connection ends then.
    pub async fn expect_close(&mut self) -> u16 {
        let close = self.expect_opcode(CLOSE).await;
        self.send(true, CLOSE, &close.payload).await;
        while self.receive().await.is_some() {}
        code_of(&close)
    }
}

fn code_of(close: &Frame) -> u16 {
    close.payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]))
}

/// A masked frame as a client has to send it.
pub fn frame(is_final: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![u8::from(is_final) << 7 | opcode];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
