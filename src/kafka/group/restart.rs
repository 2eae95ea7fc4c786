//! How partitions go on whose next records are gone from the log.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Group;
use super::refusal::Refusal;
use crate::detect::Origin;
use crate::kafka::client::Consumer;
use crate::kafka::start::{originate, rebuild};
use crate::kafka::state::{Committed, Log, name};
use crate::kafka::worker::Command;

/// How long one question to the brokers may take.
const QUESTION: Duration = Duration::from_secs(5);

impl Group {
    /// Starts partitions at what their logs still hold, after their next records were found gone.
    pub(in crate::kafka) fn restart(&self, consumer: &Consumer, mut origins: Vec<Origin>) {
        origins.retain(|origin| self.shared.partitions.find(origin).is_some());
        if origins.is_empty() {
            return;
        }
        match consumer.questions().logs_of(&origins, QUESTION) {
            Ok(logs) => {
                for (origin, log) in origins.iter().zip(logs) {
                    self.beat();
                    self.restart_in(consumer, origin, log);
                }
            }
            Err(error) => {
                tracing::warn!(partition = name(&origins[0]), partitions = origins.len(), %error,
                    "restart waits for an answer");
                for origin in &origins {
                    self.shared.requests.ask_for_restart(origin);
                }
            }
        }
    }

    fn restart_in(&self, consumer: &Consumer, origin: &Origin, log: Log) {
        let Some(state) = self.shared.partitions.find(origin) else { return };
        let position = state.position.load(Ordering::Relaxed);
        let committed = Some(Committed { position, metadata: String::new() });
        let policy = self.shared.settings.on_missing_offsets_of(&origin.topic);
        let Some(found) = originate(committed, log, policy) else {
            return self.refuse(&Refusal::MissingOffsets(origin.clone()));
        };
        let offset = found.resume.position.max(log.low);
        tracing::error!(topic = %origin.topic, partition = origin.partition, position,
            log_start = log.low, log_end = log.high, restart = offset,
            "records are gone from the log before they were read");
        self.shared.metrics.kafka.replay_truncated.inc();
        let Some(lease) = self.shared.leases.of(origin) else { return };
        // Going on behind a gap keeps the state; going back needs a new one.
        let command = match found.is_committed {
            true => Command::Skip(origin.clone(), offset),
            false => {
                let (detector, _) = rebuild(&self.shared, origin, &found.resume);
                // Whatever is on its way of the old state is not of this one.
                let Some(lease) = self.shared.leases.renew(origin) else { return };
                let poisoned = self.shared.requests.poisoned.of(origin);
                Command::Restart(origin.clone(), lease, Box::new(detector), poisoned)
            }
        };
        self.workers[lease.worker].send(command);
        if let Err(error) = consumer.seek(origin, offset, QUESTION) {
            // The client no longer fetches it, since its topic was deleted meanwhile. Only an
            // assignment makes it do so again.
            tracing::warn!(partition = name(origin), %error, "restart failed, joining anew");
            self.shared.requests.ask_for_rejoin();
        }
    }
}
