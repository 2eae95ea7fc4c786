//! Everything that may go wrong, on a real Kafka: `make chaos`.
//!
//! Two instances find pairs of events under load, and keep unreadable records. Something is killed,
//! stopped or taken away; then what a reader of committed records sees has to be each alert and each
//! dead letter once. docs/chaos.md lists the cases.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/live.rs"]
mod live;
mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use broker::Broker;
use live::*;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

/// Pairs of events, and how many of them there are to one unreadable record.
const PAIRS: usize = 300;
const EVERY: usize = 20;

/// Shorter than by default: a test need not wait as long as a cluster should.
const SHORT: &str = "delivery = \"exactly_once\"\n\
     properties = { \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 1000, \
     \"transaction.timeout.ms\" = 4000 }\n";

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

fn setup<'b>(broker: &'b Broker, name: &str, rule: &str) -> Setup<'b> {
    let mut setup = Setup::new(broker, name, "[rules.defaults]\nallowed_lateness = \"2s\"\n");
    SHORT.clone_into(&mut setup.kafka);
    let rules = setup.directory.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("rule.toml"), rule).unwrap();
    setup.rules = rules.display().to_string();
    setup
}

/// The steps of one pair, and sometimes an unreadable record between them.
fn send_pair(setup: &Setup<'_>, producer: &ThreadedProducer<DefaultProducerContext>, pair: usize) {
    let topic = format!("{}-in", setup.name);
    let host = format!("host-{}", pair % 24);
    for code in ["A", "B"] {
        send(producer, &topic, Some(host.as_bytes()), Some(event(code, &host, pair).as_bytes()));
        if code == "A" && pair.is_multiple_of(EVERY) {
            send(producer, &topic, Some(host.as_bytes()), Some(b"{ not json"));
        }
    }
}

fn event(code: &str, host: &str, pair: usize) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let time = maxspan::event::EventTime::from_millis(now.as_millis() as i64);
    serde_json::json!({
        "@timestamp": time.to_string(),
        "event": {"category": ["process"], "code": code, "id": format!("{pair}-{code}")},
        "host": {"id": host},
    })
    .to_string()
}

/// Sends all pairs over about six seconds, while `meanwhile` does its worst; tells it when to stop.
fn under_load<T>(setup: &Setup<'_>, meanwhile: impl FnOnce(&AtomicBool) -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let producer = setup.producer();
            for pair in 0..PAIRS {
                send_pair(setup, &producer, pair);
                std::thread::sleep(Duration::from_millis(20));
            }
            producer.flush(DEADLINE).unwrap();
            is_over.store(true, Ordering::Relaxed);
        });
        meanwhile(&is_over)
    })
}

/// Looks that every pair and every unreadable record has come out once.
fn check(setup: &Setup<'_>, pairs: usize) {
    let alerts = setup.read("alerts", |records| records.len() >= pairs);
    let found: Vec<String> = alerts.iter().map(final_id).collect();
    let distinct: BTreeSet<&String> = found.iter().collect();
    let lost: Vec<usize> = (0..pairs).filter(|n| !distinct.contains(&format!("{n}-B"))).collect();
    assert!(lost.is_empty(), "{}: lost: {lost:?}", setup.name);
    assert_eq!(found.len(), pairs, "{}: each comes once", setup.name);
    let letters = pairs.div_ceil(EVERY);
    let found = setup.read("dead", |records| records.len() >= letters);
    let places: BTreeSet<_> =
        found.iter().map(|l| (&l.headers["partition"], &l.headers["offset"])).collect();
    assert_eq!((found.len(), places.len()), (letters, letters), "{}: dead letters", setup.name);
}

fn final_id(record: &Received) -> String {
    let alert = record.alert();
    let events = alert["maxspan"]["sequence"]["events"].as_array().unwrap();
    events.last().unwrap()["event"]["id"].as_str().unwrap().to_owned()
}

fn wait_shared(setup: &Setup<'_>, instances: &[&Instance]) {
    instances.iter().for_each(|instance| instance.wait_ready());
    let owned = || instances.iter().map(|i| i.metric("maxspan_partitions_assigned", ""));
    instances[0].wait_for(&format!("{} is shared", setup.name), |_| {
        owned().all(|share| share > 0.0) && owned().sum::<f64>() == f64::from(PARTITIONS)
    });
}

/// Who takes the place of the one that died.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    ComesBack,
    StaysAway,
}

/// One of two instances dies at a failpoint under load.
fn dies_at(place: &str, count: u32, then: Then) {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, &format!("{place}-{then:?}").to_lowercase().replace('_', "-"), RULES);
    let survivor = setup.instance(0);
    let mut victim = setup.instance_that(1, &format!("{place}:{count}:KILL"));
    wait_shared(&setup, &[&survivor, &victim]);
    let back = under_load(&setup, |_| {
        let status = victim.wait_end();
        assert_eq!(status.code(), None, "killed, not ended: {status}");
        (then == Then::ComesBack).then(|| setup.instance(1))
    });
    check(&setup, PAIRS);
    for instance in [Some(survivor), back].into_iter().flatten() {
        assert_eq!(instance.terminate(), Some(0));
    }
    println!("killed {place}, {then:?}: exact, {:.0} s", began.elapsed().as_secs_f64());
}

#[test]
fn c01_killed_before_begin() {
    dies_at("before_begin", 4, Then::StaysAway);
}

#[test]
fn c02_killed_after_begin() {
    dies_at("after_begin", 4, Then::StaysAway);
}

#[test]
fn c03_killed_after_produce() {
    dies_at("after_produce", 4, Then::StaysAway);
    dies_at("after_produce", 4, Then::ComesBack);
}

#[test]
fn c04_killed_after_offsets() {
    dies_at("after_offsets", 4, Then::StaysAway);
    dies_at("after_offsets", 4, Then::ComesBack);
}

#[test]
fn c05_killed_while_committing() {
    dies_at("before_commit", 4, Then::StaysAway);
    dies_at("in_commit", 4, Then::StaysAway);
    dies_at("in_commit", 7, Then::ComesBack);
}

#[test]
fn c06_killed_after_commit() {
    dies_at("after_commit", 4, Then::StaysAway);
    dies_at("after_commit", 4, Then::ComesBack);
}

#[test]
fn c07_killed_twice_while_replaying() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = setup(broker, "in-replay", RULES);
    let survivor = setup.instance(0);
    let mut victim = setup.instance_that(1, "after_produce:20:KILL");
    wait_shared(&setup, &[&survivor, &victim]);
    let back = under_load(&setup, |_| {
        victim.wait_end();
        for count in [1, 30] {
            let mut again = setup.instance_that(1, &format!("in_replay:{count}:KILL"));
            assert_eq!(again.wait_end().code(), None);
        }
        setup.instance(1)
    });
    check(&setup, PAIRS);
    assert_eq!(back.terminate(), Some(0));
    assert_eq!(survivor.terminate(), Some(0));
}

#[test]
fn c08_killed_in_the_revoke_callback() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = setup(broker, "in-revoke", RULES);
    let mut victim = setup.instance_that(0, "in_revoke:1:KILL");
    victim.wait_ready();
    let (second, third) = under_load(&setup, |_| {
        // Whoever joins takes partitions away from the first.
        let second = setup.instance(1);
        assert_eq!(victim.wait_end().code(), None);
        (second, setup.instance(2))
    });
    check(&setup, PAIRS);
    assert_eq!(second.terminate(), Some(0));
    assert_eq!(third.terminate(), Some(0));
}

#[test]
fn c09_stopped_beyond_its_session_and_woken_again() {
    for place in ["after_produce", "after_offsets"] {
        let Some((broker, _turn)) = broker() else { return };
        let setup = setup(broker, &format!("zombie-{}", place.replace('_', "-")), RULES);
        let survivor = setup.instance(0);
        let zombie = setup.instance_that(1, &format!("{place}:4:STOP"));
        wait_shared(&setup, &[&survivor, &zombie]);
        under_load(&setup, |_| {
            survivor.wait_for("takes over", |instance| {
                instance.metric("maxspan_partitions_assigned", "") == f64::from(PARTITIONS)
            });
            std::thread::sleep(Duration::from_secs(5));
            zombie.signal("CONT");
        });
        check(&setup, PAIRS);
        // It has found its way back, or had to be started again; either is right, twice is not.
        zombie.wait_ready();
        assert_eq!(zombie.terminate(), Some(0));
        assert_eq!(survivor.terminate(), Some(0));
    }
}

#[test]
fn c11_broker_dies_and_comes_back() {
    let Some(mut broker) = Broker::start_or_not_run(1, "chaos: broker restart") else { return };
    let directory = setup(&broker, "broker-restart", RULES).directory;
    let rules = directory.path().join("rules").display().to_string();
    let (instances, producer) = {
        let setup = again(&broker, &rules);
        let instances = [setup.instance(0), setup.instance(1)];
        wait_shared(&setup, &[&instances[0], &instances[1]]);
        (instances, setup.producer())
    };
    // While the broker is away the load waits in the producer's own buffer.
    for pair in 0..PAIRS {
        if pair == 100 {
            broker.kill_node(0);
        }
        if pair == 200 {
            broker.restart_node(0);
        }
        send_pair(&again(&broker, &rules), &producer, pair);
        std::thread::sleep(Duration::from_millis(20));
    }
    producer.flush(DEADLINE).unwrap();
    check(&again(&broker, &rules), PAIRS);
    for instance in instances {
        assert_eq!(instance.terminate(), Some(0));
    }
}

/// The same test, while the broker itself is in other hands.
fn again<'b>(broker: &'b Broker, rules: &str) -> Setup<'b> {
    let mut setup = Setup::bare(broker, "broker-restart", tempfile::tempdir().unwrap());
    SHORT.clone_into(&mut setup.kafka);
    setup.settings = "[rules.defaults]\nallowed_lateness = \"2s\"\n".to_owned();
    setup.rules = rules.to_owned();
    setup
}

#[test]
fn c14_scaled_up_and_down_under_load() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = setup(broker, "scaled", RULES);
    let first = setup.instance(0);
    first.wait_ready();
    let left = under_load(&setup, |_| {
        let mut others = vec![setup.instance(1), setup.instance(2)];
        others[1].wait_ready();
        let gone = others.remove(0);
        assert_eq!(gone.terminate(), Some(0));
        others
    });
    check(&setup, PAIRS);
    assert_eq!(first.terminate(), Some(0));
    for instance in left {
        assert_eq!(instance.terminate(), Some(0));
    }
}

#[test]
fn c18_alerts_topic_deleted_and_made_again() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = setup(broker, "deleted", RULES);
    let instance = setup.instance(0);
    instance.wait_ready();
    let admin: AdminClient<DefaultClientContext> = broker.client().create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let options = AdminOptions::new();
    for topic in ["deleted-alerts", "deleted-dead"] {
        runtime.block_on(admin.delete_topics(&[topic], &options)).unwrap();
    }
    under_load(&setup, |_| {
        instance.wait_for("is not ready", |i| i.get("/readyz").is_some_and(|(s, _)| s == 503));
    });
    assert_eq!(instance.metric("maxspan_alerts_delivered_total", ""), 0.0);
    for (topic, partitions) in [("deleted-alerts", 2), ("deleted-dead", 1)] {
        broker.create_topic(topic, partitions, &[]);
    }
    instance.wait_ready();
    check(&setup, PAIRS);
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn c22_c23_offsets_reset_and_foreign_metadata() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = setup(broker, "reset", RULES);
    let instance = setup.instance(0);
    instance.wait_ready();
    under_load(&setup, |_| ());
    check(&setup, PAIRS);
    assert_eq!(instance.terminate(), Some(0));
    let commit = |offset: Option<i64>, metadata: &str| {
        let consumer: BaseConsumer = broker.client().set("group.id", "reset").create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let (low, high) = consumer.fetch_watermarks("reset-in", partition, DEADLINE).unwrap();
            let mut element = list.add_partition("reset-in", partition);
            element.set_offset(Offset::Offset(offset.map_or(high, |_| low))).unwrap();
            if !metadata.is_empty() {
                element.set_metadata(metadata);
            }
        }
        consumer.commit(&list, CommitMode::Sync).unwrap();
    };
    // To the end, under foreign metadata: nothing comes again.
    commit(None, "written by another tool; \u{fc}");
    let instance = setup.instance(0);
    instance.wait_ready();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(instance.terminate(), Some(0));
    assert_eq!(setup.read("alerts", |records| records.len() >= PAIRS).len(), PAIRS);
    // Back to the start, by hand: everything comes again, once, under the same ids.
    commit(Some(0), "");
    let instance = setup.instance(0);
    let alerts = setup.read("alerts", |records| records.len() >= 2 * PAIRS);
    let ids: BTreeSet<&String> = alerts.iter().map(|alert| &alert.headers["alert_id"]).collect();
    assert_eq!((alerts.len(), ids.len()), (2 * PAIRS, PAIRS));
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn c24_partitions_added_while_running() {
    let Some((broker, _turn)) = broker() else { return };
    let mut setup = setup(broker, "added", RULES);
    setup.kafka = setup
        .kafka
        .replace("properties = {", "properties = { \"topic.metadata.refresh.interval.ms\" = 2000,");
    let instance = setup.instance(0);
    instance.wait_ready();
    let admin: AdminClient<DefaultClientContext> = broker.client().create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let more = NewPartitions::new("added-in", 8);
    runtime.block_on(admin.create_partitions(&[more], &AdminOptions::new())).unwrap();
    // Sent before anybody has noticed: they must be read from the start of the new partitions.
    under_load(&setup, |_| {
        instance.wait_for("has all", |i| i.metric("maxspan_partitions_assigned", "") == 8.0);
    });
    check(&setup, PAIRS);
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn c27_absence_is_decided_on_a_quiet_partition_after_a_crash() {
    let Some((broker, _turn)) = broker() else { return };
    let rule = RULES
        .replace("maxspan=20s", "maxspan=5s")
        .replace("[any where event.code == \"B\"]", "![any where event.code == \"C\"]");
    let setup = setup(broker, "absence", &rule);
    let mut victim = Some(setup.instance(0));
    victim.as_ref().unwrap().wait_ready();
    let producer = setup.producer();
    let hosts = 20;
    // A first record sets the clock of each partition: an absence needs to have been looked for.
    for code in ["X", "A"] {
        for number in 0..hosts {
            let host = format!("quiet-{number}");
            let event = event(code, &host, number);
            send(&producer, "absence-in", Some(host.as_bytes()), Some(event.as_bytes()));
        }
        producer.flush(DEADLINE).unwrap();
        std::thread::sleep(Duration::from_secs(2));
    }
    victim.take().unwrap().kill();
    let survivor = setup.instance(1);
    let alerts = setup.read("alerts", |records| records.len() >= hosts);
    let found: BTreeSet<String> = alerts.iter().map(final_id).collect();
    assert_eq!((alerts.len(), found.len()), (hosts, hosts), "once each, without another record");
    assert_eq!(survivor.terminate(), Some(0));
}
