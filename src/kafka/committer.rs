//! The committer: a thread that makes output durable, then commits, then lets it be forgotten.
//!
//! Never touches a detector, and never commits a position whose output is not acknowledged.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::assignment::GroupConsumer;
use super::health::{Concern, Heart, lock};
use super::outcome::{Commit, Delivered, backoff, on_commit, on_delivery};
use super::queue::PendingCommit;
use super::shared::Shared;
use super::worker::{self, Bundle, Command, index_of, seconds, unix_millis};
use super::writer::Writer;
use crate::detect::{Cut, Origin};

/// How long one cycle waits for the workers' cuts, the acknowledgements, the commit's answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The least time between two cycles that alerts have asked for.
const GAP: Duration = Duration::from_millis(5);
/// The longest sleep between two signs of life.
const MAX_SLEEP: Duration = Duration::from_secs(5);
const REQUESTS: usize = 64;

/// What the committer is asked to do.
enum Request {
    /// An alert waits.
    Nudge,
    /// Cut these partitions for the last time; the answer tells whether all is committed.
    Flush(Vec<Origin>, Instant, Sender<bool>),
    /// Forget what belongs to these partitions: they are somebody else's.
    Discard(Vec<Origin>),
    /// End.
    Stop,
}

/// Asks the committer to come soon; costs nothing when it has been asked already.
#[derive(Clone)]
pub(super) struct Nudge {
    requests: SyncSender<Request>,
    is_raised: Arc<AtomicBool>,
}

impl Nudge {
    /// Asks.
    pub(super) fn now(&self) {
        if !self.is_raised.swap(true, Ordering::Relaxed) {
            // A full channel means that the committer is about to come anyway.
            drop(self.requests.try_send(Request::Nudge));
        }
    }
}

/// The way to the committer.
pub(super) struct Handle {
    requests: SyncSender<Request>,
    nudge: Nudge,
}

/// The committer's end of that way, until it starts.
pub(super) struct Inbox {
    requests: Receiver<Request>,
    is_raised: Arc<AtomicBool>,
}

/// Returns both ends of the way to a committer.
pub(super) fn inbox() -> (Handle, Inbox) {
    let (requests, receiver) = sync_channel(REQUESTS);
    let is_raised = Arc::new(AtomicBool::new(false));
    let nudge = Nudge { requests: requests.clone(), is_raised: Arc::clone(&is_raised) };
    (Handle { requests, nudge }, Inbox { requests: receiver, is_raised })
}

impl Handle {
    /// Returns what workers use to ask for a commit.
    pub(super) fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// Makes the last cut of partitions durable; false if that did not happen in time.
    pub(super) fn flush(&self, origins: Vec<Origin>, patience: Duration) -> bool {
        let (done, answer) = channel();
        let request = Request::Flush(origins, Instant::now() + patience, done);
        let is_sent = self.requests.send(request).is_ok();
        // The committer keeps to the deadline itself; one cycle may overrun it.
        is_sent && answer.recv_timeout(patience + PATIENCE).unwrap_or(false)
    }

    /// Forgets what belongs to partitions that are no longer ours.
    pub(super) fn discard(&self, origins: Vec<Origin>) {
        drop(self.requests.send(Request::Discard(origins)));
    }

    /// Ends the committer.
    pub(super) fn stop(&self) {
        drop(self.requests.send(Request::Stop));
    }
}

/// The committer.
pub(super) struct Committer {
    pub(super) inbox: Inbox,
    pub(super) shared: Arc<Shared>,
    pub(super) consumer: Arc<GroupConsumer>,
    pub(super) writer: Writer,
    pub(super) workers: Vec<worker::Handle>,
    pub(super) heart: Arc<Heart>,
    pub(super) parcels: Parcels,
}

/// Bundles on their way, and the tickets of their records that the client holds.
#[derive(Default)]
pub(super) struct Parcels {
    open: Vec<Parcel>,
    in_flight: HashMap<usize, (Origin, usize)>,
    next_ticket: usize,
    failures: u32,
    not_before: Option<Instant>,
}

/// A bundle and how far each of its outputs has come.
struct Parcel {
    bundle: Bundle,
    progress: Vec<Progress>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    InFlight,
    Durable,
}

impl Parcel {
    fn is_durable(&self) -> bool {
        self.progress.iter().all(|progress| *progress == Progress::Durable)
    }
}

impl Committer {
    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            self.heart.beat();
            match self.inbox.requests.recv_timeout(self.sleep()) {
                Ok(Request::Nudge) => self.cycle_unless_backing_off(),
                Ok(Request::Flush(origins, deadline, done)) => {
                    let is_durable = self.flush(&origins, deadline);
                    done.send(is_durable).ok();
                }
                Ok(Request::Discard(origins)) => self.discard(&origins),
                Err(RecvTimeoutError::Timeout) => self.cycle_unless_backing_off(),
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.shared.health.forget(&self.heart);
    }

    fn sleep(&self) -> Duration {
        let regular = self.shared.settings.commit_interval.min(MAX_SLEEP);
        match self.parcels.not_before {
            Some(time) => time.saturating_duration_since(Instant::now()).max(GAP),
            None => regular,
        }
    }

    fn cycle_unless_backing_off(&mut self) {
        if self.parcels.not_before.is_none_or(|time| time <= Instant::now()) {
            self.cycle();
        }
    }

    /// Cuts, writes, commits and accepts, as far as it goes this time.
    fn cycle(&mut self) {
        let began = Instant::now();
        self.inbox.is_raised.store(false, Ordering::Relaxed);
        self.collect();
        if self.parcels.open.is_empty() {
            // Serves the client's log and errors.
            self.take_answers(Duration::ZERO);
            self.parcels.not_before = None;
            return;
        }
        let is_written = self.write(began + PATIENCE);
        let is_committed = self.commit();
        if is_written && is_committed {
            self.parcels.failures = 0;
            self.parcels.not_before = None;
            let took = began.elapsed().as_secs_f64();
            self.shared.metrics.kafka.commit_duration.observe(took);
        } else {
            self.parcels.failures += 1;
            self.parcels.not_before = Some(Instant::now() + backoff(self.parcels.failures));
        }
    }

    /// Asks all workers for the cuts of partitions that have none on its way.
    fn collect(&mut self) {
        let (reply, bundles) = channel();
        for worker in &self.workers {
            worker.send(Command::Cut(reply.clone()));
        }
        drop(reply);
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..self.workers.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bundles) = bundles.recv_timeout(left) else { break };
            self.parcels.open.extend(bundles.into_iter().map(|bundle| {
                let progress = vec![Progress::Waiting; bundle.outputs.len()];
                Parcel { bundle, progress }
            }));
        }
    }

    /// Writes what is not yet durable; tells whether all of it is now.
    fn write(&mut self, deadline: Instant) -> bool {
        let has_output = self.parcels.open.iter().any(|parcel| !parcel.is_durable());
        if !has_output {
            return true;
        }
        if let Some(missing) = self.shared.missing_topics() {
            self.shared.metrics.alert.errors.with_label_values(&["no_topic"]).inc();
            self.complain(Concern::Delivery, &missing);
            return false;
        }
        self.send_waiting();
        let mut polls = 0_u32;
        while !self.parcels.in_flight.is_empty() && Instant::now() < deadline {
            // Answers come within milliseconds, or else not soon.
            self.take_answers(Duration::from_millis(if polls < 50 { 1 } else { 10 }));
            polls += 1;
        }
        let is_written = self.parcels.open.iter().all(Parcel::is_durable);
        match is_written {
            true => self.relieve(Concern::Delivery, "alerts are being written again"),
            false if !self.parcels.in_flight.is_empty() => {
                self.complain(Concern::Delivery, "alerts wait for the brokers' acknowledgement");
            }
            false => {}
        }
        is_written
    }

    fn send_waiting(&mut self) {
        let Parcels { open, in_flight, next_ticket, .. } = &mut self.parcels;
        let mut refusal = None;
        for parcel in open {
            let outputs = parcel.bundle.outputs.iter().zip(&mut parcel.progress).enumerate();
            for (index, (pending, progress)) in outputs {
                if *progress != Progress::Waiting {
                    continue;
                }
                let origin = &parcel.bundle.origin;
                match self.writer.send(origin, &pending.output, *next_ticket) {
                    Ok(()) => {
                        in_flight.insert(*next_ticket, (origin.clone(), index));
                        *progress = Progress::InFlight;
                        *next_ticket += 1;
                    }
                    Err(code) => refusal = Some(code),
                }
            }
        }
        if let Some(code) = refusal {
            self.note_failed_delivery(code);
        }
    }

    fn take_answers(&mut self, wait: Duration) {
        for (ticket, code) in self.writer.answers(wait) {
            let Some((origin, index)) = self.parcels.in_flight.remove(&ticket) else { continue };
            let parcel = self.parcels.open.iter_mut().find(|p| p.bundle.origin == origin);
            let Some(parcel) = parcel else { continue };
            match on_delivery(code) {
                Delivered::Yes => {
                    parcel.progress[index] = Progress::Durable;
                    let pending = &parcel.bundle.outputs[index];
                    let metrics = &self.shared.metrics.alert;
                    metrics.record_delivered(&pending.output);
                    if let Some(time) = pending.triggered_at {
                        metrics.detection_latency.observe(seconds(unix_millis() - time));
                    }
                }
                Delivered::Again(_) => {
                    parcel.progress[index] = Progress::Waiting;
                    self.note_failed_delivery(code);
                }
            }
        }
    }

    fn note_failed_delivery(&self, code: RDKafkaErrorCode) {
        if let Delivered::Again(reason) = on_delivery(code) {
            self.shared.metrics.alert.errors.with_label_values(&[reason]).inc();
        }
        self.complain(Concern::Delivery, &format!("alerts cannot be written: {code}"));
    }

    /// Commits the parcels whose output is durable; tells whether that worked.
    fn commit(&mut self) -> bool {
        let mut list = TopicPartitionList::new();
        let started = {
            let owned = lock(&self.shared.owned);
            let ready = self
                .parcels
                .open
                .iter()
                .filter(|parcel| parcel.is_durable() && owned.contains(&parcel.bundle.origin));
            for parcel in ready {
                add(&mut list, &parcel.bundle.origin, &parcel.bundle.cut);
            }
            if list.count() == 0 {
                return true;
            }
            PendingCommit::start(&self.consumer, &list)
        };
        let answers = started.and_then(|pending| pending.wait(PATIENCE));
        match answers {
            Ok(answers) => self.settle(answers),
            Err(code) => self.judge(code),
        }
    }

    /// Accepts what is committed; tells whether that is all.
    fn settle(&mut self, answers: Vec<(Origin, RDKafkaErrorCode)>) -> bool {
        let mut accepted: Vec<Vec<(Origin, Cut)>> = vec![Vec::new(); self.workers.len()];
        let mut is_all_done = true;
        for (origin, code) in answers {
            if on_commit(code) != Commit::Done {
                is_all_done &= self.judge(code);
                continue;
            }
            let open = &mut self.parcels.open;
            if let Some(at) = open.iter().position(|parcel| parcel.bundle.origin == origin) {
                let cut = open.swap_remove(at).bundle.cut;
                accepted[index_of(&origin, self.workers.len())].push((origin, cut));
            }
        }
        for (worker, cuts) in self.workers.iter().zip(accepted) {
            if !cuts.is_empty() {
                worker.send(Command::Accept(cuts));
            }
        }
        if is_all_done {
            self.shared.metrics.kafka.commits.with_label_values(&["ok"]).inc();
            self.relieve(Concern::Commit, "positions are being committed again");
        }
        is_all_done
    }

    /// Notes a commit that failed; tells whether it is settled nevertheless.
    fn judge(&self, code: RDKafkaErrorCode) -> bool {
        let commits = &self.shared.metrics.kafka.commits;
        match on_commit(code) {
            Commit::Done => return true,
            Commit::Rebalancing => {
                commits.with_label_values(&["rebalance"]).inc();
                tracing::debug!(%code, "commit waits for the rebalance");
            }
            Commit::Again => {
                commits.with_label_values(&["retry"]).inc();
                self.complain(Concern::Commit, &format!("positions cannot be committed: {code}"));
            }
            Commit::Fenced => {
                commits.with_label_values(&["failed"]).inc();
                self.shared.fail(format!("another instance has taken our place: {code}"));
            }
        }
        false
    }

    /// Makes the last cut of partitions durable; false if that did not happen in time.
    fn flush(&mut self, origins: &[Origin], deadline: Instant) -> bool {
        for worker in &self.workers {
            worker.send(Command::Freeze(origins.to_vec()));
        }
        let mut is_quiet = false;
        while Instant::now() < deadline {
            self.heart.beat();
            self.cycle();
            let has_open = self.parcels.open.iter().any(|p| origins.contains(&p.bundle.origin));
            match (has_open, is_quiet) {
                // The first quiet cycle may have finished an older cut, before the last one.
                (false, true) => return true,
                (false, false) => is_quiet = true,
                (true, _) => {
                    is_quiet = false;
                    std::thread::sleep(GAP);
                }
            }
        }
        false
    }

    fn discard(&mut self, origins: &[Origin]) {
        self.parcels.open.retain(|parcel| !origins.contains(&parcel.bundle.origin));
        self.parcels.in_flight.retain(|_, (origin, _)| !origins.contains(origin));
    }

    fn complain(&self, concern: Concern, reason: &str) {
        if self.shared.health.raise(concern, reason) {
            tracing::error!(reason, "output waits");
        }
    }

    fn relieve(&self, concern: Concern, message: &'static str) {
        if self.shared.health.clear(concern) {
            tracing::info!(message);
        }
    }
}

/// Adds a cut to a list that is used for one commit only: setting metadata twice would leak.
fn add(list: &mut TopicPartitionList, origin: &Origin, cut: &Cut) {
    let mut element = list.add_partition(&origin.topic, origin.partition);
    // The client refuses negative offsets; a cut has none.
    if element.set_offset(Offset::Offset(cut.position.max(0))).is_ok() {
        element.set_metadata(&cut.metadata);
    }
}
