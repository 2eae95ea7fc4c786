//! Events per CPU second, beside yardsticks that run by turns with the engine: from generated files with the three
//! shipped rules, over recorded attacks with published rules, and by number of made-up rules.
//!
//! Prints tables in Markdown and writes `target/bench/results.json`. Ratios are to the structural index of the same
//! bytes in the same round: compare those, machines are never equally busy. Every alert is checked before anything
//! is measured; a fast wrong answer is an error.
//!
//! `make bench` or `cargo bench --bench throughput [-- --quick] [--events 200000] [--rounds 5] [--only rules]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

#[path = "../../tests/support/rule_text.rs"]
mod rule_text;
#[path = "../../tests/support/scan.rs"]
mod scan;
#[path = "../../tests/support/mod.rs"]
mod support;

mod made_up;
mod measure;
mod yardstick;

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::alert::{Format, Renderer};
use maxspan::detect::{
    Detector, Input, Options, Origin, Output, Past, Prefiltering, Record, Stamp,
};
use maxspan::event::decode::Scratch;
use maxspan::event::{Arena, Fields, Memory, TimeSpan};
use maxspan::rule::Emit;
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;
use maxspan::{rules_dir, source};
use measure::{Case, Figure, measure};
use scan::Scan;
use support::corpus::{self, Corpus, Settings, Shape};
use support::replay::{event_index, not_run, rule_suffix, shared};

/// What the command line asks for.
struct Plan {
    events: usize,
    rounds: usize,
    only: Option<String>,
}

impl Plan {
    fn read() -> Self {
        let all: Vec<String> = std::env::args().collect();
        let is_quick = all.iter().any(|argument| argument == "--quick");
        let value = |name: &str| {
            let pair = all.windows(2).find(|pair| pair[0] == name)?;
            Some(pair[1].clone())
        };
        let number = |name, usual, quick| {
            let default = if is_quick { quick } else { usual };
            value(name).map_or(default, |text| text.parse().unwrap())
        };
        Self {
            events: number("--events", 200_000, 60_000),
            rounds: number("--rounds", 5, 3),
            only: value("--only"),
        }
    }

    fn asks_for(&self, group: &str) -> bool {
        self.only.as_deref().is_none_or(|only| group.contains(only))
    }
}

fn main() {
    let plan = Plan::read();
    let Plan { events, rounds, .. } = plan;
    println!("{events} events, medians of {rounds} rounds by turns, one thread");
    println!("structural index by {}", yardstick::way());
    let settings = Settings::MANY_ATTACKS.late().of(events as u64, 1_000, 300);
    let corpus = Corpus::make(settings);
    let mut figures = Vec::new();
    for shape in Shape::ALL {
        let group = format!("generated, {}, 3 rules", shape.name());
        if plan.asks_for(&group) {
            figures.extend(generated(&group, rounds, &corpus, shape));
        }
    }
    if plan.asks_for("made-up rules") {
        figures.extend(made_up_rules(rounds, &corpus));
    }
    if plan.asks_for("recorded attacks") {
        figures.extend(recorded(rounds));
    }
    write_json(&plan, &figures);
}

/// The shipped rules from a file, step by step.
fn generated(group: &str, rounds: usize, corpus: &Corpus, shape: Shape) -> Vec<Figure> {
    let file = corpus.file(shape);
    let rules = compile("shipped", rules_of(&root().join("config/rules")));
    check_answers(&rules, &file, corpus);
    let bytes = fs::read(&file).unwrap();
    println!("{group}: {} bytes an event", bytes.len() / yardstick::newlines(&bytes));
    let mut cases = yardsticks(&bytes);
    let lines = || source::open(&file).unwrap();
    cases.push(Case::new("file: lines alone", || {
        let (mut lines, mut count) = (lines(), 0);
        while lines.advance().unwrap() {
            count += black_box(lines.line()).len().min(1);
        }
        count
    }));
    cases.push(Case::new("file: decode", || decode(&rules, lines(), |_| ())));
    cases.push(Case::new("file: decode, normalize", || {
        decode(&rules, lines(), |fields| {
            black_box(rules.normalizer().normalize(fields));
        })
    }));
    for (name, prefiltering) in [
        ("file: whole, alerts written", Prefiltering::Adaptive),
        ("file: the same, prefilter off", Prefiltering::Off),
    ] {
        let (rules, file) = (&rules, &file);
        cases.push(Case::new(name, move || whole(rules, file, prefiltering).0));
    }
    finish(measure(group, rounds, cases))
}

/// One, a thousand and three thousand rules over the same fields.
fn made_up_rules(rounds: usize, corpus: &Corpus) -> Vec<Figure> {
    let file = corpus.file(Shape::Ecs);
    let bytes = fs::read(&file).unwrap();
    let sets = [1, 1_000, 3_000].map(|count| {
        let rules = compile("made up", made_up::rules(count));
        assert_eq!(
            whole(&rules, &file, Prefiltering::Off).1,
            made_up::alerts(count, &bytes),
            "{count} made-up rules"
        );
        check_hits(&rules, &file);
        rules
    });
    let mut cases = yardsticks(&bytes);
    for rules in &sets {
        let name = format!("file: {} made-up rules", rules.rules().len());
        cases.push(Case::new(name, || whole(rules, &file, Prefiltering::Off).0));
    }
    let figures = finish(measure("generated, ecs, made-up rules", rounds, cases));
    let of = |back: usize| figures[figures.len() - back].nanos;
    println!("1,000 rules cost {:.2} times one, 3,000 {:.2} times", of(2) / of(3), of(1) / of(3));
    figures
}

/// Recorded attacks with few and with many published rules.
fn recorded(rounds: usize) -> Vec<Figure> {
    let Some(folder) = shared("data/attacks") else {
        not_run("speed over recorded attacks", "../shared/data/attacks is absent");
        return Vec::new();
    };
    let file = unpacked(&folder);
    let bytes = fs::read(&file).unwrap();
    let folders = [
        Some(root().join("config/rules")),
        shared("data/elastic-rules"),
        shared("data/sigma-as-eql"),
    ];
    let sets: Vec<_> = folders
        .into_iter()
        .flatten()
        .map(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let rules = compile(&name, rules_of(&folder));
            check_hits(&rules, &file);
            rules
        })
        .collect();
    let mut cases = yardsticks(&bytes);
    for rules in &sets {
        let alerts = whole(rules, &file, Prefiltering::Adaptive).1;
        let name = format!("file: {} rules, {alerts} alerts written", rules.rules().len());
        cases.push(Case::new(name, move || {
            let (records, again) = whole(rules, &file_of_attacks(), Prefiltering::Adaptive);
            assert_eq!(again, alerts);
            records
        }));
    }
    finish(measure("recorded attacks", rounds, cases))
}

/// The structural index first: all ratios are to it.
fn yardsticks(bytes: &[u8]) -> Vec<Case<'_>> {
    yardstick::check(bytes);
    vec![
        Case::new("memory: structural index", || yardstick::structural_index(bytes)),
        Case::new("memory: the engine's own index", || own_index(bytes)),
        Case::new("memory: newlines", || yardstick::newlines(bytes)),
        Case::new("memory: serde_json::Value", || yardstick::trees(bytes)),
    ]
}

/// The structural index that the engine builds, which may know more or less than the yardstick's.
fn own_index(bytes: &[u8]) -> usize {
    let mut scratch = Scratch::default();
    yardstick::lines(bytes).map(|line| black_box(scratch.index(line))).count()
}

fn finish(figures: Vec<Figure>) -> Vec<Figure> {
    measure::print(&figures);
    println!("\n{} MiB are resident", measure::resident_mib());
    figures
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rules_of(folder: &Path) -> Vec<Arc<Text>> {
    rules_dir::read(&[folder.to_owned()]).unwrap()
}

/// Compiles rules for exact semantics, as the known answers are.
fn compile(name: &str, texts: Vec<Arc<Text>>) -> Arc<RuleSet> {
    let mut defaults = Defaults::default();
    defaults.force(Some(Emit::Exact), Some(TimeSpan::ZERO), None);
    let (count, before) = (texts.len(), measure::cpu_time());
    let (rules, _) = RuleSet::compile(texts, &defaults);
    assert_eq!(rules.rules().len(), count, "{name}: rules that do not run");
    let (took, fields) = (measure::cpu_time() - before, rules.fields().len());
    println!("{count} rules ({name}): {fields} fields, compiled in {took:.2?} of CPU time");
    Arc::new(rules)
}

fn origin() -> Origin {
    Origin { topic: "bench".into(), partition: 0 }
}

fn decode(rules: &RuleSet, mut lines: source::Lines, then: impl Fn(&mut Fields<'_>)) -> usize {
    let (mut arena, mut scratch, mut memory) =
        (Arena::new(), Scratch::default(), Memory::default());
    let mut count = 0;
    while lines.advance().unwrap() {
        let mut fields = Fields::within(memory, rules.fields().len(), &arena);
        rules.decoder().decode_within(&mut scratch, lines.line(), &mut fields).unwrap();
        then(&mut fields);
        black_box(&fields);
        memory = fields.into_memory();
        arena.reset();
        count += 1;
    }
    count
}

/// Runs the detector over a file and writes its alerts; returns how many records and alerts there were.
fn whole(rules: &Arc<RuleSet>, file: &Path, prefiltering: Prefiltering) -> (usize, usize) {
    let (records, outputs) = detect(rules, file, prefiltering);
    let renderer = Renderer::new(Arc::clone(rules), Format::Ecs, usize::MAX);
    let mut alerts = 0;
    for output in &outputs {
        let Output::Finding(finding) = output else { panic!("an unreadable line") };
        alerts += black_box(renderer.alert(&origin(), finding)).len();
    }
    (records, alerts)
}

/// As `replay` does it: a bounded input.
fn detect(rules: &Arc<RuleSet>, file: &Path, prefiltering: Prefiltering) -> (usize, Vec<Output>) {
    let mut lines = source::open(file).unwrap();
    let options =
        Options { past: Past::Nothing, input: Input::Bounded, prefiltering, ..Options::default() };
    let mut detector = Detector::new(Arc::clone(rules), origin(), options);
    let mut records = 0;
    while lines.advance().unwrap() {
        let (offset, payload) = (lines.number(), Some(lines.line()));
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
        records += 1;
    }
    detector.finish();
    (records, detector.take_outbox())
}

/// The alerts are exactly those that the generator knows of.
fn check_answers(rules: &Arc<RuleSet>, file: &Path, corpus: &Corpus) {
    let renderer = Renderer::new(Arc::clone(rules), Format::Ecs, usize::MAX);
    let mut finals: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for output in detect(rules, file, Prefiltering::Adaptive).1 {
        let Output::Finding(finding) = output else { panic!("an unreadable line") };
        let alert = &renderer.alert(&origin(), &finding)[0];
        let alert: serde_json::Value = serde_json::from_slice(&alert.value).unwrap();
        finals.entry(rule_suffix(&alert)).or_default().push(event_index(&alert));
    }
    for rule in corpus::rules() {
        let mut found = finals.remove(rule).unwrap_or_default();
        found.sort_unstable();
        assert_eq!(found, corpus.finals(rule), "{rule}");
    }
}

/// The index finds for each record what asking every rule finds.
fn check_hits(rules: &RuleSet, file: &Path) {
    let scan = Scan::new(rules);
    let (mut hits, mut expected, mut sum) = (Vec::new(), Vec::new(), 0);
    let (mut lines, mut arena) = (source::open(file).unwrap(), Arena::new());
    // Asking every rule is slow: the first records must do.
    for _ in 0..20_000 {
        if !lines.advance().unwrap() {
            break;
        }
        let mut fields = Fields::new(rules.fields().len(), &arena);
        rules.decoder().decode(lines.line(), &mut fields).unwrap();
        rules.normalizer().normalize(&mut fields);
        rules.hits(&fields, &mut hits);
        scan.hits(&fields, &mut expected);
        assert_eq!(hits, expected, "{}", String::from_utf8_lossy(lines.line()));
        sum += hits.len();
        drop(fields);
        arena.reset();
    }
    assert!(sum > 0, "rules that are never hit measure nothing");
}

fn file_of_attacks() -> PathBuf {
    root().join("target/corpora/attacks.ndjson")
}

/// Puts all recorded attacks into one file.
fn unpacked(folder: &Path) -> PathBuf {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let file = fs::File::open(path).unwrap();
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut all).unwrap();
    }
    let file = file_of_attacks();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, all).unwrap();
    file
}

fn write_json(plan: &Plan, figures: &[Figure]) {
    let figures = figures.iter().map(|figure| {
        serde_json::json!({
            "group": figure.group,
            "name": figure.name,
            "nanoseconds_an_event": figure.nanos,
            "of_structural_index": figure.of_yardstick,
        })
    });
    let results = serde_json::json!({
        "events": plan.events,
        "rounds": plan.rounds,
        "structural_index_by": yardstick::way(),
        "figures": figures.collect::<Vec<_>>(),
    });
    let path = root().join("target/bench/results.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, serde_json::to_vec_pretty(&results).unwrap()).unwrap();
    println!("\nwritten: target/bench/results.json");
}
