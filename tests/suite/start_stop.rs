//! Starting and stopping: nothing that was promised is lost by it.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use waybill::server::ServerError;
use waybill::services::error::ServiceError;
use waybill::store::outbox;

use crate::support::{Socket, TestApp, TestDatabase, an_order};

#[actix_web::test]
async fn sessions_are_told_to_come_back_at_a_time_of_their_own() {
    let mut app = TestApp::start_with(&[("WAYBILL_RETRY_SPREAD_MS", "2000")]).await;
    let customer = app.customer().await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let mut socket = app.connect(&customer, "/ws/notifications/").await;
        socket.expect("unread_count").await;
        sockets.push(socket);
    }
    let stopped = app.tell_to_stop();
    let mut times = Vec::new();
    for socket in &mut sockets {
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 1012, "{reason}");
        let reason: Value = serde_json::from_str(&reason).expect("JSON");
        let retry_in = reason["retry_in"].as_u64().expect("milliseconds");
        assert!(retry_in <= 2000, "{retry_in}");
        times.push(retry_in);
    }
    times.dedup();
    assert!(times.len() > 1, "all at once: {times:?}");
    stopped.await.expect("the server's thread lives").expect("it stops in time");
}

#[actix_web::test]
async fn while_it_drains_it_is_not_ready_and_takes_no_new_session() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    app.inner().begin_draining();

    let readiness = app.as_nobody().call(awc::http::Method::GET, "/readyz", &[], None).await;
    assert_eq!(readiness.refused(503, "draining")["parts"]["database"], "ok");
    let bearer = format!("Bearer {}", customer.token);
    let refusal = Socket::open(app.address(), "/ws/notifications/", &[("Authorization", &bearer)]).await;
    let refusal = refusal.err().expect("refused");
    assert_eq!((refusal.status, refusal.body["code"].as_str()), (503, Some("draining")));
    app.as_user(&customer).get("/me").await.expect(200);
}

#[actix_web::test]
async fn a_request_in_hand_is_finished() {
    let mut app = TestApp::start().await;
    let customer = app.customer().await;
    let body = an_order().to_string();
    let head = format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        customer.token,
        body.len()
    );
    let (first, second) = body.split_at(body.len() / 2);
    let mut half_sent = TcpStream::connect(app.address()).await.expect("it accepts");
    half_sent.write_all(head.as_bytes()).await.expect("sent");
    // Now it is known to be in hand.
    let mut goes_on = [0; 25];
    half_sent.read_exact(&mut goes_on).await.expect("an answer");
    assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    half_sent.write_all(first.as_bytes()).await.expect("sent");

    let stopped = app.tell_to_stop();
    until_refused(app.address()).await;
    half_sent.write_all(second.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    half_sent.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    stopped.await.expect("the server's thread lives").expect("it stops in time");
}

/// Waits until the address takes no more connections.
async fn until_refused(address: std::net::SocketAddr) {
    loop {
        match TcpStream::connect(address).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            // It was closed while the connection waited to be accepted.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[actix_web::test]
async fn nothing_waits_in_the_outbox_after_a_stop() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    for _ in 0..20 {
        app.place_order(&customer).await;
    }
    let inner = app.inner().clone();
    let (_database, stopped) = app.stop().await;
    stopped.expect("it stops in time");
    let waiting = inner.read(|conn| outbox::count(conn).map_err(ServiceError::from)).await;
    assert_eq!(waiting.expect("the file is still there"), 0);
}

#[actix_web::test]
async fn a_crash_loses_nothing_that_was_answered() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let order = app.place_order(&customer).await;
    let again = TestApp::start_on(app.crash(), &[]).await;
    let path = format!("/orders/{}", order["id"].as_str().expect("an id"));
    assert_eq!(again.as_user(&customer).get(&path).await.expect(200)["id"], order["id"]);
}

#[actix_web::test]
async fn a_client_that_never_finishes_its_request_is_let_go() {
    let app = TestApp::start_with(&[("WAYBILL_HANDSHAKE_TIMEOUT_SECS", "1")]).await;
    let mut slow = TcpStream::connect(app.address()).await.expect("it accepts");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").await.expect("sent");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[actix_web::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let app = TestApp::start_with(&[("WAYBILL_DRAIN_SECS", "60")]).await;
    let mut idle = TcpStream::connect(app.address()).await.expect("it accepts");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let mut some = [0; 12];
    idle.read_exact(&mut some).await.expect("an answer");
    assert_eq!(&some, b"HTTP/1.1 200");
    let stop = tokio::time::timeout(Duration::from_secs(15), app.stop());
    stop.await.expect("soon").1.expect("in order");
}

#[actix_web::test]
async fn an_address_that_is_taken_is_named() {
    let app = TestApp::start().await;
    let address = app.address().to_string();
    let settings = [("WAYBILL_LISTEN", address.as_str())];
    let second = TestApp::try_start_on(TestDatabase::new(), &settings).await;
    let error = second.err().expect("the address is taken");
    assert!(matches!(error, ServerError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
    assert_eq!(error.exit_code(), 1);
}
