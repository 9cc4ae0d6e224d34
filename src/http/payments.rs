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
use crate::services::money::{self, EventType, NewRefund, Outcome, ProviderEvent};

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Raw, json, parse_json, path_id, reply};

/// Adds the routes of payments.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/orders/{order_id}/refund").route(web::post().to(refund)))
        .service(web::resource("/payments/webhooks/{provider}").route(web::post().to(webhook)));
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
    let provider = money::known_provider(&app, &path)?;
    let signature = request.headers().get("Webhook-Signature").and_then(|value| value.to_str().ok());
    let secrets = &app.settings().money.webhook_secrets;
    money::verify_signature(secrets, signature, &body.0, Timestamp::now())?;
    let outcome = if parse_json::<EventType>(&body.0)?.is_known() {
        money::take_event(&app, provider, parse_json::<ProviderEvent>(&body.0)?).await?
    } else {
        Outcome::PassedOver
    };
    Ok(json(StatusCode::OK, &TakenEvent { outcome }))
}
