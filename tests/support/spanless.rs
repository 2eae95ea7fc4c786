//! Syntax trees without their spans, for comparison.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use maxspan::eql::ast::Query;

/// Returns the tree as text, spans left out.
pub(crate) fn tree(query: &Query) -> String {
    let debug = format!("{query:?}");
    let mut out = String::new();
    let mut rest = debug.as_str();
    while let Some(at) = rest.find("Span { start: ") {
        out.push_str(&rest[..at]);
        rest = rest[at..].split_once(" }").unwrap().1;
    }
    out + rest
}
