//! Calls that may go wrong: the server may be gone before, during or after.

use std::net::SocketAddr;
use std::time::Duration;

use awc::http::Method;
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

/// A client that keeps its connections.
#[derive(Clone)]
pub struct Caller {
    client: awc::Client,
}

/// A call that can be made again: it keeps its `Idempotency-Key`.
#[derive(Clone)]
pub struct Call {
    method: Method,
    path: String,
    token: String,
    key: String,
    body: Option<Value>,
}

impl Call {
    /// `GET /api/v1…`
    pub fn get(token: &str, path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), token: token.into(), key: String::new(), body: None }
    }

    /// `POST /api/v1…`
    pub fn post(token: &str, path: impl Into<String>, body: Value) -> Self {
        let key = Uuid::new_v4().to_string();
        Self { method: Method::POST, path: path.into(), token: token.into(), key, body: Some(body) }
    }

    /// The same once more, as a call of its own.
    pub fn anew(self) -> Self {
        Self { key: Uuid::new_v4().to_string(), ..self }
    }
}

impl Caller {
    /// A client that waits a good while for answers.
    pub fn new() -> Self {
        Self::with_patience(Duration::from_secs(30))
    }

    /// A client that waits so long for an answer.
    pub fn with_patience(patience: Duration) -> Self {
        let connector = awc::Connector::new().limit(64).timeout(patience * 2 / 3);
        let client = awc::Client::builder().connector(connector).timeout(patience).finish();
        Self { client }
    }

    /// Makes a call once. `Err` when there is no answer, or half of one.
    pub async fn once(&self, address: SocketAddr, call: &Call) -> Result<(u16, Value), String> {
        let url = format!("http://{address}/api/v1{}", call.path);
        let mut request = self.client.request(call.method.clone(), url).bearer_auth(&call.token);
        if !call.key.is_empty() {
            request = request.insert_header(("Idempotency-Key", call.key.as_str()));
        }
        let sent = match &call.body {
            Some(body) => request.send_json(body).await,
            None => request.send().await,
        };
        let mut answer = sent.map_err(|error| error.to_string())?;
        let bytes = answer.body().limit(16 << 20).await.map_err(|error| error.to_string())?;
        let body = if bytes.is_empty() { Value::Null } else { parse(&bytes)? };
        Ok((answer.status().as_u16(), body))
    }

    /// Tells of an event, as the payment provider does, and gives the status of the answer, if there is one.
    pub async fn tell(&self, address: SocketAddr, signature: &str, event: &Value) -> Result<u16, String> {
        let request = self.client.post(format!("http://{address}/api/v1/payments/webhooks/test"));
        let request = request.insert_header(("Webhook-Signature", signature));
        let answer = request.send_json(event).await.map_err(|error| error.to_string())?;
        Ok(answer.status().as_u16())
    }

    /// The text of a page outside the API, such as `/metrics`, with its status.
    pub async fn page(&self, address: SocketAddr, path: &str) -> (u16, String) {
        let mut answer = self.client.get(format!("http://{address}{path}")).send().await.expect("an answer");
        let bytes = answer.body().limit(16 << 20).await.expect("all of it");
        (answer.status().as_u16(), String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    /// One of the operator's figures, summed over its labels.
    pub async fn figure(&self, address: SocketAddr, name: &str) -> f64 {
        let (status, text) = self.page(address, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        text.lines().filter_map(|line| value_of(line, name)).sum()
    }

    /// Asks for a page until it has this status.
    pub async fn until_status(&self, address: SocketAddr, path: &str, status: u16) {
        loop {
            match self.page(address, path).await {
                (got, _) if got == status => return,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Asks for a figure until it fits.
    pub async fn until_figure(&self, address: SocketAddr, name: &str, fits: impl Fn(f64) -> bool) {
        while !fits(self.figure(address, name).await) {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("{error}: {}", String::from_utf8_lossy(bytes)))
}

fn value_of(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    if !rest.starts_with(['{', ' ']) {
        return None;
    }
    rest.rsplit(' ').next()?.parse().ok()
}
