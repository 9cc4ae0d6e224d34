//! JSON against the schemas of a document, more strictly than they are meant for clients: a member that no schema
//! names is a fault, too, since it is one that the document forgot.

use jsonschema::Draft;
use serde_json::{Map, Value, json};

/// Checks JSON against the schemas of one document.
pub(super) struct Checker {
    document: Value,
}

impl Checker {
    pub(super) fn new(document: &Value) -> Self {
        Self { document: document.clone() }
    }

    /// What is wrong with `value`.
    pub(super) fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let schema = self.closed(schema, false);
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let validator = options.build(&schema).expect("a good schema");
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// The schema with its references put in their places, and every object that names its members closed to
    /// others. `is_part` is a schema that describes only some members of an object, beside others.
    fn closed(&self, schema: &Value, is_part: bool) -> Value {
        let Value::Object(members) = schema else { return schema.clone() };
        if let Some(Value::String(reference)) = members.get("$ref") {
            let pointer = reference.strip_prefix('#').expect("a reference within the document");
            let target = self.document.pointer(pointer);
            return self.closed(target.unwrap_or_else(|| panic!("{reference} leads nowhere")), is_part);
        }
        let all = |schemas: &Value, is_part| -> Value {
            let schemas = schemas.as_array().expect("a list of schemas");
            schemas.iter().map(|schema| self.closed(schema, is_part)).collect()
        };
        let mut closed = Map::new();
        for (keyword, value) in members {
            let value = match keyword.as_str() {
                "properties" => {
                    let properties = value.as_object().expect("properties").iter();
                    properties.map(|(name, schema)| (name.clone(), self.closed(schema, false))).collect()
                }
                "items" | "additionalProperties" | "propertyNames" => self.closed(value, false),
                "allOf" => all(value, true),
                "oneOf" | "anyOf" => all(value, is_part),
                _ => value.clone(),
            };
            closed.insert(keyword.clone(), value);
        }
        let names_members = closed.contains_key("properties") || closed.contains_key("allOf");
        if names_members && !is_part && !closed.contains_key("additionalProperties") {
            closed.insert("unevaluatedProperties".into(), json!(false));
        }
        Value::Object(closed)
    }
}

#[test]
fn what_a_schema_does_not_name_is_a_fault() {
    let document = json!({"components": {"schemas": {
        "Id": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}}},
        "At": {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}},
    }}});
    let checker = Checker::new(&document);
    let id = "0190163d-8694-739b-aea5-966c26f8ad90";
    let one = json!({"$ref": "#/components/schemas/Id"});
    let either = json!({"anyOf": [one, {"$ref": "#/components/schemas/At"}]});
    let both = json!({"allOf": [one, {"anyOf": [{"$ref": "#/components/schemas/At"}]}]});
    let nullable = json!({"oneOf": [{"type": "null"}, one]});
    for (schema, value, is_right) in [
        (&one, json!({"id": id}), true),
        (&one, json!({"id": id, "x": 1}), false),
        (&one, json!({"id": "7"}), false),
        (&one, json!({}), false),
        (&either, json!({"id": id}), true),
        (&either, json!({"id": id, "at": "2026-01-02T03:04:05.678Z"}), false),
        (&both, json!({"id": id, "at": "2026-01-02T03:04:05.678Z"}), true),
        (&both, json!({"id": id, "at": "yesterday"}), false),
        (&both, json!({"id": id, "x": 1}), false),
        (&nullable, json!(null), true),
        (&nullable, json!({"id": id, "x": 1}), false),
    ] {
        assert_eq!(checker.faults(schema, &value).is_empty(), is_right, "{schema} {value}");
    }
}
