//! Reads the text of a configuration and finds all its faults.
//!
//! Never stops at the first: what is wrong is noted and taken out, and the rest is read again.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::{Config, read};
use crate::diag::Diagnostic;
use crate::text::Span;

/// Returns what the sound parts of a text say, and what is wrong with the others.
pub(super) fn config(source: &str) -> (Config, Vec<Diagnostic>) {
    let (mut root, errors) = DeTable::parse_recoverable(source);
    let mut found: Vec<Diagnostic> = errors.iter().map(read::diagnostic).collect();
    let broken: Vec<usize> = found.iter().filter_map(|fault| line_of(source, fault)).collect();
    loop {
        let error = match Config::deserialize(Deserializer::from(root.clone())) {
            Ok(config) => return (config, in_order(found)),
            Err(error) => error,
        };
        let fault = read::diagnostic(&error);
        // What was made up to go on behind a fault of the syntax is not judged.
        if !line_of(source, &fault).is_some_and(|line| broken.contains(&line)) {
            found.push(fault);
        }
        if !error.span().is_some_and(|span| take_out(root.get_mut(), &span)) {
            return (Config::default(), in_order(found));
        }
    }
}

/// Returns where a key stands, or the first part of it that is there.
pub(super) fn place(source: &str, path: &[&str]) -> Option<Span> {
    let (root, _) = DeTable::parse_recoverable(source);
    let mut table = root.get_ref();
    let mut found = None;
    for name in path {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else { break };
        found = Some(Span::new(key.span().start, key.span().end));
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    found
}

fn in_order(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by_key(|fault| fault.span);
    found.dedup();
    found
}

fn line_of(source: &str, fault: &Diagnostic) -> Option<usize> {
    let before = source.get(..fault.span?.start as usize)?;
    Some(before.bytes().filter(|byte| *byte == b'\n').count())
}

/// Takes the innermost key out whose name or value stands at `span`; false if there is none.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let inner =
        table.iter_mut().any(|(key, value)| key.span() != *span && take_out_of(value, span));
    if inner {
        return true;
    }
    let is_here = |value: &Range<usize>| value.start <= span.start && span.end <= value.end;
    let key = table.iter().find(|(key, value)| key.span() == *span || is_here(&value.span()));
    match key.map(|(key, _)| key.clone()) {
        Some(key) => table.remove(&key).is_some(),
        None => false,
    }
}

fn take_out_of(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, span),
        // An element of a list goes as a whole: without one of its keys it would have another fault.
        DeValue::Array(elements) => {
            let is_sound = |element: &Spanned<DeValue<'_>>| {
                let place = element.span();
                span.start < place.start || place.end < span.end
            };
            let before = elements.len();
            *elements =
                std::mem::replace(elements, DeArray::new()).into_iter().filter(is_sound).collect();
            elements.len() < before
        }
        _ => false,
    }
}
