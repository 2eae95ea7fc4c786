//! What all detectors of a process have in common, and the one place where detectors are made.
//!
//! Never reads a configuration: whoever has one hands in rules and options.

use std::sync::Arc;

use super::judge::Judge;
use super::screen::Screen;
use super::{Detector, Options, Origin, Past, Rekey, prefilter};
use crate::rule::cost::NanoClock;
use crate::rule::set::RuleSet;
use crate::sequence::Input;

/// Rules, and how detectors run them. Made once for a process; a clone shares the rules.
#[derive(Clone, Debug)]
pub struct Engine {
    rules: Arc<RuleSet>,
    options: Options,
    clock: Option<NanoClock>,
}

impl Engine {
    /// Returns the engine of a service.
    pub fn new(rules: Arc<RuleSet>, options: Options) -> Self {
        Self { rules, options, clock: None }
    }

    /// Returns the same engine for input that has a beginning and an end, such as a file: sequences
    /// are decided at the end, so that the order of the records has no say in what matches.
    #[must_use]
    pub fn for_bounded_input(self) -> Self {
        let alone = self.for_recorded_stream();
        Self { options: Options { input: Input::Bounded, ..alone.options }, ..alone }
    }

    /// Returns the same engine for a recording that is to be read as the stream that it was: matches
    /// leave as they would have left then.
    ///
    /// The input is the whole past, and no other life of a detector reads it: nothing is kept in a
    /// journal or awaited from one, and no event is forwarded to another partition.
    #[must_use]
    pub fn for_recorded_stream(self) -> Self {
        let options =
            Options { past: Past::Nothing, journal_beyond: None, rekey: None, ..self.options };
        Self { options, ..self }
    }

    /// Returns the same engine with events re-keyed in this way.
    #[must_use]
    pub fn with_rekeying(self, rekey: Option<Rekey>) -> Self {
        Self { options: Options { rekey, ..self.options }, ..self }
    }

    /// Returns the same engine whose detectors hand out what suppression leaves out, marked as such.
    #[must_use]
    pub fn showing_suppressed(self) -> Self {
        Self { options: Options { shows_suppressed: true, ..self.options }, ..self }
    }

    /// Returns the same engine that counts what each rule costs, by a clock that is read now and then.
    #[must_use]
    pub fn profiling(self, clock: NanoClock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Returns a detector without any state.
    pub fn detector(&self, origin: Origin) -> Detector {
        self.equip(Detector::new(Arc::clone(&self.rules), origin, self.options.clone()))
    }

    fn equip(&self, mut detector: Detector) -> Detector {
        if let Some(clock) = self.clock {
            detector.profile(clock);
        }
        detector
    }

    /// Returns a detector that rebuilds the state of a committed cut: see [`Detector::resume`].
    pub fn resume(
        &self,
        origin: Origin,
        position: i64,
        metadata: &str,
    ) -> (Detector, Option<String>) {
        let (rules, options) = (Arc::clone(&self.rules), self.options.clone());
        let (detector, complaint) = Detector::resume(rules, origin, options, position, metadata);
        (self.equip(detector), complaint)
    }

    /// Returns what judges records ahead of these detectors: one for each thread.
    pub fn screen(&self) -> Screen {
        let gate = prefilter::gate(&self.rules, &self.options);
        let rules = Arc::clone(&self.rules);
        let mut judge = Judge::new(rules, self.options.max_record_bytes, gate);
        if let Some(clock) = self.clock {
            judge.profile(clock);
        }
        Screen::new(judge)
    }

    /// Returns the rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Returns how detectors run.
    pub fn options(&self) -> &Options {
        &self.options
    }
}
