//! The calls of the server's HTTP interface that this client needs.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode, header};
use awc::{Client, Connector};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::args::{LogIn, Secret};
use super::error::LoadError;
use crate::domain::group::GroupKey;
use crate::domain::ids::OrderId;

/// Largest answer read, bytes: a page of full orders.
const LARGEST_ANSWER: usize = 4 << 20;
/// Orders asked for at once; the server gives no more.
const PAGE: usize = 200;
/// Shorter than servers keep an idle connection, so that none is closed just as it is used again.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// The server's HTTP interface. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: Rc<str>,
    address: SocketAddr,
}

#[derive(Deserialize)]
struct LoggedIn {
    access: String,
}

#[derive(Deserialize)]
struct Order {
    id: OrderId,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Order>,
    next_cursor: Option<String>,
}

impl Api {
    /// For the server at `base` (without a slash at the end), over up to `connections` connections to `address`.
    #[must_use]
    pub fn new(base: &str, address: SocketAddr, connections: usize, timeout: Duration) -> Self {
        let connector = Connector::new().limit(connections).conn_keep_alive(KEEP_ALIVE).timeout(timeout);
        let client = Client::builder().connector(connector).timeout(timeout).disable_redirects().finish();
        Self { client, base: base.into(), address }
    }

    /// An access token for `who`.
    ///
    /// # Errors
    /// `Call` when refused.
    pub async fn log_in(&self, who: &LogIn) -> Result<Secret, LoadError> {
        let body = json!({"email": who.email, "password": who.password.0});
        let LoggedIn { access } = self.call(Method::POST, "/api/v1/auth/login", None, Some(&body)).await?;
        Ok(Secret(access))
    }

    /// The groups of up to `count` orders that this token may see.
    ///
    /// # Errors
    /// `Call` when refused.
    pub async fn order_groups(&self, token: &Secret, count: usize) -> Result<Vec<String>, LoadError> {
        let mut groups = Vec::new();
        let mut cursor = None::<String>;
        while groups.len() < count {
            let mut path = format!("/api/v1/orders?limit={}", PAGE.min(count - groups.len()));
            if let Some(cursor) = &cursor {
                let pair = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("cursor", cursor)
                    .finish();
                path.push('&');
                path.push_str(&pair);
            }
            let page: Page = self.call(Method::GET, &path, Some(token), None::<&()>).await?;
            groups.extend(page.items.iter().map(|order| GroupKey::Order(order.id).to_string()));
            match page.next_cursor {
                Some(next) if !page.items.is_empty() => cursor = Some(next),
                Some(_) | None => break,
            }
        }
        groups.truncate(count);
        Ok(groups)
    }

    /// Places `count` orders with this customer's token, `at_once` at a time; their groups.
    ///
    /// # Errors
    /// `Call` when one is refused.
    pub async fn place_orders(
        &self,
        token: &Secret,
        count: usize,
        at_once: usize,
    ) -> Result<Vec<String>, LoadError> {
        let place = |n: usize| async move {
            let body = an_order(n);
            let order: Order = self.call(Method::POST, "/api/v1/orders", Some(token), Some(&body)).await?;
            Ok(GroupKey::Order(order.id).to_string())
        };
        stream::iter(0..count).map(place).buffer_unordered(at_once.max(1)).try_collect().await
    }

    /// Publishes an event. The status, or in words why there was none.
    ///
    /// # Errors
    /// There was no answer: the message may have been accepted.
    pub async fn publish(&self, key: &Secret, body: String) -> Result<StatusCode, String> {
        let request = self
            .client
            .post(format!("{}/api/v1/events", self.base))
            .address(self.address)
            .bearer_auth(&key.0)
            .content_type("application/json");
        let mut answer = request.send_body(body).await.map_err(|error| error.to_string())?;
        // Read to the end, so that the connection can be used again.
        answer.body().limit(LARGEST_ANSWER).await.map_err(|error| error.to_string())?;
        Ok(answer.status())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Option<&impl Serialize>,
    ) -> Result<T, LoadError> {
        let failed =
            |reason: String| LoadError::Call { call: format!("{method} {}{path}", self.base), reason };
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base))
            .address(self.address)
            .insert_header((header::ACCEPT, "application/json"));
        if let Some(token) = token {
            request = request.bearer_auth(&token.0);
        }
        if method == Method::POST {
            request = request.insert_header(("Idempotency-Key", Uuid::now_v7().to_string()));
        }
        let sending = match body {
            Some(body) => request.send_json(body),
            None => request.send(),
        };
        let mut answer = sending.await.map_err(|error| failed(error.to_string()))?;
        let bytes = answer.body().limit(LARGEST_ANSWER).await.map_err(|error| failed(error.to_string()))?;
        if !answer.status().is_success() {
            let text: String = String::from_utf8_lossy(&bytes).chars().take(500).collect();
            return Err(failed(format!("{} {text}", answer.status())));
        }
        serde_json::from_slice(&bytes).map_err(|error| failed(format!("{}: {error}", answer.status())))
    }
}

/// Something to order, a few streets away.
fn an_order(n: usize) -> serde_json::Value {
    // A grid of a few kilometres, so that no two neighbours are the same.
    let north = (n % 40) as f64 * 0.001;
    let east = (n / 40 % 40) as f64 * 0.001;
    json!({
        "pickup": {"latitude": 52.50 + north, "longitude": 13.38 + east, "address": format!("Load Street {n}")},
        "dropoff": {"latitude": 52.51 + north, "longitude": 13.40 + east, "address": format!("Load Square {n}")},
        "items": [{"name": "Load test", "quantity": 1, "unit_price": 500}],
        "payment_method": "cash",
    })
}
