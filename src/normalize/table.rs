//! The one mechanism behind all mapping tables: what a table says, and what is left of it once
//! the wanted fields are known.
//!
//! Tables name fields; a [`Program`] holds ids, and only those operations whose target is wanted.

use smallvec::SmallVec;

use super::convert::{self, Convert};
use super::{
    EcsCompat, community_id, defender, management, powershell, security, sysmon, system,
    task_scheduler, terminal_services, windows,
};
use crate::event::{FieldId, FieldTable, Fields, Value, Values};

/// Everything that is known of one event log channel.
pub(super) struct Channel {
    /// Its name; compared without regard to case.
    pub name: &'static str,
    /// `event.dataset` and `data_stream.dataset`.
    pub dataset: Option<&'static str>,
    /// `event.module`, as Beats and as Elastic Agent name it.
    pub module: Option<(&'static str, &'static str)>,
    /// Operations of all its events; the row's own come first.
    pub maps: &'static [&'static [Map]],
    /// Its events.
    pub rows: &'static [Row],
    /// What holds for ids without a row.
    pub other: Row,
}

/// What an event id means.
pub(super) struct Row {
    /// The event ids.
    pub ids: &'static [u32],
    /// `event.category`.
    pub category: &'static [&'static str],
    /// `event.type`.
    pub types: &'static [&'static str],
    /// `event.action`; if there is none, the record's own stays.
    pub action: &'static [&'static str],
    /// Operations of these ids.
    pub maps: &'static [&'static [Map]],
}

/// One target field and how it comes about.
pub(super) struct Map {
    target: &'static str,
    sources: &'static [&'static str],
    how: How,
    present: Present,
    /// The only setting under which it holds, if it does not under both.
    only: Option<EcsCompat>,
}

/// How a target's values come out of its sources.
#[derive(Clone, Copy, Debug)]
enum How {
    /// The first source that has a value, converted.
    First(Convert),
    /// All values of all sources, converted, without repetition.
    Each(Convert),
    /// Two sources with a backslash between them, converted.
    Path(Convert),
    /// The Community ID of source address and port, destination address and port, protocol.
    CommunityId,
    /// Always these.
    Text(&'static [&'static str]),
    /// The first name if the agent is a Beat, the second if it is Elastic Agent.
    Module(&'static str, &'static str),
}

impl How {
    /// Returns what it is under a setting.
    fn under(self, compat: EcsCompat) -> Self {
        match (compat, self) {
            (EcsCompat::Fixed, Self::First(convert)) => Self::First(convert.fixed()),
            (EcsCompat::Fixed, Self::Each(convert)) => Self::Each(convert.fixed()),
            (EcsCompat::Fixed, Self::Path(convert)) => Self::Path(convert.fixed()),
            _ => self,
        }
    }
}

/// What becomes of values that the target already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Present {
    /// They stay.
    Stays,
    /// They go if there is something to take their place.
    Goes,
}

const fn new(target: &'static str, sources: &'static [&'static str], how: How) -> Map {
    Map { target, sources, how, present: Present::Stays, only: None }
}

/// The target is the first source that has a value, converted.
pub(super) const fn first(
    target: &'static str,
    sources: &'static [&'static str],
    convert: Convert,
) -> Map {
    new(target, sources, How::First(convert))
}

/// The target is the first source that has a value, as it stands.
pub(super) const fn copy(target: &'static str, sources: &'static [&'static str]) -> Map {
    first(target, sources, Convert::Text)
}

/// As [`first`], in the place of what the record has.
pub(super) const fn replace(
    target: &'static str,
    sources: &'static [&'static str],
    convert: Convert,
) -> Map {
    Map { present: Present::Goes, ..new(target, sources, How::First(convert)) }
}

/// A quirk of Elastic's: the map holds only where these are kept.
pub(super) const fn quirk(map: Map) -> Map {
    Map { only: Some(EcsCompat::Elastic), ..map }
}

/// What takes a quirk's place: the map holds only where quirks are not kept.
pub(super) const fn fixed(map: Map) -> Map {
    Map { only: Some(EcsCompat::Fixed), ..map }
}

/// The target is every value of every source, converted, without repetition.
pub(super) const fn each(
    target: &'static str,
    sources: &'static [&'static str],
    convert: Convert,
) -> Map {
    new(target, sources, How::Each(convert))
}

/// The target is two sources with a backslash between them, converted.
pub(super) const fn path(
    target: &'static str,
    sources: &'static [&'static str],
    convert: Convert,
) -> Map {
    new(target, sources, How::Path(convert))
}

/// The target is the Community ID of these five sources.
pub(super) const fn community(sources: &'static [&'static str]) -> Map {
    new("network.community_id", sources, How::CommunityId)
}

/// The target is always this text.
pub(super) const fn text(target: &'static str, texts: &'static [&'static str]) -> Map {
    new(target, &[], How::Text(texts))
}

/// What holds for every raw record of Winlogbeat, after the maps of its channel.
static COMMON: &[Map] = &[
    replace("event.code", &["winlog.event_id", "event.code"], Convert::Text),
    text("event.kind", &["event"]),
    copy("event.provider", &["winlog.provider_name"]),
    copy("event.action", &["winlog.task"]),
    first("event.outcome", &["winlog.keywords"], Convert::Outcome),
    copy("event.created", &["winlog.time_created"]),
    copy("log.level", &["winlog.level"]),
    copy("host.name", &["winlog.computer_name"]),
    text("ecs.version", &["8.0.0"]),
];

/// All channels with a table.
static CHANNELS: &[&Channel] = &[
    &sysmon::CHANNEL,
    &security::CHANNEL,
    &powershell::OPERATIONAL,
    &powershell::CLASSIC,
    &system::CHANNEL,
    &task_scheduler::CHANNEL,
    &management::CHANNEL,
    &defender::CHANNEL,
    &terminal_services::SESSIONS,
    &terminal_services::CONNECTIONS,
    &windows::APPLICATION,
];

/// Returns the names of all target fields, with repetitions.
pub(super) fn targets() -> impl Iterator<Item = &'static str> {
    let channels = CHANNELS.iter().copied().chain([&windows::OTHER]);
    let maps = channels.flat_map(|channel| {
        let rows = channel.rows.iter().chain([&channel.other]);
        let of_rows = rows.flat_map(|row| row.maps.iter());
        of_rows.chain(channel.maps).flat_map(|maps| maps.iter())
    });
    maps.chain(COMMON).map(|map| map.target).chain([
        "event.category",
        "event.type",
        "event.action",
        "event.module",
    ])
}

/// Returns channel and event id of every row.
pub(super) fn known_events() -> impl Iterator<Item = (&'static str, u32)> {
    CHANNELS.iter().flat_map(|channel| {
        let ids = channel.rows.iter().flat_map(|row| row.ids);
        ids.map(|id| (channel.name, *id))
    })
}

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
            other: compile(&windows::OTHER),
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

/// Sources without a dot are event data.
fn full_name(source: &str) -> String {
    if source.contains('.') { source.to_owned() } else { format!("winlog.event_data.{source}") }
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
        let mut values = Values::new();
        let first = |source: &FieldId| fields.get(*source).iter().find(|value| is_usable(value));
        match self.how {
            How::First(convert) => {
                if let Some(value) = self.sources.iter().find_map(first) {
                    convert::value(convert, value, &mut values);
                }
            }
            How::Each(convert) => {
                let all = self.sources.iter().flat_map(|source| fields.get(*source));
                all.filter(|value| is_usable(value))
                    .for_each(|value| convert::value(convert, value, &mut values));
                convert::remove_repetitions(&mut values);
            }
            How::Path(convert) => {
                let mut parts = self.sources.iter().map_while(|source| first(source)?.text());
                if let (Some(head), Some(tail)) = (parts.next(), parts.next()) {
                    let joined = format!("{}\\{tail}", head.trim_end_matches('\\'));
                    convert::value(convert, &Value::from(joined), &mut values);
                }
            }
            How::CommunityId => {
                let mut parts = self.sources.iter().map(|source| first(source)?.text());
                let mut part = || parts.next().flatten();
                let id = community_id::of_texts([part(), part(), part(), part(), part()]);
                values.extend(id.map(Value::from));
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
            &**text,
            "" | "-"
                | "{00000000-0000-0000-0000-000000000000}"
                | "00000000-0000-0000-0000-000000000000"
        ),
        Value::Object => false,
        _ => true,
    }
}
