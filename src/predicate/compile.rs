//! Syntax tree to Boolean tree.

use super::node::{Combination, Node};
use super::regex::Patterns;
use super::scalar::{Joined, Scalar};
use super::source::FieldSource;
use super::strings::Affix;
use super::test::Test;
use crate::diag::Diagnostic;
use crate::eql::ast::{Call, Case, CompareOp, Expr, ExprKind, Literal};
use crate::eql::computed::Computed;
use crate::eql::functions::{self, Needles};
use crate::eql::types::{FieldType, field_type};
use crate::event::{FieldTable, Value};

/// Compiles a condition.
pub(super) fn condition(expr: &Expr, fields: &mut FieldTable) -> Result<Node, Vec<Diagnostic>> {
    let mut compiler = Compiler { fields, findings: Vec::new() };
    let node = compiler.condition(expr);
    if compiler.findings.is_empty() { Ok(node) } else { Err(compiler.findings) }
}

struct Compiler<'t> {
    fields: &'t mut FieldTable,
    findings: Vec<Diagnostic>,
}

/// Where the values of the slots of one atomic condition stand.
type Slots = Vec<FieldSource>;

impl Compiler<'_> {
    fn condition(&mut self, expr: &Expr) -> Node {
        if let Some((asked, holds)) = self.asked_as_a_whole(expr) {
            let node = self.condition(asked);
            return if holds { node } else { Node::not(node) };
        }
        match &expr.kind {
            // What does not depend on the event may be null, and the opposite of null is null.
            _ if expr.is_constant() => self.atom(|compiler, slots| compiler.value(expr, slots)),
            ExprKind::And(operands) => {
                Node::all(operands.iter().map(|operand| self.condition(operand)).collect())
            }
            ExprKind::Or(operands) => {
                Node::any(operands.iter().map(|operand| self.condition(operand)).collect())
            }
            ExprKind::Not(inner) => Node::not(self.condition(inner)),
            // What is negated is the whole question, not the answer for one value.
            ExprKind::Compare { op: CompareOp::Ne, left, right } => Node::not(
                self.atom(|compiler, slots| compiler.compare(CompareOp::Eq, left, right, slots)),
            ),
            ExprKind::In { value, list, case, negated: true } => {
                Node::not(self.atom(|compiler, slots| compiler.member(value, list, *case, slots)))
            }
            ExprKind::Field(_) => self.atom(|compiler, slots| {
                Scalar::Test(Box::new(compiler.value(expr, slots)), Test::Bool(true))
            }),
            _ => self.atom(|compiler, slots| compiler.value(expr, slots)),
        }
    }

    /// Returns the condition that a comparison with true or false asks about, and what its answer
    /// has to be.
    ///
    /// The answer is that for the whole event: the complement holds where no value satisfies the
    /// condition, as behind `not`. A field is no condition: its values are compared.
    fn asked_as_a_whole<'e>(&mut self, expr: &'e Expr) -> Option<(&'e Expr, bool)> {
        let ExprKind::Compare { op, left, right } = &expr.kind else { return None };
        let (asked, known) = if left.is_constant() { (right, left) } else { (left, right) };
        if asked.is_constant() || matches!(asked.kind, ExprKind::Field(_)) || !known.is_constant() {
            return None;
        }
        let Some(Some(Computed::Plain(Value::Bool(truth)))) = self.constant(known) else {
            return None;
        };
        match op {
            CompareOp::Eq => Some((asked, truth)),
            CompareOp::Ne => Some((asked, !truth)),
            _ => None,
        }
    }

    /// Makes a condition of an expression over the values of some fields.
    fn atom(&mut self, compile: impl FnOnce(&mut Self, &mut Slots) -> Scalar) -> Node {
        let mut slots = Slots::new();
        let scalar = compile(self, &mut slots);
        match (scalar, &slots[..]) {
            (scalar @ Scalar::Constant(_), _) | (scalar, []) => Node::Constant(scalar.is_true(&[])),
            (Scalar::Test(value, test), [source]) if matches!(*value, Scalar::Slot(_)) => {
                match test {
                    Test::Never => Node::Constant(false),
                    test => Node::test(*source, test),
                }
            }
            (Scalar::IsNull(value), [source]) if matches!(*value, Scalar::Slot(_)) => {
                Node::not(Node::Exists(*source))
            }
            (scalar, _) => {
                Node::Any(Box::new(Combination { scalar, sources: slots.into_boxed_slice() }))
            }
        }
    }

    /// Compiles an expression whose value is wanted.
    fn value(&mut self, expr: &Expr, slots: &mut Slots) -> Scalar {
        let scalar = match &expr.kind {
            ExprKind::Literal(literal) => Scalar::Constant(constant(literal)),
            ExprKind::Field(field) => Scalar::Slot(self.slot(&field.written(), slots)),
            ExprKind::And(operands) => Scalar::And(self.truths(operands, slots)),
            ExprKind::Or(operands) => Scalar::Or(self.truths(operands, slots)),
            ExprKind::Not(inner) => Scalar::Not(Box::new(self.truth(inner, slots))),
            ExprKind::Compare { op: CompareOp::Ne, left, right } => {
                Scalar::Not(Box::new(self.compare(CompareOp::Eq, left, right, slots)))
            }
            ExprKind::Compare { op, left, right } => self.compare(*op, left, right, slots),
            ExprKind::In { value, list, case, negated } => {
                let member = self.member(value, list, *case, slots);
                if *negated { Scalar::Not(Box::new(member)) } else { member }
            }
            ExprKind::Like { value, patterns, case } => {
                let test = Test::like(patterns, case.and(value.case()), hint(value));
                Scalar::Test(Box::new(self.value(value, slots)), test)
            }
            ExprKind::Regex { value, patterns, case } => {
                let test = match Patterns::new(patterns, case.and(value.case())) {
                    Ok(patterns) => Test::Regex(Box::new(patterns)),
                    Err(finding) => {
                        self.findings.push(finding);
                        Test::Never
                    }
                };
                Scalar::Test(Box::new(self.value(value, slots)), test)
            }
            ExprKind::Call(call) => self.call(call, slots),
            ExprKind::Arithmetic { op, left, right } => {
                let sides = Box::new([self.value(left, slots), self.value(right, slots)]);
                Scalar::Arithmetic { op: *op, sides }
            }
            ExprKind::Negative(inner) => Scalar::Negative(Box::new(self.value(inner, slots))),
            ExprKind::Invalid => Scalar::Constant(None),
        };
        folded(scalar, expr)
    }

    /// Compiles an operand of a Boolean operator inside a value: a bare field is a boolean there.
    fn truth(&mut self, expr: &Expr, slots: &mut Slots) -> Scalar {
        let value = self.value(expr, slots);
        match expr.kind {
            ExprKind::Field(_) => Scalar::Test(Box::new(value), Test::Bool(true)),
            _ => value,
        }
    }

    fn truths(&mut self, operands: &[Expr], slots: &mut Slots) -> Box<[Scalar]> {
        operands.iter().map(|operand| self.truth(operand, slots)).collect()
    }

    fn slot(&mut self, written: &str, slots: &mut Slots) -> usize {
        let source = FieldSource::of(written, self.fields);
        // A field that is named twice has one value in each combination.
        slots.iter().position(|known| *known == source).unwrap_or_else(|| {
            slots.push(source);
            slots.len() - 1
        })
    }

    /// Any comparison but `!=`.
    fn compare(&mut self, op: CompareOp, left: &Expr, right: &Expr, slots: &mut Slots) -> Scalar {
        let is_null = |side: &Expr| matches!(side.kind, ExprKind::Literal(Literal::Null));
        if left.is_constant() && !right.is_constant() || is_null(left) && !is_null(right) {
            return self.compare(op.mirrored(), right, left, slots);
        }
        let Some(constant) = self.constant(right) else {
            return Scalar::Constant(None);
        };
        let value = Box::new(self.value(left, slots));
        match (constant, op) {
            (None, CompareOp::Eq) => match *value {
                Scalar::Constant(known) => Scalar::Constant(Some(known.is_none().into())),
                _ => Scalar::IsNull(value),
            },
            (None, _) => Scalar::Constant(None),
            (Some(constant), CompareOp::Eq) => {
                Scalar::Test(value, Test::one_of(&[constant.view()], left.case(), hint(left)))
            }
            (Some(constant), _) => {
                Scalar::Test(value, Test::order(op, constant.view(), left.case(), hint(left)))
            }
        }
    }

    fn member(&mut self, value: &Expr, list: &[Expr], case: Case, slots: &mut Slots) -> Scalar {
        let constants: Vec<Computed<'static>> =
            list.iter().filter_map(|item| self.constant(item).flatten()).collect();
        let constants: Vec<Value<'_>> = constants.iter().map(Computed::view).collect();
        let test = Test::one_of(&constants, case.and(value.case()), hint(value));
        Scalar::Test(Box::new(self.value(value, slots)), test)
    }

    /// Returns the value of an expression without fields, which may be null.
    fn constant(&mut self, expr: &Expr) -> Option<Option<Computed<'static>>> {
        let mut slots = Slots::new();
        let scalar = self.value(expr, &mut slots);
        if !slots.is_empty() {
            self.findings.push(
                Diagnostic::error("E0307", "one side of a comparison must be a constant")
                    .at(expr.span)
                    .label("depends on the event"),
            );
            return None;
        }
        Some(scalar.value(&[]).map(Computed::into_owned))
    }

    fn call(&mut self, call: &Call, slots: &mut Slots) -> Scalar {
        let Some(function) = functions::find(&call.name) else {
            let message = format!("there is no function `{}`", call.name);
            self.findings.push(Diagnostic::error("E0301", message).at(call.name_span));
            return Scalar::Constant(None);
        };
        let of_args = call.args.iter().map(Expr::case).fold(call.case, Case::and);
        let case = if function.has_tilde { of_args } else { call.case };
        let mut args: Vec<Scalar> = call.args.iter().map(|arg| self.value(arg, slots)).collect();
        if let Some(test) = test_of_call(function.name, case, &args) {
            return Scalar::Test(Box::new(args.swap_remove(0)), test);
        }
        if function.name == "string" && call.args.first().is_some_and(is_address) {
            args = args.into_iter().map(|arg| Scalar::Address(Box::new(arg))).collect();
        }
        match functions::search(function.name) {
            Some(search) => {
                let constants = args.iter().map(constant_text);
                let needles = Box::new(Needles::ready(case, constants));
                Scalar::Search { search, needles, args: args.into() }
            }
            None => Scalar::Call {
                eval: function.eval,
                case,
                joined: joined(function.name),
                args: args.into(),
            },
        }
    }
}

/// Returns what a call asks about its first argument, if the others are constants.
fn test_of_call(name: &str, case: Case, args: &[Scalar]) -> Option<Test> {
    let text = |arg: &Scalar| match arg {
        Scalar::Constant(Some(value)) => value.text().map(|text| text.into_owned()),
        _ => None,
    };
    match (name, joined(name), args) {
        (_, Some(Joined::Affix(kind)), [_, part]) => Some(Test::affix(kind, &text(part)?, case)),
        ("cidrMatch", _, [_, blocks @ ..]) => {
            let block = |arg: &Scalar| functions::parse_block(&text(arg)?);
            Some(Test::Blocks(blocks.iter().map(block).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// Returns how a function is decided for many values at once, if there is a way.
fn joined(function: &str) -> Option<Joined> {
    match function {
        "concat" => Some(Joined::Concat),
        "endsWith" => Some(Joined::Affix(Affix::End)),
        "startsWith" => Some(Joined::Affix(Affix::Start)),
        "stringContains" => Some(Joined::Affix(Affix::Anywhere)),
        _ => None,
    }
}

/// Returns the text of an argument that is written in the query.
fn constant_text(arg: &Scalar) -> Option<&str> {
    match arg {
        Scalar::Constant(value) => value.as_ref()?.view().as_str(),
        _ => None,
    }
}

/// Computes what does not depend on the event.
fn folded(scalar: Scalar, expr: &Expr) -> Scalar {
    match scalar {
        Scalar::Constant(_) => scalar,
        _ if expr.is_constant() => Scalar::Constant(scalar.value(&[]).map(Computed::into_owned)),
        _ => scalar,
    }
}

fn constant(literal: &Literal) -> Option<Computed<'static>> {
    match literal {
        Literal::Null => None,
        Literal::Bool(truth) => Some(Value::Bool(*truth).into()),
        Literal::Int(number) => Some(Value::Int(*number).into()),
        Literal::Big(number) => Some(Value::Big(*number).into()),
        Literal::Float(number) => Some(Value::Float(*number).into()),
        Literal::Str(text) => Some(Computed::Text(text.clone())),
    }
}

/// Returns the type of a well-known field.
fn hint(expr: &Expr) -> Option<FieldType> {
    match &expr.kind {
        ExprKind::Field(field) => field_type(&field.path),
        _ => None,
    }
}

fn is_address(expr: &Expr) -> bool {
    hint(expr) == Some(FieldType::Ip)
}
