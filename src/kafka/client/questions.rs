//! What is asked of the brokers: committed positions, what logs hold, how many partitions there are.
//!
//! Never asks twice: whoever asks decides whether an answer is worth waiting for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::error::{ClientError, Code};
use super::native::{Entry, entries_of};
use crate::detect::Origin;
use crate::kafka::state::{Committed, Log};

/// What brokers say of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum TopicAnswer {
    /// It has so many partitions.
    Partitions(usize),
    /// It does not exist.
    Missing,
    /// They do not say: a topic that we may not see may well exist, and is not ours to create.
    Refused(Code),
}

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
                code => Err(ClientError::from(KafkaError::OffsetFetch(code))),
            })
            .collect()
    }

    /// Returns which offsets the logs of these partitions hold, in their order.
    ///
    /// Takes two round trips however many partitions there are: each of their leaders is asked once
    /// where logs begin and once where they end.
    pub(in crate::kafka) fn logs_of(
        self,
        origins: &[Origin],
        patience: Duration,
    ) -> Result<Vec<Log>, ClientError> {
        let ends = Instant::now() + patience;
        let lows = self.offsets_at(origins, Offset::Beginning, ends)?;
        let highs = self.offsets_at(origins, Offset::End, ends)?;
        Ok(lows.into_iter().zip(highs).map(|(low, high)| Log { low, high }).collect())
    }

    /// Returns an offset of each partition, in their order.
    fn offsets_at(
        self,
        origins: &[Origin],
        place: Offset,
        ends: Instant,
    ) -> Result<Vec<i64>, ClientError> {
        let patience = || ends.saturating_duration_since(Instant::now());
        let mut sorted: Vec<&Origin> = origins.iter().collect();
        // A request names a topic once for each run of its partitions.
        sorted.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        let mut list = TopicPartitionList::with_capacity(origins.len());
        for origin in &sorted {
            list.add_partition_offset(&origin.topic, origin.partition, place)?;
        }
        let answer = self.0.offsets_for_times(list, patience()).inspect_err(|_| {
            // Another broker may lead by now: of a partition that it does not read yet the client
            // would ask only at its next regular time.
            sorted.dedup_by(|a, b| a.topic == b.topic);
            for origin in sorted {
                drop(self.0.fetch_metadata(Some(&origin.topic), patience()));
            }
        })?;
        in_order(origins, entries_of(&answer))
    }

    /// Looks a topic up; an error means that no broker has answered.
    pub(in crate::kafka) fn topic(
        self,
        topic: &str,
        patience: Duration,
    ) -> Result<TopicAnswer, ClientError> {
        let metadata = self.0.fetch_metadata(Some(topic), patience)?;
        let Some(answer) = metadata.topics().iter().find(|answer| answer.name() == topic) else {
            return Ok(TopicAnswer::Missing);
        };
        Ok(match answer.error().map(RDKafkaErrorCode::from) {
            None => TopicAnswer::Partitions(answer.partitions().len()),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                TopicAnswer::Missing
            }
            Some(code) => TopicAnswer::Refused(Code(code)),
        })
    }

    /// Returns how many partitions a topic has; it is an error if it does not exist, or has none.
    pub(in crate::kafka) fn existing_partitions_of(
        self,
        topic: &str,
        patience: Duration,
    ) -> Result<usize, ClientError> {
        let code = match self.topic(topic, patience)? {
            TopicAnswer::Partitions(count) if count > 0 => return Ok(count),
            TopicAnswer::Partitions(_) | TopicAnswer::Missing => {
                RDKafkaErrorCode::UnknownTopicOrPartition
            }
            TopicAnswer::Refused(code) => code.0,
        };
        Err(ClientError::from(KafkaError::MetadataFetch(code)))
    }
}

/// Returns the offsets that were found, in the order of the partitions; the first fault if there is one.
fn in_order(origins: &[Origin], entries: Vec<Entry>) -> Result<Vec<i64>, ClientError> {
    let mut found = HashMap::with_capacity(entries.len());
    for Entry { origin, offset, error, .. } in entries {
        match error {
            RDKafkaErrorCode::NoError => found.insert(origin, offset),
            code => return Err(ClientError::from(KafkaError::OffsetFetch(code))),
        };
    }
    let unanswered = || ClientError::from(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset));
    // What is not answered keeps the negative number that stood for the question.
    let offset = |origin| found.get(origin).copied().filter(|offset| *offset >= 0);
    origins.iter().map(|origin| offset(origin).ok_or_else(unanswered)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(partition: i32) -> Origin {
        Origin { topic: "t".into(), partition }
    }

    fn entry(partition: i32, offset: i64, error: RDKafkaErrorCode) -> Entry {
        Entry { origin: origin(partition), offset, metadata: None, error }
    }

    #[test]
    fn offsets_come_in_the_order_of_the_question() {
        let answer =
            vec![entry(0, 5, RDKafkaErrorCode::NoError), entry(1, 7, RDKafkaErrorCode::NoError)];
        assert_eq!(in_order(&[origin(1), origin(0)], answer).unwrap(), [7, 5]);
    }

    #[test]
    fn partition_without_an_answer_is_a_fault_and_no_offset() {
        let answer = |offset, error| vec![entry(0, offset, error)];
        let asked = [origin(0)];
        assert!(in_order(&asked, answer(-2, RDKafkaErrorCode::NoError)).is_err());
        assert!(in_order(&asked, Vec::new()).is_err());
        let refused = RDKafkaErrorCode::TopicAuthorizationFailed;
        let error = in_order(&asked, answer(0, refused)).unwrap_err();
        assert!(error.code() == Some(Code(refused)));
    }
}
