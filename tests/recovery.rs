//! A restart at any point changes nothing: what a detector gives after it has been rebuilt from
//! committed metadata equals what it would have given without.
//!
//! Random streams of three hosts (one with a wrong clock), late and repeated events, idle time, and
//! several restarts in a row. A failing case prints its seed. `MAXSPAN_CASES=100` runs a hundred
//! times as many.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use maxspan::detect::{Detector, Options, Origin, Output, Past, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;
use support::random::{Random, cases};

/// (query, order tolerance, emission)
const RULES: [(&str, &str, &str, &str); 11] = [
    (
        "sequence by host.id with maxspan=5s [any where tags == `A`] [any where tags == `B`]",
        "0s",
        "eager",
        "",
    ),
    (
        "sequence by host.id with maxspan=5s [any where tags == `A`] [any where tags == `B`]",
        "1s",
        "exact",
        "",
    ),
    (
        "sequence by host.id with maxspan=3s [any where tags == `A`] [any where tags == `B`] [any where tags == `C`]",
        "1s",
        "eager",
        "",
    ),
    (
        "sequence by host.id with maxspan=8s [any where tags == `A`] [any where tags == `B`] until [any where tags == `C`]",
        "0s",
        "eager",
        "",
    ),
    ("sequence by host.id with maxspan=4s [any where tags == `A`] with runs=3", "0s", "eager", ""),
    (
        "sequence by host.id with maxspan=4s [any where tags == `A`] ![any where tags == `C`]",
        "0s",
        "eager",
        "",
    ),
    (
        "sequence by host.id with maxspan=4s ![any where tags == `C`] [any where tags == `A`] [any where tags == `B`]",
        "0s",
        "eager",
        "",
    ),
    (
        "sequence by host.id with maxspan=4s [any where tags == `A`] ![any where tags == `C`] [any where tags == `B`]",
        "0s",
        "exact",
        "",
    ),
    ("any where tags == `A` and tags == `B`", "0s", "eager", ""),
    (
        "any where tags == `B`",
        "0s",
        "eager",
        "suppression = { group_by = ['host.id'], duration = '7s' }",
    ),
    (
        "sequence by host.id with maxspan=4s [any where tags == `A`] [any where tags == `B`]",
        "1s",
        "eager",
        "suppression = { group_by = ['nowhere', 'tags'], duration = '40s' }",
    ),
];

const LATENESS: i64 = 4;

fn rule_set(rules: impl IntoIterator<Item = usize>) -> Arc<RuleSet> {
    let file = |index: usize| {
        let (query, tolerance, emit, more) = RULES[index];
        let contents = format!(
            "[rule]\nname = \"rule {index}\"\nrule_id = \"rule-{index}\"\ndescription = \"-\"\n\
             author = [\"-\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\n\
             language = \"eql\"\nquery = '''{}'''\n\
             [rule.maxspan]\norder_tolerance = \"{tolerance}\"\nemit = \"{emit}\"\n\
             allowed_lateness = \"{LATENESS}s\"\n{more}\n",
            query.replace('`', "\"")
        );
        Arc::new(Text { name: format!("rule-{index}.toml"), contents })
    };
    let (set, reports) =
        RuleSet::compile(rules.into_iter().map(file).collect(), &Defaults::default());
    assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:#?}");
    Arc::new(set)
}

/// What happens to a partition: a record, or a second without one.
#[derive(Clone, Debug)]
enum Step {
    Record { stamp: Stamp, payload: String },
    Idle { seconds: i64 },
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_nanos(0) + TimeSpan::from_secs(1_700_000_000 + seconds)
}

fn random_steps(random: &mut Random, percent_late: u64) -> Vec<Step> {
    let append = random.chance(70);
    let skew = *random.pick(&[0, 0, -40, 70]);
    let (mut clock, mut idle, mut steps) = (0, 0, Vec::new());
    let mut payloads: Vec<String> = Vec::new();
    for id in 0..random.between(5, 40) {
        if random.chance(15) {
            idle += random.between(1, 6);
            steps.push(Step::Idle { seconds: idle });
            continue;
        }
        clock += *random.pick(&[0, 1, 1, 2, 3, 9]) + idle;
        idle = 0;
        let host = random.below(3);
        let lag = if random.chance(percent_late) { 12 } else { random.between(0, LATENESS - 1) };
        let time = at(clock - lag + if host == 0 { skew } else { 0 });
        let mut tags: Vec<&str> = vec!["-"];
        tags.extend(["A", "B", "C"].iter().filter(|_| random.chance(35)));
        let stamp = if append { Stamp::Append(at(clock)) } else { Stamp::Create(time) };
        let fresh = serde_json::json!({
            "@timestamp": time.to_string(),
            "event": {"category": "test", "id": format!("e{id}")},
            "host": {"id": format!("h{host}")},
            "tags": tags,
        });
        let again = random.chance(8) && !payloads.is_empty();
        let payload = if again { random.pick(&payloads).clone() } else { fresh.to_string() };
        payloads.push(payload.clone());
        steps.push(Step::Record { stamp, payload });
    }
    steps
}

fn origin() -> Origin {
    Origin { topic: "input".into(), partition: 3 }
}

fn options() -> Options {
    Options { past: Past::Unseen, max_skew: TimeSpan::from_secs(10), ..Options::default() }
}

/// Does a step; the record at step n has offset n, so that idle steps leave gaps.
fn apply(detector: &mut Detector, offset: usize, step: &Step) {
    match step {
        Step::Record { stamp, payload } => detector.on_record(&Record {
            offset: offset as i64,
            stamp: *stamp,
            payload: Some(payload.as_bytes()),
        }),
        Step::Idle { seconds } => detector.advance_idle(TimeSpan::from_secs(*seconds)),
    }
}

fn alerts(detector: &mut Detector) -> Vec<String> {
    let outputs = detector.take_outbox().into_iter();
    let id = |output| match output {
        Output::Alert(alert) => {
            Some(format!("{} {}", alert.rule_id, String::from_utf8(alert.value).unwrap()))
        }
        Output::DeadLetter(_) => None,
    };
    outputs.filter_map(id).collect()
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
    let cuts = (0..random.between(1, 3)).map(|_| random.below(steps.len() as u64) as usize);
    let cuts = cuts.collect();
    let expected = uninterrupted(rules, &steps);
    let found = interrupted(rules, &steps, &cuts);
    for (offset, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let ids = |alerts: &[String]| alerts.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(
            ids(expected),
            ids(found),
            "seed {seed}, late {percent_late} %, cuts {cuts:?}, step {offset}:\n{}",
            story(&steps)
        );
    }
    expected.iter().map(Vec::len).sum()
}

/// The steps, one a line.
fn story(steps: &[Step]) -> String {
    let line = |(offset, step): (usize, &Step)| match step {
        Step::Record { stamp, payload } => format!("{offset}: {stamp:?} {payload}"),
        Step::Idle { seconds } => format!("{offset}: idle {seconds} s"),
    };
    steps.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_restart_changes_nothing() {
    let all = rule_set(0..RULES.len());
    let found: usize = (0..cases(1_500)).map(|seed| check(seed, &all, 0)).sum();
    assert!(found > 5_000, "only {found} alerts to judge by");
}

#[test]
fn a_restart_changes_nothing_for_late_events() {
    let all = rule_set(0..RULES.len());
    let found: usize = (0..cases(1_500)).map(|seed| check(seed, &all, 25)).sum();
    assert!(found > 5_000, "only {found} alerts to judge by");
}

#[test]
fn a_rule_that_is_new_sees_nothing_before_the_cut() {
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
    assert_eq!(found, [4], "the sequence that began before the rule was loaded is not found");
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
