//! Rules of SigmaHQ, converted to EQL, as far as they lie beside the project: all of them compile,
//! and they find the same where they name the caseless form of a field, as converters write it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::eql::{self, ast::EventQuery};
use maxspan::event::FieldTable;
use maxspan::predicate::Predicate;
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;
use own_values::Pair;
use random::Random;

#[path = "support/flat.rs"]
mod flat;
#[path = "support/own_values.rs"]
mod own_values;
#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;

/// Fields whose caseless form a converter names.
const CASELESS: &[&str] = &["process.executable", "process.parent.executable"];

fn files() -> Vec<Arc<Text>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(entries) = std::fs::read_dir(root.join("../shared/data/sigma-as-eql")) else {
        let line = "not run: sigma_rules: ../shared/data/sigma-as-eql is not there";
        println!("{line}");
        let list = root.join("target/not-run.txt");
        let list = std::fs::OpenOptions::new().create(true).append(true).open(list);
        if let Ok(mut list) = list {
            writeln!(list, "{line}").unwrap();
        }
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let text = |path: &PathBuf| {
        let contents = std::fs::read_to_string(path).unwrap();
        Arc::new(Text::new(path.display().to_string(), contents))
    };
    paths.iter().map(text).collect()
}

#[test]
fn every_rule_runs() {
    let files = files();
    let count = files.len();
    let (rules, reports) = RuleSet::compile(files, &Defaults::default());
    let refused: Vec<_> = reports.iter().filter(|r| r.status == Status::Refused).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(rules.rules().len(), count);
}

#[test]
fn caseless_forms_find_what_their_fields_do() {
    let files = files();
    let (mut rules, mut hits) = (0, 0);
    for (seed, file) in (0..).zip(&files) {
        let table: toml::Table = file.contents.parse().unwrap();
        let plain = table["rule"]["query"].as_str().unwrap();
        let caseless = CASELESS.iter().fold(plain.to_owned(), |query, field| {
            query
                .replace(&format!("{field} "), &format!("{field}.caseless "))
                .replace(&format!("{field}:"), &format!("{field}.caseless:"))
        });
        if caseless != plain {
            rules += 1;
            hits += compare(&file.name, plain, &caseless, &mut Random::new(seed));
        }
    }
    println!("{rules} rules name a caseless form, {hits} hits");
    assert!(files.is_empty() || rules > 900 && hits > 4 * rules, "{hits} hits of {rules} rules");
}

/// Asks both about events made of the rule's own values; returns how many satisfy it.
fn compare(name: &str, plain: &str, caseless: &str, random: &mut Random) -> usize {
    let (plain, caseless) = (event_query(name, plain), event_query(name, caseless));
    let mut pairs: Vec<Pair> = Vec::new();
    own_values::collect(&plain.condition, &mut pairs);
    let mut table = FieldTable::default();
    let mut compile =
        |query: &EventQuery| Predicate::compile_query(query, "event.category", &mut table).unwrap();
    let (plain, caseless) = (compile(&plain), compile(&caseless));
    let mut hits = 0;
    for _ in 0..40 {
        let mut event = own_values::event(&pairs, &[], |count| random.below(count as u64) as usize);
        event["event.category"] = "process".into();
        for event in [event.to_string(), in_capitals(&event)] {
            let fields = flat::fields(&flat::flatten(&event), &table);
            let wanted = plain.matches(&fields);
            hits += usize::from(wanted);
            assert!(!wanted || caseless.matches(&fields), "{name}: {event}");
        }
    }
    hits
}

/// The event with the caseless fields in capitals.
fn in_capitals(event: &serde_json::Value) -> String {
    let mut event = event.clone();
    for field in CASELESS {
        if let Some(text) = event[*field].as_str() {
            event[*field] = text.to_uppercase().into();
        }
    }
    event.to_string()
}

fn event_query(name: &str, query: &str) -> EventQuery {
    let parsed = eql::parse(query).0.unwrap_or_else(|| panic!("{name}: {query}"));
    own_values::terms(&parsed)[0].clone()
}
