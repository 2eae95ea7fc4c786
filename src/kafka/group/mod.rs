//! Membership: which partitions are ours, where each starts, how each is left.
//!
//! A [`Group`] is what the client calls back ([`crate::kafka::client::GroupEvents`]), on the poll thread.
//! Never lets a partition be read from anywhere but where its detector asks, nor be given up with output
//! that could still be written.

mod assignment;
mod events;
mod rebuild;
mod refusal;
mod restart;
mod revocation;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::kafka::delivery;
use crate::kafka::state::{Heart, Shared};
use crate::kafka::worker::{self, Command};

/// A member of the group, with those who work on its partitions.
pub(super) struct Group {
    shared: Arc<Shared>,
    workers: Vec<worker::Handle>,
    committer: delivery::Handle,
    heart: Arc<Heart>,
    /// Assignments refused in a row for want of an answer.
    refusals: AtomicU32,
}

impl Group {
    /// Returns a member that has no partitions yet.
    pub(super) fn new(
        shared: &Arc<Shared>,
        workers: Vec<worker::Handle>,
        committer: delivery::Handle,
    ) -> Self {
        let heart = shared.health.heart("poll");
        let refusals = AtomicU32::new(0);
        Self { shared: Arc::clone(shared), workers, committer, heart, refusals }
    }

    /// Gives a sign of life of the poll thread.
    pub(super) fn beat(&self) {
        self.heart.beat();
    }

    /// Ends committer and workers; nothing is ours any more.
    pub(super) fn stop(&self) {
        self.committer.stop();
        for worker in &self.workers {
            worker.send(Command::Stop);
        }
    }

    fn count_partitions(&self) {
        let count = self.shared.leases.len();
        self.shared.divide_memory();
        let limit = count.saturating_mul(self.shared.options().max_bytes);
        let limit = limit.min(self.shared.memory.limit());
        let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.shared.metrics.kafka.assigned.set(signed(count));
        self.shared.metrics.detect.pending_limit.set(signed(limit));
    }
}
