//! A reader of one topic outside of the group: it reads what is committed, from wherever it likes.
//!
//! Never commits.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::error::Code;
use super::log::log;
use crate::kafka::settings::Settings;
use crate::kafka::state::{Log, lock};

/// How long one question to the brokers may take.
const QUESTION: Duration = Duration::from_secs(5);

/// Reads the journal topic, for several threads at the same time.
///
/// First [`LogReader::log_of`] tells what there is. [`LogReader::begin`] begins to read a partition, and
/// [`LogPartition::poll`] brings one record after the other until that is dropped.
pub(in crate::kafka) struct LogReader {
    topic: String,
    committed: Arc<BaseConsumer<Quiet>>,
    /// Only one that reads everything is told where a partition really ends.
    all: BaseConsumer<Quiet>,
    /// The partitions that are being read: the client reads each at one place only.
    taken: Mutex<BTreeSet<i32>>,
}

/// A partition that is being read; it ends when this is dropped.
pub(in crate::kafka) struct LogPartition<'a> {
    reader: &'a LogReader,
    partition: i32,
    queue: PartitionQueue<Quiet>,
}

/// What a call of [`LogPartition::poll`] has met.
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
            committed: Arc::new(client("read_committed")?),
            all: client("read_uncommitted")?,
            taken: Mutex::default(),
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

    /// Begins to read a partition; nothing while somebody else reads it.
    pub(in crate::kafka) fn begin(
        &self,
        partition: i32,
        start: i64,
    ) -> Result<Option<LogPartition<'_>>, String> {
        if !lock(&self.taken).insert(partition) {
            return Ok(None);
        }
        // Its queue is to be taken before it is assigned.
        let queue = self.committed.split_partition_queue(&self.topic, partition);
        let Some(queue) = queue else {
            lock(&self.taken).remove(&partition);
            return Err("the client has no queue".to_owned());
        };
        // From here on it is given back however this ends.
        let reading = LogPartition { reader: self, partition, queue };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(start))
            .map_err(in_text)?;
        self.committed.incremental_assign(&list).map_err(in_text)?;
        Ok(Some(reading))
    }

    fn ask(&self, client: &BaseConsumer<Quiet>, partition: i32) -> Result<Log, String> {
        // Serves the log and errors of a client that is not polled otherwise.
        drop(client.poll(Duration::ZERO));
        let found = client.fetch_watermarks(&self.topic, partition, QUESTION);
        found.map(|(low, high)| Log { low, high }).map_err(in_text)
    }
}

impl LogPartition<'_> {
    /// Reads on.
    pub(in crate::kafka) fn poll(&self, timeout: Duration) -> Read<'_> {
        // Serves the client's log and errors: records come through the queue alone.
        drop(self.reader.committed.poll(Duration::ZERO));
        match self.queue.poll(timeout) {
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
}

impl Drop for LogPartition<'_> {
    fn drop(&mut self) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.reader.topic, self.partition);
        // It is not assigned if that has failed.
        drop(self.reader.committed.incremental_unassign(&list));
        lock(&self.reader.taken).remove(&self.partition);
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
