//! Rule files: what loads, what is skipped, what is refused and where.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::diag::Diagnostic;
use maxspan::diag::render::{Colour, render};
use maxspan::event::TimeSpan;
use maxspan::rule::file::{Parsed, parse, settings_at};
use maxspan::rule::set::Defaults;
use maxspan::rule::{Emit, MissingFields, RuleFile, Severity};
use maxspan::text::{Span, Text};
use proptest::prelude::*;

const RULE: &str = r#"[rule]
rule_id = "r1"
name = "Rule"
description = "What it is about."
severity = "medium"
risk_score = 47
language = "eql"
type = "eql"
query = 'process where true'
"#;

fn parse_text(contents: &str) -> Parsed {
    parse(Arc::new(Text::new("rule.toml", contents)))
}

fn loaded(contents: &str) -> (RuleFile, Vec<Diagnostic>) {
    match parse_text(contents) {
        Parsed::Rule(file, diagnostics) => (*file, diagnostics),
        other => panic!("does not load: {other:?}\n{contents}"),
    }
}

fn refused(contents: &str) -> Vec<Diagnostic> {
    match parse_text(contents) {
        Parsed::Refused { diagnostics, .. } => {
            assert!(diagnostics.iter().any(Diagnostic::is_error), "refused without an error");
            diagnostics
        }
        other => panic!("is not refused: {other:?}"),
    }
}

/// Writes a diagnostic as: code «what it points at» message | help.
fn line(contents: &str, diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, message, help, span, .. } = diagnostic;
    let at = span.map_or("nothing", |span| &contents[span.range()]);
    format!("{code} «{at}» {message} | {}", help.as_deref().unwrap_or("-"))
}

fn refused_lines(contents: &str) -> Vec<String> {
    refused(contents).iter().map(|diagnostic| line(contents, diagnostic)).collect()
}

fn toml_files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every character of the query stands in the file where the origin says, or an escape does.
fn assert_origin_is_right(file: &RuleFile) {
    let text = &file.text.contents;
    for (inside, character) in file.query.char_indices() {
        let span = file.origin.span(Span::new(inside, inside + character.len_utf8()));
        let outside = &text[span.range()];
        let is_verbatim = outside.len() == character.len_utf8() && outside.starts_with(character);
        let is_escape = outside.starts_with('\\') && outside.len() > 1;
        assert!(
            is_verbatim || is_escape,
            "{}: `{character}` at {inside} is said to stand at `{outside}`",
            file.text.name
        );
    }
}

#[test]
fn every_published_rule_loads_and_its_query_is_found_in_the_file() {
    let directory = root().join("../shared/data/elastic-rules");
    let paths = toml_files(&directory);
    if paths.is_empty() {
        println!("not run: {} is not there", directory.display());
        return;
    }
    for path in &paths {
        let contents = std::fs::read_to_string(path).unwrap();
        let text = Text::new(path.display().to_string(), contents);
        let Parsed::Rule(file, diagnostics) = parse(Arc::new(text)) else {
            panic!("{} does not load", path.display());
        };
        let is_expected = |found: &Diagnostic| ["N0501", "N0602", "W0604"].contains(&found.code);
        assert!(diagnostics.iter().all(is_expected), "{diagnostics:?}");
        assert!(!file.metadata.threat.is_empty() && !file.metadata.index.is_empty());
        assert_origin_is_right(&file);
    }
    assert!(paths.len() >= 308, "only {} rules", paths.len());
}

#[test]
fn shipped_rules_say_what_they_are() {
    let paths = toml_files(&root().join("config/rules"));
    let mut seen = Vec::new();
    for path in paths.iter().filter(|path| !path.to_string_lossy().ends_with(".cases.toml")) {
        let contents = std::fs::read_to_string(path).unwrap();
        let (file, diagnostics) = loaded(&contents);
        assert_eq!(diagnostics, [], "{}", path.display());
        assert_origin_is_right(&file);
        let rule = &file.metadata;
        assert_eq!((rule.severity, rule.risk_score), (Severity::Medium, 47));
        assert_eq!(rule.author, ["Elastic"]);
        assert_eq!(rule.license.as_deref(), Some("Elastic License v2"));
        let tactics: Vec<&str> = rule.threat.iter().map(|threat| &*threat.tactic.id).collect();
        let techniques: Vec<&str> =
            rule.threat.iter().flat_map(|threat| &threat.technique).map(|t| &*t.id).collect();
        assert_eq!((tactics, techniques), (vec!["TA0008", "TA0002"], vec!["T1021", "T1047"]));
        assert!(rule.index.iter().any(|index| index == "winlogbeat-*"));
        assert!(rule.index.iter().any(|index| index == "logs-system.security*"));
        assert_eq!(file.settings.order_tolerance, Some(TimeSpan::from_secs(1)));
        assert_eq!(file.settings.enabled, Some(true));
        let raised = file.settings.severity_when.iter().all(|when| when.severity == Severity::High);
        let suffix = rule.id.strip_prefix("f3475224-b179-4f78-8877-c2bd64c26b88-").unwrap();
        assert!(raised && (file.settings.severity_when.is_empty() == (suffix != "20s")));
        let maxspan = if suffix == "20s" { "maxspan = 20s" } else { "maxspan = 2s" };
        assert!(file.query.starts_with(&format!("sequence by host.id with {maxspan}\n")));
        seen.push(suffix.to_owned());
    }
    assert_eq!(seen, ["2023", "20s", "v100"]);
}

#[test]
fn what_is_documented_loads_and_passes() {
    let page = std::fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let [rule, suppression, cases] = blocks.collect::<Vec<_>>()[..] else { panic!("other blocks") };
    let (file, diagnostics) = loaded(rule);
    assert_eq!(diagnostics, []);
    assert_eq!(file.settings.exceptions.len(), 1);
    let (file, diagnostics) = loaded(&format!("{RULE}{suppression}"));
    assert_eq!(diagnostics, []);
    assert_eq!(file.settings.suppression.group_by.map(|fields| fields.len()), Some(2));
    let query = "query = '''sequence by host.id with maxspan=1m\n\
                 [authentication where event.outcome == \"failure\"] with runs=3'''";
    let rule = RULE.replace("query = 'process where true'", query);
    let rule = Arc::new(Text::new("rule.toml", rule));
    let cases = maxspan::rule::case::parse(&Text::new("rule.cases.toml", cases)).unwrap();
    assert_eq!(cases.len(), 2);
    for case in &cases {
        let (defaults, options) = (Defaults::default(), maxspan::detect::Options::default());
        let faults = maxspan::detect::case::run(&rule, case, &defaults, &options);
        assert_eq!(faults, Ok(Vec::new()), "{}", case.name);
    }
}

#[test]
fn a_rule_file_is_read_in_full() {
    let (file, diagnostics) = loaded(
        r#"
[metadata]
maturity = "production"

[rule]
rule_id = "r1"
name = "Rule"
description = """
What it is about.
"""
severity = "high"
risk_score = 73
version = 7
language = "eql"
type = "eql"
author = ["A", "B"]
license = "L"
references = ["https://example.org/"]
false_positives = ["f"]
note = "n"
tags = ["t"]
index = ["logs-*"]
event_category_override = "event.type"
timestamp_override = "event.ingested"
tiebreaker_field = "event.sequence"
query = '''
process where true
'''
[[rule.threat]]
framework = "MITRE ATT&CK"
technique = [{ id = "T1021", name = "Remote Services", subtechnique = [{ id = "T1021.003", name = "DCOM" }] }]
tactic = { id = "TA0008", name = "Lateral Movement", reference = "https://example.org/t" }

[rule.maxspan]
enabled = false
emit = "exact"
order_tolerance = "1s"
allowed_lateness = "2m"
hold = "10m"
exceptions = ['user.name == "scanner"', "process.name : \"a\\b\""]
[[rule.maxspan.severity_when]]
severity = "critical"
condition = 'process.name : "cmd.exe"'
"#,
    );
    let codes: Vec<&str> = diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["N0602"], "`timestamp_override` is explained");
    let rule = &file.metadata;
    assert_eq!((&*rule.id, &*rule.name, &*rule.description), ("r1", "Rule", "What it is about."));
    assert_eq!((rule.severity, rule.risk_score), (Severity::High, 73));
    assert_eq!(rule.version.as_deref(), Some("7"));
    assert_eq!(rule.author, ["A", "B"]);
    assert_eq!((rule.license.as_deref(), rule.note.as_deref()), (Some("L"), Some("n")));
    assert_eq!((&*rule.references[0], &*rule.false_positives[0]), ("https://example.org/", "f"));
    assert_eq!((&*rule.tags[0], &*rule.index[0]), ("t", "logs-*"));
    assert_eq!(rule.event_category_override.as_deref(), Some("event.type"));
    assert_eq!(rule.timestamp_override.as_deref(), Some("event.ingested"));
    assert_eq!(rule.tiebreaker_field.as_deref(), Some("event.sequence"));
    assert_eq!(rule.threat[0].tactic.reference, "https://example.org/t");
    assert_eq!(rule.threat[0].technique[0].subtechnique[0].id, "T1021.003");
    let settings = &file.settings;
    assert_eq!((settings.enabled, settings.emit), (Some(false), Some(Emit::Exact)));
    assert_eq!(settings.order_tolerance, Some(TimeSpan::from_secs(1)));
    assert_eq!(settings.allowed_lateness, Some(TimeSpan::from_secs(120)));
    assert_eq!(settings.hold, Some(TimeSpan::from_secs(600)));
    assert_eq!(settings.severity_when[0].severity, Severity::Critical);
    assert_eq!(file.query, "process where true\n");
    assert_eq!(settings.exceptions[1].text, "process.name : \"a\\b\"");
    let conditions = [&settings.severity_when[0].condition, &settings.exceptions[0]];
    for condition in conditions {
        let span = condition.origin.as_ref().unwrap().span(Span::new(0, condition.text.len()));
        assert_eq!(&file.text.contents[span.range()], condition.text);
    }
}

#[test]
fn keys_that_are_not_ours_are_left_alone() {
    let (_, diagnostics) = loaded(&format!(
        "title = 1\n{RULE}max_signals = 3\nsetup = 'x'\nfuture_key = {{ a = [1] }}\n\
         [rule.investigation_fields]\nfield_names = ['a']\n[transform]\nx = 1\n"
    ));
    assert_eq!(diagnostics, []);
}

#[test]
fn what_is_asked_for_and_not_done_is_named() {
    let contents = format!("{RULE}exceptions_list = []\nfilters = []\n");
    let (_, diagnostics) = loaded(&contents);
    let lines: Vec<String> = diagnostics.iter().map(|found| line(&contents, found)).collect();
    assert_eq!(
        lines,
        [
            "W0501 «exceptions_list» `exceptions_list` has no effect here: put conditions into \
             `exceptions` of `[rule.maxspan]` | -",
            "W0501 «filters» `filters` has no effect here: the query alone decides; add the \
             filters to it | -",
        ]
    );
    let contents = format!("[metadata]\nmaturity = 'deprecated'\n{RULE}");
    let (_, diagnostics) = loaded(&contents);
    assert_eq!(
        line(&contents, &diagnostics[0]),
        "N0501 «'deprecated'» this rule is deprecated by its author | -"
    );
}

#[test]
fn suppression_of_elastic_and_of_ours_is_read() {
    let elastics = "[rule.alert_suppression]\ngroup_by = ['host.id', 'user.name']\n\
                    duration = { value = 5, unit = 'm' }\nmissing_fields_strategy = 'doNotSuppress'\n";
    let (file, diagnostics) = loaded(&format!("{RULE}{elastics}"));
    assert_eq!(diagnostics, []);
    let suppression = file.settings.suppression;
    assert_eq!(suppression.enabled, Some(true));
    assert_eq!(
        suppression.group_by.as_deref(),
        Some(&["host.id".to_owned(), "user.name".to_owned()][..])
    );
    assert_eq!(suppression.duration, Some(TimeSpan::from_secs(300)));
    assert_eq!(suppression.missing_fields, Some(MissingFields::DoNotSuppress));

    let ours = "[rule.maxspan.suppression]\nduration = '1h'\ngroup_by = []\n";
    let (file, diagnostics) = loaded(&format!("{RULE}{elastics}{ours}"));
    assert_eq!(diagnostics, []);
    let suppression = file.settings.suppression;
    assert_eq!(suppression.group_by, Some(Vec::new()), "ours stands above Elastic's");
    assert_eq!(suppression.duration, Some(TimeSpan::from_secs(3_600)));
    assert_eq!(suppression.missing_fields, Some(MissingFields::DoNotSuppress));
}

#[test]
fn senseless_suppression_is_refused() {
    for (table, expected) in [
        (
            "[rule.alert_suppression]\ngroup_by = ['a', 'b', 'c', 'd']\nduration = { value = 1, unit = 's' }",
            "E0505 «'d'»",
        ),
        ("[rule.alert_suppression]\nduration = { value = 0, unit = 'm' }", "E0505 «0»"),
        ("[rule.alert_suppression]\nduration = { value = 1, unit = 'w' }", "E0505 «1»"),
        ("[rule.alert_suppression]\nduration = { unit = 'm' }", "E0503"),
        ("[rule.alert_suppression]\ngroup_by = ['a']", "W0605"),
        ("[rule.maxspan.suppression]\nmissing_fields = 'supress'", "E0505 «'supress'»"),
        ("[rule.maxspan.suppression]\nmissing = 'suppress'", "E0506 «missing»"),
        ("[rule.maxspan.suppression]\nduration = '0s'", "E0505 «duration»"),
        ("[rule.maxspan.suppression]\nduration = 5", "E0504 «5»"),
    ] {
        let contents = format!("{RULE}{table}\n");
        let found = match parse_text(&contents) {
            Parsed::Rule(_, found) | Parsed::Refused { diagnostics: found, .. } => found,
            other => panic!("{other:?}"),
        };
        let lines: Vec<String> = found.iter().map(|found| line(&contents, found)).collect();
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{table}: {lines:#?}");
    }
}

/// Elastic refuses such tables as well: its schema is strict, and `group_by` is required.
#[test]
fn elastics_suppression_knows_its_keys_and_needs_a_group() {
    for (table, expected) in [
        (
            "groupBy = ['host.id']\nduration = { value = 10, unit = 'm' }",
            &[
                "E0503 «[rule.alert_suppression]» `group_by` is missing in \
                 `[rule.alert_suppression]` | add `group_by = [\"host.id\"]`",
                "E0506 «groupBy» unknown key `groupBy` in `[rule.alert_suppression]` \
                 | did you mean `group_by`?",
            ][..],
        ),
        (
            "group_by = ['a']\nmissingFieldsStrategy = 'suppress'\nduration = { value = 1, unit = 's' }",
            &["E0506 «missingFieldsStrategy» unknown key `missingFieldsStrategy` in \
               `[rule.alert_suppression]` | did you mean `missing_fields_strategy`?"],
        ),
        (
            "group_by = []\nduration = { value = 1, unit = 's' }",
            &["E0505 «group_by» `group_by` names no field \
               | name one to three fields: `group_by = [\"host.id\"]`"],
        ),
        (
            "group_by = 'host.id'\nduration = { value = 1, unit = 's' }",
            &["E0504 «'host.id'» `group_by` in `[rule.alert_suppression]` must be a list of \
               strings | write `group_by = ['host.id']`"],
        ),
        (
            "group_by = ['a', ' ']\nduration = { value = 1, unit = 's' }",
            &["E0505 «' '» a field has a name | such as `host.id`"],
        ),
        (
            "group_by = ['a']\nduration = '5m'",
            &["E0504 «'5m'» `duration` in `[rule.alert_suppression]` must be a table \
               | write `duration = { value = 5, unit = \"m\" }`"],
        ),
        (
            "group_by = ['a']\nduration = { value = 5 }",
            &["E0503 «{ value = 5 }» `unit` is missing in `[rule.alert_suppression.duration]` \
               | add `unit = \"m\"`"],
        ),
        (
            "group_by = ['a']\nduration = { value = 5, units = 'm', unit = 'm' }",
            &["E0506 «units» unknown key `units` in `[rule.alert_suppression.duration]` \
               | did you mean `unit`?"],
        ),
        (
            "group_by = ['a']\nduration = { value = '5', unit = 'm' }",
            &["E0504 «'5'» `value` in `[rule.alert_suppression.duration]` must be a whole number \
               | write `value = 5`"],
        ),
        (
            "group_by = ['a']\nduration = { value = 1, unit = 's' }\n\
             missing_fields_strategy = 'donotsuppress'",
            &["E0505 «'donotsuppress'» `donotsuppress` is no value of `missing_fields_strategy` \
               | did you mean `missing_fields_strategy = \"doNotSuppress\"`?"],
        ),
        (
            "group_by_v2 = [{ field = 'host.id' }]\nduration = { value = 1, unit = 's' }",
            &[
                "E0503 «[rule.alert_suppression]» `group_by` is missing in \
                 `[rule.alert_suppression]` | add `group_by = [\"host.id\"]`",
                "E0506 «group_by_v2» `group_by_v2` is a newer form of Elastic's that is not \
                 supported | name one to three fields: `group_by = [\"host.id\", \"user.name\"]`",
            ],
        ),
    ] {
        let contents = format!("{RULE}[rule.alert_suppression]\n{table}\n");
        assert_eq!(refused_lines(&contents), expected, "{table}");
    }
}

#[test]
fn keys_that_nearly_count_are_named() {
    for (table, key, meant) in [
        ("[rule.maxpsan]\nemit = 'exact'", "maxpsan", "[rule.maxspan]"),
        ("[rule.max_span]\nemit = 'exact'", "max_span", "[rule.maxspan]"),
        ("[maxspan]\nemit = 'exact'", "maxspan", "[rule.maxspan]"),
        (
            "[rule.alert_supression]\ngroup_by = ['a']",
            "alert_supression",
            "[rule.alert_suppression]",
        ),
        (
            "[rule.alertSuppression]\ngroupBy = ['a']",
            "alertSuppression",
            "[rule.alert_suppression]",
        ),
    ] {
        let contents = format!("{RULE}{table}\n");
        let (_, found) = loaded(&contents);
        let lines: Vec<String> = found.iter().map(|found| line(&contents, found)).collect();
        let expected =
            format!("W0502 «{key}» the key `{key}` is not read | did you mean `{meant}`?");
        assert_eq!(lines, [expected]);
    }
}

#[test]
fn mappings_of_elastic_are_read() {
    let (file, diagnostics) = loaded(&format!(
        "{RULE}rule_name_override = 'message'\n\
         [[rule.severity_mapping]]\nfield = 'event.severity'\noperator = 'equals'\nvalue = '3'\n\
         severity = 'high'\n[[rule.risk_score_mapping]]\nfield = 'event.risk_score'\n\
         operator = 'equals'\nvalue = ''\n"
    ));
    assert_eq!(diagnostics, []);
    assert_eq!(file.mappings.name.as_deref(), Some("message"));
    assert_eq!(file.mappings.risk_score.as_deref(), Some("event.risk_score"));
    assert_eq!(file.mappings.severity.len(), 1);
    assert_eq!(file.mappings.severity[0].severity, Severity::High);
}

#[test]
fn other_languages_are_skipped_by_name() {
    let language = "language = \"eql\"\ntype = \"eql\"";
    for (head, kind) in [
        ("language = 'esql'\ntype = 'esql'", "esql"),
        ("language = 'kuery'\ntype = 'query'", "kuery"),
        ("language = 'lucene'\ntype = 'threshold'", "lucene"),
        ("type = 'machine_learning'", "machine_learning"),
        ("language = 'eql'\ntype = 'threshold'", "threshold"),
    ] {
        match parse_text(&RULE.replace(language, head)) {
            Parsed::Skipped { rule_id, kind: found } => {
                assert_eq!((rule_id.as_deref(), &*found), (Some("r1"), kind));
            }
            other => panic!("{kind}: {other:?}"),
        }
    }
    for head in ["type = 'eql'", "language = 'eql'"] {
        loaded(&RULE.replace(language, head));
    }
}

#[test]
fn a_slip_in_the_language_is_no_other_language() {
    for slip in ["EQL", "eqll"] {
        let contents = RULE.replace("language = \"eql\"", &format!("language = '{slip}'"));
        assert_eq!(
            refused_lines(&contents),
            [format!(
                "E0505 «'{slip}'» unknown language `{slip}` | did you mean `language = \"eql\"`?"
            )]
        );
    }
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    assert_eq!(
        refused_lines("[rule]\ntype = 'eql'\n"),
        [
            "E0503 «[rule]» `rule_id` is missing in `[rule]` | add `rule_id = \"<a UUID>\"`",
            "E0503 «[rule]» `name` is missing in `[rule]` | add `name = \"…\"`",
            "E0503 «[rule]» `severity` is missing in `[rule]` | add `severity = \"medium\"`",
            "E0503 «[rule]» `risk_score` is missing in `[rule]` | add `risk_score = 47`",
            "E0503 «[rule]» `query` is missing in `[rule]` | add `query = '''…'''`",
        ]
    );
    assert_eq!(
        refused_lines(&RULE.replace("language = \"eql\"\ntype = \"eql\"\n", "")),
        ["E0503 «[rule]» `language` is missing in `[rule]` | add `language = \"eql\"`"]
    );
}

#[test]
fn wrong_types_and_senseless_values_are_pointed_at() {
    for (from, to, expected) in [
        (
            "risk_score = 47",
            "risk_score = \"47\"",
            "E0504 «\"47\"» `risk_score` in `[rule]` must be a whole number \
             | write `risk_score = 47`",
        ),
        (
            "risk_score = 47",
            "risk_score = 147",
            "E0505 «147» `147` is no risk score | a risk score is a whole number from 0 to 100",
        ),
        (
            "severity = \"medium\"",
            "severity = 'hihg'",
            "E0505 «'hihg'» `hihg` is no value of `severity` | did you mean `severity = \"high\"`?",
        ),
        (
            "severity = \"medium\"",
            "severity = 'urgent'",
            "E0505 «'urgent'» `urgent` is no value of `severity` \
             | one of `low`, `medium`, `high`, `critical`",
        ),
        (
            "rule_id = \"r1\"",
            "rule_id = ' '",
            "E0505 «' '» `rule_id` is empty | every rule needs one",
        ),
        (
            "name = \"Rule\"",
            "name = 5",
            "E0504 «5» `name` in `[rule]` must be a string | write `name = \"5\"`",
        ),
        (
            "type = \"eql\"",
            "type = 'eql'\nindex = 'logs-*'",
            "E0504 «'logs-*'» `index` in `[rule]` must be a list of strings \
             | write `index = ['logs-*']`",
        ),
        (
            "type = \"eql\"",
            "type = 'eql'\ntags = ['a', 2]",
            "E0504 «2» `tags` in `[rule]` must be a list of strings | -",
        ),
        (
            "type = \"eql\"",
            "type = 'eql'\nthreat = [{ framework = 'x' }]",
            "E0503 «{ framework = 'x' }» `tactic` is missing in `[rule.threat]` \
             | add `tactic = { id = \"TA0008\", name = \"Lateral Movement\" }`",
        ),
    ] {
        assert_eq!(refused_lines(&RULE.replace(from, to)), [expected]);
    }
}

#[test]
fn our_own_table_knows_its_keys() {
    for (table, expected) in [
        (
            "order_tolerence = '1s'",
            "E0506 «order_tolerence» unknown key `order_tolerence` in `[rule.maxspan]` \
             | did you mean `order_tolerance`?",
        ),
        (
            "colour = 'red'",
            "E0506 «colour» unknown key `colour` in `[rule.maxspan]` \
             | known keys: `allowed_lateness`, `emit`, `enabled`, `exceptions`, `hold`, \
             `order_tolerance`, `severity_when`, `suppression`",
        ),
        (
            "order_tolerance = 1",
            "E0504 «1» `order_tolerance` in `[rule.maxspan]` must be a length of time \
             | write `order_tolerance = \"1s\"`",
        ),
        (
            "allowed_lateness = '30'",
            "E0505 «'30'» `30` is no length of time \
             | a number with a unit `ms`, `s`, `m`, `h` or `d`: `allowed_lateness = \"30s\"`",
        ),
        (
            "emit = 'eagre'",
            "E0505 «'eagre'» `eagre` is no value of `emit` | did you mean `emit = \"eager\"`?",
        ),
        (
            "enabled = 'true'",
            "E0504 «'true'» `enabled` in `[rule.maxspan]` must be `true` or `false` \
             | write `enabled = true`",
        ),
        (
            "severity_when = [{ condition = 'true', severity = 'high', wen = 1 }]",
            "E0506 «wen» unknown key `wen` in `[rule.maxspan.severity_when]` \
             | known keys: `condition`, `severity`",
        ),
        (
            "severity_when = [{ severity = 'high' }]",
            "E0503 «{ severity = 'high' }» `condition` is missing in `[rule.maxspan.severity_when]` \
             | add `condition = '''process.name : \"cmd.exe\"'''`",
        ),
    ] {
        assert_eq!(refused_lines(&format!("{RULE}[rule.maxspan]\n{table}\n")), [expected]);
    }
}

#[test]
fn what_is_no_toml_is_refused_with_a_place_and_a_hint() {
    for (contents, expected) in [
        (
            "[rule]\nquery = \"C:\\windows\"\n",
            "E0501 «\\w» this is not TOML: missing escaped value \
             | write the text between `'''` and `'''`: there a backslash stands for itself",
        ),
        (
            "[rule]\nname = 'a'\nname = 'b'\n",
            "E0501 «name» this is not TOML: duplicate key | remove one of the two",
        ),
        (
            "[rule]\nname = abc\n",
            "E0501 «abc» this is not TOML: string values must be quoted | put the value in quotes",
        ),
        (
            "[rule]\nquery = '''\nprocess where true\n",
            "E0501 «'''» this is not TOML: invalid multi-line literal string \
             | close the text with the three quotes that opened it",
        ),
        ("[rule\nname = 'x'", "E0501 «» this is not TOML: unclosed table | expected `]`"),
    ] {
        let found = refused(contents);
        assert_eq!(line(contents, &found[0]), expected);
    }
    let two = refused("a = x\nb = y\n");
    assert_eq!(two.len(), 2, "all faults are reported: {two:?}");
}

#[test]
fn a_file_without_a_rule_says_so() {
    assert_eq!(
        refused_lines("rule_id = 'x'\nquery = 'y'\n"),
        ["E0502 «rule_id» this file holds no rule: it has no table `[rule]` \
          | put `[rule]` before the first key"]
    );
    assert_eq!(refused_lines("rule = 3"), ["E0504 «3» `rule` in the file must be a table | -"]);
    assert_eq!(refused("").len(), 1);
}

#[test]
fn configuration_settings_are_read_as_in_rule_files() {
    let config = "[kafka]\nbrokers = 'b'\n[rules.defaults]\nemit = 'exact'\n\
                  [rules.override.\"r1\"]\norder_tolerance = '2s'\nemitt = 1\n";
    let (defaults, found) = settings_at(config, &["rules", "defaults"]);
    assert_eq!((defaults.emit, found), (Some(Emit::Exact), vec![]));
    let (settings, found) = settings_at(config, &["rules", "override", "r1"]);
    assert_eq!(settings.order_tolerance, Some(TimeSpan::from_secs(2)));
    assert_eq!(
        line(config, &found[0]),
        "E0506 «emitt» unknown key `emitt` in `[rules.override.r1]` | did you mean `emit`?"
    );
    assert_eq!(settings_at(config, &["rules", "absent"]).0, Default::default());
}

#[test]
fn every_kind_of_string_keeps_its_origin() {
    for (written, text) in [
        (r"'process where true'", "process where true"),
        (r"'a \n b'", r"a \n b"),
        ("'''x'''", "x"),
        ("'''\nfirst\n\n'two' quotes'' '''", "first\n\n'two' quotes'' "),
        ("'''\r\nfirst\r\nsecond'''", "first\r\nsecond"),
        ("'''ends with a quote''''", "ends with a quote'"),
        (r#""plain""#, "plain"),
        (r#""""#, ""),
        ("''", ""),
        (r#""a\\b \"c\" \t\n\r\b\f\e""#, "a\\b \"c\" \t\n\r\u{8}\u{c}\u{1b}"),
        (r#""é \u00e9 \U0001F600 \xe9 z""#, "é é 😀 é z"),
        ("\"\"\"\nfirst \\\n   second \\  \r\n\r\n\t third\n\"\"\"", "first second third\n"),
        ("\"\"\"\\\n   begins and ends\\\n   \"\"\"", "begins and ends"),
        ("\"\"\"one \" two \"\" \\\"\"\"\"", "one \" two \"\" \""),
        ("\"\"\"\r\na\\\\b\r\n\"\"\"", "a\\b\r\n"),
    ] {
        let contents = RULE.replace("'process where true'", written);
        let (file, _) = loaded(&contents);
        assert_eq!(file.query, text, "{written}");
        assert_origin_is_right(&file);
    }
}

#[test]
fn a_byte_order_mark_and_crlf_shift_nothing() {
    let contents = format!("\u{feff}{}", RULE.replace('\n', "\r\n"));
    let (file, _) = loaded(&contents);
    assert_origin_is_right(&file);
    assert_eq!(file.query, "process where true");
}

/// TOML is UTF-8. A rule in another encoding would look for other characters than its author's.
#[test]
fn a_file_that_is_not_utf8_is_refused_at_the_byte() {
    let contents = RULE.replace("process where true", "process where process.name : \"?ung.exe\"");
    let mut bytes = contents.into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xfc;
    let text = Arc::new(Text::from_bytes("rule.toml", &bytes));
    let Parsed::Refused { diagnostics, .. } = parse(Arc::clone(&text)) else { panic!("it runs") };
    let shown = render(&diagnostics, &text, Colour::None);
    assert_eq!(diagnostics.len(), 1, "{shown}");
    for part in ["error[E0509]", "rule.toml:9:40", "^ byte 0xfc, `ü` in Latin-1", "iconv -f"] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
    // U+FFFD itself is a character like any other.
    loaded(&RULE.replace("process where true", "process where process.name : \"\u{fffd}\""));
}

#[test]
fn a_file_in_utf16_is_refused_in_one_sentence() {
    for mark in ["\u{feff}", ""] {
        let units: Vec<u16> = format!("{mark}{RULE}").encode_utf16().collect();
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let text = Arc::new(Text::from_bytes("rule.toml", &bytes));
        let Parsed::Refused { diagnostics, .. } = parse(Arc::clone(&text)) else { panic!() };
        let shown = render(&diagnostics, &text, Colour::None);
        assert_eq!(diagnostics.len(), 1, "{shown}");
        assert!(shown.contains("UTF-16") && shown.contains("iconv -f UTF-16LE"), "{shown}");
        assert!(shown.contains("rule.toml:1:1"), "{shown}");
    }
}

#[test]
fn cases_that_are_not_utf8_are_refused_at_the_byte() {
    let contents = b"[[case]]\nname = '\xfc'\nevents = ['{}']\nalerts = 'none'\n";
    let text = Text::from_bytes("rule.cases.toml", contents);
    let found = maxspan::rule::case::parse(&text).unwrap_err();
    assert_eq!((found.len(), found[0].code), (1, "E0509"));
    let place = text.position(found[0].span.unwrap().start);
    assert_eq!((place.line, place.column), (2, 9));
    let marked = "\u{feff}[[case]]\r\nname = 'a'\r\nevents = ['{}']\r\nalerts = 'none'\r\n";
    let text = Text::from_bytes("rule.cases.toml", marked.as_bytes());
    assert_eq!(maxspan::rule::case::parse(&text).unwrap().len(), 1);
}

/// Writes a text as the inside of a basic string, each character in one of the ways there are.
fn write_basic(text: &str, choices: &[u8], quotes: &str) -> String {
    let is_multi_line = quotes.len() == 3;
    let mut written = String::new();
    for (character, choice) in text.chars().zip(choices.iter().cycle()) {
        let code = u32::from(character);
        match (choice % 6, character) {
            (0, _) => written.push_str(&format!("\\U{code:08x}")),
            (1, _) if code < 0x1_0000 => written.push_str(&format!("\\u{code:04X}")),
            (2, _) if code < 0x100 => written.push_str(&format!("\\x{code:02x}")),
            (3, _) if is_multi_line => written.push_str(&format!("\\ \t\n  \n\\U{code:08x}")),
            (_, '\n') if is_multi_line => written.push('\n'),
            (_, '"' | '\\') => written.extend(['\\', character]),
            (_, _) if character.is_control() => written.push_str(&format!("\\U{code:08x}")),
            _ => written.push(character),
        }
    }
    let first_newline = if is_multi_line { "\n" } else { "" };
    format!("{quotes}{first_newline}{written}{quotes}")
}

proptest! {
    #[test]
    fn any_text_is_found_again(
        text in "[ -~\n\t\u{e9}\u{1f600}\u{1}\"'\\\\]{0,40}",
        choices in proptest::collection::vec(any::<u8>(), 1..8),
    ) {
        let mut forms = vec![
            write_basic(&text, &choices, "\""),
            write_basic(&text, &choices, "\"\"\""),
        ];
        let is_literal = !text.contains(['\'', '\u{1}']);
        if is_literal {
            forms.push(format!("'''\n{text}'''"));
        }
        if is_literal && !text.contains('\n') {
            forms.push(format!("'{text}'"));
        }
        for form in forms {
            let (file, _) = loaded(&RULE.replace("'process where true'", &form));
            prop_assert_eq!(&file.query, &text);
            assert_origin_is_right(&file);
        }
    }

    #[test]
    fn no_text_makes_the_reader_fall_over(contents in "(?s).{0,200}") {
        let _ = parse_text(&contents);
        let _ = parse_text(&format!("{RULE}{contents}"));
    }
}
