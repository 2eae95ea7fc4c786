//! Functions that take texts apart and put them together.
//!
//! Positions and lengths count UTF-16 units, as Elasticsearch's do.

use std::borrow::Cow;

use super::super::ast::Case;
use super::super::computed::Computed;
use super::super::types::Type;
use super::search::{Haystack, Needles};
use super::{Function, Param, Scalar, example, optional, required};
use crate::event::Value;

pub(super) const BETWEEN: Function = Function {
    name: "between",
    params: &[
        required("source", Type::String),
        required("left", Type::String),
        required("right", Type::String),
        Param { constant: true, ..optional("greedy", Type::Boolean) },
    ],
    rest: None,
    returns: Type::String,
    has_tilde: true,
    doc: "Returns the text behind the first `left` up to the next `right` (to the last one if `greedy`), the empty text if there is none, and the whole text if `left` or `right` is empty.",
    examples: &[
        example(r#"between(a, "<", ">") == "b""#, r#"{"a":"a<b>c>d"}"#, true),
        example(r#"between(a, "<", ">", true) == "b>c""#, r#"{"a":"a<b>c>d"}"#, true),
        example(r#"between(a, "X", ">") == """#, r#"{"a":"ax<b>c"}"#, true),
        example(r#"between~(a, "X<", ">") == "b""#, r#"{"a":"ax<b>c"}"#, true),
        example(r#"between(a, "", ">") == "ax<b>c""#, r#"{"a":"ax<b>c"}"#, true),
    ],
    eval: between,
};

pub(super) const CONCAT: Function = Function {
    name: "concat",
    params: &[required("value", Type::Any)],
    rest: Some(required("value", Type::Any)),
    returns: Type::String,
    has_tilde: false,
    doc: "Returns the texts of its arguments one after the other, and null if one of them is null.",
    examples: &[
        example(r#"concat(a, ":", b) == "x:5""#, r#"{"a":"x","b":5}"#, true),
        example(r#"concat(a, b) == null"#, r#"{"a":"x"}"#, true),
    ],
    eval: |args, _: Case| {
        let mut all = String::new();
        for arg in args {
            all.push_str(&arg.as_ref()?.text()?);
        }
        Some(Computed::Text(all))
    },
};

pub(super) const INDEX_OF: Function = Function {
    name: "indexOf",
    params: &[
        required("source", Type::String),
        required("substring", Type::String),
        Param { whole: true, ..optional("start", Type::Number) },
    ],
    rest: None,
    returns: Type::Number,
    has_tilde: true,
    doc: "Returns where a text stands in another, counted from 0, and null if it does not.",
    examples: &[
        example(r#"indexOf(a, ".") == 3"#, r#"{"a":"cmd.exe.txt"}"#, true),
        example(r#"indexOf(a, ".", 4) == 7"#, r#"{"a":"cmd.exe.txt"}"#, true),
        example(r#"indexOf(a, "", 4) == 4"#, r#"{"a":"cmd.exe.txt"}"#, true),
        example(r#"indexOf(a, "x", 40) == null"#, r#"{"a":"cmd.exe.txt"}"#, true),
        example(r#"indexOf~(a, "EXE", -5) == 4"#, r#"{"a":"cmd.exe.txt"}"#, true),
    ],
    eval: index_of,
};

pub(super) const LENGTH: Function = Function {
    name: "length",
    params: &[required("source", Type::String)],
    rest: None,
    returns: Type::Number,
    has_tilde: false,
    doc: "Returns the number of characters of a text, in UTF-16 units.",
    examples: &[
        example("length(a) == 3", r#"{"a":"cmd"}"#, true),
        example("length(a) == 0", r#"{"a":""}"#, true),
        example("length(a) == 2", r#"{"a":"😀"}"#, true),
        example("length(a) != 3", "{}", true),
    ],
    eval: |args, _: Case| {
        let text = args.first()?.as_ref()?.text()?;
        let length = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
        i64::try_from(length).ok().map(Computed::from)
    },
};

pub(super) const NUMBER: Function = Function {
    name: "number",
    params: &[
        required("source", Type::String),
        Param { whole: true, ..optional("base", Type::Number) },
    ],
    rest: None,
    returns: Type::Number,
    has_tilde: false,
    doc: "Returns the number that a text writes, and null if it writes none. Without a base it is 16 behind `0x`, else 10.",
    examples: &[
        example("number(a) == 42", r#"{"a":"42"}"#, true),
        example("number(a) == 1.5", r#"{"a":"1.5"}"#, true),
        example("number(a, 16) == 255", r#"{"a":["0xff"]}"#, true),
        example("number(a, 16) == 255", r#"{"a":"FF"}"#, true),
        example("number(a) == 255", r#"{"a":"0xff"}"#, true),
        example("number(a) == null", r#"{"a":"forty-two"}"#, true),
    ],
    eval: number,
};

pub(super) const STRING: Function = Function {
    name: "string",
    params: &[required("value", Type::Any)],
    rest: None,
    returns: Type::String,
    has_tilde: false,
    doc: "Returns a value as text.",
    examples: &[
        example(r#"string(a) == "5""#, r#"{"a":5}"#, true),
        example(r#"string(a) == "true""#, r#"{"a":true}"#, true),
        example("length(string(source.ip)) == 3", r#"{"source.ip":"0:0:0:0:0:0:0:1"}"#, true),
    ],
    eval: |args, _: Case| text_of(args.first()?).map(Computed::from),
};

pub(super) const SUBSTRING: Function = Function {
    name: "substring",
    params: &[
        required("source", Type::String),
        Param { whole: true, ..required("start", Type::Number) },
        Param { whole: true, ..optional("end", Type::Number) },
    ],
    rest: None,
    returns: Type::String,
    has_tilde: false,
    doc: "Returns the part of a text from `start` up to `end` or its end, counted from 0, and from the text's end if negative; the whole text if `start` is null.",
    examples: &[
        example(r#"substring(a, 4) == "exe""#, r#"{"a":"cmd.exe"}"#, true),
        example(r#"substring(a, -4) == ".exe""#, r#"{"a":"cmd.exe"}"#, true),
        example(r#"substring(a, 0, -4) == "cmd""#, r#"{"a":"cmd.exe"}"#, true),
        example(r#"substring(a, 5, 99) == "xe""#, r#"{"a":"cmd.exe"}"#, true),
        example(r#"substring(a, 99) == """#, r#"{"a":"cmd.exe"}"#, true),
    ],
    eval: substring,
};

/// Returns the number that a value is or writes.
///
/// Words such as `inf` write none, although Rust's parser would take them.
pub fn number_of(value: Value<'_>) -> Option<Value<'static>> {
    match value {
        Value::Int(number) => Some(Value::Int(number)),
        Value::Big(number) => Some(Value::Big(number)),
        Value::Float(number) => Some(Value::Float(number)),
        Value::Written(written) => Some(Value::Float(written.number)),
        Value::Str(text) => parse_number(text),
        Value::Bool(_) | Value::Object => None,
    }
}

fn parse_number(text: &str) -> Option<Value<'static>> {
    let last = *text.as_bytes().last()?;
    if !(last.is_ascii_digit() || last == b'.') {
        return None;
    }
    if let Ok(number) = text.parse::<i128>() {
        return Value::whole(number).or(Some(Value::Float(number as f64)));
    }
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float)
}

fn number<'a>(args: &[Scalar<'a>], _: Case) -> Scalar<'a> {
    let text = text_of(args.first()?)?;
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let base = match given(args, 1) {
        Some(Computed::Plain(Value::Float(_))) => return None,
        Some(base) => u32::try_from(integer(base)?).ok()?,
        None if hexadecimal.is_some() => 16,
        None => 10,
    };
    if base == 10 {
        return parse_number(&text).map(Computed::from);
    }
    let digits = hexadecimal.filter(|_| base == 16).unwrap_or(&text);
    let number = (2..=36).contains(&base).then(|| i128::from_str_radix(digits, base).ok())??;
    Value::whole(number).map(Computed::from)
}

fn between<'a>(args: &[Scalar<'a>], case: Case) -> Scalar<'a> {
    between_needles(args, &Needles::unknown(case))
}

pub(super) fn between_needles<'a>(args: &[Scalar<'a>], needles: &Needles) -> Scalar<'a> {
    let [source, left, right, ..] = args else { return None };
    let source = text_of(source)?;
    let (left, right) = (needles.of(1, left)?, needles.of(2, right)?);
    if left.is_empty() || right.is_empty() {
        return Some(source.into());
    }
    let greedy = matches!(given(args, 3), Some(Computed::Plain(Value::Bool(true))));
    let empty = Some(Value::from("").into());
    let text = Haystack::new(&source, needles.case());
    let Some(start) = text.find(&left, 0).map(|at| at + left.len()) else { return empty };
    let end = if greedy { text.find_last(&right, start) } else { text.find(&right, start) };
    match end {
        Some(end) => Some(Computed::Text(text.written(start..end).to_owned())),
        None => empty,
    }
}

fn index_of<'a>(args: &[Scalar<'a>], case: Case) -> Scalar<'a> {
    index_of_needle(args, &Needles::unknown(case))
}

pub(super) fn index_of_needle<'a>(args: &[Scalar<'a>], needles: &Needles) -> Scalar<'a> {
    let [source, part, ..] = args else { return None };
    let (source, part) = (text_of(source)?, needles.of(1, part)?);
    let start = match given(args, 2) {
        Some(start) => integer(start)?.max(0),
        None => 0,
    };
    let start = usize::try_from(start).ok()?;
    let at = Haystack::new(&source, needles.case()).find_unit(&part, start)?;
    i64::try_from(at).ok().map(Computed::from)
}

fn substring<'a>(args: &[Scalar<'a>], _: Case) -> Scalar<'a> {
    let text = text_of(args.first()?)?;
    let Some(start) = given(args, 1) else { return Some(text.into()) };
    let length = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
    let clamp = |at: i64| {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let at = if at < 0 { at.saturating_add(length) } else { at };
        usize::try_from(at.clamp(0, length)).unwrap_or(usize::MAX)
    };
    let start = clamp(integer(start)?);
    let end = match given(args, 2) {
        Some(end) => clamp(integer(end)?),
        None => length,
    };
    let range = start..end.max(start);
    Some(Computed::from(match text {
        Cow::Borrowed(text) if text.is_ascii() => Cow::Borrowed(&text[range]),
        text if text.is_ascii() => Cow::Owned(text[range].to_owned()),
        text => {
            let units: Vec<u16> = text.encode_utf16().collect();
            Cow::Owned(String::from_utf16_lossy(&units[range]))
        }
    }))
}

/// Returns a value as text, without a copy where the value borrows its text.
fn text_of<'a>(value: &Scalar<'a>) -> Option<Cow<'a, str>> {
    value.as_ref()?.text()
}

/// Returns an argument that may be left out; null stands for its default too.
fn given<'s, 'a>(args: &'s [Scalar<'a>], at: usize) -> Option<&'s Computed<'a>> {
    args.get(at)?.as_ref()
}

fn integer(value: &Computed<'_>) -> Option<i64> {
    match number_of(value.view())? {
        Value::Int(number) => Some(number),
        Value::Float(number) => Some(number as i64),
        _ => None,
    }
}
