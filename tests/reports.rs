//! Small inputs made after public reports of people who write rules, through the program as they run
//! it. They stand beside the project, not in it; where they are absent the test says so.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::process::Command;

use support::replay::{not_run, shared};

/// What is right for an input, as its `expected.md` says.
struct Right {
    folder: &'static str,
    /// Alerts of `replay`.
    alerts: usize,
    /// Exit code of `check`.
    code: i32,
    /// What `check -v` says.
    says: &'static [&'static str],
}

const REPORTS: &[Right] = &[
    // Its pairs lie within one another in time, so that a batch engine finds two. See below.
    Right { folder: "02-epoch-fraction", alerts: 2, code: 0, says: &["runs"] },
    Right { folder: "06-multi-fields", alerts: 1, code: 0, says: &["N0701"] },
    Right { folder: "08-rule-not-utf8", alerts: 0, code: 1, says: &["E0509", "rule.toml:"] },
    Right { folder: "11-ipv6-zone", alerts: 0, code: 0, says: &["runs"] },
    Right {
        folder: "15-suppression-keys",
        alerts: 0,
        code: 1,
        says: &["did you mean `group_by`?"],
    },
    Right { folder: "18-absence-at-both-ends", alerts: 1, code: 0, says: &["W0705"] },
    Right { folder: "22-silence-then-step", alerts: 1, code: 0, says: &["runs"] },
];

fn maxspan(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maxspan"));
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn what_people_have_reported_is_right() {
    for right in REPORTS {
        let Some(folder) = shared(&format!("data/reports/{}", right.folder)) else {
            return not_run("inputs after public reports", "../shared/data is not there");
        };
        let file = |name: &str| folder.join(name).display().to_string();
        let (rule, events) = (file("rule.toml"), file("events.ndjson"));
        let (code, said) = maxspan(&["check", "-v", &rule]);
        assert_eq!(code, Some(right.code), "{}: {said}", right.folder);
        for words in right.says {
            assert!(said.contains(words), "{}: not said: {words}\n{said}", right.folder);
        }
        let (_, alerts) = maxspan(&["replay", "-q", "--rules", &rule, &events]);
        assert_eq!(alerts.lines().count(), right.alerts, "{}:\n{alerts}", right.folder);
    }
}

/// In the order of the file each of the three pairs is whole, and so a stream has it.
#[test]
fn pairs_that_lie_within_one_another_are_found_as_they_arrive() {
    let Some(folder) = shared("data/reports/02-epoch-fraction") else {
        return not_run("inputs after public reports", "../shared/data is not there");
    };
    let file = |name: &str| folder.join(name).display().to_string();
    let (rule, events) = (file("rule.toml"), file("events.ndjson"));
    let replay = ["replay", "-q", "--emit", "eager", "--rules", &rule, &events];
    assert_eq!(maxspan(&replay).1.lines().count(), 3);
}

/// A sequence that begins with the first record after a silence is found, however it is asked for.
#[test]
fn a_silence_hides_nothing() {
    let Some(folder) = shared("data/reports").map(|reports| {
        let entries = std::fs::read_dir(reports).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.ends_with("22-silence-then-step")).unwrap()
    }) else {
        return not_run("inputs after public reports", "../shared/data is not there");
    };
    let file = |name: &str| folder.join(name).display().to_string();
    let cases = [("rule.toml", "events.ndjson"), ("rule2.toml", "events-one-host.ndjson")];
    for (rule, events) in cases {
        for more in [&[][..], &["--emit", "exact"], &["--emit", "eager"]] {
            let (rule, events) = (file(rule), file(events));
            let replay = ["replay", "-q", "--rules", &rule, &events];
            let (_, alerts) = maxspan(&[&replay[..], more].concat());
            assert_eq!(alerts.lines().count(), 1, "{events} {more:?}");
            let explain = ["explain", &rule, "--events", &events];
            let (_, said) = maxspan(&[&explain[..], more].concat());
            assert!(said.contains("1 alert"), "{events} {more:?}: {said}");
        }
    }
}

/// A rule with absences at both ends says why it fired although one was there.
#[test]
fn explanations_say_what_absences_at_both_ends_forbid() {
    let Some(folder) = shared("data/reports/18-absence-at-both-ends") else {
        return not_run("inputs after public reports", "../shared/data is not there");
    };
    let file = |name: &str| folder.join(name).display().to_string();
    let (_, said) = maxspan(&["explain", &file("rule.toml"), "--events", &file("events.ndjson")]);
    assert!(said.contains("absences at both ends") && said.contains("maxspan = 2m"), "{said}");
}
