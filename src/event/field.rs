//! Field names, interned once per rule set.

use std::collections::HashMap;

/// Index of a field in a [`FieldTable`] and in [`Fields`](super::Fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub u16);

impl FieldId {
    /// Returns the id as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every field that the loaded rules, the normalizer and the engine itself read.
///
/// A field is named by its dotted path, `process.parent.name`; nested objects and dotted keys in
/// the data are the same field.
#[derive(Clone, Debug, Default)]
pub struct FieldTable {
    names: Vec<Box<str>>,
    ids: HashMap<Box<str>, FieldId>,
}

impl FieldTable {
    /// Returns the field's id, adding the field if it is new.
    ///
    /// # Panics
    /// With more than 65,536 fields; the rule set limits the number of fields far below that.
    pub fn intern(&mut self, path: &str) -> FieldId {
        if let Some(id) = self.ids.get(path) {
            return *id;
        }
        let id = FieldId(u16::try_from(self.names.len()).expect("a rule set reads few fields"));
        self.names.push(path.into());
        self.ids.insert(path.into(), id);
        id
    }

    /// Returns the field's id, if any rule reads it.
    pub fn get(&self, path: &str) -> Option<FieldId> {
        self.ids.get(path).copied()
    }

    /// Returns the dotted path of a field.
    pub fn name(&self, id: FieldId) -> &str {
        &self.names[id.index()]
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Tells whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns all fields with their paths, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FieldId, &str)> {
        self.names.iter().enumerate().map(|(index, name)| (FieldId(index as u16), &**name))
    }
}
