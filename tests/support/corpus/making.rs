//! Makes events: what Windows records of each kind, with names and numbers of chance.

use super::chance::Random;
use super::event::{Act, Connect, Data, Event, Kind, Start, base_name};
use super::hosts::{Host, address, hex, uuid};

const SYSTEM32: &str = r"C:\Windows\System32\";

/// Programs, below [`SYSTEM32`] unless they name a drive, each with its share of all events.
const PROGRAMS: [(&str, u64); 20] = [
    ("svchost.exe", 340),
    (r"C:\Windows\explorer.exe", 70),
    ("lsass.exe", 65),
    (r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe", 60),
    (r"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.24020.7-0\MsMpEng.exe", 55),
    ("services.exe", 50),
    (r"wbem\WmiPrvSE.exe", 40),
    ("taskhostw.exe", 40),
    (r"C:\Program Files\Mozilla Firefox\firefox.exe", 40),
    ("conhost.exe", 35),
    (r"C:\Program Files\Microsoft Office\root\Office16\EXCEL.EXE", 30),
    ("cmd.exe", 30),
    (r"WindowsPowerShell\v1.0\powershell.exe", 30),
    ("RuntimeBroker.exe", 25),
    (r"C:\Program Files\Winlogbeat\winlogbeat.exe", 25),
    ("SearchIndexer.exe", 20),
    ("System", 15),
    ("spoolsv.exe", 15),
    ("rundll32.exe", 10),
    ("dllhost.exe", 5),
];
const LIBRARIES: [&str; 12] = [
    "ntdll.dll",
    "kernel32.dll",
    "KernelBase.dll",
    "advapi32.dll",
    "wbemprox.dll",
    "wmiutils.dll",
    "amsi.dll",
    "rpcrt4.dll",
    "combase.dll",
    "bcryptprimitives.dll",
    "samcli.dll",
    "taskschd.dll",
];
const REGISTRY: [&str; 5] = [
    r"HKLM\System\CurrentControlSet\Services\W32Time\Config\",
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\",
    r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\Tree\",
    r"HKU\S-1-5-21-3623811015-3361044348-30300820-1013\Software\Microsoft\Office\16.0\Excel\",
    r"HKLM\System\CurrentControlSet\Control\Session Manager\Environment\",
];
const SITES: [&str; 5] = [
    "mail.lab.example",
    "wpad.lab.example",
    "time.vendor.example",
    "dc02.lab.example",
    "cdn.vendor.example",
];
/// Ports that servers listen on, each with its share in per cent.
const PORTS: [(u16, u64); 10] = [
    (443, 40),
    (389, 12),
    (80, 10),
    (445, 9),
    (53, 8),
    (88, 7),
    (9_200, 5),
    (5_985, 4),
    (49_667, 3),
    (135, 2),
];
const NETWORK_SERVICE: &str = r"NT AUTHORITY\NETWORK SERVICE";
const SYSTEM: &str = r"NT AUTHORITY\SYSTEM";

/// What an event shall be; the rest is chance.
#[derive(Clone, Default)]
pub(super) struct Wish {
    pub(super) image: Option<String>,
    pub(super) parent_image: Option<String>,
    /// Behind the image.
    pub(super) args: Option<Vec<&'static str>>,
    pub(super) integrity: Option<&'static str>,
    pub(super) user: Option<&'static str>,
    pub(super) is_incoming: Option<bool>,
    pub(super) peer: Option<String>,
    pub(super) port: Option<u16>,
}

/// Who and when.
pub(super) struct Moment<'h> {
    pub(super) number: u64,
    pub(super) at: i64,
    pub(super) host: usize,
    pub(super) on: &'h Host,
}

/// The path of a system's program.
pub(super) fn system32(name: &str) -> String {
    format!("{SYSTEM32}{name}")
}

/// Makes one event.
pub(super) fn make(kind: Kind, moment: &Moment<'_>, wish: Wish, chance: &mut Random) -> Event {
    let mut making = Making::new(kind, moment, &wish, chance);
    let act = match kind {
        Kind::ProcessCreate | Kind::AuditedProcess => making.start(wish),
        Kind::Connection | Kind::AuditedConnection => making.connect(wish),
        _ => {
            making.other();
            Act::Other
        }
    };
    let Making { data, chance, .. } = making;
    let writer = (chance.below(4_000) + 1_500, chance.below(9_000) + 100);
    let read_after_ms = chance.between(200, 2_200);
    let Moment { number, at, host, .. } = *moment;
    Event { number, at, host, kind, act, data, read_after_ms, writer }
}

struct Making<'m> {
    kind: Kind,
    on: &'m Host,
    time: String,
    image: String,
    pid: u64,
    user: String,
    data: Data,
    chance: &'m mut Random,
}

impl<'m> Making<'m> {
    fn new(kind: Kind, moment: &Moment<'m>, wish: &Wish, chance: &'m mut Random) -> Self {
        let image = wish.image.clone().unwrap_or_else(|| program(chance));
        let user = match (wish.user, chance.chance(60)) {
            (Some(user), _) => user.to_owned(),
            (None, true) => SYSTEM.to_owned(),
            (None, false) => format!(r"LAB\staff{:03}", chance.below(500)),
        };
        let time = super::time::sysmon(moment.at);
        let pid = 4 * chance.between(100, 5_000) as u64;
        Self { kind, on: moment.on, time, image, pid, user, data: Data::default(), chance }
    }

    fn guid(&mut self) -> String {
        format!("{{{}}}", uuid(self.chance))
    }

    /// What all of Sysmon's records of a process begin with.
    fn sysmon_head(&mut self) {
        let guid = self.guid();
        self.data.add("RuleName", "-").add("UtcTime", self.time.clone());
        self.data.add("ProcessGuid", guid).add("ProcessId", self.pid.to_string());
        self.data.add("Image", self.image.clone());
    }

    fn hashes(&mut self) -> String {
        let mut of = |name, digits| format!("{name}={}", hex(self.chance, digits));
        [of("SHA1", 40), of("MD5", 32), of("SHA256", 64), of("IMPHASH", 32)].join(",")
    }

    fn start(&mut self, wish: Wish) -> Act {
        let parent = wish.parent_image.unwrap_or_else(|| {
            let parent = program(self.chance);
            // Its children are those that somebody wants.
            if parent.ends_with("WmiPrvSE.exe") { system32("services.exe") } else { parent }
        });
        let wanted = wish.args.unwrap_or_else(|| vec!["-k", "netsvcs", "-p", "-s", "Schedule"]);
        let mut args = vec![self.image.clone()];
        args.extend(wanted.into_iter().map(str::to_owned));
        let quoted =
            |arg: &String| if arg.contains(' ') { format!("\"{arg}\"") } else { arg.clone() };
        let line = args.iter().map(quoted).collect::<Vec<_>>().join(" ");
        let image = self.image.clone();
        if self.kind == Kind::ProcessCreate {
            let by_user = ["Medium", "High"][self.chance.below(2) as usize];
            let usual = if self.user == SYSTEM { "System" } else { by_user };
            let integrity = wish.integrity.unwrap_or(usual);
            self.sysmon_start(&line, &parent, integrity);
            let user_id = "S-1-5-18".to_owned();
            return Act::Start(Start {
                image,
                args,
                parent_image: parent,
                integrity: Some(integrity),
                user_id,
            });
        }
        let user_id = self.audited_start(&line, &parent);
        let args = line.split_whitespace().map(str::to_owned).collect();
        Act::Start(Start { image, args, parent_image: parent, integrity: None, user_id })
    }

    fn sysmon_start(&mut self, line: &str, parent: &str, integrity: &str) {
        self.sysmon_head();
        let (logon, parent_guid, hashes) = (self.guid(), self.guid(), self.hashes());
        let original = base_name(&self.image).to_owned();
        let (logon_id, parent_id) = (self.chance.below(1 << 24), 4 * self.chance.below(5_000));
        self.data
            .add("FileVersion", "10.0.20348.1 (WinBuild.160101.0800)")
            .add("Description", "A program of the operating system")
            .add("Product", "Microsoft® Windows® Operating System")
            .add("Company", "Microsoft Corporation")
            .add("OriginalFileName", original)
            .add("CommandLine", line)
            .add("CurrentDirectory", SYSTEM32)
            .add("User", self.user.clone())
            .add("LogonGuid", logon)
            .add("LogonId", format!("0x{logon_id:x}"))
            .add("TerminalSessionId", "0")
            .add("IntegrityLevel", integrity)
            .add("Hashes", hashes)
            .add("ParentProcessGuid", parent_guid)
            .add("ParentProcessId", parent_id.to_string())
            .add("ParentImage", parent)
            .add("ParentCommandLine", format!("{parent} -secured -Embedding"))
            .add("ParentUser", NETWORK_SERVICE);
    }

    /// Returns the id of the account that started it.
    fn audited_start(&mut self, line: &str, parent: &str) -> String {
        let machine = format!("{}$", self.on.name);
        let (domain, name) = self.user.split_once('\\').unwrap_or(("", ""));
        let (user_id, subject, subject_domain) = match &*self.user {
            SYSTEM => ("S-1-5-18".to_owned(), machine, "LAB".to_owned()),
            NETWORK_SERVICE => ("S-1-5-20".to_owned(), machine, "LAB".to_owned()),
            _ => {
                let id = 1_100 + self.chance.below(500);
                (
                    format!("S-1-5-21-1004336348-1177238915-682003330-{id}"),
                    name.to_owned(),
                    domain.to_owned(),
                )
            }
        };
        let parent_id = 4 * self.chance.below(5_000);
        self.data
            .add("SubjectUserSid", user_id.clone())
            .add("SubjectUserName", subject)
            .add("SubjectDomainName", subject_domain)
            .add("SubjectLogonId", "0x3e7")
            .add("NewProcessId", format!("0x{:x}", self.pid))
            .add("NewProcessName", self.image.clone())
            .add("TokenElevationType", "%%1936")
            .add("ProcessId", format!("0x{parent_id:x}"))
            .add("CommandLine", line)
            .add("TargetUserSid", "S-1-0-0")
            .add("TargetUserName", "-")
            .add("TargetDomainName", "-")
            .add("TargetLogonId", "0x0")
            .add("ParentProcessName", parent)
            .add("MandatoryLabel", "S-1-16-16384");
        user_id
    }

    fn connect(&mut self, wish: Wish) -> Act {
        let is_incoming = wish.is_incoming.unwrap_or_else(|| self.chance.chance(25));
        let peer = wish.peer.unwrap_or_else(|| address(self.chance.below(20_000) as usize));
        let own_port = self.chance.between(49_152, 65_534) as u16;
        let port = wish.port.unwrap_or_else(|| *weighted(&PORTS, self.chance));
        let own = self.on.ip.clone();
        let (source, destination) = if is_incoming { (peer, own) } else { (own, peer) };
        let (source, destination) = ((source, own_port), (destination, port));
        if self.kind == Kind::Connection {
            self.sysmon_head();
            self.data
                .add("User", self.user.clone())
                .add("Protocol", "tcp")
                .add("Initiated", if is_incoming { "false" } else { "true" })
                .add("SourceIsIpv6", "false")
                .add("SourceIp", source.0.clone())
                .add("SourceHostname", "-")
                .add("SourcePort", source.1.to_string())
                .add("SourcePortName", "-")
                .add("DestinationIsIpv6", "false")
                .add("DestinationIp", destination.0.clone())
                .add("DestinationHostname", "-")
                .add("DestinationPort", destination.1.to_string())
                .add("DestinationPortName", "-");
        } else {
            // The filtering platform names files by device, in small letters.
            let application = self.image.replace("C:", r"\device\harddiskvolume3").to_lowercase();
            self.data
                .add("ProcessID", self.pid.to_string())
                .add("Application", application)
                .add("Direction", if is_incoming { "%%14592" } else { "%%14593" })
                .add("SourceAddress", source.0.clone())
                .add("SourcePort", source.1.to_string())
                .add("DestAddress", destination.0.clone())
                .add("DestPort", destination.1.to_string())
                .add("Protocol", "6")
                .add("FilterRTID", (68_000 + self.chance.below(5_000)).to_string())
                .add("LayerName", "%%14610")
                .add("LayerRTID", "44")
                .add("RemoteUserID", "S-1-0-0")
                .add("RemoteMachineID", "S-1-0-0");
        }
        Act::Connect(Connect { image: self.image.clone(), is_incoming, source, destination })
    }

    fn other(&mut self) {
        if self.kind == Kind::ProcessAccess {
            return self.access();
        }
        self.sysmon_head();
        let (time, user) = (self.time.clone(), self.user.clone());
        match self.kind {
            Kind::ImageLoad => {
                let (library, hashes) = (*self.chance.pick(&LIBRARIES), self.hashes());
                self.data
                    .add("ImageLoaded", system32(library))
                    .add("FileVersion", "10.0.20348.1 (WinBuild.160101.0800)")
                    .add("Description", "A library of the operating system")
                    .add("Product", "Microsoft® Windows® Operating System")
                    .add("Company", "Microsoft Corporation")
                    .add("OriginalFileName", library)
                    .add("Hashes", hashes)
                    .add("Signed", "true")
                    .add("Signature", "Microsoft Windows")
                    .add("SignatureStatus", "Valid");
            }
            Kind::FileCreate => {
                let (who, name) = (self.chance.below(500), hex(self.chance, 8));
                let path = format!(r"C:\Users\staff{who:03}\AppData\Local\Temp\~{name}.tmp");
                self.data.add("TargetFilename", path).add("CreationUtcTime", time);
            }
            Kind::RegistryKey | Kind::RegistryValue => {
                let is_value = self.kind == Kind::RegistryValue;
                let event_type = if is_value { "SetValue" } else { "CreateKey" };
                self.data.0.insert(1, ("EventType", event_type.to_owned()));
                let key = format!("{}{}", self.chance.pick(&REGISTRY), hex(self.chance, 10));
                self.data.add("TargetObject", key);
                if is_value {
                    let value = self.chance.below(1 << 32);
                    self.data.add("Details", format!("DWORD (0x{value:08x})"));
                }
            }
            Kind::DnsQuery => {
                let answer = format!("::ffff:{};", address(self.chance.below(20_000) as usize));
                let site = *self.chance.pick(&SITES);
                self.data
                    .add("QueryName", site)
                    .add("QueryStatus", "0")
                    .add("QueryResults", answer);
            }
            _ => {}
        }
        self.data.add("User", user);
    }

    fn access(&mut self) {
        let (source, target) = (self.guid(), self.guid());
        let (thread, target_id) = (self.chance.below(20_000), 4 * self.chance.below(5_000));
        let access = *self.chance.pick(&["0x1000", "0x1400", "0x1410", "0x1fffff"]);
        let frames = self.chance.between(3, 10);
        let frame = |_| {
            let (library, offset) = (*self.chance.pick(&LIBRARIES), self.chance.below(1 << 20));
            format!("{SYSTEM32}{library}+{offset:x}")
        };
        let trace = (0..frames).map(frame).collect::<Vec<_>>().join("|");
        let target_image = program(self.chance);
        self.data
            .add("RuleName", "-")
            .add("UtcTime", self.time.clone())
            .add("SourceProcessGUID", source)
            .add("SourceProcessId", self.pid.to_string())
            .add("SourceThreadId", thread.to_string())
            .add("SourceImage", self.image.clone())
            .add("TargetProcessGUID", target)
            .add("TargetProcessId", target_id.to_string())
            .add("TargetImage", target_image)
            .add("GrantedAccess", access)
            .add("CallTrace", trace)
            .add("SourceUser", self.user.clone())
            .add("TargetUser", SYSTEM);
    }
}

fn program(chance: &mut Random) -> String {
    let name = *weighted(&PROGRAMS, chance);
    if name == "System" || name.starts_with("C:") { name.to_owned() } else { system32(name) }
}

/// One of several, each as often as its weight says.
pub(super) fn weighted<'c, T>(choices: &'c [(T, u64)], chance: &mut Random) -> &'c T {
    let all: u64 = choices.iter().map(|(_, weight)| weight).sum();
    let mut at = chance.below(all);
    for (choice, weight) in choices {
        if at < *weight {
            return choice;
        }
        at -= weight;
    }
    &choices[0].0
}
