//! A term's condition in parts: which of the conditions that must hold together held for how many
//! events, and for which values they did not.

use super::report::{ConditionReport, StageReport};
use super::tally::{Tally, shortened};
use crate::eql::ast::{Category, CompareOp, EventQuery, Expr, ExprKind, Literal};
use crate::eql::print;
use crate::event::{FieldId, FieldTable, Fields, Value};
use crate::predicate::{Doubt, FieldSource, Predicate};

/// How many values of a condition are shown.
const SHOWN_VALUES: usize = 5;
/// Most values of one list that are shown.
const MAX_ITEMS: usize = 3;
/// Most fields of a hit that are kept.
const MAX_FIELDS: usize = 6;

/// One bracket of a query, watched.
#[derive(Debug)]
pub(super) struct Watch {
    /// `1`, `2-4`, `absent`, `until`.
    pub(super) stage: String,
    query: String,
    category: Option<String>,
    category_field: FieldId,
    conditions: Vec<Condition>,
    /// What counts where a condition is not decided.
    doubt: Doubt,
    /// Fields that the conditions name, those whose value a hit determines last.
    fields: Vec<FieldSource>,
    pub(super) events: u64,
    pub(super) hits: u64,
    pub(super) excepted: u64,
    pub(super) without_key: u64,
    pub(super) key_fields_missing: Tally,
    pub(super) not_covered: u64,
}

/// One of the conditions that must hold together.
#[derive(Debug)]
struct Condition {
    text: String,
    predicate: Predicate,
    fields: Vec<FieldSource>,
    held: u64,
    alone: u64,
    values: Tally,
}

/// What an event is to a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// All conditions hold.
    Hit,
    /// All but this one hold.
    AllBut(usize),
    /// It is of another category, or several conditions don't hold.
    None,
}

impl Watch {
    /// Returns a watch that has seen nothing. `table` holds the fields of the query already.
    pub(super) fn new(
        stage: String,
        query: &EventQuery,
        doubt: Doubt,
        category_field: FieldId,
        table: &mut FieldTable,
    ) -> Self {
        let known = table.len();
        let mut parts = Vec::new();
        split(&query.condition, false, &mut parts);
        let mut fields: Vec<(bool, FieldSource)> = Vec::new();
        let mut conditions = Vec::new();
        for part in &parts {
            // Whoever compiled the rule has interned its fields; what is not among them cannot be
            // asked about.
            let Ok(predicate) = Predicate::compile(part, table) else { continue };
            let of_part = predicate.sources();
            if of_part.iter().flat_map(|source| source.fields()).any(|id| id.index() >= known) {
                continue;
            }
            for id in &of_part {
                match fields.iter_mut().find(|(_, known)| known == id) {
                    Some((is_determined, _)) => *is_determined |= determines(part),
                    None => fields.push((determines(part), *id)),
                }
            }
            let text = print::condition(part);
            conditions.push(Condition { text, predicate, fields: of_part, ..Condition::none() });
        }
        fields.sort_by_key(|(is_determined, _)| *is_determined);
        Self {
            stage,
            query: text_of(query),
            category: match &query.category {
                Category::Any => None,
                Category::Is(name) => Some(name.clone()),
            },
            category_field,
            conditions,
            doubt,
            fields: fields.into_iter().map(|(_, id)| id).collect(),
            events: 0,
            hits: 0,
            excepted: 0,
            without_key: 0,
            key_fields_missing: Tally::default(),
            not_covered: 0,
        }
    }

    /// Counts a covered event, condition by condition.
    pub(super) fn count(&mut self, event: &Fields<'_>, table: &FieldTable) -> Fit {
        if !self.is_of_category(event) {
            return Fit::None;
        }
        self.events += 1;
        let (mut failed, mut last) = (0, 0);
        for (index, condition) in self.conditions.iter_mut().enumerate() {
            if condition.predicate.judge(event).counts(self.doubt) {
                condition.held += 1;
                continue;
            }
            (failed, last) = (failed + 1, index);
            match values_of(&condition.fields, event, table) {
                Some(values) => condition.values.add(&values),
                None => condition.values.add_without(),
            }
        }
        match failed {
            0 => Fit::Hit,
            1 => {
                self.conditions[last].alone += 1;
                // Whatever satisfies nothing is near to nothing.
                if self.conditions.len() > 1 { Fit::AllBut(last) } else { Fit::None }
            }
            _ => Fit::None,
        }
    }

    /// Returns what the fields of a condition hold in an event.
    pub(super) fn failed(
        &self,
        index: usize,
        event: &Fields<'_>,
        table: &FieldTable,
    ) -> Option<String> {
        values_of(&self.conditions[index].fields, event, table)
    }

    /// Returns how many events a condition alone kept from being hits.
    pub(super) fn alone(&self, index: usize) -> u64 {
        self.conditions[index].alone
    }

    /// Returns the text of a condition.
    pub(super) fn condition(&self, index: usize) -> &str {
        &self.conditions[index].text
    }

    /// Returns the fields by which an event of this term is told from others, with their values.
    pub(super) fn shown<'t>(
        &self,
        event: &Fields<'_>,
        table: &'t FieldTable,
    ) -> Vec<(&'t str, String)> {
        let value =
            |source: &FieldSource| Some((table.name(source.own()), value_of(*source, event)?));
        self.fields.iter().filter_map(value).take(MAX_FIELDS).collect()
    }

    /// Returns what was counted; the caller knows about the keys.
    pub(super) fn report(&self) -> StageReport {
        let condition = |condition: &Condition| ConditionReport {
            condition: condition.text.clone(),
            held: condition.held,
            alone: condition.alone,
            not_held_for: condition.values.top(SHOWN_VALUES),
        };
        StageReport {
            stage: self.stage.clone(),
            query: self.query.clone(),
            category: self.category.clone(),
            events: self.events,
            hits: self.hits,
            excepted: self.excepted,
            without_key: self.without_key,
            key_fields_missing: self.key_fields_missing.top(SHOWN_VALUES),
            not_covered: self.not_covered,
            keys: 0,
            example_keys: Vec::new(),
            conditions: self.conditions.iter().map(condition).collect(),
        }
    }

    /// Tells whether an event is of the category that the term asks for.
    pub(super) fn is_of_category(&self, event: &Fields<'_>) -> bool {
        let Some(category) = &self.category else { return true };
        let values = event.get(self.category_field).iter();
        values.filter_map(|value| value.as_str()).any(|value| value == category)
    }
}

impl Condition {
    fn none() -> Self {
        Self {
            text: String::new(),
            predicate: Predicate::always(),
            fields: Vec::new(),
            held: 0,
            alone: 0,
            values: Tally::default(),
        }
    }
}

fn text_of(query: &EventQuery) -> String {
    let category = match &query.category {
        Category::Any => "any",
        Category::Is(name) => name,
    };
    format!("{category} where {}", print::condition(&query.condition))
}

/// Splits a condition into parts that must hold together: `a and b`, `not (a or b)`.
fn split(expr: &Expr, negated: bool, parts: &mut Vec<Expr>) {
    match &expr.kind {
        ExprKind::And(operands) if !negated => {
            operands.iter().for_each(|operand| split(operand, false, parts));
        }
        ExprKind::Or(operands) if negated => {
            operands.iter().for_each(|operand| split(operand, true, parts));
        }
        ExprKind::Not(inner) => split(inner, !negated, parts),
        ExprKind::Literal(Literal::Bool(true)) if !negated => {}
        _ if negated => {
            let inner = Box::new(expr.clone());
            parts.push(Expr { kind: ExprKind::Not(inner), span: expr.span });
        }
        _ => parts.push(expr.clone()),
    }
}

/// Tells whether a hit can have but one value, up to letter case, where this holds.
fn determines(part: &Expr) -> bool {
    match &part.kind {
        ExprKind::Compare { op: CompareOp::Eq, .. } => true,
        ExprKind::Like { patterns, .. } => {
            matches!(&patterns[..], [pattern] if !pattern.text.contains(['*', '?']))
        }
        _ => false,
    }
}

/// Returns what some fields hold, with their names if there are several; nothing if none has a
/// value.
fn values_of(fields: &[FieldSource], event: &Fields<'_>, table: &FieldTable) -> Option<String> {
    if let [field] = fields {
        return value_of(*field, event);
    }
    let value = |field: &FieldSource| {
        Some(format!("{}={}", table.name(field.own()), value_of(*field, event)?))
    };
    let values: Vec<String> = fields.iter().filter_map(value).collect();
    (!values.is_empty()).then(|| values.join(" "))
}

fn value_of(field: FieldSource, event: &Fields<'_>) -> Option<String> {
    let values = field.values(event);
    let text = |value: &Value<'_>| match value.text() {
        Some(text) => shortened(&text).into_owned(),
        None => "(an object)".to_owned(),
    };
    let mut texts: Vec<String> = values.iter().take(MAX_ITEMS).map(text).collect();
    if values.len() > MAX_ITEMS {
        texts.push("…".to_owned());
    }
    (!values.is_empty()).then(|| texts.join(", "))
}
