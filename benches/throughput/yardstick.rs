//! Yardsticks: what any engine must do at least, or would do at first. None of them uses the engine: they do not
//! become slower when it does.
//!
//! The structural index finds quotes and brackets, colons and commas outside of texts, as simdjson's first stage does
//! (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019). It is written anew here although the engine
//! has one: what is measured must not be its own measure.
#![allow(unsafe_code, reason = "AVX2's loads take a pointer; the only such line proves its range")]

use std::hint::black_box;

/// Returns how many lines there are: the least that reading a file takes.
pub(crate) fn newlines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// Builds the structural index of each line, and returns how many there are.
pub(crate) fn structural_index(bytes: &[u8]) -> usize {
    let (mut places, mut count) = (Vec::new(), 0);
    for line in lines(bytes) {
        black_box(index(line, &mut places));
        count += 1;
    }
    count
}

/// Parses each line into a tree, and returns how many could be parsed.
pub(crate) fn trees(bytes: &[u8]) -> usize {
    let parse = |line| serde_json::from_slice::<serde_json::Value>(line).map(black_box);
    lines(bytes).filter(|line| parse(line).is_ok()).count()
}

/// Looks whether the quick way finds what the slow one finds.
pub(crate) fn check(bytes: &[u8]) {
    let (mut quick, mut slow) = (Vec::new(), Vec::new());
    for line in lines(bytes).take(10_000) {
        let found = index(line, &mut quick);
        slow.resize(line.len(), 0);
        let expected = plain(line, &mut slow);
        assert_eq!(quick[..found], slow[..expected], "{}", String::from_utf8_lossy(line));
    }
}

/// Tells how the structural index is built on this machine.
pub(crate) fn way() -> &'static str {
    if has_avx2() { "AVX2" } else { "byte by byte: no AVX2 here" }
}

/// The lines, without their ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', bytes).map(move |end| {
        let line = &bytes[start..end];
        start = end + 1;
        line
    })
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Writes the places of all structural bytes of a record, and returns how many there are.
pub(crate) fn index(record: &[u8], places: &mut Vec<u32>) -> usize {
    // Eight places are written at a time, so some room behind the last one is needed.
    if places.len() < record.len() + 72 {
        places.resize(record.len() + 72, 0);
    }
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: both features were detected.
        return unsafe { avx2::index(record, places) };
    }
    plain(record, places)
}

/// The slow twin.
pub(crate) fn plain(record: &[u8], places: &mut [u32]) -> usize {
    let (mut count, mut is_inside, mut is_escaped) = (0, false, false);
    for (at, byte) in record.iter().enumerate() {
        let is_structural = match byte {
            _ if is_escaped => {
                is_escaped = false;
                continue;
            }
            b'\\' => {
                is_escaped = true;
                false
            }
            b'"' => {
                is_inside = !is_inside;
                true
            }
            b'{' | b'}' | b'[' | b']' | b':' | b',' => !is_inside,
            _ => false,
        };
        if is_structural {
            places[count] = at as u32;
            count += 1;
        }
    }
    count
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn index(record: &[u8], places: &mut [u32]) -> usize {
        let mut carry = Carry::default();
        let mut count = 0;
        let (blocks, rest) = record.as_chunks::<64>();
        for (number, block) in blocks.iter().enumerate() {
            count = write(carry.structural(block), number * 64, places, count);
        }
        if !rest.is_empty() {
            let mut last = [b' '; 64];
            last[..rest.len()].copy_from_slice(rest);
            count = write(carry.structural(&last), blocks.len() * 64, places, count);
        }
        count
    }

    /// What one block tells the next.
    #[derive(Default)]
    struct Carry {
        /// All ones within a text.
        inside: u64,
        /// One if the first byte is escaped.
        escaped: u64,
    }

    impl Carry {
        /// Returns a bit for each structural byte.
        #[inline]
        #[target_feature(enable = "avx2,bmi1")]
        fn structural(&mut self, block: &[u8; 64]) -> u64 {
            // SAFETY: a block has 64 bytes; the loads need no alignment.
            let (low, high) = unsafe {
                let start = block.as_ptr().cast::<__m256i>();
                (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1)))
            };
            let backslashes = equal(low, high, b'\\');
            let quotes = equal(low, high, b'"') & !self.escaped_by(backslashes);
            // The bit that tells brackets from braces is set, so that two comparisons find four bytes.
            let bit = _mm256_set1_epi8(0x20);
            let (low, high) = (_mm256_or_si256(low, bit), _mm256_or_si256(high, bit));
            let others = equal(low, high, b'{')
                | equal(low, high, b'}')
                | equal(low, high, b':')
                | equal(low, high, b',');
            let inside = prefix_xor(quotes) ^ self.inside;
            self.inside = ((inside as i64) >> 63) as u64;
            (others & !inside) | quotes
        }

        /// Returns a bit for each byte behind an odd number of backslashes.
        #[inline]
        fn escaped_by(&mut self, backslashes: u64) -> u64 {
            if backslashes == 0 {
                return std::mem::take(&mut self.escaped);
            }
            const EVEN: u64 = 0x5555_5555_5555_5555;
            let backslashes = backslashes & !self.escaped;
            let follows = backslashes << 1 | self.escaped;
            let odd_starts = backslashes & !EVEN & !follows;
            let (even_ends, overflows) = odd_starts.overflowing_add(backslashes);
            self.escaped = u64::from(overflows);
            (EVEN ^ (even_ends << 1)) & follows
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn equal(low: __m256i, high: __m256i, byte: u8) -> u64 {
        let wanted = _mm256_set1_epi8(byte as i8);
        let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) as u32;
        let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) as u32;
        u64::from(high) << 32 | u64::from(low)
    }

    /// Each bit becomes the parity of the bits up to it.
    #[inline]
    fn prefix_xor(bits: u64) -> u64 {
        let mut bits = bits;
        bits ^= bits << 1;
        bits ^= bits << 2;
        bits ^= bits << 4;
        bits ^= bits << 8;
        bits ^= bits << 16;
        bits ^ bits << 32
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn write(mut bits: u64, start: usize, places: &mut [u32], count: usize) -> usize {
        let end = count + bits.count_ones() as usize;
        let mut at = count;
        while bits != 0 {
            for place in &mut places[at..at + 8] {
                *place = start as u32 + bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
            }
            at += 8;
        }
        end
    }
}
