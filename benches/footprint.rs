//! What one instance takes of a machine and of its brokers, by partitions and workers: threads, clients of
//! librdkafka, connections, open files, memory.
//!
//! Starts a real Kafka (`make kafka-jars` fetches it) and `maxspan run` with the shipped rules and a rule that
//! keeps a journal, sends some events to each partition, and reads /proc. Prints a table in Markdown.
//!
//! `cargo bench --bench footprint`; `cargo bench --profile dev --bench footprint` needs no build for release.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "../tests/support/live.rs"]
mod live;
#[path = "../tests/support/pairs.rs"]
mod pairs;
#[path = "../tests/support/process.rs"]
mod process;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use broker::Broker;
use live::{DEADLINE, Setup, send_to};
use process::{MIB, Process};
use rdkafka::producer::Producer;

/// An hour is longer than what is read back from the input: the journal keeps its events.
const LONG: &str = "maxspan=1h";
/// Events for each partition.
const EVENTS: i32 = 100;
/// Connections that are no longer needed are given up meanwhile.
const SETTLE: Duration = Duration::from_secs(20);

fn main() {
    let Some(broker) = Broker::start_or_not_run(1, "the footprint of an instance") else { return };
    println!("| partitions | workers | threads | Kafka clients | connections | open files | MiB |");
    println!("|---|---|---|---|---|---|---|");
    for partitions in [1, 12, 48] {
        for workers in [2, 12] {
            println!("{}", row(&broker, partitions, workers));
        }
    }
}

/// Starts an instance, has it work, and returns its line of the table.
fn row(broker: &Broker, partitions: i32, workers: usize) -> String {
    let setup = setup(broker, partitions, workers);
    let instance = setup.instance(0);
    instance.wait_ready();
    instance.wait_for("has all partitions", |instance| {
        instance.metric("maxspan_partitions_assigned", "") == f64::from(partitions)
    });
    send_events(&setup, partitions);
    let all = f64::from(EVENTS * partitions);
    instance.wait_for("reads", |i| i.metric("maxspan_events_consumed_total", "") >= all);
    std::thread::sleep(SETTLE);
    let process = Process(instance.child.id());
    let row = format!(
        "| {partitions} | {workers} | {} | {} | {} | {} | {} |",
        process.threads(),
        process.kafka_clients(),
        process.connections(&ports(broker)),
        process.open_files(),
        process.memory() / MIB,
    );
    assert_eq!(instance.terminate(), Some(0));
    row
}

fn setup(broker: &Broker, partitions: i32, workers: usize) -> Setup<'_> {
    let name = format!("footprint-{partitions}-{workers}");
    let mut setup = Setup::of(broker, &name, "", partitions);
    broker.create_topic(&format!("{name}-journal"), partitions, &[]);
    setup.workers = workers;
    setup.kafka = format!("[kafka.journal]\ntopic = \"{name}-journal\"\n");
    pairs::write_rules(&mut setup, &[&pairs::RULE.replace("maxspan=60s", LONG)]);
    setup.rules.push_str(&format!("\", \"{}", live::shipped_rules()));
    setup
}

fn send_events(setup: &Setup<'_>, partitions: i32) {
    let (producer, topic) = (setup.producer(), format!("{}-in", setup.name));
    for number in 0..EVENTS {
        for partition in 0..partitions {
            let host = format!("host-{partition}");
            let event = pairs::event("A", &host, &number.to_string());
            send_to(&producer, &topic, Some(partition), None, Some(event.as_bytes()));
        }
    }
    producer.flush(DEADLINE).unwrap();
}

fn ports(broker: &Broker) -> Vec<u16> {
    let addresses = broker.bootstrap();
    addresses
        .split(',')
        .map(|address| address.rsplit(':').next().unwrap().parse().unwrap())
        .collect()
}
