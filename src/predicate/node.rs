//! The Boolean tree: what is cheap comes first.

use smallvec::SmallVec;

use super::folds::Folds;
use super::scalar::Scalar;
use super::source::FieldSource;
use super::test::Test;
use super::{Judgement, combine};
use crate::event::{Fields, Value};

/// Up to so many combinations are tried one by one.
const FEW: usize = 64;

/// A condition.
#[derive(Debug)]
pub(super) enum Node {
    Constant(bool),
    /// The field has a value.
    Exists(FieldSource),
    /// Any value of the field passes the test.
    Test(FieldSource, Test),
    /// Any combination of the fields' values makes the expression true.
    Any(Box<Combination>),
    Not(Box<Self>),
    And(Box<[Self]>),
    Or(Box<[Self]>),
}

/// An expression over the values of several fields, or a computed one over a single field.
#[derive(Debug)]
pub(super) struct Combination {
    pub(super) scalar: Scalar,
    /// Where the values of each slot stand.
    pub(super) sources: Box<[FieldSource]>,
}

impl Node {
    pub(super) fn test(source: impl Into<FieldSource>, test: Test) -> Self {
        Self::Test(source.into(), test)
    }

    pub(super) fn not(inner: Self) -> Self {
        match inner {
            Self::Constant(truth) => Self::Constant(!truth),
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Returns the conjunction, simplified.
    pub(super) fn all(nodes: Vec<Self>) -> Self {
        Self::chain(nodes, true)
    }

    /// Returns the disjunction, simplified.
    pub(super) fn any(nodes: Vec<Self>) -> Self {
        Self::chain(nodes, false)
    }

    /// A chain of `and` (neutral: true) or `or` (neutral: false).
    fn chain(nodes: Vec<Self>, neutral: bool) -> Self {
        let mut kept = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Self::Constant(truth) if truth == neutral => {}
                Self::Constant(_) => return Self::Constant(!neutral),
                Self::And(inner) if neutral => kept.extend(inner),
                Self::Or(inner) if !neutral => kept.extend(inner),
                other => kept.push(other),
            }
        }
        // Order does not change the answer: nothing in a condition has an effect.
        kept.sort_by_key(Self::cost);
        match kept.len() {
            0 => Self::Constant(neutral),
            1 => kept.swap_remove(0),
            _ if neutral => Self::And(kept.into()),
            _ => Self::Or(kept.into()),
        }
    }

    pub(super) fn judge(&self, fields: &Fields<'_>, folds: &mut Folds<'_>) -> Judgement {
        Judgement::of(match self {
            Self::Constant(truth) => *truth,
            Self::Exists(source) => source.has_value(fields),
            Self::Test(source, test) => any_passes(*source, test, fields, folds),
            Self::Any(combination) => return combination.judge(fields),
            Self::Not(inner) => return inner.judge(fields, folds).inverted(),
            Self::And(nodes) => return judge_chain(nodes, fields, folds, Judgement::Fails),
            Self::Or(nodes) => return judge_chain(nodes, fields, folds, Judgement::Holds),
        })
    }

    pub(super) fn collect_sources(&self, out: &mut Vec<FieldSource>) {
        match self {
            Self::Constant(_) => {}
            Self::Exists(source) | Self::Test(source, _) => out.push(*source),
            Self::Any(combination) => out.extend(&combination.sources),
            Self::Not(inner) => inner.collect_sources(out),
            Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter().for_each(|node| node.collect_sources(out));
            }
        }
    }

    /// Returns how much work it is on average, roughly: each part of a chain decides every other
    /// time.
    pub(super) fn effort(&self) -> u32 {
        match self {
            Self::Not(inner) => inner.effort(),
            Self::And(nodes) | Self::Or(nodes) => {
                let efforts = (0..u32::BITS).zip(nodes).map(|(at, node)| node.effort() >> at);
                efforts.fold(1, u32::saturating_add)
            }
            _ => self.cost(),
        }
    }

    /// Returns how much work it is, roughly.
    fn cost(&self) -> u32 {
        match self {
            Self::Constant(_) => 0,
            Self::Exists(_) => 1,
            Self::Test(_, test) => test.cost(),
            Self::Any(_) => 500,
            Self::Not(inner) => inner.cost(),
            Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter().map(Self::cost).fold(1, u32::saturating_add)
            }
        }
    }
}

/// Tells whether any value of a field passes a test.
fn any_passes(
    source: FieldSource,
    test: &Test,
    fields: &Fields<'_>,
    folds: &mut Folds<'_>,
) -> bool {
    let (field, values) = source.found(fields);
    let mut numbered = values.iter().enumerate();
    numbered.any(|(at, value)| test.holds_at(*value, Some((field, at)), folds))
}

/// `and` and `or`: `decisive` is the judgement that decides alone.
fn judge_chain(
    nodes: &[Node],
    fields: &Fields<'_>,
    folds: &mut Folds<'_>,
    decisive: Judgement,
) -> Judgement {
    let mut all = decisive.inverted();
    for node in nodes {
        match node.judge(fields, folds) {
            judgement if judgement == decisive => return decisive,
            Judgement::Undecided => all = Judgement::Undecided,
            _ => {}
        }
    }
    all
}

impl Combination {
    /// Judges all combinations; a field without values is null in all of them.
    fn judge(&self, fields: &Fields<'_>) -> Judgement {
        let lists: SmallVec<[&[Value<'_>]; 4]> =
            self.sources.iter().map(|source| source.values(fields)).collect();
        let lengths = || lists.iter().map(|list| list.len().max(1));
        let combinations = lengths().fold(1, usize::saturating_mul);
        let values = lengths().fold(0, usize::saturating_add);
        if combinations > FEW && combinations > values {
            return combine::judge(&self.scalar, &lists);
        }
        Judgement::of(self.is_true_of_any(&lists))
    }

    /// Tries every combination.
    fn is_true_of_any(&self, lists: &[&[Value<'_>]]) -> bool {
        let mut at: SmallVec<[usize; 4]> = SmallVec::from_elem(0, lists.len());
        loop {
            let slots: SmallVec<[Option<Value<'_>>; 4]> =
                lists.iter().zip(&at).map(|(list, index)| list.get(*index).copied()).collect();
            if self.scalar.is_true(&slots) {
                return true;
            }
            if !step(&mut at, lists) {
                return false;
            }
        }
    }
}

/// Moves on to the next combination; tells whether there is one.
fn step(at: &mut [usize], lists: &[&[Value<'_>]]) -> bool {
    for (index, list) in at.iter_mut().zip(lists) {
        *index += 1;
        if *index < list.len() {
            return true;
        }
        *index = 0;
    }
    false
}
