//! The shipped rules on generated telemetry with known answers, through `maxspan replay`: 100,000
//! events of 1,000 hosts, in order, as Windows writes them (late by up to 13 s), and with 2 % of
//! the lines delivered twice; raw and as ECS.
//!
//! The answers are those of the generator (`support/corpus`), which knows nothing of the engine.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeMap;

use support::corpus::{self, Corpus, Settings, Shape};
use support::replay::{Replay, event_index, rule_suffix};

/// By rule: the final events of all alerts, sorted.
fn finals(corpus: &Corpus, shape: Shape, emit: &str) -> BTreeMap<String, Vec<u64>> {
    let file = corpus.file(shape);
    let flags = ["--emit", emit, "--order-tolerance", "0s"];
    let run = Replay::new(&flags, &[&file]).run();
    let mut finals: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for alert in &run.alerts {
        finals.entry(rule_suffix(alert)).or_default().push(event_index(alert));
    }
    for events in finals.values_mut() {
        events.sort_unstable();
    }
    finals
}

fn check(settings: Settings) {
    let corpus = Corpus::make(settings);
    for shape in Shape::ALL {
        let (exact, eager) = (finals(&corpus, shape, "exact"), finals(&corpus, shape, "eager"));
        for rule in corpus::rules() {
            let truth = corpus.finals(rule);
            assert!(truth.len() > 50, "{rule}: {} sequences are too few to judge by", truth.len());
            assert_eq!(exact[rule], truth, "{settings:?}, {shape:?}, {rule}, exact");
            let missed: Vec<_> =
                truth.iter().filter(|event| !eager[rule].contains(event)).collect();
            assert!(missed.is_empty(), "{settings:?}, {shape:?}, {rule}: eager misses {missed:?}");
        }
    }
}

#[test]
fn in_order() {
    check(Settings::MANY_ATTACKS);
}

#[test]
fn as_windows_writes() {
    check(Settings::MANY_ATTACKS.late());
}

#[test]
fn as_windows_writes_with_second_deliveries() {
    check(Settings::MANY_ATTACKS.late().doubled(20));
}
