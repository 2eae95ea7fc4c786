//! The prefilter never hides a match: a record that it rejects satisfies no stage, and a detector
//! decides the same with it, without it, and from one to the other.
//!
//! Records are written anew in many ways: order of keys, dotted keys, blanks, escapes, letter case,
//! characters that fold to ASCII. A failing case prints its seed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use maxspan::detect::{Detector, Engine, Options, Output, Prefiltering, Record, Stamp};
use maxspan::event::{Arena, EventTime, Fields, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, TermRef};
use maxspan::text::Text;
use random::{Random, cases, survey};
use replay::{not_run, shared};
use serde_json::Value as Json;
use streams::{RULES, Step, options, origin, random_steps_between, rule_set, story};

#[path = "support/flat.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod flat;
#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;
#[path = "support/replay.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod replay;
#[path = "support/streams.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod streams;

/// How a document is written.
struct Spelling {
    /// Of a hundred characters, so many are written as `\uXXXX`.
    escaped: u64,
    /// Of a hundred letters of values, so many change their case.
    turned: u64,
    /// Of a hundred letters `s` and `k` of values, so many become others that fold to them.
    folded: u64,
    dotted: bool,
    blanks: bool,
}

impl Spelling {
    fn random(random: &mut Random) -> Self {
        Self {
            escaped: *random.pick(&[0, 0, 1, 20, 100]),
            turned: *random.pick(&[0, 0, 50]),
            folded: *random.pick(&[0, 0, 0, 20]),
            dotted: random.chance(40),
            blanks: random.chance(40),
        }
    }

    fn document(&self, random: &mut Random, json: &Json) -> Vec<u8> {
        let mut out = String::new();
        self.value(random, json, &mut out);
        self.blank(random, &mut out);
        out.into_bytes()
    }

    fn value(&self, random: &mut Random, json: &Json, out: &mut String) {
        self.blank(random, out);
        match json {
            Json::Object(members) => {
                let mut members: Vec<(String, &Json)> =
                    members.iter().map(|(key, value)| (key.clone(), value)).collect();
                if self.dotted {
                    members =
                        members.into_iter().flat_map(|member| dotted(random, member)).collect();
                }
                shuffle(random, &mut members);
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    self.blank(random, out);
                    self.text(random, key, out);
                    self.blank(random, out);
                    out.push(':');
                    self.value(random, value, out);
                }
                self.blank(random, out);
                out.push('}');
            }
            Json::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    self.value(random, item, out);
                }
                out.push(']');
            }
            Json::String(text) => {
                let text: String = text.chars().map(|c| self.turned(random, c)).collect();
                self.text(random, &text, out);
            }
            other => out.push_str(&other.to_string()),
        }
    }

    fn turned(&self, random: &mut Random, c: char) -> char {
        match c {
            's' | 'S' if random.chance(self.folded) => 'ſ',
            'k' | 'K' if random.chance(self.folded) => '\u{212a}',
            _ if !random.chance(self.turned) => c,
            _ if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
            _ => c.to_ascii_lowercase(),
        }
    }

    fn text(&self, random: &mut Random, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            let mut units = [0; 2];
            match c {
                _ if random.chance(self.escaped) => {
                    for unit in c.encode_utf16(&mut units) {
                        out.push_str(&match random.chance(50) {
                            true => format!("\\u{unit:04x}"),
                            false => format!("\\u{unit:04X}"),
                        });
                    }
                }
                '"' | '\\' => out.extend(['\\', c]),
                '/' if random.chance(30) => out.push_str("\\/"),
                '<' | '>' | '&' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('"');
    }

    fn blank(&self, random: &mut Random, out: &mut String) {
        if self.blanks && random.chance(30) {
            out.push_str(random.pick::<&str>(&[" ", "\t", "\r\n", "   "]));
        }
    }
}

/// Splits a member whose value is an object into members with dotted keys, some of the time.
fn dotted<'j>(random: &mut Random, (key, value): (String, &'j Json)) -> Vec<(String, &'j Json)> {
    match value {
        Json::Object(members) if random.chance(50) && !members.is_empty() => {
            let members = members.iter().map(|(inner, value)| (format!("{key}.{inner}"), value));
            members.flat_map(|member| dotted(random, member)).collect()
        }
        _ => vec![(key, value)],
    }
}

fn shuffle<T>(random: &mut Random, list: &mut [T]) {
    for at in (1..list.len()).rev() {
        list.swap(at, random.below(at as u64 + 1) as usize);
    }
}

/// The terms that a record satisfies, as it is decoded and normalized.
fn hits(rules: &RuleSet, record: &[u8]) -> Vec<TermRef> {
    let arena = Arena::new();
    let mut fields = Fields::new(rules.fields().len(), &arena);
    let mut hits = Vec::new();
    if rules.decoder().decode(record, &mut fields).is_ok()
        && rules.normalizer().normalize(&mut fields).event_time.is_some()
    {
        rules.hits(&fields, &mut hits);
    }
    hits
}

fn rejects(rules: &RuleSet, record: &[u8]) -> bool {
    rules.prefilter().is_some_and(|prefilter| prefilter.rejects(record))
}

fn compiled(text: Text) -> RuleSet {
    RuleSet::compile(vec![Arc::new(text)], &Defaults::default()).0
}

fn rule(query: &str) -> RuleSet {
    let contents = format!(
        "[rule]\nname = \"-\"\nrule_id = \"-\"\ndescription = \"-\"\nauthor = [\"-\"]\n\
         severity = \"low\"\nrisk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\n\
         query = '''\n{query}\n'''\n"
    );
    let rules = compiled(Text::new("rule.toml", contents));
    assert_eq!(rules.rules().len(), 1, "{query}");
    rules
}

fn rule_files(directory: &Path) -> Vec<Text> {
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".toml") && !name.ends_with(".cases.toml")
    });
    paths.sort();
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    paths.iter().map(|path| Text::new(path.display().to_string(), read(path))).collect()
}

fn own(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Raw records and what they are as ECS.
fn golden() -> Vec<(Json, Json)> {
    let mut pairs = Vec::new();
    for directory in ["tests/corpus/normalize", "tests/corpus/normalize/ids"] {
        for entry in std::fs::read_dir(own(directory)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let ecs = path.with_file_name(name.replace(".in.", ".ecs."));
            match name.split_once(".in.") {
                Some((_, "json")) => pairs.push((read(&path), read(&ecs))),
                Some((_, "ndjson")) => {
                    pairs.extend(read_lines(&path).into_iter().zip(read_lines(&ecs)));
                }
                _ => {}
            }
        }
    }
    pairs.sort_by_key(|(raw, _)| raw.to_string());
    pairs
}

fn read(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn read_lines(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whatever normalizing fills: a rule that asks for it is not cheated of it.
#[test]
fn no_field_of_a_record_is_hidden_however_the_record_is_written() {
    let golden = golden();
    assert!(golden.len() > 20, "only {} records", golden.len());
    let random = &mut Random::new(1);
    let (mut asked, mut found, mut filtered) = (0, 0, 0);
    for (raw, ecs) in &golden {
        for (field, values) in flat::flatten(&ecs.to_string()) {
            if !random.chance(35) {
                continue;
            }
            let Json::String(text) = random.pick(&values) else { continue };
            if text.contains("'''") || text.contains(['"', '\n', '\r', '*', '?']) {
                continue;
            }
            let quoted = text.replace('\\', "\\\\");
            let (head, tail) = quoted.split_at(quoted.ceil_char_boundary(quoted.len() / 2));
            let name = field.split('.').map(|part| format!("`{part}`")).collect::<Vec<_>>();
            let name = name.join(".");
            let query = match random.below(4) {
                0 => format!("any where {name} == \"{quoted}\""),
                1 if !head.ends_with('\\') => format!("any where {name} : \"*{tail}\""),
                2 => format!("any where {name} != null"),
                _ => {
                    format!("any where {name} : (\"{}\", \"no such text\")", quoted.to_uppercase())
                }
            };
            let rules = rule(&query);
            filtered += u32::from(rules.prefilter().is_some());
            for _ in 0..cases(3) {
                let spelling = Spelling::random(random);
                let record = spelling.document(random, raw);
                asked += 1;
                if !hits(&rules, &record).is_empty() {
                    found += 1;
                    let shown = String::from_utf8_lossy(&record);
                    assert!(!rejects(&rules, &record), "{query}\n{shown}");
                }
            }
        }
    }
    println!("{found} hits of {asked} records, {filtered} rules with a prefilter");
    assert!(found > 1_000 && filtered > 200, "{found} hits, {filtered} prefilters");
}

/// Lines of recorded attacks, and of golden records.
fn lines() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = golden()
        .iter()
        .flat_map(|(raw, ecs)| [raw, ecs].map(|json| json.to_string().into()))
        .collect();
    match shared("data/attacks") {
        Some(directory) => {
            let mut paths: Vec<_> =
                std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            for path in paths {
                let mut text = Vec::new();
                let file = std::fs::File::open(&path).unwrap();
                unpacked(file).read_to_end(&mut text).unwrap();
                lines.extend(text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
            }
        }
        None => not_run("prefilter over recorded attacks", "`../shared/data/attacks` is not there"),
    }
    lines.retain(|line| !line.is_empty());
    lines
}

#[cfg(feature = "service")]
fn unpacked(file: std::fs::File) -> impl Read {
    flate2::read::MultiGzDecoder::new(file)
}

/// Without the service nothing reads packed files.
#[cfg(not(feature = "service"))]
fn unpacked(_: std::fs::File) -> impl Read {
    std::io::empty()
}

/// Each rule alone, over everything that all of them together hit.
fn check_rules(files: Vec<Text>) -> (usize, usize) {
    let alone: Vec<RuleSet> = files.into_iter().map(compiled).collect();
    let filtered = alone.iter().filter(|rules| rules.prefilter().is_some()).count();
    let random = &mut Random::new(2);
    let mut found = 0;
    let lines = lines();
    for (number, line) in lines.iter().enumerate() {
        let hit: Vec<&RuleSet> = alone
            .iter()
            .filter(|rules| rules.prefilter().is_some() && !hits(rules, line).is_empty())
            .collect();
        // The prefilter of a rule that is not hit must still bear what the record is.
        let rejected = alone.iter().filter(|rules| rejects(rules, line)).count();
        assert!(rejected + hit.len() <= alone.len());
        if hit.is_empty() {
            continue;
        }
        let json: Json = serde_json::from_slice(line).unwrap();
        for rules in hit {
            assert!(!rejects(rules, line), "line {number}: {}", String::from_utf8_lossy(line));
            for _ in 0..cases(4) {
                let record = Spelling::random(random).document(random, &json);
                let is_hit = !hits(rules, &record).is_empty();
                found += usize::from(is_hit);
                let shown = String::from_utf8_lossy(&record);
                let id = &rules.rules()[0].metadata.id;
                assert!(!is_hit || !rejects(rules, &record), "{id}, line {number}\n{shown}");
            }
        }
    }
    (filtered, found)
}

#[test]
fn shipped_rules_have_a_prefilter_that_hides_no_hit() {
    let files = rule_files(&own("config/rules"));
    let all =
        RuleSet::compile(files.iter().cloned().map(Arc::new).collect(), &Defaults::default()).0;
    assert!(all.prefilter().is_some());
    assert!(rejects(&all, br#"{"winlog":{"event_data":{"Image":"C:\\Windows\\svchost.exe"}}}"#));
    let (filtered, found) = check_rules(files);
    println!("{found} hits");
    assert_eq!(filtered, 3);
}

#[test]
fn published_rules_have_prefilters_that_hide_no_hit() {
    let Some(directory) = shared("data/elastic-rules") else {
        return not_run(
            "prefilters of published rules",
            "`../shared/data/elastic-rules` is not there",
        );
    };
    let (filtered, found) = check_rules(rule_files(&directory));
    println!("{filtered} rules with a prefilter, {found} hits");
    assert!(filtered > 200, "only {filtered} rules have a prefilter");
}

/// Texts that stand in no record as rules see them: joined, unescaped, named or computed.
#[test]
fn texts_that_normalizing_makes_are_not_sought_in_records() {
    let sysmon = "Microsoft-Windows-Sysmon/Operational";
    for (channel, id, data, query) in [
        (
            sysmon,
            1,
            serde_json::json!({"CommandLine": "a.exe -enc\"oded\" x"}),
            "any where process.args : \"-encoded\"",
        ),
        (
            sysmon,
            13,
            serde_json::json!({"TargetObject": "HKLM\\x", "Details": "DWORD (0x00001000)"}),
            "any where registry.data.strings : \"4096\"",
        ),
        (
            sysmon,
            13,
            serde_json::json!({"TargetObject": "HKEY_LOCAL_MACHINE\\SOFTWARE\\x"}),
            "any where registry.hive == \"HKLM\"",
        ),
        (
            "Security",
            4698,
            serde_json::json!({"TaskContent": "<Command>cmd&#46;exe</Command>"}),
            "any where `maxspan`.task.command : \"cmd.exe\"",
        ),
        (
            "Security",
            5145,
            serde_json::json!({"ShareLocalPath": "\\??\\C:\\Windows", "RelativeTargetName": "x.dll"}),
            "any where file.path : \"c:\\\\windows\\\\X.dll\"",
        ),
        (
            "Security",
            4624,
            serde_json::json!({"LogonType": "3"}),
            "any where winlog.logon.type == \"Network\"",
        ),
    ] {
        let record = serde_json::json!({
            "@timestamp": "2026-03-01T10:00:00Z",
            "winlog": {"channel": channel, "event_id": id, "event_data": data},
        });
        let (rules, record) = (rule(query), record.to_string());
        assert!(!hits(&rules, record.as_bytes()).is_empty(), "{query} {record}");
        assert!(!rejects(&rules, record.as_bytes()), "{query} {record}");
    }
}

#[test]
fn what_is_cut_off_or_no_object_is_not_rejected() {
    let rules = rule("any where user.email : \"someone@example.com\"");
    assert!(rejects(&rules, b" {\"a\":1}\r\n"));
    for record in ["", "{", "}", "[{}]", "{\"a\":1", "{\"a\":1}]", "\u{feff}{\"a\":1}", "null"] {
        assert!(!rejects(&rules, record.as_bytes()), "{record}");
    }
}

/// What a detector has decided: alerts, and the metadata of a cut.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    findings: Vec<String>,
    metadata: Option<String>,
}

fn decided(detector: &mut Detector) -> Decided {
    let cut = detector.cut();
    let findings = detector.outbox().iter().filter_map(|output| match output {
        Output::Finding(finding) => Some(format!("{finding:?}")),
        _ => None,
    });
    let findings = findings.collect();
    detector.take_outbox();
    Decided { findings, metadata: cut.map(|cut| cut.metadata) }
}

fn with(prefiltering: Prefiltering) -> Options {
    Options { prefiltering, ..options() }
}

/// Writes the payloads of steps anew, leaves out marks that say nothing, and breaks some.
fn rewritten(random: &mut Random, steps: Vec<Step>) -> Vec<Step> {
    let record = |step| match step {
        Step::Idle { seconds } => Step::Idle { seconds },
        Step::Record { stamp, payload } => {
            let mut json: Json = serde_json::from_str(&payload).unwrap();
            if json["tags"].as_array().unwrap().len() == 1 {
                json.as_object_mut().unwrap().remove("tags");
            }
            let spelling = Spelling { turned: 0, folded: 0, ..Spelling::random(random) };
            let mut payload = String::from_utf8(spelling.document(random, &json)).unwrap();
            match random.below(40) {
                0 => payload.truncate(payload.len() / 2),
                1 => payload.insert(1, ','),
                _ => {}
            }
            let stamp = match random.below(40) {
                0 => Stamp::None,
                1 => Stamp::Create(EventTime::from_nanos(0)),
                2 => Stamp::Append(stamp.time().unwrap()),
                3 => Stamp::Create(stamp.time().unwrap() + TimeSpan::from_secs(15)),
                _ => stamp,
            };
            Step::Record { stamp, payload }
        }
    };
    steps.into_iter().map(record).collect()
}

/// Runs the steps with each way of prefiltering, with restarts from one to another; returns how many
/// alerts there were, and how many records were rejected.
fn check_ways(seed: u64, rules: &Arc<RuleSet>, least: i64, most: i64) -> (usize, u64) {
    let random = &mut Random::new(seed);
    let late = *random.pick(&[0, 25]);
    let steps = random_steps_between(random, late, least, most);
    let steps = rewritten(random, steps);
    let ways = [Prefiltering::Off, Prefiltering::Always, Prefiltering::Adaptive];
    let new = |way| Engine::new(Arc::clone(rules), with(way)).detector(origin());
    let mut detectors = ways.map(new);
    let (mut alerts, mut rejected) = (0, 0);
    for (offset, step) in steps.iter().enumerate() {
        detectors.iter_mut().for_each(|detector| streams::apply(detector, offset, step));
        let [off, always, adaptive] = &mut detectors;
        let expected = decided(off);
        for other in [always, adaptive] {
            let found = decided(other);
            assert_eq!(expected, found, "seed {seed}, step {offset}:\n{}", story(&steps));
        }
        alerts += expected.findings.len();
        rejected += detectors[1].take_stats().prefiltered;
        if let Some(metadata) = expected.metadata.filter(|_| random.chance(2)) {
            let position = detectors[0].position().unwrap();
            let from = random.below(3) as usize;
            detectors.rotate_left(from);
            detectors = ways.map(|way| restarted(rules, way, &steps, position, &metadata));
        }
    }
    (alerts, rejected)
}

fn restarted(
    rules: &Arc<RuleSet>,
    way: Prefiltering,
    steps: &[Step],
    position: i64,
    metadata: &str,
) -> Detector {
    let engine = Engine::new(Arc::clone(rules), with(way));
    let (mut detector, complaint) = engine.resume(origin(), position, metadata);
    assert_eq!(complaint, None);
    let from = detector.read_from().unwrap() as usize;
    for (offset, step) in steps.iter().enumerate().take(position as usize).skip(from) {
        if matches!(step, Step::Record { .. }) {
            streams::apply(&mut detector, offset, step);
        }
    }
    detector
}

fn sum(a: (usize, u64), b: (usize, u64)) -> (usize, u64) {
    (a.0 + b.0, a.1 + b.1)
}

#[test]
fn a_detector_decides_the_same_with_and_without_a_prefilter() {
    let all = rule_set(0..RULES.len());
    assert!(all.prefilter().is_some());
    let (alerts, rejected) = survey(400, |seed| check_ways(seed, &all, 5, 120), sum);
    assert!(alerts > 2_000 && rejected > 2_000, "{alerts} alerts, {rejected} rejected");
}

#[test]
fn a_prefilter_that_switches_itself_on_changes_nothing() {
    let some = rule_set([0, 3, 6]);
    let (alerts, rejected) = survey(4, |seed| check_ways(seed, &some, 2_500, 3_000), sum);
    assert!(alerts > 100 && rejected > 1_000, "{alerts} alerts, {rejected} rejected");
}

#[test]
fn every_64th_record_and_those_of_an_unconfirmed_step_are_decoded() {
    let rules = rule_set([0]);
    let mut detector = Engine::new(rules, with(Prefiltering::Always)).detector(origin());
    let mut rejected_of = |offset: i64, stamp| {
        let payload = br#"{"@timestamp":"2023-11-14T22:13:20Z","host":{"id":"a"}}"#;
        detector.on_record(&Record { offset, stamp, payload: Some(payload), source: None });
        detector.take_stats().prefiltered == 1
    };
    let create = |seconds| Stamp::Create(streams::at(seconds));
    assert!(!rejected_of(0, create(0)), "the 64th");
    assert!(rejected_of(1, create(1)));
    assert!(!rejected_of(2, create(100)), "a step");
    assert!(!rejected_of(3, create(1)), "while it is unconfirmed");
    assert!(rejected_of(4, Stamp::Append(streams::at(2))));
    assert!(!rejected_of(5, Stamp::None));
    assert!(!rejected_of(64, Stamp::Append(streams::at(3))));
}
