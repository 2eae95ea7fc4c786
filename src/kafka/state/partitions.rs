//! The assigned partitions: what their owners publish of them, for health, metrics and the API.
//!
//! Never asks a broker.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashmap::DashMap;
use serde::Serialize;

use super::clock::now_millis;
use super::lock::lock;
use crate::detect::Origin;

/// Output that waits for longer than this keeps the service from being ready.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(30);

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
    /// Since when the oldest output waits that is not durable yet; 0 if none does.
    pub output_since: AtomicU64,
    /// Where reading for output began, for as long as nothing is committed.
    pub first: AtomicI64,
    /// Position and end when brokers refused to let it be read; nothing if they do not.
    refused: Mutex<Option<(i64, i64)>>,
}

/// A partition as the API shows it.
#[derive(Clone, Debug, PartialEq, PartialOrd, Serialize)]
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
    /// Records between what is done with and the end; none if all that is left are markers. As long
    /// as output waits that is not durable yet, what is committed is done with, and no more.
    pub lag: Option<i64>,
    /// Whether records before the committed position are being replayed.
    pub replaying: bool,
    /// Output that is not durable yet.
    pub outbox: u64,
    /// For how many seconds the oldest of it has waited.
    pub output_age_seconds: f64,
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
        views.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        views
    }

    /// Returns for how long the oldest output of all partitions has waited that is not durable yet.
    pub fn output_age(&self) -> Duration {
        let now = now_millis();
        self.0.iter().map(|entry| entry.output_age(now)).max().unwrap_or_default()
    }

    /// Tells whether brokers refuse to let a partition be read.
    pub(in crate::kafka) fn any_refused(&self) -> bool {
        self.0.iter().any(|entry| lock(&entry.refused).is_some())
    }

    /// Says which partition has output that waits for longer than it ever should.
    pub(in crate::kafka) fn stuck_outputs(&self) -> Vec<String> {
        let now = now_millis();
        let ages = self.0.iter().map(|entry| (entry.output_age(now), name(entry.key())));
        let mut reasons: Vec<String> = ages
            .filter(|(age, _)| *age > OUTPUT_PATIENCE)
            .map(|(age, place)| format!("output of {place} waits for {} s", age.as_secs()))
            .collect();
        reasons.sort();
        reasons
    }

    /// Returns the partition whose replay has taken longest, if that is longer than allowed.
    pub fn longest_replay(&self, budget: Duration) -> Option<Origin> {
        let now = now_millis();
        let replays = self.0.iter().map(|entry| (entry.replaying_for(now), entry.key().clone()));
        let long = replays.filter(|(elapsed, _)| *elapsed > budget);
        long.max_by_key(|(elapsed, _)| *elapsed).map(|(_, origin)| origin)
    }

    pub(in crate::kafka) fn long_replays(&self, budget: Duration) -> Vec<String> {
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
        state.first.store(committed.unwrap_or(start), Ordering::Relaxed);
        state.end.store(-1, Ordering::Relaxed);
        state
    }

    /// Notes that brokers refuse to let it be read.
    pub(in crate::kafka) fn note_refusal(&self) {
        *lock(&self.refused) = Some(self.place());
    }

    /// Notes whether it has been read since brokers refused that: they do not say so, but the position
    /// moves, or the end.
    pub(in crate::kafka) fn note_readable_since_refusal(&self) {
        lock(&self.refused).take_if(|refused| *refused != self.place());
    }

    fn place(&self) -> (i64, i64) {
        (self.position.load(Ordering::Relaxed), self.end.load(Ordering::Relaxed))
    }

    /// Returns how many records are not done with: not read yet, or read and their output not
    /// durable.
    pub fn lag(&self) -> Option<i64> {
        let (end, position) =
            (self.end.load(Ordering::Relaxed), self.position.load(Ordering::Relaxed));
        let unread = match self.at_end.load(Ordering::Relaxed) {
            _ if end < 0 => return None,
            // Behind the last record only the markers of transactions may be left.
            seen if seen > 0 => 0,
            _ => (end - position).max(0),
        };
        let undone = match self.output_since.load(Ordering::Relaxed) {
            0 => 0,
            _ => (position - self.done_until()).max(0),
        };
        Some(unread + undone)
    }

    /// Returns the position up to which all output is durable.
    fn done_until(&self) -> i64 {
        match self.committed.load(Ordering::Relaxed) {
            committed if committed >= 0 => committed,
            _ => self.first.load(Ordering::Relaxed),
        }
    }

    /// Returns for how long the oldest output has waited that is not durable yet.
    pub fn output_age(&self, now: u64) -> Duration {
        match self.output_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(now.saturating_sub(since)),
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
            output_age_seconds: self.output_age(now_millis()).as_secs_f64(),
        }
    }
}

/// Returns how messages name a partition.
pub(in crate::kafka) fn name(origin: &Origin) -> String {
    format!("`{}` [{}]", origin.topic, origin.partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_ignores_markers_behind_the_last_record() {
        let state = PartitionState::starting(5, None);
        assert_eq!(state.lag(), None);
        state.end.store(9, Ordering::Relaxed);
        assert_eq!(state.lag(), Some(4));
        state.at_end.store(1, Ordering::Relaxed);
        assert_eq!(state.lag(), Some(0));
    }

    #[test]
    fn refusal_is_over_when_the_partition_is_read() {
        let partitions = Partitions::default();
        let state = Arc::new(PartitionState::starting(5, None));
        partitions.add(&Origin { topic: "t".into(), partition: 0 }, &state);
        state.note_refusal();
        state.note_readable_since_refusal();
        assert!(partitions.any_refused(), "nothing has been read");
        state.end.store(5, Ordering::Relaxed);
        state.note_readable_since_refusal();
        assert!(!partitions.any_refused(), "an answer told the end");
    }

    #[test]
    fn records_whose_output_waits_are_not_done_with() {
        let state = PartitionState::starting(5, None);
        state.end.store(20, Ordering::Relaxed);
        state.position.store(12, Ordering::Relaxed);
        assert_eq!(state.lag(), Some(8));
        state.output_since.store(now_millis().max(1), Ordering::Relaxed);
        assert_eq!(state.lag(), Some(15));
        state.committed.store(9, Ordering::Relaxed);
        state.at_end.store(1, Ordering::Relaxed);
        assert_eq!(state.lag(), Some(3));
        state.output_since.store(0, Ordering::Relaxed);
        assert_eq!(state.lag(), Some(0));
    }
}
