//! Why rules did or did not fire: cases as files, and what must hold for every stream.
//!
//! `UPDATE_EXPECT=1 cargo test --test why` writes the expected texts; read them before they are
//! committed. A case has three parts with a line of dashes between them: the query (or `rule` and
//! the path of a rule file) with settings below it, the events, the explanation. An event is
//! `seconds host tags`, with further fields behind it as `name=value`; a host or tag of `-` is none. A
//! line of JSON is a record as it stands, and so is a line behind `!`.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::detect::why::report::{Change, KeyReport, Outcome, Reason};
use maxspan::detect::why::{Explainer, Explanation, Limits, Place, text};
use maxspan::detect::{Detector, Options, Origin, Output, Past, Record, Stamp};
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;
use serde_json::{Value, json};
use support::random::{Random, cases};

const DASHES: &str = "\n----\n";

fn compiled(contents: &str) -> [Arc<RuleSet>; 2] {
    let mut defaults = Defaults::default();
    let mut compile = || {
        let (set, reports) =
            RuleSet::compile(vec![Arc::new(Text::new("rule.toml", contents))], &defaults);
        assert_eq!(set.rules().len(), 1, "{contents}\n{reports:#?}");
        defaults.forced.suppression.enabled = Some(false);
        Arc::new(set)
    };
    [compile(), compile()]
}

fn rule(query: &str, settings: &str) -> String {
    format!(
        "[rule]\nname = \"Rule\"\nrule_id = \"r\"\nversion = 3\nseverity = \"low\"\nrisk_score = 21\n\
         language = \"eql\"\nquery = '''{query}'''\n{settings}\n"
    )
}

fn explained(contents: &str, records: &[String], limits: Limits) -> Explanation {
    let [rules, unsuppressed] = compiled(contents);
    let mut explainer = Explainer::new(rules, unsuppressed, Options::default(), limits);
    explainer.set_files(vec!["events.ndjson".to_owned()]);
    explainer.begin("events.ndjson");
    for (line, record) in (1..).zip(records) {
        explainer.on_record(line, Place { file: 0, line }, record.as_bytes());
    }
    explainer.finish()
}

/// Reads an event of a case.
fn record(line: &str) -> String {
    if let Some(raw) = line.strip_prefix('!') {
        return raw.to_owned();
    }
    if line.starts_with('{') {
        return line.to_owned();
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let [seconds, host, tags, fields @ ..] = &words[..] else { panic!("no event: {line}") };
    let seconds: f64 = seconds.parse().unwrap();
    let at = 1_704_067_200_000 + (seconds * 1_000.0) as i64;
    let mut event = json!({ "@timestamp": at, "event.category": "test" });
    if *host != "-" {
        event["host.id"] = json!(host);
    }
    if *tags != "-" {
        event["tags"] = tags.split(',').collect();
    }
    for field in fields {
        let (name, value) = field.split_once('=').unwrap();
        event[name] = json!(value);
    }
    event.to_string()
}

#[test]
fn every_case_is_explained_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/corpus/explain");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "case")).collect();
    paths.sort();
    assert!(paths.len() >= 25, "only {} cases", paths.len());
    let mut wrong = Vec::new();
    for path in paths {
        let case = std::fs::read_to_string(&path).unwrap();
        let parts: Vec<&str> = case.splitn(3, DASHES).collect();
        let contents = match parts[0].strip_prefix("rule ") {
            Some(path) => std::fs::read_to_string(root.join(path)).unwrap(),
            None => {
                let (query, settings) = parts[0].split_once("\n\n").unwrap_or((parts[0], ""));
                // Keys of `[rule]` itself stand before the first table.
                rule(query, settings)
            }
        };
        let records: Vec<String> = parts[1].lines().map(record).collect();
        let explanation = explained(&contents, &records, Limits::default());
        let shown = text::lines(&explanation).join("\n") + "\n";
        if update {
            let case = [parts[0], parts[1].trim_end(), &shown].join(DASHES);
            std::fs::write(&path, case).unwrap();
        } else if parts.get(2) != Some(&&*shown) {
            wrong.push(format!("{}:\n{shown}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
