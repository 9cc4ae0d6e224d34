//! Calls over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use awc::http::Method;
use awc::http::header::HeaderMap;
use serde_json::Value;

/// Calls a server, with or without a token.
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or a string when it is none, or null when there is none.
    pub body: Value,
    call: String,
}

impl Client {
    /// Calls whatever listens there.
    pub fn new(address: SocketAddr, token: Option<String>) -> Self {
        Self { address, token }
    }

    /// `GET /api/v1…`
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, &format!("/api/v1{path}"), &[], None).await
    }

    /// `POST /api/v1…` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_with(path, &[], body).await
    }

    /// `POST /api/v1…` with headers, such as `Idempotency-Key`.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        self.call(Method::POST, &format!("/api/v1{path}"), headers, Some(body)).await
    }

    /// `PUT /api/v1…` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, &format!("/api/v1{path}"), &[], Some(body)).await
    }

    /// Deletes what is at a path below `/api/v1`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, &format!("/api/v1{path}"), &[], None).await
    }

    /// Any call; `path` is all of it. Each comes in through a connection of its own.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let media = [("Content-Type", "application/json")];
        let (media, body) = match body {
            Some(body) => (media.as_slice(), body.to_string().into_bytes()),
            None => ([].as_slice(), Vec::new()),
        };
        self.call_raw(method, path, &[headers, media].concat(), body).await
    }

    /// Any call with any bytes for a body.
    pub async fn call_raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let call = format!("{method} {path}");
        let client = awc::Client::builder().timeout(Duration::from_secs(30)).finish();
        let mut request = client.request(method, format!("http://{}{path}", self.address));
        if let Some(token) = &self.token {
            request = request.insert_header(("Authorization", format!("Bearer {token}")));
        }
        for &header in headers {
            request = request.insert_header(header);
        }
        let sent = if body.is_empty() { request.send().await } else { request.send_body(body).await };
        let mut response = sent.unwrap_or_else(|error| panic!("{call}: {error}"));
        let bytes = response.body().limit(16 << 20).await;
        let bytes = bytes.unwrap_or_else(|error| panic!("{call}: {error}"));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = match serde_json::from_str(&text) {
            Ok(json) => json,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::String(text),
        };
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), body, call }
    }
}

impl Answer {
    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.call, self.body);
        self.body
    }

    /// The body of a refusal that must have this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let content_type = self.header("content-type").unwrap_or_default().to_owned();
        assert_eq!(
            (self.status, self.body["code"].as_str(), content_type.as_str()),
            (status, Some(code), "application/problem+json"),
            "{}: {}",
            self.call,
            self.body
        );
        assert_eq!(self.body["status"], status, "{}", self.call);
        self.body
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }
}
