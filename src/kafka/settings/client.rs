//! The settings of the clients, as librdkafka takes them.
//!
//! Never opens a connection; the only files it reads are those that hold secrets.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::secrets::{Secret, SecretError};
use super::{Delivery, GroupProtocol, Settings};

/// How much is fetched at once, as the client wants to be told.
struct FetchSizes {
    /// One answer of a broker, packed, in bytes.
    answer: String,
    /// One partition's part of it, packed, in bytes.
    partition: String,
    /// What of a partition waits for its worker, unpacked, in KiB.
    queue: String,
}

impl Settings {
    /// Returns the settings of the consumer.
    pub(in crate::kafka) fn consumer(&self) -> Result<ClientConfig, SecretError> {
        let mut client = self.client()?;
        let FetchSizes { answer, partition, queue } = self.fetch_sizes();
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
            // Packed; a batch that is larger comes alone.
            ("fetch.max.bytes", answer.as_str()),
            ("fetch.message.max.bytes", partition.as_str()),
            // Unpacked. With a queue per partition this limit holds for each of them.
            ("queued.max.messages.kbytes", queue.as_str()),
            ("queued.min.messages", "20000"),
            ("fetch.queue.backoff.ms", "1"),
            // What would have been too much for one answer comes again so much later.
            ("fetch.error.backoff.ms", "20"),
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
        // A consumer writes nothing, but the client takes no smaller answers than this.
        client.set("message.max.bytes", answer);
        Ok(client)
    }

    fn fetch_sizes(&self) -> FetchSizes {
        FetchSizes {
            answer: self.memory.fetch_answer().to_string(),
            partition: self.memory.fetch_partition().to_string(),
            queue: (self.memory.fetch_queue() / 1_024).to_string(),
        }
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
    pub(in crate::kafka) fn admin(&self) -> Result<ClientConfig, SecretError> {
        let mut client = self.client()?;
        self.hand_on(&mut client);
        Ok(client)
    }

    /// Returns the settings of a client that reads the journal, outside of the group.
    pub(in crate::kafka) fn journal_reader(
        &self,
        isolation: &str,
    ) -> Result<ClientConfig, SecretError> {
        let mut client = self.client()?;
        self.hand_on(&mut client);
        let FetchSizes { answer, queue, .. } = self.fetch_sizes();
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
            ("fetch.max.bytes", answer.as_str()),
            ("fetch.message.max.bytes", answer.as_str()),
            ("message.max.bytes", answer.as_str()),
            ("queued.max.messages.kbytes", queue.as_str()),
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
    pub(in crate::kafka) fn producer(&self) -> Result<ClientConfig, SecretError> {
        let mut client = self.client()?;
        let queue = (self.memory.producer() / 1_024).to_string();
        let defaults = [
            ("queue.buffering.max.kbytes", queue.as_str()),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("compression.type", "lz4"),
            ("linger.ms", "0"),
            // The first request of a transaction is told to come again while brokers still end the last one.
            ("retry.backoff.ms", "5"),
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
        client.set("security.protocol", self.protocol().name());
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
            let password = Secret::read("kafka.security.key_password_file", path)?;
            client.set("ssl.key.password", password.expose());
        }
        if let Some(mechanism) = self.sasl.mechanism {
            client.set("sasl.mechanism", mechanism.name());
        }
        if let Some(username) = &self.sasl.username {
            client.set("sasl.username", username);
        }
        if let Some(path) = &self.sasl.password_file {
            let password = Secret::read("kafka.sasl.password_file", path)?;
            client.set("sasl.password", password.expose());
        }
        Ok(client)
    }

    fn hand_on(&self, client: &mut ClientConfig) {
        for (name, value) in &self.properties {
            client.set(&name.0, value.text());
        }
    }
}
