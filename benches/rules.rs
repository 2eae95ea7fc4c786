//! What it costs to find the terms that an event satisfies, with 3 and with 308 rules: by the
//! index, and by asking every term of the event's category.
//!
//! Prints medians of several rounds that take turns, so that a busy minute hits all alike: compare
//! within one run only. Both ways must give the same hits for every event.
//!
//! `cargo bench --no-default-features --bench rules [-- --events 200000 --rounds 5]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

#[path = "../tests/support/corpus/mod.rs"]
mod corpus;
#[allow(dead_code, unreachable_pub, reason = "the bench needs paths alone")]
#[path = "../tests/support/replay.rs"]
mod replay;
#[path = "../tests/support/scan.rs"]
mod scan;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use corpus::{Corpus, Settings, Shape};
use maxspan::event::{Arena, Fields, Memory};
use maxspan::rule::set::{Defaults, RuleSet, TermRef};
use maxspan::text::Text;
use replay::shared;
use scan::Scan;

/// What is done with each event.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Normalize,
    Scan,
    Index,
    /// Both ways, compared; not measured.
    Compare,
}

const WAYS: [(&str, Way); 3] = [
    ("read, decode, normalize", Way::Normalize),
    ("+ every term of the category", Way::Scan),
    ("+ index", Way::Index),
];

fn main() {
    let argument = |name: &str, default: usize| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
        arguments.next().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let (events, rounds) = (argument("--events", 200_000), argument("--rounds", 5));
    let settings = Settings::MANY_ATTACKS.late().of(events as u64, 1_000, 300);
    let corpus = Corpus::make(settings);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = root.join("config/rules");
    let published = shared("data/elastic-rules");
    if published.is_none() {
        println!("not run: published rules: ../shared/data/elastic-rules is absent");
    }
    println!("{events} events, medians of {rounds} rounds, one thread");
    for directory in [Some(shipped), published].into_iter().flatten() {
        let rules = rules(&directory);
        for shape in Shape::ALL {
            measure(&rules, &corpus.file(shape), rounds);
        }
    }
}

fn rules(directory: &Path) -> RuleSet {
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".toml") && !name.ends_with(".cases.toml")
    });
    paths.sort();
    let text = |path: &std::path::PathBuf| {
        Arc::new(Text::new(path.display().to_string(), fs::read_to_string(path).unwrap()))
    };
    let texts: Vec<_> = paths.iter().map(text).collect();
    let before = cpu_seconds();
    let (rules, _) = RuleSet::compile(texts, &Defaults::default());
    let took = cpu_seconds() - before;
    assert_eq!(rules.rules().len(), paths.len());
    println!("\n{} rules: compiled in {took:.2} CPU seconds", paths.len());
    rules
}

fn measure(rules: &RuleSet, file: &Path, rounds: usize) {
    let Tally { events, hits } = run(rules, file, Way::Compare);
    println!("  {}: {hits} hits", file.file_name().unwrap().to_string_lossy());
    let mut seconds = vec![Vec::new(); WAYS.len()];
    for _ in 0..rounds {
        for ((_, way), seconds) in WAYS.iter().zip(&mut seconds) {
            let before = cpu_seconds();
            let tally = run(rules, file, *way);
            seconds.push(cpu_seconds() - before);
            assert!(*way == Way::Normalize || tally.hits == hits, "{} hits", tally.hits);
        }
    }
    let medians = seconds.into_iter().map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    });
    let medians: Vec<f64> = medians.collect();
    for ((name, _), median) in WAYS.iter().zip(&medians) {
        let rate = events as f64 / median;
        let beyond = (median - medians[0]) / events as f64 * 1e9;
        println!(
            "    {name:<30} {rate:>9.0} events per CPU second   {beyond:>6.0} ns beyond the first"
        );
    }
    println!("    the index makes the whole {:.2} times as fast", medians[1] / medians[2]);
}

#[derive(Default)]
struct Tally {
    events: usize,
    hits: usize,
}

fn run(rules: &RuleSet, file: &Path, way: Way) -> Tally {
    let mut input = BufReader::with_capacity(1 << 20, File::open(file).unwrap());
    let scan = Scan::new(rules);
    let (mut line, mut hits, mut others) = (Vec::new(), Vec::<TermRef>::new(), Vec::new());
    let (mut spare, mut arena) = (Memory::default(), Arena::new());
    let mut tally = Tally::default();
    while input.read_until(b'\n', &mut line).unwrap() > 0 {
        let mut fields = Fields::within(spare, rules.fields().len(), &arena);
        rules.decoder().decode(&line, &mut fields).unwrap();
        black_box(rules.normalizer().normalize(&mut fields));
        match way {
            Way::Normalize => {}
            Way::Scan => scan.hits(&fields, &mut hits),
            Way::Index => drop(rules.hits(&fields, &mut hits)),
            Way::Compare => {
                rules.hits(&fields, &mut hits);
                scan.hits(&fields, &mut others);
                assert_eq!(hits, others, "{}", String::from_utf8_lossy(&line));
            }
        }
        tally.events += 1;
        tally.hits += hits.len();
        spare = fields.into_memory();
        arena.reset();
        line.clear();
    }
    tally
}

/// CPU time of this process so far, from Linux's `/proc/self/schedstat`.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap();
    // The first field: nanoseconds on a CPU.
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
