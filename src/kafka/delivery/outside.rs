//! What every way of delivery works with: the workers, what all threads share, and what is told of it.

use std::sync::Arc;

use crate::kafka::client::Code;
use crate::kafka::client::outcome::{Delivered, on_delivery};
use crate::kafka::state::clock::{seconds, unix_millis};
use crate::kafka::state::{Concern, Heart, Shared};
use crate::kafka::worker::{self, Accepted, Command};
use crate::transaction::Pending;

/// What every way of delivery works with.
pub(in crate::kafka) struct Outside {
    pub(in crate::kafka) shared: Arc<Shared>,
    pub(in crate::kafka) workers: Vec<worker::Handle>,
    pub(in crate::kafka) heart: Arc<Heart>,
}

impl Outside {
    /// Tells the workers that cuts are committed.
    pub(in crate::kafka) fn accept(&self, cuts: Vec<Accepted>) {
        let mut by_worker: Vec<Vec<Accepted>> = self.workers.iter().map(|_| Vec::new()).collect();
        for accepted in cuts {
            let lease = self.shared.leases.of(&accepted.origin);
            if let Some(lease) = lease.filter(|lease| lease.number == accepted.lease) {
                by_worker[lease.worker].push(accepted);
            }
        }
        for (worker, cuts) in self.workers.iter().zip(by_worker) {
            if !cuts.is_empty() {
                worker.send(Command::Accept(cuts));
            }
        }
    }

    /// Counts an item of output that is durable.
    pub(super) fn count_delivered(&self, pending: &Pending) {
        let metrics = &self.shared.metrics.alert;
        metrics.record_delivered(&pending.message);
        if let (Some(time), true) = (pending.triggered_at, pending.message.tells_a_reader()) {
            metrics.detection_latency.observe(seconds(unix_millis() - time));
        }
    }

    /// Counts a record that did not arrive, and says why.
    pub(super) fn note_failed_delivery(&self, code: Code) {
        // Purged: the transaction had been given up already, for a reason that was told.
        if let (Delivered::Again(reason), false) = (on_delivery(code), code.is_purged()) {
            self.shared.metrics.alert.errors.with_label_values(&[reason]).inc();
            self.complain(Concern::Delivery, &format!("alerts cannot be written: {code}"));
        }
    }

    /// Counts an attempt to commit by how it went.
    pub(super) fn count_commit(&self, result: &'static str) {
        self.shared.metrics.kafka.commits.with_label_values(&[result]).inc();
    }

    /// Notes what keeps output from being delivered.
    pub(super) fn complain(&self, concern: Concern, reason: &str) {
        // Until a broker has answered, that is the cause, and others tell it.
        if !self.shared.health.startup().is_empty() {
            tracing::debug!(reason, "output waits for the first answer of a broker");
        } else if self.shared.health.raise(concern, reason) {
            tracing::error!(reason, "output waits");
        }
    }

    /// Notes that a fault is over.
    pub(super) fn relieve(&self, concern: Concern, message: &'static str) {
        if self.shared.health.clear(concern) {
            tracing::info!(message);
        }
    }
}

/// Tells whether output may be written: writing to a topic that is missing would make some brokers
/// create it.
pub(super) fn may_write(outside: &Outside) -> bool {
    let Some(missing) = outside.shared.topics.missing() else { return true };
    outside.shared.metrics.alert.errors.with_label_values(&["no_topic"]).inc();
    outside.complain(Concern::Delivery, &missing);
    false
}
