//! For operators: is it alive, is it ready, and its figures.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, Responder, web};
use futures_util::future::join;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::protocol::channel::Route;
use crate::services::app::App;
use crate::services::error::ServiceError;

use super::error::{ApiError, Problem};
use super::extract;

/// How long a part may take to answer before it counts as dead.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the relay may be silent: it looks once a second, and waits for the database at times.
const RELAY_SILENCE: Duration = Duration::from_secs(15);

/// Whether a route is one of these: they are called all the time, and their failures are logged here.
#[must_use]
pub fn is_ops(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz" | "/metrics")
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/healthz").route(web::get().to(healthz)).route(web::head().to(healthz)))
        .service(web::resource("/readyz").route(web::get().to(readyz)).route(web::head().to(readyz)))
        .service(web::resource("/metrics").route(web::get().to(metrics)));
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answered.
    Ok,
    /// It did not, or not in time.
    Failed,
}

/// How the parts are that requests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Parts {
    /// The registries of groups and the directory of sessions.
    pub groups: Health,
    /// Reading from the database, and writing to it.
    pub database: Health,
    /// The outbox relay.
    pub relay: Health,
    /// Redis; left out where there is only this instance. While it is away, everything works, but slower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Health>,
}

impl Parts {
    /// Whether requests can be served.
    #[must_use]
    pub fn are_well(&self) -> bool {
        [self.groups, self.database, self.relay].iter().all(|health| *health == Health::Ok)
    }
}

/// That the server is there.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    status: &'static str,
}

/// Is it alive?
///
/// The process serves requests, and nothing else is said.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Alive)))]
pub async fn healthz() -> impl Responder {
    extract::json(StatusCode::OK, &Alive { status: "ok" })
}

/// That the server can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ready`, or `degraded` while Redis is away or takes no events.
    status: &'static str,
    /// How its parts are.
    parts: Parts,
}

/// Is it ready?
///
/// Makes a round trip through every part. Not ready is a problem with the member `parts`.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Ready), (status = 503, body = Problem))
)]
pub async fn readyz(app: web::Data<App>) -> HttpResponse {
    let parts = probe(&app).await;
    if app.is_draining() {
        return not_ready(&ApiError::Service(ServiceError::Draining), parts);
    }
    if app.leadership().is_cut_off() {
        return not_ready(&ApiError::Service(ServiceError::CutOff), parts);
    }
    if parts.are_well() {
        let is_degraded = parts.redis == Some(Health::Failed);
        if !is_degraded && app.groups().has_bridge() && !app.leadership().is_settled() {
            return not_ready(&unready("It has not heard of the other servers yet."), parts);
        }
        let status = if is_degraded { "degraded" } else { "ready" };
        return extract::json(StatusCode::OK, &Ready { status, parts });
    }
    not_ready(&unready("A part of the server does not answer; parts names it."), parts)
}

fn unready(detail: &str) -> ApiError {
    ApiError::Http { status: StatusCode::SERVICE_UNAVAILABLE, code: "not_ready", detail: detail.into() }
}

fn not_ready(error: &ApiError, parts: Parts) -> HttpResponse {
    let mut extra = Map::new();
    extra.insert("parts".into(), serde_json::to_value(parts).unwrap_or(Value::Null));
    let problem = Problem { extra, ..error.problem() };
    HttpResponse::ServiceUnavailable()
        .content_type("application/problem+json")
        .body(crate::protocol::server::to_json(&problem))
}

async fn probe(app: &App) -> Parts {
    let groups = app.groups().probe(PATIENCE);
    let database = actix_web::rt::time::timeout(PATIENCE, app.store().probe());
    let (groups, database) = join(groups, database).await;
    let relay_silence = app.relay_pulse().silence();
    Parts {
        groups: health(groups.map_err(|error| error.to_string())),
        database: health(match database {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the database does not answer within {PATIENCE:?}")),
        }),
        relay: health(if relay_silence <= RELAY_SILENCE {
            Ok(())
        } else {
            Err(format!("the outbox relay is silent for {relay_silence:?}"))
        }),
        // That it is away was logged when it went.
        redis: app.groups().has_bridge().then(|| match (app.groups().away(), app.leadership().route()) {
            (None, Route::Redis) => Health::Ok,
            (Some(_), _) | (None, Route::Database) => Health::Failed,
        }),
    }
}

fn health(answer: Result<(), String>) -> Health {
    match answer {
        Ok(()) => Health::Ok,
        Err(error) => {
            log::error!("not ready: {error}");
            Health::Failed
        }
    }
}

/// Figures
///
/// In Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub async fn metrics(app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let text = app
        .metrics()
        .render()
        .map_err(|error| ServiceError::Internal(format!("the figures cannot be shown: {error}")))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
