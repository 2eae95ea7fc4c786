//! Everything that may go wrong, on a real Kafka: `make chaos`.
//!
//! Two instances find pairs of events under load, and keep unreadable records. Something is killed,
//! stopped or taken away; then what a reader of committed records sees has to be each alert and each
//! dead letter once. docs/chaos.md lists the cases.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

#[path = "../support/acl.rs"]
mod acl;
#[path = "../support/admin.rs"]
mod admin;
#[path = "../support/broker.rs"]
mod broker;
mod brokers;
#[path = "../support/exact.rs"]
mod exact;
#[path = "../support/flood.rs"]
mod flood;
mod floods;
mod inputs;
mod kills;
mod links;
#[path = "../support/live.rs"]
mod live;
mod outputs;
#[path = "../support/pairs.rs"]
mod pairs;
mod positions;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/proxy.rs"]
mod proxy;
mod rebalances;
mod rights;
mod secured;
mod stalls;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::Broker;
use live::*;
use maxspan::event::EventTime;
use proxy::Proxy;
use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};

/// Pairs of events, and how many of them there are to one unreadable record.
const PAIRS: usize = 300;
const EVERY: usize = 20;

/// How long a transaction may take before the brokers give it up, in milliseconds.
const BRIEF: u32 = 4_000;
/// Longer than any fault of a test: a transaction outlives it.
const AMPLE: u32 = 45_000;

const RULES: &str = r#"
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
sequence by host.id with maxspan=20s
  [any where event.code == "A"]
  [any where event.code == "B"]
'''
"#;

fn setup<'b>(broker: &'b Broker, name: &str) -> Setup<'b> {
    setup_of(broker, name, RULES, BRIEF)
}

/// Topics, rule and settings of one case. Waits are shorter than by default: a test need not wait
/// as long as a cluster should.
fn setup_of<'b>(broker: &'b Broker, name: &str, rule: &str, transaction: u32) -> Setup<'b> {
    setup_wide(broker, name, rule, transaction, PARTITIONS)
}

/// As [`setup_of`], with an input of so many partitions.
fn setup_wide<'b>(
    broker: &'b Broker,
    name: &str,
    rule: &str,
    transaction: u32,
    partitions: i32,
) -> Setup<'b> {
    let settings = "[log]\nlevel = \"info,maxspan::kafka=debug\"\n\
         [rules.defaults]\nallowed_lateness = \"2s\"\n";
    let mut setup = Setup::of(broker, name, settings, partitions);
    setup.kafka = format!(
        "delivery = \"exactly_once\"\n\
         properties = {{ \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 1000, \
         \"transaction.timeout.ms\" = {transaction} }}\n"
    );
    let rules = setup.directory.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("rule.toml"), rule).unwrap();
    setup.rules = rules.display().to_string();
    setup
}

/// Three brokers serve all cases that need as many; all of them run when a case begins.
fn cluster() -> Option<(&'static Broker, MutexGuard<'static, ()>)> {
    static CLUSTER: OnceLock<Option<Broker>> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let cluster = CLUSTER.get_or_init(|| Broker::start_or_not_run(3, "chaos on three brokers"));
    let turn = TURN.lock().unwrap_or_else(|failed| failed.into_inner());
    if let Some(cluster) = cluster {
        cluster.restart_dead_nodes();
        cluster.wait_in_sync();
    }
    cluster.as_ref().map(|cluster| (cluster, turn))
}

type Load = ThreadedProducer<DefaultProducerContext>;

/// Sends the steps of one pair, and sometimes an unreadable record between them.
fn send_pair(setup: &Setup<'_>, producer: &Load, pair: usize) {
    let host = host_of(pair);
    send_event(setup, producer, &host, &event("A", &host, pair));
    if pair.is_multiple_of(EVERY) {
        send_event(setup, producer, &host, "{ not json");
    }
    send_event(setup, producer, &host, &event("B", &host, pair));
}

fn host_of(pair: usize) -> String {
    format!("host-{}", pair % 24)
}

fn send_event(setup: &Setup<'_>, producer: &Load, host: &str, event: &str) {
    let topic = format!("{}-in", setup.name);
    send(producer, &topic, Some(host.as_bytes()), Some(event.as_bytes()));
}

/// A step of a pair that happens now.
fn event(code: &str, host: &str, pair: usize) -> String {
    event_at(unix_millis(), code, host, pair)
}

fn event_at(millis: i64, code: &str, host: &str, pair: usize) -> String {
    serde_json::json!({
        "@timestamp": EventTime::from_millis(millis).to_string(),
        "event": {"category": ["process"], "code": code, "id": format!("{pair}-{code}")},
        "host": {"id": host},
    })
    .to_string()
}

fn unix_millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Sends all pairs over about six seconds, while `meanwhile` does its worst.
fn under_load<T>(setup: &Setup<'_>, meanwhile: impl FnOnce() -> T) -> T {
    under_load_of(setup, 0..PAIRS, send_pair, meanwhile)
}

fn under_load_of<T>(
    setup: &Setup<'_>,
    pairs: Range<usize>,
    send_pair: impl Fn(&Setup<'_>, &Load, usize) + Sync,
    meanwhile: impl FnOnce() -> T,
) -> T {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let producer = setup.producer();
            for pair in pairs {
                send_pair(setup, &producer, pair);
                std::thread::sleep(Duration::from_millis(20));
            }
            producer.flush(DEADLINE).unwrap();
        });
        meanwhile()
    })
}

/// Looks that every pair and every unreadable record has come out once.
fn check(setup: &Setup<'_>) {
    check_alerts(setup, 0..PAIRS);
    let letters = PAIRS.div_ceil(EVERY);
    let found = setup.read("dead", |records| records.len() >= letters);
    let places: BTreeSet<_> =
        found.iter().map(|l| (&l.headers["partition"], &l.headers["offset"])).collect();
    assert_eq!((found.len(), places.len()), (letters, letters), "{}: dead letters", setup.name);
}

/// Looks that these pairs have come out once each, and nothing else.
fn check_alerts(setup: &Setup<'_>, pairs: Range<usize>) {
    let alerts = setup.read("alerts", |records| records.len() >= pairs.len());
    let found: Vec<String> = alerts.iter().map(final_id).collect();
    let distinct: BTreeSet<&String> = found.iter().collect();
    let lost: Vec<usize> =
        pairs.clone().filter(|n| !distinct.contains(&format!("{n}-B"))).collect();
    assert!(lost.is_empty(), "{}: lost: {lost:?}", setup.name);
    let mut once = BTreeSet::new();
    let twice: Vec<_> = alerts.iter().filter(|alert| !once.insert(final_id(alert))).collect();
    let places: Vec<_> = twice
        .iter()
        .map(|alert| (final_id(alert), alert.place, &alert.headers["alert_id"]))
        .collect();
    assert_eq!(found.len(), pairs.len(), "{}: each comes once, not again: {places:?}", setup.name);
}

fn final_id(record: &Received) -> String {
    let alert = record.alert();
    let events = alert["maxspan"]["sequence"]["events"].as_array().unwrap();
    events.last().unwrap()["event"]["id"].as_str().unwrap().to_owned()
}

/// Waits until each instance has some of the partitions, and together they have all.
fn wait_shared(setup: &Setup<'_>, instances: &[&Instance]) {
    instances.iter().for_each(|instance| instance.wait_ready());
    let owned = || instances.iter().map(|i| i.metric("maxspan_partitions_assigned", ""));
    instances[0].wait_for(&format!("{} is shared", setup.name), |_| {
        owned().all(|share| share > 0.0) && owned().sum::<f64>() == f64::from(PARTITIONS)
    });
}

/// Waits until so many alerts have left these instances.
fn wait_delivered(instances: &[&Instance], count: f64) {
    let delivered = |i: &&Instance| i.metric("maxspan_alerts_delivered_total", "");
    instances[0]
        .wait_for("alerts leave", |_| instances.iter().map(delivered).sum::<f64>() >= count);
}

/// Waits until a group has committed all of its input.
fn wait_committed(setup: &Setup<'_>) {
    let input = format!("{}-in", setup.name);
    setup.broker.until("all is committed", || setup.broker.lag(&setup.name, &input) == Some(0));
}

fn is_unready(instance: &Instance) -> bool {
    instance.get("/readyz").is_some_and(|(status, _)| status == 503)
}

fn end(instances: impl IntoIterator<Item = Instance>) {
    for instance in instances {
        assert_eq!(instance.terminate(), Some(0));
    }
}

/// One relay before the only broker for all cases, since only one can listen; and its address.
fn proxy(broker: &Broker) -> (&'static Proxy, String) {
    static PROXY: OnceLock<Proxy> = OnceLock::new();
    let (front, behind) = broker.between(0);
    let address = front.local_addr().unwrap().to_string();
    let proxy = PROXY.get_or_init(|| Proxy::start(front, behind));
    // A case that failed may have left it otherwise.
    proxy.fast();
    proxy.release();
    (proxy, address)
}

/// Tells what was done, and how long it took.
fn done(began: Instant, what: &str) {
    println!("chaos: {what}: {:.0} s", began.elapsed().as_secs_f64());
}
