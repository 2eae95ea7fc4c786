//! Conditions on two sets of values that are decided without trying all pairs.

use std::borrow::Cow;

use super::{Search, Set, Stop, TooMuch};
use crate::eql::ast::{ArithmeticOp, Case};
use crate::eql::functions::{self, number_of};
use crate::event::Value;
use crate::predicate::need::Literal;
use crate::predicate::number::Exact;
use crate::predicate::scalar::{Joined, Scalar};
use crate::predicate::strings::Affix;
use crate::predicate::test::Test;
use crate::text::fold::fold;

/// Tells whether any combination makes an expression true, if there is a way to tell; its operands
/// read different slots.
pub(super) fn holds<'v>(
    search: &mut Search<'v>,
    scalar: &'v Scalar,
) -> Result<Option<bool>, TooMuch> {
    let found = match scalar {
        Scalar::Call { joined: Some(Joined::Affix(kind)), case, args, .. } => match &**args {
            [source, part] => affix(search, *kind, *case, source, part),
            _ => Ok(None),
        },
        Scalar::Test(inner, test) => match &**inner {
            inner if search.shared(inner).is_some() => Ok(None),
            Scalar::Call { joined: Some(Joined::Concat), args, .. } => concat(search, args, test),
            Scalar::Arithmetic { op, sides } => sum(search, *op, sides, test),
            _ => Ok(None),
        },
        _ => Ok(None),
    };
    found.map_or_else(|stop| stop.into_found().map(Some), Ok)
}

/// `startsWith(a, b)` and its kin: the parts are looked up in order.
fn affix<'v>(
    search: &mut Search<'v>,
    kind: Affix,
    case: Case,
    source: &'v Scalar,
    part: &'v Scalar,
) -> Result<Option<bool>, Stop> {
    let ready = |set: Set<'v>| texts(&set).map(|text| ready(&text, kind, case)).collect();
    let sources: Vec<Vec<u8>> = ready(search.set(source)?);
    let parts = Beginnings::new(ready(search.set(part)?));
    for source in &sources {
        let last = if kind == Affix::Anywhere { source.len() } else { 0 };
        for at in 0..=last {
            search.spend(1 + parts.longest / super::BYTES_OF_STEP)?;
            if parts.begin(&source[at..]) {
                return Ok(Some(true));
            }
        }
    }
    Ok(Some(false))
}

/// Texts with which others may begin.
struct Beginnings {
    // INVARIANT: sorted, and none begins with another. So the one that a text begins with is the
    // last that is not greater than the text.
    texts: Vec<Vec<u8>>,
    longest: usize,
}

impl Beginnings {
    fn new(mut texts: Vec<Vec<u8>>) -> Self {
        texts.sort_unstable();
        texts.dedup_by(|text, before| text.starts_with(before));
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        Self { texts, longest }
    }

    /// Tells whether a text begins with one of them.
    fn begin(&self, text: &[u8]) -> bool {
        let behind = self.texts.partition_point(|known| known.as_slice() <= text);
        behind.checked_sub(1).is_some_and(|at| text.starts_with(&self.texts[at]))
    }
}

/// Returns a text as its beginning is to be compared.
fn ready(text: &str, kind: Affix, case: Case) -> Vec<u8> {
    let mut bytes = match case {
        Case::Sensitive => text.as_bytes().to_vec(),
        Case::Insensitive => fold(text).into_owned().into_bytes(),
    };
    if kind == Affix::End {
        bytes.reverse();
    }
    bytes
}

/// `concat(a, b) == "x"`: goes on only with what the text can begin with.
fn concat<'v>(
    search: &mut Search<'v>,
    args: &'v [Scalar],
    test: &Test,
) -> Result<Option<bool>, Stop> {
    let sets = search.sets(args)?;
    let sets: Vec<Vec<Cow<'_, str>>> = sets.iter().map(|set| texts(set).collect()).collect();
    append(search, &sets, &mut String::new(), test).map(Some)
}

fn append(
    search: &mut Search<'_>,
    sets: &[Vec<Cow<'_, str>>],
    text: &mut String,
    test: &Test,
) -> Result<bool, Stop> {
    let Some((set, others)) = sets.split_first() else {
        return Ok(test.holds(Value::from(&**text)));
    };
    let len = text.len();
    for part in set {
        search.spend(1 + part.len() / super::BYTES_OF_STEP)?;
        text.push_str(part);
        let found = test.may_begin_with(text) && append(search, others, text, test)?;
        text.truncate(len);
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `a + b > 5`, `a - b == 0` over whole numbers: only the extremes count, or the one number that
/// completes another.
fn sum<'v>(
    search: &mut Search<'v>,
    op: ArithmeticOp,
    sides: &'v [Scalar; 2],
    test: &Test,
) -> Result<Option<bool>, Stop> {
    let sign = match op {
        ArithmeticOp::Add => 1,
        ArithmeticOp::Subtract => -1,
        _ => return Ok(None),
    };
    let Some(wanted) = Wanted::of(test) else { return Ok(None) };
    let sets = search.sets(sides)?;
    let (Some(left), Some(mut right)) = (whole_numbers(&sets[0]), whole_numbers(&sets[1])) else {
        return Ok(None);
    };
    right.sort_unstable();
    let holds = |left: i64, right: i64| {
        let result = functions::arithmetic(op, &Some(left.into()), &Some(right.into()));
        result.is_some_and(|result| test.holds(result.view()))
    };
    for left in left {
        // The right numbers with which the result is a whole number of the engine.
        let ends = [i64::MIN, i64::MAX].map(|end| sign * (i128::from(end) - i128::from(left)));
        let from = right.partition_point(|right| i128::from(*right) < ends[0].min(ends[1]));
        let to = right.partition_point(|right| i128::from(*right) <= ends[0].max(ends[1]));
        let right = &right[from..to];
        let found = match &wanted {
            Wanted::Extreme => {
                right.first().is_some_and(|right| holds(left, *right))
                    || right.last().is_some_and(|right| holds(left, *right))
            }
            Wanted::OneOf(results) => results.iter().any(|result| {
                let other = sign * (i128::from(*result) - i128::from(left));
                let other = i64::try_from(other).ok();
                other.is_some_and(|o| right.binary_search(&o).is_ok() && holds(left, o))
            }),
        };
        search.spend(1)?;
        if found {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

/// Which results of a sum pass a test, if any does.
enum Wanted {
    /// The smallest or the largest.
    Extreme,
    /// One of these.
    OneOf(Vec<i64>),
}

impl Wanted {
    fn of(test: &Test) -> Option<Self> {
        if test.is_numeric_order() {
            return Some(Self::Extreme);
        }
        let number = |literal: Literal| match literal {
            // No sum of two whole numbers is a larger one.
            Literal::Number(Exact::Whole(number)) => i64::try_from(number).ok(),
            Literal::Text(text) => text.parse().ok(),
            _ => None,
        };
        test.literals()
            .map(|literals| Self::OneOf(literals.into_iter().filter_map(number).collect()))
    }
}

/// Returns the numbers that values are or write, if all of them are whole; others make no sum.
fn whole_numbers(set: &Set<'_>) -> Option<Vec<i64>> {
    let numbers = set.iter().flatten().filter_map(|value| number_of(value.view()));
    numbers
        .map(|number| match number {
            Value::Int(number) => Some(number),
            _ => None,
        })
        .collect()
}

fn texts<'s>(set: &'s Set<'_>) -> impl Iterator<Item = Cow<'s, str>> {
    set.iter().flatten().filter_map(|value| value.view().text())
}
