//! Wildcards: `*` is any text, `?` any one character; nothing escapes them.

use memchr::memmem;

use super::middle::Middle;
use super::segment::Segment;
use crate::predicate::need::Place;

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
    Segments { first: Segment, middle: Box<[Middle]>, last: Segment },
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
                    middle: between.map(|part| Middle::new(part)).collect(),
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

    /// Returns the texts of the pattern that every text has which it matches, and where.
    pub(in crate::predicate) fn parts(&self) -> Vec<(&str, Place)> {
        let parts: Vec<(&[u8], Place)> = match self {
            Self::Anything => Vec::new(),
            Self::Prefix(text) => vec![(text, Place::Start)],
            Self::Suffix(text) => vec![(text, Place::End)],
            Self::Contains(finder) => vec![(finder.needle(), Place::Anywhere)],
            Self::Fixed(segment) => segment.parts(true, true),
            Self::Segments { first, middle, last } => {
                let middle = middle.iter().flat_map(Middle::texts);
                let middle = middle.map(|text| (text, Place::Anywhere));
                let ends = [first.parts(true, false), last.parts(false, true)];
                middle.chain(ends.into_iter().flatten()).collect()
            }
        };
        let text = |(text, place)| Some((std::str::from_utf8(text).ok()?, place));
        parts.into_iter().filter_map(text).collect()
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
    middle: &[Middle],
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
