//! REST for orders.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::geo::Position;
use crate::domain::ids::{OrderId, PartnerId, UserId};
use crate::domain::money::Currency;
use crate::domain::order::{InvalidName, OrderStatus};
use crate::domain::principal::Role;
use crate::protocol::server::to_json;
use crate::protocol::views::OrderView;
use crate::services::app::App;
use crate::services::orders::{
    self, Assignment, Enquiry, NewOrder, NewRating, QuoteView, RatingView, TimelineView, Transition,
};
use crate::services::tracking::{self, TrackView};
use crate::store::orders::Filter;

use super::error::{ApiError, Problem};
use super::extract::{Body, Caller, Query, json, path_id, reply};
use super::page::{self, Page};

/// Adds the routes of orders.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/orders").route(web::post().to(place)).route(web::get().to(list)))
        // Before the orders: it is no id.
        .service(web::resource("/orders/quote").route(web::get().to(quote)))
        .service(web::resource("/orders/{order_id}").route(web::get().to(get)))
        .service(web::resource("/orders/{order_id}/transitions").route(web::post().to(transition)))
        .service(web::resource("/orders/{order_id}/assign").route(web::post().to(assign)))
        .service(web::resource("/orders/{order_id}/timeline").route(web::get().to(timeline)))
        .service(web::resource("/orders/{order_id}/track").route(web::get().to(track)))
        .service(
            web::resource("/orders/{order_id}/rating")
                .route(web::post().to(rate))
                .route(web::get().to(rating)),
        );
}

/// Which orders a list is to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrderQuery {
    /// Only in this status; of several, with commas between them, in one of these.
    #[param(value_type = Option<String>, example = "en_route,arrived")]
    status: Option<Statuses>,
    /// `true`: only those that have not ended; `false`: only those that have.
    active: Option<bool>,
    /// Only of this partner.
    partner_id: Option<PartnerId>,
    /// Only of this customer.
    customer_id: Option<UserId>,
    /// At most so many: 1 to 200, 50 when left out.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// Statuses with commas between them.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
struct Statuses(Vec<OrderStatus>);

impl TryFrom<String> for Statuses {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// An order that may be placed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuoteQuery {
    /// Degrees north, -90 to 90.
    pickup_latitude: f64,
    /// Degrees east, -180 to 180.
    pickup_longitude: f64,
    /// Degrees north, -90 to 90.
    dropoff_latitude: f64,
    /// Degrees east, -180 to 180.
    dropoff_longitude: f64,
    /// What all items cost together, minor units.
    goods: i64,
    /// ISO 4217, one that the server takes; its default when left out.
    #[param(value_type = Option<String>, example = "USD")]
    currency: Option<Currency>,
}

impl From<QuoteQuery> for Enquiry {
    fn from(query: QuoteQuery) -> Self {
        let at = |latitude, longitude| Position { latitude, longitude };
        Self {
            pickup: at(query.pickup_latitude, query.pickup_longitude),
            dropoff: at(query.dropoff_latitude, query.dropoff_longitude),
            goods: query.goods,
            currency: query.currency,
        }
    }
}

/// A page of orders, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderPage {
    /// The orders.
    pub items: Vec<OrderView>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

/// Place an order
#[utoipa::path(
    post, path = "/api/v1/orders", tag = "orders", security(("bearer" = [])),
    request_body = NewOrder,
    responses(
        (status = 201, body = OrderView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub async fn place(
    app: web::Data<App>,
    caller: Caller,
    body: Body<NewOrder>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Customer)?;
    let key = body.idempotency(&who);
    Ok(reply(orders::place(&app, who, body.value, key).await?))
}

/// Price an order before it is placed
///
/// Nothing is kept of it: an order is priced when it is placed, by the same rules.
#[utoipa::path(
    get, path = "/api/v1/orders/quote", tag = "orders", security(("bearer" = [])), params(QuoteQuery),
    responses(
        (status = 200, body = QuoteView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 422, body = Problem),
    )
)]
pub async fn quote(
    app: web::Data<App>,
    caller: Caller,
    query: Query<QuoteQuery>,
) -> Result<HttpResponse, ApiError> {
    caller.must_be(Role::Customer)?;
    Ok(json(StatusCode::OK, &orders::quote(&app, &query.0.into())?))
}

/// List orders
///
/// One's own: a customer's those placed, a partner's those assigned, an admin's all.
#[utoipa::path(
    get, path = "/api/v1/orders", tag = "orders", security(("bearer" = [])), params(OrderQuery),
    responses((status = 200, body = OrderPage), (status = 401, body = Problem), (status = 422, body = Problem))
)]
pub async fn list(
    app: web::Data<App>,
    caller: Caller,
    query: Query<OrderQuery>,
) -> Result<HttpResponse, ApiError> {
    let OrderQuery { status, active, partner_id, customer_id, limit, cursor } = query.0;
    let page = Page::<OrderId>::new(limit, cursor.as_deref())?;
    let named = status.map(|Statuses(named)| named);
    let is_asked = |status: &OrderStatus| {
        named.as_ref().is_none_or(|named| named.contains(status))
            && active.is_none_or(|active| active != status.is_end())
    };
    let asks_some = named.is_some() || active.is_some();
    let statuses: Vec<OrderStatus> =
        OrderStatus::ALL.into_iter().filter(|status| asks_some && is_asked(status)).collect();
    if asks_some && statuses.is_empty() {
        // Such as those that are cancelled and have not ended.
        return Ok(json(StatusCode::OK, &OrderPage { items: Vec::new(), next_cursor: None }));
    }
    let filter = Filter { statuses, partner_id, customer_id, before: page.before, in_hand: false };
    let found = orders::list(&app, caller.0, filter, page.fetch()).await?;
    let (items, next_cursor) = page::cut(found, &page, |order| order.id);
    Ok(json(StatusCode::OK, &OrderPage { items, next_cursor }))
}

/// Get an order
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}", tag = "orders", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")),
    responses((status = 200, body = OrderView), (status = 401, body = Problem), (status = 404, body = Problem))
)]
pub async fn get(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let order = orders::get(&app, caller.0, path_id(&path, "order")?).await?;
    Ok(json(StatusCode::OK, &order))
}

/// Take an order one step on
#[utoipa::path(
    post, path = "/api/v1/orders/{order_id}/transitions", tag = "orders", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")), request_body = Transition,
    responses(
        (status = 200, body = OrderView), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn transition(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<Transition>,
) -> Result<HttpResponse, ApiError> {
    let key = body.idempotency(&caller.0);
    let order_id = path_id(&path, "order")?;
    Ok(reply(orders::transition(&app, caller.0, order_id, body.value, key).await?))
}

/// Give an order to a partner
#[utoipa::path(
    post, path = "/api/v1/orders/{order_id}/assign", tag = "orders", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")), request_body = Assignment,
    responses(
        (status = 200, body = OrderView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    )
)]
pub async fn assign(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<Assignment>,
) -> Result<HttpResponse, ApiError> {
    let who = *caller.must_be(Role::Admin)?;
    let key = body.idempotency(&who);
    Ok(reply(orders::assign(&app, who, path_id(&path, "order")?, body.value, key).await?))
}

/// An order's timeline.
#[derive(Debug, Serialize, ToSchema)]
pub struct Timeline {
    /// Every step, oldest first.
    pub items: Vec<TimelineView>,
    /// Always `null`: a timeline has one page.
    pub next_cursor: Option<String>,
}

/// Get an order's timeline
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}/timeline", tag = "orders", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")),
    responses((status = 200, body = Timeline), (status = 401, body = Problem), (status = 404, body = Problem))
)]
pub async fn timeline(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let items = orders::timeline(&app, caller.0, path_id(&path, "order")?).await?;
    Ok(json(StatusCode::OK, &Timeline { items, next_cursor: None }))
}

/// How a trail is to be.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TrackQuery {
    /// How far the line may be from what was measured, metres: 0 to 1,000, 5 when left out.
    tolerance: Option<f64>,
}

/// Get an order's trail
///
/// Where its partner was, as GeoJSON: a Feature with a LineString. A customer sees what lies between `en_route` and
/// `delivered`.
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}/track", tag = "orders", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order"), TrackQuery),
    responses(
        (status = 200, body = TrackView, content_type = "application/geo+json"), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub async fn track(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    query: Query<TrackQuery>,
) -> Result<HttpResponse, ApiError> {
    let track = tracking::track(&app, caller.0, path_id(&path, "order")?, query.0.tolerance).await?;
    Ok(HttpResponse::Ok().content_type("application/geo+json").body(to_json(&track)))
}

/// Get the rating of an order
///
/// For its customer, its partner and admins; 404 until there is one.
#[utoipa::path(
    get, path = "/api/v1/orders/{order_id}/rating", tag = "orders", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")),
    responses((status = 200, body = RatingView), (status = 401, body = Problem), (status = 404, body = Problem))
)]
pub async fn rating(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let rating = orders::rating(&app, caller.0, path_id(&path, "order")?).await?;
    Ok(json(StatusCode::OK, &rating))
}

/// Rate an order
///
/// Once, by its customer, after it was delivered.
#[utoipa::path(
    post, path = "/api/v1/orders/{order_id}/rating", tag = "orders", security(("bearer" = [])),
    params(("order_id" = OrderId, Path, description = "The order")), request_body = NewRating,
    responses(
        (status = 201, body = RatingView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    )
)]
pub async fn rate(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<String>,
    body: Body<NewRating>,
) -> Result<HttpResponse, ApiError> {
    let key = body.idempotency(&caller.0);
    let order_id = path_id(&path, "order")?;
    Ok(reply(orders::rate(&app, caller.0, order_id, body.value, key).await?))
}
