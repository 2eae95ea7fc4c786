//! Reading the wanted fields of records in memory: the structural index, the walk over it, early fields alone, and the
//! parser, with the fields of the shipped rules and of the published ones.
//!
//! `cargo bench --no-default-features --bench extract` prints medians per CPU second and their ratio to the structural
//! index. Input: the recorded attacks if `../shared` holds them, else the golden lines (`--input FILE` names another).

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and may fail")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use maxspan::event::decode::{Decoder, Limits, Scratch, Validation};
use maxspan::event::{Arena, Fields, Memory};

use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

/// How many times each part is run over the whole input.
const ROUNDS: usize = 15;

/// No more records than that.
const MAX_RECORDS: usize = 20_000;

/// What tells whether a rule wants an event at all.
const EARLY: &[&str] =
    &["winlog.channel", "winlog.event_id", "event.code", "event.category", "agent.type"];

/// Reads one record.
type Read<'r> = Box<dyn FnMut(&[u8]) + 'r>;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lines = input(root);
    let bytes: usize = lines.iter().map(Vec::len).sum();
    println!("{} records of {} bytes", lines.len(), bytes / lines.len());
    let sets = [root.join("config/rules"), root.join("../shared/data/elastic-rules")];
    let sets: Vec<RuleSet> =
        sets.iter().filter(|path| path.exists()).map(|path| rules(path)).collect();
    let mut scratch = Scratch::default();
    let mut parts: Vec<(String, Read<'_>, Vec<f64>)> = vec![(
        "structural index".to_owned(),
        Box::new(move |line| {
            black_box(scratch.index(line));
        }),
        Vec::new(),
    )];
    for set in &sets {
        let count = set.fields().len();
        parts.push((
            format!("walk, {count} fields"),
            walk(set, Validation::WhatIsRead),
            Vec::new(),
        ));
        parts.push((format!("early fields, {count} fields"), early(set), Vec::new()));
        parts.push((format!("early, then the rest, {count} fields"), both(set), Vec::new()));
        parts.push((
            format!("validated whole, {count} fields"),
            walk(set, Validation::All),
            Vec::new(),
        ));
        parts.push((format!("parser, {count} fields"), parse(set), Vec::new()));
    }
    for _ in 0..ROUNDS {
        // One after another in each round, so that other work on the machine hits all alike.
        for (_, read, times) in &mut parts {
            let before = cpu_time();
            lines.iter().for_each(|line| read(line));
            times.push((cpu_time() - before).as_secs_f64());
        }
    }
    let mut yardstick = None;
    for (name, _, times) in &mut parts {
        times.sort_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        let ratio = *yardstick.get_or_insert(median) / median;
        let nanos = median * 1e9 / lines.len() as f64;
        let per_second = lines.len() as f64 / median;
        println!(
            "{name:36} {per_second:>10.0} records a second, {nanos:>6.0} ns each, {ratio:.2} of the index"
        );
    }
}

fn walk(rules: &RuleSet, validation: Validation) -> Read<'_> {
    let decoder = decoder(rules).with_validation(validation);
    let mut scratch = Scratch::default();
    with_fields(rules, move |line, fields| {
        decoder.decode_within(&mut scratch, line, fields).is_ok()
    })
}

fn early(rules: &RuleSet) -> Read<'_> {
    let decoder = decoder(rules);
    let mut scratch = Scratch::default();
    with_fields(rules, move |line, fields| decoder.begin(&mut scratch, line, fields).is_ok())
}

fn both(rules: &RuleSet) -> Read<'_> {
    let decoder = decoder(rules);
    let mut scratch = Scratch::default();
    with_fields(rules, move |line, fields| {
        decoder.begin(&mut scratch, line, fields).and_then(|rest| rest.read(fields)).is_ok()
    })
}

fn parse(rules: &RuleSet) -> Read<'_> {
    let decoder = decoder(rules);
    with_fields(rules, move |line, fields| decoder.parse(line, fields).is_ok())
}

fn decoder(rules: &RuleSet) -> Decoder {
    let early: Vec<_> = EARLY.iter().filter_map(|path| rules.fields().get(path)).collect();
    Decoder::new(rules.fields(), Limits { max_nesting: 64 }).with_early(&early)
}

fn with_fields<'r>(
    rules: &'r RuleSet,
    mut read: impl for<'a> FnMut(&'a [u8], &mut Fields<'a>) -> bool + 'r,
) -> Read<'r> {
    let (mut spare, mut arena) = (Memory::default(), Arena::new());
    Box::new(move |line| {
        let mut fields = Fields::within(std::mem::take(&mut spare), rules.fields().len(), &arena);
        assert!(read(line, &mut fields), "a record is refused");
        black_box(&fields);
        spare = fields.into_memory();
        arena.reset();
    })
}

/// Returns what stands behind a flag on the command line.
fn argument(flag: &str) -> Option<PathBuf> {
    std::env::args().skip_while(|argument| argument != flag).nth(1).map(PathBuf::from)
}

fn rules(directory: &Path) -> RuleSet {
    let is_rule = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".toml") && !name.ends_with(".cases.toml")
    };
    let text = |path: &PathBuf| {
        let contents = fs::read_to_string(path).unwrap();
        Arc::new(Text::new(path.display().to_string(), contents))
    };
    let paths: Vec<PathBuf> = files(directory).into_iter().filter(is_rule).collect();
    RuleSet::compile(paths.iter().map(text).collect(), &Defaults::default()).0
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn input(root: &Path) -> Vec<Vec<u8>> {
    let attacks = root.join("../shared/data/attacks");
    let golden = root.join("tests/corpus/normalize/ids/security.in.ndjson");
    let paths = match argument("--input") {
        Some(path) => vec![path],
        None if attacks.exists() => files(&attacks),
        None => vec![golden],
    };
    let mut lines = Vec::new();
    for path in paths {
        let bytes = match path.extension().is_some_and(|extension| extension == "gz") {
            // The core has no such reader: the bench is built without the rest.
            true => Command::new("gzip").arg("-dc").arg(&path).output().unwrap().stdout,
            false => fs::read(&path).unwrap(),
        };
        let full = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.extend(full.map(<[u8]>::to_vec).take(MAX_RECORDS - lines.len()));
    }
    lines
}

/// Returns the CPU time of this process, however busy the machine is; the wall clock where the
/// kernel does not tell.
fn cpu_time() -> Duration {
    // The first field: time on a CPU in nanoseconds.
    let stat = fs::read_to_string("/proc/self/schedstat").ok();
    let nanos = stat.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(wall_time, Duration::from_nanos)
}

fn wall_time() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
