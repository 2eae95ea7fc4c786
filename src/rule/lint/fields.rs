//! W0704: a field that nobody sets, one slip away from one that is set.
//!
//! Custom fields are left alone: only a name within the field sets of the Elastic Common Schema,
//! and only if it is nearly the name of one of its fields.

use std::collections::BTreeSet;

use super::{Parts, known};
use crate::diag::Diagnostic;
use crate::eql::ast::ExprKind;
use crate::text::edit_distance::distance;

pub(super) fn lint(parts: &Parts<'_>, found: &mut Vec<Diagnostic>) {
    let in_exprs = parts.exprs.iter().filter_map(|expr| match &expr.kind {
        ExprKind::Field(field) => Some((field.path.as_str(), expr.span)),
        _ => None,
    });
    let keys = parts.keys.iter().map(|key| (key.path.as_str(), key.span));
    let mut told = BTreeSet::new();
    for (path, span) in in_exprs.chain(keys) {
        let Some(meant) = meant(path) else { continue };
        if told.insert(path) {
            let lint = Diagnostic::warning("W0704", format!("no event has a field `{path}`"));
            let lint = lint.at(span).label("unknown field");
            found.push(lint.help(format!("did you mean `{meant}`?")));
        }
    }
}

/// Returns the known field that a misspelt one most likely means.
fn meant(path: &str) -> Option<String> {
    // A name without a dot may be anything; `Ext` and the like belong to somebody.
    let (set, _) = path.split_once('.')?;
    if known::is_known(path) || path.split('.').any(|part| part.starts_with(char::is_uppercase)) {
        return None;
    }
    // A whole field set misspelt (`proces.name`), or a name in one (`process.exectuable`).
    let is_near = |prefix: &str| {
        let other = prefix.split('.').next().unwrap_or_default();
        set.len().abs_diff(other.len()) < 2 && distance(set, other) < 2
    };
    let candidates = known::sets()
        .filter(|(prefix, _)| is_near(prefix))
        .flat_map(|(prefix, leaves)| leaves.iter().map(move |leaf| format!("{prefix}.{leaf}")));
    let near = candidates.map(|field| (distance(path, &field), field)).min()?;
    (near.0 == 1).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_custom_fields_left_alone() {
        for (written, field) in [
            ("process.nmae", "process.name"),
            ("proces.name", "process.name"),
            ("process.comand_line", "process.command_line"),
            ("hots.id", "host.id"),
            ("process.parent.executible", "process.parent.executable"),
            ("source.prot", "source.port"),
            ("winlog.computername", "winlog.computer_name"),
        ] {
            assert_eq!(meant(written).as_deref(), Some(field), "{written}");
        }
        for fine in [
            "process.name",
            "process.parent.pid",
            "process.ppid",
            "process.Ext.nmae",
            "winlog.event_data.Imagee",
            "mine.name",
            "process.my_own",
            "tags",
            "host.ids_of_mine",
        ] {
            assert_eq!(meant(fine), None, "{fine}");
        }
    }
}
