//! The structural index with vectors of x86-64.
//!
//! The one file of the event path with `unsafe`: two calls of what was compiled for processors that
//! have AVX2, after a look at the processor, or SSE2, which all have.

use std::arch::x86_64::*;

use super::{Classes, Structure, prefix_xor};

/// For each low half of a byte, which byte with bit 5 set is a bracket: `{` also stands for `[`, `}` for
/// `]`. Twice, as vectors of 32 bytes are looked up by halves.
const BRACKETS_BY_LOW_HALF: [u8; 32] =
    *b"\0\0\0\0\0\0\0\0\0\0\0{\0}\0\0\0\0\0\0\0\0\0\0\0\0\0{\0}\0\0";

/// The last control character.
const LAST_CONTROL: i8 = 0x1F;

/// Tells whether the processor has what [`index_avx2`] needs.
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("pclmulqdq")
}

/// Makes the index with vectors of 32 bytes; with those of 16 where the processor has no others.
#[allow(unsafe_code, reason = "a call behind a look at the processor; the twins are safe")]
pub(super) fn index_avx2(structure: &mut Structure, payload: &[u8]) {
    if !has_avx2() {
        return index_sse2(structure, payload);
    }
    // SAFETY: the processor has all features that the function is compiled for.
    unsafe { index_avx2_detected(structure, payload) }
}

#[target_feature(enable = "avx2,bmi1,popcnt,pclmulqdq")]
fn index_avx2_detected(structure: &mut Structure, payload: &[u8]) {
    structure.index_with(
        payload,
        |bytes| {
            let (halves, _) = bytes.as_chunks::<32>();
            join([classes_of_32(&halves[0]), classes_of_32(&halves[1])], 32)
        },
        |bits| prefix_xor_by_product(bits),
    );
}

#[inline]
#[target_feature(enable = "avx2")]
fn classes_of_32(bytes: &[u8; 32]) -> Classes {
    let bytes = vector_of_32(bytes);
    let backslashes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\' as i8));
    let at_most = _mm256_min_epu8(bytes, _mm256_set1_epi8(LAST_CONTROL));
    let controls = _mm256_cmpeq_epi8(at_most, bytes);
    let brackets = _mm256_shuffle_epi8(vector_of_32(&BRACKETS_BY_LOW_HALF), bytes);
    let brackets = _mm256_cmpeq_epi8(brackets, _mm256_or_si256(bytes, _mm256_set1_epi8(0x20)));
    let quotes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"' as i8));
    Classes {
        quotes: bits_of_32(quotes),
        backslashes: bits_of_32(backslashes),
        controls: bits_of_32(controls),
        dots: bits_of_32(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'.' as i8))),
        colons: bits_of_32(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b':' as i8))),
        brackets: bits_of_32(brackets),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn bits_of_32(found: __m256i) -> u64 {
    u64::from(_mm256_movemask_epi8(found).cast_unsigned())
}

#[inline]
#[target_feature(enable = "avx2")]
fn vector_of_32(bytes: &[u8; 32]) -> __m256i {
    let (halves, _) = bytes.as_chunks::<16>();
    _mm256_set_m128i(vector_of_16(&halves[1]), vector_of_16(&halves[0]))
}

/// Compilers make one load of it.
#[inline]
#[target_feature(enable = "sse2")]
fn vector_of_16(bytes: &[u8; 16]) -> __m128i {
    let (words, _) = bytes.as_chunks::<8>();
    _mm_set_epi64x(i64::from_le_bytes(words[1]), i64::from_le_bytes(words[0]))
}

/// Multiplies by all ones without carry: each bit becomes the sum of those up to it.
#[inline]
#[target_feature(enable = "sse2,pclmulqdq")]
fn prefix_xor_by_product(bits: u64) -> u64 {
    let bits = _mm_set_epi64x(0, bits.cast_signed());
    _mm_cvtsi128_si64(_mm_clmulepi64_si128(bits, _mm_set1_epi8(-1), 0)).cast_unsigned()
}

/// Makes the index with vectors of 16 bytes.
#[allow(unsafe_code, reason = "a call of what every x86-64 has; the twins are safe")]
pub(super) fn index_sse2(structure: &mut Structure, payload: &[u8]) {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { index_sse2_always(structure, payload) }
}

#[target_feature(enable = "sse2")]
fn index_sse2_always(structure: &mut Structure, payload: &[u8]) {
    structure.index_with(
        payload,
        |bytes| {
            let (quarters, _) = bytes.as_chunks::<16>();
            let low = join([classes_of_16(&quarters[0]), classes_of_16(&quarters[1])], 16);
            let high = join([classes_of_16(&quarters[2]), classes_of_16(&quarters[3])], 16);
            join([low, high], 32)
        },
        prefix_xor,
    );
}

#[inline]
#[target_feature(enable = "sse2")]
fn classes_of_16(bytes: &[u8; 16]) -> Classes {
    let bytes = vector_of_16(bytes);
    let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
    let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(LAST_CONTROL)), bytes);
    let with_bit_5 = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    let opening = _mm_cmpeq_epi8(with_bit_5, _mm_set1_epi8(b'{' as i8));
    let closing = _mm_cmpeq_epi8(with_bit_5, _mm_set1_epi8(b'}' as i8));
    let colons = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b':' as i8));
    let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
    Classes {
        quotes: bits_of_16(quotes),
        backslashes: bits_of_16(backslashes),
        controls: bits_of_16(controls),
        dots: bits_of_16(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'.' as i8))),
        colons: bits_of_16(colons),
        brackets: bits_of_16(_mm_or_si128(opening, closing)),
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn bits_of_16(found: __m128i) -> u64 {
    u64::from(_mm_movemask_epi8(found).cast_unsigned())
}

/// Puts the classes of bytes before those of as many bytes behind them.
#[inline(always)]
fn join([low, high]: [Classes; 2], bytes: u32) -> Classes {
    Classes {
        quotes: low.quotes | high.quotes << bytes,
        backslashes: low.backslashes | high.backslashes << bytes,
        controls: low.controls | high.controls << bytes,
        dots: low.dots | high.dots << bytes,
        colons: low.colons | high.colons << bytes,
        brackets: low.brackets | high.brackets << bytes,
    }
}
