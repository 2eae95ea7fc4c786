//! Elasticsearch's own suites on this program, by the scripts that lie beside the project. What they
//! print last is how many of their cases agree; the rest stands in `docs/eql.md` with its reason.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::replay::{not_run, shared};

/// Cases, those that agree, those that need what a stream does not have, those that disagree: two
/// compare a field with a field.
#[test]
fn integration_cases_agree() {
    assert_counts("run.py", "sum", &[301, 290, 9, 2]);
}

#[test]
fn series_of_the_matcher_agree() {
    assert_counts("series.py", "sequences.series-spec", &[25, 25]);
}

#[test]
fn meanings_of_conditions_agree() {
    assert_counts("semantics.py", "semantics", &[75, 75]);
}

/// With constants, and with the first operand from a field.
#[test]
fn folded_expressions_agree() {
    assert_counts("fold.py", "folding:", &[222, 222, 181, 181]);
}

/// Taken there and here, refused there and here.
#[test]
fn parser_takes_and_refuses_the_same() {
    assert_counts("parse.py", "taken there", &[159, 157, 145, 138]);
}

/// Runs a script; the numbers of the line with this beginning are these.
fn assert_counts(script: &str, beginning: &str, expected: &[u64]) {
    let Some(output) = run(script) else { return };
    let line = output.lines().rfind(|line| line.starts_with(beginning));
    let line = line.unwrap_or_else(|| panic!("{script}: {output}"));
    let digits = |c: char| !c.is_ascii_digit();
    let counts: Vec<u64> =
        line.split(digits).filter(|part| !part.is_empty()).map(|n| n.parse().unwrap()).collect();
    assert_eq!(counts, expected, "{script}:\n{output}");
}

/// Returns what a script prints; nothing if it, or what it needs, is not there.
fn run(script: &str) -> Option<String> {
    let what = format!("es_suites: {script}");
    let Some(path) = shared(&format!("tools/es_suites/{script}")) else {
        not_run(&what, "../shared/tools/es_suites is not there");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    link_program(folder.path());
    let output = Command::new("python3")
        .arg(path.canonicalize().unwrap())
        .current_dir(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let Ok(output) = output else {
        not_run(&what, "there is no python3");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Puts the program where the scripts look for it.
fn link_program(folder: &Path) {
    let release: PathBuf = folder.join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    let program = env!("CARGO_BIN_EXE_maxspan");
    std::os::unix::fs::symlink(program, release.join("maxspan")).unwrap();
}
