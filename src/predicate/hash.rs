//! What finds a text among many: its length, then a quick hash.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes the texts of rules.
pub(super) type Hash = BuildHasherDefault<Words>;

/// The lengths of some texts: most other texts can be excluded by theirs.
///
/// Bit n: there is a text of n bytes; bit 63: of 63 or more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths(u64);

impl Lengths {
    #[inline]
    pub(super) fn insert(&mut self, len: usize) {
        self.0 |= Self::bit(len);
    }

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(super) fn may_contain(self, len: usize) -> bool {
        self.0 & Self::bit(len) != 0
    }

    fn bit(len: usize) -> u64 {
        1 << len.min(63)
    }
}

/// Multiplies and rotates eight bytes at a time: quick, and good enough for tables of few thousand
/// texts. What is in a table comes from rules, so nobody can fill a bucket.
#[derive(Default)]
pub(super) struct Words(u64);

/// The golden ratio: its bits have no pattern.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Words {
    #[inline]
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(FACTOR);
    }
}

impl Hasher for Words {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        match bytes.last_chunk::<8>() {
            // Some bytes count twice.
            Some(last) => self.add(u64::from_le_bytes(*last)),
            None => {
                let mut last = 0;
                for byte in rest {
                    last = last << 8 | u64::from(*byte);
                }
                self.add(last);
            }
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.add(number.into());
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        // The length that stands before a slice: tells texts apart that end in zeros.
        self.0 ^= number as u64;
    }

    #[inline]
    fn finish(&self) -> u64 {
        // The table takes its buckets from the low bits, and a multiplication mixes the high ones.
        self.0 ^ self.0 >> 32
    }
}
