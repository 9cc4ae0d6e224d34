//! A person with an account: logs in, stays logged in, and makes calls.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::rt::time::sleep;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::rules::answers::unexplained;
use super::rules::{Break, shows_code};
use super::trouble::Trouble;
use super::world::Town;
use crate::domain::principal::Role;
use crate::tools::client::credentials::{LogIn, Secret};
use crate::tools::client::http::{CallError, Failure, Http, Refusal, TokenPair};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where wallets are filled. The provider behind it takes its time.
pub const TOP_UP_PATH: &str = "/api/v1/wallet/topups";
/// How long a call may take that has to ask another server.
const ELSEWHERE: Duration = Duration::from_secs(8);
/// How often a call without an answer is made again, and when.
const REPEATS: usize = 2;
const AGAIN: Duration = Duration::from_secs(1);
/// A call that takes longer says that the server has too much to do.
const CALL_LATE: Duration = Duration::from_secs(3);
/// A token with less left than this is renewed first.
const MARGIN: Duration = Duration::from_secs(30);

/// A person with an account.
pub struct Person {
    log_in: LogIn,
    role: Role,
    town: Rc<Town>,
    http: Http,
    tokens: RefCell<Option<TokenPair>>,
}

/// What becomes of a call that may be refused because the world has moved on.
#[derive(Debug)]
pub enum Answer<T> {
    /// It was done.
    Done(T),
    /// It cannot be done, or no more.
    Refused(Refusal),
}

impl<T> Answer<T> {
    /// What was done, if it was.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(answer) => Some(answer),
            Self::Refused(_) => None,
        }
    }
}

impl Person {
    /// Somebody of `town` who logs in with `log_in` at the server at `base` and `address`.
    #[must_use]
    pub fn new(log_in: LogIn, role: Role, town: Rc<Town>, base: &str, address: SocketAddr) -> Self {
        let http = Http::new(base, address, 2, PATIENCE);
        Self { log_in, role, town, http, tokens: RefCell::new(None) }
    }

    /// What the person does here.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// For the log.
    #[must_use]
    pub fn name(&self) -> &str {
        self.log_in.email.split('@').next().unwrap_or_default()
    }

    /// Comes in: with the account that there is, or with one that is made now. Which of both is tried first is what went well
    /// with those who came before: a server bears few answers that there is no such account, or that there is one.
    ///
    /// # Errors
    /// When refused for another reason, or not answered.
    pub async fn come_in(&self, is_known: &Cell<bool>) -> Result<(), CallError> {
        let (is_first_known, mut refusal) = (is_known.get(), None);
        for logs_in in [is_first_known, !is_first_known] {
            let begin = Instant::now();
            let answer = if logs_in { self.http.log_in(&self.log_in).await } else { self.register().await };
            self.town.saw.called(self.name(), begin.elapsed(), answer.as_ref().err());
            let otherwise = if logs_in { "invalid_credentials" } else { "email_taken" };
            match answer {
                Ok(pair) => {
                    *self.tokens.borrow_mut() = Some(pair);
                    return Ok(());
                }
                Err(error) if error.refusal().is_some_and(|refusal| refusal.code == otherwise) => {
                    is_known.set(!logs_in);
                    refusal = Some(error);
                }
                Err(error) => {
                    self.must_be_explained(&error, &[]);
                    return Err(error);
                }
            }
        }
        // Neither is there an account, nor can one be made.
        match refusal {
            Some(error) => {
                self.must_be_explained(&error, &[]);
                Err(error)
            }
            None => Ok(()),
        }
    }

    async fn register(&self) -> Result<TokenPair, CallError> {
        let body = json!({
            "email": self.log_in.email, "password": self.log_in.password.0, "name": self.name(), "role": self.role,
        });
        self.http.call(Method::POST, "/api/v1/auth/register", None, Some(&body)).await
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
        let begin = Instant::now();
        let pair = self.log_in_again().await;
        self.town.saw.called(self.name(), begin.elapsed(), pair.as_ref().err());
        let pair = pair.inspect_err(|error| self.must_be_explained(error, &[]))?;
        let access = pair.access.clone();
        *self.tokens.borrow_mut() = Some(pair);
        Ok(access)
    }

    async fn log_in_again(&self) -> Result<TokenPair, CallError> {
        // Good for one use: whatever comes of this, it is not used again.
        let refresh = self.tokens.borrow_mut().take().map(|pair| pair.refresh);
        if let Some(refresh) = refresh {
            let body = json!({"refresh": refresh.0});
            let renewed = self.http.call(Method::POST, "/api/v1/auth/refresh", None, Some(&body)).await;
            match renewed {
                Err(error) if error.refusal().is_some_and(|refusal| refusal.status.is_client_error()) => {}
                Ok(_) | Err(_) => return renewed,
            }
        }
        self.http.log_in(&self.log_in).await
    }

    /// Reads.
    ///
    /// # Errors
    /// When refused, not answered, or answered with something else than a `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        Ok(self.call(None, Method::GET, path, None, &[]).await?)
    }

    /// Does something that may be refused because the world has moved on, with one of the codes `may`; another refusal breaks
    /// a rule. Without an answer it is done again under the same key, as apps do.
    ///
    /// # Errors
    /// When not answered, or refused for another reason.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        may: &[&str],
    ) -> Result<Answer<T>, Trouble> {
        let key = Uuid::now_v7().to_string();
        let mut repeats = 0;
        loop {
            let error = match self.call(Some(&key), Method::POST, path, Some(body), may).await {
                Ok(answer) => return Ok(Answer::Done(answer)),
                Err(error) => error,
            };
            log::debug!("{}: {error}", self.name());
            let CallError { call, failure } = error;
            match failure {
                Failure::Refused(refusal) if is_of_the_world(&refusal) => {
                    return Ok(Answer::Refused(refusal));
                }
                Failure::NoAnswer(_) if repeats < REPEATS => {
                    repeats += 1;
                    self.town.saw.did("call made again under its key");
                    sleep(AGAIN).await;
                }
                failure @ (Failure::Refused(_) | Failure::NoAnswer(_) | Failure::Unreadable(_)) => {
                    return Err(CallError { call, failure }.into());
                }
            }
        }
    }

    /// Puts something in its place.
    ///
    /// # Errors
    /// When refused or not answered.
    pub async fn put(&self, path: &str, body: &Value) -> Result<(), Trouble> {
        self.call::<Value>(None, Method::PUT, path, Some(body), &[]).await?;
        Ok(())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&Value>,
        may: &[&str],
    ) -> Result<T, CallError> {
        let access = self.access().await?;
        let begin = Instant::now();
        let mut answer = self.http.call_under(key, method.clone(), path, Some(&access), body).await;
        if let Err(error) = &answer
            && error.refusal().is_some_and(|refusal| refusal.status == StatusCode::UNAUTHORIZED)
        {
            let access = self.renew().await?;
            answer = self.http.call_under(key, method.clone(), path, Some(&access), body).await;
        }
        let answer: Result<T, CallError> = answer.and_then(|answer: Value| {
            if self.role != Role::Customer && shows_code(&answer) {
                let expected = "no hand-over code for anybody but the customer";
                self.town.saw.broke(self.name(), Break::new(path, expected, answer.to_string()));
            }
            serde_json::from_value(answer).map_err(|error| {
                let failure = Failure::Unreadable(error.to_string());
                CallError { call: format!("{method} {path}"), failure }
            })
        });
        let took = begin.elapsed();
        let is_asked_elsewhere = path == TOP_UP_PATH && took < ELSEWHERE;
        if took > CALL_LATE && !is_asked_elsewhere {
            self.town.saw.strain();
        }
        self.town.saw.called(self.name(), took, answer.as_ref().err());
        answer.inspect_err(|error| self.must_be_explained(error, may))
    }

    /// A call is refused for a reason that there is.
    fn must_be_explained(&self, CallError { call, failure }: &CallError, may: &[&str]) {
        match failure {
            Failure::Refused(Refusal { status, code, body, .. }) => {
                let broken = unexplained(call, status.as_u16(), code, body, may);
                broken.into_iter().for_each(|broken| self.town.saw.broke(self.name(), broken));
            }
            // These are noted with the call.
            Failure::NoAnswer(_) | Failure::Unreadable(_) => {}
        }
    }
}

fn is_of_the_world(refusal: &Refusal) -> bool {
    [StatusCode::CONFLICT, StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&refusal.status)
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
