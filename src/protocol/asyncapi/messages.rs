//! Messages: one for each frame, with its schema from the struct and its examples from code that makes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::group::{GroupKey, GroupKind};
use crate::protocol::client::{ClientKind, Since};
use crate::protocol::dispatch::Dispatch;
use crate::protocol::ephemeral::EphemeralFrame;
use crate::protocol::event::{Event, EventFrame, PublishedFrame};
use crate::protocol::server::{
    Control, EphemeralEnvelope, EventEnvelope, Numbering, SnapshotEnvelope, envelop,
};
use crate::protocol::snapshot::SnapshotFrame;

use super::samples;

/// Schemas by name.
pub(super) type Schemas = Map<String, Value>;

/// Who a frame of the server's may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hearers {
    /// Any session: it answers or informs that one.
    Sessions,
    /// Those who listen to a group of one of these kinds.
    Groups(Vec<GroupKind>),
}

/// One frame.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// Its place in the document.
    pub key: String,
    /// Its `type`.
    name: String,
    summary: String,
    payload: Value,
    examples: Vec<Value>,
    pub hearers: Hearers,
}

impl Message {
    /// The Message Object.
    pub(super) fn object(&self) -> Value {
        let examples: Vec<Value> = self.examples.iter().map(|payload| json!({"payload": payload})).collect();
        json!({
            "name": self.name, "title": self.name, "summary": self.summary, "payload": self.payload,
            "examples": examples,
        })
    }
}

/// What is put beside a frame's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Envelope {
    Event,
    Ephemeral,
    Snapshot,
}

impl Envelope {
    const fn schema_name(self) -> &'static str {
        match self {
            Self::Event => "EventEnvelope",
            Self::Ephemeral => "EphemeralEnvelope",
            Self::Snapshot => "SnapshotEnvelope",
        }
    }

    /// The whole frame, as a group or a session would send it.
    fn around(self, body: &str, group: GroupKey) -> Value {
        let (id, at, epoch) = (samples::event_id(), samples::at(), samples::EPOCH);
        let numbering = match self {
            Self::Event => Some(Numbering { seq: 42, epoch }),
            Self::Ephemeral | Self::Snapshot => None,
        };
        let text = envelop(body, &group.to_string(), id, at, numbering);
        let mut frame: Value = serde_json::from_str(&text).unwrap_or_default();
        if let (Self::Snapshot, Some(members)) = (self, frame.as_object_mut()) {
            members.insert("position".into(), json!(Since { epoch: epoch.into(), seq: 41 }));
        }
        frame
    }
}

/// A frame of a group while its samples are being gathered.
#[derive(Debug, Default)]
struct Gathered {
    envelopes: Vec<Envelope>,
    examples: Vec<Value>,
    groups: Vec<GroupKind>,
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

impl Gathered {
    fn take(&mut self, envelope: Envelope, body: &str, group: GroupKey) {
        let is_new = !self.envelopes.contains(&envelope);
        add(&mut self.envelopes, envelope);
        add(&mut self.groups, group.kind());
        if is_new {
            self.examples.push(envelope.around(body, group));
        }
    }
}

fn type_of(body: &str) -> String {
    let frame: Value = serde_json::from_str(body).unwrap_or_default();
    text(&frame, "type").into()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The frames of groups, by `type`: asked of the samples.
fn gather() -> BTreeMap<String, Gathered> {
    let mut gathered = BTreeMap::<String, Gathered>::new();
    for event in samples::events() {
        let (groups, body, envelope) = match event.dispatch() {
            Dispatch::Publish { groups, frame } => (groups, frame, Envelope::Event),
            Dispatch::State { group, frame, .. } => (vec![group], frame, Envelope::Ephemeral),
            Dispatch::Expel { .. } | Dispatch::EndSessions { .. } => continue,
        };
        let entry = gathered.entry(type_of(body.get())).or_default();
        groups.into_iter().for_each(|group| entry.take(envelope, body.get(), group));
        if let Event::ChatMessage { message } = &event {
            // As an answer to one session.
            entry.take(Envelope::Ephemeral, body.get(), GroupKey::Order(message.order_id));
        }
    }
    samples::with_ephemeral(|group, frame| {
        let body = frame.to_text();
        gathered.entry(type_of(&body)).or_default().take(Envelope::Ephemeral, &body, group);
    });
    samples::with_answers(|group, body| {
        gathered.entry(type_of(body)).or_default().take(Envelope::Ephemeral, body, group);
    });
    samples::with_snapshots(|group, frame| {
        let body = frame.to_text();
        gathered.entry(type_of(&body)).or_default().take(Envelope::Snapshot, &body, group);
    });
    gathered
}

/// The `type` of a group's snapshot.
pub(super) fn snapshot_of(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::User => "unread_count",
        GroupKind::Order => "order_status",
        GroupKind::Partner => "queue",
        GroupKind::Admin => "dashboard",
    }
}

/// Every frame that the server sends, and the schemas that they refer to.
pub(super) fn from_server() -> (Vec<Message>, Schemas) {
    let mut schemas = Schemas::new();
    let mut bodies = variants::<EventFrame<'_>>(&mut schemas);
    bodies.extend(variants::<EphemeralFrame<'_>>(&mut schemas));
    // Where a snapshot has the `type` of an event, it has its body, too.
    for (name, body) in variants::<SnapshotFrame<'_>>(&mut schemas) {
        bodies.entry(name).or_insert(body);
    }
    define::<EventEnvelope<'_>>(&mut schemas);
    define::<EphemeralEnvelope>(&mut schemas);
    define::<SnapshotEnvelope>(&mut schemas);

    let mut gathered = gather();
    let mut messages: Vec<Message> = bodies
        .into_iter()
        .map(|(name, body)| {
            let Gathered { envelopes, examples, groups } = gathered.remove(&name).unwrap_or_default();
            let payload = json!({"allOf": [body, any_of(&envelopes)]});
            message(name, payload, examples, Hearers::Groups(groups))
        })
        .collect();
    messages.push(published(&mut schemas));

    let mut examples = samples::controls();
    for (name, payload) in variants::<Control<'_>>(&mut schemas) {
        let examples = examples.remove(&name).unwrap_or_default();
        messages.push(message(name, payload, examples, Hearers::Sessions));
    }
    (messages, schemas)
}

fn message(name: String, payload: Value, examples: Vec<Value>, hearers: Hearers) -> Message {
    let described = payload.pointer("/allOf/0/description").or_else(|| payload.get("description"));
    let summary = described.and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
    Message { key: format!("server.{name}"), name, summary, payload, examples, hearers }
}

fn any_of(envelopes: &[Envelope]) -> Value {
    let references: Vec<Value> = envelopes
        .iter()
        .map(|envelope| json!({"$ref": format!("#/components/schemas/{}", envelope.schema_name())}))
        .collect();
    match references.as_slice() {
        [only] => only.clone(),
        several => json!({"anyOf": several}),
    }
}

/// What other back ends publish: of any type, to any group.
fn published(schemas: &mut Schemas) -> Message {
    let mut referenced = Vec::new();
    PublishedFrame::schemas(&mut referenced);
    keep(referenced, schemas);
    let body = value(&PublishedFrame::schema());
    let payload = json!({"allOf": [body, any_of(&[Envelope::Event, Envelope::Ephemeral])]});
    let text = samples::published_body();
    let example = Envelope::Event.around(&text, samples::order_group());
    let groups = Hearers::Groups(GroupKind::ALL.to_vec());
    message("published".into(), payload, vec![example], groups)
}

/// Every frame that clients send, and the schemas that they refer to.
pub(super) fn from_clients() -> (Vec<Message>, Schemas) {
    let mut schemas = Schemas::new();
    let messages = ClientKind::ALL
        .iter()
        .map(|kind| {
            let mut referenced = Vec::new();
            kind.referenced(&mut referenced);
            keep(referenced, &mut schemas);
            let name = kind.as_str();
            let payload = with_type(value(&kind.schema()), name);
            let summary = text(&payload, "description").replace('\n', " ");
            Message {
                key: format!("client.{name}"),
                name: name.into(),
                summary,
                payload,
                examples: vec![samples::client(*kind)],
                hearers: Hearers::Sessions,
            }
        })
        .collect();
    (messages, schemas)
}

/// Adds `type`, which the struct of a client's frame takes for granted.
fn with_type(mut schema: Value, name: &str) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("type".into(), json!({"type": "string", "enum": [name]}));
    }
    if let Some(object) = schema.as_object_mut() {
        match object.entry("required").or_insert_with(|| json!([])) {
            Value::Array(required) => required.insert(0, json!("type")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {}
        }
    }
    schema
}

fn value(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

fn keep(referenced: Vec<(String, RefOr<Schema>)>, schemas: &mut Schemas) {
    for (name, schema) in referenced {
        schemas.entry(name).or_insert_with(|| value(&schema));
    }
}

/// Puts a struct among the named schemas.
fn define<T: ToSchema>(schemas: &mut Schemas) {
    let mut referenced = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut referenced);
    keep(referenced, schemas);
}

/// The variants of an enum of frames: each one's `type`, and its schema.
fn variants<T: ToSchema>(schemas: &mut Schemas) -> BTreeMap<String, Value> {
    let mut referenced = Vec::new();
    T::schemas(&mut referenced);
    keep(referenced, schemas);
    let schema = value(&T::schema());
    let variants = schema.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    variants.into_iter().map(|variant| (tag(&variant), variant)).collect()
}

/// The `type` that a variant is told apart by.
fn tag(variant: &Value) -> String {
    let parts = variant.get("allOf").and_then(Value::as_array);
    let mut candidates = std::iter::once(variant).chain(parts.into_iter().flatten());
    let found = candidates.find_map(|part| part.pointer("/properties/type/enum/0").and_then(Value::as_str));
    found.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::parse;

    #[test]
    fn every_frame_has_a_type_a_summary_an_example_and_somebody_who_hears_it() {
        let (messages, _) = from_server();
        assert!(messages.len() > 15);
        for Message { name, summary, examples, hearers, .. } in &messages {
            assert!(!name.is_empty() && !summary.is_empty(), "{name}: {summary}");
            assert!(!examples.is_empty(), "{name} has no sample: add one to samples");
            assert_ne!(hearers, &Hearers::Groups(Vec::new()), "{name}");
        }
    }

    #[test]
    fn no_sample_is_left_without_a_message() {
        let (messages, _) = from_server();
        let known: Vec<&str> = messages.iter().map(|message| message.name.as_str()).collect();
        for name in gather().into_keys().chain(samples::controls().into_keys()) {
            assert!(known.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn a_group_begins_with_its_snapshot() {
        let mut found = Vec::new();
        samples::with_snapshots(|group, frame| {
            assert_eq!(type_of(&frame.to_text()), snapshot_of(group.kind()));
            found.push(group.kind());
        });
        for kind in GroupKind::ALL {
            assert!(found.contains(&kind), "{kind:?}");
        }
    }

    #[test]
    fn examples_of_client_frames_are_frames_of_their_kind() {
        for kind in ClientKind::ALL {
            let request = parse(&samples::client(*kind).to_string()).expect("a frame");
            assert_eq!(request.frame.kind(), *kind);
        }
    }
}
