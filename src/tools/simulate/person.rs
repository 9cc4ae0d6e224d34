//! A person with an account: logs in, stays logged in, and makes calls.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::trouble::Trouble;
use crate::tools::client::credentials::{LogIn, Secret};
use crate::tools::client::http::{CallError, Http, TokenPair};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A token with less left than this is renewed first.
const MARGIN: Duration = Duration::from_secs(30);

/// A person with an account.
pub struct Person {
    log_in: LogIn,
    http: Http,
    tokens: RefCell<Option<TokenPair>>,
}

impl Person {
    /// Who logs in with `log_in` at the server at `base` and `address`.
    #[must_use]
    pub fn new(log_in: LogIn, base: &str, address: SocketAddr) -> Self {
        Self { log_in, http: Http::new(base, address, 2, PATIENCE), tokens: RefCell::new(None) }
    }

    /// For the log.
    #[must_use]
    pub fn name(&self) -> &str {
        self.log_in.email.split('@').next().unwrap_or_default()
    }

    /// An access token that is good for a while.
    ///
    /// # Errors
    /// When neither a refresh nor a log-in gives one.
    pub async fn access(&self) -> Result<Secret, CallError> {
        let access = self.tokens.borrow().as_ref().map(|pair| pair.access.clone());
        match access {
            Some(access) if lasts(&access, MARGIN) => Ok(access),
            Some(_) | None => self.renew().await,
        }
    }

    /// A fresh access token.
    ///
    /// # Errors
    /// When neither a refresh nor a log-in gives one.
    pub async fn renew(&self) -> Result<Secret, CallError> {
        // Good for one use: whatever comes of this, it is not used again.
        let refresh = self.tokens.borrow_mut().take().map(|pair| pair.refresh);
        let pair = match refresh {
            Some(refresh) => {
                let body = json!({"refresh": refresh.0});
                let renewed = self.http.call(Method::POST, "/api/v1/auth/refresh", None, Some(&body)).await;
                match renewed {
                    Ok(pair) => pair,
                    Err(error) if error.refusal().is_some_and(|refusal| refusal.status.is_client_error()) => {
                        self.http.log_in(&self.log_in).await?
                    }
                    Err(error) => return Err(error),
                }
            }
            None => self.http.log_in(&self.log_in).await?,
        };
        let access = pair.access.clone();
        *self.tokens.borrow_mut() = Some(pair);
        Ok(access)
    }

    /// Reads.
    ///
    /// # Errors
    /// When refused, not answered, or answered with something else than a `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        Ok(self.call(Method::GET, path, None).await?)
    }

    /// Does something that may be refused because the world has moved on; then there is no answer.
    ///
    /// # Errors
    /// When not answered, or refused for another reason.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<Option<T>, Trouble> {
        match self.call(Method::POST, path, Some(body)).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => match error.refusal().map(|refusal| refusal.status) {
                Some(StatusCode::CONFLICT | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) => {
                    log::debug!("{}: {error}", self.name());
                    Ok(None)
                }
                Some(_) | None => Err(error.into()),
            },
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, CallError> {
        let access = self.access().await?;
        let first = self.http.call(method.clone(), path, Some(&access), body).await;
        match first {
            Err(error)
                if error.refusal().is_some_and(|refusal| refusal.status == StatusCode::UNAUTHORIZED) =>
            {
                let access = self.renew().await?;
                self.http.call(method, path, Some(&access), body).await
            }
            Ok(_) | Err(_) => first,
        }
    }
}

/// Whether a token is good for `margin` more, by this machine's clock. One that cannot be read counts as good: the
/// server will say what it thinks of it.
fn lasts(token: &Secret, margin: Duration) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let claims = token.0.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let Some(claims) = claims.and_then(|json| serde_json::from_slice::<Claims>(&json).ok()) else {
        return true;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now + margin < Duration::from_secs(claims.exp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lasts_until_shortly_before_its_end() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let token = |exp: u64| {
            let claims = URL_SAFE_NO_PAD.encode(json!({"exp": exp, "user_id": "x"}).to_string());
            Secret(format!("e30.{claims}.sig"))
        };
        assert!(lasts(&token(now + 300), MARGIN));
        assert!(!lasts(&token(now + 10), MARGIN));
        assert!(!lasts(&token(now - 10), MARGIN));
        assert!(lasts(&Secret("opaque".into()), MARGIN));
    }
}
