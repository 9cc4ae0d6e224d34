//! REST for partners and their offers, and for whoever wants to know why an order went to whom.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::{OfferId, OrderId};
use crate::domain::principal::Role;
use crate::protocol::views::{OfferView, OrderView};
use crate::services::app::App;
use crate::services::dispatch::{self, AvailabilityView, Decline, DispatchView, NewAvailability, QueueView};

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Nothing, json, path_id, reply};

/// Adds the routes of dispatch.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/partner/availability")
                .route(web::get().to(availability))
                .route(web::put().to(set_availability)),
        )
        .service(web::resource("/partner/queue").route(web::get().to(queue)))
        .service(web::resource("/partner/offers").route(web::get().to(offers)))
        .service(web::resource("/partner/offers/{offer_id}/accept").route(web::post().to(accept)))
        .service(web::resource("/partner/offers/{offer_id}/decline").route(web::post().to(decline)))
        .service(web::resource("/orders/{order_id}/dispatch").route(web::get().to(audit)));
}

/// Get one's availability
#[utoipa::path(
    get, path = "/api/v1/partner/availability", tag = "partners", security(("bearer" = [])),
    responses(
        (status = 200, body = AvailabilityView), (status = 401, body = Problem), (status = 403, body = Problem),
    )
)]
pub async fn availability(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    Ok(json(StatusCode::OK, &dispatch::availability(&app, who).await?))
}

/// Go online or offline
///
/// Who goes offline gives open offers away, and keeps the orders in hand.
#[utoipa::path(
    put, path = "/api/v1/partner/availability", tag = "partners", security(("bearer" = [])),
    request_body = NewAvailability,
    responses(
        (status = 200, body = AvailabilityView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 422, body = Problem),
    )
)]
pub async fn set_availability(
    app: web::Data<App>,
    caller: Caller,
    body: Body<NewAvailability>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    Ok(json(StatusCode::OK, &dispatch::set_availability(&app, who, body.value).await?))
}

/// Get one's queue
///
/// As the `queue` frame has it.
#[utoipa::path(
    get, path = "/api/v1/partner/queue", tag = "partners", security(("bearer" = [])),
    responses((status = 200, body = QueueView), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub async fn queue(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    Ok(json(StatusCode::OK, &dispatch::queue(&app, who).await?))
}

/// Open offers.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferPage {
    /// The offers, oldest first.
    pub items: Vec<OfferView>,
    /// Always `null`: they have one page.
    pub next_cursor: Option<String>,
}

/// List one's open offers
#[utoipa::path(
    get, path = "/api/v1/partner/offers", tag = "partners", security(("bearer" = [])),
    responses((status = 200, body = OfferPage), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub async fn offers(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    let items = dispatch::offers(&app, who).await?;
    Ok(json(StatusCode::OK, &OfferPage { items, next_cursor: None }))
}

/// Accept an offer
///
/// The order is the caller's from then on. Of several partners who accept it at the same time one gets it; the others are
/// told `taken`.
#[utoipa::path(
    post, path = "/api/v1/partner/offers/{offer_id}/accept", tag = "partners", security(("bearer" = [])),
    params(("offer_id" = OfferId, Path, description = "The offer")),
    responses(
        (status = 200, body = OrderView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
    )
)]
pub async fn accept(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<Nothing>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    let key = body.idempotency(&who);
    Ok(reply(dispatch::accept_once(&app, who, path_id(&path, "offer")?, key).await?))
}

/// Decline an offer
///
/// Gives the order as it was offered.
#[utoipa::path(
    post, path = "/api/v1/partner/offers/{offer_id}/decline", tag = "partners", security(("bearer" = [])),
    params(("offer_id" = OfferId, Path, description = "The offer")), request_body = Decline,
    responses(
        (status = 200, body = OrderView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    )
)]
pub async fn decline(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<Decline>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    let key = body.idempotency(&who);
    Ok(reply(dispatch::decline_once(&app, who, path_id(&path, "offer")?, body.value, key).await?))
}

/// Get why an order went to whom
///
/// Each look for partners: who was near, what spoke for or against each, and what became of the offers.
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}/dispatch", tag = "admin", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")),
    responses(
        (status = 200, body = DispatchView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub async fn audit(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Admin)?;
    Ok(json(StatusCode::OK, &dispatch::audit(&app, who, path_id(&path, "order")?).await?))
}
