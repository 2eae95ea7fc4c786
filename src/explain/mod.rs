//! Why rules did or did not fire on recorded events.
//!
//! The production detector runs over the records, and what it finds is the truth. Beside it, each
//! rule is watched condition by condition and join key by join key; where a key gave no match, the
//! production sequences are asked what would have had to be otherwise.
//!
//! Pure: never reads a file. Memory is bounded; counts stay exact.
//!
//! ```text
//! record ──> detector (with and without suppression) ──> matches of each key
//!    └─────> subject: conditions, hits, near misses ───> verdict: what stood in the way
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::detect::{Detector, Options, Origin, Output, Past, Record, Stamp, Stats};
use crate::event::{Fields, JoinKey};
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
    /// The same rules without suppression, if any of them has it.
    unsuppressed: Option<Arc<RuleSet>>,
    options: Options,
    limits: Limits,
    subjects: Vec<Subject>,
    input: Input,
    categories: Tally,
    stats: Stats,
    partitions: Vec<String>,
    current: Option<Detectors>,
}

/// The detectors of one partition.
struct Detectors {
    /// Finds every match.
    matcher: Detector,
    /// Leaves out what is suppressed; nothing where no rule suppresses.
    alerter: Option<Detector>,
}

impl Explainer {
    /// Returns an explainer of these rules that has seen nothing. `unsuppressed` are the same rules
    /// compiled with suppression switched off.
    pub fn new(
        rules: Arc<RuleSet>,
        unsuppressed: Arc<RuleSet>,
        options: Options,
        limits: Limits,
    ) -> Self {
        let suppresses = rules.rules().iter().any(|rule| rule.suppression.is_some());
        let count = rules.rules().len();
        let subject = |rule| Subject::new(&rules, rule, &limits.wanted);
        let subjects = (0..count).map(subject).collect();
        Self {
            subjects,
            unsuppressed: suppresses.then_some(unsuppressed),
            // A file is the whole past; an alert that left bodies out would do, but none need be.
            options: Options { past: Past::Nothing, max_alert_bytes: usize::MAX, ..options },
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
        let origin = Origin { topic: name.into(), partition: 0 };
        let detector = |rules: &Arc<RuleSet>| {
            Detector::new(Arc::clone(rules), origin.clone(), self.options.clone())
        };
        self.current = Some(match &self.unsuppressed {
            None => Detectors { matcher: detector(&self.rules), alerter: None },
            Some(unsuppressed) => {
                Detectors { matcher: detector(unsuppressed), alerter: Some(detector(&self.rules)) }
            }
        });
        self.partitions.push(name.to_owned());
    }

    /// Takes in the next record of the partition that was begun; offsets ascend.
    pub fn on_record(&mut self, offset: i64, place: Place, payload: &[u8]) {
        let Some(detectors) = &mut self.current else { return };
        self.input.records += 1;
        let record = Record { offset, stamp: Stamp::None, payload: Some(payload), source: None };
        detectors.on_record(&record);
        // Hits first: the matches that they complete are found at once.
        self.watch(offset, place, payload);
        self.collect(Some(place));
    }

    /// Ends the input, and explains.
    pub fn finish(mut self) -> Explanation {
        self.end();
        build::explanation(&mut self)
    }

    fn end(&mut self) {
        let Some(detectors) = &mut self.current else { return };
        detectors.finish();
        self.collect(None);
        if let Some(mut ended) = self.current.take() {
            self.stats.add(&ended.matcher.take_stats());
        }
    }

    /// Shows a record to the rules.
    fn watch(&mut self, offset: i64, place: Place, payload: &[u8]) {
        if payload.len() > self.options.max_record_bytes {
            return;
        }
        let mut fields = Fields::new(self.rules.fields().len());
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
            max_key_expansion: self.options.max_key_expansion,
        };
        for subject in &mut self.subjects {
            subject.on_event(&self.rules, &event);
        }
    }

    /// Takes over what the detectors have found.
    fn collect(&mut self, place: Option<Place>) {
        let Some(detectors) = &mut self.current else { return };
        let alerts = detectors.alerts();
        for output in detectors.matcher.take_outbox() {
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
                Output::Alert(alert) => {
                    let suppressed = alerts.as_ref().is_some_and(|ids| !ids.contains(&alert.id));
                    let of_rule =
                        |s: &&mut Subject| self.rules.rules()[s.rule].metadata.id == alert.rule_id;
                    let found = read(&alert.id, suppressed, &alert.value);
                    let subject = self.subjects.iter_mut().find(of_rule);
                    if let (Some((key, found)), Some(subject)) = (found, subject) {
                        subject.found(self.partitions.len() - 1, &key, found);
                    }
                }
            }
        }
    }
}

impl Detectors {
    fn on_record(&mut self, record: &Record<'_>) {
        self.matcher.on_record(record);
        if let Some(alerter) = &mut self.alerter {
            alerter.on_record(record);
        }
    }

    fn finish(&mut self) {
        self.matcher.finish();
        if let Some(alerter) = &mut self.alerter {
            alerter.finish();
        }
    }

    /// Takes the ids of the alerts that were not suppressed; nothing if none ever is.
    fn alerts(&mut self) -> Option<BTreeSet<String>> {
        let alerter = self.alerter.as_mut()?;
        let id = |output: Output| match output {
            Output::Alert(alert) => Some(alert.id),
            Output::DeadLetter(_) | Output::Journal(_) | Output::Forward(_) => None,
        };
        Some(alerter.take_outbox().into_iter().filter_map(id).collect())
    }
}

/// Reads join key and events out of an alert.
fn read(id: &str, suppressed: bool, alert: &[u8]) -> Option<(JoinKey, Found)> {
    let alert: Value = serde_json::from_slice(alert).ok()?;
    let sequence = &alert["maxspan"]["sequence"];
    let part = |part: &Value| part["value"].as_str().map(Into::into);
    let event = |event: &Value| {
        let time = event["@timestamp"].as_str().unwrap_or_default();
        Some((event["maxspan"]["offset"].as_i64()?, time.to_owned()))
    };
    let events: Vec<(i64, String)> =
        sequence["events"].as_array()?.iter().filter_map(event).collect();
    let found = Found {
        alert_id: id.to_owned(),
        suppressed,
        severity: alert["maxspan"]["severity"].as_str()?.to_owned(),
        hits: vec![None; events.len()],
        events,
        span_ms: sequence["span_ms"].as_i64()?,
        order_adjusted: sequence["order_adjusted"].as_bool()?,
        late: sequence["late"].as_bool()?,
    };
    Some((JoinKey::new(sequence["join_keys"].as_array()?.iter().map(part)), found))
}
