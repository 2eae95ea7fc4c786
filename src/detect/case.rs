//! Runs the cases of a rule through the detector.
//!
//! Never reads a file: the texts are handed in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Engine, Finding, FindingEvent, Options, Origin, Output, Record, Stamp};
use crate::diag::Diagnostic;
use crate::rule::Emit;
use crate::rule::case::{Case, Expected};
use crate::rule::set::{Defaults, RuleSet};
use crate::text::Text;

/// An alert that came, in the words of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Came {
    /// Numbers of its events, from 1.
    events: Vec<usize>,
    severity: String,
    order_adjusted: bool,
}

/// Runs a case; returns what came otherwise than expected, nothing if all is well.
///
/// `defaults` and `options` are those of the configuration; what the case says stands above them.
///
/// # Errors
/// If the rule does not compile: what is wrong with it.
pub fn run(
    rule: &Arc<Text>,
    case: &Case,
    defaults: &Defaults,
    options: &Options,
) -> Result<Vec<String>, Vec<Diagnostic>> {
    let mut defaults = defaults.clone();
    defaults.force(case.emit, case.order_tolerance, case.allowed_lateness);
    // A rule that is switched off is tested all the same.
    defaults.forced.enabled = Some(true);
    let (rules, mut reports) = RuleSet::compile(vec![Arc::clone(rule)], &defaults);
    if rules.rules().is_empty() {
        return Err(reports.pop().map(|report| report.diagnostics).unwrap_or_default());
    }
    let engine = Engine::new(Arc::new(rules), options.clone());
    let engine = match case.emit {
        Some(Emit::Eager) => engine.for_recorded_stream(),
        Some(Emit::Exact) | None => engine.for_bounded_input(),
    };
    Ok(match findings(&engine, case) {
        Ok(found) => compare(&case.alerts, found.iter().map(|finding| Came::of(finding)).collect()),
        Err(unreadable) => vec![unreadable],
    })
}

/// Each event is a record whose offset is its number.
fn findings(engine: &Engine, case: &Case) -> Result<Vec<Arc<Finding>>, String> {
    let mut detector = engine.detector(Origin { topic: "case".into(), partition: 0 });
    for (offset, event) in (1..).zip(&case.events) {
        let payload = Some(event.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
    }
    detector.finish();
    let mut found = Vec::new();
    for output in detector.take_outbox() {
        match output {
            Output::Finding(finding) => found.push(finding),
            // Bounded input has no journal, and nothing of it is forwarded.
            Output::Journal(_) | Output::Forward(_) => {}
            Output::DeadLetter(letter) => {
                return Err(format!("event {} is unreadable: {}", letter.offset, letter.reason));
            }
        }
    }
    Ok(found)
}

impl Came {
    fn of(finding: &Finding) -> Self {
        let number = |event: &FindingEvent| usize::try_from(event.offset).unwrap_or(0);
        Self {
            events: finding.events.iter().map(number).collect(),
            severity: finding.severity.as_str().to_owned(),
            order_adjusted: finding.order_adjusted,
        }
    }
}

/// Returns in which way the alerts that came differ from those that were expected.
fn compare(expected: &[Expected], came: Vec<Came>) -> Vec<String> {
    let mut by_final: BTreeMap<usize, Vec<Came>> = BTreeMap::new();
    for alert in came {
        by_final.entry(alert.events.last().copied().unwrap_or(0)).or_default().push(alert);
    }
    let mut faults = Vec::new();
    for wanted in expected {
        let came = by_final.get_mut(&wanted.final_event).filter(|alerts| !alerts.is_empty());
        match came {
            None => {
                let number = wanted.final_event;
                faults.push(format!("expected an alert with the final event {number}, none came"));
            }
            Some(alerts) => {
                // Of several with the same final event, the one that fits.
                let fitting = alerts.iter().position(|came| differences(wanted, came).is_empty());
                let came = alerts.remove(fitting.unwrap_or(0));
                faults.extend(differences(wanted, &came));
            }
        }
    }
    for came in by_final.into_values().flatten() {
        faults.push(format!("an alert came that is not expected: events {}", listed(&came.events)));
    }
    faults
}

fn differences(wanted: &Expected, came: &Came) -> Vec<String> {
    let alert = format!("the alert with the final event {}", wanted.final_event);
    let mut faults = Vec::new();
    if let Some(events) = wanted.events.as_ref().filter(|events| **events != came.events) {
        let (wanted, came) = (listed(events), listed(&came.events));
        faults.push(format!("{alert} has the events {came}, expected {wanted}"));
    }
    if let Some(severity) = wanted.severity.as_ref().filter(|wanted| **wanted != came.severity) {
        faults.push(format!("{alert} has severity {}, expected {severity}", came.severity));
    }
    if let Some(adjusted) = wanted.order_adjusted.filter(|wanted| *wanted != came.order_adjusted) {
        let verb = if adjusted { "did not need" } else { "needed" };
        faults.push(format!("{alert} {verb} the order tolerance"));
    }
    faults
}

fn listed(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    numbers.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_one_by_one() {
        let came = |events: &[usize], severity: &str| Came {
            events: events.to_vec(),
            severity: severity.to_owned(),
            order_adjusted: false,
        };
        let wanted = |final_event, severity: &str| Expected {
            final_event,
            severity: Some(severity.to_owned()),
            ..Expected::default()
        };
        assert!(compare(&[], vec![]).is_empty());
        assert_eq!(compare(&[], vec![came(&[1, 2], "low")]).len(), 1);
        assert_eq!(compare(&[wanted(2, "low")], vec![]).len(), 1);
        assert!(compare(&[wanted(2, "low")], vec![came(&[1, 2], "low")]).is_empty());
        // Two with the same final event are told apart by what else is expected.
        let both = vec![came(&[1, 2], "high"), came(&[1, 2], "low")];
        assert!(compare(&[wanted(2, "low"), wanted(2, "high")], both.clone()).is_empty());
        assert_eq!(compare(&[wanted(2, "low"), wanted(2, "low")], both).len(), 1);
        let expected = Expected {
            final_event: 2,
            events: Some(vec![1, 2]),
            severity: Some("low".to_owned()),
            order_adjusted: Some(true),
        };
        assert_eq!(compare(&[expected], vec![came(&[3, 2], "high")]).len(), 3);
    }
}
