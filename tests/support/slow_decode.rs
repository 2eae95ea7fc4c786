//! What the decoder must find, by flattening a whole document.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::fmt;

use maxspan::event::decode::{Decoder, Limits};
use maxspan::event::number::Written;
use maxspan::event::{Arena, FieldTable, Fields, Value};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The fields that are asked for.
pub(crate) const PATHS: &[&str] =
    &["a", "a.b", "a.b.c", "b.a", "b.c.a", "c", "c.c.c", "\u{e9}.b", "a.\u{e9}"];

/// A document as it is written: members in their order, repeated ones kept.
pub(crate) enum Json {
    Null,
    Leaf(Value<'static>),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return number(text).map(Self::Leaf).ok_or_else(|| Error::custom("no double"));
        }
        let mut inner = serde_json::Deserializer::from_str(text);
        inner.deserialize_any(Reader).map_err(Error::custom)
    }
}

/// A number, with its text unless that is the one of its value; nothing if it is too large.
fn number(text: &str) -> Option<Value<'static>> {
    Some(match (text.parse(), text.parse()) {
        (Ok(whole), _) if text != "-0" => Value::Int(whole),
        (_, Ok(whole)) => Value::Big(whole),
        _ => match Value::Float(text.parse().ok().filter(|number: &f64| number.is_finite())?) {
            plain if plain.text().unwrap() == text => plain,
            Value::Float(number) => Value::Written(Box::leak(Box::new(Written {
                number,
                text: text.to_owned().into(),
            }))),
            _ => unreachable!(),
        },
    })
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Leaf(Value::Bool(truth)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Leaf(Value::from(&*text.to_owned().leak())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

/// All leaves by their dotted paths.
fn flatten<'j>(prefix: Option<&str>, json: &'j Json, leaves: &mut Vec<(String, &'j Value<'j>)>) {
    match json {
        Json::Null => {}
        Json::List(list) => list.iter().for_each(|item| flatten(prefix, item, leaves)),
        Json::Object(members) => {
            for (key, value) in members {
                let path = prefix.map_or_else(|| key.clone(), |prefix| format!("{prefix}.{key}"));
                flatten(Some(&path), value, leaves);
            }
        }
        Json::Leaf(value) => leaves.push((prefix.unwrap_or_default().to_owned(), value)),
    }
}

/// What the decoder must find: values in order, and whether there is an object.
fn naive<'j>(document: &'j Json) -> BTreeMap<&'static str, (Vec<Value<'j>>, bool)> {
    let mut leaves = Vec::new();
    flatten(None, document, &mut leaves);
    let of_path = |path: &&'static str| {
        let values = leaves.iter().filter(|(found, _)| found == path);
        let below = format!("{path}.");
        let is_object = leaves.iter().any(|(found, _)| found.starts_with(&below));
        (*path, (values.map(|(_, leaf)| *(*leaf)).collect(), is_object))
    };
    PATHS.iter().map(of_path).collect()
}

/// Decodes a record that is an object and compares.
pub(crate) fn assert_agrees(payload: &str) {
    let document: Json = serde_json::from_str(payload).unwrap();
    let mut table = FieldTable::default();
    PATHS.iter().for_each(|path| {
        table.intern(path);
    });
    let decoder = Decoder::new(&table, Limits { max_nesting: 127 });
    let arena = Arena::new();
    let mut fields = Fields::new(table.len(), &arena);
    decoder.decode(payload.as_bytes(), &mut fields).unwrap();
    for (path, (values, is_object)) in naive(&document) {
        let found = fields.get(table.get(path).unwrap());
        let leaves: Vec<_> =
            found.iter().filter(|value| **value != Value::Object).cloned().collect();
        assert_eq!(leaves, values, "{path} of {payload}");
        let objects = found.iter().filter(|value| **value == Value::Object).count();
        assert_eq!(objects, usize::from(is_object), "{path} of {payload}");
    }
}
