//! `[kafka.properties]`: what is handed on to librdkafka, what is not, and why.
//!
//! Never shows the value of a property: it may be a secret.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, de};

/// The name of a librdkafka property that is ours to hand on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PropertyName(pub String);

/// The value of a librdkafka property; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PropertyValue(String);

/// A property whose value is handed on within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name.
    pub name: &'static str,
    /// The least value.
    pub least: u64,
    /// The largest value.
    pub most: u64,
    /// What would go wrong beyond that.
    pub why: &'static str,
}

impl PropertyValue {
    /// Returns the value, for the client alone.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PropertyValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(not shown)")
    }
}

/// Reads `[kafka.properties]`.
pub(super) fn read<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<BTreeMap<PropertyName, PropertyValue>, D::Error> {
    value.deserialize_map(Properties)
}

struct Properties;

impl<'de> Visitor<'de> for Properties {
    type Value = BTreeMap<PropertyName, PropertyValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("properties of librdkafka")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = BTreeMap::new();
        while let Some(name) = map.next_key::<PropertyName>()? {
            let value = map.next_value_seed(ValueOf(&name))?;
            found.insert(name, value);
        }
        Ok(found)
    }
}

/// Reads a value as the property with this name may have it, so that a fault has the value's place.
struct ValueOf<'n>(&'n PropertyName);

impl<'de> DeserializeSeed<'de> for ValueOf<'_> {
    type Value = PropertyValue;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<PropertyValue, D::Error> {
        let text = match toml::Value::deserialize(value)? {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            _ => return Err(de::Error::custom("expected a text, a number, `true` or `false`")),
        };
        match LIMITED.iter().find(|limit| limit.name == self.0.0) {
            Some(limit) if !limit.allows(&text) => Err(de::Error::custom(limit.fault())),
            _ if text.contains('\0') => Err(de::Error::custom("a property holds no zero byte")),
            _ => Ok(PropertyValue(text)),
        }
    }
}

impl<'de> Deserialize<'de> for PropertyName {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let name = String::deserialize(value)?;
        match REFUSED.iter().find(|(refused, _)| stands_for(refused, &name)) {
            Some((_, why)) => Err(de::Error::custom(format!(
                "`{name}` cannot be set under `[kafka.properties]`\nhelp: {why}"
            ))),
            None => Ok(Self(name)),
        }
    }
}

impl Limit {
    fn allows(&self, text: &str) -> bool {
        text.trim().parse().is_ok_and(|number: u64| (self.least..=self.most).contains(&number))
    }

    fn fault(&self) -> String {
        let Self { name, least, most, why } = self;
        format!("`{name}` is a whole number from {least} to {most} here\nhelp: {why}")
    }
}

/// Tells whether an entry of the table stands for a name: a `*` at its end for any rest.
fn stands_for(entry: &str, name: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => entry == name,
    }
}

const OFFSETS: &str =
    "offsets are committed with what they stand for; `kafka.commit_interval` says how often";
const WRITES: &str = "alerts are written idempotently and with `acks=all`: else one could be lost";
const ORDER: &str = "records would overtake one another when a write is repeated";
const VERSIONS: &str = "the client asks the brokers what they can: transactions need that";
const CERTIFICATE: &str = "write `certificate_file` and `key_file` under `[kafka.security]`; a keystore is taken apart with `openssl pkcs12`";
const OAUTH: &str = "the client is built without OAUTHBEARER; use SCRAM or a client certificate";

/// Properties that the engine depends on or that hold secrets, each with what to do instead or why it
/// is fixed. A `*` stands for any rest of the name.
pub const REFUSED: &[(&str, &str)] = &[
    ("acks", WRITES),
    ("allow.auto.create.topics", "topics are never created by the service"),
    ("api.version.fallback.ms", VERSIONS),
    ("api.version.request", VERSIONS),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", OFFSETS),
    ("auto.offset.reset", "use `kafka.on_missing_offsets`"),
    ("bootstrap.servers", "use `kafka.brokers`"),
    ("broker.version.fallback", VERSIONS),
    ("client.id", "use `kafka.instance_id`"),
    (
        "delivery.report.only.error",
        "what is committed follows from the reports of what was written",
    ),
    ("enable.auto.commit", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("enable.gapless.guarantee", "a failed write is repeated; it must not end the producer"),
    ("enable.idempotence", WRITES),
    ("enable.partition.eof", "the ends of partitions come from statistics"),
    ("enable.sasl.oauthbearer.unsecure.jwt", OAUTH),
    ("enabled_events", "the service would no longer hear of rebalances and failures"),
    ("group.id", "use `kafka.group`"),
    ("group.instance.id", "use `kafka.group_instance_id`"),
    ("group.protocol", "use `kafka.group_protocol`"),
    ("group.protocol.type", "brokers know consumer groups only"),
    ("https.ca.*", OAUTH),
    ("internal.termination.signal", "signals belong to the service"),
    ("isolation.level", "records of aborted transactions would count as events"),
    ("log.queue", "nobody would read the log of the client"),
    ("metadata.broker.list", "use `kafka.brokers`"),
    ("offset.store.*", OFFSETS),
    ("partition.assignment.strategy", "all members share partitions by `cooperative-sticky`"),
    ("plugin.library.paths", "no foreign code is loaded into the process"),
    ("queuing.strategy", ORDER),
    ("request.required.acks", WRITES),
    ("sasl.kerberos.*", "the client is built without Kerberos; use SCRAM or a client certificate"),
    ("sasl.mechanism", "use `kafka.sasl.mechanism`"),
    ("sasl.mechanisms", "use `kafka.sasl.mechanism`"),
    ("sasl.oauthbearer.*", OAUTH),
    ("sasl.password", "put the password into a file and name it with `kafka.sasl.password_file`"),
    ("sasl.username", "use `kafka.sasl.username`"),
    ("security.protocol", "use `kafka.security.protocol`"),
    ("ssl.ca.location", "use `kafka.security.ca_file`"),
    ("ssl.ca.pem", "put the certificates into a file and name it with `kafka.security.ca_file`"),
    ("ssl.certificate.location", "use `kafka.security.certificate_file`"),
    ("ssl.certificate.pem", CERTIFICATE),
    ("ssl.key.location", "use `kafka.security.key_file`"),
    (
        "ssl.key.password",
        "put the password into a file and name it with `kafka.security.key_password_file`",
    ),
    ("ssl.key.pem", "put the key into a file and name it with `kafka.security.key_file`"),
    ("ssl.keystore.location", CERTIFICATE),
    ("ssl.keystore.password", CERTIFICATE),
    (
        "statistics.interval.ms",
        "lag and idleness come from statistics once a second; without them no instance becomes ready",
    ),
    ("topic.blacklist", "a topic that is read or written would count as missing"),
    ("transactional.id", "use `kafka.instance_id`"),
];

const REPEATS: &str = "writes are repeated until their time is over: else one could be lost";
const ALERTS_WAIT: &str = "an alert waits for so long";
const ONE_ANSWER: &str = "one answer takes that much memory, outside of `memory.max_bytes`";
const ONE_REQUEST: &str = "the largest alert and the largest re-keyed record have to fit";
const ONE_PARTITION: &str = "each partition takes that much memory, outside of `memory.max_bytes`";
const OUTPUT_WAITS: &str = "less than a retry needs, or waiting while the partition stands still";

/// Properties that are handed on within bounds.
pub const LIMITED: &[Limit] = &[
    limit(
        "connections.max.idle.ms",
        1_000,
        60_000,
        "a transaction whose coordinator is gone waits until some connection ends",
    ),
    limit("delivery.timeout.ms", 5_000, 300_000, OUTPUT_WAITS),
    limit("fetch.max.bytes", 1_000_000, 104_857_600, ONE_ANSWER),
    limit("fetch.message.max.bytes", 1_000, 16_777_216, ONE_PARTITION),
    limit("fetch.queue.backoff.ms", 0, 1_000, "a partition stands still for so long"),
    limit("fetch.wait.max.ms", 0, 5_000, "whether a partition is idle is known so much later"),
    limit(
        "heartbeat.interval.ms",
        100,
        10_000,
        "a member that is heard of less often than `session.timeout.ms` asks for loses its partitions",
    ),
    limit("linger.ms", 0, 1_000, ALERTS_WAIT),
    limit("max.in.flight", 1, 5, ORDER),
    limit("max.in.flight.requests.per.connection", 1, 5, ORDER),
    limit("max.partition.fetch.bytes", 1_000, 16_777_216, ONE_PARTITION),
    limit(
        "max.poll.interval.ms",
        30_000,
        600_000,
        "less ends a membership during a long rebalance; with more a stuck instance keeps its partitions",
    ),
    limit("message.max.bytes", 1_000_000, 1_000_000_000, ONE_REQUEST),
    limit("message.send.max.retries", 100, 2_147_483_647, REPEATS),
    limit("message.timeout.ms", 5_000, 300_000, OUTPUT_WAITS),
    limit(
        "queue.buffering.max.kbytes",
        8_192,
        2_097_151,
        "copies of output take that much memory; with less writing waits for each answer",
    ),
    limit(
        "queue.buffering.max.messages",
        1_000,
        10_000_000,
        "the output of a partition that waits to be committed has to fit",
    ),
    limit("queue.buffering.max.ms", 0, 1_000, ALERTS_WAIT),
    limit("queued.max.messages.kbytes", 1_024, 65_536, ONE_PARTITION),
    limit("receive.message.max.bytes", 1_000_000, 268_435_456, ONE_ANSWER),
    limit("retries", 100, 2_147_483_647, REPEATS),
    limit(
        "session.timeout.ms",
        3_000,
        300_000,
        "the partitions of an instance that has died wait for so long; half of it is for the last commit",
    ),
    limit(
        "socket.timeout.ms",
        1_000,
        30_000,
        "a thread that waits for longer counts as stuck, and the process ends",
    ),
    limit(
        "topic.metadata.refresh.interval.ms",
        1_000,
        300_000,
        "new partitions and new leaders are noticed so much later",
    ),
    limit(
        "transaction.timeout.ms",
        2_000,
        60_000,
        "whoever takes over from an instance that has died waits for so long, and a longer wait ends it too",
    ),
];

const fn limit(name: &'static str, least: u64, most: u64, why: &'static str) -> Limit {
    Limit { name, least, most, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        assert!(REFUSED.is_sorted_by_key(|(name, _)| *name));
        assert!(LIMITED.is_sorted_by_key(|limit| limit.name));
    }

    #[test]
    fn a_value_is_not_shown() {
        let value = PropertyValue("MARKER".to_owned());
        assert_eq!(format!("{value:?}"), "(not shown)");
    }
}
