//! Many wildcard patterns at once.

use smallvec::SmallVec;

use super::glob::Glob;
use crate::predicate::need::{Part, Place};
use crate::predicate::parts::{self, Parts};
use crate::predicate::texts::{Texts, name_of};

/// Up to so many patterns are asked one by one.
const FEW: usize = 8;

/// Patterns, one of which must match.
#[derive(Debug)]
pub(super) struct Globs {
    globs: Box<[Glob]>,
    /// Tells which of many could match.
    clues: Option<Box<Clues>>,
}

/// What a text must have for a pattern to match it, by pattern: each is listed once.
#[derive(Debug)]
struct Clues {
    /// By what stands behind the text's last backslash: places in `named`.
    names: Texts,
    named: Vec<Vec<usize>>,
    /// By what stands in it.
    parts: Parts,
    /// Those that any text could match.
    others: Vec<usize>,
}

impl Globs {
    pub(super) fn new(globs: impl IntoIterator<Item = Glob>) -> Self {
        let globs: Box<[Glob]> = globs.into_iter().collect();
        let clues = (globs.len() > FEW).then(|| Box::new(Clues::new(&globs)));
        Self { globs, clues }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Glob> {
        self.globs.iter()
    }

    /// Tells whether one of the patterns matches all of a text, which must be UTF-8.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        match &self.clues {
            Some(clues) => clues.any(text, self.globs.len(), |at| self.globs[at].matches(text)),
            None => self.globs.iter().any(|glob| glob.matches(text)),
        }
    }

    /// Returns how much work it is to ask them, roughly.
    pub(super) fn cost(&self) -> u32 {
        let one_by_one = if self.clues.is_some() { FEW } else { self.globs.len() };
        4 * u32::try_from(one_by_one).unwrap_or(u32::MAX / 4)
    }
}

impl Clues {
    fn new(globs: &[Glob]) -> Self {
        let (mut names, mut named) = (Texts::default(), Vec::<Vec<usize>>::new());
        let (mut parts, mut others) = (Vec::new(), Vec::new());
        for (at, glob) in globs.iter().enumerate() {
            let texts = glob.parts();
            let longest = texts.iter().max_by_key(|(text, _)| text.len());
            if let Some(name) = texts.iter().find_map(|(text, place)| name(text, *place)) {
                let place = names.place(name, named.len());
                if place == named.len() {
                    named.push(Vec::new());
                }
                named[place].push(at);
            } else if let Some((text, place)) = longest
                && text.len() >= parts::SHORTEST
            {
                parts.push((Part { text: (*text).into(), place: *place }, at));
            } else {
                others.push(at);
            }
        }
        Self { names, named, parts: Parts::new(parts), others }
    }

    /// Tells whether one of the patterns that could match does.
    fn any(&self, text: &[u8], globs: usize, matches: impl Fn(usize) -> bool) -> bool {
        let name = name_of(text).and_then(|name| self.names.get(name));
        let named = name.map_or(&[][..], |place| &self.named[*place]);
        if named.iter().chain(&self.others).any(|at| matches(*at)) {
            return true;
        }
        // Each is asked once, however often its part stands in the text.
        let mut asked: SmallVec<[bool; 64]> = SmallVec::new();
        let mut holds = false;
        self.parts.find(text, &mut |at| {
            asked.resize(globs, false);
            if !holds && !std::mem::replace(&mut asked[at], true) {
                holds = matches(at);
            }
        });
        holds
    }
}

/// Returns what stands behind the last backslash of a text that ends so.
fn name(text: &str, place: Place) -> Option<&str> {
    let (_, name) = text.rsplit_once('\\').filter(|_| place == Place::End)?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn many_match_what_one_of_them_matches(
            patterns in prop::collection::vec("[*?]?([ab*?\\\\]{1,6}|[aäb]{2,4}|[*?]|[a-c]{4}|\\\\b)[*?]?", 0..30),
            text in "[ab\\\\]{0,20}|[aäb]{0,9}|[a-c]{0,12}",
        ) {
            let expected = patterns.iter().any(|p| Glob::new(p).matches(text.as_bytes()));
            let globs = Globs::new(patterns.iter().map(|pattern| Glob::new(pattern)));
            prop_assert_eq!(globs.matches(text.as_bytes()), expected, "{:?} on {}", patterns, text);
        }
    }
}
