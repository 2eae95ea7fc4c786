//! The memory that all partitions share, those included whose state is only kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::detect::Budget;

/// The memory of an instance.
pub(in crate::kafka) struct Memory {
    state: Arc<Budget>,
    output: Arc<OutputRoom>,
}

impl Memory {
    /// Returns a memory with so many bytes for state, and for output that waits to be committed.
    pub(super) fn new(state: usize, output: usize) -> Self {
        let output = Arc::new(OutputRoom { limit: output, used: AtomicUsize::new(0) });
        Self { state: Arc::new(Budget::new(state)), output }
    }

    /// Returns what a detector takes its memory from.
    pub(in crate::kafka) fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.state)
    }

    /// Returns where output counts.
    pub(in crate::kafka) fn output(&self) -> &Arc<OutputRoom> {
        &self.output
    }

    /// Returns how many bytes of state there may be.
    pub(in crate::kafka) fn limit(&self) -> usize {
        self.state.limit()
    }

    /// Divides the memory among so many partitions.
    pub(super) fn divide(&self, partitions: usize) {
        self.state.divide(partitions);
    }
}

/// Room for output that waits to be committed, of all partitions together.
#[derive(Debug)]
pub(in crate::kafka) struct OutputRoom {
    limit: usize,
    used: AtomicUsize,
}

impl OutputRoom {
    /// Notes that so many bytes wait.
    pub(in crate::kafka) fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that so many bytes wait no more.
    pub(in crate::kafka) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Tells whether no more should be found until some is committed. What is found with the record at
    /// hand is kept all the same.
    pub(in crate::kafka) fn is_full(&self) -> bool {
        self.used() >= self.limit
    }

    /// Returns how many bytes wait.
    pub(in crate::kafka) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Default for OutputRoom {
    fn default() -> Self {
        Self { limit: 100, used: AtomicUsize::new(0) }
    }
}
