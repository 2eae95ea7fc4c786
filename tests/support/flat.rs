//! Events as JSON, flattened the slow and obvious way.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use maxspan::event::{FieldTable, Fields, Value};
use serde_json::Value as Json;

#[path = "lasting.rs"]
mod lasting;

/// The values of each field by dotted path; an object stands in the list of its own path.
pub(crate) type Flat = BTreeMap<String, Vec<Json>>;

/// Flattens an event: nested objects, dotted keys and lists in any mixture.
pub(crate) fn flatten(json: &str) -> Flat {
    let json: Json = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let mut flat = Flat::new();
    walk("", &json, &mut flat);
    flat
}

/// Tells whether there was any value.
fn walk(path: &str, json: &Json, flat: &mut Flat) -> bool {
    match json {
        Json::Null => false,
        Json::Array(items) => {
            // Each item, or the search would end at the first value.
            items.iter().map(|item| walk(path, item, flat)).fold(false, |any, some| any | some)
        }
        Json::Object(members) => {
            let mut any = false;
            for (key, member) in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                any |= walk(&path, member, flat);
            }
            if any && !path.is_empty() {
                flat.entry(path.to_owned()).or_default().push(Json::Object(serde_json::Map::new()));
            }
            any
        }
        value => {
            flat.entry(path.to_owned()).or_default().push(value.clone());
            true
        }
    }
}

/// Returns the values of the fields that the table knows.
pub(crate) fn fields(flat: &Flat, table: &FieldTable) -> Fields<'static> {
    let mut fields = Fields::new(table.len(), lasting::arena());
    for (id, path) in table.iter() {
        for value in flat.get(path).into_iter().flatten() {
            fields.push(id, value_of(value));
        }
    }
    fields
}

fn value_of(json: &Json) -> Value<'static> {
    match json {
        Json::String(text) => Value::from(&*text.clone().leak()),
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::Int(whole),
            (_, Some(whole)) => Value::Big(whole),
            _ => Value::Float(number.as_f64().unwrap()),
        },
        _ => Value::Object,
    }
}
