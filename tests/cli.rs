//! The command line: exit codes, and one clear line for each way to get it wrong.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output};

fn maxspan(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maxspan"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MAXSPAN_") {
            command.env_remove(name);
        }
    }
    command.output().unwrap()
}

/// Asserts exit code, silence on standard output, and parts of what is said on standard error.
fn fails(arguments: &[&str], code: i32, parts: &[&str]) {
    let output = maxspan(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{arguments:?}");
    for part in parts {
        assert!(said.contains(part), "{arguments:?}: `{part}` is not in:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// Writes a configuration and returns its path, which lives as long as the directory.
fn config(directory: &tempfile::TempDir, contents: &str) -> String {
    let path = directory.path().join("maxspan.toml");
    std::fs::write(&path, contents).unwrap();
    path.display().to_string()
}

/// The shipped rules, for a configuration that stands elsewhere.
const RULES: &str = concat!("[rules]\npaths = \"", env!("CARGO_MANIFEST_DIR"), "/config/rules\"\n");

/// Neither the default features nor those of the image bring in places to die at.
#[test]
#[cfg(not(feature = "failpoints"))]
fn program_has_no_failpoints() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_maxspan")).unwrap();
    assert!(memchr::memmem::find(&program, b"FAILPOINT").is_none());
    let image = std::fs::read_to_string("Dockerfile").unwrap();
    assert!(!image.contains("failpoints") && !image.contains("--all-features"));
}

#[test]
fn wrong_flags_are_a_matter_of_usage() {
    fails(&["run", "--confg", "x"], 2, &["unexpected argument '--confg'", "--config"]);
    fails(&["rnu"], 2, &["unrecognized subcommand 'rnu'"]);
    fails(&["demo", "--http", "nowhere"], 2, &["--http"]);
}

#[test]
fn help_and_version_are_fine() {
    for flag in ["--help", "--version"] {
        let output = maxspan(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains("maxspan"));
    }
}

#[test]
fn missing_or_wrong_configuration_is_a_matter_of_usage() {
    let directory = tempfile::tempdir().unwrap();
    fails(&["run", "--config", "/no/such/file.toml"], 2, &["cannot read", "/no/such/file.toml"]);
    fails(&["run"], 2, &["`kafka.brokers` is missing", "MAXSPAN_KAFKA__BROKERS"]);
    let path = config(&directory, "[kafka]\nbrokres = \"a:1\"\n");
    fails(&["run", "--config", &path], 2, &["brokres", "maxspan.toml:2:1", "did you mean"]);
    fails(&["run", "--set", "kafka"], 2, &["is not of the form `key=value`"]);
    fails(&["run", "--set", "kafka.grop=x"], 2, &["`--set kafka.grop`", "did you mean `group`?"]);
}

#[test]
fn unreadable_rules_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path =
        config(&directory, "[kafka]\nbrokers = \"127.0.0.1:1\"\n[rules]\npaths = \"/no/rules\"\n");
    fails(&["run", "--config", &path], 2, &["cannot read rules from `/no/rules`"]);
}

#[test]
fn rules_of_which_none_runs_are_a_finding() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("a.toml"), "[rule]\n").unwrap();
    let contents =
        format!("[kafka]\nbrokers = \"127.0.0.1:1\"\n[rules]\npaths = \"{}\"\n", rules.display());
    let path = config(&directory, &contents);
    fails(&["run", "--config", &path], 1, &["no rule runs", "1 rule(s) refused"]);
}

#[test]
fn port_in_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let contents =
        format!("[kafka]\nbrokers = \"127.0.0.1:1\"\n[http]\nlisten = \"{address}\"\n{RULES}");
    let path = config(&directory, &contents);
    let listen = address.to_string();
    fails(&["run", "--config", &path], 2, &["cannot listen on", &listen, "http.listen"]);
}

/// The rules are loaded, and told about, before the port is asked for.
#[test]
fn an_override_that_names_no_rule_is_logged_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let contents = format!(
        "[kafka]\nbrokers = \"127.0.0.1:1\"\n[http]\nlisten = \"{address}\"\n{RULES}\
         [rules.override.\"f3475224-b179-4f78-8877-c2bd64c26b88-20S\"]\nemit = \"exact\"\n\
         [log]\nformat = \"json\"\n"
    );
    let output = maxspan(&["run", "--config", &config(&directory, &contents)]);
    let said = String::from_utf8(output.stderr).unwrap();
    let logged: Vec<serde_json::Value> = said
        .lines()
        .filter(|line| line.contains("override changes nothing"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(logged.len(), 1, "{said}");
    assert_eq!(logged[0]["level"], "WARN");
    let fields = &logged[0];
    assert_eq!(fields["rule"], "f3475224-b179-4f78-8877-c2bd64c26b88-20S");
    assert_eq!(fields["nearest"], "f3475224-b179-4f78-8877-c2bd64c26b88-20s");
    assert_eq!(fields["reason"], "no rule has this id");
}

#[test]
fn wrong_client_property_and_missing_secret_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let head =
        format!("[kafka]\nbrokers = \"127.0.0.1:1\"\n[http]\nlisten = \"127.0.0.1:0\"\n{RULES}");
    let path = config(&directory, &format!("{head}[kafka.properties]\n\"no.such\" = 1\n"));
    fails(&["run", "--config", &path], 2, &["no.such"]);
    let sasl = "[kafka.security]\nprotocol = \"sasl_ssl\"\n[kafka.sasl]\nmechanism = \"PLAIN\"\n\
                username = \"u\"\npassword_file = \"secret\"\n";
    let path = config(&directory, &format!("{head}{sasl}"));
    // Relative to the configuration, not to where the program was started.
    let secret = directory.path().join("secret").display().to_string();
    fails(&["run", "--config", &path], 2, &[&format!("cannot read the secret `{secret}`")]);
    std::fs::write(&secret, "\n").unwrap();
    fails(&["run", "--config", &path], 2, &["the file is empty", "kafka.sasl.password_file"]);
    let elsewhere = ["run", "--config", &path, "--set", "kafka.sasl.password_file=no/secret"];
    fails(&elsewhere, 2, &["cannot read the secret `no/secret`"]);
}

#[test]
fn paths_of_a_configuration_are_relative_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let nested = directory.path().join("mine");
    std::fs::create_dir(&nested).unwrap();
    std::fs::write(nested.join("a.toml"), "[rule]\n").unwrap();
    let head = "[kafka]\nbrokers = \"127.0.0.1:1\"\n[rules]\n";
    let path = config(&directory, &format!("{head}paths = \"mine\"\n"));
    fails(&["run", "--config", &path], 1, &["no rule runs: 1 file(s) found"]);
    let checked = |path: &str| String::from_utf8(maxspan(&["check", path]).stdout).unwrap();
    let rule = nested.join("a.toml").display().to_string();
    let said = checked(&path);
    assert!(said.contains(&rule) && said.contains("1 refused"), "{said}");
    let elsewhere = ["run", "--config", &path, "--set", "rules.paths=no/rules"];
    fails(&elsewhere, 2, &["cannot read rules from `no/rules`"]);
    // Where nothing names rules, they are those of the working directory.
    let said = checked(&config(&directory, head));
    assert!(said.contains("3 rules: 3 run"), "{said}");
}

#[test]
fn without_a_broker_that_is_what_is_said_first_and_sighup_does_not_end_it() {
    let directory = tempfile::tempdir().unwrap();
    let head = "[kafka]\nbrokers = \"127.0.0.1:1\"\n[http]\nlisten = \"127.0.0.1:0\"\n";
    let path = config(&directory, &format!("{head}{RULES}[log]\nformat = \"json\"\n"));
    let mut service = Command::new(env!("CARGO_BIN_EXE_maxspan"))
        .args(["run", "--config", &path])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let log = std::io::BufReader::new(service.stderr.take().unwrap());
    let signal = |name: &str| {
        let pid = service.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    let (mut errors, mut said) = (Vec::new(), String::new());
    for line in std::io::BufRead::lines(log) {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let message = line["message"].as_str().unwrap_or_default().to_owned();
        if line["level"] == "ERROR" {
            errors.push(message.clone());
            signal("-HUP");
        }
        if message.starts_with("SIGHUP is ignored") {
            signal("-TERM");
        }
        if message == "started" {
            assert_eq!(line["protocol"], "plaintext");
        }
        said.push_str(&format!("{line}\n"));
    }
    assert_eq!(service.wait().unwrap().code(), Some(0), "{said}");
    assert_eq!(errors, ["no broker answers at `127.0.0.1:1`"], "{said}");
    assert!(said.contains("SIGHUP is ignored"), "{said}");
}

#[test]
fn demo_finds_the_recorded_attack() {
    let output = maxspan(&["demo", "--json"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let alerts = String::from_utf8(output.stdout).unwrap();
    let rules: std::collections::BTreeSet<String> = alerts
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|alert| alert["rule"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(rules.len(), 3, "each of the three rules finds it: {rules:?}");
}

#[test]
fn cases_of_the_shipped_rules_pass_and_are_written_as_junit() {
    let directory = tempfile::tempdir().unwrap();
    let junit = directory.path().join("junit.xml");
    let output = maxspan(&["test", "config/rules", "--junit", &junit.display().to_string()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.trim_end().ends_with(" passed, 0 failed"), "{said}");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.starts_with("<?xml") && xml.trim_end().ends_with("</testsuites>"));
    assert_eq!(xml.matches("<testsuite ").count(), 3);
    assert!(xml.matches("<testcase ").count() > 100 && !xml.contains("<failure"));
}

#[test]
fn cases_that_fail_are_a_finding() {
    let directory = tempfile::tempdir().unwrap();
    let rule = directory.path().join("a.toml");
    let text = "[rule]\nrule_id = \"a\"\nname = \"A\"\nseverity = \"low\"\nrisk_score = 1\n\
                language = \"eql\"\nquery = 'any where a == 1'\n";
    std::fs::write(&rule, text).unwrap();
    let path = rule.display().to_string();
    let output = maxspan(&["test", &path]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("no cases"));
    let cases = "[[case]]\nname = \"a < b\"\nalerts = [1]\n\
                 events = ['{\"@timestamp\":\"2024-01-01T00:00:00Z\",\"a\":2}']\n";
    std::fs::write(directory.path().join("a.cases.toml"), cases).unwrap();
    let junit = directory.path().join("junit.xml").display().to_string();
    for arguments in [["test", &path, "--junit", &junit], ["test", &path, "--format", "json"]] {
        let output = maxspan(&arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("expected an alert with the final event 1, none came"), "{said}");
    }
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("name=\"a &lt; b\"") && xml.contains("<failure message="), "{xml}");
    std::fs::write(directory.path().join("a.cases.toml"), "[[case]]\n").unwrap();
    let output = maxspan(&["test", &directory.path().join("a.cases.toml").display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("a.cases.toml:1:1: E0507"), "{said}");
    fails(&["test", "/no/such/rule.toml"], 3, &["/no/such/rule.toml"]);
}

#[test]
fn records_are_normalized_from_files_of_any_kind() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let raw =
        r#"{"@timestamp":"2024-06-11T11:33:24Z","winlog":{"channel":"Security","event_id":1102}}"#;
    let lines = format!("{raw}\n\n{{\"a\":{{\"b\":1}}}}\n{{\"a\":{{\"b\":2}}}}\n");
    std::fs::write(path("plain.ndjson"), &lines).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(lines.as_bytes()).unwrap();
    std::fs::write(path("packed.gz"), gz.finish().unwrap()).unwrap();
    std::fs::write(path("packed.zst"), zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
    let plain = maxspan(&["normalize", &path("plain.ndjson")]);
    assert_eq!(plain.status.code(), Some(0));
    let documents: Vec<serde_json::Value> = String::from_utf8(plain.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(documents.len(), 3);
    assert_eq!(documents[0]["event"]["action"], "audit-log-cleared");
    assert_eq!(documents[1], serde_json::json!({"a": {"b": 1}}));
    let said = String::from_utf8(plain.stderr).unwrap();
    assert!(said.contains("1 winlogbeat") && said.contains("2 unknown"), "{said}");
    for packed in ["packed.gz", "packed.zst"] {
        assert_eq!(maxspan(&["normalize", &path(packed)]).stdout, plain.stdout, "{packed}");
    }

    let unknown = maxspan(&["normalize", "--unknown", "--quiet", &path("plain.ndjson")]);
    assert_eq!(unknown.status.code(), Some(1), "there is something to look at");
    let listed: serde_json::Value = serde_json::from_slice(&unknown.stdout).unwrap();
    assert_eq!(listed["count"], 2);
    assert_eq!(listed["fields"], serde_json::json!(["a.b"]));
    assert!(listed["first"].as_str().unwrap().ends_with("plain.ndjson:3"), "{listed}");

    std::fs::write(path("broken"), "{\n").unwrap();
    fails(&["normalize", &path("broken")], 1, &["broken:1: unreadable record", "1 unreadable"]);
    fails(&["normalize", &path("absent")], 3, &["cannot read", "absent"]);
}
