//! N0701: a name that means a form of another field.

use std::collections::BTreeSet;

use super::Parts;
use crate::diag::Diagnostic;
use crate::eql::ast::{Case, ExprKind};
use crate::eql::form::Form;

pub(super) fn lint(parts: &Parts<'_>, found: &mut Vec<Diagnostic>) {
    let in_exprs = parts.exprs.iter().filter_map(|expr| match &expr.kind {
        ExprKind::Field(field) => Some((&field.path, field.form?, expr.span)),
        _ => None,
    });
    let in_keys = parts.keys.iter().filter_map(|key| Some((&key.path, key.form?, key.span)));
    let mut names: Vec<_> = in_exprs.chain(in_keys).collect();
    names.sort_by_key(|(_, _, span)| *span);
    let mut told = BTreeSet::new();
    for (path, form, span) in names {
        if told.insert((path, form)) {
            let written = Form::join(path, Some(form));
            let case = match form.case() {
                Case::Insensitive => ", whatever their letter case",
                Case::Sensitive => "",
            };
            let message = format!("`{written}` stands for the values of `{path}`{case}");
            let label = "where a record has no field of this name";
            found.push(Diagnostic::note("N0701", message).at(span).label(label));
        }
    }
}
