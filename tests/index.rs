//! The index never misses: what a rule set finds by it is what it finds by asking every term.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use corpus::{Corpus, Settings, Shape};
use maxspan::eql;
use maxspan::event::decode::Scratch;
use maxspan::event::{Arena, Fields};
use maxspan::rule::set::{Defaults, RuleSet, TermRef};
use maxspan::text::Text;
use random::{Random, cases};
use replay::{not_run, shared};
use scan::Scan;
use serde_json::{Map, Value as Json, json};

#[path = "support/corpus/mod.rs"]
mod corpus;
#[path = "support/grammar.rs"]
mod grammar;
#[path = "support/own_values.rs"]
mod own_values;
#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;
#[path = "support/replay.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod replay;
#[path = "support/rule_text.rs"]
mod rule_text;
#[path = "support/scan.rs"]
mod scan;

/// Asks a rule set both ways.
struct Asked<'r> {
    rules: &'r RuleSet,
    scan: Scan<'r>,
    found: Vec<TermRef>,
    expected: Vec<TermRef>,
    scratch: Scratch,
    events: usize,
    hits: usize,
    candidates: usize,
    /// Events that no rule wants.
    unwanted: usize,
}

impl<'r> Asked<'r> {
    fn new(rules: &'r RuleSet) -> Self {
        Self {
            rules,
            scan: Scan::new(rules),
            found: Vec::new(),
            expected: Vec::new(),
            scratch: Scratch::default(),
            events: 0,
            hits: 0,
            unwanted: 0,
            candidates: 0,
        }
    }

    fn about(&mut self, line: &[u8], context: &str) {
        let arena = Arena::new();
        let mut fields = Fields::new(self.rules.fields().len(), &arena);
        if self.rules.decoder().decode(line, &mut fields).is_err() {
            return;
        }
        self.about_fields(&fields, line, context);
        self.rules.normalizer().normalize(&mut fields);
        self.about_fields(&fields, line, context);
        self.about_what_is_wanted(line, context);
    }

    /// What rules want of a record is enough: it satisfies the terms that it satisfies as a whole, and
    /// none if no rule wants it.
    fn about_what_is_wanted(&mut self, line: &[u8], context: &str) {
        let arena = Arena::new();
        let mut whole = Fields::new(self.rules.fields().len(), &arena);
        self.rules.decoder().parse(line, &mut whole).unwrap();
        let envelope = self.rules.normalizer().normalize(&mut whole);
        self.scan.hits(&whole, &mut self.expected);

        let mut fields = Fields::new(self.rules.fields().len(), &arena);
        assert_eq!(
            self.rules.read(&mut self.scratch, line, &mut fields),
            Ok(envelope),
            "{context}"
        );
        self.rules.hits(&fields, &mut self.found);
        assert_eq!(self.found, self.expected, "{context}");
        fields.clear();
        let wanted = self.rules.read_if_wanted(&mut self.scratch, line, &mut fields).unwrap();
        assert!(wanted.is_some() || self.expected.is_empty(), "{context}: {:?}", self.expected);
        self.unwanted += usize::from(wanted.is_none());
    }

    fn about_fields(&mut self, fields: &Fields<'_>, line: &[u8], context: &str) {
        self.rules.hits(fields, &mut self.found);
        self.scan.hits(fields, &mut self.expected);
        let line = || String::from_utf8_lossy(line).into_owned();
        assert_eq!(self.found, self.expected, "{context}: {}", line());
        self.rules.candidates(fields, |_| self.candidates += 1);
        self.events += 1;
        self.hits += self.found.len();
    }
}

#[test]
fn random_rules_are_hit_as_by_asking_all_of_them() {
    let (mut events, mut hits) = (0, 0);
    for seed in 0..cases(800) {
        let random = &mut Random::new(seed);
        let texts = (0..10).map(|number| rule(random, number)).collect();
        let (rules, reports) = RuleSet::compile(texts, &Defaults::default());
        assert_eq!(rules.rules().len(), 10, "seed {seed}: {reports:#?}");
        let mut asked = Asked::new(&rules);
        for _ in 0..20 {
            asked.about(event(random).to_string().as_bytes(), &format!("seed {seed}"));
        }
        events += asked.events;
        hits += asked.hits;
    }
    println!("{events} events of random rule sets, {hits} hits");
    assert!(events >= 30_000 && hits > 2 * events, "{hits} hits by {events} events");
}

/// Categories of rules and events. The last two are values of other fields as well.
const CATEGORIES: &[&str] = &["process", "network", "any", "Process", "a", "5"];

/// A rule of one to three terms; some find the category elsewhere.
fn rule(random: &mut Random, number: usize) -> Arc<Text> {
    let query = match random.below(3) {
        0 => format!("sequence with maxspan=5s {} {}", term(random), term(random)),
        1 => format!("sequence with maxspan=5s {0} {0} until {1}", term(random), term(random)),
        _ => term(random).trim_matches(['[', ']']).to_owned(),
    };
    let mut more = toml::Table::new();
    if random.chance(15) {
        let field = *random.pick(&["a", "c.d", "event.kind"]);
        more.insert("event_category_override".to_owned(), field.into());
    }
    rule_text::rule("random", &number.to_string(), &query, more)
}

/// A bracket with a condition that the checker accepts.
fn term(random: &mut Random) -> String {
    let category = match *random.pick(CATEGORIES) {
        "any" => "any".to_owned(),
        category => format!("\"{category}\""),
    };
    loop {
        let condition = condition(random, 3);
        if eql::parse_condition(&condition).0.is_some() {
            return format!("[{category} where {condition}]");
        }
    }
}

/// Conditions of the grammar of all conditions, among those that mostly compare with literals.
fn condition(random: &mut Random, depth: u32) -> String {
    let choice = random.below(10);
    if choice == 0 {
        return grammar::condition(random, depth.min(2));
    }
    if depth == 0 || choice < 4 {
        return comparison(random);
    }
    let mut inner = || format!("({})", condition(random, depth - 1));
    match choice {
        4..7 => format!("{} and {}", inner(), inner()),
        7..9 => format!("{} or {}", inner(), inner()),
        _ => format!("not {}", inner()),
    }
}

fn comparison(random: &mut Random) -> String {
    let field = *random.pick(&[
        "a",
        "b",
        "?c.d",
        "source.ip",
        "process.pid",
        "process.interactive",
        "event.created",
        "event.category",
        "event.type",
    ]);
    let mut literals: Vec<&str> = Vec::new();
    for _ in 0..random.between(1, 4) {
        literals.push(random.pick::<&str>(&[
            "\"\"",
            "\"a\"",
            "\"A\"",
            "\"ab\"",
            "\"5\"",
            "\"05\"",
            "\"5.0\"",
            "\"1e1\"",
            "\"true\"",
            "\"k\"",
            "\"\u{212a}\"",
            "\"ſ\"",
            "\"Ä\"",
            "\"::1\"",
            "\"0:0:0:0:0:0:0:1\"",
            "\"10.0.0.1\"",
            "\"1718105604000\"",
            "\"2024-06-11T11:33:24Z\"",
            "\"start\"",
            "5",
            "5.0",
            "10",
            "-1",
            "1718105604000",
            "9223372036854775807",
            "1e300",
            "true",
            "false",
        ]));
    }
    match random.below(6) {
        0 => format!("{field} == {}", literals[0]),
        1 => format!("{field} != null and {field} == {}", literals[0]),
        2 => format!("{field} in ({})", literals.join(", ")),
        3 => format!("{field} in~ ({})", literals.join(", ")),
        4 => format!(
            "{field} : (\"{}\")",
            literals.join(", ").replace('"', "").replace(", ", "\", \"")
        ),
        _ => format!("{field} != {}", literals[0]),
    }
}

/// An event of the grammar, with categories; some fields nested, dotted, or both, some with very
/// many values.
fn event(random: &mut Random) -> Json {
    let mut event: Map<String, Json> = serde_json::from_str(&grammar::event(random)).unwrap();
    let mut categories = Vec::new();
    for _ in 0..random.below(4) {
        categories.push(json!(*random.pick(CATEGORIES)));
    }
    if random.chance(10) {
        categories.push(json!([5, true, null, "process"]));
    }
    event.insert("event.category".to_owned(), categories.into());
    if random.chance(50) {
        let kind = *random.pick(&["start", "START", "a", "process"]);
        event.insert("event.type".to_owned(), json!(["end", kind]));
        event.insert("event.kind".to_owned(), json!([kind, "network"]));
    }
    if random.chance(30) {
        let nested = event["c.d"].clone();
        event.insert("c".to_owned(), json!([{ "d": nested }, { "d": [["a"]] }]));
    }
    if random.chance(10) {
        let values = event["a"].as_array().unwrap();
        let many: Vec<Json> =
            values.iter().cycle().take(64 * values.len().min(2)).cloned().collect();
        event.insert("a".to_owned(), [many, vec![json!("A"), json!(5)]].concat().into());
    }
    Json::Object(event)
}

/// Pieces of texts in which patterns are looked for: some contain others, some are too short to be
/// looked for, some fold to each other.
const PIECES: &[&str] = &[
    "cmd.exe",
    "\\",
    "\\cmd.exe",
    "c:\\windows\\system32\\",
    "c:\\WINDOWS\\",
    "System32",
    "-enc",
    "-encodedcommand ",
    " -e",
    "e",
    "aaaa",
    "aaab",
    "aaaaaaab",
    "\u{212a}ernel",
    "KERNEL",
    "\u{17f}traße",
    "STRAẞE",
    "Äöü",
    "äÖÜ",
    "😀",
    "5",
    "10",
    "1.5",
    "true",
    ".dll",
    "/",
];

/// A condition with patterns, one to many.
fn pattern_condition(random: &mut Random) -> String {
    let field = *random.pick(&["a", "b", "c.d", "process.executable", "process.command_line"]);
    let escaped = |text: String| format!("\"{}\"", text.replace('\\', "\\\\"));
    let count = if random.chance(20) { random.between(9, 20) } else { random.between(1, 3) };
    let patterns: Vec<String> = (0..count).map(|_| escaped(pattern(random))).collect();
    let piece = escaped((*random.pick(PIECES)).to_owned());
    match random.below(12) {
        0..5 => format!("{field} : ({})", patterns.join(", ")),
        5..7 => format!("{field} like ({})", patterns.join(", ")),
        7 => format!("endsWith~({field}, {piece})"),
        8 => format!("stringContains({field}, {piece})"),
        9 => format!("startsWith~({field}, {piece})"),
        10 => format!("not {field} like~ ({})", patterns.join(", ")),
        _ => format!("{field} : {} and {field} : {}", patterns[0], patterns[count as usize / 2]),
    }
}

/// Pieces with wildcards before, between and behind them.
fn pattern(random: &mut Random) -> String {
    let wildcard = |random: &mut Random| *random.pick(&["", "*", "*", "*", "?", "??", "?*"]);
    let mut pattern = wildcard(random).to_owned();
    for _ in 0..random.between(1, 3) {
        pattern.push_str(random.pick::<&str>(PIECES));
        pattern.push_str(wildcard(random));
    }
    pattern
}

/// An event whose values are made of the same pieces, in other letters.
fn pieced_event(random: &mut Random) -> Json {
    let mut event = Map::new();
    for field in ["a", "b", "c.d", "process.executable", "process.command_line"] {
        let values = match random.below(12) {
            0 => 0,
            1 => random.between(60, 70),
            _ => random.between(1, 2),
        };
        let values: Vec<Json> = (0..values).map(|_| pieced_value(random)).collect();
        event.insert(field.to_owned(), values.into());
    }
    event.insert("event.category".to_owned(), json!(["process", "5"]));
    Json::Object(event)
}

fn pieced_value(random: &mut Random) -> Json {
    match random.below(12) {
        0 => return json!(*random.pick(&[5, 10, 1_510])),
        1 => return json!(1.5),
        2 => return json!(true),
        3 => return json!(""),
        _ => {}
    }
    let mut text = String::new();
    for _ in 0..random.between(1, 5) {
        let piece = random.pick::<&str>(PIECES);
        text.push_str(&match random.below(4) {
            0 => piece.to_uppercase(),
            1 => piece.to_lowercase(),
            _ => (*piece).to_owned(),
        });
        text.push_str(random.pick::<&str>(&["", "", "x", " "]));
    }
    text.into()
}

#[test]
fn patterns_are_hit_as_by_asking_all_of_them() {
    let (mut events, mut hits, mut candidates, mut terms) = (0, 0, 0, 0);
    for seed in 0..cases(60) {
        let random = &mut Random::new(seed);
        let rule = |number: usize| {
            let mut conditions = Vec::new();
            for _ in 0..random.between(1, 4) {
                conditions.push(format!("({})", pattern_condition(random)));
            }
            let query = format!("process where {}", conditions.join(" and "));
            rule_text::rule("patterns", &number.to_string(), &query, toml::Table::new())
        };
        let texts: Vec<Arc<Text>> = (0..60).map(rule).collect();
        let (rules, reports) = RuleSet::compile(texts, &Defaults::default());
        assert_eq!(rules.rules().len(), 60, "seed {seed}: {reports:#?}");
        let mut asked = Asked::new(&rules);
        for _ in 0..60 {
            let event = pieced_event(random).to_string();
            asked.about(event.as_bytes(), &format!("seed {seed}"));
        }
        events += asked.events;
        hits += asked.hits;
        candidates += asked.candidates;
        terms += 60 * asked.events;
    }
    println!("{events} events, {hits} hits, {candidates} of {terms} terms asked");
    assert!(hits > events && candidates * 2 < terms);
}

/// Rules beside the project; the name of their folder.
fn rules_of(folder: &str) -> Option<RuleSet> {
    let Some(path) = shared(folder) else {
        not_run(folder, &format!("../shared/{folder} is absent"));
        return None;
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let text = |path: &PathBuf| {
        let contents = std::fs::read_to_string(path).unwrap();
        Arc::new(Text::new(path.display().to_string(), contents))
    };
    let (rules, _) = RuleSet::compile(paths.iter().map(text).collect(), &Defaults::default());
    assert_eq!(rules.rules().len(), paths.len());
    Some(rules)
}

/// The published rules, and those of another project that hardly name a whole value.
const PUBLISHED: [&str; 2] = ["data/elastic-rules", "data/sigma-as-eql"];

#[test]
fn published_rules_are_hit_by_events_of_their_own_values() {
    for folder in PUBLISHED {
        let Some(rules) = rules_of(folder) else { continue };
        let mut terms = Vec::new();
        for rule in rules.rules() {
            let query = eql::parse(&rule.canonical).0.unwrap();
            for term in own_values::terms(&query) {
                let mut own = Vec::new();
                own_values::collect(&term.condition, &mut own);
                terms.push((term.category.clone(), own));
            }
        }
        let all: Vec<own_values::Pair> = terms.iter().flat_map(|(_, own)| own.clone()).collect();
        let random = &mut Random::new(1);
        let mut asked = Asked::new(&rules);
        for (category, own) in &terms {
            for _ in 0..cases(if terms.len() < 1_000 { 20 } else { 5 }) {
                let mut event =
                    own_values::event(own, &all, |end| random.below(end as u64) as usize);
                if let eql::ast::Category::Is(category) = category {
                    event["event.category"] = json!([category, "file"]);
                }
                asked.about(event.to_string().as_bytes(), "own values");
            }
        }
        println!("{folder}: {} events of the rules' own values, {} hits", asked.events, asked.hits);
        assert!(asked.hits > asked.events, "{} hits by {} events", asked.hits, asked.events);
    }
}

#[test]
fn recorded_attacks_hit_what_they_hit_without_the_index() {
    let Some(folder) = shared("data/attacks") else {
        return not_run("recorded attacks", "../shared/data/attacks is absent");
    };
    for rules in PUBLISHED {
        let Some(rules) = rules_of(rules) else { continue };
        let mut asked = Asked::new(&rules);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // The core reads no compressed files.
            let Ok(unpacked) = Command::new("gzip").arg("-dc").arg(&path).output() else {
                return not_run("recorded attacks", "gzip is absent");
            };
            for line in unpacked.stdout.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
                asked.about(line, &name);
            }
        }
        let Asked { events, hits, unwanted, .. } = asked;
        println!(
            "{events} events of recorded attacks, {hits} hits, {unwanted} records that no rule wants"
        );
        assert!(events > 10_000 && hits > 300, "{hits} hits by {events} events");
    }
}

#[test]
fn generated_telemetry_hits_what_it_hits_without_the_index() {
    let corpus = Corpus::make(Settings::MANY_ATTACKS);
    let Some(rules) = rules_of(PUBLISHED[0]) else { return };
    let mut asked = Asked::new(&rules);
    for shape in Shape::ALL {
        asked_about_file(&mut asked, &corpus.file(shape));
    }
    println!("{} generated events, {} hits", asked.events, asked.hits);
    assert!(asked.hits > 10_000, "{} hits", asked.hits);
}

fn asked_about_file(asked: &mut Asked<'_>, path: &Path) {
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    for line in file.split(b'\n').take(20_000) {
        asked.about(&line.unwrap(), "generated");
    }
}
