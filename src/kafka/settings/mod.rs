//! `[kafka]`: the section; below it what secures the connection, what is handed on to librdkafka,
//! and the settings of the clients that follow.
//!
//! Never opens a connection; the only files that are read are those that hold secrets.

mod client;
mod properties;
mod secrets;
mod security;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::event::TimeSpan;
use crate::memory::Memory;
use crate::rule::Rekeying;
use crate::setting;

pub use properties::{LIMITED, Limit, PropertyName, PropertyValue, REFUSED};
pub use secrets::{Secret, SecretError};
pub use security::{Mechanism, Protocol, Sasl, Security};

/// `[kafka]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The first brokers to ask.
    #[serde(deserialize_with = "setting::list")]
    pub brokers: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// The topics to read.
    #[serde(deserialize_with = "setting::list")]
    pub topics: Vec<String>,
    /// Where alerts go.
    pub alerts_topic: String,
    /// Where records go that cannot be read.
    pub dead_letter_topic: String,
    /// Where events of rules with a long maxspan are kept for a restart.
    pub journal: Journal,
    /// What to call this instance; the host's name if absent.
    pub instance_id: Option<String>,
    /// How often an alert may arrive.
    pub delivery: Delivery,
    /// How long progress without an alert may stay uncommitted.
    #[serde(deserialize_with = "setting::duration")]
    pub commit_interval: Duration,
    /// Threads that evaluate; if absent as many as cores, affinity and the cgroup's CPU quota allow.
    pub workers: Option<NonZeroUsize>,
    /// What to do with a partition that has no committed offset.
    pub on_missing_offsets: OnMissingOffsets,
    /// How long a replay may take before the instance counts as not ready.
    #[serde(deserialize_with = "setting::duration")]
    pub replay_budget: Duration,
    /// How long the state of a partition that was given up is kept in case it comes back.
    #[serde(deserialize_with = "setting::duration_or_none")]
    pub warm_resume: Duration,
    /// How the group shares its partitions.
    pub group_protocol: GroupProtocol,
    /// A name under which this instance stays a member while it restarts; a new member each time if
    /// absent.
    pub group_instance_id: Option<String>,
    /// Rules whose events are sorted by join key first.
    pub rekey: Rekey,
    /// Encryption.
    pub security: Security,
    /// Authentication.
    pub sasl: Sasl,
    /// The memory of the instance: `[memory]` says how much.
    #[serde(skip)]
    pub memory: Memory,
    /// Further settings, handed to librdkafka as they are.
    #[serde(deserialize_with = "properties::read")]
    pub properties: BTreeMap<PropertyName, PropertyValue>,
}

/// `[kafka.journal]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Whether there is one; without it a restart reads the input back as far as the longest rule
    /// needs.
    pub enabled: bool,
    /// The topic; needed only if a rule uses it.
    pub topic: String,
    /// Rules with a longer maxspan use it.
    #[serde(deserialize_with = "setting::time_span")]
    pub beyond: TimeSpan,
}

impl Journal {
    /// Returns beyond which maxspan a rule uses the journal; nothing if there is none.
    pub fn beyond(&self) -> Option<TimeSpan> {
        self.enabled.then_some(self.beyond)
    }
}

impl Default for Journal {
    fn default() -> Self {
        let beyond = TimeSpan::from_secs(600);
        Self { enabled: true, topic: "maxspan-journal".to_owned(), beyond }
    }
}

/// How often an alert may arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Delivery {
    /// Once, for whoever reads only what is committed.
    #[default]
    ExactlyOnce,
    /// At least once: twice only if the process dies between writing and committing.
    AtLeastOnce,
}

/// How the group shares its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// The members do, by a protocol that all brokers know.
    #[default]
    Classic,
    /// The brokers do (KIP-848, Kafka 4.0 and later).
    Consumer,
}

/// What to do with a partition that has no committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMissingOffsets {
    /// Start with the oldest record.
    #[default]
    Earliest,
    /// Start with what comes next.
    Latest,
    /// Stop: an operator must decide.
    Fail,
}

/// `[kafka.rekey]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rekey {
    /// Which rules.
    pub rules: Rekeying,
    /// The topic that their events go through.
    pub topic: String,
    /// How long a partition may forward nothing before nothing waits for it.
    #[serde(deserialize_with = "setting::seconds")]
    pub idle_timeout: TimeSpan,
    /// Largest record in bytes that is forwarded.
    pub max_record_bytes: usize,
}

impl Default for Rekey {
    fn default() -> Self {
        Self {
            rules: Rekeying::None,
            topic: "maxspan-rekey".to_owned(),
            idle_timeout: TimeSpan::from_secs(30),
            max_record_bytes: 900_000,
        }
    }
}

impl Settings {
    /// Returns the name that fences an earlier life of this instance.
    pub(super) fn transactional_id(&self) -> String {
        format!("{}-{}", self.group, self.instance())
    }

    /// Returns after how many milliseconds a broker aborts a transaction: so long may the next
    /// owner of a partition have to wait after a crash.
    pub(in crate::kafka) fn transaction_timeout(&self) -> u32 {
        self.property("transaction.timeout.ms").unwrap_or(10_000)
    }

    fn property(&self, name: &str) -> Option<u32> {
        self.properties.get(&PropertyName(name.to_owned()))?.text().trim().parse().ok()
    }

    /// Returns what to call this instance.
    pub fn instance(&self) -> String {
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name = self.instance_id.clone().or_else(host).unwrap_or_default();
        match name.trim() {
            "" => "maxspan".to_owned(),
            name => name.to_owned(),
        }
    }

    /// Returns the topic of re-keyed events, if there are any.
    pub(in crate::kafka) fn rekey_topic(&self) -> Option<&str> {
        (self.rekey.rules != Rekeying::None).then_some(self.rekey.topic.as_str())
    }

    /// Returns the topics that the group reads.
    pub(in crate::kafka) fn subscription(&self) -> Vec<&str> {
        self.topics.iter().map(String::as_str).chain(self.rekey_topic()).collect()
    }

    /// Returns what to do with a partition that has no committed offset.
    ///
    /// What has been forwarded has been taken from the input for good: none of it is left out.
    pub(in crate::kafka) fn on_missing_offsets_of(&self, topic: &str) -> OnMissingOffsets {
        match self.rekey_topic() == Some(topic) {
            true => OnMissingOffsets::Earliest,
            false => self.on_missing_offsets,
        }
    }

    /// Returns how many threads evaluate.
    pub fn worker_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.workers.map_or_else(cores, NonZeroUsize::get)
    }

    /// Returns the brokers as librdkafka and Kafka's own tools write them.
    pub fn bootstrap_servers(&self) -> String {
        self.brokers.join(",")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            group: "maxspan".to_owned(),
            topics: vec!["winlogbeat".to_owned()],
            alerts_topic: "maxspan-alerts".to_owned(),
            dead_letter_topic: "maxspan-dead-letter".to_owned(),
            journal: Journal::default(),
            instance_id: None,
            delivery: Delivery::default(),
            commit_interval: Duration::from_secs(1),
            workers: None,
            on_missing_offsets: OnMissingOffsets::default(),
            replay_budget: Duration::from_secs(60),
            warm_resume: Duration::from_secs(60),
            group_protocol: GroupProtocol::default(),
            group_instance_id: None,
            rekey: Rekey::default(),
            security: Security::default(),
            sasl: Sasl::default(),
            memory: Memory::default(),
            properties: BTreeMap::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Delivery {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        match String::deserialize(value)?.as_str() {
            "at_least_once" => Ok(Self::AtLeastOnce),
            "exactly_once" => Ok(Self::ExactlyOnce),
            other => Err(de::Error::custom(format!(
                "`{other}` is no way to deliver: write `exactly_once` or `at_least_once`"
            ))),
        }
    }
}
