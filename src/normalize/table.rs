//! What mapping tables are written in: channels, rows of event ids, and maps from raw fields to
//! their ECS targets. Tables are data, and name fields by their paths.

use super::convert::Convert;
use super::options::EcsCompat;

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
#[derive(Clone, Copy)]
pub(super) struct Map {
    /// The field that is filled.
    pub target: &'static str,
    /// The fields that it is filled from, by [`full_name`].
    pub sources: &'static [&'static str],
    /// How its values come out of them.
    pub how: How,
    /// What becomes of values that it already has.
    pub present: Present,
    /// The only setting under which it holds, if it does not under both.
    pub only: Option<EcsCompat>,
}

/// How a target's values come out of its sources.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
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
    pub(super) fn under(self, compat: EcsCompat) -> Self {
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
pub(super) enum Present {
    /// They stay.
    Stays,
    /// They go if there is something to take their place.
    Goes,
}

/// The target comes about in this way, unless it has values already.
pub(super) const fn new(target: &'static str, sources: &'static [&'static str], how: How) -> Map {
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

/// Sources without a dot are event data.
pub(super) fn full_name(source: &str) -> String {
    if source.contains('.') { source.to_owned() } else { format!("winlog.event_data.{source}") }
}
