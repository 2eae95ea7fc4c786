//! Memory for the texts of one event that do not stand in its record.

use std::borrow::Cow;

use bumpalo::Bump;

use super::number::Written;

/// Memory for what one event needs beside its record: texts without their escapes, and what
/// normalizing makes. All of it is freed at once.
///
/// Use one for many events: [`reset`](Self::reset) keeps the memory for the next one.
#[derive(Debug, Default)]
pub struct Arena(Bump);

impl Arena {
    /// Returns an arena that has no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a copy of a text that lives as long as the arena.
    pub fn text(&self, text: &str) -> &str {
        self.0.alloc_str(text)
    }

    /// Returns a copy of a text with ASCII letters in lower case.
    pub fn lower(&self, text: &str) -> &str {
        let copy = self.0.alloc_str(text);
        copy.make_ascii_lowercase();
        copy
    }

    /// Returns a text that lives as long as the arena: itself if it does, else a copy.
    pub fn keep<'a>(&'a self, text: Cow<'a, str>) -> &'a str {
        match text {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => self.text(&text),
        }
    }

    /// Returns a copy of some bytes that lives as long as the arena.
    pub fn bytes(&self, bytes: &[u8]) -> &[u8] {
        self.0.alloc_slice_copy(bytes)
    }

    /// Returns a copy of some bytes, changed, that lives as long as the arena.
    pub fn changed(&self, bytes: &[u8], change: impl FnOnce(&mut [u8])) -> &[u8] {
        let copy = self.0.alloc_slice_copy(bytes);
        change(copy);
        copy
    }

    /// Returns a number with its text that lives as long as the arena.
    pub fn number(&self, number: f64, text: &str) -> &Written<'_> {
        self.0.alloc(Written { number, text: self.text(text).into() })
    }

    /// Returns how many bytes of memory it has, used or not.
    pub fn reserved_bytes(&self) -> usize {
        self.0.allocated_bytes()
    }

    /// Forgets everything, and keeps the memory.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}
