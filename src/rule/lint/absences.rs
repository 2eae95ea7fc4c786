//! W0705: absences at both ends of a sequence, which forbid less than they seem to.

use super::Parts;
use crate::diag::Diagnostic;

pub(super) fn lint(parts: &Parts<'_>, found: &mut Vec<Diagnostic>) {
    let [first, .., last] = parts.terms else { return };
    if first.missing && last.missing {
        let message = "absences at both ends: an event of one of them alone prevents nothing";
        let lint = Diagnostic::warning("W0705", message).at(first.span);
        found.push(
            lint.label("counts only if an event of the last absence follows within maxspan of it")
                .help(
                    "leave out one of the two: `![a] [b]` and `[b] ![c]` each forbid their event \
                     within maxspan",
                ),
        );
    }
}
