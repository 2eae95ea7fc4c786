//! Tells when a client has something to be served.
//!
//! The crate's poll reads the clock over and over for the last millisecond of its time, and cannot be told to come
//! back with the first answer.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};

use crate::kafka::state::lock;

/// Rings when the main queue of a producer gets something.
///
/// INVARIANT: it is dropped before its producer.
pub(in crate::kafka::client) struct Bell {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// What the queue's callback points at.
    signal: Box<Signal>,
}

#[derive(Default)]
struct Signal {
    has_rung: Mutex<bool>,
    changed: Condvar,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Bell {}

impl Bell {
    /// Returns the bell of a producer; nothing if the client has no queue.
    pub(in crate::kafka::client) fn of<C: ProducerContext + ClientContext + 'static>(
        producer: &BaseProducer<C>,
    ) -> Option<Self> {
        // SAFETY: the client is alive; the call returns a queue that we own, or null.
        let queue = unsafe { sys::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        let queue = NonNull::new(queue)?;
        let signal = Box::<Signal>::default();
        // SAFETY: the queue is valid. The callback's argument is the boxed signal, whose address is stable and
        // which lives until `drop` has taken the callback away.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(
                queue.as_ptr(),
                Some(ring),
                ptr::from_ref::<Signal>(&signal).cast_mut().cast::<c_void>(),
            );
        }
        Some(Self { queue, signal })
    }

    /// Waits until it rings, or has rung since this was last called.
    pub(in crate::kafka::client) fn wait(&self, timeout: Duration) {
        let Signal { has_rung, changed } = &*self.signal;
        let waited = changed.wait_timeout_while(lock(has_rung), timeout, |has_rung| !*has_rung);
        let (mut has_rung, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        *has_rung = false;
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        // SAFETY: the queue is valid until the second call. Taking the callback away waits for a running one, so
        // that the signal is not used afterwards.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

unsafe extern "C" fn ring(_client: *mut sys::rd_kafka_t, signal: *mut c_void) {
    // SAFETY: `of` registered the address of a `Signal` that outlives the registration.
    let signal = unsafe { &*signal.cast::<Signal>() };
    *lock(&signal.has_rung) = true;
    signal.changed.notify_one();
}
