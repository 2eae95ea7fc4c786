//! Maps a position inside an embedded text back to the file around it.
//!
//! A rule's query stands in a TOML string: its escapes and its opening quotes shift every
//! position. Diagnostics are made against the query and shown in the file.

use super::Span;

/// Where the bytes of an embedded text stand in the text around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// (offset inside, offset outside), ascending: from each pair on, both advance alike.
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
            Some((start, outside)) => outside + (inside - start),
            None => inside,
        }
    }

    /// Returns the span outside of a span inside.
    pub fn span(&self, inside: Span) -> Span {
        Span { start: self.offset(inside.start), end: self.offset(inside.end) }
    }
}
