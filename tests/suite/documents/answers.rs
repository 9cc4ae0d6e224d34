//! A walk through all operations: every answer is what the document says, and no operation is passed by.

use std::collections::BTreeSet;

use awc::http::Method;
use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::{OpenApi, Operation};
use crate::money;
use crate::push;
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
    let service_keys = format!("shop:{SERVICE_KEY}");
    let settings = [
        money::SETTINGS.as_slice(),
        &[("WAYBILL_SERVICE_KEYS", service_keys.as_str()), ("WAYBILL_PUSH_DELAY_MS", "0")],
    ]
    .concat();
    let app = TestApp::start_with(&settings).await;
    let mut walk = Walk { document: OpenApi::of(&app).await, seen: BTreeSet::new() };
    accounts(&app, &mut walk).await;
    orders(&app, &mut walk).await;
    partners(&app, &mut walk).await;
    wallet(&app, &mut walk).await;
    inbox(&app, &mut walk).await;
    console(&app, &mut walk).await;
    pushes(&app, &mut walk).await;
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
    let refresh = json!({"refresh": text(&logged_in, "refresh"), "attempt": "7b1c-an-attempt-of-its-own"});
    let fresh = walk.post(&nobody, "/api/v1/auth/refresh", refresh).await;
    let ada = app.with_token(text(&fresh, "access"));
    walk.get(&ada, "/api/v1/me").await;
    walk.call(&ada, "PATCH", "/api/v1/me", Some(json!({"locale": "de"}))).await;
    let ticket = walk.get(&ada, "/api/v1/realtime/token").await;
    assert!(text(&ticket, "ws_url").ends_with(text(&ticket, "token")), "{ticket}");
    walk.post(&nobody, "/api/v1/auth/logout", json!({"refresh": text(&fresh, "refresh")})).await;
}

async fn orders(app: &TestApp, walk: &mut Walk) {
    let (customer, partner) = (app.customer().await, app.partner().await);
    let admin = app.as_user(&app.admin().await);
    let (owner, rider) = (app.as_user(&customer), app.as_user(&partner));
    let way = "pickup_latitude=52.52&pickup_longitude=13.4&dropoff_latitude=52.5&dropoff_longitude=13.42";
    walk.get(&owner, &format!("/api/v1/orders/quote?{way}&goods=900&currency=USD")).await;
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
    let point = json!({"latitude": 52.52, "longitude": 13.4, "timestamp": Timestamp::now(), "battery": 0.5});
    let wrong = json!({"latitude": 90.5, "longitude": 13.4, "timestamp": Timestamp::now()});
    let upload = json!({"points": [point, wrong], "sent_at": Timestamp::now()});
    let uploaded = walk.post(&rider, "/api/v1/partner/locations", upload).await;
    assert_eq!(uploaded, json!({"accepted": 1, "refused": [{"index": 1, "code": "out_of_range"}]}));
    let proof = json!({"to": "delivered", "code": text(&order, "code")});
    walk.post(&rider, &format!("{id}/transitions"), proof).await;
    for who in [&owner, &rider, &admin] {
        walk.get(who, &id).await;
        walk.get(who, &format!("{id}/timeline")).await;
        walk.get(who, &format!("{id}/track?tolerance=10")).await;
        walk.get(who, "/api/v1/orders?status=delivered&limit=1").await;
    }
    walk.post(&owner, &format!("{id}/rating"), json!({"stars": 5, "comment": "Thank you"})).await;
    walk.get(&rider, &format!("{id}/rating")).await;
    walk.get(&admin, &format!("/api/v1/admin/deliveries?order_id={}", text(&order, "id"))).await;
}

async fn partners(app: &TestApp, walk: &mut Walk) {
    let (customer, partner) = (app.customer().await, app.partner().await);
    let (admin, rider) = (app.as_user(&app.admin().await), app.as_user(&partner));
    let mut work = app.at_work(&partner).await;
    walk.call(&rider, "PUT", "/api/v1/partner/availability", Some(json!({"online": true}))).await;
    walk.get(&rider, "/api/v1/partner/availability").await;
    app.stand(&partner, 100.0).await;
    for answer in ["decline", "accept"] {
        let order = app.order(&customer).await;
        let offer = work.expect("assignment").await["offer"]["id"].clone();
        walk.get(&rider, "/api/v1/partner/offers").await;
        walk.get(&rider, "/api/v1/partner/queue").await;
        let offer = offer.as_str().expect("an id");
        let body = if answer == "decline" { json!({"reason": "a flat tyre"}) } else { json!({}) };
        walk.post(&rider, &format!("/api/v1/partner/offers/{{offer_id={offer}}}/{answer}"), body).await;
        walk.get(&admin, &format!("/api/v1/orders/{{order_id={order}}}/dispatch")).await;
    }
}

async fn wallet(app: &TestApp, walk: &mut Walk) {
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let (owner, rider) = (app.as_user(&customer), app.as_user(&partner));
    let top_up = json!({"amount": 5000, "currency": "USD"});
    let top_up = walk.post(&owner, "/api/v1/wallet/topups", top_up).await;
    walk.get(&owner, &format!("/api/v1/wallet/topups/{{topup_id={}}}", text(&top_up, "id"))).await;
    let order = owner.post("/orders", money::on_the_wallet()).await.expect(201);
    app.assign(&admin, text(&order, "id"), &partner).await;
    app.carry_to(&partner, text(&order, "id"), "delivered").await;
    app.step(&customer, text(&order, "id"), "completed").await;
    walk.get(&owner, "/api/v1/wallet").await;
    let page = walk.get(&owner, "/api/v1/wallet/entries?currency=USD&limit=1").await;
    walk.get(&owner, &format!("/api/v1/wallet/entries?cursor={}", text(&page, "next_cursor"))).await;
    walk.get(&rider, "/api/v1/partner/earnings?currency=USD").await;
    let pay_out = walk.post(&rider, "/api/v1/partner/payouts", json!({"amount": 100})).await;
    walk.get(&rider, &format!("/api/v1/partner/payouts/{{payout_id={}}}", text(&pay_out, "id"))).await;
    let page = walk.get(&rider, "/api/v1/partner/earnings/entries?currency=USD&limit=1").await;
    walk.get(&rider, &format!("/api/v1/partner/earnings/entries?cursor={}", text(&page, "next_cursor")))
        .await;
    let refund = format!("/api/v1/orders/{{order_id={}}}/refund", text(&order, "id"));
    walk.post(&app.as_user(&admin), &refund, json!({"amount": 100, "reason": "It was cold."})).await;
    for who in [&owner, &app.as_user(&admin)] {
        walk.get(who, &format!("/api/v1/orders/{{order_id={}}}/payment", text(&order, "id"))).await;
        let unpaid = app.order(&customer).await;
        walk.get(who, &format!("/api/v1/orders/{{order_id={unpaid}}}/payment")).await;
    }

    let event = json!({
        "id": "evt_1", "type": "transfer.succeeded", "transfer_id": top_up["id"], "amount": 5000, "currency": "USD",
    });
    let signature = money::signature(money::SECRET, Timestamp::now().as_secs(), event.to_string());
    let headers = [("Webhook-Signature", signature.as_str())];
    let path = "/api/v1/payments/webhooks/test";
    let answer = app.as_nobody().call(Method::POST, path, &headers, Some(event)).await;
    let operation = Operation { method: "POST".into(), path: "/api/v1/payments/webhooks/{provider}".into() };
    walk.document.check(&operation, &answer);
    answer.expect(200);
    walk.seen.insert(operation);
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

async fn console(app: &TestApp, walk: &mut Walk) {
    let admin = app.as_user(&app.admin().await);
    let (_, partner, order) = app.assigned_order().await;
    let point = json!({"latitude": 52.52, "longitude": 13.4, "timestamp": Timestamp::now()});
    let points = json!({"points": [point]});
    app.as_user(&partner).post("/partner/locations", points).await.expect(202);
    let failed = app.place_order(&app.customer().await).await;
    let step = format!("/orders/{}/transitions", text(&failed, "id"));
    admin.post(&step, json!({"to": "failed"})).await.expect(200);
    let claim = |order: &Value| format!("/api/v1/orders/{{order_id={}}}/claim", text(order, "id"));
    walk.post(&admin, &claim(&order), json!({})).await;
    walk.post(&admin, &claim(&failed), json!({})).await;
    // The first look at health is remembered after 2 s.
    let remembered = async || !admin.get("/admin/health").await.expect(200)["items"][0].is_null();
    app.until("health is remembered", remembered).await;
    for path in ["health", "overview", "partners", "users", "positions", "activity", "exceptions", "claims"] {
        let answer = walk.get(&admin, &format!("/api/v1/admin/{path}")).await;
        assert!(answer["items"].as_array().is_none_or(|items| !items.is_empty()), "{path}: {answer}");
    }
    walk.call(&admin, "DELETE", &claim(&order), None).await;
}

async fn pushes(app: &TestApp, walk: &mut Walk) {
    let (customer, admin) = (app.customer().await, app.admin().await);
    let owner = app.as_user(&customer);
    walk.get(&owner, "/api/v1/push/key").await;
    let endpoint = "https://push.example/of-the-walk";
    walk.post(&owner, "/api/v1/push/subscriptions", push::a_subscription(endpoint)).await;
    let gone = json!({"endpoint": endpoint});
    walk.call(&owner, "DELETE", "/api/v1/push/subscriptions", Some(gone)).await;
    let given_up = push::given_up(app, &admin).await;
    let admin = app.as_user(&admin);
    walk.get(&admin, "/api/v1/admin/pushes?state=dead&limit=1").await;
    walk.post(&admin, &format!("/api/v1/admin/pushes/{{push_id={given_up}}}/requeue"), json!({})).await;
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
