//! What an event must have for a condition to hold: a value that equals or holds one of some
//! literals, or any value of a field.
//!
//! A need is necessary and never sufficient: who lacks it cannot satisfy the condition, who has it
//! must still be asked. Whatever is not sure to be needed is not named.

use std::net::IpAddr;

use super::node::{Combination, Node};
use super::number::Exact;
use super::source::FieldSource;
use crate::event::FieldId;

/// Something that a value can be equal to, or that can stand in it.
///
/// All texts are folded, also where letter case counts: or else each value would be looked up twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Literal {
    /// The value is this text.
    Text(Box<str>),
    Number(Exact),
    Address(IpAddr),
    /// What stands behind the value's last backslash is this text.
    Name(Box<str>),
    /// The text stands in the value.
    Part(Part),
}

/// A text that stands in another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) text: Box<str>,
    pub(super) place: Place,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    Anywhere,
    Start,
    End,
}

impl Part {
    /// Returns what a value must have in which the text stands there: one of these is enough to
    /// look for. Nothing if the text is empty.
    pub(super) fn literals(self) -> Vec<Literal> {
        let name = match (self.place, self.text.rsplit_once('\\')) {
            (Place::End, Some((_, name))) if !name.is_empty() => Some(Literal::Name(name.into())),
            _ => None,
        };
        // Behind the only backslash there is all that counts.
        let is_name = name.is_some() && self.text.rfind('\\') == Some(0);
        let part = (!is_name && !self.text.is_empty()).then_some(Literal::Part(self));
        name.into_iter().chain(part).collect()
    }
}

/// What an event must have.
#[derive(Debug)]
pub(super) enum Need {
    /// Nothing that can be looked up.
    Nothing,
    /// A value of the field equals or holds all of one of these lists.
    Has(FieldId, Vec<Vec<Literal>>),
    /// The field has a value.
    Value(FieldId),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// All events, where clues are counted.
pub(super) const ALL: u64 = 1_000_000;

/// How an event that may have what is needed is recognised: by a literal that a value of a field
/// equals or holds, or by any value of it.
pub(super) type Clue<'n> = (FieldId, Option<&'n Literal>);

impl Need {
    pub(super) fn of(node: &Node) -> Self {
        match node {
            Node::Constant(true) | Node::Not(_) => Self::Nothing,
            Node::Constant(false) => Self::Any(Vec::new()),
            Node::Exists(source) => Self::in_one_of(*source, Self::Value),
            Node::Test(source, test) => match test.alternatives() {
                Some(alternatives) => {
                    Self::in_one_of(*source, |field| Self::Has(field, alternatives.clone()))
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
    /// at least one, and how many have one of them; nothing if there are no such clues. `share` tells
    /// how many events have a clue.
    pub(super) fn rarest<'n>(
        &'n self,
        share: &impl Fn(Clue<'n>) -> u64,
    ) -> Option<(u64, Vec<Clue<'n>>)> {
        match self {
            Self::Nothing => None,
            Self::Value(field) => Some((share((*field, None)), vec![(*field, None)])),
            Self::Has(field, alternatives) => Some(rarest_of_field(*field, alternatives, share)),
            // One of them is enough.
            Self::All(needs) => {
                needs.iter().filter_map(|need| need.rarest(share)).min_by_key(|(sum, _)| *sum)
            }
            Self::Any(needs) => needs.iter().try_fold((0, Vec::new()), |(sum, mut all), need| {
                let (share, clues) = need.rarest(share)?;
                all.extend(clues);
                Some((either(sum, share), all))
            }),
        }
    }

    /// Visits all its clues, some of them repeatedly.
    pub(super) fn for_each_clue<'n>(&'n self, visit: &mut impl FnMut(Clue<'n>)) {
        match self {
            Self::Nothing => {}
            Self::Value(field) => visit((*field, None)),
            Self::Has(field, alternatives) => {
                alternatives.iter().flatten().for_each(|literal| visit((*field, Some(literal))));
            }
            Self::All(needs) | Self::Any(needs) => {
                needs.iter().for_each(|need| need.for_each_clue(visit));
            }
        }
    }
}

/// The rarest literal of each alternative; or any value of the field, if that is as rare.
fn rarest_of_field<'n>(
    field: FieldId,
    alternatives: &'n [Vec<Literal>],
    share: &impl Fn(Clue<'n>) -> u64,
) -> (u64, Vec<Clue<'n>>) {
    let rarest = |literals: &'n Vec<Literal>| {
        let clues = literals.iter().map(|literal| (field, Some(literal)));
        clues.map(|clue| (share(clue), clue)).min_by_key(|(share, _)| *share)
    };
    let of_value = share((field, None));
    let of_alternatives =
        alternatives.iter().try_fold((0, Vec::new()), |(sum, mut all), literals| {
            let (share, clue) = rarest(literals)?;
            all.push(clue);
            Some((either(sum, share), all))
        });
    match of_alternatives {
        // Who has one of them has a value.
        Some((sum, clues)) if clues.iter().all(|clue| share(*clue) < of_value) => {
            (sum.min(of_value.saturating_sub(1)), clues)
        }
        _ => (of_value, vec![(field, None)]),
    }
}

/// How many events have one of two clues, of which so many have each: as if they had nothing to do
/// with each other.
fn either(one: u64, other: u64) -> u64 {
    let (one, other) = (one.min(ALL), other.min(ALL));
    one + other - one * other / ALL
}
