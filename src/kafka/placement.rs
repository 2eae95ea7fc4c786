//! Where records lie: what the workers sample, and what the poll thread tells about it.
//!
//! Off the event path: a few hundred records of a partition are looked at in a second, whatever its
//! rate. Never decides what the counts mean; `alignment` does.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use serde::Deserialize;

use super::alignment::{Function, Sample, Tally, Verdict, Window};
use super::health::{Degradation, lock, now_millis};
use super::shared::Shared;
use crate::detect::Origin;
use crate::normalize::HostHash;
use crate::rule::compile::CompiledRule;

/// How many records of a partition are looked at in a second.
const SAMPLES: u32 = 200;
/// Larger records are not searched for their `host.id`.
const MAX_SEARCHED: usize = 64 << 10;
/// Most hosts whose partition is remembered.
const MAX_HOSTS: usize = 50_000;
/// For how long, in milliseconds, it is remembered.
const REMEMBERED: u64 = 600_000;
/// How often, in milliseconds, the poll thread judges.
const JUDGE_EVERY: u64 = 1_000;

/// What is known of all topics.
#[derive(Default)]
pub(super) struct Placement {
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
    pub(super) fn set_partitions(&self, topic: &str, partitions: usize) {
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
pub(super) struct Sampler {
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
    pub(super) fn new(placement: &Arc<Placement>, origin: &Origin) -> Self {
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
    pub(super) fn look(
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
    pub(super) fn flush(&mut self) {
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

/// Tells about topics whose records do not lie by host.
#[derive(Default)]
pub(super) struct Judge {
    judged_at: u64,
}

impl Judge {
    /// Judges if it is time to: metrics, one warning, a condition of health.
    pub(super) fn look(&mut self, shared: &Shared) {
        let now = now_millis();
        if now < self.judged_at + JUDGE_EVERY {
            return;
        }
        self.judged_at = now;
        let several = shared.placement.hosts_on_several(now);
        let mut topics = lock(&shared.placement.topics);
        for (name, topic) in &mut *topics {
            let hosts = several.get(name).copied().unwrap_or(0);
            let metrics = &shared.metrics.kafka;
            metrics.hosts_on_several.with_label_values(&[name]).set(hosts);
            let ratios = topic.window.ratios(now);
            for (function, ratio) in Function::ALL.into_iter().zip(ratios.iter().flatten()) {
                metrics.alignment.with_label_values(&[&**name, function.name()]).set(*ratio);
            }
            let verdict = ratios.and_then(|ratios| topic.window.judge(now, &ratios));
            tell(shared, name, verdict, hosts);
        }
    }
}

fn tell(shared: &Shared, topic: &str, verdict: Option<Verdict>, hosts: i64) {
    // Single events need no company, and what is re-keyed is brought together.
    let needs = |rule: &CompiledRule| rule.is_sequence && !rule.is_rekeyed;
    let joins = shared.rules().rules().iter().any(needs);
    let what = match verdict {
        _ if !joins => None,
        _ if hosts > 0 => {
            Some(format!("events of one host lie in several partitions of topic `{topic}`"))
        }
        Some(Verdict::Scattered(function, ratio)) => Some(format!(
            "records of topic `{topic}` do not lie where a hash of their key would put them \
             (nearest: {}, {:.0} %)",
            function.name(),
            ratio * 100.0
        )),
        // Nothing to judge by: what was found last still holds.
        None => return,
        Some(Verdict::Aligned(_)) => None,
    };
    match what {
        Some(what) => {
            let message = format!("{what}: {ADVICE}");
            if shared.degrade(Degradation::Partitioning, topic, message) {
                tracing::warn!(topic, hosts, "{what}: {ADVICE}");
            }
        }
        None => {
            if shared.recover(Degradation::Partitioning, topic) {
                tracing::info!(topic, "records lie by host again");
            }
        }
    }
}

const ADVICE: &str = "sequences join events of one partition, so matches are missed; give every \
     record its host as key (in Winlogbeat `key: '%{[host.id]}'`) with one kind of producer for \
     each host, or have the topic re-keyed (`[kafka.rekey]`)";

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
