//! The way of a record through this module: from its decoded fields to those that rules read.

use std::collections::HashMap;

use super::channel;
use super::engine_fields::EngineFields;
use super::envelope::{Envelope, Happened};
use super::host::Hosts;
use super::identity;
use super::index::{IndexNames, IndexPatterns};
use super::options::Options;
use super::program::{Agent, EventKind, Program};
use super::reads::Reads;
use super::scalars::copy_scalars;
use super::shape::{self, Nxlog, Shape};
use crate::event::{
    EventTime, FieldId, FieldTable, Fields, Identity, Ordinal, OrdinalValue, Value,
};

/// Turns decoded records into ECS, for the fields of one field table.
#[derive(Debug)]
pub struct Normalizer {
    pub(super) engine: EngineFields,
    wanted: Wanted,
    program: Program,
    nxlog: Nxlog,
    hosts: Hosts,
}

/// Fields that are written only if a rule reads them.
#[derive(Debug)]
struct Wanted {
    timestamp: Option<FieldId>,
    event_created: Option<FieldId>,
    os_type: Option<FieldId>,
}

/// Targets that are filled whether or not a rule reads them: identities, index patterns and the
/// stage index need them.
const ALWAYS: [&str; 2] = ["event.category", "event.action"];

/// What the envelope of a record says: how to fill the rest.
struct Opened<'n> {
    envelope: Envelope,
    /// Of a raw record: what the tables say of such events.
    kind: Option<&'n EventKind>,
    happened: Happened,
    /// The dataset of its channel.
    dataset: Option<&'static str>,
}

impl Normalizer {
    /// Returns a normalizer of the fields that the table holds by now, and adds those that it has
    /// to read for them. To be called when all fields of all rules are in the table.
    pub fn new(fields: &mut FieldTable, options: Options) -> Self {
        Self::with(fields, options, None)
    }

    /// As [`new`](Self::new), for rules that read nothing but what `reads` holds: a field is not
    /// filled in events of which no rule reads it.
    pub fn narrowed(fields: &mut FieldTable, options: Options, reads: &Reads) -> Self {
        Self::with(fields, options, Some(reads))
    }

    fn with(fields: &mut FieldTable, options: Options, reads: Option<&Reads>) -> Self {
        let of_rules: HashMap<String, FieldId> =
            fields.iter().map(|(id, name)| (name.to_owned(), id)).collect();
        let is_wanted = |name: &str, categories: &[&str]| {
            let is_read = |id: &FieldId| reads.is_none_or(|reads| reads.holds(categories, *id));
            ALWAYS.contains(&name) || of_rules.get(name).is_some_and(is_read)
        };
        let wanted = Wanted {
            timestamp: fields.get("@timestamp"),
            event_created: fields.get("event.created"),
            os_type: fields.get("host.os.type"),
        };
        let wanted_host_id = fields.get("host.id");
        let engine = EngineFields::new(fields);
        let program = Program::new(fields, options.ecs_compat, &is_wanted);
        // Last: it lifts to whatever the others read.
        let nxlog = Nxlog::new(fields);
        let hosts = Hosts::new(engine, wanted_host_id, options);
        Self { engine, wanted, program, nxlog, hosts }
    }

    /// Fills the wanted ECS fields of a decoded record.
    pub fn normalize(&self, fields: &mut Fields<'_>) -> Envelope {
        let opened = self.open(fields);
        self.fill(&opened, fields);
        opened.envelope
    }

    /// Reads the envelope of a record: before anything is mapped.
    ///
    /// Writes the canonical host to `host.id` if a rule reads that. What remains to be done is
    /// [`fill`](Self::fill).
    fn open(&self, fields: &mut Fields<'_>) -> Opened<'_> {
        let engine = &self.engine;
        let (shape, code) = engine.shape(fields);
        if shape == Shape::Nxlog {
            self.nxlog.lift(fields);
        }
        let happened = engine.happened(shape, fields);
        let channel = fields.str(engine.channel).map(|name| self.program.channel(name));
        let code = code.or_else(|| shape.is_raw().then(|| engine.event_code(fields)).flatten());
        let kind = channel.zip(code).map(|(channel, code)| self.program.kind(channel, code));
        let settled = self.hosts.settle(fields);
        let envelope = Envelope {
            shape,
            event_time: happened.time(),
            host: settled.host,
            is_forwarded: settled.is_forwarded,
            has_foreign_id: settled.has_foreign_id,
            machine: settled.machine,
        };
        Opened { envelope, kind, happened, dataset: channel.and_then(|channel| channel.dataset) }
    }

    /// Fills the wanted ECS fields of an opened record.
    fn fill(&self, opened: &Opened<'_>, fields: &mut Fields<'_>) {
        let shape = opened.envelope.shape;
        self.write_times(shape, opened.happened, fields);
        if let Some(kind) = opened.kind {
            // Only Elastic Agent names modules as its integrations do.
            let agent = Agent { is_elastic_agent: shape == Shape::ElasticAgent };
            self.program.run(kind, agent, fields);
        }
        if self.engine.is_windows(fields) {
            self.engine.stamp_channel_dataset(opened.dataset, fields);
            if let Some(os_type) = self.wanted.os_type.filter(|id| !fields.has(*id)) {
                fields.set(os_type, Value::from("windows"));
            }
        }
        self.engine.unite_datasets(fields);
    }

    /// Returns what the tables say of a channel's events with this id.
    pub fn kind(&self, channel: &str, event_id: u32) -> &EventKind {
        self.program.kind(self.program.channel(channel), event_id)
    }

    /// Returns all kinds of raw events, in the order of their indices.
    pub fn kinds(&self) -> &[EventKind] {
        self.program.kinds()
    }

    /// Returns the field that holds the categories of an event.
    pub fn category(&self) -> FieldId {
        self.engine.event_category
    }

    /// Returns the place of a normalized event in the total order. An event without a time is not
    /// admitted; here it would stand in 1970.
    pub fn ordinal(
        &self,
        fields: &Fields<'_>,
        envelope: &Envelope,
        offset: i64,
        tiebreaker: Option<FieldId>,
    ) -> Ordinal {
        identity::ordinal(&self.engine, fields, envelope, offset, tiebreaker)
    }

    /// Returns the identity of a normalized event: a function of the record and of the
    /// configuration alone, so that every delivery has the same, except of records that say
    /// nothing of themselves: those are told apart by where they stand.
    pub fn identity(
        &self,
        fields: &Fields<'_>,
        envelope: &Envelope,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Identity {
        identity::identity(&self.engine, fields, envelope, topic, partition, offset)
    }

    /// Returns the index names of a normalized record.
    pub fn index_names(&self, fields: &Fields<'_>) -> IndexNames {
        IndexNames::of(&self.engine, fields)
    }

    /// Returns what orders events of one time for a rule with this tiebreaker.
    pub fn tiebreaker(&self, fields: &Fields<'_>, field: FieldId) -> Option<OrdinalValue> {
        identity::ordinal_value(fields, field)
    }

    /// Tells whether index patterns, a rule's, cover this normalized record.
    pub fn is_covered(&self, patterns: &IndexPatterns, fields: &Fields<'_>) -> bool {
        patterns.is_empty() || patterns.covers_names(&self.index_names(fields))
    }

    /// Writes the times that rules read: what the sensor says goes to `@timestamp`, and what stood
    /// there to `event.created`.
    fn write_times(&self, shape: Shape, happened: Happened, fields: &mut Fields<'_>) {
        let happened = match happened {
            Happened::Sensor(happened) => happened,
            Happened::Written(written) => {
                if shape == Shape::Nxlog {
                    self.put_timestamp_right(written, fields);
                }
                return;
            }
        };
        if let Some(created) = self.wanted.event_created {
            copy_scalars(fields, self.engine.timestamp, created);
        }
        if let Some(timestamp) = self.wanted.timestamp {
            let text = fields.arena().text(&happened.to_string());
            fields.set(timestamp, Value::Str(text));
        }
    }

    /// NXLog's own times have a blank in the middle, which dates in Elasticsearch have not.
    fn put_timestamp_right(&self, written: Option<EventTime>, fields: &mut Fields<'_>) {
        if let (Some(timestamp), Some(written)) = (self.wanted.timestamp, written)
            && fields.str(timestamp).is_some_and(|text| text.contains(' '))
        {
            let text = fields.arena().text(&written.to_string());
            fields.set(timestamp, Value::Str(text));
        }
    }
}

/// Returns every event that a table has a row for: channel and event id.
pub fn known_events() -> impl Iterator<Item = (&'static str, u32)> {
    channel::known_events()
}

/// Returns every field that normalizing may fill, with repetitions.
pub(super) fn targets() -> impl Iterator<Item = &'static str> {
    channel::targets().chain(shape::nxlog::targets()).chain([
        "@timestamp",
        "event.created",
        "event.dataset",
        "data_stream.dataset",
        "host.id",
        "host.os.type",
    ])
}
