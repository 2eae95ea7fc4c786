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
