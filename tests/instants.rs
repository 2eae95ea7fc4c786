//! Points of time as they are written: the same for a record's time, for a value of a condition, and
//! for the constant that it is compared with.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use maxspan::eql;
use maxspan::event::decode::{Decoder, Limits};
use maxspan::event::{Arena, EventTime, FieldTable, Fields};
use maxspan::normalize::{Normalizer, Options};
use maxspan::predicate::key::KeyPlan;
use maxspan::predicate::{Judgement, Predicate};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    instant: Vec<Instant>,
    none: Vec<NoInstant>,
}

/// What is one and the same instant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instant {
    why: String,
    /// As this program writes it.
    is: String,
    /// As JSON has it.
    written: Vec<String>,
}

/// What is no instant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoInstant {
    why: String,
    /// For what a careless parser would take them, or some of them.
    mistaken: String,
    written: Vec<String>,
}

fn corpus() -> Corpus {
    toml::from_str(include_str!("corpus/instants/instants.toml")).unwrap()
}

/// Returns the event time of a record with this `@timestamp`.
fn event_time(written: &str) -> Option<EventTime> {
    let mut table = FieldTable::default();
    let normalizer = Normalizer::new(&mut table, Options::default());
    let decoder = Decoder::new(&table, Limits { max_nesting: 64 });
    let record = format!(r#"{{"@timestamp":{written},"event":{{"category":"process"}}}}"#);
    let arena = Arena::new();
    let mut fields = Fields::new(table.len(), &arena);
    decoder.decode(record.as_bytes(), &mut fields).unwrap();
    normalizer.normalize(&mut fields).event_time
}

/// Tells whether an event with this `event.created` satisfies the condition.
fn holds(condition: &str, created: &str) -> bool {
    let (expr, findings) = eql::parse_condition(condition);
    let mut table = FieldTable::default();
    let predicate = Predicate::compile(&expr.unwrap_or_else(|| panic!("{findings:?}")), &mut table);
    let record = format!(r#"{{"event":{{"created":{created}}}}}"#);
    let arena = Arena::new();
    let mut fields = Fields::new(table.len(), &arena);
    let decoder = Decoder::new(&table, Limits { max_nesting: 64 });
    decoder.decode(record.as_bytes(), &mut fields).unwrap();
    predicate.unwrap().judge(&fields) == Judgement::Holds
}

/// Returns what events with this `event.created` are joined by.
fn key(created: &str) -> String {
    let (query, _) = eql::parse("sequence by event.created [any where true] [any where true]");
    let eql::ast::Body::Sequence(sequence) = query.unwrap().body else { panic!("a sequence") };
    let mut table = FieldTable::default();
    let plan = KeyPlan::compile(&sequence.by, &mut table);
    let record = format!(r#"{{"event":{{"created":{created}}}}}"#);
    let arena = Arena::new();
    let mut fields = Fields::new(table.len(), &arena);
    let decoder = Decoder::new(&table, Limits { max_nesting: 64 });
    decoder.decode(record.as_bytes(), &mut fields).unwrap();
    plan.expand(&fields, 1).keys[0].text()
}

#[test]
fn a_record_has_the_time_that_its_timestamp_is() {
    for case in corpus().instant {
        for written in &case.written {
            let time = event_time(written).map(|time| time.to_string());
            assert_eq!(time.as_deref(), Some(&*case.is), "{written}: {}", case.why);
        }
    }
}

/// A number in a query is a double: nine digits of a second are too many for it.
#[test]
fn numbers_of_records_keep_all_digits() {
    for written in ["1714903200.123456789", "1714903200123.456789", "1.714903200123456789e9"] {
        let time = event_time(written).map(|time| time.to_string());
        assert_eq!(time.as_deref(), Some("2024-05-05T10:00:00.123456789Z"), "{written}");
    }
}

#[test]
fn a_condition_takes_values_and_constants_for_the_same_instants() {
    for case in corpus().instant {
        let (why, is) = (&case.why, format!("\"{}\"", case.is));
        for written in &case.written {
            for (constant, value) in [(&is, written), (written, &is), (written, written)] {
                for operator in ["==", ">=", "<="] {
                    let condition = format!("event.created {operator} {constant}");
                    assert!(holds(&condition, value), "{condition} of {value}: {why}");
                }
                for operator in ["<", ">"] {
                    let condition = format!("event.created {operator} {constant}");
                    assert!(!holds(&condition, value), "{condition} of {value}: {why}");
                }
            }
        }
    }
}

#[test]
fn events_are_joined_by_the_instant() {
    for case in corpus().instant {
        for written in &case.written {
            assert_eq!(key(written), case.is, "{written}: {}", case.why);
        }
    }
}

#[test]
fn what_is_no_instant_gives_a_record_no_time() {
    for case in corpus().none {
        for written in &case.written {
            assert_eq!(event_time(written), None, "{written}: {}", case.why);
        }
    }
}

#[test]
fn what_is_no_instant_is_compared_as_it_is_written_and_said_so() {
    for case in corpus().none {
        let (why, mistaken) = (&case.why, format!("\"{}\"", case.mistaken));
        for written in &case.written {
            for (constant, value) in [(&mistaken, written), (written, &mistaken)] {
                let condition = format!("event.created == {constant}");
                assert!(!holds(&condition, value), "{condition} of {value}: {why}");
            }
            assert!(holds(&format!("event.created == {written}"), written), "{written}: {why}");
            assert_ne!(key(written), key(&mistaken), "{written}: {why}");
            let (_, findings) = eql::parse_condition(&format!("event.created == {written}"));
            let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
            let expected: &[&str] = if written.starts_with('"') { &["W0408"] } else { &[] };
            assert_eq!(codes, expected, "{written}: {why}");
        }
    }
}

#[test]
fn a_number_that_is_no_plausible_time_lies_beyond_all_that_are() {
    for (number, operator) in [("9999999999999", "<"), ("133625792040270000", "<"), ("-1e13", ">")]
    {
        for value in ["\"2024-06-11T11:33:24Z\"", "1718105604", "\"1718105604027\"", "-1.5"] {
            assert!(
                holds(&format!("event.created {operator} {number}"), value),
                "{number} {value}"
            );
        }
    }
}

#[test]
fn texts_of_dates_that_no_event_can_have_are_instants_of_conditions() {
    assert_eq!(event_time("\"2250-01-01T00:00:00Z\""), None);
    assert!(holds("event.created < \"2250-01-01\"", "\"2249-12-31T23:59:59Z\""));
    assert!(holds("event.created >= \"2250-01-01\"", "\"2250-01-01T02:00:00+02:00\""));
}
