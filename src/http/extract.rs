//! What handlers take from a request: the caller, the body, the page that is asked for.

use std::pin::Pin;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::domain::principal::{Principal, Role};
use crate::services::accounts::authenticate;
use crate::services::app::{App, Reply};
use crate::services::error::{FieldError, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::services::tokens::TokenType;

use super::error::ApiError;

/// The largest body, bytes: an upload of as many samples as may be, with all that each can say, has room.
pub const MAX_BODY: usize = 512 * 1024;
/// The longest `Idempotency-Key`, bytes.
const MAX_KEY: usize = 255;

type LocalFuture<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// The user whose access token came in `Authorization: Bearer`.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub Principal);

impl Caller {
    /// # Errors
    /// `Forbidden` unless the caller has this role.
    pub fn must_be(&self, role: Role) -> Result<&Principal, ServiceError> {
        self.must_be_one_of(&[role])
    }

    /// # Errors
    /// `Forbidden` unless the caller has one of these roles.
    pub fn must_be_one_of(&self, roles: &[Role]) -> Result<&Principal, ServiceError> {
        if roles.contains(&self.0.role) {
            return Ok(&self.0);
        }
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        let detail = format!("Only a user with the role {} may do this.", roles.join(" or "));
        Err(ServiceError::forbidden("role_not_allowed", detail))
    }
}

/// The token of `Authorization: Bearer`; the scheme in any case (RFC 9110, section 11.1).
#[must_use]
pub fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The parts that every handler may use.
///
/// # Panics
/// Never: `routes` puts the `App` there; without it the request fails as an internal fault.
fn app(request: &HttpRequest) -> Result<App, ApiError> {
    let missing = || ApiError::Service(ServiceError::Internal("the App is not configured".into()));
    request.app_data::<web::Data<App>>().map(|app| app.get_ref().clone()).ok_or_else(missing)
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = LocalFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = bearer(request).unwrap_or_default().to_owned();
        let app = app(request);
        Box::pin(async move {
            let authenticated = authenticate(&app?, &token, &[TokenType::Access]).await?;
            Ok(Self(authenticated.principal))
        })
    }
}

/// A JSON body of which every field is known and of the right type, and the key that the call may come with.
#[derive(Debug)]
pub struct Body<T> {
    /// What was sent.
    pub value: T,
    raw: web::Bytes,
    key: Option<String>,
    route: String,
}

impl<T> Body<T> {
    /// The `Idempotency-Key`, if the call came with one.
    #[must_use]
    pub fn idempotency(&self, caller: &Principal) -> Option<Idempotency> {
        self.idempotency_of(&caller.user_id.to_string())
    }

    /// The same, for a caller who is no user. Each scope has keys of its own.
    #[must_use]
    pub fn idempotency_of(&self, scope: &str) -> Option<Idempotency> {
        let key = self.key.clone()?;
        Some(Idempotency::new(scope, key, &self.route, &self.raw))
    }

    /// The same, for a call that is repeated with another body, of which only `part` is what it was.
    #[must_use]
    pub fn idempotency_by(&self, caller: &Principal, part: &impl Serialize) -> Option<Idempotency> {
        let (key, part) = (self.key.clone()?, crate::protocol::server::to_json(part));
        Some(Idempotency::new(&caller.user_id.to_string(), key, &self.route, part.as_bytes()))
    }
}

/// A body as it came, for what is signed: nothing is read of it before that is known to be good.
#[derive(Debug)]
pub struct Raw(pub web::Bytes);

impl FromRequest for Raw {
    type Error = ApiError;
    type Future = LocalFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move { bytes.await.map(Self).map_err(|error| unreadable(&error)) })
    }
}

/// A body of a call that needs none: absent, empty, or `{}`.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = LocalFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let key = idempotency_key(request);
        let route = format!("{} {}", request.method(), request.path().trim_end_matches('/'));
        let is_json = is_json(request);
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let raw = bytes.await.map_err(|error| unreadable(&error))?;
            if !raw.is_empty() && !is_json {
                return Err(ApiError::Http {
                    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    code: "unsupported_media_type",
                    detail: "Send JSON, with Content-Type: application/json.".into(),
                });
            }
            let value = parse_json(if raw.is_empty() { b"{}" } else { &raw })?;
            Ok(Self { value, raw, key: key?, route })
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn unreadable(error: &actix_web::Error) -> ApiError {
    let status = error.as_response_error().status_code();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("The body is larger than {MAX_BODY} bytes.");
        return ApiError::Http { status, code: "body_too_large", detail };
    }
    ApiError::Http {
        status: StatusCode::BAD_REQUEST,
        code: "unreadable_body",
        detail: "The body could not be read to its end.".into(),
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let Some(value) = request.headers().get("Idempotency-Key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        Ok(_) | Err(_) => Err(ApiError::Service(ServiceError::invalid(
            "Idempotency-Key",
            "invalid",
            format!("expected 1 to {MAX_KEY} printable ASCII characters"),
        ))),
    }
}

/// Reads a JSON object, and names the field that is wrong.
///
/// # Errors
/// 400 `bad_json` when it is no JSON (RFC 8259), 422 `invalid_fields` when it is JSON of another shape.
pub fn parse_json<T: DeserializeOwned>(raw: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(raw).map_err(|_| bad_json("it is not UTF-8"))?;
    // Asked first: what is read into a type may be refused before its end is seen, and as broken JSON when a word
    // is expected and a number found.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| bad_json(&error.to_string()))?;
    // The derived readers would take an array for an object.
    if !text.trim_start().starts_with('{') {
        return Err(ServiceError::invalid("", "invalid", "expected an object").into());
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        describe(path, error.inner())
    })
}

fn bad_json(problem: &str) -> ApiError {
    ApiError::Http {
        status: StatusCode::BAD_REQUEST,
        code: "bad_json",
        detail: format!("The body is not JSON: {problem}."),
    }
}

/// What is wrong with JSON that does not fit its type.
fn describe(path: String, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    // The position is of no use to a client that builds its JSON with a library.
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let (named, code) = name_field(&message);
    let parent = if path == "." { String::new() } else { path };
    let field = match (parent.as_str(), named) {
        ("", Some(name)) => name,
        // The path of an unknown field ends with it already.
        (parent, Some(name)) if code == "unknown" && parent.ends_with(name.as_str()) => parent.into(),
        (parent, Some(name)) => format!("{parent}.{name}"),
        (parent, None) => parent.into(),
    };
    ApiError::Service(ServiceError::Invalid(vec![FieldError::new(field, code, message)]))
}

/// The field that a message of serde's names, and what is wrong with it.
fn name_field(message: &str) -> (Option<String>, &'static str) {
    let quoted = |prefix: &str| {
        let rest = message.strip_prefix(prefix)?.strip_prefix('`')?;
        rest.split_once('`').map(|(name, _)| name.to_owned())
    };
    if let Some(name) = quoted("missing field ") {
        return (Some(name), "missing");
    }
    if let Some(name) = quoted("unknown field ") {
        return (Some(name), "unknown");
    }
    if let Some(name) = quoted("duplicate field ") {
        return (Some(name), "duplicate");
    }
    (None, "invalid")
}

/// The query string, of which every parameter is known and of the right type.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let reader = serde_urlencoded_pairs(request.query_string());
        let value = serde_path_to_error::deserialize(reader).map(Self).map_err(|error| {
            let message = error.inner().to_string();
            let (named, code) = name_field(&message);
            let path = error.path().to_string();
            let field = named.unwrap_or(if path == "." { "query".into() } else { path });
            ApiError::Service(ServiceError::Invalid(vec![FieldError::new(field, code, message)]))
        });
        std::future::ready(value)
    }
}

fn serde_urlencoded_pairs(query: &str) -> serde_urlencoded::Deserializer<'_> {
    serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()))
}

/// An id out of the path. One that cannot be an id names nothing: 404.
///
/// # Errors
/// `NotFound`.
pub fn path_id<T: FromStr>(text: &str, what: &'static str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::Service(ServiceError::NotFound { what }))
}

/// An answer with a JSON body.
#[must_use]
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(crate::protocol::server::to_json(body))
}

/// An answer that was kept, or is now.
#[must_use]
pub fn reply(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut answer = HttpResponse::build(status);
    if reply.replayed {
        answer.insert_header(("Idempotency-Replayed", "true"));
    }
    if status == StatusCode::NO_CONTENT {
        return answer.finish();
    }
    answer.content_type("application/json").body(reply.body)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its type matters here")]
        size: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its type matters here")]
        items: Vec<Inner>,
    }

    fn field(text: &str) -> (String, String) {
        match parse_json::<Outer>(text.as_bytes()) {
            Err(ApiError::Service(ServiceError::Invalid(errors))) => {
                (errors[0].field.clone(), errors[0].code.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_field_that_is_wrong_is_named_with_its_path() {
        let pair = |field: &str, code: &str| (field.to_owned(), code.to_owned());
        assert_eq!(field("{}"), pair("items", "missing"));
        assert_eq!(field(r#"{"items":[],"itmes":1}"#), pair("itmes", "unknown"));
        assert_eq!(field(r#"{"items":[{"size":1},{}]}"#), pair("items[1].size", "missing"));
        assert_eq!(field(r#"{"items":[{"size":-1}]}"#), pair("items[0].size", "invalid"));
        assert_eq!(field(r#"{"items":[{"size":1,"sise":2}]}"#), pair("items[0].sise", "unknown"));
        assert_eq!(field(r#"{"items":7}"#), pair("items", "invalid"));
        assert_eq!(field(r#"{"items":[{"size":1e999}]}"#), pair("items[0].size", "invalid"));
        assert_eq!(field("[]"), pair("", "invalid"));
        assert_eq!(field("[[]]"), pair("", "invalid"), "an array is no object, though its entries would fit");
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        let texts: [&[u8]; 7] = [
            b"",
            b"{",
            b"{\"items\":[]} x",
            b"{\"itmes\":}",
            b"nul",
            b"{\"items\":[NaN]}",
            b"{\"items\":\"\xff\"}",
        ];
        for text in texts {
            let status = match parse_json::<Outer>(text) {
                Err(ApiError::Http { code, .. }) => code,
                other => panic!("{text:?}: {other:?}"),
            };
            assert_eq!(status, "bad_json");
        }
    }
}
