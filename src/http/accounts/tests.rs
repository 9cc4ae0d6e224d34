use std::net::SocketAddr;

use actix_web::http::header;
use actix_web::test::{self, TestRequest};
use actix_web::{App as WebApp, web};
use serde_json::{Value, json};

use crate::http::api_routes;
use crate::http::settings::{HttpSettings, parse_networks};
use crate::services::testing::TestApp;

/// Calls that have come back: the status, the headers and the body.
struct Answer {
    status: u16,
    headers: header::HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

async fn call(app: &TestApp, request: TestRequest) -> Answer {
    let settings =
        HttpSettings { public_url: None, trusted_proxies: parse_networks("127.0.0.1").expect("a network") };
    let service = test::init_service(
        WebApp::new()
            .app_data(web::Data::new((**app).clone()))
            .app_data(web::Data::new(settings))
            .service(web::scope("/api/v1").configure(api_routes)),
    );
    let peer: SocketAddr = "127.0.0.1:4711".parse().expect("an address");
    let answer = test::call_service(&service.await, request.peer_addr(peer).to_request()).await;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let bytes = test::read_body(answer).await;
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
    Answer { status, headers, body }
}

fn post(path: &str, body: &Value) -> TestRequest {
    TestRequest::post().uri(&format!("/api/v1{path}")).set_json(body)
}

fn get(path: &str, token: &str) -> TestRequest {
    TestRequest::get()
        .uri(&format!("/api/v1{path}"))
        .insert_header(("Host", "shop.example"))
        .insert_header(("Authorization", format!("Bearer {token}")))
}

fn ada() -> Value {
    json!({"email": "Ada@example.org", "password": "correct horse", "name": "Ada", "role": "partner"})
}

#[actix_web::test]
async fn from_registering_to_logging_out() {
    for app in TestApp::each() {
        let request = post("/auth/register", &ada()).insert_header(("Accept-Language", "de-AT, en;q=0.5"));
        let registered = call(&app, request).await;
        assert_eq!(registered.status, 201, "{}", registered.body);
        assert_eq!(
            registered.headers.get("cache-control").map(|value| value.as_bytes()),
            Some(&b"no-store"[..])
        );
        assert_eq!(registered.body["user"]["email"], "ada@example.org");
        assert_eq!(registered.body["user"]["role"], "partner");
        assert_eq!(registered.body["user"]["locale"], "de");

        let me = call(&app, get("/me", registered.text("access"))).await;
        assert_eq!((me.status, &me.body), (200, &registered.body["user"]));

        let key = json!({"email": "ada@EXAMPLE.org", "password": "correct horse"});
        let logged_in = call(&app, post("/auth/login", &key)).await;
        assert_eq!((logged_in.status, &logged_in.body["user"]), (200, &registered.body["user"]));

        let refreshed =
            call(&app, post("/auth/refresh", &json!({"refresh": logged_in.text("refresh")}))).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.body);
        let fields: Vec<_> = refreshed.body.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(fields, ["access", "refresh"]);

        let refresh = json!({"refresh": refreshed.text("refresh")});
        for _ in 0..2 {
            let logged_out = call(&app, post("/auth/logout", &refresh)).await;
            assert_eq!((logged_out.status, logged_out.body), (204, Value::Null));
        }
        let refused = call(&app, post("/auth/refresh", &refresh)).await;
        assert_eq!((refused.status, refused.code()), (401, "token_revoked"));
        let refused = call(&app, get("/me", refreshed.text("access"))).await;
        assert_eq!((refused.status, refused.code()), (401, "token_revoked"));
        let other = call(&app, get("/me", registered.text("access"))).await;
        assert_eq!(other.status, 200, "the other log-in lives on");
    }
}

#[actix_web::test]
async fn what_is_wrong_with_a_registration_is_said() {
    for app in TestApp::each() {
        let mut admin = ada();
        admin["role"] = "admin".into();
        let refused = call(&app, post("/auth/register", &admin)).await;
        assert_eq!((refused.status, refused.body["errors"][0]["field"].as_str()), (422, Some("role")));
        let mut french = ada();
        french["locale"] = "fr".into();
        let refused = call(&app, post("/auth/register", &french)).await;
        assert_eq!((refused.status, refused.body["errors"][0]["field"].as_str()), (422, Some("locale")));
        let mut typo = ada();
        typo["nmae"] = "Ada".into();
        let refused = call(&app, post("/auth/register", &typo)).await;
        assert_eq!((refused.status, refused.body["errors"][0]["code"].as_str()), (422, Some("unknown")));

        assert_eq!(call(&app, post("/auth/register", &ada())).await.status, 201);
        let taken = call(&app, post("/auth/register", &ada())).await;
        assert_eq!((taken.status, taken.code()), (409, "email_taken"));
    }
}

#[actix_web::test]
async fn a_refused_log_in_does_not_tell_whether_the_address_exists() {
    for app in TestApp::each() {
        assert_eq!(call(&app, post("/auth/register", &ada())).await.status, 201);
        let mut answers = Vec::new();
        for email in ["ada@example.org", "nobody@example.org"] {
            let key = json!({"email": email, "password": "wrong password"});
            let refused = call(&app, post("/auth/login", &key)).await;
            let names: Vec<_> = refused.headers.keys().map(ToString::to_string).collect();
            answers.push((refused.status, refused.body, names));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 401);
        assert_eq!(answers[0].1["code"], "invalid_credentials");
    }
}

#[actix_web::test]
async fn limits_go_by_the_client_behind_the_proxy_and_say_when_to_come_back() {
    for app in TestApp::each_with(|settings| settings.rate_limits = true) {
        let key = json!({"email": "ada@example.org", "password": "wrong password"});
        let from =
            |client: &'static str| post("/auth/login", &key).insert_header(("X-Forwarded-For", client));
        for _ in 0..10 {
            assert_eq!(call(&app, from("198.51.100.7")).await.status, 401);
        }
        let limited = call(&app, from("198.51.100.7")).await;
        assert_eq!((limited.status, limited.code()), (429, "rate_limited"));
        let wait = limited.headers.get("retry-after").and_then(|value| value.to_str().ok());
        let wait: u64 = wait.and_then(|text| text.parse().ok()).expect("seconds");
        assert!((1..=10).contains(&wait), "{wait}");
        assert_eq!(call(&app, from("198.51.100.8")).await.status, 401);
    }
}

#[actix_web::test]
async fn a_ticket_comes_with_the_url_to_open() {
    for app in TestApp::each() {
        let registered = call(&app, post("/auth/register", &ada())).await;
        let request = get("/realtime/token", registered.text("access"));
        let ticket = call(&app, request.insert_header(("X-Forwarded-Proto", "https"))).await;
        assert_eq!((ticket.status, ticket.body["expires_in"].as_u64()), (200, Some(60)));
        let url = format!("wss://shop.example/ws/notifications/?token={}", ticket.text("token"));
        assert_eq!(ticket.text("ws_url"), url);
        let refused = call(&app, get("/me", ticket.text("token"))).await;
        assert_eq!((refused.status, refused.code()), (401, "token_wrong_type"));
        assert_eq!(call(&app, get("/realtime/token", "")).await.status, 401);
    }
}
