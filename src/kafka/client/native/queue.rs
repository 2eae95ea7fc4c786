//! The queue of one partition, drained in batches.

use std::ffi::{CString, c_void};
use std::ops::ControlFlow;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::thread::Thread;

use rdkafka::bindings::{self as sys, rd_kafka_resp_err_t, rd_kafka_timestamp_type_t};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};

use super::unpack::take_refusal;
use crate::detect::{Origin, Record, Source, Stamp};
use crate::event::EventTime;
use crate::kafka::client::error::Code;

/// Most records that are taken from a queue at once.
const BATCH: usize = 512;
/// About how many bytes of records are taken at once. A record that is taken keeps its whole fetch
/// answer in memory, so few large ones are enough.
const BATCH_BYTES: usize = 1 << 20;

/// The queue of one assigned partition, apart from the consumer's own queue.
///
/// INVARIANT: it lives as long as the partition is assigned; librdkafka keeps sending the
/// partition's records here, and nobody would see them if it were gone.
pub(in crate::kafka) struct PartitionQueue<C: ConsumerContext + 'static> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    headers: Headers,
    /// Records that were taken from it and not handed on yet.
    taken: std::vec::IntoIter<Message>,
    /// How many bytes a record had, on average of those that were taken last.
    bytes_of_one: usize,
    /// What the queue's callback points at.
    waker: Box<Thread>,
    /// The queue must not outlive its client.
    _consumer: Arc<BaseConsumer<C>>,
}

/// What becomes of the headers of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Headers {
    /// Nothing.
    Ignored,
    /// They say where a record stood before it was forwarded.
    Source,
}

/// What a queue holds.
pub(in crate::kafka) enum Item<'a> {
    /// A record, and its key.
    Record(Record<'a>, Option<&'a [u8]>),
    /// A fault of this partition.
    Fault(Code),
}

/// Where the records of one partition come from.
pub(in crate::kafka) trait Records: Send {
    /// Hands waiting items to `each`, without waiting, until it breaks off or about as many as are
    /// taken at once are done. Returns how many there were.
    fn drain(&mut self, each: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>) -> usize;

    /// Forgets what was taken and not handed on: reading goes on somewhere else.
    fn clear(&mut self);
}

// SAFETY: librdkafka's queues and messages may be used from any thread; `Thread` and `Arc` are `Send`.
unsafe impl<C: ConsumerContext + 'static> Send for PartitionQueue<C> {}

impl<C: ConsumerContext + 'static> PartitionQueue<C> {
    /// Takes a partition's records out of the consumer's queue; to be called before it is
    /// assigned. `waker` is unparked whenever the queue gets its first record.
    pub(in crate::kafka) fn open(
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
        let taken = Vec::new().into_iter();
        let _consumer = Arc::clone(consumer);
        Some(Self { queue, headers, taken, bytes_of_one: 1, waker, _consumer })
    }

    fn take(&mut self) {
        let most = (BATCH_BYTES / self.bytes_of_one.max(1)).clamp(1, BATCH);
        let mut messages = [ptr::null_mut(); BATCH];
        // SAFETY: the queue is valid and `messages` has room for `most` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, messages.as_mut_ptr(), most)
        };
        let count = usize::try_from(count).unwrap_or(0).min(most);
        let taken: Vec<Message> = messages[..count].iter().map(|taken| Message(*taken)).collect();
        if let Some(mean) = taken.iter().map(Message::bytes).sum::<usize>().checked_div(count) {
            self.bytes_of_one = mean;
        }
        self.taken = taken.into_iter();
    }
}

impl<C: ConsumerContext + 'static> Records for PartitionQueue<C> {
    fn drain(&mut self, each: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>) -> usize {
        if self.taken.as_slice().is_empty() {
            self.take();
        }
        let mut count = 0;
        for message in self.taken.by_ref() {
            count += 1;
            if message.is_unpacked_later() {
                continue;
            }
            if each(message.view(self.headers)).is_break() {
                break;
            }
        }
        count
    }

    fn clear(&mut self) {
        self.taken = Vec::new().into_iter();
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

/// A message that librdkafka has handed over.
struct Message(*mut sys::rd_kafka_message_t);

impl Message {
    fn bytes(&self) -> usize {
        // SAFETY: librdkafka filled this pointer, and the message lives until we are dropped.
        unsafe { &*self.0 }.len
    }

    /// Tells whether it only says that a batch was too much for one answer: it comes again.
    fn is_unpacked_later(&self) -> bool {
        // SAFETY: librdkafka filled this pointer, and the message lives until we are dropped.
        let error = unsafe { &*self.0 }.err;
        error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__BAD_COMPRESSION && take_refusal()
    }

    /// Returns what the message holds.
    fn view(&self, headers: Headers) -> Item<'_> {
        // SAFETY: librdkafka filled this pointer, and the message lives until we are dropped.
        let message = unsafe { &*self.0 };
        if message.err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Item::Fault(Code(message.err.into()));
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
        // SAFETY: we own the message, and nothing borrowed from it is left.
        unsafe { sys::rd_kafka_message_destroy(self.0) };
    }
}
