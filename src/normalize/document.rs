//! The whole normalized record, for alerts.
//!
//! Uses the tables of the event path over all their targets at once: what an alert shows is what
//! the rules have seen.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::convert::BINDING;
use super::envelope::Envelope;
use super::normalizer::{Normalizer, targets};
use super::options::Options;
use super::shape::{Shape, nxlog};
use crate::event::decode::{Decoder, Limits, is_deeper_than, repair};
use crate::event::{Arena, FieldId, FieldTable, Fields, Value};

/// Makes whole ECS documents of records.
#[derive(Debug)]
pub struct Documents {
    decoder: Decoder,
    normalizer: Normalizer,
    fields_len: usize,
    targets: Vec<(FieldId, &'static str)>,
}

/// Deepest nesting of a record that has a document.
const MAX_NESTING: usize = 127;

/// Fields that ECS defines as lists.
const LISTS: &[&str] = &[
    "dns.answers.data",
    "dns.answers.type",
    "dns.resolved_ip",
    "event.category",
    "event.type",
    "maxspan.task.arguments",
    "maxspan.task.command",
    "powershell.command.invocation_details.name",
    "powershell.command.invocation_details.related_command",
    "powershell.command.invocation_details.type",
    "powershell.command.invocation_details.value",
    "process.args",
    "process.parent.args",
    "registry.data.strings",
    "related.hash",
    "related.hosts",
    "related.ip",
    "related.user",
    "winlog.event_data.AccessMaskDescription",
    "winlog.event_data.NewUACList",
    "winlog.event_data.OldUACList",
    "winlog.event_data.PrivilegeList",
    "winlog.event_data.TicketOptionsDescription",
];

impl Documents {
    /// Returns a maker of documents that normalizes as a [`Normalizer`] with the same options.
    pub fn new(options: Options) -> Self {
        let mut fields = FieldTable::default();
        let names: BTreeSet<&'static str> = targets().collect();
        let targets = names.into_iter().map(|name| (fields.intern(name), name)).collect();
        let normalizer = Normalizer::new(&mut fields, options);
        let decoder = Decoder::new(&fields, Limits { max_nesting: MAX_NESTING });
        Self { decoder, normalizer, fields_len: fields.len(), targets }
    }

    /// Returns the record with all ECS fields that follow from it; nothing if it cannot be read.
    ///
    /// Everything that the record holds stays, `winlog.*` and `message` too. Fields are added
    /// where their path leads through objects; where a value is in the way, as a dotted key.
    pub fn document(&self, payload: &[u8]) -> Option<Map<String, Json>> {
        self.read(payload).map(|(document, _)| document)
    }

    /// Returns the document of a record that has satisfied a rule. What rules read of it can be read;
    /// where another part of it is no JSON, the document is the record's text (`event.original`) and
    /// the ECS fields that follow from what can be read.
    pub fn of_hit(&self, payload: &[u8]) -> Map<String, Json> {
        self.document(payload).unwrap_or_else(|| self.original(payload))
    }

    fn original(&self, payload: &[u8]) -> Map<String, Json> {
        let text = String::from_utf8_lossy(payload);
        let mut document = Map::from_iter([("event".to_owned(), json!({ "original": text }))]);
        let arena = Arena::new();
        let mut fields = Fields::new(self.fields_len, &arena);
        if self.decoder.decode(payload, &mut fields).is_ok() {
            self.normalizer.normalize(&mut fields);
            for (id, name) in self.targets.iter().filter(|(id, _)| fields.has(*id)) {
                put(&mut document, name, to_json(name, fields.get(*id)));
            }
        }
        document
    }

    /// As [`document`](Self::document), with what is known of the record as a whole.
    pub fn read(&self, payload: &[u8]) -> Option<(Map<String, Json>, Envelope)> {
        let mut document = parse(payload)?;
        let arena = Arena::new();
        let mut before = Fields::new(self.fields_len, &arena);
        self.decoder.decode(payload, &mut before).ok()?;
        let mut after = before.clone();
        let envelope = self.normalizer.normalize(&mut after);
        if envelope.shape == Shape::Nxlog {
            nxlog::unfold(&mut document);
        }
        for (id, name) in &self.targets {
            if before.get(*id) != after.get(*id) {
                put(&mut document, name, to_json(name, after.get(*id)));
            }
        }
        pair_answers(&mut document);
        pair_details(&mut document);
        Some((document, envelope))
    }
}

/// Turns types and data of DNS answers into what ECS has: a list of answers.
fn pair_answers(document: &mut Map<String, Json>) {
    let Some(Json::Object(dns)) = document.get_mut("dns") else { return };
    let Some(Json::Object(answers)) = dns.get("answers") else { return };
    let (Some(Json::Array(types)), Some(Json::Array(data))) =
        (answers.get("type"), answers.get("data"))
    else {
        return;
    };
    if answers.len() == 2 && types.len() == data.len() {
        let pairs = types.iter().zip(data);
        let list = pairs.map(|(kind, data)| json!({"type": kind, "data": data}));
        let list = list.collect();
        dns.insert("answers".to_owned(), list);
    }
}

/// Turns the parts of an invocation's lines into what Elastic has: a list of lines. Every line has
/// all parts but the name, which those of bindings alone have.
fn pair_details(document: &mut Map<String, Json>) {
    let path = ["powershell", "command"];
    let command =
        path.into_iter().try_fold(document, |object, key| object.get_mut(key)?.as_object_mut());
    let Some(command) = command else { return };
    let lines = command.get("invocation_details").and_then(Json::as_object).and_then(details);
    if let Some(lines) = lines {
        command.insert("invocation_details".to_owned(), lines);
    }
}

fn details(parts: &Map<String, Json>) -> Option<Json> {
    let list = |part: &str| parts.get(part)?.as_array();
    let (kinds, commands, values) = (list("type")?, list("related_command")?, list("value")?);
    let mut names = list("name").into_iter().flatten();
    if parts.len() != 3 + usize::from(parts.contains_key("name"))
        || [commands.len(), values.len()] != [kinds.len(); 2]
    {
        return None;
    }
    let mut lines = Vec::new();
    for ((kind, command), value) in kinds.iter().zip(commands).zip(values) {
        let mut line = json!({"type": kind, "related_command": command, "value": value});
        if kind == BINDING {
            line["name"] = names.next()?.clone();
        }
        lines.push(line);
    }
    names.next().is_none().then_some(Json::Array(lines))
}

fn parse(payload: &[u8]) -> Option<Map<String, Json>> {
    if is_deeper_than(payload, MAX_NESTING) {
        return None;
    }
    let parsed = serde_json::from_slice(payload);
    parsed.ok().or_else(|| serde_json::from_slice(&repair(payload)).ok())
}

fn to_json(name: &str, values: &[Value<'_>]) -> Json {
    let one = |value: &Value<'_>| match value {
        Value::Str(text) => Json::from(&**text),
        Value::Int(number) => Json::from(*number),
        Value::Big(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::Written(written) => Json::from(written.number),
        Value::Bool(truth) => Json::from(*truth),
        Value::Object => Json::Object(Map::new()),
    };
    match values {
        [value] if !LISTS.contains(&name) => one(value),
        values => values.iter().map(one).collect(),
    }
}

/// Puts a value where the path leads, in the place of every value that the path has by now.
fn put(document: &mut Map<String, Json>, path: &str, value: Json) {
    let segments: Vec<&str> = path.split('.').collect();
    remove(document, &segments);
    insert(document, &segments, value);
}

fn insert(object: &mut Map<String, Json>, segments: &[&str], value: Json) {
    let [first, rest @ ..] = segments else { return };
    if rest.is_empty() {
        object.insert((*first).to_owned(), value);
        return;
    }
    match object.entry(*first).or_insert_with(|| Json::Object(Map::new())) {
        Json::Object(inner) => insert(inner, rest, value),
        Json::Null => {
            let mut inner = Map::new();
            insert(&mut inner, rest, value);
            object.insert((*first).to_owned(), Json::Object(inner));
        }
        _ => {
            object.insert(segments.join("."), value);
        }
    }
}

/// Removes a path in all its spellings: nested, dotted, in lists of objects.
fn remove(object: &mut Map<String, Json>, segments: &[&str]) {
    for len in 1..=segments.len() {
        let key = segments[..len].join(".");
        if len == segments.len() {
            object.remove(&key);
        } else if let Some(inner) = object.get_mut(&key) {
            remove_within(inner, &segments[len..]);
        }
    }
}

fn remove_within(json: &mut Json, segments: &[&str]) {
    match json {
        Json::Object(object) => remove(object, segments),
        Json::Array(list) => list.iter_mut().for_each(|item| remove_within(item, segments)),
        _ => {}
    }
}
