//! A commit with a deadline, and an answer for each partition.

use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings::{self as sys, rd_kafka_resp_err_t};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;

use super::entries::entries;
use crate::detect::Origin;
use crate::kafka::client::error::Code;

/// A commit whose answer has not come yet.
pub(in crate::kafka) struct PendingCommit<C: ConsumerContext + 'static> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    _consumer: Arc<BaseConsumer<C>>,
}

impl<C: ConsumerContext + 'static> PendingCommit<C> {
    /// Starts to commit the list's offsets and metadata; returns at once.
    pub(in crate::kafka) fn start(
        consumer: &Arc<BaseConsumer<C>>,
        offsets: &TopicPartitionList,
    ) -> Result<Self, Code> {
        let client = consumer.client().native_ptr();
        // SAFETY: the client is alive; the call returns a queue that we own.
        let queue = unsafe { sys::rd_kafka_queue_new(client) };
        let queue = NonNull::new(queue).ok_or(Code(RDKafkaErrorCode::Fail))?;
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
            error => Err(Code(error.into())),
        }
    }

    /// Waits for the answer: one for each partition, or one fault for all of them.
    pub(in crate::kafka) fn wait(self, timeout: Duration) -> Result<Vec<(Origin, Code)>, Code> {
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the queue is valid; the event is ours until it is destroyed below.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), millis) };
        if event.is_null() {
            return Err(Code(RDKafkaErrorCode::OperationTimedOut));
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
            error if !has_answers => return Err(Code(error)),
            _ => {}
        }
        Ok(answers.into_iter().map(|entry| (entry.origin, Code(entry.error))).collect())
    }
}

impl<C: ConsumerContext + 'static> Drop for PendingCommit<C> {
    fn drop(&mut self) {
        // SAFETY: the queue is ours and not used afterwards; a late answer is dropped with it.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}
