//! What a well-formed query must also satisfy: functions and types, comparisons, keys, terms.

mod expr;
mod regex;
mod shape;

use super::ast::{Body, Expr, Query};
use crate::diag::Diagnostic;

/// Adds what is wrong with a query.
pub(super) fn query(query: &Query, findings: &mut Vec<Diagnostic>) {
    match &query.body {
        Body::Event(event) => expr::condition(&event.condition, findings),
        Body::Sequence(sequence) => {
            let terms = sequence.terms.iter().chain(&sequence.until);
            terms.for_each(|term| expr::condition(&term.query.condition, findings));
            shape::sequence(sequence, findings);
        }
        Body::Sample(sample) => {
            sample.terms.iter().for_each(|term| expr::condition(&term.query.condition, findings));
            shape::sample(sample, findings);
        }
    }
}

/// Adds what is wrong with a condition.
pub(super) fn condition(condition: &Expr, findings: &mut Vec<Diagnostic>) {
    expr::condition(condition, findings);
}
