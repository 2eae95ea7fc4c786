//! Where the client's own log goes.

use rdkafka::config::RDKafkaLogLevel;

/// Sends a line of librdkafka's log to ours.
///
/// Connections come and go; what is wrong for longer is told by health, in words.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, message, "librdkafka");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning
            if !matches!(facility, "FAIL" | "ERROR") =>
        {
            tracing::warn!(facility, message, "librdkafka");
        }
        _ => tracing::debug!(facility, message, "librdkafka"),
    }
}
