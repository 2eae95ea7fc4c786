//! N-grams: the few bytes in a row by which a text is found in others.

use std::collections::HashMap;

use super::common::TEXTS;
use crate::predicate::hash::Hash;

/// A few bytes in a row, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Gram(u32);

impl Gram {
    /// Returns the n-gram of these bytes, four at most.
    #[inline]
    pub(super) fn of<const WIDTH: usize>(bytes: [u8; WIDTH]) -> Self {
        // Written out: the compiler makes a single load of it.
        let byte = |at: usize| if at < WIDTH { u32::from(bytes[at]) << (8 * at) } else { 0 };
        Self(byte(0) | byte(1) | byte(2) | byte(3))
    }

    /// Returns a number of `32 - shift` bits that differs for most n-grams.
    #[inline]
    pub(super) fn hash(self, shift: u32) -> usize {
        // Knuth's multiplicative hash: the high bits depend on all bytes.
        (self.0.wrapping_mul(0x9e37_79b1) >> shift) as usize
    }
}

/// How often n-grams of `WIDTH` bytes occur, by guess.
pub(super) struct Counts<const WIDTH: usize>(HashMap<Gram, u32, Hash>);

/// What stands in one of the common texts counts as much as so many texts of rules.
const COMMON: u32 = 10_000;

impl<const WIDTH: usize> Counts<WIDTH> {
    /// Counts those of the texts of rules, and of texts that are common in events.
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut counts = HashMap::default();
        for (text, count) in texts.map(|text| (text, 1)).chain(TEXTS.iter().map(|t| (*t, COMMON))) {
            for window in text.as_bytes().array_windows::<WIDTH>() {
                *counts.entry(Gram::of(*window)).or_insert(0) += count;
            }
        }
        Self(counts)
    }

    /// Returns the n-gram of a text that is in fewest others, and where it begins. The text must
    /// have so many bytes.
    pub(super) fn rarest(&self, text: &[u8]) -> (usize, Gram) {
        let grams = text.array_windows::<WIDTH>().map(|window| Gram::of(*window)).enumerate();
        let rarest = grams.min_by_key(|(_, gram)| self.0.get(gram).copied().unwrap_or_default());
        rarest.unwrap_or((0, Gram(0)))
    }
}
