//! The consumer: a member of the group.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;

use super::context::{Context, GroupEvents, PendingCommit, Questions};
use super::error::{ClientError, Code, OpenError};
use super::native::{generation_of, install_unpacking};
use super::positions::Positions;
use crate::detect::Origin;
use crate::kafka::settings::Settings;

/// The consumer; it leaves the group when the last of its owners drops it.
#[derive(Clone)]
pub(in crate::kafka) struct Consumer(Arc<BaseConsumer<Context>>);

/// What a call of [`Consumer::poll`] has met.
pub(in crate::kafka) enum Polled {
    /// Nothing. Also after a rebalance: that is not idleness.
    Nothing,
    /// A record whose partition has no queue of ours.
    StrayRecord,
    /// The consumer cannot go on.
    FailedForGood(Code),
    /// The client goes on by itself.
    Error(ClientError),
}

/// The group's generation of which we are a member, for a transaction.
pub(in crate::kafka) struct Membership(pub(super) ConsumerGroupMetadata);

impl Consumer {
    /// Returns a consumer that does not connect before it subscribes.
    pub(in crate::kafka) fn open(
        settings: &Settings,
        events: Arc<dyn GroupEvents>,
    ) -> Result<Self, OpenError> {
        install_unpacking(settings.memory.fetch_unfolded());
        let client = settings.consumer()?.create_with_context(Context::new(events));
        let client: Arc<BaseConsumer<Context>> = Arc::new(client.map_err(ClientError::from)?);
        client.context().set_consumer(&client);
        Ok(Self(client))
    }

    /// Joins the group for these topics.
    pub(in crate::kafka) fn subscribe(&self, topics: &[&str]) -> Result<(), ClientError> {
        Ok(self.0.subscribe(topics)?)
    }

    /// Leaves the group.
    pub(in crate::kafka) fn unsubscribe(&self) {
        self.0.unsubscribe();
    }

    /// Serves the client, which calls back within this.
    pub(in crate::kafka) fn poll(&self, timeout: Duration) -> Polled {
        match self.0.poll(timeout) {
            None => Polled::Nothing,
            Some(Ok(_)) => Polled::StrayRecord,
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                Polled::FailedForGood(Code(code))
            }
            Some(Err(error)) => Polled::Error(error.into()),
        }
    }

    /// Goes on with a partition at an offset.
    pub(in crate::kafka) fn seek(
        &self,
        origin: &Origin,
        offset: i64,
        patience: Duration,
    ) -> Result<(), ClientError> {
        Ok(self.0.seek(&origin.topic, origin.partition, Offset::Offset(offset), patience)?)
    }

    /// Returns the way to ask the brokers.
    pub(in crate::kafka) fn questions(&self) -> Questions<'_> {
        Questions::new(&self.0)
    }

    /// Returns our membership; nothing if we are in no generation, or the generation changes.
    ///
    /// Brokers do not fence a member without a generation: they would take its offsets.
    pub(in crate::kafka) fn membership(&self) -> Option<Membership> {
        let before = generation_of(&self.0);
        let membership = self.0.group_metadata();
        let after = generation_of(&self.0);
        membership.filter(|_| before.is_some() && before == after).map(Membership)
    }

    /// Starts to commit positions; returns at once.
    pub(in crate::kafka) fn commit(&self, positions: &Positions) -> Result<PendingCommit, Code> {
        PendingCommit::start(&self.0, &positions.0)
    }
}
