//! The documents that describe the interface, held against the server: neither may say what is not so, and
//! neither may leave anything out.

mod answers;

mod frames;
mod guides;
mod refusals;
mod routes;
mod schema;

use awc::http::Method;
use serde_json::Value;

use crate::support::{Answer, TestApp};
use schema::Checker;

/// The OpenAPI document as a server serves it.
struct OpenApi {
    document: Value,
    checker: Checker,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Operation {
    method: String,
    /// With its parameters in braces.
    path: String,
}

impl OpenApi {
    async fn of(app: &TestApp) -> Self {
        let document = app.as_nobody().call(Method::GET, "/api/openapi.json", &[], None).await.expect(200);
        Self { checker: Checker::new(&document), document }
    }

    fn operations(&self) -> Vec<Operation> {
        let paths = self.document["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods.map(|method| Operation { method: method.to_uppercase(), path: path.clone() })
        });
        operations.collect()
    }

    /// What the document says of an operation.
    fn get(&self, operation: &Operation) -> &Value {
        &self.document["paths"][&operation.path][operation.method.to_lowercase()]
    }

    /// Whether it takes a header, or has a parameter in the path or the query.
    fn has_parameter(&self, operation: &Operation, place: &str, name: Option<&str>) -> bool {
        let parameters = self.get(operation)["parameters"].as_array().into_iter().flatten();
        parameters
            .into_iter()
            .any(|parameter| parameter["in"] == place && name.is_none_or(|name| parameter["name"] == name))
    }

    /// Holds an answer against what the document says that such an answer is.
    #[track_caller]
    fn check(&self, operation: &Operation, answer: &Answer) {
        let Operation { method, path } = operation;
        let said = &self.get(operation)["responses"][answer.status.to_string()];
        assert!(
            said.is_object(),
            "{method} {path} does not say that it answers {}: {answer:?}",
            answer.status
        );
        for (name, _) in said["headers"].as_object().into_iter().flatten() {
            // That an answer is a repeated one is only said of those.
            assert!(
                answer.header(name).is_some() || name == "Idempotency-Replayed",
                "{method} {path} has no {name}: {answer:?}"
            );
        }
        let said_media = said["content"].as_object().into_iter().flatten().map(|(media, _)| media.as_str());
        let said_media: Vec<&str> = said_media.collect();
        let media = answer.header("content-type").map(|media| media.split(';').next().unwrap_or_default());
        match media {
            None => assert!(said_media.is_empty() && answer.body.is_null(), "{method} {path}: {answer:?}"),
            Some(media) if path == "/docs/{asset}" && answer.status == 200 => {
                assert!(media.starts_with("text/") || media == "image/png", "{path}: {media}");
            }
            Some(media) => {
                assert!(said_media.contains(&media), "{method} {path}: {media} instead of {said_media:?}");
                let schema = &said["content"][media]["schema"];
                let faults = self.checker.faults(schema, &answer.body);
                assert!(faults.is_empty(), "{method} {path}: {faults:#?}\nin {:#}", answer.body);
            }
        }
    }
}
