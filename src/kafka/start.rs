//! Where to start a partition: a decision from what is committed and what the log still holds.
//!
//! Pure: never asks a broker.

use super::settings::OnMissingOffsets;

/// A committed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    /// The next record to process.
    pub(super) position: i64,
    /// How to rebuild the state; empty if there is nothing readable.
    pub(super) metadata: String,
}

/// The offsets that the log holds: from `low`, before `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) low: i64,
    pub(super) high: i64,
}

/// What a detector is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origination {
    /// The position and metadata to resume.
    pub(super) resume: Committed,
    /// Whether the position is committed, and not made up for want of one.
    pub(super) is_committed: bool,
    /// Something an operator should know.
    pub(super) note: Option<&'static str>,
}

/// Decides what to resume; nothing if the operator wants to decide.
pub(super) fn originate(
    committed: Option<Committed>,
    log: Log,
    policy: OnMissingOffsets,
) -> Option<Origination> {
    let note = match committed {
        // A position before the log's start is kept: its detector skips what is gone.
        Some(resume) if resume.position <= log.high => {
            return Some(Origination { resume, is_committed: true, note: None });
        }
        Some(_) => Some("committed position is beyond the end: the topic was made anew or cut"),
        None => None,
    };
    let position = match policy {
        OnMissingOffsets::Earliest => log.low,
        OnMissingOffsets::Latest => log.high,
        OnMissingOffsets::Fail => return None,
    };
    let resume = Committed { position, metadata: String::new() };
    Some(Origination { resume, is_committed: false, note })
}

/// How a partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
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
    pub(super) fn name(self) -> &'static str {
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

/// Where to read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadFrom {
    pub(super) offset: i64,
    /// Whether records that were asked for are gone.
    pub(super) is_truncated: bool,
}

/// Decides where to read from, given what the detector asks for.
pub(super) fn read_from(wanted: Option<i64>, position: i64, log: Log) -> ReadFrom {
    let wanted = wanted.unwrap_or(position).min(position);
    ReadFrom { offset: wanted.max(log.low), is_truncated: wanted < log.low }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Log = Log { low: 10, high: 20 };

    fn at(position: i64) -> Option<Committed> {
        Some(Committed { position, metadata: "m".to_owned() })
    }

    #[test]
    fn committed_position_is_resumed_with_its_metadata() {
        let found = originate(at(15), LOG, OnMissingOffsets::Fail).unwrap();
        assert_eq!((Some(found.resume), found.is_committed), (at(15), true));
    }

    #[test]
    fn policy_decides_only_without_a_usable_position() {
        let start = |policy| originate(None, LOG, policy).map(|found| found.resume.position);
        assert_eq!(start(OnMissingOffsets::Earliest), Some(10));
        assert_eq!(start(OnMissingOffsets::Latest), Some(20));
        assert_eq!(start(OnMissingOffsets::Fail), None);
        let beyond = originate(at(21), LOG, OnMissingOffsets::Earliest).unwrap();
        assert_eq!((beyond.resume.position, beyond.resume.metadata.as_str()), (10, ""));
        assert!(beyond.note.is_some() && !beyond.is_committed);
    }

    #[test]
    fn replay_starts_at_the_log_when_its_start_is_gone() {
        let from = |wanted| read_from(wanted, 15, LOG);
        assert_eq!(from(Some(12)), ReadFrom { offset: 12, is_truncated: false });
        assert_eq!(from(Some(5)), ReadFrom { offset: 10, is_truncated: true });
        assert_eq!(from(None), ReadFrom { offset: 15, is_truncated: false });
        let lost = read_from(None, 3, LOG);
        assert_eq!(lost, ReadFrom { offset: 10, is_truncated: true });
    }
}
