//! What every way of delivery works with: the workers, what all threads share, and what is told of it.

use std::sync::Arc;

use crate::kafka::client::outcome::{Delivered, on_delivery};
use crate::kafka::client::{Attempt, Audience, Code, missing_right};
use crate::kafka::state::clock::{seconds, unix_millis};
use crate::kafka::state::{Concern, Heart, Output, Shared};
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
            let right =
                missing_right(code, Attempt::WriteAny, &self.shared.settings, Audience::Probes);
            let why = right.unwrap_or_else(|| code.to_string());
            self.complain(Concern::Delivery, &format!("alerts cannot be written: {why}"));
        }
    }

    /// Counts an attempt to commit by how it went.
    pub(super) fn count_commit(&self, result: &'static str) {
        self.shared.metrics.kafka.commits.with_label_values(&[result]).inc();
    }

    /// Notes what keeps output from being delivered.
    ///
    /// Until a broker has answered, that alone is told: all else may follow from it.
    pub(super) fn complain(&self, concern: Concern, reason: &str) {
        if self.shared.topics.output() == Output::Unknown {
            return tracing::debug!(reason, "output waits");
        }
        if self.shared.health.raise(concern, reason) {
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

/// Tells whether output may be written.
pub(super) fn may_write(outside: &Outside) -> bool {
    match outside.shared.topics.output() {
        Output::Open => true,
        Output::Unknown => false,
        Output::Withheld { reason, message } => {
            outside.shared.metrics.alert.errors.with_label_values(&[reason]).inc();
            outside.complain(Concern::Delivery, &message);
            false
        }
    }
}
