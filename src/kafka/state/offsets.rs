//! Offsets of a partition: what is committed for it, and what the log holds of it.

/// A committed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kafka) struct Committed {
    /// The next record to process.
    pub(in crate::kafka) position: i64,
    /// How to rebuild the state; empty if there is nothing readable.
    pub(in crate::kafka) metadata: String,
}

/// The offsets that the log holds: from `low`, before `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) struct Log {
    pub(in crate::kafka) low: i64,
    pub(in crate::kafka) high: i64,
}
