//! A walk through all operations: every answer is what the document says, and no operation is passed by.

use std::collections::BTreeSet;

use awc::http::Method;
use serde_json::{Value, json};

use super::{OpenApi, Operation};
use crate::support::users::PASSWORD;
use crate::support::{Client, TestApp, an_order};

const SERVICE_KEY: &str = "0123456789abcdef0123456789abcdef";

/// Calls operations and notes which.
struct Walk {
    document: OpenApi,
    seen: BTreeSet<Operation>,
}

impl Walk {
    /// Calls an operation that has to succeed. `path` has its parameters in braces, as `{order_id=…}`.
    async fn call(&mut self, client: &Client, method: &str, path: &str, body: Option<Value>) -> Value {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (mut template, mut filled) = (String::new(), String::new());
        for part in path.split('/').skip(1) {
            let (named, value) = match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(parameter) => {
                    let (name, value) = parameter.split_once('=').expect("a name and a value");
                    (format!("{{{name}}}"), value)
                }
                None => (part.to_owned(), part),
            };
            template.push_str(&format!("/{named}"));
            filled.push_str(&format!("/{value}"));
        }
        let operation = Operation { method: method.to_owned(), path: template };
        let called = if query.is_empty() { filled } else { format!("{filled}?{query}") };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");

        let key = format!("key of {method} {called}");
        let is_keyed = self.document.has_parameter(&operation, "header", Some("Idempotency-Key"));
        let headers: &[(&str, &str)] = if is_keyed { &[("Idempotency-Key", &key)] } else { &[] };
        let answer = client.call(method.clone(), &called, headers, body.clone()).await;
        self.document.check(&operation, &answer);
        assert!((200..300).contains(&answer.status), "{operation:?}: {answer:?}");
        if is_keyed {
            assert_eq!(answer.header("Idempotency-Replayed"), None, "{operation:?}");
            let again = client.call(method, &called, headers, body).await;
            self.document.check(&operation, &again);
            assert_eq!(again.header("Idempotency-Replayed"), Some("true"), "{operation:?}: {again:?}");
            assert_eq!((again.status, &again.body), (answer.status, &answer.body), "{operation:?}");
        }
        self.seen.insert(operation);
        answer.body
    }

    async fn get(&mut self, client: &Client, path: &str) -> Value {
        self.call(client, "GET", path, None).await
    }

    async fn post(&mut self, client: &Client, path: &str, body: Value) -> Value {
        self.call(client, "POST", path, Some(body)).await
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} in {value}"))
}

#[actix_web::test]
async fn every_operation_answers_as_documented() {
    let app = TestApp::start_with(&[("WAYBILL_SERVICE_KEYS", &format!("shop:{SERVICE_KEY}"))]).await;
    let mut walk = Walk { document: OpenApi::of(&app).await, seen: BTreeSet::new() };
    accounts(&app, &mut walk).await;
    orders(&app, &mut walk).await;
    inbox(&app, &mut walk).await;
    others(&app, &mut walk).await;
    let all: BTreeSet<Operation> = walk.document.operations().into_iter().collect();
    let left: Vec<_> = all.difference(&walk.seen).collect();
    assert!(left.is_empty(), "the walk does not call these: {left:#?}");
}

async fn accounts(app: &TestApp, walk: &mut Walk) {
    let nobody = app.as_nobody();
    let account =
        json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada", "role": "customer"});
    walk.post(&nobody, "/api/v1/auth/register", account).await;
    let log_in = json!({"email": "ada@example.org", "password": PASSWORD});
    let logged_in = walk.post(&nobody, "/api/v1/auth/login", log_in).await;
    let refresh = json!({"refresh": text(&logged_in, "refresh")});
    let fresh = walk.post(&nobody, "/api/v1/auth/refresh", refresh).await;
    let ada = app.with_token(text(&fresh, "access"));
    walk.get(&ada, "/api/v1/me").await;
    let ticket = walk.get(&ada, "/api/v1/realtime/token").await;
    assert!(text(&ticket, "ws_url").ends_with(text(&ticket, "token")), "{ticket}");
    walk.post(&nobody, "/api/v1/auth/logout", json!({"refresh": text(&fresh, "refresh")})).await;
}

async fn orders(app: &TestApp, walk: &mut Walk) {
    let (customer, partner) = (app.customer().await, app.partner().await);
    let admin = app.as_user(&app.admin().await);
    let (owner, rider) = (app.as_user(&customer), app.as_user(&partner));
    let order = walk.post(&owner, "/api/v1/orders", an_order()).await;
    let id = format!("/api/v1/orders/{{order_id={}}}", text(&order, "id"));
    walk.post(&admin, &format!("{id}/assign"), json!({"partner_id": partner.partner_id})).await;
    let hello = json!({"text": "Ring at the side door.", "client_id": "m-1"});
    let message = walk.post(&owner, &format!("{id}/messages"), hello).await;
    let up_to = json!({"up_to": text(&message, "id")});
    walk.post(&rider, &format!("{id}/messages/read"), up_to).await;
    walk.post(&rider, &format!("{id}/messages"), json!({"text": "All right."})).await;
    walk.get(&owner, &format!("{id}/messages?limit=1")).await;
    for status in ["en_route", "arrived", "picked_up", "in_transit"] {
        let step = format!("/api/v1/orders/{}/transitions", text(&order, "id"));
        rider.call(Method::POST, &step, &[], Some(json!({"to": status}))).await.expect(200);
    }
    let proof = json!({"to": "delivered", "code": text(&order, "code")});
    walk.post(&rider, &format!("{id}/transitions"), proof).await;
    for who in [&owner, &rider, &admin] {
        walk.get(who, &id).await;
        walk.get(who, &format!("{id}/timeline")).await;
        walk.get(who, "/api/v1/orders?status=delivered&limit=1").await;
    }
    walk.post(&owner, &format!("{id}/rating"), json!({"stars": 5, "comment": "Thank you"})).await;
    walk.get(&admin, &format!("/api/v1/admin/deliveries?order_id={}", text(&order, "id"))).await;
}

async fn inbox(app: &TestApp, walk: &mut Walk) {
    let customer = app.customer().await;
    let owner = app.as_user(&customer);
    app.place_order(&customer).await;
    let page = walk.get(&owner, "/api/v1/notifications?unread=true&limit=1").await;
    assert!(page["next_cursor"].is_string(), "{page}");
    let next = format!("/api/v1/notifications?limit=1&cursor={}", text(&page, "next_cursor"));
    walk.get(&owner, &next).await;
    walk.get(&owner, "/api/v1/notifications/unread_count").await;
    let first = text(&page["items"][0], "id").to_owned();
    let read = format!("/api/v1/notifications/{{notification_id={first}}}/read");
    walk.post(&owner, &read, json!({})).await;
    walk.post(&owner, "/api/v1/notifications/read_all", json!({})).await;
    let table = walk.get(&owner, "/api/v1/notifications/preferences").await;
    walk.call(&owner, "PUT", "/api/v1/notifications/preferences", Some(table)).await;

    let admin = app.as_user(&app.admin().await);
    let words = json!({"title": "Closed tomorrow", "text": "We are back the day after."});
    walk.post(&admin, "/api/v1/admin/announcements", words).await;
}

async fn others(app: &TestApp, walk: &mut Walk) {
    let event = json!({"group": "admin_dashboard", "type": "stock_changed", "data": [1, null, "x"]});
    walk.post(&app.with_token(SERVICE_KEY), "/api/v1/events", event).await;
    let nobody = app.as_nobody();
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/openapi.json",
        "/api/asyncapi.json",
        "/docs",
        "/docs/frames",
        "/docs/problems",
        "/docs/{asset=swagger-ui.css}",
        "/docs/{asset=swagger-ui-bundle.js}",
        "/docs/{asset=swagger-ui-standalone-preset.js}",
        "/docs/{asset=swagger-initializer.js}",
        "/docs/{asset=favicon-16x16.png}",
        "/docs/{asset=favicon-32x32.png}",
    ] {
        walk.get(&nobody, path).await;
    }
}

#[actix_web::test]
async fn the_page_names_no_file_that_is_not_there() {
    let app = TestApp::start().await;
    let page = app.as_nobody().call(Method::GET, "/docs", &[], None).await;
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.contains("script-src 'self'"))
    );
    let page = page.expect(200).as_str().expect("HTML").to_owned();
    let named: Vec<&str> =
        page.split(['"']).filter(|text| text.starts_with('/') && !text.contains(' ')).collect();
    assert!(named.len() >= 8, "{named:?}");
    for path in named {
        let answer = app.as_nobody().call(Method::GET, path, &[], None).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}
