//! What is asked of the brokers: committed positions, what logs hold, how many partitions there are.
//!
//! Never asks twice: whoever asks decides whether an answer is worth waiting for.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::ClientError;
use super::native::entries_of;
use crate::detect::Origin;
use crate::kafka::state::{Committed, Log};

/// The way to ask the brokers.
pub(in crate::kafka) struct Questions<'a, C: ConsumerContext + 'static>(&'a BaseConsumer<C>);

impl<C: ConsumerContext> Clone for Questions<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: ConsumerContext> Copy for Questions<'_, C> {}

impl<'a, C: ConsumerContext> Questions<'a, C> {
    pub(super) fn new(consumer: &'a BaseConsumer<C>) -> Self {
        Self(consumer)
    }

    /// Returns what is committed for exactly these partitions.
    pub(in crate::kafka) fn committed(
        self,
        origins: &[Origin],
        patience: Duration,
    ) -> Result<Vec<(Origin, Option<Committed>)>, ClientError> {
        let mut list = TopicPartitionList::with_capacity(origins.len());
        for origin in origins {
            list.add_partition(&origin.topic, origin.partition);
        }
        let answer = self.0.committed_offsets(list, patience)?;
        entries_of(&answer)
            .into_iter()
            .map(|entry| match entry.error {
                RDKafkaErrorCode::NoError => {
                    let committed = (entry.offset >= 0).then(|| Committed {
                        position: entry.offset,
                        metadata: entry.metadata.unwrap_or_default(),
                    });
                    Ok((entry.origin, committed))
                }
                code => Err(ClientError(KafkaError::OffsetFetch(code))),
            })
            .collect()
    }

    /// Returns which offsets the log holds.
    pub(in crate::kafka) fn log_of(
        self,
        origin: &Origin,
        patience: Duration,
    ) -> Result<Log, ClientError> {
        let found = self.0.fetch_watermarks(&origin.topic, origin.partition, patience);
        let (low, high) = found.inspect_err(|_| {
            // Another broker may lead by now: of a partition that it does not read yet the client
            // would ask only at its next regular time.
            drop(self.0.fetch_metadata(Some(&origin.topic), patience));
        })?;
        Ok(Log { low, high })
    }

    /// Returns how many partitions a topic has; nothing if it does not exist.
    pub(in crate::kafka) fn partitions_of(
        self,
        topic: &str,
        patience: Duration,
    ) -> Result<Option<usize>, ClientError> {
        let metadata = self.0.fetch_metadata(Some(topic), patience)?;
        let Some(answer) = metadata.topics().iter().find(|answer| answer.name() == topic) else {
            return Ok(None);
        };
        match answer.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(answer.partitions().len())),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Ok(None)
            }
            // The topic may well exist: a topic that we may not see is not ours to create.
            Some(code) => Err(ClientError(KafkaError::MetadataFetch(code))),
        }
    }

    /// Returns how many partitions a topic has; it is an error if it does not exist, or has none.
    pub(in crate::kafka) fn existing_partitions_of(
        self,
        topic: &str,
        patience: Duration,
    ) -> Result<usize, ClientError> {
        let missing = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
        let count = self.partitions_of(topic, patience)?;
        count.filter(|count| *count > 0).ok_or(ClientError(missing))
    }
}
