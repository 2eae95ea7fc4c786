//! W0701: an entry of a list that stands there twice.

use std::collections::BTreeMap;

use super::Parts;
use crate::diag::Diagnostic;
use crate::eql::ast::{Case, Expr, ExprKind, Literal};
use crate::text::Span;

pub(super) fn lint(parts: &Parts<'_>, found: &mut Vec<Diagnostic>) {
    for expr in &parts.exprs {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for (entry, shown, span) in entries(expr) {
            if let Some(first) = seen.get(&entry) {
                debug_assert!(first.start < span.start);
                let message = format!("{shown} stands in the list twice");
                let lint = Diagnostic::warning("W0701", message).at(span);
                found.push(lint.label("nothing new").help("leave it out"));
            } else {
                seen.insert(entry, span);
            }
        }
    }
}

/// Returns the entries of a list: what makes them equal, how they are written, where they stand.
fn entries(expr: &Expr) -> Vec<(String, String, Span)> {
    match &expr.kind {
        ExprKind::In { list, case, .. } => {
            list.iter().filter_map(|item| entry(item, *case)).collect()
        }
        ExprKind::Like { patterns, case, .. } | ExprKind::Regex { patterns, case, .. } => {
            let pattern = |p: &crate::eql::ast::Pattern| {
                (folded(&p.text, *case), format!("`{}`", p.text), p.span)
            };
            patterns.iter().map(pattern).collect()
        }
        ExprKind::Call(call) if call.name.eq_ignore_ascii_case("cidrMatch") => {
            call.args.iter().skip(1).filter_map(|item| entry(item, Case::Insensitive)).collect()
        }
        _ => Vec::new(),
    }
}

fn entry(item: &Expr, case: Case) -> Option<(String, String, Span)> {
    match &item.kind {
        ExprKind::Literal(Literal::Str(text)) => {
            Some((format!("\"{}", folded(text, case)), format!("`{text}`"), item.span))
        }
        ExprKind::Literal(Literal::Int(number)) => {
            Some((number.to_string(), format!("`{number}`"), item.span))
        }
        ExprKind::Literal(Literal::Big(number)) => {
            Some((number.to_string(), format!("`{number}`"), item.span))
        }
        _ => None,
    }
}

fn folded(text: &str, case: Case) -> String {
    match case {
        Case::Sensitive => text.to_owned(),
        Case::Insensitive => text.to_lowercase(),
    }
}
