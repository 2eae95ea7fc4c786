//! The poll thread: serves the client, and looks after everybody else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::outcome::failed_for_good;
use super::client::{Consumer, GroupEvents, Polled, Writer};
use super::delivery::{Committer, Outside, Plain, Transactional, Way, inbox};
use super::error::Error;
use super::group::Group;
use super::journal::Reader;
use super::settings::Delivery;
use super::state::Shared;
use super::state::clock::{now_millis, seconds, unix_millis};
use super::{watch, worker};

/// What the poll thread owns.
pub(super) struct Polling {
    shared: Arc<Shared>,
    consumer: Consumer,
    group: Arc<Group>,
    threads: Vec<JoinHandle<()>>,
    /// Looks for the topics, and owns the consumer meanwhile.
    topics: JoinHandle<()>,
}

/// How long the poll thread waits for an event of the group.
const POLL: Duration = Duration::from_millis(100);
/// How long a thread may be known to be stuck before the process ends: while it lives, nobody else
/// is given its partitions.
const STUCK_FOR_GOOD: Duration = Duration::from_secs(30);
/// How long the last cuts may take to become durable.
const LAST_CUTS: Duration = Duration::from_secs(10);

impl Polling {
    /// Starts the threads; joins nothing yet.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self, Error> {
        // Made here even where it is opened later: wrong settings are told at once.
        let writer = Writer::new(&shared.settings, &shared.journal_ends)?;
        let mut threads = Vec::new();
        let mut workers = Vec::new();
        let count = shared.settings.worker_count();
        let (committer, inbox) = inbox(count);
        let needs_journal = shared.journal_memory().is_some();
        let journal = needs_journal.then(|| Reader::spawn(shared, count)).transpose()?;
        for number in 0..count {
            let summons = committer.nudge(number);
            let (worker, thread) = worker::Handle::spawn(number, shared, journal.clone(), summons)?;
            workers.push(worker);
            threads.push(thread);
        }
        let group = Arc::new(Group::new(shared, workers.clone(), committer));
        let events: Arc<dyn GroupEvents> = Arc::<Group>::clone(&group);
        let consumer = Consumer::open(&shared.settings, events)?;
        let way: Box<dyn Way> = match shared.settings.delivery {
            Delivery::AtLeastOnce => Box::new(Plain::new(writer, consumer.clone())),
            Delivery::ExactlyOnce => Box::new(Transactional::new(shared, writer, consumer.clone())),
        };
        let outside = Outside {
            shared: Arc::clone(shared),
            workers,
            heart: shared.health.heart("committer"),
        };
        let committer = Committer::new(inbox, outside, way);
        threads.push(
            std::thread::Builder::new()
                .name("committer".to_owned())
                .spawn(move || committer.run())?,
        );
        watch::retention::watch(shared)?;
        let topics = watch::topics::watch(shared, &consumer)?;
        Ok(Self { shared: Arc::clone(shared), consumer, group, threads, topics })
    }

    /// Works until it is told to stop; tells whether all output was durable at the end.
    pub(super) fn run(self) -> bool {
        self.subscribe();
        let mut replays = watch::ReplayWatch::default();
        let mut placement = watch::PlacementWatch::default();
        let mut stuck_since = None;
        while !self.shared.requests.is_stopping() {
            self.poll();
            placement.look(&self.shared);
            replays.look(&self.shared);
            self.shared.expire_kept();
            self.publish();
            self.group.restart(&self.consumer, self.shared.requests.take_restarts());
            for (origin, poisoned) in self.shared.requests.take_rebuilds() {
                self.group.rebuild(&self.consumer, &origin, poisoned);
            }
            if self.shared.requests.take_rejoin() {
                self.consumer.unsubscribe();
                self.subscribe();
            }
            if self.threads.iter().any(JoinHandle::is_finished) {
                self.shared.requests.fail("a worker or the committer has ended unexpectedly");
                return false;
            }
            match self.shared.health.liveness().pop() {
                None => stuck_since = None,
                Some(reason) => {
                    if stuck_since.get_or_insert_with(Instant::now).elapsed() > STUCK_FOR_GOOD {
                        self.shared.requests.fail(reason);
                        return false;
                    }
                }
            }
        }
        self.leave()
    }

    /// Subscribes to the topics that can be read as streams.
    fn subscribe(&self) {
        let topics = self.shared.topics_to_read();
        if topics.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.subscribe(&topics) {
            self.shared.requests.fail(format!("cannot subscribe: {}", error.in_words()));
        }
    }

    fn poll(&self) {
        self.group.beat();
        match self.consumer.poll(POLL) {
            Polled::Nothing => {}
            Polled::StrayRecord => {
                // A partition whose queue is not ours: start the whole assignment anew.
                tracing::error!("a record came past the partition queues");
                self.shared.requests.ask_for_rejoin();
            }
            Polled::FailedForGood(code) => {
                self.shared.requests.fail(failed_for_good(code, &self.shared.settings));
            }
            Polled::Error(error) => self.group.note_error(&error),
        }
    }

    /// Publishes what only the poll thread knows.
    fn publish(&self) {
        let metrics = &self.shared.metrics.kafka;
        let mut outbox = 0;
        for origin in self.shared.partitions.origins() {
            let Some(state) = self.shared.partitions.find(&origin) else { continue };
            outbox += state.outbox.load(Ordering::Relaxed);
            if let Some(lag) = state.lag() {
                let labels = [&*origin.topic, &origin.partition.to_string()];
                metrics.lag.with_label_values(&labels).set(lag);
            }
        }
        metrics.outbox.set(i64::try_from(outbox).unwrap_or(i64::MAX));
        let bytes = self.shared.memory.output().used();
        metrics.outbox_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        metrics.output_age.set(self.shared.partitions.output_age().as_secs_f64());
        let silence = self.shared.health.longest_silence();
        let now = seconds(unix_millis());
        metrics.last_progress.set(now - silence.as_secs_f64());
    }

    /// Makes the last cuts durable, leaves the group, ends the threads.
    fn leave(self) -> bool {
        let origins = self.shared.partitions.origins();
        tracing::info!(partitions = origins.len(), "leaving the group");
        let is_durable = self.group.give_up(&origins, LAST_CUTS);
        self.group.stop();
        for thread in self.threads.into_iter().chain([self.topics]) {
            // A panic has been reported by the thread itself.
            drop(thread.join());
        }
        let began = now_millis();
        // The last owner: this serves the last revocation (nothing is left to make durable), sends
        // LeaveGroup, waits for its answer and closes the client.
        drop(self.consumer);
        tracing::debug!(millis = now_millis() - began, "consumer closed");
        is_durable
    }
}
