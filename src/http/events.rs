//! REST for other back ends that publish through this server.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::services::app::App;
use crate::services::events::{self, NewEvent, PublishedView};
use crate::services::service_keys;

use super::error::{ApiError, Problem};
use super::extract::{Body, bearer, reply};

/// Adds the route of events.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/events").route(web::post().to(publish)));
}

/// Publish an event to a group
///
/// For another back end, with a service key. The event is stored and delivered with the same guarantees as
/// this server's own; with `"ephemeral": true` it is only passed on.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "events", security(("service_key" = [])),
    request_body = NewEvent,
    responses(
        (status = 202, body = PublishedView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn publish(
    app: web::Data<App>,
    request: HttpRequest,
    body: Body<NewEvent>,
) -> Result<HttpResponse, ApiError> {
    let service = service_keys::authenticate(&app, bearer(&request)).await?;
    let key = body.idempotency_of(&service.scope());
    Ok(reply(events::publish(&app, &service, body.value, key).await?))
}
