//! Looks into normalized events and compares them.
//!
//! A field may stand nested (`{"host": {"id": …}}`) or under its dotted name (`{"host.id": …}`).

use serde_json::{Map, Value};

/// Returns the value of a dotted path.
pub(super) fn get<'a>(document: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = document.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| match document.get(&path[..dot])? {
        Value::Object(inner) => get(inner, &path[dot + 1..]),
        _ => None,
    })
}

/// Returns the first value of a field as text; nothing if there is none or it is empty.
pub(super) fn text(document: &Map<String, Value>, path: &str) -> Option<String> {
    let first = match get(document, path)? {
        Value::Array(items) => items.first()?,
        value => value,
    };
    match first {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Returns all values of a field that are strings.
pub(super) fn strings<'a>(
    document: &'a Map<String, Value>,
    path: &str,
) -> impl Iterator<Item = &'a str> {
    let values = match get(document, path) {
        Some(Value::Array(items)) => items.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    values.iter().filter_map(Value::as_str)
}

/// Returns what two documents share: equal values, and of lists the items that both hold.
pub(super) fn shared(left: &Map<String, Value>, right: &Map<String, Value>) -> Map<String, Value> {
    let pairs = left.iter().filter_map(|(key, value)| Some((key, value, right.get(key)?)));
    pairs.filter_map(|(key, left, right)| Some((key.clone(), shared_value(left, right)?))).collect()
}

fn shared_value(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let both = shared(left, right);
            (!both.is_empty()).then_some(Value::Object(both))
        }
        (Value::Array(left), Value::Array(right)) => {
            let both: Vec<Value> = left.iter().filter(|v| right.contains(v)).cloned().collect();
            (!both.is_empty()).then_some(Value::Array(both))
        }
        (Value::Array(items), one) | (one, Value::Array(items)) => {
            items.contains(one).then(|| one.clone())
        }
        _ => (left == right && !left.is_null()).then(|| left.clone()),
    }
}

/// Cuts every text in a value to `max_chars` characters, and every list to as many items.
pub(super) fn shorten(value: &mut Value, max_chars: usize) {
    match value {
        Value::String(text) => *text = cut(text, max_chars),
        Value::Array(items) => {
            items.truncate(max_chars);
            items.iter_mut().for_each(|item| shorten(item, max_chars));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| shorten(field, max_chars)),
        _ => {}
    }
}

/// Returns a text of at most `max_chars` characters; an ellipsis shows that something is left out.
pub(super) fn cut(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect(),
    }
}
