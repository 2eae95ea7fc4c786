//! The journal topic: where it ends, and a thread that reads a partition of it for a worker.
//!
//! The thread never joins the group and never commits. It reads what is committed up to where the
//! partition ended when it was asked, and waits for transactions that were open then: what an
//! earlier owner has committed may not be visible yet.

pub(super) mod retention;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::health::{Concern, lock, name};
use super::shared::Shared;
use crate::detect::Origin;

/// Header of an entry: the topic whose record it is.
pub(super) const TOPIC: &str = "topic";
/// Header of an entry: the group that it belongs to.
pub(super) const GROUP: &str = "group";

/// How long one question to the brokers may take.
const QUESTION: Duration = Duration::from_secs(5);
/// How long the thread waits between two attempts.
const PAUSE: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(100);
/// A wait for open transactions that is longer than this is worth being seen.
const LONG_WAIT: Duration = Duration::from_secs(30);
/// Most entries of one batch, and most bytes; most batches that wait for the worker.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 1 << 20;
const BATCHES: usize = 4;

/// Where the journal's partitions end at least, as our own writes have told.
#[derive(Default)]
pub(super) struct Ends(Mutex<BTreeMap<i32, i64>>);

impl Ends {
    /// Notes that a record of ours stands at `offset`.
    pub(super) fn note(&self, partition: i32, offset: i64) {
        let mut ends = lock(&self.0);
        let end = ends.entry(partition).or_default();
        *end = (*end).max(offset + 1);
    }

    /// Returns the place behind our last record.
    pub(super) fn of(&self, partition: i32) -> Option<i64> {
        lock(&self.0).get(&partition).copied()
    }
}

/// What is read.
pub(super) enum Batch {
    /// Entries are gone that were asked for.
    Lost,
    /// Entries, each with its place.
    Entries(Vec<(i64, Vec<u8>)>),
    /// That is all; what comes next stands here or later.
    End(i64),
}

/// A partition of the journal that is being read.
pub(super) struct Reading {
    pub(super) batches: Receiver<Batch>,
    /// Whoever drops it is not interested any more.
    _interest: Arc<()>,
}

struct Request {
    origin: Origin,
    from: Option<i64>,
    batches: SyncSender<Batch>,
    interest: Weak<()>,
    waker: Thread,
}

/// The way to a thread that reads the journal; it ends when this is dropped.
pub(super) struct Reader(Sender<Request>);

impl Reader {
    /// Starts a thread.
    pub(super) fn spawn(number: usize, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (requests, inbox) = channel();
        let thread = Work { shared: Arc::clone(shared), clients: None };
        std::thread::Builder::new()
            .name(format!("journal-{number}"))
            .spawn(move || thread.run(&inbox))?;
        Ok(Self(requests))
    }

    /// Asks for a partition's entries from a place on, or only for its end; the calling thread is
    /// woken when there is something.
    pub(super) fn read(&self, origin: &Origin, from: Option<i64>) -> Reading {
        let (sender, batches) = sync_channel(BATCHES);
        let interest = Arc::new(());
        let request = Request {
            origin: origin.clone(),
            from,
            batches: sender,
            interest: Arc::downgrade(&interest),
            waker: std::thread::current(),
        };
        // The thread has not ended: it does so only when this is dropped.
        drop(self.0.send(request));
        Reading { batches, _interest: interest }
    }
}

/// The thread.
struct Work {
    shared: Arc<Shared>,
    clients: Option<Clients>,
}

/// Two clients: only one that reads everything is told where a partition really ends.
struct Clients {
    committed: BaseConsumer<Quiet>,
    all: BaseConsumer<Quiet>,
}

/// Logs as the other clients do.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "journal");
    }
}

impl ConsumerContext for Quiet {}

/// Why reading has stopped.
enum Stop {
    /// Nobody wants to know any more.
    NotWanted,
    /// The brokers do not answer as they should.
    Fault(String),
}

impl Work {
    fn run(mut self, inbox: &Receiver<Request>) {
        while let Ok(request) = inbox.recv() {
            while let Err(Stop::Fault(reason)) = self.serve(&request) {
                let what =
                    format!("the journal of {} cannot be read: {reason}", name(&request.origin));
                if self.shared.health.raise(Concern::Journal, what.as_str()) {
                    tracing::error!(reason = what, "state is not rebuilt yet");
                }
                std::thread::sleep(PAUSE);
            }
            if self.shared.health.clear(Concern::Journal) {
                tracing::info!("the journal is being read again");
            }
        }
    }

    /// Answers a request.
    ///
    /// After a fault all of it is read again: the detector takes an entry that comes twice as one.
    fn serve(&mut self, request: &Request) -> Result<(), Stop> {
        let topic = self.shared.settings.journal.topic.clone();
        let partition = request.origin.partition;
        request.is_wanted(&self.shared)?;
        let clients = match self.clients.take() {
            Some(clients) => clients,
            None => Clients::new(&self.shared)?,
        };
        let clients = self.clients.insert(clients);
        let (low, end) = watermarks(&clients.all, &topic, partition)?;
        let Some(from) = request.from else { return request.send(Batch::End(end)) };
        if low > from || from > end {
            self.note_loss(request, from, low, end);
            request.send(Batch::Lost)?;
        }
        let start = from.max(low);
        if start < end {
            self.wait_for_transactions(request, end)?;
            self.read(request, start, end)?;
        }
        request.send(Batch::End(end))
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
    fn wait_for_transactions(&self, request: &Request, end: i64) -> Result<(), Stop> {
        let Some(clients) = &self.clients else { return Ok(()) };
        let topic = &self.shared.settings.journal.topic;
        let (began, mut told) = (Instant::now(), LONG_WAIT);
        loop {
            let (_, stable) = watermarks(&clients.committed, topic, request.origin.partition)?;
            if stable >= end {
                return Ok(());
            }
            request.is_wanted(&self.shared)?;
            if began.elapsed() > told {
                told += LONG_WAIT;
                tracing::warn!(
                    topic,
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

    fn read(&self, request: &Request, start: i64, end: i64) -> Result<(), Stop> {
        let Some(clients) = &self.clients else { return Ok(()) };
        let (client, topic) = (&clients.committed, &self.shared.settings.journal.topic);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, request.origin.partition, Offset::Offset(start))
            .map_err(fault)?;
        client.assign(&list).map_err(fault)?;
        let read = self.poll(client, request, end);
        // Also after a fault; the next assignment would replace it anyway.
        drop(client.unassign());
        read
    }

    fn poll(&self, client: &BaseConsumer<Quiet>, request: &Request, end: i64) -> Result<(), Stop> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        loop {
            request.is_wanted(&self.shared)?;
            match client.poll(POLL) {
                None => {}
                Some(Ok(message)) if message.offset() >= end => break,
                Some(Ok(message)) => {
                    if let (true, Some(value)) =
                        (self.is_ours(&message, request), message.payload())
                    {
                        bytes += value.len();
                        entries.push((message.offset(), value.to_vec()));
                    }
                    if entries.len() >= BATCH || bytes >= BATCH_BYTES {
                        request.send(Batch::Entries(std::mem::take(&mut entries)))?;
                        bytes = 0;
                    }
                }
                // Nothing before `end` is open any more, so all of it has come.
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => {
                    let is_gone = matches!(
                        error.rdkafka_error_code(),
                        Some(
                            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange
                        )
                    );
                    // The next attempt asks anew what is there.
                    if is_gone || matches!(error, KafkaError::MessageConsumptionFatal(_)) {
                        return Err(fault(error));
                    }
                    tracing::debug!(%error, "journal");
                }
            }
        }
        request.send(Batch::Entries(entries))
    }

    /// Several topics and groups may share the journal.
    fn is_ours(&self, message: &BorrowedMessage<'_>, request: &Request) -> bool {
        let header = |key: &str| {
            let headers = message.headers()?;
            headers.iter().find(|header| header.key == key).and_then(|header| header.value)
        };
        header(TOPIC) == Some(request.origin.topic.as_bytes())
            && header(GROUP) == Some(self.shared.settings.group.as_bytes())
    }
}

impl Request {
    fn send(&self, batch: Batch) -> Result<(), Stop> {
        let sent = self.batches.send(batch);
        self.waker.unpark();
        sent.map_err(|_| Stop::NotWanted)
    }

    fn is_wanted(&self, shared: &Shared) -> Result<(), Stop> {
        match self.interest.strong_count() == 0 || shared.is_stopping() {
            true => Err(Stop::NotWanted),
            false => Ok(()),
        }
    }
}

impl Clients {
    fn new(shared: &Shared) -> Result<Self, Stop> {
        let client = |isolation| {
            let settings = shared.settings.journal_reader(isolation);
            let settings = settings.map_err(|error| Stop::Fault(error.to_string()))?;
            settings.create_with_context(Quiet).map_err(fault)
        };
        Ok(Self { committed: client("read_committed")?, all: client("read_uncommitted")? })
    }
}

fn watermarks(
    client: &BaseConsumer<Quiet>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), Stop> {
    // Serves the log and errors of a client that is not polled otherwise.
    drop(client.poll(Duration::ZERO));
    client.fetch_watermarks(topic, partition, QUESTION).map_err(fault)
}

fn fault(error: KafkaError) -> Stop {
    Stop::Fault(error.to_string())
}
