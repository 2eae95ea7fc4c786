//! A worker: a thread that owns some partitions and their detectors, without locks.
//!
//! Never writes to Kafka: it hands cuts to the committer and forgets output when it is told to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, sync_channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::Gauge;
use prometheus::local::LocalHistogram;
use rdkafka::error::RDKafkaErrorCode;

use super::assignment::Group;
use super::committer::Nudge;
use super::failpoint;
use super::health::{Heart, PartitionState, now_millis};
use super::idle::Idle;
use super::journal::{Batch, Reader, Reading};
use super::placement::Sampler;
use super::queue::{Item, PartitionQueue};
use super::shared::Shared;
use super::start::Committed;
use super::waiting::Waiting;
use crate::alert::Renderer;
use crate::detect::{Cut, Detector, Held, Origin};
use crate::event::{EventTime, TimeSpan};
use crate::transaction::Bundle;

/// How long a worker sleeps when nothing wakes it.
const NAP: Duration = Duration::from_millis(100);
const COMMANDS: usize = 64;
/// About how many entries of the journal are taken before other partitions have their turn.
const BATCH: usize = 512;
/// How often, in milliseconds, a record of unknown shape is named.
const NAME_UNKNOWN_EVERY: u64 = 60_000;
/// How often, in milliseconds, it is published what detectors hold.
const HELD_EVERY: u64 = 1_000;

/// What a worker is asked to do.
pub(super) enum Command {
    /// Own a partition from now on.
    Adopt(Box<Adoption>),
    /// Start a partition anew with another detector.
    Restart(Origin, Box<Detector>),
    /// Go on at an offset: what lies before it is gone.
    Skip(Origin, i64),
    /// Take no more records of these partitions.
    Freeze(Vec<Origin>),
    /// Cut every partition that has no cut on its way.
    Cut(Sender<Vec<Bundle>>),
    /// Forget output: its cut is committed.
    Accept(Vec<(Origin, Cut)>),
    /// Give partitions up, with their state.
    Release(Vec<Origin>, Keep, Sender<()>),
    /// End.
    Stop,
}

/// What becomes of the state of a partition that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is kept for a while, if all of it is committed.
    Warm,
    /// It is dropped.
    Nothing,
}

/// A partition on its way to its worker.
pub(super) struct Adoption {
    pub(super) origin: Origin,
    pub(super) queue: PartitionQueue<Group>,
    pub(super) detector: Detector,
    pub(super) state: Arc<PartitionState>,
    /// The committed position and metadata, if there are any.
    pub(super) committed: Option<(i64, String)>,
}

/// The way to a worker.
#[derive(Clone)]
pub(super) struct Handle {
    commands: SyncSender<Command>,
    thread: Thread,
}

impl Handle {
    /// Starts a worker.
    pub(super) fn spawn(
        number: usize,
        shared: &Arc<Shared>,
        nudge: Nudge,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let thread_name = format!("worker-{number}");
        let heart = shared.health.heart(thread_name.as_str());
        let journal = match shared.journal_memory() {
            Some(_) => Some(Reader::spawn(number, shared)?),
            None => None,
        };
        let shared = Arc::clone(shared);
        let worker = Worker { inbox, shared, nudge, heart, journal, partitions: Vec::new() };
        let join = std::thread::Builder::new().name(thread_name).spawn(move || worker.run())?;
        Ok((Self { commands, thread: join.thread().clone() }, join))
    }

    /// Sends a command; false if the worker has ended.
    pub(super) fn send(&self, command: Command) -> bool {
        let is_sent = self.commands.send(command).is_ok();
        self.thread.unpark();
        is_sent
    }

    /// Returns what a queue wakes.
    pub(super) fn thread(&self) -> Thread {
        self.thread.clone()
    }
}

/// Returns which of `count` workers owns a partition.
pub(super) fn index_of(origin: &Origin, count: usize) -> usize {
    usize::try_from(origin.partition).unwrap_or(0) % count.max(1)
}

struct Worker {
    inbox: Receiver<Command>,
    shared: Arc<Shared>,
    nudge: Nudge,
    heart: Arc<Heart>,
    /// There if a rule needs the journal.
    journal: Option<Reader>,
    partitions: Vec<Partition>,
}

impl Worker {
    fn run(mut self) {
        while self.obey() {
            self.heart.beat();
            if !self.turn() {
                std::thread::park_timeout(NAP);
            }
        }
        self.shared.health.forget(&self.heart);
    }

    /// Does what has been asked; false if that is to end.
    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return false,
                Ok(command) => self.execute(command),
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Adopt(adoption) => {
                let mut partition = Partition::new(*adoption, &self.shared);
                partition.read_journal(self.journal.as_ref());
                self.partitions.push(partition);
            }
            Command::Restart(origin, detector) => {
                let found = self.partitions.iter_mut().find(|p| p.origin == origin);
                if let Some(partition) = found {
                    partition.restart(*detector);
                    partition.read_journal(self.journal.as_ref());
                }
            }
            Command::Skip(origin, offset) => {
                if let Some(partition) = self.find(&origin) {
                    partition.detector.begin_at(offset);
                }
            }
            Command::Freeze(origins) => {
                for partition in self.partitions.iter_mut().filter(|p| origins.contains(&p.origin))
                {
                    partition.is_frozen = true;
                }
            }
            Command::Cut(reply) => {
                let renderer = &self.shared.renderer;
                let cuts = self.partitions.iter_mut().filter_map(|p| p.cut(renderer)).collect();
                // The committer may have stopped waiting.
                drop(reply.send(cuts));
            }
            Command::Accept(cuts) => {
                for (origin, cut) in &cuts {
                    let journal_end = self.shared.journal_ends.of(origin.partition);
                    if let Some(partition) = self.find(origin) {
                        partition.accept(cut, journal_end);
                    }
                }
                self.nudge_if_alerts_wait();
            }
            Command::Release(origins, keep, done) => {
                let all = std::mem::take(&mut self.partitions);
                let (given_up, left): (Vec<_>, Vec<_>) =
                    all.into_iter().partition(|partition| origins.contains(&partition.origin));
                self.partitions = left;
                for partition in given_up {
                    partition.unpublish(&self.shared);
                    if keep == Keep::Warm {
                        partition.keep(&self.shared);
                    }
                }
                done.send(()).ok();
            }
            Command::Stop => {}
        }
    }

    fn find(&mut self, origin: &Origin) -> Option<&mut Partition> {
        self.partitions.iter_mut().find(|partition| partition.origin == *origin)
    }

    /// Gives each partition a batch; tells whether there was anything to do.
    fn turn(&mut self) -> bool {
        let mut is_busy = false;
        for partition in &mut self.partitions {
            let taken = partition.restore(&self.shared) + partition.drain(&self.shared.renderer);
            is_busy |= taken > 0;
            match taken {
                0 => partition.idle(&self.shared),
                _ => partition.publish(&self.shared),
            }
            partition.publish_held(&self.shared);
            for fault in partition.faults.drain(..) {
                report(&self.shared, &partition.origin, fault);
            }
        }
        self.nudge_if_alerts_wait();
        is_busy
    }

    fn nudge_if_alerts_wait(&self) {
        if self.partitions.iter().any(Partition::wants_commit) {
            self.nudge.now();
        }
    }
}

/// Passes a partition's fault on to whoever can do something about it.
fn report(shared: &Shared, origin: &Origin, fault: RDKafkaErrorCode) {
    let reason = format!("{fault:?}");
    shared.metrics.kafka.partition_faults.with_label_values(&[&reason]).inc();
    match fault {
        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
            shared.ask_for_restart(origin);
        }
        _ => tracing::warn!(topic = %origin.topic, partition = origin.partition, %reason,
            "the client reports a fault of a partition"),
    }
}

/// The journal on its way into a detector.
struct Restoration {
    reading: Reading,
    began: u64,
    entries: usize,
    bytes: usize,
}

impl Restoration {
    fn finish(&self, origin: &Origin, shared: &Shared) {
        let Self { began, entries, bytes, .. } = self;
        let millis = now_millis().saturating_sub(*began);
        shared.metrics.kafka.journal_restore_seconds.set(millis as f64 / 1_000.0);
        tracing::info!(topic = %origin.topic, partition = origin.partition, entries, bytes, millis,
            "the journal is read");
    }
}

struct Partition {
    origin: Origin,
    queue: PartitionQueue<Group>,
    detector: Detector,
    /// While the journal is read for it.
    journal: Option<Restoration>,
    state: Arc<PartitionState>,
    /// The last committed position and metadata.
    committed: Option<(i64, String)>,
    /// Whether a cut is on its way to the brokers.
    is_cut: bool,
    is_frozen: bool,
    waiting: Waiting,
    idle: Idle,
    sampler: Sampler,
    faults: Vec<RDKafkaErrorCode>,
    latency: LocalHistogram,
    clock: Gauge,
    /// What was last published as held, and when.
    held: (Held, u64),
    /// When a record of unknown shape was last named.
    unknown_named: Option<u64>,
}

impl Partition {
    fn new(adoption: Adoption, shared: &Shared) -> Self {
        let Adoption { origin, queue, detector, state, committed } = adoption;
        let clock = shared.metrics.ingest.clock_of(&origin.topic, origin.partition);
        let sampler = Sampler::new(&shared.placement, &origin);
        if detector.is_replaying() {
            state.replay_began.store(now_millis(), Ordering::Relaxed);
        }
        Self {
            origin,
            queue,
            detector,
            journal: None,
            state,
            committed,
            is_cut: false,
            is_frozen: false,
            waiting: Waiting::default(),
            idle: Idle::default(),
            sampler,
            faults: Vec::new(),
            latency: shared.metrics.ingest.processing_latency.local(),
            clock,
            held: (Held::default(), 0),
            unknown_named: None,
        }
    }

    fn restart(&mut self, detector: Detector) {
        self.detector = detector;
        self.committed = None;
        self.waiting = Waiting::default();
        self.idle = Idle::default();
    }

    /// Asks for what the detector wants of the journal.
    fn read_journal(&mut self, reader: Option<&Reader>) {
        if !self.detector.awaits_journal() {
            return;
        }
        let began = now_millis();
        self.state.replay_began.store(began, Ordering::Relaxed);
        let from = self.detector.journal_from();
        let reading = reader.map(|reader| reader.read(&self.origin, from));
        self.journal = reading.map(|reading| Restoration { reading, began, entries: 0, bytes: 0 });
    }

    /// Gives the detector what has been read of the journal; returns how many entries that were.
    fn restore(&mut self, shared: &Shared) -> usize {
        let Some(journal) = &mut self.journal else { return 0 };
        let mut taken = 0;
        while let (Ok(batch), false) = (journal.reading.batches.try_recv(), taken > BATCH) {
            taken += 1;
            match batch {
                Batch::Lost => self.detector.on_journal_lost(),
                Batch::Entries(entries) => {
                    for (at, value) in &entries {
                        taken += 1;
                        journal.entries += 1;
                        journal.bytes += value.len();
                        self.detector.on_journal(*at, value);
                    }
                }
                Batch::End(end) => {
                    self.detector.on_journal_end(end);
                    journal.finish(&self.origin, shared);
                    self.journal = None;
                    return taken;
                }
            }
        }
        taken
    }

    /// Feeds one batch to the detector and returns how many items there were.
    fn drain(&mut self, renderer: &Renderer) -> usize {
        if self.is_frozen || self.waiting.is_full() || self.detector.awaits_journal() {
            return 0;
        }
        self.sampler.flush();
        let Self { queue, detector, waiting, state, sampler, faults, latency, .. } = self;
        let now = unix_millis();
        let is_live = !detector.is_replaying();
        let taken = queue.drain(|item| match item {
            Item::Record(record, key) => {
                // A record is as old as where it first stood.
                let stamp = record.source.map_or(record.stamp, |source| source.stamp);
                let triggered_at = stamp.time().map(EventTime::millis);
                detector.on_record(&record);
                match is_live {
                    true => sampler.look(key, record.payload, detector.last_host()),
                    false => failpoint::reach("in_replay"),
                }
                if let (true, Some(stamped)) = (is_live, triggered_at) {
                    latency.observe(seconds(now - stamped));
                }
                waiting.note(detector.outbox(), renderer, triggered_at);
                state.position.store(record.offset + 1, Ordering::Relaxed);
            }
            Item::Fault(fault) => faults.push(fault),
        });
        if taken > self.faults.len() {
            self.idle.on_record(now_millis());
            self.state.at_end.store(0, Ordering::Relaxed);
        }
        taken
    }

    /// Lets time run on if the partition is idle.
    fn idle(&mut self, shared: &Shared) {
        let at_end = self.state.at_end.load(Ordering::Relaxed);
        if self.is_frozen || self.detector.awaits_journal() {
            return;
        }
        // At the end of the partition a replay is over, even if the committed offset lies behind
        // the last record: markers of transactions take offsets too.
        if let Some(elapsed) = self.idle.tick(now_millis(), at_end) {
            self.detector.advance_idle(elapsed);
            self.waiting.note(self.detector.outbox(), &shared.renderer, None);
            self.publish(shared);
        }
    }

    /// Publishes what the last batch has changed.
    fn publish(&mut self, shared: &Shared) {
        let stats = self.detector.take_stats();
        shared.metrics.ingest.record(&self.origin.topic, &stats);
        shared.metrics.detect.record(shared.rules(), &stats);
        if let Some(clock) = self.detector.clock() {
            self.clock.set(clock.millis() as f64 / 1_000.0);
        }
        self.name_unknown();
        self.latency.flush();
        self.state.outbox.store(self.waiting.len() as u64, Ordering::Relaxed);
        self.state.replay_left.store(self.detector.replay_remaining(), Ordering::Relaxed);
        let began = self.state.replay_began.load(Ordering::Relaxed);
        if began > 0 && !self.detector.is_replaying() {
            let millis = now_millis().saturating_sub(began);
            self.state.replay_began.store(0, Ordering::Relaxed);
            shared.metrics.kafka.restore_seconds.set(millis as f64 / 1_000.0);
            tracing::info!(topic = %self.origin.topic, partition = self.origin.partition, millis,
                "state is rebuilt");
        }
    }

    /// Says, once in a while, where a record of unknown shape stands.
    fn name_unknown(&mut self) {
        let Some(offset) = self.detector.take_unknown() else { return };
        let now = now_millis();
        if self.unknown_named.is_some_and(|named| now.saturating_sub(named) < NAME_UNKNOWN_EVERY) {
            return;
        }
        self.unknown_named = Some(now);
        tracing::warn!(topic = %self.origin.topic, partition = self.origin.partition, offset,
            "a record of unknown shape: only rules for any category see it");
    }

    /// Publishes what is held, about once a second: that looks at every key.
    fn publish_held(&mut self, shared: &Shared) {
        let now = now_millis();
        if now.saturating_sub(self.held.1) >= HELD_EVERY {
            let held = self.detector.held();
            shared.metrics.detect.replace_held(shared.rules(), &self.held.0, &held);
            self.held = (held, now);
            let labels = [&*self.origin.topic, &self.origin.partition.to_string()];
            let age = self.detector.safe_age().map_or(0, TimeSpan::millis);
            shared.metrics.kafka.safe_age.with_label_values(&labels).set(seconds(age));
        }
    }

    /// Takes back what was published of a partition that is given up.
    fn unpublish(&self, shared: &Shared) {
        shared.metrics.detect.replace_held(shared.rules(), &self.held.0, &Held::default());
        let labels = [&*self.origin.topic, &self.origin.partition.to_string()];
        // There is one: it was made when the partition was adopted.
        drop(shared.metrics.ingest.clock.remove_label_values(&labels));
        // There is none before the first second is over.
        drop(shared.metrics.kafka.safe_age.remove_label_values(&labels));
    }

    /// Returns a cut if there is something to make durable and no other cut is on its way.
    fn cut(&mut self, renderer: &Renderer) -> Option<Bundle> {
        if self.is_cut || !self.detector.has_news() {
            return None;
        }
        let cut = self.detector.cut()?;
        // What is told with each cut has just joined the rest.
        self.waiting.note(self.detector.outbox(), renderer, None);
        let is_news = self.committed.as_ref().is_none_or(|(position, metadata)| {
            (*position, metadata.as_str()) != (cut.position, cut.metadata.as_str())
        });
        if !is_news && cut.outputs == 0 {
            return None;
        }
        let output = self.detector.outbox().iter().zip(self.waiting.triggers());
        self.is_cut = true;
        Some(Bundle::new(self.origin.clone(), cut, output, renderer))
    }

    /// Leaves the state for the case that the partition comes back, if all of it is committed.
    fn keep(self, shared: &Shared) {
        let is_settled = !self.is_cut && !self.detector.is_replaying() && !self.detector.has_news();
        let Some((position, metadata)) = self.committed.filter(|_| is_settled) else { return };
        if self.detector.position() == Some(position) {
            shared.keep(&self.origin, self.detector, Committed { position, metadata });
        }
    }

    fn accept(&mut self, cut: &Cut, journal_end: Option<i64>) {
        self.detector.accept(cut);
        if let Some(end) = journal_end {
            self.detector.on_journal_reached(end);
        }
        self.waiting.accept(cut.outputs);
        self.is_cut = false;
        self.committed = Some((cut.position, cut.metadata.clone()));
        self.state.committed.store(cut.position, Ordering::Relaxed);
        self.state.outbox.store(self.waiting.len() as u64, Ordering::Relaxed);
    }

    fn wants_commit(&self) -> bool {
        !self.is_cut && self.waiting.is_urgent()
    }
}

/// Returns the wall clock, in milliseconds since 1970: for latencies alone.
pub(super) fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns milliseconds as seconds, not below none: clocks differ.
pub(super) fn seconds(millis: i64) -> f64 {
    millis.max(0) as f64 / 1_000.0
}
