//! What is left of the mapping tables once the wanted fields are known.
//!
//! Tables name fields; a [`Program`] holds ids, and only those operations whose target is wanted.

use smallvec::SmallVec;

use super::channel::{CHANNELS, COMMON, OTHER};
use super::convert;
use super::options::EcsCompat;
use super::table::{Channel, How, Map, Present, Row, full_name, new, text};
use crate::event::{FieldId, FieldTable, Fields, Value, Values};

/// The tables, narrowed to the wanted targets.
#[derive(Debug)]
pub(super) struct Program {
    channels: Vec<Compiled>,
    other: Compiled,
}

/// One channel's part of a [`Program`].
#[derive(Debug)]
pub(super) struct Compiled {
    name: &'static str,
    pub(super) dataset: Option<&'static str>,
    // INVARIANT: sorted by id.
    rows: Vec<(u32, u16)>,
    // The last one is for all other ids.
    operations: Vec<Vec<Operation>>,
}

#[derive(Debug)]
struct Operation {
    target: FieldId,
    sources: SmallVec<[FieldId; 3]>,
    how: How,
    present: Present,
}

/// What a [`Program`] needs to know of the record beside its values.
#[derive(Clone, Copy)]
pub(super) struct Agent {
    /// Whether Elastic Agent collected it, and not a Beat.
    pub is_elastic_agent: bool,
}

impl Program {
    /// Narrows the tables to the targets that are wanted, and interns their sources.
    pub(super) fn new(
        fields: &mut FieldTable,
        compat: EcsCompat,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut compile = |channel| Compiled::new(channel, fields, compat, is_wanted);
        Self {
            channels: CHANNELS.iter().map(|channel| compile(channel)).collect(),
            other: compile(&OTHER),
        }
    }

    /// Returns the channel's part; that for unknown channels if it has no table.
    pub(super) fn channel(&self, name: &str) -> &Compiled {
        let known = self.channels.iter().find(|channel| channel.name.eq_ignore_ascii_case(name));
        known.unwrap_or(&self.other)
    }
}

impl Compiled {
    fn new(
        channel: &'static Channel,
        fields: &mut FieldTable,
        compat: EcsCompat,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Self {
        let all_rows = channel.rows.iter().chain([&channel.other]);
        let operations =
            all_rows.map(|row| compile_row(channel, row, fields, compat, is_wanted)).collect();
        let ids = channel.rows.iter().zip(0..);
        let mut rows: Vec<(u32, u16)> =
            ids.flat_map(|(row, index)| row.ids.iter().map(move |id| (*id, index))).collect();
        rows.sort_unstable();
        debug_assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0), "an id has two rows");
        Self { name: channel.name, dataset: channel.dataset, rows, operations }
    }

    /// Fills the wanted targets of a record with this event id.
    pub(super) fn run(&self, id: u32, agent: Agent, fields: &mut Fields<'_>) {
        let row = match self.rows.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(found) => usize::from(self.rows[found].1),
            Err(_) => self.operations.len() - 1,
        };
        for operation in &self.operations[row] {
            operation.run(agent, fields);
        }
    }
}

fn compile_row(
    channel: &'static Channel,
    row: &'static Row,
    fields: &mut FieldTable,
    compat: EcsCompat,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Vec<Operation> {
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
    let mut operations = Vec::new();
    let mut compile = |map: &Map| {
        if is_wanted(map.target) && map.only.is_none_or(|only| only == compat) {
            operations.push(Operation {
                target: fields.intern(map.target),
                sources: map
                    .sources
                    .iter()
                    .map(|source| fields.intern(&full_name(source)))
                    .collect(),
                how: map.how.under(compat),
                present: map.present,
            });
        }
    };
    fixed.chain(module).for_each(|map| compile(&map));
    row.maps.iter().chain(channel.maps).flat_map(|maps| maps.iter()).for_each(&mut compile);
    COMMON.iter().for_each(&mut compile);
    operations
}

impl Operation {
    fn run(&self, agent: Agent, fields: &mut Fields<'_>) {
        if self.present == Present::Stays && fields.has(self.target) {
            return;
        }
        let values = self.values(agent, fields);
        if !values.is_empty() {
            fields.set_all(self.target, values);
        }
    }

    fn values<'a>(&self, agent: Agent, fields: &Fields<'a>) -> Values<'a> {
        let (mut values, arena) = (Values::new(), fields.arena());
        let first = |source: &FieldId| fields.get(*source).iter().find(|value| is_usable(value));
        match self.how {
            How::First(convert) => {
                if let Some(value) = self.sources.iter().find_map(first) {
                    convert::value(convert, *value, arena, &mut values);
                }
            }
            How::Each(convert) => {
                let all = self.sources.iter().flat_map(|source| fields.get(*source));
                all.filter(|value| is_usable(value))
                    .for_each(|value| convert::value(convert, *value, arena, &mut values));
                convert::remove_repetitions(&mut values);
            }
            How::Path(convert) => {
                let mut parts = self.sources.iter().map_while(|source| first(source)?.text());
                if let (Some(head), Some(tail)) = (parts.next(), parts.next()) {
                    let joined = format!("{}\\{tail}", head.trim_end_matches('\\'));
                    convert::value(convert, Value::Str(arena.text(&joined)), arena, &mut values);
                }
            }
            How::CommunityId => {
                let mut parts = self.sources.iter().map(|source| first(source)?.text());
                let mut part = || parts.next().flatten();
                let id = convert::community_id([part(), part(), part(), part(), part()]);
                values.extend(id.map(|id| Value::Str(arena.text(&id))));
            }
            How::Text(texts) => values.extend(texts.iter().map(|text| Value::from(*text))),
            How::Module(beats, elastic_agent) => {
                let name = if agent.is_elastic_agent { elastic_agent } else { beats };
                values.push(Value::from(name));
            }
        }
        values
    }
}

/// Windows writes `-` and a zero GUID where it has nothing to say.
fn is_usable(value: &Value<'_>) -> bool {
    match value {
        Value::Str(text) => !matches!(
            *text,
            "" | "-"
                | "{00000000-0000-0000-0000-000000000000}"
                | "00000000-0000-0000-0000-000000000000"
        ),
        Value::Object => false,
        _ => true,
    }
}
