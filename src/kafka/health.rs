//! What readiness, liveness and the API tell: health of the threads, faults, partitions.
//!
//! Never asks a broker: it only holds what others have found out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use serde::Serialize;

use crate::detect::Origin;

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
    started: AtomicBool,
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

    /// Notes that the brokers have answered for the first time.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
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

    /// Returns why the service has not started yet; empty if it has.
    pub fn startup(&self) -> Vec<String> {
        match self.started.load(Ordering::Relaxed) {
            true => Vec::new(),
            false => vec!["no broker has answered yet".to_owned()],
        }
    }

    /// Returns why the service is not ready; empty if it is.
    pub fn readiness(&self, partitions: &Partitions) -> Vec<String> {
        let mut reasons: Vec<String> = lock(&self.concerns).values().cloned().collect();
        if self.stopping.load(Ordering::Relaxed) {
            reasons.push("stopping".to_owned());
        }
        if !self.joined.load(Ordering::Relaxed) {
            reasons.push("not yet a settled member of the consumer group".to_owned());
        }
        reasons.extend(partitions.long_replays(self.replay_budget()));
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

/// The assigned partitions and what their owners publish. Not on the event path.
#[derive(Default)]
pub struct Partitions(DashMap<Origin, Arc<PartitionState>>);

/// What a partition's owner publishes once a batch.
#[derive(Default)]
pub struct PartitionState {
    /// The next record to process.
    pub position: AtomicI64,
    /// The committed position; -1 if unknown.
    pub committed: AtomicI64,
    /// The last stable offset; -1 if unknown.
    pub end: AtomicI64,
    /// When a fetch answer last showed that all was read; 0 if the last one showed more.
    pub at_end: AtomicU64,
    /// When the replay began; 0 if it is over.
    pub replay_began: AtomicU64,
    /// How many offsets are left to replay.
    pub replay_left: AtomicI64,
    /// Output that is not durable yet.
    pub outbox: AtomicU64,
}

/// A partition as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PartitionView {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next record to process.
    pub position: i64,
    /// The committed position.
    pub committed: Option<i64>,
    /// The last stable offset.
    pub end: Option<i64>,
    /// Records between position and end; none if all that is left are markers.
    pub lag: Option<i64>,
    /// Whether records before the committed position are being replayed.
    pub replaying: bool,
    /// Output that is not durable yet.
    pub outbox: u64,
}

impl Partitions {
    /// Adds a partition.
    pub fn add(&self, origin: &Origin, state: &Arc<PartitionState>) {
        self.0.insert(origin.clone(), Arc::clone(state));
    }

    /// Takes a partition out.
    pub fn remove(&self, origin: &Origin) {
        self.0.remove(origin);
    }

    /// Returns what a partition's owner has published.
    pub fn find(&self, origin: &Origin) -> Option<Arc<PartitionState>> {
        self.0.get(origin).map(|entry| Arc::clone(&entry))
    }

    /// Returns the assigned partitions by topic and number.
    pub fn origins(&self) -> Vec<Origin> {
        let mut origins: Vec<Origin> = self.0.iter().map(|entry| entry.key().clone()).collect();
        origins.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        origins
    }

    /// Returns all partitions as the API shows them, by topic and number.
    pub fn view(&self) -> Vec<PartitionView> {
        let mut views: Vec<PartitionView> =
            self.0.iter().map(|entry| entry.value().view(entry.key())).collect();
        views.sort();
        views
    }

    /// Returns the partition whose replay has taken longest, if that is longer than allowed.
    pub fn longest_replay(&self, budget: Duration) -> Option<Origin> {
        let now = now_millis();
        let replays = self.0.iter().map(|entry| (entry.replaying_for(now), entry.key().clone()));
        let long = replays.filter(|(elapsed, _)| *elapsed > budget);
        long.max_by_key(|(elapsed, _)| *elapsed).map(|(_, origin)| origin)
    }

    fn long_replays(&self, budget: Duration) -> Vec<String> {
        let now = now_millis();
        let mut reasons: Vec<String> = self
            .0
            .iter()
            .filter(|entry| entry.replaying_for(now) > budget)
            .map(|entry| {
                let (place, left) = (name(entry.key()), entry.replay_left.load(Ordering::Relaxed));
                format!(
                    "{place} is being replayed for longer than `kafka.replay_budget`: {left} left"
                )
            })
            .collect();
        reasons.sort();
        reasons
    }
}

impl PartitionState {
    /// Returns the state of a partition that will be read from `start`, with `position` committed.
    pub fn starting(start: i64, committed: Option<i64>) -> Self {
        let state = Self::default();
        state.position.store(start, Ordering::Relaxed);
        state.committed.store(committed.unwrap_or(-1), Ordering::Relaxed);
        state.end.store(-1, Ordering::Relaxed);
        state
    }

    /// Returns how many records are left to process.
    pub fn lag(&self) -> Option<i64> {
        let end = self.end.load(Ordering::Relaxed);
        match self.at_end.load(Ordering::Relaxed) {
            _ if end < 0 => None,
            // Behind the last record only the markers of transactions may be left.
            seen if seen > 0 => Some(0),
            _ => Some((end - self.position.load(Ordering::Relaxed)).max(0)),
        }
    }

    fn replaying_for(&self, now: u64) -> Duration {
        match self.replay_began.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            began => Duration::from_millis(now.saturating_sub(began)),
        }
    }

    fn view(&self, origin: &Origin) -> PartitionView {
        let known =
            |value: &AtomicI64| Some(value.load(Ordering::Relaxed)).filter(|number| *number >= 0);
        PartitionView {
            topic: origin.topic.to_string(),
            partition: origin.partition,
            position: self.position.load(Ordering::Relaxed),
            committed: known(&self.committed),
            end: known(&self.end),
            lag: self.lag(),
            replaying: self.replay_began.load(Ordering::Relaxed) > 0,
            outbox: self.outbox.load(Ordering::Relaxed),
        }
    }
}

/// Returns how messages name a partition.
pub(super) fn name(origin: &Origin) -> String {
    format!("`{}` [{}]", origin.topic, origin.partition)
}

/// Returns the milliseconds since the process first asked; never 0, never backwards.
pub(super) fn now_millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Locks, whatever happened to whoever held the lock before: all our guarded data is plain.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concern_keeps_the_service_from_being_ready_until_it_is_cleared() {
        let (health, partitions) = (Health::default(), Partitions::default());
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

    #[test]
    fn lag_ignores_markers_behind_the_last_record() {
        let state = PartitionState::starting(5, None);
        assert_eq!(state.lag(), None);
        state.end.store(9, Ordering::Relaxed);
        assert_eq!(state.lag(), Some(4));
        state.at_end.store(1, Ordering::Relaxed);
        assert_eq!(state.lag(), Some(0));
    }
}
