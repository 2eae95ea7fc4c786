//! Windows Defender: channel Microsoft-Windows-Windows Defender/Operational.

use crate::normalize::convert::{Convert, Inner};
use crate::normalize::table::{Channel, Map, Row, copy, each, first};

/// The channel's table. No pipeline of Beats knows it; names of actions are ours.
pub(super) static CHANNEL: Channel = Channel {
    name: "Microsoft-Windows-Windows Defender/Operational",
    dataset: Some("windows.windows_defender"),
    module: Some(("defender", "windows")),
    maps: &[THREAT],
    rows: &[
        row(&[1006, 1015, 1116], MALWARE, INFO, &["malware-detected"]),
        row(&[1007, 1117], MALWARE, INFO, &["malware-action-taken"]),
        row(&[1008, 1118, 1119], MALWARE, &["info", "error"], &["malware-action-failed"]),
        row(&[1009, 1010], MALWARE, INFO, &["malware-quarantine-restored"]),
        row(&[1011, 1012], MALWARE, &["deletion"], &["malware-quarantine-deleted"]),
        row(&[1013], MALWARE, &["deletion"], &["malware-history-deleted"]),
        row(&[1121, 1122, 1131], INTRUSION, &["denied"], &["attack-surface-reduction"]),
        row(&[1123, 1124, 1127], INTRUSION, &["denied"], &["controlled-folder-access"]),
        row(&[1125, 1126], INTRUSION, &["denied"], &["network-protection"]),
        row(&[5001, 5010, 5012], CONFIGURATION, CHANGE, &["protection-disabled"]),
        row(&[5000, 5009, 5011], CONFIGURATION, CHANGE, &["protection-enabled"]),
        row(&[5004, 5007], CONFIGURATION, CHANGE, &["configuration-changed"]),
        row(&[5013], CONFIGURATION, &["change", "denied"], &["tamper-protection-blocked"]),
    ],
    other: row(&[], &[], &[], &[]),
};

const MALWARE: &[&str] = &["malware"];
const INTRUSION: &[&str] = &["intrusion_detection"];
const CONFIGURATION: &[&str] = &["configuration"];
const INFO: &[&str] = &["info"];
const CHANGE: &[&str] = &["change"];

const fn row(
    ids: &'static [u32],
    category: &'static [&'static str],
    types: &'static [&'static str],
    action: &'static [&'static str],
) -> Row {
    Row { ids, category, types, action, maps: &[] }
}

// Beats keep the blanks in these names, NXLog and some pipelines do not.
const USER: &[&str] = &["Detection User", "DetectionUser", "User"];
const PROCESS: &[&str] = &["Process Name", "ProcessName"];
const PATH: &[&str] = &["Path"];

static THREAT: &[Map] = &[
    copy("rule.name", &["Threat Name", "ThreatName"]),
    copy("rule.id", &["Threat ID", "ThreatID"]),
    copy("rule.category", &["Category Name", "CategoryName"]),
    copy("process.executable", PROCESS),
    first("process.name", PROCESS, Convert::NameInPath),
    first("file.path", PATH, Convert::Resource(Inner::Text)),
    first("file.name", PATH, Convert::Resource(Inner::BaseName)),
    first("file.directory", PATH, Convert::Resource(Inner::Directory)),
    first("user.domain", USER, Convert::UserDomain),
    first("user.name", USER, Convert::UserName),
    each("related.user", USER, Convert::UserName),
];
