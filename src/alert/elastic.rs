//! The `elastic` format: the documents that Elastic's detection engine writes for a match.
//!
//! A sequence gives a *shell* alert with what all its events share, and one *building block* for
//! each event; a single event gives one alert. Alert fields have dotted names, `kibana.alert.*`.
//! Never what only Kibana can know: its rule objects, users, and links.

use serde_json::{Map, Value, json};

use super::document::{shared, shorten, text};
use super::ecs::{record_key, sequence_fields};
use super::reason::reason;
use super::{Alert, AlertEvent, AlertRecord, Part, terms_of};
use crate::text::digest::sha256_hex;

/// Renders an alert, the shell first, in records of at most `max_bytes` bytes each.
///
/// Where a document does not fit, the fields that come from events are left out of it, then long
/// texts are cut; `maxspan.truncated` says so.
pub fn render(alert: &Alert<'_>, max_bytes: usize) -> Vec<AlertRecord> {
    let id = alert.id;
    if !alert.is_sequence {
        let documents = alert.events.iter().map(|event| single(alert, id, event));
        let whole = |document| record(alert, id, document, Part::Whole, max_bytes);
        return documents.map(whole).collect();
    }
    let blocks: Vec<Block<'_>> = alert.events.iter().enumerate().map(|e| block(id, e)).collect();
    let shell = record(alert, id, shell(alert, id, &blocks), Part::Whole, max_bytes);
    let block = |block: &Block<'_>| {
        let document = block_document(alert, id, block);
        record(alert, &block.id, document, Part::BuildingBlock, max_bytes)
    };
    std::iter::once(shell).chain(blocks.iter().map(block)).collect()
}

/// A document in two parts: what comes from events, and what is said of the alert.
struct Document {
    from_events: Map<String, Value>,
    own: Map<String, Value>,
}

/// An event of a sequence with the id of its building block.
struct Block<'a> {
    id: String,
    index: usize,
    event: &'a AlertEvent,
}

fn block<'a>(shell_id: &str, (index, event): (usize, &'a AlertEvent)) -> Block<'a> {
    Block { id: sha256_hex(format!("{shell_id}{index}").as_bytes()), index, event }
}

fn single(alert: &Alert<'_>, id: &str, event: &AlertEvent) -> Document {
    let mut own = own_fields(alert, id, 1);
    own.insert("kibana.alert.ancestors".to_owned(), json!([ancestor(alert, event)]));
    own.append(&mut suppression_fields(alert));
    Document { from_events: event.document.clone(), own }
}

fn shell(alert: &Alert<'_>, id: &str, blocks: &[Block<'_>]) -> Document {
    let mut own = own_fields(alert, id, 2);
    let ancestors: Vec<Value> = blocks
        .iter()
        .flat_map(|block| {
            let of_block = json!({
                "depth": 1, "id": block.id, "index": "", "rule": alert.rule.id, "type": "signal",
            });
            [ancestor(alert, block.event), of_block]
        })
        .collect();
    own.insert("kibana.alert.ancestors".to_owned(), json!(ancestors));
    own.insert("kibana.alert.group.id".to_owned(), json!(id));
    own.append(&mut suppression_fields(alert));
    let mut documents = alert.events.iter().map(|event| &event.document);
    let first = documents.next().cloned().unwrap_or_default();
    let from_events = documents.fold(first, |common, document| shared(&common, document));
    Document { from_events, own }
}

fn block_document(alert: &Alert<'_>, shell_id: &str, block: &Block<'_>) -> Document {
    let mut own = own_fields(alert, &block.id, 1);
    own.insert("kibana.alert.ancestors".to_owned(), json!([ancestor(alert, block.event)]));
    own.insert("kibana.alert.building_block_type".to_owned(), json!("default"));
    own.insert("kibana.alert.group.id".to_owned(), json!(shell_id));
    own.insert("kibana.alert.group.index".to_owned(), json!(block.index));
    Document { from_events: block.event.document.clone(), own }
}

/// Returns the event that an alert was made from, as Elastic names it.
fn ancestor(alert: &Alert<'_>, event: &AlertEvent) -> Value {
    let (topic, partition) = alert.place(event);
    let id = text(&event.document, "event.id")
        .unwrap_or_else(|| format!("{topic}-{partition}-{}", event.offset));
    json!({ "depth": 0, "id": id, "index": topic, "type": "event" })
}

fn own_fields(alert: &Alert<'_>, id: &str, depth: u8) -> Map<String, Value> {
    let rule = alert.rule;
    let created = json!(alert.created.to_string());
    let original_time = alert.events.first().map(|event| event.event_time.to_string());
    let fields = json!({
        "@timestamp": created,
        "kibana.alert.depth": depth,
        "kibana.alert.intended_timestamp": created,
        "kibana.alert.original_time": original_time,
        "kibana.alert.reason": reason(alert),
        "kibana.alert.risk_score": rule.risk_score,
        "kibana.alert.rule.author": rule.author,
        "kibana.alert.rule.consumer": "siem",
        "kibana.alert.rule.description": rule.description,
        "kibana.alert.rule.enabled": true,
        "kibana.alert.rule.false_positives": rule.false_positives,
        "kibana.alert.rule.indices": rule.index,
        "kibana.alert.rule.license": rule.license,
        "kibana.alert.rule.name": rule.name,
        "kibana.alert.rule.note": rule.note,
        "kibana.alert.rule.references": rule.references,
        "kibana.alert.rule.risk_score": rule.risk_score,
        "kibana.alert.rule.rule_id": rule.id,
        "kibana.alert.rule.severity": rule.severity.as_str(),
        "kibana.alert.rule.tags": rule.tags,
        "kibana.alert.rule.threat": rule.threat,
        "kibana.alert.rule.timestamp_override": rule.timestamp_override,
        "kibana.alert.rule.type": "eql",
        "kibana.alert.rule.uuid": rule.id,
        "kibana.alert.rule.version": alert.rule_version,
        "kibana.alert.severity": alert.severity.as_str(),
        "kibana.alert.status": "active",
        "kibana.alert.uuid": id,
        "kibana.alert.workflow_assignee_ids": [],
        "kibana.alert.workflow_status": "open",
        "kibana.alert.workflow_tags": [],
        "kibana.space_ids": ["default"],
    });
    match fields {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// Returns by what alerts like this one are suppressed: said once for a match.
fn suppression_fields(alert: &Alert<'_>) -> Map<String, Value> {
    let Some(suppression) = &alert.suppression else { return Map::new() };
    let terms = terms_of(suppression);
    let group = format!("{}{terms}", alert.rule.id);
    let start = suppression.start.to_string();
    let fields = [
        ("kibana.alert.instance.id", json!(sha256_hex(group.as_bytes()))),
        ("kibana.alert.suppression.docs_count", json!(0)),
        ("kibana.alert.suppression.end", json!(start)),
        ("kibana.alert.suppression.start", json!(start)),
        ("kibana.alert.suppression.terms", terms),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Fields of events that are not those of the alert: where an event is stored, and its own match.
const NOT_COPIED: &[&str] = &["@metadata", "data_stream", "maxspan"];

fn record(
    alert: &Alert<'_>,
    id: &str,
    document: Document,
    part: Part,
    max_bytes: usize,
) -> AlertRecord {
    let value = [(false, None), (true, None), (true, Some(256))]
        .into_iter()
        .map(|(has_no_events, max_chars)| write(alert, &document, has_no_events, max_chars))
        .find(|value| value.len() <= max_bytes)
        .unwrap_or_else(|| write(alert, &document, true, Some(64)));
    AlertRecord {
        id: id.to_owned(),
        rule_id: alert.rule.id.clone(),
        severity: alert.severity.as_str(),
        part,
        key: record_key(alert),
        value,
    }
}

fn write(
    alert: &Alert<'_>,
    document: &Document,
    has_no_events: bool,
    max_chars: Option<usize>,
) -> Vec<u8> {
    let mut fields = if has_no_events { Map::new() } else { document.from_events.clone() };
    fields.retain(|name, _| !NOT_COPIED.contains(&&**name));
    let mut event = match fields.remove("event") {
        Some(Value::Object(event)) => event,
        _ => Map::new(),
    };
    event.insert("kind".to_owned(), json!("signal"));
    fields.insert("event".to_owned(), Value::Object(event));
    fields.extend(document.own.clone());
    let mut maxspan = json!({ "sequence": sequence_fields(alert, max_chars) });
    if has_no_events {
        maxspan["truncated"] = json!(true);
    }
    fields.insert("maxspan".to_owned(), maxspan);
    let mut fields = Value::Object(fields);
    if let Some(max_chars) = max_chars {
        shorten(&mut fields, max_chars);
    }
    // Writing a value as text cannot fail.
    fields.to_string().into_bytes()
}
