//! How many records a second `maxspan run` takes from a real Kafka for each second of CPU time of its whole
//! process, by codec, with the shipped rules; and what a client costs that only counts.
//!
//! Fills a topic of one partition with raw events for each codec, in batches as Winlogbeat sends them. Rounds take
//! turns over the codecs and over three readers of the same records, so that a busy minute hits all alike:
//! `maxspan replay` from a file, a plain client (the crate's own, record by record), and the service. Compare
//! within one run only.
//!
//! `cargo bench --bench kafka [-- --events 300000 --rounds 3 --batch 50 --codec lz4]`; `make kafka-jars` fetches Kafka.
//! Lines that begin with `{` are for machines.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

#[path = "../tests/support/admin.rs"]
mod admin;
#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "../tests/support/live.rs"]
mod live;
#[path = "../tests/support/process.rs"]
mod process;
#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use broker::Broker;
use live::{DEADLINE, Instance, Setup, host_id, send};
use process::Process;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use support::corpus::{Corpus, Settings, Shape, rules};

const CODECS: [&str; 5] = ["none", "lz4", "snappy", "zstd", "gzip"];

fn main() {
    if let Some([brokers, topic, records]) = after("--client") {
        return count_records(&brokers, &topic, records.parse().unwrap());
    }
    let number = |name: &str, default: usize| {
        after(name).map_or(default, |[value]: [String; 1]| value.parse().unwrap())
    };
    let (events, rounds) = (number("--events", 300_000), number("--rounds", 3));
    let batch = number("--batch", 50);
    let corpus = Corpus::make(Settings::MANY_ATTACKS.late().of(events as u64, 5_000, 60));
    let Some(broker) = Broker::start_or_not_run(1, "records through Kafka") else { return };
    let input = corpus.file(Shape::Raw);
    let bytes = std::fs::metadata(&input).unwrap().len() / events as u64;
    println!("{events} records of {bytes} bytes, {batch} in a batch, median of {rounds} rounds");
    let known = rules().map(|rule| corpus.finals(rule).len()).iter().sum();
    let of_codec = |codec| Topic::fill(&broker, codec, &input, batch, known);
    let chosen: Vec<&str> = match after("--codec") {
        Some([codec]) => CODECS.into_iter().filter(|known| *known == codec).collect(),
        None => CODECS.into(),
    };
    let mut topics: Vec<Topic<'_>> = chosen.into_iter().map(of_codec).collect();
    let mut from_file = Vec::new();
    for _ in 0..rounds {
        from_file.push(of_file(&input) / events as f64);
        topics.iter_mut().for_each(Topic::measure);
    }
    print_table(&topics, median(&from_file));
}

/// Returns the arguments that follow a name.
fn after<const N: usize>(name: &str) -> Option<[String; N]> {
    let following = std::env::args().skip_while(|argument| argument != name).skip(1);
    following.take(N).collect::<Vec<_>>().try_into().ok()
}

/// Returns the CPU seconds of `maxspan replay` over a file with one job, from start to end.
fn of_file(input: &Path) -> f64 {
    let mut replay = Command::new(env!("CARGO_BIN_EXE_maxspan"));
    replay.current_dir(env!("CARGO_MANIFEST_DIR")).args(["replay", "--jobs", "1"]).arg(input);
    cpu_of(&mut replay)
}

/// Runs a command to its end, and returns the CPU seconds that it took.
fn cpu_of(command: &mut Command) -> f64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut cpu = 0.0;
    // As long as nobody has waited for it, its numbers can be read even when it has ended.
    while !process_has_ended(child.id()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    cpu += cpu_seconds(child.id());
    assert!(child.wait().unwrap().success());
    cpu
}

fn process_has_ended(process: u32) -> bool {
    stat_fields(process)[0] == "Z"
}

/// Reads records with the client alone and counts their bytes: what no consumer can be cheaper than by much.
fn count_records(brokers: &str, topic: &str, records: usize) {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers).set("group.id", "counter");
    client.set("enable.auto.commit", "false").set("check.crcs", "false");
    client.set("queued.max.messages.kbytes", "8192").set("fetch.queue.backoff.ms", "5");
    let consumer: BaseConsumer = client.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let (mut count, mut bytes) = (0, 0);
    while count < records {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            count += 1;
            bytes += message.payload().map_or(0, <[u8]>::len);
        }
    }
    println!("{bytes}");
}

/// One topic, and what reading it has taken, in CPU seconds a record.
struct Topic<'b> {
    codec: &'static str,
    setup: Setup<'b>,
    /// Matches that are known to be there, at least.
    known: usize,
    records: usize,
    disk: u64,
    client: Vec<f64>,
    service: Vec<f64>,
    /// Records a second by the wall clock.
    rate: Vec<f64>,
    peak: u64,
}

impl<'b> Topic<'b> {
    /// Sends every line, keyed by host.
    fn fill(
        broker: &'b Broker,
        codec: &'static str,
        input: &Path,
        batch: usize,
        known: usize,
    ) -> Self {
        let stamped = ("message.timestamp.type", "LogAppendTime");
        let settings = [stamped, ("segment.bytes", "67108864"), ("max.message.bytes", "12000000")];
        broker.create_topic(&format!("{codec}-in"), 1, &settings);
        for topic in ["alerts", "dead", "journal"] {
            broker.create_topic(&format!("{codec}-{topic}"), 1, &[]);
        }
        let mut setup = Setup::bare(broker, codec, tempfile::tempdir().unwrap());
        setup.kafka = format!("journal = {{ topic = \"{codec}-journal\" }}\n");
        let producer = producer(&setup, codec, batch);
        let topic = format!("{codec}-in");
        let mut records = 0;
        for line in BufReader::new(std::fs::File::open(input).unwrap()).lines() {
            let line = line.unwrap();
            send(&producer, &topic, Some(host_id(&line).as_bytes()), Some(line.as_bytes()));
            records += 1;
        }
        producer.flush(DEADLINE).unwrap();
        let disk = broker.bytes_of(&topic, 0);
        let (client, service, rate) = (Vec::new(), Vec::new(), Vec::new());
        Self { codec, setup, known, records, disk, client, service, rate, peak: 0 }
    }

    fn measure(&mut self) {
        let mut client = Command::new(std::env::current_exe().unwrap());
        client.args(["--client", &self.setup.broker.bootstrap(), &format!("{}-in", self.codec)]);
        let client = cpu_of(client.arg(self.records.to_string()));
        let start_up = self.start_up();
        let (service, wall) = self.service();
        let records = self.records as f64;
        self.client.push(client / records);
        self.service.push((service - start_up) / records);
        self.rate.push(records / wall);
        println!(
            "{}: client {client:.2} CPU s, service {service:.2} CPU s, {start_up:.2} of it start-up, {wall:.2} s",
            self.codec
        );
    }

    /// Returns the CPU time of a start where there is nothing to read.
    fn start_up(&self) -> f64 {
        let Setup { broker, name, .. } = &self.setup;
        let (topic, end) = (format!("{name}-in"), self.records as i64);
        // The coordinator of a group that nobody knew needs a moment.
        let commit = || broker.commit(name, &topic, 0, end, "").is_ok();
        broker.until("the end is committed", commit);
        let instance = self.setup.instance(0);
        instance.wait_ready();
        let cpu = cpu_seconds(instance.child.id());
        assert_eq!(instance.terminate(), Some(0));
        broker.delete_group(name);
        cpu
    }

    /// Returns the CPU time of the service from its start to the last record, and for how long it read.
    fn service(&mut self) -> (f64, f64) {
        let records = self.records as f64;
        let instance = self.setup.instance(0);
        let consumed = |instance: &Instance| instance.metric("maxspan_events_consumed_total", "");
        wait(&instance, |instance| consumed(instance) > 0.0);
        let begun = Instant::now();
        wait(&instance, |instance| consumed(instance) >= records);
        let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds(instance.child.id()));
        self.peak = self.peak.max(Process(instance.child.id()).peak_memory());
        // A fast wrong answer is none.
        let matches = instance.metric("maxspan_matches_total", "") as usize;
        assert!(matches >= self.known, "{matches} matches of {}", self.known);
        assert_eq!(instance.terminate(), Some(0));
        let Setup { broker, name, .. } = &self.setup;
        broker.delete_group(name);
        (cpu, wall)
    }
}

fn producer(
    setup: &Setup<'_>,
    codec: &str,
    batch: usize,
) -> ThreadedProducer<DefaultProducerContext> {
    let mut client = setup.broker.client();
    client.set("compression.type", codec).set("message.max.bytes", "12000000");
    client.set("batch.num.messages", batch.to_string()).set("linger.ms", "500");
    if codec == "gzip" {
        // Winlogbeat's default.
        client.set("compression.level", "4");
    }
    client.create().unwrap()
}

fn wait(instance: &Instance, is_done: impl Fn(&Instance) -> bool) {
    let begun = Instant::now();
    while !is_done(instance) {
        assert!(begun.elapsed() < DEADLINE, "not yet:\n{}", instance.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn print_table(topics: &[Topic<'_>], from_file: f64) {
    println!(
        "\nfrom the file: {:.0} records per CPU second ({:.2} µs each)\n\n\
         | codec | MB on disk, per million records | a client that counts, µs a record | \
         the service, µs a record | records per CPU second | of the file's rate | \
         records a second by the clock | peak MiB |\n|---|---|---|---|---|---|---|---|",
        1.0 / from_file,
        from_file * 1e6
    );
    for topic in topics {
        let (client, service) = (median(&topic.client), median(&topic.service));
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.2} | {:.0} | {} |",
            topic.codec,
            topic.disk as f64 / topic.records as f64,
            client * 1e6,
            service * 1e6,
            1.0 / service,
            from_file / service,
            median(&topic.rate),
            topic.peak >> 20,
        );
    }
    for topic in topics {
        let (client, service) = (median(&topic.client), median(&topic.service));
        let figures = serde_json::json!({
            "bench": "kafka",
            "codec": topic.codec,
            "records_per_cpu_second": (1.0 / service).round(),
            "of_the_file": from_file / service,
            "client_microseconds": client * 1e6,
            "service_microseconds": service * 1e6,
            "records_per_second": median(&topic.rate).round(),
            "peak_bytes": topic.peak,
        });
        println!("{figures}");
    }
}

fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// CPU time of a process so far, from Linux's `/proc/PID/stat`.
fn cpu_seconds(process: u32) -> f64 {
    let fields = stat_fields(process);
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    // Linux has had 100 ticks a second for every process since 2.6.
    ticks / 100.0
}

/// The numbers of a process behind its name; the first is its state.
fn stat_fields(process: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').map(str::to_owned).collect()
}
