//! Exactly once, simulated: detectors and the transaction protocol against made-up brokers.
//!
//! Two instances (sometimes a third with a name that is taken) share three partitions. Between any
//! two steps an instance may die, sleep past its session, lose or get partitions; requests and
//! answers get lost, commits arrive late, brokers give old transactions up. What is visible in the
//! end must be, item by item, what one instance without any trouble gives. In every second schedule
//! the rules with the longer maxspans are recovered from a journal. A failing schedule prints its
//! seed. `MAXSPAN_CASES=100` runs a hundred times as many, `MAXSPAN_SEEDS=7..9` those two.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use maxspan::alert::{Format, Message, Renderer};
use maxspan::detect::{Detector, Options, Origin};
use maxspan::event::TimeSpan;
use maxspan::rule::set::RuleSet;
use maxspan::transaction::{Answer, Bundle, Outcome, Pending, Step as Todo, Transactions};
use support::random::{Random, seeds, survey};
use support::streams::{RULES, Step, apply, options, random_steps, rule_set, story};

const PARTITIONS: usize = 3;
/// After how many milliseconds the brokers give a transaction up.
const TIMEOUT: i64 = 10_000;

type Offsets = BTreeMap<usize, (i64, String)>;

/// Entries of one partition of the journal, each with its place.
type Journal = BTreeMap<i64, Arc<[u8]>>;

/// What is written to the brokers.
enum Item {
    Visible(String),
    Entry(usize, Arc<[u8]>),
}

/// What the brokers keep.
#[derive(Default)]
struct Brokers {
    /// What whoever reads only what is committed sees.
    visible: Vec<String>,
    /// By partition: what is committed of the journal, and the next place.
    journal: BTreeMap<usize, (Journal, i64)>,
    offsets: Offsets,
    /// By transactional id.
    producers: BTreeMap<usize, Coordinated>,
    generation: i32,
    /// By partition, the member that owns it.
    assignment: BTreeMap<usize, u32>,
    members: BTreeSet<u32>,
    /// Commits that are on their way: (transactional id, epoch).
    late_commits: Vec<(usize, u32)>,
}

/// What a coordinator knows of one transactional id.
#[derive(Default)]
struct Coordinated {
    epoch: u32,
    open: Option<Open>,
    /// Whether the last transaction of this epoch was committed.
    was_committed: bool,
}

#[derive(Default)]
struct Open {
    began: i64,
    outputs: Vec<String>,
    entries: Vec<(usize, i64, Arc<[u8]>)>,
    offsets: Offsets,
}

impl Brokers {
    /// A new producer takes the id over: what is open is aborted.
    fn open(&mut self, id: usize) -> u32 {
        let producer = self.producers.entry(id).or_default();
        *producer = Coordinated { epoch: producer.epoch + 1, ..Coordinated::default() };
        producer.epoch
    }

    fn producer(&mut self, id: usize, epoch: u32) -> Result<&mut Coordinated, Answer> {
        let producer = self.producers.entry(id).or_default();
        if producer.epoch == epoch { Ok(producer) } else { Err(Answer::Fenced) }
    }

    /// Returns the partition and the place of an entry of the journal.
    fn write(
        &mut self,
        id: usize,
        epoch: u32,
        now: i64,
        item: &Item,
    ) -> Result<Option<(usize, i64)>, Answer> {
        self.producer(id, epoch)?;
        let place = match item {
            Item::Visible(_) => None,
            Item::Entry(partition, _) => {
                let (_, next) = self.journal.entry(*partition).or_default();
                *next += 1;
                Some((*partition, *next - 1))
            }
        };
        let producer = self.producer(id, epoch)?;
        producer.was_committed = false;
        let open = producer.open.get_or_insert_with(|| Open { began: now, ..Open::default() });
        match (item, place) {
            (Item::Entry(_, value), Some((partition, place))) => {
                open.entries.push((partition, place, Arc::clone(value)));
            }
            (Item::Visible(text), _) => open.outputs.push(text.clone()),
            (Item::Entry(..), None) => unreachable!("an entry has a place"),
        }
        Ok(place)
    }

    /// Takes offsets in the name of a member; of none in no generation, as old clients send them.
    fn add_offsets(
        &mut self,
        (id, epoch): (usize, u32),
        member: Option<(u32, i32)>,
        now: i64,
        offsets: Offsets,
    ) -> Result<(), Answer> {
        let is_member = member.is_none_or(|(member, generation)| {
            generation == self.generation && self.members.contains(&member)
        });
        let producer = self.producer(id, epoch)?;
        if !is_member {
            return Err(Answer::Abort);
        }
        producer.was_committed = false;
        let open = producer.open.get_or_insert_with(|| Open { began: now, ..Open::default() });
        open.offsets.extend(offsets);
        Ok(())
    }

    fn commit(&mut self, id: usize, epoch: u32) -> Result<(), Answer> {
        let producer = self.producer(id, epoch)?;
        match producer.open.take() {
            Some(open) => {
                producer.was_committed = true;
                self.visible.extend(open.outputs);
                for (partition, place, value) in open.entries {
                    let (journal, next) = self.journal.entry(partition).or_default();
                    journal.insert(place, value);
                    // Its marker takes a place too.
                    *next += 1;
                }
                self.offsets.extend(open.offsets);
                Ok(())
            }
            None if producer.was_committed => Ok(()),
            None => Err(Answer::Broken),
        }
    }

    fn abort(&mut self, id: usize, epoch: u32) -> Result<(), Answer> {
        let producer = self.producer(id, epoch)?;
        match producer.open.take() {
            None if producer.was_committed => Err(Answer::Broken),
            _ => Ok(()),
        }
    }

    /// Returns what is committed; nothing while a transaction may still change it.
    fn committed(&self, partition: usize) -> Option<Option<(i64, String)>> {
        let opens = self.producers.values().filter_map(|producer| producer.open.as_ref());
        let is_stable = opens.into_iter().all(|open| !open.offsets.contains_key(&partition));
        is_stable.then(|| self.offsets.get(&partition).cloned())
    }

    /// Returns a partition's entries from a place on, and the next place; nothing while a
    /// transaction may still add some.
    fn journal(&self, partition: usize, from: Option<i64>) -> Option<(Journal, i64)> {
        let opens = self.producers.values().filter_map(|producer| producer.open.as_ref());
        let mut entries = opens.into_iter().flat_map(|open| &open.entries);
        if entries.any(|(of, ..)| *of == partition) {
            return None;
        }
        let (journal, next) = self.journal.get(&partition).cloned().unwrap_or_default();
        let wanted = |place: &i64| from.is_some_and(|from| *place >= from);
        Some((journal.into_iter().filter(|(place, _)| wanted(place)).collect(), next))
    }

    /// Gives transactions up that are too old.
    fn sweep(&mut self, now: i64) {
        for producer in self.producers.values_mut() {
            if producer.open.as_ref().is_some_and(|open| now - open.began >= TIMEOUT) {
                *producer = Coordinated { epoch: producer.epoch + 1, ..Coordinated::default() };
            }
        }
    }

    fn deliver_late_commit(&mut self, random: &mut Random) {
        if self.late_commits.is_empty() {
            return;
        }
        let which = random.below(self.late_commits.len() as u64) as usize;
        let (id, epoch) = self.late_commits.swap_remove(which);
        // It comes too late for whoever has gone on.
        if self.producers.get(&id).is_some_and(|p| p.epoch == epoch && p.open.is_some()) {
            self.commit(id, epoch).unwrap();
        }
    }
}

/// A process.
struct Instance {
    id: usize,
    member: u32,
    /// Its generation of the group; nothing once its client has left without telling.
    generation: Option<i32>,
    is_asleep: bool,
    epoch: u32,
    transactions: Transactions,
    written: usize,
    /// By partition: the place behind its last entry in the journal.
    journal_ends: BTreeMap<usize, i64>,
    partitions: BTreeMap<usize, Partition>,
    /// Assigned, but not yet started: their offsets are not known.
    coming: BTreeSet<usize>,
}

struct Partition {
    detector: Detector,
    next: usize,
    is_cut: bool,
}

impl Instance {
    fn lose(&mut self, partitions: &[usize], now: i64) {
        let origins: Vec<Origin> = partitions.iter().copied().map(origin_of).collect();
        let is_lost = |bundle: &Bundle| origins.contains(&bundle.origin);
        self.transactions.lose(is_lost, TimeSpan::from_millis(now));
        self.partitions.retain(|partition, _| !partitions.contains(partition));
        self.coming.retain(|partition| !partitions.contains(partition));
    }

    fn collect(&mut self, renderer: &Renderer) {
        for (&partition, state) in &mut self.partitions {
            if state.is_cut || !state.detector.has_news() {
                continue;
            }
            let Some(cut) = state.detector.cut() else { continue };
            let output = state.detector.outbox().iter().map(|output| (output, None));
            state.is_cut = true;
            self.transactions.add([Bundle::new(origin_of(partition), 0, cut, output, renderer)]);
        }
    }

    fn accept(&mut self, bundles: Vec<Bundle>) {
        for bundle in bundles {
            let partition = bundle.origin.partition as usize;
            let state = self.partitions.get_mut(&partition).expect("a bundle's partition is ours");
            state.detector.accept(&bundle.cut);
            if let Some(end) = self.journal_ends.get(&partition) {
                state.detector.on_journal_reached(*end);
            }
            state.is_cut = false;
        }
    }

    /// Whether there is nothing left to make durable.
    fn is_done(&self) -> bool {
        self.transactions.next() == Todo::Rest
            && self.coming.is_empty()
            && self.partitions.values().all(|state| !state.detector.has_news())
    }
}

/// Everything, and what has become of it.
struct World<'a> {
    renderer: Renderer,
    random: Random,
    rules: &'a Arc<RuleSet>,
    options: Options,
    inputs: Vec<Vec<Step>>,
    /// How many steps of each input have happened.
    available: Vec<usize>,
    brokers: Brokers,
    instances: Vec<Instance>,
    next_member: u32,
    now: i64,
    has_faults: bool,
    seen: Seen,
}

/// How often schedules came to what they are to test.
#[derive(Default, Debug)]
struct Seen {
    outputs: usize,
    crashes: usize,
    aborts: usize,
    doubts: usize,
    doubts_committed: usize,
    fenced: usize,
    zombies: usize,
    waits: usize,
    restored: usize,
}

impl World<'_> {
    fn start(&mut self, id: usize) {
        let member = self.next_member;
        self.next_member += 1;
        self.instances.push(Instance {
            id,
            member,
            generation: None,
            is_asleep: false,
            epoch: 0,
            transactions: Transactions::new(TimeSpan::from_millis(TIMEOUT)),
            written: 0,
            journal_ends: BTreeMap::new(),
            partitions: BTreeMap::new(),
            coming: BTreeSet::new(),
        });
        self.rebalance();
    }

    /// The members that answer share the partitions anew; the others are out of the group.
    fn rebalance(&mut self) {
        let awake: Vec<usize> =
            (0..self.instances.len()).filter(|i| !self.instances[*i].is_asleep).collect();
        let mut target: BTreeMap<usize, u32> = BTreeMap::new();
        if !awake.is_empty() {
            for partition in 0..PARTITIONS {
                let instance = *self.random.pick(&awake);
                target.insert(partition, self.instances[instance].member);
            }
        }
        for i in awake.clone() {
            let Instance { member, partitions, coming, .. } = &self.instances[i];
            let held = partitions.keys().chain(coming);
            let lost: Vec<usize> =
                held.copied().filter(|partition| target[partition] != *member).collect();
            if lost.is_empty() {
                continue;
            }
            // The last cut may or may not be durable in time.
            for _ in 0..self.random.below(12) {
                if !self.instances[i].is_asleep {
                    self.commit_step(i);
                }
            }
            self.instances[i].lose(&lost, self.now);
        }
        self.brokers.generation += 1;
        self.brokers.members = awake.iter().map(|i| self.instances[*i].member).collect();
        for i in awake {
            let generation = self.brokers.generation;
            let instance = &mut self.instances[i];
            instance.generation = Some(generation);
            for (partition, member) in &target {
                if *member == instance.member && !instance.partitions.contains_key(partition) {
                    instance.coming.insert(*partition);
                }
            }
        }
        self.brokers.assignment = target;
    }

    /// Starts the assigned partitions whose offsets are known for sure.
    fn adopt(&mut self, i: usize) {
        let instance = &mut self.instances[i];
        for partition in instance.coming.clone() {
            let Some(committed) = self.brokers.committed(partition) else {
                self.seen.waits += 1;
                continue;
            };
            let (position, metadata) = committed.unwrap_or_default();
            let (rules, steps) = (self.rules, &self.inputs[partition]);
            let mut detector = resume(rules, &self.options, partition, position, &metadata);
            if detector.awaits_journal() {
                let Some((entries, next)) =
                    self.brokers.journal(partition, detector.journal_from())
                else {
                    self.seen.waits += 1;
                    continue;
                };
                for (place, value) in entries {
                    detector.on_journal(place, &value);
                }
                detector.on_journal_end(next);
                self.seen.restored += detector.take_stats().restored as usize;
            }
            let next = replay(&mut detector, steps, position);
            instance.coming.remove(&partition);
            instance.partitions.insert(partition, Partition { detector, next, is_cut: false });
        }
    }

    fn feed(&mut self, i: usize) {
        let instance = &mut self.instances[i];
        for (partition, state) in &mut instance.partitions {
            let steps = &self.inputs[*partition];
            for _ in 0..self.random.below(4) {
                if state.next < self.available[*partition] {
                    apply(&mut state.detector, state.next, &steps[state.next]);
                    state.next += 1;
                }
            }
        }
    }

    /// Does the next step of an instance's committer, with whatever goes wrong.
    fn commit_step(&mut self, i: usize) {
        let now = TimeSpan::from_millis(self.now);
        let instance = &mut self.instances[i];
        if instance.transactions.takes_more() && self.random.chance(50) {
            instance.collect(&self.renderer);
        }
        let todo = instance.transactions.next();
        let outcome = match todo {
            Todo::Rest => return,
            Todo::Ask => {
                let bundles = instance.transactions.bundles().iter();
                let asked: Vec<usize> = bundles.map(|b| b.origin.partition as usize).collect();
                let found: Option<Vec<_>> =
                    asked.into_iter().map(|p| Some((p, self.brokers.committed(p)?))).collect();
                let Some(found) = found else { return };
                let known = |(p, committed): (usize, Option<(i64, String)>)| {
                    committed.map(|(position, metadata)| (origin_of(p), position, metadata))
                };
                let found: Vec<_> = found.into_iter().filter_map(known).collect();
                self.seen.doubts += 1;
                let outcome = instance.transactions.committed(&found, now);
                self.seen.doubts_committed += usize::from(matches!(outcome, Outcome::Committed(_)));
                Some(outcome)
            }
            todo => {
                let answer = self.ask_brokers(i, todo);
                self.instances[i].transactions.answer(answer, now)
            }
        };
        match outcome {
            None => {}
            Some(Outcome::Committed(bundles)) => self.instances[i].accept(bundles),
            Some(Outcome::Aborted) => self.seen.aborts += 1,
            Some(Outcome::Fenced) => {
                self.seen.fenced += 1;
                self.instances[i].is_asleep = true;
                self.instances[i].generation = None;
                self.instances[i].id = usize::MAX;
            }
        }
    }

    /// Sends a request, which may get lost, or its answer.
    fn ask_brokers(&mut self, i: usize, todo: Todo) -> Answer {
        let trouble = if self.has_faults { self.random.below(100) } else { 100 };
        match trouble {
            0..3 => Answer::Again,
            3..8 => {
                self.execute(i, todo);
                Answer::Again
            }
            8..11 if todo != Todo::Open => Answer::Abort,
            11..13 if todo != Todo::Open => {
                self.execute(i, todo);
                Answer::Abort
            }
            13..15 => Answer::Broken,
            15..17 => {
                self.execute(i, todo);
                Answer::Broken
            }
            17..22 if todo == Todo::Commit => {
                let Instance { id, epoch, .. } = self.instances[i];
                self.brokers.late_commits.push((id, epoch));
                Answer::Again
            }
            _ => self.execute(i, todo),
        }
    }

    /// Does at the brokers what is to be done, and returns their answer.
    fn execute(&mut self, i: usize, todo: Todo) -> Answer {
        let now = self.now;
        let instance = &mut self.instances[i];
        let producer = (instance.id, instance.epoch);
        let done = match todo {
            Todo::Open => {
                instance.epoch = self.brokers.open(instance.id);
                Ok(())
            }
            Todo::Begin => {
                instance.written = 0;
                Ok(())
            }
            Todo::Write => {
                let items: Vec<Item> =
                    instance.transactions.bundles().iter().flat_map(items).collect();
                items[instance.written..].iter().try_for_each(|item| {
                    let place = self.brokers.write(producer.0, producer.1, now, item)?;
                    if let Some((partition, place)) = place {
                        instance.journal_ends.insert(partition, place + 1);
                    }
                    instance.written += 1;
                    // The client's queue is full.
                    if self.random.chance(5) { Err(Answer::Again) } else { Ok(()) }
                })
            }
            Todo::Offsets => {
                let bundles = instance.transactions.bundles();
                let offsets = bundles.iter().map(|bundle| {
                    let Bundle { origin, cut, .. } = bundle;
                    (origin.partition as usize, (cut.position, cut.metadata.clone()))
                });
                let offsets: Offsets = offsets.collect();
                assert!(offsets.keys().all(|p| instance.partitions.contains_key(p)));
                match instance.generation {
                    // Brokers would take offsets of nobody.
                    None => Err(Answer::Abort),
                    Some(generation) => {
                        let member = Some((instance.member, generation));
                        self.brokers.add_offsets(producer, member, now, offsets)
                    }
                }
            }
            Todo::Drain => self.brokers.producer(producer.0, producer.1).map(|_| ()),
            Todo::Commit => self.brokers.commit(producer.0, producer.1),
            Todo::Abort => self.brokers.abort(producer.0, producer.1),
            Todo::Rest | Todo::Ask => Ok(()),
        };
        done.err().unwrap_or(Answer::Done)
    }

    fn crash(&mut self, i: usize) {
        let id = self.instances[i].id;
        self.instances.remove(i);
        self.seen.crashes += 1;
        if self.random.chance(50) {
            self.rebalance();
        }
        // A pod comes back under its name, or under another, or another has it already.
        if self.instances.iter().filter(|other| other.id < 2).count() < 2 {
            let id = if id < 2 { id } else { self.random.below(2) as usize };
            self.start(id);
        }
    }

    fn act(&mut self) {
        self.now += self.random.between(1, 400);
        for partition in 0..PARTITIONS {
            if self.random.chance(30) && self.available[partition] < self.inputs[partition].len() {
                self.available[partition] += 1;
            }
        }
        let i = self.random.below(self.instances.len() as u64) as usize;
        let is_asleep = self.instances[i].is_asleep;
        match self.random.below(100) {
            0..2 => self.crash(i),
            2..4 => self.rebalance(),
            4..5 if !is_asleep => {
                self.seen.zombies += 1;
                self.instances[i].is_asleep = true;
                self.rebalance();
            }
            5 => self.now += 15_000,
            6..9 => self.brokers.sweep(self.now),
            9..12 => self.brokers.deliver_late_commit(&mut self.random),
            12 if self.instances.len() < 4 => {
                let id = self.random.below(2) as usize;
                self.start(id);
            }
            13..17 if is_asleep => self.wake(i),
            // A zombie that has not noticed yet goes on as if it owned its partitions.
            17..25 if is_asleep && self.instances[i].id < 2 => {
                self.feed(i);
                self.commit_step(i);
            }
            25..45 if !is_asleep => {
                self.adopt(i);
                self.feed(i);
            }
            45.. if !is_asleep => self.commit_step(i),
            _ => {}
        }
    }

    /// A sleeper notices that it has lost everything, and joins again; a fenced one ends.
    fn wake(&mut self, i: usize) {
        if self.instances[i].id > 1 {
            return self.crash(i);
        }
        if self.random.chance(30) {
            // Its client has left the group, and it has not been told.
            self.instances[i].generation = None;
            return;
        }
        let lost: Vec<usize> = (0..PARTITIONS).collect();
        self.instances[i].lose(&lost, self.now);
        self.instances[i].is_asleep = false;
        self.rebalance();
    }

    /// Everything calms down: what is left gets done.
    fn settle(&mut self, seed: u64) {
        self.has_faults = false;
        self.available = self.inputs.iter().map(Vec::len).collect();
        while self.instances.iter().any(|instance| instance.is_asleep) {
            let i = self.instances.iter().position(|instance| instance.is_asleep).unwrap();
            self.wake(i);
        }
        // Whoever has died is noticed by now.
        self.rebalance();
        for round in 0.. {
            assert!(round < 5_000, "seed {seed}: does not come to an end\n{}", self.state());
            self.now += 200;
            self.brokers.sweep(self.now);
            self.brokers.deliver_late_commit(&mut self.random);
            for i in 0..self.instances.len() {
                if self.instances[i].is_asleep {
                    // Fenced: its partitions go to the others.
                    self.instances.remove(i);
                    if self.instances.is_empty() {
                        self.start(0);
                    }
                    self.rebalance();
                    break;
                }
                self.adopt(i);
                self.feed(i);
                self.commit_step(i);
            }
            let is_read = self.instances.iter().flat_map(|instance| &instance.partitions);
            let read: usize =
                is_read.filter(|(p, state)| state.next == self.inputs[**p].len()).count();
            if read == PARTITIONS && self.instances.iter().all(Instance::is_done) {
                return;
            }
        }
    }
}

impl World<'_> {
    /// Where everybody stands, for a failed schedule.
    fn state(&self) -> String {
        let line = |instance: &Instance| {
            let read: Vec<_> =
                instance.partitions.iter().map(|(p, s)| (p, s.next, s.is_cut)).collect();
            format!(
                "{} as {} gen {:?} epoch {}: {:?}, read {read:?}, coming {:?}",
                instance.member,
                instance.id,
                instance.generation,
                instance.epoch,
                instance.transactions.next(),
                instance.coming
            )
        };
        let lines: Vec<String> = self.instances.iter().map(line).collect();
        format!(
            "{}\ngeneration {}, {:?}",
            lines.join("\n"),
            self.brokers.generation,
            self.brokers.assignment
        )
    }
}

fn origin_of(partition: usize) -> Origin {
    Origin { topic: "input".into(), partition: partition as i32 }
}

/// What is written of a bundle.
fn items(bundle: &Bundle) -> Vec<Item> {
    let partition = bundle.origin.partition;
    let item = |pending: &Pending| match &pending.message {
        Message::Journal(record) => Item::Entry(partition as usize, Arc::clone(&record.value)),
        message => Item::Visible(text(partition, message)),
    };
    bundle.outputs.iter().map(item).collect()
}

/// What a reader of the output topics sees.
fn text(partition: i32, message: &Message) -> String {
    match message {
        Message::Alert(alert) => {
            let value = String::from_utf8_lossy(&alert.value);
            format!("{partition} {} {} {value}", alert.rule_id, alert.id)
        }
        Message::DeadLetter(letter) => format!("{partition} letter {}", letter.offset),
        Message::Journal(record) => panic!("{record:?} is not for readers"),
        Message::Forward(forward) => panic!("nothing is re-keyed: {forward:?}"),
    }
}

fn resume(
    rules: &Arc<RuleSet>,
    options: &Options,
    partition: usize,
    position: i64,
    metadata: &str,
) -> Detector {
    let (rules, options) = (Arc::clone(rules), options.clone());
    let (detector, complaint) =
        Detector::resume(rules, origin_of(partition), options, position, metadata);
    assert_eq!(complaint, None);
    detector
}

/// Rebuilds a partition's state from its input; returns the first step that is still to be done.
fn replay(detector: &mut Detector, steps: &[Step], position: i64) -> usize {
    let from = detector.read_from().unwrap() as usize;
    for (offset, step) in steps.iter().enumerate().take(position as usize).skip(from) {
        if let Step::Record { .. } = step {
            apply(detector, offset, step);
        }
    }
    assert!(detector.outbox().is_empty(), "a replay is silent");
    position as usize
}

/// What one instance gives that nothing happens to.
fn undisturbed(rules: &Arc<RuleSet>, renderer: &Renderer, inputs: &[Vec<Step>]) -> Vec<String> {
    let mut all = Vec::new();
    for (partition, steps) in inputs.iter().enumerate() {
        let mut detector = resume(rules, &options(), partition, 0, "");
        for (offset, step) in steps.iter().enumerate() {
            apply(&mut detector, offset, step);
        }
        let origin = origin_of(partition);
        let messages =
            detector.outbox().iter().flat_map(|output| renderer.messages(&origin, output));
        all.extend(messages.map(|message| text(partition as i32, &message)));
    }
    all.sort();
    all
}

/// What of a list is left without the items of another, each as often as it stands there.
fn without(list: &[String], other: &[String]) -> Vec<String> {
    let mut left = list.to_vec();
    for item in other {
        if let Some(at) = left.iter().position(|one| one == item) {
            left.remove(at);
        }
    }
    left
}

fn random_input(random: &mut Random) -> Vec<Step> {
    let late = *random.pick(&[0, 0, 20]);
    let mut steps = random_steps(random, late);
    steps.truncate(20);
    for step in &mut steps {
        if let (Step::Record { payload, .. }, true) = (step, random.chance(4)) {
            *payload = "{\"not\": json".to_owned();
        }
    }
    steps
}

/// Runs one schedule, and tells what it came to.
fn check(seed: u64, rules: &Arc<RuleSet>) -> Seen {
    let mut random = Random::new(seed);
    let inputs: Vec<Vec<Step>> = (0..PARTITIONS).map(|_| random_input(&mut random)).collect();
    // In Elastic's form an alert is several records.
    let format = Format::ALL[(seed / 3) as usize % 2];
    let renderer = Renderer::new(Arc::clone(rules), format, options().max_alert_bytes);
    let expected = undisturbed(rules, &renderer, &inputs);
    let mut world = World {
        random,
        rules,
        renderer,
        options: Options {
            journal_beyond: (seed % 2 == 1).then_some(TimeSpan::from_secs(4)),
            ..options()
        },
        available: vec![0; PARTITIONS],
        inputs,
        brokers: Brokers::default(),
        instances: Vec::new(),
        next_member: 0,
        now: 0,
        has_faults: true,
        seen: Seen::default(),
    };
    world.start(0);
    world.start(1);
    for _ in 0..world.random.between(80, 280) {
        world.act();
    }
    world.settle(seed);
    world.brokers.visible.sort();
    let visible = &world.brokers.visible;
    assert!(
        *visible == expected,
        "seed {seed}: {:?}\nlost: {:#?}\nnot expected, or repeated: {:#?}\n{}",
        world.seen,
        without(&expected, visible),
        without(visible, &expected),
        world.inputs.iter().map(|steps| story(steps)).collect::<Vec<_>>().join("\n\n")
    );
    world.seen.outputs = expected.len();
    world.seen
}

impl Seen {
    fn add(mut self, other: Self) -> Self {
        self.outputs += other.outputs;
        self.crashes += other.crashes;
        self.aborts += other.aborts;
        self.doubts += other.doubts;
        self.doubts_committed += other.doubts_committed;
        self.fenced += other.fenced;
        self.zombies += other.zombies;
        self.waits += other.waits;
        self.restored += other.restored;
        self
    }

    fn rarest(&self) -> usize {
        let Self { outputs, crashes, aborts, doubts, doubts_committed, .. } = *self;
        let Self { fenced, zombies, waits, restored, .. } = *self;
        let all = [outputs, crashes, aborts, doubts, doubts_committed, fenced, zombies, waits];
        all.into_iter().min().unwrap().min(restored)
    }
}

/// All rules once, and three at a time: what the protocol does depends on none of them, and a few take
/// a fraction of the time.
fn rule_sets() -> Vec<Arc<RuleSet>> {
    let few = (0..RULES.len()).map(|first| {
        let rules: BTreeSet<usize> = [0, 3, 7].map(|next| (first + next) % RULES.len()).into();
        rule_set(rules)
    });
    std::iter::once(rule_set(0..RULES.len())).chain(few).collect()
}

#[test]
fn whatever_happens_each_output_becomes_visible_once() {
    let sets = rule_sets();
    let rules_of = |seed: u64| &sets[(seed / 2) as usize % sets.len()];
    let all = survey(10_000, |seed| check(seed, rules_of(seed)), Seen::add);
    println!("{all:?}");
    let count = seeds(10_000).count();
    assert!(all.rarest() > count / 10, "something hardly ever happened: {all:?}");
}
