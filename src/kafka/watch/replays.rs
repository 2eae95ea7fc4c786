//! How long replays take: what is left of them, and what to do if one takes too long.
//!
//! Never speeds one up.

use std::sync::atomic::Ordering;

use crate::kafka::state::{Shared, name};

/// Looks at the replays under way.
#[derive(Default)]
pub(in crate::kafka) struct ReplayWatch {
    is_told: bool,
}

impl ReplayWatch {
    /// Publishes what is left to replay, and tells once if a replay takes longer than it may.
    pub(in crate::kafka) fn look(&mut self, shared: &Shared) {
        let origins = shared.partitions.origins();
        let states = origins.iter().filter_map(|origin| shared.partitions.find(origin));
        let left: i64 = states.map(|state| state.replay_left.load(Ordering::Relaxed)).sum();
        shared.metrics.kafka.replay_left.set(left);
        let Some(origin) = shared.partitions.longest_replay(shared.health.replay_budget()) else {
            self.is_told = false;
            return;
        };
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let (rule, reach) = shared.longest_reach().unwrap_or_default();
        let budget = shared.health.replay_budget();
        tracing::warn!(
            partition = name(&origin),
            rule,
            left,
            "the replay takes longer than `kafka.replay_budget` ({} s), and the instance is not \
             ready until it is over: rule `{rule}` needs what came within {} of its last commit; \
             shorten its maxspan, or have rules with a long one kept in the journal",
            budget.as_secs(),
            reach
        );
    }
}
