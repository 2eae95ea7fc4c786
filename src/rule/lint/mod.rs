//! Lints: advice for authors of rules beyond what is wrong.
//!
//! Never refuses a rule, and never speaks on mere suspicion: what a lint says can be shown from the
//! query alone. A lint is a file and a line of the table.

mod absences;
mod duplicates;
mod enumerations;
mod fields;
mod forms;
pub(super) mod known;
mod names;

use crate::diag::Diagnostic;
use crate::eql::ast::{
    Body, Case, CompareOp, Expr, ExprKind, KeyField, Literal, Query, Sequence, Term,
};
use crate::text::Span;

/// How the codes of all lints begin.
pub(super) const CODES: &str = "W07";

/// All lints: each adds what it has to say about a query.
const LINTS: &[fn(&Parts<'_>, &mut Vec<Diagnostic>)] =
    &[absences::lint, duplicates::lint, enumerations::lint, fields::lint, forms::lint, names::lint];

/// Returns the values of a field that has few fixed ones.
pub(super) fn values_of(field: &str) -> Option<&'static [&'static str]> {
    enumerations::values_of(field)
}

/// Returns the advice on a query, in its order; spans are offsets in it.
pub(super) fn of_query(query: &Query) -> Vec<Diagnostic> {
    let parts = Parts::of(query);
    let mut found = Vec::new();
    for lint in LINTS {
        lint(&parts, &mut found);
    }
    found.sort_by_key(|diagnostic| diagnostic.span);
    found
}

/// A query taken apart.
#[derive(Default)]
struct Parts<'q> {
    /// Every expression, outer ones first.
    exprs: Vec<&'q Expr>,
    /// The fields behind `by`.
    keys: Vec<&'q KeyField>,
    /// The terms of a sequence as written, without `until`.
    terms: &'q [Term],
}

/// A test of a field against texts.
struct TextTest<'q> {
    field: &'q str,
    /// Whether letter case counts.
    case: Case,
    /// Whether `*` and `?` stand for others.
    has_wildcards: bool,
    texts: Vec<(&'q str, Span)>,
}

impl<'q> Parts<'q> {
    fn of(query: &'q Query) -> Self {
        let mut parts = Self::default();
        match &query.body {
            Body::Event(event) => parts.add(&event.condition),
            Body::Sequence(Sequence { by, terms, until, .. }) => {
                parts.terms = terms;
                parts.add_terms(by, terms.iter().chain(until));
            }
            Body::Sample(sample) => parts.add_terms(&sample.by, sample.terms.iter()),
        }
        parts
    }

    fn add_terms(&mut self, by: &'q [KeyField], terms: impl Iterator<Item = &'q Term>) {
        self.keys.extend(by);
        for term in terms {
            self.keys.extend(&term.by);
            self.add(&term.query.condition);
        }
    }

    fn add(&mut self, expr: &'q Expr) {
        let mut waiting = vec![expr];
        while let Some(expr) = waiting.pop() {
            self.exprs.push(expr);
            expr.for_each_child(|child| waiting.push(child));
        }
    }

    /// Returns the tests of fields against texts.
    fn text_tests(&self) -> impl Iterator<Item = TextTest<'q>> {
        self.exprs.iter().filter_map(|expr| text_test(expr))
    }
}

fn text_test(expr: &Expr) -> Option<TextTest<'_>> {
    match &expr.kind {
        ExprKind::Compare { op: CompareOp::Eq | CompareOp::Ne, left, right } => {
            let (field, text) = if path(left).is_some() { (left, right) } else { (right, left) };
            let texts = vec![literal(text)?];
            Some(TextTest { field: path(field)?, case: field.case(), has_wildcards: false, texts })
        }
        ExprKind::In { value, list, case, .. } => {
            let texts = list.iter().filter_map(literal).collect();
            let case = case.and(value.case());
            Some(TextTest { field: path(value)?, case, has_wildcards: false, texts })
        }
        ExprKind::Like { value, patterns, case } => {
            let texts = patterns.iter().map(|p| (p.text.as_str(), p.span)).collect();
            Some(TextTest { field: path(value)?, case: *case, has_wildcards: true, texts })
        }
        _ => None,
    }
}

fn path(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Field(field) => Some(&field.path),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<(&str, Span)> {
    match &expr.kind {
        ExprKind::Literal(Literal::Str(text)) => Some((text, expr.span)),
        _ => None,
    }
}
