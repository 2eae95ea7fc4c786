//! The tables of the Windows event log: one file for each channel.

use crate::normalize::convert::Convert;
use crate::normalize::options::EcsCompat;
use crate::normalize::table::{Channel, How, Map, copy, first, replace, text};

mod defender;
mod management;
mod powershell;
mod security;
mod sysmon;
mod system;
mod task_scheduler;
mod terminal_services;
mod windows;

pub(in crate::normalize) use windows::OTHER;

/// What holds for every raw record of Winlogbeat, after the maps of its channel.
pub(in crate::normalize) static COMMON: &[Map] = &[
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
pub(in crate::normalize) static CHANNELS: &[&Channel] = &[
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
pub(in crate::normalize) fn targets() -> impl Iterator<Item = &'static str> {
    let channels = CHANNELS.iter().copied().chain([&OTHER]);
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

/// One way in which a table fills a field: the field, what it is filled from, and how.
pub(in crate::normalize) type Way = (&'static str, &'static [&'static str], How);

/// Returns every way in which the tables fill fields under a setting, with repetitions.
pub(in crate::normalize) fn ways(compat: EcsCompat) -> impl Iterator<Item = Way> {
    let channels = || CHANNELS.iter().copied().chain([&OTHER]);
    let rows = || channels().flat_map(|channel| channel.rows.iter().chain([&channel.other]));
    let of_channels = channels().flat_map(|channel| channel.maps.iter());
    let maps =
        rows().flat_map(|row| row.maps.iter()).chain(of_channels).flat_map(|maps| maps.iter());
    let maps = maps.chain(COMMON).filter(move |map| map.only.is_none_or(|only| only == compat));
    let of_rows = rows().flat_map(|row| {
        let of_row = [
            ("event.category", row.category),
            ("event.type", row.types),
            ("event.action", row.action),
        ];
        of_row.into_iter().filter(|(_, texts)| !texts.is_empty())
    });
    let of_modules = channels().filter_map(|channel| {
        let (beats, agent) = channel.module?;
        Some(("event.module", &[][..], How::Module(beats, agent)))
    });
    maps.map(move |map| (map.target, map.sources, map.how.under(compat)))
        .chain(of_rows.map(|(target, texts)| (target, &[][..], How::Text(texts))))
        .chain(of_modules)
}

/// Returns the datasets of all channels.
pub(in crate::normalize) fn datasets() -> impl Iterator<Item = &'static str> {
    CHANNELS.iter().copied().chain([&OTHER]).filter_map(|channel| channel.dataset)
}

/// Returns channel and event id of every row.
pub(in crate::normalize) fn known_events() -> impl Iterator<Item = (&'static str, u32)> {
    CHANNELS.iter().flat_map(|channel| {
        let ids = channel.rows.iter().flat_map(|row| row.ids);
        ids.map(|id| (channel.name, *id))
    })
}
