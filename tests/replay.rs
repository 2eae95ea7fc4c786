//! `maxspan replay` as a user meets it: files in, alerts out, and the same ones however it is run.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::replay::{Replay, not_run, rule_suffix, shared};

/// Two events that make the 20 s rule fire on a host, the second `gap` seconds after the first.
fn attack(host: &str, second: u32, gap: u32) -> String {
    let event = |at: u32, rest: &str| {
        format!(
            "{{\"@timestamp\":\"2026-03-02T08:{:02}:{:02}.000Z\",\"event\":{{\"id\":\"{host}{at}\",{rest},\
             \"host\":{{\"id\":\"{host}\",\"os\":{{\"type\":\"windows\"}}}}}}\n",
            at / 60,
            at % 60
        )
    };
    let network = r#""category":["network"]},"process":{"name":"svchost.exe"},"network":{"direction":"ingress"},"source":{"ip":"10.1.2.3"},"destination":{"port":135}"#;
    let process = r#""category":["process"],"type":["start"]},"process":{"name":"cmd.exe","parent":{"name":"WmiPrvSE.exe"}}"#;
    event(second, network) + &event(second + gap, process)
}

fn write(directory: &Path, name: &str, contents: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, contents).unwrap();
    path
}

#[test]
fn maxspan_is_inclusive_on_the_command_line_too() {
    let directory = tempfile::tempdir().unwrap();
    for (gap, alerts) in [(1, 1), (20, 1), (21, 0)] {
        let path = write(directory.path(), "events.ndjson", attack("h", 0, gap).as_bytes());
        let run = Replay::new(&[], &[&path]).run();
        assert_eq!(run.alerts.len(), alerts, "{gap} s: {}", run.stderr);
    }
}

#[test]
fn packed_files_and_standard_input_give_the_same_alerts() {
    let directory = tempfile::tempdir().unwrap();
    let text = attack("h", 0, 5);
    let plain = write(directory.path(), "a.ndjson", text.as_bytes());
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    let gz = write(directory.path(), "a.ndjson.gz", &packer.finish().unwrap());
    let zst = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let zst = write(directory.path(), "a.ndjson.zst", &zst);
    let ids = |path: &Path| {
        let alerts = Replay::new(&[], &[path]).run().alerts;
        alerts.iter().map(|alert| alert["event"]["id"].clone()).collect::<Vec<_>>()
    };
    let expected = ids(&plain);
    assert_eq!(expected.len(), 1);
    assert_eq!((ids(&gz), ids(&zst)), (expected.clone(), expected.clone()));

    let mut child = Command::new(env!("CARGO_BIN_EXE_maxspan"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["replay", "--quiet", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let alert: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(alert["event"]["id"], expected[0]);
    assert_eq!(output.stderr, b"", "--quiet says nothing");
}

#[test]
fn each_file_is_a_partition_unless_they_are_merged() {
    let directory = tempfile::tempdir().unwrap();
    let both = attack("h", 0, 5);
    let (first, second) = both.split_at(both.find('\n').unwrap() + 1);
    // Merged by time: the file that is named first holds the later event.
    let late = write(directory.path(), "late.ndjson", second.as_bytes());
    let early = write(directory.path(), "early.ndjson", first.as_bytes());
    assert_eq!(Replay::new(&[], &[&late, &early]).run().alerts.len(), 0);
    assert_eq!(Replay::new(&["--merge"], &[&late, &early]).run().alerts.len(), 1);
}

#[test]
fn unreadable_lines_are_named_and_the_rest_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("no json\n\n{}{{\"@timestamp\":1}}\n", attack("h", 0, 5));
    let path = write(directory.path(), "events.ndjson", text.as_bytes());
    let run = Replay::new(&[], &[&path]).run();
    assert_eq!(run.alerts.len(), 1);
    assert!(
        run.stderr.contains("events.ndjson:1: unreadable record: invalid_json"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("unreadable records: 1"), "{}", run.stderr);
    assert!(run.stderr.contains("records without a host: 1"), "{}", run.stderr);
}

#[test]
fn the_number_of_jobs_changes_nothing() {
    let names = ["wmi_exec_method", "sharpwmi_create", "wbemcomn_dll_hijack"];
    let paths: Option<Vec<PathBuf>> =
        names.iter().map(|name| shared(&format!("data/attacks/{name}.ndjson.gz"))).collect();
    let Some(paths) = paths else {
        return not_run("replay of recorded attacks in parallel", "../shared/data is absent");
    };
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let runs = ["1", "2", "5"].map(|jobs| Replay::new(&["--jobs", jobs], &paths).run().alerts);
    assert!(runs[0].iter().any(|alert| rule_suffix(alert) == "20s"));
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

/// Broken lines among hits and misses, over many blocks: the alerts are those of one thread. What is said of the
/// lines and what is counted too, if each line is looked at; else each thread takes a sample of its own.
#[test]
fn the_number_of_jobs_changes_nothing_about_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut text = Vec::new();
    for number in 0..3_000_u32 {
        let gap = 1 + number % 40;
        text.extend_from_slice(attack(&format!("h{}", number % 97), number % 600, gap).as_bytes());
        let other = format!(
            "{{\"@timestamp\":\"2026-03-02T08:{:02}:00.000Z\",\"event\":{{\"category\":[\"file\"]}},\
             \"host\":{{\"id\":\"h{}\"}},\"message\":\"{}\"}}\r\n",
            number % 60,
            number % 89,
            "x".repeat(number as usize % 1_500),
        );
        text.extend_from_slice(other.as_bytes());
        match number % 50 {
            7 => text.extend_from_slice(b"{\"@timestamp\":\n"),
            19 => text.extend_from_slice(b"\n  \n"),
            23 => text.extend_from_slice(b"{\"no\":\"time\"}\n"),
            31 => text.extend_from_slice(b"\xff\xfe{}\n"),
            _ => {}
        }
    }
    text.extend_from_slice(attack("last", 0, 3).trim_end().as_bytes());
    assert!(text.len() > 2 << 20, "many blocks");
    let path = write(directory.path(), "events.ndjson", &text);
    for flags in [&[][..], &["--validate", "all"], &["--validate", "all", "--emit", "eager"]] {
        let run = |jobs: &str| {
            let run = Replay::new(&[flags, &["--jobs", jobs]].concat(), &[&path]).run();
            let looks_at_all = !flags.is_empty();
            // All but how long it took.
            let said = run.stderr.lines().filter(|line| looks_at_all && !line.contains(" s ("));
            (run.alerts, said.map(str::to_owned).collect::<Vec<_>>())
        };
        let one = run("1");
        assert!(one.0.len() > 100, "{} alerts", one.0.len());
        for jobs in ["2", "3", "8"] {
            assert_eq!(run(jobs), one, "{jobs} jobs");
        }
    }
}

/// A file that breaks off gives what stands before, and the error, with any number of jobs.
#[test]
fn a_file_that_cannot_be_read_to_its_end_is_an_error_with_any_number_of_jobs() {
    let directory = tempfile::tempdir().unwrap();
    let text: String = (0..20_000).map(|n| attack(&format!("h{}", n % 97), n % 600, 5)).collect();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    let mut packed = packer.finish().unwrap();
    packed.truncate(packed.len() * 9 / 10);
    let path = write(directory.path(), "events.ndjson.gz", &packed);
    for jobs in ["1", "2", "5"] {
        let run = Replay::new(&["--jobs", jobs], &[&path]).run_any();
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(run.stderr.contains("cannot read") && run.stderr.contains("events.ndjson.gz"));
    }
}

/// What each rule has cost, told by the records: each third is a `a`, and all others are `b`.
#[test]
fn the_profile_names_what_each_rule_was_asked_and_what_it_hit() {
    let directory = tempfile::tempdir().unwrap();
    let rule = |id: &str, query: &str| {
        let text = format!(
            "[rule]\nname = \"name of {id}\"\nrule_id = \"{id}\"\ndescription = \"d\"\nauthor = [\"a\"]\n\
             severity = \"low\"\nrisk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\nquery = '{query}'\n"
        );
        write(directory.path(), &format!("{id}.toml"), text.as_bytes()).display().to_string()
    };
    let all = rule("all", r#"any where process.pid != 7 and process.name regex ".*[ab]""#);
    let few = rule("few", r#"any where process.name == "a" and process.pid > 8"#);
    let none = rule("none", r#"any where process.name == "c""#);
    let record = |number: usize| {
        let name = if number.is_multiple_of(3) { "a" } else { "b" };
        format!(
            "{{\"@timestamp\":\"2026-03-02T08:00:00.{:03}Z\",\"event\":{{\"id\":\"{number}\",\
             \"category\":[\"process\"]}},\"host\":{{\"id\":\"h\"}},\
             \"process\":{{\"name\":\"{name}\",\"pid\":9}}}}\n",
            number % 1_000
        )
    };
    let text: String = (0..3_000).map(record).collect();
    let path = write(directory.path(), "events.ndjson", text.as_bytes());
    for jobs in ["1", "2"] {
        let flags = ["--quiet", "--profile=json", "--jobs", jobs];
        let rules = ["--rules", &all, "--rules", &few, "--rules", &none];
        let run = Replay::new(&[&flags[..], &rules].concat(), &[&path]).run();
        let profile: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
        let lines = profile["profile"].as_array().unwrap();
        assert_eq!(lines.len(), 3);
        let of = |id: &str| lines.iter().find(|line| line["rule_id"] == id).unwrap();
        for (id, hits) in [("all", 3_000), ("few", 1_000), ("none", 0)] {
            let line = of(id);
            assert_eq!(line["name"], format!("name of {id}"));
            for counted in ["hits", "candidates", "matches"] {
                assert_eq!(line[counted], hits, "{counted} of {id}, {jobs} jobs");
            }
            let evaluations = line["evaluations"].as_u64().unwrap();
            assert!((hits..=3_000).contains(&evaluations), "{evaluations} of {id}");
        }
        let nanoseconds = |line: &serde_json::Value| line["nanoseconds"].as_u64().unwrap();
        assert!(nanoseconds(of("all")) > 0);
        assert!(lines.is_sorted_by(|a, b| nanoseconds(a) >= nanoseconds(b)), "dearest first");
    }
    let run = Replay::new(&["--profile", "--rules", &all, "--rules", &few], &[&path]).run();
    assert!(run.stderr.contains("all (name of all)"), "{}", run.stderr);
}

#[test]
fn a_refused_rule_is_shown_and_the_others_run() {
    let directory = tempfile::tempdir().unwrap();
    let broken = "[rule]\nname = \"n\"\nrule_id = \"broken\"\ndescription = \"d\"\nauthor = [\"a\"]\n\
                  severity = \"low\"\nrisk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\n\
                  query = 'process where process.name = \"a\"'\n";
    let rule = write(directory.path(), "broken.toml", broken.as_bytes());
    let events = write(directory.path(), "events.ndjson", attack("h", 0, 5).as_bytes());
    let rule = rule.display().to_string();
    let flags = ["--rules", &rule, "--rules", "config/rules"];
    let run = Replay::new(&flags, &[&events]).run_any();
    assert_eq!(run.code, Some(1));
    assert_eq!(run.alerts.len(), 1);
    assert!(
        run.stderr.contains("error[E") && run.stderr.contains("broken.toml:10"),
        "{}",
        run.stderr
    );
}

/// In whatever order a recording comes, a batch engine's answer, in the order of time.
#[test]
fn any_order_of_a_recording_gives_the_same_alerts_in_the_order_of_time() {
    let directory = tempfile::tempdir().unwrap();
    let text: String = (0..40).map(|n| attack(&format!("h{}", n % 7), 60 * n, 5)).collect();
    let forward: Vec<&str> = text.lines().collect();
    let backward: Vec<&str> = forward.iter().rev().copied().collect();
    let mixed: Vec<&str> = (0..forward.len()).map(|n| forward[n * 37 % forward.len()]).collect();
    let alerts = |lines: &[&str]| -> Vec<String> {
        let path = write(directory.path(), "events.ndjson", lines.join("\n").as_bytes());
        let alerts = Replay::new(&[], &[&path]).run().alerts;
        alerts.iter().map(|alert| alert["event"]["id"].to_string()).collect()
    };
    let expected = alerts(&forward);
    assert_eq!(expected.len(), 40);
    assert_eq!(alerts(&backward), expected, "newest first");
    assert_eq!(alerts(&mixed), expected, "in no order");
}

/// An answer that lacks something must not look whole.
#[test]
fn a_recording_that_does_not_fit_ends_with_an_error_that_names_the_rule() {
    let directory = tempfile::tempdir().unwrap();
    let text: String = (0..59).map(|n| attack(&format!("h{n}"), 60 * n, 5)).collect();
    let path = write(directory.path(), "events.ndjson", text.as_bytes());
    let config = "[state]\nmax_total_bytes = 20000\n";
    let config = write(directory.path(), "maxspan.toml", config.as_bytes());
    let flags = ["--config", config.to_str().unwrap()];
    for jobs in ["1", "2"] {
        let run = Replay::new(&[&flags[..], &["--jobs", jobs]].concat(), &[&path]).run_any();
        assert_eq!((run.code, run.alerts.len()), (Some(3), 0), "{}", run.stderr);
        for said in ["`state.max_total_bytes`", "the rule `f3475224-b179-4f78", "`--emit eager`"] {
            assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
        }
    }
    // As a stream it needs no more than what is held.
    let run = Replay::new(&[&flags[..], &["--emit", "eager"]].concat(), &[&path]).run_any();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
