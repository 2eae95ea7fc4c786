//! How many events have a clue, by guess.

use std::collections::HashMap;

use crate::event::{FieldId, FieldTable};
use crate::predicate::need::{ALL, Clue, Literal, Need, Part};
use crate::predicate::parts::{self, common::TEXTS};

/// How large a share of all events has a clue, by guess, in millionths.
///
/// The rules are all there is to judge by: of the events that have one of the literals which rules
/// name for a field, each literal has as many as rules name it. How many these are together, the
/// field's uses tell as well, if [`FIELDS`] does not. A part of a value is the more common the
/// shorter it is.
pub(super) struct Shares<'n> {
    common: HashMap<FieldId, u64>,
    uses: HashMap<(FieldId, &'n Literal), u64>,
    uses_of_field: HashMap<FieldId, u64>,
}

/// Those that have a value of a field that a rule names.
const WITH_VALUE: u64 = ALL / 10 * 9;
/// Those that have one of two values.
const OF_TWO: u64 = ALL / 2;
/// Those that have a piece of a common text, and those that have a short one.
const COMMON_PART: u64 = ALL / 4;
const COMMON_SHORT_PART: u64 = ALL / 2;
/// How many uses of a field it takes until they tell what is common.
const UNKNOWN_USES: u64 = 50;

impl<'n> Shares<'n> {
    pub(super) fn new(needs: impl IntoIterator<Item = &'n Need>, fields: &FieldTable) -> Self {
        let common = FIELDS
            .iter()
            .filter_map(|(path, percent)| Some((fields.get(path)?, ALL / 100 * percent)));
        let common = common.collect();
        let mut shares = Self { common, uses: HashMap::new(), uses_of_field: HashMap::new() };
        for need in needs {
            need.for_each_clue(&mut |(field, literal)| {
                if let Some(literal) = literal {
                    *shares.uses.entry((field, literal)).or_default() += 1;
                    *shares.uses_of_field.entry(field).or_default() += 1;
                }
            });
        }
        shares
    }

    pub(super) fn of(&self, (field, literal): Clue<'_>) -> u64 {
        let Some(literal) = literal else { return WITH_VALUE };
        let uses = self.uses.get(&(field, literal)).copied().unwrap_or_default();
        let of_field = self.uses_of_field.get(&field).copied().unwrap_or_default().max(1);
        let share = match self.common.get(&field) {
            Some(common) => common * uses / of_field,
            None => ALL * uses / (of_field + UNKNOWN_USES),
        };
        share.max(least(literal))
    }
}

/// Returns how many events have a literal at the least.
fn least(literal: &Literal) -> u64 {
    match literal {
        Literal::Text(text) if matches!(&**text, "true" | "false") => OF_TWO,
        Literal::Part(part) => of_part(part),
        _ => 0,
    }
}

fn of_part(part: &Part) -> u64 {
    if part.text.len() < parts::SHORTEST {
        return WITH_VALUE;
    }
    if TEXTS.iter().any(|text| text.contains(&*part.text)) {
        return if part.text.len() <= 4 { COMMON_SHORT_PART } else { COMMON_PART };
    }
    match part.text.len() {
        // Other alphabets and signs.
        _ if !part.text.is_ascii() => ALL / 10_000,
        ..=2 => ALL / 5,
        3 => ALL / 10,
        4 => ALL / 25,
        5 => ALL / 50,
        6..8 => ALL / 200,
        _ => ALL / 1_000,
    }
}

/// Fields with few values, and how many percent of the events have one of those that rules name.
const FIELDS: &[(&str, u64)] = &[
    ("agent.type", 80),
    ("data_stream.dataset", 80),
    ("data_stream.type", 80),
    ("event.action", 20),
    ("event.category", 30),
    ("event.dataset", 80),
    ("event.kind", 80),
    ("event.module", 80),
    ("event.outcome", 50),
    ("event.provider", 80),
    ("event.type", 40),
    ("host.os.family", 85),
    ("host.os.name", 85),
    ("host.os.platform", 85),
    ("host.os.type", 85),
    ("network.direction", 40),
    ("network.protocol", 40),
    ("network.transport", 70),
    ("network.type", 80),
];
