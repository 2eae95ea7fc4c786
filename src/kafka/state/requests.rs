//! What other threads ask of the poll thread: restarts, a new membership, the end.
//!
//! Never acts itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::UnboundedSender;

use super::lock::lock;
use super::poisoned::Poisoned;
use crate::detect::Origin;

/// What was asked and not yet done.
pub(in crate::kafka) struct Requests {
    /// Partitions whose next record is gone from the log.
    restarts: Mutex<Vec<Origin>>,
    /// Partitions whose detector has failed, with the record that it failed on.
    rebuilds: Mutex<Vec<(Origin, i64)>>,
    /// What a rebuilt state is not shown.
    pub(in crate::kafka) poisoned: Poisoned,
    /// Whether the group must be joined anew.
    rejoin: AtomicBool,
    stopping: AtomicBool,
    /// Where the end of the consumer is announced.
    failures: UnboundedSender<String>,
}

impl Requests {
    /// Returns no requests; `failures` is told when the consumer cannot go on.
    pub(in crate::kafka) fn new(failures: UnboundedSender<String>) -> Self {
        Self {
            restarts: Mutex::default(),
            rebuilds: Mutex::default(),
            poisoned: Poisoned::default(),
            rejoin: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            failures,
        }
    }

    /// Announces that the consumer cannot go on.
    pub(in crate::kafka) fn fail(&self, reason: impl Into<String>) {
        // Nobody listens any more when the service is already ending.
        drop(self.failures.send(reason.into()));
    }

    /// Asks the poll thread to start a partition where the log starts.
    pub(in crate::kafka) fn ask_for_restart(&self, origin: &Origin) {
        let mut restarts = lock(&self.restarts);
        if !restarts.contains(origin) {
            restarts.push(origin.clone());
        }
    }

    /// Returns the partitions that are to be started where the log starts.
    pub(in crate::kafka) fn take_restarts(&self) -> Vec<Origin> {
        std::mem::take(&mut *lock(&self.restarts))
    }

    /// Asks the poll thread to rebuild a partition's state without a record that its detector has
    /// failed on.
    pub(in crate::kafka) fn ask_for_rebuild(&self, origin: &Origin, poisoned: i64) {
        lock(&self.rebuilds).push((origin.clone(), poisoned));
    }

    /// Returns the partitions that are to be rebuilt, with the records that they fail on.
    pub(in crate::kafka) fn take_rebuilds(&self) -> Vec<(Origin, i64)> {
        std::mem::take(&mut *lock(&self.rebuilds))
    }

    /// Asks the poll thread to leave the group and join it again.
    pub(in crate::kafka) fn ask_for_rejoin(&self) {
        self.rejoin.store(true, Ordering::Relaxed);
    }

    /// Tells whether the group must be joined anew, and forgets it.
    pub(in crate::kafka) fn take_rejoin(&self) -> bool {
        self.rejoin.swap(false, Ordering::Relaxed)
    }

    /// Begins the end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Tells whether the end has begun.
    pub(in crate::kafka) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
