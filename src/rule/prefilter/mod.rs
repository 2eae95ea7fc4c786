//! A prefilter over the bytes of records: most of those that satisfy no stage of any rule are told
//! without being decoded.
//!
//! Each stage needs some bytes: keys without which a field has no value, and texts without which a
//! condition does not hold. A record that lacks them, for each stage, cannot be a hit. Sound and not
//! complete: who is not rejected must still be judged. Never says anything about a record's validity,
//! time or host.
//!
//! Guards against other spellings: JSON may write any character as `\uXXXX`, and a few characters fold
//! to letters of ASCII. A record in which such a one could hide a needle is not rejected, nor is one that
//! does not begin and end as an object does.

mod clause;
mod common;
mod search;

use std::collections::BTreeMap;

use super::compile::CompiledRule;
use crate::event::FieldTable;
use crate::normalize::EcsCompat;
use clause::{Clause, Clauses};
use search::{Keys, Texts};

/// Only small rule sets have a prefilter: beyond these limits the searches cost more than they save.
const MOST_STAGES: usize = 32;
const MOST_KEYS: usize = 48;
const MOST_TEXT_SEARCHES: usize = 4;
/// A key that more of a hundred records have, by guess, is not looked for.
const MOST_COMMON_KEY: u32 = 60;

/// Tells records that satisfy no stage of a rule set.
///
/// Made once for a rule set, and shared by all its detectors.
#[derive(Debug)]
pub struct Prefilter {
    keys: Keys<Meaning>,
    stages: Vec<Stage>,
    texts: Vec<Texts>,
    /// INVARIANT: every character that a needle has, in both letter cases for texts.
    hideable: Characters,
}

/// What it means that a needle of the first search stands in a record.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// An escape that may hide a character of a needle.
    Escape,
    /// Clauses of keys, by bit.
    Keys(u64),
}

/// What one stage, or several, need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stage {
    /// All these clauses of keys.
    keys: u64,
    /// One of these texts.
    texts: Option<usize>,
}

/// A set of characters of ASCII.
#[derive(Clone, Copy, Debug, Default)]
struct Characters(u128);

impl Characters {
    fn insert(&mut self, character: u8) {
        self.0 |= 1 << (character & 0x7f);
    }

    fn contains(self, character: u8) -> bool {
        character.is_ascii() && self.0 >> character & 1 == 1
    }
}

/// The record is not to be rejected.
struct MayMatch;

impl Prefilter {
    /// Returns the prefilter of these rules; nothing if a stage needs nothing that could be looked for,
    /// or if there are too many of them.
    pub(super) fn new(
        rules: &[CompiledRule],
        fields: &FieldTable,
        compat: EcsCompat,
    ) -> Option<Self> {
        let terms = rules.iter().flat_map(|rule| &rule.terms);
        let mut parts = Parts::default();
        for term in terms {
            let clauses = Clauses::of(&term.predicate.requirement(), fields, compat);
            parts.add(&clauses)?;
        }
        parts.prefilter()
    }

    /// Tells that a record satisfies no stage of any rule: it need not be decoded for that.
    pub fn rejects(&self, record: &[u8]) -> bool {
        is_closed(record) && self.judge(record).is_ok()
    }

    fn judge(&self, record: &[u8]) -> Result<(), MayMatch> {
        let (mut keys, mut looked_at) = (0, 0);
        self.look_at(0, record, keys, &mut looked_at)?;
        self.keys.visit(record, |meaning, at| match meaning {
            Meaning::Escape if self.may_hide(record, at) => Err(MayMatch),
            Meaning::Escape => Ok(()),
            Meaning::Keys(found) if found & !keys == 0 => Ok(()),
            Meaning::Keys(found) => {
                keys |= found;
                self.look_at(found, record, keys, &mut looked_at)
            }
        })
    }

    /// Looks at the stages whose keys are all there, and that have not been looked at.
    fn look_at(
        &self,
        news: u64,
        record: &[u8],
        keys: u64,
        looked_at: &mut u64,
    ) -> Result<(), MayMatch> {
        for (index, stage) in self.stages.iter().enumerate() {
            let is_new = stage.keys == 0 || stage.keys & news != 0;
            if !is_new || stage.keys & !keys != 0 || *looked_at >> index & 1 == 1 {
                continue;
            }
            *looked_at |= 1 << index;
            if stage.texts.is_none_or(|texts| self.texts[texts].may_stand_in(record)) {
                return Err(MayMatch);
            }
        }
        Ok(())
    }

    /// Tells whether the escape `\uXXXX` at `at` may hide a character of a needle.
    fn may_hide(&self, record: &[u8], at: usize) -> bool {
        let digits = record.get(at + 2..at + 6).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
            Some(LONG_S | KELVIN) | None => true,
            Some(unit) => u8::try_from(unit).is_ok_and(|unit| self.hideable.contains(unit)),
        }
    }
}

/// Code units of the characters beside ASCII that fold to letters of ASCII.
const LONG_S: u16 = 0x17f;
const KELVIN: u16 = 0x212a;
/// How escapes of ASCII begin, and how those two do.
const ESCAPE: &[u8] = b"\\u00";
const ESCAPES_OF_FOLDINGS: [&[u8]; 2] = [b"\\u01", b"\\u21"];

/// Tells whether a record begins and ends as an object does: one that is cut off, or something else, is
/// to be looked at as a whole.
fn is_closed(record: &[u8]) -> bool {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let mut ends = record.iter().skip_while(|byte| is_blank(byte));
    let mut starts = record.iter().rev().skip_while(|byte| is_blank(byte));
    ends.next() == Some(&b'{') && starts.next() == Some(&b'}') && record.len() > 1
}

/// What the stages need, each thing once.
#[derive(Debug, Default)]
struct Parts {
    keys: Vec<Clause>,
    texts: Vec<Clause>,
    stages: Vec<Stage>,
}

impl Parts {
    /// Adds a stage; nothing if it needs nothing that could be looked for.
    fn add(&mut self, clauses: &Clauses) -> Option<()> {
        let rarest = |clauses: &[Clause]| clauses.iter().min().cloned();
        let keys = rarest(&clauses.keys).filter(|clause| clause.share <= MOST_COMMON_KEY);
        let texts = rarest(&clauses.texts);
        if [&keys, &texts].into_iter().flatten().any(Clause::is_impossible) {
            // No event satisfies it.
            return Some(());
        }
        if keys.is_none() && texts.is_none() {
            return None;
        }
        let keys = keys.map_or(0, |keys| 1 << place_of(keys, &mut self.keys));
        let texts = texts.map(|texts| place_of(texts, &mut self.texts));
        let stage = Stage { keys, texts };
        if !self.stages.contains(&stage) {
            self.stages.push(stage);
        }
        let is_small = self.stages.len() <= MOST_STAGES && self.texts.len() <= MOST_TEXT_SEARCHES;
        is_small.then_some(())
    }

    fn prefilter(self) -> Option<Prefilter> {
        let texts: Vec<Texts> = self
            .texts
            .iter()
            .map(|clause| Texts::new(clause.needles.iter().cloned()))
            .collect::<Option<_>>()?;
        let mut needles: BTreeMap<Vec<u8>, Meaning> = BTreeMap::new();
        let mut hideable = Characters::default();
        for (bit, clause) in self.keys.iter().enumerate() {
            for needle in &clause.needles {
                match needles.entry(needle.to_vec()).or_insert(Meaning::Keys(0)) {
                    Meaning::Keys(bits) => *bits |= 1 << bit,
                    Meaning::Escape => {}
                }
                // The quote that ends a key is never escaped.
                needle.iter().filter(|byte| **byte != b'"').for_each(|byte| hideable.insert(*byte));
            }
        }
        for byte in self.texts.iter().flat_map(|clause| &clause.needles).flatten() {
            hideable.insert(byte.to_ascii_lowercase());
            hideable.insert(byte.to_ascii_uppercase());
        }
        let has_foldings = texts.iter().any(Texts::have_foldings);
        let escapes = ESCAPES_OF_FOLDINGS.iter().filter(|_| has_foldings).chain([&ESCAPE]);
        needles.extend(escapes.map(|escape| (escape.to_vec(), Meaning::Escape)));
        // No needle begins another: each ends with the only quote or dot that it has, or is an escape.
        let needles: Vec<_> = needles.into_iter().collect();
        if needles.len() > MOST_KEYS {
            return None;
        }
        Some(Prefilter { keys: Keys::new(&needles)?, stages: self.stages, texts, hideable })
    }
}

/// Returns where a clause stands, adding it if it is new.
fn place_of(clause: Clause, all: &mut Vec<Clause>) -> usize {
    all.iter().position(|known| *known == clause).unwrap_or_else(|| {
        all.push(clause);
        all.len() - 1
    })
}
