//! Why rules did or did not fire on recorded events.
//!
//! The production detector runs over the records, and what it finds is the truth. Beside it, each
//! rule is watched condition by condition and join key by join key; where a key gave no match, the
//! production sequences are asked what would have had to be otherwise.
//!
//! Pure: never reads a file. Memory is bounded; counts stay exact.
//!
//! ```text
//! record ──> detector ──> matches of each key, suppressed ones marked
//!    └─────> subject: conditions, hits, near misses ───> verdict: what stood in the way
//! ```

use std::sync::Arc;

use crate::detect::{
    Detector, Engine, Finding, FindingEvent, Origin, Output, Record, Stamp, Stats,
};
use crate::event::{Arena, EventTime, Fields};
use crate::rule::set::RuleSet;

mod attempt;
mod build;
mod condition;
mod key;
pub mod report;
mod subject;
mod tally;
pub mod text;
mod track;
mod trial;
mod verdict;

pub use report::Explanation;
pub use track::Place;

use report::Input;
use subject::{Event, Subject};
use tally::Tally;
use track::Found;

/// How many unreadable records are named.
const NAMED_UNREADABLE: usize = 5;
/// How many categories are shown.
const SHOWN_CATEGORIES: usize = 10;

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most keys of a rule.
    pub keys: usize,
    /// Most hits of a key.
    pub hits: usize,
    /// Only keys that have all of these among their parts; all keys if there are none.
    pub wanted: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keys: 10, hits: 12, wanted: Vec::new() }
    }
}

/// Explains rules over records.
pub struct Explainer {
    rules: Arc<RuleSet>,
    engine: Engine,
    limits: Limits,
    subjects: Vec<Subject>,
    input: Input,
    categories: Tally,
    stats: Stats,
    partitions: Vec<String>,
    /// The detector of the partition that was begun.
    current: Option<Detector>,
}

impl Explainer {
    /// Returns an explainer of an engine's rules that has seen nothing.
    ///
    /// The engine is one for [input that ends](Engine::for_bounded_input), or for a
    /// [recorded stream](Engine::for_recorded_stream).
    pub fn new(engine: Engine, limits: Limits) -> Self {
        let engine = engine.showing_suppressed();
        let rules = Arc::clone(engine.rules());
        let count = rules.rules().len();
        let subject = |rule| Subject::new(&rules, rule, &limits.wanted);
        let subjects = (0..count).map(subject).collect();
        Self {
            subjects,
            engine,
            limits,
            input: Input::default(),
            categories: Tally::default(),
            stats: Stats::default(),
            partitions: Vec::new(),
            current: None,
            rules,
        }
    }

    /// Says which files there are; places name them by their index.
    pub fn set_files(&mut self, files: Vec<String>) {
        self.input.files = files;
    }

    /// Begins a partition: what came before it is finished and has nothing to do with it.
    pub fn begin(&mut self, name: &str) {
        self.end();
        self.current = Some(self.engine.detector(Origin { topic: name.into(), partition: 0 }));
        self.partitions.push(name.to_owned());
    }

    /// Takes in the next record of the partition that was begun; offsets ascend.
    pub fn on_record(&mut self, offset: i64, place: Place, payload: &[u8]) {
        let Some(detector) = &mut self.current else { return };
        self.input.records += 1;
        let record = Record { offset, stamp: Stamp::None, payload: Some(payload), source: None };
        detector.on_record(&record);
        let clock = detector.clock();
        // Hits first: in a stream the matches that they complete are found at once.
        self.watch(offset, place, payload, clock);
        self.collect(Some(place));
    }

    /// Returns the detector of the partition that was begun.
    pub fn detector(&self) -> Option<&Detector> {
        self.current.as_ref()
    }

    /// Ends the input, and explains.
    pub fn finish(mut self) -> Explanation {
        self.end();
        build::explanation(&mut self)
    }

    /// Tells whether matches are found as they would have been in a stream.
    fn is_stream(&self) -> bool {
        self.engine.options().input == crate::sequence::Input::Stream
    }

    fn end(&mut self) {
        let Some(detector) = &mut self.current else { return };
        detector.finish();
        self.collect(None);
        if let Some(mut ended) = self.current.take() {
            self.stats.add(&ended.take_stats());
        }
    }

    /// Shows a record to the rules.
    fn watch(&mut self, offset: i64, place: Place, payload: &[u8], clock: Option<EventTime>) {
        if payload.len() > self.engine.options().max_record_bytes {
            return;
        }
        let arena = Arena::new();
        let mut fields = Fields::new(self.rules.fields().len(), &arena);
        if self.rules.decoder().decode(payload, &mut fields).is_err() {
            return;
        }
        let normalizer = self.rules.normalizer();
        let envelope = normalizer.normalize(&mut fields);
        let categories = fields.get(normalizer.category());
        if categories.is_empty() {
            self.categories.add_without();
        }
        categories.iter().filter_map(|c| c.text()).for_each(|text| self.categories.add(&text));
        if envelope.event_time.is_none() {
            return;
        }
        let partition = self.partitions.len() - 1;
        let event = Event {
            fields: &fields,
            envelope: &envelope,
            topic: &self.partitions[partition],
            partition,
            offset,
            place,
            clock,
            max_key_expansion: self.engine.options().max_key_expansion,
        };
        for subject in &mut self.subjects {
            subject.on_event(&self.rules, &event);
        }
    }

    /// Takes over what the detector has found.
    fn collect(&mut self, place: Option<Place>) {
        let Some(detector) = &mut self.current else { return };
        for output in detector.take_outbox() {
            match output {
                Output::DeadLetter(letter) => {
                    *self.input.unreadable.entry(letter.reason.to_owned()).or_default() += 1;
                    if self.input.unreadable_at.len() < NAMED_UNREADABLE {
                        let at = place.map(|place| {
                            format!("{}:{}", build::file(&self.input.files, place), place.line)
                        });
                        self.input.unreadable_at.extend(at);
                    }
                }
                // Nothing is restored here, nor re-keyed.
                Output::Journal(_) | Output::Forward(_) => {}
                Output::Finding(finding) => {
                    let partition = self.partitions.len() - 1;
                    // There is a subject for each rule, in the order of the rules.
                    self.subjects[finding.rule].found(partition, &finding.key, found(&finding));
                }
            }
        }
    }
}

/// Returns what is kept of a finding.
fn found(finding: &Finding) -> Found {
    let event = |event: &FindingEvent| (event.offset, event.event_time.to_string());
    Found {
        alert_id: finding.id.clone(),
        suppressed: finding.is_suppressed,
        severity: finding.severity.as_str().to_owned(),
        hits: vec![None; finding.events.len()],
        events: finding.events.iter().map(event).collect(),
        span_ms: finding.span().millis(),
        order_adjusted: finding.order_adjusted,
        late: finding.late,
        rests_on: finding.rests_on,
    }
}
