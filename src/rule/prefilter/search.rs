//! Searches for many needles at once in the bytes of a record.
//!
//! Keys: Teddy, a search with vectors for a few short needles (crate `aho-corasick`, module `packed`).
//! Texts in any letter case: Teddy over all spellings of a few bytes of each, then a look around.

use std::collections::BTreeMap;

use aho_corasick::packed::{Config, MatchKind, Searcher};
use aho_corasick::{AhoCorasick, Anchored, Input, StartKind};
use memchr::memmem;

/// Most spellings that Teddy searches for: with more its buckets are too full.
const MOST_SPELLINGS: usize = 64;
/// Longest part of a text whose spellings are searched for, and shortest.
const LONGEST_PART: usize = 4;
const SHORTEST_PART: usize = 3;

/// Needles with what each stands for, found wherever they stand, also within one another.
#[derive(Debug)]
pub(super) struct Keys<T> {
    searcher: Searcher,
    meanings: Vec<T>,
}

impl<T: Copy> Keys<T> {
    /// Returns a search for needles, none of which is the beginning of another; nothing if this machine
    /// has no vectors for it.
    pub(super) fn new(needles: &[(Vec<u8>, T)]) -> Option<Self> {
        let needle_of = |needle: &(Vec<u8>, T)| needle.0.clone();
        let searcher = packed(needles.iter().map(needle_of))?;
        Some(Self { searcher, meanings: needles.iter().map(|(_, meaning)| *meaning).collect() })
    }

    /// Calls `visit` with the meaning and the place of each needle, until it has enough.
    pub(super) fn visit<E>(
        &self,
        record: &[u8],
        mut visit: impl FnMut(T, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut from = 0;
        while let Some(found) = self.searcher.find_in(record, (from..record.len()).into()) {
            visit(self.meanings[found.pattern().as_usize()], found.start())?;
            // Another needle may begin within this one.
            from = found.start() + 1;
        }
        Ok(())
    }
}

fn packed(needles: impl Iterator<Item = Vec<u8>>) -> Option<Searcher> {
    let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
    builder.extend(needles).build()
}

/// Texts, one of which is looked for in any letter case.
#[derive(Debug)]
pub(super) struct Texts {
    texts: Vec<Box<[u8]>>,
    way: Way,
    /// Other characters that fold to letters of the texts, as bytes.
    foldings: Vec<memmem::Finder<'static>>,
}

#[derive(Debug)]
enum Way {
    /// By spellings of a part of each: for each spelling the texts and the place of the part in them.
    Spellings {
        searcher: Searcher,
        parts: Vec<Vec<(usize, usize)>>,
    },
    Automaton(Box<AhoCorasick>),
}

impl Texts {
    /// Returns a search for texts in lower case, which are ASCII.
    pub(super) fn new(texts: impl IntoIterator<Item = Box<[u8]>>) -> Option<Self> {
        let texts: Vec<Box<[u8]>> = texts.into_iter().collect();
        let way = match spellings_of(&texts) {
            Some(spellings) => {
                let (spellings, parts): (Vec<_>, Vec<_>) = spellings.into_iter().unzip();
                Way::Spellings { searcher: packed(spellings.into_iter())?, parts }
            }
            None => Way::Automaton(Box::new(automaton(&texts)?)),
        };
        let foldings = FOLDINGS.iter().filter(|(letter, _)| has_letter(&texts, *letter));
        let foldings = foldings.map(|(_, folding)| memmem::Finder::new(*folding)).collect();
        Some(Self { texts, way, foldings })
    }

    /// Tells whether one of the texts stands in a record, or might: a character that is not ASCII may
    /// stand for a letter.
    pub(super) fn may_stand_in(&self, record: &[u8]) -> bool {
        let is_found = match &self.way {
            Way::Spellings { searcher, parts } => self.is_spelt_in(searcher, parts, record),
            Way::Automaton(automaton) => {
                automaton.is_match(Input::new(record).anchored(Anchored::No).earliest(true))
            }
        };
        is_found || self.foldings.iter().any(|folding| folding.find(record).is_some())
    }

    /// Tells whether other characters fold to letters of the texts.
    pub(super) fn have_foldings(&self) -> bool {
        !self.foldings.is_empty()
    }

    fn is_spelt_in(
        &self,
        searcher: &Searcher,
        parts: &[Vec<(usize, usize)>],
        record: &[u8],
    ) -> bool {
        let mut from = 0;
        while let Some(found) = searcher.find_in(record, (from..record.len()).into()) {
            let stands_around = |(text, place): &(usize, usize)| {
                let text = &self.texts[*text];
                let start = found.start().checked_sub(*place);
                let around = start.and_then(|start| record.get(start..start + text.len()));
                around.is_some_and(|around| around.eq_ignore_ascii_case(text))
            };
            if parts[found.pattern().as_usize()].iter().any(stands_around) {
                return true;
            }
            from = found.start() + 1;
        }
        false
    }
}

/// The characters beside ASCII that fold to ASCII letters, each with its letter: long s, and the sign
/// for Kelvin.
const FOLDINGS: [(u8, &[u8]); 2] = [(b's', "\u{17f}".as_bytes()), (b'k', "\u{212a}".as_bytes())];

fn has_letter(texts: &[Box<[u8]>], letter: u8) -> bool {
    texts.iter().any(|text| text.contains(&letter))
}

fn automaton(texts: &[Box<[u8]>]) -> Option<AhoCorasick> {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .start_kind(StartKind::Unanchored)
        .build(texts)
        .ok()
}

/// By spelling: which texts have the part that is spelt so, and where in them it stands.
type Spellings = BTreeMap<Vec<u8>, Vec<(usize, usize)>>;

/// Returns the spellings of a part of each text, all of one length; nothing if there are too many.
fn spellings_of(texts: &[Box<[u8]>]) -> Option<Spellings> {
    let shortest = texts.iter().map(|text| text.len()).min()?;
    let lengths = (SHORTEST_PART..=shortest.min(LONGEST_PART)).rev();
    lengths.map(|len| spellings_of_len(texts, len)).find(|all| all.len() <= MOST_SPELLINGS)
}

fn spellings_of_len(texts: &[Box<[u8]>], len: usize) -> Spellings {
    let mut all = Spellings::new();
    for (index, text) in texts.iter().enumerate() {
        let parts = text.windows(len).enumerate();
        let rarest = parts.min_by_key(|(_, part)| part.iter().map(|b| frequency(*b)).sum::<u32>());
        let Some((place, part)) = rarest else { continue };
        for spelling in spellings(part) {
            all.entry(spelling).or_default().push((index, place));
        }
    }
    all
}

/// Returns a text in all letter cases.
fn spellings(part: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for byte in part {
        let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
        let cases = if lower == upper { vec![lower] } else { vec![lower, upper] };
        let longer = |start: &Vec<u8>| {
            let start = start.clone();
            cases.clone().into_iter().map(move |case| [&start[..], &[case]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Returns how common a byte is in records, roughly.
fn frequency(byte: u8) -> u32 {
    const BY_FREQUENCY: &[u8] = b"zjqxkwvybgfhmupdclnsrioate.-_ 0123456789";
    let place = BY_FREQUENCY.iter().position(|known| *known == byte.to_ascii_lowercase());
    place.map_or(5, |place| place as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::fold::fold_char;

    fn texts(texts: &[&str]) -> Texts {
        Texts::new(texts.iter().map(|text| text.as_bytes().into())).unwrap()
    }

    #[test]
    fn texts_are_found_in_any_case_and_place() {
        let many: Vec<String> = (0..40).map(|index| format!("library{index}.dll")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (sought, text) in [
            (&["svchost.exe"][..], "svchost.exe"),
            (&["svchost.exe", "svchosts.dll", "cmd.exe"], "svchosts.dll"),
            (&many, "library17.dll"),
        ] {
            let sought = texts(sought);
            for record in [text.to_owned(), text.to_uppercase(), format!("s{text} sv{text}x")] {
                assert!(sought.may_stand_in(record.as_bytes()), "{record}");
                let cut = &record.as_bytes()[..text.len() - 1];
                assert!(!sought.may_stand_in(cut), "{record}");
            }
            assert!(!sought.may_stand_in(b""));
        }
    }

    #[test]
    fn only_two_characters_fold_to_letters_of_ascii() {
        let others = ('\u{80}'..=char::MAX).filter(|c| fold_char(*c).is_ascii());
        let known = FOLDINGS.map(|(letter, folding)| {
            (std::str::from_utf8(folding).unwrap().chars().next().unwrap(), char::from(letter))
        });
        assert_eq!(others.map(|c| (c, fold_char(c))).collect::<Vec<_>>(), known);
        assert!(texts(&["svchost.exe"]).may_stand_in("\u{17f}vchost.exe".as_bytes()));
        assert!(!texts(&["cmd.exe"]).may_stand_in("\u{17f}vchost.exe".as_bytes()));
    }

    #[test]
    fn keys_are_found_within_one_another() {
        let needles = [(b"abab".to_vec(), 1), (b"baba".to_vec(), 2)];
        let keys = Keys::new(&needles).unwrap();
        let mut found = Vec::new();
        let all: Result<(), ()> = keys.visit(b"-ababa-abab", |meaning, at| {
            found.push((meaning, at));
            Ok(())
        });
        assert_eq!((all, found), (Ok(()), vec![(1, 1), (2, 2), (1, 7)]));
    }
}
