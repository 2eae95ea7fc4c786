//! Raw records to ECS: golden pairs, the recorded attacks, hostile records, and the property that
//! what rules see is what alerts show.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may fail, and says what it could not run"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use maxspan::event::decode::{Decoder, Limits};
use maxspan::event::{EventTime, FieldTable, Fields, NullsLast, OrdinalValue, Value};
use maxspan::normalize::{Documents, Envelope, IndexPatterns, Normalizer, Options, Shape};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::{Value as Json, json};

#[path = "support/corpus/mod.rs"]
mod corpus;
#[path = "support/lasting.rs"]
mod lasting;

/// The fields that the shipped WMI rules read.
const WMI_FIELDS: &[&str] = &[
    "destination.port",
    "event.category",
    "event.dataset",
    "event.type",
    "host.id",
    "host.os.type",
    "network.direction",
    "process.Ext.token.integrity_level_name",
    "process.args",
    "process.executable",
    "process.name",
    "process.parent.name",
    "source.ip",
    "source.port",
    "user.id",
    "winlog.event_data.IntegrityLevel",
];

/// A field table with its decoder and normalizer, as a rule set of these fields has them.
struct Reader {
    table: FieldTable,
    decoder: Decoder,
    normalizer: Normalizer,
}

type Values = Vec<Value<'static>>;

impl Reader {
    fn new(paths: &[&str], options: Options) -> Self {
        let mut table = FieldTable::default();
        paths.iter().for_each(|path| {
            table.intern(path);
        });
        let normalizer = Normalizer::new(&mut table, options);
        let decoder = Decoder::new(&table, Limits { max_nesting: 64 });
        Self { table, decoder, normalizer }
    }

    fn of(paths: &[&str]) -> Self {
        Self::new(paths, Options::default())
    }

    fn read<'a>(&self, payload: &'a [u8]) -> (Fields<'a>, Envelope) {
        let mut fields = Fields::new(self.table.len(), lasting::arena());
        self.decoder.decode(payload, &mut fields).expect("a readable record");
        let envelope = self.normalizer.normalize(&mut fields);
        (fields, envelope)
    }

    fn values(&self, fields: &Fields<'_>, path: &str) -> Values {
        let id = self.table.get(path).expect("a wanted field");
        fields.get(id).iter().map(|value| lasting::value(*value)).collect()
    }

    /// Returns the values of the first `count` fields: those that the rules read.
    fn all(&self, payload: &[u8], paths: &[&str]) -> BTreeMap<String, Values> {
        let (fields, _) = self.read(payload);
        paths.iter().map(|path| ((*path).to_owned(), self.values(&fields, path))).collect()
    }
}

/// Returns the values of fields in a document, as they stand.
fn plain(paths: &[&str], payload: &[u8]) -> BTreeMap<String, Values> {
    let mut table = FieldTable::default();
    paths.iter().for_each(|path| {
        table.intern(path);
    });
    let mut fields = Fields::new(table.len(), lasting::arena());
    let decoder = Decoder::new(&table, Limits { max_nesting: 127 });
    decoder.decode(payload, &mut fields).expect("a readable document");
    let values = |path: &str| -> Values {
        let id = table.get(path).expect("just interned");
        fields.get(id).iter().map(|value| lasting::value(*value)).collect()
    };
    paths.iter().map(|path| ((*path).to_owned(), values(path))).collect()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/normalize")
}

/// Names and contents of the golden inputs, sorted by name.
fn golden_inputs() -> Vec<(String, Vec<u8>)> {
    let mut inputs: Vec<_> = fs::read_dir(corpus())
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".in.json")?.to_owned();
            Some((name, fs::read(&path).expect("an input")))
        })
        .collect();
    inputs.sort();
    inputs
}

fn shared(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !found.exists() {
        println!("not run: ../shared/{path} absent");
        return None;
    }
    Some(found)
}

/// Lines of the recorded attacks; nothing if they are absent.
fn attacks() -> Option<Vec<String>> {
    let mut lines = Vec::new();
    for file in fs::read_dir(shared("data/attacks")?).expect("a folder") {
        let path = file.expect("an entry").path();
        let gzip = Command::new("gzip").arg("-dc").arg(path).stdout(Stdio::piped()).spawn();
        let Ok(mut gzip) = gzip else {
            println!("not run: no gzip on this machine");
            return None;
        };
        let output = BufReader::new(gzip.stdout.take().expect("a pipe"));
        lines.extend(output.lines().map(|line| line.expect("UTF-8")));
        assert!(gzip.wait().expect("gzip ends").success());
    }
    Some(lines)
}

#[test]
fn golden_pairs_hold() {
    let documents = Documents::new(Options::default());
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for (name, input) in golden_inputs() {
        let document = documents.document(&input).expect("a readable input");
        let found = format!("{}\n", serde_json::to_string_pretty(&document).expect("JSON"));
        let path = corpus().join(format!("{name}.ecs.json"));
        if is_update {
            fs::write(&path, &found).expect("a writable corpus");
        } else if fs::read_to_string(&path).ok().as_deref() != Some(&found) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "differ (UPDATE_EXPECT=1 rewrites them): {wrong:?}");
}

#[test]
fn documents_keep_what_they_were_made_of() {
    fn assert_kept(path: &str, old: &Json, new: &Json) {
        const CHANGED: &[&str] = &[
            "/@timestamp",
            "/event/action",
            "/event/code",
            "/event/created",
            "/event/dataset",
            "/data_stream/dataset",
            "/host/id",
            "/event.action",
            "/winlog/event_data/PrivilegeList",
        ];
        match (old, new) {
            _ if CHANGED.contains(&path) => {}
            (Json::Object(old), new) => old
                .iter()
                .for_each(|(key, old)| assert_kept(&format!("{path}/{key}"), old, &new[key])),
            (old, new) => assert_eq!(old, new, "{path}"),
        }
    }
    let documents = Documents::new(Options::default());
    for (_, input) in golden_inputs() {
        let old = serde_json::from_slice(&input).expect("JSON");
        assert_kept("", &old, &Json::Object(documents.document(&input).expect("a document")));
    }
}

#[test]
fn shapes_are_told_by_their_fields() {
    let reader = Reader::of(&[]);
    let shape = |json: Json| reader.read(json.to_string().as_bytes()).1.shape;
    let raw = json!({"winlog": {"channel": "Security", "event_id": "4688"}});
    assert_eq!(shape(raw.clone()), Shape::Winlogbeat);
    assert_eq!(
        shape(json!({"winlog": {"channel": "security", "event_id": 4688}})),
        Shape::Winlogbeat
    );
    assert_eq!(
        shape(json!({"winlog.channel": "Security", "event": {"code": 4688}})),
        Shape::Winlogbeat
    );
    assert_eq!(
        shape(json!({"event": {"category": ["process"]}, "winlog": raw["winlog"]})),
        Shape::Ecs
    );
    assert_eq!(shape(json!({"winlog": {"event_id": 4688}})), Shape::Unknown);
    assert_eq!(shape(json!({"winlog": {"channel": "Security"}})), Shape::Unknown);
    assert_eq!(shape(json!({"message": "x"})), Shape::Unknown);
}

#[test]
fn what_is_ecs_already_is_not_copied() {
    let reader = Reader::of(WMI_FIELDS);
    let payload = json!({"@timestamp": "2024-06-11T11:33:24.027Z",
        "agent": {"type": "winlogbeat"}, "data_stream": {"dataset": "windows.sysmon"},
        "event": {"category": "process", "type": "start"},
        "host": {"id": "ID-1", "hostname": "ws-1"}, "process": {"name": "cmd.exe"},
        "winlog": {"channel": "Microsoft-Windows-Sysmon/Operational", "computer_name": "WS-1"}})
    .to_string();
    let (fields, _) = reader.read(payload.as_bytes());
    for (id, name) in reader.table.iter() {
        assert!(fields.get(id).len() <= 1, "{name} fits without a list");
    }
    assert_eq!(fields.arena().reserved_bytes(), 0, "a value is copied");
}

#[test]
fn every_windows_record_says_its_operating_system() {
    let reader = Reader::of(&["host.os.type"]);
    let os = |json: Json| {
        let payload = json.to_string();
        let (fields, _) = reader.read(payload.as_bytes());
        reader.values(&fields, "host.os.type")
    };
    let windows = vec![Value::from("windows")];
    assert_eq!(os(json!({"winlog": {"channel": "Security", "event_id": 1}})), windows);
    assert_eq!(os(json!({"event": {"category": "file"}, "winlog": {"channel": "x"}})), windows);
    assert_eq!(os(json!({"event": {"category": "file"}})), []);
    let linux = json!({"host": {"os": {"type": "linux"}}, "winlog": {"channel": "x"}});
    assert_eq!(os(linux), [Value::from("linux")]);
}

#[test]
fn datasets_fill_one_another() {
    let reader = Reader::of(&["event.dataset", "data_stream.dataset"]);
    let datasets = |json: Json| {
        let payload = json.to_string();
        let (fields, _) = reader.read(payload.as_bytes());
        let event = reader.values(&fields, "event.dataset");
        assert_eq!(event, reader.values(&fields, "data_stream.dataset"), "{payload}");
        event.iter().map(|value| value.text().unwrap().into_owned()).collect::<Vec<_>>()
    };
    let sysmon = json!({"channel": "microsoft-windows-SYSMON/operational", "event_id": 1});
    assert_eq!(datasets(json!({"winlog": sysmon})), ["windows.sysmon_operational"]);
    assert_eq!(
        datasets(json!({"event": {"category": "process"}, "winlog": sysmon})),
        ["windows.sysmon_operational"]
    );
    assert_eq!(datasets(json!({"event": {"dataset": "a"}})), ["a"]);
    assert_eq!(datasets(json!({"data_stream": {"dataset": "b"}})), ["b"]);
    assert_eq!(
        datasets(json!({"data_stream": {"dataset": "windows.forwarded"}, "winlog": sysmon})),
        ["windows.forwarded", "windows.sysmon_operational"]
    );
    assert!(datasets(json!({"winlog": {"channel": "Setup", "event_id": 1}})).is_empty());
}

#[test]
fn index_patterns_cover_raw_records() {
    let reader = Reader::of(&[]);
    let covers = |patterns: &[&str], json: &Json| {
        let payload = json.to_string();
        let (fields, _) = reader.read(payload.as_bytes());
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        reader.normalizer.is_covered(&IndexPatterns::compile(&patterns), &fields)
    };
    let sysmon = json!({"winlog": {
        "channel": "Microsoft-Windows-Sysmon/Operational", "event_id": "1"}});
    assert!(covers(&["winlogbeat-*"], &sysmon));
    assert!(covers(&["logs-windows.sysmon_operational-*"], &sysmon));
    assert!(covers(&["logs-windows.*"], &sysmon));
    assert!(!covers(&["logs-endpoint.events.process-*", "logs-system.security*"], &sysmon));
    let security = json!({"agent": {"type": "filebeat", "version": "8.13.4"},
        "data_stream": {"dataset": "system.security", "namespace": "prod"},
        "winlog": {"channel": "Security", "event_id": "4688"}});
    assert!(covers(&["logs-system.security*"], &security));
    assert!(covers(&["logs-*-prod"], &security));
    assert!(covers(&["filebeat-8.*"], &security));
    assert!(!covers(&["winlogbeat-*"], &security));
    let other = json!({"winlog": {"channel": "Setup", "event_id": "1"}});
    assert!(covers(&["logs-endpoint.events.process-*"], &other));
}

#[test]
fn the_host_is_the_machine_that_the_event_is_about() {
    let aliases = BTreeMap::from([("ws-1".to_owned(), "ws-1.corp.example".to_owned())]);
    let reader = Reader::new(&["host.id"], Options { host_aliases: aliases, ..Options::default() });
    let host = |json: Json| {
        let payload = json.to_string();
        let (fields, envelope) = reader.read(payload.as_bytes());
        let id = reader.values(&fields, "host.id");
        assert_eq!(id.is_empty(), envelope.host.is_none());
        (id.first().map(|id| id.text().unwrap().into_owned()), envelope)
    };
    let local = json!({"host": {"id": "ID-1", "hostname": "ws-2"},
        "winlog": {"computer_name": "WS-2.Corp.Example"}});
    let (id, envelope) = host(local);
    assert_eq!(id.as_deref(), Some("ID-1"));
    assert!(!envelope.is_forwarded);
    let forwarded = json!({"host": {"id": "ID-1", "hostname": "wec01"},
        "winlog": {"computer_name": "WS-2.Corp.Example"}});
    let (id, envelope) = host(forwarded);
    assert_eq!(id.as_deref(), Some("ws-2.corp.example"));
    assert!(envelope.is_forwarded);
    let without_id = json!({"winlog": {"computer_name": "WS-2.corp.EXAMPLE"}});
    let (id, same) = host(without_id);
    assert_eq!(id.as_deref(), Some("ws-2.corp.example"));
    assert_eq!(same.host, envelope.host);
    assert_eq!(host(json!({"host": {"name": "BOX"}})).0.as_deref(), Some("box"));
    assert_eq!(host(json!({"agent": {"id": "A-1"}})).0.as_deref(), Some("A-1"));
    assert_eq!(host(json!({"message": "x"})).0, None);
    let netbios = host(json!({"winlog": {"computer_name": "WS-1"}}));
    let full = host(json!({"winlog": {"computer_name": "ws-1.corp.example"}}));
    assert_eq!(netbios, full);
}

#[test]
fn event_time_is_what_the_sensor_says() {
    let reader = Reader::of(&["@timestamp", "event.created"]);
    let time = |json: Json| {
        let payload = json.to_string();
        let (fields, envelope) = reader.read(payload.as_bytes());
        let text = |path| Some(reader.values(&fields, path).first()?.text()?.into_owned());
        (envelope.event_time, text("@timestamp"), text("event.created"))
    };
    let written = "2024-06-11T11:33:24.027Z";
    let sysmon = |utc: &str| {
        json!({"@timestamp": written, "winlog": {"event_id": 3,
            "channel": "Microsoft-Windows-Sysmon/Operational", "event_data": {"UtcTime": utc}}})
    };
    let happened = "2024-06-11T11:33:22.918Z";
    assert_eq!(
        time(sysmon("2024-06-11 11:33:22.918")),
        (EventTime::parse(happened), Some(happened.to_owned()), Some(written.to_owned()))
    );
    let as_written = (EventTime::parse(written), Some(written.to_owned()), None);
    assert_eq!(time(sysmon("yesterday")), as_written);
    assert_eq!(time(json!({"@timestamp": written})), as_written);
    assert_eq!(time(json!({"@timestamp": 1_718_105_604_027_i64})).0, EventTime::parse(written));
    for none in [json!({}), json!({"@timestamp": "never"}), json!({"@timestamp": {"a": 1}})] {
        assert_eq!(time(none).0, None);
    }
}

#[test]
fn identities_follow_the_event_and_not_the_delivery() {
    let record = |record_id: Json| {
        json!({"@timestamp": "2024-06-11T11:33:24.027Z", "winlog": {"channel": "Security",
            "computer_name": "WS-1", "event_id": 4688, "provider_name": "p",
            "record_id": record_id}})
        .to_string()
    };
    let identity = |reader: &Reader, payload: &str, offset| {
        let (fields, envelope) = reader.read(payload.as_bytes());
        reader.normalizer.identity(&fields, &envelope, "topic", 3, offset)
    };
    let (none, wmi) = (Reader::of(&[]), Reader::of(WMI_FIELDS));
    let first = identity(&none, &record(json!(7)), 100);
    assert_eq!(identity(&none, &record(json!(7)), 200), first);
    assert_eq!(identity(&wmi, &record(json!("7")), 300), first, "rules do not matter");
    assert_ne!(identity(&none, &record(json!(8)), 100), first);

    let ecs = |id: &str, action: &str| {
        json!({"@timestamp": "2024-06-11T11:33:24.027Z",
            "event": {"id": id, "category": "process", "action": action}})
        .to_string()
    };
    assert_eq!(identity(&none, &ecs("1", "start"), 1), identity(&wmi, &ecs("1", "start"), 2));
    assert_ne!(identity(&none, &ecs("1", "start"), 1), identity(&none, &ecs("1", "end"), 1));

    let nameless = r#"{"message":"x"}"#;
    assert_eq!(identity(&none, nameless, 1), identity(&wmi, nameless, 1));
    assert_ne!(identity(&none, nameless, 1), identity(&none, nameless, 2));
}

#[test]
fn ordinals_hold_what_orders_events() {
    let reader = Reader::of(&["event.ingested"]);
    let payload = json!({"@timestamp": "2024-06-11T11:33:24.027Z",
        "event": {"category": "process", "sequence": "12", "ingested": "x"},
        "winlog": {"channel": "Security", "record_id": "99"}})
    .to_string();
    let (fields, envelope) = reader.read(payload.as_bytes());
    let tiebreaker = reader.table.get("event.ingested");
    let ordinal = reader.normalizer.ordinal(&fields, &envelope, 5, tiebreaker);
    assert_eq!(Some(ordinal.event_time), EventTime::parse("2024-06-11T11:33:24.027Z"));
    assert_eq!(ordinal.tiebreaker, NullsLast::Is(OrdinalValue::Text("x".into())));
    assert_eq!(ordinal.sequence, NullsLast::Is(12));
    assert_eq!(ordinal.channel, NullsLast::Is("security".into()));
    assert_eq!(ordinal.record_id, NullsLast::Is(99));
    assert_eq!(ordinal.offset, 5);
}

#[test]
fn recorded_attacks_normalize() {
    let Some(lines) = attacks() else { return };
    assert!(lines.len() > 17_000);
    let paths: Vec<&str> = WMI_FIELDS
        .iter()
        .copied()
        .chain(["event.code", "event.provider", "winlog.channel"])
        .collect();
    let reader = Reader::of(&paths);
    let documents = Documents::new(Options::default());
    let mut children = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let (fields, envelope) = reader.read(line.as_bytes());
        assert_eq!(envelope.shape, Shape::Winlogbeat, "{line}");
        assert!(envelope.event_time.is_some() && envelope.host.is_some(), "{line}");
        let has = |path: &str| !reader.values(&fields, path).is_empty();
        assert!(has("event.code") && has("event.provider") && has("host.id"), "{line}");
        let is_sysmon = fields.str(reader.table.get("winlog.channel").unwrap())
            == Some("Microsoft-Windows-Sysmon/Operational");
        assert!(!is_sysmon || has("event.category") && has("event.type"), "{line}");
        let parent = reader.values(&fields, "process.parent.name");
        let is_wmi = |name: &Value<'_>| name.as_str() == Some("WmiPrvSE.exe");
        if parent.iter().any(is_wmi) {
            children
                .push(reader.values(&fields, "winlog.record_id")[0].text().unwrap().into_owned());
        }
        // Each record twice is slow; the golden pairs and the property below look closer.
        if number % 20 == 0 || !parent.is_empty() {
            let document = documents.document(line.as_bytes()).expect("a document");
            let text = Json::Object(document).to_string();
            assert_eq!(plain(&paths, text.as_bytes()), reader.all(line.as_bytes(), &paths));
        }
    }
    children.sort();
    // Each attack's child, in the Security channel and in Sysmon.
    assert_eq!(children, ["235988", "3215160", "334850", "768477", "809199", "99387"]);
}

#[test]
fn raw_and_ecs_agree_on_what_the_wmi_rules_read() {
    let settings = corpus::Settings::MANY_ATTACKS.of(3_000, 40, 3_000);
    let (raw, ecs) = (
        corpus::lines(&settings, corpus::Shape::Raw),
        corpus::lines(&settings, corpus::Shape::Ecs),
    );
    let paths: Vec<&str> =
        WMI_FIELDS.iter().copied().chain(["event.code", "process.command_line"]).collect();
    let reader = Reader::of(&paths);
    let mut compared = 0;
    for (raw, ecs) in raw.iter().zip(&ecs) {
        let (raw_fields, raw_envelope) = reader.read(raw);
        let (ecs_fields, ecs_envelope) = reader.read(ecs);
        let raw = String::from_utf8_lossy(raw);
        assert_eq!((raw_envelope.shape, ecs_envelope.shape), (Shape::Winlogbeat, Shape::Ecs));
        assert_eq!(raw_envelope.host, ecs_envelope.host);
        assert_eq!(raw_envelope.event_time, ecs_envelope.event_time);
        let code = ecs_fields.str(reader.table.get("event.code").unwrap()).unwrap().to_owned();
        let is_sysmon = code.len() < 4;
        for path in WMI_FIELDS {
            let (raw_values, ecs_values) =
                (reader.values(&raw_fields, path), reader.values(&ecs_fields, path));
            let is_there = |word: &str, values: &Values| values.contains(&Value::from(word));
            match *path {
                // The generator splits at blanks where Windows does not; the Security channel does.
                "process.args" if code == "1" => {
                    let line = reader.values(&raw_fields, "process.command_line");
                    let bare = line[0].text().unwrap().replace(['"', ' '], "");
                    let joined: String = raw_values
                        .iter()
                        .map(|value| value.text().unwrap().replace(' ', ""))
                        .collect();
                    assert_eq!(joined, bare);
                }
                // A path without a backslash names no process in Elastic's Sysmon pipeline.
                "process.name" if is_there("System", &ecs_values) && is_sysmon => {
                    assert_eq!(raw_values, []);
                }
                "process.parent.name" if is_there("System", &ecs_values) && is_sysmon => {
                    assert_eq!(raw_values, []);
                }
                // A connection names no user; the generator does.
                "user.id" if code == "5156" => assert_eq!(raw_values, []),
                // Newer pipelines than the generator's know more types and categories.
                "event.type" | "event.category" => {
                    let word = if *path == "event.type" { "start" } else { "process" };
                    assert_eq!(is_there(word, &raw_values), is_there(word, &ecs_values), "{raw}");
                    assert_eq!(is_there("network", &raw_values), is_there("network", &ecs_values));
                }
                _ => assert_eq!(raw_values, ecs_values, "{path} of {raw}"),
            }
        }
        compared += 1;
    }
    assert_eq!(compared, 3_000);
}

/// Values of every kind where Windows writes texts.
fn hostile_values() -> Vec<Json> {
    let long = "x\\\"=, ".repeat(150_000);
    vec![
        Json::Null,
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!(""),
        json!("-"),
        json!("\u{0}\u{0}"),
        json!("\\"),
        json!("ſ\u{212a}ß\u{1f600}\\ı"),
        json!([]),
        json!({}),
        json!({"a": {"b": [1, {"c": "d"}]}}),
        json!([["x"], {"y": "z"}, null, 7]),
        json!((0..10_000).map(|number| format!("{number}=\\{number};")).collect::<Vec<_>>()),
        json!(long),
    ]
}

#[test]
fn hostile_records_harm_nobody() {
    let documents = Documents::new(Options::default());
    let reader = Reader::of(WMI_FIELDS);
    let inputs = golden_inputs();
    let chosen = [
        "sysmon_1_process_creation",
        "sysmon_22_dns",
        "security_5145_share",
        "security_4624_logon",
        "powershell_4103_invocation",
        "sysmon_13_registry_value",
    ];
    for (_, input) in inputs.iter().filter(|(name, _)| chosen.contains(&name.as_str())) {
        for value in hostile_values() {
            let mut record: Json = serde_json::from_slice(input).expect("JSON");
            for entry in record["winlog"]["event_data"].as_object_mut().unwrap().values_mut() {
                *entry = value.clone();
            }
            assert_survives(&reader, &documents, &record);
            for path in [
                "/@timestamp",
                "/event",
                "/host",
                "/agent",
                "/winlog/computer_name",
                "/winlog/record_id",
                "/winlog/event_id",
                "/winlog/channel",
                "/winlog/event_data",
            ] {
                let mut record: Json = serde_json::from_slice(input).expect("JSON");
                *record.pointer_mut(path).expect("every input has it") = value.clone();
                assert_survives(&reader, &documents, &record);
            }
        }
    }
}

/// Normalizes lazily and as a whole: no panic, the same values, and an envelope that owns up to
/// what is missing.
fn assert_survives(reader: &Reader, documents: &Documents, record: &Json) {
    let payload = record.to_string();
    let (fields, envelope) = reader.read(payload.as_bytes());
    reader.normalizer.ordinal(&fields, &envelope, 0, None);
    reader.normalizer.identity(&fields, &envelope, "t", 0, 0);
    let document = Json::Object(documents.document(payload.as_bytes()).expect("a document"));
    let lazy = reader.all(payload.as_bytes(), WMI_FIELDS);
    assert!(lazy == plain(WMI_FIELDS, document.to_string().as_bytes()), "{:.2000}", payload);
    if !record["@timestamp"].is_string() && !record["@timestamp"].is_i64() {
        let has_utc_time = record["winlog"]["event_data"]["UtcTime"].is_string();
        assert!(envelope.event_time.is_none() || has_utc_time);
    }
}

#[test]
fn repeated_keys_unite() {
    let payload = br#"{"winlog":{"channel":"Security","event_id":"4688"},"winlog":{"event_id":"1",
        "event_data":{"NewProcessName":"C:\\a.exe","NewProcessName":"C:\\b.exe"}}}"#;
    let reader = Reader::of(&["process.name", "winlog.event_data.NewProcessName"]);
    let (fields, envelope) = reader.read(payload);
    assert_eq!(envelope.shape, Shape::Winlogbeat);
    assert_eq!(reader.values(&fields, "process.name"), [Value::from("a.exe")]);
    assert_eq!(reader.values(&fields, "winlog.event_data.NewProcessName").len(), 2);
    assert!(Documents::new(Options::default()).document(payload).is_some());
}

#[test]
fn broken_encoding_is_repaired_in_documents_too() {
    let documents = Documents::new(Options::default());
    let document = documents.document(b"{\"a\":\"\\ud800\",\"b\":\"\xff\"}").expect("a document");
    assert_eq!(Json::Object(document), json!({"a": "\u{fffd}", "b": "\u{fffd}"}));
    for broken in [&b"{"[..], b"[]", b"", &b"[".repeat(1 << 20)] {
        assert_eq!(documents.document(broken), None);
    }
}

/// Fields that normalizing fills, as the golden pairs show them, and raw ones that rules name.
fn field_names() -> Vec<&'static str> {
    let mut names = vec![
        "winlog.event_data.CommandLine",
        "winlog.event_data.IntegrityLevel",
        "winlog.event_data.TargetUserName",
        "winlog.event_data.UtcTime",
        "winlog.event_id",
        "winlog.event_data",
        "message",
    ];
    names.extend(WMI_FIELDS.iter().filter(|name| !name.starts_with("winlog.")));
    names.extend([
        "@timestamp",
        "agent.type",
        "data_stream.dataset",
        "destination.domain",
        "destination.ip",
        "dll.code_signature.trusted",
        "dll.hash.sha256",
        "dll.name",
        "dll.path",
        "dll.pe.imphash",
        "dns.answers.data",
        "dns.answers.type",
        "dns.question.name",
        "dns.resolved_ip",
        "ecs.version",
        "error.code",
        "event.action",
        "event.code",
        "event.created",
        "event.kind",
        "event.module",
        "event.outcome",
        "event.provider",
        "file.code_signature.status",
        "file.code_signature.valid",
        "file.directory",
        "file.extension",
        "file.hash.md5",
        "file.name",
        "file.path",
        "file.pe.company",
        "file.target_path",
        "group.name",
        "host.name",
        "log.level",
        "network.community_id",
        "network.protocol",
        "network.transport",
        "network.type",
        "powershell.command.name",
        "powershell.file.script_block_text",
        "powershell.sequence",
        "process.args_count",
        "process.command_line",
        "process.entity_id",
        "process.hash.sha256",
        "process.parent.args",
        "process.parent.command_line",
        "process.parent.executable",
        "process.parent.pid",
        "process.pe.imphash",
        "process.pe.original_file_name",
        "process.pid",
        "process.thread.id",
        "process.title",
        "process.working_directory",
        "registry.data.strings",
        "registry.data.type",
        "registry.hive",
        "registry.key",
        "registry.path",
        "registry.value",
        "related.hash",
        "related.hosts",
        "related.ip",
        "related.user",
        "rule.name",
        "service.name",
        "service.type",
        "source.domain",
        "sysmon.dns.status",
        "sysmon.file.archived",
        "user.domain",
        "user.effective.name",
        "user.name",
        "user.target.name",
        "winlog.computerObject.name",
        "winlog.event_data.PrivilegeList",
        "winlog.logon.id",
        "winlog.logon.type",
    ]);
    names
}

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| Documents::new(Options::default()));
static READS_NOTHING: LazyLock<Reader> = LazyLock::new(|| Reader::of(&[]));
static READS_WMI: LazyLock<Reader> = LazyLock::new(|| Reader::of(WMI_FIELDS));

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None,
        ..ProptestConfig::default() })]

    #[test]
    fn what_can_be_read_has_a_document(
        input in any::<Index>(),
        changes in prop::collection::vec(
            (any::<Index>(), prop_oneof![
                any::<u8>().prop_map(|byte| vec![byte]),
                prop::sample::select(vec![
                    &b"\\ud800"[..], b"\\u0000", b"\xff", b"1e999", b"\t", b"\"\":{},", b"{", b"null",
                ]).prop_map(<[u8]>::to_vec),
            ]),
            0..3,
        ),
    ) {
        let inputs = golden_inputs();
        let mut payload = input.get(&inputs).1.clone();
        for (at, bytes) in changes {
            let at = at.index(payload.len());
            payload.splice(at..=at, bytes);
        }
        let document = DOCUMENTS.document(&payload);
        for reader in [&*READS_NOTHING, &*READS_WMI] {
            let mut fields = Fields::new(reader.table.len(), lasting::arena());
            let decoded = reader.decoder.decode(&payload, &mut fields);
            prop_assert_eq!(decoded.is_ok(), document.is_some(), "{:?}", decoded);
            reader.normalizer.normalize(&mut fields);
        }
    }

    #[test]
    fn rules_see_what_alerts_show(
        paths in subsequence(field_names(), 0..40),
        changes in prop::collection::vec((any::<Index>(), any::<Index>()), 0..4),
        host_id in any::<bool>(),
    ) {
        let reader = Reader::of(&paths);
        let documents = &*DOCUMENTS;
        let values = [json!("x\\y"), json!(["C:\\a\\b.c", "d"]), json!(12), json!(null), json!("-"),
            json!({"a": 1}), json!("0x10"), json!(true)];
        for (name, input) in golden_inputs() {
            let mut record: Json = serde_json::from_slice(&input).unwrap();
            if let Some(data) =
                record.pointer_mut("/winlog/event_data").and_then(Json::as_object_mut)
            {
                for (entry, value) in &changes {
                    let at = entry.index(data.len());
                    *data.values_mut().nth(at).unwrap() = value.get(&values).clone();
                }
            }
            if !host_id && let Some(host) = record["host"].as_object_mut() {
                host.remove("id");
            }
            let payload = record.to_string();
            let document = Json::Object(documents.document(payload.as_bytes()).unwrap());
            prop_assert_eq!(
                reader.all(payload.as_bytes(), &paths),
                plain(&paths, document.to_string().as_bytes()),
                "{}", name
            );
        }
    }
}

#[test]
fn the_golden_pairs_hold_every_field_of_the_property() {
    let documents = Documents::new(Options::default());
    let all: Vec<String> = golden_inputs()
        .iter()
        .map(|(_, input)| Json::Object(documents.document(input).unwrap()).to_string())
        .collect();
    for name in field_names().into_iter().filter(|name| !name.starts_with("process.Ext.")) {
        let holds = |document: &String| !plain(&[name], document.as_bytes())[name].is_empty();
        assert!(all.iter().any(holds), "no golden pair holds `{name}`");
    }
}
