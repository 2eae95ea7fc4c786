//! A rule of two steps on one host, events for it, and what has to come of them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;

use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};

use crate::broker::Broker;
use crate::live::{DEADLINE, Received, Setup, send};

pub const RULE: &str = r#"
[rule]
name = "Two steps"
rule_id = "two-steps"
description = "A, then B, on one host."
author = ["Test"]
risk_score = 47
severity = "medium"
type = "eql"
language = "eql"
query = '''
sequence by host.id with maxspan=60s
  [any where event.code == "A"]
  [any where event.code == "B"]
'''
"#;

/// Shorter than by default: a test need not wait as long as a cluster should.
pub const SHORT: &str = "properties = { \"session.timeout.ms\" = 6000, \
     \"heartbeat.interval.ms\" = 1000, \"transaction.timeout.ms\" = 4000 }\n";

/// Creates the topics of a test, and writes its rule.
pub fn setup<'b>(broker: &'b Broker, name: &str) -> Setup<'b> {
    with_rule(Setup::new(broker, name, ""))
}

/// Writes the rule of a test.
pub fn with_rule(mut setup: Setup<'_>) -> Setup<'_> {
    setup.settings = "[rules.defaults]\nallowed_lateness = \"2s\"\n".to_owned();
    SHORT.clone_into(&mut setup.kafka);
    write_rules(&mut setup, &[RULE]);
    setup
}

/// Writes the rules of a test, instead of those it had.
pub fn write_rules(setup: &mut Setup<'_>, rules: &[&str]) {
    let directory = setup.directory.path().join("rules");
    std::fs::create_dir_all(&directory).unwrap();
    for (number, rule) in rules.iter().enumerate() {
        std::fs::write(directory.join(format!("rule-{number}.toml")), rule).unwrap();
    }
    setup.rules = directory.display().to_string();
}

/// An event that happens now.
pub fn event(code: &str, host: &str, id: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let time = maxspan::event::EventTime::from_millis(now.as_millis() as i64);
    serde_json::json!({
        "@timestamp": time.to_string(),
        "event": {"category": ["process"], "code": code, "id": id},
        "host": {"id": host},
    })
    .to_string()
}

/// Sends one step of these pairs, keyed by host.
pub fn send_step(
    setup: &Setup<'_>,
    producer: &ThreadedProducer<DefaultProducerContext>,
    code: &str,
    pairs: std::ops::Range<usize>,
) {
    let topic = format!("{}-in", setup.name);
    for pair in pairs {
        let host = format!("host-{pair}");
        let event = event(code, &host, &format!("{pair}-{code}"));
        send(producer, &topic, Some(host.as_bytes()), Some(event.as_bytes()));
    }
    producer.flush(DEADLINE).unwrap();
}

/// Looks that each of these pairs has come out once, and nothing else.
pub fn check(setup: &Setup<'_>, pairs: usize) {
    let alerts = setup.read("alerts", |records| records.len() >= pairs);
    let found: Vec<String> = alerts.iter().map(final_id).collect();
    let expected: BTreeSet<String> = (0..pairs).map(|pair| format!("{pair}-B")).collect();
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected, "{}", setup.name);
    assert_eq!(found.len(), pairs, "{}: each comes once", setup.name);
}

/// The id of the event that completed a sequence.
pub fn final_id(record: &Received) -> String {
    let alert = record.alert();
    let events = alert["maxspan"]["sequence"]["events"].as_array().unwrap();
    events.last().unwrap()["event"]["id"].as_str().unwrap().to_owned()
}
