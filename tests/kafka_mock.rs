//! The Kafka side on librdkafka's in-process brokers: assignment, dead letters, commits with
//! metadata, what keeps it from being ready, brokers that fail.
//!
//! The mock brokers cannot show transactions; `kafka.rs` runs against a real Kafka.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use maxspan::config::Config;
use maxspan::event::TimeSpan;
use maxspan::service::{self, ServiceError, View};
use maxspan::text::Text;
use rdkafka::bindings::rd_kafka_resp_err_t as RespErr;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::RDKafkaApiKey;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);

/// A mock cluster with the topics `in`, `alerts` and `dead`.
struct Broker(MockCluster<'static, DefaultProducerContext>);

impl Broker {
    fn new(partitions: i32) -> Self {
        let broker = Self(MockCluster::new(1).unwrap());
        for (topic, partitions) in [("in", partitions), ("alerts", 1), ("dead", 1)] {
            broker.0.create_topic(topic, partitions, 1).unwrap();
        }
        broker
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.0.bootstrap_servers());
        client
    }

    fn produce(&self, partition: i32, values: &[&str]) {
        let producer: BaseProducer = self.client().create().unwrap();
        for value in values {
            let record: BaseRecord<'_, str, str> =
                BaseRecord::to("in").partition(partition).payload(value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
    }

    /// Reads a topic with one partition until it has given this many records.
    fn read(&self, topic: &str, count: usize) -> Vec<Letter> {
        let consumer: BaseConsumer =
            self.client().set("group.id", format!("read-{topic}")).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut found = Vec::new();
        wait_for(&format!("{count} records of `{topic}`"), || {
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                found.push(Letter::from(&message.unwrap()));
            }
            found.len() >= count
        });
        found
    }

    /// Returns committed offset and metadata of a partition of the input.
    fn committed(&self, partition: i32) -> Option<(i64, String)> {
        let consumer: BaseConsumer = self.client().set("group.id", "group").create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition("in", partition);
        let list = consumer.committed_offsets(list, DEADLINE).unwrap();
        let element = list.find_partition("in", partition)?;
        match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            _ => None,
        }
    }

    fn commit(&self, partition: i32, offset: i64, metadata: &str) {
        let consumer: BaseConsumer = self.client().set("group.id", "group").create().unwrap();
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition("in", partition);
        element.set_offset(Offset::Offset(offset)).unwrap();
        element.set_metadata(metadata);
        consumer.commit(&list, CommitMode::Sync).unwrap();
    }

    fn config(&self) -> Config {
        let mut config = Config::default();
        config.kafka.brokers = vec![self.0.bootstrap_servers()];
        config.kafka.group = "group".to_owned();
        config.kafka.topics = vec!["in".to_owned()];
        config.kafka.alerts_topic = "alerts".to_owned();
        config.kafka.dead_letter_topic = "dead".to_owned();
        // The mock brokers forget offsets that are committed in a transaction.
        config.kafka.delivery = maxspan::kafka::Delivery::AtLeastOnce;
        config.kafka.commit_interval = Duration::from_millis(100);
        config.kafka.workers = std::num::NonZeroUsize::new(2);
        config.http.listen = "127.0.0.1:0".parse().unwrap();
        config
    }
}

/// A record that came out.
struct Letter {
    value: String,
    headers: BTreeMap<String, String>,
}

impl Letter {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Self {
            value: message.payload().map(text).unwrap_or_default(),
            headers: headers
                .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
                .collect(),
        }
    }
}

/// A service on a thread of its own.
struct Service {
    view: View,
    stop: CancellationToken,
    thread: JoinHandle<Result<(), ServiceError>>,
}

impl Service {
    fn start(config: Config) -> Self {
        Self::with_rule(config, rule())
    }

    fn with_rule(config: Config, rule: Arc<Text>) -> Self {
        let stop = CancellationToken::new();
        let (send, view) = std::sync::mpsc::channel();
        let token = stop.clone();
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(
                service::run_with(config, vec![rule], token, |view| send.send(view).unwrap()),
            )
        });
        Self { view: view.recv_timeout(DEADLINE).unwrap(), stop, thread }
    }

    fn ready(config: Config) -> Self {
        let service = Self::start(config);
        wait_for("ready", || service.reasons().is_empty());
        service
    }

    fn reasons(&self) -> Vec<String> {
        self.view.status.health.readiness(&self.view.status.partitions)
    }

    fn partitions(&self) -> usize {
        self.view.status.partitions.view().len()
    }

    fn get(&self, path: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.view.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    fn stop(self) -> Result<(), ServiceError> {
        self.stop.cancel();
        self.thread.join().unwrap()
    }
}

fn rule() -> Arc<Text> {
    let contents = r#"
        [rule]
        name = "Two steps"
        rule_id = "two-steps"
        description = "A, then B, on one host."
        author = ["Test"]
        risk_score = 47
        severity = "medium"
        type = "eql"
        language = "eql"
        query = '''
        sequence by host.id with maxspan=10s
          [any where event.code == "A"]
          [any where event.code == "B"]
        '''
    "#;
    Arc::new(Text::new("two_steps.toml", contents))
}

fn event(code: &str, second: u32) -> String {
    format!(
        r#"{{"@timestamp":"2026-03-02T08:00:{second:02}.000Z","event":{{"code":"{code}","category":["process"]}},"host":{{"id":"h1"}}}}"#
    )
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < DEADLINE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn unreadable_records_become_dead_letters_and_positions_are_committed_with_metadata() {
    let broker = Broker::new(2);
    broker.produce(0, &["not json", &event("X", 1)]);
    broker.produce(1, &["{\"a\":"]);
    let service = Service::ready(broker.config());
    let mut letters = broker.read("dead", 2);
    letters.sort_by(|a, b| a.headers["partition"].cmp(&b.headers["partition"]));
    let expected = [
        ("offset", "0"),
        ("original_size", "8"),
        ("partition", "0"),
        ("reason", "invalid_json"),
        ("topic", "in"),
    ];
    let headers: Vec<(&str, &str)> =
        letters[0].headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(headers, expected);
    assert_eq!(letters[0].value, "not json");
    wait_for("commits", || {
        let offset = |partition| broker.committed(partition).map(|(offset, _)| offset);
        (offset(0), offset(1)) == (Some(2), Some(1))
    });
    let (_, metadata) = broker.committed(0).unwrap();
    assert!(!metadata.is_empty() && metadata.is_ascii() && metadata.len() < 4_096, "{metadata}");
    service.stop().unwrap();
}

#[test]
fn second_run_goes_on_where_the_first_one_ended() {
    let broker = Broker::new(1);
    broker.produce(0, &["one"]);
    let first = Service::ready(broker.config());
    broker.read("dead", 1);
    first.stop().unwrap();
    assert_eq!(broker.committed(0).map(|(offset, _)| offset), Some(1));

    broker.produce(0, &["two"]);
    let second = Service::ready(broker.config());
    let letters = broker.read("dead", 2);
    assert_eq!(letters[1].headers["offset"], "1");
    wait_for("all is read", || {
        let view = second.view.status.partitions.view();
        view.first().is_some_and(|partition| partition.committed == Some(2))
    });
    second.stop().unwrap();
    assert_eq!(broker.read("dead", 2).len(), 2, "nothing came twice");
}

#[test]
fn sequence_that_a_restart_tears_apart_is_still_found() {
    let broker = Broker::new(1);
    broker.produce(0, &[&event("A", 1)]);
    let first = Service::ready(broker.config());
    wait_for("the first step is committed", || {
        broker.committed(0).is_some_and(|(offset, _)| offset == 1)
    });
    first.stop().unwrap();

    let second = Service::ready(broker.config());
    broker.produce(0, &[&event("B", 5)]);
    let alerts = broker.read("alerts", 1);
    assert_eq!(alerts[0].headers["rule_id"], "two-steps");
    assert_eq!(alerts[0].headers["severity"], "medium");
    let alert: serde_json::Value = serde_json::from_str(&alerts[0].value).unwrap();
    assert_eq!(alert["event"]["id"], alerts[0].headers["alert_id"].as_str());
    second.stop().unwrap();
}

/// B does not follow A within two seconds, decided one second later.
fn absence_rule() -> Arc<Text> {
    let query = |text: &str| {
        text.replace("maxspan=10s", "maxspan=2s")
            .replace("[any where event.code == \"B\"]", "![any where event.code == \"B\"]")
    };
    let contents = query(&rule().contents) + "[rule.maxspan]\nallowed_lateness = \"1s\"\n";
    Arc::new(Text::new("absence.toml", contents))
}

#[test]
fn trailing_absence_fires_once_on_a_quiet_partition_and_not_before() {
    let broker = Broker::new(2);
    let mut config = broker.config();
    // The mock broker keeps the producer's times, which are trusted less by this.
    config.state.max_skew = TimeSpan::from_secs(1);
    let service = Service::with_rule(config, absence_rule());
    wait_for("assigned", || service.partitions() == 2);
    // What came before the first record may forbid a match until the partition has seen the lateness and
    // the slack pass, in steps that one host is believed.
    let seen = Instant::now();
    while seen.elapsed() < Duration::from_secs(6) {
        (0..2).for_each(|partition| broker.produce(partition, &[&event("X", 0)]));
        std::thread::sleep(Duration::from_millis(400));
    }
    let produced = Instant::now();
    broker.produce(0, &[&event("A", 1)]);
    // The other partition sees the absent event, and is silent as well.
    broker.produce(1, &[&event("A", 1), &event("B", 2)]);
    let alerts = || {
        let consumer: BaseConsumer = broker.client().create().unwrap();
        consumer.fetch_watermarks("alerts", 0, DEADLINE).unwrap().1
    };
    wait_for("the alert", || alerts() > 0);
    let took = produced.elapsed();
    assert!(took > Duration::from_secs(4), "maxspan, lateness, skew: {took:?}");
    wait_for("as much time again", || produced.elapsed() > took * 2);
    assert_eq!(alerts(), 1);
    let alert: serde_json::Value =
        serde_json::from_str(&broker.read("alerts", 1)[0].value).unwrap();
    let first = &alert["maxspan"]["sequence"]["events"][0];
    assert_eq!((&first["event"]["code"], &first["maxspan"]["partition"]), (&"A".into(), &0.into()));
    service.stop().unwrap();
}

#[test]
fn foreign_metadata_counts_as_none() {
    let broker = Broker::new(1);
    broker.produce(0, &["one", "two", "three"]);
    broker.commit(0, 2, "written by another tool");
    let service = Service::ready(broker.config());
    let letters = broker.read("dead", 1);
    assert_eq!(letters[0].headers["offset"], "2");
    service.stop().unwrap();
}

#[test]
fn two_instances_share_the_partitions_and_hand_them_over() {
    let broker = Broker::new(4);
    let first = Service::ready(broker.config());
    wait_for("the first has all", || first.partitions() == 4);
    let second = Service::start(broker.config());
    wait_for("both have a half", || (first.partitions(), second.partitions()) == (2, 2));
    for partition in 0..4 {
        broker.produce(partition, &["x"]);
    }
    assert_eq!(broker.read("dead", 4).len(), 4);
    first.stop().unwrap();
    wait_for("the second has all", || second.partitions() == 4);
    broker.produce(0, &["y"]);
    broker.produce(3, &["y"]);
    let letters = broker.read("dead", 6);
    let of_first_round = letters.iter().filter(|letter| letter.value == "x").count();
    assert_eq!(of_first_round, 4, "handing over repeats nothing");
    second.stop().unwrap();
}

#[test]
fn taking_many_partitions_in_takes_a_few_round_trips() {
    let took = |partitions| {
        let broker = Broker::new(partitions);
        broker.0.broker_round_trip_time(1, Duration::from_millis(50)).unwrap();
        let began = Instant::now();
        let service = Service::start(broker.config());
        wait_for("assigned", || service.partitions() == partitions as usize);
        let took = began.elapsed();
        service.stop().unwrap();
        took
    };
    let (one, many) = (took(1), took(120));
    println!("one partition: {one:?}, 120 partitions: {many:?}");
    // One question after the other would take 120 round trips, six seconds.
    assert!(many < one + Duration::from_secs(3), "one: {one:?}, many: {many:?}");
}

#[test]
fn missing_alerts_topic_means_not_ready_and_names_the_command() {
    let broker = Broker::new(1);
    let mut config = broker.config();
    config.kafka.alerts_topic = "elsewhere".to_owned();
    // The mock broker creates what it is asked for, unless it is told to refuse.
    broker.0.topic_error("elsewhere", RespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    broker.produce(0, &["not json"]);
    let service = Service::start(config);
    wait_for("says why", || {
        let (status, body) = service.get("/readyz");
        status == 503 && body.contains("--create --topic elsewhere")
    });
    wait_for("the record is processed", || {
        service.view.status.partitions.view().iter().any(|partition| partition.outbox == 1)
    });
    assert_eq!(broker.committed(0), None, "no progress without output");
    assert_eq!(service.get("/livez").0, 200);

    broker.0.topic_error("elsewhere", RespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    wait_for("ready", || service.reasons().is_empty());
    broker.read("dead", 1);
    service.stop().unwrap();
}

#[test]
fn topic_that_is_not_shown_is_told_as_a_missing_right() {
    let broker = Broker::new(1);
    let denied = RespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    broker.0.topic_error("alerts", denied).unwrap();
    broker.produce(0, &["not json"]);
    let service = Service::start(broker.config());
    wait_for("says which right", || {
        let (_, body) = service.get("/readyz");
        body.contains("the right `Describe` is missing on topic `alerts`")
            && body.contains("--operation Describe --topic alerts")
    });
    let reasons = service.reasons();
    assert!(!reasons.iter().any(|reason| reason.contains("no broker")), "{reasons:?}");
    wait_for("output waits", || {
        let (_, metrics) = service.get("/metrics");
        count(&metrics, "maxspan_alert_delivery_errors_total{reason=\"not_allowed\"}") > 0
    });
    let (_, metrics) = service.get("/metrics");
    assert_eq!(count(&metrics, "maxspan_alert_delivery_errors_total{reason=\"no_topic\"}"), 0);
    assert_eq!(broker.committed(0), None, "no progress without output");

    broker.0.topic_error("alerts", RespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    wait_for("ready", || service.reasons().is_empty());
    broker.read("dead", 1);
    service.stop().unwrap();
}

#[test]
fn group_that_refuses_us_is_told_as_a_missing_right() {
    let broker = Broker::new(1);
    let denied = RespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    broker.0.request_errors(RDKafkaApiKey::JoinGroup, &[denied; 3]);
    let service = Service::start(broker.config());
    wait_for("says which right", || {
        service.get("/readyz").1.contains("the right `Read` is missing on consumer group `group`")
    });
    wait_for("ready", || service.reasons().is_empty());
    service.stop().unwrap();
}

#[test]
fn transactional_id_that_is_not_ours_is_told_as_a_missing_right() {
    let broker = Broker::new(1);
    let mut config = broker.config();
    config.kafka.delivery = maxspan::kafka::Delivery::ExactlyOnce;
    config.kafka.instance_id = Some("one".to_owned());
    let denied = RespErr::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    broker.0.request_errors(RDKafkaApiKey::InitProducerId, &[denied; 40]);
    broker.produce(0, &["not json"]);
    let service = Service::start(config);
    wait_for("says which right", || {
        let (_, body) = service.get("/readyz");
        body.contains("the right `Write` is missing on transactional id `group-one`")
    });
    broker.0.clear_request_errors(RDKafkaApiKey::InitProducerId);
    wait_for("ready", || service.reasons().is_empty());
    broker.read("dead", 1);
    service.stop().unwrap();
}

#[test]
fn committed_offsets_that_are_not_shown_are_told_as_a_missing_right() {
    let broker = Broker::new(1);
    let denied = RespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    broker.0.request_errors(RDKafkaApiKey::OffsetFetch, &[denied; 10]);
    let service = Service::start(broker.config());
    wait_for("says which right", || {
        let reasons = service.reasons();
        reasons.iter().any(|reason| {
            reason.starts_with("the right `Read` is missing on consumer group `group`")
        })
    });
    wait_for("ready", || service.reasons().is_empty());
    service.stop().unwrap();
}

#[test]
fn backlog_of_a_first_start_waits_until_topics_are_looked_up() {
    let broker = Broker::new(1);
    broker.produce(0, &["not json"]);
    // The topics are named later than the record is processed.
    broker.0.broker_round_trip_time(1, Duration::from_millis(700)).unwrap();
    let service = Service::start(broker.config());
    wait_for("ready", || service.reasons().is_empty());
    broker.0.broker_round_trip_time(1, Duration::ZERO).unwrap();
    broker.read("dead", 1);
    let (_, metrics) = service.get("/metrics");
    assert_eq!(count(&metrics, "maxspan_alert_delivery_errors_total"), 0, "{metrics}");
    service.stop().unwrap();
}

/// Returns the sum of the samples of a metric whose lines begin like this.
fn count(metrics: &str, beginning: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(beginning));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn failed_writes_and_commits_are_tried_again() {
    let broker = Broker::new(1);
    let service = Service::ready(broker.config());
    wait_for("assigned", || service.partitions() == 1);
    let refuse = RespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    broker.0.request_errors(RDKafkaApiKey::Produce, &[RespErr::RD_KAFKA_RESP_ERR_NO_ERROR, refuse]);
    let away = RespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    broker.0.request_errors(RDKafkaApiKey::OffsetCommit, &[away, away]);
    broker.produce(0, &["not json"]);
    assert_eq!(broker.read("dead", 1).len(), 1);
    wait_for("committed", || broker.committed(0).is_some_and(|(offset, _)| offset == 1));
    wait_for("ready again", || service.reasons().is_empty());
    let (_, metrics) = service.get("/metrics");
    // How often depends on what the client had on its way when the broker refused.
    let retried = |line: &str| {
        line.starts_with("maxspan_commits_total{result=\"retry\"}") && !line.ends_with(" 0")
    };
    assert!(metrics.lines().any(retried), "{metrics}");
    service.stop().unwrap();
}

#[test]
fn partition_without_offsets_stops_the_service_if_an_operator_wants_to_decide() {
    let broker = Broker::new(1);
    let mut config = broker.config();
    config.kafka.on_missing_offsets = maxspan::kafka::OnMissingOffsets::Fail;
    let service = Service::start(config);
    let error = service.thread.join().unwrap().expect_err("fails");
    assert!(error.to_string().contains("`kafka.on_missing_offsets` is `fail`"), "{error}");
}

#[test]
fn latest_starts_at_the_end() {
    let broker = Broker::new(1);
    broker.produce(0, &["old"]);
    let mut config = broker.config();
    config.kafka.on_missing_offsets = maxspan::kafka::OnMissingOffsets::Latest;
    let service = Service::ready(config);
    wait_for("assigned", || service.partitions() == 1);
    broker.produce(0, &["new"]);
    assert_eq!(broker.read("dead", 1)[0].value, "new");
    service.stop().unwrap();
}

#[test]
fn api_and_metrics_show_partitions_and_rules() {
    let broker = Broker::new(2);
    broker.produce(1, &[&event("A", 1), &event("A", 2)]);
    let service = Service::ready(broker.config());
    let status = || {
        let (code, body) = service.get("/api/v1/status");
        assert_eq!(code, 200);
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    wait_for("all is read", || status()["partitions"][1]["committed"] == 2);
    wait_for("the end is known", || status()["partitions"][1]["lag"] == 0);
    let status = status();
    assert_eq!(status["partitions"][1]["topic"], "in");
    assert_eq!(status["partitions"][1]["replaying"], false);
    assert_eq!(status["rules"][0]["id"], "two-steps");
    assert_eq!(status["ready"], true);
    for line in [
        "maxspan_events_consumed_total{topic=\"in\"} 2",
        "maxspan_partitions_assigned 2",
        "maxspan_rules_loaded 1",
        "maxspan_consumer_lag{partition=\"1\",topic=\"in\"} 0",
    ] {
        wait_for(line, || service.get("/metrics").1.contains(line));
    }
    for probe in ["/startupz", "/livez", "/readyz"] {
        assert_eq!(service.get(probe).0, 200, "{probe}");
    }
    service.stop().unwrap();
}

#[test]
fn without_a_broker_it_is_alive_and_not_ready_and_ends_when_asked() {
    let broker = Broker::new(1);
    let mut config = broker.config();
    config.kafka.brokers = vec!["127.0.0.1:1".to_owned()];
    let service = Service::start(config);
    wait_for("says why", || service.reasons().iter().any(|reason| reason == "no broker answers"));
    // Probes are open to the cluster: they show no address.
    for path in ["/readyz", "/startupz", "/api/v1/status"] {
        let (_, body) = service.get(path);
        assert!(!body.contains("127.0.0.1:1"), "{path}: {body}");
    }
    assert_eq!(service.get("/startupz").0, 200, "a restart would mend no broker");
    assert_eq!(service.get("/livez").0, 200);
    let began = Instant::now();
    service.stop().unwrap();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}
