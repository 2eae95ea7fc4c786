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
/// For so many seconds events are held: `PAIR` needs its maxspan and twice the lateness of 4 s, `ALONE`
/// twice its maxspan and twice the lateness.
const PAIR_HELD: i64 = 13;
const ALONE_HELD: i64 = 16;

/// A record of the host: (what the partition's clock shows, by how much the host's clock is wrong, tag).
type Heard = (i64, i64, &'static str);

/// The numbers of the records that each alert is made of, with that of the record that brought it. The
/// partition has been seen for a while before the first of them.
fn alerts(rule: usize, heard: &[Heard]) -> (Vec<(usize, Vec<usize>)>, Detector) {
    let mut detector = Detector::new(rule_set([rule]), origin(), options());
    apply(&mut detector, 0, &record(-100, -100, "before", "-"));
    let mut found = Vec::new();
    for (number, (clock, wrong, tag)) in heard.iter().enumerate() {
        let record = record(*clock, clock + wrong, &number.to_string(), tag);
        apply(&mut detector, number + 1, &record);
        found.extend(detector.take_outbox().iter().map(|output| (number, events(output))));
    }
    (found, detector)
}

fn record(appended: i64, seconds: i64, id: &str, tag: &str) -> Step {
    let payload = json!({
        "@timestamp": at(seconds).to_string(),
        "event": {"category": "test", "id": id},
        "host": {"id": "h"},
        "tags": [tag],
    });
    Step::Record { stamp: Stamp::Append(at(appended)), payload: payload.to_string() }
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
fn two_events_of_a_wrong_clock_hide_no_sequence() {
    let mut heard = vec![(0, DAY, "A"), (1, DAY, "A")];
    heard.extend((2..60).map(|clock| (clock, 0, if clock % 2 == 0 { "B" } else { "A" })));
    let (found, mut detector) = alerts(PAIR, &heard);
    let expected = (4..60).step_by(2).map(|number| (number, vec![number - 1, number]));
    assert_eq!(found, expected.collect::<Vec<_>>());
    let counts = detector.take_stats().rules[0].sequences;
    assert_eq!(counts.expired, 1, "what the wrong clock had begun");
    assert_eq!(counts.too_late, 0);
    // When the first of the two has left, the other one is not believed any more.
    assert_eq!(counts.late, (2..=PAIR_HELD).count() as u64, "they are told to be late");
}

/// What must be absent may be gone, so far behind a host's time.
#[test]
fn two_events_of_a_wrong_clock_hide_absences_for_one_span_and_no_longer() {
    let mut heard = vec![(0, DAY, "A"), (1, DAY, "A")];
    heard.extend((2..60).map(|clock| (clock, 0, "A")));
    let (found, mut detector) = alerts(ALONE, &heard);
    // When one of the two has left, the other one is not believed any more.
    let first = 1 + ALONE_HELD as usize;
    let seen: Vec<_> = found.iter().map(|(_, events)| events[0]).filter(|n| *n > 1).collect();
    // Each is decided when its deadline and the lateness are over.
    let decided = 59 - (4 + 4 + 1);
    assert_eq!(seen, (first..=decided).collect::<Vec<_>>());
    let counts = detector.take_stats().rules[0].sequences;
    assert_eq!(counts.too_late, first as u64 - 2, "what it hid is counted");
}

#[test]
fn what_a_wrong_clock_has_begun_is_decided_and_forgotten() {
    let mut heard = vec![(0, 0, "A"), (1, DAY, "A"), (2, DAY, "A")];
    heard.extend((3..200).map(|clock| (clock, 0, "C")));
    let (found, mut detector) = alerts(ALONE, &heard);
    let ids: Vec<_> = found.iter().map(|(_, events)| events.clone()).collect();
    // The first one was final as soon as the host's time was a day later.
    assert_eq!(ids, [[0], [1], [2]], "{found:?}");
    assert_eq!(found[0].0, 2);
    assert_eq!([found[1].0, found[2].0], [10, 11], "as if the host were silent");
    // Nothing is left of it that a restart would have to find: it reads back four spans and a mark.
    detector.cut().unwrap();
    let age = detector.safe_age().unwrap().millis() / 1_000;
    assert!((4 * ALONE_HELD..=4 * ALONE_HELD + 2).contains(&age), "{age}");
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
