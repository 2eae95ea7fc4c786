//! What readiness and liveness tell: the health of the threads, and faults.
//!
//! Never asks a broker: it only holds what others have found out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::clock::now_millis;
use super::lock::lock;
use super::partitions::Partitions;

/// A thread that has not been heard of for this long is stuck.
const STUCK: Duration = Duration::from_secs(30);
/// A replay that takes longer than this is worth being seen, unless the settings say otherwise.
const REPLAY_BUDGET: Duration = Duration::from_secs(60);

/// Something that keeps the service from being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// The brokers refuse the login, or TLS fails.
    Login,
    /// No broker answers.
    Brokers,
    /// The group refuses us.
    Group,
    /// The input may not be read.
    Fetch,
    /// A topic is missing.
    Topics,
    /// A topic cannot be read as a stream.
    Input,
    /// The topic of re-keyed events has another number of partitions.
    RekeyTopic,
    /// Committed offsets cannot be read.
    Assignment,
    /// The journal cannot be read.
    Journal,
    /// Alerts or dead letters cannot be written.
    Delivery,
    /// Positions cannot be committed.
    Commit,
}

/// Something that makes detection worse, and that no restart or rollout would mend: the service is
/// ready all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degradation {
    /// A topic's records do not lie by host.
    Partitioning,
    /// A topic keeps its records for less time than a restart needs.
    Retention,
}

impl Degradation {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Partitioning, Self::Retention];

    /// Returns its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partitioning => "partitioning",
            Self::Retention => "retention",
        }
    }
}

/// The health of the consumer.
#[derive(Default)]
pub struct Health {
    answered: AtomicBool,
    joined: AtomicBool,
    stopping: AtomicBool,
    concerns: Mutex<BTreeMap<Concern, String>>,
    /// By what is wrong, and with which topic.
    degradations: Mutex<BTreeMap<(Degradation, String), String>>,
    hearts: Mutex<Vec<(String, Arc<Heart>)>>,
    replay_budget: OnceLock<Duration>,
}

/// The sign of life of one thread.
pub struct Heart(AtomicU64);

impl Health {
    /// Returns the sign of life of a new thread.
    pub fn heart(&self, thread: impl Into<String>) -> Arc<Heart> {
        let heart = Arc::new(Heart(AtomicU64::new(now_millis())));
        lock(&self.hearts).push((thread.into(), Arc::clone(&heart)));
        heart
    }

    /// Forgets a thread that has ended as it should.
    pub fn forget(&self, heart: &Arc<Heart>) {
        lock(&self.hearts).retain(|(_, other)| !Arc::ptr_eq(heart, other));
    }

    /// Notes a fault; tells whether it is news.
    pub fn raise(&self, concern: Concern, reason: impl Into<String>) -> bool {
        let reason = reason.into();
        let before = lock(&self.concerns).insert(concern, reason.clone());
        before.as_ref() != Some(&reason)
    }

    /// Notes that a fault is over; tells whether there was one.
    pub fn clear(&self, concern: Concern) -> bool {
        lock(&self.concerns).remove(&concern).is_some()
    }

    /// Notes that something makes detection worse; tells whether that is news.
    pub fn degrade(&self, what: Degradation, topic: &str, message: String) -> bool {
        lock(&self.degradations).insert((what, topic.to_owned()), message).is_none()
    }

    /// Notes that something is well again; tells whether it was not.
    pub fn recover(&self, what: Degradation, topic: &str) -> bool {
        lock(&self.degradations).remove(&(what, topic.to_owned())).is_some()
    }

    /// Returns what makes detection worse, in words; empty if nothing does.
    pub fn degraded(&self) -> Vec<String> {
        lock(&self.degradations).values().cloned().collect()
    }

    /// Returns how many topics something is wrong with.
    pub fn degraded_topics(&self, what: Degradation) -> usize {
        lock(&self.degradations).keys().filter(|(other, _)| *other == what).count()
    }

    /// Tells whether there is such a fault.
    pub fn has(&self, concern: Concern) -> bool {
        lock(&self.concerns).contains_key(&concern)
    }

    /// Notes that a broker has answered, whatever the answer was.
    pub fn set_answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Notes whether we are a settled member of the group.
    pub fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    /// Notes how long a replay may take; only the first word counts.
    pub fn set_replay_budget(&self, budget: Duration) {
        self.replay_budget.set(budget).ok();
    }

    /// Returns how long a replay may take.
    pub fn replay_budget(&self) -> Duration {
        self.replay_budget.get().copied().unwrap_or(REPLAY_BUDGET)
    }

    /// Notes that the end has begun.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Returns why the service is not ready; empty if it is.
    pub fn readiness(&self, partitions: &Partitions) -> Vec<String> {
        let mut reasons: Vec<String> = lock(&self.concerns).values().cloned().collect();
        if self.stopping.load(Ordering::Relaxed) {
            reasons.push("stopping".to_owned());
        }
        if !self.answered.load(Ordering::Relaxed) && !self.has(Concern::Brokers) {
            reasons.push("no broker has answered yet".to_owned());
        }
        if !self.joined.load(Ordering::Relaxed) {
            reasons.push("not yet a settled member of the consumer group".to_owned());
        }
        reasons.extend(partitions.long_replays(self.replay_budget()));
        reasons.extend(partitions.stuck_outputs());
        reasons
    }

    /// Returns which threads are stuck; empty if none is.
    pub fn liveness(&self) -> Vec<String> {
        let now = now_millis();
        lock(&self.hearts)
            .iter()
            .map(|(thread, heart)| (thread, heart.silent_for(now)))
            .filter(|(_, silent)| *silent > STUCK)
            .map(|(thread, silent)| {
                format!("thread `{thread}` has made no progress for {} s", silent.as_secs())
            })
            .collect()
    }

    /// Returns how long the slowest thread has been silent.
    pub fn longest_silence(&self) -> Duration {
        let now = now_millis();
        let hearts = lock(&self.hearts);
        hearts.iter().map(|(_, heart)| heart.silent_for(now)).max().unwrap_or_default()
    }
}

impl Heart {
    /// Gives a sign of life.
    pub fn beat(&self) {
        self.0.store(now_millis(), Ordering::Relaxed);
    }

    fn silent_for(&self, now: u64) -> Duration {
        Duration::from_millis(now.saturating_sub(self.0.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Origin;
    use crate::kafka::state::partitions::PartitionState;

    #[test]
    fn concern_keeps_the_service_from_being_ready_until_it_is_cleared() {
        let (health, partitions) = (Health::default(), Partitions::default());
        health.set_answered();
        health.set_joined(true);
        assert_eq!(health.readiness(&partitions), Vec::<String>::new());
        assert!(health.raise(Concern::Topics, "topic `a` does not exist"));
        assert!(!health.raise(Concern::Topics, "topic `a` does not exist"));
        assert_eq!(health.readiness(&partitions), ["topic `a` does not exist"]);
        assert!(health.clear(Concern::Topics));
        assert_eq!(health.readiness(&partitions), Vec::<String>::new());
    }

    #[test]
    fn degraded_is_ready_and_told_once() {
        let (health, partitions) = (Health::default(), Partitions::default());
        health.set_answered();
        health.set_joined(true);
        let degrade = |text: &str| health.degrade(Degradation::Retention, "a", text.to_owned());
        assert!(degrade("short") && !degrade("shorter"));
        assert_eq!(health.readiness(&partitions), Vec::<String>::new());
        assert_eq!(health.degraded(), ["shorter"]);
        assert_eq!(health.degraded_topics(Degradation::Retention), 1);
        assert!(!health.recover(Degradation::Partitioning, "a"));
        assert!(health.recover(Degradation::Retention, "a"));
        assert_eq!(health.degraded(), Vec::<String>::new());
    }

    #[test]
    fn long_replay_keeps_the_service_from_being_ready() {
        let (health, partitions) = (Health::default(), Partitions::default());
        health.set_answered();
        health.set_joined(true);
        health.set_replay_budget(Duration::ZERO);
        let state = Arc::new(PartitionState::starting(5, Some(9)));
        let origin = Origin { topic: "t".into(), partition: 3 };
        partitions.add(&origin, &state);
        assert_eq!(health.readiness(&partitions), Vec::<String>::new());
        state.replay_left.store(4, Ordering::Relaxed);
        state.replay_began.store(now_millis(), Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(partitions.longest_replay(Duration::ZERO), Some(origin));
        let reasons = health.readiness(&partitions);
        assert!(reasons[0].contains("`t` [3]") && reasons[0].ends_with("4 left"), "{reasons:?}");
    }
}
