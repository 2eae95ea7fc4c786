//! Conditions and values: types, functions, comparisons.

use super::super::ast::{Call, Case, CompareOp, Expr, ExprKind, Field, Literal};
use super::super::functions::{self, Function, Param};
use super::super::types::{FieldType, Type, field_type};
use crate::diag::Diagnostic;
use crate::event::EventTime;
use crate::text::edit_distance::nearest;

/// Checks an expression that must be true or false.
pub(super) fn condition(expr: &Expr, findings: &mut Vec<Diagnostic>) {
    let found = argument_type(expr, findings);
    truth(expr, found, findings);
}

/// Checks what `and`, `or` and `not` join: null may stand there too.
fn operand_of_logic(expr: &Expr, findings: &mut Vec<Diagnostic>) {
    match argument_type(expr, findings) {
        Type::Null => findings.push(
            Diagnostic::warning("W0404", "null is neither true nor false")
                .at(expr.span)
                .label("null")
                .help("write `true` or `false`"),
        ),
        found => truth(expr, found, findings),
    }
}

fn truth(expr: &Expr, found: Type, findings: &mut Vec<Diagnostic>) {
    if matches!(found, Type::Boolean | Type::Any) {
        return;
    }
    let what = found.with_article();
    findings.push(
        Diagnostic::error("E0308", format!("a condition is true or false, but this is {what}"))
            .at(expr.span)
            .label(what)
            .help("compare it with a value, as in `… == 5`"),
    );
}

/// Checks an expression and returns its type; fields may hold anything.
fn type_of(expr: &Expr, findings: &mut Vec<Diagnostic>) -> Type {
    match &expr.kind {
        ExprKind::Literal(literal) => literal_type(literal),
        ExprKind::Field(_) | ExprKind::Invalid => Type::Any,
        ExprKind::And(operands) | ExprKind::Or(operands) => {
            operands.iter().for_each(|operand| operand_of_logic(operand, findings));
            Type::Boolean
        }
        ExprKind::Not(inner) => {
            operand_of_logic(inner, findings);
            Type::Boolean
        }
        ExprKind::Compare { op, left, right } => {
            compare(*op, left, right, findings);
            Type::Boolean
        }
        ExprKind::In { value, list, .. } => {
            list.iter().for_each(|item| member(value, item, findings));
            type_of(value, findings);
            Type::Boolean
        }
        ExprKind::Like { value, .. } => {
            matched(value, "`:` and `like` compare", findings);
            Type::Boolean
        }
        ExprKind::Regex { value, patterns, .. } => {
            matched(value, "`regex` compares", findings);
            patterns.iter().for_each(|pattern| super::regex::pattern(pattern, findings));
            Type::Boolean
        }
        ExprKind::Call(written) => call(written, findings),
        ExprKind::Arithmetic { op, left, right } => {
            operand(op.as_str(), left, findings);
            operand(op.as_str(), right, findings);
            Type::Number
        }
        ExprKind::Negative(inner) => {
            operand("-", inner, findings);
            Type::Number
        }
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Boolean,
        Literal::Int(_) | Literal::Big(_) | Literal::Float(_) => Type::Number,
        Literal::Str(_) => Type::String,
    }
}

/// Returns what is known of a field without an event.
fn known_type(field: &Field) -> Type {
    if field.form.is_some() {
        return Type::Any;
    }
    match field_type(&field.path) {
        Some(FieldType::Number) => Type::Number,
        Some(FieldType::Boolean) => Type::Boolean,
        Some(FieldType::Ip | FieldType::Date) => Type::String,
        None => Type::Any,
    }
}

fn compare(op: CompareOp, left: &Expr, right: &Expr, findings: &mut Vec<Diagnostic>) {
    let (left_type, right_type) = (type_of(left, findings), type_of(right, findings));
    if !left.is_constant() && !right.is_constant() {
        return findings.push(field_to_field(op.as_str(), right));
    }
    let ordered = !matches!(op, CompareOp::Eq | CompareOp::Ne);
    let of_type = |wanted: Type| {
        [(left, left_type), (right, right_type)].into_iter().find(|(_, t)| *t == wanted)
    };
    if let Some((null, _)) = of_type(Type::Null).filter(|_| ordered) {
        return findings.push(never(null, op.as_str()));
    }
    if let Some((boolean, _)) = of_type(Type::Boolean).filter(|_| ordered) {
        return findings.push(
            Diagnostic::error("E0309", format!("`{}` compares numbers or strings", op.as_str()))
                .at(boolean.span)
                .label("a boolean")
                .help("write `==` or `!=`"),
        );
    }
    mismatch(left, left_type, right, right_type, findings);
    for (side, other) in [(left, right), (right, left)] {
        caveats(side, other, op.as_str(), findings);
    }
}

fn member(value: &Expr, item: &Expr, findings: &mut Vec<Diagnostic>) {
    let item_type = type_of(item, findings);
    if !item.is_constant() {
        return findings.push(field_to_field("in", item));
    }
    if item_type == Type::Null {
        return findings.push(never(item, "in"));
    }
    let value_type = type_of(value, &mut Vec::new());
    mismatch(value, value_type, item, item_type, findings);
    caveats(value, item, "in", findings);
}

/// Two types that can never be equal.
fn mismatch(
    left: &Expr,
    left_type: Type,
    right: &Expr,
    right_type: Type,
    findings: &mut Vec<Diagnostic>,
) {
    if left_type.accepts(right_type) || left_type == Type::Null {
        return;
    }
    let (what, other) = (right_type.with_article(), left_type.with_article());
    let help = match (&right.kind, left_type) {
        (ExprKind::Literal(Literal::Str(text)), Type::Number) if text.parse::<f64>().is_ok() => {
            format!("write the number without quotes: `{text}`")
        }
        (ExprKind::Literal(Literal::Int(number)), Type::String) => {
            format!("write the text in quotes: `\"{number}\"`")
        }
        _ => "compare values of the same type".to_owned(),
    };
    findings.push(
        Diagnostic::error("E0320", format!("{other} never equals {what}"))
            .at(left.span.to(right.span))
            .label(format!("{other} and {what}"))
            .help(help),
    );
}

/// What a comparison of `field` with a constant may not mean to its author.
fn caveats(field: &Expr, constant: &Expr, op: &str, findings: &mut Vec<Diagnostic>) {
    let ExprKind::Literal(Literal::Str(text)) = &constant.kind else { return };
    if text.contains('*') && !field.is_constant() {
        findings.push(
            Diagnostic::warning("W0407", format!("`*` is an ordinary character behind `{op}`"))
                .at(constant.span)
                .label("no wildcard here")
                .help("write `:` or `like` to match a pattern"),
        );
    }
    let ExprKind::Field(field) = &field.kind else { return };
    let is_date = field_type(&field.path) == Some(FieldType::Date);
    if is_date && EventTime::parse(text).is_none() {
        findings.push(
            Diagnostic::warning("W0408", format!("`{text}` is no point of time"))
                .at(constant.span)
                .label("compared as text")
                .help("write it like `2024-06-11T11:33:24Z`; `now` means nothing to a stream"),
        );
    }
}

fn field_to_field(op: &str, span: &Expr) -> Diagnostic {
    Diagnostic::error("E0307", format!("one side of `{op}` must be a constant"))
        .at(span.span)
        .label("depends on the event, as the left side does")
        .help("a function may take several fields, as in `startsWith(user.name, host.name)`")
}

fn never(null: &Expr, op: &str) -> Diagnostic {
    Diagnostic::warning("W0404", format!("`{op}` never holds for null"))
        .at(null.span)
        .label("null")
        .help("write `== null` for events without the field, `!= null` for those with it")
}

/// The left side of `:`, `like`, `regex`.
fn matched(value: &Expr, operator: &str, findings: &mut Vec<Diagnostic>) {
    let found = type_of(value, findings);
    if Type::String.accepts(found) {
        return;
    }
    let what = found.with_article();
    findings.push(
        Diagnostic::error("E0309", format!("{operator} texts, but this is {what}"))
            .at(value.span)
            .label(what)
            .help("write `==` to compare it"),
    );
}

/// An operand of `+`, `-` and the like.
fn operand(operator: &str, value: &Expr, findings: &mut Vec<Diagnostic>) {
    let found = argument_type(value, findings);
    if Type::Number.accepts(found) {
        return;
    }
    let what = found.with_article();
    findings.push(
        Diagnostic::error("E0309", format!("`{operator}` needs numbers, but this is {what}"))
            .at(value.span)
            .label(what)
            .help("`number(…)` reads a number from a text, `concat(…)` joins texts"),
    );
}

/// Like [`type_of`], but with what is known of a field.
fn argument_type(value: &Expr, findings: &mut Vec<Diagnostic>) -> Type {
    match &value.kind {
        ExprKind::Field(field) => known_type(field),
        _ => type_of(value, findings),
    }
}

fn call(call: &Call, findings: &mut Vec<Diagnostic>) -> Type {
    let Some(function) = functions::find(&call.name) else {
        for arg in &call.args {
            type_of(arg, findings);
        }
        findings.push(unknown_function(call));
        return Type::Any;
    };
    if call.case == Case::Insensitive && !function.has_tilde {
        findings.push(
            Diagnostic::error("E0303", format!("`{}~` does not exist", function.name))
                .at(call.name_span)
                .label("has no `~` form")
                .help(format!("write `{}`", function.usage())),
        );
    }
    arity(function, call, findings);
    for (index, arg) in call.args.iter().enumerate() {
        let found = argument_type(arg, findings);
        if let Some(param) = function.param(index) {
            argument(function, param, arg, found, findings);
        }
    }
    function.returns
}

fn arity(function: &Function, call: &Call, findings: &mut Vec<Diagnostic>) {
    let (count, least, most) = (call.args.len(), function.required(), function.most());
    let least = least.max(usize::from(function.rest.is_some_and(|rest| rest.required)));
    if count >= least && most.is_none_or(|most| count <= most) {
        return;
    }
    let wanted = match most {
        Some(most) if most == least => format!("{least}"),
        Some(most) => format!("{least} to {most}"),
        None => format!("at least {least}"),
    };
    let noun = if wanted == "1" || wanted.ends_with(" 1") { "argument" } else { "arguments" };
    findings.push(
        Diagnostic::error("E0302", format!("`{}` takes {wanted} {noun}", function.name))
            .at(call.name_span)
            .label(format!("{count} given"))
            .help(format!("write `{}`", function.usage())),
    );
}

fn argument(
    function: &Function,
    param: &Param,
    arg: &Expr,
    found: Type,
    findings: &mut Vec<Diagnostic>,
) {
    if param.constant && !arg.is_constant() {
        findings.push(
            Diagnostic::error(
                "E0305",
                format!("`{}` of `{}` must be a constant", param.name, function.name),
            )
            .at(arg.span)
            .label("depends on the event")
            .help(format!("write `{}` with a literal there", function.usage())),
        );
    } else if !param.accepts.accepts(found) {
        findings.push(argument_mismatch(function, param, arg, found));
    } else if param.whole && matches!(arg.kind, ExprKind::Literal(Literal::Float(_))) {
        findings.push(not_whole(function, param, arg));
    } else if param.name == "block" {
        block(arg, findings);
    }
}

fn not_whole(function: &Function, param: &Param, arg: &Expr) -> Diagnostic {
    let message = format!("`{}` of `{}` must be a whole number", param.name, function.name);
    Diagnostic::error("E0304", message)
        .at(arg.span)
        .label("has a fraction")
        .help(format!("write `{}` with a number without a dot", function.usage()))
}

fn argument_mismatch(function: &Function, param: &Param, arg: &Expr, found: Type) -> Diagnostic {
    let (wanted, what) = (param.accepts.with_article(), found.with_article());
    let subject = match &arg.kind {
        ExprKind::Field(field) => format!("`{}`", field.written()),
        _ => "this".to_owned(),
    };
    let help = match (&arg.kind, param.accepts) {
        (ExprKind::Field(field), Type::String) if function.name == "length" => {
            format!("compare the number itself, as in `{} > 3`", field.path)
        }
        (ExprKind::Field(field), Type::String) => format!("write `string({})`", field.path),
        (_, Type::Number) => "`number(…)` reads a number from a text".to_owned(),
        _ => format!("write `{}`", function.usage()),
    };
    Diagnostic::error(
        "E0304",
        format!("`{}` needs {wanted}, but {subject} is {what}", function.name),
    )
    .at(arg.span)
    .label(what)
    .help(help)
}

fn block(arg: &Expr, findings: &mut Vec<Diagnostic>) {
    let ExprKind::Literal(Literal::Str(text)) = &arg.kind else { return };
    if functions::parse_block(text).is_none() {
        findings.push(
            Diagnostic::error("E0306", format!("`{text}` is no block of addresses"))
                .at(arg.span)
                .label("neither address nor block")
                .help("write it like `10.0.0.0/8`, `fe80::/10` or `127.0.0.1`"),
        );
    }
}

fn unknown_function(call: &Call) -> Diagnostic {
    let name = call.name.as_str();
    let error = Diagnostic::error("E0301", format!("there is no function `{name}`"))
        .at(call.name_span)
        .label("unknown function");
    let help = match name.to_ascii_lowercase().as_str() {
        "wildcard" => "removed from the language: write `field : (\"a*\", \"b*\")`".to_owned(),
        "match" => "removed from the language: write `field regex (\"a.*\", \"b.*\")`".to_owned(),
        "and" | "or" | "not" | "in" | "like" | "regex" => {
            format!("keywords are written in lower case: `{}`", name.to_ascii_lowercase())
        }
        "arraycontains" => {
            "write `field == \"a\"`: a condition holds if any element satisfies it".to_owned()
        }
        "arraysearch" | "arraycount" => "functions over lists are not supported".to_owned(),
        "contains" => "write `stringContains(source, substring)`".to_owned(),
        _ => match nearest_function(name) {
            Some(function) => format!("write `{}`", function.usage()),
            None => {
                let names: Vec<&str> = functions::FUNCTIONS.iter().map(|f| f.name).collect();
                format!("the functions are {}", names.join(", "))
            }
        },
    };
    error.help(help)
}

/// Returns the function whose name differs from this one by a typing mistake.
fn nearest_function(name: &str) -> Option<&'static Function> {
    nearest(name, functions::FUNCTIONS.iter().map(|function| function.name))
        .and_then(functions::find)
}
