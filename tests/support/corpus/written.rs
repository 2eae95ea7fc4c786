//! One event as a record: as Winlogbeat sends it, and as ECS.

use super::Shape;
use super::chance::Random;
use super::event::{Act, Data, Event, Kind, base_name};
use super::hosts::Host;
use super::json::{Members, write_text};
use super::time::iso;

/// Writes a record, without an end of line.
///
/// `written_at` is when Windows wrote it, in milliseconds since 1970; `record` is the number that it got then. The
/// order of the members is a matter of chance, the same for each delivery of an event.
pub(super) fn write(
    event: &Event,
    host: &Host,
    written_at: i64,
    record: u64,
    shape: Shape,
    out: &mut Vec<u8>,
) {
    let order = &mut Random::new(event.number ^ 0x5eed_0f0d_e125);
    // Sysmon's records have the time of writing in their head; a pipeline puts the event's in its place.
    let shows_writing = shape == Shape::Raw && event.kind.is_sysmon();
    let time = if shows_writing { written_at } else { event.at };
    out.extend_from_slice(b"{\"@timestamp\":");
    write_text(out, &iso(time));
    out.extend_from_slice(
        b",\"@metadata\":{\"beat\":\"winlogbeat\",\"type\":\"_doc\",\"version\":\"8.17.2\"},",
    );
    let mut record_members = Members::default();
    let members = &mut record_members;
    members.object("agent", &host.agent, order);
    members.object("host", &host.described, order);
    members.raw("ecs", b"{\"version\":\"8.0.0\"}");
    members.raw("log", b"{\"level\":\"information\"}");
    members.text("message", &message(event));
    let created = iso(written_at + event.read_after_ms);
    let mut about = about(event, &created);
    match shape {
        Shape::Raw => {
            members.object("winlog", &winlog(event, host, record, &event.data, order), order)
        }
        Shape::Ecs => {
            normalized(event, &mut about, members, order);
            let kept = kept(event);
            members.object("winlog", &winlog(event, host, record, &kept, order), order);
        }
    }
    members.object("event", &about, order);
    members.write_members(order, out);
    out.push(b'}');
}

/// The text of the record. Its last line is the event's number.
fn message(event: &Event) -> String {
    let task = event.kind.task();
    let mut text = task.split(" (").next().unwrap_or(task).to_owned() + ":\n";
    for (name, value) in &event.data.0 {
        text.extend([*name, ": ", value, "\n"]);
    }
    text + "#" + &event.number.to_string()
}

fn provider(kind: Kind) -> (&'static str, &'static str, &'static str) {
    if kind.is_sysmon() {
        (
            "Microsoft-Windows-Sysmon",
            "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}",
            "Microsoft-Windows-Sysmon/Operational",
        )
    } else {
        (
            "Microsoft-Windows-Security-Auditing",
            "{54849625-5478-4994-a5ba-3e3b0328c30d}",
            "Security",
        )
    }
}

fn about(event: &Event, created: &str) -> Members {
    let mut about = Members::default();
    about.text("code", event.kind.code());
    about.text("kind", "event");
    about.text("provider", provider(event.kind).0);
    about.text("action", event.kind.task());
    about.text("created", created);
    if !event.kind.is_sysmon() {
        about.text("outcome", "success");
    }
    about
}

fn winlog(event: &Event, host: &Host, record: u64, data: &Data, order: &mut Random) -> Members {
    let (name, guid, channel) = provider(event.kind);
    let mut winlog = Members::default();
    winlog.text("api", "wineventlog");
    winlog.text("channel", channel);
    winlog.text("computer_name", &host.full_name);
    winlog.text("event_id", event.kind.code());
    winlog.text("opcode", "Info");
    winlog.text("provider_name", name);
    winlog.text("provider_guid", guid);
    winlog.number("record_id", record);
    winlog.text("task", event.kind.task());
    winlog.number("version", 5);
    let (process, thread) = event.writer;
    winlog
        .raw("process", format!("{{\"pid\":{process},\"thread\":{{\"id\":{thread}}}}}").as_bytes());
    if event.kind.is_sysmon() {
        let mut user = Members::default();
        user.text("identifier", "S-1-5-18");
        user.text("name", "SYSTEM");
        user.text("domain", "NT AUTHORITY");
        user.text("type", "User");
        winlog.object("user", &user, order);
    } else {
        winlog.texts("keywords", &["Audit Success"]);
    }
    if !data.0.is_empty() {
        let mut all = Members::default();
        data.0.iter().for_each(|(name, value)| all.text(name, value));
        winlog.object("event_data", &all, order);
    }
    winlog
}

/// What pipelines leave below `winlog.event_data`.
fn kept(event: &Event) -> Data {
    let names: &[&str] = match event.kind {
        Kind::ProcessCreate => &[
            "LogonGuid",
            "LogonId",
            "TerminalSessionId",
            "IntegrityLevel",
            "ParentUser",
            "FileVersion",
            "Company",
            "Description",
            "Product",
        ],
        Kind::ProcessAccess => &[
            "TargetProcessGUID",
            "TargetProcessId",
            "TargetImage",
            "GrantedAccess",
            "CallTrace",
            "TargetUser",
        ],
        Kind::ImageLoad => &["FileVersion", "Company", "Description", "Product"],
        Kind::FileCreate => &["CreationUtcTime"],
        Kind::RegistryKey | Kind::RegistryValue => &["EventType"],
        Kind::DnsQuery => &["QueryStatus"],
        Kind::AuditedProcess => &["SubjectLogonId", "TokenElevationType", "MandatoryLabel"],
        Kind::AuditedConnection => &["FilterRTID", "LayerName", "LayerRTID"],
        Kind::Connection | Kind::ProcessEnd => &[],
    };
    Data(event.data.0.iter().filter(|(name, _)| names.contains(name)).cloned().collect())
}

/// Adds what pipelines make of an event's data.
fn normalized(event: &Event, about: &mut Members, members: &mut Members, order: &mut Random) {
    let (category, types): (&[&str], &[&str]) = match event.kind {
        Kind::ProcessCreate | Kind::AuditedProcess => (&["process"], &["start"]),
        Kind::Connection => (&["network"], &["start", "connection", "protocol"]),
        Kind::AuditedConnection => (&["network"], &["start", "connection", "allowed"]),
        Kind::ProcessEnd => (&["process"], &["end"]),
        Kind::ImageLoad => (&["process", "library"], &["change"]),
        Kind::ProcessAccess => (&["process"], &["access"]),
        Kind::FileCreate => (&["file"], &["creation"]),
        Kind::RegistryKey | Kind::RegistryValue => (&["configuration", "registry"], &["change"]),
        Kind::DnsQuery => (&["network"], &["connection", "protocol", "info"]),
    };
    let (module, dataset) = match event.kind.is_sysmon() {
        true => ("sysmon", "windows.sysmon_operational"),
        false => ("security", "system.security"),
    };
    about.texts("category", category);
    about.texts("type", types);
    about.text("module", module);
    about.text("dataset", dataset);
    about.text("id", &event.number.to_string());
    members.raw("data_stream", format!("{{\"dataset\":\"{dataset}\"}}").as_bytes());
    let process = process(event, order);
    members.object("process", &process, order);
    if let Some(user) = user(event) {
        members.object("user", &user, order);
    }
    match event.kind {
        Kind::ImageLoad => library(&event.data, members, order),
        Kind::FileCreate => file(event.data.of("TargetFilename"), members, order),
        Kind::RegistryKey | Kind::RegistryValue => registry(&event.data, members, order),
        Kind::DnsQuery => dns(&event.data, members, order),
        _ => {}
    }
    if let Act::Connect(connect) = &event.act {
        for (name, (ip, port)) in
            [("source", &connect.source), ("destination", &connect.destination)]
        {
            members.raw(name, format!("{{\"ip\":\"{ip}\",\"port\":{port}}}").as_bytes());
        }
        let mut network = Members::default();
        network.text("direction", if connect.is_incoming { "ingress" } else { "egress" });
        network.text("transport", "tcp");
        network.text("type", "ipv4");
        members.object("network", &network, order);
    }
}

/// A path and its last part. Pipelines name no file where there is no folder.
fn image(members: &mut Members, path: &str) {
    members.text("executable", path);
    if path.contains('\\') {
        members.text("name", base_name(path));
    }
}

fn process(event: &Event, order: &mut Random) -> Members {
    let data = &event.data;
    let one_of = |names: &[&'static str]| {
        names.iter().map(|name| data.of(name)).find(|value| !value.is_empty()).unwrap_or_default()
    };
    let mut process = Members::default();
    let path = one_of(&["Image", "SourceImage", "NewProcessName", "Application"]);
    match event.kind {
        // The Security channel's processes have a name even without a folder.
        Kind::AuditedProcess | Kind::AuditedConnection => {
            process.text("executable", path);
            process.text("name", base_name(path));
        }
        _ => image(&mut process, path),
    }
    let pid = match event.kind {
        Kind::AuditedProcess => from_hex(data.of("NewProcessId")),
        _ => one_of(&["ProcessId", "SourceProcessId", "ProcessID"]).parse().unwrap_or_default(),
    };
    process.number("pid", pid);
    let entity = one_of(&["ProcessGuid", "SourceProcessGUID"]);
    if !entity.is_empty() {
        process.text("entity_id", entity);
    }
    let thread = data.of("SourceThreadId");
    if !thread.is_empty() {
        process.raw("thread", format!("{{\"id\":{thread}}}").as_bytes());
    }
    let Act::Start(start) = &event.act else { return process };
    process.text("command_line", data.of("CommandLine"));
    process.texts("args", &start.args);
    process.number("args_count", start.args.len() as u64);
    let mut parent = Members::default();
    match event.kind {
        Kind::AuditedProcess => {
            parent.text("executable", &start.parent_image);
            parent.text("name", base_name(&start.parent_image));
            parent.number("pid", from_hex(data.of("ProcessId")));
        }
        _ => {
            image(&mut parent, &start.parent_image);
            parent.text("entity_id", data.of("ParentProcessGuid"));
            parent.text("command_line", data.of("ParentCommandLine"));
            parent.number("pid", data.of("ParentProcessId").parse().unwrap_or_default());
            process.text("working_directory", data.of("CurrentDirectory"));
            process.object("hash", &hashes(data.of("Hashes")), order);
            let mut pe = Members::default();
            pe.text("original_file_name", data.of("OriginalFileName"));
            pe.text("company", data.of("Company"));
            pe.text("description", data.of("Description"));
            pe.text("file_version", data.of("FileVersion"));
            pe.text("product", data.of("Product"));
            process.object("pe", &pe, order);
        }
    }
    process.object("parent", &parent, order);
    process
}

fn from_hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default()
}

/// Sysmon's records tell a name and carry the id of the account that writes them; a connection of
/// the Security channel tells nobody.
fn user(event: &Event) -> Option<Members> {
    let mut user = Members::default();
    if event.kind.is_sysmon() {
        let name = [event.data.of("User"), event.data.of("SourceUser")].concat();
        let (domain, name) = name.split_once('\\')?;
        user.text("domain", domain);
        user.text("name", name);
        user.text("id", "S-1-5-18");
        return Some(user);
    }
    let Act::Start(start) = &event.act else { return None };
    user.text("domain", event.data.of("SubjectDomainName"));
    user.text("name", event.data.of("SubjectUserName"));
    user.text("id", &start.user_id);
    Some(user)
}

fn hashes(text: &str) -> Members {
    let mut hashes = Members::default();
    for (name, value) in text.split(',').filter_map(|part| part.split_once('=')) {
        hashes.text(&name.to_lowercase(), &value.to_lowercase());
    }
    hashes
}

fn library(data: &Data, members: &mut Members, order: &mut Random) {
    let path = data.of("ImageLoaded");
    let mut signature = Members::default();
    signature.raw("exists", data.of("Signed").as_bytes());
    signature.text("status", data.of("SignatureStatus"));
    signature.text("subject_name", data.of("Signature"));
    let mut pe = Members::default();
    pe.text("original_file_name", data.of("OriginalFileName"));
    pe.text("company", data.of("Company"));
    pe.text("product", data.of("Product"));
    let mut dll = Members::default();
    dll.text("path", path);
    dll.text("name", base_name(path));
    dll.object("hash", &hashes(data.of("Hashes")), order);
    dll.object("code_signature", &signature, order);
    dll.object("pe", &pe, order);
    members.object("dll", &dll, order);
    file(path, members, order);
}

fn file(path: &str, members: &mut Members, order: &mut Random) {
    let mut file = Members::default();
    file.text("path", path);
    file.text("name", base_name(path));
    if let Some((directory, _)) = path.rsplit_once('\\') {
        file.text("directory", directory);
    }
    if let Some((_, extension)) = base_name(path).rsplit_once('.') {
        file.text("extension", extension);
    }
    members.object("file", &file, order);
}

fn registry(data: &Data, members: &mut Members, order: &mut Random) {
    let path = data.of("TargetObject");
    let (hive, key) = path.split_once('\\').unwrap_or((path, ""));
    let mut registry = Members::default();
    registry.text("path", path);
    registry.text("hive", hive);
    registry.text("key", key);
    registry.text("value", base_name(path));
    if let Some(number) = data.of("Details").strip_prefix("DWORD (0x") {
        let number = from_hex(number.trim_end_matches(')'));
        let written = format!("{{\"type\":\"SZ_DWORD\",\"strings\":[\"{number}\"]}}");
        registry.raw("data", written.as_bytes());
    }
    members.object("registry", &registry, order);
}

fn dns(data: &Data, members: &mut Members, order: &mut Random) {
    let name = data.of("QueryName");
    let address = data.of("QueryResults").trim_start_matches("::ffff:").trim_end_matches(';');
    let domain = name.split_once('.').map_or(name, |(_, domain)| domain);
    let mut question = Members::default();
    question.text("name", name);
    question.text("registered_domain", domain);
    let mut dns = Members::default();
    dns.object("question", &question, order);
    dns.raw("answers", format!("[{{\"type\":\"A\",\"data\":\"{address}\"}}]").as_bytes());
    dns.texts("resolved_ip", &[address]);
    members.object("dns", &dns, order);
}
