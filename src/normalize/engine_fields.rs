//! The fields that the engine itself reads, whatever the rules are.

use crate::event::{FieldId, FieldTable};

/// Fields that the engine itself reads, whatever the rules are.
#[derive(Clone, Copy, Debug)]
pub(super) struct EngineFields {
    pub timestamp: FieldId,
    pub utc_time: FieldId,
    pub event_category: FieldId,
    pub event_code: FieldId,
    pub event_id: FieldId,
    pub event_action: FieldId,
    pub event_sequence: FieldId,
    pub event_dataset: FieldId,
    pub stream_dataset: FieldId,
    pub stream_namespace: FieldId,
    pub host_id: FieldId,
    pub host_name: FieldId,
    pub host_hostname: FieldId,
    pub agent_id: FieldId,
    pub agent_type: FieldId,
    pub agent_version: FieldId,
    pub channel: FieldId,
    pub computer_name: FieldId,
    pub windows_event_id: FieldId,
    pub provider_name: FieldId,
    pub record_id: FieldId,
    pub tags: FieldId,
    /// NXLog's, at the top level.
    pub flat_channel: FieldId,
    pub flat_event_id: FieldId,
}

impl EngineFields {
    /// Adds the fields to a table.
    pub(super) fn new(fields: &mut FieldTable) -> Self {
        let mut id = |name| fields.intern(name);
        Self {
            timestamp: id("@timestamp"),
            utc_time: id("winlog.event_data.UtcTime"),
            event_category: id("event.category"),
            event_code: id("event.code"),
            event_id: id("event.id"),
            event_action: id("event.action"),
            event_sequence: id("event.sequence"),
            event_dataset: id("event.dataset"),
            stream_dataset: id("data_stream.dataset"),
            stream_namespace: id("data_stream.namespace"),
            host_id: id("host.id"),
            host_name: id("host.name"),
            host_hostname: id("host.hostname"),
            agent_id: id("agent.id"),
            agent_type: id("agent.type"),
            agent_version: id("agent.version"),
            channel: id("winlog.channel"),
            computer_name: id("winlog.computer_name"),
            windows_event_id: id("winlog.event_id"),
            provider_name: id("winlog.provider_name"),
            record_id: id("winlog.record_id"),
            tags: id("tags"),
            flat_channel: id("Channel"),
            flat_event_id: id("EventID"),
        }
    }

    /// Returns all of them.
    pub(super) fn all(&self) -> Vec<FieldId> {
        let of_hits = [
            self.event_id,
            self.event_action,
            self.event_sequence,
            self.stream_namespace,
            self.agent_version,
            self.provider_name,
            self.record_id,
        ];
        self.of_envelope().into_iter().chain(of_hits).collect()
    }

    /// Returns the fields that tell layout, event, time and host; the others are read of hits alone.
    pub(super) fn of_envelope(&self) -> [FieldId; 17] {
        [
            self.timestamp,
            self.utc_time,
            self.event_category,
            self.event_code,
            self.event_dataset,
            self.stream_dataset,
            self.host_id,
            self.host_name,
            self.host_hostname,
            self.agent_id,
            self.agent_type,
            self.channel,
            self.computer_name,
            self.windows_event_id,
            self.tags,
            self.flat_channel,
            self.flat_event_id,
        ]
    }
}
