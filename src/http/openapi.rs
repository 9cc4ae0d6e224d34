//! The OpenAPI document of the REST interface, made from the handlers themselves.
//!
//! What holds for many operations (common headers, common errors, the media type of problems) is added here in
//! one place, so that handlers only say what is special about them.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Schema, Server, Type};
use utoipa::{Modify, OpenApi};

use super::{
    accounts, admin, chat, dispatch, docs, earnings, error, events, notifications, ops, orders, partner,
    payments, push, wallet,
};

const PROBLEM_JSON: &str = "application/problem+json";

/// The document before the server's address is known.
#[derive(OpenApi)]
#[openapi(
    info(title = "waybill"),
    tags(
        (name = "accounts", description = "Registering, logging in and out, tickets for WebSockets."),
        (name = "orders", description = "Placing orders, looking at them, and taking them from step to step."),
        (name = "partners", description = "Going online, taking what is offered, and telling where one is."),
        (name = "chat", description = "What the parties of an order write to each other."),
        (name = "notifications", description = "The inbox, its unread count, and what somebody wants to hear of."),
        (name = "push", description = "Browsers that are sent notifications while no page is open."),
        (name = "money", description = "Wallets, earnings, and how money gets there and away."),
        (name = "admin", description = "For those who watch over all of it."),
        (name = "events", description = "For other back ends, with a service key."),
        (name = "provider", description = "For the payment provider, by signature."),
        (name = "operations", description = "For whoever runs the server."),
        (name = "documents", description = "What describes the interface."),
    ),
    paths(
        accounts::register, accounts::log_in, accounts::refresh, accounts::log_out, accounts::me,
        accounts::change_me, accounts::realtime_token,
        orders::place, orders::quote, orders::list, orders::get, orders::transition, orders::assign, orders::timeline,
        orders::track, orders::rate, orders::rating,
        chat::post, chat::list, chat::read,
        dispatch::availability, dispatch::set_availability, dispatch::queue, dispatch::offers, dispatch::accept,
        dispatch::decline, dispatch::audit,
        partner::locations,
        notifications::list, notifications::unread_count, notifications::read, notifications::read_all,
        notifications::preferences, notifications::set_preferences, notifications::announce,
        notifications::deliveries,
        wallet::wallet, wallet::entries, wallet::top_up, wallet::get_top_up, earnings::earnings, earnings::pay_out,
        earnings::earnings_entries, earnings::get_pay_out,
        admin::overview, admin::partners, admin::users, admin::positions, admin::health, admin::activity, admin::exceptions,
        admin::claims, admin::claim, admin::release,
        payments::payment, payments::refund, payments::webhook,
        push::key, push::subscribe, push::unsubscribe, push::list, push::requeue,
        events::publish,
        ops::healthz, ops::readyz, ops::metrics,
        docs::openapi_document, docs::asyncapi_document, docs::browse, docs::frames, docs::problems, docs::asset,
    ),
    components(schemas(error::Problem)),
    modifiers(&Security, &Common),
)]
struct Document;

/// The OpenAPI 3.1 document, for a server that clients reach at `base`.
#[must_use]
pub fn document(base: &str) -> utoipa::openapi::OpenApi {
    let base = base.trim_end_matches('/');
    let mut document = Document::openapi();
    document.info.description = Some(format!(
        "Orders, partners, notifications and live positions of an on-demand marketplace.\n\n\
         Ids are UUIDs, times RFC 3339 in UTC with milliseconds, amounts of money integers in minor units. A slash \
         at the end of a path may be there or not. Unknown fields are refused. Errors are \
         `application/problem+json` (RFC 9457) with a stable `code`: [all of them]({base}/docs/problems).\n\n\
         What happens is told over WebSocket, in [frames]({base}/docs/frames)."
    ));
    document.servers = Some(vec![Server::new(base)]);
    document
}

/// What callers show to be let in.
struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = || HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let user = bearer().bearer_format("JWT").description(Some(
            "An access token: from registering, logging in or refreshing, or of a back end that shares the secret \
             or whose public key this server knows.",
        ));
        let service = bearer().description(Some(
            "A key of another back end: made by `waybill service-key add`, or from `WAYBILL_SERVICE_KEYS`.",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(user.build()));
        components.add_security_scheme("service_key", SecurityScheme::Http(service.build()));
    }
}

/// What holds for many operations.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        if let Some(RefOr::T(Schema::Object(problem))) = components.schemas.get_mut("Problem") {
            let any = AdditionalProperties::FreeForm(true);
            problem.additional_properties = Some(Box::new(any));
        }
        for (path, item) in &mut document.paths.paths {
            let PathItem { get, put, post, delete, patch, .. } = item;
            let is_api = path.starts_with("/api/v1/");
            let changing = [(put, false), (post, true), (delete, false), (patch, false)];
            if let Some(operation) = get {
                complete(operation, Traits { is_api, ..Traits::default() });
            }
            for (operation, is_post) in changing {
                if let Some(operation) = operation {
                    complete(operation, Traits { is_api, takes_body: true, is_post });
                }
            }
        }
    }
}

/// What can be told of an operation from its place.
#[derive(Debug, Clone, Copy, Default)]
struct Traits {
    is_api: bool,
    takes_body: bool,
    is_post: bool,
}

fn complete(operation: &mut Operation, traits: Traits) {
    let has_parameter = |place: ParameterIn| {
        let parameters = operation.parameters.iter().flatten();
        parameters.into_iter().any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == place,
            RefOr::Ref(_) => false,
        })
    };
    let (has_path, has_query) = (has_parameter(ParameterIn::Path), has_parameter(ParameterIn::Query));
    let is_of = |name: &str| operation.tags.iter().flatten().any(|tag| tag == name);
    // What a provider tells is signed as it came, has ids of its own, and need not be declared as JSON.
    let is_signed = is_of("provider");
    // The answers about accounts hold tokens, which are not kept.
    let keeps_answers = traits.is_api && traits.is_post && !is_of("accounts") && !is_signed;

    let mut errors = Vec::new();
    if traits.is_api {
        errors.push(503);
    }
    if operation.security.as_ref().is_some_and(|schemes| !schemes.is_empty()) {
        errors.push(401);
    }
    if has_path {
        errors.push(404);
    }
    if has_query {
        errors.push(422);
    }
    if traits.is_api && traits.takes_body {
        errors.extend([400, 413, 422]);
        if !is_signed {
            errors.push(415);
        }
    }
    if keeps_answers {
        errors.push(409);
    }
    for status in errors {
        let known = operation.responses.responses.entry(status.to_string());
        known.or_insert_with(|| RefOr::T(problem_response(status)));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            describe(status, response, keeps_answers);
        }
    }
    // Handlers of different files may have the same name; ids of operations may not.
    if let (Some(id), Some(tag)) = (&mut operation.operation_id, operation.tags.iter().flatten().next()) {
        *id = format!("{tag}_{id}");
    }
    let parameters = operation.parameters.get_or_insert_default();
    if keeps_answers {
        parameters.push(RefOr::T(idempotency_key()));
    }
    parameters.push(RefOr::T(request_id()));
}

fn problem_response(status: u16) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(meaning(status)).content("application/json", content).build()
}

/// What a status means where the handler does not say more.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The body is not JSON",
        401 => "No, a bad or an expired token",
        403 => "The caller may not",
        404 => "There is no such thing, or the caller may not know of it",
        409 => "It cannot be done as things stand",
        413 => "The body is too large",
        415 => "The body is not declared as JSON",
        422 => "Fields are wrong; `errors` names them",
        429 => "Too often; come back later",
        503 => "The server or its database is not available at the moment; nothing was changed",
        // Statuses are an open set.
        _ => "Success",
    }
}

/// Fills in what every answer of this status has.
fn describe(status: &str, response: &mut Response, keeps_answers: bool) {
    let status: u16 = status.parse().unwrap_or_default();
    if response.description.is_empty() {
        response.description = meaning(status).into();
    }
    if status >= 400
        && let Some(content) = response.content.shift_remove("application/json")
    {
        response.content.insert(PROBLEM_JSON.into(), content);
    }
    let mut add = |name: &str, kind: Type, text: &str| {
        response.headers.insert(name.into(), RefOr::T(header(kind, text)));
    };
    add("X-Request-Id", Type::String, "The request's id: the caller's own, or a fresh one.");
    match status {
        401 => add("WWW-Authenticate", Type::String, "`Bearer`."),
        429 | 503 => add("Retry-After", Type::Integer, "Come back after so many seconds."),
        200..=299 if keeps_answers => {
            add("Idempotency-Replayed", Type::String, "`true` when this is the answer to an earlier call.");
        }
        // Statuses are an open set.
        _ => {}
    }
}

fn header(kind: Type, text: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind);
    HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build()
}

fn header_parameter(name: &str, text: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(schema))
        .build()
}

fn idempotency_key() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    let text = "Makes repeating the call safe: within 24 hours the same key with the same body gets the first \
                answer again, and with another body 409 `idempotency_key_reused`.";
    header_parameter("Idempotency-Key", text, schema)
}

fn request_id() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(64))
        .pattern(Some("^[A-Za-z0-9._-]+$"));
    header_parameter("X-Request-Id", "Names the request in the answer and in the server's log.", schema)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn operations() -> Vec<Value> {
        let document = serde_json::to_value(document("http://localhost")).expect("JSON");
        let paths = document["paths"].as_object().expect("paths").clone();
        paths
            .into_iter()
            .flat_map(|(_, item)| item.as_object().cloned().into_iter().flatten())
            .map(|(_, operation)| operation)
            .collect()
    }

    #[test]
    fn operations_have_ids_of_their_own_and_a_line_that_says_what_they_do() {
        let ids: BTreeSet<String> =
            operations().iter().map(|operation| operation["operationId"].to_string()).collect();
        assert_eq!(ids.len(), operations().len(), "{ids:?}");
        for operation in operations() {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{operation}");
        }
    }

    #[test]
    fn refusals_are_problems_and_say_when_they_happen() {
        for operation in operations() {
            for (status, response) in operation["responses"].as_object().expect("responses") {
                assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{operation}");
                let is_problem = response["content"][PROBLEM_JSON].is_object();
                assert_eq!(is_problem, status.as_str() >= "400", "{status}: {operation}");
            }
        }
    }
}
