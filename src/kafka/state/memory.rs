//! The memory that all partitions share, those included whose state is only kept.

use std::sync::Arc;

use crate::detect::Budget;

/// The memory of an instance.
pub(in crate::kafka) struct Memory(Arc<Budget>);

impl Memory {
    /// Returns a memory of so many bytes.
    pub(super) fn new(max_total_bytes: usize) -> Self {
        Self(Arc::new(Budget::new(max_total_bytes)))
    }

    /// Returns what a detector takes its memory from.
    pub(in crate::kafka) fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.0)
    }

    /// Returns how many bytes there are.
    pub(in crate::kafka) fn limit(&self) -> usize {
        self.0.limit()
    }

    /// Divides the memory among so many partitions.
    pub(super) fn divide(&self, partitions: usize) {
        self.0.divide(partitions);
    }
}
