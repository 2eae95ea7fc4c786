//! The topics as they were last seen: which are missing, which are refused, where records lie.
//!
//! Never asks a broker: `watch` and the assignment do.

use std::sync::{Arc, Mutex, OnceLock};

use super::lock::lock;
use super::placement::Placement;

/// What is known of the topics.
#[derive(Default)]
pub(in crate::kafka) struct Topics {
    /// Where records lie.
    pub(in crate::kafka) placement: Arc<Placement>,
    /// How many partitions the topic of re-keyed events had when it was first looked at.
    rekey_partitions: OnceLock<i32>,
    /// Topics that cannot be read as streams.
    refused: Mutex<Vec<String>>,
    output: Mutex<Output>,
}

/// Whether output may be written: to a topic that is missing it may not, since that would make some
/// brokers create it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::kafka) enum Output {
    /// No broker has named the topics yet: that is told by itself.
    #[default]
    Unknown,
    /// It may.
    Open,
    /// It has to wait.
    Withheld {
        /// A constant word for metrics.
        reason: &'static str,
        /// What to say about it.
        message: String,
    },
}

impl Topics {
    /// Notes how many partitions the topic of re-keyed events has; only the first word counts.
    pub(in crate::kafka) fn learn_rekey_partitions(&self, count: usize) {
        self.rekey_partitions.get_or_init(|| i32::try_from(count).unwrap_or(i32::MAX));
    }

    /// Returns how many partitions the topic of re-keyed events had when it was first looked at.
    pub(in crate::kafka) fn rekey_partitions(&self) -> Option<i32> {
        self.rekey_partitions.get().copied()
    }

    /// Notes which topics cannot be read as streams; tells whether that is news.
    pub(in crate::kafka) fn set_refused(&self, topics: Vec<String>) -> bool {
        let mut refused = lock(&self.refused);
        let is_news = *refused != topics;
        *refused = topics;
        is_news
    }

    /// Tells whether a topic can be read as a stream, as far as is known.
    pub(in crate::kafka) fn is_readable(&self, topic: &str) -> bool {
        !lock(&self.refused).iter().any(|refused| refused == topic)
    }

    /// Notes whether output may be written.
    pub(in crate::kafka) fn set_output(&self, output: Output) {
        *lock(&self.output) = output;
    }

    /// Returns whether output may be written.
    pub(in crate::kafka) fn output(&self) -> Output {
        lock(&self.output).clone()
    }
}
