//! Judges the EQL conditions of a configuration, so that their faults are shown where they stand.
//!
//! Never keeps what it compiles: that is the rule set's.

use crate::diag::Diagnostic;
use crate::eql;
use crate::event::FieldTable;
use crate::predicate::Predicate;
use crate::rule::field_limit;
use crate::rule::file::settings_at;
use crate::rule::{Condition, Settings};
use crate::rules_dir::{self, RuleSettings};

/// Returns the errors in the conditions of all rules' settings; spans are offsets in `source`.
///
/// A condition that stands elsewhere, in the environment or on the command line, is named.
pub(super) fn errors(source: &str, rules: &rules_dir::Settings) -> Vec<Diagnostic> {
    let of_rules = rules.overrides.iter().map(|(id, own)| (vec!["rules", "override", id], own));
    let sections = [(vec!["rules", "defaults"], &rules.defaults)].into_iter().chain(of_rules);
    let mut found: Vec<Diagnostic> =
        sections.flat_map(|(path, own)| errors_of(source, &path, own)).collect();
    found.sort_by_key(|error| error.span);
    found
}

fn errors_of(source: &str, path: &[&str], settings: &RuleSettings) -> Vec<Diagnostic> {
    let judged = conditions(settings.compiled()).map(|Condition { text, .. }| {
        let errors = errors_in(&text);
        (text, errors)
    });
    let judged: Vec<_> = judged.filter(|(_, errors)| !errors.is_empty()).collect();
    if judged.is_empty() {
        return Vec::new();
    }
    let mut written: Vec<Condition> = conditions(settings_at(source, path).0).collect();
    let placed = judged.into_iter().flat_map(|(text, errors)| {
        // Each place is shown once, also if the same condition stands in two.
        let at = written.iter().position(|condition| condition.text == text);
        let origin = at.and_then(|at| written.remove(at).origin);
        let place = move |error: Diagnostic| match &origin {
            Some(origin) => error.within(origin),
            None => error.without_place(&format!("`{text}` under `{}`", path.join("."))),
        };
        errors.into_iter().map(place).collect::<Vec<_>>()
    });
    placed.collect()
}

fn conditions(settings: Settings) -> impl Iterator<Item = Condition> {
    let severities = settings.severity_when.into_iter().map(|when| when.condition);
    settings.exceptions.into_iter().chain(severities)
}

fn errors_in(condition: &str) -> Vec<Diagnostic> {
    let (expr, mut found) = eql::parse_condition(condition);
    if let Some(expr) = expr {
        let mut fields = FieldTable::default();
        found.extend(Predicate::compile(&expr, &mut fields).err().unwrap_or_default());
        found.extend(field_limit::of_condition(&expr, &fields));
    }
    found.retain(Diagnostic::is_error);
    found
}
