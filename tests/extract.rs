//! The walk over a record finds what its slow twin, the parser, finds; where it reads what the parser refuses, the
//! mistake stands where nobody reads.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use serde_json::{Map, Value as Json};

#[path = "support/lenient.rs"]
mod lenient;
#[path = "support/twin_decode.rs"]
mod twin_decode;

use twin_decode::Twins;

/// Wanted fields, and which of them are read first.
const SETS: &[(&[&str], &[&str])] = &[
    (&["a", "a.b", "b.c", "c", "é.a", "b.long.long_long_long"], &[]),
    (&["a.b", "a.c", "b.c.a", "c", "é", "b.long_long_long"], &["a.c"]),
    (&["a.b.c", "b.a", "b.c.a", "c.b", "c.c.c", "long.a", "c.é"], &["b.a", "c.c.c", "c.é"]),
    // Fields above and below early ones: there is one walk.
    (&["a", "a.b", "b"], &["a.b"]),
    (&["a", "b", "b.c"], &["b"]),
    (&["", "a.", ".a", "a..b", "nothing"], &["a."]),
    (&["x"], &["x"]),
];

fn all() -> Vec<Twins<'static>> {
    SETS.iter().map(|(paths, early)| Twins::new(paths, early)).collect()
}

fn key() -> impl Strategy<Value = String> {
    let segments = || prop::sample::select(vec!["a", "b", "c", "é", "long", "", "long_long_long"]);
    prop_oneof![
        8 => segments().prop_map(str::to_owned),
        2 => prop::collection::vec(segments(), 2..4).prop_map(|segments| segments.join(".")),
        1 => "[a-c\\.\"\\\\\n]{0,3}",
        1 => "[a-c]{50,80}",
    ]
}

fn document() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        2 => Just(Json::Null),
        2 => any::<bool>().prop_map(Json::from),
        2 => any::<i64>().prop_map(Json::from),
        1 => any::<u64>().prop_map(Json::from),
        1 => any::<f64>().prop_filter("JSON has no infinity", |n| n.is_finite()).prop_map(Json::from),
        4 => ".{0,6}".prop_map(Json::from),
        2 => "[a\\\\\"é{}:,\n]{0,90}".prop_map(Json::from),
    ];
    let object = |inner| {
        let members = prop::collection::vec((key(), inner), 0..5);
        members.prop_map(|members| Json::Object(members.into_iter().collect::<Map<_, _>>()))
    };
    let value = leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            2 => object(inner),
        ]
    });
    let members = prop::collection::vec((key(), value), 0..8);
    members.prop_map(|members| Json::Object(members.into_iter().collect()))
}

/// Members in any order, repeated ones too: text that stands in an object.
fn record() -> impl Strategy<Value = String> {
    let written = |json: Json, is_pretty| match is_pretty {
        true => serde_json::to_string_pretty(&json).unwrap(),
        false => json.to_string(),
    };
    prop::collection::vec((document(), any::<bool>()), 1..4).prop_map(move |parts| {
        let parts = parts.into_iter().map(|(json, is_pretty)| written(json, is_pretty));
        let members = parts.map(|part| part[1..part.len() - 1].to_owned());
        let members: Vec<_> = members.filter(|part| !part.trim().is_empty()).collect();
        format!("{{{}}}", members.join(","))
    })
}

/// Bytes of which most mistakes are made.
const BYTES: &[u8] = b"\"\\{}[]:,. \n\0\x1a0-1eEntfu\xc3\xa9\xff/";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn valid_records_are_read_as_the_parser_reads_them(record in record()) {
        for twins in &mut all() {
            prop_assert!(twins.check(record.as_bytes()).is_ok());
        }
    }

    #[test]
    fn broken_records_are_refused_or_their_mistake_stands_where_nobody_reads(
        record in record(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(BYTES.to_vec()), 0..4_u8),
            1..4,
        ),
    ) {
        let mut payload = record.into_bytes();
        for (place, byte, how) in changes {
            let at = place.index(payload.len() + 1);
            match how {
                0 if at < payload.len() => { payload.remove(at); }
                1 => payload.truncate(at),
                2 if at < payload.len() => payload[at] = byte,
                _ => payload.insert(at, byte),
            }
        }
        all().iter_mut().for_each(|twins| { twins.check(&payload).ok(); });
    }

    #[test]
    fn any_bytes_are_read_as_the_parser_reads_them(
        payload in prop::collection::vec(prop::sample::select([BYTES, b"abc"].concat()), 0..60),
    ) {
        let object = [b"{\"a\":", &payload[..], b"}"].concat();
        for twins in &mut all() {
            twins.check(&payload).ok();
            twins.check(&object).ok();
        }
    }
}

#[test]
fn nesting_counts_wherever_it_stands() {
    for path in ["a", "x", "y"] {
        for depth in [62, 63, 64, 65, 130, 1_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"x\":", "}]")] {
                let nested =
                    format!("{{\"{path}\":{}1{}}}", open.repeat(depth), close.repeat(depth));
                all().iter_mut().for_each(|twins| {
                    twins.check(nested.as_bytes()).ok();
                });
            }
        }
    }
}

#[test]
fn unread_mistakes_are_those_that_are_told() {
    let mut twins = Twins::new(&["a"], &[]);
    for json in [
        r#"{"b":tru,"a":1}"#,
        r#"{"b":1 2,"a":1}"#,
        r#"{"b":"\x","a":1}"#,
        r#"{"b":"x" "y","a":1}"#,
        r#"{"b":{"c" 1,,},"a":1}"#,
        r#"{"b":[1 2 : 3],"a":1}"#,
        r#"{"b":,"a":1}"#,
        "{\"b\":\"\t\",\"b\":1 \"b\":1,\"a\":1}",
    ] {
        assert_eq!(twins.check(json.as_bytes()).unwrap(), ["a: [Int(1)]"], "{json}");
    }
    for json in [
        r#"{"b":{"c":1],"a":1}"#,
        r#"{"b":[[1],"a":1}"#,
        r#"{"b":"x,"a":1}"#,
        r#"{"b":1 "a":1}"#,
        r#"{"b":1,"a":01}"#,
        r#"{"b":1,"a":1 2}"#,
        r#"{"b":1,"a":"\x"}"#,
        r#"{"b":1,"a":1}}"#,
        r#"{"b":1,"a":1},"#,
        r#"[{"b":1,"a":1}]"#,
    ] {
        assert!(twins.check(json.as_bytes()).is_err(), "{json}");
    }
}

#[test]
fn golden_records_are_read_as_the_parser_reads_them() {
    let mut files = Vec::new();
    files_below(&root().join("tests/corpus/normalize"), &mut files);
    let mut count = 0;
    for path in files {
        let text = fs::read(&path).unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for record in std::iter::once(&text[..]).chain(lines) {
            windows_twins().iter_mut().for_each(|twins| {
                twins.check(record).ok();
            });
            count += 1;
        }
    }
    assert!(count > 100, "{count} records");
}

#[test]
fn recorded_attacks_are_read_as_the_parser_reads_them() {
    let folder = root().join("../shared/data/attacks");
    if !folder.exists() {
        println!("not run: recorded attacks: ../shared/data/attacks is absent");
        return;
    }
    let mut files = Vec::new();
    files_below(&folder, &mut files);
    let mut twins = windows_twins();
    for path in files.iter().filter(|path| path.extension().is_some_and(|end| end == "gz")) {
        let text = Command::new("gzip").arg("-dc").arg(path).output().unwrap().stdout;
        for record in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(300) {
            assert!(twins.iter_mut().all(|twins| twins.check(record).is_ok()));
        }
    }
}

/// Fields of Windows events and of ECS, with those that tell the kind of an event first.
fn windows_twins() -> Vec<Twins<'static>> {
    let kind = ["winlog.channel", "winlog.event_id", "event.code", "event.category", "agent.type"];
    let others = [
        "@timestamp",
        "host",
        "host.name",
        "host.os.type",
        "message",
        "process",
        "process.args",
        "process.name",
        "process.executable",
        "winlog.event_data",
        "winlog.event_data.Image",
        "winlog.event_data.CommandLine",
        "winlog.event_data.ParentImage",
        "winlog.event_data.CallTrace",
        "winlog.event_data.param1",
        "winlog.record_id",
        "winlog.user.identifier",
        "tags",
        "log.level",
    ];
    let all: Vec<&str> = kind.iter().chain(&others).copied().collect();
    let leaves: Vec<&str> =
        all.iter().filter(|path| !["host", "process"].contains(path)).copied().collect();
    vec![Twins::new(&all, &[]), Twins::new(&leaves, &kind), Twins::new(&kind, &kind)]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}
