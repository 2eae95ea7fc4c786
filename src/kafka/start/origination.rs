//! Where to start a partition: a decision from what is committed and what the log still holds.
//!
//! Pure: never asks a broker.

use crate::kafka::settings::OnMissingOffsets;
use crate::kafka::state::{Committed, Log};

/// What a detector is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kafka) struct Origination {
    /// The position and metadata to resume.
    pub(in crate::kafka) resume: Committed,
    /// Whether the position is committed, and not made up for want of one.
    pub(in crate::kafka) is_committed: bool,
    /// Something an operator should know.
    pub(in crate::kafka) note: Option<&'static str>,
}

/// Decides what to resume; nothing if the operator wants to decide.
pub(in crate::kafka) fn originate(
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

/// Where to read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) struct ReadFrom {
    pub(in crate::kafka) offset: i64,
    /// Whether records that were asked for are gone.
    pub(in crate::kafka) is_truncated: bool,
}

/// Decides where to read from, given what the detector asks for.
pub(in crate::kafka) fn read_from(wanted: Option<i64>, position: i64, log: Log) -> ReadFrom {
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
