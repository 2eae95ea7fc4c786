//! Events per CPU second from a file, raw and ECS: reading alone, without the predicates, and
//! the whole detector with the shipped rules.
//!
//! Prints medians of several rounds that take turns, so that a busy minute hits all alike: compare
//! within one run only. The alerts must be exactly those that the corpus holds.
//!
//! `make bench` or `cargo bench --bench throughput [-- --events 200000 --rounds 5]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use maxspan::alert::{Format, Renderer};
use maxspan::detect::{Detector, Options, Origin, Output, Past, Record, Stamp};
use maxspan::event::{Arena, Fields, TimeSpan};
use maxspan::rule::Emit;
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::{rules_dir, source};
use support::corpus::{Corpus, Settings, Shape};
use support::replay::{event_index, rule_suffix};

/// What is measured, cheapest first.
const STEPS: [(&str, Step); 4] = [
    ("read lines", Step::Read),
    ("+ decode", Step::Decode),
    ("+ normalize (no predicates)", Step::Normalize),
    ("whole detector", Step::Detect),
];

#[derive(Clone, Copy)]
enum Step {
    Read,
    Decode,
    Normalize,
    Detect,
}

fn main() {
    let argument = |name: &str, default: usize| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
        arguments.next().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let (events, rounds) = (argument("--events", 200_000), argument("--rounds", 5));
    let settings = Settings::MANY_ATTACKS.late().of(events as u64, 1_000, 300);
    let corpus = Corpus::make(settings);
    let rules = rules();
    println!("{events} events, 3 rules, median of {rounds} rounds, one thread");
    for shape in Shape::ALL {
        let file = corpus.file(shape);
        check_answers(&rules, &file, &corpus);
        let bytes = std::fs::metadata(&file).unwrap().len();
        println!("\n{}: {} bytes an event", shape.name(), bytes / events as u64);
        let mut seconds = vec![Vec::new(); STEPS.len()];
        for _ in 0..rounds {
            for (index, (_, step)) in STEPS.iter().enumerate() {
                let before = cpu_seconds();
                run(&rules, &file, *step);
                seconds[index].push(cpu_seconds() - before);
            }
        }
        for ((name, _), seconds) in STEPS.iter().zip(&mut seconds) {
            seconds.sort_by(f64::total_cmp);
            let median = seconds[seconds.len() / 2];
            let rate = events as f64 / median;
            let each = median / events as f64 * 1e6;
            println!("  {name:<28} {rate:>10.0} events per CPU second   {each:>6.2} us an event");
        }
    }
}

fn rules() -> Arc<RuleSet> {
    let mut defaults = Defaults::default();
    defaults.force(Some(Emit::Exact), Some(TimeSpan::ZERO), None);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules");
    let texts = rules_dir::read(&[directory]).unwrap();
    let (rules, _) = RuleSet::compile(texts, &defaults);
    assert_eq!(rules.rules().len(), 3);
    Arc::new(rules)
}

fn origin() -> Origin {
    Origin { topic: "bench".into(), partition: 0 }
}

fn detector(rules: &Arc<RuleSet>) -> Detector {
    let options = Options { past: Past::Nothing, ..Options::default() };
    Detector::new(Arc::clone(rules), origin(), options)
}

/// Returns the alerts, for the whole detector.
fn run(rules: &Arc<RuleSet>, file: &Path, step: Step) -> Vec<Output> {
    let mut lines = source::open(file).unwrap();
    let mut seen = 0_usize;
    let mut detector = detector(rules);
    while lines.advance().unwrap() {
        let line = lines.line();
        match step {
            Step::Read => seen += usize::from(line[0]),
            Step::Decode | Step::Normalize => {
                let arena = Arena::new();
                let mut fields = Fields::new(rules.fields().len(), &arena);
                rules.decoder().decode(line, &mut fields).unwrap();
                if let Step::Normalize = step {
                    let envelope = rules.normalizer().normalize(&mut fields);
                    seen += usize::from(envelope.host.is_some());
                }
                seen += fields.len();
            }
            Step::Detect => detector.on_record(&Record {
                offset: lines.number(),
                stamp: Stamp::None,
                payload: Some(line),
                source: None,
            }),
        }
    }
    std::hint::black_box(seen);
    detector.finish();
    detector.take_outbox()
}

/// A fast wrong answer is none.
fn check_answers(rules: &Arc<RuleSet>, file: &Path, corpus: &Corpus) {
    let renderer = Renderer::new(Arc::clone(rules), Format::Ecs, usize::MAX);
    let mut finals: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for output in run(rules, file, Step::Detect) {
        let Output::Finding(finding) = output else { panic!("an unreadable line") };
        let alert = &renderer.alert(&origin(), &finding)[0];
        let alert: serde_json::Value = serde_json::from_slice(&alert.value).unwrap();
        finals.entry(rule_suffix(&alert)).or_default().push(event_index(&alert));
    }
    for (rule, mut found) in finals {
        found.sort_unstable();
        assert_eq!(found, corpus.finals(&rule), "{rule}");
    }
}

/// CPU time of this process so far, from Linux's `/proc/self/stat`.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    // Linux has had 100 ticks a second for every process since 2.6.
    ticks / 100.0
}
