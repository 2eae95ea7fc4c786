//! The limit of the fields that all rules together read: each event has a place for each of them.

use crate::diag::Diagnostic;
use crate::eql::ast::{Body, Expr, ExprKind, Query, Term};
use crate::event::{FieldId, FieldTable};
use crate::text::Span;

/// Most fields that the rules of a set read together.
pub const MAX_FIELDS: usize = 65_536;

/// Returns the first field beyond the limit, if there is one.
pub(super) fn first_beyond(fields: &FieldTable) -> Option<&str> {
    (fields.len() > MAX_FIELDS).then(|| fields.name(FieldId(MAX_FIELDS as u32)))
}

/// Returns what refuses a condition that reads more fields than all rules together may.
pub fn of_condition(condition: &Expr, fields: &FieldTable) -> Option<Diagnostic> {
    let path = first_beyond(fields)?;
    Some(finding(path).at(in_expr(condition, path).unwrap_or(condition.span)))
}

/// Returns what is said about a field that is one too many.
pub(super) fn finding(path: &str) -> Diagnostic {
    let message =
        format!("`{path}` is beyond the {MAX_FIELDS} fields that all rules together may read");
    Diagnostic::error("E0604", message)
        .label("one field too many")
        .help("name fewer fields, or load some of the rules in another instance")
}

/// Returns where a query names a field.
pub(super) fn in_query(query: &Query, path: &str) -> Option<Span> {
    let (by, terms, until) = match &query.body {
        Body::Event(event) => return in_expr(&event.condition, path),
        Body::Sequence(sequence) => (&sequence.by, &sequence.terms, sequence.until.as_ref()),
        Body::Sample(sample) => (&sample.by, &sample.terms, None),
    };
    let terms = || terms.iter().chain(until);
    let mut keys = by.iter().chain(terms().flat_map(|term| &term.by));
    let key = keys.find(|key| key.path == path || key.written() == path).map(|key| key.span);
    key.or_else(|| terms().find_map(|term: &Term| in_expr(&term.query.condition, path)))
}

/// Returns where a condition names a field.
pub(super) fn in_expr(expr: &Expr, path: &str) -> Option<Span> {
    if matches!(&expr.kind, ExprKind::Field(f) if f.path == path || f.written() == path) {
        return Some(expr.span);
    }
    let mut found = None;
    expr.for_each_child(|child| found = found.or_else(|| in_expr(child, path)));
    found
}
