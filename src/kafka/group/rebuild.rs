//! How a partition goes on whose detector has failed on a record: with a new one, which is not shown
//! that record.

use std::time::Duration;

use super::Group;
use crate::detect::Origin;
use crate::kafka::client::{ClientError, Consumer};
use crate::kafka::start::{originate, read_from, rebuild};
use crate::kafka::state::name;
use crate::kafka::worker::Command;

/// How long one question to the brokers may take.
const QUESTION: Duration = Duration::from_secs(5);
/// How long a cut that is on its way may take to become durable.
const LAST_CUT: Duration = Duration::from_secs(5);

impl Group {
    /// Rebuilds a partition's state from what is committed, without a record.
    pub(in crate::kafka) fn rebuild(&self, consumer: &Consumer, origin: &Origin, poisoned: i64) {
        // It comes here again for as long as brokers do not answer.
        if self.shared.requests.poisoned.note(origin, poisoned) {
            tracing::error!(topic = %origin.topic, partition = origin.partition, offset = poisoned,
                "the detector has failed on a record: it becomes a dead letter, and the partition's \
                 state is rebuilt; please report this with the record");
        }
        // What was cut before the failure is right. It has to be committed, or not, before it is asked
        // what is.
        if !self.committer.flush(vec![origin.clone()], LAST_CUT) {
            tracing::warn!(partition = name(origin), "rebuilding waits for the last commit");
            return self.shared.requests.ask_for_rebuild(origin, poisoned);
        }
        if let Err(error) = self.try_rebuild(consumer, origin) {
            tracing::warn!(partition = name(origin), %error, "rebuilding waits for an answer");
            self.shared.requests.ask_for_rebuild(origin, poisoned);
        }
    }

    fn try_rebuild(&self, consumer: &Consumer, origin: &Origin) -> Result<(), ClientError> {
        let questions = consumer.questions();
        let committed = questions.committed(std::slice::from_ref(origin), QUESTION)?;
        let mut logs = questions.logs_of(std::slice::from_ref(origin), QUESTION)?;
        let Some(log) = logs.pop() else { return Ok(()) };
        let policy = self.shared.settings.on_missing_offsets_of(&origin.topic);
        let committed = committed.into_iter().find_map(|(_, committed)| committed);
        // An operator who wants to decide has done so when the partition was taken in.
        let found = originate(committed, log, policy);
        let Some((found, lease)) = found.zip(self.shared.leases.renew(origin)) else {
            return Ok(());
        };
        let position = found.resume.position;
        let (mut detector, _) = rebuild(&self.shared, origin, &found.resume);
        let from = read_from(detector.read_from(), position, log);
        if from.is_truncated {
            detector.begin_at(from.offset);
        }
        self.shared.metrics.kafka.rebuilds.inc();
        let poisoned = self.shared.requests.poisoned.of(origin);
        let restart = Command::Restart(origin.clone(), lease, Box::new(detector), poisoned);
        self.workers[lease.worker].send(restart);
        if let Err(error) = consumer.seek(origin, from.offset, QUESTION) {
            tracing::warn!(partition = name(origin), %error, "rebuilding failed, joining anew");
            self.shared.requests.ask_for_rejoin();
        }
        Ok(())
    }
}
