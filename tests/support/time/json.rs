//! Cases as JSON lines, so that both writings of the model can look at the same ones.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use super::batch::{Match, batch, keys_of};
use super::clock::Stamps;
use super::event::{Delivery, Event, distinct};
use super::references::{is_in_order, is_on_time, is_pulled, sorted_answer};
use super::rule::{Rule, stages_of};
use super::samples;

/// Writes a rule and the deliveries of a stream.
pub fn write(rule: &Rule, stamps: Stamps, deliveries: &[Delivery]) -> Value {
    let stage = |stage: &super::rule::Stage| {
        format!("{}{}", if stage.is_missing { "!" } else { "" }, stage.tag)
    };
    let stages: Vec<String> = rule.stages.iter().map(stage).collect();
    let delivery = |d: &Delivery| {
        let keys: String = d.event.keys.iter().collect();
        json!([d.host, d.event.number, d.event.event_time, d.event.tags, keys, d.stamp, d.arrived])
    };
    json!({
        "stages": stages.join(" "),
        "maxspan": rule.maxspan,
        "until": rule.until,
        "order_tolerance": rule.order_tolerance,
        "allowed_lateness": rule.allowed_lateness,
        "hold": rule.hold,
        "is_sample": rule.is_sample,
        "stamps": stamps.name(),
        "deliveries": deliveries.iter().map(delivery).collect::<Vec<_>>(),
    })
}

/// Reads what `write`, or the model, has written.
pub fn read(case: &Value) -> (Rule, Stamps, Vec<Delivery>) {
    let number = |name: &str| case[name].as_i64().unwrap();
    let rule = Rule {
        stages: stages_of(case["stages"].as_str().unwrap()),
        maxspan: number("maxspan"),
        until: case["until"].as_str().map(first),
        order_tolerance: number("order_tolerance"),
        allowed_lateness: number("allowed_lateness"),
        hold: number("hold"),
        is_sample: case["is_sample"].as_bool().unwrap(),
    };
    let named = |stamps: &&Stamps| case["stamps"] == stamps.name();
    let stamps = [Stamps::Append, Stamps::Create, Stamps::None];
    let stamps = *stamps.iter().find(named).unwrap();
    let rows = case["deliveries"].as_array().unwrap().iter().enumerate();
    (rule, stamps, rows.map(|(serial, row)| delivery(serial, row)).collect())
}

fn first(text: &str) -> char {
    text.chars().next().unwrap()
}

fn delivery(serial: usize, row: &Value) -> Delivery {
    let text = |column: usize| row[column].as_str().unwrap();
    let number = |column: usize| row[column].as_i64().unwrap();
    let event = Event {
        number: number(1),
        event_time: number(2),
        tags: text(3).to_owned(),
        keys: text(4).chars().collect(),
    };
    Delivery {
        host: first(text(0)),
        event: Rc::new(event),
        stamp: number(5),
        arrived: number(6),
        serial,
        idle_before: Vec::new(),
        shuffle: 0,
        size: 1,
    }
}

/// Returns what these references say of a case, in the form in which the model says it.
pub fn answers(rule: &Rule, stamps: Stamps, deliveries: &[Delivery]) -> Value {
    let events = distinct(deliveries);
    let keys = keys_of(&events);
    let of_keys = |tells: &dyn Fn(char) -> bool| -> BTreeMap<String, bool> {
        keys.iter().map(|&key| (key.to_string(), tells(key))).collect()
    };
    let listed = |mut matches: Vec<Match>| -> Vec<Value> {
        matches.sort();
        matches.iter().map(|found| json!([found.key, found.events])).collect()
    };
    let windows = samples::windows(&events, &rule.terms(), rule.maxspan);
    json!({
        "batch": if rule.is_sample { json!([]) } else { json!(listed(batch(&events, rule))) },
        "one_slot": if rule.is_sample { json!([]) } else { json!(listed(sorted_answer(&events, rule))) },
        "samples": if rule.is_sample { json!(windows) } else { json!([]) },
        "on_time": of_keys(&|key| is_on_time(deliveries, key, rule)),
        "in_order": of_keys(&|key| is_in_order(deliveries, key)),
        "pulled": is_pulled(deliveries, stamps),
    })
}
