//! Findings as the service writes them by default.

use std::sync::Arc;

use maxspan::alert::{AlertRecord, Format, Renderer};
use maxspan::detect::{Finding, Options, Origin, Output};
use maxspan::rule::set::RuleSet;

/// Writes findings of a rule set in the default form.
pub fn renderer(rules: &Arc<RuleSet>) -> Renderer {
    Renderer::new(Arc::clone(rules), Format::Ecs, Options::default().max_alert_bytes)
}

/// Returns the alert of a finding.
pub fn alert_of(rules: &Arc<RuleSet>, origin: &Origin, finding: &Finding) -> AlertRecord {
    let mut records = renderer(rules).alert(origin, finding);
    assert_eq!(records.len(), 1, "an ECS alert is one record");
    records.remove(0)
}

/// Returns the documents of all findings among the output; panics at anything else.
pub fn documents(
    rules: &Arc<RuleSet>,
    origin: &Origin,
    outputs: &[Output],
) -> Vec<serde_json::Value> {
    let document = |output: &Output| match output {
        Output::Finding(finding) => {
            serde_json::from_slice(&alert_of(rules, origin, finding).value).unwrap()
        }
        other => panic!("{other:?}"),
    };
    outputs.iter().map(document).collect()
}
