//! How long it takes until the others have taken over from an instance that was killed under a
//! steady load of real events: `make recovery`.
//!
//! Not run with the other tests: it measures, and asserts only that everything was taken over.
//! `RATE` sets the events per second, `WARM_UP` the seconds before the kill, `PROGRAM` the binary.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

#[path = "support/admin.rs"]
mod admin;
#[path = "support/broker.rs"]
mod broker;
#[path = "support/live.rs"]
mod live;
#[path = "support/load.rs"]
mod load;
mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use live::*;
use load::{Load, number};
use rdkafka::consumer::{BaseConsumer, Consumer};

const INSTANCES: usize = 3;

#[test]
fn time_until_the_others_have_taken_over() {
    let Some((broker, _turn)) = broker() else { return };
    let load = Load::make();
    let setup = Setup::new(broker, "takeover", "");
    broker.set_topic(
        "takeover-in",
        &[("message.timestamp.type", "LogAppendTime"), ("segment.bytes", "67108864")],
    );
    let mut instances: Vec<Instance> = (0..INSTANCES).map(|n| setup.instance(n)).collect();
    instances.iter().for_each(Instance::wait_ready);
    instances[0].wait_for("all share the partitions", |_| {
        instances.iter().all(|i| owned(i) == f64::from(PARTITIONS) / INSTANCES as f64)
    });
    let rate = number("RATE", 20_000);
    std::thread::scope(|scope| {
        scope.spawn(|| load.send(&setup, rate));
        std::thread::sleep(Duration::from_secs(number("WARM_UP", 60)));
        let victim = instances.pop().unwrap();
        measure(&setup, victim, &instances, &load, rate);
        load.is_over.store(true, Ordering::Relaxed);
    });
    for instance in instances {
        assert_eq!(instance.terminate(), Some(0));
    }
}

fn measure(setup: &Setup<'_>, victim: Instance, others: &[Instance], load: &Load, rate: u64) {
    let (sent, over) = (load.sent.load(Ordering::Relaxed), Instant::now());
    let lag = |instances: &[Instance]| -> f64 {
        instances.iter().map(|i| i.metric("maxspan_consumer_lag", "")).sum()
    };
    let usual = lag(others) + victim.metric("maxspan_consumer_lag", "");
    std::thread::sleep(Duration::from_secs(5));
    let sent_per_second =
        (load.sent.load(Ordering::Relaxed) - sent) as f64 / over.elapsed().as_secs_f64();
    println!("before: {sent_per_second:.0} events/s of {rate} wanted, lag {usual:.0} records");
    let replayed =
        || -> f64 { others.iter().map(|i| i.metric("maxspan_events_replayed_total", "")).sum() };
    let (before, taken) = (replayed(), partitions(&victim));
    let reader = alerts_from_now_on(setup);
    let killed = Instant::now();
    victim.kill();
    let (mut assigned, mut rebuilt, mut caught_up, mut alert) = (None, None, None, None);
    let mut peak = 0.0_f64;
    while rebuilt.is_none() || caught_up.is_none() || alert.is_none() {
        assert!(killed.elapsed() < DEADLINE, "{assigned:?} {rebuilt:?} {caught_up:?} {alert:?}");
        let now = Some(killed.elapsed());
        if alert.is_none() && next_alert(&reader).is_some_and(|p| taken.contains(&p)) {
            alert = now;
        }
        if others.iter().map(owned).sum::<f64>() < f64::from(PARTITIONS) {
            continue;
        }
        assigned = assigned.or(now);
        if !others.iter().any(is_replaying) {
            rebuilt = rebuilt.or(now);
        }
        let lag = lag(others);
        peak = peak.max(lag);
        if rebuilt.is_some() && lag < usual + rate as f64 {
            caught_up = caught_up.or(now);
        }
    }
    let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
    println!(
        "killed: reassigned after {:.1} s, rebuilt after {:.1} s, lag below one second of load \
         after {:.1} s (at most {peak:.0} records), first alert of a taken partition after {:.1} s, \
         {:.0} records replayed",
        seconds(assigned),
        seconds(rebuilt),
        seconds(caught_up),
        seconds(alert),
        replayed() - before,
    );
}

fn owned(instance: &Instance) -> f64 {
    instance.metric("maxspan_partitions_assigned", "")
}

fn status(instance: &Instance) -> serde_json::Value {
    let (_, text) = instance.get("/api/v1/status").unwrap();
    serde_json::from_str(&text).unwrap()
}

fn is_replaying(instance: &Instance) -> bool {
    status(instance)["partitions"].as_array().unwrap().iter().any(|p| p["replaying"] == true)
}

fn partitions(instance: &Instance) -> Vec<i64> {
    let status = status(instance);
    let partitions = status["partitions"].as_array().unwrap().iter();
    partitions.map(|p| p["partition"].as_i64().unwrap()).collect()
}

fn alerts_from_now_on(setup: &Setup<'_>) -> BaseConsumer {
    let mut client = setup.broker.client();
    client.set("group.id", "alerts").set("isolation.level", "read_committed");
    client.set("fetch.message.max.bytes", "2000000");
    let consumer: BaseConsumer = client.create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    for partition in 0..2 {
        let (_, end) = consumer.fetch_watermarks("takeover-alerts", partition, DEADLINE).unwrap();
        let end = rdkafka::Offset::Offset(end);
        list.add_partition_offset("takeover-alerts", partition, end).unwrap();
    }
    consumer.assign(&list).unwrap();
    consumer
}

/// Returns the partition that the next alert is about.
fn next_alert(reader: &BaseConsumer) -> Option<i64> {
    let alert = Received::from(&reader.poll(Duration::from_millis(50))?.ok()?).alert();
    alert["maxspan"]["sequence"]["events"][0]["maxspan"]["partition"].as_i64()
}
