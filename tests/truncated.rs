//! Records that a restart would read again are gone from the log: what is found then is less, never
//! something else.
//!
//! Random streams as in `recovery.rs`, whose replay is cut short. A failing case prints its seed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use maxspan::detect::{Detector, Options, Output, Past, Stamp};
use maxspan::rule::set::RuleSet;
use support::random::{Random, cases};
use support::streams::{RULES, Step, apply, options, origin, random_steps, rule_set, story};

/// The alerts of a step: rule and what identifies the match.
fn alerts(detector: &mut Detector) -> BTreeSet<String> {
    let outputs = detector.take_outbox().into_iter();
    let id = |output| match output {
        Output::Finding(finding) => Some(format!("{} {}", finding.rule, finding.id)),
        Output::DeadLetter(_) | Output::Journal(_) | Output::Forward(_) => None,
    };
    outputs.filter_map(id).collect()
}

/// Runs all steps with a restart before step `cut`, for which the log begins at `low`.
fn truncated(
    rules: &Arc<RuleSet>,
    steps: &[Step],
    cut: usize,
    low: usize,
) -> Vec<BTreeSet<String>> {
    let mut detector = Detector::new(Arc::clone(rules), origin(), options());
    let mut by_step = Vec::new();
    for (offset, step) in steps.iter().enumerate() {
        if offset == cut
            && let Some(cut) = detector.cut()
        {
            let (mut resumed, complaint) = Detector::resume(
                Arc::clone(rules),
                origin(),
                options(),
                cut.position,
                &cut.metadata,
            );
            assert_eq!(complaint, None);
            resumed.begin_at(low as i64);
            let from = resumed.read_from().unwrap() as usize;
            assert!(from >= low || !resumed.is_replaying());
            for (offset, step) in steps.iter().enumerate().take(cut.position as usize).skip(from) {
                if let Step::Record { .. } = step {
                    apply(&mut resumed, offset, step);
                }
            }
            assert_eq!(alerts(&mut resumed), BTreeSet::new(), "a replay is silent");
            detector = resumed;
        }
        apply(&mut detector, offset, step);
        by_step.push(alerts(&mut detector));
    }
    by_step
}

/// Cuts the replays of many streams short, and returns how many alerts a detector that knows all has
/// given from there on, how many those replays have led to, and how many of these are made up.
fn counts(is_wanted: impl Fn(&Stamp) -> bool) -> (usize, usize, usize) {
    let all = rule_set(0..RULES.len());
    let (mut expected_count, mut found_count, mut made_up) = (0, 0, 0);
    for seed in 0..cases(3_000) {
        let random = &mut Random::new(seed);
        let mut steps = random_steps(random, 0);
        // What a host with a wrong clock has said cannot be told by the partition's clock.
        let is_skewed = |payload: &str| payload.contains("\"h0\"");
        steps.retain(|step| match step {
            Step::Record { stamp, payload } => is_wanted(stamp) && !is_skewed(payload),
            Step::Idle { .. } => true,
        });
        if steps.len() < 2 {
            continue;
        }
        let cut = random.between(1, steps.len() as i64 - 1) as usize;
        // Something is left to replay; a log that begins at the cut is a new start.
        let low = random.below(cut as u64) as usize;
        let expected = whole(&all, &steps);
        let ids: BTreeSet<&String> = expected.iter().flatten().collect();
        let found = truncated(&all, &steps, cut, low);
        for alert in found.iter().skip(cut).flatten().filter(|alert| !ids.contains(alert)) {
            println!("seed {seed}, cut {cut}, low {low}: {alert}\n{}", story(&steps));
            made_up += 1;
        }
        expected_count += expected.iter().skip(cut).map(BTreeSet::len).sum::<usize>();
        found_count += found.iter().skip(cut).map(BTreeSet::len).sum::<usize>();
    }
    (expected_count, found_count, made_up)
}

/// Runs all steps in one go, from the beginning of time to its end; the alerts by step.
fn whole(rules: &Arc<RuleSet>, steps: &[Step]) -> Vec<BTreeSet<String>> {
    let options = Options { past: Past::Nothing, ..options() };
    let mut detector = Detector::new(Arc::clone(rules), origin(), options);
    let by_step = steps.iter().enumerate().map(|(offset, step)| {
        apply(&mut detector, offset, step);
        alerts(&mut detector)
    });
    let mut by_step: Vec<BTreeSet<String>> = by_step.collect();
    detector.finish();
    by_step.push(alerts(&mut detector));
    by_step
}

#[test]
fn what_is_gone_makes_nothing_up() {
    let (expected, found, made_up) = counts(|stamp| matches!(stamp, Stamp::Append(_)));
    // A leading absence is judged by its key's now, which a silent key's next event moves far.
    assert!(made_up * 2_000 < found, "{made_up} of {found}");
    assert!(found > 5_000 && found * 20 > expected * 13, "{found} of {expected}");
}

#[test]
fn times_of_producers_make_up_next_to_nothing() {
    // A single host's step of the clock is in doubt, and those who could tell may be gone.
    let (expected, found, made_up) = counts(|stamp| matches!(stamp, Stamp::Create(_)));
    assert!(made_up * 100 < found, "{made_up} of {found}");
    assert!(found > 1_000 && found * 10 > expected * 5, "{found} of {expected}");
}

#[test]
fn log_that_begins_behind_the_cut_means_an_empty_state() {
    let rules = rule_set([0]);
    let steps = random_steps(&mut Random::new(1), 0);
    let mut detector = Detector::new(Arc::clone(&rules), origin(), options());
    steps.iter().enumerate().for_each(|(offset, step)| apply(&mut detector, offset, step));
    let cut = detector.cut().unwrap();
    let (mut resumed, _) =
        Detector::resume(rules, origin(), options(), cut.position, &cut.metadata);
    assert!(!resumed.has_news(), "there is nothing to commit before anything has changed");
    resumed.begin_at(cut.position + 10);
    assert_eq!(resumed.read_from(), Some(cut.position + 10));
    assert!(!resumed.is_replaying());
    assert_eq!(resumed.held().keys, 0);
    assert!(resumed.has_news(), "the new position is to be committed");
}
