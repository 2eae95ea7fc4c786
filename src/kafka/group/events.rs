//! What the client tells a member of the group.

use std::sync::atomic::Ordering;

use super::Group;
use crate::detect::Origin;
use crate::kafka::client::{
    Assignment, Attempt, ClientError, GroupEvents, Statistics, note_missing_right,
};
use crate::kafka::state::Concern;
use crate::kafka::state::clock::now_millis;

impl Group {
    /// Notes what a poll of the client has met: it goes on by itself, unless a right is missing.
    ///
    /// Topics that are not shown to us are told by whoever looks for them.
    pub(in crate::kafka) fn note_error(&self, error: &ClientError) {
        let denied = error.code().filter(|code| code.is_group_denied());
        match denied {
            Some(code) => note_missing_right(
                &self.shared.health,
                &self.shared.settings,
                Concern::Group,
                code,
                Attempt::Join,
            ),
            None => tracing::debug!(%error, "consumer"),
        }
    }
}

impl GroupEvents for Group {
    fn beat(&self) {
        self.beat();
    }

    fn on_assigned(&self, assignment: Assignment<'_>) {
        self.assign(assignment);
    }

    fn on_revoked(&self, origins: Vec<Origin>) {
        self.revoke(origins);
    }

    fn on_lost(&self, origins: Vec<Origin>) {
        self.lose(origins);
    }

    fn on_no_broker(&self, reason: &str) {
        // The log may name the brokers; what probes show may not.
        if self.shared.health.raise(Concern::Brokers, "no broker answers") {
            let brokers = self.shared.settings.bootstrap_servers();
            let protocol = self.shared.settings.protocol().name();
            tracing::error!(protocol, reason, "no broker answers at `{brokers}`");
        }
    }

    fn on_no_login(&self, reason: &str) {
        if self.shared.health.raise(Concern::Login, "login or TLS fails: the log says why") {
            let protocol = self.shared.settings.protocol().name();
            tracing::error!(protocol, reason, "login or TLS fails");
        }
    }

    fn on_statistics(&self, statistics: &Statistics) {
        let now = now_millis();
        for end in statistics.ends() {
            let Some(state) = self.shared.partitions.find(&end.origin) else { continue };
            state.end.store(end.offset, Ordering::Relaxed);
            let at_end = end.reached.map_or(0, |age| now.saturating_sub(age).max(1));
            state.at_end.store(at_end, Ordering::Relaxed);
            state.note_readable_since_refusal();
        }
        if !self.shared.partitions.any_refused() && self.shared.health.clear(Concern::Fetch) {
            tracing::info!("the input may be read again");
        }
        if let Some(joined) = statistics.joined() {
            self.shared.health.set_joined(joined);
            if joined && self.shared.health.clear(Concern::Group) {
                tracing::info!("the group takes us in");
            }
        }
    }
}
