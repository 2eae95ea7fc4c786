//! What a user tries offline is what the service does: one configuration, one engine, the same alerts
//! to the byte, whichever way rules and settings are named.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::replay::{not_run, shared};

/// A sequence without maxspan counts as one of an hour: the service reads a journal for it.
const LONG: &str = r#"[rule]
name = "Two processes of one name"
rule_id = "long"
severity = "low"
risk_score = 21
language = "eql"
query = '''sequence by host.id, process.name [process where true] [process where true]'''
"#;

const ATTACK: &str = "src/cli/demo/attack.ndjson.gz";

fn maxspan(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maxspan"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap()
}

/// The alerts that a command prints.
fn alerts(arguments: &[&str]) -> Vec<u8> {
    let output = maxspan(arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    output.stdout
}

fn written(directory: &tempfile::TempDir, name: &str, contents: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, contents).unwrap();
    path.display().to_string()
}

/// A configuration that names rules. What it names is relative to its own directory.
fn paths_of(rules: &[String]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let quoted: Vec<String> = rules.iter().map(|path| format!("{:?}", root.join(path))).collect();
    format!("[rules]\npaths = [{}]\n", quoted.join(", "))
}

/// Replays rules without configuration, with the shipped one, and with one that names them; returns
/// the alerts, which are always the same.
fn replayed(rules: &[String], files: &[String], more: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let naming = written(&directory, "maxspan.toml", &paths_of(rules));
    let named: Vec<&str> = rules.iter().flat_map(|path| ["--rules", path]).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let run = |arguments: &[&str]| alerts(&[&["replay", "-q"], arguments, more, &files].concat());

    let plain = run(&named);
    assert!(!plain.is_empty(), "{rules:?}: no alert to judge by");
    let shipped = run(&[&["--config", "config/maxspan.toml"], &named[..]].concat());
    assert!(plain == shipped, "{rules:?} {more:?}: the shipped configuration changes the alerts");
    let through_paths = run(&["--config", &naming]);
    assert!(plain == through_paths, "{rules:?} {more:?}: `[rules] paths` changes the alerts");
    plain
}

#[test]
fn a_configuration_changes_no_alert_by_being_named() {
    let directory = tempfile::tempdir().unwrap();
    let rules = ["config/rules".to_owned(), written(&directory, "long.toml", LONG)];
    for emit in ["eager", "exact"] {
        for format in ["ecs", "elastic"] {
            let more = ["--emit", emit, "--alert-format", format];
            let found = replayed(&rules, &[ATTACK.to_owned()], &more);
            let found = String::from_utf8(found).unwrap();
            // The shipped rules are not silenced by the long one, and it is found itself.
            assert!(found.contains("-20s\"") && found.contains("\"long\""), "{emit} {format}");
        }
    }
}

#[test]
fn published_rules_on_recorded_attacks_answer_alike_however_they_are_named() {
    let data = ["data/elastic-rules", "data/sigma-as-eql", "data/attacks"].map(shared);
    let [Some(elastic), Some(sigma), Some(attacks)] = data else {
        return not_run("rules over recorded attacks", "../shared/data is not there");
    };
    let path = |path: &Path| path.display().to_string();
    let recordings = std::fs::read_dir(attacks).unwrap().map(|entry| entry.unwrap().path());
    let mut recordings: Vec<PathBuf> =
        recordings.filter(|path| path.extension().is_some_and(|end| end == "gz")).collect();
    recordings.sort();
    let recordings: Vec<String> = recordings.iter().map(|file| path(file)).collect();
    for rules in
        [vec![path(&elastic)], vec!["config/rules".to_owned(), path(&elastic), path(&sigma)]]
    {
        replayed(&rules, &recordings, &[]);
    }
}

/// What `explain` says fired is what `replay` alerts on.
#[test]
fn explanations_and_replays_count_the_same_alerts() {
    let directory = tempfile::tempdir().unwrap();
    let rules = ["config/rules".to_owned(), written(&directory, "long.toml", LONG)];
    let config = written(&directory, "maxspan.toml", &paths_of(&rules));
    let replayed = alerts(&["replay", "-q", "--config", &config, ATTACK]);
    let mut by_rule: BTreeMap<String, u64> = BTreeMap::new();
    for line in String::from_utf8(replayed).unwrap().lines() {
        let alert: serde_json::Value = serde_json::from_str(line).unwrap();
        *by_rule.entry(alert["rule"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let explained =
        alerts(&["explain", "--config", &config, "--events", ATTACK, "--format", "json"]);
    let explained: serde_json::Value = serde_json::from_slice(&explained).unwrap();
    let told = explained["rules"].as_array().unwrap().iter().map(|rule| {
        (rule["rule_id"].as_str().unwrap().to_owned(), rule["alerts"].as_u64().unwrap())
    });
    let told: BTreeMap<String, u64> = told.filter(|(_, count)| *count > 0).collect();
    assert_eq!(by_rule, told);
    assert!(told["long"] > 0, "{told:?}");
}

#[test]
fn cases_run_as_the_configuration_says() {
    let directory = tempfile::tempdir().unwrap();
    let rule =
        written(&directory, "pair.toml", &LONG.replace("rule_id = \"long\"", "rule_id = \"pair\""));
    let cases = r#"[[case]]
name = "the second comes first"
events = [
    { document = { "@timestamp" = "2024-05-05T10:00:01Z", "event.category" = "process", "event.id" = "2", "host.id" = "h", "process.name" = "a" } },
    { document = { "@timestamp" = "2024-05-05T10:00:00Z", "event.category" = "process", "event.id" = "1", "host.id" = "h", "process.name" = "a" } },
]
alerts = [{ final = 1 }]
"#;
    written(&directory, "pair.cases.toml", cases);
    let excepted = format!(
        "{}[rules.override.pair]\nexceptions = ['event.id == \"2\"']\n",
        paths_of(std::slice::from_ref(&rule))
    );
    let config = written(&directory, "maxspan.toml", &excepted);
    let plain = maxspan(&["test", &rule]);
    assert_eq!(plain.status.code(), Some(0), "{}", String::from_utf8_lossy(&plain.stdout));
    // Its override leaves one of the two events out.
    assert_eq!(maxspan(&["test", "--config", &config]).status.code(), Some(1));
    assert_eq!(maxspan(&["test", "--config", &config, &rule]).status.code(), Some(1));
}

#[test]
fn an_override_that_no_rule_has_is_told_where_the_configuration_names_the_rules() {
    let directory = tempfile::tempdir().unwrap();
    let overrides = "[rules.override.\"no-such-rule\"]\nemit = \"exact\"\n";
    let overrides = paths_of(&["config/rules".to_owned()]) + overrides;
    let config = written(&directory, "maxspan.toml", &overrides);
    let told = |more: &[&str]| {
        let arguments = [&["replay", "-q", "--config", &config], more, &[ATTACK]].concat();
        String::from_utf8(maxspan(&arguments).stderr).unwrap()
    };
    assert!(told(&[]).contains("the override for `no-such-rule` changes nothing"), "{}", told(&[]));
    // Some rules of many: the others' overrides are no mistake.
    assert_eq!(told(&["--rules", "config/rules"]), "");
}

#[test]
fn flags_win_over_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let shipped = paths_of(&["config/rules".to_owned()]);
    let config =
        written(&directory, "maxspan.toml", &(shipped + "[alerts]\nformat = \"elastic\"\n"));
    let replay = |more: &[&str]| {
        let output = alerts(&[&["replay", "-q", "--config", &config], more, &[ATTACK]].concat());
        String::from_utf8(output).unwrap()
    };
    assert!(replay(&[]).lines().all(|line| line.contains("\"kibana.alert.uuid\"")));
    let ecs = replay(&["--alert-format", "ecs"]);
    assert!(!ecs.is_empty() && !ecs.contains("kibana.alert"));
    let wrong = maxspan(&["replay", "--alert-format", "json", ATTACK]);
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        wrong.status.code() == Some(2) && told.contains("possible values: ecs, elastic"),
        "{told}"
    );
}
