//! REST for what partners have earned.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::domain::ids::TransferId;
use crate::domain::principal::Role;
use crate::services::app::App;
use crate::services::money::{self, EarningsView, NewPayout, TransferView};

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Query, json, path_id, reply};
use super::page::Page;
use super::wallet::{CurrencyQuery, EntryPage, EntryQuery};

/// Adds the routes of earnings.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/partner/earnings").route(web::get().to(earnings)))
        .service(web::resource("/partner/earnings/entries").route(web::get().to(earnings_entries)))
        .service(web::resource("/partner/payouts").route(web::post().to(pay_out)))
        .service(web::resource("/partner/payouts/{payout_id}").route(web::get().to(get_pay_out)));
}

/// Get what the caller has earned
///
/// Days and weeks are those of UTC; a week begins on Monday.
#[utoipa::path(
    get, path = "/api/v1/partner/earnings", tag = "money", security(("bearer" = [])), params(CurrencyQuery),
    responses((status = 200, body = EarningsView), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub async fn earnings(
    app: web::Data<App>,
    caller: Caller,
    query: Query<CurrencyQuery>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    let earnings =
        money::earnings(&app, who, query.0.currency.unwrap_or(app.settings().tariffs.default_currency()))
            .await?;
    Ok(json(StatusCode::OK, &earnings))
}

/// List what went in and out of the caller's earnings
#[utoipa::path(
    get, path = "/api/v1/partner/earnings/entries", tag = "money", security(("bearer" = [])), params(EntryQuery),
    responses((status = 200, body = EntryPage), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub async fn earnings_entries(
    app: web::Data<App>,
    caller: Caller,
    query: Query<EntryQuery>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    let EntryQuery { currency, limit, cursor } = query.0;
    let page = Page::<i64>::new(limit, cursor.as_deref())?;
    let currency = currency.unwrap_or(app.settings().tariffs.default_currency());
    let found = money::earnings_entries(&app, who, currency, page.before, page.fetch()).await?;
    Ok(json(StatusCode::OK, &EntryPage::of(found, &page)))
}

/// Have earnings paid out
///
/// They leave the balance at once, and come back when they cannot be sent.
#[utoipa::path(
    post, path = "/api/v1/partner/payouts", tag = "money", security(("bearer" = [])), request_body = NewPayout,
    responses(
        (status = 201, body = TransferView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn pay_out(
    app: web::Data<App>,
    caller: Caller,
    body: Body<NewPayout>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    let key = body.idempotency(&who);
    Ok(reply(money::pay_out(&app, who, body.value, key).await?))
}

/// Get a pay-out
#[utoipa::path(
    get, path = "/api/v1/partner/payouts/{payout_id}", tag = "money", security(("bearer" = [])),
    params(("payout_id" = TransferId, Path, description = "The pay-out")),
    responses(
        (status = 200, body = TransferView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub async fn get_pay_out(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Partner)?;
    let pay_out = money::get_pay_out(&app, who, path_id(&path, "pay-out")?).await?;
    Ok(json(StatusCode::OK, &pay_out))
}
