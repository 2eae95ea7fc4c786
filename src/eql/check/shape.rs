//! Terms, keys and counts of sequences and samples.

use super::super::ast::{ExprKind, KeyField, Sample, Sequence, Term};
use crate::diag::Diagnostic;
use crate::text::Span;

pub(super) fn sequence(sequence: &Sequence, findings: &mut Vec<Diagnostic>) {
    let known = findings.len();
    keys(&sequence.by, sequence.terms.iter().chain(&sequence.until), findings);
    absences(sequence, findings);
    let stages: u64 = sequence.terms.iter().map(|term| u64::from(term.runs)).sum();
    // One broken term may have swallowed the others: that has been said already.
    let is_broken = findings[..known].iter().any(|finding| finding.code.starts_with("E02"));
    if stages < 2 && !is_broken {
        findings.push(too_few("sequence", stages, sequence.header).help(
            "add a term, count one with `with runs=2`, or write an event query without brackets",
        ));
    }
}

pub(super) fn sample(sample: &Sample, findings: &mut Vec<Diagnostic>) {
    keys(&sample.by, sample.terms.iter(), findings);
    for term in &sample.terms {
        if term.missing {
            findings.push(
                Diagnostic::error("E0316", "a sample has no missing events")
                    .at(term.span)
                    .label("must not happen")
                    .help("write `sequence` instead of `sample`, or remove the term"),
            );
        }
        if term.runs > 1 {
            findings.push(
                Diagnostic::error("E0316", "a sample has no `runs`")
                    .at(term.span)
                    .label("counted")
                    .help("write `sequence` instead of `sample`, or remove `with runs`"),
            );
        }
    }
    if sample.by.is_empty() && sample.terms.iter().all(|term| term.by.is_empty()) {
        findings.push(
            Diagnostic::error("E0316", "a sample needs something to join its events by")
                .at(sample.header)
                .label("no key")
                .help("write `sample by host.id`"),
        );
    }
    if sample.terms.len() < 2 {
        let help = "add a term, or write an event query without brackets";
        findings.push(too_few("sample", sample.terms.len() as u64, sample.header).help(help));
    }
}

fn too_few(what: &str, count: u64, span: Span) -> Diagnostic {
    let found = if count == 1 { "one" } else { "none" };
    Diagnostic::error("E0315", format!("a {what} has at least two stages"))
        .at(span)
        .label(format!("{found} here"))
}

/// Every term has as many keys as the first, counting those at the top.
fn keys<'a>(
    top: &[KeyField],
    terms: impl Iterator<Item = &'a Term>,
    findings: &mut Vec<Diagnostic>,
) {
    let mut expected = None;
    for term in terms {
        let count = top.len() + term.by.len();
        let expected = *expected.get_or_insert(count);
        // What could not be read may have swallowed the keys.
        if count == expected || matches!(term.query.condition.kind, ExprKind::Invalid) {
            continue;
        }
        let keys = |count: usize| match count {
            1 => "1 key".to_owned(),
            _ => format!("{count} keys"),
        };
        let span = match (term.by.first(), term.by.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            // The closing bracket, behind which they are missing.
            _ => Span { start: term.query.span.end.min(term.span.end), end: term.span.end },
        };
        findings.push(
            Diagnostic::error("E0311", "every term of a query has the same number of keys")
                .at(span)
                .label(format!("{} here, {} in the first term", keys(count), keys(expected)))
                .help("give each term a `by` with the fields that correspond, in the same order"),
        );
    }
}

fn absences(sequence: &Sequence, findings: &mut Vec<Diagnostic>) {
    if let Some(until) = sequence.until.as_ref().filter(|until| until.missing || until.runs > 1) {
        findings.push(
            Diagnostic::error("E0319", "`until` takes a plain event")
                .at(until.span)
                .label("missing or counted")
                .help("write `until [ … ]`"),
        );
    }
    let Some(first) = sequence.terms.iter().find(|term| term.missing) else { return };
    if sequence.terms.iter().all(|term| term.missing) {
        findings.push(
            Diagnostic::error("E0314", "a sequence needs an event that does happen")
                .at(first.span)
                .label("missing, as all others are")
                .help("write one term without `!`"),
        );
    }
    if sequence.maxspan.is_none() && !findings.iter().any(|finding| finding.code == "E0318") {
        findings.push(
            Diagnostic::error("E0313", "a missing event needs `maxspan`")
                .at(first.span)
                .label("missing for how long?")
                .help("add `with maxspan=5m` before the first `[`"),
        );
    }
}
