//! Partitions, commits, rebalances.

use prometheus::{Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::{Area, Result};

/// Partitions, commits, rebalances.
pub struct KafkaMetrics {
    /// Records behind the end of the partition.
    pub lag: IntGaugeVec,
    /// Partitions that this instance owns.
    pub assigned: IntGauge,
    /// Changes of the assignment.
    pub rebalances: IntCounterVec,
    /// How long the last replay took.
    pub restore_seconds: Gauge,
    /// How long the journal was last read.
    pub journal_restore_seconds: Gauge,
    /// How long the journal topic keeps its entries.
    pub journal_retention: Gauge,
    /// How far back a restart reads the journal.
    pub journal_needed: Gauge,
    /// Replays that found their start gone from the log.
    pub replay_truncated: IntCounter,
    /// Faults of single partitions, by librdkafka's name.
    pub partition_faults: IntCounterVec,
    /// Commits by how they ended.
    pub commits: IntCounterVec,
    /// From the request for a cut until its commit was acknowledged.
    pub commit_duration: Histogram,
    /// Partitions of the topics that are read.
    pub topic_partitions: IntGaugeVec,
    /// How partitions started.
    pub starts: IntCounterVec,
    /// Rules that a partition's last commit did not know.
    pub new_rules: IntCounter,
    /// Offsets that are left to replay.
    pub replay_left: IntGauge,
    /// Output that is not durable yet.
    pub outbox: IntGauge,
    /// How many bytes of it there are, as they will be written.
    pub outbox_bytes: IntGauge,
    /// What records, state and output may take together.
    pub memory_max: IntGauge,
    /// States that were rebuilt since a detector had failed on a record.
    pub rebuilds: IntCounter,
    /// For how long the oldest of it has waited.
    pub output_age: Gauge,
    /// How far back a restart would need events.
    pub safe_age: GaugeVec,
    /// Partitions that were given up and whose state is kept.
    pub kept: IntGauge,
    /// Bytes of records in what is kept of them.
    pub kept_bytes: IntGauge,
    /// How long topics keep their records.
    pub retention: GaugeVec,
    /// Share of records that lie where a function of their key puts them.
    pub alignment: GaugeVec,
    /// Hosts whose events lie in several partitions of a topic.
    pub hosts_on_several: IntGaugeVec,
    /// Topics with which something is wrong that makes detection worse.
    pub degraded: IntGaugeVec,
    /// When every thread had last made progress.
    pub last_progress: Gauge,
}

impl KafkaMetrics {
    /// Registers the metrics of this area.
    pub fn register(area: &Area<'_>) -> Result<Self> {
        Ok(Self {
            lag: area.gauge_vec(
                "consumer_lag",
                "Records between the next one to process and the last stable offset.",
                &["topic", "partition"],
            )?,
            assigned: area.gauge("partitions_assigned", "Partitions that this instance owns.")?,
            rebalances: area.counter_vec(
                "rebalances",
                "Changes of the assignment: assign, revoke, lost.",
                &["kind"],
            )?,
            restore_seconds: area.float_gauge(
                "state_restore_seconds",
                "How long the last replay after an assignment took.",
            )?,
            journal_restore_seconds: area.float_gauge(
                "journal_restore_seconds",
                "How long it took to read the journal after the last assignment.",
            )?,
            journal_retention: area.float_gauge(
                "journal_retention_seconds",
                "How long the journal topic keeps its entries, if that could be asked.",
            )?,
            journal_needed: area.float_gauge(
                "journal_needed_seconds",
                "How far back a restart reads the journal, for the rule with the longest maxspan.",
            )?,
            replay_truncated: area.counter(
                "replay_truncated",
                "Replays or restarts that found their first record, or the first entry of the journal, \
                 gone from the log.",
            )?,
            partition_faults: area.counter_vec(
                "partition_faults",
                "Faults that the client reported for single partitions.",
                &["reason"],
            )?,
            commits: area.counter_vec(
                "commits",
                "Commits of positions: ok, retry, rebalance, failed.",
                &["result"],
            )?,
            commit_duration: area.seconds(
                "commit_duration",
                "From the request for a cut until its commit was acknowledged.",
            )?,
            topic_partitions: area.gauge_vec(
                "topic_partitions",
                "Partitions of the topics that are read.",
                &["topic"],
            )?,
            starts: area.counter_vec(
                "partition_starts",
                "Partitions started, by how: warm, replay, resume, replay_truncated, records_gone, \
                 unreadable_metadata, missing_offset, beyond_end.",
                &["how"],
            )?,
            new_rules: area.counter(
                "new_rule_starts",
                "Rules that began at a partition's position: new since its last commit.",
            )?,
            replay_left: area
                .gauge("replay_records_remaining", "Offsets that are left to replay.")?,
            outbox: area
                .gauge("outbox_records", "Alerts and dead letters that are not committed yet.")?,
            rebuilds: area.counter(
                "detector_rebuilds",
                "States that were rebuilt since a detector had failed on a record.",
            )?,
            outbox_bytes: area.gauge(
                "outbox_bytes",
                "Bytes of output that is not committed yet, about as it will be written.",
            )?,
            memory_max: area.gauge(
                "memory_max_bytes",
                "Bytes that records, state and output may take together.",
            )?,
            output_age: area.float_gauge(
                "output_age_seconds",
                "For how long the oldest output has waited that is not committed yet.",
            )?,
            safe_age: area.float_gauge_vec(
                "safe_age_seconds",
                "How far back, by the partition's clock, a restart would need events.",
                &["topic", "partition"],
            )?,
            kept: area.gauge(
                "kept_partitions",
                "Partitions that were given up and whose state is kept for a warm resume.",
            )?,
            kept_bytes: area.gauge("kept_bytes", "Bytes of the state that is kept.")?,
            retention: area.float_gauge_vec(
                "topic_retention_seconds",
                "How long a topic keeps its records (retention.ms).",
                &["topic"],
            )?,
            alignment: area.float_gauge_vec(
                "partition_alignment_ratio",
                "Share of sampled records that lie where this hash of their key would put them.",
                &["topic", "function"],
            )?,
            hosts_on_several: area.gauge_vec(
                "hosts_on_several_partitions",
                "Hosts of which this instance saw events in several partitions within ten minutes.",
                &["topic"],
            )?,
            degraded: area.gauge_vec(
                "degraded",
                "Topics with a condition that makes detection worse: partitioning, retention.",
                &["condition"],
            )?,
            last_progress: area.float_gauge(
                "loop_last_progress_timestamp_seconds",
                "Unix time at which the slowest thread had last made progress.",
            )?,
        })
    }
}
