//! Writes alerts, dead letters, forwarded records and the journal, and collects the brokers' answers.
//!
//! Never waits: whoever sends looks for answers as often as it likes.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::consumer::Membership;
use super::error::{ClientError, Code, OpenError};
use super::log::log;
use super::native::Bell;
use super::positions::Positions;
use super::rights::{Attempt, Audience, missing_right};
use crate::alert::{AlertRecord, Message, Part};
use crate::detect::{DeadLetter, Forward, JournalRecord, Origin};
use crate::kafka::settings::Settings;
use crate::kafka::state::{JournalEnds, lock};

/// Header of a journal's entry: the topic whose record it is.
pub(in crate::kafka) const TOPIC: &str = "topic";
/// Header of a journal's entry: the group that it belongs to.
pub(in crate::kafka) const GROUP: &str = "group";

/// The brokers' answers that nobody has looked at yet.
pub(in crate::kafka) struct Answers {
    unseen: Mutex<Vec<(usize, Code)>>,
    settings: Settings,
    /// What has been told to be not allowed.
    denied: Mutex<BTreeSet<String>>,
    journal_ends: Arc<JournalEnds>,
}

/// Writes output to its topic.
pub(in crate::kafka) struct Writer {
    /// Declared before the producer: it must not outlive it.
    bell: Option<Bell>,
    producer: BaseProducer<Answers>,
    /// Whether it has been opened for transactions.
    is_open: Cell<bool>,
    /// Whether a transaction has begun and not ended.
    is_in_transaction: Cell<bool>,
    alerts_topic: String,
    dead_letter_topic: String,
    journal_topic: String,
    group: String,
    rekey_topic: String,
}

impl Writer {
    /// Returns a writer; connects when it is first used.
    pub(in crate::kafka) fn new(
        settings: &Settings,
        journal_ends: &Arc<JournalEnds>,
    ) -> Result<Self, OpenError> {
        let answers = Answers {
            unseen: Mutex::default(),
            settings: settings.clone(),
            denied: Mutex::default(),
            journal_ends: Arc::clone(journal_ends),
        };
        let producer =
            settings.producer()?.create_with_context(answers).map_err(ClientError::from)?;
        Ok(Self {
            bell: Bell::of(&producer),
            producer,
            is_open: Cell::new(false),
            is_in_transaction: Cell::new(false),
            alerts_topic: settings.alerts_topic.clone(),
            dead_letter_topic: settings.dead_letter_topic.clone(),
            journal_topic: settings.journal.topic.clone(),
            group: settings.group.clone(),
            rekey_topic: settings.rekey.topic.clone(),
        })
    }

    /// Hands one item to the client; its answer will carry `ticket`.
    pub(in crate::kafka) fn send(
        &self,
        origin: &Origin,
        message: &Message,
        ticket: usize,
    ) -> Result<(), Code> {
        let record = match message {
            Message::Alert(alert) => self.alert(alert, ticket),
            Message::DeadLetter(letter) => self.dead_letter(origin, letter, ticket),
            Message::Journal(record) => self.journal(origin, record, ticket),
            Message::Forward(forward) => self.forward(forward, ticket),
        };
        self.producer.send(record).map_err(|(error, record)| {
            let code = code_of(&error);
            self.producer.context().note_denied(code, Attempt::Write(record.topic));
            code
        })
    }

    /// Returns the answers that have come; if there are none, those that come within this time, as soon as the
    /// first ones do.
    pub(in crate::kafka) fn answers(&self, wait: Duration) -> Vec<(usize, Code)> {
        let mut answers = self.take_answers();
        if answers.is_empty() && !wait.is_zero() {
            match &self.bell {
                Some(bell) => bell.wait(wait),
                None => std::thread::sleep(wait),
            }
            answers = self.take_answers();
        }
        if answers.iter().any(|(_, code)| code.is_purged()) {
            let reason = self.transaction_fault();
            for (_, code) in answers.iter_mut().filter(|(_, code)| code.is_purged()) {
                *code = reason.unwrap_or(*code);
            }
        }
        answers
    }

    /// Serves the client as long as answers come: one look hears of one batch only.
    fn take_answers(&self) -> Vec<(usize, Code)> {
        let mut answers = Vec::new();
        loop {
            self.producer.poll(Duration::ZERO);
            let news = std::mem::take(&mut *lock(&self.producer.context().unseen));
            if news.is_empty() {
                return answers;
            }
            answers.extend(news);
        }
    }

    /// Returns why the client has given the transaction up; nothing if it has not.
    ///
    /// It tells that to whoever would begin another one, which it refuses.
    fn transaction_fault(&self) -> Option<Code> {
        if !self.is_in_transaction.get() {
            return None;
        }
        match self.producer.begin_transaction() {
            Err(KafkaError::Transaction(fault)) if fault.txn_requires_abort() => {
                Some(Code(fault.code()))
            }
            _ => None,
        }
    }

    /// Returns how many records have not been answered.
    pub(in crate::kafka) fn in_flight(&self) -> i32 {
        self.producer.in_flight_count()
    }

    /// Tells whether it has been opened before.
    pub(in crate::kafka) fn is_used(&self) -> bool {
        self.is_open.get()
    }

    /// Takes the transactional id over, which ends what its last owner has left open.
    pub(in crate::kafka) fn open(&self, patience: Duration) -> Result<(), ClientError> {
        let opened = self.producer.init_transactions(patience);
        let opened = opened.inspect_err(|error| {
            // One that has failed for good is of no use: the next attempt needs another.
            let fatal =
                |error: &KafkaError| matches!(error, KafkaError::Transaction(e) if e.is_fatal());
            self.is_open.set(fatal(error));
        });
        opened.map_err(|error| self.explain(error, Attempt::WriteAny))?;
        self.is_open.set(true);
        Ok(())
    }

    /// Begins a transaction.
    pub(in crate::kafka) fn begin(&self) -> Result<(), ClientError> {
        let begun = self.producer.begin_transaction();
        begun.map_err(|error| self.explain(error, Attempt::WriteAny))?;
        self.is_in_transaction.set(true);
        Ok(())
    }

    /// Adds positions to the transaction.
    pub(in crate::kafka) fn offsets(
        &self,
        positions: &Positions,
        membership: &Membership,
        patience: Duration,
    ) -> Result<(), ClientError> {
        let (positions, membership) = (&positions.0, &membership.0);
        let sent = self.producer.send_offsets_to_transaction(positions, membership, patience);
        sent.map_err(|error| self.explain(error, Attempt::Join))
    }

    /// Commits the transaction.
    pub(in crate::kafka) fn commit(&self, patience: Duration) -> Result<(), ClientError> {
        let committed = self.producer.commit_transaction(patience);
        committed.map_err(|error| self.explain(error, Attempt::WriteAny))?;
        self.is_in_transaction.set(false);
        Ok(())
    }

    /// Aborts the transaction.
    pub(in crate::kafka) fn abort(&self, patience: Duration) -> Result<(), ClientError> {
        // What comes from here on is nobody's.
        self.is_in_transaction.set(false);
        let aborted = self.producer.abort_transaction(patience);
        // What was purged has to be heard of before an abort can end, and one look hears of one
        // record only. The answers are nobody's.
        for _ in 0..self.in_flight() {
            self.producer.poll(Duration::ZERO);
        }
        self.answers(Duration::ZERO);
        Ok(aborted?)
    }

    /// Adds which right is missing, if the error says that one is.
    fn explain(&self, error: KafkaError, attempt: Attempt<'_>) -> ClientError {
        let settings = &self.producer.context().settings;
        let right = missing_right(code_of(&error), attempt, settings, Audience::Probes);
        ClientError::from(error).with_right(right)
    }

    fn alert<'a>(&'a self, alert: &'a AlertRecord, ticket: usize) -> Record<'a> {
        let mut headers = OwnedHeaders::new_with_capacity(4)
            .insert(text("rule_id", &alert.rule_id))
            .insert(text("alert_id", &alert.id))
            .insert(text("severity", alert.severity));
        if alert.part == Part::BuildingBlock {
            headers = headers.insert(text("part", "building_block"));
        }
        BaseRecord::with_opaque_to(&self.alerts_topic, ticket)
            .key(alert.key.as_slice())
            .payload(alert.value.as_slice())
            .headers(headers)
    }

    fn dead_letter<'a>(
        &'a self,
        origin: &Origin,
        letter: &'a DeadLetter,
        ticket: usize,
    ) -> Record<'a> {
        let place = letter.place.as_deref();
        let (topic, partition) = place
            .map_or((&origin.topic, origin.partition), |place| (&place.topic, place.partition));
        let headers = OwnedHeaders::new_with_capacity(5)
            .insert(text("reason", letter.reason))
            .insert(text("topic", topic))
            .insert(text("partition", &partition.to_string()))
            .insert(text("offset", &letter.offset.to_string()))
            .insert(text("original_size", &letter.original_size.to_string()));
        BaseRecord::with_opaque_to(&self.dead_letter_topic, ticket)
            .payload(&*letter.value)
            .headers(headers)
    }

    /// An entry goes to the partition that has the number of its record's.
    fn journal<'a>(
        &'a self,
        origin: &Origin,
        record: &'a JournalRecord,
        ticket: usize,
    ) -> Record<'a> {
        let headers = OwnedHeaders::new_with_capacity(2)
            .insert(text(TOPIC, &origin.topic))
            .insert(text(GROUP, &self.group));
        BaseRecord::with_opaque_to(&self.journal_topic, ticket)
            .partition(origin.partition)
            .payload(&*record.value)
            .headers(headers)
    }

    fn forward<'a>(&'a self, forward: &'a Forward, ticket: usize) -> Record<'a> {
        let headers = forward.headers.iter().fold(
            OwnedHeaders::new_with_capacity(forward.headers.len()),
            |headers, (name, value)| headers.insert(text(name, value)),
        );
        let record = BaseRecord::with_opaque_to(&self.rekey_topic, ticket)
            .partition(forward.target)
            .headers(headers);
        match &forward.value {
            Some(value) => record.key(forward.key.as_slice()).payload(value),
            None => record,
        }
    }
}

type Record<'a> = BaseRecord<'a, [u8], [u8], usize>;

fn text<'a>(key: &'a str, value: &'a str) -> Header<'a, &'a str> {
    Header { key, value: Some(value) }
}

impl Answers {
    /// Says which right is missing: once, as what is refused is tried again.
    fn note_denied(&self, code: Code, attempt: Attempt<'_>) {
        let Some(what) = missing_right(code, attempt, &self.settings, Audience::Log) else {
            return;
        };
        if lock(&self.denied).insert(what.clone()) {
            tracing::error!("{what}");
        }
    }
}

impl ClientContext for Answers {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "producer");
    }
}

impl ProducerContext for Answers {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let code = match result {
            Ok(record) => {
                if record.topic() == self.settings.journal.topic {
                    self.journal_ends.note(record.partition(), record.offset());
                }
                Code(RDKafkaErrorCode::NoError)
            }
            Err((error, record)) => {
                let code = code_of(error);
                self.note_denied(code, Attempt::Write(record.topic()));
                code
            }
        };
        lock(&self.unseen).push((ticket, code));
    }
}

fn code_of(error: &KafkaError) -> Code {
    Code(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
}
