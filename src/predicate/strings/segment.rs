//! A part of a wildcard pattern without `*`, matched where it must begin or end.

use crate::predicate::need::Place;

/// Texts, and numbers of characters between them.
#[derive(Debug, Default)]
pub(in crate::predicate) struct Segment {
    pieces: Box<[Piece]>,
}

#[derive(Debug)]
pub(super) enum Piece {
    Text(Box<[u8]>),
    /// So many characters, whichever.
    Characters(usize),
}

impl Segment {
    pub(super) fn new(pattern: &str) -> Self {
        let mut pieces = Vec::new();
        for part in pattern.split_inclusive('?') {
            let text = part.trim_end_matches('?');
            if !text.is_empty() {
                pieces.push(Piece::Text(text.as_bytes().into()));
            }
            if text.len() < part.len() {
                match pieces.last_mut() {
                    Some(Piece::Characters(count)) => *count += 1,
                    _ => pieces.push(Piece::Characters(1)),
                }
            }
        }
        Self { pieces: pieces.into() }
    }

    /// Returns its pieces: texts and characters in turn.
    pub(super) fn into_pieces(self) -> Box<[Piece]> {
        self.pieces
    }

    /// Returns its texts, and where they stand in a text that it must begin, or end.
    pub(super) fn parts(&self, begins: bool, ends: bool) -> Vec<(&[u8], Place)> {
        let last = self.pieces.len().saturating_sub(1);
        let place = |at| match at {
            0 if begins => Place::Start,
            at if ends && at == last => Place::End,
            _ => Place::Anywhere,
        };
        let mut parts = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            if let Piece::Text(text) = piece {
                parts.push((&**text, place(at)));
            }
        }
        parts
    }

    /// Returns where the segment ends if it begins at `at`.
    pub(super) fn end_at(&self, text: &[u8], mut at: usize) -> Option<usize> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(wanted) => {
                    text.get(at..)?.starts_with(wanted).then_some(())?;
                    at += wanted.len();
                }
                Piece::Characters(count) => {
                    for _ in 0..*count {
                        at = next_character(text, at)?;
                    }
                }
            }
        }
        Some(at)
    }

    /// Returns where the segment begins if it ends before `end`.
    pub(super) fn start_before(&self, text: &[u8], mut end: usize) -> Option<usize> {
        for piece in self.pieces.iter().rev() {
            match piece {
                Piece::Text(wanted) => {
                    text.get(..end)?.ends_with(wanted).then_some(())?;
                    end -= wanted.len();
                }
                Piece::Characters(count) => {
                    for _ in 0..*count {
                        end = previous_character(text, end)?;
                    }
                }
            }
        }
        Some(end)
    }
}

/// Returns where the character behind the one at `at` begins.
pub(super) fn next_character(text: &[u8], at: usize) -> Option<usize> {
    let len = match text.get(at)? {
        0..=0x7f => 1,
        0..=0xdf => 2,
        0..=0xef => 3,
        _ => 4,
    };
    Some((at + len).min(text.len()))
}

fn previous_character(text: &[u8], end: usize) -> Option<usize> {
    let mut at = end.checked_sub(1)?;
    while at > 0 && text[at] & 0xc0 == 0x80 {
        at -= 1;
    }
    Some(at)
}
