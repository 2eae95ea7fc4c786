//! A rule as states, for people: what it waits for, one stage after the other, and what ends it.
//!
//! Never judges events: it reads the compiled rule alone.

use crate::eql::ast::{Body, Category, EventQuery, ExprKind, KeyField, Query, Term};
use crate::eql::print;
use crate::event::TimeSpan;
use crate::sequence::Emission;

use super::compile::CompiledRule;

/// Returns the rule as text, several lines.
pub fn explain(rule: &CompiledRule) -> String {
    let mut lines = vec![
        rule.metadata.name.clone(),
        format!("  rule {}, version {}", rule.metadata.id, rule.version),
    ];
    lines.extend(states(rule).into_iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

/// Returns what the rule waits for and what else decides, one line each.
pub fn states(rule: &CompiledRule) -> Vec<String> {
    let mut lines = of_query(rule, &rule.query);
    lines.extend(around(rule));
    lines
}

fn of_query(rule: &CompiledRule, query: &Query) -> Vec<String> {
    match &query.body {
        Body::Event(event) => vec![format!("alert on each {}", event_text(event))],
        Body::Sample(sample) => {
            let head = format!("events in any order{}", together(&sample.by));
            let terms = sample.terms.iter().map(|term| format!("- {}", term_text(term)));
            std::iter::once(head).chain(terms).collect()
        }
        Body::Sequence(sequence) => {
            let times = &rule.plan.times;
            let by = together(&sequence.by);
            let mut lines = vec![format!("one after the other{by}, within {}", times.maxspan)];
            lines.extend(stages(&sequence.terms));
            if let Some(until) = &sequence.until {
                lines.push(format!("until {}: forgets what is pending", term_text(until)));
            }
            lines
        }
    }
}

/// The stages with the states between them: how many events are pending.
fn stages(terms: &[Term]) -> Vec<String> {
    let mut stage = 0;
    let last = terms.iter().filter(|term| !term.missing).map(|term| term.runs).sum::<u32>();
    let line = |term: &Term| {
        if term.missing {
            return format!("     and no {}", term_text(term));
        }
        let first = stage + 1;
        stage += term.runs;
        let number = if term.runs > 1 { format!("{first}-{stage}") } else { first.to_string() };
        let then = if stage == last { "match" } else { "pending" };
        format!("{number:>3}. {} -> {then}", term_text(term))
    };
    terms.iter().map(line).collect()
}

fn term_text(term: &Term) -> String {
    let by = match term.by.is_empty() {
        true => String::new(),
        false => format!(" by {}", names(&term.by)),
    };
    // So many absences of the same event are one.
    let counts = term.runs > 1 && !term.missing;
    let runs = if counts { format!(", {} times", term.runs) } else { String::new() };
    format!("{}{by}{runs}", event_text(&term.query))
}

fn event_text(event: &EventQuery) -> String {
    let category = match &event.category {
        Category::Any => "event".to_owned(),
        Category::Is(name) => format!("event of category {name}"),
    };
    match &event.condition.kind {
        ExprKind::Literal(_) => category,
        _ => format!("{category} where {}", print::condition(&event.condition)),
    }
}

fn together(by: &[KeyField]) -> String {
    if by.is_empty() { String::new() } else { format!(" with the same {}", names(by)) }
}

fn names(keys: &[KeyField]) -> String {
    let names: Vec<String> = keys.iter().map(|key| print::path(&key.written())).collect();
    names.join(", ")
}

/// What else decides which alerts there are.
fn around(rule: &CompiledRule) -> Vec<String> {
    let times = &rule.plan.times;
    let mut lines = Vec::new();
    if !rule.plan.is_single() {
        lines.push(match (rule.plan.has_absence(), times.emission) {
            (true, _) => {
                "alerts leave when it is final that the missing event is missing".to_owned()
            }
            (false, Emission::Eager) => {
                "alerts leave with the last event that they need".to_owned()
            }
            (false, Emission::Exact) => "alerts leave when they are final".to_owned(),
        });
        lines.push(format!("an event may come {} late", times.allowed_lateness));
        let held = rule.plan.held_for(TimeSpan::ZERO);
        lines.push(format!("an event is held for {held} after it came"));
    }
    if times.order_tolerance.nanos() > 0 {
        let tolerance = times.order_tolerance;
        lines.push(format!("a stage's event may be {tolerance} earlier than the one before it"));
    }
    if !rule.exceptions.is_empty() {
        lines.push(format!("exceptions: {}", rule.exceptions.len()));
    }
    for (severity, _) in &rule.severity_when {
        lines.push(format!("{} where a condition on one of its events holds", severity.as_str()));
    }
    if let Some(suppression) = &rule.suppression {
        let fields = suppression.group_by.iter().map(|(name, _)| name.clone());
        let fields: Vec<String> = fields.collect();
        let by = if fields.is_empty() { rule.key_fields.join(", ") } else { fields.join(", ") };
        let by = if by.is_empty() { String::new() } else { format!(" with the same {by}") };
        lines.push(format!("no further alert{by} for {}", suppression.duration));
    }
    lines
}
