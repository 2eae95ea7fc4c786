//! What an alert takes over from the event that it is about: severity, risk score, name.
//!
//! As in Elastic's engine, alerts of sequences take nothing over.

use super::Severity;
use crate::event::{FieldTable, Fields, Value};
use crate::predicate::FieldSource;

/// `severity_mapping`, `risk_score_mapping` and `rule_name_override` of a rule file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Mappings {
    /// Where a field has a value, the alert has this severity; of several the highest.
    pub severity: Vec<SeverityMapping>,
    /// The field whose number is the risk score.
    pub risk_score: Option<String>,
    /// The field whose text is the alert's rule name.
    pub name: Option<String>,
}

/// One entry of `severity_mapping`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeverityMapping {
    /// Which field.
    pub field: String,
    /// Which value it must have.
    pub value: String,
    /// The severity then.
    pub severity: Severity,
}

impl Mappings {
    /// Tells whether nothing is taken over.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Mappings with their fields looked up.
#[derive(Debug, Default)]
pub struct CompiledMappings {
    severity: Vec<(FieldSource, String, Severity)>,
    risk_score: Option<FieldSource>,
    name: Option<FieldSource>,
}

impl CompiledMappings {
    pub(super) fn compile(mappings: &Mappings, fields: &mut FieldTable) -> Self {
        let mut intern = |name: &String| FieldSource::of(name, fields);
        Self {
            severity: mappings
                .severity
                .iter()
                .map(|entry| (intern(&entry.field), entry.value.clone(), entry.severity))
                .collect(),
            risk_score: mappings.risk_score.as_ref().map(&mut intern),
            name: mappings.name.as_ref().map(&mut intern),
        }
    }

    /// Tells whether nothing is taken over.
    pub fn is_empty(&self) -> bool {
        self.severity.is_empty() && self.risk_score.is_none() && self.name.is_none()
    }

    /// Returns the severity that the event asks for.
    pub fn severity(&self, event: &Fields<'_>) -> Option<Severity> {
        let holds = |(source, wanted, severity): &(FieldSource, String, Severity)| {
            source.values(event).iter().any(|v| equals(*source, v, wanted)).then_some(*severity)
        };
        self.severity.iter().filter_map(holds).max()
    }

    /// Returns the risk score that the event names: the highest that is one.
    pub fn risk_score(&self, event: &Fields<'_>) -> Option<u8> {
        let scores = self.risk_score?.values(event).iter().filter_map(score);
        scores.max()
    }

    /// Returns the name that the event gives the alert.
    pub fn name<'e>(&self, event: &'e Fields<'_>) -> Option<&'e str> {
        let names = self.name?.values(event).iter().filter_map(|value| value.as_str());
        names.into_iter().find(|name| !name.trim().is_empty())
    }
}

/// Numbers are equal as numbers: `event.severity` may be 3 or "3".
fn equals(source: FieldSource, value: &Value<'_>, wanted: &str) -> bool {
    let Some(text) = source.text(*value) else { return false };
    let number = |text: &str| text.trim().parse::<f64>().ok();
    source.text(Value::from(wanted)).is_some_and(|wanted| wanted == text)
        || number(&text).is_some_and(|n| Some(n) == number(wanted))
}

/// A whole number from 0 to 100.
fn score(value: &Value<'_>) -> Option<u8> {
    let number = value.text()?.parse::<f64>().ok()?;
    ((0.0..=100.0).contains(&number) && number.fract() == 0.0).then_some(number as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Arena;

    #[test]
    fn of_several_severities_the_highest_counts_and_numbers_are_numbers() {
        let entry = |field: &str, value: &str, severity| SeverityMapping {
            field: field.to_owned(),
            value: value.to_owned(),
            severity,
        };
        let mappings = Mappings {
            severity: vec![
                entry("event.severity", "3", Severity::Critical),
                entry("event.severity", "2", Severity::Low),
                entry("tag", "x", Severity::High),
            ],
            risk_score: Some("score".to_owned()),
            name: Some("title".to_owned()),
        };
        let mut table = FieldTable::default();
        let compiled = CompiledMappings::compile(&mappings, &mut table);
        let event = |pairs: &[(&str, Value<'static>)]| {
            let arena: &Arena = Box::leak(Box::default());
            let mut fields = Fields::new(table.len(), arena);
            for (name, value) in pairs {
                fields.push(table.get(name).unwrap(), *value);
            }
            fields
        };
        let low = event(&[("event.severity", Value::Int(2)), ("score", Value::Int(101))]);
        assert_eq!(
            (compiled.severity(&low), compiled.risk_score(&low)),
            (Some(Severity::Low), None)
        );
        let both =
            event(&[("event.severity", "2".into()), ("tag", "x".into()), ("title", "".into())]);
        assert_eq!(compiled.severity(&both), Some(Severity::High));
        assert_eq!(compiled.name(&both), None);
        let scored =
            event(&[("score", "7".into()), ("score", Value::Int(42)), ("title", "T".into())]);
        assert_eq!((compiled.risk_score(&scored), compiled.name(&scored)), (Some(42), Some("T")));
        assert_eq!(compiled.severity(&scored), None);
    }
}
