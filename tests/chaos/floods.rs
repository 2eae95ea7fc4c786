//! Valid input that takes long to evaluate, and input that has to wait. Shorter cases are in
//! `tests/kafka_memory.rs`.

use super::*;
use crate::flood::*;

/// A turn over all partitions takes many times as long as anybody waits for a part of a commit.
#[test]
fn c30_large_events_and_costly_rules_strand_nothing() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = default_setup(broker, "slow-turn", WIDE);
    write_costly_rules(&setup, 24);
    let producer = packing_producer(&setup);
    for partition in 0..WIDE {
        let first = 10 * partition as usize;
        let (words, pairs) = (("net use share admin copy move query ", 2_600), first..first + 10);
        Fill { partition, count: 600, words, pairs }.send(&setup, &producer);
    }
    producer.flush(DEADLINE).unwrap();
    let instance = setup.instance(0);
    wait_committed_or_told(&setup, &instance);
    pairs::check(&setup, 10 * WIDE as usize);
    instance.wait_ready();
    let (_, metrics) = instance.get("/metrics").unwrap();
    assert!(metrics.contains(OUTPUT_AGE), "no metric tells how old the output is");
    assert!(print_peak("large events and costly rules", &instance) < CHART_LIMIT);
    end_drained(instance);
    done(began, "twelve partitions of 600 large events each, and 24 costly rules");
}

#[test]
fn c30_large_garbage_without_a_topic_for_it() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = default_setup(broker, "no-letters", WIDE);
    broker.delete_topic("no-letters-dead");
    send_garbage(&setup);
    let instance = setup.instance(0);
    instance.wait_for("says that a topic is missing", |instance| {
        let is_named = |body: &str| body.contains("no-letters-dead");
        instance.get("/readyz").is_some_and(|(status, body)| status == 503 && is_named(&body))
    });
    // It takes in what it may take in.
    std::thread::sleep(Duration::from_secs(20));
    let waiting = print_peak("large garbage that waits", &instance);
    broker.create_topic("no-letters-dead", 1, &[]);
    wait_letters(&setup, &instance);
    instance.wait_ready();
    let all = print_peak("large garbage that has waited", &instance);
    assert!(waiting.max(all) < LIMIT);
    end_drained(instance);
    done(began, "twelve partitions of garbage whose topic comes later");
}
