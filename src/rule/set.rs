//! The compiled rule set: immutable, shared by all partitions, and the report on how it came about.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::compile::{self, CompiledRule};
use super::cost::{Observer, Unobserved};
use super::demand::{Demand, Wanted};
use super::file::{self, Parsed};
use super::lint;
use super::prefilter::Prefilter;
use super::{Emit, Rekeying, RuleFile, Settings, Suppression};
use crate::diag::Diagnostic;
use crate::event::decode::{DecodeError, Decoder, Limits, Scratch, Validation};
use crate::event::{FieldId, FieldTable, Fields, TimeSpan};
use crate::normalize::{Documents, Envelope, Normalizer, Reads};
use crate::predicate::index::{Entry, Index};
use crate::predicate::{Folds, Judgement};
use crate::text::Text;

/// How rules run where neither they nor their overrides say it.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// `[rules.defaults]`.
    pub settings: Settings,
    /// `[rules.override."<rule_id>"]`.
    pub overrides: BTreeMap<String, Settings>,
    /// What the command line says: stands above everything.
    pub forced: Settings,
    /// How late an event may arrive.
    pub allowed_lateness: TimeSpan,
    /// How long an event is held after it arrived.
    pub hold: TimeSpan,
    /// Maxspan of a sequence that has none.
    pub default_maxspan: TimeSpan,
    /// Whether a rule sees only the events that its index patterns cover.
    pub index_patterns: bool,
    /// How records are normalized.
    pub normalize: crate::normalize::Options,
    /// Whether each event gets the fields of all rules, and not only those that rules read of its
    /// category. For who looks at events that no rule would look at.
    pub whole_events: bool,
    /// Deepest nesting of a record.
    pub max_nesting: usize,
    /// How much of a record must be valid.
    pub validation: Validation,
    /// Which rules get their events sorted by join key first.
    pub rekeying: Rekeying,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            overrides: BTreeMap::new(),
            forced: Settings::default(),
            allowed_lateness: TimeSpan::from_secs(30),
            hold: TimeSpan::from_secs(300),
            default_maxspan: TimeSpan::from_secs(3_600),
            index_patterns: true,
            normalize: crate::normalize::Options::default(),
            whole_events: false,
            max_nesting: 64,
            validation: Validation::default(),
            rekeying: Rekeying::None,
        }
    }
}

impl Defaults {
    /// Returns how a rule runs: the command line, then its override, then its file, then the
    /// defaults. Conditions of all layers count together.
    pub fn of(&self, rule_id: &str, file: &Settings) -> Settings {
        let none = Settings::default();
        let own = self.overrides.get(rule_id).unwrap_or(&none);
        let layers = [&self.forced, own, file, &self.settings];
        Settings {
            enabled: layers.iter().find_map(|layer| layer.enabled),
            emit: layers.iter().find_map(|layer| layer.emit),
            order_tolerance: layers.iter().find_map(|layer| layer.order_tolerance),
            allowed_lateness: layers.iter().find_map(|layer| layer.allowed_lateness),
            hold: layers.iter().find_map(|layer| layer.hold),
            severity_when: layers.iter().flat_map(|l| l.severity_when.iter().cloned()).collect(),
            exceptions: layers.iter().flat_map(|l| l.exceptions.iter().cloned()).collect(),
            suppression: layers
                .iter()
                .fold(Suppression::default(), |sum, layer| sum.over(&layer.suppression)),
        }
    }

    /// Makes every rule run with this emission, order tolerance and lateness, where given.
    pub fn force(
        &mut self,
        emit: Option<Emit>,
        order_tolerance: Option<TimeSpan>,
        allowed_lateness: Option<TimeSpan>,
    ) {
        self.forced.emit = emit;
        if emit == Some(Emit::Exact) {
            // Exactly what a batch engine finds: nothing is left out.
            self.forced.suppression.enabled = Some(false);
        }
        self.forced.order_tolerance = order_tolerance;
        self.forced.allowed_lateness = allowed_lateness;
    }
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It runs as written.
    Runs,
    /// It runs, with a caveat.
    Caveat,
    /// It does not run.
    Refused,
    /// It is no EQL rule, or it is switched off.
    Skipped,
}

/// Why a rule is skipped that its settings switch off.
pub(super) const SWITCHED_OFF: &str = "switched off";

/// What there is to say about one rule file.
#[derive(Clone, Debug, Serialize)]
pub struct RuleReport {
    /// Where the file is.
    pub path: String,
    /// Its rule's id, as far as known.
    pub rule_id: Option<String>,
    /// Its rule's name, as far as known.
    pub name: Option<String>,
    /// What became of it.
    pub status: Status,
    /// Why, if it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Errors, caveats and notes, spans in the file.
    pub diagnostics: Vec<Diagnostic>,
    /// The file, for rendering the diagnostics.
    #[serde(skip)]
    pub text: Arc<Text>,
}

/// Names one bracket of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TermRef {
    /// Index of the rule.
    pub rule: u32,
    /// Index of the term.
    pub term: u32,
}

/// All rules that run, and what it takes to show them an event.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<CompiledRule>,
    fields: FieldTable,
    decoder: Decoder,
    normalizer: Normalizer,
    documents: Arc<Documents>,
    /// Which terms an event could satisfy.
    index: Index<TermRef>,
    prefilter: Option<Prefilter>,
    /// Which fields of a record any rule wants; nothing if all of them are always read.
    demand: Option<Demand>,
}

impl RuleSet {
    /// Compiles rule files; the reports are in the order of the files.
    ///
    /// A rule that is refused never keeps the others from running. Of two files with the same rule
    /// id the first runs.
    pub fn compile(files: Vec<Arc<Text>>, defaults: &Defaults) -> (Self, Vec<RuleReport>) {
        let mut fields = FieldTable::default();
        let category = fields.intern("event.category");
        let mut builder =
            Builder { defaults, fields: &mut fields, rules: Vec::new(), ids: BTreeMap::new() };
        let reports = files.into_iter().map(|text| builder.file(text)).collect();
        let rules = builder.rules;
        let options = defaults.normalize.clone();
        let reads = reads(&rules);
        let normalizer = match defaults.whole_events {
            true => Normalizer::new(&mut fields, options),
            false => Normalizer::narrowed(&mut fields, options, &reads),
        };
        let decoder = Decoder::new(&fields, Limits { max_nesting: defaults.max_nesting })
            .with_early(&normalizer.early_fields())
            .with_validation(defaults.validation);
        let demand =
            (!defaults.whole_events).then(|| demand(&rules, &reads, &normalizer, &decoder));
        let index = index(&rules, category, &fields);
        let documents = Arc::new(Documents::new(defaults.normalize.clone()));
        let prefilter = Prefilter::new(&rules, &fields, defaults.normalize.ecs_compat);
        let set = Self { rules, fields, decoder, normalizer, documents, index, prefilter, demand };
        (set, reports)
    }

    /// Returns the rules.
    pub fn rules(&self) -> &[CompiledRule] {
        &self.rules
    }

    /// Returns the fields that the rules, the normalizer and the engine read.
    pub fn fields(&self) -> &FieldTable {
        &self.fields
    }

    /// Returns what reads a record.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Returns what makes a record's values those of ECS.
    pub fn normalizer(&self) -> &Normalizer {
        &self.normalizer
    }

    /// Returns what tells most records that satisfy no term, by their bytes; nothing if the rules give
    /// it too little to look for, or are too many.
    pub fn prefilter(&self) -> Option<&Prefilter> {
        self.prefilter.as_ref()
    }

    /// Returns what makes whole documents of records, for alerts.
    pub fn documents(&self) -> &Arc<Documents> {
        &self.documents
    }

    /// Reads of a record what rules want of it, and normalizes that.
    ///
    /// # Errors
    /// If the record cannot be read. Then `out` holds no value.
    pub fn read<'a>(
        &self,
        scratch: &mut Scratch,
        payload: &'a [u8],
        out: &mut Fields<'a>,
    ) -> Result<Envelope, DecodeError> {
        let rest = self.decoder.begin(scratch, payload, out)?;
        match self.wanted(out) {
            Wanted::Fields(fields) => rest.read_narrowed(fields, out)?,
            Wanted::Nothing | Wanted::All => rest.read(out)?,
        }
        Ok(self.normalizer.normalize(out))
    }

    /// As [`read`](Self::read), in the form of [`read_if_wanted`](Self::read_if_wanted): something always.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_whole<'a>(
        &self,
        scratch: &mut Scratch,
        payload: &'a [u8],
        out: &mut Fields<'a>,
    ) -> Result<Option<Envelope>, DecodeError> {
        self.read(scratch, payload, out).map(Some)
    }

    /// As [`read`](Self::read), but returns nothing of a record that is of a kind that no rule asks for:
    /// it satisfies no term, and `out` holds some of its fields.
    ///
    /// # Errors
    /// If the record cannot be read. Then `out` holds no value.
    pub fn read_if_wanted<'a>(
        &self,
        scratch: &mut Scratch,
        payload: &'a [u8],
        out: &mut Fields<'a>,
    ) -> Result<Option<Envelope>, DecodeError> {
        let rest = self.decoder.begin(scratch, payload, out)?;
        match self.wanted(out) {
            Wanted::Nothing => return Ok(None),
            Wanted::Fields(fields) => rest.read_narrowed(fields, out)?,
            Wanted::All => rest.read(out)?,
        }
        Ok(Some(self.normalizer.normalize(out)))
    }

    /// Tells what rules want of a record whose early fields have been read.
    fn wanted(&self, early: &Fields<'_>) -> Wanted<'_> {
        match &self.demand {
            Some(demand) => demand.wanted(&self.normalizer, early),
            None => Wanted::All,
        }
    }

    /// Collects the terms that an event satisfies, in the order of rules and terms.
    ///
    /// Returns those that would take too much work to decide. They are hits where a hit leads to an
    /// alert, and none where it prevents one.
    pub fn hits(&self, event: &Fields<'_>, hits: &mut Vec<TermRef>) -> Vec<TermRef> {
        self.observed_hits(event, hits, &mut Unobserved)
    }

    /// Does the same as [`hits`](Self::hits) while somebody looks on.
    pub fn observed_hits(
        &self,
        event: &Fields<'_>,
        hits: &mut Vec<TermRef>,
        observer: &mut impl Observer,
    ) -> Vec<TermRef> {
        hits.clear();
        let mut undecided = Vec::new();
        self.index.candidates(event, |at, folds| {
            let term = &self.rules[at.rule as usize].terms[at.term as usize];
            let judgement = observer.observe(at, || self.judge(at, event, folds));
            if judgement == Judgement::Undecided {
                undecided.push(at);
            }
            if judgement.counts(term.doubt) {
                hits.push(at);
            }
        });
        undecided
    }

    /// Hands out the terms that are asked about an event: each that it satisfies, and few others.
    pub fn candidates(&self, event: &Fields<'_>, mut visit: impl FnMut(TermRef)) {
        self.index.candidates(event, |at, _| visit(at));
    }

    fn judge(&self, at: TermRef, event: &Fields<'_>, folds: &mut Folds<'_>) -> Judgement {
        let rule = &self.rules[at.rule as usize];
        let term = &rule.terms[at.term as usize];
        let in_category = match (rule.category_field, &term.category) {
            (Some(field), Some(category)) => {
                event.get(field).iter().any(|value| value.as_str() == Some(category))
            }
            _ => true,
        };
        if in_category { term.predicate.judge_folded(event, folds) } else { Judgement::Fails }
    }
}

/// Lists which fields the rules read of which events.
/// Tells what rules want of records.
fn demand(
    rules: &[CompiledRule],
    reads: &Reads,
    normalizer: &Normalizer,
    decoder: &Decoder,
) -> Demand {
    let of_rule = |rule| CompiledRule::categories(rule);
    let asks_for_all = rules.iter().flat_map(of_rule).any(|category| category.is_none());
    let categories = rules.iter().flat_map(of_rule).flatten().collect();
    Demand::new(&categories, asks_for_all, reads, normalizer, decoder)
}

fn reads(rules: &[CompiledRule]) -> Reads {
    let mut reads = Reads::default();
    rules.iter().for_each(|rule| rule.note_reads(&mut reads));
    reads
}

/// Lists the terms of all rules.
fn index(rules: &[CompiledRule], category: FieldId, fields: &FieldTable) -> Index<TermRef> {
    let entries = (0..).zip(rules).flat_map(|(rule, compiled)| {
        (0..).zip(&compiled.terms).map(move |(term, part)| Entry {
            term: TermRef { rule, term },
            category: part.category.as_deref(),
            category_field: compiled.category_field,
            predicate: &part.predicate,
        })
    });
    Index::new(category, &entries.collect::<Vec<_>>(), fields)
}

/// Advice, of a lint or of the language's checker, changes nothing about how the rule runs.
fn is_caveat(found: &Diagnostic) -> bool {
    let is_advice = found.code.starts_with("W04") && !LANGUAGE_CAVEATS.contains(&found.code);
    found.severity > crate::diag::Severity::Note
        && !is_advice
        && !found.code.starts_with(lint::CODES)
}

/// Findings of the language that are caveats: pipes that are ignored, and `any` in other letters.
const LANGUAGE_CAVEATS: &[&str] = &["W0401", "W0406"];

struct Builder<'a> {
    defaults: &'a Defaults,
    fields: &'a mut FieldTable,
    rules: Vec<CompiledRule>,
    /// Rule id -> (path, canonical query) of the rule that runs.
    ids: BTreeMap<String, (String, String)>,
}

impl Builder<'_> {
    fn file(&mut self, text: Arc<Text>) -> RuleReport {
        let mut report = RuleReport {
            path: text.name.clone(),
            rule_id: None,
            name: None,
            status: Status::Refused,
            reason: None,
            diagnostics: Vec::new(),
            text: Arc::clone(&text),
        };
        match file::parse(text) {
            Parsed::Skipped { rule_id, kind } => {
                report.rule_id = rule_id;
                report.status = Status::Skipped;
                report.reason = Some(format!("not an EQL rule but `{kind}`"));
            }
            Parsed::Refused { rule_id, diagnostics } => {
                report.rule_id = rule_id;
                report.diagnostics = diagnostics;
            }
            Parsed::Rule(file, diagnostics) => {
                report.rule_id = Some(file.metadata.id.clone());
                report.name = Some(file.metadata.name.clone());
                report.diagnostics = diagnostics;
                self.rule(&file, &mut report);
            }
        }
        report
    }

    fn rule(&mut self, file: &RuleFile, report: &mut RuleReport) {
        let settings = self.defaults.of(&file.metadata.id, &file.settings);
        if settings.enabled == Some(false) {
            report.status = Status::Skipped;
            report.reason = Some(SWITCHED_OFF.to_owned());
            return;
        }
        let known = self.fields.len();
        let (rule, diagnostics) = compile::compile(file, self.defaults, self.fields);
        report.diagnostics.extend(diagnostics);
        match rule {
            Some(rule) => self.add(rule, report, known),
            None => self.fields.truncate(known),
        }
    }

    /// Adds a rule unless another has its id; `known` fields were read before it.
    fn add(&mut self, rule: CompiledRule, report: &mut RuleReport, known: usize) {
        if let Some((path, canonical)) = self.ids.get(&rule.metadata.id) {
            let found = if *canonical == rule.canonical {
                report.status = Status::Skipped;
                report.reason = Some(format!("the same rule as in `{path}`"));
                Diagnostic::note("N0603", format!("`{path}` holds the same rule"))
            } else {
                let id = &rule.metadata.id;
                let message = format!("another rule with the id `{id}` stands in `{path}`");
                Diagnostic::error("E0603", message).help("give one of them another `rule_id`")
            };
            report.diagnostics.push(found);
            self.fields.truncate(known);
            return;
        }
        let caveats = report.diagnostics.iter().any(is_caveat);
        report.status = if caveats { Status::Caveat } else { Status::Runs };
        let known = (report.path.clone(), rule.canonical.clone());
        self.ids.insert(rule.metadata.id.clone(), known);
        self.rules.push(rule);
    }
}
