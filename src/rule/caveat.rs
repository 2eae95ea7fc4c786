//! Caveats: where a rule runs, but not quite as Elastic would run it.
//!
//! Never refuses anything. Codes: N0602 `timestamp_override` of the usual kind, W0602 a join key
//! that needs its own partitioning, W0603 an unusual `timestamp_override`, W0604 a rule over
//! alerts, W0605 suppression that Elastic limits to a run, W0609 join keys of different types, W0610 a
//! hold that is too short.

use crate::diag::Diagnostic;
use crate::eql::ast::{Body, KeyField, Query, Term};
use crate::eql::types::{FieldType, field_type};
use crate::event::TimeSpan;
use crate::sequence::Plan;
use crate::text::Span;

use super::file::setting_span;
use super::lint::known;
use super::read::{Reader, Table};
use super::{RuleFile, Settings};

/// Adds what the file around the query asks for and a stream cannot give.
pub(super) fn of_file(reader: &mut Reader<'_>, rule: &Table<'_>) {
    let mut aside = Reader::new("");
    if let Some(field) = aside.string(rule, "timestamp_override") {
        reader.found.extend(timestamp_override(field.value, field.span));
    }
    for pattern in aside.strings(rule, "index") {
        if pattern.value.contains(".alerts-security") {
            let message = "the rule looks at alerts, which are in no topic of events";
            let found = Diagnostic::warning("W0604", message)
                .at(pattern.span)
                .label("alerts of Elastic's own rules")
                .help("send those alerts to a topic that is read, keyed as the events are");
            reader.found.push(found);
        }
    }
}

fn timestamp_override(field: &str, span: Span) -> Option<Diagnostic> {
    match field {
        "@timestamp" => None,
        // Asked for by most rules: it moves Elastic's look-back, of which a stream has none.
        "event.ingested" => Some(
            Diagnostic::note("N0602", "events are taken as they come, and ordered by event time")
                .at(span)
                .label("moves only the look-back of a search"),
        ),
        _ => Some(
            Diagnostic::warning("W0603", format!("`{field}` does not order the events"))
                .at(span)
                .label("event time does")
                .help("fill `@timestamp` from it before the events reach the topic"),
        ),
    }
}

/// Tells whether the events of a match are always of one host.
pub(super) fn is_host_bound(query: &Query) -> bool {
    of_query(query).is_empty()
}

/// Returns the caveats of a query; spans are offsets in it.
pub(super) fn of_query(query: &Query) -> Vec<Diagnostic> {
    let Some((by, span, terms)) = terms(query) else { return Vec::new() };
    let keys = keys(by, &terms);
    if name_one_host(&keys) {
        return Vec::new();
    }
    let shown = shown(&keys);
    let found = match keys.first().and_then(|first| first.first()) {
        Some(first) => {
            let together = if by.is_empty() { &terms[0].by[..] } else { by };
            let last = together.last().map_or(first.span, |last| last.span);
            let message = format!("events with the same {shown} may be of several hosts");
            Diagnostic::warning("W0602", message)
                .at(first.span.to(last))
                .label("not bound to one host")
                .help(format!(
                    "set `kafka.rekey.rules = \"other_keys\"`, or feed the rule from a topic that \
                     is partitioned by {shown}"
                ))
        }
        None => Diagnostic::warning("W0602", "without `by`, events of all hosts belong together")
            .at(span)
            .help(
                "add `by host.id`, or set `kafka.rekey.rules = \"other_keys\"`, or feed the rule \
                 from a topic with one partition",
            ),
    };
    vec![found]
}

/// Returns what is said of keys that are joined and have different types; spans are offsets in the
/// query.
pub(super) fn of_keys(query: &Query) -> Vec<Diagnostic> {
    let Some((by, _, terms)) = terms(query) else { return Vec::new() };
    let keys = keys(by, &terms);
    let Some((first, others)) = keys.split_first() else { return Vec::new() };
    let pairs = others.iter().flat_map(|keys| first.iter().zip(keys));
    pairs.filter_map(|(first, key)| different_types(first, key)).collect()
}

/// Returns what is said of a hold that the rule's file or its override states, and that is shorter
/// than the plan needs. One that stands in the defaults is for rules of every maxspan.
pub(super) fn of_hold(file: &RuleFile, own: Option<&Settings>, plan: &Plan) -> Option<Diagnostic> {
    let of_override = own.and_then(|own| own.hold);
    let stated = of_override.or(file.settings.hold)?;
    let least = plan.least_hold(TimeSpan::ZERO);
    if stated >= least {
        return None;
    }
    let message = format!("events cannot be held for {stated} only: {least} is used");
    let help = format!("write `hold = \"{least}\"`, or leave it out");
    let found = Diagnostic::warning("W0610", message).help(help);
    if of_override.is_some() {
        let what = format!("`hold` of `[rules.override.\"{}\"]`", file.metadata.id);
        return Some(found.without_place(&what));
    }
    let label = "shorter than what decides about a match";
    Some(match setting_span(&file.text, "hold") {
        Some(span) => found.at(span).label(label),
        None => found,
    })
}

fn different_types(first: &KeyField, key: &KeyField) -> Option<Diagnostic> {
    let (wanted, found) = (type_of(first)?, type_of(key)?);
    if wanted == found {
        return None;
    }
    let message = format!(
        "`{}` is {found}, and `{}` of the first term is {wanted}",
        key.written(),
        first.written()
    );
    let help = "join fields of the same type; Elasticsearch refuses the rule";
    Some(Diagnostic::warning("W0609", message).at(key.span).label(found).help(help))
}

/// Returns the type of a key with its article, as far as it is known without a mapping.
fn type_of(key: &KeyField) -> Option<&'static str> {
    if key.form.is_some() {
        return known::is_known(&key.path).then_some("a text");
    }
    match field_type(&key.path) {
        Some(FieldType::Number) => Some("a number"),
        Some(FieldType::Boolean) => Some("a boolean"),
        Some(FieldType::Date) => Some("a point of time"),
        Some(FieldType::Ip) => Some("an address"),
        None => known::is_known(&key.path).then_some("a text"),
    }
}

/// Returns the keys at the top of a query, its place, and its terms; nothing if it has no keys.
fn terms(query: &Query) -> Option<(&[KeyField], Span, Vec<&Term>)> {
    match &query.body {
        Body::Event(_) => None,
        Body::Sequence(sequence) => {
            let terms = sequence.terms.iter().chain(&sequence.until);
            Some((&sequence.by, sequence.span, terms.collect()))
        }
        Body::Sample(sample) => Some((&sample.by, sample.span, sample.terms.iter().collect())),
    }
}

/// Returns all keys of each term.
fn keys<'q>(by: &'q [KeyField], terms: &[&'q Term]) -> Vec<Vec<&'q KeyField>> {
    terms.iter().map(|term| by.iter().chain(&term.by).collect()).collect()
}

fn shown(keys: &[Vec<&KeyField>]) -> String {
    let first = keys.first().into_iter().flatten();
    let names: Vec<String> = first.map(|key| format!("`{}`", key.written())).collect();
    names.join(", ")
}

/// Tells whether one part of the key is, in every term, a name of the host or of something that
/// exists on one host only.
fn name_one_host(keys: &[Vec<&KeyField>]) -> bool {
    let parts = keys.iter().map(Vec::len).min().unwrap_or(0);
    (0..parts).any(|part| keys.iter().all(|key| names_one_host(&key[part].path)))
}

fn names_one_host(field: &str) -> bool {
    // Entity ids of processes, wherever in the tree of processes, are unique over all hosts.
    HOST_BOUND.contains(&field) || (field.starts_with("process.") && field.ends_with(".entity_id"))
}

/// Fields whose value is found on one host only.
const HOST_BOUND: &[&str] = &[
    "agent.ephemeral_id",
    "agent.hostname",
    "agent.id",
    "agent.name",
    "container.id",
    "host.hostname",
    "host.id",
    "host.name",
    "process.Ext.ancestry",
    "process.container.id",
    "winlog.computer_name",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str) -> Vec<String> {
        let (query, _) = crate::eql::parse(query);
        of_query(&query.unwrap()).into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn a_key_is_bound_to_a_host_if_one_part_is_in_every_term() {
        for bound in [
            "process where true",
            "sequence by host.id [a where true] [b where true]",
            "sequence by user.id, agent.id [a where true] [b where true]",
            "sequence [a where true] by process.entity_id [b where true] by process.parent.entity_id",
            "sample by host.name [a where true] [b where true]",
        ] {
            assert_eq!(found(bound), Vec::<String>::new(), "{bound}");
        }
        for (free, field) in [
            ("sequence by user.id [a where true] [b where true]", "`user.id`"),
            ("sequence [a where true] by host.id [b where true] by user.id", "`host.id`"),
            ("sequence by host.id [a where true] [b where true] until [c where true]", ""),
            ("sequence [a where true] [b where true]", "without `by`"),
            ("sample by user.name [a where true] [b where true]", "`user.name`"),
        ] {
            let messages = found(free);
            match field {
                "" => assert!(messages.is_empty(), "{free}: {messages:?}"),
                _ => assert!(messages.len() == 1 && messages[0].contains(field), "{messages:?}"),
            }
        }
    }
}
