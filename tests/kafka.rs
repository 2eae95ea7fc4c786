//! `maxspan run` against a real Apache Kafka: several instances, crashes, unreadable records.
//!
//! The generated corpora go in keyed by host; what comes out on the alerts topic is compared with
//! the known answers. Where no broker can be had the tests say so (`make kafka-jars` fetches it).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/exact.rs"]
mod exact;
#[path = "support/live.rs"]
mod live;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use exact::{Way, finds_exactly_what_is_there};
use live::*;
use maxspan::event::EventTime;
use rdkafka::producer::Producer;
use support::corpus::{Corpus, Settings, Shape};
use support::replay::{Replay, not_run, rule_suffix, shared};

#[test]
fn two_instances_find_exactly_what_is_there() {
    let Some((broker, _turn)) = broker() else { return };
    let plain = Settings::MANY_ATTACKS;
    for (name, settings, shape, delivery) in [
        ("plain", plain, Shape::Ecs, "at_least_once"),
        ("plain", plain, Shape::Raw, "exactly_once"),
        ("late", plain.late(), Shape::Ecs, "exactly_once"),
        ("late-doubled", plain.late().doubled(20), Shape::Raw, "exactly_once"),
    ] {
        finds_exactly_what_is_there(broker, Way { name, settings, shape, delivery });
    }
}

#[test]
fn a_killed_instance_loses_nothing_and_repeats_nothing() {
    let Some((broker, _turn)) = broker() else { return };
    let corpus = Corpus::make(Settings::MANY_ATTACKS.late());
    let setup = Setup::new(broker, "killed", &overrides("exact"));
    let survivor = setup.instance(0);
    let mut victim = Some(setup.instance(1));
    survivor.wait_ready();
    victim.as_ref().unwrap().wait_ready();
    setup.send_file(&corpus.file(Shape::Raw), |number| {
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

/// What depends on where a record stood, and on when it was read, is left out.
fn comparable(mut alert: serde_json::Value) -> String {
    alert["event"]["created"].take();
    for event in alert["maxspan"]["sequence"]["events"].as_array_mut().unwrap() {
        for place in ["topic", "partition", "offset"] {
            event["maxspan"][place].take();
        }
    }
    alert.to_string()
}

/// Sends the lines of recordings to one partition, each with its own time, as Winlogbeat does.
fn send_recordings(setup: &Setup<'_>, recordings: &[PathBuf]) {
    let producer = setup.producer();
    let topic = format!("{}-in", setup.name);
    for recording in recordings {
        let mut lines = maxspan::source::open(recording).unwrap();
        while lines.advance().unwrap() {
            let event: serde_json::Value = serde_json::from_slice(lines.line()).unwrap();
            let time = EventTime::parse(event["@timestamp"].as_str().unwrap()).unwrap();
            send_at(&producer, &topic, time.millis(), lines.line());
        }
    }
    producer.flush(DEADLINE).unwrap();
}

#[test]
fn a_topic_of_one_partition_gives_the_alerts_of_its_file() {
    let Some((broker, _turn)) = broker() else { return };
    let mut setup = Setup::of_one_partition(broker, "as-file");
    setup.kafka = "journal = { enabled = false }\n".to_owned();
    let mut recordings = vec![PathBuf::from("src/cli/demo/attack.ndjson.gz")];
    match (shared("data/elastic-rules"), shared("data/attacks/wmi_exec_method.ndjson.gz")) {
        (Some(rules), Some(attack)) => {
            setup.rules = format!("{}\", \"{}", shipped_rules(), rules.display());
            recordings = vec![attack];
        }
        _ => not_run("published rules from a topic and from its file", "../shared is not there"),
    }
    let instance = setup.instance(0);
    instance.wait_ready();
    send_recordings(&setup, &recordings);
    let config = setup.config(0);
    let flags = ["--emit", "eager", "--config", config.to_str().unwrap()];
    let files: Vec<&Path> = recordings.iter().map(PathBuf::as_path).collect();
    let expected = Replay::new(&flags, &files).run().alerts;
    let records = setup.read("alerts", |records| records.len() >= expected.len());
    let found: Vec<String> = records.iter().map(|record| comparable(record.alert())).collect();
    let expected: Vec<String> = expected.into_iter().map(comparable).collect();
    assert!(expected.len() >= 3, "{expected:#?}");
    assert_eq!(found, expected);
    assert_eq!(instance.terminate(), Some(0));
}

/// A match in Elastic's form: the shell and its building blocks, in one piece.
#[test]
fn the_elastic_form_is_written_whole() {
    let Some((broker, _turn)) = broker() else { return };
    let mut setup = Setup::of_one_partition(broker, "elastic");
    setup.settings = "[alerts]\nformat = \"elastic\"\n".to_owned();
    let instance = setup.instance(0);
    instance.wait_ready();
    let attack = PathBuf::from("src/cli/demo/attack.ndjson.gz");
    send_recordings(&setup, std::slice::from_ref(&attack));
    let replayed = Replay::new(
        &["--rules", "config/rules", "--emit", "eager", "--alert-format", "elastic"],
        &[&attack],
    )
    .run()
    .alerts;
    let records = setup.read("alerts", |records| records.len() >= replayed.len());
    let uuids = |alerts: &[serde_json::Value]| -> BTreeSet<String> {
        alerts.iter().map(|alert| alert["kibana.alert.uuid"].to_string()).collect()
    };
    let found: Vec<serde_json::Value> = records.iter().map(Received::alert).collect();
    assert_eq!(uuids(&found), uuids(&replayed));
    assert_eq!(found.len(), replayed.len());
    for record in &records {
        let alert = record.alert();
        let is_block = alert["kibana.alert.building_block_type"] == "default";
        assert_eq!(
            record.headers.get("part").map(String::as_str),
            is_block.then_some("building_block")
        );
        assert_eq!(alert["kibana.alert.uuid"], record.headers["alert_id"].as_str());
    }
    let shells = records.iter().filter(|record| !record.headers.contains_key("part")).count();
    let delivered = instance.metric("maxspan_alerts_delivered_total", "");
    assert_eq!(delivered, shells as f64, "a match counts once");
    let observed = instance.metric("maxspan_detection_latency_seconds_count", "");
    assert_eq!(observed, shells as f64, "its latency counts once");
    assert_eq!(instance.terminate(), Some(0));
}

/// An event of one host by the channels of Sysmon and Security, with its number among all.
fn backlog_event(number: usize, channel: &str, second: i64, what: &str) -> String {
    let at = EventTime::from_millis(1_770_000_000_000 + 1_000 * second);
    format!(
        r#"{{"@timestamp":"{at}","host":{{"id":"laptop"}},"winlog":{{"channel":"{channel}"}},{}}}"#,
        what.replace("ID", &number.to_string())
    )
}

/// Two hours of each channel, once a second, with an attack across them in the middle; here and there
/// one of its stages alone.
fn backlog() -> [Vec<String>; 2] {
    let connection = r#""event":{"category":["network"],"type":["start"],"id":"ID"},"process":{"name":"svchost.exe"},"network":{"direction":"ingress"},"source":{"ip":"10.1.2.3","port":50000},"destination":{"ip":"10.1.2.4","port":135}"#;
    let start = r#""event":{"category":["process"],"type":["start"],"id":"ID"},"process":{"name":"cmd.exe","parent":{"name":"WmiPrvSE.exe"}}"#;
    let other = r#""event":{"category":["file"],"type":["change"],"id":"ID"}"#;
    let channel = |name: &str, stage: &str, first: usize, attacked: i64| -> Vec<String> {
        let what = |second| match second {
            _ if second == attacked => stage,
            // Alone: the other channel has none within maxspan.
            _ if second % 1_800 == first as i64 % 900 => stage,
            _ => other,
        };
        let event = |second| backlog_event(first + second as usize, name, second, what(second));
        (0..7_200).map(event).collect()
    };
    [channel("Sysmon", connection, 10_400, 3_600), channel("Security", start, 30_000, 3_602)]
}

/// A laptop that was away for two hours drains its channels one after the other, or side by side at
/// one to four: the attack across them is found once, whether an instance dies meanwhile or not.
#[test]
fn a_backlog_whose_channels_drift_apart_hides_no_attack() {
    let Some((broker, _turn)) = broker() else { return };
    let rule = "[rule]\nname = \"backlog\"\nrule_id = \"backlog\"\ndescription = \"-\"\n\
                author = [\"-\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\n\
                language = \"eql\"\nquery = \"\"\"sequence by host.id with maxspan=20s\n\
                [network where destination.port == 135]\n\
                [process where process.parent.name : \"WmiPrvSE.exe\"]\"\"\"\n";
    for (name, drained) in [("in-turn", None), ("side-by-side", Some(4))] {
        for dies in [false, true] {
            let mut setup = Setup::new(broker, &format!("backlog-{name}-{dies}"), "");
            let path = setup.directory.path().join("rule.toml");
            std::fs::write(&path, rule).unwrap();
            setup.rules = path.display().to_string();
            let mut instance = setup.instance(0);
            instance.wait_ready();
            let (producer, topic) = (setup.producer(), format!("{}-in", setup.name));
            let [sysmon, security] = backlog();
            let records = interleaved(&sysmon, &security, drained);
            for (number, record) in records.iter().enumerate() {
                send(&producer, &topic, Some(b"laptop"), Some(record.as_bytes()));
                if number == records.len() / 2 && dies {
                    producer.flush(DEADLINE).unwrap();
                    let all = number as f64;
                    instance.wait_for("half is read", |i| {
                        i.metric("maxspan_events_consumed_total", "") > all
                    });
                    instance.kill();
                    instance = setup.instance(0);
                    instance.wait_ready();
                }
            }
            producer.flush(DEADLINE).unwrap();
            let alerts = setup.read("alerts", |records| !records.is_empty());
            instance.wait_for("all is read", |i| i.metric("maxspan_consumer_lag", "") == 0.0);
            let alerts = setup.read("alerts", |records| records.len() >= alerts.len());
            let found: Vec<String> = alerts.iter().map(|a| rule_times(&a.alert())).collect();
            assert_eq!(
                found,
                ["2026-02-02T03:40:00.000Z 2026-02-02T03:40:02.000Z"],
                "{name} {dies}"
            );
            assert_eq!(instance.terminate(), Some(0));
        }
    }
}

/// One after the other, or so many of the first for one of the second.
fn interleaved<'r>(
    first: &'r [String],
    second: &'r [String],
    share: Option<usize>,
) -> Vec<&'r String> {
    let Some(share) = share else { return first.iter().chain(second).collect() };
    let mut second = second.iter();
    let mut all = Vec::new();
    for some in first.chunks(share) {
        all.extend(some);
        all.extend(second.next());
    }
    all.extend(second);
    all
}

/// Returns when the events of an alert happened.
fn rule_times(alert: &serde_json::Value) -> String {
    let events = alert["maxspan"]["sequence"]["events"].as_array().unwrap();
    let times: Vec<&str> = events.iter().map(|e| e["@timestamp"].as_str().unwrap()).collect();
    times.join(" ")
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

#[test]
fn scattered_events_are_found_by_way_of_their_keys() {
    let Some((broker, _turn)) = broker() else { return };
    let corpus = Corpus::make(Settings::MANY_ATTACKS);
    let truth = truth(&corpus);

    let setup = Setup::new(broker, "scattered", &overrides("exact"));
    let instance = setup.instance(0);
    instance.wait_ready();
    setup.scatter_file(&corpus.file(Shape::Raw), |_| ());
    let records = setup.read("alerts", |records| !records.is_empty());
    let found = by_final(&records).len();
    assert!(found * 2 < truth.len(), "{found} of {}: most are missed", truth.len());
    assert_eq!(instance.terminate(), Some(0));

    for delivery in ["exactly_once", "at_least_once"] {
        let mut setup = Setup::new(broker, &format!("rekeyed-{delivery}"), &overrides("exact"));
        setup.kafka = format!("delivery = \"{delivery}\"\n");
        setup.rekey("all", "20s");
        let instances = [setup.instance(0), setup.instance(1)];
        instances.iter().for_each(Instance::wait_ready);
        let shares = || [0, 1].map(|i| instances[i].metric("maxspan_partitions_assigned", ""));
        instances[0].wait_for("both share the partitions", |_| {
            shares().iter().all(|share| *share > 0.0)
                && shares().iter().sum::<f64>() == f64::from(PARTITIONS + REKEY_PARTITIONS)
        });
        setup.scatter_file(&corpus.file(Shape::Raw), |_| ());
        let records = setup.read("alerts", |records| by_final(records).len() >= truth.len());
        let found: BTreeSet<_> = by_final(&records).into_keys().collect();
        assert_eq!(found, truth, "{delivery}");
        assert_eq!(records.len(), truth.len(), "{delivery}: without a crash each comes once");
        let rekeyed: f64 =
            instances.iter().map(|i| i.metric("maxspan_rekeyed_records_total", "")).sum();
        println!("{delivery}: {rekeyed} of 100000 records were forwarded");
        for instance in instances {
            assert_eq!(instance.terminate(), Some(0));
        }
    }
}

#[test]
fn scattered_events_survive_the_death_of_an_instance() {
    let Some((broker, _turn)) = broker() else { return };
    let corpus = Corpus::make(Settings::MANY_ATTACKS.late());
    let mut setup = Setup::new(broker, "rekey-killed", &overrides("exact"));
    setup.rekey("all", "60s");
    let survivor = setup.instance(0);
    let mut victim = Some(setup.instance(1));
    survivor.wait_ready();
    victim.as_ref().unwrap().wait_ready();
    setup.scatter_file(&corpus.file(Shape::Raw), |number| {
        let works = |victim: &Instance| victim.metric("maxspan_rekeyed_records_total", "") > 10.0;
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
fn user_is_followed_over_hosts_in_different_partitions() {
    let Some((broker, _turn)) = broker() else { return };
    let mut setup = Setup::new(broker, "users", "");
    let rule = "[rule]\nname = \"one user on two hosts\"\nrule_id = \"user\"\n\
                description = \"-\"\nauthor = [\"-\"]\nseverity = \"low\"\nrisk_score = 21\n\
                type = \"eql\"\nlanguage = \"eql\"\nquery = '''\n\
                sequence by user.name with maxspan=1m\n\
                  [authentication where event.outcome == \"failure\"]\n\
                  [authentication where event.outcome == \"success\"]\n'''\n";
    std::fs::write(setup.directory.path().join("user.toml"), rule).unwrap();
    setup.rules = setup.directory.path().join("user.toml").display().to_string();
    setup.rekey("other_keys", "20s");
    let instance = setup.instance(0);
    instance.wait_ready();
    let producer = setup.producer();
    for (partition, user, outcome, second) in [
        (0, "alice", "failure", 0),
        (1, "bob", "failure", 1),
        (2, "carol", "success", 2),
        (5, "alice", "success", 3),
        (4, "bob", "unknown", 4),
    ] {
        let event = serde_json::json!({
            "@timestamp": format!("2026-03-02T08:00:0{second}.000Z"),
            "event": {"category": ["authentication"], "outcome": outcome},
            "host": {"id": format!("host-{partition}")},
            "user": {"name": user},
        })
        .to_string();
        send_to(&producer, "users-in", Some(partition), None, Some(event.as_bytes()));
    }
    producer.flush(DEADLINE).unwrap();
    let alerts = setup.read("alerts", |records| !records.is_empty());
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].key.as_deref(), Some("alice"));
    let alert = alerts[0].alert();
    let events = alert["maxspan"]["sequence"]["events"].as_array().unwrap();
    let place = |event: &serde_json::Value| {
        let maxspan = &event["maxspan"];
        format!("{} {}", maxspan["topic"].as_str().unwrap(), maxspan["partition"])
    };
    let places: Vec<String> = events.iter().map(place).collect();
    assert_eq!(places, ["users-in 0", "users-in 5"], "where the events stood first");
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn without_a_topic_for_rekeyed_events_it_is_not_ready_and_says_why() {
    let Some((broker, _turn)) = broker() else { return };
    let mut setup = Setup::new(broker, "no-rekey", "");
    setup.kafka = "[kafka.rekey]\nrules = \"all\"\ntopic = \"no-rekey-between\"\n".to_owned();
    let instance = setup.instance(0);
    instance.wait_for("says why", |instance| {
        let says_why = |body: &str| {
            body.contains("no-rekey-between --partitions 12 --config message.timestamp.type")
        };
        instance.get("/readyz").is_some_and(|(status, body)| status == 503 && says_why(&body))
    });
    broker.create_topic("no-rekey-between", REKEY_PARTITIONS, &[]);
    instance.wait_ready();
    let all = f64::from(PARTITIONS + REKEY_PARTITIONS);
    instance.wait_for("its partitions", |i| i.metric("maxspan_partitions_assigned", "") == all);
    assert_eq!(instance.terminate(), Some(0));
}
