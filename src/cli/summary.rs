//! What a replay says on standard error when it is done.
//!
//! Never counts itself: it words what the detectors have counted.

use std::time::Duration;

use super::output;
use crate::detect::{InputEnd, RuleStats, Stats};
use crate::normalize::Shape;
use crate::rule::set::RuleSet;
use crate::sequence::Counts;

/// Prints the summary.
pub(super) fn print(rules: &RuleSet, stats: &Stats, elapsed: Duration) {
    let rate = stats.records as f64 / elapsed.as_secs_f64().max(1e-6);
    output::note(&format!(
        "records: {} in {:.1} s ({rate:.0} a second), {} of them rejected by their bytes; hits: {}",
        stats.records,
        elapsed.as_secs_f64(),
        stats.prefiltered,
        stats.admitted,
    ));
    for (rule, counted) in rules.rules().iter().zip(&stats.rules) {
        output::note(&of_rule(&rule.metadata.id, counted));
    }
    let sequences =
        stats.rules.iter().fold(Counts::default(), |sum, rule| sum.plus(rule.sequences));
    let undecided = stats.rules.iter().map(|rule| rule.undecided).sum();
    for (count, what) in [
        (stats.dead_letter_count(), "unreadable records"),
        (stats.of_shape(Shape::Unknown), "records of unknown shape"),
        (stats.foreign_ids, "records whose `host.id` is their collector's, and was left out"),
        (stats.shared_ids, "`host.id`s that two machines share"),
        (stats.no_event_time, "records without a time, which no rule sees"),
        (stats.no_host, "records without a host"),
        (sequences.duplicates, "repeated hits, left out"),
        (sequences.late, "late hits, taken all the same"),
        (sequences.too_late, "late hits that match nothing, as what forbids them may be gone"),
        (sequences.contradicted, "eager matches that a later arrival contradicts"),
        (undecided, "conditions too costly to decide: stages counted as hits, exceptions did not"),
        (stats.refused_keys, "join keys left out because of `max_key_expansion`"),
        (sequences.evicted_of_key, "held hits driven out by `max_candidates_per_key`"),
        (sequences.evicted_of_rule, "held hits driven out by `max_rule_share`"),
        (sequences.evicted_of_instance, "held hits driven out by `max_bytes`"),
    ] {
        if count > 0 {
            output::note(&format!("{what}: {count}"));
        }
    }
}

/// Returns the line about a rule.
fn of_rule(id: &str, counted: &RuleStats) -> String {
    let alerts = counted.matches - counted.suppressed;
    let details = [
        (counted.suppressed, "more suppressed"),
        (counted.resting_on_first, InputEnd::First.describe()),
        (counted.resting_on_last, InputEnd::Last.describe()),
    ];
    let details = details.into_iter().filter(|(count, _)| *count > 0);
    details.fold(format!("alerts: {alerts} of {id}"), |line, (count, what)| {
        format!("{line}, {count} {what}")
    })
}
