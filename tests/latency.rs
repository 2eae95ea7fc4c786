//! How long it takes until an alert can be read by somebody who reads only what is committed, in both modes of
//! delivery: from the sending of its last record, and from the broker's stamp on it. `make latency`.
//!
//! Not run with the other tests: it measures, and asserts only that every alert came.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/live.rs"]
mod live;
#[path = "support/load.rs"]
mod load;
mod support;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use live::*;
use load::{Load, number};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::{ClientContext, Message};

const PAIRS: usize = 200;

const RULE: &str = "[rule]\nname = \"Two steps\"\nrule_id = \"two-steps\"\ndescription = \"-\"\n\
     author = [\"-\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\n\
     query = '''sequence by host.id with maxspan=20s [any where event.code == \"A\"] \
     [any where event.code == \"B\"]'''\n";

#[test]
fn from_arrival_to_a_visible_alert() {
    let Some((broker, _turn)) = broker() else { return };
    for delivery in ["at_least_once", "exactly_once"] {
        let name = format!("latency-{}", delivery.replace('_', "-"));
        let mut setup = Setup::new(broker, &name, "");
        setup.kafka = format!("delivery = \"{delivery}\"\n");
        let rules = setup.directory.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("rule.toml"), RULE).unwrap();
        setup.rules = rules.display().to_string();
        let instance = setup.instance(0);
        instance.wait_ready();
        let took = under_load(&setup);
        assert_eq!(instance.terminate(), Some(0));
        print_times(delivery, "send", took.iter().map(|took| took.from_send).collect());
        print_times(delivery, "append", took.iter().map(|took| took.from_append).collect());
    }
}

fn print_times(delivery: &str, since: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let (count, longest) = (times.len(), times[times.len() - 1]);
    let (p50, p90, p99) = (at(50), at(90), at(99));
    println!(
        "{delivery}: {count} alerts, from the {since}: p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}, \
         longest {longest:.1?}"
    );
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let figures = serde_json::json!({
        "bench": "latency",
        "delivery": delivery,
        "since": since,
        "p50_ms": millis(p50),
        "p99_ms": millis(p99),
    });
    println!("{figures}");
}

/// How long one alert took until it could be read.
struct Took {
    /// From before its last record was handed to the client that sends it.
    from_send: Duration,
    /// From the broker's stamp on that record, to the millisecond.
    from_append: Duration,
}

/// Measures while `RATE` other events a second come in; none by default.
fn under_load(setup: &Setup<'_>) -> Vec<Took> {
    let rate = number("RATE", 0);
    if rate == 0 {
        return measure(setup);
    }
    let load = Load::make();
    std::thread::scope(|scope| {
        scope.spawn(|| load.send(setup, rate));
        std::thread::sleep(Duration::from_secs(10));
        let took = measure(setup);
        load.is_over.store(true, Ordering::Relaxed);
        let sent = load.sent.load(Ordering::Relaxed);
        println!("{}: {sent} other events came in", setup.name);
        took
    })
}

/// Keeps when the broker took the last record in.
#[derive(Default)]
struct Appended(AtomicI64);

impl ClientContext for Appended {}

impl ProducerContext for Appended {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let record = result.as_ref().map_err(|(error, _)| error).unwrap();
        self.0.store(record.timestamp().to_millis().unwrap(), Ordering::Relaxed);
    }
}

/// Sends pairs one after the other, and reads each one's alert.
fn measure(setup: &Setup<'_>) -> Vec<Took> {
    let mut client = setup.broker.client();
    client.set("group.id", format!("{}-reader", setup.name)).set("auto.offset.reset", "earliest");
    client.set("isolation.level", "read_committed").set("fetch.wait.max.ms", "500");
    let reader: BaseConsumer = client.create().unwrap();
    reader.subscribe(&[&format!("{}-alerts", setup.name)]).unwrap();
    let mut client = setup.broker.client();
    client.set("linger.ms", "0");
    let producer: Producer = client.create_with_context(Appended::default()).unwrap();
    let topic = format!("{}-in", setup.name);
    let mut took = Vec::new();
    // The first ones wait for the reader to join its group.
    for pair in 0..PAIRS + 20 {
        let host = format!("host-{pair}");
        send_event(&producer, &topic, &host, pair, "A");
        producer.flush(DEADLINE).unwrap();
        producer.context().0.store(0, Ordering::Relaxed);
        let sent = Instant::now();
        send_event(&producer, &topic, &host, pair, "B");
        wait_for_alert(&reader, pair, sent);
        let (from_send, read) = (sent.elapsed(), unix_millis());
        producer.flush(DEADLINE).unwrap();
        let appended = producer.context().0.load(Ordering::Relaxed);
        let from_append = Duration::from_millis((read - appended).max(0) as u64);
        if pair >= 20 {
            took.push(Took { from_send, from_append });
        }
    }
    took
}

type Producer = ThreadedProducer<Appended>;

fn send_event(producer: &Producer, topic: &str, host: &str, pair: usize, code: &str) {
    let event = serde_json::json!({
        "@timestamp": maxspan::event::EventTime::from_millis(unix_millis()).to_string(),
        "event": {"category": ["process"], "code": code, "id": format!("{pair}-{code}")},
        "host": {"id": host},
    });
    let event = event.to_string();
    let record = BaseRecord::to(topic).key(host).payload(&event);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

fn wait_for_alert(reader: &BaseConsumer, pair: usize, sent: Instant) {
    let wanted = format!("\"{pair}-B\"");
    loop {
        assert!(sent.elapsed() < DEADLINE, "alert {pair} does not come");
        let Some(message) = reader.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let text = String::from_utf8_lossy(message.payload().unwrap_or_default());
        if text.contains(&wanted) {
            return;
        }
    }
}

fn unix_millis() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis() as i64
}
