//! Why rules did or did not fire: cases as files, and what must hold for every stream.
//!
//! `UPDATE_EXPECT=1 cargo test --test why` writes the expected texts; read them before they are
//! committed. A case has three parts with a line of dashes between them: the query (or `rule` and
//! the path of a rule file) with settings below it, the events, the explanation. A first line `stream`
//! has the events read as the stream that they were, and not as an input that ends. An event is
//! `seconds host tags`, with further fields behind it as `name=value`; a host or tag of `-` is none. A
//! line of JSON is a record as it stands, and so is a line behind `!`.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use maxspan::detect::{Engine, Input, Options, Origin, Output, Record, Stamp};
use maxspan::explain::report::{Change, KeyReport, Outcome, Reason};
use maxspan::explain::{Explainer, Explanation, Limits, Place, text};
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;
use serde_json::{Value, json};
use support::random::{Random, cases};

const DASHES: &str = "\n----\n";

/// Compiles a rule, with its suppression and without; each only once.
fn compiled(contents: &str) -> [Arc<RuleSet>; 2] {
    static KNOWN: Mutex<BTreeMap<String, [Arc<RuleSet>; 2]>> = Mutex::new(BTreeMap::new());
    if let Some(sets) = KNOWN.lock().unwrap().get(contents) {
        return sets.clone();
    }
    let mut defaults = Defaults { whole_events: true, ..Defaults::default() };
    let mut compile = || {
        let (set, reports) =
            RuleSet::compile(vec![Arc::new(Text::new("rule.toml", contents))], &defaults);
        assert_eq!(set.rules().len(), 1, "{contents}\n{reports:#?}");
        defaults.forced.suppression.enabled = Some(false);
        Arc::new(set)
    };
    let sets = [compile(), compile()];
    KNOWN.lock().unwrap().insert(contents.to_owned(), sets.clone());
    sets
}

fn rule(query: &str, settings: &str) -> String {
    format!(
        "[rule]\nname = \"Rule\"\nrule_id = \"r\"\nversion = 3\nseverity = \"low\"\nrisk_score = 21\n\
         language = \"eql\"\nquery = '''{query}'''\n{settings}\n"
    )
}

/// The engine of a recording.
fn engine(rules: Arc<RuleSet>, input: Input) -> Engine {
    let engine = Engine::new(rules, Options::default());
    match input {
        Input::Stream => engine.for_recorded_stream(),
        Input::Bounded => engine.for_bounded_input(),
    }
}

fn explained(contents: &str, records: &[String], limits: Limits) -> Explanation {
    explained_as(Input::Bounded, contents, records, limits)
}

fn explained_as(input: Input, contents: &str, records: &[String], limits: Limits) -> Explanation {
    let [rules, _] = compiled(contents);
    let mut explainer = Explainer::new(engine(rules, input), limits);
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

/// Each case: its path, its parts, its explanation.
fn explained_cases() -> Vec<(PathBuf, Vec<String>, Explanation)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/corpus/explain");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "case")).collect();
    paths.sort();
    assert!(paths.len() >= 25, "only {} cases", paths.len());
    let explain = |path: PathBuf| {
        let case = std::fs::read_to_string(&path).unwrap();
        let parts: Vec<String> = case.splitn(3, DASHES).map(str::to_owned).collect();
        let (input, query) = match parts[0].strip_prefix("stream\n") {
            Some(query) => (Input::Stream, query),
            None => (Input::Bounded, &*parts[0]),
        };
        let contents = match query.strip_prefix("rule ") {
            Some(path) => std::fs::read_to_string(root.join(path)).unwrap(),
            None => {
                // Keys of `[rule]` itself stand before the first table.
                let (query, settings) = query.split_once("\n\n").unwrap_or((query, ""));
                rule(query, settings)
            }
        };
        let records: Vec<String> = parts[1].lines().map(record).collect();
        let explanation = explained_as(input, &contents, &records, Limits::default());
        (path, parts, explanation)
    };
    paths.into_iter().map(explain).collect()
}

fn shown(explanation: &Explanation) -> String {
    text::lines(explanation).join("\n") + "\n"
}

#[test]
fn every_case_is_explained_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for (path, parts, explanation) in explained_cases() {
        let shown = shown(&explanation);
        if update {
            let case = [&*parts[0], parts[1].trim_end(), &shown].join(DASHES);
            std::fs::write(&path, case).unwrap();
        } else if parts.get(2) != Some(&shown) {
            wrong.push(format!("{}:\n{shown}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documentation_shows_what_is_printed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let page = std::fs::read_to_string(page).unwrap();
    let cases = explained_cases();
    let (_, _, example) =
        cases.iter().find(|(path, ..)| path.ends_with("docs.case")).expect("there is the example");
    assert!(
        page.contains(&shown(example)),
        "docs/rules.md shows something else than:\n{}",
        shown(example)
    );
    let mut names = BTreeSet::new();
    for (_, _, explanation) in &cases {
        collect_names(&serde_json::to_value(explanation).unwrap(), &mut names);
    }
    assert!(names.len() > 80, "{names:?}");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = page.split(|c: char| !is_part(c)).collect();
    let missing: Vec<&String> = names.iter().filter(|name| !words.contains(&***name)).collect();
    assert!(missing.is_empty(), "docs/rules.md does not name {missing:?}");
}

/// Collects the names of fields, and the words that stand for kinds; numbers of reasons and limits
/// are named by others.
fn collect_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name.clone());
                if ["kind", "outcome"].contains(&&**name) {
                    names.extend(value.as_str().map(str::to_owned));
                }
                if name == "without" && value.is_array() {
                    let words = value.as_array().unwrap().iter();
                    names.extend(words.filter_map(Value::as_str).map(str::to_owned));
                }
                if !["fields", "unreadable", "limits"].contains(&&**name) {
                    collect_names(value, names);
                }
            }
        }
        _ => {}
    }
}

/// The alerts of a detector of its own: key and final event.
fn alerts(
    input: Input,
    rules: &Arc<RuleSet>,
    records: &[String],
) -> BTreeMap<String, BTreeSet<i64>> {
    let origin = Origin { topic: "events.ndjson".into(), partition: 0 };
    let mut detector = engine(Arc::clone(rules), input).detector(origin);
    for (offset, record) in (1..).zip(records) {
        let payload = Some(record.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
    }
    detector.finish();
    let mut alerts: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for output in detector.take_outbox() {
        let Output::Finding(finding) = output else { continue };
        let last = finding.events.last().unwrap().offset;
        alerts.entry(finding.key.text()).or_default().insert(last);
    }
    alerts
}

fn key_text(key: &KeyReport) -> String {
    key.key.iter().map(|part| part.clone().unwrap()).collect::<Vec<_>>().join("\u{1f}")
}

/// Random records of few hosts; some come late or again, some satisfy several stages.
fn random_records(random: &mut Random) -> Vec<String> {
    let (mut clock, mut records) = (0_i64, Vec::<String>::new());
    let late = *random.pick(&[0, 0, 25]);
    for id in 0..random.between(2, 30) {
        clock += *random.pick(&[0, 300, 1_000, 1_000, 2_000, 9_000]);
        let lag = if random.chance(late) { 90_000 } else { random.between(0, 3_000) };
        let tags = ["A", "B", "C", "X"];
        let tags: Vec<&str> = tags.into_iter().filter(|_| random.chance(30)).collect();
        let fresh = json!({
            "@timestamp": 1_704_067_200_000 + clock - lag,
            "event": {"category": "test", "id": format!("e{id}")},
            "host": {"id": format!("h{}", random.below(3))},
            "tags": tags,
        });
        let again = random.chance(5) && !records.is_empty();
        records.push(if again { random.pick(&records).clone() } else { fresh.to_string() });
    }
    records
}

/// A rule of the streams' table, changed.
fn changed(index: usize, change: &Change, settings: &str) -> String {
    let (query, tolerance, emit) = support::streams::RULES[index];
    let mut query = query.replace('`', "\"");
    let mut tolerance = tolerance.to_owned();
    let mut emit = emit;
    if let Some(ms) = change.maxspan_ms {
        let start = query.find("maxspan=").unwrap();
        let end = start + query[start..].find(' ').unwrap();
        query.replace_range(start..end, &format!("maxspan={ms}ms"));
    }
    if let Some(ms) = change.order_tolerance_ms {
        tolerance = format!("{ms}ms");
    }
    if change.without.contains(&"until") {
        query.truncate(query.find(" until").unwrap());
    }
    if change.without.contains(&"absent") {
        while let Some(start) = query.find("![") {
            let end = start + query[start..].find(']').unwrap() + 1;
            query.replace_range(start..end, "");
        }
    }
    if *change != Change::default() {
        emit = "exact";
    }
    let exception = match change.without.contains(&"exceptions") {
        true => "",
        false => "exceptions = ['tags == \"X\" and tags == \"B\"']",
    };
    let settings = format!(
        "[rule.maxspan]\norder_tolerance = \"{tolerance}\"\nemit = \"{emit}\"\n{exception}\n{settings}"
    );
    rule(&query, &settings)
}

#[test]
fn fired_is_what_the_detector_alerts_on() {
    let (mut fired, mut silent) = (0, 0);
    for seed in 0..cases(800) {
        let random = &mut Random::new(seed);
        let records = random_records(random);
        let index = random.below(support::streams::RULES.len() as u64) as usize;
        let lateness = random.pick(&["1s", "30s"]);
        let suppression = *random.pick(&[
            "suppression = { enabled = false }",
            "suppression = { duration = \"1h\" }",
            "suppression = { group_by = [\"event.category\"], duration = \"1h\" }",
        ]);
        let settings = format!("allowed_lateness = \"{lateness}\"\n{suppression}");
        let contents = changed(index, &Change::default(), &settings);
        let [rules, unsuppressed] = compiled(&contents);
        let input = *random.pick(&[Input::Bounded, Input::Stream]);
        let wanted = alerts(input, &rules, &records);
        let all = alerts(input, &unsuppressed, &records);
        let explanation = explained_as(input, &contents, &records, Limits::default());
        let report = explanation.rules.into_iter().next().unwrap();
        let count: usize = wanted.values().map(BTreeSet::len).sum();
        let all_count: usize = all.values().map(BTreeSet::len).sum();
        let is_sample = report.kind == "sample";
        assert!(is_sample || report.alerts == count as u64, "seed {seed}: {report:#?}");
        assert!(is_sample || report.suppressed == (all_count - count) as u64, "seed {seed}");
        let mut told: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for key in &report.by_key {
            let outcome =
                match (wanted.contains_key(&key_text(key)), all.contains_key(&key_text(key))) {
                    (true, _) => Outcome::Fired,
                    (false, true) => Outcome::Suppressed,
                    (false, false) => Outcome::NotFired,
                };
            assert_eq!(key.outcome, outcome, "seed {seed}: {key:#?}");
            (fired, silent) = match outcome {
                Outcome::NotFired => (fired, silent + 1),
                _ => (fired + 1, silent),
            };
            let finals = key.matches.iter().filter(|found| !found.suppressed);
            let finals: BTreeSet<i64> =
                finals.map(|found| found.events.last().unwrap().line).collect();
            assert!(finals.is_subset(&wanted.get(&key_text(key)).cloned().unwrap_or_default()));
            if key.match_count == key.matches.len() as u64 && !finals.is_empty() {
                told.insert(key_text(key), finals);
            }
            if outcome == Outcome::NotFired && report.kind != "event" {
                let reasons: usize = key.misses.iter().map(|miss| miss.reasons.len()).sum();
                assert!(reasons > 0 && !key.text.is_empty(), "seed {seed}: {key:#?}");
            }
        }
        for (key, finals) in told {
            assert_eq!(wanted[&key], finals, "seed {seed}");
        }
    }
    assert!(fired > 400 && silent > 400, "{fired} fired, {silent} did not");
}

#[test]
fn what_would_match_does_match() {
    let (mut tried, mut kinds) = (0, BTreeSet::new());
    let (mut unexplained, mut explained_by) = (0, 0);
    for seed in 0..cases(600) {
        let random = &mut Random::new(seed);
        let records = random_records(random);
        let index = random.below(support::streams::RULES.len() as u64) as usize;
        let contents = changed(index, &Change::default(), "suppression = { enabled = false }");
        let report = explained(&contents, &records, Limits::default()).rules.pop().unwrap();
        for (key, miss) in report.by_key.iter().flat_map(|k| k.misses.iter().map(move |m| (k, m))) {
            for reason in &miss.reasons {
                match reason {
                    Reason::Limit => panic!("seed {seed}: no limit was reached"),
                    Reason::LetGo { .. } | Reason::TooLate { .. } => {
                        panic!("seed {seed}: nothing is late in an input that ends")
                    }
                    Reason::NoFit => unexplained += 1,
                    _ => explained_by += 1,
                }
            }
            for change in &miss.would_match_with {
                // A sample has no maxspan to change in its query.
                if report.kind != "sequence" {
                    continue;
                }
                // A sequence of one stage is left without its absence.
                if change.without.contains(&"absent") && key.of == 1 {
                    continue;
                }
                let settings = "suppression = { enabled = false }";
                let [rules, _] = compiled(&changed(index, change, settings));
                let finals = alerts(Input::Bounded, &rules, &records).remove(&key_text(key));
                let finals = finals.unwrap_or_default();
                let line = miss.event.as_ref().unwrap().line;
                assert!(
                    finals.contains(&line),
                    "seed {seed}: {change:?} gives {finals:?}, not {line}\n{contents}\n{}\n{key:#?}",
                    records.join("\n")
                );
                tried += 1;
                kinds.insert(change.maxspan_ms.map(|_| "maxspan"));
                kinds.insert(change.order_tolerance_ms.map(|_| "order_tolerance"));
                kinds.extend(change.without.iter().map(|left_away| Some(*left_away)));
            }
        }
    }
    // Of very tangled streams a few keys get no better answer than that nothing fits.
    assert!(unexplained * 1_000 < explained_by, "{unexplained} of {explained_by} unexplained");
    assert!(tried > 300 && kinds.len() == 6, "{tried} changes tried out: {kinds:?}");
}

#[test]
fn many_keys_and_hits_are_counted_and_those_that_tell_something_are_kept() {
    let query = "sequence by host.id with maxspan=2s [any where tags == \"A\"] \
                 [any where tags == \"B\"]";
    let mut records = Vec::new();
    for number in 0..25_000 {
        let host = number % 12_500;
        records.push(record(&format!("{} h{host} A", f64::from(number) / 10.0)));
        if number == 12_499 || number == 20_000 {
            let late = if number == 20_000 { 3.0 } else { 1.0 };
            records.push(record(&format!("{} h{host} B", f64::from(number) / 10.0 + late)));
        }
        if number % 2 == 0 {
            records.push(record(&format!("{} busy A", f64::from(number) / 10.0)));
        }
    }
    let report = explained(&rule(query, ""), &records, Limits::default()).rules.pop().unwrap();
    assert_eq!((report.keys.seen, report.keys.more, report.alerts), (12_501, false, 1));
    assert_eq!((report.stages[0].hits, report.stages[0].keys), (37_500, 12_501));
    assert_eq!((report.stages[1].hits, report.stages[1].keys), (2, 2));
    assert!(report.keys.not_kept > 0 && report.keys.not_kept < 12_500, "{:?}", report.keys);
    let key = |host: &str| report.by_key.iter().find(|key| key.key[0].as_deref() == Some(host));
    assert_eq!(key("h12499").unwrap().outcome, Outcome::Fired);
    let missed = key("h7500").unwrap();
    assert!(missed.text.iter().any(|line| line.contains("over maxspan")), "{missed:#?}");
    let limits = Limits { wanted: vec!["busy".to_owned()], ..Limits::default() };
    let report = explained(&rule(query, ""), &records, limits).rules.pop().unwrap();
    assert_eq!((report.by_key.len(), report.by_key[0].hit_count), (1, 12_500));
    assert_eq!(report.by_key[0].timeline.len() as u64 + report.by_key[0].left_out, 12_500);
}
