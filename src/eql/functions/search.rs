//! Texts that are looked for in others.
//!
//! Never takes more than linear time: searches by the two-way algorithm of `memchr::memmem`.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use super::super::ast::Case;
use super::Scalar;
use crate::text::fold::fold;

/// How a function computes its result that looks for texts.
pub type Search = for<'a> fn(&[Scalar<'a>], &Needles) -> Scalar<'a>;

/// The texts that a call looks for, as far as they are known before.
#[derive(Debug)]
pub struct Needles {
    case: Case,
    /// By argument; nothing where only the event tells.
    ready: Box<[Option<Ready>]>,
}

/// A text that is looked for in many others.
#[derive(Debug)]
pub(super) struct Ready {
    forward: memmem::Finder<'static>,
    backward: memmem::FinderRev<'static>,
}

/// A text to be looked for.
pub(super) enum Needle<'n> {
    Ready(&'n Ready),
    /// To be looked for in a single text: a searcher would cost more than it saves.
    Once(Cow<'n, str>),
}

/// A text to be searched; positions are bytes of what it folds to.
pub(super) struct Haystack<'t> {
    text: &'t str,
    folded: Cow<'t, str>,
}

impl Needles {
    /// Returns the needles of a call of which nothing is known before.
    pub fn unknown(case: Case) -> Self {
        Self { case, ready: Box::default() }
    }

    /// Returns the needles of a call whose constant arguments are these.
    pub fn ready<'a>(case: Case, constants: impl Iterator<Item = Option<&'a str>>) -> Self {
        let ready = constants.map(|text| Some(Ready::new(text?, case))).collect();
        Self { case, ready }
    }

    /// Returns whether letter case counts.
    pub(super) fn case(&self) -> Case {
        self.case
    }

    /// Returns what an argument asks to look for; nothing for null.
    pub(super) fn of<'n>(&'n self, index: usize, value: &'n Scalar<'_>) -> Option<Needle<'n>> {
        match self.ready.get(index) {
            Some(Some(ready)) => Some(Needle::Ready(ready)),
            _ => Some(Needle::once(value.as_ref()?.text()?, self.case)),
        }
    }
}

impl Ready {
    fn new(text: &str, case: Case) -> Self {
        let folded = folded(text, case);
        Self {
            forward: memmem::Finder::new(&*folded).into_owned(),
            backward: memmem::FinderRev::new(&*folded).into_owned(),
        }
    }
}

impl<'n> Needle<'n> {
    fn once(text: Cow<'n, str>, case: Case) -> Self {
        Self::Once(match (text, case) {
            (text, Case::Sensitive) => text,
            (Cow::Borrowed(text), Case::Insensitive) => fold(text),
            (Cow::Owned(text), Case::Insensitive) => fold(&text).into_owned().into(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ready(ready) => ready.forward.needle().len(),
            Self::Once(text) => text.len(),
        }
    }

    fn find_in(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Ready(ready) => ready.forward.find(text),
            Self::Once(part) => memmem::find(text, part.as_bytes()),
        }
    }

    fn find_last_in(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Ready(ready) => ready.backward.rfind(text),
            Self::Once(part) => memmem::rfind(text, part.as_bytes()),
        }
    }
}

impl<'t> Haystack<'t> {
    pub(super) fn new(text: &'t str, case: Case) -> Self {
        Self { text, folded: folded(text, case) }
    }

    /// Returns the first occurrence from a position on.
    pub(super) fn find(&self, needle: &Needle<'_>, from: usize) -> Option<usize> {
        let rest = self.folded.as_bytes().get(from..)?;
        needle.find_in(rest).map(|at| from + at)
    }

    /// Returns the last occurrence from a position on.
    pub(super) fn find_last(&self, needle: &Needle<'_>, from: usize) -> Option<usize> {
        let rest = self.folded.as_bytes().get(from..)?;
        needle.find_last_in(rest).map(|at| from + at)
    }

    /// Returns the first occurrence from a UTF-16 unit on, counted in these units.
    pub(super) fn find_unit(&self, needle: &Needle<'_>, from: usize) -> Option<usize> {
        let at = self.position_of(from)?;
        if needle.is_empty() {
            // It also stands between the two units of one character.
            return Some(from);
        }
        self.find(needle, at).map(|at| units(&self.folded[..at]))
    }

    /// Returns a part of the text as it is written.
    pub(super) fn written(&self, part: Range<usize>) -> &'t str {
        if self.text.is_ascii() || self.folded == self.text {
            return &self.text[part];
        }
        // Folding makes one character of one character, of another length perhaps.
        let start = skip(self.text, self.folded[..part.start].chars().count());
        let rest = &self.text[start..];
        &rest[..skip(rest, self.folded[part].chars().count())]
    }

    /// Returns the first position that is not before a UTF-16 unit, if there are so many.
    fn position_of(&self, unit: usize) -> Option<usize> {
        if self.folded.is_ascii() {
            return (unit <= self.folded.len()).then_some(unit);
        }
        let mut passed = 0;
        for (at, c) in self.folded.char_indices() {
            if passed >= unit {
                return Some(at);
            }
            passed += c.len_utf16();
        }
        (passed >= unit).then_some(self.folded.len())
    }
}

/// Folding keeps the number of UTF-16 units, so that positions stay.
fn folded(text: &str, case: Case) -> Cow<'_, str> {
    match case {
        Case::Sensitive => Cow::Borrowed(text),
        Case::Insensitive => fold(text),
    }
}

/// Returns the length of a text in UTF-16 units.
fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}

/// Returns where a text goes on behind so many characters.
fn skip(text: &str, characters: usize) -> usize {
    text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::fold::fold_char;

    #[test]
    fn folding_keeps_the_number_of_units() {
        for c in '\0'..=char::MAX {
            assert_eq!(fold_char(c).len_utf16(), c.len_utf16(), "{c:?}");
        }
    }

    /// The definition, on UTF-16 units.
    fn naively(text: &str, part: &str, from: usize, case: Case) -> Option<usize> {
        let units = |text: &str| folded(text, case).encode_utf16().collect::<Vec<u16>>();
        let (text, part) = (units(text), units(part));
        (from..=text.len()).find(|at| text[*at..].starts_with(&part))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn occurrences_are_those_of_the_definition(
            text in "[aAbKſäÄ😀\u{212a}]{0,12}",
            part in "[aAbksäÄ😀]{0,3}",
            from in 0..14_usize,
            is_sensitive in any::<bool>(),
        ) {
            let case = if is_sensitive { Case::Sensitive } else { Case::Insensitive };
            let haystack = Haystack::new(&text, case);
            let ready = Ready::new(&part, case);
            for needle in [Needle::Ready(&ready), Needle::once(part.as_str().into(), case)] {
                let found = haystack.find_unit(&needle, from);
                prop_assert_eq!(found, naively(&text, &part, from, case), "{} in {}", part, text);
                let ends = [haystack.find(&needle, 0), haystack.find_last(&needle, 0)];
                prop_assert_eq!(ends[0].is_some(), ends[1].is_some());
                for at in ends.into_iter().flatten() {
                    let written = haystack.written(at..at + needle.len());
                    prop_assert_eq!(folded(written, case), folded(&part, case));
                }
            }
            prop_assert_eq!(haystack.written(0..haystack.folded.len()), &text);
        }
    }
}
