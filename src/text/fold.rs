//! Case folding: Unicode's simple folding, one character for one character.
//!
//! Two texts are equal apart from case if they fold to the same bytes.

use std::borrow::Cow;
use std::sync::LazyLock;

use smallvec::SmallVec;

/// A folded text; most values fit without an allocation.
pub type Folded = SmallVec<[u8; 128]>;

/// Returns the character that stands for all letter cases of `c`.
///
/// Lower case of upper case, where both are single characters. That maps ſ to s, K (Kelvin) to k,
/// µ (micro) to μ and ς to σ, as Unicode's table of simple foldings does.
pub fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    match u16::try_from(u32::from(c)) {
        Ok(unit) => char::from_u32(FOLDED[usize::from(unit)].into()).unwrap_or(c),
        Err(_) => by_mappings(c),
    }
}

/// What each character of the basic plane folds to: looking the mappings up for each character of a
/// long text takes several times as long.
static FOLDED: LazyLock<Box<[u16]>> = LazyLock::new(|| {
    let folded = |unit: u16| {
        let c = char::from_u32(unit.into()).map(by_mappings);
        c.and_then(|c| u16::try_from(u32::from(c)).ok()).unwrap_or(unit)
    };
    (0..=u16::MAX).map(folded).collect()
});

fn by_mappings(c: char) -> char {
    match c {
        // Dotless i is a letter of its own, although its upper case is I.
        'ı' => c,
        // Pairs of the table that the case mappings of single characters do not connect.
        '\u{1fd3}' => '\u{390}',
        '\u{1fe3}' => '\u{3b0}',
        '\u{fb05}' => '\u{fb06}',
        _ => {
            let upper = single(c, c.to_uppercase());
            single(upper, upper.to_lowercase())
        }
    }
}

/// Returns the only character of a case mapping, or `otherwise` if there are several.
fn single(otherwise: char, mut mapping: impl Iterator<Item = char>) -> char {
    match (mapping.next(), mapping.next()) {
        (Some(only), None) => only,
        _ => otherwise,
    }
}

/// Writes the folded text to `out`, which is cleared first.
pub fn fold_into(text: &str, out: &mut Folded) {
    out.clear();
    out.extend_from_slice(text.as_bytes());
    out.make_ascii_lowercase();
    if text.is_ascii() {
        return;
    }
    out.clear();
    for c in text.chars() {
        let mut buffer = [0; 4];
        out.extend_from_slice(fold_char(c).encode_utf8(&mut buffer).as_bytes());
    }
}

/// Returns the folded text.
pub fn fold(text: &str) -> Cow<'_, str> {
    let mut folded = match text.char_indices().find(|(_, c)| fold_char(*c) != *c) {
        None => return Cow::Borrowed(text),
        Some(_) if text.is_ascii() => return Cow::Owned(text.to_ascii_lowercase()),
        Some((at, _)) => text[..at].to_owned(),
    };
    folded.extend(text[folded.len()..].chars().map(fold_char));
    Cow::Owned(folded)
}

/// Tells whether two texts are equal apart from case.
pub fn eq_fold(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().map(fold_char).eq(b.chars().map(fold_char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_of_a_letter_are_one() {
        for (a, b) in [
            ("SvcHost.EXE", "svchost.exe"),
            ("\u{212a}ernel", "kernel"),
            ("ſystem", "SYSTEM"),
            ("µ", "Μ"),
            ("ΣΑΣ", "σας"),
            ("STRAẞE", "straße"),
            ("ÄÖÜ", "äöü"),
            ("ᾼ", "ᾳ"),
            ("Ω", "ω"),
            ("Ꭰ", "ꭰ"),
        ] {
            assert!(eq_fold(a, b), "{a} {b}");
            assert_eq!(fold(a), fold(b));
        }
    }

    #[test]
    fn different_letters_stay_different() {
        for (a, b) in [("ı", "i"), ("İ", "i"), ("ß", "ss"), ("é", "e"), ("a", "b")] {
            assert!(!eq_fold(a, b), "{a} {b}");
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in '\0'..=char::MAX {
            assert_eq!(fold_char(fold_char(c)), fold_char(c), "{c:?}");
        }
    }

    #[test]
    fn the_table_holds_what_the_mappings_say() {
        for c in '\0'..=char::MAX {
            assert_eq!(fold_char(c), by_mappings(c), "{c:?}");
        }
    }

    #[test]
    fn both_ways_of_folding_agree() {
        for text in ["", "ABC", "Ünïcode ſK", "mixed ASCII und Ä"] {
            let mut bytes = Folded::new();
            fold_into(text, &mut bytes);
            assert_eq!(&bytes[..], fold(text).as_bytes());
        }
    }
}
