//! `maxspan run` against a real Apache Kafka: several instances, crashes, unreadable records.
//!
//! The generated corpora go in keyed by host; what comes out on the alerts topic is compared with
//! the known answers. Where no broker can be had the tests say so (`make kafka-jars` fetches it).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "support/broker.rs"]
mod broker;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use broker::Broker;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use support::replay::{Corpus, event_index, not_run, rule_suffix};

/// How long anything here may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(240);
const PARTITIONS: i32 = 6;

/// One broker serves all tests of this program, one test at a time: two cores are few.
fn broker() -> Option<(&'static Broker, MutexGuard<'static, ()>)> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let broker = BROKER.get_or_init(|| Broker::start_or_not_run(1, "tests against a real Kafka"));
    let turn = TURN.lock().unwrap_or_else(|failed| failed.into_inner());
    broker.as_ref().map(|broker| (broker, turn))
}

/// Topics and group of one test.
struct Setup<'b> {
    broker: &'b Broker,
    name: String,
    directory: tempfile::TempDir,
    settings: String,
}

impl<'b> Setup<'b> {
    /// Creates the topics; `settings` are more lines of configuration.
    fn new(broker: &'b Broker, name: &str, settings: &str) -> Self {
        let stamped = ("message.timestamp.type", "LogAppendTime");
        let large = ("max.message.bytes", "12000000");
        broker.create_topic(&format!("{name}-in"), PARTITIONS, &[stamped, large]);
        broker.create_topic(&format!("{name}-alerts"), 2, &[]);
        broker.create_topic(&format!("{name}-dead"), 1, &[]);
        let directory = tempfile::tempdir().unwrap();
        Self { broker, name: name.to_owned(), directory, settings: settings.to_owned() }
    }

    fn instance(&self, number: usize) -> Instance {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let Self { name, settings, .. } = self;
        let config = format!(
            "[kafka]\nbrokers = \"{}\"\ngroup = \"{name}\"\ntopics = [\"{name}-in\"]\n\
             alerts_topic = \"{name}-alerts\"\ndead_letter_topic = \"{name}-dead\"\n\
             instance_id = \"instance-{number}\"\ncommit_interval = \"500ms\"\nworkers = 1\n\
             [rules]\npaths = [\"config/rules\"]\n[http]\nlisten = \"127.0.0.1:{port}\"\n{settings}",
            self.broker.bootstrap(),
        );
        let path = self.directory.path().join(format!("{number}-{port}.toml"));
        std::fs::write(&path, config).unwrap();
        Instance::start(&path, port)
    }

    fn producer(&self) -> ThreadedProducer<DefaultProducerContext> {
        let mut client = self.broker.client();
        client.set("linger.ms", "20").set("compression.type", "lz4");
        client.set("message.max.bytes", "12000000").set("enable.idempotence", "true");
        client.create().unwrap()
    }

    /// Sends the lines of a file, keyed by host; calls `each` with the number of every thousandth.
    fn send_file(&self, path: &Path, mut each: impl FnMut(usize)) {
        let producer = self.producer();
        let topic = format!("{}-in", self.name);
        let input = BufReader::new(std::fs::File::open(path).unwrap());
        for (number, line) in input.lines().enumerate() {
            let line = line.unwrap();
            let start = line.find("\"id\":\"").map(|_| host_id(&line)).unwrap();
            send(&producer, &topic, Some(start.as_bytes()), Some(line.as_bytes()));
            if number % 1_000 == 0 {
                each(number);
            }
        }
        producer.flush(DEADLINE).unwrap();
    }

    /// Reads a topic until `enough` says so of all its records so far.
    fn read(&self, kind: &str, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let mut client = self.broker.client();
        client.set("group.id", format!("{}-reader-{kind}", self.name));
        client.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
        client.set("isolation.level", "read_committed").set("fetch.message.max.bytes", "2000000");
        let consumer: BaseConsumer = client.create().unwrap();
        consumer.subscribe(&[&format!("{}-{kind}", self.name)]).unwrap();
        let (mut records, started) = (Vec::new(), Instant::now());
        let mut last_news = Instant::now();
        while !(enough(&records) && last_news.elapsed() > Duration::from_secs(3)) {
            assert!(
                started.elapsed() < DEADLINE,
                "{kind}: {} records are not enough",
                records.len()
            );
            if let Some(message) = consumer.poll(Duration::from_millis(200)) {
                records.push(Received::from(&message.unwrap()));
                last_news = Instant::now();
            }
        }
        records
    }
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    key: Option<&[u8]>,
    payload: Option<&[u8]>,
) {
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
    record.key = key;
    record.payload = payload;
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((_, full)) => {
                record = full;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// The value of `host.id`, whatever the order of the keys.
fn host_id(line: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["host"]["id"].as_str().unwrap().to_owned()
}

struct Received {
    key: Option<String>,
    value: Vec<u8>,
    headers: BTreeMap<String, String>,
}

impl Received {
    fn from(message: &rdkafka::message::BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter()).map(|h| {
            (h.key.to_owned(), String::from_utf8_lossy(h.value.unwrap_or_default()).into_owned())
        });
        Self {
            key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
            value: message.payload().unwrap_or_default().to_vec(),
            headers: headers.collect(),
        }
    }

    fn alert(&self) -> serde_json::Value {
        serde_json::from_slice(&self.value).unwrap()
    }
}

/// A running `maxspan run`.
struct Instance {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Instance {
    fn start(config: &Path, port: u16) -> Self {
        let log = config.with_extension("log");
        let child = Command::new(env!("CARGO_BIN_EXE_maxspan"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .arg("run")
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, port, log }
    }

    /// Returns status and body of a page.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            assert!(
                started.elapsed() < DEADLINE,
                "{what}: not yet: {:?}\n{}",
                self.get("/readyz"),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wait_ready(&self) {
        self.wait_for("ready", |instance| {
            instance.get("/readyz").is_some_and(|(status, _)| status == 200)
        });
    }

    /// The sum of a metric over its labels.
    fn metric(&self, name: &str, label: &str) -> f64 {
        let (_, text) = self.get("/metrics").unwrap_or_default();
        let of_name = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(label)
        });
        of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Kills it as the kernel would.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and returns its exit code.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < Duration::from_secs(45), "does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// (rule, number of the final event) of each alert, and the alert ids under which it came.
fn by_final(records: &[Received]) -> BTreeMap<(String, u64), BTreeSet<String>> {
    let mut finals: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for record in records {
        let alert = record.alert();
        let id = alert["event"]["id"].as_str().unwrap().to_owned();
        assert_eq!(record.headers["alert_id"], id);
        assert_eq!(record.headers["rule_id"], alert["rule"]["id"].as_str().unwrap());
        assert!(record.key.is_some());
        finals.entry((rule_suffix(&alert), event_index(&alert))).or_default().insert(id);
    }
    finals
}

fn truth(corpus: &Corpus) -> BTreeSet<(String, u64)> {
    let of_rule = |rule: &'static str| {
        corpus.finals(rule).into_iter().map(move |event| (rule.to_owned(), event))
    };
    ["v100", "2023", "20s"].into_iter().flat_map(of_rule).collect()
}

const EXACT: &str = "[rules.defaults]\nallowed_lateness = \"15s\"\n";

fn overrides(emit: &str) -> String {
    let ids = ["v100", "2023", "20s"];
    let id = |suffix| format!("f3475224-b179-4f78-8877-c2bd64c26b88-{suffix}");
    let of_rule = |suffix| {
        format!(
            "[rules.override.\"{}\"]\nemit = \"{emit}\"\norder_tolerance = \"0s\"\n",
            id(suffix)
        )
    };
    format!("{EXACT}{}", ids.map(of_rule).join(""))
}

fn corpus(name: &str, flags: &[&str]) -> Option<Corpus> {
    let size = ["--events", "100000", "--eps", "500", "--attacks", "600"];
    let corpus = Corpus::make(name, &[&size, flags].concat());
    if corpus.is_none() {
        not_run("generated corpora through Kafka", "../shared/tools is absent");
    }
    corpus
}

#[test]
fn two_instances_find_exactly_what_is_there() {
    let Some((broker, _turn)) = broker() else { return };
    for (name, flags, shape) in
        [("plain", &[][..], "ecs"), ("lag-dup", &["--lag", "--dup", "0.02"][..], "raw")]
    {
        let Some(corpus) = corpus(name, flags) else { return };
        let setup = Setup::new(broker, &format!("exact-{name}"), &overrides("exact"));
        let instances = [setup.instance(0), setup.instance(1)];
        instances.iter().for_each(Instance::wait_ready);
        let both_work = |instance: &Instance| {
            let shares = [0, 1].map(|i| instances[i].metric("maxspan_partitions_assigned", ""));
            instance.port > 0
                && shares.iter().all(|share| *share > 0.0)
                && shares.iter().sum::<f64>() == f64::from(PARTITIONS)
        };
        instances[0].wait_for("both share the partitions", both_work);
        setup.send_file(&corpus.directory.join(format!("{shape}.ndjson")), |_| ());
        let truth = truth(&corpus);
        let records = setup.read("alerts", |records| by_final(records).len() >= truth.len());
        let found: BTreeSet<_> = by_final(&records).into_keys().collect();
        assert_eq!(found, truth, "{name}");
        assert_eq!(records.len(), truth.len(), "{name}: without a crash each comes once");
        for instance in instances {
            assert_eq!(instance.terminate(), Some(0));
        }
    }
}

#[test]
fn a_killed_instance_loses_nothing() {
    let Some((broker, _turn)) = broker() else { return };
    let Some(corpus) = corpus("lag", &["--lag"]) else { return };
    let setup = Setup::new(broker, "killed", &overrides("eager"));
    let survivor = setup.instance(0);
    let mut victim = Some(setup.instance(1));
    survivor.wait_ready();
    victim.as_ref().unwrap().wait_ready();
    setup.send_file(&corpus.directory.join("raw.ndjson"), |number| {
        let works = |victim: &Instance| victim.metric("maxspan_alerts_delivered_total", "") > 10.0;
        if number >= 50_000 && victim.as_ref().is_some_and(works) {
            victim.take().unwrap().kill();
        }
        // The load must outlast the crash.
        std::thread::sleep(Duration::from_millis(100));
    });
    assert!(victim.is_none(), "the victim was killed under load");
    let truth = truth(&corpus);
    let records = setup.read("alerts", |records| {
        let found = by_final(records);
        truth.iter().all(|event| found.contains_key(event))
    });
    for (event, ids) in by_final(&records) {
        assert_eq!(ids.len(), 1, "{event:?}: duplicates carry the same id");
    }
    assert_eq!(survivor.terminate(), Some(0));
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
    let setup = Setup { broker, name: "unready".to_owned(), directory, settings: String::new() };
    let instance = setup.instance(0);
    instance.wait_for("says why", |instance| {
        let says_why = |body: &str| body.contains("unready-alerts") && body.contains("--create");
        instance.get("/readyz").is_some_and(|(status, body)| status == 503 && says_why(&body))
    });
    broker.create_topic("unready-alerts", 1, &[]);
    instance.wait_ready();
    assert_eq!(instance.terminate(), Some(0));
}
