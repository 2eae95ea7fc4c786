//! Any text as a query: findings can be rendered, and what is accepted prints as itself.

use maxspan::diag::Diagnostic;
use maxspan::diag::render::{Colour, render};
use maxspan::eql;
use maxspan::text::Text;

use super::text;
use crate::spanless;

/// Takes the text of a query.
pub fn run(data: &[u8]) {
    let text = Text::new("query", text(data));
    let (query, findings) = eql::parse(&text.contents);
    check_findings(&text, &findings);
    assert_eq!(query.is_none(), findings.iter().any(Diagnostic::is_error), "{findings:?}");
    let (condition, findings) = eql::parse_condition(&text.contents);
    check_findings(&text, &findings);
    if let Some(condition) = condition {
        let printed = eql::print::condition(&condition);
        let again = eql::parse_condition(&printed);
        let again = again.0.unwrap_or_else(|| panic!("{printed}: {:?}", again.1));
        assert_eq!(printed, eql::print::condition(&again));
    }
    let Some(query) = query else { return };
    let printed = eql::print::canonical(&query);
    let again = eql::parse(&printed);
    let again = again.0.unwrap_or_else(|| panic!("{printed}: {:?}", again.1));
    assert_eq!(spanless::tree(&query), spanless::tree(&again), "{printed}");
    assert_eq!(printed, eql::print::canonical(&again));
}

/// Findings are in the order of the text, point into it, and can be shown.
fn check_findings(text: &Text, findings: &[Diagnostic]) {
    for finding in findings {
        let range = finding.span.unwrap_or_else(|| panic!("{finding:?} points nowhere")).range();
        assert!(text.contents.get(range).is_some(), "{finding:?} points outside");
        assert!(!finding.message.is_empty() && maxspan::diag::codes::find(finding.code).is_some());
    }
    assert!(findings.is_sorted_by_key(|finding| finding.span));
    // Colours change the text only: one of the two is enough for a long list.
    assert_eq!(render(findings, text, Colour::None).is_empty(), findings.is_empty());
    render(&findings[..findings.len().min(3)], text, Colour::Ansi);
}
