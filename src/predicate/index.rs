//! Which of many conditions an event could satisfy at all, found without asking them.
//!
//! Each condition is listed under what an event must have to satisfy it: its category, and there
//! under literals of one field (of several where it has alternatives), the rarest it has to offer.
//! An event looks its own values up: as a whole, by what stands behind the last backslash, and by
//! what stands in them; or else their presence is enough. Texts are looked up folded, whatever letter
//! case means to the condition; numbers and addresses by value.
//!
//! Never decides: what is found must still be asked. Never allocates for ordinary events.

mod column;
mod found;
mod share;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use smallvec::SmallVec;

use super::hash::Hash;
use super::need::{ALL, Clue, Literal, Need};
use super::{Folds, Predicate};
use crate::event::{FieldId, FieldTable, Fields, Value};
use crate::text::fold::fold;
use column::Column;
use found::{Found, Number};
use share::Shares;

/// Conditions by what an event must have to satisfy them; `T` names one.
#[derive(Debug)]
pub struct Index<T> {
    /// The conditions, by number.
    terms: Box<[T]>,
    category: FieldId,
    by_category: HashMap<Box<str>, usize, Hash>,
    branches: Vec<Branch>,
    /// Those that look at events of every category, or find the category elsewhere.
    any: Branch,
}

/// A condition to be listed.
#[derive(Debug)]
pub struct Entry<'p, T> {
    /// What names it.
    pub term: T,
    /// The category of its events; nothing for `any`.
    pub category: Option<&'p str>,
    /// Where it finds the category, if not where the others do.
    pub category_field: Option<FieldId>,
    /// The condition.
    pub predicate: &'p Predicate,
}

/// The conditions on events of one category.
#[derive(Debug)]
struct Branch {
    /// Those that need nothing that could be looked up.
    unlisted: Vec<Number>,
    columns: Vec<Column>,
}

impl<T: Copy> Index<T> {
    /// Returns the index; `category` is where events carry their categories.
    pub fn new(category: FieldId, entries: &[Entry<'_, T>], fields: &FieldTable) -> Self {
        let needs: Vec<Need> = entries.iter().map(Entry::need).collect();
        let mut by_category = BTreeMap::<&str, Vec<Listed<'_>>>::new();
        let mut any = Vec::new();
        for (number, (entry, need)) in (0..).zip(entries.iter().zip(&needs)) {
            let listed = Listed { number, need, effort: entry.predicate.node.effort().into() };
            match (entry.category, entry.category_field) {
                (Some(category), None) => {
                    by_category.entry(category).or_default().push(listed);
                }
                _ => any.push(listed),
            }
        }
        Self {
            terms: entries.iter().map(|entry| entry.term).collect(),
            category,
            by_category: (0..)
                .zip(by_category.keys())
                .map(|(at, key)| ((*key).into(), at))
                .collect(),
            branches: by_category.values().map(|listed| Branch::new(listed, fields)).collect(),
            any: Branch::new(&any, fields),
        }
    }

    /// Hands out the conditions that an event could satisfy, each once, in the order of the entries;
    /// with them the event's folded texts, which asking them takes.
    ///
    /// Each that the event satisfies is among them, and few others.
    pub fn candidates(&self, event: &Fields<'_>, mut visit: impl FnMut(T, &mut Folds<'_>)) {
        let mut folds = Folds::of(event);
        let found = self.found(event, &mut folds);
        found.for_each(|number| visit(self.terms[number], &mut folds));
    }

    fn found(&self, event: &Fields<'_>, folds: &mut Folds<'_>) -> Found {
        let mut found = Found::new(self.terms.len());
        self.any.candidates(event, folds, &mut found);
        let mut done: SmallVec<[usize; 8]> = SmallVec::new();
        for value in event.get(self.category) {
            let Value::Str(category) = value else { continue };
            if let Some(at) = self.by_category.get(&**category)
                && !done.contains(at)
            {
                done.push(*at);
                self.branches[*at].candidates(event, folds, &mut found);
            }
        }
        found
    }
}

impl<T> Entry<'_, T> {
    fn need(&self) -> Need {
        let need = Need::of(&self.predicate.node);
        match (self.category_field, self.category) {
            (Some(field), Some(category)) => {
                let category = Literal::Text(fold(category).into());
                Need::All(vec![need, Need::Has(field, vec![vec![category]])])
            }
            _ => need,
        }
    }
}

/// A condition that is about to be listed.
struct Listed<'n> {
    number: Number,
    need: &'n Need,
    /// How much work it is to ask it.
    effort: u64,
}

impl Branch {
    fn new(conditions: &[Listed<'_>], fields: &FieldTable) -> Self {
        // What is rare differs by category.
        let shares = Shares::new(conditions.iter().map(|condition| condition.need), fields);
        let dear = dear_fields(conditions, &shares);
        let share = |clue: Clue<'_>| {
            if is_part(clue) && dear.contains(&clue.0) { ALL } else { shares.of(clue) }
        };
        let mut unlisted = Vec::new();
        let mut columns = BTreeMap::<FieldId, column::Builder>::new();
        for Listed { number, need, .. } in conditions {
            let Some((_, mut clues)) = need.rarest(&share) else {
                unlisted.push(*number);
                continue;
            };
            clues.sort_unstable();
            clues.dedup();
            for of_field in clues.chunk_by(|(a, _), (b, _)| a == b) {
                columns.entry(of_field[0].0).or_default().add(*number, of_field);
            }
        }
        let columns = columns.into_iter().map(|(field, column)| column.build(field));
        Self { unlisted, columns: columns.collect() }
    }

    fn candidates(&self, event: &Fields<'_>, folds: &mut Folds<'_>, found: &mut Found) {
        found.extend(&self.unlisted);
        for column in &self.columns {
            column.candidates(event.get(column.field()), folds, found);
        }
    }
}

/// Returns the fields in whose values nothing is looked for: that would take longer than asking the
/// few conditions that it spares.
fn dear_fields(conditions: &[Listed<'_>], shares: &Shares<'_>) -> BTreeSet<FieldId> {
    let mut spared = BTreeMap::<FieldId, u64>::new();
    for Listed { need, effort, .. } in conditions {
        let Some((share, clues)) = need.rarest(&|clue| shares.of(clue)) else { continue };
        let fields = clues.into_iter().filter(|clue| is_part(*clue)).map(|(field, _)| field);
        for field in fields.collect::<BTreeSet<FieldId>>() {
            let without = |clue: Clue<'_>| {
                if is_part(clue) && clue.0 == field { ALL } else { shares.of(clue) }
            };
            let otherwise = need.rarest(&without).map_or(ALL, |(share, _)| share.min(ALL));
            *spared.entry(field).or_default() += effort * otherwise.saturating_sub(share);
        }
    }
    spared
        .into_iter()
        .filter(|(_, spared)| *spared < WORTH_A_PASS)
        .map(|(field, _)| field)
        .collect()
}

/// Reading the value of every event for its parts takes about as much work as six units of
/// [`Node::effort`](super::node::Node::effort).
const WORTH_A_PASS: u64 = 6 * ALL;

fn is_part((_, literal): Clue<'_>) -> bool {
    matches!(literal, Some(Literal::Part(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Arena;

    /// Returns which of the queries, by their place, an event is offered to.
    fn candidates(queries: &[&str], event: &[(&str, Value<'static>)]) -> Vec<usize> {
        let mut table = FieldTable::default();
        let category = table.intern("event.category");
        let compiled: Vec<(Option<&str>, Predicate)> = queries
            .iter()
            .map(|query| {
                let (category, condition) = query.split_once(" where ").unwrap();
                let condition = crate::eql::parse_condition(condition).0.unwrap();
                let predicate = Predicate::compile(&condition, &mut table).unwrap();
                (Some(category).filter(|category| *category != "any"), predicate)
            })
            .collect();
        let entries: Vec<Entry<'_, usize>> = (0..)
            .zip(&compiled)
            .map(|(term, (category, predicate))| Entry {
                term,
                category: *category,
                category_field: None,
                predicate,
            })
            .collect();
        for (path, _) in event {
            table.intern(path);
        }
        let arena = Arena::new();
        let mut fields = Fields::new(table.len(), &arena);
        for (path, value) in event {
            fields.push(table.get(path).unwrap(), *value);
        }
        let mut found = Vec::new();
        Index::new(category, &entries, &table).candidates(&fields, |term, _| found.push(term));
        found
    }

    fn process(field: &'static str, value: &'static str) -> [(&'static str, Value<'static>); 4] {
        [
            ("event.category", "process".into()),
            ("host.os.type", "windows".into()),
            ("event.type", "start".into()),
            (field, value.into()),
        ]
    }

    #[test]
    fn literal_that_few_events_have_is_what_counts() {
        let queries = [
            r#"process where host.os.type == "windows" and process.name : "cmd.exe""#,
            r#"process where event.type == "start" and process.name : ("at.exe", "CMD.exe")"#,
            r#"process where event.type == "start" and process.executable : "?:\\*""#,
            r#"network where process.name : "cmd.exe""#,
            r#"any where process.name == "cmd.exe""#,
        ];
        assert_eq!(candidates(&queries, &process("process.name", "Cmd.Exe")), [0, 1, 2, 4]);
        assert_eq!(candidates(&queries, &process("process.name", "other.exe")), [2]);
    }

    #[test]
    fn alternatives_are_found_by_each_of_them() {
        let queries =
            [r#"process where process.name : "a" or process.pe.original_file_name : "b""#];
        assert_eq!(candidates(&queries, &process("process.name", "A")), [0]);
        assert_eq!(candidates(&queries, &process("process.pe.original_file_name", "B")), [0]);
        assert!(candidates(&queries, &process("process.name", "b")).is_empty());
        let queries = [r#"process where process.name : "a" or not user.name : "b""#];
        assert_eq!(candidates(&queries, &process("process.name", "b")), [0]);
    }

    #[test]
    fn field_must_be_there_where_its_value_cannot_be_looked_up() {
        let queries = [
            r#"process where process.args : "*x*""#,
            r"process where process.args_count > 3",
            r"process where length(process.args) > 3",
            r"process where process.args != null",
            r"process where process.args == null",
            r#"process where concat(process.args, user.name) == "x""#,
        ];
        assert_eq!(candidates(&queries, &process("process.name", "a")), [4, 5]);
        assert_eq!(candidates(&queries, &process("process.args", "a")), [0, 2, 3, 4, 5]);
    }

    #[test]
    fn numbers_and_addresses_are_found_in_every_spelling() {
        let queries = [
            "process where destination.port == 135",
            r#"process where source.ip == "10.0.0.1""#,
            "process where destination.port > 0 and destination.port in (1, 2)",
        ];
        for spelling in ["135", "135.0", "0135"] {
            assert_eq!(candidates(&queries, &process("destination.port", spelling)), [0]);
        }
        assert_eq!(candidates(&queries, &process("source.ip", "::ffff:a00:1")), [1]);
        assert!(candidates(&queries, &process("source.ip", "10.0.0.2")).is_empty());
        let mut event = process("x", "y");
        event[3] = ("destination.port", Value::Float(2.0));
        assert_eq!(candidates(&queries, &event), [2]);
    }

    #[test]
    fn impossible_conditions_are_never_found() {
        let queries = [r#"process where false and user.name : "a""#, "process where true"];
        assert_eq!(candidates(&queries, &process("user.name", "a")), [1]);
    }

    #[test]
    fn repeated_categories_and_values_offer_a_condition_once() {
        let queries = [r#"process where user.name : "a""#, "process where true"];
        let mut event = process("user.name", "a").to_vec();
        event.extend(process("user.name", "A"));
        assert_eq!(candidates(&queries, &event), [0, 1]);
        event.extend((0..column::MANY_VALUES).map(|_| ("user.name", Value::from("b"))));
        assert_eq!(candidates(&queries, &event), [0, 1]);
    }
}
