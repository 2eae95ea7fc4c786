//! What happens in the made-up network, before anybody writes it down.

/// One event as its host saw it. Both written shapes and the known answers are made from this alone.
pub(super) struct Event {
    /// The number in the order of event time. Alerts name it, and so do the known answers.
    pub(super) number: u64,
    /// Event time in milliseconds since 1970.
    pub(super) at: i64,
    /// The host, by its place in the list of hosts.
    pub(super) host: usize,
    pub(super) kind: Kind,
    pub(super) act: Act,
    /// What Windows puts under `winlog.event_data`, in its order.
    pub(super) data: Data,
    /// How long after it was written the collector reads it.
    pub(super) read_after_ms: i64,
    /// Of the service that writes the log: process and thread.
    pub(super) writer: (u64, u64),
}

/// The kinds of records, by channel and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ProcessCreate,
    Connection,
    ProcessEnd,
    ImageLoad,
    ProcessAccess,
    FileCreate,
    RegistryKey,
    RegistryValue,
    DnsQuery,
    /// The Security channel's record of a new process.
    AuditedProcess,
    /// The Security channel's record of a connection.
    AuditedConnection,
}

impl Kind {
    /// Each kind with its share in per cent, as under a moderately tuned policy of Sysmon.
    pub(super) const SHARES: [(Self, u64); 11] = [
        (Self::ImageLoad, 17),
        (Self::ProcessAccess, 16),
        (Self::RegistryKey, 12),
        (Self::RegistryValue, 12),
        (Self::AuditedConnection, 9),
        (Self::Connection, 8),
        (Self::FileCreate, 8),
        (Self::ProcessCreate, 5),
        (Self::DnsQuery, 5),
        (Self::ProcessEnd, 4),
        (Self::AuditedProcess, 4),
    ];

    pub(super) fn is_sysmon(self) -> bool {
        !matches!(self, Self::AuditedProcess | Self::AuditedConnection)
    }

    /// Windows' number of the kind.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::ProcessCreate => "1",
            Self::Connection => "3",
            Self::ProcessEnd => "5",
            Self::ImageLoad => "7",
            Self::ProcessAccess => "10",
            Self::FileCreate => "11",
            Self::RegistryKey => "12",
            Self::RegistryValue => "13",
            Self::DnsQuery => "22",
            Self::AuditedProcess => "4688",
            Self::AuditedConnection => "5156",
        }
    }

    /// The task's text, which a collector calls the action.
    pub(super) fn task(self) -> &'static str {
        match self {
            Self::ProcessCreate => "Process Create (rule: ProcessCreate)",
            Self::Connection => "Network connection detected (rule: NetworkConnect)",
            Self::ProcessEnd => "Process terminated (rule: ProcessTerminate)",
            Self::ImageLoad => "Image loaded (rule: ImageLoad)",
            Self::ProcessAccess => "Process accessed (rule: ProcessAccess)",
            Self::FileCreate => "File created (rule: FileCreate)",
            Self::RegistryKey => "Registry object added or deleted (rule: RegistryEvent)",
            Self::RegistryValue => "Registry value set (rule: RegistryEvent)",
            Self::DnsQuery => "Dns query (rule: DnsQuery)",
            Self::AuditedProcess => "Process Creation",
            Self::AuditedConnection => "Filtering Platform Connection",
        }
    }
}

/// What of an event the shipped rules ask about.
pub(super) enum Act {
    /// A process was started.
    Start(Start),
    /// A connection was opened or accepted.
    Connect(Connect),
    /// Something that no shipped rule looks at.
    Other,
}

pub(super) struct Start {
    pub(super) image: String,
    /// As the channel's fields tell them: Sysmon's are split as Windows does it, those of the
    /// Security channel at blanks.
    pub(super) args: Vec<String>,
    pub(super) parent_image: String,
    /// Sysmon's word; the Security channel has a label instead.
    pub(super) integrity: Option<&'static str>,
    /// What the record's `user.id` is.
    pub(super) user_id: String,
}

pub(super) struct Connect {
    pub(super) image: String,
    pub(super) is_incoming: bool,
    pub(super) source: (String, u16),
    pub(super) destination: (String, u16),
}

/// Named texts, in the order in which Windows writes them.
#[derive(Default)]
pub(super) struct Data(pub(super) Vec<(&'static str, String)>);

impl Data {
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// The value of a name; empty where there is none.
    pub(super) fn of(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(each, _)| *each == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The last part of a path of Windows.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('\\').next().unwrap_or(path)
}
