//! Normalizing what is read of an event's category, and nothing else, changes no hit, no join key and
//! no order.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use maxspan::event::{Arena, Fields};
use maxspan::rule::set::{Defaults, RuleSet, TermRef};
use maxspan::text::Text;
use random::{Random, cases};
use replay::{not_run, shared};
use serde_json::Value as Json;

#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;
#[path = "support/replay.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod replay;
#[path = "support/rule_text.rs"]
mod rule_text;

/// What a rule set makes of a record, as far as it leads to alerts: for each hit the term, its join
/// keys, whether it is excepted, and the place of the event in the order of its rule.
fn judged(rules: &RuleSet, record: &[u8]) -> Vec<(TermRef, String)> {
    let arena = Arena::new();
    let mut fields = Fields::new(rules.fields().len(), &arena);
    if rules.decoder().decode(record, &mut fields).is_err() {
        return Vec::new();
    }
    let envelope = rules.normalizer().normalize(&mut fields);
    let mut hits = Vec::new();
    let undecided = rules.hits(&fields, &mut hits);
    let told = |hit: TermRef| {
        let rule = &rules.rules()[hit.rule as usize];
        let keys = rule.terms[hit.term as usize].key.expand(&fields, 64).keys;
        let excepted = rule.judge_exceptions(&fields);
        let covered = rule.index.as_ref().map(|i| rules.normalizer().is_covered(i, &fields));
        let ordinal = rules.normalizer().ordinal(&fields, &envelope, 7, rule.tiebreaker);
        let identity = rules.normalizer().identity(&fields, &envelope, "t", 0, 7);
        let said = (keys, excepted, covered, ordinal, identity, envelope, &undecided);
        (hit, format!("{said:?}"))
    };
    hits.iter().map(|hit| told(*hit)).collect()
}

/// Compares the rule set that narrows with the one that does not; returns the number of hits.
fn compare(texts: &[Arc<Text>], records: &[Vec<u8>], context: &str) -> usize {
    let compile = |whole_events| {
        let defaults = Defaults { whole_events, ..Defaults::default() };
        RuleSet::compile(texts.to_vec(), &defaults).0
    };
    let (narrowed, whole) = (compile(false), compile(true));
    // Conditions that no field of that type can satisfy are refused.
    let accepted = narrowed.rules().len();
    assert!(accepted * 3 > texts.len(), "{context}: only {accepted} rules run");
    assert_eq!(accepted, whole.rules().len(), "{context}");
    let mut hits = 0;
    for record in records {
        let expected = judged(&whole, record);
        let line = || String::from_utf8_lossy(record).into_owned();
        assert_eq!(judged(&narrowed, record), expected, "{context}: {}", line());
        hits += expected.len();
    }
    hits
}

fn golden(ending: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/normalize/ids");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    let lines = paths.iter().flat_map(|path| {
        let text = std::fs::read(path).unwrap();
        text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    lines.filter(|line| !line.is_empty()).collect()
}

/// Collects the fields that hold texts and numbers.
fn leaves(path: &str, json: &Json, all: &mut BTreeSet<(String, String)>) {
    match json {
        Json::Object(members) => members.iter().for_each(|(key, member)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            leaves(&path, member, all);
        }),
        Json::Array(items) => items.iter().for_each(|item| leaves(path, item, all)),
        Json::String(_) | Json::Number(_) => drop(all.insert((path.to_owned(), json.to_string()))),
        Json::Bool(_) | Json::Null => {}
    }
}

/// A bracket that reads one or two fields, of which the event may have none.
fn term(random: &mut Random, categories: &[String], fields: &[(String, String)]) -> String {
    let condition = |random: &mut Random| {
        let (path, value) = random.pick(fields).clone();
        match random.below(4) {
            0 => format!("{path} == null"),
            1 => format!("{path} != null"),
            _ => format!("{path} : {value}"),
        }
    };
    let category = random.pick(categories).clone();
    let joined = if random.chance(50) { "and" } else { "or" };
    format!("{category} where {} {joined} {}", condition(random), condition(random))
}

fn rule(
    random: &mut Random,
    number: usize,
    categories: &[String],
    fields: &[(String, String)],
) -> Arc<Text> {
    let mut more = toml::Table::new();
    if random.chance(30) {
        more.insert("tiebreaker_field".to_owned(), random.pick(fields).0.clone().into());
    }
    let query = match random.below(3) {
        0 => term(random, categories, fields),
        _ => format!(
            "sequence by ?{} with maxspan=5s [{}] [{}]",
            random.pick(fields).0.clone(),
            term(random, categories, fields),
            term(random, categories, fields)
        ),
    };
    if random.chance(10) {
        more.insert("event_category_override".to_owned(), "event.type".into());
    }
    rule_text::rule("random", &number.to_string(), &query, more)
}

#[test]
fn random_rules_are_hit_as_by_whole_events() {
    let records = golden(".in.ndjson");
    let mut all = BTreeSet::new();
    for line in golden(".ecs.ndjson") {
        leaves("", &serde_json::from_slice(&line).unwrap(), &mut all);
    }
    // Literals and paths that need no quotes of their own.
    let is_plain = |(path, value): &(String, String)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._".contains(&byte);
        path.bytes().all(plain) && !value.contains(['\\', '*', '?']) && !path.starts_with('@')
    };
    let fields: Vec<(String, String)> = all.iter().filter(|leaf| is_plain(leaf)).cloned().collect();
    let categories: BTreeSet<String> = all
        .iter()
        .filter(|(path, _)| path == "event.category")
        .map(|(_, value)| value.trim_matches('"').to_owned())
        // A value of another field, for rules that have their category there.
        .chain(["any".to_owned(), "start".to_owned()])
        .collect();
    let categories: Vec<String> = categories.into_iter().collect();
    let mut hits = 0;
    for seed in 0..cases(150) {
        let random = &mut Random::new(seed);
        let texts: Vec<_> =
            (0..12).map(|number| rule(random, number, &categories, &fields)).collect();
        hits += compare(&texts, &records, &format!("seed {seed}"));
    }
    println!("{hits} hits by {} golden records", records.len());
    assert!(hits > 10_000, "only {hits} hits");
}

fn rules_of(folder: &Path) -> Vec<Arc<Text>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_rule = |name: &str| name.ends_with(".toml") && !name.ends_with(".cases.toml");
    paths.retain(|path| is_rule(&path.to_string_lossy()));
    paths.sort();
    let text = |path: &PathBuf| {
        let contents = std::fs::read_to_string(path).unwrap();
        Arc::new(Text::new(path.display().to_string(), contents))
    };
    paths.iter().map(text).collect()
}

#[test]
fn shipped_rules_are_hit_as_by_whole_events() {
    let shipped = rules_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules"));
    compare(&shipped, &golden(".in.ndjson"), "shipped rules, golden records");
    let Some(records) = recorded() else { return };
    let hits = compare(&shipped, &records, "shipped rules, recorded attacks");
    assert!(hits > 0, "the attacks hit nothing");
}

#[test]
fn published_rules_are_hit_as_by_whole_events() {
    let Some(folder) = shared("data/elastic-rules") else {
        return not_run("published rules", "../shared/data/elastic-rules is absent");
    };
    let published = rules_of(&folder);
    compare(&published, &golden(".in.ndjson"), "published rules, golden records");
    let Some(records) = recorded() else { return };
    let hits = compare(&published, &records, "published rules, recorded attacks");
    assert!(hits > 1_000, "only {hits} hits");
}

/// The recorded attacks beside the project.
fn recorded() -> Option<Vec<Vec<u8>>> {
    let Some(folder) = shared("data/attacks") else {
        not_run("recorded attacks", "../shared/data/attacks is absent");
        return None;
    };
    let mut records = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        // The core reads no compressed files.
        let Ok(unpacked) = Command::new("gzip").arg("-dc").arg(entry.unwrap().path()).output()
        else {
            not_run("recorded attacks", "gzip is absent");
            return None;
        };
        let lines = unpacked.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        records.extend(lines.map(<[u8]>::to_vec));
    }
    Some(records)
}
