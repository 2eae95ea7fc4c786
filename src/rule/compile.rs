//! A rule file to a compiled rule: the one place that knows both conditions and sequences.

use super::mapping::CompiledMappings;
use super::set::Defaults;
use super::suppress::{CompiledSuppression, Subject};
use super::{Condition, Emit, Metadata, Rekeying, RuleFile, Settings, Severity};
use super::{category, caveat, field_limit, hash, lint};
use crate::diag::Diagnostic;
use crate::eql::ast::{Body, Category, EventQuery, Expr, KeyField, Query, Sample, Sequence, Term};
use crate::eql::{self, print};
use crate::event::{FieldId, FieldTable, Fields, TimeSpan};
use crate::normalize::{IndexPatterns, Reads};
use crate::predicate::key::KeyPlan;
use crate::predicate::{Doubt, Judgement, Predicate};
use crate::sequence::plan::MAX_TERMS;
use crate::sequence::{Emission, Plan, PlanTerm, PlanTimes};
use crate::text::Span;
use crate::text::origin::Origin;

/// One bracket of a query: what an event must be like, and which key it has there.
#[derive(Debug)]
pub struct CompiledTerm {
    /// Category of the events; nothing for `any`.
    pub category: Option<Box<str>>,
    /// What else must hold.
    pub predicate: Predicate,
    /// What counts where that takes too much work to decide.
    pub doubt: Doubt,
    /// The join key.
    pub key: KeyPlan,
    /// The fields of which condition and join key are made.
    reads: Vec<FieldId>,
}

/// A rule that runs.
#[derive(Debug)]
pub struct CompiledRule {
    /// What the file says about it.
    pub metadata: Metadata,
    /// The file's version, or a hash of the query.
    pub version: String,
    /// The sequence; a single-event query is a sequence of one.
    pub plan: std::sync::Arc<Plan>,
    /// The terms as written, `until` last.
    pub terms: Vec<CompiledTerm>,
    /// Names of the join key's fields, those of the first term.
    pub key_fields: Vec<String>,
    /// Whether the query is a sequence or a sample: one with join keys.
    pub is_sequence: bool,
    /// The events that its index patterns cover.
    pub index: Option<IndexPatterns>,
    /// The field that holds the category, if that is not `event.category`.
    pub category_field: Option<FieldId>,
    /// Orders events of the same time.
    pub tiebreaker: Option<FieldId>,
    /// An event that satisfies one of these is no hit.
    pub exceptions: Vec<Predicate>,
    /// The same as they are written.
    pub exception_texts: Vec<String>,
    /// Conditions that raise the severity.
    pub severity_when: Vec<(Severity, Predicate)>,
    /// What alerts of single events take over from the event.
    pub mappings: CompiledMappings,
    /// Whether its events are sorted by join key first, where that can be done.
    pub is_rekeyed: bool,
    /// Which repeated alerts are left out.
    pub suppression: Option<CompiledSuppression>,
    /// Tells the rule from others, and from itself before a change; see `hash.rs` for what decides.
    pub hash: u32,
    /// The query's syntax tree.
    pub query: Query,
    /// The query in its canonical form.
    pub canonical: String,
    /// The fields that it reads of events that satisfy a term, beside those of the terms.
    reads: Vec<FieldId>,
}

impl CompiledRule {
    /// Returns for each term which value of `event.category` it asks for; nothing if it asks for any, or
    /// for the category in another field.
    pub(super) fn categories(&self) -> impl Iterator<Item = Option<&str>> {
        let is_elsewhere = self.category_field.is_some();
        self.terms.iter().map(move |term| term.category.as_deref().filter(|_| !is_elsewhere))
    }

    /// Notes which fields the rule reads of which events.
    pub(super) fn note_reads(&self, reads: &mut Reads) {
        // A category in another field says nothing of `event.category`.
        reads.add(None, self.category_field);
        for (term, category) in self.terms.iter().zip(self.categories()) {
            reads.add(category, term.reads.iter().chain(&self.reads).copied());
        }
    }

    /// Judges whether an event is excepted: satisfies one of the exceptions.
    pub fn judge_exceptions(&self, event: &Fields<'_>) -> Judgement {
        let mut all = Judgement::Fails;
        for exception in &self.exceptions {
            match exception.judge(event) {
                Judgement::Holds => return Judgement::Holds,
                Judgement::Undecided => all = Judgement::Undecided,
                Judgement::Fails => {}
            }
        }
        all
    }
}

/// Compiles a rule; the spans of the diagnostics are offsets in its file.
///
/// The fields of a rule that is refused may be left in the table.
pub(super) fn compile(
    file: &RuleFile,
    defaults: &Defaults,
    fields: &mut FieldTable,
) -> (Option<CompiledRule>, Vec<Diagnostic>) {
    fields.take_named();
    let mut compiler = Compiler { fields, reads: Vec::new(), diagnostics: Vec::new() };
    let rule = compiler.rule(file, defaults);
    compiler.judge_fields(file, defaults);
    let refused = compiler.diagnostics.iter().any(Diagnostic::is_error);
    (rule.filter(|_| !refused), compiler.diagnostics)
}

struct Compiler<'a> {
    fields: &'a mut FieldTable,
    /// The fields that were named outside the terms.
    reads: Vec<FieldId>,
    diagnostics: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn rule(&mut self, file: &RuleFile, defaults: &Defaults) -> Option<CompiledRule> {
        let (query, diagnostics) = eql::parse(&file.query);
        self.report(&file.origin, diagnostics);
        let settings = defaults.of(&file.metadata.id, &file.settings);
        let exceptions = self.conditions(settings.exceptions.iter());
        let severity_when = self.severities(&settings);
        let query = query?;
        let is_host_bound = caveat::is_host_bound(&query);
        let is_rekeyed = match defaults.rekeying {
            Rekeying::None => false,
            Rekeying::OtherKeys => !is_host_bound,
            Rekeying::All => true,
        };
        if !is_rekeyed {
            self.report(&file.origin, caveat::of_query(&query));
        }
        let overridden = file.metadata.event_category_override.as_deref();
        self.report(&file.origin, category::of_query(&query, overridden));
        self.report(&file.origin, caveat::of_keys(&query));
        self.report(&file.origin, lint::of_query(&query));
        if let Body::Event(event) = &query.body {
            let own = defaults.overrides.get(&file.metadata.id).map(|own| &own.suppression);
            let own = [Some(&file.settings.suppression), own];
            let caveat = settings.suppression.caveat(own.into_iter().flatten());
            let caveat = caveat.map(|found| found.at(event.category_span));
            self.report(&file.origin, caveat.into_iter().collect());
        }
        let canonical = print::canonical(&query);
        let parts = self.query(&query, &settings, defaults, &file.origin)?;
        let own = defaults.overrides.get(&file.metadata.id);
        self.diagnostics.extend(caveat::of_hold(file, own, &parts.plan));
        let metadata = file.metadata.clone();
        let subject = Subject {
            is_single: !parts.is_sequence,
            slides: slides(&query),
            is_exact: settings.emit == Some(Emit::Exact),
            maxspan: parts.plan.times.maxspan,
        };
        let intern = |name: &Option<String>, fields: &mut FieldTable| {
            name.as_deref().filter(|name| *name != "event.category").map(|name| fields.intern(name))
        };
        let category_field = intern(&metadata.event_category_override, self.fields);
        let tiebreaker = intern(&metadata.tiebreaker_field, self.fields);
        let mappings = match parts.is_sequence {
            true => CompiledMappings::default(),
            false => CompiledMappings::compile(&file.mappings, self.fields),
        };
        let suppression =
            CompiledSuppression::compile(&settings.suppression, &subject, self.fields);
        self.reads.extend(self.fields.take_named());
        Some(CompiledRule {
            version: metadata.version.clone().unwrap_or_else(|| hash::query_version(&canonical)),
            hash: hash::rule_hash(&hash::Subject {
                metadata: &metadata,
                query: &canonical,
                exceptions: &settings.exceptions,
                follows_index: defaults.index_patterns,
                times: &parts.plan.times,
            }),
            plan: std::sync::Arc::new(parts.plan),
            terms: parts.terms,
            key_fields: parts.key_fields,
            is_sequence: parts.is_sequence,
            index: (defaults.index_patterns && !metadata.index.is_empty())
                .then(|| IndexPatterns::compile(&metadata.index)),
            category_field,
            tiebreaker,
            exceptions,
            exception_texts: settings.exceptions.iter().map(|c| c.text.clone()).collect(),
            severity_when,
            mappings,
            is_rekeyed,
            suppression,
            query,
            canonical,
            reads: std::mem::take(&mut self.reads),
            metadata,
        })
    }

    fn query(
        &mut self,
        query: &Query,
        settings: &Settings,
        defaults: &Defaults,
        origin: &Origin,
    ) -> Option<Parts> {
        match &query.body {
            Body::Event(event) => Some(self.single(event, settings, defaults, origin)),
            Body::Sequence(sequence) => self.sequence(sequence, settings, defaults, origin),
            Body::Sample(sample) => self.sample(sample, settings, defaults, origin),
        }
    }

    fn single(
        &mut self,
        event: &EventQuery,
        settings: &Settings,
        defaults: &Defaults,
        origin: &Origin,
    ) -> Parts {
        let terms = vec![self.term(event, Doubt::For, &[], origin)];
        let times = times(settings, defaults, TimeSpan::ZERO);
        let plan = Plan::new(&[PlanTerm { missing: false, runs: 1 }], false, times);
        Parts { plan, terms, key_fields: Vec::new(), is_sequence: false }
    }

    fn sequence(
        &mut self,
        sequence: &Sequence,
        settings: &Settings,
        defaults: &Defaults,
        origin: &Origin,
    ) -> Option<Parts> {
        let all: Vec<&Term> = sequence.terms.iter().chain(&sequence.until).collect();
        if all.len() > MAX_TERMS {
            self.too_many_terms(all.len(), origin.span(sequence.span));
            return None;
        }
        let keys = |term: &Term| -> Vec<KeyField> {
            sequence.by.iter().chain(&term.by).cloned().collect()
        };
        let stages = sequence.terms.len();
        let doubt = |index: usize, term: &Term| match term.missing || index == stages {
            true => Doubt::Against,
            false => Doubt::For,
        };
        let terms = all
            .iter()
            .enumerate()
            .map(|(index, term)| self.term(&term.query, doubt(index, term), &keys(term), origin));
        let terms = terms.collect();
        let maxspan = sequence.maxspan.unwrap_or_else(|| {
            let message =
                format!("the sequence has no maxspan: {} is used", defaults.default_maxspan);
            let caveat = Diagnostic::warning("W0601", message)
                .at(origin.span(sequence.span))
                .help("add `with maxspan=…` behind the `by` fields, or set `default_maxspan`");
            let caveat = match sequence.until {
                Some(_) => caveat,
                None => caveat.label("nothing else ends a pending sequence"),
            };
            self.diagnostics.push(caveat);
            defaults.default_maxspan
        });
        let plan_term = |term: &Term| PlanTerm { missing: term.missing, runs: term.runs };
        let plan_terms: Vec<PlanTerm> = sequence.terms.iter().map(plan_term).collect();
        let times = times(settings, defaults, maxspan);
        let plan = Plan::new(&plan_terms, sequence.until.is_some(), times);
        let first = sequence.terms.first()?;
        let key_fields = keys(first).iter().map(|key| key.written().into_owned()).collect();
        Some(Parts { plan, terms, key_fields, is_sequence: true })
    }

    /// A stream has no run whose events could be looked at together: a window stands for it.
    fn sample(
        &mut self,
        sample: &Sample,
        settings: &Settings,
        defaults: &Defaults,
        origin: &Origin,
    ) -> Option<Parts> {
        let message = format!("a sample is looked for in windows of {}", defaults.default_maxspan);
        let caveat = Diagnostic::warning("W0606", message)
            .at(origin.span(sample.span))
            .help("set `default_maxspan` to the time that the events may lie apart");
        self.diagnostics.push(caveat);
        if sample.terms.len() > MAX_TERMS {
            self.too_many_terms(sample.terms.len(), origin.span(sample.span));
            return None;
        }
        let keys =
            |term: &Term| -> Vec<KeyField> { sample.by.iter().chain(&term.by).cloned().collect() };
        let terms = sample.terms.iter();
        let terms =
            terms.map(|term| self.term(&term.query, Doubt::For, &keys(term), origin)).collect();
        let times = times(settings, defaults, defaults.default_maxspan);
        let plan = Plan::sample(sample.terms.len(), times);
        let first = keys(sample.terms.first()?);
        let key_fields = first.iter().map(|key| key.written().into_owned()).collect();
        Some(Parts { plan, terms, key_fields, is_sequence: true })
    }

    fn too_many_terms(&mut self, count: usize, at: Span) {
        let message = format!("a query has at most {MAX_TERMS} terms, this one {count}");
        let finding = Diagnostic::error("E0602", message)
            .at(at)
            .label("too many terms")
            .help("count alike ones `with runs`, or make several rules of the query");
        self.diagnostics.push(finding);
    }

    fn term(
        &mut self,
        event: &EventQuery,
        doubt: Doubt,
        keys: &[KeyField],
        origin: &Origin,
    ) -> CompiledTerm {
        self.reads.extend(self.fields.take_named());
        let predicate = self.predicate(&event.condition, origin);
        let key = KeyPlan::compile(keys, self.fields);
        let category = match &event.category {
            Category::Any => None,
            Category::Is(name) => Some(name.as_str().into()),
        };
        CompiledTerm { category, predicate, doubt, key, reads: self.fields.take_named() }
    }

    fn predicate(&mut self, condition: &Expr, origin: &Origin) -> Predicate {
        Predicate::compile(condition, self.fields).unwrap_or_else(|diagnostics| {
            self.report(origin, diagnostics);
            Predicate::never()
        })
    }

    fn conditions<'c>(
        &mut self,
        conditions: impl Iterator<Item = &'c Condition>,
    ) -> Vec<Predicate> {
        conditions.filter_map(|condition| self.condition(condition)).collect()
    }

    fn severities(&mut self, settings: &Settings) -> Vec<(Severity, Predicate)> {
        let when = settings.severity_when.iter();
        when.filter_map(|when| Some((when.severity, self.condition(&when.condition)?))).collect()
    }

    fn condition(&mut self, condition: &Condition) -> Option<Predicate> {
        let (expr, mut diagnostics) = eql::parse_condition(&condition.text);
        let predicate = expr.map(|expr| {
            Predicate::compile(&expr, self.fields).unwrap_or_else(|refused| {
                diagnostics.extend(refused);
                Predicate::never()
            })
        });
        match &condition.origin {
            Some(origin) => self.report(origin, diagnostics),
            // It stands in the configuration, which has been judged: what is left is advice.
            None => {
                let what = format!("`{}` of the configuration", condition.text);
                let named = diagnostics.into_iter().map(|found| found.without_place(&what));
                self.diagnostics.extend(named);
            }
        }
        predicate
    }

    /// Refuses the rule with which all rules together read too many fields.
    fn judge_fields(&mut self, file: &RuleFile, defaults: &Defaults) {
        let Some(path) = field_limit::first_beyond(self.fields) else { return };
        let finding = field_limit::finding(path);
        let in_query = || field_limit::in_query(&eql::parse(&file.query).0?, path);
        let settings = defaults.of(&file.metadata.id, &file.settings);
        let in_condition = || conditions_of(&settings).find_map(|condition| names(condition, path));
        let place = in_query().map(|span| file.origin.span(span)).or_else(in_condition);
        self.diagnostics.push(match place {
            Some(span) => finding.at(span),
            None => finding,
        });
    }

    /// Reports what was found in an embedded text against the file around it.
    fn report(&mut self, origin: &Origin, diagnostics: Vec<Diagnostic>) {
        self.diagnostics.extend(diagnostics.into_iter().map(|mut diagnostic| {
            diagnostic.span = diagnostic.span.map(|span| origin.span(span));
            diagnostic
        }));
    }
}

/// Returns all conditions that a rule is run with.
fn conditions_of(settings: &Settings) -> impl Iterator<Item = &Condition> {
    let severities = settings.severity_when.iter().map(|when| &when.condition);
    settings.exceptions.iter().chain(severities)
}

/// Returns where a rule file names a field in a condition.
fn names(condition: &Condition, path: &str) -> Option<Span> {
    let span = field_limit::in_expr(&eql::parse_condition(&condition.text).0?, path)?;
    condition.origin.as_ref().map(|origin| origin.span(span))
}

/// What a query compiles to.
struct Parts {
    plan: Plan,
    terms: Vec<CompiledTerm>,
    key_fields: Vec<String>,
    is_sequence: bool,
}

/// Tells whether each further event completes a match: a stage that has to happen counts `with
/// runs`.
fn slides(query: &Query) -> bool {
    let Body::Sequence(sequence) = &query.body else { return false };
    sequence.terms.iter().any(|term| term.runs > 1 && !term.missing)
}

fn times(settings: &Settings, defaults: &Defaults, maxspan: TimeSpan) -> PlanTimes {
    PlanTimes {
        maxspan,
        order_tolerance: settings.order_tolerance.unwrap_or(TimeSpan::ZERO),
        allowed_lateness: settings.allowed_lateness.unwrap_or(defaults.allowed_lateness),
        hold: settings.hold.unwrap_or(defaults.hold),
        emission: match settings.emit.unwrap_or_default() {
            Emit::Eager => Emission::Eager,
            Emit::Exact => Emission::Exact,
        },
    }
}
