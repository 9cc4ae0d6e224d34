//! What the table of endpoints is made of, and what its requests are about.

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use crate::money;
use crate::support::raw::{Answer, Raw};
use crate::support::steps::{LogIn, text};
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
    /// A URL with `https` of at most so many bytes.
    Link(usize),
    /// base64url of so many bytes that nothing below is.
    Bytes,
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
    /// Given up.
    pub push: String,
    /// About the order that is assigned.
    pub message: String,
    /// Two that the partner can answer.
    pub offers: [String; 2],
}

impl World {
    pub async fn make() -> Self {
        let service_keys =
            [("WAYBILL_SERVICE_KEYS", "shop:own-key-of-the-shop"), ("WAYBILL_PUSH_DELAY_MS", "0")];
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
        let stars = json!({"stars": 4});
        app.as_user(&customer).post(&format!("/orders/{completed}/rating"), stars).await.expect(201);
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
        let push = crate::push::given_up(&app, &admin).await;
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
            push,
            offers,
        }
    }

    pub fn path(&self, endpoint: &Endpoint) -> String {
        let order = match endpoint.path {
            path if path.ends_with("/assign") => &self.open_order,
            path if path.ends_with("/rating") && endpoint.method == "GET" => &self.completed,
            path if path.ends_with("/rating") => &self.delivered,
            path if path.ends_with("/refund") => &self.completed,
            _ => &self.order,
        };
        let path = endpoint.path.replace("{order_id}", order);
        let path = path.replace("{notification_id}", &self.notification);
        let path = path.replace("{offer_id}", &self.offers[usize::from(path.ends_with("/decline"))]);
        let path = path.replace("{topup_id}", &self.top_up).replace("{payout_id}", &self.pay_out);
        path.replace("{provider}", "test").replace("{push_id}", &self.push)
    }

    pub fn authorization(&self, caller: Caller) -> String {
        match caller {
            // What a provider shows depends on what it sends.
            Caller::Nobody | Caller::Provider => String::new(),
            Caller::Customer => format!("Authorization: Bearer {}", self.customer.token),
            Caller::Partner => format!("Authorization: Bearer {}", self.partner.token),
            Caller::Admin => format!("Authorization: Bearer {}", self.admin.token),
            Caller::Service => "Authorization: Bearer own-key-of-the-shop".into(),
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

pub const PAGE: Parameter =
    ("limit", &["0", "-1", "201", "9223372036854775808", "1.5", "ten", "", "NaN", "1e2"]);
pub const CURSOR: Parameter = ("cursor", &["", "x", "%00", "MTI", "8J-YgA", "%F0%9F%98%80", "/../..", "%ff"]);
pub const CURRENCY: Parameter = ("currency", &["", "usd", "USDT", "XXX", "7", "%00"]);
/// With all parameters that it cannot do without.
pub const QUOTE: &str = "/api/v1/orders/quote?pickup_latitude=52.52&pickup_longitude=13.4&\
    dropoff_latitude=52.5&dropoff_longitude=13.42&goods=900";
/// No word for yes or no.
pub const NO_FLAGS: &[&str] = &["", "1", "yes", "TRUE"];
pub const NO_IDS: &[&str] = &["", "1", "0190163d-8694-739b-aea5-966c26f8ad9", "me", "%00"];
pub const PLACE: [Kind; 3] = [Kind::Real(-90.0, 90.0), Kind::Real(-180.0, 180.0), Kind::Text(1, 500)];
