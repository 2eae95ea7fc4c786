//! The detector of one partition: normalize, predicates, sequences, alerts.
//!
//! Pure: never reads a clock, a file or the network. Whoever owns the partition feeds it records
//! in offset order, makes its output durable, and only then tells it so.

use std::sync::Arc;

pub use crate::alert::AlertRecord;
use crate::event::{EventTime, TimeSpan};
use crate::rule::set::RuleSet;

/// The topic and partition that a detector reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Topic, or path of a file.
    pub topic: Arc<str>,
    /// Partition; 0 for a file.
    pub partition: i32,
}

/// The broker's timestamp of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The broker's own time of appending: the clock of the partition.
    Append(EventTime),
    /// A time that the producer chose.
    Create(EventTime),
    /// None, as in a file: the event time takes its place.
    None,
}

/// One record of the input.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Offset in the partition, or number of the line in a file.
    pub offset: i64,
    /// The broker's timestamp.
    pub stamp: Stamp,
    /// The value; nothing for a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// Limits and switches of a detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Step of the partition's clock (and lag of a key's) that needs a second host's word.
    pub max_skew: TimeSpan,
    /// Largest record in bytes; a larger one is a dead letter.
    pub max_record_bytes: usize,
    /// Deepest nesting of a record's JSON; a deeper one is a dead letter.
    pub max_nesting: usize,
    /// Most keys that are kept per partition, over all rules.
    pub max_keys: usize,
    /// Most candidates that are kept per rule and key.
    pub max_candidates_per_key: usize,
    /// Most join keys that one event's lists may expand to.
    pub max_key_expansion: usize,
    /// Most bytes of records that are kept per partition.
    pub max_bytes: usize,
    /// Largest alert in bytes; a larger one leaves event bodies out.
    pub max_alert_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_skew: TimeSpan::from_secs(120),
            max_record_bytes: 8 << 20,
            max_nesting: 64,
            max_keys: 200_000,
            max_candidates_per_key: 4_096,
            max_key_expansion: 64,
            max_bytes: 256 << 20,
            max_alert_bytes: 900_000,
        }
    }
}

/// A record that could not be read, for the dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why, as one of a few constant words: `invalid_json`, `too_large`, `null_payload`, `too_deep`.
    pub reason: &'static str,
    /// Where it stood.
    pub offset: i64,
    /// Its size in bytes.
    pub original_size: usize,
    /// The first 256 KiB of it.
    pub value: Vec<u8>,
}

/// Something that must be made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A match.
    Alert(AlertRecord),
    /// An unreadable record.
    DeadLetter(DeadLetter),
}

/// A point up to which everything is done once its output is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The offset to commit: the next record to process.
    pub position: i64,
    /// The metadata to commit with it: how to rebuild the state.
    pub metadata: String,
    /// How many items of the outbox belong to it.
    pub outputs: usize,
}

/// What a detector has counted since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records taken in, replayed ones included.
    pub records: u64,
}

/// One partition's detector.
pub struct Detector {
    rules: Arc<RuleSet>,
    origin: Origin,
    options: Options,
}

impl Detector {
    /// Returns a detector without any state that starts with the next record it is given.
    pub fn new(rules: Arc<RuleSet>, origin: Origin, options: Options) -> Self {
        Self { rules, origin, options }
    }

    /// Returns a detector that rebuilds the state of a committed cut: its owner then feeds it the
    /// records from [`read_from`](Self::read_from) on, and it gives no output before `position`.
    ///
    /// Foreign, broken or future metadata counts as none: the state starts empty at `position`,
    /// and the second value says why.
    pub fn resume(
        rules: Arc<RuleSet>,
        origin: Origin,
        options: Options,
        position: i64,
        metadata: &str,
    ) -> (Self, Option<String>) {
        let _ = (position, metadata);
        (Self::new(rules, origin, options), None)
    }

    /// Returns the offset of the first record that the detector wants; nothing if any will do.
    pub fn read_from(&self) -> Option<i64> {
        todo!()
    }

    /// Tells whether records before the committed position are still being replayed.
    pub fn is_replaying(&self) -> bool {
        todo!()
    }

    /// Takes in the next record.
    pub fn on_record(&mut self, record: &Record<'_>) {
        let _ = (record, &self.rules, &self.origin, &self.options);
        todo!()
    }

    /// Lets time run on while the partition is idle: `elapsed` is how long the owner has waited at
    /// the end of the partition since the last record (or since it first found itself there).
    pub fn advance_idle(&mut self, elapsed: TimeSpan) {
        let _ = elapsed;
        todo!()
    }

    /// Ends the input: closes every window, as a batch engine would.
    pub fn finish(&mut self) {
        todo!()
    }

    /// Returns the output that has not been accepted yet, oldest first.
    pub fn outbox(&self) -> &[Output] {
        todo!()
    }

    /// Returns the cut at the present position.
    pub fn cut(&mut self) -> Cut {
        todo!()
    }

    /// Forgets the output of a cut: it is durable.
    pub fn accept(&mut self, cut: &Cut) {
        let _ = cut;
        todo!()
    }

    /// Returns what was counted since the last call, and starts counting anew.
    pub fn take_stats(&mut self) -> Stats {
        todo!()
    }
}
