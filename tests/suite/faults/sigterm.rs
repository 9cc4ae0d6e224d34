//! SIGTERM while the server is at work.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt::spawn;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::caller::{Call, Caller};
use super::stage::{Stage, ended};
use super::writer::state_of;
use crate::support::process::Process;
use crate::support::{Socket, TestUser, an_order};

const DRAIN: Duration = Duration::from_secs(12);

async fn open(address: SocketAddr, user: &TestUser) -> Socket {
    let bearer = format!("Bearer {}", user.token);
    let headers = [("Authorization", bearer.as_str())];
    Socket::open(address, "/ws/notifications/", &headers).await.expect("it opens")
}

/// Places orders, each over a connection of its own, until the server takes no more; gives how many it was told of.
async fn place_orders(address: SocketAddr, user: TestUser, first: watch::Sender<usize>) -> usize {
    let (mut placed, call) = (0, Call::post(&user.token, "/orders", an_order()));
    loop {
        // A fresh client has no connection that could be closed just as it is used.
        match Caller::new().once(address, &call.clone().anew()).await {
            Ok((201, _)) => placed += 1,
            Ok((503, _)) => {}
            Ok((status, body)) => panic!("{status} {body}"),
            Err(_) => return placed,
        }
        first.send_modify(|total| *total += 1);
    }
}

#[actix_web::test]
async fn at_sigterm_every_session_is_told_when_to_come_back_and_nothing_is_done_unanswered() {
    let settings = [("WAYBILL_DRAIN_SECS", "12"), ("WAYBILL_RETRY_SPREAD_MS", "3000")];
    let (stage, cast) = Stage::new(4, &settings).await;
    let process = stage.serve().await;
    let address = process.address;
    let mut sockets = Vec::new();
    for user in cast.customers.iter().cycle().take(40) {
        sockets.push(open(address, user).await);
    }
    let (told, mut placed) = watch::channel(0);
    let writers: Vec<_> =
        cast.customers.iter().map(|user| spawn(place_orders(address, user.clone(), told.clone()))).collect();
    let under_load = placed.wait_for(|total| *total >= 20);
    timeout(Duration::from_secs(30), under_load).await.expect("in time").expect("writers are there");

    let begin = Instant::now();
    process.signal(Signal::TERM);
    for socket in &mut sockets {
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 1012, "{reason}");
        let reason: Value = serde_json::from_str(&reason).expect("JSON");
        assert!(reason["retry_in"].as_u64().is_some_and(|millis| millis <= 3000), "{reason}");
    }
    let end = ended(process).await;
    assert_eq!(end.code, Some(0), "{}", end.log);
    assert!(begin.elapsed() < DRAIN, "{:?}", begin.elapsed());

    let again = stage.serve().await;
    for (writer, user) in writers.into_iter().zip(&cast.customers) {
        let placed = writer.await.expect("it came to its end");
        let state = state_of(&Caller::new(), again.address, user).await;
        assert_eq!(state.orders.len(), placed, "orders that there are, and those that were answered");
    }
}

/// Sends a request up to its body, which the server has taken up once it says that it wants to read on.
async fn begin_request(address: SocketAddr, user: &TestUser, body: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(TcpStream::connect(address).await.expect("it accepts"));
    let head = format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        user.token,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("an answer");
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.read_line(&mut line).await.expect("the rest of it");
    stream
}

#[actix_web::test]
async fn at_sigterm_requests_that_were_begun_are_answered_and_new_sessions_are_not_taken() {
    let (stage, cast) = Stage::new(1, &[("WAYBILL_DRAIN_SECS", "30")]).await;
    let user = Rc::new(cast.customers[0].clone());
    let process = stage.serve().await;
    let address = process.address;
    let body = an_order().to_string();
    let (first, second) = body.split_at(10);
    let mut begun = Vec::new();
    for _ in 0..10 {
        let mut stream = begin_request(address, &user, &body).await;
        stream.write_all(first.as_bytes()).await.expect("sent");
        begun.push(stream);
    }
    let mut socket = open(address, &user).await;

    process.signal(Signal::TERM);
    assert_eq!(socket.closed().await.0, 1012);
    assert!(is_shut(address, &user).await, "a new session was taken");
    for stream in &mut begun {
        stream.write_all(second.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        let read = timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await;
        read.expect("in time").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    let end = ended(process).await;
    assert_eq!(end.code, Some(0), "{}", end.log);
}

/// Whether a handshake is refused: with 503, or because nobody listens any more.
async fn is_shut(address: SocketAddr, user: &TestUser) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return true };
    let head = format!(
        "GET /ws/ HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        user.token
    );
    let mut status = [0; 12];
    let answered = async {
        stream.write_all(head.as_bytes()).await?;
        stream.read_exact(&mut status).await
    };
    match timeout(Duration::from_secs(20), answered).await.expect("in time") {
        Ok(_) => &status == b"HTTP/1.1 503",
        // It stopped listening while this waited to be accepted.
        Err(_) => true,
    }
}

#[actix_web::test]
async fn at_sigterm_it_says_for_a_while_that_it_will_not_take_more_before_it_does_not() {
    let (stage, cast) = Stage::new(1, &[("WAYBILL_DRAIN_NOTICE_MS", "4000")]).await;
    let process = stage.serve().await;
    let (address, caller, user) = (process.address, Caller::new(), &cast.customers[0]);
    let mut socket = open(address, user).await;
    assert_eq!(caller.page(address, "/readyz").await.0, 200);
    process.signal(Signal::TERM);
    timeout(Duration::from_secs(3), caller.until_status(address, "/readyz", 503)).await.expect("it says so");
    assert_eq!(caller.page(address, "/healthz").await.0, 200);
    let bearer = format!("Bearer {}", user.token);
    let refused = Socket::open(address, "/ws/", &[("Authorization", &bearer)]).await.err().expect("refused");
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("draining")));
    // Requests are served, and sessions hear of what they do.
    let placed = caller.once(address, &Call::post(&user.token, "/orders", an_order())).await;
    assert_eq!(placed.expect("an answer").0, 201);
    socket.expect("notification").await;
    assert_eq!(socket.closed().await.0, 1012);
    let end = ended(process).await;
    assert_eq!(end.code, Some(0), "{}", end.log);
}

#[actix_web::test]
async fn a_second_sigterm_ends_it_at_once() {
    let (stage, cast) = Stage::new(1, &[("WAYBILL_DRAIN_SECS", "600")]).await;
    let process = stage.serve().await;
    // A request that never ends holds up the first.
    let _unfinished = begin_request(process.address, &cast.customers[0], &"x".repeat(100)).await;
    let mut socket = open(process.address, &cast.customers[0]).await;
    process.signal(Signal::TERM);
    // Now it is known to have heard the first.
    assert_eq!(socket.closed().await.0, 1012);
    let end = end_of(process).await;
    assert_eq!(end.0, Some(1), "{}", end.1);
    assert!(end.1.contains("second signal"), "{}", end.1);
}

async fn end_of(process: Process) -> (Option<i32>, String) {
    process.signal(Signal::TERM);
    let end = timeout(Duration::from_secs(10), ended(process)).await.expect("at once");
    (end.code, end.log)
}

#[actix_web::test]
async fn sigterm_during_the_start_is_not_lost() {
    let (stage, _) = Stage::new(0, &[]).await;
    for _ in 0..5 {
        let process = stage.serve().await;
        process.signal(Signal::TERM);
        let end = ended(process).await;
        assert_eq!(end.code, Some(0), "{}", json!(end.log));
    }
}
