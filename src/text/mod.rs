//! Source text and positions in it.
//!
//! Never reads a file: whoever has a text hands it in.

pub mod origin;

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
}
