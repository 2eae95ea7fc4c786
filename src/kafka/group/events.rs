//! What the client tells a member of the group.

use std::sync::atomic::Ordering;

use super::Group;
use crate::detect::Origin;
use crate::kafka::client::{
    Assignment, Attempt, ClientError, GroupEvents, Statistics, missing_right,
};
use crate::kafka::state::Concern;
use crate::kafka::state::clock::now_millis;

impl Group {
    /// Notes what a poll of the client has met: it goes on by itself, unless a right is missing.
    ///
    /// Topics that are not shown to us are told by whoever looks for them.
    pub(in crate::kafka) fn note_error(&self, error: &ClientError) {
        let denied = error.code().filter(|code| code.is_group_denied());
        let right = denied.and_then(|c| missing_right(c, Attempt::Read, &self.shared.settings));
        let Some(right) = right else { return tracing::debug!(%error, "consumer") };
        if self.shared.health.raise(Concern::Group, right.as_str()) {
            tracing::error!("{right}");
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
        let brokers = self.shared.settings.bootstrap_servers();
        if self.shared.health.raise(Concern::Brokers, format!("no broker answers at `{brokers}`")) {
            tracing::error!(brokers, reason, "no broker answers");
        }
    }

    fn on_refused_connection(&self, reason: &str) {
        let what = format!("a connection is refused: {reason}");
        if self.shared.health.raise(Concern::Connection, what) {
            tracing::error!(reason, "a connection is refused");
        }
    }

    fn on_statistics(&self, statistics: &Statistics) {
        let now = now_millis();
        for end in statistics.ends() {
            let Some(state) = self.shared.partitions.find(&end.origin) else { continue };
            state.end.store(end.offset, Ordering::Relaxed);
            let at_end = end.reached.map_or(0, |age| now.saturating_sub(age).max(1));
            state.at_end.store(at_end, Ordering::Relaxed);
        }
        if let Some(joined) = statistics.joined() {
            self.shared.health.set_joined(joined);
            if joined && self.shared.health.clear(Concern::Group) {
                tracing::info!("the group takes us in");
            }
        }
    }
}
