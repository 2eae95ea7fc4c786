//! Published rules with the rare constructs of the language, each through `maxspan replay`: what
//! must fire, and near misses that must not. And: all published rules compile, and how long the
//! slowest takes.
//!
//! The rules stand beside the project, not in it; where they are absent the checks say so. The
//! events are `tests/corpus/published/*.toml`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;
use serde::Deserialize;
use support::replay::{Replay, not_run, shared};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    file: String,
    /// Fields of every event, by dotted name.
    #[serde(default)]
    all: toml::Table,
    /// Kinds of events; `like` names the kind that it starts from, `without` fields to leave out.
    event: BTreeMap<String, toml::Table>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    why: String,
    /// `kind@seconds`, or `n*kind@seconds` for n of them, a tenth of a second apart.
    events: String,
    alerts: usize,
    /// The join keys of the alerts, sorted, parts separated by a comma.
    keys: Option<Vec<String>>,
}

impl Rule {
    fn members(&self, kind: &str) -> serde_json::Map<String, serde_json::Value> {
        let own = self.event.get(kind).unwrap_or_else(|| panic!("{}: no event {kind}", self.file));
        let base = own.get("like").map(|other| self.members(other.as_str().unwrap()));
        let mut members = base.unwrap_or_default();
        for (name, value) in self.all.iter().filter(|_| !own.contains_key("like")).chain(own) {
            match (name.as_str(), value) {
                ("like", _) => {}
                ("without", toml::Value::Array(fields)) => {
                    fields.iter().for_each(|field| drop(members.remove(field.as_str().unwrap())));
                }
                _ => drop(members.insert(name.clone(), serde_json::to_value(value).unwrap())),
            }
        }
        members
    }

    fn write(&self, case: &Case, file: &mut impl Write) {
        let mut number = 0;
        for written in case.events.split_whitespace() {
            let (kind, seconds) = written.split_once('@').unwrap();
            let (count, kind) = kind.split_once('*').unwrap_or(("1", kind));
            let start: f64 = seconds.parse().unwrap();
            for copy in 0..count.parse::<i64>().unwrap() {
                let millis = (start * 1_000.0) as i64 + copy * 100;
                let at =
                    EventTime::from_nanos(0) + TimeSpan::from_millis(1_772_438_400_000 + millis);
                let mut members = self.members(kind);
                members.insert("@timestamp".to_owned(), at.to_string().into());
                members.insert("event.id".to_owned(), format!("e{number}").into());
                writeln!(file, "{}", serde_json::Value::Object(members)).unwrap();
                number += 1;
            }
        }
    }

    fn check(&self, path: &Path, case: &Case) {
        let what = format!("{}: {}", self.file, case.why);
        let mut file = tempfile::Builder::new().suffix(".ndjson").tempfile().unwrap();
        self.write(case, &mut file);
        for emit in ["exact", "eager"] {
            let rules = path.to_str().unwrap();
            let run = Replay::new(&["--rules", rules, "--emit", emit], &[file.path()]).run();
            // An eager rule with runs tells of one sequence for each key and maxspan.
            let suppressed = suppressed(&run.stderr);
            assert!(emit == "eager" || suppressed == 0, "{what}: exact suppresses nothing");
            let alerts = run.alerts.len() + suppressed;
            assert_eq!(alerts, case.alerts, "{what}, {emit}\n{}", run.stderr);
            if let Some(keys) = case.keys.as_ref().filter(|_| suppressed == 0) {
                let mut found: Vec<String> = run.alerts.iter().map(join_key).collect();
                found.sort();
                assert_eq!(found, *keys, "{what}, {emit}");
            }
        }
    }
}

/// The sum of what the summary says was suppressed.
fn suppressed(summary: &str) -> usize {
    let of_line = |line: &str| -> Option<usize> {
        line.strip_suffix(" more suppressed")?.rsplit(' ').next()?.parse().ok()
    };
    summary.lines().filter_map(of_line).sum()
}

fn join_key(alert: &serde_json::Value) -> String {
    let keys = alert["maxspan"]["sequence"]["join_keys"].as_array().unwrap();
    let text = |key: &serde_json::Value| match &key["value"] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    keys.iter().map(text).collect::<Vec<_>>().join(",")
}

fn corpus() -> Vec<Rule> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/published");
    let mut rules = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let corpus: Corpus =
            toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        rules.extend(corpus.rule);
    }
    rules
}

#[test]
fn rare_constructs_fire_when_they_should_and_only_then() {
    let Some(folder) = shared("data/elastic-rules") else {
        return not_run("published rules", "../shared/data/elastic-rules is absent");
    };
    let (mut fired, mut missed) = (0, 0);
    for rule in corpus() {
        assert!(rule.case.iter().any(|case| case.alerts > 0), "{} must fire", rule.file);
        assert!(rule.case.iter().any(|case| case.alerts == 0), "{} has no near miss", rule.file);
        for case in &rule.case {
            rule.check(&folder.join(format!("{}.toml", rule.file)), case);
            *if case.alerts > 0 { &mut fired } else { &mut missed } += 1;
        }
    }
    println!("{fired} cases fire, {missed} near misses do not");
}

#[test]
fn all_published_rules_compile_and_none_takes_long() {
    let Some(folder) = shared("data/elastic-rules") else {
        return not_run("published rules", "../shared/data/elastic-rules is absent");
    };
    let mut slowest = (Duration::ZERO, String::new());
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = Arc::new(Text::new(name.clone(), std::fs::read_to_string(&path).unwrap()));
        let started = Instant::now();
        let (set, reports) = RuleSet::compile(vec![Arc::clone(&text)], &Defaults::default());
        let took = started.elapsed();
        assert_eq!(set.rules().len(), 1, "{:#?}", reports[0]);
        slowest = slowest.max((took, name));
        texts.push(text);
    }
    let count = texts.len();
    let started = Instant::now();
    let (set, reports) = RuleSet::compile(texts, &Defaults::default());
    println!(
        "{count} rules compile together in {:?}; the slowest alone is {} with {:?}",
        started.elapsed(),
        slowest.1,
        slowest.0
    );
    assert!(count >= 300, "{count} rules");
    assert_eq!(set.rules().len(), count);
    assert!(reports.iter().all(|report| matches!(report.status, Status::Runs | Status::Caveat)));
    // Ten times what it takes on a busy machine.
    assert!(slowest.0 < Duration::from_secs(2), "{slowest:?}");
}
