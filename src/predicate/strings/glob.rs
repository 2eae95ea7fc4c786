//! Wildcards: `*` is any text, `?` any one character; nothing escapes them.

use memchr::memmem;

/// A pattern with wildcards, in the form that is cheapest to match.
#[derive(Debug)]
pub(in crate::predicate) enum Glob {
    /// `*`
    Anything,
    /// `text*`
    Prefix(Box<[u8]>),
    /// `*text`
    Suffix(Box<[u8]>),
    /// `*text*`
    Contains(Box<memmem::Finder<'static>>),
    /// Without `*`.
    Fixed(Segment),
    /// Segments between stars: the first at the start, the last at the end, the others between.
    Segments { first: Segment, middle: Box<[Segment]>, last: Segment },
}

/// A part of a pattern without `*`.
#[derive(Debug, Default)]
pub(in crate::predicate) struct Segment {
    pieces: Box<[Piece]>,
}

#[derive(Debug)]
enum Piece {
    Text(Box<[u8]>),
    /// So many characters, whichever.
    Characters(usize),
}

impl Glob {
    /// Returns the matcher of a pattern.
    pub(super) fn new(pattern: &str) -> Self {
        if !pattern.contains('*') {
            return Self::Fixed(Segment::new(pattern));
        }
        let parts: Vec<&str> = pattern.split('*').collect();
        let filled: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        let (first, last) = (parts[0], parts[parts.len() - 1]);
        match filled[..] {
            [] => Self::Anything,
            [text] if !text.contains('?') => match (first.is_empty(), last.is_empty()) {
                (false, _) => Self::prefix(text),
                (true, false) => Self::suffix(text),
                (true, true) => Self::contains(text),
            },
            _ => {
                let between = parts[1..parts.len() - 1].iter().filter(|part| !part.is_empty());
                Self::Segments {
                    first: Segment::new(first),
                    middle: between.map(|part| Segment::new(part)).collect(),
                    last: Segment::new(last),
                }
            }
        }
    }

    pub(super) fn prefix(text: &str) -> Self {
        Self::Prefix(text.as_bytes().into())
    }

    pub(super) fn suffix(text: &str) -> Self {
        Self::Suffix(text.as_bytes().into())
    }

    pub(super) fn contains(text: &str) -> Self {
        Self::Contains(Box::new(memmem::Finder::new(text).into_owned()))
    }

    /// Tells whether the pattern matches all of a text, which must be UTF-8.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Anything => true,
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::Fixed(segment) => segment.end_at(text, 0) == Some(text.len()),
            Self::Segments { first, middle, last } => {
                matches_segments(first, middle, last, text).unwrap_or(false)
            }
        }
    }
}

/// The leftmost place of each segment in turn: if any places will do, these do.
fn matches_segments(
    first: &Segment,
    middle: &[Segment],
    last: &Segment,
    text: &[u8],
) -> Option<bool> {
    let mut at = first.end_at(text, 0)?;
    let end = last.start_before(text, text.len())?;
    for segment in middle {
        at = segment.find(text.get(..end)?, at)?;
    }
    Some(at <= end)
}

impl Segment {
    fn new(pattern: &str) -> Self {
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

    /// Returns where the segment ends if it begins at `at`.
    fn end_at(&self, text: &[u8], mut at: usize) -> Option<usize> {
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
    fn start_before(&self, text: &[u8], mut end: usize) -> Option<usize> {
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

    /// Returns where the leftmost occurrence from `at` on ends.
    fn find(&self, text: &[u8], mut at: usize) -> Option<usize> {
        loop {
            if let Some(Piece::Text(wanted)) = self.pieces.first() {
                at += memmem::find(text.get(at..)?, wanted)?;
            }
            if let Some(end) = self.end_at(text, at) {
                return Some(end);
            }
            at = next_character(text, at)?;
        }
    }
}

fn next_character(text: &[u8], at: usize) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook matcher, on characters.
    fn slowly(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                slowly(rest, text) || (!text.is_empty() && slowly(pattern, &text[1..]))
            }
            (['?', pattern @ ..], [_, text @ ..]) => slowly(pattern, text),
            ([p, pattern @ ..], [t, text @ ..]) => p == t && slowly(pattern, text),
            _ => false,
        }
    }

    #[test]
    fn every_form_matches_as_the_textbook_says() {
        let alphabet = ['a', 'b', 'ä', '*', '?'];
        let words = |letters: &[char], len: usize| {
            let mut words: Vec<String> = vec![String::new()];
            for from in 0..len {
                let longer: Vec<String> = words
                    .iter()
                    .filter(|word| word.chars().count() == from)
                    .flat_map(|word| letters.iter().map(move |c| format!("{word}{c}")))
                    .collect();
                words.extend(longer);
            }
            words
        };
        let texts = words(&alphabet[..3], 4);
        for pattern in words(&alphabet, 5) {
            let glob = Glob::new(&pattern);
            let characters: Vec<char> = pattern.chars().collect();
            for text in &texts {
                let expected = slowly(&characters, &text.chars().collect::<Vec<char>>());
                assert_eq!(glob.matches(text.as_bytes()), expected, "{pattern} on {text}");
            }
        }
    }

    #[test]
    fn simple_patterns_take_the_simple_forms() {
        assert!(matches!(Glob::new("*"), Glob::Anything));
        assert!(matches!(Glob::new("**"), Glob::Anything));
        assert!(matches!(Glob::new("a*"), Glob::Prefix(_)));
        assert!(matches!(Glob::new("*a"), Glob::Suffix(_)));
        assert!(matches!(Glob::new("*a*"), Glob::Contains(_)));
        assert!(matches!(Glob::new("a?"), Glob::Fixed(_)));
        assert!(matches!(Glob::new("?:\\Windows\\*"), Glob::Segments { .. }));
    }
}
