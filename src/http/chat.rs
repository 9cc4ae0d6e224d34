//! REST for what the parties of an order write to each other.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::{MessageId, OrderId};
use crate::protocol::views::MessageView;
use crate::services::app::App;
use crate::services::chat::{self, History, NewMessage, ReadMark, ReadUpTo};

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Query, json, path_id, reply};
use super::page::{self, Page};

/// Adds the routes of chat.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/orders/{order_id}/messages")
                .route(web::post().to(post))
                .route(web::get().to(list)),
        )
        .service(web::resource("/orders/{order_id}/messages/read").route(web::post().to(read)));
}

/// Write a message
///
/// While the order has a partner, and for an hour after its end; 20 messages a minute. Sent again with the same
/// `client_id`, it is the same message, and answered like the first time.
#[utoipa::path(
    post, path = "/api/v1/orders/{order_id}/messages", tag = "chat", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")), request_body = NewMessage,
    responses(
        (status = 201, body = MessageView), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn post(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<NewMessage>,
) -> Result<HttpResponse, ApiError> {
    let key = body.idempotency(&caller.0);
    let order_id = path_id(&path, "order")?;
    Ok(reply(chat::post_once(&app, caller.0, order_id, body.value, key).await?))
}

/// Which messages a list is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// At most so many: 1 to 200, 50 when left out.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A page of messages, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessagePage {
    /// The messages.
    pub items: Vec<MessageView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
    /// How many messages of others, on all pages, the caller has not read.
    pub unread: i64,
    /// How far the caller, the customer and the partner have read; who has read nothing is left out.
    pub read: Vec<ReadMark>,
}

/// List messages
///
/// What was written about an order. A partner sees what was written while the order was that partner's.
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}/messages", tag = "chat", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order"), MessageQuery),
    responses(
        (status = 200, body = MessagePage), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn list(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    query: Query<MessageQuery>,
) -> Result<HttpResponse, ApiError> {
    let MessageQuery { limit, cursor } = query.0;
    let page = Page::<MessageId>::new(limit, cursor.as_deref())?;
    let order_id = path_id(&path, "order")?;
    let History { messages, unread, read } =
        chat::history(&app, caller.0, order_id, page.before, page.fetch()).await?;
    let (items, next_cursor) = page::cut(messages, &page, |message| message.id);
    Ok(json(StatusCode::OK, &MessagePage { items, next_cursor, unread, read }))
}

/// Mark messages as read
///
/// Up to one of them. A mark never goes back.
#[utoipa::path(
    post, path = "/api/v1/orders/{order_id}/messages/read", tag = "chat", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")), request_body = ReadUpTo,
    responses(
        (status = 204, description = "Noted"), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn read(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<ReadUpTo>,
) -> Result<HttpResponse, ApiError> {
    let key = body.idempotency(&caller.0);
    let order_id = path_id(&path, "order")?;
    Ok(reply(chat::mark_read_once(&app, caller.0, order_id, body.value.up_to, key).await?))
}
