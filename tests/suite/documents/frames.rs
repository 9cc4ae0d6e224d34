//! A walk over all endpoints: every frame, to and fro, is one that the AsyncAPI document describes for that
//! endpoint, and no frame of the document is passed by.

use std::collections::BTreeSet;

use awc::http::Method;
use serde_json::{Value, json};
use waybill::domain::ids::EventId;
use waybill::domain::time::Timestamp;

use super::schema::Checker;
use crate::money;
use crate::support::socket::Socket;
use crate::support::users::PASSWORD;
use crate::support::{self, TestApp, TestUser, an_order, sign};

const SERVICE_KEY: &str = "0123456789abcdef0123456789abcdef";

/// The AsyncAPI document, and which of its messages were seen.
struct AsyncApi {
    document: Value,
    checker: Checker,
    seen: BTreeSet<String>,
}

impl AsyncApi {
    async fn of(app: &TestApp) -> Self {
        let document = app.as_nobody().call(Method::GET, "/api/asyncapi.json", &[], None).await.expect(200);
        Self { checker: Checker::new(&document), document, seen: BTreeSet::new() }
    }

    /// Holds a frame against the message of its type that the channel names. `side` is `server` or `client`.
    #[track_caller]
    fn check(&mut self, channel: &str, side: &str, frame: &Value) {
        let messages = &self.document["channels"][channel]["messages"];
        let named =
            format!("{side}.{}", frame["type"].as_str().unwrap_or_else(|| panic!("no type: {frame}")));
        let key = if messages[&named].is_object() { named } else { format!("{side}.published") };
        let message = messages[&key]["$ref"].as_str().unwrap_or_else(|| panic!("not on {channel}: {frame}"));
        let message = self.document.pointer(message.trim_start_matches('#')).expect("the message");
        let faults = self.checker.faults(&message["payload"], frame);
        assert!(faults.is_empty(), "{key} on {channel}: {faults:#?}\nin {frame:#}");
        self.seen.insert(key);
    }

    fn all(&self) -> BTreeSet<String> {
        self.document["components"]["messages"].as_object().expect("messages").keys().cloned().collect()
    }
}

/// A socket on an endpoint, of which every frame is checked.
struct Screen {
    socket: Socket,
    channel: &'static str,
}

impl Screen {
    /// Opens it; the first frame must be the one that the document promises.
    async fn open(
        app: &TestApp,
        user: &TestUser,
        channel: &'static str,
        path: &str,
        api: &mut AsyncApi,
    ) -> Self {
        let mut screen = Self { socket: app.connect(user, path).await, channel };
        let first = screen.socket.next().await;
        api.check(channel, "server", &first);
        assert_eq!(first["type"], api.document["channels"][channel]["x-first-frame"]);
        screen
    }

    async fn send(&mut self, frame: Value, api: &mut AsyncApi) {
        api.check(self.channel, "client", &frame);
        self.socket.send(frame).await;
    }

    /// All frames up to the next one of a type.
    async fn until(&mut self, kind: &str, api: &mut AsyncApi) -> Value {
        let mut frames = self.socket.until(kind).await;
        frames.iter().for_each(|frame| api.check(self.channel, "server", frame));
        frames.pop().expect("the awaited one")
    }

    async fn so_far(&mut self, api: &mut AsyncApi) {
        for frame in self.socket.so_far().await {
            api.check(self.channel, "server", &frame);
        }
    }
}

/// A token of this user that ends soon.
fn short_token(user: &TestUser) -> String {
    sign::hs256(&sign::claims_with(user, "exp", json!(Timestamp::now().as_secs() + 30)))
}

#[actix_web::test]
async fn every_frame_is_as_documented() {
    let service_keys = format!("shop:{SERVICE_KEY}");
    let own = [
        ("WAYBILL_SERVICE_KEYS", service_keys.as_str()),
        ("WAYBILL_TRAIL_FLUSH_SECS", "1"),
        ("WAYBILL_CHAT_AFTER_END_SECS", "1"),
    ];
    let settings = [money::SETTINGS.as_slice(), &own].concat();
    let app = TestApp::start_with(&settings).await;
    let mut api = AsyncApi::of(&app).await;
    let api = &mut api;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let mut dashboard = Screen::open(&app, &admin, "admin", "/ws/admin/", api).await;
    let mut bell = Screen::open(&app, &customer, "notifications", "/ws/notifications/", api).await;
    let mut work = Screen::open(&app, &partner, "partner", "/ws/partner/", api).await;

    let order = app.as_user(&customer).post("/orders", an_order()).await.expect(201);
    let id = order["id"].as_str().expect("an id").to_owned();
    let mut map = Screen::open(&app, &customer, "orders", &format!("/ws/orders/{id}/"), api).await;
    let assigned = json!({"partner_id": partner.partner_id});
    app.as_user(&admin).post(&format!("/orders/{id}/assign"), assigned).await.expect(200);
    let steps = format!("/orders/{id}/transitions");
    app.as_user(&partner).post(&steps, json!({"to": "en_route"})).await.expect(200);
    crate::tracking::backdate(&app, 60);

    work.until("queue_update", api).await;
    app.as_user(&partner).put("/partner/availability", json!({"online": true})).await.expect(200);
    app.stand(&partner, 100.0).await;
    for answer in ["decline", "accept"] {
        app.order(&app.customer().await).await;
        let offer = work.until("assignment", api).await["offer"]["id"].clone();
        work.send(json!({"type": answer, "offer_id": offer, "ref": answer}), api).await;
        work.until("assignment_closed", api).await;
    }
    let sample = json!({
        "type": "location", "latitude": 52.52, "longitude": 13.40, "timestamp": Timestamp::now(), "heading": 90,
        "speed": 6.5, "accuracy": 8, "battery": 0.8, "order_id": id,
    });
    work.send(sample, api).await;
    map.until("location", api).await;
    map.until("eta", api).await;
    let moment = Timestamp::now().before(std::time::Duration::from_secs(30));
    let late = json!({"latitude": 52.52, "longitude": 13.39, "timestamp": moment});
    work.send(json!({"type": "location", "points": [late], "sent_at": Timestamp::now()}), api).await;

    map.send(json!({"type": "typing", "order_id": id}), api).await;
    map.until("typing", api).await;
    let chat = json!({"type": "chat", "order_id": id, "text": "How far?", "client_id": "m-1", "ref": "c"});
    // The second time it is answered to this session alone.
    for _ in 0..2 {
        map.send(chat.clone(), api).await;
        map.until("chat_message", api).await;
    }
    map.send(json!({"type": "chat_read", "order_id": id}), api).await;
    map.until("chat_read", api).await;

    // While the admin looks at the order, too, its customer hears of that; and in the end of the good-bye.
    let group = format!("order_{id}");
    let mut any = Screen::open(&app, &admin, "any", "/ws/", api).await;
    any.send(json!({"type": "subscribe", "group": group, "ref": "s"}), api).await;
    let subscribed = any.until("subscribed", api).await;
    any.until("presence", api).await;
    map.until("presence", api).await;
    let event = json!({"group": group, "type": "stock_changed", "data": {"left": 4}});
    app.with_token(SERVICE_KEY).post("/events", event.clone()).await.expect(202);
    any.until("stock_changed", api).await;
    let mut passing = event;
    passing["ephemeral"] = json!(true);
    app.with_token(SERVICE_KEY).post("/events", passing).await.expect(202);
    any.until("stock_changed", api).await;
    any.send(json!({"type": "unsubscribe", "group": group, "ref": "u"}), api).await;
    any.until("unsubscribed", api).await;
    let since = json!({"epoch": subscribed["epoch"], "seq": subscribed["seq"]});
    any.send(json!({"type": "subscribe", "group": group, "since": since, "ref": "r"}), api).await;
    assert_eq!(any.until("subscribed", api).await["recovered"], true);
    any.until("stock_changed", api).await;

    let notification = bell.until("notification", api).await;
    bell.send(json!({"type": "ack", "ids": [notification["id"]]}), api).await;
    bell.send(json!({"type": "mark_read", "id": notification["notification"]["id"]}), api).await;
    bell.until("unread_count", api).await;
    bell.send(json!({"type": "mark_all_read", "ref": "all"}), api).await;
    bell.until("unread_count", api).await;
    bell.send(json!({"type": "mark_read", "id": EventId::new(), "ref": "none"}), api).await;
    assert_eq!(bell.until("error", api).await["ref"], "none");
    bell.send(json!({"type": "ping", "ref": "p"}), api).await;
    bell.until("pong", api).await;

    let ending = TestUser { token: short_token(&customer), ..customer.clone() };
    let mut ending = Screen::open(&app, &ending, "any", "/ws/", api).await;
    ending.until("token_expiring", api).await;
    ending.send(json!({"type": "auth", "token": customer.token, "ref": "a"}), api).await;
    ending.until("authenticated", api).await;

    let top_up = json!({"amount": 5000, "currency": "USD"});
    app.as_user(&customer).post("/wallet/topups", top_up).await.expect(201);
    bell.until("wallet_update", api).await;
    let paid = app.as_user(&customer).post("/orders", money::on_the_wallet()).await.expect(201);
    let paid = paid["id"].as_str().expect("an id");
    app.assign(&admin, paid, &partner).await;
    app.carry_to(&partner, paid, "delivered").await;
    app.step(&customer, paid, "completed").await;
    work.until("earnings_update", api).await;

    let log_in = json!({"email": customer.email, "password": PASSWORD});
    app.as_nobody().post("/auth/login", log_in).await.expect(200);
    dashboard.until("order_created", api).await;
    dashboard.until("payment", api).await;
    dashboard.until("activity", api).await;
    app.as_user(&admin).post(&format!("/orders/{id}/claim"), json!({})).await.expect(200);
    dashboard.until("claim", api).await;
    dashboard.send(json!({"type": "view", "order_id": id}), api).await;
    dashboard.until("viewing", api).await;
    // What is told at a pace of its own may have come by already.
    for kind in ["health", "exceptions", "positions"] {
        if !api.seen.contains(&format!("server.{kind}")) {
            dashboard.until(kind, api).await;
        }
    }
    if support::redis::forget(app.database(), "admin_dashboard") {
        let customer = app.customer().await;
        app.place_order(&customer).await;
        dashboard.until("resync", api).await;
        dashboard.until("dashboard", api).await;
    } else {
        // Without Redis there is nobody whose numbering could be lost while sessions stay.
        api.seen.insert("server.resync".into());
    }
    if !api.seen.contains("server.trail") {
        map.until("trail", api).await;
    }
    app.step(&customer, &id, "cancelled").await;
    map.until("chat_closed", api).await;
    for screen in [&mut dashboard, &mut bell, &mut work, &mut map, &mut any] {
        screen.so_far(api).await;
    }
    let all = api.all();
    let left: Vec<_> = all.difference(&api.seen).collect();
    assert!(left.is_empty(), "the walk does not come by these: {left:#?}");
}

#[actix_web::test]
async fn what_an_endpoint_snapshots_names_the_position_to_come_back_with() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let admin = app.admin().await;
    let map = format!("/ws/orders/{}/", order["id"].as_str().expect("an id"));
    for (user, path) in [
        (&customer, "/ws/notifications/"),
        (&customer, map.as_str()),
        (&partner, "/ws/partner/"),
        (&admin, "/ws/admin/"),
    ] {
        let mut socket = app.connect(user, path).await;
        let snapshot = socket.next().await;
        let (group, since) = (&snapshot["group"], &snapshot["position"]);
        let mut second = app.connect(user, "/ws/").await;
        second.expect("welcome").await;
        second.send(json!({"type": "subscribe", "group": group, "since": since})).await;
        assert_eq!(second.expect("subscribed").await["recovered"], true, "{path}: {snapshot}");
    }
}
