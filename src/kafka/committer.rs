//! The committer: a thread that collects cuts, has them delivered, and lets their output be forgotten.
//!
//! Never touches a detector. How cuts become durable is decided by a way of [`Delivery`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::assignment::GroupConsumer;
use super::failpoint;
use super::health::{Concern, Heart};
use super::outcome::{Delivered, backoff, on_delivery};
use super::shared::Shared;
use super::worker::{self, Command, index_of, seconds, unix_millis};
use crate::detect::{Cut, Origin};
use crate::transaction::{Bundle, Pending};

/// How long one cycle waits for the workers' cuts, the acknowledgements, the commit's answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
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

/// A way of making cuts durable.
pub(super) trait Delivery: Send {
    /// Tells whether cuts may be added now; only such of partitions that have none on its way.
    fn takes_more(&self) -> bool;

    /// Adds cuts.
    fn add(&mut self, bundles: Vec<Bundle>);

    /// Goes on with all that is under way, until it is done or it is `deadline`, and tells
    /// whether all is done.
    fn deliver(&mut self, outside: &Outside, deadline: Instant) -> bool;

    /// Forgets what belongs to these partitions: they are somebody else's.
    fn discard(&mut self, origins: &[Origin]);

    /// Tells whether a cut of one of these partitions is under way.
    fn holds(&self, origins: &[Origin]) -> bool;

    /// Tells whether anything at all is under way.
    fn is_idle(&self) -> bool;
}

/// What every way of delivery works with.
pub(super) struct Outside {
    pub(super) shared: Arc<Shared>,
    pub(super) consumer: Arc<GroupConsumer>,
    pub(super) workers: Vec<worker::Handle>,
    pub(super) heart: Arc<Heart>,
}

/// The committer.
pub(super) struct Committer {
    pub(super) inbox: Inbox,
    pub(super) outside: Outside,
    pub(super) delivery: Box<dyn Delivery>,
    pub(super) pace: Pace,
}

/// When to try again.
#[derive(Default)]
pub(super) struct Pace {
    failures: u32,
    not_before: Option<Instant>,
}

impl Committer {
    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        // Whatever an earlier life has left open is ended before anybody waits for it.
        self.cycle();
        loop {
            self.outside.heart.beat();
            match self.inbox.requests.recv_timeout(self.sleep()) {
                Ok(Request::Nudge) => self.cycle_unless_backing_off(),
                Ok(Request::Flush(origins, deadline, done)) => {
                    let is_durable = self.flush(&origins, deadline);
                    done.send(is_durable).ok();
                }
                Ok(Request::Discard(origins)) => self.delivery.discard(&origins),
                Err(RecvTimeoutError::Timeout) => self.cycle_unless_backing_off(),
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.outside.shared.health.forget(&self.outside.heart);
    }

    fn sleep(&self) -> Duration {
        let regular = self.outside.shared.settings.commit_interval.min(MAX_SLEEP);
        match self.pace.not_before {
            Some(time) => time.saturating_duration_since(Instant::now()).max(GAP),
            None => regular,
        }
    }

    fn cycle_unless_backing_off(&mut self) {
        if self.pace.not_before.is_none_or(|time| time <= Instant::now()) {
            self.cycle();
        }
    }

    /// Cuts and delivers, as far as it goes this time.
    fn cycle(&mut self) {
        let began = Instant::now();
        self.inbox.is_raised.store(false, Ordering::Relaxed);
        if self.delivery.takes_more() {
            let bundles = self.collect();
            self.delivery.add(bundles);
        }
        let had_work = !self.delivery.is_idle();
        let is_done = self.delivery.deliver(&self.outside, began + PATIENCE);
        if !is_done {
            self.pace.failures += 1;
            self.pace.not_before = Some(Instant::now() + backoff(self.pace.failures));
            return;
        }
        self.pace = Pace::default();
        if had_work {
            let took = began.elapsed().as_secs_f64();
            self.outside.shared.metrics.kafka.commit_duration.observe(took);
        }
    }

    /// Asks all workers for the cuts of partitions that have none on its way.
    fn collect(&mut self) -> Vec<Bundle> {
        let (reply, answers) = channel();
        for worker in &self.outside.workers {
            worker.send(Command::Cut(reply.clone()));
        }
        drop(reply);
        let deadline = Instant::now() + PATIENCE;
        let mut found = Vec::new();
        for _ in 0..self.outside.workers.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bundles) = answers.recv_timeout(left) else { break };
            found.extend(bundles);
        }
        found
    }

    /// Makes the last cut of partitions durable; false if that did not happen in time.
    fn flush(&mut self, origins: &[Origin], deadline: Instant) -> bool {
        for worker in &self.outside.workers {
            worker.send(Command::Freeze(origins.to_vec()));
        }
        failpoint::reach("in_revoke");
        let mut is_quiet = false;
        while Instant::now() < deadline {
            self.outside.heart.beat();
            let took_more = self.delivery.takes_more();
            self.cycle();
            match (self.delivery.holds(origins), is_quiet && took_more) {
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
}

impl Outside {
    /// Tells the workers that cuts are committed.
    pub(super) fn accept(&self, cuts: Vec<(Origin, Cut)>) {
        let mut by_worker: Vec<Vec<(Origin, Cut)>> = vec![Vec::new(); self.workers.len()];
        for (origin, cut) in cuts {
            by_worker[index_of(&origin, self.workers.len())].push((origin, cut));
        }
        for (worker, cuts) in self.workers.iter().zip(by_worker) {
            if !cuts.is_empty() {
                worker.send(Command::Accept(cuts));
            }
        }
    }

    /// Counts an item of output that is durable.
    pub(super) fn count_delivered(&self, pending: &Pending) {
        let metrics = &self.shared.metrics.alert;
        metrics.record_delivered(&pending.message);
        if let (Some(time), true) = (pending.triggered_at, pending.message.tells_a_reader()) {
            metrics.detection_latency.observe(seconds(unix_millis() - time));
        }
    }

    /// Counts a record that did not arrive, and says why.
    pub(super) fn note_failed_delivery(&self, code: RDKafkaErrorCode) {
        // Purged: the transaction had been given up already, for a reason that was told.
        let is_purged =
            matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight);
        if let (Delivered::Again(reason), false) = (on_delivery(code), is_purged) {
            self.shared.metrics.alert.errors.with_label_values(&[reason]).inc();
            self.complain(Concern::Delivery, &format!("alerts cannot be written: {code}"));
        }
    }

    /// Counts an attempt to commit by how it went.
    pub(super) fn count_commit(&self, result: &'static str) {
        self.shared.metrics.kafka.commits.with_label_values(&[result]).inc();
    }

    /// Notes what keeps output from being delivered.
    pub(super) fn complain(&self, concern: Concern, reason: &str) {
        // Until a broker has answered, that is the cause, and others tell it.
        if !self.shared.health.startup().is_empty() {
            tracing::debug!(reason, "output waits for the first answer of a broker");
        } else if self.shared.health.raise(concern, reason) {
            tracing::error!(reason, "output waits");
        }
    }

    /// Notes that a fault is over.
    pub(super) fn relieve(&self, concern: Concern, message: &'static str) {
        if self.shared.health.clear(concern) {
            tracing::info!(message);
        }
    }
}

/// Adds a cut to a list that is used for one commit only: setting metadata twice would leak.
pub(super) fn add(list: &mut TopicPartitionList, origin: &Origin, cut: &Cut) {
    let mut element = list.add_partition(&origin.topic, origin.partition);
    // The client refuses negative offsets; a cut has none.
    if element.set_offset(Offset::Offset(cut.position.max(0))).is_ok() {
        element.set_metadata(&cut.metadata);
    }
}
