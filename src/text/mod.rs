//! Source text and positions in it.
//!
//! Never reads a file: whoever has a text hands it in.

pub mod digest;
pub mod edit_distance;
pub mod encoding;
pub mod fold;
pub mod origin;

use encoding::Encoding;

/// A half-open range of byte offsets in some text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// Returns the span from `start` to `end` (exclusive).
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end.max(start)) }
    }

    /// Returns the smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Returns the span as a range of indices.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A named text: a rule file, a configuration file, a query typed on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What to call it in messages: usually the path.
    pub name: String,
    /// The whole text.
    pub contents: String,
    /// How the bytes that it was read from are encoded.
    pub encoding: Encoding,
}

/// A place in a text as people count: from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Character within the line.
    pub column: usize,
}

impl Text {
    /// Returns a text and what to call it.
    pub fn new(name: impl Into<String>, contents: impl Into<String>) -> Self {
        Self { name: name.into(), contents: contents.into(), encoding: Encoding::Utf8 }
    }

    /// Returns line and column of a byte offset; one behind the text is its end.
    pub fn position(&self, offset: u32) -> Position {
        let offset = self.contents.floor_char_boundary(offset as usize);
        let before = &self.contents[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let text = Text::new("q", "ab\ncäd\n");
        let at = |offset| {
            let position = text.position(offset);
            (position.line, position.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(3), (2, 1));
        assert_eq!(at(5), (2, 2), "inside a character counts as its start");
        assert_eq!(at(6), (2, 3));
        assert_eq!(at(8), (3, 1));
        assert_eq!(at(99), (3, 1), "behind the end counts as the end");
    }
}
