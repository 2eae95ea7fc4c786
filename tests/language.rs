//! The language: what parses, what prints, what matches.

use maxspan::eql;

#[path = "support/published_rules.rs"]
mod published_rules;

#[test]
fn published_rules_have_no_errors() {
    let mut errors = Vec::new();
    for (name, query) in published_rules::queries() {
        let (parsed, findings) = eql::parse(&query);
        if parsed.is_none() {
            errors.push(format!(
                "{name}: {:?}",
                findings.iter().filter(|f| f.is_error()).collect::<Vec<_>>()
            ));
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

/// Returns the tree without its spans.
fn tree(query: &eql::ast::Query) -> String {
    let debug = format!("{query:?}");
    let mut out = String::new();
    let mut rest = debug.as_str();
    while let Some(at) = rest.find("Span { start: ") {
        out.push_str(&rest[..at]);
        rest = rest[at..].split_once(" }").unwrap().1;
    }
    out + rest
}

#[test]
fn published_rules_print_as_themselves() {
    for (name, query) in published_rules::queries() {
        let parsed = eql::parse(&query).0.unwrap();
        let printed = eql::print::canonical(&parsed);
        let (again, findings) = eql::parse(&printed);
        let again = again.unwrap_or_else(|| panic!("{name}: {findings:?}\n{printed}"));
        assert_eq!(tree(&parsed), tree(&again), "{name}");
        assert_eq!(printed, eql::print::canonical(&again), "{name}");
    }
}
