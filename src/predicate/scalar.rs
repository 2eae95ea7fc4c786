//! Values computed from fields: function calls, arithmetic, and conditions used as values.
//!
//! Here null exists: what is computed from null is null, unless something else decides.

use super::test::Test;
use crate::eql::ast::{ArithmeticOp, Case};
use crate::eql::functions::{self, Eval};
use crate::event::Value;
use crate::event::ip::parse_ip;

/// An expression over slots, each of which holds one value of one field, or null.
#[derive(Debug)]
pub(super) enum Scalar {
    Constant(Option<Value<'static>>),
    Slot(usize),
    /// A text that writes an IP address, in its shortest form.
    Address(Box<Self>),
    Call {
        eval: Eval,
        case: Case,
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

/// The values of the slots.
pub(super) type Slots<'s, 'v> = &'s [Option<&'v Value<'v>>];

impl Scalar {
    pub(super) fn is_true(&self, slots: Slots<'_, '_>) -> bool {
        self.value(slots) == Some(Value::Bool(true))
    }

    /// Returns the value; `None` is null.
    pub(super) fn value<'v>(&'v self, slots: Slots<'_, 'v>) -> Option<Value<'v>> {
        match self {
            Self::Constant(value) => value.as_ref().and_then(borrow),
            Self::Slot(slot) => slots.get(*slot).copied().flatten().and_then(borrow),
            Self::Address(inner) => inner.value(slots).map(in_shortest_form),
            Self::Call { eval, case, args } => {
                let args: smallvec::SmallVec<[Option<Value<'v>>; 4]> =
                    args.iter().map(|arg| arg.value(slots)).collect();
                eval(&args, *case)
            }
            Self::Arithmetic { op, sides } => {
                let [left, right] = &**sides;
                functions::arithmetic(*op, &left.value(slots), &right.value(slots))
            }
            Self::Negative(inner) => functions::negative(&inner.value(slots)),
            Self::Test(inner, test) => {
                inner.value(slots).map(|value| Value::Bool(test.holds(&value)))
            }
            Self::IsNull(inner) => Some(Value::Bool(match **inner {
                // An object has no value to compute with, but is not null.
                Self::Slot(slot) => slots.get(slot).copied().flatten().is_none(),
                _ => inner.value(slots).is_none(),
            })),
            Self::Not(inner) => inner.truth(slots).map(|truth| Value::Bool(!truth)),
            Self::And(operands) => Self::chain(operands, false, slots),
            Self::Or(operands) => Self::chain(operands, true, slots),
        }
    }

    /// `and` and `or`: `decisive` is the operand that decides alone.
    fn chain<'v>(operands: &'v [Self], decisive: bool, slots: Slots<'_, 'v>) -> Option<Value<'v>> {
        let mut is_null = false;
        for operand in operands {
            match operand.truth(slots) {
                Some(truth) if truth == decisive => return Some(Value::Bool(decisive)),
                Some(_) => {}
                None => is_null = true,
            }
        }
        (!is_null).then_some(Value::Bool(!decisive))
    }

    fn truth(&self, slots: Slots<'_, '_>) -> Option<bool> {
        match self.value(slots)? {
            Value::Bool(truth) => Some(truth),
            Value::Str(text) => Some(text == "true"),
            _ => Some(false),
        }
    }
}

/// Returns the value without copying its text; an object is no value.
fn borrow<'v>(value: &'v Value<'_>) -> Option<Value<'v>> {
    Some(match value {
        Value::Str(text) => Value::from(&**text),
        Value::Int(number) => Value::Int(*number),
        Value::Big(number) => Value::Big(*number),
        Value::Float(number) => Value::Float(*number),
        Value::Written(written) => Value::Written(written.clone()),
        Value::Bool(truth) => Value::Bool(*truth),
        Value::Object => return None,
    })
}

fn in_shortest_form(value: Value<'_>) -> Value<'_> {
    match value.as_str().and_then(parse_ip) {
        Some(address) => Value::from(address.to_string()),
        None => value,
    }
}
