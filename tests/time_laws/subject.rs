//! Whom the laws are put to: the product, or the model that stands in for it.

use maxspan::detect::{Detector, Engine, Output, Record};

use crate::case::{Counts, count};
use crate::product::{origin, span};
use crate::tape::{Tape, model_time};
use crate::time::batch::Match;

/// Use: `record` and `idle` as it happens, `take` after each; `finish` at the end of a recording.
pub(crate) trait Subject {
    fn record(&mut self, tape: &Tape, place: usize);

    fn idle(&mut self, elapsed: i64);

    fn finish(&mut self);

    /// Returns what has been found since it was last asked.
    fn take(&mut self, tape: &Tape) -> Vec<Told>;

    /// Goes on before a record with nothing but what was committed, and the records.
    fn restart(&mut self, tape: &Tape, place: usize, counts: &mut Counts) -> Result<(), String>;

    /// Returns how many keys it holds anything of.
    fn keys(&self) -> usize;

    /// Returns what its clock shows.
    fn shows(&self) -> i64;
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) rule: usize,
    pub(crate) found: Match,
    pub(crate) is_suppressed: bool,
}

/// The product.
pub(crate) struct Product {
    engine: Engine,
    detector: Detector,
}

impl Product {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { detector: engine.detector(origin()), engine }
    }

    /// Uses other rules from the next restart on.
    pub(crate) fn load(&mut self, engine: Engine) {
        self.engine = engine;
    }
}

impl Subject for Product {
    fn record(&mut self, tape: &Tape, place: usize) {
        feed(&mut self.detector, tape, place);
    }

    fn idle(&mut self, elapsed: i64) {
        self.detector.advance_idle(span(elapsed));
    }

    fn finish(&mut self) {
        self.detector.finish();
    }

    fn take(&mut self, tape: &Tape) -> Vec<Told> {
        told(tape, &self.detector.take_outbox())
    }

    fn restart(&mut self, tape: &Tape, place: usize, counts: &mut Counts) -> Result<(), String> {
        // Nothing can be committed before the first record.
        let Some(cut) = self.detector.cut() else {
            self.detector = self.engine.detector(origin());
            return Ok(());
        };
        if cut.position != place as i64 || !cut.metadata.is_ascii() || cut.metadata.len() > 4_096 {
            return Err(format!("not to be committed before record {place}: {cut:?}"));
        }
        let (mut resumed, complaint) = self.engine.resume(origin(), cut.position, &cut.metadata);
        if let Some(complaint) = complaint {
            return Err(format!("{complaint}: {}", cut.metadata));
        }
        let start = resumed.read_from().unwrap() as usize;
        count(counts, "replayed", place - start);
        count(counts, "not replayed", start);
        (start..place).for_each(|place| feed(&mut resumed, tape, place));
        if !resumed.outbox().is_empty() {
            let told = told(tape, resumed.outbox());
            return Err(format!("a replay from {start} tells of {told:?}"));
        }
        if resumed.is_replaying() {
            return Err(format!("still replays before record {place}"));
        }
        self.detector = resumed;
        Ok(())
    }

    fn keys(&self) -> usize {
        self.detector.held().keys
    }

    fn shows(&self) -> i64 {
        model_time(self.detector.clock().unwrap())
    }
}

pub(crate) fn feed(detector: &mut Detector, tape: &Tape, place: usize) {
    let taped = &tape.records[place];
    let (stamp, payload) = (taped.stamp, Some(taped.payload.as_bytes()));
    detector.on_record(&Record { offset: place as i64, stamp, payload, source: None });
}

pub(crate) fn told(tape: &Tape, outputs: &[Output]) -> Vec<Told> {
    let told = |output: &Output| {
        let Output::Finding(finding) = output else { panic!("{output:?}") };
        let number = |offset: i64| tape.records[offset as usize].delivery.event.number;
        let events = finding.events.iter().map(|event| number(event.offset)).collect();
        let key = finding.key.text().chars().next().unwrap();
        let found = Match { key, events };
        Told { rule: finding.rule, found, is_suppressed: finding.is_suppressed }
    };
    outputs.iter().map(told).collect()
}
