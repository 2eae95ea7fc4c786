//! What comes in.

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec};

use super::{Area, Result};
use crate::detect::Stats;
use crate::detect::stats::DEAD_LETTER_REASONS;
use crate::normalize::Shape;

/// Records taken in.
pub struct IngestMetrics {
    /// Records taken in, replayed ones included.
    pub consumed: IntCounterVec,
    /// Bytes of the records.
    pub bytes: IntCounterVec,
    /// Records that were replayed to rebuild the state.
    pub replayed: IntCounter,
    /// Records that were rejected by their bytes, and not decoded.
    pub prefiltered: IntCounter,
    /// Records by how they are laid out.
    pub shapes: IntCounterVec,
    /// Records that another machine has collected.
    pub forwarded: IntCounter,
    /// Records whose collector passes its `host.id` off as theirs.
    pub foreign_ids: IntCounter,
    /// Host ids that two machines share.
    pub shared_ids: IntCounter,
    /// Records that no rule, or not every rule, could see.
    pub dropped: IntCounterVec,
    /// The partition's clock.
    pub clock: prometheus::GaugeVec,
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
            bytes: area.counter_vec("consumed_bytes", "Bytes of the records.", &["topic"])?,
            replayed: area.counter("events_replayed", "Records replayed to rebuild the state.")?,
            prefiltered: area.counter(
                "events_prefiltered",
                "Records told by their bytes to satisfy no stage. They are not decoded, and of those \
                 that are not valid only a sample is noticed.",
            )?,
            shapes: area.counter_vec(
                "events_by_shape",
                "Records by how they are laid out: ecs, endpoint, winlogbeat, elastic_agent, nxlog, \
                 unknown.",
                &["shape"],
            )?,
            forwarded: area
                .counter("events_forwarded", "Records that another machine has collected.")?,
            foreign_ids: area.counter(
                "events_foreign_host_id",
                "Records whose collector passes its host.id off as theirs; it was left out.",
            )?,
            shared_ids: area.counter(
                "host_ids_shared",
                "Times that a host.id was found to be shared by two machines.",
            )?,
            dropped: area.counter_vec(
                "events_dropped",
                "Records that no rule could see (unreadable, no_event_time), or not every rule \
                 (no_host).",
                &["reason"],
            )?,
            clock: area.float_gauge_vec(
                "event_time_watermark_seconds",
                "What the partition's clock shows, as Unix time.",
                &["topic", "partition"],
            )?,
            processing_latency: area.seconds(
                "processing_latency",
                "From a record's timestamp in Kafka until it was evaluated; replays excluded.",
            )?,
        })
    }

    /// Adds what a detector has counted since it was last asked.
    pub fn record(&self, topic: &str, stats: &Stats) {
        self.consumed.with_label_values(&[topic]).inc_by(stats.records);
        self.bytes.with_label_values(&[topic]).inc_by(stats.bytes);
        self.replayed.inc_by(stats.replayed);
        self.prefiltered.inc_by(stats.prefiltered);
        self.forwarded.inc_by(stats.forwarded);
        self.foreign_ids.inc_by(stats.foreign_ids);
        self.shared_ids.inc_by(stats.shared_ids);
        let shapes = Shape::ALL.map(|shape| (shape.name(), stats.of_shape(shape)));
        let others = [("no_host", stats.no_host), ("no_event_time", stats.no_event_time)];
        let unreadable = DEAD_LETTER_REASONS.into_iter().zip(stats.dead_letters);
        let counts = shapes.map(|(shape, count)| (&self.shapes, shape, count)).into_iter().chain(
            others.into_iter().chain(unreadable).map(|(why, count)| (&self.dropped, why, count)),
        );
        for (counter, label, count) in counts {
            if count > 0 {
                counter.with_label_values(&[label]).inc_by(count);
            }
        }
    }

    /// Returns the gauge of a partition's clock.
    pub fn clock_of(&self, topic: &str, partition: i32) -> Gauge {
        self.clock.with_label_values(&[topic, &partition.to_string()])
    }
}
