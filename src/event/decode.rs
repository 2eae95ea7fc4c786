//! JSON bytes to wanted fields.
//!
//! Never builds a document. Strings are borrowed from the payload where no escape stands in them.
//!
//! A walk over the record's structural index (`extract`) reads it. It knows valid records; what it
//! does not know it leaves to a parser that reads the record from the start and alone refuses.
//!
//! Nested objects and dotted keys are the same field, at any level, and unite; so do the values of
//! a key that is repeated. Lists flatten, lists of objects too. `null`, `[]` and absence are no
//! value. A field that names an object with at least one value is [`Value::Object`].

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

pub use super::extract::Scratch;
use super::extract::{self, Plan};
use super::field::{FieldId, FieldTable};
use super::fields::Fields;
use super::trie::{Passed, Trie};
use super::value::Value;

mod numbers;
mod raw;

pub(crate) use raw::{is_deeper_than, repair};

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

/// How much of a record is looked at before it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// What is read: an object whose brackets balance and whose strings end, its keys and wanted
    /// values. A mistake in a value that nobody reads is not noticed.
    #[default]
    WhatIsRead,
    /// All of it.
    All,
}

/// Reads the wanted fields out of records.
#[derive(Clone, Debug)]
pub struct Decoder {
    trie: Trie,
    max_nesting: usize,
    plan: Plan,
    validation: Validation,
}

/// Some of the fields of a [`Decoder`]: those that count in records of one kind.
#[derive(Clone, Debug)]
pub struct Narrowed(Trie);

/// A record whose early fields have been read.
#[derive(Debug)]
#[must_use = "the other fields are read by `read`"]
pub struct Rest<'d, 'a> {
    decoder: &'d Decoder,
    scratch: &'d mut Scratch,
    /// The record; none if all has been read.
    payload: Option<&'a [u8]>,
}

/// The parser's own bound on nesting: one level is kept for the record itself.
const PARSER_MAX_NESTING: usize = 127;

impl Decoder {
    /// Returns a decoder of all fields of the table.
    pub fn new(fields: &FieldTable, limits: Limits) -> Self {
        let (trie, max_nesting) = (Trie::new(fields), limits.max_nesting.min(PARSER_MAX_NESTING));
        let plan = Plan::new(&trie, &[], max_nesting);
        Self { trie, max_nesting, plan, validation: Validation::default() }
    }

    /// Chooses the fields that [`begin`](Self::begin) reads. If one of them lies above or below a
    /// wanted one, it reads all.
    #[must_use]
    pub fn with_early(mut self, early: &[FieldId]) -> Self {
        self.plan = Plan::new(&self.trie, early, self.max_nesting);
        self
    }

    /// Returns some of the decoder's fields, for [`Rest::read_narrowed`].
    pub fn narrowed(&self, is_wanted: impl Fn(FieldId) -> bool) -> Narrowed {
        Narrowed(self.trie.narrowed(is_wanted))
    }

    /// Chooses how much of a record is looked at.
    #[must_use]
    pub fn with_validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// Adds the values of the wanted fields to `out`, in the order in which they stand.
    ///
    /// Broken UTF-8, unpaired surrogates and numbers beyond the range of a double refuse nothing:
    /// in a wanted value they become U+FFFD and null. After an error `out` holds no value.
    ///
    /// For many records use [`decode_within`](Self::decode_within).
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn decode<'a>(&self, payload: &'a [u8], out: &mut Fields<'a>) -> Result<(), DecodeError> {
        self.decode_within(&mut Scratch::default(), payload, out)
    }

    /// As [`decode`](Self::decode), in memory that serves many records.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn decode_within<'a>(
        &self,
        scratch: &mut Scratch,
        payload: &'a [u8],
        out: &mut Fields<'a>,
    ) -> Result<(), DecodeError> {
        let is_read = self.may_walk(payload)
            && extract::read((&self.trie, &self.plan), scratch, payload, out).is_ok();
        if is_read { Ok(()) } else { self.parse_again(payload, out) }
    }

    /// Adds the values of the early fields to `out`, if that is less work. [`Rest::read`] adds the
    /// others. Until then nothing but that may add values to `out`.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn begin<'d, 'a>(
        &'d self,
        scratch: &'d mut Scratch,
        payload: &'a [u8],
        out: &mut Fields<'a>,
    ) -> Result<Rest<'d, 'a>, DecodeError> {
        if !self.plan.has_early() {
            self.decode_within(scratch, payload, out)?;
            return Ok(Rest { decoder: self, scratch, payload: None });
        }
        let walk = (&self.trie, &self.plan);
        let is_begun =
            self.may_walk(payload) && extract::read_early(walk, scratch, payload, out).is_ok();
        if !is_begun {
            self.parse_again(payload, out)?;
        }
        Ok(Rest { decoder: self, scratch, payload: is_begun.then_some(payload) })
    }

    /// As [`decode`](Self::decode) with [`Validation::All`], by the parser alone: its slow twin.
    ///
    /// # Errors
    /// If the record is not valid.
    pub fn parse<'a>(&self, payload: &'a [u8], out: &mut Fields<'a>) -> Result<(), DecodeError> {
        if is_deeper_than(payload, self.max_nesting) {
            return Err(DecodeError::TooDeep);
        }
        if self.walk(payload, Keys::Plain, out).is_ok() {
            return Ok(());
        }
        out.clear();
        let repaired = out.arena().bytes(&repair(payload));
        is_strict_object(repaired)?;
        let walked = self.walk(repaired, Keys::Any, out);
        walked.map_err(|failed| {
            out.clear();
            error(failed)
        })
    }

    fn may_walk(&self, payload: &[u8]) -> bool {
        match self.validation {
            Validation::WhatIsRead => true,
            Validation::All => serde_json::from_slice::<IgnoredAny>(payload).is_ok(),
        }
    }

    #[cold]
    fn parse_again<'a>(&self, payload: &'a [u8], out: &mut Fields<'a>) -> Result<(), DecodeError> {
        out.clear();
        self.parse(payload, out)
    }

    fn walk<'a>(
        &self,
        payload: &'a [u8],
        keys: Keys,
        out: &mut Fields<'a>,
    ) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_slice(payload);
        let objects = SmallVec::new();
        let mut walk = Walk { trie: &self.trie, keys, out, objects, has_doubles: false };
        let root = NodeSeed { walk: &mut walk, node: Trie::ROOT, probe: false };
        json.deserialize_map(root)?;
        let has_doubles = walk.has_doubles;
        json.end()?;
        if has_doubles {
            numbers::keep_texts(payload, &self.trie, out);
        }
        Ok(())
    }
}

impl<'a> Rest<'_, 'a> {
    /// Adds the values of all fields that have not been read yet to `out`, in the order in which
    /// they stand.
    ///
    /// # Errors
    /// If the record cannot be read after all. Then `out` holds no value.
    pub fn read(self, out: &mut Fields<'a>) -> Result<(), DecodeError> {
        let trie = &self.decoder.trie;
        self.read_by(trie, out)
    }

    /// As [`read`](Self::read), but for fields that are not among those: `out` may or may not get
    /// their values. The early fields are read anyway.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_narrowed(self, fields: &Narrowed, out: &mut Fields<'a>) -> Result<(), DecodeError> {
        self.read_by(&fields.0, out)
    }

    fn read_by(self, trie: &Trie, out: &mut Fields<'a>) -> Result<(), DecodeError> {
        let Self { decoder, scratch, payload } = self;
        let Some(payload) = payload else { return Ok(()) };
        match extract::read_rest((trie, &decoder.plan), scratch, payload, out) {
            Ok(()) => Ok(()),
            Err(_) => decoder.parse_again(payload, out),
        }
    }
}

fn error(error: serde_json::Error) -> DecodeError {
    match error.classify() {
        serde_json::error::Category::Data => DecodeError::NotAnObject,
        _ => DecodeError::InvalidJson,
    }
}

/// Which keys are read without a second look.
///
/// Keys are read as bytes, and then the parser lets control characters pass. Only a look at the
/// whole record tells those that stand there raw from those that are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Those without control characters; any other is an error.
    Plain,
    /// All: the record is known to be valid.
    Any,
}

impl Keys {
    fn check<E: de::Error>(self, key: &[u8]) -> Result<(), E> {
        if self == Self::Plain && key.iter().any(|byte| *byte < b' ') {
            return Err(E::custom("a control character in a key"));
        }
        Ok(())
    }
}

/// Tells whether a repaired record is an object to the letter.
fn is_strict_object(payload: &[u8]) -> Result<(), DecodeError> {
    serde_json::from_slice::<IgnoredAny>(payload).map_err(error)?;
    match payload.trim_ascii_start().first() {
        Some(b'{') => Ok(()),
        _ => Err(DecodeError::NotAnObject),
    }
}

/// What the walk carries along.
struct Walk<'t, 'a, 'o> {
    trie: &'t Trie,
    keys: Keys,
    out: &'o mut Fields<'a>,
    /// Fields that are already known to be objects.
    objects: SmallVec<[FieldId; 4]>,
    /// Whether a wanted number was rounded to a double.
    has_doubles: bool,
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
        if let Some(id) = self.walk.trie.field(self.node) {
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
        Ok(self.push(i64::try_from(number).map_or(Value::Big(number), Value::Int)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<bool, E> {
        self.walk.has_doubles |= self.walk.trie.field(self.node).is_some();
        Ok(self.push(Value::Float(number)))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<bool, E> {
        Ok(self.push(Value::Str(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        // Only a node without a field needs no copy.
        match self.walk.trie.field(self.node) {
            Some(_) => {
                let text = self.walk.out.arena().text(text);
                Ok(self.push(Value::Str(text)))
            }
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
        let field = walk.trie.field(node);
        let (mut any, mut passed) = (false, Passed::new());
        loop {
            let key = KeySeed { trie: walk.trie, keys: walk.keys, node, passed: &mut passed };
            let Some(child) = map.next_key_seed(key)? else { break };
            let probe = probe || field.is_some() || !passed.is_empty();
            let filled = match child {
                Some(node) => map.next_value_seed(NodeSeed { walk, node, probe })?,
                None if probe => map.next_value_seed(ProbeSeed { keys: walk.keys })?,
                None => map.next_value::<IgnoredAny>().map(|_| false)?,
            };
            any |= filled;
            for id in passed.drain(..) {
                if filled {
                    walk.is_object(id);
                }
            }
        }
        if let Some(id) = field.filter(|_| any) {
            walk.is_object(id);
        }
        Ok(any)
    }
}

/// Reads a key; as bytes, so that its encoding does not matter.
struct KeySeed<'w> {
    trie: &'w Trie,
    keys: Keys,
    node: u32,
    passed: &'w mut Passed,
}

impl<'a> DeserializeSeed<'a> for KeySeed<'_> {
    type Value = Option<u32>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Option<u32>, D::Error> {
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: de::Error>(self, key: &[u8]) -> Result<Option<u32>, E> {
        self.keys.check(key)?;
        Ok(self.trie.step(self.node, key, self.passed))
    }
}

/// Reads nothing, and tells whether the value holds anything but null.
#[derive(Clone, Copy)]
struct ProbeSeed {
    keys: Keys,
}

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
        while let Some(filled) = list.next_element_seed(self)? {
            any |= filled;
        }
        Ok(any)
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<bool, M::Error> {
        let mut any = false;
        while map.next_key_seed(SkipKey { keys: self.keys })?.is_some() {
            any |= map.next_value_seed(self)?;
        }
        Ok(any)
    }
}

/// Skips a key; as bytes, so that its encoding does not matter.
struct SkipKey {
    keys: Keys,
}

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

    fn visit_bytes<E: de::Error>(self, key: &[u8]) -> Result<(), E> {
        self.keys.check(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Arena;

    fn decode(paths: &[&str], json: &str) -> Result<Vec<Vec<String>>, DecodeError> {
        decode_as(Validation::WhatIsRead, paths, json)
    }

    fn decode_as(
        validation: Validation,
        paths: &[&str],
        json: &str,
    ) -> Result<Vec<Vec<String>>, DecodeError> {
        let mut table = FieldTable::default();
        let ids: Vec<FieldId> = paths.iter().map(|path| table.intern(path)).collect();
        let decoder = Decoder::new(&table, Limits { max_nesting: 8 }).with_validation(validation);
        let arena = Arena::new();
        let mut out = Fields::new(table.len(), &arena);
        decoder.decode(json.as_bytes(), &mut out)?;
        let show = |value: &Value<'_>| match value {
            Value::Object => "{}".to_owned(),
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
            one("a", r#"{"a":[9223372036854775807,18446744073709551615,-1,1.5,true]}"#),
            ["9223372036854775807", "18446744073709551615", "-1", "1.5", "true"]
        );
    }

    #[test]
    fn numbers_keep_their_texts() {
        let json = r#" { "b" : [1.5e0, {"a": 7.70}], "\u0061" : [135.0, "x\"1e3", -0, [1e3, 5], {"c":2.50}],
            "a.c" : -1E-2 , "a":{"c":18446744073709551616,"d":[{}, 1.10]}, "a" : 0.5 } "#;
        assert_eq!(one("a", json), ["135.0", "x\"1e3", "-0", "1e3", "5", "{}", "0.5"]);
        assert_eq!(one("a.c", json), ["2.50", "-1E-2", "18446744073709551616"]);
    }

    #[test]
    fn numbers_of_repaired_records_keep_their_texts() {
        let broken = b"{\"\xff\":\"\xff\",\"a\":[1e400,1.50,\"\\ud800\"]}";
        let mut table = FieldTable::default();
        let id = table.intern("a");
        let arena = Arena::new();
        let mut out = Fields::new(1, &arena);
        let decoder = Decoder::new(&table, Limits { max_nesting: 8 });
        decoder.decode(broken, &mut out).unwrap();
        assert_eq!(out.get(id)[0].text().unwrap(), "1.50");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (json, error) in [
            ("", DecodeError::InvalidJson),
            ("[1]", DecodeError::NotAnObject),
            ("null", DecodeError::NotAnObject),
            ("{} {}", DecodeError::InvalidJson),
            (r#"{"a":1"#, DecodeError::InvalidJson),
            (r#"{"a":1}}"#, DecodeError::InvalidJson),
            (r#"{"b":"x}"#, DecodeError::InvalidJson),
            (r#"{"b":[1}}"#, DecodeError::InvalidJson),
            (r#"{"a":1,}"#, DecodeError::InvalidJson),
            (r#"{,"a":1}"#, DecodeError::InvalidJson),
            (r#"{"b":1 "a":1}"#, DecodeError::InvalidJson),
            (r#"{a:1}"#, DecodeError::InvalidJson),
            ("{\"a\tb\":1}", DecodeError::InvalidJson),
        ] {
            assert_eq!(decode(&["a"], json), Err(error), "{json}");
            assert_eq!(decode_as(Validation::All, &["a"], json), Err(error), "{json}");
        }
    }

    #[test]
    fn mistakes_are_noticed_where_somebody_reads() {
        for json in [
            r#"{"b":{"c":tru}}"#,
            r#"{"b":"\x"}"#,
            "{\"b\":{\"\n\":1}}",
            "{\"b\":\"\0\"}",
            r#"{"b":1e}"#,
            r#"{"b":01}"#,
            r#"{"b":-}"#,
            r#"{"b":[1 2]}"#,
            r#"{"b":[1,]}"#,
            r#"{"b":nulll}"#,
            r#"{"b":"\u12x4"}"#,
        ] {
            assert_eq!(decode(&["b", "b.c"], json), Err(DecodeError::InvalidJson), "{json}");
            assert_eq!(decode(&["a"], json), Ok(vec![vec![]]), "{json}");
            let whole = decode_as(Validation::All, &["a"], json);
            assert_eq!(whole, Err(DecodeError::InvalidJson), "{json}");
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
            (b"{\"a\":[-1e999,\"1e999\"],\"b\":1E+400}", "1e999"),
            (b"{\"\\n\":1,\"b\":{\"c\\td\":2},\"a\":\"x\"}", "x"),
            (b"{\"a\":\"\\ud800\"}", "\u{fffd}"),
            (b"{\"a\":\"\\\\\\udc00\\ud83d\\ude00\"}", "\\\u{fffd}\u{1f600}"),
        ] {
            let arena = Arena::new();
            let mut out = Fields::new(1, &arena);
            assert_eq!(decoder.decode(payload, &mut out), Ok(()));
            assert_eq!(out.str(FieldId(0)), Some(text));
        }
    }

    #[test]
    fn texts_without_escapes_are_borrowed() {
        let mut table = FieldTable::default();
        let id = table.intern("a");
        let arena = Arena::new();
        let mut out = Fields::new(1, &arena);
        let decoder = Decoder::new(&table, Limits { max_nesting: 8 });
        decoder.decode(br#"{"a":"plain","b":"\\"}"#, &mut out).unwrap();
        assert_eq!(out.str(id), Some("plain"));
        assert_eq!(arena.reserved_bytes(), 0);
    }
}
