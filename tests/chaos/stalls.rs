//! Parts that stand still for a while, and the rest that has to go on: a worker, a broker.

use super::*;

/// Longer than anybody waits for a worker's part of a commit.
const FROZEN: Duration = Duration::from_secs(10);

#[test]
fn c31_frozen_worker_strands_nothing() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let mut setup = setup_of(broker, "frozen-worker", RULES, AMPLE);
    setup.workers = 3;
    let held = setup.directory.path().join("held");
    let instance = setup.instance_that(0, &format!("in_turn:4:HOLD={}", held.display()));
    under_load(&setup, || {
        instance.wait_for("one worker is held", |_| held.exists());
        std::thread::sleep(FROZEN);
        std::fs::remove_file(&held).unwrap();
    });
    check(&setup);
    wait_committed(&setup);
    instance.wait_ready();
    end([instance]);
    done(began, "one of three workers frozen for 10 s");
}

/// Two instances on three brokers, of which the one that leads a topic's first partition is frozen
/// for longer than its session.
#[test]
fn c32_one_of_three_brokers_is_frozen_and_goes_on() {
    let Some((cluster, _turn)) = cluster() else { return };
    let began = Instant::now();
    let setup = setup_of(cluster, "frozen-broker", RULES, AMPLE);
    let instances = [setup.instance(0), setup.instance(1)];
    wait_shared(&setup, &[&instances[0], &instances[1]]);
    let node = cluster.leader("frozen-broker-alerts", 0).unwrap();
    under_load(&setup, || {
        wait_delivered(&[&instances[0], &instances[1]], 50.0);
        cluster.freeze_node(node);
        std::thread::sleep(2 * FROZEN);
        cluster.thaw_node(node);
    });
    check(&setup);
    instances.iter().for_each(Instance::wait_ready);
    end(instances);
    done(began, "the leader of the alerts frozen for 20 s");
}

#[test]
fn c32_the_only_broker_is_frozen_and_goes_on() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup_of(broker, "frozen-alone", RULES, AMPLE);
    let instances = [setup.instance(0), setup.instance(1)];
    wait_shared(&setup, &[&instances[0], &instances[1]]);
    under_load(&setup, || {
        wait_delivered(&[&instances[0], &instances[1]], 50.0);
        broker.freeze_node(0);
        std::thread::sleep(2 * FROZEN);
        broker.thaw_node(0);
    });
    check(&setup);
    instances.iter().for_each(Instance::wait_ready);
    end(instances);
    done(began, "the only broker frozen for 20 s");
}

/// A fault of ours, in the midst of a partition's state.
#[test]
fn c36_detector_that_fails_on_a_record_goes_on_without_it() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup_of(broker, "fault-of-ours", RULES, AMPLE);
    let instance = setup.instance_that(0, "in_record:150:PANIC");
    under_load(&setup, || ());
    let (letters, found) = (PAIRS / EVERY, "what is not the failing record's is there");
    instance.wait_for(found, |i| i.metric("maxspan_dlq_records_total", "") >= letters as f64);
    let reason = |record: &Received| record.headers["reason"].clone();
    let dead = setup.read("dead", |records| records.len() >= letters);
    let failed: Vec<&Received> =
        dead.iter().filter(|record| reason(record) == "internal").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(instance.metric("maxspan_detector_rebuilds_total", ""), 1.0);
    // The record may be a step of a pair, or unreadable itself: at most one pair is missed.
    wait_committed(&setup);
    let alerts = setup.read("alerts", |records| records.len() >= PAIRS - 1);
    let finals: BTreeSet<String> = alerts.iter().map(final_id).collect();
    assert_eq!(finals.len(), alerts.len(), "each alert once");
    assert!(alerts.len() >= PAIRS - 1);
    instance.wait_ready();
    end([instance]);
    done(began, "the detector fails on one record");
}
