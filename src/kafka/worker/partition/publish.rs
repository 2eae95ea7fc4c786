//! What a partition tells: metrics, its state for the API, and a few lines of the log.

use std::sync::atomic::Ordering;

use super::{Counts, Failure, Partition};
use crate::detect::Held;
use crate::event::TimeSpan;
use crate::kafka::state::Shared;
use crate::kafka::state::clock::{now_millis, seconds};

/// How often, in milliseconds, a record of unknown shape is named.
const NAME_UNKNOWN_EVERY: u64 = 60_000;
/// How often, in milliseconds, counters are published while records come in: each of them is a look-up, and
/// with many rules they are thousands.
const COUNTS_EVERY: u64 = 50;
/// How often, in milliseconds, it is published what detectors hold.
const HELD_EVERY: u64 = 1_000;

impl Partition {
    /// Publishes what the last batch has changed; counters a little later, if they were published just now.
    /// They are never behind a cut that is committed, or behind the end of a replay.
    pub(in crate::kafka::worker) fn publish(&mut self, shared: &Shared) {
        self.counts.has_news = true;
        match self.has_just_been_rebuilt() {
            true => self.publish_counts(shared),
            false => self.publish_due_counts(shared),
        }
        self.publish_waiting();
        self.publish_replay(shared);
    }

    /// Publishes counters that have changed, unless they were published just now.
    pub(in crate::kafka::worker) fn publish_due_counts(&mut self, shared: &Shared) {
        // A detector that has failed is about to be thrown away.
        let is_last = self.failure != Failure::None;
        let is_due = is_last || now_millis() >= self.counts.published + COUNTS_EVERY;
        if self.counts.has_news && is_due {
            self.publish_counts(shared);
        }
    }

    /// Publishes counters that have changed.
    pub(in crate::kafka::worker) fn publish_new_counts(&mut self, shared: &Shared) {
        if self.counts.has_news {
            self.publish_counts(shared);
        }
    }

    fn has_just_been_rebuilt(&self) -> bool {
        self.state.replay_began.load(Ordering::Relaxed) > 0 && !self.detector.is_replaying()
    }

    fn publish_counts(&mut self, shared: &Shared) {
        self.counts = Counts { published: now_millis(), has_news: false };
        let stats = self.detector.take_stats();
        shared.metrics.ingest.record(&self.origin.topic, &stats);
        shared.metrics.detect.record(shared.rules(), &stats);
        if let Some(clock) = self.detector.clock() {
            self.clock.set(clock.millis() as f64 / 1_000.0);
        }
        self.name_unknown();
        self.latency.flush();
    }

    fn publish_replay(&self, shared: &Shared) {
        self.state.replay_left.store(self.detector.replay_remaining(), Ordering::Relaxed);
        if self.has_just_been_rebuilt() {
            let began = self.state.replay_began.load(Ordering::Relaxed);
            let millis = now_millis().saturating_sub(began);
            self.state.replay_began.store(0, Ordering::Relaxed);
            shared.metrics.kafka.restore_seconds.set(millis as f64 / 1_000.0);
            tracing::info!(topic = %self.origin.topic, partition = self.origin.partition, millis,
                "state is rebuilt");
        }
    }

    /// Publishes how much output waits, and since when.
    pub(super) fn publish_waiting(&self) {
        self.state.outbox.store(self.waiting.len() as u64, Ordering::Relaxed);
        self.state.output_since.store(self.waiting.since().unwrap_or(0), Ordering::Relaxed);
    }

    /// Says, once in a while, where a record of unknown shape stands.
    fn name_unknown(&mut self) {
        let Some(offset) = self.detector.take_unknown() else { return };
        let now = now_millis();
        if self.unknown_named.is_some_and(|named| now.saturating_sub(named) < NAME_UNKNOWN_EVERY) {
            return;
        }
        self.unknown_named = Some(now);
        tracing::warn!(topic = %self.origin.topic, partition = self.origin.partition, offset,
            "a record of unknown shape: only rules for any category see it");
    }

    /// Publishes what is held, about once a second: that looks at every key.
    pub(in crate::kafka::worker) fn publish_held(&mut self, shared: &Shared) {
        let now = now_millis();
        if now.saturating_sub(self.held.1) >= HELD_EVERY {
            let held = self.detector.held();
            shared.metrics.detect.replace_held(shared.rules(), &self.held.0, &held);
            self.held = (held, now);
            let labels = [&*self.origin.topic, &self.origin.partition.to_string()];
            let age = self.detector.safe_age().map_or(0, TimeSpan::millis);
            shared.metrics.kafka.safe_age.with_label_values(&labels).set(seconds(age));
        }
    }

    /// Takes back what was published of a partition that is given up.
    pub(in crate::kafka::worker) fn unpublish(&mut self, shared: &Shared) {
        self.publish_counts(shared);
        shared.metrics.detect.replace_held(shared.rules(), &self.held.0, &Held::default());
        let labels = [&*self.origin.topic, &self.origin.partition.to_string()];
        // There is one: it was made when the partition was adopted.
        drop(shared.metrics.ingest.clock.remove_label_values(&labels));
        // There is none before the first second is over.
        drop(shared.metrics.kafka.safe_age.remove_label_values(&labels));
    }
}
