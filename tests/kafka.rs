//! `maxspan run` against a real Apache Kafka: several instances, crashes, unreadable records.
//!
//! The generated corpora go in keyed by host; what comes out on the alerts topic is compared with
//! the known answers. Where no broker can be had the tests say so (`make kafka-jars` fetches it).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/live.rs"]
mod live;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use live::*;
use rdkafka::producer::Producer;
use support::replay::rule_suffix;

#[test]
fn two_instances_find_exactly_what_is_there() {
    let Some((broker, _turn)) = broker() else { return };
    for (name, flags, shape, delivery) in [
        ("plain", &[][..], "ecs", "at_least_once"),
        ("plain", &[][..], "raw", "exactly_once"),
        ("lag", &["--lag"][..], "ecs", "exactly_once"),
        ("lag-dup", &["--lag", "--dup", "0.02"][..], "raw", "exactly_once"),
    ] {
        let Some(corpus) = corpus(name, flags) else { return };
        let mut setup = Setup::new(broker, &format!("exact-{name}-{shape}"), &overrides("exact"));
        setup.kafka = format!("delivery = \"{delivery}\"\n");
        let instances = [setup.instance(0), setup.instance(1)];
        instances.iter().for_each(Instance::wait_ready);
        let both_work = |instance: &Instance| {
            let shares = [0, 1].map(|i| instances[i].metric("maxspan_partitions_assigned", ""));
            instance.port > 0
                && shares.iter().all(|share| *share > 0.0)
                && shares.iter().sum::<f64>() == f64::from(PARTITIONS)
        };
        instances[0].wait_for("both share the partitions", both_work);
        setup.send_file(&corpus.directory.join(format!("{shape}.ndjson")), |_| ());
        let truth = truth(&corpus);
        let records = setup.read("alerts", |records| by_final(records).len() >= truth.len());
        let found: BTreeSet<_> = by_final(&records).into_keys().collect();
        assert_eq!(found, truth, "{name}");
        assert_eq!(records.len(), truth.len(), "{name}: without a crash each comes once");
        for instance in instances {
            assert_eq!(instance.terminate(), Some(0));
        }
    }
}

#[test]
fn a_killed_instance_loses_nothing_and_repeats_nothing() {
    let Some((broker, _turn)) = broker() else { return };
    let Some(corpus) = corpus("lag", &["--lag"]) else { return };
    let setup = Setup::new(broker, "killed", &overrides("exact"));
    let survivor = setup.instance(0);
    let mut victim = Some(setup.instance(1));
    survivor.wait_ready();
    victim.as_ref().unwrap().wait_ready();
    setup.send_file(&corpus.directory.join("raw.ndjson"), |number| {
        let works = |victim: &Instance| victim.metric("maxspan_alerts_delivered_total", "") > 10.0;
        if number >= 50_000 && victim.as_ref().is_some_and(works) {
            victim.take().unwrap().kill();
        }
        // The load must outlast the crash.
        std::thread::sleep(Duration::from_millis(100));
    });
    assert!(victim.is_none(), "the victim was killed under load");
    let truth = truth(&corpus);
    let records = setup.read("alerts", |records| by_final(records).len() >= truth.len());
    assert_eq!(by_final(&records).into_keys().collect::<BTreeSet<_>>(), truth);
    assert_eq!(records.len(), truth.len(), "each comes once");
    assert_eq!(survivor.terminate(), Some(0));
}

#[test]
fn unreadable_records_become_dead_letters_and_the_stream_goes_on() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = Setup::new(broker, "dead", "");
    let instance = setup.instance(0);
    instance.wait_ready();
    let (producer, topic) = (setup.producer(), "dead-in");
    let bomb = format!("{{\"a\":{}", "[".repeat(1_000_000));
    let huge = format!("{{\"message\":\"{}\"}}", "x".repeat(10_000_000));
    let key = Some(&b"host-1"[..]);
    send(&producer, topic, key, Some(b"{\"@timestamp\": not json"));
    send(&producer, topic, key, Some(huge.as_bytes()));
    send(&producer, topic, key, None);
    send(&producer, topic, key, Some(bomb.as_bytes()));
    let homeless = br#"{"@timestamp":"2026-03-02T08:00:00.000Z","event":{"category":["process"]}}"#;
    send(&producer, topic, key, Some(homeless));
    for event in [
        r#""@timestamp":"2026-03-02T08:00:00.000Z","event":{"category":["network"],"type":["start"]},"process":{"name":"svchost.exe"},"network":{"direction":"ingress"},"source":{"ip":"10.1.2.3","port":50000},"destination":{"ip":"10.1.2.4","port":135}"#,
        r#""@timestamp":"2026-03-02T08:00:01.000Z","event":{"category":["process"],"type":["start"]},"process":{"name":"cmd.exe","executable":"C:\\Windows\\System32\\cmd.exe","parent":{"name":"WmiPrvSE.exe"}},"user":{"id":"S-1-5-21-1"}"#,
    ] {
        let host = r#""host":{"id":"host-1","os":{"type":"windows"}}"#;
        send(&producer, topic, key, Some(format!("{{{event},{host}}}").as_bytes()));
    }
    producer.flush(DEADLINE).unwrap();

    let letters = setup.read("dead", |records| records.len() >= 4);
    let reasons: Vec<&str> = letters.iter().map(|l| l.headers["reason"].as_str()).collect();
    assert_eq!(reasons, ["invalid_json", "too_large", "null_payload", "too_deep"]);
    assert_eq!(letters[1].headers["original_size"], huge.len().to_string());
    assert_eq!(letters[1].value.len(), 256 << 10, "a dead letter keeps the first 256 KiB");
    assert!(letters.iter().all(|letter| letter.headers["topic"] == topic));
    let alerts = setup.read("alerts", |records| !records.is_empty());
    assert_eq!(rule_suffix(&alerts[0].alert()), "20s");
    instance.wait_for("metrics", |i| i.metric("maxspan_dlq_records_total", "") == 4.0);
    assert_eq!(instance.metric("maxspan_events_dropped_total", "no_host"), 1.0);
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn without_an_alerts_topic_it_is_not_ready_and_says_why() {
    let Some((broker, _turn)) = broker() else { return };
    broker.create_topic("unready-in", 1, &[]);
    broker.create_topic("unready-dead", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::bare(broker, "unready", directory);
    let instance = setup.instance(0);
    instance.wait_for("says why", |instance| {
        let says_why = |body: &str| body.contains("unready-alerts") && body.contains("--create");
        instance.get("/readyz").is_some_and(|(status, body)| status == 503 && says_why(&body))
    });
    broker.create_topic("unready-alerts", 1, &[]);
    instance.wait_ready();
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn earlier_of_two_instances_with_one_name_ends_and_says_why() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = Setup::new(broker, "twins", "");
    let mut first = setup.instance(0);
    first.wait_ready();
    let second = setup.instance(0);
    second.wait_ready();
    // Unreadable records in all partitions: each instance has something to commit.
    let producer = setup.producer();
    for number in 0..100 {
        let key = format!("host-{number}");
        send(&producer, "twins-in", Some(key.as_bytes()), Some(b"not json"));
    }
    producer.flush(DEADLINE).unwrap();
    let status = first.wait_end();
    assert!(status.code().is_some_and(|code| code != 0), "{status:?}");
    assert!(first.log().contains("`kafka.instance_id`"), "{}", first.log());
    let letters = setup.read("dead", |records| records.len() >= 100);
    let places = letters.iter().map(|l| (&l.headers["partition"], &l.headers["offset"]));
    assert_eq!((letters.len(), places.collect::<BTreeSet<_>>().len()), (100, 100));
    assert_eq!(second.terminate(), Some(0));
}
