//! The real workers and the real committer under schedules that a seed chooses: slow workers, late cuts,
//! partitions that are lost and come back while a cut of theirs is on its way, and commits that are
//! refused, delayed or given up. Only the client and the brokers are made up.
//!
//! `MAXSPAN_CASES=100` tries a hundred times as many schedules, `MAXSPAN_SEEDS=7..9` those two.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "../../tests/support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use tokio::sync::mpsc::unbounded_channel;

use super::client::{Item, Records};
use super::delivery::{Committer, Outside, Way, inbox};
use super::settings::Settings;
use super::state::{Leases, PartitionState, Shared, lock};
use super::worker::{self, Accepted, Adoption, Command, Keep, Summons, Worker};
use crate::alert::{Format, Message, Renderer};
use crate::detect::{Detector, Engine, Options, Origin, Record, Stamp};
use crate::event::{EventTime, TimeSpan};
use crate::metrics::Metrics;
use crate::rule::set::{Defaults, RuleSet};
use crate::text::Text;
use crate::transaction::{Answer, Bundle, Outcome, Step, Transactions};
use random::Random;

const PARTITIONS: i32 = 4;
/// Pairs of events in each partition; each is an alert.
const PAIRS: usize = 30;
const STEPS: usize = 400;
/// Most commands that wait for a worker that is not heard of.
const COMMANDS: usize = 40;

const RULE: &str = r#"
[rule]
name = "Two steps"
rule_id = "two-steps"
description = "A, then B, on one host."
author = ["Test"]
risk_score = 47
severity = "medium"
type = "eql"
language = "eql"
query = '''
sequence by host.id with maxspan=20s
  [any where event.code == "A"]
  [any where event.code == "B"]
'''
"#;

fn engine() -> Engine {
    static RULES: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        let text = Text::new("rule.toml", RULE);
        let (rules, _) = RuleSet::compile(vec![Arc::new(text)], &Defaults::default());
        assert_eq!(rules.rules().len(), 1);
        Arc::new(rules)
    });
    Engine::new(Arc::clone(rules), Options::default())
}

fn origin(partition: i32) -> Origin {
    Origin { topic: "in".into(), partition }
}

/// The records of a partition: the first steps of two pairs, then their second ones.
fn records(partition: i32) -> Vec<Vec<u8>> {
    let step = |number: usize| {
        let (block, place) = (number / 4, number % 4);
        let (pair, code) = (block * 2 + place % 2, if place < 2 { "A" } else { "B" });
        let second = number / 2;
        format!(
            r#"{{"@timestamp":"2026-01-01T00:{:02}:{:02}Z","host":{{"id":"{partition}-{pair}"}},"event":{{"id":"{partition}-{pair}-{code}","code":"{code}","category":"process"}}}}"#,
            second / 60,
            second % 60
        )
        .into_bytes()
    };
    (0..2 * PAIRS).map(step).collect()
}

fn record(offset: i64, payload: &[u8]) -> Record<'_> {
    let stamp = Stamp::Append(EventTime::from_millis(1_767_225_600_000 + 500 * offset));
    Record { offset, stamp, payload: Some(payload), source: None }
}

/// The records of a partition from an offset on, a few at a time.
struct Feed {
    records: Vec<Vec<u8>>,
    next: usize,
    most: usize,
}

impl Records for Feed {
    fn drain(&mut self, each: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>) -> usize {
        let mut count = 0;
        while let (Some(payload), true) = (self.records.get(self.next), count < self.most) {
            let offset = self.next as i64;
            (self.next, count) = (self.next + 1, count + 1);
            if each(Item::Record(record(offset, payload), None)).is_break() {
                break;
            }
        }
        count
    }

    fn clear(&mut self) {}
}

/// What the brokers know, and what they do with a transaction.
struct Brokers {
    random: Random,
    /// The alerts that a reader of committed records sees.
    visible: Vec<String>,
    committed: BTreeMap<i32, (i64, String)>,
    /// The offsets and outputs of the transaction that has got as far as that.
    pending: Vec<Bundle>,
}

impl Brokers {
    fn commit(&mut self, bundles: Vec<Bundle>) {
        for Bundle { origin, cut, outputs, .. } in bundles {
            let before = self.committed.get(&origin.partition).map_or(0, |(position, _)| *position);
            assert!(
                cut.position >= before,
                "a position goes back: {} after {before}",
                cut.position
            );
            self.committed.insert(origin.partition, (cut.position, cut.metadata));
            for pending in outputs {
                let Message::Alert(alert) = pending.message else { panic!("only alerts") };
                self.visible.push(alert.id);
            }
        }
    }

    fn position(&self, partition: i32) -> (i64, &str) {
        let committed = self.committed.get(&partition);
        committed.map_or((0, ""), |(position, metadata)| (*position, metadata))
    }
}

/// A way of delivery by the real protocol, to made-up brokers.
struct MadeUp {
    brokers: Arc<Mutex<Brokers>>,
    transactions: Transactions,
}

impl MadeUp {
    fn carry_out(&self, step: Step, outside: &Outside) -> Answer {
        let mut brokers = lock(&self.brokers);
        match step {
            Step::Write | Step::Drain if brokers.random.chance(5) => Answer::Abort,
            Step::Offsets => {
                let bundles = self.transactions.bundles();
                let is_ours = outside.shared.leases.with_held(|held| {
                    bundles.iter().all(|bundle| held.has(&bundle.origin, bundle.lease))
                });
                if is_ours {
                    brokers.pending = bundles.to_vec();
                }
                if is_ours { Answer::Done } else { Answer::Abort }
            }
            Step::Commit => {
                let pending = std::mem::take(&mut brokers.pending);
                brokers.commit(pending);
                Answer::Done
            }
            Step::Abort => {
                brokers.pending.clear();
                Answer::Done
            }
            _ => Answer::Done,
        }
    }
}

impl Way for MadeUp {
    fn takes_more(&self) -> bool {
        self.transactions.takes_more()
    }

    fn add(&mut self, bundles: Vec<Bundle>) {
        self.transactions.add(bundles);
    }

    fn deliver(&mut self, outside: &Outside, _deadline: Instant) -> bool {
        loop {
            self.drop_ended(&outside.shared.leases);
            let step = self.transactions.next();
            if step == Step::Rest {
                return true;
            }
            if lock(&self.brokers).random.chance(25) {
                // The call takes too long: it goes on with the next cycle.
                return false;
            }
            let answer = self.carry_out(step, outside);
            match self.transactions.answer(answer, TimeSpan::ZERO) {
                None => {}
                Some(Outcome::Committed(bundles)) => {
                    let accepted = bundles.into_iter().map(|bundle| {
                        let Bundle { origin, lease, cut, .. } = bundle;
                        Accepted { origin, lease, cut }
                    });
                    outside.accept(accepted.collect());
                }
                Some(Outcome::Aborted | Outcome::Fenced) => return false,
            }
        }
    }

    fn drop_ended(&mut self, leases: &Leases) {
        leases.with_held(|held| {
            let is_lost = |bundle: &Bundle| !held.has(&bundle.origin, bundle.lease);
            self.transactions.lose(is_lost, TimeSpan::ZERO);
        });
    }

    fn holds(&self, origins: &[Origin]) -> bool {
        self.transactions.bundles().iter().any(|bundle| origins.contains(&bundle.origin))
    }

    fn is_idle(&self) -> bool {
        self.transactions.next() == Step::Rest
    }
}

/// A worker's way to the committer, which counts what is handed over unasked.
struct Counted {
    summons: Box<dyn Summons>,
    handed_over: Arc<AtomicUsize>,
}

impl Summons for Counted {
    fn is_free(&self) -> bool {
        self.summons.is_free()
    }

    fn hand_over(&self, bundles: Vec<Bundle>) {
        self.handed_over.fetch_add(bundles.len(), Ordering::Relaxed);
        self.summons.hand_over(bundles);
    }

    fn call(&self) {
        self.summons.call();
    }
}

/// One instance, and the rest of the group.
struct World {
    shared: Arc<Shared>,
    brokers: Arc<Mutex<Brokers>>,
    handles: Vec<worker::Handle>,
    workers: Vec<Worker>,
    /// By worker: how many commands it has not heard of.
    unheard: Vec<usize>,
    committer: Committer,
    owned: BTreeSet<i32>,
    handed_over: Arc<AtomicUsize>,
    seen: Seen,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    lost: usize,
    lost_with_a_cut_on_its_way: usize,
    by_others: usize,
    /// Cuts that nobody had asked for.
    handed_over: usize,
}

impl World {
    fn new(seed: u64, workers: usize) -> Self {
        let (failures, _) = unbounded_channel();
        let engine = engine();
        let renderer = Renderer::new(Arc::clone(engine.rules()), Format::Ecs, usize::MAX);
        let metrics = Arc::new(Metrics::new().unwrap());
        let settings = Settings::default();
        let shared = Arc::new(Shared::new(settings, engine, renderer, metrics, failures));
        let brokers = Brokers {
            random: Random::new(seed ^ 0x5eed),
            visible: Vec::new(),
            committed: BTreeMap::new(),
            pending: Vec::new(),
        };
        let brokers = Arc::new(Mutex::new(brokers));
        let (handle, inbox) = inbox(workers);
        let handed_over = Arc::<AtomicUsize>::default();
        let apart = |number| {
            let (summons, handed_over) = (handle.nudge(number), Arc::clone(&handed_over));
            let summons = Box::new(Counted { summons, handed_over });
            worker::Handle::without_thread(number, &shared, summons)
        };
        let (handles, workers): (Vec<_>, Vec<_>) = (0..workers).map(apart).unzip();
        let transactions = Transactions::new(TimeSpan::from_secs(60));
        let way = MadeUp { brokers: Arc::clone(&brokers), transactions };
        let heart = shared.health.heart("committer");
        let outside = Outside { shared: Arc::clone(&shared), workers: handles.clone(), heart };
        let committer = Committer::new(inbox, outside, Box::new(way)).without_patience();
        let unheard = vec![0; handles.len()];
        let (owned, seen) = (BTreeSet::new(), Seen::default());
        Self { shared, brokers, handles, workers, unheard, committer, owned, handed_over, seen }
    }

    fn turn(&mut self, worker: usize) {
        assert!(self.workers[worker].obey());
        self.unheard[worker] = 0;
        self.workers[worker].give_turn();
    }

    fn command(&mut self, worker: usize, command: Command) {
        self.handles[worker].send(command);
        self.unheard[worker] += 1;
        if self.unheard[worker] >= COMMANDS {
            self.turn(worker);
        }
    }

    /// Takes a partition in as `group` does, once no transaction holds its offsets.
    fn take(&mut self, partition: i32, most: usize) {
        let origin = origin(partition);
        let brokers = lock(&self.brokers);
        if brokers.pending.iter().any(|bundle| bundle.origin == origin) {
            return;
        }
        let (position, metadata) = brokers.position(partition);
        let (detector, refused) = self.shared.engine().resume(origin.clone(), position, metadata);
        assert_eq!(refused, None);
        let committed = (position > 0).then(|| (position, metadata.to_owned()));
        drop(brokers);
        let lease = self.shared.leases.take(&origin, self.workers.len());
        let next = detector.read_from().unwrap_or(position) as usize;
        let state = Arc::new(PartitionState::starting(next as i64, None));
        let queue = Box::new(Feed { records: records(partition), next, most });
        let poisoned = Vec::new();
        let adoption = Adoption { origin, lease, queue, detector, state, poisoned, committed };
        self.owned.insert(partition);
        self.command(lease.worker, Command::Adopt(Box::new(adoption)));
    }

    /// Gives a partition up as `group` does when it is lost.
    fn lose(&mut self, partition: i32) {
        self.owned.remove(&partition);
        let brokers = lock(&self.brokers);
        let is_on_its_way = brokers.pending.iter().any(|b| b.origin == origin(partition));
        drop(brokers);
        self.seen.lost += 1;
        self.seen.lost_with_a_cut_on_its_way += usize::from(is_on_its_way);
        self.shared.leases.end(&[origin(partition)]);
        if lock(&self.brokers).random.chance(50) {
            // All workers have said so in time.
            self.shared.leases.let_go(&[origin(partition)]);
        }
        for worker in 0..self.workers.len() {
            let (done, _) = channel();
            let release = Command::Release(vec![origin(partition)], Keep::Nothing, done);
            self.command(worker, release);
        }
    }

    /// Another member has a partition for a while.
    fn elsewhere(&mut self, partition: i32, count: usize) {
        let mut brokers = lock(&self.brokers);
        if brokers.pending.iter().any(|bundle| bundle.origin == origin(partition)) {
            return;
        }
        let (position, metadata) = brokers.position(partition);
        let (mut detector, _) = self.shared.engine().resume(origin(partition), position, metadata);
        let from = detector.read_from().unwrap_or(position) as usize;
        let until = (position as usize + count).min(2 * PAIRS);
        for (offset, payload) in records(partition).iter().enumerate().take(until).skip(from) {
            detector.on_record(&record(offset as i64, payload));
        }
        if let Some(bundle) = bundle_of(&mut detector, partition, &self.shared.renderer) {
            brokers.commit(vec![bundle]);
            self.seen.by_others += 1;
        }
    }

    fn is_done(&self) -> bool {
        let brokers = lock(&self.brokers);
        (0..PARTITIONS).all(|partition| brokers.position(partition).0 == 2 * PAIRS as i64)
    }
}

fn bundle_of(detector: &mut Detector, partition: i32, renderer: &Renderer) -> Option<Bundle> {
    let cut = detector.cut()?;
    let output = detector.outbox().iter().map(|output| (output, None));
    Some(Bundle::new(origin(partition), 0, cut, output, renderer))
}

fn check(seed: u64) -> Seen {
    let mut random = Random::new(seed);
    let workers = random.between(1, 3) as usize;
    let slow = random.below(4) as usize;
    let mut world = World::new(seed, workers);
    for _ in 0..STEPS {
        let partition = random.below(PARTITIONS as u64) as i32;
        match random.below(100) {
            0..50 => {
                let worker = random.below(workers as u64) as usize;
                if worker != slow || random.chance(5) {
                    world.turn(worker);
                }
            }
            50..65 => world.committer.cycle(),
            65..75 => world.committer.cycle_for_alerts(),
            // From here on workers hand cuts over that nobody has asked for.
            75..80 => world.committer.offer(),
            80..88 if world.owned.contains(&partition) => {
                world.lose(partition);
                if random.chance(50) {
                    // It comes back at once.
                    world.take(partition, random.between(1, 5) as usize);
                }
            }
            88..91 if !world.owned.contains(&partition) => {
                world.elsewhere(partition, random.between(1, 9) as usize);
            }
            _ if !world.owned.contains(&partition) => {
                world.take(partition, random.between(1, 5) as usize);
            }
            _ => {}
        }
    }
    // Whatever has happened: from here on nothing is lost any more, and all of it comes to its end.
    for _ in 0..STEPS {
        for partition in 0..PARTITIONS {
            if !world.owned.contains(&partition) {
                world.take(partition, 5);
            }
        }
        (0..workers).for_each(|worker| (0..PARTITIONS).for_each(|_| world.turn(worker)));
        world.committer.cycle();
        if world.is_done() {
            break;
        }
    }
    let brokers = lock(&world.brokers);
    let ends: Vec<i64> = (0..PARTITIONS).map(|partition| brokers.position(partition).0).collect();
    assert_eq!(ends, [2 * PAIRS as i64; PARTITIONS as usize], "partitions are stranded");
    let visible: BTreeSet<&String> = brokers.visible.iter().collect();
    let all = PAIRS * PARTITIONS as usize;
    assert_eq!((visible.len(), brokers.visible.len()), (all, all), "each alert once");
    Seen { handed_over: world.handed_over.load(Ordering::Relaxed), ..world.seen }
}

#[test]
fn slow_workers_and_lost_partitions_strand_nothing_and_repeat_nothing() {
    let add = |one: Seen, other: Seen| Seen {
        lost: one.lost + other.lost,
        lost_with_a_cut_on_its_way: one.lost_with_a_cut_on_its_way
            + other.lost_with_a_cut_on_its_way,
        by_others: one.by_others + other.by_others,
        handed_over: one.handed_over + other.handed_over,
    };
    let seen = random::survey(300, check, add);
    println!("{seen:?}");
    let is_rare =
        seen.lost_with_a_cut_on_its_way < 100 || seen.by_others < 100 || seen.handed_over < 100;
    assert!(!is_rare || random::seeds(300).count() < 300, "{seen:?}");
}
