//! The hash of a rule: fixed for what is written, and changed by what changes matches alone.
//!
//! It is committed. A hash below that has to be changed means that an upgrade takes every such rule for
//! a new one: decide that on purpose, and say so in the list of changes.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::event::TimeSpan;
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::rule::{Condition, Settings};
use maxspan::text::Text;
use maxspan::text::digest::sha256_hex;

const RULE: &str = r#"[rule]
rule_id = "r1"
name = "Rule"
severity = "low"
risk_score = 21
language = "eql"
index = ["logs-*", "winlogbeat-*"]
query = '''
sequence by host.id with maxspan=1m
  [process where process.name : "a.exe"]
  [network where true]
'''
[rule.maxspan]
exceptions = ['user.name == "x"', 'user.name == "y"']
"#;

/// The same rule as it is compiled, without anything that this program has names of its own for.
const PARTS: &[&[&str]] = &[
    &["rule_id", "r1"],
    &[
        "query",
        "sequence by host.id with maxspan=1m\n  [process where process.name : \"a.exe\"]\n  \
         [network where true]",
    ],
    &["exceptions", "#2", "user.name == \"x\"", "user.name == \"y\""],
    &["index", "#2", "logs-*", "winlogbeat-*"],
    &["event_category_override", "?"],
    &["tiebreaker_field", "?"],
    &["maxspan", "60000000000ns"],
    &["order_tolerance", "0ns"],
    &["allowed_lateness", "30000000000ns"],
    &["hold", "300000000000ns"],
    &["emit", "eager"],
];

fn hash_with(contents: &str, defaults: &Defaults) -> u32 {
    let text = Arc::new(Text::new("r.toml", contents));
    let (rules, reports) = RuleSet::compile(vec![text], defaults);
    assert_eq!(rules.rules().len(), 1, "{contents}\n{reports:#?}");
    rules.rules()[0].hash
}

fn hash(contents: &str) -> u32 {
    hash_with(contents, &Defaults::default())
}

/// The rule with something else in it.
fn changed(from: &str, to: &str) -> String {
    assert!(RULE.contains(from), "{from}");
    RULE.replace(from, to)
}

/// Adds a line to `[rule.maxspan]`.
fn set(line: &str) -> String {
    format!("{RULE}{line}\n")
}

#[test]
fn the_hashes_of_shipped_rules_stay() {
    let shipped: [(&str, u32); 3] = [
        (include_str!("../config/rules/wmi_incoming_lateral_movement_v100.toml"), 0xf84a_66ff),
        (include_str!("../config/rules/wmi_incoming_lateral_movement_2023.toml"), 0xc0e9_0ebf),
        (include_str!("../config/rules/wmi_incoming_lateral_movement_20s.toml"), 0x179b_da34),
    ];
    let hashes = shipped.map(|(contents, _)| hash(contents));
    assert_eq!(hashes.map(|hash| format!("{hash:08x}")), shipped.map(|(_, h)| format!("{h:08x}")));
}

#[test]
fn the_hash_is_one_of_names_and_values() {
    let mut bytes = Vec::new();
    for part in PARTS.iter().flat_map(|parts| *parts) {
        match part.strip_prefix('#') {
            Some(count) => bytes.extend(count.parse::<u64>().unwrap().to_be_bytes()),
            None if *part == "?" => bytes.push(0),
            None => {
                bytes.extend((part.len() as u64).to_be_bytes());
                bytes.extend(part.as_bytes());
            }
        }
    }
    assert_eq!(format!("{:08x}", hash(RULE)), sha256_hex(&bytes)[..8]);
}

#[test]
fn what_changes_no_match_changes_no_hash() {
    let same = [
        changed("name = \"Rule\"", "name = \"Another name\"\ndescription = \"What it is about.\""),
        changed("severity = \"low\"\nrisk_score = 21", "severity = \"high\"\nrisk_score = 73"),
        changed(
            "language = \"eql\"",
            "language = \"eql\"\nversion = 7\nnote = \"n\"\ntags = [\"t\"]",
        ),
        changed("maxspan=1m\n", "maxspan = 60s // a comment\n"),
        changed("  [network where true]", "/* another */ [ network\n where true ]"),
        changed("process.name : \"a.exe\"", "(process.name:\"a.exe\")"),
        changed("'user.name == \"x\"'", "'user.name  ==  (\"x\")'"),
        changed(
            "'user.name == \"x\"', 'user.name == \"y\"'",
            "'user.name == \"y\"', 'user.name == \"x\"'",
        ),
        set("severity_when = [{ severity = \"high\", condition = 'process.pid == 1' }]"),
        set("suppression = { group_by = [\"host.id\"] }"),
        set(
            "hold = \"5m\"\nemit = \"eager\"\nallowed_lateness = \"30s\"\norder_tolerance = \"0s\"",
        ),
    ];
    for contents in same {
        assert_eq!(hash(&contents), hash(RULE), "{contents}");
    }
}

#[test]
fn what_changes_matches_changes_the_hash() {
    let others = [
        changed("\"r1\"", "\"r2\""),
        changed("a.exe", "b.exe"),
        changed("by host.id", "by host.name"),
        changed("maxspan=1m", "maxspan=61s"),
        changed(" with maxspan=1m", ""),
        changed("'user.name == \"x\"', ", ""),
        changed("== \"x\"", "== \"z\""),
        changed("\"logs-*\", ", ""),
        changed("language", "event_category_override = \"event.type\"\nlanguage"),
        changed("language", "tiebreaker_field = \"event.sequence\"\nlanguage"),
        set("order_tolerance = \"1s\""),
        set("allowed_lateness = \"1s\""),
        set("hold = \"10m\""),
        set("emit = \"exact\""),
    ];
    let mut hashes: Vec<u32> = others.iter().map(|contents| hash(contents)).collect();
    let unpatterned = Defaults { index_patterns: false, ..Defaults::default() };
    let two_hours = Defaults { default_maxspan: TimeSpan::from_secs(7_200), ..Defaults::default() };
    let without_maxspan = changed(" with maxspan=1m", "");
    hashes.extend([
        hash(RULE),
        hash_with(RULE, &unpatterned),
        hash_with(&without_maxspan, &two_hours),
    ]);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), others.len() + 3, "two of them have the same hash");
}

#[test]
fn it_makes_no_difference_where_a_setting_stands() {
    let exception = |text: &str| Condition { text: text.to_owned(), origin: None };
    let own = Settings {
        exceptions: vec![exception("user.name == \"y\"")],
        hold: TimeSpan::parse("10m"),
        ..Settings::default()
    };
    let mut defaults = Defaults::default();
    defaults.overrides.insert("r1".to_owned(), own);
    let file = changed(", 'user.name == \"y\"'", "");
    assert_eq!(hash_with(&file, &defaults), hash(&set("hold = \"10m\"")));
}

#[test]
fn the_version_of_a_rule_without_one_goes_by_the_query_alone() {
    let version = |contents: &str| {
        let text = Arc::new(Text::new("r.toml", contents));
        RuleSet::compile(vec![text], &Defaults::default()).0.rules()[0].version.clone()
    };
    let query = PARTS[1][1];
    assert_eq!(version(RULE), sha256_hex(query.as_bytes())[..16]);
    assert_eq!(version(&set("hold = \"10m\"\nemit = \"exact\"")), version(RULE));
    assert_ne!(version(&changed("a.exe", "b.exe")), version(RULE));
}
