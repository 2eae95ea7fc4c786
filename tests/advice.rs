//! Caveats and lints as authors of rules get to read them: a rule a file, beside what is expected.
//!
//! `UPDATE_EXPECT=1 cargo test --test advice` writes the expected texts; read them before they are
//! committed.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::diag::render::{Colour, render};
use maxspan::diag::{Severity, codes};
use maxspan::rule::set::{Defaults, RuleReport, RuleSet, Status};
use maxspan::text::Text;

fn rules() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/advice");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    paths
}

fn report(path: &Path) -> RuleReport {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = Arc::new(Text::new(name, std::fs::read_to_string(path).unwrap()));
    RuleSet::compile(vec![text], &Defaults::default()).1.remove(0)
}

#[test]
fn advice_reads_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for path in rules() {
        let report = report(&path);
        let shown = render(&report.diagnostics, &report.text, Colour::None);
        let expected = path.with_extension("stderr");
        if update {
            std::fs::write(&expected, shown).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{} is advised like this:\n{shown}", report.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_caveat_is_a_warning_and_advice_changes_no_status() {
    for path in rules() {
        let report = report(&path);
        let warned = report
            .diagnostics
            .iter()
            .any(|found| found.severity == Severity::Warning && !found.code.starts_with("W07"));
        let expected = if warned { Status::Caveat } else { Status::Runs };
        assert_eq!(report.status, expected, "{}: {:?}", report.path, report.diagnostics);
    }
}

#[test]
fn the_corpus_has_every_caveat_and_lint() {
    let found = rules().iter().flat_map(|path| report(path).diagnostics).collect::<Vec<_>>();
    let seen: BTreeSet<&str> = found.iter().map(|found| found.code).collect();
    let wanted = codes::CODES.iter().map(|code| code.code);
    let wanted = wanted.filter(|code| code.starts_with("W06") || code.starts_with("W07"));
    let missing: Vec<&str> = wanted.filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no rule for {missing:?}");
}
