//! A reader of one topic outside of the group: it reads what is committed, from wherever it likes.
//!
//! Never commits.

use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::error::Code;
use super::log::log;
use crate::kafka::settings::Settings;
use crate::kafka::state::Log;

/// How long one question to the brokers may take.
const QUESTION: Duration = Duration::from_secs(5);

/// Reads the journal topic.
///
/// First [`LogReader::log_of`] tells what there is; [`LogReader::assign`] begins, and
/// [`LogReader::poll`] brings one record after the other until [`LogReader::unassign`].
pub(in crate::kafka) struct LogReader {
    topic: String,
    committed: BaseConsumer<Quiet>,
    /// Only one that reads everything is told where a partition really ends.
    all: BaseConsumer<Quiet>,
}

/// What a call of [`LogReader::poll`] has met.
pub(in crate::kafka) enum Read<'a> {
    /// Nothing yet.
    Nothing,
    /// A record.
    Record(LogRecord<'a>),
    /// All has been read that is committed.
    End,
    /// It cannot go on from here.
    Fault(String),
}

/// A record of the topic.
pub(in crate::kafka) struct LogRecord<'a>(BorrowedMessage<'a>);

impl LogReader {
    /// Returns a reader that has not met a broker yet.
    pub(in crate::kafka) fn open(settings: &Settings) -> Result<Self, String> {
        let client = |isolation| {
            let settings = settings.journal_reader(isolation).map_err(|e| e.to_string())?;
            settings.create_with_context(Quiet).map_err(in_text)
        };
        Ok(Self {
            topic: settings.journal.topic.clone(),
            committed: client("read_committed")?,
            all: client("read_uncommitted")?,
        })
    }

    /// Returns the topic.
    pub(in crate::kafka) fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns which offsets a partition holds, open transactions included.
    pub(in crate::kafka) fn log_of(&self, partition: i32) -> Result<Log, String> {
        self.ask(&self.all, partition)
    }

    /// Returns before which offset no transaction is open.
    pub(in crate::kafka) fn stable_end(&self, partition: i32) -> Result<i64, String> {
        Ok(self.ask(&self.committed, partition)?.high)
    }

    /// Begins to read a partition.
    pub(in crate::kafka) fn assign(&self, partition: i32, start: i64) -> Result<(), String> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(start))
            .map_err(in_text)?;
        self.committed.assign(&list).map_err(in_text)
    }

    /// Reads on.
    pub(in crate::kafka) fn poll(&self, timeout: Duration) -> Read<'_> {
        match self.committed.poll(timeout) {
            None => Read::Nothing,
            Some(Ok(message)) => Read::Record(LogRecord(message)),
            Some(Err(KafkaError::PartitionEOF(_))) => Read::End,
            Some(Err(error)) => {
                let code = error.rdkafka_error_code().map(Code);
                if code.is_some_and(Code::is_record_gone)
                    || matches!(error, KafkaError::MessageConsumptionFatal(_))
                {
                    return Read::Fault(in_text(error));
                }
                tracing::debug!(%error, "journal");
                Read::Nothing
            }
        }
    }

    /// Ends reading.
    pub(in crate::kafka) fn unassign(&self) {
        // Also after a fault; the next assignment would replace it anyway.
        drop(self.committed.unassign());
    }

    fn ask(&self, client: &BaseConsumer<Quiet>, partition: i32) -> Result<Log, String> {
        // Serves the log and errors of a client that is not polled otherwise.
        drop(client.poll(Duration::ZERO));
        let found = client.fetch_watermarks(&self.topic, partition, QUESTION);
        found.map(|(low, high)| Log { low, high }).map_err(in_text)
    }
}

impl LogRecord<'_> {
    /// Returns where it stands.
    pub(in crate::kafka) fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// Returns what it holds; nothing for a tombstone.
    pub(in crate::kafka) fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// Returns a header's value; nothing if it is missing.
    pub(in crate::kafka) fn header(&self, key: &str) -> Option<&[u8]> {
        let headers = self.0.headers()?;
        headers.iter().find(|header| header.key == key).and_then(|header| header.value)
    }
}

/// Logs as the other clients do.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "journal");
    }
}

impl ConsumerContext for Quiet {}

fn in_text(error: KafkaError) -> String {
    error.to_string()
}
