//! WMI: channel Microsoft-Windows-WMI-Activity/Operational.

use crate::normalize::convert::Convert;
use crate::normalize::table::{Channel, Map, Row, copy, each, first};

/// The channel's table. Its events say everything in their user data. Actions are named as those
/// of Sysmon's 19 to 21 are not: they tell what WMI did, not what was defined.
pub(super) static CHANNEL: Channel = Channel {
    name: "Microsoft-Windows-WMI-Activity/Operational",
    dataset: Some("windows.wmi_activity_operational"),
    module: Some(("wmi_activity", "windows")),
    maps: &[CLIENT],
    rows: &[
        row(&[5857], &["process"], &["info"], &["wmi-provider-started"]),
        row(&[5858], &["process"], &["info", "error"], &["wmi-operation-failed"]),
        row(&[5859], &["configuration"], &["info"], &["wmi-subscription-started"]),
        row(&[5860], &["configuration"], &["creation"], &["wmi-temporary-subscription-created"]),
        row(&[5861], &["configuration"], &["creation"], &["wmi-permanent-subscription-created"]),
    ],
    other: row(&[], &[], &[], &[]),
};

const fn row(
    ids: &'static [u32],
    category: &'static [&'static str],
    types: &'static [&'static str],
    action: &'static [&'static str],
) -> Row {
    Row { ids, category, types, action, maps: &[] }
}

const USER: &[&str] = &["winlog.user_data.User", "winlog.user_data.PossibleCause_User", "User"];
const HOST: &[&str] = &["winlog.user_data.ClientMachine", "ClientMachine"];
const PATH: &[&str] = &["winlog.user_data.ProviderPath", "ProviderPath"];

static CLIENT: &[Map] = &[
    copy("process.name", &["winlog.user_data.HostProcess", "HostProcess"]),
    first(
        "process.pid",
        &["winlog.user_data.ProcessID", "winlog.user_data.ClientProcessId", "ProcessID"],
        Convert::Number,
    ),
    copy("file.path", PATH),
    first("file.name", PATH, Convert::NameInPath),
    copy("error.code", &["winlog.user_data.ResultCode", "ResultCode"]),
    copy("source.domain", HOST),
    first("user.domain", USER, Convert::UserDomain),
    first("user.name", USER, Convert::UserName),
    each("related.user", USER, Convert::UserName),
    each("related.hosts", HOST, Convert::Text),
];
