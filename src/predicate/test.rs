//! Tests of a single value against constants.
//!
//! The constant decides how a value is looked at; the type of a well-known field decides further.

use std::cmp::Ordering;
use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::folds::{At, Folds};
use super::need::Literal;
use super::number::{self, Exact};
use super::regex::Patterns;
use super::strings::{self, Affix, Strings};
use crate::eql::ast::{Case, CompareOp, Pattern};
use crate::eql::functions::cidr::parse_block;
use crate::eql::functions::number_of;
use crate::eql::types::FieldType;
use crate::event::ip::parse_ip;
use crate::event::number::write_double;
use crate::event::{EventTime, Value};
use crate::text::fold::fold;

/// A test of one value.
#[derive(Debug)]
pub(super) enum Test {
    /// The value is one of these.
    OneOf(Box<OneOf>),
    /// The value is a text as these say.
    Strings(Strings),
    /// The value is true, or false.
    Bool(bool),
    /// The value lies on one side of another.
    Order(CompareOp, Bound),
    /// The value is an address in one of the blocks.
    Blocks(Box<[IpNet]>),
    /// The value matches one of the patterns.
    Regex(Box<Patterns>),
    /// No value passes.
    Never,
}

/// Constants, each to be compared in the way that suits it.
#[derive(Debug)]
pub(super) struct OneOf {
    strings: Strings,
    addresses: Box<[IpAddr]>,
    /// Blocks that are compared with an address: Elasticsearch takes each for all its addresses.
    blocks: Box<[IpNet]>,
    numbers: Box<[Value<'static>]>,
    instants: Box<[EventTime]>,
    truths: Box<[bool]>,
}

/// What an ordered comparison compares with.
#[derive(Debug)]
pub(super) enum Bound {
    Number(Value<'static>),
    /// An instant, and the text for values that are none.
    Instant(EventTime, Box<str>),
    /// An address, and the text for values that are none.
    Address(IpAddr, Box<str>),
    Text(Box<str>),
    /// A folded text, to be compared with folded values.
    Folded(Box<str>),
}

impl Test {
    /// Returns the test for a text, letter case counting.
    pub(super) fn is_text(text: &str) -> Self {
        Self::Strings(Strings::new(Case::Sensitive, [text], []))
    }

    /// Returns the test for one of the constants; `hint` is the type of the field.
    pub(super) fn one_of(constants: &[Value<'_>], case: Case, hint: Option<FieldType>) -> Self {
        match constants {
            [Value::Bool(truth)] => Self::Bool(*truth),
            _ => Self::collect(constants, &[], case, hint),
        }
    }

    /// Returns the test for `:` and `like`.
    pub(super) fn like(patterns: &[Pattern], case: Case, hint: Option<FieldType>) -> Self {
        let texts = patterns.iter().map(|pattern| pattern.text.as_str());
        let (globs, exact): (Vec<&str>, Vec<&str>) =
            texts.partition(|text| strings::has_wildcards(text));
        let exact: Vec<Value<'_>> = exact.into_iter().map(Value::from).collect();
        Self::collect(&exact, &globs, case, hint)
    }

    fn collect(
        constants: &[Value<'_>],
        globs: &[&str],
        case: Case,
        hint: Option<FieldType>,
    ) -> Self {
        let texts = || constants.iter().filter_map(|constant| constant.as_str());
        let globs = globs.iter().map(|pattern| strings::glob(pattern, case));
        let strings = Strings::new(case, texts(), globs);
        let numbers = constants
            .iter()
            .filter(|constant| number::is_number(**constant) || hint == Some(FieldType::Number));
        let truths = constants.iter().filter_map(|constant| match constant {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        });
        let instants = constants.iter().filter(|_| hint == Some(FieldType::Date));
        let is_block = |text: &&str| hint == Some(FieldType::Ip) && text.contains('/');
        let blocks = texts().filter(is_block).filter_map(parse_block);
        let one_of = OneOf {
            strings,
            addresses: texts().filter_map(parse_ip).collect(),
            blocks: blocks.collect(),
            numbers: numbers.filter_map(|number| number_of(*number)).collect(),
            instants: instants.filter_map(|instant| EventTime::of(*instant)).collect(),
            truths: truths.collect(),
        };
        match one_of {
            OneOf { strings, addresses, blocks, numbers, instants, truths }
                if addresses.is_empty()
                    && blocks.is_empty()
                    && numbers.is_empty()
                    && instants.is_empty()
                    && truths.is_empty() =>
            {
                if strings.is_empty() {
                    Self::Never
                } else {
                    Self::Strings(strings)
                }
            }
            one_of => Self::OneOf(Box::new(one_of)),
        }
    }

    /// Returns the test for `<`, `<=`, `>` and `>=`.
    pub(super) fn order(
        op: CompareOp,
        constant: Value<'_>,
        case: Case,
        hint: Option<FieldType>,
    ) -> Self {
        let bound = match constant {
            Value::Bool(_) | Value::Object => return Self::Never,
            _ if hint == Some(FieldType::Date) && number::is_number(constant) => {
                Bound::of_number_of_time(constant)
            }
            Value::Int(_) | Value::Big(_) | Value::Float(_) | Value::Written(_) => {
                let Some(number) = number_of(constant) else { return Self::Never };
                Bound::Number(number)
            }
            Value::Str(text) => match Bound::of_text(text, hint) {
                Bound::Text(text) if case == Case::Insensitive => Bound::Folded(fold(&text).into()),
                bound => bound,
            },
        };
        Self::Order(op, bound)
    }

    /// Returns the test for `startsWith`, `endsWith` and `stringContains`.
    pub(super) fn affix(kind: Affix, text: &str, case: Case) -> Self {
        Self::Strings(strings::affix(kind, text, case))
    }

    pub(super) fn holds(&self, value: Value<'_>) -> bool {
        self.holds_at(value, None, &mut Folds::default())
    }

    /// As [`holds`](Self::holds), with the folded texts of the event to which the value belongs, and
    /// where it stands there.
    pub(super) fn holds_at(&self, value: Value<'_>, at: Option<At>, folds: &mut Folds<'_>) -> bool {
        match self {
            Self::OneOf(constants) => constants.contains(value, at, folds),
            Self::Strings(strings) => strings.hold(value, at, folds),
            Self::Bool(truth) => is_truth(value, *truth),
            Self::Order(op, bound) => {
                bound.compare(value).is_some_and(|order| satisfies(*op, order))
            }
            Self::Blocks(blocks) => is_in(blocks, value),
            Self::Regex(patterns) => text_satisfies(value, |text| patterns.matches(text)),
            Self::Never => false,
        }
    }

    /// Returns all literals of which a value must equal one to pass; nothing if others pass too.
    /// None is a part of a value.
    pub(super) fn literals(&self) -> Option<Vec<Literal>> {
        match self {
            Self::Never => Some(Vec::new()),
            Self::Bool(truth) => Some(vec![Literal::Text(text_of(*truth).into())]),
            Self::Strings(strings) => {
                Some(strings.folded_texts()?.into_iter().map(Literal::Text).collect())
            }
            Self::OneOf(constants) => constants.literals(),
            Self::Order(..) | Self::Blocks(_) | Self::Regex(_) => None,
        }
    }

    /// Returns what a value has that passes: all literals of one of these lists; nothing if others
    /// may pass too.
    pub(super) fn alternatives(&self) -> Option<Vec<Vec<Literal>>> {
        let alternatives = match self {
            Self::Strings(strings) => strings.alternatives(),
            Self::OneOf(constants) => constants.alternatives()?,
            _ => self.literals()?.into_iter().map(|literal| vec![literal]).collect(),
        };
        alternatives.iter().all(|literals| !literals.is_empty()).then_some(alternatives)
    }

    /// Tells whether it asks on which side of a number another lies.
    pub(super) fn is_numeric_order(&self) -> bool {
        matches!(self, Self::Order(_, Bound::Number(_)))
    }

    /// Tells whether a text that passes could begin with another.
    pub(super) fn may_begin_with(&self, start: &str) -> bool {
        match self {
            Self::Never => false,
            Self::Strings(strings) => strings.may_begin_with(start),
            _ => true,
        }
    }

    pub(super) fn cost(&self) -> u32 {
        match self {
            Self::Never => 0,
            Self::Bool(_) => 2,
            Self::Strings(strings) => strings.cost(),
            Self::OneOf(constants) => constants.strings.cost().saturating_add(8),
            Self::Order(..) => 8,
            Self::Blocks(blocks) => 20 + u32::try_from(blocks.len()).unwrap_or(u32::MAX / 2),
            Self::Regex(_) => 200,
        }
    }
}

impl OneOf {
    fn contains(&self, value: Value<'_>, at: Option<At>, folds: &mut Folds<'_>) -> bool {
        // Without texts no number is written as one.
        (!self.strings.is_empty() && self.strings.hold(value, at, folds))
            || self.truths.iter().any(|truth| is_truth(value, *truth))
            || (!self.numbers.is_empty() && self.contains_number(value))
            || (!self.instants.is_empty()
                && EventTime::of(value).is_some_and(|instant| self.instants.contains(&instant)))
            || (!self.addresses.is_empty()
                && value.as_str().and_then(parse_ip).is_some_and(|ip| self.addresses.contains(&ip)))
            || (!self.blocks.is_empty() && is_in(&self.blocks, value))
    }

    fn literals(&self) -> Option<Vec<Literal>> {
        let texts = self.strings.folded_texts()?.into_iter().map(Literal::Text);
        Some(texts.chain(self.others()?).collect())
    }

    fn alternatives(&self) -> Option<Vec<Vec<Literal>>> {
        let mut alternatives = self.strings.alternatives();
        alternatives.extend(self.others()?.into_iter().map(|literal| vec![literal]));
        Some(alternatives)
    }

    /// Returns the literals that are not compared as texts.
    fn others(&self) -> Option<Vec<Literal>> {
        // A point of time is written in too many ways, and a block has too many addresses.
        (self.instants.is_empty() && self.blocks.is_empty()).then_some(())?;
        let truths = self.truths.iter().map(|truth| Literal::Text(text_of(*truth).into()));
        let numbers =
            self.numbers.iter().filter_map(|number| Exact::of(*number)).map(Literal::Number);
        let addresses = self.addresses.iter().map(|address| Literal::Address(*address));
        Some(truths.chain(numbers).chain(addresses).collect())
    }

    fn contains_number(&self, value: Value<'_>) -> bool {
        let Some(number) = number_of(value) else { return false };
        self.numbers.iter().any(|known| number::compare(*known, number) == Some(Ordering::Equal))
    }
}

impl Bound {
    fn of_text(text: &str, hint: Option<FieldType>) -> Self {
        let value = Value::from(text);
        let number = || number_of(value).filter(|_| hint == Some(FieldType::Number));
        let instant = || EventTime::of(value).filter(|_| hint == Some(FieldType::Date));
        if let Some(number) = number() {
            Self::Number(number)
        } else if let Some(instant) = instant() {
            Self::Instant(instant, text.into())
        } else if let Some(address) = parse_ip(text) {
            Self::Address(address, text.into())
        } else {
            Self::Text(text.into())
        }
    }

    /// A number that is no plausible time lies beyond all that are.
    fn of_number_of_time(number: Value<'_>) -> Self {
        let text = number.text().unwrap_or_default();
        let beyond = if text.starts_with('-') { EventTime::MIN } else { EventTime::MAX };
        Self::Instant(EventTime::of(number).unwrap_or(beyond), text.into())
    }

    /// Compares a value with the bound; nothing if that makes no sense.
    fn compare(&self, value: Value<'_>) -> Option<Ordering> {
        match self {
            Self::Number(bound) => number::compare(number_of(value)?, *bound),
            Self::Instant(bound, text) => match EventTime::of(value) {
                Some(instant) => Some(instant.cmp(bound)),
                None => compare_text(value, text),
            },
            Self::Address(bound, text) => match value.as_str().and_then(parse_ip) {
                Some(address) => Some(as_v6(address).cmp(&as_v6(*bound))),
                None => compare_text(value, text),
            },
            Self::Text(text) => compare_text(value, text),
            Self::Folded(text) => Some(fold(&value.text()?).as_bytes().cmp(text.as_bytes())),
        }
    }
}

/// Tells whether a value is an address in one of the blocks.
fn is_in(blocks: &[IpNet], value: Value<'_>) -> bool {
    let address = value.as_str().and_then(parse_ip);
    address.is_some_and(|address| blocks.iter().any(|block| block.contains(&address)))
}

/// Addresses are ordered as the v6 addresses that stand for them.
fn as_v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn compare_text(value: Value<'_>, bound: &str) -> Option<Ordering> {
    value.text().map(|text| text.as_bytes().cmp(bound.as_bytes()))
}

fn satisfies(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
    }
}

fn is_truth(value: Value<'_>, truth: bool) -> bool {
    match value {
        Value::Bool(value) => value == truth,
        Value::Str(text) => text == text_of(truth),
        _ => false,
    }
}

fn text_of(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

/// Asks about a value as text, without an allocation for numbers.
#[inline]
pub(super) fn text_satisfies(value: Value<'_>, holds: impl FnOnce(&str) -> bool) -> bool {
    match value {
        Value::Str(text) => holds(text),
        Value::Bool(truth) => holds(text_of(truth)),
        Value::Object => false,
        Value::Written(written) => holds(&written.text),
        Value::Int(_) | Value::Big(_) | Value::Float(_) => {
            let text = text_of_number(value);
            std::str::from_utf8(&text.0).is_ok_and(holds)
        }
    }
}

/// Returns the text of a number that is written as its value alone.
fn text_of_number(value: Value<'_>) -> Buffer {
    let mut buffer = Buffer(SmallVec::new());
    // A buffer takes any text.
    let _ = match value {
        Value::Int(number) => write!(buffer, "{number}"),
        Value::Big(number) => write!(buffer, "{number}"),
        Value::Float(number) => write_double(&mut buffer, number),
        _ => Ok(()),
    };
    buffer
}

/// Room for a number's text.
struct Buffer(SmallVec<[u8; 32]>);

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
