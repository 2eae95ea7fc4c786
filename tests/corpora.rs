//! The shipped rules on generated telemetry with known answers, through `maxspan replay`: 100,000
//! events of 1,000 hosts, in order, as Windows writes them (late by up to 13 s), and with 2 % of
//! the lines delivered twice; raw and as ECS.
//!
//! The generator stands beside the project, not in it; where it is absent the checks say so.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeMap;

use support::replay::{Corpus, Replay, event_index, not_run, rule_suffix};

const SIZE: [&str; 6] = ["--events", "100000", "--eps", "500", "--attacks", "600"];

/// By rule: the final events of all alerts, sorted.
fn finals(corpus: &Corpus, shape: &str, emit: &str) -> BTreeMap<String, Vec<u64>> {
    let file = corpus.directory.join(format!("{shape}.ndjson"));
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

fn check(name: &str, flags: &[&str]) {
    let flags = [&SIZE, flags].concat();
    let Some(corpus) = Corpus::make(name, &flags) else {
        return not_run("generated corpora", "../shared/tools is absent");
    };
    for shape in ["raw", "ecs"] {
        let (exact, eager) = (finals(&corpus, shape, "exact"), finals(&corpus, shape, "eager"));
        for rule in ["v100", "2023", "20s"] {
            let truth = corpus.finals(rule);
            assert!(truth.len() > 50, "{rule}: {} sequences are too few to judge by", truth.len());
            assert_eq!(exact[rule], truth, "{name}, {shape}, {rule}, exact");
            let missed: Vec<_> =
                truth.iter().filter(|event| !eager[rule].contains(event)).collect();
            assert!(missed.is_empty(), "{name}, {shape}, {rule}: eager misses {missed:?}");
        }
    }
}

#[test]
fn in_order() {
    check("plain", &[]);
}

#[test]
fn as_windows_writes() {
    check("lag", &["--lag"]);
}

#[test]
fn as_windows_writes_with_second_deliveries() {
    check("lag-dup", &["--lag", "--dup", "0.02"]);
}
