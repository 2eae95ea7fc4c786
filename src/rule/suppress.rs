//! Alert suppression as rule files and the configuration say it, and what it comes to.
//!
//! Never decides about a match: that is `detect`'s.

use crate::diag::Diagnostic;
use crate::event::{FieldTable, TimeSpan};
use crate::predicate::Source;

use super::file::one_of;
use super::read::{Reader, Table};
use super::{MissingFields, Suppression};

/// Most fields by which alerts are grouped.
const MAX_GROUP_BY: usize = 3;
/// How long nothing alike follows an alert where nobody says it, and there is no maxspan.
const DEFAULT_DURATION: TimeSpan = TimeSpan::from_secs(300);

impl Suppression {
    /// Returns these settings, with those of the next layer where they say nothing.
    #[must_use]
    pub fn over(&self, next: &Self) -> Self {
        Self {
            enabled: self.enabled.or(next.enabled),
            group_by: self.group_by.clone().or_else(|| next.group_by.clone()),
            duration: self.duration.or(next.duration),
            missing_fields: self.missing_fields.or(next.missing_fields),
        }
    }

    /// Tells whether somebody asked for it.
    pub fn is_asked_for(&self) -> bool {
        match self.enabled {
            Some(enabled) => enabled,
            None => *self != Self::default(),
        }
    }
}

/// Reads `[rule.maxspan.suppression]`.
pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Suppression {
    reader.refuse_unknown(table, &["duration", "enabled", "group_by", "missing_fields"]);
    let duration = reader.time_span(table, "duration");
    if duration.is_some_and(|span| span <= TimeSpan::ZERO)
        && let Some(span) = table.key_span("duration")
    {
        reader.invalid(span, "`duration` is no time at all".to_owned(), "write at least `1ms`");
    }
    Suppression {
        enabled: reader.boolean(table, "enabled"),
        group_by: group_by(reader, table),
        duration,
        missing_fields: missing_fields(reader, table, "missing_fields"),
    }
}

/// Reads Elastic's `[rule.alert_suppression]`.
pub(super) fn read_elastic(reader: &mut Reader<'_>, rule: &Table<'_>) -> Suppression {
    let Some(table) = reader.table(rule, "alert_suppression") else { return Default::default() };
    let length = reader.table(&table, "duration").and_then(|length| elastic_span(reader, &length));
    if table.key_span("duration").is_none() {
        let message = "Elastic suppresses within one run of the rule, and a stream has no runs";
        let found = Diagnostic::warning("W0605", message)
            .at(table.span)
            .label("no `duration`: maxspan, or 5 minutes, are used")
            .help("add `duration = { value = 5, unit = \"m\" }`");
        reader.found.push(found);
    }
    Suppression {
        enabled: Some(true),
        group_by: group_by(reader, &table),
        duration: length,
        missing_fields: missing_fields(reader, &table, "missing_fields_strategy"),
    }
}

fn elastic_span(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<TimeSpan> {
    let value = reader.required(table, "value", "value = 5", Reader::integer)?;
    let unit = reader.required(table, "unit", "unit = \"m\"", Reader::string)?;
    let span = TimeSpan::parse(&format!("{}{}", value.value, unit.value));
    let span = span.filter(|span| ["s", "m", "h"].contains(&unit.value) && *span > TimeSpan::ZERO);
    if span.is_none() {
        let message = format!("`{}{}` is no length of time", value.value, unit.value);
        let help = "a positive number and one of the units `s`, `m`, `h`";
        reader.invalid(value.span, message, help);
    }
    span
}

fn group_by(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Vec<String>> {
    table.key_span("group_by")?;
    let fields = reader.strings(table, "group_by");
    if let Some(fourth) = fields.get(MAX_GROUP_BY) {
        let message = format!("alerts are grouped by at most {MAX_GROUP_BY} fields");
        reader.invalid(fourth.span, message, "leave the last ones out");
    }
    if let Some(blank) = fields.iter().find(|field| field.value.trim().is_empty()) {
        reader.invalid(blank.span, "a field has a name".to_owned(), "such as `host.id`");
    }
    Some(fields.into_iter().map(|field| field.value.to_owned()).collect())
}

fn missing_fields(reader: &mut Reader<'_>, table: &Table<'_>, key: &str) -> Option<MissingFields> {
    one_of(reader, table, key, &["suppress", "doNotSuppress"], MissingFields::parse)
}

impl MissingFields {
    /// Returns what a rule file's word names.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "suppress" => Some(Self::Suppress),
            "doNotSuppress" => Some(Self::DoNotSuppress),
            _ => None,
        }
    }
}

/// Suppression as a rule runs with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledSuppression {
    /// Fields by whose values alerts are alike; none for the join key.
    pub group_by: Vec<(String, Source)>,
    /// For how long nothing alike follows an alert.
    pub duration: TimeSpan,
    /// What becomes of a match without one of the fields.
    pub missing_fields: MissingFields,
}

/// What of a compiled rule decides how it is suppressed where nobody says it.
pub(super) struct Subject {
    /// Whether a stage counts `with runs`, so that each further event completes a match.
    pub(super) slides: bool,
    /// Whether it emits what a batch engine finds, no more and no less.
    pub(super) is_exact: bool,
    /// Its maxspan, if it is a sequence.
    pub(super) maxspan: TimeSpan,
}

impl CompiledSuppression {
    /// Returns the suppression of a rule, if any.
    pub(super) fn compile(
        settings: &Suppression,
        subject: &Subject,
        fields: &mut FieldTable,
    ) -> Option<Self> {
        let by_default = settings.enabled.is_none() && subject.slides && !subject.is_exact;
        if !settings.is_asked_for() && !by_default {
            return None;
        }
        let maxspan = (subject.maxspan > TimeSpan::ZERO).then_some(subject.maxspan);
        let names = settings.group_by.iter().flatten().cloned();
        Some(Self {
            group_by: names.map(|name| (name.clone(), Source::of(&name, fields))).collect(),
            duration: settings.duration.or(maxspan).unwrap_or(DEFAULT_DURATION),
            missing_fields: settings.missing_fields.unwrap_or_default(),
        })
    }
}
