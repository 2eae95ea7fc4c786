//! `maxspan check`: what a rule author sees.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::process::{Command, Output};

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maxspan"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("check").args(arguments);
    command.output().unwrap()
}

fn rule(id: &str, query: &str) -> String {
    format!(
        "[rule]\nauthor = [\"a\"]\ndescription = \"d\"\nlanguage = \"eql\"\nname = \"{id}\"\n\
         risk_score = 47\nrule_id = \"{id}\"\nseverity = \"medium\"\ntype = \"eql\"\n\
         query = '''\n{query}\n'''\n"
    )
}

/// Writes rule files and returns their directory.
fn directory(files: &[(&str, String)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        std::fs::write(directory.path().join(name), contents).unwrap();
    }
    directory
}

const BROKEN: &str = "sequence by host.id with maxspan=20x
  [network where process.name = \"svchost.exe\"]
  [process where lenght(process.name) > 3]";

#[test]
fn three_mistakes_give_three_diagnostics_with_their_places() {
    let directory = directory(&[("broken.toml", rule("broken", BROKEN))]);
    let output = check(&[&directory.path().display().to_string()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("error[E").count(), 3, "{said}");
    // Lines and columns are those of the rule's file: the query starts at its line 11.
    for part in ["broken.toml:11:34", "broken.toml:12:31", "broken.toml:13:18", "length", "=="] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    assert!(said.contains("1 rules: 0 run, 0 run with a caveat, 1 refused"), "{said}");
}

#[test]
fn a_query_with_too_many_fields_is_one_refused_rule() {
    let fields: Vec<String> = (0..70_000).map(|n| format!("f.n{n} == 1")).collect();
    let huge = rule("huge", &format!("process where\n{}", fields.join(" or\n")));
    let good = rule("good", "process where process.name == \"a\"");
    let directory = directory(&[("huge.toml", huge), ("good.toml", good)]);
    let output = check(&[&directory.path().display().to_string()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["error[E0604]", "`f.n655", "= help: name fewer fields", "1 refused"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
}

#[test]
fn a_refused_rule_does_not_keep_the_others_from_running() {
    let good = rule("good", "process where process.name == \"a\"");
    let directory = directory(&[
        ("a_broken.toml", rule("broken", BROKEN)),
        ("b_good.toml", good.clone()),
        ("c_twin.toml", good),
        ("d_other.toml", rule("good", "process where process.name == \"b\"")),
        ("e_other_language.toml", "[rule]\ntype = \"esql\"\nlanguage = \"esql\"\n".to_owned()),
    ]);
    let output = check(&["--format", "json", &directory.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let statuses: Vec<&str> =
        report["rules"].as_array().unwrap().iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["refused", "runs", "skipped", "refused", "skipped"]);
    assert_eq!(report["rules"][0]["diagnostics"].as_array().unwrap().len(), 3);
    assert_eq!(report["rules"][1]["rule_id"], "good");
    assert_eq!(report["totals"]["runs"], 1);
    assert_eq!(report["totals"]["refused"], 2);
}

#[test]
fn the_shipped_rules_run_without_a_word() {
    let output = check(&["config/rules"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said, "3 rules: 3 run, 0 run with a caveat, 0 refused, 0 skipped\n");
}

#[test]
fn a_broken_condition_of_the_configuration_is_shown_there() {
    let directory =
        directory(&[("good.toml", rule("good", "process where process.name == \"a\""))]);
    let config = directory.path().join("service.toml");
    let rules = directory.path().join("good.toml");
    let contents = format!(
        "[rules]\npaths = {:?}\n\n[rules.override.\"good\"]\n\
         exceptions = ['user.name : \"b\"', 'user.name = \"c\"']\n",
        rules.display().to_string(),
    );
    std::fs::write(&config, contents).unwrap();
    let output = check(&[&config.display().to_string()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("service.toml:5:45"), "{said}");
    let caret = said.lines().find(|line| line.contains('^')).unwrap_or_default();
    assert_eq!(caret.find('^'), Some("5 | ".len() + 44), "{said}");
}

/// Writes a configuration whose rules are those of a directory, and what follows.
fn config(directory: &tempfile::TempDir, more: &[u8]) -> String {
    let config = directory.path().join("service.conf");
    let mut contents = format!("[rules]\npaths = '{}'\n", directory.path().display()).into_bytes();
    contents.extend(more);
    std::fs::write(&config, contents).unwrap();
    config.display().to_string()
}

#[test]
fn an_override_that_names_no_rule_is_a_warning_and_no_more() {
    let directory =
        directory(&[("good.toml", rule("good-rule", "process where process.name == \"a\""))]);
    let path = config(
        &directory,
        b"[rules.override.\"good-rule\"]\nemit = \"exact\"\n\
          [rules.override.\"god-rule\"]\nemit = \"exact\"\n",
    );
    let output = check(&[&path]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in
        ["warning[W0901]", "service.conf:5:17", "[rules.override.\"good-rule\"]", "1 rules: 1 run"]
    {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    assert_eq!(said.matches("W0901").count(), 1, "{said}");
    let output = check(&["--format", "json", &path]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = &report["configurations"][0]["diagnostics"];
    let codes: Vec<&str> =
        found.as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["W0901", "W0902"]);
}

#[test]
fn files_that_are_not_utf8_are_refused_at_the_byte() {
    let good = rule("good", "process where process.name == \"a\"");
    let directory = directory(&[("a_good.toml", good.clone())]);
    let latin1 = good.replace("== \"a\"", "== \"?ung.exe\"").into_bytes();
    let latin1: Vec<u8> =
        latin1.into_iter().map(|byte| if byte == b'?' { 0xfc } else { byte }).collect();
    std::fs::write(directory.path().join("b_latin1.toml"), latin1).unwrap();
    let wide = good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    std::fs::write(directory.path().join("c_wide.toml"), wide).unwrap();
    let output = check(&[&directory.path().display().to_string()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["b_latin1.toml:11:32", "byte 0xfc", "c_wide.toml:1:1", "UTF-16", "2 refused"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    assert_eq!(said.matches("error[E0509]").count(), 2, "{said}");

    let path = config(&directory, b"[kafka]\ngroup = \"gr\xfcn\"\n");
    let output = check(&[&path]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error[E0509]") && said.contains("service.conf:4:12"), "{said}");
}

#[test]
fn a_configuration_is_recognized_by_any_of_its_sections() {
    let directory = directory(&[
        ("rule.toml", rule("r", "process where true")),
        (
            "override.toml",
            "[rules.override.\"s\"]\nenabled = true\n[rules]\npaths = \".\"".to_owned(),
        ),
        ("dotted.toml", "log.level = \"loud\"\n".to_owned()),
        ("alerts.toml", "[alerts]\nformat = \"ascii\"\n".to_owned()),
    ]);
    let path = |name: &str| directory.path().join(name).display().to_string();
    let said = |name: &str| {
        let output = check(&[&path("rule.toml"), &path(name)]);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(said("override.toml").contains("W0901"), "{}", said("override.toml"));
    assert!(said("dotted.toml").contains("is no log level"), "{}", said("dotted.toml"));
    assert!(said("alerts.toml").contains("expected `ecs` or `elastic`"), "{}", said("alerts.toml"));
}

#[test]
fn a_configuration_without_brokers_is_told_and_one_with_brokers_is_not() {
    let directory = directory(&[("a.toml", rule("a", "process where true"))]);
    let path = config(&directory, b"[log]\nlevel = \"info\"\n");
    let output = check(&[&path]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in ["warning[W0902]: `kafka.brokers` is missing", "MAXSPAN_KAFKA__BROKERS"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    let path = config(&directory, b"[kafka]\nbrokers = \"a:9092\"\n");
    let said = String::from_utf8(check(&[&path]).stdout).unwrap();
    assert!(!said.contains("W0902"), "{said}");
}
