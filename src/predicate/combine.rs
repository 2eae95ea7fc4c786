//! Expressions over several fields that have many values: does any combination make one true?
//!
//! What depends on one field is computed once for each of its values, and equal results count once.
//! Sums, texts put together and texts inside others are joined without trying all pairs. What is
//! left is tried, and given up beyond a limit: never answered wrongly.

mod distinct;
mod join;

use std::collections::HashSet;

use smallvec::SmallVec;

use super::Judgement;
use super::scalar::{Scalar, borrow};
use super::test::Test;
use crate::eql::computed::Computed;
use crate::event::Value;
use distinct::{Key, distinct_values};

/// How many combinations one condition may try on one event, beyond what is linear in its values.
///
/// Two lists of 512 values each; a few milliseconds.
const MAX_STEPS: usize = 1 << 18;
/// A step for each so many bytes of text.
const BYTES_OF_STEP: usize = 128;

/// Judges an expression whose slots have these values; none are null.
pub(super) fn judge<'v>(scalar: &'v Scalar, lists: &[&[Value<'v>]]) -> Judgement {
    match Search::new(scalar, lists).holds(scalar) {
        Ok(true) => Judgement::Holds,
        Ok(false) => Judgement::Fails,
        Err(TooMuch) => Judgement::Undecided,
    }
}

/// The steps are used up.
struct TooMuch;

/// Why no further results are handed out.
enum Stop {
    TooMuch,
    /// Nobody wants more.
    Enough,
}

type Results<'f> = &'f mut dyn FnMut(Option<Computed<'_>>) -> Result<(), Stop>;
/// Distinct results of an expression; never empty.
type Set<'v> = Vec<Option<Computed<'v>>>;

/// What is known of the slots, and how much may be done yet.
struct Search<'v> {
    /// The distinct values of each slot, or the one that it is bound to.
    slots: Vec<Vec<Option<Value<'v>>>>,
    is_bound: Vec<bool>,
    steps: usize,
}

impl<'v> Search<'v> {
    fn new(scalar: &Scalar, lists: &[&[Value<'v>]]) -> Self {
        // Each value may go through each part of the expression once for nothing.
        let values = lists.iter().flat_map(|list| list.iter());
        let linear: usize = values.map(|value| 1 + extra(Some(*value))).sum();
        Self {
            slots: lists.iter().map(|list| distinct_values(list)).collect(),
            is_bound: vec![false; lists.len()],
            steps: MAX_STEPS.saturating_add(linear.saturating_mul(size(scalar))),
        }
    }

    /// Tells whether any combination makes the expression true.
    fn holds(&mut self, scalar: &'v Scalar) -> Result<bool, TooMuch> {
        if let Scalar::Or(operands) = scalar {
            return self.chain(operands, true);
        }
        if let Some(slot) = self.shared(scalar) {
            return self.holds_bound(scalar, slot);
        }
        match scalar {
            // What the operands ask about is independent.
            Scalar::And(operands) => self.chain(operands, false),
            Scalar::Test(inner, Test::Bool(true)) if inner.is_condition() => self.holds(inner),
            _ => match join::holds(self, scalar)? {
                Some(holds) => Ok(holds),
                None => self.try_all(scalar),
            },
        }
    }

    /// `and` and `or`: `decisive` is the answer that decides alone.
    fn chain(&mut self, operands: &'v [Scalar], decisive: bool) -> Result<bool, TooMuch> {
        let mut is_cut = false;
        for operand in operands {
            match self.holds(operand) {
                Ok(holds) if holds == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(TooMuch) => is_cut = true,
            }
        }
        if is_cut { Err(TooMuch) } else { Ok(!decisive) }
    }

    /// Asks for each value of a slot that several operands read.
    fn holds_bound(&mut self, scalar: &'v Scalar, slot: usize) -> Result<bool, TooMuch> {
        self.with_each(slot, |search| match search.holds(scalar) {
            Ok(true) => Err(Stop::Enough),
            Ok(false) => Ok(()),
            Err(TooMuch) => Err(Stop::TooMuch),
        })
        .map_or_else(Stop::into_found, |()| Ok(false))
    }

    fn try_all(&mut self, scalar: &'v Scalar) -> Result<bool, TooMuch> {
        self.each(scalar, &mut |value| match value {
            Some(Computed::Plain(Value::Bool(true))) => Err(Stop::Enough),
            _ => Ok(()),
        })
        .map_or_else(Stop::into_found, |()| Ok(false))
    }

    /// Hands out the results of an expression, some of them repeatedly.
    fn each(&mut self, scalar: &'v Scalar, visit: Results<'_>) -> Result<(), Stop> {
        if let Some(slot) = self.shared(scalar) {
            return self.with_each(slot, |search| search.each(scalar, visit));
        }
        match scalar {
            Scalar::Constant(value) => visit(value.as_ref().map(borrow)),
            Scalar::Slot(slot) => {
                self.values(*slot)?.iter().try_for_each(|value| visit(value.and_then(Computed::of)))
            }
            // An object has no value to compute with, but is not null.
            Scalar::IsNull(inner) if let Scalar::Slot(slot) = **inner => {
                self.values(slot)?.iter().try_for_each(|value| visit(Some(value.is_none().into())))
            }
            _ => match scalar.operands() {
                [only] => self.each(only, &mut |value| visit(scalar.apply(&[value]))),
                operands => self.product(scalar, operands, visit),
            },
        }
    }

    fn product(
        &mut self,
        scalar: &'v Scalar,
        operands: &'v [Scalar],
        visit: Results<'_>,
    ) -> Result<(), Stop> {
        let sets = self.sets(operands)?;
        let mut at: SmallVec<[usize; 4]> = SmallVec::from_elem(0, sets.len());
        let mut args: SmallVec<[Option<Computed<'_>>; 4]> =
            sets.iter().map(|set| set[0].as_ref().map(borrow)).collect();
        loop {
            self.spend(
                1 + args.iter().map(|arg| extra(arg.as_ref().map(Computed::view))).sum::<usize>(),
            )?;
            visit(scalar.apply(&args))?;
            let mut index = sets.len();
            loop {
                // The last operand changes fastest.
                let Some(before) = index.checked_sub(1) else { return Ok(()) };
                index = before;
                at[index] = (at[index] + 1) % sets[index].len();
                args[index] = sets[index][at[index]].as_ref().map(borrow);
                if at[index] > 0 {
                    break;
                }
            }
        }
    }

    fn sets(&mut self, operands: &'v [Scalar]) -> Result<Vec<Set<'v>>, Stop> {
        operands.iter().map(|operand| self.set(operand)).collect()
    }

    /// Returns the distinct results of an expression.
    fn set(&mut self, scalar: &'v Scalar) -> Result<Set<'v>, Stop> {
        if let Scalar::Slot(slot) = scalar {
            return Ok(self
                .values(*slot)?
                .iter()
                .map(|value| value.and_then(Computed::of))
                .collect());
        }
        let mut set = Set::new();
        let mut known = HashSet::new();
        self.each(scalar, &mut |value| {
            if known.insert(Key::of(value.as_ref().map(Computed::view)).into_owned()) {
                set.push(value.map(Computed::into_owned));
            }
            Ok(())
        })?;
        Ok(set)
    }

    /// Returns the values of a slot; looking at them again and again counts.
    fn values(&mut self, slot: usize) -> Result<&[Option<Value<'v>>], Stop> {
        let steps = self.slots[slot].iter().map(|value| 1 + extra(*value)).sum();
        self.spend(steps)?;
        Ok(&self.slots[slot])
    }

    fn with_each(
        &mut self,
        slot: usize,
        mut run: impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let values = std::mem::take(&mut self.slots[slot]);
        self.is_bound[slot] = true;
        let flow = values.iter().try_for_each(|value| {
            self.slots[slot] = vec![*value];
            run(self)
        });
        self.slots[slot] = values;
        self.is_bound[slot] = false;
        flow
    }

    /// Returns a slot that several operands read, unless it has one value.
    fn shared(&self, scalar: &Scalar) -> Option<usize> {
        let operands = scalar.operands();
        if operands.len() < 2 {
            return None;
        }
        let mut seen: SmallVec<[usize; 8]> = SmallVec::new();
        for operand in operands {
            let mut slots: SmallVec<[usize; 8]> = SmallVec::new();
            operand.for_each_slot(&mut |slot| slots.push(slot));
            slots.retain(|slot| self.slots[*slot].len() > 1 && !self.is_bound[*slot]);
            if let Some(slot) = slots.iter().find(|slot| seen.contains(slot)) {
                return Some(*slot);
            }
            seen.extend(slots);
        }
        None
    }

    fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.checked_sub(steps).ok_or(Stop::TooMuch)?;
        Ok(())
    }
}

impl Stop {
    fn into_found(self) -> Result<bool, TooMuch> {
        match self {
            Self::Enough => Ok(true),
            Self::TooMuch => Err(TooMuch),
        }
    }
}

/// Returns how many steps more than for others it takes to look at a value.
fn extra(value: Option<Value<'_>>) -> usize {
    match value {
        Some(Value::Str(text)) => text.len() / BYTES_OF_STEP,
        _ => 0,
    }
}

/// Returns the number of parts of an expression.
fn size(scalar: &Scalar) -> usize {
    1 + scalar.operands().iter().map(size).sum::<usize>()
}
