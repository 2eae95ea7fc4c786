//! `sample` queries: distinct events, one for each term, in any order; one alert for each key and
//! window.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::detect::{Detector, Options, Origin, Output, Past, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

const TWO: &str = r#"sample by host.id [any where tags == "A"] [any where tags == "B"]"#;

/// An event: seconds, host, tags.
type Event<'a> = (i64, &'a str, &'a [&'a str]);

/// Runs a query with windows of a minute; returns (join key, number of events) of each alert.
fn found(query: &str, events: &[Event<'_>]) -> Vec<(String, usize)> {
    let contents = format!(
        "[rule]\nname = \"n\"\nrule_id = \"r\"\ndescription = \"d\"\nauthor = [\"a\"]\n\
         severity = \"low\"\nrisk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\n\
         query = '''{query}'''\n"
    );
    let text = Arc::new(Text::new("rule.toml", contents));
    let defaults = Defaults { default_maxspan: TimeSpan::from_secs(60), ..Defaults::default() };
    let (rules, reports) = RuleSet::compile(vec![text], &defaults);
    assert_eq!(reports[0].status, Status::Caveat, "{reports:#?}");
    let origin = Origin { topic: "t".into(), partition: 0 };
    let options = Options { past: Past::Nothing, ..Options::default() };
    let mut detector = Detector::new(Arc::new(rules), origin, options);
    for (offset, (seconds, host, tags)) in (0..).zip(events) {
        let time = EventTime::from_nanos(0) + TimeSpan::from_secs(*seconds);
        let event = serde_json::json!({
            "@timestamp": time.to_string(),
            "event": {"category": "test", "id": format!("e{offset}")},
            "host": {"id": host},
            "tags": tags,
        });
        let payload = event.to_string();
        let payload = Some(payload.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
    }
    detector.finish();
    let of_output = |output: &Output| match output {
        Output::Finding(finding) => (finding.key.text(), finding.events.len()),
        other => panic!("{other:?}"),
    };
    detector.outbox().iter().map(of_output).collect()
}

#[test]
fn order_plays_no_part() {
    for events in [[(1, "h", &["A"][..]), (2, "h", &["B"])], [(1, "h", &["B"]), (2, "h", &["A"])]] {
        assert_eq!(found(TWO, &events), [("h".to_owned(), 2)]);
    }
}

#[test]
fn events_must_be_distinct_and_of_one_key() {
    assert_eq!(found(TWO, &[(1, "h", &["A", "B"])]), []);
    assert_eq!(found(TWO, &[(1, "h", &["A", "B"]), (2, "h", &["A", "B"])]).len(), 1);
    assert_eq!(found(TWO, &[(1, "g", &["A"]), (2, "h", &["B"])]), []);
}

#[test]
fn a_window_gives_one_sample() {
    let events: Vec<Event<'_>> =
        (0..10).map(|n| (n, "h", if n % 2 == 0 { &["A"][..] } else { &["B"][..] })).collect();
    assert_eq!(found(TWO, &events).len(), 1);
    let later = [(1, "h", &["A"][..]), (2, "h", &["B"]), (61, "h", &["A"]), (62, "h", &["B"])];
    assert_eq!(found(TWO, &later).len(), 2);
}

#[test]
fn events_further_apart_than_the_window_are_no_sample() {
    assert_eq!(found(TWO, &[(1, "h", &["A"]), (62, "h", &["B"])]), []);
    assert_eq!(found(TWO, &[(1, "h", &["A"]), (61, "h", &["B"])]).len(), 1);
}

#[test]
fn terms_that_overlap_are_told_apart() {
    let query =
        r#"sample by host.id [any where tags == "A"] [any where true] [any where tags == "B"]"#;
    assert_eq!(found(query, &[(1, "h", &["A", "B"]), (2, "h", &["B"])]), []);
    assert_eq!(found(query, &[(1, "h", &["A", "B"]), (2, "h", &["B"]), (3, "h", &["-"])]).len(), 1);
}
