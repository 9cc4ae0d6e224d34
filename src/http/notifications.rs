//! REST for the inbox, the preferences, announcements and the delivery ledger.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::{NotificationId, OrderId};
use crate::domain::notification::{Channel, Choice, NotificationKind, Preference};
use crate::domain::principal::Role;
use crate::protocol::views::NotificationView;
use crate::services::announcements::{self, AnnouncementView, NewAnnouncement};
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::notifications::{self, LedgerView, UnreadView};
use crate::store::deliveries::Subject;
use crate::store::notifications::Filter;

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Nothing, Query, json, path_id, reply};
use super::page::{self, Page};

/// Adds the routes of notifications.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/notifications").route(web::get().to(list)))
        .service(web::resource("/notifications/unread_count").route(web::get().to(unread_count)))
        .service(web::resource("/notifications/read_all").route(web::post().to(read_all)))
        .service(
            web::resource("/notifications/preferences")
                .route(web::get().to(preferences))
                .route(web::put().to(set_preferences)),
        )
        .service(web::resource("/notifications/{notification_id}/read").route(web::post().to(read)))
        .service(web::resource("/admin/announcements").route(web::post().to(announce)))
        .service(web::resource("/admin/deliveries").route(web::get().to(deliveries)));
}

/// Which notifications a list is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NotificationQuery {
    /// `true`: only unread ones; `false`: only read ones.
    unread: Option<bool>,
    /// Only of this type.
    #[serde(rename = "type")]
    kind: Option<NotificationKind>,
    /// At most so many: 1 to 200, 50 when left out.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A page of notifications, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationPage {
    /// The notifications.
    pub items: Vec<NotificationView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

/// List notifications
///
/// One's own, newest first.
#[utoipa::path(
    get, path = "/api/v1/notifications", tag = "notifications", security(("bearer" = [])),
    params(NotificationQuery),
    responses(
        (status = 200, body = NotificationPage), (status = 401, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn list(
    app: web::Data<App>,
    caller: Caller,
    query: Query<NotificationQuery>,
) -> Result<HttpResponse, ApiError> {
    let NotificationQuery { unread, kind, limit, cursor } = query.0;
    let page = Page::<NotificationId>::new(limit, cursor.as_deref())?;
    let filter = Filter { unread, kind, before: page.before };
    let found = notifications::list(&app, caller.0, filter, page.fetch()).await?;
    let (items, next_cursor) = page::cut(found, &page, |notification| notification.id);
    Ok(json(StatusCode::OK, &NotificationPage { items, next_cursor }))
}

/// Count unread notifications
#[utoipa::path(
    get, path = "/api/v1/notifications/unread_count", tag = "notifications", security(("bearer" = [])),
    responses(
        (status = 200, body = UnreadView), (status = 401, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn unread_count(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let user_id = caller.0.user_id;
    let (count, _) = app.read(move |conn| notifications::unread_count(conn, user_id)).await?;
    Ok(json(StatusCode::OK, &UnreadView { count }))
}

/// Mark a notification as read
///
/// Answers with the number of unread ones that are left. Reading twice is reading once.
#[utoipa::path(
    post, path = "/api/v1/notifications/{notification_id}/read", tag = "notifications",
    security(("bearer" = [])),
    params(("notification_id" = NotificationId, Path, description = "The notification")),
    responses(
        (status = 200, body = UnreadView), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn read(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<Nothing>,
) -> Result<HttpResponse, ApiError> {
    let key = body.idempotency(&caller.0);
    let id = path_id(&path, "notification")?;
    Ok(reply(notifications::mark_read_once(&app, caller.0, id, key).await?))
}

/// Mark all notifications as read
///
/// Answers with the number of unread ones that are left.
#[utoipa::path(
    post, path = "/api/v1/notifications/read_all", tag = "notifications", security(("bearer" = [])),
    responses(
        (status = 200, body = UnreadView), (status = 401, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn read_all(
    app: web::Data<App>,
    caller: Caller,
    body: Body<Nothing>,
) -> Result<HttpResponse, ApiError> {
    let key = body.idempotency(&caller.0);
    Ok(reply(notifications::mark_all_read_once(&app, caller.0, key).await?))
}

/// What somebody wants to hear of, and how.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreferenceTable {
    /// One cell for each type that can reach the caller, and each channel.
    pub preferences: Vec<Preference>,
}

/// Get preferences
#[utoipa::path(
    get, path = "/api/v1/notifications/preferences", tag = "notifications", security(("bearer" = [])),
    responses(
        (status = 200, body = PreferenceTable), (status = 401, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn preferences(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let preferences = notifications::preferences(&app, caller.0).await?;
    Ok(json(StatusCode::OK, &PreferenceTable { preferences }))
}

/// Cells to set. Those that are left out stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferenceChanges {
    preferences: Vec<PreferenceChange>,
}

/// One cell. What `GET` gives may be sent back as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferenceChange {
    /// What.
    #[serde(rename = "type")]
    kind: NotificationKind,
    /// Where.
    channel: Channel,
    /// Whether it is wanted there.
    enabled: bool,
    /// Not looked at: the server knows.
    #[serde(default, rename = "can_switch_off")]
    _can_switch_off: Option<bool>,
}

/// Set preferences
///
/// All the cells that are named, or, when one of them cannot be set, none. What protects the account cannot be
/// switched off in the inbox and by e-mail: `cannot_switch_off`.
#[utoipa::path(
    put, path = "/api/v1/notifications/preferences", tag = "notifications", security(("bearer" = [])),
    request_body = PreferenceChanges,
    responses(
        (status = 200, body = PreferenceTable), (status = 401, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn set_preferences(
    app: web::Data<App>,
    caller: Caller,
    body: Body<PreferenceChanges>,
) -> Result<HttpResponse, ApiError> {
    let choice = |PreferenceChange { kind, channel, enabled, .. }| Choice { kind, channel, enabled };
    let choices = body.value.preferences.into_iter().map(choice).collect();
    let preferences = notifications::set_preferences(&app, caller.0, choices).await?;
    Ok(json(StatusCode::OK, &PreferenceTable { preferences }))
}

/// Tell everybody something
///
/// Everybody who has an account now gets a notification of the type `announcement`, in these words. They go out
/// one after the other, beginning at once. For admins.
#[utoipa::path(
    post, path = "/api/v1/admin/announcements", tag = "admin", security(("bearer" = [])),
    request_body = NewAnnouncement,
    responses(
        (status = 201, body = AnnouncementView), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn announce(
    app: web::Data<App>,
    caller: Caller,
    body: Body<NewAnnouncement>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Admin)?;
    let key = body.idempotency(&who);
    Ok(reply(announcements::announce(&app, who, body.value, key).await?))
}

/// Whose deliveries to look up: exactly one of `notification_id` and `order_id`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Those of this notification.
    notification_id: Option<NotificationId>,
    /// Those of all notifications about this order, whoever got them.
    order_id: Option<OrderId>,
    /// At most so many notifications: 1 to 200, 50 when left out.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A page of the delivery ledger, newest notifications first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerPage {
    /// One for each notification.
    pub items: Vec<LedgerView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

/// Look up deliveries
///
/// What became of a notification, or of all notifications about an order, on each channel. For admins.
#[utoipa::path(
    get, path = "/api/v1/admin/deliveries", tag = "admin", security(("bearer" = [])), params(DeliveryQuery),
    responses(
        (status = 200, body = LedgerPage), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn deliveries(
    app: web::Data<App>,
    caller: Caller,
    query: Query<DeliveryQuery>,
) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Admin)?;
    let DeliveryQuery { notification_id, order_id, limit, cursor } = query.0;
    let subject = match (notification_id, order_id) {
        (Some(id), None) => Subject::Notification(id),
        (None, Some(id)) => Subject::Order(id),
        (None, None) => {
            let message = "expected notification_id or order_id";
            return Err(ServiceError::invalid("notification_id", "missing", message).into());
        }
        (Some(_), Some(_)) => {
            let message = "expected only one of notification_id and order_id";
            return Err(ServiceError::invalid("order_id", "invalid", message).into());
        }
    };
    let page = Page::<NotificationId>::new(limit, cursor.as_deref())?;
    let found = notifications::ledger(&app, subject, page.before, page.fetch()).await?;
    let (items, next_cursor) = page::cut(found, &page, |entry| entry.notification_id);
    Ok(json(StatusCode::OK, &LedgerPage { items, next_cursor }))
}

#[cfg(test)]
mod tests;
