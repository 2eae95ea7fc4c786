//! What the client calls back, as a trait of ours.

mod assignment;

use std::sync::{Arc, OnceLock, Weak};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::log::log;
use super::native::{self, entries_of};
use super::questions;
use super::statistics::Statistics;
use crate::detect::Origin;

pub(in crate::kafka) use assignment::Assignment;

/// The way to ask the brokers.
pub(in crate::kafka) type Questions<'a> = questions::Questions<'a, Context>;
/// The queue of one assigned partition.
type PartitionQueue = native::PartitionQueue<Context>;
/// A commit whose answer has not come yet.
pub(in crate::kafka) type PendingCommit = native::PendingCommit<Context>;

/// What happens to a member of the group.
///
/// All of it comes on the thread that polls the consumer, and within its call.
pub(in crate::kafka) trait GroupEvents: Send + Sync {
    /// Notes a sign of life: before and after a rebalance.
    fn beat(&self);

    /// Takes partitions in; must end with [`Assignment::accept`] or [`Assignment::refuse`].
    fn on_assigned(&self, assignment: Assignment<'_>);

    /// Gives partitions up that are still ours; the client lets go of them afterwards.
    fn on_revoked(&self, origins: Vec<Origin>);

    /// Gives partitions up that may have a new owner already.
    fn on_lost(&self, origins: Vec<Origin>);

    /// Notes that no broker answers.
    fn on_no_broker(&self, reason: &str);

    /// Notes that brokers refuse the login, or that TLS fails.
    fn on_no_login(&self, reason: &str);

    /// Notes what the client tells once a second.
    fn on_statistics(&self, statistics: &Statistics);
}

/// Passes the client's calls on.
pub(in crate::kafka) struct Context {
    events: Arc<dyn GroupEvents>,
    /// The consumer itself: queues must keep it alive, and the callback only lends it.
    consumer: OnceLock<Weak<BaseConsumer<Self>>>,
}

impl Context {
    /// Returns a context that does not know its consumer yet.
    pub(super) fn new(events: Arc<dyn GroupEvents>) -> Self {
        Self { events, consumer: OnceLock::new() }
    }

    /// Makes the consumer known; to be called once.
    pub(super) fn set_consumer(&self, consumer: &Arc<BaseConsumer<Self>>) {
        drop(self.consumer.set(Arc::downgrade(consumer)));
    }

    /// Returns the consumer; nothing while it is being dropped.
    pub(super) fn consumer(&self) -> Option<Arc<BaseConsumer<Self>>> {
        self.consumer.get().and_then(Weak::upgrade)
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let origins = entries_of(partitions).into_iter().map(|entry| entry.origin).collect();
        match consumer.assignment_lost() {
            true => self.events.on_lost(origins),
            false => self.events.on_revoked(origins),
        }
        if let Err(error) = let_go(consumer, partitions) {
            tracing::error!(%error, "the client did not give partitions up");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.events.on_no_broker(reason),
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => {
                self.events.on_no_login(reason);
            }
            _ => tracing::debug!(%error, reason, "consumer"),
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice::<Statistics>(statistics) {
            Ok(statistics) => self.events.on_statistics(&statistics),
            Err(error) => tracing::debug!(%error, "statistics of the client are unreadable"),
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.events.beat();
        match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.events.on_assigned(Assignment::new(consumer, partitions));
            }
            _ => self.revoke(consumer, partitions),
        }
        self.events.beat();
    }
}

/// Has the client read partitions no more.
fn let_go(
    consumer: &BaseConsumer<Context>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => {
            consumer.incremental_unassign(&assigned_among(consumer, partitions)?)
        }
        _ => consumer.unassign(),
    }
}

/// Returns those of the group's partitions that the client has been told to read.
///
/// An assignment that was refused is still the group's. The client treats an unassign of partitions
/// that it does not read as a missing answer, and stalls the rebalance.
fn assigned_among(
    consumer: &BaseConsumer<Context>,
    partitions: &TopicPartitionList,
) -> Result<TopicPartitionList, KafkaError> {
    let assigned = consumer.assignment()?;
    let mut list = TopicPartitionList::new();
    for entry in entries_of(partitions) {
        let origin = entry.origin;
        if assigned.find_partition(&origin.topic, origin.partition).is_some() {
            list.add_partition(&origin.topic, origin.partition);
        }
    }
    Ok(list)
}
