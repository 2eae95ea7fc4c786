//! What a record costs, in instructions: fails when the event path becomes dearer. Times would depend on how busy
//! the machine is; instructions do not.
//!
//! The program starts itself under valgrind, which counts. What a record takes is the difference between a few and
//! many records, so that start and rules do not count; it is compared with what `serde_json::Value` takes for the
//! same records in the same build, so that neither the compiler nor its settings matter much.
//!
//! When the path becomes cheaper, lower its limit in [`LIMITS`] to a fifth above what the test prints.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what it found, and may fail"
)]

#[path = "support/corpus/mod.rs"]
mod corpus;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use corpus::{Settings, Shape};
use maxspan::detect::{Detector, Options, Origin, Past, Record, Stamp};
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

/// By shape: the most that the three shipped rules may take, in per cent of the yardstick.
const LIMITS: [(Shape, u64); 2] = [(Shape::Raw, 31), (Shape::Ecs, 27)];

const RECORDS: Settings = Settings::MANY_ATTACKS.of(1_200, 20, 1).late();
const FEW: usize = 200;
const MANY: usize = 1_200;

/// Tells the program under valgrind what to do: a shape, `engine` or `tree`, and how many records.
const TASK: &str = "MAXSPAN_COUNTED_TASK";

#[test]
fn a_record_takes_no_more_instructions_than_it_did() {
    if let Ok(task) = std::env::var(TASK) {
        return do_task(&task);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        return not_run("instructions of a record", "no valgrind: install valgrind");
    }
    for (shape, limit) in LIMITS {
        let each = |what| {
            let instructions = |records| counted(&format!("{} {what} {records}", shape.name()));
            (instructions(MANY) - instructions(FEW)) / (MANY - FEW) as u64
        };
        let (engine, tree) = (each("engine"), each("tree"));
        let share = engine * 100 / tree;
        println!("{}: {engine} instructions a record, {share} % of a tree's {tree}", shape.name());
        assert!(
            share <= limit,
            "{}: a record takes {engine} instructions, {share} % of the yardstick's {tree}; the limit is {limit} %",
            shape.name()
        );
    }
}

/// Runs this test under valgrind, and returns how many instructions it has counted.
fn counted(task: &str) -> u64 {
    let run = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_record_takes_no_more_instructions_than_it_did", "--test-threads=1"])
        .env(TASK, task)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{task}: {report}");
    let line = report.lines().find(|line| line.contains("I   refs:") || line.contains("I refs:"));
    let number = line.unwrap_or_else(|| panic!("no count in {report}")).rsplit(':').next().unwrap();
    number.trim().replace(',', "").parse().unwrap()
}

fn do_task(task: &str) {
    let words: Vec<&str> = task.split(' ').collect();
    let shape = Shape::ALL.into_iter().find(|shape| shape.name() == words[0]).unwrap();
    let records: usize = words[2].parse().unwrap();
    // Made for both runs, so that making them does not count.
    let lines = corpus::lines(&RECORDS, shape);
    let lines = &lines[..records];
    match words[1] {
        "tree" => lines.iter().for_each(|line| {
            std::hint::black_box(serde_json::from_slice::<serde_json::Value>(line).unwrap());
        }),
        _ => detect(lines),
    }
}

fn detect(lines: &[Vec<u8>]) {
    let origin = Origin { topic: "t".into(), partition: 0 };
    let options = Options { past: Past::Nothing, ..Options::default() };
    let mut detector = Detector::new(shipped(), origin, options);
    for (offset, line) in (0..).zip(lines) {
        let payload = Some(&line[..]);
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
    }
    std::hint::black_box(detector.take_outbox());
}

fn shipped() -> Arc<RuleSet> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".toml") && !name.ends_with(".cases.toml")
    });
    paths.sort();
    let text = |path: &std::path::PathBuf| {
        let contents = std::fs::read_to_string(path).unwrap();
        Arc::new(Text::new(path.display().to_string(), contents))
    };
    let (rules, _) = RuleSet::compile(paths.iter().map(text).collect(), &Defaults::default());
    assert_eq!(rules.rules().len(), 3);
    Arc::new(rules)
}

/// Notes that the check was not run; with `CI=true` everything has to run.
fn not_run(what: &str, why: &str) {
    use std::io::Write;
    let line = format!("not run: {what}: {why}");
    println!("{line}");
    assert!(std::env::var("CI").is_err(), "{line}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/not-run.txt");
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
        let _ = writeln!(file, "{line}");
    }
}
