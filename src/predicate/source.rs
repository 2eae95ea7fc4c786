//! Where the values of a field stand that a query names.

use std::borrow::Cow;

use crate::eql::ast::Case;
use crate::eql::form::Form;
use crate::event::{FieldId, FieldTable, Fields, Value};
use crate::text::fold::fold;

/// Where the values of a name stand: in the field of that name, or, if the name means a form of
/// another field and the record has none of that name, in that field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldSource {
    own: FieldId,
    form_of: Option<FieldId>,
    case: Case,
}

impl FieldSource {
    /// Returns where the values of a written path stand; its fields are added to the table.
    pub fn of(written: &str, fields: &mut FieldTable) -> Self {
        let (path, form) = Form::split(written);
        Self {
            own: fields.intern(written),
            form_of: form.map(|_| fields.intern(path)),
            case: form.map_or(Case::Sensitive, Form::case),
        }
    }

    /// Returns the field of the written path.
    pub fn own(self) -> FieldId {
        self.own
    }

    /// Returns the fields in which the values may stand.
    pub fn fields(self) -> impl Iterator<Item = FieldId> {
        std::iter::once(self.own).chain(self.form_of)
    }

    /// Returns the values that an event has there.
    pub fn values<'e, 'v>(self, event: &'e Fields<'v>) -> &'e [Value<'v>] {
        self.found(event).1
    }

    /// Returns in which field an event has the values, and the values.
    #[inline]
    pub(super) fn found<'e, 'v>(self, event: &'e Fields<'v>) -> (FieldId, &'e [Value<'v>]) {
        let own = event.get(self.own);
        let Some(form_of) = self.form_of.filter(|_| own.is_empty()) else { return (self.own, own) };
        let values = event.get(form_of);
        // An object has fields below it, of which this one is none.
        let is_object = values.iter().all(|value| *value == Value::Object);
        (form_of, if is_object { &[] } else { values })
    }

    /// Returns a value as a text by which it is told from others: folded where letter case does not
    /// count.
    pub fn text<'v>(self, value: Value<'v>) -> Option<Cow<'v, str>> {
        let text = value.text()?;
        Some(match self.case {
            Case::Sensitive => text,
            Case::Insensitive => Cow::Owned(fold(&text).into_owned()),
        })
    }

    /// Tells whether an event has a value there.
    pub fn has_value(self, event: &Fields<'_>) -> bool {
        !self.values(event).is_empty()
    }
}

impl From<FieldId> for FieldSource {
    fn from(own: FieldId) -> Self {
        Self { own, form_of: None, case: Case::Sensitive }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Arena;

    fn values(written: &str, event: &[(&str, Value<'static>)]) -> Vec<Value<'static>> {
        let mut table = FieldTable::default();
        let source = FieldSource::of(written, &mut table);
        let arena: &Arena = Box::leak(Box::default());
        let mut fields = Fields::new(table.len(), arena);
        for (path, value) in event {
            if let Some(id) = table.get(path) {
                fields.push(id, *value);
            }
        }
        source.values(&fields).to_vec()
    }

    #[test]
    fn form_stands_for_its_field() {
        let event = [("process.name", Value::from("a"))];
        assert_eq!(values("process.name.caseless", &event), [Value::from("a")]);
        assert_eq!(values("process.name", &event), [Value::from("a")]);
    }

    #[test]
    fn field_of_that_very_name_comes_first() {
        let event = [("message", Value::Object), ("message.text", Value::from("own"))];
        assert_eq!(values("message.text", &event), [Value::from("own")]);
        assert!(values("message.keyword", &event).is_empty(), "an object is no form");
    }
}
