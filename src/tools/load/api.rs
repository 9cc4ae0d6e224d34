//! The calls of the server's HTTP interface that this client needs.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::error::LoadError;
use crate::domain::group::GroupKey;
use crate::domain::ids::OrderId;
use crate::tools::client::credentials::{LogIn, Secret};
use crate::tools::client::http::{self, Http};

/// Orders asked for at once; the server gives no more.
const PAGE: usize = 200;

/// The server's HTTP interface. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    http: Http,
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
        Self { http: Http::new(base, address, connections, timeout) }
    }

    /// An access token for `who`.
    ///
    /// # Errors
    /// `Call` when refused.
    pub async fn log_in(&self, who: &LogIn) -> Result<Secret, LoadError> {
        Ok(self.http.log_in(who).await?.access)
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
            let page: Page = self.http.call(Method::GET, &path, Some(token), None::<&()>).await?;
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
            let order: Order =
                self.http.call(Method::POST, "/api/v1/orders", Some(token), Some(&body)).await?;
            Ok(GroupKey::Order(order.id).to_string())
        };
        stream::iter(0..count).map(place).buffer_unordered(at_once.max(1)).try_collect().await
    }

    /// Publishes an event. The status, or in words why there was none.
    ///
    /// # Errors
    /// There was no answer: the message may have been accepted.
    pub async fn publish(&self, key: &Secret, body: String) -> Result<StatusCode, String> {
        let request = self.http.request(Method::POST, "/api/v1/events").bearer_auth(&key.0);
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let answer = request.send().await.map_err(|error| http::describe(&error))?;
        let status = answer.status();
        http::read(answer).await?;
        Ok(status)
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
