//! Values computed from fields: function calls, arithmetic, and conditions used as values.
//!
//! Here null exists: what is computed from null is null, unless something else decides.

use smallvec::SmallVec;

use super::strings::Affix;
use super::test::Test;
use crate::eql::ast::{ArithmeticOp, Case};
use crate::eql::computed::Computed;
use crate::eql::functions::{self, Eval, Needles, Search};
use crate::event::Value;
use crate::event::ip::parse_ip;

/// An expression over slots, each of which holds one value of one field, or null.
#[derive(Debug)]
pub(super) enum Scalar {
    Constant(Option<Computed<'static>>),
    Slot(usize),
    /// A text that writes an IP address, in its shortest form.
    Address(Box<Self>),
    Call {
        eval: Eval,
        case: Case,
        /// How it is decided for many values at once.
        joined: Option<Joined>,
        args: Box<[Self]>,
    },
    /// A call that looks for texts.
    Search {
        search: Search,
        needles: Box<Needles>,
        args: Box<[Self]>,
    },
    Arithmetic {
        op: ArithmeticOp,
        sides: Box<[Self; 2]>,
    },
    Negative(Box<Self>),
    /// Whether the value passes the test; null for null.
    Test(Box<Self>, Test),
    /// Never null.
    IsNull(Box<Self>),
    Not(Box<Self>),
    /// False if one is false, else null if one is null.
    And(Box<[Self]>),
    /// True if one is true, else null if one is null.
    Or(Box<[Self]>),
}

/// A function that need not be asked about every pair of values.
#[derive(Clone, Copy, Debug)]
pub(super) enum Joined {
    Affix(Affix),
    Concat,
}

/// The values of the slots.
pub(super) type Slots<'s, 'v> = &'s [Option<Value<'v>>];

impl Scalar {
    pub(super) fn is_true(&self, slots: Slots<'_, '_>) -> bool {
        self.value(slots) == Some(Computed::from(true))
    }

    /// Returns the value; `None` is null.
    pub(super) fn value<'v>(&'v self, slots: Slots<'_, 'v>) -> Option<Computed<'v>> {
        match self {
            Self::Constant(value) => value.as_ref().map(borrow),
            Self::Slot(slot) => slots.get(*slot).copied().flatten().and_then(Computed::of),
            Self::IsNull(inner) => Some(Computed::from(match **inner {
                // An object has no value to compute with, but is not null.
                Self::Slot(slot) => slots.get(slot).copied().flatten().is_none(),
                _ => inner.value(slots).is_none(),
            })),
            Self::And(operands) => Self::chain(operands, false, slots),
            Self::Or(operands) => Self::chain(operands, true, slots),
            Self::Test(inner, test) => {
                inner.value(slots).map(|value| test.holds(value.view()).into())
            }
            _ => {
                let values = self.operands().iter().map(|operand| operand.value(slots));
                self.apply(&values.collect::<SmallVec<[Option<Computed<'v>>; 4]>>())
            }
        }
    }

    /// Returns what it makes of the values of its operands.
    pub(super) fn apply<'v>(&self, values: &[Option<Computed<'v>>]) -> Option<Computed<'v>> {
        let first = values.first();
        match self {
            Self::Constant(_) | Self::Slot(_) => None,
            Self::Address(_) => first?.clone().map(in_shortest_form),
            Self::Call { eval, case, .. } => eval(values, *case),
            Self::Search { search, needles, .. } => search(values, needles),
            Self::Arithmetic { op, .. } => functions::arithmetic(*op, first?, values.get(1)?),
            Self::Negative(_) => functions::negative(first?),
            Self::Test(_, test) => first?.as_ref().map(|value| test.holds(value.view()).into()),
            Self::IsNull(_) => Some(first?.is_none().into()),
            Self::Not(_) => first?.as_ref().map(|value| (!value.is_true()).into()),
            Self::And(_) => chained(values, false),
            Self::Or(_) => chained(values, true),
        }
    }

    /// Returns the expressions that it is made of.
    pub(super) fn operands(&self) -> &[Self] {
        match self {
            Self::Constant(_) | Self::Slot(_) => &[],
            Self::Address(inner)
            | Self::Negative(inner)
            | Self::Test(inner, _)
            | Self::IsNull(inner)
            | Self::Not(inner) => std::slice::from_ref(&**inner),
            Self::Call { args, .. } | Self::Search { args, .. } => args,
            Self::Arithmetic { sides, .. } => &**sides,
            Self::And(operands) | Self::Or(operands) => operands,
        }
    }

    /// Visits the slots that it reads, some of them repeatedly.
    pub(super) fn for_each_slot(&self, visit: &mut impl FnMut(usize)) {
        if let Self::Slot(slot) = self {
            visit(*slot);
        }
        self.operands().iter().for_each(|operand| operand.for_each_slot(visit));
    }

    /// Tells whether its value is true, false or null for sure.
    pub(super) fn is_condition(&self) -> bool {
        match self {
            Self::Test(..) | Self::IsNull(_) | Self::Not(_) | Self::And(_) | Self::Or(_) => true,
            Self::Call { joined, .. } => matches!(joined, Some(Joined::Affix(_))),
            _ => false,
        }
    }

    /// `and` and `or`: `decisive` is the operand that decides alone.
    fn chain<'v>(
        operands: &'v [Self],
        decisive: bool,
        slots: Slots<'_, 'v>,
    ) -> Option<Computed<'v>> {
        let mut is_null = false;
        for operand in operands {
            match operand.value(slots).as_ref().map(Computed::is_true) {
                Some(truth) if truth == decisive => return Some(decisive.into()),
                Some(_) => {}
                None => is_null = true,
            }
        }
        (!is_null).then(|| (!decisive).into())
    }
}

/// `and` and `or` of values: `decisive` is the operand that decides alone.
fn chained<'v>(values: &[Option<Computed<'_>>], decisive: bool) -> Option<Computed<'v>> {
    let truths = || values.iter().map(|value| value.as_ref().map(Computed::is_true));
    if truths().any(|truth| truth == Some(decisive)) {
        return Some(decisive.into());
    }
    truths().all(|truth| truth.is_some()).then(|| (!decisive).into())
}

/// Returns the value without copying its text.
pub(super) fn borrow<'v>(value: &'v Computed<'_>) -> Computed<'v> {
    value.view().into()
}

fn in_shortest_form(value: Computed<'_>) -> Computed<'_> {
    match value.view().as_str().and_then(parse_ip) {
        Some(address) => Computed::Text(address.to_string()),
        None => value,
    }
}
