//! How long it takes from a record's arrival in the topic until its alert can be read by somebody
//! who reads only what is committed, in both modes of delivery: `make latency`.
//!
//! Not run with the other tests: it measures, and asserts only that every alert came.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/live.rs"]
mod live;
#[path = "support/load.rs"]
mod load;
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use live::*;
use load::{Load, number};
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::Producer;

const PAIRS: usize = 200;

const RULE: &str = "[rule]\nname = \"Two steps\"\nrule_id = \"two-steps\"\ndescription = \"-\"\n\
     author = [\"-\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\n\
     query = '''sequence by host.id with maxspan=20s [any where event.code == \"A\"] \
     [any where event.code == \"B\"]'''\n";

#[test]
fn from_arrival_to_a_visible_alert() {
    let Some((broker, _turn)) = broker() else { return };
    for delivery in ["at_least_once", "exactly_once"] {
        let name = format!("latency-{}", delivery.replace('_', "-"));
        let mut setup = Setup::new(broker, &name, "");
        setup.kafka = format!("delivery = \"{delivery}\"\n");
        let rules = setup.directory.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("rule.toml"), RULE).unwrap();
        setup.rules = rules.display().to_string();
        let instance = setup.instance(0);
        instance.wait_ready();
        let mut took = under_load(&setup);
        assert_eq!(instance.terminate(), Some(0));
        took.sort();
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        println!(
            "{delivery}: {} alerts, p50 {:.1?}, p90 {:.1?}, p99 {:.1?}, longest {:.1?}",
            took.len(),
            at(50),
            at(90),
            at(99),
            took[took.len() - 1]
        );
    }
}

/// Measures while `RATE` other events a second come in; none by default.
fn under_load(setup: &Setup<'_>) -> Vec<Duration> {
    let rate = number("RATE", 0);
    if rate == 0 {
        return measure(setup);
    }
    let load = Load::make();
    std::thread::scope(|scope| {
        scope.spawn(|| load.send(setup, rate));
        std::thread::sleep(Duration::from_secs(10));
        let took = measure(setup);
        load.is_over.store(true, Ordering::Relaxed);
        let sent = load.sent.load(Ordering::Relaxed);
        println!("{}: {sent} other events came in", setup.name);
        took
    })
}

/// Sends pairs one after the other, and reads each one's alert.
fn measure(setup: &Setup<'_>) -> Vec<Duration> {
    let mut client = setup.broker.client();
    client.set("group.id", format!("{}-reader", setup.name)).set("auto.offset.reset", "earliest");
    client.set("isolation.level", "read_committed").set("fetch.wait.max.ms", "500");
    let reader: BaseConsumer = client.create().unwrap();
    reader.subscribe(&[&format!("{}-alerts", setup.name)]).unwrap();
    let mut client = setup.broker.client();
    let producer: rdkafka::producer::BaseProducer = client.set("linger.ms", "0").create().unwrap();
    let topic = format!("{}-in", setup.name);
    let mut took = BTreeMap::new();
    // The first ones wait for the reader to join its group.
    for pair in 0..PAIRS + 20 {
        let host = format!("host-{pair}");
        for code in ["A", "B"] {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let time = maxspan::event::EventTime::from_millis(now.as_millis() as i64);
            let event = serde_json::json!({
                "@timestamp": time.to_string(),
                "event": {"category": ["process"], "code": code, "id": format!("{pair}-{code}")},
                "host": {"id": host},
            });
            let event = event.to_string();
            let record = rdkafka::producer::BaseRecord::to(&topic).key(&host).payload(&event);
            producer.send(record).map_err(|(error, _)| error).unwrap();
            while producer.in_flight_count() > 0 {
                producer.poll(Duration::from_millis(1));
            }
        }
        let arrived = Instant::now();
        let wanted = format!("\"{pair}-B\"");
        loop {
            assert!(arrived.elapsed() < DEADLINE, "alert {pair} does not come");
            let Some(message) = reader.poll(Duration::from_millis(100)) else { continue };
            let message = message.unwrap();
            let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
            if text.contains(&wanted) {
                break;
            }
        }
        if pair >= 20 {
            took.insert(pair, arrived.elapsed());
        }
    }
    took.into_values().collect()
}
