//! Clients that say nothing, or next to nothing.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

use crate::support::{TestApp, TestUser};

/// More than any of this may take.
const LATE: Duration = Duration::from_secs(15);

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("it accepts")
}

/// Everything until the server closes.
async fn until_cut(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = timeout(LATE, stream.read_to_end(&mut bytes)).await.expect("the server ends it");
    bytes
}

fn handshake(address: SocketAddr, user: &TestUser) -> String {
    format!(
        "GET /ws/ HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        user.token
    )
}

#[actix_web::test]
async fn a_client_that_answers_no_ping_is_closed() {
    let app = TestApp::start_with(&[("WAYBILL_PING_SECS", "1"), ("WAYBILL_IDLE_SECS", "2")]).await;
    let customer = app.customer().await;
    let mut stream = connect(app.address()).await;
    let begin = Instant::now();
    stream.write_all(handshake(app.address(), &customer).as_bytes()).await.expect("sent");
    let bytes = until_cut(&mut stream).await;
    assert!(bytes.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&bytes));
    // An empty ping, and at the end the close frame with code 1001.
    assert!(bytes.windows(2).any(|frame| frame == [0x89, 0]), "no ping came");
    let close = bytes.windows(4).position(|frame| frame[0] == 0x88 && frame[2..] == 1001_u16.to_be_bytes());
    assert!(close.is_some(), "no close frame came");
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(app.inner().groups().count().await.expect("the directory answers").sessions, 0);
}

#[actix_web::test]
async fn a_client_that_answers_pings_and_says_nothing_else_stays() {
    let app = TestApp::start_with(&[("WAYBILL_PING_SECS", "1"), ("WAYBILL_IDLE_SECS", "2")]).await;
    let customer = app.customer().await;
    let mut stream = connect(app.address()).await;
    stream.write_all(handshake(app.address(), &customer).as_bytes()).await.expect("sent");
    let (begin, mut pings, mut bytes) = (Instant::now(), 0, Vec::new());
    while begin.elapsed() < Duration::from_secs(5) {
        let mut buffer = [0; 4096];
        let count = timeout(LATE, stream.read(&mut buffer)).await.expect("a ping comes").expect("it is open");
        assert_ne!(count, 0, "it was closed after {:?}", begin.elapsed());
        bytes.extend_from_slice(&buffer[..count]);
        if bytes.ends_with(&[0x89, 0]) {
            // A masked, empty pong.
            stream.write_all(&[0x8a, 0x80, 1, 2, 3, 4]).await.expect("sent");
            pings += 1;
        }
    }
    assert!(pings >= 3, "{pings}");
}

#[actix_web::test]
async fn a_connection_on_which_nothing_comes_is_cut() {
    let app = TestApp::start_with(&[("WAYBILL_HANDSHAKE_TIMEOUT_SECS", "1")]).await;
    let begin = Instant::now();
    until_cut(&mut connect(app.address()).await).await;
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
}

#[actix_web::test]
async fn a_handshake_that_drips_in_byte_by_byte_is_cut() {
    let app = TestApp::start_with(&[("WAYBILL_HANDSHAKE_TIMEOUT_SECS", "1")]).await;
    let customer = app.customer().await;
    let (mut reading, mut writing) = connect(app.address()).await.into_split();
    let head = handshake(app.address(), &customer);
    let drip = async move {
        let mut drops = interval(Duration::from_millis(100));
        for byte in head.as_bytes() {
            drops.tick().await;
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    let mut answer = Vec::new();
    let begin = Instant::now();
    tokio::select! {
        () = drip => panic!("all of it was taken"),
        // A reset is an end as well.
        _ = reading.read_to_end(&mut answer) => {}
    }
    assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}
