//! Sysmon: channel Microsoft-Windows-Sysmon/Operational.

use crate::normalize::convert::{Convert, DomainPart};
use crate::normalize::names;
use crate::normalize::table::{
    Channel, Map, Row, community, copy, each, first, fixed, quirk, text,
};

/// The channel's table.
pub(super) static CHANNEL: Channel = Channel {
    name: "Microsoft-Windows-Sysmon/Operational",
    dataset: Some("windows.sysmon_operational"),
    module: Some(("sysmon", "windows")),
    maps: &[PROCESS, PARENT, FILE, NETWORK, USER],
    rows: ROWS,
    other: Row { ids: &[], category: &[], types: &[], action: &[], maps: &[] },
};

static ROWS: &[Row] = &[
    Row {
        ids: &[1],
        category: &["process"],
        types: &["start"],
        action: &["Process creation"],
        maps: &[PROCESS_PE, PROCESS_HASH],
    },
    Row {
        ids: &[2],
        category: &["file"],
        types: &["change"],
        action: &["A process changed a file creation time"],
        maps: &[PROCESS_PE],
    },
    Row {
        ids: &[3],
        category: &["network"],
        types: &["start", "connection", "protocol"],
        action: &["Network connection"],
        maps: &[],
    },
    Row {
        ids: &[4],
        category: &["process"],
        types: &["change"],
        action: &["Sysmon service state changed"],
        maps: &[],
    },
    Row {
        ids: &[5],
        category: &["process"],
        types: &["end"],
        action: &["Process terminated"],
        maps: &[],
    },
    Row {
        ids: &[6],
        category: &["driver"],
        types: &["start"],
        action: &["Driver loaded"],
        maps: &[FILE_HASH, FILE_SIGNATURE],
    },
    // Category and action as the newest Elastic Agent gives them, so that rules for libraries see
    // the event. Its second type, `start`, is left out: it would make every loaded library a
    // started process.
    Row {
        ids: &[7],
        category: &["process", "library"],
        types: &["change"],
        action: &["Image loaded", "load"],
        maps: &[FILE_HASH, FILE_SIGNATURE, FILE_PE, DLL],
    },
    Row {
        ids: &[8],
        category: &["process"],
        types: &["change"],
        action: &["CreateRemoteThread"],
        maps: &[],
    },
    Row {
        ids: &[9],
        category: &["process"],
        types: &["access"],
        action: &["RawAccessRead"],
        maps: &[],
    },
    Row {
        ids: &[10],
        category: &["process"],
        types: &["access"],
        action: &["ProcessAccess"],
        maps: &[TARGET_PROCESS],
    },
    Row {
        ids: &[11],
        category: &["file"],
        types: &["creation"],
        action: &["FileCreate"],
        maps: &[],
    },
    Row {
        ids: &[12],
        category: &["configuration", "registry"],
        types: &["change"],
        action: &["RegistryEvent (Object create and delete)"],
        maps: &[REGISTRY],
    },
    Row {
        ids: &[13],
        category: &["configuration", "registry"],
        types: &["change"],
        action: &["RegistryEvent (Value Set)"],
        maps: &[REGISTRY],
    },
    Row {
        ids: &[14],
        category: &["configuration", "registry"],
        types: &["change"],
        action: &["RegistryEvent (Key and Value Rename)"],
        maps: &[REGISTRY],
    },
    Row {
        ids: &[15],
        category: &["file"],
        types: &["access"],
        action: &["FileCreateStreamHash"],
        maps: &[FILE_HASH],
    },
    Row {
        ids: &[16],
        category: &["configuration"],
        types: &["change"],
        action: &["ServiceConfigurationChange"],
        maps: &[],
    },
    Row {
        ids: &[17],
        category: &["file"],
        types: &["creation"],
        action: &["PipeEvent (Pipe Created)"],
        maps: &[PIPE],
    },
    Row {
        ids: &[18],
        category: &["file"],
        types: &["access"],
        action: &["PipeEvent (Pipe Connected)"],
        maps: &[PIPE],
    },
    Row {
        ids: &[19],
        category: &["process"],
        types: &["info", "creation"],
        action: &["WmiEvent (WmiEventFilter activity detected)"],
        maps: &[],
    },
    Row {
        ids: &[20],
        category: &["process"],
        types: &["change", "creation"],
        action: &["WmiEvent (WmiEventConsumer activity detected)"],
        maps: &[],
    },
    Row {
        ids: &[21],
        category: &["process"],
        types: &["access"],
        action: &["WmiEvent (WmiEventConsumerToFilter activity detected)"],
        maps: &[],
    },
    Row {
        ids: &[22],
        category: &["network"],
        types: &["connection", "protocol", "info"],
        action: &["DNSEvent (DNS query)"],
        maps: &[DNS],
    },
    Row {
        ids: &[23],
        category: &["file"],
        types: &["deletion"],
        action: &["FileDelete (File Delete archived)"],
        maps: &[PROCESS_HASH, DELETED],
    },
    Row {
        ids: &[24],
        category: &[],
        types: &["change"],
        action: &["ClipboardChange (New content in the clipboard)"],
        maps: &[PROCESS_HASH],
    },
    Row {
        ids: &[25],
        category: &["process"],
        types: &["change"],
        action: &["ProcessTampering (Process image change)"],
        maps: &[PROCESS_HASH, TAMPERING],
    },
    // The hashes are the file's; Beats call them the process's, and both are there for rules.
    Row {
        ids: &[26],
        category: &["file"],
        types: &["deletion"],
        action: &["FileDeleteDetected (File Delete logged)"],
        maps: &[PROCESS_HASH_OF_FILE, FILE_HASH, DELETED],
    },
    Row {
        ids: &[27],
        category: &["file"],
        types: &["creation", "denied"],
        action: &["FileBlockExecutable"],
        maps: &[],
    },
    Row {
        ids: &[28],
        category: &["file"],
        types: &["deletion", "denied"],
        action: &["FileBlockShredding"],
        maps: &[],
    },
    Row {
        ids: &[29],
        category: &["file"],
        types: &["creation"],
        action: &["FileExecutableDetected"],
        maps: &[FILE_HASH],
    },
    Row {
        ids: &[255],
        category: &["process"],
        types: &["error"],
        action: &["Error"],
        maps: &[FAULT],
    },
];

const IMAGE: &[&str] = &["Image", "SourceImage", "Destination"];
const COMMAND_LINE: &[&str] = &["CommandLine"];

static PROCESS: &[Map] = &[
    copy("process.entity_id", &["ProcessGuid", "SourceProcessGuid", "SourceProcessGUID"]),
    copy("process.executable", IMAGE),
    first("process.name", IMAGE, Convert::NameInPath),
    first("process.pid", &["ProcessId", "SourceProcessId"], Convert::Number),
    first("process.thread.id", &["SourceThreadId"], Convert::Number),
    copy("process.command_line", COMMAND_LINE),
    first("process.args", COMMAND_LINE, Convert::WindowsArgs),
    first("process.args_count", COMMAND_LINE, Convert::WindowsArgCount),
    copy("process.working_directory", &["CurrentDirectory"]),
    copy("rule.name", &["RuleName"]),
];

static PARENT: &[Map] = &[
    copy("process.parent.entity_id", &["ParentProcessGuid"]),
    copy("process.parent.executable", &["ParentImage"]),
    first("process.parent.name", &["ParentImage"], Convert::NameInPath),
    first("process.parent.pid", &["ParentProcessId"], Convert::Number),
    copy("process.parent.command_line", &["ParentCommandLine"]),
    first("process.parent.args", &["ParentCommandLine"], Convert::WindowsArgs),
    first("process.parent.args_count", &["ParentCommandLine"], Convert::WindowsArgCount),
];

static PROCESS_PE: &[Map] = &[
    copy("process.pe.original_file_name", &["OriginalFileName"]),
    copy("process.pe.company", &["Company"]),
    copy("process.pe.description", &["Description"]),
    copy("process.pe.file_version", &["FileVersion"]),
    copy("process.pe.product", &["Product"]),
];

const HASHES: &[&str] = &["Hashes", "Hash"];

static PROCESS_HASH: &[Map] = &[
    first("process.hash.md5", HASHES, Convert::Hash("MD5")),
    first("process.hash.sha1", HASHES, Convert::Hash("SHA1")),
    first("process.hash.sha256", HASHES, Convert::Hash("SHA256")),
    first("process.pe.imphash", HASHES, Convert::Hash("IMPHASH")),
    each("related.hash", HASHES, Convert::Hashes),
];

static PROCESS_HASH_OF_FILE: &[Map] = &[
    quirk(first("process.hash.md5", HASHES, Convert::Hash("MD5"))),
    quirk(first("process.hash.sha1", HASHES, Convert::Hash("SHA1"))),
    quirk(first("process.hash.sha256", HASHES, Convert::Hash("SHA256"))),
    quirk(first("process.pe.imphash", HASHES, Convert::Hash("IMPHASH"))),
];

static FILE_HASH: &[Map] = &[
    first("file.hash.md5", HASHES, Convert::Hash("MD5")),
    first("file.hash.sha1", HASHES, Convert::Hash("SHA1")),
    first("file.hash.sha256", HASHES, Convert::Hash("SHA256")),
    first("file.pe.imphash", HASHES, Convert::Hash("IMPHASH")),
    each("related.hash", HASHES, Convert::Hashes),
];

const FILE_PATH: &[&str] = &["TargetFilename", "Device", "ImageLoaded"];

static FILE: &[Map] = &[
    copy("file.path", FILE_PATH),
    first("file.name", FILE_PATH, Convert::NameInPath),
    first("file.directory", FILE_PATH, Convert::Directory),
    first("file.extension", FILE_PATH, Convert::Extension),
];

static FILE_SIGNATURE: &[Map] = &[
    copy("file.code_signature.subject_name", &["Signature"]),
    copy("file.code_signature.status", &["SignatureStatus"]),
    first("file.code_signature.valid", &["SignatureStatus"], Convert::IsValid),
    first("file.code_signature.trusted", &["SignatureStatus"], Convert::IsValid),
    first("file.code_signature.exists", &["Signed"], Convert::Truth),
    // Elastic compares a text with a boolean here, so that there it is never set.
    fixed(first("file.code_signature.signed", &["Signed"], Convert::Truth)),
];

static FILE_PE: &[Map] = &[
    copy("file.pe.original_file_name", &["OriginalFileName"]),
    copy("file.pe.company", &["Company"]),
    copy("file.pe.description", &["Description"]),
    copy("file.pe.file_version", &["FileVersion"]),
    copy("file.pe.product", &["Product"]),
];

static DLL: &[Map] = &[
    copy("dll.path", &["ImageLoaded"]),
    first("dll.name", &["ImageLoaded"], Convert::NameInPath),
    first("dll.hash.md5", HASHES, Convert::Hash("MD5")),
    first("dll.hash.sha1", HASHES, Convert::Hash("SHA1")),
    first("dll.hash.sha256", HASHES, Convert::Hash("SHA256")),
    first("dll.pe.imphash", HASHES, Convert::Hash("IMPHASH")),
    copy("dll.pe.original_file_name", &["OriginalFileName"]),
    copy("dll.pe.company", &["Company"]),
    copy("dll.pe.description", &["Description"]),
    copy("dll.pe.file_version", &["FileVersion"]),
    copy("dll.pe.product", &["Product"]),
    copy("dll.code_signature.subject_name", &["Signature"]),
    copy("dll.code_signature.status", &["SignatureStatus"]),
    first("dll.code_signature.valid", &["SignatureStatus"], Convert::IsValid),
    first("dll.code_signature.trusted", &["SignatureStatus"], Convert::IsValid),
    first("dll.code_signature.exists", &["Signed"], Convert::Truth),
];

static TARGET_PROCESS: &[Map] =
    &[copy("winlog.event_data.TargetProcessGUID", &["TargetProcessGuid"])];

static NETWORK: &[Map] = &[
    copy("network.transport", &["Protocol"]),
    copy("network.protocol", &["DestinationPortName", "SourcePortName"]),
    first("network.direction", &["Initiated"], Convert::Initiated),
    first("network.type", &["SourceIsIpv6"], Convert::IpVersion),
    first("source.ip", &["SourceIp"], Convert::Address),
    copy("source.domain", &["SourceHostname"]),
    first("source.port", &["SourcePort"], Convert::Number),
    first("destination.ip", &["DestinationIp"], Convert::Address),
    copy("destination.domain", &["DestinationHostname"]),
    first("destination.port", &["DestinationPort"], Convert::Number),
    community(&["SourceIp", "SourcePort", "DestinationIp", "DestinationPort", "Protocol"]),
    each("related.ip", &["SourceIp", "DestinationIp"], Convert::Address),
    each("related.hosts", &["SourceHostname", "DestinationHostname"], Convert::Text),
];

static USER: &[Map] = &[
    // The account under which Sysmon runs: Elastic's pipelines say so, and rules allow for it.
    quirk(copy("user.id", &["winlog.user.identifier"])),
    first("user.domain", &["User", "SourceUser"], Convert::UserDomain),
    first("user.name", &["User", "SourceUser"], Convert::UserName),
    each("related.user", &["User", "SourceUser"], Convert::UserName),
];

const KEY: &[&str] = &["TargetObject"];

static REGISTRY: &[Map] = &[
    copy("registry.path", KEY),
    first("registry.hive", KEY, Convert::RegistryHive),
    first("registry.key", KEY, Convert::RegistryKey),
    first("registry.value", KEY, Convert::BaseName),
    first("registry.data.type", &["Details"], Convert::RegistryType),
    first("registry.data.strings", &["Details"], Convert::RegistryStrings),
];

static PIPE: &[Map] = &[copy("file.name", &["PipeName"])];

const QUERY: &[&str] = &["QueryName"];

static DNS: &[Map] = &[
    copy("dns.question.name", QUERY),
    first("dns.question.registered_domain", QUERY, Convert::Domain(DomainPart::Registered)),
    first("dns.question.subdomain", QUERY, Convert::Domain(DomainPart::Subdomain)),
    first("dns.question.top_level_domain", QUERY, Convert::Domain(DomainPart::TopLevel)),
    first("dns.answers.type", &["QueryResults"], Convert::AnswerTypes),
    first("dns.answers.data", &["QueryResults"], Convert::AnswerData),
    first("dns.resolved_ip", &["QueryResults"], Convert::AnswerAddresses),
    first("sysmon.dns.status", &["QueryStatus"], Convert::Named(names::DNS_STATUS)),
    text("network.protocol", &["dns"]),
    each("related.ip", &["QueryResults"], Convert::AnswerAddresses),
    each("related.hosts", &["QueryName"], Convert::Text),
];

static DELETED: &[Map] = &[
    first("sysmon.file.archived", &["Archived"], Convert::Truth),
    first("sysmon.file.is_executable", &["IsExecutable"], Convert::Truth),
];

static TAMPERING: &[Map] = &[copy("message", &["Type"])];

static FAULT: &[Map] = &[copy("error.code", &["ID"]), text("event.outcome", &["failure"])];
