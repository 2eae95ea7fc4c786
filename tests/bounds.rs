//! Limits: what a flood can do, who leaves, and that it is counted.
//!
//! Where a limit is reached, those leave whose last delivery is the longest ago. What comes is never
//! refused: neither the newest event, nor an `until`, nor what must be absent.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::detect::{Budget, Detector, Options, Origin, Output, Past, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::sequence::Counts;
use maxspan::text::Text;

const SEQUENCE: &str = r#"sequence by host.id with maxspan=10s
  [any where tags == "A"] [any where tags == "B"]"#;
const SINGLE: &str = r#"any where tags == "A""#;

/// The limits of one rule are those of the partition.
fn whole() -> Options {
    Options { max_rule_share_percent: 100, ..Options::default() }
}

fn detector(queries: &[&str], options: Options) -> Detector {
    detector_with(queries, "", options)
}

/// Rules with further settings, in a partition without a past.
fn detector_with(queries: &[&str], settings: &str, options: Options) -> Detector {
    let file = |(number, query): (usize, &&str)| {
        let contents = format!(
            "[rule]\nname = \"n\"\nrule_id = \"r{number}\"\ndescription = \"d\"\n\
             author = [\"a\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\n\
             language = \"eql\"\nquery = '''{query}'''\n[rule.maxspan]\n{settings}\n"
        );
        Arc::new(Text::new(format!("r{number}.toml"), contents))
    };
    let files = queries.iter().enumerate().map(file).collect();
    let (rules, reports) = RuleSet::compile(files, &Defaults::default());
    assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:#?}");
    let origin = Origin { topic: "t".into(), partition: 0 };
    Detector::new(Arc::new(rules), origin, Options { past: Past::Nothing, ..options })
}

/// Feeds a new event, as it happens.
fn feed(detector: &mut Detector, seconds: i64, host: &str, tags: &[&str]) {
    let id = format!("e{}", detector.position().unwrap_or(0));
    feed_event(detector, &id, (seconds, seconds), host, tags);
}

/// Feeds an event of one second that arrives at another.
fn feed_event(
    detector: &mut Detector,
    id: &str,
    (seconds, arrival): (i64, i64),
    host: &str,
    tags: &[&str],
) {
    let at = |seconds| EventTime::from_nanos(0) + TimeSpan::from_secs(1_700_000_000 + seconds);
    let event = serde_json::json!({
        "@timestamp": at(seconds).to_string(),
        "event": {"category": "test", "id": id},
        "host": {"id": host},
        "tags": tags,
    });
    let offset = detector.position().unwrap_or(0);
    let (stamp, payload) = (Stamp::Append(at(arrival)), event.to_string());
    detector.on_record(&Record { offset, stamp, payload: Some(payload.as_bytes()), source: None });
}

/// A first stage on each of many hosts, then the second stage on the first and the last of them.
fn flood(detector: &mut Detector, hosts: i64) -> Counts {
    for host in 0..hosts {
        feed(detector, 0, &format!("h{host}"), &["A"]);
    }
    feed(detector, 1, "h0", &["B"]);
    feed(detector, 1, &format!("h{}", hosts - 1), &["B"]);
    counts(detector)
}

fn counts(detector: &mut Detector) -> Counts {
    detector.take_stats().rules[0].sequences
}

/// The ids of the events of each finding since the last call.
fn found(detector: &mut Detector) -> Vec<Vec<String>> {
    let ids = |output: Output| {
        let Output::Finding(finding) = output else { panic!("{output:?}") };
        let id = |body: &[u8]| -> String {
            let event: serde_json::Value = serde_json::from_slice(body).unwrap();
            event["event"]["id"].as_str().unwrap().to_owned()
        };
        finding.events.iter().map(|event| id(&event.body)).collect()
    };
    detector.take_outbox().into_iter().map(ids).collect()
}

#[test]
fn beyond_the_most_keys_the_newest_stay() {
    let mut detector = detector(&[SEQUENCE], Options { max_keys: 100, ..whole() });
    let counts = flood(&mut detector, 1_000);
    assert_eq!(detector.held().keys, 100);
    // The second stage of the first host begins a key of its own.
    assert_eq!((counts.evicted_of_rule, counts.evicted_pending), (901, 901));
    assert_eq!(found(&mut detector), [["e999", "e1001"]], "the last host's; the first has left");
}

#[test]
fn beyond_the_most_bytes_the_newest_stay() {
    let mut detector = detector(&[SEQUENCE], Options { max_bytes: 200_000, ..whole() });
    let counts = flood(&mut detector, 1_000);
    let held = detector.held().bytes;
    // The places from which a replay may begin come on top.
    assert!((170_000..201_000).contains(&held), "{held}");
    assert!(counts.evicted_of_rule > 500, "{counts:?}");
    assert_eq!(found(&mut detector), [["e999", "e1001"]]);
}

#[test]
fn a_rule_has_its_share_of_keys_and_bytes() {
    let share = Options { max_rule_share_percent: 10, ..Options::default() };
    let mut keys = detector(&[SEQUENCE], Options { max_keys: 250, ..share.clone() });
    assert_eq!(flood(&mut keys, 500).evicted_of_rule, 476);
    assert_eq!(keys.held().keys, 25);
    let mut bytes = detector(&[SEQUENCE], Options { max_bytes: 2_000_000, ..share });
    assert!(flood(&mut bytes, 500).evicted_of_rule > 100);
    assert!(bytes.held().bytes < 201_000, "{}", bytes.held().bytes);
}

#[test]
fn beyond_the_most_events_of_a_key_the_newest_stay() {
    let mut detector = detector(&[SEQUENCE], Options { max_candidates_per_key: 50, ..whole() });
    for _ in 0..200 {
        feed(&mut detector, 0, "h", &["A"]);
    }
    feed(&mut detector, 1, "h", &["B"]);
    let counts = counts(&mut detector);
    // In one slot a newer first stage takes the place of the older one: nothing pending has left.
    assert_eq!((counts.evicted_of_key, counts.evicted_pending), (151, 0));
    assert_eq!(found(&mut detector), [["e199", "e200"]]);
}

/// A second delivery renews the place of the first one.
#[test]
fn a_copy_keeps_its_event_from_leaving() {
    let mut detector = detector(&[SEQUENCE], Options { max_candidates_per_key: 2, ..whole() });
    for (id, seconds) in [("first", 3), ("second", 2), ("first", 3), ("third", 1)] {
        feed_event(&mut detector, id, (seconds, 3), "h", &["A"]);
    }
    feed_event(&mut detector, "last", (4, 4), "h", &["B"]);
    assert_eq!(found(&mut detector), [["first", "last"]]);
    assert_eq!(counts(&mut detector).duplicates, 1);
}

#[test]
fn a_copy_keeps_its_key_from_leaving() {
    let mut detector = detector(&[SEQUENCE], Options { max_keys: 2, ..whole() });
    for host in ["h1", "h2", "h1", "h3"] {
        feed_event(&mut detector, host, (0, 0), host, &["A"]);
    }
    feed_event(&mut detector, "last of h1", (1, 1), "h1", &["B"]);
    feed_event(&mut detector, "last of h2", (1, 1), "h2", &["B"]);
    assert_eq!(found(&mut detector), [["h1", "last of h1"]]);
}

#[test]
fn an_until_is_never_refused() {
    let query = format!("{SEQUENCE} until [any where tags == \"U\"]");
    let mut detector = detector(&[&query], Options { max_candidates_per_key: 50, ..whole() });
    for _ in 0..200 {
        feed(&mut detector, 0, "h", &["A"]);
    }
    feed(&mut detector, 1, "h", &["U"]);
    feed(&mut detector, 2, "h", &["B"]);
    assert_eq!(found(&mut detector), [[""; 2]; 0]);
}

/// What leaves at a limit is decided first, where later events cannot forbid it.
#[test]
fn exact_matches_that_are_driven_out_are_not_lost() {
    let limits = Options { max_candidates_per_key: 10, ..whole() };
    let mut detector = detector_with(&[SEQUENCE], "emit = \"exact\"", limits);
    for tag in ["A", "B"] {
        feed(&mut detector, 0, "h", &[tag]);
    }
    assert_eq!(found(&mut detector), [[""; 2]; 0], "it is not final");
    for _ in 0..10 {
        feed(&mut detector, 1, "h", &["A"]);
    }
    assert_eq!(found(&mut detector), [["e0", "e1"]]);
    assert_eq!(counts(&mut detector).evicted_of_key, 2);
}

const UNLESS: &str = r#"sequence by host.id with maxspan=10s
  ![any where tags == "M"] [any where tags == "A"]"#;

/// Feeds an event of an absence and a flood that drives it out, then what it forbids, something of
/// another host, and something that it does not forbid any more. The alerts, and how many matches were
/// undecidable.
fn alerts_behind_a_flood(limits: Options, flooded: &str) -> (Vec<Vec<String>>, u64) {
    let mut detector = detector(&[UNLESS], limits);
    feed(&mut detector, 0, "h", &["M"]);
    for _ in 0..100 {
        feed(&mut detector, 1, flooded, &["A"]);
    }
    feed_event(&mut detector, "forbidden", (5, 5), "h", &["A"]);
    feed_event(&mut detector, "of another", (5, 5), "quiet", &["A"]);
    // An event of an absence may come by the lateness late, and looks on for maxspan.
    feed_event(&mut detector, "at last", (40, 40), "h", &["A"]);
    feed_event(&mut detector, "later", (41, 41), "h", &["A"]);
    feed(&mut detector, 200, "clock", &["-"]);
    (found(&mut detector), counts(&mut detector).undecidable)
}

#[test]
fn what_the_limit_of_a_key_drives_out_leaves_its_key_undecidable() {
    let limits = Options { max_candidates_per_key: 50, ..whole() };
    let (alerts, undecidable) = alerts_behind_a_flood(limits, "h");
    assert_eq!(alerts, [["of another"], ["later"]]);
    // All of the key but the last one.
    assert_eq!(undecidable, 51);
}

#[test]
fn what_the_limit_of_a_rule_drives_out_leaves_the_rule_undecidable() {
    let limits = Options { max_bytes: 40_000, ..whole() };
    let (alerts, undecidable) = alerts_behind_a_flood(limits, "h2");
    assert_eq!(alerts, [["later"]]);
    assert!(undecidable > 3, "{undecidable}");
}

#[test]
fn single_events_are_found_whatever_the_limits() {
    let limits = [
        Options { max_keys: 1, ..whole() },
        Options { max_bytes: 0, ..whole() },
        Options { max_candidates_per_key: 1, ..whole() },
    ];
    for (limits, keys) in limits.into_iter().zip([1, 1, 1_000]) {
        let mut detector = detector(&[SINGLE], limits.clone());
        flood(&mut detector, 1_000);
        assert_eq!(found(&mut detector).len(), 1_000, "{limits:?}");
        assert!(detector.held().keys <= keys, "{:?}", detector.held());
    }
}

/// Only identities are kept of single events: of those that have left, a second delivery is new.
#[test]
fn second_deliveries_of_single_events_are_known_for_as_long_as_there_is_room() {
    let mut detector = detector(&[SINGLE], Options { max_keys: 100, ..whole() });
    flood(&mut detector, 1_000);
    found(&mut detector);
    for number in [0, 899, 900, 999] {
        let (id, host) = (format!("e{number}"), format!("h{number}"));
        feed_event(&mut detector, &id, (0, 2), &host, &["A"]);
    }
    // The first two take the places of two others.
    assert_eq!(found(&mut detector), [["e0"], ["e899"], ["e900"]]);
}

#[test]
fn partitions_share_a_budget_and_a_flood_in_one_leaves_the_others_their_part() {
    let budget = Arc::new(Budget::new(2_000_000));
    budget.divide(4);
    let mut detectors: Vec<Detector> = (0..4).map(|_| detector(&[SEQUENCE], whole())).collect();
    for detector in &mut detectors {
        detector.share(Arc::clone(&budget));
    }
    let counts = flood(&mut detectors[0], 5_000);
    assert!(counts.evicted_of_instance > 1_000 && counts.evicted_of_rule == 0, "{counts:?}");
    assert_eq!(found(&mut detectors[0]), [["e4999", "e5001"]], "the newest stay");
    for detector in &mut detectors[1..] {
        let counts = flood(detector, 50);
        assert_eq!((counts.evicted_of_instance, found(detector).len()), (0, 2), "{counts:?}");
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
    flood(&mut detector, 5_000);
    assert!(detector.held().bytes > before, "{} is not more than {before}", detector.held().bytes);
}

#[test]
fn late_events_match_and_are_counted() {
    let mut detector = detector(&[SEQUENCE], Options::default());
    feed(&mut detector, 0, "h", &["A"]);
    feed(&mut detector, 200, "h", &["-", "A"]);
    feed_event(&mut detector, "late", (5, 200), "h", &["B"]);
    let counts = counts(&mut detector);
    assert_eq!((counts.late, counts.too_late), (1, 0), "{counts:?}");
    assert_eq!(found(&mut detector), [["e0", "late"]]);
}

/// What forbids a match is held for as long as the rules say. An event that is further behind its
/// host's time than that, less what it looks back on, is refused and counted.
#[test]
fn events_of_an_absence_that_come_too_late_are_refused_and_counted() {
    // Held for 300 s, of which two maxspans of 10 s are looked back on.
    for (behind, too_late) in [(280, 0), (281, 1)] {
        let mut detector = detector(&[UNLESS], Options::default());
        feed(&mut detector, 1_000, "h", &["A"]);
        feed_event(&mut detector, "late", (1_000 - behind, 1_000), "h", &["A"]);
        feed(&mut detector, 1_100, "clock", &["-"]);
        let counts = counts(&mut detector);
        assert_eq!((counts.late, counts.too_late), (1, too_late), "{behind} s: {counts:?}");
        assert_eq!(found(&mut detector).len(), 2 - too_late as usize, "{behind} s");
    }
}

#[test]
fn keys_that_expand_too_far_are_refused() {
    let query = r#"sequence by tags with maxspan=10s [any where true] [any where true]"#;
    let options = Options { max_key_expansion: 10, ..Options::default() };
    let mut detector = detector(&[query], options);
    let tags: Vec<String> = (0..25).map(|tag| format!("t{tag}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    feed(&mut detector, 0, "h", &tags);
    assert_eq!(detector.held().keys, 10);
    assert_eq!(detector.take_stats().refused_keys, 30, "15 for each of the two terms");
}

#[test]
fn everything_is_freed_when_its_time_is_over() {
    let mut detector = detector(&[SEQUENCE, SINGLE], Options::default());
    flood(&mut detector, 1_000);
    // Events are held for five minutes.
    feed(&mut detector, 300, "other", &["-"]);
    assert!(detector.held().keys >= 1_000);
    assert!(detector.held().bytes > 100_000);
    feed(&mut detector, 302, "other", &["-"]);
    let held = detector.held();
    // What is left are the places from which a replay might start.
    assert!(held.keys == 0 && held.bytes < 100_000, "{held:?}");
}

#[test]
fn a_thousand_first_stages_a_second_do_not_hide_the_second_stage() {
    let query = r#"sequence by host.id with maxspan=1m
      [any where tags == "A"] [any where tags == "B"]"#;
    let mut detector = detector(&[query], Options::default());
    for number in 0..40_000 {
        feed(&mut detector, number / 1_000, "h", &["A"]);
    }
    feed(&mut detector, 40, "h", &["B"]);
    assert_eq!(found(&mut detector), [["e39999", "e40000"]]);
}

#[test]
fn a_flood_of_first_stages_does_not_hide_what_must_be_absent() {
    let query = r#"sequence by host.id with maxspan=1h
      [any where tags == "A"] ![any where tags == "M"]"#;
    let mut detector = detector(&[query], Options::default());
    for number in 0..70_000 {
        feed(&mut detector, number / 20, "h", &["A"]);
    }
    feed(&mut detector, 3_500, "h", &["M"]);
    for seconds in (3_500..20_000).step_by(100) {
        feed(&mut detector, seconds, "clock", &["-"]);
    }
    assert_eq!(found(&mut detector), [[""; 0]; 0], "all were within an hour of it");
    assert_eq!(counts(&mut detector).evicted_of_key, 70_001 - 65_536);
}

#[test]
fn a_rule_with_very_many_keys_does_not_blind_another() {
    let many = r#"sequence by process.entity_id with maxspan=10h
      [any where tags == "K"] [any where tags == "L"]"#;
    let mut detector = detector(&[many, SEQUENCE], Options::default());
    let at = EventTime::from_nanos(0) + TimeSpan::from_secs(1_700_000_000);
    for offset in 0..210_000 {
        let payload = format!(
            "{{\"@timestamp\":\"{at}\",\"event\":{{\"category\":\"test\",\"id\":\"k{offset}\"}},\
             \"host\":{{\"id\":\"h\"}},\"process\":{{\"entity_id\":\"p{offset}\"}},\"tags\":\"K\"}}"
        );
        let payload = Some(payload.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::Append(at), payload, source: None });
    }
    feed(&mut detector, 1, "h", &["A"]);
    feed(&mut detector, 2, "h", &["B"]);
    assert_eq!(found(&mut detector), [["e210000", "e210001"]]);
    let stats = detector.take_stats();
    assert!(stats.rules[0].sequences.evicted_of_rule >= 210_000 - 50_000, "{stats:?}");
    assert_eq!(stats.rules[1].sequences.evicted_of_rule, 0);
}
