//! Alerts on the wire, byte for byte: `corpus/alerts/<case>.in.json` gives `<case>.ecs.json` and
//! `<case>.elastic.ndjson`.
//!
//! `UPDATE_EXPECT=1 cargo test --test alerts` writes the expected files anew.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::alert::{Alert, AlertEvent, AlertRecord, Format};
use maxspan::detect::finding::{SuppressedBy, SuppressionTerm, alert_id};
use maxspan::event::{EventTime, Identity, JoinKey};
use maxspan::rule::file::{Parsed, parse};
use maxspan::rule::{Metadata, Severity};
use maxspan::text::Text;
use serde_json::Value;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/alerts")
}

fn metadata(file: &str) -> Metadata {
    let contents = std::fs::read_to_string(corpus().join(file)).unwrap();
    match parse(Arc::new(Text::new(file, contents))) {
        Parsed::Rule(rule, _) => rule.metadata,
        other => panic!("{file}: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn event(value: &Value) -> AlertEvent {
    AlertEvent {
        place: None,
        stage: usize::try_from(value["stage"].as_u64().unwrap()).unwrap(),
        event_time: EventTime::parse(value["event_time"].as_str().unwrap()).unwrap(),
        identity: Identity(u128::from_str_radix(value["identity"].as_str().unwrap(), 16).unwrap()),
        offset: value["offset"].as_i64().unwrap(),
        document: value["document"].as_object().unwrap().clone(),
    }
}

fn key(value: &Value) -> JoinKey {
    let parts = value.as_array().unwrap().iter();
    JoinKey::new(parts.map(|part| part.as_str().map(Into::into)))
}

fn render(case: &Value) -> AlertRecord {
    let mut records = render_as(case, Format::Ecs);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn render_as(case: &Value, format: Format) -> Vec<AlertRecord> {
    let fields: Vec<String> = case["key_fields"].as_array().unwrap().iter().map(text).collect();
    let (rule, key) = (metadata(&text(&case["rule"])), key(&case["key"]));
    let rule_version = case["rule_version"].as_str().unwrap();
    let events: Vec<AlertEvent> = case["events"].as_array().unwrap().iter().map(event).collect();
    let final_event = events.last().unwrap().identity;
    let alert = Alert {
        id: &alert_id(&rule.id, rule_version, &key, final_event),
        rule: &rule,
        rule_version,
        key_fields: &fields,
        key: &key,
        severity: Severity::parse(case["severity"].as_str().unwrap()).unwrap(),
        events,
        topic: case["topic"].as_str().unwrap(),
        partition: i32::try_from(case["partition"].as_i64().unwrap()).unwrap(),
        order_adjusted: case["order_adjusted"].as_bool().unwrap(),
        late: case["late"].as_bool().unwrap(),
        created: EventTime::parse(case["created"].as_str().unwrap()).unwrap(),
        is_sequence: case["is_sequence"].as_bool().unwrap(),
        suppression: case.get("suppression").map(suppression),
    };
    let max_bytes = case["max_bytes"].as_u64().unwrap_or(900_000);
    maxspan::alert::render::render(&alert, format, usize::try_from(max_bytes).unwrap())
}

fn suppression(case: &Value) -> SuppressedBy {
    let term = |(field, value): (&String, &Value)| SuppressionTerm {
        field: field.clone(),
        value: value
            .as_array()
            .map(|texts| texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect()),
    };
    SuppressedBy {
        terms: case["terms"].as_object().unwrap().iter().map(term).collect(),
        start: EventTime::parse(case["start"].as_str().unwrap()).unwrap(),
    }
}

fn case(name: &str) -> Value {
    let input = std::fs::read_to_string(corpus().join(format!("{name}.in.json"))).unwrap();
    serde_json::from_str(&input).unwrap()
}

fn cases() -> Vec<String> {
    let entries = std::fs::read_dir(corpus()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut cases: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".in.json").map(str::to_owned)).collect();
    cases.sort();
    cases
}

#[test]
fn alerts_are_written_byte_for_byte() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for name in cases() {
        for (format, ending) in [(Format::Ecs, "ecs.json"), (Format::Elastic, "elastic.ndjson")] {
            let records = render_as(&case(&name), format);
            let lines = records.into_iter().map(|r| String::from_utf8(r.value).unwrap() + "\n");
            let written: String = lines.collect();
            let path = corpus().join(format!("{name}.{ending}"));
            if update {
                std::fs::write(&path, &written).unwrap();
            }
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(written, expected, "{name}: set UPDATE_EXPECT=1 to accept");
        }
    }
    assert!(cases().len() >= 7);
}

#[test]
fn elastic_gets_a_shell_and_a_building_block_for_each_event() {
    let records = render_as(&case("sequence"), Format::Elastic);
    let documents: Vec<Value> =
        records.iter().map(|record| serde_json::from_slice(&record.value).unwrap()).collect();
    let [shell, first, second] = documents.as_slice() else { panic!("{documents:?}") };
    assert_eq!(shell["kibana.alert.uuid"], render(&case("sequence")).id);
    assert_eq!(shell["kibana.alert.depth"], 2);
    assert_eq!(shell["kibana.alert.ancestors"].as_array().map(Vec::len), Some(4));
    assert_eq!(shell["kibana.alert.ancestors"][1]["id"], first["kibana.alert.uuid"]);
    assert_eq!(shell["kibana.alert.building_block_type"], Value::Null);
    assert_eq!(shell["event"]["kind"], "signal");
    assert_eq!((&shell["host"]["name"], &shell["process"]), (&"WORKSTATION6".into(), &Value::Null));
    for (index, block) in [first, second].into_iter().enumerate() {
        assert_eq!(block["kibana.alert.group.id"], shell["kibana.alert.uuid"]);
        assert_eq!(block["kibana.alert.group.index"], index);
        assert_eq!(block["kibana.alert.building_block_type"], "default");
        assert_eq!(block["kibana.alert.depth"], 1);
    }
    assert_eq!(second["process"]["name"], "powershell.exe");
    assert_eq!(first["kibana.alert.ancestors"][0]["id"], "winlogbeat-4-1203");
    let ids: Vec<&str> = records.iter().map(|record| &*record.id).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);

    let single = render_as(&case("single_event"), Format::Elastic);
    let alert: Value = serde_json::from_slice(&single[0].value).unwrap();
    assert_eq!(single.len(), 1);
    assert_eq!(alert["kibana.alert.ancestors"][0]["id"], "own id");
    assert_eq!(alert["file"]["path"], "C:\\Windows\\Temp\\x.dll");
    assert_eq!(
        (&alert["kibana.alert.depth"], &alert["kibana.alert.group.id"]),
        (&1.into(), &Value::Null)
    );
}

#[test]
fn the_record_carries_what_its_headers_need() {
    let record = render(&case("sequence"));
    assert_eq!((&*record.rule_id, record.severity), ("rule-full", "high"));
    assert_eq!(record.key, b"h1");
    let alert: Value = serde_json::from_slice(&record.value).unwrap();
    assert_eq!(alert["event"]["id"], record.id);
    let several = render(&case("late_with_null_key"));
    assert_eq!(several.key, b"u1\x1f\x1f");
}

#[test]
fn analysts_find_source_child_user_and_host_at_the_top() {
    let record = render(&case("sequence"));
    let alert: Value = serde_json::from_slice(&record.value).unwrap();
    for (pointer, expected) in [
        ("/@timestamp", "2024-06-11T11:33:23.900Z"),
        ("/event/kind", "alert"),
        ("/event/created", "2024-06-11T11:33:30.000Z"),
        ("/source/ip", "10.0.0.5"),
        ("/process/name", "powershell.exe"),
        ("/process/command_line", "powershell.exe -enc\nAAAA"),
        ("/user/name", "pgustavo"),
        ("/host/name", "WORKSTATION6"),
        ("/threat/0/tactic/id", "TA0008"),
        ("/threat/0/technique/0/subtechnique/0/id", "T1021.003"),
        ("/rule/ruleset", "maxspan"),
        ("/maxspan/severity", "high"),
        ("/maxspan/sequence/join_keys/0/value", "h1"),
        ("/maxspan/sequence/events/0/winlog/channel", "Sysmon"),
        (
            "/event/reason",
            "On WORKSTATION6, svchost.exe accepted a connection from 10.0.0.5 to port 135, then \
             WmiPrvSE.exe started powershell.exe as THESHIRE\\pgustavo (powershell.exe -enc AAAA).",
        ),
    ] {
        assert_eq!(alert.pointer(pointer).and_then(Value::as_str), Some(expected), "{pointer}");
    }
    assert_eq!(alert["event"]["severity"], 73);
    assert_eq!(alert["maxspan"]["sequence"]["span_ms"], 127);
    assert_eq!(alert["maxspan"]["sequence"]["events"][1]["maxspan"]["offset"], 1201);
    assert_eq!(alert.pointer("/data_stream"), None);
}

#[test]
fn an_oversized_alert_loses_its_largest_bodies_and_keeps_identities() {
    let bodies = |name: &str| -> Vec<bool> {
        let case = case(name);
        let record = render(&case);
        let alert: Value = serde_json::from_slice(&record.value).unwrap();
        assert_eq!(alert["maxspan"]["truncated"], true);
        assert_eq!(alert["rule"]["name"], "Remote Start");
        assert_eq!(alert["event"]["id"].as_str().map(str::len), Some(64));
        let events = alert["maxspan"]["sequence"]["events"].as_array().unwrap().clone();
        assert!(events.iter().all(|event| event["maxspan"]["identity"].is_string()));
        if let Some(max) = case["max_bytes"].as_u64().filter(|max| *max > 1_000) {
            assert!(record.value.len() as u64 <= max, "{name}: {}", record.value.len());
        }
        events.iter().map(|event| event.get("process").is_some()).collect()
    };
    assert_eq!(bodies("largest_body_left_out"), [false, true]);
    assert_eq!(bodies("context_shortened"), [false, false]);
    assert_eq!(bodies("no_more_than_identities"), [false, false]);
    let huge = {
        let mut case = case("sequence");
        case["key"][0] = "k".repeat(3_000_000).into();
        render(&case)
    };
    assert!(huge.key.len() == 64 && huge.value.len() < 900_000);
}

#[test]
fn identities_differ_where_any_part_does() {
    let id = |rule: &str, version: &str, parts: &[Option<&str>], event: u128| {
        let key = JoinKey::new(parts.iter().map(|part| part.map(Into::into)));
        alert_id(rule, version, &key, Identity(event))
    };
    let ids = [
        id("r", "1", &[Some("a")], 1),
        id("r", "1", &[Some("a")], 2),
        id("r", "2", &[Some("a")], 1),
        id("r1", "", &[Some("a")], 1),
        id("", "r1", &[Some("a")], 1),
        id("r", "1", &[], 1),
        id("r", "1", &[None], 1),
        id("r", "1", &[Some("")], 1),
        id("r", "1", &[Some(""), None], 1),
        id("r", "1", &[Some("a"), Some("b")], 1),
        id("r", "1", &[Some("ab"), Some("")], 1),
        id("r", "1", &[Some("a\u{1f}b")], 1),
    ];
    for (index, left) in ids.iter().enumerate() {
        assert!(left.len() == 64 && left.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(ids[index + 1..].iter().all(|right| left != right), "{left} comes twice");
    }
    assert_eq!(ids[0], id("r", "1", &[Some("a")], 1));
}
