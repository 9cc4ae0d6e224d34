//! Calls of the server's HTTP interface.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::credentials::{LogIn, Secret};

/// Largest answer read, bytes: a page of full orders.
const LARGEST_ANSWER: usize = 4 << 20;
/// Shorter than servers keep an idle connection, so that none is closed just as it is used again.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Most of a refusal that is kept, characters.
const WORDS: usize = 500;

/// The server's HTTP interface. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    client: Client,
    base: Rc<str>,
}

/// A call that did not do what it was made for.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {failure}")]
pub struct CallError {
    /// Method and URL.
    pub call: String,
    /// What became of it.
    pub failure: Failure,
}

/// What became of a call.
#[derive(Debug)]
pub enum Failure {
    /// There was no answer, and why: the server may have done it.
    NoAnswer(String),
    /// The server refused.
    Refused(Refusal),
    /// The server did it, and its answer is not understood.
    Unreadable(String),
}

/// How the server refused.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The problem's `code`, empty where there is none.
    pub code: String,
    /// When to come back, where the server says so.
    pub retry_after: Option<Duration>,
    /// The beginning of the answer's body.
    pub body: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(reason) | Self::Unreadable(reason) => f.write_str(reason),
            Self::Refused(refusal) => write!(f, "{} {}", refusal.status, refusal.body),
        }
    }
}

impl CallError {
    /// How the server refused, if it did.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.failure {
            Failure::Refused(refusal) => Some(refusal),
            Failure::NoAnswer(_) | Failure::Unreadable(_) => None,
        }
    }
}

/// The tokens of a log-in.
#[derive(Debug, Clone, Deserialize)]
pub struct TokenPair {
    /// For calls and sockets.
    pub access: Secret,
    /// For the next pair; good for one use.
    pub refresh: Secret,
}

impl Http {
    /// For the server at `base` (without a slash at the end) that listens on `address`; up to `connections` idle
    /// connections are kept.
    #[must_use]
    pub fn new(base: &str, address: SocketAddr, connections: usize, timeout: Duration) -> Self {
        let builder = Client::builder()
            .pool_max_idle_per_host(connections)
            .pool_idle_timeout(KEEP_ALIVE)
            .timeout(timeout)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let host = base.parse::<reqwest::Url>().ok().and_then(|url| url.host_str().map(str::to_owned));
        let builder = match host {
            Some(host) => builder.resolve(&host, address),
            None => builder,
        };
        // TLS and proxies are what could fail, and there are none.
        Self { client: builder.build().unwrap_or_default(), base: base.into() }
    }

    /// A request; `path` starts with a slash.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// The tokens for `who`.
    ///
    /// # Errors
    /// When refused or not answered.
    pub async fn log_in(&self, who: &LogIn) -> Result<TokenPair, CallError> {
        let body = serde_json::json!({"email": who.email, "password": who.password.0});
        self.call(Method::POST, "/api/v1/auth/login", None, Some(&body)).await
    }

    /// Makes a call and reads its answer. A POST carries an `Idempotency-Key` of its own.
    ///
    /// # Errors
    /// When refused, not answered, or answered with something else than a `T`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Option<&impl Serialize>,
    ) -> Result<T, CallError> {
        let key = (method == Method::POST).then(|| Uuid::now_v7().to_string());
        self.call_under(key.as_deref(), method, path, token, body).await
    }

    /// As [`Http::call`], under an `Idempotency-Key` of the caller's, where there is one: a call that is made again under the
    /// same key is done once.
    ///
    /// # Errors
    /// As those of [`Http::call`].
    pub async fn call_under<T: DeserializeOwned>(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Option<&impl Serialize>,
    ) -> Result<T, CallError> {
        let failed = |failure| CallError { call: format!("{method} {}{path}", self.base), failure };
        let no_answer = |reason: String| failed(Failure::NoAnswer(reason));
        let mut request = self.request(method.clone(), path).header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(&token.0);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| no_answer(describe(&error)))?;
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        let bytes = read(answer).await.map_err(no_answer)?;
        if !status.is_success() {
            return Err(failed(Failure::Refused(refusal(status, retry_after, &bytes))));
        }
        // A 204 says all that there is to say.
        let text: &[u8] = if status == StatusCode::NO_CONTENT { b"null" } else { &bytes };
        serde_json::from_slice(text)
            .map_err(|error| failed(Failure::Unreadable(format!("{status}: {error}"))))
    }
}

/// An answer's body, read to its end so that the connection can be used again.
///
/// # Errors
/// In words: it breaks off, or is larger than [`LARGEST_ANSWER`].
pub async fn read(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| describe(&error))? {
        body.extend_from_slice(&part);
        if body.len() > LARGEST_ANSWER {
            return Err(format!("an answer of more than {LARGEST_ANSWER} bytes"));
        }
    }
    Ok(body)
}

/// The error and what caused it: the outermost says little more than that a request failed.
pub fn describe(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Seconds only: a date would need this machine's clock to agree with the server's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn refusal(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Refusal {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
    }
    let code = serde_json::from_slice::<Problem>(body).map(|problem| problem.code).unwrap_or_default();
    let body = String::from_utf8_lossy(body).chars().take(WORDS).collect();
    Refusal { status, code, retry_after, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_code() {
        let problem = br#"{"type":"/docs/problems#version_conflict","code":"version_conflict","status":409}"#;
        assert_eq!(refusal(StatusCode::CONFLICT, None, problem).code, "version_conflict");
        let page = refusal(StatusCode::BAD_GATEWAY, None, b"<html>");
        assert_eq!((page.code.as_str(), page.body.as_str()), ("", "<html>"));
    }
}
