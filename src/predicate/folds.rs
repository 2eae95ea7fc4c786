//! The folded texts of one event: each value is folded once, however many conditions ask for it.

use smallvec::SmallVec;

use super::test::text_satisfies;
use crate::event::{Arena, FieldId, Fields, Value};
use crate::text::fold::{Folded, fold_into};

/// Folded texts of an event's values, as far as they were asked for.
///
/// Make a new one for each event: it does not see that a value has changed.
#[derive(Debug, Default)]
pub struct Folds<'a> {
    arena: Option<&'a Arena>,
    known: SmallVec<[(At, &'a [u8]); MOST]>,
    /// The folded text of a value that is not kept.
    spare: Folded,
}

/// Where a value stands in an event: its field, and its place among the field's values.
pub(super) type At = (FieldId, usize);

/// So many texts are kept: looking one up among more would take as long as folding it.
const MOST: usize = 24;
/// Of each field so many values are kept.
const VALUES: usize = 4;
/// Longer texts are not kept: the arena would not give the memory back after the event.
const LONGEST: usize = 1 << 16;

impl<'a> Folds<'a> {
    /// Returns the folded texts of an event, none yet.
    pub fn of(event: &Fields<'a>) -> Self {
        Self { arena: Some(event.arena()), ..Self::default() }
    }

    /// Returns the folded text of a value; nothing if it has no text. A value of the event is found
    /// again by where it stands.
    pub(super) fn text(&mut self, value: Value<'_>, at: Option<At>) -> Option<&[u8]> {
        let at = at.filter(|(_, at)| *at < VALUES);
        if let Some(at) = at
            && let Some((_, text)) = self.known.iter().find(|(known, _)| *known == at)
        {
            return Some(text);
        }
        if let Value::Str(text) = value
            && let Some(arena) = self.arena
            && let Some(at) = at.filter(|_| self.known.len() < MOST && text.len() <= LONGEST)
        {
            let folded = self.kept(arena, text);
            self.known.push((at, folded));
            return Some(folded);
        }
        let has_text = text_satisfies(value, |text| {
            fold_into(text, &mut self.spare);
            true
        });
        has_text.then_some(&self.spare)
    }

    fn kept(&mut self, arena: &'a Arena, text: &str) -> &'a [u8] {
        if text.is_ascii() {
            return arena.changed(text.as_bytes(), <[u8]>::make_ascii_lowercase);
        }
        fold_into(text, &mut self.spare);
        arena.bytes(&self.spare)
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
        let lengths = [0, 1, 100, 5_000, LONGEST];
        let texts: Vec<String> = lengths
            .iter()
            .flat_map(|length| ["A".repeat(*length), "Ä\u{212a}".repeat(*length)])
            .collect();
        let arena = Arena::new();
        let mut folds = Folds::of(&Fields::new(table.len(), &arena));
        for _ in 0..3 {
            for field in fields {
                for (at, text) in texts.iter().enumerate() {
                    let text = format!("{text}{field:?}");
                    let folded = folds.text(Value::from(&*text), Some((field, at))).unwrap();
                    assert_eq!(folded, fold(&text).as_bytes(), "{field:?} {at}");
                }
            }
        }
        assert_eq!(folds.text(Value::Int(-5), Some((fields[0], 20))), Some(&b"-5"[..]));
        assert_eq!(folds.text(Value::Object, None), None);
    }
}
