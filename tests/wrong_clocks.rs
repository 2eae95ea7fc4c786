//! Hosts whose clock is wrong for a while: what they send then must not hide what they send later, nor
//! hold back what a restart reads.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use maxspan::detect::{Detector, FindingEvent, Output, Stamp};
use maxspan::event::EventTime;
use serde_json::json;
use support::streams::{Step, apply, at, options, origin, rule_set};

/// `A` then `B` within 5 s, eagerly; `A` without a `C` for 4 s.
const PAIR: usize = 0;
const ALONE: usize = 5;
const DAY: i64 = 86_400;

/// A record of the host: (what the partition's clock shows, by how much the host's clock is wrong, tag).
type Heard = (i64, i64, &'static str);

/// The numbers of the records that each alert is made of, with that of the record that brought it.
fn alerts(rule: usize, heard: &[Heard]) -> (Vec<(usize, Vec<usize>)>, Detector) {
    let mut detector = Detector::new(rule_set([rule]), origin(), options());
    let mut found = Vec::new();
    for (number, (clock, wrong, tag)) in heard.iter().enumerate() {
        let payload = serde_json::json!({
            "@timestamp": at(clock + wrong).to_string(),
            "event": {"category": "test", "id": number.to_string()},
            "host": {"id": "h"},
            "tags": [tag],
        });
        let stamp = Stamp::Append(at(*clock));
        apply(&mut detector, number, &Step::Record { stamp, payload: payload.to_string() });
        found.extend(detector.take_outbox().iter().map(|output| (number, events(output))));
    }
    (found, detector)
}

fn events(output: &Output) -> Vec<usize> {
    let Output::Finding(finding) = output else { panic!("{output:?} is no finding") };
    let number = |event: &FindingEvent| -> usize {
        let event: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
        event["event"]["id"].as_str().unwrap().parse().unwrap()
    };
    finding.events.iter().map(number).collect()
}

#[test]
fn one_event_of_a_wrong_clock_hides_nothing() {
    // The first is final before anything else is heard; the second comes into the middle.
    let heard =
        [(0, DAY, "A"), (8, 0, "A"), (9, 0, "B"), (20, 0, "A"), (21, DAY, "C"), (22, 0, "B")];
    assert_eq!(alerts(PAIR, &heard).0, [(2, vec![1, 2]), (5, vec![3, 5])]);
}

#[test]
fn two_events_of_a_wrong_clock_hide_the_others_for_one_memory_and_no_longer() {
    let mut heard = vec![(0, DAY, "A"), (1, DAY, "A"), (2, 0, "A"), (3, 0, "B")];
    // A memory is 13 s. The host is never silent for so long.
    heard.extend((4..60).map(|clock| (clock, 0, if clock % 2 == 0 { "A" } else { "B" })));
    let (found, mut detector) = alerts(PAIR, &heard);
    let first = found.first().map(|(number, _)| *number);
    assert!(first.is_some_and(|first| first > 3 && first <= 1 + 13 + 3), "{found:?}");
    let expected = (first.unwrap()..60).step_by(2).map(|number| (number, vec![number - 1, number]));
    assert_eq!(found, expected.collect::<Vec<_>>());
    let counts = detector.take_stats().rules[0].sequences;
    assert_eq!(counts.expired, 1, "what the wrong clock had begun");
    assert!(counts.too_late > 5, "what it hid is counted: {}", counts.too_late);
}

#[test]
fn what_a_wrong_clock_has_begun_is_decided_and_forgotten() {
    let mut heard = vec![(0, 0, "A"), (1, DAY, "A"), (2, DAY, "A")];
    heard.extend((3..30).map(|clock| (clock, 0, "C")));
    let (found, mut detector) = alerts(ALONE, &heard);
    let ids: Vec<_> = found.iter().map(|(_, events)| events.clone()).collect();
    // The first one was final as soon as the host's time was a day later.
    assert_eq!(ids, [[0], [1], [2]], "{found:?}");
    assert_eq!(found[0].0, 2);
    assert_eq!([found[1].0, found[2].0], [10, 11], "as if the host were silent");
    // Nothing is left of it that a restart would have to find.
    let age = |detector: &mut Detector| {
        detector.cut().unwrap();
        detector.safe_age().unwrap().millis() / 1_000
    };
    assert!((0..60).contains(&age(&mut detector)), "{}", age(&mut detector));
}

/// Windows' 100 ns since 1601 where seconds since 1970 belong, and the latest time of all.
#[test]
fn a_time_that_cannot_be_is_none() {
    let mut detector = Detector::new(rule_set([PAIR, 8]), origin(), options());
    let times = [json!(9_223_372_036_854_775_807_i64), json!(133_625_792_040_270_000_i64)];
    let texts =
        [json!("2262-04-11T23:47:16.8Z"), json!("1678-01-01T00:00:00Z"), json!(at(12).to_string())];
    for (number, time) in times.into_iter().chain(texts).enumerate() {
        let payload = json!({
            "@timestamp": time,
            "event": {"category": "test", "id": number.to_string()},
            "host": {"id": "h"},
            "tags": ["A", "B"],
        });
        for stamp in [Stamp::Append(at(number as i64)), Stamp::Create(EventTime::MAX)] {
            let (offset, payload) = (detector.position().unwrap_or(0), payload.to_string());
            apply(&mut detector, offset as usize, &Step::Record { stamp, payload });
        }
    }
    let alerts: Vec<_> = detector.take_outbox().iter().map(events).collect();
    assert_eq!(alerts, [[4]]);
    assert_eq!(detector.take_stats().no_event_time, 8);
    assert_eq!(detector.clock(), Some(at(12)));
}
