//! Streams that were met in the field, with the product's own numbers.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::case::Case;
use crate::product::EIGHTH;
use crate::tape::finals_of_rule;
use crate::time::batch::finals;
use crate::time::clock::Stamps;
use crate::time::event::{Delivery, Event, distinct};
use crate::time::rule::Rule;
use crate::timely::live;

/// Host, event time, tags, arrival; times in seconds.
type Line = (char, f64, &'static str, f64);

const HOUR: f64 = 3_600.0;

/// Asserts that eager and exact find all that the batch engine finds, whoever stamps the records.
pub(crate) fn assert_found() {
    let streams = [
        ("three minutes of silence", "A B", 24, after_silence(420.0).to_vec()),
        ("two and a half", "A B", 24, after_silence(450.0).to_vec()),
        ("nothing confirms", "A B", 24, nothing_confirms().to_vec()),
        ("one host alone", "A B", 1_200, one_host_alone().to_vec()),
        ("channels of a backlog", "A B", 24, channels_of_a_backlog()),
        ("backlog of two", "A !C", 60, backlog_of_two()),
    ];
    let mut wrong = Vec::new();
    for (name, stages, maxspan, lines) in &streams {
        for stamps in [Stamps::Append, Stamps::Create, Stamps::None] {
            let case = case(stages, *maxspan, lines, stamps);
            let want = finals(&crate::time::batch::batch(&distinct(&case.deliveries), &case.rule));
            assert!(!want.is_empty(), "{name} has no match");
            let found = live(&case, &["eager", "exact"]);
            for (rule, emit) in ["eager", "exact"].into_iter().enumerate() {
                let found = finals_of_rule(&found, rule);
                if found != want {
                    let (found, want) = (found.len(), want.len());
                    wrong.push(format!("{name}, {stamps:?}, {emit}: {found} of {want}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn after_silence(before: f64) -> [Line; 4] {
    [
        ('y', before, "", before),
        ('x', 600.0, "A", 600.0),
        ('y', 600.75, "", 600.75),
        ('x', 601.5, "B", 601.5),
    ]
}

fn nothing_confirms() -> [Line; 3] {
    [('y', 420.0, "", 420.0), ('x', 600.0, "A", 600.0), ('x', 601.5, "B", 601.5)]
}

fn one_host_alone() -> [Line; 3] {
    let (first, second) = (10.0 * HOUR, 10.0 * HOUR + 600.0);
    [('x', 9.0 * HOUR, "", 9.0 * HOUR), ('x', first, "A", first), ('x', second, "B", second)]
}

/// Cut off from 9 to 12 o'clock: one channel is sent first, the other follows 200 s later.
fn channels_of_a_backlog() -> Vec<Line> {
    let mut lines = vec![('x', 12.0 * HOUR, "", 12.0 * HOUR)];
    let rows = || (0..60u8).map(f64::from);
    lines.extend(rows().map(|n| ('x', 9.0 * HOUR + 30.0 * n, "A", 12.0 * HOUR + 0.75 * n)));
    lines.extend(
        rows().map(|n| ('x', 9.0 * HOUR + 30.0 * n + 1.5, "B", 12.0 * HOUR + 200.25 + 0.75 * n)),
    );
    lines
}

/// Two events of a host, nearly six minutes apart, come at once; then it is silent, and others are not.
fn backlog_of_two() -> Vec<Line> {
    let others = (0..12u8).map(|n| HOUR + 100.5 * f64::from(n)).map(|time| ('y', time, "", time));
    let mut lines: Vec<Line> = others.collect();
    lines.splice(1..1, [('x', HOUR - 349.5, "A", HOUR + 1.5), ('x', HOUR, "A", HOUR + 1.5)]);
    lines
}

fn case(stages: &str, maxspan: i64, lines: &[Line], stamps: Stamps) -> Case {
    let eighths = |seconds: f64| (seconds * 1_000.0) as i64 / EIGHTH;
    let rule = Rule {
        maxspan: eighths(maxspan as f64),
        allowed_lateness: eighths(30.0),
        hold: eighths(300.0),
        ..Rule::new(stages, 1)
    };
    let delivery = |(serial, (host, event_time, tags, arrived)): (usize, &Line)| {
        let (event_time, arrived) = (eighths(*event_time), eighths(*arrived));
        let (number, tags, keys) = (serial as i64, (*tags).to_owned(), vec![*host]);
        Delivery {
            host: *host,
            event: Rc::new(Event { event_time, number, tags, keys }),
            stamp: if stamps == Stamps::Append { arrived } else { event_time },
            arrived,
            serial,
            idle_before: Vec::new(),
            shuffle: 0,
            size: 1,
        }
    };
    let deliveries: Vec<Delivery> = lines.iter().enumerate().map(delivery).collect();
    let arrivals: BTreeSet<i64> = deliveries.iter().map(|d| d.arrived).collect();
    assert!(arrivals.len() + 1 >= deliveries.len() && deliveries.is_sorted_by_key(|d| d.arrived));
    Case::new(rule, stamps, deliveries)
}
