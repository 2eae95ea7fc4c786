//! Sets of texts.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Up to so many texts are compared one by one.
const FEW: usize = 8;

/// A set of texts, for which most other texts can be excluded by their length.
#[derive(Debug)]
pub(super) struct ExactSet {
    /// Bit n: there is a text of n bytes; bit 63: of 63 or more.
    lengths: u64,
    texts: Texts,
}

#[derive(Debug)]
enum Texts {
    Few(Box<[Box<str>]>),
    Many(HashSet<Box<[u8]>, BuildHasherDefault<Fnv>>),
}

impl ExactSet {
    pub(super) fn new(mut texts: Vec<Box<str>>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        let lengths = texts.iter().fold(0, |lengths, text| lengths | length_bit(text.len()));
        let texts = if texts.len() <= FEW {
            Texts::Few(texts.into())
        } else {
            Texts::Many(texts.into_iter().map(|text| text.into_boxed_bytes()).collect())
        };
        Self { lengths, texts }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lengths == 0
    }

    pub(super) fn may_contain_len(&self, len: usize) -> bool {
        self.lengths & length_bit(len) != 0
    }

    pub(super) fn contains(&self, text: &[u8]) -> bool {
        self.may_contain_len(text.len())
            && match &self.texts {
                Texts::Few(texts) => texts.iter().any(|known| known.as_bytes() == text),
                Texts::Many(texts) => texts.contains(text),
            }
    }

    pub(super) fn cost(&self) -> u32 {
        match &self.texts {
            Texts::Few(texts) => 2 + u32::try_from(texts.len()).unwrap_or(u32::MAX),
            Texts::Many(_) => 12,
        }
    }
}

fn length_bit(len: usize) -> u64 {
    1 << len.min(63)
}

/// FNV-1a: quick for short texts. What is in a set comes from rules, so nobody can fill a bucket.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        // The table takes its buckets from the high bits, which short texts hardly reach.
        self.0 ^ self.0.rotate_left(32)
    }
}
