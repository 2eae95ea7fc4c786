//! The folded texts of one event: each value is folded once, however many conditions ask for it.

use smallvec::SmallVec;

use super::test::text_satisfies;
use crate::event::{FieldId, Value};
use crate::text::fold::{Folded, fold_into};

/// Folded texts of an event's values, as far as they were asked for.
///
/// Make a new one for each event: it does not see that a value has changed.
#[derive(Debug, Default)]
pub struct Folds {
    texts: SmallVec<[u8; 1024]>,
    known: SmallVec<[Known; MOST]>,
    /// The folded text of a value that is not kept.
    spare: Folded,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    at: At,
    start: usize,
    end: usize,
}

/// Where a value stands in an event: its field, and its place among the field's values.
pub(super) type At = (FieldId, usize);

/// So many texts are kept: looking one up among more would take as long as folding it.
const MOST: usize = 24;
/// Of each field so many values are looked up: the others are folded anew each time.
const VALUES: usize = 4;

impl Folds {
    /// Returns the folded text of a value; nothing if it has no text. A value of the event is found
    /// again by where it stands.
    pub(super) fn text(&mut self, value: Value<'_>, at: Option<At>) -> Option<&[u8]> {
        let at = at.filter(|(_, at)| *at < VALUES);
        if let Some(at) = at
            && let Some(known) = self.known.iter().find(|known| known.at == at)
        {
            return Some(&self.texts[known.start..known.end]);
        }
        if !text_satisfies(value, |text| {
            fold_into(text, &mut self.spare);
            true
        }) {
            return None;
        }
        let Some(at) = at.filter(|_| self.known.len() < MOST) else { return Some(&self.spare) };
        let start = self.texts.len();
        self.texts.extend_from_slice(&self.spare);
        self.known.push(Known { at, start, end: self.texts.len() });
        Some(&self.texts[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FieldTable;
    use crate::text::fold::fold;

    #[test]
    fn every_value_is_told_from_the_others() {
        let mut table = FieldTable::default();
        let fields = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|path| table.intern(path));
        let long = "Ä".repeat(3_000);
        let texts: Vec<String> =
            (0..8).map(|at| format!("Text\u{212a}{at}")).chain([long, String::new()]).collect();
        let mut folds = Folds::default();
        for _ in 0..3 {
            for field in fields {
                for (at, text) in texts.iter().enumerate() {
                    let text = format!("{text}{field:?}");
                    let folded = folds.text(Value::from(&*text), Some((field, at))).unwrap();
                    assert_eq!(folded, fold(&text).as_bytes(), "{field:?} {at}");
                }
            }
        }
        assert_eq!(folds.text(Value::Int(-5), None), Some(&b"-5"[..]));
        assert_eq!(folds.text(Value::Object, None), None);
    }
}
