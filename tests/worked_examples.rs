//! `tests/corpus/sequences/*.toml`: small streams and what sequences find in them, from the text of
//! an EQL query to the alerts, exact and (where time allows no difference) eager.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::detect::{Detector, FindingEvent, Options, Origin, Output, Past, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::Emit;
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    example: Vec<Example>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    name: String,
    stages: String,
    until: Option<String>,
    maxspan: Option<u32>,
    /// Order tolerance, in seconds.
    #[serde(default)]
    tolerance: i64,
    #[serde(default)]
    optional: bool,
    events: String,
    /// The order in which they arrive, if that is another.
    arrive: Option<String>,
    found: Vec<String>,
}

impl Example {
    fn query(&self) -> String {
        let stage = |tag: &str| format!("[any where tags == \"{tag}\"]");
        let term = |written: &str| {
            let (not, written) = match written.strip_prefix('!') {
                Some(rest) => ("!", rest),
                None => ("", written),
            };
            match written.split_once('*') {
                Some((tag, runs)) => format!("{not}{} with runs={runs}", stage(tag)),
                None => format!("{not}{}", stage(written)),
            }
        };
        let terms: Vec<String> = self.stages.split(' ').map(term).collect();
        let maxspan = self.maxspan.unwrap_or(1_000);
        let until = self.until.as_deref().map(|tag| format!("until {}", stage(tag)));
        let key = if self.optional { "?k" } else { "k" };
        let (terms, until) = (terms.join(" "), until.unwrap_or_default());
        format!("sequence by {key} with maxspan={maxspan}s {terms} {until}")
    }

    fn run(&self, emit: Emit) -> Vec<String> {
        let contents = format!(
            "[rule]\nname = \"n\"\nrule_id = \"r\"\ndescription = \"d\"\nauthor = [\"a\"]\n\
             severity = \"low\"\nrisk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\n\
             query = '''{}'''\n",
            self.query()
        );
        let text = Arc::new(Text::new(self.name.clone(), contents));
        let mut defaults = Defaults::default();
        let tolerance = TimeSpan::from_secs(self.tolerance);
        defaults.force(Some(emit), Some(tolerance), None);
        let (rules, reports) = RuleSet::compile(vec![text], &defaults);
        assert_ne!(reports[0].status, Status::Refused, "{}: {reports:#?}", self.name);
        let origin = Origin { topic: "t".into(), partition: 0 };
        let options = Options { past: Past::Nothing, ..Options::default() };
        let mut detector = Detector::new(Arc::new(rules), origin, options);
        let place = |name: &str| self.events.split(' ').position(|event| event == name).unwrap();
        let arrivals = self.arrive.as_ref().unwrap_or(&self.events).split(' ');
        for (offset, name) in (0..).zip(arrivals) {
            let payload = Some(&*event(name, place(name)));
            detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
        }
        detector.finish();
        let mut found: Vec<String> = detector.outbox().iter().map(show).collect();
        found.sort();
        found
    }
}

/// Writes an event such as `AB5(x,y)`; its place in the order is its `event.sequence`.
fn event(name: &str, place: usize) -> Vec<u8> {
    let (head, keys) = match name.split_once('(') {
        Some((head, keys)) => (head, keys.trim_end_matches(')')),
        None => (name, "k"),
    };
    let digits = head.find(|c: char| c.is_ascii_digit()).unwrap();
    let tags: Vec<&str> = head[..digits].split("").filter(|tag| !tag.is_empty()).collect();
    let seconds = TimeSpan::from_secs(head[digits..].parse().unwrap());
    let keys: Vec<&str> = keys.split(',').filter(|key| !key.is_empty()).collect();
    let event = serde_json::json!({
        "@timestamp": (EventTime::from_nanos(0) + seconds).to_string(),
        "event": {"category": "test", "id": format!("{name} {place}"), "sequence": place},
        "host": {"id": "h"},
        "name": head,
        "tags": tags,
        "k": keys,
    });
    event.to_string().into_bytes()
}

/// Writes an alert as an example does: `x: A1 B2`.
fn show(output: &Output) -> String {
    let Output::Finding(finding) = output else { panic!("{output:?}") };
    let name = |event: &FindingEvent| -> String {
        let event: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
        event["name"].as_str().unwrap().to_owned()
    };
    let names: Vec<String> = finding.events.iter().map(name).collect();
    format!("{}: {}", finding.key.text(), names.join(" "))
}

#[test]
fn sequences_find_what_the_examples_say() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/sequences");
    let mut examples = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let corpus: Corpus = toml::from_str(&text).unwrap();
        for example in corpus.example {
            let with_key = |found: &String| match found.contains(": ") {
                true => found.clone(),
                false => format!("k: {found}"),
            };
            let mut expected: Vec<String> = example.found.iter().map(with_key).collect();
            expected.sort();
            assert_eq!(example.run(Emit::Exact), expected, "{}, exact", example.name);
            // An eager rule with runs tells of one sequence for each key and maxspan.
            if example.arrive.is_none() && !example.stages.contains('*') {
                assert_eq!(example.run(Emit::Eager), expected, "{}, eager", example.name);
            }
            examples += 1;
        }
    }
    assert!(examples >= 26, "{examples} examples");
}
