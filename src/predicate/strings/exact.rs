//! Sets of texts.

use std::collections::HashSet;

use crate::predicate::hash::{Hash, Lengths};

/// Up to so many texts are compared one by one.
const FEW: usize = 8;

/// A set of texts, for which most other texts can be excluded by their length.
#[derive(Debug)]
pub(super) struct ExactSet {
    lengths: Lengths,
    texts: Texts,
}

#[derive(Debug)]
enum Texts {
    Few(Box<[Box<str>]>),
    Many(HashSet<Box<[u8]>, Hash>),
}

impl ExactSet {
    pub(super) fn new(mut texts: Vec<Box<str>>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        let mut lengths = Lengths::default();
        texts.iter().for_each(|text| lengths.insert(text.len()));
        let texts = if texts.len() <= FEW {
            Texts::Few(texts.into())
        } else {
            Texts::Many(texts.into_iter().map(|text| text.into_boxed_bytes()).collect())
        };
        Self { lengths, texts }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    pub(super) fn may_contain_len(&self, len: usize) -> bool {
        self.lengths.may_contain(len)
    }

    pub(super) fn contains(&self, text: &[u8]) -> bool {
        self.may_contain_len(text.len())
            && match &self.texts {
                Texts::Few(texts) => texts.iter().any(|known| known.as_bytes() == text),
                Texts::Many(texts) => texts.contains(text),
            }
    }

    /// Tells whether one of the texts could begin with another; of many it is not looked up.
    pub(super) fn may_begin_with(&self, start: &[u8]) -> bool {
        match &self.texts {
            Texts::Few(texts) => texts.iter().any(|text| text.as_bytes().starts_with(start)),
            Texts::Many(_) => true,
        }
    }

    /// Returns the texts, sorted.
    pub(super) fn texts(&self) -> Vec<&str> {
        let mut texts: Vec<&str> = match &self.texts {
            Texts::Few(texts) => texts.iter().map(|text| &**text).collect(),
            Texts::Many(texts) => {
                texts.iter().filter_map(|text| std::str::from_utf8(text).ok()).collect()
            }
        };
        texts.sort_unstable();
        texts
    }

    pub(super) fn cost(&self) -> u32 {
        match &self.texts {
            Texts::Few(texts) => 2 + u32::try_from(texts.len()).unwrap_or(u32::MAX),
            Texts::Many(_) => 12,
        }
    }
}
