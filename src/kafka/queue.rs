//! What the Kafka crate does not offer in safe form: batches of a partition's own queue, commits
//! with a deadline and an answer per partition, and metadata that need not be UTF-8.
//!
//! Never decides anything. The only file with unsafe code.
#![expect(unsafe_code, reason = "librdkafka's batch, queue and metadata calls have no safe form")]

use std::ffi::{CString, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings::{self as sys, rd_kafka_resp_err_t, rd_kafka_timestamp_type_t};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;

use crate::detect::{Origin, Record, Source, Stamp};
use crate::event::EventTime;

/// Most records that one call takes from a queue.
const BATCH: usize = 512;

/// The queue of one assigned partition, apart from the consumer's own queue.
///
/// INVARIANT: it lives as long as the partition is assigned; librdkafka keeps sending the
/// partition's records here, and nobody would see them if it were gone.
pub(super) struct PartitionQueue<C: ConsumerContext + 'static> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    headers: Headers,
    /// What the queue's callback points at.
    waker: Box<Thread>,
    /// The queue must not outlive its client.
    _consumer: Arc<BaseConsumer<C>>,
}

/// What becomes of the headers of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Headers {
    /// Nothing.
    Ignored,
    /// They say where a record stood before it was forwarded.
    Source,
}

/// What a queue holds.
pub(super) enum Item<'a> {
    /// A record, and its key.
    Record(Record<'a>, Option<&'a [u8]>),
    /// A fault of this partition.
    Fault(RDKafkaErrorCode),
}

// SAFETY: librdkafka's queues may be used from any thread; `Thread` and `Arc` are `Send`.
unsafe impl<C: ConsumerContext + 'static> Send for PartitionQueue<C> {}

impl<C: ConsumerContext + 'static> PartitionQueue<C> {
    /// Takes a partition's records out of the consumer's queue; to be called before it is
    /// assigned. `waker` is unparked whenever the queue gets its first record.
    pub(super) fn open(
        consumer: &Arc<BaseConsumer<C>>,
        origin: &Origin,
        headers: Headers,
        waker: Thread,
    ) -> Option<Self> {
        let topic = CString::new(&*origin.topic).ok()?;
        let client = consumer.client().native_ptr();
        // SAFETY: the client is alive (we hold its `Arc`), the topic is a C string; the call
        // copies it and returns a queue that we own, or null.
        let queue =
            unsafe { sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), origin.partition) };
        let queue = NonNull::new(queue)?;
        let waker = Box::new(waker);
        // SAFETY: the queue is valid; forwarding to null means "keep your records yourself". The
        // callback's argument is the boxed waker, whose address is stable and which lives until
        // `drop` has taken the callback away.
        unsafe {
            sys::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            sys::rd_kafka_queue_cb_event_enable(
                queue.as_ptr(),
                Some(wake),
                ptr::from_ref::<Thread>(&waker).cast_mut().cast::<c_void>(),
            );
        }
        Some(Self { queue, headers, waker, _consumer: Arc::clone(consumer) })
    }

    /// Hands up to 512 waiting items to `each`, without waiting, and returns how many there were.
    pub(super) fn drain(&self, mut each: impl FnMut(Item<'_>)) -> usize {
        let mut messages = [ptr::null_mut(); BATCH];
        // SAFETY: the queue is valid and `messages` has room for `BATCH` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, messages.as_mut_ptr(), BATCH)
        };
        let count = usize::try_from(count).unwrap_or(0).min(BATCH);
        // All of them are owned before the first is used: a panic in `each` must not leak.
        let owned = messages.map(Message);
        for message in &owned[..count] {
            each(message.view(self.headers));
        }
        count
    }
}

impl<C: ConsumerContext + 'static> Drop for PartitionQueue<C> {
    fn drop(&mut self) {
        // SAFETY: the queue is valid until the second call. Taking the callback away waits for a
        // running one, so that the waker is not used afterwards.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
        self.waker.unpark();
    }
}

unsafe extern "C" fn wake(_client: *mut sys::rd_kafka_t, waker: *mut c_void) {
    // SAFETY: `open` registered the address of a `Thread` that outlives the registration.
    let waker = unsafe { &*waker.cast::<Thread>() };
    waker.unpark();
}

/// A message that librdkafka has handed over; null in the unused part of a batch.
struct Message(*mut sys::rd_kafka_message_t);

impl Message {
    /// Returns what the message holds; not to be called on a null one.
    fn view(&self, headers: Headers) -> Item<'_> {
        // SAFETY: librdkafka filled this pointer, and the message lives until we are dropped.
        let message = unsafe { &*self.0 };
        if message.err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Item::Fault(message.err.into());
        }
        let payload = NonNull::new(message.payload.cast::<u8>()).map(|payload| {
            // SAFETY: librdkafka's payload has `len` bytes and lives as long as the message.
            unsafe { std::slice::from_raw_parts(payload.as_ptr(), message.len) }
        });
        let key = NonNull::new(message.key.cast::<u8>()).map(|key| {
            // SAFETY: librdkafka's key has `key_len` bytes and lives as long as the message.
            unsafe { std::slice::from_raw_parts(key.as_ptr(), message.key_len) }
        });
        let source = match headers {
            Headers::Ignored => None,
            Headers::Source => Source::read(|name| self.header(name)),
        };
        Item::Record(Record { offset: message.offset, stamp: self.stamp(), payload, source }, key)
    }

    /// Returns a header's text; nothing if it is missing or no text.
    fn header(&self, name: &str) -> Option<&str> {
        let name = CString::new(name).ok()?;
        let mut headers = ptr::null_mut();
        // SAFETY: the message is valid, and `headers` is a place to write to; what is written there
        // lives as long as the message.
        let error = unsafe { sys::rd_kafka_message_headers(self.0, &raw mut headers) };
        if error != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || headers.is_null() {
            return None;
        }
        let (mut value, mut size) = (ptr::null(), 0);
        // SAFETY: the headers are valid, the name is a C string, and both places can be written to.
        let error = unsafe {
            sys::rd_kafka_header_get_last(headers, name.as_ptr(), &raw mut value, &raw mut size)
        };
        let is_found = error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        let value = NonNull::new(value.cast_mut().cast::<u8>()).filter(|_| is_found)?;
        // SAFETY: a header's value has `size` bytes and lives as long as the message.
        std::str::from_utf8(unsafe { std::slice::from_raw_parts(value.as_ptr(), size) }).ok()
    }

    fn stamp(&self) -> Stamp {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid, and `kind` is a place to write to.
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.0, &raw mut kind) };
        let time = EventTime::from_millis(millis);
        match kind {
            _ if millis < 0 => Stamp::None,
            rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => Stamp::Append(time),
            rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => Stamp::Create(time),
            rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => Stamp::None,
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: we own the message, and nothing borrowed from it is left.
            unsafe { sys::rd_kafka_message_destroy(self.0) };
        }
    }
}

/// A commit whose answer has not come yet.
pub(super) struct PendingCommit<C: ConsumerContext + 'static> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    _consumer: Arc<BaseConsumer<C>>,
}

impl<C: ConsumerContext + 'static> PendingCommit<C> {
    /// Starts to commit the list's offsets and metadata; returns at once.
    pub(super) fn start(
        consumer: &Arc<BaseConsumer<C>>,
        offsets: &TopicPartitionList,
    ) -> Result<Self, RDKafkaErrorCode> {
        let client = consumer.client().native_ptr();
        // SAFETY: the client is alive; the call returns a queue that we own.
        let queue = unsafe { sys::rd_kafka_queue_new(client) };
        let queue = NonNull::new(queue).ok_or(RDKafkaErrorCode::Fail)?;
        let pending = Self { queue, _consumer: Arc::clone(consumer) };
        // SAFETY: client, list and queue are valid; the list is copied; without a callback the
        // answer is put into the queue.
        let error = unsafe {
            sys::rd_kafka_commit_queue(
                client,
                offsets.ptr(),
                pending.queue.as_ptr(),
                None,
                ptr::null_mut(),
            )
        };
        match error {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(pending),
            error => Err(error.into()),
        }
    }

    /// Waits for the answer: one for each partition, or one fault for all of them.
    pub(super) fn wait(
        self,
        timeout: Duration,
    ) -> Result<Vec<(Origin, RDKafkaErrorCode)>, RDKafkaErrorCode> {
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the queue is valid; the event is ours until it is destroyed below.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), millis) };
        if event.is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut);
        }
        // SAFETY: the event is valid; its list is owned by it and copied out before the event
        // is destroyed.
        let (error, answers) = unsafe {
            let error: RDKafkaErrorCode = sys::rd_kafka_event_error(event).into();
            let answers = entries(sys::rd_kafka_event_topic_partition_list(event));
            sys::rd_kafka_event_destroy(event);
            (error, answers)
        };
        let has_answers = answers.iter().any(|entry| entry.error != RDKafkaErrorCode::NoError);
        match error {
            RDKafkaErrorCode::NoError => {}
            error if !has_answers => return Err(error),
            _ => {}
        }
        Ok(answers.into_iter().map(|entry| (entry.origin, entry.error)).collect())
    }
}

impl<C: ConsumerContext + 'static> Drop for PendingCommit<C> {
    fn drop(&mut self) {
        // SAFETY: the queue is ours and not used afterwards; a late answer is dropped with it.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// Returns the generation of the group in which we are a member; nothing if we are in none.
pub(super) fn generation_of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<i32> {
    let client = consumer.client().native_ptr();
    // SAFETY: the client is alive; the call returns null or a description that we own, and that
    // is not used after it has been destroyed.
    let generation = unsafe {
        let membership = sys::rd_kafka_consumer_group_metadata(client);
        if membership.is_null() {
            return None;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(membership);
        sys::rd_kafka_consumer_group_metadata_destroy(membership);
        generation
    };
    (generation >= 0).then_some(generation)
}

/// One entry of a list of partitions, copied out.
pub(super) struct Entry {
    pub(super) origin: Origin,
    /// librdkafka's number; negative if there is none.
    pub(super) offset: i64,
    /// Nothing if it is absent or not UTF-8 (another tool wrote it).
    pub(super) metadata: Option<String>,
    pub(super) error: RDKafkaErrorCode,
}

/// Returns the entries of a list.
pub(super) fn entries_of(list: &TopicPartitionList) -> Vec<Entry> {
    // SAFETY: the list's pointer is valid as long as the list.
    unsafe { entries(list.ptr()) }
}

/// # Safety
///
/// `list` is null or points to a valid list.
unsafe fn entries(list: *mut sys::rd_kafka_topic_partition_list_t) -> Vec<Entry> {
    // SAFETY: the caller promises it.
    let Some(list) = (unsafe { list.as_ref() }) else { return Vec::new() };
    let count = usize::try_from(list.cnt).unwrap_or(0);
    // An empty list may have no elements to point at.
    if count == 0 || list.elems.is_null() {
        return Vec::new();
    }
    // SAFETY: librdkafka keeps `cnt` elements at `elems`.
    let elements = unsafe { std::slice::from_raw_parts(list.elems, count) };
    elements
        .iter()
        .map(|element| {
            // SAFETY: an element's topic is a C string; its metadata has `metadata_size` bytes.
            let (topic, metadata) = unsafe {
                let topic = std::ffi::CStr::from_ptr(element.topic);
                let metadata = NonNull::new(element.metadata.cast::<u8>())
                    .map(|bytes| std::slice::from_raw_parts(bytes.as_ptr(), element.metadata_size));
                (topic, metadata)
            };
            Entry {
                origin: Origin {
                    topic: topic.to_string_lossy().into(),
                    partition: element.partition,
                },
                offset: element.offset,
                metadata: metadata
                    .and_then(|bytes| std::str::from_utf8(bytes).ok())
                    .map(str::to_owned),
                error: element.err.into(),
            }
        })
        .collect()
}
