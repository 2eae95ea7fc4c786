//! Records that a detector has failed on: the next one is not shown them.
//!
//! For as long as the process lives. Another one fails on them once more and goes on in the same way.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use super::lock::lock;
use crate::detect::Origin;

/// Most of a partition; then the oldest are forgotten, and fail once more if they are read again.
const MOST: usize = 1_000;

/// The records, by partition and offset.
#[derive(Default)]
pub(in crate::kafka) struct Poisoned(Mutex<HashMap<Origin, BTreeSet<i64>>>);

impl Poisoned {
    /// Notes a record; tells whether that is news.
    pub(in crate::kafka) fn note(&self, origin: &Origin, offset: i64) -> bool {
        let mut all = lock(&self.0);
        let offsets = all.entry(origin.clone()).or_default();
        let is_news = offsets.insert(offset);
        if offsets.len() > MOST {
            offsets.pop_first();
        }
        is_news
    }

    /// Returns the offsets of a partition.
    pub(in crate::kafka) fn of(&self, origin: &Origin) -> Vec<i64> {
        lock(&self.0).get(origin).into_iter().flatten().copied().collect()
    }
}
