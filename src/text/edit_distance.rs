//! How far a written word is from a known one, and which known word was most likely meant.
//!
//! Never decides what to say about it.

use strsim::osa_distance;

/// Longest word that is compared: nobody misspells a longer one of the lists.
const MAX_CHARS: usize = 128;

/// Returns how many slips turn one word into the other: a character too many, too few or wrong,
/// or two neighbours exchanged (the optimal string alignment distance).
pub fn distance(written: &str, known: &str) -> usize {
    osa_distance(written, known)
}

/// Returns the candidate that a misspelt word most likely means, letter case aside; nothing if
/// none is near. Of several that are equally near the first counts.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.chars().nth(MAX_CHARS).is_some() {
        return None;
    }
    let word = word.to_lowercase();
    let near = candidates.into_iter().map(|known| (distance(&word, &known.to_lowercase()), known));
    let (distance, known) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + known.chars().count() / 4).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_one_character_or_two_neighbours_exchanged() {
        for (written, known, slips) in [
            ("process", "process", 0),
            ("proces", "process", 1),
            ("processs", "process", 1),
            ("prozess", "process", 1),
            ("porcess", "process", 1),
            ("prcoses", "process", 2),
            ("größe", "grosse", 3),
            ("", "iam", 3),
        ] {
            assert_eq!(distance(written, known), slips, "{written}");
        }
    }

    #[test]
    fn the_nearest_word_is_found_only_when_it_is_near() {
        let known = ["group", "brokers", "group_by"];
        for (word, found) in [
            ("broker", Some("brokers")),
            ("BROKERS", Some("brokers")),
            ("groupBy", Some("group_by")),
            ("gruop", Some("group")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), found, "{word}");
        }
        assert_eq!(nearest(&"group".repeat(10_000), known), None);
        assert_eq!(nearest("group", []), None);
        assert_eq!(nearest("ac", ["ab", "aa"]), Some("ab"), "the first of two");
    }
}
