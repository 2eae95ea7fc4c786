//! How partitions are left: with their last cut durable, or at once if they may be somebody else's.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::Group;
use crate::detect::Origin;
use crate::kafka::worker::{Command, Keep};

/// How long revoked partitions may take to be made durable: half of the session's timeout.
const REVOKE_PATIENCE: Duration = Duration::from_secs(5);
/// How long a worker may take to give partitions up: it finishes its batch first.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

impl Group {
    /// Gives partitions up that are still ours.
    pub(super) fn revoke(&self, origins: Vec<Origin>) {
        let origins = self.note_revoked(origins, "revoke");
        self.give_up(&origins, REVOKE_PATIENCE);
    }

    /// Gives partitions up that may have a new owner already, whose positions ours must not overwrite.
    pub(super) fn lose(&self, origins: Vec<Origin>) {
        let origins = self.note_revoked(origins, "lost");
        self.drop_state(&origins, Keep::Nothing);
    }

    /// Returns those that are ours.
    fn note_revoked(&self, origins: Vec<Origin>, kind: &'static str) -> Vec<Origin> {
        self.shared.metrics.kafka.rebalances.with_label_values(&[kind]).inc();
        let origins = self.shared.leases.held_among(origins);
        tracing::info!(partitions = origins.len(), kind, "partitions revoked");
        origins
    }

    /// Makes the last cut of partitions durable if they are still ours, and gives them up; tells
    /// whether it is durable.
    pub(in crate::kafka) fn give_up(&self, origins: &[Origin], patience: Duration) -> bool {
        if origins.is_empty() {
            return true;
        }
        let is_durable = self.committer.flush(origins.to_vec(), patience);
        if !is_durable {
            tracing::warn!(
                partitions = origins.len(),
                "output was not durable in time; the next owner does it again"
            );
        }
        let keep = if self.shared.requests.is_stopping() { Keep::Nothing } else { Keep::Warm };
        self.drop_state(origins, keep);
        is_durable
    }

    fn drop_state(&self, origins: &[Origin], keep: Keep) {
        self.shared.leases.end(origins);
        let (done, answers) = channel();
        for worker in &self.workers {
            worker.send(Command::Release(origins.to_vec(), keep, done.clone()));
        }
        drop(done);
        let deadline = Instant::now() + RELEASE_PATIENCE;
        let have_let_go = self.workers.iter().all(|_| {
            let left = deadline.saturating_duration_since(Instant::now());
            answers.recv_timeout(left).is_ok()
        });
        match have_let_go {
            true => self.shared.leases.let_go(origins),
            false => tracing::warn!("a worker is slow to give its partitions up"),
        }
        for origin in origins {
            self.shared.partitions.remove(origin);
            let labels = [&*origin.topic, &origin.partition.to_string()];
            // There is none if the partition's end was never learnt.
            drop(self.shared.metrics.kafka.lag.remove_label_values(&labels));
        }
        self.count_partitions();
    }
}
