//! The threads that read the journal.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::on_demand::OnDemand;
use super::request::{Batch, Request, Stop};
use crate::kafka::client::{GROUP, LogPartition, LogReader, LogRecord, Read, TOPIC};
use crate::kafka::state::{Concern, Log, Shared, lock, name};

/// The client is closed after nobody has asked for this long.
const IDLE: Duration = Duration::from_secs(10);

/// How long a thread waits between two attempts.
const PAUSE: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(100);
/// A wait for open transactions that is longer than this is worth being seen.
const LONG_WAIT: Duration = Duration::from_secs(30);
/// Most entries of one batch, and most bytes.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 1 << 20;

/// One of the threads.
#[derive(Clone)]
pub(super) struct Work {
    shared: Arc<Shared>,
    client: Arc<OnDemand<LogReader>>,
    inbox: Arc<Mutex<Receiver<Request>>>,
}

impl Work {
    /// Returns the work of threads that have not met a broker yet.
    pub(super) fn new(shared: Arc<Shared>, inbox: Receiver<Request>) -> Self {
        let client = Arc::new(OnDemand::new(IDLE));
        Self { shared, client, inbox: Arc::new(Mutex::new(inbox)) }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(self) {
        loop {
            // The next request goes to whoever waits for one; the others wait for the lock.
            let next = lock(&self.inbox).recv_timeout(IDLE);
            match next {
                Ok(request) => self.answer(&request),
                Err(RecvTimeoutError::Timeout) => self.client.close_if_idle(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn answer(&self, request: &Request) {
        while let Err(Stop::Fault(reason)) = self.serve(request) {
            let what = format!("the journal of {} cannot be read: {reason}", name(&request.origin));
            if self.shared.health.raise(Concern::Journal, what.as_str()) {
                tracing::error!(reason = what, "state is not rebuilt yet");
            }
            std::thread::sleep(PAUSE);
        }
        if self.shared.health.clear(Concern::Journal) {
            tracing::info!("the journal is being read again");
        }
    }

    /// Answers a request.
    ///
    /// After a fault all of it is read again: the detector takes an entry that comes twice as one.
    fn serve(&self, request: &Request) -> Result<(), Stop> {
        request.is_wanted(&self.shared)?;
        let open = || LogReader::open(&self.shared.settings);
        let client = self.client.obtain(Instant::now(), open).map_err(Stop::Fault)?;
        let found = client.log_of(request.origin.partition).map_err(Stop::Fault)?;
        let Log { low, high: end } = found;
        let Some(from) = request.from else { return request.send(Batch::End(end)) };
        if low > from || from > end {
            self.note_loss(request, from, low, end);
            request.send(Batch::Lost)?;
        }
        let start = from.max(low);
        if start < end {
            self.wait_for_transactions(&client, request, end)?;
            let partition = self.begin(&client, request, start)?;
            self.read(&partition, request, end)?;
        }
        request.send(Batch::End(end))
    }

    /// Begins to read, once nobody else reads the same partition for another topic.
    fn begin<'a>(
        &self,
        client: &'a LogReader,
        request: &Request,
        start: i64,
    ) -> Result<LogPartition<'a>, Stop> {
        loop {
            request.is_wanted(&self.shared)?;
            let begun = client.begin(request.origin.partition, start);
            match begun.map_err(Stop::Fault)? {
                Some(partition) => return Ok(partition),
                None => std::thread::sleep(PAUSE),
            }
        }
    }

    fn note_loss(&self, request: &Request, from: i64, low: i64, end: i64) {
        self.shared.metrics.kafka.replay_truncated.inc();
        tracing::error!(topic = %request.origin.topic, partition = request.origin.partition, from,
            journal_start = low, journal_end = end,
            "entries are gone from the journal before they were needed: sequences of long rules \
             that began in them are not found; `retention.ms` of the journal topic must be three \
             times the longest maxspan and some, plus the longest time that nobody runs");
    }

    /// Waits until what was written before `end` is either committed or not.
    fn wait_for_transactions(
        &self,
        client: &LogReader,
        request: &Request,
        end: i64,
    ) -> Result<(), Stop> {
        let (began, mut told) = (Instant::now(), LONG_WAIT);
        loop {
            let stable = client.stable_end(request.origin.partition).map_err(Stop::Fault)?;
            if stable >= end {
                return Ok(());
            }
            request.is_wanted(&self.shared)?;
            if began.elapsed() > told {
                told += LONG_WAIT;
                tracing::warn!(
                    topic = client.topic(),
                    partition = request.origin.partition,
                    stable,
                    end,
                    seconds = began.elapsed().as_secs(),
                    "a transaction on the journal topic is still open; brokers give it up after \
                     its timeout"
                );
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn read(&self, log: &LogPartition<'_>, request: &Request, end: i64) -> Result<(), Stop> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        loop {
            request.is_wanted(&self.shared)?;
            match log.poll(POLL) {
                Read::Nothing => {}
                Read::Record(record) if record.offset() >= end => break,
                Read::Record(record) => {
                    if let (true, Some(value)) = (self.is_ours(&record, request), record.value()) {
                        bytes += value.len();
                        entries.push((record.offset(), value.to_vec()));
                    }
                    if entries.len() >= BATCH || bytes >= BATCH_BYTES {
                        request.send(Batch::Entries(std::mem::take(&mut entries)))?;
                        bytes = 0;
                    }
                }
                // Nothing before `end` is open any more, so all of it has come.
                Read::End => break,
                // The next attempt asks anew what is there.
                Read::Fault(reason) => return Err(Stop::Fault(reason)),
            }
        }
        request.send(Batch::Entries(entries))
    }

    /// Several topics and groups may share the journal.
    fn is_ours(&self, record: &LogRecord<'_>, request: &Request) -> bool {
        record.header(TOPIC) == Some(request.origin.topic.as_bytes())
            && record.header(GROUP) == Some(self.shared.settings.group.as_bytes())
    }
}
