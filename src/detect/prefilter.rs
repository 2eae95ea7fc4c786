//! When a record is rejected by its bytes, without being decoded, and what a detector learns of it then.
//!
//! What is decided never depends on the prefilter: a rejected record moves the clock by its stamp as it
//! would otherwise, and satisfies no stage. What records tell beside that (shape, host, validity) is
//! learnt from a sample: those at every 64th offset, the same in every life of a detector.

use super::Detector;
use super::boundary::{Input, Options, Past, Record, Stamp};
use super::gate::{Gate, Prefiltering};
use crate::rule::set::RuleSet;

/// Every record at an offset that this divides is decoded.
const SAMPLE: i64 = 64;

/// Returns the gate of detectors of a rule set; nothing if no record may be rejected.
pub(super) fn gate(rules: &RuleSet, options: &Options) -> Option<Gate> {
    rules.prefilter()?;
    // Where the input has a first and a last event, absences rest on when these were.
    let rests_on_ends =
        options.past == Past::Nothing && rules.rules().iter().any(|rule| rule.plan.has_absence());
    let is_wanted = options.prefiltering != Prefiltering::Off && !rests_on_ends;
    is_wanted.then(|| Gate::new(options.prefiltering))
}

impl Detector {
    /// Tells that a record satisfies no stage, and that nothing else is asked of it.
    pub(super) fn rejects(&mut self, record: &Record<'_>) -> bool {
        self.judge.has_gate() && !self.must_be_decoded(record) && self.judge.rejects(record.payload)
    }

    /// Tells whether more is asked of a record than whether it satisfies a stage: by its offset and by
    /// what its stamp does to the clock, never by what it holds.
    pub(super) fn must_be_decoded(&self, record: &Record<'_>) -> bool {
        record.offset % SAMPLE == 0 || !self.moves_clock_by_stamp(record)
    }

    /// Tells whether its stamp alone moves the clock as the record would.
    pub(super) fn moves_clock_by_stamp(&self, record: &Record<'_>) -> bool {
        match record.stamp.plausible() {
            _ if self.options.input == Input::Bounded => true,
            Stamp::Append(_) => true,
            Stamp::Create(stated) => !self.clock.asks_for_host(stated, self.options.max_skew),
            Stamp::None => false,
        }
    }

    /// Takes note of a record that was rejected.
    pub(super) fn note_rejected(&mut self, record: &Record<'_>) {
        self.noticed.host = None;
        self.stats.prefiltered += 1;
        self.move_clock_by_stamp(record);
    }
}
