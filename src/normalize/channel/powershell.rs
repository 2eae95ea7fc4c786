//! PowerShell: its operational channel, and the classic one.

use crate::normalize::convert::{Convert, DetailPart, Inner};
use crate::normalize::table::{Channel, Map, Row, copy, each, first};

/// The operational channel's table.
pub(super) static OPERATIONAL: Channel = Channel {
    name: "Microsoft-Windows-PowerShell/Operational",
    dataset: Some("windows.powershell_operational"),
    module: Some(("powershell", "windows")),
    maps: &[USER],
    rows: &[
        Row {
            ids: &[4103],
            category: PROCESS,
            types: &["info"],
            action: &[],
            maps: &[INVOCATION, PAYLOAD],
        },
        Row { ids: &[4104], category: PROCESS, types: &["info"], action: &[], maps: &[SCRIPT] },
        Row { ids: &[4105], category: PROCESS, types: &["start"], action: &[], maps: &[SCRIPT] },
        Row { ids: &[4106], category: PROCESS, types: &["end"], action: &[], maps: &[SCRIPT] },
    ],
    other: Row { ids: &[], category: PROCESS, types: &["info"], action: &[], maps: &[] },
};

/// The classic channel's table. Its parameters have no names: most of them are one text of lines.
pub(super) static CLASSIC: Channel = Channel {
    name: "Windows PowerShell",
    dataset: Some("windows.powershell"),
    module: Some(("powershell", "windows")),
    maps: &[USER],
    rows: &[
        Row { ids: &[400], category: PROCESS, types: &["start"], action: &[], maps: &[ENGINE] },
        Row { ids: &[403], category: PROCESS, types: &["end"], action: &[], maps: &[ENGINE] },
        Row { ids: &[600], category: PROCESS, types: &["info"], action: &[], maps: &[PROVIDER] },
        Row { ids: &[800], category: PROCESS, types: &["info"], action: &[], maps: &[PIPELINE] },
    ],
    other: Row { ids: &[], category: PROCESS, types: &["info"], action: &[], maps: &[] },
};

const PROCESS: &[&str] = &["process"];
const CONTEXT: &[&str] = &["ContextInfo"];
const APPLICATION: &str = "HostApplication";

/// Writes the maps of what every context says, and of what some say beyond that.
macro_rules! context {
    ($source:expr, $user:literal $(, $more:expr)* $(,)?) => {
        &[
            entry("process.command_line", $source, APPLICATION, Inner::Text),
            entry("process.args", $source, APPLICATION, Inner::WindowsArgs),
            entry("process.args_count", $source, APPLICATION, Inner::WindowsArgCount),
            entry("process.entity_id", $source, "HostID", Inner::Text),
            entry("process.title", $source, "HostName", Inner::Text),
            entry("powershell.process.executable_version", $source, "HostVersion", Inner::Text),
            entry("powershell.engine.version", $source, "EngineVersion", Inner::Text),
            entry("powershell.runspace_id", $source, "RunspaceID", Inner::Text),
            entry("powershell.pipeline_id", $source, "PipelineID", Inner::Text),
            entry("powershell.command.name", $source, "CommandName", Inner::Text),
            entry("powershell.command.type", $source, "CommandType", Inner::Text),
            entry("powershell.command.path", $source, "CommandPath", Inner::Text),
            entry("powershell.command.value", $source, "CommandLine", Inner::Text),
            entry("powershell.id", $source, "ShellID", Inner::Text),
            entry("file.path", $source, "ScriptName", Inner::Text),
            entry("file.name", $source, "ScriptName", Inner::BaseName),
            entry("file.directory", $source, "ScriptName", Inner::Directory),
            entry("file.extension", $source, "ScriptName", Inner::Extension),
            entry("user.domain", $source, $user, Inner::UserDomain),
            entry("user.name", $source, $user, Inner::UserName),
            each("related.user", $source, Convert::Context($user, Inner::UserName)),
            $($more,)*
        ]
    };
}

static INVOCATION: &[Map] = context!(
    CONTEXT,
    "User",
    entry("source.user.domain", CONTEXT, "ConnectedUser", Inner::UserDomain),
    entry("source.user.name", CONTEXT, "ConnectedUser", Inner::UserName),
);

const THIRD: &[&str] = &["param3"];
const SECOND: &[&str] = &["param2"];

static ENGINE: &[Map] = context!(
    THIRD,
    "UserId",
    entry("powershell.engine.new_state", THIRD, "NewEngineState", Inner::Text),
    entry("powershell.engine.previous_state", THIRD, "PreviousEngineState", Inner::Text),
);

static PROVIDER: &[Map] = context!(
    THIRD,
    "UserId",
    entry("powershell.provider.name", THIRD, "ProviderName", Inner::Text),
    entry("powershell.provider.new_state", THIRD, "NewProviderState", Inner::Text),
);

static PIPELINE: &[Map] = context!(
    SECOND,
    "UserId",
    entry("powershell.sequence", SECOND, "DetailSequence", Inner::Number),
    entry("powershell.total", SECOND, "DetailTotal", Inner::Number),
    detail("powershell.command.invocation_details.type", THIRD, DetailPart::Kind),
    detail("powershell.command.invocation_details.related_command", THIRD, DetailPart::Command),
    detail("powershell.command.invocation_details.name", THIRD, DetailPart::Name),
    detail("powershell.command.invocation_details.value", THIRD, DetailPart::Value),
);

const LINES: &[&str] = &["Payload"];

static PAYLOAD: &[Map] = &[
    detail("powershell.command.invocation_details.type", LINES, DetailPart::Kind),
    detail("powershell.command.invocation_details.related_command", LINES, DetailPart::Command),
    detail("powershell.command.invocation_details.name", LINES, DetailPart::Name),
    detail("powershell.command.invocation_details.value", LINES, DetailPart::Value),
];

/// The target is an entry of a context.
const fn entry(
    target: &'static str,
    source: &'static [&'static str],
    key: &'static str,
    inner: Inner,
) -> Map {
    first(target, source, Convert::Context(key, inner))
}

/// The target is a part of each line about an invocation.
const fn detail(target: &'static str, source: &'static [&'static str], part: DetailPart) -> Map {
    first(target, source, Convert::Invocation(part))
}

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
