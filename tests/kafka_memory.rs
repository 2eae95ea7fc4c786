//! The memory of `maxspan run` on a real Apache Kafka, where a little that comes in is much when it
//! is unpacked. Default settings; the peak is what the kernel has seen (`VmHWM`).
//!
//! What takes longer runs with `make chaos`. Where no broker can be had the tests say so
//! (`make kafka-jars` fetches it).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "support/admin.rs"]
mod admin;
#[path = "support/broker.rs"]
mod broker;
#[path = "support/flood.rs"]
mod flood;
#[path = "support/live.rs"]
mod live;
#[path = "support/pairs.rs"]
mod pairs;
#[path = "support/process.rs"]
mod process;
mod support;

use flood::*;
use live::*;
use rdkafka::producer::Producer;

#[test]
fn events_that_were_packed_a_thousandfold_fit_into_memory() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = default_setup(broker, "packed", 6);
    let producer = packing_producer(&setup);
    // No text gets smaller than this: gzip has a limit of about 1 in 1,030.
    let words = ("a", 900_000);
    Fill { partition: 0, count: 1_100, words, pairs: 0..20 }.send(&setup, &producer);
    producer.flush(DEADLINE).unwrap();
    let instance = setup.instance(0);
    wait_committed_or_told(&setup, &instance);
    pairs::check(&setup, 20);
    assert!(print_peak("950 MB of events in 1 MB of gzip", &instance) < LIMIT);
    end_drained(instance);
}

#[test]
fn garbage_in_twelve_partitions_fits_into_memory() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = default_setup(broker, "garbage", WIDE);
    send_garbage(&setup);
    let instance = setup.instance(0);
    wait_letters(&setup, &instance);
    assert!(print_peak("large garbage", &instance) < LIMIT);
    end_drained(instance);
}
