//! Whatever a client sends, it gets a problem that says what is wrong: never a 500, never a page of HTML, never
//! silence. One table holds every endpoint and every field; the bad values follow from what a field is.

mod callers;
mod table;
mod values;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write;

use awc::http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::raw::Answer;

use table::TABLE;
use values::{Refusal, bad_values};
use world::*;

/// The parts of `pickup.latitude` and `items[0].name`.
fn pointer(path: &str) -> String {
    let mut pointer = String::new();
    for part in path.split(['.', '[']) {
        let _ = write!(pointer, "/{}", part.trim_end_matches(']'));
    }
    pointer
}

/// The body with the value at `path` replaced by a JSON text, which need not be one.
fn with(body: &Value, path: &str, text: &str) -> String {
    const MARK: &str = "(the place of the bad value)";
    let mut body = body.clone();
    *body.pointer_mut(&pointer(path)).expect("the good body has every field") = MARK.into();
    body.to_string().replace(&format!("\"{MARK}\""), text)
}

/// The body without the field, and with another one that nobody knows beside it.
fn without(body: &Value, path: &str) -> Value {
    let mut body = body.clone();
    let (parent, name) =
        pointer(path).rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a slash");
    body.pointer_mut(&parent).and_then(Value::as_object_mut).expect("an object").remove(&name);
    body
}

fn beside(body: &Value, path: &str) -> (Value, String) {
    let mut body = body.clone();
    let (parent, _) =
        pointer(path).rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a slash");
    let object = body.pointer_mut(&parent).and_then(Value::as_object_mut).expect("an object");
    object.insert("tpyo".into(), json!(1));
    let named = path.rsplit_once('.').map_or("tpyo".into(), |(parent, _)| format!("{parent}.tpyo"));
    (body, named)
}

/// Checks that an answer is a problem, and gives it.
fn problem(answer: &Answer, status: u16, what: &str) -> Value {
    let shown: String = what.chars().take(300).collect();
    assert_eq!(answer.status, status, "{shown}\n{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{shown}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{shown}");
    let problem = answer.json();
    assert_eq!(problem["status"], json!(status), "{shown}");
    for member in ["type", "title", "detail", "code"] {
        assert!(
            problem[member].as_str().is_some_and(|text| !text.is_empty()),
            "{shown}: {member}\n{problem}"
        );
    }
    if status == 422 {
        assert!(problem["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{shown}\n{problem}");
    }
    problem
}

fn fields_of(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().into_iter().flatten().filter_map(|error| error["field"].as_str()).collect()
}

fn names(problem: &Value, field: &str, code: Option<&str>, what: &str) {
    let found = problem["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|error| error["field"] == field && code.is_none_or(|code| error["code"] == code));
    let shown: String = what.chars().take(300).collect();
    assert!(found, "{shown}: expected {field} {code:?}, got {:?} {problem}", fields_of(problem));
}

fn with_bodies() -> impl Iterator<Item = &'static Endpoint> {
    TABLE.iter().filter(|endpoint| endpoint.method != "GET")
}

#[actix_web::test]
async fn the_table_holds_every_endpoint_that_the_document_describes() {
    let app = TestApp::start().await;
    let document = app.as_nobody().call(Method::GET, "/api/openapi.json", &[], None).await.expect(200);
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in ["get", "put", "post", "patch", "delete"] {
            if path.starts_with("/api/v1/") && item.get(method).is_some() {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    let path = |endpoint: &Endpoint| endpoint.path.split('?').next().unwrap_or_default().to_owned();
    let tabled: BTreeSet<String> =
        TABLE.iter().map(|endpoint| format!("{} {}", endpoint.method, path(endpoint))).collect();
    assert_eq!(tabled, described);
}

#[actix_web::test]
async fn every_endpoint_takes_what_the_table_calls_good() {
    all_are_taken(&World::make().await).await;
}

/// Calls every endpoint as the table has it.
async fn all_are_taken(world: &World) {
    for endpoint in TABLE {
        let body = (endpoint.body)(world);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = world.call(endpoint, text.as_bytes()).await;
        assert_eq!(answer.status, endpoint.status, "{} {}\n{}", endpoint.method, endpoint.path, answer.body);
        assert!(answer.header("x-request-id").is_some());
    }
}

#[actix_web::test]
async fn a_bad_value_is_refused_and_its_field_named() {
    let world = World::make().await;
    for endpoint in with_bodies() {
        let body = (endpoint.body)(&world);
        for (path, kind, presence) in endpoint.fields {
            for (value, refusal) in bad_values(*kind, *presence) {
                let text = with(&body, path, &value);
                let what = format!("{} {}: {path} = {value}", endpoint.method, endpoint.path);
                let answer = world.call(endpoint, text.as_bytes()).await;
                if refusal == Refusal::NotJson && answer.status == 400 {
                    assert_eq!(problem(&answer, 400, &what)["code"], "bad_json", "{what}");
                    continue;
                }
                let problem = problem(&answer, 422, &what);
                let inside = |field: &&str| *field == *path || field.starts_with(&format!("{path}["));
                assert!(fields_of(&problem).iter().any(inside), "{what}\n{problem}");
            }
        }
    }
}

#[actix_web::test]
async fn fields_that_are_missing_unknown_or_there_twice_are_named() {
    let world = World::make().await;
    for endpoint in with_bodies() {
        let body = (endpoint.body)(&world);
        for (path, _, presence) in endpoint.fields {
            let what = format!("{} {} {path}", endpoint.method, endpoint.path);
            if *presence == Needed {
                let answer = world.call(endpoint, without(&body, path).to_string().as_bytes()).await;
                names(&problem(&answer, 422, &what), path, Some("missing"), &what);
            }
            if !endpoint.is_the_providers() {
                let (unknown, named) = beside(&body, path);
                let answer = world.call(endpoint, unknown.to_string().as_bytes()).await;
                names(&problem(&answer, 422, &what), &named, Some("unknown"), &what);
            }
            let name = path.rsplit('.').next().unwrap_or(path);
            let value = body.pointer(&pointer(path)).expect("a value");
            let doubled = with(&body, path, &format!("{value},\"{name}\":{value}"));
            let answer = world.call(endpoint, doubled.as_bytes()).await;
            names(&problem(&answer, 422, &what), path, Some("duplicate"), &what);
        }
        if endpoint.is_the_providers() {
            continue;
        }
        // One that needs nothing takes nothing else, either.
        let what = format!("{} {} with a field that nobody knows", endpoint.method, endpoint.path);
        let answer = world.call(endpoint, br#"{"tpyo":1}"#).await;
        names(&problem(&answer, 422, &what), "tpyo", Some("unknown"), &what);
    }
}

#[actix_web::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let world = World::make().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let bodies: Vec<(Vec<u8>, u16)> = vec![
        (b"{".into(), 400),
        (b"nothing".into(), 400),
        (b"{\"a\":}".into(), 400),
        (vec![0xff, 0xfe, 0x00], 400),
        (b"{\"\xc3\x28\":1}".into(), 400),
        (b"\xef\xbb\xbf{}".into(), 400),
        (b"\x00".into(), 400),
        (b" ".into(), 400),
        (b"[]".into(), 422),
        (b"[1,2,3,4,5,6,7]".into(), 422),
        (b"[\"a@example.org\",\"long enough\",\"A\",\"customer\",null]".into(), 422),
        (b"[\"x\"]".into(), 422),
        (b"null".into(), 422),
        (b"true".into(), 422),
        (b"7".into(), 422),
        (b"\"{}\"".into(), 422),
        (deep("[", "]").into_bytes(), 0),
        (deep("{\"a\":", "}").into_bytes(), 0),
    ];
    for endpoint in with_bodies() {
        for (body, status) in &bodies {
            let what =
                format!("{} {} with {:?}", endpoint.method, endpoint.path, String::from_utf8_lossy(body));
            let answer = world.call(endpoint, body).await;
            // What is nested too deeply may be refused for that, for its size, or for a name before it is read.
            let expected = if *status == 0 { answer.status.clamp(400, 422) } else { *status };
            problem(&answer, expected, &what);
        }
    }
}

#[actix_web::test]
async fn a_body_of_another_type_or_size_is_refused() {
    let world = World::make().await;
    for endpoint in with_bodies() {
        let what = format!("{} {}", endpoint.method, endpoint.path);
        let authorization = world.authorization(endpoint.caller);
        let body = (endpoint.body)(&world).to_string();
        let path = world.path(endpoint);
        let others = [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "multipart/form-data",
        ];
        for kind in others.into_iter().filter(|_| !endpoint.is_the_providers()) {
            let headers = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\n") };
            let answer = world
                .send(endpoint.method, &path, &format!("{headers}{authorization}"), body.as_bytes())
                .await;
            assert_eq!(problem(&answer, 415, &what)["code"], "unsupported_media_type", "{what}: {kind}");
        }
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(512 * 1024));
        let answer = world.call(endpoint, large.as_bytes()).await;
        assert_eq!(problem(&answer, 413, &what)["code"], "body_too_large", "{what}");
    }
}

/// A path without one of its parameters.
fn path_without(path: &str, parameter: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let is_kept = |pair: &&str| pair.split('=').next() != Some(parameter);
    let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

#[actix_web::test]
async fn parameters_that_are_bad_unknown_or_there_twice_are_named() {
    let world = World::make().await;
    for endpoint in TABLE.iter().filter(|endpoint| !endpoint.query.is_empty()) {
        let base = world.path(endpoint);
        let join = if base.contains('?') { '&' } else { '?' };
        let authorization = world.authorization(endpoint.caller);
        let ask = async |query: String| {
            let target = format!("{base}{join}{query}");
            (world.send("GET", &target, &authorization, b"").await, target)
        };
        for (name, values) in endpoint.query {
            let join = if path_without(&base, name).contains('?') { '&' } else { '?' };
            let ask = async |query: String| {
                let target = format!("{}{join}{query}", path_without(&base, name));
                (world.send("GET", &target, &authorization, b"").await, target)
            };
            for value in *values {
                let (answer, what) = ask(format!("{name}={value}")).await;
                names(&problem(&answer, 422, &what), name, None, &what);
            }
            let (answer, what) = ask(format!("{name}=1&{name}=1")).await;
            names(&problem(&answer, 422, &what), name, None, &what);
        }
        let (answer, what) = ask("tpyo=1".into()).await;
        names(&problem(&answer, 422, &what), "tpyo", Some("unknown"), &what);
    }
}

#[actix_web::test]
async fn an_id_that_is_none_leads_nowhere() {
    let world = World::make().await;
    for endpoint in
        TABLE.iter().filter(|endpoint| endpoint.path.contains("_id}/") || endpoint.path.ends_with("_id}"))
    {
        if endpoint.path.contains('?') {
            continue;
        }
        let body = (endpoint.body)(&world);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let headers = format!("Content-Type: application/json\n{}", world.authorization(endpoint.caller));
        let long = "x".repeat(2000);
        for id in [
            "7",
            "%00",
            "..%2f..",
            "%ff%fe",
            "0190163d-8694-739b-aea5-966c26f8ad9x",
            "'%20OR%201=1",
            &long,
            "0190163d-8694-739b-aea5-966c26f8ad90",
        ] {
            let path = endpoint.path.replace("{order_id}", id).replace("{notification_id}", id);
            let path = path.replace("{topup_id}", id).replace("{payout_id}", id);
            let answer = world.send(endpoint.method, &path, &headers, text.as_bytes()).await;
            problem(&answer, 404, &format!("{} {path}", endpoint.method));
        }
    }
}

#[actix_web::test]
async fn a_key_that_is_none_is_refused() {
    let world = World::make().await;
    let takes_keys = |endpoint: &&Endpoint| endpoint.method == "POST" && !endpoint.is_the_providers();
    for endpoint in with_bodies().filter(takes_keys) {
        let body = (endpoint.body)(&world).to_string();
        for key in ["", &"k".repeat(256), "k\u{e9}y"] {
            let what = format!("{} {} with the key {key:?}", endpoint.method, endpoint.path);
            let headers = format!(
                "Content-Type: application/json\nIdempotency-Key: {key}\n{}",
                world.authorization(endpoint.caller)
            );
            let answer = world.send(endpoint.method, &world.path(endpoint), &headers, body.as_bytes()).await;
            names(&problem(&answer, 422, &what), "Idempotency-Key", None, &what);
        }
    }
}

#[actix_web::test]
async fn without_a_token_nothing_is_told() {
    let world = World::make().await;
    for endpoint in TABLE.iter().filter(|endpoint| endpoint.caller != Caller::Nobody) {
        let body = (endpoint.body)(&world);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        for authorization in
            ["", "Authorization: Bearer", "Authorization: Bearer x.y.z", "Authorization: Basic eDp5"]
        {
            let what = format!("{} {} with {authorization:?}", endpoint.method, endpoint.path);
            let headers = format!("Content-Type: application/json\n{authorization}");
            let path = world.path(endpoint);
            let answer = world.send(endpoint.method, &path, headers.trim_end(), text.as_bytes()).await;
            problem(&answer, 401, &what);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
        }
    }
}

#[actix_web::test]
async fn the_wrong_role_is_told_so() {
    let world = World::make().await;
    for endpoint in TABLE {
        let others: &[Caller] = match endpoint.caller {
            Caller::Admin => &[Caller::Customer, Caller::Partner],
            Caller::Customer if endpoint.path == "/api/v1/orders" && endpoint.method == "POST" => {
                &[Caller::Partner, Caller::Admin]
            }
            _ => &[],
        };
        for other in others {
            let body = (endpoint.body)(&world);
            let text = if body.is_null() { String::new() } else { body.to_string() };
            let headers = format!("Content-Type: application/json\n{}", world.authorization(*other));
            let answer = world.send(endpoint.method, &world.path(endpoint), &headers, text.as_bytes()).await;
            let what = format!("{} {} as {other:?}", endpoint.method, endpoint.path);
            assert_eq!(problem(&answer, 403, &what)["code"], "role_not_allowed", "{what}");
        }
    }
}

#[actix_web::test]
async fn a_method_that_is_not_taken_is_told_which_are() {
    let world = World::make().await;
    for endpoint in TABLE {
        let path = world.path(endpoint);
        let taken: Vec<&str> =
            TABLE.iter().filter(|other| other.path == endpoint.path).map(|other| other.method).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if taken.contains(&method) {
                continue;
            }
            let answer = world.send(method, &path, "", b"").await;
            let what = format!("{method} {path}");
            assert_eq!(problem(&answer, 405, &what)["code"], "method_not_allowed", "{what}");
            let allow = answer.header("allow").expect("Allow");
            let mut allowed: Vec<&str> = allow.split(", ").collect();
            let mut expected = taken.clone();
            allowed.sort_unstable();
            expected.sort_unstable();
            assert_eq!(allowed, expected, "{what}");
        }
    }
}

#[actix_web::test]
async fn a_slash_at_the_end_changes_nothing() {
    let world = World::make().await;
    for endpoint in TABLE {
        let (path, query) = match world.path(endpoint).split_once('?') {
            Some((path, query)) => (path.to_owned(), format!("?{query}")),
            None => (world.path(endpoint), String::new()),
        };
        let headers = format!("Content-Type: application/json\n{}", world.authorization(endpoint.caller));
        let body = (endpoint.body)(&world);
        // What changes something is sent without what it needs: it is the handler that refuses.
        let (body, status) =
            if body.is_null() { (String::new(), endpoint.status) } else { ("7".into(), 422) };
        let status = if endpoint.is_the_providers() { 401 } else { status };
        for slashes in ["", "/"] {
            let target = format!("{path}{slashes}{query}");
            let answer = world.send(endpoint.method, &target, &headers, body.as_bytes()).await;
            assert_eq!(answer.status, status, "{} {target}: {}", endpoint.method, answer.body);
        }
    }
}

#[actix_web::test]
async fn where_nothing_is_there_is_a_problem() {
    let world = World::make().await;
    for path in [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/orders",
        "/ws/nothing/",
        "/%00",
        "/api/v1/orders/x/y/z",
        "/..%2f..%2fetc/passwd",
        "/api/v1/orders%2f",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = world.send(method, path, "", b"").await;
            assert_eq!(problem(&answer, 404, path)["code"], "route_not_found", "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn the_clients_own_id_comes_back_when_it_is_sane() {
    let world = World::make().await;
    let answer = world.send("GET", "/api/v1/me", "X-Request-Id: my-own_id.7", b"").await;
    assert_eq!(answer.header("x-request-id"), Some("my-own_id.7"));
    for id in ["a b", "\"", &"x".repeat(65)] {
        let answer = world.send("GET", "/api/v1/me", &format!("X-Request-Id: {id}"), b"").await;
        let given = answer.header("x-request-id").expect("an id of the server's");
        assert!(given != id && given.len() == 36, "{given}");
    }
}
