//! What librdkafka's statistics tell: where partitions end, and whether we are a group member.
//!
//! Never trusts a number that may be older than the connection it came over.

use std::collections::HashMap;

use serde::Deserialize;

use crate::detect::Origin;

/// The few parts of the statistics that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::kafka) struct Statistics {
    brokers: HashMap<String, Broker>,
    topics: HashMap<String, Topic>,
    cgrp: Option<Group>,
}

#[derive(Debug, Deserialize)]
struct Broker {
    nodeid: i32,
    state: String,
    /// Microseconds since the last byte came in; negative if none ever did.
    rxidle: i64,
}

#[derive(Debug, Deserialize)]
struct Topic {
    topic: String,
    partitions: HashMap<String, Partition>,
}

#[derive(Debug, Deserialize)]
struct Partition {
    partition: i32,
    broker: i32,
    fetchq_cnt: i64,
    fetch_state: String,
    next_offset: i64,
    ls_offset: i64,
}

#[derive(Debug, Deserialize)]
struct Group {
    state: String,
    join_state: String,
}

/// What the statistics say about one partition.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) struct End {
    pub(in crate::kafka) origin: Origin,
    /// The last stable offset; negative if unknown.
    pub(in crate::kafka) offset: i64,
    /// How old, in milliseconds, the fetch answer is that had nothing more to give; nothing if
    /// there was more, or if no answer comes.
    pub(in crate::kafka) reached: Option<u64>,
}

impl Statistics {
    /// Returns what the statistics say about each partition that is being fetched.
    pub(in crate::kafka) fn ends(&self) -> impl Iterator<Item = End> + '_ {
        self.topics.values().flat_map(move |topic| {
            topic.partitions.values().filter(|p| p.partition >= 0).map(move |partition| End {
                origin: Origin {
                    topic: topic.topic.as_str().into(),
                    partition: partition.partition,
                },
                offset: partition.ls_offset,
                reached: self.reached(partition),
            })
        })
    }

    /// Tells whether we are a settled member of the group; nothing if there is no group.
    pub(in crate::kafka) fn joined(&self) -> Option<bool> {
        let group = self.cgrp.as_ref()?;
        Some(group.state == "up" && group.join_state == "steady")
    }

    fn reached(&self, partition: &Partition) -> Option<u64> {
        let all_read = partition.fetch_state == "active"
            && partition.fetchq_cnt == 0
            && partition.ls_offset >= 0
            && partition.next_offset >= partition.ls_offset;
        let leader = self.brokers.values().find(|broker| broker.nodeid == partition.broker)?;
        let age = u64::try_from(leader.rxidle).ok()? / 1_000;
        (all_read && leader.state == "UP").then_some(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(next: i64, state: &str) -> Statistics {
        serde_json::from_str(&format!(
            r#"{{"brokers":{{"b":{{"nodeid":1,"state":"{state}","rxidle":90000}}}},
                "topics":{{"t":{{"topic":"t","partitions":{{"0":{{"partition":0,"broker":1,
                "fetchq_cnt":0,"fetch_state":"active","next_offset":{next},"ls_offset":7}}}}}}}},
                "cgrp":{{"state":"up","join_state":"steady"}}}}"#
        ))
        .unwrap()
    }

    fn reached(snapshot: &Statistics) -> Option<u64> {
        snapshot.ends().next().unwrap().reached
    }

    #[test]
    fn end_is_reached_when_nothing_is_left_to_fetch() {
        assert_eq!(reached(&snapshot(7, "UP")), Some(90));
        assert_eq!(reached(&snapshot(6, "UP")), None);
        assert_eq!(snapshot(7, "UP").joined(), Some(true));
    }

    #[test]
    fn broker_that_is_down_says_nothing_about_the_end() {
        assert_eq!(reached(&snapshot(7, "DOWN")), None);
    }
}
