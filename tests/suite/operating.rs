//! What an operator sees: health, readiness, figures, ids of requests, and answers to what is not there.

use awc::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::support::TestApp;

/// How the parts are when all but the groups are well.
fn parts(app: &TestApp, groups: &str) -> Value {
    let mut parts = json!({"groups": groups, "database": "ok", "relay": "ok"});
    if app.database().redis().is_some() {
        parts["redis"] = "ok".into();
    }
    parts
}

#[actix_web::test]
async fn a_server_that_runs_is_healthy_and_ready() {
    let app = TestApp::start().await;
    let nobody = app.as_nobody();
    let health = nobody.call(Method::GET, "/healthz", &[], None).await.expect(200);
    assert_eq!(health, json!({"status": "ok"}));
    let readiness = nobody.call(Method::GET, "/readyz", &[], None).await.expect(200);
    assert_eq!(readiness, json!({"status": "ready", "parts": parts(&app, "ok")}));
}

#[actix_web::test]
async fn a_server_whose_groups_are_gone_is_not_ready() {
    let app = TestApp::start().await;
    app.inner().groups().stop();
    let readiness = app.as_nobody().call(Method::GET, "/readyz", &[], None).await.refused(503, "not_ready");
    assert_eq!(readiness["parts"], parts(&app, "failed"));
}

#[actix_web::test]
async fn a_server_whose_bridge_is_gone_is_not_ready() {
    let app = TestApp::start().await;
    app.inner().groups().stop_bridge();
    let readiness = app.as_nobody().call(Method::GET, "/readyz", &[], None).await;
    if app.database().redis().is_some() {
        assert_eq!(readiness.refused(503, "not_ready")["parts"]["groups"], "failed");
    } else {
        readiness.expect(200);
    }
}

#[actix_web::test]
async fn a_server_whose_database_cannot_be_written_is_not_ready() {
    let app = TestApp::start().await;
    app.inner().store().close();
    let readiness = app.as_nobody().call(Method::GET, "/readyz", &[], None).await;
    if app.database().is_shared() {
        // PostgreSQL has no writer of ours to close.
        readiness.expect(200);
    } else {
        assert_eq!(readiness.refused(503, "not_ready")["parts"]["database"], "failed");
    }
}

#[actix_web::test]
async fn figures_count_requests_by_the_pattern_of_their_route() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let order = app.place_order(&customer).await;
    let path = format!("/orders/{}", order["id"].as_str().expect("an id"));
    app.as_user(&customer).get(&path).await.expect(200);
    app.as_user(&customer).get("/nowhere").await.refused(404, "route_not_found");
    app.as_nobody().call(Method::from_bytes(b"BREW").expect("a method"), "/coffee", &[], None).await;

    let answer = app.as_nobody().call(Method::GET, "/metrics", &[], None).await;
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")));
    let text = answer.expect(200).as_str().expect("text").to_owned();
    let count = |method: &str, route: &str, status: u16| {
        text.contains(&format!(
            "waybill_http_request_seconds_count{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} 1\n"
        ))
    };
    assert!(count("GET", "/api/v1/orders/{order_id}", 200), "{text}");
    assert!(count("GET", "none", 404), "{text}");
    assert!(count("other", "none", 404), "{text}");
    assert!(!text.contains(&path), "an id would be a figure of its own");
}

#[actix_web::test]
async fn every_answer_has_an_id_that_a_client_may_choose() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let chosen = app
        .as_user(&customer)
        .call(Method::GET, "/api/v1/me", &[("X-Request-Id", "checkout-17.a_b")], None)
        .await;
    assert_eq!(chosen.header("x-request-id"), Some("checkout-17.a_b"));
    for (path, id) in [("/api/v1/me", "not sane"), ("/nowhere", ""), ("/healthz", "<script>")] {
        let answer = app.as_user(&customer).call(Method::GET, path, &[("X-Request-Id", id)], None).await;
        let id = answer.header("x-request-id").expect("an id");
        assert!(Uuid::parse_str(id).is_ok(), "{path}: {id}");
    }
}

#[actix_web::test]
async fn a_slash_at_the_end_makes_no_difference_and_no_redirect() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    for path in ["/me", "/me/", "/me//"] {
        assert_eq!(app.as_user(&customer).get(path).await.expect(200)["email"], customer.email, "{path}");
    }
    app.as_nobody().call(Method::GET, "/healthz/", &[], None).await.expect(200);
}

#[actix_web::test]
async fn what_is_not_there_and_what_is_not_taken_are_problems() {
    let app = TestApp::start().await;
    let nobody = app.as_nobody();
    for path in ["/api", "/api/v1", "/api/v1/nowhere", "/wp-login.php"] {
        nobody.call(Method::GET, path, &[], None).await.refused(404, "route_not_found");
    }
    let answer = nobody.call(Method::DELETE, "/healthz", &[], None).await;
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    answer.refused(405, "method_not_allowed");
}

#[actix_web::test]
async fn a_body_without_end_is_refused() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let body = json!({"notes": "x".repeat(600_000)});
    app.as_user(&customer).post("/orders", body).await.refused(413, "body_too_large");
}

#[actix_web::test]
async fn who_goes_on_sending_after_a_refusal_can_read_it() {
    let app = TestApp::start().await;
    let token = app.customer().await.token;
    let mut stream = TcpStream::connect(app.address()).await.expect("it accepts");
    let head = format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n",
        app.address()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&[b' '; 300_000]).await.expect("sent");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 413");
    for _ in 0..4 {
        stream.write_all(&[b' '; 20_000]).await.expect("the connection is not reset");
        // A reset would have come by now.
        app.as_nobody().get("/me").await.refused(401, "token_missing");
    }
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.expect("the rest of it");
    assert!(rest.contains("body_too_large"), "{rest}");
}
