//! Around every request: its id, its line in the log, its figures, and a body for answers that have none.

use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use uuid::Uuid;

use crate::services::app::App;

use super::error::ApiError;
use super::ops::is_ops;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client, bytes.
const MAX_ID: usize = 64;

/// The id of a request, for the log lines that it causes. In the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The client's own id when it is sane, or a fresh one.
    fn of(request: &ServiceRequest) -> Self {
        let own = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
        match own.filter(|id| is_sane(id)) {
            Some(id) => Self(id.into()),
            None => Self(Uuid::now_v7().to_string()),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Marks a request whose body cannot be read: it asks for WebSocket, and whatever follows its head is taken for frames.
#[derive(Debug, Clone, Copy)]
pub struct Bodiless;

/// Whether an id can stand in a log and in a header without doing harm there.
fn is_sane(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The middleware.
///
/// # Errors
/// Those of the routes inside, none of its own.
pub async fn around(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let begin = Instant::now();
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let is_bodiless = request.extensions().get::<Bodiless>().is_some();
    let mut response = if is_bodiless && request.method() != Method::GET {
        // A route would act as if it had no body.
        let problem = ApiError::Http {
            status: StatusCode::BAD_REQUEST,
            code: "bad_handshake",
            detail: "Only GET asks for WebSocket.".into(),
        };
        request.into_response(problem.error_response())
    } else {
        with_problem(next.call(request).await?)
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    account(&response, &id, begin);
    Ok(response)
}

/// actix-web answers a method that a route does not take with an empty 405.
fn with_problem(response: ServiceResponse) -> ServiceResponse {
    let is_bare = response.status() == StatusCode::METHOD_NOT_ALLOWED
        && !response.headers().contains_key(header::CONTENT_TYPE);
    if !is_bare {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let problem = ApiError::Http {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "method_not_allowed",
        detail: format!(
            "This resource does not take {}; Allow names what it takes.",
            response.request().method()
        ),
    };
    let mut answer = problem.error_response();
    // RFC 9110, section 15.5.6: Allow has to be there, empty if need be.
    answer.headers_mut().insert(header::ALLOW, allow.unwrap_or(HeaderValue::from_static("")));
    response.into_response(answer)
}

fn account(response: &ServiceResponse, id: &RequestId, begin: Instant) {
    let took = begin.elapsed();
    let request = response.request();
    // The pattern, never the path or the query: they hold ids and tokens.
    let pattern = request.match_pattern();
    let route = pattern.as_deref().unwrap_or("none");
    let (method, status) = (method(request.method()), response.status());
    if let Some(app) = request.app_data::<web::Data<App>>() {
        let labels = [route, method, status.as_str()];
        app.metrics().http.with_label_values(&labels).observe(took.as_secs_f64());
    }
    let level = match status {
        _ if is_ops(route) => log::Level::Debug,
        StatusCode::INTERNAL_SERVER_ERROR => log::Level::Error,
        status if status.is_server_error() => log::Level::Warn,
        _ => log::Level::Debug,
    };
    if !log::log_enabled!(level) {
        return;
    }
    let took_ms = took.as_secs_f64() * 1000.0;
    let took_ms = (took_ms * 1000.0).round() / 1000.0;
    let (request_id, status) = (id.as_str(), status.as_u16());
    match response.response().error() {
        Some(error) => {
            log::log!(level, request_id, method, route, status, took_ms, error:%; "request failed");
        }
        None => log::log!(level, request_id, method, route, status, took_ms; "request"),
    }
}

/// The methods of RFC 9110 and RFC 5789; a client may send any word, and each would be a figure of its own.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        // Any other text: methods are an open set.
        _ => "other",
    }
}

/// Where no route leads.
pub async fn not_found(_: HttpRequest) -> HttpResponse {
    ApiError::no_such_route().error_response()
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
    use serde_json::Value;

    use super::*;

    #[test]
    fn ids_that_could_do_harm_are_not_sane() {
        for id in ["a", "018f-2.x_Y", &"x".repeat(64)] {
            assert!(is_sane(id), "{id}");
        }
        for id in ["", "a b", "a\"b", "a\nb", "ü", "a;b", "a=b", "{}", &"x".repeat(65)] {
            assert!(!is_sane(id), "{id}");
        }
    }

    async fn answer(request: TestRequest) -> (StatusCode, Option<String>, Option<String>, Value) {
        let app = actix_web::App::new()
            .wrap(from_fn(around))
            .service(
                web::resource("/thing")
                    .route(web::get().to(async || HttpResponse::Ok().json("x")))
                    .route(web::put().to(async || HttpResponse::Ok().json("x"))),
            )
            .default_service(web::to(not_found));
        let service = init_service(app).await;
        let response = call_service(&service, request.to_request()).await;
        let text = |name: HeaderName| {
            response.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned())
        };
        let (status, id, allow) = (response.status(), text(REQUEST_ID), text(header::ALLOW));
        (status, id, allow, read_body_json(response).await)
    }

    #[actix_web::test]
    async fn a_sane_id_comes_back_and_others_are_replaced() {
        let with = |id: &str| TestRequest::get().uri("/thing").insert_header((REQUEST_ID, id));
        let (_, id, ..) = answer(with("my-id.7")).await;
        assert_eq!(id.as_deref(), Some("my-id.7"));
        for request in [with("not sane"), with(""), TestRequest::get().uri("/nowhere")] {
            let (_, id, ..) = answer(request).await;
            let id = id.expect("every answer has one");
            assert!(Uuid::parse_str(&id).is_ok(), "{id}");
        }
    }

    #[actix_web::test]
    async fn what_is_not_there_is_a_problem() {
        let (status, _, _, body) = answer(TestRequest::get().uri("/nowhere")).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &"route_not_found".into()));
    }

    #[actix_web::test]
    async fn a_method_that_is_not_taken_is_a_problem_that_names_those_that_are() {
        let (status, _, allow, body) = answer(TestRequest::delete().uri("/thing")).await;
        assert_eq!((status, &body["code"]), (StatusCode::METHOD_NOT_ALLOWED, &"method_not_allowed".into()));
        assert_eq!(allow.as_deref(), Some("GET, PUT"));
    }
}
