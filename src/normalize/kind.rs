//! What a record is, told from few of its fields, before the others are read.

use super::normalizer::Normalizer;
use super::program::EventKind;
use crate::event::{FieldId, Fields, Value};

/// What a record is, as far as its early fields tell.
#[derive(Clone, Copy, Debug)]
pub enum RecordKind<'r> {
    /// It has categories of its own.
    Categorized(&'r [Value<'r>]),
    /// It is a raw event: the tables say which categories it gets.
    Raw(&'r EventKind),
    /// It has no category, and gets none.
    Uncategorized,
    /// Other fields will tell.
    Unknown,
}

impl Normalizer {
    /// Returns the fields by which [`record_kind`](Self::record_kind) tells records apart.
    pub fn early_fields(&self) -> [FieldId; 4] {
        let engine = &self.engine;
        [engine.event_category, engine.channel, engine.windows_event_id, engine.event_code]
    }

    /// Tells what a record is whose early fields have been decoded.
    pub fn record_kind<'r>(&'r self, fields: &'r Fields<'_>) -> RecordKind<'r> {
        let engine = &self.engine;
        let categories = fields.get(engine.event_category);
        if !categories.is_empty() {
            return RecordKind::Categorized(categories);
        }
        if !fields.has(engine.channel) {
            return RecordKind::Unknown;
        }
        match (fields.str(engine.channel), engine.event_code(fields)) {
            (Some(channel), Some(code)) => RecordKind::Raw(self.kind(channel, code)),
            _ => RecordKind::Uncategorized,
        }
    }

    /// Returns all fields that the engine itself reads.
    pub fn engine_fields(&self) -> Vec<FieldId> {
        self.engine.all()
    }
}
