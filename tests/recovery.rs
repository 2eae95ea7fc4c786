//! A restart at any point changes nothing: what a detector gives after it has been rebuilt from
//! committed metadata equals what it would have given without.
//!
//! Random streams of three hosts (one with a wrong clock), late and repeated events, idle time, and
//! several restarts in a row. A failing case prints its seed. `MAXSPAN_CASES=100` runs a hundred
//! times as many.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::ops::Add as _;
use std::sync::Arc;

use maxspan::detect::{Detector, Output, Stamp};
use maxspan::rule::set::RuleSet;
use support::alerts::alert_of;
use support::random::{Random, cases, seeds, survey};
use support::streams::{
    RULES, Step, TOLERANT, apply, at, compile, options, origin, random_steps, random_steps_between,
    rule_set, rule_set_with, story,
};

fn alerts(detector: &mut Detector) -> Vec<String> {
    let outputs = detector.take_outbox().into_iter();
    let rules = detector.rules();
    let written = |output| match output {
        Output::Finding(finding) => {
            let alert = alert_of(rules, &origin(), &finding);
            Some(format!("{} {}", alert.rule_id, String::from_utf8(alert.value).unwrap()))
        }
        Output::DeadLetter(_) | Output::Journal(_) | Output::Forward(_) => None,
    };
    outputs.filter_map(written).collect()
}

/// Runs all steps without a restart; the alerts by step.
fn uninterrupted(rules: &Arc<RuleSet>, steps: &[Step]) -> Vec<Vec<String>> {
    let mut detector = Detector::new(Arc::clone(rules), origin(), options());
    let by_step = steps.iter().enumerate().map(|(offset, step)| {
        apply(&mut detector, offset, step);
        alerts(&mut detector)
    });
    by_step.collect()
}

/// Runs all steps with restarts before the steps in `cuts`.
fn interrupted(rules: &Arc<RuleSet>, steps: &[Step], cuts: &BTreeSet<usize>) -> Vec<Vec<String>> {
    let mut detector = Detector::new(Arc::clone(rules), origin(), options());
    let mut by_step = Vec::new();
    for (offset, step) in steps.iter().enumerate() {
        if let Some(cut) = cuts.get(&offset).and_then(|_| detector.cut()) {
            assert!(cut.metadata.len() < 4_096 && cut.metadata.is_ascii());
            detector = restart(rules, steps, cut.position, &cut.metadata);
        }
        apply(&mut detector, offset, step);
        by_step.push(alerts(&mut detector));
    }
    by_step
}

fn restart(rules: &Arc<RuleSet>, steps: &[Step], position: i64, metadata: &str) -> Detector {
    let (mut detector, complaint) =
        Detector::resume(Arc::clone(rules), origin(), options(), position, metadata);
    assert_eq!(complaint, None);
    let from = detector.read_from().unwrap() as usize;
    for (offset, step) in steps.iter().enumerate().take(position as usize).skip(from) {
        if let Step::Record { .. } = step {
            apply(&mut detector, offset, step);
        }
    }
    assert_eq!(alerts(&mut detector), Vec::<String>::new(), "a replay is silent");
    detector
}

fn check(seed: u64, rules: &Arc<RuleSet>, percent_late: u64) -> usize {
    let random = &mut Random::new(seed);
    let steps = random_steps(random, percent_late);
    check_steps(seed, rules, percent_late, random, &steps)
}

fn check_steps(
    seed: u64,
    rules: &Arc<RuleSet>,
    percent_late: u64,
    random: &mut Random,
    steps: &[Step],
) -> usize {
    let cuts = (0..random.between(1, 3)).map(|_| random.below(steps.len() as u64) as usize);
    let cuts = cuts.collect();
    let expected = uninterrupted(rules, steps);
    let found = interrupted(rules, steps, &cuts);
    for (offset, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let ids = |alerts: &[String]| alerts.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(
            ids(expected),
            ids(found),
            "seed {seed}, late {percent_late} %, cuts {cuts:?}, step {offset}:\n{}",
            story(steps)
        );
    }
    expected.iter().map(Vec::len).sum()
}

#[test]
fn a_restart_changes_nothing() {
    let all = rule_set(0..RULES.len());
    let found = survey(1_500, |seed| check(seed, &all, 0), usize::add);
    assert!(found > 5_000, "only {found} alerts to judge by");
}

#[test]
fn a_restart_changes_nothing_for_late_events() {
    let all = rule_set(0..RULES.len());
    let found = survey(1_500, |seed| check(seed, &all, 25), usize::add);
    assert!(found > 5_000, "only {found} alerts to judge by");
}

/// So long that most of it lies before what a restart reads.
#[test]
fn a_restart_changes_nothing_late_in_a_stream() {
    let sets: Vec<Arc<RuleSet>> = (0..RULES.len())
        .map(|first| rule_set([0, 3, 7].map(|next| (first + next) % RULES.len())))
        .collect();
    let check = |seed: u64| {
        let random = &mut Random::new(seed);
        let late = *random.pick(&[0, 25]);
        let steps = random_steps_between(random, late, 60, 160);
        check_steps(seed, &sets[seed as usize % sets.len()], late, random, &steps)
    };
    let found = survey(1_000, check, usize::add);
    assert!(found > 5 * seeds(1_000).count(), "only {found} alerts to judge by");
}

#[test]
fn a_restart_changes_nothing_where_order_is_tolerated_over_several_stages() {
    let set = |(index, rule)| compile([(index, rule, "suppression = { enabled = false }")]);
    let sets: Vec<Arc<RuleSet>> = TOLERANT.into_iter().enumerate().map(set).collect();
    let check = |seed: u64| {
        let random = &mut Random::new(seed);
        let steps = random_steps_between(random, 0, 40, 100);
        check_steps(seed, &sets[seed as usize % sets.len()], 0, random, &steps)
    };
    let found = survey(12_000, check, usize::add);
    assert!(found > seeds(12_000).count() / 2, "only {found} alerts to judge by");
}

#[test]
fn a_restart_changes_nothing_where_alerts_are_suppressed() {
    let suppression = |index| match index % 3 {
        0 => "suppression = { group_by = ['host.id'], duration = '7s' }",
        1 => "suppression = { duration = '1m' }",
        _ => "suppression = { group_by = ['nowhere', 'tags'], duration = '40s' }",
    };
    let all = rule_set_with(0..RULES.len(), suppression);
    let unsuppressed = rule_set(0..RULES.len());
    for percent_late in [0, 25] {
        let found = survey(1_000, |seed| check(seed, &all, percent_late), usize::add);
        let without = |seed| {
            let steps = random_steps(&mut Random::new(seed), percent_late);
            uninterrupted(&unsuppressed, &steps).iter().map(Vec::len).sum::<usize>()
        };
        let without: usize = seeds(1_000).map(without).sum();
        assert!(found > 1_000 && found * 6 < without * 5, "{found} alerts, {without} without");
    }
}

/// Runs all steps with `few` rules up to the first cut, and with all from there on.
fn with_new_rules(
    few: &Arc<RuleSet>,
    all: &Arc<RuleSet>,
    steps: &[Step],
    first: usize,
    second: Option<usize>,
) -> Vec<Vec<String>> {
    let mut detector = Detector::new(Arc::clone(few), origin(), options());
    let mut by_step = Vec::new();
    for (offset, step) in steps.iter().enumerate() {
        if (offset == first || Some(offset) == second)
            && let Some(cut) = detector.cut()
        {
            detector = restart(all, steps, cut.position, &cut.metadata);
        }
        apply(&mut detector, offset, step);
        by_step.push(alerts(&mut detector));
    }
    by_step
}

#[test]
fn when_a_rule_was_loaded_is_known_after_another_restart() {
    let all = rule_set(0..RULES.len());
    let mut found = 0;
    for seed in 0..cases(1_000) {
        let random = &mut Random::new(seed);
        let steps = random_steps(random, 0);
        let few = rule_set(
            (0..3).map(|_| random.below(RULES.len() as u64) as usize).collect::<BTreeSet<_>>(),
        );
        let first = random.below(steps.len() as u64) as usize;
        if !steps[..first].iter().any(|step| matches!(step, Step::Record { .. })) {
            continue;
        }
        let second = random.between(first as i64, steps.len() as i64 - 1) as usize;
        let expected = with_new_rules(&few, &all, &steps, first, None);
        let again = with_new_rules(&few, &all, &steps, first, Some(second));
        assert_eq!(expected, again, "seed {seed}, cuts {first} and {second}:\n{}", story(&steps));
        found += expected.iter().skip(first).map(Vec::len).sum::<usize>();
    }
    assert!(found > 1_500, "only {found} alerts to judge by");
}

#[test]
fn a_rule_that_is_new_sees_what_is_read_again_and_alerts_from_the_cut_on() {
    let steps: Vec<Step> = [("A", 0), ("-", 1), ("B", 2), ("A", 3), ("B", 4)]
        .map(|(tag, seconds)| Step::Record {
            stamp: Stamp::Append(at(seconds)),
            payload: serde_json::json!({
                "@timestamp": at(seconds).to_string(),
                "event": {"category": "test", "id": seconds.to_string()},
                "host": {"id": "h"},
                "tags": [tag],
            })
            .to_string(),
        })
        .into();
    let mut before = Detector::new(rule_set([4]), origin(), options());
    for (offset, step) in steps[..2].iter().enumerate() {
        apply(&mut before, offset, step);
    }
    let cut = before.cut().unwrap();
    let mut after = restart(&rule_set([0, 4]), &steps, cut.position, &cut.metadata);
    let mut found = Vec::new();
    for (offset, step) in steps.iter().enumerate().skip(2) {
        apply(&mut after, offset, step);
        found.extend(alerts(&mut after).into_iter().map(|_| offset));
    }
    assert_eq!(
        found,
        [2, 4],
        "the sequence that began before the rule was loaded is found as well"
    );
}

#[test]
fn foreign_metadata_starts_empty_at_the_committed_offset() {
    for metadata in ["", "written by another tool", "maxspan9;x=1", "maxspan1;cut=1"] {
        let (detector, complaint) =
            Detector::resume(rule_set([0]), origin(), options(), 17, metadata);
        assert_eq!(complaint.is_some(), !metadata.is_empty(), "{metadata}");
        assert_eq!(detector.read_from(), Some(17));
        assert!(!detector.is_replaying());
    }
}
