//! The test broker itself: what the tests that need a real Kafka rely on holds.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, reason = "a failing step fails the test")]

#[path = "support/broker.rs"]
mod broker;

use std::time::{Duration, Instant};

use broker::Broker;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn records_and_commit_metadata_survive_a_broker_crash() {
    let Some(broker) = Broker::start_or_not_run(1, "broker_smoke") else { return };
    broker.create_topic("events", 2, &[("message.timestamp.type", "LogAppendTime")]);
    produce(&broker, "events", 1, "k", "a record");
    let consumer = reader(&broker, "smoke", "events", 1);
    assert_eq!(read_one(&consumer), ("k".to_owned(), "a record".to_owned()));
    commit(&consumer, "events", 1, 1, "v1 S=0 T=12");
    drop(consumer);

    broker.kill_node(0);
    broker.restart_node(0);

    let consumer = reader(&broker, "smoke", "events", 1);
    assert_eq!(committed(&consumer, "events", 1), (1, "v1 S=0 T=12".to_owned()));
    assert_eq!(read_one(&consumer), ("k".to_owned(), "a record".to_owned()));
}

fn produce(broker: &Broker, topic: &str, partition: i32, key: &str, value: &str) {
    let producer: BaseProducer = broker.client().create().unwrap();
    let record = BaseRecord::to(topic).partition(partition).key(key).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
}

/// Returns a consumer that reads one partition from its start, outside any rebalance.
fn reader(broker: &Broker, group: &str, topic: &str, partition: i32) -> BaseConsumer {
    let consumer: BaseConsumer = broker
        .client()
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    consumer
}

fn read_one(consumer: &BaseConsumer) -> (String, String) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // Errors here are the broker coming back; the deadline is the judge.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            return (text(message.key()), text(message.payload()));
        }
    }
    panic!("no record in {PATIENCE:?}");
}

fn commit(consumer: &BaseConsumer, topic: &str, partition: i32, offset: i64, metadata: &str) {
    let mut list = TopicPartitionList::new();
    let mut entry = list.add_partition(topic, partition);
    entry.set_offset(Offset::Offset(offset)).unwrap();
    entry.set_metadata(metadata);
    consumer.commit(&list, CommitMode::Sync).unwrap();
}

fn committed(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, String) {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let list = consumer.committed_offsets(list, PATIENCE).unwrap();
    let entry = list.find_partition(topic, partition).unwrap();
    (entry.offset().to_raw().unwrap(), entry.metadata().to_owned())
}
