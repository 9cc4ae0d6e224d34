//! REST for the payments of orders, and for what the payment provider tells.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::OrderId;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::money::PaymentView;
use crate::services::app::App;
use crate::services::money::{self, EventType, NewRefund, OrderPaymentView, Outcome, ProviderEvent};

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Raw, json, parse_json, path_id, reply};

/// Adds the routes of payments.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/orders/{order_id}/payment").route(web::get().to(payment)))
        .service(web::resource("/orders/{order_id}/refund").route(web::post().to(refund)))
        .service(web::resource("/payments/webhooks/{provider}").route(web::post().to(webhook)));
}

/// Get an order's payment
///
/// What was set aside, taken and given back of the order's price; for admins also what was entered, and who has decided it. A
/// partner's own part is among the earnings.
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}/payment", tag = "money", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")),
    responses(
        (status = 200, body = OrderPaymentView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub async fn payment(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be_one_of(&[Role::Customer, Role::Admin])?;
    Ok(json(StatusCode::OK, &money::payment(&app, who, path_id(&path, "order")?).await?))
}

/// Give a customer money back
///
/// From the house to the customer's wallet, at most what was paid for the order; what its partner earned stays. For admins.
#[utoipa::path(
    post, path = "/api/v1/orders/{order_id}/refund", tag = "admin", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")), request_body = NewRefund,
    responses(
        (status = 200, body = PaymentView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    )
)]
pub async fn refund(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<NewRefund>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Admin)?;
    let key = body.idempotency(&who);
    Ok(reply(money::refund(&app, who, path_id(&path, "order")?, body.value, key).await?))
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakenEvent {
    /// Whether it was new.
    pub outcome: Outcome,
}

/// Take in what the payment provider tells
///
/// Signed by the provider: `t` is the time in Unix seconds, at most 5 minutes from now, and `v1` the HMAC-SHA256 in hex of that
/// number, a full stop and the body, under a key of `WAYBILL_PAYMENT_WEBHOOK_SECRET`. Without it nothing is read of the body. An
/// event may come twice, late, or before the answer of the call that caused it; it may have other members than these, and those
/// of other types are passed over.
#[utoipa::path(
    post, path = "/api/v1/payments/webhooks/{provider}", tag = "provider",
    params(
        ("provider" = String, Path, description = "The provider, as `WAYBILL_PAYMENT_PROVIDER` names it"),
        ("Webhook-Signature" = Option<String>, Header, description = "`t=<unix seconds>,v1=<hex>`; needed"),
    ),
    request_body = ProviderEvent,
    responses(
        (status = 200, body = TakenEvent), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn webhook(
    app: web::Data<App>,
    request: HttpRequest,
    path: web::Path<String>,
    body: Raw,
) -> Result<HttpResponse, ApiError> {
    let outcome = take(&app, &request, &path, &body).await;
    let told = outcome.as_ref().map_or_else(ApiError::code, |outcome| outcome.as_str());
    app.metrics().webhooks.with_label_values(&[told]).inc();
    Ok(json(StatusCode::OK, &TakenEvent { outcome: outcome? }))
}

async fn take(app: &App, request: &HttpRequest, provider: &str, body: &Raw) -> Result<Outcome, ApiError> {
    let provider = money::known_provider(app, provider)?;
    let signature = request.headers().get("Webhook-Signature").and_then(|value| value.to_str().ok());
    let secrets = &app.settings().money.webhook_secrets;
    money::verify_signature(secrets, signature, &body.0, Timestamp::now())?;
    if !parse_json::<EventType>(&body.0)?.is_known() {
        return Ok(Outcome::PassedOver);
    }
    Ok(money::take_event(app, provider, parse_json::<ProviderEvent>(&body.0)?).await?)
}
