//! Accounts over REST: registering, logging in and out, the own account, and tickets for WebSockets.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::locale::Locale;
use crate::domain::principal::Role;
use crate::protocol::views::UserView;
use crate::services::accounts::{self, LogIn, LoggedIn, NewUser, Registration, TokenPair};
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::tokens::TICKET_LIFETIME;

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, json};
use super::settings::{self, ClientAddr};

/// The routes of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/auth/register").route(web::post().to(register)))
        .service(web::resource("/auth/login").route(web::post().to(log_in)))
        .service(web::resource("/auth/refresh").route(web::post().to(refresh)))
        .service(web::resource("/auth/logout").route(web::post().to(log_out)))
        .service(web::resource("/me").route(web::get().to(me)).route(web::patch().to(change_me)))
        .service(web::resource("/realtime/token").route(web::get().to(realtime_token)));
}

/// A role that one can register with.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnRole {
    /// Places orders.
    Customer,
    /// Carries them out.
    Partner,
}

impl From<OwnRole> for Role {
    fn from(role: OwnRole) -> Self {
        match role {
            OwnRole::Customer => Self::Customer,
            OwnRole::Partner => Self::Partner,
        }
    }
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// For logging in. The case of letters does not matter.
    #[schema(examples("ada@example.org"))]
    email: String,
    /// 8 to 200 characters.
    #[schema(min_length = 8, max_length = 200)]
    password: String,
    /// As others see it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What the account is for.
    role: OwnRole,
    /// The language of notifications, as a tag: `en`, `de`, `de-AT`. By default the best match for
    /// `Accept-Language`.
    #[serde(default)]
    locale: Option<String>,
}

/// The key to an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The case of letters does not matter.
    email: String,
    /// As it was typed.
    password: String,
}

/// What is to be another than before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeChange {
    /// The language of notifications, as a tag: `en`, `de`, `de-AT`.
    #[serde(default)]
    locale: Option<String>,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// From registering, logging in, or the last refresh.
    refresh: String,
    /// 16 to 100 random characters, a UUID say: sent again with the same token, because the answer was lost, it gets that answer.
    #[serde(default)]
    #[schema(min_length = 16, max_length = 100)]
    attempt: Option<String>,
}

/// What ends a log-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutRequest {
    /// From registering, logging in, or the last refresh.
    refresh: String,
}

/// A ticket for one WebSocket handshake.
#[derive(Serialize, ToSchema)]
pub struct RealtimeToken {
    /// Good for one handshake.
    token: String,
    /// Complete with the token; can be opened as it is.
    #[schema(examples("wss://shop.example/ws/notifications/?token=eyJ0…"))]
    ws_url: String,
    /// Seconds until it is good for none.
    expires_in: u64,
}

/// Registers an account and logs it in.
///
/// The answer is not stored, so an `Idempotency-Key` has no effect: a repeated call gets 409.
#[utoipa::path(
    post, path = "/auth/register", context_path = "/api/v1", tag = "accounts",
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "The account, logged in", body = LoggedIn),
        (status = 400, description = "No JSON", body = Problem),
        (status = 409, description = "`email_taken`", body = Problem),
        (status = 422, description = "Fields are wrong", body = Problem),
        (status = 429, description = "Too often from this address", body = Problem),
        (status = 503, description = "The database is not available", body = Problem),
    )
)]
pub async fn register(
    app: web::Data<App>,
    ClientAddr(address): ClientAddr,
    request: HttpRequest,
    body: Body<RegisterRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.value;
    let locale = locale(&request, body.locale.as_deref())?;
    let user = NewUser {
        email: body.email,
        password: body.password,
        name: body.name,
        role: body.role.into(),
        locale,
    };
    let logged_in = accounts::register(&app, Registration { user, address }).await?;
    Ok(private(StatusCode::CREATED, &logged_in))
}

/// Logs in.
///
/// An unknown address and a wrong password get the same answer. The answer is not stored, so an
/// `Idempotency-Key` has no effect: a repeated call is one more log-in.
#[utoipa::path(
    post, path = "/auth/login", context_path = "/api/v1", tag = "accounts",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "The account, and a fresh log-in", body = LoggedIn),
        (status = 400, description = "No JSON", body = Problem),
        (status = 401, description = "`invalid_credentials`", body = Problem),
        (status = 422, description = "Fields are wrong", body = Problem),
        (status = 429, description = "Too many failures", body = Problem),
        (status = 503, description = "The database is not available", body = Problem),
    )
)]
pub async fn log_in(
    app: web::Data<App>,
    ClientAddr(address): ClientAddr,
    body: Body<LoginRequest>,
) -> Result<HttpResponse, ApiError> {
    let LoginRequest { email, password } = body.value;
    let logged_in = accounts::log_in(&app, LogIn { email, password, address }).await?;
    Ok(private(StatusCode::OK, &logged_in))
}

/// Exchanges a refresh token for a fresh pair of tokens.
///
/// Each refresh token is good for one exchange. One that comes a second time ends its whole log-in, with all of
/// its tokens and WebSocket sessions, unless it comes with the same `attempt` and what it was exchanged for has not been used:
/// then the answer was lost, and is given again, with a fresh access token. An `Idempotency-Key` changes nothing.
#[utoipa::path(
    post, path = "/auth/refresh", context_path = "/api/v1", tag = "accounts",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The next pair", body = TokenPair),
        (status = 400, description = "No JSON", body = Problem),
        (
            status = 401,
            description = "`token_invalid`, `token_expired`, `token_revoked`, `token_reused`, `user_unknown`",
            body = Problem
        ),
        (status = 422, description = "Fields are wrong", body = Problem),
        (status = 503, description = "The database is not available", body = Problem),
    )
)]
pub async fn refresh(app: web::Data<App>, body: Body<RefreshRequest>) -> Result<HttpResponse, ApiError> {
    let RefreshRequest { refresh, attempt } = body.value;
    let tokens = accounts::refresh(&app, &refresh, attempt.as_deref()).await?;
    Ok(private(StatusCode::OK, &tokens))
}

/// Ends the log-in that a refresh token belongs to, its access tokens and WebSocket sessions included.
///
/// Ending twice is ending once. What is no refresh token ends nothing and gets the same answer.
#[utoipa::path(
    post, path = "/auth/logout", context_path = "/api/v1", tag = "accounts",
    request_body = LogoutRequest,
    responses(
        (status = 204, description = "It has ended"),
        (status = 400, description = "No JSON", body = Problem),
        (status = 422, description = "Fields are wrong", body = Problem),
        (status = 503, description = "The database is not available", body = Problem),
    )
)]
pub async fn log_out(app: web::Data<App>, body: Body<LogoutRequest>) -> Result<HttpResponse, ApiError> {
    accounts::log_out(&app, &body.value.refresh).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The own account.
#[utoipa::path(
    get, path = "/me", context_path = "/api/v1", tag = "accounts",
    responses(
        (status = 200, description = "The account", body = UserView),
        (status = 401, description = "No, a bad or an expired token", body = Problem),
        (status = 503, description = "The database is not available", body = Problem),
    ),
    security(("bearer" = []))
)]
pub async fn me(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    Ok(private(StatusCode::OK, &accounts::me(&app, &caller.0).await?))
}

/// Change the own account.
///
/// What is left out stays. Notifications that are made from then on are in the new language, those of before as they were.
#[utoipa::path(
    patch, path = "/me", context_path = "/api/v1", tag = "accounts",
    request_body = MeChange,
    responses(
        (status = 200, description = "The account as it is now", body = UserView),
        (status = 401, description = "No, a bad or an expired token", body = Problem),
        (status = 422, description = "Fields are wrong", body = Problem),
        (status = 503, description = "The database is not available", body = Problem),
    ),
    security(("bearer" = []))
)]
pub async fn change_me(
    app: web::Data<App>,
    caller: Caller,
    body: Body<MeChange>,
) -> Result<HttpResponse, ApiError> {
    let locale = body.value.locale.as_deref().map(tagged).transpose()?;
    Ok(private(StatusCode::OK, &accounts::change(&app, &caller.0, locale).await?))
}

/// A ticket for one WebSocket handshake within 60 s, and the URL to open with it.
#[utoipa::path(
    get, path = "/realtime/token", context_path = "/api/v1", tag = "accounts",
    responses(
        (status = 200, description = "The ticket", body = RealtimeToken),
        (status = 401, description = "No, a bad or an expired token", body = Problem),
        (status = 503, description = "The database is not available", body = Problem),
    ),
    security(("bearer" = []))
)]
pub async fn realtime_token(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let token = accounts::realtime_token(&app, &caller.0)?.token;
    let ws_url = settings::of(&request).websocket_url(&request, "/ws/notifications/", &token)?;
    let answer = RealtimeToken { token, ws_url, expires_in: TICKET_LIFETIME.as_secs() };
    Ok(private(StatusCode::OK, &answer))
}

/// The language that was asked for, or the best match for what the browser says.
fn locale(request: &HttpRequest, asked: Option<&str>) -> Result<Locale, ServiceError> {
    if let Some(tag) = asked {
        return tagged(tag);
    }
    let header = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Ok(header.and_then(Locale::from_accept_language).unwrap_or_default())
}

fn tagged(tag: &str) -> Result<Locale, ServiceError> {
    Locale::from_tag(tag).ok_or_else(|| ServiceError::invalid("locale", "invalid", "expected en or de"))
}

/// An answer that nobody on the way may keep (RFC 9111, section 5.2.2.5).
fn private<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    let mut answer = json(status, body);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests;
