//! Every endpoint, every field of its body, and every parameter of its query.

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use crate::money;
use crate::support::raw::{Answer, Raw};
use crate::support::steps::{LogIn, text};
use crate::support::users::PASSWORD;
use crate::support::{TestApp, TestUser};

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Nobody,
    Customer,
    Partner,
    Admin,
    Service,
    /// Signs what it sends.
    Provider,
}

/// What a field holds, and so what is bad for it.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text at all: only another type is wrong.
    AnyText,
    /// Text of so many characters, not blank.
    Text(usize, usize),
    /// Text that may be empty.
    Notes(usize),
    /// An e-mail address.
    Email,
    /// One of a few words.
    Word,
    Id,
    Group,
    Flag,
    Whole(i64, i64),
    Real(f64, f64),
    /// A number of which only another type is refused here.
    Number,
    Time,
    /// A list with at least one entry, which is cut out here to make it too long.
    List(usize),
    Object,
    /// Any JSON but no more than so many bytes.
    Anything(usize),
}

/// One field of a body: its path, what it holds, and whether it may be left out.
pub type Field = (&'static str, Kind, Presence);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Needed,
    Optional,
    /// May be left out, but is not `null`.
    Defaulted,
}
pub use Presence::{Defaulted, Needed, Optional};

/// One parameter of a query, and values that are bad for it.
pub type Parameter = (&'static str, &'static [&'static str]);

pub struct Endpoint {
    pub method: &'static str,
    /// As the OpenAPI document has it.
    pub path: &'static str,
    pub caller: Caller,
    /// What it answers when all is well.
    pub status: u16,
    /// A good body; `null` for none.
    pub body: fn(&World) -> Value,
    pub fields: &'static [Field],
    pub query: &'static [Parameter],
}

impl Endpoint {
    /// Whether what it takes is laid down by somebody else: signed as it came, and with members that nobody here knows.
    pub fn is_the_providers(&self) -> bool {
        self.caller == Caller::Provider
    }
}

/// What the table's requests are about.
pub struct World {
    pub app: TestApp,
    pub customer: TestUser,
    /// The customer's log-in.
    pub log_in: LogIn,
    pub partner: TestUser,
    pub admin: TestUser,
    /// Assigned to the partner.
    pub order: String,
    /// Confirmed.
    pub open_order: String,
    /// Delivered.
    pub delivered: String,
    /// Completed, and paid from the wallet.
    pub completed: String,
    pub top_up: String,
    /// The partner's.
    pub pay_out: String,
    pub notification: String,
    /// About the order that is assigned.
    pub message: String,
    /// Two that the partner can answer.
    pub offers: [String; 2],
}

impl World {
    pub async fn make() -> Self {
        let service_keys = [("WAYBILL_SERVICE_KEYS", "shop:key-of-the-shop")];
        let app = TestApp::start_with(&[money::SETTINGS.as_slice(), &service_keys].concat()).await;
        let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
        let log_in = app.log_in(&customer).await;
        let open_order = app.order(&customer).await;
        let order = app.order(&customer).await;
        app.assign(&admin, &order, &partner).await;
        let delivered = app.order(&customer).await;
        app.assign(&admin, &delivered, &partner).await;
        app.carry_to(&partner, &delivered, "delivered").await;
        let amount = json!({"amount": 100_000, "currency": "USD"});
        let top_up = app.as_user(&customer).post("/wallet/topups", amount).await.expect(201);
        let top_up = text(&top_up, "id");
        let completed = app.as_user(&customer).post("/orders", money::on_the_wallet()).await.expect(201);
        let completed = text(&completed, "id");
        app.assign(&admin, &completed, &partner).await;
        app.carry_to(&partner, &completed, "delivered").await;
        app.step(&customer, &completed, "completed").await;
        let pay_out =
            app.as_user(&partner).post("/partner/payouts", json!({"amount": 100})).await.expect(201);
        let pay_out = text(&pay_out, "id");
        let inbox = app.as_user(&customer).get("/notifications").await.expect(200);
        let notification = inbox["items"][0]["id"].as_str().expect("an id").to_owned();
        app.as_user(&partner).put("/partner/availability", json!({"online": true})).await.expect(200);
        app.stand(&partner, 100.0).await;
        let mut work = app.at_work(&partner).await;
        let mut offers = [String::new(), String::new()];
        for offer in &mut offers {
            app.order(&customer).await;
            *offer = text(&work.expect("assignment").await["offer"], "id");
        }
        let message = crate::chat::write(&app, &customer, &order, "Hello").await;
        let message = text(&message, "id");
        Self {
            app,
            message,
            customer,
            log_in,
            partner,
            admin,
            order,
            open_order,
            delivered,
            completed,
            top_up,
            pay_out,
            notification,
            offers,
        }
    }

    pub fn path(&self, endpoint: &Endpoint) -> String {
        let order = match endpoint.path {
            path if path.ends_with("/assign") => &self.open_order,
            path if path.ends_with("/rating") => &self.delivered,
            path if path.ends_with("/refund") => &self.completed,
            _ => &self.order,
        };
        let path = endpoint.path.replace("{order_id}", order);
        let path = path.replace("{notification_id}", &self.notification);
        let path = path.replace("{offer_id}", &self.offers[usize::from(path.ends_with("/decline"))]);
        let path = path.replace("{topup_id}", &self.top_up).replace("{payout_id}", &self.pay_out);
        path.replace("{provider}", "test")
    }

    pub fn authorization(&self, caller: Caller) -> String {
        match caller {
            // What a provider shows depends on what it sends.
            Caller::Nobody | Caller::Provider => String::new(),
            Caller::Customer => format!("Authorization: Bearer {}", self.customer.token),
            Caller::Partner => format!("Authorization: Bearer {}", self.partner.token),
            Caller::Admin => format!("Authorization: Bearer {}", self.admin.token),
            Caller::Service => "Authorization: Bearer key-of-the-shop".into(),
        }
    }

    /// Sends a request on a connection of its own.
    pub async fn send(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let mut raw = Raw::connect(self.app.address()).await;
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\nHost: {}\nConnection: close\nContent-Length: {length}\n{headers}",
            self.app.address()
        );
        raw.call(&head, body).await
    }

    pub async fn call(&self, endpoint: &Endpoint, body: &[u8]) -> Answer {
        let authorization = match endpoint.caller {
            Caller::Provider => {
                let signature = money::signature(money::SECRET, Timestamp::now().as_secs(), body);
                format!("Webhook-Signature: {signature}")
            }
            caller => self.authorization(caller),
        };
        let headers = format!("Content-Type: application/json\n{authorization}");
        self.send(endpoint.method, &self.path(endpoint), &headers, body).await
    }
}

fn none(_: &World) -> Value {
    Value::Null
}

fn refresh(world: &World) -> Value {
    json!({"refresh": world.log_in.refresh})
}

pub const PAGE: Parameter =
    ("limit", &["0", "-1", "201", "9223372036854775808", "1.5", "ten", "", "NaN", "1e2"]);
pub const CURSOR: Parameter = ("cursor", &["", "x", "%00", "MTI", "8J-YgA", "%F0%9F%98%80", "/../..", "%ff"]);
pub const CURRENCY: Parameter = ("currency", &["", "usd", "USDT", "XXX", "7", "%00"]);
pub const NO_IDS: &[&str] = &["", "1", "0190163d-8694-739b-aea5-966c26f8ad9", "me", "%00"];
pub const PLACE: [Kind; 3] = [Kind::Real(-90.0, 90.0), Kind::Real(-180.0, 180.0), Kind::Text(1, 500)];

pub const TABLE: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/api/v1/auth/register",
        caller: Caller::Nobody,
        status: 201,
        body: |_| {
            json!({"email": "new@example.org", "password": "long enough", "name": "New", "role": "customer",
                "locale": "en"})
        },
        fields: &[
            ("email", Kind::Email, Needed),
            ("password", Kind::Text(8, 200), Needed),
            ("name", Kind::Text(1, 100), Needed),
            ("role", Kind::Word, Needed),
            ("locale", Kind::Word, Optional),
        ],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/auth/login",
        caller: Caller::Nobody,
        status: 200,
        body: |world| json!({"email": world.customer.email, "password": PASSWORD}),
        fields: &[("email", Kind::AnyText, Needed), ("password", Kind::AnyText, Needed)],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/orders",
        caller: Caller::Customer,
        status: 201,
        body: |_| {
            json!({
                "pickup": {"latitude": 52.52, "longitude": 13.40, "address": "Alexanderplatz 1"},
                "dropoff": {"latitude": 52.50, "longitude": 13.42, "address": "Oranienstraße 2"},
                "items": [{"name": "Soup", "quantity": 2, "unit_price": 450}],
                "currency": "EUR", "payment_method": "cash", "notes": "Ring twice.",
            })
        },
        fields: &[
            ("pickup", Kind::Object, Needed),
            ("pickup.latitude", PLACE[0], Needed),
            ("pickup.longitude", PLACE[1], Needed),
            ("pickup.address", PLACE[2], Needed),
            ("dropoff", Kind::Object, Needed),
            ("dropoff.latitude", PLACE[0], Needed),
            ("dropoff.longitude", PLACE[1], Needed),
            ("dropoff.address", PLACE[2], Needed),
            ("items", Kind::List(100), Needed),
            ("items[0].name", Kind::Text(1, 200), Needed),
            ("items[0].quantity", Kind::Whole(1, 1000), Needed),
            ("items[0].unit_price", Kind::Whole(0, 100_000_000), Needed),
            ("currency", Kind::Word, Optional),
            ("payment_method", Kind::Word, Optional),
            ("notes", Kind::Notes(1000), Optional),
        ],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/orders",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[
            PAGE,
            CURSOR,
            ("status", &["", "done", "PENDING", "7"]),
            ("partner_id", NO_IDS),
            ("customer_id", NO_IDS),
        ],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/orders/{order_id}",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/orders/{order_id}/transitions",
        caller: Caller::Partner,
        status: 200,
        body: |_| json!({"to": "en_route", "version": 3, "reason": "On my way.", "code": "0000", "note": "None."}),
        fields: &[
            ("to", Kind::Word, Needed),
            ("version", Kind::Whole(1, i64::MAX), Optional),
            ("reason", Kind::Text(1, 500), Optional),
            ("code", Kind::Text(4, 4), Optional),
            ("note", Kind::Text(1, 500), Optional),
        ],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/orders/{order_id}/assign",
        caller: Caller::Admin,
        status: 200,
        body: |world| json!({"partner_id": world.partner.partner_id}),
        fields: &[("partner_id", Kind::Id, Needed)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/orders/{order_id}/timeline",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/orders/{order_id}/track",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[("tolerance", &["", "x", "-1", "1000.1", "NaN", "inf", "1e999"])],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/partner/locations",
        caller: Caller::Partner,
        status: 202,
        // Of samples that cannot be, the answer says so; the call is refused for the wrong shape alone.
        body: |world| {
            let now = waybill::domain::time::Timestamp::now();
            let point = json!({
                "latitude": 52.52, "longitude": 13.40, "timestamp": now, "heading": 90.0, "speed": 6.5,
                "accuracy": 8.0, "battery": 0.5, "order_id": world.order,
            });
            json!({"points": [point], "sent_at": now})
        },
        fields: &[
            ("points", Kind::List(1000), Needed),
            ("points[0].latitude", Kind::Number, Needed),
            ("points[0].longitude", Kind::Number, Needed),
            ("points[0].timestamp", Kind::Time, Needed),
            ("points[0].heading", Kind::Number, Optional),
            ("points[0].speed", Kind::Number, Optional),
            ("points[0].accuracy", Kind::Number, Optional),
            ("points[0].battery", Kind::Number, Optional),
            ("points[0].order_id", Kind::Id, Optional),
            ("sent_at", Kind::Time, Optional),
        ],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/orders/{order_id}/rating",
        caller: Caller::Customer,
        status: 201,
        body: |_| json!({"stars": 5, "comment": "Still warm."}),
        fields: &[("stars", Kind::Whole(1, 5), Needed), ("comment", Kind::Text(1, 1000), Optional)],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/orders/{order_id}/refund",
        caller: Caller::Admin,
        status: 200,
        body: |_| json!({"amount": 1, "reason": "It was cold."}),
        fields: &[("amount", Kind::Whole(1, i64::MAX), Optional), ("reason", Kind::Text(1, 500), Needed)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/wallet",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[CURRENCY],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/wallet/entries",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[PAGE, ("cursor", &["", "x", "%00", "YQ", "8J-YgA", "/../.."]), CURRENCY],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/wallet/topups",
        caller: Caller::Customer,
        status: 201,
        body: |_| json!({"amount": 1000, "currency": "USD"}),
        fields: &[("amount", Kind::Whole(1, 100_000_000), Needed), ("currency", Kind::Word, Needed)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/wallet/topups/{topup_id}",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/partner/earnings",
        caller: Caller::Partner,
        status: 200,
        body: none,
        fields: &[],
        query: &[CURRENCY],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/partner/payouts",
        caller: Caller::Partner,
        status: 201,
        body: |_| json!({"amount": 1, "currency": "USD"}),
        fields: &[("amount", Kind::Whole(1, i64::MAX), Optional), ("currency", Kind::Word, Optional)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/partner/payouts/{payout_id}",
        caller: Caller::Partner,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/payments/webhooks/{provider}",
        caller: Caller::Provider,
        status: 200,
        body: |world| {
            json!({"id": "evt_1", "type": "transfer.failed", "transfer_id": world.top_up, "reference": "ch_1",
                "amount": 100_000, "currency": "USD", "reason": "The card has expired."})
        },
        fields: &[
            ("id", Kind::Text(1, 255), Needed),
            ("type", Kind::AnyText, Needed),
            ("transfer_id", Kind::Id, Needed),
            ("reference", Kind::Text(1, 255), Optional),
            ("amount", Kind::Whole(1, i64::MAX), Needed),
            ("currency", Kind::Word, Needed),
            ("reason", Kind::Text(1, 200), Optional),
        ],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/orders/{order_id}/messages",
        caller: Caller::Customer,
        status: 201,
        body: |_| json!({"text": "Ring at the side door.", "client_id": "m-1"}),
        fields: &[("text", Kind::Text(1, 2000), Needed), ("client_id", Kind::Text(1, 128), Optional)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/orders/{order_id}/messages",
        caller: Caller::Partner,
        status: 200,
        body: none,
        fields: &[],
        query: &[PAGE, CURSOR],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/orders/{order_id}/messages/read",
        caller: Caller::Partner,
        status: 204,
        body: |world| json!({"up_to": world.message}),
        fields: &[("up_to", Kind::Id, Needed)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/notifications",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[
            PAGE,
            CURSOR,
            ("unread", &["", "1", "yes", "TRUE", "null"]),
            ("type", &["", "order", "ORDER_PLACED", "%00"]),
        ],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/notifications/unread_count",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/notifications/{notification_id}/read",
        caller: Caller::Customer,
        status: 200,
        body: |_| json!({}),
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/notifications/read_all",
        caller: Caller::Customer,
        status: 200,
        body: |_| json!({}),
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/notifications/preferences",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "PUT",
        path: "/api/v1/notifications/preferences",
        caller: Caller::Customer,
        status: 200,
        body: |_| {
            json!({"preferences": [
                {"type": "order_placed", "channel": "email", "enabled": true, "can_switch_off": true},
            ]})
        },
        fields: &[
            ("preferences", Kind::Object, Needed),
            ("preferences[0].type", Kind::Word, Needed),
            ("preferences[0].channel", Kind::Word, Needed),
            ("preferences[0].enabled", Kind::Flag, Needed),
            ("preferences[0].can_switch_off", Kind::Flag, Optional),
        ],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/admin/announcements",
        caller: Caller::Admin,
        status: 201,
        body: |_| json!({"title": "Good news", "text": "From Monday on."}),
        fields: &[("title", Kind::Text(1, 60), Needed), ("text", Kind::Text(1, 240), Needed)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/admin/deliveries?order_id={order_id}",
        caller: Caller::Admin,
        status: 200,
        body: none,
        fields: &[],
        query: &[PAGE, CURSOR, ("notification_id", NO_IDS)],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/events",
        caller: Caller::Service,
        status: 202,
        body: |_| {
            json!({"group": "admin_dashboard", "type": "weather", "data": {"rain": true},
                "id": "0190163d-8694-739b-aea5-966c26f8ad90", "ephemeral": false})
        },
        fields: &[
            ("group", Kind::Group, Needed),
            ("type", Kind::Text(1, 64), Needed),
            ("data", Kind::Anything(64 * 1024), Needed),
            ("id", Kind::Id, Optional),
            ("ephemeral", Kind::Flag, Defaulted),
        ],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/me",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/realtime/token",
        caller: Caller::Customer,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/partner/availability",
        caller: Caller::Partner,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "PUT",
        path: "/api/v1/partner/availability",
        caller: Caller::Partner,
        status: 200,
        body: |_| json!({"online": true}),
        fields: &[("online", Kind::Flag, Needed)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/partner/queue",
        caller: Caller::Partner,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/partner/offers",
        caller: Caller::Partner,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/partner/offers/{offer_id}/accept",
        caller: Caller::Partner,
        status: 200,
        body: |_| json!({}),
        fields: &[],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/partner/offers/{offer_id}/decline",
        caller: Caller::Partner,
        status: 200,
        body: |_| json!({"reason": "a flat tyre"}),
        fields: &[("reason", Kind::Text(1, 500), Optional)],
        query: &[],
    },
    Endpoint {
        method: "GET",
        path: "/api/v1/orders/{order_id}/dispatch",
        caller: Caller::Admin,
        status: 200,
        body: none,
        fields: &[],
        query: &[],
    },
    // These two end the log-in that the others use, so they come last.
    Endpoint {
        method: "POST",
        path: "/api/v1/auth/refresh",
        caller: Caller::Nobody,
        status: 200,
        body: refresh,
        fields: &[("refresh", Kind::AnyText, Needed)],
        query: &[],
    },
    Endpoint {
        method: "POST",
        path: "/api/v1/auth/logout",
        caller: Caller::Nobody,
        status: 204,
        body: refresh,
        fields: &[("refresh", Kind::AnyText, Needed)],
        query: &[],
    },
];
