//! The `ecs` format: one nested ECS document per match.
//!
//! Equal alerts give equal bytes: keys are sorted, and nothing depends on when it is written.

use serde_json::{Map, Value, json};

use super::document::{cut, shared, shorten, strings};
use super::reason::reason;
use super::{Alert, AlertEvent, AlertRecord, Part, terms_of};
use crate::text::digest::sha256_hex;

/// Renders an alert in at most `max_bytes` bytes.
///
/// What does not fit is left out, the largest event bodies first, and the alert says so in
/// `maxspan.truncated`; identities, positions and what is said about the rule stay.
pub fn render(alert: &Alert<'_>, max_bytes: usize) -> AlertRecord {
    let id = alert.id.to_owned();
    let value = fit(alert, &id, max_bytes);
    let rule_id = alert.rule.id.clone();
    let (severity, key) = (alert.severity.as_str(), record_key(alert));
    AlertRecord { id, rule_id, severity, part: Part::Whole, key, value }
}

/// Longest key of an alert's record, in bytes; a longer one is replaced by its hash.
const MAX_KEY_BYTES: usize = 4_096;

/// Returns the key of an alert's record: the join key's text.
pub(super) fn record_key(alert: &Alert<'_>) -> Vec<u8> {
    let key = alert.key.text().into_bytes();
    if key.len() > MAX_KEY_BYTES { sha256_hex(&key).into_bytes() } else { key }
}

/// What of an alert is left out to make it fit.
#[derive(Clone, Default)]
struct LeftOut {
    /// Events without their bodies.
    bodies: Vec<bool>,
    /// Most characters of the texts at the top level.
    max_chars: Option<usize>,
    /// The fields of the events at the top level.
    has_no_context: bool,
}

impl LeftOut {
    fn is_something(&self) -> bool {
        self.bodies.contains(&true) || self.max_chars.is_some() || self.has_no_context
    }
}

fn fit(alert: &Alert<'_>, id: &str, max_bytes: usize) -> Vec<u8> {
    let mut left_out = LeftOut { bodies: vec![false; alert.events.len()], ..LeftOut::default() };
    let mut value = write(alert, id, &left_out);
    let mut expected = value.len();
    for (size, event) in largest_first(&alert.events) {
        if expected <= max_bytes {
            return value;
        }
        left_out.bodies[event] = true;
        expected = expected.saturating_sub(size);
        // Not written again before it has a chance to fit.
        if expected <= max_bytes || !left_out.bodies.contains(&false) {
            value = write(alert, id, &left_out);
            expected = value.len();
        }
    }
    for (max_chars, has_no_context) in [(1_024, false), (1_024, true), (256, true)] {
        if value.len() <= max_bytes {
            return value;
        }
        left_out = LeftOut { max_chars: Some(max_chars), has_no_context, ..left_out };
        value = write(alert, id, &left_out);
    }
    value
}

/// Returns the sizes of the events' bodies with the events' indices.
fn largest_first(events: &[AlertEvent]) -> Vec<(usize, usize)> {
    let size = |event: &AlertEvent| Value::Object(event.document.clone()).to_string().len();
    let mut sizes: Vec<(usize, usize)> =
        events.iter().enumerate().map(|(index, event)| (size(event), index)).collect();
    sizes.sort_by_key(|(size, index)| (std::cmp::Reverse(*size), *index));
    sizes
}

fn write(alert: &Alert<'_>, id: &str, left_out: &LeftOut) -> Vec<u8> {
    let mut top = if left_out.has_no_context { Map::new() } else { context(&alert.events) };
    let mut event = match top.remove("event") {
        Some(Value::Object(event)) => event,
        _ => Map::new(),
    };
    event.append(&mut event_fields(alert, id));
    top.insert("event".to_owned(), Value::Object(event));
    top.insert("rule".to_owned(), rule_fields(alert));
    if !alert.rule.threat.is_empty() {
        top.insert("threat".to_owned(), json!(alert.rule.threat));
    }
    if let Some(last) = alert.events.last() {
        top.insert("@timestamp".to_owned(), json!(last.event_time.to_string()));
    }
    let mut top = Value::Object(top);
    if let Some(max_chars) = left_out.max_chars {
        shorten(&mut top, max_chars);
    }
    top["maxspan"] = maxspan_fields(alert, left_out);
    // Writing a value as text cannot fail.
    top.to_string().into_bytes()
}

/// Fields of events that say nothing about the alert: of storage, or of the same name as its own.
const NOT_CONTEXT: &[&str] =
    &["@metadata", "@timestamp", "data_stream", "maxspan", "rule", "threat"];

/// What an analyst looks at first, in groups that belong together: each is taken whole from the
/// last event that has any of it, even where events differ.
const LAST_WINS: &[&[&str]] = &[
    &["destination", "network", "source"],
    &["dns"],
    &["file"],
    &["process"],
    &["registry"],
    &["user"],
];

/// Returns the fields at the top level that come from the events.
fn context(events: &[AlertEvent]) -> Map<String, Value> {
    let mut documents = events.iter().map(|event| &event.document);
    let Some(first) = documents.next() else { return Map::new() };
    let mut context = documents.fold(first.clone(), |common, document| shared(&common, document));
    for group in LAST_WINS {
        let has_any =
            |event: &&AlertEvent| group.iter().any(|key| event.document.contains_key(*key));
        let Some(last) = events.iter().rfind(has_any) else { continue };
        for key in *group {
            context.remove(*key);
            if let Some(value) = last.document.get(*key) {
                context.insert((*key).to_owned(), value.clone());
            }
        }
    }
    context.retain(|key, _| !NOT_CONTEXT.contains(&key.split('.').next().unwrap_or(key)));
    context
}

fn event_fields(alert: &Alert<'_>, id: &str) -> Map<String, Value> {
    let mut categories: Vec<&str> = Vec::new();
    for event in &alert.events {
        for category in strings(&event.document, "event.category") {
            if !categories.contains(&category) {
                categories.push(category);
            }
        }
    }
    let fields = [
        ("category", json!(categories)),
        ("created", json!(alert.created.to_string())),
        ("id", json!(id)),
        ("kind", json!("alert")),
        ("reason", json!(reason(alert))),
        ("risk_score", json!(alert.rule.risk_score)),
        ("severity", json!(alert.severity.number())),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn rule_fields(alert: &Alert<'_>) -> Value {
    let rule = alert.rule;
    let mut fields = json!({
        "id": rule.id,
        "name": rule.name,
        "ruleset": "maxspan",
        "version": alert.rule_version,
    });
    if !rule.description.is_empty() {
        fields["description"] = json!(rule.description);
    }
    if !rule.author.is_empty() {
        fields["author"] = json!(rule.author);
    }
    if let Some(license) = &rule.license {
        fields["license"] = json!(license);
    }
    if !rule.references.is_empty() {
        fields["reference"] = json!(rule.references);
    }
    fields
}

fn maxspan_fields(alert: &Alert<'_>, left_out: &LeftOut) -> Value {
    let events: Vec<Value> =
        alert.events.iter().zip(&left_out.bodies).map(|(e, gone)| event(alert, e, *gone)).collect();
    let mut fields = json!({
        "sequence": sequence_fields(alert, left_out.max_chars),
        "severity": alert.severity.as_str(),
    });
    fields["sequence"]["events"] = Value::Array(events);
    if let Some(suppression) = &alert.suppression {
        fields["suppression"] = json!({
            "docs_count": 0,
            "start": suppression.start.to_string(),
            "terms": terms_of(suppression),
        });
        if let Some(max_chars) = left_out.max_chars {
            shorten(&mut fields["suppression"], max_chars);
        }
    }
    if left_out.is_something() {
        fields["truncated"] = json!(true);
    }
    fields
}

/// Returns what is said of the match as a whole, with join keys of at most `max_chars` characters.
pub(super) fn sequence_fields(alert: &Alert<'_>, max_chars: Option<usize>) -> Value {
    json!({
        "join_keys": join_keys(alert, max_chars),
        "late": alert.late,
        "order_adjusted": alert.order_adjusted,
        "span_ms": span_ms(&alert.events),
    })
}

fn join_keys(alert: &Alert<'_>, max_chars: Option<usize>) -> Vec<Value> {
    let shown = |part: &str| max_chars.map_or_else(|| part.to_owned(), |max| cut(part, max));
    let key = |(index, part): (usize, &Option<Box<str>>)| {
        let value = part.as_deref().map(shown);
        json!({ "field": alert.key_fields.get(index), "value": value })
    };
    alert.key.parts().iter().enumerate().map(key).collect()
}

/// Returns the time between the outermost events.
fn span_ms(events: &[AlertEvent]) -> i64 {
    let times = || events.iter().map(|event| event.event_time);
    times().max().zip(times().min()).map_or(0, |(last, first)| (last - first).millis())
}

/// Returns an event of the match with its position, and without its body if that is left out.
fn event(alert: &Alert<'_>, event: &AlertEvent, is_left_out: bool) -> Value {
    let mut document = if is_left_out { Map::new() } else { event.document.clone() };
    document.insert("@timestamp".to_owned(), json!(event.event_time.to_string()));
    // An event that is itself an alert keeps what it says of its own match.
    let mut position = match document.remove("maxspan") {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (topic, partition) = alert.place(event);
    let fields = [
        ("identity", json!(event.identity.to_string())),
        ("offset", json!(event.offset)),
        ("partition", json!(partition)),
        ("stage", json!(event.stage + 1)),
        ("topic", json!(topic)),
    ];
    position.extend(fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
    document.insert("maxspan".to_owned(), Value::Object(position));
    Value::Object(document)
}
