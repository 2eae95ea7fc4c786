//! How topics are configured.
//!
//! Never changes a topic.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

use super::error::Code;
use crate::kafka::settings::Settings;

/// The configuration of a topic.
pub(in crate::kafka) struct TopicConfiguration(ConfigResource);

impl TopicConfiguration {
    /// Returns the value of a setting; nothing if the brokers do not know it.
    pub(in crate::kafka) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|entry| entry.value.as_deref())
    }
}

/// Asks how topics are configured; returns an answer for each, in their order.
pub(in crate::kafka) fn configurations_of(
    settings: &Settings,
    topics: &[&str],
    patience: Duration,
) -> Result<Vec<Result<TopicConfiguration, Code>>, String> {
    let client = settings.admin().map_err(|error| error.to_string())?;
    let admin =
        AdminClient::from_config_and_context(&client, Quiet).map_err(|error| error.to_string())?;
    let topics: Vec<ResourceSpecifier<'_>> =
        topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let options = AdminOptions::new().request_timeout(Some(patience));
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    let answers = runtime
        .block_on(admin.describe_configs(&topics, &options))
        .map_err(|error| error.to_string())?;
    Ok(answers.into_iter().map(|answer| answer.map(TopicConfiguration).map_err(Code)).collect())
}

/// Brokers that are away are told of by the consumer.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "admin client");
    }
}
