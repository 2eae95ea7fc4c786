//! What goes out.

use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::{Area, Result};
use crate::alert::{Message, Part};

/// Alerts and dead letters.
pub struct AlertMetrics {
    /// Alerts that the brokers have acknowledged, each once however many records it has.
    pub delivered: IntCounter,
    /// Attempts to write an alert or a dead letter that failed.
    pub errors: IntCounterVec,
    /// Dead letters that the brokers have acknowledged.
    pub dead_letters: IntCounterVec,
    /// Entries of the journal that the brokers have acknowledged.
    pub journal_entries: IntCounter,
    /// Their bytes.
    pub journal_bytes: IntCounter,
    /// Records forwarded to where their join key belongs, acknowledged.
    pub rekeyed: IntCounter,
    /// From the timestamp of the record that completed the match until the alert was acknowledged.
    pub detection_latency: Histogram,
}

impl AlertMetrics {
    /// Registers the metrics of this area.
    pub fn register(area: &Area<'_>) -> Result<Self> {
        Ok(Self {
            delivered: area
                .counter("alerts_delivered", "Alerts that the brokers have acknowledged.")?,
            errors: area.counter_vec(
                "alert_delivery_errors",
                "Attempts to write an alert or a dead letter that failed.",
                &["reason"],
            )?,
            dead_letters: area.counter_vec(
                "dlq_records",
                "Records that could not be read and are in the dead-letter topic.",
                &["reason"],
            )?,
            journal_entries: area.counter(
                "journal_entries",
                "Events of rules with a long maxspan that are in the journal topic.",
            )?,
            journal_bytes: area.counter("journal_bytes", "Bytes of the journal's entries.")?,
            rekeyed: area.counter(
                "rekeyed_records",
                "Records forwarded to the partitions of their join keys, once for each partition.",
            )?,
            detection_latency: area.seconds(
                "detection_latency",
                "From the Kafka timestamp of the record that completed a match until its alert \
                 was acknowledged.",
            )?,
        })
    }

    /// Counts a record that the brokers have acknowledged.
    pub fn record_delivered(&self, message: &Message) {
        match message {
            Message::Alert(alert) => self.delivered.inc_by(u64::from(alert.part == Part::Whole)),
            Message::Journal(record) => {
                self.journal_entries.inc();
                self.journal_bytes.inc_by(record.value.len() as u64);
            }
            Message::DeadLetter(letter) => {
                self.dead_letters.with_label_values(&[letter.reason]).inc();
            }
            Message::Forward(forward) => self.rekeyed.inc_by(u64::from(forward.value.is_some())),
        }
    }
}
