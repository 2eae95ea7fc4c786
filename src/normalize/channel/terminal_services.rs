//! Remote desktop: the two operational channels of TerminalServices.

use crate::normalize::convert::Convert;
use crate::normalize::table::{Channel, Map, Row, copy, each, first};

/// Sessions: channel Microsoft-Windows-TerminalServices-LocalSessionManager/Operational.
pub(super) static SESSIONS: Channel = Channel {
    name: "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
    dataset: Some("windows.terminalservices_localsessionmanager"),
    module: Some(("terminalservices", "windows")),
    maps: &[SESSION],
    rows: &[
        row(&[21], &["start"], &["session-logged-in"]),
        row(&[22], &["start"], &["session-shell-started"]),
        row(&[23], &["end"], &["session-logged-out"]),
        row(&[24], &["end"], &["session-disconnected"]),
        row(&[25], &["start"], &["session-reconnected"]),
        row(&[39, 40], &["end"], &["session-disconnected"]),
    ],
    other: NOTHING,
};

/// Connections: channel Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational.
pub(super) static CONNECTIONS: Channel = Channel {
    name: "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational",
    dataset: Some("windows.terminalservices_remoteconnectionmanager"),
    module: Some(("terminalservices", "windows")),
    maps: &[CONNECTION],
    rows: &[Row {
        ids: &[1149],
        category: &["authentication", "network"],
        types: &["start"],
        action: &["remote-desktop-connected"],
        maps: &[],
    }],
    other: NOTHING,
};

const NOTHING: Row = Row { ids: &[], category: &[], types: &[], action: &[], maps: &[] };

const fn row(
    ids: &'static [u32],
    types: &'static [&'static str],
    action: &'static [&'static str],
) -> Row {
    Row { ids, category: &["authentication", "session"], types, action, maps: &[] }
}

const USER: &[&str] = &["winlog.user_data.User", "User"];
// `LOCAL` for a session at the console: no address, so that it gives none.
const ADDRESS: &[&str] = &["winlog.user_data.Address", "Address"];

static SESSION: &[Map] = &[
    first("user.domain", USER, Convert::UserDomain),
    first("user.name", USER, Convert::UserName),
    first("source.ip", ADDRESS, Convert::MappedAddress),
    each("related.ip", ADDRESS, Convert::MappedAddress),
    each("related.user", USER, Convert::UserName),
];

const NAME: &[&str] = &["winlog.user_data.Param1", "Param1"];
const CLIENT: &[&str] = &["winlog.user_data.Param3", "Param3"];

static CONNECTION: &[Map] = &[
    copy("user.name", NAME),
    copy("user.domain", &["winlog.user_data.Param2", "Param2"]),
    first("source.ip", CLIENT, Convert::MappedAddress),
    each("related.ip", CLIENT, Convert::MappedAddress),
    each("related.user", NAME, Convert::Text),
];
