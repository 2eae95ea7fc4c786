//! Positions and metadata that are gone, foreign, or point at nothing.

use super::*;

fn ends_of(setup: &Setup<'_>) -> Vec<(i32, i64, i64)> {
    let topic = format!("{}-in", setup.name);
    let ends = |partition| setup.broker.ends(&topic, partition);
    (0..PARTITIONS).map(|partition| (partition, ends(partition).0, ends(partition).1)).collect()
}

/// Commits in the name of the group, which has no member now.
fn commit(setup: &Setup<'_>, partition: i32, position: i64, metadata: &str) {
    let topic = format!("{}-in", setup.name);
    setup.broker.commit(&setup.name, &topic, partition, position, metadata).unwrap();
}

/// Runs an instance over a first load, and ends it.
fn run_once(setup: &Setup<'_>) {
    let instance = setup.instance(0);
    instance.wait_ready();
    under_load(setup, || ());
    check(setup);
    end([instance]);
}

/// Looks that `times` alerts have come for each pair, under one id.
fn check_times(setup: &Setup<'_>, pairs: usize, times: usize) {
    let alerts = setup.read("alerts", |records| records.len() >= pairs * times);
    let ids: BTreeSet<&String> = alerts.iter().map(|alert| &alert.headers["alert_id"]).collect();
    assert_eq!((alerts.len(), ids.len()), (pairs * times, pairs), "{}", setup.name);
}

#[test]
fn c19_input_deleted_and_made_again_while_running() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let mut setup = setup(broker, "remade");
    setup.kafka = setup
        .kafka
        .replace("properties = {", "properties = { \"topic.metadata.refresh.interval.ms\" = 2000,");
    let instance = setup.instance(0);
    instance.wait_ready();
    under_load(&setup, || ());
    check(&setup);
    broker.delete_topic("remade-in");
    broker.create_topic("remade-in", PARTITIONS, &[("message.timestamp.type", "LogAppendTime")]);
    under_load_of(&setup, PAIRS..PAIRS + 100, send_pair, || ());
    check_alerts(&setup, 0..PAIRS + 100);
    instance.wait_ready();
    end([instance]);
    done(began, "input deleted and made again while running");
}

#[test]
fn c19_input_made_again_and_positions_beyond_its_end() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, "beyond");
    run_once(&setup);
    let metadata = broker.committed("beyond", "beyond-in", 0).unwrap().1;
    broker.delete_topic("beyond-in");
    broker.create_topic("beyond-in", PARTITIONS, &[("message.timestamp.type", "LogAppendTime")]);
    under_load_of(&setup, PAIRS..PAIRS + 50, send_pair, || ());
    for (partition, _, end) in ends_of(&setup) {
        commit(&setup, partition, end + 1_000, &metadata);
    }
    let instance = setup.instance(0);
    check_alerts(&setup, 0..PAIRS + 50);
    instance.wait_ready();
    end([instance]);
    done(began, "input made again while stopped, positions beyond its end");
}

/// Everything that was read (and, `with_more`, what came afterwards) is deleted while stopped.
fn records_expire(name: &str, with_more: &[usize]) {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, name);
    let topic = format!("{name}-in");
    let instance = setup.instance(0);
    instance.wait_ready();
    // The first steps of pairs that will not be completed in time.
    let open = 9_000..9_020;
    under_load_of(&setup, 0..50, send_pair, || {
        let producer = setup.producer();
        for pair in open.clone() {
            let host = format!("open-{pair}");
            send_event(&setup, &producer, &host, &event("A", &host, pair));
        }
        producer.flush(DEADLINE).unwrap();
    });
    check_alerts(&setup, 0..50);
    end([instance]);
    let producer = setup.producer();
    with_more.iter().for_each(|pair| send_pair(&setup, &producer, *pair));
    producer.flush(DEADLINE).unwrap();
    let stamped = ("message.timestamp.type", "LogAppendTime");
    broker.set_topic(&topic, &[stamped, ("retention.ms", "1000")]);
    broker.until("the log is empty", || ends_of(&setup).iter().all(|(_, low, end)| low == end));
    broker.set_topic(&topic, &[stamped]);

    let instance = setup.instance(0);
    instance.wait_ready();
    instance.wait_for("has all", |i| i.metric("maxspan_partitions_assigned", "") == 6.0);
    for pair in open {
        let host = format!("open-{pair}");
        send_event(&setup, &producer, &host, &event("B", &host, pair));
    }
    producer.flush(DEADLINE).unwrap();
    under_load_of(&setup, 50..100, send_pair, || ());
    check_alerts(&setup, 0..100);
    assert!(instance.metric("maxspan_replay_truncated_total", "") > 0.0);
    instance.wait_ready();
    end([instance]);
    let lost = if with_more.is_empty() { "safe offset" } else { "safe offset and position" };
    done(began, &format!("{lost} deleted by retention"));
}

#[test]
fn c20_safe_offset_deleted_by_retention() {
    records_expire("expired-safe", &[]);
}

#[test]
fn c20_position_deleted_by_retention() {
    records_expire("expired-position", &(2_000..2_100).collect::<Vec<_>>());
}

#[test]
fn c21_offsets_gone_start_where_the_operator_wants() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let mut setup = setup(broker, "missing");
    run_once(&setup);
    let usual = setup.kafka.clone();

    broker.delete_group("missing");
    setup.kafka = format!("{usual}on_missing_offsets = \"fail\"\n");
    let mut instance = setup.instance(0);
    let status = instance.wait_end();
    assert!(status.code().is_some_and(|code| code != 0), "{status:?}");
    let log = instance.log();
    assert!(log.contains("on_missing_offsets") && log.contains("`missing-in`"), "{log}");

    setup.kafka = format!("{usual}on_missing_offsets = \"latest\"\n");
    let instance = setup.instance(0);
    instance.wait_ready();
    instance.wait_for("has all", |i| i.metric("maxspan_partitions_assigned", "") == 6.0);
    under_load_of(&setup, PAIRS..PAIRS + 50, send_pair, || ());
    check_alerts(&setup, 0..PAIRS + 50);
    end([instance]);

    broker.delete_group("missing");
    setup.kafka = format!("{usual}on_missing_offsets = \"earliest\"\n");
    let instance = setup.instance(0);
    check_times(&setup, PAIRS + 50, 2);
    end([instance]);
    done(began, "offsets gone: fail, latest, earliest");
}

#[test]
fn c21_offsets_expire_while_stopped() {
    let more = "offsets.retention.minutes=1\n";
    let what = "chaos: offsets that expire";
    let Some(broker) = Broker::start_with_or_not_run(1, more, what) else { return };
    let began = Instant::now();
    let setup = setup(&broker, "expiring");
    run_once(&setup);
    broker.until("offsets expire", || broker.committed("expiring", "expiring-in", 0).is_none());
    let instance = setup.instance(0);
    check_times(&setup, PAIRS, 2);
    end([instance]);
    done(began, "offsets expired by the broker after a minute: all again, under the same ids");
}

#[test]
fn c22_offsets_reset_forward_and_back() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, "reset");
    run_once(&setup);
    // To the end, past pairs that came meanwhile: they are skipped.
    under_load_of(&setup, 5_000..5_050, send_pair, || ());
    let ends = ends_of(&setup);
    ends.iter().for_each(|(partition, _, end)| commit(&setup, *partition, *end, ""));
    let instance = setup.instance(0);
    instance.wait_ready();
    instance.wait_for("has all", |i| i.metric("maxspan_partitions_assigned", "") == 6.0);
    under_load_of(&setup, PAIRS..PAIRS + 50, send_pair, || ());
    check_alerts(&setup, 0..PAIRS + 50);
    end([instance]);
    // Back to the end of a moment ago: what came since comes once more.
    ends.iter().for_each(|(partition, _, end)| commit(&setup, *partition, *end, ""));
    let instance = setup.instance(0);
    let alerts = setup.read("alerts", |records| records.len() >= PAIRS + 100);
    let mut finals: Vec<String> = alerts.iter().map(final_id).collect();
    let mut expected: Vec<String> =
        (0..PAIRS + 50).chain(PAIRS..PAIRS + 50).map(|pair| format!("{pair}-B")).collect();
    finals.sort();
    expected.sort();
    assert_eq!(finals, expected);
    end([instance]);
    // Back to the start: everything, the skipped pairs too, under the ids that were given.
    ends.iter().for_each(|(partition, low, _)| commit(&setup, *partition, *low, ""));
    let instance = setup.instance(0);
    let pairs = PAIRS + 100;
    let alerts = setup.read("alerts", |records| records.len() >= PAIRS + 100 + pairs);
    let ids: BTreeSet<&String> = alerts.iter().map(|alert| &alert.headers["alert_id"]).collect();
    assert_eq!((alerts.len(), ids.len()), (PAIRS + 100 + pairs, pairs));
    end([instance]);
    done(began, "offsets reset forward and back by hand");
}

#[test]
fn c23_metadata_that_is_not_ours() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, "foreign");
    run_once(&setup);
    let ours = |partition| broker.committed("foreign", "foreign-in", partition).unwrap().1;
    assert!(ours(3).starts_with("maxspan3;"));
    let texts = [
        "written by another tool; \u{fc}".to_owned(),
        "\u{1}\u{2}\u{fffd}\u{fffd}\u{7f}\u{fffd}\t\r\n\u{10ffff}".to_owned(),
        "x".repeat(4_096),
        ours(3).replacen("maxspan3", "maxspan99", 1),
        ours(4)[..ours(4).len() / 2].to_owned(),
        // As ours, of another partition: its offsets mean nothing here.
        ours(0),
    ];
    for ((partition, _, end), text) in ends_of(&setup).into_iter().zip(&texts) {
        commit(&setup, partition, end, text);
    }
    let too_long = broker.commit("foreign", "foreign-in", 2, 0, &"x".repeat(4_097));
    assert!(too_long.is_err(), "the broker keeps 4,096 bytes");
    let instance = setup.instance(0);
    instance.wait_ready();
    under_load_of(&setup, PAIRS..2 * PAIRS, send_pair, || ());
    check_alerts(&setup, 0..2 * PAIRS);
    // What was foreign is replaced.
    assert!((0..PARTITIONS).all(|partition| ours(partition).starts_with("maxspan3;")));
    end([instance]);
    done(began, "foreign, binary, longest, future, torn and misplaced metadata");
}

#[test]
fn c23_metadata_longer_than_the_broker_keeps() {
    let more = "offset.metadata.max.bytes=64\n";
    let what = "chaos: a broker that keeps little metadata";
    let Some(broker) = Broker::start_with_or_not_run(1, more, what) else { return };
    let began = Instant::now();
    let setup = setup(&broker, "little");
    let instance = setup.instance(0);
    instance.wait_for("starts", |i| i.metric("maxspan_partitions_assigned", "") == 6.0);
    under_load(&setup, || {
        instance.wait_for("says what is too long", |instance| {
            let says_why = |body: &str| body.contains("cannot be committed");
            instance.get("/readyz").is_some_and(|(s, body)| s == 503 && says_why(&body))
        });
    });
    assert_eq!(instance.metric("maxspan_alerts_delivered_total", ""), 0.0);
    assert!(setup.read("alerts", |_| true).is_empty());
    println!("{:?}", instance.get("/readyz"));
    drop(instance);
    done(began, "a broker that keeps less metadata than needed: not ready, nothing visible");
}
