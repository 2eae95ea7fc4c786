//! The references for the rules of time, held against the model's: each judges the other's cases.
//!
//! Two writings of batch matching and of "for which keys a law speaks" agree on thousands of cases,
//! and both generators make cases of every kind. Needs Python 3.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail by panicking, and says what it could not run"
)]

#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;
#[path = "support/time/mod.rs"]
mod time;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use random::{Random, cases};
use serde_json::Value;
use time::clock::Stamps;
use time::event::Delivery;
use time::json;
use time::rule::{Rule, Wanted, random_rule, random_sample};
use time::stream::{Shape, stream};

#[test]
fn references_agree_with_the_model_on_its_cases() {
    let count = cases(3_000).to_string();
    let Some(lines) = run(&["--cases", &count, "--seed", "1"], None) else { return };
    let seen = compare(&lines);
    assert_eq!(seen.cases, cases(3_000));
    seen.assert_of_every_kind();
}

#[test]
fn references_agree_with_the_model_on_cases_made_here() {
    let made: Vec<String> = (0..cases(3_000))
        .map(|seed| {
            let (rule, stamps, deliveries) = made_up(&mut Random::new(seed));
            json::write(&rule, stamps, &deliveries).to_string()
        })
        .collect();
    let Some(lines) = run(&["--judge"], Some(made.join("\n"))) else { return };
    let seen = compare(&lines);
    assert_eq!(seen.cases, cases(3_000));
    seen.assert_of_every_kind();
}

fn made_up(random: &mut Random) -> (Rule, Stamps, Vec<Delivery>) {
    let rule = match random.chance(20) {
        true => random_sample(random),
        false => random_rule(random, Wanted::default()),
    };
    let stamps = Stamps::random(random);
    let usual = Shape::random(random);
    let shape = *random.pick(&[Shape::Copies, Shape::Scrambled, usual, usual]);
    let deliveries = stream(random, rule.allowed_lateness, rule.hold, stamps, shape);
    (rule, stamps, deliveries)
}

/// What kinds of cases there were.
#[derive(Debug, Default)]
struct Seen {
    cases: u64,
    pulled: u64,
    with_match: u64,
    with_sample: u64,
    /// The order tolerance, or the like, makes a difference.
    beyond_batch: u64,
    keys: u64,
    on_time: u64,
    in_order: u64,
}

impl Seen {
    fn note(&mut self, case: &Value, answers: &Value) {
        let has = |name: &str| u64::from(!answers[name].as_array().unwrap().is_empty());
        let keys = |name: &str| answers[name].as_object().unwrap().values();
        let told = |name: &str| keys(name).filter(|told| **told == true).count() as u64;
        let is_tolerant = case["order_tolerance"] != 0;
        self.cases += 1;
        self.pulled += u64::from(answers["pulled"] == true);
        self.with_match += has("batch");
        self.with_sample += has("samples");
        self.beyond_batch += u64::from(is_tolerant && answers["batch"] != answers["one_slot"]);
        self.keys += keys("on_time").count() as u64;
        self.on_time += told("on_time");
        self.in_order += told("in_order");
    }

    fn assert_of_every_kind(&self) {
        println!("{self:?}");
        let some = |count: u64, of: u64| count * 200 > of && count * 100 < of * 95;
        assert!(some(self.pulled, self.cases), "{self:?}");
        assert!(some(self.with_match, self.cases), "{self:?}");
        assert!(some(self.with_sample, self.cases), "{self:?}");
        assert!(some(self.beyond_batch, self.cases), "{self:?}");
        assert!(some(self.on_time, self.keys), "{self:?}");
        assert!(some(self.in_order, self.keys), "{self:?}");
    }
}

/// Compares what the model says of each case with what is said here.
fn compare(lines: &str) -> Seen {
    let mut seen = Seen::default();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (rule, stamps, deliveries) = json::read(&line["case"]);
        let own = json::answers(&rule, stamps, &deliveries);
        for (name, expected) in line["answers"].as_object().unwrap() {
            assert_eq!(own[name], *expected, "{name} of {}", line["case"]);
        }
        if rule.order_tolerance == 0 {
            assert_eq!(own["batch"], own["one_slot"], "{}", line["case"]);
        }
        seen.note(&line["case"], &line["answers"]);
    }
    seen
}

/// Runs the model's script; returns nothing where there is no Python.
fn run(arguments: &[&str], input: Option<String>) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model/dump_cases.py");
    let child = Command::new("python3")
        .arg(script)
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        not_run("time_references", "there is no python3");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    // The script writes while it reads: who waits for neither may stand in neither's way.
    let feeding = std::thread::spawn(move || {
        stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
    });
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    assert!(output.status.success(), "the script fails");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Notes that a check was not run; with `CI=true` everything has to run.
fn not_run(what: &str, why: &str) {
    let line = format!("not run: {what}: {why}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{line}");
    println!("{line}");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/not-run.txt");
    let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
    list.write_all(format!("{line}\n").as_bytes()).unwrap();
}
