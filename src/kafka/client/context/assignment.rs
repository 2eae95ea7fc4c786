//! Partitions that the group gives us, until they are answered.

use std::sync::Arc;
use std::thread::Thread;

use rdkafka::consumer::{BaseConsumer, Consumer as _, RebalanceProtocol};
use rdkafka::{Offset, TopicPartitionList};

use super::{Context, PartitionQueue, Questions};
use crate::detect::Origin;
use crate::kafka::client::error::ClientError;
use crate::kafka::client::native::{Headers, Records, entries_of};

/// Partitions that the group gives us.
///
/// For each of them [`Assignment::start_at`] says where to read from, and [`Assignment::queue`] takes
/// its records. The protocol wants an answer, one of [`Assignment::accept`] and
/// [`Assignment::refuse`].
pub(in crate::kafka) struct Assignment<'a> {
    consumer: &'a BaseConsumer<Context>,
    partitions: &'a mut TopicPartitionList,
}

impl<'a> Assignment<'a> {
    pub(super) fn new(
        consumer: &'a BaseConsumer<Context>,
        partitions: &'a mut TopicPartitionList,
    ) -> Self {
        Self { consumer, partitions }
    }

    /// Has a partition be read from an offset.
    pub(in crate::kafka) fn start_at(
        &mut self,
        origin: &Origin,
        offset: i64,
    ) -> Result<(), ClientError> {
        let offset = Offset::Offset(offset);
        self.partitions.set_partition_offset(&origin.topic, origin.partition, offset)?;
        Ok(())
    }

    /// Takes a partition's records out of the consumer's queue; nothing if the client has no queue
    /// of it, or is being closed.
    pub(in crate::kafka) fn queue(
        &self,
        origin: &Origin,
        headers: Headers,
        waker: Thread,
    ) -> Option<Box<dyn Records>> {
        let queue = PartitionQueue::open(&self.consumer()?, origin, headers, waker)?;
        Some(Box::new(queue))
    }

    /// Returns the partitions.
    pub(in crate::kafka) fn origins(&self) -> Vec<Origin> {
        entries_of(self.partitions).into_iter().map(|entry| entry.origin).collect()
    }

    /// Tells whether the consumer is being closed: nothing is to be started then.
    pub(in crate::kafka) fn is_closing(&self) -> bool {
        self.consumer().is_none()
    }

    /// Returns the way to ask the brokers.
    pub(in crate::kafka) fn questions(&self) -> Questions<'a> {
        Questions::new(self.consumer)
    }

    /// Takes all of them.
    pub(in crate::kafka) fn accept(self) -> Result<(), ClientError> {
        self.answer(self.partitions)
    }

    /// Takes none of them.
    pub(in crate::kafka) fn refuse(self) -> Result<(), ClientError> {
        // The list belongs to the client: it must not be replaced, which would free it.
        self.answer(&TopicPartitionList::new())
    }

    fn answer(&self, accepted: &TopicPartitionList) -> Result<(), ClientError> {
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_assign(accepted)?,
            _ => self.consumer.assign(accepted)?,
        }
        Ok(())
    }

    fn consumer(&self) -> Option<Arc<BaseConsumer<Context>>> {
        self.consumer.context().consumer()
    }
}
