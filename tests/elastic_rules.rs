//! Elastic's published rules load unchanged, as far as a sample of them lies beside the project.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use maxspan::diag::{Diagnostic, Severity, codes};
use maxspan::rule::set::{Defaults, RuleReport, RuleSet, Status};
use maxspan::text::Text;

/// The sample of Elastic's rules.
#[cfg(feature = "cli")]
fn folder() -> Option<PathBuf> {
    folder_of("elastic-rules")
}

/// A sample; nothing, and a line that says so where `make test` finds it, if it is not there.
fn folder_of(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../shared/data").join(name);
    if folder.exists() {
        return Some(folder);
    }
    let line = format!("elastic_rules: ../shared/data/{name} is not there");
    eprintln!("not run: {line}");
    let list = root.join("target/not-run.txt");
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(list) {
        writeln!(file, "{line}").unwrap();
    }
    None
}

/// The files of the sample of Elastic's rules.
fn sample() -> Option<Vec<Arc<Text>>> {
    sample_of("elastic-rules")
}

/// The files of a sample.
fn sample_of(name: &str) -> Option<Vec<Arc<Text>>> {
    let folder = folder_of(name)?;
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let contents = std::fs::read_to_string(path).unwrap();
        Arc::new(Text::new(path.display().to_string(), contents))
    };
    Some(paths.iter().map(read).collect())
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, paths),
            false if path.extension().is_some_and(|e| e == "toml") => paths.push(path),
            false => {}
        }
    }
}

fn reports() -> Option<Vec<RuleReport>> {
    Some(RuleSet::compile(sample()?, &Defaults::default()).1)
}

#[test]
fn every_rule_runs() {
    let Some(reports) = reports() else { return };
    assert!(reports.len() >= 300, "only {} rules", reports.len());
    let refused: Vec<&RuleReport> =
        reports.iter().filter(|report| report.status == Status::Refused).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let run = reports.iter().filter(|r| matches!(r.status, Status::Runs | Status::Caveat));
    assert_eq!(run.count(), reports.len(), "some are skipped");
}

#[test]
fn what_is_said_of_them_has_a_code_a_place_and_a_sentence() {
    let Some(reports) = reports() else { return };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for report in &reports {
        for found in &report.diagnostics {
            *seen.entry(found.code).or_default() += 1;
            assert!(codes::find(found.code).is_some(), "{} is not in the list", found.code);
            let span = found.span.unwrap_or_else(|| panic!("{}: {found:?}", report.path));
            let place = report.text.contents.get(span.range());
            assert!(place.is_some_and(|text| !text.is_empty()), "{}: {found:?}", report.path);
        }
        let named = report.diagnostics.iter().any(|found| found.severity == Severity::Warning);
        assert!(report.status != Status::Caveat || named, "{}: a caveat is named", report.path);
    }
    eprintln!("{seen:?}");
    for code in ["W0601", "W0602", "W0604", "N0501", "N0602"] {
        assert!(seen.contains_key(code), "no {code} in {seen:?}");
    }
}

/// Published rules name categories of the schema, or values of a field of their own: the sample of
/// Elastic's has `any` with `event_category_override`, Sigma's says `process` throughout. There is
/// no exception to argue for.
#[test]
fn no_good_rule_is_warned_about_categories_absences_and_keys() {
    for folder in ["elastic-rules", "sigma-as-eql"] {
        let Some(files) = sample_of(folder) else { return };
        assert!(files.len() >= 300, "only {} rules in {folder}", files.len());
        let (_, reports) = RuleSet::compile(files, &Defaults::default());
        for report in reports {
            let told = |found: &&Diagnostic| {
                ["W0406", "W0502", "W0607", "W0608", "W0705"].contains(&found.code)
            };
            let found: Vec<_> = report.diagnostics.iter().filter(told).collect();
            assert!(found.is_empty(), "{}: {found:?}", report.path);
        }
    }
}

/// Advice is given where something can be shown to be amiss, and rules that Elastic has published
/// are seldom wrong about names of fields.
#[test]
fn lints_are_quiet_on_good_rules() {
    let Some(reports) = reports() else { return };
    let of = |code: &str| -> Vec<String> {
        let found = reports
            .iter()
            .flat_map(|report| report.diagnostics.iter().map(move |found| (report, found)));
        found
            .filter(|(_, found)| found.code == code)
            .map(|(report, found)| format!("{}: {}", report.path, found.message))
            .collect()
    };
    assert_eq!(of("W0702"), Vec::<String>::new());
    assert_eq!(of("W0704"), Vec::<String>::new());
    assert!(of("W0701").len() + of("W0703").len() < reports.len() / 10);
}

/// Prints how long a rule takes; a build without optimisation is no measure.
#[test]
fn a_rule_compiles_at_once() {
    let Some(files) = sample() else { return };
    let mut slowest = (std::time::Duration::ZERO, String::new());
    let started = Instant::now();
    for file in &files {
        let one = Instant::now();
        let (_, reports) = RuleSet::compile(vec![Arc::clone(file)], &Defaults::default());
        assert_eq!(reports.len(), 1);
        slowest = slowest.max((one.elapsed(), file.name.clone()));
    }
    let mean = started.elapsed() / u32::try_from(files.len()).unwrap();
    eprintln!("a rule set of one rule compiles in {mean:?} on average, {slowest:?} at most");
}

#[cfg(feature = "cli")]
#[test]
fn check_reports_as_json() {
    let Some(folder) = folder() else { return };
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_maxspan"));
    let output = command.args(["check", "--format", "json"]).arg(folder).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rules = report["rules"].as_array().unwrap();
    let totals = report["totals"].as_object().unwrap();
    let sum: u64 = totals.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(sum, rules.len() as u64);
    assert_eq!(totals.keys().collect::<Vec<_>>(), ["caveat", "refused", "runs", "skipped"]);
    for rule in rules {
        for key in ["path", "rule_id", "name", "status"] {
            assert!(rule[key].is_string(), "{rule}");
        }
        for found in rule["diagnostics"].as_array().unwrap() {
            for key in ["severity", "code", "message"] {
                assert!(found[key].is_string(), "{found}");
            }
        }
    }
    let expected = if totals["refused"] == 0 { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(expected));
}
