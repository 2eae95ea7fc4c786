//! The journal on a real Apache Kafka: a rule of an hour survives a crash, and next to nothing is read
//! back for it.
//!
//! Records carry times of their own, so that an hour of them takes seconds.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/live.rs"]
mod live;
mod support;

use std::time::{Duration, Instant};

use broker::Broker;
use live::*;
use maxspan::event::{EventTime, TimeSpan};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DefaultProducerContext, Producer, ThreadedProducer,
};
use rdkafka::{Offset, TopicPartitionList};

const FILLERS: i64 = 5_000;
/// So many that their entries come in several batches.
const PAIRS: i64 = 2_000;

const RULES: [(&str, &str); 2] = [
    (
        "long",
        "sequence by host.id with maxspan=1h [any where event.code == \"A\"] [any where event.code == \"B\"]",
    ),
    (
        "short",
        "sequence by host.id with maxspan=20s [any where event.code == \"C\"] [any where event.code == \"D\"]",
    ),
];

fn setup<'b>(broker: &'b Broker, name: &str, delivery: &str) -> Setup<'b> {
    broker.create_topic(&format!("{name}-in"), 2, &[]);
    broker.create_topic(&format!("{name}-alerts"), 1, &[]);
    broker.create_topic(&format!("{name}-dead"), 1, &[]);
    let mut setup = Setup::bare(broker, name, tempfile::tempdir().unwrap());
    setup.settings =
        "[rules.defaults]\nallowed_lateness = \"2s\"\nhold = \"1m\"\n[state]\nmax_skew = \"10s\"\n"
            .to_owned();
    setup.kafka = format!(
        "delivery = \"{delivery}\"\njournal = {{ topic = \"{name}-journal\" }}\n\
         properties = {{ \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 1000, \
         \"transaction.timeout.ms\" = 4000 }}\n"
    );
    let rules = setup.directory.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    for (id, query) in RULES {
        let rule = format!(
            "[rule]\nname = \"{id}\"\nrule_id = \"{id}\"\ndescription = \"-\"\nauthor = [\"-\"]\n\
             risk_score = 47\nseverity = \"medium\"\ntype = \"eql\"\nlanguage = \"eql\"\n\
             query = '''{query}'''\n"
        );
        std::fs::write(rules.join(format!("{id}.toml")), rule).unwrap();
    }
    setup.rules = rules.display().to_string();
    setup
}

fn with_journal<'b>(broker: &'b Broker, name: &str, delivery: &str) -> Setup<'b> {
    let setup = setup(broker, name, delivery);
    broker.create_topic(&format!("{name}-journal"), 2, &[]);
    setup
}

/// Half an hour ago, and some.
fn base() -> EventTime {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    EventTime::from_millis(now.as_millis() as i64 - 3_000_000)
}

struct Source<'s> {
    topic: String,
    producer: ThreadedProducer<DefaultProducerContext>,
    base: EventTime,
    _setup: &'s Setup<'s>,
}

impl<'s> Source<'s> {
    fn new(setup: &'s Setup<'s>) -> Self {
        let topic = format!("{}-in", setup.name);
        Self { topic, producer: setup.producer(), base: base(), _setup: setup }
    }

    fn send(&self, code: &str, host: i64, millis: i64) {
        let time = self.base + TimeSpan::from_millis(millis);
        let payload = serde_json::json!({
            "@timestamp": time.to_string(),
            "event": {"category": ["process"], "code": code, "id": format!("{code}-{host}-{millis}")},
            "host": {"id": format!("host-{host}")},
        })
        .to_string();
        let partition = (host % 2) as i32;
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic)
            .partition(partition)
            .timestamp(time.millis())
            .payload(payload.as_bytes());
        assert!(self.producer.send(record).is_ok());
    }

    /// Sequences of the long rule begin, and some of the short one; then half an hour passes.
    fn send_beginnings(&self) {
        for host in 0..PAIRS {
            self.send("A", host, host);
        }
        for number in 0..FILLERS {
            let code = if number % 50 == 0 { "C" } else { "X" };
            self.send(code, 1_000 + number % 4, 500 * number);
        }
        self.producer.flush(DEADLINE).unwrap();
    }

    fn send_ends(&self) {
        for host in 0..PAIRS {
            self.send("B", host, 500 * FILLERS + host);
        }
        self.producer.flush(DEADLINE).unwrap();
    }
}

/// Waits until all that was sent is processed and committed, and no state is being rebuilt.
fn wait_done(instance: &Instance, setup: &Setup<'_>) {
    instance.wait_ready();
    let total = setup.broker.client().create::<BaseConsumer>().unwrap();
    let topic = format!("{}-in", setup.name);
    let end = |partition| total.fetch_watermarks(&topic, partition, DEADLINE).unwrap().1;
    let ends = [end(0), end(1)];
    instance.wait_for("all is committed", |instance| {
        let Some((_, body)) = instance.get("/api/v1/status") else { return false };
        let status: serde_json::Value = serde_json::from_str(&body).unwrap();
        let partitions = status["partitions"].as_array().unwrap();
        let is_done = |(view, end): (&serde_json::Value, &i64)| {
            let is_at_end = |what: &str| view[what].as_i64() == Some(*end);
            is_at_end("committed") && is_at_end("position") && view["replaying"] == false
        };
        partitions.len() == 2 && partitions.iter().zip(&ends).all(is_done)
    });
}

fn alerts(setup: &Setup<'_>, at_least: usize) -> Vec<String> {
    let records = setup.read("alerts", |records| records.len() >= at_least);
    let mut keys: Vec<String> = records
        .iter()
        .map(|record| format!("{} {}", record.headers["rule_id"], record.key.clone().unwrap()))
        .collect();
    keys.sort();
    keys
}

fn expected() -> Vec<String> {
    let mut keys: Vec<String> = (0..PAIRS).map(|host| format!("long host-{host}")).collect();
    keys.sort();
    keys
}

#[test]
fn a_rule_of_an_hour_survives_a_crash_and_little_is_read_back() {
    let Some((broker, _turn)) = broker() else { return };
    for delivery in ["exactly_once", "at_least_once"] {
        let setup = with_journal(broker, &format!("journal-{delivery}"), delivery);
        let source = Source::new(&setup);
        source.send_beginnings();
        let first = setup.instance(0);
        wait_done(&first, &setup);
        assert_eq!(first.metric("maxspan_journal_entries_total", "") as i64, PAIRS);
        first.kill();

        // The broker's own retention of a week is long enough for three hours and some.
        let second = setup.instance(0);
        second.wait_for("it is known for how long entries are needed and kept", |instance| {
            let [needed, kept] = ["needed", "retention"]
                .map(|what| instance.metric(&format!("maxspan_journal_{what}_seconds"), ""));
            // Three spans: maxspan, twice the lateness, and twice a slack of 20 s.
            needed == 10_932.0 && kept == 7.0 * 86_400.0
        });
        wait_done(&second, &setup);
        let restored = second.metric("maxspan_journal_restored_total", "") as i64;
        let replayed = second.metric("maxspan_events_replayed_total", "") as i64;
        println!(
            "{delivery}: {restored} entries restored, {replayed} of {FILLERS} records replayed"
        );
        assert_eq!(restored, PAIRS);
        assert!(replayed < FILLERS / 5, "{replayed} records were read back");
        assert_eq!(second.metric("maxspan_replay_truncated_total", ""), 0.0);
        // A third life rebuilds what the second has only read.
        assert_eq!(second.terminate(), Some(0));
        let third = setup.instance(0);
        third.wait_ready();
        source.send_ends();
        assert_eq!(alerts(&setup, PAIRS as usize), expected());
        assert_eq!(third.metric("maxspan_journal_restored_total", "") as i64, PAIRS);
        assert_eq!(third.terminate(), Some(0));
    }
}

#[test]
fn without_a_journal_the_input_is_read_back_to_the_first_event() {
    let Some((broker, _turn)) = broker() else { return };
    let mut setup = setup(broker, "journal-off", "exactly_once");
    setup.kafka = setup.kafka.replace("journal = {", "journal = { enabled = false,");
    let source = Source::new(&setup);
    source.send_beginnings();
    let first = setup.instance(0);
    wait_done(&first, &setup);
    first.kill();
    let second = setup.instance(0);
    second.wait_ready();
    source.send_ends();
    assert_eq!(alerts(&setup, PAIRS as usize), expected());
    let replayed = second.metric("maxspan_events_replayed_total", "") as i64;
    assert_eq!(replayed, FILLERS + PAIRS, "all of it");
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn without_the_topic_it_is_not_ready_and_says_why() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = setup(broker, "journal-missing", "exactly_once");
    let instance = setup.instance(0);
    instance.wait_for("says why", |instance| {
        let says_why = |body: &str| {
            body.contains("journal-missing-journal") && body.contains("--config retention.ms=")
        };
        instance.get("/readyz").is_some_and(|(status, body)| status == 503 && says_why(&body))
    });
    broker.create_topic("journal-missing-journal", 1, &[]);
    instance.wait_for("says what it lacks", |instance| {
        let says_why = |body: &str| body.contains("--alter") && body.contains("--partitions 2");
        instance.get("/readyz").is_some_and(|(status, body)| status == 503 && says_why(&body))
    });
    assert_eq!(instance.terminate(), Some(0));
}

/// Returns how many Kafka clients an instance has: each has one thread of this name.
fn clients(instance: &Instance) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", instance.child.id())).unwrap();
    // A thread may end while its name is read.
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "rdk:main").count()
}

#[test]
fn journal_is_closed_while_nobody_reads_it() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = with_journal(broker, "journal-idle", "exactly_once");
    let instance = setup.instance(0);
    // Beside the consumer and the producer one that is shown open transactions, and one that is not.
    instance.wait_for("the journal is read", |instance| clients(instance) == 4);
    instance.wait_ready();
    instance.wait_for("it is closed", |instance| clients(instance) == 2);
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn an_open_transaction_of_somebody_else_is_waited_for() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = with_journal(broker, "journal-open", "exactly_once");
    let source = Source::new(&setup);
    source.send_beginnings();
    let first = setup.instance(0);
    wait_done(&first, &setup);
    first.kill();
    // Whoever began it has died, and brokers give it up only after its timeout.
    let mut client = broker.client();
    client.set("transactional.id", "zombie").set("transaction.timeout.ms", "8000");
    let zombie: BaseProducer = client.create().unwrap();
    zombie.init_transactions(DEADLINE).unwrap();
    zombie.begin_transaction().unwrap();
    for partition in [0, 1] {
        let record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to("journal-open-journal").partition(partition).payload(b"never committed");
        assert!(zombie.send(record).is_ok());
    }
    let began = Instant::now();
    while zombie.in_flight_count() > 0 {
        zombie.poll(Duration::from_millis(10));
    }
    let second = setup.instance(0);
    source.send_ends();
    assert_eq!(alerts(&setup, PAIRS as usize), expected());
    assert!(began.elapsed() > Duration::from_secs(7), "it was waited for");
    assert_eq!(second.metric("maxspan_journal_losses_total", ""), 0.0);
    assert_eq!(second.terminate(), Some(0));
    drop(zombie);
}

#[test]
fn entries_that_are_gone_are_told_and_the_rest_goes_on() {
    let Some((broker, _turn)) = broker() else { return };
    let setup = with_journal(broker, "journal-gone", "exactly_once");
    let source = Source::new(&setup);
    source.send_beginnings();
    let first = setup.instance(0);
    wait_done(&first, &setup);
    first.kill();
    // As retention does, only at once.
    let mut list = TopicPartitionList::new();
    for partition in [0, 1] {
        list.add_partition_offset("journal-gone-journal", partition, Offset::End).unwrap();
    }
    let admin: AdminClient<DefaultClientContext> = broker.client().create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();

    let second = setup.instance(0);
    second.wait_ready();
    source.send_ends();
    wait_done(&second, &setup);
    assert_eq!(second.metric("maxspan_replay_truncated_total", ""), 2.0);
    assert_eq!(second.metric("maxspan_matches_total", ""), 0.0, "beginnings are gone");
    for code in ["A", "B"] {
        source.send(code, 7, 500 * FILLERS + 9_000);
    }
    assert_eq!(alerts(&setup, 1), ["long host-7"]);
    assert_eq!(second.terminate(), Some(0));
}
