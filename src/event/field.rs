//! Field names, interned once per rule set.

use std::collections::HashMap;

/// Index of a field in a [`FieldTable`] and in [`Fields`](super::Fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub u32);

impl FieldId {
    /// Returns the id as an index.
    #[inline]
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
    /// What was interned since it was last asked, also what had been there before.
    named: Vec<FieldId>,
}

impl FieldTable {
    /// Returns the field's id, adding the field if it is new.
    ///
    /// Has no limit of its own: who adds what users write keeps to one.
    pub fn intern(&mut self, path: &str) -> FieldId {
        let id = self.ids.get(path).copied().unwrap_or_else(|| self.add(path));
        self.named.push(id);
        id
    }

    fn add(&mut self, path: &str) -> FieldId {
        let id = FieldId(self.names.len() as u32);
        self.names.push(path.into());
        self.ids.insert(path.into(), id);
        id
    }

    /// Returns the fields that were interned since this was last called, new or not, with repetitions:
    /// what something reads that has been compiled meanwhile.
    pub fn take_named(&mut self) -> Vec<FieldId> {
        std::mem::take(&mut self.named)
    }

    /// Forgets all fields but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        for name in self.names.drain(len.min(self.names.len())..) {
            self.ids.remove(&name);
        }
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
        self.names.iter().enumerate().map(|(index, name)| (FieldId(index as u32), &**name))
    }
}
