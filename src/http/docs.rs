//! What describes the interface, served by the server that it describes: the OpenAPI and AsyncAPI documents,
//! pages to browse them, and the meaning of every problem.
//!
//! The pages load nothing from elsewhere, and their Content-Security-Policy says so.

mod html;

use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;
use utoipa_swagger_ui::Config;

use crate::protocol::asyncapi;
use crate::services::error::ServiceError;

use super::error::ApiError;
use super::{access, openapi, settings};

/// The files of Swagger UI that its page needs.
const ASSETS: [&str; 6] = [
    "favicon-16x16.png",
    "favicon-32x32.png",
    "swagger-initializer.js",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
];

/// Swagger UI writes `style` attributes and shows pictures that are part of its sheet; nothing more is allowed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the documents and their pages.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/openapi.json").route(web::get().to(openapi_document)))
        .service(web::resource("/api/asyncapi.json").route(web::get().to(asyncapi_document)))
        .service(web::resource("/docs").route(web::get().to(browse)))
        .service(web::resource("/docs/frames").route(web::get().to(frames)))
        .service(web::resource("/docs/problems").route(web::get().to(problems)))
        .service(web::resource("/docs/{asset}").route(web::get().to(asset)));
}

/// Under which URL the caller reaches this server, without a slash at its end, and the path of that.
fn base(request: &HttpRequest) -> Result<(String, String), ServiceError> {
    let url = settings::of(request).base_url(request)?;
    let trim = |text: &str| text.trim_end_matches('/').to_owned();
    Ok((trim(url.as_str()), trim(url.path())))
}

/// The OpenAPI document
///
/// Of the REST interface: this document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "documents", responses((status = 200, body = Object))
)]
pub async fn openapi_document(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(document(&openapi::document(&base(&request)?.0)))
}

/// The AsyncAPI document
///
/// Of the frames on WebSockets.
#[utoipa::path(
    get, path = "/api/asyncapi.json", tag = "documents", responses((status = 200, body = Object))
)]
pub async fn asyncapi_document(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(document(&asyncapi::document(&base(&request)?.0)))
}

fn document<T: serde::Serialize>(document: &T) -> HttpResponse {
    let text = crate::protocol::server::to_json(document);
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(text)
}

/// Browse the REST interface
#[utoipa::path(
    get, path = "/docs", tag = "documents",
    responses((status = 200, body = String, content_type = "text/html"))
)]
pub async fn browse(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(page(html::swagger(&base(&request)?.1)))
}

/// Browse the frames
#[utoipa::path(
    get, path = "/docs/frames", tag = "documents",
    responses((status = 200, body = String, content_type = "text/html"))
)]
pub async fn frames(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let (url, path) = base(&request)?;
    let document: Value = asyncapi::document(&url);
    Ok(page(html::frames(&path, &document)))
}

/// What every problem means
///
/// The `type` of each problem leads here.
#[utoipa::path(
    get, path = "/docs/problems", tag = "documents",
    responses((status = 200, body = String, content_type = "text/html"))
)]
pub async fn problems(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(page(html::problems(&base(&request)?.1)))
}

/// A part of the page
///
/// The scripts, the sheet and the pictures of `/docs`.
#[utoipa::path(
    get, path = "/docs/{asset}", tag = "documents",
    params(("asset" = String, Path, description = "A file of Swagger UI")),
    responses(
        (status = 200, body = String, content_type = "text/javascript"),
        (status = 404, body = super::error::Problem),
    )
)]
pub async fn asset(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    if !ASSETS.contains(&name.as_str()) {
        return Ok(access::not_found(request).await);
    }
    let config = Config::new([format!("{}/api/openapi.json", base(&request)?.1)])
        // By default Swagger UI shows a badge for which it sends the document to a server of its makers.
        .validator_url("none")
        .use_base_layout()
        .try_it_out_enabled(true)
        .display_request_duration(true);
    let fault = |what: String| ServiceError::Internal(format!("{name} of Swagger UI: {what}"));
    let file = utoipa_swagger_ui::serve(&name, Arc::new(config))
        .map_err(|error| fault(error.to_string()))?
        .ok_or_else(|| fault("missing".into()))?;
    Ok(HttpResponse::Ok()
        .content_type(file.content_type)
        .insert_header((header::CACHE_CONTROL, "max-age=3600"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(file.bytes.into_owned()))
}

/// A page that may load what is ours and nothing else.
fn page(text: String) -> HttpResponse {
    let headers: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let mut answer = HttpResponse::Ok();
    for (name, value) in headers {
        answer.insert_header((name, HeaderValue::from_static(value)));
    }
    answer.content_type("text/html; charset=utf-8").body(text)
}
