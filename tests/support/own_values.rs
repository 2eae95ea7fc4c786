//! Events made of the values that conditions compare with: such events satisfy some of them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use maxspan::eql::ast::{Body, EventQuery, Expr, ExprKind, Literal, Query};
use serde_json::{Map, Value as Json};

/// A field, and a value that a condition compares it with.
pub(crate) type Pair = (String, Json);

/// The brackets of a query.
pub(crate) fn terms(query: &Query) -> Vec<&EventQuery> {
    match &query.body {
        Body::Event(event) => vec![event],
        Body::Sequence(sequence) => {
            sequence.terms.iter().chain(&sequence.until).map(|term| &term.query).collect()
        }
        Body::Sample(sample) => sample.terms.iter().map(|term| &term.query).collect(),
    }
}

/// Collects the fields of a condition with the values that they are compared with.
pub(crate) fn collect(condition: &Expr, pairs: &mut Vec<Pair>) {
    let field = |expr: &Expr| match &expr.kind {
        ExprKind::Field(field) => Some(field.written().into_owned()),
        _ => None,
    };
    let mut add = |value: &Expr, literal: &Expr| {
        if let (Some(path), Some(value)) = (field(value), json(literal)) {
            pairs.push((path, value));
        }
    };
    match &condition.kind {
        ExprKind::Compare { left, right, .. } => add(left, right),
        ExprKind::In { value, list, .. } => list.iter().for_each(|item| add(value, item)),
        ExprKind::Like { value, patterns, .. } | ExprKind::Regex { value, patterns, .. } => {
            for pattern in patterns {
                if let Some(path) = field(value) {
                    pairs.push((path, pattern.text.replace('*', "xy").replace('?', "c").into()));
                }
            }
        }
        _ => {}
    }
    condition.for_each_child(|child| collect(child, pairs));
}

fn json(literal: &Expr) -> Option<Json> {
    match &literal.kind {
        ExprKind::Literal(Literal::Str(text)) => Some(text.clone().into()),
        ExprKind::Literal(Literal::Int(number)) => Some((*number).into()),
        ExprKind::Literal(Literal::Big(number)) => Some((*number).into()),
        ExprKind::Literal(Literal::Bool(truth)) => Some((*truth).into()),
        _ => None,
    }
}

/// An event of up to 12 of the condition's own pairs and 2 of others; `pick` gives a number below
/// the one that it is given.
pub(crate) fn event(own: &[Pair], others: &[Pair], mut pick: impl FnMut(usize) -> usize) -> Json {
    let mut members = Map::new();
    for (from, count) in [(own, 12), (others, 2)] {
        for _ in 0..count {
            if !from.is_empty() {
                let (path, value) = from[pick(from.len())].clone();
                members.insert(path, value);
            }
        }
    }
    Json::Object(members)
}
