//! Which fields the loaded rules read, by the events of which they read them.

use std::collections::{BTreeMap, HashSet};

use crate::event::FieldId;

/// The fields that rules read, by the category of the events that they read them of.
///
/// Narrows normalizing: a field is filled only in events of a category of which a rule reads it.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    of_any: HashSet<FieldId>,
    of_category: BTreeMap<Box<str>, HashSet<FieldId>>,
}

impl Reads {
    /// Notes that a rule reads fields of events of a category; of any event, if there is none.
    pub fn add(&mut self, category: Option<&str>, fields: impl IntoIterator<Item = FieldId>) {
        match category {
            None => self.of_any.extend(fields),
            Some(category) => {
                self.of_category.entry(category.into()).or_default().extend(fields);
            }
        }
    }

    /// Tells whether a rule reads the field of events of one of these categories.
    pub fn holds(&self, categories: &[&str], field: FieldId) -> bool {
        let in_category = |category: &&str| {
            self.of_category.get(*category).is_some_and(|fields| fields.contains(&field))
        };
        self.of_any.contains(&field) || categories.iter().any(in_category)
    }
}
