//! What follows when partitions cannot be started.

use std::sync::atomic::Ordering;

use super::Group;
use crate::detect::Origin;
use crate::kafka::client::{Attempt, Code, note_missing_right};
use crate::kafka::state::{Concern, name};

/// How many assignments in a row may be refused for want of an answer. Then it may well be the
/// client that hears nothing: one whose connections to a broker have come and gone can wait for
/// ever on one that is no more, and only a new one helps.
const REFUSALS: u32 = 3;

/// Why partitions could not be started.
pub(super) enum Refusal {
    /// The brokers did not answer in time: join again.
    NoAnswer(String),
    /// A right is missing: join again, it may be given at any time.
    NoRight(Code),
    /// The operator wants to decide.
    MissingOffsets(Origin),
}

impl Group {
    /// Says why, and asks for what helps.
    pub(super) fn refuse(&self, refusal: &Refusal) {
        let reason = match refusal {
            Refusal::NoAnswer(reason) => {
                let reason = format!("partitions cannot be started: {reason}");
                match self.refusals.fetch_add(1, Ordering::Relaxed) + 1 {
                    REFUSALS => self.shared.requests.fail(reason.as_str()),
                    _ => self.shared.requests.ask_for_rejoin(),
                }
                reason
            }
            Refusal::NoRight(code) => {
                self.shared.requests.ask_for_rejoin();
                return self.note_no_right(*code);
            }
            Refusal::MissingOffsets(origin) => {
                let reason = format!(
                    "{} has no usable committed offset, and `kafka.on_missing_offsets` is `fail`; \
                     set it to `earliest` or `latest`, or reset the group's offsets",
                    name(origin)
                );
                self.shared.requests.fail(reason.as_str());
                reason
            }
        };
        self.shared.health.raise(Concern::Assignment, reason.as_str());
        tracing::error!(reason, "assignment refused");
    }

    /// Says once that partitions cannot be started for want of a right.
    pub(super) fn note_no_right(&self, code: Code) {
        let (health, settings) = (&self.shared.health, &self.shared.settings);
        note_missing_right(health, settings, Concern::Assignment, code, Attempt::Join);
    }
}
