//! Compiled conditions answer as the naive interpreter does, and an index finds those that hold.
//!
//! The input is a condition, a line break and an event; anything else is a tape of choices from which the grammar
//! makes both.

use maxspan::eql;
use maxspan::eql::ast::Expr;
use maxspan::event::FieldTable;
use maxspan::predicate::Predicate;
use maxspan::predicate::index::{Entry, Index};

use crate::{flat, grammar, naive, random::Random};

/// Most combinations of values that the naive interpreter is asked to try.
const MAX_ROWS: usize = 2_000;

/// Takes a condition with an event, or a tape.
pub fn run(data: &[u8]) {
    if let Some((condition, event)) = written(data) {
        compare(condition, event);
        return;
    }
    let random = &mut Random::tape(data);
    let condition = grammar::condition(random, 3);
    for _ in 0..3 {
        compare(&condition, &grammar::event(random));
    }
}

fn written(data: &[u8]) -> Option<(&str, &str)> {
    let (condition, event) = std::str::from_utf8(data).ok()?.rsplit_once('\n')?;
    let is_object =
        event.starts_with('{') && serde_json::from_str::<serde_json::Value>(event).is_ok();
    // The slow twin of regular expressions has a target of its own, with small patterns.
    (is_object && !condition.contains("regex")).then_some((condition, event))
}

fn compare(text: &str, json: &str) {
    let Some(condition) = eql::parse_condition(text).0 else { return };
    let mut table = FieldTable::default();
    let Ok(predicate) = Predicate::compile(&condition, &mut table) else { return };
    let event = flat::flatten(json);
    if rows(&condition, &event) > MAX_ROWS {
        return;
    }
    let category = table.intern("event.category");
    let fields = flat::fields(&event, &table);
    let compiled = predicate.matches(&fields);
    let entry = Entry { term: (), category: None, category_field: None, predicate: &predicate };
    let mut found = false;
    Index::new(category, &[entry], &table).candidates(&fields, |(), _| found = true);
    assert!(found || !compiled, "not in the index: {text} on {json}");
    assert_eq!(compiled, naive::matches(&condition, &event), "{text} on {json}");
}

fn rows(condition: &Expr, event: &flat::Flat) -> usize {
    let mut paths = Vec::new();
    collect(condition, &mut paths);
    paths.sort();
    paths.dedup();
    let counts = paths.iter().map(|path| event.get(path).map_or(1, |values| values.len().max(1)));
    counts.fold(1, usize::saturating_mul)
}

fn collect(expr: &Expr, paths: &mut Vec<String>) {
    if let eql::ast::ExprKind::Field(field) = &expr.kind {
        paths.push(field.path.clone());
    }
    expr.for_each_child(|child| collect(child, paths));
}
