//! What is left of the mapping tables once it is known which rules read which fields.
//!
//! Tables name fields; a [`Program`] holds ids, and for each kind of event only those operations
//! whose target a rule reads of such events.

use std::ops::Range;

use super::channel::{CHANNELS, COMMON, OTHER};
use super::convert::{self, Target};
use super::options::EcsCompat;
use super::table::{Channel, How, Map, Present, Row, full_name, new, text};
use crate::event::{FieldId, FieldTable, Fields, Value};

/// The tables, narrowed to what is wanted.
#[derive(Debug)]
pub(super) struct Program {
    channels: Vec<ChannelRows>,
    other: ChannelRows,
    kinds: Vec<EventKind>,
    /// Those of all kinds, one kind behind the other.
    operations: Vec<Operation>,
    /// Those of all operations, one operation behind the other.
    sources: Vec<FieldId>,
}

/// One channel's part of a [`Program`].
#[derive(Debug)]
pub(super) struct ChannelRows {
    name: &'static str,
    pub(super) dataset: Option<&'static str>,
    /// The kind of each event id from the least one on that has a row.
    kinds: Vec<u16>,
    least_id: u32,
    /// The kind of ids without a row.
    other: u16,
}

/// What the tables say of the events of one channel with one event id.
#[derive(Debug)]
pub struct EventKind {
    index: usize,
    categories: &'static [&'static str],
    operations: Range<usize>,
    sources: Vec<FieldId>,
}

impl EventKind {
    /// Returns its place among all kinds: among [`Normalizer::kinds`](super::Normalizer::kinds).
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the categories that a raw event of this kind gets, whatever else it says; none if it
    /// gets none.
    pub fn categories(&self) -> &'static [&'static str] {
        self.categories
    }

    /// Returns the fields from which fields of such an event are filled that rules read, in the order
    /// of their ids.
    pub fn sources(&self) -> &[FieldId] {
        &self.sources
    }
}

#[derive(Debug)]
struct Operation {
    target: FieldId,
    /// Its source, if it has no other: without it there is nothing to do.
    only_source: Option<FieldId>,
    sources: Range<u32>,
    how: How,
    present: Present,
}

/// What a [`Program`] needs to know of the record beside its values.
#[derive(Clone, Copy)]
pub(super) struct Agent {
    /// Whether Elastic Agent collected it, and not a Beat.
    pub is_elastic_agent: bool,
}

/// Tells whether a target is wanted in events of these categories.
pub(super) type IsWanted<'w> = dyn Fn(&str, &[&str]) -> bool + 'w;

impl Program {
    /// Narrows the tables to the targets that are wanted, and interns their sources.
    pub(super) fn new(
        fields: &mut FieldTable,
        compat: EcsCompat,
        is_wanted: &IsWanted<'_>,
    ) -> Self {
        let (kinds, operations, sources) = (Vec::new(), Vec::new(), Vec::new());
        let mut compiler = Compiler { fields, compat, is_wanted, kinds, operations, sources };
        let channels = CHANNELS.iter().map(|channel| compiler.channel(channel)).collect();
        let other = compiler.channel(&OTHER);
        let Compiler { kinds, operations, sources, .. } = compiler;
        Self { channels, other, kinds, operations, sources }
    }

    /// Returns the channel's part; that for unknown channels if it has no table.
    pub(super) fn channel(&self, name: &str) -> &ChannelRows {
        // Names differ in length first of all, so that few are compared.
        let is_known = |channel: &&ChannelRows| {
            channel.name == name || channel.name.eq_ignore_ascii_case(name)
        };
        self.channels.iter().find(is_known).unwrap_or(&self.other)
    }

    /// Returns what the tables say of a channel's events with this id.
    pub(super) fn kind(&self, channel: &ChannelRows, event_id: u32) -> &EventKind {
        let place = event_id.checked_sub(channel.least_id).map(|place| place as usize);
        let known = place.and_then(|place| channel.kinds.get(place));
        &self.kinds[usize::from(*known.unwrap_or(&channel.other))]
    }

    /// Returns all kinds, in the order of their indices.
    pub(super) fn kinds(&self) -> &[EventKind] {
        &self.kinds
    }

    /// Fills the wanted targets of a record of this kind.
    pub(super) fn run(&self, kind: &EventKind, agent: Agent, fields: &mut Fields<'_>) {
        for operation in &self.operations[kind.operations.clone()] {
            // Of most operations the source is absent.
            if operation.only_source.is_some_and(|source| !fields.has(source)) {
                continue;
            }
            let Range { start, end } = operation.sources;
            operation.run(&self.sources[start as usize..end as usize], agent, fields);
        }
    }
}

struct Compiler<'p> {
    fields: &'p mut FieldTable,
    compat: EcsCompat,
    is_wanted: &'p IsWanted<'p>,
    kinds: Vec<EventKind>,
    operations: Vec<Operation>,
    sources: Vec<FieldId>,
}

impl Compiler<'_> {
    fn channel(&mut self, channel: &'static Channel) -> ChannelRows {
        let rows: Vec<(&Row, u16)> =
            channel.rows.iter().map(|row| (row, self.kind(channel, row))).collect();
        let other = self.kind(channel, &channel.other);
        let ids = || rows.iter().flat_map(|(row, kind)| row.ids.iter().map(|id| (*id, *kind)));
        let least_id = ids().map(|(id, _)| id).min().unwrap_or(0);
        let end = ids().map(|(id, _)| id + 1).max().unwrap_or(0);
        let mut kinds = vec![other; (end - least_id) as usize];
        for (id, kind) in ids() {
            let place = &mut kinds[(id - least_id) as usize];
            debug_assert_eq!(*place, other, "{id} has two rows");
            *place = kind;
        }
        ChannelRows { name: channel.name, dataset: channel.dataset, kinds, least_id, other }
    }

    /// Adds the kind of a row, and returns its index.
    fn kind(&mut self, channel: &'static Channel, row: &'static Row) -> u16 {
        let (index, start) = (self.kinds.len(), self.operations.len());
        for map in self.wanted(row.category, maps(channel, row)) {
            self.operation(&map);
        }
        let operations = start..self.operations.len();
        let mut sources: Vec<FieldId> = self.operations[operations.clone()]
            .iter()
            .flat_map(|operation| operation.sources.clone())
            .map(|source| self.sources[source as usize])
            .collect();
        sources.sort_unstable();
        sources.dedup();
        self.kinds.push(EventKind { index, categories: row.category, operations, sources });
        index as u16
    }

    /// Returns the maps that a rule needs: their target is wanted, or a later one of them starts from
    /// it and a rule reads it of other events.
    fn wanted(&self, categories: &[&str], maps: Vec<Map>) -> Vec<Map> {
        let mut read_on: Vec<String> = Vec::new();
        let mut wanted = Vec::new();
        for map in maps.into_iter().rev().filter(|map| map.only.is_none_or(|o| o == self.compat)) {
            let is_read_on = || {
                read_on.iter().any(|source| source == map.target)
                    && self.fields.get(map.target).is_some()
            };
            if (self.is_wanted)(map.target, categories) || is_read_on() {
                read_on.extend(map.sources.iter().map(|source| full_name(source)));
                wanted.push(map);
            }
        }
        wanted.reverse();
        wanted
    }

    fn operation(&mut self, map: &Map) {
        let start = self.sources.len();
        for source in map.sources {
            self.sources.push(self.fields.intern(&full_name(source)));
        }
        let only_source = match self.sources[start..] {
            [source] => Some(source),
            _ => None,
        };
        self.operations.push(Operation {
            target: self.fields.intern(map.target),
            only_source,
            sources: start as u32..self.sources.len() as u32,
            how: map.how.under(self.compat),
            present: map.present,
        });
    }
}

/// Returns the maps of a row in the order in which they are run.
fn maps(channel: &'static Channel, row: &'static Row) -> Vec<Map> {
    let fixed = [
        ("event.category", row.category, Present::Goes),
        ("event.type", row.types, Present::Goes),
        ("event.action", row.action, Present::Goes),
    ];
    let fixed = fixed
        .into_iter()
        .filter(|(_, texts, _)| !texts.is_empty())
        .map(|(target, texts, present)| Map { present, ..text(target, texts) });
    let module =
        channel.module.map(|(beats, agent)| new("event.module", &[], How::Module(beats, agent)));
    let own = row.maps.iter().chain(channel.maps).flat_map(|maps| maps.iter());
    fixed.chain(module).chain(own.chain(COMMON).copied()).collect()
}

impl Operation {
    fn run(&self, sources: &[FieldId], agent: Agent, fields: &mut Fields<'_>) {
        if self.present == Present::Stays && fields.has(self.target) {
            return;
        }
        match self.how {
            How::First(convert) => {
                let first = sources.iter().find_map(|source| first(fields, *source));
                if let Some(value) = first {
                    convert::value(convert, value, &mut self.target(fields));
                }
            }
            How::Each(convert) => self.each(convert, sources, fields),
            How::Path(convert) => {
                if let [head, tail] = sources
                    && let (Some(head), Some(tail)) = (first(fields, *head), first(fields, *tail))
                    && let (Some(head), Some(tail)) = (head.text(), tail.text())
                {
                    let joined = format!("{}\\{tail}", head.trim_end_matches('\\'));
                    let joined = Value::Str(fields.arena().text(&joined));
                    convert::value(convert, joined, &mut self.target(fields));
                }
            }
            How::CommunityId => {
                let mut parts = sources.iter().map(|source| first(fields, *source)?.text());
                let mut part = || parts.next().flatten();
                let id = convert::community_id([part(), part(), part(), part(), part()]);
                if let Some(id) = id {
                    let id = Value::Str(fields.arena().text(&id));
                    self.target(fields).push(id);
                }
            }
            How::Text(texts) => {
                self.target(fields).extend(texts.iter().map(|text| Value::Str(text)));
            }
            How::Module(beats, elastic_agent) => {
                let name = if agent.is_elastic_agent { elastic_agent } else { beats };
                self.target(fields).push(Value::Str(name));
            }
        }
    }

    fn target<'f, 'a>(&self, fields: &'f mut Fields<'a>) -> Target<'f, 'a> {
        match self.present {
            Present::Stays => Target::new(fields, self.target),
            Present::Goes => Target::replacing(fields, self.target),
        }
    }

    fn each(&self, convert: convert::Convert, sources: &[FieldId], fields: &mut Fields<'_>) {
        for source in sources {
            // A source never grows meanwhile: no target is its own source.
            for at in 0..fields.get(*source).len() {
                let value = fields.get(*source)[at];
                if is_usable(value) {
                    convert::value(convert, value, &mut self.target(fields));
                }
            }
        }
        convert::remove_repetitions(fields, self.target);
    }
}

/// Returns the first value of a field that says something.
fn first<'a>(fields: &Fields<'a>, source: FieldId) -> Option<Value<'a>> {
    fields.get(source).iter().copied().find(|value| is_usable(*value))
}

/// Windows writes `-` and a zero GUID where it has nothing to say.
fn is_usable(value: Value<'_>) -> bool {
    const ZERO: &str = "{00000000-0000-0000-0000-000000000000}";
    const BARE_ZERO: &str = "00000000-0000-0000-0000-000000000000";
    match value {
        // Few texts are as long as one of these.
        Value::Str(text) => match text.len() {
            0 => false,
            1 => text != "-",
            36 => text != BARE_ZERO,
            38 => text != ZERO,
            _ => true,
        },
        Value::Object => false,
        _ => true,
    }
}
