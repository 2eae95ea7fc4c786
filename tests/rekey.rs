//! Re-keying: events of a host or a user that are spread over partitions meet by their join key.
//!
//! Several partitions of the input, read at different speeds, forward to several partitions of
//! re-keyed events; what their detectors give together must be what one detector gives that sees
//! all events in order. A failing case prints its seed. `MAXSPAN_CASES=100` runs a hundred times as
//! many.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use maxspan::detect::forward::target_of;
use maxspan::detect::{
    Cut, Detector, Forward, Options, Origin, Output, Past, Record, Rekey, Source, Stamp,
};
use maxspan::event::{EventTime, JoinKey, TimeSpan};
use maxspan::rule::Rekeying;
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;
use support::alerts::alert_of;
use support::random::{Random, cases};

/// (query, whether events of several hosts match)
const RULES: [(&str, bool); 13] = [
    ("sequence by host.id with maxspan=5s [any where tags == `A`] [any where tags == `B`]", false),
    ("sequence by user.name with maxspan=5s [any where tags == `A`] [any where tags == `B`]", true),
    ("sequence with maxspan=3s [any where tags == `A`] [any where tags == `B`]", true),
    (
        "sequence by user.name with maxspan=8s [any where tags == `A`] [any where tags == `B`] until [any where tags == `C`]",
        true,
    ),
    ("sequence by user.name with maxspan=4s [any where tags == `A`] with runs=3", true),
    (
        "sequence by user.name with maxspan=4s [any where tags == `A`] ![any where tags == `C`]",
        true,
    ),
    (
        "sequence by user.name with maxspan=4s ![any where tags == `C`] [any where tags == `A`] [any where tags == `B`]",
        true,
    ),
    (
        "sequence by host.id with maxspan=4s [any where tags == `A`] ![any where tags == `C`] [any where tags == `B`]",
        false,
    ),
    (
        "sequence with maxspan=6s [any where tags == `A`] by user.name [any where tags == `B`] by user.target.name",
        true,
    ),
    (
        "sequence by user.name with maxspan=5s [any where tags == `A`] [any where tags == `B`] [any where tags == `C`]",
        true,
    ),
    ("sample by user.name [any where tags == `A`] [any where tags == `B`]", true),
    ("any where tags == `A` and tags == `B`", false),
    (
        "sequence by ?user.target.name, host.id with maxspan=5s [any where tags == `B`] [any where tags == `C`]",
        false,
    ),
];

const LATENESS: i64 = 4;
const IDLE: i64 = 12;
const TOPIC: &str = "rekey";

fn rule_set(
    rekeying: Rekeying,
    emit: &str,
    tolerance: &str,
    rules: impl IntoIterator<Item = usize>,
) -> Arc<RuleSet> {
    let file = |index: usize| {
        let (query, _) = RULES[index];
        let contents = format!(
            "[rule]\nname = \"rule {index}\"\nrule_id = \"rule-{index}\"\ndescription = \"-\"\n\
             author = [\"-\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\n\
             language = \"eql\"\nquery = '''{}'''\n\
             [rule.maxspan]\norder_tolerance = \"{tolerance}\"\nemit = \"{emit}\"\n\
             allowed_lateness = \"{LATENESS}s\"\nsuppression = {{ enabled = false }}\n",
            query.replace('`', "\""),
        );
        Arc::new(Text::new(format!("rule-{index}.toml"), contents))
    };
    let defaults =
        Defaults { default_maxspan: TimeSpan::from_secs(6), rekeying, ..Defaults::default() };
    let (set, reports) = RuleSet::compile(rules.into_iter().map(file).collect(), &defaults);
    assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:#?}");
    Arc::new(set)
}

fn at(millis: i64) -> EventTime {
    EventTime::from_millis(1_700_000_000_000 + millis)
}

/// One record of the input: in which partition, when it was appended, when it is read.
#[derive(Clone, Debug)]
struct Event {
    partition: usize,
    event_time: i64,
    appended: i64,
    read: i64,
    number: usize,
    payload: String,
}

/// An estate: some partitions of the input, and of the topic for re-keyed events.
#[derive(Debug)]
struct World {
    sources: usize,
    targets: i32,
    events: Vec<Event>,
    append: bool,
    repeats: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Spread {
    AtRandom,
    ByHost,
}

impl World {
    fn random(random: &mut Random, spread: Spread, percent_late: u64) -> Self {
        let sources = random.between(1, 4) as usize;
        let speeds: Vec<(i64, i64)> = (0..sources)
            .map(|_| (random.between(0, IDLE * 500), *random.pick(&[50, 200, 1_000, 1_000, 1_500])))
            .collect();
        let mut events: Vec<Event> = Vec::new();
        let seconds = random.between(3, 25);
        let mut add =
            |random: &mut Random, number: usize, event_time: i64, quiet: Option<usize>| {
                let host = random.below(3) as usize;
                let mut tags: Vec<&str> = vec!["-"];
                if quiet.is_none() {
                    tags.extend(["A", "B", "C"].iter().filter(|_| random.chance(35)));
                }
                let partition = match (quiet, spread) {
                    (Some(partition), _) => partition,
                    (None, Spread::AtRandom) => random.below(sources as u64) as usize,
                    (None, Spread::ByHost) => host % sources,
                };
                let lag = match random.chance(percent_late) {
                    true => 12_000,
                    false => random.between(0, LATENESS * 1_000 - 501),
                };
                let payload = serde_json::json!({
                    "@timestamp": at(event_time).to_string(),
                    "event": {"category": "test", "id": format!("e{number}"), "sequence": number},
                    "host": {"id": format!("h{host}")},
                    "user": {"name": format!("u{}", random.below(3)),
                             "target": {"name": format!("u{}", random.below(3))}},
                    "tags": tags,
                })
                .to_string();
                let appended = event_time + lag;
                events.push(Event { partition, event_time, appended, read: 0, number, payload });
            };
        let mut number = 0;
        for second in 0..seconds {
            for _ in 0..random.below(4) {
                let event_time = second * 1_000 + random.between(0, 999);
                add(random, number, event_time, None);
                number += 1;
            }
            // Every partition lives.
            for partition in 0..sources {
                add(random, number, second * 1_000, Some(partition));
                number += 1;
            }
        }
        // Some are delivered twice, perhaps through another partition.
        let repeats = random.chance(60);
        for index in 0..events.len() {
            if repeats && random.chance(5) {
                let mut again = events[index].clone();
                again.appended += random.between(0, 500);
                if spread == Spread::AtRandom {
                    again.partition = random.below(sources as u64) as usize;
                }
                events.push(again);
            }
        }
        for (index, event) in events.iter_mut().enumerate() {
            // No two at the same time: which of them comes first would be left to chance.
            event.appended = event.appended / 400 * 400 + index as i64;
            assert!(index < 400);
            let (start, speed) = speeds[event.partition];
            event.read = start + event.appended * speed / 1_000;
        }
        events.sort_by_key(|event| (event.read, event.appended, event.number));
        let targets = random.between(1, 3) as i32;
        Self { sources, targets, events, append: random.chance(70), repeats }
    }

    fn options(&self, past: Past) -> Options {
        let rekey = Rekey {
            topic: TOPIC.into(),
            partitions: self.targets,
            idle_timeout: TimeSpan::from_secs(IDLE),
            max_record_bytes: 1 << 20,
        };
        let max_skew = TimeSpan::from_secs(10);
        Options { past, max_skew, rekey: Some(rekey), ..Options::default() }
    }

    /// What one detector finds that sees all events in their order.
    fn batch(&self, rules: &Arc<RuleSet>) -> BTreeSet<String> {
        let options = Options { past: Past::Nothing, ..Options::default() };
        let origin = Origin { topic: "all".into(), partition: 0 };
        let mut detector = Detector::new(Arc::clone(rules), origin, options);
        let mut events: Vec<&Event> = self.events.iter().collect();
        events.sort_by_key(|event| (event.event_time, event.number));
        for (offset, event) in (0..).zip(events) {
            let payload = Some(event.payload.as_bytes());
            detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
        }
        detector.finish();
        let found = taken(&mut detector).into_iter();
        // What a sample is made of depends on the order of arrival.
        found.filter(|id| !is_sample(id)).chain(self.samples(rules)).collect()
    }

    /// The samples that one detector finds to which all events come as they were appended.
    fn samples(&self, rules: &Arc<RuleSet>) -> Vec<String> {
        let options = Options { past: Past::Nothing, ..Options::default() };
        let origin = Origin { topic: "all".into(), partition: 0 };
        let mut detector = Detector::new(Arc::clone(rules), origin, options);
        let mut events: Vec<&Event> = self.events.iter().collect();
        events.sort_by_key(|event| event.appended);
        for (offset, event) in (0..).zip(events) {
            let (payload, stamp) = (Some(event.payload.as_bytes()), self.stamp(event));
            detector.on_record(&Record { offset, stamp, payload, source: None });
        }
        detector.finish();
        taken(&mut detector).into_iter().filter(|id| is_sample(id)).collect()
    }

    fn stamp(&self, event: &Event) -> Stamp {
        match self.append {
            true => Stamp::Append(at(event.appended)),
            false => Stamp::Create(at(event.appended)),
        }
    }
}

fn is_sample(id: &str) -> bool {
    id.starts_with("rule-10 ")
}

/// Takes the output of a detector; rule and alert's id of each finding.
fn taken(detector: &mut Detector) -> Vec<String> {
    let outputs = detector.take_outbox();
    ids(detector.rules(), outputs)
}

fn ids(rules: &RuleSet, outputs: Vec<Output>) -> Vec<String> {
    let id = |output| match output {
        Output::Finding(finding) => {
            let rule = &rules.rules()[finding.rule].metadata.id;
            Some(format!("{rule} {}", finding.id))
        }
        Output::DeadLetter(letter) => panic!("{letter:?}"),
        Output::Forward(_) | Output::Journal(_) => None,
    };
    outputs.into_iter().filter_map(id).collect()
}

/// How a run is disturbed.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// How often, in percent, a reader of the input dies after a record.
    crashes: u64,
    /// Whether what it had sent beyond its last cut stays.
    repeats: bool,
    /// How often a reader of re-keyed events dies after a record.
    late_crashes: u64,
}

/// What stands in one partition of the topic for re-keyed events.
#[derive(Clone, Debug)]
struct Sent {
    stamp: i64,
    forward: Forward,
}

/// One partition of the input and its detector.
struct Reader {
    origin: Origin,
    detector: Detector,
    committed: Option<Cut>,
    log: Vec<Event>,
    last_cut: i64,
}

impl Reader {
    fn new(rules: &Arc<RuleSet>, options: &Options, partition: usize) -> Self {
        let origin = Origin { topic: "input".into(), partition: partition as i32 };
        let detector = Detector::new(Arc::clone(rules), origin.clone(), options.clone());
        Self { origin, detector, committed: None, log: Vec::new(), last_cut: 0 }
    }

    fn feed(&mut self, world: &World, offset: usize) {
        let event = &self.log[offset];
        let stamp = world.stamp(event);
        let payload = Some(event.payload.as_bytes());
        self.detector.on_record(&Record { offset: offset as i64, stamp, payload, source: None });
    }

    /// Makes what there is durable.
    fn cut(&mut self, now: i64) -> Vec<Output> {
        self.last_cut = now;
        let Some(cut) = self.detector.cut() else { return Vec::new() };
        let outputs = self.detector.outbox()[..cut.outputs].to_vec();
        self.detector.accept(&cut);
        self.committed = Some(cut);
        outputs
    }

    fn restart(&mut self, world: &World, rules: &Arc<RuleSet>, options: &Options) {
        let (rules, origin) = (Arc::clone(rules), self.origin.clone());
        let Some(cut) = self.committed.clone() else {
            self.detector = Detector::new(rules, origin, options.clone());
            return (0..self.log.len()).for_each(|offset| self.feed(world, offset));
        };
        let (detector, complaint) =
            Detector::resume(rules, origin, options.clone(), cut.position, &cut.metadata);
        assert_eq!(complaint, None);
        self.detector = detector;
        let from = self.detector.read_from().unwrap() as usize;
        for offset in from..cut.position as usize {
            self.feed(world, offset);
        }
        assert!(self.detector.outbox().is_empty(), "a replay is silent");
        (cut.position as usize..self.log.len()).for_each(|offset| self.feed(world, offset));
    }
}

/// Reads the input; returns what stands in each partition of re-keyed events then, and the alerts.
fn first_half(
    random: &mut Random,
    world: &World,
    rules: &Arc<RuleSet>,
    options: &Options,
    trouble: Trouble,
) -> (Vec<Vec<Sent>>, Vec<String>) {
    let mut readers: Vec<Reader> =
        (0..world.sources).map(|partition| Reader::new(rules, options, partition)).collect();
    let mut logs = vec![Vec::new(); world.targets as usize];
    let mut alerts = Vec::new();
    let send = |outputs: Vec<Output>, stamp: i64, logs: &mut Vec<Vec<Sent>>| {
        for output in &outputs {
            if let Output::Forward(forward) = output {
                logs[forward.target as usize].push(Sent { stamp, forward: forward.clone() });
            }
        }
        ids(rules, outputs)
    };
    for event in &world.events {
        for reader in &mut readers {
            // Nothing waits for long.
            if event.read - reader.last_cut > 1_000 {
                alerts.extend(send(reader.cut(event.read), event.read, &mut logs));
            }
        }
        let reader = &mut readers[event.partition];
        reader.log.push(event.clone());
        reader.feed(world, reader.log.len() - 1);
        if random.chance(trouble.crashes) {
            if trouble.repeats {
                alerts.extend(send(reader.detector.take_outbox(), event.read, &mut logs));
            }
            reader.restart(world, rules, options);
        }
        if random.chance(60) {
            alerts.extend(send(reader.cut(event.read), event.read, &mut logs));
        }
    }
    let last = world.events.last().map_or(0, |event| event.read);
    for reader in &mut readers {
        alerts.extend(send(reader.cut(last), last, &mut logs));
        reader.detector.finish();
        alerts.extend(taken(&mut reader.detector));
    }
    (logs, alerts)
}

/// What happens to a partition of re-keyed events.
#[derive(Clone, Debug)]
enum Step {
    Sent(Sent),
    Idle(i64),
}

fn apply(detector: &mut Detector, offset: usize, step: &Step) {
    match step {
        Step::Idle(millis) => detector.advance_idle(TimeSpan::from_millis(*millis)),
        Step::Sent(Sent { stamp, forward }) => {
            let header = |name: &str| {
                forward
                    .headers
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.as_str())
            };
            let source = Source::read(header);
            assert!(source.is_some(), "{forward:?}");
            let payload = forward.value.as_deref();
            let stamp = Stamp::Append(at(*stamp));
            detector.on_record(&Record { offset: offset as i64, stamp, payload, source });
        }
    }
}

/// Reads one partition of re-keyed events, with crashes; the alerts that became durable.
fn second_half(
    random: &mut Random,
    rules: &Arc<RuleSet>,
    options: &Options,
    partition: usize,
    steps: &[Step],
    trouble: Trouble,
) -> Vec<String> {
    let origin = Origin { topic: TOPIC.into(), partition: partition as i32 };
    let new = || Detector::new(Arc::clone(rules), origin.clone(), options.clone());
    let mut detector = new();
    let mut committed: Option<Cut> = None;
    let (mut alerts, mut offset) = (Vec::new(), 0);
    while offset < steps.len() {
        apply(&mut detector, offset, &steps[offset]);
        offset += 1;
        if random.chance(40)
            && let Some(cut) = detector.cut()
        {
            assert!(cut.metadata.len() < 4_096 && cut.metadata.is_ascii());
            alerts.extend(ids(detector.rules(), detector.outbox()[..cut.outputs].to_vec()));
            detector.accept(&cut);
            committed = Some(cut);
        }
        if random.chance(trouble.late_crashes) {
            (detector, offset) = match &committed {
                None => (new(), 0),
                Some(cut) => resume(rules, options, &origin, steps, cut),
            };
        }
    }
    detector.finish();
    alerts.extend(taken(&mut detector));
    alerts
}

fn resume(
    rules: &Arc<RuleSet>,
    options: &Options,
    origin: &Origin,
    steps: &[Step],
    cut: &Cut,
) -> (Detector, usize) {
    let (mut detector, complaint) = Detector::resume(
        Arc::clone(rules),
        origin.clone(),
        options.clone(),
        cut.position,
        &cut.metadata,
    );
    assert_eq!(complaint, None);
    let from = detector.read_from().unwrap() as usize;
    for (offset, step) in steps.iter().enumerate().take(cut.position as usize).skip(from) {
        if let Step::Sent(_) = step {
            apply(&mut detector, offset, step);
        }
    }
    assert_eq!(taken(&mut detector), Vec::<String>::new(), "a replay is silent");
    (detector, cut.position as usize)
}

/// Everything that is found through both halves.
fn found(
    random: &mut Random,
    world: &World,
    rules: &Arc<RuleSet>,
    trouble: Trouble,
) -> Vec<String> {
    let options = world.options(Past::Nothing);
    let (logs, mut alerts) = first_half(random, world, rules, &options, trouble);
    for (partition, log) in logs.into_iter().enumerate() {
        let steps: Vec<Step> = log.into_iter().map(Step::Sent).collect();
        alerts.extend(second_half(random, rules, &options, partition, &steps, trouble));
    }
    alerts
}

fn check_exact(seed: u64, rules: &Arc<RuleSet>, spread: Spread, trouble: Trouble) -> usize {
    let random = &mut Random::new(seed);
    let world = World::random(random, spread, 0);
    let expected = world.batch(rules);
    let alerts = found(random, &world, rules, trouble);
    let found: BTreeSet<String> = alerts.iter().cloned().collect();
    // A second delivery may come first, and then stands where it was appended: that samples show.
    let is_judged = |id: &&String| !is_sample(id) || (world.append && !world.repeats);
    let different: Vec<&String> = found.symmetric_difference(&expected).filter(is_judged).collect();
    assert!(different.is_empty(), "seed {seed}, {trouble:?}: {different:?}: {world:#?}");
    if !trouble.repeats {
        assert_eq!(alerts.len(), found.len(), "seed {seed}, {trouble:?}: each comes once");
    }
    expected.len()
}

#[test]
fn spread_events_give_exactly_what_one_partition_gives() {
    let rules = rule_set(Rekeying::All, "exact", "0s", 0..RULES.len());
    let sum: usize = (0..cases(1_000))
        .map(|seed| check_exact(seed, &rules, Spread::AtRandom, Trouble::default()))
        .sum();
    assert!(sum > 10_000, "only {sum} alerts to judge by");
}

#[test]
fn crashes_on_both_sides_change_nothing() {
    let rules = rule_set(Rekeying::All, "exact", "0s", 0..RULES.len());
    let trouble = Trouble { crashes: 6, repeats: false, late_crashes: 4 };
    for seed in 0..cases(500) {
        check_exact(seed, &rules, Spread::AtRandom, trouble);
    }
}

#[test]
fn what_is_forwarded_twice_is_found_once() {
    let rules = rule_set(Rekeying::All, "exact", "0s", 0..RULES.len());
    let trouble = Trouble { crashes: 10, repeats: true, late_crashes: 0 };
    for seed in 0..cases(500) {
        check_exact(seed, &rules, Spread::AtRandom, trouble);
    }
}

#[test]
fn only_rules_with_other_keys_need_the_second_half() {
    let rules = rule_set(Rekeying::OtherKeys, "exact", "0s", 0..RULES.len());
    for (rule, (_, is_rekeyed)) in rules.rules().iter().zip(RULES) {
        assert_eq!(rule.is_rekeyed, is_rekeyed, "{}", rule.canonical);
    }
    let trouble = Trouble { crashes: 4, repeats: false, late_crashes: 4 };
    for seed in 0..cases(500) {
        check_exact(seed, &rules, Spread::ByHost, trouble);
    }
}

#[test]
fn eager_finds_at_least_what_exact_finds() {
    let without_absence = [0, 1, 2, 3, 4, 8, 9, 10, 11, 12];
    let eager = rule_set(Rekeying::All, "eager", "0s", without_absence);
    let exact = rule_set(Rekeying::All, "exact", "0s", without_absence);
    for seed in 0..cases(500) {
        let random = &mut Random::new(seed);
        let world = World::random(random, Spread::AtRandom, 0);
        let found: BTreeSet<String> =
            found(random, &world, &eager, Trouble::default()).into_iter().collect();
        let expected: BTreeSet<String> = world.batch(&exact);
        let missing: Vec<&String> =
            expected.difference(&found).filter(|id| !is_sample(id)).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}: {world:#?}");
    }
}

/// Restarts at a random cut, with late events, idle time and an unseen past.
#[test]
fn a_restart_changes_nothing() {
    let mut count = 0;
    for seed in 0..cases(750) {
        let random = &mut Random::new(seed);
        let rules =
            rule_set(Rekeying::All, ["eager", "exact"][seed as usize % 2], "0s", 0..RULES.len());
        let world = World::random(random, Spread::AtRandom, if seed % 3 == 0 { 20 } else { 0 });
        let options = world.options(Past::Unseen);
        let (logs, _) = first_half(random, &world, &rules, &options, Trouble::default());
        for (partition, log) in logs.into_iter().enumerate() {
            let steps = with_idle_time(random, log);
            let cuts: BTreeSet<usize> = (0..random.between(1, 4))
                .map(|_| random.below(steps.len().max(1) as u64) as usize)
                .collect();
            let run = |cuts: &BTreeSet<usize>| by_step(&rules, &options, partition, &steps, cuts);
            let expected = run(&BTreeSet::new());
            count += expected.iter().map(BTreeSet::len).sum::<usize>();
            let interrupted = run(&cuts);
            for (offset, (expected, found)) in expected.iter().zip(&interrupted).enumerate() {
                assert_eq!(
                    expected, found,
                    "seed {seed}, cuts {cuts:?}, step {offset}: {steps:#?}"
                );
            }
        }
    }
    assert!(count > 2_000, "only {count} alerts to judge by");
}

fn with_idle_time(random: &mut Random, log: Vec<Sent>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut later = 0;
    for mut sent in log {
        let mut idle = 0;
        while random.chance(5) {
            idle += random.between(500, IDLE * 1_500);
            steps.push(Step::Idle(idle));
        }
        later += idle;
        sent.stamp += later;
        steps.push(Step::Sent(sent));
    }
    steps.push(Step::Idle(IDLE * 1_200));
    steps.push(Step::Idle(IDLE * 4_000));
    steps
}

/// The alerts, whole, by step; with restarts before the steps in `cuts`.
fn by_step(
    rules: &Arc<RuleSet>,
    options: &Options,
    partition: usize,
    steps: &[Step],
    cuts: &BTreeSet<usize>,
) -> Vec<BTreeSet<String>> {
    let origin = Origin { topic: TOPIC.into(), partition: partition as i32 };
    let mut detector = Detector::new(Arc::clone(rules), origin.clone(), options.clone());
    let mut found = Vec::new();
    for (offset, step) in steps.iter().enumerate() {
        if let Some(cut) = cuts.get(&offset).and_then(|_| detector.cut()) {
            (detector, _) = resume(rules, options, &origin, steps, &cut);
        }
        apply(&mut detector, offset, step);
        found.push(texts(&mut detector, &origin));
    }
    found
}

fn texts(detector: &mut Detector, origin: &Origin) -> BTreeSet<String> {
    let outputs = detector.take_outbox();
    let text = |output| match output {
        Output::Finding(finding) => {
            let alert = alert_of(detector.rules(), origin, &finding);
            String::from_utf8(alert.value).unwrap()
        }
        other => panic!("{other:?}"),
    };
    outputs.into_iter().map(text).collect()
}

/// A user acts on two hosts whose partitions are read hours apart.
#[test]
fn a_source_two_hours_behind_loses_nothing() {
    for emit in ["exact", "eager"] {
        let rules = rule_set(Rekeying::OtherKeys, emit, "0s", [1, 5, 10]);
        let mut events = Vec::new();
        let mut add = |partition: usize, second: i64| {
            let acts = second >= 0 && second % 600 == 100 + 2 * partition as i64;
            let tag = if acts { ["A", "B"][partition] } else { "-" };
            let number = events.len();
            let payload = serde_json::json!({
                "@timestamp": at(second * 1_000).to_string(),
                "event": {"category": "test", "id": format!("e{number}")},
                "host": {"id": format!("h{partition}")},
                "user": {"name": format!("u{}", second / 600)},
                "tags": [tag],
            })
            .to_string();
            let (event_time, appended) = (second * 1_000, second * 1_000 + 50);
            let read = appended + [0, 7_200_000][partition];
            events.push(Event { partition, event_time, appended, read, number, payload });
        };
        (0..7_200).step_by(2).for_each(|second| add(0, second));
        (-7_200..7_200).step_by(2).for_each(|second| add(1, second));
        events.sort_by_key(|event| event.read);
        let world = World { sources: 2, targets: 2, events, append: true, repeats: false };
        let random = &mut Random::new(7);
        let found = found(random, &world, &rules, Trouble::default());
        let of = |rule: &str| found.iter().filter(|id| id.starts_with(rule)).count();
        assert_eq!((of("rule-1 "), of("rule-5 "), of("rule-10 ")), (12, 12, 12), "{emit}");
    }
}

fn detector_of(rules: &Arc<RuleSet>, topic: &str, partition: i32, partitions: i32) -> Detector {
    let rekey = Rekey {
        topic: TOPIC.into(),
        partitions,
        idle_timeout: TimeSpan::from_secs(IDLE),
        max_record_bytes: 200,
    };
    let options = Options { rekey: Some(rekey), ..Options::default() };
    Detector::new(Arc::clone(rules), Origin { topic: topic.into(), partition }, options)
}

#[test]
fn what_cannot_be_rekeyed_is_a_dead_letter() {
    let rules = rule_set(Rekeying::All, "eager", "0s", [1]);
    let mut sender = detector_of(&rules, "input", 7, 1);
    let event = |padding: usize| {
        format!(
            r#"{{"@timestamp":"2024-01-01T00:00:00Z","user":{{"name":"u"}},"tags":"A","x":"{}"}}"#,
            "x".repeat(padding)
        )
    };
    let mut receiver = detector_of(&rules, TOPIC, 0, 1);
    for (offset, event) in [event(0), event(300)].iter().enumerate() {
        let record = Record {
            offset: offset as i64,
            stamp: Stamp::Append(at(0)),
            payload: Some(event.as_bytes()),
            source: None,
        };
        sender.on_record(&record);
        // Somebody else writes to the topic.
        receiver.on_record(&record);
    }
    let letters = |outputs: Vec<Output>| -> Vec<(&str, i64)> {
        let letter = |output| match output {
            Output::DeadLetter(letter) => Some((letter.reason, letter.offset)),
            _ => None,
        };
        outputs.into_iter().filter_map(letter).collect()
    };
    let sent = sender.take_outbox();
    assert!(matches!(&sent[0], Output::Forward(forward) if forward.key == b"u"), "{sent:?}");
    assert_eq!(letters(sent), [("too_large", 1)]);
    assert_eq!(letters(receiver.take_outbox()), [("no_source", 0), ("no_source", 1)]);
}

/// Senders that know another size of the topic: each key is still taken in one place.
#[test]
fn senders_that_disagree_about_the_topic_lose_nothing() {
    let rules = rule_set(Rekeying::All, "eager", "0s", [11]);
    for partitions in 1..20 {
        let mut sender = detector_of(&rules, "input", 0, partitions);
        let event = r#"{"@timestamp":"2024-01-01T00:00:00Z","host":{"id":"h"},"tags":["A","B"]}"#;
        let (stamp, payload) = (Stamp::Append(at(0)), Some(event.as_bytes()));
        sender.on_record(&Record { offset: 0, stamp, payload, source: None });
        let sent = sender.take_outbox();
        let [Output::Forward(forward)] = &sent[..] else { panic!("{sent:?}") };
        let alerts = (0..20).map(|partition| {
            let mut receiver = detector_of(&rules, TOPIC, partition, 7);
            let stamp = 0;
            apply(&mut receiver, 0, &Step::Sent(Sent { stamp, forward: forward.clone() }));
            receiver.take_outbox().len()
        });
        assert_eq!(alerts.sum::<usize>(), 1, "{partitions} partitions");
    }
}

#[test]
fn key_has_one_home_that_does_not_change() {
    let key = |parts: &[Option<&str>]| JoinKey::new(parts.iter().map(|part| part.map(Into::into)));
    // Written down from an independent computation: other numbers would split what is under way.
    let homes: BTreeMap<&str, i32> = [
        ("none", target_of(&JoinKey::none(), 1_000)),
        ("null", target_of(&key(&[None]), 1_000)),
        ("empty", target_of(&key(&[Some("")]), 1_000)),
        ("alice", target_of(&key(&[Some("alice")]), 1_000)),
        ("two", target_of(&key(&[Some("alice"), None]), 1_000)),
    ]
    .into();
    let expected = [("none", 613), ("null", 351), ("empty", 812), ("alice", 20), ("two", 732)];
    assert_eq!(homes, expected.into());
}
