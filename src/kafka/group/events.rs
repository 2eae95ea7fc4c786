//! What the client tells a member of the group.

use std::sync::atomic::Ordering;

use super::Group;
use crate::detect::Origin;
use crate::kafka::client::{Assignment, GroupEvents, Statistics};
use crate::kafka::state::Concern;
use crate::kafka::state::clock::now_millis;

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
        }
        if let Some(joined) = statistics.joined() {
            self.shared.health.set_joined(joined);
        }
    }
}
