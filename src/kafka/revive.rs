//! How a partition's state starts: as it was left, or to be rebuilt; and what to say about it.
//!
//! Never decides from where to read: `start` does.

use super::assignment::Group;
use super::start::{Origination, ReadFrom, Start};
use crate::detect::{Detector, Origin};

impl Group {
    /// Returns the state of a partition: as it was left, or to be rebuilt.
    pub(super) fn revive(&self, origin: &Origin, found: &Origination) -> (Detector, Start) {
        let committed = found.is_committed.then_some(&found.resume);
        if let Some(detector) = self.shared.take_kept(origin, committed) {
            return (detector, Start::Warm);
        }
        let (detector, is_readable) = self.detector(origin, &found.resume);
        let start = match found.is_committed {
            false if found.note.is_some() => Start::BeyondEnd,
            false => Start::MissingOffset,
            true if !is_readable => Start::UnreadableMetadata,
            true if detector.is_replaying() => Start::Replay,
            true => Start::Resume,
        };
        (detector, start)
    }

    /// Counts how a partition starts, and says what an operator should know about it.
    pub(super) fn note_start(
        &self,
        origin: &Origin,
        start: Start,
        detector: &Detector,
        from: ReadFrom,
        position: i64,
    ) {
        let metrics = &self.shared.metrics.kafka;
        metrics.starts.with_label_values(&[start.name()]).inc();
        let (topic, partition) = (&*origin.topic, origin.partition);
        if from.is_truncated {
            metrics.replay_truncated.inc();
            let gone = from.offset - detector.read_from().unwrap_or(position);
            tracing::error!(
                topic,
                partition,
                position,
                log_start = from.offset,
                gone,
                how = start.name(),
                "records that the state is rebuilt from are gone from the log: \
                sequences that began in them are missed; raise the topic's `retention.ms`"
            );
        }
        let policy = self.shared.settings.on_missing_offsets_of(&origin.topic);
        if start == Start::MissingOffset {
            tracing::info!(
                topic,
                partition,
                position,
                ?policy,
                "no offset is committed: `kafka.on_missing_offsets` decides where to start"
            );
        }
        let new_rules = detector.new_rules();
        metrics.new_rules.inc_by(new_rules as u64);
        if new_rules > 0 && self.shared.is_first_to_tell_new_rules() {
            tracing::info!(
                rules = new_rules,
                "rules are new since the last commit: they see what is read back, and alert from here on"
            );
        }
    }
}
