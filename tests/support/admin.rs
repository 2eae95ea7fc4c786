//! What an operator does to a cluster, and what of its inside a test has to know.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::future::Future;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use crate::broker::Broker;

const PATIENCE: Duration = Duration::from_secs(120);
const QUESTION: Duration = Duration::from_secs(10);

impl Broker {
    /// Deletes a topic, and waits until nobody knows it any more.
    pub(crate) fn delete_topic(&self, topic: &str) {
        let results = wait(self.admin().delete_topics(&[topic], &AdminOptions::new())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        self.until("the topic is gone", || self.partitions_of(topic) == 0);
    }

    /// Gives a topic more partitions.
    pub(crate) fn add_partitions(&self, topic: &str, count: usize) {
        let more = NewPartitions::new(topic, count);
        wait(self.admin().create_partitions(&[more], &AdminOptions::new())).unwrap();
    }

    /// Replaces the settings of a topic.
    pub(crate) fn set_topic(&self, topic: &str, settings: &[(&str, &str)]) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        let change = settings.iter().fold(change, |change, (key, value)| change.set(key, value));
        let results = wait(self.admin().alter_configs([&change], &AdminOptions::new())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Deletes a group with its offsets, as soon as it has no member.
    pub(crate) fn delete_group(&self, group: &str) {
        self.until("the group is gone", || {
            let results = wait(self.admin().delete_groups(&[group], &AdminOptions::new()));
            results.is_ok_and(|results| results.iter().all(Result::is_ok))
        });
    }

    /// Returns first offset and end of a partition.
    pub(crate) fn ends(&self, topic: &str, partition: i32) -> (i64, i64) {
        self.reader("operator").fetch_watermarks(topic, partition, QUESTION).unwrap()
    }

    /// Returns position and metadata that a group has committed, if it has.
    pub(crate) fn committed(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Option<(i64, String)> {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let list = self.reader(group).committed_offsets(list, QUESTION).unwrap();
        let entry = list.find_partition(topic, partition).unwrap();
        Some((entry.offset().to_raw()?, entry.metadata().to_owned())).filter(|(o, _)| *o >= 0)
    }

    /// Tells whether a group has so many members and none is on its way in or out.
    pub(crate) fn is_stable(&self, group: &str, members: usize) -> bool {
        let groups = self.reader("operator").fetch_group_list(Some(group), QUESTION);
        groups.is_ok_and(|list| {
            list.groups().iter().any(|g| g.state() == "Stable" && g.members().len() == members)
        })
    }

    /// Returns how many records of a topic lie behind what a group has committed, if the brokers say.
    ///
    /// Without transactions in the topic: their marks would count as well.
    pub(crate) fn lag(&self, group: &str, topic: &str) -> Option<i64> {
        let reader = self.reader(group);
        let metadata = reader.fetch_metadata(Some(topic), QUESTION).ok()?;
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            list.add_partition(topic, partition.id());
        }
        let behind = |entry: TopicPartitionListElem<'_>| {
            let (low, high) = reader.fetch_watermarks(topic, entry.partition(), QUESTION).ok()?;
            Some(high - entry.offset().to_raw().map_or(low, |offset| offset.max(low)))
        };
        reader.committed_offsets(list, QUESTION).ok()?.elements().into_iter().map(behind).sum()
    }

    /// Commits a position with metadata in the name of a group that has no member.
    pub(crate) fn commit(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        position: i64,
        metadata: &str,
    ) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(topic, partition);
        element.set_offset(Offset::Offset(position)).unwrap();
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
        self.reader(group).commit(&list, CommitMode::Sync)
    }

    /// Returns the node (counted from 0) that leads a partition.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<usize> {
        let metadata = self.reader("operator").fetch_metadata(Some(topic), QUESTION).ok()?;
        let found = metadata.topics().iter().find(|found| found.name() == topic)?;
        let found = found.partitions().iter().find(|found| found.id() == partition)?;
        // Nodes are numbered from 1; without a leader this is -1.
        usize::try_from(found.leader() - 1).ok()
    }

    /// Returns the node that coordinates a group.
    pub(crate) fn coordinator_of_group(&self, group: &str) -> Option<usize> {
        self.leader("__consumer_offsets", place(group))
    }

    /// Returns the node that coordinates the transactions of an id.
    pub(crate) fn coordinator_of_transactions(&self, id: &str) -> Option<usize> {
        self.leader("__transaction_state", place(id))
    }

    /// Waits until every replica of every partition is in sync.
    pub(crate) fn wait_in_sync(&self) {
        self.until("all replicas are in sync", || {
            let reader = self.reader("operator");
            let Ok(metadata) = reader.fetch_metadata(None, QUESTION) else { return false };
            let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
            partitions.all(|found| found.isr().len() == found.replicas().len())
        });
    }

    /// Waits until something holds, not for ever.
    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "not yet: {what}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn partitions_of(&self, topic: &str) -> usize {
        let metadata = self.reader("operator").fetch_metadata(Some(topic), QUESTION).unwrap();
        metadata.topics().iter().map(|topic| topic.partitions().len()).sum()
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    fn reader(&self, group: &str) -> BaseConsumer {
        self.client().set("group.id", group).create().unwrap()
    }
}

/// Returns which of the three partitions of an internal topic keeps a name: Java's hash of it.
fn place(name: &str) -> i32 {
    let hash = name
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % 3
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}
