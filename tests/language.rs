//! The language, case by case: what parses, what is refused and why, what matches.
//!
//! Every case of `corpus/language/*.toml` runs through three evaluators, which must agree: the
//! naive interpreter of `support/naive.rs`, the compiled predicate, and the indexed rule set. That
//! holds all cases at once, listed by their literals, and is asked about every event of every case.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::path::Path;
use std::sync::Arc;

use maxspan::diag::Diagnostic;
use maxspan::eql::ast::Expr;
use maxspan::eql::{self, functions::FUNCTIONS};
use maxspan::event::{Arena, FieldTable, Fields};
use maxspan::predicate::Predicate;
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;
use serde::Deserialize;

#[path = "support/flat.rs"]
mod flat;
#[path = "support/naive.rs"]
mod naive;
#[path = "support/published_rules.rs"]
mod published_rules;
#[path = "support/rule_text.rs"]
mod rule_text;
#[path = "support/slow_regex.rs"]
mod slow_regex;
#[path = "support/spanless.rs"]
mod spanless;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// A bare condition, or …
    condition: Option<String>,
    /// … a whole query.
    query: Option<String>,
    /// Events that satisfy the condition.
    #[serde(default)]
    matches: Vec<String>,
    /// Events that do not.
    #[serde(default)]
    rejects: Vec<String>,
    /// Codes of the findings, in the order of the text; none if all is well.
    #[serde(default)]
    findings: Vec<String>,
    /// What the query looks like when it is printed.
    prints: Option<String>,
}

/// All cases, each with the name of its file before its own.
fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/language");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let file: File =
            toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        cases.extend(file.case.into_iter().map(|case| (format!("{stem}: {}", case.name), case)));
    }
    cases
}

#[test]
fn every_case_holds() {
    let mut events = 0;
    for (name, case) in cases() {
        check(&name, &case);
        events += case.matches.len() + case.rejects.len();
    }
    assert!(events > 300, "only {events} events");
}

/// The category that the indexed copy of each condition asks for.
const CATEGORY: &str = "of the index";

/// A case in the rule set of all cases.
struct Indexed {
    name: String,
    /// The case's own query, over events of any category where it is a mere condition.
    query: String,
    /// Whether it is what the rule set finds by its category.
    by_category: bool,
}

impl Indexed {
    fn rule(&self, number: usize) -> Arc<Text> {
        rule_text::rule(&self.name, &number.to_string(), &self.query, toml::Table::new())
    }
}

/// What of the cases is an event query; the others are named.
fn indexed() -> Vec<Indexed> {
    let mut indexed = Vec::new();
    for (name, case) in cases() {
        let texts = match (&case.condition, &case.query) {
            (Some(condition), _) => vec![
                (format!("any where {condition}"), false),
                (format!("\"{CATEGORY}\" where {condition}"), true),
            ],
            (_, Some(query)) => vec![(query.clone(), false)],
            _ => Vec::new(),
        };
        for (query, by_category) in texts {
            match eql::parse(&query).0.map(|query| query.body) {
                Some(eql::ast::Body::Event(_)) => {
                    indexed.push(Indexed { name: name.clone(), query, by_category });
                }
                Some(_) => println!("indexed: not run, no event query: {name}"),
                None => println!("indexed: not run, refused: {name}"),
            }
        }
    }
    indexed
}

#[test]
fn indexed_rules_are_hit_by_what_their_predicates_match() {
    let indexed = indexed();
    let files = (0..).zip(&indexed).map(|(number, case)| case.rule(number)).collect();
    let (set, reports) = RuleSet::compile(files, &Defaults::default());
    let refused: Vec<_> = reports.iter().filter(|r| r.status == Status::Refused).collect();
    assert!(refused.is_empty() && set.rules().len() == indexed.len(), "{refused:#?}");
    let mut table = FieldTable::default();
    let predicates: Vec<Predicate> = indexed
        .iter()
        .map(|case| match eql::parse(&case.query).0.unwrap().body {
            eql::ast::Body::Event(query) => {
                Predicate::compile_query(&query, "event.category", &mut table).unwrap()
            }
            _ => panic!("{}: no event query", case.name),
        })
        .collect();
    let (mut hits, mut hit_by_category, mut asked) = (Vec::new(), 0, 0);
    for (_, case) in cases() {
        for event in case.matches.iter().chain(&case.rejects) {
            for categories in [&[][..], &[CATEGORY], &["other", CATEGORY, CATEGORY]] {
                let mut flat = flat::flatten(event);
                let of_event = flat.entry("event.category".to_owned()).or_default();
                of_event.extend(categories.iter().map(|category| (*category).into()));
                let fields = flat::fields(&flat, &table);
                let expected: Vec<usize> =
                    (0..indexed.len()).filter(|at| predicates[*at].matches(&fields)).collect();
                set.hits(&flat::fields(&flat, set.fields()), &mut hits);
                let found: Vec<usize> = hits.iter().map(|hit| hit.rule as usize).collect();
                assert_eq!(found, expected, "{event} of {categories:?}");
                hit_by_category += found.iter().filter(|at| indexed[**at].by_category).count();
                asked += indexed.len();
            }
            check_decoded(&set, event);
        }
    }
    assert!(asked > 100_000 && hit_by_category > 1_000, "{hit_by_category} of {asked}");
}

/// The rule set's own decoder gives the same hits as the flattened event.
fn check_decoded(set: &RuleSet, event: &str) {
    let (mut decoded, mut flattened) = (Vec::new(), Vec::new());
    let arena = Arena::new();
    let mut fields = Fields::new(set.fields().len(), &arena);
    set.decoder().decode(event.as_bytes(), &mut fields).unwrap();
    set.hits(&fields, &mut decoded);
    set.hits(&flat::fields(&flat::flatten(event), set.fields()), &mut flattened);
    assert_eq!(decoded, flattened, "{event}");
}

fn check(name: &str, case: &Case) {
    let findings = match (&case.condition, &case.query) {
        (Some(condition), None) => check_condition(name, case, condition),
        (None, Some(query)) => check_query(name, case, query),
        _ => panic!("{name}: write either a condition or a query"),
    };
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, case.findings, "{name}: {findings:?}");
}

fn check_condition(name: &str, case: &Case, text: &str) -> Vec<Diagnostic> {
    let (condition, findings) = eql::parse_condition(text);
    let Some(condition) = condition else {
        assert!(findings.iter().any(Diagnostic::is_error), "{name}: refused without an error");
        assert!(case.matches.is_empty() && case.rejects.is_empty(), "{name}: {findings:?}");
        return findings;
    };
    for (events, expected) in [(&case.matches, true), (&case.rejects, false)] {
        for event in events {
            assert_eq!(run(&condition, event), expected, "{name}: {text} on {event}");
        }
    }
    if let Some(prints) = &case.prints {
        assert_eq!(eql::print::condition(&condition), *prints, "{name}");
    }
    findings
}

fn check_query(name: &str, case: &Case, text: &str) -> Vec<Diagnostic> {
    let (query, findings) = eql::parse(text);
    let refused = findings.iter().any(Diagnostic::is_error);
    assert_eq!(query.is_none(), refused, "{name}: {findings:?}");
    if let Some(query) = query {
        let printed = eql::print::canonical(&query);
        if let Some(prints) = &case.prints {
            assert_eq!(printed.trim(), prints.trim(), "{name}");
        }
        let again = eql::parse(&printed).0.unwrap_or_else(|| panic!("{name}: {printed}"));
        assert_eq!(spanless::tree(&again), spanless::tree(&query), "{name}: {printed}");
        if let eql::ast::Body::Event(event_query) = &query.body {
            let mut table = FieldTable::default();
            let predicate =
                Predicate::compile_query(event_query, "event.category", &mut table).unwrap();
            for (events, expected) in [(&case.matches, true), (&case.rejects, false)] {
                for event in events {
                    let fields = flat::fields(&flat::flatten(event), &table);
                    assert_eq!(predicate.matches(&fields), expected, "{name} on {event}");
                }
            }
        } else {
            assert!(case.matches.is_empty() && case.rejects.is_empty(), "{name}: no event query");
        }
    }
    findings
}

/// Asks both evaluators, which must agree.
fn run(condition: &Expr, event: &str) -> bool {
    let event = flat::flatten(event);
    let mut table = FieldTable::default();
    let predicate = Predicate::compile(condition, &mut table).unwrap();
    let compiled = predicate.matches(&flat::fields(&event, &table));
    assert_eq!(compiled, naive::matches(condition, &event), "{condition:?} on {event:?}");
    compiled
}

#[test]
fn every_example_of_every_function_holds() {
    for function in FUNCTIONS {
        for example in function.examples {
            let (condition, findings) = eql::parse_condition(example.condition);
            let condition =
                condition.unwrap_or_else(|| panic!("{}: {findings:?}", example.condition));
            assert!(example.condition.to_lowercase().contains(&function.name.to_lowercase()));
            assert_eq!(run(&condition, example.event), example.matches, "{}", example.condition);
        }
    }
}

#[test]
fn published_rules_have_no_errors() {
    let mut errors = Vec::new();
    for (name, query) in published_rules::queries() {
        let (parsed, findings) = eql::parse(&query);
        if parsed.is_none() {
            errors.push(format!("{name}: {findings:?}"));
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn published_rules_print_as_themselves() {
    for (name, query) in published_rules::queries() {
        let parsed = eql::parse(&query).0.unwrap();
        let printed = eql::print::canonical(&parsed);
        let (again, findings) = eql::parse(&printed);
        let again = again.unwrap_or_else(|| panic!("{name}: {findings:?}\n{printed}"));
        assert_eq!(spanless::tree(&parsed), spanless::tree(&again), "{name}");
        assert_eq!(printed, eql::print::canonical(&again), "{name}");
    }
}

#[test]
fn published_rules_compile() {
    for (name, query) in published_rules::queries() {
        let parsed = eql::parse(&query).0.unwrap();
        let mut table = FieldTable::default();
        for event_query in event_queries(&parsed) {
            let compiled = Predicate::compile_query(event_query, "event.category", &mut table);
            let predicate = compiled.unwrap_or_else(|findings| panic!("{name}: {findings:?}"));
            assert!(!predicate.is_never(), "{name}");
        }
    }
}

fn event_queries(query: &eql::ast::Query) -> Vec<&eql::ast::EventQuery> {
    match &query.body {
        eql::ast::Body::Event(event) => vec![event],
        eql::ast::Body::Sequence(sequence) => {
            sequence.terms.iter().chain(&sequence.until).map(|term| &term.query).collect()
        }
        eql::ast::Body::Sample(sample) => sample.terms.iter().map(|term| &term.query).collect(),
    }
}
