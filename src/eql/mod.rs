//! The language: text to checked queries.
//!
//! Never looks at an event: what conditions mean is said in [`predicate`](crate::predicate).

pub mod ast;
mod check;
pub mod computed;
pub mod form;
pub mod functions;
mod lexer;
mod parser;
pub mod print;
pub mod regex;
mod token;
pub mod types;

use crate::diag::Diagnostic;

/// Parses and checks a query.
///
/// Returns the findings (all of them, up to a hundred), and the query unless one of them is an
/// error. Spans are relative to `text`.
///
/// ```
/// let (query, findings) = maxspan::eql::parse(r#"process where process.name : "cmd.exe""#);
/// assert!(query.is_some() && findings.is_empty());
///
/// let (query, findings) = maxspan::eql::parse(r#"process where process.name = "cmd.exe""#);
/// assert!(query.is_none());
/// assert_eq!(findings[0].code, "E0207");
/// ```
pub fn parse(text: &str) -> (Option<ast::Query>, Vec<Diagnostic>) {
    let (query, mut findings) = parser::parse_query(text);
    if let Some(query) = &query {
        check::query(query, &mut findings);
    }
    (accept(query, &mut findings), findings)
}

/// Parses and checks a bare condition, such as `process.name : "cmd.exe"`.
pub fn parse_condition(text: &str) -> (Option<ast::Expr>, Vec<Diagnostic>) {
    let (condition, mut findings) = parser::parse_condition(text);
    if let Some(condition) = &condition {
        check::condition(condition, &mut findings);
    }
    (accept(condition, &mut findings), findings)
}

/// Most findings of one text. What has more is no query, and to show each costs a look at the text.
const MAX_FINDINGS: usize = 100;

/// Puts the findings in the order of the text, and keeps the tree if none is an error.
fn accept<T>(tree: Option<T>, findings: &mut Vec<Diagnostic>) -> Option<T> {
    findings.sort_by_key(|finding| finding.span);
    let refused = findings.iter().any(Diagnostic::is_error);
    if findings.len() > MAX_FINDINGS {
        // Among many caveats the error must not get lost.
        findings.retain(|finding| !refused || finding.is_error());
        findings.truncate(MAX_FINDINGS);
    }
    tree.filter(|_| !refused)
}
