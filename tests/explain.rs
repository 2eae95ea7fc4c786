//! Rules as states: a rule, and the lines that explain it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::sync::Arc;

use maxspan::rule::explain::explain;
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

fn explained(query: &str, more: &str) -> String {
    let contents = format!(
        "[rule]\nname = \"Rule\"\nrule_id = \"r\"\nversion = 3\nseverity = \"low\"\nrisk_score = 21\n\
         language = \"eql\"\nquery = '''{query}'''\n{more}\n"
    );
    let text = Arc::new(Text::new("r.toml", contents));
    let (set, reports) = RuleSet::compile(vec![text], &Defaults::default());
    assert_eq!(set.rules().len(), 1, "{reports:#?}");
    explain(&set.rules()[0])
}

#[test]
fn a_sequence_is_explained_stage_by_stage() {
    let query = r#"
        sequence by host.id with maxspan=1m
          [authentication where event.outcome == "failure"] by user.name with runs=3
          ![process where true] by user.name
          [any where user.id : "a*"] by user.target.name
        until [any where event.action == "end"] by user.name"#;
    let more = "[rule.maxspan]\norder_tolerance = \"1s\"\nexceptions = ['user.name == \"x\"']";
    let expected = "\
Rule
  rule r, version 3
  one after the other with the same host.id, within 1m
  1-3. event of category authentication where event.outcome == \"failure\" by user.name, 3 times -> pending
       and no event of category process by user.name
    4. event where user.id : \"a*\" by user.target.name -> match
  until event where event.action == \"end\" by user.name: forgets what is pending
  alerts leave when it is final that the missing event is missing
  an event may come 30s late
  an event is held for 5m after it came
  a stage's event may be 1s earlier than the one before it
  exceptions: 1
  no further alert with the same host.id, user.name for 1m";
    assert_eq!(explained(query, more), expected);
}

#[test]
fn single_events_and_samples_are_explained() {
    let more = "[rule.maxspan.suppression]\ngroup_by = [\"host.id\"]\nduration = \"5m\"";
    assert_eq!(
        explained("process where process.name == \"a\"", more),
        "Rule\n  rule r, version 3\n  alert on each event of category process where process.name == \
         \"a\"\n  no further alert with the same host.id for 5m"
    );
    let sample = explained("sample by host.id [a where true] [b where x == 1]", "");
    for line in ["events in any order with the same host.id", "- event of category b where x == 1"]
    {
        assert!(sample.contains(line), "{sample}");
    }
}

/// `maxspan explain` as a user runs it.
#[cfg(feature = "cli")]
mod command {
    use std::io::{Read, Write};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use serde_json::Value;

    use crate::support::replay::{not_run, shared};

    const RULES: &str = "config/rules";
    const V100: &str = "f3475224-b179-4f78-8877-c2bd64c26b88-v100";

    struct Ran {
        code: Option<i32>,
        out: String,
        said: String,
    }

    fn explain_with(arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_maxspan"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .arg("explain")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Whoever does not read from it closes it.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            said: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn explain(arguments: &[&str]) -> Ran {
        explain_with(arguments, "")
    }

    /// A connection and a child of the WMI provider host, `gap` seconds later.
    fn events(host: &str, gap: f64) -> [String; 2] {
        let at = |seconds: f64| 1_704_067_200_000 + (seconds * 1_000.0) as i64;
        let network = format!(
            r#"{{"@timestamp":{},"event.category":"network","host.id":"{host}","process.name":"svchost.exe","network.direction":"ingress","source.ip":"10.0.0.5","source.port":50001,"destination.port":50000}}"#,
            at(0.0)
        );
        let process = format!(
            r#"{{"@timestamp":{},"event.category":"process","event.type":"start","host.id":"{host}","process.parent.name":"WmiPrvSE.exe","process.args":"cmd"}}"#,
            at(gap)
        );
        [network, process]
    }

    fn write(directory: &Path, name: &str, lines: &[String]) -> String {
        let path = directory.join(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path.display().to_string()
    }

    #[test]
    fn packed_files_and_standard_input_are_explained_alike() {
        let directory = tempfile::tempdir().unwrap();
        let lines = events("h", 3.4);
        let plain = write(directory.path(), "a.ndjson", &lines);
        let packed = directory.path().join("a.ndjson.zst").display().to_string();
        std::fs::write(&packed, zstd::encode_all(lines.join("\n").as_bytes(), 1).unwrap()).unwrap();
        let run = |file| {
            let arguments = [RULES, "--rule-id", V100, "--events", file];
            let ran = explain_with(&arguments, &lines.join("\n"));
            assert_eq!((ran.code, &*ran.said), (Some(0), ""));
            ran.out.split_once('\n').unwrap().1.to_owned()
        };
        let text = run(&plain);
        assert!(text.contains("3.4s from line 1 to line 2, 1.4s over maxspan = 2s"), "{text}");
        assert!(text.contains("would match with maxspan = 3400ms"), "{text}");
        assert_eq!((run(&packed), run("-")), (text.clone(), text));
    }

    #[test]
    fn several_files_are_partitions_unless_they_are_merged() {
        let directory = tempfile::tempdir().unwrap();
        let [network, process] = events("h", 1.0);
        let second = write(directory.path(), "second.ndjson", &[process]);
        let first = write(directory.path(), "first.ndjson", &[network]);
        let flags = [RULES, "--rule-id", V100, "--events", &second, "--events", &first];
        let apart = explain(&flags);
        assert!(apart.out.contains("--merge reads them as one"), "{}", apart.out);
        assert!(apart.out.contains("no alert"), "{}", apart.out);
        let merged = explain(&[&flags[..], &["--merge"]].concat());
        assert!(
            merged.out.contains("alert medium by first.ndjson:1, second.ndjson:1"),
            "{}",
            merged.out
        );
    }

    #[test]
    fn keys_are_chosen_and_limited() {
        let directory = tempfile::tempdir().unwrap();
        let mut lines: Vec<String> =
            (0..12).flat_map(|n| events(&format!("far{n}"), 5.0)).collect();
        lines.extend(events("near", 1.0));
        lines.insert(3, "no json".to_owned());
        let path = write(directory.path(), "a.ndjson", &lines);
        let json = |more: &[&str]| -> Value {
            let flags = [RULES, "--rule-id", V100, "--format", "json", "--events", &path];
            let ran = explain(&[&flags[..], more].concat());
            assert_eq!(ran.code, Some(0), "{}", ran.said);
            serde_json::from_str(&ran.out).unwrap()
        };
        let all = json(&["--limit", "4", "--hits", "1"]);
        assert_eq!(all["input"]["records"], 27);
        assert_eq!(all["input"]["unreadable"]["invalid_json"], 1);
        let rule = &all["rules"][0];
        assert_eq!((&rule["keys"]["seen"], &rule["keys"]["fired"]), (&13.into(), &1.into()));
        assert_eq!(rule["keys"]["reached"], serde_json::json!([0, 12, 0]));
        assert_eq!(rule["by_key"].as_array().unwrap().len(), 4);
        assert_eq!(rule["by_key"][0]["left_out"], 1);
        let one = json(&["--key", "far7"]);
        let key = &one["rules"][0]["by_key"][0];
        assert_eq!((&key["key"][0], &key["outcome"]), (&"far7".into(), &"not_fired".into()));
        let miss = &key["misses"][0];
        assert_eq!(miss["reasons"][0]["kind"], "over_maxspan");
        assert_eq!(miss["reasons"][0]["over_ms"], 3_000);
        assert_eq!(miss["would_match_with"], serde_json::json!([{ "maxspan_ms": 5_000 }]));
        let none = explain(&[RULES, "--events", &path, "--key", "nowhere"]);
        assert_eq!(none.code, Some(1));
        assert!(none.said.contains("no join key has the parts `nowhere`"), "{}", none.said);
    }

    #[test]
    fn flags_change_how_rules_run() {
        let directory = tempfile::tempdir().unwrap();
        let [network, process] = events("h", -0.5);
        let path = write(directory.path(), "a.ndjson", &[network, process]);
        let run = |more: &[&str]| {
            explain(&[&[RULES, "--rule-id", V100, "--events", &path][..], more].concat()).out
        };
        assert!(run(&[]).contains("through the order tolerance of 1s"));
        let strict = run(&["--order-tolerance", "0s", "--emit", "exact"]);
        assert!(strict.contains("came 500ms before stage 1 at line 1"), "{strict}");
    }

    #[test]
    fn what_is_wrong_is_said_in_one_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), "a.ndjson", &events("h", 1.0));
        let broken = write(
            directory.path(),
            "broken.toml",
            &["[rule]\nname = \"n\"\nrule_id = \"b\"\nseverity = \"low\"\nrisk_score = 1\nlanguage = \"eql\"\nquery = 'a where b = 1'".to_owned()],
        );
        for (arguments, code, part) in [
            (vec![RULES, "--events", "/no/such/file"], 3, "cannot read `/no/such/file`"),
            (vec!["/no/such/rule", "--events", &path], 3, "/no/such/rule"),
            (vec![&broken, "--events", &path], 1, "broken.toml:7"),
            (vec![&broken, "--events", &path], 1, "no rule to explain"),
            (vec![RULES, "--rule-id", "x", "--events", &path], 1, "no rule with the id `x` runs"),
            (vec![RULES, "--key", "x"], 2, "--events"),
            (vec!["--events", &path], 2, "<RULE>"),
            (vec![RULES, "--limit", "many", "--events", &path], 2, "--limit"),
        ] {
            let ran = explain(&arguments);
            assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.said);
            assert!(ran.said.contains(part) && ran.out.is_empty(), "{arguments:?}: {}", ran.said);
        }
        // A rule that is refused does not keep the others from being explained.
        let both = explain(&[&broken, RULES, "--events", &path]);
        assert_eq!(both.code, Some(1));
        assert!(
            both.said.contains("broken.toml:7") && both.out.contains("1 alert"),
            "{}",
            both.out
        );
    }

    #[test]
    fn states_are_data_as_well() {
        let ran = explain(&[RULES, "--rule-id", V100, "--format", "json"]);
        let states: Value = serde_json::from_str(&ran.out).unwrap();
        let rule = &states["rules"][0];
        assert_eq!((ran.code, &rule["rule_id"]), (Some(0), &V100.into()));
        let first = "one after the other with the same host.id, within 2s";
        assert_eq!(rule["states"][0], first);
    }

    /// Asserts that a text is the expected one.
    fn check(name: &str, shown: &str) {
        let expected = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/corpus/explain")
            .join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            return std::fs::write(expected, shown).unwrap();
        }
        let expected = std::fs::read_to_string(expected).unwrap();
        assert_eq!(shown, expected, "{name}: set UPDATE_EXPECT=1 to accept");
    }

    /// Text as people read it, of whole hosts' logs.
    #[test]
    fn recorded_attacks_are_explained_as_expected() {
        for name in ["sharpwmi_create", "wbemcomn_dll_hijack"] {
            let events = format!("data/attacks/{name}.ndjson.gz");
            if shared(&events).is_none() {
                return not_run("explanation of recorded attacks", "../shared/data is absent");
            }
            let events = format!("../shared/{events}");
            let flags = ["--order-tolerance", "0s", "--hits", "6"];
            let ran = explain(&[&[RULES, "--events", &events][..], &flags].concat());
            assert_eq!((ran.code, &*ran.said), (Some(0), ""));
            check(name, &ran.out);
        }
    }

    /// Sysmon alone stamps the child half a second before both connections.
    #[test]
    fn an_attack_that_strict_order_misses_is_explained() {
        let Some(path) = shared("data/attacks/sharpwmi_create.ndjson.gz") else {
            return not_run("explanation of recorded attacks", "../shared/data is absent");
        };
        let mut text = String::new();
        let file = std::fs::File::open(path).unwrap();
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        let is_sysmon =
            |line: &&str| line.contains(r#""channel":"Microsoft-Windows-Sysmon/Operational""#);
        let sysmon: Vec<&str> = text.lines().filter(is_sysmon).collect();
        let flags = [RULES, "--order-tolerance", "0s", "--events", "-"];
        let ran = explain_with(&flags, &sysmon.join("\n"));
        assert_eq!((ran.code, &*ran.said), (Some(0), ""));
        check("sharpwmi_create_sysmon", &ran.out);
    }
}
