//! What each rule has cost in a replay, dearest first.
//!
//! Never counts itself: it words what the detectors have counted.

use serde::Serialize;

use super::output::{self, Format};
use crate::detect::Stats;
use crate::rule::set::RuleSet;

/// The cost of one rule.
#[derive(Serialize)]
struct Line<'r> {
    rule_id: &'r str,
    name: &'r str,
    /// About how long its conditions took, in nanoseconds.
    nanoseconds: u64,
    /// How often one of them was asked about an event.
    evaluations: u64,
    /// How often one was satisfied.
    hits: u64,
    /// Events that its sequences took in.
    candidates: u64,
    matches: u64,
}

/// Prints the costs on standard error: standard output has the alerts.
///
/// # Errors
/// If they cannot be written as JSON.
pub(super) fn print(rules: &RuleSet, stats: &Stats, format: Format) -> anyhow::Result<()> {
    let lines = lines(rules, stats);
    match format {
        Format::Human => table(&lines).iter().for_each(|line| output::note(line)),
        Format::Json => {
            output::note(&serde_json::to_string(&serde_json::json!({ "profile": lines }))?);
        }
    }
    Ok(())
}

fn lines<'r>(rules: &'r RuleSet, stats: &Stats) -> Vec<Line<'r>> {
    let counted = rules.rules().iter().zip(&stats.rules);
    let mut lines: Vec<Line<'_>> = counted
        .map(|(rule, counted)| Line {
            rule_id: &rule.metadata.id,
            name: &rule.metadata.name,
            nanoseconds: counted.cost.nanos(),
            evaluations: counted.cost.evaluations,
            hits: counted.cost.satisfied,
            candidates: counted.candidates,
            matches: counted.matches,
        })
        .collect();
    lines.sort_by(|a, b| {
        let cost = |line: &Line<'_>| (line.nanoseconds, line.evaluations);
        cost(b).cmp(&cost(a)).then_with(|| a.rule_id.cmp(b.rule_id))
    });
    lines
}

fn table(lines: &[Line<'_>]) -> Vec<String> {
    let whole = lines.iter().map(|line| line.nanoseconds).sum::<u64>().max(1) as f64;
    let head = format!(
        "{:>10} {:>6} {:>12} {:>10} {:>10} {:>8}  rule",
        "time", "share", "evaluations", "hits", "candidates", "matches"
    );
    let of_rule = |line: &Line<'_>| {
        format!(
            "{:>7.1} ms {:>4.1} % {:>12} {:>10} {:>10} {:>8}  {} ({})",
            line.nanoseconds as f64 / 1e6,
            line.nanoseconds as f64 * 100.0 / whole,
            line.evaluations,
            line.hits,
            line.candidates,
            line.matches,
            line.rule_id,
            line.name,
        )
    };
    std::iter::once(head).chain(lines.iter().map(of_rule)).collect()
}
