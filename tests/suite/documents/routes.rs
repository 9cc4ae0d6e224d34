//! The routes that the server has, against those that the documents name.

use std::collections::BTreeSet;

use actix_web::introspection::IntrospectionTree;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, HttpResponse, web};
use serde_json::Value;

use waybill::http::pages::PageSettings;

use super::{OpenApi, Operation};
use crate::support::TestApp;

/// Where the test asks for the routes.
const PROBE: &str = "/routes-of-this-server";

/// Every method of every route that the server registers, as actix-web lists them.
async fn registered() -> BTreeSet<Operation> {
    let tell = async |tree: web::Data<IntrospectionTree>| {
        HttpResponse::Ok().content_type("application/json").body(tree.report_as_json())
    };
    let server = App::new()
        .configure(waybill::server::routes(PageSettings::default()))
        .route(PROBE, web::get().to(tell));
    let server = init_service(server).await;
    let response = call_service(&server, TestRequest::get().uri(PROBE).to_request()).await;
    let report: Vec<Value> = read_body_json(response).await;
    let resources = report.iter().filter(|item| item["resource_type"] == "resource");
    resources
        .flat_map(|item| {
            assert!(item["potentially_unreachable"].is_null(), "{item}");
            let path = item["full_path"].as_str().expect("a path").to_owned();
            let methods = item["methods"].as_array().expect("methods").clone();
            assert!(!methods.is_empty(), "{path} takes any method");
            let method = |method: &Value| method.as_str().expect("a method").to_owned();
            methods.into_iter().map(move |named| Operation { method: method(&named), path: path.clone() })
        })
        // Asking for the headers alone is the same operation.
        .filter(|operation| operation.path != PROBE && operation.method != "HEAD")
        .collect()
}

fn is_socket(operation: &Operation) -> bool {
    operation.path == "/ws" || operation.path.starts_with("/ws/")
}

/// Pages and what they load are for people, and no interface.
fn is_page(operation: &Operation) -> bool {
    let first = operation.path.split('/').nth(1).unwrap_or_default();
    ["", "static", "sw.js", "app", "customer", "partner", "admin"].contains(&first)
}

#[actix_web::test]
async fn every_route_is_in_the_openapi_document_and_every_operation_has_a_route() {
    let app = TestApp::start().await;
    let documented: BTreeSet<Operation> = OpenApi::of(&app).await.operations().into_iter().collect();
    let is_rest = |operation: &Operation| !is_socket(operation) && !is_page(operation);
    let registered: BTreeSet<Operation> = registered().await.into_iter().filter(is_rest).collect();
    let undocumented: Vec<_> = registered.difference(&documented).collect();
    let imagined: Vec<_> = documented.difference(&registered).collect();
    assert!(undocumented.is_empty() && imagined.is_empty(), "{undocumented:#?} {imagined:#?}");
    assert!(documented.len() > 20, "{documented:?}");
}

#[actix_web::test]
async fn every_socket_is_in_the_asyncapi_document_and_every_channel_has_a_route() {
    let document = waybill::protocol::asyncapi::document("http://localhost");
    let channels = document["channels"].as_object().expect("channels").values();
    let address =
        |channel: &Value| channel["address"].as_str().expect("a path").trim_end_matches('/').to_owned();
    let documented: BTreeSet<String> = channels.map(address).collect();
    let sockets = registered().await.into_iter().filter(is_socket).map(|operation| operation.path);
    assert_eq!(sockets.collect::<BTreeSet<String>>(), documented);
}
