//! The structural index of a record: where its strings end, and where braces, brackets and colons
//! stand outside of them.
//!
//! Stage one of simdjson (Langdale and Lemire, <https://arxiv.org/abs/1902.08318>), without commas.
//! Never judges a record: any bytes have an index.

#[cfg(target_arch = "x86_64")]
mod x86;

/// Bytes that are looked at in one step: one for each bit of a word.
const BLOCK: usize = 64;

/// The structural index of one record at a time. Its memory serves the next record.
#[derive(Debug, Default)]
pub(crate) struct Structure {
    /// INVARIANT: the first `blocks_len` are an empty block, those of the record, an empty block;
    /// what stands behind is of records before it.
    blocks: Vec<Block>,
    blocks_len: usize,
    /// INVARIANT: what stands behind the first `marks_len` is of records before it.
    marks: Vec<u32>,
    marks_len: usize,
    ends_in_string: bool,
    has_odd_keys: bool,
}

/// The structural index of one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'s> {
    /// INVARIANT: an empty block, those of the record, an empty block.
    blocks: &'s [Block],
    /// Positions of braces, brackets and colons outside of strings.
    pub(crate) marks: &'s [u32],
    /// Whether the last string has no end.
    pub(crate) ends_in_string: bool,
    /// Whether some string with a colon right behind it has a dot, a backslash or a control
    /// character. What stands before a colon behind a blank is not looked at.
    pub(crate) has_odd_keys: bool,
}

/// What stands between two quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether there are backslashes or control characters.
    pub(crate) has_specials: bool,
}

/// What is kept of 64 bytes; the lowest bit is the first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Block {
    /// Quotes that begin or end a string.
    quotes: u64,
    /// Backslashes and control characters, in strings and elsewhere.
    specials: u64,
}

/// What 64 bytes are, each by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Classes {
    quotes: u64,
    backslashes: u64,
    controls: u64,
    dots: u64,
    colons: u64,
    /// Braces and brackets.
    brackets: u64,
}

/// How an index is made. All ways make the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// With nothing but words.
    #[cfg_attr(
        all(target_arch = "x86_64", not(test)),
        expect(dead_code, reason = "the way of other processors, and the twin of the others")
    )]
    Portable,
    /// With what every x86-64 has.
    #[cfg(target_arch = "x86_64")]
    Sse2,
    /// With twice as wide vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Structure {
    /// Makes the index of a record. Tells whether there is one: a record has to be shorter than
    /// 4 GiB.
    pub(crate) fn index(&mut self, payload: &[u8]) -> bool {
        if u32::try_from(payload.len()).is_err() {
            return false;
        }
        self.index_by(Way::best(), payload);
        true
    }

    /// Returns the index of the record, to be read.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            blocks: &self.blocks[..self.blocks_len],
            marks: &self.marks[..self.marks_len],
            ends_in_string: self.ends_in_string,
            has_odd_keys: self.has_odd_keys,
        }
    }

    fn index_by(&mut self, way: Way, payload: &[u8]) {
        match way {
            Way::Portable => self.index_with(payload, classes, prefix_xor),
            #[cfg(target_arch = "x86_64")]
            Way::Sse2 => x86::index_sse2(self, payload),
            #[cfg(target_arch = "x86_64")]
            Way::Avx2 => x86::index_avx2(self, payload),
        }
    }

    /// Makes the index by what tells the classes of 64 bytes, and what tells for each bit whether
    /// the number of bits up to it is odd.
    #[inline(always)]
    fn index_with(
        &mut self,
        payload: &[u8],
        classes: impl Fn(&[u8; BLOCK]) -> Classes,
        prefix_xor: impl Fn(u64) -> u64,
    ) {
        let count = payload.len().div_ceil(BLOCK);
        if self.blocks.len() < count + 2 {
            self.blocks.resize(count + 2, Block::default());
        }
        self.marks_len = 0;
        let mut strings = Strings::default();
        let (whole, rest) = payload.as_chunks::<BLOCK>();
        for (at, bytes) in whole.iter().enumerate() {
            self.add(at, &strings.block(classes(bytes), &prefix_xor));
        }
        if !rest.is_empty() {
            let mut padded = [b' '; BLOCK];
            padded[..rest.len()].copy_from_slice(rest);
            self.add(count - 1, &strings.block(classes(&padded), &prefix_xor));
        }
        self.blocks[count + 1] = Block::default();
        self.blocks_len = count + 2;
        self.ends_in_string = strings.is_inside != 0;
        self.has_odd_keys = strings.odd_keys != 0;
    }

    #[inline(always)]
    fn add(&mut self, at: usize, classes: &Classes) {
        let (quotes, specials) = (classes.quotes, classes.specials());
        // No bit is in both. Of an `or` compilers make vectors of single bits, which is slow.
        let mut marks = classes.brackets.wrapping_add(classes.colons);
        self.blocks[at + 1] = Block { quotes, specials };
        if self.marks.len() < self.marks_len + BLOCK {
            self.marks.resize(2 * (self.marks_len + BLOCK), 0);
        }
        let (start, count) = ((at * BLOCK) as u32, marks.count_ones() as usize);
        let Some(room) = self.marks[self.marks_len..].first_chunk_mut::<BLOCK>() else { return };
        self.marks_len += count;
        // Most blocks have few: writing some too many is cheaper than asking after each one.
        let (few, many) = room.split_at_mut(4);
        for place in few {
            *place = start + marks.trailing_zeros();
            marks &= marks.wrapping_sub(1);
        }
        if marks != 0 {
            for place in many.iter_mut().take(count.saturating_sub(4)) {
                *place = start + marks.trailing_zeros();
                marks &= marks.wrapping_sub(1);
            }
        }
    }
}

impl View<'_> {
    /// Returns the string that begins at `start`, behind its quote.
    #[inline]
    pub(crate) fn string_from(&self, start: usize) -> Option<Span> {
        let (block, bit) = (start / BLOCK + 1, start % BLOCK);
        let [near, far] = self.blocks.get(block..)?.first_chunk()?;
        let window = |near: u64, far: u64| near >> bit | far << 1 << (BLOCK - 1 - bit);
        let quotes = window(near.quotes, far.quotes);
        if quotes == 0 {
            return self.long_string_from(start);
        }
        let before_quote = quotes ^ (quotes - 1);
        let has_specials = window(near.specials, far.specials) & before_quote != 0;
        Some(Span { start, end: start + quotes.trailing_zeros() as usize, has_specials })
    }

    /// Returns the string that ends at `end`, with its quote there.
    #[inline]
    pub(crate) fn string_before(&self, end: usize) -> Option<Span> {
        let last = end.checked_sub(1)?;
        let (block, bit) = (last / BLOCK, last % BLOCK);
        let [far, near] = self.blocks.get(block..)?.first_chunk()?;
        let window = |far: u64, near: u64| near << (BLOCK - 1 - bit) | far >> 1 >> bit;
        let quotes = window(far.quotes, near.quotes);
        if quotes == 0 {
            return self.long_string_before(end);
        }
        let len = quotes.leading_zeros();
        let has_specials = window(far.specials, near.specials) & !(u64::MAX >> len) != 0;
        Some(Span { start: end - len as usize, end, has_specials })
    }

    #[cold]
    fn long_string_from(&self, start: usize) -> Option<Span> {
        let mut blocks = self.blocks.iter().enumerate().skip(start / BLOCK + 2);
        let (block, found) = blocks.find(|(_, block)| block.quotes != 0)?;
        let end = (block - 1) * BLOCK + found.quotes.trailing_zeros() as usize;
        Some(Span { start, end, has_specials: self.has_specials(start, end) })
    }

    #[cold]
    fn long_string_before(&self, end: usize) -> Option<Span> {
        let blocks = self.blocks.get(..(end - 1) / BLOCK + 1)?;
        let (block, found) = blocks.iter().enumerate().rfind(|(_, block)| block.quotes != 0)?;
        let start = block * BLOCK - found.quotes.leading_zeros() as usize;
        Some(Span { start, end, has_specials: self.has_specials(start, end) })
    }

    fn has_specials(&self, start: usize, end: usize) -> bool {
        let (first, last) = (start / BLOCK + 1, end / BLOCK + 1);
        let not_before = u64::MAX << (start % BLOCK);
        let below_end = !(u64::MAX << (end % BLOCK));
        let bits = |block: usize| {
            let all = self.blocks.get(block).map_or(0, |block| block.specials);
            let all = if block == first { all & not_before } else { all };
            if block == last { all & below_end } else { all }
        };
        (first..=last).any(|block| bits(block) != 0)
    }
}

impl Way {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        return if x86::has_avx2() { Self::Avx2 } else { Self::Sse2 };
        #[cfg(not(target_arch = "x86_64"))]
        Self::Portable
    }
}

impl Classes {
    /// Returns backslashes and control characters.
    #[inline(always)]
    fn specials(&self) -> u64 {
        // Not by `or`, as for marks.
        self.backslashes.wrapping_add(self.controls)
    }
}

/// What one block has to know of those before it.
#[derive(Default)]
struct Strings {
    /// 1 if the next byte is escaped.
    is_escaped: u64,
    /// All ones if the next byte stands in a string.
    is_inside: u64,
    /// Whether that string has something odd so far.
    is_odd: bool,
    /// 1 if the last byte ended a string that has something odd.
    has_ended_odd: u64,
    /// Colons right behind such strings.
    odd_keys: u64,
}

impl Strings {
    /// Leaves the quotes that are not escaped, and the marks outside of strings.
    #[inline(always)]
    fn block(&mut self, mut classes: Classes, prefix_xor: impl Fn(u64) -> u64) -> Classes {
        classes.quotes &= !self.escaped(classes.backslashes);
        let inside = prefix_xor(classes.quotes) ^ self.is_inside;
        self.is_inside = ((inside as i64) >> 63) as u64;
        classes.brackets &= !inside;
        classes.colons &= !inside;
        self.find_odd_keys(&classes, inside);
        classes
    }

    /// A string is a run of ones in `inside`. If anything in it is added the sum carries to its
    /// closing quote, once.
    #[inline(always)]
    fn find_odd_keys(&mut self, classes: &Classes, inside: u64) {
        let odd = classes.specials().wrapping_add(classes.dots);
        let (sum, is_odd) = inside.carrying_add(odd & inside, self.is_odd);
        let ended_odd = sum & classes.quotes & !inside;
        self.is_odd = is_odd;
        self.odd_keys |= (ended_odd << 1 | self.has_ended_odd) & classes.colons;
        self.has_ended_odd = ended_odd >> 63;
    }

    /// Returns the bytes that an odd number of backslashes stands before. A subtraction carries
    /// through each run of backslashes; whether it ends on an even or an odd bit tells the rest.
    #[inline(always)]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        if backslashes == 0 {
            return std::mem::take(&mut self.is_escaped);
        }
        let escaping = backslashes & !self.is_escaped;
        let behind = escaping << 1;
        let ends = ((behind | ODD).wrapping_sub(escaping)) ^ ODD;
        let escaped = ends ^ (backslashes | self.is_escaped);
        self.is_escaped = (ends & backslashes) >> 63;
        escaped
    }
}

/// Tells the classes with nothing but words.
fn classes(bytes: &[u8; BLOCK]) -> Classes {
    let (words, _) = bytes.as_chunks::<8>();
    let mut all = Classes::default();
    for (word, shift) in words.iter().zip((0..).step_by(8)) {
        let word = u64::from_le_bytes(*word);
        let with_bit_5 = word | (EACH * 0x20);
        let is = |word: u64, byte: u8| is_zero(word ^ (EACH * u64::from(byte)));
        let brackets = is(with_bit_5, b'{') | is(with_bit_5, b'}');
        all.quotes |= gathered(is(word, b'"')) << shift;
        all.backslashes |= gathered(is(word, b'\\')) << shift;
        all.controls |= gathered(is_zero(word & (EACH * 0xE0))) << shift;
        all.dots |= gathered(is(word, b'.')) << shift;
        all.colons |= gathered(is(word, b':')) << shift;
        all.brackets |= gathered(brackets) << shift;
    }
    all
}

/// A word of eight ones.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Returns the highest bit of each byte that is zero.
fn is_zero(word: u64) -> u64 {
    let low = EACH * 0x7F;
    !(((word & low) + low) | word | low)
}

/// Gathers the highest bits of eight bytes.
fn gathered(bits: u64) -> u64 {
    (bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Returns for each bit whether the number of bits up to it is odd.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAYS: &[Way] = &[
        Way::Portable,
        #[cfg(target_arch = "x86_64")]
        Way::Sse2,
        // Where the processor has no AVX2 this is SSE2 once more.
        #[cfg(target_arch = "x86_64")]
        Way::Avx2,
    ];

    /// What the index must be, byte by byte.
    #[derive(Debug, Default, PartialEq)]
    struct Slow {
        quotes: Vec<usize>,
        specials: Vec<usize>,
        marks: Vec<usize>,
        ends_in_string: bool,
        has_odd_keys: bool,
    }

    impl Slow {
        fn new(payload: &[u8]) -> Self {
            let mut slow = Self::default();
            let mut is_escaped = false;
            for (at, byte) in payload.iter().enumerate() {
                if *byte == b'\\' || *byte < b' ' {
                    slow.specials.push(at);
                }
                if *byte == b'"' && !is_escaped {
                    slow.quotes.push(at);
                    slow.ends_in_string = !slow.ends_in_string;
                }
                if b"{}[]:".contains(byte) && !slow.ends_in_string {
                    slow.marks.push(at);
                }
                is_escaped = *byte == b'\\' && !is_escaped;
            }
            let is_odd = |byte: &u8| b"\\.".contains(byte) || *byte < b' ';
            slow.has_odd_keys = slow.quotes.chunks_exact(2).any(|string| {
                let [start, end] = [string[0], string[1]];
                payload.get(end + 1) == Some(&b':') && payload[start..end].iter().any(is_odd)
            });
            slow
        }

        /// Reads an index out by the calls that the walk makes.
        fn of(view: &View<'_>, payload: &[u8]) -> Self {
            let mut quotes = Vec::new();
            let behind = |last: &usize| last + 1;
            while let Some(string) = view.string_from(quotes.last().map_or(0, behind)) {
                quotes.push(string.end);
            }
            Self {
                quotes,
                specials: (0..payload.len()).filter(|at| view.has_specials(*at, at + 1)).collect(),
                marks: view.marks.iter().map(|at| *at as usize).collect(),
                ends_in_string: view.ends_in_string,
                has_odd_keys: view.has_odd_keys,
            }
        }

        fn span(&self, start: usize, end: usize) -> Span {
            let has_specials = self.specials.iter().any(|at| (start..end).contains(at));
            Span { start, end, has_specials }
        }
    }

    fn check(structure: &mut Structure, payload: &[u8]) {
        let slow = Slow::new(payload);
        for way in WAYS {
            structure.index_by(*way, payload);
            let view = structure.view();
            assert_eq!(Slow::of(&view, payload), slow, "{way:?}: {payload:?}");
            for at in 0..payload.len() {
                let before = slow.quotes.iter().rfind(|quote| **quote < at);
                let before = before.map(|quote| slow.span(quote + 1, at));
                assert_eq!(view.string_before(at), before, "{way:?}: {at}: {payload:?}");
                let from = slow.quotes.iter().find(|quote| **quote >= at);
                let from = from.map(|quote| slow.span(at, *quote));
                assert_eq!(view.string_from(at), from, "{way:?}: {at}: {payload:?}");
            }
        }
    }

    #[test]
    fn every_way_tells_every_byte_alike() {
        let all: Vec<u8> = (0..=u8::MAX).cycle().take(1_000).collect();
        for way in WAYS {
            let mut structure = Structure::default();
            structure.index_by(*way, &all);
            let mut portable = Structure::default();
            portable.index_by(Way::Portable, &all);
            assert_eq!(structure.blocks, portable.blocks, "{way:?}");
        }
        check(&mut Structure::default(), &all);
    }

    #[test]
    fn escapes_cross_the_borders_of_blocks() {
        let mut structure = Structure::default();
        for before in 50..70 {
            for backslashes in 0..140 {
                let mut payload = vec![b' '; before];
                payload.push(b'"');
                payload.resize(payload.len() + backslashes, b'\\');
                payload.extend_from_slice(b"\"{\":\"}");
                check(&mut structure, &payload);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_way_finds_what_a_look_at_each_byte_finds(
            payloads in prop::collection::vec(
                prop::collection::vec(
                    prop_oneof![
                        6 => prop::sample::select(br#""\{}[]:, a."#.to_vec()),
                        1 => any::<u8>(),
                    ],
                    0..400,
                ),
                1..4,
            ),
        ) {
            // One after the other in the same memory.
            let mut structure = Structure::default();
            payloads.iter().for_each(|payload| check(&mut structure, payload));
        }
    }
}
