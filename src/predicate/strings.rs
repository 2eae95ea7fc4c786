//! Texts against many texts and wildcard patterns at once.

mod exact;
mod glob;
mod globs;
mod middle;
mod segment;

use super::folds::{At, Folds};
use super::need::{Literal, Part, Place};
use super::test::text_satisfies;
use crate::eql::ast::Case;
use crate::event::Value;
use crate::text::fold::fold;
use exact::ExactSet;
use glob::Glob;
use globs::Globs;

/// Texts and wildcard patterns, one of which must match a whole text.
///
/// Whether letter case counts is decided when it is built: the patterns are folded then, and each
/// text once before it is compared.
#[derive(Debug)]
pub(super) struct Strings {
    case: Case,
    exact: ExactSet,
    globs: Globs,
}

impl Strings {
    /// Returns the matcher of `exact` texts, in which no character is special, and `globs`.
    pub(super) fn new<'a>(
        case: Case,
        exact: impl IntoIterator<Item = &'a str>,
        globs: impl IntoIterator<Item = Glob>,
    ) -> Self {
        let exact = exact.into_iter().map(|text| folded(text, case)).collect();
        Self { case, exact: ExactSet::new(exact), globs: Globs::new(globs) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.globs.is_empty()
    }

    /// Tells whether a value's text matches; `folds` and `at` as for [`Folds::text`].
    pub(super) fn hold(&self, value: Value<'_>, at: Option<At>, folds: &mut Folds<'_>) -> bool {
        if self.case == Case::Sensitive {
            return text_satisfies(value, |text| self.matches_folded(text.as_bytes()));
        }
        // Folding keeps the length of ASCII texts: most can be told apart by it.
        if self.globs.is_empty()
            && let Value::Str(text) = value
            && !self.exact.may_contain_len(text.len())
            && text.is_ascii()
        {
            return false;
        }
        folds.text(value, at).is_some_and(|text| self.matches_folded(text))
    }

    fn matches_folded(&self, text: &[u8]) -> bool {
        self.exact.contains(text) || self.globs.matches(text)
    }

    /// Returns the texts, folded; nothing if a pattern matches others too.
    pub(super) fn folded_texts(&self) -> Option<Vec<Box<str>>> {
        let texts = || self.exact.texts().into_iter().map(|text| fold(text).into());
        self.globs.is_empty().then(|| texts().collect())
    }

    /// Returns what a text has that matches: all literals of one of these lists. A list is empty if
    /// nothing is known of a pattern.
    pub(super) fn alternatives(&self) -> Vec<Vec<Literal>> {
        let texts = self.exact.texts().into_iter().map(|text| Literal::Text(fold(text).into()));
        let texts = texts.map(|text| vec![text]);
        let globs = self.globs.iter().map(|glob| {
            let parts = glob.parts().into_iter();
            parts.flat_map(|(text, place)| part(text, place).literals()).collect()
        });
        texts.chain(globs).collect()
    }

    /// Tells whether a text that matches could begin with another.
    pub(super) fn may_begin_with(&self, start: &str) -> bool {
        !self.globs.is_empty() || self.exact.may_begin_with(folded(start, self.case).as_bytes())
    }

    pub(super) fn cost(&self) -> u32 {
        self.exact.cost().saturating_add(self.globs.cost())
    }
}

fn part(text: &str, place: Place) -> Part {
    Part { text: fold(text).into(), place }
}

/// Returns the matcher of one kind of place that a text may stand in another.
pub(super) fn affix(kind: Affix, text: &str, case: Case) -> Strings {
    let text = folded(text, case);
    let glob = match kind {
        Affix::Start => Glob::prefix(&text),
        Affix::End => Glob::suffix(&text),
        Affix::Anywhere => Glob::contains(&text),
    };
    Strings::new(case, [], [glob])
}

/// Where a text stands in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affix {
    Start,
    End,
    Anywhere,
}

/// Returns the matcher of a pattern that has wildcards.
pub(super) fn glob(pattern: &str, case: Case) -> Glob {
    Glob::new(&folded(pattern, case))
}

/// Tells whether a pattern of `:` or `like` has wildcards; there is no escape.
pub(super) fn has_wildcards(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

fn folded(text: &str, case: Case) -> Box<str> {
    match case {
        Case::Sensitive => text.into(),
        Case::Insensitive => fold(text).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(patterns: &[&str], case: Case) -> Strings {
        let (globs, exact): (Vec<&str>, Vec<&str>) =
            patterns.iter().copied().partition(|pattern| has_wildcards(pattern));
        Strings::new(case, exact, globs.into_iter().map(|pattern| glob(pattern, case)))
    }

    fn matches(strings: &Strings, text: &str) -> bool {
        strings.hold(Value::from(text), None, &mut Folds::default())
    }

    #[test]
    fn letter_case_counts_only_where_it_should() {
        let insensitive = like(&["CMD.exe", "power*"], Case::Insensitive);
        assert!(matches(&insensitive, "cmd.EXE") && matches(&insensitive, "PowerShell"));
        assert!(!matches(&insensitive, "cmd") && !matches(&insensitive, "xpower"));
        let sensitive = like(&["CMD.exe", "power*"], Case::Sensitive);
        assert!(!matches(&sensitive, "cmd.EXE") && !matches(&sensitive, "PowerShell"));
        assert!(matches(&sensitive, "CMD.exe") && matches(&sensitive, "powershell"));
    }

    #[test]
    fn other_alphabets_are_folded() {
        let strings = like(&["kernel", "ſ*Ä"], Case::Insensitive);
        assert!(matches(&strings, "\u{212a}ERNEL"), "the Kelvin sign is longer than k");
        assert!(matches(&strings, "Straßä"));
        assert!(!matches(&strings, "Straßa"));
    }

    #[test]
    fn large_sets_find_their_members_only() {
        let names: Vec<String> = (0..2_609).map(|index| format!("Library{index}.dll")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let strings = like(&names, Case::Insensitive);
        assert!(names.iter().all(|name| matches(&strings, &name.to_uppercase())));
        assert!(!matches(&strings, "library2609.dll") && !matches(&strings, ""));
    }
}
