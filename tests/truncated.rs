//! Records that a restart would read again are gone from the log: what is found then is less, never
//! something that is not there.
//!
//! Random streams as in `recovery.rs`, whose replay is cut short. A failing case prints its seed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use maxspan::detect::{Detector, Input, Options, Output, Past, Stamp};
use maxspan::rule::set::RuleSet;
use support::random::{Random, cases};
use support::streams::{RULES, Step, apply, at, options, origin, random_steps, rule_set, story};

/// The alerts of a step: rule and what identifies the match.
fn alerts(detector: &mut Detector) -> BTreeSet<(usize, String)> {
    let outputs = detector.take_outbox().into_iter();
    let id = |output| match output {
        Output::Finding(finding) => Some((finding.rule, finding.id.clone())),
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
) -> Vec<BTreeSet<(usize, String)>> {
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

/// What came of replays that were cut short.
#[derive(Debug, Default)]
struct Outcome {
    /// How many alerts a detector that knows all gives behind the cuts, by whether the rule has an
    /// absence.
    expected: [usize; 2],
    /// How many there were.
    found: [usize; 2],
    /// Alerts that neither a detector that knows all gives nor a batch engine.
    made_up: [usize; 2],
}

/// Cuts the replays of many streams short.
fn outcome(is_wanted: impl Fn(&Stamp) -> bool) -> Outcome {
    let all = rule_set(0..RULES.len());
    let mut outcome = Outcome::default();
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
        // Something is left to replay; a log that begins at the cut is a new start.
        let low = random.below(steps.len() as u64 - 1) as usize;
        forget_copies(&mut steps, low);
        if steps.len() < low + 2 {
            continue;
        }
        let cut = random.between(low as i64 + 1, steps.len() as i64 - 1) as usize;
        let expected = whole(&all, &steps, Input::Stream);
        let batch = whole(&all, &steps, Input::Bounded);
        let mut known: BTreeSet<&(usize, String)> =
            expected.iter().chain(&batch).flatten().collect();
        // Without what is gone other events may be the first of a stage: the answer of what is left.
        let of_seen = whole(&all, &steps[low..], Input::Bounded);
        known.extend(of_seen.iter().flatten().filter(|alert| has_absence(&all, alert) == 0));
        let found = truncated(&all, &steps, cut, low);
        for alert in found.iter().skip(cut).flatten().filter(|alert| !known.contains(alert)) {
            println!("seed {seed}, cut {cut}, low {low}: {alert:?}\n{}", story(&steps));
            outcome.made_up[has_absence(&all, alert)] += 1;
        }
        for alert in expected.iter().skip(cut).flatten() {
            outcome.expected[has_absence(&all, alert)] += 1;
        }
        for alert in found.iter().skip(cut).flatten() {
            outcome.found[has_absence(&all, alert)] += 1;
        }
    }
    outcome
}

/// A copy whose first delivery is gone counts as a new event, and comes late.
fn forget_copies(steps: &mut Vec<Step>, low: usize) {
    let seen = steps.split_off(low);
    let payload = |step: &Step| match step {
        Step::Record { payload, .. } => Some(payload.clone()),
        Step::Idle { .. } => None,
    };
    let gone: BTreeSet<String> = steps.iter().filter_map(payload).collect();
    let is_new = |step: &Step| payload(step).is_none_or(|payload| !gone.contains(&payload));
    steps.extend(seen.into_iter().filter(is_new));
}

fn has_absence(rules: &RuleSet, (rule, _): &(usize, String)) -> usize {
    usize::from(rules.rules()[*rule].plan.has_absence())
}

/// Runs all steps in one go, from the beginning of time to its end; the alerts by step.
fn whole(rules: &Arc<RuleSet>, steps: &[Step], input: Input) -> Vec<BTreeSet<(usize, String)>> {
    let options = Options { past: Past::Nothing, input, ..options() };
    let mut detector = Detector::new(Arc::clone(rules), origin(), options);
    let by_step = steps.iter().enumerate().map(|(offset, step)| {
        apply(&mut detector, offset, step);
        alerts(&mut detector)
    });
    let mut by_step: Vec<_> = by_step.collect();
    detector.finish();
    by_step.push(alerts(&mut detector));
    by_step
}

#[test]
fn what_is_gone_makes_nothing_up() {
    let Outcome { expected, found, made_up } = outcome(|stamp| matches!(stamp, Stamp::Append(_)));
    assert_eq!(made_up, [0, 0], "of {found:?}");
    assert!(found[0] > 1_500 && found[0] * 20 > expected[0] * 16, "{found:?} of {expected:?}");
    // Absences are undecidable for a while behind what is gone.
    assert!(found[1] > 1_500 && found[1] * 20 > expected[1] * 6, "{found:?} of {expected:?}");
}

#[test]
fn times_of_producers_make_nothing_up() {
    let Outcome { expected, found, made_up } = outcome(|stamp| matches!(stamp, Stamp::Create(_)));
    assert_eq!(made_up, [0, 0], "of {found:?}");
    assert!(found[0] > 500 && found[0] * 20 > expected[0] * 13, "{found:?} of {expected:?}");
    // By the slack for longer than with the broker's times: that is most of such a stream.
    assert!(found[1] > 50, "{found:?} of {expected:?}");
}

/// `A` and `B` without a `C` before, on a log of which all before `low` is gone: how many alerts there
/// are, and how many matches were undecidable.
fn led_by_what_is_gone(low: usize, seconds: [i64; 3]) -> (usize, u64) {
    let rules = rule_set([6]);
    let tag = |second| ["C", "A", "B"].into_iter().zip(seconds).find(|(_, when)| *when == second);
    let record = |second| Step::Record {
        stamp: Stamp::Append(at(second)),
        payload: serde_json::json!({
            "@timestamp": at(second).to_string(),
            "event": {"category": "test", "id": second.to_string()},
            "host": {"id": "h"},
            "tags": [tag(second).map_or("-", |(tag, _)| tag)],
        })
        .to_string(),
    };
    let steps: Vec<Step> = (0..150).map(record).collect();
    let mut detector = Detector::new(Arc::clone(&rules), origin(), options());
    steps[..100].iter().enumerate().for_each(|(offset, step)| apply(&mut detector, offset, step));
    let cut = detector.cut().unwrap();
    let (mut resumed, _) =
        Detector::resume(rules, origin(), options(), cut.position, &cut.metadata);
    resumed.begin_at(low as i64);
    for (offset, step) in steps.iter().enumerate().skip(resumed.read_from().unwrap() as usize) {
        apply(&mut resumed, offset, step);
    }
    let alerts = alerts(&mut resumed).len();
    (alerts, resumed.take_stats().rules[0].sequences.undecidable)
}

/// With a maxspan and a lateness of 4 s each, what is gone can forbid a match whose first event comes up
/// to 8 s behind the first record that is left.
#[test]
fn what_is_gone_may_have_forbidden_a_match() {
    for low in [99, 103] {
        let first = low as i64;
        assert_eq!(led_by_what_is_gone(low, [first - 1, first + 1, first + 2]), (0, 1), "{low}");
        assert_eq!(led_by_what_is_gone(low, [first - 1, first + 8, first + 9]), (0, 1), "{low}");
        assert_eq!(led_by_what_is_gone(low, [first - 1, first + 9, first + 10]), (1, 0), "{low}");
    }
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
