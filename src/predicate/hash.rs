//! What finds a text among many: its length, then a quick hash.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes the texts of rules.
pub(super) type Hash = BuildHasherDefault<Fnv>;

/// The lengths of some texts: most other texts can be excluded by theirs.
///
/// Bit n: there is a text of n bytes; bit 63: of 63 or more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths(u64);

impl Lengths {
    pub(super) fn insert(&mut self, len: usize) {
        self.0 |= Self::bit(len);
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn may_contain(self, len: usize) -> bool {
        self.0 & Self::bit(len) != 0
    }

    fn bit(len: usize) -> u64 {
        1 << len.min(63)
    }
}

/// FNV-1a: quick for short texts. What is in a set comes from rules, so nobody can fill a bucket.
pub(super) struct Fnv(u64);

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

    fn write_usize(&mut self, number: usize) {
        // The length that stands before a slice: eight rounds for it would be eight too many.
        self.0 ^= number as u64;
    }

    fn finish(&self) -> u64 {
        // The table takes its buckets from the high bits, which short texts hardly reach.
        self.0 ^ self.0.rotate_left(32)
    }
}
