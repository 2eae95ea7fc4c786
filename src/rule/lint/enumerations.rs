//! W0702: a value that a field with few fixed values never has.

use super::{Parts, TextTest};
use crate::diag::Diagnostic;
use crate::eql::ast::Case;
use crate::text::Span;
use crate::text::edit_distance::distance;

pub(super) fn lint(parts: &Parts<'_>, found: &mut Vec<Diagnostic>) {
    for test in parts.text_tests() {
        let Some(values) = values_of(test.field) else { continue };
        for (text, span) in &test.texts {
            found.extend(judge(&test, values, text, *span));
        }
    }
}

/// Returns the values of a field that is in the table.
pub(super) fn values_of(field: &str) -> Option<&'static [&'static str]> {
    FIELDS.iter().find(|(known, _)| *known == field).map(|(_, values)| *values)
}

fn judge(test: &TextTest<'_>, values: &[&str], text: &str, span: Span) -> Option<Diagnostic> {
    if test.has_wildcards && text.contains(['*', '?']) {
        return None;
    }
    let lower = text.to_lowercase();
    let field = test.field;
    if values.contains(&lower.as_str()) {
        let differs = test.case == Case::Sensitive && lower != text;
        let message = format!("`{field}` is written in lower case");
        return differs.then(|| {
            let lint = Diagnostic::warning("W0702", message).at(span);
            lint.label("never equal").help(format!("write `\"{lower}\"`"))
        });
    }
    let near = values.iter().map(|value| (distance(&lower, value), value)).min()?;
    let (1, meant) = near else { return None };
    let message = format!("`{field}` is never `{text}`");
    let lint = Diagnostic::warning("W0702", message).at(span);
    Some(lint.label("not one of its values").help(format!("did you mean `\"{meant}\"`?")))
}

/// Fields with the values that the Elastic Common Schema allows, and the few that Elastic's
/// integrations add.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "event.category",
        &[
            "api",
            "authentication",
            "configuration",
            "database",
            "driver",
            "email",
            "file",
            "host",
            "iam",
            "intrusion_detection",
            "library",
            "malware",
            "network",
            "package",
            "process",
            "registry",
            "session",
            "threat",
            "vulnerability",
            "web",
        ],
    ),
    (
        "event.kind",
        &["alert", "asset", "enrichment", "event", "metric", "pipeline_error", "signal", "state"],
    ),
    ("event.outcome", &["failure", "success", "unknown"]),
    (
        "event.type",
        &[
            "access",
            "admin",
            "allowed",
            "change",
            "connection",
            "creation",
            "deletion",
            "denied",
            "device",
            "end",
            "error",
            "group",
            "indicator",
            "info",
            "installation",
            "process_started",
            "protocol",
            "start",
            "user",
        ],
    ),
    ("host.os.type", &["android", "ios", "linux", "macos", "unix", "windows"]),
    ("network.transport", &["icmp", "ipv6-icmp", "sctp", "tcp", "udp"]),
];
