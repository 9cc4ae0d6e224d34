//! REST for those who watch over all of it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::{EventId, OrderId, UserId};
use crate::domain::principal::Role;
use crate::protocol::admin::{
    ActivityView, ClaimView, DashboardView, ExceptionView, HealthView, PartnerPositionView, PartnerRowView,
    UserRowView,
};
use crate::services::app::App;
use crate::services::console::{self, NewClaim};
use crate::services::error::{Checks, ServiceError};
use crate::store::activities::Filter;
use crate::store::console::People;

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Nothing, Query, json, path_id, reply};
use super::page::{self, Page};

/// Adds the routes for admins that are not about something which others have as well.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/admin/overview").route(web::get().to(overview)))
        .service(web::resource("/admin/partners").route(web::get().to(partners)))
        .service(web::resource("/admin/users").route(web::get().to(users)))
        .service(web::resource("/admin/positions").route(web::get().to(positions)))
        .service(web::resource("/admin/health").route(web::get().to(health)))
        .service(web::resource("/admin/activity").route(web::get().to(activity)))
        .service(web::resource("/admin/exceptions").route(web::get().to(exceptions)))
        .service(web::resource("/admin/claims").route(web::get().to(claims)))
        .service(
            web::resource("/orders/{order_id}/claim")
                .route(web::post().to(claim))
                .route(web::delete().to(release)),
        );
}

/// Get the whole operation at a glance
///
/// What the `dashboard` frame has, with which a session of `/ws/admin/` begins.
#[utoipa::path(
    get, path = "/api/v1/admin/overview", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = DashboardView), (status = 403, body = Problem))
)]
pub async fn overview(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    Ok(json(StatusCode::OK, &console::overview(&app).await?))
}

/// Which partners a list is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PartnerQuery {
    /// Only those with this in the name or the e-mail address; the case of ASCII letters does not matter.
    #[param(min_length = 1, max_length = 100)]
    q: Option<String>,
    /// `true`: only those who want offers; `false`: only those who do not.
    online: Option<bool>,
    /// At most so many: 1 to 200, 50 when left out.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A page of partners, newest account first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartnerPage {
    /// The partners.
    pub items: Vec<PartnerRowView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

fn searched(q: Option<String>) -> Result<Option<String>, ServiceError> {
    let mut checks = Checks::default();
    if let Some(q) = &q {
        checks.text("q", q, 1..=100);
    }
    checks.done()?;
    Ok(q.map(|q| q.trim().to_owned()))
}

/// List partners
#[utoipa::path(
    get, path = "/api/v1/admin/partners", tag = "admin", security(("bearer" = [])), params(PartnerQuery),
    responses((status = 200, body = PartnerPage), (status = 403, body = Problem))
)]
pub async fn partners(
    app: web::Data<App>,
    caller: Caller,
    query: Query<PartnerQuery>,
) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    let PartnerQuery { q, online, limit, cursor } = query.0;
    let page = Page::<UserId>::new(limit, cursor.as_deref())?;
    let list = People { text: searched(q)?, online, before: page.before, ..People::default() };
    let found = console::partners(&app, list, page.fetch()).await?;
    let (items, next_cursor) = page::cut(found, &page, |partner| partner.user_id);
    Ok(json(StatusCode::OK, &PartnerPage { items, next_cursor }))
}

/// Which users a list is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// Only those with this in the name or the e-mail address; the case of ASCII letters does not matter.
    #[param(min_length = 1, max_length = 100)]
    q: Option<String>,
    /// Only with this role.
    role: Option<Role>,
    /// `true`: only those with a session now; `false`: only those without one. Of each other instance, 200 users are known.
    online: Option<bool>,
    /// At most so many: 1 to 200, 50 when left out.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A page of users, newest account first.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserPage {
    /// The users.
    pub items: Vec<UserRowView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

/// List users
#[utoipa::path(
    get, path = "/api/v1/admin/users", tag = "admin", security(("bearer" = [])), params(UserQuery),
    responses((status = 200, body = UserPage), (status = 403, body = Problem))
)]
pub async fn users(
    app: web::Data<App>,
    caller: Caller,
    query: Query<UserQuery>,
) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    let UserQuery { q, role, online, limit, cursor } = query.0;
    let page = Page::<UserId>::new(limit, cursor.as_deref())?;
    let list = People { text: searched(q)?, role, before: page.before, ..People::default() };
    let found = console::users(&app, list, online, page.fetch()).await?;
    let (items, next_cursor) = page::cut(found, &page, |user| user.id);
    Ok(json(StatusCode::OK, &UserPage { items, next_cursor }))
}

/// Where partners are.
#[derive(Debug, Serialize, ToSchema)]
pub struct PositionList {
    /// In no order.
    pub items: Vec<PartnerPositionView>,
}

/// Get where partners are
///
/// All who were seen within the last ten minutes. `positions` frames on `admin_dashboard` tell who moves.
#[utoipa::path(
    get, path = "/api/v1/admin/positions", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = PositionList), (status = 403, body = Problem))
)]
pub async fn positions(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    Ok(json(StatusCode::OK, &PositionList { items: console::positions(&app) }))
}

/// How the instances were.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthHistory {
    /// Every 10 s, the latest last.
    pub items: Vec<HealthView>,
}

/// Get how the instances were
///
/// In the last ten minutes, as far as the instance knows that answers. `health` frames on `admin_dashboard` tell how they are.
#[utoipa::path(
    get, path = "/api/v1/admin/health", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = HealthHistory), (status = 403, body = Problem))
)]
pub async fn health(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    Ok(json(StatusCode::OK, &HealthHistory { items: console::history(&app) }))
}

/// Which activities a list is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ActivityQuery {
    /// Only of this user.
    user_id: Option<UserId>,
    /// Only about this order.
    order_id: Option<OrderId>,
    /// At most so many: 1 to 200, 50 when left out.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A page of what people did, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityPage {
    /// What they did.
    pub items: Vec<ActivityView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

/// List what people did
///
/// Of the last 90 days: who registered and logged in, which partners came online and went, and what admins did. The steps of
/// an order by its customer and its partner are in its timeline.
#[utoipa::path(
    get, path = "/api/v1/admin/activity", tag = "admin", security(("bearer" = [])), params(ActivityQuery),
    responses((status = 200, body = ActivityPage), (status = 403, body = Problem))
)]
pub async fn activity(
    app: web::Data<App>,
    caller: Caller,
    query: Query<ActivityQuery>,
) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    let ActivityQuery { user_id, order_id, limit, cursor } = query.0;
    let page = Page::<EventId>::new(limit, cursor.as_deref())?;
    let filter = Filter { user_id, order_id, before: page.before };
    let found = console::activities(&app, filter, page.fetch()).await?;
    let (items, next_cursor) = page::cut(found, &page, |activity| activity.id);
    Ok(json(StatusCode::OK, &ActivityPage { items, next_cursor }))
}

/// Orders that somebody should look at.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExceptionList {
    /// The oldest trouble first, at most 200.
    pub items: Vec<ExceptionView>,
}

/// Get orders that somebody should look at
///
/// `exceptions` frames on `admin_dashboard` tell what changes.
#[utoipa::path(
    get, path = "/api/v1/admin/exceptions", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = ExceptionList), (status = 403, body = Problem))
)]
pub async fn exceptions(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    Ok(json(StatusCode::OK, &ExceptionList { items: console::exceptions(&app).await? }))
}

/// Who looks after which order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClaimList {
    /// The oldest first, at most 200.
    pub items: Vec<ClaimView>,
}

/// Get who looks after which order
#[utoipa::path(
    get, path = "/api/v1/admin/claims", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = ClaimList), (status = 403, body = Problem))
)]
pub async fn claims(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    Ok(json(StatusCode::OK, &ClaimList { items: console::claims(&app).await? }))
}

/// Look after an order
///
/// So that no two admins do. Another admin's claim is taken over only on purpose, by naming that one as `from`. A claim holds
/// for an hour, and longer when it is made again, unless the order is completed or cancelled before.
#[utoipa::path(
    post, path = "/api/v1/orders/{order_id}/claim", tag = "admin", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")), request_body = NewClaim,
    responses((status = 200, body = ClaimView), (status = 403, body = Problem), (status = 409, body = Problem))
)]
pub async fn claim(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<NewClaim>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Admin)?;
    let key = body.idempotency(&who);
    Ok(reply(console::claim(&app, who, path_id(&path, "order")?, body.value, key).await?))
}

/// Cease to look after an order
///
/// One's own claim only. Where there is none, that is as well.
#[utoipa::path(
    delete, path = "/api/v1/orders/{order_id}/claim", tag = "admin", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")),
    responses((status = 204), (status = 403, body = Problem), (status = 409, body = Problem))
)]
pub async fn release(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    _: Body<Nothing>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Admin)?;
    console::release(&app, who, path_id(&path, "order")?).await?;
    Ok(HttpResponse::NoContent().finish())
}
