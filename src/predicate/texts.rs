//! Places by text.

use std::collections::HashMap;

use super::hash::{Hash, Lengths};

/// A place for each of some texts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    lengths: Lengths,
    /// Bytes of the longest text.
    longest: usize,
    places: HashMap<Box<[u8]>, usize, Hash>,
}

impl Texts {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the place of a text, which is `free` if it has none yet.
    pub(super) fn place(&mut self, text: &str, free: usize) -> usize {
        self.lengths.insert(text.len());
        self.longest = self.longest.max(text.len());
        *self.places.entry(text.as_bytes().into()).or_insert(free)
    }

    /// Returns the place of a text, if it has one.
    #[inline]
    pub(super) fn get(&self, text: &[u8]) -> Option<&usize> {
        let fits = text.len() <= self.longest && self.lengths.may_contain(text.len());
        fits.then(|| self.places.get(text)).flatten()
    }

    /// Tells whether the folded form of a text could be there.
    #[inline]
    pub(super) fn may_contain(&self, text: &str) -> bool {
        // Folding keeps the length of ASCII texts, and makes one byte at least of any character.
        let fits = text.len() <= self.longest && self.lengths.may_contain(text.len());
        fits || (text.len() <= self.longest.saturating_mul(4) && !text.is_ascii())
    }
}

/// Returns what stands behind the last backslash.
pub(super) fn name_of(text: &[u8]) -> Option<&[u8]> {
    memchr::memrchr(b'\\', text).map(|at| &text[at + 1..])
}
