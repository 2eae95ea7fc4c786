//! Every shape and every event of the tables: golden lines, agreement of what rules see with what
//! alerts show, hostile and mutated records, options, and one host known to several shippers.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::detect::{Detector, Options as Limits, Origin, Output, Past, Record, Stamp, Stats};
use maxspan::event::decode::{self, Decoder, Validation};
use maxspan::event::{EventTime, FieldTable, Fields, Value};
use maxspan::normalize::{
    Documents, EcsCompat, Envelope, HostKey, HostNames, Normalizer, Options, Shape, known_events,
};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;
use serde_json::{Value as Json, json};
use support::random::{Random, cases};

#[path = "support/lasting.rs"]
mod lasting;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/normalize/ids")
}

/// Names of the golden files, sorted, with their lines.
fn inputs() -> Vec<(String, Vec<String>)> {
    let mut inputs: Vec<_> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".in.ndjson")?.to_owned();
            let text = fs::read_to_string(&path).unwrap();
            Some((name, text.lines().map(str::to_owned).collect()))
        })
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 14);
    inputs
}

/// A field table with its decoder and normalizer, as a rule set of these fields has them.
struct Reader {
    table: FieldTable,
    decoder: Decoder,
    normalizer: Normalizer,
}

impl Reader {
    fn new(paths: &[&str], options: Options) -> Self {
        let mut table = FieldTable::default();
        for path in paths {
            table.intern(path);
        }
        let normalizer = Normalizer::new(&mut table, options);
        let decoder = Decoder::new(&table, decode::Limits { max_nesting: 64 })
            // Documents are made of records that are valid as a whole.
            .with_validation(Validation::All);
        Self { table, decoder, normalizer }
    }

    fn read<'a>(&self, payload: &'a [u8]) -> (Fields<'a>, Envelope) {
        let mut fields = Fields::new(self.table.len(), lasting::arena());
        self.decoder.decode(payload, &mut fields).unwrap();
        let envelope = self.normalizer.normalize(&mut fields);
        (fields, envelope)
    }

    fn values(&self, payload: &str, path: &str) -> Vec<Value<'static>> {
        let (fields, _) = self.read(payload.as_bytes());
        let id = self.table.get(path).unwrap();
        fields.get(id).iter().map(|value| lasting::value(*value)).collect()
    }

    fn texts(&self, payload: &str, path: &str) -> Vec<String> {
        let values = self.values(payload, path);
        values.iter().map(|value| value.text().unwrap().into_owned()).collect()
    }
}

fn leaves(prefix: &str, json: &Json, into: &mut BTreeSet<String>) {
    match json {
        Json::Object(object) => {
            for (key, value) in object {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                leaves(&path, value, into);
            }
        }
        Json::Array(list) => list.iter().for_each(|item| leaves(prefix, item, into)),
        Json::Null => {}
        _ => drop(into.insert(prefix.to_owned())),
    }
}

/// Every path of a value in a golden document. Paths of objects are left out: where a value is in
/// the way of an object, a document has the object's entries as dotted keys beside it.
fn all_paths() -> Vec<String> {
    let documents = Documents::new(Options::default());
    let mut paths = BTreeSet::new();
    for (_, lines) in inputs() {
        for line in lines {
            leaves("", &Json::Object(documents.document(line.as_bytes()).unwrap()), &mut paths);
        }
    }
    let is_object = |path: &str| paths.iter().any(|other| other.starts_with(&format!("{path}.")));
    paths.iter().filter(|path| !is_object(path)).cloned().collect()
}

#[test]
fn golden_lines_hold() {
    let documents = Documents::new(Options::default());
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for (name, lines) in inputs() {
        let mut found = String::new();
        for line in lines {
            let document = documents.document(line.as_bytes()).unwrap();
            found.push_str(&serde_json::to_string(&document).unwrap());
            found.push('\n');
        }
        let path = corpus().join(format!("{name}.ecs.ndjson"));
        if is_update {
            fs::write(&path, &found).unwrap();
        } else if fs::read_to_string(&path).ok().as_deref() != Some(&found) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "differ (UPDATE_EXPECT=1 rewrites them): {wrong:?}");
}

#[test]
fn every_event_of_the_tables_has_a_golden_line() {
    let mut seen = BTreeSet::new();
    for (_, lines) in inputs() {
        for line in lines {
            let record: Json = serde_json::from_str(&line).unwrap();
            let code = &record["winlog"]["event_id"];
            let code = code.as_str().and_then(|text| text.parse().ok());
            seen.insert((record["winlog"]["channel"].as_str().map(str::to_owned), code));
        }
    }
    for (channel, id) in known_events() {
        assert!(seen.contains(&(Some(channel.to_owned()), Some(id))), "no line of {channel} {id}");
    }
}

#[test]
fn every_event_of_the_tables_says_what_it_is() {
    let reader = Reader::new(&["host.os.type"], Options::default());
    let documents = Documents::new(Options::default());
    for (name, lines) in inputs() {
        for line in lines {
            let (document, envelope) = documents.read(line.as_bytes()).unwrap();
            let event = &document["event"];
            assert!(envelope.event_time.is_some() && envelope.host.is_some(), "{name}: {line}");
            assert!(event["type"].is_array() || event["type"].is_string(), "{name}: {line}");
            let is_clipboard = name == "sysmon" && document["winlog"]["event_id"] == "24";
            assert!(is_clipboard || !event["category"].is_null(), "{name}: {line}");
            assert_eq!(event["dataset"], document["data_stream"]["dataset"], "{name}: {line}");
            assert_eq!(reader.texts(&line, "host.os.type"), ["windows"], "{name}: {line}");
        }
    }
}

#[test]
fn shapes_are_told_apart() {
    let reader = Reader::new(&[], Options::default());
    for (name, lines) in inputs() {
        let expected = match name.as_str() {
            "nxlog" => Shape::Nxlog,
            "elastic_agent" => Shape::ElasticAgent,
            "endpoint" => Shape::Endpoint,
            "ecs_winlogbeat_7" => Shape::Ecs,
            _ => Shape::Winlogbeat,
        };
        for line in lines {
            let (_, envelope) = reader.read(line.as_bytes());
            assert_eq!(envelope.shape, expected, "{name}: {line}");
            assert_eq!(envelope.is_forwarded, name == "forwarded", "{name}: {line}");
        }
    }
    for unknown in [json!({"Channel": "Security"}), json!({"EventID": 4688}), json!({"a": 1})] {
        let payload = unknown.to_string();
        assert_eq!(reader.read(payload.as_bytes()).1.shape, Shape::Unknown, "{unknown}");
    }
}

#[test]
fn nxlog_records_give_what_winlogbeat_s_do() {
    let paths = [
        "process.name",
        "source.ip",
        "destination.port",
        "network.direction",
        "event.category",
        "event.type",
        "event.outcome",
        "user.name",
        "process.args",
        "event.code",
    ];
    let reader = Reader::new(&paths, Options::default());
    let lines: BTreeMap<String, Vec<String>> = inputs().into_iter().collect();
    let line_of = |file: &str, id: &str| {
        let of_id = |line: &&String| {
            let record: Json = serde_json::from_str(line).unwrap();
            // NXLog writes a number.
            let number = id.parse::<u64>().ok();
            record["winlog"]["event_id"] == id || record["EventID"].as_u64() == number
        };
        lines[file].iter().find(of_id).unwrap().clone()
    };
    for (file, id) in [("sysmon", "3"), ("sysmon", "1"), ("security", "4688")] {
        let (flat, raw) = (line_of("nxlog", id), line_of(file, id));
        for path in paths {
            assert_eq!(reader.values(&flat, path), reader.values(&raw, path), "{path} of {id}");
        }
    }
    let blocked = line_of("nxlog", "5156");
    assert_eq!(reader.texts(&blocked, "event.outcome"), ["failure"]);
    // Without `@timestamp` the time is that of the event, not of its reception.
    let (_, envelope) = reader.read(lines["nxlog"][3].as_bytes());
    assert_eq!(envelope.event_time, EventTime::parse("2024-06-11T11:33:24Z"));
}

/// Puts a value in the place of one of the record's values, at any depth.
fn mutate(json: &mut Json, random: &mut Random, value: &Json) {
    match json {
        Json::Object(object) if !object.is_empty() && random.chance(90) => {
            let at = random.below(object.len() as u64) as usize;
            mutate(object.values_mut().nth(at).unwrap(), random, value);
        }
        other => *other = value.clone(),
    }
}

fn hostile_values() -> Vec<Json> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!(""),
        json!("-"),
        json!("\u{0}"),
        json!("\\"),
        json!("ſ\u{212a}ß\u{1f600}\\ı"),
        json!("a.b.c..d"),
        json!("endpoint.events.network"),
        json!("forwarded"),
        json!("Microsoft-Windows-Sysmon/Operational"),
        json!([]),
        json!({}),
        json!({"a": {"b": [1, {"c": "d"}]}}),
        json!([["x"], {"y": "z"}, null, 7]),
        json!("<Command>&amp;&#xffffffff;&#55296;</Command><Command>"),
        json!("ParameterBinding(x): name=;value=\nA(b):\n=\n\u{a0}="),
        json!("type:  5 ;::ffff:;type:;%;"),
        json!("0x8010000000000000"),
    ]
}

fn variants() -> Vec<Options> {
    let aliases = BTreeMap::from([("srv-file07".to_owned(), "file".to_owned())]);
    vec![
        Options::default(),
        Options { ecs_compat: EcsCompat::Fixed, ..Options::default() },
        Options {
            host_key: HostKey::Name,
            host_names: HostNames::Short,
            host_aliases: aliases,
            ..Options::default()
        },
    ]
}

#[test]
fn rules_see_what_alerts_show_whatever_the_record() {
    let paths = all_paths();
    let inputs = inputs();
    let makers: Vec<Documents> = variants().into_iter().map(Documents::new).collect();
    let values = hostile_values();
    for seed in 0..cases(30) {
        let mut random = Random::new(seed);
        let wanted: Vec<&str> =
            paths.iter().filter(|_| random.chance(15)).map(String::as_str).collect();
        let variant = random.below(makers.len() as u64) as usize;
        let reader = Reader::new(&wanted, variants()[variant].clone());
        for (name, lines) in &inputs {
            for _ in 0..4 {
                let mut record: Json = {
                    let line: &String = random.pick(lines);
                    serde_json::from_str(line).unwrap()
                };
                for _ in 0..random.below(4) {
                    let value = random.pick(&values).clone();
                    mutate(&mut record, &mut random, &value);
                }
                if !record.is_object() {
                    continue;
                }
                let payload = record.to_string();
                let document = makers[variant].document(payload.as_bytes()).unwrap();
                let document = Json::Object(document).to_string();
                assert_agrees(&reader, &wanted, &payload, &document, name, seed);
            }
        }
    }
}

fn assert_agrees(
    reader: &Reader,
    wanted: &[&str],
    payload: &str,
    document: &str,
    name: &str,
    seed: u64,
) {
    let (fields, envelope) = reader.read(payload.as_bytes());
    reader.normalizer.ordinal(&fields, &envelope, 0, None);
    reader.normalizer.identity(&fields, &envelope, "t", 0, 0);
    let mut table = FieldTable::default();
    let ids: Vec<_> = wanted.iter().map(|path| table.intern(path)).collect();
    let mut plain = Fields::new(table.len(), lasting::arena());
    let decoder = Decoder::new(&table, decode::Limits { max_nesting: 127 });
    decoder.decode(document.as_bytes(), &mut plain).unwrap();
    for (path, id) in wanted.iter().zip(ids) {
        let seen = fields.get(reader.table.get(path).unwrap());
        assert_eq!(seen, plain.get(id), "{path} of {name}, seed {seed}:\n{payload}\n{document}");
    }
}

#[test]
fn mutated_bytes_harm_nobody() {
    let inputs = inputs();
    let documents = Documents::new(Options::default());
    let reader = Reader::new(&["process.args", "host.id", "event.type"], Options::default());
    let parts: [&[u8]; 9] =
        [b"\\ud800", b"\\u0000", b"\xff", b"1e999", b"\t", b"\"\":{},", b"{", b"null", b"[["];
    for seed in 0..cases(2_000) {
        let mut random = Random::new(seed);
        let (_, lines) = random.pick(&inputs);
        let mut payload = random.pick(lines).clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(payload.len() as u64) as usize;
            let part = *random.pick(&parts);
            payload.splice(at..=at, part.iter().copied());
        }
        let document = documents.document(&payload);
        let mut fields = Fields::new(reader.table.len(), lasting::arena());
        let whole = reader.decoder.parse(&payload, &mut fields).is_ok();
        assert_eq!(whole, document.is_some(), "seed {seed}");
        fields.clear();
        // What nobody reads may be no JSON.
        let decoded = reader.decoder.decode(&payload, &mut fields).is_ok();
        assert!(decoded || !whole, "seed {seed}");
        reader.normalizer.normalize(&mut fields);
    }
}

/// The document of a record is larger than the record by what the tables copy: a fixed number of
/// fields, none of which grows faster than its source.
#[test]
fn documents_stay_in_proportion() {
    let documents = Documents::new(Options::default());
    let long: [String; 6] = [
        "a,b=c;".repeat(20_000),
        "\\\"x ".repeat(20_000),
        "type: 5 a;::ffff:10.0.0.1;".repeat(5_000),
        "A(b): c\nParameterBinding(b): name=x; value=y\n".repeat(3_000),
        "<Command>&amp;</Command><Command ".repeat(4_000),
        "&&&&<<<<((((".repeat(10_000),
    ];
    for (name, lines) in inputs() {
        for text in &long {
            let mut record: Json = serde_json::from_str(&lines[0]).unwrap();
            let texts = match record.pointer_mut("/winlog/event_data") {
                Some(data) => data,
                None => &mut record,
            };
            for (key, value) in texts.as_object_mut().unwrap() {
                if value.is_string() && !matches!(key.as_str(), "Channel" | "@timestamp") {
                    *value = json!(text);
                }
            }
            let payload = record.to_string();
            let document = documents.document(payload.as_bytes()).unwrap();
            let size = Json::Object(document).to_string().len();
            assert!(size < 16 * payload.len() + 10_000, "{name}: {size} of {}", payload.len());
        }
    }
}

#[test]
fn quirks_are_kept_or_fixed() {
    let sysmon = |id: u32, data: Json| {
        json!({"@timestamp": "2024-06-11T11:33:24.027Z", "winlog": {"event_id": id,
            "channel": "Microsoft-Windows-Sysmon/Operational", "event_data": data,
            "user": {"identifier": "S-1-5-18"}}})
    };
    let hashes = "MD5=0CC175B9C0F1B6A831C399E269772661";
    let started = json!({"@timestamp": "2024-06-11T11:33:24.027Z", "winlog": {"event_id": 4688,
        "channel": "Security", "event_data": {"CommandLine": "a \"b c\""}}});
    for (record, path, elastic, fixed) in [
        (sysmon(1, json!({"Image": "System"})), "process.name", &[][..], &["System"][..]),
        (sysmon(1, json!({"Image": "System"})), "user.id", &["S-1-5-18"], &[]),
        (sysmon(7, json!({"Signed": "true"})), "file.code_signature.signed", &[], &["true"]),
        (
            sysmon(13, json!({"Details": "QWORD (0x00000001-0x00000002)"})),
            "registry.data.strings",
            &["258"],
            &["4294967298"],
        ),
        (sysmon(11, json!({"TargetFilename": "C:\\a.b\\c"})), "file.extension", &["b\\c"], &[]),
        (sysmon(11, json!({"TargetFilename": "C:\\a.b\\c.d"})), "file.extension", &["d"], &["d"]),
        (
            sysmon(26, json!({"Hashes": hashes})),
            "process.hash.md5",
            &["0cc175b9c0f1b6a831c399e269772661"],
            &[],
        ),
        (
            sysmon(26, json!({"Hashes": hashes})),
            "file.hash.md5",
            &["0cc175b9c0f1b6a831c399e269772661"],
            &["0cc175b9c0f1b6a831c399e269772661"],
        ),
        (started.clone(), "process.args", &["a", "\"b", "c\""], &["a", "b c"]),
        (started, "process.args_count", &["3"], &["2"]),
    ] {
        for (ecs_compat, expected) in [(EcsCompat::Elastic, elastic), (EcsCompat::Fixed, fixed)] {
            let reader = Reader::new(&[path], Options { ecs_compat, ..Options::default() });
            assert_eq!(reader.texts(&record.to_string(), path), expected, "{path} {ecs_compat:?}");
        }
    }
}

const ID: &str = "6f1c2b7e-93d4-4a58-b0e6-2d7c1f90a3b5";
const FULL_NAME: &str = "SRV-FILE07.corp.example";

#[test]
fn options_say_what_tells_hosts_apart() {
    let host = |options: Options, record: &Json| {
        let reader = Reader::new(&["host.id"], options);
        reader.texts(&record.to_string(), "host.id").concat()
    };
    let local = json!({"host": {"id": ID, "hostname": "SRV-FILE07"},
        "winlog": {"computer_name": FULL_NAME}});
    let endpoint = json!({"event": {"category": "process"}, "agent": {"type": "endpoint"},
        "host": {"id": "another", "name": "SRV-FILE07", "hostname": "SRV-FILE07"}});
    let forwarded = json!({"tags": ["forwarded"], "host": {"name": FULL_NAME},
        "winlog": {"computer_name": FULL_NAME}});
    let id = Options::default;
    let name = |host_names| Options { host_key: HostKey::Name, host_names, ..Options::default() };
    assert_eq!(host(id(), &local), ID);
    assert_eq!(host(id(), &endpoint), "another");
    assert_eq!(host(id(), &forwarded), "srv-file07.corp.example");
    assert_eq!(host(name(HostNames::Full), &local), "srv-file07.corp.example");
    assert_eq!(host(name(HostNames::Full), &endpoint), "srv-file07");
    for record in [&local, &endpoint, &forwarded] {
        assert_eq!(host(name(HostNames::Short), record), "srv-file07");
    }
    let aliases = [(ID, "file"), ("another", "file"), ("srv-file07.corp.example", "file")];
    let aliases = aliases.map(|(from, to)| (from.to_owned(), to.to_owned()));
    let aliased = Options { host_aliases: BTreeMap::from(aliases), ..Options::default() };
    for record in [&local, &endpoint, &forwarded] {
        assert_eq!(host(aliased.clone(), record), "file");
    }
}

#[test]
fn a_collector_is_not_taken_for_the_host() {
    let reader = Reader::new(&["host.id"], Options::default());
    let own = "srv-file07.corp.example";
    for (tags, host, id, is_forwarded, has_foreign_id) in [
        (json!([]), json!({"hostname": "SRV-FILE07", "id": ID}), ID, false, false),
        (json!([]), json!({"hostname": "WEC01", "id": ID}), own, true, true),
        (json!([]), json!({"name": "wec01", "id": ID}), own, true, true),
        (json!(["forwarded"]), json!({"hostname": "WEC01", "id": ID}), own, true, false),
        (json!(["forwarded"]), json!({"name": FULL_NAME, "id": ID}), own, true, false),
        (json!("forwarded"), json!({}), own, true, false),
        // The collector's own events come by the same way.
        (json!(["forwarded"]), json!({"hostname": "srv-file07", "id": ID}), ID, false, false),
    ] {
        let record = json!({"tags": tags, "host": host, "winlog": {"computer_name": FULL_NAME}});
        let payload = record.to_string();
        let (_, envelope) = reader.read(payload.as_bytes());
        assert_eq!(reader.texts(&payload, "host.id"), [id], "{record}");
        let found = (envelope.is_forwarded, envelope.has_foreign_id);
        assert_eq!(found, (is_forwarded, has_foreign_id), "{record}");
        assert_eq!(envelope.machine.is_some(), !is_forwarded, "{record}");
    }
}

/// The shipped 20 s rule.
fn rule_20s(options: Options) -> Arc<RuleSet> {
    let name = "config/rules/wmi_incoming_lateral_movement_20s.toml";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let contents = fs::read_to_string(path).unwrap();
    let text = Arc::new(Text::new(name, contents));
    let defaults = Defaults { normalize: options, ..Defaults::default() };
    let (set, reports) = RuleSet::compile(vec![text], &defaults);
    assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:#?}");
    Arc::new(set)
}

/// Runs records through a detector; returns the number of alerts and what was counted.
fn detect(rules: &Arc<RuleSet>, records: &[&Json]) -> (usize, Stats) {
    let origin = Origin { topic: "winlogbeat".into(), partition: 0 };
    let limits = Limits { past: Past::Nothing, ..Limits::default() };
    let mut detector = Detector::new(Arc::clone(rules), origin, limits);
    for (offset, record) in (0..).zip(records) {
        let payload = record.to_string();
        let payload = Some(payload.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
    }
    detector.finish();
    let is_finding = |output: &&Output| matches!(output, Output::Finding(_));
    (detector.outbox().iter().filter(is_finding).count(), detector.take_stats())
}

/// An incoming connection to port 135, and a child of WMI's host, by shipper.
struct Shippers {
    connections: Vec<(&'static str, Json)>,
    children: Vec<(&'static str, Json)>,
}

/// Records of one machine; those of a shipper that goes by way of a collector know no `host.id`.
fn shippers() -> Shippers {
    let connected = json!({"UtcTime": "2024-06-11 11:33:22.918", "Protocol": "tcp",
        "Image": "C:\\Windows\\System32\\svchost.exe", "Initiated": "false",
        "SourceIp": "10.20.40.193", "SourcePort": "50233", "DestinationIp": "10.20.30.47",
        "DestinationPort": "135", "ProcessId": "912"});
    let started = json!({"UtcTime": "2024-06-11 11:33:25.000",
        "Image": "C:\\Windows\\System32\\cmd.exe", "CommandLine": "cmd.exe /c whoami",
        "ParentImage": "C:\\Windows\\System32\\wbem\\WmiPrvSE.exe", "IntegrityLevel": "High",
        "User": "CORP\\jdoe", "ProcessId": "7032"});
    let own = json!({"hostname": "SRV-FILE07", "name": "srv-file07", "id": ID,
        "os": {"type": "windows"}});
    let winlog = |id: &str, data: &Json| {
        json!({"channel": "Microsoft-Windows-Sysmon/Operational", "computer_name": FULL_NAME,
            "event_id": id, "provider_name": "Microsoft-Windows-Sysmon",
            "record_id": if id == "1" { 2 } else { 1 }, "event_data": data,
            "user": {"identifier": "S-1-5-18"}})
    };
    let written = "2024-06-11T11:33:26.000Z";
    let raw = |id: &str, data: &Json| {
        json!({"@timestamp": written, "agent": {"type": "winlogbeat", "version": "8.13.4"},
            "host": own, "winlog": winlog(id, data)})
    };
    let agent = |id: &str, data: &Json| {
        json!({"@timestamp": written, "agent": {"type": "filebeat", "version": "8.13.4"},
            "data_stream": {"dataset": "windows.sysmon_operational", "namespace": "default"},
            "host": own, "winlog": winlog(id, data)})
    };
    let forwarded = |id: &str, data: &Json| {
        json!({"@timestamp": written, "agent": {"type": "winlogbeat", "version": "8.13.4"},
            "tags": ["forwarded"], "host": {"name": FULL_NAME}, "winlog": winlog(id, data)})
    };
    let flat = |id: u32, data: &Json| {
        let mut record = json!({"@timestamp": written, "EventID": id, "RecordNumber": id,
            "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": FULL_NAME,
            "SourceName": "Microsoft-Windows-Sysmon", "UserID": "S-1-5-18"});
        let entries = data.as_object().unwrap().clone();
        record.as_object_mut().unwrap().extend(entries);
        record
    };
    let ecs_7 = |category: &str, time: &str, more: Json| {
        let mut record = json!({"@timestamp": time,
            "agent": {"type": "winlogbeat", "version": "7.17.9"},
            "event": {"category": [category], "type": ["start"], "code": 1, "module": "sysmon"},
            "host": {"hostname": "SRV-FILE07", "name": FULL_NAME, "id": ID},
            "winlog": {"channel": "Microsoft-Windows-Sysmon/Operational", "record_id": 5,
                "computer_name": FULL_NAME, "event_id": 1}});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let endpoint = |category: &str, time: &str, more: Json| {
        let dataset = format!("endpoint.events.{category}");
        let mut record = json!({"@timestamp": time,
            "agent": {"type": "endpoint", "version": "8.13.4"},
            "data_stream": {"dataset": dataset, "namespace": "default", "type": "logs"},
            "event": {"category": category, "type": "start", "id": category, "sequence": 7},
            "host": own});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let connection = json!({"process": {"name": "svchost.exe"},
        "network": {"direction": "ingress"}, "source": {"ip": "10.20.40.193", "port": 50233},
        "destination": {"ip": "10.20.30.47", "port": 135}});
    let child = json!({"process": {"name": "cmd.exe", "parent": {"name": "WmiPrvSE.exe"},
        "executable": "C:\\Windows\\System32\\cmd.exe", "args": ["cmd.exe", "/c", "whoami"]},
        "user": {"id": "S-1-5-21-1-2-3-1104"}});
    let (first, second) = ("2024-06-11T11:33:22.9181234Z", "2024-06-11T11:33:25.0001234Z");
    Shippers {
        connections: vec![
            ("winlogbeat 8", raw("3", &connected)),
            ("agent", agent("3", &connected)),
            ("winlogbeat 7", ecs_7("network", first, connection.clone())),
            ("endpoint", endpoint("network", first, connection)),
            ("collector", forwarded("3", &connected)),
            ("nxlog", flat(3, &connected)),
        ],
        children: vec![
            ("winlogbeat 8", raw("1", &started)),
            ("agent", agent("1", &started)),
            ("winlogbeat 7", ecs_7("process", second, child.clone())),
            ("endpoint", endpoint("process", second, child)),
            ("collector", forwarded("1", &started)),
            ("nxlog", flat(1, &started)),
        ],
    }
}

#[test]
fn one_host_is_one_whoever_ships_its_events() {
    let Shippers { connections, children } = shippers();
    let by_id = rule_20s(Options::default());
    let by_name = rule_20s(Options {
        host_key: HostKey::Name,
        host_names: HostNames::Short,
        ..Options::default()
    });
    let knows_id = |shipper: &str| !matches!(shipper, "collector" | "nxlog");
    for (first, connection) in &connections {
        for (second, child) in &children {
            let (alerts, stats) = detect(&by_name, &[connection, child]);
            assert_eq!(alerts, 1, "{first}, then {second}, by name");
            assert_eq!(stats.of_shape(Shape::Unknown), 0);
            let (alerts, _) = detect(&by_id, &[connection, child]);
            let expected = usize::from(knows_id(first) == knows_id(second));
            assert_eq!(alerts, expected, "{first}, then {second}, by id");
        }
    }
}

#[test]
fn hosts_behind_one_collector_stay_apart() {
    let Shippers { connections, children } = shippers();
    let collected = |record: &Json, computer: &str| {
        let mut record = record.clone();
        record["winlog"]["computer_name"] = json!(computer);
        record["host"] = json!({"hostname": "WEC01", "id": "collector", "os": {"type": "windows"}});
        record
    };
    let rules = rule_20s(Options::default());
    let connection = collected(&connections[0].1, "SRV-1.corp.example");
    let (alerts, stats) = detect(&rules, &[&connection, &collected(&children[0].1, "SRV-2")]);
    assert_eq!((alerts, stats.forwarded, stats.foreign_ids), (0, 2, 2));
    let own = collected(&children[0].1, "SRV-1.corp.example");
    assert_eq!(detect(&rules, &[&connection, &own]).0, 1);
}

#[test]
fn machines_that_share_an_id_are_counted() {
    let rules = rule_20s(Options::default());
    let of = |name: &str| {
        json!({"@timestamp": "2024-06-11T11:33:24.027Z", "host": {"id": ID, "hostname": name},
            "winlog": {"channel": "Security", "event_id": 4634, "computer_name": name}})
    };
    let (clone, original) = (of("CLONE-2.corp"), of("clone-1"));
    let same = of("CLONE-1.corp.example");
    let (_, stats) = detect(&rules, &[&original, &same, &original]);
    assert_eq!(stats.shared_ids, 0, "one machine under two names");
    let (_, stats) = detect(&rules, &[&original, &clone, &original, &clone]);
    assert_eq!(stats.shared_ids, 1);
}
