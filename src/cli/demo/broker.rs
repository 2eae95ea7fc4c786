//! The in-process broker of the demo: topics, a producer, a reader of the alerts.

use std::time::Duration;

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::capture::Record;

/// A Kafka broker within this process.
pub(super) struct Broker(MockCluster<'static, DefaultProducerContext>);

/// Reads the alerts topic from its start.
pub(super) struct Reader(BaseConsumer<DefaultConsumerContext>);

const ACKNOWLEDGED: Duration = Duration::from_secs(10);

impl Broker {
    /// Starts a broker that has the input topic.
    pub(super) fn start(topic: &str, partitions: i32) -> anyhow::Result<Self> {
        let cluster = MockCluster::new(1).context("cannot start the in-process broker")?;
        cluster
            .create_topic(topic, partitions, 1)
            .with_context(|| format!("cannot create topic `{topic}`"))?;
        Ok(Self(cluster))
    }

    /// Creates a topic with one partition.
    pub(super) fn create(&self, topic: &str) -> anyhow::Result<()> {
        let created = self.0.create_topic(topic, 1, 1);
        created.with_context(|| format!("cannot create topic `{topic}`"))
    }

    /// Returns where the broker listens.
    pub(super) fn address(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Writes records, keyed by host, and waits until they are acknowledged.
    pub(super) fn produce(&self, topic: &str, records: &[Record]) -> anyhow::Result<()> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.address())
            .set("linger.ms", "5")
            .create()
            .context("cannot start the producer")?;
        for Record { key, value } in records {
            let record = BaseRecord::to(topic).key(key).payload(value);
            producer.send(record).map_err(|(error, _)| error).context("cannot write a record")?;
        }
        producer.flush(ACKNOWLEDGED).context("the in-process broker does not answer")
    }
}

impl Reader {
    /// Returns a reader of a topic with one partition.
    pub(super) fn new(broker: &Broker, topic: &str) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", broker.address())
            .set("group.id", "maxspan-demo-reader")
            .set("enable.auto.commit", "false")
            .create()
            .context("cannot start the reader of alerts")?;
        let mut partitions = TopicPartitionList::new();
        partitions
            .add_partition_offset(topic, 0, Offset::Beginning)
            .and_then(|()| consumer.assign(&partitions))
            .context("cannot read the alerts topic")?;
        Ok(Self(consumer))
    }

    /// Returns the alerts that have come since the last call.
    pub(super) fn next(&self) -> Vec<Vec<u8>> {
        let mut alerts = Vec::new();
        while let Some(Ok(message)) = self.0.poll(Duration::ZERO) {
            alerts.extend(message.payload().map(<[u8]>::to_vec));
        }
        alerts
    }
}
