//! The rebalance conversation: which partitions are ours, where each starts, how each is left.
//!
//! Runs on the poll thread, inside the client's callback. Never lets a partition be read from
//! anywhere but where its detector asks, nor be given up with output that could still be written.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::committer;
use super::health::{Concern, Heart, PartitionState, lock, name, now_millis};
use super::queue::{Entry, Headers, PartitionQueue, entries_of};
use super::shared::Shared;
use super::start::{Committed, Log, Origination, Start, originate, read_from};
use super::stats::Snapshot;
use super::topics;
use super::worker::{self, Adoption, Command, Keep, index_of};
use crate::detect::{Detector, Origin};

/// How long the callback tries to find out where partitions start. Below `max.poll.interval.ms`.
const FETCH_PATIENCE: Duration = Duration::from_secs(30);
/// How long one question to the brokers may take.
const QUESTION: Duration = Duration::from_secs(5);
/// How long revoked partitions may take to be made durable: half of the session's timeout.
const REVOKE_PATIENCE: Duration = Duration::from_secs(5);
/// How long a worker may take to give partitions up: it finishes its batch first.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// How many assignments in a row may be refused for want of an answer. Then it may well be the
/// client that hears nothing: one whose connections to a broker have come and gone can wait for
/// ever on one that is no more, and only a new one helps.
const REFUSALS: u32 = 3;

/// The consumer, as our rebalances need it.
pub(super) type GroupConsumer = BaseConsumer<Group>;

/// What the client calls back.
pub(super) struct Group {
    pub(super) shared: Arc<Shared>,
    pub(super) workers: Vec<worker::Handle>,
    pub(super) committer: committer::Handle,
    pub(super) heart: Arc<Heart>,
    /// Assignments refused in a row for want of an answer.
    pub(super) refusals: AtomicU32,
    /// The consumer itself: queues must keep it alive, and the callback only lends it.
    pub(super) consumer: OnceLock<Weak<GroupConsumer>>,
}

/// Why partitions could not be started.
enum Refusal {
    /// The brokers did not answer in time: join again.
    NoAnswer(String),
    /// The operator wants to decide.
    MissingOffsets(Origin),
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.no_broker(reason),
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => self.no_login(reason),
            _ => tracing::debug!(%error, reason, "consumer"),
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice::<Snapshot>(statistics) {
            Ok(snapshot) => self.take_in(&snapshot),
            Err(error) => tracing::debug!(%error, "statistics of the client are unreadable"),
        }
    }
}

impl ConsumerContext for Group {
    fn rebalance(
        &self,
        consumer: &GroupConsumer,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.heart.beat();
        match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assign(consumer, partitions);
            }
            _ => self.revoke(consumer, partitions),
        }
        self.heart.beat();
    }
}

impl Group {
    /// Starts a partition at what the log still holds, after its next record was found gone.
    pub(super) fn restart(&self, consumer: &GroupConsumer, origin: &Origin) {
        let Some(state) = self.shared.partitions.find(origin) else { return };
        let position = state.position.load(Ordering::Relaxed);
        let log = match log_of(consumer, origin) {
            Ok(log) => log,
            Err(error) => {
                tracing::warn!(partition = name(origin), %error, "restart waits for an answer");
                return self.shared.ask_for_restart(origin);
            }
        };
        let committed = Some(Committed { position, metadata: String::new() });
        let policy = self.shared.settings.on_missing_offsets_of(&origin.topic);
        let Some(found) = originate(committed, log, policy) else {
            return self.refuse(&Refusal::MissingOffsets(origin.clone()));
        };
        let offset = found.resume.position.max(log.low);
        tracing::error!(topic = %origin.topic, partition = origin.partition, position,
            log_start = log.low, log_end = log.high, restart = offset,
            "records are gone from the log before they were read");
        self.shared.metrics.kafka.replay_truncated.inc();
        // Going on behind a gap keeps the state; going back needs a new one.
        let command = match found.is_committed {
            true => Command::Skip(origin.clone(), offset),
            false => {
                let (detector, _) = self.detector(origin, &found.resume);
                Command::Restart(origin.clone(), Box::new(detector))
            }
        };
        self.worker_of(origin).send(command);
        let sought =
            consumer.seek(&origin.topic, origin.partition, Offset::Offset(offset), QUESTION);
        if let Err(error) = sought {
            // The client no longer fetches it, since its topic was deleted meanwhile. Only an
            // assignment makes it do so again.
            tracing::warn!(partition = name(origin), %error, "restart failed, joining anew");
            self.shared.ask_for_rejoin();
        }
    }

    /// Makes the last cut of partitions durable if they are still ours, and gives them up.
    pub(super) fn give_up(&self, origins: &[Origin], patience: Duration) {
        if origins.is_empty() {
            return;
        }
        if !self.committer.flush(origins.to_vec(), patience) {
            tracing::warn!(
                partitions = origins.len(),
                "output was not durable in time; the next owner does it again"
            );
        }
        let keep = if self.shared.is_stopping() { Keep::Nothing } else { Keep::Warm };
        self.drop_state(origins, keep);
    }

    fn assign(&self, consumer: &GroupConsumer, partitions: &mut TopicPartitionList) {
        self.shared.metrics.kafka.rebalances.with_label_values(&["assign"]).inc();
        // The list belongs to the client: it must not be replaced, which would free it.
        let nothing = TopicPartitionList::new();
        let (adoptions, accepted) = match self.prepare(consumer, partitions) {
            Ok(adoptions) => (adoptions, &*partitions),
            Err(refusal) => {
                self.refuse(&refusal);
                // The protocol wants an answer: none of them.
                (Vec::new(), &nothing)
            }
        };
        let assigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(accepted),
            _ => consumer.assign(accepted),
        };
        if let Err(error) = assigned {
            tracing::error!(%error, "assignment was refused by the client");
            return self.shared.ask_for_rejoin();
        }
        for adoption in adoptions {
            let origin = adoption.origin.clone();
            lock(&self.shared.owned).push(origin.clone());
            self.shared.partitions.add(&origin, &adoption.state);
            self.worker_of(&origin).send(Command::Adopt(Box::new(adoption)));
        }
        self.count_partitions();
    }

    /// Finds out where each partition starts, sets its offset in the list, and takes its queue.
    fn prepare(
        &self,
        consumer: &GroupConsumer,
        partitions: &mut TopicPartitionList,
    ) -> Result<Vec<Adoption>, Refusal> {
        // `None` while the consumer is being dropped: nothing is to be started then.
        let shared_consumer = self.consumer.get().and_then(Weak::upgrade);
        let Some(shared_consumer) = shared_consumer.filter(|_| partitions.count() > 0) else {
            return Ok(Vec::new());
        };
        let deadline = Instant::now() + FETCH_PATIENCE;
        if let Some(topic) = self.shared.settings.rekey_topic() {
            self.ask(deadline, || topics::learn_size(consumer, &self.shared, topic))?;
        }
        let committed = self.ask(deadline, || committed_of(consumer, partitions, QUESTION))?;
        let mut adoptions = Vec::with_capacity(committed.len());
        for (origin, committed) in committed {
            let log = self.ask(deadline, || log_of(consumer, &origin))?;
            let policy = self.shared.settings.on_missing_offsets_of(&origin.topic);
            let found = originate(committed, log, policy)
                .ok_or_else(|| Refusal::MissingOffsets(origin.clone()))?;
            let adoption = self.adopt(&shared_consumer, origin, found, log, partitions)?;
            adoptions.push(adoption);
        }
        self.shared.health.clear(Concern::Assignment);
        self.refusals.store(0, Ordering::Relaxed);
        Ok(adoptions)
    }

    fn adopt(
        &self,
        consumer: &Arc<GroupConsumer>,
        origin: Origin,
        found: Origination,
        log: Log,
        partitions: &mut TopicPartitionList,
    ) -> Result<Adoption, Refusal> {
        let position = found.resume.position;
        let (mut detector, start) = self.revive(&origin, &found);
        let from = read_from(detector.read_from(), position, log);
        let start = match (from.is_truncated, position < log.low) {
            (false, _) => start,
            (true, false) => Start::ReplayTruncated,
            (true, true) => Start::RecordsGone,
        };
        self.note_start(&origin, start, &detector, from, position);
        if from.is_truncated {
            detector.begin_at(from.offset);
        }
        tracing::info!(topic = %origin.topic, partition = origin.partition, position,
            read_from = from.offset, log_start = log.low, log_end = log.high,
            how = start.name(), note = found.note, "partition assigned");
        let no_answer = |what: &str| Refusal::NoAnswer(format!("{what} for {}", name(&origin)));
        partitions
            .set_partition_offset(&origin.topic, origin.partition, Offset::Offset(from.offset))
            .map_err(|error| no_answer(&error.to_string()))?;
        let thread = self.worker_of(&origin).thread();
        let headers = match self.shared.settings.rekey_topic() == Some(&*origin.topic) {
            true => Headers::Source,
            false => Headers::Ignored,
        };
        let queue = PartitionQueue::open(consumer, &origin, headers, thread)
            .ok_or_else(|| no_answer("the client has no queue"))?;
        let is_committed = found.is_committed;
        let state = PartitionState::starting(from.offset, is_committed.then_some(position));
        let committed = is_committed.then_some((position, found.resume.metadata));
        Ok(Adoption { origin, queue, detector, state: Arc::new(state), committed })
    }

    /// Returns a detector that rebuilds a state, and whether it can.
    pub(super) fn detector(&self, origin: &Origin, resume: &Committed) -> (Detector, bool) {
        let engine = self.shared.engine();
        let (mut detector, refused) =
            engine.resume(origin.clone(), resume.position, &resume.metadata);
        if let Some(reason) = &refused {
            tracing::warn!(topic = %origin.topic, partition = origin.partition, reason,
                "state cannot be rebuilt from the committed metadata and starts empty");
        }
        detector.share(Arc::clone(&self.shared.budget));
        (detector, refused.is_none())
    }

    fn revoke(&self, consumer: &GroupConsumer, partitions: &TopicPartitionList) {
        let is_lost = consumer.assignment_lost();
        let kind = if is_lost { "lost" } else { "revoke" };
        self.shared.metrics.kafka.rebalances.with_label_values(&[kind]).inc();
        let owned = lock(&self.shared.owned).clone();
        let origins: Vec<Origin> = entries_of(partitions)
            .into_iter()
            .map(|entry| entry.origin)
            .filter(|origin| owned.contains(origin))
            .collect();
        tracing::info!(partitions = origins.len(), kind, "partitions revoked");
        match is_lost {
            // They may have a new owner already, whose positions ours must not overwrite.
            true => self.drop_state(&origins, Keep::Nothing),
            false => self.give_up(&origins, REVOKE_PATIENCE),
        }
        let unassigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => {
                assigned_among(consumer, partitions).and_then(|l| consumer.incremental_unassign(&l))
            }
            _ => consumer.unassign(),
        };
        if let Err(error) = unassigned {
            tracing::error!(%error, "the client did not give partitions up");
        }
    }

    fn drop_state(&self, origins: &[Origin], keep: Keep) {
        lock(&self.shared.owned).retain(|origin| !origins.contains(origin));
        self.committer.discard(origins.to_vec());
        let (done, answers) = channel();
        for worker in &self.workers {
            worker.send(Command::Release(origins.to_vec(), keep, done.clone()));
        }
        drop(done);
        let deadline = Instant::now() + RELEASE_PATIENCE;
        for _ in &self.workers {
            let left = deadline.saturating_duration_since(Instant::now());
            if answers.recv_timeout(left).is_err() {
                tracing::warn!("a worker is slow to give its partitions up");
                break;
            }
        }
        for origin in origins {
            self.shared.partitions.remove(origin);
            let labels = [&*origin.topic, &origin.partition.to_string()];
            // There is none if the partition's end was never learnt.
            drop(self.shared.metrics.kafka.lag.remove_label_values(&labels));
        }
        self.count_partitions();
    }

    /// Asks the brokers until they answer, but not for ever.
    fn ask<T>(
        &self,
        deadline: Instant,
        question: impl Fn() -> Result<T, KafkaError>,
    ) -> Result<T, Refusal> {
        loop {
            self.heart.beat();
            match question() {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() > deadline || self.shared.is_stopping() => {
                    return Err(Refusal::NoAnswer(error.to_string()));
                }
                Err(error) => {
                    tracing::warn!(%error, "committed offsets cannot be read yet");
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        }
    }

    fn refuse(&self, refusal: &Refusal) {
        let reason = match refusal {
            Refusal::NoAnswer(reason) => {
                let reason = format!("partitions cannot be started: {reason}");
                match self.refusals.fetch_add(1, Ordering::Relaxed) + 1 {
                    REFUSALS => self.shared.fail(reason.as_str()),
                    _ => self.shared.ask_for_rejoin(),
                }
                reason
            }
            Refusal::MissingOffsets(origin) => {
                let reason = format!(
                    "{} has no usable committed offset, and `kafka.on_missing_offsets` is `fail`; \
                     set it to `earliest` or `latest`, or reset the group's offsets",
                    name(origin)
                );
                self.shared.fail(reason.as_str());
                reason
            }
        };
        self.shared.health.raise(Concern::Assignment, reason.as_str());
        tracing::error!(reason, "assignment refused");
    }

    fn take_in(&self, snapshot: &Snapshot) {
        let now = now_millis();
        for end in snapshot.ends() {
            let Some(state) = self.shared.partitions.find(&end.origin) else { continue };
            state.end.store(end.offset, Ordering::Relaxed);
            let at_end = end.reached.map_or(0, |age| now.saturating_sub(age).max(1));
            state.at_end.store(at_end, Ordering::Relaxed);
        }
        if let Some(joined) = snapshot.joined() {
            self.shared.health.set_joined(joined);
        }
    }

    fn no_login(&self, reason: &str) {
        if self.shared.health.raise(Concern::Login, "login or TLS fails: the log says why") {
            let protocol = self.shared.settings.protocol().name();
            tracing::error!(protocol, reason, "login or TLS fails");
        }
    }

    fn no_broker(&self, reason: &str) {
        let brokers = self.shared.settings.bootstrap_servers();
        if self.shared.health.raise(Concern::Brokers, "no broker answers") {
            let protocol = self.shared.settings.protocol().name();
            tracing::error!(protocol, reason, "no broker answers at `{brokers}`");
        }
    }

    fn count_partitions(&self) {
        let count = lock(&self.shared.owned).len();
        self.shared.divide_memory();
        let limit = count.saturating_mul(self.shared.options().max_bytes);
        let limit = limit.min(self.shared.budget.limit());
        let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.shared.metrics.kafka.assigned.set(signed(count));
        self.shared.metrics.detect.pending_limit.set(signed(limit));
    }

    fn worker_of(&self, origin: &Origin) -> &worker::Handle {
        &self.workers[index_of(origin, self.workers.len())]
    }
}

/// Returns what is committed for exactly these partitions.
pub(super) fn committed_of(
    consumer: &GroupConsumer,
    partitions: &TopicPartitionList,
    patience: Duration,
) -> Result<Vec<(Origin, Option<Committed>)>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.count());
    for entry in entries_of(partitions) {
        list.add_partition(&entry.origin.topic, entry.origin.partition);
    }
    let answer = consumer.committed_offsets(list, patience)?;
    entries_of(&answer)
        .into_iter()
        .map(|entry| match entry.error {
            RDKafkaErrorCode::NoError => {
                let committed = (entry.offset >= 0).then(|| Committed {
                    position: entry.offset,
                    metadata: entry.metadata.unwrap_or_default(),
                });
                Ok((entry.origin, committed))
            }
            code => Err(KafkaError::OffsetFetch(code)),
        })
        .collect()
}

/// Returns those of the group's partitions that the client has been told to read: an assignment
/// that was refused is still the group's, and giving up what it does not have the client takes for
/// no answer at all.
fn assigned_among(
    consumer: &GroupConsumer,
    partitions: &TopicPartitionList,
) -> Result<TopicPartitionList, KafkaError> {
    let assigned = consumer.assignment()?;
    let mut list = TopicPartitionList::new();
    for Entry { origin, .. } in entries_of(partitions) {
        if assigned.find_partition(&origin.topic, origin.partition).is_some() {
            list.add_partition(&origin.topic, origin.partition);
        }
    }
    Ok(list)
}

/// Returns which offsets the log holds.
fn log_of(consumer: &GroupConsumer, origin: &Origin) -> Result<Log, KafkaError> {
    let found = consumer.fetch_watermarks(&origin.topic, origin.partition, QUESTION);
    let (low, high) = found.inspect_err(|_| {
        // Another broker may lead by now: of a partition that it does not read yet the client
        // would ask only at its next regular time.
        drop(consumer.fetch_metadata(Some(&origin.topic), QUESTION));
    })?;
    Ok(Log { low, high })
}
