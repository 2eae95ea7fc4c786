//! An absence that looks beyond an end of a bounded input counts as absent, and says so.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::detect::{Engine, InputEnd, Options, Origin, Output, Past, Record, Stamp, Stats};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

fn engine(terms: &str) -> Engine {
    let contents = format!(
        "[rule]\nname = \"n\"\nrule_id = \"r\"\nseverity = \"low\"\nrisk_score = 21\n\
         language = \"eql\"\nquery = '''sequence by host.id with maxspan=10s {terms}'''\n"
    );
    let (rules, reports) =
        RuleSet::compile(vec![Arc::new(Text::new("r", contents))], &Defaults::default());
    assert_ne!(reports[0].status, Status::Refused, "{reports:#?}");
    Engine::new(Arc::new(rules), Options::default())
}

/// Runs events (seconds, tag) of one host; the times of the final events of the findings, in
/// seconds, and what each rests on.
fn found(engine: &Engine, events: &[(i64, &str)]) -> (Vec<(i64, Option<InputEnd>)>, Stats) {
    let zero = EventTime::from_nanos(1_700_000_000_000_000_000);
    let mut detector = engine.detector(Origin { topic: "file".into(), partition: 0 });
    for (offset, (seconds, tag)) in (0..).zip(events) {
        let event = serde_json::json!({
            "@timestamp": (zero + TimeSpan::from_secs(*seconds)).to_string(),
            "event": {"category": "test", "id": offset.to_string()},
            "host": {"id": "h"},
            "tags": tag,
        });
        let payload = event.to_string();
        let payload = Some(payload.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
    }
    detector.finish();
    let finding = |output: Output| {
        let Output::Finding(finding) = output else { panic!("{output:?}") };
        let last = finding.events.last().unwrap().event_time - zero;
        (last.millis() / 1_000, finding.rests_on)
    };
    let mut found: Vec<_> = detector.take_outbox().into_iter().map(finding).collect();
    found.sort_by_key(|(last, _)| *last);
    (found, detector.take_stats())
}

const A_WITHOUT_B: &str = "[any where tags == \"A\"] ![any where tags == \"B\"]";
const NO_A_BEFORE_B: &str = "![any where tags == \"A\"] [any where tags == \"B\"]";

#[test]
fn a_deadline_behind_the_last_event_rests_on_the_end() {
    let engine = engine(A_WITHOUT_B).for_bounded_input();
    let events = [(0, "A"), (20, "A"), (30, "-"), (31, "A"), (32, "A")];
    let (found, stats) = found(&engine, &events);
    let last = Some(InputEnd::Last);
    assert_eq!(found, [(0, None), (20, None), (31, last), (32, last)]);
    assert_eq!((stats.rules[0].matches, stats.rules[0].resting_on_last), (4, 2));
}

#[test]
fn a_look_back_before_the_first_event_rests_on_the_beginning() {
    let engine = engine(NO_A_BEFORE_B).for_bounded_input();
    let (found, stats) = found(&engine, &[(0, "B"), (9, "B"), (10, "B"), (11, "B")]);
    let first = Some(InputEnd::First);
    assert_eq!(found, [(0, first), (9, first), (10, None), (11, None)]);
    assert_eq!(stats.rules[0].resting_on_first, 2);
}

#[test]
fn absences_at_both_ends_rest_on_one_end_at_most() {
    let terms = "![any where tags == \"A\"] [any where tags == \"B\"] ![any where tags == \"C\"]";
    let engine = engine(terms).for_bounded_input();
    let tried = |events: &[(i64, &str)]| found(&engine, events).0;
    // What comes first was seen: without what comes last in one maxspan with it, the alert stands.
    let seen = [(0, "A"), (1, "B"), (30, "A"), (31, "B"), (33, "-")];
    assert_eq!(tried(&seen), [(1, None), (31, Some(InputEnd::Last))]);
    // It was not seen, but may have come before the first record.
    assert_eq!(tried(&[(0, "B"), (1, "C"), (60, "-")]), [(0, Some(InputEnd::First))]);
    // It did not come for a whole maxspan: whatever follows changes nothing.
    assert_eq!(tried(&[(0, "-"), (20, "B"), (21, "-")]), [(20, None)]);
}

#[test]
fn rules_without_an_absence_rest_on_nothing() {
    let engine = engine("[any where tags == \"A\"] [any where tags == \"B\"]").for_bounded_input();
    let (found, _) = found(&engine, &[(0, "A"), (1, "B")]);
    assert_eq!(found, [(1, None)]);
}

#[test]
fn a_stream_has_no_ends() {
    let engine = engine(A_WITHOUT_B);
    assert_eq!(engine.options().past, Past::Unseen);
    // Seen for longer than the lateness and the slack: the absence is decidable.
    let seen = (-400..0).step_by(100).map(|second| (second, "-"));
    let events: Vec<_> = seen.chain([(0, "A")]).collect();
    assert_eq!(found(&engine, &events).0, [(0, None)]);
}
