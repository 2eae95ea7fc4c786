//! One partition and its detector: records in, cuts out.
//!
//! [`Partition::drain`] takes a batch, [`Partition::idle`] lets time run on, [`Partition::cut`] takes
//! what is to be made durable, and [`Partition::accept`] forgets it.

mod publish;
mod restoration;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus::Gauge;
use prometheus::local::LocalHistogram;

use super::command::Adoption;
use super::idle::Idle;
use super::turn::Turn;
use super::waiting::Waiting;
use crate::alert::Renderer;
use crate::detect::{Cut, Detector, Held, Origin, Record};
use crate::event::EventTime;
use crate::kafka::client::{Code, Item, Records};
use crate::kafka::state::clock::{now_millis, seconds, unix_millis};
use crate::kafka::state::{Committed, Lease, PartitionState, Sampler, Shared, failpoint};
use crate::transaction::Bundle;
use restoration::Restoration;

/// Whether the detector has failed on a record. What it holds then is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    None,
    /// On the record at this offset.
    At(i64),
    /// It has been told; the partition waits for another detector.
    Told,
}

/// What the detector has counted, on its way to the metrics.
#[derive(Debug, Default)]
struct Counts {
    /// When they were last published.
    published: u64,
    /// Whether there is news since.
    has_news: bool,
}

/// A partition that is ours, with its detector.
pub(super) struct Partition {
    origin: Origin,
    lease: Lease,
    queue: Box<dyn Records>,
    detector: Detector,
    /// While the journal is read for it.
    journal: Option<Restoration>,
    state: Arc<PartitionState>,
    /// The last committed position and metadata.
    committed: Option<(i64, String)>,
    /// Whether a cut is on its way to the brokers.
    is_cut: bool,
    is_frozen: bool,
    failure: Failure,
    /// Offsets of records that a detector of this partition has failed on.
    poisoned: Vec<i64>,
    waiting: Waiting,
    idle: Idle,
    sampler: Sampler,
    faults: Vec<Code>,
    latency: LocalHistogram,
    clock: Gauge,
    counts: Counts,
    /// What was last published as held, and when.
    held: (Held, u64),
    /// When a record of unknown shape was last named.
    unknown_named: Option<u64>,
}

impl Partition {
    pub(super) fn new(adoption: Adoption, shared: &Shared) -> Self {
        let Adoption { origin, lease, queue, detector, state, poisoned, committed } = adoption;
        let clock = shared.metrics.ingest.clock_of(&origin.topic, origin.partition);
        let sampler = Sampler::new(&shared.topics.placement, &origin);
        if detector.is_replaying() {
            state.replay_began.store(now_millis(), Ordering::Relaxed);
        }
        Self {
            origin,
            lease,
            queue,
            detector,
            journal: None,
            state,
            committed,
            is_cut: false,
            is_frozen: false,
            failure: Failure::None,
            poisoned,
            waiting: Waiting::new(shared.memory.output()),
            idle: Idle::default(),
            sampler,
            faults: Vec::new(),
            latency: shared.metrics.ingest.processing_latency.local(),
            clock,
            counts: Counts::default(),
            held: (Held::default(), 0),
            unknown_named: None,
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn take_faults(&mut self) -> Vec<Code> {
        std::mem::take(&mut self.faults)
    }

    /// Takes no more records.
    pub(super) fn freeze(&mut self) {
        self.is_frozen = true;
    }

    /// Goes on at an offset: what lies before it is gone.
    pub(super) fn skip_to(&mut self, offset: i64) {
        self.queue.clear();
        self.detector.begin_at(offset);
    }

    /// Tells whether it is this ownership of the partition.
    pub(super) fn has_lease(&self, number: u64) -> bool {
        self.lease.number == number
    }

    /// Starts anew with another detector, of which no cut is on its way.
    pub(super) fn restart(&mut self, lease: Lease, detector: Detector, poisoned: Vec<i64>) {
        self.lease = lease;
        self.failure = Failure::None;
        self.is_frozen = false;
        self.poisoned = poisoned;
        self.detector = detector;
        if self.detector.is_replaying() {
            self.state.replay_began.store(now_millis(), Ordering::Relaxed);
        }
        self.is_cut = false;
        self.queue.clear();
        self.committed = None;
        self.waiting.clear();
        self.idle = Idle::default();
    }

    /// Returns the offset of the record that the detector has failed on, once.
    pub(super) fn take_failure(&mut self) -> Option<i64> {
        let Failure::At(offset) = self.failure else { return None };
        self.failure = Failure::Told;
        Some(offset)
    }

    /// Tells whether the detector takes neither records nor time now.
    fn is_at_rest(&self) -> bool {
        self.is_frozen || self.failure != Failure::None || self.detector.awaits_journal()
    }

    /// Feeds records to the detector until the turn is over, and returns how many items there were.
    pub(super) fn drain(&mut self, turn: &Turn<'_>, renderer: &Renderer) -> usize {
        if self.is_at_rest() || self.waiting.is_full() {
            return 0;
        }
        self.sampler.flush();
        // An alert ends the turn, so that its cut is made now; if one is on its way, the next ones gather.
        let is_urgent = self.is_cut || self.waiting.is_urgent();
        let Self { queue, detector, waiting, state, sampler, faults, latency, .. } = self;
        let (poisoned, failure) = (&self.poisoned, &mut self.failure);
        let (now, noted) = (unix_millis(), now_millis());
        let is_live = !detector.is_replaying();
        let taken = queue.drain(&mut |item| {
            let bytes = match item {
                Item::Record(record, key) => {
                    failpoint::reach("in_turn");
                    // A record is as old as where it first stood.
                    let stamp = record.source.map_or(record.stamp, |source| source.stamp);
                    let triggered_at = stamp.time().map(EventTime::millis);
                    if !show(detector, &record, poisoned) {
                        *failure = Failure::At(record.offset);
                        return ControlFlow::Break(());
                    }
                    match is_live {
                        true => sampler.look(key, record.payload, detector.last_host()),
                        false => failpoint::reach("in_replay"),
                    }
                    if let (true, Some(stamped)) = (is_live, triggered_at) {
                        latency.observe(seconds(now - stamped));
                    }
                    waiting.note(detector.outbox(), renderer, triggered_at, noted);
                    state.position.store(record.offset + 1, Ordering::Relaxed);
                    record.payload.map_or(0, <[u8]>::len)
                }
                Item::Fault(fault) => {
                    faults.push(fault);
                    0
                }
            };
            let is_urgent_now = !is_urgent && waiting.is_urgent();
            match is_urgent_now || turn.is_over_after(bytes) || waiting.is_full() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        if taken > self.faults.len() {
            self.idle.on_record(now_millis());
            self.state.at_end.store(0, Ordering::Relaxed);
        }
        taken
    }

    /// Lets time run on if the partition is idle.
    pub(super) fn idle(&mut self, shared: &Shared) {
        let at_end = self.state.at_end.load(Ordering::Relaxed);
        if self.is_at_rest() {
            return;
        }
        // At the end of the partition a replay is over, even if the committed offset lies behind
        // the last record: markers of transactions take offsets too.
        if let Some(elapsed) = self.idle.tick(now_millis(), at_end) {
            self.detector.advance_idle(elapsed);
            self.waiting.note(self.detector.outbox(), &shared.renderer, None, now_millis());
            self.publish(shared);
        }
    }

    /// Returns a cut if there is something to make durable and no other cut is on its way.
    pub(super) fn cut(&mut self, shared: &Shared) -> Option<Bundle> {
        let renderer = &shared.renderer;
        if self.is_cut || self.failure != Failure::None || !self.detector.has_news() {
            return None;
        }
        let cut = self.detector.cut()?;
        // What is told with each cut has just joined the rest.
        self.waiting.note(self.detector.outbox(), renderer, None, now_millis());
        let is_news = self.committed.as_ref().is_none_or(|(position, metadata)| {
            (*position, metadata.as_str()) != (cut.position, cut.metadata.as_str())
        });
        if !is_news && cut.outputs == 0 {
            return None;
        }
        self.publish_new_counts(shared);
        let output = self.detector.outbox().iter().zip(self.waiting.triggers());
        self.is_cut = true;
        Some(Bundle::new(self.origin.clone(), self.lease.number, cut, output, renderer))
    }

    /// Leaves the state for the case that the partition comes back, if all of it is committed.
    pub(super) fn keep(self, shared: &Shared) {
        let is_settled = !self.is_cut
            && self.failure == Failure::None
            && !self.detector.is_replaying()
            && !self.detector.has_news();
        let Some((position, metadata)) = self.committed.filter(|_| is_settled) else { return };
        if self.detector.position() == Some(position) {
            shared.keep(&self.origin, self.detector, Committed { position, metadata });
        }
    }

    /// Forgets output: its cut is committed.
    pub(super) fn accept(&mut self, cut: &Cut, journal_end: Option<i64>) {
        self.detector.accept(cut);
        if let Some(end) = journal_end {
            self.detector.on_journal_reached(end);
        }
        self.waiting.accept(cut.outputs);
        self.is_cut = false;
        self.committed = Some((cut.position, cut.metadata.clone()));
        self.state.committed.store(cut.position, Ordering::Relaxed);
        self.publish_waiting();
    }

    /// Tells whether output waits that should not wait for the next regular commit.
    pub(super) fn wants_commit(&self) -> bool {
        !self.is_cut && self.waiting.is_urgent()
    }
}

/// Shows a record to a detector, unless one has failed on it before; tells whether it could bear it.
fn show(detector: &mut Detector, record: &Record<'_>, poisoned: &[i64]) -> bool {
    if poisoned.contains(&record.offset) {
        detector.on_poisoned(record);
        return true;
    }
    // A detector that has panicked is thrown away: nobody sees what it has left half done.
    let shown = catch_unwind(AssertUnwindSafe(|| {
        failpoint::reach("in_record");
        detector.on_record(record);
    }));
    shown.is_ok()
}
