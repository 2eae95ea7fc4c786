//! `maxspan run` against a real Apache Kafka: topics, instances, what comes out of them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a failing test says where its logs are")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::broker::Broker;
use crate::support::corpus::Corpus;
use crate::support::replay::{event_index, rule_suffix};

/// How long anything here may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(240);
pub const PARTITIONS: i32 = 6;
pub const REKEY_PARTITIONS: i32 = 4;

/// One broker serves all tests of this program, one test at a time: two cores are few.
pub fn broker() -> Option<(&'static Broker, MutexGuard<'static, ()>)> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let broker = BROKER.get_or_init(|| Broker::start_or_not_run(1, "tests against a real Kafka"));
    let turn = TURN.lock().unwrap_or_else(|failed| failed.into_inner());
    broker.as_ref().map(|broker| (broker, turn))
}

/// Returns where the shipped rules are: what a configuration names is relative to its own directory.
pub fn shipped_rules() -> String {
    format!("{}/config/rules", env!("CARGO_MANIFEST_DIR"))
}

/// Topics and group of one test.
pub struct Setup<'b> {
    pub broker: &'b Broker,
    pub name: String,
    pub directory: tempfile::TempDir,
    pub settings: String,
    /// Where the rules are.
    pub rules: String,
    /// More lines of `[kafka]`.
    pub kafka: String,
    /// How many workers an instance has.
    pub workers: usize,
}

impl<'b> Setup<'b> {
    /// Creates the topics; `settings` are more lines of configuration.
    pub fn new(broker: &'b Broker, name: &str, settings: &str) -> Self {
        Self::of(broker, name, settings, PARTITIONS)
    }

    /// Creates the topics, that of the input with so many partitions.
    pub fn of(broker: &'b Broker, name: &str, settings: &str, partitions: i32) -> Self {
        let stamped = ("message.timestamp.type", "LogAppendTime");
        let large = ("max.message.bytes", "12000000");
        broker.create_topic(&format!("{name}-in"), partitions, &[stamped, large]);
        broker.create_topic(&format!("{name}-alerts"), 2, &[]);
        broker.create_topic(&format!("{name}-dead"), 1, &[]);
        let mut setup = Self::bare(broker, name, tempfile::tempdir().unwrap());
        setup.settings = settings.to_owned();
        setup
    }

    /// Creates topics of one partition each, with the timestamps of their producers.
    pub fn of_one_partition(broker: &'b Broker, name: &str) -> Self {
        for topic in ["in", "alerts", "dead"] {
            broker.create_topic(&format!("{name}-{topic}"), 1, &[]);
        }
        Self::bare(broker, name, tempfile::tempdir().unwrap())
    }

    /// Names the topics, and creates none.
    pub fn bare(broker: &'b Broker, name: &str, directory: tempfile::TempDir) -> Self {
        let (name, settings, kafka) = (name.to_owned(), String::new(), String::new());
        let rules = shipped_rules();
        Self { broker, name, directory, settings, rules, kafka, workers: 1 }
    }

    pub fn instance(&self, number: usize) -> Instance {
        self.instance_that(number, "")
    }

    /// Starts an instance that reaches a failpoint, if one is named.
    pub fn instance_that(&self, number: usize, failpoint: &str) -> Instance {
        self.instance_at(&self.broker.entrance(), number, failpoint)
    }

    /// Starts an instance that knows the brokers by these addresses.
    pub fn instance_at(&self, brokers: &str, number: usize, failpoint: &str) -> Instance {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Instance::start(&self.write_config(brokers, number, port), port, failpoint)
    }

    /// Returns a configuration file as instances have it.
    pub fn config(&self, number: usize) -> PathBuf {
        self.write_config(&self.broker.entrance(), number, 0)
    }

    fn write_config(&self, brokers: &str, number: usize, port: u16) -> PathBuf {
        let Self { name, settings, rules, kafka, workers, .. } = self;
        let entrance = self.broker.entrance_settings();
        let config = format!(
            "[kafka]\nbrokers = \"{brokers}\"\ngroup = \"{name}\"\ntopics = [\"{name}-in\"]\n\
             alerts_topic = \"{name}-alerts\"\ndead_letter_topic = \"{name}-dead\"\n\
             instance_id = \"instance-{number}\"\ncommit_interval = \"500ms\"\nworkers = {workers}\n\
             {entrance}{kafka}[rules]\npaths = [\"{rules}\"]\n[http]\nlisten = \"127.0.0.1:{port}\"\n{settings}",
        );
        let path = self.directory.path().join(format!("{number}-{port}.toml"));
        std::fs::write(&path, config).unwrap();
        path
    }

    pub fn producer(&self) -> ThreadedProducer<DefaultProducerContext> {
        let mut client = self.broker.client();
        client.set("linger.ms", "20").set("compression.type", "lz4");
        client.set("message.max.bytes", "12000000").set("enable.idempotence", "true");
        client.create().unwrap()
    }

    /// Sends the lines of a file, keyed by host; calls `each` with the number of every thousandth.
    pub fn send_file(&self, path: &Path, mut each: impl FnMut(usize)) {
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

    /// Creates a topic of four partitions for re-keyed events, and has these rules go through it.
    pub fn rekey(&mut self, rules: &str, idle_timeout: &str) {
        let stamped = ("message.timestamp.type", "LogAppendTime");
        let topic = format!("{}-rekey", self.name);
        self.broker.create_topic(&topic, REKEY_PARTITIONS, &[stamped]);
        self.kafka.push_str(&format!(
            "[kafka.rekey]\nrules = \"{rules}\"\ntopic = \"{topic}\"\n\
             idle_timeout = \"{idle_timeout}\"\n"
        ));
    }

    /// Sends the lines of a file without a key, to partitions that have nothing to do with hosts;
    /// calls `each` with the number of every thousandth.
    pub fn scatter_file(&self, path: &Path, mut each: impl FnMut(usize)) {
        let producer = self.producer();
        let topic = format!("{}-in", self.name);
        let input = BufReader::new(std::fs::File::open(path).unwrap());
        let mut state: u32 = 1;
        for (number, line) in input.lines().enumerate() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let partition = (state >> 16) as i32 % PARTITIONS;
            send_to(&producer, &topic, Some(partition), None, Some(line.unwrap().as_bytes()));
            if number % 1_000 == 0 {
                each(number);
            }
        }
        producer.flush(DEADLINE).unwrap();
    }

    /// Reads a topic until `enough` says so of all its records so far.
    pub fn read(&self, kind: &str, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let mut client = self.broker.client();
        client.set("group.id", "reader").set("enable.auto.commit", "false");
        client.set("isolation.level", "read_committed").set("fetch.message.max.bytes", "2000000");
        let consumer: BaseConsumer = client.create().unwrap();
        // Not as a member of a group: a rebalance would read records again.
        let topic = format!("{}-{kind}", self.name);
        let metadata = consumer.fetch_metadata(Some(&topic), DEADLINE).unwrap();
        let mut all = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            all.add_partition_offset(&topic, partition.id(), Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let (mut records, started) = (Vec::new(), Instant::now());
        let mut last_news = Instant::now();
        while !(enough(&records) && last_news.elapsed() > Duration::from_secs(3)) {
            assert!(
                started.elapsed() < DEADLINE,
                "{kind}: {} records are not enough",
                records.len()
            );
            // Errors are brokers that are away: the deadline is the judge.
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
                records.push(Received::from(&message));
                last_news = Instant::now();
            }
        }
        records
    }
}

impl Drop for Setup<'_> {
    fn drop(&mut self) {
        // What the instances said is wanted when a test fails.
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            eprintln!("{}: logs are kept in {}", self.name, self.directory.path().display());
        }
    }
}

pub fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    key: Option<&[u8]>,
    payload: Option<&[u8]>,
) {
    send_to(producer, topic, None, key, payload);
}

pub fn send_to(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    partition: Option<i32>,
    key: Option<&[u8]>,
    payload: Option<&[u8]>,
) {
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
    record.partition = partition;
    record.key = key;
    record.payload = payload;
    enqueue(producer, record);
}

/// Sends a record with a timestamp of the producer's own, in milliseconds.
pub fn send_at(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    timestamp: i64,
    payload: &[u8],
) {
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
    enqueue(producer, record.payload(payload).timestamp(timestamp));
}

fn enqueue(
    producer: &ThreadedProducer<DefaultProducerContext>,
    mut record: BaseRecord<'_, [u8], [u8]>,
) {
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
pub fn host_id(line: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["host"]["id"].as_str().unwrap().to_owned()
}

pub struct Received {
    /// Partition and offset.
    pub place: (i32, i64),
    pub key: Option<String>,
    pub value: Vec<u8>,
    pub headers: BTreeMap<String, String>,
}

impl Received {
    pub fn from(message: &rdkafka::message::BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter()).map(|h| {
            (h.key.to_owned(), String::from_utf8_lossy(h.value.unwrap_or_default()).into_owned())
        });
        Self {
            place: (message.partition(), message.offset()),
            key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
            value: message.payload().unwrap_or_default().to_vec(),
            headers: headers.collect(),
        }
    }

    pub fn alert(&self) -> serde_json::Value {
        serde_json::from_slice(&self.value).unwrap()
    }
}

/// A running `maxspan run`.
pub struct Instance {
    pub child: Child,
    pub port: u16,
    pub log: PathBuf,
}

impl Instance {
    pub fn start(config: &Path, port: u16, failpoint: &str) -> Self {
        let log = config.with_extension("log");
        // Measurements name a program that was built for release.
        let program = std::env::var("PROGRAM");
        let program = program.as_deref().unwrap_or(env!("CARGO_BIN_EXE_maxspan"));
        let child = Command::new(program)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("FAILPOINT", failpoint)
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
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    pub fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            assert!(
                started.elapsed() < DEADLINE && !self.log().contains("\nerror: "),
                "{what}: not yet: {:?}\n{}",
                self.get("/readyz"),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn wait_ready(&self) {
        self.wait_for("ready", |instance| {
            instance.get("/readyz").is_some_and(|(status, _)| status == 200)
        });
    }

    /// The sum of a metric over its labels.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let (_, text) = self.get("/metrics").unwrap_or_default();
        let of_name = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(label)
        });
        of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it as the kernel would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and returns its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait_end().code()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits until it has ended.
    pub fn wait_end(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "does not end\n{}", self.log());
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
pub fn by_final(records: &[Received]) -> BTreeMap<(String, u64), BTreeSet<String>> {
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

pub fn truth(corpus: &Corpus) -> BTreeSet<(String, u64)> {
    let of_rule = |rule: &'static str| {
        corpus.finals(rule).into_iter().map(move |event| (rule.to_owned(), event))
    };
    ["v100", "2023", "20s"].into_iter().flat_map(of_rule).collect()
}

pub const EXACT: &str = "[rules.defaults]\nallowed_lateness = \"15s\"\n";

pub fn overrides(emit: &str) -> String {
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
