//! Limits: what a flood can do, what is refused, and that it is counted.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::detect::{Detector, Options, Origin, Past, Record, Stamp, Stats};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

const SEQUENCE: &str = r#"sequence by host.id with maxspan=10s
  [any where tags == "A"] [any where tags == "B"]"#;
const SINGLE: &str = r#"any where tags == "A""#;

fn detector(queries: &[&str], options: Options) -> Detector {
    let file = |(number, query): (usize, &&str)| {
        let contents = format!(
            "[rule]\nname = \"n\"\nrule_id = \"r{number}\"\ndescription = \"d\"\n\
             author = [\"a\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\n\
             language = \"eql\"\nquery = '''{query}'''\n"
        );
        Arc::new(Text { name: format!("r{number}.toml"), contents })
    };
    let files = queries.iter().enumerate().map(file).collect();
    let (rules, reports) = RuleSet::compile(files, &Defaults::default());
    assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:#?}");
    let origin = Origin { topic: "t".into(), partition: 0 };
    Detector::new(Arc::new(rules), origin, Options { past: Past::Nothing, ..options })
}

fn feed(detector: &mut Detector, offset: i64, seconds: i64, host: &str, tags: &[&str]) {
    let at = EventTime::from_nanos(0) + TimeSpan::from_secs(1_700_000_000 + seconds);
    let event = serde_json::json!({
        "@timestamp": at.to_string(),
        "event": {"category": "test", "id": format!("e{offset}")},
        "host": {"id": host},
        "tags": tags,
    });
    let payload = event.to_string();
    let payload = Some(payload.as_bytes());
    detector.on_record(&Record { offset, stamp: Stamp::Append(at), payload, source: None });
}

/// A first stage on each of many hosts, then the second stage on the first and the last of them.
fn flood(detector: &mut Detector, hosts: i64) -> Stats {
    for host in 0..hosts {
        feed(detector, host, 0, &format!("h{host}"), &["A"]);
    }
    feed(detector, hosts, 1, "h0", &["B"]);
    feed(detector, hosts + 1, 1, &format!("h{}", hosts - 1), &["B"]);
    detector.take_stats()
}

#[test]
fn more_keys_than_allowed_are_refused_and_older_ones_stay() {
    let options = Options { max_keys: 100, ..Options::default() };
    let mut detector = detector(&[SEQUENCE], options);
    let stats = flood(&mut detector, 1_000);
    assert_eq!(detector.held().keys, 100);
    assert_eq!(stats.rules[0].sequences.refused_keys, 901);
    assert_eq!(detector.outbox().len(), 1, "the sequence that was pending is found");
}

#[test]
fn single_events_need_no_key() {
    let options = Options { max_keys: 100, ..Options::default() };
    let mut detector = detector(&[SINGLE], options);
    let stats = flood(&mut detector, 1_000);
    assert_eq!(detector.outbox().len(), 1_000);
    assert_eq!(stats.rules[0].sequences.refused_identities, 900);
}

#[test]
fn more_bytes_than_allowed_are_refused() {
    let options = Options { max_bytes: 50_000, ..Options::default() };
    let mut detector = detector(&[SEQUENCE], options);
    let stats = flood(&mut detector, 1_000);
    assert!(detector.held().bytes <= 50_000);
    assert!(stats.refused_bytes > 500, "{stats:?}");
}

#[test]
fn more_candidates_of_a_key_than_allowed_are_refused() {
    let options = Options { max_candidates_per_key: 50, ..Options::default() };
    let mut detector = detector(&[SEQUENCE], options);
    for offset in 0..200 {
        feed(&mut detector, offset, 0, "h", &["A"]);
    }
    assert_eq!(detector.take_stats().rules[0].sequences.refused_candidates, 150);
}

#[test]
fn keys_that_expand_too_far_are_refused() {
    let query = r#"sequence by tags with maxspan=10s [any where true] [any where true]"#;
    let options = Options { max_key_expansion: 10, ..Options::default() };
    let mut detector = detector(&[query], options);
    let tags: Vec<String> = (0..25).map(|tag| format!("t{tag}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    feed(&mut detector, 0, 0, "h", &tags);
    assert_eq!(detector.held().keys, 10);
    assert_eq!(detector.take_stats().refused_keys, 30, "15 for each of the two terms");
}

#[test]
fn everything_is_freed_when_its_time_is_over() {
    let mut detector = detector(&[SEQUENCE, SINGLE], Options::default());
    flood(&mut detector, 1_000);
    assert!(detector.held().keys >= 1_000);
    assert!(detector.held().bytes > 100_000);
    // F is maxspan and twice the lateness of half a minute.
    feed(&mut detector, 2_000, 200, "other", &["-"]);
    let held = detector.held();
    assert_eq!((held.keys, held.bytes), (0, 0), "{held:?}");
}
