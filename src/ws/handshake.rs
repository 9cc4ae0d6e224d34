//! The handshake: who is there, what they may listen to, and a clear answer when they may not.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::group::GroupKey;
use crate::domain::principal::{Principal, Role};
use crate::http::error::ApiError;
use crate::http::extract::{bearer, path_id};
use crate::http::settings;
use crate::protocol::endpoint::Endpoint;
use crate::services::accounts::authenticate_handshake;
use crate::services::app::App;
use crate::services::error::ServiceError;

use super::SessionSettings;
use super::session::{self, Opening};
use super::{snapshot, takeover};

/// The five endpoints.
pub fn routes(config: &mut web::ServiceConfig) {
    for endpoint in Endpoint::ALL {
        let route = match endpoint {
            Endpoint::Notifications => web::get().to(notifications),
            Endpoint::Order => web::get().to(order),
            Endpoint::Partner => web::get().to(partner),
            Endpoint::Admin => web::get().to(admin),
            Endpoint::Any => web::get().to(any),
        };
        // A middleware has taken the slash off before a request is matched.
        config.service(web::resource(endpoint.path().trim_end_matches('/')).route(route));
    }
}

/// What every handshake takes.
type Parts = (web::Data<App>, web::Data<Arc<SessionSettings>>);

async fn notifications(request: HttpRequest, parts: Parts) -> Result<HttpResponse, ApiError> {
    shake(&request, parts, Endpoint::Notifications, |who| Ok(Some(GroupKey::User(who.user_id)))).await
}

async fn order(request: HttpRequest, parts: Parts) -> Result<HttpResponse, ApiError> {
    let order_id = path_id(request.match_info().query("order_id"), "order");
    shake(&request, parts, Endpoint::Order, |_| order_id.map(|id| Some(GroupKey::Order(id)))).await
}

async fn partner(request: HttpRequest, parts: Parts) -> Result<HttpResponse, ApiError> {
    shake(&request, parts, Endpoint::Partner, |who| match who.partner_id {
        Some(partner_id) => Ok(Some(GroupKey::Partner(partner_id))),
        None => Err(only(Role::Partner)),
    })
    .await
}

async fn admin(request: HttpRequest, parts: Parts) -> Result<HttpResponse, ApiError> {
    shake(&request, parts, Endpoint::Admin, |who| {
        if who.is_admin() { Ok(Some(GroupKey::Admin)) } else { Err(only(Role::Admin)) }
    })
    .await
}

async fn any(request: HttpRequest, parts: Parts) -> Result<HttpResponse, ApiError> {
    shake(&request, parts, Endpoint::Any, |_| Ok(None)).await
}

fn only(role: Role) -> ApiError {
    let detail = format!("Only a user with the role {role} may listen here.");
    ServiceError::forbidden("role_not_allowed", detail).into()
}

async fn shake(
    request: &HttpRequest,
    (app, settings): Parts,
    endpoint: Endpoint,
    group: impl FnOnce(&Principal) -> Result<Option<GroupKey>, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let outcome = admit(request, &app, &settings, endpoint, group).await;
    let label = match &outcome {
        Ok(_) => "accepted",
        Err(ApiError::Service(error)) => error.code(),
        Err(ApiError::Http { code, .. }) => code,
    };
    app.metrics().handshakes.with_label_values(&[label]).inc();
    outcome
}

async fn admit(
    request: &HttpRequest,
    app: &App,
    settings: &Arc<SessionSettings>,
    endpoint: Endpoint,
    group: impl FnOnce(&Principal) -> Result<Option<GroupKey>, ApiError>,
) -> Result<HttpResponse, ApiError> {
    if app.is_draining() {
        return Err(ServiceError::Draining.into());
    }
    if app.leadership().is_cut_off() {
        return Err(ServiceError::CutOff.into());
    }
    must_be_upgrade(request)?;
    check_origin(request, &settings.allowed_origins)?;
    let Token { text, echo_bearer } = find_token(request);
    let ends = app.groups().ends();
    let authenticated = authenticate_handshake(app, &text).await?;
    let who = authenticated.principal;
    let primary = match group(&who)? {
        Some(group) => Some((group, snapshot::open(app, who, group).await?)),
        None => None,
    };
    let answer = session::accept(request, echo_bearer)?;
    takeover::of(request)?.give(Opening {
        app: app.clone(),
        settings: Arc::clone(settings),
        authenticated,
        ends,
        endpoint: endpoint.as_str(),
        primary,
    });
    Ok(answer)
}

/// Whether it is meant as a handshake at all, and in the version of the protocol that is spoken here.
fn must_be_upgrade(request: &HttpRequest) -> Result<(), ApiError> {
    let text = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_upgrade = text(header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    if is_upgrade && text(header::SEC_WEBSOCKET_VERSION) == Some("13") {
        return Ok(());
    }
    Err(ApiError::Http {
        status: StatusCode::UPGRADE_REQUIRED,
        code: "upgrade_required",
        detail:
            "This is a WebSocket endpoint: send Upgrade: websocket and Sec-WebSocket-Version: 13 (RFC 6455)."
                .into(),
    })
}

/// Browsers say which page connects; a page of another site must not use the user's token. Whoever sends no
/// `Origin` is no browser.
fn check_origin(request: &HttpRequest, allowed: &[String]) -> Result<(), ApiError> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let is_allowed = if allowed.is_empty() {
        let host = origin.split_once("://").map(|(_, host)| host).unwrap_or_default();
        own_hosts(request).any(|own| own.eq_ignore_ascii_case(host))
    } else {
        allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    };
    if is_allowed {
        return Ok(());
    }
    Err(ServiceError::forbidden("origin_not_allowed", "Pages of this origin may not connect.").into())
}

/// The hosts of the server's own pages: the one that the request was sent to, and that of the public URL, which a
/// proxy may have put another in the place of. The scheme does not count: TLS may end at a proxy.
fn own_hosts(request: &HttpRequest) -> impl Iterator<Item = String> {
    let asked = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let public = settings::of(request).base_url(request).ok().and_then(|url| {
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    });
    asked.into_iter().chain(public).filter(|host| !host.is_empty())
}

struct Token {
    text: String,
    echo_bearer: bool,
}

/// The token: of the query string, of `Authorization`, or of `Sec-WebSocket-Protocol`, in this order.
fn find_token(request: &HttpRequest) -> Token {
    let query = url::form_urlencoded::parse(request.query_string().as_bytes());
    let in_query = query.into_iter().find(|(name, _)| name == "token").map(|(_, token)| token.into_owned());
    let offered: Vec<&str> = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let (echo_bearer, in_protocol) = match offered.as_slice() {
        ["bearer", token, ..] => (true, Some((*token).to_owned())),
        ["bearer"] => (true, None),
        [] | [_, ..] => (false, None),
    };
    let text = in_query
        .filter(|token| !token.is_empty())
        .or_else(|| bearer(request).map(str::to_owned))
        .or(in_protocol)
        .unwrap_or_default();
    Token { text, echo_bearer }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::settings::HttpSettings;

    #[test]
    fn a_token_may_hold_equal_signs_and_escapes() {
        let request = TestRequest::with_uri("/ws/?a=b&token=x%2Fy==&c").to_http_request();
        assert_eq!(find_token(&request).text, "x/y==");
    }

    #[test]
    fn the_query_comes_before_the_header_and_that_before_the_protocol() {
        let all = || {
            TestRequest::with_uri("/ws/")
                .insert_header(("Authorization", "bearer two"))
                .insert_header(("Sec-WebSocket-Protocol", "bearer, three"))
        };
        assert_eq!(find_token(&all().uri("/ws/?token=one").to_http_request()).text, "one");
        assert_eq!(find_token(&all().to_http_request()).text, "two");
        let last = TestRequest::with_uri("/ws/").insert_header(("Sec-WebSocket-Protocol", "bearer, three"));
        let token = find_token(&last.to_http_request());
        assert_eq!((token.text.as_str(), token.echo_bearer), ("three", true));
    }

    #[test]
    fn a_page_of_another_site_may_not_connect() {
        let from = |origin: &'static str| {
            TestRequest::with_uri("/ws/")
                .insert_header(("Host", "waybill.example:8000"))
                .insert_header(("Origin", origin))
                .to_http_request()
        };
        let own = Vec::new();
        assert!(check_origin(&from("https://waybill.example:8000"), &own).is_ok());
        assert!(check_origin(&from("https://waybill.example.evil.example"), &own).is_err());
        assert!(check_origin(&from("null"), &own).is_err());
        let behind_proxy = TestRequest::with_uri("/ws/")
            .app_data(web::Data::new(HttpSettings {
                public_url: url::Url::parse("https://shop.example/").ok(),
                ..HttpSettings::default()
            }))
            .insert_header(("Host", "10.0.0.7:8000"))
            .insert_header(("Origin", "https://shop.example"));
        assert!(check_origin(&behind_proxy.to_http_request(), &own).is_ok());
        let listed = vec!["https://app.example".to_owned()];
        assert!(check_origin(&from("https://app.example"), &listed).is_ok());
        assert!(check_origin(&from("https://waybill.example:8000"), &listed).is_err());
        assert!(check_origin(&TestRequest::default().to_http_request(), &listed).is_ok());
    }
}
