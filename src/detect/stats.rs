//! What a detector counts, as plain numbers: whoever runs it turns them into metrics.

use super::finding::InputEnd;
use crate::normalize::{Envelope, Shape};
use crate::rule::cost::Cost;
use crate::sequence::Counts;

/// Why a record was a dead letter.
pub const DEAD_LETTER_REASONS: [&str; 5] =
    ["null_payload", "too_large", "invalid_json", "too_deep", "no_source"];

/// What a detector has counted since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records taken in, replayed ones included.
    pub records: u64,
    /// Of these, records that were replayed to rebuild the state.
    pub replayed: u64,
    /// Bytes of the records.
    pub bytes: u64,
    /// Records that were told by their bytes to satisfy no stage, and not decoded: nothing that
    /// follows counts them.
    pub prefiltered: u64,
    /// Records by how they are laid out, in the order of [`Shape::ALL`].
    pub shapes: [u64; Shape::ALL.len()],
    /// Records that another machine has collected.
    pub forwarded: u64,
    /// Of these, records whose collector passes its `host.id` off as theirs.
    pub foreign_ids: u64,
    /// Times that a `host.id` was found to be shared by two machines.
    pub shared_ids: u64,
    /// Unreadable records, by the index of their reason in [`DEAD_LETTER_REASONS`].
    pub dead_letters: [u64; DEAD_LETTER_REASONS.len()],
    /// Readable records without any host.
    pub no_host: u64,
    /// Readable records without a time, which no rule sees.
    pub no_event_time: u64,
    /// Events that satisfied a stage.
    pub admitted: u64,
    /// Join keys refused because an event's lists expand to too many.
    pub refused_keys: u64,
    /// Entries of the journal that were given to rules to rebuild their state.
    pub restored: u64,
    /// Records of the journal that are no entries, or that could not be read any more.
    pub unreadable_entries: u64,
    /// Events that are too large for the journal: after a restart they are not known.
    pub unkept_entries: u64,
    /// Advances of idle time that found no room in the metadata.
    pub idle_refused: u64,
    /// By rule, in the order of the rule set.
    pub rules: Vec<RuleStats>,
}

/// What one rule has counted, and how much it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleStats {
    /// Matches, each once; matches during a replay are not counted.
    pub matches: u64,
    /// Of these, matches whose alert was suppressed.
    pub suppressed: u64,
    /// Alerts with an absence that looks back beyond the first event of a bounded input.
    pub resting_on_first: u64,
    /// Alerts with an absence that looks ahead beyond the last event of a bounded input.
    pub resting_on_last: u64,
    /// Conditions of stages and exceptions that would have taken too much work to decide.
    pub undecided: u64,
    /// Events that its sequences took in, each once for each of its join keys: second deliveries too.
    pub candidates: u64,
    /// What its conditions have cost; nothing where that is not counted.
    pub cost: Cost,
    /// What its sequences have counted.
    pub sequences: Counts,
}

/// What a detector holds at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Join keys, over all rules.
    pub keys: usize,
    /// About how many bytes of memory the state takes.
    pub bytes: usize,
    /// The same without the kept events.
    pub bytes_beside_events: usize,
    /// Sequences that have started and not finished, by rule.
    pub pending: Vec<usize>,
}

impl RuleStats {
    /// Counts a match and what becomes of it.
    pub(super) fn count_match(&mut self, is_suppressed: bool, rests_on: Option<InputEnd>) {
        self.matches += 1;
        match (is_suppressed, rests_on) {
            (true, _) => self.suppressed += 1,
            (false, Some(InputEnd::First)) => self.resting_on_first += 1,
            (false, Some(InputEnd::Last)) => self.resting_on_last += 1,
            (false, None) => {}
        }
    }
}

impl Stats {
    pub(super) fn count_envelope(&mut self, envelope: &Envelope) {
        self.shapes[envelope.shape.index()] += 1;
        self.no_host += u64::from(envelope.host.is_none());
        self.forwarded += u64::from(envelope.is_forwarded);
        self.foreign_ids += u64::from(envelope.has_foreign_id);
    }

    /// Returns the number of records of a shape.
    pub fn of_shape(&self, shape: Shape) -> u64 {
        self.shapes[shape.index()]
    }

    pub(super) fn count_dead_letter(&mut self, reason: &str) {
        if let Some(index) = DEAD_LETTER_REASONS.iter().position(|known| *known == reason) {
            self.dead_letters[index] += 1;
        }
    }

    /// Returns the number of unreadable records.
    pub fn dead_letter_count(&self) -> u64 {
        self.dead_letters.iter().sum()
    }

    /// Adds what the rules have cost, in their order.
    pub(super) fn add_costs(&mut self, costs: &[Cost]) {
        self.rules.resize(self.rules.len().max(costs.len()), RuleStats::default());
        for (rule, cost) in self.rules.iter_mut().zip(costs) {
            rule.cost.add(cost);
        }
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.replayed += other.replayed;
        self.bytes += other.bytes;
        self.prefiltered += other.prefiltered;
        for (sum, count) in self.shapes.iter_mut().zip(other.shapes) {
            *sum += count;
        }
        self.forwarded += other.forwarded;
        self.foreign_ids += other.foreign_ids;
        self.shared_ids += other.shared_ids;
        for (sum, count) in self.dead_letters.iter_mut().zip(other.dead_letters) {
            *sum += count;
        }
        self.no_host += other.no_host;
        self.no_event_time += other.no_event_time;
        self.admitted += other.admitted;
        self.refused_keys += other.refused_keys;
        self.restored += other.restored;
        self.unreadable_entries += other.unreadable_entries;
        self.unkept_entries += other.unkept_entries;
        self.idle_refused += other.idle_refused;
        self.rules.resize(self.rules.len().max(other.rules.len()), RuleStats::default());
        for (sum, rule) in self.rules.iter_mut().zip(&other.rules) {
            sum.matches += rule.matches;
            sum.suppressed += rule.suppressed;
            sum.resting_on_first += rule.resting_on_first;
            sum.resting_on_last += rule.resting_on_last;
            sum.undecided += rule.undecided;
            sum.candidates += rule.candidates;
            sum.cost.add(&rule.cost);
            sum.sequences = sum.sequences.plus(rule.sequences);
        }
    }
}
