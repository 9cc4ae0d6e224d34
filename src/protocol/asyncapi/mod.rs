//! The AsyncAPI document of the frames, made from the structs that are read and written.
//!
//! Which frames a group hears is not written down here either: samples of all events are asked for their
//! audience, and their frames are the document's examples.

mod messages;
mod samples;

use serde_json::{Map, Value, json};

use crate::domain::group::GroupKind;

use super::close::CloseReason;
use super::endpoint::Endpoint;
use super::problems::PROBLEMS;

use messages::{Hearers, Message};

/// The AsyncAPI 3.0 document, for a server that clients reach at `base`, an `http(s)://` URL.
#[must_use]
pub fn document(base: &str) -> Value {
    let (sent, sent_schemas) = messages::from_server();
    let (received, received_schemas) = messages::from_clients();
    let mut schemas = sent_schemas;
    schemas.extend(received_schemas);

    let mut channels = Map::new();
    let mut operations = Map::new();
    for endpoint in Endpoint::ALL {
        let hears: Vec<&Message> = sent.iter().filter(|message| is_heard(message, endpoint)).collect();
        let name = endpoint.as_str();
        channels.insert(name.into(), channel(endpoint, &hears, &received));
        let operation = |action: &str, summary: &str, messages: Vec<Value>| {
            json!({
                "action": action, "channel": reference(&format!("channels/{name}")), "summary": summary,
                "messages": messages,
            })
        };
        let of = |message: &Message| reference(&format!("channels/{name}/messages/{}", message.key));
        let sends = hears.iter().map(|message| of(message)).collect();
        let receives = received.iter().map(of).collect();
        operations.insert(format!("{name}.tell"), operation("send", "What the server tells", sends));
        operations.insert(format!("{name}.ask"), operation("receive", "What a client may send", receives));
    }
    let messages: Map<String, Value> =
        sent.iter().chain(&received).map(|message| (message.key.clone(), message.object())).collect();

    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "waybill",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "defaultContentType": "application/json",
        "servers": {"this": server(base)},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas, "securitySchemes": security_schemes()},
        "x-close-codes": close_codes(),
        "x-error-codes": error_codes(),
    })
}

const DESCRIPTION: &str = "\
Frames are JSON texts, one object each, told apart by `type`. Events carry the group that they came through, an `id` \
for de-duplication, and a number `seq` within the group's `epoch`: a client that comes back sends the last one as \
`since` and gets exactly what it missed, or a fresh snapshot. Take frames of an unknown `type` and unknown members \
for what a later version may add, and ignore them.";

/// Whether a frame reaches sessions of an endpoint that subscribe to nothing else.
fn is_heard(message: &Message, endpoint: Endpoint) -> bool {
    match (&message.hearers, endpoint.group()) {
        (Hearers::Sessions, _) => true,
        // There the client subscribes to whatever it may.
        (Hearers::Groups(_), None) => true,
        (Hearers::Groups(kinds), Some(kind)) => kinds.contains(&kind),
    }
}

fn reference(path: &str) -> Value {
    json!({"$ref": format!("#/{path}")})
}

fn channel(endpoint: Endpoint, hears: &[&Message], received: &[Message]) -> Value {
    let all = hears.iter().copied().chain(received);
    let messages: Map<String, Value> = all
        .map(|message| (message.key.clone(), reference(&format!("components/messages/{}", message.key))))
        .collect();
    let first = endpoint.group().map_or("welcome", messages::snapshot_of);
    let joins = match endpoint.group() {
        Some(GroupKind::User) => "Joins `user_{user_id}`",
        Some(GroupKind::Order) => "Joins `order_{order_id}`",
        Some(GroupKind::Partner) => "Joins `partner_{partner_id}`",
        Some(GroupKind::Admin) => "Joins `admin_dashboard`",
        None => "Joins nothing by itself",
    };
    let description = format!(
        "{joins}; the first frame is `{first}`. For {}. `subscribe` adds further groups, and with them the frames \
         that `{}` lists.",
        endpoint.admits(),
        Endpoint::Any.path()
    );
    let token = json!({
        "type": "string",
        "description": "An access token, or a ticket from `GET /api/v1/realtime/token`.",
    });
    let mut channel = json!({
        "address": endpoint.path(),
        "description": description,
        "servers": [reference("servers/this")],
        "messages": messages,
        "bindings": {"ws": {
            "method": "GET",
            "query": {"type": "object", "properties": {"token": token}},
            "bindingVersion": "0.1.0",
        }},
        "x-first-frame": first,
    });
    if endpoint == Endpoint::Order
        && let Some(object) = channel.as_object_mut()
    {
        object.insert("parameters".into(), json!({"order_id": {"description": "The order's id."}}));
    }
    channel
}

fn server(base: &str) -> Value {
    let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut server = json!({
        "host": host,
        "protocol": if scheme == "https" { "wss" } else { "ws" },
        "security": [
            reference("components/securitySchemes/query"),
            reference("components/securitySchemes/bearer"),
            reference("components/securitySchemes/subprotocol"),
        ],
    });
    let path = path.trim_end_matches('/');
    if !path.is_empty()
        && let Some(object) = server.as_object_mut()
    {
        object.insert("pathname".into(), format!("/{path}").into());
    }
    server
}

fn security_schemes() -> Value {
    json!({
        "query": {
            "type": "httpApiKey", "in": "query", "name": "token",
            "description": "An access token, or a ticket that is good for one handshake. Looked at first.",
        },
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "subprotocol": {
            "type": "httpApiKey", "in": "header", "name": "Sec-WebSocket-Protocol",
            "description": "`bearer, <token>`, for browsers, which can set no other header; `bearer` is echoed.",
        },
    })
}

fn close_codes() -> Value {
    CloseReason::ALL
        .iter()
        .map(|reason| {
            json!({
                "code": reason.code(), "name": reason.as_str(), "reason": reason.text(), "advice": reason.advice(),
            })
        })
        .collect()
}

/// What the `code` of an `error` frame may be.
fn error_codes() -> Value {
    PROBLEMS.iter().map(|problem| json!({"code": problem.code, "meaning": problem.meaning})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::ClientKind;

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }

    /// Everything that is referred to, as JSON pointers.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    found.push(to.strip_prefix('#').expect("within the document"));
                }
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document("https://shop.example/live");
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for pointer in found {
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    #[test]
    fn every_frame_of_clients_may_be_sent_on_every_endpoint() {
        let document = document("http://localhost");
        for endpoint in Endpoint::ALL {
            let channel = &document["channels"][endpoint.as_str()];
            for kind in ClientKind::ALL {
                let key = format!("client.{}", kind.as_str());
                assert!(keys(&channel["messages"]).contains(&key.as_str()), "{key} on {endpoint:?}");
            }
        }
    }

    #[test]
    fn a_group_hears_what_its_events_are_sent_to() {
        let document = document("http://localhost");
        let hears = |endpoint: Endpoint, key: &str| {
            keys(&document["channels"][endpoint.as_str()]["messages"]).contains(&key)
        };
        assert!(hears(Endpoint::Order, "server.order_update"));
        assert!(!hears(Endpoint::Order, "server.notification"));
        assert!(hears(Endpoint::Notifications, "server.notification"));
        assert!(!hears(Endpoint::Notifications, "server.location"));
        assert!(hears(Endpoint::Partner, "server.queue_update"));
        assert!(hears(Endpoint::Admin, "server.activity"));
        for message in keys(&document["components"]["messages"]) {
            assert!(hears(Endpoint::Any, message), "{message}");
        }
    }

    #[test]
    fn the_document_is_the_same_every_time() {
        assert_eq!(document("http://localhost"), document("http://localhost"));
    }

    #[test]
    fn a_server_below_a_path_is_told_as_such() {
        let server = &document("https://shop.example:8443/live/")["servers"]["this"];
        assert_eq!(server["host"], "shop.example:8443");
        assert_eq!(server["protocol"], "wss");
        assert_eq!(server["pathname"], "/live");
    }
}
