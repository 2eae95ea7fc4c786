//! Which dataset a record belongs to: what Elastic would name the index after.

use super::engine_fields::EngineFields;
use super::scalars::copy_scalars;
use crate::event::{Fields, Value};

impl EngineFields {
    /// Names the channel's dataset. A dataset that the record has stays; `windows.forwarded` says
    /// how it came and not what it is, so that the channel's comes beside it.
    pub(super) fn stamp_channel_dataset(
        &self,
        dataset: Option<&'static str>,
        fields: &mut Fields<'_>,
    ) {
        let Some(dataset) = dataset else { return };
        for id in [self.event_dataset, self.stream_dataset] {
            let is_forwarded = fields.str(id) == Some("windows.forwarded");
            if is_forwarded && fields.get(id).len() == 1 {
                fields.push(id, Value::from(dataset));
            }
        }
        if !fields.has(self.event_dataset) && !fields.has(self.stream_dataset) {
            fields.set(self.event_dataset, Value::from(dataset));
        }
    }

    /// Gives both names of the dataset what one of them has.
    pub(super) fn unite_datasets(&self, fields: &mut Fields<'_>) {
        let (event, stream) = (self.event_dataset, self.stream_dataset);
        let (source, target) = match (fields.has(event), fields.has(stream)) {
            (true, false) => (event, stream),
            (false, true) => (stream, event),
            _ => return,
        };
        copy_scalars(fields, source, target);
    }
}
