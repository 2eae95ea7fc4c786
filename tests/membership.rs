//! `maxspan run` as a member of a group on a real Kafka: how partitions come and go, where each
//! starts, and what is said when topics or offsets are not as they should be.
//!
//! What takes longer than a few seconds runs with `make chaos`. Where no broker can be had the
//! tests say so (`make kafka-jars` fetches it).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/live.rs"]
mod live;
#[path = "support/pairs.rs"]
mod pairs;
mod support;

use std::cell::Cell;
use std::time::{Duration, Instant};

use live::*;
use pairs::*;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

const STARTS: &str = "maxspan_partition_starts_total";
const ASSIGNED: &str = "maxspan_partitions_assigned";

/// Waits until a metric has not changed for a while.
fn wait_quiet(instance: &Instance, metric: &str, quiet: Duration) {
    let last = Cell::new((f64::NAN, Instant::now()));
    instance.wait_for(&format!("{metric} is quiet"), |instance| {
        let now = instance.metric(metric, "");
        if now != last.get().0 {
            last.set((now, Instant::now()));
        }
        last.get().1.elapsed() > quiet
    });
}

fn wait_all(instance: &Instance) {
    instance.wait_for("has all", |i| i.metric(ASSIGNED, "") == f64::from(PARTITIONS));
}

fn wait_shared(instances: &[&Instance]) {
    let shares = || instances.iter().map(|instance| instance.metric(ASSIGNED, ""));
    instances[0].wait_for("all share", |_| {
        shares().all(|share| share > 0.0) && shares().sum::<f64>() == f64::from(PARTITIONS)
    });
}

fn send_to(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    partition: i32,
    payload: &str,
) {
    let record: BaseRecord<'_, [u8], str> =
        BaseRecord::to(topic).partition(partition).payload(payload);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// Removes the records of a partition before an offset.
fn delete_before(setup: &Setup<'_>, partition: i32, offset: i64) {
    let admin: AdminClient<DefaultClientContext> = setup.broker.client().create().unwrap();
    let mut list = TopicPartitionList::new();
    let topic = format!("{}-in", setup.name);
    list.add_partition_offset(&topic, partition, Offset::Offset(offset)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
}

#[test]
fn topic_that_is_not_keyed_by_host_is_told_and_a_keyed_one_is_named() {
    let Some((broker, _turn)) = broker() else { return };
    let (keyed, scattered) = (setup(broker, "keyed"), setup(broker, "scattered"));
    let instances = [keyed.instance(0), scattered.instance(0)];
    instances.iter().for_each(Instance::wait_ready);
    instances.iter().for_each(wait_all);
    let producer = keyed.producer();
    for round in 0..30 {
        send_step(&keyed, &producer, "X", 0..40);
        for host in 0..40 {
            let event = event("X", &format!("host-{host}"), &format!("{round}-{host}"));
            send_to(&producer, "scattered-in", (round + host) % PARTITIONS, &event);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    producer.flush(DEADLINE).unwrap();
    let ratio = "maxspan_partition_alignment_ratio";
    let [keyed, scattered] = instances;
    // librdkafka's own choice is a CRC of the key.
    keyed.wait_for("names the hash", |i| i.metric(ratio, "function=\"crc32\"") == 1.0);
    assert!(keyed.metric(ratio, "function=\"murmur2\"") < 0.9);
    assert_eq!(keyed.metric("maxspan_degraded", ""), 0.0);
    scattered.wait_for("says what is wrong", |instance| {
        let is_told = |body: &str| body.starts_with("ok\n") && body.contains("'%{[host.id]}'");
        instance.get("/readyz").is_some_and(|(status, body)| status == 200 && is_told(&body))
    });
    assert_eq!(scattered.metric("maxspan_degraded", "partitioning"), 1.0);
    assert!(scattered.metric("maxspan_hosts_on_several_partitions", "") >= 10.0);
    scattered.wait_for("counts", |i| i.metric(ratio, "function=\"fnv1a_host_id\"") > 0.0);
    assert!(scattered.metric(ratio, "function=\"fnv1a_host_id\"") < 0.5);
    let (_, status) = scattered.get("/api/v1/status").unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["ready"], true);
    let degraded = status["degraded"][0].as_str().unwrap();
    assert!(degraded.contains("`scattered-in`"), "{degraded}");
    assert!(scattered.log().contains("lie in several partitions"), "{}", scattered.log());
    for instance in [keyed, scattered] {
        assert_eq!(instance.terminate(), Some(0));
    }
}

#[test]
fn partitions_that_come_back_untouched_go_on_without_reading_back() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = setup(broker, "warm");
    let first = setup.instance(0);
    first.wait_ready();
    wait_all(&first);
    let producer = setup.producer();
    send_step(&setup, &producer, "A", 0..48);
    first.wait_for("has taken them in", |i| i.metric("maxspan_pending_sequences", "") == 48.0);
    // What idle time decides is committed as well; then there is nothing more to commit.
    wait_quiet(&first, "maxspan_commits_total", Duration::from_secs(4));
    let second = setup.instance(1);
    wait_shared(&[&first, &second]);
    assert_eq!(first.metric("maxspan_kept_partitions", ""), 3.0);
    assert_eq!(second.metric(STARTS, "how=\"replay\""), 3.0);
    assert_eq!(second.terminate(), Some(0));
    wait_all(&first);
    assert_eq!(first.metric(STARTS, "how=\"warm\""), 3.0, "{}", first.log());
    send_step(&setup, &producer, "B", 0..48);
    check(&setup, 48);

    // What somebody else has committed in the meantime is read back.
    send_step(&setup, &producer, "A", 48..96);
    first.wait_for("has taken them in", |i| i.metric("maxspan_pending_sequences", "") == 48.0);
    let second = setup.instance(1);
    wait_shared(&[&first, &second]);
    send_step(&setup, &producer, "X", 0..48);
    second.wait_for("commits", |i| i.metric("maxspan_commits_total", "result=\"ok\"") > 0.0);
    assert_eq!(second.terminate(), Some(0));
    wait_all(&first);
    assert_eq!(first.metric(STARTS, "how=\"warm\""), 3.0, "{}", first.log());
    assert_eq!(first.metric(STARTS, "how=\"replay\""), 3.0, "{}", first.log());
    send_step(&setup, &producer, "B", 48..96);
    check(&setup, 96);
    assert_eq!(first.terminate(), Some(0));
}

#[test]
fn records_that_are_gone_are_told_and_the_rest_goes_on() {
    let Some((broker, _turn)) = broker() else { return };
    let mut setup = setup(broker, "gone");
    let producer = setup.producer();
    let send = |code: &str, host: &str| {
        send_to(&producer, "gone-in", 0, &event(code, host, &format!("{host}-{code}")));
        producer.flush(DEADLINE).unwrap();
    };
    let alerts = |count: usize| {
        let alerts = setup.read("alerts", |records| records.len() >= count);
        alerts.iter().map(final_id).collect::<Vec<_>>()
    };
    let first = setup.instance(0);
    first.wait_ready();
    send("A", "lost");
    (0..20).for_each(|_| send("X", "other"));
    first.wait_for("has read them", |i| i.metric("maxspan_events_consumed_total", "") == 21.0);
    assert_eq!(first.terminate(), Some(0));

    // What the pending sequence began with is gone.
    delete_before(&setup, 0, 10);
    let second = setup.instance(0);
    second.wait_ready();
    second.wait_for("says so", |i| i.metric(STARTS, "how=\"replay_truncated\"") == 1.0);
    assert_eq!(second.metric("maxspan_replay_truncated_total", ""), 1.0);
    assert!(second.log().contains("raise the topic's `retention.ms`"), "{}", second.log());
    send("B", "lost");
    send("A", "whole");
    send("B", "whole");
    assert_eq!(alerts(1), ["whole-B"]);
    assert_eq!(second.terminate(), Some(0));

    // What comes next is gone as well.
    (0..20).for_each(|_| send("X", "other"));
    delete_before(&setup, 0, 40);
    // Another rule beside the first one begins where the partition is.
    let other = RULE.replace("two-steps", "other-steps").replace("\"A\"", "\"C\"");
    write_rules(&mut setup, &[RULE, &other]);
    let third = setup.instance(0);
    third.wait_ready();
    third.wait_for("says so", |i| i.metric(STARTS, "how=\"records_gone\"") == 1.0);
    assert_eq!(third.metric("maxspan_replay_truncated_total", ""), 1.0);
    assert_eq!(third.metric("maxspan_new_rule_starts_total", ""), f64::from(PARTITIONS));
    assert!(third.log().contains("rules are new since the last commit"), "{}", third.log());
    for code in ["A", "C", "B"] {
        send_to(&producer, "gone-in", 0, &event(code, "after", &format!("after-{code}")));
    }
    producer.flush(DEADLINE).unwrap();
    let found = setup.read("alerts", |records| records.len() >= 3);
    assert_eq!(found.iter().map(final_id).collect::<Vec<_>>(), ["whole-B", "after-B", "after-B"]);
    assert_eq!(third.terminate(), Some(0));
}

#[test]
fn foreign_metadata_means_an_empty_state_and_is_told() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = setup(broker, "metadata");
    let consumer: BaseConsumer = broker.client().set("group.id", "metadata").create().unwrap();
    let commit = |texts: &[&str]| {
        let mut list = TopicPartitionList::new();
        for (partition, text) in texts.iter().enumerate() {
            let mut element = list.add_partition("metadata-in", partition as i32);
            element.set_offset(Offset::Offset(0)).unwrap();
            element.set_metadata(text);
        }
        consumer.commit(&list, CommitMode::Sync)
    };
    let (longest, too_long) = ("x".repeat(4_096), "x".repeat(4_097));
    commit(&[&too_long]).expect_err("brokers keep no more than 4,096 bytes");
    let texts = ["by another tool; \u{fc}", "\u{0}\u{1}\u{fffd}", "maxspan9;cut=1", &longest];
    commit(&texts).unwrap();
    let instance = setup.instance(0);
    instance.wait_ready();
    wait_all(&instance);
    assert_eq!(instance.metric(STARTS, "how=\"unreadable_metadata\""), 4.0);
    assert_eq!(instance.metric(STARTS, "how=\"missing_offset\""), 2.0);
    let producer = setup.producer();
    for code in ["A", "B"] {
        send_step(&setup, &producer, code, 0..24);
    }
    check(&setup, 24);
    assert_eq!(instance.terminate(), Some(0));
    // What is ours is read again.
    let instance = setup.instance(0);
    instance.wait_ready();
    wait_all(&instance);
    assert_eq!(instance.metric(STARTS, "how=\"replay\""), f64::from(PARTITIONS));
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn operator_decides_where_to_start_without_offsets() {
    let Some((broker, _turn)) = broker() else { return };
    let latest = {
        let mut setup = setup(broker, "latest");
        setup.kafka.push_str("on_missing_offsets = \"latest\"\n");
        setup
    };
    let producer = latest.producer();
    send_step(&latest, &producer, "A", 0..24);
    let instance = latest.instance(0);
    instance.wait_ready();
    wait_all(&instance);
    assert_eq!(instance.metric(STARTS, "how=\"missing_offset\""), f64::from(PARTITIONS));
    send_step(&latest, &producer, "B", 0..24);
    for code in ["A", "B"] {
        send_step(&latest, &producer, code, 24..30);
    }
    let found = latest.read("alerts", |records| records.len() >= 6);
    assert_eq!(found.len(), 6, "what was there before is not read");
    assert_eq!(instance.terminate(), Some(0));

    let mut fail = setup(broker, "fail");
    fail.kafka.push_str("on_missing_offsets = \"fail\"\n");
    let mut instance = fail.instance(0);
    let status = instance.wait_end();
    assert!(status.code().is_some_and(|code| code != 0), "{status:?}");
    assert!(instance.log().contains("`kafka.on_missing_offsets` is `fail`"), "{}", instance.log());
}

#[test]
fn topics_that_do_not_keep_what_is_needed_are_told_or_refused() {
    let Some((broker, _turn)) = broker() else { return };
    let with_topic = |name: &str, setting: (&str, &str)| {
        broker.create_topic(&format!("{name}-in"), PARTITIONS, &[setting]);
        broker.create_topic(&format!("{name}-alerts"), 1, &[]);
        broker.create_topic(&format!("{name}-dead"), 1, &[]);
        with_rule(Setup::bare(broker, name, tempfile::tempdir().unwrap()))
    };
    let short = with_topic("short", ("retention.ms", "600000"));
    let compacted = with_topic("compacted", ("cleanup.policy", "compact"));
    let instances = [short.instance(0), compacted.instance(0)];
    let says = |status: u16, words: &'static str| {
        move |instance: &Instance| {
            let page = instance.get("/readyz");
            page.is_some_and(|(found, body)| found == status && body.contains(words))
        }
    };
    // Three times the rule's 64 s and an eighth of it, and an hour.
    instances[0].wait_for("says so", says(200, "raise its `retention.ms` to 5232000"));
    assert_eq!(instances[0].metric("maxspan_topic_retention_seconds", ""), 600.0);
    assert_eq!(instances[0].metric("maxspan_degraded", "retention"), 1.0);
    instances[1].wait_for("says so", says(503, "topic `compacted-in` is compacted"));
    instances[1].wait_for("gives up", |i| i.metric(ASSIGNED, "") == 0.0);
    for instance in instances {
        assert_eq!(instance.terminate(), Some(0));
    }
}

#[test]
fn earlier_of_two_static_members_with_one_name_ends_and_says_why() {
    let Some((broker, _turn)) = broker() else { return };
    let mut setup = setup(broker, "static-twins");
    setup.kafka.push_str("group_instance_id = \"one\"\n");
    let mut first = setup.instance(0);
    first.wait_ready();
    let second = setup.instance(1);
    let status = first.wait_end();
    assert!(status.code().is_some_and(|code| code != 0), "{status:?}");
    assert!(first.log().contains("same `kafka.group_instance_id`, `one`"), "{}", first.log());
    second.wait_ready();
    wait_all(&second);
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn second_signal_ends_it_at_once() {
    let Some((broker, _turn)) = broker() else { return };
    broker.create_topic("hasty-in", 1, &[]);
    broker.create_topic("hasty-dead", 1, &[]);
    let setup = with_rule(Setup::bare(broker, "hasty", tempfile::tempdir().unwrap()));
    let mut instance = setup.instance(0);
    instance.wait_for("has a partition", |i| i.metric(ASSIGNED, "") == 1.0);
    let producer = setup.producer();
    // Its output cannot leave: the alerts topic is missing. The end waits for it.
    send_to(&producer, "hasty-in", 0, "not json");
    producer.flush(DEADLINE).unwrap();
    instance.wait_for("output waits", |i| {
        i.metric("maxspan_dlq_records_total", "") == 0.0
            && i.get("/api/v1/status").is_some_and(|(_, body)| body.contains("\"outbox\":1"))
    });
    instance.signal("TERM");
    instance.wait_for("is stopping", |i| {
        i.get("/readyz").is_some_and(|(_, body)| body.contains("stopping"))
    });
    let began = Instant::now();
    instance.signal("TERM");
    assert_eq!(instance.wait_end().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// What takes long.
#[cfg(feature = "failpoints")]
mod long {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const PAIRS: usize = 240;

    /// One, three, then two instances, while pairs of events come in.
    fn scaled(name: &str, kafka: impl Fn(usize) -> String) {
        let Some((broker, _turn)) = broker() else { return };
        let mut setup = setup(broker, name);
        let mut start = |number: usize| {
            setup.kafka = kafka(number);
            setup.instance(number)
        };
        let (first, is_scaled) = (start(0), AtomicBool::new(false));
        first.wait_ready();
        wait_all(&first);
        let others = [start(1), start(2)];
        let mut others = Vec::from(others);
        let setup = &setup;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let producer = setup.producer();
                // The load outlasts the changes: half of it comes after them.
                for pair in 0..PAIRS {
                    for code in ["A", "B"] {
                        send_step(setup, &producer, code, pair..pair + 1);
                    }
                    let began = Instant::now();
                    while pair == PAIRS / 2 && !is_scaled.load(Ordering::Relaxed) {
                        assert!(began.elapsed() < DEADLINE, "not scaled in time");
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    std::thread::sleep(Duration::from_millis(25));
                }
            });
            wait_shared(&[&first, &others[0], &others[1]]);
            assert_eq!(others.remove(0).terminate(), Some(0));
            wait_shared(&[&first, &others[0]]);
            is_scaled.store(true, Ordering::Relaxed);
        });
        check(setup, PAIRS);
        others.push(first);
        for instance in others {
            assert_eq!(instance.terminate(), Some(0));
        }
    }

    #[test]
    fn scaled_with_the_classic_protocol() {
        scaled("scaled-classic", |_| SHORT.to_owned());
    }

    #[test]
    fn scaled_with_the_brokers_protocol() {
        scaled("scaled-consumer", |_| "group_protocol = \"consumer\"\n".to_owned());
    }

    #[test]
    fn scaled_with_static_members() {
        scaled("scaled-static", |number| format!("{SHORT}group_instance_id = \"pod-{number}\"\n"));
    }

    #[test]
    fn brokers_protocol_refuses_a_second_static_member_of_one_name() {
        let Some((broker, _turn)) = broker() else { return };
        let mut setup = setup(broker, "brokers-twins");
        "group_protocol = \"consumer\"\ngroup_instance_id = \"one\"\n".clone_into(&mut setup.kafka);
        let first = setup.instance(0);
        first.wait_ready();
        let mut second = setup.instance(1);
        let status = second.wait_end();
        assert!(status.code().is_some_and(|code| code != 0), "{status:?}");
        assert!(second.log().contains("same `kafka.group_instance_id`, `one`"), "{}", second.log());
        assert_eq!(first.metric(ASSIGNED, ""), f64::from(PARTITIONS));
        assert_eq!(first.terminate(), Some(0));
    }

    #[test]
    fn replay_beyond_its_budget_is_told_with_the_rule_that_needs_it() {
        let Some((broker, _turn)) = broker() else { return };
        let mut setup = setup(broker, "budget");
        let instance = setup.instance(0);
        instance.wait_ready();
        let (producer, count) = (setup.producer(), 60_000);
        for pair in 0..count {
            let host = format!("host-{pair}");
            let event = event("A", &host, &host);
            send(&producer, "budget-in", Some(host.as_bytes()), Some(event.as_bytes()));
        }
        producer.flush(DEADLINE).unwrap();
        let pending = |i: &Instance| i.metric("maxspan_pending_sequences", "") == f64::from(count);
        instance.wait_for("has read them", pending);
        let reaches_back = |i: &Instance| i.metric("maxspan_safe_age_seconds", "") > 0.0;
        instance.wait_for("says how far a restart reaches back", reaches_back);
        assert_eq!(instance.terminate(), Some(0));
        setup.kafka.push_str("replay_budget = \"1ms\"\n");
        let instance = setup.instance(0);
        instance.wait_for("says so", |i| i.log().contains("`kafka.replay_budget`"));
        assert!(instance.log().contains("rule `two-steps` needs"), "{}", instance.log());
        instance.wait_ready();
        assert_eq!(instance.metric("maxspan_replay_records_remaining", ""), 0.0);
        assert_eq!(instance.terminate(), Some(0));
    }

    #[test]
    fn static_member_comes_back_to_its_partitions() {
        let Some((broker, _turn)) = broker() else { return };
        let mut setup = setup(broker, "static-restart");
        let mut start = |number: usize| {
            setup.kafka = format!("{SHORT}group_instance_id = \"pod-{number}\"\n");
            setup.instance(number)
        };
        let (first, second) = (start(0), start(1));
        wait_shared(&[&first, &second]);
        let assigned = first.metric("maxspan_rebalances_total", "");
        assert_eq!(second.terminate(), Some(0));
        let second = start(1);
        second.wait_ready();
        wait_shared(&[&first, &second]);
        assert_eq!(first.metric("maxspan_rebalances_total", ""), assigned, "nothing has moved");
        for instance in [first, second] {
            assert_eq!(instance.terminate(), Some(0));
        }
    }

    #[test]
    fn hash_that_nobody_knows_is_told_after_a_minute() {
        let Some((broker, _turn)) = broker() else { return };
        let setup = setup(broker, "unknown-hash");
        let instance = setup.instance(0);
        instance.wait_ready();
        wait_all(&instance);
        let producer = setup.producer();
        let is_told = |instance: &Instance| instance.metric("maxspan_degraded", "") == 1.0;
        let began = Instant::now();
        while !is_told(&instance) {
            assert!(began.elapsed() < DEADLINE, "{}", instance.log());
            for host in 0..60 {
                // Each host has a partition of its own, but not one that a hash would choose.
                let event = event("X", &format!("host-{host}"), "x");
                send_to(&producer, "unknown-hash-in", host % PARTITIONS, &event);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        assert!(began.elapsed() > Duration::from_secs(55), "{:?}", began.elapsed());
        assert_eq!(instance.metric("maxspan_hosts_on_several_partitions", ""), 0.0);
        assert!(instance.log().contains("a hash of their key"), "{}", instance.log());
        assert_eq!(instance.terminate(), Some(0));
    }
}
