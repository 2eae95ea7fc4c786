//! What comes in.

use prometheus::{Histogram, IntCounterVec};

use super::{Area, Result};
use crate::detect::Stats;

/// Records taken in.
pub struct IngestMetrics {
    /// Records taken in, replayed ones included.
    pub consumed: IntCounterVec,
    /// From the record's timestamp in Kafka until it was evaluated.
    pub processing_latency: Histogram,
}

impl IngestMetrics {
    /// Registers the metrics of this area.
    pub fn register(area: &Area<'_>) -> Result<Self> {
        Ok(Self {
            consumed: area.counter_vec(
                "events_consumed",
                "Records taken in, replayed ones included.",
                &["topic"],
            )?,
            processing_latency: area.seconds(
                "processing_latency",
                "From a record's timestamp in Kafka until it was evaluated; replays excluded.",
            )?,
        })
    }

    /// Adds what a detector has counted since it was last asked.
    pub fn record(&self, topic: &str, stats: &Stats) {
        if stats.records > 0 {
            self.consumed.with_label_values(&[topic]).inc_by(stats.records);
        }
    }
}
