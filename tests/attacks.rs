//! The shipped rules on recorded attacks, through `maxspan replay`.
//!
//! The recordings stand beside the project, not in it; where they are absent the checks say so.
//! Expected are the final events, by channel and record id; why each is (or is not) one:
//!
//! * `wmi_exec_method`: the connections to port 135 and to a high port come 0.8 s before the
//!   child. Sysmon's own events pair up, and so do the Security log's 5156 and 4688, whose times
//!   are whole seconds. The 20 s rule leaves 4688 out: it names the service's account, and only
//!   Sysmon's events may have that.
//! * `sharpwmi_create`: Sysmon stamps the child 0.5 s *before* both connections. In strict order
//!   no Sysmon event precedes it within 2 s; a tolerance of 1 s finds it. The Security log has
//!   its connection first (same second, smaller record number): it gives 4688 for the 2 s rules,
//!   and for the 20 s rule the first event of Sysmon's child.
//! * `wbemcomn_dll_hijack`: Sysmon's connections are 10 s before the child: over 2 s, and the
//!   20 s rule leaves out children of integrity System. The Security log has both in 2 s.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::PathBuf;

use support::replay::{Replay, not_run, shared};

const V100: &str = "v100";
const V2023: &str = "2023";
const S20: &str = "20s";

/// (rule, channel, record id of the final event)
type Final = (&'static str, &'static str, u64);

const SYSMON: &str = "sysmon";
const SECURITY: &str = "security";

fn recording(name: &str) -> Option<PathBuf> {
    shared(&format!("data/attacks/{name}.ndjson.gz"))
}

/// Writes the Sysmon channel of a recording to a file of its own.
fn sysmon_alone(name: &str, directory: &tempfile::TempDir) -> Option<PathBuf> {
    let mut text = String::new();
    let file = std::fs::File::open(recording(name)?).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let path = directory.path().join(format!("{name}.ndjson"));
    let mut out = std::fs::File::create(&path).unwrap();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        if event["winlog"]["channel"] == "Microsoft-Windows-Sysmon/Operational" {
            writeln!(out, "{line}").unwrap();
        }
    }
    Some(path)
}

fn finals(path: &std::path::Path, emit: &str, tolerance: &str) -> BTreeSet<(String, String, u64)> {
    let run = Replay::new(&["--emit", emit, "--order-tolerance", tolerance], &[path]).run();
    let of_alert = |alert: &serde_json::Value| {
        let rule = alert["rule"]["id"].as_str().unwrap().rsplit('-').next().unwrap().to_owned();
        let last = support::replay::final_event(alert);
        let channel = last["winlog"]["channel"].as_str().unwrap().to_lowercase();
        let channel = if channel == "security" { SECURITY } else { SYSMON };
        let record = &last["winlog"]["record_id"];
        let record = record.as_u64().or_else(|| record.as_str()?.parse().ok()).unwrap();
        (rule, channel.to_owned(), record)
    };
    run.alerts.iter().map(of_alert).collect()
}

fn owned(expected: &[Final]) -> BTreeSet<(String, String, u64)> {
    let owned = |(rule, channel, id): &Final| ((*rule).to_owned(), (*channel).to_owned(), *id);
    expected.iter().map(owned).collect()
}

/// Exact gives the expected final events and no others; eager gives at least those.
fn check(name: &str, sysmon_only: bool, tolerance: &str, expected: &[Final]) {
    let directory = tempfile::tempdir().unwrap();
    let path = if sysmon_only { sysmon_alone(name, &directory) } else { recording(name) };
    let Some(path) = path else { return not_run("recorded attacks", "../shared/data is absent") };
    let expected = owned(expected);
    assert_eq!(finals(&path, "exact", tolerance), expected, "{name}, {tolerance}");
    let eager = finals(&path, "eager", tolerance);
    assert!(eager.is_superset(&expected), "{name}, {tolerance}: eager {eager:?}");
}

#[test]
fn wmi_exec_method_in_strict_order() {
    let expected = [
        (V100, SECURITY, 768_477),
        (V100, SYSMON, 3_215_160),
        (V2023, SECURITY, 768_477),
        (V2023, SYSMON, 3_215_160),
        (S20, SYSMON, 3_215_160),
    ];
    check("wmi_exec_method", false, "0s", &expected);
}

#[test]
fn wmi_exec_method_with_tolerance() {
    let expected = [
        (V100, SECURITY, 768_477),
        (V100, SYSMON, 3_215_160),
        (V2023, SECURITY, 768_477),
        (V2023, SYSMON, 3_215_160),
        (S20, SYSMON, 3_215_160),
    ];
    check("wmi_exec_method", false, "1s", &expected);
}

#[test]
fn sharpwmi_create_in_strict_order() {
    let expected = [(V100, SECURITY, 99_387), (V2023, SECURITY, 99_387), (S20, SYSMON, 334_850)];
    check("sharpwmi_create", false, "0s", &expected);
}

#[test]
fn sharpwmi_create_with_tolerance() {
    let expected = [
        (V100, SECURITY, 99_387),
        (V100, SYSMON, 334_850),
        (V2023, SECURITY, 99_387),
        (V2023, SYSMON, 334_850),
        (S20, SYSMON, 334_850),
    ];
    check("sharpwmi_create", false, "1s", &expected);
}

#[test]
fn wbemcomn_dll_hijack_in_strict_order() {
    let expected = [(V100, SECURITY, 235_988), (V2023, SECURITY, 235_988)];
    check("wbemcomn_dll_hijack", false, "0s", &expected);
}

#[test]
fn wbemcomn_dll_hijack_with_tolerance() {
    let expected = [(V100, SECURITY, 235_988), (V2023, SECURITY, 235_988)];
    check("wbemcomn_dll_hijack", false, "1s", &expected);
}

#[test]
fn wmi_exec_method_by_sysmon_alone() {
    let expected =
        [(V100, SYSMON, 3_215_160), (V2023, SYSMON, 3_215_160), (S20, SYSMON, 3_215_160)];
    check("wmi_exec_method", true, "0s", &expected);
    check("wmi_exec_method", true, "1s", &expected);
}

#[test]
fn sharpwmi_create_by_sysmon_alone() {
    check("sharpwmi_create", true, "0s", &[]);
    let expected = [(V100, SYSMON, 334_850), (V2023, SYSMON, 334_850), (S20, SYSMON, 334_850)];
    check("sharpwmi_create", true, "1s", &expected);
}

#[test]
fn wbemcomn_dll_hijack_by_sysmon_alone() {
    check("wbemcomn_dll_hijack", true, "0s", &[]);
    check("wbemcomn_dll_hijack", true, "1s", &[]);
}
