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
use super::queue::{Item, PartitionQueue};
use super::shared::Shared;
use super::waiting::Waiting;
use crate::detect::{Cut, Detector, Held, Origin};
use crate::event::EventTime;
use crate::transaction::{Bundle, Pending};

/// How long a worker sleeps when nothing wakes it.
const NAP: Duration = Duration::from_millis(100);
const COMMANDS: usize = 64;
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
    /// Take no more records of these partitions.
    Freeze(Vec<Origin>),
    /// Cut every partition that has no cut on its way.
    Cut(Sender<Vec<Bundle>>),
    /// Forget output: its cut is committed.
    Accept(Vec<(Origin, Cut)>),
    /// Give partitions up, with their state.
    Release(Vec<Origin>, Sender<()>),
    /// End.
    Stop,
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
        let worker =
            Worker { inbox, shared: Arc::clone(shared), nudge, heart, partitions: Vec::new() };
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
                self.partitions.push(Partition::new(*adoption, &self.shared))
            }
            Command::Restart(origin, detector) => {
                if let Some(partition) = self.find(&origin) {
                    partition.restart(*detector);
                }
            }
            Command::Freeze(origins) => {
                for partition in self.partitions.iter_mut().filter(|p| origins.contains(&p.origin))
                {
                    partition.is_frozen = true;
                }
            }
            Command::Cut(reply) => {
                // The committer may have stopped waiting.
                drop(reply.send(self.partitions.iter_mut().filter_map(Partition::cut).collect()));
            }
            Command::Accept(cuts) => {
                for (origin, cut) in &cuts {
                    if let Some(partition) = self.find(origin) {
                        partition.accept(cut);
                    }
                }
                self.nudge_if_alerts_wait();
            }
            Command::Release(origins, done) => {
                let is_given_up = |partition: &Partition| origins.contains(&partition.origin);
                for partition in self.partitions.iter().filter(|p| is_given_up(p)) {
                    partition.unpublish(&self.shared);
                }
                self.partitions.retain(|partition| !is_given_up(partition));
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
            let taken = partition.drain();
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

struct Partition {
    origin: Origin,
    queue: PartitionQueue<Group>,
    detector: Detector,
    state: Arc<PartitionState>,
    /// The last committed position and metadata.
    committed: Option<(i64, String)>,
    /// Whether a cut is on its way to the brokers.
    is_cut: bool,
    is_frozen: bool,
    waiting: Waiting,
    idle: Idle,
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
        if detector.is_replaying() {
            state.replay_began.store(now_millis(), Ordering::Relaxed);
        }
        Self {
            origin,
            queue,
            detector,
            state,
            committed,
            is_cut: false,
            is_frozen: false,
            waiting: Waiting::default(),
            idle: Idle::default(),
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

    /// Feeds one batch to the detector and returns how many items there were.
    fn drain(&mut self) -> usize {
        if self.is_frozen || self.waiting.is_full() {
            return 0;
        }
        let Self { queue, detector, waiting, state, faults, latency, .. } = self;
        let now = unix_millis();
        let is_live = !detector.is_replaying();
        let taken = queue.drain(|item| match item {
            Item::Record(record) => {
                // A record is as old as where it first stood.
                let stamp = record.source.map_or(record.stamp, |source| source.stamp);
                let triggered_at = stamp.time().map(EventTime::millis);
                detector.on_record(&record);
                if !is_live {
                    failpoint::reach("in_replay");
                }
                if let (true, Some(stamped)) = (is_live, triggered_at) {
                    latency.observe(seconds(now - stamped));
                }
                waiting.note(detector.outbox(), triggered_at);
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
        if self.is_frozen {
            return;
        }
        // At the end of the partition a replay is over, even if the committed offset lies behind
        // the last record: markers of transactions take offsets too.
        if let Some(elapsed) = self.idle.tick(now_millis(), at_end) {
            self.detector.advance_idle(elapsed);
            self.waiting.note(self.detector.outbox(), None);
            self.publish(shared);
        }
    }

    /// Publishes what the last batch has changed.
    fn publish(&mut self, shared: &Shared) {
        let stats = self.detector.take_stats();
        shared.metrics.ingest.record(&self.origin.topic, &stats);
        shared.metrics.detect.record(&shared.rules, &stats);
        if let Some(clock) = self.detector.clock() {
            self.clock.set(clock.millis() as f64 / 1_000.0);
        }
        self.name_unknown();
        self.latency.flush();
        self.state.outbox.store(self.waiting.len() as u64, Ordering::Relaxed);
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
            shared.metrics.detect.replace_held(&shared.rules, &self.held.0, &held);
            self.held = (held, now);
        }
    }

    /// Takes back what was published of a partition that is given up.
    fn unpublish(&self, shared: &Shared) {
        shared.metrics.detect.replace_held(&shared.rules, &self.held.0, &Held::default());
        let labels = [&*self.origin.topic, &self.origin.partition.to_string()];
        // There is one: it was made when the partition was adopted.
        drop(shared.metrics.ingest.clock.remove_label_values(&labels));
    }

    /// Returns a cut if there is something to make durable and no other cut is on its way.
    fn cut(&mut self) -> Option<Bundle> {
        if self.is_cut || !self.detector.has_news() {
            return None;
        }
        let cut = self.detector.cut()?;
        // What is told with each cut has just joined the rest.
        self.waiting.note(self.detector.outbox(), None);
        let is_news = self.committed.as_ref().is_none_or(|(position, metadata)| {
            (*position, metadata.as_str()) != (cut.position, cut.metadata.as_str())
        });
        if !is_news && cut.outputs == 0 {
            return None;
        }
        let outputs = self.detector.outbox().iter().take(cut.outputs).zip(self.waiting.triggers());
        let outputs = outputs
            .map(|(output, triggered_at)| Pending { output: output.clone(), triggered_at })
            .collect();
        self.is_cut = true;
        Some(Bundle { origin: self.origin.clone(), cut, outputs })
    }

    fn accept(&mut self, cut: &Cut) {
        self.detector.accept(cut);
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
