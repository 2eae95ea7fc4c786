//! `add`, `subtract`, `multiply`, `divide`, `modulo`: the operators as functions.
//!
//! Whole numbers stay whole; what has no result is null: a division by zero, and what does not fit
//! into 63 bits and a sign, or into 64 bits if an operand does not fit into 63 either.

use super::super::ast::{ArithmeticOp, Case};
use super::super::computed::Computed;
use super::super::types::Type;
use super::text::number_of;
use super::{Function, Param, Scalar, example, required};
use crate::event::Value;

const PARAMS: &[Param] = &[required("left", Type::Number), required("right", Type::Number)];

pub(super) const ADD: Function = Function {
    name: "add",
    params: PARAMS,
    rest: None,
    returns: Type::Number,
    has_tilde: false,
    doc: "Returns the sum of two numbers, as `+` does.",
    examples: &[example("add(a, 2) == 5", r#"{"a":3}"#, true)],
    eval: |args, _: Case| binary(ArithmeticOp::Add, args),
};

pub(super) const SUBTRACT: Function = Function {
    name: "subtract",
    doc: "Returns the difference of two numbers, as `-` does.",
    examples: &[example("subtract(a, 2) == 1", r#"{"a":3}"#, true)],
    eval: |args, _: Case| binary(ArithmeticOp::Subtract, args),
    ..ADD
};

pub(super) const MULTIPLY: Function = Function {
    name: "multiply",
    doc: "Returns the product of two numbers, as `*` does.",
    examples: &[example("multiply(a, 2) == 6", r#"{"a":3}"#, true)],
    eval: |args, _: Case| binary(ArithmeticOp::Multiply, args),
    ..ADD
};

pub(super) const DIVIDE: Function = Function {
    name: "divide",
    doc: "Returns the quotient of two numbers, as `/` does: of whole numbers without its fraction, and null for division by zero.",
    examples: &[
        example("divide(a, 2) == 41", r#"{"a":83}"#, true),
        example("divide(a, 2.0) == 41.5", r#"{"a":83}"#, true),
        example("divide(a, 0) == null", r#"{"a":83}"#, true),
    ],
    eval: |args, _: Case| binary(ArithmeticOp::Divide, args),
    ..ADD
};

pub(super) const MODULO: Function = Function {
    name: "modulo",
    doc: "Returns the remainder of a division, as `%` does; its sign is that of the left number.",
    examples: &[
        example("modulo(a, 10) == 3", r#"{"a":83}"#, true),
        example("modulo(a, 10) == -3", r#"{"a":-83}"#, true),
    ],
    eval: |args, _: Case| binary(ArithmeticOp::Modulo, args),
    ..ADD
};

fn binary<'a>(op: ArithmeticOp, args: &[Scalar<'a>]) -> Scalar<'a> {
    let [left, right] = args else { return None };
    arithmetic(op, left, right)
}

/// Returns the result of an operation on two numbers, or on texts that write numbers.
pub fn arithmetic<'a>(op: ArithmeticOp, left: &Scalar<'a>, right: &Scalar<'a>) -> Scalar<'a> {
    let (left, right) = (number_of(left.as_ref()?.view())?, number_of(right.as_ref()?.view())?);
    match (left.as_whole(), right.as_whole()) {
        (Some(a), Some(b)) => {
            let are_long = matches!((left, right), (Value::Int(_), Value::Int(_)));
            let result = Value::whole(whole(op, a, b)?)?;
            (!are_long || matches!(result, Value::Int(_))).then(|| result.into())
        }
        _ => fractional(op, float(left)?, float(right)?).map(|number| Value::Float(number).into()),
    }
}

/// Returns a number with its sign changed.
pub fn negative<'a>(number: &Scalar<'a>) -> Scalar<'a> {
    let negative = match number_of(number.as_ref()?.view())? {
        Value::Int(number) => number.checked_neg().map(Value::Int),
        // Beyond what whole numbers hold it is the nearest double, as such a literal is.
        Value::Big(number) => {
            Value::whole(-i128::from(number)).or(Some(Value::Float(-(number as f64))))
        }
        Value::Float(number) => Some(Value::Float(-number)),
        _ => None,
    };
    negative.map(Computed::from)
}

fn whole(op: ArithmeticOp, left: i128, right: i128) -> Option<i128> {
    match op {
        ArithmeticOp::Add => left.checked_add(right),
        ArithmeticOp::Subtract => left.checked_sub(right),
        ArithmeticOp::Multiply => left.checked_mul(right),
        ArithmeticOp::Divide => left.checked_div(right),
        ArithmeticOp::Modulo => left.checked_rem(right),
    }
}

fn fractional(op: ArithmeticOp, left: f64, right: f64) -> Option<f64> {
    let result = match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Subtract => left - right,
        ArithmeticOp::Multiply => left * right,
        ArithmeticOp::Divide => left / right,
        ArithmeticOp::Modulo => left % right,
    };
    result.is_finite().then_some(result)
}

fn float(number: Value<'_>) -> Option<f64> {
    match number {
        Value::Int(number) => Some(number as f64),
        Value::Big(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}
