//! `[kafka]`: the section, and the client settings that follow from it.
//!
//! Never opens a connection; the only files it reads are those that hold secrets.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde::{Deserialize, Deserializer, de};

use crate::event::TimeSpan;
use crate::rule::Rekeying;
use crate::setting;

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
    /// Threads that evaluate; the number of cores if absent.
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
    /// Further settings, handed to librdkafka as they are.
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

/// `[kafka.security]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`; follows from the rest if absent.
    pub protocol: Option<Protocol>,
    /// Certificates of the authorities to trust (PEM).
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM).
    pub certificate_file: Option<PathBuf>,
    /// Our private key (PEM).
    pub key_file: Option<PathBuf>,
    /// A file with the private key's password.
    pub key_password_file: Option<PathBuf>,
}

/// How a connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Not at all.
    Plaintext,
    /// TLS.
    Ssl,
    /// A login without TLS.
    SaslPlaintext,
    /// A login over TLS.
    SaslSsl,
}

/// `[kafka.sasl]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sasl {
    /// Such as `SCRAM-SHA-512`.
    pub mechanism: Option<String>,
    /// The user.
    pub username: Option<String>,
    /// A file with the user's password.
    pub password_file: Option<PathBuf>,
}

/// The name of a librdkafka property that is ours to hand on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PropertyName(pub String);

/// The value of a librdkafka property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyValue(pub String);

/// A secret that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the secret `{}` (`{key}`): {source}", path.display())]
pub struct SecretError {
    key: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

impl Settings {
    /// Returns the settings of the consumer.
    pub(super) fn consumer(&self) -> Result<ClientConfig, SecretError> {
        let mut client = self.client()?;
        let defaults = [
            ("group.id", self.group.as_str()),
            ("max.poll.interval.ms", "60000"),
            ("isolation.level", "read_committed"),
            // A missing or lost offset is ours to judge, see `assignment`.
            ("auto.offset.reset", "error"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "false"),
            ("allow.auto.create.topics", "false"),
            ("fetch.min.bytes", "1"),
            ("fetch.wait.max.ms", "100"),
            ("fetch.message.max.bytes", "1048576"),
            // With a queue per partition this limit holds for each of them.
            ("queued.max.messages.kbytes", "8192"),
            ("queued.min.messages", "20000"),
            ("fetch.queue.backoff.ms", "5"),
            ("check.crcs", "false"),
            ("topic.metadata.refresh.interval.ms", "30000"),
            // Tells where the partitions end: lag, and whether a partition is idle.
            ("statistics.interval.ms", "1000"),
        ];
        for (name, value) in defaults.into_iter().chain(self.membership()) {
            client.set(name, value);
        }
        if let Some(name) = &self.group_instance_id {
            client.set("group.instance.id", name);
        }
        self.hand_on(&mut client);
        Ok(client)
    }

    /// Returns how membership is kept; with the newer protocol the brokers alone decide that, and
    /// the client refuses to be told.
    fn membership(&self) -> Vec<(&'static str, &'static str)> {
        match self.group_protocol {
            GroupProtocol::Classic => vec![
                ("group.protocol", "classic"),
                ("partition.assignment.strategy", "cooperative-sticky"),
                ("session.timeout.ms", "10000"),
                ("heartbeat.interval.ms", "3000"),
            ],
            GroupProtocol::Consumer => vec![("group.protocol", "consumer")],
        }
    }

    /// Returns the settings of a client that only asks questions.
    pub(super) fn admin(&self) -> Result<ClientConfig, SecretError> {
        let mut client = self.client()?;
        self.hand_on(&mut client);
        Ok(client)
    }

    /// Returns the settings of a client that reads the journal, outside of the group.
    pub(super) fn journal_reader(&self, isolation: &str) -> Result<ClientConfig, SecretError> {
        let mut client = self.client()?;
        self.hand_on(&mut client);
        let fixed = [
            // The client does not read without one.
            ("group.id", self.group.as_str()),
            ("isolation.level", isolation),
            ("auto.offset.reset", "error"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("allow.auto.create.topics", "false"),
            ("fetch.wait.max.ms", "100"),
            ("queued.max.messages.kbytes", "16384"),
            ("fetch.queue.backoff.ms", "5"),
        ];
        for (name, value) in fixed {
            client.set(name, value);
        }
        // A follower may not know yet what is committed; membership is for who joins.
        for name in ["client.rack", "group.instance.id", "statistics.interval.ms"] {
            client.remove(name);
        }
        Ok(client)
    }

    /// Returns the settings of the producer.
    pub(super) fn producer(&self) -> Result<ClientConfig, SecretError> {
        let mut client = self.client()?;
        let defaults = [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("compression.type", "lz4"),
            ("linger.ms", "0"),
            // Adding offsets to a transaction waits for ever when the group's coordinator is no
            // longer among the brokers, unless some connection comes or goes (librdkafka #5511).
            ("connections.max.idle.ms", "15000"),
        ];
        for (name, value) in defaults {
            client.set(name, value);
        }
        match self.delivery {
            Delivery::ExactlyOnce => {
                client.set("transactional.id", self.transactional_id());
                let timeout = self.transaction_timeout();
                client.set("transaction.timeout.ms", timeout.to_string());
                // The client insists: a request must not outlive its transaction.
                client.set("socket.timeout.ms", timeout.min(10_000).to_string());
            }
            Delivery::AtLeastOnce => {
                client.set("message.timeout.ms", "30000");
            }
        }
        self.hand_on(&mut client);
        Ok(client)
    }

    /// Returns the name that fences an earlier life of this instance.
    fn transactional_id(&self) -> String {
        format!("{}-{}", self.group, self.instance())
    }

    /// Returns after how many milliseconds a broker aborts a transaction: so long may the next
    /// owner of a partition have to wait after a crash.
    pub(super) fn transaction_timeout(&self) -> u32 {
        let name = PropertyName("transaction.timeout.ms".to_owned());
        let given = self.properties.get(&name).and_then(|value| value.0.parse().ok());
        given.unwrap_or(10_000)
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
    pub(super) fn rekey_topic(&self) -> Option<&str> {
        (self.rekey.rules != Rekeying::None).then_some(self.rekey.topic.as_str())
    }

    /// Returns the topics that the group reads.
    pub(super) fn subscription(&self) -> Vec<&str> {
        self.topics.iter().map(String::as_str).chain(self.rekey_topic()).collect()
    }

    /// Returns what to do with a partition that has no committed offset.
    ///
    /// What has been forwarded has been taken from the input for good: none of it is left out.
    pub(super) fn on_missing_offsets_of(&self, topic: &str) -> OnMissingOffsets {
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

    fn client(&self) -> Result<ClientConfig, SecretError> {
        let mut client = ClientConfig::new();
        // `debug = "cgrp"` under `[kafka.properties]` is of no use without its lines.
        let has_debug = self.properties.keys().any(|name| name.0 == "debug");
        let level = if has_debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info };
        client.set_log_level(level);
        client.set("bootstrap.servers", self.bootstrap_servers());
        client.set("client.id", format!("maxspan-{}", self.instance()));
        client.set("socket.timeout.ms", "10000");
        client.set("socket.keepalive.enable", "true");
        client.set("reconnect.backoff.max.ms", "2000");
        client.set("security.protocol", self.protocol());
        let paths = [
            ("ssl.ca.location", &self.security.ca_file),
            ("ssl.certificate.location", &self.security.certificate_file),
            ("ssl.key.location", &self.security.key_file),
        ];
        for (name, path) in paths {
            if let Some(path) = path {
                client.set(name, path.display().to_string());
            }
        }
        if let Some(path) = &self.security.key_password_file {
            client.set("ssl.key.password", secret("kafka.security.key_password_file", path)?);
        }
        if let Some(mechanism) = &self.sasl.mechanism {
            client.set("sasl.mechanism", mechanism);
        }
        if let Some(username) = &self.sasl.username {
            client.set("sasl.username", username);
        }
        if let Some(path) = &self.sasl.password_file {
            client.set("sasl.password", secret("kafka.sasl.password_file", path)?);
        }
        Ok(client)
    }

    fn protocol(&self) -> &'static str {
        let has_sasl = self.sasl.mechanism.is_some() || self.sasl.username.is_some();
        let has_tls = self.security.ca_file.is_some() || self.security.certificate_file.is_some();
        let protocol = self.security.protocol.unwrap_or(match (has_sasl, has_tls) {
            (false, false) => Protocol::Plaintext,
            (false, true) => Protocol::Ssl,
            (true, false) => Protocol::SaslPlaintext,
            (true, true) => Protocol::SaslSsl,
        });
        match protocol {
            Protocol::Plaintext => "plaintext",
            Protocol::Ssl => "ssl",
            Protocol::SaslPlaintext => "sasl_plaintext",
            Protocol::SaslSsl => "sasl_ssl",
        }
    }

    fn hand_on(&self, client: &mut ClientConfig) {
        for (name, value) in &self.properties {
            client.set(&name.0, &value.0);
        }
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

impl<'de> Deserialize<'de> for PropertyName {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let name = String::deserialize(value)?;
        match OURS.iter().find(|(ours, _)| *ours == name) {
            Some((_, instead)) => Err(de::Error::custom(format!(
                "`{name}` cannot be set under `[kafka.properties]`: {instead}"
            ))),
            None => Ok(Self(name)),
        }
    }
}

impl<'de> Deserialize<'de> for PropertyValue {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(value)? {
            toml::Value::String(text) => Ok(Self(text)),
            toml::Value::Integer(number) => Ok(Self(number.to_string())),
            toml::Value::Float(number) => Ok(Self(number.to_string())),
            toml::Value::Boolean(truth) => Ok(Self(truth.to_string())),
            _ => Err(de::Error::custom("expected a text, a number, `true` or `false`")),
        }
    }
}

fn secret(key: &'static str, path: &Path) -> Result<String, SecretError> {
    match std::fs::read_to_string(path) {
        // Editors and `kubectl create secret --from-file` leave a line end behind.
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(source) => Err(SecretError { key, path: path.to_owned(), source }),
    }
}

/// Properties that the engine depends on, and what to do instead.
const OURS: [(&str, &str); 16] = [
    ("bootstrap.servers", "use `kafka.brokers`"),
    ("metadata.broker.list", "use `kafka.brokers`"),
    ("client.id", "use `kafka.instance_id`"),
    ("group.id", "use `kafka.group`"),
    ("group.instance.id", "use `kafka.group_instance_id`"),
    ("group.protocol", "use `kafka.group_protocol`"),
    ("transactional.id", "use `kafka.instance_id`"),
    ("enable.auto.commit", "offsets are committed with what they stand for"),
    ("enable.auto.offset.store", "offsets are committed with what they stand for"),
    ("auto.offset.reset", "use `kafka.on_missing_offsets`"),
    ("enable.partition.eof", "the ends of partitions come from fetch answers"),
    ("allow.auto.create.topics", "topics are never created by the service"),
    ("enable.idempotence", "alerts are always written idempotently"),
    ("acks", "alerts are always written with `acks=all`"),
    ("sasl.password", "use `kafka.sasl.password_file`"),
    ("ssl.key.password", "use `kafka.security.key_password_file`"),
];
