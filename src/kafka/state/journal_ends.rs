//! Where our last entries stand in the journal.
//!
//! The producer's answers tell it; the detectors commit from where on the journal is to be read.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::lock::lock;

/// Where the journal's partitions end at least, as our own writes have told.
#[derive(Default)]
pub(in crate::kafka) struct JournalEnds(Mutex<BTreeMap<i32, i64>>);

impl JournalEnds {
    /// Notes that a record of ours stands at `offset`.
    pub(in crate::kafka) fn note(&self, partition: i32, offset: i64) {
        let mut ends = lock(&self.0);
        let end = ends.entry(partition).or_default();
        *end = (*end).max(offset + 1);
    }

    /// Returns the place behind our last record.
    pub(in crate::kafka) fn of(&self, partition: i32) -> Option<i64> {
        lock(&self.0).get(&partition).copied()
    }
}
