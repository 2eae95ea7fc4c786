//! What it costs to find the terms that an event satisfies: index and conditions alone, without
//! reading, decoding and normalizing.
//!
//! Each few events are asked about several times, and the quickest counts: a busy minute does not.
//! Every event must have the hits that asking every term of its category gives.
//!
//! `cargo bench --no-default-features --bench index [-- --rules DIR --input FILE --rounds 5]`;
//! `--synthetic N` takes so many made-up rules, `--top N` prints the rules that take most time; files may be packed by gzip; all may be repeated.
//! Without any: rules and recorded attacks beside the project.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maxspan::event::{Arena, Fields};
use maxspan::rule::set::{Defaults, RuleSet, TermRef};
use maxspan::text::Text;
use random::Random;
use replay::shared;
use scan::Scan;

#[path = "../tests/support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each program uses its own part")]
mod random;
#[path = "../tests/support/replay.rs"]
#[allow(dead_code, unreachable_pub, reason = "the bench needs the paths alone")]
mod replay;
#[path = "../tests/support/rule_text.rs"]
mod rule_text;
#[path = "../tests/support/scan.rs"]
mod scan;

/// So many events are asked about in turn: few enough to stay in the cache, as the one event does
/// that a detector judges.
const TOGETHER: usize = 16;

fn main() {
    let rounds = arguments("--rounds").first().map_or(5, |text| text.parse().unwrap());
    let inputs = inputs();
    if inputs.is_empty() {
        println!("not run: no --input, and ../shared/data/attacks is absent");
        return;
    }
    let mut sets: Vec<(String, Vec<Arc<Text>>)> = Vec::new();
    let mut directories: Vec<PathBuf> = arguments("--rules").iter().map(PathBuf::from).collect();
    let mut synthetic: Vec<u64> =
        arguments("--synthetic").iter().map(|text| text.parse().unwrap()).collect();
    if directories.is_empty() && synthetic.is_empty() {
        directories.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules"));
        directories.extend(shared("data/elastic-rules"));
        directories.extend(shared("data/sigma-as-eql"));
        synthetic = vec![1, 1_000, 3_000];
    }
    for directory in directories {
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        sets.push((name, files(&directory)));
    }
    sets.extend(synthetic.iter().map(|count| ("synthetic".to_owned(), made_up(*count))));
    for (name, texts) in sets {
        let (before, bytes) = (cpu_seconds(), resident_bytes());
        let (rules, _) = RuleSet::compile(texts, &Defaults::default());
        println!(
            "{} rules ({name}), compiled in {:.0} ms of CPU time, {:.1} MB more",
            rules.rules().len(),
            (cpu_seconds() - before) * 1e3,
            (resident_bytes() - bytes) / 1e6,
        );
        measure(&rules, &inputs, rounds);
    }
}

fn arguments(name: &str) -> Vec<String> {
    let all: Vec<String> = std::env::args().collect();
    all.windows(2).filter(|pair| pair[0] == name).map(|pair| pair[1].clone()).collect()
}

/// The lines of the input files.
fn inputs() -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = arguments("--input").iter().map(PathBuf::from).collect();
    if paths.is_empty()
        && let Some(folder) = shared("data/attacks")
    {
        paths.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
        paths.sort();
    }
    let contents = |path: &PathBuf| match path.extension() {
        Some(extension) if extension == "gz" => {
            Command::new("gzip").arg("-dc").arg(path).output().unwrap().stdout
        }
        _ => fs::read(path).unwrap(),
    };
    let mut lines = Vec::new();
    for path in &paths {
        let whole = contents(path);
        lines.extend(whole.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(<[u8]>::to_vec));
    }
    lines
}

fn files(directory: &Path) -> Vec<Arc<Text>> {
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".toml") && !name.ends_with(".cases.toml")
    });
    paths.sort();
    let text = |path: &PathBuf| {
        Arc::new(Text::new(path.display().to_string(), fs::read_to_string(path).unwrap()))
    };
    paths.iter().map(text).collect()
}

/// Rules that share twenty fields; a third of them name processes that are common.
fn made_up(count: u64) -> Vec<Arc<Text>> {
    let random = &mut Random::new(7);
    let rule = |number| {
        rule_text::rule("made up", &format!("r{number}"), &query(random), toml::Table::new())
    };
    (0..count).map(rule).collect()
}

/// Processes of Windows that many events name.
const COMMON: [&str; 6] =
    ["svchost.exe", "cmd.exe", "powershell.exe", "explorer.exe", "rundll32.exe", "lsass.exe"];
const TEXTS: [&str; 8] = [
    "process.command_line",
    "process.executable",
    "process.parent.command_line",
    "process.parent.executable",
    "process.pe.original_file_name",
    "file.path",
    "registry.path",
    "dns.question.name",
];
const NAMES: [&str; 6] =
    ["process.name", "process.parent.name", "file.name", "user.name", "dll.name", "host.name"];
const CATEGORIES: [(&str, u64); 5] =
    [("process", 62), ("file", 12), ("network", 12), ("registry", 8), ("library", 6)];

fn query(random: &mut Random) -> String {
    let mut left = random.below(100);
    let of_chance = |(_, share): &&(&str, u64)| {
        let is_it = left < *share;
        left = left.saturating_sub(*share);
        is_it
    };
    let category = CATEGORIES.iter().find(of_chance).unwrap().0;
    let word = |random: &mut Random| format!("{:05x}", random.below(1 << 20));
    let mut conditions = Vec::new();
    if random.chance(30) {
        conditions.push(format!("process.name : \"{}\"", random.pick(&COMMON)));
    }
    for _ in 0..random.between(1, 3) {
        conditions.push(match random.below(10) {
            0..4 => {
                let names: Vec<String> = (0..random.between(1, 6))
                    .map(|_| format!("\"tool{}.exe\"", word(random)))
                    .collect();
                format!("{} in~ ({})", random.pick(&NAMES), names.join(", "))
            }
            4..8 => format!("{} : \"*-opt{}*\"", random.pick(&TEXTS), word(random)),
            8 => format!("{} : \"*\\\\tool{}.exe\"", random.pick(&TEXTS), word(random)),
            _ => format!("user.id == \"S-1-5-21-{}\"", random.below(100_000)),
        });
    }
    format!("{category} where {}", conditions.join(" and "))
}

#[derive(Default)]
struct Tally {
    events: usize,
    candidates: usize,
    hits: usize,
    took: Duration,
    /// How often each term was asked, and how long that took, alone and with nothing folded yet.
    asked: BTreeMap<TermRef, (usize, Duration)>,
    /// By the event's first category: events, candidates, hits, time.
    by_category: BTreeMap<String, (usize, usize, usize, Duration)>,
}

fn measure(rules: &RuleSet, lines: &[Vec<u8>], rounds: usize) {
    let scan = Scan::new(rules);
    let arenas: Vec<Arena> = lines.iter().map(|_| Arena::new()).collect();
    let category = rules.fields().get("event.category").unwrap();
    let mut tally = Tally::default();
    let mut by_category = BTreeMap::<String, Vec<Fields<'_>>>::new();
    let mut flush = |name: &str, events: &mut Vec<Fields<'_>>| {
        ask(rules, &scan, events, rounds, name, &mut tally);
        events.clear();
    };
    for (line, arena) in lines.iter().zip(&arenas) {
        let mut fields = Fields::new(rules.fields().len(), arena);
        rules.decoder().decode(line, &mut fields).unwrap();
        black_box(rules.normalizer().normalize(&mut fields));
        let name = fields.str(category).unwrap_or("none").to_owned();
        let events = by_category.entry(name.clone()).or_default();
        events.push(fields);
        if events.len() == TOGETHER {
            flush(&name, events);
        }
    }
    for (name, events) in &mut by_category {
        flush(name, events);
    }
    print(&tally);
    print_asked(rules, &tally);
}

fn ask(
    rules: &RuleSet,
    scan: &Scan<'_>,
    events: &[Fields<'_>],
    rounds: usize,
    category: &str,
    tally: &mut Tally,
) {
    let (mut hits, mut expected) = (Vec::new(), Vec::new());
    let (mut candidates, mut found) = (0, 0);
    for event in events {
        rules.candidates(event, |term| {
            candidates += 1;
            let begun = Instant::now();
            let part = &rules.rules()[term.rule as usize].terms[term.term as usize];
            black_box(part.predicate.matches(event));
            let asked = tally.asked.entry(term).or_default();
            asked.0 += 1;
            asked.1 += begun.elapsed();
        });
        rules.hits(event, &mut hits);
        scan.hits(event, &mut expected);
        assert_eq!(hits, expected);
        found += hits.len();
    }
    let round = |_| {
        let begun = Instant::now();
        for event in events {
            black_box(rules.hits(event, &mut hits));
        }
        begun.elapsed()
    };
    let took = (0..rounds).map(round).min().unwrap();
    tally.events += events.len();
    tally.candidates += candidates;
    tally.hits += found;
    tally.took += took;
    let of_category = tally.by_category.entry(category.to_owned()).or_default();
    of_category.0 += events.len();
    of_category.1 += candidates;
    of_category.2 += found;
    of_category.3 += took;
}

fn print(tally: &Tally) {
    let line = |name: &str, events: usize, candidates: usize, hits: usize, took: Duration| {
        let of_event = |count: usize| count as f64 / events as f64;
        println!(
            "    {name:<12} {events:>7} events {:>8.0} ns {:>8.2} candidates {:>7.3} hits an event",
            took.as_secs_f64() * 1e9 / events as f64,
            of_event(candidates),
            of_event(hits)
        );
    };
    line("all", tally.events, tally.candidates, tally.hits, tally.took);
    for (name, (events, candidates, hits, took)) in &tally.by_category {
        if *candidates > 0 {
            line(name, *events, *candidates, *hits, *took);
        }
    }
}

/// Prints the terms that took most time.
fn print_asked(rules: &RuleSet, tally: &Tally) {
    let most = arguments("--top").first().map_or(0, |text| text.parse().unwrap());
    let mut asked: Vec<_> = tally.asked.iter().collect();
    asked.sort_by_key(|(_, (_, took))| std::cmp::Reverse(*took));
    for (term, (count, took)) in asked.into_iter().take(most) {
        let query = &rules.rules()[term.rule as usize].canonical;
        let words: Vec<&str> = query.split_whitespace().take(40).collect();
        println!("    {count:>7} times, {took:>9.2?}: {}", words.join(" "));
    }
}

/// CPU time of this process so far, from Linux's `/proc/self/schedstat`.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap();
    // The first field: nanoseconds on a CPU.
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Bytes of this process in memory, from Linux's `/proc/self/statm`.
fn resident_bytes() -> f64 {
    let stat = fs::read_to_string("/proc/self/statm").unwrap();
    // The second field: pages of 4 KiB.
    stat.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4_096.0
}
