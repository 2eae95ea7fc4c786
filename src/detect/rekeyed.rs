//! What a detector knows of re-keying, as a sender and as a receiver.

use super::boundary::Stamp;
use super::forward::{Arrival, Beat, Role};
use super::sources::Sources;

/// What a detector knows of re-keying.
pub(super) struct Rekeyed {
    /// What becomes of rules that are re-keyed.
    pub(super) role: Role,
    /// How far the partitions have come that forward to this one.
    pub(super) sources: Sources,
    /// Where the record that is being taken in was forwarded from.
    pub(super) arrival: Option<Arrival>,
    /// The stamp of the latest record.
    pub(super) last_stamp: Stamp,
    /// What all partitions were last told.
    pub(super) last_beat: Option<Beat>,
}

impl Rekeyed {
    /// Returns what is known before the first record.
    pub(super) fn new(role: Role, sources: Sources) -> Self {
        Self { role, sources, arrival: None, last_stamp: Stamp::None, last_beat: None }
    }
}
