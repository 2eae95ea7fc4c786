//! How partitions are taken in: each is asked about, started, and handed to its worker.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Group;
use super::refusal::Refusal;
use crate::detect::Origin;
use crate::kafka::client::{Assignment, ClientError, Headers, Questions};
use crate::kafka::start::{Origination, Start, note_start, originate, read_from, revive};
use crate::kafka::state::{Concern, Log, PartitionState, name};
use crate::kafka::worker::{Adoption, Command};

/// How long one question to the brokers may take at most.
const QUESTION: Duration = Duration::from_secs(5);

impl Group {
    /// Takes partitions in, or none of them if they cannot be started.
    pub(super) fn assign(&self, mut assignment: Assignment<'_>) {
        self.shared.metrics.kafka.rebalances.with_label_values(&["assign"]).inc();
        let origins = assignment.origins();
        let prepared = self.prepare(&mut assignment);
        let (adoptions, assigned) = match prepared {
            Ok(adoptions) => (adoptions, assignment.accept()),
            Err(refusal) => {
                self.shared.leases.forget(&origins);
                self.refuse(&refusal);
                // The protocol wants an answer: none of them.
                (Vec::new(), assignment.refuse())
            }
        };
        if let Err(error) = assigned {
            tracing::error!(%error, "assignment was refused by the client");
            self.shared.leases.forget(&origins);
            return self.shared.requests.ask_for_rejoin();
        }
        for adoption in adoptions {
            let origin = adoption.origin.clone();
            self.shared.partitions.add(&origin, &adoption.state);
            self.workers[adoption.lease.worker].send(Command::Adopt(Box::new(adoption)));
        }
        self.count_partitions();
    }

    /// Finds out where each partition starts, sets its offset, and takes its queue.
    fn prepare(&self, assignment: &mut Assignment<'_>) -> Result<Vec<Adoption>, Refusal> {
        let origins = assignment.origins();
        if assignment.is_closing() || origins.is_empty() {
            return Ok(Vec::new());
        }
        let questions = assignment.questions();
        // The last question may begin at the deadline; what is left is for starting the partitions.
        let interval = self.shared.settings.poll_interval();
        let (deadline, question) = (Instant::now() + interval / 2, QUESTION.min(interval / 6));
        if let Some(topic) = self.shared.settings.rekey_topic() {
            self.ask(deadline, || self.learn_size(questions, topic, question))?;
        }
        let committed = self.ask(deadline, || questions.committed(&origins, question))?;
        let asked: Vec<Origin> = committed.iter().map(|(origin, _)| origin.clone()).collect();
        let logs = self.ask(deadline, || questions.logs_of(&asked, question))?;
        let mut adoptions = Vec::with_capacity(committed.len());
        for ((origin, committed), log) in committed.into_iter().zip(logs) {
            self.heart.beat();
            let policy = self.shared.settings.on_missing_offsets_of(&origin.topic);
            let found = originate(committed, log, policy)
                .ok_or_else(|| Refusal::MissingOffsets(origin.clone()))?;
            adoptions.push(self.adopt(origin, found, log, assignment)?);
        }
        self.shared.health.clear(Concern::Assignment);
        self.refusals.store(0, Ordering::Relaxed);
        Ok(adoptions)
    }

    /// Learns how many partitions the topic of re-keyed events has: that stays so, whatever becomes
    /// of the topic, until the process ends.
    fn learn_size(
        &self,
        questions: Questions<'_>,
        topic: &str,
        patience: Duration,
    ) -> Result<(), ClientError> {
        if self.shared.topics.rekey_partitions().is_none() {
            let count = questions.existing_partitions_of(topic, patience)?;
            self.shared.topics.learn_rekey_partitions(count);
        }
        Ok(())
    }

    fn adopt(
        &self,
        origin: Origin,
        found: Origination,
        log: Log,
        assignment: &mut Assignment<'_>,
    ) -> Result<Adoption, Refusal> {
        let position = found.resume.position;
        let (mut detector, start) = revive(&self.shared, &origin, &found);
        let from = read_from(detector.read_from(), position, log);
        let start = match (from.is_truncated, position < log.low) {
            (false, _) => start,
            (true, false) => Start::ReplayTruncated,
            (true, true) => Start::RecordsGone,
        };
        note_start(&self.shared, &origin, start, &detector, from, position);
        if from.is_truncated {
            detector.begin_at(from.offset);
        }
        tracing::info!(topic = %origin.topic, partition = origin.partition, position,
            read_from = from.offset, log_start = log.low, log_end = log.high,
            how = start.name(), note = found.note, "partition assigned");
        let no_answer = |what: &str| Refusal::NoAnswer(format!("{what} for {}", name(&origin)));
        assignment.start_at(&origin, from.offset).map_err(|error| no_answer(&error.to_string()))?;
        let lease = self.shared.leases.take(&origin, self.workers.len());
        let thread = self.workers[lease.worker].thread();
        let headers = match self.shared.settings.rekey_topic() == Some(&*origin.topic) {
            true => Headers::Source,
            false => Headers::Ignored,
        };
        let queue = assignment
            .queue(&origin, headers, thread)
            .ok_or_else(|| no_answer("the client has no queue"))?;
        let is_committed = found.is_committed;
        let poisoned = self.shared.requests.poisoned.of(&origin);
        let state = PartitionState::starting(from.offset, is_committed.then_some(position));
        let committed = is_committed.then_some((position, found.resume.metadata));
        let state = Arc::new(state);
        Ok(Adoption { origin, lease, queue, detector, state, poisoned, committed })
    }

    /// Asks the brokers until they answer, but not for ever.
    fn ask<T>(
        &self,
        deadline: Instant,
        question: impl Fn() -> Result<T, ClientError>,
    ) -> Result<T, Refusal> {
        let mut told = String::new();
        loop {
            self.heart.beat();
            let refusal = match question() {
                Ok(answer) => return Ok(answer),
                Err(error) => match error.code().filter(|code| code.is_denied()) {
                    Some(code) => Refusal::NoRight(code),
                    None => Refusal::NoAnswer(error.to_string()),
                },
            };
            if Instant::now() > deadline || self.shared.requests.is_stopping() {
                return Err(refusal);
            }
            self.note_wait(&refusal, &mut told);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Says why partitions are not started yet, unless that is what was told last.
    fn note_wait(&self, refusal: &Refusal, told: &mut String) {
        match refusal {
            Refusal::NoRight(code) => self.note_no_right(*code),
            Refusal::NoAnswer(reason) if reason != told => {
                told.clone_from(reason);
                tracing::warn!(reason, "committed offsets cannot be read yet");
            }
            _ => {}
        }
    }
}
