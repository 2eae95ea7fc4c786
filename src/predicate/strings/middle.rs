//! A part of a wildcard pattern between two `*`: its leftmost occurrence, in linear time.
//!
//! Each of its texts is searched with an iterator of its own, and each gap of `?` with a pair of
//! places. All of them only move forward, so that none reads the text twice.

use memchr::memmem;
use smallvec::SmallVec;

use super::segment::{Piece, Segment, next_character};

/// Texts with gaps between them, and the searchers of the texts.
#[derive(Debug)]
pub(in crate::predicate) struct Middle {
    /// Characters before the first text.
    lead: usize,
    texts: Box<[Sought]>,
}

/// A text that is looked for.
#[derive(Debug)]
struct Sought {
    finder: memmem::Finder<'static>,
    /// The table of Knuth, Morris and Pratt: of each beginning of the text, how much of its end is a
    /// beginning too. Empty where an occurrence is never looked for behind another.
    borders: Box<[u32]>,
    /// Characters behind it.
    gap: usize,
}

impl Middle {
    pub(super) fn new(pattern: &str) -> Self {
        let pieces = Segment::new(pattern).into_pieces();
        let is_plain = pieces.iter().filter(|piece| matches!(piece, Piece::Text(_))).count() < 2;
        let (mut lead, mut texts) = (0, Vec::<Sought>::new());
        for piece in pieces {
            match (piece, texts.last_mut()) {
                (Piece::Text(text), _) => texts.push(Sought {
                    finder: memmem::Finder::new(&text).into_owned(),
                    borders: if is_plain { Box::default() } else { borders(&text) },
                    gap: 0,
                }),
                (Piece::Characters(count), Some(text)) => text.gap = count,
                (Piece::Characters(count), None) => lead = count,
            }
        }
        Self { lead, texts: texts.into() }
    }

    /// Returns its texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(|sought| sought.finder.needle())
    }

    /// Returns where the leftmost occurrence from `at` on ends.
    pub(super) fn find(&self, text: &[u8], at: usize) -> Option<usize> {
        let from = Gap::new(self.lead, at).end(text, at)?;
        match &*self.texts {
            [] => Some(from),
            // Behind a later occurrence there are fewer characters still.
            [only] => {
                let end = from + only.finder.find(text.get(from..)?)? + only.finder.needle().len();
                Gap::new(only.gap, end).end(text, end)
            }
            texts => find_joined(texts, text, from),
        }
    }
}

/// Returns where the leftmost occurrence of texts with gaps between them ends.
fn find_joined(texts: &[Sought], text: &[u8], mut from: usize) -> Option<usize> {
    let mut scans: SmallVec<[Scan<'_>; 4]> =
        texts.iter().map(|sought| Scan::new(sought, text, from)).collect();
    loop {
        let mut at = scans[0].next(from)?;
        let start = at;
        let mut fits = true;
        for scan in &mut scans {
            if scan.next(at)? != at {
                fits = false;
                break;
            }
            at = scan.behind(at)?;
        }
        if fits {
            return Some(at);
        }
        from = start + 1;
    }
}

/// The occurrences of one text, in order.
struct Scan<'s> {
    sought: &'s Sought,
    text: &'s [u8],
    /// What is read of the text, and how much of its end is a beginning of what is sought.
    read: usize,
    matched: usize,
    /// The latest occurrence.
    found: Option<usize>,
    gap: Gap,
}

impl<'s> Scan<'s> {
    fn new(sought: &'s Sought, text: &'s [u8], from: usize) -> Self {
        let gap = Gap::new(sought.gap, from);
        Self { sought, text, read: from, matched: 0, found: None, gap }
    }

    /// Returns the first occurrence from `from` on, which must not be less than the time before.
    fn next(&mut self, from: usize) -> Option<usize> {
        if self.read < from {
            (self.read, self.matched) = (from, 0);
        }
        while self.found.is_none_or(|found| found < from) {
            self.found = Some(self.advance()?);
        }
        self.found
    }

    /// Returns where what follows an occurrence begins, behind the gap.
    fn behind(&mut self, occurrence: usize) -> Option<usize> {
        self.gap.end(self.text, occurrence + self.sought.finder.needle().len())
    }

    fn advance(&mut self) -> Option<usize> {
        let needle = self.sought.finder.needle();
        while self.matched > 0 {
            if self.matched < needle.len() {
                let byte = *self.text.get(self.read)?;
                if byte == needle[self.matched] {
                    self.read += 1;
                    self.matched += 1;
                    if self.matched == needle.len() {
                        return Some(self.read - needle.len());
                    }
                    continue;
                }
            }
            self.matched = self.sought.borders[self.matched - 1] as usize;
        }
        let at = self.read + self.sought.finder.find(self.text.get(self.read..)?)?;
        (self.read, self.matched) = (at + needle.len(), needle.len());
        Some(at)
    }
}

/// So many characters: where they begin and end, moved forward together.
struct Gap {
    characters: usize,
    start: usize,
    end: usize,
    /// How many characters lie between the two as yet.
    between: usize,
}

impl Gap {
    fn new(characters: usize, at: usize) -> Self {
        Self { characters, start: at, end: at, between: 0 }
    }

    /// Returns where the characters end that begin at `start`, which must not be less than the time
    /// before.
    fn end(&mut self, text: &[u8], start: usize) -> Option<usize> {
        if self.end < start {
            (self.end, self.between) = (start, 0);
        } else {
            while self.start < start {
                self.start = next_character(text, self.start)?;
                self.between -= 1;
            }
        }
        self.start = start;
        while self.between < self.characters {
            self.end = next_character(text, self.end)?;
            self.between += 1;
        }
        Some(self.end)
    }
}

/// Returns of each beginning of a text how much of its end is a beginning too.
fn borders(text: &[u8]) -> Box<[u32]> {
    let mut borders = vec![0_u32; text.len()];
    let mut length = 0_usize;
    for at in 1..text.len() {
        while length > 0 && text[at] != text[length] {
            length = borders[length - 1] as usize;
        }
        length += usize::from(text[at] == text[length]);
        borders[at] = u32::try_from(length).unwrap_or(u32::MAX);
    }
    borders.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: every place in turn.
    fn naively(pattern: &str, text: &str, at: usize) -> Option<usize> {
        let segment = Segment::new(pattern);
        let places = text.char_indices().map(|(place, _)| place).chain([text.len()]);
        places.filter(|place| *place >= at).find_map(|place| segment.end_at(text.as_bytes(), place))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_leftmost_occurrence_is_that_of_the_definition(
            pattern in "[ab?]{1,8}|[aä?]{1,6}|(a{0,3}[?]){0,3}b",
            text in "[ab]{0,24}|[aäb]{0,16}|a{0,20}b?a{0,3}",
            characters in 0..4_usize,
        ) {
            let at = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
            let found = Middle::new(&pattern).find(text.as_bytes(), at);
            prop_assert_eq!(found, naively(&pattern, &text, at), "{} in {} from {}", pattern, text, at);
        }
    }

    #[test]
    fn texts_that_repeat_themselves_are_read_once() {
        let text = "a".repeat(2_000_000);
        let needle = "a".repeat(500_000);
        let pattern = format!("{needle}?{needle}b");
        assert_eq!(Middle::new(&pattern).find(text.as_bytes(), 0), None);
        let found =
            Middle::new(&format!("{needle}?{needle}?b")).find(format!("{text}b").as_bytes(), 0);
        assert_eq!(found, Some(2_000_001));
        let wide = format!("a{}b", "?".repeat(100_000));
        assert_eq!(Middle::new(&wide).find(text.as_bytes(), 0), None);
        assert_eq!(Middle::new(&format!("{wide}?")).find(format!("{text}b").as_bytes(), 0), None);
    }
}
