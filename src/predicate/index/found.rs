//! The conditions that are found for an event, each once.

use smallvec::SmallVec;

/// Stands for a condition of the index.
pub(super) type Number = u32;

/// A set of conditions: one bit for each there is.
#[derive(Debug)]
pub(super) struct Found {
    bits: SmallVec<[u64; 64]>,
}

impl Found {
    /// Returns the empty set of conditions with numbers below `end`.
    pub(super) fn new(end: usize) -> Self {
        Self { bits: SmallVec::from_elem(0, end.div_ceil(64)) }
    }

    #[inline]
    pub(super) fn extend(&mut self, numbers: &[Number]) {
        for number in numbers {
            self.bits[*number as usize / 64] |= 1 << (number % 64);
        }
    }

    /// Hands out the numbers, ascending.
    pub(super) fn for_each(&self, mut visit: impl FnMut(usize)) {
        for (at, bits) in self.bits.iter().enumerate() {
            let mut rest = *bits;
            while rest != 0 {
                visit(at * 64 + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
    }
}
