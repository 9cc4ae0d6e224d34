//! REST for browser push: the key, browsers that get pushes, and the queue as admins see it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::PushId;
use crate::domain::principal::Role;
use crate::domain::push::PushState;
use crate::services::app::App;
use crate::services::push::{self, KeyView, NewSubscription, PushView, SubscriptionView};

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Nothing, Query, json, path_id, reply};
use super::page::{self, Page};

/// Adds the routes of pushes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/push/key").route(web::get().to(key)))
        .service(
            web::resource("/push/subscriptions")
                .route(web::post().to(subscribe))
                .route(web::delete().to(unsubscribe)),
        )
        .service(web::resource("/admin/pushes").route(web::get().to(list)))
        .service(web::resource("/admin/pushes/{push_id}/requeue").route(web::post().to(requeue)));
}

/// Get the public key of pushes
///
/// For `applicationServerKey` of `PushManager.subscribe` (RFC 8292). It stays the same: a browser's subscription is good for one
/// key only.
#[utoipa::path(
    get, path = "/api/v1/push/key", tag = "push", security(("bearer" = [])),
    responses((status = 200, body = KeyView), (status = 401, body = Problem), (status = 503, body = Problem))
)]
pub async fn key(app: web::Data<App>, _: Caller) -> Result<HttpResponse, ApiError> {
    Ok(json(StatusCode::OK, &push::public_key(&app).await?))
}

/// Register a browser for pushes
///
/// With what the browser's `PushSubscription` gives as JSON. Registering it again renews it. It belongs to the log-in of the
/// token and goes with it; where the token is another back end's, it ends after 30 days unless it is registered again. A user
/// has at most 20: the one that was registered the longest ago gives way. One that was another user's is the caller's from
/// then on.
#[utoipa::path(
    post, path = "/api/v1/push/subscriptions", tag = "push", security(("bearer" = [])),
    request_body = NewSubscription,
    responses(
        (status = 201, body = SubscriptionView), (status = 401, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn subscribe(
    app: web::Data<App>,
    caller: Caller,
    body: Body<NewSubscription>,
) -> Result<HttpResponse, ApiError> {
    let key = body.idempotency(&caller.0);
    Ok(reply(push::subscribe_once(&app, caller.0, body.value, key).await?))
}

/// A browser.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unsubscription {
    /// Its address at the push service.
    endpoint: String,
}

/// Take pushes from a browser
///
/// One of the caller's own. When there is none, there is nothing to do.
#[utoipa::path(
    delete, path = "/api/v1/push/subscriptions", tag = "push", security(("bearer" = [])),
    request_body = Unsubscription,
    responses(
        (status = 204, description = "It gets none any more"), (status = 401, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn unsubscribe(
    app: web::Data<App>,
    caller: Caller,
    body: Body<Unsubscription>,
) -> Result<HttpResponse, ApiError> {
    push::unsubscribe(&app, caller.0, body.value.endpoint).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Which pushes a list is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PushQuery {
    /// Only those in this state.
    state: Option<PushState>,
    /// At most so many: 1 to 200, 50 when left out.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A page of pushes, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PushPage {
    /// The pushes.
    pub items: Vec<PushView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

/// List pushes
///
/// One for each browser that something was to be sent to, newest first, for a week. `state=dead` are those that were given up.
#[utoipa::path(
    get, path = "/api/v1/admin/pushes", tag = "admin", security(("bearer" = [])),
    params(PushQuery),
    responses(
        (status = 200, body = PushPage), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn list(
    app: web::Data<App>,
    caller: Caller,
    query: Query<PushQuery>,
) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    let PushQuery { state, limit, cursor } = query.0;
    let page = Page::<PushId>::new(limit, cursor.as_deref())?;
    let found = push::list(&app, state, page.before, page.fetch()).await?;
    let (items, next_cursor) = page::cut(found, &page, |push| push.id);
    Ok(json(StatusCode::OK, &PushPage { items, next_cursor }))
}

/// Put a push back into the queue
///
/// One that was given up. It is tried as often as a fresh one, and is news for as long. One that is in the queue stays there.
#[utoipa::path(
    post, path = "/api/v1/admin/pushes/{push_id}/requeue", tag = "admin", security(("bearer" = [])),
    params(("push_id" = PushId, Path, description = "The push")),
    responses(
        (status = 200, body = PushView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn requeue(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<Nothing>,
) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    let key = body.idempotency(&caller.0);
    let id = path_id(&path, "push")?;
    Ok(reply(push::requeue_once(&app, id, key).await?))
}
