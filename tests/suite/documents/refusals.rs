//! Every operation called wrongly in every way that its place in the document suggests: what comes back is what
//! the document says, and never the answer of a path where there is nothing.

use std::time::Duration;

use awc::http::Method;
use waybill::domain::principal::Role;

use super::{OpenApi, Operation};
use crate::money;
use crate::support::{Answer, Client, TestApp};

/// A call that is wrong in one way, and the refusal that it has to get.
struct Wrong {
    query: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
}

impl Wrong {
    fn new(status: u16, code: &'static str) -> Self {
        Self { query: "", headers: Vec::new(), body: Vec::new(), status, code }
    }

    fn body(mut self, media: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.headers.push(("Content-Type", media));
        self.body = body.into();
        self
    }
}

const JSON: &str = "application/json";

/// Fills in the parameters of a path.
fn fill(path: &str, value: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { value } else { part });
    parts.collect::<Vec<_>>().join("/")
}

async fn call(client: &Client, operation: &Operation, id: &str, wrong: &Wrong) -> Answer {
    let path = format!("{}{}", fill(&operation.path, id), wrong.query);
    let method = Method::from_bytes(operation.method.as_bytes()).expect("a method");
    client.call_raw(method, &path, &wrong.headers, wrong.body.clone()).await
}

#[actix_web::test]
async fn what_is_refused_is_refused_as_documented() {
    let service_keys = [("WAYBILL_SERVICE_KEYS", "shop:0123456789abcdef0123456789abcdef")];
    let app = TestApp::start_with(&[money::SETTINGS.as_slice(), &service_keys].concat()).await;
    let document = OpenApi::of(&app).await;
    let id = "0190163d-8694-739b-aea5-966c26f8ad90";
    let nobody = app.as_nobody();
    let mut refusals = 0;
    for operation in document.operations() {
        let is_api = operation.path.starts_with("/api/v1/");
        let is_secured = document.get(&operation)["security"].is_array();
        // What a provider sends is not looked at before its signature.
        let is_signed = document.get(&operation)["tags"][0] == "provider";
        let takes_body = is_api && operation.method != "GET" && !is_signed;
        let mut wrongs = Vec::new();
        if takes_body {
            wrongs.push(Wrong::new(415, "unsupported_media_type").body("text/plain", "{}"));
            wrongs.push(Wrong::new(400, "bad_json").body(JSON, "{"));
            wrongs.push(Wrong::new(422, "invalid_fields").body(JSON, r#"{"no_such_field":1}"#));
            wrongs.push(Wrong::new(413, "body_too_large").body(JSON, vec![b' '; 600 * 1024]));
        }
        if document.has_parameter(&operation, "query", None) {
            wrongs.push(Wrong { query: "?no_such_parameter=1", ..Wrong::new(422, "invalid_fields") });
            wrongs.push(Wrong { query: "?limit=0", ..Wrong::new(422, "invalid_fields") });
        }
        // Somebody who may call it: as everybody else, they get no further than to the mistake.
        let role = match document.get(&operation)["tags"][0].as_str() {
            Some("admin") => Role::Admin,
            _ if operation.path.starts_with("/api/v1/partner/") => Role::Partner,
            _ => Role::Customer,
        };
        let user = app.user(role).await;
        for wrong in wrongs {
            let answer = call(&app.as_user(&user), &operation, id, &wrong).await;
            document.check(&operation, &answer);
            answer.refused(wrong.status, wrong.code);
            refusals += 1;
        }
        if is_secured {
            let body = if takes_body { body_of(&operation) } else { String::new() };
            let without = Wrong::new(401, "token_missing").body(JSON, body);
            let answer = call(&nobody, &operation, id, &without).await;
            document.check(&operation, &answer);
            assert_eq!(answer.status, 401, "{operation:?}: {answer:?}");
            refusals += 1;
        }
        if document.has_parameter(&operation, "path", None) && is_api {
            for unknown in [id, "no-id"] {
                let body = if takes_body { body_of(&operation) } else { String::new() };
                let missing = Wrong::new(404, "not_found").body(JSON, body);
                let who = if operation.path.ends_with("/assign") { app.admin().await } else { user.clone() };
                let answer = call(&app.as_user(&who), &operation, unknown, &missing).await;
                document.check(&operation, &answer);
                answer.refused(404, "not_found");
                refusals += 1;
            }
        }
        // Of WebDAV (RFC 4918), which nothing here speaks.
        let other = Operation { method: "PROPFIND".into(), ..operation.clone() };
        call(&nobody, &other, id, &Wrong::new(405, "")).await.refused(405, "method_not_allowed");
    }
    assert!(refusals > 80, "{refusals}");
}

/// A body of the right shape, where the path is what is wrong.
fn body_of(operation: &Operation) -> String {
    let partner = r#"{"partner_id":"0190163d-8694-739b-aea5-966c26f8ad90"}"#;
    let event = r#"{"group":"admin_dashboard","type":"t","data":1}"#;
    let body = match operation.path.rsplit('/').next() {
        Some("transitions") => r#"{"to":"cancelled"}"#,
        Some("assign") => partner,
        Some("messages") => r#"{"text":"Hello"}"#,
        Some("read") if operation.path.ends_with("/messages/read") => {
            r#"{"up_to":"0190163d-8694-739b-aea5-966c26f8ad90"}"#
        }
        Some("rating") => r#"{"stars":5}"#,
        Some("events") => event,
        Some("topups") => r#"{"amount":1,"currency":"USD"}"#,
        Some("refund") => r#"{"reason":"r"}"#,
        Some("orders") => return crate::support::an_order().to_string(),
        Some("availability") => r#"{"online":true}"#,
        Some("preferences") => r#"{"preferences":[]}"#,
        Some("announcements") => r#"{"title":"t","text":"m"}"#,
        _ => "{}",
    };
    body.into()
}

#[actix_web::test]
async fn limits_are_told_as_documented() {
    let app = TestApp::start_with(&[("WAYBILL_RATE_LIMITS", "on")]).await;
    let document = OpenApi::of(&app).await;
    let login = Operation { method: "POST".into(), path: "/api/v1/auth/login".into() };
    let body = serde_json::json!({"email": "nobody@example.org", "password": "wrong wrong wrong"});
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let answer = loop {
        let answer = app.as_nobody().post("/auth/login", body.clone()).await;
        document.check(&login, &answer);
        if answer.status == 429 {
            break answer;
        }
        assert!(std::time::Instant::now() < deadline, "no limit: {answer:?}");
    };
    answer.refused(429, "rate_limited");
}
