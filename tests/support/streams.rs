//! Random streams of one partition, and rules that find something in them.
//!
//! Three hosts (one with a wrong clock), late and repeated events, idle time.

use std::sync::Arc;

use maxspan::detect::{Detector, Options, Origin, Past, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

use super::random::Random;

/// (query, order tolerance, emission)
pub type Rule = (&'static str, &'static str, &'static str);

pub const RULES: [Rule; 11] = [
    (
        "sequence by host.id with maxspan=5s [any where tags == `A`] [any where tags == `B`]",
        "0s",
        "eager",
    ),
    (
        "sequence by host.id with maxspan=5s [any where tags == `A`] [any where tags == `B`]",
        "1s",
        "exact",
    ),
    (
        "sequence by host.id with maxspan=3s [any where tags == `A`] [any where tags == `B`] [any where tags == `C`]",
        "1s",
        "eager",
    ),
    (
        "sequence by host.id with maxspan=8s [any where tags == `A`] [any where tags == `B`] until [any where tags == `C`]",
        "0s",
        "eager",
    ),
    ("sequence by host.id with maxspan=4s [any where tags == `A`] with runs=3", "0s", "eager"),
    (
        "sequence by host.id with maxspan=4s [any where tags == `A`] ![any where tags == `C`]",
        "0s",
        "eager",
    ),
    (
        "sequence by host.id with maxspan=4s ![any where tags == `C`] [any where tags == `A`] [any where tags == `B`]",
        "0s",
        "eager",
    ),
    (
        "sequence by host.id with maxspan=4s [any where tags == `A`] ![any where tags == `C`] [any where tags == `B`]",
        "0s",
        "exact",
    ),
    ("any where tags == `A` and tags == `B`", "0s", "eager"),
    (
        "sample by host.id [any where tags == `A`] [any where tags == `B`] [any where tags == `A`]",
        "0s",
        "eager",
    ),
    (
        "sequence by host.id with maxspan=5s ![any where tags == `C`] [any where tags == `A`] [any where tags == `B`] ![any where tags == `C`]",
        "0s",
        "eager",
    ),
];

/// Rules whose tolerance makes what is found depend on more than one maxspan.
pub const TOLERANT: [Rule; 3] = [
    (
        "sequence by host.id with maxspan=20s [any where tags == `A`] [any where tags == `B`] [any where tags == `C`]",
        "1s",
        "exact",
    ),
    (
        "sequence by host.id with maxspan=20s [any where tags == `A`] with runs=2 [any where tags == `B`] with runs=2",
        "1s",
        "exact",
    ),
    (
        "sequence by host.id with maxspan=15s [any where tags == `A`] [any where tags == `B`] [any where tags == `C`] [any where tags == `A`] until [any where tags == `B` and tags == `C`]",
        "2s",
        "eager",
    ),
];

pub const LATENESS: i64 = 4;

/// Rules of the table, each match of which gives an alert.
pub fn rule_set(rules: impl IntoIterator<Item = usize>) -> Arc<RuleSet> {
    rule_set_with(rules, |_| "suppression = { enabled = false }")
}

/// Rules of the table, each with further settings by its index.
pub fn rule_set_with(
    rules: impl IntoIterator<Item = usize>,
    more: impl Fn(usize) -> &'static str,
) -> Arc<RuleSet> {
    compile(rules.into_iter().map(|index| (index, RULES[index], more(index))))
}

/// Rules by their number, each with further settings.
pub fn compile(rules: impl IntoIterator<Item = (usize, Rule, &'static str)>) -> Arc<RuleSet> {
    let file = |(index, (query, tolerance, emit), more): (usize, Rule, &str)| {
        let contents = format!(
            "[rule]\nname = \"rule {index}\"\nrule_id = \"rule-{index}\"\ndescription = \"-\"\n\
             author = [\"-\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\n\
             language = \"eql\"\nquery = '''{}'''\n\
             [rule.maxspan]\norder_tolerance = \"{tolerance}\"\nemit = \"{emit}\"\n\
             allowed_lateness = \"{LATENESS}s\"\n{}\n",
            query.replace('`', "\""),
            more,
        );
        Arc::new(Text::new(format!("rule-{index}.toml"), contents))
    };
    // No longer than each rule needs: a stream must outlast what is held.
    let hold = TimeSpan::ZERO;
    let defaults =
        Defaults { default_maxspan: TimeSpan::from_secs(6), hold, ..Defaults::default() };
    let (set, reports) = RuleSet::compile(rules.into_iter().map(file).collect(), &defaults);
    assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:#?}");
    Arc::new(set)
}

/// What happens to a partition: a record, or a second without one.
#[derive(Clone, Debug)]
pub enum Step {
    Record { stamp: Stamp, payload: String },
    Idle { seconds: i64 },
}

pub fn at(seconds: i64) -> EventTime {
    EventTime::from_nanos(0) + TimeSpan::from_secs(1_700_000_000 + seconds)
}

pub fn random_steps(random: &mut Random, percent_late: u64) -> Vec<Step> {
    random_steps_between(random, percent_late, 5, 40)
}

/// Like `random_steps`, with so many steps.
pub fn random_steps_between(
    random: &mut Random,
    percent_late: u64,
    least: i64,
    most: i64,
) -> Vec<Step> {
    let append = random.chance(70);
    let skew = *random.pick(&[0, 0, -40, 70]);
    // Quiet nights, or hosts whose clocks jump, mostly by more than a key's time follows at once. Not both:
    // what a jump has put beyond the horizon of recovery is lost by a restart.
    let (mut nights, jumps) = *random.pick(&[(0, 0), (0, 0), (5, 0), (0, 8), (0, 25)]);
    let ahead_by = *random.pick(&[400, 400, 310, 150]);
    let repeats = *random.pick(&[8, 8, 25]);
    let (mut clock, mut idle, mut steps) = (0, 0, Vec::new());
    let mut payloads: Vec<String> = Vec::new();
    for id in 0..random.between(least, most) {
        if random.chance(15) {
            idle += random.between(1, 6);
            steps.push(Step::Idle { seconds: idle });
            continue;
        }
        clock += *random.pick(&[0, 1, 1, 2, 3, 9]) + idle;
        if random.chance(nights) {
            clock += 40_000;
            // One of them: what is pending through two is beyond it as well.
            nights = 0;
            // What comes again after that is beyond the horizon of recovery.
            payloads.clear();
        }
        idle = 0;
        let host = random.below(3);
        let lag = if random.chance(percent_late) { 12 } else { random.between(0, LATENESS - 1) };
        let ahead = if random.chance(jumps) { ahead_by } else { 0 };
        let time = at(clock - lag + ahead + if host == 0 { skew } else { 0 });
        let mut tags: Vec<&str> = vec!["-"];
        tags.extend(["A", "B", "C"].iter().filter(|_| random.chance(35)));
        let stamp = if append { Stamp::Append(at(clock)) } else { Stamp::Create(time) };
        let fresh = serde_json::json!({
            "@timestamp": time.to_string(),
            "event": {"category": "test", "id": format!("e{id}")},
            "host": {"id": format!("h{host}")},
            "tags": tags,
        });
        let again = random.chance(repeats) && !payloads.is_empty();
        let payload = if again { random.pick(&payloads).clone() } else { fresh.to_string() };
        payloads.push(payload.clone());
        steps.push(Step::Record { stamp, payload });
    }
    steps
}

pub fn origin() -> Origin {
    Origin { topic: "input".into(), partition: 3 }
}

pub fn options() -> Options {
    Options { past: Past::Unseen, max_skew: TimeSpan::from_secs(10), ..Options::default() }
}

/// Does a step; the record at step n has offset n, so that idle steps leave gaps.
pub fn apply(detector: &mut Detector, offset: usize, step: &Step) {
    match step {
        Step::Record { stamp, payload } => detector.on_record(&Record {
            offset: offset as i64,
            stamp: *stamp,
            payload: Some(payload.as_bytes()),
            source: None,
        }),
        Step::Idle { seconds } => detector.advance_idle(TimeSpan::from_secs(*seconds)),
    }
}

/// The steps, one a line.
pub fn story(steps: &[Step]) -> String {
    let line = |(offset, step): (usize, &Step)| match step {
        Step::Record { stamp, payload } => format!("{offset}: {stamp:?} {payload}"),
        Step::Idle { seconds } => format!("{offset}: idle {seconds} s"),
    };
    steps.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}
