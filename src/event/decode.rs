//! JSON bytes to wanted fields: one pass, the rest skipped.
//!
//! Never builds a document. Strings are borrowed from the payload where no escape stands in them.
//!
//! Nested objects and dotted keys are the same field, at any level, and unite; so do the values of
//! a key that is repeated. Lists flatten, lists of objects too. `null`, `[]` and absence are no
//! value. A field that names an object with at least one value is [`Value::Object`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::field::{FieldId, FieldTable};
use super::value::{Fields, Value};

/// Bounds of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting of objects and lists; the record itself is the first level. More than 127
    /// counts as 127.
    pub max_nesting: usize,
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is not one JSON value.
    #[error("not valid JSON")]
    InvalidJson,
    /// It is a JSON value, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Its objects and lists are nested too deeply.
    #[error("nested too deeply")]
    TooDeep,
}

impl DecodeError {
    /// Returns the constant word for metrics and dead letters.
    pub fn reason(self) -> &'static str {
        match self {
            Self::InvalidJson | Self::NotAnObject => "invalid_json",
            Self::TooDeep => "too_deep",
        }
    }
}

/// Reads the wanted fields out of records.
#[derive(Clone, Debug)]
pub struct Decoder {
    trie: Trie,
    max_nesting: usize,
}

/// The parser's own bound on nesting: one level is kept for the record itself.
const PARSER_MAX_NESTING: usize = 127;

impl Decoder {
    /// Returns a decoder of all fields of the table.
    pub fn new(fields: &FieldTable, limits: Limits) -> Self {
        Self { trie: Trie::new(fields), max_nesting: limits.max_nesting.min(PARSER_MAX_NESTING) }
    }

    /// Adds the values of the wanted fields to `out`, in the order in which they stand.
    ///
    /// Whether a record is refused does not depend on the wanted fields, with one exception: a
    /// number beyond the range of a double is noticed only where it is wanted. Broken UTF-8 and
    /// unpaired surrogates refuse nothing; in a wanted text they become U+FFFD. After an error
    /// `out` holds no value.
    pub fn decode<'a>(&self, payload: &'a [u8], out: &mut Fields<'a>) -> Result<(), DecodeError> {
        if is_deeper_than(payload, self.max_nesting) {
            return Err(DecodeError::TooDeep);
        }
        let Err(error) = self.walk(payload, out) else { return Ok(()) };
        clear(out);
        let Some(repaired) = repair(payload) else { return Err(error) };
        let mut owned = Fields::new(out.len());
        self.walk(&repaired, &mut owned)?;
        for index in 0..out.len() {
            let id = FieldId(index as u16);
            let values = owned.take(id).into_iter();
            out.set_all(id, values.map(|value| -> Value<'a> { value.into_owned() }).collect());
        }
        Ok(())
    }

    fn walk<'a>(&self, payload: &'a [u8], out: &mut Fields<'a>) -> Result<(), DecodeError> {
        let mut json = serde_json::Deserializer::from_slice(payload);
        let mut walk = Walk { trie: &self.trie, out, objects: SmallVec::new() };
        let root = NodeSeed { walk: &mut walk, node: Trie::ROOT, probe: false };
        json.deserialize_map(root).and_then(|_| json.end()).map_err(|error| {
            match error.classify() {
                serde_json::error::Category::Data => DecodeError::NotAnObject,
                _ => DecodeError::InvalidJson,
            }
        })
    }
}

fn clear(fields: &mut Fields<'_>) {
    for index in 0..fields.len() {
        fields.take(FieldId(index as u16));
    }
}

/// The wanted paths as a tree of their segments.
#[derive(Clone, Debug)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    field: Option<FieldId>,
    // INVARIANT: sorted by length, then bytes.
    children: Vec<(Box<[u8]>, u32)>,
}

fn by_length(key: &[u8]) -> (usize, &[u8]) {
    (key.len(), key)
}

impl Trie {
    const ROOT: u32 = 0;

    fn new(fields: &FieldTable) -> Self {
        let mut trie = Self { nodes: vec![Node::default()] };
        for (id, path) in fields.iter() {
            let node = path
                .split('.')
                .fold(Self::ROOT, |node, segment| trie.child_or_insert(node, segment.as_bytes()));
            trie.nodes[node as usize].field = Some(id);
        }
        trie
    }

    fn child_or_insert(&mut self, node: u32, segment: &[u8]) -> u32 {
        match self.position(node, segment) {
            Ok(index) => self.nodes[node as usize].children[index].1,
            Err(index) => {
                let child = self.nodes.len() as u32;
                self.nodes.push(Node::default());
                self.nodes[node as usize].children.insert(index, (segment.into(), child));
                child
            }
        }
    }

    fn position(&self, node: u32, segment: &[u8]) -> Result<usize, usize> {
        let children = &self.nodes[node as usize].children;
        children.binary_search_by(|(key, _)| by_length(key).cmp(&by_length(segment)))
    }

    fn child(&self, node: u32, segment: &[u8]) -> Option<u32> {
        let index = self.position(node, segment).ok()?;
        Some(self.nodes[node as usize].children[index].1)
    }

    /// Follows a key, dotted or not, down from a node.
    fn step(&self, node: u32, key: &[u8]) -> Step {
        let mut step = Step { node: Some(node), passed: SmallVec::new() };
        let mut segments = key.split(|byte| *byte == b'.').peekable();
        while let Some(segment) = segments.next() {
            step.node = step.node.and_then(|node| self.child(node, segment));
            let Some(node) = step.node else { break };
            if segments.peek().is_some() {
                step.passed.extend(self.nodes[node as usize].field);
            }
        }
        step
    }
}

/// Where a key leads.
struct Step {
    /// The node that it ends in; nothing if no wanted path goes there.
    node: Option<u32>,
    /// Wanted fields that a dotted key has passed: if there is a value, they are objects.
    passed: SmallVec<[FieldId; 2]>,
}

/// What the walk carries along.
struct Walk<'t, 'a, 'o> {
    trie: &'t Trie,
    out: &'o mut Fields<'a>,
    /// Fields that are already known to be objects.
    objects: SmallVec<[FieldId; 4]>,
}

impl Walk<'_, '_, '_> {
    fn is_object(&mut self, id: FieldId) {
        if !self.objects.contains(&id) {
            self.objects.push(id);
            self.out.push(id, Value::Object);
        }
    }
}

/// Reads a value into a node of the trie; tells whether the value holds anything but null.
///
/// The answer counts only with `probe`, that is, if some wanted field names an object around the
/// value: otherwise unwanted parts are skipped and count as nothing.
struct NodeSeed<'w, 't, 'a, 'o> {
    walk: &'w mut Walk<'t, 'a, 'o>,
    node: u32,
    probe: bool,
}

impl<'a> NodeSeed<'_, '_, 'a, '_> {
    fn push(self, value: Value<'a>) -> bool {
        if let Some(id) = self.walk.trie.nodes[self.node as usize].field {
            self.walk.out.push(id, value);
        }
        true
    }
}

impl<'a> DeserializeSeed<'a> for NodeSeed<'_, '_, 'a, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for NodeSeed<'_, '_, 'a, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<bool, E> {
        Ok(self.push(Value::Bool(truth)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<bool, E> {
        Ok(self.push(Value::Int(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<bool, E> {
        let value = i64::try_from(number).map_or(Value::Float(number as f64), Value::Int);
        Ok(self.push(value))
    }

    fn visit_f64<E>(self, number: f64) -> Result<bool, E> {
        Ok(self.push(Value::Float(number)))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<bool, E> {
        Ok(self.push(Value::Str(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        // Only a node without a field needs no copy.
        match self.walk.trie.nodes[self.node as usize].field {
            Some(_) => Ok(self.push(Value::Str(Cow::Owned(text.to_owned())))),
            None => Ok(true),
        }
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<bool, S::Error> {
        let Self { walk, node, probe } = self;
        let mut any = false;
        while let Some(filled) = list.next_element_seed(NodeSeed { walk, node, probe })? {
            any |= filled;
        }
        Ok(any)
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<bool, M::Error> {
        let Self { walk, node, probe } = self;
        let field = walk.trie.nodes[node as usize].field;
        let mut any = false;
        while let Some(step) = map.next_key_seed(KeySeed { trie: walk.trie, node })? {
            let probe = probe || field.is_some() || !step.passed.is_empty();
            let filled = match step.node {
                Some(node) => map.next_value_seed(NodeSeed { walk, node, probe })?,
                None if probe => map.next_value_seed(ProbeSeed)?,
                None => map.next_value::<IgnoredAny>().map(|_| false)?,
            };
            if filled {
                any = true;
                step.passed.iter().for_each(|id| walk.is_object(*id));
            }
        }
        if let Some(id) = field.filter(|_| any) {
            walk.is_object(id);
        }
        Ok(any)
    }
}

/// Reads a key; as bytes, so that its encoding does not matter.
struct KeySeed<'t> {
    trie: &'t Trie,
    node: u32,
}

impl<'a> DeserializeSeed<'a> for KeySeed<'_> {
    type Value = Step;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Step, D::Error> {
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Step, E> {
        Ok(self.trie.step(self.node, key))
    }
}

/// Reads nothing, and tells whether the value holds anything but null.
struct ProbeSeed;

impl<'a> DeserializeSeed<'a> for ProbeSeed {
    type Value = bool;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for ProbeSeed {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<bool, S::Error> {
        let mut any = false;
        while let Some(filled) = list.next_element_seed(Self)? {
            any |= filled;
        }
        Ok(any)
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<bool, M::Error> {
        let mut any = false;
        while map.next_key_seed(SkipKey)?.is_some() {
            any |= map.next_value_seed(Self)?;
        }
        Ok(any)
    }
}

/// Skips a key; as bytes, so that its encoding does not matter.
struct SkipKey;

impl<'a> DeserializeSeed<'a> for SkipKey {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for SkipKey {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<(), E> {
        Ok(())
    }
}

/// Tells whether objects and lists are nested more than `limit` deep.
///
/// Skipped parts are not nested for the parser, so it would not notice. Nearly every record has
/// fewer brackets than the limit and is not looked at twice.
pub(crate) fn is_deeper_than(payload: &[u8], limit: usize) -> bool {
    memchr::memchr2_iter(b'{', b'[', payload).nth(limit).is_some()
        && deepest_exceeds(payload, limit)
}

fn deepest_exceeds(payload: &[u8], limit: usize) -> bool {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = payload.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = behind_string(payload, at),
            _ => {}
        }
    }
    false
}

/// Returns the offset behind the string whose first byte (after its quote) stands at `at`.
fn behind_string(payload: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', &payload[at.min(payload.len())..]) {
        at += found + 1;
        if payload[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    payload.len()
}

/// Returns a copy without broken UTF-8 and without unpaired surrogates, if there were any.
pub(crate) fn repair(payload: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(payload);
    let is_lossy = matches!(text, Cow::Owned(_));
    let mut bytes = text.into_owned().into_bytes();
    let has_unpaired = replace_unpaired_surrogates(&mut bytes);
    (is_lossy || has_unpaired).then_some(bytes)
}

/// Replaces `\ud800`…`\udfff` by `\ufffd` where it is no half of a pair.
fn replace_unpaired_surrogates(bytes: &mut [u8]) -> bool {
    let (mut at, mut found) = (0, false);
    // In JSON a backslash stands only in strings, so no others need be told apart.
    while let Some(offset) = memchr::memchr(b'\\', &bytes[at..]) {
        at += offset;
        match (unicode_escape(bytes, at), unicode_escape(bytes, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 12,
            (Some(0xD800..=0xDFFF), _) => {
                bytes[at + 2..at + 6].copy_from_slice(b"fffd");
                found = true;
                at += 6;
            }
            _ => at = (at + 2).min(bytes.len()),
        }
    }
    found
}

/// Returns the code unit of a `\uXXXX` at `at`.
fn unicode_escape(bytes: &[u8], at: usize) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.get(at..at + 6)? else { return None };
    digits.iter().try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(paths: &[&str], json: &str) -> Result<Vec<Vec<String>>, DecodeError> {
        let mut table = FieldTable::default();
        let ids: Vec<FieldId> = paths.iter().map(|path| table.intern(path)).collect();
        let decoder = Decoder::new(&table, Limits { max_nesting: 8 });
        let mut out = Fields::new(table.len());
        decoder.decode(json.as_bytes(), &mut out)?;
        let show = |value: &Value<'_>| match value {
            Value::Object => "{}".to_owned(),
            Value::Float(number) => format!("{number:?}"),
            value => value.text().unwrap().into_owned(),
        };
        Ok(ids.iter().map(|id| out.get(*id).iter().map(show).collect()).collect())
    }

    fn one(path: &str, json: &str) -> Vec<String> {
        decode(&[path], json).unwrap().remove(0)
    }

    #[test]
    fn nested_and_dotted_are_the_same_field() {
        for json in [
            r#"{"a":{"b":{"c":1}}}"#,
            r#"{"a.b.c":1}"#,
            r#"{"a.b":{"c":1}}"#,
            r#"{"a":{"b.c":1}}"#,
            r#"{"\u0061":{"b.c":[null,[1]]},"a.b":7,"a.bc":3,"x":{"a":{"b.c":2}}}"#,
        ] {
            assert_eq!(one("a.b.c", json), ["1"], "{json}");
        }
        assert_eq!(one("a.b", r#"{"a.b":1,"a":{"b":2},"a.b":3}"#), ["1", "2", "3"]);
    }

    #[test]
    fn lists_flatten_and_nulls_vanish() {
        assert_eq!(one("a.b", r#"{"a":[{"b":1},{"b":[2,null,"x"]},{"c":4}]}"#), ["1", "2", "x"]);
        for json in [r#"{"a":null}"#, r#"{"a":[]}"#, r#"{"a":[null]}"#, "{}", r#"{"a":{}}"#] {
            assert_eq!(one("a", json), Vec::<String>::new(), "{json}");
        }
    }

    #[test]
    fn a_field_that_names_an_object_is_one() {
        for json in [
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"z":{"y":"x"}}}"#,
            r#"{"a.b":1}"#,
            r#"{"a.z.y":false}"#,
            r#"{"a":[{"z":0},{"z":1}],"a.b":2}"#,
        ] {
            assert_eq!(one("a", json), ["{}"], "{json}");
        }
        for json in [r#"{"a":{"b":null}}"#, r#"{"a":{"b":{"c":[]}}}"#, r#"{"a.b":[null]}"#] {
            assert_eq!(one("a", json), Vec::<String>::new(), "{json}");
        }
        assert_eq!(one("a", r#"{"a":[1,{"b":2},3]}"#), ["1", "{}", "3"]);
    }

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(
            one("a", r#"{"a":[9223372036854775807,9223372036854775808,-1,1.5,true]}"#),
            ["9223372036854775807", "9.223372036854776e18", "-1", "1.5", "true"]
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (json, error) in [
            ("", DecodeError::InvalidJson),
            ("[1]", DecodeError::NotAnObject),
            ("null", DecodeError::NotAnObject),
            ("{} {}", DecodeError::InvalidJson),
            (r#"{"b":{"c":tru}}"#, DecodeError::InvalidJson),
            (r#"{"a":1"#, DecodeError::InvalidJson),
            (r#"{"b":"\x"}"#, DecodeError::InvalidJson),
        ] {
            assert_eq!(decode(&["a"], json), Err(error), "{json}");
        }
    }

    #[test]
    fn nesting_is_bounded_wherever_it_stands() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        for path in ["a", "b"] {
            assert!(decode(&[path], &format!(r#"{{"a":{}}}"#, nested(7))).is_ok());
            let deep = format!(r#"{{"a":{}}}"#, nested(8));
            assert_eq!(decode(&[path], &deep), Err(DecodeError::TooDeep));
            assert_eq!(decode(&[path], &"[".repeat(1 << 20)), Err(DecodeError::TooDeep));
            assert_eq!(decode(&[path], &r#"{"a":"#.repeat(1 << 18)), Err(DecodeError::TooDeep));
        }
        let brackets = format!(r#"{{"b":"{}\"[","a":1}}"#, "[{".repeat(100));
        assert_eq!(one("a", &brackets), ["1"]);
    }

    #[test]
    fn broken_encoding_refuses_nothing() {
        let table = {
            let mut table = FieldTable::default();
            table.intern("a");
            table
        };
        let decoder = Decoder::new(&table, Limits { max_nesting: 8 });
        for (payload, text) in [
            (&b"{\"b\xff\":\"\xff\",\"b\":\"\\ud800\",\"a\":\"x\"}"[..], "x"),
            (b"{\"a\":\"x\xff\"}", "x\u{fffd}"),
            (b"{\"a\":\"\\ud800\"}", "\u{fffd}"),
            (b"{\"a\":\"\\\\\\udc00\\ud83d\\ude00\"}", "\\\u{fffd}\u{1f600}"),
        ] {
            let mut out = Fields::new(1);
            assert_eq!(decoder.decode(payload, &mut out), Ok(()));
            assert_eq!(out.str(FieldId(0)), Some(text));
        }
    }

    #[test]
    fn texts_without_escapes_are_borrowed() {
        let mut table = FieldTable::default();
        let id = table.intern("a");
        let mut out = Fields::new(1);
        let decoder = Decoder::new(&table, Limits { max_nesting: 8 });
        decoder.decode(br#"{"a":["plain","\\"]}"#, &mut out).unwrap();
        assert!(matches!(out.get(id)[0], Value::Str(Cow::Borrowed("plain"))));
        assert!(matches!(out.get(id)[1], Value::Str(Cow::Owned(_))));
    }
}
