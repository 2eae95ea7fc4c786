//! The field that a conversion fills.

use crate::event::{Arena, FieldId, Fields, Value};

/// A field that takes what a conversion makes of a value.
pub(in crate::normalize) struct Target<'f, 'a> {
    fields: &'f mut Fields<'a>,
    id: FieldId,
    /// Whether values that it has go as soon as there is another one.
    goes: bool,
}

impl<'f, 'a> Target<'f, 'a> {
    /// Returns a field to whose values others are added.
    pub(in crate::normalize) fn new(fields: &'f mut Fields<'a>, id: FieldId) -> Self {
        Self { fields, id, goes: false }
    }

    /// Returns a field whose values are replaced, if there are others.
    pub(in crate::normalize) fn replacing(fields: &'f mut Fields<'a>, id: FieldId) -> Self {
        Self { fields, id, goes: true }
    }

    /// Returns what holds texts that stand in no record.
    pub(in crate::normalize) fn arena(&self) -> &'a Arena {
        self.fields.arena()
    }

    /// Adds a value.
    pub(in crate::normalize) fn push(&mut self, value: Value<'a>) {
        if std::mem::take(&mut self.goes) {
            self.fields.remove(self.id);
        }
        self.fields.push(self.id, value);
    }

    /// Adds values.
    pub(in crate::normalize) fn extend(&mut self, values: impl IntoIterator<Item = Value<'a>>) {
        values.into_iter().for_each(|value| self.push(value));
    }
}
