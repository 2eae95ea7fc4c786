//! Rules with a long maxspan are recovered from the journal: a restart at any point changes nothing
//! for them either, and the input is read back only as far as the other rules need it.
//!
//! Random streams as in `recovery.rs`; the rules are divided by their maxspan in a random place. The
//! journal has gaps, repeated entries, and what lives have left behind that ended before their commit.
//! A failing case prints its seed. `MAXSPAN_CASES=100` runs a hundred times as many.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use maxspan::detect::{Detector, Options, Output, Stamp};
use maxspan::event::TimeSpan;
use maxspan::rule::set::RuleSet;
use support::alerts::alert_of;
use support::random::{Random, cases, seeds, survey};
use support::streams::{
    RULES, Step, apply, at, options, origin, random_steps, random_steps_between, rule_set,
    rule_set_with, story,
};

/// (rule, alert) by the number of the step that gave it.
type Alerts = Vec<BTreeSet<(String, String)>>;

/// What is committed, and before which step.
#[derive(Clone, Default)]
struct Committed {
    step: usize,
    position: i64,
    metadata: String,
}

/// How the journal is written.
#[derive(Clone, Copy, PartialEq)]
enum Delivery {
    /// Together with the commit.
    Once,
    /// Before it, so that it may come twice and without it.
    AtLeastOnce,
}

struct World<'a> {
    random: Random,
    steps: &'a [Step],
    delivery: Delivery,
    /// Place and value of the entries of one partition.
    journal: Vec<(i64, Vec<u8>)>,
    /// Where the journal begins, and where it goes on.
    low: i64,
    next: i64,
    committed: Committed,
    alerts: Alerts,
    restored: u64,
}

/// Rules, and from which maxspan on they use the journal.
type Life = (Arc<RuleSet>, Option<i64>);

fn options_of(beyond: Option<i64>) -> Options {
    Options { journal_beyond: beyond.map(TimeSpan::from_secs), ..options() }
}

impl World<'_> {
    fn start(&mut self, (rules, beyond): &Life) -> Detector {
        let Committed { step, position, metadata } = &self.committed;
        let options = options_of(*beyond);
        let (mut detector, complaint) =
            Detector::resume(Arc::clone(rules), origin(), options, *position, metadata);
        assert_eq!(complaint, None);
        if let Some(from) = detector.journal_from() {
            assert!(detector.awaits_journal() && detector.is_replaying());
            if self.low > from {
                detector.on_journal_lost();
            }
            for (at, value) in self.journal.iter().filter(|(at, _)| *at >= from) {
                detector.on_journal(*at, value);
            }
        }
        if detector.awaits_journal() {
            detector.on_journal_end(self.next);
        }
        let from = detector.read_from().unwrap() as usize;
        for (offset, step) in self.steps.iter().enumerate().take(*position as usize).skip(from) {
            if let Step::Record { .. } = step {
                apply(&mut detector, offset, step);
            }
        }
        assert!(detector.outbox().is_empty(), "what is restored is silent");
        self.alerts.truncate(*step);
        detector
    }

    /// Writes entries to the journal.
    fn write<'o>(&mut self, outputs: impl IntoIterator<Item = &'o Output>) {
        for output in outputs {
            if let Output::Journal(record) = output {
                for _ in 0..if self.repeats() { 2 } else { 1 } {
                    self.journal.push((self.next, record.value.to_vec()));
                    self.next += 1;
                }
            }
        }
        // Markers of transactions take places too.
        self.next += self.random.between(0, 2);
    }

    fn repeats(&mut self) -> bool {
        self.delivery == Delivery::AtLeastOnce && self.random.chance(10)
    }

    fn commit(&mut self, detector: &mut Detector, step: usize) {
        let Some(cut) = detector.cut() else { return };
        assert!(cut.metadata.len() < 4_096 && cut.metadata.is_ascii());
        self.write(&detector.outbox()[..cut.outputs].to_vec());
        detector.accept(&cut);
        detector.on_journal_reached(self.next);
        assert!(detector.outbox().is_empty());
        self.committed = Committed { step, position: cut.position, metadata: cut.metadata };
    }

    /// The life ends: with at-least-once delivery some of what it has done is left behind, and
    /// even idle time that nobody else has waited for.
    fn crash(&mut self, detector: &mut Detector) {
        if self.delivery == Delivery::Once {
            return;
        }
        if self.random.chance(30) && detector.position().is_some() {
            detector.advance_idle(TimeSpan::from_secs(self.random.between(1, 40)));
        }
        let outputs = detector.outbox().to_vec();
        let written = self.random.below(outputs.len() as u64 + 1) as usize;
        self.write(&outputs[..written]);
    }

    /// Does all steps, with commits and crashes in between.
    fn run(&mut self, lives: &[Life]) {
        let mut lives = lives.iter().cycle();
        let mut life = lives.next().unwrap();
        let mut detector = self.start(life);
        let mut step = 0;
        while step < self.steps.len() {
            if self.random.chance(40) {
                self.commit(&mut detector, step);
            }
            if self.random.chance(8) {
                self.crash(&mut detector);
                life = lives.next().unwrap();
                detector = self.start(life);
                self.restored += detector.take_stats().restored;
                step = self.committed.step;
                continue;
            }
            let before = detector.outbox().len();
            apply(&mut detector, step, &self.steps[step]);
            self.alerts.push(alerts(&detector, before));
            step += 1;
        }
    }
}

/// (rule, alert) of the findings in an outbox, from one of its items on.
fn alerts<C: FromIterator<(String, String)>>(detector: &Detector, from: usize) -> C {
    let written = |output: &Output| {
        let Output::Finding(finding) = output else { return None };
        let alert = alert_of(detector.rules(), &origin(), finding);
        Some((alert.rule_id, String::from_utf8(alert.value).unwrap()))
    };
    detector.outbox()[from..].iter().filter_map(written).collect()
}

fn uninterrupted(rules: &Arc<RuleSet>, steps: &[Step]) -> Alerts {
    uninterrupted_in_lanes(rules, steps, None)
}

/// Runs all steps without a restart, with a journal for rules beyond so many seconds.
fn uninterrupted_in_lanes(rules: &Arc<RuleSet>, steps: &[Step], beyond: Option<i64>) -> Alerts {
    let mut detector = Detector::new(Arc::clone(rules), origin(), options_of(beyond));
    if detector.awaits_journal() {
        detector.on_journal_end(0);
    }
    let by_step = steps.iter().enumerate().map(|(offset, step)| {
        apply(&mut detector, offset, step);
        let found = alerts(&detector, 0);
        detector.take_outbox();
        found
    });
    by_step.collect()
}

fn world(seed: u64, steps: &[Step], delivery: Delivery) -> World<'_> {
    World {
        random: Random::new(seed ^ 0x5eed),
        steps,
        delivery,
        journal: Vec::new(),
        low: 7,
        next: 7,
        committed: Committed::default(),
        alerts: Vec::new(),
        restored: 0,
    }
}

/// (alerts, restored entries) of a case in which all lives have the same rules.
fn check(seed: u64, rules: &Arc<RuleSet>, percent_late: u64, delivery: Delivery) -> (usize, u64) {
    let random = &mut Random::new(seed);
    let steps = random_steps(random, percent_late);
    check_steps(seed, rules, random, &steps, delivery)
}

fn check_steps(
    seed: u64,
    rules: &Arc<RuleSet>,
    random: &mut Random,
    steps: &[Step],
    delivery: Delivery,
) -> (usize, u64) {
    let beyond = *random.pick(&[0, 3, 4, 4, 5, 6]);
    // On long streams with much idle time the input's lane has to wait for room to note more of it, and
    // the journal's has not: then each is compared with itself.
    let expected = match steps.len() {
        ..60 => uninterrupted(rules, steps),
        60.. => uninterrupted_in_lanes(rules, steps, Some(beyond)),
    };
    let mut world = world(seed, steps, delivery);
    world.run(&[(Arc::clone(rules), Some(beyond))]);
    compare(seed, &expected, &world.alerts, steps, &format!("beyond {beyond} s"));
    (expected.iter().map(BTreeSet::len).sum(), world.restored)
}

fn compare(seed: u64, expected: &Alerts, found: &Alerts, steps: &[Step], what: &str) {
    assert_eq!(expected.len(), found.len());
    for (offset, (expected, found)) in expected.iter().zip(found).enumerate() {
        assert!(
            expected == found,
            "seed {seed}, {what}, step {offset}:\nlost {:#?}\nnot expected {:#?}\n{}",
            expected.difference(found).collect::<Vec<_>>(),
            found.difference(expected).collect::<Vec<_>>(),
            story(steps)
        );
    }
}

fn check_all(rules: &Arc<RuleSet>, count: u64, percent_late: u64, delivery: Delivery) {
    let (alerts, restored) =
        survey(count, |seed| check(seed, rules, percent_late, delivery), add_pairs);
    println!("{alerts} alerts, {restored} restored entries");
    let count = seeds(count).count();
    assert!(alerts > count * 2, "only {alerts} alerts to judge by");
    assert!(restored as usize > count * 3, "only {restored} entries were restored");
}

fn add_pairs(one: (usize, u64), other: (usize, u64)) -> (usize, u64) {
    (one.0 + other.0, one.1 + other.1)
}

#[test]
fn a_restart_changes_nothing() {
    check_all(&rule_set(0..RULES.len()), 4_000, 0, Delivery::Once);
}

#[test]
fn a_restart_changes_nothing_for_late_events() {
    check_all(&rule_set(0..RULES.len()), 4_000, 25, Delivery::Once);
}

/// So long that most of it lies before what a restart reads.
#[test]
fn a_restart_changes_nothing_late_in_a_stream() {
    let all = rule_set(0..RULES.len());
    let check = |seed| {
        let random = &mut Random::new(seed);
        let late = *random.pick(&[0, 25]);
        let delivery = *random.pick(&[Delivery::Once, Delivery::AtLeastOnce]);
        let steps = random_steps_between(random, late, 80, 160);
        check_steps(seed, &all, random, &steps, delivery)
    };
    let (alerts, restored) = survey(600, check, add_pairs);
    let count = seeds(600).count();
    assert!(alerts > count * 10 && restored as usize > count * 30, "{alerts}, {restored}");
}

#[test]
fn what_a_life_without_a_commit_has_left_behind_changes_nothing() {
    for percent_late in [0, 25] {
        check_all(&rule_set(0..RULES.len()), 2_000, percent_late, Delivery::AtLeastOnce);
    }
}

#[test]
fn a_restart_changes_nothing_where_alerts_are_suppressed() {
    let suppression = |index| match index % 3 {
        0 => "suppression = { group_by = ['host.id'], duration = '7s' }",
        1 => "suppression = { duration = '1m' }",
        _ => "suppression = { group_by = ['nowhere', 'tags'], duration = '40s' }",
    };
    let all = rule_set_with(0..RULES.len(), suppression);
    for percent_late in [0, 25] {
        check_all(&all, 1_000, percent_late, Delivery::Once);
    }
}

/// Rules come and go, and the border between the lanes moves; a rule that stays where it is must not
/// notice.
#[test]
fn a_change_of_the_rules_changes_nothing_for_those_that_stay() {
    let mut found = 0;
    for seed in 0..cases(600) {
        let random = &mut Random::new(seed);
        let late = *random.pick(&[0, 25]);
        let steps = random_steps(random, late);
        let stays: BTreeSet<usize> =
            (0..3).map(|_| random.below(RULES.len() as u64) as usize).collect();
        let lives: Vec<Life> = (0..random.between(2, 4))
            .map(|_| {
                let others = (0..RULES.len()).filter(|_| random.chance(50));
                // Rules with 5 s and more stay in the one lane, those with 4 s and less in the other.
                (rule_set(others.chain(stays.iter().copied()).collect::<BTreeSet<_>>()), Some(4))
            })
            .collect();
        let expected = uninterrupted(&rule_set(stays.iter().copied()), &steps);
        let delivery = *random.pick(&[Delivery::Once, Delivery::AtLeastOnce]);
        let mut world = world(seed, &steps, delivery);
        world.run(&lives);
        let ids: BTreeSet<String> = stays.iter().map(|rule| format!("rule-{rule}")).collect();
        for alerts in &mut world.alerts {
            alerts.retain(|(rule, _)| ids.contains(rule));
        }
        compare(seed, &expected, &world.alerts, &steps, &format!("rules {stays:?} stay"));
        found += expected.iter().map(BTreeSet::len).sum::<usize>();
    }
    assert!(found as u64 > cases(600), "only {found} alerts to judge by");
}

/// The parts of the metadata by name.
fn parts(metadata: &str) -> BTreeMap<&str, &str> {
    metadata.split(';').filter_map(|part| part.split_once('=')).collect()
}

#[test]
fn the_input_is_read_back_only_for_the_rules_that_need_it() {
    let all = rule_set(0..RULES.len());
    let short = rule_set((0..RULES.len()).filter(|rule| matches!(rule, 2 | 4..=8)));
    let mut earlier = 0;
    for seed in 0..cases(1_000) {
        let random = &mut Random::new(seed);
        let steps = random_steps(random, 25);
        let mut worlds = [&all, &short].map(|_| world(seed, &steps, Delivery::Once));
        let mut whole = Detector::new(Arc::clone(&all), origin(), options());
        let lives = [(Arc::clone(&all), Some(4)), (Arc::clone(&short), Some(4))];
        let mut pair: Vec<Detector> =
            worlds.iter_mut().zip(&lives).map(|(world, life)| world.start(life)).collect();
        for (offset, step) in steps.iter().enumerate() {
            apply(&mut whole, offset, step);
            for (world, detector) in worlds.iter_mut().zip(&mut pair) {
                apply(detector, offset, step);
                world.commit(detector, offset + 1);
            }
            if random.chance(10) {
                for ((world, detector), life) in worlds.iter_mut().zip(&mut pair).zip(&lives) {
                    *detector = world.start(life);
                }
            }
            let [both, alone] = worlds.each_ref().map(|world| parts(&world.committed.metadata));
            for part in ["r", "c", "p", "k", "step", "idle", "rules"] {
                assert_eq!(both.get(part), alone.get(part), "seed {seed}, step {offset}: {part}");
            }
            let whole = whole.cut().map(|cut| cut.metadata).unwrap_or_default();
            let start =
                |parts: &BTreeMap<&str, &str>| parts.get("r").and_then(|r| r.parse::<i64>().ok());
            assert!(start(&parts(&whole)) <= start(&both));
            earlier += u64::from(start(&parts(&whole)) < start(&both));
        }
    }
    assert!(
        earlier * 10 > cases(1_000),
        "without a journal it was read from as far back: {earlier}"
    );
}

/// A record of host `h` with a tag, stamped by the broker.
fn record(id: usize, seconds: i64, tag: &str) -> Step {
    let payload = serde_json::json!({
        "@timestamp": at(seconds).to_string(),
        "event": {"category": "test", "id": id.to_string()},
        "host": {"id": "h"},
        "tags": [tag],
    });
    Step::Record { stamp: Stamp::Append(at(seconds)), payload: payload.to_string() }
}

fn records(tags: &[(&str, i64)]) -> Vec<Step> {
    tags.iter().enumerate().map(|(id, (tag, seconds))| record(id, *seconds, tag)).collect()
}

/// Does the steps; before each of those in `restarts` everything is committed, and another life
/// begins after `damage` has been done to the journal. The steps that gave an alert.
fn run(
    steps: &[Step],
    rule: usize,
    restarts: &[(usize, Option<i64>)],
    damage: impl Fn(&mut World<'_>),
) -> Vec<usize> {
    let rules = rule_set([rule]);
    let mut world = world(0, steps, Delivery::Once);
    let mut detector = world.start(&(Arc::clone(&rules), Some(4)));
    let mut found = Vec::new();
    for (offset, step) in steps.iter().enumerate() {
        if let Some((_, beyond)) = restarts.iter().find(|(at, _)| *at == offset) {
            world.commit(&mut detector, offset);
            damage(&mut world);
            detector = world.start(&(Arc::clone(&rules), *beyond));
        }
        let before = detector.outbox().len();
        apply(&mut detector, offset, step);
        found.extend(alerts::<Vec<_>>(&detector, before).into_iter().map(|_| offset));
    }
    found
}

#[test]
fn a_rule_that_changes_lanes_starts_anew() {
    let steps = records(&[("A", 0), ("-", 1), ("B", 2), ("A", 3), ("B", 4)]);
    let none = |_: &mut World<'_>| {};
    assert_eq!(run(&steps, 0, &[(2, Some(4))], none), [2, 4]);
    assert_eq!(run(&steps, 0, &[(2, Some(9))], none), [4]);
    assert_eq!(run(&steps, 0, &[(2, None)], none), [4]);
    assert_eq!(run(&steps, 0, &[(1, None), (2, Some(4))], none), [4]);
}

#[test]
fn a_rule_that_is_new_before_the_first_record_has_not_seen_the_past() {
    // Its absence looks back beyond the first record.
    let steps = records(&[("A", 0), ("B", 1), ("-", 6), ("-", 60)]);
    for beyond in [None, Some(4)] {
        let mut world = world(0, &steps, Delivery::Once);
        let mut detector = world.start(&(rule_set([0, 4]), beyond));
        world.commit(&mut detector, 0);
        assert_eq!(world.committed.position, 0);
        let mut detector = world.start(&(rule_set([0, 4, 6, 10]), beyond));
        for (offset, step) in steps.iter().enumerate() {
            apply(&mut detector, offset, step);
        }
        let found: Vec<_> = alerts::<Vec<_>>(&detector, 0).into_iter().map(|(id, _)| id).collect();
        assert_eq!(found, ["rule-0"]);
    }
}

#[test]
fn an_older_version_does_not_mistake_the_metadata_for_its_own() {
    let steps = records(&[("A", 0), ("-", 1)]);
    for rule in [0, 2] {
        let mut world = world(0, &steps, Delivery::Once);
        let mut detector = world.start(&(rule_set([rule]), Some(4)));
        apply(&mut detector, 0, &steps[0]);
        world.commit(&mut detector, 1);
        // Earlier versions read `maxspan1` and `maxspan2`. Any other number is a newer format to
        // them, with which they start empty at the committed offset.
        assert!(world.committed.metadata.starts_with("maxspan3;"), "{}", world.committed.metadata);
    }
}

/// What the two earlier versions have committed is taken up, with their own start, in either lane.
#[test]
fn what_earlier_versions_have_committed_is_taken_up() {
    let zero = at(0).nanos();
    let input =
        format!("cut=3;own=me;t={zero};s=0;r=0;c=-;step=-;idle=;seen={zero};rules=1a2b3c4d");
    let journal = format!(";j=7;jt={zero};js=0;jr=0;jidle=;jseen={zero};jrules=5e6f7a8b");
    // The one rule is rebuilt from the input, the other one from the journal.
    for (rule, tags, metadata) in [
        (2, ["A", "B", "C"], format!("maxspan1;{input}")),
        (0, ["A", "-", "B"], format!("maxspan2;{input}{journal}")),
    ] {
        let steps = records(&[(tags[0], 0), (tags[1], 1), (tags[2], 2)]);
        let rules = rule_set([rule]);
        let mut world = world(0, &steps, Delivery::Once);
        let life = (Arc::clone(&rules), Some(4));
        let mut detector = world.start(&life);
        for (offset, step) in steps[..2].iter().enumerate() {
            apply(&mut detector, offset, step);
            world.alerts.push(BTreeSet::new());
        }
        world.commit(&mut detector, 2);
        world.committed.metadata = metadata;
        let mut detector = world.start(&life);
        apply(&mut detector, 2, &steps[2]);
        let found: Vec<_> = alerts::<Vec<_>>(&detector, 0).into_iter().map(|(id, _)| id).collect();
        assert_eq!(found, [format!("rule-{rule}")]);
        assert!(detector.cut().unwrap().metadata.starts_with("maxspan3;"));
    }
}

#[test]
fn what_is_gone_from_the_journal_is_as_if_it_had_not_been_seen() {
    let run = |steps: &[Step], rule: usize, lost: usize| {
        let damage = |world: &mut World<'_>| {
            world.journal.drain(..lost);
            world.low = world.journal.first().map_or(world.next, |(at, _)| *at);
        };
        run(steps, rule, &[(steps.len() - 1, Some(4))], damage)
    };
    // A sequence whose beginning is gone is not found, one that begins later is.
    let steps = records(&[("A", 0), ("A", 9), ("A", 14), ("B", 15)]);
    assert_eq!(run(&steps, 0, 0), [3]);
    assert_eq!(run(&steps, 0, 1), [3]);
    assert_eq!(run(&steps, 0, 2), [3]);
    assert_eq!(run(&steps, 0, 3), Vec::<usize>::new());
    // An absence that looks back beyond what is known is not decided.
    let steps = records(&[("C", 0), ("A", 19), ("A", 34), ("B", 35), ("-", 45)]);
    assert_eq!(run(&steps, 10, 0), [4]);
    assert_eq!(run(&steps, 10, 2), Vec::<usize>::new());
}

#[test]
fn an_event_that_is_too_large_for_the_journal_is_counted() {
    let steps = records(&[("A", 0), ("B", 1)]);
    let options = Options { max_alert_bytes: 100, ..options_of(Some(4)) };
    let (mut detector, _) = Detector::resume(rule_set([0]), origin(), options, 0, "");
    detector.on_journal_end(0);
    for (offset, step) in steps.iter().enumerate() {
        apply(&mut detector, offset, step);
    }
    assert_eq!(detector.take_stats().unkept_entries, 2);
    let entries = detector.outbox().iter().filter_map(|output| match output {
        Output::Journal(record) => Some(record.value.len()),
        _ => None,
    });
    assert_eq!(entries.filter(|length| *length < 100).count(), 2);
}

#[test]
fn what_is_no_entry_is_counted_and_passed() {
    let (mut detector, _) = Detector::resume(rule_set([0]), origin(), options_of(Some(4)), 0, "");
    for junk in [&b""[..], b"junk", b"\x01\xff\xff\xff\xff\xff"] {
        detector.on_journal(3, junk);
    }
    detector.on_journal_end(9);
    assert_eq!(detector.take_stats().unreadable_entries, 3);
    assert!(!detector.is_replaying());
}
