//! Where records lie: what the workers sample.
//!
//! Off the event path: a few hundred records of a partition are looked at in a second, whatever its
//! rate. Never decides what the counts mean; `alignment` does.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use serde::Deserialize;

use super::alignment::{Sample, Tally, Window};
use super::clock::now_millis;
use super::lock::lock;
use crate::detect::Origin;
use crate::normalize::HostHash;

/// How many records of a partition are looked at in a second.
const SAMPLES: u32 = 200;
/// Larger records are not searched for their `host.id`.
const MAX_SEARCHED: usize = 64 << 10;
/// Most hosts whose partition is remembered.
const MAX_HOSTS: usize = 50_000;
/// For how long, in milliseconds, it is remembered.
const REMEMBERED: u64 = 600_000;

/// What is known of all topics.
#[derive(Default)]
pub(in crate::kafka) struct Placement {
    topics: Mutex<BTreeMap<Arc<str>, Topic>>,
    hosts: DashMap<(Arc<str>, HostHash), Seen>,
}

#[derive(Default)]
struct Topic {
    partitions: u32,
    window: Window,
}

/// Where a host was seen.
struct Seen {
    partition: i32,
    at: u64,
    /// When it was last seen in another partition than before; 0 if never.
    moved_at: u64,
}

impl Placement {
    /// Notes how many partitions a topic has.
    pub(in crate::kafka) fn set_partitions(&self, topic: &str, partitions: usize) {
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        let mut topics = lock(&self.topics);
        let topic = topics.entry(topic.into()).or_default();
        if topic.partitions != partitions {
            topic.partitions = partitions;
            // Where records were put before says nothing about where they belong now.
            topic.window.clear();
        }
    }

    /// Adds what a worker has counted, and returns how many partitions the topic has.
    fn add(&self, topic: &str, tally: &Tally) -> u32 {
        let mut topics = lock(&self.topics);
        let Some(topic) = topics.get_mut(topic) else { return 0 };
        topic.window.add(now_millis(), tally);
        topic.partitions
    }

    /// Notes that a host's record lies in a partition.
    fn see(&self, origin: &Origin, host: HostHash, now: u64) {
        let key = (Arc::clone(&origin.topic), host);
        if let Some(mut seen) = self.hosts.get_mut(&key) {
            if seen.partition != origin.partition {
                seen.moved_at = now;
            }
            (seen.partition, seen.at) = (origin.partition, now);
        } else if self.hosts.len() < MAX_HOSTS {
            let seen = Seen { partition: origin.partition, at: now, moved_at: 0 };
            self.hosts.insert(key, seen);
        }
    }

    /// Shows the counts of each topic, with how many hosts were seen in several of its partitions.
    pub(in crate::kafka) fn for_each_topic(
        &self,
        now: u64,
        mut each: impl FnMut(&str, &mut Window, i64),
    ) {
        let several = self.hosts_on_several(now);
        for (name, topic) in &mut *lock(&self.topics) {
            each(name, &mut topic.window, several.get(name).copied().unwrap_or(0));
        }
    }

    /// Forgets old hosts, and returns by topic how many were seen in several partitions.
    fn hosts_on_several(&self, now: u64) -> BTreeMap<Arc<str>, i64> {
        self.hosts.retain(|_, seen| seen.at + REMEMBERED >= now);
        let mut counts = BTreeMap::new();
        for entry in &self.hosts {
            if entry.moved_at > 0 && entry.moved_at + REMEMBERED >= now {
                *counts.entry(Arc::clone(&entry.key().0)).or_default() += 1;
            }
        }
        counts
    }
}

/// Looks at some of one partition's records.
pub(in crate::kafka) struct Sampler {
    placement: Arc<Placement>,
    origin: Origin,
    /// Nothing is counted before the topic's number of partitions is known.
    partitions: u32,
    tally: Tally,
    /// How many more records are looked at until the next second.
    left: u32,
    second: u64,
}

impl Sampler {
    pub(in crate::kafka) fn new(placement: &Arc<Placement>, origin: &Origin) -> Self {
        Self {
            placement: Arc::clone(placement),
            origin: origin.clone(),
            partitions: 0,
            tally: Tally::default(),
            left: 0,
            // None yet: the first second begins with the first flush.
            second: u64::MAX,
        }
    }

    /// Looks at a live record, unless enough were looked at in this second.
    pub(in crate::kafka) fn look(
        &mut self,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        host: Option<HostHash>,
    ) {
        if self.left == 0 || self.partitions == 0 {
            return;
        }
        self.left -= 1;
        let host_id = payload.filter(|payload| payload.len() <= MAX_SEARCHED).and_then(host_id_of);
        let sample = Sample { key, host_id: host_id.as_ref().map(|id| id.as_bytes()) };
        self.tally.count(&sample, self.origin.partition, self.partitions);
        if let Some(host) = host {
            self.placement.see(&self.origin, host, now_millis());
        }
    }

    /// Passes on what was counted, about once a second.
    pub(in crate::kafka) fn flush(&mut self) {
        let second = now_millis() / 1_000;
        if second != self.second {
            self.second = second;
            self.left = SAMPLES;
            self.partitions = self.placement.add(&self.origin.topic, &self.tally);
            self.tally = Tally::default();
        }
    }
}

/// Returns `host.id` as its producer wrote it.
fn host_id_of(payload: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        host: Option<Host<'a>>,
    }
    #[derive(Deserialize)]
    struct Host<'a> {
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
    }
    serde_json::from_slice::<Event<'_>>(payload).ok()?.host?.id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(partition: i32) -> Origin {
        Origin { topic: "t".into(), partition }
    }

    #[test]
    fn host_in_two_partitions_is_remembered_for_a_while() {
        let placement = Placement::default();
        for (host, partition) in [(1, 0), (2, 1), (1, 0)] {
            placement.see(&origin(partition), HostHash(host), 1_000);
        }
        assert!(placement.hosts_on_several(1_000).is_empty());
        placement.see(&origin(1), HostHash(1), 2_000);
        assert_eq!(placement.hosts_on_several(2_000).into_values().collect::<Vec<_>>(), [1]);
        placement.see(&origin(1), HostHash(1), REMEMBERED);
        assert!(placement.hosts_on_several(REMEMBERED + 2_001).is_empty());
        assert_eq!(placement.hosts.len(), 1, "the other one has not been seen for long");
    }

    #[test]
    fn host_id_is_found_where_producers_write_it() {
        let id = |text: &'static str| host_id_of(text.as_bytes()).map(Cow::into_owned);
        assert_eq!(id(r#"{"a":[1],"host":{"name":"n","id":"x-1"}}"#).as_deref(), Some("x-1"));
        assert_eq!(id(r#"{"host":"n"}"#), None);
        assert_eq!(id("{ not json"), None);
    }

    #[test]
    fn only_so_many_records_are_looked_at() {
        let placement = Arc::new(Placement::default());
        placement.set_partitions("t", 6);
        let mut sampler = Sampler::new(&placement, &origin(0));
        sampler.look(Some(b"k"), None, Some(HostHash(1)));
        assert!(placement.hosts.is_empty(), "the number of partitions is not known yet");
        sampler.flush();
        for host in 0..1_000 {
            sampler.look(Some(b"k"), None, Some(HostHash(host)));
        }
        assert_eq!(placement.hosts.len(), SAMPLES as usize);
    }
}
