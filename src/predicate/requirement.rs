//! What an event must have for a condition to hold, for whoever looks at a record before it is
//! decoded: which fields must have a value, and which texts must stand in one.
//!
//! Necessary and never sufficient, as a [`Need`] is. Never knows where a field's values come from.

use super::need::{Literal, Need};
use crate::event::FieldId;

/// What an event must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing that can be named.
    Nothing,
    /// A value of the field.
    Value(FieldId),
    /// A value of the field in which one of these texts stands, folded. Without texts, no event has
    /// what is required.
    Text(FieldId, Vec<Box<str>>),
    /// All of these.
    All(Vec<Self>),
    /// One of these; without any, no event has what is required.
    Any(Vec<Self>),
}

impl Requirement {
    pub(super) fn of(need: &Need) -> Self {
        match need {
            Need::Nothing => Self::Nothing,
            Need::Value(field) => Self::Value(*field),
            Need::Has(field, alternatives) => {
                match alternatives.iter().map(|all| longest_text(all)).collect() {
                    Some(texts) => Self::Text(*field, texts),
                    None => Self::Value(*field),
                }
            }
            Need::All(needs) => Self::All(needs.iter().map(Self::of).collect()),
            Need::Any(needs) => Self::Any(needs.iter().map(Self::of).collect()),
        }
    }
}

/// Returns the longest text that a value with all these literals holds.
fn longest_text(literals: &[Literal]) -> Option<Box<str>> {
    literals.iter().filter_map(folded_text).max_by_key(|text| text.len())
}

/// Returns the text that a value with this literal holds, apart from letter case; nothing if the same
/// can be written in several ways.
fn folded_text(literal: &Literal) -> Option<Box<str>> {
    match literal {
        Literal::Text(text) | Literal::Name(text) => Some(text.clone()),
        Literal::Part(part) => Some(part.text.clone()),
        Literal::Number(_) | Literal::Address(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FieldTable;
    use crate::predicate::Predicate;

    #[test]
    fn texts_and_fields_are_required_and_negations_are_not() {
        let mut fields = FieldTable::default();
        let text = r#"process.name : ("A.exe", "b.EXE") and source.port >= 1024 and
            not user.id : "S-1" and destination.port == 135"#;
        let (condition, _) = crate::eql::parse_condition(text);
        let predicate = Predicate::compile(&condition.unwrap(), &mut fields).unwrap();
        let Requirement::All(parts) = predicate.requirement() else { panic!("a conjunction") };
        let id = |name| fields.get(name).unwrap();
        let names = Requirement::Text(id("process.name"), vec!["a.exe".into(), "b.exe".into()]);
        for part in [
            names,
            Requirement::Value(id("source.port")),
            Requirement::Value(id("destination.port")),
            Requirement::Nothing,
        ] {
            assert!(parts.contains(&part), "{part:?} in {parts:?}");
        }
    }
}
