//! REST for partners' apps.

use actix_web::{HttpResponse, web};

use crate::domain::principal::Role;
use crate::services::app::App;
use crate::services::tracking::{self, Upload, Uploaded};

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, reply};

/// Adds the routes of partners' apps.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/partner/locations").route(web::post().to(locations)));
}

/// Upload positions
///
/// Where the caller is, and was: samples of the last 5 minutes show where; older ones, of up to 24 hours, fill the trails of
/// the orders that were under way at that time. Those that are refused are named and do not keep the others.
#[utoipa::path(
    post, path = "/api/v1/partner/locations", tag = "partners", security(("bearer" = [])),
    request_body = Upload,
    responses(
        (status = 202, body = Uploaded), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn locations(
    app: web::Data<App>,
    caller: Caller,
    body: Body<Upload>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    // `sent_at` is another one with each attempt.
    let key = body.idempotency_by(&who, &body.value.points);
    Ok(reply(tracking::upload(&app, who, body.value, key).await?))
}
