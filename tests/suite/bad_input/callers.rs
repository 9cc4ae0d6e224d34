//! Who may not call what. The table is written from the guide, and says for each endpoint what becomes of the call of a user
//! whom it is not for.

use super::table::TABLE;
use super::world::*;
use super::{all_are_taken, problem};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// Its answer is another test's.
    Taken,
    /// 403: it is for another role.
    Role,
    /// 404: the caller may not know of what it is about.
    Hidden,
}
use Call::{Hidden, Role, Taken};

/// Of the customer whose order, wallet and inbox it is, of the partner whose order, offer and pay-out it is, of an admin, of
/// another customer, and of another partner.
type Calls = [Call; 5];

const ALL: Calls = [Taken; 5];
const ADMINS: Calls = [Role, Role, Taken, Role, Role];
const CUSTOMERS: Calls = [Taken, Role, Role, Taken, Role];
const PARTNERS: Calls = [Role, Taken, Role, Role, Taken];
const PARTIES: Calls = [Taken, Taken, Taken, Hidden, Hidden];

const CALLERS: &[(&str, &str, Calls)] = &[
    ("POST", "/orders", CUSTOMERS),
    ("GET", "/orders", ALL),
    ("GET", QUOTE, CUSTOMERS),
    ("GET", "/orders/{order_id}", PARTIES),
    ("POST", "/orders/{order_id}/transitions", PARTIES),
    ("POST", "/orders/{order_id}/assign", ADMINS),
    ("GET", "/orders/{order_id}/timeline", PARTIES),
    ("GET", "/orders/{order_id}/track", PARTIES),
    ("GET", "/orders/{order_id}/dispatch", ADMINS),
    ("GET", "/orders/{order_id}/rating", PARTIES),
    ("POST", "/orders/{order_id}/rating", [Taken, Role, Role, Hidden, Hidden]),
    ("POST", "/orders/{order_id}/refund", ADMINS),
    ("GET", "/orders/{order_id}/payment", [Taken, Role, Taken, Hidden, Role]),
    ("POST", "/orders/{order_id}/messages", PARTIES),
    ("GET", "/orders/{order_id}/messages", PARTIES),
    ("POST", "/orders/{order_id}/messages/read", PARTIES),
    ("GET", "/wallet", CUSTOMERS),
    ("GET", "/wallet/entries", CUSTOMERS),
    ("POST", "/wallet/topups", CUSTOMERS),
    ("GET", "/wallet/topups/{topup_id}", [Taken, Role, Role, Hidden, Role]),
    ("POST", "/partner/locations", PARTNERS),
    ("GET", "/partner/earnings", PARTNERS),
    ("GET", "/partner/earnings/entries", PARTNERS),
    ("POST", "/partner/payouts", PARTNERS),
    ("GET", "/partner/payouts/{payout_id}", [Role, Taken, Role, Role, Hidden]),
    ("GET", "/partner/availability", PARTNERS),
    ("PUT", "/partner/availability", PARTNERS),
    ("GET", "/partner/queue", PARTNERS),
    ("GET", "/partner/offers", PARTNERS),
    ("POST", "/partner/offers/{offer_id}/accept", [Role, Taken, Role, Role, Hidden]),
    ("POST", "/partner/offers/{offer_id}/decline", [Role, Taken, Role, Role, Hidden]),
    ("GET", "/notifications", ALL),
    ("GET", "/notifications/unread_count", ALL),
    ("POST", "/notifications/{notification_id}/read", [Taken, Hidden, Hidden, Hidden, Hidden]),
    ("POST", "/notifications/read_all", ALL),
    ("GET", "/notifications/preferences", ALL),
    ("PUT", "/notifications/preferences", ALL),
    ("POST", "/admin/announcements", ADMINS),
    ("GET", "/admin/deliveries?order_id={order_id}", ADMINS),
    ("GET", "/admin/overview", ADMINS),
    ("GET", "/admin/partners", ADMINS),
    ("GET", "/admin/users", ADMINS),
    ("GET", "/admin/positions", ADMINS),
    ("GET", "/admin/health", ADMINS),
    ("GET", "/admin/activity", ADMINS),
    ("GET", "/admin/exceptions", ADMINS),
    ("GET", "/admin/claims", ADMINS),
    ("POST", "/orders/{order_id}/claim", ADMINS),
    ("DELETE", "/orders/{order_id}/claim", ADMINS),
    ("GET", "/push/key", ALL),
    ("POST", "/push/subscriptions", ALL),
    ("DELETE", "/push/subscriptions", ALL),
    ("GET", "/admin/pushes", ADMINS),
    ("POST", "/admin/pushes/{push_id}/requeue", ADMINS),
    ("GET", "/me", ALL),
    ("PATCH", "/me", ALL),
    ("GET", "/realtime/token", ALL),
];

/// Endpoints that ask for no token of a user's.
fn is_open(endpoint: &Endpoint) -> bool {
    endpoint.path.contains("/auth/") || matches!(endpoint.caller, Caller::Service | Caller::Provider)
}

#[actix_web::test]
async fn every_endpoint_refuses_whom_it_is_not_for_and_changes_nothing() {
    let world = World::make().await;
    let strangers = [world.app.customer().await, world.app.partner().await];
    let [customer, partner] = &strangers;
    let tokens = [&world.customer, &world.partner, &world.admin, customer, partner].map(|user| &user.token);
    for endpoint in TABLE.iter().filter(|endpoint| !is_open(endpoint)) {
        let named = |(method, path, _): &&(&str, &str, Calls)| {
            *method == endpoint.method
                && endpoint.path.trim_start_matches("/api/v1") == path.trim_start_matches("/api/v1")
        };
        let what = format!("{} {}", endpoint.method, endpoint.path);
        let (_, _, calls) = CALLERS.iter().find(named).unwrap_or_else(|| panic!("who may call {what}?"));
        let body = (endpoint.body)(&world);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let ask = async |authorization: &str| {
            let headers = format!("Content-Type: application/json\n{authorization}");
            world.send(endpoint.method, &world.path(endpoint), &headers, body.as_bytes()).await
        };
        for (who, (call, token)) in calls.iter().zip(tokens).enumerate() {
            let (status, code) = match call {
                Taken => continue,
                Role => (403, "role_not_allowed"),
                Hidden => (404, "not_found"),
            };
            let what = format!("{what} by caller {who}");
            let answer = ask(&format!("Authorization: Bearer {token}")).await;
            assert_eq!(problem(&answer, status, &what)["code"], code, "{what}");
        }
        for (authorization, code) in [
            (world.authorization(Caller::Nobody), "token_missing"),
            (world.authorization(Caller::Service), "token_invalid"),
        ] {
            assert_eq!(problem(&ask(&authorization).await, 401, &what)["code"], code, "{what}");
        }
    }
    // Whom it is for is answered as if nothing had been asked: no offer is gone, nothing is rated, paid or read.
    all_are_taken(&world).await;
}

#[actix_web::test]
async fn nobody_publishes_with_a_users_token() {
    let world = World::make().await;
    let endpoint = TABLE.iter().find(|endpoint| endpoint.caller == Caller::Service).expect("one");
    let body = (endpoint.body)(&world).to_string();
    for caller in [Caller::Nobody, Caller::Customer, Caller::Partner, Caller::Admin] {
        let headers = format!("Content-Type: application/json\n{}", world.authorization(caller));
        let answer = world.send(endpoint.method, &world.path(endpoint), &headers, body.as_bytes()).await;
        assert_eq!(problem(&answer, 401, endpoint.path)["code"], "service_key_invalid", "{caller:?}");
    }
}
