//! The canonical form of queries: parsing it gives the same query again.
//!
//! Never keeps comments or line breaks of the original.

use std::fmt::Write;

use super::ast::{
    Body, Call, Case, Category, EventQuery, Expr, ExprKind, KeyField, Literal, Pattern, PipeKind,
    Query, Sequence, Term,
};
use super::lexer::literal::quoted;
use super::lexer::{is_name_part, is_name_start};
use super::token::Keyword;
use crate::event::TimeSpan;

/// Conditions longer than this stand on several lines.
const WIDTH: usize = 100;

/// Returns the query as text.
pub fn canonical(query: &Query) -> String {
    let mut out = String::new();
    match &query.body {
        Body::Event(query) => out.push_str(&event_query(query, 0)),
        Body::Sequence(query) => sequence(&mut out, query),
        Body::Sample(sample) => {
            header(&mut out, "sample", &sample.by, None);
            sample.terms.iter().for_each(|item| term(&mut out, item));
        }
    }
    for pipe in &query.pipes {
        let name = match pipe.kind {
            PipeKind::Head => "head",
            PipeKind::Tail => "tail",
        };
        let _ = write!(out, "\n| {name} {}", pipe.count);
    }
    out
}

/// Returns a condition as text, on one line.
pub fn condition(condition: &Expr) -> String {
    flat(condition, Binding::Or)
}

/// Returns a field's path as text: what is no name stands in backticks.
pub fn path(path: &str) -> String {
    if path.split('.').any(str::is_empty) {
        return backticks(path);
    }
    let segments: Vec<String> = path.split('.').map(segment).collect();
    segments.join(".")
}

fn segment(segment: &str) -> String {
    let is_name = segment.starts_with(is_name_start)
        && segment.chars().skip(1).all(is_name_part)
        && Keyword::parse(segment).is_none();
    // In capitals a keyword alone would be taken for the keyword.
    let looks_like_keyword = Keyword::parse(&segment.to_ascii_lowercase()).is_some();
    if is_name && !looks_like_keyword { segment.to_owned() } else { backticks(segment) }
}

fn backticks(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn sequence(out: &mut String, sequence: &Sequence) {
    header(out, "sequence", &sequence.by, sequence.maxspan);
    sequence.terms.iter().for_each(|item| term(out, item));
    if let Some(until) = &sequence.until {
        out.push_str("\nuntil");
        term(out, until);
    }
}

fn header(out: &mut String, kind: &str, by: &[KeyField], maxspan: Option<TimeSpan>) {
    out.push_str(kind);
    keys(out, by);
    if let Some(maxspan) = maxspan {
        let _ = write!(out, " with maxspan={maxspan}");
    }
}

fn keys(out: &mut String, by: &[KeyField]) {
    for (index, key) in by.iter().enumerate() {
        out.push_str(if index == 0 { " by " } else { ", " });
        out.push_str(if key.optional { "?" } else { "" });
        out.push_str(&path(&key.written()));
    }
}

fn term(out: &mut String, term: &Term) {
    let open = if term.missing { "![" } else { "[" };
    let _ = write!(out, "\n  {open}{}]", event_query(&term.query, 4));
    keys(out, &term.by);
    if term.runs != 1 {
        let _ = write!(out, " with runs={}", term.runs);
    }
}

fn event_query(query: &EventQuery, indent: usize) -> String {
    let category = match &query.category {
        Category::Any => "any".to_owned(),
        Category::Is(name) if is_plain_category(name) => name.clone(),
        Category::Is(name) => quoted(name),
    };
    let short = format!("{category} where {}", condition(&query.condition));
    if short.chars().count() + indent <= WIDTH {
        return short;
    }
    let mut out = format!("{category} where");
    new_line(&mut out, indent + 2);
    tall(&mut out, &query.condition, Binding::Or, indent + 2);
    out
}

fn is_plain_category(name: &str) -> bool {
    name.starts_with(is_name_start)
        && name.chars().skip(1).all(is_name_part)
        && Keyword::parse(&name.to_ascii_lowercase()).is_none()
}

/// How tightly an expression must bind to stand without parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Sign,
    Predicate,
    Primary,
}

fn binding(expr: &Expr) -> Binding {
    use super::ast::ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
    match &expr.kind {
        ExprKind::Or(_) => Binding::Or,
        ExprKind::And(_) => Binding::And,
        ExprKind::Not(_) => Binding::Not,
        ExprKind::Compare { .. } => Binding::Compare,
        ExprKind::Arithmetic { op: Add | Subtract, .. } => Binding::Sum,
        ExprKind::Arithmetic { op: Multiply | Divide | Modulo, .. } => Binding::Product,
        ExprKind::Negative(_) => Binding::Sign,
        ExprKind::In { .. } | ExprKind::Like { .. } | ExprKind::Regex { .. } => Binding::Predicate,
        ExprKind::Literal(_) | ExprKind::Field(_) | ExprKind::Call(_) | ExprKind::Invalid => {
            Binding::Primary
        }
    }
}

/// Writes an expression on several lines where it has several operands and is long.
fn tall(out: &mut String, expr: &Expr, least: Binding, indent: usize) {
    let short = flat(expr, least);
    if short.chars().count() + indent <= WIDTH {
        return out.push_str(&short);
    }
    if binding(expr) < least {
        out.push('(');
        new_line(out, indent + 2);
        tall(out, expr, Binding::Or, indent + 2);
        new_line(out, indent);
        return out.push(')');
    }
    match &expr.kind {
        ExprKind::And(operands) => tall_chain(out, operands, "and", Binding::Not, indent),
        ExprKind::Or(operands) => tall_chain(out, operands, "or", Binding::And, indent),
        ExprKind::Not(inner) => {
            out.push_str("not ");
            tall(out, inner, Binding::Not, indent);
        }
        ExprKind::In { value, list, case, negated } => {
            let items: Vec<String> = list.iter().map(|item| flat(item, Binding::Sum)).collect();
            let operator =
                format!("{} {}", flat(value, Binding::Primary), in_operator(*case, *negated));
            tall_list(out, &operator, &items, indent);
        }
        ExprKind::Like { value, patterns, case } if patterns.len() > 1 => {
            let items: Vec<String> = patterns.iter().map(|item| quoted(&item.text)).collect();
            let operator = format!("{} {}", flat(value, Binding::Primary), like_operator(*case));
            tall_list(out, &operator, &items, indent);
        }
        _ => out.push_str(&short),
    }
}

fn tall_chain(out: &mut String, operands: &[Expr], word: &str, least: Binding, indent: usize) {
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            let _ = write!(out, " {word}");
            new_line(out, indent);
        }
        tall(out, operand, least, indent);
    }
}

fn tall_list(out: &mut String, operator: &str, items: &[String], indent: usize) {
    let _ = write!(out, "{operator} (");
    let mut column = WIDTH;
    for (index, item) in items.iter().enumerate() {
        let width = item.chars().count() + 2;
        if column + width > WIDTH {
            new_line(out, indent + 2);
            column = indent + 2;
        } else {
            out.push(' ');
        }
        column += width;
        out.push_str(item);
        out.push_str(if index + 1 < items.len() { "," } else { "" });
    }
    new_line(out, indent);
    out.push(')');
}

fn new_line(out: &mut String, indent: usize) {
    let _ = write!(out, "\n{:indent$}", "");
}

/// Returns an expression on one line, in parentheses if it binds less than `least`.
fn flat(expr: &Expr, least: Binding) -> String {
    let text = bare(expr);
    if binding(expr) < least { format!("({text})") } else { text }
}

fn bare(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Literal(value) => literal(value),
        ExprKind::Field(field) => {
            format!("{}{}", if field.optional { "?" } else { "" }, path(&field.written()))
        }
        ExprKind::And(operands) => chain(operands, " and ", Binding::Not),
        ExprKind::Or(operands) => chain(operands, " or ", Binding::And),
        ExprKind::Not(inner) => format!("not {}", flat(inner, Binding::Not)),
        ExprKind::Compare { op, left, right } => {
            format!("{} {} {}", flat(left, Binding::Sum), op.as_str(), flat(right, Binding::Sum))
        }
        ExprKind::Arithmetic { op, left, right } => {
            let own = binding(expr);
            let tighter = if own == Binding::Sum { Binding::Product } else { Binding::Sign };
            format!("{} {} {}", flat(left, own), op.as_str(), flat(right, tighter))
        }
        ExprKind::Negative(inner) => format!("-{}", flat(inner, Binding::Sign)),
        ExprKind::In { value, list, case, negated } => {
            let list = chain(list, ", ", Binding::Sum);
            format!("{} {} ({list})", flat(value, Binding::Primary), in_operator(*case, *negated))
        }
        ExprKind::Like { value, patterns, case } => {
            let value = flat(value, Binding::Primary);
            format!("{value} {} {}", like_operator(*case), pattern_list(patterns))
        }
        ExprKind::Regex { value, patterns, case } => {
            let value = flat(value, Binding::Primary);
            format!("{value} regex{} {}", tilde(*case), pattern_list(patterns))
        }
        ExprKind::Call(Call { name, case, args, .. }) => {
            format!("{name}{}({})", tilde(*case), chain(args, ", ", Binding::Or))
        }
        ExprKind::Invalid => "null".to_owned(),
    }
}

fn chain(operands: &[Expr], separator: &str, least: Binding) -> String {
    let texts: Vec<String> = operands.iter().map(|operand| flat(operand, least)).collect();
    texts.join(separator)
}

fn pattern_list(patterns: &[Pattern]) -> String {
    match patterns {
        [pattern] => quoted(&pattern.text),
        _ => {
            let texts: Vec<String> = patterns.iter().map(|item| quoted(&item.text)).collect();
            format!("({})", texts.join(", "))
        }
    }
}

fn in_operator(case: Case, negated: bool) -> String {
    format!("{}in{}", if negated { "not " } else { "" }, tilde(case))
}

fn like_operator(case: Case) -> &'static str {
    match case {
        Case::Sensitive => "like",
        Case::Insensitive => ":",
    }
}

fn tilde(case: Case) -> &'static str {
    match case {
        Case::Sensitive => "",
        Case::Insensitive => "~",
    }
}

fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Bool(truth) => truth.to_string(),
        Literal::Int(number) => number.to_string(),
        Literal::Big(number) => number.to_string(),
        // `1.0`, `1e300`: never without dot or exponent, which would be a whole number.
        Literal::Float(number) => format!("{number:?}"),
        Literal::Str(text) => quoted(text),
    }
}
