//! What an event must have for a condition to hold: a value that is one of some literals, or any
//! value of a field.
//!
//! A need is necessary and never sufficient: who lacks it cannot satisfy the condition, who has it
//! must still be asked. Whatever is not sure to be needed is not named.

use std::collections::HashMap;
use std::net::IpAddr;

use super::node::{Combination, Node};
use super::number::Exact;
use super::source::FieldSource;
use crate::event::{FieldId, FieldTable};

/// Something that a value can be equal to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Literal {
    /// A text, folded: also where letter case counts, or else each value would be looked up twice.
    Text(Box<str>),
    Number(Exact),
    Address(IpAddr),
}

/// What an event must have.
#[derive(Debug)]
pub(super) enum Need {
    /// Nothing that can be looked up.
    Nothing,
    /// A value of the field is one of these.
    OneOf(FieldId, Vec<Literal>),
    /// The field has a value.
    Value(FieldId),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// How an event that may have what is needed is recognised: by a literal among the values of a
/// field, or by any value of it.
pub(super) type Clue<'n> = (FieldId, Option<&'n Literal>);

impl Need {
    pub(super) fn of(node: &Node) -> Self {
        match node {
            Node::Constant(true) | Node::Not(_) => Self::Nothing,
            Node::Constant(false) => Self::Any(Vec::new()),
            Node::Exists(source) => Self::in_one_of(*source, Self::Value),
            Node::Test(source, test) => match test.literals() {
                Some(literals) => {
                    Self::in_one_of(*source, |field| Self::OneOf(field, literals.clone()))
                }
                None => Self::in_one_of(*source, Self::Value),
            },
            Node::Any(combination) => Self::of_combination(combination),
            Node::And(nodes) => Self::All(nodes.iter().map(Self::of).collect()),
            Node::Or(nodes) => Self::Any(nodes.iter().map(Self::of).collect()),
        }
    }

    /// Returns the need of something in a field in which the values may stand.
    fn in_one_of(source: FieldSource, of_field: impl Fn(FieldId) -> Self) -> Self {
        let mut needs: Vec<Self> = source.fields().map(of_field).collect();
        if needs.len() == 1 { needs.swap_remove(0) } else { Self::Any(needs) }
    }

    /// An expression may be true although a field has no value; only with a single field it is
    /// worth finding out.
    fn of_combination(combination: &Combination) -> Self {
        match combination.sources[..] {
            [source] if !combination.scalar.is_true(&[None]) => {
                Self::in_one_of(source, Self::Value)
            }
            _ => Self::Nothing,
        }
    }

    /// Returns the clues that fewest events have, of which any event that has what is needed has
    /// at least one; nothing if there are no such clues.
    pub(super) fn clues(&self, shares: &Shares<'_>) -> Option<Vec<Clue<'_>>> {
        self.rarest(shares).map(|(_, clues)| clues)
    }

    fn rarest(&self, shares: &Shares<'_>) -> Option<(u64, Vec<Clue<'_>>)> {
        match self {
            Self::Nothing => None,
            Self::OneOf(..) | Self::Value(_) => {
                let clues = self.own_clues();
                Some((clues.iter().map(|clue| shares.of(*clue)).sum(), clues))
            }
            // One of them is enough.
            Self::All(needs) => {
                needs.iter().filter_map(|need| need.rarest(shares)).min_by_key(|(share, _)| *share)
            }
            Self::Any(needs) => needs.iter().try_fold((0, Vec::new()), |(sum, mut all), need| {
                let (share, clues) = need.rarest(shares)?;
                all.extend(clues);
                Some((sum + share, all))
            }),
        }
    }

    fn own_clues(&self) -> Vec<Clue<'_>> {
        match self {
            Self::OneOf(field, literals) => {
                literals.iter().map(|literal| (*field, Some(literal))).collect()
            }
            Self::Value(field) => vec![(*field, None)],
            Self::Nothing | Self::All(_) | Self::Any(_) => Vec::new(),
        }
    }

    fn for_each_clue<'n>(&'n self, visit: &mut impl FnMut(Clue<'n>)) {
        match self {
            Self::All(needs) | Self::Any(needs) => {
                needs.iter().for_each(|need| need.for_each_clue(visit));
            }
            _ => self.own_clues().into_iter().for_each(visit),
        }
    }
}

/// How large a share of all events has a clue, by guess, in millionths.
///
/// The rules are all there is to judge by: of the events that have one of the literals which rules
/// name for a field, each literal has as many as rules name it. How many these are together, the
/// field's uses tell as well, if [`COMMON`] does not.
pub(super) struct Shares<'n> {
    common: HashMap<FieldId, u64>,
    uses: HashMap<(FieldId, &'n Literal), u64>,
    uses_of_field: HashMap<FieldId, u64>,
}

/// All events.
const ALL: u64 = 1_000_000;
/// Those that have a value of a field that a rule names.
const WITH_VALUE: u64 = ALL / 10 * 9;
/// Those that have one of two values.
const OF_TWO: u64 = ALL / 2;
/// How many uses of a field it takes until they tell what is common.
const UNKNOWN_USES: u64 = 50;

impl<'n> Shares<'n> {
    pub(super) fn new(needs: impl IntoIterator<Item = &'n Need>, fields: &FieldTable) -> Self {
        let common = COMMON
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

    fn of(&self, (field, literal): Clue<'_>) -> u64 {
        let Some(literal) = literal else { return WITH_VALUE };
        let uses = self.uses.get(&(field, literal)).copied().unwrap_or_default();
        let of_field = self.uses_of_field.get(&field).copied().unwrap_or_default().max(1);
        let share = match self.common.get(&field) {
            Some(common) => common * uses / of_field,
            None => ALL * uses / (of_field + UNKNOWN_USES),
        };
        share.max(if literal.is_truth() { OF_TWO } else { 0 })
    }
}

impl Literal {
    fn is_truth(&self) -> bool {
        matches!(self, Self::Text(text) if matches!(&**text, "true" | "false"))
    }
}

/// Fields with few values, and how many percent of the events have one of those that rules name.
const COMMON: &[(&str, u64)] = &[
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
