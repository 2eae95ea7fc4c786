//! The Security channel.

use crate::normalize::convert::{Convert, Inner};
use crate::normalize::names;
use crate::normalize::table::{Channel, Map, Row, community, copy, each, first, path, replace};

/// The channel's table.
pub(super) static CHANNEL: Channel = Channel {
    name: "Security",
    dataset: Some("system.security"),
    module: Some(("security", "system")),
    maps: &[],
    rows: ROWS,
    other: Row { ids: &[], category: &[], types: &[], action: &[], maps: &[ACTOR, SUBJECT] },
};

/// Writes a row whose actor is the subject and that needs no other fields.
const fn row(
    ids: &'static [u32],
    category: &'static [&'static str],
    types: &'static [&'static str],
    action: &'static [&'static str],
) -> Row {
    with(ids, category, types, action, ONLY_SUBJECT)
}

static ONLY_SUBJECT: &[&[Map]] = &[SUBJECT];

/// Writes a row with its operations.
const fn with(
    ids: &'static [u32],
    category: &'static [&'static str],
    types: &'static [&'static str],
    action: &'static [&'static str],
    maps: &'static [&'static [Map]],
) -> Row {
    Row { ids, category, types, action, maps }
}

const PROCESS: &[&str] = &["process"];
const AUTHENTICATION: &[&str] = &["authentication"];
const SESSION: &[&str] = &["authentication", "session"];
const IAM: &[&str] = &["iam"];
const CONFIGURATION: &[&str] = &["iam", "configuration"];

const POLICY: &[&str] = &["configuration"];

const CREATION: &[&str] = &["creation"];
const CHANGE: &[&str] = &["change"];
const DELETION: &[&str] = &["deletion"];
const USER_INFO: &[&str] = &["user", "info"];
const START: &[&str] = &["start"];
const END: &[&str] = &["end"];
const ADMIN: &[&str] = &["admin"];
const ADMIN_CREATION: &[&str] = &["creation", "admin"];
const ADMIN_CHANGE: &[&str] = &["admin", "change"];
const ADMIN_DELETION: &[&str] = &["deletion", "admin"];
const USER_CREATION: &[&str] = &["user", "creation"];
const USER_CHANGE: &[&str] = &["user", "change"];
const USER_DELETION: &[&str] = &["user", "deletion"];
const GROUP_CREATION: &[&str] = &["group", "creation"];
const GROUP_CHANGE: &[&str] = &["group", "change"];
const GROUP_DELETION: &[&str] = &["group", "deletion"];

static ROWS: &[Row] = &[
    with(&[4688], PROCESS, START, &["created-process"], &[CREATED, SUBJECT, EFFECTIVE]),
    with(&[4689], PROCESS, END, &["exited-process"], &[ACTOR, SUBJECT]),
    with(&[4624], AUTHENTICATION, START, &["logged-in"], &[LOGON, ORIGIN, ACTOR, TARGET]),
    with(
        &[4625],
        AUTHENTICATION,
        START,
        &["logon-failed"],
        &[LOGON, FAILURE, ORIGIN, ACTOR, TARGET],
    ),
    with(&[4634, 4647], AUTHENTICATION, END, &["logged-out"], &[LOGON, TARGET]),
    with(
        &[4648],
        AUTHENTICATION,
        START,
        &["logged-in-explicit"],
        &[ORIGIN, ACTOR, SUBJECT, EFFECTIVE],
    ),
    with(&[4672], IAM, ADMIN, &["logged-in-special"], &[PRIVILEGES, SUBJECT]),
    with(&[4673], IAM, ADMIN, &["privileged-service-called"], &[PRIVILEGES, ACTOR, SUBJECT]),
    with(&[4674], IAM, ADMIN, &["privileged-operation"], &[PRIVILEGES, ACTOR, SUBJECT]),
    with(&[4697], CONFIGURATION, &["admin", "change"], &["service-installed"], &[SERVICE, SUBJECT]),
    with(&[4698], CONFIGURATION, ADMIN_CREATION, &["scheduled-task-created"], &[TASK, SUBJECT]),
    with(&[4699], CONFIGURATION, ADMIN_DELETION, &["scheduled-task-deleted"], &[TASK, SUBJECT]),
    with(&[4700], CONFIGURATION, ADMIN_CHANGE, &["scheduled-task-enabled"], &[TASK, SUBJECT]),
    with(&[4701], CONFIGURATION, ADMIN_CHANGE, &["scheduled-task-disabled"], &[TASK, SUBJECT]),
    with(&[4702], CONFIGURATION, ADMIN_CHANGE, &["scheduled-task-updated"], &[TASK, SUBJECT]),
    row(&[4616], CONFIGURATION, ADMIN_CHANGE, &["changed-system-time"]),
    row(&[4670], CONFIGURATION, ADMIN_CHANGE, &["permissions-changed"]),
    row(&[4706], POLICY, CREATION, &["domain-trust-added"]),
    row(&[4707], POLICY, DELETION, &["domain-trust-removed"]),
    row(&[4713], POLICY, CHANGE, &["kerberos-policy-changed"]),
    row(&[4716], POLICY, CHANGE, &["trusted-domain-information-changed"]),
    row(&[4717], CONFIGURATION, ADMIN_CHANGE, &["system-security-access-granted"]),
    row(&[4718], CONFIGURATION, ADMIN_DELETION, &["system-security-access-removed"]),
    row(&[4719], CONFIGURATION, ADMIN_CHANGE, &["changed-audit-config"]),
    row(&[4739], POLICY, CHANGE, &["domain-policy-changed"]),
    with(&[4798], IAM, USER_INFO, &["group-membership-enumerated"], &[SUBJECT, TARGET_USER]),
    with(&[4799], IAM, USER_INFO, &["user-member-enumerated"], &[SUBJECT, GROUP]),
    row(&[4817], CONFIGURATION, ADMIN_CHANGE, &["object-audit-changed"]),
    row(&[4902], CONFIGURATION, ADMIN_CREATION, &["user-audit-policy-created"]),
    row(&[4904], CONFIGURATION, ADMIN_CHANGE, &["security-event-source-added"]),
    row(&[4905], CONFIGURATION, ADMIN_DELETION, &["security-event-source-removed"]),
    row(&[4906], CONFIGURATION, ADMIN_CHANGE, &["crash-on-audit-changed"]),
    row(&[4907], CONFIGURATION, ADMIN_CHANGE, &["audit-setting-changed"]),
    row(&[4908], CONFIGURATION, ADMIN_CHANGE, &["special-group-table-changed"]),
    row(&[4912], CONFIGURATION, ADMIN_CHANGE, &["per-user-audit-policy-changed"]),
    row(&[4964], IAM, &["admin", "group"], &["logged-in-special"]),
    with(&[4720], IAM, USER_CREATION, &["added-user-account"], &[SUBJECT, TARGET_USER, ACCOUNT]),
    with(&[4722], IAM, USER_CHANGE, &["enabled-user-account"], &[SUBJECT, TARGET_USER]),
    with(&[4723], IAM, USER_CHANGE, &["changed-password"], &[SUBJECT, TARGET_USER]),
    with(&[4724], IAM, USER_CHANGE, &["reset-password"], &[SUBJECT, TARGET_USER]),
    with(&[4725], IAM, USER_DELETION, &["disabled-user-account"], &[SUBJECT, TARGET_USER]),
    with(&[4726], IAM, USER_DELETION, &["deleted-user-account"], &[SUBJECT, TARGET_USER]),
    with(&[4738], IAM, USER_CHANGE, &["modified-user-account"], &[SUBJECT, TARGET_USER, ACCOUNT]),
    with(&[4740], IAM, USER_CHANGE, &["locked-out-user-account"], &[SUBJECT, TARGET_USER]),
    with(&[4767], IAM, USER_CHANGE, &["unlocked-user-account"], &[SUBJECT, TARGET_USER]),
    with(&[4781], IAM, USER_CHANGE, &["renamed-user-account"], &[SUBJECT, TARGET_USER, RENAMED]),
    with(
        &[4727, 4731, 4744, 4749, 4754, 4759],
        IAM,
        GROUP_CREATION,
        &["added-group-account"],
        &[SUBJECT, GROUP],
    ),
    with(
        &[4728, 4732, 4746, 4751, 4756, 4761],
        IAM,
        GROUP_CHANGE,
        &["added-member-to-group"],
        &[SUBJECT, GROUP, MEMBER],
    ),
    with(
        &[4729, 4733, 4747, 4752, 4757, 4762],
        IAM,
        GROUP_CHANGE,
        &["removed-member-from-group"],
        &[SUBJECT, GROUP, MEMBER],
    ),
    with(
        &[4730, 4734, 4748, 4753, 4758, 4763],
        IAM,
        GROUP_DELETION,
        &["deleted-group-account"],
        &[SUBJECT, GROUP],
    ),
    with(
        &[4735, 4737, 4745, 4750, 4755, 4760],
        IAM,
        GROUP_CHANGE,
        &["modified-group-account"],
        &[SUBJECT, GROUP],
    ),
    with(&[4764], IAM, GROUP_CHANGE, &["type-changed-group-account"], &[SUBJECT, GROUP]),
    with(&[4741], IAM, ADMIN_CREATION, &["added-computer-account"], &[SUBJECT, COMPUTER, ACCOUNT]),
    with(&[4742], IAM, ADMIN_CHANGE, &["changed-computer-account"], &[SUBJECT, COMPUTER, ACCOUNT]),
    with(&[4743], IAM, ADMIN_DELETION, &["deleted-computer-account"], &[SUBJECT, COMPUTER]),
    with(
        &[4768],
        AUTHENTICATION,
        START,
        &["kerberos-authentication-ticket-requested"],
        &[TICKET, ORIGIN, TARGET],
    ),
    with(
        &[4769],
        AUTHENTICATION,
        START,
        &["kerberos-service-ticket-requested"],
        &[TICKET, ORIGIN, TARGET],
    ),
    with(
        &[4770],
        AUTHENTICATION,
        START,
        &["kerberos-service-ticket-renewed"],
        &[TICKET, ORIGIN, TARGET],
    ),
    with(&[4771], AUTHENTICATION, START, &["kerberos-preauth-failed"], &[TICKET, ORIGIN, TARGET]),
    with(&[4776], AUTHENTICATION, START, &["credential-validated"], &[VALIDATION, ORIGIN, TARGET]),
    with(&[4778], SESSION, START, &["session-reconnected"], &[TERMINAL]),
    with(&[4779], SESSION, END, &["session-disconnected"], &[TERMINAL]),
    with(
        &[5140],
        &["network", "file"],
        &["info", "access"],
        &["network-share-object-accessed"],
        &[ORIGIN, ACCESS, SUBJECT],
    ),
    with(
        &[5145],
        &["network", "file"],
        &["info", "access"],
        &["network-share-object-access-checked"],
        &[ORIGIN, SHARED_FILE, ACCESS, SUBJECT],
    ),
    // Winlogbeat maps neither of these, and Elastic Agent leaves the process out: this is ours.
    with(
        &[5156],
        &["network"],
        &["start", "connection", "allowed"],
        &["windows-firewall-connection"],
        &[CONNECTION],
    ),
    with(
        &[5157],
        &["network"],
        &["start", "connection", "denied"],
        &["windows-firewall-connection"],
        &[CONNECTION],
    ),
    with(&[1100], PROCESS, END, &["logging-service-shutdown"], &[]),
    with(&[1104], IAM, ADMIN, &["logging-full"], &[]),
    with(&[1105], IAM, ADMIN, &["auditlog-archieved"], &[]),
    with(&[1108], IAM, ADMIN, &["logging-processing-error"], &[]),
    with(&[1102], IAM, ADMIN_CHANGE, &["audit-log-cleared"], &[CLEARED]),
];

const NEW_PROCESS: &[&str] = &["NewProcessName"];
const PARENT_PROCESS: &[&str] = &["ParentProcessName"];
const COMMAND_LINE: &[&str] = &["CommandLine"];

static CREATED: &[Map] = &[
    first("process.pid", &["NewProcessId"], Convert::Number),
    copy("process.executable", NEW_PROCESS),
    first("process.name", NEW_PROCESS, Convert::BaseName),
    first("process.parent.pid", &["ProcessId"], Convert::Number),
    copy("process.parent.executable", PARENT_PROCESS),
    first("process.parent.name", PARENT_PROCESS, Convert::BaseName),
    copy("process.command_line", COMMAND_LINE),
    first("process.args", COMMAND_LINE, Convert::PlainArgs),
    first("process.args_count", COMMAND_LINE, Convert::PlainArgCount),
    each("related.user", &["SubjectUserName", "TargetUserName"], Convert::Text),
];

/// The process that did it.
static ACTOR: &[Map] = &[
    first("process.pid", &["ProcessId"], Convert::Number),
    copy("process.executable", &["ProcessName"]),
    first("process.name", &["ProcessName"], Convert::BaseName),
];

/// The account that did it is the subject.
static SUBJECT: &[Map] = &[
    copy("user.id", &["SubjectUserSid"]),
    copy("user.name", &["SubjectUserName"]),
    copy("user.domain", &["SubjectDomainName"]),
    copy("winlog.logon.id", &["SubjectLogonId"]),
    each("related.user", &["SubjectUserName"], Convert::Text),
];

/// The account that did it is the target: it logs on, or off.
static TARGET: &[Map] = &[
    copy("user.id", &["TargetUserSid", "TargetSid"]),
    copy("user.name", &["TargetUserName"]),
    copy("user.domain", &["TargetDomainName"]),
    copy("winlog.logon.id", &["TargetLogonId"]),
    each("related.user", &["TargetUserName", "SubjectUserName"], Convert::Text),
];

/// The account as which it is done.
static EFFECTIVE: &[Map] = &[
    copy("user.effective.id", &["TargetUserSid"]),
    copy("user.effective.name", &["TargetUserName"]),
    copy("user.effective.domain", &["TargetDomainName"]),
];

static LOGON: &[Map] =
    &[first("winlog.logon.type", &["LogonType"], Convert::Named(names::LOGON_TYPES))];

static ORIGIN: &[Map] = &[
    first("source.ip", &["IpAddress"], Convert::MappedAddress),
    first("source.port", &["IpPort"], Convert::Number),
    copy("source.domain", &["WorkstationName", "Workstation"]),
    each("related.ip", &["IpAddress"], Convert::MappedAddress),
];

static FAILURE: &[Map] = &[
    first("winlog.logon.failure.reason", &["FailureReason"], Convert::Named(names::FAILURES)),
    first("winlog.logon.failure.status", &["Status"], Convert::Known(names::LOGON_STATUS)),
    first("winlog.logon.failure.sub_status", &["SubStatus"], Convert::Known(names::LOGON_STATUS)),
];

static VALIDATION: &[Map] = &[
    first("winlog.event_data.StatusDescription", &["Status"], Convert::Known(names::LOGON_STATUS)),
    first("winlog.logon.failure.status", &["Status"], Convert::Known(names::LOGON_STATUS)),
];

static ACCOUNT: &[Map] = &[
    first("winlog.event_data.NewUACList", &["NewUacValue"], Convert::Flags(names::ACCOUNT_FLAGS)),
    first("winlog.event_data.OldUACList", &["OldUacValue"], Convert::Flags(names::ACCOUNT_FLAGS)),
];

static ACCESS: &[Map] = &[first(
    "winlog.event_data.AccessMaskDescription",
    &["AccessMask"],
    Convert::Flags(names::ACCESS_RIGHTS),
)];

const TASK_XML: &[&str] = &["TaskContent", "TaskContentNew"];

/// What the XML of a task says: ours, under a name that no pipeline of Elastic's uses.
static TASK: &[Map] = &[
    copy("maxspan.task.name", &["TaskName"]),
    first("maxspan.task.command", TASK_XML, Convert::Xml("Command")),
    first("maxspan.task.arguments", TASK_XML, Convert::Xml("Arguments")),
    first("maxspan.task.author", TASK_XML, Convert::Xml("Author")),
    first("maxspan.task.user_id", TASK_XML, Convert::Xml("UserId")),
    first("maxspan.task.run_level", TASK_XML, Convert::Xml("RunLevel")),
    first("maxspan.task.hidden", TASK_XML, Convert::Xml("Hidden")),
];

static PRIVILEGES: &[Map] =
    &[replace("winlog.event_data.PrivilegeList", &["PrivilegeList"], Convert::Words)];

static SERVICE: &[Map] = &[
    copy("service.name", &["ServiceName"]),
    first("service.type", &["ServiceType"], Convert::Named(names::SERVICE_TYPES)),
];

static TARGET_USER: &[Map] = &[
    copy("user.target.id", &["TargetSid"]),
    copy("user.target.name", &["TargetUserName"]),
    copy("user.target.domain", &["TargetDomainName"]),
    each("related.user", &["SubjectUserName", "TargetUserName"], Convert::Text),
];

static RENAMED: &[Map] = &[
    copy("user.target.name", &["OldTargetUserName"]),
    copy("user.changes.name", &["NewTargetUserName"]),
];

static GROUP: &[Map] = &[
    copy("group.id", &["TargetSid"]),
    copy("group.name", &["TargetUserName"]),
    copy("group.domain", &["TargetDomainName"]),
];

static MEMBER: &[Map] = &[
    copy("user.target.id", &["MemberSid"]),
    first("user.target.name", &["MemberName"], Convert::CommonName),
];

static COMPUTER: &[Map] = &[
    copy("winlog.computerObject.id", &["TargetSid"]),
    copy("winlog.computerObject.name", &["TargetUserName"]),
    copy("winlog.computerObject.domain", &["TargetDomainName"]),
];

static TICKET: &[Map] = &[
    copy("service.name", &["ServiceName"]),
    first(
        "winlog.event_data.TicketEncryptionTypeDescription",
        &["TicketEncryptionType"],
        Convert::Named(names::TICKET_ENCRYPTIONS),
    ),
    first(
        "winlog.event_data.TicketOptionsDescription",
        &["TicketOptions"],
        Convert::Flags(names::TICKET_OPTIONS),
    ),
    first(
        "winlog.event_data.StatusDescription",
        &["Status"],
        Convert::Known(names::KERBEROS_STATUS),
    ),
    first(
        "winlog.event_data.PreAuthTypeDescription",
        &["PreAuthType"],
        Convert::Known(names::PRE_AUTHENTICATION),
    ),
];

static TERMINAL: &[Map] = &[
    copy("user.name", &["AccountName"]),
    copy("user.domain", &["AccountDomain"]),
    copy("winlog.logon.id", &["LogonID"]),
    first("source.ip", &["ClientAddress"], Convert::MappedAddress),
    copy("source.domain", &["ClientName"]),
    each("related.ip", &["ClientAddress"], Convert::MappedAddress),
    each("related.user", &["AccountName"], Convert::Text),
];

const SHARED_PATH: &[&str] = &["ShareLocalPath", "RelativeTargetName"];

static SHARED_FILE: &[Map] = &[
    path("file.path", SHARED_PATH, Convert::SharePath(Inner::Text)),
    path("file.directory", SHARED_PATH, Convert::SharePath(Inner::Directory)),
    first("file.name", &["RelativeTargetName"], Convert::BaseName),
    path("file.target_path", &["ShareName", "RelativeTargetName"], Convert::Text),
];

const APPLICATION: &[&str] = &["Application"];

// "Source" is whoever began the connection, whatever Microsoft's page says.
static CONNECTION: &[Map] = &[
    copy("process.executable", APPLICATION),
    first("process.name", APPLICATION, Convert::BaseName),
    first("process.pid", &["ProcessID", "ProcessId"], Convert::Number),
    first("network.direction", &["Direction"], Convert::FirewallDirection),
    first("network.transport", &["Protocol"], Convert::Transport),
    copy("network.iana_number", &["Protocol"]),
    first("network.type", &["SourceAddress"], Convert::VersionOfAddress),
    first("source.ip", &["SourceAddress"], Convert::Address),
    first("source.port", &["SourcePort"], Convert::Number),
    first("destination.ip", &["DestAddress"], Convert::Address),
    first("destination.port", &["DestPort"], Convert::Number),
    community(&["SourceAddress", "SourcePort", "DestAddress", "DestPort", "Protocol"]),
    each("related.ip", &["SourceAddress", "DestAddress"], Convert::Address),
];

static CLEARED: &[Map] = &[
    copy("user.id", &["winlog.user_data.SubjectUserSid", "SubjectUserSid"]),
    copy("user.name", &["winlog.user_data.SubjectUserName", "SubjectUserName"]),
    copy("user.domain", &["winlog.user_data.SubjectDomainName", "SubjectDomainName"]),
    copy("winlog.logon.id", &["winlog.user_data.SubjectLogonId", "SubjectLogonId"]),
    each("related.user", &["winlog.user_data.SubjectUserName", "SubjectUserName"], Convert::Text),
];
