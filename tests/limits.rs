//! What a rule file can grow has no limit, or one that ends in a diagnostic; the other rules run.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::event::decode::Limits;
use maxspan::event::{Arena, Fields, decode::Decoder};
use maxspan::rule::field_limit::MAX_FIELDS;
use maxspan::rule::set::{Defaults, RuleReport, RuleSet, Status};
use maxspan::rule::{Condition, Settings, Severity, SeverityWhen};
use maxspan::text::Text;

fn rule(id: &str, query: &str, more: &str) -> Arc<Text> {
    let contents = format!(
        "[rule]\nrule_id = \"{id}\"\nname = \"{id}\"\ndescription = \"d\"\nseverity = \"low\"\n\
         risk_score = 21\nlanguage = \"eql\"\ntype = \"eql\"\nquery = '''\n{query}\n'''\n{more}"
    );
    Arc::new(Text::new(format!("{id}.toml"), contents))
}

/// A condition that reads so many fields, from a number on.
fn reads(from: usize, count: usize) -> String {
    let parts: Vec<String> = (from..from + count).map(|field| format!("f.n{field} == 1")).collect();
    parts.join(" or ")
}

fn compile(files: Vec<Arc<Text>>) -> (RuleSet, Vec<RuleReport>) {
    RuleSet::compile(files, &Defaults::default())
}

const GROUP_BY: &str =
    "[rule.maxspan.suppression]\ngroup_by = [\"one\", \"two\"]\nduration = \"1m\"\n";

/// Returns what a report's errors say: code, what they point at, and whether they help.
fn errors(report: &RuleReport) -> Vec<(&'static str, String, bool)> {
    let errors = report.diagnostics.iter().filter(|found| found.is_error());
    let text = |found: &maxspan::diag::Diagnostic| match found.span {
        Some(span) => report.text.contents[span.range()].to_owned(),
        None => String::new(),
    };
    errors.map(|found| (found.code, text(found), found.help.is_some())).collect()
}

/// Tells which of the rules an event satisfies.
fn hits(rules: &RuleSet, event: &str) -> Vec<u32> {
    let decoder = Decoder::new(rules.fields(), Limits { max_nesting: 8 });
    let arena = Arena::new();
    let mut fields = Fields::new(rules.fields().len(), &arena);
    decoder.decode(event.as_bytes(), &mut fields).unwrap();
    let mut hits = Vec::new();
    rules.hits(&fields, &mut hits);
    hits.into_iter().map(|hit| hit.rule).collect()
}

#[test]
fn a_query_with_too_many_fields_is_refused_and_the_others_run() {
    let (rules, reports) = compile(vec![
        rule("before", "any where a == 1", ""),
        rule("huge", &format!("any where {}", reads(0, 70_000)), ""),
        rule("after", "any where f.n69999 == 1 or f.after == 1", ""),
    ]);
    let statuses: Vec<Status> = reports.iter().map(|report| report.status).collect();
    assert_eq!(statuses, [Status::Runs, Status::Refused, Status::Runs]);
    // The table begins with the category's field and that of the first rule.
    let beyond = format!("f.n{}", MAX_FIELDS - 2);
    assert_eq!(errors(&reports[1]), [("E0604", beyond, true)]);
    assert_eq!(hits(&rules, r#"{"a":1}"#), [0]);
    assert_eq!(hits(&rules, r#"{"f":{"n69999":1}}"#), [1]);
    assert!(rules.fields().len() < 5_000, "fields of a refused rule are not read");
}

#[test]
fn the_rule_that_passes_the_limit_is_the_one_that_is_refused() {
    let each = 10_000;
    let files = (0..8)
        .map(|n| rule(&format!("r{n}"), &format!("any where {}", reads(n * each, each)), ""))
        .chain([rule("small", "any where f.n0 == 2", "")])
        .collect();
    let (rules, reports) = compile(files);
    let refused: Vec<bool> = reports.iter().map(|r| r.status == Status::Refused).collect();
    assert_eq!(refused, [false, false, false, false, false, false, true, true, false]);
    assert_eq!(errors(&reports[6])[0].0, "E0604");
    assert_eq!(hits(&rules, r#"{"f":{"n59999":1}}"#), [5]);
    assert_eq!(hits(&rules, r#"{"f":{"n0":2}}"#), [6]);
}

#[test]
fn other_places_that_name_fields_end_in_the_same_diagnostic() {
    let names: Vec<String> = (0..70_000).map(|n| format!("f.n{n}")).collect();
    let keys = names.join(", ");
    let keys = format!("sequence by {keys} with maxspan=1m [any where true] [any where true]");
    let condition = reads(0, 70_000);
    let exceptions = format!("[rule.maxspan]\nexceptions = ['{condition}']\n");
    let severity =
        format!("[[rule.maxspan.severity_when]]\nseverity = \"high\"\ncondition = '{condition}'\n");
    let (rules, reports) = compile(vec![
        rule("keys", &keys, ""),
        rule("exceptions", "any where true", &exceptions),
        rule("severity", "any where true", &severity),
        // Fields by which alerts are grouped have no place in an expression.
        rule("group_by", &format!("any where {}", reads(0, MAX_FIELDS - 2)), GROUP_BY),
        rule("good", "any where a == 1", ""),
    ]);
    for report in &reports[..4] {
        let found = errors(report);
        assert_eq!(found.len(), 1, "{}: {found:?}", report.path);
        assert_eq!((found[0].0, found[0].2), ("E0604", true), "{}", report.path);
        let is_placed = found[0].1.starts_with("f.n655");
        assert_eq!(is_placed, report.path != "group_by.toml", "{}: {found:?}", report.path);
    }
    assert_eq!(reports[4].status, Status::Runs);
    assert_eq!(hits(&rules, r#"{"a":1}"#), [0]);
}

#[test]
fn conditions_of_the_configuration_refuse_the_rules_they_stand_for() {
    let condition = || Condition { text: reads(0, 70_000), origin: None };
    let own = [
        Settings { exceptions: vec![condition()], ..Settings::default() },
        Settings {
            severity_when: vec![SeverityWhen { severity: Severity::High, condition: condition() }],
            ..Settings::default()
        },
    ];
    for settings in own {
        let mut defaults = Defaults::default();
        defaults.overrides.insert("r1".to_owned(), settings);
        let files = vec![rule("r1", "any where a == 1", ""), rule("r2", "any where a == 1", "")];
        let (rules, reports) = RuleSet::compile(files, &defaults);
        assert_eq!(errors(&reports[0]), [("E0604", String::new(), true)]);
        assert_eq!((reports[1].status, rules.rules().len()), (Status::Runs, 1));
    }
}

#[test]
fn queries_of_any_size_run_or_end_in_a_diagnostic() {
    let stages = |count: usize, stage: &str| {
        format!("sequence by a with maxspan=1m {}", format!("{stage} ").repeat(count))
    };
    let list: Vec<String> = (0..200_000).map(|n| format!("\"v{n}\"")).collect();
    let keys: Vec<String> = (0..10_000).map(|n| format!("k.n{n}")).collect();
    let nested = |open: &str, close: &str| {
        format!("any where {}a == 1{}", open.repeat(100_000), close.repeat(100_000))
    };
    for (name, query, code) in [
        ("stages", stages(64, "[any where x == 1]"), None),
        ("too-many-stages", stages(65, "[any where x == 1]"), Some("E0602")),
        ("until", stages(64, "[any where x == 1]") + "until [any where true]", Some("E0602")),
        ("sample", "sample by a ".to_owned() + &"[any where true] ".repeat(65), Some("E0602")),
        ("runs", stages(64, "[any where x == 1] with runs=100"), None),
        ("too-many-runs", stages(2, "[any where true] with runs=4294967297"), Some("E0312")),
        (
            "maxspan",
            "sequence with maxspan=99999999999999999999d [any where true] [any where true]"
                .to_owned(),
            Some("E0318"),
        ),
        ("list", format!("any where a in ({})", list.join(", ")), None),
        ("patterns", format!("any where a : ({}, \"x*\")", list.join(", ")), None),
        ("alternatives", format!("any where {}", vec!["a == 1"; 200_000].join(" or ")), None),
        (
            "keys",
            format!("sequence by {} [any where true] [any where true]", keys.join(", ")),
            None,
        ),
        ("text", format!("any where a == \"{}\"", "x".repeat(5_000_000)), None),
        ("parentheses", nested("(", ")"), Some("E0210")),
        ("negations", nested("not ", ""), Some("E0210")),
        ("calls", nested("length(", ")"), Some("E0304")),
        ("sum", format!("any where a {} == 1", "+ 1 ".repeat(100_000)), Some("E0210")),
        ("signs", format!("any where {}a == 1", "-".repeat(100_000)), Some("E0210")),
        ("comments", format!("any where {} true", "/*".repeat(100_000)), Some("E0106")),
        ("quantifiers", format!("any where a regex \"a{}\"", "*".repeat(100_000)), Some("E0310")),
        ("groups", format!("any where a regex \"{}\"", "(".repeat(100_000)), Some("E0310")),
        (
            "repetitions",
            "any where a regex \"((((a{999}){999}){999}){999}){999}\"".to_owned(),
            Some("E0310"),
        ),
        ("empty", "any where a regex \"(((((){999}){999}){999}){999}){999}\"".to_owned(), None),
        ("intervals", format!("any where a regex \"{}\"", "<1-2>".repeat(20_000)), None),
        ("open-intervals", format!("any where a regex \"{}\"", "<".repeat(200_000)), Some("E0310")),
    ] {
        let (_, reports) =
            compile(vec![rule(name, &query, ""), rule("good", "any where true", "")]);
        let codes: Vec<&str> = errors(&reports[0]).iter().map(|(code, _, _)| *code).collect();
        match code {
            Some(code) => assert!(codes.contains(&code), "{name}: {codes:?}"),
            None => assert!(codes.is_empty(), "{name}: {codes:?}"),
        }
        assert_eq!(reports[1].status, Status::Runs, "{name}");
    }
}

#[test]
fn a_hundred_thousand_rules_run() {
    let count = 100_000;
    let files = (0..count)
        .map(|n| rule(&format!("r{n}"), &format!("process where process.name == \"p{n}.exe\""), ""))
        .collect();
    let (rules, reports) = compile(files);
    assert!(reports.iter().all(|report| report.status == Status::Runs));
    let event = r#"{"event":{"category":"process"},"process":{"name":"p99999.exe"}}"#;
    assert_eq!(hits(&rules, event), [99_999]);
}
