//! PowerShell: its operational channel, and the classic one.

use super::convert::{Convert, Inner};
use super::table::{Channel, Map, Row, copy, each, first};

/// The operational channel's table.
pub(super) static OPERATIONAL: Channel = Channel {
    name: "Microsoft-Windows-PowerShell/Operational",
    dataset: Some("windows.powershell_operational"),
    module: Some(("powershell", "windows")),
    maps: &[USER],
    rows: &[
        Row { ids: &[4103], category: PROCESS, types: &["info"], action: &[], maps: &[INVOCATION] },
        Row { ids: &[4104], category: PROCESS, types: &["info"], action: &[], maps: &[SCRIPT] },
        Row { ids: &[4105], category: PROCESS, types: &["start"], action: &[], maps: &[SCRIPT] },
        Row { ids: &[4106], category: PROCESS, types: &["end"], action: &[], maps: &[SCRIPT] },
    ],
    other: Row { ids: &[], category: PROCESS, types: &["info"], action: &[], maps: &[] },
};

/// The classic channel's table.
pub(super) static CLASSIC: Channel = Channel {
    name: "Windows PowerShell",
    dataset: Some("windows.powershell"),
    module: Some(("powershell", "windows")),
    maps: &[USER],
    rows: &[
        Row { ids: &[400], category: PROCESS, types: &["start"], action: &[], maps: &[] },
        Row { ids: &[403], category: PROCESS, types: &["end"], action: &[], maps: &[] },
    ],
    other: Row { ids: &[], category: PROCESS, types: &["info"], action: &[], maps: &[] },
};

const PROCESS: &[&str] = &["process"];
const CONTEXT: &[&str] = &["ContextInfo"];
const APPLICATION: &str = "HostApplication";

static INVOCATION: &[Map] = &[
    first("process.command_line", CONTEXT, Convert::Context(APPLICATION, Inner::Text)),
    first("process.args", CONTEXT, Convert::Context(APPLICATION, Inner::WindowsArgs)),
    first("process.args_count", CONTEXT, Convert::Context(APPLICATION, Inner::WindowsArgCount)),
    first("process.entity_id", CONTEXT, Convert::Context("HostID", Inner::Text)),
    first("process.title", CONTEXT, Convert::Context("HostName", Inner::Text)),
    first(
        "powershell.process.executable_version",
        CONTEXT,
        Convert::Context("HostVersion", Inner::Text),
    ),
    first("powershell.engine.version", CONTEXT, Convert::Context("EngineVersion", Inner::Text)),
    first("powershell.runspace_id", CONTEXT, Convert::Context("RunspaceID", Inner::Text)),
    first("powershell.pipeline_id", CONTEXT, Convert::Context("PipelineID", Inner::Text)),
    first("powershell.command.name", CONTEXT, Convert::Context("CommandName", Inner::Text)),
    first("powershell.command.type", CONTEXT, Convert::Context("CommandType", Inner::Text)),
    first("powershell.command.path", CONTEXT, Convert::Context("CommandPath", Inner::Text)),
    first("user.domain", CONTEXT, Convert::Context("User", Inner::UserDomain)),
    first("user.name", CONTEXT, Convert::Context("User", Inner::UserName)),
    first("source.user.domain", CONTEXT, Convert::Context("ConnectedUser", Inner::UserDomain)),
    first("source.user.name", CONTEXT, Convert::Context("ConnectedUser", Inner::UserName)),
    each("related.user", CONTEXT, Convert::Context("User", Inner::UserName)),
];

static SCRIPT: &[Map] = &[
    copy("powershell.file.script_block_text", &["ScriptBlockText"]),
    copy("powershell.file.script_block_id", &["ScriptBlockId"]),
    copy("powershell.runspace_id", &["RunspaceId"]),
    first("powershell.sequence", &["MessageNumber"], Convert::Number),
    first("powershell.total", &["MessageTotal"], Convert::Number),
    copy("file.path", &["Path"]),
    first("file.name", &["Path"], Convert::NameInPath),
    first("file.directory", &["Path"], Convert::Directory),
    first("file.extension", &["Path"], Convert::Extension),
];

static USER: &[Map] = &[
    copy("user.id", &["winlog.user.identifier"]),
    copy("user.domain", &["winlog.user.domain"]),
    copy("user.name", &["winlog.user.name"]),
    each("related.user", &["winlog.user.name"], Convert::Text),
];
