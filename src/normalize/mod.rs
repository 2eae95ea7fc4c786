//! Raw records to ECS values.
//!
//! Since 8.0 Winlogbeat writes `winlog.event_data.*` to Kafka and leaves the mapping to
//! Elasticsearch; rules are written against the mapped fields. The tables of this module map the
//! wanted ones, and nothing else. Never reads a clock, never removes a value that a rule names.

use std::collections::BTreeMap;
use std::collections::HashSet;

use serde::Deserialize;

use crate::event::{EventTime, FieldId, FieldTable, Fields, Value, Values};

mod args;
mod community_id;
mod convert;
mod defender;
mod dns;
mod document;
mod host;
mod identity;
mod index;
mod invocation;
mod management;
mod names;
mod nxlog;
mod powershell;
mod security;
mod shape;
mod sysmon;
mod system;
mod table;
mod task_scheduler;
mod terminal_services;
mod windows;
mod xml;

pub use document::Documents;
pub use host::HostHash;
pub use index::{IndexNames, IndexPatterns};
pub use shape::Shape;

use nxlog::Nxlog;
use table::{Agent, Compiled, Program};

/// How records are normalized.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What tells hosts apart.
    pub host_key: HostKey,
    /// How much of a computer's name counts.
    pub host_names: HostNames,
    /// Other names of hosts: a name or id in lower case, and the name that is used instead. For
    /// hosts that some channels name by their short name and others by their full one, and for
    /// those whose shippers know different ids.
    pub host_aliases: BTreeMap<String, String>,
    /// Whether Elastic's quirks are kept.
    pub ecs_compat: EcsCompat,
}

/// What tells hosts apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostKey {
    /// `host.id`, unless it is another machine's; else the computer's name.
    #[default]
    Id,
    /// The computer's name; `host.id` only of records that name no computer. For hosts whose
    /// events come by several ways, of which some know no `host.id`, as through a collector.
    Name,
}

/// How much of a computer's name counts, always in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostNames {
    /// All of it.
    #[default]
    Full,
    /// What stands before the first dot: where short names are unique, and not every shipper and
    /// channel knows the domain.
    Short,
}

/// Whether the quirks of Elastic's own pipelines are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EcsCompat {
    /// They are: a rule sees what it would see there.
    #[default]
    Elastic,
    /// They are not: each value is what its name says.
    Fixed,
}

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

/// What a record says of its machine, for finding ids that two machines share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// A hash of `host.id`.
    pub id: HostHash,
    /// A hash of the short name, as NetBIOS would cut it.
    pub name: HostHash,
}

/// Turns decoded records into ECS, for the fields of one field table.
#[derive(Debug)]
pub struct Normalizer {
    engine: EngineFields,
    wanted: Wanted,
    program: Program,
    nxlog: Nxlog,
    options: Options,
}

/// Fields that the engine itself reads, whatever the rules are.
#[derive(Debug)]
struct EngineFields {
    timestamp: FieldId,
    utc_time: FieldId,
    event_category: FieldId,
    event_code: FieldId,
    event_id: FieldId,
    event_action: FieldId,
    event_sequence: FieldId,
    event_dataset: FieldId,
    stream_dataset: FieldId,
    stream_namespace: FieldId,
    host_id: FieldId,
    host_name: FieldId,
    host_hostname: FieldId,
    agent_id: FieldId,
    agent_type: FieldId,
    agent_version: FieldId,
    channel: FieldId,
    computer_name: FieldId,
    windows_event_id: FieldId,
    provider_name: FieldId,
    record_id: FieldId,
    tags: FieldId,
}

/// Fields that are written only if a rule reads them.
#[derive(Debug)]
struct Wanted {
    timestamp: Option<FieldId>,
    event_created: Option<FieldId>,
    host_id: Option<FieldId>,
    os_type: Option<FieldId>,
}

/// Targets that are filled whether or not a rule reads them: identities, index patterns and the
/// stage index need them.
const ALWAYS: [&str; 2] = ["event.category", "event.action"];

impl Normalizer {
    /// Returns a normalizer of the fields that the table holds by now, and adds those that it has
    /// to read for them. To be called when all fields of all rules are in the table.
    pub fn new(fields: &mut FieldTable, options: Options) -> Self {
        let of_rules: HashSet<String> = fields.iter().map(|(_, name)| name.to_owned()).collect();
        let is_wanted = |name: &str| of_rules.contains(name) || ALWAYS.contains(&name);
        let wanted = Wanted {
            timestamp: fields.get("@timestamp"),
            event_created: fields.get("event.created"),
            host_id: fields.get("host.id"),
            os_type: fields.get("host.os.type"),
        };
        let engine = EngineFields::new(fields);
        let program = Program::new(fields, options.ecs_compat, &is_wanted);
        // Last: it lifts to whatever the others read.
        let nxlog = Nxlog::new(fields);
        Self { engine, wanted, program, nxlog, options }
    }

    /// Fills the wanted ECS fields of a decoded record.
    pub fn normalize(&self, fields: &mut Fields<'_>) -> Envelope {
        let (shape, code) = self.shape(fields);
        if shape == Shape::Nxlog {
            self.nxlog.lift(fields);
        }
        let event_time = self.event_time(shape, fields);
        let channel = fields.str(self.engine.channel).map(|name| self.program.channel(name));
        if shape.is_raw()
            && let (Some(channel), Some(code)) = (channel, code.or_else(|| self.event_code(fields)))
        {
            // Only Elastic Agent names modules as its integrations do.
            let agent = Agent { is_elastic_agent: shape == Shape::ElasticAgent };
            channel.run(code, agent, fields);
        }
        if self.is_windows(fields) {
            self.stamp_channel_dataset(channel, fields);
            if let Some(os_type) = self.wanted.os_type.filter(|id| !fields.has(*id)) {
                fields.set(os_type, Value::from("windows"));
            }
        }
        self.unite_datasets(fields);
        let settled = self.settle_host(fields);
        Envelope {
            shape,
            event_time,
            host: settled.host,
            is_forwarded: settled.is_forwarded,
            has_foreign_id: settled.has_foreign_id,
            machine: settled.machine,
        }
    }

    /// Returns the field that holds the categories of an event.
    pub fn category(&self) -> FieldId {
        self.engine.event_category
    }

    /// Tells how a record is laid out; of a raw one with its envelope in place, its event's number.
    fn shape(&self, fields: &Fields<'_>) -> (Shape, Option<u32>) {
        let engine = &self.engine;
        if fields.has(engine.event_category) {
            let is_endpoint = fields.str(engine.agent_type) == Some("endpoint")
                || [engine.event_dataset, engine.stream_dataset].into_iter().any(|id| {
                    fields.str(id).is_some_and(|dataset| dataset.starts_with("endpoint."))
                });
            return (if is_endpoint { Shape::Endpoint } else { Shape::Ecs }, None);
        }
        let code = fields.str(engine.channel).and_then(|_| self.event_code(fields));
        if code.is_some() {
            let is_agent = fields.has(engine.stream_dataset)
                || fields.str(engine.agent_type) == Some("filebeat");
            return (if is_agent { Shape::ElasticAgent } else { Shape::Winlogbeat }, code);
        }
        if !fields.has(engine.channel) && self.nxlog.is(fields) {
            return (Shape::Nxlog, None);
        }
        (Shape::Unknown, None)
    }

    /// Returns the number of a Windows event: a number, or before 7.13.1 a text.
    fn event_code(&self, fields: &Fields<'_>) -> Option<u32> {
        let number = |id| match fields.get(id).first()? {
            Value::Int(number) => u32::try_from(*number).ok(),
            Value::Str(text) => text.parse().ok(),
            _ => None,
        };
        number(self.engine.windows_event_id).or_else(|| number(self.engine.event_code))
    }

    /// Reads the event time: of raw Sysmon events what the sensor says, else `@timestamp`. One that
    /// cannot be is none.
    fn event_time(&self, shape: Shape, fields: &mut Fields<'_>) -> Option<EventTime> {
        let sensor = || fields.str(self.engine.utc_time).and_then(plausible_time);
        let Some(happened) = shape.is_raw().then(sensor).flatten() else {
            let written = self.written(fields);
            if shape == Shape::Nxlog {
                self.put_timestamp_right(written, fields);
            }
            return written;
        };
        if let Some(created) = self.wanted.event_created {
            let written = scalars(fields.get(self.engine.timestamp));
            if !written.is_empty() {
                fields.set_all(created, written);
            }
        }
        if let Some(timestamp) = self.wanted.timestamp {
            fields.set(timestamp, Value::from(happened.to_string()));
        }
        Some(happened)
    }

    fn written(&self, fields: &Fields<'_>) -> Option<EventTime> {
        let written = fields.get(self.engine.timestamp).first()?;
        EventTime::of(written).filter(|time| time.is_plausible())
    }

    /// NXLog's own times have a blank in the middle, which dates in Elasticsearch have not.
    fn put_timestamp_right(&self, written: Option<EventTime>, fields: &mut Fields<'_>) {
        if let (Some(timestamp), Some(written)) = (self.wanted.timestamp, written)
            && fields.str(timestamp).is_some_and(|text| text.contains(' '))
        {
            fields.set(timestamp, Value::from(written.to_string()));
        }
    }

    /// Tells whether the record comes from a Windows event log, whatever its shape.
    fn is_windows(&self, fields: &Fields<'_>) -> bool {
        [self.engine.channel, self.engine.computer_name, self.engine.windows_event_id]
            .into_iter()
            .any(|id| fields.has(id))
    }

    /// Names the channel's dataset. A dataset that the record has stays; `windows.forwarded` says
    /// how it came and not what it is, so that the channel's comes beside it.
    fn stamp_channel_dataset(&self, channel: Option<&Compiled>, fields: &mut Fields<'_>) {
        let Some(dataset) = channel.and_then(|channel| channel.dataset) else { return };
        for id in [self.engine.event_dataset, self.engine.stream_dataset] {
            let is_forwarded = fields.str(id) == Some("windows.forwarded");
            if is_forwarded && fields.get(id).len() == 1 {
                fields.push(id, Value::from(dataset));
            }
        }
        if !fields.has(self.engine.event_dataset) && !fields.has(self.engine.stream_dataset) {
            fields.set(self.engine.event_dataset, Value::from(dataset));
        }
    }

    fn unite_datasets(&self, fields: &mut Fields<'_>) {
        let (event, stream) = (self.engine.event_dataset, self.engine.stream_dataset);
        let (source, target) = match (fields.has(event), fields.has(stream)) {
            (true, false) => (event, stream),
            (false, true) => (stream, event),
            _ => return,
        };
        let dataset = scalars(fields.get(source));
        fields.set_all(target, dataset);
    }
}

impl EngineFields {
    fn new(fields: &mut FieldTable) -> Self {
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
        }
    }
}

/// Reads a time at which an event may have happened.
fn plausible_time(text: &str) -> Option<EventTime> {
    EventTime::parse(text).filter(|time| time.is_plausible())
}

/// Returns the values that can be written elsewhere: all but objects.
fn scalars<'a>(values: &[Value<'a>]) -> Values<'a> {
    values.iter().filter(|value| **value != Value::Object).cloned().collect()
}

/// Returns every event that a table has a row for: channel and event id.
pub fn known_events() -> impl Iterator<Item = (&'static str, u32)> {
    table::known_events()
}

/// Returns every field that normalizing may fill, with repetitions.
fn targets() -> impl Iterator<Item = &'static str> {
    table::targets().chain(nxlog::targets()).chain([
        "@timestamp",
        "event.created",
        "event.dataset",
        "data_stream.dataset",
        "host.id",
        "host.os.type",
    ])
}
