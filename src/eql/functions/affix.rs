//! `startsWith`, `endsWith`, `stringContains`.

use super::super::ast::Case;
use super::super::types::Type;
use super::{Function, Scalar, example, required};
use crate::text::fold::fold;

pub(super) const STARTS_WITH: Function = Function {
    name: "startsWith",
    params: &[required("source", Type::String), required("substring", Type::String)],
    rest: None,
    returns: Type::Boolean,
    has_tilde: true,
    doc: "Tells whether a text begins with another.",
    examples: &[
        example(r#"startsWith(a, "Win")"#, r#"{"a":"Windows"}"#, true),
        example(r#"startsWith(a, "win")"#, r#"{"a":"Windows"}"#, false),
        example(r#"startsWith~(a, "win")"#, r#"{"a":"Windows"}"#, true),
        example(r#"startsWith(a, b)"#, r#"{"a":"Windows","b":"W"}"#, true),
    ],
    eval: |args, case| test(args, case, |text, part| text.starts_with(part)),
};

pub(super) const ENDS_WITH: Function = Function {
    name: "endsWith",
    doc: "Tells whether a text ends with another.",
    examples: &[
        example(r#"endsWith(a, ".exe")"#, r#"{"a":"cmd.exe"}"#, true),
        example(r#"endsWith~(a, ".EXE")"#, r#"{"a":"cmd.exe"}"#, true),
        example(r#"endsWith(a, ".exe")"#, "{}", false),
    ],
    eval: |args, case| test(args, case, |text, part| text.ends_with(part)),
    ..STARTS_WITH
};

pub(super) const STRING_CONTAINS: Function = Function {
    name: "stringContains",
    doc: "Tells whether a text contains another.",
    examples: &[
        example(r#"stringContains(a, "md.e")"#, r#"{"a":"cmd.exe"}"#, true),
        example(r#"stringContains~(a, "CMD")"#, r#"{"a":["x","cmd.exe"]}"#, true),
    ],
    eval: |args, case| test(args, case, |text, part| text.contains(part)),
    ..STARTS_WITH
};

fn test<'a>(args: &[Scalar<'a>], case: Case, holds: fn(&str, &str) -> bool) -> Scalar<'a> {
    let [Some(source), Some(part)] = args else { return None };
    let (source, part) = (source.text()?, part.text()?);
    Some(
        match case {
            Case::Sensitive => holds(&source, &part),
            Case::Insensitive => holds(&fold(&source), &fold(&part)),
        }
        .into(),
    )
}
