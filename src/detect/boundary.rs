//! What goes into a detector and what comes out of it: plain data.

use std::sync::Arc;

use super::finding::Finding;
use super::forward::{Forward, Rekey, Source};
use super::gate::Prefiltering;
pub use crate::event::Stamp;
use crate::event::{Place, TimeSpan};
pub use crate::recovery::JournalRecord;
pub use crate::sequence::Input;

/// The topic and partition that a detector reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Topic, or path of a file.
    pub topic: Arc<str>,
    /// Partition; 0 for a file.
    pub partition: i32,
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
    /// Where it stood before it was forwarded; nothing where it was not, or does not say it.
    pub source: Option<Source<'a>>,
}

/// What lies before the first record that a detector is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Nothing: the input begins here, as a file does.
    Nothing,
    /// Records that it does not see: an absence that looks back into them is undecidable.
    Unseen,
}

/// Limits and switches of a detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Step of the partition's clock that needs a second host's word.
    pub max_skew: TimeSpan,
    /// Largest record in bytes; a larger one is a dead letter.
    pub max_record_bytes: usize,
    /// Deepest nesting of a record's JSON; a deeper one is a dead letter.
    pub max_nesting: usize,
    /// Keys of a partition of which each rule may take its share.
    pub max_keys: usize,
    /// Most events per rule and key: everything that is held or remembered counts.
    pub max_candidates_per_key: usize,
    /// Most join keys that one event's lists may expand to.
    pub max_key_expansion: usize,
    /// Most bytes of state per partition.
    pub max_bytes: usize,
    /// What part of `max_keys` and `max_bytes` one rule may take, in hundredths: 1 to 100.
    pub max_rule_share_percent: u32,
    /// Most bytes of state in all partitions of an instance: what their [`Budget`](super::Budget)
    /// is made of.
    pub max_total_bytes: usize,
    /// Largest record in bytes that the journal keeps: the topics allow no larger ones.
    pub max_alert_bytes: usize,
    /// Whether matches that suppression leaves out are handed out too, marked as such.
    pub shows_suppressed: bool,
    /// Whether the input ends, and is decided then.
    pub input: Input,
    /// What lies before the first record.
    pub past: Past,
    /// Who runs it: a name that stands in the metadata.
    pub owner: String,
    /// Rules with a longer maxspan are recovered from the journal; without it, none.
    pub journal_beyond: Option<TimeSpan>,
    /// How rules are re-keyed that ask for it; nothing if they are not.
    pub rekey: Option<Rekey>,
    /// Whether records may be rejected by their bytes.
    pub prefiltering: Prefiltering,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_skew: TimeSpan::from_secs(120),
            max_record_bytes: 8 << 20,
            max_nesting: 64,
            max_keys: 200_000,
            max_candidates_per_key: 65_536,
            max_key_expansion: 64,
            max_bytes: 256 << 20,
            max_rule_share_percent: 25,
            max_total_bytes: 256 << 20,
            max_alert_bytes: 900_000,
            shows_suppressed: false,
            input: Input::Stream,
            past: Past::Unseen,
            owner: "maxspan".to_owned(),
            journal_beyond: None,
            rekey: None,
            prefiltering: Prefiltering::default(),
        }
    }
}

/// A record that could not be read, for the dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why, as one of a few constant words: `invalid_json`, `too_large`, `null_payload`, `too_deep`,
    /// `no_source`, `internal`.
    pub reason: &'static str,
    /// Where it stood first, if it was forwarded; else in the detector's own partition.
    pub place: Option<Arc<Place>>,
    /// Where it stood.
    pub offset: i64,
    /// Its size in bytes.
    pub original_size: usize,
    /// The first 256 KiB of it.
    pub value: Arc<[u8]>,
}

/// Something that must be made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A match, to be written as an alert.
    Finding(Arc<Finding>),
    /// An unreadable record.
    DeadLetter(DeadLetter),
    /// What a rule of the long lane has admitted.
    Journal(JournalRecord),
    /// A record for another partition, or how far this one has come.
    Forward(Forward),
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
