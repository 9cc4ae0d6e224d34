//! The five endpoints: what they say first, how a token is shown, and who is not let in.

use serde_json::{Value, json};

use crate::support::raw::{Answer, Raw};
use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestUser};

fn bearer(user: &TestUser) -> String {
    format!("Authorization: Bearer {}", user.token)
}

/// The problem of a refused handshake.
fn refused(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    let problem = answer.json();
    assert_eq!((problem["code"].as_str(), &problem["status"]), (Some(code), &json!(status)), "{problem}");
    problem
}

async fn refusal(app: &TestApp, path: &str, headers: &str) -> Answer {
    match Raw::open(app.address(), path, headers).await {
        Ok(_) => panic!("{path} was opened with {headers:?}"),
        Err(answer) => answer,
    }
}

#[actix_web::test]
async fn each_endpoint_begins_with_its_own_first_frame() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let (admin, order) = (app.admin().await, text(&order, "id"));
    let (user_group, order_group) = (format!("user_{}", customer.id), format!("order_{order}"));
    let partner_group = format!("partner_{}", partner.partner_id.expect("a partner"));
    let of_order = format!("/ws/orders/{order}/");
    for (user, path, kind, group) in [
        (&customer, "/ws/notifications/", "unread_count", user_group.as_str()),
        (&admin, "/ws/notifications/", "unread_count", &format!("user_{}", admin.id)),
        (&customer, &of_order, "order_status", &order_group),
        (&partner, &of_order, "order_status", &order_group),
        (&admin, &of_order, "order_status", &order_group),
        (&partner, "/ws/partner/", "queue", &partner_group),
        (&admin, "/ws/admin/", "dashboard", "admin_dashboard"),
    ] {
        // The slash at the end may be left out.
        for path in [path, path.trim_end_matches('/')] {
            let mut socket = app.connect(user, path).await;
            let first = socket.next().await;
            assert_eq!(
                (first["type"].as_str(), first["group"].as_str()),
                (Some(kind), Some(group)),
                "{path}"
            );
            assert!(first["position"]["epoch"].is_string() && first["position"]["seq"].is_u64(), "{first}");
        }
    }
    let queue = app.connect(&partner, "/ws/partner/").await.next().await;
    assert_eq!(queue["orders"][0]["id"], order.as_str());
    let dashboard = app.connect(&admin, "/ws/admin/").await.next().await;
    assert_eq!(dashboard["dashboard"]["recent"][0]["id"], order.as_str());
    assert_eq!(dashboard["dashboard"]["orders"]["assigned"], 1);
    let welcome = app.connect(&customer, "/ws/").await.next().await;
    assert_eq!((&welcome["type"], &welcome["user_id"]), (&json!("welcome"), &json!(customer.id)));
    assert!(welcome["session_id"].is_string() && welcome["expires_at"].is_string(), "{welcome}");
    assert_eq!(welcome["ping_interval"], 25);
}

#[actix_web::test]
async fn a_first_frame_comes_before_the_answer_to_a_frame_that_was_sent_at_once() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let mut socket = app.connect(&customer, "/ws/notifications/").await;
    for _ in 0..5 {
        socket.send(json!({"type": "ping"})).await;
    }
    assert_eq!(socket.next().await["type"], "unread_count");
    for _ in 0..5 {
        assert_eq!(socket.next().await["type"], "pong");
    }
}

#[actix_web::test]
async fn a_token_is_taken_from_the_query_the_header_or_the_subprotocol() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let token = &user.token;
    let escaped: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for (path, headers, echo) in [
        (format!("/ws/?token={token}"), String::new(), None),
        (format!("/ws/?a=b=c&token={escaped}&z"), String::new(), None),
        (format!("/ws?token={token}"), String::new(), None),
        ("/ws/".into(), format!("Authorization: Bearer {token}"), None),
        ("/ws/".into(), format!("authorization: bearer {token}"), None),
        ("/ws/".into(), format!("Sec-WebSocket-Protocol: bearer, {token}"), Some("bearer")),
        (
            "/ws/".into(),
            format!("Sec-WebSocket-Protocol: bearer\nSec-WebSocket-Protocol: {token}"),
            Some("bearer"),
        ),
        // The query comes first, then the header.
        (format!("/ws/?token={token}"), "Authorization: Bearer x".into(), None),
        (format!("/ws/?token={token}"), "Sec-WebSocket-Protocol: bearer, x".into(), Some("bearer")),
        ("/ws/?token=".into(), format!("Authorization: Bearer {token}"), None),
        (
            "/ws/".into(),
            format!("Authorization: Bearer {token}\nSec-WebSocket-Protocol: bearer, x"),
            Some("bearer"),
        ),
        // Another protocol than ours is not spoken, and not echoed.
        (format!("/ws/?token={token}"), "Sec-WebSocket-Protocol: chat".into(), None),
    ] {
        let what = format!("{path} {headers}");
        let (mut raw, answer) = Raw::open(app.address(), &path, &headers)
            .await
            .unwrap_or_else(|answer| panic!("{what}: {answer:?}"));
        assert_eq!(answer.header("sec-websocket-protocol"), echo, "{what}");
        // RFC 6455, section 1.3: the key of the handshake and what has to come back for it.
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        raw.expect("welcome").await;
    }
}

#[actix_web::test]
async fn a_ticket_opens_one_session_at_the_url_that_comes_with_it() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let ticket = app.as_user(&customer).get("/realtime/token").await.expect(200);
    assert_eq!(ticket["expires_in"], 60);
    let (url, token) = (text(&ticket, "ws_url"), text(&ticket, "token"));
    let path = url.strip_prefix(&format!("ws://{}", app.address())).expect("this server's own address");
    assert_eq!(path, format!("/ws/notifications/?token={token}"));
    let mut socket = Socket::open(app.address(), path, &[]).await.expect("let in");
    assert_eq!(socket.next().await["type"], "unread_count");
    refused(&refusal(&app, path, "").await, 401, "token_used");
    refused(&refusal(&app, &format!("/ws/?token={token}"), "").await, 401, "token_used");
    // It is no access token.
    let as_access = TestUser { token, ..customer };
    app.as_user(&as_access).get("/me").await.refused(401, "token_wrong_type");
}

#[actix_web::test]
async fn who_may_not_listen_is_refused_with_a_problem() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let (admin, order) = (app.admin().await, text(&order, "id"));
    let stranger = app.customer().await;
    let of_order = format!("/ws/orders/{order}/");
    for (path, headers, status, code) in [
        ("/ws/notifications/", String::new(), 401, "token_missing"),
        ("/ws/", String::new(), 401, "token_missing"),
        ("/ws/?token=x", String::new(), 401, "token_invalid"),
        ("/ws/?token=x", bearer(&customer), 401, "token_invalid"),
        ("/ws/", "Authorization: Bearer a.b.c".into(), 401, "token_invalid"),
        ("/ws/", "Authorization: Basic eDp5".into(), 401, "token_missing"),
        ("/ws/", "Sec-WebSocket-Protocol: bearer".into(), 401, "token_missing"),
        ("/ws/", format!("Sec-WebSocket-Protocol: {}", customer.token), 401, "token_missing"),
        ("/ws/partner/", bearer(&customer), 403, "role_not_allowed"),
        ("/ws/partner/", bearer(&admin), 403, "role_not_allowed"),
        ("/ws/admin/", bearer(&customer), 403, "role_not_allowed"),
        ("/ws/admin/", bearer(&partner), 403, "role_not_allowed"),
        (&of_order, bearer(&stranger), 404, "not_found"),
        ("/ws/orders/0190163d-8694-739b-aea5-966c26f8ad90/", bearer(&admin), 404, "not_found"),
        ("/ws/orders/7/", bearer(&admin), 404, "not_found"),
        ("/ws/orders//", bearer(&admin), 404, "route_not_found"),
        ("/ws/nothing/", bearer(&admin), 404, "route_not_found"),
    ] {
        refused(&refusal(&app, path, &headers).await, status, code);
    }
}

#[actix_web::test]
async fn what_is_no_handshake_is_told_what_is_missing() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let ask = async |method: &str, headers: &str| {
        let head = format!("{method} /ws/ HTTP/1.1\nHost: {}\n{}\n{headers}", app.address(), bearer(&user));
        Raw::connect(app.address()).await.call(&head, b"").await
    };
    let answer = ask("GET", "").await;
    refused(&answer, 426, "upgrade_required");
    // RFC 9110, section 15.5.22: 426 says what to upgrade to.
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for version in ["12", "", "x"] {
        let headers =
            format!("Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: {version}\n{key}");
        let answer = ask("GET", &headers).await;
        refused(&answer, 426, "upgrade_required");
        // RFC 6455, section 4.4: and which version is spoken.
        assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{version:?}");
    }
    let answer = ask("GET", "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13").await;
    refused(&answer, 400, "bad_handshake");
    let answer = ask("GET", &format!("Upgrade: websocket\nSec-WebSocket-Version: 13\n{key}")).await;
    refused(&answer, 400, "bad_handshake");
    let all = format!("Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n{key}");
    for body in ["Content-Length: 2", "Transfer-Encoding: chunked"] {
        refused(&ask("GET", &format!("{all}\n{body}")).await, 400, "bad_handshake");
    }
    assert_eq!(ask("GET", &format!("{all}\nContent-Length: 0")).await.status, 101);
    for key in ["x", "", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZSBub25jZQ"] {
        let headers = format!(
            "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: {key}"
        );
        refused(&ask("GET", &headers).await, 400, "bad_handshake");
    }
    let head = format!("GET /ws/ HTTP/1.0\nHost: {}\n{}\n{all}", app.address(), bearer(&user));
    refused(&Raw::connect(app.address()).await.call(&head, b"").await, 400, "bad_handshake");
    // Its body would be taken for frames, and the route would act without it.
    for path in ["/ws/", "/api/v1/notifications/read_all"] {
        let head = format!("POST {path} HTTP/1.1\nHost: {}\n{}\n{all}", app.address(), bearer(&user));
        let answer = Raw::connect(app.address()).await.call(&head, b"{}").await;
        refused(&answer, 400, "bad_handshake");
    }
}

#[actix_web::test]
async fn what_asks_for_websocket_elsewhere_is_answered_and_the_connection_closed() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    for (path, status) in [("/healthz", 200), ("/nowhere", 404), ("/ws/orders/nonsense/", 404)] {
        let mut raw = Raw::connect(app.address()).await;
        let answer = raw.upgrade(app.address(), path, &bearer(&user)).await;
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{path}");
        assert_eq!(raw.receive().await, None, "{path}");
    }
}

#[actix_web::test]
async fn pages_of_other_origins_may_not_connect() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let from = |origin: &str| format!("{}\nOrigin: {origin}", bearer(&user));
    let own = from(&format!("http://{}", app.address()));
    assert!(Raw::open(app.address(), "/ws/", &own).await.is_ok());
    for origin in ["https://evil.example", "null", "", &format!("http://{}.evil.example", app.address())] {
        refused(&refusal(&app, "/ws/", &from(origin)).await, 403, "origin_not_allowed");
    }
    let listed = [("WAYBILL_ALLOWED_ORIGINS", "https://shop.example,http://localhost:3000")];
    let app = TestApp::start_with(&listed).await;
    let user = app.customer().await;
    let from = |origin: &str| format!("{}\nOrigin: {origin}", bearer(&user));
    for origin in ["https://shop.example", "http://localhost:3000"] {
        assert!(Raw::open(app.address(), "/ws/", &from(origin)).await.is_ok(), "{origin}");
    }
    for origin in ["http://shop.example", "https://shop.example:444", "http://localhost"] {
        refused(&refusal(&app, "/ws/", &from(origin)).await, 403, "origin_not_allowed");
    }
}

#[actix_web::test]
async fn a_server_that_is_going_away_takes_no_new_sessions() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let mut open = app.connect(&user, "/ws/").await;
    app.inner().begin_draining();
    let answer = refusal(&app, "/ws/", &bearer(&user)).await;
    refused(&answer, 503, "draining");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(open.next().await["type"], "welcome", "those who are there are told in good time");
}

#[actix_web::test]
async fn a_user_who_opens_sockets_all_the_time_is_told_when_to_come_back() {
    let app = TestApp::start_with(&[("WAYBILL_RATE_LIMITS", "on")]).await;
    let (customer, other) = (app.customer().await, app.customer().await);
    let mut opened = 0;
    let answer = loop {
        match Raw::open(app.address(), "/ws/", &bearer(&customer)).await {
            Ok(_) => opened += 1,
            Err(answer) => break answer,
        }
        assert!(opened < 1000, "nobody is refused");
    };
    refused(&answer, 429, "rate_limited");
    assert!(opened >= 60, "only {opened} were let in");
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1), "{answer:?}");
    // Another user is none the worse for it.
    app.connect(&other, "/ws/").await.expect("welcome").await;
}
