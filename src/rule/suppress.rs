//! Alert suppression as rule files and the configuration say it, and what it comes to.
//!
//! Never decides about a match: that is `detect`'s.

use crate::diag::Diagnostic;
use crate::event::{FieldTable, TimeSpan};
use crate::predicate::FieldSource;

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

    /// Tells whether the join key alone says which alerts are alike. Without one, alerts of different
    /// hosts would be.
    fn names_no_group(&self) -> bool {
        self.group_by.as_ref().is_none_or(Vec::is_empty)
    }

    /// Returns what to say of a rule about single events, whose file and override have these
    /// settings of their own. Defaults for all rules are for those that have a join key.
    pub(super) fn caveat<'s>(&self, mut own: impl Iterator<Item = &'s Self>) -> Option<Diagnostic> {
        let is_asked_for = self.is_asked_for() && own.any(Self::is_asked_for);
        (is_asked_for && self.names_no_group()).then(|| {
            Diagnostic::warning("W0608", "no alert is suppressed: nothing says which are alike")
                .label("single events have no join key")
                .help("add `group_by = [\"host.id\"]` to `[rule.maxspan.suppression]`")
        })
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
    refuse_unknown_of_elastic(reader, &table);
    let length = elastic_duration(reader, &table);
    let example = "group_by = [\"host.id\"]";
    let groups = reader.required(&table, "group_by", example, elastic_groups);
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
        group_by: groups,
        duration: length,
        missing_fields: missing_fields(reader, &table, "missing_fields_strategy"),
    }
}

/// The table is Elastic's, but nothing of it may be taken for something else: a key that is not
/// read would leave alerts out, or in, unasked.
fn refuse_unknown_of_elastic(reader: &mut Reader<'_>, table: &Table<'_>) {
    let newer = |key: &str| key.replace('_', "").to_lowercase().starts_with("groupbyv");
    let key = table.keys().find(|key| newer(key.value));
    if let Some(key) = key {
        let message = format!("`{}` is a newer form of Elastic's that is not supported", key.value);
        let found = Diagnostic::error("E0506", message).at(key.span);
        let example = "name one to three fields: `group_by = [\"host.id\", \"user.name\"]`";
        reader.found.push(found.help(example));
    }
    let mut known = vec!["duration", "group_by", "missing_fields_strategy"];
    known.extend(key.map(|key| key.value));
    reader.refuse_unknown(table, &known);
}

/// Elastic wants one to three fields.
fn elastic_groups(reader: &mut Reader<'_>, table: &Table<'_>, key: &str) -> Option<Vec<String>> {
    let before = reader.found.len();
    let fields = group_by(reader, table)?;
    if let Some(span) = table.key_span(key).filter(|_| fields.is_empty())
        && reader.found.len() == before
    {
        let help = "name one to three fields: `group_by = [\"host.id\"]`";
        reader.invalid(span, "`group_by` names no field".to_owned(), help);
    }
    Some(fields)
}

fn elastic_duration(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<TimeSpan> {
    table.key_span("duration")?;
    let Some(length) = reader.table(table, "duration") else {
        if let Some(wrong_type) = reader.found.last_mut() {
            wrong_type.help = Some("write `duration = { value = 5, unit = \"m\" }`".to_owned());
        }
        return None;
    };
    reader.refuse_unknown(&length, &["unit", "value"]);
    elastic_span(reader, &length)
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
    pub group_by: Vec<(String, FieldSource)>,
    /// For how long nothing alike follows an alert.
    pub duration: TimeSpan,
    /// What becomes of a match without one of the fields.
    pub missing_fields: MissingFields,
}

/// What of a compiled rule decides how it is suppressed where nobody says it.
pub(super) struct Subject {
    /// Whether it is about single events, which have no join key.
    pub(super) is_single: bool,
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
        let has_no_group = subject.is_single && settings.names_no_group();
        if has_no_group || !settings.is_asked_for() && !by_default {
            return None;
        }
        let maxspan = (subject.maxspan > TimeSpan::ZERO).then_some(subject.maxspan);
        let names = settings.group_by.iter().flatten().cloned();
        Some(Self {
            group_by: names.map(|name| (name.clone(), FieldSource::of(&name, fields))).collect(),
            duration: settings.duration.or(maxspan).unwrap_or(DEFAULT_DURATION),
            missing_fields: settings.missing_fields.unwrap_or_default(),
        })
    }
}
