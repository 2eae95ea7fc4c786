//! What a record says of itself before any mapping: its layout, its event, its time, its host.

use super::engine_fields::EngineFields;
use super::host::{HostHash, Machine};
use super::shape::Shape;
use crate::event::{EventTime, Fields, Value};

/// What is known of a record as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// How it was laid out.
    pub shape: Shape,
    /// When it happened; nothing if the record does not say so in a way that can be read.
    pub event_time: Option<EventTime>,
    /// On which host; nothing if the record does not name one.
    pub host: Option<HostHash>,
    /// Whether another machine collected it, whose `host.*` fields it then carries.
    pub is_forwarded: bool,
    /// Whether its `host.id` would pass for its own and is the collector's: nothing but the names
    /// gives that away.
    pub has_foreign_id: bool,
    /// Of a record that was not forwarded and has both: its `host.id` and its short name.
    pub machine: Option<Machine>,
}

/// When a record's event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// When the sensor says it did, in the event's own data.
    Sensor(EventTime),
    /// What `@timestamp` says; nothing if that cannot be read.
    Written(Option<EventTime>),
}

impl Happened {
    /// Returns the time, if there is one.
    pub(super) fn time(self) -> Option<EventTime> {
        match self {
            Self::Sensor(time) => Some(time),
            Self::Written(time) => time,
        }
    }
}

impl EngineFields {
    /// Tells how a record is laid out; of a raw one with its envelope in place, its event's number.
    pub(super) fn shape(&self, fields: &Fields<'_>) -> (Shape, Option<u32>) {
        if fields.has(self.event_category) {
            let is_endpoint = fields.str(self.agent_type) == Some("endpoint")
                || [self.event_dataset, self.stream_dataset].into_iter().any(|id| {
                    fields.str(id).is_some_and(|dataset| dataset.starts_with("endpoint."))
                });
            return (if is_endpoint { Shape::Endpoint } else { Shape::Ecs }, None);
        }
        let code = fields.str(self.channel).and_then(|_| self.event_code(fields));
        if code.is_some() {
            let is_agent =
                fields.has(self.stream_dataset) || fields.str(self.agent_type) == Some("filebeat");
            return (if is_agent { Shape::ElasticAgent } else { Shape::Winlogbeat }, code);
        }
        if !fields.has(self.channel) && self.is_flat(fields) {
            return (Shape::Nxlog, None);
        }
        (Shape::Unknown, None)
    }

    /// Tells whether a record that is of no other shape is one of NXLog's.
    fn is_flat(&self, fields: &Fields<'_>) -> bool {
        fields.str(self.flat_channel).is_some() && fields.has(self.flat_event_id)
    }

    /// Returns the number of a Windows event: a number, or before 7.13.1 a text.
    pub(super) fn event_code(&self, fields: &Fields<'_>) -> Option<u32> {
        let number = |id| match fields.get(id).first()? {
            Value::Int(number) => u32::try_from(*number).ok(),
            Value::Str(text) => text.parse().ok(),
            _ => None,
        };
        number(self.windows_event_id).or_else(|| number(self.event_code))
    }

    /// Reads the event time: of raw Sysmon events what the sensor says, else `@timestamp`. One that
    /// cannot be is none.
    pub(super) fn happened(&self, shape: Shape, fields: &Fields<'_>) -> Happened {
        let sensor = || fields.str(self.utc_time).and_then(plausible_time);
        match shape.is_raw().then(sensor).flatten() {
            Some(time) => Happened::Sensor(time),
            None => Happened::Written(self.written(fields)),
        }
    }

    fn written(&self, fields: &Fields<'_>) -> Option<EventTime> {
        let written = fields.get(self.timestamp).first()?;
        EventTime::of(*written).filter(|time| time.is_plausible())
    }

    /// Tells whether the record comes from a Windows event log, whatever its shape.
    pub(super) fn is_windows(&self, fields: &Fields<'_>) -> bool {
        [self.channel, self.computer_name, self.windows_event_id]
            .into_iter()
            .any(|id| fields.has(id))
    }
}

/// Reads a time at which an event may have happened.
fn plausible_time(text: &str) -> Option<EventTime> {
    EventTime::parse(text).filter(|time| time.is_plausible())
}
