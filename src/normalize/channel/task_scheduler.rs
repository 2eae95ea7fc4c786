//! The task scheduler: channel Microsoft-Windows-TaskScheduler/Operational.

use crate::normalize::convert::Convert;
use crate::normalize::table::{Channel, Map, Row, copy, each, first};

/// The channel's table. Actions are named as those of the Security channel's tasks.
pub(super) static CHANNEL: Channel = Channel {
    name: "Microsoft-Windows-TaskScheduler/Operational",
    dataset: Some("windows.taskscheduler_operational"),
    module: Some(("taskscheduler", "windows")),
    maps: &[TASK],
    rows: &[
        row(&[106], CONFIGURATION, &["creation"], &["scheduled-task-created"]),
        row(&[140], CONFIGURATION, &["change"], &["scheduled-task-updated"]),
        row(&[141], CONFIGURATION, &["deletion"], &["scheduled-task-deleted"]),
        row(&[142], CONFIGURATION, &["change"], &["scheduled-task-disabled"]),
        row(&[100, 107, 108, 110, 119], PROCESS, &["info"], &["scheduled-task-started"]),
        row(&[102], PROCESS, &["info"], &["scheduled-task-completed"]),
        row(&[101, 103, 111], PROCESS, &["info", "error"], &["scheduled-task-failed"]),
        launch(&[129], &["start"], &["scheduled-task-process-created"]),
        launch(&[200], &["info"], &["scheduled-task-action-started"]),
        launch(&[201], &["info"], &["scheduled-task-action-completed"]),
    ],
    other: row(&[], &[], &[], &[]),
};

const CONFIGURATION: &[&str] = &["iam", "configuration"];
const PROCESS: &[&str] = &["process"];

const fn row(
    ids: &'static [u32],
    category: &'static [&'static str],
    types: &'static [&'static str],
    action: &'static [&'static str],
) -> Row {
    Row { ids, category, types, action, maps: &[] }
}

const fn launch(
    ids: &'static [u32],
    types: &'static [&'static str],
    action: &'static [&'static str],
) -> Row {
    Row { ids, category: PROCESS, types, action, maps: ONLY_LAUNCH }
}

static ONLY_LAUNCH: &[&[Map]] = &[LAUNCH];

const USER: &[&str] = &["UserContext", "UserName"];
const IMAGE: &[&str] = &["Path", "ActionName"];

static TASK: &[Map] = &[
    copy("maxspan.task.name", &["TaskName"]),
    first("user.domain", USER, Convert::UserDomain),
    first("user.name", USER, Convert::UserName),
    each("related.user", USER, Convert::UserName),
];

static LAUNCH: &[Map] = &[
    copy("process.executable", IMAGE),
    first("process.name", IMAGE, Convert::NameInPath),
    first("process.pid", &["ProcessID", "EnginePID"], Convert::Number),
];
