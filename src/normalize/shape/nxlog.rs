//! NXLog's flat records: envelope and event data side by side at the top level.
//!
//! Lifts the wanted ones to where Winlogbeat has them; everything else is the tables' work.

use serde_json::{Map, Value as Json};

use crate::event::{FieldId, FieldTable, Fields, Value, Values};
use crate::normalize::scalars::copy_scalars;

/// Parts of the envelope, and where Winlogbeat has them. Of two with one target the first that
/// has a value counts.
static ENVELOPE: &[(&str, &str)] = &[
    ("TimeCreated", "@timestamp"),
    ("EventTime", "@timestamp"),
    ("EventReceivedTime", "event.created"),
    ("Message", "message"),
    ("Channel", "winlog.channel"),
    ("EventID", "winlog.event_id"),
    ("Hostname", "winlog.computer_name"),
    ("SourceName", "winlog.provider_name"),
    ("ProviderGuid", "winlog.provider_guid"),
    ("RecordNumber", "winlog.record_id"),
    ("RecordID", "winlog.record_id"),
    ("Category", "winlog.task"),
    ("Keywords", "winlog.keywords"),
    ("Opcode", "winlog.opcode"),
    ("ActivityID", "winlog.activity_id"),
    ("ExecutionProcessID", "winlog.process.pid"),
    ("ExecutionThreadID", "winlog.process.thread.id"),
    ("UserID", "winlog.user.identifier"),
    ("AccountName", "winlog.user.name"),
    ("Domain", "winlog.user.domain"),
    ("AccountType", "winlog.user.type"),
];

/// What stands at the top level and is no event data. Names that both have (`UserID`, `Domain`)
/// are event data, too.
static NOT_DATA: &[&str] = &[
    "@metadata",
    "@timestamp",
    "@version",
    "Channel",
    "EventID",
    "EventReceivedTime",
    "EventTime",
    "EventType",
    "ExecutionProcessID",
    "ExecutionThreadID",
    "Hostname",
    "Keywords",
    "Message",
    "Opcode",
    "OpcodeValue",
    "ProviderGuid",
    "RecordID",
    "RecordNumber",
    "Severity",
    "SeverityValue",
    "SourceModuleName",
    "SourceModuleType",
    "SourceName",
    "TimeCreated",
    "agent",
    "data_stream",
    "ecs",
    "event",
    "fields",
    "host",
    "input",
    "log",
    "message",
    "port",
    "process",
    "tags",
    "winlog",
];

/// Where Winlogbeat has the event data.
pub(in crate::normalize) const DATA: &str = "winlog.event_data";

/// Returns every field that the lifting of the envelope may fill, with repetitions.
pub(in crate::normalize) fn targets() -> impl Iterator<Item = &'static str> {
    ENVELOPE.iter().map(|(_, target)| *target)
}

/// Returns the paths at the top level from which a field may be lifted.
pub(in crate::normalize) fn sources(field: &str) -> impl Iterator<Item = String> {
    let of_envelope = ENVELOPE.iter().filter(move |(_, target)| *target == field);
    let data = field.strip_prefix(DATA).and_then(|path| path.strip_prefix('.'));
    let of_data = data.filter(|path| is_data(path));
    of_envelope.map(|(source, _)| *source).chain(of_data).map(str::to_owned)
}

/// The liftings that fill the fields of one field table.
#[derive(Debug)]
pub(in crate::normalize) struct Nxlog {
    /// From the top level to Winlogbeat's place: parts of the envelope, and event data.
    envelope: Vec<(FieldId, FieldId)>,
    entries: Vec<(FieldId, FieldId)>,
    /// The event data as a whole, if a rule asks for it.
    data: Option<FieldId>,
}

impl Nxlog {
    /// Returns the liftings for the fields that the table holds, and adds those they start from.
    pub(in crate::normalize) fn new(fields: &mut FieldTable) -> Self {
        let data: Vec<(FieldId, String)> = fields
            .iter()
            .filter_map(|(id, name)| {
                let path = name.strip_prefix(DATA)?.strip_prefix('.')?;
                is_data(path).then(|| (id, path.to_owned()))
            })
            .collect();
        let mut envelope = Vec::new();
        for (source, target) in ENVELOPE {
            if let Some(target) = fields.get(target) {
                envelope.push((fields.intern(source), target));
            }
        }
        let entries =
            data.into_iter().map(|(target, source)| (fields.intern(&source), target)).collect();
        Self { envelope, entries, data: fields.get(DATA) }
    }

    /// Fills the fields that have no value by now.
    pub(in crate::normalize) fn lift(&self, fields: &mut Fields<'_>) {
        for (source, target) in &self.envelope {
            if !fields.has(*target) {
                copy_scalars(fields, *source, *target);
            }
        }
        for (source, target) in &self.entries {
            if !fields.has(*target) && fields.has(*source) {
                let values = Values::from(fields.get(*source));
                fields.set_all(*target, values);
            }
        }
        if let Some(data) = self.data.filter(|id| !fields.has(*id)) {
            fields.set(data, Value::Object);
        }
    }
}

/// Copies the event data of a document to where Winlogbeat has it.
pub(in crate::normalize) fn unfold(document: &mut Map<String, Json>) {
    let data: Map<String, Json> = document
        .iter()
        .filter(|(key, _)| is_data(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let object = || Json::Object(Map::new());
    match document.entry("winlog").or_insert_with(object) {
        Json::Object(winlog) => match winlog.entry("event_data").or_insert_with(object) {
            Json::Object(present) => {
                for (key, value) in data {
                    present.entry(key).or_insert(value);
                }
            }
            _ => put_dotted(winlog, "event_data", data),
        },
        _ => put_dotted(document, DATA, data),
    }
}

/// A value is in the way of an object: its entries become dotted keys beside it.
fn put_dotted(object: &mut Map<String, Json>, path: &str, entries: Map<String, Json>) {
    object.extend(entries.into_iter().map(|(key, value)| (format!("{path}.{key}"), value)));
}

fn is_data(path: &str) -> bool {
    let root = path.split('.').next().unwrap_or_default();
    !NOT_DATA.contains(&root)
}
