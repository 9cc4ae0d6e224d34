//! REST for wallets.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::TransferId;
use crate::domain::money::Currency;
use crate::domain::principal::Role;
use crate::protocol::money::EntryView;
use crate::services::app::App;
use crate::services::money::{self, NewTopUp, TransferView, WalletView};

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Query, json, path_id, reply};
use super::page::{self, Page};

/// Adds the routes of wallets.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/wallet").route(web::get().to(wallet)))
        .service(web::resource("/wallet/entries").route(web::get().to(entries)))
        .service(web::resource("/wallet/topups").route(web::post().to(top_up)))
        .service(web::resource("/wallet/topups/{topup_id}").route(web::get().to(get_top_up)));
}

/// In which currency.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CurrencyQuery {
    /// ISO 4217; the server's default (`WAYBILL_CURRENCY`) when left out.
    pub(super) currency: Option<Currency>,
}

/// Which entries a list is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntryQuery {
    /// ISO 4217; the server's default (`WAYBILL_CURRENCY`) when left out.
    pub(super) currency: Option<Currency>,
    /// At most so many: 1 to 200, 50 when left out.
    pub(super) limit: Option<i64>,
    /// Where the page before ended.
    pub(super) cursor: Option<String>,
}

/// A page of what went in and out of a wallet or of earnings, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryPage {
    /// The entries.
    pub items: Vec<EntryView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

impl EntryPage {
    /// Of entries with their numbers, of which there is one more than fits where another page follows.
    pub(super) fn of(found: Vec<(i64, EntryView)>, page: &Page<i64>) -> Self {
        let (found, next_cursor) = page::cut(found, page, |(number, _)| *number);
        Self { items: found.into_iter().map(|(_, entry)| entry).collect(), next_cursor }
    }
}

/// Get the wallet
///
/// A customer's own. There is one for each currency, empty until something is put in.
#[utoipa::path(
    get, path = "/api/v1/wallet", tag = "money", security(("bearer" = [])), params(CurrencyQuery),
    responses((status = 200, body = WalletView), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub async fn wallet(
    app: web::Data<App>,
    caller: Caller,
    query: Query<CurrencyQuery>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Customer)?;
    let wallet =
        money::wallet(&app, who, query.0.currency.unwrap_or(app.settings().tariffs.default_currency()))
            .await?;
    Ok(json(StatusCode::OK, &wallet))
}

/// List what went in and out of the wallet
#[utoipa::path(
    get, path = "/api/v1/wallet/entries", tag = "money", security(("bearer" = [])), params(EntryQuery),
    responses((status = 200, body = EntryPage), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub async fn entries(
    app: web::Data<App>,
    caller: Caller,
    query: Query<EntryQuery>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Customer)?;
    let EntryQuery { currency, limit, cursor } = query.0;
    let page = Page::<i64>::new(limit, cursor.as_deref())?;
    let currency = currency.unwrap_or(app.settings().tariffs.default_currency());
    let found = money::entries(&app, who, currency, page.before, page.fetch()).await?;
    Ok(json(StatusCode::OK, &EntryPage::of(found, &page)))
}

/// Put money into the wallet
///
/// What the payment provider has not settled at once is `pending`; `wallet_update` tells when it has arrived.
#[utoipa::path(
    post, path = "/api/v1/wallet/topups", tag = "money", security(("bearer" = [])), request_body = NewTopUp,
    responses(
        (status = 201, body = TransferView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn top_up(
    app: web::Data<App>,
    caller: Caller,
    body: Body<NewTopUp>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Customer)?;
    let key = body.idempotency(&who);
    Ok(reply(money::top_up(&app, who, body.value, key).await?))
}

/// Get a top-up
#[utoipa::path(
    get, path = "/api/v1/wallet/topups/{topup_id}", tag = "money", security(("bearer" = [])),
    params(("topup_id" = TransferId, Path, description = "The top-up")),
    responses(
        (status = 200, body = TransferView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub async fn get_top_up(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Customer)?;
    let top_up = money::get_top_up(&app, who, path_id(&path, "top-up")?).await?;
    Ok(json(StatusCode::OK, &top_up))
}
