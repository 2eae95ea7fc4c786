//! What normalizing costs on top of decoding, for the fields of the shipped WMI rules.
//!
//! `cargo bench --no-default-features --bench normalize` prints medians per CPU second. Input: the recorded attacks if
//! `../shared` holds them (`--input FILE` names another), else the golden lines. `--rules DIRECTORY` takes other rules.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and may fail")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use maxspan::event::{Arena, Fields, Memory};
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

/// How many times each part is run over the whole input.
const ROUNDS: usize = 15;

/// What is measured: something that is done with all records.
type Part = fn(&RuleSet, &[Vec<u8>]);

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = rules(root);
    let lines = input(root);
    let bytes: usize = lines.iter().map(Vec::len).sum();
    println!("{} records, {} bytes, {} fields", lines.len(), bytes, rules.fields().len());
    let mut parts: [(&str, Vec<f64>, Part); 3] = [
        ("decode", Vec::new(), decode),
        ("decode + normalize", Vec::new(), normalize),
        ("decode + normalize + index", Vec::new(), hits),
    ];
    for _ in 0..ROUNDS {
        // One after another in each round, so that other work on the machine hits all alike.
        for (_, times, part) in &mut parts {
            let before = cpu_time();
            part(&rules, &lines);
            times.push((cpu_time() - before).as_secs_f64());
        }
    }
    let mut medians = Vec::new();
    for (name, times, _) in &mut parts {
        times.sort_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        medians.push(median);
        let per_second = lines.len() as f64 / median;
        let nanos = median * 1e9 / lines.len() as f64;
        println!("{name:28} {per_second:>12.0} records per CPU second, {nanos:>7.0} ns a record");
    }
    let share = 100.0 * (medians[1] - medians[0]) / medians[2];
    println!("normalizing is {share:.1} % of the path up to the index");
}

fn decode(rules: &RuleSet, lines: &[Vec<u8>]) {
    let (mut spare, mut arena) = (Memory::default(), Arena::new());
    for line in lines {
        let mut fields = Fields::within(spare, rules.fields().len(), &arena);
        rules.decoder().decode(line, &mut fields).ok();
        black_box(&fields);
        spare = fields.into_memory();
        arena.reset();
    }
}

fn normalize(rules: &RuleSet, lines: &[Vec<u8>]) {
    let (mut spare, mut arena) = (Memory::default(), Arena::new());
    for line in lines {
        let mut fields = Fields::within(spare, rules.fields().len(), &arena);
        if rules.decoder().decode(line, &mut fields).is_ok() {
            black_box(rules.normalizer().normalize(&mut fields));
        }
        black_box(&fields);
        spare = fields.into_memory();
        arena.reset();
    }
}

fn hits(rules: &RuleSet, lines: &[Vec<u8>]) {
    let (mut spare, mut arena) = (Memory::default(), Arena::new());
    let mut hits = Vec::new();
    for line in lines {
        let mut fields = Fields::within(spare, rules.fields().len(), &arena);
        if rules.decoder().decode(line, &mut fields).is_ok() {
            black_box(rules.normalizer().normalize(&mut fields));
            rules.hits(&fields, &mut hits);
            black_box(&hits);
        }
        spare = fields.into_memory();
        arena.reset();
    }
}

/// Returns what stands behind a flag on the command line.
fn argument(flag: &str) -> Option<PathBuf> {
    std::env::args().skip_while(|argument| argument != flag).nth(1).map(PathBuf::from)
}

/// Returns the shipped rules, or those that are asked for.
fn rules(root: &Path) -> RuleSet {
    let directory = argument("--rules").unwrap_or_else(|| root.join("config/rules"));
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(".toml") && !name.ends_with(".cases.toml")
        })
        .collect();
    paths.sort();
    let text = |path: &PathBuf| {
        let contents = fs::read_to_string(path).unwrap();
        Arc::new(Text::new(path.display().to_string(), contents))
    };
    RuleSet::compile(paths.iter().map(text).collect(), &Defaults::default()).0
}

fn input(root: &Path) -> Vec<Vec<u8>> {
    let named = argument("--input");
    let recorded = root.join("../shared/data/attacks/wmi_exec_method.ndjson.gz");
    let golden = root.join("tests/corpus/normalize/ids/security.in.ndjson");
    let path = named.unwrap_or_else(|| if recorded.exists() { recorded } else { golden });
    println!("input: {}", path.file_name().unwrap().to_string_lossy());
    let bytes = match path.extension().is_some_and(|extension| extension == "gz") {
        // The core has no such reader: the bench is built without the rest.
        true => Command::new("gzip").arg("-dc").arg(&path).output().unwrap().stdout,
        false => fs::read(&path).unwrap(),
    };
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
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
