//! How a partition's state starts: as it was left, or to be rebuilt; and what to say about it.
//!
//! Never decides from where to read: [`super::origination`] does.

use super::origination::{Origination, ReadFrom};
use crate::detect::{Detector, Origin};
use crate::kafka::state::{Committed, Shared};

/// How a partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Start {
    /// With the state that it was given up with.
    Warm,
    /// Records are replayed to rebuild its state.
    Replay,
    /// At a committed position without any state.
    Resume,
    /// Some of the records to replay are gone.
    ReplayTruncated,
    /// The committed position itself is gone.
    RecordsGone,
    /// At a committed position; what is committed with it is not ours.
    UnreadableMetadata,
    /// Nothing is committed.
    MissingOffset,
    /// What is committed is not there yet, or not any more.
    BeyondEnd,
}

impl Start {
    /// Returns its name in metrics and messages.
    pub(in crate::kafka) fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Replay => "replay",
            Self::Resume => "resume",
            Self::ReplayTruncated => "replay_truncated",
            Self::RecordsGone => "records_gone",
            Self::UnreadableMetadata => "unreadable_metadata",
            Self::MissingOffset => "missing_offset",
            Self::BeyondEnd => "beyond_end",
        }
    }
}

/// Returns the state of a partition: as it was left, or to be rebuilt.
pub(in crate::kafka) fn revive(
    shared: &Shared,
    origin: &Origin,
    found: &Origination,
) -> (Detector, Start) {
    let committed = found.is_committed.then_some(&found.resume);
    if let Some(detector) = shared.take_kept(origin, committed) {
        return (detector, Start::Warm);
    }
    let (detector, is_readable) = rebuild(shared, origin, &found.resume);
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
pub(in crate::kafka) fn note_start(
    shared: &Shared,
    origin: &Origin,
    start: Start,
    detector: &Detector,
    from: ReadFrom,
    position: i64,
) {
    let metrics = &shared.metrics.kafka;
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
    let policy = shared.settings.on_missing_offsets_of(&origin.topic);
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
    if new_rules > 0 && shared.is_first_to_tell_new_rules() {
        tracing::info!(
            rules = new_rules,
            "rules are new since the last commit: they see what is read back, and alert from here on"
        );
    }
}

/// Returns a detector that rebuilds a state, and whether it can.
pub(in crate::kafka) fn rebuild(
    shared: &Shared,
    origin: &Origin,
    resume: &Committed,
) -> (Detector, bool) {
    let engine = shared.engine();
    let (mut detector, refused) = engine.resume(origin.clone(), resume.position, &resume.metadata);
    if let Some(reason) = &refused {
        tracing::warn!(topic = %origin.topic, partition = origin.partition, reason,
            "state cannot be rebuilt from the committed metadata and starts empty");
    }
    detector.share(shared.memory.budget());
    (detector, refused.is_none())
}
