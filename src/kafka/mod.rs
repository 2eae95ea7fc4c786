//! The Kafka side: one consumer, workers that own partitions, one committer.
//!
//! ```text
//! poll thread (assignment) ── partition queues ── workers (detectors) ── committer ── brokers
//! ```
//! Types of the Kafka client do not leave this module.

mod alignment;
mod assignment;
mod budget;
mod committer;
mod failpoint;
pub mod health;
mod idle;
mod journal;
mod outcome;
mod placement;
mod plain;
mod queue;
mod retention;
mod revive;
mod settings;
mod shared;
mod start;
mod stats;
mod topics;
mod transactional;
mod waiting;
mod warm;
mod worker;
mod writer;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use assignment::{Group, GroupConsumer};
use health::{Health, Partitions, now_millis};
use shared::Shared;

use crate::alert::Renderer;
use crate::detect::Engine;
use crate::metrics::Metrics;

pub use settings::{
    Delivery, GroupProtocol, Journal, LIMITED, Limit, Mechanism, OnMissingOffsets, PropertyName,
    PropertyValue, Protocol, REFUSED, Rekey, Sasl, Secret, SecretError, Security, Settings,
};

/// Why the Kafka side cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The client refuses its settings.
    #[error("kafka client: {0}")]
    Client(String),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// In words: the client's own error holds the value of a setting, and that may be a secret.
impl From<KafkaError> for Error {
    fn from(error: KafkaError) -> Self {
        Self::Client(plain(&error))
    }
}

/// A member of the consumer group, with everything that evaluates and writes.
pub struct Consumer {
    shared: Arc<Shared>,
    poll: JoinHandle<()>,
    failures: UnboundedReceiver<String>,
}

impl Consumer {
    /// Starts the threads and joins the group; returns before the brokers have answered.
    pub fn join(
        settings: &Settings,
        engine: Engine,
        renderer: Renderer,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        let (announce, failures) = unbounded_channel();
        let metrics = Arc::clone(metrics);
        let shared = Shared::new(settings.clone(), engine, renderer, metrics, announce);
        let shared = Arc::new(shared);
        let polling = Polling::start(&shared)?;
        let poll = std::thread::Builder::new().name("poll".to_owned()).spawn(|| polling.run())?;
        Ok(Self { shared, poll, failures })
    }

    /// Returns the health of the threads.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.shared.health)
    }

    /// Returns the assigned partitions.
    pub fn partitions(&self) -> Arc<Partitions> {
        Arc::clone(&self.shared.partitions)
    }

    /// Waits until something happens after which the consumer cannot go on, and returns it.
    pub async fn failed(&mut self) -> String {
        match self.failures.recv().await {
            Some(reason) => reason,
            // The announcing end lives in `self.shared`.
            None => std::future::pending().await,
        }
    }

    /// Makes the last cuts durable and leaves the group; false if that took too long.
    pub async fn drain(self, deadline: Duration) -> bool {
        let ends = Instant::now() + deadline;
        self.shared.stop();
        while !self.poll.is_finished() {
            if Instant::now() >= ends {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.poll.join().is_ok()
    }
}

/// What the poll thread owns.
struct Polling {
    shared: Arc<Shared>,
    consumer: Arc<GroupConsumer>,
    threads: Vec<JoinHandle<()>>,
}

/// How long the poll thread waits for an event of the group.
const POLL: Duration = Duration::from_millis(100);
/// How long a thread may be known to be stuck before the process ends: while it lives, nobody else
/// is given its partitions.
const STUCK_FOR_GOOD: Duration = Duration::from_secs(30);
/// How long the last cuts may take to become durable.
const LAST_CUTS: Duration = Duration::from_secs(10);

impl Polling {
    fn start(shared: &Arc<Shared>) -> Result<Self, Error> {
        let client = shared.settings.consumer()?;
        // Made here even where it is opened later: wrong settings are told at once.
        let writer = writer::Writer::new(shared)?;
        let delivery: Box<dyn committer::Delivery> = match shared.settings.delivery {
            Delivery::AtLeastOnce => Box::new(plain::Plain::new(writer)),
            Delivery::ExactlyOnce => Box::new(transactional::Transactional::new(shared, writer)),
        };
        let (committer, inbox) = committer::inbox();
        let mut threads = Vec::new();
        let mut workers = Vec::new();
        for number in 0..shared.settings.worker_count() {
            let (worker, thread) = worker::Handle::spawn(number, shared, committer.nudge())?;
            workers.push(worker);
            threads.push(thread);
        }
        let group = Group {
            shared: Arc::clone(shared),
            workers: workers.clone(),
            committer,
            heart: shared.health.heart("poll"),
            refusals: AtomicU32::new(0),
            consumer: OnceLock::new(),
        };
        let consumer: Arc<GroupConsumer> = Arc::new(client.create_with_context(group)?);
        // Set once, right here.
        drop(consumer.context().consumer.set(Arc::downgrade(&consumer)));
        let committer = committer::Committer {
            inbox,
            outside: committer::Outside {
                shared: Arc::clone(shared),
                consumer: Arc::clone(&consumer),
                workers,
                heart: shared.health.heart("committer"),
            },
            delivery,
            pace: committer::Pace::default(),
        };
        threads.push(
            std::thread::Builder::new()
                .name("committer".to_owned())
                .spawn(move || committer.run())?,
        );
        retention::watch(shared)?;
        Ok(Self { shared: Arc::clone(shared), consumer, threads })
    }

    fn run(self) {
        self.subscribe();
        let mut budget = budget::Budget::default();
        let mut watch = topics::Watch::new();
        let mut judge = placement::Judge::default();
        let mut stuck_since = None;
        while !self.shared.is_stopping() {
            self.poll();
            watch.look(&self.consumer, &self.shared);
            judge.look(&self.shared);
            budget.look(&self.shared);
            self.shared.expire_kept();
            self.publish();
            for origin in self.shared.take_restarts() {
                self.consumer.context().restart(&self.consumer, &origin);
            }
            if self.shared.take_rejoin() {
                self.consumer.unsubscribe();
                self.subscribe();
            }
            if self.threads.iter().any(JoinHandle::is_finished) {
                return self.shared.fail("a worker or the committer has ended unexpectedly");
            }
            match self.shared.health.liveness().pop() {
                None => stuck_since = None,
                Some(reason) => {
                    if stuck_since.get_or_insert_with(Instant::now).elapsed() > STUCK_FOR_GOOD {
                        return self.shared.fail(reason);
                    }
                }
            }
        }
        self.leave();
    }

    /// Subscribes to the topics that can be read as streams.
    fn subscribe(&self) {
        let topics = self.shared.topics_to_read();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        if topics.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.subscribe(&topics) {
            self.shared.fail(format!("cannot subscribe: {}", plain(&error)));
        }
    }

    fn poll(&self) {
        let context = self.consumer.context();
        context.heart.beat();
        match self.consumer.poll(POLL) {
            // Also after a rebalance: nothing is not idleness.
            None => {}
            Some(Ok(_)) => {
                // A partition whose queue is not ours: start the whole assignment anew.
                tracing::error!("a record came past the partition queues");
                self.shared.ask_for_rejoin();
            }
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                self.shared.fail(failed_for_good(code, &self.shared.settings));
            }
            Some(Err(error)) => tracing::debug!(%error, "consumer"),
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
        let silence = self.shared.health.longest_silence();
        let now = worker::seconds(worker::unix_millis());
        metrics.last_progress.set(now - silence.as_secs_f64());
    }

    /// Makes the last cuts durable, leaves the group, ends the threads.
    fn leave(self) {
        let context = self.consumer.context();
        let origins = self.shared.partitions.origins();
        tracing::info!(partitions = origins.len(), "leaving the group");
        context.give_up(&origins, LAST_CUTS);
        context.committer.stop();
        for worker in &context.workers {
            worker.send(worker::Command::Stop);
        }
        for thread in self.threads {
            // A panic has been reported by the thread itself.
            drop(thread.join());
        }
        let began = now_millis();
        // The last owner: this serves the last revocation (nothing is left to make durable), sends
        // LeaveGroup, waits for its answer and closes the client.
        drop(self.consumer);
        tracing::debug!(millis = now_millis() - began, "consumer closed");
    }
}

/// Sends a line of librdkafka's log to ours.
///
/// Connections come and go; what is wrong for longer is told by health, in words.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, message, "librdkafka");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning
            if !matches!(facility, "FAIL" | "ERROR") =>
        {
            tracing::warn!(facility, message, "librdkafka");
        }
        _ => tracing::debug!(facility, message, "librdkafka"),
    }
}

/// Says why a consumer cannot go on, and what to do.
fn failed_for_good(code: RDKafkaErrorCode, settings: &Settings) -> String {
    match (code, &settings.group_instance_id) {
        (
            RDKafkaErrorCode::FencedInstanceId | RDKafkaErrorCode::UnreleasedInstanceId,
            Some(name),
        ) => {
            format!(
                "another member of group `{}` has the same `kafka.group_instance_id`, `{name}`: \
                 give each instance a name of its own",
                settings.group
            )
        }
        _ => format!("the consumer has failed for good: {code}"),
    }
}

/// Returns an error of the client without the client's type names, and without the value of a setting.
fn plain(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, key, value) => {
            let quoted = format!("\"{value}\"");
            let description = description.replace(&quoted, "(not shown)");
            match (key.as_str(), value.len() > 3 && description.contains(value.as_str())) {
                ("", _) => description,
                (_, true) => format!("the value of `{key}` cannot be used"),
                (_, false) => format!("`{key}`: {description}"),
            }
        }
        KafkaError::ClientCreation(description) => description.clone(),
        other => other.to_string(),
    }
}
