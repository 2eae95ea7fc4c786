//! Maps a position inside an embedded text back to the file around it.
//!
//! A rule's query stands in a TOML string: its escapes and its opening quotes shift every
//! position. Diagnostics are made against the query and shown in the file.

use super::Span;

/// Where the bytes of an embedded text stand in the text around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// (offset inside, offset outside), ascending: from each pair on, both advance alike. Where
    /// two pairs share their offset inside, what stands between them outside has no text inside.
    pieces: Vec<(u32, u32)>,
}

impl Origin {
    /// Returns the origin of a text that stands unchanged at `outside`.
    pub fn verbatim(outside: usize) -> Self {
        Self { pieces: vec![(0, u32::try_from(outside).unwrap_or(u32::MAX))] }
    }

    /// Returns the origin of a text in pieces: (offset inside, offset outside), ascending.
    pub fn from_pieces(pieces: Vec<(u32, u32)>) -> Self {
        debug_assert!(pieces.is_sorted(), "pieces must ascend");
        Self { pieces }
    }

    /// Returns the offset outside of an offset inside.
    pub fn offset(&self, inside: u32) -> u32 {
        let after = self.pieces.partition_point(|(start, _)| *start <= inside);
        match after.checked_sub(1).map(|index| self.pieces[index]) {
            Some((start, outside)) => outside.saturating_add(inside - start),
            None => inside,
        }
    }

    /// Returns the span outside of a span inside.
    pub fn span(&self, inside: Span) -> Span {
        let start = self.offset(inside.start);
        let end = if inside.end > inside.start { self.end(inside.end) } else { start };
        Span { start, end }
    }

    /// Returns where a text that ends at `inside` ends outside: before what is left out there.
    fn end(&self, inside: u32) -> u32 {
        let at = self.pieces.partition_point(|(start, _)| *start < inside);
        match (self.pieces.get(at), at.checked_sub(1).map(|before| self.pieces[before])) {
            (Some((start, outside)), _) if *start == inside => *outside,
            (_, Some((start, outside))) => outside + (inside - start),
            (_, None) => inside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_covered_whole_and_left_out_text_is_not() {
        // Outside, from 10: `a`, `\\n` as two bytes, `b`, five bytes left out, `c`.
        let origin = Origin::from_pieces(vec![(0, 10), (1, 11), (2, 13), (3, 14), (3, 19)]);
        assert_eq!(origin.span(Span::new(0, 1)), Span::new(10, 11));
        assert_eq!(origin.span(Span::new(1, 2)), Span::new(11, 13));
        assert_eq!(origin.span(Span::new(2, 3)), Span::new(13, 14));
        assert_eq!(origin.span(Span::new(3, 4)), Span::new(19, 20));
        assert_eq!(origin.span(Span::new(3, 3)), Span::new(19, 19));
    }

    #[test]
    fn verbatim_text_is_shifted() {
        let origin = Origin::verbatim(100);
        assert_eq!(origin.span(Span::new(2, 5)), Span::new(102, 105));
        assert_eq!(Origin::verbatim(usize::MAX).offset(7), u32::MAX);
    }

    #[test]
    fn escapes_widen_the_span_around_them() {
        // Inside `a\b`, outside `"a\\b"` from offset 10 on: the backslash is two bytes wide.
        let origin = Origin::from_pieces(vec![(0, 11), (2, 14)]);
        assert_eq!(origin.span(Span::new(0, 1)), Span::new(11, 12));
        assert_eq!(origin.span(Span::new(1, 2)), Span::new(12, 14));
        assert_eq!(origin.span(Span::new(2, 3)), Span::new(14, 15));
    }

    #[test]
    fn no_pieces_change_nothing() {
        assert_eq!(Origin::default().offset(9), 9);
    }
}
