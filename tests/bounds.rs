//! Limits: what a flood can do, what is refused, and that it is counted.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::detect::{Budget, Detector, Options, Origin, Past, Record, Stamp, Stats};
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
        Arc::new(Text::new(format!("r{number}.toml"), contents))
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
    flood_from(detector, detector.position().unwrap_or(0), hosts)
}

fn flood_from(detector: &mut Detector, offset: i64, hosts: i64) -> Stats {
    for host in 0..hosts {
        feed(detector, offset + host, 0, &format!("h{host}"), &["A"]);
    }
    feed(detector, offset + hosts, 1, "h0", &["B"]);
    feed(detector, offset + hosts + 1, 1, &format!("h{}", hosts - 1), &["B"]);
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
fn more_bytes_than_allowed_are_refused_and_what_is_pending_is_completed() {
    let options = Options { max_bytes: 200_000, ..Options::default() };
    let mut detector = detector(&[SEQUENCE], options);
    let stats = flood(&mut detector, 1_000);
    assert!((170_000..200_000).contains(&detector.held().bytes), "{:?}", detector.held());
    assert!(stats.refused_bytes > 500, "{stats:?}");
    assert_eq!(detector.outbox().len(), 1, "the first host's sequence was pending");
    // Its time over, there is room again.
    feed(&mut detector, 2_000, 200, "new", &["A"]);
    feed(&mut detector, 2_001, 201, "new", &["B"]);
    assert_eq!(detector.outbox().len(), 2);
}

#[test]
fn single_events_need_no_room() {
    let options = Options { max_bytes: 50_000, ..Options::default() };
    let mut detector = detector(&[SINGLE], options);
    flood(&mut detector, 1_000);
    assert_eq!(detector.outbox().len(), 1_000);
    assert!(detector.held().bytes <= 50_000);
}

#[test]
fn partitions_share_a_budget_and_a_flood_in_one_leaves_the_others_their_part() {
    let budget = Arc::new(Budget::new(2_000_000));
    budget.divide(4);
    let mut detectors: Vec<Detector> =
        (0..4).map(|_| detector(&[SEQUENCE], Options::default())).collect();
    for detector in &mut detectors {
        detector.share(Arc::clone(&budget));
    }
    let stats = flood(&mut detectors[0], 5_000);
    assert!(stats.refused_budget > 1_000 && stats.refused_bytes == 0, "{stats:?}");
    for detector in &mut detectors[1..] {
        let stats = flood(detector, 50);
        assert_eq!((stats.refused_budget, detector.outbox().len()), (0, 2), "{stats:?}");
    }
    for detector in &mut detectors {
        flood(detector, 5_000);
    }
    let held: usize = detectors.iter().map(|detector| detector.held().bytes).sum();
    // One event of each may be on the far side.
    assert!((1_500_000..2_010_000).contains(&held), "{held}");
    // Whoever leaves gives its part back.
    let mut detector = detectors.remove(1);
    drop(detectors);
    let before = detector.held().bytes;
    flood_from(&mut detector, 10_000, 5_000);
    assert!(detector.held().bytes > before, "{} is not more than {before}", detector.held().bytes);
}

#[test]
fn a_dropped_late_event_is_counted() {
    let mut detector = detector(&[SEQUENCE], Options::default());
    // F is maxspan and twice the lateness of half a minute.
    for (offset, seconds) in [(0, 0), (1, 150), (2, 200)] {
        feed(&mut detector, offset, seconds, "h", &["A"]);
    }
    detector.take_stats();
    feed(&mut detector, 3, 100, "h", &["B"]);
    let counts = detector.take_stats().rules[0].sequences;
    assert_eq!((counts.too_late, counts.late), (1, 0), "{counts:?}");
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
    // What is left are the places from which a replay might start.
    assert!(held.keys == 0 && held.bytes < 100_000, "{held:?}");
}
